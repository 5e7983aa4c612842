//! Loom models of a promise: what its threads may do to it at the same time.

use super::*;
use crate::sync_prim::{AtomicUsize, Mutex, Ordering};
use loom::thread;

/// Runs each job where it is: the models ask only whether it leaves.
struct RunHere;

impl Carry for RunHere {
    fn carry(&self, job: Job) {
        job.run();
    }
}

#[test]
fn a_callback_leaves_once_whenever_it_is_added() {
    loom::model(|| {
        let promise: Promise<usize, ()> = Promise::with(Arc::new(RunHere));
        let seen = Arc::new(AtomicUsize::new(0));
        let setter = {
            let promise = promise.clone();
            thread::spawn(move || promise.set_result(7).unwrap())
        };
        let by_callback = seen.clone();
        promise.add_done_callback(move |promise| {
            let value = promise.result().unwrap().unwrap();
            by_callback.fetch_add(value, Ordering::Relaxed);
        });
        setter.join().unwrap();
        assert_eq!(seen.load(Ordering::Relaxed), 7);
    });
}

/// A loop that another thread empties: here at the end of the model.
struct Queues(Mutex<Vec<Job>>);

impl Carry for Queues {
    fn carry(&self, job: Job) {
        self.0.lock().push(job);
    }

    fn is_serial(&self) -> bool {
        true
    }
}

#[test]
fn a_serial_carrier_keeps_the_order() {
    loom::model(|| {
        let queues = Arc::new(Queues(Mutex::new(Vec::new())));
        let promise: Promise<usize, ()> = Promise::with(queues.clone());
        let said = Arc::new(Mutex::new(Vec::new()));
        let say = |n: usize| {
            let said = said.clone();
            move |_: &Promise<usize, ()>| said.lock().push(n)
        };
        promise.add_done_callback(say(1));
        let setter = {
            let promise = promise.clone();
            thread::spawn(move || promise.set_result(7).unwrap())
        };
        promise.add_done_callback(say(2));
        setter.join().unwrap();
        let jobs = std::mem::take(&mut *queues.0.lock());
        for job in jobs {
            job.run();
        }
        assert_eq!(*said.lock(), [1, 2]);
    });
}

#[test]
fn one_of_two_setters_wins_and_the_waiter_wakes() {
    loom::model(|| {
        let promise: Promise<usize, ()> = Promise::with(Arc::new(RunHere));
        let other = {
            let promise = promise.clone();
            thread::spawn(move || promise.set_result(1).is_ok())
        };
        let waiter = {
            let promise = promise.clone();
            thread::spawn(move || loom::future::block_on(promise.wait()).is_ok())
        };
        let cancelled = promise.cancel("no need");
        let set = other.join().unwrap();
        assert!(set != cancelled);
        assert_eq!(waiter.join().unwrap(), set);
    });
}

#[test]
fn a_repeated_callback_runs_or_is_counted() {
    loom::model(|| {
        let promise: Promise<usize, ()> = Promise::with(Arc::new(RunHere));
        let ran = Arc::new(AtomicUsize::new(0));
        let by_callback = ran.clone();
        let callback = DoneCallback::new(move |_: &Promise<usize, ()>| {
            by_callback.fetch_add(1, Ordering::Relaxed);
        });
        promise.add_repeated_callback(&callback);
        let setter = {
            let promise = promise.clone();
            thread::spawn(move || promise.set_result(7).unwrap())
        };
        promise.add_repeated_callback(&callback);
        let removed = promise.remove_repeated_callback(&callback);
        setter.join().unwrap();
        assert_eq!(ran.load(Ordering::Relaxed) + removed, 2);
    });
}

#[test]
fn a_chain_goes_one_way_at_each_end() {
    loom::model(|| {
        let source: Promise<usize, ()> = Promise::with(Arc::new(RunHere));
        let destination: Promise<usize, ()> = Promise::with(Arc::new(RunHere));
        Promise::chain(&source, &destination);
        let setter = {
            let source = source.clone();
            thread::spawn(move || source.set_result(7).is_ok())
        };
        let cancelled = destination.cancel("no need");
        let set = setter.join().unwrap();
        // Both are done; what came first at either end stays.
        assert_eq!(source.is_cancelled(), !set);
        assert_eq!(destination.is_cancelled(), cancelled);
        assert!(set || cancelled, "the source was cancelled by nobody");
    });
}

/// As [`RunHere`], and counts what nobody asked for.
struct Counts(Arc<AtomicUsize>);

impl Carry for Counts {
    fn carry(&self, job: Job) {
        job.run();
    }

    fn unretrieved(&self, _: &Unretrieved<'_>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

#[test]
fn an_error_is_retrieved_or_reported() {
    loom::model(|| {
        let reports = Arc::new(AtomicUsize::new(0));
        let promise: Promise<(), usize> = Promise::with(Arc::new(Counts(reports.clone())));
        let reader = {
            let promise = promise.clone();
            thread::spawn(move || promise.error().is_ok())
        };
        promise.set_error(7).unwrap();
        let seen = reader.join().unwrap();
        drop(promise);
        assert_eq!(reports.load(Ordering::Relaxed), usize::from(!seen));
    });
}

//! A task that is cancelled knows why, has the time to tidy up that it asked for, and its error tells who did it.

use std::future::{Future, pending};
use std::pin::Pin;
use std::sync::{Arc, mpsc};
use std::task::{Context, Poll, Wake, Waker};
use std::time::{Duration, Instant};

use filch::runtime::Runtime;
use filch::task::{
    Builder, CancelScope, JoinHandle, TaskGroup, cancel_reason, cancelled, is_cancelled,
    with_grace, yield_now,
};
use filch::time::sleep;
use filch::{Promise, PromiseError};

mod common;
use common::{
    Drops, Gate, Probe, Random, a_while, begun, bounded, end, eventually, many, multi,
    on_each_kind, single,
};

const HOUR: Duration = Duration::from_secs(3600);

// CPython: BaseTaskTests.test_cancel, test_cancel_with_message_then_future_result.
#[test]
fn the_error_says_who_cancelled_why_and_from_where() {
    on_each_kind(|rt| {
        let task = begun(&rt, |begun| async {
            begun();
            pending::<()>().await
        });
        let id = task.id();
        let line = line!() + 5;
        let canceller = Builder::new()
            .name("boss")
            .spawn_on(
                async move {
                    assert!(task.cancel(format!("no {}", "need")));
                    (filch::task::id(), task.await.unwrap_err())
                },
                rt.handle(),
            )
            .unwrap();
        let (boss, error) = end(&rt, canceller).unwrap();
        assert!(error.is_cancelled() && !error.is_panic());
        assert_eq!(error.reason(), Some("no need"));
        assert_eq!(error.cancelled_by(), Some(boss));
        let why = error.cancellation().unwrap();
        assert_eq!(why.task_name(), Some("boss"));
        let at = why.asked_at().unwrap();
        assert_eq!((at.file(), at.line()), (file!(), line));
        assert!(!why.is_shutdown());
        let place = error.spawned_at();
        let text = format!(
            "task {id} ({}:{}) was cancelled by task \"boss\" at {}:{line}: no need",
            place.file(),
            place.line(),
            file!(),
        );
        assert_eq!(error.to_string(), text);
    });
}

#[test]
fn an_abort_gives_no_reason_and_a_shutdown_is_one() {
    bounded(|| {
        let rt = multi(8);
        let aborted = rt.spawn(pending::<()>());
        aborted.abort();
        let error = end(&rt, aborted).unwrap_err();
        assert!(error.cancellation().is_none());
        assert!(error.to_string().ends_with(" was cancelled"));

        let left = rt.spawn(pending::<()>());
        let asked = rt.spawn(with_grace(HOUR, pending::<()>()));
        let handle = rt.handle().clone();
        drop(rt);
        let late = handle.spawn(async {});
        let late_closure = handle.spawn_blocking(|| ());
        let rt = single();
        for task in [left, asked, late, late_closure] {
            let error = end(&rt, task).unwrap_err();
            assert!(error.cancellation().unwrap().is_shutdown());
            assert_eq!(error.reason(), Some("the runtime shut down"));
            assert_eq!(error.cancelled_by(), None);
            assert!(error.to_string().ends_with("since the runtime shut down"));
        }
    });
}

// CPython: test_cancel_done / FutureTests.test_cancel: False if done.
#[test]
fn a_task_that_is_done_cannot_be_cancelled() {
    on_each_kind(|rt| {
        let task = rt.spawn(async { 7 });
        eventually_done(&rt, &task);
        assert!(!task.cancel("too late"));
        assert!(!task.abort_handle().cancel("too late"));
        assert_eq!(end(&rt, task).unwrap(), 7);
    });
}

fn eventually_done<T>(rt: &Runtime, task: &JoinHandle<T>) {
    let limit = Instant::now() + a_while();
    rt.block_on(async {
        while !task.is_finished() {
            assert!(Instant::now() < limit, "never done");
            sleep(Duration::from_millis(1)).await;
        }
    });
}

// CPython: test_cancel_with_message_before_starting_task: the body never runs.
#[test]
fn a_task_that_is_cancelled_before_it_begins_never_runs() {
    bounded(|| {
        let rt = single();
        for grace in [None, Some(HOUR)] {
            let drops = Drops::default();
            let counted = drops.counted();
            let future = async move {
                let _counted = counted;
                panic!("it runs");
            };
            let builder = match grace {
                None => Builder::new(),
                Some(grace) => Builder::new().grace(grace),
            };
            let task: JoinHandle<()> = builder.spawn_on(future, rt.handle()).unwrap();
            task.cancel("changed my mind");
            let error = end(&rt, task).unwrap_err();
            assert_eq!(error.reason(), Some("changed my mind"));
            assert_eq!(drops.count(), 1);
        }
    });
}

// CPython: test_cancel_with_message_cancelled_twice has the last message; here, where nobody can uncancel, the first.
#[test]
fn the_first_reason_stays() {
    on_each_kind(|rt| {
        let task = begun(&rt, |begun| {
            with_grace(HOUR, async {
                begun();
                cancelled().await;
                cancel_reason().unwrap().reason().to_owned()
            })
        });
        let other = task.abort_handle();
        task.cancel("first");
        other.cancel("second");
        assert_eq!(end(&rt, task).unwrap(), "first");
    });
}

#[test]
fn outside_a_task_nobody_is_cancelled() {
    assert!(!is_cancelled() && cancel_reason().is_none());
    let probe = Probe::new();
    let mut wait = cancelled();
    assert!(probe.poll(&mut wait).is_pending());
    let mut grace = Box::pin(with_grace(HOUR, async { 7 }));
    assert_eq!(probe.poll(&mut grace), Poll::Ready(7));
    let mut shield = Box::pin(CancelScope::shield(async { 7 }));
    assert_eq!(probe.poll(&mut shield), Poll::Ready(7));
}

#[test]
fn a_closure_that_blocks_can_look_and_one_that_waits_never_runs() {
    bounded(|| {
        let mut builder = filch::runtime::Builder::new_multi_thread();
        let rt = builder.worker_threads(2).max_blocking_threads(1).build();
        let rt = rt.unwrap();
        let (tell, told) = mpsc::channel();
        let runs = rt.spawn_blocking(move || {
            tell.send(()).unwrap();
            let limit = Instant::now() + a_while();
            while !is_cancelled() {
                assert!(Instant::now() < limit, "never asked");
                std::thread::yield_now();
            }
            cancel_reason().unwrap().reason().to_owned()
        });
        told.recv_timeout(a_while()).unwrap();
        let waits = rt.spawn_blocking(|| panic!("it runs"));
        waits.cancel("not needed");
        runs.cancel("enough");
        assert_eq!(end(&rt, runs).unwrap(), "enough");
        let error = end::<JoinHandle<()>>(&rt, waits).unwrap_err();
        assert_eq!(error.reason(), Some("not needed"));
    });
}

#[test]
fn a_poll_under_way_ends_first() {
    bounded(|| {
        let rt = multi(2);
        let gate = Gate::closed();
        let pass = gate.clone();
        let task = begun(&rt, |begun| async move {
            begun();
            pass.pass();
            assert!(is_cancelled());
            yield_now().await;
            panic!("it goes on behind an await");
        });
        task.cancel("hurry");
        assert!(!task.is_finished());
        gate.open();
        let error = end::<JoinHandle<()>>(&rt, task).unwrap_err();
        assert_eq!(error.reason(), Some("hurry"));
    });
}

/// A waker that stays in a task's list goes with its memory, and may ask for the current task when it does.
#[test]
fn who_goes_with_the_memory_of_a_task_sees_no_task() {
    struct Asks(mpsc::Sender<bool>);
    impl Wake for Asks {
        fn wake(self: Arc<Self>) {}
    }
    impl Drop for Asks {
        fn drop(&mut self) {
            let mut wait = cancelled();
            let mut context = Context::from_waker(Waker::noop());
            let asked = Pin::new(&mut wait).poll(&mut context).is_ready();
            let _ = self.0.send(asked | is_cancelled());
        }
    }
    let mut random = Random::from_env();
    bounded(move || {
        let rt = multi(8);
        let (tell, told) = mpsc::channel();
        let total = many(5000);
        for _ in 0..total {
            let mut task = rt.spawn(async {});
            let waker = Waker::from(Arc::new(Asks(tell.clone())));
            (0..random.below(1000)).for_each(|_| std::hint::spin_loop());
            let _ = Pin::new(&mut task).poll(&mut Context::from_waker(&waker));
        }
        drop(rt);
        drop(tell);
        let all: Vec<_> = told.iter().collect();
        assert_eq!(all, vec![false; total]);
    });
}

#[test]
fn whoever_cancels_from_many_threads_gives_one_reason() {
    bounded(|| {
        let rt = multi(8);
        for _ in 0..many(200) {
            let task = begun(&rt, |begun| {
                with_grace(HOUR, async {
                    begun();
                    cancelled().await;
                    let first = cancel_reason().unwrap();
                    yield_now().await;
                    (first, cancel_reason().unwrap())
                })
            });
            std::thread::scope(|scope| {
                for n in 0..4 {
                    let handle = task.abort_handle();
                    scope.spawn(move || handle.cancel(format!("reason {n}")));
                }
            });
            let (first, last) = end(&rt, task).unwrap();
            assert_eq!(first.reason(), last.reason());
            assert!(first.reason().starts_with("reason "));
        }
    });
}

/// Awaits in a way that depends on the number.
async fn live(kind: usize, mut random: Random) {
    let mut wander = async || {
        for _ in 0..random.below(20) {
            match random.below(4) {
                0 => sleep(Duration::from_micros(random.below(2000) as u64)).await,
                1 => CancelScope::shield(yield_now()).await,
                _ => yield_now().await,
            }
        }
    };
    match kind {
        0 => wander().await,
        1 => with_grace(Duration::from_millis(1), wander()).await,
        2 => {
            with_grace(HOUR, async {
                filch::select! {
                    () = cancelled() => {}
                    () = wander() => {}
                }
            })
            .await
        }
        3 => CancelScope::shield(wander()).await,
        _ => {
            let _ = filch::time::move_on_after(Duration::from_millis(1), wander()).await;
        }
    }
}

#[test]
fn tasks_that_are_cancelled_while_they_do_all_sorts_of_things_end_and_leak_nothing() {
    let mut random = Random::from_env();
    bounded(move || {
        let rt = multi(8);
        let drops = Drops::default();
        let total = many(5000);
        let mut reasons = 0;
        let mut waiting = Vec::new();
        for n in 0..total {
            let (counted, theirs) = (drops.counted(), random.fork());
            let task = rt.spawn(async move {
                let _counted = counted;
                live(n % 5, theirs).await;
            });
            (0..random.below(2000)).for_each(|_| std::hint::spin_loop());
            match random.below(4) {
                0 => {}
                1 => task.abort(),
                2 => drop(task.cancel("twice") | task.cancel("once")),
                _ => drop(task.cancel("once")),
            }
            if random.below(8) > 0 {
                waiting.push(task);
            }
        }
        for task in waiting {
            if let Err(error) = end(&rt, task) {
                assert!(error.is_cancelled(), "{error}");
                reasons += usize::from(error.reason().is_some());
            }
        }
        assert!(reasons > 0, "none was cancelled");
        eventually("all futures are dropped", || drops.count() == total);
    });
}

#[test]
fn the_reason_of_a_promise_is_passed_on_to_whatever_can_be_cancelled() {
    on_each_kind(|rt| {
        let stopped = end(&rt, async {
            let stop: Promise<(), ()> = Promise::new();
            assert!(stop.cancel(format!("no {}", "need")));
            stop.wait().await
        });
        let Err(PromiseError::Cancelled { reason }) = stopped else {
            panic!("it is cancelled");
        };

        let task = rt.spawn(pending::<()>());
        assert!(task.cancel(reason.clone()));
        assert_eq!(end(&rt, task).unwrap_err().reason(), Some("no need"));
        let task = rt.spawn(pending::<()>());
        assert!(task.abort_handle().cancel(reason.clone()));
        assert_eq!(end(&rt, task).unwrap_err().reason(), Some("no need"));

        let scope = CancelScope::new();
        assert!(scope.cancel(reason.clone()));
        assert_eq!(scope.cancellation().unwrap().reason(), "no need");

        let stopped = TaskGroup::<()>::scope(async |group| {
            let child = group.spawn(pending::<Result<(), ()>>());
            assert!(child.cancel(reason.clone()));
            assert_eq!(child.await.unwrap_err().reason(), Some("no need"));
            assert!(group.cancel(reason));
            pending::<Result<(), ()>>().await
        });
        let error = end(&rt, stopped).unwrap_err();
        assert_eq!(error.cancellation().unwrap().reason(), "no need");
    });
}

#[test]
fn an_empty_reason_says_nothing() {
    let scope = CancelScope::new();
    scope.cancel("");
    let why = scope.cancellation().unwrap();
    let line = why.asked_at().unwrap().line();
    assert_eq!(why.to_string(), format!("at {}:{line}", file!()));
}

//! An `AbortOnDropHandle` takes its task with it; detached it is a plain handle again.

use std::future::{pending, ready};
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use filch::task::{AbortOnDropHandle, JoinError, JoinHandle, yield_now};

mod common;
use common::{Drops, Gate, Probe, bounded, eventually, multi, on_each_kind};

#[test]
fn dropping_it_aborts_the_task() {
    on_each_kind(|rt| {
        let drops = Drops::default();
        let task = || {
            let counted = drops.counted();
            rt.spawn(async move {
                let _counted = counted;
                pending::<()>().await;
            })
        };
        drop(AbortOnDropHandle::new(task()));
        drop(task().abort_on_drop());
        // A wait that is cancelled takes the task with it, too.
        let handle = task().abort_on_drop();
        let waited =
            rt.block_on(async { filch::time::timeout(Duration::from_millis(1), handle).await });
        assert!(waited.is_err());
        eventually("the tasks are dropped", || {
            rt.block_on(yield_now());
            drops.count() == 3
        });
    });
}

#[test]
fn it_gives_the_outcome() {
    on_each_kind(|rt| {
        let task = rt.spawn(ready(7));
        let id = task.id();
        let mut handle = task.abort_on_drop();
        assert_eq!((handle.id(), handle.abort_handle().id()), (id, id));
        assert_eq!(handle.as_ref().id(), id);
        assert_eq!(rt.block_on(&mut handle).unwrap(), 7);
        assert!(handle.is_finished());
        drop(handle);

        let handle = rt.spawn(pending::<()>()).abort_on_drop();
        handle.abort();
        let error: JoinError = rt.block_on(handle).unwrap_err();
        assert!(error.is_cancelled());
        let panics = rt.spawn(async { panic!("on purpose") }).abort_on_drop();
        let outcome: Result<(), _> = rt.block_on(panics);
        assert!(outcome.unwrap_err().is_panic());
    });
}

#[test]
fn detached_it_lets_the_task_run_on() {
    on_each_kind(|rt| {
        let (go, wait) = async_channel::bounded::<()>(1);
        let task = rt.spawn(async move {
            wait.recv().await.unwrap();
            7
        });
        let handle: JoinHandle<u32> = task.abort_on_drop().detach();
        rt.block_on(yield_now());
        assert!(!handle.is_finished());
        go.try_send(()).unwrap();
        assert_eq!(rt.block_on(handle).unwrap(), 7);
    });
}

#[test]
fn a_task_that_is_done_stays_so() {
    bounded(|| {
        let (rt, gate) = (multi(1), Gate::closed());
        let inside = gate.clone();
        let drops = Drops::default();
        let counted = drops.counted();
        let handle = rt
            .spawn(async move {
                inside.pass();
                counted
            })
            .abort_on_drop();
        let mut handle = pin!(handle);
        let probe = Probe::new();
        assert!(probe.poll(&mut handle).is_pending());
        gate.open();
        probe.wait(1);
        let Poll::Ready(Ok(counted)) = probe.poll(&mut handle) else {
            panic!("it is done");
        };
        assert_eq!(drops.count(), 0);
        drop(counted);
        assert_eq!(drops.count(), 1);
    });
}

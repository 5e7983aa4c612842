//! Wakers of others whose clone is code of others, too: it may use the very thing that the waker is left with. So is the drop
//! of a clone that was not needed after that.

use std::cell::{Cell, RefCell};
use std::future::pending;
use std::pin::pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, RawWaker, RawWakerVTable, Waker};

use filch::Promise;
use filch::sync::{mpsc, oneshot};
use filch::task::{CancelScope, JoinSet, TaskGroup};

mod common;
#[path = "common/polled.rs"]
mod polled;
use common::{bounded, end, multi, single};
use polled::poll_by;

thread_local! {
    static ON_CLONE: RefCell<Option<Box<dyn FnOnce()>>> = const { RefCell::new(None) };
    static PANICS: Cell<bool> = const { Cell::new(false) };
}

static VTABLE: RawWakerVTable = RawWakerVTable::new(clone, |_| (), |_| (), drop_it);

unsafe fn drop_it(_: *const ()) {
    if PANICS.take() {
        panic!("a drop of a waker");
    }
}

unsafe fn clone(_: *const ()) -> RawWaker {
    if let Some(deed) = ON_CLONE.take() {
        deed();
    }
    RawWaker::new(std::ptr::null(), &VTABLE)
}

/// A waker whose first clone, on this thread, does something.
fn waker_whose_clone(deed: impl FnOnce() + 'static) -> Waker {
    ON_CLONE.set(Some(Box::new(deed)));
    // SAFETY: no function of the vtable uses the pointer.
    unsafe { Waker::from_raw(RawWaker::new(std::ptr::null(), &VTABLE)) }
}

/// As `waker_whose_clone`, and the drop of that clone panics.
fn waker_that_is_left(deed: impl FnOnce() + 'static) -> Waker {
    waker_whose_clone(|| {
        deed();
        PANICS.set(true);
    })
}

/// The deed was done.
fn was_cloned() -> bool {
    ON_CLONE.with_borrow(Option::is_none)
}

#[test]
fn it_may_cancel_the_scope_that_waits() {
    bounded(|| {
        let scope = CancelScope::new();
        let mut run = pin!(scope.run(pending::<()>()));
        let handle = scope.clone();
        let waker = waker_whose_clone(move || {
            handle.set_deadline(None);
            assert!(handle.cancel("from a clone"));
        });
        match poll_by(run.as_mut(), &waker) {
            Poll::Ready(stopped) => assert!(stopped.unwrap_err().is_cancelled()),
            Poll::Pending => panic!("it was cancelled before it looked"),
        }
    });
}

#[test]
fn it_may_set_the_promise_that_is_awaited() {
    bounded(|| {
        let rt = multi(1);
        let _entered = rt.enter();
        let promise: Promise<u32, ()> = Promise::new();
        let mut wait = pin!(promise.clone().wait());
        let sets = promise.clone();
        let waker = waker_whose_clone(move || sets.set_result(7).unwrap());
        let Poll::Ready(value) = poll_by(wait.as_mut(), &waker) else {
            panic!("it was set before it looked");
        };
        assert_eq!(value.unwrap(), 7);
    });
}

#[test]
fn it_may_run_the_task_that_is_joined() {
    bounded(|| {
        for set in [false, true] {
            let rt = Arc::new(single());
            let _entered = rt.enter();
            let mut tasks = JoinSet::new();
            let mut task = rt.spawn(async { 7 });
            if set {
                tasks.spawn(async { 7 });
            }
            let runs = rt.clone();
            let waker = waker_whose_clone(move || runs.block_on(filch::task::yield_now()));
            let polled = if set {
                tasks.poll_join_next(&mut Context::from_waker(&waker))
            } else {
                poll_by(std::pin::Pin::new(&mut task), &waker).map(Some)
            };
            assert!(was_cloned());
            let Poll::Ready(Some(seven)) = polled else {
                panic!("it was done before it looked");
            };
            assert_eq!(seven.unwrap(), 7);
        }
    });
}

#[test]
fn it_may_stop_the_group_in_which_it_waits_for_a_place() {
    bounded(|| {
        let rt = multi(2);
        let done = TaskGroup::<()>::builder()
            .limit(1)
            .scope(async |group: TaskGroup<()>| {
                let first = group.spawn(pending::<Result<(), ()>>());
                let handle = group.clone();
                let mut second = pin!(group.wait_spawn(async { Ok(()) }));
                let waker = waker_whose_clone(move || {
                    assert!(handle.cancel("from a clone"));
                });
                let Poll::Ready(child) = poll_by(second.as_mut(), &waker) else {
                    panic!("the group stops");
                };
                assert!(was_cloned() && child.is_refused());
                Ok(first)
            });
        // The block was done before it could be told to stop.
        let first = end(&rt, done).unwrap();
        assert!(rt.block_on(first).unwrap_err().is_cancelled());
    });
}

#[test]
fn it_may_say_that_a_child_is_ready() {
    bounded(|| {
        let rt = multi(2);
        let done = TaskGroup::<()>::scope(async |group: TaskGroup<()>| {
            let place = Arc::new(Mutex::new(None));
            let puts = place.clone();
            let mut starting = pin!(group.start(move |ready| {
                *puts.lock().unwrap() = Some(ready);
                pending()
            }));
            let ready = place.lock().unwrap().take().unwrap();
            let waker = waker_that_is_left(move || ready.send(7).unwrap());
            let Poll::Ready(seven) = poll_by(starting.as_mut(), &waker) else {
                panic!("it is ready");
            };
            assert_eq!(seven.unwrap(), 7);
            group.cancel("enough");
            Ok(())
        });
        end(&rt, done).unwrap();
    });
}

#[test]
fn it_may_send_the_message_that_is_waited_for() {
    bounded(|| {
        let (tx, mut rx) = mpsc::channel(1);
        let sends = tx.clone();
        let waker = waker_that_is_left(move || sends.try_send(7).unwrap());
        let received = rx.poll_recv(&mut Context::from_waker(&waker));
        assert_eq!(received, Poll::Ready(Some(7)));
        assert!(was_cloned() && !PANICS.get());
        let ends = RefCell::new(Some(tx));
        let waker = waker_that_is_left(move || drop(ends.take()));
        let received = rx.poll_recv(&mut Context::from_waker(&waker));
        assert_eq!(received, Poll::Ready(None));
        assert!(was_cloned() && !PANICS.get());
    });
}

#[test]
fn it_may_free_the_place_that_is_waited_for() {
    bounded(|| {
        let rt = multi(2);
        let done = TaskGroup::<()>::builder()
            .limit(1)
            .scope(async |group: TaskGroup<()>| {
                let (tx, rx) = oneshot::channel();
                let first = group.spawn(async move {
                    rx.await.unwrap();
                    Ok(())
                });
                let first = Arc::new(first);
                let ends = first.clone();
                let mut second = pin!(group.wait_spawn(async { Ok(7) }));
                let waker = waker_that_is_left(move || {
                    tx.send(()).unwrap();
                    common::eventually("the first is done", || ends.is_finished());
                });
                let Poll::Ready(child) = poll_by(second.as_mut(), &waker) else {
                    panic!("the place is free");
                };
                assert!(was_cloned() && !PANICS.get());
                drop(first);
                assert_eq!(child.await.unwrap(), 7);
                // The place goes round still.
                let third = group.wait_spawn(async { Ok(8) }).await;
                assert_eq!(third.await.unwrap(), 8);
                Ok(())
            });
        end(&rt, done).unwrap();
    });
}

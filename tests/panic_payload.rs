//! The payload of a panic may itself panic when it is dropped: then, too, nobody but its task is hurt.

use std::future::{Future, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind, panic_any};
use std::pin::Pin;
use std::sync::{Arc, mpsc};
use std::task::{Context, Poll, Wake, Waker};

use filch::Promise;

mod common;
use common::{hooks_that_panic, hurts_no_other};

/// A payload that panics, once more, when it is dropped.
struct Evil;

impl Drop for Evil {
    fn drop(&mut self) {
        panic_any("on purpose: in the drop of a payload");
    }
}

/// A panic whose payload panics when it is dropped.
struct EvilDrop;

impl Drop for EvilDrop {
    fn drop(&mut self) {
        panic_any(Evil);
    }
}

#[test]
fn a_payload_that_panics_too_in_the_hooks_of_threads_and_of_stalls_hurts_no_other() {
    hooks_that_panic(|| panic_any(Evil));
}

#[test]
fn a_payload_that_panics_too_in_a_poll_that_nobody_awaits_hurts_no_other() {
    hurts_no_other(|rt| {
        let task = rt.spawn(async { panic_any(Evil) });
        let error = rt.block_on(task).unwrap_err();
        assert!(catch_unwind(AssertUnwindSafe(|| drop(error))).is_err());
        (0..8).for_each(|_| drop(rt.spawn(async { panic_any(Evil) })));
        (0..8).for_each(|_| drop(rt.spawn_blocking(|| panic_any(Evil))));
    });
}

#[test]
fn a_payload_that_panics_too_in_the_drop_of_a_future_that_is_done_hurts_no_other() {
    hurts_no_other(|rt| {
        let evil = EvilDrop;
        let task = rt.spawn(poll_fn(move |_| {
            let _kept = &evil;
            Poll::Ready(7)
        }));
        assert_eq!(rt.block_on(task).unwrap(), 7);
    });
}

#[test]
fn a_payload_that_panics_too_in_the_drop_of_a_value_that_nobody_wants_hurts_no_other() {
    hurts_no_other(|rt| drop(rt.spawn(async { EvilDrop })));
}

#[test]
fn a_payload_that_panics_too_in_a_done_callback_hurts_no_other() {
    hurts_no_other(|rt| {
        let _entered = rt.enter();
        let promise: Promise<u32, ()> = Promise::new();
        let (tell, told) = mpsc::channel();
        promise.add_done_callback(|_| panic_any(Evil));
        promise.add_done_callback(move |_| tell.send(()).unwrap());
        promise.set_result(3).unwrap();
        told.recv().unwrap();
    });
}

#[test]
fn a_payload_that_panics_too_in_the_waker_of_a_join_handle_hurts_no_other() {
    struct EvilWaker(mpsc::Sender<()>);
    impl Wake for EvilWaker {
        fn wake(self: Arc<Self>) {
            self.0.send(()).unwrap();
            panic_any(Evil);
        }
    }
    hurts_no_other(|rt| {
        let (tell, told) = async_channel::bounded::<()>(1);
        let mut task = rt.spawn(async move { told.recv().await.unwrap() });
        let (woke, woken) = mpsc::channel();
        let waker = Waker::from(Arc::new(EvilWaker(woke)));
        assert!(
            Pin::new(&mut task)
                .poll(&mut Context::from_waker(&waker))
                .is_pending()
        );
        tell.send_blocking(()).unwrap();
        woken.recv().unwrap();
        rt.block_on(task).unwrap();
    });
}

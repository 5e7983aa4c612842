//! A request to stop a task of a loop is heard, and once, whoever asks.

use std::future::{Future, pending, poll_fn};
use std::sync::mpsc;
use std::task::Poll;

use filch::asyncio::{catch_cancel, wait_on};
use filch::{EventLoop, PromiseError};

#[path = "common/asyncio.rs"]
mod asyncio_common;
mod common;
use asyncio_common::on_loops;

/// The promise is cancelled in the task's place, and the task has heard that and ended before who asked has the answer.
#[test]
fn a_request_of_another_thread_is_heard_once() {
    common::bounded(|| {
        let rt = common::multi(4);
        let _entered = rt.enter();
        for round in 0..common::many(5000) {
            let event_loop = EventLoop::new();
            event_loop.start();
            let never = event_loop.create_future::<(), ()>();
            let (tell, told) = mpsc::channel();
            let task = event_loop.create_task(async move {
                tell.send(()).unwrap();
                catch_cancel(wait_on(never)).await.is_err()
            });
            told.recv().unwrap();
            assert!(task.cancel("once"));
            let outcome = rt.block_on(async { (&task).await });
            assert_eq!(outcome, Ok(true), "in round {round}");
        }
    });
}

/// As `select!` does it whose other branch is ready first, but what heard the request stays until the end.
#[test]
fn a_request_is_not_lost_with_a_part_that_is_polled_no_more() {
    on_loops(|event_loop| {
        let mut part = Box::pin(catch_cancel(pending::<()>()));
        let mut has_begun = false;
        let task = event_loop.create_task(poll_fn(move |context| {
            if std::mem::replace(&mut has_begun, true) {
                return Poll::Ready(7);
            }
            assert!(part.as_mut().poll(context).is_pending());
            Poll::Pending
        }));
        let other = task.clone();
        event_loop.call_soon(move || assert!(other.cancel("enough")));
        let reason = "enough".into();
        let outcome = event_loop.run_until_complete(task);
        assert_eq!(outcome, Err(PromiseError::Cancelled { reason }));
    });
}

//! A task of a loop that awaits several things at once, which no task of asyncio does, hears of requests to stop all the same.

use std::future::pending;

use filch::asyncio::{TaskError, catch_cancel, wait_on};
use filch::{EventLoop, Promise, PromiseError};

#[path = "common/asyncio.rs"]
mod asyncio_common;
mod common;
use asyncio_common::{on_loops, run_briefly};

type Future = Promise<u32, String>;

/// The reason why a task was cancelled.
fn reason<T: std::fmt::Debug>(outcome: Result<T, TaskError>) -> String {
    match outcome {
        Err(PromiseError::Cancelled { reason }) => reason.to_string(),
        other => panic!("not cancelled: {other:?}"),
    }
}

fn a_future(event_loop: &EventLoop) -> Future {
    event_loop.create_future()
}

/// A task that awaits several things at once hears of it when the one that was asked in its place has tidied up, however
/// often it was woken meanwhile.
#[test]
fn cancel_reaches_a_task_that_awaits_several() {
    on_loops(|event_loop| {
        let (never, tidied) = (a_future(&event_loop), a_future(&event_loop));
        let (poke, poked) = (a_future(&event_loop), never.clone());
        let (gate, pokes) = (tidied.clone(), poke.clone());
        let child = event_loop.create_task(async move {
            let heard = catch_cancel(pending::<()>()).await.unwrap_err();
            let _tidied = wait_on(gate).await;
            heard.raise::<()>().await;
        });
        let task = event_loop
            .create_task(async move { filch::join!(wait_on(pokes), wait_on(poked), child) });
        run_briefly(&event_loop);
        assert!(task.cancel("enough"));
        run_briefly(&event_loop);
        poke.set_result(1).unwrap();
        run_briefly(&event_loop);
        tidied.set_result(1).unwrap();
        run_briefly(&event_loop);
        run_briefly(&event_loop);
        assert!(!never.is_done());
        assert!(task.is_cancelled());
        assert_eq!(reason(task.result().unwrap()), "enough");
    });
}

/// A task that goes on without the answer of what was asked in its place hears of the request when it waits next.
#[test]
fn cancel_reaches_a_task_that_no_longer_awaits_what_was_asked() {
    on_loops(|event_loop| {
        let (gate, never) = (a_future(&event_loop), a_future(&event_loop));
        let child = event_loop.create_task(async {
            let _heard = catch_cancel(pending::<()>()).await;
            pending::<()>().await;
        });
        let (open, wait) = (gate.clone(), never.clone());
        let task = event_loop.create_task(async move {
            filch::select! {
                biased;
                _ = wait_on(open) => {}
                // The last that is looked at is the one that is asked.
                _ = wait_on(child) => unreachable!("it tidies up for ever"),
            }
            let _never = wait_on(wait).await;
        });
        run_briefly(&event_loop);
        assert!(task.cancel("enough"));
        run_briefly(&event_loop);
        assert!(!task.is_done());
        gate.set_result(1).unwrap();
        run_briefly(&event_loop);
        assert!(task.is_cancelled());
        assert_eq!(reason(task.result().unwrap()), "enough");
        assert!(never.is_cancelled(), "it was asked in the task's place");
    });
}

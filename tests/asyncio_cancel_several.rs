//! A task of a loop that awaits several things at once, which no task of asyncio does, hears of requests to stop all the same.

use std::future::{pending, poll_fn};
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::Poll;

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

/// The answer of what was asked, and the value of another branch, come in the same poll, and the task ends with that: nobody
/// has heard the request, so the task is cancelled, as if it had gone on to wait.
#[test]
fn cancel_reaches_a_task_that_ends_as_the_answer_comes() {
    on_loops(|event_loop| {
        let (gate, asked) = (a_future(&event_loop), a_future(&event_loop));
        let (open, wait) = (gate.clone(), asked.clone());
        let task = event_loop.create_task(async move {
            let (mut open, mut wait) = (wait_on(open), wait_on(wait));
            let mut is_first = true;
            poll_fn(|context| {
                // The last that is looked at is the one that is asked.
                if std::mem::take(&mut is_first) {
                    assert!(Pin::new(&mut open).poll(context).is_pending());
                    return Pin::new(&mut wait).poll(context).map(drop);
                }
                assert!(Pin::new(&mut wait).poll(context).is_pending());
                Pin::new(&mut open).poll(context).map(drop)
            })
            .await;
        });
        run_briefly(&event_loop);
        assert!(task.cancel("enough"));
        assert!(asked.is_cancelled());
        gate.set_result(1).unwrap();
        run_briefly(&event_loop);
        assert_eq!(reason(task.result().unwrap()), "enough");
    });
}

/// What a task awaited outlives it, and says only then that nobody has answered a request: the task has ended, and is not
/// asked for ever.
#[test]
fn a_request_that_comes_back_to_a_task_that_has_ended_is_forgotten() {
    on_loops(|event_loop| {
        let gate = a_future(&event_loop);
        let child = event_loop.create_task(async {
            let _heard = catch_cancel(pending::<()>()).await;
            pending::<()>().await;
        });
        let (open, kept) = (gate.clone(), Arc::new(Mutex::new(None)));
        let outcome = Arc::new(());
        let (keeps, gives) = (kept.clone(), outcome.clone());
        let task = event_loop.create_task(async move {
            let (mut open, mut wait) = (Box::pin(wait_on(open)), Box::pin(wait_on(child)));
            poll_fn(|context| match open.as_mut().poll(context) {
                Poll::Ready(_) => Poll::Ready(()),
                Poll::Pending => wait.as_mut().poll(context).map(drop),
            })
            .await;
            *keeps.lock().unwrap() = Some(wait);
            gives
        });
        run_briefly(&event_loop);
        assert!(task.cancel("enough"));
        gate.set_result(1).unwrap();
        run_briefly(&event_loop);
        assert!(task.is_done() && !task.is_cancelled());
        assert_eq!(Arc::strong_count(&outcome), 2);
        drop(task);
        let wait = kept.lock().unwrap().take();
        drop(wait);
        run_briefly(&event_loop);
        assert_eq!(
            Arc::strong_count(&outcome),
            1,
            "it still has a step to come"
        );
    });
}

/// The request finds the task pending, and the task ends before it hears.
#[test]
fn requests_that_come_as_tasks_end_are_forgotten() {
    common::bounded(|| {
        let rt = common::multi(8);
        let _entered = rt.enter();
        let outcome = Arc::new(());
        for _ in 0..common::many(500) {
            let event_loop = EventLoop::new();
            let gives = outcome.clone();
            let task = event_loop.create_task(async move {
                filch::task::yield_now().await;
                gives
            });
            std::thread::scope(|scope| {
                for _ in 0..2 {
                    scope.spawn(|| while task.cancel("enough") {});
                }
                let _either = event_loop.run_until_complete(task.clone());
            });
            drop(task);
            run_briefly(&event_loop);
            assert_eq!(
                Arc::strong_count(&outcome),
                1,
                "it still has a step to come"
            );
        }
    });
}

//! Timeouts in timeouts, after cancellations and at odd moments. Tests are named after those of CPython's test_timeouts.py,
//! class TimeoutTests.

#[path = "common/asyncio.rs"]
mod asyncio_common;
mod common;

use std::future::{Future, pending, poll_fn};
use std::pin::Pin;
use std::task::Poll;

use filch::asyncio::{
    Timeout, catch_cancel, create_task, current_task, get_running_loop, sleep, timeout, timeout_at,
};
use filch::task::TaskGroup;
use filch::time::Instant;

use asyncio_common::{Log, in_task, ms, panic_of};

fn now() -> Instant {
    get_running_loop().unwrap().time()
}

#[test]
fn timeout_zero_sleep_zero() {
    in_task(|| async {
        let log = Log::new();
        let said = log.clone();
        let outcome = timeout(Some(ms(0)), async move {
            sleep(ms(0)).await;
            sleep(ms(0)).await;
            said.say("never");
        });
        assert!(outcome.await.is_err());
        assert_eq!(log.len(), 0);
    });
}

#[test]
fn timeout_in_the_past_sleep_zero() {
    in_task(|| async {
        let past = now().checked_sub(ms(10)).unwrap();
        let outcome = timeout_at(Some(past), async {
            sleep(ms(0)).await;
            sleep(ms(0)).await;
        });
        assert!(outcome.await.is_err());
        assert_eq!(current_task().unwrap().cancelling(), 0);
    });
}

#[test]
fn outer_task_is_not_cancelled() {
    in_task(|| async {
        let task = create_task(async {
            assert!(timeout(Some(ms(1)), pending::<()>()).await.is_err());
            sleep(ms(0)).await;
            current_task().unwrap().cancelling()
        });
        assert_eq!(task.clone().await.unwrap(), 0);
        assert!(!task.is_cancelled());
    });
}

#[test]
fn nested_timeouts_concurrent() {
    // Both are up at once: the outer one wins.
    in_task(|| async {
        let (outer, inner) = (
            Timeout::at(Some(now() + ms(2))),
            Timeout::at(Some(now() + ms(2))),
        );
        let within = inner.clone();
        let outcome = outer.run(async move {
            let begin = now();
            // Busy until both have passed.
            while now() - begin < ms(4) {}
            within.run(pending::<()>()).await
        });
        let outcome = outcome.await;
        assert!(outcome.is_err() || outcome.unwrap().is_err());
        assert!(outer.expired() || inner.expired());
        assert_eq!(current_task().unwrap().cancelling(), 0);
    });
}

#[test]
fn nested_timeouts_loop_busy() {
    // The loop could not look for a while; what is up later has passed as well by then.
    in_task(|| async {
        let outer = Timeout::at(Some(now() + ms(60_000)));
        let inner = Timeout::at(Some(now() + ms(1)));
        let within = inner.clone();
        let log = Log::new();
        let said = log.clone();
        let outcome = outer.run(async move {
            let one = within.run(async {
                let begin = now();
                while now() - begin < ms(5) {}
                sleep(ms(60_000)).await;
            });
            said.say(one.await.is_err());
            "went on"
        });
        assert_eq!(outcome.await, Ok("went on"));
        assert_eq!(log.take(), [true]);
        assert!(inner.expired() && !outer.expired());
    });
}

#[test]
fn repr_disabled() {
    in_task(|| async {
        assert_eq!(
            format!("{:?}", Timeout::at(None)),
            "Timeout { phase: Created, when: None }"
        );
    });
}

#[test]
fn repr_active() {
    in_task(|| async {
        let cm = Timeout::at(None);
        let inside = cm.clone();
        let shown = cm.run(async move { format!("{inside:?}") }).await.unwrap();
        assert_eq!(shown, "Timeout { phase: Active, when: None }");
    });
}

#[test]
fn repr_expired() {
    in_task(|| async {
        let cm = Timeout::at(Some(now() + ms(1)));
        assert!(cm.run(pending::<()>()).await.is_err());
        assert!(format!("{cm:?}").contains("phase: Expired"), "{cm:?}");
    });
}

#[test]
fn repr_finished() {
    in_task(|| async {
        let cm = Timeout::at(Some(now() + ms(60_000)));
        cm.run(async {}).await.unwrap();
        assert!(format!("{cm:?}").contains("phase: Finished"), "{cm:?}");
    });
}

#[test]
fn nested_timeout_in_finally() {
    // A part that tidies up with a timeout of its own, after it was stopped by one.
    in_task(|| async {
        let log = Log::new();
        let said = log.clone();
        let outcome = timeout(Some(ms(1)), async move {
            let heard = catch_cancel(pending::<()>()).await.unwrap_err();
            said.say(timeout(Some(ms(1)), pending::<()>()).await.is_err());
            heard.raise::<()>().await
        });
        assert!(outcome.await.is_err());
        assert_eq!(log.take(), [true]);
    });
}

#[test]
fn timeout_after_cancellation() {
    // Requests that were there before do not make a timeout one.
    in_task(|| async {
        let task = create_task(async {
            let _heard = catch_cancel(pending::<()>()).await.unwrap_err();
            let timed_out = timeout(Some(ms(1)), pending::<()>()).await.is_err();
            (timed_out, current_task().unwrap().cancelling())
        });
        sleep(ms(0)).await;
        task.cancel("");
        assert_eq!(task.await.unwrap(), (true, 1));
    });
}

#[test]
fn cancel_in_timeout_after_cancellation() {
    in_task(|| async {
        let task = create_task(async {
            let this = current_task().unwrap();
            let _heard = catch_cancel(pending::<()>()).await.unwrap_err();
            let part = timeout(Some(ms(60_000)), async move {
                this.cancel("again");
                pending::<()>().await
            });
            let heard = catch_cancel(part).await.unwrap_err();
            (
                heard.reason().to_owned(),
                current_task().unwrap().cancelling(),
            )
        });
        sleep(ms(0)).await;
        task.cancel("first");
        assert_eq!(task.await.unwrap(), ("again".to_owned(), 2));
    });
}

#[test]
fn timeout_expired() {
    in_task(|| async {
        let cm = Timeout::at(Some(now() + ms(1)));
        assert!(cm.run(pending::<()>()).await.is_err());
        let said = panic_of(|| cm.reschedule(Some(now())));
        assert_eq!(said, "Cannot change state of expired Timeout");
    });
}

#[test]
fn timeout_expiring() {
    in_task(|| async {
        let cm = Timeout::at(Some(now() + ms(1)));
        let inside = cm.clone();
        let log = Log::new();
        let said = log.clone();
        let outcome = cm.run(async move {
            let heard = catch_cancel(pending::<()>()).await.unwrap_err();
            said.say(panic_of(|| inside.reschedule(None)));
            heard.raise::<()>().await
        });
        assert!(outcome.await.is_err());
        assert_eq!(log.take(), ["Cannot change state of expiring Timeout"]);
    });
}

#[test]
fn timeout_taskgroup() {
    // The children of a group around end as well, and none of them is taken for the timeout.
    in_task(|| async {
        let group = TaskGroup::<()>::scope(async |group| {
            for _ in 0..3 {
                group.spawn_on(&get_running_loop().unwrap(), async {
                    pending::<()>().await;
                    Ok(())
                });
            }
            pending::<Result<(), ()>>().await
        });
        assert!(timeout(Some(ms(2)), group).await.is_err());
        assert_eq!(get_running_loop().unwrap().all_tasks().len(), 1);
    });
}

#[test]
fn deadlines_of_a_loop_follow_a_clock_that_a_test_moves() {
    common::bounded(|| {
        let rt = filch::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .start_paused(true)
            .build()
            .unwrap();
        let _entered = rt.enter();
        let really = std::time::Instant::now();
        let event_loop = filch::EventLoop::new();
        let begin = event_loop.time();
        let log = Log::new();
        event_loop.call_later(ms(3_600_000), log.saying("an hour"));
        let outcome = event_loop.run_until_complete(async {
            sleep(ms(1_800_000)).await;
            timeout(Some(ms(7_200_000)), pending::<()>()).await.is_err()
        });
        assert!(outcome.unwrap());
        assert_eq!(log.take(), ["an hour"]);
        assert!(event_loop.time() - begin >= ms(9_000_000));
        assert!(really.elapsed() < ms(60_000));
    });
}

/// The last moment counts, whichever thread it comes from.
#[test]
fn threads_that_reschedule_leave_no_timer_behind() {
    common::bounded(|| {
        let event_loop = filch::EventLoop::new();
        let outcome = event_loop.run_until_complete(async {
            for _ in 0..common::many(300) {
                let timeout = Timeout::at(None);
                let inside = timeout.clone();
                let part = timeout.run(async move {
                    let soon = now() + ms(2);
                    std::thread::scope(|scope| {
                        for _ in 0..2 {
                            scope.spawn(|| inside.reschedule(Some(soon)));
                        }
                    });
                    inside.reschedule(None);
                    sleep(ms(4)).await;
                });
                part.await.expect("it has no moment any more");
            }
        });
        outcome.unwrap();
    });
}

/// As `select!` does it: the other branch is ready in the step in which the time is up.
#[test]
fn a_limit_that_is_dropped_as_its_time_is_up_asks_nothing_of_the_task() {
    in_task(|| async {
        let (on, when) = (get_running_loop().unwrap(), now() + ms(5));
        let value = on.create_future::<u8, ()>();
        let mut wait = value.clone().wait();
        let mut limited = Some(Box::pin(timeout_at(Some(when), pending::<()>())));
        let mut set = Some(value);
        let value = poll_fn(|context| {
            if let Poll::Ready(value) = Pin::new(&mut wait).poll(context) {
                limited = None;
                return Poll::Ready(value);
            }
            let limited = limited.as_mut().expect("it is dropped with the value");
            assert!(limited.as_mut().poll(context).is_pending());
            if let Some(value) = set.take() {
                // In the iteration in which the time is up, and after that.
                on.call_at(when, move || value.set_result(7).unwrap());
            }
            Poll::Pending
        });
        assert_eq!(value.await, Ok(7));
        sleep(ms(0)).await;
        assert_eq!(current_task().unwrap().cancelling(), 0);
    });
}

/// The same, but somebody else has asked the task, too, and that it hears.
#[test]
fn a_request_that_a_dropped_limit_has_heard_is_passed_on() {
    in_task(|| async {
        let task = create_task(async {
            let mut limited = Some(Box::pin(timeout(Some(ms(1000)), pending::<()>())));
            poll_fn(move |context| {
                if current_task().unwrap().cancelling() > 0 {
                    limited = None;
                    return Poll::Ready(());
                }
                let limited = limited.as_mut().expect("it is there");
                limited.as_mut().poll(context).map(drop)
            })
            .await;
        });
        sleep(ms(0)).await;
        assert!(task.cancel("enough"));
        assert!((&task).await.is_err() && task.is_cancelled());
    });
}

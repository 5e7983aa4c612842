//! Groups in a task of a loop that is cancelled, or counts that it was. Tests are named after those of CPython's
//! test_taskgroups.py, class TestTaskGroup; those without a comment of "ours" have its name.

#[path = "common/asyncio.rs"]
mod asyncio_common;
mod common;
#[path = "common/loop_group.rs"]
mod loop_group;

use filch::PromiseError;
use filch::asyncio::{Event, LoopTask, catch_cancel, create_task, current_task, sleep, timeout};

use asyncio_common::{Log, in_task, ms};
use loop_group::{
    Count, Ended, Group, cancel_in_a_while, counts_when_cancelled, errors, fails, here, reason,
    sleeps,
};

#[test]
fn cancellation() {
    // Asked to stop while it waits for the children at the end of the block.
    in_task(|| async {
        let count = Count::default();
        let counts = count.clone();
        let runner = create_task(async move {
            let _ = Group::scope(async |group| {
                for _ in 0..5 {
                    group.spawn_on(&here(), counts_when_cancelled(counts.clone(), 1));
                }
                Ok(())
            })
            .await;
        });
        assert_eq!(reason(cancel_in_a_while(runner, "test").await), "test");
        assert_eq!(count.get(), 5);
    });
}

#[test]
fn taskgroup_07() {
    // Asked to stop in the block, which hears of it as well.
    in_task(|| async {
        let count = Count::default();
        let counts = count.clone();
        let runner = create_task(async move {
            let _ = Group::scope(async |group| {
                for _ in 0..5 {
                    group.spawn_on(&here(), counts_when_cancelled(counts.clone(), 1));
                }
                counts_when_cancelled(counts.clone(), 10).await
            })
            .await;
        });
        reason(cancel_in_a_while(runner, "").await);
        assert_eq!(count.get(), 15);
    });
}

#[test]
fn taskgroup_08() {
    // Children that fail while they stop: that is told, and if the task fails for it, it is not cancelled.
    in_task(|| async {
        let runner = create_task(async {
            let outcome = Group::scope(async |group| {
                for _ in 0..5 {
                    group.spawn_on(&here(), async {
                        let _heard = catch_cancel(sleeps()).await;
                        Err::<(), _>("finally".to_owned())
                    });
                }
                sleeps().await
            });
            let told = errors(outcome.await);
            assert_eq!(told, Vec::<String>::new());
        });
        let outcome = cancel_in_a_while(runner, "").await;
        let Err(PromiseError::Failed(panic)) = outcome else {
            panic!("{outcome:?}");
        };
        assert_eq!(panic.to_string().matches("finally").count(), 5, "{panic}");
    });
}

#[test]
fn cancellation_in_body() {
    // Children that would have failed later are told to stop, and the request is what counts.
    in_task(|| async {
        let runner = create_task(async {
            let _ = Group::scope(async |group| {
                for _ in 0..5 {
                    group.spawn_on(&here(), fails(60_000, "late"));
                }
                let heard = catch_cancel(sleeps()).await.unwrap_err();
                heard.raise::<Ended>().await
            })
            .await;
        });
        assert_eq!(reason(cancel_in_a_while(runner, "test").await), "test");
    });
}

#[test]
fn taskgroup_11() {
    in_task(|| async {
        let runner = create_task(async {
            let _ = Group::scope(async |_outer| {
                let inner = Group::scope(async |inner| {
                    for _ in 0..5 {
                        inner.spawn_on(&here(), fails(60_000, "late"));
                    }
                    let heard = catch_cancel(sleeps()).await.unwrap_err();
                    heard.raise::<Ended>().await
                });
                inner.await.map_err(|error| error.to_string())
            })
            .await;
        });
        assert_eq!(reason(cancel_in_a_while(runner, "test").await), "test");
    });
}

#[test]
fn taskgroup_12() {
    // The same, with a child outside: it is stopped, too.
    in_task(|| async {
        let count = Count::default();
        let counts = count.clone();
        let runner = create_task(async move {
            let _ = Group::scope(async |outer| {
                outer.spawn_on(&here(), counts_when_cancelled(counts.clone(), 1));
                let inner = Group::scope(async |inner| {
                    for _ in 0..5 {
                        inner.spawn_on(&here(), fails(60_000, "late"));
                    }
                    counts_when_cancelled(counts.clone(), 10).await
                });
                inner.await.map_err(|error| error.to_string())
            })
            .await;
        });
        assert_eq!(reason(cancel_in_a_while(runner, "test").await), "test");
        assert_eq!(count.get(), 11);
    });
}

/// A block that hears of a request, takes its time, and passes it on; a child that would fail after that.
async fn slow_to_stop(log: Log<&'static str>) {
    let _ = Group::scope(async |group| {
        group.spawn_on(&here(), fails(60_000, "late"));
        let heard = catch_cancel(sleeps()).await.unwrap_err();
        log.say("heard");
        sleep(ms(2)).await;
        log.say("stopped");
        heard.raise::<Ended>().await
    })
    .await;
    log.say("never");
}

#[test]
fn taskgroup_15() {
    in_task(|| async {
        let log = Log::new();
        let runner = create_task(slow_to_stop(log.clone()));
        assert_eq!(reason(cancel_in_a_while(runner, "test").await), "test");
        assert_eq!(log.take(), ["heard", "stopped"]);
    });
}

#[test]
fn taskgroup_16() {
    // The group is in a task that the one awaits that is asked.
    in_task(|| async {
        let log = Log::new();
        let into = log.clone();
        let runner = create_task(async {
            let nested = create_task(slow_to_stop(into));
            nested.await.unwrap();
        });
        reason(cancel_in_a_while(runner, "test").await);
        assert_eq!(log.take(), ["heard", "stopped"]);
    });
}

#[test]
fn taskgroup_17() {
    // A group without children.
    in_task(|| async {
        let count = Count::default();
        let counts = count.clone();
        let runner = create_task(async move {
            let _ = Group::scope(async |_: Group| counts_when_cancelled(counts, 10).await).await;
        });
        reason(cancel_in_a_while(runner, "").await);
        assert_eq!(count.get(), 10);
    });
}

#[test]
fn taskgroup_18() {
    // A block that answers a request with an error: that is told.
    in_task(|| async {
        let count = Count::default();
        let counts = count.clone();
        let runner = create_task(async move {
            let outcome = Group::scope(async |_: Group| {
                let _heard = catch_cancel(sleeps()).await.unwrap_err();
                counts.add(10);
                Err::<(), _>("MyExc".to_owned())
            });
            errors(outcome.await)
        });
        let told = cancel_in_a_while(runner, "").await.unwrap();
        assert_eq!(told, ["MyExc"]);
        assert_eq!(count.get(), 10);
    });
}

#[test]
fn taskgroup_22() {
    in_task(|| async {
        let runner = create_task(async {
            let _ = Group::scope(async |group| {
                group.spawn_on(&here(), sleeps());
                group.spawn_on(&here(), sleeps());
                Ok(())
            })
            .await;
        });
        assert_eq!(reason(cancel_in_a_while(runner, "test").await), "test");
    });
}

#[test]
fn taskgroup_without_parent_task() {
    // Otherwise than there a group needs no task: here it is in the future of a thread that has no loop.
    common::bounded(|| {
        let outcome = common::multi(2).block_on(async {
            let event_loop = filch::EventLoop::new();
            event_loop.start();
            let group = Group::scope(async |group| {
                let child = group.spawn_on(&event_loop, async { Ok(current_task().is_some()) });
                Ok((current_task().is_none(), child.await.unwrap()))
            });
            group.await
        });
        assert_eq!(outcome.unwrap(), (true, true));
    });
}

#[test]
fn cancelling_level_preserved() {
    in_task(|| async {
        let fail = || {
            Group::scope(async |group| {
                group.spawn_on(&here(), fails(0, "no tea"));
                sleeps().await
            })
        };
        assert_eq!(errors(fail().await), ["no tea"]);
        assert_eq!(current_task().unwrap().cancelling(), 0);
        // One that was asked before, and caught it, keeps its count.
        let task: LoopTask<(usize, usize)> = create_task(async move {
            let this = current_task().unwrap();
            let _heard = catch_cancel(sleeps()).await;
            let before = this.cancelling();
            assert_eq!(errors(fail().await), ["no tea"]);
            (before, this.cancelling())
        });
        let counts = cancel_in_a_while(task, "").await;
        assert_eq!(counts.unwrap(), (1, 1));
    });
}

#[test]
fn nested_groups_both_cancelled() {
    // Errors inside and outside at the same time: each group tells its own. Otherwise than there a group that stops its block
    // does not count as a request to the task.
    in_task(|| async {
        let this = current_task().unwrap();
        let log = Log::new();
        let into = log.clone();
        let outcome = Group::scope(async |outer| {
            let inner = Group::scope(async |inner| {
                inner.spawn_on(&here(), fails(0, "inside"));
                outer.spawn_on(&here(), fails(0, "outside"));
                Ok(())
            });
            into.say(errors(inner.await));
            into.say(vec![this.cancelling().to_string()]);
            Ok(())
        });
        assert_eq!(errors(outcome.await), ["outside"]);
        assert_eq!(log.take(), [["inside"], ["0"]]);
        assert_eq!(this.cancelling(), 0);
        sleep(ms(0)).await;
    });
}

#[test]
fn error_and_cancel() {
    // Asked to stop as a child fails: that is told first, and the request comes at the next await.
    in_task(|| async {
        let event = Event::new();
        let sets = event.clone();
        let log = Log::new();
        let into = log.clone();
        let inner = create_task(async move {
            let outcome = Group::scope(async |group| {
                group.spawn_on(&here(), async move {
                    sets.set();
                    sleep(ms(0)).await;
                    let _heard = catch_cancel(sleep(ms(0))).await;
                    Err::<(), _>("child".to_owned())
                });
                sleeps().await
            });
            into.say(errors(outcome.await));
            let cancelling = current_task().unwrap().cancelling();
            into.say(vec![cancelling.to_string()]);
            let _never = sleeps().await;
            into.say(vec!["never".to_owned()]);
        });
        event.wait().await;
        assert_eq!(inner.task().cancelling(), 0);
        assert!(inner.cancel("tea"));
        assert_eq!(inner.task().cancelling(), 1);
        assert_eq!(reason(inner.await), "tea");
        assert_eq!(log.take(), [["child"], ["1"]]);
    });
}

/// Ours: who catches a request around the group goes on after the children have ended.
#[test]
fn a_request_that_is_caught_around_the_group_comes_after_the_children() {
    in_task(|| async {
        let log = Log::new();
        let into = log.clone();
        let task = create_task(async move {
            let said = into.clone();
            let group = Group::scope(async move |group| {
                says_when_stopped(&group, &into, "child stopped");
                sleeps().await
            });
            let heard = catch_cancel(group).await.unwrap_err();
            said.say("caught");
            let task = current_task().unwrap();
            let (asked, left) = (task.cancelling(), task.uncancel());
            (heard.reason().to_owned(), asked, left)
        });
        let outcome = cancel_in_a_while(task, "tea").await;
        assert_eq!(outcome.unwrap(), ("tea".to_owned(), 1, 0));
        assert_eq!(log.take(), ["child stopped", "caught"]);
    });
}

/// A child that takes an iteration to stop, and says then what.
fn says_when_stopped(group: &Group, log: &Log<&'static str>, what: &'static str) {
    let log = log.clone();
    group.spawn_on(&here(), async move {
        let heard = catch_cancel(sleeps()).await.unwrap_err();
        sleep(ms(0)).await;
        log.say(what);
        heard.raise::<Ended>().await
    });
}

/// Ours.
#[test]
fn a_cancelled_task_stops_nested_groups_from_the_inside() {
    in_task(|| async {
        let log = Log::new();
        let into = log.clone();
        let task = create_task(async move {
            let _ = Group::scope(async move |outer| {
                says_when_stopped(&outer, &into, "outer child");
                let _ = Group::scope(async move |inner| {
                    says_when_stopped(&inner, &into, "inner child");
                    sleeps().await
                })
                .await;
                Ok(())
            })
            .await;
        });
        assert_eq!(reason(cancel_in_a_while(task, "tea").await), "tea");
        assert_eq!(log.take(), ["inner child", "outer child"]);
    });
}

/// Ours.
#[test]
fn timeout_around_a_group() {
    in_task(|| async {
        let log = Log::new();
        let into = log.clone();
        let group = Group::scope(async move |group| {
            says_when_stopped(&group, &into, "child stopped");
            sleeps().await
        });
        assert!(timeout(Some(ms(5)), group).await.is_err());
        assert_eq!(log.take(), ["child stopped"]);
        assert_eq!(current_task().unwrap().cancelling(), 0);
    });
}

/// Ours.
#[test]
fn children_of_a_loop_run_one_after_another() {
    in_task(|| async {
        let log = Log::new();
        let into = log.clone();
        let outcome = Group::scope(async move |group| {
            for what in [1, 2, 3] {
                let into = into.clone();
                group.spawn_on(&here(), async move {
                    for _ in 0..2 {
                        into.say(what);
                        sleep(ms(0)).await;
                    }
                    Ok(())
                });
            }
            Ok(())
        });
        outcome.await.unwrap();
        assert_eq!(log.take(), [1, 2, 3, 1, 2, 3]);
    });
}

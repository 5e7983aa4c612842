//! Groups in a task of a loop. Tests are named after those of CPython's test_taskgroups.py, class TestTaskGroup.

#[path = "common/asyncio.rs"]
mod asyncio_common;
mod common;

use filch::asyncio::{Event, LoopTask, TaskError, catch_cancel, create_task, current_task};
use filch::asyncio::{get_running_loop, sleep, timeout};
use filch::task::{GroupError, TaskGroup};
use filch::{EventLoop, PromiseError};

use asyncio_common::{Log, in_task, ms};

type Group = TaskGroup<String>;

fn here() -> EventLoop {
    get_running_loop().unwrap()
}

fn reason<T: std::fmt::Debug>(outcome: Result<T, TaskError>) -> String {
    match outcome {
        Err(PromiseError::Cancelled { reason }) => reason.to_string(),
        other => panic!("not cancelled: {other:?}"),
    }
}

/// The errors of a group, in order.
fn errors<T: std::fmt::Debug>(outcome: Result<T, GroupError<String>>) -> Vec<String> {
    let error = outcome.unwrap_err();
    let mut all: Vec<_> = error.errors().cloned().collect();
    all.sort();
    all
}

/// A child that waits for ever, and says so when it is asked to stop.
fn waits(group: &Group, log: &Log<String>, what: &str) {
    let (log, what) = (log.clone(), what.to_owned());
    let child = async move {
        let heard = catch_cancel(std::future::pending::<()>())
            .await
            .unwrap_err();
        sleep(ms(0)).await;
        log.say(what);
        heard.raise::<Result<(), String>>().await
    };
    group.spawn_on(&here(), child);
}

async fn fails(after: u64, error: &str) -> Result<(), String> {
    let error = error.to_owned();
    sleep(ms(after)).await;
    Err(error)
}

#[test]
fn taskgroup_01() {
    in_task(|| async {
        let outcome = Group::scope(async |group| {
            let on = here();
            let one = group.spawn_on(&on, async {
                sleep(ms(2)).await;
                Ok(42)
            });
            let two = group.spawn_on(&on, async {
                sleep(ms(1)).await;
                Ok(11)
            });
            Ok((one.await.unwrap(), two.await.unwrap()))
        });
        assert_eq!(outcome.await.unwrap(), (42, 11));
    });
}

#[test]
fn taskgroup_02() {
    // The end of the block waits for the children.
    in_task(|| async {
        let log = Log::new();
        let into = log.clone();
        let outcome = Group::scope(async move |group| {
            let (on, child) = (here(), into.clone());
            group.spawn_on(&on, async move {
                sleep(ms(2)).await;
                child.say("child".to_owned());
                Ok(())
            });
            into.say("block".to_owned());
            Ok(())
        });
        outcome.await.unwrap();
        assert_eq!(log.take(), ["block", "child"]);
    });
}

#[test]
fn taskgroup_03() {
    // A child that is cancelled by others does not hurt the group.
    in_task(|| async {
        let outcome = Group::scope(async |group| {
            let (tell, told) = std::sync::mpsc::channel();
            let child = group.spawn_on(&here(), async move {
                tell.send(current_task().unwrap()).unwrap();
                sleep(ms(60_000)).await;
                Ok(())
            });
            sleep(ms(0)).await;
            told.try_recv().unwrap().cancel("");
            assert!(child.await.unwrap_err().is_cancelled());
            Ok(7)
        });
        assert_eq!(outcome.await.unwrap(), 7);
    });
}

#[test]
fn taskgroup_04() {
    // The first error stops the others, and is told.
    in_task(|| async {
        let log = Log::new();
        let into = log.clone();
        let outcome = Group::scope(async move |group| {
            group.spawn_on(&here(), fails(1, "one"));
            waits(&group, &into, "two stopped");
            Ok(())
        });
        assert_eq!(errors(outcome.await), ["one"]);
        assert_eq!(log.take(), ["two stopped"]);
    });
}

#[test]
fn cancel_children_on_child_error() {
    // The block is stopped at its await, too.
    in_task(|| async {
        let log = Log::new();
        let into = log.clone();
        let outcome = Group::scope(async move |group| {
            group.spawn_on(&here(), fails(1, "one"));
            waits(&group, &into, "two stopped");
            waits(&group, &into, "three stopped");
            sleep(ms(60_000)).await;
            into.say("never".to_owned());
            Ok(())
        });
        assert_eq!(errors(outcome.await), ["one"]);
        let mut all = log.take();
        all.sort();
        assert_eq!(all, ["three stopped", "two stopped"]);
    });
}

#[test]
fn cancellation() {
    // The task is asked to stop in the block: the children end first, then it does.
    in_task(|| async {
        let log = Log::new();
        let into = log.clone();
        let task = create_task(async move {
            let said = into.clone();
            let _ = Group::scope(async move |group| {
                waits(&group, &into, "child stopped");
                sleep(ms(60_000)).await;
                Ok(())
            })
            .await;
            said.say("never".to_owned());
        });
        sleep(ms(1)).await;
        assert!(task.cancel("tea"));
        assert_eq!(reason(task.await), "tea");
        assert_eq!(log.take(), ["child stopped"]);
    });
}

#[test]
fn taskgroup_07() {
    // Asked to stop while it waits for the children at the end of the block.
    in_task(|| async {
        let log = Log::new();
        let into = log.clone();
        let task = create_task(async move {
            let _ = Group::scope(async move |group| {
                waits(&group, &into, "child stopped");
                Ok(())
            })
            .await;
        });
        sleep(ms(1)).await;
        assert!(task.cancel(""));
        assert!(task.clone().await.is_err() && task.is_cancelled());
        assert_eq!(log.take(), ["child stopped"]);
    });
}

#[test]
fn cancellation_in_body() {
    // Who catches it around the group goes on after the children have ended.
    in_task(|| async {
        let log = Log::new();
        let into = log.clone();
        let task = create_task(async move {
            let said = into.clone();
            let group = Group::scope(async move |group| {
                waits(&group, &into, "child stopped");
                sleep(ms(60_000)).await;
                Ok(())
            });
            let heard = catch_cancel(group).await.unwrap_err();
            said.say("caught".to_owned());
            let task = current_task().unwrap();
            (
                heard.reason().to_owned(),
                task.cancelling(),
                task.uncancel(),
            )
        });
        sleep(ms(1)).await;
        task.cancel("tea");
        assert_eq!(task.await.unwrap(), ("tea".to_owned(), 1, 0));
        assert_eq!(log.take(), ["child stopped", "caught"]);
    });
}

#[test]
fn error_and_cancel() {
    // Failures are told before the request, which comes again at the next await.
    in_task(|| async {
        let task = create_task(async {
            let outcome = Group::scope(async |group| {
                group.spawn_on(&here(), async {
                    let _heard = catch_cancel(std::future::pending::<()>()).await;
                    Err::<(), _>("while it stopped".to_owned())
                });
                sleep(ms(60_000)).await;
                Ok(())
            });
            let told = errors(outcome.await);
            let again = catch_cancel(sleep(ms(60_000))).await.unwrap_err();
            (
                told,
                again.reason().to_owned(),
                current_task().unwrap().cancelling(),
            )
        });
        sleep(ms(1)).await;
        task.cancel("tea");
        let told = (vec!["while it stopped".to_owned()], "tea".to_owned(), 1);
        assert_eq!(task.await.unwrap(), told);
    });
}

#[test]
fn cancelling_level_preserved() {
    in_task(|| async {
        let task = create_task(async {
            let this = current_task().unwrap();
            let outcome = Group::scope(async |group| {
                group.spawn_on(&here(), fails(0, "no tea"));
                sleep(ms(60_000)).await;
                Ok(())
            });
            assert_eq!(errors(outcome.await), ["no tea"]);
            this.cancelling()
        });
        assert_eq!(task.await.unwrap(), 0);
        // One that was asked before, and caught it, keeps its count.
        let task: LoopTask<(usize, usize)> = create_task(async {
            let this = current_task().unwrap();
            let _heard = catch_cancel(std::future::pending::<()>()).await;
            let before = this.cancelling();
            let outcome = Group::scope(async |group| {
                group.spawn_on(&here(), fails(0, "no tea"));
                sleep(ms(60_000)).await;
                Ok(())
            });
            assert_eq!(errors(outcome.await), ["no tea"]);
            (before, this.cancelling())
        });
        sleep(ms(0)).await;
        task.cancel("");
        assert_eq!(task.await.unwrap(), (1, 1));
    });
}

#[test]
fn nested_groups_both_fail() {
    in_task(|| async {
        let outcome = Group::scope(async |outer| {
            outer.spawn_on(&here(), fails(0, "outer"));
            let inner = Group::scope(async |inner| {
                inner.spawn_on(&here(), fails(0, "inner"));
                sleep(ms(60_000)).await;
                Ok(())
            });
            inner.await.map_err(|error| error.len().to_string())
        });
        let all = errors(outcome.await);
        assert!(
            all.contains(&"outer".to_owned()) || all.contains(&"1".to_owned()),
            "{all:?}"
        );
    });
}

#[test]
fn a_cancelled_task_stops_nested_groups_from_the_inside() {
    in_task(|| async {
        let log = Log::new();
        let into = log.clone();
        let task = create_task(async move {
            let _ = Group::scope(async move |outer| {
                waits(&outer, &into, "outer child");
                let _ = Group::scope(async move |inner| {
                    waits(&inner, &into, "inner child");
                    sleep(ms(60_000)).await;
                    Ok(())
                })
                .await;
                Ok(())
            })
            .await;
        });
        sleep(ms(1)).await;
        task.cancel("tea");
        assert_eq!(reason(task.await), "tea");
        assert_eq!(log.take(), ["inner child", "outer child"]);
    });
}

#[test]
fn timeout_around_a_group() {
    in_task(|| async {
        let log = Log::new();
        let into = log.clone();
        let group = Group::scope(async move |group| {
            waits(&group, &into, "child stopped");
            sleep(ms(60_000)).await;
            Ok(())
        });
        assert!(timeout(Some(ms(5)), group).await.is_err());
        assert_eq!(log.take(), ["child stopped"]);
        assert_eq!(current_task().unwrap().cancelling(), 0);
    });
}

#[test]
fn children_of_a_loop_run_one_after_another() {
    in_task(|| async {
        let log = Log::new();
        let into = log.clone();
        let outcome = Group::scope(async move |group| {
            let on = here();
            for what in [1, 2, 3] {
                let into = into.clone();
                group.spawn_on(&on, async move {
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

#[test]
fn create_task_after_the_group_stops() {
    in_task(|| async {
        let event = Event::new();
        let begun = event.clone();
        let outcome = Group::scope(async move |group| {
            group.cancel("enough");
            let child = group.spawn_on(&here(), async move {
                begun.set();
                Ok(())
            });
            assert!(child.await.unwrap_err().is_cancelled());
            Ok(7)
        });
        let _stopped = outcome.await;
        sleep(ms(1)).await;
        assert!(!event.is_set());
    });
}

#[test]
fn a_panic_of_a_child_is_a_failure() {
    in_task(|| async {
        let outcome = Group::scope(async |group| {
            group.spawn_on(&here(), async {
                if true {
                    panic!("no tea")
                }
                Ok(())
            });
            sleep(ms(60_000)).await;
            Ok(())
        });
        let error = outcome.await.unwrap_err().to_string();
        assert!(error.contains("no tea"), "{error}");
    });
}

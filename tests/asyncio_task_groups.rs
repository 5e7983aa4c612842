//! Groups in a task of a loop: their children, and what fails. Tests are named after those of CPython's test_taskgroups.py,
//! class TestTaskGroup; those in which the task is cancelled are in `asyncio_task_groups_cancel.rs`,
//! and what is left at the end in `asyncio_task_groups_end.rs`.

#[path = "common/asyncio.rs"]
mod asyncio_common;
mod common;
#[path = "common/loop_group.rs"]
mod loop_group;

use filch::asyncio::{all_tasks, catch_cancel, create_task, current_task, sleep};

use asyncio_common::{Log, in_task, ms};
use loop_group::{
    Count, Ended, Group, Raises, counts_when_cancelled, errors, fails, here, panics, sleeps,
};

async fn gives(after: u64, value: u32) -> Result<u32, String> {
    sleep(ms(after)).await;
    Ok(value)
}

#[test]
fn taskgroup_01() {
    in_task(|| async {
        let outcome = Group::scope(async |group| {
            let one = group.spawn_on(&here(), gives(1, 42));
            let two = group.spawn_on(&here(), gives(2, 11));
            Ok((one, two))
        });
        let (one, two) = outcome.await.unwrap();
        assert_eq!((one.await.unwrap(), two.await.unwrap()), (42, 11));
    });
}

#[test]
fn taskgroup_02() {
    // A child may come later than the others.
    in_task(|| async {
        let outcome = Group::scope(async |group| {
            let one = group.spawn_on(&here(), gives(1, 42));
            sleep(ms(2)).await;
            let two = group.spawn_on(&here(), gives(2, 11));
            Ok((one, two))
        });
        let (one, two) = outcome.await.unwrap();
        assert_eq!((one.await.unwrap(), two.await.unwrap()), (42, 11));
    });
}

#[test]
fn taskgroup_03() {
    // A child that is cancelled alone does not hurt the group.
    in_task(|| async {
        let outcome = Group::scope(async |group| {
            let one = group.spawn_on(&here(), sleeps());
            sleep(ms(1)).await;
            assert!(one.cancel("only you"));
            let two = group.spawn_on(&here(), gives(1, 11));
            Ok((one, two))
        });
        let (one, two) = outcome.await.unwrap();
        let error = one.await.unwrap_err();
        assert!(error.is_cancelled());
        assert_eq!(error.reason(), Some("only you"));
        assert_eq!(two.await.unwrap(), 11);
    });
}

#[test]
fn taskgroup_04() {
    // The first error stops the others, and is told.
    in_task(|| async {
        let count = Count::default();
        let counts = count.clone();
        let runner = create_task(async move {
            let outcome = Group::scope(async |group| {
                group.spawn_on(&here(), fails(1, "one"));
                group.spawn_on(&here(), counts_when_cancelled(counts, 1));
                Ok(())
            });
            errors(outcome.await)
        });
        assert_eq!(runner.await.unwrap(), ["one"]);
        assert_eq!(count.get(), 1);
    });
}

/// Says it when it is dropped.
struct Says<'a>(&'a Log<&'static str>, &'static str);

impl Drop for Says<'_> {
    fn drop(&mut self) {
        self.0.say(self.1);
    }
}

#[test]
fn cancel_children_on_child_error() {
    // The block is stopped at its await, too.
    in_task(|| async {
        let log = Log::new();
        let into = log.clone();
        let runner = create_task(async move {
            let outcome = Group::scope(async move |group| {
                for _ in 0..3 {
                    group.spawn_on(&here(), fails(1, "one"));
                }
                let child = into.clone();
                group.spawn_on(&here(), async move {
                    let heard = catch_cancel(sleeps()).await.unwrap_err();
                    child.say("child");
                    heard.raise::<Ended>().await
                });
                let _dropped = Says(&into, "block");
                sleep(ms(60_000)).await;
                into.say("never");
                Ok(())
            });
            errors(outcome.await)
        });
        let told = runner.await.unwrap();
        assert!(!told.is_empty() && told.iter().all(|error| error == "one"));
        let mut all = log.take();
        all.sort_unstable();
        assert_eq!(all, ["block", "child"]);
    });
}

#[test]
fn taskgroup_09() {
    // An error of the block stops children that have begun.
    in_task(|| async {
        let count = Count::default();
        let outcome = Group::scope(async |group| {
            group.spawn_on(&here(), counts_when_cancelled(count.clone(), 1));
            group.spawn_on(&here(), counts_when_cancelled(count.clone(), 1));
            sleep(ms(1)).await;
            Err::<(), _>("the block".to_owned())
        });
        assert_eq!(errors(outcome.await), ["the block"]);
        assert_eq!(count.get(), 2);
    });
}

#[test]
fn taskgroup_10() {
    // The same, as soon as they are made. Otherwise than there they may begin yet; those that do are stopped.
    in_task(|| async {
        let (begun, stopped) = (Count::default(), Count::default());
        let mut children = Vec::new();
        let outcome = Group::scope(async |group| {
            for _ in 0..2 {
                let (begun, stopped) = (begun.clone(), stopped.clone());
                children.push(group.spawn_on(&here(), async move {
                    begun.add(1);
                    counts_when_cancelled(stopped, 1).await
                }));
            }
            Err::<(), _>("the block".to_owned())
        });
        assert_eq!(errors(outcome.await), ["the block"]);
        assert_eq!(begun.get(), stopped.get());
        for child in children {
            assert!(child.await.unwrap_err().is_cancelled());
        }
    });
}

#[test]
fn taskgroup_13() {
    // An error of a child outside stops the group inside.
    in_task(|| async {
        let outcome = Group::scope(async |outer| {
            outer.spawn_on(&here(), fails(1, "outside"));
            let inner = Group::scope(async |inner| {
                inner.spawn_on(&here(), fails(60_000, "inside"));
                Ok(())
            });
            // It has no error of its own.
            let stopped = inner.await.unwrap_err();
            assert!(stopped.is_empty() && stopped.cancellation().is_some());
            Ok(())
        });
        assert_eq!(errors(outcome.await), ["outside"]);
    });
}

#[test]
fn taskgroup_14() {
    // An error inside is the error of the block outside.
    in_task(|| async {
        let count = Count::default();
        let outcome = Group::scope(async |outer| {
            outer.spawn_on(&here(), counts_when_cancelled(count.clone(), 1));
            let inner = Group::scope(async |inner| {
                inner.spawn_on(&here(), fails(1, "inside"));
                Ok(())
            });
            let told = inner.await.unwrap_err();
            Err::<(), _>(told.errors().cloned().collect())
        });
        assert_eq!(errors(outcome.await), ["inside"]);
        assert_eq!(count.get(), 1);
    });
}

#[test]
fn taskgroup_19() {
    // Of a child that fails, and a block that fails when it is stopped for that, both are told.
    in_task(|| async {
        let runner = create_task(async {
            let outcome = Group::scope(async |group| {
                group.spawn_on(&here(), fails(1, "child"));
                let _raises = Raises("nested");
                sleeps().await
            });
            let error = outcome.await.unwrap_err();
            assert_eq!(error.errors().collect::<Vec<_>>(), ["child"]);
            panics(Err::<(), _>(error))
        });
        let panics = runner.await.unwrap();
        assert!(
            panics.len() == 1 && panics[0].contains("nested"),
            "{panics:?}"
        );
    });
}

#[test]
fn taskgroup_20() {
    // The same without a task in between. Here a panic of the block counts like any other failure: it comes after the child's.
    in_task(|| async {
        let outcome = Group::scope(async |group| {
            group.spawn_on(&here(), fails(1, "child"));
            let _raises = Raises("nested");
            sleeps().await
        });
        let error = outcome.await.unwrap_err();
        assert_eq!(error.first().unwrap().error().unwrap(), "child");
        let last = error.iter().last().unwrap();
        assert!(last.is_body() && last.is_panic());
    });
}

#[test]
fn taskgroup_21a() {
    // A child that panics, and a block that panics when it is stopped for that.
    in_task(|| async {
        let outcome = Group::scope(async |group| {
            group.spawn_on(&here(), async {
                sleep(ms(1)).await;
                let _raises = Raises("child");
                Ok(())
            });
            let _raises = Raises("nested");
            sleeps().await
        });
        let panics = panics(outcome.await);
        let told = |what| panics.iter().filter(|panic| panic.contains(what)).count();
        assert_eq!((panics.len(), told("child"), told("nested")), (2, 1, 1));
    });
}

#[test]
fn taskgroup_23() {
    // Children that are done are not kept.
    in_task(|| async {
        let outcome = Group::scope(async |group| {
            for _ in 0..10 {
                let child = group.spawn_on(&here(), gives(0, 1));
                assert!(group.len() <= 2, "{}", group.len());
                child.await.unwrap();
            }
            // The block is one of them.
            while group.len() > 1 {
                sleep(ms(0)).await;
            }
            Ok(all_tasks().len())
        });
        assert_eq!(outcome.await.unwrap(), 1);
    });
}

#[test]
fn taskgroup_24() {
    // Children of children.
    in_task(|| async {
        let count = Count::default();
        let outcome = Group::scope(async |group| {
            let (handle, count) = (group.clone(), count.clone());
            group.spawn_on(&here(), async move {
                sleep(ms(1)).await;
                for after in [1, 2] {
                    let count = count.clone();
                    handle.spawn_on(&here(), async move {
                        sleep(ms(after)).await;
                        count.add(1);
                        Ok(())
                    });
                }
                Ok(())
            });
            Ok(())
        });
        outcome.await.unwrap();
        assert_eq!(count.get(), 2);
    });
}

#[test]
fn taskgroup_25() {
    // Children that grow for ever, until another fails.
    fn hydra(group: Group, heads: Count) {
        let handle = group.clone();
        group.spawn_on(&here(), async move {
            heads.add(1);
            sleep(ms(1)).await;
            hydra(handle.clone(), heads.clone());
            hydra(handle, heads);
            Ok(())
        });
    }
    in_task(|| async {
        let heads = Count::default();
        let outcome = Group::scope(async |group| {
            hydra(group.clone(), heads.clone());
            let heads = heads.clone();
            group.spawn_on(&here(), async move {
                while heads.get() < 10 {
                    sleep(ms(0)).await;
                }
                Err::<(), _>("hercules".to_owned())
            });
            Ok(())
        });
        assert_eq!(errors(outcome.await), ["hercules"]);
        let at_the_end = heads.get();
        assert!(at_the_end >= 10);
        sleep(ms(3)).await;
        assert_eq!(heads.get(), at_the_end);
    });
}

filch::task_local! {
    #[inherit]
    static CVAR: u32;
}

#[test]
fn taskgroup_task_context() {
    // A child has the context of who made it.
    in_task(|| async {
        let outcome = Group::scope(async |group| {
            let seen = || async { Ok(CVAR.try_get().ok()) };
            let with = CVAR.sync_scope(1, || group.spawn_on(&here(), seen()));
            let without = group.spawn_on(&here(), seen());
            Ok((with.await.unwrap(), without.await.unwrap()))
        });
        assert_eq!(outcome.await.unwrap(), (Some(1), None));
    });
}

#[test]
fn taskgroup_no_create_task_after_failure() {
    // Otherwise than there the child is refused quietly, and its handle says so.
    in_task(|| async {
        let refused = Count::default();
        let outcome = Group::scope(async |group| {
            group.spawn_on(&here(), fails(1, "one"));
            let (handle, refused) = (group.clone(), refused.clone());
            group.spawn_on(&here(), async move {
                let heard = catch_cancel(sleeps()).await.unwrap_err();
                let late = handle.spawn_on(&here(), fails(0, "late"));
                refused.add(usize::from(late.is_refused()));
                heard.raise::<Ended>().await
            });
            Ok(())
        });
        assert_eq!(errors(outcome.await), ["one"]);
        assert_eq!(refused.get(), 1);
    });
}

#[test]
fn taskgroup_context_manager_exit_raises() {
    // What the block holds fails when it is closed, after a child has failed.
    in_task(|| async {
        let task = create_task(async {
            let outcome = Group::scope(async |group| {
                let _database = Raises("database");
                group.spawn_on(&here(), fails(0, "child"));
                sleeps().await
            });
            let error = outcome.await.unwrap_err();
            (error.len(), current_task().unwrap().cancelling())
        });
        assert_eq!(task.await.unwrap(), (2, 0));
    });
}

#[test]
fn name() {
    // A child on a loop is a task there, which may be given a name.
    in_task(|| async {
        let outcome = Group::scope(async |group| {
            let child = group.spawn_on(&here(), async {
                let task = current_task().unwrap();
                task.set_name("example name");
                sleep(ms(0)).await;
                Ok(task.name())
            });
            sleep(ms(0)).await;
            let is_named = all_tasks().iter().any(|task| task.name() == "example name");
            Ok((is_named, child.await.unwrap()))
        });
        let told = outcome.await.unwrap();
        assert_eq!(told, (true, "example name".to_owned()));
    });
}

#[test]
fn cancels_task_if_created_during_creation() {
    // A child whose own child fails is stopped at one of its next awaits.
    in_task(|| async {
        let ran = Count::default();
        let outcome = Group::scope(async |group| {
            let (handle, ran) = (group.clone(), ran.clone());
            group.spawn_on(&here(), async move {
                handle.spawn_on(&here(), async { Err::<(), _>("third task".to_owned()) });
                let heard = catch_cancel(sleeps()).await;
                ran.add(usize::from(heard.is_err()));
                Ok(())
            });
            Ok(())
        });
        assert_eq!(errors(outcome.await), ["third task"]);
        assert_eq!(ran.get(), 1);
    });
}

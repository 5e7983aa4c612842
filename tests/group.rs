//! A group's children do not outlive it; the first failure stops the others; and no error and no panic is lost.

use std::future::pending;
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use filch::group::GroupError;
use filch::task::{CancelScope, TaskGroup, cancelled, with_grace, yield_now};
use filch::time::sleep;

mod common;
use common::{Drops, Gate, bounded, end, many, multi, on_each_kind};
#[path = "common/group.rs"]
mod helpers;
use helpers::{Error, Group, errors, fail, forever};

const HOUR: Duration = Duration::from_secs(3600);

// CPython: test_taskgroup_01, 02, 03.
#[test]
fn taskgroup_01_children_run_and_the_block_gets_their_values() {
    on_each_kind(|rt| {
        let both = TaskGroup::scope(async |group: Group| {
            let one = group.spawn(async { Ok(42) });
            let two = group.spawn(async {
                sleep(Duration::from_millis(1)).await;
                Ok(11)
            });
            Ok((one.await.unwrap(), two.await.unwrap()))
        });
        assert_eq!(end(&rt, both).unwrap(), (42, 11));
    });
}

// CPython: test_taskgroup_02: the group waits for what nobody awaits.
#[test]
fn taskgroup_02_the_group_waits_for_children_that_nobody_awaits() {
    on_each_kind(|rt| {
        let drops = Drops::default();
        let n = 100;
        let all = TaskGroup::scope(async |group: Group| {
            for k in 0..n {
                let counted = drops.counted();
                group.spawn(async move {
                    let _counted = counted;
                    for _ in 0..k % 5 {
                        yield_now().await;
                    }
                    // A value that nobody takes goes with the child.
                    Ok(())
                });
            }
            assert!(!group.is_empty() && group.len() <= n + 1);
            Ok("done")
        });
        assert_eq!(end(&rt, all).unwrap(), "done");
        assert_eq!(drops.count(), n);
    });
}

#[test]
fn a_value_that_nobody_takes_is_dropped_before_the_group_ends() {
    on_each_kind(|rt| {
        for _ in 0..many(200) {
            let drops = Drops::default();
            let theirs = drops.clone();
            let all = TaskGroup::scope(async move |group: Group| {
                let (go, gone) = async_channel::bounded::<()>(1);
                for _ in 0..4 {
                    let (counted, gone) = (theirs.counted(), gone.clone());
                    group.spawn(async move {
                        gone.recv().await.unwrap_err();
                        Ok(counted)
                    });
                }
                // None of them is done before its handle is dropped: else somebody might have taken the value.
                drop(go);
                Ok(())
            });
            end(&rt, all).unwrap();
            assert_eq!(drops.count(), 4);
        }
    });
}

// CPython: test_taskgroup_04, 05: children with errors, siblings are cancelled.
#[test]
fn taskgroup_04_the_first_error_stops_the_siblings_and_the_block() {
    on_each_kind(|rt| {
        let drops = Drops::default();
        let theirs = drops.clone();
        let line = Arc::new(AtomicU32::new(0));
        let fails_at = line.clone();
        let failed = TaskGroup::scope(async move |group: Group| {
            let counted = theirs.counted();
            let siblings: Vec<_> = (0..10).map(|_| group.spawn(forever(&theirs))).collect();
            let (failing, line) = (group.spawn(fail("no such host")), line!());
            fails_at.store(line, Ordering::SeqCst);
            // One more behind it.
            group.spawn(forever(&theirs));
            let _counted = counted;
            drop(siblings);
            let _ = failing.await;
            pending::<Result<(), Error>>().await
        });
        let error = end(&rt, failed).unwrap_err();
        let line = line.load(Ordering::SeqCst);
        assert_eq!(drops.count(), 12);
        assert_eq!(errors(&error), ["no such host"]);
        assert_eq!(error.panics().count(), 0);
        assert!(!error.is_elapsed() && error.cancellation().is_none());
        let first = error.first().unwrap();
        assert!(!first.is_body() && !first.is_panic());
        assert_eq!(first.spawned_at().line(), line);
        let text = format!(
            "task {} ({}:{line}) failed: no such host",
            first.id().unwrap(),
            file!()
        );
        assert_eq!(error.to_string(), text);
        assert_eq!(
            error.into_iter().next().unwrap().into_error().unwrap(),
            "no such host"
        );
    });
}

#[test]
fn a_sibling_is_told_who_failed() {
    on_each_kind(|rt| {
        let said = Arc::new(Mutex::new(None));
        let says = said.clone();
        let failed = TaskGroup::scope(async move |group: Group| {
            group.spawn(with_grace(HOUR, async move {
                cancelled().await;
                let why = filch::task::cancel_reason().unwrap();
                *says.lock().unwrap() = Some((why.task(), why.reason().to_owned()));
                Ok(())
            }));
            yield_now().await;
            let bad = group.spawn_named("bad", fail("oh"));
            let id = bad.id();
            let error = bad.await.unwrap_err();
            assert_eq!(
                error.reason(),
                Some("it failed, and its error is with its group")
            );
            assert_eq!(error.name(), Some("bad"));
            Ok(id)
        });
        let error = end(&rt, failed).unwrap_err();
        let failure = error.first().unwrap();
        assert_eq!(failure.name(), Some("bad"));
        let said = said.lock().unwrap().take();
        if let Some((task, reason)) = said {
            assert_eq!(task, failure.id());
            assert!(reason.starts_with("task \"bad\" ("), "{reason}");
            assert!(reason.ends_with("of the same group failed"), "{reason}");
        }
    });
}

// CPython: test_taskgroup_06, 07: all errors are kept, also those of children that fail while they are being stopped.
#[test]
fn taskgroup_07_errors_of_children_that_are_being_stopped_are_kept_too() {
    on_each_kind(|rt| {
        let failed = TaskGroup::scope(async |group: Group| {
            let ready = Arc::new(AtomicUsize::new(0));
            for error in ["second", "third"] {
                let ready = ready.clone();
                group.spawn(with_grace(HOUR, async move {
                    ready.fetch_add(1, Ordering::SeqCst);
                    cancelled().await;
                    yield_now().await;
                    Err::<(), _>(error)
                }));
            }
            while ready.load(Ordering::SeqCst) < 2 {
                yield_now().await;
            }
            group.spawn(async { Err::<(), _>("first") });
            pending::<Result<(), Error>>().await
        });
        let error = end(&rt, failed).unwrap_err();
        let mut all = errors(&error);
        assert_eq!(all[0], "first");
        all.sort_unstable();
        assert_eq!(all, ["first", "second", "third"]);
        assert_eq!(error.len(), 3);
        assert!(error.to_string().starts_with("3 failures: task "));
        assert_eq!((&error).into_iter().count(), 3);
    });
}

// CPython: test_taskgroup_08, 09: the block fails; children are stopped.
#[test]
fn taskgroup_08_an_error_of_the_block_stops_the_children() {
    on_each_kind(|rt| {
        let drops = Drops::default();
        let theirs = drops.clone();
        let failed = TaskGroup::scope(async move |group: Group| {
            for _ in 0..10 {
                group.spawn(forever(&theirs));
            }
            yield_now().await;
            Err::<(), _>("the block")
        });
        let error = end(&rt, failed).unwrap_err();
        assert_eq!(drops.count(), 10);
        assert_eq!(errors(&error), ["the block"]);
        let failure = error.first().unwrap();
        assert!(failure.is_body() && failure.id().is_none());
        assert!(error.to_string().starts_with("the body (tests/group.rs:"));
    });
}

// CPython: test_taskgroup_10, 11, 12: cancelled from outside while in the block, or while it waits for the children.
#[test]
fn taskgroup_11_a_group_whose_task_is_cancelled_stops_its_children_and_waits_for_them() {
    on_each_kind(|rt| {
        for block_is_done in [false, true] {
            let drops = Drops::default();
            let (tell, told) = async_channel::bounded(1);
            let (theirs, after) = (drops.clone(), Arc::new(AtomicUsize::new(0)));
            let seen = after.clone();
            let task = rt.spawn(async move {
                let inner = theirs.clone();
                let outcome = TaskGroup::scope(async move |group: Group| {
                    group.spawn(forever(&inner));
                    let counted = inner.counted();
                    group.spawn(with_grace(HOUR, async move {
                        let _counted = counted;
                        tell.send(()).await.unwrap();
                        cancelled().await;
                        // It takes its time, and the group waits.
                        sleep(Duration::from_millis(5)).await;
                        Ok(())
                    }));
                    if !block_is_done {
                        pending::<()>().await;
                    }
                    Ok(())
                });
                let error = outcome.await.unwrap_err();
                assert_eq!(error.cancellation().unwrap().reason(), "from outside");
                assert!(error.is_empty());
                assert_eq!(theirs.count(), 2, "they are gone when the scope ends");
                seen.fetch_add(1, Ordering::SeqCst);
                pending::<()>().await;
            });
            end(&rt, told.recv()).unwrap();
            task.cancel("from outside");
            let error = end(&rt, task).unwrap_err();
            assert_eq!(error.reason(), Some("from outside"));
            assert_eq!(
                after.load(Ordering::SeqCst),
                1,
                "it goes on to its next await"
            );
        }
    });
}

#[test]
fn a_scope_around_a_group_waits_for_the_children() {
    on_each_kind(|rt| {
        end(&rt, async {
            let drops = Drops::default();
            let scope = CancelScope::with_timeout(Duration::from_millis(5));
            let theirs = drops.clone();
            let inside = TaskGroup::scope(async move |group: Group| {
                let counted = theirs.counted();
                group.spawn(with_grace(HOUR, async move {
                    let _counted = counted;
                    cancelled().await;
                    sleep(Duration::from_millis(5)).await;
                    Ok(())
                }));
                group.spawn(forever(&theirs));
                Ok(())
            });
            let elapsed = std::cell::Cell::new(None);
            let stopped = scope.run(async {
                elapsed.set(Some(inside.await.unwrap_err().is_elapsed()));
                pending::<()>().await;
            });
            assert!(stopped.await.unwrap_err().is_elapsed());
            assert_eq!(elapsed.get(), Some(true));
            assert_eq!(drops.count(), 2);
        });
    });
}

#[test]
fn a_shielded_group_is_not_reached_by_what_is_around() {
    on_each_kind(|rt| {
        let (tell, told) = async_channel::bounded(1);
        let (go, wait) = async_channel::bounded::<()>(1);
        let value = Arc::new(AtomicUsize::new(0));
        let theirs = value.clone();
        let task = rt.spawn(async move {
            let scope = CancelScope::new();
            scope.cancel("around");
            let group = TaskGroup::scope(async move |group: Group| {
                let child = group.spawn(async move {
                    tell.send(()).await.unwrap();
                    wait.recv().await.unwrap();
                    Ok(7)
                });
                Ok(child.await.unwrap())
            });
            let _ = scope
                .run(async {
                    let value = CancelScope::shield(group).await.unwrap();
                    theirs.store(value, Ordering::SeqCst);
                    pending::<()>().await;
                })
                .await;
            pending::<()>().await;
        });
        end(&rt, told.recv()).unwrap();
        task.cancel("the task");
        end(&rt, async { sleep(Duration::from_millis(2)).await });
        go.send_blocking(()).unwrap();
        assert_eq!(end(&rt, task).unwrap_err().reason(), Some("the task"));
        assert_eq!(value.load(Ordering::SeqCst), 7);
    });
}

// CPython: test_taskgroup_13, 14, 20..: nested groups.
#[test]
fn taskgroup_13_a_failure_inside_stops_the_inner_group_and_then_the_outer_one() {
    on_each_kind(|rt| {
        let drops = Drops::default();
        let theirs = drops.clone();
        let failed = TaskGroup::scope(async move |outer: Group| {
            outer.spawn(forever(&theirs));
            let drops = theirs.clone();
            outer.spawn(async move {
                let inner = TaskGroup::scope(async move |inner: Group| {
                    inner.spawn(forever(&drops));
                    inner.spawn(fail("deep"));
                    Ok(())
                });
                inner.await.map_err(|error| *error.errors().next().unwrap())
            });
            pending::<Result<(), Error>>().await
        });
        let error = end(&rt, failed).unwrap_err();
        assert_eq!(errors(&error), ["deep"]);
        assert_eq!(drops.count(), 2);
    });
}

// CPython main: test_taskgroup_cancel_*.
#[test]
fn taskgroup_cancel_stops_the_children_and_the_value_of_a_block_that_is_done_counts() {
    on_each_kind(|rt| {
        let drops = Drops::default();
        let theirs = drops.clone();
        let done = TaskGroup::scope(async move |group: Group| {
            for _ in 0..10 {
                group.spawn(forever(&theirs));
            }
            yield_now().await;
            assert!(group.cancel("got it") && !group.cancel("again"));
            assert!(group.is_cancelled());
            assert_eq!(group.cancellation().unwrap().reason(), "got it");
            Ok(7)
        });
        assert_eq!(end(&rt, done).unwrap(), 7);
        assert_eq!(drops.count(), 10);

        // By a child, while the block waits.
        let stopped = TaskGroup::scope(async |group: Group| {
            let handle = group.clone();
            group.spawn(async move {
                handle.cancel("by a child");
                Ok(())
            });
            pending::<Result<(), Error>>().await
        });
        let error = end(&rt, stopped).unwrap_err();
        assert!(error.is_empty() && !error.is_elapsed());
        assert_eq!(error.cancellation().unwrap().reason(), "by a child");
        assert!(
            error
                .to_string()
                .starts_with("the group was cancelled by task ")
        );
    });
}

#[test]
fn a_group_waits_for_the_children_of_a_group_that_was_dropped_inside() {
    bounded(|| {
        let rt = multi(8);
        let drops = Drops::default();
        let (gate, theirs) = (Gate::closed(), drops.clone());
        let pass = gate.clone();
        let outer = rt.spawn(TaskGroup::scope(async move |outer: Group| {
            let (tell, told) = async_channel::bounded(1);
            let counted = theirs.counted();
            let child = outer.spawn(async move {
                let middle = TaskGroup::scope(async move |middle: Group| {
                    middle.spawn(async move {
                        let inner = TaskGroup::scope(async move |inner: Group| {
                            inner.spawn(async move {
                                let _counted = counted;
                                tell.send(()).await.unwrap();
                                // Nothing can stop this poll.
                                pass.pass();
                                pending::<Result<(), Error>>().await
                            });
                            pending::<Result<(), Error>>().await
                        });
                        inner.await.map_err(|_| "inner")
                    });
                    pending::<Result<(), Error>>().await
                });
                middle.await.map_err(|_: GroupError<Error>| "middle")
            });
            told.recv().await.unwrap();
            child.abort();
            assert!(child.await.unwrap_err().is_cancelled());
            Ok(())
        }));
        rt.block_on(async { sleep(Duration::from_millis(20)).await });
        assert!(
            !outer.is_finished(),
            "a child two groups down is still alive"
        );
        assert_eq!(drops.count(), 0);
        gate.open();
        end(&rt, outer).unwrap().unwrap();
        assert_eq!(drops.count(), 1);
    });
}

#[test]
fn the_source_of_a_group_error_is_the_failure_that_came_first() {
    use std::error::Error as _;
    type Failure = filch::group::Failure<Error>;

    on_each_kind(|rt| {
        let failed = TaskGroup::scope(async |group: Group| {
            group.spawn(fail("no such host"));
            pending::<Result<(), Error>>().await
        });
        let error = end(&rt, failed).unwrap_err();
        let source = error.source().unwrap().downcast_ref::<Failure>().unwrap();
        assert_eq!(source.error(), Some(&"no such host"));
        assert!(std::ptr::eq(source, error.first().unwrap()));

        // A panic that came first is the cause of the errors after it.
        let panicked = TaskGroup::scope(async |_: Group| -> Result<(), Error> { panic!("ouch") });
        let error = end(&rt, panicked).unwrap_err();
        let source = error.source().unwrap().downcast_ref::<Failure>().unwrap();
        assert!(source.is_panic());

        let cancelled = TaskGroup::scope(async |group: Group| {
            group.cancel("enough");
            pending::<Result<(), Error>>().await
        });
        assert!(end(&rt, cancelled).unwrap_err().source().is_none());
    });
}

//! A group's children come and go: deadlines, limits, children that say when they are ready, scopes that are dropped.

use std::future::{Future, pending};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use filch::time::Instant;

use filch::group::{Child, StartError};
use filch::task::{CancelScope, TaskGroup, with_grace, yield_now};

mod common;
use common::{Drops, bounded, end, eventually, many, multi, on_each_kind};
#[path = "common/group.rs"]
mod helpers;
use helpers::{Error, Group, errors, fail, forever};

const HOUR: Duration = Duration::from_secs(3600);

// CPython: test_taskgroup_17..19: a child that is cancelled alone is no failure.
#[test]
fn taskgroup_17_a_child_that_is_cancelled_alone_is_no_failure() {
    on_each_kind(|rt| {
        let done = TaskGroup::scope(async |group: Group| {
            let one = group.spawn(pending::<Result<(), Error>>());
            let two = group.spawn(pending::<Result<(), Error>>());
            let three = group.spawn(async { Ok(3) });
            assert!(one.cancel("only you"));
            two.abort();
            assert_eq!(one.await.unwrap_err().reason(), Some("only you"));
            assert!(two.await.unwrap_err().is_cancelled());
            Ok(three.await.unwrap())
        });
        assert_eq!(end(&rt, done).unwrap(), 3);
    });
}

// CPython: test_taskgroup_21, 22: children add children while the group closes.
#[test]
fn taskgroup_21_children_add_children_while_the_group_closes() {
    type Grows = std::pin::Pin<Box<dyn Future<Output = Result<(), Error>> + Send>>;
    fn grow(group: Group, depth: usize, count: Arc<AtomicUsize>) -> Grows {
        Box::pin(async move {
            count.fetch_add(1, Ordering::Relaxed);
            yield_now().await;
            for _ in 0..if depth > 0 { 2 } else { 0 } {
                group.spawn(grow(group.clone(), depth - 1, count.clone()));
            }
            Ok(())
        })
    }
    on_each_kind(|rt| {
        let count = Arc::new(AtomicUsize::new(0));
        let theirs = count.clone();
        let done = TaskGroup::scope(async move |group: Group| {
            group.spawn(grow(group.clone(), 9, theirs));
            Ok(())
        });
        end(&rt, done).unwrap();
        assert_eq!(count.load(Ordering::Relaxed), (1 << 10) - 1);
    });
}

// CPython: test_taskgroup_23..25, test_taskgroup_finished_taskgroup_... : a group that stops or has ended takes no child.
#[test]
fn taskgroup_23_a_group_that_stops_or_has_ended_takes_no_child() {
    on_each_kind(|rt| {
        end(&rt, async {
            let drops = Drops::default();
            let mut kept = None;
            let refused = TaskGroup::scope(async |group: Group| {
                kept = Some(group.clone());
                group.cancel("no more");
                let child = group.spawn(forever(&drops));
                assert!(child.is_refused() && child.is_finished());
                assert!(!child.cancel("nobody"));
                assert_eq!(drops.count(), 1);
                Ok(child)
            });
            let child: Child<()> = refused.await.unwrap();
            let id = child.id();
            let error = child.await.unwrap_err();
            assert_eq!((error.id(), error.reason()), (id, Some("no more")));

            let group = kept.unwrap();
            group.ended().await;
            assert!(group.is_empty());
            let late = group.spawn(forever(&drops));
            assert_eq!(drops.count(), 2);
            assert_eq!(late.await.unwrap_err().reason(), Some("no more"));
            let start = group.start(|_ready: filch::group::Ready<(), _>| async { Ok(()) });
            assert!(matches!(start.await, Err(StartError::Cancelled(Some(_)))));

            let mut kept = None;
            let fine = TaskGroup::scope(async |group: Group| {
                kept = Some(group);
                Ok(())
            });
            fine.await.unwrap();
            let late = kept.unwrap().spawn(forever(&drops));
            assert_eq!(
                late.await.unwrap_err().reason(),
                Some("the group has ended")
            );
        });
    });
}

#[test]
fn a_deadline_stops_the_block_or_the_children() {
    on_each_kind(|rt| {
        for block_is_done in [false, true] {
            let drops = Drops::default();
            let theirs = drops.clone();
            let start = Instant::now();
            let limit = Duration::from_millis(10);
            let late = Group::builder().timeout(limit).scope(async move |group| {
                assert!(group.deadline().is_some());
                for _ in 0..10 {
                    group.spawn(forever(&theirs));
                }
                if !block_is_done {
                    pending::<()>().await;
                }
                Ok(())
            });
            let error = end(&rt, late).unwrap_err();
            assert!(start.elapsed() >= limit);
            assert!(error.is_elapsed() && error.is_empty());
            assert_eq!(error.to_string(), "the deadline of the group has elapsed");
            assert_eq!(drops.count(), 10);
        }
        let at = Instant::now() + HOUR;
        let fine = Group::builder().deadline(at).scope(async |group| {
            group.set_deadline(None);
            Ok(7)
        });
        assert_eq!(end(&rt, fine).unwrap(), 7);
    });
}

#[test]
fn a_limit_lets_so_many_run_at_once_and_makes_who_spawns_wait() {
    on_each_kind(|rt| {
        let (now, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let highest = most.clone();
        let all = Group::builder().limit(3).scope(async move |group| {
            let work = || {
                let (now, most) = (now.clone(), most.clone());
                async move {
                    most.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                    // There is work enough for three from the beginning.
                    while most.load(Ordering::SeqCst) < 3 {
                        yield_now().await;
                    }
                    yield_now().await;
                    now.fetch_sub(1, Ordering::SeqCst);
                    Ok(())
                }
            };
            for _ in 0..50 {
                group.spawn(work());
            }
            for _ in 0..50 {
                group.wait_spawn(work()).await;
                // The block, those that wait for their turn, three at work, and those that have given back their place
                // and are about to leave: a worker each.
                assert!(group.len() <= 1 + 50 + 3 + 8);
            }
            Ok(())
        });
        end(&rt, all).unwrap();
        assert_eq!(highest.load(Ordering::SeqCst), 3);
    });
}

#[test]
fn a_limit_gives_back_the_places_of_those_that_fail_panic_or_go() {
    on_each_kind(|rt| {
        let all = Group::builder().limit(1).scope(async |group| {
            for round in 0..20 {
                let child = group.wait_spawn(async move {
                    match round % 3 {
                        0 => Ok(()),
                        _ => pending::<Result<(), Error>>().await,
                    }
                });
                let child = child.await;
                if round % 3 == 1 {
                    child.cancel("go");
                } else {
                    child.abort();
                }
                // A wait that goes before its turn.
                let mut wait = Box::pin(group.wait_spawn(async { Ok(()) }));
                let _ = futures::poll!(&mut wait);
                drop(wait);
            }
            Ok(7)
        });
        assert_eq!(end(&rt, all).unwrap(), 7);

        // Those that wait are told when the group stops.
        let drops = Drops::default();
        let theirs = drops.clone();
        let failed = Group::builder().limit(1).scope(async move |group| {
            group.spawn(async {
                for _ in 0..10 {
                    yield_now().await;
                }
                panic!("on purpose");
                #[expect(unreachable_code)]
                Ok(())
            });
            for _ in 0..5 {
                group.spawn(forever(&theirs));
            }
            // From another child, which has no place to wait for.
            let child = group.wait_spawn(forever(&theirs)).await;
            assert!(child.is_refused());
            Ok(())
        });
        let error = end(&rt, failed).unwrap_err();
        assert_eq!(error.panics().count(), 1);
        assert_eq!(drops.count(), 6);
    });
}

// Trio: test_nursery_start.
#[test]
fn start_waits_until_the_child_is_ready() {
    on_each_kind(|rt| {
        let served = TaskGroup::scope(async |group: Group| {
            let (go, wait) = async_channel::bounded::<()>(1);
            let port = group.start(|ready| async move {
                yield_now().await;
                ready.send(8080).unwrap();
                wait.recv().await.unwrap();
                Ok(())
            });
            let port: u16 = port.await.unwrap();
            assert_eq!(group.len(), 2, "it serves on");
            go.send(()).await.unwrap();
            Ok(port)
        });
        assert_eq!(end(&rt, served).unwrap(), 8080);
    });
}

#[test]
fn what_becomes_of_a_child_before_it_is_ready_is_its_starters_business() {
    on_each_kind(|rt| {
        let drops = Drops::default();
        let theirs = drops.clone();
        let fine = TaskGroup::scope(async move |group: Group| {
            type Ready = filch::group::Ready<(), Error>;
            let sibling = group.spawn(async { Ok(7) });
            let failed = group
                .start(|_ready: Ready| fail("early"))
                .await
                .unwrap_err();
            assert!(
                failed
                    .to_string()
                    .ends_with("failed: early, before it was ready")
            );
            assert_eq!(failed.into_error(), Some("early"));

            let panicked = group.start(|_ready: Ready| async { panic!("early") }).await;
            let Err(StartError::Failed(failure)) = panicked else {
                panic!("it is ready");
            };
            assert!(failure.is_panic());

            let ended = group
                .start(|_ready: Ready| async { Ok(()) })
                .await
                .unwrap_err();
            assert!(matches!(ended, StartError::Ended));
            assert_eq!(ended.into_error(), None);

            // Nobody waits any more: the child is cancelled.
            let counted = theirs.counted();
            let mut goes = group.start(|_ready: Ready| async move {
                let _counted = counted;
                pending::<Result<(), Error>>().await
            });
            assert!(futures::poll!(&mut goes).is_pending());
            drop(goes);
            Ok(sibling.await.unwrap())
        });
        assert_eq!(end(&rt, fine).unwrap(), 7);
        assert_eq!(drops.count(), 1);

        // Afterwards it is the group's.
        let failed = TaskGroup::scope(async |group: Group| {
            let ready = group.start(|ready| async move {
                ready.send(()).unwrap();
                yield_now().await;
                Err("late")
            });
            ready.await.unwrap();
            pending::<Result<(), Error>>().await
        });
        assert_eq!(errors(&end(&rt, failed).unwrap_err()), ["late"]);

        // The group stops before it is ready.
        let stopped = TaskGroup::scope(async |group: Group| {
            let starts = group.start(|_ready: filch::group::Ready<(), _>| pending());
            group.cancel("stop");
            let starts = CancelScope::shield(starts).await;
            let Err(StartError::Cancelled(Some(why))) = starts else {
                panic!("it is ready");
            };
            assert_eq!(why.reason(), "stop");
            Ok(())
        });
        end(&rt, stopped).unwrap();
    });
}

#[test]
fn a_scope_whose_future_goes_aborts_its_children_and_says_when_they_are_gone() {
    on_each_kind(|rt| {
        end(&rt, async {
            let drops = Drops::default();
            let kept = Arc::new(Mutex::new(None));
            let (theirs, place) = (drops.clone(), kept.clone());
            let mut scope = Box::pin(TaskGroup::scope(async move |group: Group| {
                *place.lock().unwrap() = Some(group.clone());
                for _ in 0..10 {
                    group.spawn(forever(&theirs));
                    let counted = theirs.counted();
                    // No grace in an abort.
                    group.spawn(with_grace(HOUR, async move {
                        let _counted = counted;
                        pending::<Result<(), Error>>().await
                    }));
                }
                pending::<Result<(), Error>>().await
            }));
            assert!(futures::poll!(&mut scope).is_pending());
            yield_now().await;
            let group = kept.lock().unwrap().take().unwrap();
            drop(scope);
            assert!(group.is_cancelled());
            group.ended().await;
            assert_eq!(drops.count(), 20);
            assert!(group.is_empty());
        });
    });
}

#[test]
fn a_group_that_is_never_polled_runs_nothing() {
    let scope = TaskGroup::scope(async |_: Group| -> Result<(), Error> { panic!("it runs") });
    drop(scope);
}

#[test]
fn a_runtime_that_ends_takes_its_groups_with_it() {
    bounded(|| {
        let drops = Drops::default();
        for _ in 0..many(20) {
            let rt = multi(8);
            let theirs = drops.clone();
            let before = drops.count();
            drop(rt.spawn(TaskGroup::scope(async move |group: Group| {
                for _ in 0..50 {
                    group.spawn(forever(&theirs));
                }
                pending::<Result<(), Error>>().await
            })));
            drop(rt);
            // As many as were spawned, and each once.
            assert!((before..=before + 50).contains(&drops.count()));
        }
    });
}

#[test]
fn ten_thousand_children_on_eight_workers() {
    bounded(|| {
        let rt = multi(8);
        for _ in 0..many(10) {
            let sum = Arc::new(AtomicUsize::new(0));
            let theirs = sum.clone();
            let n = 10_000;
            let done = rt.spawn(TaskGroup::scope(async move |group: Group| {
                for k in 1..=n {
                    let sum = theirs.clone();
                    group.spawn(async move {
                        if k % 7 == 0 {
                            yield_now().await;
                        }
                        sum.fetch_add(k, Ordering::Relaxed);
                        Ok(())
                    });
                }
                Ok(())
            }));
            end(&rt, done).unwrap().unwrap();
            assert_eq!(sum.load(Ordering::Relaxed), n * (n + 1) / 2);
        }
        eventually("no task is left", || {
            format!("{:?}", rt.handle()).contains("tasks: 0")
        });
    });
}

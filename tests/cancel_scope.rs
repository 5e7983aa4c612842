//! A block in a scope stops at an await when the scope is cancelled or its deadline passes; what is shielded goes on.

use std::cell::Cell;
use std::future::{Future, pending};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::task::Poll;
use std::time::Duration;

use filch::task::{CancelScope, yield_now};
use filch::time::{self, Instant, fail_after, fail_at, move_on_after, move_on_at, sleep};

mod common;
use common::{Drops, Probe, Random, bounded, end, eventually, many, multi, on_each_kind, single};

const HOUR: Duration = Duration::from_secs(3600);

fn soon() -> Duration {
    Duration::from_millis(5)
}

// Trio: test_cancel_edge_cases, test_basic_timeout.
#[test]
fn a_block_that_is_done_in_time_gives_its_value() {
    on_each_kind(|rt| {
        end(&rt, async {
            assert_eq!(CancelScope::new().run(async { 7 }).await.unwrap(), 7);
            assert_eq!(move_on_after(HOUR, async { 7 }).await, Some(7));
            assert_eq!(fail_after(HOUR, async { 7 }).await.unwrap(), 7);
            let later = Instant::now() + HOUR;
            assert_eq!(move_on_at(later, async { 7 }).await, Some(7));
            assert_eq!(fail_at(later, async { 7 }).await.unwrap(), 7);
            assert_eq!(move_on_after(Duration::MAX, async { 7 }).await, Some(7));
        });
    });
}

#[test]
fn a_deadline_drops_the_block_and_is_never_early() {
    on_each_kind(|rt| {
        end(&rt, async {
            let drops = Drops::default();
            let block = |drops: &Drops| {
                let counted = drops.counted();
                async move {
                    let _counted = counted;
                    pending::<()>().await;
                }
            };
            let start = Instant::now();
            assert_eq!(move_on_after(soon(), block(&drops)).await, None);
            assert!(start.elapsed() >= soon());
            assert_eq!(drops.count(), 1);
            let error = fail_after(soon(), block(&drops)).await.unwrap_err();
            assert!(error.is_elapsed() && !error.is_cancelled());
            assert!(error.cancellation().is_none());
            assert_eq!(error.to_string(), "deadline has elapsed");
            let io = std::io::Error::from(error);
            assert_eq!(io.kind(), std::io::ErrorKind::TimedOut);
            assert_eq!(drops.count(), 2);
            let past = Instant::now() - soon();
            assert!(fail_at(past, block(&drops)).await.unwrap_err().is_elapsed());
            assert_eq!(move_on_at(past, block(&drops)).await, None);
            assert_eq!(drops.count(), 4);
        });
    });
}

// asyncio: test_timeout_zero runs to the first await; what is ready there wins.
#[test]
fn what_is_ready_wins_over_a_deadline_that_has_passed() {
    on_each_kind(|rt| {
        let zero = end(&rt, move_on_after(Duration::ZERO, async { 7 }));
        assert_eq!(zero, Some(7));
        // Both are there when the worker comes back to it.
        end(&rt, async {
            time::pause();
            let at = Instant::now() + soon();
            let mut both = Box::pin(move_on_at(at, async {
                sleep(soon()).await;
                7
            }));
            assert!(futures::poll!(&mut both).is_pending());
            time::advance(2 * soon()).await;
            assert_eq!(both.await, Some(7));
        });
    });
}

#[test]
fn a_scope_that_was_cancelled_lets_a_block_come_to_its_first_await() {
    on_each_kind(|rt| {
        let scope = CancelScope::new();
        assert!(scope.cancel("closed"));
        assert!(!scope.cancel("again"));
        let reached = Cell::new(0);
        let block = scope.run(async {
            reached.set(1);
            yield_now().await;
            reached.set(2);
        });
        let stopped = end(&rt, block).unwrap_err();
        assert_eq!(reached.get(), 1);
        assert_eq!(stopped.cancellation().unwrap().reason(), "closed");
        assert_eq!(stopped.scope(), &scope);
        assert_ne!(stopped.scope(), &CancelScope::new());
        let text = stopped.to_string();
        assert!(text.starts_with("the scope was cancelled at "), "{text}");
        assert!(text.ends_with(": closed"), "{text}");
        assert_eq!(end(&rt, scope.run(async { 7 })).unwrap(), 7);
    });
}

#[test]
fn a_handle_cancels_from_any_thread_and_the_block_is_not_polled_again() {
    on_each_kind(|rt| {
        let scope = CancelScope::new();
        let (tell, told) = std::sync::mpsc::channel();
        let handle = scope.clone();
        let thread = std::thread::spawn(move || {
            told.recv().unwrap();
            handle.cancel("from a thread")
        });
        let mut polls = 0;
        let block = scope.run(std::future::poll_fn(|_| {
            polls += 1;
            let _ = tell.send(());
            Poll::<()>::Pending
        }));
        let stopped = end(&rt, block).unwrap_err();
        assert!(thread.join().unwrap());
        let why = stopped.cancellation().unwrap();
        assert_eq!((why.reason(), why.task()), ("from a thread", None));
        assert!(scope.is_cancelled());
        // The bound of the test wakes nobody, so: the first one, and perhaps one more for another wake-up.
        assert!(polls <= 2, "{polls}");
    });
}

// Trio: test_cancel_scope_nesting.
#[test]
fn the_outcome_says_which_of_the_nested_scopes_it_was() {
    on_each_kind(|rt| {
        end(&rt, async {
            let [outer, inner] = [(); 2].map(|()| CancelScope::new());
            // The inner one: the outer block goes on.
            let handle = inner.clone();
            let nested = outer.run(async {
                let other = async {
                    yield_now().await;
                    handle.cancel("inner");
                    pending::<()>().await;
                };
                let stopped = inner.run(other).await.unwrap_err();
                (stopped.scope() == &inner, stopped.scope() == &outer)
            });
            assert_eq!(nested.await.unwrap(), (true, false));

            // The outer one: the inner block is dropped, and nobody asks it.
            let handle = outer.clone();
            let reached = Cell::new(false);
            let nested = outer.run(async {
                let cancels = async {
                    yield_now().await;
                    handle.cancel("outer");
                    pending::<()>().await;
                };
                let _ = CancelScope::new().run(cancels).await;
                reached.set(true);
            });
            let stopped = nested.await.unwrap_err();
            assert!(stopped.scope() == &outer && !reached.get());
        });
    });
}

#[test]
fn of_nested_deadlines_the_nearer_one_counts() {
    on_each_kind(|rt| {
        end(&rt, async {
            let inner_first = fail_after(HOUR, fail_after(soon(), pending::<()>())).await;
            assert!(inner_first.unwrap().unwrap_err().is_elapsed());
            let outer_first = fail_after(soon(), fail_after(HOUR, pending::<()>())).await;
            assert!(outer_first.unwrap_err().is_elapsed());
            let mut depth = 0;
            assert_eq!(nest(50, &mut depth).await, Err(0));
            assert_eq!(depth, 50);
        });
    });
}

/// So many scopes in each other, of which the outermost has the nearest deadline: at which level it stopped.
fn nest<'a>(
    levels: usize,
    depth: &'a mut usize,
) -> Pin<Box<dyn Future<Output = Result<(), usize>> + 'a>> {
    Box::pin(async move {
        if levels == 0 {
            pending::<()>().await;
        }
        *depth += 1;
        let level = *depth - 1;
        let limit = if level == 0 { soon() } else { HOUR };
        match fail_after(limit, nest(levels - 1, depth)).await {
            Ok(inner) => inner,
            Err(_) => Err(level),
        }
    })
}

// asyncio: test_timeouts.TimeoutTests.test_timeout_reschedule (nearest); Trio: test_cancel_scope_deadline.
#[test]
fn a_deadline_can_be_moved_while_it_runs() {
    on_each_kind(|rt| {
        end(&rt, async {
            let scope = CancelScope::with_timeout(HOUR);
            assert!(scope.deadline().is_some());
            let handle = scope.clone();
            let nearer = scope.run(async {
                yield_now().await;
                handle.set_deadline(Some(Instant::now() + soon()));
                pending::<()>().await;
            });
            assert!(nearer.await.unwrap_err().is_elapsed());

            let scope = CancelScope::with_timeout(soon());
            let none = scope.run(async {
                scope.set_deadline(None);
                sleep(4 * soon()).await;
                7
            });
            assert_eq!(none.await.unwrap(), 7);

            // From outside, while nothing in the block wakes it.
            let scope = CancelScope::new();
            let handle = scope.clone();
            let other = filch::spawn(async move {
                yield_now().await;
                handle.set_deadline(Some(Instant::now() + soon()));
            });
            let stopped = scope.run(pending::<()>()).await.unwrap_err();
            assert!(stopped.is_elapsed() && !scope.is_cancelled());
            other.await.unwrap();
        });
    });
}

#[test]
fn one_scope_stops_all_blocks_that_are_in_it() {
    on_each_kind(|rt| {
        let scope = CancelScope::new();
        let tasks: Vec<_> = (0..20)
            .map(|_| {
                let scope = scope.clone();
                rt.spawn(async move { scope.run(pending::<()>()).await.is_err() })
            })
            .collect();
        scope.cancel("all of you");
        for task in tasks {
            assert!(end(&rt, task).unwrap());
        }
    });
}

#[test]
fn a_block_that_goes_leaves_no_waker_and_one_that_panics_leaves_its_scope() {
    on_each_kind(|rt| {
        let _entered = rt.enter();
        let probe = Probe::new();
        let scope = CancelScope::with_timeout(HOUR);
        let mut block = Box::pin(scope.run(CancelScope::new().run(pending::<()>())));
        assert!(probe.poll(&mut block).is_pending());
        assert!(probe.held() > 0);
        drop(block);
        assert_eq!((probe.held(), probe.wakes()), (0, 0));

        let mut bad = Box::pin(scope.run(async { panic!("on purpose") }));
        assert!(
            catch_unwind(AssertUnwindSafe(
                || probe.poll::<Pin<Box<filch::task::Run<_>>>>(&mut bad)
            ))
            .is_err()
        );
        drop(bad);
        scope.cancel("closed");
        // Were it still inside, this would stop.
        assert!(
            probe
                .poll(&mut Box::pin(CancelScope::new().run(pending::<()>())))
                .is_pending()
        );
        assert_eq!(probe.held(), 0);
    });
}

#[test]
fn a_task_that_a_block_spawns_is_not_in_its_scope() {
    on_each_kind(|rt| {
        end(&rt, async {
            let scope = CancelScope::new();
            let handle = scope.clone();
            let (go, wait) = async_channel::bounded::<()>(1);
            let mut task = None;
            let spawns = scope.run(async {
                task = Some(filch::spawn(async move {
                    CancelScope::new().run(wait.recv()).await.unwrap().unwrap();
                    7
                }));
            });
            spawns.await.unwrap();
            let task = task.unwrap();
            handle.cancel("too narrow");
            go.send(()).await.unwrap();
            assert_eq!(task.await.unwrap(), 7);
        });
    });
}

#[test]
fn scopes_that_are_cancelled_while_they_come_and_go_stop_or_end() {
    let mut random = Random::from_env();
    bounded(move || {
        let rt = multi(8);
        let drops = Drops::default();
        let total = many(3000);
        let tasks: Vec<_> = (0..total)
            .map(|_| {
                let (mut random, counted) = (random.fork(), drops.counted());
                let scope = CancelScope::new();
                let handle = scope.clone();
                let spins = random.below(3000);
                let block = rt.spawn(async move {
                    let inner = CancelScope::new();
                    scope
                        .run(async move {
                            let _counted = counted;
                            for _ in 0..random.below(10) {
                                match random.below(4) {
                                    0 => CancelScope::shield(yield_now()).await,
                                    1 => drop(inner.run(yield_now()).await),
                                    2 => drop(move_on_after(Duration::ZERO, yield_now()).await),
                                    _ => yield_now().await,
                                }
                            }
                            pending::<()>().await;
                        })
                        .await
                });
                (0..spins).for_each(|_| std::hint::spin_loop());
                handle.cancel("enough");
                block
            })
            .collect();
        for task in tasks {
            let stopped = end(&rt, task).unwrap().unwrap_err();
            assert_eq!(stopped.cancellation().unwrap().reason(), "enough");
        }
        eventually("all blocks are dropped", || drops.count() == total);
    });
}

#[test]
fn without_a_deadline_a_scope_needs_no_runtime() {
    let probe = Probe::new();
    let scope = CancelScope::new();
    let mut block = Box::pin(scope.run(pending::<()>()));
    assert!(probe.poll(&mut block).is_pending());
    scope.cancel("here");
    assert_eq!(probe.wakes(), 1);
    assert!(matches!(probe.poll(&mut block), Poll::Ready(Err(_))));
    drop(single());
}

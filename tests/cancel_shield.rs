//! What is shielded goes on while the scopes around it stop, and they wait for it.

use std::cell::Cell;
use std::future::pending;
use std::sync::{Arc, Mutex};
use std::task::Poll;
use std::time::Duration;

use filch::task::{CancelScope, Stopped, yield_now};
use filch::time::{fail_after, move_on_after, sleep};

mod common;
use common::{Probe, end, on_each_kind};

const HOUR: Duration = Duration::from_secs(3600);

fn soon() -> Duration {
    Duration::from_millis(5)
}

// Trio: test_cancel_shielding.
#[test]
fn a_shielded_part_is_waited_for() {
    on_each_kind(|rt| {
        end(&rt, async {
            let scope = CancelScope::new();
            let reached = Cell::new(0);
            let handle = scope.clone();
            let block = scope.run(async {
                CancelScope::shield(async {
                    handle.cancel("while shielded");
                    for _ in 0..5 {
                        yield_now().await;
                        sleep(Duration::from_millis(1)).await;
                    }
                    reached.set(1);
                })
                .await;
                reached.set(2);
                yield_now().await;
                reached.set(3);
            });
            let stopped = block.await.unwrap_err();
            assert_eq!(stopped.cancellation().unwrap().reason(), "while shielded");
            assert_eq!(reached.get(), 2, "it stops at the first await behind");
        });
    });
}

#[test]
fn a_deadline_waits_for_a_shield_on_every_level() {
    on_each_kind(|rt| {
        end(&rt, async {
            let done = Cell::new(false);
            let outcome = fail_after(soon(), async {
                move_on_after(soon(), async {
                    CancelScope::shield(async {
                        sleep(4 * soon()).await;
                        done.set(true);
                    })
                    .await;
                    pending::<()>().await;
                })
                .await
            });
            let stopped = outcome.await;
            assert!(done.get());
            assert!(matches!(stopped, Ok(None) | Err(_)));
        });
    });
}

#[test]
fn a_scope_inside_a_shield_obeys_its_own_handle_and_deadline_only() {
    on_each_kind(|rt| {
        end(&rt, async {
            let outer = CancelScope::new();
            outer.cancel("outer");
            let inside = Cell::new(None);
            let block = outer.run(async {
                CancelScope::shield(async {
                    let value = fail_after(HOUR, async {
                        yield_now().await;
                        7
                    });
                    assert_eq!(value.await.unwrap(), 7);
                    let short = fail_after(soon(), pending::<()>()).await.unwrap_err();
                    assert_ne!(short.scope(), &outer);
                    inside.set(Some(short.is_elapsed()));
                })
                .await;
                pending::<()>().await;
            });
            assert_eq!(block.await.unwrap_err().scope(), &outer);
            assert_eq!(inside.get(), Some(true));
        });
    });
}

#[test]
fn beside_a_shield_an_inner_scope_stops_at_once_and_names_the_outer_one() {
    on_each_kind(|rt| {
        end(&rt, async {
            let outer = CancelScope::new();
            let handle = outer.clone();
            let (go, wait) = async_channel::bounded::<()>(1);
            let block = outer.run(async {
                let shielded = CancelScope::shield(async {
                    yield_now().await;
                    handle.cancel("outer");
                    wait.recv().await.unwrap();
                });
                let beside = async {
                    let inner = CancelScope::new();
                    // Two levels down, and each with a waker of its own.
                    let deep = inner.run(CancelScope::new().run(pending::<()>()));
                    let mut all: futures::stream::FuturesUnordered<_> =
                        [deep].into_iter().collect();
                    let stopped: Stopped = match futures::StreamExt::next(&mut all).await.unwrap() {
                        Ok(inner) => inner.unwrap_err(),
                        Err(stopped) => stopped,
                    };
                    assert_eq!(stopped.scope(), &outer);
                    go.send(()).await.unwrap();
                };
                filch::join!(shielded, beside);
                pending::<()>().await;
            });
            assert_eq!(block.await.unwrap_err().scope(), &outer);
        });
    });
}

#[test]
fn a_shield_that_goes_early_lets_the_scope_stop() {
    on_each_kind(|rt| {
        end(&rt, async {
            let scope = CancelScope::new();
            let mut shield = Box::pin(CancelScope::shield(pending::<()>()));
            let handle = scope.clone();
            let kept = Arc::new(Mutex::new(None));
            let place = kept.clone();
            let block = scope.run(async move {
                assert!(futures::poll!(&mut shield).is_pending());
                handle.cancel("now");
                // It leaves the block, and stands as long as it lives.
                *place.lock().unwrap() = Some(shield);
                pending::<()>().await;
            });
            let mut block = Box::pin(block);
            assert!(futures::poll!(&mut block).is_pending(), "it is shielded");
            let probe = Probe::new();
            assert!(probe.poll(&mut block).is_pending());
            drop(kept.lock().unwrap().take());
            assert!(probe.wakes() > 0, "nobody tells that it may stop now");
            let Poll::Ready(Err(stopped)) = probe.poll(&mut block) else {
                panic!("it goes on");
            };
            assert_eq!(stopped.scope(), &scope);
        });
    });
}

//! A task that only uses ready operations lets others run after 128 of them, whatever it uses.

#![allow(
    clippy::async_yields_async,
    reason = "what is prepared is kept apart from what is counted"
)]

use std::future::{Future, pending, poll_fn, ready};
use std::io::{Read, Write};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use filch::Promise;
use filch::group::TaskGroup;
use filch::io::{AsyncReadExt, AsyncWriteExt, Direction, Interest};
use filch::net::TcpStream;
use filch::task::coop::{
    Unconstrained, cooperative, has_budget_remaining, poll_proceed, unconstrained,
};
use filch::task::{consume_budget, with_grace, yield_now};
use filch::time::{Instant, move_on_after, sleep, timeout};

mod common;
#[path = "common/greedy.rs"]
mod greedy;
use common::{block_workers, bounded, multi, on_each_kind, pair, read_byte, single};
use greedy::{BUDGET, lets_others_run};

/// Two ends of a connection. The second is not watched, and does not block: it never waits.
async fn connection() -> (TcpStream, std::net::TcpStream) {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let here = TcpStream::connect(listener.local_addr().unwrap())
        .await
        .unwrap();
    (here, listener.accept().unwrap().0)
}

#[test]
fn reads_that_are_ready() {
    lets_others_run(64 * BUDGET, || async {
        let (mut here, mut there) = connection().await;
        there.write_all(&[7; 64 * BUDGET]).unwrap();
        async move {
            for _ in 0..64 * BUDGET {
                assert_eq!(here.read_u8().await.unwrap(), 7);
            }
        }
    });
}

#[test]
fn writes_that_are_ready() {
    lets_others_run(64 * BUDGET, || async {
        let (mut here, mut there) = connection().await;
        async move {
            for _ in 0..64 * BUDGET {
                here.write_u8(7).await.unwrap();
            }
            drop(here);
            let mut all = Vec::new();
            there.read_to_end(&mut all).unwrap();
            assert_eq!(all.len(), 64 * BUDGET);
        }
    });
}

#[test]
fn sources_of_ones_own() {
    lets_others_run(32 * BUDGET, || async {
        let (here, mut there) = pair();
        there.write_all(&[7; 32 * BUDGET]).unwrap();
        async move {
            for _ in 0..32 * BUDGET {
                assert_eq!(read_byte(&here).await.unwrap(), 7);
            }
            drop(there);
        }
    });
    lets_others_run(32 * BUDGET, || async {
        let (here, there) = pair();
        here.ready(Interest::WRITABLE).await.unwrap();
        async move {
            for _ in 0..32 * BUDGET {
                assert!(here.ready(Interest::WRITABLE).await.unwrap().is_writable());
            }
            drop(there);
        }
    });
    lets_others_run(32 * BUDGET, || async {
        let (here, there) = pair();
        here.ready(Interest::WRITABLE).await.unwrap();
        async move {
            for _ in 0..32 * BUDGET {
                poll_fn(|context| here.poll_ready(context, Direction::Write))
                    .await
                    .unwrap();
            }
            drop(there);
        }
    });
}

#[test]
fn timers_that_are_due() {
    lets_others_run(32 * BUDGET, || {
        ready(async {
            for _ in 0..32 * BUDGET {
                sleep(Duration::ZERO).await;
            }
        })
    });
    lets_others_run(32 * BUDGET, || {
        ready(async {
            for _ in 0..32 * BUDGET {
                let never = timeout(Duration::ZERO, pending::<()>()).await;
                assert!(never.is_err());
            }
        })
    });
}

#[test]
fn tasks_that_are_done() {
    lets_others_run(32 * BUDGET, || async {
        let tasks: Vec<_> = (0..32 * BUDGET).map(|n| filch::spawn(ready(n))).collect();
        while !tasks.iter().all(|task| task.is_finished()) {
            yield_now().await;
        }
        async {
            for (n, task) in tasks.into_iter().enumerate() {
                assert_eq!(task.await.unwrap(), n);
            }
        }
    });
}

#[test]
fn promises_that_are_kept() {
    lets_others_run(32 * BUDGET, || async {
        let promise: Promise<u32, ()> = Promise::new();
        promise.set_result(7).unwrap();
        async move {
            for _ in 0..32 * BUDGET {
                assert_eq!(promise.clone().wait().await, Ok(7));
            }
        }
    });
}

#[test]
fn futures_of_others() {
    lets_others_run(32 * BUDGET, || {
        ready(async {
            for _ in 0..32 * BUDGET {
                cooperative(ready(())).await;
            }
        })
    });
    lets_others_run(32 * BUDGET, || {
        ready(async {
            for _ in 0..32 * BUDGET {
                consume_budget().await;
            }
        })
    });
    lets_others_run(0, || {
        ready(unconstrained(async {
            for _ in 0..32 * BUDGET {
                consume_budget().await;
            }
        }))
    });
}

#[test]
fn a_select_loop_over_a_branch_that_keeps_no_budget() {
    lets_others_run(32 * BUDGET, || {
        ready(async {
            for _ in 0..32 * BUDGET {
                filch::select! {
                    biased;
                    () = consume_budget() => {}
                    () = ready(()) => {}
                }
            }
        })
    });
}

/// How many operations are left in this poll.
fn left() -> usize {
    let mut context = Context::from_waker(Waker::noop());
    let units: Vec<_> = std::iter::from_fn(|| match poll_proceed(&mut context) {
        Poll::Ready(unit) => Some(unit),
        Poll::Pending => None,
    })
    .take(BUDGET + 1)
    .collect();
    let count = units.len();
    // The last one taken is the first to be given back.
    units.into_iter().rev().for_each(drop);
    count
}

#[test]
fn each_poll_has_a_whole_budget() {
    on_each_kind(|rt| {
        let spend = || async {
            for _ in 0..3 {
                assert_eq!(left(), BUDGET);
                consume_budget().await;
                assert_eq!(left(), BUDGET - 1);
                yield_now().await;
            }
            // A task that waits and is woken has one, too; that the timer is due is an operation.
            sleep(Duration::from_millis(1)).await;
            assert_eq!(left(), BUDGET - 1);
        };
        rt.block_on(spend());
        rt.block_on(async move { filch::spawn(spend()).await.unwrap() });
        assert_eq!(left(), BUDGET + 1, "there is no limit outside");
    });
}

#[test]
fn what_has_to_wait_spends_nothing() {
    on_each_kind(|rt| {
        rt.block_on(async {
            let (here, _there) = pair();
            let promise: Promise<u32, ()> = Promise::new();
            let task = filch::spawn(pending::<()>());
            let mut waits = pin!(async {
                filch::join!(
                    read_byte(&here),
                    promise.wait(),
                    task,
                    sleep(Duration::from_secs(60)),
                    cooperative(pending::<()>()),
                )
            });
            // The first poll tries the read, in vain.
            poll_fn(|context| {
                assert!(waits.as_mut().poll(context).is_pending());
                assert_eq!(left(), BUDGET);
                Poll::Ready(())
            })
            .await;
        });
    });
}

#[test]
fn blocking_closures_have_no_limit() {
    on_each_kind(|rt| {
        let handle = rt.handle().clone();
        let closure = move || {
            assert_eq!(left(), BUDGET + 1);
            handle.block_on(async { assert_eq!(left(), BUDGET) });
            assert_eq!(left(), BUDGET + 1);
        };
        rt.block_on(rt.spawn_blocking(closure)).unwrap();
    });
}

#[test]
fn a_used_up_budget_is_seen_and_wakes_the_task() {
    let probe = common::Probe::new();
    bounded(move || {
        single().block_on(poll_fn(|_| {
            for n in 0..BUDGET {
                assert!(has_budget_remaining(), "{n}");
                assert!(probe.poll(&mut Box::pin(consume_budget())).is_ready());
            }
            assert!(!has_budget_remaining());
            assert_eq!(probe.wakes(), 0);
            assert!(probe.poll(&mut Box::pin(consume_budget())).is_pending());
            assert_eq!(probe.wakes(), 1);
            Poll::Ready(())
        }));
    });
}

#[test]
fn unconstrained_ends_with_its_future() {
    bounded(|| {
        single().block_on(async {
            consume_budget().await;
            let inner: Unconstrained<_> = unconstrained(async {
                assert_eq!(left(), BUDGET + 1);
                // A task that is spawned inside has its own.
                filch::spawn(async { assert_eq!(left(), BUDGET) });
            });
            inner.await;
            assert_eq!(left(), BUDGET - 1);
        });
    });
}

#[test]
fn a_timeout_ends_a_future_that_always_uses_the_whole_budget() {
    on_each_kind(|rt| {
        let limited = || async {
            let greedy = async {
                loop {
                    consume_budget().await;
                }
            };
            timeout(Duration::from_millis(20), greedy).await
        };
        let task = rt.spawn(limited());
        assert!(rt.block_on(task).unwrap().is_err());
        assert!(rt.block_on(limited()).is_err());
    });
}

#[test]
fn a_scope_and_a_grace_end_a_future_that_always_uses_the_whole_budget() {
    async fn greedy() {
        loop {
            consume_budget().await;
        }
    }
    async fn endless() -> Result<(), ()> {
        greedy().await;
        Ok(())
    }
    const SHORT: Duration = Duration::from_millis(20);
    on_each_kind(|rt| {
        let limited = || async {
            assert!(move_on_after(SHORT, greedy()).await.is_none());
            let group = TaskGroup::<()>::builder().deadline(Instant::now() + SHORT);
            assert!(group.scope(|_| endless()).await.is_err());
        };
        let task = rt.spawn(limited());
        rt.block_on(task).unwrap();
        rt.block_on(limited());

        let begun = Arc::new(AtomicUsize::new(0));
        let count = begun.clone();
        let task = rt.spawn(with_grace(SHORT, async move {
            count.fetch_add(1, Ordering::SeqCst);
            greedy().await;
        }));
        rt.block_on(async {
            while begun.load(Ordering::SeqCst) == 0 {
                yield_now().await;
            }
            task.cancel("enough");
            assert!(task.await.unwrap_err().is_cancelled());
        });
    });
}

#[test]
fn select_waits_when_the_budget_is_used_up() {
    bounded(|| {
        single().block_on(poll_fn(|context| {
            let select = || async {
                filch::select! {
                    biased;
                    () = consume_budget() => {}
                    () = ready(()) => {}
                }
            };
            for _ in 0..BUDGET {
                assert!(pin!(select()).poll(context).is_ready());
            }
            assert!(pin!(select()).poll(context).is_pending());
            Poll::Ready(())
        }));
    });
}

#[test]
fn a_greedy_branch_of_a_join_does_not_starve_the_others() {
    bounded(|| {
        single().block_on(async {
            let turns = |ops: usize| async move {
                let mut turns = 0;
                for _ in 0..5 {
                    for _ in 0..ops {
                        consume_budget().await;
                    }
                    turns += 1;
                }
                turns
            };
            assert_eq!(filch::join!(turns(BUDGET), turns(1)), (5, 5));
        });
    });
}

/// Where tokio hangs: nobody ends the poll that has used up its budget.
#[test]
fn an_executor_inside_a_task_ends() {
    on_each_kind(|rt| {
        let inner = async {
            for _ in 0..10 * BUDGET {
                consume_budget().await;
            }
            7
        };
        let task = rt.spawn(async { futures::executor::block_on(inner) });
        assert_eq!(rt.block_on(task).unwrap(), 7);
    });
}

/// A poll that uses up its budget is as long as many others: what waits outside must not wait for so many of them.
#[test]
fn what_comes_from_outside_waits_for_few_greedy_polls() {
    bounded(|| {
        let rt = multi(1);
        let polls = Arc::new(AtomicUsize::new(0));
        for _ in 0..3 {
            let polls = polls.clone();
            rt.spawn(async move {
                loop {
                    // Counts the polls: whatever comes after the last unit is another one.
                    consume_budget().await;
                    if !has_budget_remaining() {
                        polls.fetch_add(1, Ordering::SeqCst);
                    }
                }
            });
        }
        let gate = block_workers(&rt, 1);
        let before = polls.load(Ordering::SeqCst);
        let tasks: Vec<_> = (0..40)
            .map(|_| {
                let polls = polls.clone();
                rt.spawn(async move { polls.load(Ordering::SeqCst) })
            })
            .collect();
        gate.open();
        for task in tasks {
            let after = rt.block_on(task).unwrap();
            assert!(after - before < 40, "{} greedy polls first", after - before);
        }
    });
}

//! What channels spend of a task's budget: one unit for each operation that is ready, none for one that has to wait; and a
//! task without budget loses nothing by coming again.

use std::future::{Future, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use filch::sync::{broadcast, mpmc, mpsc, oneshot, watch};
use filch::task::coop::{has_budget_remaining, poll_proceed};
use filch::task::{consume_budget, yield_now};

mod common;
use common::{bounded, on_each_kind};

/// Operations in one poll.
const BUDGET: usize = 128;

/// How many operations are left in this poll.
fn left() -> usize {
    let mut context = Context::from_waker(Waker::noop());
    let take = || match poll_proceed(&mut context) {
        Poll::Ready(unit) => Some(unit),
        Poll::Pending => None,
    };
    let units: Vec<_> = std::iter::from_fn(take).take(BUDGET + 1).collect();
    let count = units.len();
    // The last one taken is the first to be given back.
    units.into_iter().rev().for_each(drop);
    count
}

/// Awaits it with a whole budget; the answer is what it spent.
async fn spent<F: Future>(operation: F) -> (F::Output, usize) {
    yield_now().await;
    assert_eq!(left(), BUDGET);
    let output = operation.await;
    (output, BUDGET - left())
}

/// Polls once, in vain; panics if that spent anything.
async fn waits<F: Future>(operation: F) {
    yield_now().await;
    let mut operation = pin!(operation);
    poll_fn(|context| {
        assert!(operation.as_mut().poll(context).is_pending());
        assert_eq!(left(), BUDGET, "it waits, and has spent");
        Poll::Ready(())
    })
    .await;
}

/// Awaits it without budget: it must come again, and then be ready.
async fn comes_again<F: Future>(operation: F) -> F::Output {
    while has_budget_remaining() {
        consume_budget().await;
    }
    let (mut operation, mut polls) = (pin!(operation), 0);
    let output = poll_fn(|context| {
        polls += 1;
        operation.as_mut().poll(context)
    })
    .await;
    assert_eq!(polls, 2, "without budget, then with one");
    output
}

fn on_tasks<F: Future<Output = ()> + Send + 'static>(test: impl Fn() -> F + Send + Copy + 'static) {
    on_each_kind(move |rt| {
        rt.block_on(test());
        rt.block_on(async move { filch::spawn(test()).await.unwrap() });
    });
}

#[test]
fn what_is_ready_spends_one() {
    on_tasks(|| async {
        let (tx, mut rx) = mpsc::channel(2);
        assert_eq!(spent(tx.send(1)).await, (Ok(()), 1));
        let (permit, units) = spent(tx.reserve()).await;
        permit.unwrap().send(2);
        assert_eq!(units, 1);
        assert_eq!(spent(rx.recv()).await, (Some(1), 1));
        tx.try_send(3).unwrap();
        // Many messages at once are one operation.
        assert_eq!(spent(rx.recv_many(&mut Vec::new(), 9)).await, (2, 1));
        let (permits, units) = spent(tx.reserve_many(2)).await;
        assert_eq!((permits.unwrap().len(), units), (2, 1));
        drop(tx);
        assert_eq!(spent(rx.recv()).await, (None, 1));

        let (tx, mut rx) = mpsc::unbounded_channel();
        tx.send(1).unwrap();
        assert_eq!(spent(rx.recv()).await, (Some(1), 1));

        let (tx, rx) = mpmc::channel(1);
        assert_eq!(spent(tx.send(1)).await, (Ok(()), 1));
        assert_eq!(spent(rx.recv()).await, (Some(1), 1));

        let (tx, rx) = oneshot::channel();
        tx.send(1).unwrap();
        assert_eq!(spent(rx).await, (Ok(1), 1));
        let (mut tx, rx) = oneshot::channel::<()>();
        drop(rx);
        assert_eq!(spent(tx.closed()).await, ((), 1));

        let (tx, mut rx) = broadcast::channel(1);
        tx.send(1).unwrap();
        assert_eq!(spent(rx.recv()).await, (Ok(1), 1));
        (0..3).for_each(|n| drop(tx.send(n)));
        assert!(matches!(spent(rx.recv()).await, (Err(_lagged), 1)));

        let (tx, mut rx) = watch::channel(0);
        tx.send(1).unwrap();
        assert_eq!(spent(rx.changed()).await.1, 1);
        assert_eq!(
            spent(async { *rx.wait_for(|n| *n == 1).await.unwrap() }).await,
            (1, 1)
        );
        drop(rx);
        assert_eq!(spent(tx.closed()).await, ((), 1));
    });
}

#[test]
fn what_waits_spends_nothing() {
    on_tasks(|| async {
        let (tx, mut rx) = mpsc::channel(1);
        waits(rx.recv()).await;
        tx.try_send(1).unwrap();
        waits(tx.send(2)).await;
        waits(tx.reserve()).await;
        waits(tx.closed()).await;
        let (tx, rx) = mpmc::channel(1);
        waits(rx.recv()).await;
        tx.try_send(1).unwrap();
        waits(tx.send(2)).await;
        let (mut tx, rx) = oneshot::channel::<()>();
        waits(tx.closed()).await;
        waits(rx).await;
        let (tx, mut rx) = broadcast::channel::<()>(1);
        waits(rx.recv()).await;
        waits(tx.closed()).await;
        let (tx, mut rx) = watch::channel(0);
        waits(rx.changed()).await;
        waits(async { drop(rx.wait_for(|n| *n == 1).await) }).await;
        waits(tx.closed()).await;
    });
}

#[test]
fn without_budget_it_comes_again_and_loses_nothing() {
    on_tasks(|| async {
        let (tx, mut rx) = mpsc::channel(1);
        assert_eq!(comes_again(tx.send(1)).await, Ok(()));
        assert_eq!(comes_again(rx.recv()).await, Some(1));
        let (tx, rx) = mpmc::channel(1);
        assert_eq!(comes_again(tx.send(1)).await, Ok(()));
        assert_eq!(comes_again(rx.recv()).await, Some(1));
        let (tx, rx) = oneshot::channel();
        tx.send(1).unwrap();
        assert_eq!(comes_again(rx).await, Ok(1));
        let (tx, mut rx) = broadcast::channel(1);
        tx.send(1).unwrap();
        assert_eq!(comes_again(rx.recv()).await, Ok(1));
        let (tx, mut rx) = watch::channel(0);
        tx.send(1).unwrap();
        assert!(comes_again(rx.changed()).await.is_ok());
        let seen = comes_again(async { *rx.wait_for(|n| *n == 1).await.unwrap() });
        assert_eq!(seen.await, 1);
        drop(rx);
        comes_again(tx.closed()).await;
    });
}

/// A sender that was served keeps its turn while its task has no budget: who comes later is not served before.
#[test]
fn a_turn_is_kept_without_budget() {
    on_tasks(|| async {
        let (tx, mut rx) = mpsc::channel(1);
        tx.try_send(1).unwrap();
        let (mut first, mut second) = (pin!(tx.send(2)), pin!(tx.send(3)));
        let once = |sending: &mut dyn FnMut(&mut Context<'_>) -> bool| {
            let mut context = Context::from_waker(Waker::noop());
            sending(&mut context)
        };
        assert!(once(&mut |context| first
            .as_mut()
            .poll(context)
            .is_pending()));
        assert!(once(&mut |context| second
            .as_mut()
            .poll(context)
            .is_pending()));
        while has_budget_remaining() {
            consume_budget().await;
        }
        assert_eq!(rx.try_recv(), Ok(1));
        assert!(once(&mut |context| first
            .as_mut()
            .poll(context)
            .is_pending()));
        yield_now().await;
        assert!(once(&mut |context| second
            .as_mut()
            .poll(context)
            .is_pending()));
        assert!(once(&mut |context| first.as_mut().poll(context).is_ready()));
        assert_eq!(rx.try_recv(), Ok(2));
        assert!(once(&mut |context| second
            .as_mut()
            .poll(context)
            .is_ready()));
    });
}

/// Loops over what is always ready beside a task that only wants one turn: tokio's `..._is_cooperative` tests.
#[test]
fn loops_over_ready_channels_let_others_run() {
    /// Ends only if `endless` lets it.
    async fn beside(endless: impl Future<Output = ()>) {
        let mut endless = pin!(endless);
        let mut turn = pin!(yield_now());
        poll_fn(|context| {
            assert!(endless.as_mut().poll(context).is_pending());
            turn.as_mut().poll(context)
        })
        .await;
    }
    on_tasks(|| async {
        let (tx, mut rx) = watch::channel(0);
        beside(async {
            loop {
                tx.send(1).unwrap();
                rx.wait_for(|n| *n == 1).await.unwrap();
            }
        })
        .await;
        drop(rx);
        beside(async {
            loop {
                tx.closed().await;
            }
        })
        .await;
        let mut rx = tx.subscribe();
        drop(tx);
        beside(async {
            loop {
                assert!(rx.wait_for(|n| *n == 7).await.is_err());
            }
        })
        .await;
        beside(async {
            loop {
                assert!(rx.changed().await.is_err());
            }
        })
        .await;
        let (tx, mut rx) = broadcast::channel(8);
        beside(async {
            loop {
                tx.send(()).unwrap();
                rx.recv().await.unwrap();
            }
        })
        .await;
        let (tx, mut rx) = mpsc::channel::<()>(8);
        drop(tx);
        beside(async {
            loop {
                assert_eq!(rx.recv().await, None);
            }
        })
        .await;
    });
}

/// A closure that panics in `wait_for` has not eaten the budget, nor the lock.
#[test]
fn a_look_that_panics_spends_nothing() {
    bounded(|| {
        filch::block_on(async {
            let (tx, mut rx) = watch::channel(0);
            let look = pin!(rx.wait_for(|_| panic!("no look")));
            let mut look = AssertUnwindSafe(look);
            poll_fn(|context| {
                let polled =
                    catch_unwind(AssertUnwindSafe(|| look.as_mut().poll(context).is_ready()));
                assert!(polled.is_err());
                assert_eq!(left(), BUDGET);
                Poll::Ready(())
            })
            .await;
            tx.send(1).unwrap();
        });
    });
}

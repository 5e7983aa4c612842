//! Senders get capacity in the order in which they asked, however many workers there are.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use filch::sync::mpsc;
use filch::task::coop::has_budget_remaining;

mod common;
use common::{bounded, many, multi, single};

const SENDERS: usize = 8;

/// While a sender waits, each of the others sends what it had asked for before, and no more: with room for one message a
/// sender that was served keeps everybody else waiting until it has sent.
#[test]
fn nobody_is_overtaken() {
    bounded(|| {
        let rt = multi(8);
        let (tx, mut rx) = mpsc::channel(1);
        let arrived = Arc::new(AtomicUsize::new(0));
        // What had arrived when the sender last found itself in the line.
        let since: Arc<[AtomicUsize; SENDERS]> = Arc::default();
        let senders: Vec<_> = (0..SENDERS)
            .map(|who| {
                let (tx, arrived, since) = (tx.clone(), arrived.clone(), since.clone());
                rt.spawn(async move {
                    let mut waits = 0;
                    for _ in 0..many(1_000) {
                        since[who].store(usize::MAX, Ordering::SeqCst);
                        let mut sending = pin!(tx.send(who));
                        let mut is_in_line = false;
                        let poll = poll_fn(|context| {
                            let polled = sending.as_mut().poll(context);
                            // Without budget it is not in the line yet.
                            if polled.is_pending() && !is_in_line && has_budget_remaining() {
                                is_in_line = true;
                                let now = arrived.load(Ordering::SeqCst);
                                since[who].store(now, Ordering::SeqCst);
                            }
                            polled
                        });
                        poll.await.unwrap();
                        waits += usize::from(is_in_line);
                    }
                    waits
                })
            })
            .collect();
        drop(tx);
        let most = rt.block_on(async {
            let (mut received, mut most) = (0, 0);
            while let Some(who) = rx.recv().await {
                received += 1;
                arrived.store(received, Ordering::SeqCst);
                // If it is in the line again, that was later: nothing is found then.
                let before = since[who].load(Ordering::SeqCst);
                most = most.max((received - 1).saturating_sub(before));
            }
            assert_eq!(received, SENDERS * many(1_000));
            most
        });
        // One of each that was before it, one that was sent and one that was received but not counted.
        assert!(
            most <= SENDERS - 1 + 2,
            "{most} came before one that waited"
        );
        let mut waits = 0;
        for sender in senders {
            waits += rt.block_on(sender).unwrap();
        }
        assert!(waits > 0, "nobody had to wait");
    });
}

/// On one thread the order is exact with room for one message. With more, those that are served together send in the order in
/// which they run; yet everybody has a share.
#[test]
fn each_has_its_turn() {
    bounded(|| {
        single().block_on(async {
            for capacity in [1, 3] {
                let (tx, mut rx) = mpsc::channel(capacity);
                let senders: Vec<_> = (0..SENDERS)
                    .map(|who| {
                        let tx = tx.clone();
                        filch::spawn(async move { while tx.send(who).await.is_ok() {} })
                    })
                    .collect();
                let mut counts = [0_usize; SENDERS];
                // Until all have begun.
                while counts.contains(&0) {
                    counts[rx.recv().await.unwrap()] += 1;
                }
                counts = [0; SENDERS];
                for _ in 0..SENDERS * many(200) {
                    counts[rx.recv().await.unwrap()] += 1;
                    let (least, most) = (counts.iter().min(), counts.iter().max());
                    let apart = most.unwrap() - least.unwrap();
                    assert!(capacity > 1 || apart <= 1, "{counts:?}");
                }
                assert!(counts.iter().all(|n| *n >= many(200) * 3 / 4), "{counts:?}");
                drop((tx, rx));
                for sender in senders {
                    sender.await.unwrap();
                }
            }
        });
    });
}

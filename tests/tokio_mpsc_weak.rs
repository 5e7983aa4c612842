//! Senders that do not count: each test stands for the one of the same name in tokio's `sync_mpsc_weak.rs`, those of the
//! two kinds of channel in a module for each.

use filch::sync::mpsc::{self, channel, unbounded_channel};
use filch::sync::oneshot;

mod common;
#[path = "common/polled.rs"]
mod polled;
use common::Drops;
use polled::{Polled, now};

macro_rules! weak_senders_of {
    ($kind:ident, $channel:expr, $send:ident) => {
        mod $kind {
            use super::*;

            #[test]
            fn weak_sender() {
                let (tx, mut rx) = $channel;
                let weak = tx.downgrade();
                tx.$send(1).unwrap();
                weak.clone().upgrade().unwrap().$send(2).unwrap();
                let last = weak.upgrade().unwrap();
                drop(tx);
                last.$send(3).unwrap();
                drop(last);
                assert!(weak.upgrade().is_none());
                (1..=3).for_each(|n| assert_eq!(now(rx.recv()), Some(n)));
                assert_eq!(now(rx.recv()), None);
            }

            #[test]
            fn msgs_dropped_on_rx_drop() {
                let drops = Drops::default();
                let (tx, mut rx) = $channel;
                (0..3).for_each(|_| tx.$send(drops.counted()).ok().unwrap());
                drop((now(rx.recv()), now(rx.recv())));
                assert_eq!(drops.count(), 2);
                drop(rx);
                assert_eq!(drops.count(), 3);
                assert!(tx.$send(drops.counted()).is_err());
                assert_eq!(drops.count(), 4);
            }

            #[test]
            fn downgrade_upgrade_sender_success() {
                let (tx, _rx) = $channel;
                tx.$send(1).unwrap();
                assert!(tx.downgrade().upgrade().unwrap().same_channel(&tx));
            }

            #[test]
            fn downgrade_upgrade_sender_failure() {
                let (tx, _rx) = $channel;
                tx.$send(1).unwrap();
                let weak = tx.downgrade();
                drop(tx);
                assert!(weak.upgrade().is_none());
            }

            #[test]
            fn downgrade_drop_upgrade() {
                let (tx, _rx) = $channel;
                tx.$send(1).unwrap();
                let weak = tx.downgrade();
                drop(tx.clone());
                assert!(weak.upgrade().is_some());
            }

            #[test]
            fn tx_count_weak_sender() {
                let (tx, mut rx) = $channel;
                tx.$send(1).unwrap();
                let (weak, other) = (tx.downgrade(), tx.downgrade());
                drop(tx);
                assert!(weak.upgrade().is_none() && other.upgrade().is_none());
                assert_eq!((now(rx.recv()), now(rx.recv())), (Some(1), None));
            }

            #[test]
            fn an_upgraded_sender_keeps_the_receiver_waiting() {
                let (tx, mut rx) = $channel;
                let weak = tx.downgrade();
                let again = weak.upgrade().unwrap();
                drop(tx);
                let mut recv = Polled::waiting(rx.recv());
                drop(weak);
                assert!(!recv.is_woken());
                again.$send(5).unwrap();
                assert_eq!(recv.ready(), Some(5));
                drop(recv);
                let mut recv = Polled::waiting(rx.recv());
                drop(again);
                assert!(recv.is_woken());
                assert_eq!(recv.ready(), None);
            }

            #[test]
            fn sender_strong_count_when_cloned() {
                let (tx, rx) = $channel;
                tx.$send(1).unwrap();
                let other = tx.clone();
                assert_eq!((tx.strong_count(), other.strong_count()), (2, 2));
                assert_eq!(rx.sender_strong_count(), 2);
            }

            #[test]
            fn sender_weak_count_when_downgraded() {
                let (tx, rx) = $channel;
                tx.$send(1).unwrap();
                let weak = tx.downgrade();
                assert_eq!((tx.weak_count(), weak.weak_count()), (1, 1));
                assert_eq!(rx.sender_weak_count(), 1);
            }

            #[test]
            fn sender_strong_count_when_dropped() {
                let (tx, rx) = $channel;
                tx.$send(1).unwrap();
                drop(tx.clone());
                assert_eq!((tx.strong_count(), rx.sender_strong_count()), (1, 1));
                drop(tx);
                assert_eq!(rx.sender_strong_count(), 0);
            }

            #[test]
            fn sender_weak_count_when_dropped() {
                let (tx, rx) = $channel;
                tx.$send(1).unwrap();
                drop(tx.downgrade());
                assert_eq!((tx.weak_count(), rx.sender_weak_count()), (0, 0));
            }

            #[test]
            fn sender_strong_and_weak_count() {
                let (tx, rx) = $channel;
                tx.$send(1).unwrap();
                let tx2 = tx.clone();
                let (weak, weak2) = (tx.downgrade(), tx2.downgrade());
                let strong = [&tx, &tx2].map(|tx| (tx.strong_count(), tx.weak_count()));
                assert_eq!(strong, [(2, 2); 2]);
                let weak_ones =
                    [&weak, &weak2].map(|weak| (weak.strong_count(), weak.weak_count()));
                assert_eq!(weak_ones, [(2, 2); 2]);
                assert_eq!((rx.sender_strong_count(), rx.sender_weak_count()), (2, 2));
                drop((tx2, weak2));
                assert_eq!((tx.strong_count(), tx.weak_count()), (1, 1));
                assert_eq!((weak.strong_count(), weak.weak_count()), (1, 1));
                assert_eq!((rx.sender_strong_count(), rx.sender_weak_count()), (1, 1));
            }
        }
    };
}

weak_senders_of!(bounded, channel(3), try_send);
weak_senders_of!(unbounded, unbounded_channel(), send);

#[test]
fn downgrade_get_permit_upgrade_no_senders() {
    let (tx, _rx) = channel::<i32>(1);
    let weak = tx.downgrade();
    let permit = now(tx.reserve_owned()).unwrap();
    assert!(weak.upgrade().is_some());
    drop(permit);
    assert!(weak.upgrade().is_none());
}

#[test]
fn downgrade_upgrade_get_permit_no_senders() {
    let (tx, _rx) = channel::<i32>(1);
    let tx2 = tx.clone();
    let _permit = now(tx.reserve_owned()).unwrap();
    let weak = tx2.downgrade();
    drop(tx2);
    assert!(weak.upgrade().is_some());
}

/// An actor that sends to itself without keeping itself alive: it ends when its last client goes.
#[filch::test]
async fn actor_weak_sender() {
    enum Message {
        NextNumber(oneshot::Sender<u32>),
        ToItself,
    }
    let (client, mut inbox) = mpsc::channel(8);
    let itself = client.downgrade();
    let actor = filch::spawn(async move {
        let (mut number, mut from_itself) = (0, 0);
        while let Some(message) = inbox.recv().await {
            match message {
                Message::NextNumber(answer) => {
                    number += 1;
                    answer.send(number).unwrap();
                    if let Some(sender) = itself.upgrade() {
                        sender.send(Message::ToItself).await.ok().unwrap();
                    }
                }
                Message::ToItself => from_itself += 1,
            }
        }
        from_itself
    });
    for expected in 1..=5 {
        let (tell, told) = oneshot::channel();
        client.send(Message::NextNumber(tell)).await.ok().unwrap();
        assert_eq!(told.await, Ok(expected));
    }
    drop(client);
    let from_itself = actor.await.unwrap();
    // The last may have found no client any more.
    assert!((4..=5).contains(&from_itself), "{from_itself}");
}

#[filch::test]
async fn actor_weak_unbounded_sender() {
    let (client, mut inbox) = unbounded_channel::<Option<oneshot::Sender<u32>>>();
    let itself = client.downgrade();
    let actor = filch::spawn(async move {
        let (mut number, mut from_itself) = (0, 0);
        while let Some(message) = inbox.recv().await {
            let Some(answer) = message else {
                from_itself += 1;
                continue;
            };
            number += 1;
            if let Some(sender) = itself.upgrade() {
                sender.send(None).unwrap();
            }
            answer.send(number).unwrap();
        }
        from_itself
    });
    for expected in 1..=5 {
        let (tell, told) = oneshot::channel();
        client.send(Some(tell)).unwrap();
        assert_eq!(told.await, Ok(expected));
    }
    drop(client);
    assert_eq!(actor.await.unwrap(), 5);
}

//! Senders of a broadcast that do not count: each test stands for the one of the same name in tokio's
//! `sync_broadcast_weak.rs`.

use filch::sync::broadcast::error::{RecvError, TryRecvError};
use filch::sync::broadcast::{Sender, channel};

mod common;
#[path = "common/polled.rs"]
mod polled;
use polled::{Polled, now};

#[test]
fn weak_sender() {
    let (tx, mut rx) = channel(11);
    let weak = tx.downgrade();
    (0..5).for_each(|n| assert_eq!(tx.send(n).unwrap(), 1));
    drop(tx.clone());
    let again = weak.clone().upgrade().unwrap();
    drop(tx);
    (5..10).for_each(|n| assert_eq!(again.send(n).unwrap(), 1));
    drop(again);
    assert!(weak.upgrade().is_none());
    (0..10).for_each(|n| assert_eq!(now(rx.recv()), Ok(n)));
    assert_eq!(now(rx.recv()), Err(RecvError::Closed));
}

#[test]
fn downgrade_upgrade_sender_failure() {
    let (tx, _rx) = channel::<i32>(1);
    let weak = tx.downgrade();
    drop(tx);
    assert!(weak.upgrade().is_none());
}

#[test]
fn downgrade_drop_upgrade() {
    let (tx, _rx) = channel::<i32>(1);
    let weak = tx.downgrade();
    drop(tx.clone());
    assert!(weak.upgrade().unwrap().same_channel(&tx));
}

#[test]
fn test_tx_count_weak_sender() {
    let tx = Sender::<i32>::new(1);
    let (weak, other) = (tx.downgrade(), tx.downgrade());
    drop(tx);
    assert!(weak.upgrade().is_none() && other.upgrade().is_none());
}

#[test]
fn test_rx_is_closed_when_dropping_all_senders_except_weak_senders() {
    let (tx, mut rx) = channel::<i32>(10);
    let _weak = tx.downgrade();
    let mut recv = Polled::waiting(rx.recv());
    drop(tx);
    assert!(recv.is_woken());
    assert_eq!(recv.ready(), Err(RecvError::Closed));
    drop(recv);
    assert!(rx.is_closed());
    assert_eq!(rx.try_recv(), Err(TryRecvError::Closed));
}

#[test]
fn sender_strong_count_when_cloned() {
    let tx = Sender::<()>::new(1);
    let other = tx.clone();
    assert_eq!((tx.strong_count(), other.strong_count()), (2, 2));
}

#[test]
fn sender_weak_count_when_downgraded() {
    let tx = Sender::<()>::new(1);
    let weak = tx.downgrade();
    assert_eq!((tx.weak_count(), weak.weak_count()), (1, 1));
    let another = weak.clone();
    assert_eq!((tx.weak_count(), another.weak_count()), (2, 2));
}

#[test]
fn sender_strong_count_when_dropped() {
    let tx = Sender::<()>::new(1);
    drop(tx.clone());
    assert_eq!(tx.strong_count(), 1);
}

#[test]
fn sender_weak_count_when_dropped() {
    let tx = Sender::<()>::new(1);
    drop(tx.downgrade());
    assert_eq!(tx.weak_count(), 0);
}

#[test]
fn sender_strong_and_weak_count() {
    let tx = Sender::<()>::new(1);
    let tx2 = tx.clone();
    let (weak, weak2) = (tx.downgrade(), tx2.downgrade());
    assert_eq!((tx.strong_count(), tx2.strong_count()), (2, 2));
    assert_eq!((weak.strong_count(), weak2.weak_count()), (2, 2));
    drop((tx2, weak2));
    assert_eq!((tx.strong_count(), tx.weak_count()), (1, 1));
    assert_eq!((weak.strong_count(), weak.weak_count()), (1, 1));
    drop(tx);
    assert_eq!((weak.strong_count(), weak.weak_count()), (0, 1));
}

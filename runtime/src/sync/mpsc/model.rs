//! Models of a channel: two ends, every order of their steps.

use std::sync::Arc;

use loom::future::block_on;
use loom::thread;

use super::error::TryRecvError;
use super::{channel, unbounded_channel};

/// As `loom::model`, with so many preemptions in a run at most: for models with too many steps for all orders of them.
fn preempted(times: usize, model: impl Fn() + Sync + Send + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(times);
    builder.check(model);
}

#[test]
fn a_freed_permit_serves_who_waits() {
    loom::model(|| {
        let (tx, mut rx) = channel(1);
        tx.try_send(1).unwrap();
        let sender = thread::spawn(move || block_on(tx.send(2)));
        assert_eq!(rx.try_recv(), Ok(1));
        // The receiver does not come back: the permit alone must let the sender go on.
        sender.join().unwrap().unwrap();
        assert_eq!(rx.try_recv(), Ok(2));
        assert_eq!(rx.try_recv(), Err(TryRecvError::Disconnected));
    });
}

#[test]
fn a_permit_of_a_batch_serves_who_waits() {
    loom::model(|| {
        let (tx, mut rx) = channel(2);
        tx.try_send(1).unwrap();
        tx.try_send(2).unwrap();
        // The batch is taken, and one of its messages is left.
        assert_eq!(rx.try_recv(), Ok(1));
        tx.try_send(3).unwrap();
        let sender = thread::spawn(move || block_on(tx.send(4)));
        assert_eq!(rx.try_recv(), Ok(2));
        sender.join().unwrap().unwrap();
        assert_eq!(rx.len(), 2);
    });
}

#[test]
fn a_cancelled_send_passes_its_permit_on() {
    loom::model(|| {
        let (tx, mut rx) = channel(1);
        tx.try_send(1).unwrap();
        let mut first = Box::pin(tx.send(2));
        let waker = std::task::Waker::noop();
        let mut context = std::task::Context::from_waker(waker);
        assert!(first.as_mut().poll(&mut context).is_pending());
        let tx2 = tx.clone();
        let second = thread::spawn(move || block_on(tx2.send(3)));
        assert_eq!(rx.try_recv(), Ok(1));
        drop(first);
        second.join().unwrap().unwrap();
        assert_eq!(rx.try_recv(), Ok(3));
    });
}

#[test]
fn each_freed_permit_serves_one() {
    preempted(2, || {
        let (tx, mut rx) = channel(2);
        tx.try_send(1).unwrap();
        tx.try_send(2).unwrap();
        let others = [3, 4].map(|n| {
            let tx = tx.clone();
            thread::spawn(move || block_on(tx.send(n)).unwrap())
        });
        assert_eq!(rx.try_recv(), Ok(1));
        assert_eq!(rx.try_recv(), Ok(2));
        for other in others {
            other.join().unwrap();
        }
        assert_eq!(rx.len(), 2);
    });
}

#[test]
fn the_last_sender_ends_the_stream() {
    loom::model(|| {
        let (tx, mut rx) = unbounded_channel();
        let tx2 = tx.clone();
        let sender = thread::spawn(move || tx2.send(Arc::new(1)).unwrap());
        drop(tx);
        assert_eq!(block_on(rx.recv()).as_deref(), Some(&1));
        assert_eq!(block_on(rx.recv()), None);
        sender.join().unwrap();
    });
}

#[test]
fn messages_arrive_in_order() {
    preempted(3, || {
        let (tx, mut rx) = channel(1);
        let sender = thread::spawn(move || {
            block_on(tx.send(1)).unwrap();
            block_on(tx.send(2)).unwrap();
        });
        assert_eq!(block_on(rx.recv()), Some(1));
        assert_eq!(block_on(rx.recv()), Some(2));
        assert_eq!(block_on(rx.recv()), None);
        sender.join().unwrap();
    });
}

#[test]
fn a_receiver_that_is_registered_ahead_is_woken() {
    preempted(3, || {
        let (tx, mut rx) = channel(1);
        let sender = thread::spawn(move || {
            (1..4).for_each(|n| block_on(tx.send(n)).unwrap());
        });
        for n in 1..4 {
            assert_eq!(block_on(rx.recv()), Some(n));
        }
        assert_eq!(block_on(rx.recv()), None);
        sender.join().unwrap();
    });
}

#[test]
fn closing_lets_senders_go_and_the_receiver_waits_for_permits() {
    preempted(3, || {
        let (tx, mut rx) = channel::<u32>(1);
        let permit = tx.clone().try_reserve_owned().unwrap();
        let sender = thread::spawn(move || block_on(tx.send(2)).is_err());
        let holder = thread::spawn(move || drop(permit));
        rx.close();
        let got = block_on(rx.recv());
        assert_eq!(got.is_none(), sender.join().unwrap());
        holder.join().unwrap();
    });
}

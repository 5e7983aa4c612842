//! Messages between tasks, as tokio has it: each test stands for the one of the same name in tokio's `sync_mpsc.rs`.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Wake, Waker};

use filch::sync::mpsc::error::{TryRecvError, TrySendError};
use filch::sync::mpsc::{self, PermitIterator, channel, unbounded_channel};

mod common;
#[path = "common/polled.rs"]
mod polled;
use common::bounded;
use polled::{Polled, now};

fn send_all<T>(permits: PermitIterator<'_, T>, messages: impl IntoIterator<Item = T>) {
    permits
        .zip(messages)
        .for_each(|(permit, message)| permit.send(message));
}

#[test]
fn reserve_disarm() {
    let (tx, mut rx) = channel::<i32>(2);
    let (tx1, tx2, tx3, tx4) = (tx.clone(), tx.clone(), tx.clone(), tx);
    let permit1 = now(tx1.reserve()).unwrap();
    let permit2 = now(tx2.reserve_owned()).unwrap();
    let mut r3 = Polled::waiting(tx3.reserve());
    let mut r4 = Polled::waiting(tx4.reserve_owned());
    drop(permit1);
    assert!(r3.is_woken() && !r4.is_woken());
    r3.ready().unwrap().send(1);
    // The permit is the message's; when it is received, the last one is served.
    assert!(r4.poll().is_pending());
    assert_eq!(now(rx.recv()), Some(1));
    assert!(r4.is_woken());
    drop(r4.ready().unwrap());
    drop(permit2);
}

#[filch::test]
async fn send_recv_stream_with_buffer() {
    let (tx, mut rx) = channel::<i32>(16);
    filch::spawn(async move {
        tx.send(1).await.unwrap();
        tx.send(2).await.unwrap();
    });
    let mut seen = Vec::new();
    while let Some(message) = std::future::poll_fn(|context| rx.poll_recv(context)).await {
        seen.push(message);
    }
    assert_eq!(seen, [1, 2]);
}

#[filch::test]
async fn async_send_recv_with_buffer() {
    let (tx, mut rx) = channel(16);
    filch::spawn(async move {
        tx.send(1).await.unwrap();
        tx.send(2).await.unwrap();
    });
    assert_eq!(
        (rx.recv().await, rx.recv().await, rx.recv().await),
        (Some(1), Some(2), None)
    );
}

#[filch::test]
async fn async_send_recv_many_with_buffer() {
    let (tx, mut rx) = channel(2);
    let mut buffer = Vec::new();
    // No room in the answer: nothing is waited for.
    assert_eq!(rx.recv_many(&mut buffer, 0).await, 0);
    let task = filch::spawn(async move {
        let (last, before) = ("one", ["b", "a"]);
        for message in before.into_iter().chain([last]) {
            tx.send(message).await.unwrap();
        }
    });
    let mut received = 0;
    while received < 3 {
        received += rx.recv_many(&mut buffer, 7).await;
    }
    assert_eq!(buffer, ["b", "a", "one"]);
    assert_eq!(rx.recv_many(&mut buffer, 7).await, 0);
    task.await.unwrap();
}

#[test]
fn start_send_past_cap() {
    let (tx1, mut rx) = channel(1);
    let tx2 = tx1.clone();
    now(tx1.send(())).unwrap();
    let mut t1 = Polled::waiting(tx1.send(()));
    let t2 = Polled::waiting(tx2.send(()));
    // One that waits and is given up does not keep the channel open.
    drop(t2);
    drop(tx2);
    assert_eq!(now(rx.recv()), Some(()));
    assert!(t1.is_woken());
    t1.ready().unwrap();
    drop(t1);
    drop(tx1);
    assert_eq!((now(rx.recv()), now(rx.recv())), (Some(()), None));
}

#[test]
#[should_panic(expected = "requires buffer > 0")]
fn buffer_gteq_one() {
    let _ = channel::<i32>(0);
}

#[test]
fn send_recv_many_bounded_capacity() {
    let (tx, mut rx) = channel(9);
    let mut buffer = Vec::with_capacity(9);
    for n in 0..9 {
        tx.try_send(n).unwrap();
    }
    // As many as there are, though more are asked for, and the permits come back.
    assert_eq!(now(rx.recv_many(&mut buffer, 5)), 5);
    assert_eq!(now(rx.recv_many(&mut buffer, 100)), 4);
    assert_eq!((buffer.len(), tx.capacity()), (9, 9));
    // Room for more is made in the buffer.
    for n in 9..18 {
        tx.try_send(n).unwrap();
    }
    assert_eq!(now(rx.recv_many(&mut buffer, 100)), 9);
    assert!(buffer.iter().copied().eq(0..18));
    drop(tx);
    assert_eq!(now(rx.recv_many(&mut buffer, 4)), 0);
}

#[test]
fn send_recv_many_unbounded_capacity() {
    let (tx, mut rx) = unbounded_channel();
    let mut buffer = vec![-1];
    for n in 0..100 {
        tx.send(n).unwrap();
    }
    assert_eq!(now(rx.recv_many(&mut buffer, 90)), 90);
    assert_eq!(now(rx.recv_many(&mut buffer, 90)), 10);
    assert!(buffer.iter().copied().eq(-1..100), "it appends");
    let mut wait = Polled::waiting(rx.recv_many(&mut buffer, 1));
    drop(tx);
    assert_eq!(wait.ready(), 0);
}

#[filch::test]
async fn async_send_recv_unbounded() {
    let (tx, mut rx) = unbounded_channel();
    filch::spawn(async move {
        tx.send(1).unwrap();
        tx.send(2).unwrap();
    });
    assert_eq!(
        (rx.recv().await, rx.recv().await, rx.recv().await),
        (Some(1), Some(2), None)
    );
}

#[filch::test]
async fn send_recv_stream_unbounded() {
    let (tx, mut rx) = unbounded_channel();
    filch::spawn(async move {
        tx.send(1).unwrap();
        tx.send(2).unwrap();
    });
    let mut seen = Vec::new();
    while let Some(message) = std::future::poll_fn(|context| rx.poll_recv(context)).await {
        seen.push(message);
    }
    assert_eq!(seen, [1, 2]);
}

#[test]
fn send_recv_buffer_limited() {
    let (tx, mut rx) = channel::<i32>(1);
    now(tx.reserve()).unwrap().send(1);
    let mut p2 = Polled::waiting(tx.reserve());
    assert_eq!(now(rx.recv()), Some(1));
    assert!(p2.is_woken());
    p2.ready().unwrap().send(2);
    let mut p3 = Polled::waiting(tx.reserve());
    assert_eq!(now(rx.recv()), Some(2));
    p3.ready().unwrap().send(3);
    let mut p4 = Polled::waiting(tx.reserve());
    assert_eq!(now(rx.recv()), Some(3));
    assert!(p4.ready().is_ok());
}

#[test]
fn recv_close_gets_none_idle() {
    let (tx, mut rx) = channel::<i32>(10);
    rx.close();
    assert_eq!(now(rx.recv()), None);
    assert!(now(tx.send(1)).is_err());
}

#[test]
fn recv_close_gets_none_reserved() {
    let (tx1, mut rx) = channel::<i32>(1);
    let tx2 = tx1.clone();
    let permit1 = now(tx1.reserve()).unwrap();
    let mut permit2 = Polled::waiting(tx2.reserve());
    rx.close();
    assert!(permit2.is_woken());
    assert!(permit2.ready().is_err());
    let mut recv = Polled::waiting(rx.recv());
    permit1.send(123);
    assert!(recv.is_woken());
    assert_eq!(recv.ready(), Some(123));
    drop(recv);
    assert_eq!(now(rx.recv()), None);
}

/// A receiver that waits for the permits of a closed channel is woken when the last one is gone, whoever has it and however
/// it goes. What a waiting reservation had got comes back with the close; tokio's comes back when it is polled or dropped.
fn wakes_closed_receiver<'a, T: 'a>(
    capacity: usize,
    hold: impl FnOnce(mpsc::Sender<i32>) -> T + 'a,
    go: impl FnOnce(T),
    expected: Option<i32>,
) {
    let (tx, mut rx) = channel::<i32>(capacity);
    let held = hold(tx);
    rx.close();
    let mut recv = Polled::waiting(rx.recv());
    go(held);
    assert!(recv.is_woken());
    assert_eq!(recv.ready(), expected);
    drop(recv);
    assert_eq!(rx.try_recv(), Err(TryRecvError::Disconnected));
}

#[test]
fn failed_reserve_many_wakes_closed_receiver() {
    let (tx, mut rx) = channel::<()>(2);
    let permit = tx.try_reserve().unwrap();
    let mut reserve = Polled::waiting(tx.reserve_many(2));
    rx.close();
    let mut recv = Polled::waiting(rx.recv());
    drop(permit);
    assert!(reserve.ready().is_err());
    assert!(recv.is_woken());
    assert_eq!(recv.ready(), None);
}

#[test]
fn cancelled_reserve_many_wakes_closed_receiver() {
    let (tx, mut rx) = channel::<()>(2);
    let permit = tx.try_reserve().unwrap();
    let reserve = Polled::waiting(tx.reserve_many(2));
    rx.close();
    let mut recv = Polled::waiting(rx.recv());
    drop(permit);
    drop(reserve);
    assert!(recv.is_woken());
    assert_eq!(recv.ready(), None);
}

/// A reservation that was served, and has not been polled since, when the channel is closed.
#[test]
fn failed_reserve_wakes_closed_receiver() {
    let (tx, mut rx) = channel::<()>(1);
    let permit = tx.try_reserve().unwrap();
    let mut reserve = Polled::waiting(tx.reserve());
    drop(permit);
    rx.close();
    let mut recv = Polled::waiting(rx.recv());
    assert!(reserve.ready().is_err());
    assert!(recv.is_woken());
    assert_eq!(recv.ready(), None);
}

#[test]
fn cancelled_reserve_wakes_closed_receiver() {
    let (tx, mut rx) = channel::<()>(1);
    let permit = tx.try_reserve().unwrap();
    let reserve = Polled::waiting(tx.reserve());
    drop(permit);
    rx.close();
    let mut recv = Polled::waiting(rx.recv());
    drop(reserve);
    assert!(recv.is_woken());
    assert_eq!(recv.ready(), None);
}

#[test]
fn try_reserve_many_edge_cases() {
    let (tx, mut rx) = channel::<i32>(3);
    assert!(matches!(
        tx.try_reserve_many(4),
        Err(TrySendError::Full(()))
    ));
    for wanted in 1..=3 {
        let mut permits = tx.try_reserve_many(wanted).unwrap();
        assert_eq!((permits.len(), tx.capacity()), (wanted, 3 - wanted));
        // Some are used, the others come back.
        permits.next().unwrap().send(7);
        drop(permits);
        assert_eq!(tx.capacity(), 2);
        assert_eq!(rx.try_recv(), Ok(7));
    }
    assert!(now(tx.reserve_many(usize::MAX)).is_err());
    drop(rx);
    assert!(matches!(
        tx.try_reserve_many(1),
        Err(TrySendError::Closed(()))
    ));
    assert!(now(tx.reserve_many(2)).is_err());
}

#[test]
fn try_reserve_many_zero() {
    let (tx, rx) = channel::<i32>(1);
    assert!(tx.try_reserve_many(0).unwrap().next().is_none());
    tx.try_send(1).unwrap();
    assert_eq!(tx.try_reserve_many(0).unwrap().len(), 0);
    drop(rx);
    assert!(matches!(
        tx.try_reserve_many(0),
        Err(TrySendError::Closed(()))
    ));
}

#[filch::test]
async fn reserve_many_and_send() {
    let (tx, mut rx) = channel(100);
    for wanted in 0..30 {
        send_all(tx.reserve_many(wanted).await.unwrap(), 0..wanted);
        for n in 0..wanted {
            assert_eq!(rx.recv().await, Some(n));
        }
    }
}

#[test]
fn drop_permit_releases_permit() {
    let (tx1, _rx) = channel::<i32>(1);
    let tx2 = tx1.clone();
    let permit = now(tx1.reserve_owned()).unwrap();
    let mut reserve2 = Polled::waiting(tx2.reserve_owned());
    drop(permit);
    assert!(reserve2.is_woken());
    assert!(reserve2.ready().is_ok());
}

#[test]
fn drop_permit_iterator_releases_permits() {
    for n in 1..100 {
        let (tx1, _rx) = channel::<i32>(n);
        let tx2 = tx1.clone();
        let permits = now(tx1.reserve_many(n)).unwrap();
        let mut reserve2 = Polled::waiting(tx2.reserve_many(n));
        drop(permits);
        assert!(reserve2.is_woken());
        assert_eq!(reserve2.ready().unwrap().len(), n);
    }
}

#[test]
fn dropping_last_permit_wakes_closed_receiver() {
    let (tx, mut rx) = channel::<()>(1);
    let permit = tx.try_reserve().unwrap();
    rx.close();
    let mut recv = Polled::waiting(rx.recv());
    drop(permit);
    assert!(recv.is_woken());
    assert_eq!(recv.ready(), None);
}

#[test]
fn dropping_last_owned_permit_wakes_closed_receiver() {
    wakes_closed_receiver(1, |tx| tx.try_reserve_owned().unwrap(), drop, None);
}

#[test]
fn dropping_last_permit_iterator_wakes_closed_receiver() {
    let (tx, mut rx) = channel::<()>(3);
    let mut permits = tx.try_reserve_many(3).unwrap();
    rx.close();
    let mut recv = Polled::waiting(rx.recv());
    drop(permits.next());
    assert!(!recv.is_woken(), "two are left");
    drop(permits);
    assert!(recv.is_woken());
    assert_eq!(recv.ready(), None);
}

#[test]
fn sending_last_permit_wakes_closed_receiver() {
    let (tx, mut rx) = channel(1);
    let permit = tx.try_reserve().unwrap();
    rx.close();
    let mut recv = Polled::waiting(rx.recv());
    permit.send(1);
    assert!(recv.is_woken());
    assert_eq!(recv.ready(), Some(1));
}

#[test]
fn sending_last_owned_permit_wakes_closed_receiver() {
    let send = |permit: mpsc::OwnedPermit<i32>| drop(permit.send(1));
    wakes_closed_receiver(1, |tx| tx.try_reserve_owned().unwrap(), send, Some(1));
}

#[test]
fn releasing_last_owned_permit_wakes_closed_receiver() {
    let release = |permit: mpsc::OwnedPermit<i32>| drop(permit.release());
    wakes_closed_receiver(1, |tx| tx.try_reserve_owned().unwrap(), release, None);
}

#[test]
fn dropping_rx_closes_channel() {
    let (tx, rx) = channel(100);
    let message = Arc::new(());
    now(tx.send(message.clone())).unwrap();
    assert_eq!(Arc::strong_count(&message), 2);
    drop(rx);
    assert!(now(tx.reserve()).is_err());
    assert!(now(tx.reserve_many(10)).is_err());
    assert_eq!(Arc::strong_count(&message), 1);
}

#[test]
fn dropping_rx_closes_channel_for_try() {
    let (tx, rx) = channel(100);
    let message = Arc::new(());
    tx.try_send(message.clone()).unwrap();
    drop(rx);
    assert!(matches!(
        tx.try_send(message.clone()),
        Err(TrySendError::Closed(_))
    ));
    assert!(matches!(tx.try_reserve(), Err(TrySendError::Closed(()))));
    assert!(matches!(
        tx.try_reserve_owned(),
        Err(TrySendError::Closed(_))
    ));
    assert_eq!(Arc::strong_count(&message), 1);
}

/// A waker of a sender, dropped while the receiver goes, uses the channel.
#[test]
fn dropping_rx_drops_sender_wakers_outside_lock() {
    struct Uses(mpsc::Sender<i32>, Arc<AtomicUsize>);
    impl Wake for Uses {
        fn wake(self: Arc<Self>) {}
    }
    impl Drop for Uses {
        fn drop(&mut self) {
            assert!(self.0.is_closed() && self.0.try_send(9).is_err());
            self.1.fetch_add(1, Ordering::SeqCst);
        }
    }
    bounded(|| {
        let (tx, rx) = channel(1);
        tx.try_send(1).unwrap();
        let dropped = Arc::new(AtomicUsize::new(0));
        let waker = Waker::from(Arc::new(Uses(tx.clone(), dropped.clone())));
        let mut waits = Box::pin(tx.send(2));
        assert!(polled::poll_by(waits.as_mut(), &waker).is_pending());
        drop(waker);
        drop(rx);
        assert_eq!(dropped.load(Ordering::SeqCst), 1);
    });
}

#[test]
fn unconsumed_messages_are_dropped() {
    let message = Arc::new(());
    let (tx, rx) = channel(100);
    now(tx.send(message.clone())).unwrap();
    assert_eq!(Arc::strong_count(&message), 2);
    drop((tx, rx));
    assert_eq!(Arc::strong_count(&message), 1);
}

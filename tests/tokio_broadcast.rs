//! A message for each receiver, as tokio has it: each test stands for the one of the same name in tokio's
//! `sync_broadcast.rs`.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Poll, Wake, Waker};

use filch::sync::broadcast::error::RecvError;
use filch::sync::broadcast::{Sender, channel};
use filch::task::yield_now;

#[path = "common/broadcasts.rs"]
mod broadcasts;
mod common;
#[path = "common/polled.rs"]
mod polled;
use broadcasts::{CLOSED, EMPTY, assert_next, lagged, send};
use common::{Drops, Probe, Random, bounded};
use polled::{Polled, now, poll_by};

#[test]
fn send_try_recv_bounded() {
    let (tx, mut rx) = channel(16);
    assert_next(&mut rx, &[EMPTY]);
    assert_eq!(tx.send(1).unwrap(), 1);
    assert_next(&mut rx, &[Ok(1), EMPTY]);
}

#[test]
fn send_two_recv() {
    let (tx, mut rx1) = channel(16);
    let mut rx2 = tx.subscribe();
    assert_next(&mut rx1, &[EMPTY]);
    assert_next(&mut rx2, &[EMPTY]);
    assert_eq!(tx.send(1).unwrap(), 2);
    assert_next(&mut rx1, &[Ok(1), EMPTY]);
    assert_next(&mut rx2, &[Ok(1), EMPTY]);
}

#[test]
fn send_recv_bounded() {
    let (tx, mut rx) = channel(16);
    let mut recv = Polled::waiting(rx.recv());
    tx.send("hello").unwrap();
    assert!(recv.is_woken());
    assert_eq!(recv.ready(), Ok("hello"));
}

#[test]
fn send_two_recv_bounded() {
    let (tx, mut rx1) = channel(16);
    let mut rx2 = tx.subscribe();
    {
        let (mut recv1, mut recv2) = (Polled::waiting(rx1.recv()), Polled::waiting(rx2.recv()));
        tx.send("hello").unwrap();
        assert!(recv1.is_woken() && recv2.is_woken());
        assert_eq!((recv1.ready(), recv2.ready()), (Ok("hello"), Ok("hello")));
    }
    let (mut recv1, mut recv2) = (Polled::waiting(rx1.recv()), Polled::new(rx2.recv()));
    tx.send("world").unwrap();
    assert!(
        recv1.is_woken() && !recv2.is_woken(),
        "only who waits is woken"
    );
    assert_eq!((recv1.ready(), recv2.ready()), (Ok("world"), Ok("world")));
}

#[test]
fn change_tasks() {
    let (tx, mut rx) = channel(1);
    let (one, two) = (Probe::new(), Probe::new());
    let mut recv = pin!(rx.recv());
    assert!(one.poll(&mut recv).is_pending() && two.poll(&mut recv).is_pending());
    tx.send(1).unwrap();
    assert_eq!((one.wakes(), two.wakes()), (0, 1));
}

#[test]
fn send_slow_rx() {
    let (tx, mut rx1) = channel(16);
    let mut rx2 = tx.subscribe();
    {
        let mut recv2 = Polled::waiting(rx2.recv());
        {
            let mut recv1 = Polled::waiting(rx1.recv());
            send(&tx, [1]);
            assert!(recv1.is_woken() && recv2.is_woken());
            send(&tx, [2]);
            assert_eq!(recv1.ready(), Ok(1));
        }
        assert_eq!(now(rx1.recv()), Ok(2));
        let mut recv1 = Polled::waiting(rx1.recv());
        send(&tx, [3]);
        assert!(recv1.is_woken());
        assert_eq!((recv1.ready(), recv2.ready()), (Ok(3), Ok(1)));
    }
    assert_next(&mut rx2, &[Ok(2), Ok(3), EMPTY]);
}

#[test]
fn drop_rx_while_values_remain() {
    let drops = Drops::default();
    let (tx, mut rx1) = channel(16);
    let mut rx2 = tx.subscribe();
    (0..2).for_each(|_| assert_eq!(tx.send(Arc::new(drops.counted())).unwrap(), 2));
    drop((rx1.try_recv().unwrap(), rx2.try_recv().unwrap()));
    assert_eq!(drops.count(), 1);
    drop(rx2);
    assert_eq!(drops.count(), 1);
    drop(rx1);
    assert_eq!(drops.count(), 2);
}

#[test]
fn lagging_rx() {
    let (tx, mut rx1) = channel(2);
    let mut rx2 = tx.subscribe();
    send(&tx, 1..=2);
    assert_next(&mut rx1, &[Ok(1)]);
    send(&tx, [3]);
    assert_next(&mut rx2, &[lagged(1), Ok(2)]);
    assert_next(&mut rx1, &[Ok(2), Ok(3)]);
    send(&tx, 4..=5);
    assert_next(&mut rx2, &[lagged(1)]);
    send(&tx, [6]);
    assert_next(&mut rx2, &[lagged(1)]);
}

#[test]
fn send_no_rx() {
    let (tx, rx) = channel(16);
    drop(rx);
    assert_eq!(tx.send(1).unwrap_err().0, 1);
    let mut rx = tx.subscribe();
    send(&tx, [2]);
    assert_next(&mut rx, &[Ok(2)]);
}

#[test]
#[should_panic(expected = "capacity")]
fn zero_capacity() {
    channel::<()>(0);
}

#[test]
#[should_panic(expected = "capacity")]
fn capacity_too_big() {
    channel::<()>(1 + (usize::MAX >> 1));
}

/// As tokio's, but that the last receiver of a message takes it, and clones nothing: so there are two.
#[test]
fn panic_in_clone() {
    #[derive(PartialEq, Debug)]
    struct Value(usize);
    impl Clone for Value {
        fn clone(&self) -> Value {
            assert_ne!(self.0, 0, "no clone");
            Value(self.0)
        }
    }
    let (tx, mut rx) = channel(16);
    let mut other = tx.subscribe();
    tx.send(Value(0)).unwrap();
    tx.send(Value(1)).unwrap();
    assert!(catch_unwind(AssertUnwindSafe(|| rx.try_recv())).is_err());
    assert_eq!(rx.try_recv(), Ok(Value(1)));
    assert_eq!(
        (other.try_recv(), other.try_recv()),
        (Ok(Value(0)), Ok(Value(1)))
    );
}

#[test]
fn dropping_tx_notifies_rx() {
    let (tx, mut rx1) = channel::<()>(16);
    let mut rx2 = tx.subscribe();
    let tx2 = tx.clone();
    let (mut recv1, mut recv2) = (Polled::waiting(rx1.recv()), Polled::waiting(rx2.recv()));
    drop(tx);
    assert!(recv1.poll().is_pending() && recv2.poll().is_pending());
    drop(tx2);
    assert!(recv1.is_woken() && recv2.is_woken());
    assert_eq!(
        (recv1.ready(), recv2.ready()),
        (Err(RecvError::Closed), Err(RecvError::Closed))
    );
}

#[test]
fn unconsumed_messages_are_dropped() {
    let (tx, rx) = channel(16);
    let message = Arc::new(());
    tx.send(message.clone()).unwrap();
    assert_eq!(Arc::strong_count(&message), 2);
    drop(rx);
    assert_eq!(Arc::strong_count(&message), 1);
}

#[test]
fn single_capacity_recvs() {
    let (tx, mut rx) = channel(1);
    send(&tx, [1]);
    assert_next(&mut rx, &[Ok(1), EMPTY]);
}

#[test]
fn single_capacity_recvs_after_drop_1() {
    let (tx, mut rx) = channel(1);
    send(&tx, [1]);
    drop(tx);
    assert_next(&mut rx, &[Ok(1), CLOSED]);
}

#[test]
fn single_capacity_recvs_after_drop_2() {
    let (tx, mut rx) = channel(1);
    send(&tx, 1..=2);
    drop(tx);
    assert_next(&mut rx, &[lagged(1), Ok(2), CLOSED]);
}

#[test]
fn dropping_sender_does_not_overwrite() {
    let (tx, mut rx) = channel(2);
    send(&tx, 1..=2);
    drop(tx);
    assert_next(&mut rx, &[Ok(1), Ok(2), CLOSED]);
}

#[test]
fn lagging_receiver_recovers_after_wrap_closed_1() {
    let (tx, mut rx) = channel(2);
    send(&tx, 1..=3);
    drop(tx);
    assert_next(&mut rx, &[lagged(1), Ok(2), Ok(3), CLOSED]);
}

#[test]
fn lagging_receiver_recovers_after_wrap_closed_2() {
    let (tx, mut rx) = channel(2);
    send(&tx, 1..=4);
    drop(tx);
    assert_next(&mut rx, &[lagged(2), Ok(3), Ok(4), CLOSED]);
}

#[test]
fn lagging_receiver_recovers_after_wrap_open() {
    let (tx, mut rx) = channel(2);
    send(&tx, 1..=3);
    assert_next(&mut rx, &[lagged(1), Ok(2), Ok(3), EMPTY]);
}

#[test]
fn receiver_len_with_lagged() {
    let (tx, mut rx) = channel(3);
    send(&tx, 1..=4);
    assert_eq!(rx.len(), 4);
    assert_next(&mut rx, &[Ok(1)]);
    send(&tx, 5..=6);
    assert_eq!(rx.len(), 5);
    assert_next(&mut rx, &[lagged(1)]);
}

#[test]
fn resubscribe_points_to_tail() {
    let (tx, mut rx) = channel(3);
    send(&tx, [1]);
    let mut again = rx.resubscribe();
    assert_next(&mut again, &[EMPTY]);
    assert_next(&mut rx, &[Ok(1)]);
    send(&tx, [2]);
    assert_next(&mut again, &[Ok(2)]);
    send(&tx, [3]);
    assert_next(&mut rx, &[Ok(2), Ok(3), EMPTY]);
    assert_next(&mut again, &[Ok(3), EMPTY]);
}

#[test]
fn resubscribe_lagged() {
    let (tx, mut rx) = channel(1);
    send(&tx, 1..=2);
    let mut again = rx.resubscribe();
    assert_next(&mut rx, &[lagged(1)]);
    assert_next(&mut again, &[EMPTY]);
    assert_next(&mut rx, &[Ok(2), EMPTY]);
}

#[test]
fn resubscribe_to_closed_channel() {
    let (tx, rx) = channel(2);
    drop(tx);
    assert_next(&mut rx.resubscribe(), &[CLOSED]);
}

#[test]
fn sender_len() {
    let (tx, mut rx1) = channel(4);
    let mut rx2 = tx.subscribe();
    assert!(tx.is_empty());
    send(&tx, 1..=3);
    assert!(tx.len() == 3 && !tx.is_empty());
    assert_next(&mut rx1, &[Ok(1), Ok(2)]);
    assert_eq!(tx.len(), 3, "the other one has read none");
    assert_next(&mut rx2, &[Ok(1)]);
    assert_eq!(tx.len(), 2);
    send(&tx, 4..=6);
    assert_eq!(tx.len(), 4, "as many as there is room for");
}

#[test]
fn sender_len_random() {
    let mut random = Random::from_env();
    let (tx, mut rx1) = channel(16);
    let mut rx2 = tx.subscribe();
    for _ in 0..1000 {
        match random.below(4) {
            0 => drop(rx1.try_recv()),
            1 => drop(rx2.try_recv()),
            _ => send(&tx, [0]),
        }
        assert_eq!(tx.len(), rx1.len().max(rx2.len()).min(16));
    }
}

#[test]
fn send_in_waker_drop() {
    struct Sends(Sender<i32>);
    impl Wake for Sends {
        fn wake(self: Arc<Self>) {}
    }
    impl Drop for Sends {
        fn drop(&mut self) {
            let _ = self.0.send(1);
        }
    }
    bounded(|| {
        // Dropped because another waker comes in its place.
        let (tx, mut rx) = channel(16);
        let mut recv = Box::pin(rx.recv());
        let waker = Waker::from(Arc::new(Sends(tx)));
        assert!(poll_by(recv.as_mut(), &waker).is_pending());
        drop(waker);
        let probe = Probe::new();
        // What the old waker sends as it is dropped wakes the new one.
        assert!(probe.poll(&mut recv).is_pending() && probe.wakes() == 1);
        assert_eq!(probe.poll(&mut recv), Poll::Ready(Ok(1)));
        drop(recv);
        // Dropped because it is woken.
        let (tx, mut rx) = channel(16);
        let mut recv = Box::pin(rx.recv());
        let waker = Waker::from(Arc::new(Sends(tx.clone())));
        assert!(poll_by(recv.as_mut(), &waker).is_pending());
        drop(waker);
        send(&tx, [0]);
        drop(recv);
        assert_next(&mut rx, &[Ok(0), Ok(1)]);
    });
}

#[filch::test]
async fn receiver_recv_is_cooperative() {
    let (tx, mut rx) = channel(8);
    filch::select! {
        biased;
        () = async {
            loop {
                tx.send(()).unwrap();
                rx.recv().await.unwrap();
            }
        } => {}
        () = yield_now() => {}
    }
}

#[test]
fn broadcast_sender_closed() {
    let (tx, rx) = channel::<()>(1);
    let rx2 = tx.subscribe();
    let mut closed = Polled::waiting(tx.closed());
    drop(rx);
    assert!(!closed.is_woken() && closed.poll().is_pending());
    drop(rx2);
    assert!(closed.is_woken() && closed.poll().is_ready());
}

#[test]
fn broadcast_sender_closed_with_extra_subscribe() {
    let (tx, rx) = channel::<()>(1);
    let mut closed = Polled::waiting(tx.closed());
    drop(rx);
    assert!(closed.is_woken());
    // Another one comes before the task looks.
    let rx3 = tx.subscribe();
    assert!(closed.poll().is_pending());
    drop(rx3);
    assert!(closed.wakes() == 2 && closed.poll().is_ready());
    now(tx.closed());
    let rx4 = tx.subscribe();
    let mut closed = Polled::waiting(tx.closed());
    drop(rx4);
    assert!(closed.is_woken() && closed.poll().is_ready());
}

/// Whoever is told that the last receiver went finds the channel as it will stay.
#[test]
fn broadcast_sender_closed_in_waker() {
    struct Asks(Sender<()>, AtomicBool);
    impl Wake for Asks {
        fn wake(self: Arc<Self>) {
            assert_eq!((self.0.receiver_count(), self.0.len()), (0, 0));
            assert!(self.0.is_empty() && self.0.send(()).is_err());
            self.1.store(true, Ordering::SeqCst);
        }
    }
    bounded(|| {
        let (tx, rx) = channel(1);
        tx.send(()).unwrap();
        let asks = Arc::new(Asks(tx.clone(), AtomicBool::new(false)));
        let waker = Waker::from(asks.clone());
        let mut closed = pin!(tx.closed());
        assert!(poll_by(closed.as_mut(), &waker).is_pending());
        drop(rx);
        assert!(asks.1.load(Ordering::SeqCst));
        assert!(poll_by(closed.as_mut(), &waker).is_ready());
    });
}

#[test]
fn broadcast_sender_new_must_be_closed() {
    let tx = Sender::<()>::new(1);
    now(tx.closed());
    let _rx = tx.subscribe();
    Polled::waiting(tx.closed());
}

//! One value from one task to another, as tokio has it: each test stands for the one of the same name in tokio's
//! `sync_oneshot.rs`.

use std::pin::Pin;
use std::task::{Context, Poll};

use filch::sync::oneshot::error::{RecvError, TryRecvError};
use filch::sync::oneshot::{Receiver, Sender, channel};

mod common;
#[path = "common/polled.rs"]
mod polled;
use common::Probe;
use polled::{Polled, now};

fn poll_closed<T>(tx: &mut Sender<T>, probe: &Probe) -> Poll<()> {
    tx.poll_closed(&mut Context::from_waker(&probe.waker()))
}

fn poll<T>(rx: &mut Receiver<T>, probe: &Probe) -> Poll<Result<T, RecvError>> {
    Future::poll(Pin::new(rx), &mut Context::from_waker(&probe.waker()))
}

#[test]
fn send_recv() {
    let (tx, rx) = channel();
    let mut recv = Polled::waiting(rx);
    tx.send(1).unwrap();
    assert!(recv.is_woken());
    assert_eq!(recv.ready(), Ok(1));
}

#[filch::test]
async fn async_send_recv() {
    let (tx, rx) = channel();
    tx.send(1).unwrap();
    assert_eq!(rx.await, Ok(1));
}

#[test]
fn close_tx() {
    let (tx, rx) = channel::<i32>();
    let mut recv = Polled::waiting(rx);
    drop(tx);
    assert!(recv.is_woken());
    assert!(recv.ready().is_err());
}

#[test]
fn close_rx() {
    let (tx, rx) = channel();
    drop(rx);
    assert_eq!(tx.send(1), Err(1));

    let (mut tx, rx) = channel();
    let probe = Probe::new();
    assert!(poll_closed(&mut tx, &probe).is_pending());
    drop(rx);
    assert!(probe.wakes() == 1 && tx.is_closed());
    assert!(poll_closed(&mut tx, &probe).is_ready());
    assert_eq!(tx.send(1), Err(1));
}

#[filch::test]
async fn async_rx_closed() {
    let (mut tx, rx) = channel::<()>();
    filch::spawn(async move { drop(rx) });
    tx.closed().await;
}

#[test]
fn explicit_close_poll() {
    let probe = Probe::new();
    let (tx, mut rx) = channel();
    tx.send(1).unwrap();
    rx.close();
    assert_eq!(now(rx), Ok(1));

    for sends in [true, false] {
        let (mut tx, mut rx) = channel();
        let before = probe.wakes();
        assert!(poll_closed(&mut tx, &probe).is_pending());
        rx.close();
        assert!(probe.wakes() == before + 1 && tx.is_closed());
        assert!(poll_closed(&mut tx, &probe).is_ready());
        if sends {
            assert_eq!(tx.send(1), Err(1));
        }
        assert!(now(rx).is_err());
    }
}

#[test]
fn explicit_close_try_recv() {
    let (tx, mut rx) = channel();
    tx.send(1).unwrap();
    rx.close();
    assert_eq!(rx.try_recv(), Ok(1));

    let probe = Probe::new();
    let (mut tx, mut rx) = channel::<i32>();
    assert!(poll_closed(&mut tx, &probe).is_pending());
    rx.close();
    assert!(probe.wakes() == 1 && tx.is_closed());
    assert!(poll_closed(&mut tx, &probe).is_ready());
    assert_eq!(rx.try_recv(), Err(TryRecvError::Closed));
}

#[test]
#[should_panic(expected = "called after complete")]
fn close_try_recv_poll() {
    let (_tx, mut rx) = channel::<i32>();
    rx.close();
    assert!(rx.try_recv().is_err());
    let _ = Polled::new(rx).poll();
}

#[test]
fn close_after_recv() {
    let (tx, mut rx) = channel();
    tx.send(17).unwrap();
    assert_eq!(rx.try_recv(), Ok(17));
    rx.close();
}

#[test]
fn try_recv_after_completion() {
    let (tx, mut rx) = channel();
    tx.send(17).unwrap();
    assert_eq!(rx.try_recv(), Ok(17));
    assert_eq!(rx.try_recv(), Err(TryRecvError::Closed));
    rx.close();
}

#[test]
fn try_recv_after_completion_await() {
    let (tx, mut rx) = channel();
    tx.send(17).unwrap();
    assert_eq!(poll(&mut rx, &Probe::new()), Poll::Ready(Ok(17)));
    assert_eq!(rx.try_recv(), Err(TryRecvError::Closed));
    rx.close();
}

#[test]
fn drops_tasks() {
    for sender_first in [true, false] {
        let (mut tx, mut rx) = channel::<i32>();
        let (tx_task, rx_task) = (Probe::new(), Probe::new());
        assert!(poll_closed(&mut tx, &tx_task).is_pending());
        assert!(poll(&mut rx, &rx_task).is_pending());
        assert_eq!((tx_task.held(), rx_task.held()), (1, 1));
        if sender_first {
            drop(tx);
            drop(rx);
        } else {
            drop(rx);
            drop(tx);
        }
        assert_eq!((tx_task.held(), rx_task.held()), (0, 0));
    }
}

#[test]
fn receiver_changes_task() {
    let (tx, mut rx) = channel();
    let (one, two) = (Probe::new(), Probe::new());
    assert!(poll(&mut rx, &one).is_pending());
    assert_eq!((one.held(), two.held()), (1, 0));
    assert!(poll(&mut rx, &two).is_pending());
    assert_eq!((one.held(), two.held()), (0, 1));
    tx.send(1).unwrap();
    assert_eq!((one.wakes(), two.wakes()), (0, 1));
    assert_eq!(poll(&mut rx, &two), Poll::Ready(Ok(1)));
}

#[test]
fn sender_changes_task() {
    let (mut tx, rx) = channel::<i32>();
    let (one, two) = (Probe::new(), Probe::new());
    assert!(poll_closed(&mut tx, &one).is_pending());
    assert_eq!((one.held(), two.held()), (1, 0));
    assert!(poll_closed(&mut tx, &two).is_pending());
    assert_eq!((one.held(), two.held()), (0, 1));
    drop(rx);
    assert_eq!((one.wakes(), two.wakes()), (0, 1));
    assert!(poll_closed(&mut tx, &two).is_ready());
}

/// Is it terminated before, after `deed`, and after the answer is received?
fn terminated(
    deed: impl FnOnce(&mut Option<Sender<i32>>, &mut Receiver<i32>),
    receive: impl FnOnce(&mut Receiver<i32>),
) {
    let (tx, mut rx) = channel();
    let mut tx = Some(tx);
    assert!(!rx.is_terminated());
    deed(&mut tx, &mut rx);
    assert!(!rx.is_terminated(), "the answer is not received yet");
    receive(&mut rx);
    assert!(rx.is_terminated());
}

fn send(tx: &mut Option<Sender<i32>>, _rx: &mut Receiver<i32>) {
    tx.take().unwrap().send(17).unwrap();
}

#[test]
fn receiver_is_terminated_send() {
    let receive = |rx: &mut _| assert_eq!(poll(rx, &Probe::new()), Poll::Ready(Ok(17)));
    terminated(send, receive);
}

#[test]
fn receiver_is_terminated_try_recv() {
    terminated(send, |rx| assert_eq!(rx.try_recv(), Ok(17)));
}

#[test]
fn receiver_is_terminated_drop() {
    let receive = |rx: &mut Receiver<i32>| match poll(rx, &Probe::new()) {
        Poll::Ready(answer) => assert!(answer.is_err()),
        Poll::Pending => panic!("it should be ready"),
    };
    terminated(|tx, _| drop(tx.take()), receive);
}

#[test]
fn receiver_is_terminated_rx_close() {
    terminated(
        |_, rx| rx.close(),
        |rx| assert!(poll(rx, &Probe::new()).is_ready()),
    );
}

#[test]
fn receiver_is_empty_send() {
    let (tx, mut rx) = channel();
    assert!(rx.is_empty());
    tx.send(17).unwrap();
    assert!(!rx.is_empty());
    assert_eq!(poll(&mut rx, &Probe::new()), Poll::Ready(Ok(17)));
    assert!(rx.is_empty());
}

#[test]
fn receiver_is_empty_try_recv() {
    let (tx, mut rx) = channel();
    assert!(rx.is_empty());
    tx.send(17).unwrap();
    assert!(!rx.is_empty());
    assert_eq!(rx.try_recv(), Ok(17));
    assert!(rx.is_empty());
}

#[test]
fn receiver_is_empty_drop() {
    let (tx, mut rx) = channel::<i32>();
    assert!(rx.is_empty());
    drop(tx);
    assert!(rx.is_empty());
    assert!(poll(&mut rx, &Probe::new()).is_ready());
    assert!(rx.is_empty());
}

#[test]
fn receiver_is_empty_rx_close() {
    let (tx, mut rx) = channel::<i32>();
    assert!(rx.is_empty());
    rx.close();
    assert!(rx.is_empty());
    assert!(poll(&mut rx, &Probe::new()).is_ready());
    assert!(rx.is_empty());
    drop(tx);
}

//! A receiver that took the last message, and so let a sender go on, is registered for the next message before it asks. It
//! hears of whatever happens in between.

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::task::Poll;

use filch::sync::mpsc::{self, Receiver, Sender};
use filch::task::yield_now;

mod common;
use common::{Probe, bounded, single};

type Sending = Pin<Box<dyn Future<Output = bool> + Send>>;

/// For a task: a receiver that had to wait, and then took 1 and served the sender of 2, who has not come by.
async fn ahead() -> (Sender<u32>, Receiver<u32>, Sending) {
    let (tx, mut rx) = mpsc::channel(1);
    assert!(is_empty(&mut rx).await);
    tx.try_send(1).unwrap();
    let other = tx.clone();
    let mut sending: Sending = Box::pin(async move { other.send(2).await.is_ok() });
    assert!(Probe::new().poll(&mut sending).is_pending());
    assert_eq!(rx.recv().await, Some(1));
    (tx, rx, sending)
}

/// The receiver asks once, and waits.
async fn is_empty(rx: &mut Receiver<u32>) -> bool {
    poll_fn(|context| Poll::Ready(rx.poll_recv(context).is_pending())).await
}

/// Runs it as a task.
fn run(task: impl Future<Output = ()> + Send + 'static) {
    bounded(|| {
        let rt = single();
        let task = rt.spawn(task);
        rt.block_on(task).unwrap();
    });
}

#[test]
fn the_message_that_comes_first_is_found() {
    run(async {
        let (_tx, mut rx, mut sending) = ahead().await;
        assert_eq!(Probe::new().poll(&mut sending), Poll::Ready(true));
        yield_now().await;
        assert_eq!(rx.recv().await, Some(2));
    });
}

#[test]
fn the_message_that_comes_later_wakes() {
    run(async {
        let (tx, mut rx, mut sending) = ahead().await;
        assert!(is_empty(&mut rx).await);
        let probe = Probe::new();
        let sender = filch::spawn(async move { probe.poll(&mut sending) });
        assert_eq!(rx.recv().await, Some(2));
        assert_eq!(sender.await.unwrap(), Poll::Ready(true));
        drop(tx);
        assert_eq!(rx.recv().await, None);
    });
}

#[test]
fn it_may_go_to_another_task() {
    run(async {
        let (_tx, mut rx, mut sending) = ahead().await;
        let other = filch::spawn(async move {
            let empty = is_empty(&mut rx).await;
            (empty, rx.recv().await)
        });
        yield_now().await;
        assert_eq!(Probe::new().poll(&mut sending), Poll::Ready(true));
        assert_eq!(other.await.unwrap(), (true, Some(2)));
    });
}

#[test]
fn the_task_that_asks_last_is_woken() {
    run(async {
        let (_tx, mut rx, mut sending) = ahead().await;
        let probe = Probe::new();
        {
            let mut other = Box::pin(rx.recv());
            assert!(probe.poll(&mut other).is_pending());
        }
        assert!(is_empty(&mut rx).await);
        let sender = filch::spawn(async move { Probe::new().poll(&mut sending) });
        assert_eq!(rx.recv().await, Some(2));
        assert_eq!(probe.wakes(), 0);
        assert_eq!(sender.await.unwrap(), Poll::Ready(true));
    });
}

#[test]
fn a_channel_that_it_closes_itself_ends() {
    run(async {
        let (_tx, mut rx, sending) = ahead().await;
        drop(sending);
        rx.close();
        assert_eq!(rx.recv().await, None);
    });
}

#[test]
fn a_channel_whose_sender_gives_up_goes_on() {
    run(async {
        let (tx, mut rx, sending) = ahead().await;
        drop(sending);
        assert!(is_empty(&mut rx).await);
        tx.try_send(3).unwrap();
        assert_eq!(rx.recv().await, Some(3));
    });
}

#[test]
fn the_last_sender_ends_it() {
    run(async {
        let (tx, mut rx, sending) = ahead().await;
        assert!(is_empty(&mut rx).await);
        let senders = filch::spawn(async move {
            drop(sending);
            drop(tx);
        });
        assert_eq!(rx.recv().await, None);
        senders.await.unwrap();
    });
}

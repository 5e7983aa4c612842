//! Senders that are more than are woken in one batch, and senders that go on at once when they are woken.

use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker};

use filch::sync::mpsc::{self, Sender};

mod common;
use common::{Probe, bounded, many, multi, single};

type Sending<'a> = Pin<Box<dyn Future<Output = bool> + 'a>>;

/// A send that waits: the channel is full.
fn waiting<'a, T>(tx: &'a Sender<T>, message: T, probe: &Probe) -> Sending<'a> {
    let mut sending: Sending<'a> = Box::pin(async move { tx.send(message).await.is_ok() });
    assert!(probe.poll(&mut sending).is_pending());
    sending
}

/// A task that its wake polls there and then.
struct AtOnce(Mutex<Pin<Box<dyn Future<Output = ()> + Send>>>);

impl AtOnce {
    fn begin(future: impl Future<Output = ()> + Send + 'static) {
        Arc::new(AtOnce(Mutex::new(Box::pin(future)))).wake();
    }
}

impl Wake for AtOnce {
    fn wake(self: Arc<Self>) {
        let waker = Waker::from(self.clone());
        // If it is locked, it is being polled: its own wake.
        if let Ok(mut future) = self.0.try_lock() {
            let _ = future.as_mut().poll(&mut Context::from_waker(&waker));
        }
    }
}

/// One more than are woken in one batch.
const CROWD: usize = 33;

#[test]
fn what_is_sent_while_a_crowd_is_served_is_seen_by_the_receiver() {
    let (tx, mut rx) = mpsc::channel(CROWD);
    (0..CROWD).for_each(|n| tx.try_send(n).unwrap());
    let probe = Probe::new();
    // It is served and does not come by.
    let first = waiting(&tx, 0, &probe);
    for n in 0..CROWD {
        let tx = tx.clone();
        AtOnce::begin(async move { tx.send(n).await.unwrap() });
    }
    (0..CROWD).for_each(|n| assert_eq!(rx.try_recv(), Ok(n)));
    // A task, since its waker is cloned without a second look.
    let receiver = async move {
        poll_fn(|context| match rx.poll_recv(context) {
            Poll::Pending => panic!("asleep beside {} messages", rx.len()),
            Poll::Ready(message) => Poll::Ready(message),
        })
        .await
    };
    let rt = single();
    let received = rt.spawn(receiver);
    assert_eq!(rt.block_on(received).unwrap(), Some(0));
    drop(first);
}

/// Its wake tries to send.
struct Overtakes(Sender<usize>, Mutex<Vec<bool>>);

impl Wake for Overtakes {
    fn wake(self: Arc<Self>) {
        let sent = self.0.try_send(CROWD).is_ok();
        self.1.lock().unwrap().push(sent);
    }
}

#[test]
fn nobody_overtakes_a_crowd_that_is_being_served() {
    let (tx, _rx) = mpsc::channel(CROWD);
    let permits = tx.try_reserve_many(CROWD).unwrap();
    let overtakes = Arc::new(Overtakes(tx.clone(), Mutex::default()));
    let waker = Waker::from(overtakes.clone());
    let mut first = pin!(tx.send(0));
    let polled = first.as_mut().poll(&mut Context::from_waker(&waker));
    assert!(polled.is_pending());
    let probe = Probe::new();
    let mut others: Vec<_> = (1..CROWD).map(|n| waiting(&tx, n, &probe)).collect();
    drop(permits);
    assert_eq!(*overtakes.1.lock().unwrap(), [false]);
    for other in &mut others {
        assert_eq!(probe.poll(other), Poll::Ready(true));
    }
}

#[test]
fn receiving_many_ends_though_senders_go_on() {
    let (tx, mut rx) = mpsc::channel(2);
    AtOnce::begin(async move {
        for n in 0..100 {
            tx.send(n).await.unwrap();
        }
    });
    let (probe, mut all) = (Probe::new(), Vec::new());
    let received = probe.poll(&mut Box::pin(rx.recv_many(&mut all, usize::MAX)));
    // What was there, and what came while that was taken.
    assert_eq!((received, all), (Poll::Ready(4), vec![0, 1, 2, 3]));
}

#[test]
fn more_senders_than_are_woken_at_once_all_send() {
    bounded(|| {
        let rt = multi(8);
        let (tx, mut rx) = mpsc::channel(64);
        for _ in 0..64 {
            let tx = tx.clone();
            rt.spawn(async move {
                for n in 0..many(1000) {
                    tx.send(n).await.unwrap();
                }
            });
        }
        drop(tx);
        let received = rt.spawn(async move {
            let mut received = 0;
            while rx.recv().await.is_some() {
                received += 1;
            }
            received
        });
        assert_eq!(rt.block_on(received).unwrap(), 64 * many(1000));
    });
}

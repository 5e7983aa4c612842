//! Code of others that a channel runs, and that uses the same channel: wakers that are woken or dropped, and messages that
//! are dropped. No lock may be held then, and no end used after it is freed.

use std::mem::forget;
use std::pin::pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};

use filch::sync::mpsc::error::TryRecvError;
use filch::sync::{CancellationToken, broadcast, mpmc, mpsc, oneshot, watch};

mod common;
#[path = "common/polled.rs"]
mod polled;
use common::{Counted, Drops, Probe, bounded};
use polled::{Polled, now, poll_by, waker_that, waker_with};

/// Runs something when it is dropped.
struct Then(Option<Box<dyn FnOnce() + Send + Sync>>);

impl Then {
    fn new(deed: impl FnOnce() + Send + Sync + 'static) -> Then {
        Then(Some(Box::new(deed)))
    }
}

impl Drop for Then {
    fn drop(&mut self) {
        if let Some(deed) = self.0.take() {
            deed();
        }
    }
}

/// A waker that does something when it is dropped.
fn waker_then(deed: impl FnOnce() + Send + Sync + 'static) -> Waker {
    waker_with(Then::new(deed))
}

#[test]
fn a_waker_may_hold_a_permit_of_the_channel_that_wakes_it() {
    bounded(|| {
        for close in [true, false] {
            let (tx, mut rx) = mpsc::channel(2);
            let permit = tx.clone().try_reserve_owned().unwrap();
            tx.try_send(1).unwrap();
            let mut reserve = Box::pin(tx.reserve());
            assert!(poll_by(reserve.as_mut(), &waker_with(permit)).is_pending());
            if close {
                drop(rx);
                assert!(now(reserve).is_err());
            } else {
                assert_eq!(rx.try_recv(), Ok(1));
                drop(now(reserve).unwrap());
                assert_eq!(tx.capacity(), 2);
            }
        }
    });
}

#[test]
fn a_wait_may_be_given_up_by_a_waker_that_it_drops() {
    bounded(|| {
        let (tx, mut rx) = mpsc::channel(1);
        tx.try_send(1).unwrap();
        let other = tx.clone();
        let mut first = Box::pin(tx.send(2));
        // Replaced, and dropped, by the second poll.
        let waker = waker_then(move || assert!(other.try_send(9).is_err()));
        assert!(poll_by(first.as_mut(), &waker).is_pending());
        drop(waker);
        assert!(poll_by(first.as_mut(), Waker::noop()).is_pending());
        // Taken out with the future, and dropped.
        let other = tx.clone();
        let waker = waker_then(move || assert_eq!(other.capacity(), 0));
        assert!(poll_by(first.as_mut(), &waker).is_pending());
        drop(waker);
        drop(first);
        let other = tx.clone();
        let waker = waker_then(move || drop(other));
        assert_eq!(rx.try_recv(), Ok(1));
        assert!(rx.poll_recv(&mut Context::from_waker(&waker)).is_pending());
        drop((waker, tx));
        assert!(!rx.is_closed(), "the waker has the last sender");
        // The poll drops it, and with it the last sender, and is woken by that.
        let probe = Probe::new();
        let poll = rx.poll_recv(&mut Context::from_waker(&probe.waker()));
        assert_eq!((poll, probe.wakes()), (Poll::Pending, 1));
        assert_eq!(rx.try_recv(), Err(TryRecvError::Disconnected));
    });
}

#[test]
fn messages_may_use_their_channel_when_they_are_dropped() {
    bounded(|| {
        let drops = Drops::default();
        let (tx, mut rx) = mpsc::unbounded_channel();
        for _ in 0..4 {
            let (own, count) = (tx.clone(), drops.clone());
            let deed = move || {
                let late = count.counted();
                assert!(own.send(Then::new(move || drop(late))).is_err() && own.is_closed());
            };
            assert!(tx.send(Then::new(deed)).is_ok());
        }
        // One is out, three are in the batch or the queue.
        let out = rx.try_recv().ok();
        drop((tx, rx));
        assert_eq!(drops.count(), 3);
        drop(out);
        assert_eq!(drops.count(), 4);

        let (tx, rx) = broadcast::channel(1);
        for _ in 0..2 {
            let own = tx.clone();
            let deed = Mutex::new(Some(Then::new(move || {
                assert!(own.len() + own.receiver_count() < 3)
            })));
            assert!(tx.send(Arc::new(deed)).is_ok());
        }
        drop(rx);

        let (tx, rx) = watch::channel(None);
        for _ in 0..2 {
            let (own, end) = (tx.clone(), rx.clone());
            let deed = move || assert!(own.borrow().is_none() && end.borrow().is_none());
            tx.send(Some(Then::new(deed))).ok().unwrap();
            tx.send(None).ok().unwrap();
        }

        let (tx, rx) = mpmc::channel(2);
        let own = rx.clone();
        assert!(
            tx.try_send(Then::new(move || assert!(own.try_recv().is_err())))
                .is_ok()
        );
        drop(rx.try_recv());
        assert!(rx.is_empty());
    });
}

#[test]
fn a_forgotten_permit_is_lost_to_the_channel_and_to_nobody_else() {
    let drops = Drops::default();
    let (tx, mut rx) = mpsc::channel(3);
    forget(tx.try_reserve().unwrap());
    let mut permits = tx.try_reserve_many(1).unwrap();
    forget(permits.next());
    drop(permits);
    assert_eq!(tx.capacity(), 1);
    tx.try_send(drops.counted()).ok().unwrap();
    let mut recv = Polled::new(rx.recv());
    drop(recv.ready());
    drop(recv);
    rx.close();
    // Its message might still come.
    assert!(matches!(rx.try_recv(), Err(TryRecvError::Empty)));
    drop(rx);
    assert!(now(tx.reserve()).is_err());
    assert_eq!(drops.count(), 1);
}

#[test]
fn an_end_of_a_oneshot_may_go_with_the_waker_of_the_other() {
    bounded(|| {
        let drops = Drops::default();
        // The receiver's waker has the sender: dropped by the receiver that goes, that is closed, that has another waker.
        for way in 0..3 {
            let (tx, mut rx) = oneshot::channel::<Counted>();
            let waker = waker_with((tx, drops.counted()));
            assert!(poll_by(pin!(&mut rx), &waker).is_pending());
            drop(waker);
            match way {
                0 => drop(rx),
                1 => {
                    rx.close();
                    assert!(rx.try_recv().is_err());
                }
                _ => assert!(matches!(
                    poll_by(pin!(&mut rx), Waker::noop()),
                    Poll::Ready(Err(_))
                )),
            }
        }
        assert_eq!(drops.count(), 3);
        // The sender's waker has the receiver: dropped by the sender that goes, that sends, that has another waker.
        for way in 0..3 {
            let (mut tx, rx) = oneshot::channel();
            let waker = waker_with((rx, drops.counted()));
            assert!(
                tx.poll_closed(&mut Context::from_waker(&waker))
                    .is_pending()
            );
            drop(waker);
            match way {
                0 => drop(tx),
                1 => assert!(tx.send(drops.counted()).is_ok(), "the receiver was there"),
                _ => {
                    let mut context = Context::from_waker(Waker::noop());
                    assert!(tx.poll_closed(&mut context).is_ready());
                    assert!(tx.send(drops.counted()).is_err());
                }
            }
        }
        assert_eq!(drops.count(), 8);
        // Woken, it receives at once, on the sender's stack.
        let (tx, rx) = oneshot::channel();
        let own = Arc::new(Mutex::new(Some(rx)));
        let (end, got) = (own.clone(), Arc::new(Mutex::new(None)));
        let gets = got.clone();
        let waker = waker_that(move || {
            let rx = end.lock().unwrap().take();
            *gets.lock().unwrap() = rx.map(now);
        });
        {
            let mut own = own.lock().unwrap();
            let rx = own.as_mut().unwrap();
            assert!(poll_by(pin!(rx), &waker).is_pending());
        }
        tx.send(7).unwrap();
        assert_eq!(*got.lock().unwrap(), Some(Ok(7)));
    });
}

#[test]
fn a_waker_of_a_broadcast_may_send_when_it_is_woken_or_dropped() {
    bounded(|| {
        let (tx, mut rx) = broadcast::channel(16);
        let own = tx.clone();
        let mut recv = Box::pin(rx.recv());
        let waker = waker_then(move || _ = own.send(1).unwrap());
        assert!(poll_by(recv.as_mut(), &waker).is_pending());
        drop(waker);
        // Replaced by this poll, which sends; the wait is woken.
        let _ = poll_by(recv.as_mut(), Waker::noop());
        assert_eq!(now(recv), Ok(1));
        let own = tx.clone();
        let mut recv = Box::pin(rx.recv());
        let waker = waker_then(move || _ = own.send(3).unwrap());
        assert!(poll_by(recv.as_mut(), &waker).is_pending());
        drop(waker);
        tx.send(2).unwrap();
        assert_eq!(now(recv), Ok(2));
        assert_eq!(now(rx.recv()), Ok(3));
        // Given up: it drops the waker outside the lock.
        let own = tx.clone();
        let mut recv = Box::pin(rx.recv());
        let waker = waker_then(move || _ = own.send(4).unwrap());
        assert!(poll_by(recv.as_mut(), &waker).is_pending());
        drop(waker);
        drop(recv);
        assert_eq!(now(rx.recv()), Ok(4));
    });
}

#[test]
fn a_waker_of_a_watch_or_a_token_may_use_it_when_it_is_dropped() {
    bounded(|| {
        let (tx, mut rx) = watch::channel(0);
        let tx = Arc::new(tx);
        for n in 0..2 {
            let own = tx.clone();
            let mut changed = Box::pin(rx.changed());
            let waker = waker_then(move || own.send(n * 10 + 1).unwrap());
            assert!(poll_by(changed.as_mut(), &waker).is_pending());
            drop(waker);
            match n {
                0 => _ = poll_by(changed.as_mut(), Waker::noop()),
                _ => tx.send(5).unwrap(),
            }
            assert!(now(changed).is_ok());
            assert_eq!(*rx.borrow_and_update(), n * 10 + 1);
        }
        let token = CancellationToken::new();
        let own = token.clone();
        let mut cancelled = Box::pin(token.cancelled());
        let waker = waker_then(move || own.cancel());
        assert!(poll_by(cancelled.as_mut(), &waker).is_pending());
        drop(waker);
        let _ = poll_by(cancelled.as_mut(), Waker::noop());
        assert!(token.is_cancelled());
        assert!(poll_by(cancelled.as_mut(), Waker::noop()).is_ready());
    });
}

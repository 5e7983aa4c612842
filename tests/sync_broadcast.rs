//! Each receiver gets each message once and in order, or is told how many it has lost; the ends are heard of.
//!
//! After tokio's tests of the same name.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::Poll;

use filch::sync::broadcast::error::{RecvError, TryRecvError};
use filch::sync::broadcast::{self, Receiver, Sender};

mod common;
#[path = "common/polled.rs"]
mod polled;
use common::{Drops, Random, bounded, many, multi, on_each_kind};
use polled::{Polled, for_a_while, now, panic_of, poll_by, waker_that};

#[test]
fn each_receiver_gets_each_message() {
    on_each_kind(|rt| {
        rt.block_on(async {
            let (tx, mut rx) = broadcast::channel(1_000);
            let others: Vec<_> = (0..5)
                .map(|_| {
                    let mut rx = tx.subscribe();
                    filch::spawn(async move {
                        for n in 0..1_000 {
                            assert_eq!(rx.recv().await, Ok(n));
                        }
                        assert_eq!(rx.recv().await, Err(RecvError::Closed));
                    })
                })
                .collect();
            for n in 0..1_000 {
                assert_eq!(tx.send(n).unwrap(), 6);
            }
            drop(tx);
            for n in 0..1_000 {
                assert_eq!(rx.recv().await, Ok(n));
            }
            assert_eq!(rx.recv().await, Err(RecvError::Closed));
            for other in others {
                other.await.unwrap();
            }
        });
    });
}

#[test]
fn a_receiver_sees_what_is_sent_from_its_making_on() {
    let (tx, mut first) = broadcast::channel(4);
    tx.send(1).unwrap();
    let (mut second, mut third) = (tx.subscribe(), first.resubscribe());
    tx.send(2).unwrap();
    assert_eq!((first.try_recv(), first.try_recv()), (Ok(1), Ok(2)));
    assert_eq!(second.try_recv(), Ok(2));
    assert_eq!(third.try_recv(), Ok(2));
    for rx in [&mut first, &mut second, &mut third] {
        assert_eq!(rx.try_recv(), Err(TryRecvError::Empty));
    }
}

#[test]
fn a_message_that_nobody_would_get_comes_back() {
    let tx = Sender::new(2);
    assert_eq!(tx.send("a").unwrap_err().0, "a");
    let mut rx = tx.subscribe();
    assert_eq!(tx.send("b").unwrap(), 1);
    assert_eq!(rx.try_recv(), Ok("b"));
    drop(rx);
    assert_eq!(tx.send("c").unwrap_err().0, "c");
    // What was sent to nobody is not there for those who come after.
    assert_eq!(tx.subscribe().try_recv(), Err(TryRecvError::Empty));
}

#[test]
fn who_is_overtaken_is_told_how_many_it_lost_and_goes_on_with_the_oldest() {
    let (tx, mut slow) = broadcast::channel(2);
    let mut fast = tx.subscribe();
    for n in 0..3 {
        tx.send(n).unwrap();
        assert_eq!(fast.try_recv(), Ok(n));
    }
    assert_eq!(slow.len(), 3);
    assert_eq!(slow.try_recv(), Err(TryRecvError::Lagged(1)));
    assert_eq!((slow.try_recv(), slow.try_recv()), (Ok(1), Ok(2)));
    (3..10).for_each(|n| assert_eq!(tx.send(n).unwrap(), 2));
    assert_eq!(now(slow.recv()), Err(RecvError::Lagged(5)));
    drop(tx);
    assert_eq!((now(slow.recv()), now(slow.recv())), (Ok(8), Ok(9)));
    assert_eq!(now(slow.recv()), Err(RecvError::Closed));
    assert_eq!(slow.try_recv(), Err(TryRecvError::Closed));
    assert_eq!(fast.try_recv(), Err(TryRecvError::Lagged(5)));
}

#[test]
fn all_who_wait_are_woken_by_a_message_and_by_the_end() {
    let (tx, rx) = broadcast::channel(2);
    // More than one batch of wakers.
    let mut all: Vec<_> = (0..70).map(|_| rx.resubscribe()).collect();
    {
        let mut waits: Vec<_> = all
            .iter_mut()
            .map(|rx| Polled::waiting(rx.recv()))
            .collect();
        tx.send(1).unwrap();
        for wait in &mut waits {
            assert_eq!(wait.wakes(), 1);
            assert_eq!(wait.ready(), Ok(1));
        }
    }
    let mut waits: Vec<_> = all
        .iter_mut()
        .map(|rx| Polled::waiting(rx.recv()))
        .collect();
    let other = tx.clone();
    drop(tx);
    assert!(waits.iter().all(|wait| !wait.is_woken()), "one is left");
    drop(other);
    for wait in &mut waits {
        assert_eq!(wait.wakes(), 1);
        assert_eq!(wait.ready(), Err(RecvError::Closed));
    }
}

#[test]
fn a_wait_that_is_given_up_has_received_nothing() {
    let (tx, mut rx) = broadcast::channel(2);
    drop(Polled::waiting(rx.recv()));
    let woken = Polled::waiting(rx.recv());
    tx.send(1).unwrap();
    assert!(woken.is_woken());
    drop(woken);
    assert_eq!(rx.try_recv(), Ok(1));
}

#[test]
fn the_latest_waker_is_woken() {
    let (tx, mut rx) = broadcast::channel(2);
    let wakes = Arc::new(AtomicUsize::new(0));
    let counts = wakes.clone();
    let mut wait = Polled::waiting(rx.recv());
    let other = waker_that(move || {
        counts.fetch_add(1, Ordering::SeqCst);
    });
    assert!(poll_by(wait.as_mut(), &other).is_pending());
    tx.send(1).unwrap();
    assert_eq!((wait.wakes(), wakes.load(Ordering::SeqCst)), (0, 1));
}

#[test]
fn a_waker_that_panics_keeps_no_other_from_the_message() {
    let (tx, mut rx) = broadcast::channel(2);
    let mut other = tx.subscribe();
    let mut first = Polled::new(rx.recv());
    let breaks = waker_that(|| panic!("a waker that breaks"));
    assert!(poll_by(first.as_mut(), &breaks).is_pending());
    let mut second = Polled::waiting(other.recv());
    assert_eq!(tx.send(1).unwrap(), 2);
    assert_eq!((first.ready(), second.ready()), (Ok(1), Ok(1)));
}

#[test]
fn the_last_receiver_of_a_message_takes_it() {
    #[derive(Debug)]
    struct Cloned(Arc<AtomicUsize>);
    impl Clone for Cloned {
        fn clone(&self) -> Self {
            self.0.fetch_add(1, Ordering::SeqCst);
            Cloned(self.0.clone())
        }
    }
    let clones = Arc::new(AtomicUsize::new(0));
    let (tx, mut one) = broadcast::channel(4);
    let mut two = tx.subscribe();
    tx.send(Cloned(clones.clone())).unwrap();
    one.try_recv().unwrap();
    assert_eq!(clones.load(Ordering::SeqCst), 1);
    two.try_recv().unwrap();
    assert_eq!(clones.load(Ordering::SeqCst), 1);
    assert_eq!(Arc::strong_count(&clones), 1, "and the channel keeps none");
}

#[test]
fn a_clone_that_panics_loses_that_message_for_its_receiver_only() {
    #[derive(Debug)]
    struct Breaks(u32);
    impl Clone for Breaks {
        fn clone(&self) -> Self {
            assert!(self.0 != 1, "a clone that breaks");
            Breaks(self.0)
        }
    }
    let (tx, mut one) = broadcast::channel(4);
    let mut two = tx.subscribe();
    tx.send(Breaks(1)).unwrap();
    tx.send(Breaks(2)).unwrap();
    assert!(catch_unwind(AssertUnwindSafe(|| one.try_recv())).is_err());
    assert_eq!(one.try_recv().unwrap().0, 2);
    assert_eq!(two.try_recv().unwrap().0, 1, "the last one clones nothing");
    assert_eq!(two.try_recv().unwrap().0, 2);
    assert!(tx.is_empty());
}

#[test]
fn messages_are_dropped_when_nobody_will_receive_them() {
    let drops = Drops::default();
    let message = || Arc::new(drops.counted());
    let (tx, mut rx) = broadcast::channel(2);
    let idle = tx.subscribe();
    tx.send(message()).unwrap();
    tx.send(message()).unwrap();
    drop(rx.try_recv().unwrap());
    assert_eq!(drops.count(), 0);
    tx.send(message()).unwrap();
    assert_eq!(drops.count(), 1, "overwritten");
    drop(idle);
    assert_eq!(drops.count(), 1);
    drop(rx);
    assert_eq!(drops.count(), 3);
    let _late = tx.subscribe();
    tx.send(message()).unwrap();
    drop(tx);
    assert_eq!(drops.count(), 3, "its receiver may still come");
    drop(_late);
    assert_eq!(drops.count(), 4);
}

#[test]
fn it_tells_how_many_there_are() {
    let (tx, mut rx) = broadcast::channel(3);
    assert_eq!(
        (tx.len(), tx.receiver_count(), tx.strong_count()),
        (0, 1, 1)
    );
    let (weak, other, second) = (tx.downgrade(), tx.subscribe(), tx.clone());
    assert_eq!(
        (tx.receiver_count(), tx.strong_count(), tx.weak_count()),
        (2, 2, 1)
    );
    tx.send(1).unwrap();
    tx.send(2).unwrap();
    assert_eq!((tx.len(), rx.len(), other.len()), (2, 2, 2));
    rx.try_recv().unwrap();
    assert_eq!((tx.len(), rx.len()), (2, 1));
    drop(other);
    assert_eq!(tx.len(), 1);
    assert!(tx.same_channel(&second) && !tx.same_channel(&Sender::new(1)));
    assert!(rx.same_channel(&second.subscribe()));
    drop(second);
    assert!(!rx.is_closed());
    drop(tx);
    assert!(rx.is_closed() && weak.upgrade().is_none());
    assert_eq!((weak.strong_count(), weak.weak_count()), (0, 1));
    assert_eq!(rx.try_recv(), Ok(2));
    assert!(rx.is_empty());
}

#[test]
fn a_weak_sender_keeps_nothing_open() {
    let (tx, mut rx) = broadcast::channel(3);
    let weak = tx.downgrade();
    let again = weak.upgrade().unwrap();
    drop(tx);
    again.send(1).unwrap();
    let mut wait = Polled::new(rx.recv());
    assert_eq!(wait.ready(), Ok(1));
    drop(wait);
    let mut wait = Polled::waiting(rx.recv());
    drop(again);
    assert_eq!(wait.ready(), Err(RecvError::Closed));
}

#[test]
fn senders_hear_that_nobody_listens() {
    let (tx, rx) = broadcast::channel::<u32>(3);
    let mut closed = Polled::waiting(tx.closed());
    let other = rx.resubscribe();
    drop(rx);
    assert!(!closed.is_woken() && closed.poll().is_pending());
    drop(other);
    assert!(closed.is_woken());
    closed.ready();
    // Somebody may come again.
    let mut rx = tx.subscribe();
    assert!(Polled::new(tx.closed()).poll().is_pending());
    tx.send(1).unwrap();
    assert_eq!(rx.try_recv(), Ok(1));
}

#[test]
fn misuse_panics_where_it_is_called() {
    let (file, said) = panic_of(|| drop(broadcast::channel::<u32>(0)));
    assert!(
        file.ends_with("sync_broadcast.rs") && said.contains("capacity"),
        "{file}: {said}"
    );
    let (file, said) = panic_of(|| drop(Sender::<u32>::new(usize::MAX)));
    assert!(
        file.ends_with("sync_broadcast.rs") && said.contains("capacity"),
        "{file}: {said}"
    );
}

#[test]
fn threads_wait_and_workers_refuse_to() {
    bounded(|| {
        let (tx, mut rx) = broadcast::channel(2);
        let mut theirs = tx.subscribe();
        let thread = std::thread::spawn(move || theirs.blocking_recv());
        tx.send(1).unwrap();
        assert_eq!(thread.join().unwrap(), Ok(1));
        let rt = multi(1);
        let refused =
            rt.block_on(async { catch_unwind(AssertUnwindSafe(|| rx.blocking_recv())).is_err() });
        assert!(refused);
    });
}

/// A broadcast in a few lines: all messages, and where each receiver is.
#[derive(Default)]
struct Reference {
    sent: usize,
    capacity: usize,
    next: VecDeque<usize>,
    closed: bool,
}

impl Reference {
    /// What the receiver gets: a message, or an error.
    fn receive(&mut self, which: usize) -> Result<usize, TryRecvError> {
        let next = &mut self.next[which];
        let oldest = self.sent.saturating_sub(self.capacity);
        if *next < oldest {
            let missed = oldest - *next;
            *next = oldest;
            return Err(TryRecvError::Lagged(missed as u64));
        }
        if *next == self.sent {
            return Err(match self.closed {
                true => TryRecvError::Closed,
                false => TryRecvError::Empty,
            });
        }
        *next += 1;
        Ok(*next - 1)
    }

    fn unread(&self) -> usize {
        let oldest = self.sent.saturating_sub(self.capacity);
        let first = self.next.iter().copied().min().unwrap_or(self.sent);
        self.sent - first.max(oldest)
    }
}

#[test]
fn it_does_what_the_reference_does() {
    let mut random = Random::from_env();
    for _ in 0..many(1_000) {
        let capacity = 1 << random.below(4);
        let (tx, rx) = broadcast::channel(capacity);
        let mut tx = Some(tx);
        let mut reference = Reference {
            capacity,
            next: [0].into(),
            ..Reference::default()
        };
        let mut all: Vec<Receiver<usize>> = vec![rx];
        for _ in 0..100 {
            match (random.below(12), &tx) {
                (0..4, Some(tx)) => {
                    let sent = tx.send(reference.sent);
                    assert_eq!(sent.is_ok(), !all.is_empty());
                    if let Ok(receivers) = sent {
                        assert_eq!(receivers, all.len());
                        reference.sent += 1;
                    }
                }
                (4, Some(tx)) if all.len() < 5 => {
                    all.push(tx.subscribe());
                    reference.next.push_back(reference.sent);
                }
                (5, _) if !all.is_empty() && random.below(3) == 0 => {
                    let which = random.below(all.len());
                    drop(all.remove(which));
                    reference.next.remove(which);
                    if all.is_empty() && tx.is_some() {
                        reference.closed = false;
                    }
                }
                (6, Some(_)) if random.below(30) == 0 => {
                    tx = None;
                    reference.closed = true;
                }
                (7, Some(tx)) => assert_eq!(tx.len(), reference.unread()),
                _ if !all.is_empty() => {
                    let which = random.below(all.len());
                    let expected = reference.receive(which);
                    let rx = &mut all[which];
                    if random.below(2) == 0 {
                        assert_eq!(rx.try_recv(), expected);
                    } else {
                        let got = Polled::new(rx.recv()).poll();
                        let expected = match expected {
                            Ok(message) => Poll::Ready(Ok(message)),
                            Err(TryRecvError::Empty) => Poll::Pending,
                            Err(TryRecvError::Closed) => Poll::Ready(Err(RecvError::Closed)),
                            Err(TryRecvError::Lagged(n)) => Poll::Ready(Err(RecvError::Lagged(n))),
                        };
                        assert_eq!(got, expected);
                    }
                }
                _ => {}
            }
        }
    }
}

/// Each receiver gives up waits at random and leaves when it likes: what it got and what it lost is all that was sent
/// while it was there.
#[test]
fn nothing_is_lost_or_leaked_among_many_who_come_and_go() {
    bounded(|| {
        let mut random = Random::from_env();
        let rt = multi(8);
        for _ in 0..many(20) {
            let drops = Drops::default();
            let (tx, rx) = broadcast::channel::<(usize, Arc<common::Counted>)>(8);
            let receivers: Vec<_> = (0..8)
                .map(|n| {
                    let (mut rx, mut own) = (rx.resubscribe(), random.fork());
                    rt.spawn(async move {
                        let (mut next, mut left) = (0, if n == 0 { 50 } else { usize::MAX });
                        while left > 0 {
                            left -= 1;
                            match for_a_while(&mut own, rx.recv()).await {
                                Some(Ok((number, _))) => {
                                    assert_eq!(number, next);
                                    next += 1;
                                }
                                Some(Err(RecvError::Lagged(missed))) => next += missed as usize,
                                Some(Err(RecvError::Closed)) => return Some(next),
                                None => {}
                            }
                        }
                        None
                    })
                })
                .collect();
            drop(rx);
            let (theirs, mut own) = (drops.clone(), random.fork());
            let sender = rt.spawn(async move {
                for number in 0..500 {
                    tx.send((number, Arc::new(theirs.counted()))).unwrap();
                    if own.below(4) == 0 {
                        filch::task::yield_now().await;
                    }
                }
            });
            rt.block_on(sender).unwrap();
            for receiver in receivers {
                let saw = rt.block_on(receiver).unwrap();
                assert!(saw.is_none_or(|saw| saw == 500), "{saw:?}");
            }
            assert_eq!(drops.count(), 500);
        }
    });
}

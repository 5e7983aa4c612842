//! Receivers see the latest value, wait until it is another one, and hear of the end; senders hear that nobody looks.
//!
//! After tokio's tests of the same name.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::Poll;

use filch::sync::watch::{self, Receiver, Sender};

mod common;
#[path = "common/polled.rs"]
mod polled;
use common::{Drops, Random, bounded, many, multi, on_each_kind};
use polled::{Polled, for_a_while, now, poll_by, waker_that};

#[test]
fn receivers_see_the_latest_value() {
    let (tx, mut rx) = watch::channel("one");
    assert_eq!(*rx.borrow(), "one");
    assert!(!rx.has_changed().unwrap(), "the first counts as seen");
    tx.send("two").unwrap();
    tx.send("three").unwrap();
    now(rx.changed()).unwrap();
    assert_eq!(*rx.borrow(), "three");
    assert!(Polled::new(rx.changed()).poll().is_pending());
}

#[test]
fn a_look_says_whether_the_value_is_new_and_only_an_update_makes_it_seen() {
    let (tx, mut rx) = watch::channel(1);
    assert!(!rx.borrow().has_changed() && !tx.borrow().has_changed());
    tx.send(2).unwrap();
    assert!(rx.borrow().has_changed());
    assert!(rx.has_changed().unwrap());
    assert!(rx.borrow_and_update().has_changed());
    assert!(!rx.borrow_and_update().has_changed());
    rx.mark_changed();
    assert!(rx.has_changed().unwrap());
    now(rx.changed()).unwrap();
    assert!(!rx.has_changed().unwrap());
    tx.send(3).unwrap();
    rx.mark_unchanged();
    assert!(!rx.has_changed().unwrap());
}

#[test]
fn a_clone_has_seen_what_the_other_has_and_a_subscriber_all() {
    let (tx, rx) = watch::channel(1);
    tx.send(2).unwrap();
    let (clone, new) = (rx.clone(), tx.subscribe());
    assert!(clone.has_changed().unwrap());
    assert!(!new.has_changed().unwrap());
    assert_eq!(*new.borrow(), 2);
}

#[test]
fn all_who_wait_are_woken_by_a_change_and_by_the_end() {
    let (tx, rx) = watch::channel(0);
    // More than one batch of wakers.
    let mut all = vec![rx; 70];
    {
        let mut waits: Vec<_> = all
            .iter_mut()
            .map(|rx| Polled::waiting(rx.changed()))
            .collect();
        assert_eq!(tx.statistics().waiters, 70);
        tx.send(1).unwrap();
        for wait in &mut waits {
            assert_eq!(wait.wakes(), 1);
            wait.ready().unwrap();
        }
        assert_eq!(tx.statistics().waiters, 0);
    }
    let mut waits: Vec<_> = all
        .iter_mut()
        .map(|rx| Polled::waiting(rx.changed()))
        .collect();
    let other = tx.clone();
    drop(tx);
    assert!(waits.iter().all(|wait| !wait.is_woken()), "one is left");
    drop(other);
    for wait in &mut waits {
        assert_eq!(wait.wakes(), 1);
        assert!(wait.ready().is_err());
    }
}

#[test]
fn the_last_value_is_seen_though_the_senders_are_gone() {
    let (tx, mut rx) = watch::channel(1);
    tx.send(2).unwrap();
    drop(tx);
    assert!(rx.is_closed() && rx.has_changed().is_err());
    now(rx.changed()).unwrap();
    assert_eq!(*rx.borrow_and_update(), 2);
    assert!(now(rx.changed()).is_err());
}

#[test]
fn a_wait_that_is_given_up_has_seen_nothing() {
    let (tx, mut rx) = watch::channel(1);
    drop(Polled::waiting(rx.changed()));
    assert_eq!(tx.statistics().waiters, 0);
    let woken = Polled::waiting(rx.changed());
    tx.send(2).unwrap();
    assert!(woken.is_woken());
    drop(woken);
    assert!(rx.has_changed().unwrap());
}

#[test]
fn the_latest_waker_is_woken() {
    let (tx, mut rx) = watch::channel(1);
    let wakes = Arc::new(AtomicUsize::new(0));
    let counts = wakes.clone();
    let mut wait = Polled::waiting(rx.changed());
    let other = waker_that(move || {
        counts.fetch_add(1, Ordering::SeqCst);
    });
    assert!(poll_by(wait.as_mut(), &other).is_pending());
    tx.send(2).unwrap();
    assert_eq!((wait.wakes(), wakes.load(Ordering::SeqCst)), (0, 1));
}

#[test]
fn a_waker_that_panics_keeps_no_other_from_the_change() {
    let (tx, mut rx) = watch::channel(1);
    let mut other = rx.clone();
    let mut first = Polled::new(rx.changed());
    let breaks = waker_that(|| panic!("a waker that breaks"));
    assert!(poll_by(first.as_mut(), &breaks).is_pending());
    let mut second = Polled::waiting(other.changed());
    tx.send(2).unwrap();
    first.ready().unwrap();
    second.ready().unwrap();
}

#[test]
fn a_waker_may_look_and_send() {
    let (tx, mut rx) = watch::channel(1);
    let looks = (tx.clone(), rx.clone());
    let mut wait = Polled::new(rx.changed());
    let waker = waker_that(move || {
        let seen = *looks.1.borrow();
        looks.0.send_if_modified(|value| {
            *value = seen + 1;
            seen < 5
        });
    });
    assert!(poll_by(wait.as_mut(), &waker).is_pending());
    tx.send(2).unwrap();
    wait.ready().unwrap();
    assert_eq!(*tx.borrow(), 3, "it was woken once");
}

#[test]
fn wait_for_looks_at_the_present_value_first_then_at_each_new_one() {
    let (tx, mut rx) = watch::channel(1);
    assert_eq!(*now(rx.wait_for(|n| *n == 1)).unwrap(), 1);
    let mut looked_at = Vec::new();
    let mut wait = Polled::waiting(rx.wait_for(|n| {
        looked_at.push(*n);
        *n >= 3
    }));
    tx.send(2).unwrap();
    assert!(wait.poll().is_pending());
    tx.send(3).unwrap();
    assert_eq!(*wait.ready().unwrap(), 3);
    drop(wait);
    assert_eq!(looked_at, [1, 2, 3]);
    assert!(!rx.has_changed().unwrap(), "what it found is seen");
    let mut wait = Polled::waiting(rx.wait_for(|n| *n == 9));
    tx.send(9).unwrap();
    drop(tx);
    assert_eq!(*wait.ready().unwrap(), 9, "the last value counts");
    drop(wait);
    assert!(now(rx.wait_for(|n| *n == 10)).is_err());
    assert_eq!(*now(rx.wait_for(|n| *n == 9)).unwrap(), 9);
}

#[test]
fn a_closure_that_panics_changes_nothing_and_poisons_nothing() {
    let (tx, mut rx) = watch::channel(1);
    let breaks = || tx.send_modify(|_| panic!("on purpose"));
    assert!(catch_unwind(AssertUnwindSafe(breaks)).is_err());
    assert!(!rx.has_changed().unwrap());
    let breaks = || now(rx.wait_for(|_| panic!("on purpose"))).map(|value| *value);
    assert!(catch_unwind(AssertUnwindSafe(breaks)).is_err());
    tx.send(2).unwrap();
    assert_eq!(*rx.borrow_and_update(), 2);
}

#[test]
fn the_ways_to_send() {
    let (tx, mut rx) = watch::channel(1);
    tx.send_modify(|n| *n += 1);
    assert_eq!(*rx.borrow_and_update(), 2);
    assert!(!tx.send_if_modified(|n| {
        *n = 7;
        false
    }));
    assert_eq!(*rx.borrow(), 7, "changed, but nobody is told");
    assert!(!rx.has_changed().unwrap());
    assert!(tx.send_if_modified(|n| {
        *n = 8;
        true
    }));
    assert!(rx.has_changed().unwrap());
    assert_eq!(tx.send_replace(9), 8);
    drop(rx);
    assert_eq!(tx.send(10).unwrap_err().0, 10);
    assert_eq!(*tx.borrow(), 9, "nobody would see it");
    assert_eq!(tx.send_replace(11), 9);
    assert_eq!(*tx.subscribe().borrow(), 11);
    assert_eq!(*Sender::<u32>::default().borrow(), 0);
}

#[test]
fn senders_hear_that_nobody_looks() {
    let (tx, rx) = watch::channel(1);
    let mut closed = Polled::waiting(tx.closed());
    let other = rx.clone();
    drop(rx);
    assert!(!tx.is_closed() && closed.poll().is_pending());
    drop(other);
    assert!(tx.is_closed());
    closed.ready();
    let again = tx.subscribe();
    assert!(!tx.is_closed() && Polled::new(tx.closed()).poll().is_pending());
    drop(again);
    now(tx.closed());
}

#[test]
fn it_tells_how_many_there_are() {
    let (tx, rx) = watch::channel(1);
    let (second, other) = (tx.clone(), rx.clone());
    assert_eq!((tx.sender_count(), tx.receiver_count()), (2, 2));
    assert!(tx.same_channel(&second) && !tx.same_channel(&Sender::new(1)));
    assert!(rx.same_channel(&other) && !rx.same_channel(&Sender::new(1).subscribe()));
    drop((second, other));
    assert_eq!((tx.sender_count(), tx.receiver_count()), (1, 1));
    assert!(format!("{tx:?}").contains("receivers: 1") && format!("{rx:?}").contains("value: 1"));
}

#[test]
fn values_are_dropped_once() {
    let drops = Drops::default();
    let (tx, rx) = watch::channel(drops.counted());
    assert!(tx.send(drops.counted()).is_ok());
    assert_eq!(drops.count(), 1);
    drop(tx);
    assert_eq!(drops.count(), 1);
    drop(rx);
    assert_eq!(drops.count(), 2);
}

#[test]
fn each_task_sees_the_last_value() {
    on_each_kind(|rt| {
        rt.block_on(async {
            let (tx, rx) = watch::channel(0);
            let tasks: Vec<_> = (0..8)
                .map(|_| {
                    let mut rx = rx.clone();
                    filch::spawn(async move {
                        let mut last = *rx.borrow_and_update();
                        while rx.changed().await.is_ok() {
                            let now = *rx.borrow_and_update();
                            assert!(last < now, "{last} is not before {now}");
                            last = now;
                        }
                        last
                    })
                })
                .collect();
            for n in 1..=1_000 {
                tx.send(n).unwrap();
                if n % 10 == 0 {
                    filch::task::yield_now().await;
                }
            }
            drop(tx);
            for task in tasks {
                assert_eq!(task.await.unwrap(), 1_000);
            }
        });
    });
}

/// What a channel is: a value with a number, and the number that each receiver has seen last.
#[test]
fn it_does_what_the_reference_does() {
    let mut random = Random::from_env();
    for _ in 0..many(1_000) {
        let (tx, rx) = watch::channel(0_usize);
        let mut tx = Some(tx);
        let (mut value, mut version) = (0, 0);
        // A receiver, and the version that it has seen; less than 0 is one it never had.
        let mut all: Vec<(Receiver<usize>, i64)> = vec![(rx, 0)];
        for step in 1..100 {
            let which = random.below(all.len().max(1));
            match (random.below(12), &tx) {
                (0..2, Some(tx)) => {
                    assert_eq!(tx.send(step).is_ok(), !all.is_empty());
                    if !all.is_empty() {
                        (value, version) = (step, version + 1);
                    }
                }
                (2, Some(tx)) => {
                    let tells = random.below(2) == 0;
                    tx.send_if_modified(|now| {
                        *now = step;
                        tells
                    });
                    (value, version) = (step, version + i64::from(tells));
                }
                (3, Some(tx)) if all.len() < 5 => all.push((tx.subscribe(), version)),
                (4, _) if !all.is_empty() && all.len() < 5 => {
                    all.push((all[which].0.clone(), all[which].1));
                }
                (5, _) if !all.is_empty() && random.below(4) == 0 => drop(all.remove(which)),
                (6, Some(_)) if random.below(30) == 0 => tx = None,
                (7, _) if !all.is_empty() => {
                    let (rx, seen) = &mut all[which];
                    let looked = rx.borrow_and_update();
                    assert_eq!((*looked, looked.has_changed()), (value, *seen != version));
                    *seen = version;
                }
                (8, _) if !all.is_empty() => {
                    let (rx, seen) = &mut all[which];
                    if random.below(2) == 0 {
                        rx.mark_changed();
                        *seen -= 1;
                    } else {
                        rx.mark_unchanged();
                        *seen = version;
                    }
                }
                _ if !all.is_empty() => {
                    let (rx, seen) = &mut all[which];
                    assert_eq!(rx.has_changed().ok(), tx.as_ref().map(|_| *seen != version));
                    assert_eq!(*rx.borrow(), value);
                    let expected = match (*seen != version, &tx) {
                        (true, _) => Poll::Ready(true),
                        (false, Some(_)) => Poll::Pending,
                        (false, None) => Poll::Ready(false),
                    };
                    let got = Polled::new(rx.changed()).poll();
                    assert_eq!(got.map(|changed| changed.is_ok()), expected);
                    *seen = version;
                }
                _ => {}
            }
        }
    }
}

#[test]
fn no_change_is_missed_among_many_who_come_and_go() {
    bounded(|| {
        let mut random = Random::from_env();
        let rt = multi(8);
        for _ in 0..many(20) {
            let drops = Drops::default();
            let (tx, rx) = watch::channel((0, drops.counted()));
            let receivers: Vec<_> = (0..8)
                .map(|n| {
                    let (mut rx, mut own) = (rx.clone(), random.fork());
                    rt.spawn(async move {
                        let mut left = if n == 0 { 20 } else { usize::MAX };
                        while left > 0 {
                            left -= 1;
                            if for_a_while(&mut own, rx.changed())
                                .await
                                .is_some_and(|c| c.is_err())
                            {
                                return rx.borrow().0;
                            }
                        }
                        300
                    })
                })
                .collect();
            drop(rx);
            let senders: Vec<_> = (0..3)
                .map(|_| {
                    let (tx, drops) = (tx.clone(), drops.clone());
                    rt.spawn(async move {
                        for _ in 0..100 {
                            tx.send_modify(|value| *value = (value.0 + 1, drops.counted()));
                            filch::task::yield_now().await;
                        }
                    })
                })
                .collect();
            drop(tx);
            for sender in senders {
                rt.block_on(sender).unwrap();
            }
            for receiver in receivers {
                assert_eq!(rt.block_on(receiver).unwrap(), 300);
            }
            assert_eq!(drops.count(), 301);
        }
    });
}

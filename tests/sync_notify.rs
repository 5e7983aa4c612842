//! `Notify`: one or all are told, and no notification for one is lost.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use filch::sync::Notify;
use filch::sync::futures::Notified;

mod common;
#[path = "common/polled.rs"]
mod polled;
use common::{Random, bounded, eventually, many, multi};
use polled::{Polled, for_a_while, now, poll_by, waker_that, waker_with};

#[test]
fn one_notification_is_kept_for_who_comes_next() {
    let notify = Notify::new();
    notify.notify_one();
    notify.notify_last();
    now(notify.notified());
    let mut next = Polled::waiting(notify.notified());
    notify.notify_one();
    assert_eq!(next.wakes(), 1);
    next.ready();
    next.ready();
    drop(next);
    drop(Polled::waiting(notify.notified()));
}

#[test]
fn the_first_or_the_last_is_told() {
    let notify = Notify::new();
    let mut all: Vec<_> = (0..4).map(|_| Polled::waiting(notify.notified())).collect();
    notify.notify_one();
    notify.notify_last();
    let woken: Vec<_> = all.iter().map(Polled::wakes).collect();
    assert_eq!(woken, [1, 0, 0, 1]);
    all[0].ready();
    all[3].ready();
    notify.notify_last();
    notify.notify_one();
    all[1].ready();
    all[2].ready();
    drop(Polled::waiting(notify.notified()));
}

#[test]
fn all_are_told_and_nothing_is_kept() {
    let notify = Notify::new();
    // More than one batch of wakers.
    let mut all: Vec<_> = (0..100)
        .map(|_| Polled::waiting(notify.notified()))
        .collect();
    let mut unpolled = Polled::new(notify.notified());
    notify.notify_waiters();
    for waiter in &mut all {
        assert_eq!(waiter.wakes(), 1);
        waiter.ready();
    }
    unpolled.ready();
    drop(Polled::waiting(notify.notified()));
}

/// As in tokio: who hears all leaves what was kept to others.
#[test]
fn who_is_told_with_all_leaves_the_notification_for_one() {
    let notify = Notify::new();
    let mut first = Polled::new(notify.notified());
    notify.notify_waiters();
    notify.notify_one();
    first.ready();
    now(notify.notified());
    drop(Polled::waiting(notify.notified()));
}

#[test]
fn a_waiter_that_goes_passes_its_notification_on() {
    let notify = Notify::new();
    let first = Polled::waiting(notify.notified());
    let mut second = Polled::waiting(notify.notified());
    let mut third = Polled::waiting(notify.notified());
    notify.notify_one();
    drop(first);
    assert!(second.is_woken() && !third.is_woken());
    second.ready();
    third.as_mut();
    // To the last, if it was for the last.
    let mut fourth = Polled::waiting(notify.notified());
    let fifth = Polled::waiting(notify.notified());
    notify.notify_last();
    drop(fifth);
    assert!(fourth.is_woken() && !third.is_woken());
    fourth.ready();
    // Kept, if nobody waits.
    notify.notify_one();
    drop(third);
    now(notify.notified());
    // Not passed on, if all were told; nor by one that was not told, or that saw it.
    let told = Polled::waiting(notify.notified());
    notify.notify_waiters();
    drop(told);
    drop(Polled::waiting(notify.notified()));
    drop(Polled::waiting(notify.notified()));
}

#[test]
fn enable_takes_the_place_in_the_line() {
    let notify = Notify::new();
    let mut early = Polled::new(notify.notified());
    assert!(!early.as_mut().enable());
    let mut late = Polled::waiting(notify.notified());
    notify.notify_one();
    assert!(!late.is_woken());
    assert!(late.poll().is_pending());
    assert!(early.as_mut().enable());
    early.ready();

    // Polled after it was enabled, it is woken.
    let mut polled = Polled::new(notify.notified());
    assert!(!polled.as_mut().enable());
    assert!(polled.poll().is_pending());
    assert!(!polled.as_mut().enable());
    notify.notify_waiters();
    assert!(polled.is_woken() && late.is_woken());
    polled.ready();

    // It takes what is kept.
    notify.notify_one();
    let mut takes = Polled::new(notify.notified());
    assert!(takes.as_mut().enable());
    drop(Polled::waiting(notify.notified()));
    takes.ready();
}

#[test]
fn an_owned_wait_keeps_it_alive() {
    let notify = Arc::new(Notify::new());
    let mut waits = Polled::waiting(notify.clone().notified_owned());
    let mut enabled = Polled::new(notify.clone().notified_owned());
    assert!(!enabled.as_mut().enable());
    assert_eq!(Arc::strong_count(&notify), 3);
    notify.notify_one();
    waits.ready();
    notify.notify_one();
    assert!(enabled.as_mut().enable());
    drop((waits, enabled));
    let told = Polled::waiting(notify.clone().notified_owned());
    notify.notify_one();
    drop(told);
    now(notify.clone().notified_owned());
    assert_eq!(Arc::strong_count(&notify), 1);
}

#[test]
fn the_latest_waker_is_woken() {
    let notify = Notify::new();
    let count = Arc::new(AtomicUsize::new(0));
    let counts = |n: usize| {
        let count = count.clone();
        waker_that(move || {
            count.fetch_add(n, Ordering::SeqCst);
        })
    };
    let mut waits = Box::pin(notify.notified());
    assert!(poll_by(waits.as_mut(), &counts(1)).is_pending());
    assert!(poll_by(waits.as_mut(), &counts(10)).is_pending());
    notify.notify_one();
    assert_eq!(count.load(Ordering::SeqCst), 10);
}

#[test]
fn wakers_may_be_anybodys_code() {
    // Dropped, it uses the signal; woken, it panics.
    struct Tells(Arc<Notify>);
    impl Drop for Tells {
        fn drop(&mut self) {
            self.0.notify_waiters();
            self.0.notify_one();
        }
    }
    let notify = Arc::new(Notify::new());
    let mut waits = Box::pin(notify.notified());
    assert!(poll_by(waits.as_mut(), &waker_with(Tells(notify.clone()))).is_pending());
    let _ = poll_by(waits.as_mut(), &waker_that(|| ()));
    drop(waits);
    now(notify.notified());

    let panics = waker_that(|| panic!("a poisoned waker"));
    let mut all: Vec<_> = (0..40).map(|_| Box::pin(notify.notified())).collect();
    for waiter in &mut all {
        assert!(poll_by(waiter.as_mut(), &panics).is_pending());
    }
    let mut last = Polled::waiting(notify.notified());
    notify.notify_waiters();
    assert!(last.is_woken());
    last.ready();

    // Woken, it waits again: it is not told twice by one call.
    let again = Arc::new(Notify::new());
    let count = Arc::new(AtomicUsize::new(0));
    let waker = {
        let (again, count) = (again.clone(), count.clone());
        waker_that(move || {
            count.fetch_add(1, Ordering::SeqCst);
            drop(Polled::waiting(again.notified()));
            again.notify_waiters();
        })
    };
    let mut all: Vec<_> = (0..70).map(|_| Box::pin(again.notified())).collect();
    for waiter in &mut all {
        assert!(poll_by(waiter.as_mut(), &waker).is_pending());
    }
    again.notify_waiters();
    assert_eq!(count.load(Ordering::SeqCst), 70);
    assert_eq!(again.statistics().waiters, 0);
}

/// In the middle of a call that tells all, for each who looks all have been told.
#[test]
fn a_call_that_tells_all_is_one_step_for_all_who_look() {
    let notify = Arc::new(Notify::new());
    let told = Arc::new(AtomicUsize::new(0));
    let waker = {
        let (notify, told) = (notify.clone(), told.clone());
        waker_that(move || {
            if told.fetch_add(1, Ordering::SeqCst) == 0 {
                // 68 are still to be woken; this one is for somebody else.
                notify.notify_one();
                now(notify.notified());
                assert_eq!(notify.statistics().waiters, 0);
            }
        })
    };
    let mut all: Vec<_> = (0..100).map(|_| Box::pin(notify.notified())).collect();
    for waiter in &mut all {
        assert!(poll_by(waiter.as_mut(), &waker).is_pending());
    }
    notify.notify_waiters();
    assert_eq!(told.load(Ordering::SeqCst), 100);
    drop(all);
    drop(Polled::waiting(notify.notified()));
}

#[test]
fn it_shows_what_it_is_and_goes_anywhere() {
    fn goes<T: Send + Sync + std::panic::UnwindSafe + std::panic::RefUnwindSafe>(_: &T) {}
    fn moves<T: Send + Sync>(_: &T) {}
    static NOTIFY: Notify = Notify::const_new();
    goes(&NOTIFY);
    moves(&NOTIFY.notified());
    NOTIFY.notify_one();
    assert_eq!(
        format!("{:?}", Notify::default()),
        "Notify { is_notified: false, waiters: 0 }"
    );
    assert!(format!("{NOTIFY:?}").contains("is_notified: true"));
    assert!(format!("{:?}", NOTIFY.notified()).contains("is_done: false"));
}

/// The line, what was told to whom, and what is kept.
#[derive(Default)]
struct Reference {
    kept: bool,
    line: VecDeque<usize>,
    /// Some(true): for the last.
    told: Vec<(usize, Option<bool>)>,
}

impl Reference {
    fn notify(&mut self, last: bool) {
        let taken = if last {
            self.line.pop_back()
        } else {
            self.line.pop_front()
        };
        match taken {
            Some(id) => self.told.push((id, Some(last))),
            None => self.kept = true,
        }
    }
}

#[test]
fn it_does_what_the_reference_does() {
    let mut random = Random::from_env();
    for _ in 0..many(300) {
        let notify = Notify::new();
        let mut reference = Reference::default();
        let mut waiting: Vec<(usize, Polled<Notified<'_>>)> = Vec::new();
        for id in 0..200 {
            match random.below(10) {
                0..4 => {
                    let mut polled = Polled::new(notify.notified());
                    let is_ready = polled.poll().is_ready();
                    assert_eq!(is_ready, std::mem::take(&mut reference.kept));
                    if !is_ready {
                        reference.line.push_back(id);
                        waiting.push((id, polled));
                    }
                }
                4..6 => {
                    notify.notify_one();
                    reference.notify(false);
                }
                6 => {
                    notify.notify_last();
                    reference.notify(true);
                }
                7 if random.below(4) == 0 => {
                    notify.notify_waiters();
                    let line = std::mem::take(&mut reference.line);
                    reference.told.extend(line.into_iter().map(|id| (id, None)));
                }
                8 if !waiting.is_empty() => {
                    let (id, polled) = waiting.swap_remove(random.below(waiting.len()));
                    drop(polled);
                    reference.line.retain(|other| *other != id);
                    let told = reference.told.iter().position(|told| told.0 == id);
                    if let Some((_, Some(last))) = told.map(|at| reference.told.remove(at)) {
                        reference.notify(last);
                    }
                }
                _ if !waiting.is_empty() => {
                    let at = random.below(waiting.len());
                    let (id, polled) = &mut waiting[at];
                    let told = reference.told.iter().position(|told| told.0 == *id);
                    assert_eq!(polled.poll().is_ready(), told.is_some());
                    if let Some(told) = told {
                        reference.told.remove(told);
                        waiting.swap_remove(at);
                    }
                }
                _ => {}
            }
            assert_eq!(notify.statistics().waiters, reference.line.len());
            for (id, polled) in &waiting {
                let told = reference.told.iter().any(|told| told.0 == *id);
                assert_eq!(polled.is_woken(), told);
            }
        }
    }
}

/// As many notifications as are taken, one after another: none is lost though waiters give up and are aborted.
#[test]
fn no_notification_is_lost_among_many_who_come_and_go() {
    bounded(|| {
        let mut random = Random::from_env();
        let rt = multi(8);
        let notify = Arc::new(Notify::new());
        let heard = Arc::new(AtomicUsize::new(0));
        let tasks: Vec<_> = (0..16)
            .map(|_| {
                let mut random = random.fork();
                let (notify, heard) = (notify.clone(), heard.clone());
                rt.spawn(async move {
                    loop {
                        if for_a_while(&mut random, notify.notified()).await.is_some() {
                            heard.fetch_add(1, Ordering::SeqCst);
                        } else {
                            filch::task::yield_now().await;
                        }
                    }
                })
            })
            .collect();
        // Each is sent when the last was heard, so that no two become one.
        for n in 0..many(2000) {
            eventually("the last one was heard", || {
                heard.load(Ordering::SeqCst) == n
            });
            if random.below(2) == 0 {
                notify.notify_one();
            } else {
                notify.notify_last();
            }
        }
        eventually("the last of all was heard", || {
            heard.load(Ordering::SeqCst) == many(2000)
        });
        for task in tasks {
            task.abort();
            assert!(rt.block_on(task).unwrap_err().is_cancelled());
        }
        assert_eq!(notify.statistics().waiters, 0);
        assert_eq!(Arc::strong_count(&notify), 1);
    });
}

//! `Mutex`: one holder at a time, in turn or whoever comes first, and nobody waits for ever.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::Poll;

use filch::sync::Mutex;
use filch::task::yield_now;

mod common;
#[path = "common/polled.rs"]
mod polled;
use common::{Drops, Random, bounded, eventually, many, multi, single};
use polled::{Polled, for_a_while, now, panic_of, poll_by, waker_that, waker_with};

/// Each kind.
fn both<T: Clone>(value: T) -> [Mutex<T>; 2] {
    [Mutex::new(value.clone()), Mutex::barging(value)]
}

#[test]
fn the_value_is_what_the_last_holder_left() {
    for mutex in both(100) {
        *now(mutex.lock()) += 1;
        *mutex.try_lock().unwrap() += 1;
        assert_eq!(*now(mutex.lock()), 102);
        assert_eq!(mutex.into_inner(), 102);
    }
    let mut mutex = Mutex::from(1);
    *mutex.get_mut() = 2;
    assert_eq!(*now(mutex.lock()), 2);
    assert_eq!(Mutex::<u8>::default().into_inner(), 0);
}

#[test]
fn who_comes_while_it_is_held_waits() {
    for mutex in both(0) {
        let held = now(mutex.lock());
        assert!(mutex.try_lock().is_err());
        let mut waits = Polled::waiting(mutex.lock());
        assert!(waits.poll().is_pending());
        drop(held);
        assert_eq!(waits.wakes(), 1);
        drop(waits.ready());
        assert!(mutex.try_lock().is_ok());
    }
}

#[test]
fn a_fair_mutex_goes_round_in_the_order_of_arrival() {
    let mutex = Mutex::new(0);
    let held = now(mutex.lock());
    let mut all: Vec<_> = (0..50).map(|_| Polled::waiting(mutex.lock())).collect();
    drop(held);
    for n in 0..all.len() {
        assert!(all[n].is_woken());
        assert!(all[n + 1..].iter().all(|waiter| !waiter.is_woken()));
        assert!(mutex.try_lock().is_err(), "it was handed to {n}");
        drop(all[n].ready());
    }
    assert!(mutex.try_lock().is_ok());
}

#[test]
fn a_barging_mutex_is_for_whoever_comes_first_but_a_loser_is_given_it_at_last() {
    let mutex = Mutex::barging(0);
    let held = now(mutex.lock());
    let mut loses = Polled::waiting(mutex.lock());
    let mut behind = Polled::waiting(mutex.lock());
    drop(held);
    let mut losses = 0;
    loop {
        assert!(loses.is_woken() && !behind.is_woken());
        let Ok(held) = mutex.try_lock() else { break };
        losses += 1;
        assert!(losses < 100, "it loses for ever");
        assert!(loses.poll().is_pending());
        drop(held);
    }
    assert_eq!(losses, 16);
    drop(loses.ready());
    drop(behind.ready());
    assert!(mutex.try_lock().is_ok());
}

#[test]
fn a_waiter_that_goes_passes_its_turn_on() {
    for mutex in both(0) {
        let held = now(mutex.lock());
        let first = Polled::waiting(mutex.lock());
        let gone = Polled::waiting(mutex.lock());
        let mut last = Polled::waiting(mutex.lock());
        drop(gone);
        drop(held);
        assert!(first.is_woken());
        drop(first);
        assert!(last.is_woken());
        drop(last.ready());
        assert_eq!(mutex.statistics().waiters, 0);
        assert!(mutex.try_lock().is_ok());
        // The last of all goes.
        let held = now(mutex.lock());
        let only = Polled::waiting(mutex.lock());
        drop(held);
        drop(only);
        assert!(mutex.try_lock().is_ok());
        let held = now(mutex.lock());
        drop(Polled::waiting(mutex.lock()));
        drop(held);
        assert!(mutex.try_lock().is_ok());
    }
}

#[test]
fn a_panic_of_the_holder_unlocks_it() {
    let mutex = Arc::new(Mutex::new(1));
    let holder = mutex.clone();
    bounded(move || {
        let rt = multi(2);
        let task = rt.spawn(async move {
            let mut value = holder.lock().await;
            *value = 2;
            panic!("the holder");
        });
        assert!(rt.block_on(task).unwrap_err().is_panic());
    });
    assert_eq!(*mutex.try_lock().unwrap(), 2);
}

#[test]
fn wakers_may_be_anybodys_code() {
    for mutex in both(0).map(Arc::new) {
        let held = now(mutex.lock());
        let panics = waker_that(|| panic!("a poisoned waker"));
        let mut first = Box::pin(mutex.lock());
        assert!(poll_by(first.as_mut(), &panics).is_pending());
        let reenters = {
            let mutex = mutex.clone();
            waker_that(move || drop(mutex.try_lock()))
        };
        let mut second = Box::pin(mutex.lock());
        assert!(poll_by(second.as_mut(), &reenters).is_pending());
        let mut third = Polled::waiting(mutex.lock());
        drop(held);
        drop(first);
        drop(second);
        drop(third.ready());

        // The last copy of a waker holds the lock, and goes when another takes its place.
        let guard = mutex.clone().try_lock_owned().unwrap();
        let mut waits = Box::pin(mutex.lock());
        assert!(poll_by(waits.as_mut(), &waker_with(guard)).is_pending());
        let probe = Polled::new(std::future::pending::<()>());
        let _ = poll_by(waits.as_mut(), &waker_that(|| ()));
        drop(probe);
        assert!(poll_by(waits.as_mut(), &waker_that(|| ())).is_ready());
    }
}

/// A waker that cannot be cloned: whoever polls with it learns so, and nobody else.
#[test]
fn a_waker_that_panics_when_it_is_cloned_hurts_its_own_future_only() {
    use std::task::{RawWaker, RawWakerVTable, Waker};
    const VTABLE: RawWakerVTable =
        RawWakerVTable::new(|_| panic!("no clones"), drop_it, drop_it, drop_it);
    fn drop_it(_: *const ()) {}
    // SAFETY: the functions do nothing with the pointer.
    let poisoned = unsafe { Waker::from_raw(RawWaker::new(std::ptr::null(), &VTABLE)) };
    for mutex in both(0) {
        let held = now(mutex.lock());
        let mut poor = Box::pin(mutex.lock());
        let (_, text) = panic_of(|| drop(poll_by(poor.as_mut(), &poisoned)));
        assert_eq!(text, "no clones");
        let mut woken = Box::pin(mutex.lock());
        assert!(poll_by(woken.as_mut(), &waker_that(|| ())).is_pending());
        let mut other = Polled::waiting(mutex.lock());
        drop(held);
        // A barging one has lost, and must wait again, with a clone.
        if let Ok(barges) = mutex.try_lock() {
            panic_of(|| drop(poll_by(woken.as_mut(), &poisoned)));
            drop(barges);
        }
        drop(woken);
        drop(other.ready());
        drop(poor);
        assert!(mutex.try_lock().is_ok());
    }
}

#[test]
fn a_value_without_a_size_can_be_locked() {
    let mutex: Arc<Mutex<[u8]>> = Arc::new(Mutex::new([1, 2]));
    now(mutex.lock())[0] = 3;
    assert_eq!(format!("{mutex:?}"), "Mutex { data: [3, 2] }");
    let held = mutex.try_lock().unwrap();
    assert_eq!(format!("{mutex:?}"), "Mutex { data: <locked> }");
    drop(held);
}

#[test]
fn threads_wait_and_workers_refuse_to() {
    bounded(|| {
        let mutex = Arc::new(Mutex::new(0));
        let held = mutex.try_lock().unwrap();
        let waits = {
            let mutex = mutex.clone();
            std::thread::spawn(move || {
                *mutex.blocking_lock() += 1;
                *mutex.blocking_lock_owned() += 1;
            })
        };
        eventually("it waits", || mutex.statistics().waiters == 1);
        drop(held);
        waits.join().unwrap();
        assert_eq!(*mutex.try_lock().unwrap(), 2);
        let refused = |f: &dyn Fn(Arc<Mutex<i32>>)| {
            let mutex = mutex.clone();
            let (file, text) = panic_of(|| single().block_on(async { f(mutex) }));
            assert_eq!(file, file!());
            assert!(text.contains("from within a runtime"), "{text}");
        };
        refused(&|mutex| drop(mutex.blocking_lock()));
        refused(&|mutex| drop(mutex.blocking_lock_owned()));
    });
}

/// Who has it and who waits: what a fair mutex does, in a few lines.
#[test]
fn it_does_what_the_reference_does() {
    let mut random = Random::from_env();
    for _ in 0..many(300) {
        let mutex = Mutex::new(());
        // Who was handed it, or has it; the others in line.
        let mut turn: Option<usize> = None;
        let mut line = VecDeque::new();
        let mut held = None;
        let mut waiting: Vec<(usize, Polled<_>)> = Vec::new();
        for id in 0..200 {
            match random.below(8) {
                0..3 => {
                    let mut polled = Polled::new(mutex.lock());
                    match polled.poll() {
                        Poll::Ready(guard) => {
                            assert_eq!(turn, None);
                            (turn, held) = (Some(id), Some(guard));
                        }
                        Poll::Pending => {
                            assert!(turn.is_some());
                            line.push_back(id);
                            waiting.push((id, polled));
                        }
                    }
                }
                3..5 => {
                    if held.take().is_some() {
                        turn = line.pop_front();
                    }
                }
                5 if !waiting.is_empty() => {
                    let (id, polled) = waiting.swap_remove(random.below(waiting.len()));
                    drop(polled);
                    if turn == Some(id) {
                        turn = line.pop_front();
                    }
                    line.retain(|other| *other != id);
                }
                6 if !waiting.is_empty() => {
                    let at = random.below(waiting.len());
                    let (id, polled) = &mut waiting[at];
                    let is_due = turn == Some(*id);
                    match polled.poll() {
                        Poll::Ready(guard) => {
                            assert!(is_due);
                            held = Some(guard);
                            waiting.swap_remove(at);
                        }
                        Poll::Pending => assert!(!is_due),
                    }
                }
                _ => match mutex.try_lock() {
                    Ok(guard) => {
                        assert_eq!(turn, None);
                        (turn, held) = (Some(id), Some(guard));
                    }
                    Err(_) => assert!(turn.is_some()),
                },
            }
            assert_eq!(mutex.statistics().waiters, line.len());
            for (id, polled) in &waiting {
                assert_eq!(polled.is_woken(), turn == Some(*id));
            }
        }
    }
}

/// A barging mutex promises less: one holder, and whoever waits is woken as long as it is free.
#[test]
fn a_free_barging_mutex_has_woken_whoever_waits() {
    let mut random = Random::from_env();
    for _ in 0..many(300) {
        let mutex = Mutex::barging(());
        let mut held = None;
        let mut waiting = Vec::new();
        for _ in 0..200 {
            match random.below(6) {
                0..2 => {
                    let mut polled = Polled::new(mutex.lock());
                    match polled.poll() {
                        Poll::Ready(guard) => assert!(held.replace(guard).is_none()),
                        Poll::Pending => waiting.push((0, polled)),
                    }
                }
                2 => held = None,
                3 if !waiting.is_empty() => {
                    drop(waiting.swap_remove(random.below(waiting.len())));
                }
                4 if !waiting.is_empty() => {
                    let at = random.below(waiting.len());
                    let (seen, polled) = &mut waiting[at];
                    *seen = polled.wakes();
                    if let Poll::Ready(guard) = polled.poll() {
                        assert!(held.replace(guard).is_none());
                        waiting.swap_remove(at);
                    }
                }
                _ => {
                    if let Ok(guard) = mutex.try_lock() {
                        assert!(held.replace(guard).is_none());
                    }
                }
            }
            let is_woken = |(seen, polled): &(usize, Polled<_>)| polled.wakes() > *seen;
            assert!(held.is_some() || waiting.is_empty() || waiting.iter().any(is_woken));
        }
        // Whoever is woken gets it, in the end all.
        held = None;
        while !waiting.is_empty() {
            let woken = waiting.iter().position(|(seen, p)| p.wakes() > *seen);
            let (_, mut polled) = waiting.swap_remove(woken.expect("nobody is woken"));
            drop(polled.ready());
        }
        drop(held);
    }
}

/// Both kinds under 8 workers, with waiters that give up and tasks that are aborted: no turn is lost, no value, no waker.
#[test]
fn nothing_is_lost_among_many_who_come_and_go() {
    bounded(|| {
        let mut random = Random::from_env();
        let rt = multi(8);
        for mutex in both(0).map(Arc::new) {
            let (drops, made) = (Drops::default(), Arc::new(AtomicUsize::new(0)));
            let boxes = Arc::new(Mutex::new(None));
            let done = Arc::new(AtomicUsize::new(0));
            let tasks: Vec<_> = (0..32)
                .map(|_| {
                    let mut random = random.fork();
                    let (mutex, boxes, done) = (mutex.clone(), boxes.clone(), done.clone());
                    let (drops, made) = (drops.clone(), made.clone());
                    rt.spawn(async move {
                        for _ in 0..many(500) {
                            let got = for_a_while(&mut random, mutex.lock()).await;
                            let Some(mut value) = got else { continue };
                            let before = *value;
                            if random.below(3) == 0 {
                                yield_now().await;
                            }
                            *value = before + 1;
                            done.fetch_add(1, Ordering::SeqCst);
                            drop(value);
                            if let Some(mut inside) = for_a_while(&mut random, boxes.lock()).await {
                                made.fetch_add(1, Ordering::SeqCst);
                                *inside = Some(drops.counted());
                            }
                        }
                    })
                })
                .collect();
            for task in tasks {
                if random.below(8) == 0 {
                    task.abort();
                }
                let _ = rt.block_on(task);
            }
            let value = *mutex.try_lock().unwrap();
            assert_eq!(value, done.load(Ordering::SeqCst));
            assert!(value > 0);
            assert_eq!(mutex.statistics().waiters, 0);
            assert!(mutex.statistics().most_waiters > 0, "nobody ever waited");
            assert_eq!(Arc::strong_count(&mutex), 1);
            drop(boxes);
            assert_eq!(drops.count(), made.load(Ordering::SeqCst));
        }
    });
}

/// Each holder waits until all the others are in line; so the turns must go round, 8 by 8.
#[test]
fn the_turns_of_a_fair_mutex_go_round() {
    bounded(|| {
        let rt = multi(4);
        let mutex = Arc::new(Mutex::new(Vec::new()));
        let here = Arc::new(AtomicUsize::new(8));
        let tasks: Vec<_> = (0..8)
            .map(|me| {
                let (mutex, here) = (mutex.clone(), here.clone());
                rt.spawn(async move {
                    for _ in 0..many(200) {
                        let mut turns = mutex.lock().await;
                        turns.push(me);
                        while mutex.statistics().waiters + 1 < here.load(Ordering::SeqCst) {
                            yield_now().await;
                        }
                    }
                    here.fetch_sub(1, Ordering::SeqCst);
                })
            })
            .collect();
        for task in tasks {
            rt.block_on(task).unwrap();
        }
        let turns = mutex.try_lock().unwrap();
        assert_eq!(turns.len(), 8 * many(200));
        assert!((8..turns.len()).all(|n| turns[n] == turns[n - 8]));
    });
}

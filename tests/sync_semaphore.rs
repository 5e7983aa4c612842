//! `Semaphore`: permits are counted, go round in the order of arrival, and none is lost.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use filch::sync::{OwnedSemaphorePermit, Semaphore, TryAcquireError};

mod common;
#[path = "common/polled.rs"]
mod polled;
use common::{Random, bounded, many, multi};
use polled::{Polled, for_a_while, now, panic_of, poll_by, waker_that, waker_with};

const MAX: usize = Semaphore::MAX_PERMITS;

#[test]
fn permits_are_taken_and_come_back() {
    let semaphore = Semaphore::new(100);
    let one = now(semaphore.acquire()).unwrap();
    let five = now(semaphore.acquire_many(5)).unwrap();
    assert_eq!((one.num_permits(), five.num_permits()), (1, 5));
    assert_eq!(semaphore.available_permits(), 94);
    assert!(std::ptr::eq(one.semaphore(), &semaphore));
    drop((one, five));
    assert_eq!(semaphore.available_permits(), 100);
    let none = now(semaphore.acquire_many(0)).unwrap();
    assert_eq!(none.num_permits(), 0);
}

#[test]
fn try_acquire_takes_what_is_free_and_never_waits() {
    let semaphore = Semaphore::new(5);
    let three = semaphore.try_acquire_many(3).unwrap();
    assert_eq!(
        semaphore.try_acquire_many(3).unwrap_err(),
        TryAcquireError::NoPermits
    );
    drop(three);
    assert!(semaphore.try_acquire_many(5).is_ok());
    semaphore.close();
    assert_eq!(
        semaphore.try_acquire().unwrap_err(),
        TryAcquireError::Closed
    );
}

#[test]
fn who_wants_many_is_not_overtaken_by_who_wants_few() {
    let semaphore = Semaphore::new(3);
    let mut many = Polled::waiting(semaphore.acquire_many(5));
    let mut few = Polled::waiting(semaphore.acquire_many(2));
    assert_eq!(semaphore.available_permits(), 0);
    assert!(semaphore.try_acquire().is_err());
    semaphore.add_permits(1);
    assert!(!many.is_woken() && !few.is_woken());
    semaphore.add_permits(1);
    assert!(many.is_woken() && !few.is_woken());
    let held = many.ready().unwrap();
    drop(held);
    assert!(few.is_woken());
    drop(few.ready());
    assert_eq!(semaphore.available_permits(), 5);
}

#[test]
fn a_waiter_that_goes_gives_back_what_it_had() {
    let semaphore = Semaphore::new(6);
    let part = Polled::waiting(semaphore.acquire_many(8));
    assert_eq!(semaphore.available_permits(), 0);
    drop(part);
    assert_eq!(semaphore.available_permits(), 6);

    let part = Polled::waiting(semaphore.acquire_many(8));
    let mut behind = Polled::waiting(semaphore.acquire_many(7));
    semaphore.add_permits(1);
    assert!(!behind.is_woken());
    drop(part);
    assert!(behind.is_woken());
    drop(behind.ready());

    let first = Polled::waiting(semaphore.acquire_many(8));
    let mut second = Polled::waiting(semaphore.acquire());
    semaphore.add_permits(1);
    assert!(first.is_woken());
    drop(first); // It has all, and never saw it.
    drop(second.ready());
    assert_eq!(semaphore.available_permits(), 8);
}

#[test]
fn a_close_sends_all_away_and_permits_still_come_back() {
    let semaphore = Semaphore::new(2);
    let held = semaphore.try_acquire_many(2).unwrap();
    // More than one batch of wakers.
    let mut all: Vec<_> = (0..100)
        .map(|_| Polled::waiting(semaphore.acquire()))
        .collect();
    semaphore.close();
    for waiter in &mut all {
        assert!(waiter.is_woken());
        assert!(waiter.ready().is_err());
    }
    assert!(semaphore.is_closed());
    drop(held);
    assert_eq!(semaphore.available_permits(), 2);
    assert!(now(semaphore.acquire()).is_err());
    semaphore.close();
}

#[test]
fn what_a_waiter_had_when_it_was_closed_comes_back() {
    let semaphore = Semaphore::new(3);
    let part = Polled::waiting(semaphore.acquire_many(5));
    let mut all = Polled::waiting(semaphore.acquire());
    semaphore.add_permits(3);
    assert!(part.is_woken() && all.is_woken());
    semaphore.close();
    assert!(all.ready().is_err());
    drop(part);
    assert_eq!(semaphore.available_permits(), 6);
}

#[test]
fn one_call_wakes_more_than_a_batch() {
    let semaphore = Semaphore::new(0);
    let mut all: Vec<_> = (0..100)
        .map(|_| Polled::waiting(semaphore.acquire()))
        .collect();
    semaphore.add_permits(103);
    for waiter in &mut all {
        assert_eq!(waiter.wakes(), 1);
        waiter.ready().unwrap().forget();
    }
    assert_eq!(semaphore.available_permits(), 3);
}

#[test]
fn permits_can_be_forgotten_merged_and_split() {
    let semaphore = Arc::new(Semaphore::new(10));
    semaphore.try_acquire().unwrap().forget();
    assert_eq!(semaphore.available_permits(), 9);
    assert_eq!(semaphore.forget_permits(4), 4);
    assert_eq!(semaphore.forget_permits(10), 5);
    assert_eq!(semaphore.forget_permits(1), 0);
    semaphore.add_permits(10);

    let mut sum = semaphore.try_acquire_many(3).unwrap();
    sum.merge(semaphore.try_acquire_many(4).unwrap());
    assert_eq!(sum.num_permits(), 7);
    let part = sum.split(5).unwrap();
    assert!(sum.split(3).is_none());
    assert_eq!((sum.num_permits(), part.num_permits()), (2, 5));
    drop(sum);
    assert_eq!(semaphore.available_permits(), 5);
    drop(part);

    let mut owned = semaphore.clone().try_acquire_many_owned(3).unwrap();
    let part = owned.split(1).unwrap();
    owned.merge(semaphore.clone().try_acquire_owned().unwrap());
    assert!(Arc::ptr_eq(owned.semaphore(), &semaphore));
    assert_eq!((owned.num_permits(), part.num_permits()), (3, 1));
    drop((owned, part));
    assert_eq!(semaphore.available_permits(), 10);
    now(semaphore.clone().acquire_owned()).unwrap().forget();
    assert_eq!(
        now(semaphore.clone().acquire_many_owned(2))
            .unwrap()
            .num_permits(),
        2
    );
    assert_eq!(Arc::strong_count(&semaphore), 1);
}

#[test]
fn misuse_panics_where_it_is_called() {
    let check = |text: &str, f: &dyn Fn()| {
        let (file, message) = panic_of(f);
        assert_eq!(file, file!());
        assert!(message.contains(text), "{message}");
    };
    check("MAX_PERMITS", &|| drop(Semaphore::new(MAX + 1)));
    check("would overflow MAX_PERMITS", &|| {
        Semaphore::new(1).add_permits(MAX);
    });
    check("would overflow MAX_PERMITS", &|| {
        let semaphore = Semaphore::new(MAX);
        semaphore.add_permits(1);
    });
    check("different semaphore", &|| {
        let (one, two) = (Semaphore::new(1), Semaphore::new(1));
        let mut permit = one.try_acquire().unwrap();
        permit.merge(two.try_acquire().unwrap());
    });
    check("different semaphore", &|| {
        let new = || Arc::new(Semaphore::new(1)).try_acquire_owned().unwrap();
        new().merge(new());
    });
    let block = |f: &dyn Fn(Semaphore)| filch::block_on(async { f(Semaphore::new(1)) });
    check("from within a runtime", &|| {
        block(&|s| drop(s.blocking_acquire()));
    });
    check("from within a runtime", &|| {
        block(&|s| drop(s.blocking_acquire_many(1)));
    });
    check("from within a runtime", &|| {
        block(&|s| drop(Arc::new(s).blocking_acquire_owned()));
    });
    check("from within a runtime", &|| {
        block(&|s| drop(Arc::new(s).blocking_acquire_many_owned(1)));
    });
    assert_eq!(Semaphore::new(MAX).available_permits(), MAX);
}

#[test]
fn a_thread_waits_for_a_permit() {
    bounded(|| {
        let semaphore = Arc::new(Semaphore::new(0));
        let giver = semaphore.clone();
        let waits = std::thread::spawn(move || {
            semaphore.blocking_acquire().unwrap().forget();
            semaphore.blocking_acquire_many(2).unwrap().forget();
            let owned = semaphore.clone().blocking_acquire_owned().unwrap();
            assert_eq!(owned.num_permits(), 1);
            semaphore.clone().blocking_acquire_many_owned(1).is_err()
        });
        (0..4).for_each(|_| giver.add_permits(1));
        // The last one waits for a permit that never comes.
        common::eventually("it waits", || {
            giver.statistics().waiters == 1 && giver.available_permits() == 0
        });
        giver.close();
        assert!(waits.join().unwrap());
        let rt = multi(2);
        let blocked = rt.spawn_blocking(|| Semaphore::new(1).blocking_acquire().is_ok());
        assert!(rt.block_on(blocked).unwrap());
    });
}

/// As in `tokio`: a waker may be anybody's code, which uses the semaphore.
#[test]
fn wakers_run_outside_the_lock() {
    let semaphore = Arc::new(Semaphore::new(0));
    let reenters = {
        let semaphore = semaphore.clone();
        waker_that(move || {
            semaphore.add_permits(0);
            drop(semaphore.try_acquire());
            semaphore.statistics();
        })
    };
    let mut one = Box::pin(semaphore.acquire());
    assert!(poll_by(one.as_mut(), &reenters).is_pending());
    let mut two = Box::pin(semaphore.acquire());
    assert!(poll_by(two.as_mut(), &reenters).is_pending());
    semaphore.add_permits(1);
    semaphore.close();

    // Each waker holds a permit, and is dropped when it is replaced.
    let one = Arc::new(Semaphore::new(1));
    let mut waits = Box::pin(one.acquire());
    for _ in 0..2 {
        let waker = waker_with(one.clone().try_acquire_owned().ok());
        assert!(poll_by(waits.as_mut(), &waker).is_pending());
    }
}

#[test]
fn a_waker_that_panics_keeps_no_other_from_its_permit() {
    let semaphore = Semaphore::new(0);
    let panics = waker_that(|| panic!("a poisoned waker"));
    let mut first = Box::pin(semaphore.acquire());
    assert!(poll_by(first.as_mut(), &panics).is_pending());
    let mut second = Polled::waiting(semaphore.acquire());
    semaphore.add_permits(2);
    drop(second.ready());
    drop(first);
    assert_eq!(semaphore.available_permits(), 2);
}

#[test]
fn the_statistics_count_who_waits() {
    let semaphore = Semaphore::new(1);
    let held = now(semaphore.acquire()).unwrap();
    assert_eq!(semaphore.statistics().most_waiters, 0);
    let all = [
        Polled::waiting(semaphore.acquire()),
        Polled::waiting(semaphore.acquire()),
    ];
    assert_eq!(semaphore.statistics().waiters, 2);
    drop(all);
    drop(held);
    let end = semaphore.statistics();
    assert_eq!((end.waiters, end.most_waiters), (0, 2));
}

/// Nothing is lost when waiters come and go on 8 workers: at the end all permits are there.
#[test]
fn no_permit_is_lost_among_many_who_come_and_go() {
    bounded(|| {
        let mut random = Random::from_env();
        let rt = multi(8);
        let semaphore = Arc::new(Semaphore::new(5));
        let (out, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let tasks: Vec<_> = (0..32)
            .map(|_| {
                let mut random = random.fork();
                let (semaphore, out, most) = (semaphore.clone(), out.clone(), most.clone());
                rt.spawn(async move {
                    for _ in 0..many(500) {
                        let wants = 1 + random.below(5);
                        let acquire = semaphore.clone().acquire_many_owned(wants as u32);
                        let got = for_a_while(&mut random, acquire).await;
                        let Some(Ok(permit)) = got else { continue };
                        let now = out.fetch_add(wants, Ordering::SeqCst) + wants;
                        let counted = Out(out.clone(), wants);
                        most.fetch_max(now, Ordering::SeqCst);
                        if random.below(3) == 0 {
                            filch::task::yield_now().await;
                        }
                        drop(counted);
                        give_back(&mut random, permit);
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
        assert_eq!(semaphore.available_permits(), 5);
        assert!(most.load(Ordering::SeqCst) <= 5);
        let end = semaphore.statistics();
        assert_eq!(end.waiters, 0);
        assert!(end.most_waiters > 0, "nobody ever waited");
        assert_eq!(Arc::strong_count(&semaphore), 1);
    });
}

/// Permits that are out; they come back after this is dropped.
struct Out(Arc<AtomicUsize>, usize);

impl Drop for Out {
    fn drop(&mut self) {
        self.0.fetch_sub(self.1, Ordering::SeqCst);
    }
}

/// In one piece, or in two.
fn give_back(random: &mut Random, mut permit: OwnedSemaphorePermit) {
    let part = permit.split(random.below(permit.num_permits()));
    if random.below(2) == 0 {
        drop(permit);
        drop(part);
    }
}

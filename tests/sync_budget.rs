//! What locks spend of a task's budget: one unit for what was had, none for a wait, and a task without budget loses nothing.

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use filch::sync::{Barrier, Mutex, RwLock, Semaphore};
use filch::task::coop::{has_budget_remaining, poll_proceed};

mod common;
use common::{bounded, single};

const BUDGET: usize = 128;

/// Spends all that is left, and says how much it was.
fn spend_all(context: &mut Context<'_>) -> usize {
    let mut spent = 0;
    while has_budget_remaining() {
        if let Poll::Ready(unit) = poll_proceed(context) {
            unit.made_progress();
        }
        spent += 1;
    }
    spent
}

/// Runs this in one poll of a task with a whole budget.
fn in_one_poll(mut poll: impl FnMut(&mut Context<'_>) + Send + 'static) {
    bounded(move || {
        single().block_on(poll_fn(|context| {
            poll(context);
            Poll::Ready(())
        }));
    });
}

/// Who waits for something, and what lets it go.
type Held = (
    Pin<Box<dyn Future<Output = ()> + Send>>,
    Box<dyn FnOnce() + Send>,
);

/// Everything that can be had, and is held by somebody.
fn held() -> Vec<Held> {
    let mut all: Vec<Held> = Vec::new();
    for mutex in [Mutex::new(()), Mutex::barging(())].map(Arc::new) {
        let guard = mutex.clone().try_lock_owned().unwrap();
        let waits = Box::pin(async move { drop(mutex.lock_owned().await) });
        all.push((waits, Box::new(|| drop(guard))));
    }
    let lock = Arc::new(RwLock::new(()));
    let guard = lock.clone().try_write_owned().unwrap();
    let reads = Box::pin(async move { drop(lock.read_owned().await) });
    all.push((reads, Box::new(|| drop(guard))));
    let semaphore = Arc::new(Semaphore::new(1));
    let permit = semaphore.clone().try_acquire_owned().unwrap();
    let waits = Box::pin(async move { drop(semaphore.acquire_owned().await.unwrap()) });
    all.push((waits, Box::new(|| drop(permit))));
    all
}

#[test]
fn a_wait_spends_nothing_and_what_was_had_one_unit() {
    in_one_poll(|context| {
        let mut all = held();
        let count = all.len();
        for (waits, _) in &mut all {
            for _ in 0..BUDGET {
                assert!(waits.as_mut().poll(context).is_pending());
            }
        }
        for (mut waits, let_go) in all {
            let_go();
            assert!(waits.as_mut().poll(context).is_ready());
        }
        assert_eq!(spend_all(context), BUDGET - count);
    });
}

#[test]
fn who_comes_without_budget_keeps_the_place_and_what_it_was_given() {
    in_one_poll(|context| {
        spend_all(context);
        let mut all = held();
        for (waits, _) in &mut all {
            assert!(waits.as_mut().poll(context).is_pending());
        }
        for (mut waits, let_go) in all {
            let_go();
            assert!(waits.as_mut().poll(context).is_pending());
            // It asks again and again, and is refused until the next poll of the task.
            assert!(waits.as_mut().poll(context).is_pending());
        }
    });
    bounded(|| {
        single().block_on(async {
            for (mut waits, let_go) in held() {
                let mut let_go = Some(let_go);
                poll_fn(|context| {
                    if let Some(let_go) = let_go.take() {
                        spend_all(context);
                        assert!(waits.as_mut().poll(context).is_pending());
                        let_go();
                    }
                    waits.as_mut().poll(context)
                })
                .await;
            }
        });
    });
}

#[test]
fn what_is_free_stays_free_for_others_while_the_budget_is_used_up() {
    in_one_poll(|context| {
        let mutex = Mutex::new(());
        let lock = RwLock::new(());
        let semaphore = Semaphore::new(1);
        spend_all(context);
        let mut locks = Box::pin(mutex.lock());
        let mut writes = Box::pin(lock.write());
        let mut acquires = Box::pin(semaphore.acquire());
        assert!(locks.as_mut().poll(context).is_pending());
        assert!(writes.as_mut().poll(context).is_pending());
        assert!(acquires.as_mut().poll(context).is_pending());
        assert!(mutex.try_lock().is_ok());
        assert!(lock.try_write().is_ok());
        assert!(semaphore.try_acquire().is_ok());
    });
}

#[test]
fn who_goes_with_what_it_could_not_take_for_want_of_budget_leaves_it_to_others() {
    in_one_poll(|context| {
        let mutex = Mutex::new(());
        let semaphore = Semaphore::new(2);
        let (guard, permit) = (mutex.try_lock().unwrap(), semaphore.try_acquire().unwrap());
        let mut locks = Box::pin(mutex.lock());
        let mut acquires = Box::pin(semaphore.acquire_many(2));
        assert!(locks.as_mut().poll(context).is_pending());
        assert!(acquires.as_mut().poll(context).is_pending());
        drop((guard, permit));
        spend_all(context);
        assert!(locks.as_mut().poll(context).is_pending());
        assert!(acquires.as_mut().poll(context).is_pending());
        assert!(mutex.try_lock().is_err());
        drop((locks, acquires));
        assert!(mutex.try_lock().is_ok());
        assert_eq!(semaphore.available_permits(), 2);
    });
}

#[test]
fn each_round_of_a_barrier_is_one_unit() {
    in_one_poll(|context| {
        let barrier = Barrier::new(1);
        for _ in 0..10 {
            assert!(Box::pin(barrier.wait()).as_mut().poll(context).is_ready());
        }
        assert_eq!(spend_all(context), BUDGET - 10);
        assert!(Box::pin(barrier.wait()).as_mut().poll(context).is_pending());
    });
}

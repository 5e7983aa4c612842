//! `Barrier`: nobody goes on before all are there, and one of them leads.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::Poll;

use filch::sync::Barrier;

mod common;
#[path = "common/polled.rs"]
mod polled;
use common::{Random, bounded, many, multi};
use polled::{Polled, now, poll_by, waker_that};

#[test]
fn zero_and_one_wait_for_nobody() {
    for n in [0, 1] {
        let barrier = Barrier::new(n);
        for _ in 0..3 {
            assert!(now(barrier.wait()).is_leader());
        }
    }
}

#[test]
fn the_last_who_comes_leads_and_then_it_begins_anew() {
    let barrier = Barrier::new(100);
    for _ in 0..3 {
        let mut all: Vec<_> = (0..99).map(|_| Polled::waiting(barrier.wait())).collect();
        assert_eq!(barrier.statistics().waiters, 99);
        assert!(all.iter().all(|waiter| !waiter.is_woken()));
        assert!(now(barrier.wait()).is_leader());
        for waiter in &mut all {
            assert_eq!(waiter.wakes(), 1);
            assert!(!waiter.ready().is_leader());
        }
    }
    assert_eq!(format!("{barrier:?}"), "Barrier { size: 100, arrived: 0 }");
}

/// As in tokio: who has come has come.
#[test]
fn who_goes_while_it_waits_stays_counted() {
    let barrier = Barrier::new(3);
    drop(Polled::waiting(barrier.wait()));
    drop(Polled::new(barrier.wait()));
    let mut waits = Polled::waiting(barrier.wait());
    assert!(now(barrier.wait()).is_leader());
    assert!(!waits.ready().is_leader());
    assert_eq!(barrier.statistics().waiters, 0);
}

#[test]
fn who_is_woken_may_come_back_in_the_middle_of_the_round() {
    let barrier = Arc::new(Barrier::new(70));
    let panics = waker_that(|| panic!("a poisoned waker"));
    let mut all: Vec<_> = (0..68).map(|_| Box::pin(barrier.wait())).collect();
    for waiter in &mut all {
        assert!(poll_by(waiter.as_mut(), &panics).is_pending());
    }
    let comes_back = {
        let barrier = barrier.clone();
        // It is counted for the next round, and not woken in this one.
        waker_that(move || drop(Polled::waiting(barrier.wait())))
    };
    let mut last = Box::pin(barrier.wait());
    assert!(poll_by(last.as_mut(), &comes_back).is_pending());
    assert!(now(barrier.wait()).is_leader());
    for waiter in &mut all {
        assert!(poll_by(waiter.as_mut(), &panics).is_ready());
    }
    assert!(format!("{barrier:?}").contains("arrived: 1"));
}

#[test]
fn it_does_what_the_reference_does() {
    let mut random = Random::from_env();
    for _ in 0..many(200) {
        let size = 1 + random.below(6);
        let barrier = Barrier::new(size);
        let (mut arrived, mut round) = (0, 0);
        let mut waiting: Vec<(usize, Polled<_>)> = Vec::new();
        for _ in 0..100 {
            match random.below(6) {
                0..4 => {
                    let mut polled = Polled::new(barrier.wait());
                    arrived += 1;
                    match polled.poll() {
                        Poll::Ready(result) => {
                            assert_eq!(arrived, size);
                            assert!(result.is_leader());
                            (arrived, round) = (0, round + 1);
                        }
                        Poll::Pending => {
                            assert!(arrived < size);
                            waiting.push((round, polled));
                        }
                    }
                }
                4 if !waiting.is_empty() => {
                    drop(waiting.swap_remove(random.below(waiting.len())));
                }
                _ if !waiting.is_empty() => {
                    let at = random.below(waiting.len());
                    let (of, polled) = &mut waiting[at];
                    if let Poll::Ready(result) = polled.poll() {
                        assert!(*of < round && !result.is_leader());
                        waiting.swap_remove(at);
                    } else {
                        assert_eq!(*of, round);
                    }
                }
                _ => {}
            }
            for (of, polled) in &waiting {
                assert_eq!(polled.is_woken(), *of < round);
            }
        }
    }
}

#[test]
fn tasks_on_many_workers_go_in_step() {
    bounded(|| {
        let rt = multi(8);
        let barrier = Arc::new(Barrier::new(10));
        let (steps, leaders) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let tasks: Vec<_> = (0..10)
            .map(|_| {
                let (barrier, steps, leaders) = (barrier.clone(), steps.clone(), leaders.clone());
                rt.spawn(async move {
                    for round in 0..many(500) {
                        steps.fetch_add(1, Ordering::SeqCst);
                        let leads = barrier.wait().await.is_leader();
                        leaders.fetch_add(usize::from(leads), Ordering::SeqCst);
                        // All have made this step, and no one the one after the next.
                        let seen = steps.load(Ordering::SeqCst);
                        assert!((10 * (round + 1)..10 * (round + 2)).contains(&seen));
                        barrier.wait().await;
                    }
                })
            })
            .collect();
        for task in tasks {
            rt.block_on(task).unwrap();
        }
        assert_eq!(leaders.load(Ordering::SeqCst), many(500));
        assert_eq!(barrier.statistics().waiters, 0);
    });
}

//! A task whose channels and locks are always ready lets others run after 128 operations.

#![allow(
    clippy::async_yields_async,
    reason = "what is prepared is kept apart from what is counted"
)]

use filch::sync::{Mutex, RwLock, Semaphore, broadcast, mpmc, mpsc, oneshot, watch};

mod common;
#[path = "common/greedy.rs"]
mod greedy;
use greedy::{BUDGET, lets_others_run};

#[test]
fn channels_with_messages_and_room() {
    const TURNS: usize = 16 * BUDGET;
    lets_others_run(4 * TURNS, || async {
        let (tx, mut rx) = mpsc::channel(8);
        let (to_any, any) = mpmc::channel(8);
        async move {
            for n in 0..TURNS {
                tx.send(n).await.unwrap();
                assert_eq!(rx.recv().await, Some(n));
                to_any.send(n).await.unwrap();
                assert_eq!(any.recv().await, Some(n));
            }
        }
    });
    lets_others_run(2 * TURNS, || async {
        let (tx, mut rx) = broadcast::channel(8);
        let (watched, mut watcher) = watch::channel(0);
        async move {
            for n in 1..=TURNS {
                tx.send(n).unwrap();
                assert_eq!(rx.recv().await, Ok(n));
                watched.send(n).unwrap();
                watcher.changed().await.unwrap();
            }
        }
    });
    lets_others_run(TURNS, || async {
        async move {
            for n in 0..TURNS {
                let (tx, rx) = oneshot::channel();
                tx.send(n).unwrap();
                assert_eq!(rx.await, Ok(n));
            }
        }
    });
}

#[test]
fn locks_that_are_free() {
    const TURNS: usize = 16 * BUDGET;
    lets_others_run(4 * TURNS, || async {
        let (mutex, rwlock, semaphore) = (Mutex::new(0), RwLock::new(0), Semaphore::new(1));
        async move {
            for _ in 0..TURNS {
                *mutex.lock().await += 1;
                *rwlock.write().await += 1;
                assert!(*rwlock.read().await > 0);
                drop(semaphore.acquire().await.unwrap());
            }
        }
    });
}

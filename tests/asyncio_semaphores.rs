//! Semaphores of asyncio's kind. Tests are named after those of CPython's test_locks.py.

#[path = "common/asyncio.rs"]
mod asyncio_common;
mod common;

use filch::asyncio::{BoundedSemaphore, LoopTask, Semaphore, create_task, gather, sleep, wait_for};

use asyncio_common::{Log, in_task, ms, panic_of};

/// As `test_utils.run_briefly`, from a task.
async fn briefly() {
    for _ in 0..4 {
        sleep(ms(0)).await;
    }
}

fn enters(semaphore: &Semaphore, log: &Log<u32>, what: u32) -> LoopTask<bool> {
    let (semaphore, log) = (semaphore.clone(), log.clone());
    create_task(async move {
        semaphore.acquire().await;
        log.say(what);
        true
    })
}

mod semaphore_tests {
    use super::*;

    #[test]
    fn initial_value_zero() {
        in_task(|| async { assert!(Semaphore::new(0).locked()) });
    }

    #[test]
    fn repr() {
        in_task(|| async {
            let semaphore = Semaphore::new(1);
            let shown = format!("{semaphore:?}");
            assert_eq!(shown, "Semaphore { locked: false, value: 1, waiters: 0 }");
            semaphore.acquire().await;
            let shown = format!("{semaphore:?}");
            assert_eq!(shown, "Semaphore { locked: true, value: 0, waiters: 0 }");
        });
    }

    #[test]
    fn semaphore() {
        in_task(|| async {
            let semaphore = Semaphore::new(1);
            assert!(!semaphore.locked());
            semaphore.acquire().await;
            assert!(semaphore.locked());
            semaphore.release();
            assert!(!semaphore.locked());
        });
    }

    #[test]
    fn release_bounded() {
        in_task(|| async {
            let semaphore = BoundedSemaphore::new(1);
            let said = panic_of(|| semaphore.release());
            assert_eq!(said, "BoundedSemaphore released too many times");
            semaphore.acquire().await;
            assert!(semaphore.locked());
            semaphore.release();
            assert!(!semaphore.locked());
        });
    }

    #[test]
    fn acquire() {
        in_task(|| async {
            let (semaphore, log) = (Semaphore::new(3), Log::new());
            semaphore.acquire().await;
            semaphore.acquire().await;
            assert!(!semaphore.locked());
            let tasks = [1, 2, 3].map(|n| enters(&semaphore, &log, n));
            briefly().await;
            assert_eq!(log.take(), [1]);
            assert!(semaphore.locked());
            let four = enters(&semaphore, &log, 4);
            semaphore.release();
            semaphore.release();
            briefly().await;
            assert_eq!(log.take(), [2, 3]);
            semaphore.release();
            briefly().await;
            assert_eq!(log.take(), [4]);
            assert!(four.is_done() && tasks.iter().all(LoopTask::is_done));
        });
    }

    #[test]
    fn acquire_cancel() {
        in_task(|| async {
            let semaphore = Semaphore::new(1);
            semaphore.acquire().await;
            let task = enters(&semaphore, &Log::new(), 1);
            briefly().await;
            task.cancel("");
            assert!(task.await.is_err());
            assert!(format!("{semaphore:?}").ends_with("waiters: 0 }"));
        });
    }

    #[test]
    fn acquire_cancel_before_awoken() {
        in_task(|| async {
            let (semaphore, log) = (Semaphore::new(0), Log::new());
            let all = [1, 2, 3, 4].map(|n| enters(&semaphore, &log, n));
            briefly().await;
            semaphore.release();
            all[0].cancel("");
            all[1].cancel("");
            briefly().await;
            assert_eq!(log.take(), [3]);
            assert!(semaphore.locked());
            semaphore.release();
            briefly().await;
            assert_eq!(log.take(), [4]);
        });
    }

    #[test]
    fn acquire_hang() {
        in_task(|| async {
            let (semaphore, log) = (Semaphore::new(0), Log::new());
            let one = enters(&semaphore, &log, 1);
            let two = enters(&semaphore, &log, 2);
            briefly().await;
            semaphore.release();
            one.cancel("");
            briefly().await;
            assert_eq!(log.take(), [2]);
            assert!(semaphore.locked());
            assert!(two.is_done());
        });
    }

    #[test]
    fn acquire_no_hang() {
        in_task(|| async {
            let semaphore = Semaphore::new(1);
            let holds = |on: &Semaphore| {
                let on = on.clone();
                create_task(async move {
                    let _held = on.hold().await;
                    sleep(ms(0)).await;
                })
            };
            let one = holds(&semaphore);
            let two = holds(&semaphore);
            sleep(ms(0)).await;
            one.cancel("");
            two.await.unwrap();
            wait_for(async move { semaphore.acquire().await }, Some(ms(5000)))
                .await
                .unwrap()
                .unwrap();
        });
    }

    #[test]
    fn release_not_acquired() {
        in_task(|| async {
            let semaphore = Semaphore::new(1);
            semaphore.release();
            semaphore.acquire().await;
            assert!(!semaphore.locked());
        });
    }

    #[test]
    fn release_no_waiters() {
        in_task(|| async {
            let semaphore = Semaphore::new(1);
            semaphore.acquire().await;
            assert!(semaphore.locked());
            semaphore.release();
            assert!(!semaphore.locked());
        });
    }

    #[test]
    fn acquire_fifo_order() {
        in_task(|| async {
            let (semaphore, log) = (Semaphore::new(1), Log::new());
            let all = [1, 2, 3].map(|n| {
                let (semaphore, log) = (semaphore.clone(), log.clone());
                create_task(async move {
                    for step in [10, 20] {
                        let _held = semaphore.hold().await;
                        sleep(ms(1)).await;
                        log.say(step + n);
                    }
                })
            });
            gather(all).await.unwrap();
            assert_eq!(log.take(), [11, 12, 13, 21, 22, 23]);
        });
    }

    #[test]
    fn acquire_fifo_order_2() {
        // One that comes when a place is free, but others are on their way, queues behind them.
        in_task(|| async {
            let (semaphore, log) = (Semaphore::new(1), Log::new());
            semaphore.acquire().await;
            let one = enters(&semaphore, &log, 1);
            briefly().await;
            semaphore.release();
            let two = enters(&semaphore, &log, 2);
            briefly().await;
            assert_eq!(log.take(), [1]);
            semaphore.release();
            briefly().await;
            assert_eq!(log.take(), [2]);
            assert!(one.is_done() && two.is_done());
        });
    }

    #[test]
    fn acquire_fifo_order_3() {
        // A cancelled waiter does not keep the later ones waiting.
        in_task(|| async {
            let (semaphore, log) = (Semaphore::new(0), Log::new());
            let all = [1, 2, 3].map(|n| enters(&semaphore, &log, n));
            briefly().await;
            all[0].cancel("");
            briefly().await;
            semaphore.release();
            semaphore.release();
            briefly().await;
            assert_eq!(log.take(), [2, 3]);
        });
    }

    #[test]
    fn acquire_fifo_order_4() {
        // A cancelled first waiter gives the free places to those behind it.
        in_task(|| async {
            let (semaphore, log) = (Semaphore::new(2), Log::new());
            semaphore.acquire().await;
            semaphore.acquire().await;
            let all = [1, 2, 3].map(|n| enters(&semaphore, &log, n));
            briefly().await;
            semaphore.release();
            semaphore.release();
            all[0].cancel("");
            briefly().await;
            assert_eq!(log.take(), [2, 3]);
            assert!(semaphore.locked());
        });
    }
}

/// Of two threads that give the same place back one is told, and none is made.
#[test]
fn bounded_release_from_two_threads_makes_no_place() {
    common::bounded(|| {
        for _ in 0..common::many(1500) {
            let semaphore = BoundedSemaphore::new(1);
            filch::block_on(semaphore.acquire());
            let release = || {
                let semaphore = std::panic::AssertUnwindSafe(&semaphore);
                std::panic::catch_unwind(|| semaphore.release()).is_ok()
            };
            let released = std::thread::scope(|scope| {
                let both = [scope.spawn(release), scope.spawn(release)];
                both.map(|one| one.join().unwrap())
            });
            assert_ne!(released[0], released[1]);
        }
    });
}

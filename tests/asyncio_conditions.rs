//! Conditions and barriers of asyncio's kind. Modules and tests are named after those of CPython's test_locks.py.

#[path = "common/asyncio.rs"]
mod asyncio_common;
mod common;

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use filch::asyncio::{Barrier, BrokenBarrierError, Condition, Lock, LoopTask};
use filch::asyncio::{catch_cancel, create_task, gather, sleep, timeout};

use asyncio_common::{Log, in_task, ms, panic_of};

async fn briefly() {
    for _ in 0..6 {
        sleep(ms(0)).await;
    }
}

/// A task that waits for the condition, says that it was woken, and lets the lock go.
fn waits(condition: &Condition, log: &Log<u32>, what: u32) -> LoopTask<()> {
    let (condition, log) = (condition.clone(), log.clone());
    create_task(async move {
        let _held = condition.hold().await;
        condition.wait().await;
        log.say(what);
    })
}

async fn tell(condition: &Condition, n: usize) {
    let _held = condition.hold().await;
    condition.notify(n);
}

mod condition_tests {
    use super::*;

    #[test]
    fn wait() {
        in_task(|| async {
            let (condition, log) = (Condition::new(), Log::new());
            let all = [1, 2, 3].map(|n| waits(&condition, &log, n));
            briefly().await;
            assert!(!condition.locked());
            tell(&condition, 1).await;
            briefly().await;
            assert_eq!(log.take(), [1]);
            tell(&condition, 2).await;
            briefly().await;
            assert_eq!(log.take(), [2, 3]);
            assert!(all.iter().all(LoopTask::is_done));
            assert!(!condition.locked());
        });
    }

    #[test]
    fn wait_cancel() {
        in_task(|| async {
            let condition = Condition::new();
            let task = waits(&condition, &Log::new(), 1);
            briefly().await;
            task.cancel("");
            assert!(task.await.is_err());
            assert!(!condition.locked());
            assert!(format!("{condition:?}").contains("waiters: 0"));
        });
    }

    #[test]
    fn wait_cancel_contested() {
        // Who is cancelled while it waits has the lock when it hears of it, though another has it at that moment.
        in_task(|| async {
            let condition = Condition::new();
            let on = condition.clone();
            let task = create_task(async move {
                on.acquire().await;
                let cancelled = catch_cancel(on.wait()).await.is_err();
                let has_lock = on.locked();
                on.release();
                (cancelled, has_lock)
            });
            briefly().await;
            condition.acquire().await;
            task.cancel("");
            briefly().await;
            assert!(!task.is_done());
            condition.release();
            assert_eq!(task.await.unwrap(), (true, true));
            assert!(!condition.locked());
        });
    }

    #[test]
    fn wait_cancel_after_notify() {
        // The cancelled one passes its notification on.
        in_task(|| async {
            let (condition, log) = (Condition::new(), Log::new());
            let one = waits(&condition, &log, 1);
            let two = waits(&condition, &log, 2);
            briefly().await;
            condition.acquire().await;
            condition.notify(1);
            one.cancel("");
            condition.release();
            briefly().await;
            assert!(one.is_cancelled());
            assert_eq!(log.take(), [2]);
            assert!(two.is_done());
        });
    }

    #[test]
    fn wait_unacquired() {
        in_task(|| async {
            let task = create_task(async { Condition::new().wait().await });
            let error = task.await.unwrap_err().to_string();
            assert!(error.contains("cannot wait on un-acquired lock"), "{error}");
        });
    }

    #[test]
    fn wait_for() {
        in_task(|| async {
            let (condition, value) = (Condition::new(), Arc::new(AtomicU32::new(0)));
            let (on, read) = (condition.clone(), value.clone());
            let task = create_task(async move {
                let _held = on.hold().await;
                on.wait_for(|| read.load(Ordering::Relaxed) == 2).await
            });
            for n in [1, 2] {
                briefly().await;
                assert!(!task.is_done());
                value.store(n, Ordering::Relaxed);
                tell(&condition, 1).await;
            }
            assert!(task.await.unwrap());
        });
    }

    #[test]
    fn wait_for_unacquired() {
        in_task(|| async {
            // A predicate that is true needs no lock.
            assert!(Condition::new().wait_for(|| true).await);
            let task = create_task(async { Condition::new().wait_for(|| false).await });
            assert!(task.await.is_err());
        });
    }

    #[test]
    fn notify() {
        in_task(|| async {
            let (condition, log) = (Condition::new(), Log::new());
            let _all = [1, 2, 3].map(|n| waits(&condition, &log, n));
            briefly().await;
            tell(&condition, 1).await;
            briefly().await;
            assert_eq!(log.take(), [1]);
            tell(&condition, 1).await;
            tell(&condition, 2048).await;
            briefly().await;
            assert_eq!(log.take(), [2, 3]);
        });
    }

    #[test]
    fn notify_all() {
        in_task(|| async {
            let (condition, log) = (Condition::new(), Log::new());
            let all = [1, 2].map(|n| waits(&condition, &log, n));
            briefly().await;
            condition.acquire().await;
            condition.notify_all();
            briefly().await;
            // They are woken, but the lock is not free yet.
            assert_eq!(log.take(), []);
            condition.release();
            briefly().await;
            assert_eq!(log.take(), [1, 2]);
            assert!(all.iter().all(LoopTask::is_done));
        });
    }

    #[test]
    fn notify_unacquired() {
        in_task(|| async {
            let said = panic_of(|| Condition::new().notify(1));
            assert_eq!(said, "cannot notify on un-acquired lock");
        });
    }

    #[test]
    fn notify_all_unacquired() {
        in_task(|| async {
            let said = panic_of(|| Condition::new().notify_all());
            assert_eq!(said, "cannot notify on un-acquired lock");
        });
    }

    #[test]
    fn repr() {
        in_task(|| async {
            let condition = Condition::new();
            assert!(format!("{condition:?}").contains("locked: false"));
            condition.acquire().await;
            assert!(format!("{condition:?}").contains("locked: true"));
            let task = waits(&condition, &Log::new(), 1);
            condition.release();
            briefly().await;
            assert!(format!("{condition:?}").contains("waiters: 1"));
            task.cancel("");
        });
    }

    #[test]
    fn context_manager() {
        in_task(|| async {
            let condition = Condition::new();
            {
                let _held = condition.hold().await;
                assert!(condition.locked());
            }
            assert!(!condition.locked());
        });
    }

    #[test]
    fn explicit_lock() {
        in_task(|| async {
            let lock = Lock::new();
            let condition = Condition::with_lock(&lock);
            lock.acquire().await;
            assert!(condition.locked());
            condition.release();
            assert!(!lock.locked());
        });
    }

    #[test]
    fn timeout_in_block() {
        in_task(|| async {
            let condition = Condition::new();
            let _held = condition.hold().await;
            let outcome = timeout(Some(ms(5)), condition.wait()).await;
            assert!(outcome.is_err());
            // It has the lock again.
            assert!(condition.locked());
        });
    }

    #[test]
    fn cancelled_error_wakeup() {
        // Cancelled while it takes the lock again: it has it all the same when it hears, and the notification goes on.
        in_task(|| async {
            let (condition, log) = (Condition::new(), Log::new());
            let one = waits(&condition, &log, 1);
            let two = waits(&condition, &log, 2);
            briefly().await;
            condition.acquire().await;
            condition.notify(1);
            briefly().await;
            one.cancel("");
            briefly().await;
            assert!(!one.is_done());
            condition.release();
            briefly().await;
            assert!(one.is_cancelled());
            assert_eq!(log.take(), [2]);
            two.await.unwrap();
            assert!(!condition.locked());
        });
    }
}

mod barrier_tests {
    use super::*;

    fn enters(barrier: &Barrier) -> LoopTask<Result<usize, BrokenBarrierError>> {
        let barrier = barrier.clone();
        create_task(async move { barrier.wait().await })
    }

    #[test]
    fn barrier() {
        in_task(|| async {
            let barrier = Barrier::new(3);
            let all = [(); 3].map(|()| enters(&barrier));
            let mut ranks: Vec<_> = gather(all)
                .await
                .unwrap()
                .into_iter()
                .map(Result::unwrap)
                .collect();
            ranks.sort();
            assert_eq!(ranks, [0, 1, 2]);
            assert_eq!((barrier.n_waiting(), barrier.broken()), (0, false));
        });
    }

    #[test]
    fn repr() {
        in_task(|| async {
            let barrier = Barrier::new(2);
            assert_eq!(
                format!("{barrier:?}"),
                "Barrier { phase: Filling, parties: 2, count: 0 }"
            );
            barrier.abort();
            assert!(format!("{barrier:?}").contains("Broken"));
        });
    }

    #[test]
    fn barrier_parties() {
        in_task(|| async {
            assert_eq!(Barrier::new(7).parties(), 7);
            assert_eq!(panic_of(|| Barrier::new(0)), "parties must be >= 1");
        });
    }

    #[test]
    fn barrier_single_task() {
        in_task(|| async {
            let barrier = Barrier::new(1);
            assert_eq!(barrier.wait().await, Ok(0));
            assert_eq!(barrier.wait().await, Ok(0));
        });
    }

    #[test]
    fn filling_one_task() {
        in_task(|| async {
            let barrier = Barrier::new(1);
            enters(&barrier).await.unwrap().unwrap();
            assert_eq!((barrier.n_waiting(), barrier.broken()), (0, false));
        });
    }

    #[test]
    fn filling_tasks() {
        // Twice: it can be used again.
        in_task(|| async {
            let barrier = Barrier::new(5);
            for _ in 0..2 {
                let early = [(); 4].map(|()| enters(&barrier));
                briefly().await;
                assert_eq!(barrier.n_waiting(), 4);
                assert!(!early.iter().any(LoopTask::is_done));
                assert_eq!(barrier.wait().await, Ok(4));
                gather(early).await.unwrap();
            }
        });
    }

    #[test]
    fn filling_tasks_cancel_one() {
        in_task(|| async {
            let barrier = Barrier::new(3);
            let [one, two] = [(); 2].map(|()| enters(&barrier));
            briefly().await;
            one.cancel("");
            briefly().await;
            assert!(one.is_cancelled());
            assert_eq!(barrier.n_waiting(), 1);
            let three = enters(&barrier);
            briefly().await;
            assert!(!two.is_done());
            assert!(barrier.wait().await.is_ok());
            assert!(two.await.unwrap().is_ok() && three.await.unwrap().is_ok());
        });
    }

    #[test]
    fn filling_tasks_check_return_value() {
        in_task(|| async {
            let barrier = Barrier::new(4);
            let all = [(); 4].map(|()| enters(&barrier));
            let ranks = gather(all).await.unwrap();
            assert_eq!(ranks, [Ok(0), Ok(1), Ok(2), Ok(3)]);
        });
    }

    #[test]
    fn draining_state() {
        // Who comes while the last ones leave belongs to the next round.
        in_task(|| async {
            let barrier = Barrier::new(2);
            let first = enters(&barrier);
            briefly().await;
            assert_eq!(barrier.wait().await, Ok(1));
            let next = enters(&barrier);
            briefly().await;
            assert!(first.is_done());
            assert_eq!(barrier.n_waiting(), 1);
            assert!(!next.is_done());
            assert_eq!(barrier.wait().await, Ok(1));
            assert_eq!(next.await.unwrap(), Ok(0));
        });
    }

    #[test]
    fn wait_barrier_several_times() {
        in_task(|| async {
            let barrier = Barrier::new(3);
            let rounds = |barrier: &Barrier| {
                let barrier = barrier.clone();
                create_task(async move {
                    let mut sum = 0;
                    for _ in 0..20 {
                        sum += barrier.wait().await.unwrap();
                    }
                    sum
                })
            };
            let sums = gather([(); 3].map(|()| rounds(&barrier))).await.unwrap();
            assert_eq!(sums.iter().sum::<usize>(), 20 * 3);
        });
    }

    #[test]
    fn reset_barrier() {
        in_task(|| async {
            let barrier = Barrier::new(1);
            barrier.reset();
            assert!(!barrier.broken());
            assert_eq!(barrier.wait().await, Ok(0));
        });
    }

    #[test]
    fn reset_barrier_while_tasks_waiting() {
        in_task(|| async {
            let barrier = Barrier::new(3);
            let all = [(); 2].map(|()| enters(&barrier));
            briefly().await;
            barrier.reset();
            for task in all {
                let error = task.await.unwrap().unwrap_err();
                assert_eq!(error.to_string(), "Abort or reset of barrier");
            }
            assert!(!barrier.broken());
            let again = [(); 3].map(|()| enters(&barrier));
            assert!(gather(again).await.unwrap().iter().all(Result::is_ok));
        });
    }

    #[test]
    fn abort_barrier() {
        in_task(|| async {
            let barrier = Barrier::new(1);
            barrier.abort();
            assert!(barrier.broken());
            assert_eq!(
                barrier.wait().await.unwrap_err().to_string(),
                "Barrier aborted"
            );
        });
    }

    #[test]
    fn abort_barrier_when_tasks_waiting_then_reset() {
        in_task(|| async {
            let barrier = Barrier::new(3);
            let all = [(); 2].map(|()| enters(&barrier));
            briefly().await;
            barrier.abort();
            for task in all {
                assert!(task.await.unwrap().is_err());
            }
            assert!(barrier.broken());
            barrier.reset();
            assert!(!barrier.broken());
            let again = [(); 3].map(|()| enters(&barrier));
            assert!(gather(again).await.unwrap().iter().all(Result::is_ok));
        });
    }
}

//! Locks and events of asyncio's kind. Modules and tests are named after those of CPython's test_locks.py.

#[path = "common/asyncio.rs"]
mod asyncio_common;
mod common;

use filch::asyncio::{Event, Lock, LoopTask, create_task, sleep};

use asyncio_common::{Log, in_task, ms, panic_of};

/// As `test_utils.run_briefly`, from a task.
async fn briefly() {
    for _ in 0..4 {
        sleep(ms(0)).await;
    }
}

/// A task that acquires the lock and says so.
fn acquires(lock: &Lock, log: &Log<u32>, what: u32) -> LoopTask<bool> {
    let (lock, log) = (lock.clone(), log.clone());
    create_task(async move {
        lock.acquire().await;
        log.say(what);
        true
    })
}

fn waits(event: &Event, log: &Log<u32>, what: u32) -> LoopTask<()> {
    let (event, log) = (event.clone(), log.clone());
    create_task(async move {
        event.wait().await;
        log.say(what);
    })
}

mod lock_tests {
    use super::*;

    #[test]
    fn repr() {
        in_task(|| async {
            let lock = Lock::new();
            assert_eq!(format!("{lock:?}"), "Lock { locked: false, waiters: 0 }");
            lock.acquire().await;
            assert_eq!(format!("{lock:?}"), "Lock { locked: true, waiters: 0 }");
            let _waits = acquires(&lock, &Log::new(), 1);
            briefly().await;
            assert_eq!(format!("{lock:?}"), "Lock { locked: true, waiters: 1 }");
            lock.release();
            briefly().await;
        });
    }

    #[test]
    fn acquire() {
        in_task(|| async {
            let (lock, log) = (Lock::new(), Log::new());
            lock.acquire().await;
            let one = acquires(&lock, &log, 1);
            let two = acquires(&lock, &log, 2);
            briefly().await;
            assert_eq!(log.take(), []);
            lock.release();
            briefly().await;
            assert_eq!(log.take(), [1]);
            let three = acquires(&lock, &log, 3);
            lock.release();
            briefly().await;
            assert_eq!(log.take(), [2]);
            lock.release();
            briefly().await;
            assert_eq!(log.take(), [3]);
            for task in [one, two, three] {
                assert!(task.result().unwrap().unwrap());
            }
        });
    }

    #[test]
    fn lock_by_with_statement() {
        in_task(|| async {
            let locks = [Lock::new(), Lock::new()];
            for lock in &locks {
                sleep(ms(0)).await;
                assert!(!lock.locked());
                {
                    let _held = lock.hold().await;
                    assert!(lock.locked());
                }
                assert!(!lock.locked());
            }
        });
    }

    #[test]
    fn acquire_cancel() {
        in_task(|| async {
            let (lock, log) = (Lock::new(), Log::new());
            lock.acquire().await;
            let task = acquires(&lock, &log, 1);
            briefly().await;
            task.cancel("");
            assert!(task.await.is_err());
            assert!(format!("{lock:?}").contains("waiters: 0"));
        });
    }

    #[test]
    fn cancel_race() {
        // A waiter that is woken and cancelled before it runs passes the lock on.
        in_task(|| async {
            let (lock, log) = (Lock::new(), Log::new());
            lock.acquire().await;
            let a = acquires(&lock, &log, 1);
            let b = acquires(&lock, &log, 2);
            briefly().await;
            lock.release();
            a.cancel("");
            briefly().await;
            assert!(a.is_cancelled());
            assert_eq!(log.take(), [2]);
            assert!(b.await.unwrap());
            assert!(lock.locked());
        });
    }

    #[test]
    fn cancel_release_race() {
        // Cancelled first and released then, in one iteration: the next one has it.
        in_task(|| async {
            let (lock, log) = (Lock::new(), Log::new());
            lock.acquire().await;
            let a = acquires(&lock, &log, 1);
            let b = acquires(&lock, &log, 2);
            let c = acquires(&lock, &log, 3);
            briefly().await;
            a.cancel("");
            lock.release();
            briefly().await;
            assert_eq!(log.take(), [2]);
            lock.release();
            briefly().await;
            assert_eq!(log.take(), [3]);
            assert!(a.is_cancelled() && b.is_done() && c.is_done());
        });
    }

    #[test]
    fn finished_waiter_cancelled() {
        in_task(|| async {
            let (lock, log) = (Lock::new(), Log::new());
            lock.acquire().await;
            let a = acquires(&lock, &log, 1);
            sleep(ms(0)).await;
            let b = acquires(&lock, &log, 2);
            sleep(ms(0)).await;
            // Before the woken one could run, the lock is not to be had by others.
            lock.release();
            let c = acquires(&lock, &log, 3);
            a.cancel("");
            briefly().await;
            assert_eq!(log.take(), [2]);
            lock.release();
            briefly().await;
            assert_eq!(log.take(), [3]);
            assert!(b.is_done() && c.is_done());
        });
    }

    #[test]
    fn release_not_acquired() {
        in_task(|| async {
            assert_eq!(panic_of(|| Lock::new().release()), "Lock is not acquired.");
        });
    }

    #[test]
    fn release_no_waiters() {
        in_task(|| async {
            let lock = Lock::new();
            lock.acquire().await;
            lock.release();
            assert!(!lock.locked());
        });
    }

    #[test]
    fn context_manager() {
        in_task(|| async {
            let lock = Lock::new();
            let total = create_task({
                let lock = lock.clone();
                async move {
                    let _held = lock.hold().await;
                    7
                }
            });
            assert_eq!(total.await.unwrap(), 7);
            assert!(!lock.locked());
        });
    }

    #[test]
    fn another_task_may_release_it() {
        in_task(|| async {
            let lock = Lock::new();
            lock.acquire().await;
            let other = lock.clone();
            create_task(async move { other.release() }).await.unwrap();
            assert!(!lock.locked());
        });
    }

    #[test]
    fn it_guards_tasks_of_many_loops_and_of_the_workers() {
        common::bounded(|| {
            let rt = common::multi(2);
            let _entered = rt.enter();
            let (lock, log) = (Lock::new(), Log::new());
            let add = |n: u32| {
                let (lock, log) = (lock.clone(), log.clone());
                async move {
                    for _ in 0..50 {
                        let _held = lock.hold().await;
                        log.say(n);
                        filch::task::yield_now().await;
                        log.say(n);
                    }
                }
            };
            let loops: Vec<_> = (0..4).map(|_| filch::EventLoop::new()).collect();
            let tasks: Vec<_> = loops
                .iter()
                .zip(0..)
                .map(|(l, n)| l.create_task(add(n)))
                .collect();
            loops.iter().for_each(|l| l.start());
            let worker = filch::spawn(add(9));
            rt.block_on(async {
                worker.await.unwrap();
                for task in tasks {
                    task.await.unwrap();
                }
            });
            let all = log.take();
            assert_eq!(all.len(), 500);
            assert!(all.chunks(2).all(|two| two[0] == two[1]), "{all:?}");
        });
    }
}

mod event_tests {
    use super::*;

    #[test]
    fn repr() {
        in_task(|| async {
            let event = Event::new();
            assert_eq!(format!("{event:?}"), "Event { set: false, waiters: 0 }");
            event.set();
            assert_eq!(format!("{event:?}"), "Event { set: true, waiters: 0 }");
        });
    }

    #[test]
    fn wait() {
        in_task(|| async {
            let (event, log) = (Event::new(), Log::new());
            assert!(!event.is_set());
            let tasks = [1, 2].map(|n| waits(&event, &log, n));
            briefly().await;
            assert_eq!(log.take(), []);
            let three = waits(&event, &log, 3);
            event.set();
            briefly().await;
            let mut all = log.take();
            all.sort();
            assert_eq!(all, [1, 2, 3]);
            assert!(tasks.iter().all(LoopTask::is_done) && three.is_done());
        });
    }

    #[test]
    fn wait_on_set() {
        in_task(|| async {
            let event = Event::new();
            event.set();
            event.wait().await;
        });
    }

    #[test]
    fn wait_cancel() {
        in_task(|| async {
            let event = Event::new();
            let task = waits(&event, &Log::new(), 1);
            briefly().await;
            task.cancel("");
            assert!(task.await.is_err());
            assert!(format!("{event:?}").contains("waiters: 0"));
        });
    }

    #[test]
    fn clear() {
        in_task(|| async {
            let event = Event::new();
            assert!(!event.is_set());
            event.set();
            assert!(event.is_set());
            event.clear();
            assert!(!event.is_set());
        });
    }

    #[test]
    fn clear_with_waiters() {
        in_task(|| async {
            let (event, log) = (Event::new(), Log::new());
            let task = waits(&event, &log, 1);
            briefly().await;
            event.set();
            event.clear();
            event.set();
            event.clear();
            task.await.unwrap();
            assert_eq!(log.take(), [1]);
            assert!(!event.is_set());
            let again = waits(&event, &log, 2);
            briefly().await;
            assert!(!again.is_done());
            event.set();
            again.await.unwrap();
        });
    }
}

//! What happens to a `JoinSet` from outside: wakers, panics, drops and moves while its tasks run.

use std::collections::HashSet;
use std::future::{pending, ready};
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Wake, Waker};
use std::time::{Duration, Instant};

use filch::runtime::Runtime;
use filch::task::{JoinSet, yield_now};
use filch::time::{sleep, timeout};

mod common;
use common::{
    Drops, Gate, Probe, Random, a_while, bounded, eventually, hurts_no_other, many, multi,
    on_each_kind, single,
};

#[test]
fn the_waker_of_the_last_poll_is_woken_once() {
    bounded(|| {
        let rt = multi(1);
        let (go, wait) = async_channel::bounded::<()>(1);
        let mut set = JoinSet::new();
        for n in 0..8 {
            let wait = wait.clone();
            let wait = async move {
                let _ = wait.recv().await;
                n
            };
            set.spawn_on(wait, rt.handle());
        }
        let (first, last) = (Probe::new(), Probe::new());
        assert!(first.poll(&mut pin!(set.join_next())).is_pending());
        assert_eq!(first.held(), 1);
        for _ in 0..2 {
            assert!(last.poll(&mut pin!(set.join_next())).is_pending());
        }
        assert_eq!((first.held(), last.held()), (0, 1));
        drop(go);
        last.wait(1);
        let mut joined = 0;
        eventually("all are done", || {
            joined += std::iter::from_fn(|| set.try_join_next()).count();
            joined == 8
        });
        assert_eq!((first.wakes(), last.wakes()), (0, 1));
        assert_eq!(last.held(), 0);
    });
}

/// A waker whose drop runs the runtime: it may not happen under the set's lock.
#[test]
fn a_waker_is_dropped_outside_the_lock() {
    struct DriveOnDrop(Runtime);

    impl Wake for DriveOnDrop {
        fn wake(self: Arc<Self>) {}
    }

    impl Drop for DriveOnDrop {
        fn drop(&mut self) {
            self.0.block_on(yield_now());
        }
    }

    bounded(|| {
        let rt = single();
        let mut set = JoinSet::new();
        set.spawn_on(ready(42), rt.handle());
        let waker = Waker::from(Arc::new(DriveOnDrop(rt)));
        let mut context = Context::from_waker(&waker);
        assert!(set.poll_join_next(&mut context).is_pending());
        drop(waker);
        let mut context = Context::from_waker(Waker::noop());
        assert!(set.poll_join_next(&mut context).is_pending());
        assert_eq!(set.try_join_next().unwrap().unwrap(), 42);
    });
}

#[test]
fn thousands_that_wait_are_asked_a_thousand_at_a_time() {
    bounded(|| {
        single().block_on(async {
            let mut set = JoinSet::new();
            for _ in 0..5000 {
                set.spawn(pending::<()>());
            }
            let (probe, mut polls) = (Probe::new(), 0);
            while {
                let polled = probe.poll(&mut pin!(set.join_next()));
                assert!(polled.is_pending());
                polls += 1;
                probe.wakes() == polls
            } {}
            assert_eq!(polls, 5);
            set.shutdown().await;
        });
    });
}

#[test]
fn panics_of_tasks_and_of_their_drops_hurt_no_other() {
    struct PanicOnDrop;
    impl Drop for PanicOnDrop {
        fn drop(&mut self) {
            panic!("on purpose, in a drop");
        }
    }
    hurts_no_other(|rt| {
        rt.block_on(async {
            let mut set = JoinSet::new();
            for n in 0..100 {
                set.spawn(async move {
                    match n % 3 {
                        0 => panic!("on purpose"),
                        1 => {
                            let _at_the_end = PanicOnDrop;
                            yield_now().await;
                            n
                        }
                        _ => n,
                    }
                });
            }
            let (mut values, mut panics) = (0, 0);
            while let Some(next) = set.join_next().await {
                match next {
                    Ok(_) => values += 1,
                    Err(error) => panics += usize::from(error.is_panic()),
                }
            }
            assert_eq!((values, panics), (33, 67));
        });
    });
}

#[test]
fn a_waker_that_panics_hurts_no_task() {
    struct PanicOnWake;
    impl Wake for PanicOnWake {
        fn wake(self: Arc<Self>) {
            panic!("on purpose, in a waker");
        }
    }
    hurts_no_other(|rt| {
        let gate = Gate::closed();
        let mut set = JoinSet::new();
        for n in 0..4 {
            let gate = gate.clone();
            let wait = async move {
                gate.pass();
                n
            };
            set.spawn_on(wait, rt.handle());
        }
        let waker = Waker::from(Arc::new(PanicOnWake));
        let polled = set.poll_join_next(&mut Context::from_waker(&waker));
        assert!(polled.is_pending());
        gate.open();
        rt.block_on(async {
            let mut all = set.join_all().await;
            all.sort();
            assert_eq!(all, [0, 1, 2, 3]);
        });
    });
}

/// Sets that are dropped, detached, shut down and joined while 8 workers run their tasks: each task is dropped once.
#[test]
fn whatever_becomes_of_a_set_each_task_is_dropped_once() {
    bounded(|| {
        let mut random = Random::from_env();
        let rt = multi(8);
        let (drops, mut made) = (Drops::default(), 0);
        for _ in 0..many(300) {
            let mut set = JoinSet::new();
            let tasks = 1 + random.below(40);
            made += tasks;
            for _ in 0..tasks {
                let (counted, kind) = (drops.counted(), random.below(5));
                let task = async move {
                    let counted = counted;
                    match kind {
                        0 => yield_now().await,
                        1 => sleep(Duration::from_micros(50)).await,
                        2 => pending().await,
                        3 => panic!("on purpose"),
                        _ => {}
                    }
                    counted
                };
                set.spawn_on(task, rt.handle());
            }
            let joins = random.below(tasks + 1);
            rt.block_on(async {
                for _ in 0..joins {
                    let _ = timeout(Duration::from_micros(200), set.join_next()).await;
                }
            });
            match random.below(4) {
                0 => set.detach_all(),
                1 => rt.block_on(set.shutdown()),
                2 => set.abort_all(),
                _ => {}
            }
            drop(set);
        }
        // Detached ones that wait for ever are dropped with the runtime.
        drop(rt);
        assert_eq!(drops.count(), made);
    });
}

#[test]
fn sets_go_from_thread_to_thread() {
    fn assert_send_sync<T: Send + Sync + Unpin>() {}
    assert_send_sync::<JoinSet<Vec<u8>>>();

    bounded(|| {
        let rt = multi(8);
        let mut set = JoinSet::new();
        let (mut spawned, mut joined) = (0, 0);
        let limit = Instant::now() + a_while();
        while joined < many(2000) {
            assert!(Instant::now() < limit);
            for _ in 0..20 {
                set.spawn_on(ready(spawned), rt.handle());
                spawned += 1;
            }
            // The set waits in a task, whichever worker has it.
            let task = rt.spawn(async move {
                for _ in 0..20 {
                    set.join_next().await.unwrap().unwrap();
                }
                set
            });
            set = rt.block_on(task).unwrap();
            joined += 20;
        }
        assert!(set.is_empty());
    });
}

#[test]
fn a_dropped_wait_loses_no_task() {
    on_each_kind(|rt| {
        rt.block_on(async {
            let mut set = JoinSet::new();
            for n in 0..100 {
                set.spawn(async move {
                    sleep(Duration::from_micros(100 * n as u64)).await;
                    n
                });
            }
            let mut seen = HashSet::new();
            while !set.is_empty() {
                filch::select! {
                    next = set.join_next() => {
                        if let Some(next) = next {
                            assert!(seen.insert(next.unwrap()));
                        }
                    }
                    () = yield_now() => {}
                }
            }
            assert_eq!(seen.len(), 100);
        });
    });
}

//! The end of a runtime: every future is dropped exactly once, every handle tells, every thread ends, at any moment.

use std::future::{pending, poll_fn};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::task::{Poll, Waker};
use std::time::{Duration, Instant};

use filch::Promise;
use filch::runtime::{Builder, Handle, Runtime};
use filch::task::{JoinHandle, yield_now};
use filch::time::sleep;

mod common;
use common::{
    Drops, Gate, Random, a_turn, assert_ended, block_workers, bounded, eventually, many, multi,
    pair, read_byte, single, threads_called,
};

/// Notes the thread that drops it.
struct Where(Arc<Mutex<Vec<String>>>);

impl Drop for Where {
    fn drop(&mut self) {
        let name = std::thread::current().name().unwrap_or_default().to_owned();
        self.0.lock().unwrap().push(name);
    }
}

fn cancelled<T: std::fmt::Debug>(task: JoinHandle<T>) {
    assert!(single().block_on(task).unwrap_err().is_cancelled());
}

#[test]
fn tasks_of_every_kind_are_dropped_once_on_a_worker_or_where_the_runtime_ends() {
    bounded(|| {
        for workers in [1, 8] {
            let rt = multi(workers);
            let dropped: Arc<Mutex<Vec<String>>> = Arc::default();
            let idle = |_| {
                let here = Where(dropped.clone());
                rt.spawn(async move {
                    let _here = here;
                    pending::<()>().await;
                })
            };
            let wakes_itself = |_| {
                let here = Where(dropped.clone());
                rt.spawn(async move {
                    let _here = here;
                    loop {
                        yield_now().await;
                    }
                })
            };
            let sleeps = |_| {
                let here = Where(dropped.clone());
                rt.spawn(async move {
                    let _here = here;
                    sleep(Duration::from_secs(3600)).await;
                })
            };
            let mut tasks: Vec<_> = (0..20).map(idle).collect();
            tasks.extend((0..20).map(wakes_itself));
            tasks.extend((0..20).map(sleeps));
            rt.block_on(a_turn());
            // These are queued, or run, or wait for the end of a long poll, when the end comes.
            let gate = Gate::closed();
            let pass = gate.clone();
            rt.spawn(async move { pass.pass() });
            tasks.extend((0..20).map(idle));
            tasks.extend((0..20).map(wakes_itself));
            gate.open();
            drop(rt);
            let dropped = dropped.lock().unwrap();
            assert_eq!(dropped.len(), 100);
            let right = |name: &String| name.starts_with("filch-w") || name == "test";
            assert!(dropped.iter().all(right), "{dropped:?}");
            tasks.into_iter().for_each(cancelled);
        }
    });
}

#[test]
fn a_poll_under_way_ends_before_the_drop_of_the_runtime_returns() {
    bounded(|| {
        let rt = multi(8);
        let (gate, (tell, told)) = (Gate::closed(), mpsc::channel());
        let (ended, drops) = (Arc::new(AtomicBool::new(false)), Drops::default());
        let (ends, pass, counted) = (ended.clone(), gate.clone(), drops.counted());
        let task = rt.spawn(async move {
            let _counted = counted;
            tell.send(()).unwrap();
            pass.pass();
            ends.store(true, Ordering::SeqCst);
            yield_now().await;
            unreachable!("it was asked to stop");
        });
        told.recv().unwrap();
        let opens = std::thread::spawn(move || {
            std::thread::sleep(Duration::from_millis(20));
            gate.open();
        });
        drop(rt);
        assert!(ended.load(Ordering::SeqCst));
        assert_eq!(drops.count(), 1);
        opens.join().unwrap();
        cancelled(task);
    });
}

#[test]
fn what_is_spawned_during_or_after_the_end_is_cancelled() {
    bounded(|| {
        for rt in [multi(8), single()] {
            let (handle, drops) = (rt.handle().clone(), Drops::default());
            let spawned: Arc<Mutex<Vec<JoinHandle<()>>>> = Arc::default();
            // During: by a task that is dropped.
            let (on, into, counted) = (handle.clone(), spawned.clone(), drops.counted());
            let spawns = SpawnsWhenDropped {
                on,
                into,
                drops: drops.clone(),
            };
            let task = rt.spawn(async move {
                let _both = (spawns, counted);
                pending::<()>().await;
            });
            rt.block_on(yield_now());
            drop(rt);
            assert_eq!(drops.count(), 2);
            cancelled(task);
            cancelled(spawned.lock().unwrap().pop().unwrap());
            // After.
            let counted = drops.counted();
            let late = handle.spawn(async move {
                let _counted = counted;
                pending::<()>().await;
            });
            assert_eq!(drops.count(), 3, "it is dropped at once");
            assert!(late.is_finished());
            cancelled(late);
        }
    });
}

/// Spawns a task on the runtime when it is dropped.
struct SpawnsWhenDropped {
    on: Handle,
    into: Arc<Mutex<Vec<JoinHandle<()>>>>,
    drops: Drops,
}

impl Drop for SpawnsWhenDropped {
    fn drop(&mut self) {
        let counted = self.drops.counted();
        let task = self.on.spawn(async move {
            let _counted = counted;
            pending::<()>().await;
        });
        self.into.lock().unwrap().push(task);
    }
}

#[test]
fn tasks_whose_drops_wake_abort_and_await_each_other_all_end() {
    struct Meddles {
        wakers: Arc<Mutex<Vec<Waker>>>,
        other: Option<JoinHandle<()>>,
    }
    impl Drop for Meddles {
        fn drop(&mut self) {
            self.wakers
                .lock()
                .unwrap()
                .iter()
                .for_each(Waker::wake_by_ref);
            if let Some(other) = self.other.take() {
                other.abort();
                assert!(other.is_finished() || other.abort_handle().id() == other.id());
            }
        }
    }
    bounded(|| {
        for rt in [multi(8), multi(1), single()] {
            let (drops, wakers) = (Drops::default(), Arc::default());
            let mut last = None;
            for _ in 0..many(500) {
                let meddles = Meddles {
                    wakers: Arc::clone(&wakers),
                    other: last.take(),
                };
                let counted = drops.counted();
                last = Some(rt.spawn(async move {
                    let _both = (meddles, counted);
                    poll_fn(|context| {
                        let mut all = _both.0.wakers.lock().unwrap();
                        if all.len() < 10 {
                            all.push(context.waker().clone());
                        }
                        Poll::<()>::Pending
                    })
                    .await;
                }));
            }
            rt.block_on(yield_now());
            drop(rt);
            assert_eq!(drops.count(), many(500));
            cancelled(last.unwrap());
        }
    });
}

#[test]
fn a_task_of_another_runtime_that_waits_is_told() {
    bounded(|| {
        let (rt, other) = (multi(8), multi(2));
        let waits: Vec<_> = (0..50)
            .map(|_| {
                let task = rt.spawn(pending::<()>());
                other.spawn(async move { task.await.unwrap_err().is_cancelled() })
            })
            .collect();
        drop(rt);
        for wait in waits {
            assert!(other.block_on(wait).unwrap());
        }
    });
}

#[test]
fn a_runtime_dropped_inside_a_task_ends_in_the_background() {
    bounded(|| {
        // In its own task, in another's, and in the future of `block_on`.
        let (own, other) = (multi(4), multi(4));
        let drops = Drops::default();
        let fill = |rt: &Runtime| {
            let counted = drops.counted();
            rt.spawn(async move {
                let _counted = counted;
                pending::<()>().await;
            })
        };
        let filled = fill(&own);
        let on = own.handle().clone();
        let task = on.spawn(async move {
            drop(own);
            // This poll goes on.
            7
        });
        assert_eq!(single().block_on(task).unwrap(), 7);
        cancelled(filled);
        let third = multi(4);
        let filled = fill(&third);
        other
            .block_on(other.spawn(async move { drop(third) }))
            .unwrap();
        cancelled(filled);
        let fourth = single();
        let filled = fill(&fourth);
        other.block_on(async move { drop(fourth) });
        cancelled(filled);
        assert_eq!(drops.count(), 3);
    });
}

#[test]
fn a_shutdown_with_a_limit_returns_while_a_worker_is_stuck_and_the_others_end() {
    type End = fn(Runtime);
    let ends: [(End, u64); 3] = [
        (|rt| rt.shutdown_timeout(Duration::from_millis(30)), 30),
        (|rt| rt.shutdown_timeout(Duration::ZERO), 0),
        (Runtime::shutdown_background, 0),
    ];
    for (n, (end, least)) in ends.into_iter().enumerate() {
        bounded(move || {
            let name = format!("limited{n}");
            let mut builder = Builder::new_multi_thread();
            let rt = builder
                .worker_threads(4)
                .thread_name(&name)
                .build()
                .unwrap();
            let (drops, other) = (Drops::default(), single());
            let idle = |_| {
                let counted = drops.counted();
                rt.spawn(async move {
                    let _counted = counted;
                    pending::<()>().await;
                })
            };
            // So many that to stop them all takes longer than to run dry in between.
            let tasks: Vec<_> = (0..many(2000)).map(idle).collect();
            rt.block_on(a_turn());
            let gate = block_workers(&rt, 1);
            let start = Instant::now();
            end(rt);
            assert!(start.elapsed() >= Duration::from_millis(least));
            for task in tasks {
                assert!(other.block_on(task).unwrap_err().is_cancelled());
            }
            assert_eq!(drops.count(), many(2000));
            eventually("only the stuck one is left", || threads_called(&name) == 1);
            gate.open();
            assert_ended(&name);
        });
    }
}

#[test]
fn no_thread_and_no_descriptor_is_left() {
    bounded(|| {
        // Other tests of this process open and close some meanwhile, but not so many for good.
        let descriptors = || std::fs::read_dir("/proc/self/fd").unwrap().count();
        let before = descriptors();
        let mut builder = Builder::new_multi_thread();
        builder.worker_threads(4).thread_name("left");
        for _ in 0..many(200) {
            let rt = builder.build().unwrap();
            rt.block_on(async {
                filch::spawn(a_turn()).await.unwrap();
                filch::task::spawn_blocking(|| ()).await.unwrap();
            });
            drop(rt);
            assert_ended("left");
        }
        assert!(descriptors() < before + 150);
    });
}

/// A task that does a bit of everything for ever.
async fn busy(mut random: Random, promise: Promise<u32, ()>) {
    let (here, there) = pair();
    let here = Arc::new(here);
    loop {
        match random.below(8) {
            0 => sleep(Duration::from_micros(random.below(300) as u64)).await,
            1 => drop(filch::spawn(yield_now())),
            2 => filch::spawn(async {}).await.unwrap_or(()),
            3 => drop(filch::task::spawn_blocking(|| ())),
            4 => {
                promise.add_done_callback(|_| ());
            }
            5 => {
                std::io::Write::write_all(&mut &there, b"x").unwrap();
                // The reactor may end first.
                drop(read_byte(&here).await);
            }
            6 => drop(filch::time::timeout(Duration::from_micros(50), promise.clone()).await),
            _ => yield_now().await,
        }
    }
}

#[test]
fn a_runtime_can_end_at_any_moment() {
    let mut random = Random::from_env();
    for round in 0..many(200) {
        let mut random = random.fork();
        bounded(move || {
            let rt = if round % 5 == 4 {
                single()
            } else {
                multi(1 + random.below(8))
            };
            let drops = Drops::default();
            let promise = {
                let _entered = rt.enter();
                Promise::new()
            };
            let spawn = |_| {
                let (random, counted) = (random.fork(), drops.counted());
                let promise = promise.clone();
                rt.spawn(async move {
                    let _counted = counted;
                    busy(random, promise).await;
                })
            };
            let tasks: Vec<_> = (0..10).map(spawn).collect();
            // Foreign threads spawn and wake all the while.
            let stop = Arc::new(AtomicBool::new(false));
            let spawned = Arc::new(AtomicUsize::new(0));
            let foreign: Vec<_> = (0..2)
                .map(|_| {
                    let (on, stop, drops) = (rt.handle().clone(), stop.clone(), drops.clone());
                    let spawned = spawned.clone();
                    std::thread::spawn(move || {
                        let waker: Arc<Mutex<Option<Waker>>> = Arc::default();
                        while !stop.load(Ordering::Relaxed) {
                            let (counted, register) = (drops.counted(), waker.clone());
                            spawned.fetch_add(1, Ordering::SeqCst);
                            drop(on.spawn(poll_fn(move |context| {
                                let _counted = &counted;
                                *register.lock().unwrap() = Some(context.waker().clone());
                                Poll::<()>::Pending
                            })));
                            for _ in 0..10 {
                                let woken = waker.lock().unwrap().take();
                                woken.into_iter().for_each(Waker::wake);
                            }
                        }
                    })
                })
                .collect();
            let moment = Duration::from_micros(random.below(3000) as u64);
            rt.block_on(async { sleep(moment).await });
            match random.below(4) {
                0 => rt.shutdown_background(),
                1 => rt.shutdown_timeout(Duration::from_millis(random.below(3) as u64)),
                _ => drop(rt),
            }
            promise.cancel("the end");
            stop.store(true, Ordering::Relaxed);
            foreign
                .into_iter()
                .for_each(|thread| thread.join().unwrap());
            // A timer of a runtime that has ended panics when it is polled once more.
            for task in tasks {
                drop(single().block_on(task).unwrap_err());
            }
            let all = 10 + spawned.load(Ordering::SeqCst);
            eventually("all are dropped", || drops.count() >= all);
            assert_eq!(drops.count(), all);
        });
    }
}

//! Closures that block have threads of their own: as many as allowed, for as long as needed, and none is lost.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};

use filch::runtime::{Builder, Handle, Runtime};
use filch::task::spawn_blocking;

mod common;
use common::{
    Drops, Gate, Meeting, Random, a_turn, assert_ended, assert_healthy, bounded, child, child_role,
    eventually, many, multi, patience, run_child, single, threads_called,
};

fn with_threads(max: usize, keep_alive: Duration, name: &str) -> Runtime {
    let mut builder = Builder::new_multi_thread();
    builder.worker_threads(2).max_blocking_threads(max);
    builder.thread_keep_alive(keep_alive).thread_name(name);
    builder.build().unwrap()
}

/// Occupies the only blocking thread.
fn occupy(rt: &Runtime) -> Gate {
    let (gate, (tell, told)) = (Gate::closed(), mpsc::channel());
    let pass = gate.clone();
    drop(rt.spawn_blocking(move || {
        tell.send(()).unwrap();
        pass.pass();
    }));
    told.recv().unwrap();
    gate
}

#[test]
fn a_closure_gives_its_value_on_a_thread_that_is_no_worker() {
    bounded(|| {
        for rt in [multi(8), single()] {
            let name = || std::thread::current().name().unwrap().to_owned();
            let (from_outside, from_inside) = (rt.spawn_blocking(name), rt.handle().clone());
            assert!(rt.block_on(from_outside).unwrap().starts_with("filch-b"));
            let task = rt.spawn(async move {
                let both = (spawn_blocking(name), from_inside.spawn_blocking(name));
                (both.0.await.unwrap(), both.1.await.unwrap())
            });
            let names = rt.block_on(task).unwrap();
            assert!(names.0.starts_with("filch-b") && names.1.starts_with("filch-b"));
        }
    });
}

#[test]
fn as_many_run_at_once_as_allowed_and_no_more() {
    bounded(|| {
        let rt = with_threads(3, Duration::from_secs(10), "limited");
        let (running, meeting) = (Arc::new(AtomicUsize::new(0)), Meeting::of(3));
        let closure = |n: usize| {
            let (running, meeting) = (running.clone(), meeting.clone());
            rt.spawn_blocking(move || {
                let now = running.fetch_add(1, Ordering::SeqCst) + 1;
                assert!(now <= 3, "{now} at once");
                // The first three wait for each other: they need three threads.
                let missing = if n < 3 { meeting.meet() } else { 0 };
                running.fetch_sub(1, Ordering::SeqCst);
                missing
            })
        };
        let all: Vec<_> = (0..many(500)).map(closure).collect();
        for task in all {
            assert_eq!(rt.block_on(task).unwrap(), 0);
        }
    });
}

#[test]
fn closures_from_many_producers_all_run() {
    let mut random = Random::from_env();
    bounded(move || {
        for max in [1, 4, 512] {
            let rt = with_threads(max, Duration::from_micros(200), "producers");
            let produce = |_| {
                let mut random = random.fork();
                rt.spawn(async move {
                    for n in 0..many(200) {
                        assert_eq!(spawn_blocking(move || n).await.unwrap(), n);
                        if random.below(20) == 0 {
                            filch::time::sleep(Duration::from_micros(300)).await;
                        }
                    }
                })
            };
            let producers: Vec<_> = (0..16).map(produce).collect();
            producers
                .into_iter()
                .for_each(|task| rt.block_on(task).unwrap());
        }
    });
}

#[test]
fn a_closure_aborted_before_it_starts_never_runs() {
    bounded(|| {
        let rt = with_threads(1, Duration::from_secs(10), "abort");
        let gate = occupy(&rt);
        let (ran, drops) = (Arc::new(AtomicUsize::new(0)), Drops::default());
        let (runs, counted) = (ran.clone(), drops.counted());
        let task = rt.spawn_blocking(move || {
            let _counted = counted;
            runs.fetch_add(1, Ordering::SeqCst);
        });
        task.abort();
        gate.open();
        assert!(rt.block_on(task).unwrap_err().is_cancelled());
        assert_eq!((ran.load(Ordering::SeqCst), drops.count()), (0, 1));
    });
}

#[test]
fn a_closure_aborted_while_it_runs_gives_its_value() {
    bounded(|| {
        let rt = multi(8);
        let (gate, (tell, told)) = (Gate::closed(), mpsc::channel());
        let pass = gate.clone();
        let task = rt.spawn_blocking(move || {
            tell.send(()).unwrap();
            pass.pass();
            7
        });
        told.recv().unwrap();
        task.abort();
        gate.open();
        assert_eq!(rt.block_on(task).unwrap(), 7);
    });
}

#[test]
fn a_thread_ends_when_nothing_comes_for_the_keep_alive() {
    bounded(|| {
        for keep_alive in [Duration::ZERO, Duration::from_millis(20)] {
            let name = format!("alive{}", keep_alive.as_millis());
            let rt = with_threads(8, keep_alive, &name);
            for _ in 0..3 {
                let meeting = Meeting::of(8);
                let closure = |_| {
                    let meeting = meeting.clone();
                    rt.spawn_blocking(move || meeting.meet())
                };
                let all: Vec<_> = (0..8).map(closure).collect();
                all.into_iter()
                    .for_each(|task| assert_eq!(rt.block_on(task).unwrap(), 0));
                // Two workers and the reactor stay.
                eventually("the blocking threads end", || threads_called(&name) == 3);
            }
        }
    });
}

#[test]
fn a_thread_that_is_kept_alive_serves_the_next_closure() {
    bounded(|| {
        let rt = with_threads(8, patience(), "kept");
        let id = || std::thread::current().id();
        let first = rt.block_on(rt.spawn_blocking(id)).unwrap();
        // It may not be back yet when its answer is there.
        eventually("the same thread serves again", || {
            rt.block_on(rt.spawn_blocking(id)).unwrap() == first
        });
    });
}

#[test]
fn a_closure_may_do_what_a_task_may() {
    bounded(|| {
        for rt in [multi(8), single()] {
            let task = rt.spawn_blocking(|| {
                let handle = Handle::current();
                let spawned = filch::spawn(async { 1 });
                let nested = spawn_blocking(|| 2);
                let sum = handle.block_on(async {
                    filch::time::sleep(Duration::from_millis(2)).await;
                    a_turn().await;
                    spawned.await.unwrap() + nested.await.unwrap()
                });
                sum + filch::block_on(async { 4 })
            });
            // On a current-thread runtime both threads are in `block_on`.
            assert_eq!(rt.block_on(task).unwrap(), 7);
        }
    });
}

#[test]
fn shutdown_drops_what_has_not_started_and_waits_for_what_has() {
    bounded(|| {
        let rt = with_threads(1, Duration::from_secs(10), "waited-for");
        let gate = occupy(&rt);
        let (drops, other) = (Drops::default(), single());
        let (ended, end) = mpsc::channel();
        let queue = |_| {
            let counted = drops.counted();
            rt.spawn_blocking(move || drop(counted))
        };
        let queued: Vec<_> = (0..10).map(queue).collect();
        let handle = rt.handle().clone();
        std::thread::spawn(move || {
            drop(rt);
            ended.send(()).unwrap();
        });
        for task in queued {
            assert!(other.block_on(task).unwrap_err().is_cancelled());
        }
        assert_eq!(drops.count(), 10);
        let counted = drops.counted();
        let late = handle.spawn_blocking(move || drop(counted));
        assert_eq!(drops.count(), 11, "too late: dropped at once");
        assert!(other.block_on(late).unwrap_err().is_cancelled());
        assert!(
            end.recv_timeout(Duration::from_millis(50)).is_err(),
            "a closure still runs"
        );
        gate.open();
        end.recv().unwrap();
        assert_ended("waited-for");
    });
}

#[test]
fn a_shutdown_with_a_limit_waits_no_longer_than_that() {
    bounded(|| {
        type End = fn(Runtime);
        let ends: [(End, u64); 3] = [
            (|rt| rt.shutdown_timeout(Duration::from_millis(30)), 30),
            (|rt| rt.shutdown_timeout(Duration::ZERO), 0),
            (Runtime::shutdown_background, 0),
        ];
        for (end, least) in ends {
            let rt = multi(8);
            let gate = Gate::closed();
            let pass = gate.clone();
            let (tell, told) = mpsc::channel();
            let task = rt.spawn_blocking(move || {
                tell.send(()).unwrap();
                pass.pass();
                7
            });
            told.recv().unwrap();
            let start = Instant::now();
            end(rt);
            assert!(start.elapsed() >= Duration::from_millis(least));
            // The closure was left to itself, and it is not lost.
            gate.open();
            assert_eq!(single().block_on(task).unwrap(), 7);
        }
        let rt = multi(8);
        rt.block_on(rt.spawn_blocking(|| ())).unwrap();
        rt.shutdown_timeout(Duration::MAX);
    });
}

#[test]
fn a_thread_that_cannot_be_started_is_a_panic_and_no_closure_is_kept() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let test = "a_thread_that_cannot_be_started_is_a_panic_and_no_closure_is_kept";
    if child_role().is_none() {
        return drop(run_child(child(test, "")));
    }
    let mut builder = Builder::new_multi_thread();
    builder.worker_threads(1).thread_stack_size(1 << 30);
    let rt = builder.build().unwrap();
    let before = getrlimit(Resource::As);
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let used = status
        .lines()
        .find(|line| line.starts_with("VmSize"))
        .unwrap();
    let used: u64 = used.split_whitespace().nth(1).unwrap().parse().unwrap();
    let current = Some(used * 1024 + (1 << 29));
    setrlimit(Resource::As, Rlimit { current, ..before }).unwrap();
    let drops = Drops::default();
    for n in 1..3 {
        let counted = drops.counted();
        let spawn = || drop(rt.spawn_blocking(move || drop(counted)));
        let panic = catch_unwind(AssertUnwindSafe(spawn)).unwrap_err();
        let text = panic.downcast_ref::<String>().unwrap();
        assert!(text.contains("no thread could be started"), "{text}");
        assert_eq!(drops.count(), n);
    }
    setrlimit(Resource::As, before).unwrap();
    assert_eq!(rt.block_on(rt.spawn_blocking(|| 7)).unwrap(), 7);
    assert_healthy(&rt, 1);
    drop(rt);
}

#[test]
fn a_runtime_may_be_dropped_on_a_blocking_thread() {
    bounded(|| {
        // On another runtime's, it waits as anywhere else.
        let (rt, other) = (multi(2), multi(2));
        let task = other.spawn(async { 7 });
        rt.block_on(rt.spawn_blocking(move || drop(other))).unwrap();
        assert!(task.is_finished());
    });
}

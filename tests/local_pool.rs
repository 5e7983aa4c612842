//! A `LocalPoolHandle` runs futures that are not `Send` on threads of its own, each where it was made.

use std::cell::Cell;
use std::future::pending;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use std::sync::mpsc;
use std::thread::ThreadId;
use std::time::Duration;

use filch::task::{LocalPoolHandle, spawn_local, yield_now};
use filch::time::sleep;
use futures::channel::oneshot;

mod common;
use common::{
    Drops, Random, a_while, assert_ended, bounded, child, child_role, eventually, many, multi,
    run_child, single, threads_called,
};

fn here() -> ThreadId {
    std::thread::current().id()
}

#[test]
fn futures_that_are_not_send_run_where_they_were_made() {
    bounded(|| {
        let (rt, pool) = (multi(2), LocalPoolHandle::new(2));
        let tasks = (0..20).map(|n| {
            pool.spawn_pinned(move || {
                let (value, home) = (Rc::new(Cell::new(n)), here());
                let name = std::thread::current().name().unwrap().to_owned();
                assert!(name == "filch-p000" || name == "filch-p001", "{name}");
                async move {
                    yield_now().await;
                    sleep(Duration::from_millis(1)).await;
                    let inner = value.clone();
                    spawn_local(async move { inner.set(2 * inner.get()) })
                        .await
                        .unwrap();
                    assert_eq!(here(), home);
                    value.get()
                }
            })
        });
        for (n, task) in tasks.collect::<Vec<_>>().into_iter().enumerate() {
            assert_eq!(rt.block_on(task).unwrap(), 2 * n);
        }
    });
}

#[test]
fn a_pool_of_no_threads_is_refused() {
    let panic = catch_unwind(|| LocalPoolHandle::new(0)).unwrap_err();
    let text = panic.downcast_ref::<&str>().unwrap();
    assert!(text.contains("pool_size > 0"));
}

#[test]
fn each_task_goes_to_the_thread_with_the_fewest_or_to_the_one_that_is_named() {
    bounded(|| {
        let (rt, pool) = (single(), LocalPoolHandle::new(3));
        assert_eq!(pool.num_threads(), 3);
        assert_eq!(pool.get_task_loads_for_each_worker(), [0, 0, 0]);
        let mut tasks = Vec::new();
        let mut spawn = |on: Option<usize>| {
            let (end, ended) = oneshot::channel::<()>();
            let task = || async {
                ended.await.unwrap();
                std::thread::current().name().unwrap().to_owned()
            };
            tasks.push((
                end,
                match on {
                    Some(thread) => pool.spawn_pinned_by_idx(task, thread),
                    None => pool.spawn_pinned(task),
                },
            ));
        };
        (0..2).for_each(|_| spawn(Some(1)));
        assert_eq!(pool.get_task_loads_for_each_worker(), [0, 2, 0]);
        (0..4).for_each(|_| spawn(None));
        assert_eq!(pool.get_task_loads_for_each_worker(), [2, 2, 2]);
        let out_of_bounds = || drop(pool.spawn_pinned_by_idx(|| async {}, 3));
        assert!(catch_unwind(AssertUnwindSafe(out_of_bounds)).is_err());
        for (n, (end, task)) in tasks.into_iter().enumerate() {
            end.send(()).unwrap();
            let name = rt.block_on(task).unwrap();
            assert_eq!(name == "filch-p001", n < 2);
        }
        assert_eq!(pool.get_task_loads_for_each_worker(), [0, 0, 0]);
    });
}

#[test]
fn a_panic_of_the_closure_or_of_the_future_is_an_error_of_the_task() {
    bounded(|| {
        let (rt, pool) = (single(), LocalPoolHandle::new(1));
        let closure = pool.spawn_pinned(|| -> std::future::Ready<()> { panic!("in the closure") });
        let future = pool.spawn_pinned(|| async { panic!("in the future") });
        let (tell, told) = mpsc::channel();
        let dropped = pool.spawn_pinned(move || {
            struct Bad;
            impl Drop for Bad {
                fn drop(&mut self) {
                    panic!("in the drop");
                }
            }
            let bad = Bad;
            async move {
                let _bad = bad;
                tell.send(()).unwrap();
                pending::<()>().await;
            }
        });
        let closure = rt.block_on(closure).unwrap_err();
        assert!(closure.to_string().contains("in the closure"));
        assert_eq!(closure.spawned_at().file(), file!());
        assert!(
            rt.block_on(future)
                .unwrap_err()
                .to_string()
                .contains("in the future")
        );
        told.recv_timeout(a_while()).unwrap();
        dropped.abort();
        assert!(rt.block_on(dropped).unwrap_err().is_panic());
        assert_eq!(rt.block_on(pool.spawn_pinned(|| async { 1 })).unwrap(), 1);
        assert_eq!(pool.get_task_loads_for_each_worker(), [0]);
    });
}

#[test]
fn an_abort_drops_the_future_on_its_thread() {
    struct AtHome(ThreadId, Drops);
    impl Drop for AtHome {
        fn drop(&mut self) {
            assert_eq!(here(), self.0);
            drop(self.1.counted());
        }
    }
    bounded(|| {
        let (rt, pool, drops) = (single(), LocalPoolHandle::new(1), Drops::default());
        let (tell, told) = mpsc::channel();
        let counts = drops.clone();
        let task = pool.spawn_pinned(move || {
            let at_home = AtHome(here(), counts);
            tell.send(()).unwrap();
            async move {
                let _at_home = at_home;
                pending::<()>().await;
            }
        });
        told.recv_timeout(a_while()).unwrap();
        task.abort();
        assert!(rt.block_on(task).unwrap_err().is_cancelled());
        assert_eq!(drops.count(), 1);
    });
}

#[test]
fn a_task_runs_though_nobody_holds_its_handle_or_the_pool() {
    bounded(|| {
        let (begin, begun) = oneshot::channel::<()>();
        let (tell, told) = mpsc::channel();
        let drops = Drops::default();
        let counted = drops.counted();
        let pool = LocalPoolHandle::new(1);
        drop(pool.spawn_pinned(move || async move {
            spawn_local(async move {
                let _counted = counted;
                pending::<()>().await;
            });
            begun.await.unwrap();
            tell.send(()).unwrap();
        }));
        drop(pool.clone());
        drop(pool);
        assert!(told.try_recv().is_err());
        begin.send(()).unwrap();
        told.recv_timeout(a_while()).unwrap();
        // Then the thread ends, and with it what the task has left there.
        eventually("what the task left is dropped", || drops.count() == 1);
    });
}

#[test]
fn eight_threads_spawn_and_abort_and_every_task_ends_once() {
    bounded(|| {
        let mut random = Random::from_env();
        let (pool, drops) = (LocalPoolHandle::new(4), Drops::default());
        let threads = (0..8).map(|_| {
            let (pool, drops, mut random) = (pool.clone(), drops.clone(), random.fork());
            std::thread::spawn(move || {
                let rt = single();
                for _ in 0..many(300) {
                    let (counted, aborts) = (drops.counted(), random.below(3) == 0);
                    let task = pool.spawn_pinned(move || {
                        let counted = Rc::new(counted);
                        async move {
                            yield_now().await;
                            drop(counted);
                        }
                    });
                    if aborts {
                        task.abort();
                    }
                    let outcome = rt.block_on(task);
                    assert!(outcome.is_ok() || aborts);
                }
            })
        });
        let threads: Vec<_> = threads.collect();
        threads
            .into_iter()
            .for_each(|thread| thread.join().unwrap());
        assert_eq!(drops.count(), 8 * many(300));
        assert_eq!(pool.get_task_loads_for_each_worker(), [0; 4]);
    });
}

/// In a process of its own: it counts threads, and then forbids new ones.
#[test]
fn threads_end_with_the_pool_and_one_that_cannot_start_is_told() {
    if child_role().is_none() {
        return drop(run_child(child(
            "threads_end_with_the_pool_and_one_that_cannot_start_is_told",
            "alone",
        )));
    }
    let pool = LocalPoolHandle::new(3);
    assert_eq!(threads_called("filch-p"), 3);
    drop(pool);
    assert_ended("filch-p");
    // There are not enough descriptors for the pollers of so many runtimes.
    let rt = multi(1);
    let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile);
    let used = std::fs::read_dir("/proc/self/fd").unwrap().count() as u64;
    let set = |current| {
        let limit = rustix::process::Rlimit { current, ..limit };
        rustix::process::setrlimit(rustix::process::Resource::Nofile, limit).unwrap();
    };
    set(Some(used + 4));
    let outcome = catch_unwind(|| LocalPoolHandle::new(64));
    set(limit.current);
    let panic = outcome.unwrap_err();
    let text = panic.downcast_ref::<String>().unwrap();
    assert!(text.contains("could not be started"), "{text}");
    assert_ended("filch-p");
    assert_eq!(rt.block_on(rt.spawn(async { 1 })).unwrap(), 1);
}

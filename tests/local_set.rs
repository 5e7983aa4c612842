//! A `LocalSet` runs tasks that are not `Send`: on its own thread, while it is polled, each to its end or its drop.

use std::cell::{Cell, RefCell};
use std::future::{pending, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Poll, Waker};
use std::thread::ThreadId;
use std::time::Duration;

use filch::task::{Builder, LocalSet, cancelled, spawn_blocking, spawn_local, yield_now};
use filch::time::sleep;
use futures::FutureExt;
use futures::channel::oneshot;
use futures::future::join_all;

mod common;
use common::{Probe, bounded, many, on_each_kind, single};

fn here() -> ThreadId {
    std::thread::current().id()
}

/// Runs the test in `run_until` on each kind of runtime.
#[track_caller]
fn in_a_set<F: Future<Output = ()> + 'static>(test: fn() -> F) {
    on_each_kind(move |rt| LocalSet::new().block_on(&rt, test()));
}

/// Polls the set once, with the probe's waker.
fn poll(probe: &Probe, set: &mut LocalSet) -> Poll<()> {
    probe.poll(set)
}

#[test]
fn tasks_run_on_the_thread_of_their_set() {
    in_a_set(|| async {
        let home = here();
        let tasks = (0..128).map(|_| spawn_local(async { here() }));
        for thread in join_all(tasks.collect::<Vec<_>>()).await {
            assert_eq!(thread.unwrap(), home);
        }
        let nested = spawn_local(async {
            let inner = spawn_local(async { spawn_local(async { here() }).await.unwrap() });
            inner.await.unwrap()
        });
        assert_eq!(nested.await.unwrap(), home);
        // What blocks, and what is spawned on the runtime, is not in the set.
        let blocking = spawn_local(async { spawn_blocking(here).await.unwrap() });
        assert_ne!(blocking.await.unwrap(), home);
    });
}

#[test]
fn timers_and_values_that_are_not_send_work_in_them() {
    in_a_set(|| async {
        let count = Rc::new(Cell::new(0));
        let tasks = (1..=10).map(|n| {
            let count = count.clone();
            spawn_local(async move {
                sleep(Duration::from_millis(n % 3)).await;
                count.set(count.get() + 1);
                // Neither is the output.
                Rc::new(n)
            })
        });
        let mut sum = 0;
        for task in tasks.collect::<Vec<_>>() {
            sum += *task.await.unwrap();
        }
        assert_eq!((sum, count.get()), (55, 10));
    });
}

#[test]
fn a_set_is_ready_when_all_its_tasks_are_done() {
    on_each_kind(|rt| {
        let set = LocalSet::new();
        let done = Rc::new(Cell::new(0));
        for n in 0..3 {
            let done = done.clone();
            set.spawn_local(async move {
                let inner = done.clone();
                spawn_local(async move {
                    yield_now().await;
                    sleep(Duration::from_millis(n)).await;
                    inner.set(inner.get() + 1);
                });
                yield_now().await;
                done.set(done.get() + 1);
            });
        }
        rt.block_on(set);
        assert_eq!(done.get(), 6);
        rt.block_on(LocalSet::default());
    });
}

#[test]
fn a_task_is_awaited_on_another_thread() {
    on_each_kind(|rt| {
        let home = here();
        LocalSet::new().block_on(&rt, async move {
            let (send, receive) = oneshot::channel();
            let local = spawn_local(async move {
                receive.await.unwrap();
                here()
            });
            let elsewhere = filch::spawn(async move {
                send.send(()).unwrap();
                local.await.unwrap()
            });
            assert_eq!(elsewhere.await.unwrap(), home);
        });
    });
}

#[test]
fn one_poll_runs_no_more_than_61_tasks() {
    bounded(|| {
        let probe = Probe::new();
        let mut set = LocalSet::new();
        let ran = Rc::new(Cell::new(0));
        for _ in 0..100 {
            let ran = ran.clone();
            set.spawn_local(async move { ran.set(ran.get() + 1) });
        }
        assert!(poll(&probe, &mut set).is_pending());
        assert_eq!(ran.get(), 61);
        assert_eq!(probe.wakes(), 1, "there is more to do");
        assert!(poll(&probe, &mut set).is_ready());
        assert_eq!((ran.get(), probe.wakes()), (100, 1));
    });
}

#[test]
fn tasks_that_never_wait_starve_neither_the_runtime_nor_the_future_beside_them() {
    on_each_kind(|rt| {
        let set = LocalSet::new();
        for _ in 0..4 {
            set.spawn_local(async {
                loop {
                    yield_now().await;
                }
            });
        }
        set.block_on(&rt, async {
            let polite = filch::spawn(async {
                yield_now().await;
                sleep(Duration::from_millis(1)).await;
            });
            polite.await.unwrap();
            // Nor do they starve what other threads wake.
            let (send, receive) = oneshot::channel();
            let local = spawn_local(receive);
            std::thread::spawn(move || send.send(7).unwrap());
            assert_eq!(local.await.unwrap(), Ok(7));
        });
    });
}

#[test]
fn a_wake_up_between_polls_wakes_the_set_once_and_one_within_does_not() {
    bounded(|| {
        let (probe, mut set) = (Probe::new(), LocalSet::new());
        let wakers: Rc<RefCell<Vec<Waker>>> = Rc::default();
        for _ in 0..3 {
            let wakers = wakers.clone();
            let mut polled = false;
            set.spawn_local(poll_fn(move |context| {
                if std::mem::replace(&mut polled, true) {
                    return Poll::Ready(());
                }
                wakers.borrow_mut().push(context.waker().clone());
                Poll::Pending
            }));
        }
        assert!(poll(&probe, &mut set).is_pending());
        assert_eq!(probe.wakes(), 0);
        wakers.borrow().iter().for_each(Waker::wake_by_ref);
        assert_eq!(probe.wakes(), 1);
        assert!(poll(&probe, &mut set).is_ready());
        // Spawned from outside: the set must be polled again.
        set.spawn_local(async { yield_now().await });
        set.spawn_local(async {});
        assert_eq!(probe.wakes(), 2);
        assert!(poll(&probe, &mut set).is_ready());
        assert_eq!(probe.wakes(), 2);
    });
}

#[test]
fn a_wake_up_from_another_thread_wakes_whoever_polled_the_set_last() {
    bounded(|| {
        let (first, second, mut set) = (Probe::new(), Probe::new(), LocalSet::new());
        let (send, receive) = oneshot::channel();
        let (send_2, receive_2) = oneshot::channel();
        set.spawn_local(async move {
            receive.await.unwrap();
            receive_2.await.unwrap();
        });
        assert!(poll(&first, &mut set).is_pending());
        assert!(poll(&second, &mut set).is_pending());
        assert_eq!(first.held(), 0, "a waker that nobody needs is let go");
        let foreign = std::thread::spawn(move || send.send(()).unwrap());
        second.wait(1);
        foreign.join().unwrap();
        assert!(poll(&second, &mut set).is_pending());
        let foreign = std::thread::spawn(move || send_2.send(()).unwrap());
        second.wait(2);
        foreign.join().unwrap();
        assert!(poll(&second, &mut set).is_ready());
        assert_eq!((first.wakes(), second.wakes()), (0, 2));
        drop(set);
        assert_eq!(second.held(), 0);
    });
}

#[test]
fn what_is_spawned_in_the_last_poll_of_run_until_is_run_by_the_next() {
    on_each_kind(|rt| {
        let set = LocalSet::new();
        let ran = Rc::new(Cell::new(false));
        let runs = ran.clone();
        set.block_on(&rt, async {
            drop(spawn_local(async move { runs.set(true) }))
        });
        assert!(!ran.get());
        rt.block_on(set);
        assert!(ran.get());
    });
}

#[test]
fn a_future_that_is_ready_leaves_the_jobs_of_other_threads_to_a_further_poll() {
    bounded(|| {
        let (first, second, mut set) = (Probe::new(), Probe::new(), LocalSet::new());
        let (send, receive) = oneshot::channel();
        set.spawn_local(async move { receive.await.unwrap() });
        assert!(first.poll(&mut set).is_pending());
        std::thread::spawn(move || send.send(()).unwrap())
            .join()
            .unwrap();
        assert_eq!(first.wakes(), 1);
        // Whoever was woken leaves it to another.
        assert!(
            second
                .poll(&mut Box::pin(set.run_until(async {})))
                .is_ready()
        );
        assert_eq!(second.wakes(), 1);
        assert!(second.poll(&mut set).is_ready());
    });
}

#[test]
fn a_spawn_wakes_the_future_that_polls_the_set() {
    on_each_kind(|rt| {
        rt.block_on(async {
            let set = LocalSet::new();
            futures::select! {
                () = set.run_until(pending()).fuse() => unreachable!(),
                done = async { set.spawn_local(async { 3 }).await.unwrap() }.fuse() => assert_eq!(done, 3),
            }
            // One that is ready leaves what it has spawned to the other.
            let (send, receive) = oneshot::channel();
            let one = set.run_until(async {
                yield_now().await;
                drop(spawn_local(async { send.send(()).unwrap() }));
            });
            let other = set.run_until(async { receive.await.unwrap() });
            futures::future::join(other, one).await;
        });
    });
}

#[test]
fn a_set_that_is_entered_is_meant_by_spawn_local() {
    bounded(|| {
        let (rt, outer, inner) = (single(), LocalSet::new(), LocalSet::new());
        let guard = outer.enter();
        let in_outer = spawn_local(async { 1 });
        let inner_guard = inner.enter();
        let in_inner = spawn_local(async { 2 });
        drop(inner_guard);
        // Also by tasks that are woken while it is entered, and polled.
        let (send, receive) = oneshot::channel();
        outer.block_on(&rt, async move {
            spawn_local(async move {
                sleep(Duration::ZERO).await;
                send.send(()).unwrap();
            });
            receive.await.unwrap();
            assert_eq!(in_outer.await.unwrap(), 1);
        });
        assert!(!in_inner.is_finished());
        drop(guard);
        rt.block_on(inner);
        assert_eq!(rt.block_on(in_inner).unwrap(), 2);
        let panic = catch_unwind(|| drop(spawn_local(async {}))).unwrap_err();
        let text = panic.downcast_ref::<&str>().copied();
        let text = text.or(panic.downcast_ref::<String>().map(|text| &**text));
        assert!(
            text.unwrap()
                .contains("called from outside of a `task::LocalSet`")
        );
    });
}

#[test]
fn local_tasks_have_names() {
    in_a_set(|| async {
        let builder = || filch::task::Builder::new().name("at home");
        let task = builder().spawn_local(async { panic!("no") }).unwrap();
        let error = task.await.unwrap_err();
        assert_eq!(
            (error.name(), error.spawned_at().file()),
            (Some("at home"), file!())
        );
        let set = LocalSet::new();
        let task = builder().spawn_local_on(pending::<()>(), &set).unwrap();
        drop(set);
        assert_eq!(task.await.unwrap_err().name(), Some("at home"));
    });
}

#[test]
fn a_set_inside_another_is_left_alone_by_it() {
    in_a_set(|| async {
        let inner = Rc::new(LocalSet::new());
        let polls = inner.clone();
        let task = spawn_local(async move {
            polls
                .run_until(async { spawn_local(async { here() }).await })
                .await
        });
        assert_eq!(task.await.unwrap().unwrap(), here());
        // A set may even be polled by a task of its own, which then waits.
        let again = inner.clone();
        let task = inner.spawn_local(async move {
            let waits = async { spawn_local(sleep(Duration::from_millis(1))).await };
            again.run_until(waits).await.unwrap();
            sleep(Duration::from_millis(1)).await;
            spawn_local(async { 5 }).await.unwrap()
        });
        assert_eq!(inner.run_until(task).await.unwrap(), 5);
    });
}

#[test]
fn a_panic_is_the_tasks_own() {
    in_a_set(|| async {
        let bad = spawn_local(async { panic!("only here") });
        let good = spawn_local(async { 1 });
        assert!(bad.await.unwrap_err().to_string().contains("only here"));
        assert_eq!(good.await.unwrap(), 1);
    });
    on_each_kind(|rt| {
        // One of the future beside them leaves the set as it was.
        let set = LocalSet::new();
        let task = set.spawn_local(async { 2 });
        let panic = AssertUnwindSafe(|| set.block_on(&rt, async { panic!("beside") }));
        assert!(catch_unwind(panic).is_err());
        assert_eq!(set.block_on(&rt, task).unwrap(), 2);
    });
}

#[test]
fn eight_threads_wake_the_tasks_of_a_set_and_no_wake_up_is_lost() {
    on_each_kind(|rt| {
        let (set, done) = (LocalSet::new(), Arc::new(AtomicUsize::new(0)));
        let mut senders = Vec::new();
        for _ in 0..8 {
            let (send, receive) = async_channel::bounded(1);
            senders.push(send);
            let done = done.clone();
            set.spawn_local(async move {
                let here = Rc::new(here());
                while receive.recv().await.is_ok() {
                    done.fetch_add(1, Ordering::Relaxed);
                    spawn_local(async {}).await.unwrap();
                    assert_eq!(*here, std::thread::current().id());
                }
            });
        }
        let threads = senders.into_iter().map(|send| {
            std::thread::spawn(move || {
                (0..many(500)).for_each(|n| send.send_blocking(n).unwrap());
            })
        });
        let threads: Vec<_> = threads.collect();
        rt.block_on(set);
        threads
            .into_iter()
            .for_each(|thread| thread.join().unwrap());
        assert_eq!(done.load(Ordering::Relaxed), 8 * many(500));
    });
}

#[test]
fn a_local_task_with_grace_tidies_up() {
    on_each_kind(|rt| {
        let set = LocalSet::new();
        let builder = || Builder::new().grace(Duration::from_secs(3600));
        let tidies = async || {
            cancelled().await;
            yield_now().await;
            "tidy"
        };
        let there = builder().spawn_local_on(tidies(), &set).unwrap();
        set.block_on(&rt, async {
            let here = builder().spawn_local(tidies()).unwrap();
            for task in [here, there] {
                yield_now().await;
                sleep(Duration::from_millis(1)).await;
                task.cancel("bedtime");
                assert_eq!(task.await.unwrap(), "tidy");
            }
        });
    });
}

//! A `JoinSet` gives each of its tasks once, in whatever order they end; what it drops it aborts.

use std::collections::HashSet;
use std::future::{pending, ready};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Wake, Waker};
use std::time::Duration;

use filch::runtime::Runtime;
use filch::task::{JoinSet, yield_now};
use filch::time::sleep;
use futures::future::FutureExt;

mod common;
use common::{
    Drops, Gate, Probe, Random, a_while, bounded, eventually, hurts_no_other, many, multi,
    on_each_kind, single,
};

/// Joins all tasks, which give the numbers from 0 on, each once.
async fn assert_gives(set: &mut JoinSet<usize>, numbers: usize) {
    let mut seen = vec![false; numbers];
    while let Some(number) = set.join_next().await {
        let twice = std::mem::replace(&mut seen[number.unwrap()], true);
        assert!(!twice);
    }
    assert!(seen.iter().all(|seen| *seen), "{seen:?}");
    assert!(set.is_empty());
    assert!(set.try_join_next().is_none());
    assert!(set.join_next().await.is_none());
}

/// Lets as many polls of other tasks happen, at least, on a current-thread runtime.
async fn let_run(polls: usize) {
    for _ in 0..polls {
        yield_now().await;
    }
}

#[test]
fn it_gives_each_task_once() {
    on_each_kind(|rt| {
        rt.block_on(async {
            let mut set = JoinSet::new();
            assert!(set.join_next().await.is_none());
            for n in 0..10 {
                set.spawn(ready(n));
                assert_eq!(set.len(), n + 1);
            }
            set.detach_all();
            assert_eq!(set.len(), 0);
            assert!(set.join_next().await.is_none());
            for _ in 0..2 {
                for n in 0..10 {
                    set.spawn(async move {
                        sleep(Duration::from_millis(n as u64)).await;
                        n
                    });
                    assert_eq!(set.len(), n + 1);
                }
                assert_gives(&mut set, 10).await;
            }
        });
    });
}

#[test]
fn tasks_come_in_the_order_in_which_they_end() {
    bounded(|| {
        single().block_on(async {
            let (mut set, mut gates) = (JoinSet::new(), Vec::new());
            for n in 0..8 {
                let (open, gate) = async_channel::bounded::<()>(1);
                gates.push(open);
                set.spawn(async move {
                    gate.recv().await.unwrap();
                    n
                });
            }
            assert!(set.join_next().now_or_never().is_none());
            let_run(8).await;
            for n in [3, 7, 0, 1, 6, 2, 5, 4] {
                gates[n].try_send(()).unwrap();
                let_run(1).await;
            }
            for n in [3, 7, 0, 1, 6, 2, 5, 4] {
                assert_eq!(set.join_next().await.unwrap().unwrap(), n);
            }
        });
    });
}

#[test]
fn alternating() {
    on_each_kind(|rt| {
        rt.block_on(async {
            let mut set = JoinSet::new();
            assert_eq!(set.len(), 0);
            set.spawn(ready(()));
            assert_eq!(set.len(), 1);
            set.spawn(ready(()));
            assert_eq!(set.len(), 2);
            for _ in 0..many(1000) {
                set.join_next().await.unwrap().unwrap();
                assert_eq!(set.len(), 1);
                set.spawn(ready(()));
                assert_eq!(set.len(), 2);
            }
        });
    });
}

#[test]
fn dropping_it_aborts_its_tasks() {
    on_each_kind(|rt| {
        let drops = Drops::default();
        rt.block_on(async {
            for is_asked in [false, true] {
                let (alive, gone) = async_channel::bounded::<()>(1);
                let mut set = JoinSet::new();
                for _ in 0..16 {
                    let (alive, counted) = (alive.clone(), drops.counted());
                    set.spawn(async move {
                        pending::<()>().await;
                        drop((alive, counted));
                    });
                }
                drop(alive);
                if is_asked {
                    assert!(set.join_next().now_or_never().is_none());
                }
                drop(set);
                assert!(gone.recv().await.is_err());
            }
        });
        assert_eq!(drops.count(), 32);
    });
}

#[test]
fn aborted_tasks_are_joined_as_such() {
    on_each_kind(|rt| {
        rt.block_on(async {
            let mut set = JoinSet::new();
            for n in 0..16 {
                let abort = set.spawn(async move {
                    sleep(Duration::from_millis(n)).await;
                    match n % 2 {
                        0 => n,
                        _ => pending().await,
                    }
                });
                if n % 2 != 0 {
                    abort.abort();
                }
            }
            let (mut ended, mut cancelled) = (0, 0);
            while let Some(next) = set.join_next().await {
                match next {
                    Ok(n) => {
                        assert_eq!(n % 2, 0);
                        ended += 1;
                    }
                    Err(error) => {
                        assert!(error.is_cancelled());
                        cancelled += 1;
                    }
                }
            }
            assert_eq!((ended, cancelled), (8, 8));
        });
    });
}

#[test]
fn abort_all_leaves_what_is_done() {
    bounded(|| {
        single().block_on(async {
            let mut set: JoinSet<()> = JoinSet::new();
            for _ in 0..5 {
                set.spawn(pending());
                set.spawn(ready(()));
            }
            let_run(10).await;
            assert!(set.join_next().await.unwrap().is_ok());
            set.abort_all();
            assert_eq!(set.len(), 9);
            let (mut ended, mut cancelled) = (0, 0);
            while let Some(next) = set.join_next().await {
                match next {
                    Ok(()) => ended += 1,
                    Err(error) => cancelled += usize::from(error.is_cancelled()),
                }
            }
            assert_eq!((ended, cancelled), (4, 5));
        });
    });
}

#[test]
fn a_runtime_that_is_gone_has_cancelled_its_tasks() {
    bounded(|| {
        for is_asked in [false, true] {
            let mut set = JoinSet::new();
            let rt = single();
            set.spawn_on(pending::<u32>(), rt.handle());
            if is_asked {
                assert!(set.join_next().now_or_never().is_none());
            }
            drop(rt);
            let gone = single().block_on(set.join_next()).unwrap();
            assert!(gone.unwrap_err().is_cancelled());
        }
    });
}

#[test]
fn join_all_gives_all_values() {
    on_each_kind(|rt| {
        rt.block_on(async {
            let set: JoinSet<_> = (0..5).map(ready).collect();
            let mut all = set.join_all().await;
            all.sort();
            assert_eq!(all, [0, 1, 2, 3, 4]);
        });
    });
}

#[test]
fn join_all_passes_a_panic_on_and_aborts_the_others() {
    on_each_kind(|rt| {
        let drops = Drops::default();
        let counted = drops.counted();
        rt.block_on(async {
            let mut set: JoinSet<()> = JoinSet::new();
            set.spawn(async move {
                let _counted = counted;
                pending().await
            });
            set.spawn(async {
                yield_now().await;
                panic!("on purpose");
            });
            let error = filch::spawn(set.join_all()).await.unwrap_err();
            assert_eq!(
                *error.into_panic().downcast_ref::<&str>().unwrap(),
                "on purpose"
            );
        });
        eventually("the other task is dropped", || {
            rt.block_on(yield_now());
            drops.count() == 1
        });
    });
}

#[test]
#[should_panic(expected = "was cancelled")]
fn join_all_panics_if_a_task_was_aborted() {
    single().block_on(async {
        let mut set: JoinSet<()> = JoinSet::new();
        set.spawn(pending()).abort();
        set.join_all().await;
    });
}

#[test]
fn it_keeps_to_the_budget() {
    const TASKS: usize = 1000;
    bounded(|| {
        single().block_on(async {
            let done = Arc::new(AtomicUsize::new(0));
            let mut set = JoinSet::new();
            for _ in 0..TASKS {
                let done = done.clone();
                set.spawn(async move { done.fetch_add(1, Ordering::Relaxed) });
            }
            while done.load(Ordering::Relaxed) < TASKS {
                yield_now().await;
            }
            let (mut joined, mut refused) = (0, 0);
            loop {
                match set.join_next().now_or_never() {
                    Some(Some(next)) => {
                        next.unwrap();
                        joined += 1;
                    }
                    Some(None) => break,
                    None => {
                        refused += 1;
                        yield_now().await;
                    }
                }
            }
            assert_eq!(joined, TASKS);
            assert!((6..=8).contains(&refused), "{refused}");
        });
    });
}

#[test]
fn try_join_next_waits_for_nothing_and_has_no_budget() {
    const TASKS: usize = 1000;
    bounded(|| {
        single().block_on(async {
            let (go, wait) = async_channel::bounded::<()>(1);
            let mut set = JoinSet::new();
            let mut spawned = HashSet::new();
            for n in 0..TASKS {
                let wait = wait.clone();
                let abort = set.spawn(async move {
                    assert!(wait.recv().await.is_err());
                    n
                });
                spawned.insert((abort.id(), n));
            }
            let_run(TASKS).await;
            assert!(set.try_join_next().is_none());
            assert!(set.try_join_next_with_id().is_none());
            drop(go);
            let_run(TASKS).await;
            let joined = std::iter::from_fn(|| set.try_join_next_with_id());
            let joined: HashSet<_> = joined.map(Result::unwrap).collect();
            assert!(joined == spawned, "{} of {TASKS}", joined.len());
            assert!(set.is_empty());
        });
    });
}

#[test]
fn the_id_is_the_one_of_the_task() {
    on_each_kind(|rt| {
        rt.block_on(async {
            let mut set = JoinSet::new();
            let abort = set.spawn(async { filch::task::id() });
            let (id, inside) = set.join_next_with_id().await.unwrap().unwrap();
            assert_eq!((id, inside), (abort.id(), abort.id()));

            let abort = set.spawn(async { panic!("on purpose") });
            let error = set.join_next_with_id().await.unwrap().unwrap_err();
            assert_eq!(error.id(), abort.id());
            assert_eq!(error.spawned_at().line(), line!() - 3);
        });
    });
}

#[test]
fn extend_and_collect_spawn() {
    on_each_kind(|rt| {
        rt.block_on(async {
            let mut set: JoinSet<_> = (0..5).map(ready).collect();
            set.extend((5..10).map(ready));
            assert_gives(&mut set, 10).await;
        });
    });
}

#[test]
fn blocking_closures_and_other_runtimes() {
    bounded(|| {
        let (here, there) = (single(), multi(2));
        here.block_on(async {
            let mut set = JoinSet::new();
            set.spawn(ready(0));
            set.spawn_on(ready(1), there.handle());
            set.spawn_blocking(|| 2);
            set.spawn_blocking_on(|| 3, there.handle());
            set.build_task().name("four").spawn(ready(4)).unwrap();
            let on = there.handle();
            set.build_task().spawn_on(ready(5), on).unwrap();
            set.build_task().spawn_blocking(|| 6).unwrap();
            set.build_task().spawn_blocking_on(|| 7, on).unwrap();
            assert_eq!(
                format!("{set:?} {:?}", JoinSet::<()>::default()),
                "JoinSet { len: 8 } JoinSet { len: 0 }"
            );
            assert_gives(&mut set, 8).await;

            set.build_task()
                .name("nine")
                .spawn(async { panic!("on purpose") })
                .unwrap();
            let error = set.join_next().await.unwrap().unwrap_err();
            assert_eq!(error.name(), Some("nine"));
        });
    });
}

#[test]
fn shutdown_waits_until_all_are_dropped() {
    on_each_kind(|rt| {
        let drops = Drops::default();
        rt.block_on(async {
            let mut set = JoinSet::new();
            for n in 0..16 {
                let counted = drops.counted();
                set.spawn(async move {
                    let _counted = counted;
                    match n % 4 {
                        0 => panic!("on purpose"),
                        1 => (),
                        _ => pending().await,
                    }
                });
            }
            set.shutdown().await;
            assert_eq!(drops.count(), 16);
            assert!(set.is_empty());
        });
    });
}

#[test]
fn detached_tasks_run_on_and_tell_the_set_nothing() {
    on_each_kind(|rt| {
        rt.block_on(async {
            let (go, wait) = async_channel::bounded::<()>(1);
            let (tell, told) = async_channel::unbounded();
            let mut set = JoinSet::new();
            for _ in 0..8 {
                let (wait, tell) = (wait.clone(), tell.clone());
                set.spawn(async move {
                    let _ = wait.recv().await;
                    tell.try_send(()).unwrap();
                });
            }
            // Now they are in the list of those that tell.
            assert!(set.join_next().now_or_never().is_none());
            set.detach_all();
            for _ in 0..8 {
                set.spawn(pending());
            }
            assert!(set.join_next().now_or_never().is_none());
            drop(go);
            for _ in 0..8 {
                told.recv().await.unwrap();
            }
            filch::spawn(ready(())).await.unwrap();
            assert!(set.join_next().now_or_never().is_none());
            assert_eq!(set.len(), 8);
        });
    });
}

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
        rt.block_on(assert_gives(&mut set, 4));
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
                    let _ = filch::time::timeout(Duration::from_micros(200), set.join_next()).await;
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
        let limit = std::time::Instant::now() + a_while();
        while joined < many(2000) {
            assert!(std::time::Instant::now() < limit);
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

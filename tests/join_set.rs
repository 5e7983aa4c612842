//! A `JoinSet` gives each of its tasks once, in whatever order they end; what it drops it aborts.

use std::collections::HashSet;
use std::future::{pending, ready};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use filch::task::{JoinSet, yield_now};
use filch::time::sleep;
use futures::future::FutureExt;

mod common;
use common::{Drops, bounded, eventually, many, multi, on_each_kind, single};

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
        eventually("each is dropped", || {
            rt.block_on(yield_now());
            drops.count() == 32
        });
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
fn local_tasks_join_a_set_too() {
    use filch::task::LocalSet;
    use std::rc::Rc;

    let rt = common::single();
    let local = LocalSet::new();
    let (mut set, one) = (JoinSet::new(), Rc::new(1));
    for n in 0..10 {
        let one = one.clone();
        set.spawn_local_on(async move { (n, one) }, &local);
    }
    assert_eq!(Rc::strong_count(&one), 11);
    let joined = local.block_on(&rt, async move {
        let here = one.clone();
        set.spawn_local(async move { (10, here) });
        drop(one);
        let named = set.build_task().name("eleven");
        named.spawn_local(async { panic!("on purpose") }).unwrap();
        let lonely = LocalSet::new();
        let named = set.build_task().name("twelve");
        named
            .spawn_local_on(std::future::pending(), &lonely)
            .unwrap();
        drop(lonely);
        let mut values = Vec::new();
        let mut lost = Vec::new();
        while let Some(joined) = set.join_next().await {
            match joined {
                Ok(value) => values.push(value),
                Err(error) => lost.push(error.name().unwrap().to_owned()),
            }
        }
        lost.sort_unstable();
        assert_eq!(lost, ["eleven", "twelve"]);
        values
    });
    let mut numbers: Vec<i32> = joined.iter().map(|(n, _)| *n).collect();
    numbers.sort_unstable();
    assert_eq!(numbers, (0..=10).collect::<Vec<_>>());
    assert_eq!(Rc::strong_count(&joined[0].1), 11);
}

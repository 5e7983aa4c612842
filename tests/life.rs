//! A task's life: it runs once spawned, gives its value once, can be aborted in any phase, and is polled after a wake.

use std::collections::HashSet;
use std::future::{Future, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::task::{Poll, Waker};

use filch::task::{JoinError, yield_now};

mod common;
use common::{Drops, Gate, Probe, block_workers, bounded, eventually, many, multi, single};

#[test]
fn a_task_gives_its_value_to_whoever_awaits_it() {
    bounded(|| {
        let (rt, other) = (multi(8), multi(2));
        let task = rt.spawn(async { 6 * 7 });
        // A task of another runtime may be the one that waits.
        let waiting = other.spawn(async move { task.await.unwrap() + 1 });
        assert_eq!(rt.block_on(waiting).unwrap(), 43);
    });
}

#[test]
fn a_task_runs_on_when_its_handle_is_dropped() {
    bounded(|| {
        let rt = multi(8);
        let (tell, told) = mpsc::channel();
        for n in 0..many(1000) {
            let tell = tell.clone();
            drop(rt.spawn(async move {
                yield_now().await;
                tell.send(n).unwrap();
            }));
        }
        drop(tell);
        assert_eq!(told.iter().collect::<HashSet<_>>().len(), many(1000));
    });
}

#[test]
fn tasks_spawned_by_tasks_all_run_with_any_number_of_workers() {
    fn tree(depth: u32) -> std::pin::Pin<Box<dyn Future<Output = usize> + Send>> {
        Box::pin(async move {
            if depth == 0 {
                return 1;
            }
            let halves = [filch::spawn(tree(depth - 1)), filch::spawn(tree(depth - 1))];
            let mut sum = 0;
            for half in halves {
                sum += half.await.unwrap();
            }
            sum
        })
    }
    bounded(|| {
        let depth = if many(50) == 50 { 11 } else { 5 };
        for workers in [1, 2, 8, 64] {
            let rt = multi(workers);
            assert_eq!(rt.block_on(rt.spawn(tree(depth))).unwrap(), 1 << depth);
        }
    });
}

#[test]
fn a_task_is_finished_when_its_value_is_there_and_not_before() {
    bounded(|| {
        let rt = multi(8);
        let (tell, told) = async_channel::bounded::<u32>(1);
        let task = rt.spawn(async move { told.recv().await.unwrap() });
        let handle = task.abort_handle();
        assert!(!task.is_finished() && !handle.is_finished());
        tell.send_blocking(3).unwrap();
        eventually("finished", || task.is_finished());
        assert!(handle.is_finished());
        assert_eq!(rt.block_on(task).unwrap(), 3);
    });
}

#[test]
fn a_task_aborted_before_its_first_poll_never_runs() {
    bounded(|| {
        let rt = multi(1);
        let gate = block_workers(&rt, 1);
        let (ran, drops) = (Arc::new(AtomicBool::new(false)), Drops::default());
        let (runs, counted) = (ran.clone(), drops.counted());
        let task = rt.spawn(async move {
            let _counted = counted;
            runs.store(true, Ordering::SeqCst);
        });
        task.abort();
        assert_eq!(drops.count(), 0, "the future is dropped on a worker");
        gate.open();
        assert!(rt.block_on(task).unwrap_err().is_cancelled());
        assert!(!ran.load(Ordering::SeqCst));
        assert_eq!(drops.count(), 1);
    });
}

/// Aborts a task in the middle of a poll. The answer is what became of it, and whether it went beyond its next await.
fn abort_in_poll(await_again: bool) -> (Result<u32, JoinError>, bool) {
    let rt = multi(8);
    let (tell, told) = mpsc::channel();
    let (gate, beyond, drops) = (
        Gate::closed(),
        Arc::new(AtomicBool::new(false)),
        Drops::default(),
    );
    let task = {
        let (gate, beyond, counted) = (gate.clone(), beyond.clone(), drops.counted());
        rt.spawn(async move {
            let _counted = counted;
            tell.send(()).unwrap();
            gate.pass();
            if await_again {
                yield_now().await;
                beyond.store(true, Ordering::SeqCst);
            }
            7
        })
    };
    told.recv().unwrap();
    task.abort();
    assert!(!task.is_finished());
    gate.open();
    let outcome = rt.block_on(task);
    assert_eq!(drops.count(), 1);
    (outcome, beyond.load(Ordering::SeqCst))
}

#[test]
fn a_task_aborted_in_a_poll_ends_at_its_next_await() {
    bounded(|| {
        let (outcome, went_beyond) = abort_in_poll(true);
        assert!(outcome.unwrap_err().is_cancelled());
        assert!(!went_beyond);
    });
}

#[test]
fn a_task_aborted_in_its_last_poll_gives_its_value() {
    bounded(|| assert_eq!(abort_in_poll(false).0.unwrap(), 7));
}

#[test]
fn an_abort_comes_too_late_for_a_task_that_is_done() {
    bounded(|| {
        let rt = multi(8);
        let task = rt.spawn(async { 7 });
        eventually("finished", || task.is_finished());
        task.abort();
        task.abort_handle().abort();
        assert_eq!(rt.block_on(task).unwrap(), 7);
    });
}

#[test]
fn tasks_that_wait_or_yield_for_ever_can_be_aborted_from_any_thread() {
    bounded(|| {
        let rt = multi(8);
        let drops = Drops::default();
        let spawn = |n: usize| {
            let counted = drops.counted();
            rt.spawn(async move {
                let _counted = counted;
                if n % 2 == 0 {
                    std::future::pending::<()>().await;
                }
                loop {
                    yield_now().await;
                }
            })
        };
        let tasks: Vec<_> = (0..20).map(spawn).collect();
        let handles: Vec<_> = tasks.iter().map(|task| task.abort_handle()).collect();
        std::thread::spawn(move || handles.iter().for_each(|handle| handle.abort()));
        for task in tasks {
            assert!(rt.block_on(task).unwrap_err().is_cancelled());
        }
        assert_eq!(drops.count(), 20);
    });
}

#[test]
fn a_task_can_abort_itself() {
    bounded(|| {
        let rt = multi(8);
        let (tell, told) = async_channel::bounded::<filch::task::AbortHandle>(1);
        let task = rt.spawn(async move {
            told.recv().await.unwrap().abort();
            std::future::pending::<()>().await;
        });
        tell.send_blocking(task.abort_handle()).unwrap();
        assert!(rt.block_on(task).unwrap_err().is_cancelled());
    });
}

#[test]
fn yield_now_lets_each_other_task_of_the_worker_run_once() {
    bounded(|| {
        let rt = multi(1);
        let said = Arc::new(Mutex::new(Vec::new()));
        let by_tasks = said.clone();
        rt.block_on(rt.spawn(async move {
            let speak = |name: usize| {
                let said = by_tasks.clone();
                filch::spawn(async move {
                    for _ in 0..200 {
                        said.lock().unwrap().push(name);
                        yield_now().await;
                    }
                })
            };
            // All three wait on the one worker before any of them runs.
            for task in [0, 1, 2].map(speak) {
                task.await.unwrap();
            }
        }))
        .unwrap();
        let said = said.lock().unwrap();
        for (n, three) in said.chunks(3).enumerate() {
            let names: HashSet<_> = three.iter().collect();
            assert_eq!(names.len(), 3, "round {n}: {three:?}");
        }
    });
}

#[test]
fn ids_are_unique_and_a_task_knows_its_own() {
    bounded(|| {
        let rt = Arc::new(multi(8));
        let spawn_many = |_| {
            let rt = rt.clone();
            std::thread::spawn(move || {
                let tasks = (0..many(2000)).map(|_| rt.spawn(async { filch::task::id() }));
                let of_tasks = tasks.map(|task| {
                    let (id, by_handle) = (task.id(), task.abort_handle().id());
                    assert_eq!(id, by_handle);
                    assert_eq!(rt.block_on(task).unwrap(), id);
                    id
                });
                of_tasks.collect::<Vec<_>>()
            })
        };
        let threads: Vec<_> = (0..8).map(spawn_many).collect();
        let ids = threads.into_iter().flat_map(|t| t.join().unwrap());
        assert_eq!(ids.collect::<HashSet<_>>().len(), 8 * many(2000));
    });
}

#[test]
fn there_is_no_task_outside_tasks() {
    bounded(|| {
        for rt in [multi(8), single()] {
            assert!(filch::task::try_id().is_none());
            assert!(rt.block_on(async { filch::task::try_id() }).is_none());
            let panic = catch_unwind(|| filch::task::id()).unwrap_err();
            assert!(panic.downcast_ref::<&str>().unwrap().contains("no task"));
            let task = rt.spawn_blocking(filch::task::id);
            let id = task.id();
            assert_eq!(rt.block_on(task).unwrap(), id);
        }
    });
}

#[test]
fn nothing_can_be_spawned_outside_a_runtime() {
    bounded(|| {
        let calls: [fn(); 3] = [
            || drop(filch::spawn(async {})),
            || drop(filch::task::spawn_blocking(|| ())),
            || drop(filch::runtime::Handle::current()),
        ];
        for call in calls {
            let panic = catch_unwind(call).unwrap_err();
            let text = panic.downcast_ref::<String>().unwrap();
            assert!(text.contains("no filch runtime"), "{text}");
        }
        assert!(filch::runtime::Handle::try_current().is_err());
        let rt = multi(1);
        {
            let _entered = rt.enter();
            assert_eq!(rt.block_on(filch::spawn(async { 1 })).unwrap(), 1);
        }
        assert!(filch::runtime::Handle::try_current().is_err());
    });
}

async fn boom() {
    panic!("no tea")
}

fn bang() {
    panic!("no tea")
}

#[test]
fn an_error_says_which_task_spawned_where_and_why() {
    bounded(|| {
        let rt = multi(8);
        let on = rt.handle().clone();
        let named = || filch::task::Builder::new().name("fetch");
        rt.block_on(async {
            let tasks = [
                (line!(), false, filch::spawn(boom())),
                (line!(), false, on.spawn(boom())),
                (line!(), false, rt.spawn(boom())),
                (line!(), true, named().spawn(boom()).unwrap()),
                (line!(), true, named().spawn_on(boom(), &on).unwrap()),
                (line!(), false, filch::task::spawn_blocking(bang)),
                (line!(), false, on.spawn_blocking(bang)),
                (line!(), true, named().spawn_blocking(bang).unwrap()),
            ];
            for (line, is_named, task) in tasks {
                let (id, name) = (task.id(), is_named.then_some("fetch"));
                let error = task.await.unwrap_err();
                assert_eq!(error.id(), id);
                assert_eq!(
                    (error.spawned_at().file(), error.spawned_at().line()),
                    (file!(), line)
                );
                assert_eq!(error.name(), name);
                let who = name.map_or(format!("{id}"), |name| format!("{name:?}"));
                let text = format!(
                    "task {who} ({}:{line}) panicked with message \"no tea\"",
                    file!()
                );
                assert_eq!(error.to_string(), text);
                assert!(error.is_panic() && !error.is_cancelled());
                assert_eq!(error.into_panic().downcast_ref::<&str>(), Some(&"no tea"));
            }
            let task = named().spawn(std::future::pending::<()>()).unwrap();
            task.abort();
            let error = task.await.unwrap_err();
            assert!(error.is_cancelled() && !error.is_panic());
            assert!(error.to_string().ends_with("was cancelled"), "{error}");
            let error = error.try_into_panic().unwrap_err();
            assert!(catch_unwind(AssertUnwindSafe(|| error.into_panic())).is_err());
        });
    });
}

#[test]
fn a_handle_wakes_whoever_polled_it_last() {
    bounded(|| {
        let rt = multi(8);
        let (tell, told) = async_channel::bounded::<u32>(1);
        let mut task = rt.spawn(async move { told.recv().await.unwrap() });
        let probes: Vec<_> = (0..5).map(|_| Probe::new()).collect();
        for probe in &probes {
            assert!(probe.poll(&mut task).is_pending());
            assert!(probe.poll(&mut task).is_pending());
        }
        tell.send_blocking(5).unwrap();
        probes[4].wait(1);
        assert!(probes[..4].iter().all(|p| p.wakes() == 0 && p.held() == 0));
        assert!(matches!(probes[0].poll(&mut task), Poll::Ready(Ok(5))));
        eventually("the last waker is dropped", || probes[4].held() == 0);
        assert_eq!(probes[4].wakes(), 1);
        let again = catch_unwind(AssertUnwindSafe(|| probes[0].poll(&mut task).is_ready()));
        assert!(again.is_err(), "a handle gives its value once");
    });
}

#[test]
fn no_wake_is_lost_and_no_two_polls_overlap_under_a_storm_of_wakes() {
    bounded(|| {
        let rt = multi(8);
        let (threads, rounds, tasks) = (8, many(2000), 4);
        let wakers: Arc<Vec<Mutex<Waker>>> = Arc::new(
            (0..tasks)
                .map(|_| Mutex::new(Waker::noop().clone()))
                .collect(),
        );
        let done = Arc::new(AtomicUsize::new(0));
        let spawn = |n: usize| {
            let (wakers, done) = (wakers.clone(), done.clone());
            let in_poll = AtomicBool::new(false);
            rt.spawn(poll_fn(move |context| {
                assert!(!in_poll.swap(true, Ordering::Relaxed), "two polls at once");
                wakers[n].lock().unwrap().clone_from(context.waker());
                // After the waker is there: whoever counts from here on wakes it.
                let all = done.load(Ordering::Relaxed) == threads * rounds;
                in_poll.store(false, Ordering::Relaxed);
                if all { Poll::Ready(()) } else { Poll::Pending }
            }))
        };
        let all: Vec<_> = (0..tasks).map(spawn).collect();
        for _ in 0..threads {
            let (wakers, done) = (wakers.clone(), done.clone());
            std::thread::spawn(move || {
                for n in 0..rounds {
                    done.fetch_add(1, Ordering::Relaxed);
                    for waker in &*wakers {
                        let waker = waker.lock().unwrap().clone();
                        if n % 2 == 0 {
                            waker.wake()
                        } else {
                            waker.wake_by_ref()
                        }
                    }
                }
            });
        }
        all.into_iter().for_each(|task| rt.block_on(task).unwrap());
    });
}

#[test]
fn wakes_during_a_poll_make_one_more_poll() {
    bounded(|| {
        let rt = multi(8);
        let polls = Arc::new(AtomicUsize::new(0));
        let count = polls.clone();
        let mut woke = false;
        rt.block_on(rt.spawn(poll_fn(move |context| {
            count.fetch_add(1, Ordering::SeqCst);
            if std::mem::replace(&mut woke, true) {
                return Poll::Ready(());
            }
            (0..100).for_each(|_| context.waker().wake_by_ref());
            Poll::Pending
        })))
        .unwrap();
        assert_eq!(polls.load(Ordering::SeqCst), 2);
    });
}

#[test]
fn a_waker_that_outlives_its_runtime_does_nothing() {
    bounded(|| {
        for rt in [multi(8), single()] {
            let drops = Drops::default();
            let (tell, told) = mpsc::channel();
            let counted = drops.counted();
            let task = rt.spawn(async move {
                let _counted = counted;
                poll_fn(|context| {
                    tell.send(context.waker().clone()).unwrap();
                    Poll::<()>::Pending
                })
                .await;
            });
            let waker = rt.block_on(async {
                yield_now().await;
                yield_now().await;
                told.recv().unwrap()
            });
            drop(rt);
            assert_eq!(drops.count(), 1);
            let threads = [waker.clone(), waker.clone()].map(|w| std::thread::spawn(|| w.wake()));
            waker.wake_by_ref();
            threads.into_iter().for_each(|t| t.join().unwrap());
            waker.wake();
            assert_eq!(drops.count(), 1);
            assert!(single().block_on(task).unwrap_err().is_cancelled());
        }
    });
}

#[test]
fn a_large_future_keeps_its_contents_wherever_it_runs() {
    bounded(|| {
        let rt = multi(8);
        let spawn = |n: u8| {
            rt.spawn(async move {
                let mut large = [n; 100_000];
                for round in 0..50 {
                    large[2000 * round] = large[2000 * round].wrapping_add(1);
                    yield_now().await;
                }
                let right =
                    |(at, byte): (usize, &u8)| *byte == n.wrapping_add(u8::from(at % 2000 == 0));
                large.iter().enumerate().all(right)
            })
        };
        let tasks: Vec<_> = (0..20).map(spawn).collect();
        for task in tasks {
            assert!(rt.block_on(task).unwrap());
        }
    });
}

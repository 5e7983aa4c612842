//! A current-thread runtime: whoever is in `block_on` drives the tasks, the I/O and the timers, one thread at a time.

use std::io::Write;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::task::Waker;
use std::time::Duration;

use filch::runtime::Handle;
use filch::task::yield_now;
use filch::time::sleep;

mod common;
use common::{
    Drops, Random, a_turn, assert_healthy, bounded, child, child_role, many, multi, pair,
    read_byte, run_child, single,
};

#[test]
fn block_on_drives_tasks_io_and_timers_on_its_own_thread() {
    bounded(|| {
        let rt = single();
        let here = std::thread::current().id();
        // A future of `block_on` need not be `Send`.
        let count = Rc::new(std::cell::Cell::new(0));
        let counts = count.clone();
        rt.block_on(async move {
            let (source, mut peer) = pair();
            let reads = filch::spawn(async move {
                let byte = read_byte(&source).await.unwrap();
                (byte, std::thread::current().id())
            });
            let sleeps = filch::spawn(async {
                sleep(Duration::from_millis(2)).await;
                std::thread::current().id()
            });
            peer.write_all(b"x").unwrap();
            assert_eq!(reads.await.unwrap(), (b'x', here));
            assert_eq!(sleeps.await.unwrap(), here);
            counts.set(counts.get() + 1);
        });
        assert_eq!(count.get(), 1);
    });
}

#[test]
fn nothing_runs_while_nobody_is_in_block_on() {
    bounded(|| {
        let rt = single();
        let ran = Arc::new(AtomicUsize::new(0));
        let spawn = |on: &Handle| {
            let ran = ran.clone();
            on.spawn(async move { ran.fetch_add(1, Ordering::SeqCst) })
        };
        let mut tasks: Vec<_> = (0..10).map(|_| spawn(rt.handle())).collect();
        let on = rt.handle().clone();
        std::thread::scope(|scope| {
            let foreign = scope.spawn(|| (0..10).map(|_| spawn(&on)).collect::<Vec<_>>());
            tasks.extend(foreign.join().unwrap());
        });
        assert_eq!(ran.load(Ordering::SeqCst), 0);
        assert!(tasks.iter().all(|task| !task.is_finished()));
        // In the order in which they were spawned.
        for (n, task) in tasks.into_iter().enumerate() {
            assert_eq!(rt.block_on(task).unwrap(), n);
        }
    });
}

#[test]
fn foreign_threads_wake_and_spawn_while_block_on_waits() {
    bounded(|| {
        let rt = single();
        let (send, receive) = async_channel::unbounded();
        for thread in 0..4 {
            let (on, send) = (rt.handle().clone(), send.clone());
            std::thread::spawn(move || {
                for n in 0..many(500) {
                    let again = send.clone();
                    // By a task, or straight to the future of `block_on`.
                    if n % 2 == 0 {
                        on.spawn(async move { again.send((thread, n)).await.unwrap() });
                    } else {
                        send.send_blocking((thread, n)).unwrap();
                    }
                }
            });
        }
        drop(send);
        let count = rt.block_on(async {
            let mut count = 0;
            while receive.recv().await.is_ok() {
                count += 1;
            }
            count
        });
        assert_eq!(count, 4 * many(500));
    });
}

#[test]
fn neither_the_future_of_block_on_nor_the_tasks_starve() {
    bounded(|| {
        let rt = single();
        let ran = Arc::new(AtomicBool::new(false));
        let runs = ran.clone();
        rt.block_on(async {
            filch::spawn(async move {
                a_turn().await;
                sleep(Duration::from_millis(1)).await;
                runs.store(true, Ordering::SeqCst);
            });
            while !ran.load(Ordering::SeqCst) {
                yield_now().await;
            }
            let spin = |_| {
                filch::spawn(async {
                    loop {
                        yield_now().await;
                    }
                })
            };
            let spins: Vec<_> = (0..10).map(spin).collect();
            a_turn().await;
            sleep(Duration::from_millis(1)).await;
            let (tell, told) = async_channel::bounded::<()>(1);
            std::thread::spawn(move || tell.send_blocking(()).unwrap());
            told.recv().await.unwrap();
            spins.iter().for_each(|spin| spin.abort());
        });
    });
}

#[test]
fn of_threads_in_block_on_one_drives_and_another_takes_over() {
    let mut random = Random::from_env();
    bounded(move || {
        let rt = Arc::new(single());
        let threads: Vec<_> = (0..8)
            .map(|_| {
                let (rt, mut random) = (rt.clone(), random.fork());
                std::thread::spawn(move || {
                    for n in 0..many(300) {
                        let kind = random.below(4);
                        let got = rt.block_on(async {
                            let task = filch::spawn(async move {
                                match kind {
                                    0 => sleep(Duration::from_micros(100)).await,
                                    1 => a_turn().await,
                                    2 => yield_now().await,
                                    _ => {}
                                }
                                n
                            });
                            task.await.unwrap()
                        });
                        assert_eq!(got, n);
                    }
                })
            })
            .collect();
        threads
            .into_iter()
            .for_each(|thread| thread.join().unwrap());
    });
}

#[test]
fn another_thread_takes_over_when_the_one_that_drives_panics() {
    bounded(|| {
        let rt = Arc::new(single());
        let (go, going) = async_channel::bounded::<()>(1);
        let (tell, told) = async_channel::bounded::<u32>(1);
        let (drives, driving) = mpsc::channel();
        let first = rt.clone();
        let first = std::thread::spawn(move || {
            first.block_on(async move {
                drives.send(()).unwrap();
                going.recv().await.unwrap();
                panic!("on purpose");
            })
        });
        driving.recv().unwrap();
        let second = rt.clone();
        let second = std::thread::spawn(move || second.block_on(told.recv()).unwrap());
        // A task that needs a driver after the panic.
        let task = rt.spawn(async move {
            go.send(()).await.unwrap();
            for _ in 0..100 {
                sleep(Duration::from_micros(10)).await;
            }
            tell.send(7).await.unwrap();
        });
        assert!(first.join().is_err());
        assert_eq!(second.join().unwrap(), 7);
        rt.block_on(task).unwrap();
        assert_healthy(&rt, 1);
    });
}

#[test]
fn block_on_inside_block_on_or_a_task_panics_and_hurts_nothing() {
    bounded(|| {
        for (rt, workers) in [(single(), 1), (multi(8), 8)] {
            let other = single();
            let nested = || {
                for block_on in [Handle::current(), other.handle().clone()] {
                    let call = AssertUnwindSafe(|| block_on.block_on(async {}));
                    let panic = catch_unwind(call).unwrap_err();
                    let text = panic.downcast_ref::<&str>().unwrap();
                    assert!(text.contains("cannot block on a future"), "{text}");
                }
            };
            rt.block_on(async { nested() });
            let other = other.handle().clone();
            rt.block_on(rt.spawn(async move {
                assert!(catch_unwind(AssertUnwindSafe(|| other.block_on(async {}))).is_err());
            }))
            .unwrap();
            assert_healthy(&rt, workers);
        }
    });
}

#[test]
fn its_end_drops_every_task_once_on_the_thread_that_ends_it() {
    bounded(|| {
        let rt = single();
        let drops = Drops::default();
        let wakers: Arc<Mutex<Vec<Waker>>> = Arc::default();
        for n in 0..100 {
            let (counted, wakers) = (drops.counted(), wakers.clone());
            rt.spawn(async move {
                let _counted = counted;
                std::future::poll_fn(|context| {
                    wakers.lock().unwrap().push(context.waker().clone());
                    std::task::Poll::<()>::Pending
                })
                .await;
            });
            if n == 50 {
                // So many have run and wait; the others never run.
                rt.block_on(yield_now());
            }
        }
        for waker in wakers.lock().unwrap().iter().take(10) {
            waker.wake_by_ref();
        }
        assert_eq!(drops.count(), 0);
        drop(rt);
        assert_eq!(drops.count(), 100);
    });
}

#[test]
fn a_future_that_is_dropped_at_the_end_is_still_inside_its_runtime() {
    struct AsksWhereItIs(mpsc::Sender<bool>);
    impl Drop for AsksWhereItIs {
        fn drop(&mut self) {
            self.0.send(Handle::try_current().is_ok()).unwrap();
        }
    }
    bounded(|| {
        for rt in [multi(8), single()] {
            let (tell, told) = mpsc::channel();
            let asks = AsksWhereItIs(tell);
            let task = async move {
                let _asks = asks;
                std::future::pending::<()>().await;
            };
            rt.spawn(task);
            drop(rt);
            assert!(told.recv().unwrap(), "no runtime is current");
        }
    });
}

/// How long this thread has used the processor.
fn processor_time() -> Duration {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap();
    Duration::from_nanos(text.split_whitespace().next().unwrap().parse().unwrap())
}

#[test]
fn a_block_on_that_outlives_its_runtime_goes_on_and_does_not_spin() {
    bounded(|| {
        for rt in [single(), multi(8)] {
            let handle = rt.handle().clone();
            let (tell, told) = async_channel::bounded::<u32>(1);
            let (drives, driving) = mpsc::channel();
            let drops = Drops::default();
            let counted = drops.counted();
            let blocks = std::thread::spawn(move || {
                handle.block_on(async move {
                    let task = filch::spawn(async move {
                        let _counted = counted;
                        std::future::pending::<()>().await;
                    });
                    yield_now().await;
                    drives.send(()).unwrap();
                    assert!(task.await.unwrap_err().is_cancelled());
                    drives.send(()).unwrap();
                    let late = filch::spawn(async {}).await;
                    assert!(late.unwrap_err().is_cancelled());
                    let before = processor_time();
                    let got = told.recv().await.unwrap();
                    (got, processor_time() - before)
                })
            });
            driving.recv().unwrap();
            drop(rt);
            driving.recv().unwrap();
            assert_eq!(drops.count(), 1);
            // Long enough to see it spin.
            std::thread::sleep(Duration::from_millis(200));
            tell.send_blocking(7).unwrap();
            let (got, used) = blocks.join().unwrap();
            assert_eq!(got, 7);
            assert!(used < Duration::from_millis(50), "{used:?} of 200 ms");
        }
    });
}

#[test]
fn waiting_for_another_thread_in_block_on_takes_no_memory() {
    if child_role().is_none() {
        let test = "waiting_for_another_thread_in_block_on_takes_no_memory";
        return drop(run_child(child(test, "")));
    }
    let pages = || {
        let text = std::fs::read_to_string("/proc/self/statm").unwrap();
        text.split_whitespace()
            .nth(1)
            .unwrap()
            .parse::<usize>()
            .unwrap()
    };
    let rt = Arc::new(single());
    let (stop, stopped) = async_channel::bounded::<()>(1);
    let (drives, driving) = mpsc::channel();
    let first = rt.clone();
    let first = std::thread::spawn(move || {
        first.block_on(async move {
            drives.send(()).unwrap();
            stopped.recv().await.unwrap();
        });
    });
    driving.recv().unwrap();
    let poll_often = |n: usize| {
        rt.block_on(async {
            for _ in 0..n {
                yield_now().await;
            }
        });
    };
    poll_often(1000);
    let before = pages();
    poll_often(many(1_000_000));
    let grown = pages().saturating_sub(before);
    assert!(grown < 1000, "{grown} pages more");
    stop.send_blocking(()).unwrap();
    first.join().unwrap();
}

//! A future that is dropped at an await forgets its wait and nothing else: nothing leaks, and others still complete.

use std::future::{Future, pending};
use std::io::{ErrorKind, Read, Write};
use std::os::unix::net::UnixStream;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::{Arc, mpsc};
use std::task::Context;
use std::time::{Duration, Instant};

use filch::Promise;
use filch::io::{Direction, Interest, Source};
use filch::runtime::Runtime;
use filch::task::yield_now;
use filch::time::{sleep, sleep_until, timeout};

mod common;
use common::{
    Drops, Gate, Probe, Random, bounded, eventually, in_time, many, multi, on_each_kind, pair,
};

const HOUR: Duration = Duration::from_secs(3600);

/// Reads into a small buffer, once.
async fn read(source: &Source<UnixStream>) -> std::io::Result<Vec<u8>> {
    let mut buffer = [0; 64];
    let read = |mut stream: &UnixStream| stream.read(&mut buffer);
    let n = source.async_io(Interest::READABLE, read).await?;
    Ok(buffer[..n].to_vec())
}

#[test]
fn a_join_handle_that_goes_leaves_its_task_running() {
    bounded(|| {
        let rt = multi(8);
        let (tell, told) = mpsc::channel();
        let (go, wait) = async_channel::bounded::<()>(1);
        let mut task = rt.spawn(async move {
            wait.recv().await.unwrap();
            tell.send(7).unwrap();
        });
        let probe = Probe::new();
        assert!(probe.poll(&mut task).is_pending());
        assert_eq!(probe.held(), 1);
        drop(task);
        assert_eq!(probe.held(), 0);
        go.send_blocking(()).unwrap();
        assert_eq!(told.recv().unwrap(), 7);
        assert_eq!(probe.wakes(), 0);
    });
}

#[test]
fn a_wait_for_a_handle_that_goes_leaves_the_outcome_in_the_task() {
    bounded(|| {
        let rt = multi(8);
        let (go, wait) = async_channel::bounded::<u32>(1);
        let mut task = rt.spawn(async move { wait.recv().await.unwrap() });
        rt.block_on(async {
            let limit = Duration::from_millis(2);
            assert!(timeout(limit, &mut task).await.is_err());
            assert!(timeout(limit, &mut task).await.is_err());
        });
        go.send_blocking(7).unwrap();
        assert_eq!(rt.block_on(task).unwrap(), 7);
    });
}

#[test]
fn a_blocking_closure_runs_on_when_its_handle_goes() {
    bounded(|| {
        let rt = multi(8);
        let (gate, (tell, told)) = (Gate::closed(), mpsc::channel());
        let pass = gate.clone();
        let mut task = rt.spawn_blocking(move || {
            pass.pass();
            tell.send(7).unwrap();
        });
        let probe = Probe::new();
        assert!(probe.poll(&mut task).is_pending());
        drop(task);
        assert_eq!(probe.held(), 0);
        gate.open();
        assert_eq!(told.recv().unwrap(), 7);
    });
}

#[test]
fn a_sleep_that_goes_wakes_nobody_and_those_beside_it_still_fire() {
    let attempt = |rt: &Runtime, ahead: Duration| {
        let _entered = rt.enter();
        let at = Instant::now() + ahead;
        let [goes, stays] = [Probe::new(), Probe::new()];
        let mut sleeps: Vec<_> = (0..6).map(|_| Box::pin(sleep_until(at.into()))).collect();
        for (n, sleep) in sleeps.iter_mut().enumerate() {
            let probe = if n % 2 == 0 { &goes } else { &stays };
            if probe.poll(sleep).is_ready() {
                return None;
            }
        }
        let mut n = 0;
        sleeps.retain(|_| (n += 1, n % 2 == 0).1);
        if (goes.wakes(), stays.wakes()) != (0, 0) {
            return None;
        }
        assert_eq!((goes.held(), stays.held()), (0, 3));
        // A sleep that is longer than the others lets them all fire.
        rt.block_on(sleep_until((at + Duration::from_millis(1)).into()));
        stays.wait(3);
        assert!(sleeps.iter_mut().all(|sleep| stays.poll(sleep).is_ready()));
        assert_eq!((goes.wakes(), stays.held()), (0, 0));
        Some(())
    };
    on_each_kind(move |rt| in_time(|ahead| attempt(&rt, ahead)));
}

#[test]
fn a_timeout_that_goes_takes_its_future_with_it() {
    on_each_kind(|rt| {
        let _entered = rt.enter();
        let (probe, drops) = (Probe::new(), Drops::default());
        let future = |drops: &Drops| {
            let counted = drops.counted();
            async move {
                let _counted = counted;
                pending::<()>().await;
            }
        };
        let mut waits = Box::pin(timeout(HOUR, future(&drops)));
        assert!(probe.poll(&mut waits).is_pending());
        assert_eq!((probe.held(), drops.count()), (1, 0));
        drop(waits);
        assert_eq!((probe.held(), drops.count()), (0, 1));
        let passed = timeout(Duration::from_millis(1), future(&drops));
        assert!(rt.block_on(passed).is_err());
        assert_eq!(drops.count(), 2);
    });
}

#[test]
fn a_wait_for_a_source_that_goes_loses_no_data_and_no_other_waiter() {
    on_each_kind(|rt| {
        let _entered = rt.enter();
        let (here, mut there) = pair();
        let [goes, stays] = [Probe::new(), Probe::new()];
        {
            let mut waits: Vec<Pin<Box<dyn Future<Output = _> + '_>>> = vec![
                Box::pin(read(&here)),
                Box::pin(async { here.ready(Interest::READABLE).await.map(|_| Vec::new()) }),
            ];
            assert!(waits.iter_mut().all(|wait| goes.poll(wait).is_pending()));
            let mut ready = Box::pin(here.ready(Interest::READABLE));
            assert!(stays.poll(&mut ready).is_pending());
            assert_eq!(goes.held(), 2);
            drop(waits);
            assert_eq!((goes.held(), stays.held()), (0, 1));
            there.write_all(b"tea").unwrap();
            rt.block_on(ready).unwrap();
        }
        assert_eq!(goes.wakes(), 0);
        assert_eq!(rt.block_on(read(&here)).unwrap(), b"tea");
    });
}

#[test]
fn a_source_that_goes_drops_the_waker_of_whoever_polled_it() {
    on_each_kind(|rt| {
        let _entered = rt.enter();
        let (here, there) = pair();
        let probe = Probe::new();
        let waker = probe.waker();
        let mut context = Context::from_waker(&waker);
        let would_block = |_: &UnixStream| Err::<(), _>(ErrorKind::WouldBlock.into());
        for direction in [Direction::Read, Direction::Write] {
            assert!(
                here.poll_io(&mut context, direction, would_block)
                    .is_pending()
            );
        }
        assert!(here.poll_ready(&mut context, Direction::Read).is_pending());
        assert_eq!(probe.held(), 3, "one for each direction and our own");
        drop(here);
        assert_eq!(probe.held(), 1);
        drop(there);
    });
}

#[test]
fn yield_now_can_be_dropped_half_way() {
    bounded(|| {
        let rt = multi(8);
        rt.block_on(rt.spawn(async {
            for _ in 0..100 {
                let mut half = Box::pin(yield_now());
                let dropped = std::future::poll_fn(|context| {
                    assert!(half.as_mut().poll(context).is_pending());
                    std::task::Poll::Ready(())
                });
                dropped.await;
                drop(half);
            }
        }))
        .unwrap();
        let probe = Probe::new();
        let mut half = Box::pin(yield_now());
        assert!(probe.poll(&mut half).is_pending());
        drop(half);
        assert_eq!((probe.wakes(), probe.held()), (1, 0));
    });
}

/// Something to wait for, of this kind, for which nothing happens by itself.
async fn wait_for_ever(kind: usize, promise: Promise<u32, ()>, source: Arc<Source<UnixStream>>) {
    match kind {
        0 => drop(filch::spawn(pending::<()>()).await),
        1 => drop(promise.await),
        2 => sleep(HOUR).await,
        3 => drop(timeout(HOUR, pending::<()>()).await),
        4 => drop(source.ready(Interest::READABLE).await),
        5 => drop(read(&source).await),
        6 => loop {
            yield_now().await;
        },
        _ => drop(timeout(HOUR, Box::pin(read(&source))).await),
    }
}

#[test]
fn a_task_can_be_aborted_at_each_kind_of_await() {
    on_each_kind(|rt| {
        let _entered = rt.enter();
        let (here, there) = pair();
        let (here, promise, drops) = (Arc::new(here), Promise::new(), Drops::default());
        let spawn = |kind: usize| {
            let (promise, here, counted) = (promise.clone(), here.clone(), drops.counted());
            rt.spawn(async move {
                let _counted = counted;
                wait_for_ever(kind, promise, here).await;
            })
        };
        let tasks: Vec<_> = (0..8).map(spawn).collect();
        let others = (rt.spawn(promise.clone().wait()), here.clone());
        let other = rt.spawn(async move { read(&others.1).await });
        // Nobody tells when all have come to their awaits, so go round a few times.
        rt.block_on(async {
            for _ in 0..100 {
                yield_now().await;
            }
        });
        for (kind, task) in tasks.into_iter().enumerate() {
            task.abort();
            assert!(rt.block_on(task).unwrap_err().is_cancelled());
            assert_eq!(drops.count(), kind + 1);
        }
        promise.set_result(7).unwrap();
        (&there).write_all(b"tea").unwrap();
        assert_eq!(rt.block_on(others.0).unwrap(), Ok(7));
        assert_eq!(rt.block_on(other).unwrap().unwrap(), b"tea");
    });
}

/// Polls a wait a few times, each time with another waker, and drops it wherever it is.
fn poll_and_drop<F: Future>(random: &mut Random, wait: F) {
    let mut wait = Box::pin(wait);
    let probes: Vec<_> = (0..random.below(4)).map(|_| Probe::new()).collect();
    for probe in &probes {
        if probe.poll(&mut wait).is_ready() {
            break;
        }
        (0..random.below(200)).for_each(|_| std::hint::spin_loop());
    }
    drop(wait);
    // Whoever completes it may hold a waker for the moment that it takes to wake it.
    eventually("no waker is left", || {
        probes.iter().all(|probe| probe.held() == 0)
    });
}

#[test]
fn waits_that_go_while_they_complete_leave_no_waker_behind() {
    let mut random = Random::from_env();
    bounded(move || {
        let rt = Arc::new(multi(8));
        let _entered = rt.enter();
        let threads: Vec<_> = (0..4)
            .map(|_| {
                let (rt, mut random) = (rt.clone(), random.fork());
                std::thread::spawn(move || {
                    let _entered = rt.enter();
                    for _ in 0..many(1000) {
                        let (here, there) = pair();
                        let promise: Promise<(), ()> = Promise::new();
                        let (set, spins) = (promise.clone(), random.below(500));
                        let task = rt.spawn(async move {
                            (0..spins).for_each(|_| std::hint::spin_loop());
                            set.set_result(()).unwrap();
                            (&there).write_all(b"tea").unwrap();
                            yield_now().await;
                        });
                        poll_and_drop(&mut random, promise.wait());
                        poll_and_drop(&mut random, here.ready(Interest::READABLE));
                        poll_and_drop(&mut random, read(&here));
                        let limit = Duration::from_micros(random.below(50) as u64);
                        poll_and_drop(&mut random, sleep(limit));
                        poll_and_drop(&mut random, task);
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
fn a_future_that_panics_in_its_drop_is_out_of_every_list() {
    struct Bad;
    impl Drop for Bad {
        fn drop(&mut self) {
            panic!("on purpose");
        }
    }
    on_each_kind(|rt| {
        let _entered = rt.enter();
        let probe = Probe::new();
        let mut wait = Box::pin(async {
            let _bad = Bad;
            timeout(HOUR, pending::<()>()).await
        });
        assert!(probe.poll(&mut wait).is_pending());
        assert_eq!(probe.held(), 1);
        assert!(catch_unwind(AssertUnwindSafe(|| drop(wait))).is_err());
        assert_eq!(probe.held(), 0);
    });
}

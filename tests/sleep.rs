//! Sleeps that are reset, crowds of timers, and wakers that misbehave: nothing is lost, leaked or in the way.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Wake, Waker};

use filch::runtime::Runtime;
use filch::time::{Duration, Instant, Sleep, advance, pause, sleep, sleep_until, timeout};

mod common;
use common::{
    Counted, Drops, Gate, Probe, Random, a_turn, assert_healthy, block_workers, bounded,
    eventually, in_time, many, multi, on_each_kind, single,
};

const HOUR: Duration = Duration::from_secs(3600);

const fn ms(n: u64) -> Duration {
    Duration::from_millis(n)
}

fn boxed(rt: &Runtime, duration: Duration) -> Pin<Box<Sleep>> {
    let _entered = rt.enter();
    Box::pin(sleep(duration))
}

#[test]
fn a_sleep_can_be_reset_before_and_after_its_end() {
    on_each_kind(|rt| {
        rt.block_on(async {
            pause();
            let start = Instant::now();
            let probe = Probe::new();
            let mut sleep = Box::pin(sleep(ms(100)));
            // Not polled yet.
            sleep.as_mut().reset(start + ms(50));
            assert_eq!(
                (sleep.deadline(), sleep.is_elapsed()),
                (start + ms(50), false)
            );
            assert!(probe.poll(&mut sleep).is_pending());
            // Later, and sooner, while it waits: the waker stays.
            sleep.as_mut().reset(start + ms(80));
            advance(ms(60)).await;
            assert_eq!(probe.wakes(), 0);
            sleep.as_mut().reset(start + ms(70));
            advance(ms(10)).await;
            assert_eq!((probe.wakes(), sleep.is_elapsed()), (1, true));
            assert!(probe.poll(&mut sleep).is_ready());
            // After its end.
            sleep.as_mut().reset(start + ms(90));
            assert!(!sleep.is_elapsed());
            sleep.as_mut().await;
            assert_eq!(start.elapsed(), ms(90));
            // Between its moment and its poll.
            sleep.as_mut().reset(start + ms(95));
            assert!(probe.poll(&mut sleep).is_pending());
            advance(ms(5)).await;
            sleep.as_mut().reset(start + ms(120));
            assert!(probe.poll(&mut sleep).is_pending());
            // To the past.
            sleep.as_mut().reset(start);
            assert!(sleep.is_elapsed());
            sleep.as_mut().await;
            assert_eq!((start.elapsed(), probe.held()), (ms(95), 0));
        });
    });
}

#[test]
fn a_sleep_that_is_reset_to_the_past_wakes_its_task() {
    on_each_kind(|rt| {
        let probe = Probe::new();
        let mut sleep = boxed(&rt, HOUR);
        // Somebody has to turn the poller of a current-thread runtime.
        let (tell, told) = async_channel::bounded::<()>(1);
        let rt = Arc::new(rt);
        let drives = rt.clone();
        let driving = std::thread::spawn(move || drives.block_on(async { told.recv().await }));
        assert!(probe.poll(&mut sleep).is_pending());
        sleep.as_mut().reset(Instant::now());
        probe.wait(1);
        assert!(probe.poll(&mut sleep).is_ready());
        tell.send_blocking(()).unwrap();
        driving.join().unwrap().unwrap();
    });
}

#[test]
fn random_resets_and_drops_from_many_threads_lose_nothing() {
    let mut random = Random::from_env();
    bounded(move || {
        let rt = multi(8);
        let tasks: Vec<_> = (0..16)
            .map(|_| {
                let mut random = random.fork();
                rt.spawn(async move {
                    let (send, receive) = async_channel::bounded::<Pin<Box<Sleep>>>(4);
                    // Others finish what this one has begun, or drop it.
                    let takes = filch::spawn(async move {
                        while let Ok(sleep) = receive.recv().await {
                            let deadline = sleep.deadline();
                            if deadline < Instant::now() + ms(50) {
                                sleep.await;
                                assert!(Instant::now() >= deadline);
                            }
                        }
                    });
                    let probe = Probe::new();
                    for _ in 0..many(300) {
                        let span = |random: &mut Random| {
                            Duration::from_micros(
                                random.next() % [50, 3000, 1 << 40][random.below(3)],
                            )
                        };
                        let mut sleep = Box::pin(sleep(span(&mut random)));
                        for _ in 0..random.below(4) {
                            let _ = probe.poll(&mut sleep);
                            if random.below(2) == 0 {
                                sleep.as_mut().reset(Instant::now() + span(&mut random));
                            }
                        }
                        send.send(sleep).await.unwrap();
                    }
                    drop(send);
                    takes.await.unwrap();
                    probe
                })
            })
            .collect();
        for task in tasks {
            let probe = rt.block_on(task).unwrap();
            eventually("the wakers go", || probe.held() == 0);
        }
        assert_healthy(&rt, 8);
    });
}

struct Fired(AtomicUsize);

impl Wake for Fired {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

/// Events of sockets while `n` timers fire that are due at once, counted from the first of them to the last. None if
/// the first was due before all were set.
fn events_while_they_fire(rt: &Runtime, n: usize, ahead: Duration) -> Option<usize> {
    let fired = Arc::new(Fired(AtomicUsize::new(0)));
    let waker = Waker::from(fired.clone());
    let deadline = Instant::now() + 10 * ahead;
    let mut sleeps: Vec<_> = {
        let _entered = rt.enter();
        (0..n).map(|_| sleep_until(deadline)).collect()
    };
    for sleep in &mut sleeps {
        let _ = Pin::new(sleep).poll(&mut Context::from_waker(&waker));
    }
    let all_set = Instant::now() < deadline;
    let events = rt.spawn(async move {
        let mut events = 0;
        while fired.0.load(Ordering::SeqCst) < n {
            // A new socket each time, which is readable: that has to come through the poller.
            a_turn().await;
            events += usize::from(fired.0.load(Ordering::SeqCst) > 0);
        }
        events
    });
    all_set.then(|| rt.block_on(events).unwrap())
}

#[test]
fn a_million_timers_due_at_once_do_not_stop_io() {
    let n = many(if cfg!(debug_assertions) {
        200_000
    } else {
        1_000_000
    });
    bounded(move || {
        // On one thread nobody else can do the I/O meanwhile.
        for rt in [single(), multi(2)] {
            let events = in_time(|ahead| events_while_they_fire(&rt, n, ahead));
            println!("{events} events while {n} timers fired");
            assert!(events > 10, "{events} events while {n} timers fired");
        }
    });
}

/// Timers that a task set before it blocked its worker fire, whatever the other workers do.
#[test]
fn the_timers_of_a_stuck_worker_fire() {
    bounded(|| {
        for workers in [1, 2, 8] {
            let rt = multi(workers);
            let probe = Arc::new(Probe::new());
            let gate = Gate::closed();
            let (pass, polls) = (gate.clone(), probe.clone());
            let stuck = rt.spawn(async move {
                let mut sleeps: Vec<_> = (1..=20).map(|n| Box::pin(sleep(ms(20 + n)))).collect();
                for sleep in &mut sleeps {
                    assert!(polls.poll(sleep).is_pending());
                }
                pass.pass();
                sleeps.iter_mut().all(|sleep| polls.poll(sleep).is_ready())
            });
            // The others are stuck, too.
            let others = block_workers(&rt, workers - 1);
            probe.wait(20);
            gate.open();
            others.open();
            assert!(rt.block_on(stuck).unwrap());
        }
    });
}

/// Panics when it is woken, and when it goes.
struct Spiteful(#[expect(dead_code, reason = "counts its drop")] Counted);

impl Wake for Spiteful {
    fn wake(self: Arc<Self>) {
        panic!("a waker panics");
    }
}

impl Drop for Spiteful {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            panic!("its drop, too");
        }
    }
}

#[test]
fn a_waker_that_panics_hurts_no_other_timer_and_is_dropped_once() {
    bounded(|| {
        let rt = multi(2);
        let drops = Drops::default();
        let probe = Probe::new();
        let mut sleeps = Vec::new();
        for n in 0..many(50) {
            let mut spiteful = boxed(&rt, ms(n as u64 % 10));
            let waker = Waker::from(Arc::new(Spiteful(drops.counted())));
            let pending = spiteful
                .as_mut()
                .poll(&mut Context::from_waker(&waker))
                .is_pending();
            // Ours goes here, and takes the panic of its drop where the timer holds none.
            let dropped = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| drop(waker)));
            assert!(pending || dropped.is_err());
            sleeps.push(spiteful);
            let mut mild = boxed(&rt, ms(n as u64 % 10 + 10));
            if probe.poll(&mut mild).is_pending() {
                sleeps.push(mild);
            }
        }
        let mild = sleeps.len() - many(50);
        probe.wait(mild);
        eventually("all are dropped", || drops.count() == many(50));
        eventually("ours, too", || probe.held() == 0);
        assert_healthy(&rt, 2);
    });
}

#[test]
fn timers_that_wait_when_the_runtime_ends_drop_their_wakers_once() {
    bounded(|| {
        for rt in [multi(8), single()] {
            let drops = Drops::default();
            let probe = Probe::new();
            let mut sleeps: Vec<_> = (0..many(1000)).map(|_| boxed(&rt, HOUR)).collect();
            assert!(
                sleeps
                    .iter_mut()
                    .all(|sleep| probe.poll(sleep).is_pending())
            );
            assert_eq!(probe.held(), many(1000));
            for _ in 0..100 {
                let counted = drops.counted();
                rt.spawn(async move {
                    let _ = timeout(HOUR, sleep(2 * HOUR)).await;
                    drop(counted);
                });
            }
            drop(rt);
            eventually("all are dropped", || drops.count() == 100);
            assert_eq!((probe.held(), probe.wakes()), (0, many(1000)));
            // They outlive it.
            drop(sleeps);
            assert_eq!(drops.count(), 100);
        }
    });
}

/// With 50 us slack of the kernel, a deadline within a millisecond is not rounded up to the next one: it is kept about as
/// well as a thread's own sleep, which tells what this machine can do now. A tenth of many is enough to tell.
#[test]
fn a_deadline_is_kept_to_less_than_a_millisecond() {
    bounded(|| {
        for rt in [multi(2), single()] {
            let (late, thread) = rt.block_on(async {
                let (mut late, mut threads) = (Vec::new(), Vec::new());
                for _ in 0..200 {
                    let deadline = Instant::now() + Duration::from_micros(300);
                    sleep_until(deadline).await;
                    late.push(deadline.elapsed());
                    let deadline = Instant::now() + Duration::from_micros(300);
                    std::thread::sleep(Duration::from_micros(300));
                    threads.push(deadline.elapsed());
                }
                late.sort_unstable();
                threads.sort_unstable();
                (late, threads[20])
            });
            println!(
                "p10 {:?}, p50 {:?}, p99 {:?}",
                late[20], late[100], late[198]
            );
            if cfg!(any(target_os = "linux", target_os = "macos")) {
                let limit = thread + Duration::from_micros(500);
                assert!(late[20] < limit, "{:?}, a thread {thread:?}", late[20]);
            }
        }
    });
}

/// Two workers, both blocked: one sets timers, and the other one drops them.
fn dropped_by_another_worker(rt: &Runtime, timers: usize, duration: Duration, probe: &Arc<Probe>) {
    let (give, take) = std::sync::mpsc::channel();
    let (tells, told) = std::sync::mpsc::channel();
    let theirs = probe.clone();
    let sets = rt.spawn(async move {
        for _ in 0..timers {
            let mut sleep = Box::pin(sleep(duration));
            assert!(theirs.poll(&mut sleep).is_pending());
            give.send(sleep).unwrap();
        }
        drop(give);
        told.recv().unwrap();
        std::thread::current().id()
    });
    let drops = rt.spawn(async move {
        assert_eq!(take.iter().map(drop).count(), timers);
        tells.send(()).unwrap();
        std::thread::current().id()
    });
    rt.block_on(async { assert_ne!(sets.await.unwrap(), drops.await.unwrap()) });
}

#[test]
fn the_wakers_of_timers_that_another_worker_drops_go() {
    bounded(|| {
        let rt = multi(2);
        let probe = Arc::new(Probe::new());
        for timers in [1, 70, 3_000] {
            dropped_by_another_worker(&rt, timers, HOUR, &probe);
            eventually("the wakers go", || probe.held() == 0);
        }
        dropped_by_another_worker(&rt, 70, HOUR, &probe);
        drop(rt);
        assert_eq!((probe.held(), probe.wakes()), (0, 0), "nor at the end");
    });
}

#[test]
fn timers_that_another_worker_drops_do_not_come() {
    bounded(|| {
        let rt = multi(2);
        in_time(|ahead| {
            let (probe, start) = (Arc::new(Probe::new()), Instant::now());
            dropped_by_another_worker(&rt, 20, ahead, &probe);
            if start.elapsed() >= ahead {
                return None;
            }
            rt.block_on(async { sleep(ahead).await });
            assert_eq!(probe.wakes(), 0);
            Some(())
        });
    });
}

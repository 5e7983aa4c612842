//! A timer fires once its deadline has come: never before, in order, and whatever the workers are doing.

use std::future::{Future, pending, poll_fn, ready};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::Poll;

use filch::runtime::{Builder, ReactorMode, Runtime};
use filch::task::yield_now;
use filch::time::{Duration, Instant, Sleep, sleep, sleep_until, timeout, timeout_at};

mod common;
use common::{
    Gate, Probe, Random, block_workers, bounded, eventually, in_time, many, multi, on_each_kind,
    single,
};

const HOUR: Duration = Duration::from_secs(3600);

const fn ms(n: u64) -> Duration {
    Duration::from_millis(n)
}

fn shared_and_dedicated(workers: usize, test: impl Fn(Runtime) + Send + 'static) {
    bounded(move || {
        for mode in [ReactorMode::Shared, ReactorMode::Dedicated] {
            println!("{mode:?}");
            let mut builder = Builder::new_multi_thread();
            builder.worker_threads(workers).reactor_mode(mode);
            test(builder.build().unwrap());
        }
    });
}

/// A sleep of that runtime, polled by this thread.
fn boxed(rt: &Runtime, duration: Duration) -> Pin<Box<Sleep>> {
    let _entered = rt.enter();
    Box::pin(sleep(duration))
}

#[test]
fn a_deadline_that_has_passed_is_ready_at_its_first_poll() {
    on_each_kind(|rt| {
        let _entered = rt.enter();
        let probe = Probe::new();
        let now = Instant::now();
        let past = now.checked_sub(ms(50)).unwrap();
        for sleep in [sleep(Duration::ZERO), sleep_until(now), sleep_until(past)] {
            let mut sleep = Box::pin(sleep);
            assert!(sleep.is_elapsed());
            assert!(probe.poll(&mut sleep).is_ready());
            assert!(probe.poll(&mut sleep).is_ready(), "and stays so");
        }
        assert_eq!(sleep_until(past).deadline(), past);
        assert_eq!((probe.held(), probe.wakes()), (0, 0));
    });
}

#[test]
fn a_deadline_beyond_all_time_never_comes_and_can_be_given_up() {
    on_each_kind(|rt| {
        let _entered = rt.enter();
        let probe = Probe::new();
        let far = Instant::now() + Duration::from_secs(86400 * 365 * 100);
        let mut sleeps = vec![
            Box::pin(sleep(Duration::MAX)),
            Box::pin(sleep(Duration::from_secs(u64::MAX))),
            Box::pin(sleep_until(far)),
        ];
        assert!(
            sleeps
                .iter_mut()
                .all(|sleep| probe.poll(sleep).is_pending())
        );
        let mut limit = Box::pin(timeout(Duration::MAX, pending::<()>()));
        assert!(probe.poll(&mut limit).is_pending());
        // Nearer ones come before them.
        rt.block_on(async {
            filch::spawn(sleep(ms(2))).await.unwrap();
            assert_eq!(timeout(Duration::MAX, sleep(ms(2))).await, Ok(()));
        });
        assert!(sleeps.iter().all(|sleep| !sleep.is_elapsed()));
        assert_eq!((probe.held(), probe.wakes()), (4, 0));
        drop((sleeps, limit));
        assert_eq!(probe.held(), 0);
    });
}

#[filch::test(start_paused = true)]
async fn a_sleep_too_long_to_be_told_comes_where_time_is_moved() {
    let years = |n: u64| Duration::from_secs(86400 * 365 * n);
    for long in [years(1000), Duration::from_millis(u64::MAX), Duration::MAX] {
        let start = Instant::now();
        sleep(long).await;
        assert_eq!(start.elapsed(), years(30));
    }
    let start = Instant::now();
    sleep(years(200)).await;
    assert_eq!(start.elapsed(), years(200));
}

#[filch::test(start_paused = true)]
async fn a_clock_can_be_moved_by_centuries_but_not_beyond_its_numbers() {
    let years = |n: u64| Duration::from_secs(86400 * 365 * n);
    let start = Instant::now();
    filch::time::advance(years(200)).await;
    sleep(ms(1)).await;
    assert_eq!(start.elapsed(), years(200) + ms(1));
    let too_far = filch::spawn(filch::time::advance(years(400)));
    assert!(too_far.await.unwrap_err().is_panic());
    assert_eq!(start.elapsed(), years(200) + ms(1));
}

#[test]
fn ten_thousand_sleeps_all_end_and_none_too_early() {
    let mut random = Random::from_env();
    let durations: Vec<_> = (0..many(10_000))
        .map(|_| Duration::from_micros(random.below(100_000) as u64))
        .collect();
    on_each_kind(move |rt| {
        let spawn = |duration: &Duration| {
            let duration = *duration;
            rt.spawn(async move {
                let start = Instant::now();
                sleep(duration).await;
                assert!(start.elapsed() >= duration, "{duration:?}");
                let until = Instant::now() + duration / 2;
                sleep_until(until).await;
                assert!(Instant::now() >= until);
            })
        };
        let tasks: Vec<_> = durations.iter().map(spawn).collect();
        tasks
            .into_iter()
            .for_each(|task| rt.block_on(task).unwrap());
    });
}

/// A hundred sleeps, 200 us apart, set in this order. The answer is the order in which they ended; none if the machine
/// was so slow that the first was due before all were set.
fn order_of_ends(rt: &Runtime, order: &[u32], start: Instant) -> Option<Vec<u32>> {
    let said = Arc::new(Mutex::new(Vec::new()));
    let spawn = |n: &u32| {
        let (n, said) = (*n, said.clone());
        rt.spawn(async move {
            let mut sleep = Box::pin(sleep_until(start + Duration::from_micros(200) * n));
            let set = poll_fn(|context| Poll::Ready(sleep.as_mut().poll(context).is_pending()));
            let in_time = set.await && Instant::now() < start;
            sleep.await;
            said.lock().unwrap().push(n);
            in_time
        })
    };
    let tasks: Vec<_> = order.iter().map(spawn).collect();
    let in_time = tasks.into_iter().map(|task| rt.block_on(task).unwrap());
    let all_in_time = in_time.fold(true, |all, this| all & this);
    let said = said.lock().unwrap().clone();
    all_in_time.then_some(said)
}

#[test]
fn sleeps_of_one_worker_end_in_the_order_of_their_deadlines() {
    let mut random = Random::from_env();
    bounded(move || {
        // No guard fires them, too: what two threads wake is run in any order.
        let mut builder = Builder::new_multi_thread();
        builder.worker_threads(1).guard_tick(HOUR).enable_all();
        for rt in [builder.build().unwrap(), single()] {
            let in_order: Vec<u32> = (0..100).collect();
            let mut shuffled = in_order.clone();
            for n in (1..shuffled.len()).rev() {
                shuffled.swap(n, random.below(n + 1));
            }
            let ends = in_time(|ahead| order_of_ends(&rt, &shuffled, Instant::now() + ahead));
            assert_eq!(ends, in_order);
        }
    });
}

#[test]
fn a_timeout_lets_whatever_is_ready_win() {
    on_each_kind(|rt| {
        rt.block_on(async {
            filch::time::pause();
            let past = Instant::now();
            for limit in [Duration::ZERO, ms(1), HOUR, Duration::MAX] {
                assert_eq!(timeout(limit, ready(7)).await, Ok(7));
                assert_eq!(timeout(limit, async { 7 }).await, Ok(7));
            }
            assert_eq!(timeout_at(past, ready(7)).await, Ok(7));
            assert!(timeout(Duration::ZERO, pending::<()>()).await.is_err());
            assert!(timeout_at(past, pending::<()>()).await.is_err());
            assert!(timeout(ms(3), sleep(HOUR)).await.is_err());
            assert_eq!(timeout(HOUR, sleep(ms(3))).await, Ok(()));
            // The inner limit counts, wherever it is.
            assert!(
                timeout(HOUR, timeout(ms(3), pending::<()>()))
                    .await
                    .unwrap()
                    .is_err()
            );
            assert!(
                timeout(ms(3), timeout(HOUR, pending::<()>()))
                    .await
                    .is_err()
            );
            let start = Instant::now();
            let error = timeout(ms(5), pending::<()>()).await.unwrap_err();
            assert_eq!(start.elapsed(), ms(5));
            assert_eq!(error.to_string(), "deadline has elapsed");
            assert_eq!(
                std::io::Error::from(error).kind(),
                std::io::ErrorKind::TimedOut
            );
            assert_eq!(timeout(HOUR, ready(7)).into_inner().await, 7);
        });
    });
}

/// A sleep goes from hand to hand, and ends in the last one. Nothing if it was due before that.
fn handed_on(rt: &Runtime, ahead: Duration) -> Option<()> {
    let [first, second] = [Probe::new(), Probe::new()];
    let mut moved = boxed(rt, ahead);
    let deadline = moved.deadline();
    let mut in_time = first.poll(&mut moved).is_pending() && second.poll(&mut moved).is_pending();
    assert!(!in_time || (first.held(), second.held()) == (0, 1));
    // To a task, and from there to another one.
    let (send, receive) = async_channel::bounded::<Pin<Box<Sleep>>>(1);
    let passes_on = rt.spawn(async move {
        let polled = poll_fn(|context| Poll::Ready(moved.as_mut().poll(context).is_pending()));
        let in_time = polled.await;
        send.send(moved).await.unwrap();
        in_time
    });
    let last = rt.spawn(async move {
        receive.recv().await.unwrap().await;
        Instant::now()
    });
    in_time &= rt.block_on(passes_on).unwrap();
    assert!(rt.block_on(last).unwrap() >= deadline);
    if in_time {
        assert_eq!((first.wakes(), second.wakes(), second.held()), (0, 0, 0));
    }
    in_time.then_some(())
}

#[test]
fn a_sleep_wakes_the_task_that_polled_it_last() {
    on_each_kind(|rt| in_time(|ahead| handed_on(&rt, ahead)));
}

#[test]
fn a_sleep_needs_a_runtime_that_lives() {
    bounded(|| {
        let calls: [fn(); 4] = [
            || drop(sleep(ms(1))),
            || drop(sleep_until(Instant::now())),
            || drop(timeout(ms(1), ready(()))),
            || drop(timeout_at(Instant::now(), ready(()))),
        ];
        for call in calls {
            let panic = catch_unwind(call).unwrap_err();
            let text = panic.downcast_ref::<String>().unwrap();
            assert!(text.contains("no filch runtime"), "{text}");
        }
        for rt in [multi(8), single()] {
            let probe = Probe::new();
            let (mut waits, mut never_polled) = (boxed(&rt, HOUR), boxed(&rt, HOUR));
            let handle = rt.handle().clone();
            assert!(probe.poll(&mut waits).is_pending());
            drop(rt);
            // It is told, so that it does not wait for ever.
            probe.wait(1);
            let poll = |sleep: &mut Pin<Box<Sleep>>| {
                let panic = catch_unwind(AssertUnwindSafe(|| probe.poll(sleep))).unwrap_err();
                let text = panic.downcast_ref::<&str>().unwrap();
                assert!(text.contains("has shut down"), "{text}");
            };
            poll(&mut waits);
            poll(&mut never_polled);
            let _entered = handle.enter();
            poll(&mut Box::pin(sleep(HOUR)));
            assert!(probe.poll(&mut Box::pin(sleep(Duration::ZERO))).is_ready());
            assert_eq!(probe.held(), 0);
        }
    });
}

#[test]
fn a_new_earliest_deadline_ends_the_wait_for_a_later_one() {
    shared_and_dedicated(8, |rt| {
        let mut later = boxed(&rt, HOUR);
        let probe = Probe::new();
        assert!(probe.poll(&mut later).is_pending());
        let mut ended = 0;
        while ended < many(100) {
            // All is quiet, up to the guard: it has gone to sleep for good, or will now.
            if ended % 10 == 0 {
                std::thread::sleep(ms(60));
            }
            let mut sooner = boxed(&rt, Duration::from_micros(500));
            if probe.poll(&mut sooner).is_pending() {
                ended += 1;
                probe.wait(ended);
                assert!(probe.poll(&mut sooner).is_ready());
            }
        }
    });
}

#[test]
fn a_new_earliest_deadline_ends_the_wait_of_a_thread_in_block_on() {
    bounded(|| {
        let rt = Arc::new(single());
        let (tell, told) = async_channel::bounded::<()>(1);
        let drives = rt.clone();
        let driving = std::thread::spawn(move || {
            drives.block_on(async {
                let _later = filch::spawn(sleep(HOUR));
                told.recv().await.unwrap();
            });
        });
        let probe = Probe::new();
        let mut ended = 0;
        while ended < many(50) {
            let mut sooner = boxed(&rt, Duration::from_micros(500));
            if probe.poll(&mut sooner).is_pending() {
                ended += 1;
                probe.wait(ended);
            }
        }
        tell.send_blocking(()).unwrap();
        driving.join().unwrap();
    });
}

/// Sets timers from this thread, and sees them fire.
fn timers_fire(rt: &Runtime) {
    let probe = Probe::new();
    let mut sleeps: Vec<_> = (0..20).map(|n| boxed(rt, ms(n + 10))).collect();
    let set = sleeps
        .iter_mut()
        .map(|sleep| usize::from(probe.poll(sleep).is_pending()));
    let set = set.sum();
    probe.wait(set);
    assert!(sleeps.iter_mut().all(|sleep| probe.poll(sleep).is_ready()));
}

#[test]
fn timers_fire_while_workers_are_blocked_even_all_of_them() {
    for blocked in [0, 7, 8] {
        println!("{blocked} of 8 are blocked");
        shared_and_dedicated(8, move |rt| {
            let gate = block_workers(&rt, blocked);
            timers_fire(&rt);
            // Set while nothing was blocked, due while it is.
            timers_fire(&rt);
            gate.open();
        });
    }
}

#[test]
fn timers_that_were_set_before_all_workers_block_fire() {
    let attempt = |rt: &Runtime, ahead: Duration| {
        let probe = Probe::new();
        let mut before = boxed(rt, ahead);
        let is_set = probe.poll(&mut before).is_pending();
        let task = rt.spawn(async move {
            sleep(ahead).await;
            Instant::now()
        });
        let gate = block_workers(rt, 2);
        let blocked = Instant::now();
        let in_time = is_set && blocked < before.deadline();
        if in_time {
            probe.wait(1);
        }
        let opened = Instant::now();
        gate.open();
        let ran = rt.block_on(task).unwrap();
        assert!(
            ran <= blocked || ran >= opened,
            "no worker was free to run it"
        );
        in_time.then_some(())
    };
    shared_and_dedicated(2, move |rt| in_time(|ahead| attempt(&rt, ahead)));
}

#[test]
fn timers_fire_while_tasks_yield_for_ever_on_all_workers() {
    on_each_kind(|rt| {
        let spin = |_| {
            rt.spawn(async {
                loop {
                    yield_now().await;
                }
            })
        };
        let spins: Vec<_> = (0..16).map(spin).collect();
        let sleeps: Vec<_> = (0..20)
            .map(|n| rt.spawn(async move { sleep(ms(n)).await }))
            .collect();
        sleeps
            .into_iter()
            .for_each(|task| rt.block_on(task).unwrap());
        spins.iter().for_each(|spin| spin.abort());
    });
}

#[test]
fn a_sleep_that_is_dropped_when_it_is_due_drops_its_waker_once() {
    let mut random = Random::from_env();
    bounded(move || {
        let rt = multi(8);
        for _ in 0..many(500) {
            let probe = Probe::new();
            let mut short = boxed(&rt, Duration::from_micros(200));
            if probe.poll(&mut short).is_pending() {
                let until = Instant::now() + Duration::from_micros(random.below(400) as u64);
                while Instant::now() < until {
                    std::hint::spin_loop();
                }
            }
            drop(short);
            eventually("the waker is dropped", || probe.held() == 0);
            assert!(probe.wakes() <= 1);
        }
    });
}

#[test]
fn a_worker_that_is_blocked_in_a_poll_delays_only_its_own_sleeps() {
    shared_and_dedicated(2, |rt| {
        let gate = Gate::closed();
        let pass = gate.clone();
        let blocked = rt.spawn(async move {
            sleep(ms(1)).await;
            pass.pass();
        });
        // Twenty in a row, on whichever worker is free.
        let others = rt.spawn(async {
            for _ in 0..20 {
                sleep(ms(1)).await;
            }
        });
        rt.block_on(others).unwrap();
        gate.open();
        rt.block_on(blocked).unwrap();
    });
}

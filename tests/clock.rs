//! A paused clock stands still while anything can run, moves to the next deadline when nothing can, and never else.

use std::future::pending;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use filch::runtime::{Builder, ReactorMode, Runtime};
use filch::task::{spawn_blocking, yield_now};
use filch::time::{self, Duration, Instant, advance, interval, sleep, sleep_until, timeout};

mod common;
use common::{Gate, Probe, Random, bounded, eventually, many, multi, pair, read_byte, single};

const HOUR: Duration = Duration::from_secs(3600);

const fn ms(n: u64) -> Duration {
    Duration::from_millis(n)
}

/// Runs the test on each kind of runtime, with its clock paused.
#[track_caller]
fn paused(test: impl Fn(Runtime) + Send + 'static) {
    bounded(move || {
        for mode in [ReactorMode::Shared, ReactorMode::Dedicated] {
            for workers in [1, 2, 8] {
                println!("on {workers} workers, {mode:?}");
                let mut builder = Builder::new_multi_thread();
                builder.worker_threads(workers).reactor_mode(mode);
                test(builder.start_paused(true).build().unwrap());
            }
        }
        println!("on the current thread");
        let mut builder = Builder::new_current_thread();
        test(builder.start_paused(true).build().unwrap());
    });
}

#[test]
fn sleeps_take_no_time_and_exactly_their_own() {
    paused(|rt| {
        let begin = std::time::Instant::now();
        rt.block_on(async {
            let start = Instant::now();
            sleep(HOUR).await;
            assert_eq!(start.elapsed(), HOUR);
            sleep(Duration::from_micros(1500)).await;
            assert_eq!(start.elapsed(), HOUR + Duration::from_micros(1500));
            let task = filch::spawn(async {
                let start = Instant::now();
                assert!(timeout(ms(7), pending::<()>()).await.is_err());
                start.elapsed()
            });
            assert_eq!(task.await.unwrap(), ms(7));
            sleep(Duration::from_secs(86400 * 365)).await;
            sleep_until(Instant::now()).await;
        });
        assert!(begin.elapsed() < HOUR);
    });
}

#[test]
fn what_happens_at_different_moments_happens_in_order() {
    let mut random = Random::from_env();
    let durations: Vec<_> = (0..many(300))
        .map(|_| Duration::from_nanos(random.next() >> (random.next() % 40 + 20)))
        .collect();
    paused(move |rt| {
        rt.block_on(async {
            let start = Instant::now();
            let spawn = |duration: &Duration| {
                let duration = *duration;
                filch::spawn(async move {
                    sleep_until(start + duration).await;
                    let now = start.elapsed();
                    assert!(now >= duration, "early");
                    now - duration
                })
            };
            let tasks: Vec<_> = durations.iter().map(spawn).collect();
            for task in tasks {
                assert_eq!(task.await.unwrap(), Duration::ZERO, "late");
            }
        });
    });
}

#[test]
fn the_clock_stands_still_while_a_task_can_run() {
    paused(|rt| {
        rt.block_on(async {
            let start = Instant::now();
            let due = filch::spawn(sleep(ms(1)));
            let runs = filch::spawn(async move {
                for _ in 0..many(2000) {
                    yield_now().await;
                    assert_eq!(start.elapsed(), Duration::ZERO);
                }
            });
            runs.await.unwrap();
            due.await.unwrap();
            assert_eq!(start.elapsed(), ms(1));
        });
    });
}

#[test]
fn the_clock_stands_still_while_messages_go_round() {
    paused(|rt| {
        let (to, from) = async_channel::bounded::<usize>(1);
        let (back, answers) = async_channel::bounded::<usize>(1);
        // From the future of `block_on` to a task and back: one of them can always run.
        rt.block_on(async {
            let start = Instant::now();
            let due = filch::spawn(sleep(ms(1)));
            let echo = filch::spawn(async move {
                while let Ok(n) = from.recv().await {
                    back.send(n).await.unwrap();
                }
            });
            for n in 0..many(500) {
                to.send(n).await.unwrap();
                assert_eq!(answers.recv().await.unwrap(), n);
                assert_eq!(start.elapsed(), Duration::ZERO, "round {n}");
            }
            drop(to);
            echo.await.unwrap();
            due.await.unwrap();
        });
    });
}

#[test]
fn the_clock_stands_still_while_a_blocking_closure_runs() {
    paused(|rt| {
        rt.block_on(async {
            let start = Instant::now();
            let due = filch::spawn(async move {
                sleep(ms(5)).await;
                start.elapsed()
            });
            for _ in 0..5 {
                let waits = spawn_blocking(|| std::thread::sleep(ms(10)));
                waits.await.unwrap();
                assert_eq!(start.elapsed(), Duration::ZERO);
            }
            assert_eq!(due.await.unwrap(), ms(5));
            // And goes on when the last one is done, though nobody waits for it.
            let gate = Gate::closed();
            let pass = gate.clone();
            drop(spawn_blocking(move || pass.pass()));
            let next = filch::spawn(sleep(ms(5)));
            yield_now().await;
            gate.open();
            next.await.unwrap();
            assert_eq!(start.elapsed(), ms(10));
        });
    });
}

#[test]
fn the_clock_stands_still_while_the_future_of_block_on_runs() {
    paused(|rt| {
        rt.block_on(async {
            let start = Instant::now();
            let due = filch::spawn(sleep(ms(1)));
            // Long enough for all others to sleep.
            std::thread::sleep(ms(20));
            assert_eq!(start.elapsed(), Duration::ZERO);
            due.await.unwrap();
        });
    });
}

#[test]
fn an_event_that_is_there_comes_before_the_clock_moves() {
    paused(|rt| {
        use std::io::Write;
        rt.block_on(async {
            for _ in 0..many(50) {
                let (here, mut there) = pair();
                let start = Instant::now();
                let limit = filch::spawn(async move { timeout(HOUR, read_byte(&here)).await });
                there.write_all(b"x").unwrap();
                assert_eq!(limit.await.unwrap().unwrap().unwrap(), b'x');
                assert_eq!(start.elapsed(), Duration::ZERO);
            }
        });
    });
}

#[test]
fn a_timer_that_nobody_waits_for_any_more_moves_no_clock() {
    paused(|rt| {
        use std::io::Write;
        rt.block_on(async {
            let (here, mut there) = pair();
            let start = Instant::now();
            timeout(HOUR, async {
                yield_now().await;
                yield_now().await;
            })
            .await
            .unwrap();
            let sleeper = filch::spawn(sleep(2 * HOUR));
            yield_now().await;
            sleeper.abort();
            let _ = sleeper.await;
            let mut moved = Box::pin(sleep(3 * HOUR));
            let waits = std::future::poll_fn(|context| {
                std::task::Poll::Ready(moved.as_mut().poll(context).is_pending())
            });
            assert!(waits.await);
            moved.as_mut().reset(start + 4 * HOUR);
            drop(moved);
            // Nothing can run now; what comes next comes from outside, once the runtime has long been still.
            let outside = std::thread::spawn(move || {
                std::thread::sleep(ms(20));
                there.write_all(b"x").unwrap();
            });
            assert_eq!(read_byte(&here).await.unwrap(), b'x');
            assert_eq!(start.elapsed(), Duration::ZERO);
            outside.join().unwrap();
        });
    });
}

#[test]
fn a_timer_set_from_outside_moves_a_clock_that_had_nothing_to_wait_for() {
    paused(|rt| {
        let rt = Arc::new(rt);
        let (tell, told) = async_channel::bounded::<()>(1);
        let drives = rt.clone();
        let driving = std::thread::spawn(move || {
            drives.block_on(async { told.recv().await.unwrap() });
        });
        for n in 0..10 {
            // All is quiet, or nearly so.
            std::thread::sleep(ms(n));
            let entered = rt.enter();
            let mut waits = Box::pin(sleep(HOUR));
            drop(entered);
            let probe = Probe::new();
            assert!(probe.poll(&mut waits).is_pending());
            probe.wait(1);
            assert!(probe.poll(&mut waits).is_ready());
        }
        tell.send_blocking(()).unwrap();
        driving.join().unwrap();
    });
}

#[test]
fn advance_fires_what_is_due_and_nothing_else() {
    bounded(|| {
        for rt in [multi(1), multi(8), single()] {
            rt.block_on(async {
                time::pause();
                let start = Instant::now();
                let probe = Probe::new();
                let mut sleeps: Vec<_> = (1..=10).map(|n| Box::pin(sleep(ms(n)))).collect();
                assert!(sleeps.iter_mut().all(|s| probe.poll(s).is_pending()));
                advance(Duration::from_nanos(999_999)).await;
                assert_eq!(probe.wakes(), 0);
                advance(Duration::from_nanos(1)).await;
                assert_eq!((probe.wakes(), start.elapsed()), (1, ms(1)));
                advance(ms(4)).await;
                assert_eq!(probe.wakes(), 5);
                let ready = sleeps
                    .iter_mut()
                    .filter_map(|s| probe.poll(s).is_ready().then_some(()));
                assert_eq!(ready.count(), 5);
                advance(Duration::ZERO).await;
                advance(HOUR).await;
                assert_eq!(start.elapsed(), HOUR + ms(5));
                assert!(sleeps.iter_mut().all(|s| probe.poll(s).is_ready()));
                time::resume();
            });
        }
    });
}

#[test]
fn advance_lets_the_tasks_run_that_it_wakes() {
    bounded(|| {
        // On one thread they have run when it returns.
        let rt = single();
        let body = || async {
            let counted = Arc::new(AtomicUsize::new(0));
            let count = counted.clone();
            let task = filch::spawn(async move {
                let mut interval = interval(ms(10));
                loop {
                    interval.tick().await;
                    count.fetch_add(1, Ordering::Relaxed);
                }
            });
            yield_now().await;
            yield_now().await;
            for n in 2..20 {
                advance(ms(10)).await;
                assert_eq!(counted.load(Ordering::Relaxed), n);
            }
            task.abort();
        };
        rt.block_on(async {
            time::pause();
            body().await;
            filch::spawn(body()).await.unwrap();
        });
    });
}

#[test]
fn a_resumed_clock_goes_on_from_where_it_stands() {
    paused(|rt| {
        rt.block_on(async {
            let start = Instant::now();
            advance(HOUR).await;
            time::resume();
            let now = start.elapsed();
            assert!(now >= HOUR, "{now:?}");
            let real = std::time::Instant::now();
            sleep(ms(3)).await;
            assert!(real.elapsed() >= ms(3) && start.elapsed() >= HOUR + ms(3));
            time::pause();
            let stands = Instant::now();
            sleep(HOUR).await;
            assert_eq!(stands.elapsed(), HOUR);
        });
    });
}

#[test]
fn a_clock_that_is_paused_while_others_wait_stops_them() {
    bounded(|| {
        for rt in [multi(1), multi(8), single()] {
            let waits = rt.spawn(async {
                let start = Instant::now();
                sleep(HOUR).await;
                start.elapsed()
            });
            rt.block_on(async {
                sleep(ms(2)).await;
                time::pause();
                assert!(waits.await.unwrap() >= HOUR);
            });
        }
    });
}

#[test]
fn each_runtime_has_its_own_clock() {
    bounded(|| {
        let [moved, other] = [multi(2), multi(2)];
        moved.block_on(async {
            time::pause();
            advance(HOUR).await;
        });
        let now = |rt: &Runtime| rt.block_on(async { Instant::now() });
        assert!(now(&moved) > now(&other) + HOUR / 2);
        let real = Instant::now();
        assert!(real < now(&moved) - HOUR / 2, "outside it is the system's");
    });
}

#[test]
fn wrong_use_panics_as_tokio_does() {
    fn text(call: impl FnOnce()) -> String {
        let panic = catch_unwind(AssertUnwindSafe(call)).unwrap_err();
        match panic.downcast::<String>() {
            Ok(text) => *text,
            Err(panic) => (*panic.downcast_ref::<&str>().unwrap()).to_owned(),
        }
    }
    bounded(|| {
        assert!(text(time::pause).contains("outside the filch runtime"));
        assert!(text(time::resume).contains("outside the filch runtime"));
        let polled = || async {
            let mut advance = Box::pin(advance(ms(1)));
            text(|| assert!(Probe::new().poll(&mut advance).is_ready()))
        };
        assert!(futures::executor::block_on(polled()).contains("outside the filch runtime"));
        for rt in [multi(2), single()] {
            rt.block_on(async {
                assert_eq!(text(time::resume), "time is not frozen");
                assert_eq!(polled().await, "time is not frozen");
                time::pause();
                assert_eq!(text(time::pause), "time is already frozen");
                let mut too_far = Box::pin(advance(Duration::MAX));
                let said = text(|| assert!(Probe::new().poll(&mut too_far).is_ready()));
                assert!(said.contains("too large"), "{said}");
                time::resume();
                assert_eq!(text(time::resume), "time is not frozen");
            });
        }
    });
}

/// The runtime ends while timers wait that only the clock could fire.
#[test]
fn a_runtime_with_a_paused_clock_ends() {
    paused(|rt| {
        let probe = Probe::new();
        let entered = rt.enter();
        let mut waits = Box::pin(sleep(HOUR));
        drop(entered);
        rt.block_on(async {
            for _ in 0..10 {
                filch::spawn(sleep(HOUR));
            }
            // The clock does not move while this runs.
            assert!(probe.poll(&mut waits).is_pending());
        });
        drop(rt);
        eventually("the waker is dropped", || probe.held() == 0);
    });
}

/// Sleepers that also block and yield, on many workers: in all passes the time of the one that sleeps longest, to the
/// nanosecond.
#[test]
fn time_passes_by_what_is_slept_however_many_run() {
    let mut random = Random::from_env();
    let seeds: Vec<_> = (0..many(20)).map(|_| random.next()).collect();
    paused(move |rt| {
        for seed in &seeds {
            let mut random = Random::from_seed(*seed);
            let mut longest = Duration::ZERO;
            let mut sleepers = Vec::new();
            for _ in 0..8 {
                let naps: Vec<_> = (0..5).map(|_| ms(random.next() % 1000)).collect();
                longest = longest.max(naps.iter().sum());
                sleepers.push((naps, random.below(4) == 0));
            }
            let passed = rt.block_on(async move {
                let start = Instant::now();
                let spawn = |(naps, blocks)| {
                    filch::spawn(async move {
                        for nap in naps {
                            sleep(nap).await;
                            if blocks {
                                spawn_blocking(std::thread::yield_now).await.unwrap();
                            }
                            yield_now().await;
                        }
                    })
                };
                let tasks: Vec<_> = sleepers.into_iter().map(spawn).collect();
                for task in tasks {
                    task.await.unwrap();
                }
                start.elapsed()
            });
            assert_eq!(passed, longest, "seed {seed}");
        }
    });
}

#[filch::test(start_paused = true)]
async fn a_test_may_start_with_its_clock_paused() {
    let start = Instant::now();
    sleep(HOUR).await;
    assert_eq!(start.elapsed(), HOUR);
}

#[filch::test(flavor = "multi_thread", worker_threads = 4, start_paused = true)]
async fn a_test_on_many_workers_may_too() {
    let start = Instant::now();
    let tasks: Vec<_> = (0..16).map(|n| filch::spawn(sleep(HOUR * n))).collect();
    for task in tasks {
        task.await.unwrap();
    }
    assert_eq!(start.elapsed(), HOUR * 15);
}

#[filch::test(start_paused = false)]
async fn a_test_may_say_that_it_does_not() {
    time::pause();
}

#[test]
fn a_stopped_clock_keeps_moments_apart_however_many_crowd() {
    paused(|rt| {
        rt.block_on(async {
            // Some two of these milliseconds are in one tick of the wheel.
            for at in 1..=64 {
                let sleeper = |at| async move {
                    let before = Instant::now();
                    sleep(ms(at)).await;
                    assert_eq!(before.elapsed(), ms(at));
                };
                let all = (0..100).map(|n| sleeper(at + u64::from(n < 99)));
                for task in all.map(filch::spawn).collect::<Vec<_>>() {
                    task.await.unwrap();
                }
            }
        });
    });
}

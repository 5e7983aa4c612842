//! Nobody starves: whatever is ready runs after a bounded number of other polls, and work spreads over all workers.

use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use filch::Promise;
use filch::io::Interest;
use filch::runtime::{Builder, Handle, ReactorMode, Runtime};
use filch::task::{JoinHandle, yield_now};

mod common;
use common::{Meeting, bounded, many, on_each_kind, pair, single};

/// Counts the polls of all the tasks that it makes.
#[derive(Clone, Default)]
struct Polls(Arc<AtomicUsize>);

impl Polls {
    fn count(&self) -> usize {
        self.0.load(Ordering::SeqCst)
    }

    /// Tasks that yield for ever.
    fn spin(&self, tasks: usize) -> Vec<JoinHandle<()>> {
        let spin = |_| {
            let polls = self.0.clone();
            filch::spawn(async move {
                loop {
                    polls.fetch_add(1, Ordering::SeqCst);
                    yield_now().await;
                }
            })
        };
        (0..tasks).map(spin).collect()
    }

    /// Two tasks that wake each other for ever.
    fn ping_pong(&self) -> Vec<JoinHandle<()>> {
        let channels = [
            async_channel::bounded::<()>(1),
            async_channel::bounded::<()>(1),
        ];
        channels[0].0.try_send(()).unwrap();
        let play = |n: usize| {
            let (polls, receive) = (self.0.clone(), channels[n].1.clone());
            let send = channels[1 - n].0.clone();
            filch::spawn(async move {
                while receive.recv().await.is_ok() {
                    polls.fetch_add(1, Ordering::SeqCst);
                    send.send(()).await.unwrap();
                }
            })
        };
        (0..2).map(play).collect()
    }
}

/// Runs the test in a task of a runtime of one worker, so that nothing else is polled during a poll of it.
fn on_one_worker<F>(builder: &mut Builder, test: impl FnOnce() -> F + Send + 'static)
where
    F: Future<Output = ()> + Send + 'static,
{
    let rt = builder.build().unwrap();
    rt.block_on(rt.spawn(async { test().await })).unwrap();
}

/// A task that a foreign thread spawns now. It gives how many polls came before its own.
fn from_outside(polls: &Polls) -> JoinHandle<usize> {
    let (on, then, polls) = (Handle::current(), polls.count(), polls.clone());
    let task = async move { polls.count() - then };
    std::thread::spawn(move || on.spawn(task)).join().unwrap()
}

#[test]
fn what_comes_from_outside_runs_after_a_bounded_number_of_polls() {
    bounded(|| {
        for interval in [5, 61] {
            for with_ping_pong in [false, true] {
                let mut builder = Builder::new_multi_thread();
                builder.worker_threads(1).global_queue_interval(interval);
                on_one_worker(&mut builder, move || async move {
                    let polls = Polls::default();
                    let busy = if with_ping_pong {
                        polls.ping_pong()
                    } else {
                        polls.spin(100)
                    };
                    for _ in 0..many(100) {
                        let before = from_outside(&polls).await.unwrap();
                        assert!(
                            before <= interval as usize + 2,
                            "{before} polls came before"
                        );
                    }
                    busy.iter().for_each(|task| task.abort());
                });
            }
        }
    });
}

#[test]
fn a_third_task_runs_beside_two_that_wake_each_other() {
    bounded(|| {
        on_one_worker(Builder::new_multi_thread().worker_threads(1), || async {
            let polls = Polls::default();
            let players = polls.ping_pong();
            for _ in 0..many(1000) {
                let before = polls.count();
                yield_now().await;
                let between = polls.count() - before;
                assert!(between <= 8, "{between} polls came before");
            }
            assert!(polls.count() > many(1000) / 2, "the two play on");
            players.iter().for_each(|task| task.abort());
        });
    });
}

#[test]
fn io_is_seen_after_a_bounded_number_of_polls() {
    bounded(|| {
        for interval in [5, 61] {
            let mut builder = Builder::new_multi_thread();
            builder.worker_threads(1).event_interval(interval);
            // Else the guard may have the poller at the moment when the worker looks, and that look is left out.
            builder.guard_tick(Duration::from_secs(3600));
            on_one_worker(&mut builder, move || async move {
                let polls = Polls::default();
                let spins = polls.spin(10);
                for _ in 0..many(100) {
                    let (here, mut there) = pair();
                    let seen = polls.clone();
                    let task = filch::spawn(async move {
                        here.ready(Interest::READABLE).await.unwrap();
                        seen.count()
                    });
                    for _ in 0..10 {
                        yield_now().await;
                    }
                    there.write_all(b"x").unwrap();
                    let before = polls.count();
                    let between = task.await.unwrap() - before;
                    // The reader goes to the back of the queue; the writer has a turn, too.
                    assert!(
                        between <= interval as usize + 14,
                        "{between} polls came before"
                    );
                }
                spins.iter().for_each(|task| task.abort());
            });
        }
    });
}

#[test]
fn io_and_timers_are_seen_while_tasks_yield_for_ever_on_all_workers() {
    on_each_kind(|rt| {
        rt.block_on(async {
            let polls = Polls::default();
            let spins = polls.spin(32);
            for _ in 0..20 {
                common::a_turn().await;
                filch::spawn(common::a_turn()).await.unwrap();
                let sleep = async { filch::time::sleep(Duration::from_millis(1)).await };
                filch::spawn(sleep).await.unwrap();
            }
            spins.iter().for_each(|task| task.abort());
        });
    });
}

/// Sees that so many tasks run at the same time.
async fn meet(tasks: Vec<JoinHandle<usize>>) {
    for task in tasks {
        assert_eq!(
            task.await.unwrap(),
            0,
            "so many never ran while the others did"
        );
    }
}

fn eight(mut spawn: impl FnMut(Meeting) -> JoinHandle<usize>) -> Vec<JoinHandle<usize>> {
    let meeting = Meeting::of(8);
    (0..8).map(|_| spawn(meeting.clone())).collect()
}

fn shared_and_dedicated(test: impl Fn(&Runtime) + Send + Sync + 'static) {
    let test = Arc::new(test);
    for mode in [ReactorMode::Shared, ReactorMode::Dedicated] {
        println!("{mode:?}");
        let test = test.clone();
        bounded(move || {
            let mut builder = Builder::new_multi_thread();
            builder.worker_threads(8).reactor_mode(mode);
            let rt = builder.build().unwrap();
            (0..many(30)).for_each(|_| test(&rt));
        });
    }
}

#[test]
fn work_from_outside_spreads_over_all_workers() {
    shared_and_dedicated(|rt| {
        let tasks = eight(|meeting| rt.spawn(async move { meeting.meet() }));
        rt.block_on(meet(tasks));
    });
}

#[test]
fn work_from_one_worker_spreads_over_all_workers() {
    shared_and_dedicated(|rt| {
        let spawn_eight = async {
            meet(eight(|meeting| filch::spawn(async move { meeting.meet() }))).await;
        };
        rt.block_on(rt.spawn(spawn_eight)).unwrap();
    });
}

#[test]
fn work_from_one_worker_spreads_after_tasks_have_only_chatted() {
    shared_and_dedicated(|rt| {
        let chat_then_spawn = async {
            let polls = Polls::default();
            let players = polls.ping_pong();
            while polls.count() < many(1000) {
                yield_now().await;
            }
            players.iter().for_each(|task| task.abort());
            meet(eight(|meeting| filch::spawn(async move { meeting.meet() }))).await;
        };
        rt.block_on(rt.spawn(chat_then_spawn)).unwrap();
    });
}

#[test]
fn what_one_promise_wakes_spreads_over_all_workers() {
    shared_and_dedicated(|rt| {
        rt.block_on(rt.spawn(async {
            let promise: Promise<(), ()> = Promise::new();
            let tasks = eight(|meeting| {
                let promise = promise.clone();
                filch::spawn(async move {
                    promise.await.unwrap();
                    meeting.meet()
                })
            });
            for _ in 0..20 {
                yield_now().await;
            }
            promise.set_result(()).unwrap();
            meet(tasks).await;
        }))
        .unwrap();
    });
}

#[test]
fn what_one_event_wakes_spreads_over_all_workers() {
    shared_and_dedicated(|rt| {
        rt.block_on(async {
            let (here, mut there) = pair();
            let here = Arc::new(here);
            let tasks = eight(|meeting| {
                let here = here.clone();
                filch::spawn(async move {
                    here.ready(Interest::READABLE).await.unwrap();
                    meeting.meet()
                })
            });
            common::a_turn().await;
            there.write_all(b"x").unwrap();
            meet(tasks).await;
        });
    });
}

#[test]
fn what_one_moment_wakes_spreads_over_all_workers() {
    shared_and_dedicated(|rt| {
        let at = Instant::now() + Duration::from_millis(5);
        let tasks = eight(|meeting| {
            rt.spawn(async move {
                filch::time::sleep_until(at.into()).await;
                meeting.meet()
            })
        });
        rt.block_on(meet(tasks));
    });
}

#[test]
fn a_current_thread_runtime_takes_turns_too() {
    bounded(|| {
        let rt = single();
        rt.block_on(async {
            let polls = Polls::default();
            let mut busy = polls.spin(10);
            busy.extend(polls.ping_pong());
            for _ in 0..many(100) {
                let before = from_outside(&polls).await.unwrap();
                assert!(before <= 64, "{before} polls came before");
            }
            busy.iter().for_each(|task| task.abort());
        });
    });
}

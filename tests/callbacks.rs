//! A promise is done once; its callbacks then run in order, on the workers, each once or, at shutdown, not at all.

use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::task::{Context, Wake, Waker};
use std::time::Duration;

use filch::runtime::{Builder, Runtime};
use filch::task::yield_now;
use filch::{InvalidState, Promise, PromiseError, PromiseState};

mod common;
use common::{Drops, Gate, Probe, block_workers, bounded, eventually, many, multi, single};

type Number = Promise<u32, String>;

fn promise(rt: &Runtime) -> Number {
    let _entered = rt.enter();
    Promise::new()
}

/// The answer of a call that came in a wrong state.
fn invalid<T>(answer: Result<T, InvalidState>) -> PromiseState {
    answer.err().unwrap().state
}

#[test]
fn a_promise_is_pending_and_then_done_once() {
    bounded(|| {
        let rt = multi(8);
        type Finish = fn(&Number) -> bool;
        let finishes: [(Finish, PromiseState, Result<u32, PromiseError<String>>); 3] = [
            (|p| p.set_result(7).is_ok(), PromiseState::Finished, Ok(7)),
            (
                |p| p.set_error("no".to_owned()).is_ok(),
                PromiseState::Finished,
                Err(PromiseError::Failed("no".to_owned())),
            ),
            (
                |p| p.cancel("late"),
                PromiseState::Cancelled,
                Err(PromiseError::Cancelled {
                    reason: "late".into(),
                }),
            ),
        ];
        for (finish, state, outcome) in finishes {
            let promise = promise(&rt);
            assert_eq!(promise.state(), PromiseState::Pending);
            assert!(!promise.is_done() && !promise.is_cancelled());
            assert_eq!(invalid(promise.result()), PromiseState::Pending);
            assert!(finish(&promise));
            for _ in 0..2 {
                assert_eq!(promise.state(), state);
                assert!(promise.is_done());
                assert_eq!(promise.is_cancelled(), state == PromiseState::Cancelled);
                assert_eq!(promise.result(), Ok(outcome.clone()));
                assert_eq!(rt.block_on(promise.clone().wait()), outcome);
                // What comes too late changes nothing.
                assert_eq!(invalid(promise.set_result(8)), state);
                assert_eq!(invalid(promise.set_error("too late".to_owned())), state);
                assert!(!promise.cancel("too late"));
            }
        }
    });
}

#[test]
fn an_error_tells_why_there_is_no_value() {
    let cancelled = |reason: &str| {
        let reason = reason.into();
        PromiseError::<String>::Cancelled { reason }.to_string()
    };
    assert_eq!(cancelled("late"), "the promise was cancelled: late");
    assert_eq!(cancelled(""), "the promise was cancelled");
    assert_eq!(PromiseError::Failed("no tea").to_string(), "no tea");
}

#[test]
#[should_panic(expected = "no filch runtime")]
fn a_promise_needs_a_runtime() {
    let _promise: Number = Promise::new();
}

#[test]
fn of_many_who_set_it_one_wins_and_all_see_the_same() {
    bounded(|| {
        let rt = multi(8);
        for _ in 0..many(200) {
            let (promise, drops) = (promise(&rt), Drops::default());
            let waits: Vec<_> = (0..4).map(|_| rt.spawn(promise.clone().wait())).collect();
            let set = |n: u32| {
                let (promise, counted) = (promise.clone(), drops.counted());
                rt.spawn(async move {
                    let _counted = counted;
                    if n == 3 {
                        promise.cancel("3")
                    } else {
                        promise.set_result(n).is_ok()
                    }
                })
            };
            let sets: Vec<_> = (0..6).map(set).collect();
            let won = sets.into_iter().map(|set| rt.block_on(set).unwrap());
            let winners: Vec<_> = won
                .enumerate()
                .filter(|(_, won)| *won)
                .map(|(n, _)| n)
                .collect();
            assert_eq!(winners.len(), 1, "{winners:?}");
            let outcome = promise.result().unwrap();
            match &outcome {
                Ok(n) => assert_eq!(*n as usize, winners[0]),
                Err(_) => assert_eq!(winners[0], 3),
            }
            for wait in waits {
                assert_eq!(rt.block_on(wait).unwrap(), outcome);
            }
        }
    });
}

#[test]
fn a_value_that_comes_too_late_is_dropped() {
    bounded(|| {
        let rt = multi(8);
        let _entered = rt.enter();
        let drops = Drops::default();
        let promise = Promise::<_, ()>::new();
        promise.set_result(drops.counted()).unwrap();
        promise.set_result(drops.counted()).unwrap_err();
        assert_eq!(drops.count(), 1);
        drop(promise);
        assert_eq!(drops.count(), 2);
    });
}

#[test]
fn callbacks_run_in_order_one_after_another_each_once() {
    bounded(|| {
        for rt in [multi(8), single()] {
            let promise = promise(&rt);
            let said = Arc::new(Mutex::new(Vec::new()));
            let running = Arc::new(AtomicBool::new(false));
            for n in 0..many(500) {
                let (said, running) = (said.clone(), running.clone());
                promise.add_done_callback(move |promise| {
                    assert!(!running.swap(true, Ordering::SeqCst), "two at once");
                    assert_eq!(promise.result(), Ok(Ok(7)));
                    said.lock().unwrap().push(n);
                    running.store(false, Ordering::SeqCst);
                });
            }
            promise.set_result(7).unwrap();
            rt.block_on(async {
                while said.lock().unwrap().len() < many(500) {
                    yield_now().await;
                }
            });
            let in_order: Vec<_> = (0..many(500)).collect();
            assert_eq!(*said.lock().unwrap(), in_order);
        }
    });
}

#[test]
fn a_callback_added_when_it_is_done_runs_after_those_added_before() {
    bounded(|| {
        let rt = multi(8);
        let promise = promise(&rt);
        let (gate, (tell, told)) = (Gate::closed(), mpsc::channel());
        for n in 0..3 {
            let (gate, tell) = (gate.clone(), tell.clone());
            promise.add_done_callback(move |_| {
                if n == 0 {
                    gate.pass();
                }
                tell.send(n).unwrap();
            });
            if n == 0 {
                promise.set_result(7).unwrap();
            }
        }
        // The first is stuck, and seven workers have nothing else to do than to run the others, wrongly.
        block_workers(&rt, 7).open();
        gate.open();
        assert_eq!(told.iter().take(3).collect::<Vec<_>>(), [0, 1, 2]);
    });
}

#[test]
fn callbacks_added_by_a_task_when_it_is_done_run_in_order() {
    bounded(|| {
        let rt = multi(1);
        let (tell, told) = mpsc::channel();
        let promise = promise(&rt);
        promise.set_result(7).unwrap();
        rt.spawn(async move {
            for n in 0..3 {
                let tell = tell.clone();
                promise.add_done_callback(move |_| tell.send(n).unwrap());
            }
        });
        assert_eq!(told.iter().take(3).collect::<Vec<_>>(), [0, 1, 2]);
    });
}

#[test]
fn a_callback_never_runs_on_the_stack_of_whoever_sets_or_adds() {
    bounded(|| {
        for rt in [multi(1), single()] {
            let promise = promise(&rt);
            let ran = Arc::new(AtomicUsize::new(0));
            let count = |by: usize| {
                let ran = ran.clone();
                move |_: &Number| {
                    assert!(filch::runtime::Handle::try_current().is_ok());
                    ran.fetch_add(by, Ordering::SeqCst);
                }
            };
            let (first, second) = (count(1), count(2));
            let runs = ran.clone();
            promise.add_done_callback(first);
            rt.block_on(rt.spawn(async move {
                // The one worker is busy here, so that nothing else can run before the first await.
                promise.set_result(7).unwrap();
                assert_eq!(runs.load(Ordering::SeqCst), 0);
                promise.add_done_callback(second);
                assert_eq!(runs.load(Ordering::SeqCst), 0);
                while runs.load(Ordering::SeqCst) < 3 {
                    yield_now().await;
                }
            }))
            .unwrap();
        }
    });
}

#[test]
fn callbacks_of_a_promise_set_from_a_foreign_thread_run_on_workers() {
    bounded(|| {
        let rt = multi(8);
        let promise = promise(&rt);
        let (tell, told) = mpsc::channel();
        let task = rt.spawn(promise.clone().wait());
        promise.add_done_callback(move |promise| {
            // A callback may do what a task may.
            let name = std::thread::current().name().unwrap().to_owned();
            let again = tell.clone();
            promise.add_done_callback(move |_| again.send("again".to_owned()).unwrap());
            filch::spawn(async move { tell.send(name).unwrap() });
        });
        let foreign = std::thread::spawn(move || promise.set_result(7));
        foreign.join().unwrap().unwrap();
        assert_eq!(rt.block_on(task).unwrap(), Ok(7));
        let said: Vec<_> = told.iter().collect();
        assert_eq!(said.len(), 2);
        assert!(
            said.iter().any(|name| name.starts_with("filch-w")),
            "{said:?}"
        );
    });
}

#[test]
fn any_number_of_tasks_of_any_runtime_may_wait() {
    bounded(|| {
        let runtimes = [multi(8), multi(2)];
        let promise = promise(&runtimes[0]);
        let wait = |n: usize| {
            let promise = promise.clone();
            runtimes[n % 2].spawn(async move { promise.await.unwrap() })
        };
        let tasks: Vec<_> = (0..many(2000)).map(wait).collect();
        promise.set_result(7).unwrap();
        for (n, task) in tasks.into_iter().enumerate() {
            assert_eq!(runtimes[n % 2].block_on(task).unwrap(), 7);
        }
    });
}

#[test]
fn a_waiter_that_goes_is_forgotten_and_one_that_moves_is_found() {
    bounded(|| {
        let rt = multi(8);
        let promise = promise(&rt);
        let [stays, moves, goes] = [Probe::new(), Probe::new(), Probe::new()];
        let mut waits: Vec<_> = (0..3).map(|_| promise.clone().wait()).collect();
        for wait in &mut waits {
            assert!(goes.poll(wait).is_pending());
        }
        assert!(stays.poll(&mut waits[0]).is_pending());
        assert!(moves.poll(&mut waits[1]).is_pending());
        waits.pop();
        assert_eq!((goes.held(), stays.held(), moves.held()), (0, 1, 1));
        promise.set_result(7).unwrap();
        assert_eq!((goes.wakes(), stays.wakes(), moves.wakes()), (0, 1, 1));
        assert_eq!((goes.held(), stays.held(), moves.held()), (0, 0, 0));
    });
}

#[test]
fn a_removed_callback_is_dropped_and_never_called() {
    bounded(|| {
        let rt = multi(8);
        let (promise, other) = (promise(&rt), promise(&rt));
        let (tell, told) = mpsc::channel();
        let drops = Drops::default();
        let add = |n: usize| {
            let (tell, counted) = (tell.clone(), drops.counted());
            promise.add_done_callback(move |_| {
                let _counted = counted;
                tell.send(n).unwrap();
            })
        };
        let ids: Vec<_> = (0..4).map(add).collect();
        for n in [0, 2] {
            assert!(promise.remove_done_callback(ids[n]));
            assert!(!promise.remove_done_callback(ids[n]));
        }
        assert_eq!(drops.count(), 2);
        assert!(
            !other.remove_done_callback(ids[1]),
            "it is no callback of that promise"
        );
        promise.set_result(7).unwrap();
        assert_eq!(told.iter().take(2).collect::<Vec<_>>(), [1, 3]);
        assert!(ids.iter().all(|id| !promise.remove_done_callback(*id)));
        eventually("all are dropped", || drops.count() == 4);
        assert!(told.try_recv().is_err());
    });
}

#[test]
fn a_promise_that_everybody_dropped_drops_its_callbacks() {
    bounded(|| {
        for rt in [multi(8), single()] {
            let (promise, drops) = (promise(&rt), Drops::default());
            for _ in 0..3 {
                let counted = drops.counted();
                promise.add_done_callback(move |_| drop(counted));
            }
            drop(promise);
            drop(rt);
            assert_eq!(drops.count(), 3);
        }
    });
}

#[test]
fn a_promise_that_is_set_after_its_runtime_ended_drops_its_callbacks() {
    bounded(|| {
        for rt in [multi(8), single()] {
            let (promise, drops) = (promise(&rt), Drops::default());
            let called = Arc::new(AtomicUsize::new(0));
            let add = |promise: &Number| {
                let (called, counted) = (called.clone(), drops.counted());
                promise.add_done_callback(move |_| {
                    let _counted = counted;
                    called.fetch_add(1, Ordering::SeqCst);
                });
            };
            add(&promise);
            add(&promise);
            let probe = Probe::new();
            let mut wait = promise.clone().wait();
            assert!(probe.poll(&mut wait).is_pending());
            drop(rt);
            promise.set_result(7).unwrap();
            add(&promise);
            assert_eq!(drops.count(), 3, "dropped, at the latest now");
            assert_eq!(called.load(Ordering::SeqCst), 0);
            // Whoever waits needs no runtime.
            probe.wait(1);
            assert!(probe.poll(&mut wait).is_ready());
        }
    });
}

#[test]
fn a_callback_in_a_queue_at_shutdown_is_dropped_once_whether_it_runs_or_not() {
    bounded(|| {
        for rt in [multi(2), single()] {
            let (promise, drops) = (promise(&rt), Drops::default());
            let gate = Gate::closed();
            for _ in 0..2 {
                let gate = gate.clone();
                rt.spawn(async move { gate.pass() });
            }
            for _ in 0..10 {
                let counted = drops.counted();
                promise.add_done_callback(move |_| drop(counted));
            }
            promise.set_result(7).unwrap();
            for _ in 0..10 {
                let counted = drops.counted();
                promise.add_done_callback(move |_| drop(counted));
            }
            gate.open();
            drop(rt);
            assert_eq!(drops.count(), 20);
        }
    });
}

/// Sets a promise when it is woken.
struct Setter(Number);

impl Wake for Setter {
    fn wake(self: Arc<Self>) {
        self.0.set_result(7).unwrap();
    }
}

#[test]
fn a_callback_that_a_timer_sets_off_at_the_end_is_dropped() {
    bounded(|| {
        let stops = Arc::new(AtomicUsize::new(0));
        let count = stops.clone();
        let mut builder = Builder::new_multi_thread();
        builder.worker_threads(2).on_thread_stop(move || {
            count.fetch_add(1, Ordering::SeqCst);
        });
        let rt = builder.build().unwrap();
        let (promise, drops) = (promise(&rt), Drops::default());
        let counted = drops.counted();
        promise.add_done_callback(move |_| drop(counted));
        let mut sleep = {
            let _entered = rt.enter();
            Box::pin(filch::time::sleep(Duration::from_secs(1)))
        };
        // A closure under way keeps the reactor alive when the workers are gone.
        let (gate, (tell, told)) = (Gate::closed(), mpsc::channel());
        let pass = gate.clone();
        drop(rt.spawn_blocking(move || {
            tell.send(()).unwrap();
            pass.pass();
        }));
        told.recv().unwrap();
        let setter = Waker::from(Arc::new(Setter(promise.clone())));
        let pending = Pin::new(&mut sleep)
            .poll(&mut Context::from_waker(&setter))
            .is_pending();
        assert!(pending);
        let ending = std::thread::spawn(move || drop(rt));
        eventually("the workers are gone", || stops.load(Ordering::SeqCst) == 2);
        assert!(
            !promise.is_done(),
            "a second was not enough to end two idle workers"
        );
        eventually("the timer fires", || promise.is_done());
        gate.open();
        ending.join().unwrap();
        drop((sleep, setter, promise));
        eventually("the callback is dropped", || drops.count() == 1);
    });
}

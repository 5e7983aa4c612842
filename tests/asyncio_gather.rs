//! `gather`, `wait`, `as_completed` and `shield` keep asyncio's promises. Modules and tests are named after those of CPython's
//! test_tasks.py.

use std::sync::OnceLock;

use filch::asyncio::{
    Gather, LoopTask, TaskError, TaskPanic, create_task, gather, gather_outcomes, sleep,
};
use filch::{EventLoop, Promise, PromiseError};

#[path = "common/asyncio.rs"]
mod asyncio_common;
mod common;
use asyncio_common::{Log, in_task, ms, on_loops, panic_of, run_briefly, told};

type Future = Promise<u32, String>;

fn futures<const N: usize>(on: &EventLoop) -> [Future; N] {
    std::array::from_fn(|_| on.create_future())
}

fn cancelled<E>(reason: &str) -> PromiseError<E> {
    PromiseError::Cancelled {
        reason: reason.into(),
    }
}

/// Gathers these, in a task that has begun to wait.
fn gathering<const N: usize>(
    on: &EventLoop,
    all: &[Future; N],
) -> LoopTask<Result<Vec<u32>, PromiseError<String>>> {
    let all = all.clone();
    let task = on.create_task(async move { gather(all).await });
    run_briefly(on);
    task
}

/// `GatherTestsBase`, `FutureGatherTests`, `CoroutineGatherTests`
mod gather_tests {
    use super::*;

    /// Results are in the order of the arguments, whatever the order in which they come.
    fn check_success(order: [usize; 3]) {
        on_loops(move |event_loop| {
            let all = futures::<3>(&event_loop);
            let task = gathering(&event_loop, &all);
            for (done, n) in order.into_iter().enumerate() {
                assert!(!task.is_done(), "{done} of 3 are");
                all[n].set_result(n as u32).unwrap();
                run_briefly(&event_loop);
            }
            assert_eq!(task.result(), Ok(Ok(Ok(vec![0, 1, 2]))));
        });
    }

    #[test]
    fn test_result_exception_success() {
        check_success([0, 1, 2]);
        check_success([2, 0, 1]);
    }

    #[test]
    fn test_one_exception() {
        on_loops(|event_loop| {
            let all = futures::<5>(&event_loop);
            let task = gathering(&event_loop, &all);
            all[0].set_result(1).unwrap();
            all[1].set_error("one".into()).unwrap();
            run_briefly(&event_loop);
            assert_eq!(
                task.result(),
                Ok(Ok(Err(PromiseError::Failed("one".into()))))
            );
            assert!(!all[2].is_done(), "siblings go on");
            all[2].set_result(3).unwrap();
            all[3].cancel("");
            all[4].set_error("nobody hears this".into()).unwrap();
            run_briefly(&event_loop);
            assert_eq!(
                task.result(),
                Ok(Ok(Err(PromiseError::Failed("one".into()))))
            );
        });
    }

    #[test]
    fn test_return_exceptions() {
        on_loops(|event_loop| {
            let all = futures::<4>(&event_loop);
            let children = all.clone();
            let task = event_loop.create_task(async move { gather_outcomes(children).await });
            run_briefly(&event_loop);
            all[0].set_result(1).unwrap();
            all[1].set_error("b".into()).unwrap();
            all[3].cancel("d");
            run_briefly(&event_loop);
            assert!(!task.is_done(), "it waits for all");
            all[2].set_error("c".into()).unwrap();
            let outcomes = event_loop.run_until_complete(task).unwrap().unwrap();
            let failed = |text: &str| Err(PromiseError::Failed(text.to_owned()));
            assert_eq!(
                outcomes,
                [Ok(1), failed("b"), failed("c"), Err(cancelled("d"))]
            );
        });
    }

    #[test]
    fn test_constructor_empty_sequence() {
        in_task(|| async {
            let none: [Future; 0] = [];
            assert_eq!(gather(none.clone()).await, Ok(vec![]));
            let outcomes = gather_outcomes(none);
            assert!(outcomes.is_done());
            assert_eq!(outcomes.await, Ok(vec![]));
        });
    }

    #[test]
    fn test_constructor_outside_a_loop() {
        let none: [Future; 0] = [];
        assert!(panic_of(|| drop(gather(none))).contains("no running event loop"));
    }

    /// A child that is cancelled is an error of the whole, which is not cancelled itself.
    #[test]
    fn test_one_cancellation() {
        on_loops(|event_loop| {
            let all = futures::<3>(&event_loop);
            let task = gathering(&event_loop, &all);
            all[0].set_result(1).unwrap();
            all[1].cancel("one");
            run_briefly(&event_loop);
            assert_eq!(task.result(), Ok(Ok(Err(cancelled("one")))));
            assert!(!task.is_cancelled() && !all[2].is_done());
        });
    }

    #[test]
    fn test_result_exception_one_cancellation() {
        on_loops(|event_loop| {
            let all = futures::<4>(&event_loop);
            let task = gathering(&event_loop, &all);
            all[1].set_error("first".into()).unwrap();
            all[0].cancel("second");
            run_briefly(&event_loop);
            assert_eq!(
                task.result(),
                Ok(Ok(Err(PromiseError::Failed("first".into()))))
            );
        });
    }

    #[test]
    fn test_duplicate_coroutines() {
        on_loops(|event_loop| {
            let log = Log::new();
            let said = log.clone();
            let task = event_loop.create_task(async move {
                said.say("once");
                7
            });
            let all = [task.clone(), task.clone(), task];
            let values = event_loop.run_until_complete(async move { gather(all).await.unwrap() });
            assert_eq!(values.unwrap(), [7, 7, 7]);
            assert_eq!(log.take(), ["once"]);
        });
    }

    #[test]
    fn test_coroutines_become_tasks_that_run_at_once() {
        in_task(|| async {
            let log = Log::new();
            let work = |n: u64| {
                let log = log.clone();
                async move {
                    log.say(n);
                    sleep(ms(3 - n)).await;
                    log.say(10 + n);
                    n
                }
            };
            assert_eq!(
                gather([work(0), work(1), work(2)]).await.unwrap(),
                [0, 1, 2]
            );
            let said = log.take();
            assert_eq!(said[..3], [0, 1, 2], "all begin before any ends");
        });
    }

    #[test]
    fn test_exception_of_a_coroutine() {
        in_task(|| async {
            let work = |n: u32| async move {
                assert!(n != 1, "one fails");
                n
            };
            let error = gather((0..3).map(work)).await.unwrap_err();
            assert!(error.to_string().contains("one fails"));
        });
    }

    /// Nor when nobody holds the whole any more.
    #[test]
    fn test_late_exceptions_are_not_told_after_the_first_was_heard() {
        on_loops(|event_loop| {
            let complaints = told(&event_loop);
            let gate = event_loop.create_future::<(), ()>();
            let after = gate.clone();
            let outcome = event_loop.run_until_complete(async move {
                let fail = |n: usize| {
                    let gate = gate.clone();
                    async move {
                        if n > 0 {
                            let _open = gate.await;
                        }
                        panic!("number {n}")
                    }
                };
                let first: Result<Vec<()>, _> = gather([fail(0), fail(1)]).await;
                first.unwrap_err().to_string()
            });
            assert!(outcome.unwrap().contains("number 0"));
            after.set_result(()).unwrap();
            run_briefly(&event_loop);
            assert!(event_loop.all_tasks().is_empty());
            assert_eq!(complaints.len(), 0, "{:?}", complaints.take());
        });
    }

    /// Errors after the first count as retrieved.
    #[test]
    fn test_late_exceptions_are_not_told() {
        on_loops(|event_loop| {
            let complaints = told(&event_loop);
            event_loop
                .run_until_complete(async {
                    let fail = |n: u64| async move {
                        sleep(ms(n)).await;
                        panic!("number {n}")
                    };
                    let all: Gather<LoopTask<()>, Vec<()>, TaskPanic> = gather([fail(1), fail(3)]);
                    assert!(
                        all.clone()
                            .await
                            .unwrap_err()
                            .to_string()
                            .contains("number 1")
                    );
                    while all.children().iter().any(|child| !child.is_done()) {
                        sleep(ms(1)).await;
                    }
                    sleep(ms(1)).await;
                })
                .unwrap();
            assert_eq!(complaints.len(), 0, "{:?}", complaints.take());
        });
    }

    #[test]
    fn test_cancel_gather_1() {
        on_loops(|event_loop| {
            let task = event_loop.create_task(async {
                let all = gather([sleep(ms(60_000)), sleep(ms(60_000))]);
                let handle = all.clone();
                create_task(async move { assert!(handle.cancel("whole")) });
                let error: TaskError = all.clone().await.unwrap_err();
                assert_eq!(error, cancelled("whole"));
                // The second is told in the same iteration.
                sleep(ms(0)).await;
                sleep(ms(0)).await;
                assert!(all.children().iter().all(LoopTask::is_cancelled));
                assert!(!all.cancel("again"), "it is done");
            });
            event_loop.run_until_complete(task).unwrap();
        });
    }

    /// Cancelling the task that waits cancels the children, and then the task.
    #[test]
    fn test_cancel_gather_2() {
        on_loops(|event_loop| {
            let all = futures::<2>(&event_loop);
            let task = gathering(&event_loop, &all);
            assert!(task.cancel("my message"));
            assert!(all.iter().all(Promise::is_cancelled));
            let error = event_loop.run_until_complete(task).unwrap_err();
            assert_eq!(error, cancelled("my message"));
        });
    }

    /// All children have ended well before the request reaches them: the values are there all the same.
    #[test]
    fn test_cancel_gather_that_is_done() {
        in_task(|| async {
            let all = gather([1, 2].map(|n| async move { n }));
            while !all.is_done() {
                sleep(ms(0)).await;
            }
            assert!(!all.cancel("late"));
            assert_eq!(all.await.unwrap(), [1, 2]);
        });
    }

    #[test]
    fn test_gathers_nest() {
        in_task(|| async {
            let inner = [gather([async { 1 }]), gather([async { 2 }])];
            assert_eq!(gather(inner).await.unwrap(), [[1], [2]]);
        });
    }

    #[test]
    fn test_many() {
        in_task(|| async {
            let n = common::many(10_000) as u64;
            let all = gather((0..n).map(|n| async move {
                sleep(ms(0)).await;
                n
            }));
            assert!(all.await.unwrap().into_iter().eq(0..n));
        });
    }
}

/// It would wait for ever for a lock that is held while it is cloned.
#[test]
fn a_value_may_look_at_its_gather_as_it_is_cloned() {
    static LOOK: OnceLock<Box<dyn Fn() + Send + Sync>> = OnceLock::new();
    struct Looks;
    impl Clone for Looks {
        fn clone(&self) -> Looks {
            LOOK.get().expect("it was set")();
            Looks
        }
    }
    common::bounded(|| {
        let event_loop = EventLoop::new();
        let promise = event_loop.create_future::<Looks, ()>();
        let done = promise.clone();
        let outcome = event_loop.run_until_complete(async move {
            let all = gather([promise]);
            let same = all.clone();
            let look = Box::new(move || drop(format!("{same:?}")));
            assert!(LOOK.set(look).is_ok() && done.set_result(Looks).is_ok());
            all.await.is_ok()
        });
        assert_eq!(outcome, Ok(true));
    });
}

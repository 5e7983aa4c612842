//! `wait`, `as_completed` and `shield` keep asyncio's promises. Modules and tests are named after those of CPython's
//! test_tasks.py.

use std::future::pending;

use filch::asyncio::{
    self, LoopTask, ReturnWhen, as_completed, catch_cancel, create_task, current_task, gather,
    get_running_loop, shield, sleep, wait, wait_on,
};
use filch::{EventLoop, Promise, PromiseError};

#[path = "common/asyncio.rs"]
mod asyncio_common;
mod common;
use asyncio_common::{Log, in_task, ms, on_loops, run_briefly, told};

type Future = Promise<u32, String>;

fn futures<const N: usize>(on: &EventLoop) -> [Future; N] {
    std::array::from_fn(|_| on.create_future())
}

/// `BaseTaskTests.test_wait_*`
mod wait_tests {
    use super::*;

    async fn after(delay: u64, value: u32) -> u32 {
        sleep(ms(delay)).await;
        value
    }

    #[test]
    fn test_wait() {
        in_task(|| async {
            let all = [create_task(after(1, 1)), create_task(after(3, 2))];
            let waited = wait(all, None, ReturnWhen::default()).await;
            let values = waited
                .done
                .iter()
                .map(|task| task.result().unwrap().unwrap());
            assert!(values.eq([1, 2]));
            assert!(waited.pending.is_empty());
        });
    }

    #[test]
    fn test_wait_of_nothing() {
        on_loops(|event_loop| {
            let none: [Future; 0] = [];
            let outcome = event_loop.run_until_complete(async move {
                drop(wait(none, None, ReturnWhen::AllCompleted).await);
            });
            let text = outcome.unwrap_err().to_string();
            assert!(text.contains("Set of Tasks/Futures is empty."), "{text}");
        });
    }

    #[test]
    fn test_wait_first_completed() {
        in_task(|| async {
            let all = [create_task(after(60_000, 1)), create_task(after(1, 2))];
            let waited = wait(all.clone(), None, ReturnWhen::FirstCompleted).await;
            assert_eq!(waited.done[0].task(), all[1].task());
            assert_eq!(waited.pending[0].task(), all[0].task());
            assert!(!all[0].is_done(), "nothing is cancelled");
            all[0].cancel("");
        });
    }

    #[test]
    fn test_wait_really_done() {
        in_task(|| async {
            let all = [create_task(after(0, 1)), create_task(after(0, 2))];
            sleep(ms(2)).await;
            assert!(all.iter().all(LoopTask::is_done));
            let waited = wait(all, None, ReturnWhen::FirstCompleted).await;
            assert_eq!(waited.done.len(), 2, "all that are done");
        });
    }

    #[test]
    fn test_wait_first_exception() {
        in_task(|| async {
            let slow = create_task(after(60_000, 1));
            let fails = create_task(async { panic!("x") });
            let waited = wait([slow.clone(), fails], None, ReturnWhen::FirstException).await;
            assert!(waited.done[0].result().unwrap().is_err());
            assert_eq!(waited.pending[0].task(), slow.task());
            slow.cancel("");
        });
    }

    #[test]
    fn test_wait_first_exception_in_wait() {
        in_task(|| async {
            let all = [
                create_task(after(60_000, 1)),
                create_task(async {
                    sleep(ms(2)).await;
                    panic!("later")
                }),
            ];
            let waited = wait(all, None, ReturnWhen::FirstException).await;
            assert_eq!((waited.done.len(), waited.pending.len()), (1, 1));
            waited.done[0].result().unwrap().unwrap_err();
            waited.pending[0].cancel("");
        });
    }

    /// One that is cancelled is no exception.
    #[test]
    fn test_wait_first_exception_cancelled() {
        in_task(|| async {
            let dies = create_task(pending::<u32>());
            let goes_on = create_task(after(5, 1));
            dies.cancel("");
            let waited = wait([dies, goes_on], None, ReturnWhen::FirstException).await;
            assert_eq!(waited.done.len(), 2);
        });
    }

    #[test]
    fn test_wait_with_exception() {
        in_task(|| async {
            let fails = create_task(async { panic!("x") });
            let waited = wait(
                [fails, create_task(after(1, 1))],
                None,
                ReturnWhen::AllCompleted,
            )
            .await;
            let failed = waited
                .done
                .iter()
                .filter(|task| task.result().unwrap().is_err());
            assert_eq!((waited.done.len(), failed.count()), (2, 1));
        });
    }

    #[test]
    fn test_wait_with_timeout() {
        in_task(|| async {
            let all = [create_task(after(1, 1)), create_task(after(60_000, 2))];
            let waited = wait(all, Some(ms(20)), ReturnWhen::AllCompleted).await;
            assert_eq!((waited.done.len(), waited.pending.len()), (1, 1));
            waited.pending[0].cancel("");
        });
    }

    #[test]
    fn test_wait_concurrent_complete() {
        in_task(|| async {
            let all = [create_task(after(0, 1)), create_task(after(60_000, 2))];
            let waited = wait(all, Some(ms(5)), ReturnWhen::AllCompleted).await;
            assert_eq!(waited.done[0].result().unwrap(), Ok(1));
            waited.pending[0].cancel("");
        });
    }

    /// Who waits and is cancelled cancels none of what it waits for.
    #[test]
    fn test_yield_wait_does_not_shield_cancel() {
        on_loops(|event_loop| {
            let inner = event_loop.create_task(pending::<()>());
            let waits = inner.clone();
            let task = event_loop.create_task(async move {
                drop(wait([waits], None, ReturnWhen::AllCompleted).await);
            });
            run_briefly(&event_loop);
            task.cancel("");
            run_briefly(&event_loop);
            assert!(task.is_cancelled() && !inner.is_done());
            inner.cancel("");
            run_briefly(&event_loop);
        });
    }
}

/// `BaseTaskTests.test_as_completed_*`
mod as_completed_tests {
    use super::*;

    async fn after(delay: u64, value: u32) -> u32 {
        sleep(ms(delay)).await;
        value
    }

    #[test]
    fn test_as_completed() {
        on_loops(|event_loop| {
            let all = futures::<3>(&event_loop);
            let (log, children) = (Log::new(), all.clone());
            let said = log.clone();
            let task = event_loop.create_task(async move {
                let mut each = as_completed(children, None);
                while let Some(next) = each.next().await {
                    said.say(next.unwrap().await.unwrap());
                }
            });
            for n in [1, 0, 2] {
                run_briefly(&event_loop);
                all[n as usize].set_result(n).unwrap();
            }
            event_loop.run_until_complete(task).unwrap();
            assert_eq!(log.take(), [1, 0, 2]);
        });
    }

    #[test]
    fn test_as_completed_same_tasks_in_as_out() {
        in_task(|| async {
            let tasks = [create_task(after(2, 1)), create_task(after(0, 2))];
            let mut each = as_completed(tasks.clone(), None);
            let mut seen = Vec::new();
            while let Some(task) = each.next().await {
                let task = task.unwrap();
                assert!(task.is_done());
                seen.push(task.task());
            }
            assert!(seen.len() == 2 && tasks.iter().all(|task| seen.contains(&task.task())));
        });
    }

    #[test]
    fn test_as_completed_with_timeout() {
        in_task(|| async {
            let slow = create_task(after(60_000, 1));
            let mut each = as_completed([create_task(after(0, 2)), slow.clone()], Some(ms(20)));
            assert_eq!(each.next().await.unwrap().unwrap().await, Ok(2));
            assert_eq!(
                each.next().await.unwrap().unwrap_err().to_string(),
                "timed out"
            );
            assert!(each.next().await.is_none());
            assert!(!slow.is_done());
            slow.cancel("");
        });
    }

    #[test]
    fn test_as_completed_with_unused_timeout() {
        in_task(|| async {
            let mut each = as_completed([after(1, 7)], Some(ms(60_000)));
            assert_eq!(each.next().await.unwrap().unwrap().await, Ok(7));
            assert!(each.next().await.is_none());
        });
    }

    #[test]
    fn test_as_completed_reverse_wait() {
        in_task(|| async {
            let event: Promise<(), ()> = asyncio::get_running_loop().unwrap().create_future();
            let work = [1, 2].map(|n| {
                let event = event.clone();
                async move {
                    match n {
                        1 => wait_on(event).await.unwrap(),
                        _ => event.set_result(()).unwrap(),
                    }
                    n
                }
            });
            let mut each = as_completed(work, None);
            let first = each.next().await.unwrap().unwrap();
            let second = each.next().await.unwrap().unwrap();
            assert_eq!((second.await, first.await), (Ok(1), Ok(2)));
        });
    }

    #[test]
    fn test_as_completed_empty() {
        in_task(|| async {
            let none: [Future; 0] = [];
            assert!(as_completed(none, None).next().await.is_none());
        });
    }

    #[test]
    fn test_as_completed_coroutine_that_fails() {
        in_task(|| async {
            let mut each = as_completed([async { panic!("x") }], None);
            let task: LoopTask<()> = each.next().await.unwrap().unwrap();
            assert!(task.await.is_err());
        });
    }
}

/// `BaseTaskTests.test_shield_*`
mod shield_tests {
    use super::*;

    /// A shield of a future, made inside the loop.
    fn shielded(on: &EventLoop, inner: &Future) -> Future {
        let inner = inner.clone();
        on.run_until_complete(async move { shield(inner) }).unwrap()
    }

    #[test]
    fn test_shield_result() {
        on_loops(|event_loop| {
            let [inner] = futures(&event_loop);
            let outer = shielded(&event_loop, &inner);
            inner.set_result(42).unwrap();
            run_briefly(&event_loop);
            assert_eq!(outer.result(), Ok(Ok(42)));
        });
    }

    #[test]
    fn test_shield_exception() {
        on_loops(|event_loop| {
            let [inner] = futures(&event_loop);
            let outer = shielded(&event_loop, &inner);
            inner.set_error("expected".into()).unwrap();
            run_briefly(&event_loop);
            assert_eq!(
                outer.result(),
                Ok(Err(PromiseError::Failed("expected".into())))
            );
        });
    }

    #[test]
    fn test_shield_cancel_inner() {
        on_loops(|event_loop| {
            let [inner] = futures(&event_loop);
            let outer = shielded(&event_loop, &inner);
            inner.cancel("inner");
            run_briefly(&event_loop);
            assert!(outer.is_cancelled());
        });
    }

    #[test]
    fn test_shield_cancel_outer() {
        on_loops(|event_loop| {
            let [inner] = futures(&event_loop);
            let outer = shielded(&event_loop, &inner);
            outer.cancel("outer");
            run_briefly(&event_loop);
            assert!(outer.is_cancelled() && !inner.is_done());
            inner.set_result(1).unwrap();
            run_briefly(&event_loop);
            assert!(outer.is_cancelled(), "it stays so");
        });
    }

    /// The shield has let go: an error that nobody asks for is told.
    #[test]
    fn test_shield_cancel_outer_exception() {
        on_loops(|event_loop| {
            let complaints = told(&event_loop);
            let task: LoopTask<()> = event_loop.create_task(async {
                sleep(ms(2)).await;
                panic!("late")
            });
            let inner = task.clone();
            event_loop
                .run_until_complete(async move { assert!(shield(inner).cancel("outer")) })
                .unwrap();
            while !task.is_done() {
                event_loop.run_until_complete(sleep(ms(1))).unwrap();
            }
            run_briefly(&event_loop);
            drop(task);
            assert_eq!(complaints.len(), 1);
        });
    }

    #[test]
    fn test_shield_shortcut() {
        on_loops(|event_loop| {
            let [inner] = futures(&event_loop);
            inner.set_result(42).unwrap();
            assert_eq!(shielded(&event_loop, &inner).result(), Ok(Ok(42)));
        });
    }

    /// The task that waits is cancelled; the work goes on.
    #[test]
    fn test_shield_effect() {
        in_task(|| async {
            let log = Log::new();
            let said = log.clone();
            let go: Promise<(), ()> = get_running_loop().unwrap().create_future();
            let begins = go.clone();
            let inner = create_task(async move {
                begins.wait().await.unwrap();
                said.say("done");
            });
            let waits = inner.clone();
            let outer = create_task(async move { shield(waits).await.unwrap() });
            sleep(ms(0)).await;
            outer.cancel("");
            assert!(outer.await.is_err());
            assert!(!inner.is_done());
            go.set_result(()).unwrap();
            inner.await.unwrap();
            assert_eq!(log.take(), ["done"]);
        });
    }

    #[test]
    fn test_shield_gather() {
        on_loops(|event_loop| {
            let all = futures::<2>(&event_loop);
            let children = all.clone();
            let outer = event_loop
                .run_until_complete(async move { shield(gather(children)) })
                .unwrap();
            outer.cancel("outer");
            run_briefly(&event_loop);
            assert!(all.iter().all(|child| !child.is_done()));
        });
    }

    #[test]
    fn test_gather_shield() {
        on_loops(|event_loop| {
            let all = futures::<2>(&event_loop);
            let children = all.clone();
            let task =
                event_loop.create_task(async move { gather(children.map(shield)).await.map(drop) });
            run_briefly(&event_loop);
            task.cancel("");
            run_briefly(&event_loop);
            assert!(task.is_cancelled());
            assert!(all.iter().all(|child| !child.is_done()));
        });
    }

    #[test]
    fn test_shield_coroutine() {
        on_loops(|event_loop| {
            let log = Log::new();
            let said = log.clone();
            let outer = event_loop.run_until_complete(async move {
                shield(async move {
                    sleep(ms(1)).await;
                    said.say("done");
                })
            });
            outer.unwrap().cancel("");
            while log.len() == 0 {
                event_loop.run_until_complete(sleep(ms(1))).unwrap();
            }
        });
    }

    #[test]
    fn test_shield_inside_catch_cancel() {
        on_loops(|event_loop| {
            let [inner] = futures(&event_loop);
            let waits = inner.clone();
            let task = event_loop.create_task(async move {
                let me = current_task().unwrap();
                let heard = catch_cancel(wait_on(shield(waits.clone()))).await;
                assert_eq!(heard.unwrap_err().reason(), "once");
                assert_eq!(me.uncancel(), 0);
                wait_on(waits).await.unwrap()
            });
            run_briefly(&event_loop);
            task.cancel("once");
            run_briefly(&event_loop);
            inner.set_result(7).unwrap();
            assert_eq!(event_loop.run_until_complete(task).unwrap(), 7);
        });
    }
}

/// A gather that nobody but its shield holds goes on.
#[test]
fn shield_keeps_a_gather() {
    in_task(|| async {
        let [one, two] = [1, 2].map(|n| create_task(async move { n }));
        let outer = shield(gather([one, two]));
        assert_eq!(outer.await.unwrap(), [1, 2]);
    });
}
/// The shield lets go of it when nobody wants the shield.
#[test]
fn shield_forgets_a_gather() {
    on_loops(|event_loop| {
        let kept = std::sync::Arc::new(());
        let of_callback = kept.clone();
        event_loop
            .run_until_complete(async move {
                let never = Promise::<u32, String>::new();
                never.add_done_callback(move |_| drop(of_callback));
                drop(shield(gather([never])));
            })
            .unwrap();
        assert_eq!(std::sync::Arc::strong_count(&kept), 1);
    });
}

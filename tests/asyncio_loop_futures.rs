//! Promises of a loop: their callbacks run in it, and its exception handler hears of errors that nobody asked for.

#[path = "common/asyncio.rs"]
mod asyncio_common;
mod common;

use filch::asyncio::{create_task, get_running_loop, sleep};
use filch::{EventLoop, Promise, PromiseError};

use asyncio_common::{Log, in_task, ms, on_loops, run_briefly, told};

type Future = Promise<u32, String>;

/// Lib/test/test_asyncio/test_futures.py, `BaseFutureTests`, of a loop's own futures.
mod base_future_tests {
    use super::*;

    #[test]
    fn tb_logger_exception_unretrieved() {
        on_loops(|event_loop| {
            let told = told(&event_loop);
            let future: Future = event_loop.create_future();
            let line = line!() - 1;
            future.set_error("no tea".to_owned()).unwrap();
            drop(future);
            let all = told.take();
            assert_eq!(all.len(), 1);
            assert_eq!(all[0].message(), "Future exception was never retrieved");
            assert_eq!(all[0].exception(), Some("no tea"));
            let place = all[0].place().unwrap();
            assert_eq!((place.file(), place.line()), (file!(), line));
        });
    }

    #[test]
    fn tb_logger_exception_retrieved() {
        on_loops(|event_loop| {
            let told = told(&event_loop);
            let future: Future = event_loop.create_future();
            future.set_error("no tea".to_owned()).unwrap();
            assert!(future.error().unwrap().is_some());
            drop(future);
            assert_eq!(told.len(), 0);
        });
    }

    #[test]
    fn tb_logger_not_called_after_cancel() {
        on_loops(|event_loop| {
            let told = told(&event_loop);
            let future: Future = event_loop.create_future();
            future.set_error("no tea".to_owned()).unwrap();
            assert!(!future.cancel(""));
            drop(future);
            assert_eq!(told.len(), 0);
        });
    }

    #[test]
    fn tb_logger_result_unretrieved() {
        on_loops(|event_loop| {
            let told = told(&event_loop);
            let future: Future = event_loop.create_future();
            future.set_result(7).unwrap();
            drop(future);
            assert_eq!(told.len(), 0);
        });
    }

    #[test]
    fn a_task_that_nobody_asks_is_told_once() {
        on_loops(|event_loop| {
            let told = told(&event_loop);
            drop(event_loop.create_task(async { panic!("no tea") }));
            run_briefly(&event_loop);
            let all = told.take();
            assert_eq!(all.len(), 1, "{all:?}");
            assert_eq!(all[0].message(), "Task exception was never retrieved");
        });
    }

    #[test]
    fn wrap_future() {
        // From the workers into the loop: the outcome flows down, and the callback runs in the loop.
        in_task(|| async {
            let event_loop = EventLoop::current().unwrap();
            let (inside, outside): (Future, Future) = (event_loop.create_future(), Promise::new());
            Promise::chain(&outside, &inside);
            let log = Log::new();
            let into = log.clone();
            inside.add_done_callback(move |_| into.say(get_running_loop().is_some()));
            outside.set_result(7).unwrap();
            assert_eq!(inside.await.unwrap(), 7);
            // A worker may have set it before it was awaited.
            while log.len() == 0 {
                filch::asyncio::sleep(std::time::Duration::ZERO).await;
            }
            assert_eq!(log.take(), [true]);
        });
    }

    #[test]
    fn wrap_future_cancel() {
        in_task(|| async {
            let event_loop = EventLoop::current().unwrap();
            let (inside, outside): (Future, Future) = (event_loop.create_future(), Promise::new());
            Promise::chain(&outside, &inside);
            assert!(inside.cancel("no need"));
            let outcome = outside.await;
            let reason = "no need".into();
            assert_eq!(outcome, Err(PromiseError::Cancelled { reason }));
        });
    }

    #[test]
    fn wrap_future_cancel2() {
        // A result that comes first stays at either end.
        in_task(|| async {
            let event_loop = EventLoop::current().unwrap();
            let (inside, outside): (Future, Future) = (event_loop.create_future(), Promise::new());
            Promise::chain(&outside, &inside);
            inside.set_result(42).unwrap();
            outside.set_result(7).unwrap();
            assert_eq!(inside.await, Ok(42));
            assert_eq!(outside.await, Ok(7));
        });
    }

    #[test]
    fn callbacks_and_awaiting_tasks_go_in_the_order_of_registration() {
        in_task(|| async {
            let event_loop = EventLoop::current().unwrap();
            let future: Future = event_loop.create_future();
            let log = Log::new();
            let say = |what: &'static str| {
                let log = log.clone();
                move |_: &Future| log.say(what)
            };
            let waits = |what: &'static str| {
                let (log, future) = (log.clone(), future.clone());
                async move {
                    future.await.unwrap();
                    log.say(what);
                }
            };
            future.add_done_callback(say("callback 1"));
            let one = create_task(waits("task 1"));
            sleep(ms(0)).await;
            future.add_done_callback(say("callback 2"));
            let two = create_task(waits("task 2"));
            sleep(ms(0)).await;
            future.set_result(7).unwrap();
            event_loop.call_soon({
                let log = log.clone();
                move || log.say("call_soon")
            });
            one.await.unwrap();
            two.await.unwrap();
            let all = ["callback 1", "task 1", "callback 2", "task 2", "call_soon"];
            assert_eq!(log.take(), all);
        });
    }

    #[test]
    fn callback_with_exception() {
        on_loops(|event_loop| {
            let told = told(&event_loop);
            let future: Future = event_loop.create_future();
            let log = Log::new();
            let into = log.clone();
            future.add_done_callback(|_| panic!("no tea"));
            future.add_done_callback(move |_| into.say("called"));
            future.set_result(7).unwrap();
            run_briefly(&event_loop);
            assert_eq!(log.take(), ["called"]);
            let all = told.take();
            assert_eq!(all.len(), 1);
            assert_eq!(all[0].exception(), Some("no tea"));
        });
    }
}

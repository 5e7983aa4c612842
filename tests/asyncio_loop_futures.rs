//! Promises of a loop: their callbacks run in it, and its exception handler hears of errors that nobody asked for.

#[path = "common/asyncio.rs"]
mod asyncio_common;
mod common;

use filch::asyncio::get_running_loop;
use filch::{EventLoop, Promise, PromiseError};

use asyncio_common::{Log, in_task, on_loops, run_briefly, told};

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
}

//! Who waits for a task of another loop is not left behind when that loop is closed.

use std::future::pending;

use filch::asyncio;
use filch::{EventLoop, Promise};

#[path = "common/asyncio.rs"]
mod asyncio_common;
mod common;
use asyncio_common::ms;
use common::{bounded, multi, single};

#[test]
fn who_gathers_or_shields_a_task_of_another_loop_hears_that_it_is_closed() {
    bounded(|| {
        let rt = multi(2);
        let _entered = rt.enter();
        let (here, there) = (EventLoop::new(), EventLoop::new());
        there.set_exception_handler(|_| {});
        let task = there.create_task(pending::<u8>());
        let (gathered, shielded, waited) = (task.clone(), task.clone(), task);
        here.call_later(ms(1), move || there.close());
        let outcome = here.run_until_complete(async move {
            let shield = asyncio::create_task(async move { asyncio::shield(shielded).await });
            let wait = asyncio::create_task(async move {
                let all = asyncio::ReturnWhen::AllCompleted;
                asyncio::wait([waited], None, all).await.done.len()
            });
            let gathered = asyncio::gather([gathered]).await;
            (
                gathered.is_err(),
                shield.await.unwrap().is_err(),
                wait.await,
            )
        });
        assert_eq!(outcome.unwrap(), (true, true, Ok(1)));
    });
}

#[test]
fn run_until_complete_hears_that_the_loop_of_a_task_is_closed() {
    bounded(|| {
        let rt = multi(2);
        let _entered = rt.enter();
        let (here, there) = (EventLoop::new(), EventLoop::new());
        there.set_exception_handler(|_| {});
        let task = there.create_task(pending::<u8>());
        here.call_later(ms(1), move || there.close());
        assert!(here.run_until_complete(task).is_err());
    });
}

/// CPython refuses such a future.
#[test]
fn run_until_complete_does_not_need_the_loop_of_a_promise() {
    bounded(|| {
        let rt = multi(2);
        let _entered = rt.enter();
        let (here, there) = (EventLoop::new(), EventLoop::new());
        let promise = there.create_future::<u8, ()>();
        let done = promise.clone();
        here.call_later(ms(1), move || done.set_result(7).unwrap());
        assert_eq!(here.run_until_complete(promise.clone()), Ok(7));
        assert_eq!(
            here.run_until_complete(promise),
            Ok(7),
            "it is done already"
        );
    });
}

/// Nobody is left who could carry a callback: the loop is closed, and its runtime has gone, or nobody drives it.
#[test]
fn who_waits_for_a_promise_of_a_closed_loop_needs_no_runtime_of_it() {
    bounded(|| {
        let (here, gone, idle) = (EventLoop::new(), EventLoop::new(), single());
        let closed = {
            let _entered = idle.enter();
            EventLoop::new()
        };
        let promises = [&gone, &closed].map(EventLoop::create_future::<u8, ()>);
        closed.close();
        drop(gone);
        let done = promises.clone();
        here.call_later(ms(1), move || {
            for promise in done {
                promise.set_result(7).unwrap();
            }
        });
        let [one, two] = promises.clone();
        let waits = here.run_until_complete(async move {
            let shields = [asyncio::shield(one), asyncio::shield(two)];
            let shields = asyncio::gather(shields).await;
            (shields, asyncio::gather(promises).await)
        });
        assert_eq!(waits, Ok((Ok(vec![7, 7]), Ok(vec![7, 7]))));
    });
}

/// The same for the promises of a runtime.
#[test]
fn who_waits_for_a_promise_needs_no_runtime_of_it() {
    bounded(|| {
        let (here, rt) = (EventLoop::new(), multi(1));
        let promise = {
            let _entered = rt.enter();
            Promise::<u8, ()>::new()
        };
        drop(rt);
        let done = promise.clone();
        here.call_later(ms(1), move || done.set_result(7).unwrap());
        let waits = here.run_until_complete(async move { asyncio::gather([promise]).await });
        assert_eq!(waits, Ok(Ok(vec![7])));
    });
}

/// Each goes on where the one before it is set: one after the other, not one inside the other.
#[test]
fn a_chain_of_promises_of_a_closed_loop_may_be_of_any_length() {
    bounded(|| {
        let gone = EventLoop::new();
        let first = gone.create_future::<usize, ()>();
        let mut last = first.clone();
        for _ in 0..common::many(100_000) {
            let next = gone.create_future();
            Promise::chain(&last, &next);
            last = next;
        }
        drop(gone);
        first.set_result(7).unwrap();
        assert_eq!(last.result(), Ok(Ok(7)));
    });
}

/// What the steps of a task wore is dropped with it.
#[test]
fn a_value_that_panics_as_a_loop_is_closed_hurts_its_task_only() {
    struct Bad;
    impl Clone for Bad {
        fn clone(&self) -> Bad {
            Bad
        }
    }
    impl Drop for Bad {
        fn drop(&mut self) {
            if std::thread::current().name() == Some("closes") {
                panic!("it is not closed for Bad");
            }
        }
    }
    filch::task_local! {
        #[inherit]
        static BAD: Bad;
    }
    bounded(|| {
        let event_loop = EventLoop::new();
        event_loop.set_exception_handler(|_| {});
        BAD.sync_scope(Bad, || drop(event_loop.create_task(pending::<()>())));
        let other = event_loop.create_task(pending::<()>());
        let closes = std::thread::Builder::new().name("closes".to_owned());
        let closes = closes.spawn(move || event_loop.close()).unwrap();
        assert!(closes.join().is_ok());
        assert!(other.is_cancelled());
    });
}

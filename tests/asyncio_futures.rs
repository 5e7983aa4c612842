//! A promise behaves as `asyncio.Future`: each test stands for the one of the same name in CPython's
//! Lib/test/test_asyncio/test_futures.py, class BaseFutureTests; `tests/README.md` says which have none.

use std::sync::mpsc;
use std::sync::{Arc, Mutex};
use std::task::Poll;

use filch::generator::{Coroutine, Stop};
use filch::runtime::{Builder, Runtime};
use filch::{Promise, PromiseError, PromiseState};

mod common;
use common::{Probe, bounded, child, child_role, multi, run_child, single};

type Number = Promise<u32, &'static str>;

fn promise(rt: &Runtime) -> Number {
    let _entered = rt.enter();
    Promise::new()
}

/// On a multi-thread runtime, and on a current-thread one.
fn on_both(test: impl Fn(&Runtime) + Send + 'static) {
    bounded(move || [multi(2), single()].iter().for_each(test));
}

fn cancelled(reason: &str) -> PromiseError<&'static str> {
    let reason = reason.into();
    PromiseError::Cancelled { reason }
}

#[test]
fn initial_state() {
    on_both(|rt| {
        let f = promise(rt);
        assert!(!f.is_cancelled() && !f.is_done());
        f.cancel("");
        assert!(f.is_cancelled());
    });
}

#[test]
#[should_panic(expected = "there is no filch runtime")]
fn constructor_without_loop() {
    let _promise = Number::new();
}

/// The name of the thread that runs the promise's callbacks.
fn thread_of(rt: &Runtime, f: &Number) -> String {
    let (tell, told) = async_channel::unbounded();
    f.add_done_callback(move |_| {
        let name = std::thread::current().name().unwrap().to_owned();
        tell.try_send(name).unwrap();
    });
    f.set_result(1).unwrap();
    rt.block_on(async { told.recv().await.unwrap() })
}

/// Two runtimes whose workers have the names `a` and `b`.
fn named_runtimes() -> [Runtime; 2] {
    ["a", "b"].map(|name| {
        let mut builder = Builder::new_multi_thread();
        builder.worker_threads(1).thread_name(name).build().unwrap()
    })
}

#[test]
fn constructor_use_running_loop() {
    bounded(|| {
        let [a, b] = named_runtimes();
        let f = b.block_on(a.spawn(async { Number::new() })).unwrap();
        assert_eq!(thread_of(&b, &f), "a");
    });
}

#[test]
fn constructor_use_global_loop() {
    bounded(|| {
        let [a, b] = named_runtimes();
        let _entered = a.enter();
        let f = promise(&b);
        assert_eq!(thread_of(&a, &f), "b");
        assert_eq!(thread_of(&a, &Promise::new()), "a");
    });
}

#[test]
fn future_cancel_message_getter() {
    on_both(|rt| {
        let f = promise(rt);
        assert_eq!(f.cancel_reason(), None);
        f.cancel("my message");
        assert_eq!(rt.block_on(f.clone().wait()), Err(cancelled("my message")));
        assert_eq!(
            f.cancel_reason().map(|reason| &**reason),
            Some("my message")
        );
        assert_eq!(promise(rt).cancel_reason(), None);
    });
}

#[test]
fn future_cancel_message_setter() {
    // Not as CPython's: what a promise was cancelled for cannot be changed any more.
    on_both(|rt| {
        let f = promise(rt);
        assert!(f.cancel("my message"));
        assert!(!f.cancel("my new message"));
        assert_eq!(rt.block_on(f.wait()), Err(cancelled("my message")));
    });
}

#[test]
fn cancel() {
    on_both(|rt| {
        let f = promise(rt);
        assert!(f.cancel("late"));
        assert!(f.is_cancelled() && f.is_done());
        assert_eq!(f.result(), Ok(Err(cancelled("late"))));
        assert_eq!(f.error(), Ok(Some(cancelled("late"))));
        let error = f.set_result(1).unwrap_err();
        assert_eq!(error.to_string(), "invalid state: it was cancelled already");
        assert_eq!(f.set_error("e").unwrap_err(), error);
        assert!(!f.cancel("again"));
    });
}

#[test]
fn result() {
    on_both(|rt| {
        let f = promise(rt);
        let error = f.result().unwrap_err();
        assert_eq!(error.state, PromiseState::Pending);
        assert_eq!(error.to_string(), "Result is not ready.");
        f.set_result(42).unwrap();
        assert!(!f.is_cancelled() && f.is_done());
        assert_eq!(f.result(), Ok(Ok(42)));
        assert_eq!(f.error(), Ok(None));
        let error = f.set_result(1).unwrap_err();
        assert_eq!(
            error.to_string(),
            "invalid state: it has a result or an error already"
        );
        assert_eq!(f.set_error("e").unwrap_err(), error);
        assert!(!f.cancel(""));
    });
}

#[test]
fn exception() {
    on_both(|rt| {
        let f = promise(rt);
        assert_eq!(f.error().unwrap_err().to_string(), "Exception is not set.");
        f.set_error("e").unwrap();
        assert!(!f.is_cancelled() && f.is_done());
        assert_eq!(f.result(), Ok(Err(PromiseError::Failed("e"))));
        assert_eq!(f.error(), Ok(Some(PromiseError::Failed("e"))));
        assert!(f.set_result(1).is_err() && f.set_error("e").is_err());
        assert!(!f.cancel(""));
    });
}

#[test]
fn exception_is_the_same_object() {
    bounded(|| {
        let rt = multi(1);
        let _entered = rt.enter();
        let f = Promise::<(), Box<dyn std::error::Error + Send + Sync>>::new();
        let error = Box::new(std::fmt::Error);
        let place: *const std::fmt::Error = &*error;
        f.set_error(error).unwrap();
        let Some(Err(PromiseError::Failed(error))) = f.outcome() else {
            panic!("it has an error");
        };
        assert!(std::ptr::eq(place, error.downcast_ref().unwrap()));
    });
}

#[test]
fn yield_from_twice() {
    on_both(|rt| {
        let f = promise(rt);
        let said = Arc::new(Mutex::new(Vec::new()));
        let (awaits, says) = (f.clone(), said.clone());
        let mut g = Coroutine::new(async move {
            for place in ["B", "C"] {
                let x = awaits.clone().await;
                says.lock().unwrap().push((place, x));
            }
        });
        let awaited = g.send(()).unwrap();
        assert!(!awaited.is_done());
        f.set_result(42).unwrap();
        assert!(awaited.is_done());
        // The second await does not wait.
        assert!(matches!(g.send(()), Err(Stop::Returned(()))));
        assert_eq!(*said.lock().unwrap(), [("B", Ok(42)), ("C", Ok(42))]);
    });
}

#[test]
fn future_repr() {
    on_both(|rt| {
        let [pending, result, error, cancelled] = std::array::from_fn(|_| promise(rt));
        result.set_result(4).unwrap();
        error.set_error("e").unwrap();
        error.mark_retrieved();
        cancelled.cancel("");
        let repr = [pending, result, error, cancelled].map(|f| format!("{f:?}"));
        assert_eq!(
            repr,
            ["Pending", "Finished", "Finished", "Cancelled"]
                .map(|s| format!("Promise {{ state: {s} }}"))
        );
    });
}

#[test]
fn copy_state() {
    on_both(|rt| {
        for finish in [
            (|f| f.set_result(10).is_ok()) as fn(&Number) -> bool,
            |f| f.set_error("e").is_ok(),
            |f| f.cancel("c"),
        ] {
            let (f, newf) = (promise(rt), promise(rt));
            assert!(finish(&f));
            Promise::chain(&f, &newf);
            assert_eq!(rt.block_on(newf.clone().wait()), f.result().unwrap());
            assert_eq!(newf.state(), f.state());
        }
    });
}

#[test]
fn iter() {
    // Not as CPython's: whoever is resumed while the promise is pending just waits on.
    on_both(|rt| {
        let f = promise(rt);
        let mut coroutine = Coroutine::new(f.clone().wait());
        for _ in 0..3 {
            assert!(!coroutine.send(()).unwrap().is_done());
        }
        f.set_result(7).unwrap();
        assert_eq!(coroutine.send(()).unwrap_err().value(), Some(Ok(7)));
    });
}

/// A runtime that tells of each error that nobody asked for.
fn telling() -> (Runtime, mpsc::Receiver<String>) {
    let (tell, told) = mpsc::channel();
    let mut builder = Builder::new_multi_thread();
    builder.worker_threads(2).on_unretrieved(move |report| {
        assert!(report.error().is::<&str>());
        tell.send(report.to_string()).unwrap();
    });
    (builder.build().unwrap(), told)
}

/// What a promise that was used so and dropped tells.
#[track_caller]
fn told_of(used: impl FnOnce(&Runtime, &Number) + Send + 'static) -> Vec<String> {
    bounded(|| {
        let (rt, told) = telling();
        let f = promise(&rt);
        used(&rt, &f);
        drop(f);
        drop(rt);
        told.iter().collect()
    })
}

const NEVER: &str = "Promise error was never retrieved: boom (promise made at tests/";

#[test]
fn log_traceback() {
    assert!(
        told_of(|_, f| {
            f.mark_retrieved();
            f.set_error("boom").unwrap();
        })
        .is_empty()
    );
}

#[test]
fn tb_logger_abandoned() {
    assert!(told_of(|_, _| ()).is_empty());
}

#[test]
fn tb_logger_not_called_after_cancel() {
    assert!(
        told_of(|_, f| {
            f.set_error("boom").unwrap();
            f.cancel("");
        })
        .is_empty()
    );
}

#[test]
fn tb_logger_result_unretrieved() {
    assert!(told_of(|_, f| f.set_result(42).unwrap()).is_empty());
}

#[test]
fn tb_logger_result_retrieved() {
    assert!(
        told_of(|_, f| {
            f.set_result(42).unwrap();
            f.result().unwrap().unwrap();
        })
        .is_empty()
    );
}

#[test]
fn tb_logger_exception_unretrieved() {
    let told = told_of(|_, f| f.set_error("boom").unwrap());
    assert!(
        matches!(&told[..], [one] if one.starts_with(NEVER)),
        "{told:?}"
    );
}

#[test]
fn tb_logger_exception_retrieved() {
    assert!(
        told_of(|_, f| {
            f.set_error("boom").unwrap();
            f.error().unwrap().unwrap();
        })
        .is_empty()
    );
}

#[test]
fn tb_logger_exception_result_retrieved() {
    assert!(
        told_of(|_, f| {
            f.set_error("boom").unwrap();
            f.result().unwrap().unwrap_err();
        })
        .is_empty()
    );
}

#[test]
fn tb_logger_exception_awaited() {
    assert!(
        told_of(|rt, f| {
            let waits = rt.spawn(f.clone().wait());
            f.set_error("boom").unwrap();
            rt.block_on(waits).unwrap().unwrap_err();
        })
        .is_empty()
    );
}

#[test]
fn tb_logger_cancelled_unretrieved() {
    assert!(told_of(|_, f| assert!(f.cancel("boom"))).is_empty());
}

#[test]
fn future_exception_never_retrieved() {
    // Once, though there were many handles, some of them in callbacks that did not look.
    let told = told_of(|rt, f| {
        let handles: Vec<_> = (0..8).map(|_| f.clone()).collect();
        f.add_done_callback(|f| drop(f.clone()));
        f.set_error("boom").unwrap();
        let drops = handles
            .into_iter()
            .map(|f| rt.spawn(async move { drop(f) }));
        drops
            .collect::<Vec<_>>()
            .into_iter()
            .for_each(|task| rt.block_on(task).unwrap());
    });
    assert!(
        matches!(&told[..], [one] if one.starts_with(NEVER)),
        "{told:?}"
    );
}

#[test]
fn future_exception_never_retrieved_debug() {
    // Who sets no handler reads it on stderr, with the place where the promise was made.
    if child_role().is_some() {
        let rt = multi(1);
        return promise(&rt).set_error("boom").unwrap();
    }
    let errors = run_child(child("future_exception_never_retrieved_debug", "child")).stderr;
    let errors = String::from_utf8(errors).unwrap();
    let expected =
        "filch: Promise error was never retrieved: boom (promise made at tests/asyncio_futures.rs:";
    assert_eq!(errors.matches(expected).count(), 1, "{errors}");
}

#[test]
fn future_source_traceback() {
    on_both(|rt| {
        let _entered = rt.enter();
        let (f, line) = (Number::new(), line!());
        assert_eq!((f.made_at().file(), f.made_at().line()), (file!(), line));
    });
}

#[test]
fn a_handler_that_panics_hurts_nobody() {
    bounded(|| {
        let mut builder = Builder::new_multi_thread();
        builder
            .worker_threads(1)
            .on_unretrieved(|_| panic!("handler"));
        let rt = builder.build().unwrap();
        promise(&rt).set_error("boom").unwrap();
        rt.block_on(rt.spawn(async { Number::new().set_error("boom").unwrap() }))
            .unwrap();
        assert_eq!(rt.block_on(rt.spawn(async { 7 })).unwrap(), 7);
    });
}

#[test]
fn set_result_unless_cancelled() {
    on_both(|rt| {
        let f = promise(rt);
        f.cancel("");
        let _ = f.set_result(2);
        assert!(f.is_cancelled());
    });
}

#[test]
fn future_stop_iteration_args() {
    bounded(|| {
        let rt = multi(1);
        let _entered = rt.enter();
        let f = Promise::<(i32, i32), ()>::new();
        f.set_result((1, 2)).unwrap();
        let stop = Coroutine::new(f.wait()).send(()).unwrap_err();
        assert_eq!(stop.value(), Some(Ok((1, 2))));
    });
}

#[test]
fn future_del_collect() {
    // The value's drop may use promises, and so may the waker's.
    #[derive(Clone)]
    struct Evil(Number);
    impl Drop for Evil {
        fn drop(&mut self) {
            self.0.add_done_callback(|f| drop(f.result()));
            let _ = self.0.set_result(1);
        }
    }
    on_both(|rt| {
        let _entered = rt.enter();
        let other = promise(rt);
        for _ in 0..100 {
            let f = Promise::<Evil, ()>::new();
            f.set_result(Evil(other.clone())).map_err(drop).unwrap();
        }
        assert_eq!(rt.block_on(other.wait()), Ok(1));
    });
}

#[test]
fn future_traceback() {
    // test_futures2.FutureTests: awaited again and again, it is the same error.
    on_both(|rt| {
        let _entered = rt.enter();
        let f = Promise::<u32, &str>::wrap(async { Err("raised") });
        for _ in 0..5 {
            assert_eq!(
                rt.block_on(f.clone().wait()),
                Err(PromiseError::Failed("raised"))
            );
        }
    });
}

#[test]
fn a_waiter_that_is_dropped_does_not_cancel_the_promise() {
    // Not as a cancelled asyncio task, which cancels what it waits for.
    on_both(|rt| {
        let f = promise(rt);
        let probe = Probe::new();
        let mut wait = f.clone().wait();
        assert_eq!(probe.poll(&mut wait), Poll::Pending);
        drop(wait);
        assert_eq!((probe.held(), f.state()), (0, PromiseState::Pending));
    });
}

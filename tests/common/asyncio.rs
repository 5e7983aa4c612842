//! What the tests of asyncio's semantics share: loops of both kinds, and a log of what happened.

#![allow(dead_code, reason = "each test binary uses a part of it")]

use std::sync::{Arc, Mutex};
use std::time::Duration;

use filch::EventLoop;
use filch::asyncio::ExceptionContext;

use crate::common::{bounded, multi, single};

/// Runs the test with a new loop: on a runtime with workers, and on one that lives on the test's thread.
#[track_caller]
pub(crate) fn on_loops(test: impl Fn(EventLoop) + Send + 'static) {
    bounded(move || {
        for (kind, rt) in [("2 workers", multi(2)), ("no worker", single())] {
            println!("with {kind}");
            let _entered = rt.enter();
            test(EventLoop::new());
        }
    });
}

/// As [`on_loops`], with the body of a task.
#[track_caller]
pub(crate) fn in_task<F>(test: impl Fn() -> F + Send + 'static)
where
    F: Future<Output = ()> + Send + 'static,
{
    on_loops(move |event_loop| event_loop.run_until_complete(test()).unwrap());
}

/// What happened, in order.
#[derive(Debug)]
pub(crate) struct Log<T>(Arc<Mutex<Vec<T>>>);

impl<T> Clone for Log<T> {
    fn clone(&self) -> Self {
        Log(self.0.clone())
    }
}

impl<T> Log<T> {
    pub(crate) fn new() -> Log<T> {
        Log(Arc::default())
    }

    pub(crate) fn say(&self, what: T) {
        self.0.lock().unwrap().push(what);
    }

    /// A callback that says this.
    pub(crate) fn saying(&self, what: T) -> impl FnOnce() + Send + use<T>
    where
        T: Send + 'static,
    {
        let log = self.clone();
        move || log.say(what)
    }

    pub(crate) fn take(&self) -> Vec<T> {
        std::mem::take(&mut self.0.lock().unwrap())
    }

    pub(crate) fn len(&self) -> usize {
        self.0.lock().unwrap().len()
    }
}

/// What the exception handler of the loop is told from here on.
pub(crate) fn told(event_loop: &EventLoop) -> Log<ExceptionContext> {
    let log = Log::new();
    let into = log.clone();
    event_loop.set_exception_handler(move |context| into.say(context.clone()));
    log
}

/// One iteration: what is queued now is run, and nothing that comes of it.
pub(crate) fn run_once(event_loop: &EventLoop) {
    event_loop.stop();
    event_loop.run_forever();
}

/// As `asyncio.test.test_utils.run_briefly`: a few iterations, so that chains of callbacks come to their end.
pub(crate) fn run_briefly(event_loop: &EventLoop) {
    for _ in 0..4 {
        run_once(event_loop);
    }
}

pub(crate) const fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

/// The message of the panic of `f`.
#[track_caller]
pub(crate) fn panic_of<R>(f: impl FnOnce() -> R) -> String {
    match std::panic::catch_unwind(std::panic::AssertUnwindSafe(f)) {
        Ok(_) => panic!("it did not panic"),
        Err(payload) => match payload.downcast::<String>() {
            Ok(text) => *text,
            Err(payload) => (*payload.downcast::<&str>().unwrap()).to_owned(),
        },
    }
}

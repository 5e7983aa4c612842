//! Runs a program's main future on a loop of its own, and leaves nothing behind.

use super::awaitable::Ensure;
use super::report::ExceptionContext;
use super::task_handles::TaskRef;
use super::{Ended, EventLoop};

/// A loop for some futures, one after the other; closing it cancels and awaits what they have left behind.
///
/// # Source
/// `asyncio.Runner`. Ctrl-C is not caught: it ends the process, as it does elsewhere in Rust.
///
/// # Examples
/// ```
/// let runner = filch::asyncio::Runner::new();
/// assert_eq!(runner.run(async { 2 + 2 }).unwrap(), 4);
/// runner.close();
/// ```
#[derive(Debug)]
pub struct Runner {
    event_loop: EventLoop,
}

impl Runner {
    /// With a new loop.
    ///
    /// # Panics
    /// As [`EventLoop::new`].
    #[expect(clippy::new_without_default, reason = "it may start threads")]
    pub fn new() -> Runner {
        Runner {
            event_loop: EventLoop::new(),
        }
    }

    /// With the loop in debug mode.
    #[must_use]
    pub fn debug(self, enabled: bool) -> Runner {
        self.event_loop.set_debug(enabled);
        self
    }

    /// The loop.
    pub fn get_loop(&self) -> EventLoop {
        self.event_loop.clone()
    }

    /// Drives the loop on this thread until `what` is done.
    ///
    /// # Errors
    /// As [`EventLoop::run_until_complete`].
    ///
    /// # Panics
    /// As [`EventLoop::run_until_complete`].
    #[track_caller]
    pub fn run<A: Ensure>(&self, what: A) -> Ended<A> {
        self.event_loop.run_until_complete(what)
    }

    /// Cancels the tasks that are left, waits until they have ended, tells the exception handler of those that panic, waits for
    /// the functions in the executor, and closes the loop. A second call does nothing. So does dropping the runner.
    ///
    /// # Panics
    /// If this thread drives a runtime or a loop.
    pub fn close(&self) {
        let event_loop = &self.event_loop;
        if event_loop.is_closed() {
            return;
        }
        let left = event_loop.all_tasks();
        let on = event_loop.clone();
        let tidied = event_loop.run_until_complete(async move {
            for task in &left {
                task.cancel("the runner closes");
            }
            for task in &left {
                task.wait().await;
            }
            left.iter().filter_map(TaskRef::panic).for_each(|panic| {
                let message = "unhandled exception during asyncio.run() shutdown";
                on.call_exception_handler(ExceptionContext::new(message).with_exception(panic));
            });
            on.shutdown_default_executor().await;
        });
        debug_assert!(tidied.is_ok(), "{tidied:?}");
        event_loop.close();
    }
}

impl Drop for Runner {
    fn drop(&mut self) {
        if !std::thread::panicking() && !crate::context::drives() {
            self.close();
        }
    }
}

/// Runs a program's main future on a loop of its own, and closes it.
///
/// # Errors
/// As [`EventLoop::run_until_complete`].
///
/// # Panics
/// As [`EventLoop::run_until_complete`].
///
/// # Source
/// `asyncio.run`.
///
/// # Examples
/// ```
/// assert_eq!(filch::asyncio::run(async { 2 + 2 }).unwrap(), 4);
/// ```
#[track_caller]
pub fn run<A: Ensure>(main: A) -> Ended<A> {
    let runner = Runner::new();
    let outcome = runner.run(main);
    runner.close();
    outcome
}

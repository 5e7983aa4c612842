//! Runs a program's main future on a loop of its own, and leaves nothing behind.

use std::error::Error;
use std::fmt;
use std::panic::Location;
use std::sync::Arc;

use super::EventLoop;
use super::awaitable::{Awaitable, Ensure};
use super::ctrl_c::CtrlC;
use super::drive::Stopper;
use super::report::ExceptionContext;
use super::strand::Phase;
use super::task_handles::TaskRef;
use crate::promise::PromiseError;

/// Why a run gave no value.
///
/// # Examples
/// ```
/// use filch::asyncio::{RunError, Runner};
///
/// let runner = Runner::new();
/// let main = runner.get_loop().create_task(std::future::pending::<()>());
/// main.cancel("no tea today");
/// let error = runner.run(main).unwrap_err();
/// assert!(matches!(&error, RunError::Cancelled { reason } if &**reason == "no tea today"));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RunError<E> {
    /// Ctrl-C was pressed (SIGINT came), and the main task ended because of that; or it came again.
    KeyboardInterrupt,
    /// The main task was cancelled by something else.
    Cancelled {
        /// Why.
        reason: Arc<str>,
    },
    /// The main task panicked, or the promise has this error.
    Failed(E),
}

impl<E> From<PromiseError<E>> for RunError<E> {
    fn from(error: PromiseError<E>) -> RunError<E> {
        match error {
            PromiseError::Cancelled { reason } => RunError::Cancelled { reason },
            PromiseError::Failed(error) => RunError::Failed(error),
        }
    }
}

impl<E: fmt::Display> fmt::Display for RunError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            RunError::KeyboardInterrupt => f.write_str("interrupted by Ctrl-C"),
            RunError::Cancelled { reason } => write!(f, "cancelled: {reason}"),
            RunError::Failed(error) => error.fmt(f),
        }
    }
}

impl<E: Error + 'static> Error for RunError<E> {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            RunError::Failed(error) => Some(error),
            _ => None,
        }
    }
}

/// How a run of `A` ends.
pub type Ran<A> = Result<
    <<A as Ensure>::Awaitable as Awaitable>::Value,
    RunError<<<A as Ensure>::Awaitable as Awaitable>::Error>,
>;

/// A loop for some futures, one after the other; closing it cancels and awaits what they have left behind.
///
/// # Ctrl-C
/// While [`run`](Self::run) drives the loop, the first SIGINT cancels the main task, which may tidy up; a run that ends so gives
/// [`RunError::KeyboardInterrupt`]. The second ends the run as soon as the callback under way returns, with the same error,
/// and leaves the main task to [`close`](Self::close). Nothing can interrupt a callback that does not return: the third
/// ends the process, as SIGINT does by itself.
///
/// Other users of the signal come first: if SIGINT is ignored, or has a handler, when the first run of the process begins, that
/// stays as it is and no run hears Ctrl-C (Linux; other systems are not asked, and a former handler is called, too). One run
/// at a time hears it, the first to begin. Afterwards a SIGINT ends the process again. It does so through a handler, which
/// stays: who installs one later through the crates `signal-hook` or `tokio`, to keep the process from ending, shall have
/// none of this: [`catch_ctrl_c(false)`](Self::catch_ctrl_c). Such a runner installs nothing.
///
/// # Source
/// `asyncio.Runner`, which hears Ctrl-C on the main thread only.
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
    catches_ctrl_c: bool,
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
            catches_ctrl_c: true,
        }
    }

    /// With the loop in debug mode.
    #[must_use]
    pub fn debug(self, enabled: bool) -> Runner {
        self.event_loop.set_debug(enabled);
        self
    }

    /// Whether runs hear Ctrl-C, as they do unless told otherwise.
    ///
    /// # Examples
    /// ```
    /// let runner = filch::asyncio::Runner::new().catch_ctrl_c(false);
    /// assert_eq!(runner.run(async { 2 + 2 }).unwrap(), 4);
    /// ```
    #[must_use]
    pub fn catch_ctrl_c(mut self, enabled: bool) -> Runner {
        self.catches_ctrl_c = enabled;
        self
    }

    /// The loop.
    pub fn get_loop(&self) -> EventLoop {
        self.event_loop.clone()
    }

    /// Drives the loop on this thread until `what` is done, or Ctrl-C ends it.
    ///
    /// # Errors
    /// Its panic or its error, or that it was cancelled or interrupted.
    ///
    /// # Panics
    /// As [`EventLoop::run_until_complete`].
    #[track_caller]
    pub fn run<A: Ensure>(&self, what: A) -> Ran<A> {
        let catches = self.catches_ctrl_c;
        let (awaitable, ctrl_c) = self.event_loop.drive_until(what, |main, stopper| {
            let main = main.clone();
            let cancel = move || main.ask_to_stop("KeyboardInterrupt".into());
            let stop = move || stopper.stop();
            catches.then(|| CtrlC::listen(cancel, stop)).flatten()
        });
        let heard = ctrl_c.map(CtrlC::end);
        let outcome = awaitable.to_promise().result();
        if outcome.is_ok() {
            awaitable.retrieved();
        }
        if heard.as_ref().is_some_and(|heard| heard.at_once()) {
            return Err(RunError::KeyboardInterrupt);
        }
        let interrupted = heard.is_some_and(|heard| heard.is_interrupted());
        match outcome {
            Ok(Ok(value)) => Ok(value),
            Ok(Err(error)) if interrupted && A::Awaitable::as_cancelled(&error).is_some() => {
                // Asked by nobody else.
                match awaitable.as_task().map_or(0, |task| task.uncancel()) {
                    0 => Err(RunError::KeyboardInterrupt),
                    _ => Err(error.into()),
                }
            }
            Ok(Err(error)) => Err(error.into()),
            Err(_pending) => panic!("Event loop stopped before Future completed."),
        }
    }

    /// Cancels the tasks that are left, waits until they have ended, tells the exception handler of those that panic, waits for
    /// the functions in the executor, and closes the loop. A second call does nothing. So does dropping the runner.
    ///
    /// # Panics
    /// If this thread drives a runtime or a loop.
    #[track_caller]
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

/// Runs a program's main future on a loop of its own, and closes it. Ctrl-C ends it in order: see [`Runner`].
///
/// # Errors
/// As [`Runner::run`].
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
pub fn run<A: Ensure>(main: A) -> Ran<A> {
    let runner = Runner::new();
    let outcome = runner.run(main);
    runner.close();
    outcome
}

impl EventLoop {
    /// Drives the loop on this thread until `what` is done or the loop is stopped. What `watch` makes of it lives as long.
    #[track_caller]
    pub(super) fn drive_until<A: Ensure, W>(
        &self,
        what: A,
        watch: impl FnOnce(&A::Awaitable, Stopper) -> W,
    ) -> (A::Awaitable, W) {
        let drive = self.begin(Phase::ByThread);
        let awaitable = what.ensure_on(self, Location::caller());
        let (at_end, stopper) = (drive.stopper(), drive.stopper());
        let promise = awaitable.to_promise();
        // It may be called in the next run, if the loop is stopped in the iteration in which this is done.
        let callback = if promise.is_carried_by(&**self.inner()) {
            promise.add_done_callback(move |_| at_end.stop())
        } else {
            // Callbacks of another loop wait until somebody drives that, and go with it if it is closed.
            promise.wake_when_done(Arc::new(at_end).into())
        };
        let watch = watch(&awaitable, stopper);
        self.inner().runtime.block_on(drive);
        promise.remove_done_callback(callback);
        (awaitable, watch)
    }
}

//! Functions that block, for a loop: they run on the runtime's blocking threads.

use std::future::Future;
use std::panic::{AssertUnwindSafe, Location, catch_unwind};
use std::sync::Arc;

use parking_lot::Mutex;

use super::awaitable::Leaf;
use super::contexts::copy_context;
use super::task::Outcome;
use super::task_panic::{TaskError, TaskPanic};
use super::{EventLoop, Inner};
use crate::origin::Origin;
use crate::promise::Promise;

/// The functions under way.
#[derive(Default)]
pub(super) struct Executor(Mutex<State>);

#[derive(Default)]
struct State {
    running: usize,
    shut_down: bool,
    waiting: Vec<Promise<(), TaskPanic>>,
}

/// One function under way; counted out when it is dropped.
struct Running(Arc<Inner>);

impl Running {
    fn begin(inner: &Arc<Inner>) -> Option<Running> {
        let mut state = inner.executor.0.lock();
        if state.shut_down {
            return None;
        }
        state.running += 1;
        Some(Running(inner.clone()))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let waiting = {
            let mut state = self.0.executor.0.lock();
            state.running -= 1;
            if state.running > 0 {
                return;
            }
            std::mem::take(&mut state.waiting)
        };
        for promise in waiting {
            // Who waited may have gone.
            let _ = promise.set_result(());
        }
    }
}

impl EventLoop {
    /// Runs a function that blocks on a thread of its own kind.
    ///
    /// Cancelling the promise keeps the function from beginning, but does not stop one that has begun.
    ///
    /// # Panics
    /// If the loop is closed, its executor is shut down, or no thread could be started.
    ///
    /// # Source
    /// `loop.run_in_executor(None, ...)`.
    ///
    /// # Examples
    /// ```
    /// let event_loop = filch::EventLoop::new();
    /// let sum = event_loop.run_in_executor(|| 2 + 2);
    /// assert_eq!(event_loop.run_until_complete(sum).unwrap(), 4);
    /// ```
    #[track_caller]
    pub fn run_in_executor<F, R>(&self, function: F) -> Promise<R, TaskPanic>
    where
        F: FnOnce() -> R + Send + 'static,
        R: Outcome,
    {
        self.run_in_executor_at(function, Location::caller())
    }

    #[track_caller]
    fn run_in_executor_at<F, R>(
        &self,
        function: F,
        place: &'static Location<'static>,
    ) -> Promise<R, TaskPanic>
    where
        F: FnOnce() -> R + Send + 'static,
        R: Outcome,
    {
        assert!(!self.is_closed(), "{}", super::CLOSED);
        let Some(running) = Running::begin(self.inner()) else {
            panic!("Executor shutdown has been called");
        };
        let promise = Promise::with_at(self.inner().clone(), place);
        let done = promise.clone();
        let work = move || {
            let _running = running;
            if done.is_done() {
                return;
            }
            // It may have been cancelled meanwhile.
            let _ = match catch_unwind(AssertUnwindSafe(function)) {
                Ok(value) => done.set_result(value),
                Err(payload) => done.set_error(TaskPanic::new(&Origin::at(place), None, payload)),
            };
        };
        let runtime = &self.inner().runtime;
        drop(runtime.spawn_blocking_from(work, Origin::at(place)));
        promise
    }

    /// Takes no further functions, and waits for those under way.
    ///
    /// # Cancel safety
    /// Safe, but the executor stays shut down.
    ///
    /// # Source
    /// `loop.shutdown_default_executor`.
    pub fn shutdown_default_executor(&self) -> impl Future<Output = ()> + Send + use<> {
        let promise = self.create_future();
        let mut state = self.inner().executor.0.lock();
        state.shut_down = true;
        if state.running > 0 {
            state.waiting.push(promise.clone());
        } else {
            // Nobody else has it yet.
            let _ = promise.set_result(());
        }
        drop(state);
        async move {
            let _done = Leaf::new(promise).await;
        }
    }
}

/// Runs a function that blocks on another thread, with copies of the task-local values that keys with `#[inherit]` have here,
/// and waits for it.
///
/// # Errors
/// Its panic, or that the wait was cancelled.
///
/// # Panics
/// Outside a loop, and as [`EventLoop::run_in_executor`].
///
/// # Source
/// `asyncio.to_thread`.
///
/// # Examples
/// ```
/// let event_loop = filch::EventLoop::new();
/// let sum = event_loop.run_until_complete(async {
///     filch::asyncio::to_thread(|| 2 + 2).await.unwrap()
/// });
/// assert_eq!(sum.unwrap(), 4);
/// ```
#[track_caller]
pub fn to_thread<F, R>(function: F) -> impl Future<Output = Result<R, TaskError>> + Send
where
    F: FnOnce() -> R + Send + 'static,
    R: Outcome,
{
    let place = Location::caller();
    async move {
        let context = copy_context();
        let function = move || context.run(function);
        Leaf::new(super::running().run_in_executor_at(function, place)).await
    }
}

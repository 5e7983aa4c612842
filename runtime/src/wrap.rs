//! A future made a promise: it runs as a task, many may await it, and cancelling the promise ends it.

use std::future::Future;

use crate::promise::Promise;
use crate::spawn::spawn;

impl<T, E> Promise<T, E>
where
    T: Send + Sync + 'static,
    E: Send + Sync + 'static,
{
    /// Spawns `future` on the current runtime, and gives a promise of its outcome.
    ///
    /// If the promise is cancelled, the task is aborted. If the future gives no outcome, since it panicked or the runtime
    /// shut down, the promise is cancelled.
    ///
    /// # Panics
    /// If there is no current runtime.
    ///
    /// # Source
    /// `asyncio.wrap_future`, `asyncio.ensure_future`.
    ///
    /// # Examples
    /// ```
    /// use filch::Promise;
    ///
    /// # filch::block_on(async {
    /// let promise = Promise::wrap(async { "7".parse::<u32>() });
    /// assert_eq!(promise.clone().await, Ok(7));
    /// assert_eq!(promise.await, Ok(7));
    ///
    /// let never = Promise::<(), ()>::wrap(std::future::pending());
    /// assert!(never.cancel("no need"));
    /// # });
    /// ```
    #[track_caller]
    pub fn wrap<F>(future: F) -> Promise<T, E>
    where
        F: Future<Output = Result<T, E>> + Send + 'static,
    {
        let promise = Promise::new();
        let setter = Setter(promise.clone());
        let task = spawn(async move {
            // Each fails only if the promise was cancelled, and then nobody wants to know.
            let _ = match future.await {
                Ok(value) => setter.0.set_result(value),
                Err(error) => setter.0.set_error(error),
            };
        });
        promise.add_done_callback(move |promise| {
            if promise.is_cancelled() {
                task.abort();
            }
        });
        promise
    }
}

/// The task's handle of its promise: when it goes, the promise is done.
struct Setter<T, E>(Promise<T, E>)
where
    T: Send + Sync + 'static,
    E: Send + Sync + 'static;

impl<T, E> Drop for Setter<T, E>
where
    T: Send + Sync + 'static,
    E: Send + Sync + 'static,
{
    fn drop(&mut self) {
        if !self.0.is_done() {
            self.0.cancel("its future ended without an outcome");
        }
    }
}

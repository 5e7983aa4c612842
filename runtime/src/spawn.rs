//! Free functions that act on the current runtime: spawn, yield, who am I.

use std::future::Future;
use std::io;
use std::panic::Location;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use crate::cancel::with_grace;
use crate::context::{self, NO_RUNTIME};
use crate::handle::Handle;
use crate::join::JoinHandle;
use crate::origin::{Id, Origin};
use crate::runtime::Runtime;

/// Spawns a task on the current runtime. It starts at once, on any worker, whether the handle is awaited or not.
///
/// # Panics
/// If there is no current runtime.
///
/// # Source
/// `tokio::spawn`.
///
/// # Examples
/// ```
/// # filch::block_on(async {
/// let tasks: Vec<_> = (0..10).map(|n| filch::spawn(async move { n * n })).collect();
/// let mut sum = 0;
/// for task in tasks {
///     sum += task.await.unwrap();
/// }
/// assert_eq!(sum, 285);
/// # });
/// ```
#[track_caller]
#[inline]
pub fn spawn<F>(future: F) -> JoinHandle<F::Output>
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    spawn_from(future, Origin::at(Location::caller()))
}

#[track_caller]
#[inline]
pub(crate) fn spawn_from<F>(future: F, origin: Origin) -> JoinHandle<F::Output>
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    match context::with_current(|handle| handle.spawn_from(future, origin)) {
        Some(join) => join,
        None => panic!("{NO_RUNTIME}"),
    }
}

/// Runs a closure that blocks on a thread where it keeps no task waiting.
///
/// Aborting it helps only before it has started. When the runtime shuts down, closures that have not started are
/// dropped, and the shutdown waits for the others.
///
/// # Panics
/// If there is no current runtime, or if no thread could be started for it.
///
/// # Source
/// `tokio::task::spawn_blocking`.
///
/// # Examples
/// ```
/// # filch::block_on(async {
/// let text = filch::task::spawn_blocking(|| std::fs::read_to_string("Cargo.toml")).await.unwrap();
/// assert!(text.unwrap().contains("[package]"));
/// # });
/// ```
#[track_caller]
pub fn spawn_blocking<F, R>(closure: F) -> JoinHandle<R>
where
    F: FnOnce() -> R + Send + 'static,
    R: Send + 'static,
{
    Handle::current().spawn_blocking_from(closure, Origin::at(Location::caller()))
}

/// Runs a future to its end on this thread: on the current runtime if there is one, else on a new multi-thread runtime
/// that ends with it.
///
/// For examples, tests and small tools; a program starts with `#[filch::main]`.
///
/// # Panics
/// If the future does, if this thread drives a runtime already, or if a new runtime could not be built.
///
/// # Examples
/// ```
/// let three = filch::block_on(async { filch::spawn(async { 1 + 2 }).await.unwrap() });
/// assert_eq!(three, 3);
/// ```
#[track_caller]
pub fn block_on<F: Future>(future: F) -> F::Output {
    match Handle::try_current() {
        Ok(handle) => handle.block_on(future),
        Err(_) => match Runtime::new() {
            Ok(runtime) => runtime.block_on(future),
            Err(error) => panic!("no runtime could be built: {error}"),
        },
    }
}

/// Lets the other tasks of this worker run: this one goes to the back of the queue.
///
/// # Cancel safety
/// Safe: there is nothing to lose.
///
/// # Source
/// `tokio::task::yield_now`; asyncio's `sleep(0)`.
///
/// # Examples
/// ```
/// # filch::block_on(async {
/// filch::task::yield_now().await;
/// # });
/// ```
pub async fn yield_now() {
    struct Yield(bool);

    impl Future for Yield {
        type Output = ();

        #[inline]
        fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
            if std::mem::replace(&mut self.0, true) {
                return Poll::Ready(());
            }
            context.waker().wake_by_ref();
            Poll::Pending
        }
    }

    Yield(false).await;
}

/// The id of the task that is being polled on this thread.
///
/// # Panics
/// Outside a task; the future of `block_on` is none. See [`try_id`].
///
/// # Source
/// `tokio::task::id`.
#[track_caller]
pub fn id() -> Id {
    match try_id() {
        Some(id) => id,
        None => panic!(
            "there is no task here: this was called outside a task, or in the future of `block_on`"
        ),
    }
}

/// The id of the task that is being polled on this thread, if there is one.
///
/// # Source
/// `tokio::task::try_id`.
///
/// # Examples
/// ```
/// assert!(filch::task::try_id().is_none());
/// ```
pub fn try_id() -> Option<Id> {
    Id::current()
}

/// Spawns a task that has a name: errors and stall reports say it.
///
/// # Source
/// `tokio::task::Builder` (unstable there).
///
/// # Examples
/// ```
/// # filch::block_on(async {
/// let task = filch::task::Builder::new().name("fetch").spawn(async { panic!("no net") }).unwrap();
/// let error = task.await.unwrap_err();
/// assert_eq!(error.name(), Some("fetch"));
/// assert!(error.to_string().starts_with("task \"fetch\""));
/// # });
/// ```
#[derive(Clone, Copy, Debug, Default)]
#[must_use = "nothing is spawned before `spawn`"]
pub struct Builder<'a> {
    name: Option<&'a str>,
    /// For the tasks of `local_set`, too.
    pub(crate) grace: Option<Duration>,
}

impl<'a> Builder<'a> {
    /// A task without a name so far.
    pub fn new() -> Self {
        Builder::default()
    }

    /// Names the task.
    pub fn name(self, name: &'a str) -> Self {
        Builder {
            name: Some(name),
            ..self
        }
    }

    /// Gives the task time to end by itself when it is cancelled: as if it were wrapped in [`with_grace`]. Of no use to
    /// `spawn_blocking`, whose closures nobody can stop.
    pub fn grace(self, period: Duration) -> Self {
        Builder {
            grace: Some(period),
            ..self
        }
    }

    pub(crate) fn origin(self, place: &'static Location<'static>) -> Origin {
        let origin = Origin::at(place);
        match self.name {
            Some(name) => origin.named(name),
            None => origin,
        }
    }

    /// Spawns on the current runtime.
    ///
    /// # Errors
    /// Never so far: the type is tokio's.
    ///
    /// # Panics
    /// If there is no current runtime.
    #[track_caller]
    pub fn spawn<F>(self, future: F) -> io::Result<JoinHandle<F::Output>>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        let origin = self.origin(Location::caller());
        Ok(match self.grace {
            Some(period) => spawn_from(with_grace(period, future), origin),
            None => spawn_from(future, origin),
        })
    }

    /// Spawns on that runtime.
    ///
    /// # Errors
    /// Never so far: the type is tokio's.
    #[track_caller]
    pub fn spawn_on<F>(self, future: F, handle: &Handle) -> io::Result<JoinHandle<F::Output>>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        let origin = self.origin(Location::caller());
        Ok(match self.grace {
            Some(period) => handle.spawn_from(with_grace(period, future), origin),
            None => handle.spawn_from(future, origin),
        })
    }

    /// Runs a blocking closure under this name.
    ///
    /// # Errors
    /// Never so far: the type is tokio's.
    ///
    /// # Panics
    /// As [`spawn_blocking`].
    #[track_caller]
    pub fn spawn_blocking<F, R>(self, closure: F) -> io::Result<JoinHandle<R>>
    where
        F: FnOnce() -> R + Send + 'static,
        R: Send + 'static,
    {
        let origin = self.origin(Location::caller());
        Ok(Handle::current().spawn_blocking_from(closure, origin))
    }

    /// Runs a blocking closure under this name on that runtime's threads.
    ///
    /// # Errors
    /// Never so far: the type is tokio's.
    ///
    /// # Panics
    /// As [`Handle::spawn_blocking`].
    #[track_caller]
    pub fn spawn_blocking_on<F, R>(self, closure: F, handle: &Handle) -> io::Result<JoinHandle<R>>
    where
        F: FnOnce() -> R + Send + 'static,
        R: Send + 'static,
    {
        let origin = self.origin(Location::caller());
        Ok(handle.spawn_blocking_from(closure, origin))
    }
}

//! `LocalRuntime`: a current-thread runtime whose tasks need not be `Send`.

use std::fmt;
use std::future::Future;
use std::io;
use std::marker::PhantomData;
use std::panic::Location;
use std::time::Duration;

use crate::builder::Builder;
use crate::context::EnterGuard;
use crate::handle::Handle;
use crate::home::ThreadMark;
use crate::join::JoinHandle;
use crate::origin::Origin;
use crate::runtime::Runtime;

/// A current-thread runtime that stays on its thread, so that its tasks need not be `Send` and no
/// [`LocalSet`](crate::LocalSet) is needed: [`spawn_local`](crate::spawn_local) works inside it.
///
/// Its handle is `Send`: other threads spawn `Send` futures with it, which run here. Their `block_on` drives neither
/// tasks nor I/O of this runtime. Dropping it drops the futures of all its tasks on this thread, and waits for blocking
/// closures, as [`Runtime`] does.
///
/// # Source
/// `tokio::runtime::LocalRuntime`.
///
/// # Examples
/// ```
/// use std::rc::Rc;
///
/// let rt = filch::runtime::LocalRuntime::new().unwrap();
/// let name = Rc::new("stays here");
/// let task = rt.spawn_local(async move { name.len() });
/// assert_eq!(rt.block_on(task).unwrap(), 10);
/// ```
/// It stays on its thread.
/// ```compile_fail,E0277
/// let rt = filch::runtime::LocalRuntime::new().unwrap();
/// std::thread::spawn(move || drop(rt));
/// ```
pub struct LocalRuntime {
    runtime: Runtime,
    /// It ends on the thread where its tasks are.
    _at_home: PhantomData<*const ()>,
}

/// What there is to choose for a [`LocalRuntime`]: nothing so far.
///
/// # Source
/// `tokio::runtime::LocalOptions`.
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct LocalOptions {
    /// Options to come may have to stay on their thread.
    _at_home: PhantomData<*const ()>,
}

impl Builder {
    /// Builds a current-thread runtime whose tasks need not be `Send`, on this thread.
    ///
    /// # Errors
    /// If the poller could not be made.
    ///
    /// # Panics
    /// If the builder is one for a multi-thread runtime.
    ///
    /// # Examples
    /// ```
    /// use filch::runtime::{Builder, LocalOptions};
    ///
    /// let rt = Builder::new_current_thread().enable_all().build_local(LocalOptions::default()).unwrap();
    /// assert_eq!(rt.block_on(async { filch::task::spawn_local(async { 1 }).await.unwrap() }), 1);
    /// ```
    #[track_caller]
    #[expect(clippy::needless_pass_by_value, reason = "the signature is tokio's")]
    pub fn build_local(&mut self, options: LocalOptions) -> io::Result<LocalRuntime> {
        let LocalOptions { _at_home } = options;
        assert!(
            self.current_thread,
            "multi_thread is not supported for LocalRuntime"
        );
        Ok(LocalRuntime {
            runtime: self.build_at(Some(ThreadMark::here()))?,
            _at_home,
        })
    }
}

impl LocalRuntime {
    /// A runtime with the builder's defaults, on this thread.
    ///
    /// # Errors
    /// As [`Builder::build_local`].
    pub fn new() -> io::Result<LocalRuntime> {
        Builder::new_current_thread()
            .enable_all()
            .build_local(LocalOptions::default())
    }

    /// The handle, by which others may spawn.
    pub fn handle(&self) -> &Handle {
        self.runtime.handle()
    }

    /// Spawns a task, whose future need not be `Send`. It runs while this thread is in [`block_on`](Self::block_on).
    #[track_caller]
    pub fn spawn_local<F>(&self, future: F) -> JoinHandle<F::Output>
    where
        F: Future + 'static,
        F::Output: 'static,
    {
        let scheduler = &self.handle().0.scheduler;
        scheduler.spawn_local(future, Origin::at(Location::caller()))
    }

    /// Runs a blocking closure: as [`Handle::spawn_blocking`].
    ///
    /// # Panics
    /// As there.
    #[track_caller]
    pub fn spawn_blocking<F, R>(&self, closure: F) -> JoinHandle<R>
    where
        F: FnOnce() -> R + Send + 'static,
        R: Send + 'static,
    {
        self.runtime.spawn_blocking(closure)
    }

    /// Runs a future to its end on this thread, and the tasks, the I/O and the timers meanwhile: as
    /// [`Handle::block_on`].
    ///
    /// # Panics
    /// As there.
    #[track_caller]
    pub fn block_on<F: Future>(&self, future: F) -> F::Output {
        self.runtime.block_on(future)
    }

    /// Makes this runtime current on this thread while the guard lives.
    pub fn enter(&self) -> EnterGuard<'_> {
        self.runtime.enter()
    }

    /// Drops all tasks, and waits no longer than `limit` for blocking closures under way.
    pub fn shutdown_timeout(self, limit: Duration) {
        self.runtime.shutdown_timeout(limit);
    }

    /// Drops all tasks, and waits for no blocking closure.
    pub fn shutdown_background(self) {
        self.runtime.shutdown_background();
    }
}

impl fmt::Debug for LocalRuntime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LocalRuntime")
            .field("handle", self.handle())
            .finish()
    }
}

impl std::panic::UnwindSafe for LocalRuntime {}
impl std::panic::RefUnwindSafe for LocalRuntime {}

//! A runtime: who owns the threads, and how it ends.

use std::fmt;
use std::future::Future;
use std::io;
use std::panic::Location;
use std::sync::Arc;
use std::thread::JoinHandle as Thread;
use std::time::{Duration, Instant};

use crate::blocking::Pool;
use crate::builder::Builder;
use crate::clock::Watch;
use crate::context::{self, EnterGuard};
use crate::driver::Driver;
use crate::handle::Handle;
use crate::join::JoinHandle;
use crate::origin::Origin;
use crate::reactor::Reactor;
use crate::scheduler::Scheduler;

/// Tasks, the workers that run them, the reactor, and the threads for blocking code.
///
/// Dropping it shuts it down: every task's future is dropped, exactly once, and the threads end. The drop waits for
/// the polls and the blocking closures under way, as tokio's does; [`shutdown_timeout`](Self::shutdown_timeout) bounds
/// the wait. Dropped on a thread that drives a runtime (inside a task, say) or in one of its own blocking
/// closures it does not wait, as [`shutdown_background`](Self::shutdown_background): where tokio panics or hangs.
///
/// # Source
/// `tokio::runtime::Runtime`.
///
/// # Examples
/// ```
/// let rt = filch::runtime::Runtime::new().unwrap();
/// let answer = rt.block_on(async {
///     let task = filch::spawn(async { 6 * 7 });
///     task.await.unwrap()
/// });
/// assert_eq!(answer, 42);
/// ```
pub struct Runtime {
    handle: Handle,
    workers: Vec<Thread<()>>,
    guard: Option<Thread<()>>,
    /// Seats whose thread has not been started.
    no_thread_yet: usize,
    /// It has waited, as long as it was told to.
    ended: bool,
}

impl Runtime {
    /// A multi-thread runtime with the builder's defaults.
    ///
    /// # Errors
    /// As [`Builder::build`].
    pub fn new() -> io::Result<Runtime> {
        Builder::new_multi_thread().build()
    }

    /// A runtime with so many seats whose threads are still to be added.
    pub(crate) fn new_stopped(handle: Handle, seats: usize) -> Runtime {
        Runtime {
            handle,
            workers: Vec::new(),
            guard: None,
            no_thread_yet: seats,
            ended: false,
        }
    }

    pub(crate) fn add_worker(&mut self, thread: Thread<()>) {
        self.no_thread_yet -= 1;
        self.workers.push(thread);
    }

    pub(crate) fn add_guard(&mut self, thread: Thread<()>) {
        self.guard = Some(thread);
    }

    /// The handle, by which others may spawn and block.
    ///
    /// # Examples
    /// ```
    /// let rt = filch::runtime::Runtime::new().unwrap();
    /// let task = rt.handle().spawn(async { 2 + 2 });
    /// assert_eq!(rt.block_on(task).unwrap(), 4);
    /// ```
    pub fn handle(&self) -> &Handle {
        &self.handle
    }

    /// Spawns a task: as [`Handle::spawn`].
    ///
    /// # Examples
    /// ```
    /// let rt = filch::runtime::Runtime::new().unwrap();
    /// let task = rt.spawn(async { 2 + 2 });
    /// assert_eq!(rt.block_on(task).unwrap(), 4);
    /// ```
    #[track_caller]
    pub fn spawn<F>(&self, future: F) -> JoinHandle<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        self.handle
            .spawn_from(future, Origin::at(Location::caller()))
    }

    /// Runs a blocking closure: as [`Handle::spawn_blocking`].
    ///
    /// # Panics
    /// As there.
    ///
    /// # Examples
    /// ```
    /// let rt = filch::runtime::Runtime::new().unwrap();
    /// let sum = rt.spawn_blocking(|| (1..=1000u64).sum::<u64>());
    /// assert_eq!(rt.block_on(sum).unwrap(), 500_500);
    /// ```
    #[track_caller]
    pub fn spawn_blocking<F, R>(&self, closure: F) -> JoinHandle<R>
    where
        F: FnOnce() -> R + Send + 'static,
        R: Send + 'static,
    {
        self.handle
            .spawn_blocking_from(closure, Origin::at(Location::caller()))
    }

    /// Runs a future to its end on this thread: as [`Handle::block_on`].
    ///
    /// # Panics
    /// As there.
    ///
    /// # Examples
    /// ```
    /// let rt = filch::runtime::Runtime::new().unwrap();
    /// let text = String::from("borrowed"); // the future need not be 'static
    /// assert_eq!(rt.block_on(async { text.len() }), 8);
    /// ```
    #[track_caller]
    pub fn block_on<F: Future>(&self, future: F) -> F::Output {
        self.handle.block_on(future)
    }

    /// Makes this runtime current on this thread while the guard lives.
    ///
    /// # Examples
    /// ```
    /// let rt = filch::runtime::Runtime::new().unwrap();
    /// let _entered = rt.enter();
    /// let task = filch::spawn(async { 2 + 2 }); // needs a current runtime
    /// assert_eq!(rt.block_on(task).unwrap(), 4);
    /// ```
    pub fn enter(&self) -> EnterGuard<'_> {
        self.handle.enter()
    }

    /// Shuts down, and waits no longer than `limit` for the polls and the blocking closures under way. What still runs
    /// then is left to itself: a worker ends after its poll, a blocking thread after its closure.
    ///
    /// # Examples
    /// ```
    /// use std::time::{Duration, Instant};
    ///
    /// let rt = filch::runtime::Runtime::new().unwrap();
    /// let (forget, forever) = std::sync::mpsc::channel::<()>();
    /// rt.spawn_blocking(move || forever.recv());
    /// let start = Instant::now();
    /// rt.shutdown_timeout(Duration::from_millis(10)); // the closure is left to itself
    /// assert!(start.elapsed() < Duration::from_secs(60));
    /// drop(forget);
    /// ```
    pub fn shutdown_timeout(mut self, limit: Duration) {
        self.close();
        // A limit too far to be told is none.
        self.wait(Some(Instant::now().checked_add(limit)));
    }

    /// Shuts down without waiting for anything.
    ///
    /// # Examples
    /// ```
    /// let rt = filch::runtime::Runtime::new().unwrap();
    /// let task = rt.spawn(std::future::pending::<()>());
    /// rt.shutdown_background();
    /// assert!(filch::block_on(task).unwrap_err().is_cancelled());
    /// ```
    pub fn shutdown_background(mut self) {
        self.close();
        self.wait(None);
    }

    /// Lets no task live any more.
    fn close(&mut self) {
        // What is dropped here is dropped inside its runtime.
        let _entered = self.handle.enter();
        let inner = &self.handle.0;
        inner.scheduler.close();
        inner.blocking.close();
        for _ in 0..std::mem::take(&mut self.no_thread_yet) {
            inner.scheduler.leave(None);
        }
        if let Some(shared) = &inner.chair {
            // A chair that is taken belongs to a `block_on` on another thread, which ends the tasks when it is done.
            let free = shared.free.lock().take();
            if let Some(chair) = free {
                inner.scheduler.end(Some(&chair));
            }
        }
    }

    /// Waits for the threads until the deadline, if any: `Some(None)` is for ever, `None` not at all.
    fn wait(&mut self, deadline: Option<Option<Instant>>) {
        self.ended = true;
        let inner = self.handle.0.clone();
        let left = match deadline {
            Some(deadline) => {
                (inner.chair.is_some() || inner.scheduler.wait_until_left(deadline))
                    & inner.blocking.wait_until_left(deadline)
            }
            None => false,
        };
        inner.reactor.end_guard();
        inner.reactor.shut_down();
        if left {
            for thread in self.workers.drain(..).chain(self.guard.take()) {
                // A hook of the user may have panicked there; the panic hook has told so.
                let _ = thread.join();
            }
        }
    }
}

impl Drop for Runtime {
    fn drop(&mut self) {
        if self.ended {
            return;
        }
        self.close();
        let waits_for_itself = context::drives() || context::serves(&self.handle);
        self.wait(if waits_for_itself { None } else { Some(None) });
    }
}

impl fmt::Debug for Runtime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Runtime")
            .field("handle", &self.handle)
            .finish()
    }
}

impl std::panic::UnwindSafe for Runtime {}
impl std::panic::RefUnwindSafe for Runtime {}

/// How the clock learns whether anything runs. It belongs to all of them, so it keeps none.
pub(crate) fn watch(
    scheduler: &Arc<Scheduler>,
    blocking: &Arc<Pool>,
    reactor: &Arc<Reactor>,
) -> Watch {
    let (scheduler, blocking) = (Arc::downgrade(scheduler), Arc::downgrade(blocking));
    let reactor = Arc::downgrade(reactor);
    Watch {
        is_still: Box::new(move || {
            blocking.upgrade().is_some_and(|pool| !pool.is_busy())
                && scheduler.upgrade().is_some_and(|all| all.is_still())
        }),
        notify: Box::new(move || {
            if let Some(reactor) = reactor.upgrade() {
                reactor.notify();
            }
        }),
    }
}

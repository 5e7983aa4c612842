//! `LocalPoolHandle`: threads for tasks that must stay where they were made.
//!
//! Each thread is in `block_on` of a [`LocalRuntime`] of its own. A closure travels there as a task whose future it
//! makes, so that the task's own handle, panic and abort are all there is. What keeps a thread is a count: of the
//! handles of the pool, and of its tasks that are not done.

use std::convert::Infallible;
use std::fmt;
use std::future::Future;
use std::io;
use std::panic::Location;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;

use crate::handle::Handle;
use crate::join::JoinHandle;
use crate::local_runtime::LocalRuntime;
use crate::origin::Origin;
use crate::promise::Promise;
use std::sync::Arc;

/// A pool of threads for tasks whose futures are not `Send`; clones are the same pool.
///
/// Each thread runs a [`LocalRuntime`], so that [`spawn_local`](crate::spawn_local) works inside the tasks. The threads
/// are called `filch-p000` and so on. When the last handle is dropped, each thread ends as soon as the pool's tasks on
/// it are done; whatever they have spawned there and not waited for is dropped then.
///
/// # Source
/// `tokio_util::task::LocalPoolHandle`.
///
/// # Examples
/// ```
/// use std::rc::Rc;
/// use filch::task::LocalPoolHandle;
///
/// # filch::block_on(async {
/// let pool = LocalPoolHandle::new(2);
/// let task = pool.spawn_pinned(|| {
///     let name = Rc::new("not for other threads");
///     async move { name.len() }
/// });
/// assert_eq!(task.await.unwrap(), 21);
/// # });
/// ```
#[derive(Clone)]
pub struct LocalPoolHandle {
    workers: Arc<[Arc<Worker>]>,
}

/// One thread, as long as somebody needs it.
struct Worker {
    handle: Handle,
    /// Tasks that are not done.
    load: AtomicUsize,
    /// Set when the thread may end.
    over: Promise<(), Infallible>,
}

/// A task that counts for its worker until this is dropped.
struct Load(Arc<Worker>);

impl LocalPoolHandle {
    /// A pool of so many threads.
    ///
    /// # Panics
    /// If the size is 0, or if a thread or its runtime could not be started; those that were end again.
    #[track_caller]
    pub fn new(pool_size: usize) -> LocalPoolHandle {
        assert!(pool_size > 0);
        let workers = (0..pool_size).map(Worker::start).collect();
        match workers {
            Ok(workers) => LocalPoolHandle { workers },
            Err(error) => panic!("the threads of a local pool could not be started: {error}"),
        }
    }

    /// How many threads the pool has.
    pub fn num_threads(&self) -> usize {
        self.workers.len()
    }

    /// How many tasks of the pool each thread has, by the index of [`spawn_pinned_by_idx`](Self::spawn_pinned_by_idx).
    /// Tasks that were spawned inside those are not counted.
    pub fn get_task_loads_for_each_worker(&self) -> Vec<usize> {
        self.workers.iter().map(|worker| worker.load()).collect()
    }

    /// Calls a closure on the thread with the fewest tasks, and runs the future that it makes there to its end.
    ///
    /// Aborting the handle drops the future on its thread. A panic of the closure or of the future is in the handle's
    /// [`JoinError`](crate::JoinError).
    #[track_caller]
    pub fn spawn_pinned<F, Fut>(&self, create_task: F) -> JoinHandle<Fut::Output>
    where
        F: FnOnce() -> Fut + Send + 'static,
        Fut: Future + 'static,
        Fut::Output: Send + 'static,
    {
        self.idlest().spawn(create_task, Location::caller())
    }

    /// As [`spawn_pinned`](Self::spawn_pinned), on the thread with this index.
    ///
    /// # Panics
    /// If there is no thread with this index.
    #[track_caller]
    pub fn spawn_pinned_by_idx<F, Fut>(&self, create_task: F, idx: usize) -> JoinHandle<Fut::Output>
    where
        F: FnOnce() -> Fut + Send + 'static,
        Fut: Future + 'static,
        Fut::Output: Send + 'static,
    {
        let Some(worker) = self.workers.get(idx) else {
            panic!(
                "a pool of {} threads has none with index {idx}",
                self.workers.len()
            );
        };
        worker.load.fetch_add(1, Ordering::Relaxed);
        Load(worker.clone()).spawn(create_task, Location::caller())
    }

    /// Counts one more task for the worker with the fewest.
    fn idlest(&self) -> Load {
        loop {
            let loads = self.workers.iter().map(|worker| (worker.load(), worker));
            let least = loads.min_by_key(|(load, _)| *load);
            let (load, worker) = least.expect("a pool has a thread");
            // Ordering: Relaxed: a number that spreads tasks. Exchanged, so that two who spawn at once do not both take
            // the same idle worker.
            let counted =
                worker
                    .load
                    .compare_exchange(load, load + 1, Ordering::Relaxed, Ordering::Relaxed);
            if counted.is_ok() {
                return Load(worker.clone());
            }
        }
    }
}

impl Load {
    fn spawn<F, Fut>(
        self,
        create_task: F,
        place: &'static Location<'static>,
    ) -> JoinHandle<Fut::Output>
    where
        F: FnOnce() -> Fut + Send + 'static,
        Fut: Future + 'static,
        Fut::Output: Send + 'static,
    {
        let scheduler = self.0.handle.0.scheduler.clone();
        let counted = move || {
            let future = create_task();
            async move {
                let output = future.await;
                drop(self);
                output
            }
        };
        scheduler.spawn_pinned(counted, Origin::at(place))
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        self.0.load.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Worker {
    fn load(&self) -> usize {
        self.load.load(Ordering::Relaxed)
    }

    /// Starts a thread, and waits until it has its runtime.
    fn start(number: usize) -> io::Result<Arc<Worker>> {
        let (tell, told) = mpsc::sync_channel(1);
        let life = move || {
            let runtime = match LocalRuntime::new() {
                Ok(runtime) => runtime,
                // Whoever waits for it is still there.
                Err(error) => return drop(tell.send(Err(error))),
            };
            let over = Promise::with(runtime.handle().0.clone());
            let worker = Worker {
                handle: runtime.handle().clone(),
                load: AtomicUsize::new(0),
                over: over.clone(),
            };
            drop(tell.send(Ok(Arc::new(worker))));
            // Nobody cancels it, and it has no error.
            let _ended = runtime.block_on(over.wait());
        };
        let thread = std::thread::Builder::new().name(format!("filch-p{number:03}"));
        thread.spawn(life)?;
        let ended = |_| Err(io::Error::other("its thread ended before it had a runtime"));
        told.recv().unwrap_or_else(ended)
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        // It fails only where it was set before.
        let _ = self.over.set_result(());
    }
}

impl fmt::Debug for LocalPoolHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LocalPoolHandle")
            .field("loads", &self.get_task_loads_for_each_worker())
            .finish()
    }
}

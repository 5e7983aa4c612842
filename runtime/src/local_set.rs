//! `LocalSet` and `spawn_local`: tasks whose futures need not be `Send`.

use std::cell::RefCell;
use std::fmt;
use std::future::Future;
use std::io;
use std::marker::PhantomData;
use std::panic::Location;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use pin_project_lite::pin_project;

use crate::cancel::{self, with_grace};
use crate::context;
use crate::group;
use crate::join::JoinHandle;
use crate::local::{Polled, Set};
use crate::origin::Origin;
use crate::runtime::Runtime;
use crate::spawn::Builder;

thread_local! {
    /// The set that [`spawn_local`] means on this thread.
    static CURRENT: RefCell<Option<Rc<Set>>> = const { RefCell::new(None) };
}

const NO_SET: &str =
    "`spawn_local` called from outside of a `task::LocalSet` or `runtime::LocalRuntime`";
const OTHER_THREAD: &str =
    "Local tasks can only be spawned on a LocalRuntime from the thread the runtime was created on";

/// Tasks that all run on the thread that made the set, so that their futures need not be `Send`.
///
/// The set runs its tasks while it is polled: [`run_until`](Self::run_until) polls it beside another future, and the set
/// itself is a future that is ready when all its tasks are done. Poll it in `block_on` or in another local task: it is
/// not `Send`, so a task of [`spawn`](crate::spawn) cannot hold it. One poll runs at most 61 tasks, so that whatever
/// else the thread runs gets its turn.
///
/// Dropping it drops the futures of its tasks, each once, on this thread, in the order in which they were spawned;
/// awaiting one of them then says that it was cancelled. Wakers and handles of its tasks may outlive it, on any thread.
///
/// # Cancel safety
/// Safe, whether the set or `run_until` is awaited: dropping the wait leaves the tasks as they are, until the set is
/// polled again.
///
/// # Source
/// `tokio::task::LocalSet`.
///
/// # Examples
/// ```
/// use std::rc::Rc;
///
/// # filch::block_on(async {
/// let local = filch::task::LocalSet::new();
/// let name = Rc::new("not for other threads");
/// let length = local
///     .run_until(async move {
///         let task = filch::task::spawn_local(async move { name.len() });
///         task.await.unwrap()
///     })
///     .await;
/// assert_eq!(length, 21);
/// # });
/// ```
/// The handle of a task whose output is not `Send` stays on the set's thread, too.
/// ```compile_fail,E0277
/// let local = filch::task::LocalSet::new();
/// let task = local.spawn_local(async { std::rc::Rc::new(1) });
/// std::thread::spawn(move || drop(task));
/// ```
pub struct LocalSet(Rc<Set>);

/// Makes the set that was current before current again when it is dropped.
///
/// Guards must be dropped in the reverse order of their making.
///
/// # Source
/// `tokio::task::LocalEnterGuard`.
#[must_use = "the set is current only while the guard lives"]
pub struct LocalEnterGuard {
    before: Option<Rc<Set>>,
    _of_this_thread: PhantomData<*const ()>,
}

impl LocalEnterGuard {
    fn enter(set: &Rc<Set>) -> LocalEnterGuard {
        let before = CURRENT.try_with(|current| current.replace(Some(set.clone())));
        LocalEnterGuard {
            // The thread is ending: its variables are gone.
            before: before.unwrap_or(None),
            _of_this_thread: PhantomData,
        }
    }
}

impl Drop for LocalEnterGuard {
    fn drop(&mut self) {
        let before = self.before.take();
        let ended = CURRENT.try_with(|current| current.replace(before));
        // Not inside `with`: the last handle of a set drops it.
        drop(ended);
    }
}

/// Spawns a task on the [`LocalRuntime`](crate::LocalRuntime) of this thread or else on the [`LocalSet`] that is being
/// polled, or has been entered, on this thread. Its future need not be `Send`, and its handle is `Send` if its output is.
///
/// # Panics
/// If there is neither; if the current runtime is a local one of another thread.
///
/// # Source
/// `tokio::task::spawn_local`.
///
/// # Examples
/// ```
/// use std::{cell::Cell, rc::Rc};
///
/// let rt = filch::runtime::LocalRuntime::new().unwrap();
/// let count = Rc::new(Cell::new(0));
/// let counts = count.clone();
/// rt.block_on(async {
///     filch::task::spawn_local(async move { counts.set(1) }).await.unwrap();
/// });
/// assert_eq!(count.get(), 1);
/// ```
#[track_caller]
pub fn spawn_local<F>(future: F) -> JoinHandle<F::Output>
where
    F: Future + 'static,
    F::Output: 'static,
{
    spawn_local_from(future, Origin::at(Location::caller()))
}

#[track_caller]
pub(crate) fn spawn_local_from<F>(future: F, origin: Origin) -> JoinHandle<F::Output>
where
    F: Future + 'static,
    F::Output: 'static,
{
    let runtime = context::with_current(|handle| {
        let scheduler = &handle.0.scheduler;
        scheduler.is_local().then(|| scheduler.clone())
    });
    if let Some(scheduler) = runtime.flatten() {
        assert!(scheduler.may_run(), "{OTHER_THREAD}");
        return scheduler.spawn_local(future, origin);
    }
    let current = CURRENT.try_with(|current| current.borrow().clone());
    match current.ok().flatten() {
        Some(set) => set.spawn(future, origin),
        None => panic!("{NO_SET}"),
    }
}

impl Builder<'_> {
    /// Spawns a local task under this name: as [`spawn_local`].
    ///
    /// # Errors
    /// Never so far: the type is tokio's.
    ///
    /// # Panics
    /// As there.
    #[track_caller]
    pub fn spawn_local<F>(self, future: F) -> io::Result<JoinHandle<F::Output>>
    where
        F: Future + 'static,
        F::Output: 'static,
    {
        let origin = self.origin(Location::caller());
        Ok(match self.grace {
            Some(period) => spawn_local_from(with_grace(period, future), origin),
            None => spawn_local_from(future, origin),
        })
    }

    /// Spawns a task of this set under this name: as [`LocalSet::spawn_local`].
    ///
    /// # Errors
    /// Never so far: the type is tokio's.
    #[track_caller]
    pub fn spawn_local_on<F>(
        self,
        future: F,
        local_set: &LocalSet,
    ) -> io::Result<JoinHandle<F::Output>>
    where
        F: Future + 'static,
        F::Output: 'static,
    {
        let origin = self.origin(Location::caller());
        Ok(match self.grace {
            Some(period) => local_set.0.spawn(with_grace(period, future), origin),
            None => local_set.0.spawn(future, origin),
        })
    }
}

impl LocalSet {
    /// An empty set, on this thread.
    pub fn new() -> LocalSet {
        LocalSet(Rc::new(Set::new()))
    }

    /// Makes this set the one that [`spawn_local`] means, on this thread, while the guard lives. The tasks run when the
    /// set is polled.
    ///
    /// # Examples
    /// ```
    /// # filch::block_on(async {
    /// let local = filch::task::LocalSet::new();
    /// let task = {
    ///     let _entered = local.enter();
    ///     filch::task::spawn_local(async { 6 * 7 })
    /// };
    /// local.await;
    /// assert_eq!(task.await.unwrap(), 42);
    /// # });
    /// ```
    pub fn enter(&self) -> LocalEnterGuard {
        LocalEnterGuard::enter(&self.0)
    }

    /// Spawns a task on this set, from anywhere on its thread. It runs when the set is polled.
    ///
    /// # Examples
    /// ```
    /// # filch::block_on(async {
    /// let local = filch::task::LocalSet::new();
    /// let task = local.spawn_local(async { 6 * 7 });
    /// local.await;
    /// assert_eq!(task.await.unwrap(), 42);
    /// # });
    /// ```
    #[track_caller]
    pub fn spawn_local<F>(&self, future: F) -> JoinHandle<F::Output>
    where
        F: Future + 'static,
        F::Output: 'static,
    {
        self.0.spawn(future, Origin::at(Location::caller()))
    }

    /// Runs a future to its end on this thread, in this runtime, and the set's tasks meanwhile. Those that are not done
    /// then wait until the set is polled again.
    ///
    /// # Panics
    /// As [`Runtime::block_on`].
    ///
    /// # Examples
    /// ```
    /// use std::rc::Rc;
    ///
    /// let rt = filch::runtime::Runtime::new().unwrap();
    /// let local = filch::task::LocalSet::new();
    /// let length = local.block_on(&rt, async {
    ///     let name = Rc::new("local");
    ///     filch::task::spawn_local(async move { name.len() }).await.unwrap()
    /// });
    /// assert_eq!(length, 5);
    /// ```
    #[track_caller]
    pub fn block_on<F: Future>(&self, rt: &Runtime, future: F) -> F::Output {
        rt.block_on(self.run_until(future))
    }

    /// Runs a future and, whenever it has to wait, the set's tasks, until the future is done. Tasks that are not done
    /// then wait until the set is polled again.
    ///
    /// # Cancel safety
    /// As safe as `future`, which is dropped; the set's tasks stay as they are, until the set is polled again.
    ///
    /// # Examples
    /// ```
    /// # filch::block_on(async {
    /// let local = filch::task::LocalSet::new();
    /// let task = local.spawn_local(async { 6 * 7 });
    /// assert_eq!(local.run_until(task).await.unwrap(), 42);
    /// # });
    /// ```
    pub async fn run_until<F: Future>(&self, future: F) -> F::Output {
        RunUntil { set: self, future }.await
    }
}

/// A task belongs to its set, not to the scope or the group in which the set is polled just now.
fn run_tasks(polled: &Polled<'_>) -> bool {
    cancel::outside(|| group::outside(|| polled.tick()))
}

pin_project! {
    struct RunUntil<'a, F> {
        set: &'a LocalSet,
        #[pin]
        future: F,
    }
}

impl<F: Future> Future for RunUntil<'_, F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<F::Output> {
        let this = self.project();
        let _entered = this.set.enter();
        let polled = this.set.0.poll_with(context.waker());
        let output = this.future.poll(context);
        let more = match output {
            Poll::Ready(_) => polled.leaves_jobs(),
            Poll::Pending => run_tasks(&polled),
        };
        if more {
            context.waker().wake_by_ref();
        }
        output
    }
}

impl Future for LocalSet {
    type Output = ();

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let _entered = self.enter();
        let polled = self.0.poll_with(context.waker());
        if run_tasks(&polled) {
            context.waker().wake_by_ref();
            Poll::Pending
        } else if self.0.is_empty() {
            Poll::Ready(())
        } else {
            Poll::Pending
        }
    }
}

impl Drop for LocalSet {
    fn drop(&mut self) {
        // What is dropped here is dropped inside its set.
        let _entered = self.enter();
        self.0.close();
    }
}

impl Default for LocalSet {
    fn default() -> LocalSet {
        LocalSet::new()
    }
}

impl fmt::Debug for LocalSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LocalSet").finish_non_exhaustive()
    }
}

impl fmt::Debug for LocalEnterGuard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("LocalEnterGuard")
    }
}

//! Many tasks, joined in whatever order they end.
//!
//! A task that is spawned costs the set its handle and nothing more. Only [`JoinSet::poll_join_next`] looks at it: if it is
//! done by then, its outcome is there to be taken; if not, it is asked to tell the set's [`DoneList`] when it is. So a
//! task that ends soon is never asked, and those that end later are taken from the list many at a time.

mod builder;

use std::collections::VecDeque;
use std::fmt;
use std::future::{Future, poll_fn};
use std::panic::{Location, resume_unwind};
use std::sync::Arc;
use std::task::{Context, Poll, Waker, ready};

use slab::Slab;

use crate::budget;
use crate::done_list::DoneList;
use crate::error::JoinError;
use crate::handle::Handle;
use crate::join::JoinHandle;
use crate::local_set::{LocalSet, spawn_local_from};
use crate::origin::{Id, Origin};
use crate::spawn::spawn_from;
use crate::task::AbortHandle;

pub use self::builder::Builder as JoinSetBuilder;

/// Tasks that one poll asks to tell when they are done, at most: then others get their turn. Unit: tasks, at some 50 ns.
const ASKED_AT_ONCE: usize = 1024;

/// Tasks that return the same type, to be joined in the order in which they end.
///
/// Dropping the set aborts all its tasks. Each task stays in it until it is joined: `len` counts those that are done, too.
///
/// # Source
/// `tokio::task::JoinSet`.
///
/// # Examples
/// ```
/// use filch::task::JoinSet;
///
/// # filch::block_on(async {
/// let mut set = JoinSet::new();
/// for n in 0..10 {
///     set.spawn(async move { n * n });
/// }
/// let mut sum = 0;
/// while let Some(square) = set.join_next().await {
///     sum += square.unwrap();
/// }
/// assert_eq!(sum, 285);
/// # });
/// ```
pub struct JoinSet<T> {
    /// Not looked at since they were spawned, in that order.
    fresh: VecDeque<JoinHandle<T>>,
    /// Each tells `done` its place here.
    awaited: Slab<JoinHandle<T>>,
    done: Arc<DoneList>,
    /// Taken from `done`: places of tasks that are done.
    batch: VecDeque<usize>,
}

impl<T> JoinSet<T> {
    /// A set without tasks.
    pub fn new() -> JoinSet<T> {
        JoinSet {
            fresh: VecDeque::new(),
            awaited: Slab::new(),
            done: Arc::default(),
            batch: VecDeque::new(),
        }
    }

    /// How many tasks have not been joined.
    pub fn len(&self) -> usize {
        self.fresh.len() + self.awaited.len()
    }

    /// True if there is nothing to join.
    pub fn is_empty(&self) -> bool {
        self.fresh.is_empty() && self.awaited.is_empty()
    }

    fn handles(&self) -> impl Iterator<Item = &JoinHandle<T>> {
        let awaited = self.awaited.iter().map(|(_, handle)| handle);
        awaited.chain(&self.fresh)
    }

    /// The next task to join, if one is known to be done or turns out to be; up to `limit` others are asked to tell.
    fn take_done(&mut self, limit: usize) -> Option<JoinHandle<T>> {
        if let Some(at) = self.batch.pop_front() {
            return Some(self.awaited.remove(at));
        }
        for _ in 0..limit {
            let handle = self.fresh.pop_front()?;
            let place = self.awaited.vacant_entry();
            if handle.is_finished() || !handle.tell(&self.done, place.key()) {
                return Some(handle);
            }
            place.insert(handle);
        }
        None
    }

    fn try_done(&mut self) -> Option<JoinHandle<T>> {
        if let Some(handle) = self.take_done(usize::MAX) {
            return Some(handle);
        }
        self.done.take(&mut self.batch);
        self.take_done(0)
    }

    fn poll_done(&mut self, waker: &Waker) -> Poll<Option<JoinHandle<T>>> {
        if let Some(handle) = self.take_done(ASKED_AT_ONCE) {
            return Poll::Ready(Some(handle));
        }
        if !self.fresh.is_empty() {
            waker.wake_by_ref();
            return Poll::Pending;
        }
        if self.awaited.is_empty() {
            return Poll::Ready(None);
        }
        self.done.take_or_wait(&mut self.batch, waker);
        match self.take_done(0) {
            Some(handle) => Poll::Ready(Some(handle)),
            None => Poll::Pending,
        }
    }
}

impl<T: 'static> JoinSet<T> {
    fn insert(&mut self, handle: JoinHandle<T>) -> AbortHandle {
        let abort = handle.abort_handle();
        self.fresh.push_back(handle);
        abort
    }

    /// Spawns a task of this set on the current runtime: as [`spawn`](crate::spawn()).
    ///
    /// # Panics
    /// If there is no current runtime.
    #[track_caller]
    pub fn spawn<F>(&mut self, task: F) -> AbortHandle
    where
        F: Future<Output = T> + Send + 'static,
        T: Send,
    {
        self.insert(spawn_from(task, Origin::at(Location::caller())))
    }

    /// Spawns a task of this set on that runtime: as [`Handle::spawn`].
    #[track_caller]
    pub fn spawn_on<F>(&mut self, task: F, handle: &Handle) -> AbortHandle
    where
        F: Future<Output = T> + Send + 'static,
        T: Send,
    {
        self.insert(handle.spawn_from(task, Origin::at(Location::caller())))
    }

    /// Runs a blocking closure as a task of this set: as [`spawn_blocking`](crate::spawn_blocking).
    ///
    /// # Panics
    /// As there.
    ///
    /// # Examples
    /// ```
    /// # filch::block_on(async {
    /// let mut set = filch::task::JoinSet::new();
    /// set.spawn_blocking(|| std::fs::read_to_string("Cargo.toml").unwrap().len());
    /// assert!(set.join_next().await.unwrap().unwrap() > 0);
    /// # });
    /// ```
    #[track_caller]
    pub fn spawn_blocking<F>(&mut self, closure: F) -> AbortHandle
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send,
    {
        self.spawn_blocking_on(closure, &Handle::current())
    }

    /// As [`spawn_blocking`](Self::spawn_blocking), on that runtime.
    ///
    /// # Panics
    /// If no thread could be started for it.
    #[track_caller]
    pub fn spawn_blocking_on<F>(&mut self, closure: F, handle: &Handle) -> AbortHandle
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send,
    {
        let origin = Origin::at(Location::caller());
        self.insert(handle.spawn_blocking_from(closure, origin))
    }

    /// Spawns a task of this set that stays on this thread: as [`spawn_local`](crate::spawn_local).
    ///
    /// # Panics
    /// Outside a [`LocalSet`] and a [`LocalRuntime`](crate::LocalRuntime).
    ///
    /// # Examples
    /// ```
    /// use std::rc::Rc;
    /// use filch::task::{JoinSet, LocalSet};
    ///
    /// # filch::block_on(async {
    /// let local = LocalSet::new();
    /// let sum = local.run_until(async {
    ///     let (two, mut set) = (Rc::new(2), JoinSet::new());
    ///     for n in 0..3 {
    ///         let two = two.clone();
    ///         set.spawn_local(async move { n * *two });
    ///     }
    ///     set.join_all().await.into_iter().sum::<i32>()
    /// });
    /// assert_eq!(sum.await, 6);
    /// # });
    /// ```
    #[track_caller]
    pub fn spawn_local<F>(&mut self, task: F) -> AbortHandle
    where
        F: Future<Output = T> + 'static,
    {
        self.insert(spawn_local_from(task, Origin::at(Location::caller())))
    }

    /// Spawns a task of this set on that [`LocalSet`], which runs it when it is polled.
    #[track_caller]
    pub fn spawn_local_on<F>(&mut self, task: F, local_set: &LocalSet) -> AbortHandle
    where
        F: Future<Output = T> + 'static,
    {
        self.insert(local_set.spawn_local(task))
    }

    /// For a task of this set that has a name.
    ///
    /// # Source
    /// `tokio::task::JoinSet::build_task` (unstable there).
    ///
    /// # Examples
    /// ```
    /// # filch::block_on(async {
    /// let mut set = filch::task::JoinSet::new();
    /// set.build_task().name("fetch").spawn(async { panic!("no net") }).unwrap();
    /// let error: filch::task::JoinError = set.join_next().await.unwrap().map(|()| ()).unwrap_err();
    /// assert_eq!(error.name(), Some("fetch"));
    /// # });
    /// ```
    pub fn build_task(&mut self) -> JoinSetBuilder<'_, T> {
        JoinSetBuilder::new(self)
    }

    /// Waits until a task is done and takes it out of the set. `None` if there is none in it.
    ///
    /// # Errors
    /// A [`JoinError`] if the task panicked, was aborted, or its runtime shut down.
    ///
    /// # Cancel safety
    /// Safe: a task that has not been returned is still in the set.
    pub async fn join_next(&mut self) -> Option<Result<T, JoinError>> {
        poll_fn(|context| self.poll_join_next(context)).await
    }

    /// As [`join_next`](Self::join_next), with the task's id; an error has it already.
    ///
    /// # Errors
    /// As there.
    ///
    /// # Cancel safety
    /// As there.
    ///
    /// # Examples
    /// ```
    /// # filch::block_on(async {
    /// let mut set = filch::task::JoinSet::new();
    /// let task = set.spawn(async { 7 });
    /// let (id, value) = set.join_next_with_id().await.unwrap().unwrap();
    /// assert_eq!((id, value), (task.id(), 7));
    /// # });
    /// ```
    pub async fn join_next_with_id(&mut self) -> Option<Result<(Id, T), JoinError>> {
        poll_fn(|context| self.poll_join_next_with_id(context)).await
    }

    /// Takes a task that is done out of the set. `None` if none is, or there is none in it.
    ///
    /// # Errors
    /// As [`join_next`](Self::join_next).
    pub fn try_join_next(&mut self) -> Option<Result<T, JoinError>> {
        self.try_done().map(JoinHandle::into_outcome)
    }

    /// As [`try_join_next`](Self::try_join_next), with the task's id; an error has it already.
    ///
    /// # Errors
    /// As [`join_next`](Self::join_next).
    pub fn try_join_next_with_id(&mut self) -> Option<Result<(Id, T), JoinError>> {
        self.try_done().map(with_id)
    }

    /// Polls for the next task that is done: as [`join_next`](Self::join_next). The waker of the last call is the one that
    /// is woken.
    ///
    /// # Errors
    /// As there.
    pub fn poll_join_next(
        &mut self,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<T, JoinError>>> {
        let next = ready!(self.poll_next_handle(context));
        Poll::Ready(next.map(JoinHandle::into_outcome))
    }

    /// As [`poll_join_next`](Self::poll_join_next), with the task's id; an error has it already.
    ///
    /// # Errors
    /// As [`join_next`](Self::join_next).
    pub fn poll_join_next_with_id(
        &mut self,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<(Id, T), JoinError>>> {
        let next = ready!(self.poll_next_handle(context));
        Poll::Ready(next.map(with_id))
    }

    fn poll_next_handle(&mut self, context: &mut Context<'_>) -> Poll<Option<JoinHandle<T>>> {
        if self.is_empty() {
            return Poll::Ready(None);
        }
        ready!(budget::poll_left(context));
        let next = self.poll_done(context.waker());
        if next.is_ready() {
            budget::spend();
        }
        next
    }

    /// Aborts all tasks, and waits until they are done. Panics of theirs are dropped.
    ///
    /// # Cancel safety
    /// Safe: the tasks stay aborted, and those not waited for are still in the set.
    ///
    /// # Examples
    /// ```
    /// # filch::block_on(async {
    /// let mut set = filch::task::JoinSet::new();
    /// set.spawn(std::future::pending::<()>());
    /// set.shutdown().await;
    /// assert!(set.is_empty());
    /// # });
    /// ```
    pub async fn shutdown(&mut self) {
        self.abort_all();
        while self.join_next().await.is_some() {}
    }

    /// Waits for all tasks. Their values come in the order in which the tasks ended.
    ///
    /// # Panics
    /// With the panic of the first task that did, or if one was aborted; the others are aborted then.
    ///
    /// # Cancel safety
    /// Dropping the wait aborts all tasks, and drops the values so far.
    ///
    /// # Examples
    /// ```
    /// # filch::block_on(async {
    /// let set: filch::task::JoinSet<_> = (1..=3).map(|n| async move { n * n }).collect();
    /// let mut squares = set.join_all().await;
    /// squares.sort();
    /// assert_eq!(squares, [1, 4, 9]);
    /// # });
    /// ```
    pub async fn join_all(mut self) -> Vec<T> {
        let mut values = Vec::with_capacity(self.len());
        while let Some(next) = self.join_next().await {
            match next {
                Ok(value) => values.push(value),
                Err(error) => match error.try_into_panic() {
                    Ok(payload) => resume_unwind(payload),
                    Err(error) => panic!("{error}"),
                },
            }
        }
        values
    }

    /// Aborts all tasks. They stay in the set until they are joined.
    ///
    /// # Examples
    /// ```
    /// # filch::block_on(async {
    /// let mut set = filch::task::JoinSet::new();
    /// set.spawn(std::future::pending::<()>());
    /// set.abort_all();
    /// assert!(set.join_next().await.unwrap().unwrap_err().is_cancelled());
    /// # });
    /// ```
    pub fn abort_all(&mut self) {
        self.handles().for_each(JoinHandle::abort);
    }

    /// Takes all tasks out of the set, and lets them run on.
    pub fn detach_all(&mut self) {
        // Those that leave may still tell the old list.
        self.done = Arc::default();
        self.batch.clear();
        self.fresh.clear();
        self.awaited.clear();
    }
}

fn with_id<T>(handle: JoinHandle<T>) -> Result<(Id, T), JoinError> {
    let id = handle.id();
    handle.into_outcome().map(|value| (id, value))
}

impl<T> Drop for JoinSet<T> {
    fn drop(&mut self) {
        self.handles().for_each(JoinHandle::abort);
    }
}

impl<T> Default for JoinSet<T> {
    fn default() -> Self {
        JoinSet::new()
    }
}

impl<T> fmt::Debug for JoinSet<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JoinSet").field("len", &self.len()).finish()
    }
}

impl<T> std::panic::UnwindSafe for JoinSet<T> {}
impl<T> std::panic::RefUnwindSafe for JoinSet<T> {}

impl<T, F> FromIterator<F> for JoinSet<T>
where
    F: Future<Output = T> + Send + 'static,
    T: Send + 'static,
{
    /// Spawns each on the current runtime.
    fn from_iter<I: IntoIterator<Item = F>>(tasks: I) -> Self {
        let mut set = JoinSet::new();
        set.extend(tasks);
        set
    }
}

impl<T, F> Extend<F> for JoinSet<T>
where
    F: Future<Output = T> + Send + 'static,
    T: Send + 'static,
{
    /// Spawns each on the current runtime.
    fn extend<I: IntoIterator<Item = F>>(&mut self, tasks: I) {
        for task in tasks {
            self.spawn(task);
        }
    }
}

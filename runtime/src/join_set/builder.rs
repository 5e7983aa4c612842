//! Tasks of a set that have a name.

use std::fmt;
use std::future::Future;
use std::io;

use super::JoinSet;
use crate::handle::Handle;
use crate::local_set::LocalSet;
use crate::spawn::Builder as TaskBuilder;
use crate::task::AbortHandle;

/// Spawns a task of a set that has a name: [`JoinSet::build_task`].
///
/// # Source
/// `tokio::task::join_set::Builder` (unstable there).
#[must_use = "nothing is spawned before `spawn`"]
pub struct Builder<'a, T> {
    set: &'a mut JoinSet<T>,
    task: TaskBuilder<'a>,
}

impl<'a, T: 'static> Builder<'a, T> {
    pub(super) fn new(set: &'a mut JoinSet<T>) -> Self {
        Builder {
            set,
            task: TaskBuilder::new(),
        }
    }

    /// Names the task.
    pub fn name(self, name: &'a str) -> Self {
        Builder {
            task: self.task.name(name),
            ..self
        }
    }

    /// As [`JoinSet::spawn`].
    ///
    /// # Errors
    /// Never so far: the type is tokio's.
    ///
    /// # Panics
    /// As there.
    #[track_caller]
    pub fn spawn<F>(self, future: F) -> io::Result<AbortHandle>
    where
        F: Future<Output = T> + Send + 'static,
        T: Send,
    {
        Ok(self.set.insert(self.task.spawn(future)?))
    }

    /// As [`JoinSet::spawn_on`].
    ///
    /// # Errors
    /// Never so far: the type is tokio's.
    #[track_caller]
    pub fn spawn_on<F>(self, future: F, handle: &Handle) -> io::Result<AbortHandle>
    where
        F: Future<Output = T> + Send + 'static,
        T: Send,
    {
        Ok(self.set.insert(self.task.spawn_on(future, handle)?))
    }

    /// As [`JoinSet::spawn_blocking`].
    ///
    /// # Errors
    /// Never so far: the type is tokio's.
    ///
    /// # Panics
    /// As there.
    #[track_caller]
    pub fn spawn_blocking<F>(self, closure: F) -> io::Result<AbortHandle>
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send,
    {
        Ok(self.set.insert(self.task.spawn_blocking(closure)?))
    }

    /// As [`JoinSet::spawn_blocking_on`].
    ///
    /// # Errors
    /// Never so far: the type is tokio's.
    ///
    /// # Panics
    /// As there.
    #[track_caller]
    pub fn spawn_blocking_on<F>(self, closure: F, handle: &Handle) -> io::Result<AbortHandle>
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send,
    {
        let handle = self.task.spawn_blocking_on(closure, handle)?;
        Ok(self.set.insert(handle))
    }

    /// As [`JoinSet::spawn_local`].
    ///
    /// # Errors
    /// Never so far: the type is tokio's.
    ///
    /// # Panics
    /// As there.
    #[track_caller]
    pub fn spawn_local<F>(self, future: F) -> io::Result<AbortHandle>
    where
        F: Future<Output = T> + 'static,
    {
        Ok(self.set.insert(self.task.spawn_local(future)?))
    }

    /// As [`JoinSet::spawn_local_on`].
    ///
    /// # Errors
    /// Never so far: the type is tokio's.
    #[track_caller]
    pub fn spawn_local_on<F>(self, future: F, local_set: &LocalSet) -> io::Result<AbortHandle>
    where
        F: Future<Output = T> + 'static,
    {
        Ok(self
            .set
            .insert(self.task.spawn_local_on(future, local_set)?))
    }
}

impl<T> fmt::Debug for Builder<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Builder")
            .field("set", &self.set)
            .field("task", &self.task)
            .finish()
    }
}

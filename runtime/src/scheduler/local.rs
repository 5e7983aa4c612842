//! Local tasks of a scheduler whose jobs only one thread may run.
//!
//! Such a scheduler has a home and one seat. Its jobs are run by [`Scheduler::drive`] and [`Scheduler::end`], which see to
//! it that they are called at home; there is no other seat to steal them, and no guard to bring them elsewhere. A job
//! that its queue drops is one of no task: `end` has returned, so no task lives. (A scheduler that has not ended is leaked
//! with its tasks, since its runtime is.)

use std::future::Future;

use super::Scheduler;
use crate::home::ThreadMark;
use crate::join::JoinHandle;
use crate::origin::Origin;
use crate::task;
use std::sync::Arc;

impl Scheduler {
    /// True if this scheduler may have local tasks.
    pub(crate) fn is_local(&self) -> bool {
        self.settings.home.is_some()
    }

    /// True if this thread may run its jobs.
    pub(crate) fn may_run(&self) -> bool {
        self.settings
            .home
            .is_none_or(|home| home == ThreadMark::here())
    }

    pub(super) fn assert_may_run(&self) {
        assert!(self.may_run(), "local tasks run on their own thread only");
    }

    /// Spawns a task on its home's thread.
    ///
    /// # Panics
    /// On another thread, and if there may be no local tasks.
    #[track_caller]
    pub(crate) fn spawn_local<F>(
        self: &Arc<Self>,
        future: F,
        origin: Origin,
    ) -> JoinHandle<F::Output>
    where
        F: Future + 'static,
        F::Output: 'static,
    {
        assert!(
            self.is_local() && self.may_run(),
            "local tasks are spawned on their own thread only"
        );
        // SAFETY: this is the home of the scheduler, where alone it runs and drops the jobs of its tasks: see the head of
        // this file. Where it has shut down, `launch` drops the job here and now.
        self.launch(unsafe { task::new_local(future, origin, self) })
    }

    /// Spawns, from any thread, a task whose future is made at home.
    ///
    /// # Panics
    /// If there may be no local tasks.
    #[track_caller]
    pub(crate) fn spawn_pinned<C, F>(
        self: &Arc<Self>,
        create: C,
        origin: Origin,
    ) -> JoinHandle<F::Output>
    where
        C: FnOnce() -> F + Send + 'static,
        F: Future + 'static,
        F::Output: Send + 'static,
    {
        assert!(self.is_local(), "this runtime has no local tasks");
        let future = async move { create().await };
        // SAFETY: before its first poll this future holds nothing but `create`, which is `Send`, so that it may come from
        // here, and be dropped here by `launch` if the scheduler has shut down. From then on it is at home, as above.
        self.launch(unsafe { task::new_local(future, origin, self) })
    }
}

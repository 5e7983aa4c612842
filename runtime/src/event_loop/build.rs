//! Tasks of a loop in the making.

use std::future::Future;
use std::panic::Location;
use std::sync::Arc;

use super::task::{AnyTask, Core, Outcome};
use super::task_handles::LoopTask;
use super::{CLOSED, EventLoop, drive};
use crate::origin::Origin;

/// A task to be made: [`EventLoop::build_task`].
#[derive(Debug)]
#[must_use = "nothing is made before `create`"]
pub struct LoopTaskBuilder<'a> {
    pub(super) event_loop: &'a EventLoop,
    pub(super) name: Option<Arc<str>>,
    pub(super) eager_start: bool,
}

impl LoopTaskBuilder<'_> {
    /// Its name.
    pub fn name(mut self, name: impl Into<Arc<str>>) -> Self {
        self.name = Some(name.into());
        self
    }

    /// Takes the first step inside [`create`](Self::create), if the loop runs on this thread; a task that ends in it never
    /// waits in the loop.
    ///
    /// # Source
    /// `asyncio.eager_task_factory`.
    pub fn eager_start(mut self, eager: bool) -> Self {
        self.eager_start = eager;
        self
    }

    /// Makes the task.
    ///
    /// # Panics
    /// As [`EventLoop::create_task`].
    #[track_caller]
    pub fn create<F>(self, future: F) -> LoopTask<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Outcome,
    {
        self.event_loop.check_thread();
        let inner = self.event_loop.inner();
        let origin = Origin::at(Location::caller());
        let core = Core::new(inner, future, origin, self.name);
        if self.eager_start && drive::is_current(inner) {
            core.clone().step();
        } else if !core.first_step() {
            core.destroy();
            panic!("{CLOSED}");
        }
        LoopTask(core)
    }
}

/// Makes a task that is said to be made at `place`.
pub(super) fn create_task_at<F>(
    on: &EventLoop,
    future: F,
    place: &'static Location<'static>,
) -> LoopTask<F::Output>
where
    F: Future + Send + 'static,
    F::Output: Outcome,
{
    let core = Core::new(on.inner(), future, Origin::at(place), None);
    if !core.first_step() {
        core.destroy();
        panic!("{CLOSED}");
    }
    LoopTask(core)
}

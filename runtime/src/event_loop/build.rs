//! Tasks of a loop in the making.

use std::future::Future;
use std::panic::Location;
use std::sync::Arc;

use super::contexts::Context;
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
    pub(super) context: Option<Context>,
    pub(super) eager_start: bool,
}

impl LoopTaskBuilder<'_> {
    /// Its name.
    pub fn name(mut self, name: impl AsRef<str>) -> Self {
        self.name = Some(name.as_ref().into());
        self
    }

    /// Runs each step with these task-local values, in place of copies of those that are here.
    ///
    /// # Source
    /// `create_task(..., context=...)`.
    ///
    /// # Examples
    /// ```
    /// filch::task_local! {
    ///     #[inherit]
    ///     static USER: &'static str;
    /// }
    ///
    /// let event_loop = filch::EventLoop::new();
    /// let context = USER.sync_scope("ann", filch::asyncio::copy_context);
    /// let task = event_loop.build_task().context(&context).create(async { USER.get() });
    /// assert_eq!(event_loop.run_until_complete(task).unwrap(), "ann");
    /// ```
    pub fn context(mut self, context: &Context) -> Self {
        self.context = Some(context.clone());
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
        let inner = self.event_loop.inner();
        let origin = Origin::at(Location::caller());
        let core = Core::new(inner, future, origin, self.name, self.context);
        // Not while a closed loop is cleared: what begins then, nobody would end.
        if self.eager_start && drive::is_current(inner) && !inner.strand.is_closed() {
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
    let core = Core::new(on.inner(), future, Origin::at(place), None, None);
    begin(core)
}

/// Makes a task of the loop that this thread runs. None if it runs none.
#[track_caller]
pub(super) fn create_task_here<F>(future: F) -> Option<LoopTask<F::Output>>
where
    F: Future + Send + 'static,
    F::Output: Outcome,
{
    let origin = Origin::at(Location::caller());
    drive::with_current(|inner| Core::new(inner, future, origin, None, None)).map(begin)
}

fn begin<F>(core: Arc<Core<F>>) -> LoopTask<F::Output>
where
    F: Future + Send + 'static,
    F::Output: Outcome,
{
    if !core.first_step() {
        core.destroy();
        panic!("{CLOSED}");
    }
    LoopTask(core)
}

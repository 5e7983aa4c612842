//! Children of a group that are tasks of a loop.

use std::future::{Future, pending, poll_fn};
use std::panic::{Location, resume_unwind};
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;

use parking_lot::Mutex;

use super::EventLoop;
use super::build::create_task_at;
use super::task_handles::LoopTask;
use crate::cancel::{Guard, cancel_reason, cancelled};
use crate::group::{Child, TaskGroup};
use crate::origin::Origin;
use crate::promise::PromiseError;
use crate::task::current;

impl<E: Send + 'static> TaskGroup<E> {
    /// Spawns a child that runs as a task of a loop: one step after another with all else there, in order. A group that
    /// stops asks it to stop, and waits until it has ended. A limit of the group does not hold it up.
    ///
    /// # Panics
    /// If the loop is closed, or there is no current runtime.
    ///
    /// # Source
    /// `asyncio.TaskGroup.create_task`.
    ///
    /// # Examples
    /// ```
    /// use filch::asyncio::get_running_loop;
    /// use filch::task::TaskGroup;
    ///
    /// filch::asyncio::run(async {
    ///     let on = get_running_loop().unwrap();
    ///     let sum = TaskGroup::scope(async |group| {
    ///         let children = [1, 2].map(|n| group.spawn_on(&on, async move { Ok::<u32, ()>(n) }));
    ///         let mut sum = 0;
    ///         for child in children {
    ///             sum += child.await.unwrap();
    ///         }
    ///         Ok(sum)
    ///     });
    ///     assert_eq!(sum.await.unwrap(), 3);
    /// })
    /// .unwrap();
    /// ```
    #[track_caller]
    pub fn spawn_on<F, T>(&self, on: &EventLoop, future: F) -> Child<T>
    where
        F: Future<Output = Result<T, E>> + Send + 'static,
        T: Send + 'static,
    {
        let outcome = Arc::new(Mutex::new(None));
        let into = outcome.clone();
        let run = async move {
            let outcome = future.await;
            *into.lock() = Some(outcome);
        };
        let place = Location::caller();
        let task = Owned(create_task_at(on, run, place));
        let child = async move {
            // A request to stop waits until the task of the loop has ended.
            let held = Guard::begin();
            let ended = task.wait().await;
            let outcome = outcome.lock().take();
            match (ended, outcome) {
                (Err(PromiseError::Failed(panic)), _) => resume_unwind(Box::new(panic.to_string())),
                (Ok(()), Some(outcome)) => outcome,
                _ => {
                    // Cancelled, by the group or by others: so is the child.
                    if let Some(child) = current::task() {
                        let reason = "its task of the loop was cancelled";
                        child.cancel(current::asks(reason.into(), Location::caller()));
                    }
                    drop(held);
                    pending().await
                }
            }
        };
        self.spawn_begun(child, Origin::at(place))
    }
}

/// A task that nobody wants any more when this goes.
struct Owned(LoopTask<()>);

impl Owned {
    async fn wait(&self) -> Result<(), super::TaskError> {
        let mut asked = pin!(cancelled());
        let mut was_asked = false;
        let mut ended = pin!((&self.0).into_future());
        poll_fn(|context| {
            if !was_asked && asked.as_mut().poll(context).is_ready() {
                was_asked = true;
                let why = cancel_reason();
                self.0.cancel(why.as_ref().map_or("", |why| why.reason()));
            }
            match ended.as_mut().poll(context) {
                Poll::Ready(ended) => Poll::Ready(ended),
                Poll::Pending => Poll::Pending,
            }
        })
        .await
    }
}

impl Drop for Owned {
    fn drop(&mut self) {
        self.0.cancel("its group let go of it");
    }
}

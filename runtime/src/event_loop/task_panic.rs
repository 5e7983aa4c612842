//! How a task of a loop ends without a value.

use std::any::Any;
use std::fmt;
use std::sync::Arc;

use super::cancel::Cancelled;
use crate::error::{Cause, JoinError};
use crate::origin::{Origin, Whose};
use crate::promise::PromiseError;

/// A task panicked: the error of whoever awaits it. Says which task, and where it was made.
///
/// # Examples
/// ```
/// let event_loop = filch::EventLoop::new();
/// let task = event_loop.create_task(async { panic!("out of tea") });
/// let outcome: Result<(), _> = event_loop.run_until_complete(task);
/// assert!(outcome.unwrap_err().to_string().contains("out of tea"));
/// ```
#[derive(Clone, Debug)]
pub struct TaskPanic(Arc<JoinError>);

impl TaskPanic {
    pub(super) fn new(
        origin: &Origin,
        name: Option<&str>,
        payload: Box<dyn Any + Send>,
    ) -> TaskPanic {
        let whose = Whose {
            id: origin.id,
            spawned_at: origin.spawned_at,
            name,
        };
        let cause = Cause::Panicked(payload);
        TaskPanic(Arc::new(JoinError::new(whose, cause, None)))
    }

    /// The error with its facts: the task's id, its name, and where it was made.
    pub fn error(&self) -> &JoinError {
        &self.0
    }
}

/// The same panic of the same task.
impl PartialEq for TaskPanic {
    fn eq(&self, other: &TaskPanic) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Eq for TaskPanic {}

impl fmt::Display for TaskPanic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl std::error::Error for TaskPanic {}

/// Why a task of a loop gave no value: cancelled, with the reason; or it panicked.
pub type TaskError = PromiseError<TaskPanic>;

impl fmt::Display for Cancelled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.reason() {
            "" => write!(f, "cancelled"),
            reason => write!(f, "cancelled: {reason}"),
        }
    }
}

impl std::error::Error for Cancelled {}

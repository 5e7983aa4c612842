//! The task-local values that a callback or a task of a loop has: copied where it is made, worn when it runs.

use std::fmt;
use std::sync::Arc;

use crate::inherit::{self, Inheritance, wearing};

/// Copies of the values that the keys with `#[inherit]` had where this was made.
///
/// A handle: clones are the same copies. Callbacks and tasks of a loop take such copies by themselves, where they are made;
/// this is for those who want to say which ([`LoopTaskBuilder::context`](super::LoopTaskBuilder::context)), or to run a
/// function with them.
///
/// # Source
/// `contextvars.Context`. A key without a value in it keeps what it has on the thread, while Python's has none then.
///
/// # Examples
/// ```
/// filch::task_local! {
///     #[inherit]
///     static USER: &'static str;
/// }
///
/// let context = USER.sync_scope("ann", filch::asyncio::copy_context);
/// assert!(USER.try_get().is_err());
/// assert_eq!(context.run(|| USER.get()), "ann");
/// ```
#[derive(Clone, Default)]
pub struct Context(Option<Arc<Inheritance>>);

/// Copies the values that the keys with `#[inherit]` have here.
///
/// # Source
/// `contextvars.copy_context`.
pub fn copy_context() -> Context {
    Context(inherit::bequeath().map(Arc::new))
}

impl Context {
    pub(super) fn of(inheritance: Option<Inheritance>) -> Context {
        Context(inheritance.map(Arc::new))
    }

    pub(super) fn inheritance(&self) -> Option<&Inheritance> {
        self.0.as_deref()
    }

    /// Calls `f` with these values in place of those that the keys have here.
    ///
    /// # Panics
    /// If it is entered already, here or on another thread, or if somebody is looking at one of the values. With `f`.
    pub fn run<R>(&self, f: impl FnOnce() -> R) -> R {
        wearing(self.inheritance(), f)
    }
}

impl fmt::Debug for Context {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Context").finish_non_exhaustive()
    }
}

//! A request to stop: why, by whom, and from where.

use std::borrow::Cow;
use std::fmt;
use std::panic::Location;
use std::sync::Arc;

use crate::origin::{Id, Whose};

/// Why something was asked to stop, by which task, and from which line.
///
/// Clones share what it says.
///
/// # Examples
/// ```
/// # filch::block_on(async {
/// let task = filch::spawn(std::future::pending::<()>());
/// task.cancel("nobody reads it");
/// let error = task.await.unwrap_err();
/// let why = error.cancellation().unwrap();
/// assert_eq!(why.reason(), "nobody reads it");
/// assert_eq!(why.asked_at().unwrap().file(), file!());
/// assert!(why.task().is_none(), "the future of `block_on` is no task");
/// # });
/// ```
#[derive(Clone, Debug)]
pub struct Cancellation(Kind);

#[derive(Clone, Debug)]
enum Kind {
    Asked(Arc<Asked>),
    Shutdown,
}

#[derive(Debug)]
struct Asked {
    reason: Cow<'static, str>,
    by: Option<(Id, Option<Box<str>>)>,
    at: &'static Location<'static>,
}

impl Cancellation {
    pub(crate) fn new(
        reason: Cow<'static, str>,
        by: Option<Whose<'_>>,
        at: &'static Location<'static>,
    ) -> Cancellation {
        let by = by.map(|by| (by.id, by.name.map(Into::into)));
        Cancellation(Kind::Asked(Arc::new(Asked { reason, by, at })))
    }

    pub(crate) const fn shutdown() -> Cancellation {
        Cancellation(Kind::Shutdown)
    }

    fn asked(&self) -> Option<&Asked> {
        match &self.0 {
            Kind::Asked(asked) => Some(asked),
            Kind::Shutdown => None,
        }
    }

    /// Why.
    pub fn reason(&self) -> &str {
        self.asked()
            .map_or("the runtime shut down", |asked| &asked.reason)
    }

    /// The task that asked; none if it was no task, or the shutdown of the runtime.
    pub fn task(&self) -> Option<Id> {
        self.asked()?.by.as_ref().map(|(id, _)| *id)
    }

    /// The name of the task that asked, if it has one.
    pub fn task_name(&self) -> Option<&str> {
        self.asked()?.by.as_ref()?.1.as_deref()
    }

    /// The call that asked; none for the shutdown of the runtime.
    pub fn asked_at(&self) -> Option<&'static Location<'static>> {
        self.asked().map(|asked| asked.at)
    }

    /// True if nobody asked: the runtime shut down.
    pub fn is_shutdown(&self) -> bool {
        self.asked().is_none()
    }
}

/// Says it behind "was cancelled": `by task 7 at src/lib.rs:40: shutting down`. The place is that of the call that asked,
/// not where task 7 was spawned.
impl fmt::Display for Cancellation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(asked) = self.asked() else {
            return f.write_str("since the runtime shut down");
        };
        let (file, line) = (asked.at.file(), asked.at.line());
        match &asked.by {
            Some((_, Some(name))) => write!(f, "by task {name:?} ")?,
            Some((id, None)) => write!(f, "by task {id} ")?,
            None => {}
        }
        write!(f, "at {file}:{line}: {}", asked.reason)
    }
}

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
#[derive(Clone)]
pub struct Cancellation(Kind);

#[derive(Clone)]
enum Kind {
    Asked(Arc<Asked>),
    Shutdown,
}

struct Asked {
    reason: Reason,
    by: Option<(Id, Option<Box<str>>)>,
    at: &'static Location<'static>,
}

impl Cancellation {
    pub(crate) fn new(
        reason: Reason,
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
            .map_or("the runtime shut down", |asked| asked.reason.text())
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
        write!(f, "at {file}:{line}")?;
        match asked.reason.text() {
            "" => Ok(()),
            reason => write!(f, ": {reason}"),
        }
    }
}

impl fmt::Debug for Cancellation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Cancellation({self})")
    }
}

/// What `cancel` takes: a text, be it a `&'static str`, a `String`, a `Cow` of them, or the `Arc<str>` with which a
/// [`Promise`](crate::Promise) was cancelled. An empty one says nothing.
///
/// # Examples
/// ```
/// use filch::{Promise, PromiseError};
///
/// # filch::block_on(async {
/// let stop: Promise<(), ()> = Promise::new();
/// stop.cancel("a new version comes");
///
/// let task = filch::spawn(std::future::pending::<()>());
/// if let Err(PromiseError::Cancelled { reason }) = stop.wait().await {
///     task.cancel(reason);
/// }
/// assert_eq!(task.await.unwrap_err().reason(), Some("a new version comes"));
/// # });
/// ```
#[derive(Clone, Debug)]
pub struct Reason(Text);

#[derive(Clone, Debug)]
enum Text {
    Own(Cow<'static, str>),
    Shared(Arc<str>),
}

impl Reason {
    fn text(&self) -> &str {
        match &self.0 {
            Text::Own(text) => text,
            Text::Shared(text) => text,
        }
    }
}

impl From<&'static str> for Reason {
    fn from(text: &'static str) -> Reason {
        Reason(Text::Own(text.into()))
    }
}

impl From<String> for Reason {
    fn from(text: String) -> Reason {
        Reason(Text::Own(text.into()))
    }
}

impl From<Cow<'static, str>> for Reason {
    fn from(text: Cow<'static, str>) -> Reason {
        Reason(Text::Own(text))
    }
}

impl From<Arc<str>> for Reason {
    fn from(text: Arc<str>) -> Reason {
        Reason(Text::Shared(text))
    }
}

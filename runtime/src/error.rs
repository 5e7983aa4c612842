//! Errors say what, whose, where.

use std::any::Any;
use std::fmt;
use std::panic::Location;
use std::sync::Mutex;

use crate::origin::{Id, Origin};

/// Why a task gave no value: it was cancelled, or it panicked. Says which task, and where it was spawned.
///
/// # Source
/// `tokio::task::JoinError`, with the name and the place of the spawn added.
///
/// # Examples
/// ```
/// # filch::block_on(async {
/// let error = filch::spawn(async { panic!("out of tea") }).await.unwrap_err();
/// assert!(error.is_panic());
/// assert!(error.to_string().contains("out of tea"));
/// assert_eq!(error.spawned_at().file(), file!());
/// # });
/// ```
pub struct JoinError {
    id: Id,
    name: Option<Box<str>>,
    spawned_at: &'static Location<'static>,
    /// The panic's payload; none if the task was cancelled. The mutex makes the error `Sync`.
    panic: Option<Mutex<Box<dyn Any + Send>>>,
}

/// Why a task gave no value, without whose task it was: what a cell stores.
pub(crate) enum Cause {
    Cancelled,
    Panicked(Box<dyn Any + Send>),
}

impl JoinError {
    pub(crate) fn new(origin: &Origin, cause: Cause) -> JoinError {
        JoinError {
            id: origin.id,
            name: origin.name().map(Box::from),
            spawned_at: origin.spawned_at,
            panic: match cause {
                Cause::Cancelled => None,
                Cause::Panicked(payload) => Some(Mutex::new(payload)),
            },
        }
    }

    /// True if the task was aborted, or its runtime shut down, before it finished.
    pub fn is_cancelled(&self) -> bool {
        self.panic.is_none()
    }

    /// True if the task panicked.
    pub fn is_panic(&self) -> bool {
        self.panic.is_some()
    }

    /// The panic's payload, to pass to [`std::panic::resume_unwind`].
    ///
    /// # Panics
    /// If the task did not panic; see [`try_into_panic`](Self::try_into_panic).
    #[track_caller]
    pub fn into_panic(self) -> Box<dyn Any + Send + 'static> {
        match self.try_into_panic() {
            Ok(payload) => payload,
            Err(error) => panic!("`into_panic` on a `JoinError` that is no panic: {error}"),
        }
    }

    /// The panic's payload.
    ///
    /// # Errors
    /// The error itself, if the task was cancelled.
    pub fn try_into_panic(self) -> Result<Box<dyn Any + Send + 'static>, JoinError> {
        match self.panic {
            Some(payload) => Ok(payload.into_inner().unwrap_or_else(|e| e.into_inner())),
            None => Err(self),
        }
    }

    /// The task's id.
    pub fn id(&self) -> Id {
        self.id
    }

    /// The task's name, if its builder gave it one.
    pub fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    /// Where the task was spawned.
    pub fn spawned_at(&self) -> &'static Location<'static> {
        self.spawned_at
    }
}

/// The text of a panic's payload, if it is one.
fn payload_text(payload: &(dyn Any + Send)) -> Option<&str> {
    payload
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| payload.downcast_ref::<String>().map(String::as_str))
}

impl fmt::Display for JoinError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "task ")?;
        match &self.name {
            Some(name) => write!(f, "{name:?}")?,
            None => write!(f, "{}", self.id)?,
        }
        let place = self.spawned_at;
        write!(f, " ({}:{}) ", place.file(), place.line())?;
        let Some(payload) = &self.panic else {
            return write!(f, "was cancelled");
        };
        let payload = payload.lock().unwrap_or_else(|e| e.into_inner());
        match payload_text(&**payload) {
            Some(text) => write!(f, "panicked with message {text:?}"),
            None => write!(f, "panicked"),
        }
    }
}

impl fmt::Debug for JoinError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "JoinError({self})")
    }
}

impl std::error::Error for JoinError {}

impl From<JoinError> for std::io::Error {
    fn from(error: JoinError) -> std::io::Error {
        std::io::Error::other(error.to_string())
    }
}

//! What becomes of a promise, and what a call is told that came too early or too late.

use std::fmt;
use std::sync::Arc;

/// What became of a promise.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PromiseState {
    /// Nothing yet.
    Pending,
    /// It has a result or an error.
    Finished,
    /// It was cancelled.
    Cancelled,
}

/// Why a promise gave no value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PromiseError<E> {
    /// It was cancelled; the reason is what `cancel` of the [promise](super::Promise::cancel) or of the task was given.
    Cancelled {
        /// Why.
        reason: Arc<str>,
    },
    /// Its error: what [`Promise::set_error`](super::Promise::set_error) was given; of a loop's task, its panic.
    Failed(E),
}

/// The promise is not in the state that the call needs. The text is asyncio's.
///
/// # Source
/// `asyncio.InvalidStateError`.
///
/// # Examples
/// ```
/// # filch::block_on(async {
/// let promise = filch::Promise::<u32, String>::new();
/// assert_eq!(promise.result().unwrap_err().to_string(), "Result is not ready.");
/// assert_eq!(promise.error().unwrap_err().to_string(), "Exception is not set.");
/// # });
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InvalidState {
    /// The state it is in.
    pub state: PromiseState,
    call: Call,
}

/// What was asked of the promise.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Call {
    Set,
    Result,
    Error,
}

impl InvalidState {
    /// It was to be set in a state that is final.
    pub(super) fn set(state: PromiseState) -> InvalidState {
        let call = Call::Set;
        InvalidState { state, call }
    }

    /// There is no result yet.
    pub(super) fn result() -> InvalidState {
        InvalidState {
            state: PromiseState::Pending,
            call: Call::Result,
        }
    }

    /// It is not known yet whether there is an error.
    pub(super) fn error() -> InvalidState {
        InvalidState {
            state: PromiseState::Pending,
            call: Call::Error,
        }
    }
}

impl<E: fmt::Display> fmt::Display for PromiseError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            PromiseError::Cancelled { reason } if reason.is_empty() => {
                write!(f, "the promise was cancelled")
            }
            PromiseError::Cancelled { reason } => write!(f, "the promise was cancelled: {reason}"),
            PromiseError::Failed(error) => error.fmt(f),
        }
    }
}

impl<E: fmt::Debug + fmt::Display> std::error::Error for PromiseError<E> {}

impl fmt::Display for InvalidState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match (self.call, self.state) {
            (Call::Result, _) => "Result is not ready.",
            (Call::Error, _) => "Exception is not set.",
            (Call::Set, PromiseState::Cancelled) => "invalid state: it was cancelled already",
            (Call::Set, _) => "invalid state: it has a result or an error already",
        })
    }
}

impl std::error::Error for InvalidState {}

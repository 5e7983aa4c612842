//! Stopping work that somebody waits for no longer: who is told, what may tidy up, and what goes on.
//!
//! Two things can be stopped. A *task*, by [`JoinHandle::cancel`](crate::JoinHandle::cancel) ([`task`](crate::task) keeps
//! the request; [`grace`] gives time). And a *block* inside a task, by its [`scope`]. A [`shield`] holds both off.
//! Nothing can be thrown into a Rust future, so that to stop is to drop: always at an await, never in the middle of a poll.

mod deadline;
mod frame;
mod grace;
mod scope;
mod shield;
mod watch;

pub(crate) use frame::{Around, outside};
pub(crate) use shield::Guard;

pub use deadline::{FailAfter, MoveOn, fail_after, fail_at, move_on_after, move_on_at};
pub use grace::{Grace, with_grace};
pub use scope::{CancelScope, Run, Stopped};
pub use shield::{Shield, shield};
pub use watch::{Cancelled, cancel_reason, cancelled, is_cancelled};

#[cfg(all(test, filch_loom))]
mod model;

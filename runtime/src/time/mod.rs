//! Waiting for a moment: [`sleep`] and [`timeout`].
//!
//! Resolution: 1 ms, rounded up; a deadline is never early. Deadlines live with the reactor, which completes them
//! wherever the poller is turned.

mod sleep;
mod timeout;

pub use sleep::{Sleep, sleep, sleep_until};
pub use timeout::{Elapsed, Timeout, timeout, timeout_at};

pub use crate::cancel::{FailAfter, MoveOn, fail_after, fail_at, move_on_after, move_on_at};

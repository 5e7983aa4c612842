//! Waiting for a moment: [`sleep`], [`timeout`], [`interval`], and a clock that tests may stop and move.
//!
//! # Resolution
//! A deadline is never early. On Linux and with kqueue it is kept to the nanosecond as far as the system goes: a thread
//! that waits for it in the poller wakes after it by what the kernel's timer slack (50 us by default) and a thread switch
//! take, typically 60 to 100 us in all. Deadlines that crowd, more than 64 of one worker within a millisecond, are told
//! apart no finer than that, unless the clock was ever [paused](pause).
//! While workers are busy a deadline is noticed at the next look for events, every 61 polls (see
//! [`Builder::event_interval`](crate::Builder::event_interval)), and if all are stuck, by the guard's next tick, 1 to 4 ms
//! later. tokio rounds up to whole milliseconds.

mod instant;
mod interval;
mod moved;
mod sleep;
mod timeout;

pub use instant::Instant;
pub use interval::{Interval, MissedTickBehavior, interval, interval_at};
pub use moved::{advance, pause, resume};
pub use sleep::{Sleep, sleep, sleep_until};
pub use std::time::Duration;
pub use timeout::{Timeout, timeout, timeout_at};

pub use crate::cancel::{FailAfter, MoveOn, fail_after, fail_at, move_on_after, move_on_at};

/// Why a wait gave up.
pub mod error {
    pub use super::timeout::Elapsed;
}

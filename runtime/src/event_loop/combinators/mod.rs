//! Many outcomes at once: all, the first, one after the other; and one that is kept from being cancelled.
//!
//! Each adds a done-callback to what it watches, so it costs one hop for each, however many there are. The callbacks hold
//! the combinator weakly: who forgets it, forgets the wait.

mod gather;
mod shield;
mod wait;

pub use self::gather::{Gather, Gathering, gather, gather_outcomes};
pub use self::shield::shield;
pub use self::wait::{AsCompleted, ReturnWhen, Waited, as_completed, wait};

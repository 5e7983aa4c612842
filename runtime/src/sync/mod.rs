//! Locks and signals between tasks.
//!
//! What waits is a node in the future that waits ([`waiters`]); the primitives differ in what they count.

use std::task::{Context, Poll};

#[allow(dead_code)] // Until every primitive is here.
mod waiters;

/// How many wait for a primitive: a look at it, out of date when it is read.
///
/// Only those who must wait are counted, so whoever need not pays nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Statistics {
    /// How many wait now.
    pub waiters: usize,
    /// How many waited at the same time at most, ever.
    pub most_waiters: usize,
}

/// A unit of the cooperative budget: it comes back unless progress was made.
#[allow(dead_code)] // As above.
#[must_use = "say whether progress was made"]
pub(super) struct Spent(());

#[allow(dead_code)] // As above.
impl Spent {
    /// The unit is gone for good.
    #[inline]
    pub(super) fn made_progress(self) {}
}

#[allow(dead_code)] // As above.
/// Takes a unit of the task's budget; pending if it is used up, and the task is woken again.
#[inline]
pub(super) fn poll_budget(_context: &mut Context<'_>) -> Poll<Spent> {
    Poll::Ready(Spent(()))
}

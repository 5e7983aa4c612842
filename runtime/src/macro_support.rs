//! What the macros' expansions need at run time; no part of the public interface.

use std::cell::Cell;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use pin_project_lite::pin_project;

use crate::budget;

pub use crate::inherit::{CopyValue, Heirloom};
pub use crate::task_local::{Inheritable, copy_value};

thread_local! {
    static STATE: Cell<u64> = Cell::new(seed());
}

fn seed() -> u64 {
    use std::hash::{BuildHasher, RandomState};
    RandomState::new().hash_one(0) | 1
}

/// A number below `n`, good enough to start a `select!` fairly.
pub fn thread_rng_n(n: u32) -> u32 {
    let next = STATE.with(|state| {
        let mut x = state.get();
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
        state.set(x);
        x
    });
    (((next >> 32) * u64::from(n)) >> 32) as u32
}

/// Pending, with the task woken, when the budget of this poll is used up: a round of polls would be in vain, but for the
/// branches that keep to no budget, and these would then starve the others.
#[inline]
pub fn poll_budget_available(cx: &mut Context<'_>) -> Poll<()> {
    budget::poll_left(cx)
}

pin_project! {
    /// A branch of a join: its future, and in the same memory, once that is done, its value.
    #[project = Project]
    #[project_replace = Replaced]
    #[derive(Debug)]
    pub enum MaybeDone<F, T> {
        /// Not done yet.
        Running { #[pin] future: F },
        /// The future is dropped, its value not yet taken.
        Done { value: T },
        /// The value is taken.
        Taken,
    }
}

/// A branch that is not done yet.
pub fn maybe_done<F: Future>(future: F) -> MaybeDone<F, F::Output> {
    MaybeDone::Running { future }
}

impl<F: Future> Future for MaybeDone<F, F::Output> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        if let Project::Running { future } = self.as_mut().project() {
            let value = ready!(future.poll(cx));
            self.set(MaybeDone::Done { value });
        }
        Poll::Ready(())
    }
}

/// The value of a branch that is done.
///
/// # Panics
/// If the branch is not done, or its value is taken.
pub fn take<F, T>(branch: Pin<&mut MaybeDone<F, T>>) -> T {
    assert!(
        matches!(*branch, MaybeDone::Done { .. }),
        "only a branch that is done has a value"
    );
    match branch.project_replace(MaybeDone::Taken) {
        Replaced::Done { value } => value,
        _ => unreachable!(),
    }
}

/// The error, if the branch is done and failed.
pub fn take_err<F, T, E>(branch: Pin<&mut MaybeDone<F, Result<T, E>>>) -> Option<E> {
    match *branch {
        MaybeDone::Done { value: Err(_) } => take(branch).err(),
        _ => None,
    }
}

/// The value of a branch that is done and did not fail.
///
/// # Panics
/// If the branch is not done, or failed, or its value is taken.
pub fn take_ok<F, T, E>(branch: Pin<&mut MaybeDone<F, Result<T, E>>>) -> T {
    match take(branch) {
        Ok(value) => value,
        Err(_) => unreachable!("a branch that failed has ended the join"),
    }
}

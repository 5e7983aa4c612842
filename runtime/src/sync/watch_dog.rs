//! Debug builds tell of locks that look like deadlocks: the lock that a task waits for and holds itself, and the lock
//! that was given to a future which nobody polls ("futurelock", Oxide's RFD 609).
//!
//! Both are looked for when somebody begins to wait or is polled again, so a deadlock that nobody comes to is not told.
//! Nothing is decided by it, and in release builds none of it is there.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crate::job::quietly;
use crate::origin::Id;
use crate::sync_prim::MODEL;

/// Whether anything is looked for. Not in models: what this writes would order what they check.
pub(super) const WATCHES: bool = cfg!(debug_assertions) && !MODEL;

/// For how long a lock may be with a future that was woken for it and has not been polled. A task that is queued comes to it
/// in far less.
const OVERDUE: Duration = Duration::from_secs(1);

/// The task that holds a lock; 0 if it is none. Debug builds only.
pub(super) struct Holder {
    #[cfg(debug_assertions)]
    task: AtomicU64,
}

impl Holder {
    pub(super) const fn new() -> Holder {
        Holder {
            #[cfg(debug_assertions)]
            task: AtomicU64::new(0),
        }
    }

    #[inline]
    fn word(&self) -> Option<&AtomicU64> {
        #[cfg(debug_assertions)]
        return Some(&self.task);
        #[cfg(not(debug_assertions))]
        None
    }

    #[inline]
    pub(super) fn set(&self) {
        if let (true, Some(word)) = (WATCHES, self.word()) {
            // Ordering: Relaxed: a task is asked about itself, and others are not in doubt that they are others.
            word.store(Id::current().map_or(0, Id::number), Ordering::Relaxed);
        }
    }

    #[inline]
    pub(super) fn clear(&self) {
        if let (true, Some(word)) = (WATCHES, self.word()) {
            word.store(0, Ordering::Relaxed);
        }
    }

    /// The caller begins to wait.
    pub(super) fn tell_if_me(&self) {
        let holder = self.word().map_or(0, |word| word.load(Ordering::Relaxed));
        if let Some(me) = Id::current().filter(|me| me.number() == holder) {
            tell(format_args!(
                "task {me} waits for a `Mutex` that it locked itself: it waits for ever, unless another branch of the \
                 task, or whoever it gave the guard to, unlocks it"
            ));
        }
    }
}

/// Since when a lock is with a waiter that has not come for it. Debug builds only.
pub(super) struct Dog {
    #[cfg(debug_assertions)]
    given: Option<Instant>,
}

impl Dog {
    pub(super) const fn new() -> Dog {
        Dog {
            #[cfg(debug_assertions)]
            given: None,
        }
    }

    fn word(&mut self) -> Option<&mut Option<Instant>> {
        #[cfg(debug_assertions)]
        return Some(&mut self.given);
        #[cfg(not(debug_assertions))]
        None
    }

    /// The lock was given to a waiter.
    #[inline]
    pub(super) fn given(&mut self) {
        if let (true, Some(given)) = (WATCHES, self.word()) {
            *given = Some(Instant::now());
        }
    }

    /// The waiter came for it, or went.
    #[inline]
    pub(super) fn arrived(&mut self) {
        if let Some(given) = self.word() {
            *given = None;
        }
    }

    /// For how long it has been with a waiter that does not come, if that is too long. Answers once.
    pub(super) fn overdue(&mut self) -> Option<Duration> {
        let given = self.word()?;
        let since = given
            .map(|given| given.elapsed())
            .filter(|since| *since >= OVERDUE)?;
        *given = None;
        Some(since)
    }
}

/// Not under a lock: it is anybody's code that listens.
pub(super) fn tell_overdue(since: Option<Duration>) {
    if let Some(since) = since {
        tell(format_args!(
            "a `Mutex` was handed to a future {} ms ago, and nobody has polled that future since, while others wait: does \
             its task wait for something else without it (see \"futurelock\")?",
            since.as_millis()
        ));
    }
}

fn tell(text: fmt::Arguments<'_>) {
    quietly(|| {
        #[cfg(feature = "tracing")]
        tracing::warn!("{text}");
        #[cfg(not(feature = "tracing"))]
        eprintln!("filch: {text}");
    });
}

#[cfg(all(test, not(filch_loom)))]
mod tests {
    use super::*;

    #[test]
    #[cfg(debug_assertions)]
    fn it_tells_once_of_a_lock_that_nobody_comes_for() {
        let mut dog = Dog::new();
        assert_eq!(dog.overdue(), None);
        dog.given();
        assert_eq!(dog.overdue(), None);
        dog.given = dog.given.and_then(|given| given.checked_sub(OVERDUE));
        assert!(dog.overdue().is_some());
        assert_eq!(dog.overdue(), None);
        dog.given();
        dog.given = dog.given.and_then(|given| given.checked_sub(OVERDUE));
        dog.arrived();
        assert_eq!(dog.overdue(), None);
    }
}

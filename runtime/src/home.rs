//! Which thread this is, and what only that thread may reach.

use std::cell::Cell;
use std::num::NonZeroU64;
use std::sync::atomic::{AtomicU64, Ordering};

/// A thread's number: never used again by another thread of this process.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct ThreadMark(NonZeroU64);

static NEXT: AtomicU64 = AtomicU64::new(1);

thread_local! {
    /// Without a destructor, so that it can be read while the thread's other variables go.
    static MINE: Cell<Option<ThreadMark>> = const { Cell::new(None) };
}

impl ThreadMark {
    /// The mark of this thread.
    #[inline]
    pub(crate) fn here() -> ThreadMark {
        MINE.get().unwrap_or_else(Self::first)
    }

    #[cold]
    fn first() -> ThreadMark {
        // Ordering: Relaxed: the counter's own order alone makes the numbers differ.
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let mark = ThreadMark(NonZeroU64::new(number).expect("2^64 threads were started"));
        MINE.set(Some(mark));
        mark
    }
}

/// A value that only the thread that made it can reach.
pub(crate) struct AtHome<T> {
    home: ThreadMark,
    value: T,
}

// SAFETY: other threads get no `&T`: `get` compares the marks, which are never used twice. Whoever has the whole may drop
// it or send it on, which `T: Send` allows.
unsafe impl<T: Send> Sync for AtHome<T> {}

impl<T> AtHome<T> {
    /// Of this thread.
    pub(crate) fn new(value: T) -> AtHome<T> {
        AtHome {
            home: ThreadMark::here(),
            value,
        }
    }

    /// The value, on its own thread; nothing elsewhere.
    #[inline]
    pub(crate) fn get(&self) -> Option<&T> {
        (self.home == ThreadMark::here()).then_some(&self.value)
    }
}

#[cfg(all(test, not(filch_loom)))]
mod tests {
    use super::*;

    #[test]
    fn only_the_thread_that_made_it_reaches_it() {
        let value = AtHome::new(Cell::new(7));
        assert_eq!(value.get().map(Cell::get), Some(7));
        std::thread::scope(|scope| {
            for _ in 0..2 {
                scope.spawn(|| assert!(value.get().is_none()));
            }
        });
    }
}

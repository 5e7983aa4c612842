//! Which task this is: its id, its name, and where it was spawned.

use std::cell::Cell;
use std::fmt;
use std::num::NonZeroU64;
use std::panic::Location;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::inherit::{self, Inheritance};

/// A task's number: unique among all tasks of this process, never used again.
///
/// # Examples
/// ```
/// # filch::block_on(async {
/// let task = filch::spawn(async { filch::task::id() });
/// let id = task.id();
/// assert_eq!(task.await.unwrap(), id);
/// # });
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Id(NonZeroU64);

/// Where a task comes from. Written once, before the task is shared.
#[derive(Debug)]
pub(crate) struct Origin {
    pub(crate) id: Id,
    pub(crate) spawned_at: &'static Location<'static>,
    /// Boxed, since few tasks have any of it and each would pay for it.
    extra: Option<Box<Extra>>,
}

#[derive(Debug, Default)]
struct Extra {
    name: Option<Box<str>>,
    inheritance: Option<Inheritance>,
}

/// Ids a thread takes from the common counter at once. Unit: ids. Fewer: the counter's cache line travels at each
/// spawn; more: ids say less about the order of spawns.
const ID_BLOCK: u64 = 1024;

static NEXT_BLOCK: AtomicU64 = AtomicU64::new(1);

thread_local! {
    static IDS: Cell<(u64, u64)> = const { Cell::new((0, 0)) };
    static CURRENT: Cell<Option<Id>> = const { Cell::new(None) };
}

impl Origin {
    /// The origin of a new task without a name, spawned here and now, at `place`.
    #[inline]
    pub(crate) fn at(place: &'static Location<'static>) -> Origin {
        Origin {
            id: Id::next(),
            spawned_at: place,
            extra: inherit::bequeath().map(Extra::inherited),
        }
    }

    /// The same origin with a name.
    pub(crate) fn named(mut self, name: &str) -> Origin {
        self.extra.get_or_insert_default().name = Some(name.into());
        self
    }

    /// The task's name, if it has one.
    pub(crate) fn name(&self) -> Option<&str> {
        self.extra.as_ref()?.name.as_deref()
    }

    /// What the task inherits.
    #[inline]
    pub(crate) fn inheritance(&self) -> Option<&Inheritance> {
        self.extra.as_ref()?.inheritance.as_ref()
    }
}

impl Extra {
    #[cold]
    fn inherited(inheritance: Inheritance) -> Box<Extra> {
        Box::new(Extra {
            inheritance: Some(inheritance),
            ..Extra::default()
        })
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name() {
            Some(name) => write!(f, "task {name:?}")?,
            None => write!(f, "task {}", self.id)?,
        }
        let place = self.spawned_at;
        write!(f, " ({}:{})", place.file(), place.line())
    }
}

impl Id {
    /// The next id, from this thread's block.
    #[inline]
    fn next() -> Id {
        let (mut next, mut end) = IDS.get();
        if next == end {
            // Ordering: Relaxed: the counter's own order alone makes the blocks disjoint.
            next = NEXT_BLOCK.fetch_add(ID_BLOCK, Ordering::Relaxed);
            end = next + ID_BLOCK;
        }
        IDS.set((next + 1, end));
        Id(NonZeroU64::new(next).unwrap_or(NonZeroU64::MAX))
    }

    /// Makes this the thread's current task until the answer is dropped.
    #[inline]
    pub(crate) fn enter(self) -> Entered {
        Entered(CURRENT.replace(Some(self)))
    }

    /// The task this thread polls now.
    #[inline]
    pub(crate) fn current() -> Option<Id> {
        CURRENT.get()
    }

    /// The bare number, for counters and shards.
    #[inline]
    pub(crate) fn number(self) -> u64 {
        self.0.get()
    }
}

/// The task that was current before; it is again when this is dropped.
pub(crate) struct Entered(Option<Id>);

impl Drop for Entered {
    #[inline]
    fn drop(&mut self) {
        CURRENT.set(self.0);
    }
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Id({})", self.0)
    }
}

//! What a source is believed ready for, and who waits for it.
//!
//! The word holds the ready bits and a *tick* that each event moves on. Readiness is a belief: an operation that finds
//! it wrong takes it back with [`Readiness::clear`], which does nothing if an event came in between (the tick moved).
//! Waiting is: look; register; look again. Completion is: set the bits, then take the waiters of that direction.
//!
//! Model: `model`; it fails without the tick, and without the second look.

use std::sync::atomic::AtomicU64;
use std::task::{Poll, Waker};

use crate::promise::callbacks::{Callbacks, Done, Key};
use crate::sync_prim::{AtomicUsize, Ordering, keep, ordering};

/// What a source is ready for. Joined by `|`.
///
/// # Source
/// `tokio::io::Ready`.
///
/// # Examples
/// ```
/// use filch::io::Ready;
///
/// let ready = Ready::READABLE | Ready::READ_CLOSED;
/// assert!(ready.is_readable() && ready.is_read_closed() && !ready.is_writable());
/// assert_eq!(format!("{ready:?}"), r#"{readable, read closed}"#);
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Default)]
pub struct Ready(u16);

/// What to wait for. Joined by `|`.
///
/// # Source
/// `tokio::io::Interest`.
///
/// # Examples
/// ```
/// use filch::io::Interest;
///
/// let both = Interest::READABLE | Interest::WRITABLE;
/// assert!(both.is_readable() && both.is_writable());
/// assert!(!Interest::READABLE.is_writable());
/// ```
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Interest(u8);

/// One of the two ways through a source.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Direction {
    /// Into the program.
    Read,
    /// Out of the program.
    Write,
}

/// Readiness as it was seen at one moment: what [`Readiness::clear`] may take back.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Seen {
    pub(crate) ready: Ready,
    tick: usize,
}

const TICK: usize = 1 << 16;
const BITS: usize = TICK - 1;
/// Beside the ready bits: the reactor has ended.
const SHUT_DOWN: usize = 1 << 15;

pub(crate) struct Readiness {
    word: AtomicUsize,
    readers: Callbacks,
    writers: Callbacks,
    next_key: AtomicU64,
}

/// The key of the one waiter that polls a direction; those of any number of others are made by [`Readiness::new_key`].
pub(crate) const POLLER: Key = 0;

impl Ready {
    /// Nothing.
    pub const EMPTY: Ready = Ready(0);
    /// A read may give bytes, the end, a connection, or an error.
    pub const READABLE: Ready = Ready(1);
    /// A write may take bytes, or give an error.
    pub const WRITABLE: Ready = Ready(1 << 1);
    /// The peer writes no more.
    pub const READ_CLOSED: Ready = Ready(1 << 2);
    /// The peer reads no more.
    pub const WRITE_CLOSED: Ready = Ready(1 << 3);
    /// An error waits to be fetched.
    pub const ERROR: Ready = Ready(1 << 4);
    /// Urgent data, or a device's special condition.
    pub const PRIORITY: Ready = Ready(1 << 5);

    /// The event did not tell whether the read side has closed: a short read is no proof that nothing is left.
    pub(crate) const UNSURE: Ready = Ready(1 << 6);
    /// No event has come yet, and nothing has been tried.
    const UNTRIED: [Ready; 2] = [Ready(1 << 7), Ready(1 << 8)];
    /// What users may see.
    pub(crate) const PUBLIC: Ready = Ready((1 << 6) - 1);

    /// What makes a direction ready.
    pub(crate) const fn of(direction: Direction) -> Ready {
        match direction {
            Direction::Read => Ready(
                Ready::READABLE.0
                    | Ready::READ_CLOSED.0
                    | Ready::ERROR.0
                    | Ready::PRIORITY.0
                    | Ready::UNSURE.0,
            ),
            // An error that concerns writes is told as WRITE_CLOSED.
            Direction::Write => Ready(Ready::WRITABLE.0 | Ready::WRITE_CLOSED.0),
        }
    }

    /// What makes a direction worth a try: that it is ready, or that nobody has tried yet.
    pub(crate) fn worth_a_try(direction: Direction) -> Ready {
        Ready::of(direction) | Ready::UNTRIED[direction as usize]
    }

    /// True if a read is worth a try.
    pub fn is_readable(self) -> bool {
        self.intersects(Ready::READABLE | Ready::READ_CLOSED)
    }
    /// True if a write is worth a try.
    pub fn is_writable(self) -> bool {
        self.intersects(Ready::WRITABLE | Ready::WRITE_CLOSED)
    }
    /// True if the peer writes no more.
    pub fn is_read_closed(self) -> bool {
        self.intersects(Ready::READ_CLOSED)
    }
    /// True if the peer reads no more.
    pub fn is_write_closed(self) -> bool {
        self.intersects(Ready::WRITE_CLOSED)
    }
    /// True if an error waits.
    pub fn is_error(self) -> bool {
        self.intersects(Ready::ERROR)
    }
    /// True if there is nothing.
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }
    pub(crate) fn intersects(self, other: Ready) -> bool {
        self.0 & other.0 != 0
    }
    pub(crate) fn and(self, other: Ready) -> Ready {
        Ready(self.0 & other.0)
    }
}

impl std::ops::BitOr for Ready {
    type Output = Ready;
    fn bitor(self, other: Ready) -> Ready {
        Ready(self.0 | other.0)
    }
}

impl std::ops::BitOrAssign for Ready {
    fn bitor_assign(&mut self, other: Ready) {
        self.0 |= other.0;
    }
}

impl std::fmt::Debug for Ready {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut set = f.debug_set();
        for (bit, name) in [
            (Ready::READABLE, "readable"),
            (Ready::WRITABLE, "writable"),
            (Ready::READ_CLOSED, "read closed"),
            (Ready::WRITE_CLOSED, "write closed"),
            (Ready::ERROR, "error"),
            (Ready::PRIORITY, "priority"),
        ] {
            if self.intersects(bit) {
                set.entry(&format_args!("{name}"));
            }
        }
        set.finish()
    }
}

impl Interest {
    /// Reads.
    pub const READABLE: Interest = Interest(1);
    /// Writes.
    pub const WRITABLE: Interest = Interest(1 << 1);

    /// True if it joins reads.
    pub fn is_readable(self) -> bool {
        self.0 & Interest::READABLE.0 != 0
    }
    /// True if it joins writes.
    pub fn is_writable(self) -> bool {
        self.0 & Interest::WRITABLE.0 != 0
    }

    pub(crate) fn directions(self) -> impl Iterator<Item = Direction> {
        [
            self.is_readable().then_some(Direction::Read),
            self.is_writable().then_some(Direction::Write),
        ]
        .into_iter()
        .flatten()
    }

    /// What satisfies it.
    pub(crate) fn ready(self) -> Ready {
        self.directions().fold(Ready::EMPTY, |ready, direction| {
            ready | Ready::of(direction)
        })
    }

    /// What makes an operation worth a try.
    pub(crate) fn worth_a_try(self) -> Ready {
        self.directions().fold(Ready::EMPTY, |ready, direction| {
            ready | Ready::worth_a_try(direction)
        })
    }
}

impl std::ops::BitOr for Interest {
    type Output = Interest;
    fn bitor(self, other: Interest) -> Interest {
        Interest(self.0 | other.0)
    }
}

impl std::fmt::Debug for Interest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_set()
            .entries(self.is_readable().then_some("readable"))
            .entries(self.is_writable().then_some("writable"))
            .finish()
    }
}

impl Readiness {
    /// Born worth a try in both directions, and believed ready for nothing.
    pub(crate) fn new() -> Readiness {
        let [reads, writes] = Ready::UNTRIED;
        Readiness {
            word: AtomicUsize::new((reads | writes).0 as usize),
            readers: Callbacks::new(),
            writers: Callbacks::new(),
            next_key: AtomicU64::new(POLLER + 1),
        }
    }

    fn waiters(&self, direction: Direction) -> &Callbacks {
        match direction {
            Direction::Read => &self.readers,
            Direction::Write => &self.writers,
        }
    }

    /// An event: believes in `ready` from now on, and hands out who waited for it; tell them without a lock held.
    pub(crate) fn set(&self, ready: Ready, mut tell: impl FnMut(Done)) {
        let before = self.move_on(ready.0 as usize);
        for direction in [Direction::Read, Direction::Write] {
            // Whoever waits has found none of these bits, at a look after it had registered. So if they were believed
            // already, nobody waits: a socket's every event tells that it is writable, too.
            let news = ready.0 & !before.0 & Ready::of(direction).0;
            if news != 0 {
                tell(self.waiters(direction).take());
            }
        }
    }

    /// The reactor has ended: nothing will ever be ready, and whoever waits gets an error.
    pub(crate) fn shut_down(&self) -> [Done; 2] {
        self.move_on(SHUT_DOWN);
        [self.readers.take(), self.writers.take()]
    }

    /// Adds bits and moves the tick on. The answer is what was believed before.
    fn move_on(&self, bits: usize) -> Ready {
        let mut now = self.word.load(Ordering::Relaxed);
        loop {
            // Ordering: Release -> the Acquire in `look`: who believes sees what the kernel did before the event.
            let next = now.wrapping_add(TICK) | bits;
            match self
                .word
                .compare_exchange_weak(now, next, Ordering::Release, Ordering::Relaxed)
            {
                Ok(_) => return Ready(now as u16),
                Err(other) => now = other,
            }
        }
    }

    /// What is believed now. An error if the reactor has ended.
    #[inline]
    pub(crate) fn look(&self) -> std::io::Result<Seen> {
        // Ordering: Acquire <- the Release in `move_on`.
        let word = self
            .word
            .load(ordering("readiness_look", Ordering::Acquire));
        if word & SHUT_DOWN != 0 {
            return Err(gone());
        }
        Ok(Seen {
            ready: Ready(word as u16),
            tick: word & !BITS,
        })
    }

    /// Takes `bits` of what was seen back, unless an event came since.
    #[inline]
    pub(crate) fn clear(&self, seen: Seen, bits: Ready) {
        let bits = bits.0 as usize;
        let mut now = self.word.load(Ordering::Relaxed);
        while now & !BITS == seen.tick || !keep("readiness_tick") {
            // Ordering: Relaxed: taking a belief back publishes nothing.
            match self.word.compare_exchange_weak(
                now,
                now & !bits,
                Ordering::Relaxed,
                Ordering::Relaxed,
            ) {
                Ok(_) => return,
                Err(other) => now = other,
            }
        }
    }

    /// What is believed, if it has any of `wanted`; if not, the waker is registered for these directions under `key`.
    #[inline]
    pub(crate) fn poll(
        &self,
        waker: &Waker,
        wanted: Ready,
        directions: impl IntoIterator<Item = Direction>,
        key: Key,
    ) -> Poll<std::io::Result<Seen>> {
        let look = || match self.look() {
            Ok(seen) if seen.ready.intersects(wanted) => Some(Ok(seen)),
            Ok(_) => None,
            Err(error) => Some(Err(error)),
        };
        if let Some(seen) = look() {
            return Poll::Ready(seen);
        }
        for direction in directions {
            self.waiters(direction).wait(key, waker);
        }
        // An event between the first look and the registration has found no waiter.
        match keep("readiness_second_look").then(look).flatten() {
            Some(seen) => Poll::Ready(seen),
            None => Poll::Pending,
        }
    }

    /// A key for one more waiter. It must be [forgotten](Self::forget) when the waiter goes.
    pub(crate) fn new_key(&self) -> Key {
        // Ordering: Relaxed: the counter's own order alone makes keys differ.
        self.next_key
            .fetch_add(1, std::sync::atomic::Ordering::Relaxed)
    }

    /// The waiter goes.
    pub(crate) fn forget(&self, direction: Direction, key: Key) {
        self.waiters(direction).remove(key);
    }
}

/// The reactor has ended.
pub(crate) fn gone() -> std::io::Error {
    std::io::Error::other("the filch runtime of this I/O source has shut down")
}

#[cfg(all(test, filch_loom))]
mod model {
    use super::*;
    use loom::future::block_on;
    use loom::thread;
    use std::sync::Arc;
    use std::task::Context;

    /// A pipe of as many bytes as were written, and its readiness.
    struct Pipe {
        bytes: AtomicUsize,
        readiness: Readiness,
    }

    impl Pipe {
        fn write(&self) {
            self.bytes.fetch_add(1, Ordering::Relaxed);
            self.readiness
                .set(Ready::READABLE, |done| done.complete(drop));
        }

        /// Reads one byte, as `Source::poll_io` does: a byte that waits while the reader does is a deadlock.
        fn poll_read(&self, context: &mut Context<'_>) -> Poll<()> {
            loop {
                let read = Direction::Read;
                let (waker, wanted) = (context.waker(), Ready::worth_a_try(read));
                let Poll::Ready(seen) = self.readiness.poll(waker, wanted, [read], POLLER) else {
                    return Poll::Pending;
                };
                let bytes = self.bytes.load(Ordering::Relaxed);
                if bytes > 0 {
                    self.bytes.fetch_sub(1, Ordering::Relaxed);
                    return Poll::Ready(());
                }
                self.readiness.clear(seen.unwrap(), wanted);
            }
        }
    }

    /// A writer writes one byte while a reader, who believes at first what `readiness` says, waits for it.
    fn read_while_written(readiness: impl Fn() -> Readiness + Send + Sync + 'static) {
        loom::model(move || {
            let pipe = Arc::new(Pipe {
                bytes: AtomicUsize::new(0),
                readiness: readiness(),
            });
            let writer = {
                let pipe = pipe.clone();
                thread::spawn(move || pipe.write())
            };
            block_on(std::future::poll_fn(|context| pipe.poll_read(context)));
            writer.join().unwrap();
        });
    }

    #[test]
    fn a_late_clear_loses_no_event() {
        // Worth a try, in vain: the reader takes that back just when the byte comes.
        read_while_written(Readiness::new);
    }

    #[test]
    fn an_event_between_look_and_registration_is_seen() {
        read_while_written(|| {
            let readiness = Readiness::new();
            let seen = readiness.look().unwrap();
            readiness.clear(seen, Ready::worth_a_try(Direction::Read));
            readiness
        });
    }
}

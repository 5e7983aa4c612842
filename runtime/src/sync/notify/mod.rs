//! A signal without a value: [`Notify`].
//!
//! | state    | what it means                                    | who changes it                                |
//! |----------|--------------------------------------------------|-----------------------------------------------|
//! | EMPTY    | nobody waits, nothing is kept                    | anyone                                        |
//! | NOTIFIED | a notification is kept for the next who waits    | anyone                                        |
//! | WAITING  | the list may have waiters, nothing is kept       | who holds the list's lock                     |
//!
//! WAITING stays when the last waiter is told: as a rule the same one waits again, and finds it so. Whoever wants to tell one
//! and finds none makes it NOTIFIED.
//!
//! Beside the state the word counts the calls of `notify_waiters`, under the lock: a [`Notified`] remembers the count of its
//! making, and is ready when it has changed, whether it had been polled or not.
//!
//! `notify_waiters` draws a line under the tickets of those who wait, and wakes them batch by batch. Who comes
//! meanwhile is behind the line. Whoever takes the lock in the middle of it goes on with it first ([`Notify::settle`]), so to all others
//! those before the line are gone at once. A waiter that was told by `notify_one` and goes before it is polled passes the
//! notification on; one that was told by `notify_waiters` does not. Models: `sync::model::a_notification_is_not_lost`,
//! `sync::model::a_notification_passes_on`,
//! `sync::model::a_notification_after_a_waiter_carries_what_was_written`, `sync::model::all_who_exist_are_told`,
//! `sync::model::who_hears_of_a_call_finds_no_waiter_from_before_it`.

mod notified;

use std::fmt;
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::sync::Arc;

pub use self::notified::{Notified, OwnedNotified};
use super::Statistics;
use super::waiters::{Locked, WaitList, Wakes, wake};
use crate::sync_prim::{AtomicUsize, Ordering, const_fn, keep, ordering};

const EMPTY: usize = 0;
const WAITING: usize = 1;
const NOTIFIED: usize = 2;
const STATE: usize = 3;
const CALL: usize = 4;

/// What a waiter was told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Told {
    Nothing,
    First,
    Last,
    All,
}

/// True if the first who waits is before the line.
#[inline]
fn is_told(locked: &mut Locked<'_, Line, Told>) -> bool {
    let first = locked.first_ticket();
    first.is_some_and(|ticket| ticket < locked.told_before)
}

/// Under the lock of the list.
struct Line {
    /// Whoever waits with a smaller ticket has been told by `notify_waiters`.
    told_before: u64,
}

/// Tells one waiter, or all of them, that something happened.
///
/// A [`notify_one`](Self::notify_one) that comes before anybody waits is kept, one and no more, for the next who does: as
/// a semaphore of no more than one permit.
///
/// # Source
/// `tokio::sync::Notify`; asyncio's `Event` and `Condition` in part.
///
/// # Examples
/// ```
/// use std::sync::Arc;
/// use filch::sync::Notify;
///
/// # filch::block_on(async {
/// let ready = Arc::new(Notify::new());
/// let waits = filch::spawn({
///     let ready = ready.clone();
///     async move { ready.notified().await }
/// });
/// ready.notify_one();
/// waits.await.unwrap();
/// # });
/// ```
///
/// To look at something that others change, make the [`notified`](Self::notified) first, then look, then wait: a
/// [`notify_waiters`](Self::notify_waiters) in between is not missed.
// Two cache lines for itself, as a processor fetches them in pairs: pairs of tasks that tell each other, on two workers, would
// take turns at what their signals share. `notify_ping_pong`: 49 ns without, 41 with one line, 38 with two.
#[repr(align(128))]
pub struct Notify {
    word: AtomicUsize,
    waiters: WaitList<Line, Told>,
}

impl Notify {
    /// Nobody waits, nothing is kept.
    ///
    /// # Examples
    /// ```
    /// let notify = filch::sync::Notify::new();
    /// notify.notify_one();
    /// ```
    pub fn new() -> Notify {
        Notify::const_new()
    }

    const_fn! {
        /// As [`new`](Self::new), for a `static`.
        ///
        /// # Examples
        /// ```
        /// static READY: filch::sync::Notify = filch::sync::Notify::const_new();
        /// READY.notify_one();
        /// ```
        pub const fn const_new() -> Notify {
            Notify {
                word: AtomicUsize::new(EMPTY),
                waiters: WaitList::new(Line { told_before: 0 }),
            }
        }
    }

    /// Waits to be told. It takes its place in the line when it is polled first, or by [`Notified::enable`]; but it hears
    /// every [`notify_waiters`](Self::notify_waiters) from now on.
    ///
    /// # Cancel safety
    /// Safe, but the place in the line is lost; a notification that it got goes to another.
    ///
    /// # Examples
    /// ```
    /// # filch::block_on(async {
    /// let notify = filch::sync::Notify::new();
    /// let hears = notify.notified();
    /// notify.notify_waiters();
    /// hears.await;
    /// # });
    /// ```
    pub fn notified(&self) -> Notified<'_> {
        Notified::new(self)
    }

    /// As [`notified`](Self::notified); the future keeps this alive.
    ///
    /// # Examples
    /// ```
    /// # filch::block_on(async {
    /// let notify = std::sync::Arc::new(filch::sync::Notify::new());
    /// let waits = filch::spawn(notify.clone().notified_owned());
    /// notify.notify_one();
    /// waits.await.unwrap();
    /// # });
    /// ```
    pub fn notified_owned(self: Arc<Self>) -> OwnedNotified {
        OwnedNotified::new(self)
    }

    /// Tells the one who has waited longest; if nobody waits, the next who does.
    ///
    /// # Examples
    /// ```
    /// # filch::block_on(async {
    /// let notify = filch::sync::Notify::new();
    /// notify.notify_one();
    /// notify.notified().await;
    /// # });
    /// ```
    #[doc(alias = "notify")]
    #[inline]
    pub fn notify_one(&self) {
        if !self.keep_notification() {
            self.notify_waiter(Told::First);
        }
    }

    /// Tells the one who came last; if nobody waits, the next who does.
    ///
    /// # Examples
    /// ```
    /// # filch::block_on(async {
    /// let notify = filch::sync::Notify::new();
    /// notify.notify_last();
    /// notify.notified().await;
    /// # });
    /// ```
    pub fn notify_last(&self) {
        if !self.keep_notification() {
            self.notify_waiter(Told::Last);
        }
    }

    /// Keeps a notification, if nobody waits.
    #[inline]
    fn keep_notification(&self) -> bool {
        let mut now = self.word.load(Ordering::Relaxed);
        while now & STATE != WAITING {
            // Ordering: Release -> the Acquire in `try_consume`: who is told sees what was done before. The change from
            // NOTIFIED to NOTIFIED is for that alone.
            match self.word.compare_exchange(
                now,
                now & !STATE | NOTIFIED,
                ordering("notify_keep", Ordering::Release),
                Ordering::Relaxed,
            ) {
                Ok(_) => return true,
                Err(other) => now = other,
            }
        }
        false
    }

    /// Takes the notification that is kept, if one is.
    #[inline]
    fn try_consume(&self) -> bool {
        let mut now = self.word.load(Ordering::Relaxed);
        while now & STATE == NOTIFIED {
            // Ordering: Acquire <- the Release in `keep_notification`. No model tells if it is left out: `calls` has as a
            // rule seen the same word just before.
            match self.word.compare_exchange(
                now,
                now & !STATE | EMPTY,
                Ordering::Acquire,
                Ordering::Relaxed,
            ) {
                Ok(_) => return true,
                Err(other) => now = other,
            }
        }
        false
    }

    fn notify_waiter(&self, how: Told) {
        let mut locked = self.waiters.lock();
        if keep("notify_settle") {
            locked = self.settle(locked);
        }
        wake(self.notify_locked(locked, how));
    }

    /// Takes a waiter out, or keeps the notification. The answer is to be woken.
    fn notify_locked(
        &self,
        mut locked: Locked<'_, Line, Told>,
        how: Told,
    ) -> Option<std::task::Waker> {
        let waker = match how {
            Told::Last => locked.take_last(|told| *told = how),
            _ => locked.take_first(|told| *told = how),
        };
        if waker.is_none() && !self.keep_notification() {
            let calls = self.word.load(Ordering::Relaxed) & !STATE;
            // A store will do: it is WAITING, so nobody changes the word without the lock.
            // Ordering: Release, as in `keep_notification`; and it covers a `notify_waiters` that `calls` must see whole, as
            // whoever holds the lock has.
            self.word.store(
                calls | NOTIFIED,
                ordering("notify_keep_locked", Ordering::Release),
            );
        }
        waker
    }

    /// Tells all who wait now, and all the [`Notified`] that exist. Nothing is kept for those who come later.
    ///
    /// # Examples
    /// ```
    /// # filch::block_on(async {
    /// let notify = std::sync::Arc::new(filch::sync::Notify::new());
    /// let (one, two) = (notify.notified(), notify.notified());
    /// notify.notify_waiters();
    /// one.await;
    /// two.await;
    /// # });
    /// ```
    pub fn notify_waiters(&self) {
        let mut locked = self.waiters.lock();
        // Ordering: Release -> the Acquire in `calls`.
        self.word
            .fetch_add(CALL, ordering("notify_all", Ordering::Release));
        locked.told_before = locked.next_ticket();
        drop(self.settle(locked));
    }

    /// Wakes all before the line; the lock may be given back and taken again meanwhile.
    #[inline]
    fn settle<'a>(&'a self, mut locked: Locked<'a, Line, Told>) -> Locked<'a, Line, Told> {
        while is_told(&mut locked) {
            locked = self.wake_told(locked);
        }
        locked
    }

    /// One batch of them.
    #[cold]
    fn wake_told<'a>(&'a self, mut locked: Locked<'a, Line, Told>) -> Locked<'a, Line, Told> {
        let mut wakes = Wakes::new();
        while !wakes.is_full() && is_told(&mut locked) {
            let taken = locked.take_first(|told| *told = Told::All);
            taken.into_iter().for_each(|waker| wakes.push(waker));
        }
        drop(locked);
        wakes.wake_all();
        self.waiters.lock()
    }

    /// How often `notify_waiters` was called.
    #[inline]
    fn calls(&self) -> usize {
        // Ordering: Acquire <- the Release in `notify_waiters`.
        self.word.load(ordering("notify_calls", Ordering::Acquire)) / CALL
    }

    /// How many wait, and how many did at most.
    ///
    /// # Source
    /// New: tokio has none.
    ///
    /// # Examples
    /// ```
    /// let notify = filch::sync::Notify::new();
    /// assert_eq!(notify.statistics().waiters, 0);
    /// ```
    pub fn statistics(&self) -> Statistics {
        self.waiters.statistics()
    }
}

impl Default for Notify {
    fn default() -> Notify {
        Notify::new()
    }
}

impl UnwindSafe for Notify {}
impl RefUnwindSafe for Notify {}

impl fmt::Debug for Notify {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let word = self.word.load(Ordering::Relaxed);
        f.debug_struct("Notify")
            .field("is_notified", &(word & STATE == NOTIFIED))
            .field("waiters", &self.statistics().waiters)
            .finish()
    }
}

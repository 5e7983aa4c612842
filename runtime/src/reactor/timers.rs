//! Deadlines: a [`Wheel`] for each seat behind that seat's lock, and one more for the threads that are no worker.
//!
//! A timer is set and cancelled on the seat of the thread that polls its task, so the lock is free in the common case, and
//! nothing that other seats read is written unless the deadline is the earliest of its seat. A cancelled timer leaves the
//! seat's earliest deadline as it was told: at worst one turn comes for nothing, which costs less than to tell.
//! What another worker cancels is taken out a little later (reactor/elsewhere).
//!
//! Whoever turns the poller takes out what is due on *every* seat, so a seat whose worker is stuck loses no timer.

use std::sync::Arc;
use std::task::Waker;
use std::time::{Duration, Instant};

use crossbeam_utils::CachePadded;

use super::elsewhere::{Amount, Elsewhere};
use super::horizon::{Earliest, Horizon, NEVER};
use crate::clock::Clock;
use crate::job::quietly;
use crate::sync_prim::{AtomicU64, AtomicUsize, Mutex, Ordering};
use crate::wheel::{Key, Wheel};

/// Entries that one turn touches at most, so that a million due at once do not keep I/O waiting. Unit: entries; 20 ns
/// or more each.
const PER_TURN: usize = 1024;

/// Entries that are touched before the seat's lock is given up for a moment: its worker may wait for it.
const PER_LOCK: usize = 128;

/// Which deadline of a seat.
pub(crate) type TimerKey = Key;

/// The reactor has ended: no deadline will ever come.
#[derive(Debug, PartialEq)]
pub(crate) struct Closed;

/// How a deadline stands.
#[derive(Debug, PartialEq)]
pub(crate) enum Standing {
    Waits,
    /// It has come, and its waker was taken to be woken.
    Came,
    Closed,
}

/// The deadlines of one seat.
pub(crate) struct TimerSeat {
    shared: Arc<Shared>,
    earliest: CachePadded<Earliest>,
    table: CachePadded<Mutex<Table>>,
    /// Timers that other workers have cancelled, with the hold on the seat that each of them had.
    elsewhere: Elsewhere<Cancelled>,
    number: usize,
}

type Cancelled = (TimerKey, Arc<TimerSeat>);

/// What was in the table when it was tidied up: to be dropped without the lock, and by nobody who has the poller.
#[must_use = "not under the lock"]
pub(super) struct Tidied {
    wakers: Vec<Waker>,
    _holds: Vec<Cancelled>,
}

impl Drop for Tidied {
    fn drop(&mut self) {
        // Anybody's code; whoever tidies up is somebody else.
        for waker in self.wakers.drain(..) {
            quietly(|| drop(waker));
        }
    }
}

struct Table {
    wheel: Wheel<Waker>,
    closed: bool,
}

struct Shared {
    clock: Arc<Clock>,
    horizon: CachePadded<Horizon>,
    /// The clock as it was read in a turn.
    lately: CachePadded<AtomicU64>,
    /// Ends the wait of whoever waits in the poller.
    notify: Box<dyn Fn() + Send + Sync>,
}

/// The deadlines of one runtime.
pub(super) struct Timers {
    shared: Arc<Shared>,
    /// The last one is for the threads that have none.
    seats: Box<[Arc<TimerSeat>]>,
    /// With which seat the next turn begins: each has its turn to be the first.
    first: AtomicUsize,
}

impl TimerSeat {
    #[inline]
    pub(crate) fn clock(&self) -> &Clock {
        &self.shared.clock
    }

    /// Whose it is.
    #[inline]
    pub(crate) fn number(&self) -> usize {
        self.number
    }

    /// True if both are seats of one runtime.
    pub(crate) fn is_sibling(&self, other: &TimerSeat) -> bool {
        Arc::ptr_eq(&self.shared, &other.shared)
    }

    /// True if `at` was past when the poller was last turned: no clock is read. Where a clock was moved, it is asked.
    #[inline]
    pub(crate) fn is_long_past(&self, at: Instant) -> bool {
        let clock = &self.shared.clock;
        let lately = match clock.was_moved() {
            true => clock.nanos(),
            // Ordering: Relaxed: any former moment will do.
            false => self.shared.lately.load(Ordering::Relaxed),
        };
        clock.nanos_of(at) <= lately
    }

    /// Sets a timer. Whoever waits in the poller for longer is told.
    #[inline]
    pub(crate) fn set(&self, at: Instant, waker: Waker) -> Result<TimerKey, Closed> {
        let at = self.shared.clock.nanos_of(at);
        let mut table = self.table.lock();
        if table.closed {
            drop(table);
            drop(waker);
            return Err(Closed);
        }
        let gone = self.elsewhere.is_at_least(Amount::Many);
        let gone = gone.then(|| self.tidy(&mut table));
        let key = table.wheel.insert(at, waker);
        let is_first = self.tell(at);
        drop(table);
        if is_first {
            self.told(at);
        }
        // Not before that: it is anybody's code, and may last.
        drop(gone);
        Ok(key)
    }

    /// D4 (reactor/horizon), if `at` is the earliest; then [`TimerSeat::told`] must follow, without the lock.
    #[inline]
    fn tell(&self, at: u64) -> bool {
        let is_first = at < self.earliest.get();
        if is_first {
            self.earliest.set(at);
        }
        is_first
    }

    /// D5 and D6 (reactor/horizon).
    #[cold]
    fn told(&self, at: u64) {
        if self.shared.horizon.must_notify(at) {
            (self.shared.notify)();
        }
    }

    /// How the timer stands; one that waits will wake `waker`.
    #[inline]
    pub(crate) fn poll(&self, key: TimerKey, waker: &Waker) -> Standing {
        let gone = |closed| {
            if closed {
                Standing::Closed
            } else {
                Standing::Came
            }
        };
        {
            let mut table = self.table.lock();
            let Table { wheel, closed } = &mut *table;
            match wheel.get(key) {
                None => return gone(*closed),
                Some(known) if known.will_wake(waker) => return Standing::Waits,
                Some(_) => {}
            }
        }
        // Copies and drops are anybody's code.
        let mut new = waker.clone();
        let mut table = self.table.lock();
        let Table { wheel, closed } = &mut *table;
        let standing = match wheel.get(key) {
            None => gone(*closed),
            Some(known) => {
                std::mem::swap(known, &mut new);
                Standing::Waits
            }
        };
        drop(table);
        drop(new);
        standing
    }

    /// Puts a timer that waits to another moment, with the waker it has. False if it has come.
    pub(crate) fn move_to(&self, key: TimerKey, at: Instant) -> bool {
        let at = self.shared.clock.nanos_of(at);
        let mut table = self.table.lock();
        let waits = table.wheel.move_to(key, at);
        let is_first = waits && self.tell(at);
        drop(table);
        if is_first {
            self.told(at);
        }
        waits
    }

    /// Forgets a timer, on whatever thread.
    #[inline]
    pub(crate) fn cancel(&self, key: TimerKey) {
        let gone = self.table.lock().wheel.remove(key);
        drop(gone);
    }

    /// As [`cancel`](Self::cancel), on the thread of another worker of this runtime: soon. The caller has a hold on the seat
    /// beside the one that it leaves.
    fn leave(&self, cancelled: Cancelled) {
        match self.elsewhere.leave(cancelled) {
            Ok(Amount::TooMany) => self.tidy_up(),
            Ok(_) => {}
            // The reactor has ended: the table is empty.
            Err(cancelled) => drop(cancelled),
        }
    }

    /// Takes out what was cancelled elsewhere.
    #[cold]
    fn tidy(&self, table: &mut Table) -> Tidied {
        Self::take_out(table, self.elsewhere.take())
    }

    fn take_out(table: &mut Table, cancelled: Vec<Cancelled>) -> Tidied {
        let removed = cancelled.iter().map(|(key, _)| table.wheel.remove(*key));
        Tidied {
            wakers: removed.flatten().collect(),
            _holds: cancelled,
        }
    }

    #[cold]
    fn tidy_up(&self) {
        let mut table = self.table.lock();
        let gone = self.tidy(&mut table);
        drop(table);
        drop(gone);
    }

    /// Takes out what is due; false if the budget was not enough for all. What was cancelled elsewhere comes to `gone`.
    fn expire(
        &self,
        now: u64,
        budget: &mut usize,
        due: &mut Vec<Waker>,
        gone: &mut Vec<Tidied>,
    ) -> bool {
        while *budget > 0 {
            let mut few = PER_LOCK.min(*budget);
            *budget -= few;
            let mut table = self.table.lock();
            // Each time: meanwhile the lock was free, and more may have been cancelled.
            if self.elsewhere.is_at_least(Amount::Some) {
                gone.push(self.tidy(&mut table));
            }
            if self.clock().was_moved() {
                table.wheel.be_exact();
            }
            let all = table.wheel.expire(now, &mut few, |waker| due.push(waker));
            *budget += few;
            if all {
                self.put_right(&mut table);
                return true;
            }
        }
        false
    }

    /// Tells the earliest deadline of those that wait: a timer that was cancelled or moved has left its own told.
    fn put_right(&self, table: &mut Table) {
        if self.clock().was_moved() {
            // A clock that a test moves goes from one moment to the next, and shall pass over none.
            table.wheel.be_exact();
        }
        self.earliest.set(table.wheel.next().unwrap_or(NEVER));
    }
}

impl Timers {
    /// For so many seats, each of which a worker sits on.
    pub(super) fn new(
        seats: usize,
        clock: Arc<Clock>,
        notify: Box<dyn Fn() + Send + Sync>,
    ) -> Timers {
        let shared = Arc::new(Shared {
            clock,
            horizon: CachePadded::new(Horizon::new()),
            lately: CachePadded::new(AtomicU64::new(0)),
            notify,
        });
        let seat = |number| {
            Arc::new(TimerSeat {
                shared: shared.clone(),
                earliest: CachePadded::new(Earliest::new()),
                table: CachePadded::new(Mutex::new(Table {
                    wheel: Wheel::new(),
                    closed: false,
                })),
                elsewhere: Elsewhere::new(),
                number,
            })
        };
        let seats = (0..=seats).map(seat).collect();
        Timers {
            shared,
            seats,
            first: AtomicUsize::new(0),
        }
    }

    /// The seat with this number, or the one of those who have none.
    #[inline]
    pub(super) fn seat(&self, number: usize) -> &Arc<TimerSeat> {
        self.seats
            .get(number)
            .unwrap_or_else(|| &self.seats[self.seats.len() - 1])
    }

    /// Cancels a timer on a worker's thread. One of another worker's seat here is taken out a little later.
    pub(super) fn leave(&self, seat: Arc<TimerSeat>, key: TimerKey) {
        match self.seats.get(seat.number) {
            Some(ours) if Arc::ptr_eq(ours, &seat) => ours.leave((key, seat)),
            _ => seat.cancel(key),
        }
    }

    /// Takes out what was cancelled elsewhere, on all seats.
    pub(super) fn tidy_up(&self) {
        for seat in &self.seats {
            if seat.elsewhere.is_at_least(Amount::Some) {
                seat.tidy_up();
            }
        }
    }

    fn earliest(&self) -> u64 {
        let all = self.seats.iter().map(|seat| seat.earliest.get());
        all.min().unwrap_or(NEVER)
    }

    /// Announces a wait; the answer is how long it may last, if there is a deadline. [`Timers::end_wait`] must follow.
    pub(super) fn begin_wait(&self) -> Option<Duration> {
        let all = self.seats.iter().map(|seat| &*seat.earliest);
        let until = self.shared.horizon.begin_wait(all);
        if until == NEVER {
            return None;
        }
        let left = until.saturating_sub(self.shared.clock.nanos());
        if left > 0 && self.shared.clock.is_paused() {
            // The time that is left does not pass.
            self.shared.horizon.wait_longer();
            return None;
        }
        Some(Duration::from_nanos(left))
    }

    pub(super) fn end_wait(&self) {
        self.shared.horizon.end_wait();
    }

    pub(super) fn clock(&self) -> &Clock {
        &self.shared.clock
    }

    pub(super) fn has_any(&self) -> bool {
        self.earliest() != NEVER
    }

    /// Moves a stopped clock to the earliest deadline of those that wait. What was cancelled elsewhere comes to `gone`.
    pub(super) fn advance_to_earliest(&self, gone: &mut Vec<Tidied>) {
        // Elsewhere a deadline that is told too early costs a turn for nothing; here time would pass for nothing.
        for seat in &self.seats {
            let mut table = seat.table.lock();
            gone.push(seat.tidy(&mut table));
            seat.put_right(&mut table);
        }
        let earliest = self.earliest();
        if earliest != NEVER {
            self.shared.clock.advance_to(earliest);
        }
    }

    /// Takes the wakers of the deadlines that have come, and not too many at once. What was cancelled elsewhere comes to
    /// `gone`.
    pub(super) fn take_due(&self, due: &mut Vec<Waker>, gone: &mut Vec<Tidied>) {
        let earliest = self.earliest();
        // No clock is read while there is no deadline at all.
        if earliest == NEVER {
            return;
        }
        let now = self.shared.clock.nanos();
        self.shared.lately.store(now, Ordering::Relaxed);
        if earliest > now {
            return;
        }
        let first = self.first.fetch_add(1, Ordering::Relaxed) % self.seats.len();
        let (before, from) = self.seats.split_at(first);
        let mut budget = PER_TURN;
        for seat in from.iter().chain(before) {
            if seat.earliest.get() <= now && !seat.expire(now, &mut budget, due, gone) {
                return;
            }
        }
    }

    /// True if a deadline has come that no turn has taken out.
    pub(super) fn any_due(&self) -> bool {
        let earliest = self.earliest();
        earliest != NEVER && earliest <= self.shared.clock.nanos()
    }

    /// No deadline will come any more; the answer is who waits, to be told.
    pub(super) fn close(&self) -> Vec<Waker> {
        let mut waiters = Vec::new();
        for seat in &self.seats {
            let cancelled = seat.elsewhere.close();
            let mut table = seat.table.lock();
            table.closed = true;
            let gone = TimerSeat::take_out(&mut table, cancelled);
            waiters.append(&mut table.wheel.drain());
            seat.earliest.set(NEVER);
            drop(table);
            drop(gone);
        }
        waiters
    }
}

#[cfg(all(test, filch_loom))]
mod model;
#[cfg(all(test, not(filch_loom)))]
mod tests;

//! Deadlines and who waits for them: pure data behind one lock, and the earliest one as a number that anyone may read.

use std::collections::BTreeMap;
use std::task::Waker;
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use super::horizon::{Horizon, NEVER};

/// Deadlines that one turn completes at most, so that a million due at once do not keep I/O waiting.
const PER_TURN: usize = 1024;

/// Which deadline.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct DeadlineKey {
    at: Instant,
    number: u64,
}

#[derive(Default)]
struct Table {
    waiters: BTreeMap<DeadlineKey, Waker>,
    next_number: u64,
    closed: bool,
}

pub(super) struct Deadlines {
    table: Mutex<Table>,
    /// Its numbers are nanoseconds from `start`.
    horizon: Horizon,
    start: Instant,
}

/// The reactor has ended: no deadline will ever come.
#[derive(Debug)]
pub(crate) struct Closed;

impl Deadlines {
    pub(super) fn new() -> Deadlines {
        Deadlines {
            table: Mutex::default(),
            horizon: Horizon::new(),
            start: Instant::now(),
        }
    }

    fn nanos(&self, at: Instant) -> u64 {
        let nanos = at.saturating_duration_since(self.start).as_nanos();
        u64::try_from(nanos).unwrap_or(NEVER - 1).min(NEVER - 1)
    }

    /// Registers a waker. True if whoever waits in the poller must be told.
    pub(super) fn add(&self, at: Instant, waker: Waker) -> Result<(DeadlineKey, bool), Closed> {
        let mut table = self.table.lock();
        if table.closed {
            return Err(Closed);
        }
        let number = table.next_number;
        table.next_number += 1;
        let key = DeadlineKey { at, number };
        table.waiters.insert(key, waker);
        let is_first = self.publish(&table);
        drop(table);
        Ok((key, is_first && self.horizon.must_notify()))
    }

    /// Replaces the waker; false if the deadline has come.
    pub(super) fn set_waker(&self, key: DeadlineKey, waker: &Waker) -> bool {
        let mut table = self.table.lock();
        let Some(slot) = table.waiters.get_mut(&key) else {
            return false;
        };
        if slot.will_wake(waker) {
            return true;
        }
        let old = std::mem::replace(slot, waker.clone());
        drop(table);
        drop(old);
        true
    }

    /// Forgets a deadline.
    pub(super) fn remove(&self, key: DeadlineKey) {
        let mut table = self.table.lock();
        let gone = table.waiters.remove(&key);
        self.publish(&table);
        drop(table);
        drop(gone);
    }

    /// Writes the earliest; true if it became earlier.
    fn publish(&self, table: &Table) -> bool {
        let first = table.waiters.keys().next();
        let now = first.map_or(NEVER, |key| self.nanos(key.at));
        self.horizon.set_earliest(now)
    }

    /// Announces a wait; the answer is how long it may last, if there is a deadline. [`Deadlines::end_wait`] must follow.
    pub(super) fn begin_wait(&self) -> Option<Duration> {
        let until = self.horizon.begin_wait();
        (until != NEVER)
            .then(|| Duration::from_nanos(until.saturating_sub(self.nanos(Instant::now()))))
    }

    pub(super) fn end_wait(&self) {
        self.horizon.end_wait();
    }

    /// Takes the wakers of the deadlines that have come, the earliest first, and not too many at once.
    pub(super) fn take_due(&self, due: &mut Vec<Waker>) {
        let earliest = self.horizon.earliest();
        // No clock is read while there is no deadline at all.
        if earliest == NEVER {
            return;
        }
        let now = Instant::now();
        if earliest > self.nanos(now) {
            return;
        }
        let mut table = self.table.lock();
        while due.len() < PER_TURN {
            match table.waiters.first_entry() {
                Some(first) if first.key().at <= now => due.push(first.remove()),
                _ => break,
            }
        }
        self.publish(&table);
    }

    /// No deadline will come any more; the answer is who waits, to be told.
    pub(super) fn close(&self) -> Vec<Waker> {
        let mut table = self.table.lock();
        table.closed = true;
        let waiters = std::mem::take(&mut table.waiters);
        self.publish(&table);
        waiters.into_values().collect()
    }
}

#[cfg(all(test, not(filch_loom)))]
mod tests {
    use super::*;

    #[test]
    fn what_is_due_comes_in_order_and_the_rest_stays() {
        let all = Deadlines::new();
        let now = Instant::now();
        let hour = Duration::from_secs(3600);
        let (late, tell) = all.add(now + hour, Waker::noop().clone()).unwrap();
        assert!(!tell, "nobody waits");
        assert!(all.begin_wait().unwrap() > Duration::from_secs(3000));
        assert!(all.add(now, Waker::noop().clone()).unwrap().1);
        assert!(!all.add(now + 2 * hour, Waker::noop().clone()).unwrap().1);
        let mut due = Vec::new();
        all.take_due(&mut due);
        assert_eq!(due.len(), 1);
        assert!(all.begin_wait().unwrap() > Duration::from_secs(3000));
        all.remove(late);
        assert!(all.begin_wait().unwrap() > Duration::from_secs(6000));
        assert_eq!(all.close().len(), 1);
        assert!(all.begin_wait().is_none());
        assert!(all.add(now, Waker::noop().clone()).is_err());
    }

    #[test]
    fn a_turn_completes_a_bounded_number() {
        let all = Deadlines::new();
        let now = Instant::now();
        for _ in 0..PER_TURN + 5 {
            all.add(now, Waker::noop().clone()).unwrap();
        }
        let mut due = Vec::new();
        all.take_due(&mut due);
        assert_eq!(due.len(), PER_TURN);
        assert_eq!(all.begin_wait(), Some(Duration::ZERO));
        due.clear();
        all.take_due(&mut due);
        assert_eq!(due.len(), 5);
    }
}

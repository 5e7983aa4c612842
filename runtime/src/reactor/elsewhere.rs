//! What other threads have cancelled on a seat, until somebody who has the seat's lock tidies it up.
//!
//! A worker that takes another one's timer out of its wheel takes turns with it at the lock, the wheel's memory, and the
//! counts of who holds the task and the seat: half a dozen cache lines, to and fro, for each timer. So it leaves a note, under
//! a lock of its own, and the worker whose seat it is goes through the notes by the dozen: it has all the rest at hand.
//!
//! | who goes through the notes         | when                                    | what for                                 |
//! |------------------------------------|-----------------------------------------|------------------------------------------|
//! | the seat's worker, with its lock   | it sets a timer, and there are many     | the common case                          |
//! | who leaves a note                  | there are too many                      | memory, where no timer is set any more   |
//! | a worker that looks into the poller| now and then, and before it sleeps      | memory, where few are cancelled          |
//! | whoever takes out what is due      | before it does                          | what is cancelled does not come after it |
//!
//! The last row is the promise; it rests on the locks alone. [`Elsewhere::amount`] is a hint that cannot be missed by who
//! comes after the note: it is written before the note's lock is given back. Model:
//! `timers::model::what_was_cancelled_elsewhere_does_not_come`,
//! `timers::model::what_is_cancelled_elsewhere_at_the_end_is_not_kept`.

use crossbeam_utils::CachePadded;

use crate::sync_prim::{AtomicUsize, Mutex, Ordering, keep};

/// Notes that the seat's worker goes through when it comes by. Fewer: the lines of this list go to and fro more often; more:
/// memory of timers and tasks that are no more.
pub(super) const MANY: usize = 64;

/// Notes after which who leaves another one goes through them.
const TOO_MANY: usize = 16 * MANY;

/// How many notes there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Amount {
    None,
    Some,
    Many,
    TooMany,
}

/// Notes of one seat.
pub(super) struct Elsewhere<T> {
    notes: CachePadded<Mutex<Notes<T>>>,
    /// An [`Amount`]. Written under the lock, when it changes: the seat's worker reads it each time.
    amount: CachePadded<AtomicUsize>,
}

struct Notes<T> {
    all: Vec<T>,
    closed: bool,
}

impl Amount {
    #[inline]
    fn of(notes: usize) -> Amount {
        match notes {
            0 => Amount::None,
            1..MANY => Amount::Some,
            MANY..TOO_MANY => Amount::Many,
            _ => Amount::TooMany,
        }
    }
}

impl<T> Elsewhere<T> {
    pub(super) fn new() -> Elsewhere<T> {
        Elsewhere {
            notes: CachePadded::new(Mutex::new(Notes {
                all: Vec::new(),
                closed: false,
            })),
            amount: CachePadded::new(AtomicUsize::new(Amount::None as usize)),
        }
    }

    /// Leaves a note; the answer is how many there are. Gives it back if nobody will go through it.
    #[inline]
    pub(super) fn leave(&self, note: T) -> Result<Amount, T> {
        let mut notes = self.notes.lock();
        if notes.closed && keep("elsewhere_closed") {
            return Err(note);
        }
        let before = Amount::of(notes.all.len());
        notes.all.push(note);
        let now = Amount::of(notes.all.len());
        if now != before && keep("elsewhere_amount") {
            // Ordering: Relaxed: who sees it takes the lock before it looks at a note.
            self.amount.store(now as usize, Ordering::Relaxed);
        }
        Ok(now)
    }

    /// How many notes there are: at least those that were left before, in the order of events.
    #[inline]
    pub(super) fn is_at_least(&self, amount: Amount) -> bool {
        self.amount.load(Ordering::Relaxed) >= amount as usize
    }

    /// Takes all notes.
    pub(super) fn take(&self) -> Vec<T> {
        let mut notes = self.notes.lock();
        self.amount.store(Amount::None as usize, Ordering::Relaxed);
        // Where there were many there will be: not by small steps.
        let room = if notes.all.len() < MANY { 0 } else { 2 * MANY };
        std::mem::replace(&mut notes.all, Vec::with_capacity(room))
    }

    /// Takes all notes, and lets nobody leave another one.
    pub(super) fn close(&self) -> Vec<T> {
        let mut notes = self.notes.lock();
        notes.closed = true;
        std::mem::take(&mut notes.all)
    }
}

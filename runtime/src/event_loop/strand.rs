//! The queue of a loop, its timers, and whether somebody drives it.
//!
//! One lock has all of it, so an entry either is seen by the driver's look or finds the driver's waker:
//!
//! - `push`: the entry goes to the back; the waker of a driver that sleeps is taken in the same lock, and woken outside it.
//! - `next`: due timers go to the back; nothing there? the driver leaves its waker, in the same lock as that look;
//!   else it takes all that waits, which is one iteration. What comes meanwhile waits for the next one.
//! - `begin` and `end`: one driver at a time, whoever it is; the next one sees all that the last one left.
//!
//! Models: `model::no_entry_waits_while_the_driver_sleeps`, `model::one_drives_at_a_time`.

use std::cmp::Ordering;
use std::collections::{BinaryHeap, VecDeque};
use std::task::Waker;
use std::time::Instant;

use crate::sync_prim::{Mutex, keep};

pub(super) struct Strand<E>(Mutex<State<E>>);

struct State<E> {
    phase: Phase,
    ready: VecDeque<E>,
    timers: BinaryHeap<Timed<E>>,
    /// Timers since the beginning: equal deadlines leave in the order in which they came.
    timers_made: u64,
    /// The waker of a driver that found nothing to do.
    sleeper: Option<Waker>,
    /// The driver shall leave after its iteration.
    stop: bool,
    /// Drivers since the beginning: the number of the last one.
    drivers: u64,
    /// Nobody wants the loop any more: the driver clears it when it leaves.
    close: bool,
}

/// Who drives.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Phase {
    Idle,
    /// A thread that called `run_forever` or `run_until_complete`.
    ByThread,
    /// The runtime's workers.
    ByWorkers,
    Closed,
}

/// An entry that waits for a moment; the earliest is the greatest, as the heap wants it.
struct Timed<E> {
    when: Instant,
    number: u64,
    entry: E,
}

/// What the driver does now.
#[must_use = "a driver that neither runs, sleeps nor leaves keeps the loop from all others"]
#[derive(Debug)]
pub(super) enum Next<E> {
    /// The iteration that is in its hand.
    Run,
    /// Until it is woken, or until this moment.
    Sleep(Option<Instant>),
    /// The loop was stopped, and is free for another driver.
    Stopped,
    /// The loop is closed: this is what is left.
    Closed(Remains<E>),
}

/// What waited in a loop that is closed. Dropping it is anybody's code: not under a lock.
#[must_use = "drop it where anybody's code may run"]
#[derive(Debug)]
pub(super) struct Remains<E>(Vec<E>);

impl<E> Remains<E> {
    /// One after the other: who drops them may keep apart what each does then.
    pub(super) fn into_entries(self) -> impl Iterator<Item = E> {
        self.0.into_iter()
    }
}

impl<E> Strand<E> {
    pub(super) fn new() -> Strand<E> {
        Strand(Mutex::new(State {
            phase: Phase::Idle,
            ready: VecDeque::new(),
            timers: BinaryHeap::new(),
            timers_made: 0,
            sleeper: None,
            stop: false,
            drivers: 0,
            close: false,
        }))
    }

    /// Adds an entry at the back. It comes back if the loop is closed.
    pub(super) fn push(&self, entry: E) -> Result<(), E> {
        let sleeper = {
            let mut state = self.0.lock();
            if state.is_closed() {
                return Err(entry);
            }
            state.ready.push_back(entry);
            state.sleeper.take()
        };
        if let Some(waker) = sleeper.filter(|_| keep("strand_wake")) {
            waker.wake();
        }
        Ok(())
    }

    /// Adds an entry for a moment. It comes back if the loop is closed.
    pub(super) fn push_at(&self, when: Instant, entry: E) -> Result<(), E> {
        let sleeper = {
            let mut state = self.0.lock();
            if state.is_closed() {
                return Err(entry);
            }
            let is_earliest = state.timers.peek().is_none_or(|first| when < first.when);
            state.timers_made += 1;
            let number = state.timers_made;
            state.timers.push(Timed {
                when,
                number,
                entry,
            });
            // A driver that sleeps until the next deadline must sleep for less.
            if is_earliest {
                state.sleeper.take()
            } else {
                None
            }
        };
        if let Some(waker) = sleeper {
            waker.wake();
        }
        Ok(())
    }

    /// Forgets the timers that `is_wanted` denies, if there are more than `least`.
    pub(super) fn sweep(&self, least: usize, is_wanted: impl Fn(&E) -> bool) {
        let mut unwanted = Vec::new();
        let mut state = self.0.lock();
        if state.timers.len() < least {
            return;
        }
        let all = std::mem::take(&mut state.timers).into_vec();
        let (wanted, gone): (Vec<_>, Vec<_>) =
            all.into_iter().partition(|timed| is_wanted(&timed.entry));
        state.timers = wanted.into();
        unwanted.extend(gone);
        drop(state);
        drop(unwanted);
    }

    /// How many timers wait.
    pub(super) fn timers(&self) -> usize {
        self.0.lock().timers.len()
    }

    /// A driver takes over. The answer is its number.
    ///
    /// # Errors
    /// Who drives already, or `Closed`.
    pub(super) fn begin(&self, by: Phase) -> Result<u64, Phase> {
        let mut state = self.0.lock();
        match state.phase {
            Phase::Idle if state.close => Err(Phase::Closed),
            Phase::Idle => {
                if keep("strand_begin") {
                    state.phase = by;
                }
                state.drivers += 1;
                Ok(state.drivers)
            }
            busy => Err(busy),
        }
    }

    /// The next iteration, into `batch`, which is empty. `fresh`: the driver has not run an iteration since it began or
    /// slept, so it runs one even if it shall stop.
    pub(super) fn next(
        &self,
        batch: &mut VecDeque<E>,
        fresh: bool,
        waker: &Waker,
        now: impl FnOnce() -> Instant,
    ) -> Next<E> {
        debug_assert!(batch.is_empty());
        let mut state = self.0.lock();
        if state.stop && !fresh {
            return state.leave();
        }
        let mut earliest = None;
        if !state.timers.is_empty() {
            let now = now();
            while state.timers.peek().is_some_and(|first| first.when <= now) {
                let due = state.timers.pop().expect("it was there");
                state.ready.push_back(due.entry);
            }
            earliest = state.timers.peek().map(|first| first.when);
        }
        if !state.ready.is_empty() && keep("strand_look") {
            std::mem::swap(&mut state.ready, batch);
            return Next::Run;
        }
        if state.stop {
            return state.leave();
        }
        state.sleeper = Some(waker.clone());
        Next::Sleep(earliest)
    }

    /// The driver goes in the middle of an iteration, of which `rest` is left: it comes first next time. One that was not
    /// `used` has not stopped: that is for the next.
    pub(super) fn abandon(&self, rest: VecDeque<E>, used: bool) -> Option<Remains<E>> {
        let mut state = self.0.lock();
        let stop = state.stop && !used;
        let mut ready = rest;
        ready.append(&mut state.ready);
        state.ready = ready;
        let left = state.leave();
        state.stop = stop;
        match left {
            Next::Closed(remains) => Some(remains),
            _ => None,
        }
    }

    /// The driver shall leave after its iteration; if there is none, the next one leaves after its first.
    pub(super) fn stop(&self) {
        let sleeper = {
            let mut state = self.0.lock();
            state.stop = true;
            state.sleeper.take()
        };
        if let Some(waker) = sleeper {
            waker.wake();
        }
    }

    /// As `stop`, for the driver with this number; nothing if that has left, so that a word that comes late does not meet the
    /// next one.
    pub(super) fn stop_driver(&self, number: u64) {
        let sleeper = {
            let mut state = self.0.lock();
            let drives = matches!(state.phase, Phase::ByThread | Phase::ByWorkers);
            if !drives || state.drivers != number {
                return;
            }
            state.stop = true;
            state.sleeper.take()
        };
        if let Some(waker) = sleeper {
            waker.wake();
        }
    }

    /// Closes the loop: at once if nobody drives it, else when the driver leaves, which it is asked to. What is left goes to
    /// whoever does it.
    pub(super) fn close(&self) -> Option<Remains<E>> {
        let sleeper = {
            let mut state = self.0.lock();
            match state.phase {
                Phase::Closed => return None,
                Phase::Idle => return Some(state.clear()),
                Phase::ByThread | Phase::ByWorkers => {
                    state.stop = true;
                    state.close = true;
                    state.sleeper.take()
                }
            }
        };
        if let Some(waker) = sleeper {
            waker.wake();
        }
        None
    }

    pub(super) fn phase(&self) -> Phase {
        self.0.lock().phase
    }

    /// True once it is closed, or will be as soon as the driver leaves.
    pub(super) fn is_closed(&self) -> bool {
        self.0.lock().is_closed()
    }
}

impl<E> State<E> {
    fn is_closed(&self) -> bool {
        self.close || self.phase == Phase::Closed
    }

    fn leave(&mut self) -> Next<E> {
        self.stop = false;
        self.sleeper = None;
        if self.close {
            return Next::Closed(self.clear());
        }
        self.phase = Phase::Idle;
        Next::Stopped
    }

    fn clear(&mut self) -> Remains<E> {
        self.phase = Phase::Closed;
        let timers = std::mem::take(&mut self.timers).into_vec();
        let entries = std::mem::take(&mut self.ready).into_iter();
        Remains(
            entries
                .chain(timers.into_iter().map(|timed| timed.entry))
                .collect(),
        )
    }
}

impl<E> Ord for Timed<E> {
    fn cmp(&self, other: &Self) -> Ordering {
        let key = |timed: &Self| (timed.when, timed.number);
        key(other).cmp(&key(self))
    }
}

impl<E> PartialOrd for Timed<E> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl<E> PartialEq for Timed<E> {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl<E> Eq for Timed<E> {}

#[cfg(all(test, filch_loom))]
mod model {
    use super::*;
    use crate::sync_prim::{AtomicUsize, Ordering};
    use loom::thread;
    use std::sync::Arc;
    use std::task::Poll;

    /// Drives until the loop is stopped; the answer is what it ran.
    async fn drive(strand: &Strand<u32>) -> Vec<u32> {
        let (mut ran, mut batch, mut fresh) = (Vec::new(), VecDeque::new(), true);
        std::future::poll_fn(move |context| {
            loop {
                ran.extend(batch.drain(..));
                match strand.next(&mut batch, fresh, context.waker(), Instant::now) {
                    Next::Run => fresh = false,
                    Next::Sleep(_) => {
                        fresh = true;
                        return Poll::Pending;
                    }
                    Next::Stopped | Next::Closed(_) => {
                        return Poll::Ready(std::mem::take(&mut ran));
                    }
                }
                if batch.contains(&0) {
                    strand.stop();
                }
            }
        })
        .await
    }

    #[test]
    fn no_entry_waits_while_the_driver_sleeps() {
        loom::model(|| {
            let strand = Arc::new(Strand::new());
            strand.begin(Phase::ByThread).unwrap();
            let pusher = {
                let strand = strand.clone();
                thread::spawn(move || {
                    strand.push(7).unwrap();
                    strand.push(0).unwrap();
                })
            };
            let ran = loom::future::block_on(drive(&strand));
            pusher.join().unwrap();
            assert_eq!(ran, [7, 0], "in the order of the pushes, each once");
        });
    }

    #[test]
    fn one_drives_at_a_time() {
        loom::model(|| {
            let strand = Arc::new(Strand::<u32>::new());
            let drivers = Arc::new(AtomicUsize::new(0));
            let life = {
                let (strand, drivers) = (strand.clone(), drivers.clone());
                move || {
                    if strand.begin(Phase::ByWorkers).is_ok() {
                        assert_eq!(drivers.fetch_add(1, Ordering::Relaxed), 0);
                        drivers.fetch_sub(1, Ordering::Relaxed);
                        strand.stop();
                        assert!(loom::future::block_on(drive(&strand)).is_empty());
                    }
                }
            };
            let other = thread::spawn(life.clone());
            life();
            other.join().unwrap();
            assert_eq!(strand.phase(), Phase::Idle);
        });
    }
}

//! What a worker thread sits on, as the others see it.
//!
//! | field     | who may touch it                                                                                |
//! |-----------|-------------------------------------------------------------------------------------------------|
//! | `next`    | its worker; a thief or the guard, while `polls` stands still                                    |
//! | `victim`  | thieves, and the guard while `polls` stands still                                               |
//! | `token`   | its worker announces and retracts, whoever claimed it from the sleepers gives                   |
//! | `polls`   | its worker writes, all read: a number that tells a long poll by standing still, nothing else    |
//! | `unparker`| whoever gave the token                                                                          |
//! | `pace`    | the guard writes, thieves read: a number that only tells                                        |
//! | `sample`  | the guard                                                                                       |
//! | `running` | its worker writes, the guard reads: the key of the task in hand, for a report                   |

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crossbeam_utils::sync::{Parker, Unparker};
use parking_lot::Mutex;

use super::Scheduler;
use super::queues::{Deque, Victim};
use crate::job::{Job, JobSlot};
use crate::park::{Bed, Token};

/// `running` of a worker that has no job.
pub(crate) const NO_JOB: u64 = u64::MAX;

pub(crate) struct Seat {
    pub(super) next: JobSlot,
    pub(super) victim: Victim,
    pub(super) token: Token,
    pub(super) unparker: Unparker,
    polls: AtomicU64,
    running: AtomicU64,
    /// How long a poll lasted on average in the guard's last tick, idle time counted in. Unit: ns.
    pace: AtomicU64,
    sample: Mutex<Sample>,
}

/// What the guard saw when it last looked.
struct Sample {
    polls: u64,
    at: Instant,
    /// When the poll under way was seen first.
    since: Instant,
    reported: bool,
}

/// Polls that last longer than this on average are long: meanwhile somebody else had better wait in the poller.
const LONG_POLL: Duration = Duration::from_micros(50);

/// A poll that lasts.
pub(crate) struct Stuck {
    /// The key of its task; 0 for what is no task.
    pub(crate) key: u64,
    pub(crate) for_at_least: Duration,
    /// It has passed the threshold, and was not reported before.
    pub(crate) report: bool,
}

/// What a worker's thread holds while it does not run: enough to make a [`Worker`].
pub(crate) struct Chair {
    pub(super) seat: usize,
    pub(super) deque: Deque,
    pub(super) parker: Parker,
}

impl Chair {
    /// The number of its seat.
    pub(crate) fn seat(&self) -> usize {
        self.seat
    }
}

impl Seat {
    pub(super) fn new(victim: Victim, unparker: Unparker) -> Seat {
        Seat {
            next: JobSlot::new(),
            victim,
            token: Token::new(),
            unparker,
            polls: AtomicU64::new(0),
            running: AtomicU64::new(NO_JOB),
            pace: AtomicU64::new(0),
            sample: Mutex::new(Sample {
                polls: 0,
                at: Instant::now(),
                since: Instant::now(),
                reported: false,
            }),
        }
    }

    /// The worker takes a job in hand.
    #[inline]
    pub(super) fn starts(&self, key: u64) {
        // Ordering: Relaxed: numbers that only tell; one writer, so no read-modify-write.
        self.polls
            .store(self.polls.load(Ordering::Relaxed) + 1, Ordering::Relaxed);
        self.running.store(key, Ordering::Relaxed);
    }

    /// The worker has run dry.
    #[inline]
    pub(super) fn stops(&self) {
        self.running.store(NO_JOB, Ordering::Relaxed);
    }

    #[inline]
    pub(super) fn polls(&self) -> u64 {
        self.polls.load(Ordering::Relaxed)
    }

    #[inline]
    pub(super) fn is_running(&self) -> bool {
        self.running.load(Ordering::Relaxed) != NO_JOB
    }

    /// How long this worker will take for so many polls, as far as the guard's last look tells.
    pub(super) fn time_for(&self, polls: u64) -> Duration {
        Duration::from_nanos(self.pace.load(Ordering::Relaxed).saturating_mul(polls))
    }

    /// True if its worker is awake, and its polls are long.
    pub(super) fn is_slow(&self) -> bool {
        self.time_for(1) > LONG_POLL && self.is_running()
    }

    /// A job that waits behind the one in hand; for the guard.
    pub(super) fn take_waiting(&self) -> Option<Job> {
        self.victim.take_one().or_else(|| self.next.take())
    }

    /// The guard looks: has the poll under way been there at its last look, too?
    pub(super) fn look(&self, threshold: Duration) -> Option<Stuck> {
        let (polls, key) = (self.polls(), self.running.load(Ordering::Relaxed));
        let mut sample = self.sample.lock();
        let now = Instant::now();
        let busy = now - std::mem::replace(&mut sample.at, now);
        let pace = busy.as_nanos() as u64 / (polls - sample.polls).max(1);
        self.pace.store(pace, Ordering::Relaxed);
        if sample.polls != polls || key == NO_JOB {
            sample.polls = polls;
            sample.since = now;
            sample.reported = false;
            return None;
        }
        let for_at_least = now - sample.since;
        let report = !sample.reported && for_at_least >= threshold;
        sample.reported |= report;
        Some(Stuck {
            key,
            for_at_least,
            report,
        })
    }
}

impl Scheduler {
    /// True if every worker sleeps, and no more than one of them in the poller: a second one there is awake, or will be,
    /// with what it found.
    pub(crate) fn is_still(&self) -> bool {
        let mut pollers = usize::from(self.driver.lends());
        self.seats.iter().all(|seat| match seat.token.bed() {
            Some(Bed::Parker) => true,
            Some(Bed::Poller) if pollers > 0 => {
                pollers -= 1;
                true
            }
            _ => false,
        })
    }
}

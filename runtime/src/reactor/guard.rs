//! The reactor thread: the poller is never unattended, and no worker is stuck unnoticed.
//!
//! In shared mode idle workers wait in the poller, and this thread is the guard: every tick while a worker is awake
//! it turns the poller if nobody has since the last tick, and looks for polls that last. When all workers have slept
//! for a while, with one of them in the poller, it has no tick any more: it sleeps until the first that wakes rings its
//! [`Bell`]:
//!
//! sleep  G1 raise `asleep` · G2 fence · G3 all workers still asleep, one in the poller? park, else lower it again
//! wake   H1 count oneself as awake (scheduler/idle, W1 or E1) · H2 fence · H3 `asleep` raised? lower it, unpark
//!
//! G2 and H2 are ordered one way or the other: then G3 sees H1, or H3 sees G1. Model:
//! `lease::model::guard_or_worker_sees_the_other`.
//!
//! In dedicated mode this thread alone waits in the poller, so it has no use for the bell: a worker that wakes
//! notifies it there if it waits for longer than a tick.

use std::time::Duration;

use crossbeam_utils::sync::Parker;

use super::Reactor;
use crate::driver::{Borrow, Crew, Driver};
use crate::sync_prim::{AtomicUsize, Ordering, store_load_fence};

/// Ticks without anything stuck after which the tick doubles, up to [`SLOWEST`].
const CALM: u32 = 16;
/// The slowest tick, in multiples of the builder's. A stall that begins in calm is noticed within it.
const SLOWEST: u32 = 4;
/// Ticks with every worker asleep before the guard sleeps until its bell rings.
const QUIET: u32 = 8;

/// Whether the guard has to be woken by the first worker that wakes.
pub(crate) struct Bell(AtomicUsize);

impl Bell {
    pub(crate) fn new() -> Bell {
        Bell(AtomicUsize::new(0))
    }

    /// G1 to G3. True if the guard may park until it is rung for.
    pub(crate) fn may_sleep(&self, quiet: impl FnOnce() -> bool) -> bool {
        self.0.store(1, Ordering::Relaxed);
        store_load_fence("G2"); // partner H2
        let quiet = quiet();
        if !quiet {
            self.0.store(0, Ordering::Relaxed);
        }
        quiet
    }

    /// H2 and H3, after H1. True if the caller must unpark the guard.
    pub(crate) fn must_ring(&self) -> bool {
        store_load_fence("H2"); // partner G2
        // Ordering: Relaxed: ordered by the fence. The swap makes one of several ring.
        self.0.load(Ordering::Relaxed) == 1 && self.0.swap(0, Ordering::Relaxed) == 1
    }
}

/// The life of the reactor thread.
pub(crate) struct Guard<'a> {
    pub(crate) reactor: &'a Reactor,
    pub(crate) crew: &'a dyn Crew,
    pub(crate) parker: Parker,
    /// The fastest tick.
    pub(crate) tick: Duration,
}

impl Guard<'_> {
    /// Runs until the reactor is told to end.
    pub(crate) fn run(&self) {
        let (mut calm, mut quiet) = (0, 0);
        while !self.reactor.is_ending() {
            // All workers have slept for a while: sleep until one wakes.
            let until_rung = quiet >= QUIET && self.may_sleep_until_rung();
            let slower = 1 << (calm / CALM).min(SLOWEST.trailing_zeros());
            let tick = (!until_rung).then_some(self.tick.saturating_mul(slower));
            if self.reactor.lends() {
                match tick {
                    Some(tick) => self.parker.park_timeout(tick),
                    None => self.parker.park(),
                }
            } else if let Borrow::Mine = self.reactor.borrow() {
                self.crew.batch(&mut || self.reactor.wait(tick));
            }
            let stuck = self.crew.sample();
            if self.reactor.lends() && !self.reactor.was_turned() {
                self.attend();
                // That was the guard itself.
                self.reactor.was_turned();
            }
            calm = if stuck { 0 } else { calm + 1 };
            quiet = if self.crew.awake() == 0 { quiet + 1 } else { 0 };
        }
    }

    /// Nobody has turned the poller since the last tick.
    fn attend(&self) {
        if self.reactor.is_attended() {
            return;
        }
        self.crew.batch(&mut || self.reactor.look());
        // Whoever sleeps elsewhere had better wait in the poller: the sample just taken tells it, by `is_slow`, that no
        // busy worker will look.
        if !self.reactor.is_attended() {
            self.crew.wake_one();
        }
    }

    /// G1 to G3.
    fn may_sleep_until_rung(&self) -> bool {
        self.reactor.bell.may_sleep(|| {
            let attended = !self.reactor.lends() || self.reactor.is_attended();
            self.crew.awake() == 0 && attended && !self.reactor.is_ending()
        })
    }
}

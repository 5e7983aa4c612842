//! What time it is: the system's time, or one that a test stops and moves.
//!
//! A clock that was never paused costs one relaxed load beside the reading. What a runtime's deadlines are compared with
//! is [`Clock::nanos`]: nanoseconds since the clock was made.
//!
//! A paused clock moves by itself when nothing can run. Whoever may run says so before it stops: it *settles*.
//!
//! settle  A1 count the settling · A2 be seen as still · A3 wake whoever watches
//! watch   A4 read the count · A5 see everybody still · A6 read the count again: the same? then nothing could run
//!
//! Why A6 proves it: let somebody run at A6. Either it has run since A4, and A5 saw it, or another woke it after A4, that
//! one ran at A4 or was woken itself; the first of this chain ran at A4, and A5 either saw it, or came after its A2, so
//! after its A1, and A6 reads another number. Whoever settles after A5 looked comes to A3. Models: `model::nobody_runs`,
//! `model::a_worker_that_sleeps_has_shown_whom_it_woke`.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering as Plain};
use std::time::{Duration, Instant};

use crate::sync_prim::{AtomicUsize, Mutex, Ordering, keep, ordering};

/// How far a clock can be moved: its moments are numbers, and timers need some that are later. Unit: ns; 292 years.
const FURTHEST: u64 = u64::MAX / 2;

/// True once any clock of this process was paused: until then nobody has to look for the one in charge.
static ANY_MOVED: AtomicBool = AtomicBool::new(false);

/// True if some clock of this process may differ from the system's.
pub(crate) fn any_moved() -> bool {
    // Ordering: Relaxed: whoever paused a clock sees it in its own order; what it hands on to others is ordered by that.
    ANY_MOVED.load(Plain::Relaxed)
}

/// The clock of one runtime.
pub(crate) struct Clock {
    start: Instant,
    /// It was paused once: `hands` tell the time.
    moved: AtomicBool,
    /// It stands still now.
    paused: AtomicBool,
    hands: Mutex<Hands>,
    stillness: Stillness,
    /// Asked by A5, and called by A3.
    watch: OnceLock<Watch>,
}

struct Hands {
    /// What the clock showed when it was last paused, resumed or moved.
    base: Instant,
    /// When, by the system's time, it was set going; none while it stands still.
    going_since: Option<Instant>,
}

/// How the clock of a runtime asks whether anybody runs there, and whom it tells that somebody does no longer.
pub(crate) struct Watch {
    /// True if no worker runs, and no blocking closure.
    pub(crate) is_still: Box<dyn Fn() -> bool + Send + Sync>,
    /// Ends the wait of whoever waits in the poller.
    pub(crate) notify: Box<dyn Fn() + Send + Sync>,
}

/// The words of the protocol.
struct Stillness {
    settled: AtomicUsize,
    /// Futures of `block_on` that are being polled or are woken.
    roots: AtomicUsize,
}

impl Stillness {
    fn new() -> Stillness {
        Stillness {
            settled: AtomicUsize::new(0),
            roots: AtomicUsize::new(0),
        }
    }

    /// A1.
    fn settle(&self) {
        if keep("A1") {
            // Ordering: Release -> the Acquire in A4: who reads the number sees whom this one woke before. The A2 that
            // follows releases the number itself.
            self.settled
                .fetch_add(1, ordering("A1_count", Ordering::AcqRel));
        }
    }

    /// A4 to A6.
    fn is_still(&self, others: impl FnOnce() -> bool) -> bool {
        // Ordering: Acquire <- the Release in A1.
        let before = self.settled.load(ordering("A4", Ordering::Acquire));
        // Ordering: Acquire <- the Release of A2 in `root_stops`, as in `others`: what A6 reads is not older.
        let still = others() && self.roots.load(ordering("A5", Ordering::Acquire)) == 0;
        still && (!keep("A6") || self.settled.load(Ordering::Relaxed) == before)
    }

    fn root_runs(&self) {
        // Ordering: Relaxed: it is seen by whoever acquires what its waker releases next, its A1 or A2.
        self.roots.fetch_add(1, Ordering::Relaxed);
    }

    /// A2 of a future of `block_on`.
    fn root_stops(&self) {
        // Ordering: Release -> the Acquire in A5.
        self.roots.fetch_sub(1, ordering("A2", Ordering::Release));
    }
}

impl Clock {
    pub(crate) fn new(paused: bool) -> Clock {
        let now = Instant::now();
        let clock = Clock {
            start: now,
            moved: AtomicBool::new(false),
            paused: AtomicBool::new(false),
            hands: Mutex::new(Hands {
                base: now,
                going_since: Some(now),
            }),
            stillness: Stillness::new(),
            watch: OnceLock::new(),
        };
        if paused {
            clock.pause().expect("it goes");
        }
        clock
    }

    pub(crate) fn set_watch(&self, watch: Watch) {
        let _only_once = self.watch.set(watch);
    }

    #[inline]
    pub(crate) fn now(&self) -> Instant {
        if self.was_moved() {
            self.hands.lock().now()
        } else {
            Instant::now()
        }
    }

    /// `at` as nanoseconds of this clock; what was before its start is 0.
    #[inline]
    pub(crate) fn nanos_of(&self, at: Instant) -> u64 {
        let since = at.saturating_duration_since(self.start);
        since
            .as_secs()
            .saturating_mul(1_000_000_000)
            .saturating_add(u64::from(since.subsec_nanos()))
    }

    /// Now, in nanoseconds.
    #[inline]
    pub(crate) fn nanos(&self) -> u64 {
        self.nanos_of(self.now())
    }

    /// True once it was paused, and so is no longer the system's.
    #[inline]
    pub(crate) fn was_moved(&self) -> bool {
        self.moved.load(Plain::Relaxed)
    }

    pub(crate) fn is_paused(&self) -> bool {
        self.paused.load(Plain::Acquire)
    }

    /// Stops the clock. An error says why not.
    pub(crate) fn pause(&self) -> Result<(), &'static str> {
        let mut hands = self.hands.lock();
        if hands.going_since.is_none() {
            return Err("time is already frozen");
        }
        hands.base = hands.now();
        hands.going_since = None;
        ANY_MOVED.store(true, Plain::Relaxed);
        self.moved.store(true, Plain::Relaxed);
        self.paused.store(true, Plain::Release);
        drop(hands);
        self.notify();
        Ok(())
    }

    /// Sets the clock going. An error says why not.
    pub(crate) fn resume(&self) -> Result<(), &'static str> {
        let mut hands = self.hands.lock();
        if hands.going_since.is_some() {
            return Err("time is not frozen");
        }
        hands.going_since = Some(Instant::now());
        self.paused.store(false, Plain::Release);
        drop(hands);
        self.notify();
        Ok(())
    }

    /// Moves the stopped clock on. An error says why not.
    pub(crate) fn advance(&self, by: Duration) -> Result<(), &'static str> {
        let mut hands = self.hands.lock();
        if hands.going_since.is_some() {
            return Err("time is not frozen");
        }
        match hands.base.checked_add(by) {
            Some(moved) if self.nanos_of(moved) <= FURTHEST => {
                hands.base = moved;
                Ok(())
            }
            _ => Err("the duration is too large to add to the current time"),
        }
    }

    /// Moves the clock on to `nanos`, if it still stands still and has not come so far.
    pub(crate) fn advance_to(&self, nanos: u64) {
        let mut hands = self.hands.lock();
        if hands.going_since.is_none() {
            if let Some(to) = self.start.checked_add(Duration::from_nanos(nanos)) {
                hands.base = hands.base.max(to);
            }
        }
    }

    /// A1, for a thread that stops to run. True if A2 must be followed by [`Clock::notify`], A3.
    #[inline]
    pub(crate) fn settle(&self) -> bool {
        if !self.was_moved() {
            return false;
        }
        self.stillness.settle();
        true
    }

    /// A3.
    pub(crate) fn notify(&self) {
        if let Some(watch) = self.watch.get() {
            (watch.notify)();
        }
    }

    /// A4 to A6: true if nothing of this runtime could run at the end of this call, but for what comes from outside.
    pub(crate) fn is_still(&self) -> bool {
        let others = || self.watch.get().is_some_and(|watch| (watch.is_still)());
        self.is_paused() && self.stillness.is_still(others)
    }

    /// A future of `block_on` is polled, or was woken.
    pub(crate) fn root_runs(&self) {
        self.stillness.root_runs();
    }

    /// It waits, or is done.
    pub(crate) fn root_stops(&self) {
        let tells = self.settle();
        self.stillness.root_stops(); // A2
        if tells {
            self.notify();
        }
    }
}

impl Hands {
    fn now(&self) -> Instant {
        match self.going_since {
            Some(since) => self.base + since.elapsed(),
            None => self.base,
        }
    }
}

#[cfg(all(test, not(filch_loom)))]
mod tests {
    use super::*;

    #[test]
    fn a_clock_stands_still_moves_and_goes_on_from_there() {
        let clock = Clock::new(false);
        let hour = Duration::from_secs(3600);
        assert!(!clock.was_moved());
        assert_eq!(clock.resume(), Err("time is not frozen"));
        assert_eq!(clock.advance(hour), Err("time is not frozen"));
        clock.pause().unwrap();
        assert_eq!(clock.pause(), Err("time is already frozen"));
        let stopped = clock.now();
        clock.advance(hour).unwrap();
        assert_eq!(clock.now(), stopped + hour);
        clock.advance_to(clock.nanos_of(stopped));
        assert_eq!(clock.now(), stopped + hour, "never back");
        assert!(clock.advance(Duration::MAX).is_err());
        assert!(clock.advance(600 * 365 * 24 * hour).is_err());
        clock.resume().unwrap();
        assert!(clock.now() >= stopped + hour && clock.now() < stopped + 2 * hour);
        assert!(clock.was_moved() && !clock.is_paused());
    }
}

#[cfg(all(test, filch_loom))]
mod model {
    use super::*;
    use loom::thread;
    use std::sync::Arc;

    /// A future of `block_on` wakes a worker, which nobody has seen run, and stops: whoever watches never finds that
    /// nothing runs, since now the worker does.
    #[test]
    fn nobody_runs() {
        loom::model(|| {
            let all = Arc::new((Stillness::new(), AtomicUsize::new(0)));
            all.0.root_runs();
            let root = {
                let all = all.clone();
                thread::spawn(move || {
                    all.1.store(1, Ordering::Relaxed); // the worker is given its token
                    all.0.settle();
                    all.0.root_stops();
                })
            };
            let still = all.0.is_still(|| all.1.load(Ordering::Acquire) == 0);
            root.join().unwrap();
            assert!(!still, "the clock moves while a worker has a token");
        });
    }

    /// The other way round: a worker wakes a future of `block_on`, and sleeps.
    #[test]
    fn a_worker_that_sleeps_has_shown_whom_it_woke() {
        use crate::park::{Bed, Token};
        loom::model(|| {
            let all = Arc::new((Stillness::new(), Token::new()));
            let worker = {
                let all = all.clone();
                thread::spawn(move || {
                    all.0.root_runs();
                    all.0.settle();
                    assert!(all.1.announce(Bed::Parker)); // A2
                })
            };
            let still = all.0.is_still(|| all.1.bed() == Some(Bed::Parker));
            worker.join().unwrap();
            assert!(!still, "the clock moves while a future was woken");
        });
    }
}

//! The poller, the sources and the timers of one runtime, and the thread that belongs to them.
//!
//! A *turn* waits (or looks), and then *completes*: each ready source's done-callbacks run, of which the common
//! one re-enqueues a task, and each due deadline's waker is woken. Whoever has the [`lease`] may turn: the reactor thread ([`guard`]) or, in
//! shared mode, a worker that has run dry.

mod elsewhere;
pub(crate) mod guard;
mod horizon;
mod keys;
mod lease;
pub(crate) mod readiness;
pub(crate) mod source;
mod timers;
mod turn;

use std::cell::Cell;
use std::io;
use std::sync::atomic::{AtomicBool, Ordering, fence};
use std::sync::{Arc, OnceLock};
use std::task::Waker;
use std::time::Duration;

use crossbeam_utils::CachePadded;
use crossbeam_utils::sync::Unparker;

use self::guard::Bell;
use self::keys::Keys;
use self::lease::{For, Lease};
pub(crate) use self::timers::{Closed, Standing, TimerKey, TimerSeat};
use self::timers::{Tidied, Timers};
use self::turn::{Buffer, Port};
use crate::clock::Clock;
use crate::driver::{Borrow, Driver};
use crate::job::quietly;
use crate::promise::callbacks::Done;

/// Who waits on the poller.
///
/// # Examples
/// ```
/// use filch::runtime::{Builder, ReactorMode};
///
/// let rt = Builder::new_multi_thread()
///     .worker_threads(2)
///     .enable_all()
///     .reactor_mode(ReactorMode::Dedicated)
///     .build()
///     .unwrap();
/// assert_eq!(rt.block_on(async { 1 + 1 }), 2);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum ReactorMode {
    /// A worker that has run dry borrows the poller, and the reactor thread makes sure that the poller is never
    /// unattended for longer than the guard tick. The default: an event that its own worker waits for costs no thread
    /// hand-off.
    #[default]
    Shared,
    /// Only the reactor thread ever waits on the poller. Every event crosses threads.
    Dedicated,
}

pub(crate) struct Reactor {
    port: Arc<Port>,
    lease: CachePadded<Lease>,
    keys: Keys,
    timers: Timers,
    /// Somebody has turned the poller since the guard last looked.
    turned: CachePadded<AtomicBool>,
    lends: bool,
    pub(super) bell: Bell,
    /// The reactor thread's, if there is one.
    guard: OnceLock<Unparker>,
    ending: AtomicBool,
}

thread_local! {
    /// What the thread's last turn was made with. Not the reactor's: whoever has the lease would need a lock to get at it.
    static SPARE: Cell<Option<Box<Turn>>> = const { Cell::new(None) };
}

/// The memory of a turn: what it found, and whom it has to tell.
struct Turn {
    events: Buffer,
    done: Vec<Done>,
    due: Vec<Waker>,
    gone: Vec<Tidied>,
}

impl Reactor {
    /// A reactor; `lends`: workers may wait in the poller. `seats`: how many workers set timers.
    pub(crate) fn new(lends: bool, seats: usize, clock: Arc<Clock>) -> io::Result<Reactor> {
        let port = Arc::new(Port::new()?);
        let notifies = port.clone();
        Ok(Reactor {
            port,
            lease: CachePadded::new(Lease::new()),
            keys: Keys::default(),
            timers: Timers::new(seats, clock, Box::new(move || notifies.notify())),
            turned: CachePadded::new(AtomicBool::new(false)),
            lends,
            bell: Bell::new(),
            guard: OnceLock::new(),
            ending: AtomicBool::new(false),
        })
    }

    /// Says how to wake the reactor thread.
    pub(crate) fn set_guard(&self, unparker: Unparker) {
        let _only_once = self.guard.set(unparker);
    }

    /// True if somebody has turned the poller since the last call.
    fn was_turned(&self) -> bool {
        // Ordering: Relaxed: a turn that is missed is made up for by one of the guard's own.
        self.turned.swap(false, Ordering::Relaxed)
    }

    /// Tells the guard. The look comes first: all workers do this all the time, and the line stays with all of them.
    #[inline]
    fn tell_turned(&self) {
        if !self.turned.load(Ordering::Relaxed) {
            self.turned.store(true, Ordering::Relaxed);
        }
    }

    fn is_ending(&self) -> bool {
        fence(Ordering::SeqCst); // partner in `end_guard`, whose unpark or notification is sticky
        self.ending.load(Ordering::Relaxed)
    }

    /// Tells the reactor thread to end.
    pub(crate) fn end_guard(&self) {
        self.ending.store(true, Ordering::Relaxed);
        // A notification that is pending already publishes nothing; partner in `is_ending`.
        fence(Ordering::SeqCst);
        if let Some(guard) = self.guard.get() {
            guard.unpark();
            if !self.lends {
                self.notify();
            }
        }
    }

    /// No event and no deadline will come any more: whoever waits is told, and gets an error.
    pub(crate) fn shut_down(&self) {
        for source in self.keys.close() {
            for done in source.shut_down() {
                done.complete(drop);
            }
        }
        wake_all(self.timers.close());
    }

    /// Where a thread sets its timers: on the seat with this number, or with all those who have none.
    #[inline]
    pub(crate) fn timer_seat(&self, number: usize) -> &Arc<TimerSeat> {
        self.timers.seat(number)
    }

    /// Cancels a timer, on the thread of a worker.
    #[inline]
    pub(crate) fn leave_timer(&self, seat: Arc<TimerSeat>, key: TimerKey) {
        match self.lends {
            true => self.timers.leave(seat, key),
            // Nobody looks who would go through it.
            false => seat.cancel(key),
        }
    }

    /// Wakes whoever waits for a deadline that has come by now: a test has moved the clock.
    pub(crate) fn fire_due(&self) {
        while self.timers.any_due() {
            let (mut due, mut gone) = (Vec::new(), Vec::new());
            self.timers.take_due(&mut due, &mut gone);
            wake_all(due);
        }
    }

    /// Waits, and takes what is to be completed. Only for whoever has the lease; it gives the lease back, and completes
    /// then: callbacks are anybody's code, and meanwhile another thread may have the poller.
    fn turn(&self, limit: Option<Duration>, exact: bool) -> Box<Turn> {
        let mut turn = SPARE
            .try_with(Cell::take)
            .ok()
            .flatten()
            .unwrap_or_else(Turn::new);
        let Turn {
            events,
            done,
            due,
            gone,
        } = &mut *turn;
        if limit == Some(Duration::ZERO) && self.keys.is_empty() {
            // A look where nothing is watched finds nothing: no system call for workers that only compute. A notification
            // stays for the next wait.
            events.ready.clear();
        } else {
            self.port.wait(events, limit, exact);
        }
        self.tell_turned();
        self.keys.for_each(&events.ready, |source, ready| {
            source.set(ready, |waiters| done.push(waiters));
        });
        self.timers.take_due(due, gone);
        turn
    }

    /// A turn while the clock stands still: where nothing can run and nothing has happened, the clock is moved to the
    /// earliest deadline instead of a wait. Who stops to run later than this looks ends the wait: A3 (clock).
    #[cold]
    fn turn_or_advance(&self, limit: Option<Duration>, exact: bool) -> Box<Turn> {
        let clock = self.timers.clock();
        if limit == Some(Duration::ZERO) || !self.timers.has_any() || !clock.is_still() {
            return self.turn(limit, exact);
        }
        // The look may take a notification: so this wait ends, whatever it finds.
        let mut turn = self.turn(Some(Duration::ZERO), false);
        if turn.done.is_empty() && turn.due.is_empty() && clock.is_still() {
            let Turn { due, gone, .. } = &mut *turn;
            self.timers.advance_to_earliest(gone);
            self.timers.take_due(due, gone);
        }
        turn
    }
}

impl Turn {
    #[cold]
    fn new() -> Box<Turn> {
        Box::new(Turn {
            events: Buffer::new(),
            done: Vec::new(),
            due: Vec::new(),
            gone: Vec::new(),
        })
    }

    /// Tells them all. A callback may turn a poller itself: it gets memory of its own.
    fn complete(mut self: Box<Self>) {
        for done in self.done.drain(..) {
            done.complete(drop);
        }
        wake_all(self.due.drain(..));
        self.gone.clear();
        let _ = SPARE.try_with(|spare| spare.set(Some(self)));
    }
}

fn wake_all(wakers: impl IntoIterator<Item = Waker>) {
    for waker in wakers {
        quietly(|| waker.wake());
    }
}

impl Driver for Reactor {
    fn lends(&self) -> bool {
        self.lends
    }

    fn is_attended(&self) -> bool {
        self.lease.is_attended()
    }

    fn look(&self) {
        // Workers that only compute look as often as others: they do not take turns at the lease for it.
        if self.keys.is_empty() && !self.timers.has_any() {
            self.tell_turned();
            return;
        }
        // Here, and not in a turn: each worker comes by before it sleeps, whoever has the poller.
        self.timers.tidy_up();
        if let Ok(held) = self.lease.take(For::Look) {
            let turn = self.turn(Some(Duration::ZERO), false);
            // Where a stopped clock may move by itself, nobody may have the poller before those are woken for whom it
            // must not move.
            let kept = self.timers.clock().was_moved().then_some(held);
            turn.complete();
            drop(kept);
        }
    }

    fn borrow(&self) -> Borrow {
        match self.lease.take(For::Wait) {
            Ok(held) => {
                held.keep();
                Borrow::Mine
            }
            Err(For::Wait) => Borrow::Attended,
            Err(For::Look) => Borrow::Busy,
        }
    }

    fn wait(&self, limit: Option<Duration>) {
        let left = self.timers.begin_wait();
        let exact = left.is_some_and(|left| limit.is_none_or(|limit| left < limit));
        let limit = limit.into_iter().chain(left).min();
        let turn = if self.timers.clock().is_paused() {
            self.turn_or_advance(limit, exact)
        } else {
            self.turn(limit, exact)
        };
        self.timers.end_wait();
        self.lease.give_back();
        turn.complete();
    }

    fn hand_back(&self) {
        self.lease.give_back();
    }

    fn notify(&self) {
        self.port.notify();
    }

    fn workers_wake(&self) {
        let Some(guard) = self.guard.get() else {
            return;
        };
        if self.bell.must_ring() {
            if self.lends {
                guard.unpark();
            } else {
                self.notify();
            }
        }
    }
}

//! The poller, the sources and the deadlines of one runtime, and the thread that belongs to them.
//!
//! A *turn* waits (or looks), and then *completes*: each ready source's done-callbacks run, of which the common
//! one re-enqueues a task, and each due deadline's waker is woken. Whoever has the [`lease`] may turn: the reactor thread ([`guard`]) or, in
//! shared mode, a worker that has run dry.

mod deadlines;
pub(crate) mod guard;
mod horizon;
mod keys;
mod lease;
pub(crate) mod readiness;
pub(crate) mod source;
mod turn;

use std::cell::Cell;
use std::io;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering, fence};
use std::task::Waker;
use std::time::{Duration, Instant};

use crossbeam_utils::CachePadded;
use crossbeam_utils::sync::Unparker;

use self::deadlines::Deadlines;
pub(crate) use self::deadlines::{Closed, DeadlineKey};
use self::guard::Bell;
use self::keys::Keys;
use self::lease::{For, Lease};
use self::turn::{Buffer, Port};
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
    port: Port,
    lease: CachePadded<Lease>,
    keys: Keys,
    deadlines: Deadlines,
    /// Turns so far: a number by which the guard sees that somebody attends the poller.
    turns: AtomicUsize,
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
}

impl Reactor {
    /// A reactor; `lends`: workers may wait in the poller.
    pub(crate) fn new(lends: bool) -> io::Result<Reactor> {
        Ok(Reactor {
            port: Port::new()?,
            lease: CachePadded::new(Lease::new()),
            keys: Keys::default(),
            deadlines: Deadlines::new(),
            turns: AtomicUsize::new(0),
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

    fn turns(&self) -> usize {
        self.turns.load(Ordering::Relaxed)
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
        wake_all(self.deadlines.close());
    }

    /// Registers a deadline. Whoever waits in the poller for longer is told.
    pub(crate) fn add_deadline(&self, at: Instant, waker: Waker) -> Result<DeadlineKey, Closed> {
        let (key, must_notify) = self.deadlines.add(at, waker)?;
        if must_notify {
            self.notify();
        }
        Ok(key)
    }

    /// Replaces the waker; false if the deadline has come.
    pub(crate) fn set_deadline_waker(&self, key: DeadlineKey, waker: &Waker) -> bool {
        self.deadlines.set_waker(key, waker)
    }

    pub(crate) fn remove_deadline(&self, key: DeadlineKey) {
        self.deadlines.remove(key);
    }

    /// Waits, and takes what is to be completed. Only for whoever has the lease; it gives the lease back, and completes
    /// then: callbacks are anybody's code, and meanwhile another thread may have the poller.
    fn turn(&self, limit: Option<Duration>) -> Box<Turn> {
        let mut turn = SPARE
            .try_with(Cell::take)
            .ok()
            .flatten()
            .unwrap_or_else(Turn::new);
        let Turn { events, done, due } = &mut *turn;
        self.port.wait(events, limit);
        self.turns.fetch_add(1, Ordering::Relaxed);
        self.keys.for_each(&events.ready, |source, ready| {
            source.set(ready, |waiters| done.push(waiters));
        });
        self.deadlines.take_due(due);
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
        })
    }

    /// Tells them all. A callback may turn a poller itself: it gets memory of its own.
    fn complete(mut self: Box<Self>) {
        for done in self.done.drain(..) {
            done.complete(drop);
        }
        wake_all(self.due.drain(..));
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
        if let Ok(held) = self.lease.take(For::Look) {
            let turn = self.turn(Some(Duration::ZERO));
            drop(held);
            turn.complete();
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
        let left = self.deadlines.begin_wait();
        let turn = self.turn(limit.into_iter().chain(left).min());
        self.deadlines.end_wait();
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

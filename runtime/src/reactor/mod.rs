//! The poller, the sources and the deadlines of one runtime, and the thread that belongs to them.
//!
//! A *turn* waits (or looks), and then *completes*: each ready source's and each due deadline's done-callbacks run, of
//! which the common one re-enqueues a task. Whoever has the [`lease`] may turn: the reactor thread ([`guard`]) or, in
//! shared mode, a worker that has run dry.

mod deadlines;
pub(crate) mod guard;
mod keys;
mod lease;
pub(crate) mod readiness;
pub(crate) mod source;
mod turn;

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::task::Waker;
use std::time::{Duration, Instant};

use crossbeam_utils::CachePadded;
use crossbeam_utils::sync::Unparker;
use parking_lot::Mutex;

pub(crate) use self::deadlines::{Closed, DeadlineKey};
use self::deadlines::Deadlines;
use self::guard::Bell;
use self::keys::Keys;
use self::lease::{For, Lease};
use self::turn::{Buffer, Port};
use crate::driver::{Borrow, Driver};
use crate::promise::callbacks::Done;
use crate::sync_prim::store_load_fence;

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

/// `wait_until` while nobody waits.
const NOT_WAITING: u64 = 0;

pub(crate) struct Reactor {
    port: Port,
    lease: CachePadded<Lease>,
    buffer: Mutex<Buffers>,
    keys: Keys,
    deadlines: Deadlines,
    /// The deadline that whoever waits in the poller will wake for, as a number of `deadlines`.
    wait_until: CachePadded<AtomicU64>,
    /// Turns so far: a number by which the guard sees that somebody attends the poller.
    turns: AtomicUsize,
    lends: bool,
    pub(super) bell: Bell,
    /// The reactor thread's, if there is one.
    guard: OnceLock<Unparker>,
    ending: AtomicBool,
}

struct Buffers {
    events: Buffer,
    due: Vec<Waker>,
    done: Vec<Done>,
}

impl Reactor {
    /// A reactor; `lends`: workers may wait in the poller.
    pub(crate) fn new(lends: bool) -> io::Result<Reactor> {
        Ok(Reactor {
            port: Port::new()?,
            lease: CachePadded::new(Lease::new()),
            buffer: Mutex::new(Buffers {
                events: Buffer::new(),
                due: Vec::new(),
                done: Vec::new(),
            }),
            keys: Keys::default(),
            deadlines: Deadlines::new(),
            wait_until: CachePadded::new(AtomicU64::new(NOT_WAITING)),
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

    fn is_attended(&self) -> bool {
        self.lease.is_attended()
    }

    fn is_ending(&self) -> bool {
        self.ending.load(Ordering::Relaxed)
    }

    /// Tells the reactor thread to end.
    pub(crate) fn end_guard(&self) {
        self.ending.store(true, Ordering::Relaxed);
        store_load_fence("ending");
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
        let (key, is_first) = self.deadlines.add(at, waker)?;
        if is_first {
            store_load_fence("deadline"); // partner in `wait`
            if self.wait_until.load(Ordering::Relaxed) > self.deadlines.earliest() {
                self.notify();
            }
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

    /// Waits as the lease allows, and completes.
    fn turn(&self, limit: Option<Duration>) {
        let mut buffers = self.buffer.lock();
        self.port.wait(&mut buffers.events, limit);
        self.turns.fetch_add(1, Ordering::Relaxed);
        let Buffers { events, due, done } = &mut *buffers;
        self.keys.for_each(events.ready.drain(..), |source, ready| {
            done.extend(source.set(ready).into_iter().flatten());
        });
        self.deadlines.take_due(due);
        // Callbacks are anybody's code; they run under no lock of a source or of the deadlines, but in the hands of
        // whoever has the poller. A callback that comes back to turn the poller finds it taken, and goes on.
        for done in done.drain(..) {
            done.complete(drop);
        }
        wake_all(due.drain(..));
    }
}

fn wake_all(wakers: impl IntoIterator<Item = Waker>) {
    for waker in wakers {
        let _ = catch_unwind(AssertUnwindSafe(|| waker.wake()));
    }
}

impl Driver for Reactor {
    fn lends(&self) -> bool {
        self.lends
    }

    fn look(&self) {
        if let Ok(_held) = self.lease.take(For::Look) {
            self.turn(Some(Duration::ZERO));
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
        // Announce how long the wait may last, then look again: a deadline that came in between is seen here, or its
        // maker sees the announcement and notifies.
        let mut limit = limit;
        self.wait_until.store(u64::MAX, Ordering::Relaxed);
        store_load_fence("deadline"); // partner in `add_deadline`
        if let Some(left) = self.deadlines.time_left() {
            limit = Some(limit.map_or(left, |limit| limit.min(left)));
            self.wait_until
                .store(self.deadlines.earliest(), Ordering::Relaxed);
        }
        self.turn(limit);
        self.wait_until.store(NOT_WAITING, Ordering::Relaxed);
        self.lease.give_back();
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

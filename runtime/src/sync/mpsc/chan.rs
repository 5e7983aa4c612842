//! What the two ends of a channel share: a queue under a lock, and the permits that bound it.
//!
//! A message needs a permit from when its sender got leave to send until it is received. The receiver takes the whole
//! queue at once (its *batch*) and hands the messages out without the lock. What it owes the senders meanwhile is one
//! number, [`Chan::freed`]: permits that nobody has collected. Whoever has the lock and needs permits collects them.
//!
//! send     M1 under the lock: enough permits? take them, push the message, take the receiver's waker · else collect, and
//!             serve those who wait, first come first served · else wait in the list
//!          M2 one waits: set WAITING in `freed`; a permit there? collect it
//! recv     M3 add 1 to `freed` · M4 WAITING was set: serve, under the lock
//! ahead    M5 under the lock, with the last message taken and a sender served: register for the next message at once
//!          M6 back for it, and nobody has taken the registration: wait, without the lock
//!
//! Why no sender waits beside a free permit: M2 and M3 are steps of one word. If M3 comes first, M2 sees the permit; else
//! M4 sees the flag, and takes the lock. So a receiver takes the lock once for each sender that waits, and then no more.
//! Why the receiver misses no message at M6: who sends takes the registration under the lock, says so in `ahead`, and wakes
//! the receiver's task after it. If the task has begun a poll for that wake, it sees `ahead` gone; if it sees an old value,
//! that poll is still to come. The price is a wake for nothing where the receiver does something else meanwhile, so it
//! registers ahead only when it had to wait for the message before.
//! [`Chan::settle`] lets go of the lock when it has a whole batch of wakers, so what was seen before it may not be so after.
//! Refused: permits that are held back until half the queue is drained. A sender would wait beside a receiver that
//! received one message and now waits for what that sender does next. And that a sender which was served serves the others
//! when it comes by: its task may not poll it, and wait for one of the others.
//! Models: `mpsc::model::a_freed_permit_serves_who_waits`, `mpsc::model::a_cancelled_send_passes_its_permit_on`,
//! `mpsc::model::the_last_sender_ends_the_stream`, `mpsc::model::messages_arrive_in_order`.

use std::collections::VecDeque;
use std::sync::Arc;
use std::task::Waker;

use crossbeam_utils::CachePadded;

use crate::sync::signal::Signal;
use crate::sync::waiters::{Locked, WaitList, Wakes, wake};
use crate::sync_prim::{AtomicBool, AtomicUsize, MODEL, Ordering, keep};
use crate::task::{Woken, begin_wake, clone_of_task, is_of_task};

/// A sender waits, and the receiver is to serve it.
const WAITING: usize = 1;
/// A permit in `freed`.
const ONE: usize = 2;

/// No bound, and no permits.
pub(super) const UNBOUNDED: usize = usize::MAX;

/// The most permits a bounded channel may have: as tokio's semaphore.
pub(super) const MAX_PERMITS: usize = usize::MAX >> 3;

pub(super) struct Chan<T> {
    pub(super) list: WaitList<State<T>, Want>,
    /// The receiver is registered since M5. Written under the lock.
    ahead: AtomicBool,
    /// Permits that the receiver gave back and nobody has collected, and WAITING.
    freed: CachePadded<AtomicUsize>,
    /// Raised once the receiver takes no more.
    pub(super) ended: Signal,
    senders: AtomicUsize,
    weak: AtomicUsize,
    pub(super) bound: usize,
}

pub(super) struct State<T> {
    pub(super) queue: VecDeque<T>,
    /// Free permits. 0 while somebody waits, but for the moments in which `settle` wakes a batch.
    pub(super) permits: usize,
    /// The next message wakes the receiver, or the end does.
    pub(super) waits: bool,
    /// How to wake it. A task's waker stays when it was used: a busy receiver is not counted in and out each time.
    pub(super) receiver: Option<Waker>,
    /// The receiver takes no more than what has a permit.
    pub(super) closed: bool,
    /// The receiver was dropped.
    pub(super) gone: bool,
    /// The last sender was dropped.
    pub(super) silent: bool,
}

/// What a sender waits for.
#[derive(Clone, Copy)]
pub(super) struct Want {
    pub(super) wanted: usize,
    /// Permits it has not got yet: 0 once it is served, all again if the channel was closed.
    pub(super) missing: usize,
}

pub(super) type Now<'a, T> = Locked<'a, State<T>, Want>;

/// The receiver takes no more.
pub(super) struct Closed;

/// What is owed to a receiver that waited.
#[must_use = "`make` it after the lock"]
enum Call {
    Nobody,
    Task(Woken),
    Other(Waker),
}

impl Call {
    #[inline]
    fn make(self) {
        match self {
            Call::Nobody => {}
            Call::Task(task) => task.queue(),
            Call::Other(waker) => wake(waker),
        }
    }
}

/// Why a message was not sent at once.
pub(super) enum Refused {
    Full,
    Closed,
}

// Nobody's code runs while the state is changed, so a panic leaves it whole.
impl<T> std::panic::UnwindSafe for Chan<T> {}
impl<T> std::panic::RefUnwindSafe for Chan<T> {}

impl<T> Chan<T> {
    pub(super) fn new(bound: usize) -> Arc<Chan<T>> {
        Arc::new(Chan {
            list: WaitList::new(State {
                queue: VecDeque::new(),
                permits: bound,
                waits: false,
                receiver: None,
                closed: false,
                gone: false,
                silent: false,
            }),
            ahead: AtomicBool::new(false),
            freed: CachePadded::new(AtomicUsize::new(0)),
            ended: Signal::new(false),
            senders: AtomicUsize::new(1),
            weak: AtomicUsize::new(0),
            bound,
        })
    }

    pub(super) fn is_bounded(&self) -> bool {
        self.bound != UNBOUNDED
    }

    /// Takes what the receiver has freed.
    #[inline]
    fn collect(&self, now: &mut Now<'_, T>) {
        // Ordering: Relaxed throughout: the word carries a number and a flag, what they are about goes by the lock.
        if self.freed.load(Ordering::Relaxed) >= ONE {
            now.permits += self.freed.fetch_and(WAITING, Ordering::Relaxed) / ONE;
        }
    }

    /// Collects, and serves those who wait; if some wait on, the receiver will serve them (M2).
    #[inline]
    pub(super) fn settle<'a>(&'a self, now: Now<'a, T>, wakes: &mut Wakes) -> Now<'a, T> {
        if self.is_settled(&now) {
            now
        } else {
            self.settle_up(now, wakes)
        }
    }

    /// True if there is nothing to collect, nobody to serve, and M2 is seen to. An old value does no harm: see M2.
    #[inline]
    fn is_settled(&self, now: &Now<'_, T>) -> bool {
        match self.freed.load(Ordering::Relaxed) {
            0 => now.is_empty(),
            WAITING => now.is_empty() || now.permits == 0,
            _ => false,
        }
    }

    // Apart, so that the look is inlined.
    #[inline(never)]
    fn settle_up<'a>(&'a self, mut now: Now<'a, T>, wakes: &mut Wakes) -> Now<'a, T> {
        loop {
            self.collect(&mut now);
            while now.permits > 0 {
                let permits = now.permits;
                let given = now.first(|want| {
                    let given = permits.min(want.missing);
                    want.missing -= given;
                    (given, want.missing == 0)
                });
                let Some((given, served)) = given else { break };
                now.permits -= given;
                if !served {
                    break;
                }
                if let Some(waker) = now.take_first(|_| ()) {
                    wakes.push(waker);
                }
                if wakes.is_full() {
                    drop(now);
                    wakes.wake_all();
                    now = self.list.lock();
                }
            }
            let freed = self.freed.load(Ordering::Relaxed);
            if now.is_empty() {
                if freed & WAITING != 0 {
                    self.freed.fetch_and(!WAITING, Ordering::Relaxed);
                }
                return now;
            }
            // M2, partner M3. An old value does no harm: who has cleared the flag since is about to take the lock.
            if freed == WAITING
                || !keep("mpsc_waiting")
                || self.freed.fetch_or(WAITING, Ordering::Relaxed) < ONE
            {
                return now;
            }
        }
    }

    /// Takes so many permits, if they are there for who asks now, and the channel is open. It may let go of the lock
    /// first, so whoever calls it looks afterwards whether the channel is closed.
    #[inline]
    pub(super) fn take_permits<'a>(
        &'a self,
        mut now: Now<'a, T>,
        wanted: usize,
        wakes: &mut Wakes,
    ) -> (Now<'a, T>, bool) {
        // Some may wait beside permits: `settle` lets go of the lock after each batch.
        if now.permits < wanted || !now.is_empty() {
            now = self.settle(now, wakes);
        }
        let enough = now.permits >= wanted && !now.closed;
        if enough {
            now.permits -= wanted;
        }
        (now, enough)
    }

    /// Takes permits without waiting.
    pub(super) fn try_acquire(&self, wanted: usize) -> Result<(), Refused> {
        let mut wakes = Wakes::new();
        let (now, enough) = self.take_permits(self.list.lock(), wanted, &mut wakes);
        match enough {
            true => Ok(()),
            false if now.closed => Err(Refused::Closed),
            false => Err(Refused::Full),
        }
    }

    /// Sends without waiting, whether bounded or not.
    #[inline]
    pub(super) fn try_send(&self, value: T) -> Result<(), (T, Refused)> {
        let mut wakes = Wakes::new();
        let mut now = self.list.lock();
        let mut enough = true;
        if self.is_bounded() {
            (now, enough) = self.take_permits(now, 1, &mut wakes);
        }
        if now.closed {
            drop(now);
            return Err((value, Refused::Closed));
        }
        if !enough {
            drop(now);
            return Err((value, Refused::Full));
        }
        self.push(now, value);
        Ok(())
    }

    /// Pushes the message, wakes the receiver, and gives the lock back. The permit is the caller's.
    #[inline]
    pub(super) fn push(&self, mut now: Now<'_, T>, value: T) {
        if now.gone {
            drop(now);
            return;
        }
        now.queue.push_back(value);
        let call = self.call_receiver(&mut now);
        drop(now);
        call.make();
    }

    /// Sends with a permit that the caller has.
    pub(super) fn send_permitted(&self, value: T) {
        self.push(self.list.lock(), value);
    }

    /// A permit comes back unused.
    pub(super) fn give_back(&self, permits: usize) {
        let mut wakes = Wakes::new();
        let mut now = self.list.lock();
        now.permits += permits;
        self.come_by(now, &mut wakes);
    }

    /// Serves the others, and tells the receiver if it was the last permit of a closed channel.
    pub(super) fn come_by<'a>(&'a self, mut now: Now<'a, T>, wakes: &mut Wakes) {
        if !now.is_empty() {
            now = self.settle(now, wakes);
        }
        let call = if self.is_idle(&now) {
            self.call_receiver(&mut now)
        } else {
            Call::Nobody
        };
        drop(now);
        call.make();
    }

    /// Wakes the receiver if it waits; the call is to be made after the lock.
    #[inline]
    fn call_receiver(&self, now: &mut Now<'_, T>) -> Call {
        if !std::mem::replace(&mut now.waits, false) {
            return Call::Nobody;
        }
        // Ordering: Relaxed throughout: written under the lock, and the wake that follows makes it known (M6).
        if self.ahead.load(Ordering::Relaxed) && keep("mpsc_ahead") {
            self.ahead.store(false, Ordering::Relaxed);
        }
        match &now.receiver {
            Some(task) if is_of_task(task) => begin_wake(task).map_or(Call::Nobody, Call::Task),
            _ => now.receiver.take().map_or(Call::Nobody, Call::Other),
        }
    }

    /// M5. True if `waker` is registered now; only the wakers of tasks are, which may be cloned under the lock.
    #[inline]
    pub(super) fn register_ahead(&self, now: &mut Now<'_, T>, waker: &Waker) -> bool {
        match &now.receiver {
            Some(known) if !known.will_wake(waker) => return false,
            Some(_) => {}
            // In a model all wakers are loom's.
            None if MODEL => now.receiver = Some(waker.clone()),
            None => now.receiver = clone_of_task(waker),
        }
        let registered = now.receiver.is_some();
        now.waits |= registered;
        self.ahead.store(registered, Ordering::Relaxed);
        registered
    }

    /// M6: what was registered ahead was not taken since.
    #[inline]
    pub(super) fn is_registered_ahead(&self) -> bool {
        self.ahead.load(Ordering::Relaxed)
    }

    /// True if the channel is closed and nothing more will be sent.
    pub(super) fn is_idle(&self, now: &State<T>) -> bool {
        let free = now.permits + self.freed.load(Ordering::Relaxed) / ONE;
        now.closed && (!self.is_bounded() || free == self.bound)
    }

    /// M3 and M4.
    #[inline]
    pub(super) fn free(&self, permits: usize) {
        if self.is_bounded() {
            let before = self.freed.fetch_add(permits * ONE, Ordering::Relaxed);
            if before & WAITING != 0 {
                self.serve();
            }
        }
    }

    /// M4.
    #[cold]
    fn serve(&self) {
        self.freed.fetch_and(!WAITING, Ordering::Relaxed);
        let mut wakes = Wakes::new();
        drop(self.settle(self.list.lock(), &mut wakes));
    }

    /// What can be sent now without waiting.
    pub(super) fn capacity(&self) -> usize {
        let mut wakes = Wakes::new();
        self.settle(self.list.lock(), &mut wakes).permits
    }

    pub(super) fn is_closed(&self) -> bool {
        self.list.lock().closed
    }

    pub(super) fn statistics(&self) -> crate::sync::Statistics {
        self.list.statistics()
    }

    /// The receiver takes no more.
    pub(super) fn close(&self) {
        let mut wakes = Wakes::new();
        let mut now = self.list.lock();
        if std::mem::replace(&mut now.closed, true) {
            return;
        }
        loop {
            let mut held = 0;
            let waker = now.take_first(|want| {
                held = want.wanted - want.missing;
                want.missing = want.wanted;
            });
            let Some(waker) = waker else { break };
            now.permits += held;
            wakes.push(waker);
            if wakes.is_full() {
                drop(now);
                wakes.wake_all();
                now = self.list.lock();
            }
        }
        drop(now);
        drop(wakes);
        self.ended.raise();
    }

    pub(super) fn strong_count(&self) -> usize {
        self.senders.load(Ordering::Relaxed)
    }

    pub(super) fn weak_count(&self) -> usize {
        self.weak.load(Ordering::Relaxed)
    }
}

/// A counted sender.
pub(super) struct Tx<T>(Arc<Chan<T>>);

/// A counted weak sender.
pub(super) struct Weak<T>(Arc<Chan<T>>);

impl<T> std::ops::Deref for Tx<T> {
    type Target = Chan<T>;
    #[inline]
    fn deref(&self) -> &Chan<T> {
        &self.0
    }
}

impl<T> std::ops::Deref for Weak<T> {
    type Target = Chan<T>;
    fn deref(&self) -> &Chan<T> {
        &self.0
    }
}

impl<T> Tx<T> {
    /// The first sender of a new channel.
    pub(super) fn first(chan: Arc<Chan<T>>) -> Tx<T> {
        Tx(chan)
    }

    pub(super) fn downgrade(&self) -> Weak<T> {
        self.weak.fetch_add(1, Ordering::Relaxed);
        Weak(self.0.clone())
    }

    pub(super) fn same_channel(&self, other: &Tx<T>) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl<T> Clone for Tx<T> {
    fn clone(&self) -> Tx<T> {
        // Ordering: Relaxed: this sender keeps the count above 0.
        self.senders.fetch_add(1, Ordering::Relaxed);
        Tx(self.0.clone())
    }
}

impl<T> Drop for Tx<T> {
    fn drop(&mut self) {
        // Ordering: AcqRel with itself: the last one has the lock after all others. That it saw them leave tells a lock nothing.
        if self.senders.fetch_sub(1, Ordering::AcqRel) == 1 {
            let mut now = self.list.lock();
            now.silent = true;
            let call = self.call_receiver(&mut now);
            drop(now);
            call.make();
        }
    }
}

impl<T> Weak<T> {
    pub(super) fn upgrade(&self) -> Option<Tx<T>> {
        let more = |count| (count > 0).then_some(count + 1);
        let relaxed = Ordering::Relaxed;
        let counted = self.senders.fetch_update(relaxed, relaxed, more);
        counted.ok().map(|_| Tx(self.0.clone()))
    }
}

impl<T> Clone for Weak<T> {
    fn clone(&self) -> Weak<T> {
        self.weak.fetch_add(1, Ordering::Relaxed);
        Weak(self.0.clone())
    }
}

impl<T> Drop for Weak<T> {
    fn drop(&mut self) {
        self.weak.fetch_sub(1, Ordering::Relaxed);
    }
}

//! The lock of a mutex, without its value: one holder, and a line of those who wait.
//!
//! | LOCKED | WAITING | WOKEN | what it means                                                                  |
//! |--------|---------|-------|--------------------------------------------------------------------------------|
//! | 0      | 0       | 0     | free                                                                           |
//! | 1      | 0       | 0     | held, nobody waits: unlocking is one step                                      |
//! | 1      | 1       | 0     | held, and the unlock owes somebody its turn: the list has waiters               |
//! | any    | any     | 1     | barging only: a waiter is awake and will look at the lock; an unlock owes none  |
//!
//! Fair: `unlock` gives the lock to the first waiter (LOCKED stays), so the lock goes round in the order of arrival, and who
//! comes while somebody waits, waits. Barging: `unlock` frees the lock and wakes the first waiter, who competes with
//! whoever comes; a loser goes back to the front, and after [`LOSSES`] losses the lock is given to it as if it were fair.
//!
//! WAITING changes with the list's lock held only. WOKEN belongs to one waiter: it goes when that takes the lock, or goes back
//! to the list, in the same step as its look at LOCKED; or with its drop, which wakes the next. So there is always
//! somebody who owes the waiters a wake: a holder, or the woken one. Models: `sync::model::one_holder_at_a_time`,
//! `sync::model::one_holder_at_a_time_barging`, `sync::model::a_lock_given_to_one_who_goes_passes_on`,
//! `sync::model::a_wake_given_to_one_who_goes_passes_on`,
//! `sync::model::what_is_freed_while_one_waits_carries_what_was_written`.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, Waker, ready};

use pin_project_lite::pin_project;

use super::Statistics;
use super::waiters::{Locked, Node, Phase, WaitList, wake};
use super::watch_dog::{self, Dog, Holder, WATCHES, Whose};
use crate::budget::{has_budget_remaining, poll_left, spend};
use crate::sync_prim::{AtomicUsize, MODEL, Ordering, const_fn, keep, ordering};

const LOCKED: usize = 1;
const WAITING: usize = 2;
const WOKEN: usize = 4;

/// How often a waiter may lose to one who barges before the lock is given to it. Unit: losses. Fewer: more hand-overs, each
/// a switch of tasks; more: a longer wait for the unlucky.
const LOSSES: u8 = if MODEL { 1 } else { 16 };

/// The head of this file.
pub(super) struct RawMutex {
    word: AtomicUsize,
    barging: bool,
    holder: Holder,
    waiters: WaitList<Dog, Turn>,
}

/// What a waiter and an unlock tell each other.
struct Turn {
    /// The lock is the waiter's; else it was woken to look for itself.
    owns: bool,
    losses: u8,
    whose: Whose,
}

/// Somebody holds the lock.
struct Held;

impl RawMutex {
    const_fn! {
        pub(super) const fn new(barging: bool) -> RawMutex {
            RawMutex {
                word: AtomicUsize::new(0),
                barging,
                holder: Holder::new(),
                waiters: WaitList::new(Dog::new()),
            }
        }
    }

    /// True if the caller holds the lock now.
    #[inline]
    pub(super) fn try_lock(&self) -> bool {
        let taken = self.take(WOKEN).is_ok();
        if taken {
            self.holder.set();
        }
        taken
    }

    /// Takes the lock if it is free; of the flags, WAITING and `kept` stay.
    #[inline]
    fn take(&self, kept: usize) -> Result<(), Held> {
        let mut now = 0;
        loop {
            // Ordering: Acquire <- the Release in `unlock`: the holder sees what the last one did.
            match self.word.compare_exchange(
                now,
                now & (WAITING | kept) | LOCKED,
                ordering("mutex_take", Ordering::Acquire),
                Ordering::Relaxed,
            ) {
                Ok(_) => return Ok(()),
                Err(other) if other & LOCKED != 0 => return Err(Held),
                Err(other) => now = other,
            }
        }
    }

    #[inline]
    pub(super) fn lock(&self) -> Lock<'_> {
        Lock {
            mutex: self,
            has_it: false,
            node: Node::new(Turn {
                owns: false,
                losses: 0,
                whose: Whose::mine(),
            }),
        }
    }

    /// The caller holds the lock, and does no more.
    #[inline]
    pub(super) fn unlock(&self) {
        self.holder.clear();
        let mut now = LOCKED;
        while now & WAITING == 0 || now & WOKEN != 0 {
            // Ordering: Release -> the Acquire in `take`.
            match self.word.compare_exchange(
                now,
                now & !LOCKED,
                ordering("mutex_unlock", Ordering::Release),
                Ordering::Relaxed,
            ) {
                Ok(_) => return,
                Err(other) => now = other,
            }
        }
        self.unlock_slow();
    }

    #[cold]
    fn unlock_slow(&self) {
        let mut locked = self.waiters.lock();
        // WOKEN is 0, as `unlock` saw it: only a holder sets it. The waiters may have gone meanwhile.
        let (waker, change) = match locked.first(|turn| turn.losses >= LOSSES) {
            None => (None, LOCKED),
            Some(is_due) if self.barging && !is_due => {
                (RawMutex::give(&mut locked, false), LOCKED | WOKEN)
            }
            Some(_) => (RawMutex::give(&mut locked, true), 0),
        };
        let was_last = waker.is_some() && locked.is_empty();
        // Ordering: Release -> the Acquire in `take`, if it is freed. A waiter that owns it sees the unlock by its phase.
        self.word.fetch_xor(
            change | if was_last { WAITING } else { 0 },
            ordering("mutex_free", Ordering::Release),
        );
        drop(locked);
        wake(waker);
    }

    /// Takes the first waiter out: it owns the lock, or is woken to look at it.
    fn give(locked: &mut Locked<'_, Dog, Turn>, owns: bool) -> Option<Waker> {
        let mut whose = None;
        let waker = locked.take_first(|turn| {
            turn.owns = owns;
            whose = Some(turn.whose);
        });
        whose.into_iter().for_each(|whose| locked.given(whose));
        waker
    }

    /// Takes the lock, or sets WAITING: then the caller, who has the list's lock, must wait. A woken one ceases to be so.
    fn claim(&self, is_woken: bool, _locked: &Locked<'_, Dog, Turn>) -> bool {
        let kept = if is_woken { 0 } else { WOKEN };
        let mut now = self.word.load(Ordering::Relaxed);
        loop {
            let is_free = now & LOCKED == 0;
            let waiting = if is_free { now & WAITING } else { WAITING };
            // Ordering: Acquire, as in `take`.
            match self.word.compare_exchange(
                now,
                now & kept | waiting | LOCKED,
                ordering("mutex_claim", Ordering::Acquire),
                Ordering::Relaxed,
            ) {
                Ok(_) => return is_free,
                Err(other) => now = other,
            }
        }
    }

    pub(super) fn statistics(&self) -> Statistics {
        self.waiters.statistics()
    }
}

pin_project! {
    /// Waits for the lock. It is the caller's to unlock once this is ready.
    #[must_use = "futures do nothing unless you `.await` or poll them"]
    pub(super) struct Lock<'a> {
        mutex: &'a RawMutex,
        // It has the lock, and its task was out of budget when it came for it; the node is idle.
        has_it: bool,
        // Idle: nothing is owed. Linked: it waits. Taken: it owns the lock, or the others' wake.
        #[pin]
        node: Node<Turn>,
    }

    impl PinnedDrop for Lock<'_> {
        fn drop(this: Pin<&mut Self>) {
            if this.has_it {
                this.mutex.unlock();
            } else if this.node.phase() != Phase::Idle {
                this.give_up();
            }
        }
    }
}

impl Lock<'_> {
    /// The waiter goes, and what it was given goes to others.
    #[cold]
    fn give_up(self: Pin<&mut Self>) {
        let mut this = self.project();
        let mutex = *this.mutex;
        let mut locked = mutex.waiters.lock();
        let removed = locked.remove(this.node.as_mut());
        let mut gone = 0;
        let mut next = None;
        if removed.is_none() {
            let owns = this.node.as_mut().data(|turn| turn.owns);
            this.node.reset();
            locked.arrived();
            if owns {
                drop(locked);
                if keep("mutex_pass_lock") {
                    mutex.unlock();
                }
                return;
            }
            if keep("mutex_pass_wake") {
                next = RawMutex::give(&mut locked, false);
            }
            if next.is_none() {
                gone |= WOKEN;
            }
        }
        if locked.is_empty() {
            gone |= WAITING;
        }
        // Ordering: Relaxed: nobody sees anything by it.
        mutex.word.fetch_and(!gone, Ordering::Relaxed);
        drop(locked);
        wake(next);
        drop(removed);
    }

    fn poll_slow(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let mut this = self.project();
        let mutex = *this.mutex;
        let mut is_woken = false;
        match mutex.waiters.refresh(this.node.as_mut(), context) {
            Phase::Linked => {
                mutex.watch();
                return Poll::Pending;
            }
            Phase::Idle => {}
            Phase::Taken => {
                if WATCHES {
                    mutex.waiters.lock().arrived();
                }
                let owns = this.node.as_mut().data(|turn| turn.owns);
                if owns || mutex.take(0).is_ok() {
                    this.node.reset();
                    return Poll::Ready(());
                }
                is_woken = true;
            }
        }
        // If this panics, the node is as it was, and its drop wakes the next.
        let waker = context.waker().clone();
        if is_woken {
            let more = |turn: &mut Turn| turn.losses = turn.losses.saturating_add(1);
            this.node.as_mut().data(more);
            this.node.as_mut().reset();
        }
        let mut locked = mutex.waiters.lock();
        if mutex.claim(is_woken, &locked) {
            return Poll::Ready(());
        }
        if is_woken {
            locked.push_front(this.node, waker);
        } else {
            locked.push_back(this.node, waker);
        }
        drop(locked);
        mutex.holder.tell_if_me("Mutex");
        mutex.watch();
        Poll::Pending
    }
}

impl Future for Lock<'_> {
    type Output = ();

    #[inline]
    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        if !self.has_it {
            if !has_budget_remaining() && self.mutex.word.load(Ordering::Relaxed) & LOCKED == 0 {
                // It would hold the lock until it comes again; others may have it meanwhile.
                ready!(poll_left(context));
            }
            if self.node.phase() != Phase::Idle || self.mutex.take(WOKEN).is_err() {
                ready!(self.as_mut().poll_slow(context));
            }
        }
        // Last, so that a task without budget has its place in the line all the same.
        let this = self.project();
        *this.has_it = true;
        ready!(poll_left(context));
        spend();
        *this.has_it = false;
        this.mutex.holder.set();
        Poll::Ready(())
    }
}

impl RawMutex {
    #[cfg(all(test, not(filch_loom)))]
    #[cfg(debug_assertions)]
    pub(super) fn dog(&self, f: impl FnOnce(&mut Dog)) {
        f(&mut self.waiters.lock());
    }

    /// Tells of a waiter that was given the lock and does not come for it.
    #[inline]
    fn watch(&self) {
        if WATCHES {
            let overdue = self.waiters.lock().overdue();
            watch_dog::tell_overdue("a `Mutex`", overdue);
        }
    }
}

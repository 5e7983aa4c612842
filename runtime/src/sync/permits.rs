//! Permits that are counted, taken and given back; who finds too few waits in line.
//!
//! One word holds the free permits and two flags. Promise: permits go to the waiters in the order in which they came,
//! and no permit is free while somebody waits; so a wish for many is not starved by wishes for few.
//!
//! | free permits | WAITING | CLOSED | what it means                                                     |
//! |--------------|---------|--------|-------------------------------------------------------------------|
//! | any          | 0       | 0      | nobody waits: one step takes, one step gives back                 |
//! | 0            | 1       | 0      | the first waiter has all that came so far, and lacks some         |
//! | any          | 0       | 1      | no more are given out; they may still be given back               |
//!
//! Edges without the lock: take (free − n; not if CLOSED), give (free + n; only while WAITING is 0), forget. With the lock of
//! the list: `claim` (a waiter takes what is free, and WAITING), `hand_out` (the last waiter has all it wants: WAITING
//! goes, and the rest is free), `close`. While WAITING is set nothing changes without the lock: there is nothing to take.
//!
//! A waiter that was given all it wanted holds its permits though its task has not run yet; dropped then, or with a part
//! of what it wanted, it gives them back. Models: `sync::model::permits_carry_what_was_written`,
//! `sync::model::a_waiter_that_goes_passes_its_permits_on`, `sync::model::a_closed_end_wakes_all`, `sync::model::a_part_is_seen_whole`,
//! `sync::model::what_is_left_carries_what_was_written`.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use pin_project_lite::pin_project;

use super::waiters::{Locked, Node, Phase, WaitList, Wakes};
use super::watch_dog::{self, Dog, Holder, WATCHES, Whose};
use super::{AcquireError, Statistics, TryAcquireError};
use crate::budget::{has_budget_remaining, poll_left, spend};
use crate::sync_prim::{AtomicUsize, Ordering, const_fn, keep, ordering};

const CLOSED: usize = 1;
const WAITING: usize = 2;
const SHIFT: u32 = 2;

/// The most permits that fit. A third bit is kept free, as in tokio, whose limit it is.
pub(super) const MAX_PERMITS: usize = usize::MAX >> 3;

/// The head of this file.
pub(super) struct Permits {
    word: AtomicUsize,
    /// Who has all permits of a lock, and writes.
    pub(super) writer: Holder,
    waiters: WaitList<Dog, Wish>,
}

/// What a waiter tells whoever has permits.
struct Wish {
    /// How many permits it still lacks.
    lacks: usize,
    whose: Whose,
}

#[inline]
#[track_caller]
fn assert_possible(count: usize) {
    assert!(
        count <= MAX_PERMITS,
        "a semaphore may not have more than MAX_PERMITS permits ({MAX_PERMITS})",
    );
}

/// What became of a claim.
enum Claim {
    Taken,
    Closed,
    /// All that was free is taken, and this many are lacking: the caller must wait.
    Lacks(usize),
}

impl Permits {
    const_fn! {
        /// # Panics
        /// If there are more than [`MAX_PERMITS`].
        #[track_caller]
        pub(super) const fn new(permits: usize) -> Permits {
            assert!(
                permits <= MAX_PERMITS,
                "a semaphore may not have more than MAX_PERMITS permits",
            );
            Permits {
                word: AtomicUsize::new(permits << SHIFT),
                writer: Holder::new(),
                waiters: WaitList::new(Dog::new()),
            }
        }
    }

    const_fn! {
        pub(super) const fn new_closed() -> Permits {
            Permits {
                word: AtomicUsize::new(CLOSED),
                writer: Holder::new(),
                waiters: WaitList::new(Dog::new()),
            }
        }
    }

    pub(super) fn available(&self) -> usize {
        self.word.load(Ordering::Acquire) >> SHIFT
    }

    pub(super) fn is_closed(&self) -> bool {
        self.word.load(Ordering::Acquire) & CLOSED != 0
    }

    /// Who is told of the close sees what was done before it.
    #[cold]
    fn see_close(&self) {
        // Ordering: Acquire <- the Release in `close`.
        let _ = self
            .word
            .load(ordering("permits_closed", Ordering::Acquire));
    }

    pub(super) fn statistics(&self) -> Statistics {
        self.waiters.statistics()
    }

    /// Takes `count` free permits.
    ///
    /// # Panics
    /// If there can never be so many.
    #[inline]
    #[track_caller]
    pub(super) fn try_acquire(&self, count: usize) -> Result<(), TryAcquireError> {
        assert_possible(count);
        let mut now = self.word.load(Ordering::Relaxed);
        loop {
            if now & CLOSED != 0 {
                self.see_close();
                return Err(TryAcquireError::Closed);
            }
            if now >> SHIFT < count {
                return Err(TryAcquireError::NoPermits);
            }
            // Ordering: Acquire <- the Release in `try_release`: who takes a permit sees what was done under it.
            match self.word.compare_exchange_weak(
                now,
                now - (count << SHIFT),
                ordering("permits_take", Ordering::Acquire),
                Ordering::Relaxed,
            ) {
                Ok(_) => return Ok(()),
                Err(other) => now = other,
            }
        }
    }

    /// Waits for `count` permits.
    ///
    /// # Panics
    /// As [`try_acquire`](Self::try_acquire).
    #[inline]
    pub(super) fn acquire(&self, count: usize) -> Acquire<'_> {
        assert_possible(count);
        Acquire {
            permits: self,
            count,
            has_all: false,
            node: Node::new(Wish {
                lacks: count,
                whose: Whose::mine(),
            }),
        }
    }

    /// Gives permits to those who wait, and what is left to anyone.
    ///
    /// # Panics
    /// If there would be more than [`MAX_PERMITS`].
    #[inline]
    #[track_caller]
    pub(super) fn release(&self, count: usize) {
        if count > 0 && !self.try_release(count) {
            self.release_slow(count);
        }
    }

    /// Gives permits back if nobody waits.
    #[inline]
    #[track_caller]
    fn try_release(&self, count: usize) -> bool {
        let mut now = self.word.load(Ordering::Relaxed);
        loop {
            if now & WAITING != 0 {
                return false;
            }
            assert!(
                count <= MAX_PERMITS - (now >> SHIFT),
                "number of added permits ({count}) would overflow MAX_PERMITS ({MAX_PERMITS})",
            );
            // Ordering: Release -> the Acquire in `try_acquire` and `claim`. `compare_exchange`, since this is the way of
            // an unlock: it should not fail for nothing.
            match self.word.compare_exchange(
                now,
                now + (count << SHIFT),
                ordering("permits_give", Ordering::Release),
                Ordering::Relaxed,
            ) {
                Ok(_) => return true,
                Err(other) => now = other,
            }
        }
    }

    #[cold]
    #[track_caller]
    fn release_slow(&self, count: usize) {
        assert_possible(count);
        let mut left = count;
        while left > 0 {
            let locked = self.waiters.lock();
            // WAITING changes under the lock only, so it is stable now.
            if self.word.load(Ordering::Relaxed) & WAITING == 0 {
                drop(locked);
                if self.try_release(left) {
                    return;
                }
            } else {
                left = self.hand_out(locked, left);
            }
        }
    }

    /// Hands permits to the waiters in order, one batch of them at most. The answer is what is still in hand. WAITING is set.
    fn hand_out(&self, mut locked: Locked<'_, Dog, Wish>, mut left: usize) -> usize {
        let mut wakes = Wakes::new();
        while !wakes.is_full() {
            let has_all = locked.first(|wish| {
                let given = wish.lacks.min(left);
                wish.lacks -= given;
                left -= given;
                (wish.lacks == 0).then_some(wish.whose)
            });
            let Some(Some(whose)) = has_all else {
                break;
            };
            locked.given(whose);
            let taken = locked.take_first(|_| ());
            taken.into_iter().for_each(|waker| wakes.push(waker));
        }
        if locked.is_empty() {
            // Ordering: Release -> the Acquire in `try_acquire` and `claim`, as in `try_release`: the rest goes free.
            self.word.fetch_add(
                (left << SHIFT).wrapping_sub(WAITING),
                ordering("permits_rest", Ordering::Release),
            );
            left = 0;
        }
        drop(locked);
        wakes.wake_all();
        left
    }

    /// Takes `count` permits, or all that are free: then WAITING is set, and the caller, who has the lock, must wait.
    fn claim(&self, count: usize, _locked: &Locked<'_, Dog, Wish>) -> Claim {
        let mut now = self.word.load(Ordering::Relaxed);
        loop {
            if now & CLOSED != 0 {
                self.see_close();
                return Claim::Closed;
            }
            let free = now >> SHIFT;
            let (next, answer) = if free >= count {
                (now - (count << SHIFT), Claim::Taken)
            } else {
                (WAITING, Claim::Lacks(count - free))
            };
            // Ordering: Acquire, as in `try_acquire`.
            match self.word.compare_exchange(
                now,
                next,
                ordering("permits_claim", Ordering::Acquire),
                Ordering::Relaxed,
            ) {
                Ok(_) => return answer,
                Err(other) => now = other,
            }
        }
    }

    /// Takes up to `count` free permits out of the world. The answer is how many.
    pub(super) fn forget(&self, count: usize) -> usize {
        let mut now = self.word.load(Ordering::Relaxed);
        loop {
            let gone = count.min(now >> SHIFT);
            let next = now - (gone << SHIFT);
            // Ordering: Acquire, as in `try_acquire`.
            match self
                .word
                .compare_exchange_weak(now, next, Ordering::Acquire, Ordering::Relaxed)
            {
                Ok(_) => return gone,
                Err(other) => now = other,
            }
        }
    }

    /// No more permits are given out; all who wait are woken, and what they had is given back.
    pub(super) fn close(&self) {
        let mut wakes = Wakes::new();
        let mut locked = self.waiters.lock();
        // Ordering: Release -> the Acquire in `is_closed` and `see_close`.
        let before = self
            .word
            .fetch_or(CLOSED, ordering("permits_close", Ordering::Release));
        if before & WAITING == 0 {
            return;
        }
        loop {
            while !wakes.is_full() && !locked.is_empty() {
                locked
                    .take_first(|_| ())
                    .into_iter()
                    .for_each(|w| wakes.push(w));
            }
            if locked.is_empty() {
                // Ordering: Relaxed: nobody gets anything by it.
                self.word.fetch_and(!WAITING, Ordering::Relaxed);
                return;
            }
            drop(locked);
            wakes.wake_all();
            // Newcomers are sent away now, but others may have taken some out.
            locked = self.waiters.lock();
        }
    }
}

impl Permits {
    #[cfg(all(test, not(filch_loom)))]
    #[cfg(debug_assertions)]
    pub(super) fn dog(&self, f: impl FnOnce(&mut Dog)) {
        f(&mut self.waiters.lock());
    }

    /// Tells of a waiter that was given all it wanted and does not come for it.
    #[inline]
    fn watch(&self) {
        if WATCHES {
            let overdue = self.waiters.lock().overdue();
            watch_dog::tell_overdue("a `RwLock`, or a permit of a `Semaphore`,", overdue);
        }
    }
}

pin_project! {
    /// Waits for permits. They are the caller's to give back once it is ready.
    #[must_use = "futures do nothing unless you `.await` or poll them"]
    pub(super) struct Acquire<'a> {
        permits: &'a Permits,
        count: usize,
        // It has all it wanted, and its task was out of budget when it came for them; the node is idle.
        has_all: bool,
        // Idle: nothing is held. Linked: it holds what it does not lack. Taken: the same, or the end is closed.
        #[pin]
        node: Node<Wish>,
    }

    impl PinnedDrop for Acquire<'_> {
        fn drop(this: Pin<&mut Self>) {
            if this.has_all {
                this.permits.release(this.count);
            } else if this.node.phase() != Phase::Idle {
                this.give_up();
            }
        }
    }
}

impl Acquire<'_> {
    /// The waiter goes, and what it holds goes to others.
    #[cold]
    fn give_up(self: Pin<&mut Self>) {
        let mut this = self.project();
        let permits = *this.permits;
        let mut locked = permits.waiters.lock();
        let waker = locked.remove(this.node.as_mut());
        let held = this.node.as_mut().data(|wish| *this.count - wish.lacks);
        let left = if waker.is_some() {
            permits.hand_out(locked, if keep("permits_give_up") { held } else { 0 })
        } else {
            locked.arrived();
            drop(locked);
            this.node.reset();
            held
        };
        permits.release(left);
        drop(waker);
    }
}

impl Future for Acquire<'_> {
    type Output = Result<(), AcquireError>;

    #[inline]
    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        if !self.has_all {
            if !has_budget_remaining() && self.permits.available() >= self.count {
                // It would hold them until it comes again; others may have them meanwhile.
                ready!(poll_left(context));
            }
            ready!(self.as_mut().poll_acquire(context))?;
        }
        // Last, so that a task without budget has its place in the line all the same.
        let has_all = self.project().has_all;
        *has_all = true;
        ready!(poll_left(context));
        spend();
        *has_all = false;
        Poll::Ready(Ok(()))
    }
}

impl Acquire<'_> {
    #[inline]
    fn poll_acquire(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Result<(), AcquireError>> {
        if self.node.phase() == Phase::Idle {
            match self.permits.try_acquire(self.count) {
                Ok(()) => return Poll::Ready(Ok(())),
                Err(TryAcquireError::Closed) => return Poll::Ready(Err(AcquireError::closed())),
                Err(TryAcquireError::NoPermits) => {}
            }
        }
        self.poll_slow(context)
    }
}

impl Acquire<'_> {
    fn poll_slow(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Result<(), AcquireError>> {
        let mut this = self.as_mut().project();
        let permits = *this.permits;
        match permits.waiters.refresh(this.node.as_mut(), context) {
            Phase::Linked => {
                permits.watch();
                Poll::Pending
            }
            Phase::Idle => {
                let waker = context.waker().clone();
                let mut locked = permits.waiters.lock();
                match permits.claim(*this.count, &locked) {
                    Claim::Taken => Poll::Ready(Ok(())),
                    Claim::Closed => Poll::Ready(Err(AcquireError::closed())),
                    Claim::Lacks(lacks) => {
                        this.node.as_mut().data(|wish| wish.lacks = lacks);
                        locked.push_back(this.node, waker);
                        drop(locked);
                        permits.writer.tell_if_me("RwLock");
                        permits.watch();
                        Poll::Pending
                    }
                }
            }
            // What a waiter got before the end was closed goes back, as in tokio.
            Phase::Taken if permits.is_closed() => {
                self.give_up();
                Poll::Ready(Err(AcquireError::closed()))
            }
            Phase::Taken => {
                if WATCHES {
                    permits.waiters.lock().arrived();
                }
                this.node.reset();
                Poll::Ready(Ok(()))
            }
        }
    }
}

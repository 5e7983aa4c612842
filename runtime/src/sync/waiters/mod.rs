//! The wait list: who waits for a primitive, in the order in which they came.
//!
//! A waiter is a [`Node`] inside the future that waits, so waiting allocates nothing. A [`WaitList`] is a lock around
//! what the primitive keeps for its slow path and around the ends of the list. Promises: a node leaves the list once,
//! by [`Locked::take_first`] (the list's side) or by [`Locked::remove`] (the future's side); what the taker wrote into
//! the node is seen by the future without a lock; and nobody's waker runs under the lock.
//!
//! | phase  | the inside of the node belongs to | the way out                                              |
//! |--------|-----------------------------------|----------------------------------------------------------|
//! | idle   | the future                        | `push_back`, `push_front`: linked                        |
//! | linked | who holds the lock of the list    | `take_first`, `take_last`: taken; `remove`: idle         |
//! | taken  | the future                        | `reset`: idle                                            |
//!
//! Why the functions are safe, whatever the caller does: a node is pinned, so its memory stays until it is dropped;
//! the drop of a linked node aborts the process (a future takes its node out in its own drop, before); a node knows
//! which list it is in, and every function that is given one compares; a list that is dropped lets its nodes go.
//!
//! Wakers are cloned before the lock is taken, collected under it by the batch ([`Wakes`]) and woken after it. One that
//! panics ends in the panic hook, and the others are woken all the same. Models:
//! `waiters::model::a_hand_over_is_seen_whole`, `waiters::model::a_waiter_leaves_once`.

use std::marker::PhantomPinned;
use std::mem::MaybeUninit;
use std::ops::{Deref, DerefMut};
use std::pin::Pin;
use std::ptr::NonNull;
use std::task::{Context, Waker};

use crate::job::quietly;
use crate::sync_prim::{
    AtomicUsize, MODEL, Mutex, MutexGuard, Ordering, UnsafeCell, const_fn, ordering,
};

const IDLE: usize = 0;
const TAKEN: usize = 1;

/// Where a node is in its life: the table above.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    Idle,
    Linked,
    Taken,
}

/// A waiter: what the future and the list tell each other is in `N`.
pub(super) struct Node<N> {
    /// `IDLE`, `TAKEN`, or where the list is that it is linked to.
    place: AtomicUsize,
    inside: UnsafeCell<Inside<N>>,
    _pin: PhantomPinned,
}

struct Inside<N> {
    data: N,
    /// There while the node is linked. So a node that never waits is made by writing two words.
    links: MaybeUninit<Links<N>>,
}

struct Links<N> {
    waker: Waker,
    /// Where it came in the order of all that ever waited.
    ticket: u64,
    before: Link<N>,
    after: Link<N>,
}

type Link<N> = Option<NonNull<Node<N>>>;

// SAFETY: the inside is used by one thread at a time, the future's or the one with the list's lock, and each edge of the
// table orders the one after the other; so it moves between threads, and all of it may: the data by this bound, a waker
// always, the links because what they lead to is used under the lock only.
unsafe impl<N: Send> Send for Node<N> {}
// SAFETY: `&Node` gives the phase, which is an atomic, and nothing else: all the rest wants `Pin<&mut Node>` or the lock.
unsafe impl<N: Send> Sync for Node<N> {}

impl<N> Node<N> {
    const_fn! {
        pub(super) const fn new(data: N) -> Node<N> {
            Node {
                place: AtomicUsize::new(IDLE),
                inside: UnsafeCell::new(Inside {
                    data,
                    links: MaybeUninit::uninit(),
                }),
                _pin: PhantomPinned,
            }
        }
    }

    #[inline]
    pub(super) fn phase(&self) -> Phase {
        // Ordering: Acquire <- the Release in `unlink`: the future sees what the taker wrote into the node.
        match self.place.load(ordering("waiter_phase", Ordering::Acquire)) {
            IDLE => Phase::Idle,
            TAKEN => Phase::Taken,
            _list => Phase::Linked,
        }
    }

    /// The data of a node that is in no list.
    ///
    /// # Panics
    /// If it is in one: then the list's lock is needed, see [`Locked::data`].
    pub(super) fn data<R>(self: Pin<&mut Self>, f: impl FnOnce(&mut N) -> R) -> R {
        assert!(self.phase() != Phase::Linked, "the waiter is in a list");
        self.inside.with_mut(|inside| {
            // SAFETY: the phase is idle or taken, so by the table the inside is the future's, and `self` is the future's
            // only reference to the node. No list makes it linked but by a `Pin<&mut Self>`.
            f(unsafe { &mut (*inside).data })
        })
    }

    /// Makes a taken node idle, so that it can wait again.
    ///
    /// # Panics
    /// If it is in a list.
    pub(super) fn reset(self: Pin<&mut Self>) {
        assert!(self.phase() != Phase::Linked, "the waiter is in a list");
        // Ordering: Relaxed: nobody but the future looks at a node that is in no list.
        self.place.store(IDLE, Ordering::Relaxed);
    }
}

impl<N> Drop for Node<N> {
    #[inline]
    fn drop(&mut self) {
        if self.phase() == Phase::Linked {
            // The list would go on to use the memory.
            eprintln!(
                "filch: a waiter was dropped while it was in a wait list; please report this"
            );
            std::process::abort();
        }
    }
}

/// The waiters of one primitive, and under the same lock its state `S`.
pub(super) struct WaitList<S, N> {
    inner: Mutex<Inner<S, N>>,
}

struct Inner<S, N> {
    state: S,
    first: Link<N>,
    last: Link<N>,
    waiters: usize,
    most_waiters: usize,
    next_ticket: u64,
}

// SAFETY: the links lead to nodes, whose data is Send; they are followed under the lock only, and what is linked is alive.
unsafe impl<S: Send, N: Send> Send for Inner<S, N> {}

impl<S, N> WaitList<S, N> {
    const_fn! {
        pub(super) const fn new(state: S) -> WaitList<S, N> {
            WaitList {
                inner: Mutex::new(Inner {
                    state,
                    first: None,
                    last: None,
                    waiters: 0,
                    most_waiters: 0,
                    next_ticket: 1,
                }),
            }
        }
    }

    /// Nobody's code may run while the answer lives: wakers are cloned before, and woken and dropped after.
    #[inline]
    pub(super) fn lock(&self) -> Locked<'_, S, N> {
        Locked {
            inner: self.inner.lock(),
            list: self.identity(),
        }
    }

    fn identity(&self) -> usize {
        std::ptr::from_ref(self).addr()
    }

    /// Has a node that is still linked wake this task from now on. The answer is the phase after that.
    pub(super) fn refresh(&self, node: Pin<&mut Node<N>>, context: &Context<'_>) -> Phase {
        let phase = node.phase();
        if phase != Phase::Linked {
            return phase;
        }
        let waker = context.waker();
        let wakes = |_: &mut N, links: &mut Links<N>| links.waker.will_wake(waker);
        if self.lock().inside(&node, wakes) == Some(true) {
            return Phase::Linked;
        }
        // Cloned and dropped outside the lock: both are anybody's code.
        let mut other = waker.clone();
        self.lock().inside(&node, |_, links| {
            std::mem::swap(&mut links.waker, &mut other);
        });
        node.phase()
    }

    /// How many wait now, and how many did at most.
    pub(super) fn statistics(&self) -> super::Statistics {
        let inner = self.inner.lock();
        super::Statistics {
            waiters: inner.waiters,
            most_waiters: inner.most_waiters,
        }
    }
}

/// The right to change a list, and through `Deref` its state.
#[must_use]
pub(super) struct Locked<'a, S, N> {
    inner: MutexGuard<'a, Inner<S, N>>,
    list: usize,
}

impl<S, N> Deref for Locked<'_, S, N> {
    type Target = S;
    #[inline]
    fn deref(&self) -> &S {
        &self.inner.state
    }
}

impl<S, N> DerefMut for Locked<'_, S, N> {
    #[inline]
    fn deref_mut(&mut self) -> &mut S {
        &mut self.inner.state
    }
}

impl<S, N> Locked<'_, S, N> {
    #[inline]
    pub(super) fn is_empty(&self) -> bool {
        self.inner.first.is_none()
    }

    /// The ticket that the next waiter draws: greater than those of all who wait.
    pub(super) fn next_ticket(&self) -> u64 {
        self.inner.next_ticket
    }

    /// Puts an idle node at the end; `waker` is woken by whoever takes it.
    ///
    /// # Panics
    /// If the node is not idle.
    pub(super) fn push_back(&mut self, node: Pin<&mut Node<N>>, waker: Waker) {
        let last = self.inner.last;
        self.link(node, waker, last, None);
    }

    /// Puts an idle node before all others; its ticket is new all the same.
    ///
    /// # Panics
    /// If the node is not idle.
    pub(super) fn push_front(&mut self, node: Pin<&mut Node<N>>, waker: Waker) {
        let first = self.inner.first;
        self.link(node, waker, None, first);
    }

    fn link(&mut self, node: Pin<&mut Node<N>>, waker: Waker, before: Link<N>, after: Link<N>) {
        assert!(node.phase() == Phase::Idle, "the waiter waits already");
        // SAFETY: nothing is moved out of the pinned node: only its address is taken.
        let node = NonNull::from(unsafe { node.get_unchecked_mut() });
        let inner = &mut *self.inner;
        let ticket = inner.next_ticket;
        inner.next_ticket += 1;
        let links = Links {
            waker,
            ticket,
            before,
            after,
        };
        // SAFETY: the node is idle, so its inside is the caller's, who lends it.
        unsafe { node.as_ref() }.inside.with_mut(|inside| {
            // SAFETY: as above. A node that is idle has no links that should be dropped.
            unsafe { (*inside).links.write(links) };
        });
        match before {
            Some(before) => at(before, |_, links| links.after = Some(node)),
            None => inner.first = Some(node),
        }
        match after {
            Some(after) => at(after, |_, links| links.before = Some(node)),
            None => inner.last = Some(node),
        }
        inner.waiters += 1;
        inner.most_waiters = inner.most_waiters.max(inner.waiters);
        // Ordering: Relaxed: whoever reads the inside next holds the lock.
        // SAFETY: the caller's reference is still borrowed.
        unsafe { node.as_ref() }
            .place
            .store(self.list, Ordering::Relaxed);
    }

    /// Looks at the first waiter. None if nobody waits.
    #[inline]
    pub(super) fn first<R>(&mut self, f: impl FnOnce(&mut N) -> R) -> Option<R> {
        let first = self.inner.first?;
        Some(at(first, |data, _| f(data)))
    }

    /// The ticket of the first waiter. Tickets grow from the first to the last unless `push_front` was used.
    #[inline]
    pub(super) fn first_ticket(&mut self) -> Option<u64> {
        let first = self.inner.first?;
        Some(at(first, |_, links| links.ticket))
    }

    /// Takes the first waiter out, once `f` has written into it. The answer is to be woken after the lock.
    #[inline]
    pub(super) fn take_first(&mut self, f: impl FnOnce(&mut N)) -> Option<Waker> {
        let first = self.inner.first?;
        Some(self.unlink(first, TAKEN, f))
    }

    /// As `take_first`, with the last one.
    pub(super) fn take_last(&mut self, f: impl FnOnce(&mut N)) -> Option<Waker> {
        let last = self.inner.last?;
        Some(self.unlink(last, TAKEN, f))
    }

    /// Takes this waiter out if it is linked still: it is idle then. The answer is its waker, to be dropped after the
    /// lock; None if somebody took the waiter, or if it was never linked.
    ///
    /// # Panics
    /// If it is in another list.
    pub(super) fn remove(&mut self, node: Pin<&mut Node<N>>) -> Option<Waker> {
        self.inside(&node, |_, _| ())?;
        // SAFETY: nothing is moved out of the pinned node: only its address is taken.
        let node = NonNull::from(unsafe { node.get_unchecked_mut() });
        Some(self.unlink(node, IDLE, |_| ()))
    }

    /// The data of a waiter that is linked. None if it is not.
    ///
    /// # Panics
    /// If it is in another list.
    pub(super) fn data<R>(
        &mut self,
        node: Pin<&mut Node<N>>,
        f: impl FnOnce(&mut N) -> R,
    ) -> Option<R> {
        self.inside(&node, |data, _| f(data))
    }

    /// The inside of a node if it is linked, which is in this list then.
    fn inside<R>(
        &mut self,
        node: &Pin<&mut Node<N>>,
        f: impl FnOnce(&mut N, &mut Links<N>) -> R,
    ) -> Option<R> {
        // Ordering: Relaxed: what was written under this list's lock is seen by us who hold it; a node that is not linked
        // is nobody else's; and of another list no more is told than that.
        match node.place.load(Ordering::Relaxed) {
            IDLE | TAKEN => return None,
            list => assert!(list == self.list, "the waiter is in another list"),
        }
        // The node is linked, and the lock of its list is ours.
        Some(at(NonNull::from(node.as_ref().get_ref()), f))
    }

    /// `node` is in this list.
    fn unlink(&mut self, node: NonNull<Node<N>>, out: usize, f: impl FnOnce(&mut N)) -> Waker {
        let inner = &mut *self.inner;
        at(node, |data, _| f(data));
        let Links {
            waker,
            before,
            after,
            ..
        } = take_links(node);
        match before {
            Some(before) => at(before, |_, links| links.after = after),
            None => inner.first = after,
        }
        match after {
            Some(after) => at(after, |_, links| links.before = before),
            None => inner.last = before,
        }
        inner.waiters -= 1;
        // Ordering: Release -> the Acquire in `phase`. This is the last use of the node: its future may drop it at once.
        // SAFETY: the node is linked until this store, so its memory is there.
        let place = unsafe { &node.as_ref().place };
        place.store(out, ordering("waiter_taken", Ordering::Release));
        waker
    }
}

/// Uses the inside of a node that is linked to a list whose lock the caller holds: only such nodes are in `first`, `last`
/// and the links.
#[inline]
fn at<N, R>(node: NonNull<Node<N>>, f: impl FnOnce(&mut N, &mut Links<N>) -> R) -> R {
    // SAFETY: a linked node is alive: pinned, and its drop aborts.
    let cell = unsafe { &node.as_ref().inside };
    cell.with_mut(|inside| {
        // SAFETY: the inside of a linked node is for the holder of the lock, and `f` gets one node at a time.
        let inside = unsafe { &mut *inside };
        // SAFETY: a linked node has its links: `link` wrote them.
        f(&mut inside.data, unsafe { inside.links.assume_init_mut() })
    })
}

/// Takes the links of a linked node, which the caller makes idle or taken before the lock is given back.
fn take_links<N>(node: NonNull<Node<N>>) -> Links<N> {
    // SAFETY: as in `at`.
    let cell = unsafe { &node.as_ref().inside };
    // SAFETY: as in `at`; nobody reads them again, since the node ceases to be linked.
    cell.with_mut(|inside| unsafe { (*inside).links.assume_init_read() })
}

impl<S, N> Drop for Inner<S, N> {
    fn drop(&mut self) {
        // The futures that wait borrow or own the primitive, so the only nodes here belong to futures that were leaked.
        let mut next = self.first.take();
        while let Some(node) = next {
            let links = take_links(node);
            next = links.after;
            // Ordering: Release, as in `unlink`.
            // SAFETY: as in `unlink`.
            unsafe { &node.as_ref().place }.store(IDLE, Ordering::Release);
            quietly(|| drop(links.waker));
        }
    }
}

/// Wakers in one batch. Unit: wakers. Fewer: more turns through the lock for a crowd; more: 16 bytes of stack each.
const BATCH: usize = if MODEL { 1 } else { 32 };

/// Wakers that were collected under a lock, to be woken after it: at the latest when this is dropped, so it is made
/// before the lock is taken.
pub(super) struct Wakes {
    /// The first `len` are there.
    wakers: [MaybeUninit<Waker>; BATCH],
    len: usize,
}

impl Wakes {
    #[inline]
    pub(super) fn new() -> Wakes {
        Wakes {
            wakers: [const { MaybeUninit::uninit() }; BATCH],
            len: 0,
        }
    }

    /// True if nothing more can be pushed: give the lock back, and `wake_all`.
    #[inline]
    pub(super) fn is_full(&self) -> bool {
        self.len == BATCH
    }

    /// # Panics
    /// If it is full.
    #[inline]
    pub(super) fn push(&mut self, waker: Waker) {
        self.wakers[self.len].write(waker);
        self.len += 1;
    }

    /// Wakes them in the order in which they were pushed. A panic of one ends here.
    pub(super) fn wake_all(&mut self) {
        let len = std::mem::take(&mut self.len);
        for slot in &self.wakers[..len] {
            // SAFETY: the first `len` were written, and as `len` is 0 now, nobody reads them twice.
            let waker = unsafe { slot.assume_init_read() };
            wake(waker);
        }
    }
}

impl Drop for Wakes {
    #[inline]
    fn drop(&mut self) {
        if self.len > 0 {
            self.wake_all();
        }
    }
}

/// Wakes one waiter that was taken out, if there is one. A panic of its waker ends here.
#[inline]
pub(super) fn wake(waker: impl Into<Option<Waker>>) {
    if let Some(waker) = waker.into() {
        quietly(|| waker.wake());
    }
}

#[cfg(all(test, filch_loom))]
mod model;
#[cfg(all(test, not(filch_loom)))]
mod tests;

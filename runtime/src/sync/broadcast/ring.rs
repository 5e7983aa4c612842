//! The ring of the last messages, and who waits for the next one.
//!
//! send    B1 under the lock of the tail: write the slot, under its own lock · B2 publish the position · B3 take out who waits
//! recv    B4 read the position: something new? read the slot, under its lock · B5 else under the lock of the tail: still
//!            nothing new? wait in its list
//!
//! Why no receiver waits beside a message: B2 and B5 are under one lock; if B5 comes first, B3 takes the waiter out. Why a
//! receiver reads what it counts on: a slot says which message it has, so a reader that was overtaken sees that it lags.
//! Locks are taken in the order tail, slot. The last receiver of a message takes it, the others clone it, under the
//! slot's lock; what is overwritten is dropped without a lock. Models: `ring::model::each_receiver_gets_each_message`,
//! `ring::model::who_is_overtaken_lags`, `ring::model::a_closed_ring_ends_the_wait`.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use crossbeam_utils::CachePadded;
use pin_project_lite::pin_project;

use super::error::{RecvError, TryRecvError};
use crate::budget::{poll_left, spend};
use crate::job::quietly;
use crate::sync::Statistics;
use crate::sync::signal::Signal;
use crate::sync::waiters::{Node, Phase, WaitList, Wakes};
use crate::sync_prim::{AtomicU64, AtomicUsize, Mutex, Ordering, keep};

pub(super) struct Ring<T> {
    slots: Box<[CachePadded<Mutex<Slot<T>>>]>,
    mask: u64,
    tail: CachePadded<WaitList<Tail, ()>>,
    /// The tail's position, to be looked at without its lock.
    position: CachePadded<AtomicU64>,
    /// Raised while there is no receiver.
    pub(super) deserted: Signal,
    pub(super) senders: AtomicUsize,
    pub(super) weak: AtomicUsize,
}

struct Tail {
    /// Messages that were ever sent.
    position: u64,
    receivers: usize,
    /// No sender, or no receiver.
    closed: bool,
}

struct Slot<T> {
    /// The number of the message that is here, or was.
    position: u64,
    /// Receivers that have not read it.
    unread: usize,
    message: Option<T>,
}

/// More receivers than this are a mistake.
const MAX_RECEIVERS: usize = usize::MAX >> 2;

// Nobody's code runs but a clone, which is not looked at again if it panics, so a panic leaves it whole.
impl<T> std::panic::UnwindSafe for Ring<T> {}
impl<T> std::panic::RefUnwindSafe for Ring<T> {}

impl<T> Ring<T> {
    pub(super) fn new(capacity: usize, receivers: usize) -> Arc<Ring<T>> {
        let capacity = capacity.next_power_of_two();
        let slot = |n: usize| {
            CachePadded::new(Mutex::new(Slot {
                position: (n as u64).wrapping_sub(capacity as u64),
                unread: 0,
                message: None,
            }))
        };
        Arc::new(Ring {
            slots: (0..capacity).map(slot).collect(),
            mask: capacity as u64 - 1,
            tail: CachePadded::new(WaitList::new(Tail {
                position: 0,
                receivers,
                closed: receivers == 0,
            })),
            position: CachePadded::new(AtomicU64::new(0)),
            deserted: Signal::new(receivers == 0),
            senders: AtomicUsize::new(1),
            weak: AtomicUsize::new(0),
        })
    }

    fn slot(&self, position: u64) -> &Mutex<Slot<T>> {
        &self.slots[(position & self.mask) as usize]
    }

    fn capacity(&self) -> u64 {
        self.slots.len() as u64
    }

    /// The answer is how many receivers will see it, or the message if there is none.
    pub(super) fn send(&self, message: T) -> Result<usize, T> {
        let mut wakes = Wakes::new();
        let mut tail = self.tail.lock();
        let receivers = tail.receivers;
        if receivers == 0 {
            drop(tail);
            return Err(message);
        }
        let position = tail.position;
        let overwritten = {
            let mut slot = self.slot(position).lock(); // B1
            slot.position = position;
            slot.unread = receivers;
            slot.message.replace(message)
        };
        tail.position = position + 1;
        self.position.store(position + 1, Ordering::Relaxed); // B2
        if keep("broadcast_wake") {
            self.tail.wake_all(tail, &mut wakes); // B3
        }
        drop(wakes);
        drop(overwritten);
        Ok(receivers)
    }

    /// The last sender is gone.
    pub(super) fn close(&self) {
        let mut wakes = Wakes::new();
        let mut tail = self.tail.lock();
        tail.closed = true;
        self.tail.wake_all(tail, &mut wakes);
    }

    /// Counts a receiver; the answer is where it begins.
    pub(super) fn enter(&self) -> u64 {
        let mut tail = self.tail.lock();
        assert!(tail.receivers < MAX_RECEIVERS, "max receivers");
        tail.receivers += 1;
        if tail.receivers == 1 {
            // Ordering: Relaxed: a sender that is gone was gone before, for who can know.
            tail.closed = self.senders.load(Ordering::Relaxed) == 0;
            self.deserted.set(false);
        }
        tail.position
    }

    /// A receiver goes that would have read from `next` on.
    pub(super) fn leave(&self, next: u64) {
        let mut tail = self.tail.lock();
        tail.receivers -= 1;
        let (deserted, end) = (tail.receivers == 0, tail.position);
        if deserted {
            tail.closed = true;
            self.deserted.set(true);
        }
        drop(tail);
        // Told last, so that who is told finds the ring as it will stay; and also if a message's drop panics.
        let _told = deserted.then(|| Told(&self.deserted));
        for position in next.max(end.saturating_sub(self.capacity()))..end {
            let unread = self.read(position, |message| message.take());
            drop(unread);
        }
    }

    /// Counts this receiver's reading of a message. `f` gets it, to be taken if nobody else will read it; None if it was
    /// overwritten.
    #[inline]
    fn read<R>(&self, position: u64, f: impl FnOnce(&mut Message<'_, T>) -> R) -> Option<R> {
        let mut slot = self.slot(position).lock();
        if slot.position != position {
            return None;
        }
        slot.unread -= 1;
        let is_last = slot.unread == 0;
        Some(f(&mut Message {
            message: &mut slot.message,
            is_last,
        }))
    }

    pub(super) fn statistics(&self) -> Statistics {
        self.tail.statistics()
    }

    pub(super) fn receivers(&self) -> usize {
        self.tail.lock().receivers
    }

    /// Messages that were sent since `next`.
    pub(super) fn behind(&self, next: u64) -> usize {
        (self.tail.lock().position - next) as usize
    }

    /// Messages that some receiver has not read.
    pub(super) fn len(&self) -> usize {
        let tail = self.tail.lock();
        let oldest = tail.position.saturating_sub(self.capacity());
        // What everybody has read is older than what somebody has not.
        let (mut low, mut high) = (oldest, tail.position);
        while low < high {
            let middle = low + (high - low) / 2;
            if self.slot(middle).lock().unread == 0 {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        (tail.position - low) as usize
    }
}

/// Wakes those who wait for the signal when it is dropped.
struct Told<'a>(&'a Signal);

impl Drop for Told<'_> {
    fn drop(&mut self) {
        self.0.wake_all();
    }
}

struct Message<'a, T> {
    message: &'a mut Option<T>,
    is_last: bool,
}

impl<T> Message<'_, T> {
    fn take(&mut self) -> Option<T> {
        if self.is_last {
            self.message.take()
        } else {
            None
        }
    }
}

/// What there was to receive.
pub(super) enum Found<T> {
    Message(T),
    Lagged(u64),
    Nothing,
}

impl<T: Clone> Ring<T> {
    /// The message at `next`, which moves on. Says nothing of the end.
    #[inline]
    pub(super) fn look(&self, next: &mut u64) -> Found<T> {
        loop {
            // B4. Ordering: Relaxed: an old position leads to the tail's lock, and a new one with an old slot as well.
            if self.position.load(Ordering::Relaxed) == *next {
                return Found::Nothing;
            }
            let position = *next;
            let message = self.read(position, |message| {
                *next += 1;
                message.take().or_else(|| message.message.clone())
            });
            match message {
                Some(Some(message)) => return Found::Message(message),
                // A clone panicked before, and left it unread: nobody counts on it.
                Some(None) => continue,
                None => {}
            }
            let end = self.tail.lock().position;
            let oldest = end.saturating_sub(self.capacity());
            if oldest > position {
                *next = oldest;
                return Found::Lagged(oldest - position);
            }
        }
    }

    /// As [`look`](Self::look). None: nothing yet, or nothing any more.
    #[inline]
    pub(super) fn find(&self, next: &mut u64) -> Option<Result<T, RecvError>> {
        match self.look(next) {
            Found::Message(message) => Some(Ok(message)),
            Found::Lagged(missed) => Some(Err(RecvError::Lagged(missed))),
            Found::Nothing => None,
        }
    }

    pub(super) fn try_recv(&self, next: &mut u64) -> Result<T, TryRecvError> {
        loop {
            match self.look(next) {
                Found::Message(message) => return Ok(message),
                Found::Lagged(missed) => return Err(TryRecvError::Lagged(missed)),
                Found::Nothing => {}
            }
            let tail = self.tail.lock();
            if tail.position == *next {
                return Err(match tail.closed {
                    true => TryRecvError::Closed,
                    false => TryRecvError::Empty,
                });
            }
        }
    }
}

pin_project! {
    #[must_use = "futures do nothing unless you `.await` or poll them"]
    pub(super) struct Recv<'a, T> {
        ring: &'a Ring<T>,
        next: &'a mut u64,
        #[pin]
        node: Node<()>,
    }

    impl<T> PinnedDrop for Recv<'_, T> {
        fn drop(this: Pin<&mut Self>) {
            let this = this.project();
            if this.node.phase() == Phase::Linked {
                let waker = this.ring.tail.lock().remove(this.node);
                quietly(|| drop(waker));
            }
        }
    }
}

impl<'a, T> Recv<'a, T> {
    pub(super) fn new(ring: &'a Ring<T>, next: &'a mut u64) -> Recv<'a, T> {
        let node = Node::new(());
        Recv { ring, next, node }
    }
}

impl<T: Clone> Future for Recv<'_, T> {
    type Output = Result<T, RecvError>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        ready!(poll_left(context));
        let this = self.project();
        let mut node = this.node;
        loop {
            let found = match this.ring.find(this.next) {
                Some(found) => found,
                None => {
                    match node.phase() {
                        Phase::Linked => {
                            if this.ring.tail.refresh(node.as_mut(), context) == Phase::Linked {
                                return Poll::Pending;
                            }
                            continue;
                        }
                        Phase::Taken => node.as_mut().reset(),
                        Phase::Idle => {}
                    }
                    let waker = context.waker().clone();
                    let mut tail = this.ring.tail.lock();
                    // B5
                    if tail.position != **this.next && keep("broadcast_look") {
                        drop(tail);
                        quietly(|| drop(waker));
                        continue;
                    }
                    if !tail.closed {
                        tail.push_back(node, waker);
                        return Poll::Pending;
                    }
                    drop(tail);
                    quietly(|| drop(waker));
                    Err(RecvError::Closed)
                }
            };
            spend();
            return Poll::Ready(found);
        }
    }
}

#[cfg(all(test, filch_loom))]
mod model {
    use crate::sync::broadcast::{channel, error::RecvError};
    use loom::future::block_on;
    use loom::thread;

    #[test]
    fn each_receiver_gets_each_message() {
        loom::model(|| {
            let (tx, mut rx) = channel(2);
            let mut other = tx.subscribe();
            let reader = thread::spawn(move || block_on(other.recv()));
            tx.send(Box::new(7)).unwrap();
            assert_eq!(block_on(rx.recv()), Ok(Box::new(7)));
            assert_eq!(reader.join().unwrap(), Ok(Box::new(7)));
            assert!(tx.is_empty());
        });
    }

    #[test]
    fn who_is_overtaken_lags() {
        let mut builder = loom::model::Builder::new();
        builder.preemption_bound = Some(3);
        builder.check(|| {
            let (tx, mut rx) = channel(1);
            let reader = thread::spawn(move || {
                let mut seen = 0;
                loop {
                    match block_on(rx.recv()) {
                        Ok(_) => seen += 1,
                        Err(RecvError::Lagged(missed)) => seen += missed,
                        Err(RecvError::Closed) => return seen,
                    }
                }
            });
            tx.send(Box::new(1)).unwrap();
            tx.send(Box::new(2)).unwrap();
            drop(tx);
            assert_eq!(reader.join().unwrap(), 2);
        });
    }

    #[test]
    fn a_closed_ring_ends_the_wait() {
        loom::model(|| {
            let (tx, mut rx) = channel::<u32>(1);
            let reader = thread::spawn(move || block_on(rx.recv()));
            drop(tx);
            assert_eq!(reader.join().unwrap(), Err(RecvError::Closed));
        });
    }
}

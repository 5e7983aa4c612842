//! A queue, those who wait for a message, and those who wait for room.
//!
//! The queue is under the lock of the receivers' wait list; the senders' list has a lock of its own, taken inside the
//! first. A side is *called*: taken out of its list to come by the lock and look.
//!
//! send    Q1 room? push; fewer receivers called than there are messages? call one · else wait in the senders' list
//! recv    Q2 a message? take it; fewer senders called than there is room? call one · else wait in the receivers' list
//! called  Q3 comes by once, to take its turn or to go (its future was dropped), and calls the next if there is work left
//!
//! Why nobody waits beside a message: while receivers wait, as many are called as there are messages, or all; each that was
//! called comes by, and either takes a message or finds none; one that goes calls another. Senders and room likewise.
//! A call is no reservation: who comes in between may be quicker. So there is no order among waiting tasks, only among
//! messages. Refused: handing the message to the waiting receiver. Its future may be dropped, and the message would have
//! to go back to the front. Models: `chan::model::a_message_finds_a_receiver`, `chan::model::room_finds_a_sender`,
//! `chan::model::one_that_goes_calls_the_next`, `chan::model::the_end_is_told_to_all`.

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker, ready};

use pin_project_lite::pin_project;

use super::error::TryRecvError;
use crate::budget::{poll_left, spend};
use crate::job::quietly;
use crate::sync::signal::Signal;
use crate::sync::waiters::{Locked, Node, Phase, WaitList, Wakes, wake};
use crate::sync_prim::{AtomicUsize, keep};

pub(super) struct Chan<T> {
    /// The receivers that wait.
    queue: WaitList<State<T>, ()>,
    /// The senders that wait. Its lock is taken under the one of `queue`.
    senders_waiting: WaitList<(), ()>,
    /// Raised once nothing more is received.
    pub(super) ended: Signal,
    pub(super) senders: AtomicUsize,
    pub(super) receivers: AtomicUsize,
    /// None: no bound.
    pub(super) bound: Option<usize>,
}

struct State<T> {
    messages: VecDeque<T>,
    receivers_called: usize,
    senders_called: usize,
    /// As many as there are in the senders' list.
    senders_waiting: usize,
    /// Nothing more is sent.
    closed: bool,
}

type Now<'a, T> = Locked<'a, State<T>, ()>;

/// Why a message was not sent at once.
pub(super) enum Refused {
    Full,
    Closed,
}

// Nobody's code runs while the state is changed, so a panic leaves it whole.
impl<T> std::panic::UnwindSafe for Chan<T> {}
impl<T> std::panic::RefUnwindSafe for Chan<T> {}

impl<T> Chan<T> {
    pub(super) fn new(bound: Option<usize>) -> Arc<Chan<T>> {
        Arc::new(Chan {
            queue: WaitList::new(State {
                messages: VecDeque::new(),
                receivers_called: 0,
                senders_called: 0,
                senders_waiting: 0,
                closed: false,
            }),
            senders_waiting: WaitList::new(()),
            ended: Signal::new(false),
            senders: AtomicUsize::new(1),
            receivers: AtomicUsize::new(1),
            bound,
        })
    }

    fn has_room(&self, now: &State<T>) -> bool {
        self.bound.is_none_or(|bound| now.messages.len() < bound)
    }

    /// Calls a receiver if there is work for one more.
    #[inline]
    fn call_receiver(now: &mut Now<'_, T>) -> Option<Waker> {
        if now.receivers_called >= now.messages.len() {
            return None;
        }
        let called = now.take_first(|()| ())?;
        now.receivers_called += 1;
        Some(called)
    }

    /// Calls a sender if there is room for one more.
    #[inline]
    fn call_sender(&self, now: &mut Now<'_, T>) -> Option<Waker> {
        let bound = self.bound?;
        if now.senders_waiting == 0 || now.senders_called + now.messages.len() >= bound {
            return None;
        }
        let called = self.senders_waiting.lock().take_first(|()| ())?;
        now.senders_waiting -= 1;
        now.senders_called += 1;
        Some(called)
    }

    /// Q1.
    #[inline]
    fn push<'a>(&'a self, mut now: Now<'a, T>, message: T) {
        now.messages.push_back(message);
        let receiver = Self::call_receiver(&mut now);
        // There may be room for another sender that was called for nothing.
        let sender = self.call_sender(&mut now);
        drop(now);
        wake(receiver);
        wake(sender);
    }

    /// Q2.
    #[inline]
    fn pop<'a>(&'a self, mut now: Now<'a, T>) -> Result<T, Now<'a, T>> {
        let Some(message) = now.messages.pop_front() else {
            return Err(now);
        };
        let sender = self.call_sender(&mut now);
        let receiver = Self::call_receiver(&mut now);
        drop(now);
        wake(sender);
        wake(receiver);
        Ok(message)
    }

    pub(super) fn try_send(&self, message: T) -> Result<(), (T, Refused)> {
        let now = self.queue.lock();
        let refused = if now.closed {
            Refused::Closed
        } else if self.has_room(&now) {
            self.push(now, message);
            return Ok(());
        } else {
            Refused::Full
        };
        drop(now);
        Err((message, refused))
    }

    pub(super) fn try_recv(&self) -> Result<T, TryRecvError> {
        self.pop(self.queue.lock()).map_err(|now| match now.closed {
            true => TryRecvError::Disconnected,
            false => TryRecvError::Empty,
        })
    }

    pub(super) fn len(&self) -> usize {
        self.queue.lock().messages.len()
    }

    pub(super) fn is_closed(&self) -> bool {
        self.queue.lock().closed
    }

    /// Nothing more is sent; what was is received. True if it was open.
    pub(super) fn close(&self) -> bool {
        let mut wakes = Wakes::new();
        let mut now = self.queue.lock();
        if std::mem::replace(&mut now.closed, true) {
            return false;
        }
        // Nobody waits from here on, so this ends.
        loop {
            let receiver = now.take_first(|()| ());
            now.receivers_called += usize::from(receiver.is_some());
            let sender = self.senders_waiting.lock().take_first(|()| ());
            now.senders_called += usize::from(sender.is_some());
            if receiver.is_none() && sender.is_none() {
                break;
            }
            for waker in [receiver, sender].into_iter().flatten() {
                if wakes.is_full() {
                    drop(now);
                    wakes.wake_all();
                    now = self.queue.lock();
                }
                wakes.push(waker);
            }
        }
        now.senders_waiting = 0;
        drop(now);
        drop(wakes);
        self.ended.raise();
        true
    }

    /// The last receiver is gone: nobody will take what is left.
    pub(super) fn desert(&self) {
        self.close();
        let left = std::mem::take(&mut self.queue.lock().messages);
        drop(left);
    }

    pub(super) fn statistics(&self) -> (crate::sync::Statistics, crate::sync::Statistics) {
        (self.senders_waiting.statistics(), self.queue.statistics())
    }
}

pin_project! {
    /// Sends `message`, which stays if the channel is closed.
    #[must_use = "futures do nothing unless you `.await` or poll them"]
    pub(super) struct Send<'a, T> {
        chan: &'a Chan<T>,
        message: Option<T>,
        #[pin]
        node: Node<()>,
    }

    impl<T> PinnedDrop for Send<'_, T> {
        fn drop(this: Pin<&mut Self>) {
            let this = this.project();
            if this.node.phase() != Phase::Idle {
                this.chan.sender_goes(this.node);
            }
        }
    }
}

pin_project! {
    #[must_use = "futures do nothing unless you `.await` or poll them"]
    pub(super) struct Recv<'a, T> {
        chan: &'a Chan<T>,
        #[pin]
        node: Node<()>,
    }

    impl<T> PinnedDrop for Recv<'_, T> {
        fn drop(this: Pin<&mut Self>) {
            let this = this.project();
            if this.node.phase() != Phase::Idle {
                this.chan.receiver_goes(this.node);
            }
        }
    }
}

impl<T> Chan<T> {
    /// Q3, of a future that is dropped.
    #[cold]
    fn sender_goes(&self, node: Pin<&mut Node<()>>) {
        let mut now = self.queue.lock();
        let waker = self.senders_waiting.lock().remove(node);
        if waker.is_some() {
            now.senders_waiting -= 1;
        } else {
            now.senders_called -= 1;
        }
        let next = if keep("mpmc_sender_goes") {
            self.call_sender(&mut now)
        } else {
            None
        };
        drop(now);
        wake(next);
        quietly(|| drop(waker));
    }

    /// Q3, of a future that is dropped.
    #[cold]
    fn receiver_goes(&self, node: Pin<&mut Node<()>>) {
        let mut now = self.queue.lock();
        let waker = now.remove(node);
        if waker.is_none() {
            now.receivers_called -= 1;
        }
        let next = if keep("mpmc_receiver_goes") {
            Self::call_receiver(&mut now)
        } else {
            None
        };
        drop(now);
        wake(next);
        quietly(|| drop(waker));
    }

    #[inline]
    pub(super) fn send(&self, message: T) -> Send<'_, T> {
        Send {
            chan: self,
            message: Some(message),
            node: Node::new(()),
        }
    }

    #[inline]
    pub(super) fn recv(&self) -> Recv<'_, T> {
        Recv {
            chan: self,
            node: Node::new(()),
        }
    }
}

impl<T> Send<'_, T> {
    /// The message back, unless it was sent.
    pub(super) fn take_back(self: Pin<&mut Self>) -> Option<T> {
        self.project().message.take()
    }
}

impl<T> Future for Send<'_, T> {
    type Output = Result<(), T>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        ready!(poll_left(context));
        let this = self.project();
        let (chan, mut node) = (*this.chan, this.node);
        if node.phase() == Phase::Linked
            && chan.senders_waiting.refresh(node.as_mut(), context) == Phase::Linked
        {
            return Poll::Pending;
        }
        let mut waker: Option<Waker> = None;
        loop {
            let mut now = chan.queue.lock();
            if node.phase() == Phase::Taken {
                node.as_mut().reset();
                now.senders_called -= 1;
            }
            let Some(message) = this.message.take() else {
                panic!("called after complete: this message was sent");
            };
            let answer = if now.closed {
                drop(now);
                Err(message)
            } else if chan.has_room(&now) {
                chan.push(now, message);
                Ok(())
            } else {
                *this.message = Some(message);
                match waker
                    .take()
                    .or_else(|| crate::task::clone_of_task(context.waker()))
                {
                    Some(waker) => {
                        now.senders_waiting += 1;
                        chan.senders_waiting.lock().push_back(node, waker);
                        return Poll::Pending;
                    }
                    // Anybody's code: not under the lock.
                    None => {
                        drop(now);
                        waker = Some(context.waker().clone());
                        continue;
                    }
                }
            };
            quietly(|| drop(waker));
            spend();
            return Poll::Ready(answer);
        }
    }
}

impl<T> Future for Recv<'_, T> {
    type Output = Option<T>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        ready!(poll_left(context));
        let this = self.project();
        let (chan, mut node) = (*this.chan, this.node);
        if node.phase() == Phase::Linked
            && chan.queue.refresh(node.as_mut(), context) == Phase::Linked
        {
            return Poll::Pending;
        }
        let mut waker: Option<Waker> = None;
        loop {
            let mut now = chan.queue.lock();
            if node.phase() == Phase::Taken {
                node.as_mut().reset();
                now.receivers_called -= 1;
            }
            let answer = match chan.pop(now) {
                Ok(message) => Some(message),
                Err(now) if now.closed => None,
                Err(mut now) => {
                    match waker
                        .take()
                        .or_else(|| crate::task::clone_of_task(context.waker()))
                    {
                        Some(waker) => {
                            now.push_back(node, waker);
                            return Poll::Pending;
                        }
                        // Anybody's code: not under the lock.
                        None => {
                            drop(now);
                            waker = Some(context.waker().clone());
                            continue;
                        }
                    }
                }
            };
            quietly(|| drop(waker));
            spend();
            return Poll::Ready(answer);
        }
    }
}

#[cfg(all(test, filch_loom))]
mod model {
    use crate::sync::mpmc::{channel, unbounded_channel};
    use loom::future::block_on;
    use loom::thread;
    use std::pin::pin;
    use std::task::{Context, Waker};

    #[test]
    fn a_message_finds_a_receiver() {
        loom::model(|| {
            let (tx, rx) = unbounded_channel();
            let other = rx.clone();
            let reader = thread::spawn(move || block_on(other.recv()).is_some());
            tx.try_send(Box::new(1)).unwrap();
            tx.try_send(Box::new(2)).unwrap();
            assert!(block_on(rx.recv()).is_some());
            assert!(reader.join().unwrap());
        });
    }

    #[test]
    fn room_finds_a_sender() {
        loom::model(|| {
            let (tx, rx) = channel(1);
            tx.try_send(1).unwrap();
            let sender = thread::spawn(move || block_on(tx.send(2)));
            assert_eq!(rx.try_recv(), Ok(1));
            sender.join().unwrap().unwrap();
            assert_eq!(rx.try_recv(), Ok(2));
        });
    }

    #[test]
    fn one_that_goes_calls_the_next() {
        loom::model(|| {
            let (tx, rx) = unbounded_channel();
            let mut context = Context::from_waker(Waker::noop());
            let other = rx.clone();
            let reader = {
                let mut first = pin!(rx.recv());
                assert!(first.as_mut().poll(&mut context).is_pending());
                let reader = thread::spawn(move || block_on(other.recv()));
                tx.try_send(1).unwrap();
                reader
            };
            assert_eq!(reader.join().unwrap(), Some(1));
        });
        loom::model(|| {
            let (tx, rx) = channel(1);
            tx.try_send(1).unwrap();
            let mut context = Context::from_waker(Waker::noop());
            let other = tx.clone();
            let sender = {
                let mut first = pin!(tx.send(2));
                assert!(first.as_mut().poll(&mut context).is_pending());
                let sender = thread::spawn(move || block_on(other.send(3)));
                assert_eq!(rx.try_recv(), Ok(1));
                sender
            };
            sender.join().unwrap().unwrap();
            assert_eq!(rx.try_recv(), Ok(3));
        });
    }

    #[test]
    fn the_end_is_told_to_all() {
        loom::model(|| {
            let (tx, rx) = unbounded_channel::<u32>();
            let other = rx.clone();
            let reader = thread::spawn(move || block_on(other.recv()));
            drop(tx);
            assert_eq!(block_on(rx.recv()), None);
            assert_eq!(reader.join().unwrap(), None);
        });
    }
}

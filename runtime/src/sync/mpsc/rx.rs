//! The receiver's end: it takes the whole queue at once, and hands the messages out without the lock.

use std::collections::VecDeque;
use std::sync::Arc;
use std::task::{Context, Poll, Waker, ready};

use parking_lot::Mutex;

use super::chan::Chan;
use super::error::TryRecvError;
use crate::budget::{poll_left, spend};
use crate::job::quietly;
use crate::sync::waiters::Wakes;
use crate::sync_prim::{MODEL, keep};
use crate::task::{clone_of_task, is_of_task};

/// The room that an empty queue may keep. Unit: messages. Less: a channel that is busy asks the allocator now and then;
/// more: what one burst needed stays with the channel. A queue with more room than this and eight times what came last
/// gives it back.
const ROOM: usize = 1024;

pub(super) struct Rx<T> {
    pub(super) chan: Arc<Chan<T>>,
    /// What was taken from the queue. The lock is never waited for: it makes `&Rx` give lengths to several threads.
    batch: Mutex<VecDeque<T>>,
    /// The last `poll_recv` had to wait.
    waited: bool,
    /// Whom the last one registered ahead (M5).
    ahead: Option<usize>,
}

/// Whose waker it is, if it is a task's.
#[inline]
fn task_of(waker: &Waker) -> Option<usize> {
    (MODEL || is_of_task(waker)).then(|| waker.data().addr())
}

/// A clone that was not needed after all. Its drop is anybody's code, and a message may be on its way out.
#[inline]
fn discard(clone: Option<Waker>) {
    if clone.is_some() {
        quietly(|| drop(clone));
    }
}

enum Refill<'a, T> {
    /// The first of a new batch; true if the receiver is registered for what comes after it.
    Message(T, bool),
    /// There are none, and there will be none.
    End,
    /// None yet; the lock is held still.
    Empty(super::chan::Now<'a, T>),
}

// Messages are never pinned.
impl<T> Unpin for Rx<T> {}
// As `Chan`.
impl<T> std::panic::UnwindSafe for Rx<T> {}
impl<T> std::panic::RefUnwindSafe for Rx<T> {}

impl<T> Rx<T> {
    pub(super) fn new(chan: Arc<Chan<T>>) -> Rx<T> {
        Rx {
            chan,
            batch: Mutex::new(VecDeque::new()),
            waited: false,
            ahead: None,
        }
    }

    /// Takes the whole queue. If the task `ahead` will have to wait for what is sent next, it is registered.
    #[inline]
    fn refill<'a>(
        chan: &'a Chan<T>,
        batch: &mut VecDeque<T>,
        wakes: &mut Wakes,
        ahead: Option<&Waker>,
    ) -> Refill<'a, T> {
        let mut now = chan.list.lock();
        if now.queue.is_empty() && !now.is_empty() {
            // First, as it may let go of the lock: what is found after it holds until the receiver waits.
            now = chan.settle(now, wakes);
        }
        // Before the permit is given back: a sender that it serves sends behind.
        let first = now.queue.pop_front();
        if let Some(first) = first {
            let spare = std::mem::replace(batch, std::mem::take(&mut now.queue));
            let large = spare.capacity() > ROOM.max(batch.len() * 8);
            let gone = if large {
                Some(spare)
            } else {
                now.queue = spare;
                None
            };
            let mut is_ahead = false;
            if chan.is_bounded() {
                now.permits += 1;
                if !now.is_empty() {
                    now = chan.settle(now, wakes);
                    // Looked at after it, as it may let go of the lock.
                    let is_all = batch.is_empty() && now.queue.is_empty();
                    if let Some(waker) = ahead.filter(|_| is_all && !now.closed && !now.silent) {
                        is_ahead = chan.register_ahead(&mut now, waker);
                    }
                }
            }
            drop(now);
            drop(gone);
            return Refill::Message(first, is_ahead);
        }
        if now.silent || chan.is_idle(&now) {
            return Refill::End;
        }
        Refill::Empty(now)
    }

    #[inline]
    pub(super) fn poll_recv(&mut self, context: &mut Context<'_>) -> Poll<Option<T>> {
        ready!(poll_left(context));
        let batch = self.batch.get_mut();
        if let Some(message) = batch.pop_front() {
            self.chan.free(1);
            spend();
            return Poll::Ready(Some(message));
        }
        let waker = context.waker();
        let ahead = self.ahead.take();
        // M6
        if ahead.is_some() && self.chan.is_registered_ahead() && ahead == task_of(waker) {
            self.ahead = ahead;
            self.waited = true;
            return Poll::Pending;
        }
        let will_wait = std::mem::replace(&mut self.waited, false).then_some(waker);
        let mut wakes = Wakes::new();
        let mut other = None;
        loop {
            let mut now = match Self::refill(&self.chan, batch, &mut wakes, will_wait) {
                Refill::Message(message, is_ahead) => {
                    self.ahead = task_of(waker).filter(|_| is_ahead);
                    discard(other);
                    spend();
                    return Poll::Ready(Some(message));
                }
                Refill::End => {
                    discard(other);
                    spend();
                    return Poll::Ready(None);
                }
                Refill::Empty(now) => now,
            };
            self.waited = true;
            let known = now.receiver.as_ref();
            if known.is_some_and(|known| known.will_wake(waker)) {
                now.waits = true;
                drop(now);
                discard(other);
                return Poll::Pending;
            }
            // Any other's clone is anybody's code: not under the lock.
            if let Some(waker) = other.take().or_else(|| clone_of_task(waker)) {
                now.waits = true;
                let old: Option<Waker> = now.receiver.replace(waker);
                drop(now);
                discard(old);
                return Poll::Pending;
            }
            drop(now);
            other = Some(waker.clone());
            if !keep("mpsc_look_again") {
                let mut now = self.chan.list.lock();
                now.waits = true;
                now.receiver = other;
                return Poll::Pending;
            }
        }
    }

    pub(super) fn try_recv(&mut self) -> Result<T, TryRecvError> {
        let batch = self.batch.get_mut();
        if let Some(message) = batch.pop_front() {
            self.chan.free(1);
            return Ok(message);
        }
        let mut wakes = Wakes::new();
        match Self::refill(&self.chan, batch, &mut wakes, None) {
            Refill::Message(message, _) => Ok(message),
            Refill::End => Err(TryRecvError::Disconnected),
            Refill::Empty(_) => Err(TryRecvError::Empty),
        }
    }

    pub(super) fn poll_recv_many(
        &mut self,
        context: &mut Context<'_>,
        buffer: &mut Vec<T>,
        limit: usize,
    ) -> Poll<usize> {
        if limit == 0 {
            return Poll::Ready(0);
        }
        // One unit of the budget, and the wait, are a single message's.
        let Some(first) = ready!(self.poll_recv(context)) else {
            return Poll::Ready(0);
        };
        buffer.push(first);
        let mut received = 1 + self.drain(buffer, limit - 1);
        // Once more only: what is sent meanwhile, by those whom this lets go on, may have no end.
        if received < limit {
            if let Ok(message) = self.try_recv() {
                buffer.push(message);
                received += 1;
                received += self.drain(buffer, limit - received);
            }
        }
        Poll::Ready(received)
    }

    /// Moves up to `limit` messages from the batch to the buffer. The answer is how many.
    fn drain(&mut self, buffer: &mut Vec<T>, limit: usize) -> usize {
        let batch = self.batch.get_mut();
        let drained = batch.len().min(limit);
        if drained > 0 {
            buffer.extend(batch.drain(..drained));
            self.chan.free(drained);
        }
        drained
    }

    /// The receiver takes no more.
    pub(super) fn close(&mut self) {
        // It may be that nothing more comes, and nobody would say so: see for yourself next time.
        self.ahead = None;
        self.chan.close();
    }

    pub(super) fn len(&self) -> usize {
        self.batch.lock().len() + self.chan.list.lock().queue.len()
    }

    pub(super) fn is_closed(&self) -> bool {
        self.chan.is_closed() || self.chan.strong_count() == 0
    }
}

impl<T> Drop for Rx<T> {
    fn drop(&mut self) {
        self.chan.close();
        let mut now = self.chan.list.lock();
        now.gone = true;
        let queue = std::mem::take(&mut now.queue);
        let batch = std::mem::take(self.batch.get_mut());
        if self.chan.is_bounded() {
            now.permits += queue.len() + batch.len();
        }
        let receiver = now.receiver.take();
        drop(now);
        quietly(|| drop(receiver));
        // Anybody's code. If one drop panics, the other messages are dropped all the same.
        let _queue = queue;
        drop(batch);
    }
}

//! A sender that asks for permits, waits for them if it must, and may send in the same step.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use pin_project_lite::pin_project;

use super::chan::{Chan, Closed, Now, Want};
use crate::budget::{poll_left, spend};
use crate::job::quietly;
use crate::sync::waiters::{Node, Phase, Wakes};
use crate::sync_prim::keep;
use crate::task::clone_of_task;

pin_project! {
    /// Dropped while it waits, it goes out of the list, and passes on what it got.
    pub(super) struct Acquire<'a, T> {
        chan: &'a Chan<T>,
        wanted: usize,
        #[pin]
        node: Node<Want>,
    }

    impl<T> PinnedDrop for Acquire<'_, T> {
        fn drop(this: Pin<&mut Self>) {
            let this = this.project();
            if this.node.phase() != Phase::Idle {
                cancel(this.chan, this.node);
            }
        }
    }
}

#[cold]
fn cancel<T>(chan: &Chan<T>, mut node: Pin<&mut Node<Want>>) {
    let mut wakes = Wakes::new();
    let mut now = chan.list.lock();
    let mut held = 0;
    let mut look = |want: &mut Want| held = want.wanted - want.missing;
    let waker = if now.data(node.as_mut(), &mut look).is_some() {
        now.remove(node)
    } else {
        // Taken by the channel: served, or told that it is closed.
        node.as_mut().data(&mut look);
        node.reset();
        None
    };
    if keep("mpsc_cancel") {
        now.permits += held;
        chan.come_by(now, &mut wakes);
    }
    quietly(|| drop(waker));
}

impl<'a, T> Acquire<'a, T> {
    #[inline]
    pub(super) fn new(chan: &'a Chan<T>, wanted: usize) -> Acquire<'a, T> {
        let node = Node::new(Want {
            wanted,
            missing: wanted,
        });
        Acquire { chan, wanted, node }
    }

    /// Ready with the permits, or with the message sent if there is one in `message`, which is taken then.
    #[inline]
    pub(super) fn poll(
        self: Pin<&mut Self>,
        message: &mut Option<T>,
        context: &mut Context<'_>,
    ) -> Poll<Result<(), Closed>> {
        ready!(poll_left(context));
        let this = self.project();
        let (chan, wanted) = (*this.chan, *this.wanted);
        let mut node = this.node;
        match node.phase() {
            Phase::Idle => {
                let mut wakes = Wakes::new();
                let (now, enough) = chan.take_permits(chan.list.lock(), wanted, &mut wakes);
                if now.closed {
                    spend();
                    return Poll::Ready(Err(Closed));
                }
                if enough {
                    finish(chan, now, message.take());
                    spend();
                    return Poll::Ready(Ok(()));
                }
                ready!(wait(chan, now, wanted, node.as_mut(), context, &mut wakes));
            }
            Phase::Linked => {
                if chan.list.refresh(node.as_mut(), context) == Phase::Linked {
                    return Poll::Pending;
                }
            }
            Phase::Taken => {}
        }
        spend();
        Poll::Ready(served(chan, node, message))
    }
}

/// The permit is the message's, or the caller's.
#[inline]
fn finish<T>(chan: &Chan<T>, now: Now<'_, T>, message: Option<T>) {
    match message {
        Some(message) => chan.push(now, message),
        None => drop(now),
    }
}

/// Goes into the list. Ready if it was served meanwhile.
fn wait<'a, T>(
    chan: &'a Chan<T>,
    mut now: Now<'a, T>,
    wanted: usize,
    mut node: Pin<&mut Node<Want>>,
    context: &mut Context<'_>,
    wakes: &mut Wakes,
) -> Poll<()> {
    let waker = match clone_of_task(context.waker()) {
        Some(waker) => waker,
        None => {
            // Anybody's code: not under the lock.
            drop(now);
            let waker = context.waker().clone();
            now = chan.list.lock();
            waker
        }
    };
    if now.closed {
        // Closed while the lock was away: as if it had waited, and was told.
        drop(now);
        quietly(|| drop(waker));
        return Poll::Ready(());
    }
    // Behind the others, and served as they are.
    node.as_mut().data(|want| {
        *want = Want {
            wanted,
            missing: wanted,
        }
    });
    now.push_back(node.as_mut(), waker);
    drop(chan.settle(now, wakes));
    match node.phase() {
        Phase::Linked => Poll::Pending,
        _ => Poll::Ready(()),
    }
}

/// The node is in no list any more.
fn served<T>(
    chan: &Chan<T>,
    mut node: Pin<&mut Node<Want>>,
    message: &mut Option<T>,
) -> Result<(), Closed> {
    let mut now = chan.list.lock();
    let mut held = 0;
    node.as_mut().data(|want| held = want.wanted - want.missing);
    node.reset();
    if now.closed {
        now.permits += held;
        chan.come_by(now, &mut Wakes::new());
        return Err(Closed);
    }
    finish(chan, now, message.take());
    Ok(())
}

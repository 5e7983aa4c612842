//! Something that is so or not, and those who wait until it is.
//!
//! raise   sets the flag under the lock of the list; takes everybody out, under the lock
//! wait    looks at the flag and goes into the list, under the same lock
//!
//! So a waiter that came too late to be taken out sees the flag. Model: `model::a_raised_signal_ends_the_wait`.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use pin_project_lite::pin_project;

use super::waiters::{Locked, Node, Phase, WaitList, Wakes};
use crate::sync_prim::{AtomicUsize, Ordering, keep, ordering};

/// Raised or not.
pub(super) struct Signal {
    /// Changed under the lock only; a look at it needs none.
    raised: AtomicUsize,
    list: WaitList<(), ()>,
}

impl Signal {
    pub(super) fn new(raised: bool) -> Signal {
        Signal {
            raised: AtomicUsize::new(raised.into()),
            list: WaitList::new(()),
        }
    }

    #[inline]
    pub(super) fn is_raised(&self) -> bool {
        // Ordering: Acquire <- the Release in `raise`: who sees it raised sees what was done before.
        let raised = self.raised.load(ordering("signal_seen", Ordering::Acquire));
        raised != 0
    }

    /// Makes it so, and wakes all who wait.
    pub(super) fn raise(&self) {
        self.set(true);
        self.wake_all();
    }

    /// Makes it so or not so: the first half of [`raise`](Self::raise), for those who hold a lock.
    pub(super) fn set(&self, raised: bool) {
        let _list = self.list.lock();
        // Ordering: Release -> the Acquire in `is_raised`.
        self.raised
            .store(raised.into(), ordering("signal_raised", Ordering::Release));
    }

    /// Wakes all who wait.
    pub(super) fn wake_all(&self) {
        let mut wakes = Wakes::new();
        self.list.wake_all(self.list.lock(), &mut wakes);
    }

    /// Waits until it is raised. One that is lowered again before the waiter looks has been raised all the same.
    pub(super) fn wait(&self) -> Wait<'_> {
        Wait {
            signal: self,
            node: Node::new(()),
        }
    }
}

impl<S> WaitList<S, ()> {
    /// Takes out all who wait, and wakes them, batch by batch. Those who come meanwhile stay: they have seen what there is to
    /// see.
    pub(super) fn wake_all<'a>(&'a self, mut list: Locked<'a, S, ()>, wakes: &mut Wakes) {
        let end = list.next_ticket();
        while list.first_ticket().is_some_and(|ticket| ticket < end) {
            if let Some(waker) = list.take_first(|()| ()) {
                wakes.push(waker);
            }
            if wakes.is_full() {
                drop(list);
                wakes.wake_all();
                list = self.lock();
            }
        }
    }
}

pin_project! {
    #[must_use = "futures do nothing unless you `.await` or poll them"]
    pub(super) struct Wait<'a> {
        signal: &'a Signal,
        #[pin]
        node: Node<()>,
    }

    impl PinnedDrop for Wait<'_> {
        fn drop(this: Pin<&mut Self>) {
            let this = this.project();
            forget(this.signal, this.node);
        }
    }
}

/// Takes the node of a future that goes out of the list.
pub(super) fn forget(signal: &Signal, node: Pin<&mut Node<()>>) {
    if node.phase() == Phase::Linked {
        let waker = signal.list.lock().remove(node);
        crate::job::quietly(|| drop(waker));
    }
}

/// Polls with a node that the caller keeps, and that [`forget`] takes out.
pub(super) fn poll(
    signal: &Signal,
    mut node: Pin<&mut Node<()>>,
    context: &mut Context<'_>,
) -> Poll<()> {
    let phase = match node.phase() {
        Phase::Linked => signal.list.refresh(node.as_mut(), context),
        phase => phase,
    };
    match phase {
        Phase::Taken => return Poll::Ready(()),
        Phase::Linked => return Poll::Pending,
        Phase::Idle if signal.is_raised() => return Poll::Ready(()),
        Phase::Idle => {}
    }
    let waker = context.waker().clone();
    let mut list = signal.list.lock();
    if keep("signal_look") && signal.is_raised() {
        drop(list);
        return Poll::Ready(());
    }
    list.push_back(node, waker);
    Poll::Pending
}

impl Future for Wait<'_> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let this = self.project();
        poll(this.signal, this.node, context)
    }
}

#[cfg(all(test, filch_loom))]
mod model {
    use super::*;
    use loom::future::block_on;
    use loom::thread;
    use std::sync::Arc;

    #[test]
    fn a_raised_signal_ends_the_wait() {
        loom::model(|| {
            let all = Arc::new((Signal::new(false), AtomicUsize::new(0)));
            let them = all.clone();
            let waiter = thread::spawn(move || {
                block_on(them.0.wait());
                // Relaxed: that it is seen is the signal's doing.
                assert_eq!(them.1.load(Ordering::Relaxed), 5);
            });
            all.1.store(5, Ordering::Relaxed);
            all.0.raise();
            waiter.join().unwrap();
        });
    }
}

//! A value with a version, and who waits for the next one.
//!
//! write   V1 under the lock of the value: change it, raise the version · V2 take out who waits
//! wait    V3 look at the version: not the one seen last? done · V4 look again under the lock of the list, then go into it
//!
//! Why no receiver waits beside a new version: V2 and V4 are under one lock; if V4 comes first, V2 takes the waiter out;
//! else it sees what was raised before V2. A write wakes those who waited before it; who comes meanwhile has seen it.
//! Models: `shared::model::a_new_value_is_seen`, `shared::model::the_end_is_seen`.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use crossbeam_utils::CachePadded;
use pin_project_lite::pin_project;

use crate::budget::{poll_left, spend};
use crate::job::quietly;
use crate::sync::signal::Signal;
use crate::sync::waiters::{Node, Phase, WaitList, Wakes};
use crate::sync_prim::{AtomicUsize, Ordering, RwLock, keep, ordering};

/// Every sender is gone.
const CLOSED: usize = 1;
/// One version.
const STEP: usize = 2;

pub(super) struct Shared<T> {
    pub(super) value: CachePadded<RwLock<T>>,
    /// The version, and CLOSED.
    word: CachePadded<AtomicUsize>,
    list: CachePadded<WaitList<(), ()>>,
    pub(super) senders: AtomicUsize,
    pub(super) receivers: AtomicUsize,
    /// Raised while there is no receiver.
    pub(super) deserted: Signal,
}

/// The version of a value; what comes is compared, never ordered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Version(usize);

/// The versions as of one moment.
pub(super) struct State {
    pub(super) version: Version,
    pub(super) closed: bool,
}

impl Version {
    pub(super) const FIRST: Version = Version(0);

    /// One that was, and is not the present one.
    pub(super) fn before(self) -> Version {
        Version(self.0.wrapping_sub(STEP))
    }
}

impl<T> Shared<T> {
    pub(super) fn new(value: T, receivers: usize) -> Arc<Shared<T>> {
        Arc::new(Shared {
            value: CachePadded::new(RwLock::new(value)),
            word: CachePadded::new(AtomicUsize::new(Version::FIRST.0)),
            list: CachePadded::new(WaitList::new(())),
            senders: AtomicUsize::new(1),
            receivers: AtomicUsize::new(receivers),
            deserted: Signal::new(receivers == 0),
        })
    }

    #[inline]
    pub(super) fn state(&self) -> State {
        // Ordering: Acquire <- the Release in `raise` and `close`: who sees a version sees what its writer did before.
        let word = self.word.load(ordering("watch_seen", Ordering::Acquire));
        State {
            version: Version(word & !CLOSED),
            closed: word & CLOSED != 0,
        }
    }

    /// V1, the second half: under the lock of the value.
    #[inline]
    pub(super) fn raise(&self) {
        // Ordering: Release -> the Acquire in `state`.
        let release = ordering("watch_raised", Ordering::Release);
        self.word.fetch_add(STEP, release);
    }

    /// The last sender is gone.
    pub(super) fn close(&self) {
        // Ordering: as in `raise`.
        let release = ordering("watch_closed", Ordering::Release);
        self.word.fetch_or(CLOSED, release);
        self.wake_all();
    }

    /// V2.
    pub(super) fn wake_all(&self) {
        let mut wakes = Wakes::new();
        self.list.wake_all(self.list.lock(), &mut wakes);
    }

    /// Counts one more receiver.
    pub(super) fn enter(&self) {
        // Ordering: Relaxed: a number; who waits for it to be 0 goes by the signal.
        if self.receivers.fetch_add(1, Ordering::Relaxed) == 0 {
            self.deserted.set(false);
            self.settle();
        }
    }

    /// Counts one receiver less.
    pub(super) fn leave(&self) {
        if self.receivers.fetch_sub(1, Ordering::Relaxed) == 1 {
            self.deserted.raise();
            self.settle();
        }
    }

    /// Two that change the signal at the same time may do so in the wrong order: the later one sees the last count.
    fn settle(&self) {
        loop {
            let none = self.receivers.load(Ordering::Relaxed) == 0;
            if none == self.deserted.is_raised() {
                return;
            }
            if none {
                self.deserted.raise();
            } else {
                self.deserted.set(false);
            }
        }
    }

    pub(super) fn statistics(&self) -> crate::sync::Statistics {
        self.list.statistics()
    }
}

pin_project! {
    /// Waits for another version than the one seen last.
    #[must_use = "futures do nothing unless you `.await` or poll them"]
    pub(super) struct Changed<'a, T> {
        shared: &'a Shared<T>,
        seen: &'a mut Version,
        #[pin]
        node: Node<()>,
    }

    impl<T> PinnedDrop for Changed<'_, T> {
        fn drop(this: Pin<&mut Self>) {
            let this = this.project();
            if this.node.phase() == Phase::Linked {
                let waker = this.shared.list.lock().remove(this.node);
                quietly(|| drop(waker));
            }
        }
    }
}

/// Every sender is gone, and the last version is seen.
pub(super) struct Closed;

impl<'a, T> Changed<'a, T> {
    pub(super) fn new(shared: &'a Shared<T>, seen: &'a mut Version) -> Changed<'a, T> {
        let node = Node::new(());
        Changed { shared, seen, node }
    }
}

/// V3. None: wait.
#[inline]
pub(super) fn look<T>(shared: &Shared<T>, seen: &mut Version) -> Option<Result<(), Closed>> {
    let state = shared.state();
    if state.version != *seen {
        *seen = state.version;
        Some(Ok(()))
    } else {
        state.closed.then_some(Err(Closed))
    }
}

impl<T> Future for Changed<'_, T> {
    type Output = Result<(), Closed>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        ready!(poll_left(context));
        let this = self.project();
        let (shared, mut node) = (*this.shared, this.node);
        loop {
            if let Some(answer) = look(shared, this.seen) {
                spend();
                return Poll::Ready(answer);
            }
            match node.phase() {
                Phase::Linked => {
                    if shared.list.refresh(node.as_mut(), context) == Phase::Linked {
                        return Poll::Pending;
                    }
                    continue;
                }
                Phase::Taken => node.as_mut().reset(),
                Phase::Idle => {}
            }
            let waker = context.waker().clone();
            let mut list = shared.list.lock();
            let answer = if keep("watch_look") {
                look(shared, this.seen) // V4
            } else {
                None
            };
            let Some(answer) = answer else {
                list.push_back(node, waker);
                return Poll::Pending;
            };
            drop(list);
            quietly(|| drop(waker));
            spend();
            return Poll::Ready(answer);
        }
    }
}

#[cfg(all(test, filch_loom))]
mod model {
    use crate::sync::watch;
    use crate::sync_prim::{AtomicUsize, Ordering};
    use loom::future::block_on;
    use loom::thread;
    use std::sync::Arc;

    #[test]
    fn a_new_value_is_seen() {
        loom::model(|| {
            let (tx, mut rx) = watch::channel(0);
            let reader = thread::spawn(move || {
                block_on(rx.changed()).unwrap();
                let seen = *rx.borrow_and_update();
                (seen, rx)
            });
            tx.send(1).unwrap();
            let (seen, _rx) = reader.join().unwrap();
            assert_eq!(seen, 1);
        });
    }

    #[test]
    fn the_end_is_seen() {
        loom::model(|| {
            let (tx, mut rx) = watch::channel(());
            let said = Arc::new(AtomicUsize::new(0));
            let hears = said.clone();
            let reader = thread::spawn(move || {
                assert!(block_on(rx.changed()).is_err());
                // Relaxed: that it is seen is the channel's doing.
                assert_eq!(hears.load(Ordering::Relaxed), 5);
            });
            said.store(5, Ordering::Relaxed);
            drop(tx);
            reader.join().unwrap();
        });
    }

    #[test]
    fn what_was_done_before_a_version_is_seen_with_it() {
        loom::model(|| {
            let (tx, rx) = watch::channel(());
            let said = Arc::new(AtomicUsize::new(0));
            let hears = said.clone();
            let reader = thread::spawn(move || {
                if rx.has_changed().unwrap_or(false) {
                    // Relaxed: that it is seen is the channel's doing.
                    assert_eq!(hears.load(Ordering::Relaxed), 5);
                }
                rx
            });
            said.store(5, Ordering::Relaxed);
            tx.send(()).unwrap();
            let rx = reader.join().unwrap();
            drop(rx);
            assert_eq!(tx.shared.receivers.load(Ordering::Relaxed), 0);
        });
    }

    #[test]
    fn the_last_receiver_is_noticed_whoever_comes_again() {
        loom::model(|| {
            let (tx, rx) = watch::channel(());
            let other = thread::spawn(move || drop(rx));
            let again = tx.subscribe();
            other.join().unwrap();
            assert!(!tx.shared.deserted.is_raised());
            drop(again);
            block_on(tx.closed());
        });
    }
}

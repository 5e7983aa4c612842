//! Who waits for a [`Notify`].

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use pin_project_lite::pin_project;

use super::{EMPTY, NOTIFIED, Notify, STATE, Told, WAITING};
use crate::sync::waiters::{Node, Phase, wake};
use crate::sync_prim::{Ordering, keep, ordering};

pin_project! {
    /// Waits to be told: [`Notify::notified`].
    ///
    /// # Source
    /// `tokio::sync::futures::Notified`.
    ///
    /// # Examples
    /// ```
    /// # filch::block_on(async {
    /// let notify = filch::sync::Notify::new();
    /// let notified: filch::sync::futures::Notified<'_> = notify.notified();
    /// notify.notify_waiters();
    /// notified.await;
    /// # });
    /// ```
    #[must_use = "futures do nothing unless you `.await` or poll them"]
    pub struct Notified<'a> {
        notify: &'a Notify,
        #[pin]
        waiting: Waiting,
    }

    impl PinnedDrop for Notified<'_> {
        fn drop(this: Pin<&mut Self>) {
            let this = this.project();
            this.waiting.give_up(this.notify);
        }
    }
}

pin_project! {
    /// Waits to be told, and keeps the [`Notify`] alive: [`Notify::notified_owned`].
    ///
    /// # Source
    /// `tokio::sync::futures::OwnedNotified`.
    ///
    /// # Examples
    /// ```
    /// # filch::block_on(async {
    /// let notify = std::sync::Arc::new(filch::sync::Notify::new());
    /// let notified: filch::sync::futures::OwnedNotified = notify.clone().notified_owned();
    /// notify.notify_waiters();
    /// drop(notify);
    /// notified.await;
    /// # });
    /// ```
    #[must_use = "futures do nothing unless you `.await` or poll them"]
    pub struct OwnedNotified {
        notify: Arc<Notify>,
        #[pin]
        waiting: Waiting,
    }

    impl PinnedDrop for OwnedNotified {
        fn drop(this: Pin<&mut Self>) {
            let this = this.project();
            this.waiting.give_up(this.notify);
        }
    }
}

pin_project! {
    /// What both have.
    struct Waiting {
        // The calls of `notify_waiters` before it was made.
        calls: usize,
        is_done: bool,
        #[pin]
        node: Node<Told>,
    }
}

impl<'a> Notified<'a> {
    pub(super) fn new(notify: &'a Notify) -> Self {
        let waiting = Waiting::new(notify);
        Notified { notify, waiting }
    }

    /// Takes a place in the line without waiting. True if it was told already; then it is ready.
    ///
    /// # Examples
    /// Nothing is missed between the look and the wait, even of [`Notify::notify_one`]:
    /// ```
    /// use filch::sync::Notify;
    ///
    /// # filch::block_on(async {
    /// let notify = Notify::new();
    /// let mut notified = std::pin::pin!(notify.notified());
    /// assert!(!notified.as_mut().enable());
    /// notify.notify_one(); // It is this one who is told.
    /// notified.await;
    /// # });
    /// ```
    pub fn enable(self: Pin<&mut Self>) -> bool {
        let this = self.project();
        this.waiting.poll(this.notify, None).is_ready()
    }
}

impl OwnedNotified {
    pub(super) fn new(notify: Arc<Notify>) -> Self {
        let waiting = Waiting::new(&notify);
        OwnedNotified { notify, waiting }
    }

    /// As [`Notified::enable`].
    ///
    /// # Examples
    /// ```
    /// # filch::block_on(async {
    /// let notify = std::sync::Arc::new(filch::sync::Notify::new());
    /// notify.notify_one();
    /// let mut notified = Box::pin(notify.notified_owned());
    /// assert!(notified.as_mut().enable());
    /// notified.await;
    /// # });
    /// ```
    pub fn enable(self: Pin<&mut Self>) -> bool {
        let this = self.project();
        this.waiting.poll(this.notify, None).is_ready()
    }
}

impl Future for Notified<'_> {
    type Output = ();

    #[inline]
    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let this = self.project();
        this.waiting.poll(this.notify, Some(context))
    }
}

impl Future for OwnedNotified {
    type Output = ();

    #[inline]
    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let this = self.project();
        this.waiting.poll(this.notify, Some(context))
    }
}

impl Waiting {
    fn new(notify: &Notify) -> Waiting {
        Waiting {
            calls: notify.calls(),
            is_done: false,
            node: Node::new(Told::Nothing),
        }
    }

    /// Without a context nobody is woken, but the place is taken.
    fn poll(self: Pin<&mut Self>, notify: &Notify, context: Option<&mut Context<'_>>) -> Poll<()> {
        let mut this = self.project();
        if *this.is_done {
            return Poll::Ready(());
        }
        let phase = match &context {
            Some(context) => notify.waiters.refresh(this.node.as_mut(), context),
            None => this.node.phase(),
        };
        let is_told = match phase {
            Phase::Taken => {
                this.node.as_mut().reset();
                true
            }
            Phase::Linked => {
                // Before the line of a `notify_waiters` that is still at work.
                *this.calls != notify.calls() && {
                    let mut locked = notify.waiters.lock();
                    let removed = locked.remove(this.node.as_mut());
                    drop(locked);
                    if removed.is_none() {
                        this.node.as_mut().reset();
                    }
                    true
                }
            }
            Phase::Idle => {
                *this.calls != notify.calls() || notify.try_consume() || {
                    let waker = context.map_or(Waker::noop(), |context| context.waker());
                    let waker = waker.clone();
                    let mut locked = notify.waiters.lock();
                    if *this.calls != notify.calls() || !notify.begin_wait() {
                        true
                    } else {
                        locked.push_back(this.node, waker);
                        false
                    }
                }
            }
        };
        if is_told {
            *this.is_done = true;
            Poll::Ready(())
        } else {
            Poll::Pending
        }
    }

    /// It goes; a notification for one goes to another.
    #[inline]
    fn give_up(self: Pin<&mut Self>, notify: &Notify) {
        if self.node.phase() != Phase::Idle {
            self.give_up_slow(notify);
        }
    }

    #[cold]
    fn give_up_slow(self: Pin<&mut Self>, notify: &Notify) {
        let mut this = self.project();
        let mut locked = notify.waiters.lock();
        let removed = locked.remove(this.node.as_mut());
        if removed.is_some() {
            drop(locked);
            drop(removed);
            return;
        }
        let told = this.node.as_mut().data(|told| *told);
        this.node.reset();
        if matches!(told, Told::First | Told::Last) && keep("notify_pass_on") {
            let locked = notify.settle(locked);
            wake(notify.notify_locked(locked, told));
        }
    }
}

impl Notify {
    /// Makes the state WAITING, with the list's lock; false if a notification was kept: it is taken.
    fn begin_wait(&self) -> bool {
        let mut now = self.word.load(Ordering::Relaxed);
        loop {
            let (next, waits) = match now & STATE {
                WAITING => return true,
                NOTIFIED => (EMPTY, false),
                _ => (WAITING, true),
            };
            // Ordering: Acquire <- the Release in `keep_notification`, if one was kept.
            match self.word.compare_exchange(
                now,
                now & !STATE | next,
                ordering("notify_begin", Ordering::Acquire),
                Ordering::Relaxed,
            ) {
                Ok(_) => return waits,
                Err(other) => now = other,
            }
        }
    }
}

impl fmt::Debug for Notified<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Notified")
            .field("notify", &self.notify)
            .field("is_done", &self.waiting.is_done)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for OwnedNotified {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OwnedNotified")
            .field("notify", &self.notify)
            .field("is_done", &self.waiting.is_done)
            .finish_non_exhaustive()
    }
}

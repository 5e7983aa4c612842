//! Nobody goes on before all are there: [`Barrier`]. Model: `sync::model::nobody_goes_on_before_all_are_there`.

use std::fmt;
use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::task::{Context, Poll, ready};

use pin_project_lite::pin_project;

use super::Statistics;
use super::waiters::{Node, Phase, WaitList, Wakes};
use crate::budget::{poll_left, spend};

/// Has tasks wait for each other: so many must wait before any goes on. Then it begins anew.
///
/// # Source
/// `tokio::sync::Barrier`; asyncio's `Barrier`, without its `abort`.
///
/// # Examples
/// ```
/// use std::sync::Arc;
/// use filch::sync::Barrier;
///
/// # filch::block_on(async {
/// let barrier = Arc::new(Barrier::new(3));
/// let tasks: Vec<_> = (0..3).map(|_| {
///     let barrier = barrier.clone();
///     filch::spawn(async move { barrier.wait().await.is_leader() })
/// }).collect();
/// let mut leaders = 0;
/// for task in tasks {
///     leaders += usize::from(task.await.unwrap());
/// }
/// assert_eq!(leaders, 1);
/// # });
/// ```
pub struct Barrier {
    size: usize,
    waiters: WaitList<Arrived, ()>,
}

/// How many have come to this round.
struct Arrived(usize);

/// What [`Barrier::wait`] gives: who of them is the leader.
///
/// # Source
/// `tokio::sync::BarrierWaitResult`.
///
/// # Examples
/// ```
/// # filch::block_on(async {
/// let barrier = filch::sync::Barrier::new(1);
/// let result: filch::sync::BarrierWaitResult = barrier.wait().await;
/// assert!(result.is_leader());
/// # });
/// ```
#[derive(Clone, Debug)]
pub struct BarrierWaitResult(bool);

impl BarrierWaitResult {
    /// True for one of each round: the last who came.
    ///
    /// # Examples
    /// ```
    /// # filch::block_on(async {
    /// let barrier = filch::sync::Barrier::new(2);
    /// let (one, two) = filch::join!(barrier.wait(), barrier.wait());
    /// assert!(!one.is_leader() && two.is_leader());
    /// # });
    /// ```
    pub fn is_leader(&self) -> bool {
        self.0
    }
}

impl Barrier {
    /// A barrier for so many tasks. 0 is as 1: nobody waits.
    ///
    /// # Examples
    /// ```
    /// # filch::block_on(async {
    /// let barrier = filch::sync::Barrier::new(0);
    /// barrier.wait().await;
    /// # });
    /// ```
    pub fn new(n: usize) -> Barrier {
        Barrier {
            size: n.max(1),
            waiters: WaitList::new(Arrived(0)),
        }
    }

    /// Waits until all are there.
    ///
    /// # Cancel safety
    /// Not safe: who has begun to wait is counted, and stays so if it is dropped.
    ///
    /// # Examples
    /// ```
    /// # filch::block_on(async {
    /// let alone = filch::sync::Barrier::new(1);
    /// assert!(alone.wait().await.is_leader());
    /// # });
    /// ```
    pub async fn wait(&self) -> BarrierWaitResult {
        let wait = Wait {
            barrier: self,
            node: Node::new(()),
        };
        let mut wait = pin!(wait);
        poll_fn(|context| wait.as_mut().poll(context)).await
    }

    /// How many wait in this round, and how many did at most.
    ///
    /// # Source
    /// New: tokio has none.
    ///
    /// # Examples
    /// ```
    /// let barrier = filch::sync::Barrier::new(2);
    /// assert_eq!(barrier.statistics().waiters, 0);
    /// ```
    pub fn statistics(&self) -> Statistics {
        self.waiters.statistics()
    }

    /// One more is here. True if it is the last: then all the others are woken. Else it waits.
    fn arrive(&self, node: Pin<&mut Node<()>>, context: &Context<'_>) -> bool {
        let waker = context.waker().clone();
        let mut wakes = Wakes::new();
        let mut locked = self.waiters.lock();
        locked.0 += 1;
        if locked.0 < self.size {
            locked.push_back(node, waker);
            return false;
        }
        locked.0 = 0;
        // Who comes while these are woken belongs to the next round.
        let round = locked.next_ticket();
        loop {
            while !wakes.is_full() && locked.first_ticket().is_some_and(|ticket| ticket < round) {
                let taken = locked.take_first(|()| ());
                taken.into_iter().for_each(|waker| wakes.push(waker));
            }
            let is_over = !wakes.is_full();
            drop(locked);
            wakes.wake_all();
            if is_over {
                return true;
            }
            locked = self.waiters.lock();
        }
    }
}

pin_project! {
    struct Wait<'a> {
        barrier: &'a Barrier,
        #[pin]
        node: Node<()>,
    }

    impl PinnedDrop for Wait<'_> {
        fn drop(this: Pin<&mut Self>) {
            let this = this.project();
            if this.node.phase() == Phase::Linked {
                let waker = this.barrier.waiters.lock().remove(this.node);
                drop(waker);
            }
        }
    }
}

impl Future for Wait<'_> {
    type Output = BarrierWaitResult;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        ready!(poll_left(context));
        let mut this = self.project();
        let waiters = &this.barrier.waiters;
        let is_leader = match waiters.refresh(this.node.as_mut(), context) {
            Phase::Linked => return Poll::Pending,
            Phase::Taken => false,
            Phase::Idle if this.barrier.arrive(this.node, context) => true,
            Phase::Idle => return Poll::Pending,
        };
        spend();
        Poll::Ready(BarrierWaitResult(is_leader))
    }
}

impl fmt::Debug for Barrier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Barrier")
            .field("size", &self.size)
            .field("arrived", &self.waiters.lock().0)
            .finish()
    }
}

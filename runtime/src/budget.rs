//! How much a task may do in one poll before it must let others run.
//!
//! Each poll of a task, and of the future of `block_on`, begins with a budget of [`WHOLE`] operations. Every operation
//! that is ready spends one: a read that finds bytes, a timer that is due, a join of a task that is done. When none is left
//! the next operation says `Pending`, ready or not, and wakes its task at once, which so goes to the back of the queue.
//! An operation that waits anyway spends nothing.
//!
//! A future that is polled again all the same, in the same poll of its task (by an executor inside the task, say, as
//! `futures::executor::block_on` is), would be refused for ever: after [`REFUSALS`] it has a whole budget again.
//!
//! Code outside such a poll (a thread of one's own, a blocking closure, a hook) has no budget to keep to.

use std::cell::Cell;
use std::future::Future;
use std::marker::PhantomData;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use pin_project_lite::pin_project;

/// The budget of one poll. Unit: operations. Fewer: more tasks go through the queue for nothing; more: the others wait
/// longer. As tokio's, for which programs are tuned.
const WHOLE: i32 = 128;

/// Whoever has this may do what he likes.
const UNLIMITED: i32 = i32::MAX;

/// How often a poll whose budget is used up hears so. Fewer: a task that drives thousands of futures gets a second budget
/// in the same poll; more: an executor inside a task spins longer.
const REFUSALS: i32 = 1024;

thread_local! {
    /// What is left in the poll that this thread is in; below 0, how often that was too little.
    static LEFT: Cell<i32> = const { Cell::new(UNLIMITED) };
    /// An operation was refused since somebody asked.
    static REFUSED: Cell<bool> = const { Cell::new(false) };
}

/// The thread has a budget of its own while this lives; then what it had before.
#[must_use = "ends when dropped"]
pub(crate) struct Allotted(i32);

impl Drop for Allotted {
    #[inline]
    fn drop(&mut self) {
        LEFT.set(self.0);
    }
}

/// A whole budget, for one poll.
#[inline]
pub(crate) fn whole() -> Allotted {
    Allotted(LEFT.replace(WHOLE))
}

/// No limit, for as long as the answer lives.
#[inline]
pub(crate) fn unlimited() -> Allotted {
    Allotted(LEFT.replace(UNLIMITED))
}

/// What a future found when it was polled, for the limit that is looked at after it.
#[must_use = "asked after the poll"]
pub(crate) struct Found(bool);

/// Before a future with a limit is polled.
#[inline]
pub(crate) fn found() -> Found {
    Found(has_budget_remaining())
}

impl Found {
    /// After it was polled: a future that uses the whole budget each time must not keep its limit from being looked at.
    #[inline]
    pub(crate) fn look_at_limit(self) -> Option<Allotted> {
        let it_used_the_rest = self.0 && !has_budget_remaining();
        it_used_the_rest.then(unlimited)
    }
}

/// May an operation of this task go on? If nothing is left, the task is woken: it comes again, with a whole budget.
///
/// The light form of [`poll_proceed`]: [`spend`] one once the operation turns out to be ready.
#[inline]
pub(crate) fn poll_left(context: &Context<'_>) -> Poll<()> {
    if LEFT.get() > 0 {
        Poll::Ready(())
    } else {
        come_again(context)
    }
}

#[cold]
fn come_again(context: &Context<'_>) -> Poll<()> {
    let refused = 1 - LEFT.get();
    LEFT.set(if refused < REFUSALS { -refused } else { WHOLE });
    REFUSED.set(true);
    context.waker().wake_by_ref();
    Poll::Pending
}

/// Has a poll on this thread used up its budget and asked for more since the last call?
#[inline]
pub(crate) fn was_refused() -> bool {
    REFUSED.get() && REFUSED.replace(false)
}

/// An operation was ready.
#[inline]
pub(crate) fn spend() {
    let left = LEFT.get();
    if left > 0 {
        LEFT.set(one_less(left));
    }
}

#[inline]
fn one_less(left: i32) -> i32 {
    match left {
        UNLIMITED => UNLIMITED,
        left => left - 1,
    }
}

/// True while the budget of this poll is not used up; always outside a task.
///
/// For code that wants to tell whether an operation said `Pending` for want of budget.
///
/// # Source
/// `tokio::task::coop::has_budget_remaining`.
///
/// # Examples
/// ```
/// use filch::task::coop::has_budget_remaining;
///
/// # filch::block_on(async {
/// assert!(has_budget_remaining());
/// for _ in 0..128 {
///     filch::task::consume_budget().await;
/// }
/// assert!(!has_budget_remaining());
/// # });
/// ```
#[inline]
pub fn has_budget_remaining() -> bool {
    LEFT.get() > 0
}

/// Spends one unit of the budget, for a resource of your own. Ready while there is one; else the task is woken, so that
/// the poll that returns this `Pending` comes again, after the other tasks.
///
/// Dropping the answer gives the unit back, as is right for an operation that has to wait; one that was ready says so with
/// [`made_progress`](RestoreOnPending::made_progress).
///
/// # Source
/// `tokio::task::coop::poll_proceed`.
///
/// # Examples
/// ```
/// use std::task::{Context, Poll, ready};
/// use filch::task::coop::poll_proceed;
///
/// /// A stream of ones that is always ready, and yet leaves room for others.
/// fn poll_one(context: &mut Context<'_>) -> Poll<u32> {
///     let unit = ready!(poll_proceed(context));
///     unit.made_progress();
///     Poll::Ready(1)
/// }
///
/// # filch::block_on(async {
/// let mut sum = 0;
/// for _ in 0..1000 {
///     sum += std::future::poll_fn(poll_one).await;
/// }
/// assert_eq!(sum, 1000);
/// # });
/// ```
#[inline]
pub fn poll_proceed(context: &mut Context<'_>) -> Poll<RestoreOnPending> {
    ready!(poll_left(context));
    let before = LEFT.get();
    LEFT.set(one_less(before));
    Poll::Ready(RestoreOnPending {
        before: Cell::new(before),
        _of_its_thread: PhantomData,
    })
}

/// A unit of the budget that was spent by [`poll_proceed`]: dropped, it is given back.
///
/// # Source
/// `tokio::task::coop::RestoreOnPending`.
#[derive(Debug)]
#[must_use = "dropped at once, the unit is given back at once"]
pub struct RestoreOnPending {
    /// What to restore; [`UNLIMITED`] stands for nothing.
    before: Cell<i32>,
    /// The budget is its thread's.
    _of_its_thread: PhantomData<*mut ()>,
}

impl RestoreOnPending {
    /// The operation was ready: the unit stays spent.
    pub fn made_progress(&self) {
        self.before.set(UNLIMITED);
    }
}

impl Drop for RestoreOnPending {
    fn drop(&mut self) {
        let before = self.before.get();
        if before != UNLIMITED {
            LEFT.set(before);
        }
    }
}

/// Spends one unit of the task's budget, and lets others run if none is left. For long computations: put it into the
/// loop, and the task yields now and then, but not each time.
///
/// # Cancel safety
/// Safe: there is nothing to lose.
///
/// # Source
/// `tokio::task::consume_budget`.
///
/// # Examples
/// ```
/// async fn sum(numbers: impl Iterator<Item = u64>) -> u64 {
///     let mut sum = 0;
///     for number in numbers {
///         sum += number;
///         filch::task::consume_budget().await;
///     }
///     sum
/// }
///
/// # filch::block_on(async {
/// assert_eq!(sum(1..=1000).await, 500_500);
/// # });
/// ```
pub async fn consume_budget() {
    std::future::poll_fn(|context| poll_left(context).map(|()| spend())).await;
}

pin_project! {
    /// A future without a budget: [`unconstrained`].
    ///
    /// # Source
    /// `tokio::task::coop::Unconstrained`.
    #[derive(Debug)]
    #[must_use = "futures do nothing unless you `.await` or poll them"]
    pub struct Unconstrained<F> {
        #[pin]
        future: F,
    }
}

/// Lets the future do as much as it likes in one poll. One that is always ready then keeps its worker for good: tasks
/// that wait for that worker are moved to others by the guard, but a runtime with one worker stands still.
///
/// # Cancel safety
/// As safe as `future`.
///
/// # Source
/// `tokio::task::unconstrained`.
///
/// # Examples
/// ```
/// use filch::task::{consume_budget, coop::has_budget_remaining, unconstrained};
///
/// # filch::block_on(async {
/// unconstrained(async {
///     for _ in 0..1000 {
///         consume_budget().await;
///         assert!(has_budget_remaining());
///     }
/// })
/// .await;
/// # });
/// ```
pub fn unconstrained<F>(future: F) -> Unconstrained<F> {
    Unconstrained { future }
}

impl<F: Future> Future for Unconstrained<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<F::Output> {
        let _unlimited = unlimited();
        self.project().future.poll(context)
    }
}

pin_project! {
    /// A future that keeps to the budget: [`cooperative`].
    ///
    /// # Source
    /// `tokio::task::coop::Coop`.
    #[derive(Debug)]
    #[must_use = "futures do nothing unless you `.await` or poll them"]
    pub struct Coop<F> {
        #[pin]
        future: F,
    }
}

/// Makes a future that knows nothing of the budget keep to it: it is polled only while some is left, and spends one unit
/// when it is ready.
///
/// # Cancel safety
/// As safe as `future`.
///
/// # Source
/// `tokio::task::coop::cooperative`.
///
/// # Examples
/// ```
/// use filch::task::coop::cooperative;
///
/// # filch::block_on(async {
/// /// Stands for a channel of another crate that has a thousand messages.
/// async fn receive() -> u32 {
///     1
/// }
///
/// let mut sum = 0;
/// for _ in 0..1000 {
///     // Without this, the loop would never let others run.
///     sum += cooperative(receive()).await;
/// }
/// assert_eq!(sum, 1000);
/// # });
/// ```
pub fn cooperative<F: Future>(future: F) -> Coop<F> {
    Coop { future }
}

impl<F: Future> Future for Coop<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<F::Output> {
        let unit = ready!(poll_proceed(context));
        let polled = self.project().future.poll(context);
        if polled.is_ready() {
            unit.made_progress();
        }
        polled
    }
}

#[cfg(all(test, not(filch_loom)))]
mod tests {
    use super::*;
    use std::task::Waker;

    fn proceed() -> Option<RestoreOnPending> {
        match poll_proceed(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(unit) => Some(unit),
            Poll::Pending => None,
        }
    }

    #[test]
    fn outside_a_poll_there_is_no_limit() {
        drop(proceed().unwrap());
        assert_eq!(LEFT.get(), UNLIMITED);
        proceed().unwrap().made_progress();
        spend();
        assert_eq!(LEFT.get(), UNLIMITED);
    }

    #[test]
    fn what_made_no_progress_is_given_back() {
        let _poll = whole();
        drop(proceed().unwrap());
        assert_eq!(LEFT.get(), WHOLE);
        proceed().unwrap().made_progress();
        assert_eq!(LEFT.get(), WHOLE - 1);
        let unit = proceed().unwrap();
        assert_eq!(LEFT.get(), WHOLE - 2);
        drop(unit);
        assert_eq!(LEFT.get(), WHOLE - 1);
    }

    #[test]
    fn a_poll_inside_a_poll_has_its_own() {
        let outer = whole();
        spend();
        {
            let _inner = whole();
            assert_eq!(LEFT.get(), WHOLE);
            let _none = unlimited();
            spend();
            assert_eq!(LEFT.get(), UNLIMITED);
        }
        assert_eq!(LEFT.get(), WHOLE - 1);
        drop(outer);
        assert_eq!(LEFT.get(), UNLIMITED);
    }

    #[test]
    fn it_ends() {
        let _poll = whole();
        for _ in 0..WHOLE {
            assert!(has_budget_remaining());
            proceed().unwrap().made_progress();
        }
        assert!(!has_budget_remaining());
        for _ in 0..REFUSALS {
            spend();
            assert!(!has_budget_remaining());
            assert!(proceed().is_none());
        }
        // Whoever asks so often is driven by something inside the task.
        assert_eq!(LEFT.get(), WHOLE);
    }

    #[test]
    fn a_panic_gives_the_outer_budget_back() {
        let _poll = whole();
        crate::job::quietly(|| {
            let _inner = unlimited();
            panic!("inside");
        });
        assert_eq!(LEFT.get(), WHOLE);
    }
}

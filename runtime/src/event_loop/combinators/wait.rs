//! The first, or all, or one after the other, without cancelling any.

use std::any::Any;
use std::collections::VecDeque;
use std::fmt;
use std::future::Future;
use std::marker::PhantomData;
use std::panic::Location;
use std::sync::Arc;
use std::task::{Poll, Waker};
use std::time::Duration;

use parking_lot::Mutex;

use super::super::awaitable::{Awaitable, Ensure};
use super::super::handles::TimerHandle;
use super::super::running;
use super::super::timeout::TimeoutError;
use crate::promise::{CallbackId, Follow, Lead, Promise, PromiseError, PromiseState};

/// When [`wait`] has waited long enough.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ReturnWhen {
    /// When any is done: with a value, with an error or cancelled.
    FirstCompleted,
    /// When any fails, which being cancelled is not; or when all are done. A task fails by a panic: an `Err` that its future
    /// returns is a value.
    FirstException,
    /// When all are done.
    #[default]
    AllCompleted,
}

/// What [`wait`] gives, each in the order of the arguments.
#[derive(Clone, Debug)]
pub struct Waited<A> {
    /// Those that are done.
    pub done: Vec<A>,
    /// Those that are not.
    pub pending: Vec<A>,
}

/// The callbacks of one wait; they are taken back when it is dropped.
struct Watching<A: Awaitable> {
    items: Vec<A>,
    callbacks: Vec<CallbackId>,
    timer: Option<TimerHandle>,
    shared: Arc<Mutex<Progress>>,
}

#[derive(Default)]
struct Progress {
    /// The numbers of those that are done, in that order.
    done: VecDeque<usize>,
    left: usize,
    failed: bool,
    timed_out: bool,
    waker: Option<Waker>,
}

impl<A: Awaitable> Watching<A> {
    #[track_caller]
    fn new(
        items: Vec<A>,
        timeout: Option<Duration>,
        place_of_failure: bool,
        place: &'static Location<'static>,
    ) -> Watching<A> {
        let on = running();
        let progress = Progress {
            left: items.len(),
            ..Progress::default()
        };
        let shared = Arc::new(Mutex::new(progress));
        let mut callbacks = Vec::with_capacity(items.len());
        for (n, item) in items.iter().enumerate() {
            callbacks.push(item.to_promise().follow(Arc::new(Watched::<A> {
                n,
                place_of_failure,
                shared: shared.clone(),
                of: PhantomData,
            })));
        }
        let timer = timeout.map(|timeout| {
            let shared = shared.clone();
            on.queue_later(place, timeout, move || {
                let mut progress = shared.lock();
                progress.timed_out = true;
                wake(progress.waker.take(), progress);
            })
        });
        Watching {
            items,
            callbacks,
            timer,
            shared,
        }
    }

    /// Waits until `look` finds something.
    async fn until<R>(&self, mut look: impl FnMut(&mut Progress) -> Option<R>) -> R {
        std::future::poll_fn(|context| {
            let new = context.waker();
            let mut own = None;
            loop {
                let mut progress = self.shared.lock();
                if let Some(found) = look(&mut progress) {
                    return Poll::Ready(found);
                }
                if progress
                    .waker
                    .as_ref()
                    .is_some_and(|old| old.will_wake(new))
                {
                    return Poll::Pending;
                }
                if let Some(own) = own.take() {
                    let old = progress.waker.replace(own);
                    drop(progress);
                    drop(old);
                    return Poll::Pending;
                }
                drop(progress);
                // Not under the lock: a clone may be anybody's code, as a drop is. Then look again.
                own = Some(new.clone());
            }
        })
        .await
    }
}

/// What one of the items leads to.
struct Watched<A> {
    n: usize,
    place_of_failure: bool,
    shared: Arc<Mutex<Progress>>,
    of: PhantomData<fn(A)>,
}

impl<A: Awaitable> Follow for Watched<A> {
    fn done(&self, promise: &dyn Any) {
        let promise = promise.downcast_ref::<Promise<A::Value, A::Error>>();
        let has_failed = |promise: &Promise<A::Value, A::Error>| {
            promise.state() == PromiseState::Finished
                && matches!(promise.result(), Ok(Err(PromiseError::Failed(_))))
        };
        let failed = self.place_of_failure && promise.is_some_and(has_failed);
        let mut progress = self.shared.lock();
        progress.done.push_back(self.n);
        progress.left -= 1;
        progress.failed |= failed;
        wake(progress.waker.take(), progress);
    }

    fn leads(&self, into: &mut Vec<Lead>) {
        into.extend(self.shared.lock().waker.as_ref().map(Lead::waker));
    }
}

/// Not under the lock: a waker is anybody's code.
fn wake<T>(waker: Option<Waker>, guard: T) {
    drop(guard);
    if let Some(waker) = waker {
        waker.wake();
    }
}

impl<A: Awaitable> Drop for Watching<A> {
    fn drop(&mut self) {
        for (item, callback) in self.items.iter().zip(&self.callbacks) {
            item.to_promise().remove_done_callback(*callback);
        }
        if let Some(timer) = &self.timer {
            timer.cancel();
        }
    }
}

/// Waits for tasks or promises, and cancels none: until `when`, or until the time is up.
///
/// Futures are not taken, since nobody could tell which is which afterwards: make them tasks first.
///
/// # Panics
/// Outside a loop, and if there is nothing to wait for.
///
/// # Cancel safety
/// Safe: nothing is cancelled.
///
/// # Source
/// `asyncio.wait`.
///
/// # Examples
/// ```
/// use filch::asyncio::{ReturnWhen, create_task, wait};
///
/// let event_loop = filch::EventLoop::new();
/// event_loop.run_until_complete(async {
///     let quick = create_task(async { 1 });
///     let slow = create_task(std::future::pending());
///     let waited = wait([quick, slow.clone()], None, ReturnWhen::FirstCompleted).await;
///     assert_eq!(waited.done[0].result().unwrap().unwrap(), 1);
///     assert_eq!(waited.pending.len(), 1);
///     slow.cancel("");
/// }).unwrap();
/// ```
#[track_caller]
pub fn wait<A: Awaitable>(
    all: impl IntoIterator<Item = A>,
    timeout: Option<Duration>,
    when: ReturnWhen,
) -> impl Future<Output = Waited<A>> + Send {
    let items: Vec<A> = all.into_iter().collect();
    assert!(!items.is_empty(), "Set of Tasks/Futures is empty.");
    wait_at(items, timeout, when, Location::caller())
}

async fn wait_at<A: Awaitable>(
    items: Vec<A>,
    timeout: Option<Duration>,
    when: ReturnWhen,
    place: &'static Location<'static>,
) -> Waited<A> {
    let watching = Watching::new(items, timeout, when == ReturnWhen::FirstException, place);
    watching
        .until(|progress| {
            let enough = match when {
                ReturnWhen::FirstCompleted => !progress.done.is_empty(),
                ReturnWhen::FirstException => progress.failed,
                ReturnWhen::AllCompleted => false,
            };
            (enough || progress.left == 0 || progress.timed_out).then_some(())
        })
        .await;
    let is_done = |item: &A| item.to_promise().is_done();
    let (done, pending) = watching.items.iter().cloned().partition(is_done);
    Waited { done, pending }
}

/// The tasks or promises of a call, one after the other as they are done: [`as_completed`].
#[must_use = "nothing is waited for before `next`"]
pub struct AsCompleted<A: Awaitable> {
    watching: Watching<A>,
    given: usize,
}

/// Gives tasks or promises as they are done: the same that it was given; futures become tasks of the running loop.
///
/// # Panics
/// Outside a loop.
///
/// # Source
/// `asyncio.as_completed`, as an asynchronous iterator.
///
/// # Examples
/// ```
/// use std::time::Duration;
/// use filch::asyncio::{as_completed, sleep};
///
/// let event_loop = filch::EventLoop::new();
/// let said = event_loop.run_until_complete(async {
///     let work = [30, 1].map(|ms| async move {
///         sleep(Duration::from_millis(ms)).await;
///         ms
///     });
///     let mut said = Vec::new();
///     let mut all = as_completed(work, None);
///     while let Some(task) = all.next().await {
///         said.push(task.unwrap().await.unwrap());
///     }
///     said
/// });
/// assert_eq!(said.unwrap(), [1, 30]);
/// ```
#[track_caller]
pub fn as_completed<I>(
    all: I,
    timeout: Option<Duration>,
) -> AsCompleted<<I::Item as Ensure>::Awaitable>
where
    I: IntoIterator<Item: Ensure>,
{
    let (on, place) = (running(), Location::caller());
    let ensure = |item: I::Item| item.ensure_on(&on, place);
    AsCompleted {
        watching: Watching::new(all.into_iter().map(ensure).collect(), timeout, false, place),
        given: 0,
    }
}

impl<A: Awaitable> AsCompleted<A> {
    /// The next one that is done; none when all were given.
    ///
    /// # Errors
    /// The time was up before.
    ///
    /// # Cancel safety
    /// Safe: what was not given comes next time.
    pub async fn next(&mut self) -> Option<Result<A, TimeoutError>> {
        if self.given == self.watching.items.len() {
            return None;
        }
        let next = |progress: &mut Progress| match progress.done.pop_front() {
            Some(n) => Some(Ok(n)),
            None if progress.timed_out => Some(Err(TimeoutError(()))),
            None => None,
        };
        let found = self.watching.until(next).await;
        self.given += 1;
        Some(found.map(|n| self.watching.items[n].clone()))
    }
}

impl<A: Awaitable> fmt::Debug for AsCompleted<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AsCompleted")
            .field("left", &(self.watching.items.len() - self.given))
            .finish()
    }
}

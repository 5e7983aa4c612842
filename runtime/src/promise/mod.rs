//! A value that is not there yet: pending, then finished or cancelled, once; and what happens then.
//!
//! `asyncio.Future` in Rust. Completion is: set the outcome; take the callbacks. Registration is: add the callback; look
//! at the outcome. Both go through the lock of the list, so either the completion takes the callback, or the look finds
//! the outcome and the callback leaves from here. No lock is held while anybody's code runs. Models:
//! `promise::model::a_callback_leaves_once_whenever_it_is_added`,
//! `promise::model::one_of_two_setters_wins_and_the_waiter_wakes`.

pub(crate) mod callbacks;
mod chain;
mod dropping;
mod follow;
mod leaving;
#[cfg(all(test, filch_loom))]
mod model;
mod outcome;
mod repeated;
mod shared;
mod stranded;
mod unretrieved;
mod weak;

use std::any::Any;
use std::fmt;
use std::future::Future;
use std::panic::{AssertUnwindSafe, Location, catch_unwind};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use self::callbacks::{Callback, Key};
pub(crate) use self::follow::{Follow, Lead};
pub use self::outcome::{InvalidState, PromiseError, PromiseState};
pub use self::repeated::DoneCallback;
use self::shared::Own;
pub(crate) use self::shared::{Holds, Shared};
pub(crate) use self::stranded::run_here;
pub use self::unretrieved::Unretrieved;
pub(crate) use self::weak::WeakPromise;
use crate::budget;
use crate::inherit::{self, wearing};
use crate::job::{Job, drop_payload};
use crate::sync_prim::keep;
use std::sync::Arc;

/// Takes the callbacks' jobs to a worker, and what nobody asked for to whoever is to know.
pub(crate) trait Carry: Send + Sync {
    fn carry(&self, job: Job);

    /// True if jobs run one after another, in the order in which they are carried.
    fn is_serial(&self) -> bool {
        false
    }

    /// Carries what others wait for (a [`Follow`]): it runs though the carrier has come to its end.
    fn carry_on(&self, job: Job) {
        self.carry(job);
    }

    /// A callback panicked. The panic hook knows already.
    fn panicked(&self, payload: Box<dyn Any + Send>) {
        drop_payload(payload);
    }

    /// An error goes that nobody has asked for.
    fn unretrieved(&self, report: &Unretrieved<'_>) {
        report.tell();
    }
}

/// A value that is set once, from anywhere, and that any number of tasks may await.
///
/// A promise is a handle: clones are the same promise. Done-callbacks run as jobs on the workers, never on the stack
/// of whoever sets the value, and those of one promise run in the order in which they were added, one after another.
/// The outcome is cloned for each who asks: share what is dear as an `Arc`.
///
/// An error that nobody asked for (by [`result`](Self::result), [`error`](Self::error), [`outcome`](Self::outcome) or
/// awaiting) is reported once, when the last handle goes:
/// [`Builder::on_unretrieved`](crate::Builder::on_unretrieved).
///
/// Callbacks have copies of the task-local values that keys with `#[inherit]` had where they were added, as asyncio's have
/// their `context`.
///
/// # Source
/// `asyncio.Future`.
///
/// # Examples
/// ```
/// use filch::Promise;
///
/// # filch::block_on(async {
/// let promise: Promise<u32, String> = Promise::new();
/// let waiting = filch::spawn(promise.clone().wait());
/// promise.set_result(7).unwrap();
/// assert_eq!(waiting.await.unwrap().unwrap(), 7);
/// assert!(promise.set_result(8).is_err());
/// # });
/// ```
pub struct Promise<T, E>(Arc<dyn Holds<T, E>>);

/// Which done-callback: what [`Promise::remove_done_callback`] wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct CallbackId(Key);

impl<T, E> Promise<T, E>
where
    T: Send + Sync + 'static,
    E: Send + Sync + 'static,
{
    /// A pending promise whose callbacks are carried by `carry`.
    #[track_caller]
    pub(crate) fn with(carry: Arc<dyn Carry>) -> Promise<T, E> {
        Promise::with_at(carry, Location::caller())
    }

    /// As [`with`](Self::with), said to be made at `made_at`.
    pub(crate) fn with_at(
        carry: Arc<dyn Carry>,
        made_at: &'static Location<'static>,
    ) -> Promise<T, E> {
        Promise(Arc::new(Own {
            shared: Shared::new(),
            made_at,
            carry,
        }))
    }

    /// The promise whose state is in there.
    pub(crate) fn inside(holder: Arc<dyn Holds<T, E>>) -> Promise<T, E> {
        Promise(holder)
    }

    /// Sets the result, and lets the waiters know.
    ///
    /// # Errors
    /// [`InvalidState`] if the promise is finished or cancelled; the value is dropped.
    pub fn set_result(&self, value: T) -> Result<(), InvalidState> {
        self.finish(Ok(value))
    }

    /// Sets the error, and lets the waiters know.
    ///
    /// # Errors
    /// [`InvalidState`] if the promise is finished or cancelled; the error is dropped.
    pub fn set_error(&self, error: E) -> Result<(), InvalidState> {
        self.finish(Err(PromiseError::Failed(error)))
    }

    /// Cancels a pending promise, and lets the waiters know. False if it was finished or cancelled before; then its error,
    /// if it has one, is not reported any more.
    ///
    /// Whoever waits gets the reason with [`PromiseError::Cancelled`]; an empty one says nothing.
    ///
    /// # Source
    /// `asyncio.Future.cancel(msg)`.
    ///
    /// # Examples
    /// ```
    /// # filch::block_on(async {
    /// let promise = filch::Promise::<u32, &str>::new();
    /// assert!(promise.cancel("nobody needs it"));
    /// assert_eq!(promise.cancel_reason().map(|reason| &**reason), Some("nobody needs it"));
    /// assert!(promise.await.is_err());
    /// # });
    /// ```
    pub fn cancel(&self, reason: impl Into<Arc<str>>) -> bool {
        let reason = reason.into();
        self.mark_retrieved();
        self.finish(Err(PromiseError::Cancelled { reason })).is_ok()
    }

    fn finish(&self, outcome: Result<T, PromiseError<E>>) -> Result<(), InvalidState> {
        // Under the lock, so that who comes too late finds the other outcome.
        let leaving = self.shared().leaving.lock();
        match self.shared().outcome.set(outcome) {
            Ok(()) => {
                self.complete_under(leaving);
                Ok(())
            }
            Err(late) => {
                drop(leaving);
                drop(late);
                Err(InvalidState::set(self.state()))
            }
        }
    }

    /// What became of it.
    pub fn state(&self) -> PromiseState {
        self.shared().state()
    }

    /// True once it is finished or cancelled.
    pub fn is_done(&self) -> bool {
        self.state() != PromiseState::Pending
    }

    /// True if it was cancelled.
    pub fn is_cancelled(&self) -> bool {
        self.state() == PromiseState::Cancelled
    }

    /// Has `callback` called with this promise once it is done; at once, as a job of its own, if it is done already.
    ///
    /// A callback that panics hurts no other; its panic goes to the panic hook. It is dropped without being called if the
    /// last handle of a pending promise goes, or if the runtime has shut down when the promise is done.
    ///
    /// # Examples
    /// ```
    /// # filch::block_on(async {
    /// let promise = filch::Promise::<u32, &str>::new();
    /// let (tell, told) = filch::sync::oneshot::channel();
    /// promise.add_done_callback(move |promise| tell.send(promise.result()).unwrap());
    /// promise.set_result(7).unwrap();
    /// assert_eq!(told.await.unwrap(), Ok(Ok(7)));
    /// # });
    /// ```
    pub fn add_done_callback<F>(&self, callback: F) -> CallbackId
    where
        F: FnOnce(&Promise<T, E>) + Send + 'static,
    {
        let key = self.shared().new_key();
        self.add_callback(key, callback);
        CallbackId(key)
    }

    fn add_callback<F>(&self, key: Key, callback: F)
    where
        F: FnOnce(&Promise<T, E>) + Send + 'static,
    {
        // Weak: a promise that nobody will set must not keep itself alive.
        let promise = Arc::downgrade(&self.0);
        let context = inherit::bequeath().map(Box::new);
        let job = Job::once(move || {
            if let Some(shared) = promise.upgrade() {
                let promise = Promise(shared);
                let call = || wearing(context.as_deref(), || callback(&promise));
                if let Err(payload) = catch_unwind(AssertUnwindSafe(call)) {
                    promise.0.carry().panicked(payload);
                }
            }
        });
        self.shared().callbacks.add(key, Callback::Call(job));
        // A completion that came before has looked into the list already.
        if keep("promise_second_look") && self.is_done() {
            self.complete();
        }
    }

    /// Forgets a callback. True if it had not left yet.
    ///
    /// # Examples
    /// ```
    /// # filch::block_on(async {
    /// let promise = filch::Promise::<u32, &str>::new();
    /// let callback = promise.add_done_callback(|_| unreachable!("it was removed"));
    /// assert!(promise.remove_done_callback(callback));
    /// promise.set_result(7).unwrap();
    /// assert!(!promise.remove_done_callback(callback));
    /// # });
    /// ```
    pub fn remove_done_callback(&self, callback: CallbackId) -> bool {
        self.shared().remove_done_callback(callback)
    }

    /// The outcome of a promise that is done.
    ///
    /// # Errors
    /// [`InvalidState`] while it is pending.
    ///
    /// # Source
    /// `asyncio.Future.result`.
    pub fn result(&self) -> Result<Result<T, PromiseError<E>>, InvalidState>
    where
        T: Clone,
        E: Clone,
    {
        self.outcome().cloned().ok_or_else(InvalidState::result)
    }

    /// The error of a promise that is done, or that it was cancelled; `None` if it has a result.
    ///
    /// # Errors
    /// [`InvalidState`] while it is pending.
    ///
    /// # Source
    /// `asyncio.Future.exception`, which raises `CancelledError` where this returns it.
    ///
    /// # Examples
    /// ```
    /// # filch::block_on(async {
    /// let promise = filch::Promise::<u32, &str>::new();
    /// promise.set_error("no tea").unwrap();
    /// assert_eq!(promise.error().unwrap(), Some(filch::PromiseError::Failed("no tea")));
    /// # });
    /// ```
    pub fn error(&self) -> Result<Option<PromiseError<E>>, InvalidState>
    where
        E: Clone,
    {
        match self.outcome() {
            None => Err(InvalidState::error()),
            Some(Ok(_)) => Ok(None),
            Some(Err(error)) => Ok(Some(error.clone())),
        }
    }

    /// The outcome itself, if it is done: for what cannot be cloned.
    pub fn outcome(&self) -> Option<&Result<T, PromiseError<E>>> {
        let outcome = self.shared().outcome.get()?;
        if outcome.is_err() {
            self.mark_retrieved();
        }
        Some(outcome)
    }

    /// Counts its error, now or later, as asked for: it is not reported when the last handle goes.
    ///
    /// # Source
    /// `asyncio.Future._log_traceback = False`.
    pub fn mark_retrieved(&self) {
        self.shared().mark_retrieved();
    }

    /// Why it was cancelled, if it was.
    ///
    /// # Source
    /// `asyncio.Future._cancel_message`; it cannot be changed.
    pub fn cancel_reason(&self) -> Option<&Arc<str>> {
        match self.shared().outcome.get() {
            Some(Err(PromiseError::Cancelled { reason })) => Some(reason),
            _ => None,
        }
    }

    /// Where it was made.
    pub fn made_at(&self) -> &'static Location<'static> {
        self.0.made_at()
    }

    /// True if both are handles of one promise.
    pub fn is_same(&self, other: &Self) -> bool {
        std::ptr::addr_eq(Arc::as_ptr(&self.0), Arc::as_ptr(&other.0))
    }

    /// Waits for the outcome; any number of tasks may. `promise.await` does the same.
    ///
    /// # Cancel safety
    /// Safe: dropping the future forgets the wait only, and does not cancel the promise.
    ///
    /// # Examples
    /// ```
    /// # filch::block_on(async {
    /// let promise = filch::Promise::<u32, &str>::new();
    /// let waiters = [promise.clone().wait(), promise.clone().wait()].map(filch::spawn);
    /// promise.set_result(7).unwrap();
    /// for waiter in waiters {
    ///     assert_eq!(waiter.await.unwrap(), Ok(7));
    /// }
    /// # });
    /// ```
    pub fn wait(self) -> PromiseFuture<T, E>
    where
        T: Clone,
        E: Clone,
    {
        PromiseFuture {
            promise: self,
            key: None,
        }
    }
}

impl<T, E> Promise<T, E> {
    #[inline]
    fn shared(&self) -> &Shared<T, E> {
        self.0.shared()
    }
}

/// Waits for a promise: [`Promise::wait`].
#[must_use = "futures do nothing unless you `.await` or poll them"]
pub struct PromiseFuture<T, E> {
    promise: Promise<T, E>,
    /// Once it is registered.
    key: Option<Key>,
}

impl<T, E> Future for PromiseFuture<T, E>
where
    T: Clone + Send + Sync + 'static,
    E: Clone + Send + Sync + 'static,
{
    type Output = Result<T, PromiseError<E>>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        ready!(budget::poll_left(context));
        let Self { promise, key } = &mut *self;
        if let Some(outcome) = promise.outcome() {
            budget::spend();
            return Poll::Ready(outcome.clone());
        }
        let shared = promise.shared();
        let key = *key.get_or_insert_with(|| shared.new_key());
        shared.callbacks.wait(key, context.waker());
        // A completion that came before has looked into the list already.
        match promise.outcome().filter(|_| keep("promise_second_look")) {
            Some(outcome) => {
                budget::spend();
                Poll::Ready(outcome.clone())
            }
            None => Poll::Pending,
        }
    }
}

impl<T, E> Drop for PromiseFuture<T, E> {
    fn drop(&mut self) {
        if let Some(key) = self.key {
            self.promise.shared().callbacks.remove(key);
        }
    }
}

impl<T, E> IntoFuture for Promise<T, E>
where
    T: Clone + Send + Sync + 'static,
    E: Clone + Send + Sync + 'static,
{
    type Output = Result<T, PromiseError<E>>;
    type IntoFuture = PromiseFuture<T, E>;

    fn into_future(self) -> PromiseFuture<T, E> {
        self.wait()
    }
}

impl<T, E> Clone for Promise<T, E> {
    fn clone(&self) -> Self {
        Promise(self.0.clone())
    }
}

impl<T, E> fmt::Debug for Promise<T, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Promise")
            .field("state", &self.shared().state())
            .finish()
    }
}

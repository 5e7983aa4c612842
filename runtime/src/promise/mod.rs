//! A value that is not there yet: pending, then finished or cancelled, once; and what happens then.
//!
//! `asyncio.Future` in Rust. Completion is: set the outcome; take the callbacks. Registration is: add the callback; look
//! at the outcome. Both go through the lock of the list, so either the completion takes the callback, or the look finds
//! the outcome and the callback leaves from here. No lock is held while anybody's code runs. Model: `model`.

pub(crate) mod callbacks;

use std::collections::VecDeque;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, ready};

use self::callbacks::{Callback, Callbacks, Key};
use crate::budget;
use crate::job::{Job, quietly};
use crate::sync_prim::{Mutex, keep};
use std::sync::Arc;

/// Takes the callbacks' jobs to a worker.
pub(crate) trait Carry: Send + Sync {
    fn carry(&self, job: Job);
}

/// A value that is set once, from anywhere, and that any number of tasks may await.
///
/// A promise is a handle: clones are the same promise. Done-callbacks run as jobs on the workers, never on the stack
/// of whoever sets the value, and those of one promise run in the order in which they were added, one after another.
/// The outcome is cloned for each who asks: share what is dear as an `Arc`.
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
pub struct Promise<T, E>(Arc<Shared<T, E>>);

struct Shared<T, E> {
    outcome: OnceLock<Result<T, PromiseError<E>>>,
    callbacks: Callbacks,
    leaving: Mutex<Leaving>,
    next_key: AtomicU64,
    carry: Box<dyn Carry>,
}

/// Callbacks of a promise that is done, on their way.
#[derive(Default)]
struct Leaving {
    jobs: VecDeque<Job>,
    /// A job that runs them is on its way, or runs.
    has_runner: bool,
}

/// What became of a promise.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PromiseState {
    /// Nothing yet.
    Pending,
    /// It has a result or an error.
    Finished,
    /// It was cancelled.
    Cancelled,
}

/// Why a promise gave no value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PromiseError<E> {
    /// It was cancelled; the reason is what [`Promise::cancel`] was given.
    Cancelled {
        /// Why.
        reason: Arc<str>,
    },
    /// [`Promise::set_error`] was called.
    Failed(E),
}

/// The promise is not in the state that the call needs: `asyncio.InvalidStateError`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InvalidState {
    /// The state it is in.
    pub state: PromiseState,
}

/// Which done-callback: what [`Promise::remove_done_callback`] wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct CallbackId(Key);

impl<T, E> Promise<T, E>
where
    T: Send + Sync + 'static,
    E: Send + Sync + 'static,
{
    /// A pending promise whose callbacks are carried by `carry`.
    pub(crate) fn with(carry: impl Carry + 'static) -> Promise<T, E> {
        Promise(Arc::new(Shared {
            outcome: OnceLock::new(),
            callbacks: Callbacks::new(),
            leaving: Mutex::default(),
            next_key: AtomicU64::new(0),
            carry: Box::new(carry),
        }))
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

    /// Cancels a pending promise, and lets the waiters know. False if it was finished or cancelled before.
    pub fn cancel(&self, reason: impl Into<Arc<str>>) -> bool {
        let reason = reason.into();
        self.finish(Err(PromiseError::Cancelled { reason })).is_ok()
    }

    fn finish(&self, outcome: Result<T, PromiseError<E>>) -> Result<(), InvalidState> {
        match self.0.outcome.set(outcome) {
            Ok(()) => {
                self.complete();
                Ok(())
            }
            Err(_late) => Err(InvalidState {
                state: self.state(),
            }),
        }
    }

    /// Wakes the waiting tasks; the callbacks leave in order, and run one after another.
    fn complete(&self) {
        let mut wakers = Vec::new();
        let has_runner = {
            let mut leaving = self.0.leaving.lock();
            // Under this lock, so that none overtakes another.
            self.0.callbacks.take().for_each(|callback| match callback {
                Callback::Wake(waker) => wakers.push(waker),
                Callback::Call(job) => leaving.jobs.push_back(job),
                Callback::Tell(..) => unreachable!("only tasks are in lists"),
            });
            leaving.jobs.is_empty() || std::mem::replace(&mut leaving.has_runner, true)
        };
        for waker in wakers {
            quietly(|| waker.wake());
        }
        if !has_runner {
            let runner = Runner(Some(self.clone()));
            self.0.carry.carry(Job::once(move || runner.run()));
        }
    }

    /// What became of it.
    pub fn state(&self) -> PromiseState {
        self.0.state()
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
    pub fn add_done_callback<F>(&self, callback: F) -> CallbackId
    where
        F: FnOnce(&Promise<T, E>) + Send + 'static,
    {
        // Weak: a promise that nobody will set must not keep itself alive.
        let promise = Arc::downgrade(&self.0);
        let job = Job::once(move || {
            if let Some(shared) = promise.upgrade() {
                callback(&Promise(shared));
            }
        });
        let key = self.0.new_key();
        self.0.callbacks.add(key, Callback::Call(job));
        // A completion that came before has looked into the list already.
        if keep("promise_second_look") && self.is_done() {
            self.complete();
        }
        CallbackId(key)
    }

    /// Forgets a callback. True if it had not left yet.
    pub fn remove_done_callback(&self, callback: CallbackId) -> bool {
        self.0.callbacks.remove(callback.0)
    }

    /// The outcome of a promise that is done.
    ///
    /// # Errors
    /// [`InvalidState`] while it is pending.
    pub fn result(&self) -> Result<Result<T, PromiseError<E>>, InvalidState>
    where
        T: Clone,
        E: Clone,
    {
        let pending = InvalidState {
            state: PromiseState::Pending,
        };
        self.0.outcome.get().cloned().ok_or(pending)
    }

    /// Waits for the outcome; any number of tasks may. `promise.await` does the same.
    ///
    /// # Cancel safety
    /// Safe: dropping the future forgets the wait only, and does not cancel the promise.
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

/// Runs the callbacks of a promise that is done; keeps it alive meanwhile. Dropped unrun, it drops them.
struct Runner<T, E>(Option<Promise<T, E>>);

impl<T, E> Runner<T, E> {
    fn run(mut self) {
        let Some(promise) = self.0.take() else { return };
        loop {
            let job = {
                let mut leaving = promise.0.leaving.lock();
                leaving.has_runner = !leaving.jobs.is_empty();
                leaving.jobs.pop_front()
            };
            match job {
                Some(job) => job.run(),
                None => return,
            };
        }
    }
}

impl<T, E> Drop for Runner<T, E> {
    fn drop(&mut self) {
        let Some(promise) = self.0.take() else { return };
        let unrun = std::mem::take(&mut *promise.0.leaving.lock());
        drop(unrun);
    }
}

impl<T, E> Shared<T, E> {
    fn state(&self) -> PromiseState {
        match self.outcome.get() {
            None => PromiseState::Pending,
            Some(Err(PromiseError::Cancelled { .. })) => PromiseState::Cancelled,
            Some(_) => PromiseState::Finished,
        }
    }

    fn new_key(&self) -> Key {
        // Ordering: Relaxed: the counter's own order alone makes keys differ.
        self.next_key.fetch_add(1, Ordering::Relaxed)
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
        let shared = &promise.0;
        if let Some(outcome) = shared.outcome.get() {
            budget::spend();
            return Poll::Ready(outcome.clone());
        }
        let key = *key.get_or_insert_with(|| shared.new_key());
        shared.callbacks.wait(key, context.waker());
        // A completion that came before has looked into the list already.
        match shared.outcome.get().filter(|_| keep("promise_second_look")) {
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
            self.promise.0.callbacks.remove(key);
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
            .field("state", &self.0.state())
            .finish()
    }
}

impl<E: fmt::Display> fmt::Display for PromiseError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            PromiseError::Cancelled { reason } if reason.is_empty() => {
                write!(f, "the promise was cancelled")
            }
            PromiseError::Cancelled { reason } => write!(f, "the promise was cancelled: {reason}"),
            PromiseError::Failed(error) => error.fmt(f),
        }
    }
}

impl<E: fmt::Debug + fmt::Display> std::error::Error for PromiseError<E> {}

impl fmt::Display for InvalidState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.state {
            PromiseState::Pending => write!(f, "the promise is not done yet"),
            PromiseState::Finished => write!(f, "the promise is finished already"),
            PromiseState::Cancelled => write!(f, "the promise was cancelled already"),
        }
    }
}

impl std::error::Error for InvalidState {}

#[cfg(all(test, filch_loom))]
mod model {
    use super::*;
    use crate::sync_prim::{AtomicUsize, Ordering};
    use loom::thread;

    /// Runs each job where it is: the models ask only whether it leaves.
    struct RunHere;

    impl Carry for RunHere {
        fn carry(&self, job: Job) {
            job.run();
        }
    }

    #[test]
    fn a_callback_leaves_once_whenever_it_is_added() {
        loom::model(|| {
            let promise: Promise<usize, ()> = Promise::with(RunHere);
            let seen = Arc::new(AtomicUsize::new(0));
            let setter = {
                let promise = promise.clone();
                thread::spawn(move || promise.set_result(7).unwrap())
            };
            let by_callback = seen.clone();
            promise.add_done_callback(move |promise| {
                let value = promise.result().unwrap().unwrap();
                by_callback.fetch_add(value, Ordering::Relaxed);
            });
            setter.join().unwrap();
            assert_eq!(seen.load(Ordering::Relaxed), 7);
        });
    }

    #[test]
    fn one_of_two_setters_wins_and_the_waiter_wakes() {
        loom::model(|| {
            let promise: Promise<usize, ()> = Promise::with(RunHere);
            let other = {
                let promise = promise.clone();
                thread::spawn(move || promise.set_result(1).is_ok())
            };
            let waiter = {
                let promise = promise.clone();
                thread::spawn(move || loom::future::block_on(promise.wait()).is_ok())
            };
            let cancelled = promise.cancel("no need");
            let set = other.join().unwrap();
            assert!(set != cancelled);
            assert_eq!(waiter.join().unwrap(), set);
        });
    }
}

//! Tasks that borrow from the thread that waits for them: [`scope`].
//!
//! A task needs a `'static` future, since nobody knows how long it lives. Here somebody does: [`scope`] does not return,
//! by value or by panic, before the future of each of its tasks is dropped. What keeps it so:
//!
//! - each task's future is a [`Lender`], which leaves the count only after it has dropped the borrowing future, be it
//!   because that was done, or because the task was cancelled, aborted, or abandoned by a runtime that ends;
//! - a runtime drops the future of each of its tasks (its own promise, see `task/state.rs`); one that did not would
//!   keep `scope` waiting for ever, which is not unsound;
//! - `scope` waits in a call, not in a future that could be forgotten; if the wait itself panics the process is aborted.
//!
//! An async scope could keep none of the last: see [`TaskGroup`](super::TaskGroup).

use std::any::Any;
use std::fmt;
use std::future::Future;
use std::marker::PhantomData;
use std::panic::{AssertUnwindSafe, Location, catch_unwind, resume_unwind};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};

use parking_lot::Mutex;
use pin_project_lite::pin_project;

use super::count::Count;
use crate::context;
use crate::error::{Cause, JoinError};
use crate::handle::Handle;
use crate::job::{drop_payload, quietly};
use crate::join::JoinHandle;
use crate::origin::Origin;
use crate::runtime::Runtime;
use std::sync::Arc;

/// The tasks of one [`scope`], and who adds to them.
pub struct Scope<'scope, 'env: 'scope> {
    lent: Arc<Lent>,
    handle: Handle,
    /// Invariant, as in `std::thread::Scope`: a scope cannot be taken for one that lives longer or shorter.
    scope: PhantomData<&'scope mut &'scope ()>,
    env: PhantomData<&'env mut &'env ()>,
}

struct Lent {
    count: Count,
    /// A task panicked, and nobody has taken the panic.
    panicked: AtomicBool,
}

/// What a task leaves for its handle.
struct Packet<T> {
    outcome: Mutex<Option<Result<T, Box<dyn Any + Send>>>>,
    lent: Arc<Lent>,
}

impl<T> Drop for Packet<T> {
    fn drop(&mut self) {
        let outcome = self.outcome.get_mut().take();
        let panicked = match outcome {
            Some(Err(panic)) => {
                drop_payload(panic);
                true
            }
            value => quietly(|| drop(value)).is_none(),
        };
        if panicked {
            // Ordering: Relaxed: the count, which the task leaves after this, makes it visible.
            self.lent.panicked.store(true, Ordering::Relaxed);
        }
    }
}

/// Runs `f`, which may spawn tasks that borrow what lives outside of it; waits until all of them are done, blocking
/// this thread; and returns what `f` does.
///
/// The tasks run on the current runtime, or, if there is none, on a new one that ends with the call.
///
/// # Panics
/// If this thread drives a runtime: blocking it would keep that one's tasks waiting. If `f` panics, after the wait. If a
/// task panicked and its handle was not awaited. If a new runtime could not be built.
///
/// # Source
/// `std::thread::scope`, with tasks for threads.
///
/// # Examples
/// ```
/// let words = vec!["tasks", "may", "borrow"];
/// let mut longest = 0;
/// filch::task::scope(|scope| {
///     scope.spawn(async { longest = words.iter().map(|word| word.len()).max().unwrap() });
///     scope.spawn(async { assert_eq!(words.len(), 3) });
/// });
/// assert_eq!(longest, 6);
/// ```
///
/// What is borrowed must live outside:
/// ```compile_fail,E0373
/// filch::task::scope(|scope| {
///     let short = String::from("gone too soon");
///     scope.spawn(async { drop(&short) });
/// });
/// ```
/// Two tasks cannot both change it:
/// ```compile_fail,E0499
/// let mut text = String::new();
/// filch::task::scope(|scope| {
///     scope.spawn(async { text.push('a') });
///     scope.spawn(async { text.push('b') });
/// });
/// ```
#[track_caller]
pub fn scope<'env, F, R>(f: F) -> R
where
    F: for<'scope> FnOnce(&'scope Scope<'scope, 'env>) -> R,
{
    assert!(
        !context::drives(),
        "cannot wait for a scope's tasks from inside a runtime: this thread is being used to drive tasks; use a \
         `TaskGroup`, or `spawn_blocking`"
    );
    match Handle::try_current() {
        Ok(handle) => scope_on(handle, f),
        Err(_) => match Runtime::new() {
            Ok(runtime) => scope_on(runtime.handle().clone(), f),
            Err(error) => panic!("no runtime could be built: {error}"),
        },
    }
}

fn scope_on<'env, F, R>(handle: Handle, f: F) -> R
where
    F: for<'scope> FnOnce(&'scope Scope<'scope, 'env>) -> R,
{
    let scope = Scope {
        lent: Arc::new(Lent {
            count: Count::new(),
            panicked: AtomicBool::new(false),
        }),
        handle,
        scope: PhantomData,
        env: PhantomData,
    };
    let returned = catch_unwind(AssertUnwindSafe(|| f(&scope)));
    scope.lent.count.leave();
    let all_left =
        std::future::poll_fn(|context| match scope.lent.count.wait(0, context.waker()) {
            true => Poll::Pending,
            false => Poll::Ready(()),
        });
    let wait = AssertUnwindSafe(|| scope.handle.block_on(all_left));
    if !scope.lent.count.is_over() && catch_unwind(wait).is_err() {
        // Tasks that borrow from this stack may still run: it must not be unwound.
        std::process::abort();
    }
    match returned {
        Err(panic) => resume_unwind(panic),
        Ok(_) if scope.lent.panicked.load(Ordering::Relaxed) => {
            panic!("a task of the scope panicked");
        }
        Ok(value) => value,
    }
}

impl<'scope> Scope<'scope, '_> {
    /// Spawns a task that may borrow from outside the scope. It starts at once, whether the handle is awaited or not.
    #[track_caller]
    pub fn spawn<F>(&'scope self, future: F) -> ScopedJoinHandle<'scope, F::Output>
    where
        F: Future + Send + 'scope,
        F::Output: Send + 'scope,
    {
        let origin = Origin::at(Location::caller());
        let packet = Arc::new(Packet {
            outcome: Mutex::new(None),
            lent: self.lent.clone(),
        });
        let fill: Pin<Box<dyn Future<Output = ()> + Send + 'scope>> = Box::pin(Fill {
            future: Some(future),
            packet: packet.clone(),
        });
        assert!(self.lent.count.enter(), "the scope has ended");
        // SAFETY: only the lifetime changes, and nobody uses the future beyond `'scope`.
        // - It goes into a `Lender` at once, which drops it before it leaves the count that we have just entered.
        // - `scope_on` does not return before all have left, and `'scope` outlives it: whoever calls this
        //   has a `&'scope Scope`, which ends only then.
        // - Nothing that borrows gets out by another way: the value is in the packet, of which the future has one
        //   reference, and the handle, which has `'scope` in its type, the other.
        let fill: Borrowing = unsafe { std::mem::transmute(fill) };
        let lender = Lender(Some((fill, self.lent.clone())));
        ScopedJoinHandle {
            join: self.handle.spawn_from(lender, origin),
            packet,
            handle: self.handle.clone(),
            scope: PhantomData,
        }
    }
}

impl fmt::Debug for Scope<'_, '_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Scope")
            .field("tasks", &self.lent.count.len())
            .finish()
    }
}

/// A borrowing future that no type tells so any more.
type Borrowing = Pin<Box<dyn Future<Output = ()> + Send + 'static>>;

/// Has a borrowing future, and leaves the scope when it is dropped.
struct Lender(Option<(Borrowing, Arc<Lent>)>);

impl Future for Lender {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let (fill, _) = self
            .0
            .as_mut()
            .expect("a task is not polled after it is ready");
        let polled = fill.as_mut().poll(context);
        if polled.is_ready() {
            self.give_back();
        }
        polled
    }
}

impl Lender {
    fn give_back(&mut self) {
        let Some((fill, lent)) = self.0.take() else {
            return;
        };
        if quietly(|| drop(fill)).is_none() {
            lent.panicked.store(true, Ordering::Relaxed);
        }
        lent.count.leave();
    }
}

impl Drop for Lender {
    fn drop(&mut self) {
        self.give_back();
    }
}

pin_project! {
    /// A future whose outcome goes into the packet.
    struct Fill<F>
    where
        F: Future,
    {
        #[pin]
        future: Option<F>,
        packet: Arc<Packet<F::Output>>,
    }
}

impl<F: Future> Future for Fill<F> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let mut this = self.project();
        let polled = catch_unwind(AssertUnwindSafe(|| {
            let future = this.future.as_mut().as_pin_mut();
            let future = future.expect("a task is not polled after it is ready");
            future.poll(context)
        }));
        let outcome = match polled {
            Ok(Poll::Pending) => return Poll::Pending,
            Ok(Poll::Ready(value)) => Ok(value),
            Err(panic) => Err(panic),
        };
        *this.packet.outcome.lock() = Some(outcome);
        Poll::Ready(())
    }
}

/// Awaits the outcome of a task of a [`scope`]. Dropping it changes nothing: the scope waits for the task.
///
/// # Errors
/// Awaiting gives a [`JoinError`] if the task panicked, was aborted, or its runtime shut down.
///
/// # Panics
/// If polled again after it gave the outcome.
///
/// # Cancel safety
/// Safe. Dropping it forgets the wait only.
pub struct ScopedJoinHandle<'scope, T> {
    join: JoinHandle<()>,
    packet: Arc<Packet<T>>,
    handle: Handle,
    scope: PhantomData<&'scope ()>,
}

impl<T> ScopedJoinHandle<'_, T> {
    /// Waits for the task, blocking this thread.
    ///
    /// # Errors
    /// As awaiting it.
    ///
    /// # Panics
    /// If this thread drives a runtime.
    ///
    /// # Examples
    /// ```
    /// let text = String::from("borrowed");
    /// let length = filch::task::scope(|scope| scope.spawn(async { text.len() }).join().unwrap());
    /// assert_eq!(length, 8);
    /// ```
    #[track_caller]
    pub fn join(self) -> Result<T, JoinError> {
        let handle = self.handle.clone();
        handle.block_on(self)
    }

    /// Stops the task, as [`JoinHandle::abort`].
    pub fn abort(&self) {
        self.join.abort();
    }

    /// True once the task is done.
    pub fn is_finished(&self) -> bool {
        self.join.is_finished()
    }
}

impl<T> Future for ScopedJoinHandle<'_, T> {
    type Output = Result<T, JoinError>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        Pin::new(&mut this.join).poll(context).map(|ended| {
            ended?;
            match this.packet.outcome.lock().take() {
                Some(Ok(value)) => Ok(value),
                Some(Err(panic)) => Err(JoinError::new(
                    this.join.whose(),
                    Cause::Panicked(panic),
                    None,
                )),
                None => Err(JoinError::new(this.join.whose(), Cause::Cancelled, None)),
            }
        })
    }
}

impl<T> Unpin for ScopedJoinHandle<'_, T> {}

impl<T> fmt::Debug for ScopedJoinHandle<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("ScopedJoinHandle").field(&self.join).finish()
    }
}

//! A task of a loop: each step is a callback of the loop, and each wake-up is one hop through its queue.
//!
//! | field       | who may touch it                                               |
//! |-------------|----------------------------------------------------------------|
//! | `promise`   | anyone; the step that ends the task sets it, once              |
//! | `body`      | the step, which runs on the loop's driver; `destroy` at the end |
//! | `scheduled` | a waker sets it and queues a step; the step clears it, before the poll |
//! | `cancelling`| anyone: its own lock                                           |
//!
//! A wake-up during the poll finds `scheduled` clear and queues another step, so none is lost.

use std::any::Any;
use std::cell::RefCell;
use std::fmt;
use std::future::Future;
use std::mem::ManuallyDrop;
use std::panic::{AssertUnwindSafe, Location, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::task::{self, Poll, Wake, Waker};

use parking_lot::Mutex;

use super::body::Body;
use super::cancel;
use super::contexts::Context;
use super::report::ExceptionContext;
use super::requests::{Delivery, Requests};
use super::task_panic::{TaskError, TaskPanic};
use super::{Entry, Inner};
use crate::budget;
use crate::inherit::Worn;
use crate::job::quietly;
use crate::origin::Origin;
use crate::promise::{CallbackId, Carry, Holds, Lead, Promise, PromiseError, PromiseState, Shared};

/// What a loop can do with a task without knowing its type.
pub(super) trait AnyTask: Send + Sync {
    fn step(self: Arc<Self>);
    fn queue_step(self: Arc<Self>);
    fn origin(&self) -> &Origin;
    fn name(&self) -> &Mutex<Option<Arc<str>>>;
    fn cancelling(&self) -> &Requests;
    fn event_loop(&self) -> &Arc<Inner>;
    fn is_done(&self) -> bool;
    fn is_cancelled(&self) -> bool;
    fn has_begun(&self) -> bool;
    /// Somebody has the outcome.
    fn retrieve(&self);
    /// Wakes the waker once it is done. True if it is.
    fn poll_done(&self, waker: &Waker, key: &mut Option<CallbackId>) -> bool;
    /// Takes a wait of `poll_done` back.
    fn forget(&self, callback: CallbackId);
    /// Its panic, if it has ended so.
    fn panic(&self) -> Option<TaskPanic>;
    /// Ends a task whose loop is closed.
    fn destroy(self: Arc<Self>);
    /// What its waker is known by.
    fn waker_address(self: Arc<Self>) -> usize;
    /// Adds where those lead that wait for it.
    fn leads(&self, into: &mut Vec<Lead>);
}

/// What its handle can do with a task: it knows the type of the outcome, but not that of the future.
pub(super) trait TypedTask<T>: AnyTask {
    fn promise(self: Arc<Self>) -> Promise<T, TaskPanic>;
    fn untyped(self: Arc<Self>) -> Arc<dyn AnyTask>;
}

/// A task, in one allocation.
pub(super) struct Core<F: Future> {
    event_loop: Arc<Inner>,
    promise: Shared<F::Output, TaskPanic>,
    scheduled: AtomicBool,
    has_begun: AtomicBool,
    /// Somebody has asked for the outcome.
    retrieved: AtomicBool,
    cancelling: Requests,
    origin: Origin,
    /// What its steps wear.
    values: Context,
    name: Mutex<Option<Arc<str>>>,
    /// Where the loop keeps it.
    key: AtomicUsize,
    body: Body<F>,
}

/// What the outcome of a loop's task must be: it is cloned for each who asks. Share what is dear, or no `Clone`, as an `Arc`:
/// an `io::Error` by `.map_err(Arc::new)`, for one.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be the outcome of a loop's task: it must be `Clone + Send + Sync + 'static`",
    note = "`io::Error` and boxed errors are not `Clone`: `.map_err(Arc::new)` makes them so",
    note = "or let the future return `Result<_, Arc<io::Error>>`: `?` converts"
)]
pub trait Outcome: Clone + Send + Sync + 'static {}
#[diagnostic::do_not_recommend]
impl<T: Clone + Send + Sync + 'static> Outcome for T {}

/// A reference to a task that is not counted: it leans on one that somebody else has. See [`Core::borrow`].
type Borrowed<T> = ManuallyDrop<Arc<T>>;

thread_local! {
    static CURRENT: RefCell<Option<Borrowed<dyn AnyTask>>> = const { RefCell::new(None) };
}

/// The task whose step this thread runs.
pub(super) fn current() -> Option<Arc<dyn AnyTask>> {
    let counted = |current: &RefCell<Option<Borrowed<_>>>| current.borrow().as_deref().cloned();
    CURRENT.try_with(counted).unwrap_or(None)
}

/// True if that task's step runs on this thread.
pub(super) fn is_current(task: &dyn AnyTask) -> bool {
    let is_it = |current: &RefCell<Option<Borrowed<dyn AnyTask>>>| {
        let current = current.borrow();
        let current = current.as_ref().map(|current| Arc::as_ptr(current));
        current.is_some_and(|current| std::ptr::addr_eq(current, task))
    };
    CURRENT.try_with(is_it).unwrap_or(false)
}

/// The task that was current before; it is again when this is dropped.
struct Entered(Option<Borrowed<dyn AnyTask>>);

impl Drop for Entered {
    fn drop(&mut self) {
        let before = self.0.take();
        let _borrowed = CURRENT.try_with(|current| current.replace(before));
    }
}

impl<F> Core<F>
where
    F: Future + Send + 'static,
    F::Output: Outcome,
{
    /// A new task, which the loop owns from here. Its first step is not queued yet.
    pub(super) fn new(
        event_loop: &Arc<Inner>,
        future: F,
        mut origin: Origin,
        name: Option<Arc<str>>,
        values: Option<Context>,
    ) -> Arc<Core<F>> {
        let inherited = origin.extra.take().and_then(|extra| extra.inheritance);
        let task = Arc::new(Core {
            event_loop: event_loop.clone(),
            promise: Shared::new(),
            scheduled: AtomicBool::new(false),
            has_begun: AtomicBool::new(false),
            retrieved: AtomicBool::new(false),
            cancelling: Requests::default(),
            origin,
            values: values.unwrap_or_else(|| Context::of(inherited)),
            name: Mutex::new(name),
            key: AtomicUsize::new(usize::MAX),
            body: Body::new(future),
        });
        let key = event_loop.tasks.lock().insert(task.clone());
        // Ordering: Relaxed: read by the step that ends the task, which is queued after this, and by nobody else.
        task.key.store(key, Ordering::Relaxed);
        task
    }

    /// Queues the first step. False if the loop is closed.
    pub(super) fn first_step(self: &Arc<Self>) -> bool {
        self.scheduled.store(true, Ordering::Release);
        self.event_loop
            .strand
            .push(Entry::Step(self.clone()))
            .is_ok()
    }

    fn wake_up(self: &Arc<Self>) {
        // Ordering: AcqRel, both ways with the swap in `step`: the step sees what the waker wrote, or is followed by another.
        if self.scheduled.swap(true, Ordering::AcqRel) {
            return;
        }
        if let Err(late) = self.event_loop.strand.push(Entry::Step(self.clone())) {
            drop(late);
        }
    }

    fn body(&self) -> Pin<&Body<F>> {
        // SAFETY: a core is made in `new`, in an `Arc` out of which nobody takes it, so it stays where it is until it is
        // dropped; it has no other use for its body than this.
        unsafe { Pin::new_unchecked(&self.body) }
    }

    /// Polls until it is pending with nothing more thrown into it.
    fn advance(
        &self,
        mut future: Pin<&mut F>,
        worn: &Worn,
        context: &mut task::Context<'_>,
    ) -> Option<Result<F::Output, TaskError>> {
        loop {
            if self.cancelling.is_due() {
                match self.cancelling.deliver(context.waker()) {
                    Delivery::None | Delivery::Caught(None) => {}
                    Delivery::Caught(Some(waker)) => drop(quietly(|| waker.wake())),
                    Delivery::Uncaught(reason) => {
                        return Some(Err(PromiseError::Cancelled { reason }));
                    }
                }
            }
            let polled = catch_unwind(AssertUnwindSafe(|| {
                worn.check();
                future.as_mut().poll(context)
            }));
            match polled {
                Ok(Poll::Ready(value)) => {
                    // It asked for its own end, or was asked to, and never waited again.
                    return Some(match self.cancelling.close() {
                        Some(reason) => Err(PromiseError::Cancelled { reason }),
                        None => Ok(value),
                    });
                }
                Ok(Poll::Pending) => {}
                Err(payload) => {
                    return Some(Err(PromiseError::Failed(self.panic_of(payload))));
                }
            }
            if !self.cancelling.is_due() || !self.cancelling.lock().is_thrown() {
                return None;
            }
        }
    }

    fn panic_of(&self, payload: Box<dyn Any + Send>) -> TaskPanic {
        let name = self.name.lock().clone();
        TaskPanic::new(&self.origin, name.as_deref(), payload)
    }

    /// A reference that is not counted: a step is too short for that to pay.
    ///
    /// # Safety
    /// It is neither used after `self`, nor dropped.
    unsafe fn borrow(self: &Arc<Self>) -> Arc<Self> {
        // SAFETY: the pointer came from an `Arc`, and the task is alive, as `self` is. The count that this lays claim to is
        // never given back, by the caller's promise; clones have their own.
        unsafe { Arc::from_raw(Arc::as_ptr(self)) }
    }

    /// Drops the future and sets the outcome; the loop lets go.
    fn finish(self: &Arc<Self>, outcome: Result<F::Output, TaskError>) {
        let dropped = catch_unwind(AssertUnwindSafe(|| self.body().clear()));
        let outcome = match (outcome, dropped) {
            (Err(PromiseError::Cancelled { .. }), Err(payload)) => {
                Err(PromiseError::Failed(self.panic_of(payload)))
            }
            (outcome, Err(payload)) => {
                crate::job::drop_payload(payload);
                outcome
            }
            (outcome, Ok(())) => outcome,
        };
        self.let_go();
        // SAFETY: `self` outlives it, and nobody drops it.
        let promise = ManuallyDrop::new(unsafe { self.borrow() }.promise());
        let set = match outcome {
            Ok(value) => promise.set_result(value),
            // Whether it is told is for the task to say: its promise tells nobody.
            Err(PromiseError::Failed(panic)) => promise.set_error(panic),
            Err(PromiseError::Cancelled { reason }) => {
                promise.cancel(reason);
                Ok(())
            }
        };
        debug_assert!(set.is_ok(), "only the task sets its promise");
    }

    /// The loop owns it no longer.
    fn let_go(&self) {
        let mut tasks = self.event_loop.tasks.lock();
        // Ordering: Relaxed: written before the first step was queued, and touched by the one who ends the task only.
        let owned = tasks.try_remove(self.key.load(Ordering::Relaxed));
        self.key.store(usize::MAX, Ordering::Relaxed);
        drop(tasks);
        drop(owned);
    }
}

impl<F> Holds<F::Output, TaskPanic> for Core<F>
where
    F: Future + Send + 'static,
    F::Output: Outcome,
{
    fn shared(&self) -> &Shared<F::Output, TaskPanic> {
        &self.promise
    }

    fn carry(&self) -> &dyn Carry {
        &*self.event_loop
    }

    fn made_at(&self) -> &'static Location<'static> {
        self.origin.spawned_at
    }
}

impl<F> TypedTask<F::Output> for Core<F>
where
    F: Future + Send + 'static,
    F::Output: Outcome,
{
    fn promise(self: Arc<Self>) -> Promise<F::Output, TaskPanic> {
        Promise::inside(self)
    }

    fn untyped(self: Arc<Self>) -> Arc<dyn AnyTask> {
        self
    }
}

impl<F> AnyTask for Core<F>
where
    F: Future + Send + 'static,
    F::Output: Outcome,
{
    fn step(self: Arc<Self>) {
        // Ordering: AcqRel, as in `wake_up`; before the poll, so that a wake-up during it counts.
        self.scheduled.swap(false, Ordering::AcqRel);
        self.has_begun.store(true, Ordering::Relaxed);
        // SAFETY: `_task` takes it from there before `self` goes, and does not drop it.
        let borrowed: Arc<dyn AnyTask> = unsafe { self.borrow() };
        let _task = Entered(CURRENT.replace(Some(ManuallyDrop::new(borrowed))));
        // Null: to those who ask, the step is not of the task that drives the loop.
        let _id = self.origin.id.enter(std::ptr::null());
        let _budget = budget::whole();
        // SAFETY: `self` outlives it, and nobody drops it.
        let waker = ManuallyDrop::new(Waker::from(unsafe { self.borrow() }));
        // Asked to stop by another thread while the last step went on to wait for something.
        cancel::hand_on(&*self);
        let worn = Worn::of(self.values.inheritance());
        let mut context = task::Context::from_waker(&waker);
        let polled = self
            .body()
            .with(|future| self.advance(future, &worn, &mut context));
        match polled {
            Some(Some(outcome)) => self.finish(outcome),
            // Asked to stop during the poll: as if by another, now that it waits.
            Some(None) if cancel::hand_on(&*self) => self.wake_up(),
            Some(None) => {}
            // It has ended: nobody is left to hear a request that came at that moment.
            None => {}
        }
        worn.keep(|| self.values.inheritance());
    }

    fn queue_step(self: Arc<Self>) {
        self.wake_up();
    }

    fn origin(&self) -> &Origin {
        &self.origin
    }

    fn name(&self) -> &Mutex<Option<Arc<str>>> {
        &self.name
    }

    fn cancelling(&self) -> &Requests {
        &self.cancelling
    }

    fn event_loop(&self) -> &Arc<Inner> {
        &self.event_loop
    }

    fn is_done(&self) -> bool {
        self.promise.state() != PromiseState::Pending
    }

    fn is_cancelled(&self) -> bool {
        self.promise.state() == PromiseState::Cancelled
    }

    fn has_begun(&self) -> bool {
        self.has_begun.load(Ordering::Relaxed)
    }

    fn retrieve(&self) {
        self.retrieved.store(true, Ordering::Relaxed);
    }

    fn poll_done(&self, waker: &Waker, callback: &mut Option<CallbackId>) -> bool {
        if self.is_done() {
            return true;
        }
        // Woken for itself: a callback would go with the loop, if the loop is closed.
        self.promise.wait(callback, waker);
        self.is_done()
    }

    fn forget(&self, callback: CallbackId) {
        self.promise.remove_done_callback(callback);
    }

    fn panic(&self) -> Option<TaskPanic> {
        match self.promise.outcome() {
            Some(Err(PromiseError::Failed(panic))) => Some(panic.clone()),
            _ => None,
        }
    }

    fn destroy(self: Arc<Self>) {
        let reason = Arc::from("the event loop was closed");
        self.finish(Err(PromiseError::Cancelled { reason }));
    }

    fn waker_address(self: Arc<Self>) -> usize {
        Waker::from(self).data().addr()
    }

    fn leads(&self, into: &mut Vec<Lead>) {
        self.promise.leads(into);
    }
}

impl<F> Wake for Core<F>
where
    F: Future + Send + 'static,
    F::Output: Outcome,
{
    fn wake(self: Arc<Self>) {
        self.wake_up();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.wake_up();
    }
}

impl<F: Future> Drop for Core<F> {
    fn drop(&mut self) {
        if *self.retrieved.get_mut() {
            return;
        }
        if let Some(Err(PromiseError::Failed(panic))) = self.promise.outcome() {
            let context = ExceptionContext::new("Task exception was never retrieved")
                .with_exception(panic)
                .made_at(self.origin.spawned_at)
                .of_task(Described(&self.origin, self.name.get_mut().as_deref()));
            self.event_loop.report(context);
        }
    }
}

/// `task "name" (src/main.rs:12)`.
pub(super) struct Described<'a>(pub(super) &'a Origin, pub(super) Option<&'a str>);

impl fmt::Display for Described<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Described(origin, name) = self;
        match name {
            Some(name) => write!(f, "task {name:?}")?,
            None => write!(f, "task {}", origin.id)?,
        }
        let place = origin.spawned_at;
        write!(f, " ({}:{})", place.file(), place.line())
    }
}

//! An event loop: callbacks one after another, in the order in which they came, on all cores or on the caller's thread.
//!
//! A loop is a *strand* (`strand`): a queue that one driver at a time empties, iteration by iteration. The driver
//! (`drive`) is a task of the workers or a thread in [`EventLoop::run_forever`]; either way what a callback queues runs in the
//! next iteration, and no two callbacks of a loop run at once. `task` has the loop's tasks, `cancel` who hears a request to
//! stop, `watch` and `sock` the descriptors, `report` what goes wrong where nobody asks.

mod asking;
mod awaitable;
mod body;
mod buffer;
mod build;
mod cancel;
mod combinators;
mod contexts;
mod ctrl_c;
mod drive;
mod due;
mod executor;
mod graph;
mod group;
mod handles;
mod inner;
mod locks;
mod queue;
mod report;
mod requests;
mod runner;
mod running;
mod sock;
mod strand;
mod task;
mod task_handles;
mod task_panic;
mod timeout;
mod watch;
mod weak;

use std::fmt;
use std::future::Future;
use std::panic::Location;
use std::sync::Arc;
use std::time::Duration;

pub use self::awaitable::{Awaitable, Ensure, Leaf};
pub use self::build::LoopTaskBuilder;
pub(crate) use self::cancel::Listener;
pub use self::cancel::{Cancelled, CatchCancel, catch_cancel};
pub use self::combinators::{
    AsCompleted, Gather, Gathering, ReturnWhen, Waited, as_completed, gather, gather_outcomes,
    shield, wait,
};
pub use self::contexts::{Context, copy_context};
pub use self::executor::to_thread;
pub use self::graph::{
    CallGraph, GraphNode, NoRunningLoop, Waiter, capture_call_graph, format_call_graph,
    print_call_graph, pstree,
};
pub use self::handles::{Handle, LoopClosed, TimerHandle};
pub use self::locks::{
    Barrier, BoundedSemaphore, BrokenBarrierError, Condition, Event, Held, Lock, Semaphore,
};
pub use self::queue::{
    Fifo, Lifo, LifoQueue, PriorityQueue, Queue, QueueGetError, QueueOf, QueueOrder, QueuePutError,
    QueueShutDown, Smallest,
};
pub use self::report::ExceptionContext;
pub use self::runner::{Ran, RunError, Runner, run};
pub use self::running::{
    all_tasks, create_task, current_task, ensure_future, get_running_loop, sleep, wait_on,
};
pub use self::task::Outcome;
pub use self::task_handles::{LoopTask, TaskRef};
pub use self::task_panic::{TaskError, TaskPanic};
pub use self::timeout::{Limited, Timeout, TimeoutError, timeout, timeout_at, wait_for};
pub use self::weak::WeakEventLoop;

use self::drive::Drive;
use self::handles::callback;
use self::inner::{CLOSED, Entry, Inner, LOOPS, Owner};
use self::running::running;
use self::strand::Phase;
use crate::builder::Builder;
use crate::context;
use crate::handle::Handle as RuntimeHandle;
use crate::promise::Promise;
use crate::runtime::Runtime;
use crate::time::Instant;

/// An event loop: a serial queue of callbacks, with tasks, timers and descriptors.
///
/// A handle: clones are the same loop. When the last one goes, the loop is closed, and its tasks end. A callback or a task
/// that holds one keeps its loop from that until it has run; [`current`](Self::current) gives it one when it runs. Who drives it:
/// - [`run_until_complete`](Self::run_until_complete) and [`run_forever`](Self::run_forever): the calling thread;
/// - [`start`](Self::start): the workers of the runtime, one at a time, so that thousands of loops share all cores.
///
/// Until then callbacks wait. Every method may be called from any thread; in [debug mode](Self::set_debug), as in asyncio, those
/// that queue a callback may not while another thread drives the loop, but for [`call_soon_threadsafe`](Self::call_soon_threadsafe)
/// and [`create_task`](Self::create_task).
///
/// # Source
/// `asyncio`'s event loop. There a loop belongs to a thread; here it belongs to whoever drives it.
///
/// # Examples
/// ```
/// use std::sync::{Arc, Mutex};
///
/// let event_loop = filch::EventLoop::new();
/// let said = Arc::new(Mutex::new(Vec::new()));
/// for word in ["one", "two"] {
///     let said = said.clone();
///     event_loop.call_soon(move || said.lock().unwrap().push(word));
/// }
/// assert_eq!(event_loop.run_until_complete(async { 3 }).unwrap(), 3);
/// assert_eq!(*said.lock().unwrap(), ["one", "two"]);
/// ```
#[derive(Clone)]
pub struct EventLoop(Arc<Owner>);

impl EventLoop {
    /// A loop that nobody drives yet, on the current runtime. Where there is none it has one of its own, with one worker.
    ///
    /// # Panics
    /// If that runtime could not be built.
    #[must_use]
    #[expect(clippy::new_without_default, reason = "it may start threads")]
    pub fn new() -> EventLoop {
        if let Ok(handle) = RuntimeHandle::try_current() {
            return EventLoop::on(handle, None);
        }
        let mut builder = Builder::new_multi_thread();
        match builder.worker_threads(1).enable_all().build() {
            Ok(runtime) => EventLoop::on(runtime.handle().clone(), Some(runtime)),
            Err(error) => panic!("no runtime could be built: {error}"),
        }
    }

    fn on(runtime: RuntimeHandle, own: Option<Runtime>) -> EventLoop {
        EventLoop(Arc::new_cyclic(|owner| {
            let inner = Arc::new(Inner::new(runtime, owner.clone()));
            Owner {
                _counted: LOOPS.enter(&inner),
                inner,
                _runtime: own,
            }
        }))
    }

    fn inner(&self) -> &Arc<Inner> {
        &self.0.inner
    }

    /// The loop whose callback or task this thread runs now.
    ///
    /// # Source
    /// `asyncio.get_running_loop`.
    pub fn current() -> Option<EventLoop> {
        drive::current()?.upgrade()
    }

    /// Has `callback` called in the next iteration, after all that was queued before.
    ///
    /// # Panics
    /// If the loop is closed; in debug mode also on a thread that does not drive the loop while another does.
    #[track_caller]
    pub fn call_soon(&self, callback: impl FnOnce() + Send + 'static) -> Handle {
        self.check_thread();
        match self.queue_call(Location::caller(), callback) {
            Ok(handle) => handle,
            Err(closed) => panic!("{closed}"),
        }
    }

    /// As [`call_soon`](Self::call_soon), for other threads, also in debug mode.
    ///
    /// # Errors
    /// If the loop is closed: the callback is dropped.
    #[track_caller]
    pub fn call_soon_threadsafe(
        &self,
        callback: impl FnOnce() + Send + 'static,
    ) -> Result<Handle, LoopClosed> {
        self.queue_call(Location::caller(), callback)
    }

    fn queue_call(
        &self,
        place: &'static Location<'static>,
        f: impl FnOnce() + Send + 'static,
    ) -> Result<Handle, LoopClosed> {
        let call = callback(place, f);
        match self.inner().strand.push(Entry::Call(call.clone())) {
            Ok(()) => Ok(Handle(call)),
            Err(_entry) => Err(LoopClosed(())),
        }
    }

    /// Has `callback` called after this time, not before. Callbacks of the same moment leave in the order of these calls.
    ///
    /// # Panics
    /// As [`call_soon`](Self::call_soon).
    #[track_caller]
    pub fn call_later(
        &self,
        delay: Duration,
        callback: impl FnOnce() + Send + 'static,
    ) -> TimerHandle {
        self.queue_later(Location::caller(), delay, callback)
    }

    #[track_caller]
    fn queue_later(
        &self,
        place: &'static Location<'static>,
        delay: Duration,
        callback: impl FnOnce() + Send + 'static,
    ) -> TimerHandle {
        /// Thirty years: a delay too long to be told.
        const FAR: Duration = Duration::from_secs(86400 * 365 * 30);
        let now = self.time();
        let when = now.checked_add(delay).unwrap_or(now + FAR);
        self.queue_at(place, when, callback)
    }

    /// Has `callback` called at a moment of [`time`](Self::time), or soon after; one that has passed is soon.
    ///
    /// # Panics
    /// As [`call_soon`](Self::call_soon).
    #[track_caller]
    pub fn call_at(&self, when: Instant, callback: impl FnOnce() + Send + 'static) -> TimerHandle {
        self.queue_at(Location::caller(), when, callback)
    }

    #[track_caller]
    fn queue_at(
        &self,
        place: &'static Location<'static>,
        when: Instant,
        callback: impl FnOnce() + Send + 'static,
    ) -> TimerHandle {
        self.check_thread();
        let call = handles::callback(place, callback);
        if let Err(_entry) = self
            .inner()
            .strand
            .push_at(when.into_std(), Entry::Call(call.clone()))
        {
            panic!("{CLOSED}");
        }
        TimerHandle {
            handle: Handle(call),
            when,
            of: Arc::downgrade(self.inner()),
        }
    }

    /// Now, by the clock of the loop's runtime, which a test may stop and move.
    pub fn time(&self) -> Instant {
        Instant::from_std(self.inner().now())
    }

    /// A pending promise whose done-callbacks run as callbacks of this loop.
    #[track_caller]
    pub fn create_future<T, E>(&self) -> Promise<T, E>
    where
        T: Send + Sync + 'static,
        E: Send + Sync + 'static,
    {
        Promise::with(self.inner().clone())
    }

    /// Makes a task. Its first step is a callback of the next iteration.
    ///
    /// # Panics
    /// If the loop is closed.
    #[track_caller]
    pub fn create_task<F>(&self, future: F) -> LoopTask<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Outcome,
    {
        self.build_task().create(future)
    }

    /// As [`create_task`](Self::create_task), said to be made at `place`.
    #[doc(hidden)]
    pub fn create_task_at<F>(
        &self,
        future: F,
        place: &'static Location<'static>,
    ) -> LoopTask<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Outcome,
    {
        build::create_task_at(self, future, place)
    }

    /// Makes a task with a name, or one that begins at once.
    pub fn build_task(&self) -> LoopTaskBuilder<'_> {
        LoopTaskBuilder {
            event_loop: self,
            name: None,
            context: None,
            eager_start: false,
        }
    }

    /// The tasks that are not done.
    pub fn all_tasks(&self) -> Vec<TaskRef> {
        let tasks = self.inner().tasks.lock();
        let all = tasks.iter().map(|(_, task)| TaskRef(task.clone()));
        let all: Vec<_> = all.collect();
        drop(tasks);
        all.into_iter().filter(|task| !task.is_done()).collect()
    }

    /// Drives the loop on this thread until `what` is done, a future (as a task of the loop), a task or a promise.
    ///
    /// # Errors
    /// Its panic or its error, or that it was cancelled.
    ///
    /// # Panics
    /// If the loop is driven already, is closed, or is stopped before `what` is done; or if this thread drives a runtime or
    /// another loop.
    #[track_caller]
    pub fn run_until_complete<A: Ensure>(&self, what: A) -> Ended<A> {
        let (awaitable, ()) = self.drive_until(what, |_, _| ());
        match awaitable.to_promise().result() {
            Ok(outcome) => {
                awaitable.retrieved();
                outcome
            }
            Err(_pending) => panic!("Event loop stopped before Future completed."),
        }
    }

    /// Drives the loop on this thread until it is stopped.
    ///
    /// # Panics
    /// If the loop is driven already or is closed, or if this thread drives a runtime or another loop.
    #[track_caller]
    pub fn run_forever(&self) {
        let drive = self.begin(Phase::ByThread);
        self.inner().runtime.block_on(drive);
    }

    /// Gives the loop to the runtime's workers until it is stopped: one at a time drives it, whichever is free.
    ///
    /// # Panics
    /// If the loop is driven already, or is closed.
    #[track_caller]
    pub fn start(&self) {
        let drive = self.begin(Phase::ByWorkers);
        drop(self.inner().runtime.spawn(drive));
    }

    #[track_caller]
    fn begin(&self, by: Phase) -> Drive {
        match Drive::begin(self.inner(), by) {
            Ok(_) if by == Phase::ByThread && context::drives() => {
                // The driver leaves as it is dropped.
                match drive::current() {
                    Some(_) => panic!(
                        "Cannot run the event loop while another loop is running: in a task or callback of a loop, \
                         await instead"
                    ),
                    None => panic!(
                        "cannot run an event loop here: this thread drives a filch runtime; start the loop on its \
                         workers (`EventLoop::start`) and await its tasks, or make `main` a plain function that calls \
                         `asyncio::run`"
                    ),
                }
            }
            Ok(drive) => drive,
            Err(Phase::Closed) => panic!("{CLOSED}"),
            Err(_) => panic!("This event loop is already running"),
        }
    }

    /// Whoever drives the loop leaves it at the end of the iteration. If nobody does, the next who comes runs one iteration.
    pub fn stop(&self) {
        self.inner().strand.stop();
    }

    /// True while somebody drives the loop.
    pub fn is_running(&self) -> bool {
        matches!(
            self.inner().strand.phase(),
            Phase::ByThread | Phase::ByWorkers
        )
    }

    /// True once [`close`](Self::close) was called.
    pub fn is_closed(&self) -> bool {
        self.inner().strand.is_closed()
    }

    /// Ends the loop: callbacks are dropped uncalled, tasks that are not done are told to the exception handler, and end
    /// cancelled. One that the workers drive is stopped first, and ends when they have left it.
    ///
    /// # Panics
    /// If a thread drives the loop.
    #[track_caller]
    pub fn close(&self) {
        let strand = &self.inner().strand;
        assert!(
            strand.phase() != Phase::ByThread,
            "Cannot close a running event loop"
        );
        if let Some(remains) = strand.close() {
            self.inner().clear(remains);
        }
    }

    #[track_caller]
    fn check_thread(&self) {
        let inner = self.inner();
        if inner.is_debug() && self.is_running() && !drive::is_current(inner) {
            panic!(
                "Non-thread-safe operation invoked on an event loop other than the current one: use \
                 `call_soon_threadsafe`"
            );
        }
    }
}

/// How an awaitable ends that was made of `A`.
pub type Ended<A> = Result<
    <<A as Ensure>::Awaitable as Awaitable>::Value,
    crate::promise::PromiseError<<<A as Ensure>::Awaitable as Awaitable>::Error>,
>;

impl fmt::Debug for EventLoop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EventLoop")
            .field("running", &self.is_running())
            .field("closed", &self.is_closed())
            .field("debug", &self.get_debug())
            .finish()
    }
}

impl std::panic::UnwindSafe for EventLoop {}
impl std::panic::RefUnwindSafe for EventLoop {}

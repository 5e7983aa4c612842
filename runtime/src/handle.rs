//! The handle of a runtime: spawn and block from anywhere.

use std::fmt;
use std::future::Future;
use std::panic::{AssertUnwindSafe, Location, catch_unwind, resume_unwind};
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::{Context, Poll, Wake, Waker};

use parking_lot::Mutex;

use crate::blocking::Pool;
use crate::budget;
use crate::census::{Census, Counted};
use crate::clock::Clock;
use crate::context::{self, Driving, EnterGuard, NO_RUNTIME, Serving};
use crate::job::Job;
use crate::join::JoinHandle;
use crate::origin::Origin;
use crate::promise::{Carry, Promise, Unretrieved};
use crate::reactor::Reactor;
use crate::root::{Polling, Root};
use crate::scheduler::{Chair, Scheduler};
use std::sync::Arc;

/// A counted reference to a runtime. It does not keep the runtime running: [`Runtime`](crate::Runtime) does.
///
/// # Source
/// `tokio::runtime::Handle`.
///
/// # Examples
/// ```
/// let rt = filch::runtime::Runtime::new().unwrap();
/// let handle = rt.handle().clone();
/// let task = std::thread::spawn(move || handle.spawn(async { 2 + 2 })).join().unwrap();
/// assert_eq!(rt.block_on(task).unwrap(), 4);
/// ```
#[derive(Clone)]
pub struct Handle(pub(crate) Arc<Inner>);

pub(crate) struct Inner {
    pub(crate) scheduler: Arc<Scheduler>,
    pub(crate) reactor: Arc<Reactor>,
    pub(crate) blocking: Arc<Pool>,
    pub(crate) clock: Arc<Clock>,
    /// The one seat of a current-thread runtime.
    pub(crate) chair: Option<SharedChair>,
    pub(crate) pid: u32,
    pub(crate) on_unretrieved: Option<OnUnretrieved>,
    pub(crate) id: RuntimeId,
    pub(crate) name: Option<Box<str>>,
    /// In [`RUNTIMES`].
    pub(crate) _counted: Counted<Scheduler>,
}

/// All runtimes, by their schedulers.
pub(crate) static RUNTIMES: Census<Scheduler> = Census::new();

/// A runtime's number: unique among all runtimes of this process, never used again.
///
/// # Source
/// `tokio::runtime::Id`.
///
/// # Examples
/// ```
/// use filch::runtime::{Handle, Runtime};
///
/// let (one, two) = (Runtime::new().unwrap(), Runtime::new().unwrap());
/// assert_ne!(one.handle().id(), two.handle().id());
/// assert_eq!(one.block_on(async { Handle::current().id() }), one.handle().id());
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct RuntimeId(u64);

impl RuntimeId {
    pub(crate) fn next() -> RuntimeId {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        // Ordering: Relaxed: the counter's own order alone makes ids differ.
        RuntimeId(NEXT.fetch_add(1, Ordering::Relaxed))
    }
}

impl fmt::Display for RuntimeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Which kind of runtime.
///
/// # Source
/// `tokio::runtime::RuntimeFlavor`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum RuntimeFlavor {
    /// All tasks run on the thread that is in `block_on`.
    CurrentThread,
    /// Tasks run on worker threads.
    MultiThread,
}

/// Who is told of errors that nobody asked for.
pub(crate) type OnUnretrieved = Arc<dyn Fn(&Unretrieved<'_>) + Send + Sync>;

/// A seat that whoever calls `block_on` takes in turn.
#[derive(Default)]
pub(crate) struct SharedChair {
    pub(crate) free: Mutex<Option<Chair>>,
    /// Threads in `block_on` that found it taken.
    waiting: Mutex<Vec<Waker>>,
}

/// There is no current runtime.
///
/// # Source
/// `tokio::runtime::TryCurrentError`.
#[derive(Debug)]
pub struct TryCurrentError(());

impl fmt::Display for TryCurrentError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(NO_RUNTIME)
    }
}

impl std::error::Error for TryCurrentError {}

impl Handle {
    /// The current runtime: the one whose task this is, or whose `block_on` or `enter` this thread is in.
    ///
    /// # Panics
    /// If there is none.
    ///
    /// # Examples
    /// ```
    /// # filch::block_on(async {
    /// let handle = filch::runtime::Handle::current();
    /// assert_eq!(handle.spawn(async { 7 }).await.unwrap(), 7);
    /// # });
    /// ```
    #[track_caller]
    pub fn current() -> Handle {
        match Handle::try_current() {
            Ok(handle) => handle,
            Err(error) => panic!("{error}"),
        }
    }

    /// As [`current`](Self::current).
    ///
    /// # Errors
    /// If there is none.
    ///
    /// # Examples
    /// ```
    /// use filch::runtime::Handle;
    ///
    /// assert!(Handle::try_current().is_err());
    /// filch::block_on(async { assert!(Handle::try_current().is_ok()) });
    /// ```
    pub fn try_current() -> Result<Handle, TryCurrentError> {
        context::with_current(Handle::clone).ok_or(TryCurrentError(()))
    }

    /// The runtime's id.
    pub fn id(&self) -> RuntimeId {
        self.0.id
    }

    /// The runtime's name, if its builder gave it one.
    pub fn name(&self) -> Option<&str> {
        self.0.name.as_deref()
    }

    /// Which kind of runtime it is.
    ///
    /// # Examples
    /// ```
    /// use filch::runtime::{Handle, RuntimeFlavor};
    ///
    /// # filch::block_on(async {
    /// assert_eq!(Handle::current().runtime_flavor(), RuntimeFlavor::MultiThread);
    /// # });
    /// ```
    pub fn runtime_flavor(&self) -> RuntimeFlavor {
        match self.0.chair {
            Some(_) => RuntimeFlavor::CurrentThread,
            None => RuntimeFlavor::MultiThread,
        }
    }

    /// Makes this runtime current on this thread while the guard lives.
    ///
    /// # Examples
    /// ```
    /// let rt = filch::runtime::Runtime::new().unwrap();
    /// let handle = rt.handle().clone();
    /// std::thread::spawn(move || {
    ///     let _entered = handle.enter();
    ///     filch::spawn(async {});
    /// })
    /// .join()
    /// .unwrap();
    /// ```
    pub fn enter(&self) -> EnterGuard<'_> {
        context::enter(self)
    }

    /// Spawns a task. After the runtime has shut down its future is dropped at once, and awaiting the handle says
    /// that it was cancelled.
    ///
    /// # Examples
    /// ```
    /// let rt = filch::runtime::Runtime::new().unwrap();
    /// let handle = rt.handle().clone();
    /// let task = std::thread::spawn(move || handle.spawn(async { 2 + 2 })).join().unwrap();
    /// assert_eq!(rt.block_on(task).unwrap(), 4);
    /// ```
    #[track_caller]
    pub fn spawn<F>(&self, future: F) -> JoinHandle<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        self.spawn_from(future, Origin::at(Location::caller()))
    }

    /// As [`spawn`](Self::spawn), said to be spawned at `place`.
    #[doc(hidden)]
    pub fn spawn_at<F>(&self, future: F, place: &'static Location<'static>) -> JoinHandle<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        self.spawn_from(future, Origin::at(place))
    }

    #[inline]
    pub(crate) fn spawn_from<F>(&self, future: F, origin: Origin) -> JoinHandle<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        self.0.scheduler.spawn(future, origin)
    }

    /// Runs a closure that blocks on a thread of its own kind.
    ///
    /// # Panics
    /// If no thread could be started for it.
    ///
    /// # Examples
    /// ```
    /// let rt = filch::runtime::Runtime::new().unwrap();
    /// let sum = rt.handle().spawn_blocking(|| (1..=1000u64).sum::<u64>());
    /// assert_eq!(rt.block_on(sum).unwrap(), 500_500);
    /// ```
    #[track_caller]
    pub fn spawn_blocking<F, R>(&self, closure: F) -> JoinHandle<R>
    where
        F: FnOnce() -> R + Send + 'static,
        R: Send + 'static,
    {
        self.spawn_blocking_from(closure, Origin::at(Location::caller()))
    }

    #[track_caller]
    pub(crate) fn spawn_blocking_from<F, R>(&self, closure: F, origin: Origin) -> JoinHandle<R>
    where
        F: FnOnce() -> R + Send + 'static,
        R: Send + 'static,
    {
        let handle = self.clone();
        let entered = move || {
            let _serving = Serving::begin(&handle);
            let _entered = handle.enter();
            closure()
        };
        match self.0.blocking.spawn(entered, origin) {
            Ok(join) => join,
            Err(error) => panic!("no thread could be started for `spawn_blocking`: {error}"),
        }
    }

    /// Runs a future to its end on this thread, which does nothing else. Tasks it spawns run on the workers.
    ///
    /// On a current-thread runtime this thread also runs the tasks, the I/O and the timers, unless another thread's
    /// `block_on` does. On a [`LocalRuntime`](crate::LocalRuntime) only the thread that built it ever does.
    ///
    /// # Panics
    /// If the future does, or if this thread drives a runtime already: blocking it would keep that one's tasks waiting.
    ///
    /// # Examples
    /// ```
    /// let rt = filch::runtime::Runtime::new().unwrap();
    /// let handle = rt.handle().clone();
    /// let thread = std::thread::spawn(move || handle.block_on(async { filch::spawn(async { 7 }).await }));
    /// assert_eq!(thread.join().unwrap().unwrap(), 7);
    /// ```
    #[track_caller]
    pub fn block_on<F: Future>(&self, future: F) -> F::Output {
        assert!(
            !context::drives(),
            "cannot block on a future from inside a runtime: this thread is being used to drive tasks; `.await` it, \
             or use `spawn_blocking`"
        );
        assert_eq!(
            self.0.pid,
            std::process::id(),
            "this runtime's threads are in the parent process: a child of `fork` must build a runtime of its own"
        );
        let _driving = Driving::begin();
        let _entered = self.enter();
        match &self.0.chair {
            Some(chair) if self.0.scheduler.may_run() => self.drive(chair, future),
            _ => block_here(future, &self.0.clock),
        }
    }

    /// `block_on` of a current-thread runtime.
    fn drive<F: Future>(&self, shared: &SharedChair, future: F) -> F::Output {
        let mut future = pin!(future);
        let mut outside = None;
        loop {
            let free = shared.free.lock().take();
            let Some(chair) = free else {
                let root = outside.get_or_insert_with(|| Root::new(&self.0.clock));
                let thread = root.waker();
                let mut context = Context::from_waker(thread);
                if let Poll::Ready(output) = poll_root(future.as_mut(), &mut context) {
                    return output;
                }
                let mut waiting = shared.waiting.lock();
                if !waiting.iter().any(|waker| waker.will_wake(thread)) {
                    waiting.push(thread.clone());
                }
                drop(waiting);
                // It may have been freed before we were on the list.
                if shared.free.lock().is_none() {
                    root.wait();
                }
                continue;
            };
            // From here on, the seat tells whether it runs.
            outside.take();
            let root = Arc::new(SeatedRoot {
                scheduler: self.0.scheduler.clone(),
                woken: AtomicBool::new(true),
            });
            let waker = Waker::from(root.clone());
            let mut context = Context::from_waker(&waker);
            let mut outcome = None;
            let chair = self.0.scheduler.drive(chair, || {
                if !root.take_woken() {
                    return false;
                }
                // Caught, so that the chair comes back.
                match catch_unwind(AssertUnwindSafe(|| {
                    poll_root(future.as_mut(), &mut context)
                })) {
                    Ok(Poll::Pending) => false,
                    Ok(Poll::Ready(output)) => {
                        outcome = Some(Ok(output));
                        true
                    }
                    Err(panic) => {
                        outcome = Some(Err(panic));
                        true
                    }
                }
            });
            {
                let mut free = shared.free.lock();
                // Under the lock: whoever shuts down takes the chair from here, or leaves the end to us.
                if self.0.scheduler.is_closing() {
                    drop(free);
                    self.0.scheduler.end(Some(&chair));
                } else {
                    *free = Some(chair);
                }
            }
            let waiting = std::mem::take(&mut *shared.waiting.lock());
            waiting.into_iter().for_each(Waker::wake);
            match outcome.expect("left only with one") {
                Ok(output) => return output,
                Err(panic) => resume_unwind(panic),
            }
        }
    }
}

/// One poll of the future of `block_on`.
fn poll_root<F: Future>(future: Pin<&mut F>, context: &mut Context<'_>) -> Poll<F::Output> {
    let _budget = budget::whole();
    let _polling = Polling::begin(&*future);
    future.poll(context)
}

/// Polls on this thread, and parks it in between.
fn block_here<F: Future>(future: F, clock: &Arc<Clock>) -> F::Output {
    let mut future = pin!(future);
    let root = Root::new(clock);
    let mut context = Context::from_waker(root.waker());
    loop {
        if let Poll::Ready(output) = poll_root(future.as_mut(), &mut context) {
            return output;
        }
        root.wait();
    }
}

/// The future that `block_on` drives beside the tasks of a current-thread runtime.
struct SeatedRoot {
    scheduler: Arc<Scheduler>,
    woken: AtomicBool,
}

impl SeatedRoot {
    fn take_woken(&self) -> bool {
        // Ordering: Acquire <- the Release in `wake_by_ref`.
        self.woken.load(Ordering::Relaxed) && self.woken.swap(false, Ordering::Acquire)
    }
}

impl Wake for SeatedRoot {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if !self.woken.swap(true, Ordering::AcqRel) {
            self.scheduler.unpark(0);
        }
    }
}

impl fmt::Debug for Handle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Handle")
            .field("tasks", &self.0.scheduler.living())
            .finish()
    }
}

impl std::panic::UnwindSafe for Handle {}
impl std::panic::RefUnwindSafe for Handle {}

impl Carry for Inner {
    fn carry(&self, job: Job) {
        self.scheduler.carry(job);
    }

    fn unretrieved(&self, report: &Unretrieved<'_>) {
        match &self.on_unretrieved {
            Some(handler) => handler(report),
            None => report.tell(),
        }
    }
}

impl<T, E> Promise<T, E>
where
    T: Send + Sync + 'static,
    E: Send + Sync + 'static,
{
    /// A pending promise of the current runtime: its workers run the done-callbacks.
    ///
    /// # Panics
    /// If there is no current runtime.
    #[track_caller]
    #[expect(clippy::new_without_default, reason = "it panics outside a runtime")]
    pub fn new() -> Promise<T, E> {
        Promise::with(Handle::current().0)
    }
}

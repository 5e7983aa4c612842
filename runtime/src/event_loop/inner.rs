//! What the handles of a loop share, and what its queue holds.

use std::any::Any;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;

use parking_lot::Mutex;
use slab::Slab;

use super::EventLoop;
use super::executor::Executor;
use super::handles::Call;
use super::report::{ExceptionContext, Handler};
use super::strand::{Remains, Strand};
use super::task::{self, AnyTask};
use super::task_handles::TaskRef;
use super::watch::{Watch, Watches};
use crate::census::{Census, Counted};
use crate::handle::Handle as RuntimeHandle;
use crate::job::{Job, quietly};
use crate::promise::{Carry, Unretrieved, run_here};
use crate::runtime::Runtime;

/// From how long on a callback is slow in debug mode, unless told otherwise. Unit: time. As in `asyncio`.
const SLOW_CALLBACK: Duration = Duration::from_millis(100);

/// What all handles of a loop share, and nothing inside it has: so the loop ends when nobody wants it.
pub(super) struct Owner {
    pub(super) inner: Arc<Inner>,
    /// In [`LOOPS`].
    pub(super) _counted: Counted<Inner>,
    /// Of a loop that was made outside all runtimes. Dropped last.
    pub(super) _runtime: Option<Runtime>,
}

/// All loops.
pub(super) static LOOPS: Census<Inner> = Census::new();

pub(super) struct Inner {
    pub(super) strand: Strand<Entry>,
    pub(super) runtime: RuntimeHandle,
    owner: Weak<Owner>,
    pub(super) tasks: Mutex<Slab<Arc<dyn AnyTask>>>,
    pub(super) watches: Watches,
    pub(super) executor: Executor,
    pub(super) handler: Mutex<Option<Handler>>,
    pub(super) debug: AtomicBool,
    pub(super) slow_callback_nanos: AtomicU64,
    pub(super) cancelled_timers: AtomicUsize,
}

/// What a loop runs.
pub(super) enum Entry {
    Call(Arc<dyn Call>),
    Step(Arc<dyn AnyTask>),
    Job(Job),
    /// Others wait for it: it runs though the loop is closed.
    Follow(Job),
    Watch(Arc<Watch>),
}

impl Entry {
    pub(super) fn is_wanted(&self) -> bool {
        match self {
            Entry::Call(call) => !call.is_cancelled(),
            _ => true,
        }
    }

    pub(super) fn describe(&self) -> String {
        match self {
            Entry::Call(call) => format!("<Handle created at {}>", call.made_at()),
            Entry::Step(task) => format!("{:?}", TaskRef(task.clone())),
            Entry::Job(_) | Entry::Follow(_) => "<done-callbacks of a promise>".to_owned(),
            Entry::Watch(watch) => format!("<callback of descriptor {}>", watch.fd()),
        }
    }
}

pub(super) const CLOSED: &str = "Event loop is closed";

/// The done-callbacks of its promises go through the loop.
impl Carry for Inner {
    fn carry(&self, job: Job) {
        if let Err(late) = self.strand.push(Entry::Job(job)) {
            drop(late);
        }
    }

    fn is_serial(&self) -> bool {
        true
    }

    fn carry_on(&self, job: Job) {
        if let Err(Entry::Follow(late)) = self.strand.push(Entry::Follow(job)) {
            // The runtime may have gone, too, or nobody drives it.
            run_here(late);
        }
    }

    fn panicked(&self, payload: Box<dyn Any + Send>) {
        let message = "Exception in a done-callback of a promise";
        self.report(ExceptionContext::new(message).panicked(payload));
    }

    fn unretrieved(&self, report: &Unretrieved<'_>) {
        let context = ExceptionContext::new("Future exception was never retrieved")
            .with_exception(report.what())
            .made_at(report.made_at());
        self.report(context);
    }
}

impl Inner {
    pub(super) fn new(runtime: RuntimeHandle, owner: Weak<Owner>) -> Inner {
        Inner {
            strand: Strand::new(),
            runtime,
            owner,
            tasks: Mutex::new(Slab::new()),
            watches: Watches::default(),
            executor: Executor::default(),
            handler: Mutex::new(None),
            debug: AtomicBool::new(false),
            slow_callback_nanos: AtomicU64::new(SLOW_CALLBACK.as_nanos() as u64),
            cancelled_timers: AtomicUsize::new(0),
        }
    }

    pub(super) fn upgrade(&self) -> Option<EventLoop> {
        self.owner.upgrade().map(EventLoop)
    }

    pub(super) fn now(&self) -> std::time::Instant {
        self.runtime.0.clock.now()
    }

    pub(super) fn is_debug(&self) -> bool {
        self.debug.load(Ordering::Relaxed)
    }

    pub(super) fn slow_callback_duration(&self) -> Duration {
        Duration::from_nanos(self.slow_callback_nanos.load(Ordering::Relaxed))
    }

    /// Ends what is left of a closed loop. Anybody's code may run.
    pub(super) fn clear(&self, remains: Remains<Entry>) {
        for entry in remains.into_entries() {
            match entry {
                Entry::Follow(job) => run_here(job),
                // Each for itself: a second panic on the way out of the first would end the process.
                other => drop(quietly(|| drop(other))),
            }
        }
        self.watches.clear();
        let tasks: Vec<_> = self.tasks.lock().drain().collect();
        for task in tasks {
            let name = task.name().lock().clone();
            let message = match (task.has_begun(), self.is_debug()) {
                (false, true) => "Task was destroyed before its first step: was it never awaited?",
                _ => "Task was destroyed but it is pending!",
            };
            let context = ExceptionContext::new(message)
                .made_at(task.origin().spawned_at)
                .of_task(task::Described(task.origin(), name.as_deref()));
            self.report(context);
            // It may be dropped with that, as may be what its steps wore.
            quietly(|| task.destroy());
        }
    }
}

impl Drop for Owner {
    fn drop(&mut self) {
        if let Some(remains) = self.inner.strand.close() {
            self.inner.clear(remains);
        }
    }
}

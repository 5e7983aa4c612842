//! Drives a loop: iteration after iteration, on a worker or on the thread that called `run_forever`.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake};
use std::time::Instant;

use super::report::ExceptionContext;
use super::strand::{Next, Phase};
use super::{Entry, Inner};
use crate::job::{Job, quietly};
use crate::time::{Sleep, sleep_until};

/// Callbacks that a driver runs before it lets its worker look at other tasks. Fewer: the switch costs more than the
/// callbacks; more: the neighbours wait longer (128 short callbacks are some 10 us).
const CALLBACKS_A_POLL: usize = 128;

thread_local! {
    static CURRENT: RefCell<Option<Arc<Inner>>> = const { RefCell::new(None) };
}

/// The loop whose callbacks this thread runs now.
pub(super) fn current() -> Option<Arc<Inner>> {
    CURRENT
        .try_with(|current| current.borrow().clone())
        .unwrap_or(None)
}

/// Calls `f` with that loop. Nobody's code may run in it.
pub(super) fn with_current<R>(f: impl FnOnce(&Arc<Inner>) -> R) -> Option<R> {
    let with = |current: &RefCell<Option<Arc<Inner>>>| current.borrow().as_ref().map(f);
    CURRENT.try_with(with).unwrap_or(None)
}

/// True if this thread runs callbacks of this loop now.
pub(super) fn is_current(inner: &Inner) -> bool {
    let is_it = |current: &RefCell<Option<Arc<Inner>>>| {
        let current = current.borrow();
        current
            .as_ref()
            .is_some_and(|current| std::ptr::eq(&**current, inner))
    };
    CURRENT.try_with(is_it).unwrap_or(false)
}

/// Makes a loop the thread's current one until it is dropped.
struct Entered(Option<Arc<Inner>>);

impl Entered {
    fn new(inner: &Arc<Inner>) -> Entered {
        Entered(CURRENT.replace(Some(inner.clone())))
    }
}

impl Drop for Entered {
    fn drop(&mut self) {
        let before = self.0.take();
        let inner = CURRENT.try_with(|current| current.replace(before));
        drop(inner);
    }
}

/// Ends one drive of a loop, at the end of the iteration; does nothing once that has ended.
#[derive(Clone)]
pub(super) struct Stopper {
    inner: Arc<Inner>,
    number: u64,
}

impl Stopper {
    pub(super) fn stop(&self) {
        self.inner.strand.stop_driver(self.number);
    }
}

/// By a callback of the loop: after all that was queued before.
impl Wake for Stopper {
    fn wake(self: Arc<Self>) {
        let stopper = Stopper::clone(&self);
        let stop = Job::once(move || stopper.stop());
        // A closed loop stops anyway.
        drop(self.inner.strand.push(Entry::Job(stop)));
    }
}

/// The driver of a loop; ready when the loop was stopped.
pub(super) struct Drive {
    inner: Arc<Inner>,
    /// Among the drivers of the loop.
    number: u64,
    /// What is left of the iteration under way.
    batch: VecDeque<Entry>,
    /// It has not run an iteration since it began or slept.
    fresh: bool,
    sleep: Option<Pin<Box<Sleep>>>,
    has_begun: bool,
    has_left: bool,
}

impl Drive {
    /// # Errors
    /// Who drives the loop already, or `Closed`.
    pub(super) fn begin(inner: &Arc<Inner>, by: Phase) -> Result<Drive, Phase> {
        let number = inner.strand.begin(by)?;
        Ok(Drive {
            inner: inner.clone(),
            number,
            batch: VecDeque::new(),
            fresh: true,
            sleep: None,
            has_begun: false,
            has_left: false,
        })
    }

    /// What ends this drive.
    pub(super) fn stopper(&self) -> Stopper {
        Stopper {
            inner: self.inner.clone(),
            number: self.number,
        }
    }

    /// Waits for the next deadline. True if it has come.
    fn poll_sleep(&mut self, until: Option<Instant>, context: &mut Context<'_>) -> bool {
        let Some(until) = until else {
            self.sleep = None;
            return false;
        };
        let sleep = match &mut self.sleep {
            Some(sleep) if sleep.deadline().into_std() == until => sleep,
            other => other.insert(Box::pin(sleep_until(until.into()))),
        };
        sleep.as_mut().poll(context).is_ready()
    }
}

impl Future for Drive {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let this = &mut *self;
        let _entered = Entered::new(&this.inner);
        this.has_begun = true;
        let mut budget = CALLBACKS_A_POLL;
        loop {
            while let Some(entry) = this.batch.pop_front() {
                // What the entry keeps may be dropped with it, and that is anybody's code.
                quietly(|| this.inner.run(entry));
                budget -= 1;
                if budget == 0 {
                    context.waker().wake_by_ref();
                    return Poll::Pending;
                }
            }
            let strand = &this.inner.strand;
            let now = || this.inner.now();
            match strand.next(&mut this.batch, this.fresh, context.waker(), now) {
                Next::Run => this.fresh = false,
                Next::Sleep(until) => {
                    this.fresh = true;
                    if !this.poll_sleep(until, context) {
                        return Poll::Pending;
                    }
                    this.sleep = None;
                }
                Next::Stopped => {
                    this.has_left = true;
                    return Poll::Ready(());
                }
                Next::Closed(remains) => {
                    this.has_left = true;
                    this.inner.clear(remains);
                    return Poll::Ready(());
                }
            }
        }
    }
}

impl Drop for Drive {
    fn drop(&mut self) {
        if self.has_left {
            return;
        }
        // The runtime ends, a panic came through `run_forever`, or this thread may not drive the loop.
        let rest = std::mem::take(&mut self.batch);
        if let Some(remains) = self.inner.strand.abandon(rest, self.has_begun) {
            self.inner.clear(remains);
        }
    }
}

impl Inner {
    /// Runs one entry of the queue. Nobody's panic comes out.
    fn run(&self, entry: Entry) {
        if !self.is_debug() {
            return self.run_now(entry);
        }
        let about = entry.describe();
        let begin = Instant::now();
        self.run_now(entry);
        let took = begin.elapsed();
        if took >= self.slow_callback_duration() {
            let message = format!("Executing {about} took {:.3} seconds", took.as_secs_f64());
            self.report(ExceptionContext::new(message));
        }
    }

    fn run_now(&self, entry: Entry) {
        match entry {
            Entry::Call(call) => call.call(self),
            Entry::Step(task) => task.step(),
            Entry::Job(job) | Entry::Follow(job) => {
                let again = job.run();
                debug_assert!(again.is_none(), "only tasks of the workers come again");
            }
            Entry::Watch(watch) => watch.turn(self),
        }
    }
}

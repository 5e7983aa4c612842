//! Threads for code that blocks: a queue, and as many threads as its jobs need, up to a limit.
//!
//! A job goes to an idle thread; if there is none and the limit allows, a thread is started; else it waits for the next
//! thread that is done. A thread that has been idle for the keep-alive ends. All of this is decided under one lock, so
//! that no job is lost between a thread that goes and a job that comes.

use std::collections::{HashMap, VecDeque};
use std::future::Future;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::thread::JoinHandle as Thread;
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex, MutexGuard};

use crate::budget;
use crate::clock::Clock;
use crate::job::{Job, Release, Schedule, drop_payload};
use crate::join::JoinHandle;
use crate::origin::Origin;
use crate::task::{self, Spawned};
use std::sync::Arc;

/// Starts a thread with this number, which runs the closure.
type StartThread =
    Box<dyn Fn(usize, Box<dyn FnOnce() + Send>) -> io::Result<Thread<()>> + Send + Sync>;

pub(crate) struct Settings {
    pub(crate) max_threads: usize,
    pub(crate) keep_alive: Duration,
    pub(crate) start_thread: StartThread,
    /// Told before a thread waits for closures.
    pub(crate) clock: Arc<Clock>,
}

pub(crate) struct Pool {
    state: Mutex<State>,
    job_came: Condvar,
    thread_left: Condvar,
    settings: Settings,
}

#[derive(Default)]
struct State {
    queue: VecDeque<Job>,
    threads: usize,
    threads_started: usize,
    /// By number, to be joined at the end; a thread that ends before takes its own out.
    handles: HashMap<usize, Thread<()>>,
    /// Threads that wait, and that no job has been promised to.
    idle: usize,
    /// Threads that wait for a job that is in the queue for them.
    called: usize,
    closed: bool,
}

/// A closure as a future that is ready at its first poll.
struct Closure<F>(Option<F>);

impl<F> Unpin for Closure<F> {}

impl<F: FnOnce() -> R, R> Future for Closure<F> {
    type Output = R;

    fn poll(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<R> {
        let closure = self
            .0
            .take()
            .expect("a task is not polled after it is ready");
        // It may block on futures as long as it likes.
        let _unlimited = budget::unlimited();
        Poll::Ready(closure())
    }
}

impl Pool {
    pub(crate) fn new(settings: Settings) -> Arc<Pool> {
        Arc::new(Pool {
            state: Mutex::default(),
            job_came: Condvar::new(),
            thread_left: Condvar::new(),
            settings,
        })
    }

    /// Queues the closure. After [`close`](Self::close) it is dropped, and its task cancelled.
    ///
    /// # Errors
    /// If there is no thread, and none could be started: the closure is dropped.
    pub(crate) fn spawn<F, R>(
        self: &Arc<Self>,
        closure: F,
        origin: Origin,
    ) -> io::Result<JoinHandle<R>>
    where
        F: FnOnce() -> R + Send + 'static,
        R: Send + 'static,
    {
        let Spawned { job, owner, joiner } = task::new(Closure(Some(closure)), origin, self);
        // The owner's reference belongs to the job from here: `release` below.
        owner.let_go();
        self.queue(job)?;
        Ok(JoinHandle::new(joiner))
    }

    fn queue(self: &Arc<Self>, job: Job) -> io::Result<()> {
        let mut state = self.state.lock();
        if state.closed {
            drop(state);
            drop(job);
            return Ok(());
        }
        state.queue.push_back(job);
        if state.idle > 0 {
            state.idle -= 1;
            state.called += 1;
            drop(state);
            self.job_came.notify_one();
            return Ok(());
        }
        if state.threads >= self.settings.max_threads {
            return Ok(());
        }
        state.threads += 1;
        state.threads_started += 1;
        let number = state.threads_started;
        drop(state);
        let pool = self.clone();
        // The name and the hooks are the user's code.
        let start = || (self.settings.start_thread)(number, Box::new(move || pool.serve(number)));
        let started = match catch_unwind(AssertUnwindSafe(start)) {
            Ok(started) => started,
            Err(payload) => {
                drop_payload(payload);
                Err(io::Error::other("the name of the thread panicked"))
            }
        };
        let error = match started {
            Ok(thread) => {
                self.state.lock().handles.insert(number, thread);
                return Ok(());
            }
            Err(error) => error,
        };
        let mut state = self.state.lock();
        state.threads -= 1;
        self.thread_left.notify_all();
        if state.threads > 0 {
            // A thread that works will come to it.
            return Ok(());
        }
        let lost = std::mem::take(&mut state.queue);
        drop(state);
        drop(lost);
        Err(error)
    }

    /// The life of a thread.
    fn serve(&self, number: usize) {
        let mut state = self.state.lock();
        loop {
            if let Some(job) = state.queue.pop_front() {
                drop(state);
                let again = job.run();
                debug_assert!(again.is_none(), "a closure is ready at once");
                state = self.state.lock();
            } else if state.closed || !self.wait(&mut state) {
                break;
            }
        }
        state.threads -= 1;
        if !state.closed {
            let me = state.handles.remove(&number);
            drop(state);
            drop(me);
        }
        self.thread_left.notify_all();
    }

    /// Waits until a job is promised to this thread. False if the keep-alive passed without one.
    fn wait(&self, state: &mut MutexGuard<'_, State>) -> bool {
        let clock = &self.settings.clock;
        let tells = clock.settle(); // A1 (clock)
        state.idle += 1; // A2 (clock)
        if tells {
            clock.notify(); // A3 (clock)
        }
        // A keep-alive too long to be told has no end.
        let deadline = Instant::now().checked_add(self.settings.keep_alive);
        loop {
            let timed_out = match deadline {
                Some(deadline) => self.job_came.wait_until(state, deadline).timed_out(),
                None => {
                    self.job_came.wait(state);
                    false
                }
            };
            if state.called > 0 {
                state.called -= 1;
                return true;
            }
            if state.closed {
                // `close` has uncounted the idle ones.
                return false;
            }
            if timed_out {
                state.idle -= 1;
                return false;
            }
        }
    }

    /// True while a closure runs, or waits to.
    pub(crate) fn is_busy(&self) -> bool {
        let state = self.state.lock();
        state.threads != state.idle || !state.queue.is_empty()
    }

    /// Takes no further closure; those that have not started are dropped, those that run are left to end.
    pub(crate) fn close(&self) {
        let mut state = self.state.lock();
        state.closed = true;
        state.idle = 0;
        state.called = 0;
        let cancelled = std::mem::take(&mut state.queue);
        drop(state);
        self.job_came.notify_all();
        drop(cancelled);
    }

    /// Waits until no thread is left, or until `deadline`. True if none is.
    pub(crate) fn wait_until_left(&self, deadline: Option<Instant>) -> bool {
        let mut state = self.state.lock();
        while state.threads > 0 {
            match deadline {
                None => self.thread_left.wait(&mut state),
                Some(deadline) => {
                    if self
                        .thread_left
                        .wait_until(&mut state, deadline)
                        .timed_out()
                    {
                        return state.threads == 0;
                    }
                }
            }
        }
        let handles = std::mem::take(&mut state.handles);
        drop(state);
        for thread in handles.into_values() {
            // A hook of the user may have panicked there; the panic hook has told so.
            let _ = thread.join();
        }
        true
    }
}

// SAFETY: the owner's reference goes with the task's one job, which is in the queue or in a thread's hand until the
// task is done; then `release` leaves it to the caller. The `Arc`: the thread that runs the job, or the caller of
// `queue` or `close` that drops it, holds one.
unsafe impl Schedule for Pool {
    fn submit_here(&self, job: Job) -> Result<(), Job> {
        Err(job)
    }

    /// A closure's task is never idle, so nothing can wake it into a queue.
    fn submit(self: &Arc<Self>, job: Job) {
        drop(job);
    }

    fn release(&self, _key: u64) -> Release {
        Release::Caller
    }
}

#[cfg(all(test, not(filch_loom)))]
mod tests {
    use super::*;
    use std::panic::Location;
    use std::sync::Barrier;
    use std::sync::atomic::{AtomicUsize, Ordering};

    fn pool(max_threads: usize, keep_alive: Duration) -> Arc<Pool> {
        Pool::new(Settings {
            max_threads,
            keep_alive,
            start_thread: Box::new(|_, serve| std::thread::Builder::new().spawn(serve)),
            clock: Arc::new(Clock::new(false)),
        })
    }

    fn here() -> Origin {
        Origin::at(Location::caller())
    }

    #[test]
    fn as_many_threads_as_jobs_that_wait_for_each_other() {
        let pool = pool(8, Duration::from_secs(10));
        let all = Arc::new(Barrier::new(9));
        for _ in 0..8 {
            let all = all.clone();
            drop(pool.spawn(move || all.wait(), here()).unwrap());
        }
        all.wait();
        pool.close();
        assert!(pool.wait_until_left(Some(Instant::now() + Duration::from_secs(30))));
    }

    #[test]
    fn no_job_is_lost_to_a_thread_that_ends_for_want_of_jobs() {
        let pool = pool(2, Duration::from_micros(50));
        let ran = Arc::new(AtomicUsize::new(0));
        let mut joins = Vec::new();
        for _ in 0..3000 {
            let ran = ran.clone();
            joins.push(
                pool.spawn(move || ran.fetch_add(1, Ordering::Relaxed), here())
                    .unwrap(),
            );
        }
        let limit = Instant::now() + Duration::from_secs(30);
        while ran.load(Ordering::Relaxed) < 3000 {
            assert!(Instant::now() < limit, "a job was lost");
            std::thread::yield_now();
        }
        pool.close();
        assert!(pool.wait_until_left(Some(limit)));
    }

    #[test]
    fn a_thread_that_cannot_be_started_is_an_error() {
        let pool = Pool::new(Settings {
            max_threads: 1,
            keep_alive: Duration::ZERO,
            start_thread: Box::new(|_, _| Err(io::ErrorKind::WouldBlock.into())),
            clock: Arc::new(Clock::new(false)),
        });
        let error = pool.spawn(|| (), here()).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::WouldBlock);
        assert!(pool.wait_until_left(None));
    }
}

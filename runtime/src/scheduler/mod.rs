//! Carries jobs to workers, and owns the tasks that live.
//!
//! [`idle`] says when a worker may sleep and who wakes it; [`worker`] is the loop; [`queues`] is where jobs wait;
//! [`live`] owns the tasks; [`shutdown`] ends them. The steps that comments name (S1, W1, P3) are those of the README beside this.

pub(crate) mod idle;
mod live;
mod local;
mod queues;
mod seat;
mod shutdown;
mod stall;
mod worker;

use std::cell::Cell;
use std::future::Future;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::{Duration, Instant};

use crossbeam_utils::CachePadded;
use crossbeam_utils::sync::Parker;

use self::idle::{Claimed, Idle, Searching};
use self::live::Live;
use self::queues::{Deque, Inbox};
use self::seat::Seat;
use self::shutdown::{Drained, Exits};
pub(crate) use self::stall::OnStall;
pub use self::stall::StallReport;
use self::worker::{Worker, with_here};
use crate::clock::Clock;
use crate::driver::{Crew, Driver};
use crate::home::ThreadMark;
use crate::job::{Job, Release, Schedule, quietly};
use crate::join::JoinHandle;
use crate::origin::Origin;
use crate::park::Knock;
use crate::task::{self, Spawned, Task};
use std::sync::Arc;

pub(crate) use self::seat::Chair;

/// How long a thief watches a deque with few jobs before it takes some: tasks that chat across two cores cost three times
/// what they cost on one, so a worker that gets on with its polls is better left alone. Less: the channel relay of the
/// benches slows down (its polls take some 100 ns); more: a second core comes later to the help of the first.
const PATIENCE: Duration = Duration::from_micros(1);

/// Jobs that are few. More are stolen from at once, and always wake a sleeper.
const FEW: u64 = 8;

/// Seats that a thief watches at once; where more have a job, there is work enough to take.
const WATCHED: usize = 8;

/// Pushes onto a deque with few jobs that wake nobody, at most, after a wake-up that was for nothing.
const MOST_RESTRAINT: u32 = 255;

/// Jobs that the guard takes from behind one poll in one tick, at most: it has other seats to look at.
const RESCUED: usize = 256;

/// What a builder decides for a scheduler.
pub(crate) struct Settings {
    /// Jobs between two looks into the injector.
    pub(crate) global_queue_interval: u32,
    /// Jobs between two looks into the poller.
    pub(crate) event_interval: u32,
    pub(crate) hooks: Hooks,
    pub(crate) stall_threshold: Duration,
    /// Told of each poll that passes the threshold, once.
    pub(crate) on_stall: OnStall,
    /// The only thread that may run the jobs, if there may be local tasks.
    pub(crate) home: Option<ThreadMark>,
    /// Told before a worker sleeps.
    pub(crate) clock: Arc<Clock>,
}

type Hook = Option<Arc<dyn Fn() + Send + Sync>>;

/// The user's code at the turns of a worker thread's life.
#[derive(Clone, Default)]
pub(crate) struct Hooks {
    pub(crate) start: Hook,
    pub(crate) stop: Hook,
    pub(crate) park: Hook,
    pub(crate) unpark: Hook,
}

impl Hooks {
    /// Runs the life of a thread between its two hooks.
    pub(crate) fn around(&self, life: impl FnOnce()) {
        call(&self.start);
        life();
        call(&self.stop);
    }
}

/// A hook that panics ends no thread: the panic hook tells.
#[inline]
fn call(hook: &Hook) {
    if let Some(hook) = hook {
        quietly(|| hook());
    }
}

/// The workers of one runtime, and what they share.
pub(crate) struct Scheduler {
    seats: Box<[CachePadded<Seat>]>,
    inbox: Inbox,
    idle: Idle,
    live: Live,
    driver: Arc<dyn Driver>,
    settings: Settings,
    /// No task may live any more.
    closing: AtomicBool,
    drained: Drained,
    exits: Exits,
    /// How often a worker keeps few jobs to itself after it has woken another for them: more often after each such
    /// wake-up that was for nothing, never after one that was not. What is kept behind a poll that lasts, the guard finds.
    restraint: CachePadded<AtomicU32>,
}

thread_local! {
    /// While a thread that is no worker runs a turn of the poller: for which scheduler, by its address, and the jobs that
    /// it has made so far.
    static BATCH: Cell<Option<(usize, usize)>> = const { Cell::new(None) };
}

impl Scheduler {
    /// A scheduler with so many seats, and a chair for each.
    pub(crate) fn new(
        workers: usize,
        settings: Settings,
        driver: Arc<dyn Driver>,
    ) -> (Arc<Scheduler>, Vec<Chair>) {
        let mut chairs = Vec::with_capacity(workers);
        let seats = (0..workers)
            .map(|seat| {
                let (deque, victim) = Deque::new();
                let parker = Parker::new();
                let unparker = parker.unparker().clone();
                chairs.push(Chair {
                    seat,
                    deque,
                    parker,
                });
                CachePadded::new(Seat::new(victim, unparker))
            })
            .collect();
        let scheduler = Arc::new(Scheduler {
            seats,
            inbox: Inbox::new(),
            idle: Idle::new(),
            live: Live::new(workers),
            driver,
            settings,
            closing: AtomicBool::new(false),
            drained: Drained::new(),
            exits: Exits::default(),
            restraint: CachePadded::new(AtomicU32::new(0)),
        });
        (scheduler, chairs)
    }

    /// The life of a worker thread.
    pub(crate) fn work(self: &Arc<Self>, chair: Chair) {
        self.assert_may_run();
        self.settings.hooks.around(|| {
            let mut leaving = Leaving(self, None);
            leaving.1 = Some(Worker::work(self.clone(), chair, true, || false));
        });
    }

    /// Drives the one seat of a current-thread runtime until `leave` says so.
    pub(crate) fn drive(self: &Arc<Self>, chair: Chair, leave: impl FnMut() -> bool) -> Chair {
        self.assert_may_run();
        Worker::work(self.clone(), chair, false, leave)
    }

    /// Ends the sleep of the worker on this seat, whatever it sleeps for.
    pub(crate) fn unpark(&self, seat: usize) {
        match self.seats[seat].token.give() {
            Knock::Nobody => {}
            Knock::Parker => self.seats[seat].unparker.unpark(),
            Knock::Poller => self.driver.notify(),
        }
    }

    #[inline]
    pub(crate) fn spawn<F>(self: &Arc<Self>, future: F, origin: Origin) -> JoinHandle<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        self.launch(task::new(future, origin, self))
    }

    #[inline]
    fn launch<T>(self: &Arc<Self>, spawned: Spawned<T>) -> JoinHandle<T> {
        let Spawned { job, owner, joiner } = spawned;
        let left = with_here(self, |worker| {
            let (seat, ended) = (
                worker.map(Worker::seat),
                worker.and_then(|worker| worker.ended.own()),
            );
            if !self.live.insert(owner, &job, seat, ended) {
                return Some((job, false));
            }
            match worker {
                Some(worker) => {
                    worker.submit(job);
                    None
                }
                None => Some((job, true)),
            }
        });
        match left {
            None => {}
            Some((job, true)) => self.submit_outside(job),
            // Too late: dropping the job drops the future.
            Some((job, false)) => drop(job),
        }
        JoinHandle::new(joiner)
    }

    #[inline]
    fn workers(&self) -> usize {
        self.seats.len()
    }

    /// True on the thread of one of its workers.
    pub(crate) fn works_here(&self) -> bool {
        with_here(self, |worker| worker.is_some())
    }

    /// What tells this scheduler from another while both live.
    fn address(&self) -> usize {
        std::ptr::from_ref(self).addr()
    }

    /// S1 from any thread.
    pub(crate) fn carry(&self, job: Job) {
        if let Err(job) = self.submit_here(job) {
            self.submit_outside(job);
        }
    }

    /// True if a job waits that nobody will come to soon.
    fn work_waits(&self) -> bool {
        !self.inbox.is_empty() || self.seat_to_help(0).is_some()
    }

    /// A seat whose deque wants a thief, looked for from `first` on: its worker will not have emptied it within
    /// [`PATIENCE`], as far as its pace, and its polls while it is watched, tell.
    fn seat_to_help(&self, first: usize) -> Option<usize> {
        let seats = &self.seats;
        let mut watched = [(0, 0, 0); WATCHED];
        let mut count = 0;
        for at in (first..seats.len()).chain(0..first) {
            match seats[at].victim.len() {
                0 => {}
                jobs if jobs <= FEW && count < WATCHED && seats[at].time_for(jobs) < PATIENCE => {
                    watched[count] = (at, jobs, seats[at].polls());
                    count += 1;
                }
                _ => return Some(at),
            }
        }
        if count == 0 {
            return None;
        }
        let since = Instant::now();
        while since.elapsed() < PATIENCE {
            std::hint::spin_loop();
        }
        watched[..count]
            .iter()
            .find(|(at, jobs, polls)| {
                seats[*at].polls() - polls < *jobs && !seats[*at].victim.is_empty()
            })
            .map(|(at, ..)| *at)
    }

    /// S1 from a thread that is no worker.
    fn submit_outside(&self, job: Job) {
        self.inbox.push(job);
        match BATCH.get() {
            // The first one has woken somebody already, in case the callback that made it waits for it.
            Some((of, so_far @ 1..)) if of == self.address() => {
                BATCH.set(Some((of, so_far + 1)));
                return;
            }
            Some((of, 0)) if of == self.address() => BATCH.set(Some((of, 1))),
            _ => {}
        }
        self.submitted();
        // After the fence in `submitted`; partner X3 (scheduler/shutdown).
        if self.drained.has_ended() {
            self.abandon_inbox();
        }
    }

    /// S2, S3 and, if need be, W1 and W2. True if it woke someone.
    #[inline]
    fn submitted(&self) -> bool {
        match self.idle.submitted(self.workers()) {
            Some(claimed) => {
                self.wake(claimed);
                true
            }
            None => false,
        }
    }

    /// A wake-up for few jobs was for nothing, or not.
    fn learn(&self, for_nothing: bool) {
        // Ordering: Relaxed: a hint; two that learn at once may lose one lesson.
        let now = self.restraint.load(Ordering::Relaxed);
        let next = if for_nothing {
            (2 * now + 1).min(MOST_RESTRAINT)
        } else {
            0
        };
        if next != now {
            self.restraint.store(next, Ordering::Relaxed);
        }
    }

    fn restraint(&self) -> u32 {
        self.restraint.load(Ordering::Relaxed)
    }

    /// S2 and S3 for so many jobs.
    fn wake_many(&self, jobs: usize) {
        for n in 0..jobs.min(self.workers()) {
            let claimed = match n {
                0 => self.idle.submitted(self.workers()),
                _ => self.idle.claim_one_more(self.workers()),
            };
            match claimed {
                Some(claimed) => self.wake(claimed),
                None if n > 0 => return,
                None => {}
            }
        }
    }

    /// W2.
    #[cold]
    fn wake(&self, claimed: Claimed) {
        if claimed.first {
            self.driver.workers_wake();
        }
        self.unpark(claimed.seat);
    }

    /// F1 and F2.
    fn found(&self, searching: Searching) {
        if let Some(claimed) = self
            .idle
            .found(searching, self.workers(), || self.work_waits())
        {
            self.wake(claimed);
        }
    }

    /// The tasks that are not done, at about this moment.
    pub(crate) fn tasks(&self) -> Vec<Task> {
        self.live.all()
    }

    /// How many tasks are not done.
    pub(crate) fn living(&self) -> usize {
        self.live.len()
    }
}

/// Leaves when it is dropped: whatever ends a worker, the others do not wait for it.
struct Leaving<'a>(&'a Scheduler, Option<Chair>);

impl Drop for Leaving<'_> {
    fn drop(&mut self) {
        self.0.leave(self.1.take());
    }
}

// SAFETY: `live` keeps the owner's reference from `spawn` until `release`, and gives it back or leaves it to the caller, as the
// answer says. The `Arc`:
// a task that is not done is in `live`, and whoever holds the last `Arc` has seen `live` closed and empty: a worker
// thread and a current-thread runtime hold theirs until `end` has returned.
unsafe impl Schedule for Scheduler {
    #[inline]
    fn submit_here(&self, job: Job) -> Result<(), Job> {
        with_here(self, |worker| match worker {
            Some(worker) => {
                worker.submit(job);
                Ok(())
            }
            None => Err(job),
        })
    }

    fn submit(self: &Arc<Self>, job: Job) {
        self.submit_outside(job);
    }

    #[inline]
    fn release(&self, key: u64) -> Release {
        with_here(self, |worker| match worker {
            Some(worker) => worker.release(key),
            None => {
                self.live.remove(key);
                Release::Caller
            }
        })
    }
}

impl Crew for Scheduler {
    fn awake(&self) -> usize {
        self.workers().saturating_sub(self.idle.asleep())
    }

    fn batch(&self, work: &mut dyn FnMut()) {
        let outer = BATCH.replace(Some((self.address(), 0)));
        work();
        let made = BATCH.replace(outer).map_or(0, |(_, made)| made);
        self.wake_many(made.saturating_sub(1));
        if made > 0 && self.drained.has_ended() {
            self.abandon_inbox();
        }
    }

    fn wake_one(&self) {
        if let Some(claimed) = self.idle.claim_one_more(self.workers()) {
            self.wake(claimed);
        }
    }

    fn sample(&self) -> bool {
        let mut any_stuck = false;
        for (worker, seat) in self.seats.iter().enumerate() {
            let Some(stuck) = seat.look(self.settings.stall_threshold) else {
                continue;
            };
            any_stuck = true;
            // To the injector, where busy workers look, too: one that never runs dry never steals. A worker without
            // others would only lose its order.
            let rescued = if self.workers() > 1 { RESCUED } else { 0 };
            for job in std::iter::from_fn(|| seat.take_waiting()).take(rescued) {
                self.submit_outside(job);
            }
            if stuck.report {
                let report = StallReport {
                    task: self.live.describe(stuck.key),
                    worker,
                    duration: stuck.for_at_least,
                };
                quietly(|| (self.settings.on_stall)(&report));
            }
        }
        any_stuck
    }
}

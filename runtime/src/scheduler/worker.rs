//! A worker: takes jobs from its queues, steals from others, and sleeps when there are none.
//!
//! Where it looks, in this order: its next slot (at most [`NEXT_IN_A_ROW`] times while others wait), its deque, the
//! injector, another seat's deque, the poller. Every so many jobs it looks into the injector and the poller first, so that neither
//! starves behind a full deque.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::{Duration, Instant};

use crossbeam_utils::sync::Parker;

use super::idle::{Searching, Woken};
use super::live::Ended;
use super::queues::Deque;
use super::seat::{Chair, Seat};
use super::{FEW, Scheduler, call};
use crate::budget;
use crate::driver::Borrow;
use crate::job::{Job, Release};
use crate::park::Bed;
use std::sync::Arc;

/// Jobs from the next slot in a row while the deque waits. Two tasks that wake each other would else keep a third
/// from running. Unit: jobs; as tokio's.
const NEXT_IN_A_ROW: u32 = 3;

/// Looks over all queues and the poller before sleep. Unit: rounds. Fewer: echo servers with few connections lose
/// eagerness (a wake-up costs 10 to 30 us); more: processor time of an idle runtime.
const SEARCH_ROUNDS: u32 = 3;

/// How long a thief about to sleep watches a poll that has a job waiting in its next slot.
const WATCH: Duration = Duration::from_micros(50);

thread_local! {
    /// The worker whose thread this is.
    static HERE: RefCell<Option<Rc<Worker>>> = const { RefCell::new(None) };
}

pub(crate) struct Worker {
    scheduler: Arc<Scheduler>,
    seat: usize,
    deque: Deque,
    parker: Parker,
    /// Jobs until the next look into the injector first.
    until_inbox: Cell<u32>,
    /// A poll has used up its budget since the last look into the injector.
    polls_are_long: Cell<bool>,
    /// Jobs until the next look into the poller first.
    until_poller: Cell<u32>,
    /// Jobs from the next slot since the deque was last looked at.
    streak: Cell<u32>,
    random: Cell<u32>,
    /// Pushes that are still to wake nobody, while the jobs are few.
    withheld: Cell<u32>,
    /// The last job that it found when it had run dry came from the poller.
    poller_gave: Cell<bool>,
    /// It ends when the scheduler closes; else somebody else decides when it leaves, and what for it wakes.
    ends_when_closed: bool,
    /// While a turn of the poller runs: the jobs that it has made so far.
    batch: Cell<Option<usize>>,
    /// Tasks that it ended, and that the scheduler still owns.
    pub(super) ended: Ended,
}

/// Calls `f` with the worker of this thread, if it is one of this scheduler's.
#[inline]
pub(super) fn with_here<R>(scheduler: &Scheduler, f: impl FnOnce(Option<&Worker>) -> R) -> R {
    let mut f = Some(f);
    let answer = HERE.try_with(|here| {
        let here = here.borrow();
        let worker = here
            .as_deref()
            .filter(|w| std::ptr::eq(&*w.scheduler, scheduler));
        f.take().map(|f| f(worker))
    });
    match (answer, f) {
        (Ok(Some(answer)), _) => answer,
        // The thread is ending: its variables are gone.
        (_, Some(f)) => f(None),
        _ => unreachable!("`f` is called once"),
    }
}

/// Counts down; true once every `interval` calls.
#[inline]
fn is_due(countdown: &Cell<u32>, interval: u32) -> bool {
    let left = countdown.get().checked_sub(1);
    countdown.set(left.unwrap_or(interval - 1));
    left.is_none()
}

/// Puts the thread's former worker back.
struct Restore(Option<Rc<Worker>>);

impl Drop for Restore {
    fn drop(&mut self) {
        HERE.set(self.0.take());
    }
}

/// What the worker does next.
enum Found {
    Job(Job),
    /// Nothing, but it woke: look at everything again.
    Again,
    Closed,
}

impl Worker {
    /// Takes the chair, runs jobs until `leave` says so or, if it `ends_when_closed`, until the scheduler has shut
    /// down and no job is left, and gives the chair back. `leave` is asked when no job is at hand, and every so many jobs.
    pub(super) fn work(
        scheduler: Arc<Scheduler>,
        chair: Chair,
        ends_when_closed: bool,
        mut leave: impl FnMut() -> bool,
    ) -> Chair {
        let worker = Rc::new(Worker {
            scheduler,
            seat: chair.seat,
            deque: chair.deque,
            parker: chair.parker,
            until_inbox: Cell::new(0),
            polls_are_long: Cell::new(false),
            until_poller: Cell::new(0),
            streak: Cell::new(0),
            random: Cell::new(0x9E37_79B9 ^ (chair.seat as u32 + 1).wrapping_mul(0x85EB_CA6B)),
            withheld: Cell::new(0),
            poller_gave: Cell::new(false),
            ends_when_closed,
            batch: Cell::new(None),
            ended: Ended::default(),
        });
        let restore = Restore(HERE.replace(Some(worker.clone())));
        let jobs = worker.scheduler.settings.event_interval;
        let run_some = |n: std::ops::Range<u32>| n.take_while(|_| worker.run_next()).count();
        while !leave() {
            if run_some(0..jobs) > 0 {
                continue;
            }
            let found = match worker.find() {
                Found::Job(job) => {
                    worker.run(job);
                    1
                }
                Found::Closed => break,
                Found::Again => 0,
            };
            run_some(found..jobs); // What came with it, too: what `leave` looks at comes after the tasks.
        }
        worker.my_seat().stops();
        worker.ended.bury(&worker.scheduler.live);
        drop(restore);
        let worker = Rc::into_inner(worker).expect("only the thread's variable shared it");
        Chair {
            seat: worker.seat,
            deque: worker.deque,
            parker: worker.parker,
        }
    }

    #[inline]
    fn my_seat(&self) -> &Seat {
        &self.scheduler.seats[self.seat]
    }

    pub(super) fn seat(&self) -> usize {
        self.seat
    }

    /// Runs the next job of this worker's own, or from outside. False if there is none.
    #[inline]
    fn run_next(&self) -> bool {
        self.next_job().map(|job| self.run(job)).is_some()
    }

    #[inline]
    fn run(&self, job: Job) {
        self.my_seat().starts(job.key());
        if let Some(again) = job.run() {
            self.requeue(again);
        }
    }

    /// A task that this worker ran is done.
    #[inline]
    pub(super) fn release(&self, key: u64) -> Release {
        self.ended.release(&self.scheduler.live, key, self.seat)
    }

    /// A task that woke itself goes to the back.
    #[inline]
    fn requeue(&self, job: Job) {
        let was_empty = self.deque.is_empty();
        self.deque.push(job);
        // A poll that has used up its budget was as long as many: who waits outside has waited long enough.
        if budget::was_refused() {
            self.until_inbox.set(0);
            self.polls_are_long.set(true);
        }
        // A deque that was not empty had its submit; one that was is ours to run next, unless the next slot comes first.
        if was_empty && !self.my_seat().next.is_empty() {
            self.pushed();
        }
    }

    /// S2 and S3 after a push; few jobs may be kept without.
    #[inline]
    fn pushed(&self) {
        let left = self.withheld.get();
        if left > 0 && self.deque.len() <= FEW {
            self.withheld.set(left - 1);
        } else if self.scheduler.submitted() {
            self.withheld.set(self.scheduler.restraint());
        }
    }

    /// S1 on a worker's own thread.
    #[inline]
    pub(super) fn submit(&self, job: Job) {
        if let Some(so_far) = self.batch.get() {
            self.deque.push(job);
            self.batch.set(Some(so_far + 1));
        } else if !self.ends_when_closed {
            // The one worker of a runtime on somebody's thread: there is nobody to wake, and users count on the order.
            self.deque.push(job);
        } else if let Some(displaced) = self.my_seat().next.put(job) {
            self.deque.push(displaced);
            self.pushed();
        }
    }

    /// The next job of this worker's own, or from outside.
    #[inline]
    fn next_job(&self) -> Option<Job> {
        let settings = &self.scheduler.settings;
        if is_due(&self.until_inbox, settings.global_queue_interval) {
            let inbox = &self.scheduler.inbox;
            // A batch goes to the back of the deque: where that is long, the others wait better where they are.
            let is_short = || self.deque.len() < u64::from(settings.global_queue_interval);
            let job = if self.polls_are_long.take() && is_short() {
                inbox.take_batch(&self.deque)
            } else {
                inbox.take_one()
            };
            if job.is_some() {
                return job;
            }
        }
        if is_due(&self.until_poller, settings.event_interval) {
            self.look_at_poller();
        }
        let next = &self.my_seat().next;
        if self.streak.get() < NEXT_IN_A_ROW {
            if let Some(job) = next.take() {
                self.streak.set(self.streak.get() + 1);
                return Some(job);
            }
        }
        self.streak.set(0);
        self.deque
            .pop()
            .or_else(|| next.take())
            .or_else(|| self.scheduler.inbox.take_batch(&self.deque))
    }

    /// Runs a turn of the poller: the jobs it makes land in the deque. The answer is how many of them want another
    /// worker than this one; [`Scheduler::wake_many`] must follow.
    fn batch(&self, turn: impl FnOnce()) -> usize {
        let is_dry = self.deque.is_empty() && self.my_seat().next.is_empty();
        let outer = self.batch.replace(Some(0));
        turn();
        let made = self.batch.replace(outer).unwrap_or(0);
        made.saturating_sub(usize::from(is_dry))
    }

    fn look_at_poller(&self) {
        let driver = &self.scheduler.driver;
        if driver.lends() {
            let for_others = self.batch(|| driver.look());
            self.scheduler.wake_many(for_others);
        }
    }

    /// The own queues are empty: look elsewhere, then sleep.
    #[cold]
    fn find(&self) -> Found {
        self.my_seat().stops();
        let scheduler = &*self.scheduler;
        self.ended.bury(&scheduler.live);
        // Where the last job came from the poller, so may the next one: nobody needs to know of this search.
        if self.poller_gave.get() {
            self.look_at_poller();
            if let Some(job) = self.deque.pop() {
                return Found::Job(job);
            }
            self.poller_gave.set(false);
        }
        let mut searching = scheduler.idle.start_searching(scheduler.workers());
        let mut was_woken = false;
        loop {
            if let Some(job) = self.search(searching.is_some()) {
                if let Some(searching) = searching {
                    scheduler.found(searching);
                }
                return Found::Job(job);
            }
            if self.must_end() {
                if let Some(searching) = searching {
                    scheduler.found(searching);
                }
                return Found::Closed;
            }
            if was_woken {
                scheduler.learn(true);
            }
            match self.sleep(searching) {
                // The token may have been given for another reason, too (a current-thread `block_on` is woken by it),
                // which only who decides can tell.
                Woken::Stays(more) | Woken::ByWaker(more) if !self.ends_when_closed => {
                    scheduler.found(more);
                    return Found::Again;
                }
                Woken::Stays(more) => searching = Some(more),
                Woken::ByWaker(more) => {
                    searching = Some(more);
                    was_woken = true;
                }
                Woken::Alone { first } => {
                    if first {
                        scheduler.driver.workers_wake();
                    }
                    return Found::Again;
                }
            }
        }
    }

    /// Looks everywhere a few times.
    fn search(&self, steal: bool) -> Option<Job> {
        let scheduler = &*self.scheduler;
        for _ in 0..SEARCH_ROUNDS {
            // A hook or a callback may have spawned.
            if let Some(job) = self.my_seat().next.take().or_else(|| self.deque.pop()) {
                return Some(job);
            }
            if let Some(job) = scheduler.inbox.take_batch(&self.deque) {
                return Some(job);
            }
            if steal {
                if let Some(job) = self.steal() {
                    return Some(job);
                }
            }
            self.look_at_poller();
            if let Some(job) = self.deque.pop() {
                self.poller_gave.set(true);
                return Some(job);
            }
            if !steal {
                return None;
            }
        }
        self.watch_next_slots()
    }

    fn steal(&self) -> Option<Job> {
        let seats = &self.scheduler.seats;
        let first = self.random_below(seats.len());
        // A seat that wants help may have got it the next moment.
        for _ in 0..seats.len() {
            let Some(at) = self.scheduler.seat_to_help(first) else {
                break;
            };
            if let Some(job) = seats[at].victim.steal_half(&self.deque) {
                self.scheduler.learn(false);
                return Some(job);
            }
        }
        None
    }

    /// About to sleep: does a job wait in a next slot behind a poll that lasts? Then nobody else would ever run it.
    fn watch_next_slots(&self) -> Option<Job> {
        let seats = &self.scheduler.seats;
        let waits =
            |at: usize| at != self.seat && !seats[at].next.is_empty() && seats[at].is_running();
        let at = (0..seats.len()).find(|at| waits(*at))?;
        let (polls, since) = (seats[at].polls(), Instant::now());
        while seats[at].polls() == polls && waits(at) && self.scheduler.inbox.is_empty() {
            if since.elapsed() >= WATCH {
                return seats[at].next.take();
            }
            for _ in 0..64 {
                std::hint::spin_loop();
            }
        }
        None
    }

    /// P1 to P4, and E1.
    fn sleep(&self, searching: Option<Searching>) -> Woken {
        let scheduler = &*self.scheduler;
        let (driver, workers) = (&*scheduler.driver, scheduler.workers());
        call(&scheduler.settings.hooks.park);
        let bed = self.find_bed();
        let may_sleep =
            scheduler
                .idle
                .prepare_sleep(self.seat, searching, bed == Bed::Poller, || {
                    self.must_stay(bed)
                });
        if let Err(searching) = may_sleep {
            if bed == Bed::Poller {
                driver.hand_back();
            }
            call(&scheduler.settings.hooks.unpark);
            return Woken::Stays(searching);
        }
        let mut for_others = 0;
        let tells = scheduler.settings.clock.settle(); // A1 (clock)
        if self.my_seat().token.announce(bed) {
            if tells && bed == Bed::Parker {
                driver.notify(); // A3 (clock)
            }
            match bed {
                Bed::Poller => {
                    for_others = self.batch(|| driver.wait(None));
                    self.poller_gave.set(!self.deque.is_empty());
                }
                Bed::Parker => self.parker.park(),
            }
            // A token that came is for this wake-up, whatever else ended the sleep.
            let _ = self.my_seat().token.retract();
        } else if bed == Bed::Poller {
            driver.hand_back();
        }
        let woken = scheduler.idle.end_sleep(self.seat, workers);
        // Not before: it might wake ourselves.
        scheduler.wake_many(for_others);
        call(&scheduler.settings.hooks.unpark);
        woken
    }

    /// The scheduler closes, and so this worker ends when it has run dry.
    fn must_end(&self) -> bool {
        self.ends_when_closed && self.scheduler.is_closing()
    }

    /// P3.
    fn must_stay(&self, bed: Bed) -> bool {
        !self.my_seat().next.is_empty()
            || self.scheduler.work_waits()
            || self.must_end()
            || self.poller_is_left(bed)
    }

    /// In the poller if nobody waits there and nobody awake will look into it soon. An event that a busy worker would
    /// have found by itself the next moment costs a thread switch when somebody waits for it elsewhere.
    fn find_bed(&self) -> Bed {
        let scheduler = &*self.scheduler;
        let will_look = scheduler.idle.asleep() + 1 < scheduler.workers()
            && !scheduler.seats.iter().any(|seat| seat.is_slow());
        if !scheduler.driver.lends() || will_look {
            return Bed::Parker;
        }
        loop {
            match scheduler.driver.borrow() {
                Borrow::Mine => return Bed::Poller,
                Borrow::Attended => return Bed::Parker,
                // A turn that does not wait is short, and its worker may not wait in the poller after it.
                Borrow::Busy => std::thread::yield_now(),
            }
        }
    }

    /// True if all would sleep now, with nobody in the poller: two that went to sleep at once left it to each other.
    fn poller_is_left(&self, bed: Bed) -> bool {
        let scheduler = &*self.scheduler;
        bed == Bed::Parker
            && scheduler.idle.asleep() == scheduler.workers()
            && scheduler.driver.lends()
            && !scheduler.driver.is_attended()
    }

    /// Xorshift: cheap, and good enough to spread thieves.
    fn random_below(&self, n: usize) -> usize {
        let mut x = self.random.get();
        x ^= x << 13;
        x ^= x >> 17;
        x ^= x << 5;
        self.random.set(x);
        x as usize % n
    }
}

//! Tasks that stay on one thread: a set of them, their queue, and what wakes the set.
//!
//! A set is a part of whatever future polls it: it has no thread of its own. While it is polled it runs its tasks, so
//! many in one poll; between polls it wakes the waker that it was polled with last, once, for the first job that comes.
//!
//! | field    | who may touch it                                                                             |
//! |----------|----------------------------------------------------------------------------------------------|
//! | `mine`   | the set's own thread: a wake-up there costs no lock and, beside the task's own, no atomic    |
//! | `inbox`  | anyone: jobs from other threads wait there; see [`inbox`]                                    |
//!
//! Why no future leaves its thread: a job is run, or dropped, in [`Set::tick`] and [`Set::close`] only, and a [`Set`] is
//! not `Send`; another thread only ever puts it into the inbox. `close` goes on until no task lives, so that no job is
//! left for whoever drops the memory. A job in another thread's hand on its way into the inbox keeps its task alive, so
//! `close` waits for it; that is as long as that thread takes to push it. A set that is leaked leaks its tasks.

mod inbox;

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::future::Future;
use std::marker::PhantomData;
use std::task::Waker;

use slab::Slab;

use self::inbox::Inbox;
use crate::home::AtHome;
use crate::job::{Job, Release, Schedule, quietly};
use crate::join::JoinHandle;
use crate::origin::Origin;
use crate::task::{self, Spawned, Task};
use std::sync::Arc;

/// Tasks that are run in one poll of the set. The future that polls it has other things to do, and its worker other
/// tasks. As tokio's.
const TASKS_IN_A_TICK: usize = 61;

/// Tasks between two looks into the inbox while there are local ones. As tokio's.
const INBOX_INTERVAL: usize = 31;

/// The owner's side of a set.
pub(crate) struct Set {
    shared: Arc<Shared>,
    /// Stays on its thread.
    _at_home: PhantomData<*const ()>,
}

struct Shared {
    mine: AtHome<Mine>,
    inbox: Inbox<Job>,
}

/// What only the set's thread reaches.
#[derive(Default)]
struct Mine {
    queue: RefCell<VecDeque<Job>>,
    /// The owner's reference to each task that is not done.
    live: RefCell<Slab<Task>>,
    /// No further task may live.
    closed: Cell<bool>,
    /// A poll of the set is under way, which will look into the queue before it ends.
    polled: Cell<bool>,
    /// The waker has been woken since the last poll.
    woken: Cell<bool>,
    /// That of the last poll.
    waker: RefCell<Option<Waker>>,
}

/// A poll of a set is under way until this is dropped.
#[must_use = "ends when dropped"]
pub(crate) struct Polled<'a> {
    set: &'a Set,
    /// It is a poll inside another one.
    outer: bool,
}

impl Set {
    /// An empty set, at home on this thread.
    pub(crate) fn new() -> Set {
        Set {
            shared: Arc::new(Shared {
                mine: AtHome::new(Mine::default()),
                inbox: Inbox::new(),
            }),
            _at_home: PhantomData,
        }
    }

    #[inline]
    fn mine(&self) -> &Mine {
        let mine = self.shared.mine.get();
        mine.expect("a set is not `Send`, so it is where it was made")
    }

    /// Spawns a task. After [`close`](Self::close) its future is dropped at once.
    pub(crate) fn spawn<F>(&self, future: F, origin: Origin) -> JoinHandle<F::Output>
    where
        F: Future + 'static,
        F::Output: 'static,
    {
        // SAFETY: the future comes from this thread, and jobs of this scheduler are run and dropped on it only: by `tick`
        // and `close` of a `Set`, which is not `Send`, and below.
        let spawned = unsafe { task::new_local(future, origin, &self.shared) };
        let Spawned {
            job,
            mut owner,
            joiner,
        } = spawned;
        let mine = self.mine();
        {
            // A task that comes too late is owned, too, for the moment that its cancellation takes.
            let mut live = mine.live.borrow_mut();
            let entry = live.vacant_entry();
            owner.set_key(entry.key() as u64 + 1, &job);
            entry.insert(owner);
        }
        if mine.closed.get() {
            drop(job);
        } else {
            mine.push(job);
        }
        JoinHandle::new(joiner)
    }

    /// Begins a poll. Jobs that come from now on wake this waker, unless it is under way still.
    pub(crate) fn poll_with(&self, waker: &Waker) -> Polled<'_> {
        let mine = self.mine();
        let outer = mine.polled.replace(true);
        let polled = Polled { set: self, outer };
        if outer {
            // Whoever polls the set further up does not hear of jobs otherwise: this waker may be that of one of its tasks.
            return polled;
        }
        mine.woken.set(false);
        let is_known = mine
            .waker
            .borrow()
            .as_ref()
            .is_some_and(|known| known.will_wake(waker));
        if !is_known {
            let (own, for_inbox) = (waker.clone(), waker.clone());
            let old = mine.waker.replace(Some(own));
            quietly(|| drop(old));
            self.shared.inbox.leave(for_inbox); // L3 (local/inbox); L4 in `tick`
        }
        polled
    }

    /// L4 and L5 (local/inbox).
    #[inline]
    fn empty_inbox(&self, mine: &Mine) {
        if self.shared.inbox.any() {
            let waker = mine.waker.borrow().clone();
            self.shared.inbox.take(waker, &mut mine.queue.borrow_mut());
        }
    }

    fn next_job(&self, mine: &Mine) -> Option<Job> {
        let job = mine.queue.borrow_mut().pop_front();
        if job.is_some() {
            return job;
        }
        self.empty_inbox(mine);
        mine.queue.borrow_mut().pop_front()
    }

    /// True if no task lives.
    pub(crate) fn is_empty(&self) -> bool {
        self.mine().live.borrow().is_empty()
    }

    /// Lets no further task live, and drops the futures of all there are, in the order in which they were spawned.
    pub(crate) fn close(&self) {
        let mine = self.mine();
        mine.closed.set(true);
        // Whoever is dropped now may wake or abort others: they are in the queue already.
        let _polled = Polled {
            set: self,
            outer: mine.polled.replace(true),
        };
        let tasks: Vec<Task> = mine.live.borrow().iter().map(|(_, t)| t.clone()).collect();
        tasks.iter().for_each(Task::abort);
        drop(tasks);
        while !self.is_empty() {
            self.empty_inbox(mine);
            let mut jobs: Vec<_> = mine.queue.take().into();
            if jobs.is_empty() {
                std::thread::yield_now();
            }
            jobs.sort_by_cached_key(|job| mine.spawn_order(job));
            // Each is stopped: no next job comes out.
            jobs.into_iter().for_each(drop);
        }
    }
}

impl Polled<'_> {
    /// Runs tasks. True if there are more to run: the caller must see to it that the set is polled again.
    #[must_use = "jobs that are left are not run otherwise"]
    pub(crate) fn tick(&self) -> bool {
        let mine = self.set.mine();
        for n in 0..TASKS_IN_A_TICK {
            if n % INBOX_INTERVAL == 0 {
                self.set.empty_inbox(mine);
            }
            let Some(job) = self.set.next_job(mine) else {
                break;
            };
            if let Some(again) = job.run() {
                mine.queue.borrow_mut().push_back(again);
            }
        }
        self.leaves_jobs()
    }

    /// True if there are jobs, which whoever polls the set next must run.
    pub(crate) fn leaves_jobs(&self) -> bool {
        let mine = self.set.mine();
        let any = !mine.queue.borrow().is_empty() || self.set.shared.inbox.any();
        mine.woken.set(any);
        any
    }
}

impl Drop for Polled<'_> {
    fn drop(&mut self) {
        self.set.mine().polled.set(self.outer);
    }
}

impl Mine {
    /// Queues a job, and sees to it that somebody comes to run it.
    #[inline]
    fn push(&self, job: Job) {
        self.queue.borrow_mut().push_back(job);
        if !self.polled.get() && !self.woken.replace(true) {
            self.wake();
        }
    }

    fn wake(&self) {
        let waker = self.waker.borrow().clone();
        if let Some(waker) = waker {
            quietly(|| waker.wake());
        }
    }

    /// The rank of the job's task among those that were spawned on this thread.
    fn spawn_order(&self, job: &Job) -> u64 {
        let live = self.live.borrow();
        let task = live.get(job.key() as usize - 1);
        task.map_or(0, |task| task.origin().id.number())
    }
}

// SAFETY: `live` keeps the owner's reference from `spawn` until `release`, which leaves it to the caller. The `Arc`: its
// owner's `close` returns only when no task lives; without `close` the owner is leaked, and with it the `Arc`.
unsafe impl Schedule for Shared {
    #[inline]
    fn submit_here(&self, job: Job) -> Result<(), Job> {
        match self.mine.get() {
            Some(mine) => {
                mine.push(job);
                Ok(())
            }
            None => Err(job),
        }
    }

    fn submit(self: &Arc<Self>, job: Job) {
        self.inbox.push(job);
    }

    fn release(&self, key: u64) -> Release {
        let mine = self.mine.get();
        let mine = mine.expect("a local task ends where it lives");
        let task = mine.live.borrow_mut().remove(key as usize - 1);
        task.let_go();
        Release::Caller
    }
}

impl Drop for Set {
    fn drop(&mut self) {
        // Whoever has closed it has done so in its context; that nobody has must not free what tasks point at.
        self.close();
    }
}

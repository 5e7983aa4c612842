//! Who is alive: the scheduler's own reference to each task that is not done.
//!
//! Sharded, so that owning a task costs an uncontended lock at spawn and one at its end: a worker spawns into its own
//! shard, and lets go of an ended task there with the same lock, and gathers the ends of tasks from other shards; other threads spread over all, a few dozen tasks at a time.

use std::cell::{Cell, RefCell};
use std::num::NonZeroU64;

use crossbeam_utils::CachePadded;
use slab::Slab;

use crate::job::{Job, Release};
use crate::origin::Id;
use crate::sync_prim::Mutex;
use crate::task::Task;

/// Tasks in a row that a foreign thread puts into the same shard. Unit: ids. Fewer: it touches more cache lines;
/// more: the workers that finish its tasks wait for its lock.
const SPREAD: u64 = 32;

/// Ended tasks of other spawners that a worker gathers at most. Unit: tasks. Fewer: it meets the spawners at their locks more
/// often; more: memory of tasks that are no more.
const MOST_ENDED: usize = 64;

/// All living tasks of one scheduler.
pub(crate) struct Live {
    shards: Box<[CachePadded<Mutex<Shard>>]>,
}

#[derive(Default)]
struct Shard {
    tasks: Slab<Task>,
    closed: bool,
}

impl Live {
    /// For so many workers.
    pub(crate) fn new(workers: usize) -> Live {
        let shards = (4 * workers).next_power_of_two();
        Live {
            shards: (0..shards).map(|_| CachePadded::default()).collect(),
        }
    }

    /// The shard of a task that this worker, or a foreign thread, spawns.
    #[inline]
    fn shard_for(&self, seat: Option<usize>, id: Id) -> usize {
        match seat {
            Some(seat) => seat,
            None => (id.number() / SPREAD) as usize % self.shards.len(),
        }
    }

    /// Owns the task, and tells it its key. False if the scheduler has shut down: the caller abandons `job`. `ended` is let
    /// go of, with the same lock: the key of a task that the worker on this seat spawned.
    #[inline]
    pub(crate) fn insert(
        &self,
        mut task: Task,
        job: &Job,
        seat: Option<usize>,
        ended: Option<u64>,
    ) -> bool {
        let shard_number = self.shard_for(seat, task.id());
        let mut shard = self.shards[shard_number].lock();
        let open = !shard.closed;
        let ended = ended.map(|key| shard.tasks.remove(self.place(key).1));
        // A task that comes too late is owned, too, for the moment that its cancellation takes.
        let entry = shard.tasks.vacant_entry();
        task.set_key(self.key(entry.key(), shard_number), job);
        entry.insert(task);
        drop(shard);
        // Not under the lock: the last reference frees.
        drop(ended);
        open
    }

    /// Never 0, which stands for no task.
    #[inline]
    fn key(&self, entry: usize, shard: usize) -> u64 {
        ((entry + 1) * self.shards.len() + shard) as u64
    }

    #[inline]
    fn place(&self, key: u64) -> (&Mutex<Shard>, usize) {
        let (shards, key) = (self.shards.len(), key as usize);
        (&self.shards[key % shards], key / shards - 1)
    }

    /// True if the worker on this seat spawned the task.
    #[inline]
    pub(crate) fn is_from(&self, key: u64, seat: usize) -> bool {
        key as usize % self.shards.len() == seat
    }

    /// Lets go of the task; its reference is the caller's.
    pub(crate) fn remove(&self, key: u64) {
        self.take(key).let_go();
    }

    #[inline]
    fn take(&self, key: u64) -> Task {
        let (shard, entry) = self.place(key);
        shard.lock().tasks.remove(entry)
    }

    /// Lets go of these tasks, with a lock once for each shard, and gives their references back. Empties `keys`.
    pub(crate) fn remove_all(&self, keys: &mut Vec<u64>) {
        let shard_of = |key: &u64| *key as usize % self.shards.len();
        keys.sort_unstable_by_key(shard_of);
        let mut gone = Vec::with_capacity(keys.len());
        for same in keys.chunk_by(|a, b| shard_of(a) == shard_of(b)) {
            let mut shard = self.shards[shard_of(&same[0])].lock();
            gone.extend(
                same.iter()
                    .map(|&key| shard.tasks.remove(self.place(key).1)),
            );
        }
        keys.clear();
        // Not under a lock: the last reference frees.
        drop(gone);
    }

    /// Lets no further task live, and asks all those there are to stop. A task that is not in a queue gets into one.
    pub(crate) fn close(&self) {
        for shard in &self.shards {
            let tasks: Vec<Task> = {
                let mut shard = shard.lock();
                shard.closed = true;
                shard.tasks.iter().map(|(_, task)| task.clone()).collect()
            };
            // Not under the lock: the queue that takes the jobs may be anybody's code.
            tasks.iter().for_each(Task::shut_down);
        }
    }

    /// All that live at about this moment; some may have ended.
    pub(crate) fn all(&self) -> Vec<Task> {
        let mut all = Vec::new();
        for shard in &self.shards {
            let shard = shard.lock();
            all.extend(shard.tasks.iter().map(|(_, task)| task.clone()));
        }
        all
    }

    /// How many live.
    pub(crate) fn len(&self) -> usize {
        self.shards
            .iter()
            .map(|shard| shard.lock().tasks.len())
            .sum()
    }

    /// What a task that may have ended meanwhile is called.
    pub(crate) fn describe(&self, key: u64) -> Option<String> {
        if key == 0 {
            return None;
        }
        let (shard, entry) = self.place(key);
        shard
            .lock()
            .tasks
            .get(entry)
            .map(|task| task.origin().to_string())
    }
}

/// Tasks that a worker has ended and that are still owned.
#[derive(Default)]
pub(super) struct Ended {
    /// The last one that this worker spawned: as a rule it spawns another one next, and does both with one lock.
    own: Cell<Option<NonZeroU64>>,
    /// Others spawned them, and have the locks of their shards.
    others: RefCell<Vec<u64>>,
}

impl Ended {
    /// The task is done, on the worker of this seat.
    #[inline]
    pub(super) fn release(&self, live: &Live, key: u64, seat: usize) -> Release {
        if live.is_from(key, seat) {
            return match self.own.replace(NonZeroU64::new(key)) {
                None => Release::Owner,
                Some(before) => {
                    drop(live.take(before.get()));
                    Release::Owner
                }
            };
        }
        let count = {
            let mut ended = self.others.borrow_mut();
            ended.push(key);
            ended.len()
        };
        if count >= MOST_ENDED {
            self.bury(live);
        }
        Release::Owner
    }

    /// One that the worker spawned itself, for [`Live::insert`].
    #[inline]
    pub(super) fn own(&self) -> Option<u64> {
        self.own.take().map(NonZeroU64::get)
    }

    /// Lets go of them all.
    #[inline]
    pub(super) fn bury(&self, live: &Live) {
        if self.own.get().is_some() || !self.others.borrow().is_empty() {
            self.bury_some(live);
        }
    }

    #[cold]
    fn bury_some(&self, live: &Live) {
        // Not while it is borrowed: a task's memory may hold the last of anything.
        let mut ended = self.others.take();
        ended.extend(self.own());
        live.remove_all(&mut ended);
        let meanwhile = self.others.replace(ended);
        self.others.borrow_mut().extend(meanwhile);
    }
}

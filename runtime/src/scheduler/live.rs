//! Who is alive: the scheduler's own reference to each task that is not done.
//!
//! Sharded, so that owning a task costs an uncontended lock at spawn and one at its end: a worker spawns into its own
//! shard; other threads spread over all, a few dozen tasks at a time.

use crossbeam_utils::CachePadded;
use slab::Slab;

use crate::job::Job;
use crate::origin::Id;
use crate::sync_prim::Mutex;
use crate::task::Task;

/// Tasks in a row that a foreign thread puts into the same shard. Unit: ids. Fewer: it touches more cache lines;
/// more: the workers that finish its tasks wait for its lock.
const SPREAD: u64 = 32;

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

    /// Owns the task, and tells it its key. False if the scheduler has shut down: the caller abandons `job`.
    #[inline]
    pub(crate) fn insert(&self, mut task: Task, job: &Job, seat: Option<usize>) -> bool {
        let shard_number = self.shard_for(seat, task.id());
        let mut shard = self.shards[shard_number].lock();
        let open = !shard.closed;
        // A task that comes too late is owned, too, for the moment that its cancellation takes.
        let entry = shard.tasks.vacant_entry();
        task.set_key(self.key(entry.key(), shard_number), job);
        entry.insert(task);
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

    /// Lets go of the task.
    #[inline]
    pub(crate) fn remove(&self, key: u64) {
        let (shard, entry) = self.place(key);
        let task = shard.lock().tasks.remove(entry);
        task.let_go();
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

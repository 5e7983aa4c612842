//! Where jobs wait: each seat's deque, and the injector for jobs from outside. The only file that names the deques.

use crossbeam_deque::{Injector, Steal, Stealer, Worker};

use crate::job::Job;

/// A worker's own end of its deque.
pub(crate) struct Deque(Worker<Job>);

/// The thieves' end of a worker's deque.
pub(crate) struct Victim(Stealer<Job>);

/// The queue of jobs from outside.
pub(crate) struct Inbox(Injector<Job>);

impl Deque {
    /// A deque in order of arrival, and its other end.
    pub(crate) fn new() -> (Deque, Victim) {
        let worker = Worker::new_fifo();
        let stealer = worker.stealer();
        (Deque(worker), Victim(stealer))
    }

    #[inline]
    pub(crate) fn push(&self, job: Job) {
        self.0.push(job);
    }

    #[inline]
    pub(crate) fn pop(&self) -> Option<Job> {
        self.0.pop()
    }

    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// How many jobs wait.
    #[inline]
    pub(crate) fn len(&self) -> u64 {
        self.0.len() as u64
    }
}

impl Victim {
    /// Moves half of the jobs to `own`, and gives one of them.
    pub(crate) fn steal_half(&self, own: &Deque) -> Option<Job> {
        until_decided(|| self.0.steal_batch_and_pop(&own.0))
    }

    /// One job, for whoever has no deque.
    pub(crate) fn take_one(&self) -> Option<Job> {
        until_decided(|| self.0.steal())
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// How many jobs wait.
    pub(crate) fn len(&self) -> u64 {
        self.0.len() as u64
    }
}

impl Inbox {
    pub(crate) fn new() -> Inbox {
        Inbox(Injector::new())
    }

    #[inline]
    pub(crate) fn push(&self, job: Job) {
        self.0.push(job);
    }

    /// Moves a batch to `own`, and gives one of them.
    #[inline]
    pub(crate) fn take_batch(&self, own: &Deque) -> Option<Job> {
        if self.0.is_empty() {
            return None;
        }
        until_decided(|| self.0.steal_batch_and_pop(&own.0))
    }

    /// One job, for whoever has no deque.
    pub(crate) fn take_one(&self) -> Option<Job> {
        until_decided(|| self.0.steal())
    }

    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// A lost race says nothing about whether there are jobs: try again. Whoever won it took a job, so this ends.
fn until_decided(mut steal: impl FnMut() -> Steal<Job>) -> Option<Job> {
    loop {
        match steal() {
            Steal::Success(job) => return Some(job),
            Steal::Empty => return None,
            Steal::Retry => std::hint::spin_loop(),
        }
    }
}

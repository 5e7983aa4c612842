//! A job runs once: the pivot between the cells, which make jobs, and the engines, which carry them.
//!
//! Here as elsewhere, `ordering("…", …)`, `store_load_fence("…")` and `keep("…")` are the ordering, the fence and
//! `true`; only models (`make model`) read the name, and weaken what it names: see `sync_prim.rs`.

use std::any::Any;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr::NonNull;

use crate::sync_prim::{AtomicPtr, Ordering, ordering};
use std::sync::Arc;

/// Runs anybody's code: a panic ends here, told by the panic hook. None if it panicked.
#[inline]
pub(crate) fn quietly<R>(code: impl FnOnce() -> R) -> Option<R> {
    match catch_unwind(AssertUnwindSafe(code)) {
        Ok(value) => Some(value),
        Err(payload) => {
            drop_payload(payload);
            None
        }
    }
}

/// Drops what a panic threw, which may panic itself, and so on: the second payload is leaked.
#[cold]
pub(crate) fn drop_payload(payload: Box<dyn Any + Send>) {
    if let Err(second) = catch_unwind(AssertUnwindSafe(|| drop(payload))) {
        std::mem::forget(second);
    }
}

/// The functions of one kind of job.
pub(crate) struct JobVtable {
    /// Runs the job; an answer is the same task again, which woke itself and goes to the back of the queue.
    pub(crate) run: unsafe fn(NonNull<JobHead>) -> Option<Job>,
    /// Ends the job without running its work: its queue is closed.
    pub(crate) abandon: unsafe fn(NonNull<JobHead>),
}

/// The first field of everything that can be a job.
#[repr(C)]
pub(crate) struct JobHead {
    /// The functions; a kind may keep more behind them, so this is a pointer to whatever begins with them.
    pub(crate) vtable: *const JobVtable,
    /// Where the task stands among the living ones; 0 for what is no task. Written before the job is shared.
    pub(crate) key: u64,
}

/// The right to run something once. Dropping it abandons the work, which is then cancelled.
pub(crate) struct Job(NonNull<JobHead>);

// SAFETY: a job is the only right to run its memory, and every kind of memory behind it (task cells and
// callback batches) holds Send data only, by the bounds of the functions that make jobs; or it holds a local task, whose
// maker promised to run and drop its jobs on one thread (`task::new_local`).
unsafe impl Send for Job {}

impl Job {
    /// # Safety
    /// `head` points at live memory that begins with a [`JobHead`] and stays until the job is run or abandoned;
    /// no other job for it exists.
    #[inline]
    pub(crate) unsafe fn new(head: NonNull<JobHead>) -> Job {
        Job(head)
    }

    /// A job that calls `work`; a panic in it is caught and told by the panic hook only.
    pub(crate) fn once<F: FnOnce() + Send + 'static>(work: F) -> Job {
        let once = Box::new(Once {
            head: JobHead {
                vtable: const { &Once::<F>::VTABLE },
                key: 0,
            },
            work,
        });
        // SAFETY: the box begins with its head, is leaked here and freed by `run` or `abandon`, whichever comes.
        unsafe { Job::new(NonNull::from(Box::leak(once)).cast()) }
    }

    /// Runs the work. The answer is the same task once more, if it woke itself while it ran.
    #[inline]
    pub(crate) fn run(self) -> Option<Job> {
        let head = self.into_raw();
        // SAFETY: `new` promised live memory until this call, and `self` was the only right to run it.
        unsafe { ((*head.as_ref().vtable).run)(head) }
    }

    /// Where the task stands among the living ones; 0 for what is no task.
    #[inline]
    pub(crate) fn key(&self) -> u64 {
        // SAFETY: the memory lives until the job is run or abandoned, and we still hold the job; the key is
        // written before the first job is made.
        unsafe { self.0.as_ref().key }
    }

    /// The bare pointer, for a queue of one word. The job is not abandoned; [`Job::from_raw`] takes it back.
    #[inline]
    pub(crate) fn into_raw(self) -> NonNull<JobHead> {
        let head = self.0;
        std::mem::forget(self);
        head
    }

    /// # Safety
    /// `head` came from [`Job::into_raw`], and this is the only call for it.
    #[inline]
    pub(crate) unsafe fn from_raw(head: NonNull<JobHead>) -> Job {
        Job(head)
    }
}

impl Drop for Job {
    fn drop(&mut self) {
        // SAFETY: as in `run`: live memory, sole right.
        unsafe { ((*self.0.as_ref().vtable).abandon)(self.0) }
    }
}

impl fmt::Debug for Job {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Job").field(&self.0).finish()
    }
}

#[repr(C)]
struct Once<F> {
    head: JobHead,
    work: F,
}

impl<F: FnOnce() + Send + 'static> Once<F> {
    const VTABLE: JobVtable = JobVtable {
        run: Self::run,
        abandon: Self::abandon,
    };

    unsafe fn run(head: NonNull<JobHead>) -> Option<Job> {
        // SAFETY: `Job::once` leaked this box, and the job that is run here was its only owner.
        let once = unsafe { Box::from_raw(head.cast::<Self>().as_ptr()) };
        quietly(once.work);
        None
    }

    unsafe fn abandon(head: NonNull<JobHead>) {
        // SAFETY: as in `run`.
        let once = unsafe { Box::from_raw(head.cast::<Self>().as_ptr()) };
        quietly(|| drop(once));
    }
}

/// A queue with one word: the job it holds may be taken by anyone.
pub(crate) struct JobSlot(AtomicPtr<JobHead>);

impl JobSlot {
    pub(crate) fn new() -> JobSlot {
        JobSlot(AtomicPtr::new(std::ptr::null_mut()))
    }

    /// Puts a job in; the answer is the one that was there. Many may take at once, but one at a time may put: of two that
    /// put into an empty slot, one would lose its job.
    #[inline]
    pub(crate) fn put(&self, job: Job) -> Option<Job> {
        if self.is_empty() {
            // Empty still, for who takes writes null again. Ordering: Release -> the Acquire in `swap`.
            let put = ordering("slot_put", Ordering::Release);
            self.0.store(job.into_raw().as_ptr(), put);
            None
        } else {
            self.exchange(job)
        }
    }

    /// As [`put`](Self::put), and many may at once.
    #[inline]
    pub(crate) fn exchange(&self, job: Job) -> Option<Job> {
        self.swap(job.into_raw().as_ptr())
    }

    /// Takes the job out.
    #[inline]
    pub(crate) fn take(&self) -> Option<Job> {
        if self.is_empty() {
            None
        } else {
            self.swap(std::ptr::null_mut())
        }
    }

    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        // Ordering: Relaxed: who must not miss a job comes through a fence (scheduler/idle) first.
        self.0.load(Ordering::Relaxed).is_null()
    }

    #[inline]
    fn swap(&self, new: *mut JobHead) -> Option<Job> {
        // Ordering: AcqRel with itself: who takes the job out sees all that was written before it was put in. Acquire <- the
        // Release in `put`, too.
        let old = self.0.swap(new, ordering("next_slot", Ordering::AcqRel));
        // SAFETY: only `put` writes a pointer that is not null, from `into_raw`; the swap gives each to one caller.
        NonNull::new(old).map(|head| unsafe { Job::from_raw(head) })
    }
}

impl Drop for JobSlot {
    fn drop(&mut self) {
        drop(self.take());
    }
}

/// Who gives back the owner's reference to a task that is done.
#[must_use = "a reference that nobody gives back is a leak"]
pub(crate) enum Release {
    /// The caller: the owner has let go of it.
    Caller,
    /// The owner, soon.
    Owner,
}

/// Who takes a task's jobs, and who owns the task while it lives.
///
/// # Safety
/// The implementor keeps the owner's reference that it was given at spawn until `release` is called with its key; and the
/// `Arc` of the implementor lives until `release` returns.
pub(crate) unsafe trait Schedule: Send + Sync + Sized + 'static {
    /// Queues the job if the calling thread is one of this scheduler's own workers; else gives it back.
    fn submit_here(&self, job: Job) -> Result<(), Job>;
    /// Queues the job from any thread.
    fn submit(self: &Arc<Self>, job: Job);
    /// The task with this key is done: its owner lets go of it, now or a little later.
    fn release(&self, key: u64) -> Release;
}

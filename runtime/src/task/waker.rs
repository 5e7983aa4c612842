//! The waker of a task: a counted pointer to its cell.

use std::mem::ManuallyDrop;
use std::ops::Deref;
use std::ptr::NonNull;
use std::task::{RawWaker, RawWakerVTable, Waker};

use super::cell::Header;
use super::state::Wake;
use crate::job::Job;

static VTABLE: RawWakerVTable = RawWakerVTable::new(clone, wake, wake_by_ref, drop_waker);

/// True of a task's own waker. Any other may run anybody's code.
#[inline]
pub(crate) fn is_of_task(waker: &Waker) -> bool {
    std::ptr::eq(waker.vtable(), &VTABLE)
}

/// A clone of a task's own waker; None if it is any other.
#[inline]
pub(crate) fn clone_of_task(waker: &Waker) -> Option<Waker> {
    is_of_task(waker).then(|| waker.clone())
}

/// A task that is woken and not yet queued. Dropped, it would be cancelled.
#[must_use = "`queue` it"]
pub(crate) struct Woken {
    header: NonNull<Header>,
    job: Job,
}

/// The first half of the wake of a task, which runs nobody's code, so it may be done under a lock. None if it is no task's
/// waker, or if the task is queued already or done.
#[inline]
pub(crate) fn begin_wake(waker: &Waker) -> Option<Woken> {
    if !is_of_task(waker) {
        return None;
    }
    // SAFETY: a waker with our vtable has our data, and keeps the cell alive.
    let header = unsafe { header(waker.data()) };
    // SAFETY: live, as above.
    match unsafe { header.as_ref() }.state.wake() {
        Wake::Queue => Some(Woken {
            header,
            // SAFETY: `Queue` makes the one job of the task ours.
            job: unsafe { Job::new(header.cast()) },
        }),
        Wake::Nothing => None,
    }
}

impl Woken {
    /// The second half.
    #[inline]
    pub(crate) fn queue(self) {
        // SAFETY: the job is the task's own, and keeps it alive.
        unsafe { Header::submit(self.header, self.job) }
    }
}

/// A waker without a reference of its own, for the time of one poll.
pub(super) struct Borrowed(ManuallyDrop<Waker>);

impl Deref for Borrowed {
    type Target = Waker;
    #[inline]
    fn deref(&self) -> &Waker {
        &self.0
    }
}

/// The waker that a poll is given: the runner's hold on the task stands for its reference.
#[inline]
pub(super) fn borrowed(header: NonNull<Header>) -> Borrowed {
    // SAFETY: the vtable keeps the contract of `RawWaker` for a pointer to a live header; `ManuallyDrop` keeps this
    // waker from giving back a reference that it never had.
    Borrowed(ManuallyDrop::new(unsafe {
        Waker::from_raw(RawWaker::new(header.as_ptr().cast(), &VTABLE))
    }))
}

/// The header behind a waker.
///
/// # Safety
/// `data` came from [`borrowed`] or [`clone`], and the waker it belongs to still exists.
#[inline]
unsafe fn header(data: *const ()) -> NonNull<Header> {
    // SAFETY: never null: it was a `NonNull`.
    unsafe { NonNull::new_unchecked(data.cast_mut().cast()) }
}

unsafe fn clone(data: *const ()) -> RawWaker {
    // SAFETY: the waker that is cloned keeps the cell alive.
    unsafe { header(data).as_ref() }.state.add_ref();
    RawWaker::new(data, &VTABLE)
}

unsafe fn wake(data: *const ()) {
    // SAFETY: the waker keeps the cell alive.
    let header = unsafe { header(data) };
    // SAFETY: live, as above.
    match unsafe { header.as_ref() }.state.wake_and_drop_ref() {
        // The reference is gone.
        // SAFETY: as in `schedule`: the job is ours, and keeps the task alive.
        Some(Wake::Queue) => unsafe { Header::submit(header, Job::new(header.cast())) },
        Some(Wake::Nothing) => {}
        // SAFETY: the task is done; this waker's reference is ours still, and is given back, once.
        None => unsafe { Header::drop_ref(header) },
    }
}

unsafe fn wake_by_ref(data: *const ()) {
    // SAFETY: the waker keeps the cell alive.
    unsafe { schedule(header(data), |header| header.state.wake()) }
}

unsafe fn drop_waker(data: *const ()) {
    // SAFETY: this waker's reference is given back, once.
    unsafe { Header::drop_ref(header(data)) }
}

/// Makes a step that may queue the task, and queues it then.
///
/// # Safety
/// `header` is live.
#[inline]
pub(super) unsafe fn schedule(header: NonNull<Header>, step: impl FnOnce(&Header) -> Wake) {
    // SAFETY: live, by the caller's promise.
    match step(unsafe { header.as_ref() }) {
        // SAFETY: `Queue` makes the one job of the task ours; until it is run the owner keeps the task alive.
        Wake::Queue => unsafe { Header::submit(header, Job::new(header.cast())) },
        Wake::Nothing => {}
    }
}

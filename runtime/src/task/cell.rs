//! The memory of a task: one allocation, its state, and who may touch what.
//!
//! | field       | who may touch it                                  | from which edge to which                     |
//! |-------------|---------------------------------------------------|----------------------------------------------|
//! | `head`      | anyone, to read; `key` is written once            | written before the first job is made         |
//! | `state`     | anyone                                            | always                                       |
//! | `id`, `spawned_at` | anyone, to read                            | written at spawn                             |
//! | `side`      | anyone: it comes late, and has a lock             | always                                       |
//! | `joiner`    | anyone: it has its own lock                       | always                                       |
//! | `scheduler` | whoever holds a job, or is between start and release | spawn .. release: the scheduler lives so long |
//! | `stage`     | the runner                                        | start .. pause or finish                     |
//! |             | the join side                                     | finish saw JOIN_INTEREST .. it reads or drops |
//!
//! The last reference may be dropped on any thread, also that of a local task: JOIN_INTEREST goes with the outcome, so
//! `stage` is `Gone` by then, and no future or outcome is dropped with the memory.

use std::future::Future;
use std::mem::MaybeUninit;
use std::panic::Location;
use std::ptr::NonNull;

use super::late::Late;
use super::side::{Side, SidePlace};
use super::state::State;
use super::{memory, poll};
use crate::cancellation::Cancellation;
use crate::error::Cause;
use crate::inherit::Inheritance;
use crate::job::{Job, JobHead, JobVtable, Schedule, quietly};
use crate::origin::{Id, Origin, Whose};
use crate::promise::callbacks::Callbacks;
use crate::sync_prim::UnsafeCell;
use std::sync::Arc;

/// What every task begins with, whatever its future.
#[repr(C)]
pub(super) struct Header {
    pub(super) head: JobHead,
    pub(super) state: State,
    pub(super) id: Id,
    pub(super) spawned_at: &'static Location<'static>,
    /// The name, and what has to do with cancellation.
    pub(super) side: SidePlace,
    /// The done-callback of the join handle.
    pub(super) joiner: Callbacks,
}

/// What depends on the future's type. The first field makes a pointer to it a pointer to a [`JobVtable`].
#[repr(C)]
pub(super) struct Vtable {
    job: JobVtable,
    submit: unsafe fn(NonNull<Header>, Job),
    take_outcome: unsafe fn(NonNull<Header>, *mut ()),
    drop_outcome: unsafe fn(NonNull<Header>),
    free: unsafe fn(NonNull<Header>),
}

#[repr(C)]
pub(super) struct Cell<F: Future, S> {
    pub(super) header: Header,
    scheduler: *const S,
    stage: UnsafeCell<Stage<F>>,
}

/// All fields there are, and each is written by [`Cell::boxed`]: a new one does not compile before it is named here, too.
const _: fn(Cell<std::future::Ready<()>, ()>) = |cell| {
    let Cell {
        header,
        scheduler: _,
        stage: _,
    } = cell;
    let Header {
        head: _,
        state: _,
        id: _,
        spawned_at: _,
        side: _,
        joiner: _,
    } = header;
};

pub(super) enum Stage<F: Future> {
    Running(F),
    Finished(Result<F::Output, Cause>),
    Gone,
}

impl<F, S> Cell<F, S>
where
    F: Future + 'static,
    F::Output: 'static,
    S: Schedule,
{
    const VTABLE: Vtable = Vtable {
        job: JobVtable {
            run: poll::run::<F, S>,
            abandon: poll::abandon::<F, S>,
        },
        submit: Self::submit,
        take_outcome: Self::take_outcome,
        drop_outcome: Self::drop_outcome,
        free: Self::free,
    };

    /// A new task, queued, with the references of its owner and of its join handle.
    #[inline]
    pub(super) fn boxed(future: F, origin: Origin, scheduler: &Arc<S>) -> NonNull<Header> {
        let vtable: *const Vtable = const { &Self::VTABLE };
        let room = memory::room::<Self>();
        let cell = room.as_ptr();
        // SAFETY: `room` is unused memory for a cell: each write is to a field of it, and no field is left out. Nothing here
        // panics.
        unsafe {
            let header = &raw mut (*cell).header;
            (&raw mut (*header).head).write(JobHead {
                vtable: vtable.cast(),
                key: 0,
            });
            (&raw mut (*header).state).write(State::spawned());
            (&raw mut (*header).id).write(origin.id);
            (&raw mut (*header).spawned_at).write(origin.spawned_at);
            let side = origin.extra.map(|extra| Side::with(*extra));
            (&raw mut (*header).side).write(Late::new(side));
            (&raw mut (*header).joiner).write(Callbacks::new());
            (&raw mut (*cell).scheduler).write(Arc::as_ptr(scheduler));
            (&raw mut (*cell).stage).write(UnsafeCell::new(Stage::Running(future)));
        }
        room.cast()
    }

    /// # Safety
    /// `header` begins a live `Cell<F, S>`.
    #[inline]
    pub(super) unsafe fn of<'a>(header: NonNull<Header>) -> &'a Self {
        // SAFETY: the caller's promise. All fields that change are atomics, locks or `UnsafeCell`.
        unsafe { header.cast::<Self>().as_ref() }
    }

    /// The scheduler.
    ///
    /// # Safety
    /// The task has not been released yet.
    #[inline]
    pub(super) unsafe fn scheduler(&self) -> &S {
        // SAFETY: `Schedule` promises that the `Arc` behind this pointer lives until the task is released.
        unsafe { &*self.scheduler }
    }

    /// Runs `f` with the stage.
    ///
    /// # Safety
    /// The caller has the stage by the table above, and `f` does not come back here.
    #[inline]
    pub(super) unsafe fn with_stage<R>(&self, f: impl FnOnce(&mut Stage<F>) -> R) -> R {
        // SAFETY: alone, by the caller's promise; alive, since `self` is.
        self.stage.with_mut(|stage| f(unsafe { &mut *stage }))
    }

    /// Takes the stage out.
    ///
    /// # Safety
    /// As [`with_stage`](Self::with_stage).
    #[inline]
    unsafe fn take_stage(&self) -> Stage<F> {
        // SAFETY: the caller's promise; the closure does not come back here.
        unsafe { self.with_stage(|stage| std::mem::replace(stage, Stage::Gone)) }
    }

    unsafe fn submit(header: NonNull<Header>, job: Job) {
        // SAFETY: `header` is live (the caller holds a job, so the task is not done, so its owner holds it).
        let cell = unsafe { Self::of(header) };
        // SAFETY: the task is not released while a job exists.
        let Err(job) = (unsafe { cell.scheduler().submit_here(job) }) else {
            return;
        };
        // A foreign thread: once the job is in the queue the task may finish and the scheduler end, so we keep it.
        // SAFETY: the pointer came from an `Arc`, alive as above; the count that we add here is ours.
        let scheduler = unsafe {
            Arc::increment_strong_count(cell.scheduler);
            Arc::from_raw(cell.scheduler)
        };
        S::submit(&scheduler, job);
    }

    unsafe fn take_outcome(header: NonNull<Header>, out: *mut ()) {
        // SAFETY: live, and the join side has the stage: the caller saw DONE.
        let stage = unsafe { Self::of(header).take_stage() };
        let outcome = match stage {
            Stage::Finished(outcome) => Some(outcome),
            Stage::Running(_) | Stage::Gone => None,
        };
        // SAFETY: the caller's `out` points at a `MaybeUninit` of just this type.
        unsafe {
            out.cast::<Option<Result<F::Output, Cause>>>()
                .write(outcome)
        }
    }

    /// Drops the outcome; a panic of its drop ends here.
    ///
    /// # Safety
    /// As [`Header::drop_outcome`].
    #[inline]
    pub(super) unsafe fn drop_outcome(header: NonNull<Header>) {
        // SAFETY: live, and the caller has the stage. It is dropped where it is, for it may be large; the new stage is written
        // even if that panics.
        quietly(|| unsafe { Self::of(header).with_stage(|stage| *stage = Stage::Gone) });
    }

    unsafe fn free(header: NonNull<Header>) {
        // SAFETY: the last reference is gone; `boxed` placed it.
        unsafe { memory::clear(header.cast::<Self>()) }
    }
}

impl Header {
    /// Whose memory this is.
    #[inline]
    pub(super) fn whose(&self) -> Whose<'_> {
        Whose {
            id: self.id,
            spawned_at: self.spawned_at,
            name: self.side.get().and_then(|side| side.extra.name.as_deref()),
        }
    }

    /// What the task inherits.
    #[inline]
    pub(super) fn inheritance(&self) -> Option<&Inheritance> {
        self.side.get()?.extra.inheritance.as_ref()
    }

    /// Who stopped the task, if anybody said so.
    pub(super) fn why_cancelled(&self) -> Option<Cancellation> {
        let shut_down = || self.state.is_shut_down().then(Cancellation::shutdown);
        let asked = self.side.get().and_then(Side::request);
        asked.or_else(shut_down)
    }

    /// What few tasks have; this one from now on.
    pub(super) fn side(&self) -> &Side {
        self.side.get_or_make(Side::default)
    }
}

/// Calls that need no type. For each: `header` begins a live cell.
impl Header {
    #[inline]
    unsafe fn vtable(header: NonNull<Header>) -> &'static Vtable {
        // SAFETY: live; `boxed` made this pointer from a whole `Vtable`, which is a constant.
        unsafe { &*header.as_ref().head.vtable.cast::<Vtable>() }
    }

    /// Queues the job of this task.
    ///
    /// # Safety
    /// `job` is the task's own.
    #[inline]
    pub(super) unsafe fn submit(header: NonNull<Header>, job: Job) {
        // SAFETY: live: the caller holds its job.
        unsafe { (Self::vtable(header).submit)(header, job) }
    }

    /// Takes the outcome; none if it was taken before.
    ///
    /// # Safety
    /// The caller is the join side, saw DONE, and `T` is the output of the task's future.
    #[inline]
    pub(super) unsafe fn take_outcome<T>(header: NonNull<Header>) -> Option<Result<T, Cause>> {
        let mut out = MaybeUninit::<Option<Result<T, Cause>>>::uninit();
        // SAFETY: the caller's promise; the call writes `out`.
        unsafe {
            (Self::vtable(header).take_outcome)(header, out.as_mut_ptr().cast());
            out.assume_init()
        }
    }

    /// Drops the outcome; a panic of its drop ends here.
    ///
    /// # Safety
    /// The caller has the stage of a finished task.
    pub(super) unsafe fn drop_outcome(header: NonNull<Header>) {
        // SAFETY: the caller's promise.
        unsafe { (Self::vtable(header).drop_outcome)(header) }
    }

    /// Gives a reference back; the last one frees the memory.
    ///
    /// # Safety
    /// The caller has a reference, and forgets it.
    #[inline]
    pub(super) unsafe fn drop_ref(header: NonNull<Header>) {
        // SAFETY: the reference keeps it alive until here.
        let state = &unsafe { header.as_ref() }.state;
        if state.is_last_ref() || state.drop_ref() {
            // SAFETY: that was the last one.
            unsafe { (Self::vtable(header).free)(header) }
        }
    }
}

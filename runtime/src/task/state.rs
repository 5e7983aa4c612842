//! The state word of a task: its phase, its flags, and how many hold it.
//!
//! | phase         | SCHEDULED | RUNNING | DONE | a Job exists       | the future belongs to   |
//! |---------------|-----------|---------|------|--------------------|-------------------------|
//! | idle          | 0         | 0       | 0    | no                 | nobody                  |
//! | queued        | 1         | 0       | 0    | yes, in a queue    | nobody                  |
//! | running       | 0         | 1       | 0    | no                 | the runner              |
//! | running+woken | 1         | 1       | 0    | the runner owes it | the runner              |
//! | done          | ignored   | 0       | 1    | no                 | nobody: it is dropped   |
//!
//! Edges: spawn -> queued; `start`: queued -> running; `pause`: running -> idle, running+woken -> queued;
//! `finish`: running* -> done; `wake`: idle -> queued, running -> running+woken; on queued no bit changes, yet it is
//! a Release write: the coming poll must see what the waker wrote. `cancel` is a wake that leaves CANCEL behind, `ask`
//! one that leaves ASKED; `start` looks at both. No other edge exists.
//!
//! The job itself holds no reference: a task that is not done is held by its owner (the set of living tasks), and
//! only `finish`, which needs the job, makes the owner let go. (A blocking closure's owner is its one job.)
//!
//! | flag          | who sets it                 | who clears it          | what it decides                                  |
//! |---------------|-----------------------------|------------------------|--------------------------------------------------|
//! | JOIN_INTEREST | spawn                       | the join handle's drop | who drops the outcome: the later of drop, finish |
//! | JOIN_WAITING  | the join handle, with waker | nobody                 | whether `finish` looks for a waker               |
//! | CANCEL        | whoever aborts, or abandons | nobody                 | whether `start` polls the future or drops it     |
//! | ASKED         | whoever cancels             | nobody                 | the same, unless HELD                            |
//! | HELD          | the first shield or grace   | the last one           | whether ASKED waits                              |
//! | SHUTDOWN      | the runtime's end, CANCEL   | nobody                 | nothing: it says why                             |
//!
//! Models: the tests of `task::model`.

use crate::sync_prim::{AtomicUsize, Ordering, fence, keep, ordering};

const SCHEDULED: usize = 1;
const RUNNING: usize = 1 << 1;
const DONE: usize = 1 << 2;
const CANCEL: usize = 1 << 3;
const JOIN_INTEREST: usize = 1 << 4;
const JOIN_WAITING: usize = 1 << 5;
const ASKED: usize = 1 << 6;
const HELD: usize = 1 << 7;
const SHUTDOWN: usize = 1 << 8;
const REF: usize = 1 << 9;

/// Spawned: queued, held by its owner and by its join handle.
const SPAWNED: usize = SCHEDULED | JOIN_INTEREST | (2 * REF);

pub(super) struct State(AtomicUsize);

#[must_use = "the future must be polled or dropped"]
#[derive(Debug, PartialEq)]
pub(super) enum Start {
    Poll,
    Cancel,
}

#[must_use = "`Requeue` without queueing loses the task"]
#[derive(Debug, PartialEq)]
pub(super) enum Pause {
    Idle,
    Requeue,
}

#[must_use = "`Queue` without queueing loses the task"]
#[derive(Debug, PartialEq)]
pub(super) enum Wake {
    Queue,
    Nothing,
}

#[must_use = "the outcome must be dropped, or the join handle woken"]
#[derive(Debug, PartialEq)]
pub(super) enum Finish {
    DropOutcome,
    WakeJoiner,
    Nothing,
}

#[must_use = "what the join side owned is left to the caller"]
#[derive(Debug, PartialEq)]
pub(super) enum Forget {
    DropOutcome,
    DropWaker,
    Nothing,
}

impl State {
    pub(super) fn spawned() -> State {
        State(AtomicUsize::new(SPAWNED))
    }

    /// Queued -> running, by whoever holds the job.
    #[inline]
    pub(super) fn start(&self) -> Start {
        // Ordering: Acquire <- the Release in `wake`: the poll sees what the waker wrote; and <- the Release in
        // `pause`: it sees the future as the last runner left it. Release: nothing; the word's own order is enough.
        let before = self.0.fetch_add(
            RUNNING - SCHEDULED,
            ordering("task_start", Ordering::Acquire),
        );
        debug_assert_eq!(
            before & (SCHEDULED | RUNNING | DONE),
            SCHEDULED,
            "a job of a task that is not queued"
        );
        if before & (CANCEL | ASKED) == 0 {
            Start::Poll
        } else {
            Self::start_asked(before)
        }
    }

    #[cold]
    fn start_asked(before: usize) -> Start {
        // ASKED and HELD are looked at in one step, and a hold that ends after it wakes the task.
        if before & (CANCEL | HELD) == HELD {
            Start::Poll
        } else {
            Start::Cancel
        }
    }

    /// Running -> idle, or queued if it was woken meanwhile.
    #[inline]
    pub(super) fn pause(&self) -> Pause {
        // Ordering: Release -> the Acquire in `start`: the next runner sees the future as we leave it.
        let before = self
            .0
            .fetch_sub(RUNNING, ordering("task_pause", Ordering::Release));
        if before & SCHEDULED == 0 {
            Pause::Idle
        } else {
            Pause::Requeue
        }
    }

    /// Running -> done; the outcome is in place.
    #[inline]
    pub(super) fn finish(&self) -> Finish {
        // Ordering: AcqRel. Release -> the Acquire in `is_done` and `forget_join`: who sees DONE sees
        // the outcome. Acquire <- the Release in `forget_join`: the join side is done with the stage.
        let before = self
            .0
            .fetch_xor(RUNNING | DONE, ordering("task_finish", Ordering::AcqRel));
        if before & JOIN_INTEREST == 0 {
            Finish::DropOutcome
        } else if before & JOIN_WAITING != 0 {
            Finish::WakeJoiner
        } else {
            Finish::Nothing
        }
    }

    #[inline]
    pub(super) fn wake(&self) -> Wake {
        self.schedule(SCHEDULED)
    }

    /// As `wake` and `drop_ref` in one step. None: the task is done, and nothing was changed.
    #[inline]
    pub(super) fn wake_and_drop_ref(&self) -> Option<Wake> {
        let mut now = self.0.load(Ordering::Relaxed);
        loop {
            // While it is not done its owner holds it, so this reference is not the last.
            if now & DONE != 0 {
                return None;
            }
            // Ordering: AcqRel, as in `schedule`. Its Release is that of `drop_ref`, too.
            let (strong, after) = (Ordering::AcqRel, (now | SCHEDULED) - REF);
            let strong = ordering("task_wake_by_value", strong);
            match self
                .0
                .compare_exchange_weak(now, after, strong, Ordering::Relaxed)
            {
                Ok(_) if now & (SCHEDULED | RUNNING) == 0 => return Some(Wake::Queue),
                Ok(_) => return Some(Wake::Nothing),
                Err(other) => now = other,
            }
        }
    }

    /// Asks the task to stop at its next poll, which comes at once.
    pub(super) fn cancel(&self) -> Wake {
        self.schedule(SCHEDULED | CANCEL)
    }

    /// As [`cancel`](Self::cancel), at the end of the runtime.
    pub(super) fn shut_down(&self) -> Wake {
        // Ordering: Relaxed: it only says why; of two that stop a task at once either is right.
        let stops_already = self.0.load(Ordering::Relaxed) & (CANCEL | DONE) != 0;
        let why = if stops_already { 0 } else { SHUTDOWN };
        self.schedule(SCHEDULED | CANCEL | why)
    }

    /// Asks the task to stop: as [`cancel`](Self::cancel), unless it is held; then when it no longer is.
    pub(super) fn ask(&self) -> Wake {
        self.schedule(SCHEDULED | ASKED)
    }

    /// True once the task was asked to stop, in whatever way.
    pub(super) fn is_asked(&self) -> bool {
        // Ordering: Acquire <- the Release in `ask`: who sees ASKED finds the request.
        let now = self.0.load(ordering("task_is_asked", Ordering::Acquire));
        now & (ASKED | CANCEL) != 0
    }

    /// True if the end of the runtime stopped the task, and nothing else before.
    pub(super) fn is_shut_down(&self) -> bool {
        self.0.load(Ordering::Relaxed) & SHUTDOWN != 0
    }

    /// True if somebody may want the outcome.
    pub(super) fn is_joined(&self) -> bool {
        self.0.load(Ordering::Relaxed) & JOIN_INTEREST != 0
    }

    /// From here ASKED waits. Only under the lock that counts the holds.
    pub(super) fn hold(&self) {
        // Ordering: Relaxed: `start` learns this bit alone from it, and the word's own order tells before from after.
        self.0.fetch_or(HELD, Ordering::Relaxed);
    }

    /// ASKED waits no longer. A task that was asked meanwhile must come to `start` once more.
    pub(super) fn unhold(&self) -> Wake {
        // Ordering: Relaxed, as in `hold`; the wake has orderings of its own.
        let before = self.0.fetch_and(!HELD, Ordering::Relaxed);
        if before & ASKED != 0 && keep("unhold_wakes") {
            self.wake()
        } else {
            Wake::Nothing
        }
    }

    #[inline]
    fn schedule(&self, bits: usize) -> Wake {
        // Ordering: Release -> the Acquire in `start`. Acquire <- the Release in `pause`, for the job made here
        // may be run by this thread, and `start` of a queued task needs no other partner.
        let before = self
            .0
            .fetch_or(bits, ordering("task_wake", Ordering::AcqRel));
        if before & (SCHEDULED | RUNNING | DONE) == 0 {
            Wake::Queue
        } else {
            Wake::Nothing
        }
    }

    #[inline]
    pub(super) fn is_done(&self) -> bool {
        // Ordering: Acquire <- the Release in `finish`: the outcome is in place.
        self.0.load(ordering("task_is_done", Ordering::Acquire)) & DONE != 0
    }

    /// The join side has left a waker. True if the task is done, so that it may never be woken.
    pub(super) fn join_waits(&self) -> bool {
        // Ordering: Relaxed. Either `finish` comes later in the order of this word and sees JOIN_WAITING; the lock of the
        // waiters, which we had before and it takes after, shows it the waker. Or it came before, and we see DONE; the
        // outcome becomes visible by `is_done`.
        let before = self.0.fetch_or(JOIN_WAITING, Ordering::Relaxed);
        before & DONE != 0
    }

    /// The join handle goes before anything happened: one step for both its flag and its reference.
    #[inline]
    pub(super) fn forget_join_fast(&self) -> bool {
        // Ordering: Release, as in `drop_ref`; Relaxed on failure: nothing is learned.
        self.0
            .compare_exchange(
                SPAWNED,
                SPAWNED - JOIN_INTEREST - REF,
                Ordering::Release,
                Ordering::Relaxed,
            )
            .is_ok()
    }

    /// The join handle goes.
    pub(super) fn forget_join(&self) -> Forget {
        // Ordering: AcqRel, partner `finish`: whichever comes second owns the outcome, and sees it whole.
        let before = self.0.fetch_and(
            !JOIN_INTEREST,
            ordering("task_forget_join", Ordering::AcqRel),
        );
        if before & DONE != 0 {
            Forget::DropOutcome
        } else if before & JOIN_WAITING != 0 {
            Forget::DropWaker
        } else {
            Forget::Nothing
        }
    }

    #[inline]
    pub(super) fn add_ref(&self) {
        // Ordering: Relaxed: the caller holds a reference already, so nothing is published here.
        let before = self.0.fetch_add(REF, Ordering::Relaxed);
        // A count that could run over within one `isize` is a leak in a loop; going on would free living memory.
        if before > isize::MAX as usize {
            std::process::abort();
        }
    }

    /// For the holder of a reference: true if it is the only one, so that the memory may go without another step.
    #[inline]
    pub(super) fn is_last_ref(&self) -> bool {
        // Ordering: Acquire <- the Release in `drop_ref`, as there. Nobody can add a reference: that takes one.
        self.0.load(ordering("task_last_ref", Ordering::Acquire)) / REF == 1
    }

    /// True if that was the last reference.
    #[inline]
    #[must_use = "the last one frees the memory"]
    pub(super) fn drop_ref(&self) -> bool {
        // Ordering: Release -> the Acquire below, so that whatever any holder did is over when the memory goes.
        if self
            .0
            .fetch_sub(REF, ordering("task_drop_ref", Ordering::Release))
            / REF
            != 1
        {
            return false;
        }
        fence(Ordering::Acquire);
        true
    }
}

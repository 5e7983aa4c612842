//! How the workers and the reactor meet without knowing each other: each gets the other as one of these values.

use std::time::Duration;

/// The poller, as a worker sees it. A turn wakes tasks; the jobs land where the calling thread submits.
pub(crate) trait Driver: Send + Sync {
    /// May a worker wait in the poller at all?
    fn lends(&self) -> bool;
    /// True while a thread waits in the poller, or is about to.
    fn is_attended(&self) -> bool;
    /// A turn that does not wait, if nobody has the poller.
    fn look(&self);
    /// Takes the poller to wait in it; [`Driver::wait`] or [`Driver::hand_back`] must follow on this thread.
    fn borrow(&self) -> Borrow;
    /// A turn that waits for an event, a deadline, a notification or `limit`; gives the poller back.
    fn wait(&self, limit: Option<Duration>);
    /// Gives the poller back without a turn.
    fn hand_back(&self);
    /// Ends the wait of the thread in the poller, now or when it comes to wait.
    fn notify(&self);
    /// The workers were all asleep, and one is being woken: who watches over them may have to wake up, too.
    fn workers_wake(&self);
}

/// Whether the poller can be had.
#[must_use = "a borrowed poller must be waited in or handed back"]
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Borrow {
    Mine,
    /// A thread waits in it.
    Attended,
    /// Somebody has it for a moment.
    Busy,
}

/// The workers, as the reactor thread sees them.
pub(crate) trait Crew: Send + Sync {
    /// Workers that are not asleep.
    fn awake(&self) -> usize;
    /// Runs `work`; the jobs that this thread submits meanwhile wake as many sleepers as they can use, at the end.
    fn batch(&self, work: &mut dyn FnMut());
    /// Wakes one sleeping worker, which then looks for work or for a poller that nobody attends.
    fn wake_one(&self);
    /// Compares each worker with the last sample: tells of long polls, and brings what waits behind one to where the
    /// other workers look. True if some worker has stood still since.
    fn sample(&self) -> bool;
}

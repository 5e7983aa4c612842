//! A task: a future, the word that says what it is doing, and the references to it, in one allocation.
//!
//! Its life: [`new`] makes it queued and hands out one [`Job`](crate::job::Job); a worker runs the job
//! ([`poll`](self::poll)), which leaves it idle, queued again or done; its waker makes the next job. Read
//! [`state`] first: everything else follows from its table.

mod cell;
pub(crate) mod current;
mod handles;
mod late;
pub(crate) mod memory;
#[cfg(all(test, filch_loom))]
mod model;
mod poll;
mod side;
mod state;
mod waker;

pub use handles::AbortHandle;
pub(crate) use handles::{Joiner, Spawned, Task, new, new_local};
pub(crate) use waker::{Woken, begin_wake, clone_of_task, is_of_task};

//! The runtime of `filch`: scheduler, tasks, promises, reactor, timers. Use the crate `filch`, which re-exports it.
//!
//! The modules, from the ground up. An import points downwards, and a test sees to it.

// GROUND: no shared state.
mod budget; //       operations before a task must let others run
mod cancellation; // why, by whom, from where
mod census; //       what lives in this process
mod clock; //        real, or moved by a test
mod driver; //       how workers and reactor meet
mod error; //        what, whose, where
mod home; //         which thread this is, and what only that one reaches
mod inherit; //      values that follow a spawn
mod job; //          run once; who takes it
mod once_value; //  a place that a value comes to once
mod origin; //       which task, spawned where
mod park; //         a thread's sleep token
mod sync_prim; //    std or loom

// CELLS: shared memory; no thread, no global.
mod done_list; //    which of many tasks are done
pub mod generator; // send, throw, close, yield_from, return
mod join; //         the promise side of a task
mod promise; //      pending, then finished or cancelled, once; done-callbacks
mod root; //         the future of a `block_on`, and its thread
mod task; //         the state word, the memory, one run
mod wheel; //        moments, and what waits for them

// ENGINES: threads of their own; they know cells, not each other.
mod blocking; //     threads for code that blocks
mod local; //        tasks that stay on one thread
mod reactor; //      the poller, sources, timers, the guard
mod scheduler; //    queues, workers, who sleeps

// SURFACE: composes engines; the user's words.
mod builder;
mod cancel;
mod context;
pub mod event_loop;
pub mod group;
mod handle;
pub mod io;
mod join_set;
mod local_pool;
mod local_runtime;
mod local_set;
#[doc(hidden)]
pub mod macro_support;
mod runtime;
mod spawn;
pub mod sync;
mod task_local;
pub mod time;
mod wrap;

pub use budget::{
    Coop, RestoreOnPending, Unconstrained, consume_budget, cooperative, has_budget_remaining,
    poll_proceed, unconstrained,
};
pub use builder::Builder;
pub use cancel::{
    CancelScope, Cancelled, Grace, Run, Shield, Stopped, cancel_reason, cancelled, is_cancelled,
    shield, with_grace,
};
pub use cancellation::{Cancellation, Reason};
pub use context::EnterGuard;
pub use error::JoinError;
pub use event_loop::EventLoop;
pub use group::{Scope, ScopedJoinHandle, scope};
pub use handle::{Handle, RuntimeFlavor, RuntimeId, TryCurrentError};
pub use join::{AbortOnDropHandle, JoinHandle};
pub use join_set::{JoinSet, JoinSetBuilder};
pub use local_pool::LocalPoolHandle;
pub use local_runtime::{LocalOptions, LocalRuntime};
pub use local_set::{LocalEnterGuard, LocalSet, spawn_local};
pub use origin::Id;
pub use promise::{CallbackId, InvalidState, Promise, PromiseError, PromiseFuture, PromiseState};
pub use promise::{DoneCallback, Unretrieved};
pub use reactor::ReactorMode;
pub use runtime::Runtime;
pub use scheduler::StallReport;
pub use spawn::Builder as TaskBuilder;
pub use spawn::{block_on, id, spawn, spawn_blocking, try_id, yield_now};
pub use task::AbortHandle;
pub use task_local::{AccessError, LocalKey, TaskLocalFuture};

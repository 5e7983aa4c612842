//! The runtime of `filch`: scheduler, tasks, promises, reactor, timers. Use the crate `filch`, which re-exports it.
//!
//! The modules, from the ground up. An import points downwards, and a test sees to it.

// GROUND: no shared state.
mod clock; //        real, or moved by a test
mod driver; //       how workers and reactor meet
mod error; //        what, whose, where
mod job; //          run once; who takes it
mod origin; //       which task, spawned where
mod park; //         a thread's sleep token
mod sync_prim; //    std or loom

// CELLS: shared memory; no thread, no global.
mod join; //         the promise side of a task
mod promise; //      pending, then finished or cancelled, once; done-callbacks
mod root; //         the future of a `block_on`, and its thread
mod task; //         the state word, the memory, one run
mod wheel; //        moments, and what waits for them

// ENGINES: threads of their own; they know cells, not each other.
mod blocking; //     threads for code that blocks
mod reactor; //      the poller, sources, timers, the guard
mod scheduler; //    queues, workers, who sleeps

// SURFACE: composes engines; the user's words.
mod builder;
mod context;
mod handle;
pub mod io;
#[doc(hidden)]
pub mod macro_support;
mod runtime;
mod spawn;
pub mod time;

pub use builder::Builder;
pub use context::EnterGuard;
pub use error::JoinError;
pub use handle::{Handle, TryCurrentError};
pub use join::JoinHandle;
pub use origin::Id;
pub use promise::{CallbackId, InvalidState, Promise, PromiseError, PromiseFuture, PromiseState};
pub use reactor::ReactorMode;
pub use runtime::Runtime;
pub use scheduler::StallReport;
pub use spawn::{TaskBuilder, block_on, id, spawn, spawn_blocking, try_id, yield_now};
pub use task::AbortHandle;

//! A multi-threaded, work-stealing async runtime: asyncio's ideas, tokio's names.
//!
//! ```
//! #[filch::main]
//! async fn main() {
//!     let tasks: Vec<_> = (1..=10u64).map(|n| filch::spawn(async move { n * n })).collect();
//!     let mut sum = 0;
//!     for task in tasks {
//!         sum += task.await.unwrap();
//!     }
//!     assert_eq!(sum, 385);
//! }
//! ```
//!
//! # What is where
//!
//! | you want to | look at |
//! |---|---|
//! | start a runtime | [`main`], [`test`], [`runtime::Builder`] |
//! | run things at the same time | [`spawn`], [`join!`], [`try_join!`], [`select!`], [`task`] |
//! | run code that blocks | [`task::spawn_blocking`] |
//! | wait for a moment, or no longer than, or again and again | [`time::sleep`], [`time::timeout`], [`time::interval`] |
//! | test what takes hours | [`time::pause`] |
//! | hand a value over later, with callbacks | [`Promise`] |
//! | speak TCP | [`net`], with the traits of [`io`] |
//! | watch a file descriptor of your own | [`io::Source`] |
//!
//! A program moves over from tokio by renaming the crate, as far as filch has what it uses: see the README for what it
//! has not.
//!
//! # Features
//! - `tokio-io` (default): streams implement `tokio::io::{AsyncRead, AsyncWrite}` beside the traits of `futures_io`.
//! - `tracing`: stall reports as `tracing` events.

pub use filch_macros::{main, test};
pub use filch_runtime::{
    CallbackId, InvalidState, Promise, PromiseError, PromiseFuture, PromiseState, block_on, spawn,
};

mod macros;

#[doc(hidden)]
pub mod __private {
    pub use filch_macros::{join_impl, select_impl, try_join_impl};
    pub use filch_runtime::macro_support::*;
}

#[doc(inline)]
pub use filch_net as net;

#[doc(inline)]
pub use filch_runtime::time;

/// Tasks: units of work that the workers run.
pub mod task {
    pub use filch_runtime::{
        AbortHandle, Id, JoinError, JoinHandle, TaskBuilder as Builder, id, spawn, spawn_blocking,
        try_id, yield_now,
    };
}

/// The runtime: what runs tasks, I/O and timers.
pub mod runtime {
    pub use filch_runtime::{
        Builder, EnterGuard, Handle, ReactorMode, Runtime, StallReport, TryCurrentError,
    };
}

/// Reading and writing without blocking: the traits, and the door of the reactor.
///
/// The traits and helpers are tokio's own, re-exported: what works with them works with filch's streams.
pub mod io {
    pub use filch_runtime::io::{Direction, Interest, Ready, Source};

    #[cfg(feature = "tokio-io")]
    #[doc(no_inline)]
    pub use tokio::io::{
        AsyncBufRead, AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncSeek, AsyncSeekExt,
        AsyncWrite, AsyncWriteExt, BufReader, BufStream, BufWriter, Chain, DuplexStream, Empty,
        Lines, ReadBuf, ReadHalf, Repeat, Sink, Split, Take, WriteHalf, copy, copy_bidirectional,
        copy_buf, duplex, empty, join, repeat, simplex, sink, split,
    };
}

/// Compiles and runs the README's quick start.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

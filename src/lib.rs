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
//! | keep tasks together, and stop them together | [`task::TaskGroup`], [`task::CancelScope`] |
//! | wait for many tasks | [`task::JoinSet`] |
//! | give a task values of its own | [`task_local!`], [`task::LocalKey`] |
//! | leave room for other tasks | [`task::coop`] |
//! | run code that blocks | [`task::spawn_blocking`] |
//! | run tasks that are not `Send` | [`task::LocalSet`], [`runtime::LocalRuntime`], [`task::LocalPoolHandle`] |
//! | wait for a moment, or no longer than, or again and again | [`time::sleep`], [`time::timeout`], [`time::interval`] |
//! | test what takes hours | [`time::pause`] |
//! | hand a value over later, with callbacks | [`Promise`] |
//! | stop in the middle, yield a value, go on later | [`generator`] |
//! | send, lock, count and signal between tasks | [`sync`] |
//! | run callbacks and tasks one after another | [`EventLoop`], [`asyncio`] |
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
    CallbackId, EventLoop, InvalidState, Promise, PromiseError, PromiseFuture, PromiseState,
    block_on, spawn,
};

pub use filch_runtime::{DoneCallback, Unretrieved};

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
///
/// | who keeps the task | what happens when that goes |
/// |---|---|
/// | [`JoinHandle`](task::JoinHandle), from [`spawn`] | nothing: the task goes on |
/// | [`JoinSet`](task::JoinSet): many, joined as they end | they are aborted |
/// | [`TaskGroup`](task::TaskGroup): many that belong together | it does not go before they have ended; the first failure stops them |
/// | [`scope`](task::scope): tasks that borrow, for a thread outside | as a group |
///
/// | what stops it | how |
/// |---|---|
/// | `abort` | now, without a reason: its future is dropped |
/// | `cancel(reason)` | at its next await; with a [grace](task::with_grace) it may tidy up |
/// | [`CancelScope`](task::CancelScope), [`time::fail_after`] | a part of a task only |
/// | [`TaskGroup::cancel`](task::TaskGroup::cancel) | all children, as by `cancel` |
/// | [`sync::CancellationToken`] | asks: whoever holds it looks at it or awaits it |
pub mod task {
    pub use filch_runtime::group::{
        Child, Failure, GroupBuilder, GroupError, GroupScope, Ready, Scope, ScopedJoinHandle,
        StartError, Starting, TaskGroup, scope,
    };
    pub use filch_runtime::{
        AbortHandle, Id, JoinError, JoinHandle, TaskBuilder as Builder, id, spawn, spawn_blocking,
        try_id, yield_now,
    };
    pub use filch_runtime::{
        AbortOnDropHandle, AccessError, JoinSet, LocalKey, Unconstrained, consume_budget,
        unconstrained,
    };

    /// The futures that functions of this module return.
    pub mod futures {
        pub use filch_runtime::TaskLocalFuture;
    }

    /// Many tasks, joined in whatever order they end.
    pub mod join_set {
        pub use filch_runtime::{JoinSet, JoinSetBuilder as Builder};
    }

    /// The cooperative budget: a task that only uses ready operations lets others run.
    ///
    /// Each poll of a task may complete 128 operations: reads and writes, timers, joins, promises, and the channels and
    /// locks of [`sync`](crate::sync). Then whatever it asks for next says `Pending`, and the task goes to the back of the
    /// queue. A crate with resources of its own takes part by [`poll_proceed`](coop::poll_proceed).
    ///
    /// Channels and locks of other crates spend no budget here, those of `tokio::sync` neither: a task that finds them
    /// always ready keeps its worker. Use [`sync`](crate::sync), which has tokio's names, or wrap their futures in
    /// [`cooperative`](coop::cooperative).
    ///
    /// ```
    /// use filch::task::coop::cooperative;
    ///
    /// # filch::block_on(async {
    /// let (sender, receiver) = async_channel::unbounded();
    /// for n in 1..=1000 {
    ///     sender.send(n).await.unwrap();
    /// }
    /// sender.close();
    /// let mut sum = 0;
    /// while let Ok(n) = cooperative(receiver.recv()).await {
    ///     sum += n; // after each 128 of them, others have their turn
    /// }
    /// assert_eq!(sum, 500_500);
    /// # });
    /// ```
    pub mod coop {
        pub use filch_runtime::{
            Coop, RestoreOnPending, Unconstrained, consume_budget, cooperative,
            has_budget_remaining, poll_proceed, unconstrained,
        };
    }
    pub use filch_runtime::{
        CancelScope, Cancellation, Cancelled, Grace, Reason, Run, Shield, Stopped, cancel_reason,
        cancelled, is_cancelled, shield, with_grace,
    };
    pub use filch_runtime::{LocalEnterGuard, LocalPoolHandle, LocalSet, spawn_local};
}

/// Another path to the groups of [`task`]: the types are the same, and `task` is the path that is meant.
#[doc(inline)]
pub use filch_runtime::group;

/// The runtime: what runs tasks, I/O and timers.
pub mod runtime {
    pub use filch_runtime::{
        Builder, EnterGuard, Handle, ReactorMode, Runtime, StallReport, TryCurrentError,
    };
    pub use filch_runtime::{LocalOptions, LocalRuntime};
    pub use filch_runtime::{RuntimeFlavor, RuntimeId as Id};
}

/// Generators, as Python has them, and coroutines driven by `send`.
pub mod generator {
    pub use filch_runtime::generator::*;
}

#[doc(inline)]
pub use filch_runtime::sync;

/// What `asyncio` has beside its event loop: tasks of a loop, and ways to await several of them.
///
/// | Python | here |
/// |---|---|
/// | `asyncio.run(main())` | [`run`](asyncio::run), on a thread that drives no runtime |
/// | `create_task(f(), name="n")` | [`create_task`](asyncio::create_task); `event_loop.build_task().name("n").create(f())` |
/// | `gather(a, b)`; `return_exceptions=True` | [`gather`](asyncio::gather); [`gather_outcomes`](asyncio::gather_outcomes); of several types: [`join!`](crate::join) |
/// | `async with lock:` | `let held = lock.hold().await` |
/// | `except CancelledError:` ... `raise` | [`catch_cancel`](asyncio::catch_cancel)`(..)` ... `cancelled.raise().await`, as the value of its arm (no `;`) |
/// | `task.cancel()` | `task.cancel("")`: a reason is wanted; the empty one says nothing |
/// | `wait_for(x, 1)` | `wait_for(x, Some(Duration::from_secs(1)))`, whose value is in two `Result`s: did it come in time, and how did it end |
/// | `async with timeout(1):` | [`timeout`](asyncio::timeout)`(Some(Duration::from_secs(1)), async { .. }).await` |
/// | `fut.set_exception(e)`, `fut.exception()` | [`set_error`](Promise::set_error), [`error`](Promise::error) |
/// | `Queue()`, `sleep(0)` | `Queue::new(0)`, `sleep(Duration::ZERO)` |
/// | `task.get_name()` | `task.task().name()` |
/// | an exception as the outcome | `Result<_, Arc<io::Error>>`: outcomes are cloned, and `?` makes an error such an `Arc` |
/// | `TaskGroup.create_task` | [`TaskGroup::spawn_on`](crate::task::TaskGroup::spawn_on): a child of `spawn` runs on the workers, outside the loop |
/// | `async for line in reader` | [`StreamReader::lines`](asyncio::StreamReader::lines) |
/// | `run_coroutine_threadsafe` | `create_task` of the loop, from any thread, in debug mode, too |
/// | a `StreamWriter` that nobody keeps | its side of the connection ends with it; a handler that names it and does not use it drops it at once |
///
/// # What counts as an exception
/// A task fails by a panic, or by being cancelled. An `Err` that its future returns is a value like others: `gather` goes
/// on, [`ReturnWhen::FirstException`](asyncio::ReturnWhen::FirstException) does not stop, and nobody is told of one that nobody
/// asked for. To have the first `Err` count, use [`try_join!`](crate::try_join), a [`TaskGroup`](crate::task::TaskGroup), or
/// gather promises: [`Promise::wrap`](crate::Promise::wrap) makes an `Err` the promise's error.
pub mod asyncio {
    #[doc(inline)]
    pub use filch_net::streams::{
        IncompleteReadError, LimitOverrunError, Lines, ReadError, Server, StreamOptions,
        StreamReader, StreamWriter, open_connection, start_server,
    };
    pub use filch_runtime::event_loop::{
        AsCompleted, Awaitable, Barrier, BoundedSemaphore, BrokenBarrierError, CallGraph,
        Cancelled, CatchCancel, Condition, Context, Ended, Ensure, Event, ExceptionContext, Fifo,
        Gather, Gathering, Handle, Held, Leaf, Lifo, LifoQueue, Limited, Lock, LoopClosed,
        LoopTask, LoopTaskBuilder, Outcome, PriorityQueue, Queue, QueueGetError, QueueOf,
        QueuePutError, QueueShutDown, Ran, ReturnWhen, RunError, Runner, Semaphore, Smallest,
        TaskError, TaskPanic, TaskRef, Timeout, TimeoutError, TimerHandle, Waited, WeakEventLoop,
        all_tasks, as_completed, catch_cancel, copy_context, create_task, current_task,
        ensure_future, gather, gather_outcomes, get_running_loop, run, shield, sleep, timeout,
        timeout_at, to_thread, wait, wait_for, wait_on,
    };
    pub use filch_runtime::event_loop::{
        GraphNode, NoRunningLoop, Waiter, capture_call_graph, format_call_graph, print_call_graph,
        pstree,
    };
}

/// Reading and writing without blocking: the traits, and the door of the reactor.
///
/// The traits and helpers are tokio's own, re-exported: what works with them works with filch's streams. As there, the
/// names of `std::io` that go with them are here, too.
///
/// ```
/// use filch::io::{self, AsyncReadExt, AsyncWriteExt};
///
/// #[filch::main]
/// async fn main() -> io::Result<()> {
///     let (mut here, mut there) = io::duplex(16);
///     there.write_all(b"tea").await?;
///     let mut word = [0; 3];
///     here.read_exact(&mut word).await?;
///     assert_eq!(&word, b"tea");
///     Ok(())
/// }
/// ```
pub mod io {
    pub use filch_runtime::io::{Direction, Interest, Ready, Source};

    #[doc(no_inline)]
    pub use std::io::{Error, ErrorKind, Result, SeekFrom};

    #[cfg(feature = "tokio-io")]
    #[doc(no_inline)]
    pub use tokio::io::{
        AsyncBufRead, AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncSeek, AsyncSeekExt,
        AsyncWrite, AsyncWriteExt, BufReader, BufStream, BufWriter, Chain, DuplexStream, Empty,
        Join, Lines, ReadBuf, ReadHalf, Repeat, SimplexStream, Sink, Split, Take, WriteHalf, copy,
        copy_bidirectional, copy_bidirectional_with_sizes, copy_buf, duplex, empty, join, repeat,
        simplex, sink, split,
    };
}

/// Compiles and runs the README's quick start.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

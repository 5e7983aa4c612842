//! The macros of filch: an async `main`, async tests, and what `select!`, `join!` and `try_join!` expand to.
//!
//! Use them through the crate `filch`, which exports the two attributes as `filch::main` and `filch::test` and wraps
//! the rest in macros that pass it the path of their own crate. All is as tokio's macros of the same names, so moving
//! a program over is a rename of the crate; what differs is told at the macro.
//!
//! - `args`: what a macro is told besides the code: attribute arguments, the crate's path, `biased;`
//! - `captured`: keeps whole what another macro captured
//! - `entry`: `#[main]` and `#[test]`
//! - `branches`: what the three below share: pinned futures, one round of polls
//! - `select`: `select!`
//! - `join`: `join!` and `try_join!`

mod args;
mod branches;
mod captured;
mod entry;
mod join;
mod select;

use proc_macro::TokenStream;

/// Makes an async function a plain one that builds a runtime and runs the body on it.
///
/// Meant for `main`, and good for any function that should block until its async body is done. The body runs on the
/// calling thread, in `Runtime::block_on`, and not as a task of a worker: spawn what should run across cores. The
/// runtime shuts down when the body is done. For anything the arguments do not offer, use the builder.
///
/// # Arguments
/// - `flavor = "multi_thread"` (default), `"current_thread"`, or `"local"` for a `LocalRuntime`
/// - `worker_threads = N`: how many workers, `multi_thread` only. Default: the runtime's, one for each core
/// - `name = "..."`: the runtime's name, see `Handle::name`
/// - `start_paused = true`: the clock stands still from the start, and moves when nothing can run. Default: it goes
/// - `crate = "path"`: where filch is, if it is renamed or reached through another crate. Default: `::filch`
///
/// # Expansion
/// ```
/// #[filch::main(worker_threads = 2)]
/// async fn hello() {
///     println!("hello");
/// }
/// ```
/// becomes
/// ```
/// fn hello() {
///     let body = async {
///         println!("hello");
///     };
///     filch::runtime::Builder::new_multi_thread()
///         .worker_threads(2)
///         .enable_all()
///         .build()
///         .expect("failed to build the filch runtime")
///         .block_on(body)
/// }
/// ```
/// Attributes, visibility, generics, arguments and the return type stay. Only a function named `main` may have no
/// arguments.
///
/// # Errors
/// At compile time, each at the word to blame: an unknown, repeated or malformed argument; `worker_threads` for a
/// runtime of one thread; a function that is not `async`; a `main` with arguments.
///
/// # Panics
/// If the runtime cannot be built, as when the system has no file descriptors left; or if the thread already drives a
/// runtime.
///
/// # Source
/// As `tokio::main`, of whose arguments `unhandled_panic` is not there; `start_paused` goes with every flavor.
/// Unlike tokio's, a body of the wrong type gives one error, where the value is. The role is that of
/// `asyncio.run` (CPython Lib/asyncio/runners.py).
///
/// # Examples
/// An error returned from `main` ends the process with it, as in any Rust program.
/// ```
/// #[filch::main(flavor = "current_thread")]
/// async fn main() -> Result<(), std::num::ParseIntError> {
///     let answer: u32 = async { "42" }.await.parse()?;
///     assert_eq!(answer, 42);
///     Ok(())
/// }
/// ```
#[proc_macro_attribute]
pub fn main(args: TokenStream, item: TokenStream) -> TokenStream {
    entry::expand(entry::Entry::Main, args.into(), item.into()).into()
}

/// Makes an async function a test that runs on a runtime of its own.
///
/// # Arguments
/// - `flavor = "current_thread"` (default), `"multi_thread"`, or `"local"` for a `LocalRuntime`
/// - `worker_threads = N`: how many workers, `multi_thread` only. Default: the runtime's, one for each core
/// - `name = "..."`: the runtime's name, see `Handle::name`
/// - `start_paused = true`: the clock stands still from the start, and moves when nothing can run. Default: it goes
/// - `crate = "path"`: where filch is, if it is renamed or reached through another crate. Default: `::filch`
///
/// # Expansion
/// As [`macro@main`], with `#[test]` added below the other attributes, so that `#[ignore]` and `#[should_panic]` work.
/// A test may return a `Result`.
///
/// # Errors
/// At compile time, those of [`macro@main`], and a second test attribute: the test would run twice.
///
/// # Panics
/// As [`macro@main`].
///
/// # Source
/// As `tokio::test`, without the arguments that [`macro@main`] lacks too. The role is that of
/// `unittest.IsolatedAsyncioTestCase` (CPython Lib/unittest/async_case.py).
///
/// # Examples
/// ```
/// #[filch::test]
/// async fn one_thread_is_enough() {
///     assert_eq!(async { 2 + 2 }.await, 4);
/// }
///
/// #[filch::test(flavor = "multi_thread", worker_threads = 2)]
/// async fn two_workers_help() -> Result<(), std::num::ParseIntError> {
///     let sum: u32 = async { "4" }.await.parse()?;
///     assert_eq!(sum, 4);
///     Ok(())
/// }
/// # fn main() {}
/// ```
#[proc_macro_attribute]
pub fn test(args: TokenStream, item: TokenStream) -> TokenStream {
    entry::expand(entry::Entry::Test, args.into(), item.into()).into()
}

/// What `filch::select!` expands to: `(path of filch) biased;? branches`.
///
/// Its docs are at `filch::select!`. The expansion calls `thread_rng_n` and `poll_budget_available` in `path::__private`; it allocates
/// nothing and has no `unsafe`.
#[doc(hidden)]
#[proc_macro]
pub fn select_impl(input: TokenStream) -> TokenStream {
    select::expand(input.into()).into()
}

/// What `filch::join!` expands to: `(path of filch) biased;? futures`.
///
/// Its docs are at `filch::join!`. The expansion calls `maybe_done` in `path::__private`; it allocates nothing and has
/// no `unsafe`.
#[doc(hidden)]
#[proc_macro]
pub fn join_impl(input: TokenStream) -> TokenStream {
    join::expand(input.into(), join::Until::AllDone).into()
}

/// What `filch::try_join!` expands to: `(path of filch) biased;? futures`.
///
/// Its docs are at `filch::try_join!`. The expansion calls `maybe_done` in `path::__private`; it allocates nothing and
/// has no `unsafe`.
#[doc(hidden)]
#[proc_macro]
pub fn try_join_impl(input: TokenStream) -> TokenStream {
    join::expand(input.into(), join::Until::FirstErr).into()
}

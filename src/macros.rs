//! `select!`, `join!`, `try_join!` and `pin!`, as the user sees them.
//!
//! The first three hand everything to the crate `filch-macros`, with the path under which it finds filch again.

/// Waits for the first of several branches, drops the others, and runs the handler of the one that came first.
///
/// ```text
/// filch::select! {
///     biased;                                                     optional
///     <pattern> = <future> (, if <precondition>)? => <handler>,   up to 64 branches; no `,` needed after a { block }
///     else => <handler>                                           optional, last
/// }
/// ```
/// All branches run in the current task, at the same time but not in parallel: a branch that blocks the thread blocks
/// them all. [`spawn`](crate::spawn) what should use another core, and select on its handle. To be used in async code.
///
/// 1. All preconditions are evaluated. Where one is `false`, the branch is *disabled* until this `select!` ends.
/// 2. All futures are created, even those of disabled branches, which are never polled.
/// 3. The futures are polled until one gives a value. If the value fits the pattern, the wait is over; if not, the
///    branch is disabled and the wait goes on. Anything that becomes a future by
///    [`IntoFuture`](std::future::IntoFuture) will do.
/// 4. All futures are dropped, from first to last: what they borrowed is free again. Pass `&mut future` to keep one,
///    [pinned](crate::pin!) if it is not `Unpin`.
/// 5. The handler runs, with the names that the pattern bound, and its value is the value of `select!`. `.await`, `?`,
///    `return` and `break` work in it as they do around the macro.
///
/// When every branch is disabled, `else` runs in place of a handler.
///
/// # Fairness
/// Each round of polls starts at a random branch, so that in a loop no branch that is always ready starves the others.
/// With `biased;` each round goes from top to bottom: it saves the random number and lets the order speak, and
/// fairness is then up to you. Put the shutdown signal above the busy stream.
///
/// A round begins only while the task has some of its [budget](crate::task::coop) left, so that other tasks get their turn
/// even if a branch that keeps to no budget is always ready.
///
/// # Panics
/// If every branch is disabled and there is no `else`.
///
/// # Cancel safety
/// A branch that does not come first is cancelled: its future is dropped wherever it waits. In a loop that is harmless
/// only for futures which lose nothing when they are dropped and made anew: receiving from a channel, accepting a
/// connection, a single `read`, [`sleep`](crate::time::sleep) held by reference. It loses data with `read_exact`,
/// `read_to_end` and `write_all`, which may have done part of their work, and it loses the place in the queue with
/// what waits for a lock or a permit. An async block of your own is safe if it could start again at each of its
/// `.await`s. The safe way for the others: create the future before the loop, pin it, and select on `&mut future`.
///
/// `select!` itself loses no value that fits its pattern: after the first one no other branch is polled. A value that
/// does not fit is dropped.
///
/// # Source
/// As `tokio::select!`. Besides, a pattern may be any that `match` takes, under the rules of your edition. The role
/// is that of `asyncio.wait(..., return_when=FIRST_COMPLETED)`, which does not cancel the others (CPython
/// Lib/asyncio/tasks.py).
///
/// # Examples
/// The first answer counts.
/// ```
/// # async fn ask(mirror: &str) -> String { format!("answer of {mirror}") }
/// # #[filch::main(flavor = "current_thread")]
/// # async fn main() {
/// let answer = filch::select! {
///     answer = ask("north") => answer,
///     answer = ask("south") => answer,
/// };
/// assert!(answer.ends_with("north") || answer.ends_with("south"));
/// # }
/// ```
/// Two channels until both are closed. `Err` does not fit, so it disables its branch.
/// ```
/// # #[filch::main(flavor = "current_thread")]
/// # async fn main() {
/// let (odd, odds) = async_channel::unbounded();
/// let (even, evens) = async_channel::unbounded();
/// for n in 0..10 {
///     if n % 2 == 0 { &even } else { &odd }.send(n).await.unwrap();
/// }
/// drop((odd, even));
///
/// let mut all = Vec::new();
/// loop {
///     filch::select! {
///         Ok(n) = odds.recv() => all.push(n),
///         Ok(n) = evens.recv() => all.push(n),
///         else => break,
///     }
/// }
/// all.sort();
/// assert_eq!(all, [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
/// # }
/// ```
/// One deadline for a whole loop: the `sleep` is made once and lent to each round.
/// ```
/// # #[filch::main(flavor = "current_thread")]
/// # async fn main() {
/// use std::time::Duration;
///
/// let (send, numbers) = async_channel::unbounded();
/// send.send(1).await.unwrap();
/// let deadline = filch::time::sleep(Duration::from_millis(20));
/// filch::pin!(deadline);
/// let mut sum = 0;
/// loop {
///     filch::select! {
///         biased;
///         Ok(n) = numbers.recv() => sum += n,
///         () = &mut deadline => break,
///     }
/// }
/// assert_eq!(sum, 1);
/// # }
/// ```
/// A precondition keeps a finished future from being polled again.
/// ```
/// # #[filch::main(flavor = "current_thread")]
/// # async fn main() {
/// let mut left = filch::spawn(async { "left" });
/// let mut right = filch::spawn(async { "right" });
/// let (mut a, mut b) = (None, None);
/// while a.is_none() || b.is_none() {
///     filch::select! {
///         side = &mut left, if a.is_none() => a = Some(side.unwrap()),
///         side = &mut right, if b.is_none() => b = Some(side.unwrap()),
///     }
/// }
/// assert_eq!((a, b), (Some("left"), Some("right")));
/// # }
/// ```
#[macro_export]
macro_rules! select {
    ($($branches:tt)*) => {
        $crate::__private::select_impl! { ($crate) $($branches)* }
    };
}

/// Waits for all of several futures and gives their values as a tuple, in the order written.
///
/// ```text
/// filch::join!(<future>, <future>, ...)          filch::join!(biased; <future>, <future>, ...)
/// ```
/// All futures run in the current task, at the same time but not in parallel: one that blocks the thread blocks them
/// all. [`spawn`](crate::spawn) what should use another core, and join its handle. They are kept in place, nothing is
/// allocated; each is dropped as soon as it is done. Anything that becomes a future by
/// [`IntoFuture`](std::future::IntoFuture) will do. Without a future the value is `()`. To be used in async code.
///
/// # Fairness
/// Each round of polls starts one future further on. With `biased;` each round goes from first to last.
///
/// # Cancel safety
/// Dropping the wait drops all futures, and the values of those that were done. So it is safe only if losing these is.
///
/// # Source
/// As `tokio::join!`. The role is that of `asyncio.gather`, which makes a task of each coroutine (CPython
/// Lib/asyncio/tasks.py).
///
/// # Examples
/// ```
/// # async fn count(text: &str) -> usize { text.len() }
/// # #[filch::main(flavor = "current_thread")]
/// # async fn main() {
/// let (length, answer) = filch::join!(count("hello"), async { "world" });
/// assert_eq!((length, answer), (5, "world"));
/// # }
/// ```
/// On two cores:
/// ```
/// # #[filch::main]
/// # async fn main() {
/// let low = filch::spawn(async { (1..=50).sum::<u64>() });
/// let high = filch::spawn(async { (51..=100).sum::<u64>() });
/// let (low, high) = filch::join!(low, high);
/// assert_eq!(low.unwrap() + high.unwrap(), 5050);
/// # }
/// ```
#[macro_export]
macro_rules! join {
    ($($futures:tt)*) => {
        $crate::__private::join_impl! { ($crate) $($futures)* }
    };
}

/// Waits until all of several futures are `Ok`, or for the first `Err`.
///
/// ```text
/// filch::try_join!(<future>, <future>, ...)      filch::try_join!(biased; <future>, <future>, ...)
/// ```
/// As [`join!`](crate::join!), for futures of `Result`s with one error type. `Ok` has the values as a tuple, in the
/// order written. At the first `Err` the wait is over: the other futures and the values so far are dropped. Without a
/// future the value is `Ok(())`.
///
/// To make another error type fit, map it: `async { ask().await.map_err(Into::into) }`. An `Err` inside the `Ok` of a
/// joined handle is a value like any other: flatten it first.
///
/// # Errors
/// The first error that is met; of two in one round, that of the future polled first.
///
/// # Fairness
/// As [`join!`](crate::join!).
///
/// # Cancel safety
/// As [`join!`](crate::join!); and the futures that are dropped at the first `Err` are cancelled wherever they wait.
///
/// # Source
/// As `tokio::try_join!`. The role is that of `asyncio.gather`, or of a `TaskGroup` that cancels the others (CPython
/// Lib/asyncio/tasks.py, Lib/asyncio/taskgroups.py).
///
/// # Examples
/// ```
/// # async fn parse(text: &str) -> Result<u32, std::num::ParseIntError> { text.parse() }
/// # #[filch::main(flavor = "current_thread")]
/// # async fn main() {
/// assert_eq!(filch::try_join!(parse("1"), parse("2")), Ok((1, 2)));
///
/// // The second fails, and the first is not waited for.
/// let failed: Result<((), u32), _> = filch::try_join!(std::future::pending(), parse("two"));
/// assert!(failed.is_err());
/// # }
/// ```
#[macro_export]
macro_rules! try_join {
    ($($futures:tt)*) => {
        $crate::__private::try_join_impl! { ($crate) $($futures)* }
    };
}

/// Pins variables where they stand, on the stack or inside the future they are part of.
///
/// ```text
/// filch::pin!(first, second);                    filch::pin! { let first = ...; let second = ...; }
/// ```
/// Each name then stands for a `Pin<&mut _>`, and the value itself can no longer be reached, let alone moved. A future
/// that is not `Unpin` can so be awaited by reference, `(&mut future).await`, and lent to
/// [`select!`](crate::select!) many times. Nothing is allocated.
///
/// It takes names. To pin the value of an expression, use [`std::pin::pin!`].
///
/// # Source
/// As `tokio::pin!`, without its `unsafe`.
///
/// # Examples
/// ```
/// # #[filch::main(flavor = "current_thread")]
/// # async fn main() {
/// let answer = async { 42 };
/// filch::pin!(answer);
/// assert_eq!((&mut answer).await, 42);
///
/// filch::pin! {
///     let one = async { 1 };
///     let two = async { 2 };
/// }
/// assert_eq!(filch::join!(&mut one, &mut two), (1, 2));
/// # }
/// ```
#[macro_export]
macro_rules! pin {
    ($($name:ident),* $(,)?) => {
        $(
            #[allow(unused_mut)]
            let mut $name = ::core::pin::pin!($name);
        )*
    };
    ($(let $name:ident = $value:expr;)*) => {
        $(
            let $name = $value;
            $crate::pin!($name);
        )*
    };
}

/// Declares keys for task-local values.
///
/// ```text
/// filch::task_local! {
///     <attributes> <visibility> static <NAME>: <type>;
///     #[inherit] static <NAME>: <type>;                    ... any number
/// }
/// ```
/// Each is a [`LocalKey`](crate::task::LocalKey) without a value: [`scope`](crate::task::LocalKey::scope) gives it one for
/// the time of a future.
///
/// # Inheriting
/// A plain value ends at `spawn`: the new task has none. One of a key with `#[inherit]` is cloned for each task, and each
/// blocking closure, that is spawned inside its scope, however it is spawned (by a `JoinSet`, say), and for those that
/// these spawn. The type must be `Clone + Send`: share what is dear as an `Arc`. The clone is the value at the time of the
/// spawn; it is dropped with the task's future. A spawn outside of such scopes costs nothing more.
///
/// # Source
/// As `tokio::task_local!`; with `#[inherit]`, as asyncio's tasks, which copy the context that they are made in
/// (`contextvars`).
///
/// # Examples
/// ```
/// use std::sync::Arc;
///
/// filch::task_local! {
///     /// Which request this is about.
///     #[inherit]
///     static REQUEST: Arc<str>;
///     pub static DEPTH: u32;
/// }
///
/// # filch::block_on(async {
/// REQUEST
///     .scope("r-17".into(), async {
///         DEPTH.scope(1, async {
///             assert_eq!(DEPTH.get(), 1);
///             let task = filch::spawn(async {
///                 assert!(DEPTH.try_get().is_err());
///                 REQUEST.get()
///             });
///             assert_eq!(&*task.await.unwrap(), "r-17");
///         })
///         .await;
///     })
///     .await;
/// # });
/// ```
#[macro_export]
macro_rules! task_local {
    ($($keys:tt)*) => {
        $crate::__task_local! { [] None; $($keys)* }
    };
}

/// One key after the other: `[attributes so far] how to copy; what is left`.
#[doc(hidden)]
#[macro_export]
macro_rules! __task_local {
    ([] None;) => {};
    ([$($attributes:tt)*] $copy:ident; #[inherit] $($rest:tt)*) => {
        $crate::__task_local! { [$($attributes)*] Some; $($rest)* }
    };
    // Long docs would use up the recursion limit one by one.
    ([$($attributes:tt)*] $copy:ident; #[doc = $a:literal] #[doc = $b:literal] #[doc = $c:literal] #[doc = $d:literal]
        $($rest:tt)*) => {
        $crate::__task_local! {
            [$($attributes)* #[doc = $a] #[doc = $b] #[doc = $c] #[doc = $d]] $copy; $($rest)*
        }
    };
    ([$($attributes:tt)*] $copy:ident; #[$attribute:meta] $($rest:tt)*) => {
        $crate::__task_local! { [$($attributes)* #[$attribute]] $copy; $($rest)* }
    };
    ([$($attributes:tt)*] $copy:ident; $visibility:vis static $name:ident: $type:ty; $($rest:tt)*) => {
        $crate::__task_local! { @key [$($attributes)*] $copy $visibility $name $type }
        $crate::__task_local! { [] None; $($rest)* }
    };
    ([$($attributes:tt)*] $copy:ident; $visibility:vis static $name:ident: $type:ty) => {
        $crate::__task_local! { @key [$($attributes)*] $copy $visibility $name $type }
    };
    // The habit from `thread_local!`. The key is made all the same, so that this is all there is to say.
    ([$($attributes:tt)*] $copy:ident; $visibility:vis static $name:ident: $type:ty = $value:expr
        $(; $($rest:tt)*)?) => {
        ::std::compile_error!(::std::concat!(
            "task-local keys have no initial value: write `static ", ::std::stringify!($name), ": ", ::std::stringify!($type),
            ";`, and give it one with `", ::std::stringify!($name), ".scope(value, future)`",
        ));
        $crate::__task_local! { @key [$($attributes)*] $copy $visibility $name $type }
        $crate::__task_local! { [] None; $($($rest)*)? }
    };
    (@key [$($attributes:tt)*] $copy:ident $visibility:vis $name:ident $type:ty) => {
        $($attributes)*
        $visibility static $name: $crate::task::LocalKey<$type> = {
            ::std::thread_local! {
                static __FILCH_LOCAL: ::std::cell::RefCell<::std::option::Option<$type>> =
                    const { ::std::cell::RefCell::new(::std::option::Option::None) };
            }
            $crate::task::LocalKey { inner: __FILCH_LOCAL, copy: $crate::__task_local!(@copy $copy $name $type) }
        };
    };
    (@copy None $name:ident $type:ty) => {
        ::std::option::Option::None
    };
    // With the type, so that an error points there.
    (@copy Some $name:ident $type:ty) => {
        ::std::option::Option::Some(|| $crate::__private::copy_value::<$type>(&$name))
    };
}

//! Free functions that act on the running loop: the one whose callback or task this thread runs.

use std::future::Future;
use std::panic::Location;
use std::time::Duration;

use super::EventLoop;
use super::awaitable::{Awaitable, Ensure, Leaf};
use super::build::create_task_here;
use super::task::{self, Outcome};
use super::task_handles::{LoopTask, TaskRef};

/// What to do about a call outside a loop.
const NO_LOOP: &str = "no running event loop: call this from a task or a callback of an `EventLoop`. `#[filch::main]` and `filch::spawn` \
     run outside of one: start with `asyncio::run`, or use the loop's own methods";

#[track_caller]
pub(super) fn running() -> EventLoop {
    match EventLoop::current() {
        Some(event_loop) => event_loop,
        None => panic!("{NO_LOOP}"),
    }
}

/// The loop whose callback or task this thread runs now; none elsewhere.
///
/// # Source
/// `asyncio.get_running_loop`, which raises `RuntimeError` elsewhere.
///
/// # Examples
/// ```
/// use filch::asyncio::get_running_loop;
///
/// let event_loop = filch::EventLoop::new();
/// let inside = event_loop.run_until_complete(async { get_running_loop().is_some() });
/// assert!(inside.unwrap());
/// assert!(get_running_loop().is_none());
/// ```
pub fn get_running_loop() -> Option<EventLoop> {
    EventLoop::current()
}

/// The task of a loop whose step this thread runs now; none in a callback, and none elsewhere.
///
/// # Source
/// `asyncio.current_task`.
///
/// # Examples
/// ```
/// use filch::asyncio::{create_task, current_task, run};
///
/// run(async {
///     let task = create_task(async { current_task().unwrap().id() });
///     let id = task.task().id();
///     assert_eq!(task.await.unwrap(), id);
/// }).unwrap();
/// assert!(current_task().is_none());
/// ```
pub fn current_task() -> Option<TaskRef> {
    task::current().map(TaskRef)
}

/// The tasks of the running loop that are not done.
///
/// # Panics
/// Outside a loop.
///
/// # Source
/// `asyncio.all_tasks`.
///
/// # Examples
/// ```
/// use filch::asyncio::{all_tasks, create_task, run};
///
/// run(async {
///     let tea = create_task(async {});
///     assert_eq!(all_tasks().len(), 2);
///     tea.await.unwrap();
///     assert_eq!(all_tasks().len(), 1);
/// }).unwrap();
/// ```
#[track_caller]
pub fn all_tasks() -> Vec<TaskRef> {
    running().all_tasks()
}

/// Makes a task of the running loop. It begins after the current step, and runs on when its handle is dropped.
///
/// A name, or a start at once, is set by [`EventLoop::build_task`].
///
/// # Panics
/// Outside a loop.
///
/// # Source
/// `asyncio.create_task`.
///
/// # Examples
/// ```
/// use filch::asyncio::{create_task, run};
///
/// let sum = run(async {
///     let two = create_task(async { 2 });
///     let three = create_task(async { 3 });
///     // Both run while this waits.
///     two.await.unwrap() + three.await.unwrap()
/// });
/// assert_eq!(sum.unwrap(), 5);
/// ```
#[track_caller]
pub fn create_task<F>(future: F) -> LoopTask<F::Output>
where
    F: Future + Send + 'static,
    F::Output: Outcome,
{
    match create_task_here(future) {
        Some(task) => task,
        None => panic!("{NO_LOOP}"),
    }
}

/// Makes a future a task of the running loop; a task or a promise stays what it is.
///
/// # Panics
/// Outside a loop.
///
/// # Source
/// `asyncio.ensure_future`.
///
/// # Examples
/// ```
/// use filch::asyncio::{create_task, ensure_future, run};
///
/// run(async {
///     let tea = ensure_future(async { "tea" });
///     let same = ensure_future(tea.clone());
///     assert_eq!(same.task().id(), tea.task().id());
///     assert_eq!(tea.await.unwrap(), "tea");
/// }).unwrap();
/// ```
#[track_caller]
pub fn ensure_future<A: Ensure>(what: A) -> A::Awaitable {
    what.ensure_on(&running(), Location::caller())
}

/// Waits for a promise or a task of a loop. A task of a loop that waits so and is asked to stop asks the promise in its place.
///
/// # Errors
/// As the promise.
///
/// # Cancel safety
/// Safe: dropping the future forgets the wait only.
///
/// # Source
/// `await future`, in asyncio; [`Promise::wait`](crate::Promise::wait) is the wait of a task that leaves the promise alone.
///
/// # Examples
/// ```
/// use filch::asyncio::{create_task, get_running_loop, run, sleep, wait_on};
///
/// run(async {
///     let tea = get_running_loop().unwrap().create_future::<(), String>();
///     let guest = create_task(wait_on(tea.clone()));
///     sleep(std::time::Duration::ZERO).await;
///     guest.cancel("in a hurry");
///     assert!(guest.await.is_err());
///     assert!(tea.is_cancelled());
/// }).unwrap();
/// ```
pub fn wait_on<A: Awaitable>(what: A) -> Leaf<A, A::Value, A::Error> {
    Leaf::new(what)
}

/// Waits for this time, or lets the loop run one iteration if it is zero.
///
/// # Panics
/// If there is no current runtime.
///
/// # Cancel safety
/// Safe: there is nothing to lose.
///
/// # Source
/// `asyncio.sleep`.
///
/// # Examples
/// ```
/// use std::time::{Duration, Instant};
///
/// let event_loop = filch::EventLoop::new();
/// let begin = Instant::now();
/// event_loop.run_until_complete(filch::asyncio::sleep(Duration::from_millis(5))).unwrap();
/// assert!(begin.elapsed() >= Duration::from_millis(5));
/// ```
pub async fn sleep(delay: Duration) {
    if delay.is_zero() {
        crate::spawn::yield_now().await;
    } else {
        crate::time::sleep(delay).await;
    }
}

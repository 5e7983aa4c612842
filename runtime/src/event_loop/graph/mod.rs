//! Who awaits whom, as text: the waiters of each thing are the edges, looked up when somebody asks.
//!
//! A task that awaits has its waker in the list of what it awaits ([`Promise`], the join side of a task), and `gather`,
//! `wait` and `shield` hang something there that says where it leads ([`Lead`]). So nothing is kept for the graph, and a wait
//! costs the same without it; but a group with a child that waits is counted, once ([`waited`]). `living` takes a picture of
//! all living tasks, and finds the one behind a waker by its address: since the picture keeps the tasks alive, no other has it. `text` draws; neither recurses, however long a chain is.
//!
//! [`Promise`]: crate::Promise
//! [`Lead`]: crate::promise::Lead
//! [`waited`]: crate::group::waited

mod living;
mod text;

use std::collections::HashMap;
use std::fmt;
use std::panic::Location;

use self::living::{Asked, Living, Subject, Waits};
use super::awaitable::Awaitable;
use super::task_handles::TaskRef;
use super::{drive, task};
use crate::join::JoinHandle;
use crate::origin::Id;
use crate::task::current;

/// Who awaits a task or a promise, and who awaits those, and so on: what [`capture_call_graph`] gives.
///
/// Its `Display` is what [`format_call_graph`] gives.
///
/// # Examples
/// ```
/// use filch::asyncio::{capture_call_graph, create_task, sleep};
/// use std::time::Duration;
///
/// filch::asyncio::run(async {
///     let tea = create_task(std::future::pending::<()>());
///     let guests = [1, 2, 3].map(|_| create_task({
///         let tea = tea.clone();
///         async move { tea.await.is_ok() }
///     }));
///     // They begin to wait.
///     sleep(Duration::ZERO).await;
///     let graph = capture_call_graph(Some(&tea)).unwrap().unwrap();
///     assert_eq!(graph.waiters()[0].awaited_by().len(), guests.len());
///     assert!(!graph.has_cycle());
///     // Two of the four are told of, and that there are more.
///     assert!(graph.limit(2).to_string().ends_with("(2 more are not shown)"));
/// })
/// .unwrap();
/// ```
#[derive(Clone, Debug)]
pub struct CallGraph {
    nodes: Vec<Waiter>,
    roots: Vec<usize>,
    /// How the text calls the way from a node to the next.
    way: Way,
    depth: usize,
    limit: usize,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Way {
    /// From what is awaited to who awaits it.
    Up,
    /// From who awaits to what is awaited.
    Down,
}

/// A task or a promise in a [`CallGraph`].
#[derive(Clone, Debug)]
pub struct Waiter {
    what: What,
    next: Vec<usize>,
    others: usize,
}

#[derive(Clone, Debug)]
struct What {
    kind: Kind,
    name: Option<String>,
    id: Option<Id>,
    made_at: &'static Location<'static>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Kind {
    Loop,
    Pool,
    Promise,
}

impl Waiter {
    /// The task's name; `Task-` and its id unless it was given one. None of a promise.
    pub fn name(&self) -> Option<&str> {
        self.what.name.as_deref()
    }

    /// The task's id. None of a promise.
    pub fn id(&self) -> Option<Id> {
        self.what.id
    }

    /// Where it was made.
    pub fn made_at(&self) -> &'static Location<'static> {
        self.what.made_at
    }

    /// True for a task of a loop; false for one of [`filch::spawn`](crate::spawn), and for a promise.
    pub fn is_of_loop(&self) -> bool {
        self.what.kind == Kind::Loop
    }

    /// The tasks that await it, in the order in which they came: places in [`CallGraph::waiters`].
    pub fn awaited_by(&self) -> &[usize] {
        &self.next
    }

    /// How many others await it that are no tasks which are known: a thread in [`block_on`](crate::block_on), a future with a
    /// waker of its own, another executor.
    pub fn others(&self) -> usize {
        self.others
    }
}

impl CallGraph {
    /// What was asked for, at place 0, and all that await it, directly or not, each once.
    pub fn waiters(&self) -> &[Waiter] {
        &self.nodes
    }

    /// True if somebody awaits itself, by whatever way round: none of those in the circle will ever be done, unless one of
    /// them awaits something else at the same time.
    pub fn has_cycle(&self) -> bool {
        self.cycle().is_some()
    }

    /// Has the text show no more than so many levels of waiters; 0 shows what was asked for alone.
    ///
    /// A task that is reached by ways of different lengths may be counted by a longer one.
    #[must_use]
    pub fn depth(mut self, levels: usize) -> CallGraph {
        self.depth = levels;
        self
    }

    /// Has the text show no more than so many tasks, and say how many there are besides.
    #[must_use]
    pub fn limit(mut self, tasks: usize) -> CallGraph {
        self.limit = tasks;
        self
    }

    fn new(way: Way) -> CallGraph {
        CallGraph {
            nodes: Vec::new(),
            roots: Vec::new(),
            way,
            depth: usize::MAX,
            limit: usize::MAX,
        }
    }
}

mod sealed {
    use super::Asked;

    pub trait Sealed {
        fn asked(&self) -> Asked;
    }
}
use sealed::Sealed;

/// What a call graph can be drawn of: a [`LoopTask`](super::LoopTask), a [`TaskRef`], a [`Promise`](crate::Promise), a
/// [`gather`](super::gather), the [`JoinHandle`] of a spawned task.
pub trait GraphNode: Sealed {}

impl<A: Awaitable> GraphNode for A {}
impl<A: Awaitable> Sealed for A {
    fn asked(&self) -> Asked {
        match self.as_task() {
            Some(task) => Asked(Subject::Loop(task.0)),
            None => Asked(Subject::promise(self.to_promise())),
        }
    }
}

impl GraphNode for TaskRef {}
impl Sealed for TaskRef {
    fn asked(&self) -> Asked {
        Asked(Subject::Loop(self.0.clone()))
    }
}

impl<T> GraphNode for JoinHandle<T> {}
impl<T> Sealed for JoinHandle<T> {
    fn asked(&self) -> Asked {
        Asked(Subject::Pool(self.task().clone()))
    }
}

/// Nothing was given to draw a graph of, and there is no running loop and no current task to take.
///
/// # Source
/// The `RuntimeError` of `asyncio.capture_call_graph`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoRunningLoop(());

impl fmt::Display for NoRunningLoop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(
            "the call graph is asked for outside of a running event loop, and no task or promise to draw it of was given",
        )
    }
}

impl std::error::Error for NoRunningLoop {}

/// Who awaits this task or promise; the current task, if none is given. None inside a callback, where there is no task.
///
/// A task of a loop and a task of [`filch::spawn`](crate::spawn) alike. `gather`, `wait`, `shield`, `wait_for` and
/// [`Promise::chain`](crate::Promise::chain) are looked through: what they wait for is awaited by whoever awaits them. So
/// are `join!` and `select!`. A body that waits for the children of its [`TaskGroup`](crate::group::TaskGroup) is
/// known, too; before its end, where it awaits their handles. Not known are: futures with wakers of their own, as in
/// `FuturesUnordered`; who waits for a lock, a queue or a channel. A [`JoinSet`](crate::JoinSet) or [`as_completed`](super::as_completed) whose `next` was dropped counts as
/// waiting until it is asked again or goes.
///
/// It costs time in proportion to all living tasks of the process, and their waits; those do not pay for it before. The tasks
/// go on meanwhile, so it is no one moment's picture if others run: take it inside the loop that it is of.
///
/// # Errors
/// [`NoRunningLoop`]: nothing was given, outside of loops and tasks.
///
/// # Source
/// `asyncio.capture_call_graph`. Rust keeps no frames of suspended functions: each task says where it was made.
pub fn capture_call_graph(of: Option<&dyn GraphNode>) -> Result<Option<CallGraph>, NoRunningLoop> {
    let subject = match of {
        Some(of) => of.asked().0,
        None => match task::current() {
            Some(task) => Subject::Loop(task),
            None if drive::current().is_some() => return Ok(None),
            None => Subject::Pool(current::task().ok_or(NoRunningLoop(()))?),
        },
    };
    let living = Living::all();
    let mut graph = CallGraph::new(Way::Up);
    graph.roots.push(0);
    // By number among the living; the first node stands for itself.
    let mut places = HashMap::new();
    places.extend(living.find(&subject).map(|number| (number, 0)));
    let mut found = vec![(subject.what(), living.who_awaits(&subject))];
    let mut at = 0;
    while let Some((what, waits)) = found.get_mut(at) {
        let (what, Waits { tasks, others }) = (what.clone(), std::mem::take(waits));
        let mut next = Vec::with_capacity(tasks.len());
        for number in tasks {
            let place = *places.entry(number).or_insert_with(|| {
                let task = &living.tasks[number];
                found.push((task.what(), living.who_awaits(task)));
                found.len() - 1
            });
            next.push(place);
        }
        graph.nodes.push(Waiter { what, next, others });
        at += 1;
    }
    Ok(Some(graph))
}

/// The text of a call graph: of this task or promise, or of the current task. Empty inside a callback, where there is none.
///
/// Each task is shown once; where it comes again, a line refers to that. A task that awaits itself by whatever way is marked,
/// and the last line says the way. The text grows in proportion to the number of tasks.
///
/// # Errors
/// As [`capture_call_graph`], which also says what is shown.
///
/// # Source
/// `asyncio.format_call_graph`.
///
/// # Examples
/// ```
/// use filch::asyncio::{format_call_graph, get_running_loop, sleep};
///
/// filch::asyncio::run(async {
///     let on = get_running_loop().unwrap();
///     let tea = on.build_task().name("tea").create(async {
///         // Others begin to wait.
///         sleep(std::time::Duration::ZERO).await;
///         format_call_graph(None).unwrap()
///     });
///     let guest = on.build_task().name("guest").create(async move { tea.await.unwrap() });
///     let text = guest.await.unwrap();
///     let lines: Vec<&str> = text.lines().collect();
///     assert!(lines[0].starts_with("* Task(name=\"tea\", id="));
///     assert!(lines[1].starts_with("  + Created at "));
///     assert_eq!(lines[2], "  + Awaited by:");
///     assert!(lines[3].starts_with("    * Task(name=\"guest\", id="));
/// })
/// .unwrap();
/// ```
pub fn format_call_graph(of: Option<&dyn GraphNode>) -> Result<String, NoRunningLoop> {
    let graph = capture_call_graph(of)?;
    Ok(graph.map_or_else(String::new, |graph| graph.to_string()))
}

/// Prints what [`format_call_graph`] gives to stdout.
///
/// # Errors
/// As [`format_call_graph`].
///
/// # Source
/// `asyncio.print_call_graph`.
///
/// # Examples
/// ```
/// use filch::asyncio::print_call_graph;
///
/// filch::asyncio::run(async { print_call_graph(None).unwrap() }).unwrap();
/// assert!(print_call_graph(None).is_err(), "there is no current task");
/// ```
pub fn print_call_graph(of: Option<&dyn GraphNode>) -> Result<(), NoRunningLoop> {
    let graph = capture_call_graph(of)?;
    if let Some(graph) = graph {
        println!("{graph}");
    }
    Ok(())
}

/// The text of all tasks of this process, of all loops and runtimes: each under one that awaits it, and those that nobody
/// awaits at the margin.
///
/// Each task is shown once, as in [`format_call_graph`]. What [`capture_call_graph`] says of waits that are not known holds
/// here, too. Tasks of a [`LocalSet`](crate::LocalSet) and closures of `spawn_blocking` are not shown. Tasks that drive a
/// loop of [`EventLoop::start`](super::EventLoop::start) are.
///
/// # Source
/// `python -m asyncio pstree`.
///
/// # Examples
/// ```
/// use filch::asyncio::{create_task, get_running_loop, pstree, sleep};
///
/// filch::asyncio::run(async {
///     let on = get_running_loop().unwrap();
///     let tea = on.build_task().name("tea").create(std::future::pending::<()>());
///     let guest = on.build_task().name("guest").create(async move { tea.await.is_ok() });
///     sleep(std::time::Duration::ZERO).await;
///     let text = pstree();
///     let line = |word| text.lines().position(|line| line.contains(word)).unwrap();
///     assert!(line("name=\"guest\"") < line("    * Task(name=\"tea\""));
/// })
/// .unwrap();
/// ```
pub fn pstree() -> String {
    let living = Living::all();
    let mut graph = CallGraph::new(Way::Down);
    let whole = living.tasks.iter().map(|task| Waiter {
        what: task.what(),
        next: Vec::new(),
        others: 0,
    });
    graph.nodes = whole.collect();
    for (number, task) in living.tasks.iter().enumerate() {
        let waits = living.who_awaits(task);
        if waits.tasks.is_empty() {
            graph.roots.push(number);
        }
        for by in waits.tasks {
            graph.nodes[by].next.push(number);
        }
    }
    // Last, those that are in circles, which nobody outside awaits.
    graph.roots.extend(0..living.tasks.len());
    graph.to_string()
}

//! Trees of tasks that are stopped at any of their awaits, in any way, while they panic: everything ends, and everything is
//! dropped, once.

use std::future::{Future, pending};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use filch::runtime::Runtime;
use filch::task::{AbortHandle, CancelScope, TaskGroup, with_grace, yield_now};
use filch::time::sleep;

mod common;
use common::{Drops, Random, a_while, bounded, bounded_by, eventually, many, multi, patience};

type Boxed = Pin<Box<dyn Future<Output = Result<(), Error>> + Send>>;
type Error = &'static str;

const HOUR: Duration = Duration::from_secs(3600);

/// How the root of a tree is stopped.
#[derive(Clone, Copy, Debug)]
enum Way {
    Cancel,
    Abort,
    Scope,
    Fail,
    Panic,
}

const WAYS: [Way; 5] = [Way::Cancel, Way::Abort, Way::Scope, Way::Fail, Way::Panic];

/// A tree with one branch, and what happens at which of its awaits.
struct Tree {
    steps: AtomicUsize,
    /// The await at which it is stopped.
    stop_at: usize,
    way: Way,
    scope: CancelScope,
    root: std::sync::OnceLock<AbortHandle>,
    drops: Drops,
    made: AtomicUsize,
}

impl Tree {
    fn counted(&self) -> common::Counted {
        self.made.fetch_add(1, Ordering::SeqCst);
        self.drops.counted()
    }

    /// Comes to an await.
    async fn step(&self) -> Result<(), Error> {
        if self.steps.fetch_add(1, Ordering::SeqCst) + 1 == self.stop_at {
            match self.way {
                Way::Cancel => drop(self.root.wait_for().cancel("chaos")),
                Way::Abort => self.root.wait_for().abort(),
                Way::Scope => drop(self.scope.cancel("chaos")),
                Way::Fail => return Err("chaos"),
                Way::Panic => panic!("on purpose"),
            }
        }
        yield_now().await;
        Ok(())
    }
}

trait WaitFor<T> {
    fn wait_for(&self) -> &T;
}

impl<T> WaitFor<T> for std::sync::OnceLock<T> {
    /// Who sets it is on its way.
    fn wait_for(&self) -> &T {
        loop {
            match self.get() {
                Some(value) => return value,
                None => std::thread::yield_now(),
            }
        }
    }
}

/// So many levels: a task each, in a group of the level above. Each third tidies up, each fifth shields a part.
fn grow(tree: Arc<Tree>, levels: usize) -> Boxed {
    let counted = tree.counted();
    let body = async move {
        let _counted = counted;
        tree.step().await?;
        if levels % 5 == 0 {
            CancelScope::shield(tree.step()).await?;
        }
        if levels > 0 {
            let below = tree.clone();
            let group = TaskGroup::scope(async move |group: TaskGroup<Error>| {
                let counted = below.counted();
                let child = group.spawn(grow(below.clone(), levels - 1));
                // A sibling that never ends by itself, on some levels.
                if levels % 10 == 0 {
                    group.spawn(async move {
                        let _counted = counted;
                        pending::<Result<(), Error>>().await
                    });
                }
                below.step().await?;
                let _ = child.await;
                group.cancel("the level is done");
                Ok(())
            });
            group.await.map_err(|_| "below")?;
        }
        tree.step().await
    };
    if levels % 3 == 0 {
        Box::pin(with_grace(HOUR, body))
    } else {
        Box::pin(body)
    }
}

/// Grows a tree, and stops it at an await. False if it was done before it came there.
fn run_tree(rt: &Runtime, levels: usize, stop_at: usize, way: Way) -> bool {
    let tree = Arc::new(Tree {
        steps: AtomicUsize::new(0),
        stop_at,
        way,
        scope: CancelScope::new(),
        root: std::sync::OnceLock::new(),
        drops: Drops::default(),
        made: AtomicUsize::new(0),
    });
    let (theirs, scope) = (tree.clone(), tree.scope.clone());
    let root = rt.spawn(async move { scope.run(grow(theirs, levels)).await });
    assert!(tree.root.set(root.abort_handle()).is_ok());
    let outcome = rt.block_on(async { filch::time::timeout(a_while(), root).await });
    let outcome = outcome.unwrap_or_else(|_| panic!("{way:?} at {stop_at}: it never ends"));
    let stopped = tree.steps.load(Ordering::SeqCst) >= stop_at;
    match (way, outcome) {
        // At the end it may be done before it sees that it was stopped.
        (_, Ok(Ok(Ok(())))) => {}
        (Way::Cancel, Ok(_)) => assert!(stopped),
        (Way::Cancel, Err(error)) => assert_eq!(error.reason(), Some("chaos")),
        (Way::Abort, Err(error)) => assert!(error.is_cancelled() && error.reason().is_none()),
        (Way::Scope, Ok(_)) | (Way::Fail, Ok(Ok(Err(_)))) | (Way::Panic, Ok(Ok(Err(_)))) => {}
        // The panic of the root itself is its task's.
        (Way::Panic, Err(error)) => assert!(error.is_panic()),
        (way, outcome) => panic!("{way:?} at {stop_at}: {outcome:?}"),
    }
    // After an abort the levels end one by one.
    eventually("every part of the tree is dropped", || {
        tree.drops.count() == tree.made.load(Ordering::SeqCst)
    });
    stopped
}

#[test]
fn a_tree_of_30_levels_is_stopped_at_each_of_its_awaits_in_each_way() {
    quiet();
    let mut random = Random::from_env();
    bounded(move || {
        let rt = multi(8);
        let mut ways = WAYS;
        for stop_at in 1.. {
            let first = random.below(ways.len());
            ways.rotate_left(first);
            // All of them, one after another.
            let stopped = ways.map(|way| run_tree(&rt, 30, stop_at, way));
            if stopped == [false; 5] {
                assert!(stop_at > 90, "it has more awaits than that");
                return;
            }
        }
    });
}

#[test]
fn a_tree_of_1000_levels_is_stopped_at_awaits_from_the_root_to_the_leaf_and_back() {
    quiet();
    let mut random = Random::from_env();
    // Each await with FILCH_STRESS, however long that takes; else some, other ones each time.
    let (most, limit) = match std::env::var_os("FILCH_STRESS") {
        Some(_) => (1, 30 * patience()),
        None => (160, patience()),
    };
    bounded_by(limit, move || {
        let rt = multi(8);
        let mut stop_at = 1 + random.below(most);
        loop {
            let way = WAYS[random.below(WAYS.len())];
            if !run_tree(&rt, 1000, stop_at, way) {
                break;
            }
            stop_at += 1 + random.below(most);
        }
        assert!(stop_at > 3000, "it has more awaits than that: {stop_at}");
    });
}

#[test]
fn nested_scopes_of_one_task_are_stopped_at_each_await() {
    /// So many scopes in each other; the handle of each is pushed.
    fn nest(levels: usize, handles: Arc<std::sync::Mutex<Vec<CancelScope>>>) -> Boxed {
        Box::pin(async move {
            let scope = CancelScope::new();
            handles.lock().unwrap().push(scope.clone());
            let block = async {
                yield_now().await;
                if levels > 0 {
                    nest(levels - 1, handles).await?;
                }
                CancelScope::shield(yield_now()).await;
                yield_now().await;
                Ok(())
            };
            scope.run(block).await.map_err(|_| "stopped")?
        })
    }
    quiet();
    let mut random = Random::from_env();
    bounded(move || {
        let levels = 100;
        for polls in 0..3 * (levels + 1) {
            let handles = Arc::default();
            let probe = common::Probe::new();
            let mut all = nest(levels, Arc::clone(&handles));
            for _ in 0..polls {
                assert!(probe.poll(&mut all).is_pending());
            }
            let which = {
                let handles = handles.lock().unwrap();
                let which = random.below(handles.len().max(1));
                if let Some(scope) = handles.get(which) {
                    scope.cancel("chaos");
                }
                which
            };
            // It ends: at once, or after a shielded part, or since that level was done already.
            let mut left = 5 * levels;
            while probe.poll(&mut all).is_pending() {
                assert!(
                    left > 0,
                    "level {which} was stopped at {polls}, and nothing ends"
                );
                left -= 1;
            }
            drop(all);
            assert_eq!(probe.held(), 0);
        }
    });
}

/// A child that lives for a while, and may panic, also when it is dropped.
async fn child(mut random: Random, bomb: Bomb) -> Result<(), Error> {
    let _bomb = bomb;
    for _ in 0..random.below(6) {
        match random.below(8) {
            0 => sleep(Duration::from_micros(random.below(300) as u64)).await,
            1 => CancelScope::shield(yield_now()).await,
            2 => with_grace(Duration::from_millis(1), yield_now()).await,
            _ => yield_now().await,
        }
    }
    match random.below(6) {
        0 => panic!("on purpose"),
        1 => Err("on purpose"),
        2 => pending().await,
        _ => Ok(()),
    }
}

/// Is counted when it is dropped; panics then, if it is armed.
struct Bomb {
    _counted: common::Counted,
    armed: bool,
}

impl Drop for Bomb {
    fn drop(&mut self) {
        if self.armed && !std::thread::panicking() {
            panic!("dropped on purpose");
        }
    }
}

#[test]
fn groups_that_go_while_their_children_panic_leak_nothing() {
    quiet();
    let mut random = Random::from_env();
    let rounds = many(2000);
    bounded(move || {
        let rt = multi(8);
        let (drops, made) = (Drops::default(), Arc::new(AtomicUsize::new(0)));
        for _ in 0..rounds {
            let (mut theirs, drops, made) = (random.fork(), drops.clone(), made.clone());
            let limit = 1 + random.below(20);
            let group = TaskGroup::builder().limit(limit);
            let task = rt.spawn(group.scope(async move |group: TaskGroup<Error>| {
                for _ in 0..theirs.below(30) {
                    made.fetch_add(1, Ordering::SeqCst);
                    let bomb = Bomb {
                        _counted: drops.counted(),
                        armed: theirs.below(10) == 0,
                    };
                    let next = child(theirs.fork(), bomb);
                    match theirs.below(4) {
                        0 => drop(group.wait_spawn(next).await),
                        1 => group.spawn(next).abort(),
                        2 => drop(group.spawn(next).cancel("chaos")),
                        _ => drop(group.spawn(next)),
                    }
                }
                match theirs.below(4) {
                    0 => panic!("the block, on purpose"),
                    1 => Err("the block, on purpose"),
                    2 => pending().await,
                    _ => Ok(()),
                }
            }));
            (0..random.below(3000)).for_each(|_| std::hint::spin_loop());
            match random.below(3) {
                0 => task.abort(),
                1 => drop(task.cancel("chaos")),
                // Those that would wait for ever are stopped, too, a little later.
                _ => {
                    rt.block_on(async { sleep(Duration::from_micros(200)).await });
                    task.cancel("late");
                }
            }
            let end = rt.block_on(async { filch::time::timeout(a_while(), task).await });
            // Panics are in the error of the group, never the task's own.
            match end.expect("the group never ends") {
                Ok(_) => {}
                Err(error) => assert!(error.is_cancelled(), "{error}"),
            }
        }
        eventually("all children are dropped", || {
            drops.count() == made.load(Ordering::SeqCst)
        });
        common::assert_healthy(&rt, 8);
    });
}

/// What panics on purpose is not worth a page of output each.
fn quiet() {
    static ONCE: std::sync::Once = std::sync::Once::new();
    ONCE.call_once(|| {
        let other = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            if !said(info).is_some_and(|said| said.contains("on purpose")) {
                other(info);
            }
        }));
    });
}

fn said<'a>(info: &'a std::panic::PanicHookInfo<'_>) -> Option<&'a str> {
    let payload = info.payload();
    let text = payload.downcast_ref::<&str>().copied();
    text.or_else(|| payload.downcast_ref::<String>().map(String::as_str))
}

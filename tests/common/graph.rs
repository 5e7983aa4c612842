//! What the tests of the call graph share: tasks with names, and graphs without what differs from run to run.

#![allow(dead_code, reason = "each test binary uses a part of it")]

use filch::EventLoop;
use filch::asyncio::{
    CallGraph, GraphNode, LoopTask, Outcome, capture_call_graph, get_running_loop, sleep,
};

use crate::asyncio_common::ms;

pub(crate) fn here() -> EventLoop {
    get_running_loop().unwrap()
}

#[track_caller]
pub(crate) fn named<T: Outcome>(
    name: &str,
    future: impl Future<Output = T> + Send + 'static,
) -> LoopTask<T> {
    here().build_task().name(name).create(future)
}

/// A task that waits for ever.
#[track_caller]
pub(crate) fn waits(name: &str) -> LoopTask<()> {
    named(name, std::future::pending())
}

/// All who can begin to wait.
pub(crate) async fn settle() {
    for _ in 0..6 {
        sleep(ms(0)).await;
    }
}

pub(crate) fn graph(of: &dyn GraphNode) -> CallGraph {
    capture_call_graph(Some(of)).unwrap().unwrap()
}

/// `a(b c(d))`: who awaits whom, by their names; a task without one is `?`, a promise `F`.
pub(crate) fn shape(of: &CallGraph) -> String {
    fn walk(of: &CallGraph, at: usize, depth: usize, into: &mut String) {
        assert!(depth < 20, "a cycle in {into}");
        let node = &of.waiters()[at];
        let name = match node.name() {
            None => "F",
            Some(name) if name.starts_with("Task-") => "?",
            Some(name) => name,
        };
        into.push_str(name);
        if !node.awaited_by().is_empty() {
            into.push('(');
            for (n, &by) in node.awaited_by().iter().enumerate() {
                into.push_str(if n == 0 { "" } else { " " });
                walk(of, by, depth + 1, into);
            }
            into.push(')');
        }
    }
    let mut text = String::new();
    walk(of, 0, 0, &mut text);
    text
}

/// The text without ids and places, which differ.
pub(crate) fn plain(text: &str) -> String {
    let lines = text.lines().filter(|line| !line.contains("+ Created at "));
    let without_id = |line: &str| {
        let parts: Vec<&str> = line.split(", id=").collect();
        let rest = parts[1..].iter().map(|rest| {
            let digits = rest.find(|c: char| !c.is_ascii_digit());
            &rest[digits.unwrap_or(rest.len())..]
        });
        parts[..1].iter().copied().chain(rest).collect::<String>()
    };
    lines.map(without_id).collect::<Vec<_>>().join("\n")
}

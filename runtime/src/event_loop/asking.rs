//! The way of one request to stop: from the task that was asked down to those that hear it.
//!
//! A task hands the request to what it awaits, which may be a task, or many, that hand it on in turn. That is a walk over
//! the graph of waits, depth first, with its own stack: a chain may be longer than the stack of a thread. Each task hands
//! on once, so the walk ends, and takes no longer than the graph is large.
//!
//! A task that is met again on the way down from it awaits itself, by others: nobody there would ever hear the request if it
//! went round. It is thrown into that task instead. One that is met again by another way has handed on already, and its
//! outcome goes both ways.

use std::collections::HashMap;
use std::sync::Arc;

use super::cancel;
use super::task::{self, AnyTask};
use crate::origin::Id;

/// A request under way.
#[derive(Default)]
pub struct Asking {
    /// The next one last.
    todo: Vec<Visit>,
    /// The task that hands on now: it is on the way.
    at: Option<Id>,
    /// Those that have handed on to others: true while these are asked.
    seen: HashMap<Id, bool>,
}

enum Visit {
    Enter(Arc<dyn AnyTask>),
    Leave(Id),
}

impl Asking {
    /// Asks a task to stop. False if it is done. What it awaits is asked in [`go_on`](Self::go_on).
    pub(super) fn ask(&mut self, task: &Arc<dyn AnyTask>, reason: Arc<str>) -> bool {
        if task.is_done() {
            return false;
        }
        let id = task.origin().id;
        let on_the_way = match self.at {
            Some(at) if at == id => Some(true),
            _ => self.seen.get(&id).copied(),
        };
        match on_the_way {
            None => {
                if !task.cancelling().request(reason) {
                    return false;
                }
                self.todo.push(Visit::Enter(task.clone()));
            }
            Some(true) => {
                task.cancelling().came_round(reason);
                task.clone().queue_step();
            }
            Some(false) => task.cancelling().count(),
        }
        true
    }

    /// What the tasks await that were asked is asked, and so on.
    pub(super) fn go_on(mut self) {
        while let Some(visit) = self.todo.pop() {
            match visit {
                Visit::Leave(id) => {
                    self.seen.insert(id, false);
                }
                // A task that asks itself is told when it waits.
                Visit::Enter(task) if task::is_current(&*task) => {}
                Visit::Enter(task) => {
                    if !self.seen.contains_key(&task.origin().id) && self.hand_on(&*task) {
                        task.queue_step();
                    }
                }
            }
        }
    }

    /// Has a task hand on what it has not heard. True if it must hear it itself.
    pub(super) fn hand_on(&mut self, task: &dyn AnyTask) -> bool {
        let id = task.origin().id;
        self.todo.push(Visit::Leave(id));
        let first = self.todo.len();
        self.at = Some(id);
        let hears = cancel::hand_to_target(task, self);
        self.at = None;
        if self.todo.len() > first {
            // In their order.
            self.todo[first..].reverse();
            self.seen.insert(id, true);
        } else if first == 1 {
            // It is the last: nobody will meet it again.
            self.todo.pop();
        }
        hears
    }
}

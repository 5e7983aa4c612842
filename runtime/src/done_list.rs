//! Which of many tasks are done: each adds its number to the list as it ends, and wakes whoever waits for the next one.
//!
//! Telling is: add the number and take the waker, under the lock; wake. Waiting is: take all numbers there are, or leave
//! the waker, under the lock. So no number is added between the look and the waker. That a task is in the list at all is
//! up to [`Joiner::tell`](crate::task::Joiner::tell), whose second look tells a task that ended before.
//!
//! Model: `task::model::whoever_waits_for_many_tasks_hears_of_each_once`; it fails without the waker, and without the
//! second look.

use std::collections::VecDeque;
use std::task::Waker;

use crate::job::quietly;
use crate::promise::Lead;
use crate::sync_prim::{Mutex, keep};
use crate::task::clone_of_task;

#[derive(Default)]
pub(crate) struct DoneList(Mutex<State>);

#[derive(Default)]
struct State {
    done: VecDeque<usize>,
    waker: Option<Waker>,
}

impl DoneList {
    /// The task with this number is done.
    pub(crate) fn tell(&self, number: usize) {
        let waker = {
            let mut state = self.0.lock();
            state.done.push_back(number);
            state.waker.take()
        };
        if let Some(waker) = waker {
            quietly(|| waker.wake());
        }
    }

    /// Adds where whoever waits leads.
    pub(crate) fn leads(&self, into: &mut Vec<Lead>) {
        into.extend(self.0.lock().waker.as_ref().map(Lead::waker));
    }

    /// Fills `batch`, which is empty, with all numbers told since the last call.
    pub(crate) fn take(&self, batch: &mut VecDeque<usize>) {
        std::mem::swap(&mut self.0.lock().done, batch);
    }

    /// As [`take`](Self::take). If there are none the waker is left here, in place of the last one.
    pub(crate) fn take_or_wait(&self, batch: &mut VecDeque<usize>, waker: &Waker) {
        let mut other = None;
        loop {
            let mut state = self.0.lock();
            if !state.done.is_empty() {
                std::mem::swap(&mut state.done, batch);
                return;
            }
            let is_there = state.waker.as_ref().is_some_and(|old| old.will_wake(waker));
            if is_there || !keep("done_list_waker") {
                return;
            }
            if let Some(own) = other.take().or_else(|| clone_of_task(waker)) {
                let old = state.waker.replace(own);
                drop(state);
                // Not under the lock: a waker's drop may be anybody's code.
                return drop(old);
            }
            drop(state);
            // So may its clone be: then look again.
            other = Some(waker.clone());
        }
    }
}

//! What few tasks need: a name, who asked it to stop, who waits to be told so, and what holds the stop off.
//!
//! | field      | who writes it                                      | who reads it                     |
//! |------------|----------------------------------------------------|----------------------------------|
//! | `extra`    | spawn                                              | anyone                           |
//! | `request`  | the first who cancels, before ASKED                | anyone, under the lock           |
//! | `holds`    | shields and grace periods, with HELD, one lock     | they                             |
//! | `watchers` | futures that wait to be told; taken after ASKED    | whoever cancels                  |
//!
//! Telling: cancel N1 write the request · N2 set ASKED · N3 take the watchers; watch V1 register · V2 look at ASKED. N3 and
//! V1 go through one lock: either N3 finds the watcher, or V2 comes after N3, and so after N2, and finds ASKED.

use std::task::Waker;

use super::late::Late;
use super::state::{State, Wake};
use crate::cancellation::Cancellation;
use crate::origin::Extra;
use crate::promise::callbacks::{Callbacks, Key};
use crate::sync_prim::{Mutex, keep};

#[derive(Default)]
pub(super) struct Side {
    pub(super) extra: Extra,
    inner: Mutex<Inner>,
    watchers: Callbacks,
}

#[derive(Default)]
struct Inner {
    request: Option<Cancellation>,
    /// How many hold the stop off.
    holds: usize,
    last_key: Key,
}

impl Side {
    /// What a task begins with that came with something.
    pub(super) fn with(extra: Extra) -> Box<Side> {
        Box::new(Side {
            extra,
            ..Side::default()
        })
    }

    /// Why the task was asked to stop.
    pub(super) fn request(&self) -> Option<Cancellation> {
        self.inner.lock().request.clone()
    }

    /// N1. The first request stays.
    pub(super) fn note(&self, why: Cancellation) {
        self.inner.lock().request.get_or_insert(why);
    }

    /// N3.
    pub(super) fn tell(&self) {
        self.watchers.take().complete(drop);
    }

    /// A key for [`watch`](Self::watch).
    pub(super) fn key(&self) -> Key {
        let mut inner = self.inner.lock();
        inner.last_key += 1;
        inner.last_key
    }

    /// V1 and V2: has the waker woken when the task is asked to stop. False if it was asked before.
    pub(super) fn watch(&self, state: &State, key: Key, waker: &Waker) -> bool {
        self.watchers.wait(key, waker);
        !(keep("V2") && state.is_asked())
    }

    pub(super) fn unwatch(&self, key: Key) {
        self.watchers.remove(key);
    }

    /// One more holds the stop off.
    pub(super) fn hold(&self, state: &State) {
        let mut inner = self.inner.lock();
        inner.holds += 1;
        if inner.holds == 1 {
            state.hold();
        }
    }

    /// One less does; the last one lets a stop that was asked for meanwhile through.
    pub(super) fn release(&self, state: &State) -> Wake {
        let mut inner = self.inner.lock();
        inner.holds -= 1;
        if inner.holds > 0 {
            return Wake::Nothing;
        }
        state.unhold()
    }
}

/// The place for it in each task.
pub(super) type SidePlace = Late<Side>;

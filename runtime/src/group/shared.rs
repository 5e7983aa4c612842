//! What the body, the children and the handles of one group share.
//!
//! A child that is done at its first poll touches the count, and nothing else. One that has to wait leaves a reference to
//! its task, so that whoever stops the group can reach it; before its first poll it looks whether the group stops.

use std::any::Any;
use std::cell::Cell;

use slab::Slab;

use super::count::Count;
use super::room::Room;
use super::waited;
use crate::cancel::CancelScope;
use crate::cancellation::Cancellation;
use crate::census::Counted;
use crate::sync_prim::{AtomicBool, Mutex, Ordering};
use crate::task::{Task, current};
use std::sync::Arc;
use std::time::Duration;

/// A group, whatever its errors are.
pub(super) struct Shared {
    pub(super) count: Count,
    /// In which the body runs.
    pub(super) scope: CancelScope,
    room: Option<Room>,
    /// The children's time to tidy up.
    pub(super) grace: Option<Duration>,
    stops: AtomicBool,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    stop: Option<Stop>,
    /// Children that wait for something.
    children: Slab<Task>,
    /// From the first of them on.
    counted: Option<Counted<Shared>>,
    /// Each is a `Failure<E>`.
    failures: Vec<Box<dyn Any + Send>>,
    /// The group around this one, when the future of this one's scope was dropped before all had left.
    heir: Option<Arc<Shared>>,
    last_key: u64,
}

/// Why the children were told to stop.
#[derive(Clone)]
pub(super) struct Stop {
    pub(super) why: Cancellation,
    pub(super) by: By,
    /// They get no time to tidy up.
    hard: bool,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum By {
    /// The first failure.
    Failure,
    /// The group's own handle.
    Handle,
    /// The task, or a scope around.
    Outside,
    /// A deadline.
    Deadline,
    /// The future of the scope was dropped.
    Drop,
}

thread_local! {
    /// The group whose member this thread polls.
    static CURRENT: Cell<Option<Arc<Shared>>> = const { Cell::new(None) };
}

/// While it lives the group is the current one. It moves there and back, so that nothing is counted.
pub(super) struct Inside<'a> {
    place: &'a mut Option<Arc<Shared>>,
    outer: Option<Arc<Shared>>,
}

impl Inside<'_> {
    #[inline]
    pub(super) fn begin(place: &mut Option<Arc<Shared>>) -> Inside<'_> {
        let outer = CURRENT.replace(place.take());
        Inside { place, outer }
    }
}

impl Drop for Inside<'_> {
    #[inline]
    fn drop(&mut self) {
        *self.place = CURRENT.replace(self.outer.take());
    }
}

/// Calls `f` as if it were in no group: as [`cancel::outside`](crate::cancel::outside).
pub(crate) fn outside<R>(f: impl FnOnce() -> R) -> R {
    let mut nothing = None;
    let _inside = Inside::begin(&mut nothing);
    f()
}

impl Shared {
    pub(super) fn new(
        places: Option<usize>,
        grace: Option<Duration>,
        scope: CancelScope,
    ) -> Shared {
        Shared {
            count: Count::new(),
            scope,
            room: places.map(Room::new),
            grace,
            stops: AtomicBool::new(false),
            state: Mutex::default(),
        }
    }

    /// The group around the code that calls this.
    pub(super) fn current() -> Option<Arc<Shared>> {
        let current = CURRENT.take();
        CURRENT.set(current.clone());
        current
    }

    /// True if only so many children run at once.
    pub(super) fn is_limited(&self) -> bool {
        self.room.is_some()
    }

    pub(super) fn room(&self) -> &Room {
        self.room
            .as_ref()
            .expect("asked only where there is a limit")
    }

    /// True once the children were told to stop: then there is no way in.
    #[inline]
    pub(super) fn stops(&self) -> bool {
        // Ordering: Acquire <- the Release in `stop`: the reason is in place.
        self.stops.load(Ordering::Acquire)
    }

    pub(super) fn why(&self) -> Option<Stop> {
        self.state.lock().stop.clone()
    }

    /// Tells all children to stop, and the body. The first reason stays.
    pub(super) fn stop(&self, why: Cancellation, by: By) -> bool {
        let hard = by == By::Drop;
        let mut state = self.state.lock();
        let first = state.stop.is_none();
        let stop = state.stop.get_or_insert(Stop { why, by, hard });
        let comes_to_more = first || (hard && !stop.hard);
        stop.hard |= hard;
        let stop = stop.clone();
        self.stops.store(true, Ordering::Release);
        let children: Vec<Task> = match comes_to_more {
            true => state
                .children
                .iter()
                .map(|(_, task)| task.clone())
                .collect(),
            false => Vec::new(),
        };
        drop(state);
        // Not under the lock: a task that stops may be anybody's code.
        for child in children {
            stop.tell(&child);
        }
        if first {
            self.scope.cancel_as(stop.why);
            if let Some(room) = &self.room {
                room.knock();
            }
        }
        first
    }

    /// A child that has to wait says where it is. None if it is told to stop instead.
    pub(super) fn register(self: &Arc<Self>, child: Task) -> Option<usize> {
        let mut state = self.state.lock();
        match &state.stop {
            None => {
                if state.counted.is_none() {
                    state.counted = Some(waited::count(self));
                }
                Some(state.children.insert(child))
            }
            Some(stop) => {
                let stop = stop.clone();
                drop(state);
                stop.tell(&child);
                None
            }
        }
    }

    /// Those that wait for something.
    pub(super) fn children(&self) -> Vec<Task> {
        let state = self.state.lock();
        state
            .children
            .iter()
            .map(|(_, task)| task.clone())
            .collect()
    }

    /// A child that has not begun, and shall not.
    pub(super) fn refuse(&self, child: &Task) {
        if let Some(stop) = self.why() {
            stop.tell(child);
        }
    }

    /// Keeps a failure; the first one stops the others.
    pub(super) fn fail(&self, failure: Box<dyn Any + Send>, why: Cancellation) {
        self.state.lock().failures.push(failure);
        self.stop(why, By::Failure);
    }

    pub(super) fn take_failures(&self) -> Vec<Box<dyn Any + Send>> {
        std::mem::take(&mut self.state.lock().failures)
    }

    /// A member leaves; a child that had registered is `child`. The last one lets the group around know.
    #[inline]
    pub(super) fn leave(&self, child: Option<usize>) {
        if let Some(child) = child {
            let task = self.state.lock().children.remove(child);
            drop(task);
        }
        if self.count.leave() {
            self.let_heir_go();
        }
    }

    #[cold]
    fn let_heir_go(&self) {
        let mut heir = self.state.lock().heir.take();
        // Not recursive: groups may be nested deep.
        while let Some(group) = heir {
            heir = match group.count.leave() {
                true => group.state.lock().heir.take(),
                false => None,
            };
        }
    }

    /// The scope's future goes before all have left: they are aborted, and the group around waits for them.
    pub(super) fn give_up(&self, why: Cancellation, around: Option<&Arc<Shared>>) {
        self.stop(why, By::Drop);
        if let Some(around) = around {
            if around.count.enter() {
                self.state.lock().heir = Some(around.clone());
            }
        }
    }

    pub(super) fn key(&self) -> u64 {
        let mut state = self.state.lock();
        state.last_key += 1;
        state.last_key
    }
}

impl Stop {
    fn tell(&self, child: &Task) {
        child.cancel(self.why.clone());
        if self.hard {
            child.abort();
        }
    }
}

/// The current task, which a child always has.
pub(super) fn this_task() -> Task {
    current::task().expect("a child is a task")
}

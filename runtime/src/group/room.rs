//! How many children of a group run at once: places, given out in the order in which they were asked for.

use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use parking_lot::Mutex;

use super::shared::Shared;
use crate::job::quietly;
use std::sync::Arc;

/// The places of one group.
pub(super) struct Room(Mutex<Places>);

struct Places {
    free: usize,
    /// Who waits, in order; none: it was given a place, and has not come to take it.
    waiting: BTreeMap<u64, Option<Waker>>,
    last_key: u64,
}

impl Room {
    pub(super) fn new(places: usize) -> Room {
        Room(Mutex::new(Places {
            free: places,
            waiting: BTreeMap::new(),
            last_key: 0,
        }))
    }

    /// A place is free: the first who waits gets it.
    fn give_back(&self) {
        let mut places = self.0.lock();
        let first = places.waiting.values_mut().find_map(Option::take);
        if first.is_none() {
            places.free += 1;
        }
        drop(places);
        if let Some(waker) = first {
            quietly(|| waker.wake());
        }
    }

    /// Wakes all who wait, to look whether there still is something to wait for.
    pub(super) fn knock(&self) {
        let all: Vec<_> = {
            let places = self.0.lock();
            places.waiting.values().flatten().cloned().collect()
        };
        for waker in all {
            quietly(|| waker.wake());
        }
    }
}

/// A place that a child has; it is free again when this is dropped.
pub(super) struct Place(Arc<Shared>);

impl Drop for Place {
    fn drop(&mut self) {
        self.0.room().give_back();
    }
}

/// Waits for a place; ready without one when the group stops.
pub(super) struct Wait {
    group: Arc<Shared>,
    key: Option<u64>,
}

impl Wait {
    pub(super) fn new(group: Arc<Shared>) -> Wait {
        Wait { group, key: None }
    }

    fn place(&self) -> Place {
        Place(self.group.clone())
    }
}

impl Future for Wait {
    type Output = Option<Place>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        let mut places = this.group.room().0.lock();
        let Some(key) = this.key else {
            if places.free > 0 {
                places.free -= 1;
                drop(places);
                return Poll::Ready(Some(this.place()));
            }
            places.last_key += 1;
            let key = places.last_key;
            let waker = context.waker().clone();
            places.waiting.insert(key, Some(waker));
            this.key = Some(key);
            drop(places);
            // After the waker, not before: who stops the group in between has looked for it already.
            return match this.group.stops() {
                true => Poll::Ready(None),
                false => Poll::Pending,
            };
        };
        match places.waiting.get_mut(&key) {
            Some(Some(waker)) => {
                let new = context.waker();
                let old = (!waker.will_wake(new)).then(|| std::mem::replace(waker, new.clone()));
                drop(places);
                drop(old);
                match this.group.stops() {
                    true => Poll::Ready(None),
                    false => Poll::Pending,
                }
            }
            _ => {
                places.waiting.remove(&key);
                drop(places);
                this.key = None;
                Poll::Ready(Some(this.place()))
            }
        }
    }
}

impl Drop for Wait {
    fn drop(&mut self) {
        let Some(key) = self.key else { return };
        let entry = self.group.room().0.lock().waiting.remove(&key);
        // It was given a place, and never came.
        if let Some(None) = entry {
            self.group.room().give_back();
        }
    }
}

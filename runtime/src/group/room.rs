//! How many children of a group run at once: places, given out in the order in which they were asked for.
//!
//! A child asks when it is spawned, not when its task begins: tasks begin in any order. A place that is given back goes to the
//! first who waits, at once: it is never free while somebody waits, so that nobody comes in between. Whoever was given one and
//! does not come to take it passes it on when it is dropped. All that is under one lock.
//!
//! wait  Q0 none is free: queue · Q1 at each poll: leave the waker · Q2 does the group stop?
//! stop  Q3 the group stops (`group/shared`) · Q4 wake all who wait
//!
//! Q1 and Q4 go through the lock: Q4 finds the waker, or Q2 comes after Q3. Who is given a place between Q0 and its first poll
//! has left no waker, and needs none: its task is on its way to that poll. Models: `model`.

use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use super::shared::Shared;
use crate::job::quietly;
use crate::sync_prim::{Mutex, keep};
use crate::task::clone_of_task;
use std::sync::Arc;

/// The places of one group.
pub(super) struct Room(Mutex<Places>);

struct Places {
    free: usize,
    /// Who waits, in order.
    waiting: BTreeMap<u64, Waiter>,
    last_key: u64,
}

enum Waiter {
    /// The waker is there from its first poll on.
    Waits(Option<Waker>),
    /// It was given a place, and has not come to take it.
    HasPlace,
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
        let mut waiting = places.waiting.values_mut();
        let first = waiting.find_map(|waiter| {
            let Waiter::Waits(waker) = waiter else {
                return None;
            };
            let waker = waker.take();
            *waiter = Waiter::HasPlace;
            Some(waker)
        });
        if first.is_none() {
            places.free += 1;
        }
        drop(places);
        if let Some(Some(waker)) = first {
            quietly(|| waker.wake());
        }
    }

    /// Q4. Wakes all who wait, for the last time: the group stops, and whoever comes again sees it.
    pub(super) fn knock(&self) {
        let all: Vec<Waker> = {
            let mut places = self.0.lock();
            let wakers = places
                .waiting
                .values_mut()
                .filter_map(|waiter| match waiter {
                    Waiter::Waits(waker) => waker.take(),
                    Waiter::HasPlace => None,
                });
            wakers.collect()
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

/// Waits for a place, in the queue from the beginning; ready without one when the group stops.
pub(super) struct Wait {
    group: Arc<Shared>,
    turn: Turn,
}

enum Turn {
    /// A place was free.
    Has,
    Queued(u64),
    /// The place was taken.
    Over,
}

impl Wait {
    pub(super) fn new(group: Arc<Shared>) -> Wait {
        let mut places = group.room().0.lock();
        let turn = if places.free > 0 {
            places.free -= 1;
            Turn::Has
        } else {
            places.last_key += 1;
            let key = places.last_key;
            places.waiting.insert(key, Waiter::Waits(None)); // Q0
            Turn::Queued(key)
        };
        drop(places);
        Wait { group, turn }
    }
}

impl Future for Wait {
    type Output = Option<Place>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        if let Turn::Queued(key) = this.turn {
            let new = context.waker();
            let mut other = None;
            loop {
                let mut places = this.group.room().0.lock();
                let Some(Waiter::Waits(waker)) = places.waiting.get_mut(&key) else {
                    places.waiting.remove(&key);
                    drop(places);
                    quietly(|| drop(other));
                    break;
                };
                if !waker.as_ref().is_some_and(|old| old.will_wake(new)) {
                    let Some(own) = other.take().or_else(|| clone_of_task(new)) else {
                        drop(places);
                        // Not under the lock: a clone may be anybody's code, as a drop is.
                        other = Some(new.clone());
                        continue;
                    };
                    let old = waker.replace(own); // Q1
                    drop(places);
                    quietly(|| drop(old));
                } else {
                    drop(places);
                }
                // After the waker, not before: who stops the group in between has looked for it already. Q2
                return match keep("Q2") && this.group.stops() {
                    true => Poll::Ready(None),
                    false => Poll::Pending,
                };
            }
        }
        this.turn = Turn::Over;
        Poll::Ready(Some(Place(this.group.clone())))
    }
}

impl Drop for Wait {
    fn drop(&mut self) {
        let is_owed = match self.turn {
            Turn::Has => true,
            Turn::Queued(key) => {
                let waiter = self.group.room().0.lock().waiting.remove(&key);
                // It was given a place, and never came.
                matches!(waiter, Some(Waiter::HasPlace)) && keep("room_pass_on")
            }
            Turn::Over => false,
        };
        if is_owed {
            self.group.room().give_back();
        }
    }
}

#[cfg(all(test, filch_loom))]
mod model {
    use super::super::shared::By;
    use super::*;
    use crate::cancel::CancelScope;
    use crate::cancellation::Cancellation;
    use crate::sync_prim::{AtomicUsize, Ordering};
    use loom::future::block_on;
    use loom::thread;

    struct Group(Arc<Shared>, AtomicUsize);

    impl Group {
        fn with_one_place() -> Arc<Group> {
            let shared = Shared::new(Some(1), None, CancelScope::new());
            Arc::new(Group(Arc::new(shared), AtomicUsize::new(0)))
        }

        fn wait(&self) -> Wait {
            Wait::new(self.0.clone())
        }

        /// What the one with the place does, in two steps: another in between, or unseen, spoils the sum.
        fn touch(&self, _: &Place) -> usize {
            let touched = self.1.load(Ordering::Relaxed) + 1;
            self.1.store(touched, Ordering::Relaxed);
            touched
        }
    }

    fn poll_once(wait: &mut Wait) -> Poll<Option<Place>> {
        Pin::new(wait).poll(&mut Context::from_waker(Waker::noop()))
    }

    /// Two want the place; one more gives up, at times when it has been given it.
    #[test]
    fn a_place_goes_from_one_to_the_next_and_is_never_lost() {
        loom::model(|| {
            let group = Group::with_one_place();
            let Poll::Ready(Some(place)) = poll_once(&mut group.wait()) else {
                panic!("a place is free");
            };
            let other = {
                let group = group.clone();
                thread::spawn(move || {
                    let place = block_on(group.wait()).expect("the group goes on");
                    assert_eq!(group.touch(&place), 2);
                })
            };
            let mut gives_up = group.wait();
            assert!(poll_once(&mut gives_up).is_pending());
            group.touch(&place);
            drop(place);
            drop(gives_up);
            other.join().unwrap();
            let places = group.0.room().0.lock();
            assert!(places.free == 1 && places.waiting.is_empty());
        });
    }

    #[test]
    fn who_waits_for_a_place_hears_that_the_group_stops() {
        loom::model(|| {
            let group = Group::with_one_place();
            let place = poll_once(&mut group.wait());
            let other = {
                let group = group.clone();
                thread::spawn(move || group.0.stop(Cancellation::shutdown(), By::Outside))
            };
            assert!(block_on(group.wait()).is_none(), "there is no place");
            assert!(other.join().unwrap(), "nobody else stops it");
            drop(place);
        });
    }
}

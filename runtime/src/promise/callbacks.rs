//! Done-callbacks: what happens when something is done, in the order in which it was asked for.
//!
//! Task outcomes, I/O readiness and promises all complete through this list. Nobody waiting and one waiter need no
//! allocation; the second waiter moves the list to the heap. The owner decides what "done" is and looks at it *after*
//! it has registered, since a completion that came before has taken the list already.
//!
//! A callback never runs here: [`Callbacks::take`] hands the list out, and [`Done::complete`] re-enqueues tasks and
//! passes jobs on without a lock held, so that neither can come back into the list's owner.

use std::collections::BTreeMap;
use std::task::Waker;

use super::follow::{Follow, Lead};
use crate::done_list::DoneList;
use crate::job::{Job, quietly};
use crate::sync_prim::{Mutex, MutexGuard};
use crate::task::clone_of_task;
use std::sync::Arc;

/// What one waiter wants.
pub(crate) enum Callback {
    /// Its task re-enqueued.
    Wake(Waker),
    /// A job carried to a worker.
    Call(Job),
    /// Its number added to a list.
    Tell(Arc<DoneList>, usize),
    /// Another thing of the library's own is to go on.
    Follow(Arc<dyn Follow>),
}

/// Which waiter: given by the owner of the list, never twice. Rises with each registration.
pub(crate) type Key = u64;

#[derive(Default)]
enum List {
    #[default]
    Empty,
    One(Key, Callback),
    /// Boxed: the list is part of every task, and few have more than one waiter. Keys rise, so their order is that of
    /// registration.
    #[expect(clippy::box_collection, reason = "one word where the map has three")]
    Many(Box<BTreeMap<Key, Callback>>),
}

/// The waiters of one thing.
#[derive(Default)]
pub(crate) struct Callbacks(Mutex<List>);

/// The waiters of a thing that is done.
#[must_use = "the waiters are never told otherwise"]
pub(crate) struct Done(List);

impl Callbacks {
    pub(crate) fn new() -> Callbacks {
        Callbacks::default()
    }

    /// Registers the waker, in place of what `key` registered before and at its rank.
    #[inline]
    pub(crate) fn wait(&self, key: Key, waker: &Waker) {
        let mut list = self.0.lock();
        match list.find(key) {
            Some(Callback::Wake(old)) if old.will_wake(waker) => {}
            Some(_) => self.wait_with_any(list, key, waker),
            None => match clone_of_task(waker) {
                Some(own) => list.push(key, Callback::Wake(own)),
                None => self.wait_with_any(list, key, waker),
            },
        }
    }

    /// Without the lock where the waker is cloned and where the old one is dropped: both may be anybody's code. Whoever
    /// completes the list in between is seen when the owner looks, as ever.
    #[cold]
    fn wait_with_any(&self, list: MutexGuard<'_, List>, key: Key, waker: &Waker) {
        drop(list);
        let new = Callback::Wake(waker.clone());
        let mut list = self.0.lock();
        let old = match list.find(key) {
            Some(slot) => Some(std::mem::replace(slot, new)),
            None => {
                list.push(key, new);
                None
            }
        };
        drop(list);
        quietly(|| drop(old));
    }

    /// Registers a callback.
    pub(crate) fn add(&self, key: Key, callback: Callback) {
        self.0.lock().push(key, callback);
    }

    /// Forgets what `key` registered. True if it was there still.
    pub(crate) fn remove(&self, key: Key) -> bool {
        let old = self.0.lock().remove(key);
        let was_there = old.is_some();
        if let Some(old) = old {
            quietly(|| drop(old));
        }
        was_there
    }

    /// Adds where each waiter leads, in order, as far as that can be told.
    pub(crate) fn leads(&self, into: &mut Vec<Lead>) {
        let mut add = |callback: &Callback| match callback {
            Callback::Wake(waker) => into.push(Lead::waker(waker)),
            Callback::Call(_) => {}
            Callback::Tell(list, _) => list.leads(into),
            Callback::Follow(follow) => into.push(Lead::Follow(follow.clone())),
        };
        match &*self.0.lock() {
            List::Empty => {}
            List::One(_, callback) => add(callback),
            List::Many(all) => all.values().for_each(add),
        }
    }

    /// Takes the whole list.
    #[inline]
    pub(crate) fn take(&self) -> Done {
        Done(std::mem::take(&mut *self.0.lock()))
    }

    /// Takes the list of a thing that goes, if anybody is in it.
    #[inline]
    pub(crate) fn left(&mut self) -> Option<Done> {
        match self.0.get_mut() {
            List::Empty => None,
            list => Some(Done(std::mem::take(list))),
        }
    }
}

impl List {
    fn find(&mut self, key: Key) -> Option<&mut Callback> {
        match self {
            List::Empty => None,
            List::One(k, callback) => (*k == key).then_some(callback),
            List::Many(all) => all.get_mut(&key),
        }
    }

    #[inline]
    fn push(&mut self, key: Key, callback: Callback) {
        match self {
            List::Empty => *self = List::One(key, callback),
            List::One(..) | List::Many(_) => self.push_further(key, callback),
        }
    }

    #[cold]
    fn push_further(&mut self, key: Key, callback: Callback) {
        match std::mem::take(self) {
            List::Empty => *self = List::One(key, callback),
            List::One(first_key, first) => {
                *self = List::Many(Box::new([(first_key, first), (key, callback)].into()));
            }
            List::Many(mut all) => {
                all.insert(key, callback);
                *self = List::Many(all);
            }
        }
    }

    fn remove(&mut self, key: Key) -> Option<Callback> {
        match std::mem::take(self) {
            List::One(k, callback) if k == key => Some(callback),
            List::Many(mut all) => {
                let gone = all.remove(&key);
                *self = List::Many(all);
                gone
            }
            other => {
                *self = other;
                None
            }
        }
    }
}

impl Done {
    /// The only waiter, or none.
    ///
    /// # Errors
    /// The waiters, if there are more.
    #[inline]
    pub(crate) fn at_most_one(self) -> Result<Option<Callback>, Done> {
        match self.0 {
            List::Empty => Ok(None),
            List::One(_, waiter) => Ok(Some(waiter)),
            others => Err(Done(others)),
        }
    }

    /// Hands out what each waiter wants, in order.
    #[inline]
    pub(crate) fn for_each(self, mut f: impl FnMut(Callback)) {
        match self.0 {
            List::Empty => {}
            List::One(_, callback) => f(callback),
            List::Many(all) => all.into_values().for_each(f),
        }
    }

    /// Tells every waiter, in order: tasks are re-enqueued at once, jobs go to `submit`. A waker that panics hurts
    /// nobody else: its panic ends here, told by the panic hook.
    #[inline]
    pub(crate) fn complete(self, mut submit: impl FnMut(Job)) {
        self.for_each(|callback| match callback {
            Callback::Wake(waker) => {
                quietly(|| waker.wake());
            }
            Callback::Call(job) => submit(job),
            Callback::Tell(list, number) => list.tell(number),
            Callback::Follow(_) => unreachable!("only promises are followed"),
        });
    }
}

#[cfg(all(test, not(filch_loom)))]
mod tests {
    use super::*;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    struct Count(AtomicUsize);
    impl std::task::Wake for Count {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    #[test]
    fn a_waiter_that_asks_twice_is_told_once() {
        let count = Arc::new(Count(AtomicUsize::new(0)));
        let all = Callbacks::new();
        for key in [1, 2, 1, 2, 3] {
            all.wait(key, &Waker::from(count.clone()));
        }
        assert!(all.remove(3));
        assert!(!all.remove(3));
        all.take().complete(drop);
        assert_eq!(count.0.load(Ordering::Relaxed), 2);
        all.take().complete(drop);
        assert_eq!(count.0.load(Ordering::Relaxed), 2);
    }

    #[test]
    fn jobs_leave_in_the_order_of_registration() {
        let said = Arc::new(std::sync::Mutex::new(Vec::new()));
        let all = Callbacks::new();
        for n in 0..4 {
            let said = said.clone();
            all.add(
                n,
                Callback::Call(Job::once(move || said.lock().unwrap().push(n))),
            );
        }
        assert!(all.remove(1));
        all.take().complete(|job| {
            job.run();
        });
        assert_eq!(*said.lock().unwrap(), [0, 2, 3]);
    }

    #[test]
    fn the_list_is_small() {
        assert!(size_of::<Callbacks>() <= 40, "{}", size_of::<Callbacks>());
    }
}

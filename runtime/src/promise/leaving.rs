//! Whoever waits for a promise leaves when it is done: in the order in which it came.
//!
//! Where the carrier is serial (a loop), each waiter is told for itself, tasks among callbacks: they queue up, and one
//! thread at a time hands them on, whichever came first; no lock is held while anybody's code runs. Elsewhere jobs may run
//! at the same time on several workers, so the callbacks of a promise are one job, which runs them one after another; tasks
//! are woken before it. Model: `promise::model::a_serial_carrier_keeps_the_order`.

use std::collections::VecDeque;

use super::callbacks::Callback;
use super::repeated::Repeated;
use super::{Promise, Shared, run_here};
use crate::job::{Job, quietly};
use crate::sync_prim::{MutexGuard, keep};

/// The waiters of a promise that is done, on their way.
#[derive(Default)]
pub(super) struct Leaving {
    /// Somebody hands them on: a thread, or a job on its way to a worker.
    has_runner: bool,
    /// None before it is needed: most promises have one waiter.
    rest: Option<Box<Rest>>,
}

#[derive(Default)]
struct Rest {
    /// Only where the carrier is serial are there wakers among them.
    waiters: VecDeque<Callback>,
    /// Those that wait and were added under a name.
    repeated: Repeated,
}

impl Leaving {
    /// Those that wait and were added under a name, if there ever were any.
    pub(super) fn repeated(&mut self) -> Option<&mut Repeated> {
        self.rest.as_mut().map(|rest| &mut rest.repeated)
    }

    pub(super) fn repeated_or_new(&mut self) -> &mut Repeated {
        &mut self.rest.get_or_insert_default().repeated
    }

    fn push(&mut self, waiter: Callback) {
        self.rest.get_or_insert_default().waiters.push_back(waiter);
    }

    /// True if the caller is to hand them on.
    fn begins(&mut self) -> bool {
        let has_none = self
            .rest
            .as_ref()
            .is_none_or(|rest| rest.waiters.is_empty());
        !has_none && !std::mem::replace(&mut self.has_runner, true)
    }

    /// The next one. Without one, whoever comes next must hand on itself.
    fn next(&mut self) -> Option<Callback> {
        let next = self.rest.as_mut().and_then(|rest| rest.waiters.pop_front());
        self.has_runner = next.is_some();
        next
    }
}

impl<T, E> Promise<T, E>
where
    T: Send + Sync + 'static,
    E: Send + Sync + 'static,
{
    /// Tells all that wait: the promise is done.
    pub(super) fn complete(&self) {
        self.complete_under(self.shared().leaving.lock());
    }

    /// As [`complete`](Self::complete), with the lock.
    pub(super) fn complete_under(&self, leaving: MutexGuard<'_, Leaving>) {
        if self.0.carry().is_serial() {
            self.complete_one_by_one(leaving);
        } else {
            self.complete_at_once(leaving);
        }
    }

    /// Wakes the waiting tasks; the callbacks leave in order, and run one after another.
    fn complete_at_once(&self, lock: MutexGuard<'_, Leaving>) {
        // Most have one waiter; that one needs no allocation.
        let (mut first, mut others) = (None, Vec::new());
        let begins = {
            let mut leaving = lock;
            // Under this lock, so that none overtakes another.
            let done = self.shared().callbacks.take();
            done.for_each(|callback| match callback {
                Callback::Wake(waker) if first.is_none() => first = Some(waker),
                Callback::Wake(waker) => others.push(waker),
                call => leaving.push(call),
            });
            // The wakers above are woken by us; what was added under a name has left now.
            leaving.repeated().into_iter().for_each(Repeated::clear);
            leaving.begins()
        };
        for waker in first.into_iter().chain(others) {
            quietly(|| waker.wake());
        }
        if begins {
            let runner = Runner(Some(self.clone()));
            self.0.carry().carry(Job::once(move || runner.run()));
        }
    }

    /// Each leaves for itself, in order.
    fn complete_one_by_one(&self, lock: MutexGuard<'_, Leaving>) {
        let mut next = {
            let mut leaving = lock;
            leaving.repeated().into_iter().for_each(Repeated::clear);
            match self.shared().callbacks.take().at_most_one() {
                Ok(None) => return,
                // No way through the list for the only one.
                Ok(Some(waiter)) if !(leaving.has_runner && keep("promise_one_hands_on")) => {
                    leaving.has_runner = true;
                    Some(waiter)
                }
                Ok(Some(waiter)) => return leaving.push(waiter),
                Err(done) => {
                    done.for_each(|waiter| leaving.push(waiter));
                    if !leaving.begins() {
                        return;
                    }
                    leaving.next()
                }
            }
        };
        while let Some(waiter) = next {
            match waiter {
                Callback::Wake(waker) => {
                    quietly(|| waker.wake());
                }
                Callback::Call(job) => {
                    // The callback itself holds the promise weakly.
                    let alive = self.clone();
                    let job = Job::once(move || {
                        let again = job.run();
                        debug_assert!(again.is_none(), "only tasks come again");
                        drop(alive);
                    });
                    self.0.carry().carry(job);
                }
                Callback::Follow(follow) => {
                    let promise = self.clone();
                    let job = Job::once(move || promise.go_on(&*follow));
                    self.0.carry().carry_on(job);
                }
                Callback::Tell(..) => unreachable!("only tasks are in lists"),
            }
            next = self.shared().next_to_leave();
        }
    }
}

impl<T, E> Shared<T, E> {
    fn next_to_leave(&self) -> Option<Callback> {
        self.leaving.lock().next()
    }
}

/// Runs the callbacks of a promise that is done; keeps it alive meanwhile. Dropped unrun, it drops them; but what others wait
/// for goes on.
struct Runner<T, E>(Option<Promise<T, E>>)
where
    T: Send + Sync + 'static,
    E: Send + Sync + 'static;

impl<T, E> Runner<T, E>
where
    T: Send + Sync + 'static,
    E: Send + Sync + 'static,
{
    fn run(mut self) {
        let Some(promise) = self.0.take() else { return };
        while let Some(next) = promise.shared().next_to_leave() {
            match next {
                Callback::Call(job) => drop(job.run()),
                Callback::Follow(follow) => promise.go_on(&*follow),
                Callback::Wake(_) | Callback::Tell(..) => unreachable!("these leave before"),
            }
        }
    }
}

impl<T, E> Drop for Runner<T, E>
where
    T: Send + Sync + 'static,
    E: Send + Sync + 'static,
{
    fn drop(&mut self) {
        let Some(promise) = self.0.take() else { return };
        let unrun = std::mem::take(&mut *promise.shared().leaving.lock());
        for waiter in unrun.rest.into_iter().flat_map(|rest| rest.waiters) {
            if let Callback::Follow(follow) = waiter {
                let promise = promise.clone();
                run_here(Job::once(move || promise.go_on(&*follow)));
            }
        }
    }
}

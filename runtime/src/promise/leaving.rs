//! Whoever waits for a promise leaves when it is done: in the order in which it came.
//!
//! Where the carrier is serial (a loop), each waiter is told for itself, tasks among callbacks: they queue up, and one
//! thread at a time hands them on, whichever came first; no lock is held while anybody's code runs. Elsewhere jobs may run
//! at the same time on several workers, so the callbacks of a promise are one job, which runs them one after another; tasks
//! are woken before it. Model: `promise::model::a_serial_carrier_keeps_the_order`.

use std::collections::VecDeque;
use std::sync::Arc;

use super::callbacks::Callback;
use super::repeated::Repeated;
use super::{Promise, Shared};
use crate::job::{Job, quietly};

/// The waiters of a promise that is done, on their way.
#[derive(Default)]
pub(super) struct Leaving {
    /// Only where the carrier is serial are there wakers among them.
    waiters: VecDeque<Callback>,
    /// Somebody hands them on: a thread, or a job on its way to a worker.
    has_runner: bool,
    /// Those that wait and were added under a name.
    pub(super) repeated: Repeated,
}

impl Leaving {
    /// The next one. Without one, whoever comes next must hand on itself.
    fn next(&mut self) -> Option<Callback> {
        let next = self.waiters.pop_front();
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
        if self.0.carry.is_serial() {
            self.complete_one_by_one();
        } else {
            self.complete_at_once();
        }
    }

    /// Wakes the waiting tasks; the callbacks leave in order, and run one after another.
    fn complete_at_once(&self) {
        // Most have one waiter; that one needs no allocation.
        let (mut first, mut others) = (None, Vec::new());
        let has_runner = {
            let mut leaving = self.0.leaving.lock();
            // Under this lock, so that none overtakes another.
            let done = self.0.callbacks.take();
            done.for_each(|callback| match callback {
                Callback::Wake(waker) if first.is_none() => first = Some(waker),
                Callback::Wake(waker) => others.push(waker),
                call => leaving.get_or_insert_default().waiters.push_back(call),
            });
            leaving.as_mut().is_none_or(|leaving| {
                // The wakers above are woken by us; what was added under a name has left now.
                leaving.repeated.clear();
                leaving.waiters.is_empty() || std::mem::replace(&mut leaving.has_runner, true)
            })
        };
        for waker in first.into_iter().chain(others) {
            quietly(|| waker.wake());
        }
        if !has_runner {
            let runner = Runner(Some(self.0.clone()));
            self.0.carry.carry(Job::once(move || runner.run()));
        }
    }

    /// Each leaves for itself, in order.
    fn complete_one_by_one(&self) {
        {
            let mut leaving = self.0.leaving.lock();
            let mut done = self.0.callbacks.take();
            if leaving.is_none() {
                done = match done.at_most_one_waker() {
                    Ok(waker) => {
                        drop(leaving);
                        if let Some(waker) = waker {
                            quietly(|| waker.wake());
                        }
                        return;
                    }
                    Err(done) => done,
                };
            }
            let leaving = leaving.get_or_insert_default();
            leaving.repeated.clear();
            done.for_each(|callback| leaving.waiters.push_back(callback));
            if leaving.waiters.is_empty() || std::mem::replace(&mut leaving.has_runner, true) {
                return;
            }
        }
        while let Some(waiter) = self.0.next_to_leave() {
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
                    self.0.carry.carry(job);
                }
                Callback::Tell(..) => unreachable!("only tasks are in lists"),
            }
        }
    }
}

impl<T, E> Shared<T, E> {
    fn next_to_leave(&self) -> Option<Callback> {
        self.leaving
            .lock()
            .as_mut()
            .and_then(|leaving| leaving.next())
    }
}

/// Runs the callbacks of a promise that is done; keeps it alive meanwhile. Dropped unrun, it drops them.
struct Runner<T, E>(Option<Arc<Shared<T, E>>>);

impl<T, E> Runner<T, E> {
    fn run(mut self) {
        let Some(promise) = self.0.take() else { return };
        while let Some(Callback::Call(job)) = promise.next_to_leave() {
            job.run();
        }
    }
}

impl<T, E> Drop for Runner<T, E> {
    fn drop(&mut self) {
        let Some(promise) = self.0.take() else { return };
        let unrun = promise.leaving.lock().take();
        drop(unrun);
    }
}

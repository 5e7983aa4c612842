//! Jobs of a local set that come from other threads, and who is told of them.
//!
//! push    L1 under the lock: put the job in, raise the flag, take the set's waker out if it is there · L2 wake it
//! poll    L3 a waker that differs from the last one: put it in, under the lock · L4 after it: is the flag up?
//! take    L5 under the lock: all jobs out, the flag down, the waker in again, since L1 has taken it
//!
//! Promise: a job that lies here is found by a poll of the set that comes after it. If L1 found a waker, L2 makes that
//! poll come, and the flag is seen by it, since a wake-up happens before the poll that it causes. If L1 found none, the
//! set has never been polled, or another L1 has taken the waker, whose L2 is still to come or whose poll is still to do
//! L5; or L3 comes later, and then the lock shows L4 the flag. A poll without a new waker that does not see the flag is
//! one that L2 does not wait for.
//!
//! The waker is taken, not cloned, since cloning may be anybody's code, which must not run under the lock.
//! Model: `model::a_job_from_elsewhere_is_found`.

use std::collections::VecDeque;
use std::task::Waker;

use crate::job::quietly;
use crate::sync_prim::{AtomicUsize, Mutex, Ordering, keep};

pub(super) struct Inbox<T> {
    /// 1 while there are jobs.
    any: AtomicUsize,
    state: Mutex<State<T>>,
}

struct State<T> {
    jobs: VecDeque<T>,
    waker: Option<Waker>,
}

impl<T> Inbox<T> {
    pub(super) fn new() -> Inbox<T> {
        Inbox {
            any: AtomicUsize::new(0),
            state: Mutex::new(State {
                jobs: VecDeque::new(),
                waker: None,
            }),
        }
    }

    /// L1 and L2, on any thread.
    pub(super) fn push(&self, job: T) {
        let waker = {
            let mut state = self.state.lock();
            state.jobs.push_back(job);
            // Ordering: Relaxed: the lock and the wake-up order it, as the head says.
            self.any.store(1, Ordering::Relaxed);
            state.waker.take()
        };
        if let Some(waker) = waker {
            quietly(|| waker.wake());
        }
    }

    /// L3; L4 must follow.
    pub(super) fn leave(&self, waker: Waker) {
        let old = self.state.lock().waker.replace(waker);
        // Not under the lock: a waker's drop may be anybody's code.
        quietly(|| drop(old));
    }

    /// L4.
    #[inline]
    pub(super) fn any(&self) -> bool {
        self.any.load(Ordering::Relaxed) == 1
    }

    /// L5: moves all jobs to the end of `into`. `waker`: a clone of the one that L3 left last.
    pub(super) fn take(&self, waker: Option<Waker>, into: &mut VecDeque<T>) {
        let mut state = self.state.lock();
        into.append(&mut state.jobs);
        self.any.store(0, Ordering::Relaxed);
        if keep("L5") {
            let old = std::mem::replace(&mut state.waker, waker);
            drop(state);
            quietly(|| drop(old));
        }
    }
}

#[cfg(all(test, filch_loom))]
mod model {
    use super::*;
    use loom::thread;
    use std::future::poll_fn;
    use std::sync::Arc;
    use std::task::Poll;

    /// The set's poll is as weak as it may be: it leaves its waker once, and then relies on being woken.
    #[test]
    fn a_job_from_elsewhere_is_found() {
        loom::model(|| {
            let inbox = Arc::new(Inbox::new());
            let theirs = inbox.clone();
            let other = thread::spawn(move || {
                theirs.push(1);
                theirs.push(2);
            });
            let mut jobs = VecDeque::new();
            let mut mine: Option<Waker> = None;
            loom::future::block_on(poll_fn(|context| {
                if mine.is_none() {
                    mine = Some(context.waker().clone());
                    inbox.leave(context.waker().clone()); // L3
                }
                // L4
                if inbox.any() {
                    inbox.take(mine.clone(), &mut jobs); // L5
                }
                if jobs.len() == 2 {
                    Poll::Ready(())
                } else {
                    Poll::Pending
                }
            }));
            assert_eq!(jobs, [1, 2]);
            other.join().unwrap();
        });
    }
}

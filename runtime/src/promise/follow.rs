//! Who waits for a promise, for those who draw the graph of waits; and waiters that say where they lead.
//!
//! The list of waiters *is* the set of edges: a task that awaits has its waker there. Nothing else is kept, so that a wait
//! costs no more than without the graph, which looks the edges up when somebody asks. A callback of the user's leads nowhere
//! that could be told; what the library itself hangs there to lead on (to a `gather`, say) is a [`Follow`] and can be asked.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::task::Waker;

use super::callbacks::Callback;
use super::{CallbackId, Carry, Promise};
use crate::sync_prim::keep;

/// What goes on when a promise is done, and says who waits for that in turn.
pub(crate) trait Follow: Send + Sync {
    /// Called once, as a done-callback, with the `Promise<T, E>`.
    fn done(&self, promise: &dyn Any);

    /// Adds who waits for what this leads to. Called without a lock of the promise.
    fn leads(&self, into: &mut Vec<Lead>);
}

/// Where a waiter leads.
#[derive(Clone)]
pub(crate) enum Lead {
    /// To the task whose waker has this data pointer, if it is one's.
    Waker(usize),
    /// To whatever waits for what this completes.
    Follow(Arc<dyn Follow>),
}

impl Lead {
    pub(crate) fn waker(waker: &Waker) -> Lead {
        Lead::Waker(waker.data().addr())
    }
}

impl<T, E> Promise<T, E>
where
    T: Send + Sync + 'static,
    E: Send + Sync + 'static,
{
    /// As [`add_done_callback`](Self::add_done_callback), for what can say where it leads. It wears no task-local values.
    pub(crate) fn follow(&self, follow: Arc<dyn Follow>) -> CallbackId {
        let key = self.shared().new_key();
        self.shared().callbacks.add(key, Callback::Follow(follow));
        // A completion that came before has looked into the list already.
        if keep("promise_second_look") && self.is_done() {
            self.complete();
        }
        CallbackId(key)
    }

    /// Has a waker woken once it is done; at once, if it is done already. Whoever carries the callbacks is not needed for that.
    pub(crate) fn wake_when_done(&self, waker: Waker) -> CallbackId {
        let key = self.shared().new_key();
        self.shared().callbacks.add(key, Callback::Wake(waker));
        // A completion that came before has looked into the list already.
        if keep("promise_second_look") && self.is_done() {
            self.complete();
        }
        CallbackId(key)
    }

    /// True if this is who carries the callbacks.
    pub(crate) fn is_carried_by(&self, carrier: &dyn Carry) -> bool {
        std::ptr::addr_eq(self.0.carry(), carrier)
    }

    /// The promise is done: what follows.
    pub(super) fn go_on(&self, follow: &dyn Follow) {
        if let Err(payload) = catch_unwind(AssertUnwindSafe(|| follow.done(self))) {
            self.0.carry().panicked(payload);
        }
    }

    /// Adds where each waiter leads.
    pub(crate) fn leads(&self, into: &mut Vec<Lead>) {
        self.shared().callbacks.leads(into);
    }
}

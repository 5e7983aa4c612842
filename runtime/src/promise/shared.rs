//! The state of a promise, and where it stands.

use std::panic::Location;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::Waker;

use super::callbacks::{Callbacks, Key};
use super::dropping::drop_waiters;
use super::leaving::Leaving;
use super::{CallbackId, Carry, Lead, PromiseError, PromiseState};
use crate::once_value::OnceValue;
use crate::sync_prim::Mutex;

/// What has a promise's state in it: an allocation of its own, or a task of a loop.
pub(crate) trait Holds<T, E>: Send + Sync {
    fn shared(&self) -> &Shared<T, E>;
    fn carry(&self) -> &dyn Carry;
    fn made_at(&self) -> &'static Location<'static>;
}

/// A promise that stands for itself.
pub(super) struct Own<T, E: Send + Sync + 'static> {
    pub(super) shared: Shared<T, E>,
    pub(super) made_at: &'static Location<'static>,
    /// Shared by all promises of a runtime or a loop: no allocation for each.
    pub(super) carry: Arc<dyn Carry>,
}

/// The state of a promise.
pub(crate) struct Shared<T, E> {
    pub(super) outcome: OnceValue<Result<T, PromiseError<E>>>,
    pub(super) callbacks: Callbacks,
    pub(super) leaving: Mutex<Leaving>,
    next_key: AtomicU64,
    /// Somebody has asked for the outcome, or nobody will. False matters only where it is an error.
    pub(super) retrieved: AtomicBool,
}

impl<T, E: Send + Sync + 'static> Drop for Own<T, E> {
    fn drop(&mut self) {
        if let Some(Err(_)) = self.shared.outcome.get() {
            self.report_unretrieved();
        }
    }
}

impl<T, E> Drop for Shared<T, E> {
    fn drop(&mut self) {
        if let Some(waiters) = self.callbacks.left() {
            drop_waiters(waiters);
        }
    }
}

impl<T, E> Holds<T, E> for Own<T, E>
where
    T: Send + Sync + 'static,
    E: Send + Sync + 'static,
{
    fn shared(&self) -> &Shared<T, E> {
        &self.shared
    }

    fn carry(&self) -> &dyn Carry {
        &*self.carry
    }

    fn made_at(&self) -> &'static Location<'static> {
        self.made_at
    }
}

impl<T, E> Shared<T, E> {
    /// Pending.
    pub(crate) fn new() -> Shared<T, E> {
        Shared {
            outcome: OnceValue::new(),
            callbacks: Callbacks::new(),
            leaving: Mutex::default(),
            next_key: AtomicU64::new(0),
            retrieved: AtomicBool::new(false),
        }
    }

    /// The outcome, if it is there.
    pub(crate) fn outcome(&self) -> Option<&Result<T, PromiseError<E>>> {
        self.outcome.get()
    }

    /// As [`Promise::mark_retrieved`].
    pub(crate) fn mark_retrieved(&self) {
        // Ordering: Relaxed: it is read when the last handle goes, and the count of handles orders that.
        self.retrieved.store(true, Ordering::Relaxed);
    }

    /// As [`Promise::remove_done_callback`].
    pub(crate) fn remove_done_callback(&self, callback: CallbackId) -> bool {
        let was_there = self.callbacks.remove(callback.0);
        if was_there {
            if let Some(repeated) = self.leaving.lock().repeated() {
                repeated.forget(callback.0);
            }
        }
        was_there
    }

    /// Has `waker` woken when it is done, in place of the last one for the same `callback`. Look at the outcome then: it may have
    /// come before.
    pub(crate) fn wait(&self, callback: &mut Option<CallbackId>, waker: &Waker) {
        let CallbackId(key) = *callback.get_or_insert_with(|| CallbackId(self.new_key()));
        self.callbacks.wait(key, waker);
    }

    /// As [`Promise::leads`].
    pub(crate) fn leads(&self, into: &mut Vec<Lead>) {
        self.callbacks.leads(into);
    }

    pub(crate) fn state(&self) -> PromiseState {
        match self.outcome.get() {
            None => PromiseState::Pending,
            Some(Err(PromiseError::Cancelled { .. })) => PromiseState::Cancelled,
            Some(_) => PromiseState::Finished,
        }
    }

    pub(super) fn new_key(&self) -> Key {
        // Ordering: Relaxed: the counter's own order alone makes keys differ.
        self.next_key.fetch_add(1, Ordering::Relaxed)
    }
}

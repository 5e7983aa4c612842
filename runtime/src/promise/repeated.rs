//! Callbacks that have an identity: added any number of times, removed all at once, and counted.
//!
//! A table from identity to keys, under the lock of what leaves; the list of callbacks itself decides who runs: a key is
//! taken out of it by the completion or by the removal, so what is counted as removed does not run. Model:
//! `promise::model::a_repeated_callback_runs_or_is_counted`.

use std::fmt;
use std::sync::Arc;

use super::callbacks::Key;
use super::{CallbackId, Promise};

type Function<T, E> = dyn Fn(&Promise<T, E>) + Send + Sync;

/// A done-callback that can be told from others: its clones are the same callback.
///
/// # Source
/// The function that is given to `asyncio.Future.add_done_callback`; closures of Rust cannot be compared.
///
/// # Examples
/// ```
/// use filch::{DoneCallback, Promise};
///
/// # filch::block_on(async {
/// let promise: Promise<u32, String> = Promise::new();
/// let callback = DoneCallback::new(|_| panic!("it was removed"));
/// for _ in 0..3 {
///     promise.add_repeated_callback(&callback);
/// }
/// assert_eq!(promise.remove_repeated_callback(&callback), 3);
/// assert_eq!(promise.remove_repeated_callback(&callback), 0);
/// # });
/// ```
pub struct DoneCallback<T, E>(Arc<Function<T, E>>);

/// Which keys stand for which callback. It may know keys whose callbacks have left; the list does not.
#[derive(Default)]
pub(super) struct Repeated(Vec<(usize, Key)>);

impl<T, E> DoneCallback<T, E> {
    /// A callback that may be added to any number of promises, any number of times.
    pub fn new(callback: impl Fn(&Promise<T, E>) + Send + Sync + 'static) -> DoneCallback<T, E> {
        DoneCallback(Arc::new(callback))
    }

    /// Unique as long as the callback is in a list, which holds it.
    fn identity(&self) -> usize {
        Arc::as_ptr(&self.0).cast::<()>() as usize
    }
}

impl Repeated {
    pub(super) fn clear(&mut self) {
        self.0 = Vec::new();
    }

    pub(super) fn forget(&mut self, key: Key) {
        self.0.retain(|(_, of)| *of != key);
    }

    fn take(&mut self, identity: usize) -> Vec<Key> {
        let mut keys = Vec::new();
        self.0.retain(|(of, key)| {
            let is_it = *of == identity;
            keys.extend(is_it.then_some(*key));
            !is_it
        });
        keys
    }
}

impl<T, E> Promise<T, E>
where
    T: Send + Sync + 'static,
    E: Send + Sync + 'static,
{
    /// As [`add_done_callback`](Self::add_done_callback), with one that can be removed by itself; it may be added again and
    /// again.
    pub fn add_repeated_callback(&self, callback: &DoneCallback<T, E>) -> CallbackId {
        let key = self.shared().new_key();
        let entry = (callback.identity(), key);
        // Before it is in the list, so that a completion that takes it there finds it here.
        let mut leaving = self.shared().leaving.lock();
        leaving.repeated_or_new().0.push(entry);
        drop(leaving);
        let callback = callback.0.clone();
        self.add_callback(key, move |promise| callback(promise));
        CallbackId(key)
    }

    /// Forgets a callback, however often it was added. The answer is how many of them had not left yet.
    ///
    /// # Source
    /// `asyncio.Future.remove_done_callback`.
    pub fn remove_repeated_callback(&self, callback: &DoneCallback<T, E>) -> usize {
        let mut leaving = self.shared().leaving.lock();
        let keys = leaving
            .repeated()
            .map_or_else(Vec::new, |all| all.take(callback.identity()));
        drop(leaving);
        // Not under the lock: a callback's drop may be anybody's code.
        let removed = keys
            .into_iter()
            .filter(|key| self.shared().callbacks.remove(*key));
        removed.count()
    }
}

impl<T, E> Clone for DoneCallback<T, E> {
    fn clone(&self) -> Self {
        DoneCallback(self.0.clone())
    }
}

impl<T, E> fmt::Debug for DoneCallback<T, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("DoneCallback")
    }
}

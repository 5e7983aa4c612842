//! What lives in this process, for whoever wants to see all of it: runtimes and loops enter as they are made, and leave as
//! they go. It keeps nothing alive.

use std::sync::{Arc, Weak};

use parking_lot::Mutex;
use slab::Slab;

pub(crate) struct Census<T>(Mutex<Slab<Weak<T>>>);

/// An entry; it leaves when this is dropped.
pub(crate) struct Counted<T: 'static> {
    census: &'static Census<T>,
    key: usize,
}

impl<T> Census<T> {
    pub(crate) const fn new() -> Census<T> {
        Census(Mutex::new(Slab::new()))
    }

    pub(crate) fn enter(&'static self, thing: &Arc<T>) -> Counted<T> {
        let key = self.0.lock().insert(Arc::downgrade(thing));
        Counted { census: self, key }
    }

    /// All there are.
    pub(crate) fn all(&self) -> Vec<Arc<T>> {
        let entries = self.0.lock();
        let all = entries.iter().filter_map(|(_, thing)| thing.upgrade());
        all.collect()
    }
}

impl<T> Drop for Counted<T> {
    fn drop(&mut self) {
        let gone = self.census.0.lock().try_remove(self.key);
        drop(gone);
    }
}

//! A promise that is not kept alive.

use std::sync::Weak;

use super::{Holds, Promise};
use std::sync::Arc;

pub(crate) struct WeakPromise<T, E>(Weak<dyn Holds<T, E>>);

impl<T, E> WeakPromise<T, E> {
    pub(crate) fn upgrade(&self) -> Option<Promise<T, E>> {
        self.0.upgrade().map(Promise)
    }
}

impl<T, E> Promise<T, E> {
    pub(crate) fn downgrade(&self) -> WeakPromise<T, E> {
        WeakPromise(Arc::downgrade(&self.0))
    }
}

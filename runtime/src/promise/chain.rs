//! Two promises that go the same way: an outcome flows down, a cancellation flows up.
//!
//! Model: `promise::model::a_chain_goes_one_way_at_each_end`.

use std::any::Any;
use std::sync::Arc;

use super::{Follow, Lead, Promise};

impl<T, E> Promise<T, E>
where
    T: Clone + Send + Sync + 'static,
    E: Clone + Send + Sync + 'static,
{
    /// Gives `destination` the outcome of `source` once that is done; cancels `source` if `destination` is cancelled
    /// before, for the same reason.
    ///
    /// `source` keeps `destination` alive, and not the other way round. Both may be of different runtimes: each calls back
    /// on its own.
    ///
    /// # Source
    /// `asyncio.wrap_future`, by what it is made of (`_chain_future`).
    ///
    /// # Examples
    /// ```
    /// use filch::Promise;
    ///
    /// # filch::block_on(async {
    /// let (source, destination) = (Promise::<u32, String>::new(), Promise::new());
    /// Promise::chain(&source, &destination);
    /// source.set_result(7).unwrap();
    /// assert_eq!(destination.await, Ok(7));
    /// # });
    /// ```
    pub fn chain(source: &Promise<T, E>, destination: &Promise<T, E>) {
        let up = Arc::downgrade(&source.0);
        destination.add_done_callback(move |destination| {
            let reason = destination.cancel_reason().cloned();
            if let (Some(reason), Some(source)) = (reason, up.upgrade()) {
                Promise(source).cancel(reason);
            }
        });
        source.follow(Arc::new(Down(destination.clone())));
    }
}

/// The outcome's way.
struct Down<T, E>(Promise<T, E>);

impl<T, E> Follow for Down<T, E>
where
    T: Clone + Send + Sync + 'static,
    E: Clone + Send + Sync + 'static,
{
    fn done(&self, source: &dyn Any) {
        // An error that the destination has no use for stays unasked for.
        if self.0.is_done() {
            return;
        }
        let source = source.downcast_ref::<Promise<T, E>>();
        if let Some(outcome) = source.and_then(Promise::outcome) {
            // It may be cancelled this moment, which is as good.
            let _ = self.0.finish(outcome.clone());
        }
    }

    fn leads(&self, into: &mut Vec<Lead>) {
        self.0.leads(into);
    }
}

//! A loop that is not kept.

use std::fmt;
use std::sync::{Arc, Weak};

use super::EventLoop;
use super::inner::Owner;

/// A handle of an [`EventLoop`] that does not keep it: for what the loop itself keeps, be it a task or an exception handler.
///
/// # Examples
/// ```
/// use filch::EventLoop;
///
/// let event_loop = EventLoop::new();
/// let weak = event_loop.downgrade();
/// // Had the handler the loop, the loop would have itself, and never end.
/// event_loop.set_exception_handler(move |_context| {
///     if let Some(event_loop) = weak.upgrade() {
///         event_loop.stop();
///     }
/// });
/// let weak = event_loop.downgrade();
/// drop(event_loop);
/// assert!(weak.upgrade().is_none());
/// ```
#[derive(Clone)]
pub struct WeakEventLoop(Weak<Owner>);

impl WeakEventLoop {
    /// The loop; none if nobody has it any more.
    pub fn upgrade(&self) -> Option<EventLoop> {
        self.0.upgrade().map(EventLoop)
    }
}

impl EventLoop {
    /// A handle that does not keep the loop.
    pub fn downgrade(&self) -> WeakEventLoop {
        WeakEventLoop(Arc::downgrade(&self.0))
    }
}

impl fmt::Debug for WeakEventLoop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("WeakEventLoop")
            .field(&self.upgrade())
            .finish()
    }
}

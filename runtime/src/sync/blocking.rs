//! Waiting on a thread that drives no runtime.

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};

use crossbeam_utils::sync::{Parker, Unparker};

use crate::context;

struct Unpark(Unparker);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.0.unpark();
    }
}

/// Keeps this thread until the future is ready.
///
/// # Panics
/// If the thread drives a filch runtime: tasks that wait for the thread might be those it waits for.
#[track_caller]
pub(super) fn block_on<F: Future>(future: F) -> F::Output {
    assert!(
        !context::drives(),
        "cannot block the current thread from within a runtime: this thread is being used to drive tasks; `.await` \
         the async variant of this call, or move it into `spawn_blocking`"
    );
    let mut future = pin!(future);
    // Most often there is nothing to wait for, and so nothing to make. What is missed is seen by the next poll.
    let mut context = Context::from_waker(Waker::noop());
    if let Poll::Ready(value) = future.as_mut().poll(&mut context) {
        return value;
    }
    let parker = Parker::new();
    let waker = Waker::from(Arc::new(Unpark(parker.unparker().clone())));
    let mut context = Context::from_waker(&waker);
    loop {
        match future.as_mut().poll(&mut context) {
            Poll::Ready(value) => return value,
            Poll::Pending => parker.park(),
        }
    }
}

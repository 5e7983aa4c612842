//! Futures that a test polls itself, step by step, and futures that give up at random.

#![allow(dead_code, reason = "each test binary uses a part of it")]

use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker};

use super::common::{Probe, Random};

/// A future, and a waker that counts.
pub(crate) struct Polled<F> {
    probe: Probe,
    future: Pin<Box<F>>,
}

impl<F: Future> Polled<F> {
    pub(crate) fn new(future: F) -> Polled<F> {
        Polled {
            probe: Probe::new(),
            future: Box::pin(future),
        }
    }

    /// A future that was polled once, and is pending.
    #[track_caller]
    pub(crate) fn waiting(future: F) -> Polled<F> {
        let mut polled = Polled::new(future);
        assert!(polled.poll().is_pending(), "it should wait");
        polled
    }

    pub(crate) fn poll(&mut self) -> Poll<F::Output> {
        self.probe.poll(&mut self.future)
    }

    /// The value of a future that was woken and is ready.
    #[track_caller]
    pub(crate) fn ready(&mut self) -> F::Output {
        match self.poll() {
            Poll::Ready(value) => value,
            Poll::Pending => panic!("it should be ready"),
        }
    }

    /// How often it was woken.
    pub(crate) fn wakes(&self) -> usize {
        self.probe.wakes()
    }

    pub(crate) fn is_woken(&self) -> bool {
        self.wakes() > 0
    }

    pub(crate) fn as_mut(&mut self) -> Pin<&mut F> {
        self.future.as_mut()
    }
}

/// The value of a future that is ready at once.
#[track_caller]
pub(crate) fn now<F: Future>(future: F) -> F::Output {
    Polled::new(future).ready()
}

/// Awaits, but gives up after a few polls at random; yields between them.
pub(crate) async fn for_a_while<F: Future>(random: &mut Random, future: F) -> Option<F::Output> {
    let mut future = Box::pin(future);
    let mut left = random.below(5);
    let patient = random.below(4) == 0;
    std::future::poll_fn(move |context| match future.as_mut().poll(context) {
        Poll::Ready(value) => Poll::Ready(Some(value)),
        Poll::Pending if patient => Poll::Pending,
        Poll::Pending if left == 0 => Poll::Ready(None),
        Poll::Pending => {
            left -= 1;
            context.waker().wake_by_ref();
            Poll::Pending
        }
    })
    .await
}

/// A waker that does something when it is woken.
pub(crate) fn waker_that(deed: impl Fn() + Send + Sync + 'static) -> Waker {
    struct Does<F>(F);
    impl<F: Fn() + Send + Sync> Wake for Does<F> {
        fn wake(self: Arc<Self>) {
            self.0();
        }
    }
    Waker::from(Arc::new(Does(deed)))
}

/// A waker that does something when its last copy is dropped.
pub(crate) fn waker_with<T: Send + Sync + 'static>(value: T) -> Waker {
    struct Has<T>(T);
    impl<T: Send + Sync> Wake for Has<T> {
        fn wake(self: Arc<Self>) {}
    }
    Waker::from(Arc::new(Has(value)))
}

/// Polls with that waker.
pub(crate) fn poll_by<F: Future>(future: Pin<&mut F>, waker: &Waker) -> Poll<F::Output> {
    future.poll(&mut Context::from_waker(waker))
}

/// The file in which the closure panics, and its message.
#[track_caller]
pub(crate) fn panic_of(f: impl FnOnce()) -> (String, String) {
    static ONE_HOOK: Mutex<()> = Mutex::new(());
    let _one = ONE_HOOK.lock().unwrap_or_else(|e| e.into_inner());
    let seen = Arc::new(Mutex::new(None));
    let sees = seen.clone();
    let before = std::panic::take_hook();
    let thread = std::thread::current().id();
    std::panic::set_hook(Box::new(move |info| {
        if std::thread::current().id() == thread {
            let file = info.location().unwrap().file().to_owned();
            let payload = info.payload();
            let text = payload.downcast_ref::<&str>().map(|text| text.to_string());
            let text = text.or_else(|| payload.downcast_ref::<String>().cloned());
            let text = text.unwrap_or_default();
            *sees.lock().unwrap() = Some((file, text));
        }
    }));
    let outcome = catch_unwind(AssertUnwindSafe(f));
    std::panic::set_hook(before);
    assert!(outcome.is_err(), "it should panic");
    seen.lock().unwrap().take().unwrap()
}

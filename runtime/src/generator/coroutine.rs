//! A coroutine: any future, driven by `send`, one step at a time.
//!
//! `await` is `yield from`: a future that awaits another hands its waker down to the innermost one, and a poll goes all
//! the way down to it, as `send` does. What comes out is what the innermost waits for.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};

use super::delegate::Delegate;
use super::thrown::{Stop, Thrown};
use crate::job::Job;
use crate::promise::callbacks::{Callback, Callbacks, Key};
use crate::sync_prim::{AtomicU64, AtomicUsize, Ordering, keep};

/// A future that whoever holds it drives, as an asyncio task drives its coroutine.
///
/// # Source
/// The coroutine object of an `async def`: `send(None)`, `close()`. There is no `throw`: nothing can be thrown into a
/// future of Rust. Re-entry is a compile error here, since `send` borrows mutably.
///
/// # Examples
/// ```
/// use filch::generator::{Coroutine, Stop};
///
/// async fn inner() -> u32 {
///     filch::task::yield_now().await;
///     1
/// }
/// let mut outer = Coroutine::new(async { inner().await + 1 });
/// let awaited = outer.send(()).unwrap();     // down to `yield_now`, which has asked to be resumed already
/// assert!(awaited.is_done());
/// assert!(matches!(outer.send(()), Err(Stop::Returned(2))));
/// assert!(matches!(outer.send(()), Err(Stop::Exhausted)));
/// ```
pub struct Coroutine<F> {
    /// None while it runs, and once it has ended.
    future: Option<Pin<Box<F>>>,
}

impl<F: Future> Coroutine<F> {
    /// A coroutine that has not started.
    pub fn new(future: F) -> Coroutine<F> {
        Coroutine {
            future: Some(Box::pin(future)),
        }
    }

    /// Runs it until it waits for something, and says for what: resume it when that is done.
    ///
    /// What it waits for may be done in vain, as wakers may wake in vain: then it comes back with the next.
    ///
    /// # Errors
    /// [`Stop::Returned`] with the future's output at its end, [`Stop::Exhausted`] after that.
    ///
    /// # Panics
    /// If the future does. It is dropped then.
    pub fn send(&mut self, _nothing: ()) -> Result<Awaited, Stop<F::Output>> {
        let Some(mut future) = self.future.take() else {
            return Err(Stop::Exhausted);
        };
        let awaited = Awaited {
            wait: Arc::new(Wait::default()),
            key: None,
        };
        let waker = Waker::from(awaited.wait.clone());
        match future.as_mut().poll(&mut Context::from_waker(&waker)) {
            Poll::Pending => {
                self.future = Some(future);
                Ok(awaited)
            }
            Poll::Ready(value) => Err(Stop::Returned(value)),
        }
    }

    /// Ends it where it stands: the future is dropped, and so is all that it holds.
    pub fn close(&mut self) {
        self.future = None;
    }

    /// True until it has ended.
    pub fn is_suspended(&self) -> bool {
        self.future.is_some()
    }
}

/// A coroutine in a generator: it yields what it waits for.
impl<F: Future> Delegate<Awaited, ()> for Coroutine<F> {
    type Return = F::Output;

    fn resume(&mut self, _sent: Option<()>) -> Result<Awaited, Stop<F::Output>> {
        self.send(())
    }

    fn throw(&mut self, thrown: Thrown) -> Result<Awaited, Stop<F::Output>> {
        Coroutine::close(self);
        Err(Stop::Raised(thrown))
    }

    fn close(&mut self) -> Result<Option<F::Output>, Thrown> {
        Coroutine::close(self);
        Ok(None)
    }
}

impl<F> fmt::Debug for Coroutine<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Coroutine")
            .field("ended", &self.future.is_none())
            .finish()
    }
}

/// What a [`Coroutine`] waits for: done when the coroutine is to be resumed.
///
/// It can be awaited, which makes `await` out of `send`:
/// ```
/// use filch::generator::{Coroutine, Stop};
///
/// async fn await_<F: Future>(future: F) -> F::Output {
///     let mut coroutine = Coroutine::new(future);
///     loop {
///         match coroutine.send(()) {
///             Ok(awaited) => awaited.await,
///             Err(stop) => return stop.value().expect("it ends once"),
///         }
///     }
/// }
/// # filch::block_on(async {
/// assert_eq!(await_(filch::spawn(async { 7 })).await.unwrap(), 7);
/// # });
/// ```
#[must_use = "the coroutine is to be resumed when this is done"]
pub struct Awaited {
    wait: Arc<Wait>,
    /// Once this is awaited.
    key: Option<Key>,
}

/// Done is: set `done`, then take the callbacks. Registering is: add the callback, then look at `done`. The list's lock
/// orders the two. Models: `model::a_callback_runs_once`,
/// `model::whoever_awaits_it_wakes`.
#[derive(Default)]
struct Wait {
    /// 0, or 1 once it is done.
    done: AtomicUsize,
    callbacks: Callbacks,
    next_key: AtomicU64,
}

impl Wait {
    fn is_done(&self) -> bool {
        // Ordering: Relaxed: whoever must not miss it comes through the list's lock.
        self.done.load(Ordering::Relaxed) == 1
    }

    fn new_key(&self) -> Key {
        // Ordering: Relaxed: the counter's own order alone makes keys differ.
        self.next_key.fetch_add(1, Ordering::Relaxed)
    }

    fn complete(&self) {
        self.callbacks.take().complete(|job| {
            job.run();
        });
    }
}

impl Wake for Wait {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        // Ordering: Relaxed: see `is_done`.
        self.done.store(1, Ordering::Relaxed);
        self.complete();
    }
}

impl Awaited {
    /// True once the coroutine is to be resumed.
    pub fn is_done(&self) -> bool {
        self.wait.is_done()
    }

    /// Has `callback` called once it is done; here and now if it is.
    ///
    /// There is no loop to call it, so it runs on the stack of whoever wakes the coroutine: it should do no more than
    /// see to it that the coroutine is resumed soon (spawn, send to a channel, `call_soon`). A panic in it goes to the
    /// panic hook.
    ///
    /// # Source
    /// `asyncio.Future.add_done_callback`, as a task calls it on what its coroutine yields.
    pub fn add_done_callback(&self, callback: impl FnOnce() + Send + 'static) {
        let key = self.wait.new_key();
        let job = Job::once(callback);
        self.wait.callbacks.add(key, Callback::Call(job));
        // Whoever came before has looked into the list already.
        if keep("awaited_second_look") && self.is_done() {
            self.wait.complete();
        }
    }
}

impl Future for Awaited {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let Awaited { wait, key } = &mut *self;
        if wait.is_done() {
            return Poll::Ready(());
        }
        let key = *key.get_or_insert_with(|| wait.new_key());
        wait.callbacks.wait(key, context.waker());
        // As in `add_done_callback`.
        if keep("awaited_second_look") && wait.is_done() {
            return Poll::Ready(());
        }
        Poll::Pending
    }
}

impl Drop for Awaited {
    fn drop(&mut self) {
        if let Some(key) = self.key {
            self.wait.callbacks.remove(key);
        }
    }
}

impl fmt::Debug for Awaited {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Awaited")
            .field("done", &self.is_done())
            .finish()
    }
}

#[cfg(all(test, filch_loom))]
mod model {
    use super::*;
    use loom::thread;

    #[test]
    fn whoever_awaits_it_wakes() {
        loom::model(|| {
            let awaited = Awaited {
                wait: Arc::new(Wait::default()),
                key: None,
            };
            let waker = Waker::from(awaited.wait.clone());
            let other = thread::spawn(move || waker.wake());
            loom::future::block_on(awaited);
            other.join().unwrap();
        });
    }

    #[test]
    fn a_callback_runs_once() {
        loom::model(|| {
            let awaited = Awaited {
                wait: Arc::new(Wait::default()),
                key: None,
            };
            let waker = Waker::from(awaited.wait.clone());
            let other = thread::spawn(move || waker.wake());
            let ran = Arc::new(AtomicUsize::new(0));
            let by_callback = ran.clone();
            awaited.add_done_callback(move || {
                by_callback.fetch_add(1, Ordering::Relaxed);
            });
            other.join().unwrap();
            assert_eq!(ran.load(Ordering::Relaxed), 1);
        });
    }
}

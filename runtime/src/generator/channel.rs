//! The two values that pass between a generator's driver and its body: what is yielded, and what is sent.
//!
//! The driver puts a value in, polls the body, and takes a value out; so each place holds at most one, and the two are
//! never touched at the same time but by a body that polls its yields concurrently, which loses nothing: a yield waits
//! until the place is free. A place is a cell on one thread ([`Local`]), or a lock that nobody waits for ([`Shared`]).

use std::cell::RefCell;
use std::fmt;
use std::future::Future;
use std::ops::Deref;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll};

use super::delegate::{self, Delegate};
use super::thrown::Thrown;
use crate::sync_prim::Mutex;

/// What is sent to a body: a value, none, or an error.
pub(super) type Sent<S> = Result<Option<S>, Thrown>;

mod sealed {
    pub trait Sealed {}
    impl Sealed for super::Local {}
    impl Sealed for super::Shared {}
}

/// Whether a generator stays on one thread: [`Local`], or may go to others: [`Shared`].
pub trait Kind: sealed::Sealed + Sized + 'static {
    /// How its parts are shared.
    #[doc(hidden)]
    type Ptr<T>: Deref<Target = T> + Clone;
    /// A place that is changed in passing.
    #[doc(hidden)]
    type Place<T>;
    /// The body, boxed.
    #[doc(hidden)]
    type Body<'a, T>: Future<Output = T> + Unpin;

    #[doc(hidden)]
    fn share<T>(value: T) -> Self::Ptr<T>;
    #[doc(hidden)]
    fn same<T>(a: &Self::Ptr<T>, b: &Self::Ptr<T>) -> bool;
    #[doc(hidden)]
    fn place<T>(value: T) -> Self::Place<T>;
    /// `change` is ours, short, and drops nobody's value.
    #[doc(hidden)]
    fn with<T, R>(place: &Self::Place<T>, change: impl FnOnce(&mut T) -> R) -> R;
}

/// A generator that stays on its thread: no atomics, no locks.
#[derive(Debug)]
pub enum Local {}

/// A generator that may go from thread to thread.
#[derive(Debug)]
pub enum Shared {}

/// A place that threads take turns at; public because [`Kind`] is.
#[doc(hidden)]
#[derive(Debug)]
pub struct Locked<T>(Mutex<T>);

impl Kind for Local {
    type Ptr<T> = Rc<T>;
    type Place<T> = RefCell<T>;
    type Body<'a, T> = Pin<Box<dyn Future<Output = T> + 'a>>;

    fn share<T>(value: T) -> Rc<T> {
        Rc::new(value)
    }
    fn same<T>(a: &Rc<T>, b: &Rc<T>) -> bool {
        Rc::ptr_eq(a, b)
    }
    fn place<T>(value: T) -> RefCell<T> {
        RefCell::new(value)
    }
    #[inline]
    fn with<T, R>(place: &RefCell<T>, change: impl FnOnce(&mut T) -> R) -> R {
        change(&mut place.borrow_mut())
    }
}

impl Kind for Shared {
    type Ptr<T> = Arc<T>;
    type Place<T> = Locked<T>;
    type Body<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

    fn share<T>(value: T) -> Arc<T> {
        Arc::new(value)
    }
    fn same<T>(a: &Arc<T>, b: &Arc<T>) -> bool {
        Arc::ptr_eq(a, b)
    }
    fn place<T>(value: T) -> Locked<T> {
        Locked(Mutex::new(value))
    }
    #[inline]
    fn with<T, R>(place: &Locked<T>, change: impl FnOnce(&mut T) -> R) -> R {
        change(&mut place.0.lock())
    }
}

pub(super) struct Channel<Y, S, K: Kind> {
    yielded: K::Place<Option<Y>>,
    sent: K::Place<Option<Sent<S>>>,
}

impl<Y, S, K: Kind> Channel<Y, S, K> {
    pub(super) fn new() -> K::Ptr<Self> {
        K::share(Channel {
            yielded: K::place(None),
            sent: K::place(None),
        })
    }

    /// For the yield at which the body stands.
    #[inline]
    pub(super) fn send(&self, value: Sent<S>) {
        let before = K::with(&self.sent, |sent| sent.replace(value));
        drop(before);
    }

    #[inline]
    pub(super) fn take_yielded(&self) -> Option<Y> {
        K::with(&self.yielded, Option::take)
    }
}

/// A body's end of its generator: what `yield` is in Python.
///
/// Helpers may borrow it and yield for the body, which is one way to delegate; [`yield_from`](Self::yield_from) is the
/// other. A yield that is awaited when the generator has ended waits for ever.
pub struct Yielder<Y, S = (), K: Kind = Local>(pub(super) K::Ptr<Channel<Y, S, K>>);

impl<Y, S, K: Kind> Yielder<Y, S, K> {
    /// Hands `value` to whoever resumes the generator, and waits for the next resumption.
    ///
    /// The answer is what was sent: `None` by [`next`](super::Generator::next), the value by
    /// [`send`](super::Generator::send).
    ///
    /// # Errors
    /// What [`throw`](super::Generator::throw) threw; [`GeneratorExit`](super::GeneratorExit) for
    /// [`close`](super::Generator::close). `?` lets it through, a `match` catches it. Nothing can be thrown into a Rust
    /// future from outside, so this is where a thrown error arrives, and not catching it is up to the `?`.
    ///
    /// # Source
    /// `yield`.
    #[inline]
    pub fn yield_(&self, value: Y) -> Yielding<'_, Y, S, K> {
        Yielding {
            channel: &self.0,
            value: Some(value),
        }
    }

    /// Yields all that `inner` yields, and passes on to it all that is sent, thrown or closed meanwhile. The answer is
    /// what it returned.
    ///
    /// `inner` is a [`Generator`](super::Generator), a [`Coroutine`](super::Coroutine), an iterator in
    /// [`each`](super::each), or a [`Delegate`] of your own.
    ///
    /// # Errors
    /// What comes out of `inner`. [`GeneratorExit`](super::GeneratorExit) closes it, and goes on here.
    ///
    /// # Source
    /// `yield from`, step by step as PEP 380 spells it out.
    ///
    /// # Cancel safety
    /// Dropping it drops `inner`, which ends where it stands unless it has another handle; nothing is thrown into it. What was
    /// yielded has been handed over.
    ///
    /// # Examples
    /// ```
    /// use filch::generator::{Generator, Yielder};
    ///
    /// let inner = Generator::new(async |co: Yielder<u32>| {
    ///     co.yield_(1).await?;
    ///     Ok("from inside")
    /// });
    /// let outer = Generator::new(async move |co: Yielder<u32>| {
    ///     assert_eq!(co.yield_from(inner).await?, "from inside");
    ///     co.yield_(2).await?;
    ///     Ok(())
    /// });
    /// assert_eq!(outer.map(Result::unwrap).collect::<Vec<_>>(), [1, 2]);
    /// ```
    pub async fn yield_from<D>(&self, inner: D) -> Result<D::Return, Thrown>
    where
        D: Delegate<Y, S>,
    {
        delegate::tunnel(self, inner).await
    }
}

impl<Y, S, K: Kind> Clone for Yielder<Y, S, K> {
    fn clone(&self) -> Self {
        Yielder(self.0.clone())
    }
}

impl<Y, S, K: Kind> fmt::Debug for Yielder<Y, S, K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Yielder")
    }
}

/// One yield: [`Yielder::yield_`].
#[must_use = "nothing is yielded unless you `.await` it"]
pub struct Yielding<'c, Y, S, K: Kind> {
    channel: &'c Channel<Y, S, K>,
    /// Until it is handed over.
    value: Option<Y>,
}

// The value is never pinned: it is moved out.
impl<Y, S, K: Kind> Unpin for Yielding<'_, Y, S, K> {}

impl<Y, S, K: Kind> Future for Yielding<'_, Y, S, K> {
    type Output = Result<Option<S>, Thrown>;

    #[inline]
    fn poll(mut self: Pin<&mut Self>, _context: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        if this.value.is_some() {
            K::with(&this.channel.yielded, |place| {
                if place.is_none() {
                    *place = this.value.take();
                }
            });
            return Poll::Pending;
        }
        match K::with(&this.channel.sent, Option::take) {
            Some(sent) => Poll::Ready(sent),
            None => Poll::Pending,
        }
    }
}

impl<Y, S, K: Kind> fmt::Debug for Yielding<'_, Y, S, K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Yielding")
    }
}

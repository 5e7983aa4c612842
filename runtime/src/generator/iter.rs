//! The plain kind: a body that only yields is an iterator.

use std::cell::Cell;
use std::fmt;
use std::future::Future;
use std::iter::FusedIterator;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

/// An iterator written as a body that yields.
///
/// The type of the body is kept, so that the compiler sees through it: hand it out as `impl Iterator<Item = Y>`. For
/// sending, throwing and return values there is [`Generator`](super::Generator).
///
/// # Panics
/// The iterator panics if the body awaits anything but its own yields: there is nobody to wake it.
///
/// # Examples
/// ```
/// use filch::generator::{Yields, iter};
///
/// fn fibonacci() -> impl Iterator<Item = u64> {
///     iter(async |out: Yields<u64>| {
///         let (mut a, mut b) = (0, 1);
///         loop {
///             out.yield_(a).await;
///             (a, b) = (b, a + b);
///         }
///     })
/// }
/// assert_eq!(fibonacci().take(8).collect::<Vec<_>>(), [0, 1, 1, 2, 3, 5, 8, 13]);
/// ```
pub fn iter<Y, F>(body: impl FnOnce(Yields<Y>) -> F) -> Iter<Y, F>
where
    F: Future<Output = ()>,
{
    let place = Rc::new(Cell::new(None));
    Iter {
        body: Some(Box::pin(body(Yields(place.clone())))),
        place,
    }
}

/// The body's end of an [`iter`].
pub struct Yields<Y>(Rc<Cell<Option<Y>>>);

/// One value of an [`iter`] on its way: [`Yields::yield_`].
#[must_use = "nothing is yielded unless you `.await` it"]
pub struct Yielded<'c, Y> {
    place: &'c Cell<Option<Y>>,
    value: Option<Y>,
}

/// An iterator that a body feeds: [`iter`].
pub struct Iter<Y, F> {
    /// None once it has ended.
    body: Option<Pin<Box<F>>>,
    place: Rc<Cell<Option<Y>>>,
}

impl<Y> Yields<Y> {
    /// Hands `value` to whoever iterates, and waits until it wants the next.
    #[inline]
    pub fn yield_(&self, value: Y) -> Yielded<'_, Y> {
        Yielded {
            place: &self.0,
            value: Some(value),
        }
    }
}

// The value is never pinned: it is moved out.
impl<Y> Unpin for Yielded<'_, Y> {}

impl<Y> Future for Yielded<'_, Y> {
    type Output = ();

    #[inline]
    fn poll(mut self: Pin<&mut Self>, _context: &mut Context<'_>) -> Poll<()> {
        let Some(value) = self.value.take() else {
            return Poll::Ready(());
        };
        if let Some(first) = self.place.replace(Some(value)) {
            self.step_back(first);
        }
        Poll::Pending
    }
}

impl<Y> Yielded<'_, Y> {
    /// What another yield of the same body put there goes first.
    #[cold]
    fn step_back(&mut self, first: Y) {
        self.value = self.place.replace(Some(first));
    }
}

impl<Y, F> Iter<Y, F> {
    #[cold]
    fn end(&mut self) -> Option<Y> {
        self.body = None;
        None
    }
}

#[cold]
fn nobody_wakes_it() -> ! {
    panic!("the body of an iterator awaited something that is not its own yield")
}

impl<Y, F: Future<Output = ()>> Iterator for Iter<Y, F> {
    type Item = Y;

    #[inline]
    fn next(&mut self) -> Option<Y> {
        let mut context = Context::from_waker(Waker::noop());
        if self.body.as_mut()?.as_mut().poll(&mut context).is_ready() {
            return self.end();
        }
        let value = self.place.take();
        if value.is_none() {
            nobody_wakes_it();
        }
        value
    }
}

impl<Y, F: Future<Output = ()>> FusedIterator for Iter<Y, F> {}

impl<Y> fmt::Debug for Yields<Y> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Yields")
    }
}

impl<Y> fmt::Debug for Yielded<'_, Y> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Yielded")
    }
}

impl<Y, F> fmt::Debug for Iter<Y, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Iter")
            .field("ended", &self.body.is_none())
            .finish()
    }
}

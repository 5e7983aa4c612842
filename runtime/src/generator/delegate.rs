//! `yield from`: a tunnel through which values, errors and the end pass both ways.

use super::channel::{Kind, Yielder};
use super::thrown::{GeneratorError, GeneratorExit, Stop, Thrown};

/// What [`Yielder::yield_from`] can delegate to.
///
/// # Source
/// The methods that PEP 380 calls on a subgenerator: `send`, `throw`, `close`.
pub trait Delegate<Y, S> {
    /// What it returns at its end.
    type Return;

    /// Lets it run to its next yield.
    ///
    /// # Errors
    /// Its end, or what it raised.
    fn resume(&mut self, sent: Option<S>) -> Result<Y, Stop<Self::Return>>;

    /// Throws an error into it. Unless it is defined otherwise, nothing catches the error.
    ///
    /// # Errors
    /// Its end, or what it raised.
    fn throw(&mut self, thrown: Thrown) -> Result<Y, Stop<Self::Return>> {
        Err(Stop::Raised(thrown))
    }

    /// Ends it. Unless it is defined otherwise, there is nothing to end.
    ///
    /// # Errors
    /// What it raised.
    fn close(&mut self) -> Result<Option<Self::Return>, Thrown> {
        Ok(None)
    }
}

impl<Y, S, D: Delegate<Y, S>> Delegate<Y, S> for &mut D {
    type Return = D::Return;

    fn resume(&mut self, sent: Option<S>) -> Result<Y, Stop<D::Return>> {
        (**self).resume(sent)
    }
    fn throw(&mut self, thrown: Thrown) -> Result<Y, Stop<D::Return>> {
        (**self).throw(thrown)
    }
    fn close(&mut self) -> Result<Option<D::Return>, Thrown> {
        (**self).close()
    }
}

/// An iterator to delegate to: [`each`].
#[derive(Clone, Debug)]
pub struct Each<I>(I);

/// Makes anything that can be iterated over fit for [`yield_from`](Yielder::yield_from). It takes no values, and returns
/// nothing.
///
/// # Examples
/// ```
/// use filch::generator::{Generator, Yielder, each};
///
/// let digits = Generator::new(async |co: Yielder<u32>| co.yield_from(each(0..3)).await);
/// assert_eq!(digits.map(Result::unwrap).collect::<Vec<_>>(), [0, 1, 2]);
/// ```
pub fn each<I: IntoIterator>(items: I) -> Each<I::IntoIter> {
    Each(items.into_iter())
}

impl<S, I: Iterator> Delegate<I::Item, S> for Each<I> {
    type Return = ();

    fn resume(&mut self, sent: Option<S>) -> Result<I::Item, Stop<()>> {
        match sent {
            None => self.0.next().ok_or(Stop::Returned(())),
            Some(_) => Err(GeneratorError::TakesNoValue.into()),
        }
    }
}

/// The expansion of `yield from` in PEP 380.
pub(super) async fn tunnel<Y, S, K, D>(
    outer: &Yielder<Y, S, K>,
    mut inner: D,
) -> Result<D::Return, Thrown>
where
    K: Kind,
    D: Delegate<Y, S>,
{
    let mut step = inner.resume(None);
    loop {
        let value = match step {
            Ok(value) => value,
            Err(Stop::Returned(value)) => return Ok(value),
            Err(Stop::Exhausted) => return Err(GeneratorError::NoValue.into()),
            Err(Stop::Raised(thrown)) => return Err(thrown),
        };
        step = match outer.yield_(value).await {
            Ok(sent) => inner.resume(sent),
            Err(exit) if exit.is::<GeneratorExit>() => {
                inner.close()?;
                return Err(exit);
            }
            Err(thrown) => inner.throw(thrown),
        };
    }
}

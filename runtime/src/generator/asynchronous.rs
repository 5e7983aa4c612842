//! Asynchronous generators: bodies that also await other things.
//!
//! The verbs of Python's, on the same generators. Whoever awaits one lends its waker to the body, which then waits where it
//! stands ([`Stage::Waiting`]); the others are told that it is executing. If whoever waits goes, the next one goes on from
//! there.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use super::channel::Sent;
use super::{
    Begin, Body, Generator, GeneratorError, GeneratorExit, Kind, Stage, Step, Stop, Thrown, raised,
};

impl<'a, Y, S, R, K: Kind> Generator<'a, Y, S, R, K> {
    /// As [`next`](Self::next), and the body may await what it likes.
    ///
    /// # Errors
    /// As [`next`](Self::next).
    ///
    /// # Cancel safety
    /// Safe: the body stays where it waits, and the next `anext` goes on from there. No value is lost.
    ///
    /// # Source
    /// `anext(gen)`, `gen.__anext__()`: PEP 525.
    ///
    /// # Examples
    /// ```
    /// use filch::generator::{SendGenerator, Yielder};
    ///
    /// # filch::block_on(async {
    /// let ticks = SendGenerator::new_send(async |co: Yielder<u32, (), _>| {
    ///     for n in 0..3 {
    ///         filch::time::sleep(std::time::Duration::from_millis(1)).await;
    ///         co.yield_(n).await?;
    ///     }
    ///     Ok(())
    /// });
    /// let mut sum = 0;
    /// while let Ok(n) = ticks.anext().await {
    ///     sum += n;
    /// }
    /// assert_eq!(sum, 3);
    /// # });
    /// ```
    pub fn anext(&self) -> Resuming<'_, 'a, Y, S, R, K> {
        self.resuming(Ok(None))
    }

    /// As [`send`](Self::send), and the body may await what it likes.
    ///
    /// # Errors
    /// As [`send`](Self::send); and [`GeneratorError::AlreadyExecuting`] if the body waits where a dropped `anext` left it.
    ///
    /// # Cancel safety
    /// As [`anext`](Self::anext), once it has been polled; before that, nothing has been sent.
    ///
    /// # Source
    /// `gen.asend(value)`.
    ///
    /// # Examples
    /// ```
    /// # filch::block_on(async {
    /// use filch::generator::{SendGenerator, Yielder};
    ///
    /// let total = SendGenerator::new_send(async |co: Yielder<u32, u32, _>| {
    ///     let mut total = 0;
    ///     while let Some(n) = co.yield_(total).await? {
    ///         filch::task::yield_now().await;
    ///         total += n;
    ///     }
    ///     Ok(())
    /// });
    /// total.anext().await.unwrap();
    /// assert_eq!(total.asend(3).await.unwrap(), 3);
    /// assert_eq!(total.asend(4).await.unwrap(), 7);
    /// # });
    /// ```
    pub fn asend(&self, value: S) -> Resuming<'_, 'a, Y, S, R, K> {
        self.resuming(Ok(Some(value)))
    }

    /// As [`throw`](Self::throw), and the body may await what it likes.
    ///
    /// # Errors
    /// As [`throw`](Self::throw); and as [`asend`](Self::asend).
    ///
    /// # Cancel safety
    /// As [`asend`](Self::asend).
    ///
    /// # Source
    /// `gen.athrow(error)`.
    pub fn athrow(&self, error: impl Into<Thrown>) -> Resuming<'_, 'a, Y, S, R, K> {
        self.resuming(Err(error.into()))
    }

    /// As [`close`](Self::close), and the body may await what it likes. A body that waits where a dropped `anext` left it is
    /// dropped there: nothing can be thrown into what it awaits.
    ///
    /// # Errors
    /// As [`close`](Self::close).
    ///
    /// # Cancel safety
    /// The exit has been thrown once it has been polled; called again, it drops the body where it waits.
    ///
    /// # Source
    /// `gen.aclose()`.
    pub async fn aclose(&self) -> Result<Option<R>, Thrown> {
        if let Some(body) = K::with(&self.0.stage, Stage::abandon) {
            drop(body);
            return Ok(None);
        }
        if K::with(&self.0.stage, |stage| {
            matches!(stage, Stage::Created(_) | Stage::Closed)
        }) {
            return self.close();
        }
        match self.resuming(Err(GeneratorExit.into())).await {
            Ok(_yielded) => Err(GeneratorError::IgnoredExit.into()),
            Err(Stop::Returned(value)) => Ok(Some(value)),
            Err(Stop::Exhausted) => Ok(None),
            Err(Stop::Raised(thrown)) if thrown.is::<GeneratorExit>() => Ok(None),
            Err(Stop::Raised(thrown)) => Err(thrown),
        }
    }

    fn resuming(&self, sent: Sent<S>) -> Resuming<'_, 'a, Y, S, R, K> {
        Resuming {
            generator: self,
            sent: Some(sent),
            attends: false,
        }
    }
}

impl<B> Stage<B> {
    /// The body that waits, for whoever attends it, or for anyone if nobody does.
    fn go_on(&mut self, attends: bool) -> Option<B> {
        match std::mem::replace(self, Stage::Running) {
            Stage::Waiting { body, attended } if attended == attends => Some(body),
            other => {
                *self = other;
                None
            }
        }
    }

    /// Closes it, if it waits and nobody attends it.
    fn abandon(&mut self) -> Option<B> {
        let body = self.go_on(false)?;
        *self = Stage::Closed;
        Some(body)
    }
}

/// A generator on its way to its next yield: [`Generator::anext`].
///
/// # Panics
/// If polled again after it gave its value.
#[must_use = "futures do nothing unless you `.await` or poll them"]
pub struct Resuming<'g, 'a, Y, S, R, K: Kind> {
    generator: &'g Generator<'a, Y, S, R, K>,
    /// Until the body gets it.
    sent: Option<Sent<S>>,
    /// The body waits, and our waker is the one it knows.
    attends: bool,
}

// Nothing in it is pinned: the body is in a box.
impl<Y, S, R, K: Kind> Unpin for Resuming<'_, '_, Y, S, R, K> {}

impl<'a, Y, S, R, K: Kind> Resuming<'_, 'a, Y, S, R, K> {
    /// The body, ready to run; what is sent is on its way.
    fn begin(&mut self) -> Result<Body<'a, R, K>, Stop<R>> {
        let generator = self.generator;
        let go_on = |attends| K::with(&generator.0.stage, |stage| stage.go_on(attends));
        let Some(sent) = self.sent.take() else {
            assert!(self.attends, "`Resuming` polled after it gave its value");
            return Ok(go_on(true).expect("nobody takes it while we attend it"));
        };
        if matches!(sent, Ok(None)) {
            if let Some(body) = go_on(false) {
                return Ok(body);
            }
        }
        match generator.begin() {
            Begin::Start(body) => match sent {
                Ok(None) => Ok(body),
                Ok(Some(_)) => {
                    generator.set(Stage::Created(body));
                    Err(GeneratorError::JustStarted.into())
                }
                Err(thrown) => {
                    generator.set(Stage::Closed);
                    drop(body);
                    Err(Stop::Raised(raised(thrown)))
                }
            },
            Begin::GoOn(body) => {
                generator.0.channel.send(sent);
                Ok(body)
            }
            Begin::Running => Err(GeneratorError::AlreadyExecuting.into()),
            Begin::Closed => Err(match sent {
                Ok(_) => Stop::Exhausted,
                Err(thrown) => Stop::Raised(thrown),
            }),
        }
    }
}

impl<Y, S, R, K: Kind> Future for Resuming<'_, '_, Y, S, R, K> {
    type Output = Result<Y, Stop<R>>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let body = self.begin();
        self.attends = false;
        let generator = self.generator;
        match generator.step(body?, context) {
            Step::Yields(value) => Poll::Ready(Ok(value)),
            Step::Stops(stop) => Poll::Ready(Err(stop)),
            Step::Waits(body) => {
                let attended = true;
                generator.set(Stage::Waiting { body, attended });
                self.attends = true;
                Poll::Pending
            }
        }
    }
}

impl<Y, S, R, K: Kind> Drop for Resuming<'_, '_, Y, S, R, K> {
    fn drop(&mut self) {
        if !self.attends {
            return;
        }
        K::with(&self.generator.0.stage, |stage| {
            if let Stage::Waiting { attended, .. } = stage {
                *attended = false;
            }
        });
    }
}

impl<Y, S, R, K: Kind> fmt::Debug for Resuming<'_, '_, Y, S, R, K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Resuming")
            .field("generator", &self.generator)
            .finish()
    }
}

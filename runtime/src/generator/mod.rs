//! Generators: functions that stop in the middle, hand a value out, and go on when somebody resumes them.
//!
//! Python's, with `send`, `throw`, `close`, `yield_from` and a return value, on stable Rust and without unsafe code. A
//! body is an async block; [`Yielder::yield_`] is a future that puts a value into a place and is pending once; resuming
//! is putting a value into another place (`channel`) and polling the body. The body itself waits in a third place, the
//! stage, and whoever resumes takes it out: so it runs once at a time, whoever holds the generator.
//!
//! | stage     | the body belongs to   | resume                    | throw              | close                       |
//! |-----------|-----------------------|---------------------------|--------------------|-----------------------------|
//! | created   | the stage             | runs from the top         | raises, closed     | closed                      |
//! | suspended | the stage             | runs on from its yield    | raises there       | throws [`GeneratorExit`]    |
//! | running   | whoever resumed it    | error: already executing  | the same           | the same                    |
//! | waiting   | the stage             | error: already executing  | the same           | the same                    |
//! | closed    | nobody: it is dropped | [`Stop::Exhausted`]       | raises             | nothing                     |
//!
//! Waiting is a body that awaits something else than its own yields, which only the asynchronous verbs (`asynchronous`) let
//! it: they go on from there. Edges: begin: created, suspended (asynchronous: waiting) -> running; pause: running ->
//! suspended, waiting; end: running -> closed, also when the body panics. Refused: a body as a thread or a stack of its own (as heavy as what it stands for). Model:
//! `generator::model::one_of_two_threads_runs_the_body`.

mod asynchronous;
mod channel;
mod coroutine;
mod delegate;
mod iter;
#[cfg(all(test, filch_loom))]
mod model;
mod thrown;

use std::fmt;
use std::future::Future;
use std::iter::FusedIterator;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

pub use self::asynchronous::Resuming;
use self::channel::Channel;
pub use self::channel::{Kind, Local, Shared, Yielder, Yielding};
pub use self::coroutine::{Awaited, Coroutine};
pub use self::delegate::{Delegate, Each, each};
pub use self::iter::{Iter, Yielded, Yields, iter};
pub use self::thrown::{GeneratorError, GeneratorExit, Stop, StopIteration, Thrown};

/// A generator: yields values of `Y`, takes values of `S`, returns an `R`.
///
/// It is a handle, as in Python: clones are the same generator, and a body may hold its own. When the last one goes the
/// body is dropped where it stands, which runs its destructors (Python's `finally`) and nothing else: for
/// [`GeneratorExit`] to arrive, call [`close`](Self::close).
///
/// As an [`Iterator`] it gives `Result<Y, Thrown>` and swallows the return value, as `for` does in Python. A body that only
/// yields is better written with [`iter`].
///
/// # Source
/// Python's generators: PEP 255, 342, 380 and 479. What has no counterpart: `__context__` of errors, frames.
///
/// # Examples
/// ```
/// use filch::generator::{Generator, Stop, Yielder};
///
/// let average = Generator::new(async |co: Yielder<f64, f64>| {
///     let (mut sum, mut n) = (0.0, 0.0);
///     while let Some(value) = co.yield_(if n > 0.0 { sum / n } else { 0.0 }).await? {
///         sum += value;
///         n += 1.0;
///     }
///     Ok(n)
/// });
/// average.next().unwrap();
/// assert_eq!(average.send(4.0).unwrap(), 4.0);
/// assert_eq!(average.send(8.0).unwrap(), 6.0);
/// assert!(matches!(average.next(), Err(Stop::Returned(n)) if n == 2.0));
/// ```
pub struct Generator<'a, Y, S = (), R = (), K: Kind = Local>(K::Ptr<Inner<'a, Y, S, R, K>>);

/// A generator that may go from thread to thread: what it yields and takes, and its body, is `Send`.
///
/// # Examples
/// ```
/// use filch::generator::{SendGenerator, Yielder};
///
/// let numbers = SendGenerator::new_send(async |co: Yielder<_, (), _>| {
///     for n in 0.. {
///         co.yield_(n).await?;
///     }
///     Ok(())
/// });
/// assert_eq!(numbers.next().unwrap(), 0);
/// let numbers = std::thread::spawn(move || {
///     assert_eq!(numbers.next().unwrap(), 1);
///     numbers
/// });
/// assert_eq!(numbers.join().unwrap().next().unwrap(), 2);
/// ```
pub type SendGenerator<'a, Y, S = (), R = ()> = Generator<'a, Y, S, R, Shared>;

type Body<'a, R, K> = <K as Kind>::Body<'a, Result<R, Thrown>>;

struct Inner<'a, Y, S, R, K: Kind> {
    channel: K::Ptr<Channel<Y, S, K>>,
    stage: K::Place<Stage<Body<'a, R, K>>>,
}

enum Stage<B> {
    Created(B),
    Suspended(B),
    /// For something else than its next resumption.
    Waiting {
        body: B,
        /// Somebody will be woken, and go on.
        attended: bool,
    },
    Running,
    Closed,
}

/// What a generator is doing.
///
/// # Source
/// `inspect.getgeneratorstate`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GeneratorState {
    /// It waits for its first resumption.
    Created,
    /// It stands at a yield.
    Suspended,
    /// Its body runs, here or on another thread, or waits for something else than its next resumption.
    Running,
    /// It has ended.
    Closed,
}

/// What a stage that was to begin to run answers.
enum Begin<B> {
    /// The body, which has not started.
    Start(B),
    /// The body, which stands at a yield.
    GoOn(B),
    Running,
    Closed,
}

impl<B> Stage<B> {
    fn begin(&mut self) -> Begin<B> {
        match std::mem::replace(self, Stage::Running) {
            Stage::Created(body) => Begin::Start(body),
            Stage::Suspended(body) => Begin::GoOn(body),
            Stage::Running => Begin::Running,
            waiting @ Stage::Waiting { .. } => {
                *self = waiting;
                Begin::Running
            }
            Stage::Closed => {
                *self = Stage::Closed;
                Begin::Closed
            }
        }
    }
}

impl<'a, Y, S, R> Generator<'a, Y, S, R, Local> {
    /// A generator that stays on this thread. Its body does not run before the first [`next`](Self::next).
    ///
    /// The body's errors come out of whatever resumed it; `Ok` is its return value.
    ///
    /// # Examples
    /// ```
    /// use filch::generator::{Generator, Stop, Yielder};
    ///
    /// let words = Generator::new(async |co: Yielder<&str>| {
    ///     co.yield_("tea").await?;
    ///     co.yield_("milk").await?;
    ///     Ok(2)
    /// });
    /// assert_eq!(words.next().unwrap(), "tea");
    /// assert_eq!(words.next().unwrap(), "milk");
    /// assert!(matches!(words.next(), Err(Stop::Returned(2))));
    /// ```
    pub fn new<F>(body: impl FnOnce(Yielder<Y, S, Local>) -> F) -> Self
    where
        F: Future<Output = Result<R, Thrown>> + 'a,
    {
        Generator::made_of(|yielder| Box::pin(body(yielder)))
    }
}

impl<'a, Y, S, R> Generator<'a, Y, S, R, Shared> {
    /// A generator that may go from thread to thread.
    pub fn new_send<F>(body: impl FnOnce(Yielder<Y, S, Shared>) -> F) -> Self
    where
        F: Future<Output = Result<R, Thrown>> + Send + 'a,
    {
        Generator::made_of(|yielder| Box::pin(body(yielder)))
    }
}

impl<'a, Y, S, R, K: Kind> Generator<'a, Y, S, R, K> {
    fn made_of(body: impl FnOnce(Yielder<Y, S, K>) -> Body<'a, R, K>) -> Self {
        let channel = Channel::<Y, S, K>::new();
        let body = body(Yielder(channel.clone()));
        Generator(K::share(Inner {
            channel,
            stage: K::place(Stage::Created(body)),
        }))
    }

    /// Lets the body run to its next yield, where the answer of the last one is `None`.
    ///
    /// # Errors
    /// [`Stop::Returned`] when the body returns, [`Stop::Exhausted`] after that; [`Stop::Raised`] with what the body
    /// raised, or with [`GeneratorError::AlreadyExecuting`].
    ///
    /// # Panics
    /// If the body does; the generator has ended then.
    ///
    /// # Source
    /// `next(gen)`, which is `gen.send(None)`.
    #[inline]
    pub fn next(&self) -> Result<Y, Stop<R>> {
        self.resume(None)
    }

    /// Lets the body run to its next yield, where the answer of the last one is `value`.
    ///
    /// # Errors
    /// As [`next`](Self::next); and [`GeneratorError::JustStarted`] if the body has come to no yield yet. The value is
    /// dropped then, and the generator can be started still.
    ///
    /// # Panics
    /// As [`next`](Self::next).
    ///
    /// # Source
    /// `gen.send(value)`.
    #[inline]
    pub fn send(&self, value: S) -> Result<Y, Stop<R>> {
        self.resume(Some(value))
    }

    /// [`send`](Self::send) with a value, [`next`](Self::next) without.
    ///
    /// # Errors
    /// As those.
    ///
    /// # Panics
    /// As [`next`](Self::next).
    #[inline]
    pub fn resume(&self, value: Option<S>) -> Result<Y, Stop<R>> {
        match self.begin() {
            Begin::Start(body) if value.is_none() => self.run(body),
            Begin::Start(body) => {
                self.set(Stage::Created(body));
                Err(GeneratorError::JustStarted.into())
            }
            Begin::GoOn(body) => {
                self.0.channel.send(Ok(value));
                self.run(body)
            }
            Begin::Running => Err(GeneratorError::AlreadyExecuting.into()),
            Begin::Closed => Err(Stop::Exhausted),
        }
    }

    /// Raises `error` at the yield where the body stands, and lets it run to its next yield.
    ///
    /// A body that has not started does not run: the error comes straight out, and the generator has ended.
    ///
    /// # Errors
    /// As [`next`](Self::next): the error itself if the body does not catch it.
    ///
    /// # Panics
    /// As [`next`](Self::next).
    ///
    /// # Source
    /// `gen.throw(error)`.
    ///
    /// # Examples
    /// ```
    /// use filch::generator::{Generator, Yielder};
    ///
    /// let polite = Generator::new(async |co: Yielder<String>| {
    ///     let error = co.yield_("well?".to_owned()).await.unwrap_err();
    ///     co.yield_(format!("caught {error}")).await?;
    ///     Ok(())
    /// });
    /// polite.next().unwrap();
    /// assert_eq!(polite.throw(std::fmt::Error).unwrap(), format!("caught {}", std::fmt::Error));
    /// ```
    pub fn throw(&self, error: impl Into<Thrown>) -> Result<Y, Stop<R>> {
        let thrown = error.into();
        match self.begin() {
            Begin::Start(body) => {
                drop(Running(self));
                drop(body);
                Err(Stop::Raised(raised(thrown)))
            }
            Begin::GoOn(body) => {
                self.0.channel.send(Err(thrown));
                self.run(body)
            }
            Begin::Running => Err(GeneratorError::AlreadyExecuting.into()),
            Begin::Closed => Err(Stop::Raised(thrown)),
        }
    }

    /// Raises [`GeneratorExit`] at the yield where the body stands, so that it tidies up and ends. The answer is what it
    /// returned, if it caught that and returned something.
    ///
    /// A body that has not started is dropped; a generator that has ended stays so.
    ///
    /// # Errors
    /// What the body raised, but for [`GeneratorExit`] itself; [`GeneratorError::IgnoredExit`] if it yielded, which leaves
    /// it suspended; [`GeneratorError::AlreadyExecuting`].
    ///
    /// # Panics
    /// As [`next`](Self::next).
    ///
    /// # Source
    /// `gen.close()` as of Python 3.13.
    ///
    /// # Examples
    /// ```
    /// use filch::generator::{Generator, GeneratorExit, GeneratorState, Yielder};
    ///
    /// let lines = Generator::new(async |co: Yielder<u32>| {
    ///     let exit = co.yield_(1).await.unwrap_err();
    ///     assert!(exit.is::<GeneratorExit>());
    ///     Ok("tidy")
    /// });
    /// lines.next().unwrap();
    /// assert_eq!(lines.close().unwrap(), Some("tidy"));
    /// assert_eq!(lines.state(), GeneratorState::Closed);
    /// ```
    pub fn close(&self) -> Result<Option<R>, Thrown> {
        match self.begin() {
            Begin::Start(body) => {
                drop(Running(self));
                drop(body);
                Ok(None)
            }
            Begin::GoOn(body) => {
                self.0.channel.send(Err(GeneratorExit.into()));
                match self.run(body) {
                    Ok(_yielded) => Err(GeneratorError::IgnoredExit.into()),
                    Err(Stop::Returned(value)) => Ok(Some(value)),
                    Err(Stop::Exhausted) => Ok(None),
                    Err(Stop::Raised(thrown)) if thrown.is::<GeneratorExit>() => Ok(None),
                    Err(Stop::Raised(thrown)) => Err(thrown),
                }
            }
            Begin::Running => Err(GeneratorError::AlreadyExecuting.into()),
            Begin::Closed => Ok(None),
        }
    }

    /// What it is doing.
    pub fn state(&self) -> GeneratorState {
        K::with(&self.0.stage, |stage| match stage {
            Stage::Created(_) => GeneratorState::Created,
            Stage::Suspended(_) => GeneratorState::Suspended,
            Stage::Running | Stage::Waiting { .. } => GeneratorState::Running,
            Stage::Closed => GeneratorState::Closed,
        })
    }

    /// True if both are handles of one generator.
    pub fn is_same(&self, other: &Self) -> bool {
        K::same(&self.0, &other.0)
    }

    #[inline]
    fn begin(&self) -> Begin<Body<'a, R, K>> {
        K::with(&self.0.stage, Stage::begin)
    }

    /// Ends a run that `begin` began.
    #[inline]
    fn set(&self, stage: Stage<Body<'a, R, K>>) {
        let before = K::with(&self.0.stage, |place| std::mem::replace(place, stage));
        debug_assert!(matches!(before, Stage::Running));
        // Nothing to drop, and so no look for it.
        std::mem::forget(before);
    }

    /// Runs the body to its next yield or its end. The stage is `Running`, by our `begin`.
    #[inline]
    fn run(&self, body: Body<'a, R, K>) -> Result<Y, Stop<R>> {
        match self.step(body, &mut Context::from_waker(Waker::noop())) {
            Step::Yields(value) => Ok(value),
            Step::Stops(stop) => Err(stop),
            Step::Waits(body) => {
                self.set(Stage::Closed);
                drop(body);
                Err(GeneratorError::ForeignAwait.into())
            }
        }
    }

    /// As `run`. Where the body waits for something else, the stage is `Running` still.
    #[inline]
    fn step(
        &self,
        mut body: Body<'a, R, K>,
        context: &mut Context<'_>,
    ) -> Step<Y, R, Body<'a, R, K>> {
        let running = Running(self);
        match Pin::new(&mut body).poll(context) {
            Poll::Pending => {
                std::mem::forget(running);
                match self.0.channel.take_yielded() {
                    Some(value) => {
                        self.set(Stage::Suspended(body));
                        Step::Yields(value)
                    }
                    None => Step::Waits(body),
                }
            }
            Poll::Ready(Ok(value)) => Step::Stops(Stop::Returned(value)),
            Poll::Ready(Err(thrown)) => Step::Stops(Stop::Raised(raised(thrown))),
        }
    }
}

/// What a body does when it is let run.
enum Step<Y, R, B> {
    Yields(Y),
    Stops(Stop<R>),
    /// For something else than its next resumption.
    Waits(B),
}

/// A body that raises [`StopIteration`] must not look as if it had returned (PEP 479).
fn raised(thrown: Thrown) -> Thrown {
    match thrown.downcast::<StopIteration>() {
        Ok(stop) => GeneratorError::RaisedStopIteration(stop).into(),
        Err(thrown) => thrown,
    }
}

/// Closes the generator when it is dropped: the body has ended, panicked, or is to go.
struct Running<'g, 'a, Y, S, R, K: Kind>(&'g Generator<'a, Y, S, R, K>);

impl<Y, S, R, K: Kind> Drop for Running<'_, '_, Y, S, R, K> {
    fn drop(&mut self) {
        self.0.set(Stage::Closed);
    }
}

impl<'a, Y, S, R, K: Kind> Delegate<Y, S> for Generator<'a, Y, S, R, K> {
    type Return = R;

    fn resume(&mut self, sent: Option<S>) -> Result<Y, Stop<R>> {
        Generator::resume(self, sent)
    }
    fn throw(&mut self, thrown: Thrown) -> Result<Y, Stop<R>> {
        Generator::throw(self, thrown)
    }
    fn close(&mut self) -> Result<Option<R>, Thrown> {
        Generator::close(self)
    }
}

impl<Y, S, R, K: Kind> Iterator for Generator<'_, Y, S, R, K> {
    type Item = Result<Y, Thrown>;

    fn next(&mut self) -> Option<Result<Y, Thrown>> {
        match Generator::next(self) {
            Ok(value) => Some(Ok(value)),
            Err(Stop::Returned(_) | Stop::Exhausted) => None,
            Err(Stop::Raised(thrown)) => Some(Err(thrown)),
        }
    }
}

// `AlreadyExecuting` comes out of a generator that has not ended, but it is no `None`.
impl<Y, S, R, K: Kind> FusedIterator for Generator<'_, Y, S, R, K> {}

impl<Y, S, R, K: Kind> Clone for Generator<'_, Y, S, R, K> {
    fn clone(&self) -> Self {
        Generator(self.0.clone())
    }
}

impl<Y, S, R, K: Kind> fmt::Debug for Generator<'_, Y, S, R, K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Generator")
            .field("state", &self.state())
            .finish()
    }
}

//! What is raised in and thrown into generators: any error, kept whole.
//!
//! An exception of Python is an object of any class; here it is a boxed [`Error`] of any type, found again by its type.
//! `?` on anything that is an [`Error`] raises it, as in any function.

use std::error::Error;
use std::fmt;

/// An error on its way through generators: thrown in by [`Generator::throw`](super::Generator::throw) or
/// [`close`](super::Generator::close), or raised by a body.
///
/// It is no [`Error`] itself, so that every error can become one with `?` (as `anyhow::Error` does).
///
/// # Examples
/// ```
/// use filch::generator::{GeneratorExit, Thrown};
///
/// let thrown = Thrown::from("x".parse::<u32>().unwrap_err());
/// assert!(thrown.is::<std::num::ParseIntError>() && !thrown.is::<GeneratorExit>());
/// assert_eq!(thrown.to_string(), "invalid digit found in string");
/// ```
pub struct Thrown(Box<dyn Error + Send + Sync>);

impl Thrown {
    /// An error, or a text that becomes one.
    pub fn new(error: impl Into<Box<dyn Error + Send + Sync>>) -> Thrown {
        Thrown(error.into())
    }

    /// True if it is an error of this type.
    pub fn is<E: Error + 'static>(&self) -> bool {
        self.0.is::<E>()
    }

    /// The error, if it is of this type.
    pub fn downcast_ref<E: Error + 'static>(&self) -> Option<&E> {
        self.0.downcast_ref()
    }

    /// The error, taken out.
    ///
    /// # Errors
    /// What was thrown, if it is of another type.
    pub fn downcast<E: Error + 'static>(self) -> Result<E, Thrown> {
        match self.0.downcast() {
            Ok(error) => Ok(*error),
            Err(other) => Err(Thrown(other)),
        }
    }

    /// The error behind it.
    pub fn get_ref(&self) -> &(dyn Error + Send + Sync + 'static) {
        &*self.0
    }

    /// The error, taken out.
    pub fn into_inner(self) -> Box<dyn Error + Send + Sync> {
        self.0
    }
}

impl fmt::Debug for Thrown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Display for Thrown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl<E: Error + Send + Sync + 'static> From<E> for Thrown {
    fn from(error: E) -> Thrown {
        Thrown(Box::new(error))
    }
}

impl From<Thrown> for Box<dyn Error + Send + Sync> {
    fn from(thrown: Thrown) -> Self {
        thrown.0
    }
}

impl From<Thrown> for Box<dyn Error> {
    fn from(thrown: Thrown) -> Self {
        thrown.0
    }
}

/// What [`close`](super::Generator::close) throws into a body: tidy up and end.
///
/// # Source
/// `GeneratorExit`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct GeneratorExit;

impl fmt::Display for GeneratorExit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("GeneratorExit")
    }
}

impl Error for GeneratorExit {}

/// The end of a generator, as an error: what `?` on a [`Stop`] raises in another generator's body.
///
/// A body may not raise it: that would look as if it had returned. It becomes
/// [`GeneratorError::RaisedStopIteration`] (PEP 479).
///
/// # Source
/// `StopIteration`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StopIteration;

impl fmt::Display for StopIteration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("StopIteration")
    }
}

impl Error for StopIteration {}

/// A generator was used wrongly, or its body broke the rules. The texts are CPython's where it has the case.
#[derive(Debug)]
#[non_exhaustive]
pub enum GeneratorError {
    /// A value was sent before the body had come to a yield that could take it (a `TypeError` in Python).
    JustStarted,
    /// It was resumed from inside its own body, or by two threads at once (`ValueError`).
    AlreadyExecuting,
    /// The body yielded after it was told to end (`RuntimeError`).
    IgnoredExit,
    /// The body raised [`StopIteration`] (`RuntimeError`, PEP 479).
    RaisedStopIteration(StopIteration),
    /// The body awaited something else than its own yields, and there is nobody to wake it: resume it by `anext`. It has
    /// been dropped.
    ForeignAwait,
    /// `yield_from` a generator that had ended before: there is no value to return (Python's is `None`).
    NoValue,
    /// A value was sent through `yield_from` to something that takes none (`AttributeError`).
    TakesNoValue,
}

impl fmt::Display for GeneratorError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            GeneratorError::JustStarted => "can't send non-None value to a just-started generator",
            GeneratorError::AlreadyExecuting => "generator already executing",
            GeneratorError::IgnoredExit => "generator ignored GeneratorExit",
            GeneratorError::RaisedStopIteration(_) => "generator raised StopIteration",
            GeneratorError::ForeignAwait => {
                "generator awaited something that is not its own yield: resume it by `anext`"
            }
            GeneratorError::NoValue => "the generator had ended before: it has no value to return",
            GeneratorError::TakesNoValue => "an iterator has no attribute 'send'",
        })
    }
}

impl Error for GeneratorError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            GeneratorError::RaisedStopIteration(cause) => Some(cause),
            _ => None,
        }
    }
}

/// Why a generator gave no further value.
///
/// `?` in the body of another generator raises it there; see [`StopIteration`] for why one should catch the end first.
#[derive(Debug)]
#[must_use = "it may hold an error"]
pub enum Stop<R> {
    /// The body returned this: the `value` of Python's `StopIteration`.
    Returned(R),
    /// It had ended before.
    Exhausted,
    /// An error came out: one that was thrown in and not caught, one that the body raised, or a [`GeneratorError`].
    Raised(Thrown),
}

impl<R> Stop<R> {
    /// The value that the body returned, if it has just done so.
    pub fn value(self) -> Option<R> {
        match self {
            Stop::Returned(value) => Some(value),
            Stop::Exhausted | Stop::Raised(_) => None,
        }
    }

    /// The error, if one came out.
    pub fn error(self) -> Option<Thrown> {
        match self {
            Stop::Raised(thrown) => Some(thrown),
            Stop::Exhausted | Stop::Returned(_) => None,
        }
    }

    /// True if the generator has ended without an error: Python's `StopIteration`.
    pub fn is_end(&self) -> bool {
        !matches!(self, Stop::Raised(_))
    }
}

/// `StopIteration` at the end, and what was raised otherwise.
impl<R> fmt::Display for Stop<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Stop::Returned(_) | Stop::Exhausted => StopIteration.fmt(f),
            Stop::Raised(thrown) => thrown.fmt(f),
        }
    }
}

impl<R> From<GeneratorError> for Stop<R> {
    fn from(error: GeneratorError) -> Stop<R> {
        Stop::Raised(error.into())
    }
}

impl<R> From<Stop<R>> for Thrown {
    fn from(stop: Stop<R>) -> Thrown {
        match stop {
            Stop::Returned(_) | Stop::Exhausted => StopIteration.into(),
            Stop::Raised(thrown) => thrown,
        }
    }
}

impl<R> From<Stop<R>> for Box<dyn Error + Send + Sync> {
    fn from(stop: Stop<R>) -> Self {
        Thrown::from(stop).into()
    }
}

impl<R> From<Stop<R>> for Box<dyn Error> {
    fn from(stop: Stop<R>) -> Self {
        Thrown::from(stop).into()
    }
}

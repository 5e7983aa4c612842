//! Errors with the names that CPython's tests raise, and a list of what happened, in order.

#![allow(dead_code, reason = "each test binary uses a part of it")]

use std::cell::RefCell;
use std::error::Error;
use std::fmt;

use filch::generator::{GeneratorError, Stop, Thrown};

macro_rules! errors {
    ($($name:ident)*) => {$(
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
        pub(crate) struct $name(pub(crate) &'static str);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.0)
            }
        }

        impl Error for $name {}
    )*};
}

errors!(ValueError KeyError TypeError RuntimeError ZeroDivisionError LunchError MyErr);

/// What happened.
#[derive(Default)]
pub(crate) struct Trace(RefCell<Vec<String>>);

impl Trace {
    pub(crate) fn say(&self, what: impl fmt::Display) {
        self.0.borrow_mut().push(what.to_string());
    }

    /// Says it when the answer is dropped: a `finally`.
    pub(crate) fn finally(&self, what: &'static str) -> impl Drop {
        struct Finally<'a>(&'a Trace, &'static str);
        impl Drop for Finally<'_> {
            fn drop(&mut self) {
                self.0.say(self.1);
            }
        }
        Finally(self, what)
    }

    #[track_caller]
    pub(crate) fn assert(&self, all: &[&str]) {
        assert_eq!(*self.0.borrow(), all);
    }
}

/// The error that came out; panics if it is not of type `E`.
#[track_caller]
pub(crate) fn raised<E: Error + 'static, Y: fmt::Debug, R: fmt::Debug>(
    step: Result<Y, Stop<R>>,
) -> E {
    match step {
        Err(Stop::Raised(thrown)) => thrown.downcast().unwrap(),
        other => panic!("{other:?}"),
    }
}

/// As [`raised`], for what a generator is told that is used wrongly.
#[track_caller]
pub(crate) fn misuse<Y: fmt::Debug, R: fmt::Debug>(step: Result<Y, Stop<R>>) -> String {
    raised::<GeneratorError, Y, R>(step).to_string()
}

/// The value that the body returned.
#[track_caller]
pub(crate) fn returned<Y: fmt::Debug, R: fmt::Debug>(step: Result<Y, Stop<R>>) -> R {
    match step {
        Err(Stop::Returned(value)) => value,
        other => panic!("{other:?}"),
    }
}

/// Panics unless it had ended before.
#[track_caller]
pub(crate) fn assert_exhausted<Y: fmt::Debug, R: fmt::Debug>(step: Result<Y, Stop<R>>) {
    assert!(matches!(step, Err(Stop::Exhausted)), "{step:?}");
}

/// True if `thrown` is an `E`.
pub(crate) fn is<E: Error + 'static>(thrown: &Thrown) -> bool {
    thrown.is::<E>()
}

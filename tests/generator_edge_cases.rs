//! What a generator does that is closed or thrown into, by what its inner one does then: each test stands for the one of
//! the same name in Lib/test/test_yield_from.py, class TestInterestingEdgeCases.
//!
//! `__context__` of an error has no counterpart; its identity has: what comes out is the very error that went in.

use filch::generator::{
    Generator, GeneratorError, GeneratorExit, Stop, StopIteration, Thrown, Yielder,
};

#[path = "common/raise.rs"]
mod raise;
use raise::*;

type G<'a> = Generator<'a, &'static str, (), &'static str>;

/// A started generator that delegates to one that answers so when something is thrown into its first yield.
fn outer<'a>(
    answer: impl AsyncFnOnce(Yielder<&'static str>, Thrown) -> Result<&'static str, Thrown> + 'a,
) -> G<'a> {
    let inner = Generator::new(async move |co: Yielder<_>| match co.yield_("first").await {
        Ok(_) => Ok("not thrown into"),
        Err(thrown) => answer(co, thrown).await,
    });
    let outer = Generator::new(async move |co: Yielder<_>| co.yield_from(inner).await);
    assert_eq!(outer.next().unwrap(), "first");
    outer
}

/// What came out, as a word: `Yielded` and `Returned` with their value, or the error's text.
fn word(step: Result<&'static str, Stop<&'static str>>) -> String {
    match step {
        Ok(value) => format!("Yielded {value}"),
        Err(Stop::Returned(value)) => format!("Returned {value}"),
        Err(Stop::Exhausted) => "Exhausted".to_owned(),
        Err(Stop::Raised(thrown)) => thrown.to_string(),
    }
}

fn thrown() -> [Thrown; 3] {
    [
        GeneratorExit.into(),
        StopIteration.into(),
        ValueError("thrown").into(),
    ]
}

/// Throws each of [`thrown`] into a new generator: what comes out, after which it has ended.
#[track_caller]
fn assert_thrown<'a>(started: impl Fn() -> G<'a>, expected: [&str; 3]) {
    for (thrown, expected) in thrown().into_iter().zip(expected) {
        let g = started();
        assert_eq!(word(g.throw(thrown)), expected);
        assert_exhausted(g.next());
    }
}

const EXIT: &str = "GeneratorExit";
const PEP_479: &str = "generator raised StopIteration";

#[test]
fn close_and_throw_work() {
    let started = || outer(async |_, thrown| Err(thrown));
    let g = started();
    assert_eq!(g.close().unwrap(), None);
    assert_exhausted(g.next());
    assert_thrown(started, [EXIT, PEP_479, "thrown"]);
    // The same error, not a copy.
    let error = Thrown::from(ValueError("thrown"));
    let place: *const ValueError = error.downcast_ref().unwrap();
    let out = started().throw(error).unwrap_err().error().unwrap();
    assert!(std::ptr::eq(place, out.downcast_ref().unwrap()));
}

#[test]
fn close_and_throw_raise_generator_exit() {
    let started = || outer(async |_, _| Err(GeneratorExit.into()));
    assert_eq!(started().close().unwrap(), None);
    assert_thrown(started, [EXIT, EXIT, EXIT]);
}

#[test]
fn close_and_throw_raise_stop_iteration() {
    let started = || outer(async |_, _| Err(StopIteration.into()));
    let error = started().close().unwrap_err();
    assert_eq!(error.to_string(), PEP_479);
    let cause = error
        .downcast_ref::<GeneratorError>()
        .map(std::error::Error::source);
    assert!(cause.unwrap().unwrap().is::<StopIteration>());
    assert_thrown(started, [PEP_479; 3]);
}

#[test]
fn close_and_throw_raise_exception() {
    let started = || outer(async |_, _| Err(KeyError("raised").into()));
    assert!(is::<KeyError>(&started().close().unwrap_err()));
    assert_thrown(started, ["raised"; 3]);
}

#[test]
fn close_and_throw_yield() {
    // `try: yield; finally: yield`: what was thrown goes on after the second one.
    let started = || {
        outer(async |co, thrown| {
            co.yield_("second").await?;
            Err(thrown)
        })
    };
    let ignored = "generator ignored GeneratorExit";
    let g = started();
    assert_eq!(g.close().unwrap_err().to_string(), ignored);
    assert_exhausted(g.next());
    let [exit, stop, error] = thrown();
    let g = started();
    assert_eq!(word(g.throw(exit)), ignored);
    assert_exhausted(g.next());
    for (thrown, goes_on) in [(stop, PEP_479), (error, "thrown")] {
        let g = started();
        assert_eq!(word(g.throw(thrown)), "Yielded second");
        assert_eq!(word(g.next()), goes_on);
        assert_exhausted(g.next());
    }
}

#[test]
fn close_and_throw_return() {
    let started = || outer(async |_, _| Ok("returned"));
    let g = started();
    assert_eq!(
        g.close().unwrap(),
        None,
        "the exit goes on in the outer one"
    );
    assert_exhausted(g.next());
    assert_thrown(started, [EXIT, "Returned returned", "Returned returned"]);
}

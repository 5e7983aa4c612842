//! `yield_from` behaves as CPython's `yield from`: each test stands for the one of the same name in
//! Lib/test/test_yield_from.py, class TestPEP380Operation; `tests/README.md` says which have none.

use std::cell::RefCell;
use std::rc::Rc;

use filch::generator::{
    Generator, GeneratorError, GeneratorExit, GeneratorState, Stop, StopIteration, Thrown, Yielder,
};

#[path = "common/raise.rs"]
mod raise;
use raise::*;

type G<'a, S = (), R = ()> = Generator<'a, &'static str, S, R>;

/// Runs it to its end, and says what it yields. The error that came out, if one did.
fn run<S>(trace: &Trace, generator: G<'_, S>) -> Option<Thrown> {
    for step in generator {
        match step {
            Ok(value) => trace.say(format!("Yielded {value}")),
            Err(thrown) => return Some(thrown),
        }
    }
    None
}

/// Yields once, then all of `inner`, then once more; says when it starts and, whatever happens, when it ends.
fn around<'a>(trace: &'a Trace, inner: G<'a>) -> G<'a> {
    Generator::new(async move |co: Yielder<_>| {
        trace.say("Starting g1");
        let _finally = trace.finally("Finishing g1");
        co.yield_("g1 ham").await?;
        co.yield_from(inner).await?;
        co.yield_("g1 eggs").await?;
        Ok(())
    })
}

/// Yields twice; says when it starts and, whatever happens, when it ends.
fn spam(trace: &Trace) -> G<'_> {
    Generator::new(async move |co: Yielder<_>| {
        trace.say("Starting g2");
        let _finally = trace.finally("Finishing g2");
        co.yield_("g2 spam").await?;
        co.yield_("g2 more spam").await?;
        Ok(())
    })
}

const TWO_STEPS_IN: [&str; 4] = [
    "Starting g1",
    "Yielded g1 ham",
    "Starting g2",
    "Yielded g2 spam",
];

/// Takes two steps, and says so.
fn two_steps<S>(trace: &Trace, generator: &G<'_, S>) {
    for _ in 0..2 {
        trace.say(format!("Yielded {}", generator.next().unwrap()));
    }
}

#[track_caller]
fn assert_both_finish_after_two_steps(trace: &Trace) {
    let ends = ["Finishing g2", "Finishing g1"];
    trace.assert(&[&TWO_STEPS_IN[..], &ends].concat());
}

#[test]
fn delegation_of_initial_next_to_subgenerator() {
    let trace = Trace::default();
    let g2 = Generator::new(async |co: Yielder<_>| {
        trace.say("Starting g2");
        co.yield_("42").await?;
        trace.say("Finishing g2");
        Ok(())
    });
    let g1 = Generator::new(async |co: Yielder<_>| {
        trace.say("Starting g1");
        co.yield_from(g2).await?;
        trace.say("Finishing g1");
        Ok(())
    });
    assert!(run(&trace, g1).is_none());
    trace.assert(&[
        "Starting g1",
        "Starting g2",
        "Yielded 42",
        "Finishing g2",
        "Finishing g1",
    ]);
}

#[test]
fn raising_exception_in_initial_next_call() {
    let trace = Trace::default();
    let g2: G = Generator::new(async |_: Yielder<_>| {
        trace.say("Starting g2");
        let _finally = trace.finally("Finishing g2");
        Err(ValueError("spanish inquisition occurred").into())
    });
    let g1 = Generator::new(async |co: Yielder<_>| {
        trace.say("Starting g1");
        let _finally = trace.finally("Finishing g1");
        co.yield_from(g2).await
    });
    let error = run(&trace, g1).unwrap();
    assert_eq!(error.to_string(), "spanish inquisition occurred");
    trace.assert(&["Starting g1", "Starting g2", "Finishing g2", "Finishing g1"]);
}

#[test]
fn delegation_of_next_call_to_subgenerator() {
    let trace = Trace::default();
    assert!(run(&trace, around(&trace, spam(&trace))).is_none());
    let rest = [
        "Yielded g2 more spam",
        "Finishing g2",
        "Yielded g1 eggs",
        "Finishing g1",
    ];
    trace.assert(&[&TWO_STEPS_IN[..], &rest].concat());
}

#[test]
fn raising_exception_in_delegated_next_call() {
    let trace = Trace::default();
    let g2: G = Generator::new(async |co: Yielder<_>| {
        trace.say("Starting g2");
        let _finally = trace.finally("Finishing g2");
        co.yield_("g2 spam").await?;
        Err(ValueError("hovercraft is full of eels").into())
    });
    let error = run(&trace, around(&trace, g2)).unwrap();
    assert_eq!(error.to_string(), "hovercraft is full of eels");
    assert_both_finish_after_two_steps(&trace);
}

/// As [`around`], and says what it was sent.
fn hears_around<'a>(trace: &'a Trace, inner: G<'a, i32>) -> G<'a, i32> {
    Generator::new(async move |co: Yielder<_, i32>| {
        trace.say("Starting g1");
        let x = co.yield_("g1 ham").await?.unwrap();
        trace.say(format!("g1 received {x}"));
        co.yield_from(inner).await?;
        let x = co.yield_("g1 eggs").await?.unwrap();
        trace.say(format!("g1 received {x}"));
        trace.say("Finishing g1");
        Ok(())
    })
}

/// Starts it and sends 1, 2 and so on until it stops.
fn send_numbers(trace: &Trace, generator: G<'_, i32>) -> Stop<()> {
    generator.next().unwrap();
    let stop = (1..).find_map(|x| match generator.send(x) {
        Ok(value) => {
            trace.say(format!("Yielded {value}"));
            None
        }
        Err(stop) => Some(stop),
    });
    stop.unwrap()
}

#[test]
fn delegation_of_send() {
    let trace = Trace::default();
    let g2 = Generator::new(async |co: Yielder<_, i32>| {
        trace.say("Starting g2");
        for value in ["g2 spam", "g2 more spam"] {
            let x = co.yield_(value).await?.unwrap();
            trace.say(format!("g2 received {x}"));
        }
        trace.say("Finishing g2");
        Ok(())
    });
    let stop = send_numbers(&trace, hears_around(&trace, g2));
    assert!(matches!(stop, Stop::Returned(())));
    trace.assert(&[
        "Starting g1",
        "g1 received 1",
        "Starting g2",
        "Yielded g2 spam",
        "g2 received 2",
        "Yielded g2 more spam",
        "g2 received 3",
        "Finishing g2",
        "Yielded g1 eggs",
        "g1 received 4",
        "Finishing g1",
    ]);
}

#[test]
fn handling_exception_while_delegating_send() {
    let trace = Trace::default();
    let g2: G<i32> = Generator::new(async |co: Yielder<_, i32>| {
        trace.say("Starting g2");
        let x = co.yield_("g2 spam").await?.unwrap();
        trace.say(format!("g2 received {x}"));
        Err(ValueError("hovercraft is full of eels").into())
    });
    let stop = send_numbers(&trace, hears_around(&trace, g2));
    assert!(is::<ValueError>(&stop.error().unwrap()));
    trace.assert(&[
        "Starting g1",
        "g1 received 1",
        "Starting g2",
        "Yielded g2 spam",
        "g2 received 2",
    ]);
}

#[test]
fn delegating_close() {
    let trace = Trace::default();
    let g = around(&trace, spam(&trace));
    two_steps(&trace, &g);
    assert_eq!(g.close().unwrap(), None);
    assert_both_finish_after_two_steps(&trace);
}

#[test]
fn handing_exception_while_delegating_close() {
    let trace = Trace::default();
    let g2: G = Generator::new(async |co: Yielder<_>| {
        trace.say("Starting g2");
        let _finally = trace.finally("Finishing g2");
        let thrown = co.yield_("g2 spam").await.unwrap_err();
        assert!(is::<GeneratorExit>(&thrown));
        Err(ValueError("nybbles have exploded with delight").into())
    });
    let g = around(&trace, g2);
    two_steps(&trace, &g);
    let error = g.close().unwrap_err();
    assert_eq!(error.to_string(), "nybbles have exploded with delight");
    assert_both_finish_after_two_steps(&trace);
}

#[test]
fn delegating_throw() {
    let trace = Trace::default();
    let g = around(&trace, spam(&trace));
    two_steps(&trace, &g);
    let error: ValueError = raised(g.throw(ValueError("tomato ejected")));
    assert_eq!(error.0, "tomato ejected");
    assert_both_finish_after_two_steps(&trace);
}

#[test]
fn value_attribute_of_stopiteration_exception() {
    let stop = Stop::Returned("spam");
    assert_eq!(stop.to_string(), "StopIteration");
    assert_eq!(stop.value(), Some("spam"));
    assert_eq!(Stop::<&str>::Exhausted.value(), None);
    assert!(Stop::<&str>::Exhausted.is_end());
}

#[test]
fn exception_value_crash() {
    let g1 = Generator::new(async |co: Yielder<_>| {
        let g2 = Generator::new(async |co: Yielder<_>| {
            co.yield_("g2").await?;
            Ok(vec![42])
        });
        co.yield_from(g2).await
    });
    let all: Vec<_> = g1.map(Result::unwrap).collect();
    assert_eq!(all, ["g2"]);
}

#[test]
fn generator_return_value() {
    let trace = Trace::default();
    let g2 = |value: i32| {
        Generator::new(async move |co: Yielder<_>| {
            co.yield_("g2 spam").await?;
            Ok((value != 0).then_some(value))
        })
    };
    let g1 = Generator::new(async |co: Yielder<_>| {
        for value in 0..2 {
            let ret = co.yield_from(g2(value)).await?;
            trace.say(format!("g2 returned {ret:?}"));
        }
        co.yield_("g1 eggs").await?;
        Ok(())
    });
    assert!(run(&trace, g1).is_none());
    trace.assert(&[
        "Yielded g2 spam",
        "g2 returned None",
        "Yielded g2 spam",
        "g2 returned Some(1)",
        "Yielded g1 eggs",
    ]);
}

#[test]
fn exception_in_initial_next_call() {
    let trace = Trace::default();
    let g2: G = Generator::new(async |_: Yielder<_>| Err(ZeroDivisionError("").into()));
    let g1 = Generator::new(async |co: Yielder<_>| {
        trace.say("g1 about to yield from g2");
        co.yield_from(g2).await?;
        trace.say("g1 should not be here");
        Ok(())
    });
    raised::<ZeroDivisionError, _, _>(g1.next());
    trace.assert(&["g1 about to yield from g2"]);
}

/// Where a body finds a generator that is made later.
type Later<S = (), R = ()> = Rc<RefCell<Option<G<'static, S, R>>>>;

#[test]
fn attempted_yield_from_loop() {
    let gi = Later::default();
    let root = gi.clone();
    let g1 = Generator::new(async move |co: Yielder<_>| {
        co.yield_("y1").await?;
        let g2 = Generator::new(async |co: Yielder<_>| {
            co.yield_("y2").await?;
            let root = root.borrow().clone().unwrap();
            co.yield_from(root).await
        });
        co.yield_from(g2).await
    });
    gi.replace(Some(g1.clone()));
    let trace = Trace::default();
    let error = run(&trace, g1).unwrap();
    assert_eq!(error.to_string(), "generator already executing");
    trace.assert(&["Yielded y1", "Yielded y2"]);
}

#[test]
fn returning_value_from_delegated_throw() {
    let trace = Trace::default();
    let g2 = Generator::new(async |co: Yielder<_>| {
        trace.say("Starting g2");
        match co.yield_("g2 spam").await {
            Err(thrown) if is::<LunchError>(&thrown) => {
                trace.say("Caught LunchError in g2");
                co.yield_("g2 lunch saved").await?;
                co.yield_("g2 yet more spam").await?;
                Ok(())
            }
            other => other.map(drop),
        }
    });
    let g = around(&trace, g2);
    two_steps(&trace, &g);
    assert_eq!(
        g.throw(LunchError("tomato ejected")).unwrap(),
        "g2 lunch saved"
    );
    assert!(run(&trace, g).is_none());
    let rest = [
        "Caught LunchError in g2",
        "Yielded g2 yet more spam",
        "Yielded g1 eggs",
        "Finishing g1",
    ];
    trace.assert(&[&TWO_STEPS_IN[..], &rest].concat());
}

#[test]
fn catching_exception_from_subgen_and_returning() {
    let inner = Generator::new(async |co: Yielder<_>| {
        let thrown = co.yield_(1).await.unwrap_err();
        assert!(is::<ValueError>(&thrown));
        Ok(2)
    });
    let outer = Generator::new(async |co: Yielder<_>| {
        let v = co.yield_from(inner).await?;
        co.yield_(v).await?;
        Ok(())
    });
    assert_eq!(outer.next().unwrap(), 1);
    assert_eq!(outer.throw(ValueError("")).unwrap(), 2);
}

/// A generator that delegates to one that does this when something is thrown into it; started.
fn catching(then: Result<bool, ValueError>) -> Generator<'static, ()> {
    let f = Generator::new(async move |co: Yielder<()>| {
        let thrown = co.yield_(()).await.unwrap_err();
        assert!(is::<GeneratorExit>(&thrown));
        if then? {
            co.yield_(()).await?;
        }
        Ok(())
    });
    let g = Generator::new(async |co: Yielder<()>| co.yield_from(f).await);
    g.next().unwrap();
    g
}

#[test]
fn throwing_generatorexit_into_subgen_that_returns() {
    raised::<GeneratorExit, _, _>(catching(Ok(false)).throw(GeneratorExit));
}

#[test]
fn throwing_generatorexit_into_subgenerator_that_yields() {
    let error = misuse(catching(Ok(true)).throw(GeneratorExit));
    assert_eq!(error, "generator ignored GeneratorExit");
}

#[test]
fn throwing_generatorexit_into_subgen_that_raises() {
    let vorpal = ValueError("Vorpal bunny encountered");
    let error: ValueError = raised(catching(Err(vorpal)).throw(GeneratorExit));
    assert_eq!(error, vorpal);
}

/// `one` of CPython's test: it delegates to `two`, which tries to delegate to `one`.
fn in_a_ring() -> (G<'static, i32>, Later<i32>) {
    let g1 = Later::<i32>::default();
    let root = g1.clone();
    let g = Generator::new(async move |co: Yielder<_, i32>| {
        drop(co.yield_("0").await);
        let two = Generator::new(async |co: Yielder<_, i32>| {
            drop(co.yield_("1").await);
            let one = root.borrow().clone().unwrap();
            assert_eq!(one.state(), GeneratorState::Running);
            let error = co.yield_from(one).await.unwrap_err();
            assert!(is::<GeneratorError>(&error));
            drop(co.yield_("2").await);
            Ok(())
        });
        co.yield_from(two).await?;
        drop(co.yield_("3").await);
        Ok(())
    });
    g1.replace(Some(g.clone()));
    (g, g1)
}

#[test]
fn delegating_generators_claim_to_be_running() {
    type Resume = fn(&G<'static, i32>) -> Result<&'static str, Stop<()>>;
    let resumes: [Resume; 3] = [|g| g.next(), |g| g.send(42), |g| g.throw(MyErr(""))];
    for resume in resumes {
        let (g, _own) = in_a_ring();
        let mut res = vec![g.next().unwrap()];
        res.extend(std::iter::from_fn(|| resume(&g).ok()));
        assert_eq!(res, ["0", "1", "2", "3"]);
        assert_exhausted(g.next());
    }
}

#[test]
fn close_with_cleared_frame() {
    // Dropping a chain of generators from the outside ends each once, whoever holds them.
    let trace = Rc::new(Trace::default());
    let innermost = |trace: Rc<Trace>| {
        Generator::new(async move |co: Yielder<_>| {
            let _finally = trace.finally("innermost");
            co.yield_("x").await?;
            Ok(())
        })
    };
    let (said, below) = (trace.clone(), innermost(trace.clone()));
    let inner = Generator::new(async move |co: Yielder<_>| {
        let _finally = said.finally("inner");
        co.yield_from(below).await
    });
    let held = inner.clone();
    let outer = Generator::new(async move |co: Yielder<_>| co.yield_from(inner).await);
    assert_eq!(outer.next().unwrap(), "x");
    drop(outer);
    trace.assert(&[]);
    drop(held);
    trace.assert(&["innermost", "inner"]);
}

#[test]
fn an_exhausted_generator_has_no_value_to_return() {
    let inner = Generator::new(async |_: Yielder<()>| Ok(7));
    assert_eq!(returned(inner.next()), 7);
    let outer = Generator::new(async |co: Yielder<()>| co.yield_from(inner).await);
    assert!(misuse(outer.next()).contains("ended before"));
    assert!(is::<StopIteration>(&Stop::Returned(7).into()));
}

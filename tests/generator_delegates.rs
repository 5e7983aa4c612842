//! `yield_from` works on what is no generator: each test stands for the one of the same name in Lib/test/test_yield_from.py,
//! class TestPEP380Operation.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use filch::generator::{Delegate, Generator, GeneratorState, Stop, Thrown, Yielder, each};

#[path = "common/raise.rs"]
mod raise;
use raise::*;

type G<'a, S = (), R = ()> = Generator<'a, &'static str, S, R>;

/// Where a body finds a generator that is made later.
type Later<S = (), R = ()> = Rc<RefCell<Option<G<'static, S, R>>>>;

/// `yield from range(n)`.
fn range<'a>(trace: &'a Trace, n: i32) -> Generator<'a, i32, i32> {
    Generator::new(async move |co: Yielder<_, i32>| {
        trace.say("starting g");
        let _finally = trace.finally("finishing g");
        co.yield_from(each(0..n)).await?;
        trace.say("passed");
        Ok(())
    })
}

#[test]
fn delegation_of_next_to_non_generator() {
    let trace = Trace::default();
    let all: Vec<_> = range(&trace, 3).map(Result::unwrap).collect();
    assert_eq!(all, [0, 1, 2]);
    trace.assert(&["starting g", "passed", "finishing g"]);
}

#[test]
fn conversion_of_sendnone_to_next() {
    let trace = Trace::default();
    let g = range(&trace, 3);
    for x in 0..3 {
        assert_eq!(g.resume(None).unwrap(), x);
    }
}

#[test]
fn delegation_of_close_to_non_generator() {
    let trace = Trace::default();
    let g = range(&trace, 3);
    g.next().unwrap();
    g.close().unwrap();
    trace.assert(&["starting g", "finishing g"]);
}

#[test]
fn delegating_throw_to_non_generator() {
    let trace = Trace::default();
    let g = range(&trace, 10);
    for x in 0..5 {
        assert_eq!(g.next().unwrap(), x);
    }
    let error: ValueError = raised(g.throw(ValueError("tomato ejected")));
    assert_eq!(error.0, "tomato ejected");
    trace.assert(&["starting g", "finishing g"]);
}

#[test]
fn attempting_to_send_to_non_generator() {
    let trace = Trace::default();
    let g = range(&trace, 3);
    g.next().unwrap();
    assert!(misuse(g.send(42)).contains("send"));
    trace.assert(&["starting g", "finishing g"]);
}

#[test]
fn broken_getattr_handling() {
    // A delegate whose every method but `resume` fails.
    struct Broken;
    impl Delegate<i32, i32> for Broken {
        type Return = ();
        fn resume(&mut self, sent: Option<i32>) -> Result<i32, Stop<()>> {
            match sent {
                None => Ok(1),
                Some(_) => Err(Stop::Raised(ZeroDivisionError("send").into())),
            }
        }
        fn throw(&mut self, _: Thrown) -> Result<i32, Stop<()>> {
            Err(Stop::Raised(ZeroDivisionError("throw").into()))
        }
        fn close(&mut self) -> Result<Option<()>, Thrown> {
            Err(ZeroDivisionError("close").into())
        }
    }
    let started = || {
        let g = Generator::new(async |co: Yielder<_, _>| co.yield_from(Broken).await);
        assert_eq!(g.next().unwrap(), 1);
        g
    };
    assert_eq!(
        raised::<ZeroDivisionError, _, _>(started().send(1)).0,
        "send"
    );
    let thrown = started().throw(KeyError(""));
    assert_eq!(raised::<ZeroDivisionError, _, _>(thrown).0, "throw");
    assert_eq!(started().close().unwrap_err().to_string(), "close");
}

#[test]
fn yield_from_empty() {
    let g = Generator::new(async |co: Yielder<()>| co.yield_from(each([])).await);
    returned(g.next());
}

#[test]
fn delegating_generators_claim_to_be_running_while_they_close() {
    struct MyIt(Later, Rc<Cell<bool>>);
    impl Delegate<&'static str, ()> for MyIt {
        type Return = ();
        fn resume(&mut self, _: Option<()>) -> Result<&'static str, Stop<()>> {
            Ok("42")
        }
        fn close(&mut self) -> Result<Option<()>, Thrown> {
            let g1 = self.0.borrow().clone().unwrap();
            assert_eq!(g1.state(), GeneratorState::Running);
            assert_eq!(misuse(g1.next()), "generator already executing");
            self.1.set(true);
            Ok(None)
        }
    }
    let (own, closed) = (Later::default(), Rc::new(Cell::new(false)));
    let inner = MyIt(own.clone(), closed.clone());
    let g1 = Generator::new(async move |co: Yielder<_>| co.yield_from(inner).await);
    own.replace(Some(g1.clone()));
    g1.next().unwrap();
    g1.close().unwrap();
    assert!(closed.get());
}

#[test]
fn custom_iterator_return() {
    struct MyIter;
    impl Delegate<(), ()> for MyIter {
        type Return = i32;
        fn resume(&mut self, _: Option<()>) -> Result<(), Stop<i32>> {
            Err(Stop::Returned(42))
        }
    }
    let g = Generator::new(async |co: Yielder<()>| co.yield_from(MyIter).await);
    assert_eq!(returned(g.next()), 42);
}

#[test]
fn send_tuple_with_custom_generator() {
    type Four = (i32, i32, i32, i32);
    struct MyGen<'a>(&'a Cell<Option<Four>>);
    impl Delegate<i32, Four> for MyGen<'_> {
        type Return = ();
        fn resume(&mut self, sent: Option<Four>) -> Result<i32, Stop<()>> {
            self.0.set(sent);
            Ok(42)
        }
    }
    let v = Cell::new(None);
    let outer = Generator::new(async |co: Yielder<_, _>| co.yield_from(MyGen(&v)).await);
    outer.next().unwrap();
    outer.send((1, 2, 3, 4)).unwrap();
    assert_eq!(v.get(), Some((1, 2, 3, 4)));
}

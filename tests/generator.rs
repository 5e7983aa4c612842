//! Generators behave as CPython's: each test stands for the one of the same name in Lib/test/test_generators.py, in the
//! module with the name of its class; `tests/README.md` says which have none.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use filch::generator::{
    Generator, GeneratorError, GeneratorExit, GeneratorState, StopIteration, Thrown, Yielder,
};

#[path = "common/raise.rs"]
mod raise;
use raise::*;

/// Where a body finds its own generator. A body that runs to its end lets go of it.
type Own<Y> = Rc<RefCell<Option<Generator<'static, Y>>>>;

/// `def gen(): yield 1`.
fn one<'a>() -> Generator<'a, i32, i32> {
    Generator::new(async |co: Yielder<_, _>| {
        co.yield_(1).await?;
        Ok(())
    })
}

mod finalization_test {
    use super::*;

    #[test]
    fn frame_resurrect() {
        // What a body gives away in its `finally` outlives it.
        struct Keep<'a>(Rc<u8>, &'a RefCell<Option<Rc<u8>>>);
        impl Drop for Keep<'_> {
            fn drop(&mut self) {
                *self.1.borrow_mut() = Some(self.0.clone());
            }
        }
        let kept = RefCell::new(None);
        let generator = Generator::new(async |co: Yielder<()>| {
            let _keep = Keep(Rc::new(7), &kept);
            co.yield_(()).await?;
            Ok(())
        });
        generator.next().unwrap();
        assert!(kept.borrow().is_none());
        drop(generator);
        assert_eq!(kept.into_inner().as_deref(), Some(&7));
    }

    #[test]
    fn refcycle() {
        // No collector frees a generator that holds itself; closing it does.
        struct Me(#[expect(dead_code, reason = "it is held only")] Generator<'static, i32, Me>);
        let trace = Rc::new(Trace::default());
        let said = trace.clone();
        let generator = Generator::new(async move |co: Yielder<_, Me>| {
            let _finally = said.finally("finalized");
            let _me = co.yield_(0).await?;
            co.yield_(1).await?;
            Ok(())
        });
        generator.next().unwrap();
        assert_eq!(generator.send(Me(generator.clone())).unwrap(), 1);
        trace.assert(&[]);
        generator.close().unwrap();
        trace.assert(&["finalized"]);
    }

    #[test]
    fn lambda_generator() {
        type G = Generator<'static, i32, i32, i32>;
        let f = || Generator::new(async |co: Yielder<_, _>| Ok(co.yield_(1).await?.unwrap()));
        fn g() -> G {
            Generator::new(async |co: Yielder<_, _>| Ok(co.yield_(1).await?.unwrap()))
        }
        let through =
            |inner: G| Generator::new(async move |co: Yielder<_, _>| co.yield_from(inner).await);
        for generator in [f(), g(), through(f()), through(g())] {
            assert_eq!(generator.next().unwrap(), 1);
            assert_eq!(returned(generator.send(2)), 2);
        }
    }
}

mod generator_test {
    use super::*;

    #[test]
    fn copy() {
        // A clone is another handle, not a copy of what the body has come to.
        let generator = one();
        let other = generator.clone();
        assert!(generator.is_same(&other) && !generator.is_same(&one()));
        assert_eq!(generator.next().unwrap(), 1);
        returned(other.next());
        assert_exhausted(generator.next());
    }

    #[test]
    fn send_non_none_to_new_gen() {
        let generator = one();
        let error = misuse(generator.send(0));
        assert_eq!(
            error,
            "can't send non-None value to a just-started generator"
        );
        assert_eq!(generator.next().unwrap(), 1);
    }

    #[test]
    fn issue103488() {
        // An error that comes out of a loop over a generator is caught around the loop.
        let gen_raises = Generator::new(async |co: Yielder<()>| {
            co.yield_(()).await?;
            Err::<(), _>(ValueError("").into())
        });
        let around = || {
            for step in gen_raises {
                step?;
            }
            Ok::<_, Thrown>(())
        };
        assert!(is::<ValueError>(&around().unwrap_err()));
    }

    #[test]
    fn resume_with_none_is_next() {
        let generator = one();
        assert_eq!(generator.resume(None).unwrap(), 1);
        returned(generator.resume(Some(3)));
    }
}

mod exception_test {
    use super::*;

    #[test]
    fn except_throw() {
        let generator = Generator::new(async |co: Yielder<()>| {
            let caught = co.yield_(()).await.unwrap_err();
            assert!(is::<ValueError>(&caught));
            co.yield_(()).await?;
            co.yield_(()).await?;
            Err::<(), _>(caught)
        });
        generator.next().unwrap();
        generator.throw(ValueError("v")).unwrap();
        generator.next().unwrap();
        assert_eq!(
            raised::<ValueError, _, _>(generator.next()),
            ValueError("v")
        );
    }

    #[test]
    fn except_next() {
        let generator = Generator::new(async |co: Yielder<_>| {
            co.yield_("done").await?;
            Ok(())
        });
        let handle = || -> Result<(), Thrown> { Err(ValueError("").into()) };
        // Resuming while an error is being handled does not raise it in there.
        handle().unwrap_or_else(|_| assert_eq!(generator.next().unwrap(), "done"));
    }

    #[test]
    fn except_gen_except() {
        let generator = Generator::new(async |co: Yielder<_>| {
            co.yield_("first").await?;
            let raise = async || Err::<(), Thrown>(TypeError("inside").into());
            assert!(is::<TypeError>(&raise().await.unwrap_err()));
            co.yield_("caught").await?;
            co.yield_("done").await?;
            Ok(())
        });
        let all: Result<Vec<_>, _> = generator.collect();
        assert_eq!(all.unwrap(), ["first", "caught", "done"]);
    }

    #[test]
    fn except_throw_exception_context() {
        // The context of an error is what its author says it is: `source`.
        #[derive(Debug)]
        struct While(Thrown);
        impl std::fmt::Display for While {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                write!(f, "while handling {}", self.0)
            }
        }
        impl std::error::Error for While {
            fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
                Some(self.0.get_ref())
            }
        }
        let generator = Generator::new(async |co: Yielder<_>| match co.yield_("first").await {
            Err(thrown) if is::<ValueError>(&thrown) => Err(While(thrown).into()),
            _ => Ok(()),
        });
        generator.next().unwrap();
        let error = generator
            .throw(ValueError("v"))
            .unwrap_err()
            .error()
            .unwrap();
        let context = error.get_ref().source().unwrap();
        assert_eq!(context.downcast_ref(), Some(&ValueError("v")));
    }

    #[test]
    fn stopiteration_error() {
        let generator = Generator::new(async |_: Yielder<()>| Err::<(), _>(StopIteration.into()));
        assert_eq!(misuse(generator.next()), "generator raised StopIteration");
        assert_exhausted(generator.next());
    }

    #[test]
    fn tutorial_stopiteration() {
        let generator = Generator::new(async |co: Yielder<_>| {
            co.yield_(1).await?;
            let ended = Generator::new(async |_: Yielder<i32>| Ok(()));
            co.yield_(ended.next()?).await?; // its end escapes
            co.yield_(2).await?;
            Ok(())
        });
        assert_eq!(generator.next().unwrap(), 1);
        let error: GeneratorError = raised(generator.next());
        assert_eq!(error.to_string(), "generator raised StopIteration");
        assert!(
            std::error::Error::source(&error)
                .unwrap()
                .is::<StopIteration>()
        );
    }

    #[test]
    fn return_tuple() {
        let generator = Generator::new(async |co: Yielder<_, (i32,)>| Ok(co.yield_(1).await?));
        assert_eq!(generator.next().unwrap(), 1);
        assert_eq!(returned(generator.send((2,))), Some((2,)));
    }

    #[test]
    fn return_stopiteration() {
        // As a value it ends nothing.
        let generator =
            Generator::new(async |co: Yielder<_, StopIteration>| Ok(co.yield_(1).await?));
        assert_eq!(generator.next().unwrap(), 1);
        assert_eq!(returned(generator.send(StopIteration)), Some(StopIteration));
    }
}

mod generator_close_test {
    use super::*;

    /// `try: yield; except GeneratorExit: return 0`.
    fn returns_0<'a>() -> Generator<'a, (), (), i32> {
        Generator::new(async |co: Yielder<()>| match co.yield_(()).await {
            Err(thrown) if is::<GeneratorExit>(&thrown) => Ok(0),
            Err(thrown) => Err(thrown),
            Ok(_) => Ok(1),
        })
    }

    #[test]
    fn close_no_return_value() {
        let generator = one();
        generator.next().unwrap();
        assert_eq!(generator.close().unwrap(), None);
        assert_eq!(generator.state(), GeneratorState::Closed);
    }

    #[test]
    fn close_return_value() {
        let generator = returns_0();
        generator.next().unwrap();
        assert_eq!(generator.close().unwrap(), Some(0));
    }

    #[test]
    fn close_not_catching_exit() {
        let generator = Generator::new(async |co: Yielder<()>| {
            co.yield_(()).await?;
            Ok(0)
        });
        generator.next().unwrap();
        assert_eq!(generator.close().unwrap(), None);
    }

    #[test]
    fn close_not_started() {
        let generator = returns_0();
        assert_eq!(generator.close().unwrap(), None);
        assert_exhausted(generator.next());
    }

    #[test]
    fn close_exhausted() {
        let generator = returns_0();
        generator.next().unwrap();
        assert_eq!(returned(generator.next()), 1);
        assert_eq!(generator.close().unwrap(), None);
    }

    #[test]
    fn close_closed() {
        let generator = returns_0();
        generator.next().unwrap();
        assert_eq!(generator.close().unwrap(), Some(0));
        assert_eq!(generator.close().unwrap(), None);
    }

    #[test]
    fn close_raises() {
        let generator = Generator::new(async |co: Yielder<()>| {
            co.yield_(()).await.unwrap_err();
            Err::<(), _>(RuntimeError("r").into())
        });
        generator.next().unwrap();
        assert!(is::<RuntimeError>(&generator.close().unwrap_err()));
        assert_exhausted(generator.next());
    }

    #[test]
    fn close_releases_frame_locals() {
        let local = Rc::new(());
        let held = Rc::downgrade(&local);
        let generator = Generator::new(async move |co: Yielder<()>| {
            let _local = local;
            co.yield_(()).await?;
            Ok(())
        });
        generator.next().unwrap();
        assert!(held.upgrade().is_some());
        generator.close().unwrap();
        assert!(held.upgrade().is_none(), "though the handle is here still");
        assert_eq!(generator.state(), GeneratorState::Closed);
    }
}

mod generator_throw_test {
    use super::*;

    #[test]
    fn exception_context_with_yield_inside_generator() {
        let generator = Generator::new(async |co: Yielder<_>| {
            let handled = KeyError("a");
            let thrown = co.yield_("a").await.unwrap_err();
            assert!(is::<ValueError>(&thrown));
            assert_eq!(
                handled,
                KeyError("a"),
                "what is being handled is here still"
            );
            co.yield_("b").await?;
            Ok(())
        });
        generator.next().unwrap();
        assert_eq!(generator.throw(ValueError("")).unwrap(), "b");
    }

    #[test]
    fn throw_after_none_exc_type() {
        let generator = Generator::new(async |co: Yielder<()>| {
            let _caught: Result<(), _> = Err(KeyError(""));
            match co.yield_(()).await {
                Ok(_) => Ok(()),
                Err(_) => Err(RuntimeError("r").into()),
            }
        });
        generator.next().unwrap();
        assert_eq!(
            raised::<RuntimeError, _, _>(generator.throw(ValueError(""))).0,
            "r"
        );
    }

    #[test]
    fn what_is_thrown_comes_out_the_same() {
        let generator = one();
        generator.next().unwrap();
        let thrown = Thrown::from(ValueError("v"));
        let place: *const ValueError = thrown.downcast_ref().unwrap();
        let out = generator.throw(thrown).unwrap_err().error().unwrap();
        assert!(std::ptr::eq(place, out.downcast_ref().unwrap()));
    }
}

mod yield_from_tests {
    use super::*;

    #[test]
    fn generator_gi_yieldfrom() {
        let seen = Rc::new(Cell::new(None));
        let own = Own::default();
        let (me, state) = (own.clone(), seen.clone());
        let look = move || state.set(me.borrow().as_ref().map(Generator::state));
        let generator = Generator::new(async move |co: Yielder<()>| {
            look();
            let inner = Generator::new(async |co: Yielder<()>| {
                look();
                co.yield_(()).await?;
                look();
                Ok(())
            });
            co.yield_from(inner).await?;
            look();
            co.yield_(()).await?;
            look();
            Ok(())
        });
        own.replace(Some(generator.clone()));
        assert_eq!(generator.state(), GeneratorState::Created);
        for _ in 0..2 {
            generator.next().unwrap();
            assert_eq!(seen.take(), Some(GeneratorState::Running));
            assert_eq!(generator.state(), GeneratorState::Suspended);
        }
        returned(generator.next());
        assert_eq!(seen.take(), Some(GeneratorState::Running));
        assert_eq!(generator.state(), GeneratorState::Closed);
    }
}

/// Lib/test/test_yield_from.py, class TestPEP380Operation, without `yield from`.
mod test_pep380_operation {
    use super::*;

    #[test]
    fn next_and_return_with_value() {
        let g = |r: Option<i32>| {
            Generator::new(async move |co: Yielder<()>| {
                co.yield_(()).await?;
                Ok(r)
            })
        };
        for r in [None, Some(1)] {
            let generator = g(r);
            generator.next().unwrap();
            assert_eq!(returned(generator.next()), r);
        }
    }

    #[test]
    fn send_and_return_with_value() {
        let g = |r: Option<i32>| {
            Generator::new(async move |co: Yielder<(), &str>| {
                assert_eq!(co.yield_(()).await?, Some("spam"));
                Ok(r)
            })
        };
        for r in [None, Some(1)] {
            let generator = g(r);
            generator.next().unwrap();
            assert_eq!(returned(generator.send("spam")), r);
        }
    }
}

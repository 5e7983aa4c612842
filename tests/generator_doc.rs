//! Generators behave as CPython's documentation of them says: each test stands for a piece of the doctests in
//! Lib/test/test_generators.py, in the module with the name of their section.

use std::cell::RefCell;
use std::rc::Rc;

use filch::generator::{
    Generator, GeneratorError, GeneratorExit, GeneratorState, StopIteration, Thrown, Yielder,
    Yields, iter,
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

mod tutorial {
    use super::*;

    fn yrange(n: i32) -> impl Iterator<Item = i32> {
        iter(async move |out: Yields<_>| {
            for i in 0..n {
                out.yield_(i).await;
            }
        })
    }

    #[test]
    fn falling_off_the_end_stops_the_generator() {
        let generator = one();
        assert_eq!(generator.next().unwrap(), 1);
        assert_eq!(generator.next().unwrap_err().to_string(), "StopIteration");
        assert_eq!(generator.next().unwrap_err().to_string(), "StopIteration");
        assert_exhausted(generator.send(1));
    }

    #[test]
    fn return_is_not_stopiteration() {
        let returns = Generator::new(async |_: Yielder<i32>| Ok(()));
        assert_eq!(returns.count(), 0);
        let raises = Generator::new(async |co: Yielder<_>| {
            let raise = async || Err::<(), Thrown>(StopIteration.into());
            if raise().await.is_err() {
                co.yield_(42).await?;
            }
            Ok(())
        });
        assert_eq!(raises.map(Result::unwrap).collect::<Vec<_>>(), [42]);
    }

    #[test]
    fn an_alternate_range() {
        assert_eq!(yrange(5).collect::<Vec<_>>(), [0, 1, 2, 3, 4]);
    }

    #[test]
    fn generators_return_to_the_most_recent_caller() {
        let creator = || {
            let mut range = yrange(5);
            assert_eq!(range.next(), Some(0));
            range
        };
        assert_eq!(creator().collect::<Vec<_>>(), [1, 2, 3, 4]);
    }

    #[test]
    fn generators_can_call_other_generators() {
        let zrange = |n| {
            iter(async move |out: Yields<_>| {
                for i in yrange(n) {
                    out.yield_(i).await;
                }
            })
        };
        let mut range = zrange(5);
        assert_eq!(range.by_ref().collect::<Vec<_>>(), [0, 1, 2, 3, 4]);
        assert_eq!((range.next(), range.next()), (None, None));
    }
}

mod pep_255 {
    use super::*;

    #[test]
    fn a_generator_cannot_be_resumed_while_it_is_running() {
        let own = Own::default();
        let me = own.clone();
        let generator = Generator::new(async move |co: Yielder<_>| {
            let me = me.borrow().clone().unwrap();
            assert_eq!(
                misuse(me.throw(ValueError(""))),
                "generator already executing"
            );
            assert!(is::<GeneratorError>(&me.close().unwrap_err()));
            co.yield_(me.next()?).await?;
            Ok(())
        });
        own.replace(Some(generator.clone()));
        assert_eq!(misuse(generator.next()), "generator already executing");
        assert_exhausted(generator.next());
    }

    #[test]
    fn exception_propagation() {
        let f = || {
            1_i32
                .checked_div(0)
                .ok_or(ZeroDivisionError("division by zero"))
        };
        let generator = Generator::new(async |co: Yielder<_>| {
            co.yield_(f()?).await?;
            co.yield_(42).await?;
            Ok(())
        });
        raised::<ZeroDivisionError, _, _>(generator.next());
        assert_exhausted(generator.next());
    }

    #[test]
    fn try_except_finally() {
        let generator = Generator::new(async |co: Yielder<_>| {
            let outer = async {
                co.yield_(1).await?;
                let inner = async {
                    co.yield_(2).await?;
                    Err::<(), Thrown>(ZeroDivisionError("").into())
                };
                match inner.await {
                    Err(error) if is::<ZeroDivisionError>(&error) => {
                        co.yield_(4).await?;
                        co.yield_(5).await?;
                        return Err(error);
                    }
                    _ => drop(co.yield_(6).await?),
                }
                co.yield_(7).await
            };
            if outer.await.is_err() {
                co.yield_(8).await?;
            }
            for n in 9..12 {
                co.yield_(n).await?;
            }
            Ok(())
        });
        let all: Vec<_> = generator.map(Result::unwrap).collect();
        assert_eq!(all, [1, 2, 4, 5, 8, 9, 10, 11]);
    }

    #[test]
    fn binary_tree() {
        struct Tree(char, Option<Box<Tree>>, Option<Box<Tree>>);
        fn tree(labels: &[char]) -> Option<Box<Tree>> {
            let (left, right) = labels.split_at(labels.len() / 2);
            let (label, right) = right.split_first()?;
            Some(Box::new(Tree(*label, tree(left), tree(right))))
        }
        fn inorder(tree: &Option<Box<Tree>>) -> Box<dyn Iterator<Item = char> + '_> {
            Box::new(iter(async move |out: Yields<_>| {
                let Some(tree) = tree else { return };
                for label in inorder(&tree.1) {
                    out.yield_(label).await;
                }
                out.yield_(tree.0).await;
                for label in inorder(&tree.2) {
                    out.yield_(label).await;
                }
            }))
        }
        let labels: Vec<_> = ('A'..='Z').collect();
        assert_eq!(inorder(&tree(&labels)).collect::<Vec<_>>(), labels);
    }
}

mod email {
    use super::*;

    #[test]
    fn yielding_none_and_returning_it() {
        let all = iter(async |out: Yields<_>| {
            for _ in 0..4 {
                out.yield_(None::<u8>).await;
            }
        });
        assert_eq!(all.collect::<Vec<_>>(), [None; 4]);
    }

    #[test]
    fn gcomb() {
        fn gcomb(x: &[u8], k: usize) -> Box<dyn Iterator<Item = Vec<u8>> + '_> {
            Box::new(iter(async move |out: Yields<_>| {
                let Some((first, rest)) = x.split_first().filter(|_| k > 0) else {
                    if k == 0 {
                        out.yield_(Vec::new()).await;
                    }
                    return;
                };
                for mut c in gcomb(rest, k - 1) {
                    c.insert(0, *first);
                    out.yield_(c).await;
                }
                for c in gcomb(rest, k) {
                    out.yield_(c).await;
                }
            }))
        }
        let count = |k| gcomb(&[1, 2, 3, 4], k).count();
        assert_eq!([0, 1, 2, 3, 4, 5].map(count), [1, 4, 6, 4, 1, 0]);
        let twos = [[1, 2], [1, 3], [1, 4], [2, 3], [2, 4], [3, 4]];
        assert_eq!(gcomb(&[1, 2, 3, 4], 2).collect::<Vec<_>>(), twos);
    }

    #[test]
    fn gi_running() {
        let own = Own::default();
        let me = own.clone();
        let is_running = move || me.borrow().as_ref().unwrap().state() == GeneratorState::Running;
        let generator = Generator::new(async move |co: Yielder<_>| {
            co.yield_(is_running()).await?;
            co.yield_(is_running()).await?;
            Ok(())
        });
        own.replace(Some(generator.clone()));
        for _ in 0..2 {
            assert_ne!(generator.state(), GeneratorState::Running);
            assert!(generator.next().unwrap());
        }
        assert_ne!(generator.state(), GeneratorState::Running);
    }
}

mod fun {
    use super::*;

    #[test]
    fn sieve() {
        type Ints = Box<dyn Iterator<Item = u32>>;
        fn exclude_multiples(n: u32, ints: Ints) -> Ints {
            Box::new(iter(async move |out: Yields<_>| {
                for i in ints.filter(|i| i % n != 0) {
                    out.yield_(i).await;
                }
            }))
        }
        fn sieve(mut ints: Ints) -> Ints {
            Box::new(iter(async move |out: Yields<_>| {
                let Some(prime) = ints.next() else { return };
                out.yield_(prime).await;
                for p in sieve(exclude_multiples(prime, ints)) {
                    out.yield_(p).await;
                }
            }))
        }
        let primes: Vec<_> = sieve(Box::new(2..)).take(10).collect();
        assert_eq!(primes, [2, 3, 5, 7, 11, 13, 17, 19, 23, 29]);
    }
}

mod coroutine {
    use super::*;

    #[test]
    fn sending_a_value_into_a_started_generator() {
        let trace = Trace::default();
        let generator = Generator::new(async |co: Yielder<_, i32>| {
            trace.say(co.yield_(1).await?.unwrap());
            co.yield_(2).await?;
            Ok(())
        });
        assert_eq!(generator.next().unwrap(), 1);
        assert_eq!(generator.send(42).unwrap(), 2);
        trace.assert(&["42"]);
    }

    #[test]
    fn a_yield_expression_with_augmented_assignment() {
        let seq = RefCell::new(Vec::new());
        let generator = Generator::new(async |co: Yielder<_, i32>| {
            let mut count = 0;
            while count < 200 {
                count += co.yield_(()).await?.unwrap();
                seq.borrow_mut().push(count);
            }
            Ok(())
        });
        generator.next().unwrap();
        for all in [&[10][..], &[10, 20], &[10, 20, 30]] {
            generator.send(10).unwrap();
            assert_eq!(*seq.borrow(), all);
        }
    }

    fn catches_value_errors(trace: &Trace) -> Generator<'_, (), i32> {
        Generator::new(async move |co: Yielder<(), i32>| {
            loop {
                match co.yield_(()).await {
                    Ok(value) => trace.say(value.unwrap()),
                    Err(thrown) if is::<ValueError>(&thrown) => {
                        trace.say(format!("caught ValueError ({thrown})"));
                    }
                    Err(thrown) => return Err(thrown),
                }
            }
        })
    }

    #[test]
    fn throw_conditions() {
        let trace = Trace::default();
        let generator = catches_value_errors(&trace);
        generator.next().unwrap();
        generator.throw(ValueError("xyz")).unwrap();
        generator.send(1).unwrap();
        raised::<TypeError, _, _>(generator.throw(TypeError("")));
        assert_exhausted(generator.send(2));
        let thrown = generator.throw(ValueError("6"));
        assert_eq!(
            raised::<ValueError, _, _>(thrown).0,
            "6",
            "on a closed generator"
        );
        trace.assert(&["caught ValueError (xyz)", "1"]);
    }

    #[test]
    fn throw_on_just_opened_generator() {
        let trace = Trace::default();
        let generator = catches_value_errors(&trace);
        assert_eq!(
            raised::<ValueError, _, _>(generator.throw(ValueError("7"))).0,
            "7"
        );
        assert_exhausted(generator.next());
        trace.assert(&[]);
    }

    #[test]
    fn closing_a_generator() {
        let trace = Trace::default();
        let exits = || {
            Generator::new(async |co: Yielder<()>| {
                match co.yield_(()).await {
                    Err(thrown) if is::<GeneratorExit>(&thrown) => trace.say("exiting"),
                    other => drop(other?),
                }
                Ok(())
            })
        };
        let generator = exits();
        generator.next().unwrap();
        generator.close().unwrap();
        generator.close().unwrap();
        exits().close().unwrap();
        trace.assert(&["exiting"]);
    }

    #[test]
    fn finalization() {
        let trace = Trace::default();
        let generator = Generator::new(async |co: Yielder<()>| {
            let _finally = trace.finally("exiting");
            co.yield_(()).await?;
            Ok(())
        });
        generator.next().unwrap();
        let other = generator.clone();
        drop(generator);
        trace.assert(&[]);
        drop(other);
        trace.assert(&["exiting"]);
    }

    #[test]
    fn generatorexit_is_not_caught_by_except_exception() {
        // Whoever catches errors by type does not catch it.
        let trace = Trace::default();
        let generator = Generator::new(async |co: Yielder<()>| {
            let _finally = trace.finally("finally");
            match co.yield_(()).await {
                Err(thrown) if is::<ValueError>(&thrown) => trace.say("except"),
                other => drop(other?),
            }
            Ok(())
        });
        generator.next().unwrap();
        generator.close().unwrap();
        trace.assert(&["finally"]);
    }

    #[test]
    fn ill_behaved_generators() {
        let generator = Generator::new(async |co: Yielder<_>| {
            if co.yield_("").await.is_err() {
                co.yield_("foo!").await?;
            }
            Ok(())
        });
        generator.next().unwrap();
        let error = generator.close().unwrap_err();
        assert_eq!(error.to_string(), "generator ignored GeneratorExit");
        assert_eq!(generator.state(), GeneratorState::Suspended);
        generator.close().unwrap();
        assert_eq!(generator.state(), GeneratorState::Closed);
    }

    #[test]
    fn errors_thrown_during_closing_propagate() {
        let generator = Generator::new(async |co: Yielder<()>| match co.yield_(()).await {
            Err(_) => Err(TypeError("fie!").into()),
            Ok(_) => Ok(()),
        });
        generator.next().unwrap();
        assert_eq!(generator.close().unwrap_err().to_string(), "fie!");
    }

    #[test]
    fn two_yields_in_one_expression() {
        let data = RefCell::new([1, 2]);
        let generator = Generator::new(async |co: Yielder<_, usize>| {
            let a = co.yield_("a").await?.unwrap();
            let b = co.yield_("b").await?.unwrap();
            let mut data = data.borrow_mut();
            (data[a], data[b]) = (27, 27);
            Ok(())
        });
        assert_eq!(generator.resume(None).unwrap(), "a");
        assert_eq!(generator.send(0).unwrap(), "b");
        assert_eq!(*data.borrow(), [1, 2]);
        returned(generator.send(1));
        assert_eq!(*data.borrow(), [27, 27]);
    }
}

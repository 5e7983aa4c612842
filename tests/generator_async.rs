//! Asynchronous generators behave as CPython's: each test stands for the one of the same name in
//! Lib/test/test_asyncgen.py, classes AsyncGenTest (`async_gen_...`) and AsyncGenAsyncioTest (`asyncio_...`).

use std::cell::Cell;
use std::task::Poll;

use filch::generator::{
    Generator, GeneratorExit, GeneratorState, Stop, StopIteration, Thrown, Yielder,
};
use filch::task::yield_now;
use filch::{Promise, PromiseError};

mod common;
#[path = "common/raise.rs"]
mod raise;
use common::{Probe, bounded, multi, single};
use raise::*;

/// Runs the test on the caller's thread, beside two workers and alone.
fn run(test: impl AsyncFn() + Send + 'static) {
    bounded(move || {
        for rt in [multi(2), single()] {
            rt.block_on(test());
        }
    });
}

/// All that it yields, and why it stopped.
async fn to_list<Y, R>(generator: &Generator<'_, Y, (), R>) -> (Vec<Y>, Stop<R>) {
    let mut all = Vec::new();
    loop {
        match generator.anext().await {
            Ok(value) => all.push(value),
            Err(stop) => return (all, stop),
        }
    }
}

#[test]
fn async_gen_iteration_01() {
    run(async || {
        let generator = Generator::new(async |co: Yielder<_>| {
            yield_now().await;
            assert_eq!(co.yield_(123).await?, None);
            yield_now().await;
            co.yield_(456).await?;
            yield_now().await;
            co.yield_(789).await?;
            Ok(())
        });
        let (all, stop) = to_list(&generator).await;
        assert_eq!(all, [123, 456, 789]);
        assert!(matches!(stop, Stop::Returned(())));
    });
}

#[test]
fn async_gen_iteration_02() {
    bounded(|| {
        let generator = Generator::new(async |co: Yielder<_>| {
            yield_now().await;
            co.yield_(123).await?;
            yield_now().await;
            Ok(())
        });
        let probe = Probe::new();
        let mut an = generator.anext();
        assert!(probe.poll(&mut an).is_pending());
        assert_eq!(generator.state(), GeneratorState::Running);
        assert!(matches!(probe.poll(&mut an), Poll::Ready(Ok(123))));
        let mut an = generator.anext();
        assert!(probe.poll(&mut an).is_pending());
        assert!(matches!(
            probe.poll(&mut an),
            Poll::Ready(Err(Stop::Returned(())))
        ));
        assert_eq!(probe.wakes(), 2);
    });
}

#[test]
fn async_gen_exception_03() {
    run(async || {
        let awaitable = async |fails: bool| {
            yield_now().await;
            if fails {
                Err(RuntimeError("await"))
            } else {
                Ok(())
            }
        };
        let generator = Generator::new(async |co: Yielder<_>| {
            awaitable(false).await?;
            co.yield_(123).await?;
            awaitable(true).await?;
            co.yield_(456).await?;
            Ok(())
        });
        let (all, stop) = to_list(&generator).await;
        assert_eq!(all, [123]);
        assert!(is::<RuntimeError>(&stop.error().unwrap()));
        assert_exhausted(generator.anext().await);
    });
}

#[test]
fn async_gen_exception_06() {
    run(async || {
        let generator = Generator::new(async |co: Yielder<_>| {
            co.yield_(123).await?;
            yield_now().await;
            Err::<(), _>(StopIteration.into())
        });
        let (_, stop) = to_list(&generator).await;
        assert_eq!(stop.to_string(), "generator raised StopIteration");
    });
}

#[test]
fn async_gen_exception_09() {
    // The same body, with awaits and without, yields and raises the same.
    run(async || {
        let body = |awaits: bool| {
            Generator::new(async move |co: Yielder<_>| {
                let pause = async || {
                    if awaits {
                        yield_now().await;
                    }
                };
                pause().await;
                co.yield_(1).await?;
                let error = ZeroDivisionError("");
                co.yield_(2).await?;
                pause().await;
                co.yield_(3).await?;
                Err::<(), _>(error.into())
            })
        };
        let sync: Vec<_> = body(false)
            .map(|step| step.map_err(|e| e.to_string()))
            .collect();
        let (all, stop) = to_list(&body(true)).await;
        let all = all.into_iter().map(Ok);
        assert_eq!(all.chain([Err(stop.to_string())]).collect::<Vec<_>>(), sync);
    });
}

#[test]
fn async_gen_exception_10() {
    run(async || {
        let generator = Generator::new(async |co: Yielder<_, i32>| {
            co.yield_(123).await?;
            Ok(())
        });
        assert!(misuse(generator.asend(100).await).contains("non-None value"));
        assert_eq!(generator.anext().await.unwrap(), 123);
    });
}

#[test]
fn async_gen_exception_11() {
    run(async || {
        let wrapper = Generator::new(async |co: Yielder<_>| {
            co.yield_(1).await?;
            let inner = Generator::new(async |co: Yielder<_>| {
                co.yield_(10).await?;
                co.yield_(20).await?;
                Ok(())
            });
            inner.anext().await?;
            raised::<GeneratorExit, _, _>(inner.athrow(GeneratorExit).await);
            co.yield_(2).await?;
            co.yield_(3).await?;
            Ok(())
        });
        assert_eq!(to_list(&wrapper).await.0, [1, 2, 3]);
    });
}

#[test]
fn asyncio_01() {
    run(async || {
        let generator = Generator::new(async |co: Yielder<_>| {
            co.yield_(1).await?;
            yield_now().await;
            co.yield_(2).await?;
            yield_now().await;
            Ok(())
        });
        assert_eq!(to_list(&generator).await.0, [1, 2]);
    });
}

#[test]
fn asyncio_anext_04() {
    run(async || {
        let foo = || {
            Generator::new(async |co: Yielder<_>| {
                co.yield_(1).await?;
                yield_now().await;
                let tries = async {
                    co.yield_(2).await?;
                    co.yield_(3).await
                };
                match tries.await {
                    Err(thrown) if is::<ZeroDivisionError>(&thrown) => co.yield_(1000).await?,
                    other => other?,
                };
                yield_now().await;
                co.yield_(4).await?;
                Ok(())
            })
        };
        let it = foo();
        assert_eq!(to_list(&it).await.0, [1, 2, 3, 4]);
        assert_exhausted(it.anext().await);
        let it = foo();
        assert_eq!(
            (it.anext().await.unwrap(), it.anext().await.unwrap()),
            (1, 2)
        );
        assert_eq!(it.athrow(ZeroDivisionError("")).await.unwrap(), 1000);
        assert_eq!(to_list(&it).await.0, [4]);
    });
}

#[test]
fn asyncio_anext_05() {
    run(async || {
        let it = Generator::new(async |co: Yielder<_, i32>| {
            let v = co.yield_(1).await?.unwrap();
            let v = co.yield_(v).await?.unwrap();
            co.yield_(v * 100).await?;
            Ok(())
        });
        assert_eq!(it.anext().await.unwrap(), 1);
        assert_eq!(it.asend(10).await.unwrap(), 10);
        assert_eq!(it.asend(12).await.unwrap(), 1200);
        returned(it.anext().await);
    });
}

/// Yields once, tidies up with awaits when it is to end, and then yields again if it is `bad`.
fn tidies(done: &Cell<u32>, bad: bool) -> Generator<'_, i32> {
    Generator::new(async move |co: Yielder<_>| {
        let thrown = co.yield_(1).await.unwrap_err();
        yield_now().await;
        yield_now().await;
        done.set(done.get() + 1);
        if bad {
            co.yield_(12).await?;
        }
        Err(thrown)
    })
}

#[test]
fn asyncio_aclose_06() {
    run(async || {
        let done = Cell::new(0);
        let generator = tidies(&done, true);
        generator.anext().await.unwrap();
        let error = generator.aclose().await.unwrap_err();
        assert_eq!(error.to_string(), "generator ignored GeneratorExit");
    });
}

#[test]
fn asyncio_aclose_07() {
    run(async || {
        let done = Cell::new(0);
        let generator = tidies(&done, false);
        generator.anext().await.unwrap();
        assert_eq!(generator.aclose().await.unwrap(), None);
        assert_eq!((done.get(), generator.state()), (1, GeneratorState::Closed));
    });
}

#[test]
fn asyncio_aclose_10() {
    run(async || {
        let generator = Generator::new(async |co: Yielder<()>| {
            co.yield_(()).await.unwrap_err();
            Ok("caught")
        });
        generator.anext().await.unwrap();
        assert_eq!(generator.aclose().await.unwrap(), Some("caught"));
    });
}

#[test]
fn asyncio_aclose_12() {
    run(async || {
        let done = Cell::new(false);
        let generator = Generator::new(async |co: Yielder<_>| {
            let task = filch::spawn(async {
                yield_now().await;
                Err::<(), _>(ZeroDivisionError(""))
            });
            let thrown = co.yield_(1).await.unwrap_err();
            done.set(task.await.unwrap().is_err());
            Err::<(), _>(thrown)
        });
        generator.anext().await.unwrap();
        generator.aclose().await.unwrap();
        assert!(done.get());
    });
}

#[test]
fn asyncio_asend_01() {
    run(async || {
        let generator = Generator::new(async |co: Yielder<_, i32>| {
            yield_now().await;
            let v = co.yield_(1).await?.unwrap();
            yield_now().await;
            co.yield_(v * 2).await?;
            yield_now().await;
            Ok(())
        });
        assert_eq!(generator.anext().await.unwrap(), 1);
        assert_eq!(generator.asend(100).await.unwrap(), 200);
        returned(generator.anext().await);
    });
}

#[test]
fn asyncio_asend_03() {
    // What a body awaits is cancelled, and that comes out.
    run(async || {
        let generator = Generator::new(async |co: Yielder<_, i32>| {
            let v = co.yield_(1).await?.unwrap();
            let promise = Promise::<i32, RuntimeError>::new();
            let cancels = promise.clone();
            filch::spawn(async move { cancels.cancel("enough") });
            co.yield_(promise.await? * v).await?;
            Ok(())
        });
        assert_eq!(generator.anext().await.unwrap(), 1);
        let error: PromiseError<RuntimeError> = raised(generator.asend(100).await);
        assert_eq!(error.to_string(), "the promise was cancelled: enough");
    });
}

#[test]
fn asyncio_athrow_01() {
    run(async || {
        let generator = Generator::new(async |co: Yielder<_>| {
            yield_now().await;
            let v = match co.yield_(1).await {
                Err(thrown) if is::<MyErr>(&thrown) => 1000,
                other => other.map(|_| 0)?,
            };
            yield_now().await;
            co.yield_(v * 2).await?;
            Ok(())
        });
        assert_eq!(generator.anext().await.unwrap(), 1);
        assert_eq!(generator.athrow(MyErr("")).await.unwrap(), 2000);
        returned(generator.anext().await);
    });
}

#[test]
fn asyncio_athrow_03() {
    run(async || {
        let generator = Generator::new(async |co: Yielder<()>| {
            co.yield_(()).await.unwrap_err();
            yield_now().await;
            Ok(1)
        });
        generator.anext().await.unwrap();
        assert_eq!(returned(generator.athrow(ValueError("")).await), 1);
        raised::<ValueError, _, _>(generator.athrow(ValueError("")).await);
    });
}

#[test]
fn asyncio_expression_01() {
    run(async || {
        let arange = |n| {
            Generator::new(async move |co: Yielder<_>| {
                for i in 0..n {
                    yield_now().await;
                    co.yield_(i).await?;
                }
                Ok(())
            })
        };
        let doubles = Generator::new(async |co: Yielder<_>| {
            let range = arange(10);
            while let Ok(i) = range.anext().await {
                co.yield_(i * 2).await?;
            }
            Ok::<_, Thrown>(())
        });
        let all = to_list(&doubles).await.0;
        assert_eq!(all, (0..10).map(|i| i * 2).collect::<Vec<_>>());
    });
}

#[test]
#[should_panic(expected = "polled after it gave its value")]
fn await_same_anext_coro_twice() {
    run(async || {
        let it = Generator::new(async |co: Yielder<_>| {
            co.yield_(1).await?;
            Ok(())
        });
        let mut next = it.anext();
        assert_eq!((&mut next).await.unwrap(), 1);
        let _ = next.await;
    });
}

#[test]
fn aclose_twice_with_different_coros() {
    run(async || {
        let done = Cell::new(0);
        let it = tidies(&done, false);
        it.aclose().await.unwrap();
        it.aclose().await.unwrap();
        assert_eq!(done.get(), 0, "it had not started");
    });
}

#[test]
fn aclose_after_exhaustion() {
    run(async || {
        let it = Generator::new(async |co: Yielder<()>| co.yield_(()).await);
        assert!(to_list(&it).await.1.is_end());
        assert_eq!(it.aclose().await.unwrap(), None);
    });
}

//! What only generators of Rust can do wrong, or right.

use std::sync::Arc;
use std::task::Poll;

use filch::generator::{
    Coroutine, Generator, GeneratorError, GeneratorState, SendGenerator, Stop, Thrown, Yielder,
};

mod common;
#[path = "common/raise.rs"]
mod raise;
use common::{Gate, Probe, bounded, multi};
use raise::*;

/// `def gen(): yield 1`.
fn one<'a>() -> Generator<'a, i32, i32> {
    Generator::new(async |co: Yielder<_, _>| {
        co.yield_(1).await?;
        Ok(())
    })
}

#[test]
fn a_body_that_panics_ends_the_generator() {
    let generator = Generator::new(async |co: Yielder<i32>| {
        co.yield_(1).await?;
        panic!("out of tea");
        #[expect(unreachable_code, reason = "it tells the type")]
        Ok(())
    });
    assert_eq!(generator.next().unwrap(), 1);
    let resume = std::panic::AssertUnwindSafe(|| generator.next());
    assert!(std::panic::catch_unwind(resume).is_err());
    assert_eq!(generator.state(), GeneratorState::Closed);
    assert_exhausted(generator.next());
}

#[test]
fn a_body_may_await_nothing_else() {
    let generator = Generator::new(async |co: Yielder<i32>| {
        filch::task::yield_now().await;
        co.yield_(1).await?;
        Ok(())
    });
    let error: GeneratorError = raised(generator.next());
    assert!(matches!(error, GeneratorError::ForeignAwait));
    assert_exhausted(generator.next());
}

#[test]
fn two_yields_at_once_lose_nothing() {
    let generator = Generator::new(async |co: Yielder<_, i32>| {
        let (a, b) = filch::join!(co.yield_("a"), co.yield_("b"));
        Ok([a?, b?])
    });
    assert_eq!(generator.next().unwrap(), "a");
    assert_eq!(generator.send(1).unwrap(), "b");
    assert_eq!(returned(generator.send(2)), [Some(1), Some(2)]);
}

#[test]
fn a_generator_that_another_thread_runs_says_so() {
    bounded(|| {
        let (gate, inside) = (Gate::closed(), Gate::closed());
        let (pass, enter) = (gate.clone(), inside.clone());
        let generator = SendGenerator::new_send(async move |co: Yielder<i32, (), _>| {
            enter.open();
            pass.pass();
            co.yield_(1).await?;
            Ok(())
        });
        let other = generator.clone();
        let runs = std::thread::spawn(move || other.next().unwrap());
        inside.pass();
        assert_eq!(generator.state(), GeneratorState::Running);
        assert_eq!(misuse(generator.next()), "generator already executing");
        gate.open();
        assert_eq!(runs.join().unwrap(), 1);
        returned(generator.next());
    });
}

#[test]
fn a_coroutine_is_driven_by_send() {
    let (tell, told) = async_channel::bounded::<u32>(1);
    async fn inner(told: &async_channel::Receiver<u32>) -> u32 {
        told.recv().await.unwrap()
    }
    let mut coroutine = Coroutine::new(async move { inner(&told).await + 1 });
    let resumed = Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let count = resumed.clone();
    let awaited = coroutine.send(()).unwrap();
    awaited.add_done_callback(move || {
        count.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
    });
    assert!(!awaited.is_done());
    tell.try_send(6).unwrap();
    assert!(awaited.is_done());
    assert_eq!(resumed.load(std::sync::atomic::Ordering::SeqCst), 1);
    assert_eq!(returned(coroutine.send(())), 7);
    assert_exhausted(coroutine.send(()));
    assert!(!coroutine.is_suspended());
}

#[test]
fn await_is_yield_from() {
    // A generator that delegates to a future yields what that waits for, and returns what it returns.
    let (tell, told) = async_channel::bounded::<u32>(1);
    let outer = Generator::new(async |co: Yielder<_>| {
        let inner = Coroutine::new(async { told.recv().await.unwrap() });
        Ok(co.yield_from(inner).await? + 1)
    });
    let awaited = outer.next().unwrap();
    tell.try_send(6).unwrap();
    assert!(awaited.is_done());
    assert_eq!(returned(outer.next()), 7);
    // Nothing can be thrown into a future: it is dropped.
    let outer = Generator::new(async |co: Yielder<_>| {
        co.yield_from(Coroutine::new(std::future::pending::<()>()))
            .await
    });
    let _awaited = outer.next().unwrap();
    raised::<ValueError, _, _>(outer.throw(ValueError("")));
}

#[test]
fn a_stop_becomes_any_error() {
    let fails = || -> Result<i32, Box<dyn std::error::Error>> {
        let generator = one();
        generator.next()?;
        Ok(generator.throw(ValueError("v"))?)
    };
    assert!(fails().unwrap_err().is::<ValueError>());
    assert!(
        matches!(one().throw(Thrown::new("text")), Err(Stop::Raised(t)) if t.to_string() == "text")
    );
}

#[test]
fn a_generator_that_waits_is_executing_and_a_dropped_wait_loses_nothing() {
    bounded(|| {
        let (tell, told) = async_channel::unbounded();
        let generator = Generator::new(async |co: Yielder<_>| {
            loop {
                co.yield_(told.recv().await?).await?;
            }
            #[expect(unreachable_code, reason = "it tells the type")]
            Ok(())
        });
        let (first, second) = (Probe::new(), Probe::new());
        let mut waits = generator.anext();
        assert!(first.poll(&mut waits).is_pending());
        let busy = "generator already executing";
        assert_eq!(misuse(generator.next()), busy);
        assert_eq!(generator.close().unwrap_err().to_string(), busy);
        let Poll::Ready(other) = second.poll(&mut generator.anext()) else {
            panic!("somebody waits already");
        };
        assert_eq!(misuse(other), busy);
        drop(waits);
        // Nothing can be sent to it or thrown into it there.
        let Poll::Ready(thrown) = second.poll(&mut generator.athrow(ValueError(""))) else {
            panic!("it is not at a yield");
        };
        assert_eq!(misuse(thrown), busy);
        let mut waits = generator.anext();
        assert!(second.poll(&mut waits).is_pending());
        tell.try_send(7).unwrap();
        assert_eq!((first.wakes(), second.wakes()), (0, 1));
        assert!(matches!(second.poll(&mut waits), Poll::Ready(Ok(7))));
    });
}

#[test]
fn a_generator_that_waits_for_nobody_is_dropped_by_aclose() {
    bounded(|| {
        let held = Arc::new(());
        let inside = held.clone();
        let generator = Generator::new(async move |_: Yielder<()>| {
            let _inside = inside;
            std::future::pending::<Result<(), Thrown>>().await
        });
        assert!(Probe::new().poll(&mut generator.anext()).is_pending());
        assert_eq!(Arc::strong_count(&held), 2);
        assert_eq!(multi(1).block_on(generator.aclose()).unwrap(), None);
        assert_eq!(Arc::strong_count(&held), 1);
        assert_exhausted(generator.next());
    });
}

#[test]
fn a_generator_goes_from_task_to_task() {
    bounded(|| {
        let rt = multi(8);
        let generator = SendGenerator::new_send(async |co: Yielder<_, (), _>| {
            for n in 0.. {
                filch::task::yield_now().await;
                co.yield_(n).await?;
            }
            Ok(())
        });
        for n in 0..100 {
            let generator = generator.clone();
            let next = rt.spawn(async move { generator.anext().await });
            assert_eq!(rt.block_on(next).unwrap().unwrap(), n);
        }
    });
}

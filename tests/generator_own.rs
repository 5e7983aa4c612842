//! What only generators of Rust can do wrong, or right.

use std::sync::Arc;

use filch::generator::{
    Coroutine, Generator, GeneratorError, GeneratorState, SendGenerator, Stop, Thrown, Yielder,
};

mod common;
#[path = "common/raise.rs"]
mod raise;
use common::{Gate, bounded};
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

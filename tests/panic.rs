//! A panic hurts the task it comes from and no other, wherever it comes from: afterwards all workers still work.

use std::any::Any;
use std::future::{Future, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind, panic_any};
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};
use std::task::{Context, Poll, RawWaker, RawWakerVTable, Wake, Waker};
use std::time::Duration;

use filch::Promise;
use filch::task::yield_now;

mod common;
use common::{
    Drops, Gate, Random, assert_healthy, block_workers, bounded, hooks_that_panic, hurts_no_other,
    many, multi, single,
};

fn text(panic: Box<dyn Any + Send>) -> &'static str {
    panic
        .downcast_ref::<&'static str>()
        .copied()
        .unwrap_or("no text")
}

/// Panics when it is dropped.
struct BadDrop(&'static str);

impl Drop for BadDrop {
    fn drop(&mut self) {
        panic_any(self.0);
    }
}

#[test]
fn a_panic_in_a_poll_hurts_no_other() {
    hurts_no_other(|rt| {
        for n in 0..many(200) {
            let task = rt.spawn(async move {
                (0..n % 3).for_each(|_| ());
                yield_now().await;
                panic_any("on purpose")
            });
            if n % 2 == 0 {
                let error = rt.block_on(task).unwrap_err();
                assert_eq!(text(error.into_panic()), "on purpose");
            }
        }
    });
}

#[test]
fn a_panic_in_the_drop_of_a_future_that_is_done_leaves_its_value() {
    hurts_no_other(|rt| {
        let bad = BadDrop("on purpose");
        let mut future = Box::pin(async move {
            let _bad = &bad;
            7
        });
        // Not an async block: that would drop `bad` in its last poll.
        let task = rt.spawn(poll_fn(move |context| future.as_mut().poll(context)));
        let outcome = rt.block_on(task);
        // An async block drops what it captured when it is done, inside the poll: then there is no value.
        assert_eq!(text(outcome.unwrap_err().into_panic()), "on purpose");

        let bad = BadDrop("on purpose");
        let task = rt.spawn(poll_fn(move |_| {
            let _kept = &bad;
            Poll::Ready(7)
        }));
        assert_eq!(rt.block_on(task).unwrap(), 7);
    });
}

#[test]
fn a_panic_in_the_drop_of_an_aborted_future_is_told_by_the_error() {
    hurts_no_other(|rt| {
        let gate = block_workers(rt, 8);
        let bad = [BadDrop("never polled"), BadDrop("polled")];
        let [never_polled, polled] = bad.map(|bad| {
            rt.spawn(async move {
                let _bad = bad;
                std::future::pending::<()>().await;
            })
        });
        never_polled.abort();
        gate.open();
        let error = rt.block_on(never_polled).unwrap_err();
        assert_eq!(text(error.into_panic()), "never polled");
        polled.abort();
        let error = rt.block_on(polled).unwrap_err();
        assert_eq!(text(error.into_panic()), "polled");
    });
}

#[test]
fn a_panic_in_a_poll_and_another_in_the_drop_hurt_no_other() {
    hurts_no_other(|rt| {
        let bad = BadDrop("on purpose: drop");
        let task = rt.spawn(poll_fn(move |_| -> Poll<()> {
            let _kept = &bad;
            panic_any("on purpose: poll")
        }));
        let error = rt.block_on(task).unwrap_err();
        assert_eq!(text(error.into_panic()), "on purpose: poll");
    });
}

#[test]
fn a_panic_in_the_drop_of_a_value_that_nobody_wants_hurts_no_other() {
    hurts_no_other(|rt| {
        let (gate, (tell, told)) = (Gate::closed(), mpsc::channel());
        for n in 0..8 {
            let (gate, tell) = (gate.clone(), tell.clone());
            let task = rt.spawn(async move {
                tell.send(()).unwrap();
                gate.pass();
                BadDrop("on purpose")
            });
            if n % 2 == 0 {
                drop(task);
            } else {
                std::thread::spawn(move || {
                    while !task.is_finished() {
                        std::thread::yield_now();
                    }
                    drop(task);
                });
            }
        }
        told.iter().take(8).for_each(drop);
        gate.open();
    });
}

#[test]
fn a_panic_in_the_drop_of_a_value_while_its_handle_goes_hurts_no_other() {
    struct Value(
        #[expect(dead_code)] common::Counted,
        #[expect(dead_code)] BadDrop,
    );
    let mut random = Random::from_env();
    hurts_no_other(move |rt| {
        let drops = Drops::default();
        let tasks = many(2000);
        for _ in 0..tasks {
            let counted = drops.counted();
            let task = rt.spawn(async move { Value(counted, BadDrop("on purpose")) });
            for _ in 0..random.below(2000) {
                std::hint::spin_loop();
            }
            if random.below(2) == 0 {
                drop(task);
            } else {
                rt.spawn(async move { drop(task) });
            }
        }
        common::eventually("every value is dropped", || drops.count() == tasks);
    });
}

#[test]
fn a_panic_in_the_drop_of_futures_at_shutdown_hurts_no_other() {
    bounded(|| {
        for rt in [multi(8), single()] {
            let drops = Drops::default();
            for _ in 0..100 {
                let (bad, counted) = (BadDrop("on purpose"), drops.counted());
                rt.spawn(async move {
                    let _both = (bad, counted);
                    std::future::pending::<()>().await;
                });
            }
            rt.block_on(yield_now());
            drop(rt);
            assert_eq!(drops.count(), 100);
        }
    });
}

/// Panics when it is woken, and when its last clone is dropped.
struct BadWaker(Arc<AtomicUsize>);

impl Wake for BadWaker {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::SeqCst);
        panic_any("on purpose: wake");
    }
}

impl Drop for BadWaker {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            panic_any("on purpose: drop of a waker");
        }
    }
}

/// Polls with a waker that panics when it is woken. The answer counts its wakes.
fn poll_badly<F: Future + Unpin>(future: &mut F) -> Arc<AtomicUsize> {
    let wakes = Arc::new(AtomicUsize::new(0));
    let waker = Waker::from(Arc::new(BadWaker(wakes.clone())));
    let pending = Pin::new(future)
        .poll(&mut Context::from_waker(&waker))
        .is_pending();
    assert!(pending);
    let _ = catch_unwind(AssertUnwindSafe(|| drop(waker)));
    wakes
}

/// Waits until such a waker has been woken.
fn woken(wakes: &AtomicUsize) {
    common::eventually("woken", || wakes.load(Ordering::SeqCst) == 1);
}

#[test]
fn a_panic_in_the_waker_of_a_join_handle_hurts_no_other() {
    hurts_no_other(|rt| {
        let (tell, told) = async_channel::bounded::<()>(1);
        let mut task = rt.spawn(async move { told.recv().await.unwrap() });
        let wakes = poll_badly(&mut task);
        tell.send_blocking(()).unwrap();
        woken(&wakes);
        rt.block_on(task).unwrap();
        // Replaced, and dropped with its handle, it is not woken.
        let (tell, told) = async_channel::bounded::<()>(1);
        let mut task = rt.spawn(async move { told.recv().await.unwrap() });
        let replaced = [poll_badly(&mut task), poll_badly(&mut task)];
        drop(task);
        tell.send_blocking(()).unwrap();
        assert!(
            replaced
                .iter()
                .all(|wakes| wakes.load(Ordering::SeqCst) == 0)
        );
    });
}

#[test]
fn a_panic_in_the_waker_of_one_of_the_waiters_for_a_promise_hurts_no_other() {
    hurts_no_other(|rt| {
        let _entered = rt.enter();
        let promise: Promise<u32, ()> = Promise::new();
        let waits: Vec<_> = (0..3).map(|_| promise.clone().wait()).collect();
        let tasks: Vec<_> = (0..3).map(|_| promise.clone().wait()).collect();
        let mut bad: Vec<_> = waits;
        let wakes: Vec<_> = bad.iter_mut().map(poll_badly).collect();
        let tasks: Vec<_> = tasks.into_iter().map(filch::spawn).collect();
        bad.pop();
        promise.set_result(3).unwrap();
        let counts: Vec<_> = wakes.iter().map(|w| w.load(Ordering::SeqCst)).collect();
        assert_eq!(counts, [1, 1, 0]);
        for task in tasks {
            assert_eq!(rt.block_on(task).unwrap(), Ok(3));
        }
    });
}

#[test]
fn a_panic_in_the_waker_of_one_of_many_timers_hurts_no_other() {
    hurts_no_other(|rt| {
        let _entered = rt.enter();
        let at = std::time::Instant::now() + Duration::from_millis(300);
        let mut sleeps: Vec<_> = (0..3)
            .map(|_| Box::pin(filch::time::sleep_until(at.into())))
            .collect();
        let wakes: Vec<_> = sleeps.iter_mut().map(poll_badly).collect();
        rt.block_on(rt.spawn(filch::time::sleep_until(at.into())))
            .unwrap();
        wakes.iter().for_each(|wakes| woken(wakes));
    });
}

#[test]
fn a_panic_in_the_waker_of_one_of_many_that_wait_for_a_source_hurts_no_other() {
    use filch::io::{Interest, Source};
    use std::os::unix::net::UnixStream;
    hurts_no_other(|rt| {
        let (here, there) = UnixStream::pair().unwrap();
        here.set_nonblocking(true).unwrap();
        let _entered = rt.enter();
        let here = Arc::new(Source::new(here).unwrap());
        let mut bad = Box::pin(here.ready(Interest::READABLE));
        let wakes = poll_badly(&mut bad);
        let waits = here.clone();
        let task = rt.spawn(async move { waits.ready(Interest::READABLE).await.is_ok() });
        std::io::Write::write_all(&mut &there, b"tea").unwrap();
        woken(&wakes);
        assert!(rt.block_on(task).unwrap());
    });
}

#[test]
fn a_panic_in_the_clone_of_a_waker_reaches_whoever_polls_and_nobody_else() {
    static BAD: RawWakerVTable =
        RawWakerVTable::new(|_| panic_any("on purpose: clone"), |_| (), |_| (), |_| ());
    hurts_no_other(|rt| {
        // SAFETY: the functions use no data, so that they are safe from any thread for as long as you like.
        let bad = unsafe { Waker::from_raw(RawWaker::new(std::ptr::null(), &BAD)) };
        let mut context = Context::from_waker(&bad);
        let _entered = rt.enter();
        let promise: Promise<u32, ()> = Promise::new();
        let mut task = rt.spawn(promise.clone().wait());
        let mut wait = promise.clone().wait();
        let mut sleep = Box::pin(filch::time::sleep(Duration::from_millis(500)));
        let polls: [&mut dyn FnMut(&mut Context<'_>) -> bool; 3] = [
            &mut |context| Pin::new(&mut task).poll(context).is_ready(),
            &mut |context| Pin::new(&mut wait).poll(context).is_ready(),
            &mut |context| sleep.as_mut().poll(context).is_ready(),
        ];
        for poll in polls {
            let panic = catch_unwind(AssertUnwindSafe(|| poll(&mut context))).unwrap_err();
            assert_eq!(text(panic), "on purpose: clone");
        }
        promise.set_result(3).unwrap();
        assert_eq!(rt.block_on(task).unwrap(), Ok(3));
        assert_eq!(rt.block_on(wait), Ok(3));
        rt.block_on(sleep);
    });
}

#[test]
fn a_panic_in_one_of_several_done_callbacks_hurts_no_other() {
    hurts_no_other(|rt| {
        let _entered = rt.enter();
        let promise: Promise<u32, ()> = Promise::new();
        let (tell, told) = mpsc::channel();
        for n in 0..6 {
            let tell = tell.clone();
            promise.add_done_callback(move |_| {
                tell.send(n).unwrap();
                assert!(n % 2 == 0, "on purpose");
            });
        }
        promise.set_result(3).unwrap();
        assert_eq!(told.iter().take(6).collect::<Vec<_>>(), [0, 1, 2, 3, 4, 5]);
        promise.add_done_callback(|_| panic_any("on purpose"));
    });
}

#[test]
fn a_panic_in_block_on_leaves_the_runtime_usable() {
    bounded(|| {
        for (rt, workers) in [(multi(8), 8), (single(), 1)] {
            let (tell, told) = async_channel::bounded(1);
            let other = rt.spawn(async move { told.recv().await.unwrap() });
            for n in 0..3 {
                let block = || {
                    rt.block_on(async {
                        for _ in 0..n {
                            yield_now().await;
                        }
                        panic_any("on purpose")
                    })
                };
                let panic = catch_unwind(AssertUnwindSafe(block)).unwrap_err();
                assert_eq!(text(panic), "on purpose");
                assert!(filch::runtime::Handle::try_current().is_err());
            }
            tell.send_blocking(3).unwrap();
            assert_eq!(rt.block_on(other).unwrap(), 3);
            assert_healthy(&rt, workers);
        }
    });
}

#[test]
fn a_panic_in_a_blocking_closure_hurts_no_other() {
    hurts_no_other(|rt| {
        for n in 0..20 {
            let task = rt.spawn_blocking(|| panic_any("on purpose"));
            if n % 2 == 0 {
                let error = rt.block_on(task).unwrap_err();
                assert_eq!(text(error.into_panic()), "on purpose");
            }
        }
        assert_eq!(rt.block_on(rt.spawn_blocking(|| 3)).unwrap(), 3);
    });
}

#[test]
fn a_panic_in_the_hooks_of_threads_and_of_stalls_hurts_no_other() {
    hooks_that_panic(|| panic_any("on purpose"));
}

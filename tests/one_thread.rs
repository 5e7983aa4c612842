//! Runtimes on one thread: the future of `block_on` and the tasks take turns, in order.

use std::cell::Cell;
use std::rc::Rc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use filch::runtime::{Builder, LocalRuntime};
use filch::task::{LocalSet, yield_now};
use filch::time::{Duration, Instant, sleep, sleep_until};

mod common;
use common::{bounded, single};

/// Runs the test as the future of `block_on` of a current-thread and of a local runtime.
fn on_each<F>(test: fn() -> F)
where
    F: Future<Output = ()> + 'static,
{
    bounded(move || {
        single().block_on(test());
        LocalRuntime::new().unwrap().block_on(test());
    });
}

#[test]
fn a_yield_of_the_main_future_lets_all_run_that_are_ready() {
    on_each(|| async {
        let begun = Arc::new(AtomicUsize::new(0));
        for _ in 0..10 {
            let begun = begun.clone();
            drop(filch::spawn(async move {
                begun.fetch_add(1, Ordering::SeqCst);
                yield_now().await;
                begun.fetch_add(100, Ordering::SeqCst);
            }));
        }
        assert_eq!(begun.load(Ordering::SeqCst), 0);
        yield_now().await;
        assert_eq!(begun.load(Ordering::SeqCst) % 100, 10);
        yield_now().await;
        assert_eq!(begun.load(Ordering::SeqCst), 1010);
    });
}

#[test]
fn tasks_run_in_the_order_in_which_they_were_spawned_and_woken() {
    on_each(|| async {
        let order = Arc::new(Mutex::new(Vec::new()));
        let tasks: Vec<_> = (0..10)
            .map(|n| {
                let order = order.clone();
                filch::spawn(async move {
                    for turn in 0..3 {
                        order.lock().unwrap().push(turn * 10 + n);
                        yield_now().await;
                    }
                })
            })
            .collect();
        for task in tasks {
            task.await.unwrap();
        }
        assert_eq!(*order.lock().unwrap(), (0..30).collect::<Vec<_>>());
    });
}

#[test]
fn a_timer_of_the_main_future_lets_all_run_that_are_ready() {
    on_each(|| async {
        let begun = Arc::new(AtomicUsize::new(0));
        for _ in 0..5 {
            let begun = begun.clone();
            drop(filch::spawn(async move {
                begun.fetch_add(1, Ordering::SeqCst);
            }));
        }
        sleep(Duration::from_micros(1)).await;
        assert_eq!(begun.load(Ordering::SeqCst), 5);
    });
}

/// How many of ten tasks that wait for the same moment as the future of `block_on` have run when it has its turn.
async fn before_it() -> usize {
    filch::time::pause();
    let at = Instant::now() + Duration::from_secs(1);
    let begun = Arc::new(AtomicUsize::new(0));
    for _ in 0..10 {
        let begun = begun.clone();
        drop(filch::spawn(async move {
            sleep_until(at).await;
            begun.fetch_add(1, Ordering::SeqCst);
        }));
    }
    for _ in 0..10 {
        yield_now().await;
    }
    sleep_until(at).await;
    begun.load(Ordering::SeqCst)
}

#[test]
fn what_comes_with_the_main_future_at_one_moment_has_its_turn_before_it() {
    on_each(|| async { assert_eq!(before_it().await, 10) });
    // But for so many only as it may have to wait for.
    bounded(|| {
        let mut builder = Builder::new_current_thread();
        let rt = builder.enable_all().event_interval(3).build().unwrap();
        assert_eq!(rt.block_on(before_it()), 3);
    });
}

#[test]
fn tasks_that_always_yield_keep_no_main_future_from_its_turn() {
    on_each(|| async {
        let tasks: Vec<_> = (0..3)
            .map(|_| {
                filch::spawn(async {
                    loop {
                        yield_now().await;
                    }
                })
            })
            .collect();
        for _ in 0..1_000 {
            yield_now().await;
        }
        tasks.iter().for_each(|task| task.abort());
    });
}

#[test]
fn a_local_set_does_so_too() {
    bounded(|| {
        let rt = single();
        let (begun, set) = (Rc::new(Cell::new(0)), LocalSet::new());
        set.block_on(&rt, async {
            for _ in 0..10 {
                let begun = begun.clone();
                drop(filch::task::spawn_local(async move {
                    begun.set(begun.get() + 1)
                }));
            }
            yield_now().await;
            assert_eq!(begun.get(), 10);
        });
    });
}

#[filch::test]
async fn so_a_test_may_spawn_yield_and_look() {
    let begun = Arc::new(AtomicUsize::new(0));
    for _ in 0..3 {
        let begun = begun.clone();
        drop(filch::spawn(
            async move { begun.fetch_add(1, Ordering::SeqCst) },
        ));
    }
    yield_now().await;
    assert_eq!(begun.load(Ordering::SeqCst), 3);
}

//! `task::scope` lends what lives outside to its tasks, and returns only when all of them are gone.

use std::future::pending;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use filch::runtime::Runtime;
use filch::task::{Scope, scope, yield_now};
use filch::time::sleep;

mod common;
use common::{Drops, Random, bounded, many, multi, single};

/// Runs the test inside each kind of runtime, and outside of any.
fn on_each_kind(test: impl Fn() + Send + 'static) {
    bounded(move || {
        for rt in [multi(8), single()] {
            let _entered = rt.enter();
            test();
        }
        test();
    });
}

fn message(panic: Box<dyn std::any::Any + Send>) -> String {
    match panic.downcast::<String>() {
        Ok(text) => *text,
        Err(panic) => (*panic.downcast::<&str>().unwrap()).to_owned(),
    }
}

#[test]
fn tasks_borrow_and_change_what_lives_outside() {
    on_each_kind(|| {
        let words = vec!["a".to_owned(), "bb".to_owned()];
        let mut numbers = [0; 100];
        let sum = AtomicUsize::new(0);
        let returned = scope(|scope| {
            for (n, number) in numbers.iter_mut().enumerate() {
                let (words, sum) = (&words, &sum);
                scope.spawn(async move {
                    yield_now().await;
                    *number = n * words.len();
                    sum.fetch_add(*number, Ordering::Relaxed);
                });
            }
            "returned"
        });
        assert_eq!(returned, "returned");
        assert!(
            numbers
                .iter()
                .enumerate()
                .all(|(n, number)| *number == 2 * n)
        );
        assert_eq!(sum.into_inner(), 9900);
    });
}

#[test]
fn handles_give_values_that_borrow_to_threads_and_to_tasks() {
    on_each_kind(|| {
        let text = String::from("to be split");
        let longest = scope(|scope| {
            let first = scope.spawn(async { text.split(' ').next().unwrap() });
            let rest = scope.spawn(async { text.split(' ').skip(1).collect::<Vec<&str>>() });
            let longest = scope.spawn(async {
                let mut rest = rest.await.unwrap();
                rest.push(first.await.unwrap());
                rest.into_iter().max_by_key(|word| word.len()).unwrap()
            });
            longest.join().unwrap()
        });
        assert_eq!(longest, "split");
    });
}

#[test]
fn tasks_spawn_tasks_into_the_scope_and_it_waits_for_them() {
    fn grow<'scope>(scope: &'scope Scope<'scope, '_>, depth: usize, count: &'scope AtomicUsize) {
        scope.spawn(async move {
            count.fetch_add(1, Ordering::Relaxed);
            yield_now().await;
            if depth > 0 {
                grow(scope, depth - 1, count);
                grow(scope, depth - 1, count);
            }
        });
    }
    on_each_kind(|| {
        let count = AtomicUsize::new(0);
        scope(|scope| grow(scope, 9, &count));
        assert_eq!(count.into_inner(), (1 << 10) - 1);
    });
}

#[test]
fn a_panic_of_the_closure_goes_on_after_the_tasks() {
    on_each_kind(|| {
        let done = AtomicUsize::new(0);
        let panic = catch_unwind(AssertUnwindSafe(|| {
            scope(|scope| {
                for _ in 0..10 {
                    scope.spawn(async {
                        sleep(Duration::from_millis(2)).await;
                        done.fetch_add(1, Ordering::SeqCst);
                    });
                }
                panic!("the closure");
            })
        }));
        assert_eq!(done.load(Ordering::SeqCst), 10);
        assert_eq!(message(panic.unwrap_err()), "the closure");
    });
}

#[test]
fn a_panic_of_a_task_is_its_handles_or_else_the_scopes() {
    struct Bad;
    impl Drop for Bad {
        fn drop(&mut self) {
            panic!("in a drop");
        }
    }
    on_each_kind(|| {
        let text = String::from("borrowed");
        let caught = scope(|scope| {
            let bad = scope.spawn(async {
                assert_eq!(text, "lent");
            });
            bad.join().unwrap_err()
        });
        assert!(caught.is_panic() && caught.to_string().contains("borrowed"));
        assert_eq!(caught.spawned_at().file(), file!());

        let caught = catch_unwind(AssertUnwindSafe(|| {
            scope(|scope| drop(scope.spawn(async { panic!("unseen") })));
        }));
        assert_eq!(message(caught.unwrap_err()), "a task of the scope panicked");
        let caught = catch_unwind(AssertUnwindSafe(|| {
            scope(|scope| drop(scope.spawn(async { Bad })));
        }));
        assert_eq!(message(caught.unwrap_err()), "a task of the scope panicked");
        let caught = catch_unwind(AssertUnwindSafe(|| {
            scope(|scope| {
                let task = scope.spawn(async {
                    let _bad = Bad;
                    pending::<()>().await;
                });
                // It may not have begun; then there is nothing to drop, and no panic.
                std::thread::sleep(Duration::from_millis(1));
                task.abort();
                assert!(task.join().unwrap_err().is_cancelled());
            });
        }));
        if let Err(panic) = caught {
            assert_eq!(message(panic), "a task of the scope panicked");
        }
    });
}

#[test]
fn a_runtime_that_ends_meanwhile_drops_the_tasks_and_the_scope_returns() {
    bounded(|| {
        for _ in 0..many(20) {
            let rt = multi(4);
            let handle = rt.handle().clone();
            let drops = Drops::default();
            let _entered = handle.enter();
            let rt = std::cell::Cell::new(Some(rt));
            scope(|scope| {
                for n in 0..20 {
                    let counted = drops.counted();
                    scope.spawn(async move {
                        let _counted = counted;
                        if n % 2 == 0 {
                            yield_now().await;
                        }
                        pending::<()>().await;
                    });
                }
                drop(rt.take());
                // Too late: it is dropped at once.
                let counted = drops.counted();
                let late = scope.spawn(async move {
                    let _counted = counted;
                });
                assert!(late.join().unwrap_err().is_cancelled());
            });
            assert_eq!(drops.count(), 21);
        }
    });
}

#[test]
fn a_thread_that_drives_a_runtime_cannot_wait() {
    bounded(|| {
        for rt in [multi(2), single()] {
            let attempt = || catch_unwind(|| scope(|_| unreachable!("it runs")));
            let told = |panic: Result<(), _>| {
                let text = message(panic.unwrap_err());
                assert!(
                    text.starts_with("cannot wait for a scope's tasks"),
                    "{text}"
                );
            };
            told(rt.block_on(async { attempt() }));
            told(rt.block_on(rt.spawn(async move { attempt() })).unwrap());
        }
        // A thread for blocking code may.
        let rt = multi(2);
        let task = rt.spawn_blocking(|| {
            let number = 6;
            scope(|scope| scope.spawn(async { number + 1 }).join().unwrap())
        });
        assert_eq!(rt.block_on(task).unwrap(), 7);
    });
}

#[test]
fn scopes_from_many_threads_with_tasks_that_end_in_all_ways_lend_soundly() {
    let mut random = Random::from_env();
    bounded(move || {
        let rt = multi(8);
        std::thread::scope(|threads| {
            for _ in 0..4 {
                let (mut random, rt) = (random.fork(), &rt);
                threads.spawn(move || run_scopes(rt, &mut random));
            }
        });
    });
}

fn run_scopes(rt: &Runtime, random: &mut Random) {
    let _entered = rt.enter();
    for _ in 0..many(100) {
        let mut cells = [0u64; 16];
        let panics = random.below(4) == 0;
        let outcome = catch_unwind(AssertUnwindSafe(|| {
            scope(|scope| {
                for (n, cell) in cells.iter_mut().enumerate() {
                    let mut random = random.fork();
                    let spins = random.below(1000);
                    let task = scope.spawn(async move {
                        for _ in 0..random.below(4) {
                            *cell += 1;
                            yield_now().await;
                        }
                        assert!(!(panics && n == 7), "on purpose");
                        // What was lent comes back.
                        cell
                    });
                    (0..spins).for_each(|_| std::hint::spin_loop());
                    match n % 4 {
                        0 => task.abort(),
                        1 => drop(task.join()),
                        _ => drop(task),
                    }
                }
            });
        }));
        assert_eq!(outcome.is_err(), panics);
        // Nobody else has them any more.
        assert!(cells.iter().all(|cell| *cell < 4));
        cells.fill(9);
    }
}

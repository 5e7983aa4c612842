//! Sets of tasks, local tasks, ticks and budgets can be dropped at each of their awaits, as what `cancel_points` looks at.

use std::cell::{Cell, RefCell};
use std::future::pending;
use std::rc::Rc;
use std::time::Duration;

use filch::task::coop::cooperative;
use filch::task::{
    AbortOnDropHandle, JoinSet, LocalPoolHandle, LocalSet, consume_budget, spawn_local,
    unconstrained, yield_now,
};
use filch::time::{self, Instant, interval, interval_at, sleep, sleep_until, timeout_at};
use filch::time::{fail_at, move_on_at};
use futures::FutureExt;

mod common;
use common::{Drops, driven, drop_at_each_await, eventually, on_each_kind};

const HOUR: Duration = Duration::from_secs(3600);
const TICK: Duration = Duration::from_millis(1);

filch::task_local! {
    static DEPTH: usize;
}

#[test]
fn moments_and_ticks() {
    driven(|_| {
        let soon = || Instant::now() + TICK;
        drop_at_each_await("sleep_until", || sleep_until(soon()));
        drop_at_each_await("timeout_at", || timeout_at(soon(), pending::<()>()));
        drop_at_each_await("move_on_at", || move_on_at(soon(), pending::<()>()));
        drop_at_each_await("fail_at", || fail_at(soon(), pending::<()>()));
        drop_at_each_await("Interval::tick", || async {
            let mut ticks = interval(TICK);
            for _ in 0..3 {
                ticks.tick().await;
            }
        });
        // A tick that is given up is still to come.
        let (start, ticks) = (soon(), RefCell::new(interval_at(soon(), HOUR)));
        drop_at_each_await("Interval::poll_tick", || {
            std::future::poll_fn(|context| ticks.borrow_mut().poll_tick(context))
        });
        assert!(ticks.borrow().period() == HOUR && Instant::now() >= start);
    });
}

#[test]
fn moved_time() {
    on_each_kind(|rt| {
        rt.block_on(async {
            time::pause();
        });
        let (end, ended) = async_channel::bounded::<()>(1);
        std::thread::scope(|scope| {
            scope.spawn(|| rt.block_on(ended.recv()));
            let _entered = rt.enter();
            let end = end;
            let start = Instant::now();
            let times = drop_at_each_await("advance", || time::advance(TICK));
            // Moved at the first poll, however soon it was dropped after that.
            assert_eq!(start.elapsed(), TICK * (times as u32));
            drop(end);
        });
    });
}

#[test]
fn budgets_and_values() {
    driven(|_| {
        let steps = async || {
            yield_now().await;
            sleep(TICK).await;
        };
        drop_at_each_await("consume_budget", consume_budget);
        drop_at_each_await("unconstrained", || unconstrained(steps()));
        drop_at_each_await("cooperative", || cooperative(Box::pin(steps())));
        drop_at_each_await("LocalKey::scope", || DEPTH.scope(1, steps()));
        drop_at_each_await("join!", || async { filch::join!(steps(), steps()) });
        drop_at_each_await("try_join!", || async {
            let fails = async {
                steps().await;
                Err::<(), _>(7)
            };
            let goes_on = async { pending::<Result<(), i32>>().await };
            assert_eq!(filch::try_join!(fails, goes_on), Err(7));
        });
    });
}

#[test]
fn sets_of_tasks() {
    driven(|rt| {
        let (drops, made) = (Drops::default(), Cell::new(0));
        let task = |ends: bool| {
            made.set(made.get() + 1);
            let counted = drops.counted();
            async move {
                let _counted = counted;
                yield_now().await;
                sleep(TICK).await;
                if !ends {
                    pending::<()>().await;
                }
            }
        };
        let three = |ends: bool| JoinSet::from_iter((0..3).map(|_| task(ends)));
        drop_at_each_await("JoinSet::join_next", || {
            let mut set = three(true);
            async move {
                while let Some(done) = set.join_next().await {
                    done.unwrap();
                }
            }
        });
        // A wait that is given up loses no task.
        let set = RefCell::new(three(true));
        drop_at_each_await("JoinSet::poll_join_next_with_id", || {
            std::future::poll_fn(|context| set.borrow_mut().poll_join_next_with_id(context))
        });
        assert_eq!(set.borrow().len(), 2);
        drop_at_each_await("JoinSet::join_all", || three(true).join_all());
        drop_at_each_await("JoinSet::shutdown", || {
            let mut set = three(false);
            async move { set.shutdown().await }
        });
        drop_at_each_await("AbortOnDropHandle", || {
            AbortOnDropHandle::new(rt.spawn(task(true)))
        });
        drop(set);
        eventually("all are dropped", || drops.count() == made.get());
    });
}

#[test]
fn local_tasks() {
    driven(|_| {
        let (done, pool) = (Rc::new(Cell::new(0)), LocalPoolHandle::new(1));
        let task = || {
            let done = done.clone();
            async move {
                yield_now().await;
                sleep(TICK).await;
                done.set(done.get() + 1);
            }
        };
        drop_at_each_await("LocalSet", || {
            let set = LocalSet::new();
            drop(set.spawn_local(task()));
            set
        });
        // A set keeps the waker that it was polled with last; so each has its own here, kept until the future is dropped.
        drop_at_each_await("LocalSet::run_until", || {
            let set = LocalSet::new();
            async move {
                let wait = set.run_until(async {
                    let task = spawn_local(task());
                    yield_now().await;
                    task.await.unwrap();
                });
                wait.await;
            }
        });
        // What stays in the set when a wait is given up is run by the next one.
        let set = LocalSet::new();
        done.set(0);
        drop(set.spawn_local(task()));
        let gives_up = set.run_until(pending::<()>());
        assert!(gives_up.now_or_never().is_none() && done.get() == 0);
        futures::executor::block_on(set);
        assert_eq!(done.get(), 1);
        drop_at_each_await("spawn_pinned", || pool.spawn_pinned(|| sleep(TICK)));
        filch::task::scope(|scope| {
            drop_at_each_await("ScopedJoinHandle", || scope.spawn(sleep(TICK)));
        });
    });
}

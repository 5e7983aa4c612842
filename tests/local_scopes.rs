//! A local task belongs to its set: not to the scope, the shield or the group in which the set is polled just now.

use std::future::pending;

use filch::task::{CancelScope, LocalSet, TaskGroup, spawn_local, yield_now};
use filch::time::{Duration, Instant, move_on_after, pause, sleep};

mod common;
use common::{bounded, end, single};

#[test]
fn a_scope_around_a_set_stops_no_scope_of_its_tasks() {
    bounded(|| {
        let (rt, set) = (single(), LocalSet::new());
        let all = async {
            pause();
            let task = set.spawn_local(async {
                let inside = CancelScope::new().run(sleep(Duration::from_secs(60)));
                inside.await.map_err(|stopped| stopped.to_string())
            });
            let limit = Duration::from_secs(1);
            let outer = move_on_after(limit, set.run_until(pending::<()>()));
            assert_eq!(outer.await, None);
            set.run_until(task).await.unwrap()
        };
        assert_eq!(rt.block_on(all), Ok(()));
    });
}

#[test]
fn a_shield_in_a_task_of_a_set_holds_no_scope_around_the_set_off() {
    bounded(|| {
        let (rt, set) = (single(), LocalSet::new());
        let all = async {
            pause();
            let start = Instant::now();
            drop(set.spawn_local(CancelScope::shield(pending::<()>())));
            let limit = Duration::from_secs(1);
            let outer = move_on_after(limit, set.run_until(pending::<()>()));
            assert_eq!(outer.await, None);
            start.elapsed()
        };
        assert_eq!(rt.block_on(all), Duration::from_secs(1));
    });
}

#[test]
fn a_shield_around_a_set_keeps_no_group_of_its_tasks_from_hearing_of_a_cancellation() {
    bounded(|| {
        let (rt, set) = (single(), LocalSet::new());
        let all = CancelScope::shield(set.run_until(async {
            let task = spawn_local(async {
                let group = TaskGroup::<()>::scope(async |group| {
                    group.spawn(pending::<Result<(), ()>>());
                    Ok(())
                });
                group.await
            });
            yield_now().await;
            assert!(task.cancel("enough"));
            task.await.unwrap().unwrap_err()
        }));
        let error = end(&rt, all);
        assert_eq!(error.cancellation().unwrap().reason(), "enough");
    });
}

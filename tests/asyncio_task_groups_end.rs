//! What is left of a group in a task of a loop that has ended: nothing. Tests are named after those of CPython's
//! test_taskgroups.py, class TestTaskGroup.

#[path = "common/asyncio.rs"]
mod asyncio_common;
mod common;
#[path = "common/loop_group.rs"]
mod loop_group;

use std::sync::Arc;

use filch::asyncio::{current_task, sleep, timeout};

use asyncio_common::{in_task, ms};
use common::Drops;
use loop_group::{Count, Group, errors, here, sleeps};

#[test]
fn taskgroup_finished() {
    // A group that has ended takes no child, and says so by the child's handle.
    in_task(|| async {
        let outcome = Group::scope(async |group| Ok(group));
        let ended = outcome.await.unwrap();
        let child = ended.spawn_on(&here(), async { Ok(1) });
        assert!(child.is_refused());
        let error = child.await.unwrap_err();
        assert_eq!(error.reason(), Some("the group has ended"));
    });
}

#[test]
fn coro_closed_when_tg_closed() {
    // The future of such a child is dropped, and does not begin.
    in_task(|| async {
        let ended = Group::scope(async |group| Ok(group)).await.unwrap();
        let drops = Drops::default();
        let counted = drops.counted();
        let begun = Count::default();
        let begins = begun.clone();
        ended.spawn_on(&here(), async move {
            let _counted = counted;
            begins.add(1);
            Ok(())
        });
        for _ in 0..3 {
            sleep(ms(0)).await;
        }
        assert_eq!((drops.count(), begun.get()), (1, 0));
    });
}

#[test]
fn exception_refcycles_direct() {
    // Nobody but who is told keeps an error: not the group, not its handles.
    in_task(|| async {
        let error = Arc::new("done");
        let given = error.clone();
        let (mut kept, mut refused) = (None, None);
        let outcome = filch::task::TaskGroup::scope(async |group| {
            kept = Some(group.clone());
            refused = Some(group.spawn_on(&here(), async { Ok::<(), Arc<&str>>(()) }));
            Err::<(), _>(given)
        });
        let told = outcome.await.unwrap_err();
        assert_eq!(Arc::strong_count(&error), 2);
        drop(told);
        assert_eq!(Arc::strong_count(&error), 1);
        assert!(kept.is_some() && refused.is_some());
    });
}

#[test]
fn exception_refcycles_parent_task() {
    // The same, through two groups and a task.
    in_task(|| async {
        let error = Arc::new("done");
        let given = error.clone();
        let outer = filch::task::TaskGroup::scope(async |outer| {
            let child = outer.spawn_on(&here(), async move {
                let inner = filch::task::TaskGroup::scope(async |_| Err::<(), _>(given));
                inner.await
            });
            Ok(child)
        });
        let told = outer.await.unwrap_err();
        assert_eq!(Arc::strong_count(&error), 2);
        drop(told);
        assert_eq!(Arc::strong_count(&error), 1);
    });
}

#[test]
fn exception_refcycles_propagate_cancellation_error() {
    // A time that is up: who awaits hears of that alone, and what the group held is gone.
    in_task(|| async {
        let drops = Drops::default();
        let counted = drops.counted();
        let group = Group::scope(async |_| {
            let _counted = counted;
            sleeps().await
        });
        timeout(Some(ms(0)), group).await.unwrap_err();
        assert_eq!(drops.count(), 1);
        assert_eq!(current_task().unwrap().cancelling(), 0);
        sleep(ms(0)).await;
    });
}

#[test]
fn cancellation_does_not_leak_out_of_tg() {
    in_task(|| async {
        let outcome = Group::scope(async |group| {
            group.spawn_on(&here(), async { Err::<(), _>("no tea".to_owned()) });
            Ok(())
        });
        assert_eq!(errors(outcome.await), ["no tea"]);
        // If the stop had leaked, the task would end here.
        sleep(ms(0)).await;
    });
}

//! How many children of a group run at once, in which order, and who is not counted.

use std::future::pending;
use std::sync::{Arc, Mutex};

use filch::task::{TaskGroup, yield_now};

mod common;
use common::{Drops, bounded, end, on_each_kind, single};

type Error = &'static str;
type Group = TaskGroup<Error>;

#[test]
fn children_get_their_places_in_the_order_of_spawning() {
    on_each_kind(|rt| {
        let began = Arc::new(Mutex::new(Vec::new()));
        let order = began.clone();
        let all = Group::builder().limit(1).scope(async move |group| {
            for n in 0..20 {
                let began = began.clone();
                let child = async move {
                    began.lock().unwrap().push(n);
                    yield_now().await;
                    Ok(())
                };
                match n % 5 {
                    4 => drop(group.wait_spawn(child).await),
                    _ => drop(group.spawn(child)),
                }
            }
            Ok(())
        });
        end(&rt, all).unwrap();
        assert_eq!(*order.lock().unwrap(), Vec::from_iter(0..20));
    });
}

#[test]
fn a_child_that_goes_before_it_begins_gives_its_turn_back() {
    on_each_kind(|rt| {
        let all = Group::builder().limit(2).scope(async |group: Group| {
            for n in 0..30 {
                let child = group.spawn(async move { Ok(n) });
                match n % 3 {
                    0 => child.abort(),
                    1 => assert!(child.cancel("not this one") || child.is_finished()),
                    _ => assert_eq!(child.await.unwrap(), n),
                }
            }
            Ok(())
        });
        end(&rt, all).unwrap();
    });
}

// A service holds its place for good.
#[test]
fn a_started_child_takes_no_place_of_a_limit() {
    on_each_kind(|rt| {
        let done = Group::builder().limit(1).scope(async |group| {
            let mut doors = Vec::new();
            for _ in 0..3 {
                let door = group.start(|ready| async move {
                    let (door, jobs) = async_channel::unbounded::<u32>();
                    ready.send(door).unwrap();
                    while jobs.recv().await.is_ok() {}
                    Ok(())
                });
                doors.push(door.await.unwrap());
            }
            assert_eq!(group.len(), 4, "three services beside the block");
            let job = group.spawn(async move {
                for door in doors {
                    door.send(7).await.unwrap();
                }
                Ok("done")
            });
            Ok(job.await.unwrap())
        });
        assert_eq!(end(&rt, done).unwrap(), "done");
    });
}

#[test]
fn a_child_that_was_waited_for_and_has_not_begun_never_does_once_the_group_stops() {
    bounded(|| {
        let rt = single();
        let drops = Drops::default();
        let theirs = drops.clone();
        let stopped = Group::builder().limit(1).scope(async move |group| {
            let counted = theirs.counted();
            let child = group.wait_spawn(async move {
                let _counted = counted;
                panic!("it has begun");
                #[expect(unreachable_code)]
                Ok(())
            });
            drop(child.await);
            group.cancel("enough");
            pending::<Result<(), Error>>().await
        });
        let error = end(&rt, stopped).unwrap_err();
        assert!(error.is_empty(), "{error}");
        assert_eq!(drops.count(), 1);
    });
}

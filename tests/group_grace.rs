//! A group gives its children time to tidy up: those that have begun.

use std::future::pending;
use std::time::Duration;

use filch::runtime::Builder;
use filch::task::{TaskGroup, cancelled};
use filch::time::Instant;

mod common;
use common::{Drops, bounded, end, on_each_kind};

type Error = &'static str;
type Group = TaskGroup<Error>;

const HOUR: Duration = Duration::from_secs(3600);

#[test]
fn children_that_have_begun_get_time_to_tidy_up_and_others_none() {
    on_each_kind(|rt| {
        let (tell, told) = async_channel::unbounded();
        let drops = Drops::default();
        let theirs = drops.clone();
        let stopped = Group::builder()
            .limit(2)
            .grace(HOUR)
            .scope(async move |group| {
                let (begins, begun) = async_channel::unbounded();
                for name in ["one", "two"] {
                    let (begins, tell) = (begins.clone(), tell.clone());
                    group.spawn(async move {
                        begins.send(()).await.unwrap();
                        cancelled().await;
                        tell.send(name).await.unwrap();
                        Ok(())
                    });
                }
                let service = group.start(|ready| async move {
                    ready.send(()).unwrap();
                    cancelled().await;
                    tell.send("service").await.unwrap();
                    Err("what goes wrong meanwhile is kept")
                });
                service.await.unwrap();
                for _ in 0..2 {
                    begun.recv().await.unwrap();
                }
                let counted = theirs.counted();
                group.spawn(async move {
                    let _counted = counted;
                    panic!("it has begun");
                    #[expect(unreachable_code)]
                    Ok(())
                });
                group.cancel("enough");
                pending::<Result<(), Error>>().await
            });
        let error = end(&rt, stopped).unwrap_err();
        assert_eq!(error.len(), 1, "{error}");
        assert_eq!(
            error.errors().collect::<Vec<_>>(),
            [&"what goes wrong meanwhile is kept"]
        );
        let mut tidied = Vec::new();
        while let Ok(name) = told.try_recv() {
            tidied.push(name);
        }
        tidied.sort_unstable();
        assert_eq!(tidied, ["one", "service", "two"]);
        assert_eq!(drops.count(), 1, "the one that waited for its turn is gone");
    });
}

#[test]
fn a_child_that_takes_longer_is_dropped_when_the_time_is_over() {
    bounded(|| {
        let mut builder = Builder::new_current_thread();
        let rt = builder.enable_all().start_paused(true).build().unwrap();
        let drops = Drops::default();
        let theirs = drops.clone();
        let failed = async move {
            let begin = Instant::now();
            let failed = Group::builder().grace(HOUR).scope(async |group| {
                let counted = theirs.counted();
                let stays = group.start(|ready| async move {
                    let _counted = counted;
                    ready.send(()).unwrap();
                    pending().await
                });
                stays.await.unwrap();
                group.spawn(async { Err::<(), _>("stop") });
                pending::<Result<(), Error>>().await
            });
            (failed.await, begin.elapsed())
        };
        let (outcome, took) = rt.block_on(failed);
        assert_eq!(outcome.unwrap_err().errors().collect::<Vec<_>>(), [&"stop"]);
        assert_eq!(drops.count(), 1);
        // The deadline is rounded up to the wheel's tick.
        assert!(
            took >= HOUR && took < HOUR + Duration::from_millis(10),
            "{took:?}"
        );
    });
}

#[test]
fn errors_say_the_name_of_a_started_child() {
    on_each_kind(|rt| {
        let failed = TaskGroup::scope(async |group: Group| {
            let door = group.start_named("door", |ready| async move {
                ready.send(()).unwrap();
                Err("broken")
            });
            door.await.unwrap();
            pending::<Result<(), Error>>().await
        });
        let error = end(&rt, failed).unwrap_err();
        assert_eq!(error.first().unwrap().name(), Some("door"));
        assert!(error.to_string().starts_with("task \"door\" ("), "{error}");
    });
}

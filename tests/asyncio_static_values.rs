//! Outcomes that hold a `&'static str`: whether a future that awaits one is `Send` must not hang on a lifetime.

use std::time::Duration;

use filch::Promise;
use filch::asyncio::{
    Queue, ReturnWhen, Timeout, as_completed, catch_cancel, create_task, gather, gather_outcomes,
    shield, timeout, timeout_at, to_thread, wait, wait_for, wait_on,
};

#[path = "common/asyncio.rs"]
mod asyncio_common;
mod common;
use asyncio_common::{in_task, on_loops};

const LONG: Option<Duration> = Some(Duration::from_secs(60));

async fn tea() -> &'static str {
    "tea"
}

async fn brewed() -> Result<&'static str, &'static str> {
    Ok("tea")
}

#[test]
fn gathered_in_a_task() {
    in_task(|| async {
        let task = create_task(async { gather([tea(), tea()]).await.unwrap() });
        assert_eq!(task.await.unwrap(), ["tea", "tea"]);
        let task = create_task(async { gather([brewed()]).await.unwrap() });
        assert_eq!(task.await.unwrap(), [Ok("tea")]);
        let tasks = [create_task(tea()), create_task(tea())];
        let task = create_task(async { gather_outcomes(tasks).await.unwrap() });
        assert_eq!(task.await.unwrap(), [Ok("tea"), Ok("tea")]);
        let task = create_task(async { gather([gather([tea()])]).await.unwrap() });
        assert_eq!(task.await.unwrap(), [["tea"]]);
    });
}

#[test]
fn gathered_with_promises_in_a_task() {
    on_loops(|event_loop| {
        let promise: Promise<&'static str, &'static str> = event_loop.create_future();
        let task = event_loop.create_task({
            let all = [promise.clone(), promise.clone()];
            async move { gather(all).await }
        });
        promise.set_error("no tea").unwrap();
        assert!(event_loop.run_until_complete(task).unwrap().is_err());
    });
}

#[test]
fn waited_for_in_a_task() {
    in_task(|| async {
        let task = create_task(async { wait_for(tea(), LONG).await.unwrap().unwrap() });
        assert_eq!(task.await.unwrap(), "tea");
        let task = create_task(async { timeout(LONG, tea()).await.unwrap() });
        assert_eq!(task.await.unwrap(), "tea");
        let task = create_task(async { timeout_at(None, create_task(tea())).await.unwrap() });
        assert_eq!(task.await.unwrap().unwrap(), "tea");
        let task = create_task(async { timeout(LONG, gather([brewed()])).await.unwrap() });
        assert_eq!(task.await.unwrap().unwrap(), [Ok("tea")]);
        let task = create_task(async { wait_for(gather([tea()]), LONG).await.unwrap() });
        assert_eq!(task.await.unwrap().unwrap(), ["tea"]);
        let task = create_task(async { catch_cancel(gather([tea()])).await.unwrap() });
        assert_eq!(task.await.unwrap().unwrap(), ["tea"]);
    });
}

#[test]
fn shielded_in_a_task() {
    in_task(|| async {
        let task = create_task(async { shield(tea()).await.unwrap() });
        assert_eq!(task.await.unwrap(), "tea");
        let task = create_task(async { wait_on(shield(create_task(tea()))).await.unwrap() });
        assert_eq!(task.await.unwrap(), "tea");
        let task = create_task(async { wait_on(shield(gather([tea()]))).await.unwrap() });
        assert_eq!(task.await.unwrap(), ["tea"]);
    });
}

#[test]
fn watched_in_a_task() {
    in_task(|| async {
        let task = create_task(async {
            let all = [create_task(tea()), create_task(tea())];
            let waited = wait(all, LONG, ReturnWhen::AllCompleted).await;
            waited.done[0].result().unwrap().unwrap()
        });
        assert_eq!(task.await.unwrap(), "tea");
        let task = create_task(async {
            let mut said = Vec::new();
            let mut all = as_completed([tea(), tea()], LONG);
            while let Some(task) = all.next().await {
                said.push(task.unwrap().await.unwrap());
            }
            said
        });
        assert_eq!(task.await.unwrap(), ["tea", "tea"]);
    });
}

#[test]
fn from_a_thread_in_a_task() {
    in_task(|| async {
        let task = create_task(async { to_thread(|| "tea").await.unwrap() });
        assert_eq!(task.await.unwrap(), "tea");
    });
}

#[test]
fn with_a_timeout_that_can_be_moved_in_a_task() {
    in_task(|| async {
        let task = create_task(async {
            let limit = Timeout::at(None);
            limit.run(create_task(tea())).await.unwrap().unwrap()
        });
        assert_eq!(task.await.unwrap(), "tea");
    });
}

#[test]
fn through_a_queue_in_a_task() {
    in_task(|| async {
        let queue = Queue::new(1);
        let of_task = queue.clone();
        let task = create_task(async move {
            of_task
                .put(create_task(tea()).await.unwrap())
                .await
                .unwrap();
            gather([tea()]).await.unwrap()
        });
        assert_eq!(queue.get().await.unwrap(), "tea");
        assert_eq!(task.await.unwrap(), ["tea"]);
    });
}

/// The handles of a loop's tasks are awaited in tasks of the workers, too.
#[test]
fn awaited_in_a_task_of_the_workers() {
    on_loops(|event_loop| {
        let on = event_loop.clone();
        let gathered = event_loop.create_task(async {
            let gathered = gather([tea(), tea()]);
            let spawned = filch::spawn(async move { gathered.await.unwrap() });
            spawned.await.unwrap()
        });
        assert_eq!(
            event_loop.run_until_complete(gathered).unwrap(),
            ["tea", "tea"]
        );
        let spawned = event_loop.create_task(async move {
            let (one, two) = (on.create_task(tea()), on.create_task(brewed()));
            let spawned = filch::spawn(async move { (one.await.unwrap(), two.await.unwrap()) });
            spawned.await.unwrap()
        });
        let both = event_loop.run_until_complete(spawned).unwrap();
        assert_eq!(both, ("tea", Ok("tea")));
    });
}

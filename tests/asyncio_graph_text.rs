//! How the graph of who awaits whom is drawn: each task once, cycles told, and no longer than there are tasks.

#[path = "common/asyncio.rs"]
mod asyncio_common;
mod common;
#[path = "common/graph.rs"]
mod graph_common;

use std::collections::BTreeSet;

use filch::asyncio::{LoopTask, TaskError, gather, pstree};
use filch::{EventLoop, Promise};

use asyncio_common::{in_task, on_loops, run_briefly};
use common::{a_while, bounded, end, eventually, many, multi};
use graph_common::{graph, here, named, plain, settle, shape, waits};

/// `a` awaits `b`, which awaits `a`.
async fn circle() -> [LoopTask<Result<(), TaskError>>; 2] {
    let handle: Promise<LoopTask<Result<(), TaskError>>, ()> = here().create_future();
    let later = handle.clone();
    let a = named("a", async move {
        let b = later.await.unwrap();
        b.await.and_then(|inner| inner)
    });
    let awaited = a.clone();
    let b = named("b", async move { awaited.await.and_then(|inner| inner) });
    handle.set_result(b.clone()).unwrap();
    settle().await;
    [a, b]
}

#[test]
fn a_cycle_is_reported() {
    in_task(async || {
        let [a, b] = circle().await;
        let found = graph(&a);
        assert!(found.has_cycle());
        assert_eq!(
            plain(&found.to_string()),
            "* Task(name=\"a\")\n  + Awaited by:\n    * Task(name=\"b\")\n      + Awaited by:\n        * \
             Task(name=\"a\") <- a cycle\nA cycle: Task(name=\"a\") awaits Task(name=\"b\") awaits Task(name=\"a\")"
        );
        let tree = pstree();
        assert!(tree.contains(" <- a cycle\n"), "{tree}");
        assert!(
            tree.lines()
                .last()
                .unwrap()
                .starts_with("A cycle: Task(name="),
            "{tree}"
        );
        let outside = waits("outside");
        assert!(!graph(&outside).has_cycle());
        drop((a, b));
    });
}

#[test]
fn depth_and_limit_shorten_the_text() {
    in_task(async || {
        let mut last = waits("0");
        let first = last.clone();
        for n in 1..6 {
            let before = last;
            last = named(&n.to_string(), async move { before.await.unwrap() });
        }
        settle().await;
        let found = graph(&first);
        assert_eq!(shape(&found), "0(1(2(3(4(5)))))");
        let names = |text: &str| -> Vec<String> {
            let tasks = text.lines().filter_map(|line| line.split("name=\"").nth(1));
            tasks
                .map(|rest| rest.split('"').next().unwrap().to_owned())
                .collect()
        };
        let text = found.clone().depth(0).to_string();
        assert_eq!(names(&text), ["0"]);
        assert!(text.ends_with("\n(5 more are not shown)"), "{text}");
        assert_eq!(names(&found.clone().depth(2).to_string()), ["0", "1", "2"]);
        let text = found.clone().limit(4).to_string();
        assert_eq!(names(&text), ["0", "1", "2", "3"]);
        assert!(text.ends_with("\n(2 more are not shown)"), "{text}");
        let whole = found.clone().limit(6).to_string();
        assert_eq!(whole, found.to_string());
        assert!(!whole.contains("not shown"));
        assert_eq!(found.limit(0).to_string(), "(6 more are not shown)");
    });
}

#[test]
fn a_task_is_shown_once_and_then_referred_to() {
    in_task(async || {
        let tea = waits("tea");
        let guests = ["a", "b"].map(|name| {
            let tea = tea.clone();
            named(name, async move { tea.await.is_ok() })
        });
        named("host", async move {
            let [a, b] = guests;
            filch::join!(a.into_future(), b.into_future()).0.is_ok()
        });
        settle().await;
        assert_eq!(
            plain(&graph(&tea).to_string()),
            "* Task(name=\"tea\")\n  + Awaited by:\n    * Task(name=\"a\")\n      + Awaited by:\n        * \
             Task(name=\"host\")\n    * Task(name=\"b\")\n      + Awaited by:\n        * Task(name=\"host\") (shown above)"
        );
    });
}

#[test]
fn the_text_grows_with_the_tasks_and_not_with_the_waits() {
    in_task(async || {
        // Each of 60 guests awaits each of 60 pots, and each of those the water: 3600 waits and 60.
        let water = waits("water");
        let pot = |n: u32| {
            let water = water.clone();
            named(&format!("pot {n}"), async move { water.await.is_ok() })
        };
        let pots: Vec<_> = (0..60).map(pot).collect();
        for n in 0..60 {
            let pots = pots.clone();
            named(
                &format!("guest {n}"),
                async move { gather(pots).await.is_ok() },
            );
        }
        settle().await;
        let found = graph(&water);
        assert_eq!(found.waiters().len(), 121);
        let text = found.to_string();
        assert!(text.contains("* 44 more that are shown above"), "{text}");
        let lines = text.lines().count();
        assert!(lines < 121 * 3 + 60 * 17 + 1, "{lines} lines");
    });
}

#[test]
fn a_chain_of_ten_thousand_is_as_long_as_it_must_be() {
    const TASKS: usize = 10_000;
    on_loops(|event_loop| {
        let first = event_loop
            .build_task()
            .name("0")
            .create(std::future::pending::<()>());
        let mut last = first.clone();
        for n in 1..TASKS {
            let before = last;
            let task = async move { before.await.unwrap() };
            last = event_loop.build_task().name(n.to_string()).create(task);
        }
        // Each begins to wait in its first step.
        run_briefly(&event_loop);
        let begun = std::time::Instant::now();
        let found = graph(&first);
        let (up, down) = (found.to_string(), pstree());
        assert!(begun.elapsed() < a_while(), "{:?}", begun.elapsed());
        assert_eq!(found.waiters().len(), TASKS);
        assert!(!found.has_cycle());
        for text in [&up, &down] {
            let names = text
                .lines()
                .filter_map(|line| line.split("* Task(name=\"").nth(1));
            let names: BTreeSet<usize> = names
                .filter_map(|rest| rest.split('"').next()?.parse().ok())
                .collect();
            assert_eq!(names.len(), TASKS);
        }
        assert!(up.len() < TASKS * 400, "{} bytes", up.len());
        assert!(up.contains(&format!("[{}] * Task(name=\"{}\"", TASKS - 1, TASKS - 1)));
        event_loop.close();
    });
}

#[test]
fn a_tree_may_be_drawn_while_tasks_come_and_go() {
    bounded(|| {
        let rt = multi(4);
        let stop = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
        let rounds = std::sync::Arc::new(std::sync::atomic::AtomicUsize::new(0));
        let churn: Vec<_> = (0..4)
            .map(|_| {
                let (stop, rounds) = (stop.clone(), rounds.clone());
                rt.spawn(async move {
                    while !stop.load(std::sync::atomic::Ordering::Relaxed) {
                        let inner = filch::spawn(async { filch::task::yield_now().await });
                        filch::spawn(async move { inner.await.unwrap() })
                            .await
                            .unwrap();
                        let event_loop = EventLoop::new();
                        event_loop.start();
                        assert_eq!(event_loop.create_task(async { 7 }).await.unwrap(), 7);
                        event_loop.stop();
                        rounds.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
                    }
                })
            })
            .collect();
        let mut drawn = 0;
        eventually("tasks have come and gone meanwhile", || {
            assert!(pstree().contains("* SpawnedTask("));
            drawn += 1;
            drawn >= many(100) && rounds.load(std::sync::atomic::Ordering::Relaxed) > 0
        });
        stop.store(true, std::sync::atomic::Ordering::Relaxed);
        for task in churn {
            end(&rt, task).unwrap();
        }
    });
}

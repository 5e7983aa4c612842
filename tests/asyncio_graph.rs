//! The graph of who awaits whom. Tests are named after those of CPython's test_graph.py, class CallStackTestBase; what is only
//! ours has a name of its own. How it is drawn: `asyncio_graph_text.rs`.

#[path = "common/asyncio.rs"]
mod asyncio_common;
mod common;
#[path = "common/graph.rs"]
mod graph_common;

use filch::asyncio::{
    CallGraph, GraphNode, as_completed, capture_call_graph, format_call_graph, gather,
    print_call_graph, pstree, shield, sleep, timeout, wait, wait_for, wait_on,
};
use filch::{EventLoop, Promise};

use asyncio_common::{in_task, ms, on_loops, run_briefly};
use common::{a_while, bounded, multi};
use graph_common::{graph, here, named, plain, settle, shape, waits};

mod call_stack_test_base {
    use super::*;

    #[test]
    fn test_stack_task() {
        in_task(async || {
            let (inner, text) = (
                named("there there", async {
                    settle().await;
                    (shape(&graph_of_current()), format_call_graph(None).unwrap())
                }),
                "* Task(name=\"there there\", id=",
            );
            let main = named("main", async move { inner.await.unwrap() });
            let (shape, found) = main.await.unwrap();
            assert_eq!(shape, "there there(main(?))");
            assert!(found.starts_with(text), "{found}");
            assert_eq!(
                found.matches("Created at tests/asyncio_graph.rs:").count(),
                2
            );
            assert_eq!(found.matches("+ Awaited by:").count(), 2, "{found}");
        });
    }

    fn graph_of_current() -> CallGraph {
        capture_call_graph(None).unwrap().expect("there is a task")
    }

    /// The body waits for its children, without their handles.
    #[test]
    fn a_body_waits_for_its_group() {
        in_task(async || {
            let (on, task) = (here(), waits("c2_root"));
            let (first, second) = (task.clone(), task.clone());
            let main = named("main", async move {
                let scope = filch::task::TaskGroup::<()>::scope(async move |group| {
                    group.spawn_on(&on, async move { first.await.map_err(drop) });
                    group.spawn(async move { second.await.map_err(drop) });
                    Ok(())
                });
                scope.await.is_ok()
            });
            let until = std::time::Instant::now() + a_while();
            while shape(&graph(&task)) != "c2_root(?(main) ?(?(main)))"
                && shape(&graph(&task)) != "c2_root(?(?(main)) ?(main))"
            {
                assert!(std::time::Instant::now() < until, "{}", graph(&task));
                sleep(ms(1)).await;
            }
            main.cancel("");
            while !main.is_done() {
                sleep(ms(1)).await;
            }
            assert_eq!(
                shape(&graph(&task)),
                "c2_root",
                "nobody awaits what is done"
            );
        });
    }

    /// The body awaits the handles of its children.
    #[test]
    fn test_stack_tgroup() {
        in_task(async || {
            let (on, task) = (here(), waits("c2_root"));
            let (one, two, root) = (task.clone(), task.clone(), task.clone());
            named("main", async move {
                let scope = filch::task::TaskGroup::<()>::scope(async move |group| {
                    let child = group.spawn_on(&on, async move {
                        let _outcome = root.await;
                        Ok(())
                    });
                    child.await.unwrap();
                    Ok(())
                });
                scope.await.is_ok()
            });
            named("sub_main_1", async move { one.await.is_ok() });
            named("sub_main_2", async move { two.await.is_ok() });
            let until = std::time::Instant::now() + a_while();
            // The child in the loop, the group's own task that awaits it, and the body.
            while shape(&graph(&task)) != "c2_root(sub_main_1 sub_main_2 ?(?(main)))" {
                assert!(std::time::Instant::now() < until, "{}", graph(&task));
                sleep(ms(1)).await;
            }
        });
    }

    #[test]
    fn test_stack_gather() {
        in_task(async || {
            let deep = waits("deep");
            let other = waits("other");
            let both = gather([deep.clone(), other.clone()]);
            let main = named("main", async move { both.await.is_ok() });
            settle().await;
            assert_eq!(shape(&graph(&deep)), "deep(main)");
            assert_eq!(shape(&graph(&other)), "other(main)");
            main.cancel("");
            settle().await;
            assert!(deep.is_done());
            assert_eq!(shape(&graph(&deep)), "deep", "nobody awaits what is done");
        });
    }

    #[test]
    fn a_gather_of_gathers_and_the_gather_itself() {
        in_task(async || {
            let deep = waits("deep");
            let whole = gather([gather([deep.clone()]), gather([waits("other")])]);
            let awaited = whole.clone();
            named("main", async move { awaited.await.is_ok() });
            settle().await;
            assert_eq!(shape(&graph(&deep)), "deep(main)");
            assert_eq!(shape(&graph(&whole)), "F(main)");
            assert!(
                graph(&whole).waiters()[0]
                    .made_at()
                    .file()
                    .ends_with("asyncio_graph.rs")
            );
        });
    }

    #[test]
    fn test_stack_shield() {
        in_task(async || {
            let deep = waits("deep");
            let shielded = shield(deep.clone());
            let main = named("main", async move { shielded.await.is_ok() });
            settle().await;
            assert_eq!(shape(&graph(&deep)), "deep(main)");
            main.cancel("");
            settle().await;
            assert_eq!(shape(&graph(&deep)), "deep");
            assert!(!deep.is_done());
        });
    }

    #[test]
    fn test_stack_timeout() {
        in_task(async || {
            let deep = waits("deep");
            let (one, two) = (deep.clone(), deep.clone());
            named("within", async move {
                timeout(Some(a_while()), one).await.is_ok()
            });
            named("for", async move {
                wait_for(two, Some(a_while())).await.is_ok()
            });
            settle().await;
            assert_eq!(shape(&graph(&deep)), "deep(within for)");
        });
    }

    #[test]
    fn test_stack_wait() {
        in_task(async || {
            let (one, two) = (waits("one"), waits("two"));
            let all = [one.clone(), two.clone()];
            let main = named("main", async move {
                wait(all, None, Default::default()).await.done.len()
            });
            settle().await;
            assert_eq!(shape(&graph(&one)), "one(main)");
            assert_eq!(shape(&graph(&two)), "two(main)");
            one.cancel("");
            settle().await;
            assert_eq!(shape(&graph(&two)), "two(main)");
            main.cancel("");
            settle().await;
            assert_eq!(shape(&graph(&two)), "two");

            let all = [two.clone()];
            named("main", async move {
                as_completed(all, None).next().await.is_some()
            });
            settle().await;
            assert_eq!(shape(&graph(&two)), "two(main)");
        });
    }

    #[test]
    fn test_stack_future() {
        in_task(async || {
            let future: Promise<u32, String> = here().create_future();
            let (one, two, last) = (future.clone(), future.clone(), future.clone());
            let a = named("task A", async move { one.await });
            let b = named("task B", async move { wait_on(two).await });
            let main = named("main", async move { (a.await.is_ok(), b.await.is_ok()) });
            settle().await;
            assert_eq!(shape(&graph(&future)), "F(task A(main) task B)");
            assert!(
                format_call_graph(Some(&future))
                    .unwrap()
                    .starts_with("* Promise\n")
            );
            last.set_result(7).unwrap();
            assert_eq!(shape(&graph(&future)), "F", "they are woken");
            assert_eq!(main.await.unwrap(), (true, true));
        });
    }

    #[test]
    fn outside_of_a_running_loop_something_must_be_given() {
        bounded(|| {
            let error = capture_call_graph(None).unwrap_err();
            assert!(
                error
                    .to_string()
                    .contains("outside of a running event loop")
            );
            assert!(format_call_graph(None).is_err() && print_call_graph(None).is_err());
            let event_loop = EventLoop::new();
            let task = event_loop.build_task().name("tea").create(async {});
            assert_eq!(shape(&graph(&task)), "tea");
            print_call_graph(Some(&task)).unwrap();
        });
    }

    #[test]
    fn in_a_callback_there_is_no_task_to_take() {
        on_loops(|event_loop| {
            let (tell, told) = std::sync::mpsc::channel();
            event_loop.call_soon(move || {
                let graph = capture_call_graph(None).unwrap();
                tell.send((graph.is_none(), format_call_graph(None).unwrap()))
                    .unwrap();
            });
            run_briefly(&event_loop);
            assert_eq!(told.try_recv().unwrap(), (true, String::new()));
        });
    }
}

mod ours {
    use super::*;

    #[test]
    fn the_branches_of_a_join_are_edges_and_a_lost_branch_is_none() {
        in_task(async || {
            let (one, two) = (waits("one"), waits("two"));
            let future: Promise<u32, String> = here().create_future();
            let awaited = (one.clone(), two.clone(), future.clone());
            let main = named("main", async move {
                let (one, two, future) = awaited;
                filch::join!(one.into_future(), two.into_future(), future.wait())
                    .0
                    .is_ok()
            });
            settle().await;
            for node in [&one as &dyn GraphNode, &two] {
                assert!(shape(&graph(node)).ends_with("(main)"));
            }
            assert_eq!(shape(&graph(&future)), "F(main)");
            main.cancel("");

            let three = waits("three");
            let (lost, quick) = (three.task(), named("quick", async {}));
            named("main", async move {
                filch::select! {
                    () = lost.wait() => {}
                    _ = quick.into_future() => std::future::pending().await,
                }
            });
            settle().await;
            assert_eq!(shape(&graph(&three)), "three");
        });
    }

    #[test]
    fn a_wait_for_whatever_outcome_is_an_edge() {
        in_task(async || {
            let tea = waits("tea");
            let task = tea.task();
            named("main", async move { task.wait().await });
            settle().await;
            assert_eq!(shape(&graph(&tea.task())), "tea(main)");
        });
    }

    #[test]
    fn a_chain_of_promises_is_looked_through_also_in_a_circle() {
        in_task(async || {
            let [a, b, c]: [Promise<u32, String>; 3] =
                std::array::from_fn(|_| here().create_future());
            Promise::chain(&a, &b);
            Promise::chain(&b, &c);
            Promise::chain(&c, &a);
            let end = c.clone();
            named("main", async move { end.await.is_ok() });
            settle().await;
            for promise in [&a, &b, &c] {
                assert_eq!(shape(&graph(promise)), "F(main)");
            }
            a.set_result(7).unwrap();
            assert_eq!(c.await, Ok(7));
        });
    }

    #[test]
    fn spawned_tasks_and_tasks_of_loops_await_each_other() {
        bounded(|| {
            let rt = multi(2);
            let _entered = rt.enter();
            let event_loop = EventLoop::new();
            let tea = event_loop
                .build_task()
                .name("pot for all")
                .create(std::future::pending::<()>());
            let awaited = tea.clone();
            let guest = filch::task::Builder::new()
                .name("guest for all")
                .spawn(async move { awaited.await.is_ok() });
            let guest = guest.unwrap();
            let of_guest = guest.abort_handle();
            event_loop.start();
            let main = event_loop
                .build_task()
                .name("main")
                .create(async move { guest.await.is_ok() });
            let until = std::time::Instant::now() + a_while();
            while shape(&graph(&tea)) != "pot for all(guest for all(main))" {
                assert!(std::time::Instant::now() < until, "{}", graph(&tea));
                std::thread::yield_now();
            }
            let found = graph(&tea);
            let kinds: Vec<bool> = found
                .waiters()
                .iter()
                .map(|node| node.is_of_loop())
                .collect();
            assert_eq!(kinds, [true, false, true]);
            assert_eq!(found.waiters()[1].id(), Some(of_guest.id()));
            assert!(
                found
                    .to_string()
                    .contains("* SpawnedTask(name=\"guest for all\", id=")
            );
            let tree = pstree();
            let line = |what: &str| {
                tree.lines()
                    .position(|line| line.contains(what))
                    .expect(what)
            };
            assert!(
                line("* Task(name=\"main\"") < line("    * SpawnedTask(name=\"guest for all\"")
            );
            assert!(
                line("    * SpawnedTask(name=\"guest for all\"")
                    < line("        * Task(name=\"pot for all\"")
            );
            of_guest.abort();
            let until = std::time::Instant::now() + a_while();
            while !main.is_done() || shape(&graph(&tea)) != "pot for all" {
                assert!(std::time::Instant::now() < until);
                std::thread::yield_now();
            }
            event_loop.stop();
        });
    }

    #[test]
    fn who_joins_a_set_of_spawned_tasks_awaits_each() {
        bounded(|| {
            let rt = multi(2);
            rt.block_on(async {
                let mut set = filch::task::JoinSet::new();
                let (tell, told) = filch::sync::oneshot::channel::<()>();
                let (leave, left) = filch::sync::oneshot::channel::<()>();
                set.spawn(async move {
                    tell.send(()).unwrap();
                    left.await.unwrap();
                });
                let joins = filch::spawn(async move { set.join_next().await.is_some() });
                told.await.unwrap();
                let id = joins.id();
                let line = format!("* SpawnedTask(name=\"Task-{id}\", id={id})");
                let until = std::time::Instant::now() + a_while();
                loop {
                    let tree = pstree();
                    let mut lines = tree.lines().skip_while(|other| *other != line);
                    // It awaits somebody, who is shown below it.
                    if lines.nth(2) == Some("  + Awaits:") {
                        break;
                    }
                    assert!(std::time::Instant::now() < until, "{tree}");
                    filch::task::yield_now().await;
                }
                leave.send(()).unwrap();
                assert!(joins.await.unwrap());
            });
        });
    }

    #[test]
    fn a_thread_that_waits_is_counted_as_another() {
        bounded(|| {
            let rt = multi(2);
            let task = std::sync::Arc::new(std::sync::Mutex::new(None));
            let (theirs, promise) = (
                task.clone(),
                rt.block_on(async { Promise::<u32, String>::new() }),
            );
            let setter = promise.clone();
            rt.spawn(async move {
                let until = std::time::Instant::now() + a_while();
                while graph(&setter).waiters()[0].others() == 0 && std::time::Instant::now() < until
                {
                    filch::task::yield_now().await;
                }
                *theirs.lock().unwrap() = Some(format_call_graph(Some(&setter)).unwrap());
                setter.set_result(7).unwrap();
            });
            assert_eq!(rt.block_on(promise.wait()), Ok(7));
            let text = task.lock().unwrap().take().unwrap();
            assert_eq!(
                plain(&text),
                "* Promise\n  + Awaited by:\n    * 1 that are no tasks"
            );
        });
    }
}

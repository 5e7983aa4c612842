//! A `LocalRuntime` runs tasks that are not `Send`, on the thread that built it and on no other.

use std::cell::{Cell, RefCell};
use std::future::pending;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use std::sync::mpsc;
use std::task::Poll;
use std::thread::ThreadId;
use std::time::Duration;

use filch::runtime::{Builder, Handle, LocalOptions, LocalRuntime};
use filch::task::{LocalSet, spawn_blocking, spawn_local, yield_now};
use filch::time::sleep;
use futures::channel::oneshot;

mod common;
use common::{Drops, Gate, a_while, bounded, many, multi, read_byte, single};

fn local() -> LocalRuntime {
    let mut builder = Builder::new_current_thread();
    builder
        .enable_all()
        .build_local(LocalOptions::default())
        .unwrap()
}

fn here() -> ThreadId {
    std::thread::current().id()
}

/// The message of the panic.
#[track_caller]
fn panic_of(code: impl FnOnce()) -> String {
    let payload = catch_unwind(AssertUnwindSafe(code)).unwrap_err();
    match payload.downcast::<String>() {
        Ok(text) => *text,
        Err(payload) => (*payload.downcast::<&str>().unwrap()).to_owned(),
    }
}

#[test]
fn tasks_that_are_not_send_run_on_its_thread() {
    bounded(|| {
        let rt = LocalRuntime::new().unwrap();
        let home = here();
        let count = Rc::new(Cell::new(0));
        let counts = |count: &Rc<Cell<i32>>| {
            let count = count.clone();
            async move {
                yield_now().await;
                sleep(Duration::from_millis(1)).await;
                count.set(count.get() + 1);
                (count, here())
            }
        };
        // On the runtime, by its guard, and in `block_on`.
        let first = rt.spawn_local(counts(&count));
        let guard = rt.enter();
        let second = spawn_local(counts(&count));
        drop(guard);
        rt.block_on(async {
            let third = spawn_local(counts(&count));
            for task in [first, second, third] {
                assert_eq!(task.await.unwrap().1, home);
            }
            let nested = spawn_local(async { spawn_local(async { here() }).await.unwrap() });
            assert_eq!(nested.await.unwrap(), home);
            assert_eq!(filch::spawn(async { here() }).await.unwrap(), home);
            assert_ne!(spawn_blocking(here).await.unwrap(), home);
        });
        assert_eq!(count.get(), 3);
        assert_ne!(rt.block_on(rt.spawn_blocking(here)).unwrap(), home);
    });
}

#[test]
fn the_macros_build_one() {
    #[filch::main(flavor = "local")]
    async fn run() -> usize {
        let value = Rc::new(20);
        spawn_local(async move { *value + 1 }).await.unwrap()
    }
    assert_eq!(run(), 21);
}

#[filch::test(flavor = "local")]
async fn a_test_spawns_tasks_that_are_not_send() {
    let value = Rc::new(4);
    assert_eq!(spawn_local(async move { *value }).await.unwrap(), 4);
}

#[test]
fn tasks_run_in_the_order_of_their_spawns_whatever_their_kind() {
    bounded(|| {
        let rt = local();
        let order = Rc::new(RefCell::new(Vec::new()));
        let (tell, told) = mpsc::channel();
        for n in 0..10 {
            let order = order.clone();
            let tell = tell.clone();
            rt.handle().spawn(async move { tell.send(n).unwrap() });
            rt.spawn_local(async move { order.borrow_mut().push(n) });
        }
        rt.block_on(async {
            while order.borrow().len() < 10 {
                yield_now().await;
            }
        });
        assert_eq!(*order.borrow(), (0..10).collect::<Vec<_>>());
        assert_eq!(told.try_iter().collect::<Vec<_>>(), *order.borrow());
    });
}

#[test]
fn io_wakes_its_tasks() {
    use std::io::Write;
    bounded(|| {
        let rt = local();
        rt.block_on(async {
            let (source, mut peer) = common::pair();
            let source = Rc::new(source);
            let reads = spawn_local(async move { read_byte(&source).await.unwrap() });
            yield_now().await;
            peer.write_all(b"x").unwrap();
            assert_eq!(reads.await.unwrap(), b'x');
        });
    });
}

#[test]
fn other_threads_spawn_with_its_handle_and_wake_its_tasks_but_never_run_them() {
    bounded(|| {
        let rt = local();
        let home = here();
        let mut senders = Vec::new();
        let mut tasks = Vec::new();
        for _ in 0..8 {
            let (send, receive) = async_channel::bounded(1);
            senders.push(send);
            tasks.push(rt.spawn_local(async move {
                let count = Rc::new(Cell::new(0));
                while receive.recv().await.is_ok() {
                    count.set(count.get() + 1);
                    assert_eq!(here(), home);
                }
                count.get()
            }));
        }
        let threads = senders.into_iter().map(|send| {
            let handle = rt.handle().clone();
            std::thread::spawn(move || {
                let ran = (0..many(300)).map(|n| {
                    send.send_blocking(n).unwrap();
                    handle.spawn(async { here() })
                });
                let ran: Vec<_> = ran.collect();
                drop(send);
                // It does not drive the runtime: whoever is at home does.
                handle.block_on(async {
                    for task in ran {
                        assert_eq!(task.await.unwrap(), home);
                    }
                });
            })
        });
        let threads: Vec<_> = threads.collect();
        rt.block_on(async {
            for task in tasks {
                assert_eq!(task.await.unwrap(), many(300));
            }
        });
        while threads.iter().any(|thread| !thread.is_finished()) {
            rt.block_on(yield_now());
        }
        threads
            .into_iter()
            .for_each(|thread| thread.join().unwrap());
    });
}

#[test]
fn its_handle_elsewhere_may_spawn_but_not_spawn_local() {
    bounded(|| {
        let rt = local();
        let handle = rt.handle().clone();
        std::thread::spawn(move || {
            let _guard = handle.enter();
            drop(filch::spawn(async {}));
            let text = panic_of(|| drop(spawn_local(async {})));
            assert!(
                text.contains("from the thread the runtime was created on"),
                "{text}"
            );
            // Nor do its blocking threads.
            let blocking = spawn_blocking(|| panic_of(|| drop(spawn_local(async {}))));
            let text = handle.block_on(blocking).unwrap();
            assert!(
                text.contains("from the thread the runtime was created on"),
                "{text}"
            );
        })
        .join()
        .unwrap();
    });
}

#[test]
fn without_a_set_or_a_local_runtime_there_is_no_spawn_local() {
    bounded(|| {
        let tries = || panic_of(|| drop(spawn_local(async {})));
        let outside = "called from outside of a `task::LocalSet` or `runtime::LocalRuntime`";
        assert!(tries().contains(outside));
        for rt in [single(), multi(2)] {
            assert!(rt.block_on(async { tries() }).contains(outside));
            let in_task = rt.spawn(async move { tries() });
            assert!(rt.block_on(in_task).unwrap().contains(outside));
        }
        let rt = local();
        let elsewhere = || std::thread::spawn(tries).join().unwrap();
        let text = rt.block_on(LocalSet::new().run_until(async { elsewhere() }));
        assert!(text.contains(outside));
    });
}

#[test]
fn a_set_runs_on_a_local_runtime_too() {
    bounded(|| {
        let rt = local();
        let set = LocalSet::new();
        let (send, receive) = oneshot::channel();
        let sum = set.spawn_local(async move { receive.await.unwrap() + *Rc::new(1) });
        // The runtime comes first: this one is not in the set.
        let on_runtime = rt.block_on(set.run_until(std::future::poll_fn(|_| {
            Poll::Ready(spawn_local(async { 1 }))
        })));
        drop(set.spawn_local(async move { send.send(2).unwrap() }));
        rt.block_on(set);
        assert_eq!(rt.block_on(sum).unwrap(), 3);
        assert_eq!(rt.block_on(on_runtime).unwrap(), 1);
    });
}

#[test]
fn only_a_current_thread_builder_builds_one() {
    let text = panic_of(|| drop(Builder::new_multi_thread().build_local(LocalOptions::default())));
    assert!(text.contains("multi_thread is not supported for LocalRuntime"));
}

#[test]
fn block_on_inside_block_on_is_refused() {
    bounded(|| {
        let rt = local();
        let text = rt.block_on(async { panic_of(|| rt.block_on(async {})) });
        assert!(text.contains("from inside a runtime"), "{text}");
    });
}

#[test]
fn its_end_drops_each_future_once_at_home_inside_the_runtime() {
    struct AtHome(ThreadId, Drops);
    impl Drop for AtHome {
        fn drop(&mut self) {
            assert_eq!(here(), self.0);
            drop(self.1.counted());
            // Inside its runtime, where it is too late for another one.
            let late = spawn_local(async { unreachable!() });
            drop(Handle::current().spawn(async { unreachable!() }));
            assert!(late.is_finished());
        }
    }
    let ends: [fn(LocalRuntime); 3] = [
        drop,
        |rt| rt.shutdown_timeout(a_while()),
        |rt| rt.shutdown_background(),
    ];
    for end in ends {
        bounded(move || {
            let (rt, drops) = (local(), Drops::default());
            let spawn = |n: usize| {
                let value = AtHome(here(), drops.clone());
                rt.spawn_local(async move {
                    let _value = value;
                    match n % 2 {
                        0 => pending().await,
                        _ => loop {
                            yield_now().await;
                        },
                    }
                })
            };
            let mut tasks: Vec<_> = (0..20).map(spawn).collect();
            rt.block_on(yield_now());
            // Those have never been polled.
            tasks.extend((20..30).map(spawn));
            let handle = rt.handle().clone();
            end(rt);
            assert_eq!(drops.count(), 30);
            assert!(tasks.iter().all(|task| task.is_finished()));
            std::thread::spawn(move || {
                let late = handle.spawn(async {});
                assert!(single().block_on(late).unwrap_err().is_cancelled());
            })
            .join()
            .unwrap();
        });
    }
}

#[test]
fn its_end_waits_for_blocking_closures_unless_it_must_not() {
    bounded(|| {
        let (rt, gate) = (local(), Gate::closed());
        let (tell, told) = mpsc::channel();
        let passes = gate.clone();
        let blocking = rt.spawn_blocking(move || {
            tell.send(()).unwrap();
            passes.pass();
        });
        told.recv_timeout(a_while()).unwrap();
        rt.shutdown_timeout(Duration::from_millis(1));
        assert!(!blocking.is_finished());
        gate.open();
        single().block_on(blocking).unwrap();
    });
}

#[test]
fn a_panic_is_the_tasks_own() {
    bounded(|| {
        let rt = local();
        let bad = rt.spawn_local(async { panic!("only here") });
        let good = rt.spawn_local(async { 1 });
        let error = rt.block_on(bad).unwrap_err();
        assert!(error.to_string().contains("only here"));
        assert_eq!(error.spawned_at().file(), file!());
        assert_eq!(rt.block_on(good).unwrap(), 1);
        assert!(catch_unwind(AssertUnwindSafe(|| rt.block_on(async { panic!("root") }))).is_err());
        assert_eq!(rt.block_on(async { 2 }), 2);
    });
}

//! A task-local value is there while its future is polled or dropped, and nowhere else; with `#[inherit]` it follows `spawn`.

use std::cell::Cell;
use std::future::{Future, pending, ready};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use filch::task::{JoinSet, yield_now};
use filch::time::sleep;

mod common;
use common::{Probe, Random, bounded, eventually, many, multi, on_each_kind, single};

filch::task_local! {
    static KEY: u32;
    pub(crate) static OTHER: Cell<bool>;
    /// Follows spawns.
    #[inherit]
    static REQUEST: Arc<str>;
    #[inherit]
    #[allow(dead_code, reason = "attributes may come before and after")]
    static DEPTH: u32
}

fn request() -> Option<String> {
    REQUEST.try_with(|request| request.to_string()).ok()
}

#[test]
fn each_task_has_its_own() {
    on_each_kind(|rt| {
        let tasks: Vec<_> = (0..100)
            .map(|n| {
                rt.spawn(KEY.scope(n, async move {
                    for _ in 0..10 {
                        assert_eq!(KEY.get(), n);
                        KEY.with(|value| assert_eq!((*value, KEY.get()), (n, n)));
                        yield_now().await;
                    }
                    sleep(Duration::from_millis(1)).await;
                    assert_eq!(KEY.get(), n);
                }))
            })
            .collect();
        let other = rt.spawn(OTHER.scope(Cell::new(false), async {
            OTHER.with(|other| other.set(true));
            yield_now().await;
            assert!(OTHER.with(Cell::get));
            assert!(KEY.try_get().is_err());
        }));
        for task in tasks {
            rt.block_on(task).unwrap();
        }
        rt.block_on(other).unwrap();
    });
}

#[test]
fn outside_a_scope_there_is_none() {
    assert!(KEY.try_get().is_err());
    let error = KEY.try_with(|_| ()).unwrap_err();
    assert_eq!(error.to_string(), "task-local value not set");
    assert_eq!(format!("{error:?} {KEY:?}"), "AccessError LocalKey { .. }");
    KEY.sync_scope(1, || assert_eq!(KEY.get(), 1));
    assert_eq!(KEY.try_get(), Err(error));
}

#[test]
#[should_panic(expected = "cannot access a task-local storage value without setting it first")]
fn with_panics_where_there_is_none() {
    KEY.with(|_| ());
}

#[test]
#[should_panic(
    expected = "cannot enter a task-local scope while the task-local storage is borrowed"
)]
fn a_scope_inside_with_panics() {
    KEY.sync_scope(1, || KEY.with(|_| KEY.sync_scope(2, || ())));
}

#[test]
fn scopes_nest() {
    bounded(|| {
        single().block_on(KEY.scope(1, async {
            assert_eq!(KEY.get(), 1);
            let inner = KEY.scope(2, async {
                assert_eq!(KEY.get(), 2);
                KEY.sync_scope(3, || assert_eq!(KEY.get(), 3));
                yield_now().await;
                assert_eq!(KEY.get(), 2);
            });
            // Polled in turn, each with its own.
            let outer = async {
                for _ in 0..3 {
                    assert_eq!(KEY.get(), 1);
                    yield_now().await;
                }
            };
            filch::join!(inner, outer);
            assert_eq!(KEY.get(), 1);
        }));
        assert!(KEY.try_get().is_err());
    });
}

#[test]
fn a_panic_takes_the_value_out() {
    let caught = std::panic::catch_unwind(|| KEY.sync_scope(1, || panic!("on purpose")));
    assert!(caught.is_err());
    assert!(KEY.try_get().is_err());
}

/// Tells what it sees when it is dropped.
struct SeenAtDrop {
    ready: bool,
    tell: async_channel::Sender<(Option<u32>, Option<String>)>,
}

impl Future for SeenAtDrop {
    type Output = ();
    fn poll(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<()> {
        if self.ready {
            Poll::Ready(())
        } else {
            Poll::Pending
        }
    }
}

impl Drop for SeenAtDrop {
    fn drop(&mut self) {
        let seen = (KEY.try_get().ok(), request());
        self.tell.try_send(seen).unwrap();
    }
}

#[test]
fn the_value_is_there_while_the_future_is_dropped() {
    on_each_kind(|rt| {
        let (tell, told) = async_channel::unbounded();
        let future = |ready| SeenAtDrop {
            ready,
            tell: tell.clone(),
        };
        let wanted = (Some(42), Some("r".to_owned()));
        let scoped = |ready| KEY.scope(42, REQUEST.scope("r".into(), future(ready)));
        // When it is done.
        rt.block_on(rt.spawn(scoped(true))).unwrap();
        assert_eq!(told.try_recv().unwrap(), wanted);
        // When it is aborted.
        let task = rt.spawn(scoped(false));
        rt.block_on(yield_now());
        task.abort();
        assert!(rt.block_on(task).unwrap_err().is_cancelled());
        assert_eq!(told.try_recv().unwrap(), wanted);
        // When it is dropped without a poll.
        drop(scoped(false));
        assert_eq!(told.try_recv().unwrap(), wanted);
        // What is inherited, too.
        for is_aborted in [false, true] {
            let task = REQUEST.sync_scope("r".into(), || rt.spawn(future(!is_aborted)));
            if is_aborted {
                task.abort();
            }
            assert_eq!(rt.block_on(task).is_err(), is_aborted);
            assert_eq!(told.try_recv().unwrap(), (None, wanted.1.clone()));
        }
        // And when the runtime ends.
        let task = REQUEST.sync_scope("r".into(), || rt.spawn(future(false)));
        drop(rt);
        assert!(task.is_finished());
        assert_eq!(told.try_recv().unwrap(), (None, wanted.1.clone()));
    });
}

#[test]
fn take_value_leaves_none() {
    bounded(|| {
        single().block_on(async {
            let mut future = Box::pin(KEY.scope(1, async {
                assert!(KEY.try_get().is_err());
            }));
            assert!(format!("{future:?}").contains("value: 1"));
            assert_eq!(future.as_mut().take_value(), Some(1));
            assert_eq!(future.as_mut().take_value(), None);
            assert!(format!("{future:?}").contains("<missing>"));
            future.await;

            let mut future = pin!(KEY.scope(1, ready(())));
            future.as_mut().await;
            assert_eq!(future.take_value(), Some(1));
        });
    });
}

#[test]
#[should_panic(expected = "`TaskLocalFuture` polled after completion")]
fn a_poll_after_the_end_panics() {
    let mut future = Box::pin(KEY.scope(1, ready(())));
    let probe = Probe::new();
    assert!(probe.poll(&mut future).is_ready());
    let _ = probe.poll(&mut future);
}

#[test]
fn an_inheriting_key_follows_each_kind_of_spawn() {
    on_each_kind(|rt| {
        let seen = |wanted: &'static str| async move {
            for _ in 0..3 {
                assert_eq!(request().as_deref(), Some(wanted));
                yield_now().await;
            }
        };
        let handle = rt.handle().clone();
        rt.block_on(REQUEST.scope("r".into(), async move {
            filch::spawn(seen("r")).await.unwrap();
            handle.spawn(seen("r")).await.unwrap();
            let named = filch::task::Builder::new().name("n");
            named.spawn(seen("r")).unwrap().await.unwrap();
            let mut set = JoinSet::new();
            set.spawn(seen("r"));
            set.spawn_on(seen("r"), &handle);
            set.spawn_blocking(|| assert_eq!(request().as_deref(), Some("r")));
            set.join_all().await;
            let closure = || request();
            let blocking = filch::task::spawn_blocking(closure).await.unwrap();
            assert_eq!(blocking.as_deref(), Some("r"));
            // And those that these spawn; a scope of their own comes first.
            let child = async move {
                let inner = REQUEST.scope("s".into(), async move {
                    filch::spawn(seen("s")).await.unwrap();
                });
                inner.await;
                filch::spawn(seen("r")).await.unwrap();
                let closure = move || filch::spawn(seen("r"));
                filch::task::spawn_blocking(closure).await.unwrap().await
            };
            filch::spawn(child).await.unwrap().unwrap();
        }));
        assert_eq!(rt.block_on(rt.spawn(async { request() })).unwrap(), None);
    });
}

#[test]
fn a_name_and_an_inheritance_go_together() {
    bounded(|| {
        single().block_on(REQUEST.scope("r".into(), async {
            let named = filch::task::Builder::new().name("fetch");
            let task = named.spawn(async { panic!("{:?}", request()) }).unwrap();
            let error = task.await.unwrap_err();
            assert_eq!(error.name(), Some("fetch"));
            assert!(error.to_string().contains("Some(\\\"r\\\")"), "{error}");
        }));
    });
}

#[test]
fn plain_keys_do_not_follow() {
    bounded(|| {
        single().block_on(KEY.scope(
            1,
            DEPTH.scope(2, async {
                let task = filch::spawn(async { (KEY.try_get().ok(), DEPTH.try_get().ok()) });
                assert_eq!(task.await.unwrap(), (None, Some(2)));
            }),
        ));
    });
}

#[test]
fn the_value_is_the_one_at_the_time_of_the_spawn() {
    filch::task_local! {
        #[inherit]
        static COUNT: Cell<u32>;
    }
    on_each_kind(|rt| {
        rt.block_on(COUNT.scope(Cell::new(1), async {
            let task = filch::spawn(async {
                sleep(Duration::from_millis(1)).await;
                COUNT.with(|count| count.replace(10))
            });
            COUNT.with(|count| count.set(2));
            assert_eq!(task.await.unwrap(), 1);
            assert_eq!(COUNT.with(Cell::get), 2);
        }));
    });
}

/// Counts how many there are.
struct Living(Arc<AtomicUsize>);

impl Living {
    fn new(count: &Arc<AtomicUsize>) -> Living {
        count.fetch_add(1, Ordering::SeqCst);
        Living(count.clone())
    }
}

impl Clone for Living {
    fn clone(&self) -> Living {
        Living::new(&self.0)
    }
}

impl Drop for Living {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

filch::task_local! {
    #[inherit]
    static LIVING: Living;
}

#[test]
fn each_copy_is_dropped_with_its_task() {
    bounded(|| {
        let mut random = Random::from_env();
        let rt = multi(8);
        let living = Arc::new(AtomicUsize::new(0));
        for _ in 0..many(500) {
            let kinds: Vec<_> = (0..1 + random.below(10)).map(|_| random.below(5)).collect();
            let (joins, aborts) = (random.below(3), random.below(3));
            let value = Living::new(&living);
            let tasks: Vec<_> = LIVING.sync_scope(value, || {
                let spawn = |kind| {
                    rt.spawn(async move {
                        let child = filch::spawn(yield_now());
                        match kind {
                            0 => pending().await,
                            1 => panic!("on purpose"),
                            2 => sleep(Duration::from_micros(50)).await,
                            3 => child.await.unwrap(),
                            _ => {}
                        }
                        LIVING.with(|_| ());
                    })
                };
                kinds.into_iter().map(spawn).collect()
            });
            for (n, task) in tasks.into_iter().enumerate() {
                if n % 3 == aborts {
                    task.abort();
                } else if n % 3 == joins {
                    let limit = Duration::from_micros(100);
                    let _ = rt.block_on(async { filch::time::timeout(limit, task).await });
                }
            }
        }
        drop(rt);
        assert_eq!(living.load(Ordering::SeqCst), 0);
    });
}

/// While `block_on` inside `with` drives the tasks of a current-thread runtime, the value's storage is borrowed: a task that
/// inherits one cannot run. It fails, and nothing else does.
#[test]
fn a_borrowed_storage_fails_only_the_task_that_needs_it() {
    bounded(|| {
        let rt = single();
        let inherits = DEPTH.sync_scope(1, || rt.spawn(async { DEPTH.get() }));
        let other = rt.spawn(async { 7 });
        DEPTH.sync_scope(2, || {
            DEPTH.with(|_| {
                let error = rt.block_on(inherits).unwrap_err();
                assert!(error.to_string().contains("storage is borrowed"), "{error}");
                assert_eq!(rt.block_on(other).unwrap(), 7);
            });
            assert_eq!(DEPTH.get(), 2);
        });
        let inherits = DEPTH.sync_scope(3, || rt.spawn(async { DEPTH.get() }));
        assert_eq!(rt.block_on(inherits).unwrap(), 3);
        assert!(DEPTH.try_get().is_err());
    });
}

#[test]
fn panics_of_values_hurt_no_other_task() {
    #[derive(Clone)]
    struct PanicOnDrop(#[expect(dead_code, reason = "its count is looked at")] Arc<()>);
    impl Drop for PanicOnDrop {
        fn drop(&mut self) {
            panic!("on purpose, in a drop");
        }
    }
    filch::task_local! {
        #[inherit]
        static BAD: PanicOnDrop;
    }
    common::hurts_no_other(|rt| {
        let shared = Arc::new(());
        let scope = std::panic::catch_unwind(|| {
            BAD.sync_scope(PanicOnDrop(shared.clone()), || {
                (0..100).for_each(|n| drop(rt.spawn(async move { n })));
            })
        });
        // The scope's own value panics when it ends, as any value would.
        assert!(scope.is_err());
        eventually("all copies are gone", || Arc::strong_count(&shared) == 1);
    });
}

#[test]
fn a_clone_that_panics_fails_the_spawn() {
    struct NoClone;
    impl Clone for NoClone {
        fn clone(&self) -> NoClone {
            panic!("on purpose, in a clone")
        }
    }
    filch::task_local! {
        #[inherit]
        static BAD: NoClone;
    }
    common::hurts_no_other(|rt| {
        BAD.sync_scope(NoClone, || {
            let spawn = std::panic::AssertUnwindSafe(|| rt.spawn(ready(())));
            assert!(std::panic::catch_unwind(spawn).is_err());
        });
        rt.block_on(rt.spawn(ready(()))).unwrap();
    });
}

#[test]
fn a_clone_may_spawn() {
    struct Spawns;
    impl Clone for Spawns {
        fn clone(&self) -> Spawns {
            if filch::runtime::Handle::try_current().is_ok() && DEPTH.try_get().is_err() {
                DEPTH.sync_scope(1, || drop(filch::spawn(ready(()))));
            }
            Spawns
        }
    }
    filch::task_local! {
        #[inherit]
        static KEY_THAT_SPAWNS: Spawns;
    }
    bounded(|| {
        single().block_on(KEY_THAT_SPAWNS.scope(Spawns, async {
            filch::spawn(async { KEY_THAT_SPAWNS.with(|_| ()) })
                .await
                .unwrap();
        }));
    });
}

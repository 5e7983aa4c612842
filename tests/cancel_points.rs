//! Every public future can be dropped at each of its awaits: no waker is left behind, and what is promised to stay stays.

use std::future::{Future, pending};
use std::time::Duration;

use filch::Promise;
use filch::io::{AsyncReadExt, AsyncWriteExt, Interest};
use filch::net::{TcpListener, TcpStream};
use filch::task::{CancelScope, TaskGroup, cancelled, with_grace, yield_now};
use filch::time::{fail_after, move_on_after, sleep, timeout};

mod common;
use common::{Drops, driven, drop_at_each_await, eventually, pair};

const HOUR: Duration = Duration::from_secs(3600);
const TICK: Duration = Duration::from_millis(1);

#[test]
fn timers() {
    driven(|_| {
        assert_eq!(drop_at_each_await("yield_now", yield_now), 2);
        assert_eq!(drop_at_each_await("sleep", || sleep(TICK)), 2);
        let two = || timeout(HOUR, async { (sleep(TICK).await, sleep(TICK).await) });
        assert_eq!(drop_at_each_await("timeout", two), 3);
        drop_at_each_await("timeout, in vain", || timeout(TICK, pending::<()>()));
        drop_at_each_await("move_on_after", || move_on_after(TICK, pending::<()>()));
        drop_at_each_await("fail_after", || fail_after(HOUR, sleep(TICK)));
    });
}

#[test]
fn handles_and_promises() {
    driven(|rt| {
        let task = || {
            rt.spawn(async {
                sleep(TICK).await;
                7
            })
        };
        drop_at_each_await("JoinHandle", task);
        drop_at_each_await("JoinHandle of a closure", || {
            rt.spawn_blocking(|| std::thread::sleep(TICK))
        });
        // A wait for `&mut handle` that goes leaves the outcome where it is.
        let kept = std::cell::RefCell::new(task());
        drop_at_each_await("&mut JoinHandle", || {
            std::future::poll_fn(|context| {
                std::pin::Pin::new(&mut *kept.borrow_mut()).poll(context)
            })
        });

        let promise = || {
            let promise: Promise<u32, ()> = Promise::new();
            let set = promise.clone();
            rt.spawn(async move {
                sleep(TICK).await;
                set.set_result(7).unwrap();
            });
            promise.wait()
        };
        drop_at_each_await("Promise::wait", promise);
    });
}

#[test]
fn sockets() {
    driven(|rt| {
        let listener = here(TcpListener::bind("127.0.0.1:0")).unwrap();
        let address = listener.local_addr().unwrap();
        drop_at_each_await("accept", || {
            let connects = rt.spawn(async move {
                sleep(TICK).await;
                TcpStream::connect(address).await
            });
            let accept = listener.accept();
            async move {
                drop(accept.await.unwrap());
                drop(connects.await);
            }
        });
        drop_at_each_await("connect", || TcpStream::connect(address));
        let both = || {
            let one = here(TcpStream::connect(address)).unwrap();
            // Connections whose futures were dropped are in the queue before it.
            let mine = one.local_addr().unwrap();
            loop {
                let (two, peer) = here(listener.accept()).unwrap();
                if peer == mine {
                    return (one, two);
                }
            }
        };
        drop_at_each_await("read", || {
            let (mut one, mut two) = both();
            let writes = rt.spawn(async move {
                sleep(TICK).await;
                two.write_all(b"tea").await
            });
            async move {
                let mut bytes = [0; 3];
                one.read_exact(&mut bytes).await.unwrap();
                writes.await.unwrap().unwrap();
            }
        });
        drop_at_each_await("write", || {
            let (mut one, mut two) = both();
            // More than the buffers hold; whoever reads it begins late.
            let bytes = vec![7; 8 << 20];
            let reads = rt.spawn(async move {
                sleep(TICK).await;
                two.read_to_end(&mut Vec::new()).await
            });
            async move {
                one.write_all(&bytes).await.unwrap();
                one.shutdown().await.unwrap();
                drop(one);
                assert_eq!(reads.await.unwrap().unwrap(), bytes.len());
            }
        });
        let (source, mut there) = pair();
        std::io::Write::write_all(&mut there, b"x").unwrap();
        drop_at_each_await("Source::ready", || source.ready(Interest::READABLE));
        drop_at_each_await("Source::async_io", || {
            source.async_io(Interest::WRITABLE, |_| Ok(()))
        });
    });
}

/// Polls on this thread, which drives nothing.
fn here<F: Future>(future: F) -> F::Output {
    futures::executor::block_on(future)
}

#[test]
fn scopes_and_shields() {
    driven(|rt| {
        let steps = async || {
            yield_now().await;
            sleep(TICK).await;
        };
        drop_at_each_await("CancelScope::run", || CancelScope::new().run(steps()));
        drop_at_each_await("nested scopes", || {
            CancelScope::with_timeout(HOUR)
                .run(async move { CancelScope::with_timeout(HOUR).run(steps()).await })
        });
        drop_at_each_await("a scope that is cancelled", || {
            let scope = CancelScope::new();
            let handle = scope.clone();
            rt.spawn(async move {
                sleep(TICK).await;
                handle.cancel("enough");
            });
            async move { scope.run(pending::<()>()).await }
        });
        drop_at_each_await("CancelScope::shield", || {
            let scope = CancelScope::new();
            scope.cancel("at once");
            async move { scope.run(CancelScope::shield(steps())).await }
        });
        drop_at_each_await("with_grace", || with_grace(HOUR, steps()));
        drop_at_each_await("task::shield", || filch::task::shield(sleep(TICK)));
        drop_at_each_await("cancelled", || async {
            filch::select! {
                () = cancelled() => {}
                () = sleep(TICK) => {}
            }
        });
    });
}

#[test]
fn groups() {
    driven(|_| {
        let (drops, made) = (Drops::default(), std::cell::Cell::new(0));
        let child = |ends: bool| {
            made.set(made.get() + 1);
            let counted = drops.counted();
            async move {
                let _counted = counted;
                yield_now().await;
                sleep(TICK).await;
                if !ends {
                    pending::<()>().await;
                }
                Ok::<_, ()>(())
            }
        };
        drop_at_each_await("TaskGroup::scope", || {
            TaskGroup::scope(|group| {
                let child = &child;
                async move {
                    for _ in 0..3 {
                        group.spawn(child(true));
                    }
                    yield_now().await;
                    let last = group.spawn(child(true));
                    sleep(TICK).await;
                    last.await.unwrap();
                    Ok(())
                }
            })
        });
        drop_at_each_await("a group that is stopped", || {
            TaskGroup::scope(|group| {
                let child = &child;
                async move {
                    let patient = child(false);
                    group.spawn(with_grace(2 * TICK, patient));
                    group.spawn(child(false));
                    sleep(TICK).await;
                    group.cancel("enough");
                    sleep(HOUR).await;
                    Ok(())
                }
            })
        });
        drop_at_each_await("wait_spawn", || {
            TaskGroup::builder().limit(1).scope(|group| {
                let child = &child;
                async move {
                    for _ in 0..3 {
                        group.wait_spawn(child(true)).await;
                    }
                    Ok(())
                }
            })
        });
        drop_at_each_await("start and ended", || {
            let child = &child;
            async move {
                let mut kept = None;
                let scope = TaskGroup::scope(async |group| {
                    kept = Some(group.clone());
                    let inner = child(true);
                    let ready = group.start(|ready| async move {
                        yield_now().await;
                        let _ = ready.send(7);
                        inner.await
                    });
                    Ok(ready.await.unwrap())
                });
                assert_eq!(scope.await.unwrap(), 7);
                kept.unwrap().ended().await;
            }
        });
        // An abort takes a moment.
        eventually("all children are dropped", || drops.count() == made.get());
    });
}

//! Edges that a review found sharp: each of these hung, spun or leaked once.

use std::io::Write;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};
use std::task::{Context, Wake, Waker};
use std::time::Duration;

use filch::Promise;
use filch::io::AsyncReadExt;
use filch::net::TcpListener;
use filch::runtime::{Builder, Handle, ReactorMode};
use rustix::net::{SendFlags, send};
use rustix::time::{ClockId, clock_gettime};

mod common;
use common::{Drops, a_while, bounded, eventually, multi, single};

fn dedicated() -> filch::runtime::Runtime {
    let mut builder = Builder::new_multi_thread();
    builder
        .worker_threads(1)
        .reactor_mode(ReactorMode::Dedicated);
    builder.build().unwrap()
}

#[test]
fn the_reactor_of_one_runtime_wakes_a_task_of_another() {
    bounded(|| {
        let (ours, theirs) = (dedicated(), multi(1));
        let sleep = {
            let _entered = ours.enter();
            filch::time::sleep(Duration::from_millis(50))
        };
        let task = theirs.spawn(sleep);
        theirs.block_on(task).unwrap();
    });
}

#[test]
fn a_waker_on_the_reactor_thread_may_wait_for_a_task_that_it_spawns() {
    struct SpawnsAndWaits(Handle, mpsc::Sender<bool>);
    impl Wake for SpawnsAndWaits {
        fn wake(self: Arc<Self>) {
            let (tell, told) = mpsc::channel();
            self.0.spawn(async move { tell.send(()).unwrap() });
            self.1.send(told.recv_timeout(a_while()).is_ok()).unwrap();
        }
    }
    bounded(|| {
        let rt = dedicated();
        let (tell, told) = mpsc::channel();
        let waker = Waker::from(Arc::new(SpawnsAndWaits(rt.handle().clone(), tell)));
        let mut sleep = {
            let _entered = rt.enter();
            Box::pin(filch::time::sleep(Duration::from_secs(3600)))
        };
        let polled = sleep.as_mut().poll(&mut Context::from_waker(&waker));
        assert!(polled.is_pending());
        sleep
            .as_mut()
            .reset(filch::time::Instant::now() + Duration::from_millis(10));
        assert!(told.recv().unwrap(), "the task was never run");
    });
}

#[test]
fn a_task_spawned_by_a_hook_before_sleep_runs() {
    bounded(|| {
        let (tell, told) = mpsc::channel();
        let first = AtomicBool::new(true);
        let rt = Builder::new_multi_thread()
            .worker_threads(1)
            .on_thread_park(move || {
                if first.swap(false, Ordering::Relaxed) {
                    let tell = tell.clone();
                    filch::spawn(async move { tell.send(()).unwrap() });
                }
            })
            .build()
            .unwrap();
        told.recv().unwrap();
        drop(rt);
    });
}

#[test]
fn a_keep_alive_may_be_for_ever() {
    bounded(|| {
        let mut builder = Builder::new_multi_thread();
        builder.worker_threads(1).thread_keep_alive(Duration::MAX);
        let rt = builder.build().unwrap();
        for n in 0..3 {
            assert_eq!(rt.block_on(rt.spawn_blocking(move || n)).unwrap(), n);
        }
    });
}

#[test]
fn a_thread_name_that_no_thread_can_have_ends_the_threads_that_had_one() {
    bounded(|| {
        let asked = AtomicUsize::new(0);
        let build = move || {
            let name = move || match asked.fetch_add(1, Ordering::Relaxed) {
                0 => "fine".to_owned(),
                _ => "no\0name".to_owned(),
            };
            let mut builder = Builder::new_multi_thread();
            builder.worker_threads(2).thread_name_fn(name).build()
        };
        assert!(std::panic::catch_unwind(std::panic::AssertUnwindSafe(build)).is_err());
    });
}

#[test]
fn a_name_that_panics_for_a_blocking_thread_leaves_the_runtime_able_to_end() {
    bounded(|| {
        let asked = AtomicUsize::new(0);
        let name = move || {
            let n = asked.fetch_add(1, Ordering::Relaxed);
            assert!(n < 2, "no name for thread {n}");
            format!("t{n}")
        };
        let mut builder = Builder::new_multi_thread();
        let rt = builder.worker_threads(1).thread_name_fn(name).build();
        let rt = rt.unwrap();
        let spawn = || drop(rt.spawn_blocking(|| ()));
        assert!(std::panic::catch_unwind(std::panic::AssertUnwindSafe(spawn)).is_err());
        drop(rt);
    });
}

#[test]
fn a_runtime_may_be_dropped_by_its_own_blocking_closure() {
    bounded(|| {
        let rt = Arc::new(multi(2));
        let (go, wait) = mpsc::channel();
        let (tell, told) = mpsc::channel();
        let last = rt.clone();
        rt.spawn_blocking(move || {
            wait.recv().unwrap();
            drop(last);
            tell.send(()).unwrap();
        });
        drop(rt);
        go.send(()).unwrap();
        told.recv().unwrap();
    });
}

#[test]
fn block_on_waits_without_work_when_its_runtime_was_shut_down_elsewhere() {
    bounded(|| {
        let rt = single();
        let handle = rt.handle().clone();
        let (go, wait) = async_channel::bounded::<()>(1);
        let (tell, told) = mpsc::channel();
        let thread = std::thread::spawn(move || {
            handle.block_on(async move {
                tell.send(()).unwrap();
                wait.recv().await.unwrap();
            });
            clock_gettime(ClockId::ThreadCPUTime)
        });
        told.recv().unwrap();
        drop(rt);
        // Time passes for the thread: it is what it does meanwhile that counts.
        let (_never, nothing) = mpsc::channel::<()>();
        let _ = nothing.recv_timeout(Duration::from_millis(300));
        go.send_blocking(()).unwrap();
        let used = thread.join().unwrap();
        let used = Duration::new(used.tv_sec as u64, used.tv_nsec as u32);
        assert!(used < Duration::from_millis(100), "it used {used:?}");
    });
}

#[test]
fn a_future_that_comes_too_late_may_enter_a_runtime_when_it_is_dropped() {
    struct Enters(Handle);
    impl Drop for Enters {
        fn drop(&mut self) {
            drop(self.0.enter());
        }
    }
    bounded(|| {
        let rt = multi(1);
        let handle = rt.handle().clone();
        drop(rt);
        let enters = Enters(handle.clone());
        let _entered = handle.enter();
        let task = filch::spawn(async move {
            let _enters = enters;
        });
        let error = single().block_on(task).unwrap_err();
        assert!(error.is_cancelled(), "{error}");
    });
}

#[test]
fn a_promise_that_nobody_sets_goes_with_its_last_handle() {
    bounded(|| {
        let (rt, drops) = (multi(1), Drops::default());
        let promise: Promise<u32, String> = {
            let _entered = rt.enter();
            Promise::new()
        };
        let counted = drops.counted();
        promise.add_done_callback(move |_| drop(counted));
        drop(promise);
        assert_eq!(drops.count(), 1);
    });
}

#[test]
fn data_behind_urgent_data_is_read() {
    bounded(|| {
        multi(2).block_on(async {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let address = listener.local_addr().unwrap();
            let mut client = std::net::TcpStream::connect(address).unwrap();
            let (mut server, _) = listener.accept().await.unwrap();
            client.write_all(b"abc").unwrap();
            send(&client, b"!", SendFlags::OOB).unwrap();
            client.write_all(b"def").unwrap();
            server.readable().await.unwrap();
            let (mut all, mut buffer) = (Vec::new(), [0; 64]);
            while all.len() < 6 {
                let n = server.read(&mut buffer).await.unwrap();
                all.extend_from_slice(&buffer[..n]);
            }
            assert_eq!(all, b"abcdef");
        });
    });
}

#[test]
fn a_builder_keeps_its_stall_hook_for_the_next_runtime() {
    bounded(|| {
        let told = Arc::new(AtomicUsize::new(0));
        let tell = told.clone();
        let mut builder = Builder::new_multi_thread();
        builder.worker_threads(1).on_stall(move |_| {
            tell.fetch_add(1, Ordering::Relaxed);
        });
        for runtimes in 1..=2 {
            let rt = builder.build().unwrap();
            let gate = common::block_workers(&rt, 1);
            eventually("the stall is told", || {
                told.load(Ordering::Relaxed) == runtimes
            });
            gate.open();
        }
    });
}

#[test]
fn guards_of_enter_that_end_out_of_order_say_so() {
    let (one, two) = (single(), single());
    let outcome = std::thread::spawn(move || {
        let first = one.enter();
        let second = two.enter();
        drop(first);
        drop(second);
    })
    .join();
    let payload = outcome.unwrap_err();
    let text = payload.downcast_ref::<&str>().expect("a panic with a text");
    assert!(text.contains("out of order"), "{text}");
}

//! What a server keeps, and until when: not the loop that has it, and nothing once it is closed.
//!
//! One test takes all descriptors that there are, so they do not run at the same time.
#![cfg(target_os = "linux")]

use std::fs::File;
use std::future::pending;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use filch::EventLoop;
use filch::asyncio::start_server;
use filch::sync::oneshot;
use filch::task::yield_now;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

#[path = "common/asyncio.rs"]
mod asyncio_common;
mod common;

static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

/// A task of a loop that the workers drive may serve for ever: the loop ends when nobody else has it.
#[test]
fn a_task_that_serves_for_ever_keeps_no_loop() {
    let _alone = ONE_AT_A_TIME.lock().unwrap_or_else(|e| e.into_inner());
    common::bounded(|| {
        let rt = common::multi(2);
        let _entered = rt.enter();
        let event_loop = EventLoop::new();
        event_loop.start();
        let (tell, told) = oneshot::channel();
        let (held, released) = oneshot::channel::<()>();
        let held = Arc::new(held);
        let task = event_loop.create_task(async move {
            let serve = move |_, _| {
                let held = held.clone();
                async move {
                    let _held = held;
                    pending().await
                }
            };
            let server = start_server(serve, "127.0.0.1:0").await.unwrap();
            tell.send(server.clone()).unwrap();
            server.serve_forever().await.unwrap();
        });
        let weak = event_loop.downgrade();
        rt.block_on(async move {
            let server = told.await.unwrap();
            let addr = server.local_addrs()[0];
            assert!(server.get_loop().is_some());
            // A client is served in it, too.
            let _client = filch::net::TcpStream::connect(addr).await.unwrap();
            while server.get_loop().unwrap().all_tasks().len() < 2 {
                yield_now().await;
            }
            drop((event_loop, server));
            released.await.unwrap_err();
            assert!(weak.upgrade().is_none());
            assert!(task.is_cancelled());
        });
    });
}

/// A server that rests, since there are no descriptors left, is closed at once.
#[test]
fn a_server_that_rests_is_closed_at_once() {
    let _alone = ONE_AT_A_TIME.lock().unwrap_or_else(|e| e.into_inner());
    common::bounded(|| {
        let before = getrlimit(Resource::Nofile);
        let current = Some(128);
        setrlimit(Resource::Nofile, Rlimit { current, ..before }).unwrap();
        let mut builder = filch::runtime::Builder::new_multi_thread();
        // The clock stands while anything can run: the rest would never end.
        let rt = builder.worker_threads(2).enable_all().start_paused(true);
        let rt = rt.build().unwrap();
        let _entered = rt.enter();
        let event_loop = EventLoop::new();
        let (tell, told) = oneshot::channel();
        let tell = Mutex::new(Some(tell));
        event_loop.set_exception_handler(move |context| {
            let tell = tell.lock().unwrap().take();
            tell.unwrap().send(context.to_string()).unwrap();
        });
        event_loop.start();
        let busy = Arc::new(AtomicBool::new(true));
        let is_busy = busy.clone();
        let weak = event_loop.downgrade();
        rt.block_on(async move {
            let spinning = filch::spawn(async move {
                while is_busy.load(Ordering::Relaxed) {
                    yield_now().await;
                }
            });
            let (held, released) = oneshot::channel::<()>();
            let serve = move |_, _| {
                let _held = &held;
                async {}
            };
            let serving = async { start_server(serve, "127.0.0.1:0").await.unwrap() };
            let server = event_loop.create_task(serving).await.unwrap();
            let addr = server.local_addrs()[0];
            let mut taken = Vec::new();
            while let Ok(file) = File::open("/dev/null") {
                taken.push(file);
            }
            // The last one is the client's.
            drop(taken.pop());
            let _client = std::net::TcpStream::connect(addr).unwrap();
            assert!(told.await.unwrap().contains("out of system resource"));
            server.close();
            drop((server, event_loop));
            released.await.unwrap_err();
            assert!(weak.upgrade().is_none());
            busy.store(false, Ordering::Relaxed);
            spinning.await.unwrap();
        });
        setrlimit(Resource::Nofile, before).unwrap();
    });
}

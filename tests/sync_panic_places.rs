//! A misuse of a channel panics where it is called, and says what was wrong: after tokio's `sync_panic.rs`.

use filch::sync::{broadcast, mpmc, mpsc, oneshot};

mod common;
#[path = "common/polled.rs"]
mod polled;
use common::{bounded, multi, single};
use polled::panic_of;

/// Panics unless it panics in this file, and says so.
#[track_caller]
fn refused(said: &str, misuse: impl FnOnce()) {
    let (file, text) = panic_of(misuse);
    assert_eq!(file, file!());
    assert!(text.contains(said), "{text}");
}

/// The same on a thread that drives tasks, of both kinds of runtime, in `block_on` and in a task.
fn refused_to_block<R>(misuse: impl Fn() -> R + Send + Sync + Copy + 'static) {
    let said = "cannot block the current thread from within a runtime";
    bounded(move || {
        for rt in [single(), multi(1)] {
            rt.block_on(async { refused(said, || _ = misuse()) });
            rt.block_on(rt.spawn(async move { refused(said, || _ = misuse()) }))
                .unwrap();
        }
    });
}

#[test]
fn channels_without_room() {
    refused("requires buffer > 0", || drop(mpsc::channel::<u8>(0)));
    refused("may not have room", || {
        drop(mpsc::channel::<u8>(usize::MAX))
    });
    refused("capacity > 0", || drop(mpmc::channel::<u8>(0)));
    refused("capacity", || drop(broadcast::channel::<u8>(0)));
    refused("capacity", || drop(broadcast::channel::<u8>(usize::MAX)));
    refused("capacity", || drop(broadcast::Sender::<u8>::new(0)));
}

#[test]
fn oneshot_blocking_recv() {
    refused_to_block(|| oneshot::channel::<u8>().1.blocking_recv());
}

#[test]
fn mpsc_bounded_blocking_recv() {
    refused_to_block(|| mpsc::channel::<u8>(1).1.blocking_recv());
}

#[test]
fn mpsc_bounded_blocking_recv_many() {
    refused_to_block(|| {
        mpsc::channel::<u8>(1)
            .1
            .blocking_recv_many(&mut Vec::new(), 1);
    });
}

#[test]
fn mpsc_bounded_blocking_send() {
    refused_to_block(|| mpsc::channel(1).0.blocking_send(3));
}

#[test]
fn mpsc_unbounded_blocking_recv() {
    refused_to_block(|| mpsc::unbounded_channel::<u8>().1.blocking_recv());
}

#[test]
fn mpsc_unbounded_blocking_recv_many() {
    refused_to_block(|| {
        mpsc::unbounded_channel::<u8>()
            .1
            .blocking_recv_many(&mut Vec::new(), 1);
    });
}

#[test]
fn broadcast_blocking_recv() {
    refused_to_block(|| broadcast::channel::<u8>(1).1.blocking_recv());
}

#[test]
fn mpmc_blocking_send_and_recv() {
    refused_to_block(|| mpmc::channel(1).0.blocking_send(3));
    refused_to_block(|| mpmc::channel::<u8>(1).1.blocking_recv());
}

/// A thread of the blocking pool drives nothing, so it may.
#[filch::test]
async fn blocking_threads_may_block() {
    let (tx, mut rx) = mpsc::channel(1);
    let (tell, told) = oneshot::channel();
    let blocking = filch::task::spawn_blocking(move || {
        let mut sum = 0;
        while let Some(n) = rx.blocking_recv() {
            sum += n;
        }
        tell.send(sum).unwrap();
    });
    for n in 0..10 {
        tx.send(n).await.unwrap();
    }
    drop(tx);
    assert_eq!(told.await, Ok(45));
    blocking.await.unwrap();
}

//! Workers that never run dry look into the poller now and then, which costs nothing while no source is there. They find
//! those that come later, and those that come after all have gone.

use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use filch::task::yield_now;
use filch::time::{sleep, timeout};

mod common;
use common::{a_while, many, on_each_kind, pair, read_byte};

#[test]
fn sources_that_come_and_go_are_found_by_busy_workers() {
    on_each_kind(|rt| {
        let stop = Arc::new(AtomicBool::new(false));
        // More than there are workers: nobody ever waits in the poller.
        let busy: Vec<_> = (0..16)
            .map(|_| {
                let stop = stop.clone();
                rt.spawn(async move {
                    while !stop.load(Ordering::Relaxed) {
                        yield_now().await;
                    }
                })
            })
            .collect();
        let comes_and_goes = rt.spawn(async move {
            for round in 0..many(30) {
                // With no source there, timers and wakes from elsewhere come all the same.
                sleep(Duration::from_micros(100)).await;
                filch::task::spawn_blocking(|| ()).await.unwrap();
                let (one, mut writes) = pair();
                let writer = (round % 2 == 0).then(|| {
                    writes.write_all(b"1").unwrap();
                    writes.try_clone().unwrap()
                });
                let reads = filch::spawn(async move { read_byte(&one).await });
                if writer.is_none() {
                    yield_now().await;
                    std::thread::spawn(move || writes.write_all(b"1").unwrap());
                }
                assert_eq!(reads.await.unwrap().unwrap(), b'1');
            }
        });
        rt.block_on(async { timeout(a_while(), comes_and_goes).await })
            .expect("a source was not found")
            .unwrap();
        stop.store(true, Ordering::Relaxed);
        for task in busy {
            rt.block_on(task).unwrap();
        }
    });
}

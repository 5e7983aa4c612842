//! A task that asked for time to tidy up, or that is in a shield, gets its time when it is cancelled, and no more.

use std::future::pending;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};

use filch::runtime::Runtime;
use filch::task::{
    CancelScope, cancel_reason, cancelled, is_cancelled, shield, with_grace, yield_now,
};
use filch::time::sleep;

mod common;
use common::{Drops, Probe, a_while, begun, end, on_each_kind};

const HOUR: Duration = Duration::from_secs(3600);

// CPython: test_cancel_task_catching, test_cancel_task_ignoring.
#[test]
fn a_task_with_grace_tidies_up_and_its_value_counts() {
    on_each_kind(|rt| {
        let drops = Drops::default();
        let counted = drops.counted();
        let task = begun(&rt, |begun| async move {
            let tidied = with_grace(HOUR, async {
                let _counted = counted;
                assert!(!is_cancelled() && cancel_reason().is_none());
                begun();
                cancelled().await;
                assert!(is_cancelled());
                for _ in 0..10 {
                    yield_now().await;
                }
                sleep(Duration::from_millis(1)).await;
                7
            });
            let value = tidied.await;
            assert!(is_cancelled(), "it goes on to its next await");
            value
        });
        task.cancel("bedtime");
        assert_eq!(end(&rt, task).unwrap(), 7);
        assert_eq!(drops.count(), 1);
    });
}

#[test]
fn what_comes_after_the_grace_is_dropped_at_its_first_await() {
    on_each_kind(|rt| {
        let reached = Arc::new(AtomicUsize::new(0));
        let theirs = reached.clone();
        let task = begun(&rt, |begun| async move {
            with_grace(HOUR, async {
                begun();
                cancelled().await;
            })
            .await;
            theirs.fetch_add(1, Ordering::SeqCst);
            pending::<()>().await;
        });
        task.cancel("enough");
        assert_eq!(end(&rt, task).unwrap_err().reason(), Some("enough"));
        assert_eq!(reached.load(Ordering::SeqCst), 1);
    });
}

#[test]
fn when_the_grace_is_over_the_future_is_dropped() {
    on_each_kind(|rt| {
        let drops = Drops::default();
        let counted = drops.counted();
        let grace = Duration::from_millis(20);
        let task = begun(&rt, |begun| {
            with_grace(grace, async move {
                let _counted = counted;
                begun();
                pending::<()>().await;
            })
        });
        let asked = Instant::now();
        task.cancel("now");
        let error = end(&rt, task).unwrap_err();
        assert!(asked.elapsed() >= grace);
        assert_eq!(error.reason(), Some("now"));
        assert_eq!(drops.count(), 1);
    });
}

#[test]
fn an_abort_waits_for_no_grace_and_no_shield() {
    on_each_kind(|rt| {
        let patient = begun(&rt, |begun| {
            with_grace(HOUR, async {
                begun();
                pending::<()>().await;
            })
        });
        let shielded = begun(&rt, |begun| async {
            CancelScope::shield(async {
                begun();
                pending::<()>().await;
            })
            .await;
        });
        for task in [patient, shielded] {
            task.cancel("please");
            rt.block_on(async { sleep(Duration::from_millis(2)).await });
            assert!(!task.is_finished());
            task.abort();
            // Who asked first, asked.
            assert_eq!(end(&rt, task).unwrap_err().reason(), Some("please"));
        }
    });
}

#[test]
fn a_shield_holds_a_cancel_off_until_it_is_over() {
    on_each_kind(|rt| {
        let [(go, wait), (go_two, wait_two)] = [(); 2].map(|()| async_channel::bounded::<()>(1));
        let (tell, told) = mpsc::channel();
        let task = begun(&rt, |begun| async move {
            let one = CancelScope::shield(async {
                begun();
                wait.recv().await.unwrap();
                tell.send(1).unwrap();
            });
            let two = CancelScope::shield(async {
                wait_two.recv().await.unwrap();
                yield_now().await;
                tell.send(2).unwrap();
            });
            // One ends before the other.
            filch::join!(one, two);
            tell.send(3).unwrap();
            pending::<()>().await;
        });
        task.cancel("stop");
        go.send_blocking(()).unwrap();
        assert_eq!(told.recv_timeout_driving(&rt), 1);
        rt.block_on(async { sleep(Duration::from_millis(2)).await });
        assert!(!task.is_finished(), "the second shield stands");
        go_two.send_blocking(()).unwrap();
        assert_eq!(end(&rt, task).unwrap_err().reason(), Some("stop"));
        assert_eq!(told.try_iter().collect::<Vec<_>>(), [2, 3]);
    });
}

#[test]
fn a_shielded_task_runs_on_when_its_waiter_goes() {
    on_each_kind(|rt| {
        let (go, wait) = async_channel::bounded::<()>(1);
        let (tell, told) = mpsc::channel();
        let waits = begun(&rt, |begun| async move {
            let inner = shield(async move {
                wait.recv().await.unwrap();
                tell.send(7).unwrap();
            });
            begun();
            inner.await.unwrap();
        });
        waits.cancel("gone");
        assert!(end(&rt, waits).is_err());
        go.send_blocking(()).unwrap();
        assert_eq!(told.recv_timeout_driving(&rt), 7);
    });
}

#[test]
fn a_waker_of_a_part_of_the_task_is_woken_by_the_request() {
    on_each_kind(|rt| {
        let task = begun(&rt, |begun| {
            with_grace(HOUR, async {
                // Each has a waker of its own, and is polled only if that was woken.
                let mut all: futures::stream::FuturesUnordered<_> =
                    (0..8).map(|_| cancelled()).collect();
                let mut begun = Some(begun);
                let first = std::future::poll_fn(|context| {
                    use futures::StreamExt;
                    let polled = all.poll_next_unpin(context);
                    if let Some(begun) = begun.take() {
                        begun();
                    }
                    polled
                });
                first.await.unwrap();
            })
        });
        task.cancel("wake up");
        end(&rt, task).unwrap();
    });
}

#[test]
fn a_wait_to_be_cancelled_leaves_no_waker_behind() {
    on_each_kind(|rt| {
        let probe = Arc::new(Probe::new());
        let theirs = probe.clone();
        let task = rt.spawn(with_grace(HOUR, async move {
            let mut wait = cancelled();
            assert!(theirs.poll(&mut wait).is_pending());
            assert!(theirs.poll(&mut wait).is_pending());
            assert_eq!(theirs.held(), 1);
            drop(wait);
            assert_eq!(theirs.held(), 0);
        }));
        end(&rt, task).unwrap();
        assert_eq!(probe.wakes(), 0);
    });
}

trait Driving<T> {
    fn recv_timeout_driving(&self, rt: &Runtime) -> T;
}

impl<T> Driving<T> for mpsc::Receiver<T> {
    /// Receives while this thread drives the runtime.
    fn recv_timeout_driving(&self, rt: &Runtime) -> T {
        let limit = Instant::now() + a_while();
        rt.block_on(async {
            loop {
                match self.try_recv() {
                    Ok(value) => return value,
                    Err(_) => assert!(Instant::now() < limit, "nothing comes"),
                }
                sleep(Duration::from_millis(1)).await;
            }
        })
    }
}

//! A oneshot gives its value once, or says that there is none; whoever goes, nobody waits in vain and nothing leaks.
//!
//! After tokio's tests of the same name.

use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};

use filch::sync::oneshot::{self, error::TryRecvError};
use filch::task::yield_now;

mod common;
use common::{Drops, Probe, Random, bounded, many, multi, single};

#[test]
fn a_value_that_was_sent_first_is_there_at_once() {
    let (tx, mut rx) = oneshot::channel();
    assert!(rx.is_empty());
    tx.send(1).unwrap();
    assert!(!rx.is_empty() && !rx.is_terminated());
    assert_eq!(Probe::new().poll(&mut rx), Poll::Ready(Ok(1)));
    assert!(rx.is_empty() && rx.is_terminated());
}

#[test]
fn the_value_wakes_who_waits_for_it() {
    let probe = Probe::new();
    let (tx, mut rx) = oneshot::channel();
    assert!(probe.poll(&mut rx).is_pending());
    assert!(probe.poll(&mut rx).is_pending());
    assert_eq!(probe.held(), 1);
    tx.send(1).unwrap();
    assert_eq!((probe.wakes(), probe.held()), (1, 0));
    assert_eq!(probe.poll(&mut rx), Poll::Ready(Ok(1)));
}

#[test]
fn a_sender_that_goes_says_so() {
    let probe = Probe::new();
    let (tx, mut rx) = oneshot::channel::<u32>();
    assert!(probe.poll(&mut rx).is_pending());
    drop(tx);
    assert_eq!(probe.wakes(), 1);
    assert!(matches!(probe.poll(&mut rx), Poll::Ready(Err(_))));
    let (tx, mut rx) = oneshot::channel::<u32>();
    assert_eq!(rx.try_recv(), Err(TryRecvError::Empty));
    drop(tx);
    assert_eq!(rx.try_recv(), Err(TryRecvError::Closed));
}

#[test]
fn the_sender_hears_of_a_receiver_that_goes_or_closes() {
    for closes in [true, false] {
        let probe = Probe::new();
        let (mut tx, mut rx) = oneshot::channel::<u32>();
        {
            let mut closed = pin!(tx.closed());
            assert!(probe.poll(&mut closed).is_pending());
            if closes {
                rx.close();
            } else {
                drop(rx);
            }
            assert_eq!(probe.wakes(), 1);
            assert!(probe.poll(&mut closed).is_ready());
        }
        assert!(tx.is_closed());
        assert_eq!(tx.send(1), Err(1));
    }
}

#[test]
fn what_was_sent_before_the_close_is_received() {
    let (tx, mut rx) = oneshot::channel();
    tx.send(1).unwrap();
    rx.close();
    rx.close();
    assert_eq!(rx.try_recv(), Ok(1));
    rx.close();
    assert_eq!(rx.try_recv(), Err(TryRecvError::Closed));
}

#[test]
fn a_receiver_that_closed_is_done() {
    let (tx, mut rx) = oneshot::channel::<u32>();
    let probe = Probe::new();
    assert!(probe.poll(&mut rx).is_pending());
    rx.close();
    assert_eq!(probe.held(), 0);
    assert!(matches!(probe.poll(&mut rx), Poll::Ready(Err(_))));
    drop(tx);
}

#[test]
#[should_panic(expected = "called after complete")]
fn awaiting_again_panics() {
    let (tx, mut rx) = oneshot::channel();
    tx.send(1).unwrap();
    let probe = Probe::new();
    let _ = probe.poll(&mut rx);
    let _ = probe.poll(&mut rx);
}

#[test]
fn the_task_that_polled_last_is_woken() {
    let (one, two) = (Probe::new(), Probe::new());
    let (tx, mut rx) = oneshot::channel();
    assert!(one.poll(&mut rx).is_pending());
    assert!(two.poll(&mut rx).is_pending());
    assert_eq!(one.held(), 0);
    tx.send(1).unwrap();
    assert_eq!((one.wakes(), two.wakes()), (0, 1));

    let (mut tx, rx) = oneshot::channel::<u32>();
    let poll = |probe: &Probe, tx: &mut oneshot::Sender<u32>| {
        tx.poll_closed(&mut Context::from_waker(&probe.waker()))
    };
    assert!(poll(&one, &mut tx).is_pending());
    assert!(poll(&two, &mut tx).is_pending());
    drop(rx);
    assert_eq!((one.wakes(), two.wakes()), (0, 2));
    assert!(poll(&one, &mut tx).is_ready());
}

#[test]
fn a_value_nobody_takes_is_dropped_once() {
    let drops = Drops::default();
    let (tx, rx) = oneshot::channel();
    tx.send(drops.counted()).ok().unwrap();
    drop(rx);
    assert_eq!(drops.count(), 1);
    let (tx, rx) = oneshot::channel();
    drop(rx);
    let back = tx.send(drops.counted()).err().unwrap();
    assert_eq!(drops.count(), 1);
    drop(back);
    assert_eq!(drops.count(), 2);
}

struct Bomb;

impl Drop for Bomb {
    fn drop(&mut self) {
        panic!("a drop that panics");
    }
}

#[test]
fn a_drop_that_panics_comes_out_where_it_happens() {
    let (tx, rx) = oneshot::channel();
    tx.send(Bomb).ok().unwrap();
    assert!(catch_unwind(AssertUnwindSafe(|| drop(rx))).is_err());
}

#[test]
fn a_poisoned_waker_does_not_hurt_the_sender() {
    struct Poison;
    impl Wake for Poison {
        fn wake(self: Arc<Self>) {
            panic!("a waker that panics");
        }
    }
    let waker = Waker::from(Arc::new(Poison));
    let (tx, mut rx) = oneshot::channel();
    assert!(
        pin!(&mut rx)
            .poll(&mut Context::from_waker(&waker))
            .is_pending()
    );
    tx.send(1).unwrap();
    assert_eq!(rx.try_recv(), Ok(1));
}

#[test]
fn a_thread_can_wait_but_no_worker() {
    bounded(|| {
        let (tx, rx) = oneshot::channel();
        let thread = std::thread::spawn(move || rx.blocking_recv());
        tx.send(1).unwrap();
        assert_eq!(thread.join().unwrap(), Ok(1));

        for rt in [multi(1), single()] {
            let (_tx, rx) = oneshot::channel::<u32>();
            let inside = rt.block_on(async move {
                catch_unwind(AssertUnwindSafe(|| rx.blocking_recv())).unwrap_err()
            });
            let said = inside.downcast::<String>().map(|text| *text);
            let said = said.unwrap_or_else(|text| text.downcast::<&str>().unwrap().to_string());
            assert!(said.contains("cannot block the current thread"), "{said}");
        }
    });
}

/// Each side sends, receives, waits, closes and goes at random, under 8 workers: values end once, and nobody hangs.
#[test]
fn nothing_is_lost_whoever_goes_when() {
    bounded(|| {
        let mut random = Random::from_env();
        let rt = multi(8);
        let drops = Drops::default();
        let pairs = many(20_000);
        let mut made = 0;
        let mut tasks = Vec::new();
        for _ in 0..pairs {
            let (mut tx, mut rx) = oneshot::channel();
            let (mut one, mut other) = (random.fork(), random.fork());
            let value = drops.counted();
            made += 1;
            tasks.push(rt.spawn(async move {
                for _ in 0..one.below(3) {
                    yield_now().await;
                }
                match one.below(4) {
                    0 => drop((tx, value)),
                    1 => {
                        let mut closed = pin!(tx.closed());
                        let _ = Probe::new().poll(&mut closed);
                    }
                    _ => drop(tx.send(value)),
                }
            }));
            tasks.push(rt.spawn(async move {
                for _ in 0..other.below(3) {
                    yield_now().await;
                }
                match other.below(5) {
                    0 => drop(rx),
                    1 => {
                        let _ = Probe::new().poll(&mut rx);
                    }
                    2 => {
                        rx.close();
                        drop(rx.try_recv());
                    }
                    _ => drop(rx.await),
                }
            }));
        }
        for task in tasks {
            rt.block_on(task).unwrap();
        }
        assert_eq!(drops.count(), made);
    });
}

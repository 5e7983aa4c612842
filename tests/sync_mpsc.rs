//! Messages arrive once and in order, senders get capacity in the order in which they asked, and the ends are heard of.
//!
//! After tokio's tests of the same name. What happens at random is in `sync_mpsc_random.rs`, and who
//! waits in a crowd in `sync_mpsc_crowd.rs`.

use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use filch::sync::mpsc::error::{SendTimeoutError, TryRecvError, TrySendError};
use filch::sync::mpsc::{self, Sender};

mod common;
use common::{Drops, Probe, bounded, multi, on_each_kind, single};

type Sending<'a> = Pin<Box<dyn Future<Output = bool> + 'a>>;

/// A send that waits: the channel is full.
fn waiting<'a, T>(tx: &'a Sender<T>, message: T, probe: &Probe) -> Sending<'a> {
    let mut sending: Sending<'a> = Box::pin(async move { tx.send(message).await.is_ok() });
    assert!(probe.poll(&mut sending).is_pending());
    sending
}

#[test]
fn messages_arrive_in_order() {
    on_each_kind(|rt| {
        rt.block_on(async {
            for capacity in [1, 2, 3, 64, 1000] {
                let (tx, mut rx) = mpsc::channel(capacity);
                let task = filch::spawn(async move {
                    for n in 0..1000 {
                        tx.send(n).await.unwrap();
                    }
                });
                for n in 0..1000 {
                    assert_eq!(rx.recv().await, Some(n));
                }
                assert_eq!(rx.recv().await, None);
                task.await.unwrap();
            }
            let (tx, mut rx) = mpsc::unbounded_channel();
            filch::spawn(async move { (0..1000).for_each(|n| tx.send(n).unwrap()) });
            let mut all = Vec::new();
            while rx.recv_many(&mut all, 7).await > 0 {}
            assert_eq!(all, (0..1000).collect::<Vec<_>>());
        });
    });
}

#[test]
fn a_full_channel_takes_no_more_until_one_is_received() {
    let (tx, mut rx) = mpsc::channel(2);
    tx.try_send(1).unwrap();
    tx.try_send(2).unwrap();
    assert_eq!(tx.try_send(3), Err(TrySendError::Full(3)));
    assert_eq!((tx.capacity(), rx.capacity(), rx.len()), (0, 0, 2));
    assert_eq!(rx.try_recv(), Ok(1));
    assert_eq!((tx.capacity(), rx.len(), rx.max_capacity()), (1, 1, 2));
    tx.try_send(3).unwrap();
    assert_eq!(rx.try_recv(), Ok(2));
    assert_eq!(rx.try_recv(), Ok(3));
    assert_eq!(rx.try_recv(), Err(TryRecvError::Empty));
    assert!(rx.is_empty());
}

#[test]
fn senders_are_served_in_the_order_in_which_they_asked() {
    let (tx, mut rx) = mpsc::channel(1);
    let probes: Vec<_> = (0..5).map(|_| Probe::new()).collect();
    tx.try_send(0).unwrap();
    let mut all: Vec<_> = (1..)
        .zip(&probes)
        .map(|(n, probe)| waiting(&tx, n, probe))
        .collect();
    for n in 0..5 {
        assert_eq!(rx.try_recv(), Ok(n));
        assert_eq!(probes[n].wakes(), 1);
        assert!(probes[n + 1..].iter().all(|probe| probe.wakes() == 0));
        // Nobody overtakes, not even now that one is free.
        assert_eq!(tx.try_send(99), Err(TrySendError::Full(99)));
        assert_eq!(probes[n].poll(&mut all[n]), Poll::Ready(true));
    }
    assert_eq!(rx.try_recv(), Ok(5));
}

#[test]
fn each_freed_permit_serves_one_whether_the_others_come_or_not() {
    let (tx, mut rx) = mpsc::channel(4);
    let probes: Vec<_> = (0..3).map(|_| Probe::new()).collect();
    (0..4).for_each(|n| tx.try_send(n).unwrap());
    let mut all: Vec<_> = (4..)
        .zip(&probes)
        .map(|(n, probe)| waiting(&tx, n, probe))
        .collect();
    for (n, probe) in probes.iter().enumerate() {
        assert_eq!(rx.try_recv(), Ok(n));
        assert_eq!(probe.wakes(), 1);
    }
    // The first may be kept from its turn by the very task that waits for the last.
    for n in [2, 1, 0] {
        assert_eq!(probes[n].poll(&mut all[n]), Poll::Ready(true));
    }
    drop(all);
    for n in [3, 6, 5, 4] {
        assert_eq!(rx.try_recv(), Ok(n));
    }
}

#[test]
fn a_send_that_is_given_up_sends_nothing_and_passes_its_turn_on() {
    let (tx, mut rx) = mpsc::channel(1);
    let (one, two) = (Probe::new(), Probe::new());
    tx.try_send(0).unwrap();
    for served in [true, false] {
        let first = waiting(&tx, 1, &one);
        let mut second = waiting(&tx, 2, &two);
        if served {
            rx.try_recv().unwrap();
            drop(first);
        } else {
            drop(first);
            rx.try_recv().unwrap();
        }
        assert_eq!(two.poll(&mut second), Poll::Ready(true));
    }
    assert_eq!(rx.try_recv(), Ok(2));
    assert_eq!((one.held(), two.held()), (0, 0));
}

#[test]
fn who_wants_many_is_not_overtaken() {
    let (tx, mut rx) = mpsc::channel(3);
    let (one, two) = (Probe::new(), Probe::new());
    (0..2).for_each(|n| tx.try_send(n).unwrap());
    let mut many = Box::pin(tx.reserve_many(3));
    assert!(one.poll(&mut many).is_pending());
    let mut few = waiting(&tx, 9, &two);
    assert_eq!(tx.capacity(), 0);
    assert_eq!(rx.try_recv(), Ok(0));
    assert_eq!((one.wakes(), two.wakes()), (0, 0));
    assert_eq!(rx.try_recv(), Ok(1));
    let Poll::Ready(Ok(permits)) = one.poll(&mut many) else {
        panic!("three are free");
    };
    assert_eq!((permits.len(), two.wakes()), (3, 0));
    for (permit, n) in permits.zip(5..7) {
        permit.send(n);
    }
    // The third permit came back.
    assert_eq!(two.poll(&mut few), Poll::Ready(true));
    assert_eq!(
        [rx.try_recv(), rx.try_recv(), rx.try_recv()],
        [Ok(5), Ok(6), Ok(9)]
    );
}

#[test]
fn permits_keep_capacity_until_they_go() {
    let (tx, mut rx) = mpsc::channel(2);
    let permit = tx.try_reserve().unwrap();
    let owned = tx.clone().try_reserve_owned().unwrap();
    assert!(owned.same_channel_as_sender(&tx));
    assert!(matches!(tx.try_reserve(), Err(TrySendError::Full(()))));
    assert!(tx.try_reserve_many(1).is_err() && tx.try_reserve_many(0).unwrap().len() == 0);
    drop(permit);
    let other = owned.release();
    assert_eq!(tx.capacity(), 2);
    assert!(matches!(
        tx.try_reserve_many(3),
        Err(TrySendError::Full(()))
    ));
    other.try_reserve_owned().unwrap().send(1);
    let mut permits = tx.try_reserve_many(1).unwrap();
    permits.next().unwrap().send(2);
    assert!(permits.next().is_none());
    assert_eq!([rx.try_recv(), rx.try_recv()], [Ok(1), Ok(2)]);
    let too_many = single().block_on(async { tx.reserve_many(3).await.is_err() });
    assert!(too_many);
}

#[test]
fn the_last_sender_ends_the_stream() {
    let probe = Probe::new();
    let (tx, mut rx) = mpsc::channel(4);
    let (other, weak) = (tx.clone(), tx.downgrade());
    assert_eq!((tx.strong_count(), rx.sender_weak_count()), (2, 1));
    tx.try_send(1).unwrap();
    drop(tx);
    assert!(weak.upgrade().is_some() && !rx.is_closed());
    let context = &mut Context::from_waker(Waker::noop());
    assert_eq!(rx.poll_recv(context), Poll::Ready(Some(1)));
    assert!(probe.poll(&mut Box::pin(rx.recv())).is_pending());
    drop(other);
    assert_eq!(probe.wakes(), 1);
    assert!(rx.is_closed() && weak.upgrade().is_none());
    assert_eq!(rx.poll_recv(context), Poll::Ready(None));
    assert_eq!(rx.try_recv(), Err(TryRecvError::Disconnected));
}

#[test]
fn closing_lets_nobody_send_and_keeps_what_was_sent() {
    let probe = Probe::new();
    let (tx, mut rx) = mpsc::channel(2);
    tx.try_send(1).unwrap();
    let permit = tx.try_reserve().unwrap();
    let mut late = waiting(&tx, 9, &probe);
    let mut closed = Box::pin(tx.closed());
    assert!(probe.poll(&mut closed).is_pending());
    rx.close();
    rx.close();
    assert_eq!(probe.wakes(), 2);
    assert_eq!(probe.poll(&mut late), Poll::Ready(false));
    assert!(probe.poll(&mut closed).is_ready());
    assert!(tx.is_closed() && rx.is_closed());
    assert_eq!(tx.try_send(9), Err(TrySendError::Closed(9)));
    assert_eq!(rx.try_recv(), Ok(1));
    // The permit may still be used.
    assert_eq!(rx.try_recv(), Err(TryRecvError::Empty));
    let reader = Probe::new();
    assert!(reader.poll(&mut Box::pin(rx.recv())).is_pending());
    permit.send(2);
    assert_eq!(reader.wakes(), 1);
    assert_eq!(rx.try_recv(), Ok(2));
    assert_eq!(rx.try_recv(), Err(TryRecvError::Disconnected));
}

#[test]
fn a_permit_that_comes_back_to_a_closed_channel_wakes_the_receiver() {
    let probe = Probe::new();
    let (tx, mut rx) = mpsc::channel::<u32>(2);
    let permits = tx.try_reserve_many(2).unwrap();
    rx.close();
    let mut recv = Box::pin(rx.recv());
    assert!(probe.poll(&mut recv).is_pending());
    drop(permits);
    assert_eq!(probe.wakes(), 1);
    assert_eq!(probe.poll(&mut recv), Poll::Ready(None));
}

#[test]
fn a_receiver_that_goes_drops_what_is_left() {
    let (drops, probe) = (Drops::default(), Probe::new());
    let (tx, mut rx) = mpsc::channel(4);
    for _ in 0..4 {
        tx.try_send(drops.counted()).ok().unwrap();
    }
    drop(rx.try_recv().ok());
    let permit = tx.try_reserve().unwrap();
    let mut late = waiting(&tx, drops.counted(), &probe);
    drop(rx);
    assert_eq!(drops.count(), 4);
    assert_eq!(probe.poll(&mut late), Poll::Ready(false));
    permit.send(drops.counted());
    assert_eq!(drops.count(), 6);
    assert!(tx.is_closed());
    assert_eq!(tx.capacity(), 4 - 1);
}

struct Bomb(Drops);

impl Drop for Bomb {
    fn drop(&mut self) {
        drop(self.0.counted());
        assert!(std::thread::panicking(), "a drop that panics");
    }
}

#[test]
fn a_drop_that_panics_keeps_no_other_message() {
    let drops = Drops::default();
    let (tx, mut rx) = mpsc::unbounded_channel();
    for _ in 0..2 {
        tx.send(Bomb(drops.clone())).unwrap();
    }
    // One in the batch, two in the queue.
    let first = rx.try_recv().ok().unwrap();
    assert!(catch_unwind(AssertUnwindSafe(|| drop(first))).is_err());
    for _ in 0..2 {
        tx.send(Bomb(drops.clone())).unwrap();
    }
    assert!(catch_unwind(AssertUnwindSafe(|| drop(rx))).is_err());
    assert_eq!(drops.count(), 4);
    assert!(tx.is_closed());
}

#[test]
fn poisoned_wakers_hurt_nobody_else() {
    struct Poison;
    impl Wake for Poison {
        fn wake(self: Arc<Self>) {
            panic!("a waker that panics");
        }
    }
    let poison = Waker::from(Arc::new(Poison));
    let (tx, mut rx) = mpsc::channel(1);
    assert!(rx.poll_recv(&mut Context::from_waker(&poison)).is_pending());
    tx.try_send(1).unwrap();
    let mut first = pin!(tx.send(2));
    assert!(
        first
            .as_mut()
            .poll(&mut Context::from_waker(&poison))
            .is_pending()
    );
    let probe = Probe::new();
    let mut second = waiting(&tx, 3, &probe);
    assert_eq!(rx.try_recv(), Ok(1));
    assert!(probe.poll(&mut first).is_ready());
    assert_eq!(rx.try_recv(), Ok(2));
    assert_eq!(probe.poll(&mut second), Poll::Ready(true));
}

#[test]
fn the_task_that_polled_last_is_woken() {
    let (one, two) = (Probe::new(), Probe::new());
    let (tx, mut rx) = mpsc::channel(1);
    for probe in [&one, &two] {
        assert!(
            rx.poll_recv(&mut Context::from_waker(&probe.waker()))
                .is_pending()
        );
    }
    assert_eq!(one.held(), 0);
    tx.try_send(1).unwrap();
    assert_eq!((one.wakes(), two.wakes()), (0, 1));
    let mut late = waiting(&tx, 2, &one);
    assert!(two.poll(&mut late).is_pending());
    assert_eq!(rx.try_recv(), Ok(1));
    assert_eq!((one.wakes(), two.wakes()), (0, 2));
}

#[test]
fn threads_may_block_and_workers_may_not() {
    bounded(|| {
        let (tx, mut rx) = mpsc::channel(1);
        let sender =
            std::thread::spawn(move || (0..100).for_each(|n| tx.blocking_send(n).unwrap()));
        let mut all = Vec::new();
        all.extend(rx.blocking_recv());
        while rx.blocking_recv_many(&mut all, 10) > 0 {}
        sender.join().unwrap();
        assert_eq!(all, (0..100).collect::<Vec<_>>());

        multi(1).block_on(async {
            let (tx, mut rx) = mpsc::channel(1);
            assert!(catch_unwind(AssertUnwindSafe(|| tx.blocking_send(1))).is_err());
            assert!(catch_unwind(AssertUnwindSafe(|| rx.blocking_recv())).is_err());
        });
    });
}

#[test]
fn a_send_can_have_a_limit() {
    on_each_kind(|rt| {
        rt.block_on(async {
            let limit = Duration::from_millis(2);
            let (tx, rx) = mpsc::channel(1);
            tx.send_timeout(1, limit).await.unwrap();
            let late = tx.send_timeout(2, limit).await;
            assert_eq!(late, Err(SendTimeoutError::Timeout(2)));
            drop(rx);
            let closed = tx.send_timeout(3, limit).await;
            assert_eq!(closed, Err(SendTimeoutError::Closed(3)));
        });
    });
}

#[test]
#[should_panic(expected = "mpsc bounded channel requires buffer > 0")]
fn a_channel_has_room_for_one_at_least() {
    let _ = mpsc::channel::<u32>(0);
}

#[test]
#[should_panic(expected = "may not have room for more than")]
fn a_channel_has_an_end() {
    let _ = mpsc::channel::<u32>(usize::MAX);
}

#[test]
fn a_burst_leaves_no_memory_behind() {
    let (tx, mut rx) = mpsc::unbounded_channel();
    for _ in 0..3 {
        (0..100_000).for_each(|n| tx.send(n).unwrap());
        assert_eq!(rx.len(), 100_000);
        (0..100_000).for_each(|n| assert_eq!(rx.try_recv(), Ok(n)));
        (0..10).for_each(|n| tx.send(n).unwrap());
        (0..10).for_each(|n| assert_eq!(rx.try_recv(), Ok(n)));
    }
    assert!(rx.is_empty());
}

#[test]
fn the_ends_can_be_moved_whatever_the_messages_are() {
    fn is_unpin<T: Unpin>(_: &T) {}
    let (tx, rx) = mpsc::channel::<std::marker::PhantomPinned>(1);
    is_unpin(&rx);
    is_unpin(&tx);
    is_unpin(&mpsc::unbounded_channel::<std::marker::PhantomPinned>().1);
}

//! Each message goes to one receiver, in order; senders and receivers that wait are served as they came; the ends are
//! heard of. What happens at random under many workers is in `sync_mpsc_random.rs`.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::task::Poll;

use filch::sync::mpmc::error::{SendTimeoutError, TryRecvError, TrySendError};
use filch::sync::mpmc::{self, Receiver, Sender};

mod common;
#[path = "common/polled.rs"]
mod polled;
use common::{Drops, Random, bounded, many, multi, on_each_kind};
use polled::{Polled, now, panic_of, poll_by, waker_that};

#[test]
fn each_message_goes_to_one_receiver() {
    on_each_kind(|rt| {
        rt.block_on(async {
            for (tx, rx) in [mpmc::channel(3), mpmc::unbounded_channel()] {
                let receivers: Vec<_> = (0..4)
                    .map(|_| {
                        let rx: Receiver<u32> = rx.clone();
                        filch::spawn(async move {
                            let mut all = Vec::new();
                            while let Some(message) = rx.recv().await {
                                all.push(message);
                            }
                            assert!(all.is_sorted(), "{all:?}");
                            all
                        })
                    })
                    .collect();
                drop(rx);
                for n in 0..1_000 {
                    tx.send(n).await.unwrap();
                }
                drop(tx);
                let mut all = Vec::new();
                for receiver in receivers {
                    all.extend(receiver.await.unwrap());
                }
                all.sort_unstable();
                assert_eq!(all, (0..1_000).collect::<Vec<_>>());
            }
        });
    });
}

#[test]
fn a_full_channel_takes_no_more_until_one_is_received() {
    let (tx, rx) = mpmc::channel(2);
    assert_eq!((tx.capacity(), rx.capacity()), (Some(2), Some(2)));
    tx.try_send(1).unwrap();
    tx.try_send(2).unwrap();
    assert!(matches!(tx.try_send(3), Err(TrySendError::Full(3))));
    assert_eq!((tx.len(), rx.len()), (2, 2));
    let mut send = Polled::waiting(tx.send(3));
    assert_eq!(rx.try_recv(), Ok(1));
    assert!(send.is_woken());
    send.ready().unwrap();
    assert_eq!((rx.try_recv(), rx.try_recv()), (Ok(2), Ok(3)));
    assert_eq!(rx.try_recv(), Err(TryRecvError::Empty));
    assert!(tx.is_empty() && rx.is_empty());
    assert_eq!(mpmc::unbounded_channel::<u32>().0.capacity(), None);
}

#[test]
fn who_waits_is_called_in_the_order_in_which_it_came() {
    let (tx, rx) = mpmc::channel(1);
    let mut receives: Vec<_> = (0..3).map(|_| Polled::waiting(rx.recv())).collect();
    assert_eq!(rx.statistics().waiters, 3);
    for n in 0..3 {
        tx.try_send(n).unwrap();
        let woken: Vec<_> = receives.iter().map(Polled::is_woken).collect();
        assert_eq!(woken, [true, n >= 1, n >= 2]);
        assert_eq!(receives[n].ready(), Some(n));
    }
    drop(receives);
    tx.try_send(0).unwrap();
    let mut sends: Vec<_> = (1..4).map(|n| Polled::waiting(tx.send(n))).collect();
    assert_eq!(tx.statistics().waiters, 3);
    for n in 0..3 {
        assert_eq!(rx.try_recv(), Ok(n));
        let woken: Vec<_> = sends.iter().map(Polled::is_woken).collect();
        assert_eq!(woken, [true, n >= 1, n >= 2]);
        sends[n].ready().unwrap();
    }
    assert_eq!(rx.try_recv(), Ok(3));
    assert_eq!(
        (tx.statistics().waiters, tx.statistics().most_waiters),
        (0, 3)
    );
}

#[test]
fn one_that_goes_passes_its_call_on() {
    let (tx, rx) = mpmc::channel(1);
    let (first, mut second) = (Polled::waiting(rx.recv()), Polled::waiting(rx.recv()));
    tx.try_send(1).unwrap();
    assert!(first.is_woken() && !second.is_woken());
    drop(first);
    assert!(second.is_woken());
    assert_eq!(second.ready(), Some(1));
    tx.try_send(2).unwrap();
    let (first, mut second) = (Polled::waiting(tx.send(3)), Polled::waiting(tx.send(4)));
    assert_eq!(rx.try_recv(), Ok(2));
    assert!(first.is_woken() && !second.is_woken());
    drop(first);
    assert!(second.is_woken());
    second.ready().unwrap();
    assert_eq!(rx.try_recv(), Ok(4), "what was given up is not sent");
}

#[test]
fn a_send_that_is_given_up_drops_its_message() {
    let drops = Drops::default();
    let (tx, rx) = mpmc::channel(1);
    assert!(tx.try_send(drops.counted()).is_ok());
    drop(Polled::new(tx.send(drops.counted())).poll());
    assert_eq!((drops.count(), rx.len()), (1, 1));
    drop(rx);
    assert_eq!(drops.count(), 2, "nobody will take it");
    assert!(now(tx.send(drops.counted())).is_err());
    assert_eq!(drops.count(), 3);
}

#[test]
fn the_last_of_either_side_ends_it() {
    let (tx, rx) = mpmc::channel(2);
    let (other_tx, other_rx) = (tx.clone(), rx.clone());
    assert_eq!((tx.sender_count(), tx.receiver_count()), (2, 2));
    assert!(tx.same_channel(&other_tx) && rx.same_channel(&other_rx));
    tx.try_send(1).unwrap();
    let mut closed = Polled::waiting(tx.closed());
    drop(other_tx);
    drop(other_rx);
    assert!(!closed.is_woken() && !rx.is_closed());
    drop(rx);
    closed.ready();
    drop(closed);
    assert!(matches!(tx.try_send(2), Err(TrySendError::Closed(2))));
    assert_eq!(now(tx.send(3)).unwrap_err().0, 3);

    let (tx, rx) = mpmc::channel(2);
    tx.try_send(1).unwrap();
    drop(tx);
    assert_eq!(
        (now(rx.recv()), now(rx.recv())),
        (Some(1), None),
        "first what was sent"
    );
    assert_eq!(rx.try_recv(), Err(TryRecvError::Disconnected));
}

#[test]
fn a_close_wakes_all_who_wait() {
    let (tx, rx) = mpmc::channel(1);
    tx.try_send(0).unwrap();
    // More than one batch of wakers.
    let mut sends: Vec<_> = (1..70).map(|n| Polled::waiting(tx.send(n))).collect();
    assert!(rx.close());
    assert!(!tx.close(), "it was closed");
    for (n, send) in (1..).zip(&mut sends) {
        assert!(send.is_woken());
        assert_eq!(send.ready().unwrap_err().0, n);
    }
    assert_eq!((now(rx.recv()), now(rx.recv())), (Some(0), None));
    let (tx, rx) = mpmc::channel::<u32>(1);
    let mut receives: Vec<_> = (0..70).map(|_| Polled::waiting(rx.recv())).collect();
    assert!(tx.close());
    assert!(
        receives
            .iter_mut()
            .all(|receive| receive.is_woken() && receive.ready().is_none())
    );
}

#[test]
fn a_waker_that_panics_keeps_no_other_from_its_message() {
    let (tx, rx) = mpmc::unbounded_channel();
    let mut first = Polled::new(rx.recv());
    let breaks = waker_that(|| panic!("a waker that breaks"));
    assert!(poll_by(first.as_mut(), &breaks).is_pending());
    let mut second = Polled::waiting(rx.recv());
    tx.try_send(1).unwrap();
    tx.try_send(2).unwrap();
    assert_eq!((first.ready(), second.ready()), (Some(1), Some(2)));
}

#[test]
fn a_message_may_use_the_channel_when_it_is_dropped() {
    struct Sends(Option<Sender<Sends>>);
    impl Drop for Sends {
        fn drop(&mut self) {
            if let Some(tx) = self.0.take() {
                let _ = tx.try_send(Sends(None));
                assert!(tx.is_closed());
            }
        }
    }
    let (tx, rx) = mpmc::unbounded_channel();
    assert!(tx.try_send(Sends(Some(tx.clone()))).is_ok());
    drop(rx);
    assert!(tx.is_closed() && tx.is_empty());
}

#[test]
fn a_message_whose_drop_panics_hurts_who_drops_it() {
    struct Breaks(Drops, bool);
    impl Drop for Breaks {
        fn drop(&mut self) {
            drop(self.0.counted());
            assert!(!self.1, "a drop that breaks");
        }
    }
    let drops = Drops::default();
    let (tx, rx) = mpmc::unbounded_channel();
    for n in 0..3 {
        assert!(tx.try_send(Breaks(drops.clone(), n == 1)).is_ok());
    }
    assert!(catch_unwind(AssertUnwindSafe(|| drop(rx))).is_err());
    assert_eq!(drops.count(), 3);
    assert!(tx.is_closed());
}

#[test]
fn misuse_panics_where_it_is_called() {
    let (file, said) = panic_of(|| drop(mpmc::channel::<u32>(0)));
    assert!(
        file.ends_with("sync_mpmc.rs") && said.contains("capacity > 0"),
        "{file}: {said}"
    );
}

#[test]
fn threads_wait_and_workers_refuse_to() {
    bounded(|| {
        let (tx, rx) = mpmc::channel(1);
        let (theirs, other) = (rx.clone(), tx.clone());
        let thread = std::thread::spawn(move || (theirs.blocking_recv(), other.blocking_send(2)));
        tx.try_send(1).unwrap();
        assert!(matches!(thread.join().unwrap(), (Some(1), Ok(()))));
        let rt = multi(1);
        let refuses = |call: &mut dyn FnMut()| catch_unwind(AssertUnwindSafe(call)).is_err();
        rt.block_on(async {
            assert!(refuses(&mut || _ = rx.blocking_recv()));
            assert!(refuses(&mut || _ = tx.blocking_send(3)));
        });
        assert_eq!(rx.try_recv(), Ok(2));
    });
}

/// A channel is a queue: whoever is polled does what the queue allows at that moment.
#[test]
fn it_does_what_the_reference_does() {
    let mut random = Random::from_env();
    for _ in 0..many(1_000) {
        let capacity = 1 + random.below(4);
        let (tx, rx) = mpmc::channel(capacity);
        let mut queue = VecDeque::new();
        let mut closed = false;
        let mut sends = Vec::new();
        let mut receives = Vec::new();
        for step in 0..100 {
            match random.below(10) {
                0..2 => sends.push((step, Polled::new(tx.send(step)))),
                2..4 => receives.push(Polled::new(rx.recv())),
                4 => {
                    let sent = tx.try_send(step).is_ok();
                    assert_eq!(sent, !closed && queue.len() < capacity);
                    if sent {
                        queue.push_back(step);
                    }
                }
                5 => assert_eq!(rx.try_recv().ok(), queue.pop_front()),
                6 if !sends.is_empty() => {
                    drop(sends.swap_remove(random.below(sends.len())));
                }
                7 if !receives.is_empty() => {
                    drop(receives.swap_remove(random.below(receives.len())));
                }
                8 if random.below(30) == 0 => {
                    rx.close();
                    closed = true;
                }
                _ => {}
            }
            // One that is polled may have to wait for one that was called before it; once all that were have come by, nobody
            // waits while the queue would let it.
            let mut again = true;
            while std::mem::take(&mut again) {
                sends.retain_mut(|(message, send)| match send.poll() {
                    Poll::Pending => true,
                    Poll::Ready(sent) => {
                        assert_eq!(sent.is_ok(), !closed && queue.len() < capacity);
                        if sent.is_ok() {
                            queue.push_back(*message);
                        }
                        again = true;
                        false
                    }
                });
                receives.retain_mut(|receive| match receive.poll() {
                    Poll::Pending => true,
                    Poll::Ready(message) => {
                        assert_eq!(message, queue.pop_front());
                        again = true;
                        false
                    }
                });
            }
            assert!(sends.is_empty() || !closed && queue.len() == capacity);
            assert!(receives.is_empty() || !closed && queue.is_empty());
            assert_eq!(tx.len(), queue.len());
        }
    }
}

#[test]
fn many_are_received_at_once_but_no_more_than_there_are() {
    on_each_kind(|rt| {
        rt.block_on(async {
            let (tx, rx) = mpmc::channel(4);
            let mut all = Vec::new();
            assert_eq!(rx.recv_many(&mut all, 0).await, 0);
            (0..4).for_each(|n| tx.try_send(n).unwrap());
            assert_eq!(rx.recv_many(&mut all, 3).await, 3);
            assert_eq!(rx.recv_many(&mut all, 3).await, 1);
            let sender = filch::spawn(async move { tx.send(4).await });
            assert_eq!(rx.recv_many(&mut all, usize::MAX).await, 1);
            sender.await.unwrap().unwrap();
            assert_eq!(rx.recv_many(&mut all, 3).await, 0);
            assert_eq!(all, [0, 1, 2, 3, 4]);
        });
    });
}

#[test]
fn a_send_that_takes_too_long_gives_its_message_back_and_its_place_up() {
    let mut builder = filch::runtime::Builder::new_current_thread();
    let rt = builder.start_paused(true).enable_all().build().unwrap();
    rt.block_on(async {
        let limit = std::time::Duration::from_secs(1);
        let (tx, rx) = mpmc::channel(1);
        assert_eq!(tx.send_timeout(1, limit).await, Ok(()));
        assert_eq!(
            tx.send_timeout(2, limit).await,
            Err(SendTimeoutError::Timeout(2))
        );
        let waits = filch::spawn({
            let tx = tx.clone();
            async move { tx.send_timeout(3, limit).await }
        });
        filch::task::yield_now().await;
        assert_eq!(rx.recv().await, Some(1));
        assert_eq!(waits.await.unwrap(), Ok(()));
        assert_eq!((rx.recv().await, tx.statistics().waiters), (Some(3), 0));
        rx.close();
        assert_eq!(
            tx.send_timeout(4, limit).await,
            Err(SendTimeoutError::Closed(4))
        );
    });
}

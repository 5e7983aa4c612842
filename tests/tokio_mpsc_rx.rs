//! What a receiver says of its channel, and how it ends: tests named after those of tokio's `sync_mpsc.rs`.
//!
//! `bounded::is_empty_...` stands for `test_rx_is_empty_...`, `unbounded::is_empty_...` for `test_rx_unbounded_is_empty_...`.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Wake, Waker};
use std::time::Duration;

use filch::runtime::Runtime;
use filch::sync::mpsc::error::SendTimeoutError::{Closed, Timeout};
use filch::sync::mpsc::error::{TryRecvError, TrySendError};
use filch::sync::mpsc::{channel, unbounded_channel};

mod common;
#[path = "common/polled.rs"]
mod polled;
use common::{Drops, Probe, bounded as in_time};
use polled::{Polled, now};

/// The same for both kinds of channel; `$send` sends at once.
macro_rules! rx_of {
    ($kind:ident, $channel:expr, $send:ident) => {
        mod $kind {
            use super::*;

            #[test]
            fn is_closed_when_calling_close_with_sender() {
                let (_tx, mut rx) = $channel;
                _tx.$send(()).unwrap();
                assert!(!rx.is_closed());
                rx.close();
                assert!(rx.is_closed() && _tx.is_closed());
            }

            #[test]
            fn is_closed_when_dropping_all_senders() {
                let (tx, rx) = $channel;
                let other = tx.clone();
                tx.$send(()).unwrap();
                drop(tx);
                assert!(!rx.is_closed());
                std::thread::spawn(move || drop(other)).join().unwrap();
                assert!(rx.is_closed());
            }

            #[test]
            fn is_not_closed_when_there_are_senders() {
                let (tx, rx) = $channel;
                assert!(!rx.is_closed());
                (0..10).for_each(|_| tx.$send(()).unwrap());
                assert!(!rx.is_closed(), "and the buffer filled");
            }

            #[test]
            fn is_closed_when_there_are_no_senders_and_there_are_messages() {
                let (tx, mut rx) = $channel;
                (0..10).for_each(|_| tx.$send(()).unwrap());
                drop(tx);
                assert!(rx.is_closed());
                // That says nothing of the messages.
                (0..10).for_each(|_| assert_eq!(now(rx.recv()), Some(())));
                assert_eq!(now(rx.recv()), None);
            }

            #[test]
            fn is_closed_when_there_are_messages_and_close_is_called() {
                let (tx, mut rx) = $channel;
                (0..10).for_each(|_| tx.$send(()).unwrap());
                rx.close();
                assert!(rx.is_closed());
                (0..10).for_each(|_| assert_eq!(now(rx.recv()), Some(())));
                assert_eq!(now(rx.recv()), None);
            }

            #[test]
            fn is_closed_when_dropping_all_senders_except_weak_senders() {
                let (tx, rx) = $channel;
                tx.$send(()).unwrap();
                let weak = tx.downgrade();
                drop(tx);
                assert!(rx.is_closed() && weak.upgrade().is_none());
            }

            #[test]
            fn is_empty_when_no_messages_were_sent() {
                let (tx, rx) = $channel;
                assert!(rx.is_empty());
                tx.$send(()).unwrap();
                assert!(!rx.is_empty());
            }

            #[test]
            fn is_not_empty_when_there_are_messages_in_the_buffer() {
                let (tx, rx) = $channel;
                for n in 1..=10 {
                    tx.$send(()).unwrap();
                    assert!(
                        !rx.is_empty() && rx.len() == n,
                        "up to the last there is room for"
                    );
                }
            }

            #[test]
            fn is_not_empty_when_all_but_one_messages_are_consumed() {
                let (tx, mut rx) = $channel;
                (0..10).for_each(|_| tx.$send(()).unwrap());
                (0..9).for_each(|_| assert_eq!(now(rx.recv()), Some(())));
                assert!(!rx.is_empty());
            }

            #[test]
            fn is_empty_when_all_messages_are_consumed() {
                let (tx, mut rx) = $channel;
                (0..10).for_each(|_| tx.$send(()).unwrap());
                while rx.try_recv().is_ok() {}
                assert!(rx.is_empty());
            }

            #[test]
            fn is_empty_all_senders_are_dropped_and_messages_consumed() {
                let (tx, mut rx) = $channel;
                (0..10).for_each(|_| tx.$send(()).unwrap());
                drop(tx);
                assert!(!rx.is_empty());
                (0..10).for_each(|_| assert_eq!(now(rx.recv()), Some(())));
                assert!(rx.is_empty());
            }

            #[test]
            fn len_on_empty_channel() {
                let (tx, rx) = $channel;
                assert_eq!(rx.len(), 0);
                tx.$send(()).unwrap();
                assert_eq!(rx.len(), 1);
            }

            #[test]
            fn len_on_empty_channel_without_senders() {
                let (tx, mut rx) = $channel;
                tx.$send(()).unwrap();
                drop(tx);
                assert_eq!(now(rx.recv()), Some(()));
                assert_eq!(rx.len(), 0);
            }

            #[test]
            fn len_with_multiple_messages_and_dropped_senders() {
                let (tx, mut rx) = $channel;
                (0..10).for_each(|_| tx.$send(()).unwrap());
                drop(tx);
                assert_eq!(rx.len(), 10);
                now(rx.recv());
                assert_eq!(rx.len(), 9);
            }

            #[test]
            fn len_when_consuming_all_messages() {
                let (tx, mut rx) = $channel;
                for n in 1..=10 {
                    tx.$send(()).unwrap();
                    assert_eq!(rx.len(), n);
                }
                for n in (0..10).rev() {
                    assert_eq!(now(rx.recv()), Some(()));
                    assert_eq!(rx.len(), n);
                }
            }

            #[test]
            fn len_when_close_is_called() {
                let (tx, mut rx) = $channel;
                tx.$send(()).unwrap();
                rx.close();
                assert_eq!(rx.len(), 1, "with a sender");
                drop(tx);
                assert_eq!(rx.len(), 1, "before dropping the sender");
            }

            #[test]
            fn len_when_close_is_called_after_dropping_sender() {
                let (tx, mut rx) = $channel;
                tx.$send(()).unwrap();
                drop(tx);
                rx.close();
                assert_eq!(rx.len(), 1);
            }

            #[test]
            fn try_recv_close_while_empty() {
                let (tx, mut rx) = $channel;
                tx.$send(()).unwrap();
                assert_eq!(rx.try_recv(), Ok(()));
                assert_eq!(rx.try_recv(), Err(TryRecvError::Empty));
                drop(tx);
                assert_eq!(rx.try_recv(), Err(TryRecvError::Disconnected));
            }
        }
    };
}

rx_of!(bounded, channel(10), try_send);
rx_of!(unbounded, unbounded_channel(), send);

#[test]
fn test_rx_is_not_closed_when_there_are_permits_but_not_senders() {
    let (tx, rx) = channel::<()>(10);
    let permit = now(tx.reserve_owned()).unwrap();
    assert!(!rx.is_closed());
    drop(permit);
    assert!(rx.is_closed());
}

#[test]
fn test_is_empty_32_msgs() {
    let (tx, mut rx) = channel(33);
    for value in 1..257 {
        now(tx.send(value)).unwrap();
        assert_eq!(now(rx.recv()), Some(value));
        assert!(rx.is_empty(), "{value}");
    }
}

#[test]
fn test_tx_capacity() {
    let (tx, _rx) = channel::<()>(10);
    assert_eq!((tx.capacity(), tx.max_capacity()), (10, 10));
    let _permit = now(tx.reserve()).unwrap();
    assert_eq!((tx.capacity(), tx.max_capacity()), (9, 10));
    now(tx.send(())).unwrap();
    let _permits = now(tx.reserve_many(3)).unwrap();
    assert_eq!((tx.capacity(), tx.max_capacity()), (5, 10));
}

#[test]
fn blocking_recv() {
    in_time(|| {
        let (tx, mut rx) = channel(1);
        let thread = std::thread::spawn(move || rx.blocking_recv());
        let rt = Runtime::new().unwrap();
        rt.block_on(async move { tx.send(10).await.unwrap() });
        assert_eq!(thread.join().unwrap(), Some(10));
    });
}

#[filch::test]
#[should_panic(expected = "cannot block the current thread from within a runtime")]
async fn blocking_recv_async() {
    let (_tx, mut rx) = channel::<()>(1);
    rx.blocking_recv();
}

#[test]
fn blocking_send() {
    in_time(|| {
        let (tx, mut rx) = channel(1);
        let thread = std::thread::spawn(move || tx.blocking_send(10));
        let rt = Runtime::new().unwrap();
        assert_eq!(rt.block_on(rx.recv()), Some(10));
        thread.join().unwrap().unwrap();
    });
}

#[filch::test]
#[should_panic(expected = "cannot block the current thread from within a runtime")]
async fn blocking_send_async() {
    let (tx, _rx) = channel::<()>(1);
    let _ = tx.blocking_send(());
}

#[test]
fn ready_close_cancel_bounded() {
    let (tx, mut rx) = channel::<()>(100);
    let _other = tx.clone();
    let permit = now(tx.reserve()).unwrap();
    rx.close();
    let mut recv = Polled::waiting(rx.recv());
    drop(permit);
    assert!(recv.is_woken());
    assert_eq!(recv.ready(), None);
}

#[test]
fn permit_available_not_acquired_close() {
    let (tx1, mut rx) = channel::<()>(1);
    let tx2 = tx1.clone();
    let permit1 = now(tx1.reserve()).unwrap();
    let permit2 = Polled::waiting(tx2.reserve());
    rx.close();
    drop(permit1);
    assert!(permit2.is_woken());
    drop(permit2);
    assert_eq!(now(rx.recv()), None);
}

#[test]
fn try_recv_bounded() {
    let (tx, mut rx) = channel(5);
    (0..5).for_each(|n| tx.try_send(n).unwrap());
    assert!(tx.try_send(5).is_err());
    (0..5).for_each(|n| assert_eq!(rx.try_recv(), Ok(n)));
    assert_eq!(rx.try_recv(), Err(TryRecvError::Empty));
    // Across the end of a batch: some that were taken together are left while others come.
    (0..4).for_each(|n| tx.try_send(n).unwrap());
    assert_eq!(rx.try_recv(), Ok(0));
    (4..6).for_each(|n| tx.try_send(n).unwrap());
    assert_eq!(tx.try_send(6), Err(TrySendError::Full(6)));
    (1..6).for_each(|n| assert_eq!(rx.try_recv(), Ok(n)));
    assert_eq!(rx.try_recv(), Err(TryRecvError::Empty));
    (0..3).for_each(|n| tx.try_send(n).unwrap());
    drop(tx);
    (0..3).for_each(|n| assert_eq!(rx.try_recv(), Ok(n)));
    assert_eq!(rx.try_recv(), Err(TryRecvError::Disconnected));
}

#[test]
fn try_recv_unbounded() {
    for count in 0..100 {
        let (tx, mut rx) = unbounded_channel();
        (0..count).for_each(|n| tx.send(n).unwrap());
        (0..count).for_each(|n| assert_eq!(rx.try_recv(), Ok(n)));
        assert_eq!(rx.try_recv(), Err(TryRecvError::Empty));
        drop(tx);
        assert_eq!(rx.try_recv(), Err(TryRecvError::Disconnected));
    }
}

#[test]
fn try_recv_after_receiver_close() {
    let (_tx, mut rx) = channel::<()>(5);
    assert_eq!(rx.try_recv(), Err(TryRecvError::Empty));
    rx.close();
    assert_eq!(rx.try_recv(), Err(TryRecvError::Disconnected));
}

#[test]
fn try_recv_after_receiver_close_with_permit() {
    let (tx, mut rx) = channel::<()>(5);
    let permit = tx.try_reserve().unwrap();
    assert_eq!(rx.try_recv(), Err(TryRecvError::Empty));
    rx.close();
    assert_eq!(rx.try_recv(), Err(TryRecvError::Empty));
    drop(permit);
    assert_eq!(rx.try_recv(), Err(TryRecvError::Disconnected));
}

#[filch::test(start_paused = true)]
async fn recv_timeout() {
    let (tx, rx) = channel(5);
    let (limit, begun) = (Duration::from_secs(1), filch::time::Instant::now());
    for n in 0..5 {
        assert_eq!(tx.send_timeout(n, limit).await, Ok(()));
    }
    assert_eq!(tx.send_timeout(60, limit).await, Err(Timeout(60)));
    assert!(begun.elapsed() >= limit);
    // The place in the line is given up.
    assert_eq!(tx.statistics().waiters, 0);
    drop(rx);
    assert_eq!(tx.send_timeout(70, limit).await, Err(Closed(70)));
}

#[test]
#[should_panic(expected = "there is no filch runtime")]
fn recv_timeout_panic() {
    let (tx, _rx) = channel(5);
    let _ = Polled::new(tx.send_timeout(10, Duration::from_secs(1))).poll();
}

/// As tokio's, but that a panic of the receiver's waker stays there: the sender has sent.
#[test]
fn permit_send_panicking_rx_waker() {
    struct Panics;
    impl Wake for Panics {
        fn wake(self: Arc<Self>) {
            panic!("a waker that panics");
        }
    }
    let (tx, mut rx) = channel(1);
    let waker = Waker::from(Arc::new(Panics));
    assert!(rx.poll_recv(&mut Context::from_waker(&waker)).is_pending());
    tx.try_reserve().unwrap().send(7);
    assert_eq!((tx.capacity(), rx.len()), (0, 1));
    assert_eq!(rx.try_recv(), Ok(7));
    assert_eq!((tx.capacity(), tx.max_capacity()), (1, 1));
    rx.close();
    assert_eq!(rx.try_recv(), Err(TryRecvError::Disconnected));
}

#[test]
fn drop_all_elements_during_panic() {
    struct Bomb(bool, Drops);
    impl Drop for Bomb {
        fn drop(&mut self) {
            drop(self.1.counted());
            assert!(!self.0, "a drop that panics");
        }
    }
    let drops = Drops::default();
    let (tx, rx) = unbounded_channel();
    for panics in [true, false, false] {
        tx.send(Bomb(panics, drops.clone())).ok().unwrap();
    }
    assert!(catch_unwind(AssertUnwindSafe(move || drop(rx))).is_err());
    assert_eq!(drops.count(), 3, "before the last sender goes");
    assert!(tx.send(Bomb(false, drops.clone())).is_err());
    assert_eq!(drops.count(), 4);
}

#[test]
fn release_waker_on_rx_drop() {
    let probe = Probe::new();
    let (tx, mut rx) = channel::<()>(1);
    {
        let mut recv = pin!(rx.recv());
        assert!(probe.poll(&mut recv).is_pending());
    }
    assert_eq!(probe.held(), 1);
    drop(rx);
    assert_eq!(probe.held(), 0);
    drop(tx);
    assert_eq!(probe.wakes(), 0);
}

//! A value that is watched, as tokio has it: each test stands for the one of the same name in tokio's `sync_watch.rs`.

use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};

use filch::sync::watch::{Receiver, channel};
use filch::task::yield_now;

mod common;
#[path = "common/polled.rs"]
mod polled;
use polled::{Polled, now};

/// Ready with true if there is a value it has not seen, with false if there will be none.
fn changed<T>(rx: &mut Receiver<T>) -> Polled<impl Future<Output = bool>> {
    Polled::new(async { rx.changed().await.is_ok() })
}

#[track_caller]
fn assert_waits<T>(rx: &mut Receiver<T>) {
    assert!(changed(rx).poll().is_pending());
}

#[test]
fn single_rx_recv() {
    let (tx, mut rx) = channel("one");
    assert_waits(&mut rx);
    assert_eq!(*rx.borrow(), "one");
    let mut wait = changed(&mut rx);
    assert!(wait.poll().is_pending());
    tx.send("two").unwrap();
    assert!(wait.is_woken() && wait.ready());
    drop(wait);
    assert_eq!(*rx.borrow(), "two");
    let mut wait = changed(&mut rx);
    assert!(wait.poll().is_pending());
    drop(tx);
    assert!(wait.is_woken() && !wait.ready());
    drop(wait);
    assert_eq!(*rx.borrow(), "two");
}

#[test]
fn rx_version_underflow() {
    let (tx, mut rx) = channel("one");
    (0..5).for_each(|_| rx.mark_changed());
    assert!(rx.has_changed().unwrap() && changed(&mut rx).ready());
    assert_waits(&mut rx);
    tx.send("two").unwrap();
    assert!(changed(&mut rx).ready());
}

#[test]
fn rx_mark_changed() {
    let (tx, mut rx) = channel("one");
    let (mut rx2, mut rx3, mut rx4) = (rx.clone(), rx.clone(), rx.clone());
    rx.mark_changed();
    assert!(rx.has_changed().unwrap() && changed(&mut rx).ready());

    assert!(!rx2.has_changed().unwrap());
    assert_waits(&mut rx2);

    rx3.mark_changed();
    assert_eq!(*rx3.borrow(), "one");
    assert!(rx3.has_changed().unwrap());
    assert_eq!(*rx3.borrow_and_update(), "one");
    assert!(!rx3.has_changed().unwrap());
    assert_waits(&mut rx3);

    tx.send("two").unwrap();
    assert!(rx4.has_changed().unwrap());
    assert_eq!(*rx4.borrow_and_update(), "two");
    rx4.mark_changed();
    assert!(rx4.has_changed().unwrap());
    assert_eq!(*rx4.borrow_and_update(), "two");
}

#[test]
fn rx_mark_unchanged() {
    let (tx, mut rx) = channel("one");
    let mut rx2 = rx.clone();
    rx.mark_changed();
    assert!(rx.has_changed().unwrap());
    rx.mark_unchanged();
    assert!(!rx.has_changed().unwrap());
    assert_waits(&mut rx);
    tx.send("two").unwrap();
    assert!(rx2.has_changed().unwrap());
    rx2.mark_unchanged();
    assert!(!rx2.has_changed().unwrap());
    assert_eq!(*rx2.borrow_and_update(), "two");
    assert_waits(&mut rx2);
}

#[test]
fn multi_rx() {
    let (tx, mut rx1) = channel("one");
    let mut rx2 = rx1.clone();
    assert_waits(&mut rx1);
    assert_waits(&mut rx2);
    {
        let mut slow = changed(&mut rx2);
        assert!(slow.poll().is_pending());
        for value in ["two", "three"] {
            let mut fast = changed(&mut rx1);
            assert!(fast.poll().is_pending());
            tx.send(value).unwrap();
            assert!(fast.is_woken() && slow.is_woken());
            assert!(fast.ready());
        }
        assert_eq!(slow.wakes(), 1, "it has not looked since");
        assert!(slow.ready());
    }
    assert_eq!((*rx1.borrow(), *rx2.borrow()), ("three", "three"));
    {
        let (mut wait1, mut wait2) = (changed(&mut rx1), changed(&mut rx2));
        assert!(wait1.poll().is_pending() && wait2.poll().is_pending());
        tx.send("four").unwrap();
        assert!(wait1.ready() && wait2.ready());
    }
    assert_eq!((*rx1.borrow(), *rx2.borrow()), ("four", "four"));
}

#[test]
fn rx_observes_final_value() {
    let (tx, mut rx) = channel("one");
    drop(tx);
    assert!(!changed(&mut rx).ready());
    assert_eq!(*rx.borrow(), "one");

    let (tx, mut rx) = channel("one");
    tx.send("two").unwrap();
    assert!(changed(&mut rx).ready());
    {
        let mut wait = changed(&mut rx);
        assert!(wait.poll().is_pending());
        tx.send("three").unwrap();
        drop(tx);
        assert!(wait.is_woken() && wait.ready());
    }
    assert_eq!(*rx.borrow(), "three");
    assert!(!changed(&mut rx).ready());
    assert_eq!(*rx.borrow(), "three");
}

#[test]
fn poll_close() {
    let (tx, rx) = channel("one");
    let mut closed = Polled::waiting(tx.closed());
    drop(rx);
    assert!(closed.is_woken());
    closed.ready();
    assert_eq!(tx.send("two").unwrap_err().0, "two");
}

#[test]
fn borrow_and_update() {
    let (tx, mut rx) = channel("one");
    assert!(!rx.has_changed().unwrap());
    tx.send("two").unwrap();
    assert!(rx.has_changed().unwrap() && changed(&mut rx).ready());
    assert_waits(&mut rx);
    assert!(!rx.has_changed().unwrap());
    tx.send("three").unwrap();
    assert!(rx.has_changed().unwrap());
    assert_eq!(*rx.borrow_and_update(), "three");
    assert_waits(&mut rx);
    assert!(!rx.has_changed().unwrap());
    drop(tx);
    assert_eq!(*rx.borrow_and_update(), "three");
    assert!(!changed(&mut rx).ready() && rx.has_changed().is_err());
}

#[test]
fn reopened_after_subscribe() {
    let (tx, rx) = channel("one");
    assert!(!tx.is_closed());
    for rx in [rx, tx.subscribe()] {
        assert!(!tx.is_closed());
        drop(rx);
    }
    assert!(tx.is_closed());
    let rx = tx.subscribe();
    assert!(!tx.is_closed());
    drop(rx);
    assert!(tx.is_closed());
}

#[test]
fn send_modify_panic() {
    let (tx, mut rx) = channel("one");
    tx.send_modify(|value| *value = "two");
    assert_eq!(*rx.borrow_and_update(), "two");
    let mut rx2 = rx.clone();
    let mut wait = changed(&mut rx2);
    assert!(wait.poll().is_pending());
    let panics = AssertUnwindSafe(|| {
        tx.send_modify(|value| {
            *value = "panicked";
            panic!("a change that panics");
        });
    });
    assert!(catch_unwind(panics).is_err());
    // The value is what it is, and nobody is told.
    assert!(!wait.is_woken() && wait.poll().is_pending());
    assert_eq!(*rx.borrow(), "panicked");
    tx.send_modify(|value| *value = "three");
    assert!(wait.ready());
    assert_eq!(*rx.borrow_and_update(), "three");
}

#[test]
fn multiple_sender() {
    let (tx1, mut rx) = channel(0);
    let tx2 = tx1.clone();
    let mut both = Polled::new(async {
        rx.changed().await.unwrap();
        let first = *rx.borrow_and_update();
        rx.changed().await.unwrap();
        (first, *rx.borrow_and_update())
    });
    tx1.send(1).unwrap();
    assert!(both.poll().is_pending());
    tx2.send(2).unwrap();
    assert_eq!(both.ready(), (1, 2));
}

#[test]
fn receiver_is_notified_when_last_sender_is_dropped() {
    let (tx1, mut rx) = channel(0);
    let tx2 = tx1.clone();
    let mut wait = changed(&mut rx);
    assert!(wait.poll().is_pending());
    drop(tx1);
    assert!(!wait.is_woken());
    drop(tx2);
    assert!(wait.is_woken() && !wait.ready());
}

/// Polls an endless future beside one that wants a single turn.
async fn is_cooperative(endless: impl Future<Output = ()>) {
    filch::select! {
        biased;
        () = endless => {}
        () = yield_now() => {}
    }
}

#[filch::test]
async fn receiver_changed_is_cooperative() {
    let (tx, mut rx) = channel(());
    drop(tx);
    is_cooperative(async {
        loop {
            assert!(rx.changed().await.is_err());
        }
    })
    .await;
}

#[filch::test]
async fn receiver_changed_is_cooperative_ok() {
    let (tx, mut rx) = channel(());
    is_cooperative(async {
        loop {
            tx.send(()).unwrap();
            rx.changed().await.unwrap();
        }
    })
    .await;
}

#[filch::test]
async fn receiver_wait_for_is_cooperative() {
    let (tx, mut rx) = channel(0);
    drop(tx);
    is_cooperative(async {
        loop {
            assert!(rx.wait_for(|value| *value == 1).await.is_err());
        }
    })
    .await;
}

#[filch::test]
async fn receiver_wait_for_is_cooperative_ok() {
    let (tx, mut rx) = channel(0);
    is_cooperative(async {
        loop {
            tx.send(1).unwrap();
            rx.wait_for(|value| *value == 1).await.unwrap();
        }
    })
    .await;
}

#[filch::test]
async fn sender_closed_is_cooperative() {
    let (tx, rx) = channel(());
    drop(rx);
    is_cooperative(async {
        loop {
            tx.closed().await;
        }
    })
    .await;
}

#[test]
fn changed_succeeds_on_closed_channel_with_unseen_value() {
    let (tx, mut rx) = channel("A");
    tx.send("B").unwrap();
    drop(tx);
    assert!(changed(&mut rx).ready());
}

#[test]
fn changed_errors_on_closed_channel_with_seen_value() {
    let (tx, mut rx) = channel("A");
    drop(tx);
    assert!(!changed(&mut rx).ready());
}

#[test]
fn has_changed_errors_on_closed_channel_with_unseen_value() {
    let (tx, rx) = channel("A");
    tx.send("B").unwrap();
    drop(tx);
    assert!(rx.has_changed().is_err());
}

#[test]
fn has_changed_errors_on_closed_channel_with_seen_value() {
    let (tx, rx) = channel("A");
    drop(tx);
    assert!(rx.has_changed().is_err());
}

#[test]
fn receiver_is_closed_after_all_senders_are_dropped() {
    let (tx, rx) = channel("A");
    let tx2 = tx.clone();
    assert!(!rx.is_closed());
    drop(tx);
    assert!(!rx.is_closed());
    drop(tx2);
    assert!(rx.is_closed());
}

#[test]
fn wait_for_errors_on_closed_channel_true_predicate() {
    let (tx, mut rx) = channel("A");
    tx.send("B").unwrap();
    drop(tx);
    assert_eq!(*now(rx.wait_for(|_| true)).unwrap(), "B");
    assert!(now(rx.wait_for(|value| *value == "A")).is_err());
}

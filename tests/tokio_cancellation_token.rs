//! Tokens that tell to stop, as tokio-util has them: each test stands for the one of the same name in tokio-util's
//! `sync_cancellation_token.rs`.

use std::future::pending;

use filch::sync::{CancellationToken, WaitForCancellationFuture};

mod common;
#[path = "common/polled.rs"]
mod polled;
use common::bounded;
use polled::{Polled, now};

#[test]
fn cancel_token() {
    let token = CancellationToken::new();
    assert!(!token.is_cancelled());
    let mut wait = Polled::waiting(token.cancelled());
    token.cancel();
    assert!(wait.wakes() == 1 && token.is_cancelled());
    wait.ready();
    now(token.cancelled());
}

#[test]
fn cancel_token_owned() {
    let token = CancellationToken::new();
    let mut wait = Polled::waiting(token.clone().cancelled_owned());
    token.cancel();
    assert!(wait.wakes() == 1 && token.is_cancelled());
    wait.ready();
    now(token.cancelled_owned());
}

#[test]
fn cancel_token_owned_drop_test() {
    let token = CancellationToken::new();
    let once = Polled::waiting(token.clone().cancelled_owned());
    let never = Polled::new(token.clone().cancelled_owned());
    drop((once, never));
    token.cancel();
    assert!(token.is_cancelled());
}

#[test]
fn cancel_child_token_through_parent() {
    let parent = CancellationToken::new();
    let child = parent.child_token();
    assert!(!child.is_cancelled());
    let (mut of_child, mut of_parent) = (
        Polled::waiting(child.cancelled()),
        Polled::waiting(parent.cancelled()),
    );
    parent.cancel();
    assert_eq!((of_child.wakes(), of_parent.wakes()), (1, 1));
    assert!(child.is_cancelled() && parent.is_cancelled());
    of_child.ready();
    of_parent.ready();
}

#[test]
fn cancel_grandchild_token_through_parent_if_child_was_dropped() {
    let parent = CancellationToken::new();
    let intermediate = parent.child_token();
    let child = intermediate.child_token();
    drop(intermediate);
    assert!(!child.is_cancelled());
    let mut wait = Polled::waiting(child.cancelled());
    parent.cancel();
    assert!(wait.wakes() == 1 && child.is_cancelled());
    wait.ready();
}

#[test]
fn cancel_child_token_without_parent() {
    let parent = CancellationToken::new();
    let first = parent.child_token();
    let mut of_first = Polled::waiting(first.cancelled());
    let mut of_parent = Polled::waiting(parent.cancelled());
    first.cancel();
    assert!(of_first.wakes() == 1 && !of_parent.is_woken());
    assert!(first.is_cancelled() && !parent.is_cancelled());
    of_first.ready();
    assert!(of_parent.poll().is_pending());
    // Another child is told by its parent.
    let second = parent.child_token();
    let mut of_second = Polled::waiting(second.cancelled());
    parent.cancel();
    assert_eq!((of_second.wakes(), of_parent.wakes()), (1, 1));
    of_second.ready();
    of_parent.ready();
}

#[test]
fn create_child_token_after_parent_was_cancelled() {
    for drop_child_first in [true, false] {
        let parent = CancellationToken::new();
        parent.cancel();
        let child = parent.child_token();
        assert!(child.is_cancelled());
        now(child.cancelled());
        now(parent.cancelled());
        if drop_child_first {
            drop(child);
            drop(parent);
        } else {
            drop(parent);
            drop(child);
        }
    }
}

#[test]
fn drop_multiple_child_tokens() {
    for drop_first_child_first in [true, false] {
        let token = CancellationToken::new();
        let mut children: Vec<_> = (0..3).map(|_| Some(token.child_token())).collect();
        assert!(!token.is_cancelled());
        assert!(children.iter().flatten().all(|child| !child.is_cancelled()));
        for n in 0..3 {
            let which = if drop_first_child_first { n } else { 2 - n };
            children[which] = None;
            assert!(children.iter().flatten().all(|child| !child.is_cancelled()));
        }
        token.cancel();
        assert!(token.is_cancelled());
    }
}

/// All of a tree below one that is cancelled, wherever it is, and none beside or above.
#[test]
fn cancel_only_all_descendants() {
    let root = CancellationToken::new();
    let parent = root.child_token();
    let sibling = root.child_token();
    let middle = parent.child_token();
    let beside = parent.child_token();
    let below: Vec<_> = (0..3).map(|_| middle.child_token()).collect();
    let deepest = below[1].child_token();
    let mut told: Vec<_> = below
        .iter()
        .chain([&middle, &deepest])
        .map(|token| Polled::waiting(token.cancelled()))
        .collect();
    let mut untold: Vec<_> = [&root, &parent, &sibling, &beside]
        .into_iter()
        .map(|token| Polled::waiting(token.cancelled()))
        .collect();
    middle.cancel();
    told.iter_mut().for_each(Polled::ready);
    assert!(
        untold
            .iter_mut()
            .all(|wait| !wait.is_woken() && wait.poll().is_pending())
    );
    root.cancel();
    untold.iter_mut().for_each(Polled::ready);
    assert!(told.iter().all(|wait| wait.wakes() == 1));
}

#[test]
fn drop_parent_before_child_tokens() {
    let token = CancellationToken::new();
    let (child1, child2) = (token.child_token(), token.child_token());
    drop(token);
    assert!(!child1.is_cancelled() && !child2.is_cancelled());
    drop(child1);
    child2.cancel();
    assert!(child2.is_cancelled());
}

#[test]
fn derives_send_sync() {
    fn assert_send_sync<T: Send + Sync>() {}
    assert_send_sync::<CancellationToken>();
    assert_send_sync::<WaitForCancellationFuture<'static>>();
}

#[test]
fn run_until_cancelled_test() {
    let token = CancellationToken::new();
    let mut cancelled = Polled::waiting(token.run_until_cancelled(pending::<()>()));
    let mut completes = Polled::waiting(token.run_until_cancelled(filch::task::yield_now()));
    assert_eq!(completes.ready(), Some(()));
    token.cancel();
    assert!(cancelled.is_woken());
    assert_eq!(cancelled.ready(), None);
    // One that is ready at once is told, cancelled or not; which comes first is the future.
    assert_eq!(now(token.run_until_cancelled(pending::<()>())), None);
}

#[test]
fn run_until_cancelled_owned_test() {
    let token = CancellationToken::new();
    let owned = token.clone().run_until_cancelled_owned(pending::<()>());
    let mut cancelled = Polled::waiting(owned);
    let owned = token.clone().run_until_cancelled_owned(async { 7 });
    assert_eq!(now(owned), Some(7));
    token.child_token().cancel();
    assert!(!cancelled.is_woken());
    token.cancel();
    assert!(cancelled.is_woken());
    assert_eq!(cancelled.ready(), None);
}

/// Many tasks wait for children of children while they are made, dropped and cancelled: each hears.
#[test]
fn all_tasks_below_hear_of_it() {
    bounded(|| {
        filch::block_on(async {
            for _ in 0..common::many(50) {
                let root = CancellationToken::new();
                let tasks: Vec<_> = (0..20)
                    .map(|n| {
                        let child = root.child_token();
                        filch::spawn(async move {
                            let grandchild = child.child_token();
                            if n % 2 == 0 {
                                drop(child);
                            }
                            grandchild.cancelled().await;
                        })
                    })
                    .collect();
                filch::task::yield_now().await;
                root.cancel();
                for task in tasks {
                    task.await.unwrap();
                }
            }
        });
    });
}

//! A token tells all that have it, or a child of it, to stop.
//!
//! After the tests of tokio-util's token.

use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use filch::sync::CancellationToken;
use filch::task::yield_now;

mod common;
use common::{Probe, Random, bounded, many, multi};

#[test]
fn all_who_wait_are_woken_and_who_comes_later_need_not_wait() {
    let token = CancellationToken::new();
    let probe = Probe::new();
    let mut waits: Vec<_> = (0..70).map(|_| Box::pin(token.cancelled())).collect();
    for wait in &mut waits {
        assert!(probe.poll(wait).is_pending());
    }
    let mut given_up = waits.split_off(60);
    given_up.clear();
    assert!(!token.is_cancelled());
    token.cancel();
    assert_eq!((probe.wakes(), probe.held()), (60, 0));
    assert!(waits.iter_mut().all(|wait| probe.poll(wait).is_ready()));
    assert!(probe.poll(&mut pin!(token.cancelled())).is_ready());
    token.cancel();
    assert_eq!(probe.wakes(), 60);
}

#[test]
fn a_child_is_cancelled_with_its_parent_and_not_the_other_way() {
    let token = CancellationToken::new();
    let (one, two) = (token.child_token(), token.child_token());
    let grandchild = one.child_token();
    one.cancel();
    assert!(one.is_cancelled() && grandchild.is_cancelled());
    assert!(!token.is_cancelled() && !two.is_cancelled());
    token.cancel();
    assert!(two.is_cancelled());
    assert!(token.child_token().is_cancelled() && one.child_token().is_cancelled());
}

#[test]
fn dropped_tokens_hand_the_wish_on() {
    let token = CancellationToken::new();
    let mut last = token.child_token();
    let mut siblings = Vec::new();
    for n in 0..many(20_000) {
        let next = last.child_token();
        if n % 100 == 0 {
            siblings.push(last.child_token());
        }
        // The one in between goes.
        last = next;
    }
    drop(siblings.split_off(siblings.len() / 2));
    let probe = Probe::new();
    let mut wait = Box::pin(last.clone().cancelled_owned());
    assert!(probe.poll(&mut wait).is_pending());
    token.cancel();
    assert!(probe.poll(&mut wait).is_ready());
    assert!(siblings.iter().all(CancellationToken::is_cancelled));
}

#[test]
fn a_long_chain_is_cancelled_and_dropped_without_a_deep_stack() {
    let token = CancellationToken::new();
    let mut chain = vec![token.clone()];
    for _ in 0..many(100_000) {
        chain.push(chain.last().unwrap().child_token());
    }
    token.cancel();
    assert!(chain.last().unwrap().is_cancelled());
}

#[test]
fn a_root_that_goes_leaves_its_children_alone() {
    let token = CancellationToken::new();
    let children = [token.child_token(), token.child_token()];
    drop(token);
    children[0].cancel();
    assert!(!children[1].is_cancelled());
}

#[test]
fn the_reason_of_who_came_first_stays() {
    let token = CancellationToken::new();
    let (one, two) = (token.child_token(), token.child_token());
    assert_eq!(token.reason(), None);
    one.cancel_with("one");
    token.cancel_with("all");
    token.cancel_with("again");
    let reasons = [&token, &one, &two, &token.child_token()].map(CancellationToken::reason);
    let reasons = reasons.each_ref().map(|reason| reason.as_deref().unwrap());
    assert_eq!(reasons, ["all", "one", "all", "all"]);
}

#[test]
fn guards_cancel_unless_they_are_disarmed() {
    let token = CancellationToken::new();
    drop(token.clone().drop_guard().disarm());
    assert!(!token.drop_guard_ref().disarm().is_cancelled());
    assert!(!token.is_cancelled());
    drop(token.drop_guard_ref());
    assert!(token.is_cancelled());
    let token = CancellationToken::new();
    drop(token.clone().drop_guard());
    assert!(token.is_cancelled());
}

#[test]
fn a_future_runs_until_the_token_is_cancelled() {
    bounded(|| {
        let rt = multi(2);
        rt.block_on(async {
            let token = CancellationToken::new();
            assert_eq!(token.run_until_cancelled(async { 1 }).await, Some(1));
            let other = token.clone();
            let both = token.run_until_cancelled(async move {
                other.cancel();
                2
            });
            // Both at once: the future wins.
            assert_eq!(both.await, Some(2));
            let polled = Arc::new(AtomicBool::new(false));
            let says = polled.clone();
            let future = async move { says.store(true, Ordering::SeqCst) };
            assert_eq!(token.run_until_cancelled(future).await, None);
            assert!(!polled.load(Ordering::SeqCst));

            let token = CancellationToken::new();
            let forever = std::future::pending::<()>();
            let task = filch::spawn(token.clone().run_until_cancelled_owned(forever));
            yield_now().await;
            token.cancel();
            assert_eq!(task.await.unwrap(), None);
        });
    });
}

/// Tokens are made, dropped, awaited and cancelled at random under 8 workers: whoever hangs on a cancelled one hears it.
#[test]
fn nobody_waits_below_a_cancelled_token() {
    bounded(|| {
        let mut random = Random::from_env();
        let rt = multi(8);
        for _ in 0..many(100) {
            let root = CancellationToken::new();
            let tasks: Vec<_> = (0..20)
                .map(|_| {
                    let (mut token, mut random) = (root.clone(), random.fork());
                    rt.spawn(async move {
                        loop {
                            match random.below(6) {
                                0 => return token.cancelled().await,
                                1 => return token.cancelled_owned().await,
                                2 => drop(token.child_token()),
                                3 => token.child_token().cancel(),
                                _ => token = token.child_token(),
                            }
                            if random.below(3) == 0 {
                                yield_now().await;
                            }
                        }
                    })
                })
                .collect();
            for _ in 0..random.below(2_000) {
                std::hint::spin_loop();
            }
            root.cancel();
            for task in tasks {
                rt.block_on(task).unwrap();
            }
        }
    });
}

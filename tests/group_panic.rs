//! Panics in a group, of whoever and wherever, are in its error and hurt nobody else.

use std::future::pending;
use std::panic::panic_any;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};

use filch::group::Ready;
use filch::task::{CancelScope, TaskGroup, yield_now};

mod common;
use common::{end, on_each_kind};

type Error = &'static str;
type Group = TaskGroup<Error>;

#[test]
fn panics_are_kept_whoever_panics_and_wherever() {
    struct Bad;
    impl Drop for Bad {
        fn drop(&mut self) {
            panic!("in a drop");
        }
    }
    on_each_kind(|rt| {
        // A child.
        let failed = TaskGroup::scope(async |group: Group| {
            group.spawn(async {
                yield_now().await;
                panic_any(7u8);
                #[expect(unreachable_code)]
                Ok(())
            });
            pending::<Result<(), Error>>().await
        });
        let error = end(&rt, failed).unwrap_err();
        assert_eq!(error.panics().count(), 1);
        let payload = error.into_iter().next().unwrap().into_panic().unwrap();
        assert_eq!(*payload.downcast::<u8>().unwrap(), 7);

        // The block, and its making.
        let failed = TaskGroup::scope(async |_: Group| {
            yield_now().await;
            assert_eq!(1, 2, "in the block");
            Ok(())
        });
        let error = end(&rt, failed).unwrap_err();
        assert!(
            error.to_string().contains("panicked with message"),
            "{error}"
        );
        assert!(error.first().unwrap().is_body());
        let failed = TaskGroup::scope(|_: Group| -> std::future::Ready<Result<(), Error>> {
            panic!("before the block");
        });
        assert!(end(&rt, failed).unwrap_err().first().unwrap().is_panic());

        // The drop of a child that is done, of one that is stopped, of a value nobody takes, and of the block.
        let failed = TaskGroup::scope(async |group: Group| {
            let bad = Bad;
            group.spawn(async {
                let _bad = Bad;
                pending::<Result<(), Error>>().await
            });
            yield_now().await;
            let (go, wait) = async_channel::bounded::<()>(1);
            drop(group.spawn(async move {
                wait.recv().await.unwrap();
                Ok(Bad)
            }));
            go.send(()).await.unwrap();
            let _bad = bad;
            pending::<Result<(), Error>>().await
        });
        let error = end(&rt, failed).unwrap_err();
        assert_eq!(error.panics().count(), error.len());
        // The child that was stopped may not have begun: then there is nothing to drop.
        assert!((2..=3).contains(&error.len()), "{error:?}");
        assert!(error.iter().any(|failure| failure.is_body()));
    });
}

/// A future that fails, and panics when it is dropped.
struct FailsAndPanics;

impl Future for FailsAndPanics {
    type Output = Result<(), Error>;

    fn poll(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Self::Output> {
        Poll::Ready(Err("first"))
    }
}

impl Drop for FailsAndPanics {
    fn drop(&mut self) {
        panic!("second");
    }
}

#[test]
fn of_one_that_fails_and_then_panics_in_its_drop_both_are_kept() {
    on_each_kind(|rt| {
        let child = TaskGroup::scope(async |group: Group| {
            group.spawn(FailsAndPanics);
            pending::<Result<(), Error>>().await
        });
        let started = TaskGroup::scope(async |group: Group| {
            let failed = group.start(|_: Ready<(), Error>| FailsAndPanics).await;
            assert_eq!(failed.unwrap_err().into_error(), Some("first"));
            pending::<Result<(), Error>>().await
        });
        let block = TaskGroup::scope(|_: Group| FailsAndPanics);
        let (child, block) = (end(&rt, child).unwrap_err(), end(&rt, block).unwrap_err());
        for both in [child, block] {
            assert_eq!(both.errors().collect::<Vec<_>>(), [&"first"]);
            assert!(both.len() == 2 && both.iter().last().unwrap().is_panic());
        }
        let started = end(&rt, started).unwrap_err();
        assert!(started.len() == 1 && started.first().unwrap().is_panic());
    });
}

#[test]
fn a_child_that_panics_while_another_fails_hurts_nobody_else() {
    on_each_kind(|rt| {
        let failed = TaskGroup::scope(async |group: Group| {
            let gate = Arc::new(AtomicUsize::new(0));
            for n in 0..8 {
                let gate = gate.clone();
                group.spawn(CancelScope::shield(async move {
                    gate.fetch_add(1, Ordering::SeqCst);
                    while gate.load(Ordering::SeqCst) < 8 {
                        yield_now().await;
                    }
                    assert!(n % 2 == 0, "odd");
                    Err::<(), _>("even")
                }));
            }
            Ok(())
        });
        let error = end(&rt, failed).unwrap_err();
        assert_eq!((error.errors().count(), error.panics().count()), (4, 4));
        assert_eq!(
            end(&rt, async { filch::spawn(async { 7 }).await }).unwrap(),
            7
        );
    });
}

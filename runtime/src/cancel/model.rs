//! Loom models of a run: who stops it, and who holds it off.

use std::future::{Future, pending, poll_fn};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};

use loom::future::block_on;
use loom::thread;

use super::scope::CancelScope;
use crate::sync_prim::{AtomicUsize, Ordering};
use crate::time::Instant;

#[test]
fn a_run_that_waits_hears_of_a_cancellation() {
    loom::model(|| {
        let scope = CancelScope::new();
        let handle = scope.clone();
        let other = thread::spawn(move || handle.cancel("enough"));
        let stopped = block_on(scope.run(pending::<()>())).unwrap_err();
        assert!(stopped.is_cancelled());
        assert!(other.join().unwrap(), "nobody else cancels");
    });
}

struct Woken(AtomicUsize);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.store(1, Ordering::Relaxed);
    }
}

#[test]
fn a_run_that_waits_has_seen_the_last_deadline_or_is_woken() {
    loom::model(|| {
        let scope = CancelScope::new();
        let handle = scope.clone();
        let other = thread::spawn(move || handle.set_deadline(None));
        let woken = Arc::new(Woken(AtomicUsize::new(0)));
        let mut run = Box::pin(scope.run(pending::<()>()));
        let waker = Waker::from(woken.clone());
        let polled = run.as_mut().poll(&mut Context::from_waker(&waker));
        assert!(polled.is_pending());
        other.join().unwrap();
        assert!(run.changes_seen() == 1 || woken.0.load(Ordering::Relaxed) == 1);
    });
}

#[test]
fn who_sees_that_the_deadline_was_set_sees_the_deadline() {
    let now = Instant::now();
    loom::model(move || {
        let scope = CancelScope::new();
        let handle = scope.clone();
        let other = thread::spawn(move || handle.set_deadline(Some(now)));
        if scope.changes() > 0 {
            assert_eq!(scope.deadline(), Some(now));
        }
        other.join().unwrap();
    });
}

/// One more, in two steps: whoever comes in between, or has not seen the last one, spoils the sum.
fn touch(work: &AtomicUsize) -> usize {
    let touched = work.load(Ordering::Relaxed) + 1;
    work.store(touched, Ordering::Relaxed);
    touched
}

/// The shielded part has gone to another thread, where it ends.
#[test]
fn a_run_that_stops_waits_for_what_is_shielded_and_sees_what_it_did() {
    loom::model(|| {
        let scope = CancelScope::new();
        scope.cancel("enough");
        let work = Arc::new(AtomicUsize::new(0));
        let theirs = work.clone();
        let mut other = None;
        let run = scope.run(poll_fn(|_| {
            if other.is_none() {
                let work = theirs.clone();
                let mut part = Box::pin(CancelScope::shield(pending::<()>()));
                assert!(poll_once(part.as_mut()).is_pending());
                other = Some(thread::spawn(move || {
                    touch(&work);
                    drop(part);
                }));
            }
            Poll::<()>::Pending
        }));
        assert!(block_on(run).unwrap_err().is_cancelled());
        assert_eq!(touch(&work), 2, "the shielded part was not waited for");
        other.unwrap().join().unwrap();
    });
}

fn poll_once<F: Future>(future: Pin<&mut F>) -> Poll<F::Output> {
    future.poll(&mut Context::from_waker(Waker::noop()))
}

//! The models of a generator that goes from thread to thread.

use super::*;
use crate::sync_prim::{AtomicUsize, Ordering};
use loom::thread;
use std::sync::Arc;

#[test]
fn one_of_two_threads_runs_the_body() {
    loom::model(|| {
        let inside = Arc::new(AtomicUsize::new(0));
        let entered = inside.clone();
        let numbers = SendGenerator::new_send(async move |co: Yielder<usize, (), _>| {
            for n in 0..2 {
                assert_eq!(entered.fetch_add(1, Ordering::Relaxed), 0, "two at once");
                entered.fetch_sub(1, Ordering::Relaxed);
                co.yield_(n).await?;
            }
            Ok(())
        });
        let other = numbers.clone();
        let theirs = thread::spawn(move || other.next().ok());
        let ours = numbers.next().ok();
        match (ours, theirs.join().unwrap()) {
            (Some(0), None | Some(1)) | (None | Some(1), Some(0)) => {}
            got => panic!("{got:?}"),
        }
    });
}

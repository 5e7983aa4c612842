//! Tasks that only use ready operations, and a polite one beside them.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use filch::runtime::Runtime;
use filch::task::yield_now;

use super::common::{bounded, multi, single};

/// Operations in one poll.
pub(crate) const BUDGET: usize = 128;

/// Prepares and then runs so many ready operations in a task of a runtime without a second worker, beside a polite task
/// that counts its polls: it must have had its turn about once for each budget.
#[track_caller]
pub(crate) fn lets_others_run<F>(operations: usize, prepare: impl Fn() -> F + Send + Copy + 'static)
where
    F: Future<Output: Future<Output = ()> + Send> + Send + 'static,
{
    let turns = move |rt: Runtime| {
        rt.block_on(async move {
            let turns = Arc::new(AtomicUsize::new(0));
            let count = turns.clone();
            let polite = filch::spawn(async move {
                loop {
                    count.fetch_add(1, Ordering::SeqCst);
                    yield_now().await;
                }
            });
            let counted = filch::spawn(async move {
                let greedy = prepare().await;
                let before = turns.load(Ordering::SeqCst);
                greedy.await;
                turns.load(Ordering::SeqCst) - before
            });
            let turns = counted.await.unwrap();
            polite.abort();
            turns
        })
    };
    for (kind, rt) in [("one worker", multi(1)), ("current thread", single())] {
        let turns = bounded(move || turns(rt));
        let wanted = operations / BUDGET;
        // The first budget was used in part for what came before.
        let fair = wanted.saturating_sub(1)..=wanted + 1;
        assert!(
            fair.contains(&turns),
            "{kind}: {turns} turns in {operations} operations"
        );
    }
}

//! `join_set`: a task spawns 10,000 tasks into a `JoinSet` and joins them in the order in which they end.
//!
//! Each task returns its number; their sum is checked. The two sets are used by the same lines, by `sum_of_set`.
//! Not: many tasks that wait for long, nor a set that is polled while it grows. smol has nothing of the kind.

use std::future::Future;
use std::io;
use std::time::Duration;

use crate::engine::{Engine, Filch, Tokio};
use crate::problem::{Contestant, Wrong, expect, ns_each};

const TASKS: u64 = 10_000;

/// An engine with a `JoinSet`.
trait Sets: Engine {
    /// Runs the tasks in a set; the answer is the sum of what they return.
    fn sum() -> impl Future<Output = u64> + Send;
}

macro_rules! sum_of_set {
    ($engine:ty, $set:path) => {
        impl Sets for $engine {
            async fn sum() -> u64 {
                let mut set = <$set>::new();
                for number in 1..=TASKS {
                    set.spawn(async move { number });
                }
                let mut sum = 0;
                while let Some(number) = set.join_next().await {
                    sum += number.expect("a task of the problem panicked");
                }
                sum
            }
        }
    };
}

sum_of_set!(Filch, filch::task::JoinSet<u64>);
sum_of_set!(Tokio, tokio::task::JoinSet<u64>);

struct JoinSet<E>(E);

impl<E: Sets> Contestant for JoinSet<E> {
    fn round(&mut self, window: Duration) -> Result<f64, Wrong> {
        ns_each(window, || {
            let sum = self.0.run(E::sum());
            expect("the sum of all tasks", TASKS * (TASKS + 1) / 2, sum)?;
            Ok(TASKS)
        })
    }
}

/// As [`enter`](crate::problem::enter), for the engines that have a set.
pub(crate) fn enter_with_set(peer: &str, workers: usize) -> io::Result<Box<dyn Contestant>> {
    Ok(match peer {
        "filch" => Box::new(JoinSet(Filch::start(workers)?)),
        "tokio" => Box::new(JoinSet(Tokio::start(workers)?)),
        _ => return Err(io::Error::other(format!("{peer} has no `JoinSet`"))),
    })
}

//! Spawn tasks across the cores, and see which worker ran them; one of them panics, and only that one is lost.
//!
//! ```text
//! cargo run --release --example 02_spawn
//! ```

use std::collections::BTreeMap;

#[filch::main]
async fn main() {
    let tasks: Vec<_> = (0..64u64)
        .map(|n| {
            filch::spawn(async move {
                assert!(n != 13, "thirteen is bad luck");
                (worker(), count_primes_below(5_000 + n))
            })
        })
        .collect();

    let mut by_worker = BTreeMap::<String, u64>::new();
    for task in tasks {
        match task.await {
            Ok((worker, primes)) => {
                assert!(primes > 600);
                *by_worker.entry(worker).or_default() += 1;
            }
            Err(error) => println!("{error}"),
        }
    }
    for (worker, tasks) in by_worker {
        println!("{worker} ran {tasks} tasks");
    }
}

fn worker() -> String {
    std::thread::current().name().unwrap_or("?").to_owned()
}

fn count_primes_below(limit: u64) -> u64 {
    (2..limit)
        .filter(|n| (2..).take_while(|d| d * d <= *n).all(|d| n % d != 0))
        .count() as u64
}

//! A group of tasks: one fails, the others are told why and tidy up, and nobody outlives the group. Then a deadline.
//!
//! ```text
//! cargo run --release --example 06_groups
//! ```

use std::time::Duration;

use filch::task::{TaskGroup, cancel_reason, cancelled, with_grace};
use filch::time::{fail_after, sleep};

#[filch::main]
async fn main() {
    let mirrors = TaskGroup::scope(async |group| {
        for name in ["alpha", "beta", "gamma"] {
            group.spawn_named(name, with_grace(Duration::from_secs(1), download(name)));
        }
        Ok(())
    });
    // The group's error has every error and panic of its children.
    println!("{}", mirrors.await.unwrap_err());

    // At most 2 at a time, and whoever spawns waits with them.
    let squares = TaskGroup::<String>::builder()
        .limit(2)
        .scope(async |group| {
            let mut all = Vec::new();
            for n in 1..=5u32 {
                all.push(group.wait_spawn(async move { Ok(n * n) }).await);
            }
            let mut sum = 0;
            for square in all {
                sum += square.await.expect("no square fails");
            }
            Ok(sum)
        });
    println!("1 + 4 + 9 + 16 + 25 = {}", squares.await.unwrap());

    let slow = fail_after(Duration::from_millis(20), sleep(Duration::from_secs(60)));
    println!("{}", slow.await.unwrap_err());

    // Outside of tasks, a scope lends: its tasks borrow from this thread, which waits for them.
    let lent = std::thread::spawn(|| {
        let words = ["tasks", "may", "borrow", "here"];
        filch::task::scope(|scope| {
            let longest = scope.spawn(async { words.iter().max_by_key(|word| word.len()) });
            longest.join().unwrap().copied().unwrap()
        })
    });
    println!("the longest word is {:?}", lent.join().unwrap());
}

async fn download(name: &str) -> Result<(), String> {
    if name == "beta" {
        sleep(Duration::from_millis(10)).await;
        return Err("no such host".to_owned());
    }
    cancelled().await;
    println!(
        "{name} stops, since {}",
        cancel_reason().expect("it was asked").reason()
    );
    Ok(())
}

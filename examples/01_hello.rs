//! The smallest program: `#[filch::main]` starts a runtime and runs `main` on it.
//!
//! ```text
//! cargo run --example 01_hello
//! ```

#[filch::main]
async fn main() {
    let greeting = filch::spawn(async { format!("hello from {}", thread_name()) });
    println!("{} (main is {})", greeting.await.unwrap(), thread_name());
}

fn thread_name() -> String {
    std::thread::current()
        .name()
        .unwrap_or("a thread")
        .to_owned()
}

//! Messages from many tasks to many, each message to one receiver.
//!
//! As [`mpsc`](super::mpsc) with receivers that can be cloned: a queue of work for several tasks. Messages are received in
//! the order in which they were sent. Among the tasks that wait, whoever comes first gets the next: a busy receiver may
//! be served again before one that waits.
//!
//! # Source
//! `async-channel`; Go's channels. tokio has none.
//!
//! # Examples
//! ```
//! use filch::sync::mpmc;
//!
//! # filch::block_on(async {
//! let (tx, rx) = mpmc::channel(8);
//! let workers: Vec<_> = (0..3)
//!     .map(|_| {
//!         let rx = rx.clone();
//!         filch::spawn(async move {
//!             let mut sum = 0;
//!             while let Some(n) = rx.recv().await {
//!                 sum += n;
//!             }
//!             sum
//!         })
//!     })
//!     .collect();
//! for n in 1..=100 {
//!     tx.send(n).await.unwrap();
//! }
//! drop(tx);
//! let mut sum = 0;
//! for worker in workers {
//!     sum += worker.await.unwrap();
//! }
//! assert_eq!(sum, 5050);
//! # });
//! ```

mod chan;
pub mod error;
mod receiver;
mod sender;

use std::sync::Arc;

use self::chan::Chan;
pub use self::receiver::Receiver;
pub use self::sender::Sender;

/// A channel with room for so many messages that were not received.
///
/// # Panics
/// If `capacity` is 0.
///
/// # Examples
/// ```
/// let (tx, rx) = filch::sync::mpmc::channel(1);
/// tx.try_send(1).unwrap();
/// assert!(tx.try_send(2).is_err());
/// assert_eq!(rx.try_recv(), Ok(1));
/// ```
#[track_caller]
pub fn channel<T>(capacity: usize) -> (Sender<T>, Receiver<T>) {
    assert!(capacity > 0, "mpmc bounded channel requires capacity > 0");
    ends(Some(capacity))
}

/// A channel without a bound: sending never waits, and receivers that are too slow fill the memory.
///
/// # Examples
/// ```
/// let (tx, rx) = filch::sync::mpmc::unbounded_channel();
/// tx.try_send(1).unwrap();
/// assert_eq!(rx.try_recv(), Ok(1));
/// ```
pub fn unbounded_channel<T>() -> (Sender<T>, Receiver<T>) {
    ends(None)
}

fn ends<T>(bound: Option<usize>) -> (Sender<T>, Receiver<T>) {
    let chan: Arc<Chan<T>> = Chan::new(bound);
    (Sender::first(chan.clone()), Receiver::first(chan))
}

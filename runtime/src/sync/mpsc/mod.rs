//! Messages from many tasks to one.
//!
//! [`channel`] is bounded: a sender waits while as many messages as its capacity have not been received, and senders get
//! capacity in the order in which they asked. [`unbounded_channel`] never makes a sender wait.
//!
//! The stream of messages ends when every sender is gone, or after [`Receiver::close`]; what was sent before is received.
//! When the receiver is gone, sending fails and gives the message back.
//!
//! Outside a runtime use `blocking_send` and `blocking_recv`; the other methods work on any executor.
//!
//! # Source
//! `tokio::sync::mpsc`.
//!
//! # Examples
//! ```
//! use filch::sync::mpsc;
//!
//! # filch::block_on(async {
//! let (tx, mut rx) = mpsc::channel(4);
//! for worker in 0..3 {
//!     let tx = tx.clone();
//!     filch::spawn(async move { tx.send(worker).await });
//! }
//! drop(tx);
//! let mut sum = 0;
//! while let Some(worker) = rx.recv().await {
//!     sum += worker;
//! }
//! assert_eq!(sum, 3);
//! # });
//! ```

mod acquire;
mod chan;
pub mod error;
#[cfg(all(test, filch_loom))]
mod model;
mod permit;
mod receiver;
mod rx;
mod sender;
mod unbounded;
mod weak;

use chan::{Chan, MAX_PERMITS, Tx};

pub use permit::{OwnedPermit, Permit, PermitIterator};
pub use receiver::Receiver;
pub use sender::Sender;
pub use unbounded::{UnboundedReceiver, UnboundedSender, unbounded_channel};
pub use weak::{WeakSender, WeakUnboundedSender};

/// A channel with room for so many messages that were not received.
///
/// # Panics
/// If `buffer` is 0, or more than `usize::MAX >> 3`.
///
/// # Source
/// `tokio::sync::mpsc::channel`.
///
/// # Examples
/// ```
/// # filch::block_on(async {
/// let (tx, mut rx) = filch::sync::mpsc::channel(1);
/// filch::spawn(async move {
///     for n in 0..10 {
///         tx.send(n).await.unwrap();
///     }
/// });
/// let mut sum = 0;
/// while let Some(n) = rx.recv().await {
///     sum += n;
/// }
/// assert_eq!(sum, 45);
/// # });
/// ```
#[track_caller]
pub fn channel<T>(buffer: usize) -> (Sender<T>, Receiver<T>) {
    assert!(buffer > 0, "mpsc bounded channel requires buffer > 0");
    assert!(
        buffer <= MAX_PERMITS,
        "a channel may not have room for more than {MAX_PERMITS} messages, this one would for {buffer}"
    );
    let chan = Chan::new(buffer);
    let rx = Receiver::new(chan.clone());
    (
        Sender {
            chan: Tx::first(chan),
        },
        rx,
    )
}

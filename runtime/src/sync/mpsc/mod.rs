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

pub use permit::{OwnedPermit, Permit, PermitIterator};
pub use receiver::Receiver;
pub use sender::{Sender, channel};
pub use unbounded::{UnboundedReceiver, UnboundedSender, WeakUnboundedSender, unbounded_channel};
pub use weak::WeakSender;

//! Why there is no value.

use std::fmt;

/// The sender was dropped without a value: what awaiting a [`Receiver`](super::Receiver) gives then.
///
/// # Source
/// `tokio::sync::oneshot::error::RecvError`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecvError(pub(super) ());

/// What [`Receiver::try_recv`](super::Receiver::try_recv) gives without a value.
///
/// # Source
/// `tokio::sync::oneshot::error::TryRecvError`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TryRecvError {
    /// Not yet.
    Empty,
    /// There is none, and there will be none.
    Closed,
}

impl fmt::Display for RecvError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("channel closed")
    }
}

impl std::error::Error for RecvError {}

impl fmt::Display for TryRecvError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            TryRecvError::Empty => "channel empty",
            TryRecvError::Closed => "channel closed",
        })
    }
}

impl std::error::Error for TryRecvError {}

//! Why a message was not sent, or not received.

use std::fmt;

/// There is no receiver; the message comes back.
///
/// # Source
/// `tokio::sync::broadcast::error::SendError`.
#[derive(Debug)]
pub struct SendError<T>(pub T);

/// What [`Receiver::recv`](super::Receiver::recv) gives without a message.
///
/// # Source
/// `tokio::sync::broadcast::error::RecvError`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RecvError {
    /// Every sender is gone, and everything was received.
    Closed,
    /// The receiver was too slow: so many messages were overwritten. The next call gives the oldest that is there.
    Lagged(u64),
}

/// What [`Receiver::try_recv`](super::Receiver::try_recv) gives without a message.
///
/// # Source
/// `tokio::sync::broadcast::error::TryRecvError`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TryRecvError {
    /// Not yet.
    Empty,
    /// Every sender is gone, and everything was received.
    Closed,
    /// The receiver was too slow: so many messages were overwritten. The next call gives the oldest that is there.
    Lagged(u64),
}

impl<T> fmt::Display for SendError<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("channel closed")
    }
}

impl fmt::Display for RecvError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            RecvError::Closed => f.write_str("channel closed"),
            RecvError::Lagged(missed) => write!(f, "channel lagged by {missed}"),
        }
    }
}

impl fmt::Display for TryRecvError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            TryRecvError::Empty => f.write_str("channel empty"),
            TryRecvError::Closed => f.write_str("channel closed"),
            TryRecvError::Lagged(missed) => write!(f, "channel lagged by {missed}"),
        }
    }
}

impl<T: fmt::Debug> std::error::Error for SendError<T> {}
impl std::error::Error for RecvError {}
impl std::error::Error for TryRecvError {}

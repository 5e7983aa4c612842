//! Why a message was not sent, or not received: as for [`mpsc`](crate::sync::mpsc).

pub use crate::sync::mpsc::error::{SendError, SendTimeoutError, TryRecvError, TrySendError};

//! The parts of TCP that are not named in the crate's root: the halves of a stream.
//!
//! [`TcpStream::split`](crate::TcpStream::split) lends two halves, free of cost, for as long as the stream is borrowed;
//! [`TcpStream::into_split`](crate::TcpStream::into_split) gives two that own it together, for two tasks.

mod syscalls;

pub(crate) mod listener;
pub(crate) mod socket;
pub(crate) mod stream;

mod options;
mod ready;
mod split;
mod split_owned;
mod traits;

pub use split::{ReadHalf, WriteHalf};
pub use split_owned::{OwnedReadHalf, OwnedWriteHalf, ReuniteError};

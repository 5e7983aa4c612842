//! The halves that [`TcpStream::split`] lends: two references, one for each direction.
//!
//! Promise: at most one [`ReadHalf`] and one [`WriteHalf`] of a stream are about (the split borrows it mutably), so that each
//! poll slot has one user. What else a half can do, its stream does, reached through [`AsRef`].

use std::io::{self, IoSlice, IoSliceMut};
use std::net::SocketAddr;
#[cfg(feature = "tokio-io")]
use std::task::{Context, Poll};

use filch_runtime::io::{Interest, Ready};

use super::stream::TcpStream;

/// The reading direction of a borrowed stream, from [`TcpStream::split`].
///
/// # Source
/// `tokio::net::tcp::ReadHalf`.
///
/// # Examples
/// See [`TcpStream::split`].
#[derive(Debug)]
pub struct ReadHalf<'a>(&'a TcpStream);

/// The writing direction of a borrowed stream, from [`TcpStream::split`].
///
/// Shutting it down ends the writing direction; dropping it does nothing.
///
/// # Source
/// `tokio::net::tcp::WriteHalf`.
///
/// # Examples
/// See [`TcpStream::split`].
#[derive(Debug)]
pub struct WriteHalf<'a>(&'a TcpStream);

pub(super) fn split(stream: &mut TcpStream) -> (ReadHalf<'_>, WriteHalf<'_>) {
    (ReadHalf(stream), WriteHalf(stream))
}

/// What both kinds of reading halves can do, each by its stream; `$self` is `AsRef<TcpStream>`.
macro_rules! read_half {
    ($half:ty) => {
        impl $half {
            /// [`TcpStream::peek`].
            ///
            /// # Errors
            /// As there.
            /// # Cancel safety
            /// Safe, as there.
            pub async fn peek(&mut self, buf: &mut [u8]) -> io::Result<usize> {
                self.as_ref().peek(buf).await
            }

            /// [`TcpStream::poll_peek`].
            ///
            /// # Errors
            /// As there.
            #[cfg(feature = "tokio-io")]
            pub fn poll_peek(
                &mut self,
                cx: &mut Context<'_>,
                buf: &mut tokio::io::ReadBuf<'_>,
            ) -> Poll<io::Result<usize>> {
                self.as_ref().poll_peek(cx, buf)
            }

            /// [`TcpStream::ready`].
            ///
            /// # Errors
            /// As there.
            /// # Cancel safety
            /// Safe, as there.
            pub async fn ready(&self, interest: Interest) -> io::Result<Ready> {
                self.as_ref().ready(interest).await
            }

            /// [`TcpStream::readable`].
            ///
            /// # Errors
            /// As there.
            /// # Cancel safety
            /// Safe, as there.
            pub async fn readable(&self) -> io::Result<()> {
                self.as_ref().readable().await
            }

            /// [`TcpStream::try_read`].
            ///
            /// # Errors
            /// As there.
            pub fn try_read(&self, buf: &mut [u8]) -> io::Result<usize> {
                self.as_ref().try_read(buf)
            }

            /// [`TcpStream::try_read_vectored`].
            ///
            /// # Errors
            /// As there.
            pub fn try_read_vectored(&self, bufs: &mut [IoSliceMut<'_>]) -> io::Result<usize> {
                self.as_ref().try_read_vectored(bufs)
            }

            /// [`TcpStream::try_read_buf`].
            ///
            /// # Errors
            /// As there.
            #[cfg(feature = "tokio-io")]
            pub fn try_read_buf<B: bytes::BufMut>(&self, buf: &mut B) -> io::Result<usize> {
                self.as_ref().try_read_buf(buf)
            }
        }
        both_halves!($half);
    };
}

/// What both kinds of writing halves can do, each by its stream.
macro_rules! write_half {
    ($half:ty) => {
        impl $half {
            /// [`TcpStream::ready`].
            ///
            /// # Errors
            /// As there.
            /// # Cancel safety
            /// Safe, as there.
            pub async fn ready(&self, interest: Interest) -> io::Result<Ready> {
                self.as_ref().ready(interest).await
            }

            /// [`TcpStream::writable`].
            ///
            /// # Errors
            /// As there.
            /// # Cancel safety
            /// Safe, as there.
            pub async fn writable(&self) -> io::Result<()> {
                self.as_ref().writable().await
            }

            /// [`TcpStream::try_write`].
            ///
            /// # Errors
            /// As there.
            pub fn try_write(&self, buf: &[u8]) -> io::Result<usize> {
                self.as_ref().try_write(buf)
            }

            /// [`TcpStream::try_write_vectored`].
            ///
            /// # Errors
            /// As there.
            pub fn try_write_vectored(&self, bufs: &[IoSlice<'_>]) -> io::Result<usize> {
                self.as_ref().try_write_vectored(bufs)
            }
        }
        both_halves!($half);
    };
}

/// What every half can do.
macro_rules! both_halves {
    ($half:ty) => {
        impl $half {
            /// [`TcpStream::peer_addr`].
            ///
            /// # Errors
            /// As there.
            pub fn peer_addr(&self) -> io::Result<SocketAddr> {
                self.as_ref().peer_addr()
            }

            /// [`TcpStream::local_addr`].
            ///
            /// # Errors
            /// As there.
            pub fn local_addr(&self) -> io::Result<SocketAddr> {
                self.as_ref().local_addr()
            }
        }
    };
}

read_half!(ReadHalf<'_>);
write_half!(WriteHalf<'_>);
read_half!(super::split_owned::OwnedReadHalf);
write_half!(super::split_owned::OwnedWriteHalf);

impl WriteHalf<'_> {
    pub(super) fn shutdown_write(&mut self) -> io::Result<()> {
        self.0.shutdown_write()
    }
}

impl AsRef<TcpStream> for ReadHalf<'_> {
    fn as_ref(&self) -> &TcpStream {
        self.0
    }
}

impl AsRef<TcpStream> for WriteHalf<'_> {
    fn as_ref(&self) -> &TcpStream {
        self.0
    }
}

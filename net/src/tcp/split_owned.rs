//! The halves that own a stream together: the socket closes when both are gone.
//!
//! Promise: at most one [`OwnedReadHalf`] and one [`OwnedWriteHalf`] of a stream exist (neither can be cloned), so that each poll
//! slot has one user, and the two are all that holds the stream: reunited, they give it back whole.
//! The methods they share with the borrowed halves are in `split`.

use std::error::Error;
use std::fmt;
use std::io;
use std::sync::Arc;

use super::stream::TcpStream;

/// The reading direction of a stream, from [`TcpStream::into_split`].
///
/// Dropping it closes nothing as long as the writing half lives.
///
/// # Source
/// `tokio::net::tcp::OwnedReadHalf`.
///
/// # Examples
/// See [`TcpStream::into_split`].
#[derive(Debug)]
pub struct OwnedReadHalf {
    stream: Arc<TcpStream>,
}

/// The writing direction of a stream, from [`TcpStream::into_split`].
///
/// Dropping it shuts the writing direction down, so that the other side reads the end; [`forget`](Self::forget) does not.
///
/// # Source
/// `tokio::net::tcp::OwnedWriteHalf`.
///
/// # Examples
/// See [`TcpStream::into_split`].
#[derive(Debug)]
pub struct OwnedWriteHalf {
    stream: Arc<TcpStream>,
    /// The writing direction is open and ours to end.
    shutdown_on_drop: bool,
}

pub(super) fn split_owned(stream: TcpStream) -> (OwnedReadHalf, OwnedWriteHalf) {
    let stream = Arc::new(stream);
    let write = OwnedWriteHalf {
        stream: stream.clone(),
        shutdown_on_drop: true,
    };
    (OwnedReadHalf { stream }, write)
}

impl OwnedReadHalf {
    /// Makes the stream whole again.
    ///
    /// # Errors
    /// [`ReuniteError`], with both halves: they are not of the same stream.
    /// # Source
    /// `tokio::net::tcp::OwnedReadHalf::reunite`.
    /// # Examples
    /// ```
    /// # filch::block_on(async {
    /// # let listener = filch::net::TcpListener::bind("127.0.0.1:0").await?;
    /// # let stream = filch::net::TcpStream::connect(listener.local_addr()?).await?;
    /// # let other = filch::net::TcpStream::connect(listener.local_addr()?).await?;
    /// let (read, write) = stream.into_split();
    /// let stream: filch::net::TcpStream = read.reunite(write).unwrap();
    ///
    /// let ((read, _write), (_read, write)) = (stream.into_split(), other.into_split());
    /// assert!(read.reunite(write).is_err());
    /// # std::io::Result::Ok(()) }).unwrap();
    /// ```
    pub fn reunite(self, other: OwnedWriteHalf) -> Result<TcpStream, ReuniteError> {
        if !Arc::ptr_eq(&self.stream, &other.stream) {
            return Err(ReuniteError(self, other));
        }
        other.forget();
        Ok(Arc::into_inner(self.stream).expect("the two halves were all that held the stream"))
    }
}

impl OwnedWriteHalf {
    /// Makes the stream whole again; see [`OwnedReadHalf::reunite`].
    ///
    /// # Errors
    /// As there.
    pub fn reunite(self, other: OwnedReadHalf) -> Result<TcpStream, ReuniteError> {
        other.reunite(self)
    }

    /// Drops the half without ending the writing direction, which then stays open as long as the reading half lives.
    ///
    /// # Source
    /// `tokio::net::tcp::OwnedWriteHalf::forget`.
    /// # Examples
    /// ```
    /// # filch::block_on(async {
    /// # let listener = filch::net::TcpListener::bind("127.0.0.1:0").await?;
    /// # let stream = filch::net::TcpStream::connect(listener.local_addr()?).await?;
    /// # let (server, _) = listener.accept().await?;
    /// let (_read, write) = stream.into_split();
    /// write.forget();
    /// let nothing = server.try_read(&mut [0; 8]).unwrap_err();   // no end to read
    /// assert_eq!(nothing.kind(), std::io::ErrorKind::WouldBlock);
    /// # std::io::Result::Ok(()) }).unwrap();
    /// ```
    pub fn forget(mut self) {
        self.shutdown_on_drop = false;
    }

    pub(super) fn shutdown_write(&mut self) -> io::Result<()> {
        self.stream.shutdown_write()?;
        self.shutdown_on_drop = false;
        Ok(())
    }
}

impl Drop for OwnedWriteHalf {
    fn drop(&mut self) {
        if self.shutdown_on_drop {
            // Nobody is left to hear an error.
            let _ = self.stream.shutdown_write();
        }
    }
}

impl AsRef<TcpStream> for OwnedReadHalf {
    fn as_ref(&self) -> &TcpStream {
        &self.stream
    }
}

impl AsRef<TcpStream> for OwnedWriteHalf {
    fn as_ref(&self) -> &TcpStream {
        &self.stream
    }
}

/// Two halves that were to be reunited are not of the same stream. Holds both of them.
///
/// # Source
/// `tokio::net::tcp::ReuniteError`.
///
/// # Examples
/// See [`OwnedReadHalf::reunite`].
#[derive(Debug)]
pub struct ReuniteError(pub OwnedReadHalf, pub OwnedWriteHalf);

impl fmt::Display for ReuniteError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("tried to reunite halves of different TCP streams")
    }
}

impl Error for ReuniteError {}

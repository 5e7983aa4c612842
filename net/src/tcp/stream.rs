//! A TCP connection: how it comes to be, how it becomes std's and back, and its bytes.
//!
//! Every operation is tried first and waits only if the kernel says it would block. Two kinds of waiting:
//! - the `poll_*` methods and the I/O traits built on them wait in the *poll slot* of their direction, which holds one
//!   task (the last to ask); that is why the traits take `&mut` of a stream or of a half;
//! - `async fn(&self)` methods wait by as many tasks as like.

use std::fmt;
use std::io::{self, IoSlice, IoSliceMut, Read, Write};
use std::net::{Shutdown, SocketAddr};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};
use std::task::{Context, Poll};

use filch_runtime::io::{Direction, Interest, Source};
use socket2::{Domain, Socket};

use super::split::{self, ReadHalf, WriteHalf};
use super::split_owned::{self, OwnedReadHalf, OwnedWriteHalf};
use super::syscalls;
use crate::addr::{self, ToSocketAddrs};

/// A TCP connection.
///
/// Reads and writes through [`AsyncRead`](futures_io::AsyncRead) and [`AsyncWrite`](futures_io::AsyncWrite), of `tokio::io`
/// or of `futures_io`; import the `Ext` trait of one family. Dropping it closes the connection in both directions; shutting
/// down the writer (`shutdown` of tokio's trait, `close` of futures') says "no more from me" and leaves reading open.
///
/// The methods with `&self` may be used from many tasks at once. To read in one task and write in another, see
/// [`into_split`](Self::into_split).
///
/// # Source
/// `tokio::net::TcpStream`.
///
/// # Examples
/// ```
/// use filch::io::{AsyncReadExt, AsyncWriteExt};
///
/// # filch::block_on(async {
/// # let listener = filch::net::TcpListener::bind("127.0.0.1:0").await?;
/// # let addr = listener.local_addr()?;
/// # filch::spawn(async move {
/// #     let (mut stream, _) = listener.accept().await.unwrap();
/// #     let (mut read, mut write) = stream.split();
/// #     filch::io::copy(&mut read, &mut write).await.unwrap();
/// # });
/// let mut stream = filch::net::TcpStream::connect(addr).await?;   // an echo server
/// stream.write_all(b"hello").await?;
/// stream.shutdown().await?;
/// let mut answer = String::new();
/// stream.read_to_string(&mut answer).await?;
/// assert_eq!(answer, "hello");
/// # std::io::Result::Ok(()) }).unwrap();
/// ```
pub struct TcpStream {
    pub(super) source: Source<std::net::TcpStream>,
}

/// How it comes to be, and what it becomes.
impl TcpStream {
    /// Connects to `addr`; if it stands for several addresses, to the first that answers, in turn.
    ///
    /// There is no limit of time but the kernel's (minutes); put `filch::time::timeout` around it for another.
    /// To set up the socket first, see [`TcpSocket`](crate::TcpSocket).
    ///
    /// # Errors
    /// That of the last address tried (refused, unreachable, timed out); those of [`lookup_host`](crate::lookup_host);
    /// [`InvalidInput`](io::ErrorKind::InvalidInput) if the name stands for no address.
    /// # Panics
    /// If awaited outside a runtime.
    /// # Cancel safety
    /// Safe. Dropping the future gives the attempt up and closes the socket.
    /// # Source
    /// `tokio::net::TcpStream::connect`. One difference: readiness alone does not count as connected, a peer's address does
    /// (readiness may be spurious).
    /// # Examples
    /// ```
    /// # filch::block_on(async {
    /// # let listener = filch::net::TcpListener::bind("127.0.0.1:0").await?;
    /// # let addr = listener.local_addr()?;
    /// let stream = filch::net::TcpStream::connect(addr).await?;
    /// assert_eq!(stream.peer_addr()?, addr);
    /// # std::io::Result::Ok(()) }).unwrap();
    /// ```
    pub async fn connect<A: ToSocketAddrs>(addr: A) -> io::Result<TcpStream> {
        let mut last = None;
        for addr in addr::resolve(addr).await? {
            let attempt = match syscalls::tcp_socket(Domain::for_address(addr)) {
                Ok(socket) => TcpStream::connect_socket(socket, addr).await,
                Err(error) => Err(error),
            };
            match attempt {
                Ok(stream) => return Ok(stream),
                Err(error) => last = Some(error),
            }
        }
        Err(last.unwrap_or_else(addr::no_address))
    }

    /// Connects this socket. The attempt begins before the socket is registered: the reactor would report one that has
    /// not begun as hung up. Waits for room to write even if the connection stands at once, so that the stream is
    /// believed writable from the start.
    pub(super) async fn connect_socket(socket: Socket, addr: SocketAddr) -> io::Result<TcpStream> {
        syscalls::connect(&socket, addr)?;
        let stream = TcpStream::register(socket.into())?;
        let attempt = stream
            .source
            .async_io(Interest::WRITABLE, syscalls::established);
        attempt.await?;
        Ok(stream)
    }

    /// `stream` must be non-blocking.
    #[track_caller]
    pub(super) fn register(stream: std::net::TcpStream) -> io::Result<TcpStream> {
        let source = Source::owning(stream)?;
        Ok(TcpStream { source })
    }

    /// Takes over a stream of std, which must be non-blocking already.
    ///
    /// # Errors
    /// If the reactor cannot take it (no memory, too many watches).
    /// # Panics
    /// Outside a runtime. If the stream is blocking, in builds with debug assertions; in others such a stream blocks the
    /// worker that reads it.
    /// # Source
    /// `tokio::net::TcpStream::from_std`.
    /// # Examples
    /// ```
    /// # filch::block_on(async {
    /// # let listener = filch::net::TcpListener::bind("127.0.0.1:0").await?;
    /// let stream = std::net::TcpStream::connect(listener.local_addr()?)?;
    /// stream.set_nonblocking(true)?;
    /// let stream = filch::net::TcpStream::from_std(stream)?;
    /// # std::io::Result::Ok(()) }).unwrap();
    /// ```
    #[track_caller]
    pub fn from_std(stream: std::net::TcpStream) -> io::Result<TcpStream> {
        syscalls::check_nonblocking(&stream)?;
        TcpStream::register(stream)
    }

    /// Gives the stream back to std. It stays non-blocking: `set_nonblocking(false)` changes that.
    ///
    /// # Errors
    /// None today; a `Result` as in tokio.
    /// # Source
    /// `tokio::net::TcpStream::into_std`.
    /// # Examples
    /// ```
    /// # filch::block_on(async {
    /// # let listener = filch::net::TcpListener::bind("127.0.0.1:0").await?;
    /// # let addr = listener.local_addr()?;
    /// let stream = filch::net::TcpStream::connect(addr).await?.into_std()?;
    /// stream.set_nonblocking(false)?;
    /// assert_eq!(stream.peer_addr()?, addr);
    /// # std::io::Result::Ok(()) }).unwrap();
    /// ```
    pub fn into_std(self) -> io::Result<std::net::TcpStream> {
        Ok(self.source.into_inner())
    }

    /// Lends the two directions as two halves, for use at once in one task.
    ///
    /// # Source
    /// `tokio::net::TcpStream::split`. Free of cost; for two tasks see [`into_split`](Self::into_split).
    /// # Examples
    /// ```
    /// use filch::io::AsyncWriteExt;
    ///
    /// # filch::block_on(async {
    /// # let listener = filch::net::TcpListener::bind("127.0.0.1:0").await?;
    /// let mut client = filch::net::TcpStream::connect(listener.local_addr()?).await?;
    /// let (mut server, _) = listener.accept().await?;
    /// client.write_all(b"hello").await?;
    /// client.shutdown().await?;
    ///
    /// let (mut read, mut write) = server.split();
    /// assert_eq!(filch::io::copy(&mut read, &mut write).await?, 5);
    /// # std::io::Result::Ok(()) }).unwrap();
    /// ```
    pub fn split(&mut self) -> (ReadHalf<'_>, WriteHalf<'_>) {
        split::split(self)
    }

    /// Parts the stream into two halves that own it together, for two tasks.
    ///
    /// Dropping the writing half shuts the writing direction down, unless it is [forgotten](OwnedWriteHalf::forget);
    /// [`reunite`](OwnedReadHalf::reunite) makes the stream whole again.
    ///
    /// # Source
    /// `tokio::net::TcpStream::into_split`. One allocation, for the pair.
    /// # Examples
    /// ```
    /// use filch::io::{AsyncReadExt, AsyncWriteExt};
    ///
    /// # filch::block_on(async {
    /// # let listener = filch::net::TcpListener::bind("127.0.0.1:0").await?;
    /// # let client = filch::net::TcpStream::connect(listener.local_addr()?).await?;
    /// # let (mut server, _) = listener.accept().await?;
    /// let (mut read, mut write) = client.into_split();
    /// let asking = filch::spawn(async move { write.write_all(b"hello").await });
    /// # let mut word = [0; 5];
    /// # server.read_exact(&mut word).await?;
    /// # server.write_all(&word).await?;
    /// let mut answer = [0; 5];
    /// read.read_exact(&mut answer).await?;
    /// asking.await.unwrap()?;
    /// # std::io::Result::Ok(()) }).unwrap();
    /// ```
    pub fn into_split(self) -> (OwnedReadHalf, OwnedWriteHalf) {
        split_owned::split_owned(self)
    }
}

/// Looking at bytes without taking them.
impl TcpStream {
    /// Waits for bytes and copies them into `buf`, but leaves them in the stream. Returns how many; 0 says the other side
    /// has ended its writing (or `buf` is empty).
    ///
    /// # Errors
    /// Those of the connection, such as [`ConnectionReset`](io::ErrorKind::ConnectionReset).
    /// # Cancel safety
    /// Safe: nothing is ever taken.
    /// # Source
    /// `tokio::net::TcpStream::peek`.
    /// # Examples
    /// ```
    /// use filch::io::{AsyncReadExt, AsyncWriteExt};
    ///
    /// # filch::block_on(async {
    /// # let listener = filch::net::TcpListener::bind("127.0.0.1:0").await?;
    /// # let mut client = filch::net::TcpStream::connect(listener.local_addr()?).await?;
    /// # let (mut server, _) = listener.accept().await?;
    /// client.write_all(b"G").await?;
    /// let mut first = [0];
    /// server.peek(&mut first).await?;
    /// assert_eq!(first, *b"G");
    /// assert_eq!(server.read_u8().await?, b'G');
    /// # std::io::Result::Ok(()) }).unwrap();
    /// ```
    pub async fn peek(&self, buf: &mut [u8]) -> io::Result<usize> {
        self.source
            .async_io(Interest::READABLE, |io| io.peek(buf))
            .await
    }

    /// As [`peek`](Self::peek), into a [`ReadBuf`](tokio::io::ReadBuf), waiting in the read slot: only the last task to
    /// poll is woken.
    ///
    /// # Errors
    /// As [`peek`](Self::peek).
    /// # Source
    /// `tokio::net::TcpStream::poll_peek`.
    /// # Examples
    /// ```
    /// use filch::io::{AsyncWriteExt, ReadBuf};
    ///
    /// # filch::block_on(async {
    /// # let listener = filch::net::TcpListener::bind("127.0.0.1:0").await?;
    /// # let mut client = filch::net::TcpStream::connect(listener.local_addr()?).await?;
    /// # let (server, _) = listener.accept().await?;
    /// client.write_all(b"G").await?;
    /// let mut space = [0; 8];
    /// let mut buf = ReadBuf::new(&mut space);
    /// std::future::poll_fn(|cx| server.poll_peek(cx, &mut buf)).await?;
    /// assert_eq!(buf.filled(), b"G");
    /// # std::io::Result::Ok(()) }).unwrap();
    /// ```
    #[cfg(feature = "tokio-io")]
    pub fn poll_peek(
        &self,
        cx: &mut Context<'_>,
        buf: &mut tokio::io::ReadBuf<'_>,
    ) -> Poll<io::Result<usize>> {
        let flags = rustix::net::RecvFlags::PEEK;
        // Not `poll_transfer`: a short peek leaves its bytes behind, so it is no sign that the stream is dry.
        self.source.poll_io(cx, Direction::Read, |io| {
            crate::read_buf::receive(io, buf, flags)
        })
    }
}

/// The most slices one vectored call hands to the kernel: IOV_MAX of Linux, macOS and the BSDs. Unit: slices.
///
/// std cuts a longer list to the same length, silently; cut here, the rest is not taken for a short transfer, which would
/// wait for a readiness that nobody announces.
pub(super) const MOST_SLICES: usize = 1024;

/// What the I/O traits of streams and halves are made of. All wait in the poll slot of their direction.
impl TcpStream {
    #[cfg(feature = "tokio-io")]
    pub(super) fn poll_read_buf(
        &self,
        cx: &mut Context<'_>,
        buf: &mut tokio::io::ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let flags = rustix::net::RecvFlags::empty();
        self.source
            .poll_transfer(cx, Direction::Read, buf.remaining(), |io| {
                crate::read_buf::receive(io, buf, flags)
            })
            .map_ok(drop)
    }

    pub(super) fn poll_read_slice(
        &self,
        cx: &mut Context<'_>,
        buf: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        self.source
            .poll_transfer(cx, Direction::Read, buf.len(), |mut io| io.read(buf))
    }

    pub(super) fn poll_read_slices(
        &self,
        cx: &mut Context<'_>,
        bufs: &mut [IoSliceMut<'_>],
    ) -> Poll<io::Result<usize>> {
        let most = bufs.len().min(MOST_SLICES);
        let bufs = &mut bufs[..most];
        let wanted = bufs.iter().map(|buf| buf.len()).sum();
        self.source
            .poll_transfer(cx, Direction::Read, wanted, |mut io| io.read_vectored(bufs))
    }

    pub(crate) fn poll_write_slice(
        &self,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.source
            .poll_transfer(cx, Direction::Write, buf.len(), |io| {
                syscalls::send(io, buf)
            })
    }

    pub(super) fn poll_write_slices(
        &self,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let bufs = &bufs[..bufs.len().min(MOST_SLICES)];
        let wanted = bufs.iter().map(|buf| buf.len()).sum();
        self.source
            .poll_transfer(cx, Direction::Write, wanted, |mut io| {
                io.write_vectored(bufs)
            })
    }

    /// Receives into the room that `into` has behind its bytes, and adds what came to them.
    pub(crate) fn poll_receive(
        &self,
        cx: &mut Context<'_>,
        into: &mut Vec<u8>,
    ) -> Poll<io::Result<usize>> {
        let room = into.capacity() - into.len();
        self.source.poll_transfer(cx, Direction::Read, room, |io| {
            let flags = rustix::net::RecvFlags::empty();
            let (_, came) = rustix::net::recv(io, rustix::buffer::spare_capacity(into), flags)?;
            Ok(came)
        })
    }

    /// Sends what there is room for, without waiting.
    pub(crate) fn try_send(&self, bytes: &[u8]) -> io::Result<usize> {
        self.source
            .try_io(Interest::WRITABLE, |io| syscalls::send(io, bytes))
    }

    /// Ends both directions, unless the connection is gone already.
    pub(crate) fn shutdown_both(&self) {
        let _gone_already = self.source.get_ref().shutdown(Shutdown::Both);
    }

    /// Ends the writing direction; that the connection is gone already is no error, nothing is left to end.
    pub(crate) fn shutdown_write(&self) -> io::Result<()> {
        match self.source.get_ref().shutdown(Shutdown::Write) {
            Err(error) if error.kind() == io::ErrorKind::NotConnected => Ok(()),
            result => result,
        }
    }
}

impl TryFrom<std::net::TcpStream> for TcpStream {
    type Error = io::Error;

    /// [`TcpStream::from_std`].
    #[track_caller]
    fn try_from(stream: std::net::TcpStream) -> io::Result<TcpStream> {
        TcpStream::from_std(stream)
    }
}

impl AsRef<TcpStream> for TcpStream {
    fn as_ref(&self) -> &TcpStream {
        self
    }
}

impl AsFd for TcpStream {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.source.get_ref().as_fd()
    }
}

impl AsRawFd for TcpStream {
    fn as_raw_fd(&self) -> RawFd {
        self.source.get_ref().as_raw_fd()
    }
}

impl fmt::Debug for TcpStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.source.get_ref().fmt(f)
    }
}

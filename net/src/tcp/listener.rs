//! A socket that others connect to: bind, and accept one connection after the other.
//!
//! Promise: a connection that waits in the kernel's queue is never forgotten. Its arrival is announced once
//! (edge-triggered); the listener counts as ready from then on, until an accept finds the queue empty (`WouldBlock`).
//! Any other error, such as "too many open files", leaves it ready: the next accept tries again at once.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};
use std::task::{Context, Poll, ready};

use filch_runtime::io::{Direction, Interest, Source};
use socket2::Domain;

use super::socket::TcpSocket;
use super::stream::TcpStream;
use super::syscalls;
use crate::addr::{self, ToSocketAddrs};

/// How many connections may wait to be accepted, as [`TcpListener::bind`] asks for it. Unit: connections; the
/// system's own limit (Linux: `net.core.somaxconn`) cuts it. tokio's number; see [`TcpSocket::listen`] for another.
const BACKLOG: u32 = 1024;

/// A TCP socket that accepts connections.
///
/// Any number of tasks may accept from one listener; each connection goes to one of them.
///
/// # Source
/// `tokio::net::TcpListener`.
///
/// # Examples
/// ```no_run
/// # filch::block_on(async {
/// let listener = filch::net::TcpListener::bind("127.0.0.1:7777").await?;
/// loop {
///     match listener.accept().await {
///         Ok((mut stream, _peer)) => {
///             filch::spawn(async move {
///                 let (mut read, mut write) = stream.split();
///                 filch::io::copy(&mut read, &mut write).await
///             });
///         }
///         // A connection that died in the queue, or no file descriptors left: the next may do better, in a moment.
///         Err(error) => {
///             eprintln!("accept: {error}");
///             filch::time::sleep(std::time::Duration::from_millis(50)).await;
///         }
///     }
/// }
/// # #[allow(unreachable_code)] std::io::Result::Ok(()) }).unwrap();
/// ```
pub struct TcpListener {
    source: Source<std::net::TcpListener>,
}

impl TcpListener {
    /// Listens on `addr`; if it stands for several addresses, on the first that can be had. Port 0 has the system choose
    /// one, which [`local_addr`](Self::local_addr) tells.
    ///
    /// Sets `SO_REUSEADDR`, so that a server restarts without waiting for old connections to time out, and a queue of 1,024.
    /// For other choices see [`TcpSocket`].
    ///
    /// # Errors
    /// That of the last address tried (in use, not allowed); those of [`lookup_host`](crate::lookup_host);
    /// [`InvalidInput`](io::ErrorKind::InvalidInput) if the name stands for no address.
    /// # Panics
    /// If awaited outside a runtime.
    /// # Cancel safety
    /// Safe. Only the look-up of a name is awaited; before it is done, there is no socket.
    /// # Source
    /// `tokio::net::TcpListener::bind`.
    /// # Examples
    /// ```
    /// # filch::block_on(async {
    /// let listener = filch::net::TcpListener::bind("127.0.0.1:0").await?;
    /// assert_ne!(listener.local_addr()?.port(), 0);
    /// # std::io::Result::Ok(()) }).unwrap();
    /// ```
    pub async fn bind<A: ToSocketAddrs>(addr: A) -> io::Result<TcpListener> {
        let mut last = None;
        for addr in addr::resolve(addr).await? {
            match TcpListener::bind_addr(addr) {
                Ok(listener) => return Ok(listener),
                Err(error) => last = Some(error),
            }
        }
        Err(last.unwrap_or_else(addr::no_address))
    }

    fn bind_addr(addr: SocketAddr) -> io::Result<TcpListener> {
        let socket = TcpSocket::new(Domain::for_address(addr))?;
        socket.set_reuseaddr(true)?;
        socket.bind(addr)?;
        socket.listen(BACKLOG)
    }

    /// `listener` must be non-blocking.
    #[track_caller]
    pub(super) fn register(listener: std::net::TcpListener) -> io::Result<TcpListener> {
        let source = Source::owning(listener)?;
        Ok(TcpListener { source })
    }

    /// Waits for the next connection; returns it with the address it comes from.
    ///
    /// # Errors
    /// An error is about one attempt; the listener stays good, and connections that wait stay in its queue. So a server goes on
    /// after all of them:
    /// - [`ConnectionAborted`](io::ErrorKind::ConnectionAborted): the other side gave up while it waited;
    /// - `EMFILE`, `ENFILE` (no kind of its own; raw errors 24 and 23): the process, or the system, has no file descriptors
    ///   left. The connection is still in the queue, so the next accept fails as well until some are closed: wait a
    ///   little before it (see the example at [`TcpListener`]), or the loop takes a whole core;
    /// - `ENOSPC`, `ENOMEM`: the reactor cannot take one more, and the connection is closed.
    /// # Panics
    /// If awaited outside a runtime.
    /// # Cancel safety
    /// Safe. A connection is taken only in the poll that returns it.
    /// # Source
    /// `tokio::net::TcpListener::accept`. Two system calls a connection: `accept4` and `epoll_ctl`.
    /// # Examples
    /// ```
    /// # filch::block_on(async {
    /// let listener = filch::net::TcpListener::bind("127.0.0.1:0").await?;
    /// let client = filch::net::TcpStream::connect(listener.local_addr()?).await?;
    /// let (server, from) = listener.accept().await?;
    /// assert_eq!(from, client.local_addr()?);
    /// # std::io::Result::Ok(()) }).unwrap();
    /// ```
    pub async fn accept(&self) -> io::Result<(TcpStream, SocketAddr)> {
        let next = self.source.async_io(Interest::READABLE, syscalls::accept);
        let (stream, peer) = next.await?;
        Ok((TcpStream::register(stream)?, peer))
    }

    /// As [`accept`](Self::accept), waiting in the listener's one poll slot: only the last task to poll is woken.
    ///
    /// # Errors
    /// As [`accept`](Self::accept).
    /// # Panics
    /// Outside a runtime.
    /// # Source
    /// `tokio::net::TcpListener::poll_accept`.
    /// # Examples
    /// ```
    /// # filch::block_on(async {
    /// let listener = filch::net::TcpListener::bind("127.0.0.1:0").await?;
    /// let _client = filch::net::TcpStream::connect(listener.local_addr()?).await?;
    /// let (server, from) = std::future::poll_fn(|cx| listener.poll_accept(cx)).await?;
    /// # std::io::Result::Ok(()) }).unwrap();
    /// ```
    pub fn poll_accept(&self, cx: &mut Context<'_>) -> Poll<io::Result<(TcpStream, SocketAddr)>> {
        let next = self.source.poll_io(cx, Direction::Read, syscalls::accept);
        let (stream, peer) = ready!(next)?;
        Poll::Ready(TcpStream::register(stream).map(|stream| (stream, peer)))
    }

    /// Takes over a listener of std, which must be non-blocking already.
    ///
    /// # Errors
    /// If the reactor cannot take it (no memory, too many watches).
    /// # Panics
    /// Outside a runtime. If the listener is blocking, in builds with debug assertions; in others such a listener blocks the
    /// worker that accepts.
    /// # Source
    /// `tokio::net::TcpListener::from_std`.
    /// # Examples
    /// ```
    /// # filch::block_on(async {
    /// let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
    /// listener.set_nonblocking(true)?;
    /// let listener = filch::net::TcpListener::from_std(listener)?;
    /// # std::io::Result::Ok(()) }).unwrap();
    /// ```
    #[track_caller]
    pub fn from_std(listener: std::net::TcpListener) -> io::Result<TcpListener> {
        syscalls::check_nonblocking(&listener)?;
        TcpListener::register(listener)
    }

    /// Gives the listener back to std. It stays non-blocking: `set_nonblocking(false)` changes that.
    ///
    /// # Errors
    /// None today; a `Result` as in tokio.
    /// # Source
    /// `tokio::net::TcpListener::into_std`.
    /// # Examples
    /// ```
    /// # filch::block_on(async {
    /// let listener = filch::net::TcpListener::bind("127.0.0.1:0").await?.into_std()?;
    /// listener.set_nonblocking(false)?;
    /// # std::io::Result::Ok(()) }).unwrap();
    /// ```
    pub fn into_std(self) -> io::Result<std::net::TcpListener> {
        Ok(self.source.into_inner())
    }

    /// The address it listens on. See [`bind`](Self::bind).
    ///
    /// # Errors
    /// What the system says; none is expected.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.source.get_ref().local_addr()
    }

    /// Takes the error that is pending on the socket (`SO_ERROR`), if there is one.
    ///
    /// # Errors
    /// What the system says; none is expected.
    /// # Source
    /// [`std::net::TcpListener::take_error`]; tokio has it for streams and sockets only.
    /// # Examples
    /// ```
    /// # filch::block_on(async {
    /// let listener = filch::net::TcpListener::bind("127.0.0.1:0").await?;
    /// assert!(listener.take_error()?.is_none());
    /// # std::io::Result::Ok(()) }).unwrap();
    /// ```
    pub fn take_error(&self) -> io::Result<Option<io::Error>> {
        self.source.get_ref().take_error()
    }

    /// How many routers a packet of its connections may pass (`IP_TTL`; IPv4). Unit: hops.
    ///
    /// # Errors
    /// [`InvalidInput`](io::ErrorKind::InvalidInput): 0, or more than 255.
    /// # Source
    /// `tokio::net::TcpListener::set_ttl`.
    /// # Examples
    /// ```
    /// # filch::block_on(async {
    /// let listener = filch::net::TcpListener::bind("127.0.0.1:0").await?;
    /// listener.set_ttl(100)?;
    /// assert_eq!(listener.ttl()?, 100);
    /// # std::io::Result::Ok(()) }).unwrap();
    /// ```
    pub fn set_ttl(&self, ttl: u32) -> io::Result<()> {
        self.source.get_ref().set_ttl(ttl)
    }

    /// What [`set_ttl`](Self::set_ttl) set, or the system's default.
    ///
    /// # Errors
    /// As there.
    pub fn ttl(&self) -> io::Result<u32> {
        self.source.get_ref().ttl()
    }
}

impl TryFrom<std::net::TcpListener> for TcpListener {
    type Error = io::Error;

    /// [`TcpListener::from_std`].
    #[track_caller]
    fn try_from(listener: std::net::TcpListener) -> io::Result<TcpListener> {
        TcpListener::from_std(listener)
    }
}

impl AsFd for TcpListener {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.source.get_ref().as_fd()
    }
}

impl AsRawFd for TcpListener {
    fn as_raw_fd(&self) -> RawFd {
        self.source.get_ref().as_raw_fd()
    }
}

impl fmt::Debug for TcpListener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.source.get_ref().fmt(f)
    }
}

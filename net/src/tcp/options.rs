//! A stream's addresses and socket options. Each is one system call that never waits.
//!
//! A getter names its setter; the example stands there.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use socket2::SockRef;

use super::stream::TcpStream;

/// Addresses and options.
impl TcpStream {
    fn socket(&self) -> SockRef<'_> {
        SockRef::from(self.source.get_ref())
    }

    /// This side's address.
    ///
    /// # Errors
    /// What the system says; none is expected of an open stream.
    /// # Source
    /// `tokio::net::TcpStream::local_addr`.
    /// # Examples
    /// ```
    /// # filch::block_on(async {
    /// # let listener = filch::net::TcpListener::bind("127.0.0.1:0").await?;
    /// let client = filch::net::TcpStream::connect(listener.local_addr()?).await?;
    /// let (server, _) = listener.accept().await?;
    /// assert_eq!(client.local_addr()?, server.peer_addr()?);
    /// # std::io::Result::Ok(()) }).unwrap();
    /// ```
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.source.get_ref().local_addr()
    }

    /// The other side's address. See [`local_addr`](Self::local_addr).
    ///
    /// # Errors
    /// [`NotConnected`](io::ErrorKind::NotConnected): the connection is gone.
    pub fn peer_addr(&self) -> io::Result<SocketAddr> {
        self.source.get_ref().peer_addr()
    }

    /// Takes the error that is pending on the socket (`SO_ERROR`), if there is one; no later operation reports it.
    ///
    /// # Errors
    /// What the system says; none is expected of an open stream.
    /// # Source
    /// `tokio::net::TcpStream::take_error`.
    /// # Examples
    /// ```
    /// # filch::block_on(async {
    /// # let listener = filch::net::TcpListener::bind("127.0.0.1:0").await?;
    /// let stream = filch::net::TcpStream::connect(listener.local_addr()?).await?;
    /// assert!(stream.take_error()?.is_none());
    /// # std::io::Result::Ok(()) }).unwrap();
    /// ```
    pub fn take_error(&self) -> io::Result<Option<io::Error>> {
        self.source.get_ref().take_error()
    }

    /// Sends small pieces at once (`TCP_NODELAY`), rather than gather them until the last ones are acknowledged. Off at
    /// first; a protocol of questions and answers wants it on.
    ///
    /// # Errors
    /// What the system says; none is expected of an open stream.
    /// # Source
    /// `tokio::net::TcpStream::set_nodelay`. asyncio turns it on for every stream; here the default is tokio's.
    /// # Examples
    /// ```
    /// # filch::block_on(async {
    /// # let listener = filch::net::TcpListener::bind("127.0.0.1:0").await?;
    /// let stream = filch::net::TcpStream::connect(listener.local_addr()?).await?;
    /// stream.set_nodelay(true)?;
    /// assert!(stream.nodelay()?);
    /// # std::io::Result::Ok(()) }).unwrap();
    /// ```
    pub fn set_nodelay(&self, nodelay: bool) -> io::Result<()> {
        self.source.get_ref().set_nodelay(nodelay)
    }

    /// What [`set_nodelay`](Self::set_nodelay) set.
    ///
    /// # Errors
    /// As there.
    pub fn nodelay(&self) -> io::Result<bool> {
        self.source.get_ref().nodelay()
    }

    /// Acknowledges at once (`TCP_QUICKACK`) rather than with the next bytes sent. The kernel goes back to its own judgement by
    /// itself; set it again after each read where it matters. Linux and Android only.
    ///
    /// # Errors
    /// What the system says; none is expected of an open stream.
    /// # Source
    /// `tokio::net::TcpStream::set_quickack`; `tcp(7)`.
    /// # Examples
    /// ```
    /// # filch::block_on(async {
    /// # let listener = filch::net::TcpListener::bind("127.0.0.1:0").await?;
    /// let stream = filch::net::TcpStream::connect(listener.local_addr()?).await?;
    /// stream.set_quickack(true)?;
    /// assert!(stream.quickack()?);
    /// # std::io::Result::Ok(()) }).unwrap();
    /// ```
    #[cfg(any(target_os = "linux", target_os = "android"))]
    pub fn set_quickack(&self, quickack: bool) -> io::Result<()> {
        self.socket().set_tcp_quickack(quickack)
    }

    /// Whether acknowledgements go out at once just now, see [`set_quickack`](Self::set_quickack). Linux and Android only.
    ///
    /// # Errors
    /// As there.
    #[cfg(any(target_os = "linux", target_os = "android"))]
    pub fn quickack(&self) -> io::Result<bool> {
        self.socket().tcp_quickack()
    }

    /// How long closing waits for bytes not yet sent (`SO_LINGER`; whole seconds count). `None`, the default, does not wait:
    /// the kernel sends them in the background.
    ///
    /// # Errors
    /// What the system says; none is expected of an open stream.
    /// # Source
    /// `tokio::net::TcpStream::set_linger`, deprecated there too: with any time above zero, dropping the stream blocks the
    /// worker that drops it. Zero is [`set_zero_linger`](Self::set_zero_linger); to wait for the end, shut the
    /// writer down and read until the other side ends.
    /// # Examples
    /// See [`set_zero_linger`](Self::set_zero_linger).
    #[deprecated = "`SO_LINGER` makes the drop of the stream block the thread"]
    pub fn set_linger(&self, dur: Option<Duration>) -> io::Result<()> {
        self.socket().set_linger(dur)
    }

    /// Makes dropping the stream a reset: what is not sent is thrown away and the other side gets
    /// [`ConnectionReset`](io::ErrorKind::ConnectionReset).
    ///
    /// # Errors
    /// What the system says; none is expected of an open stream.
    /// # Source
    /// `tokio::net::TcpStream::set_zero_linger`.
    /// # Examples
    /// ```
    /// # filch::block_on(async {
    /// # let listener = filch::net::TcpListener::bind("127.0.0.1:0").await?;
    /// let stream = filch::net::TcpStream::connect(listener.local_addr()?).await?;
    /// stream.set_zero_linger()?;
    /// assert_eq!(stream.linger()?, Some(std::time::Duration::ZERO));
    /// # std::io::Result::Ok(()) }).unwrap();
    /// ```
    pub fn set_zero_linger(&self) -> io::Result<()> {
        self.socket().set_linger(Some(Duration::ZERO))
    }

    /// What [`set_zero_linger`](Self::set_zero_linger) or [`set_linger`](Self::set_linger) set.
    ///
    /// # Errors
    /// As there.
    pub fn linger(&self) -> io::Result<Option<Duration>> {
        self.socket().linger()
    }

    /// How many routers a packet may pass (`IP_TTL`; IPv4). Unit: hops.
    ///
    /// # Errors
    /// [`InvalidInput`](io::ErrorKind::InvalidInput): 0, or more than 255.
    /// # Source
    /// `tokio::net::TcpStream::set_ttl`.
    /// # Examples
    /// ```
    /// # filch::block_on(async {
    /// # let listener = filch::net::TcpListener::bind("127.0.0.1:0").await?;
    /// let stream = filch::net::TcpStream::connect(listener.local_addr()?).await?;
    /// stream.set_ttl(123)?;
    /// assert_eq!(stream.ttl()?, 123);
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

//! A socket to set up before it connects or listens. Its options are one system call each, none waits, and it needs no
//! runtime until it [connects](TcpSocket::connect) or [listens](TcpSocket::listen).
//!
//! A getter names its setter; the example stands there.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, IntoRawFd, OwnedFd, RawFd};
use std::time::Duration;

use socket2::{Domain, Socket};

use super::listener::TcpListener;
use super::stream::TcpStream;
use super::syscalls;

/// A TCP socket that is neither a stream nor a listener yet: for options that count before it is.
///
/// [`TcpStream::connect`] and [`TcpListener::bind`] do without one, and also look names up; here an address is a
/// [`SocketAddr`].
///
/// # Source
/// `tokio::net::TcpSocket`. Instead of `FromRawFd`, which is unsafe to call: `From<`[`OwnedFd`]`>`.
///
/// # Examples
/// ```
/// use filch::net::TcpSocket;
///
/// # filch::block_on(async {
/// let socket = TcpSocket::new_v4()?;
/// socket.set_recv_buffer_size(256 * 1024)?;   // before `listen`: accepted streams inherit it
/// socket.set_reuseaddr(true)?;
/// socket.bind("127.0.0.1:0".parse().unwrap())?;
/// let listener = socket.listen(128)?;
///
/// let stream = TcpSocket::new_v4()?.connect(listener.local_addr()?).await?;
/// # std::io::Result::Ok(()) }).unwrap();
/// ```
pub struct TcpSocket {
    socket: Socket,
}

/// How it comes to be, and what it becomes.
impl TcpSocket {
    /// A new socket for IPv4 (`AF_INET`, `SOCK_STREAM`): non-blocking, closed on exec.
    ///
    /// # Errors
    /// If there are no file descriptors left (`EMFILE`, `ENFILE`).
    /// # Source
    /// `tokio::net::TcpSocket::new_v4`.
    /// # Examples
    /// See [`TcpSocket`].
    pub fn new_v4() -> io::Result<TcpSocket> {
        TcpSocket::new(Domain::IPV4)
    }

    /// A new socket for IPv6 (`AF_INET6`, `SOCK_STREAM`): non-blocking, closed on exec.
    ///
    /// # Errors
    /// If there are no file descriptors left (`EMFILE`, `ENFILE`); if the system has no IPv6.
    /// # Source
    /// `tokio::net::TcpSocket::new_v6`.
    /// # Examples
    /// As [`new_v4`](Self::new_v4).
    pub fn new_v6() -> io::Result<TcpSocket> {
        TcpSocket::new(Domain::IPV6)
    }

    pub(super) fn new(domain: Domain) -> io::Result<TcpSocket> {
        let socket = syscalls::tcp_socket(domain)?;
        Ok(TcpSocket { socket })
    }

    /// Takes over a socket that std holds as a stream, so as to set options and connect it. It must be non-blocking and not
    /// connected yet; how to get hold of such a one, e.g. with `socket2`, is the caller's art.
    ///
    /// # Source
    /// `tokio::net::TcpSocket::from_std_stream`.
    /// # Examples
    /// ```
    /// # filch::block_on(async {
    /// # let listener = filch::net::TcpListener::bind("127.0.0.1:0").await?;
    /// let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None)?;
    /// socket.set_nonblocking(true)?;
    /// let socket = filch::net::TcpSocket::from_std_stream(socket.into());
    /// let stream = socket.connect(listener.local_addr()?).await?;
    /// # std::io::Result::Ok(()) }).unwrap();
    /// ```
    pub fn from_std_stream(stream: std::net::TcpStream) -> TcpSocket {
        TcpSocket {
            socket: stream.into(),
        }
    }

    /// Binds the socket to an address of this machine: where it listens, or where its connection comes from.
    ///
    /// # Errors
    /// [`AddrInUse`](io::ErrorKind::AddrInUse), [`AddrNotAvailable`](io::ErrorKind::AddrNotAvailable) and what else
    /// the system says; `EINVAL` if it is bound already.
    /// # Source
    /// `tokio::net::TcpSocket::bind`.
    /// # Examples
    /// See [`TcpSocket`].
    pub fn bind(&self, addr: SocketAddr) -> io::Result<()> {
        self.socket.bind(&addr.into())
    }

    /// Connects to `addr`.
    ///
    /// # Errors
    /// Those of the connection: refused, unreachable, timed out.
    /// # Panics
    /// If awaited outside a runtime.
    /// # Cancel safety
    /// Safe. Dropping the future gives the attempt up and closes the socket.
    /// # Source
    /// `tokio::net::TcpSocket::connect`.
    /// # Examples
    /// See [`TcpSocket`].
    pub async fn connect(self, addr: SocketAddr) -> io::Result<TcpStream> {
        TcpStream::connect_socket(self.socket, addr).await
    }

    /// Listens, with room for `backlog` connections that wait to be accepted (the system may give less). Bind it first.
    ///
    /// # Errors
    /// What the system says, such as [`AddrInUse`](io::ErrorKind::AddrInUse).
    /// # Panics
    /// Outside a runtime.
    /// # Source
    /// `tokio::net::TcpSocket::listen`.
    /// # Examples
    /// See [`TcpSocket`].
    #[track_caller]
    pub fn listen(self, backlog: u32) -> io::Result<TcpListener> {
        self.socket
            .listen(i32::try_from(backlog).unwrap_or(i32::MAX))?;
        TcpListener::register(self.socket.into())
    }
}

/// A setter and its getter, documented as a pair; the example sets `$sample` on what `$new` makes.
macro_rules! option {
    (
        $(#[doc = $doc:literal])*
        $(#[cfg($cfg:meta)])?
        $set:ident($arg:ident: $ty:ty) = $set_inner:ident, $get:ident = $get_inner:ident,
        example $fence:literal $new:ident $sample:literal
    ) => {
        $(#[cfg($cfg)])?
        impl TcpSocket {
            $(#[doc = $doc])*
            ///
            /// # Errors
            /// What the system says of a value it does not like.
            /// # Source
            #[doc = concat!("`tokio::net::TcpSocket::", stringify!($set), "`.")]
            /// # Examples
            #[doc = $fence]
            #[doc = concat!("let socket = filch::net::TcpSocket::", stringify!($new), "()?;")]
            #[doc = concat!("socket.", stringify!($set), "(", $sample, ")?;")]
            #[doc = concat!("assert_eq!(socket.", stringify!($get), "()?, ", $sample, ");")]
            /// # std::io::Result::Ok(())
            /// ```
            pub fn $set(&self, $arg: $ty) -> io::Result<()> {
                self.socket.$set_inner($arg)
            }

            #[doc = concat!("What [`", stringify!($set), "`](Self::", stringify!($set), ") set, or the system's default.")]
            ///
            /// # Errors
            /// What the system says; none is expected.
            pub fn $get(&self) -> io::Result<$ty> {
                self.socket.$get_inner()
            }
        }
    };
}

option! {
    /// Lets the socket bind to an address whose old connections still time out (`SO_REUSEADDR`).
    set_reuseaddr(reuseaddr: bool) = set_reuse_address, reuseaddr = reuse_address,
    example "```" new_v4 true
}

option! {
    /// Lets several sockets listen on one address, each of which sets this (`SO_REUSEPORT`); the kernel
    /// shares the connections out.
    #[cfg(not(any(target_os = "solaris", target_os = "illumos", target_os = "cygwin")))]
    set_reuseport(reuseport: bool) = set_reuse_port, reuseport = reuse_port,
    example "```" new_v4 true
}

option! {
    /// Has the kernel ask an idle peer whether it is still there (`SO_KEEPALIVE`), at the system's pace.
    set_keepalive(keepalive: bool) = set_keepalive, keepalive = keepalive,
    example "```" new_v4 true
}

option! {
    /// Sends small pieces at once (`TCP_NODELAY`); see [`TcpStream::set_nodelay`].
    set_nodelay(nodelay: bool) = set_tcp_nodelay, nodelay = tcp_nodelay,
    example "```" new_v4 true
}

option! {
    /// The traffic class of packets (`IPV6_TCLASS`; IPv6). Linux, Android, macOS and the BSDs.
    #[cfg(any(
        target_os = "linux",
        target_os = "android",
        target_os = "macos",
        target_os = "freebsd",
        target_os = "dragonfly",
        target_os = "netbsd",
        target_os = "openbsd"
    ))]
    set_tclass_v6(tclass: u32) = set_tclass_v6, tclass_v6 = tclass_v6,
    example "```no_run" new_v6 96
}

option! {
    /// The type of service of packets (`IP_TOS`; IPv4).
    #[cfg(not(any(
        target_os = "fuchsia",
        target_os = "redox",
        target_os = "solaris",
        target_os = "illumos",
        target_os = "haiku"
    )))]
    set_tos_v4(tos: u32) = set_tos_v4, tos_v4 = tos_v4,
    example "```" new_v4 96
}

/// Options with a shape of their own.
impl TcpSocket {
    /// The size of the kernel's buffer for sending (`SO_SNDBUF`). Unit: bytes; Linux doubles it, for its own needs, and
    /// the getter tells the double.
    ///
    /// # Errors
    /// What the system says; one that is too large is cut, not refused.
    /// # Source
    /// `tokio::net::TcpSocket::set_send_buffer_size`.
    /// # Examples
    /// ```
    /// let socket = filch::net::TcpSocket::new_v4()?;
    /// socket.set_send_buffer_size(64 * 1024)?;
    /// assert!(socket.send_buffer_size()? >= 64 * 1024);
    /// # std::io::Result::Ok(())
    /// ```
    pub fn set_send_buffer_size(&self, size: u32) -> io::Result<()> {
        self.socket.set_send_buffer_size(size as usize)
    }

    /// What [`set_send_buffer_size`](Self::set_send_buffer_size) set, or the system's default. Unit: bytes.
    ///
    /// # Errors
    /// What the system says; none is expected.
    pub fn send_buffer_size(&self) -> io::Result<u32> {
        self.socket.send_buffer_size().map(|size| size as u32)
    }

    /// The size of the kernel's buffer for receiving (`SO_RCVBUF`), to be set before the socket connects or listens.
    /// Unit: bytes; Linux doubles it, for its own needs, and the getter tells the double.
    ///
    /// # Errors
    /// What the system says; one that is too large is cut, not refused.
    /// # Source
    /// `tokio::net::TcpSocket::set_recv_buffer_size`.
    /// # Examples
    /// See [`TcpSocket`].
    pub fn set_recv_buffer_size(&self, size: u32) -> io::Result<()> {
        self.socket.set_recv_buffer_size(size as usize)
    }

    /// What [`set_recv_buffer_size`](Self::set_recv_buffer_size) set, or the system's default. Unit: bytes.
    ///
    /// # Errors
    /// What the system says; none is expected.
    pub fn recv_buffer_size(&self) -> io::Result<u32> {
        self.socket.recv_buffer_size().map(|size| size as u32)
    }

    /// How long closing waits for bytes not yet sent (`SO_LINGER`).
    ///
    /// # Errors
    /// What the system says; none is expected.
    /// # Source
    /// `tokio::net::TcpSocket::set_linger`, deprecated there too; see [`TcpStream::set_linger`].
    /// # Examples
    /// See [`set_zero_linger`](Self::set_zero_linger).
    #[deprecated = "`SO_LINGER` makes the drop of the stream block the thread"]
    pub fn set_linger(&self, dur: Option<Duration>) -> io::Result<()> {
        self.socket.set_linger(dur)
    }

    /// Makes closing a reset; see [`TcpStream::set_zero_linger`].
    ///
    /// # Errors
    /// What the system says; none is expected.
    /// # Source
    /// `tokio::net::TcpSocket::set_zero_linger`.
    /// # Examples
    /// ```
    /// let socket = filch::net::TcpSocket::new_v4()?;
    /// socket.set_zero_linger()?;
    /// assert_eq!(socket.linger()?, Some(std::time::Duration::ZERO));
    /// # std::io::Result::Ok(())
    /// ```
    pub fn set_zero_linger(&self) -> io::Result<()> {
        self.socket.set_linger(Some(Duration::ZERO))
    }

    /// What [`set_zero_linger`](Self::set_zero_linger) or [`set_linger`](Self::set_linger) set.
    ///
    /// # Errors
    /// What the system says; none is expected.
    pub fn linger(&self) -> io::Result<Option<Duration>> {
        self.socket.linger()
    }

    /// Binds the socket to a network interface by name, such as `b"eth0"` (`SO_BINDTODEVICE`); `None` undoes it.
    /// Linux and Android only.
    ///
    /// # Errors
    /// [`PermissionDenied`](io::ErrorKind::PermissionDenied); `ENODEV` if there is no such interface.
    /// # Source
    /// `tokio::net::TcpSocket::bind_device`.
    /// # Examples
    /// ```
    /// let socket = filch::net::TcpSocket::new_v4()?;
    /// assert!(socket.bind_device(Some(b"no-such-device")).is_err());
    /// assert_eq!(socket.device()?, None);
    /// # std::io::Result::Ok(())
    /// ```
    #[cfg(any(target_os = "linux", target_os = "android"))]
    pub fn bind_device(&self, interface: Option<&[u8]>) -> io::Result<()> {
        self.socket.bind_device(interface)
    }

    /// What [`bind_device`](Self::bind_device) bound it to. Linux and Android only.
    ///
    /// # Errors
    /// What the system says; none is expected.
    #[cfg(any(target_os = "linux", target_os = "android"))]
    pub fn device(&self) -> io::Result<Option<Vec<u8>>> {
        self.socket.device()
    }

    /// The address it is [bound](Self::bind) to; port 0 if it is not.
    ///
    /// # Errors
    /// [`InvalidInput`](io::ErrorKind::InvalidInput): it is no IP socket at all.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        let addr = self.socket.local_addr()?.as_socket();
        addr.ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "not an IP address"))
    }

    /// Takes the error that is pending on the socket (`SO_ERROR`), if there is one.
    ///
    /// # Errors
    /// What the system says; none is expected.
    /// # Source
    /// `tokio::net::TcpSocket::take_error`.
    pub fn take_error(&self) -> io::Result<Option<io::Error>> {
        self.socket.take_error()
    }
}

impl From<OwnedFd> for TcpSocket {
    /// The file descriptor must be a TCP socket, non-blocking; what else it is comes out as errors.
    fn from(fd: OwnedFd) -> TcpSocket {
        TcpSocket { socket: fd.into() }
    }
}

impl From<TcpSocket> for OwnedFd {
    fn from(socket: TcpSocket) -> OwnedFd {
        socket.socket.into()
    }
}

impl IntoRawFd for TcpSocket {
    fn into_raw_fd(self) -> RawFd {
        self.socket.into_raw_fd()
    }
}

impl AsFd for TcpSocket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

impl AsRawFd for TcpSocket {
    fn as_raw_fd(&self) -> RawFd {
        self.socket.as_raw_fd()
    }
}

impl fmt::Debug for TcpSocket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.socket.fmt(f)
    }
}

//! The calls whose shape differs between platforms: a new socket, accept, and how a connection attempt stands.
//!
//! Promise: every socket that leaves this file is non-blocking and closed on exec, made so by the call that made
//! it where the platform can do that (`SOCK_NONBLOCK`, `accept4`), by further calls where it cannot (Apple).

use std::io;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::fd::AsFd;

use rustix::io::Errno;
use socket2::{Domain, Protocol, SockRef, Socket, Type};

/// A new TCP socket.
pub(super) fn tcp_socket(domain: Domain) -> io::Result<Socket> {
    #[cfg(not(target_vendor = "apple"))]
    return Socket::new(domain, Type::STREAM.nonblocking(), Some(Protocol::TCP));
    #[cfg(target_vendor = "apple")]
    {
        let socket = Socket::new(domain, Type::STREAM, Some(Protocol::TCP))?;
        socket.set_nonblocking(true)?;
        Ok(socket)
    }
}

/// The next connection of the listener's queue, and who calls. One system call.
#[cfg(not(target_vendor = "apple"))]
pub(super) fn accept(listener: &TcpListener) -> io::Result<(TcpStream, SocketAddr)> {
    use rustix::net::{SocketFlags, acceptfrom_with};

    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let (fd, peer) = rustix::io::retry_on_intr(|| acceptfrom_with(listener, flags))?;
    let peer = peer.ok_or(io::ErrorKind::InvalidData)?;
    Ok((TcpStream::from(fd), SocketAddr::try_from(peer)?))
}

/// The next connection of the listener's queue, and who calls.
#[cfg(target_vendor = "apple")]
pub(super) fn accept(listener: &TcpListener) -> io::Result<(TcpStream, SocketAddr)> {
    let (socket, peer) = SockRef::from(listener).accept()?;
    socket.set_nonblocking(true)?;
    let peer = peer.as_socket().ok_or(io::ErrorKind::InvalidData)?;
    Ok((socket.into(), peer))
}

/// Begins to connect; [`established`] says how it ended.
pub(super) fn connect(socket: &Socket, addr: SocketAddr) -> io::Result<()> {
    match socket.connect(&addr.into()) {
        Ok(()) => Ok(()),
        Err(error) => match Errno::from_io_error(&error) {
            // Interrupted, the attempt goes on all the same (POSIX `connect`).
            Some(Errno::INPROGRESS | Errno::INTR) => Ok(()),
            _ => Err(error),
        },
    }
}

/// How the attempt to connect ended; `WouldBlock` while it has not.
///
/// Readiness alone is no proof, it may be spurious; a peer's address is one.
pub(super) fn established(stream: &TcpStream) -> io::Result<()> {
    match stream.peer_addr() {
        Err(error) if error.kind() == io::ErrorKind::NotConnected => {
            let error = stream.take_error()?;
            Err(error.unwrap_or_else(|| io::ErrorKind::WouldBlock.into()))
        }
        peer => peer.map(drop),
    }
}

/// Panics, in builds with debug assertions, if the socket blocks: it would block a worker.
#[track_caller]
pub(super) fn check_nonblocking(socket: &impl AsFd) -> io::Result<()> {
    debug_assert!(
        SockRef::from(socket).nonblocking()?,
        "a blocking socket would block a worker; call `set_nonblocking(true)` on it first"
    );
    Ok(())
}

/// Sends once, without the signal that a closed connection would raise. Straight to the kernel where that can be said in
/// one call: the C library's `send` is a point of thread cancellation, and pays for it each time.
#[cfg(not(target_vendor = "apple"))]
pub(super) fn send(stream: &TcpStream, bytes: &[u8]) -> io::Result<usize> {
    Ok(rustix::net::send(
        stream,
        bytes,
        rustix::net::SendFlags::NOSIGNAL,
    )?)
}

/// Sends once; the standard library has switched the signal off for the socket.
#[cfg(target_vendor = "apple")]
pub(super) fn send(mut stream: &TcpStream, bytes: &[u8]) -> io::Result<usize> {
    io::Write::write(&mut stream, bytes)
}

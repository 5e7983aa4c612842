//! Operations on non-blocking sockets, as a loop does them: try; if it would block, have the loop call back, try again
//! there, and set the result of a promise that the task awaits.

use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;

use parking_lot::Mutex;
use rustix::fs::{OFlags, fcntl_getfl};
use rustix::net::{RecvFlags, SendFlags, SocketAddrAny};

use super::EventLoop;
use super::awaitable::Leaf;
use crate::reactor::readiness::Direction;

/// No SIGPIPE; where the flag is missing Rust's start-up code has it ignored.
#[cfg(target_os = "linux")]
const QUIETLY: SendFlags = SendFlags::NOSIGNAL;
#[cfg(not(target_os = "linux"))]
const QUIETLY: SendFlags = SendFlags::empty();

/// A connection that does not block and is closed on `exec`.
#[cfg(target_os = "linux")]
fn accept_with_flags(fd: BorrowedFd<'_>) -> rustix::io::Result<(OwnedFd, Option<SocketAddrAny>)> {
    use rustix::net::SocketFlags;
    rustix::net::acceptfrom_with(fd, SocketFlags::NONBLOCK | SocketFlags::CLOEXEC)
}

/// The same, step by step.
#[cfg(not(target_os = "linux"))]
fn accept_with_flags(fd: BorrowedFd<'_>) -> rustix::io::Result<(OwnedFd, Option<SocketAddrAny>)> {
    let (socket, peer) = rustix::net::acceptfrom(fd)?;
    rustix::io::fcntl_setfd(&socket, rustix::io::FdFlags::CLOEXEC)?;
    rustix::io::ioctl_fionbio(&socket, true)?;
    Ok((socket, peer))
}

impl EventLoop {
    /// Tries `op` until it does not block.
    async fn attempt<R: Send + 'static>(
        &self,
        fd: BorrowedFd<'_>,
        direction: Direction,
        mut op: impl FnMut(BorrowedFd<'_>) -> io::Result<R> + Send + 'static,
    ) -> io::Result<R> {
        if self.get_debug() && !fcntl_getfl(fd)?.contains(OFlags::NONBLOCK) {
            let kind = io::ErrorKind::InvalidInput;
            return Err(io::Error::new(kind, "the socket must be non-blocking"));
        }
        match op(fd) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            done => return done,
        }
        let waiter = self.create_future::<(), ()>();
        let outcome = Arc::new(Mutex::new(None));
        let (done, slot) = (waiter.clone(), outcome.clone());
        let callback = move |fd: BorrowedFd<'_>| {
            // Cancelled, or done, and not yet out of the queue: what came belongs to the next who asks.
            if done.is_done() {
                return;
            }
            match op(fd) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                result => {
                    *slot.lock() = Some(result);
                    // Cancelled meanwhile, by another thread.
                    let _ = done.set_result(());
                }
            }
        };
        let _watching = self.watch(fd, direction, Box::new(callback))?;
        let _done = Leaf::new(waiter).await;
        let outcome = outcome.lock().take();
        outcome.unwrap_or_else(|| Err(io::Error::other("the wait for the socket was cancelled")))
    }

    /// Receives what is there, up to `most` bytes; none at the end of the stream.
    ///
    /// # Errors
    /// What the system says.
    ///
    /// # Cancel safety
    /// A cancelled wait has taken nothing, unless the data came in the very iteration that cancels it.
    ///
    /// # Source
    /// `loop.sock_recv`.
    ///
    /// # Examples
    /// ```
    /// use std::os::unix::net::UnixStream;
    ///
    /// let event_loop = filch::EventLoop::new();
    /// let (here, there) = UnixStream::pair().unwrap();
    /// here.set_nonblocking(true).unwrap();
    /// there.set_nonblocking(true).unwrap();
    /// let on = event_loop.clone();
    /// let data = event_loop.run_until_complete(async move {
    ///     on.sock_sendall(&there, b"tea").await.unwrap();
    ///     on.sock_recv(&here, 10).await.unwrap()
    /// });
    /// assert_eq!(data.unwrap(), b"tea");
    /// ```
    pub async fn sock_recv(&self, socket: impl AsFd, most: usize) -> io::Result<Vec<u8>> {
        let recv = move |fd: BorrowedFd<'_>| {
            let mut buffer = vec![0; most];
            let (n, _) = rustix::net::recv(fd, &mut buffer[..], RecvFlags::empty())?;
            buffer.truncate(n);
            Ok(buffer)
        };
        self.attempt(socket.as_fd(), Direction::Read, recv).await
    }

    /// Receives into `buffer`; the answer is how many bytes, 0 at the end of the stream.
    ///
    /// # Errors
    /// What the system says.
    ///
    /// # Cancel safety
    /// As [`sock_recv`](Self::sock_recv).
    pub async fn sock_recv_into(&self, socket: impl AsFd, buffer: &mut [u8]) -> io::Result<usize> {
        let data = self.sock_recv(socket, buffer.len()).await?;
        buffer[..data.len()].copy_from_slice(&data);
        Ok(data.len())
    }

    /// Sends all of `data`.
    ///
    /// # Errors
    /// What the system says; part of the data may have been sent.
    ///
    /// # Cancel safety
    /// A cancelled call may have sent a part.
    pub async fn sock_sendall(&self, socket: impl AsFd, data: &[u8]) -> io::Result<()> {
        let mut sent = 0;
        // The callback outlives this borrow.
        let data: Arc<[u8]> = data.into();
        let send = move |fd: BorrowedFd<'_>| {
            while sent < data.len() {
                sent += rustix::net::send(fd, &data[sent..], QUIETLY)?;
            }
            Ok(())
        };
        self.attempt(socket.as_fd(), Direction::Write, send).await
    }

    /// Accepts a connection, which is non-blocking; who called is none for sockets without an internet address.
    ///
    /// # Errors
    /// What the system says.
    ///
    /// # Cancel safety
    /// As [`sock_recv`](Self::sock_recv).
    pub async fn sock_accept(
        &self,
        listener: impl AsFd,
    ) -> io::Result<(OwnedFd, Option<SocketAddr>)> {
        let accept = |fd: BorrowedFd<'_>| {
            let (socket, peer) = accept_with_flags(fd)?;
            Ok((socket, peer.and_then(|peer| peer.try_into().ok())))
        };
        self.attempt(listener.as_fd(), Direction::Read, accept)
            .await
    }

    /// Connects a socket.
    ///
    /// # Errors
    /// What the system says.
    ///
    /// # Cancel safety
    /// A cancelled call leaves the socket connecting: close it.
    pub async fn sock_connect(&self, socket: impl AsFd, address: SocketAddr) -> io::Result<()> {
        let mut begun = false;
        let connect = move |fd: BorrowedFd<'_>| {
            if begun {
                return match rustix::net::sockopt::socket_error(fd)? {
                    Ok(()) => Ok(()),
                    Err(error) => Err(error.into()),
                };
            }
            begun = true;
            match rustix::net::connect(fd, &address) {
                Ok(()) => Ok(()),
                Err(rustix::io::Errno::INPROGRESS) => Err(io::ErrorKind::WouldBlock.into()),
                Err(error) => Err(error.into()),
            }
        };
        self.attempt(socket.as_fd(), Direction::Write, connect)
            .await
    }
}

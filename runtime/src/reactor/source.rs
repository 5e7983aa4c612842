//! A file descriptor that the reactor watches: registered once, edge-triggered, in both directions.
//!
//! Every operation is tried first and waits only when it would block.

use std::fmt;
use std::io;
use std::os::fd::AsFd;
use std::task::{Context, Poll, ready};

use super::Reactor;
use super::keys::SourceKey;
use super::readiness::{Direction, Interest, POLLER, Readiness, Ready, Seen, gone};
use super::turn::{CLOSING_DELETES, SHORT_MEANS_EMPTY};
use crate::budget;
use crate::promise::callbacks::Key;
use std::sync::Arc;

/// A non-blocking file descriptor registered with a runtime's reactor.
///
/// It stays registered until it is dropped or taken out by [`into_inner`](Self::into_inner), and works from any
/// thread and any runtime; the reactor it was registered with tells it when it is ready.
///
/// # Errors
/// Every wait fails with an error once that runtime has shut down.
///
/// # Source
/// `tokio::io::unix::AsyncFd`.
///
/// # Examples
/// ```
/// use std::io::{Read, Write};
/// use std::os::unix::net::UnixStream;
/// use filch::io::{Interest, Source};
///
/// # filch::block_on(async {
/// let (here, mut there) = UnixStream::pair().unwrap();
/// here.set_nonblocking(true).unwrap();
/// let here = Source::new(here).unwrap();
/// there.write_all(b"tea").unwrap();
/// let mut buffer = [0; 8];
/// let n = here.async_io(Interest::READABLE, |mut stream| stream.read(&mut buffer)).await.unwrap();
/// assert_eq!(&buffer[..n], b"tea");
/// # });
/// ```
pub struct Source<T: AsFd> {
    /// None only while it is dropped or taken out.
    io: Option<T>,
    /// Dropping `io` closes the descriptor, which ends the kernel's watch as well as a call of its own would.
    owning: bool,
    registration: Registration,
}

struct Registration {
    key: SourceKey,
    readiness: Arc<Readiness>,
    reactor: Arc<Reactor>,
}

impl<T: AsFd> Source<T> {
    /// Registers `io` with this reactor.
    pub(crate) fn register(io: T, owning: bool, reactor: &Arc<Reactor>) -> io::Result<Source<T>> {
        let readiness = Arc::new(Readiness::new());
        let key = reactor.keys.add(readiness.clone()).ok_or_else(gone)?;
        if let Err(error) = reactor.port.add(io.as_fd(), key) {
            reactor.keys.remove(key);
            return Err(error);
        }
        Ok(Source {
            io: Some(io),
            owning,
            registration: Registration {
                key,
                readiness,
                reactor: reactor.clone(),
            },
        })
    }

    /// What is registered.
    pub fn get_ref(&self) -> &T {
        self.io.as_ref().expect("here until dropped")
    }

    /// Takes it out of the reactor's watch.
    ///
    /// # Examples
    /// ```
    /// # filch::block_on(async {
    /// use std::io::{Read, Write};
    /// use std::os::unix::net::UnixStream;
    /// use filch::io::Source;
    ///
    /// let (here, mut there) = UnixStream::pair().unwrap();
    /// here.set_nonblocking(true).unwrap();
    /// let here = Source::new(here).unwrap();
    /// there.write_all(b"tea").unwrap();
    /// let mut stream = here.into_inner();
    /// let mut word = [0; 3];
    /// stream.read_exact(&mut word).unwrap();
    /// assert_eq!(&word, b"tea");
    /// # });
    /// ```
    pub fn into_inner(mut self) -> T {
        self.owning = false;
        self.deregister().expect("here until dropped")
    }

    fn deregister(&mut self) -> Option<T> {
        let io = self.io.take()?;
        let Registration { key, reactor, .. } = &self.registration;
        if !(self.owning && CLOSING_DELETES) {
            // It fails only for a descriptor that somebody has closed behind our back; then there is nothing to delete.
            let _ = reactor.port.delete(io.as_fd());
        }
        reactor.keys.remove(*key);
        Some(io)
    }

    #[inline]
    fn readiness(&self) -> &Readiness {
        &self.registration.readiness
    }

    /// Tries `op` when the direction is believed ready, and again after each event until it does not block.
    ///
    /// One waiter a direction: the waker of the last call is the one that is woken. For many waiters there is
    /// [`async_io`](Self::async_io).
    ///
    /// # Errors
    /// Whatever `op` fails with, but for `WouldBlock`; and if the runtime has shut down.
    ///
    /// # Examples
    /// ```
    /// # filch::block_on(async {
    /// use std::io::{Read, Write};
    /// use std::os::unix::net::UnixStream;
    /// use filch::io::{Direction, Source};
    ///
    /// let (here, mut there) = UnixStream::pair().unwrap();
    /// here.set_nonblocking(true).unwrap();
    /// let here = Source::new(here).unwrap();
    /// there.write_all(b"tea").unwrap();
    /// let mut buffer = [0; 8];
    /// let read = std::future::poll_fn(|context| {
    ///     here.poll_io(context, Direction::Read, |mut stream| stream.read(&mut buffer))
    /// });
    /// assert_eq!(read.await.unwrap(), 3);
    /// # });
    /// ```
    pub fn poll_io<R>(
        &self,
        context: &mut Context<'_>,
        direction: Direction,
        mut op: impl FnMut(&T) -> io::Result<R>,
    ) -> Poll<io::Result<R>> {
        self.poll_attempt(context, direction, |io, _seen| op(io))
    }

    /// As [`poll_io`](Self::poll_io), for a transfer of up to `wanted` bytes: a short one proves that the direction is
    /// exhausted, so that the next one waits without another system call.
    ///
    /// # Errors
    /// As [`poll_io`](Self::poll_io).
    ///
    /// # Examples
    /// ```
    /// # filch::block_on(async {
    /// use std::io::{Read, Write};
    /// use std::os::unix::net::UnixStream;
    /// use filch::io::{Direction, Source};
    ///
    /// let (here, mut there) = UnixStream::pair().unwrap();
    /// here.set_nonblocking(true).unwrap();
    /// let here = Source::new(here).unwrap();
    /// there.write_all(b"tea").unwrap();
    /// let mut buffer = [0; 8];
    /// let read = std::future::poll_fn(|context| {
    ///     here.poll_transfer(context, Direction::Read, 8, |mut stream| stream.read(&mut buffer))
    /// });
    /// assert_eq!(read.await.unwrap(), 3);
    /// # });
    /// ```
    pub fn poll_transfer(
        &self,
        context: &mut Context<'_>,
        direction: Direction,
        wanted: usize,
        mut op: impl FnMut(&T) -> io::Result<usize>,
    ) -> Poll<io::Result<usize>> {
        self.poll_attempt(context, direction, |io, seen| {
            let moved = op(io)?;
            self.moved(seen, direction, moved, wanted);
            Ok(moved)
        })
    }

    #[inline]
    fn poll_attempt<R>(
        &self,
        context: &mut Context<'_>,
        direction: Direction,
        mut op: impl FnMut(&T, Seen) -> io::Result<R>,
    ) -> Poll<io::Result<R>> {
        ready!(budget::poll_left(context));
        let wanted = Ready::worth_a_try(direction);
        loop {
            let polled = self
                .readiness()
                .poll(context.waker(), wanted, [direction], POLLER);
            let seen = match polled {
                Poll::Ready(seen) => seen?,
                Poll::Pending => return Poll::Pending,
            };
            if let Some(done) = self.attempt(seen, wanted, |io| op(io, seen)) {
                budget::spend();
                return Poll::Ready(done);
            }
        }
    }

    /// A transfer of `moved` bytes where `wanted` were asked for.
    #[inline]
    fn moved(&self, seen: Seen, direction: Direction, moved: usize, wanted: usize) {
        // A read that is short because the stream ends there must be tried again, to see the end; and one that is short
        // because it stopped at urgent data, to see what follows.
        let open_ended = Ready::READ_CLOSED | Ready::UNSURE | Ready::ERROR | Ready::PRIORITY;
        let proof = direction == Direction::Write || !seen.ready.intersects(open_ended);
        if SHORT_MEANS_EMPTY && proof && 0 < moved && moved < wanted {
            self.readiness().clear(seen, Ready::worth_a_try(direction));
        }
    }

    /// One try. None if it would have blocked: then what was believed is taken back.
    #[inline]
    fn attempt<R>(
        &self,
        seen: Seen,
        wanted: Ready,
        op: impl FnOnce(&T) -> io::Result<R>,
    ) -> Option<io::Result<R>> {
        match op(self.get_ref()) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                self.readiness().clear(seen, wanted);
                None
            }
            done => Some(done),
        }
    }

    /// Waits until the direction is believed ready. One waiter a direction, as [`poll_io`](Self::poll_io).
    ///
    /// # Errors
    /// If the runtime has shut down.
    ///
    /// # Examples
    /// ```
    /// # filch::block_on(async {
    /// use std::io::Write;
    /// use std::os::unix::net::UnixStream;
    /// use filch::io::{Direction, Source};
    ///
    /// let (here, mut there) = UnixStream::pair().unwrap();
    /// here.set_nonblocking(true).unwrap();
    /// let here = Source::new(here).unwrap();
    /// there.write_all(b"tea").unwrap();
    /// std::future::poll_fn(|context| here.poll_ready(context, Direction::Read)).await.unwrap();
    /// # });
    /// ```
    pub fn poll_ready(
        &self,
        context: &mut Context<'_>,
        direction: Direction,
    ) -> Poll<io::Result<()>> {
        ready!(budget::poll_left(context));
        let polled =
            self.readiness()
                .poll(context.waker(), Ready::of(direction), [direction], POLLER);
        if polled.is_ready() {
            budget::spend();
        }
        polled.map_ok(drop)
    }

    /// Waits until any of `interest` is believed ready; any number of tasks may wait.
    ///
    /// The belief may be wrong, so try with [`try_io`](Self::try_io), which takes it back if it was.
    ///
    /// # Errors
    /// If the runtime has shut down.
    ///
    /// # Cancel safety
    /// Safe: dropping the future forgets the wait only.
    ///
    /// # Examples
    /// ```
    /// # filch::block_on(async {
    /// use std::io::{Read, Write};
    /// use std::os::unix::net::UnixStream;
    /// use filch::io::{Interest, Source};
    ///
    /// let (here, mut there) = UnixStream::pair().unwrap();
    /// here.set_nonblocking(true).unwrap();
    /// let here = Source::new(here).unwrap();
    /// there.write_all(b"tea").unwrap();
    /// let ready = here.ready(Interest::READABLE).await.unwrap();
    /// assert!(ready.is_readable());
    /// let mut buffer = [0; 8];
    /// assert_eq!(here.try_io(Interest::READABLE, |mut stream| stream.read(&mut buffer)).unwrap(), 3);
    /// # });
    /// ```
    pub async fn ready(&self, interest: Interest) -> io::Result<Ready> {
        let seen = self.seen(interest, interest.ready()).await?;
        budget::spend();
        Ok(seen.ready.and(interest.ready()).and(Ready::PUBLIC))
    }

    async fn seen(&self, interest: Interest, wanted: Ready) -> io::Result<Seen> {
        let mut waiter = Waiter {
            readiness: self.readiness(),
            interest,
            wanted,
            key: None,
        };
        std::future::poll_fn(|context| {
            ready!(budget::poll_left(context));
            waiter.poll(context)
        })
        .await
    }

    /// Waits for `interest` and tries `op`, until it does not block; any number of tasks may wait.
    ///
    /// # Errors
    /// As [`poll_io`](Self::poll_io).
    ///
    /// # Cancel safety
    /// Safe as far as `op` is: it runs to its end or not at all.
    ///
    /// # Examples
    /// ```
    /// # filch::block_on(async {
    /// use std::io::{Read, Write};
    /// use std::os::unix::net::UnixStream;
    /// use filch::io::{Interest, Source};
    ///
    /// let (here, mut there) = UnixStream::pair().unwrap();
    /// here.set_nonblocking(true).unwrap();
    /// let here = Source::new(here).unwrap();
    /// there.write_all(b"tea").unwrap();
    /// let mut buffer = [0; 8];
    /// let read = here.async_io(Interest::READABLE, |mut stream| stream.read(&mut buffer));
    /// assert_eq!(read.await.unwrap(), 3);
    /// # });
    /// ```
    pub async fn async_io<R>(
        &self,
        interest: Interest,
        mut op: impl FnMut(&T) -> io::Result<R>,
    ) -> io::Result<R> {
        let wanted = interest.worth_a_try();
        loop {
            let seen = self.seen(interest, wanted).await?;
            if let Some(done) = self.attempt(seen, wanted, &mut op) {
                budget::spend();
                return done;
            }
        }
    }

    /// Tries `op` if `interest` is believed ready, or if nothing has been tried yet.
    ///
    /// # Errors
    /// `WouldBlock` if it is not, or if `op` says so; whatever else `op` fails with; and if the runtime has shut down.
    pub fn try_io<R>(
        &self,
        interest: Interest,
        op: impl FnOnce(&T) -> io::Result<R>,
    ) -> io::Result<R> {
        let seen = self.readiness().look()?;
        let wanted = interest.worth_a_try();
        if !seen.ready.intersects(wanted) {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        self.attempt(seen, wanted, op)
            .unwrap_or_else(|| Err(io::ErrorKind::WouldBlock.into()))
    }
}

impl<T: AsFd> Drop for Source<T> {
    fn drop(&mut self) {
        drop(self.deregister());
    }
}

impl<T: AsFd + fmt::Debug> fmt::Debug for Source<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Source").field("io", &self.io).finish()
    }
}

/// One of any number of tasks that wait for a source.
struct Waiter<'a> {
    readiness: &'a Readiness,
    interest: Interest,
    wanted: Ready,
    /// Once it is registered.
    key: Option<Key>,
}

impl Waiter<'_> {
    fn poll(&mut self, context: &mut Context<'_>) -> Poll<io::Result<Seen>> {
        let key = match self.key {
            Some(key) => key,
            None => {
                let seen = self.readiness.look()?;
                if seen.ready.intersects(self.wanted) {
                    return Poll::Ready(Ok(seen));
                }
                *self.key.insert(self.readiness.new_key())
            }
        };
        self.readiness.poll(
            context.waker(),
            self.wanted,
            self.interest.directions(),
            key,
        )
    }
}

impl Drop for Waiter<'_> {
    fn drop(&mut self) {
        if let Some(key) = self.key {
            for direction in self.interest.directions() {
                self.readiness.forget(direction, key);
            }
        }
    }
}

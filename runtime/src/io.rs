//! The door of the reactor: file descriptors of any kind, made to wait without blocking.

use std::io;
use std::os::fd::{AsFd, OwnedFd};

use crate::context::{self, NO_RUNTIME};

pub use crate::reactor::readiness::{Direction, Interest, Ready};
pub use crate::reactor::source::Source;

impl<T: AsFd> Source<T> {
    /// Registers `io`, which must be in non-blocking mode, with the reactor of the current runtime.
    ///
    /// # Errors
    /// What the system says: the descriptor cannot be watched (a regular file), is watched already, or the limit of
    /// watched descriptors is reached; and if the runtime has shut down. `io` is dropped then.
    ///
    /// # Panics
    /// If there is no current runtime.
    ///
    /// # Examples
    /// ```
    /// # filch::block_on(async {
    /// let (here, _there) = std::os::unix::net::UnixStream::pair().unwrap();
    /// here.set_nonblocking(true).unwrap();
    /// let here = filch::io::Source::new(here).unwrap();
    /// assert!(here.get_ref().peer_addr().is_ok());
    /// # });
    /// ```
    #[track_caller]
    pub fn new(io: T) -> io::Result<Source<T>> {
        Source::register_here(io, false)
    }

    /// As [`new`](Self::new), for a descriptor that is closed when `io` is dropped: that saves a system call.
    ///
    /// Where the descriptor was duplicated, events of the duplicate go on to wake the poller, in vain, until it is closed.
    ///
    /// # Errors
    /// As [`new`](Self::new).
    ///
    /// # Panics
    /// If there is no current runtime.
    #[track_caller]
    pub fn owning(io: T) -> io::Result<Source<T>>
    where
        T: Into<OwnedFd>,
    {
        Source::register_here(io, true)
    }

    #[track_caller]
    fn register_here(io: T, owning: bool) -> io::Result<Source<T>> {
        match context::with_current(|handle| Source::register(io, owning, &handle.0.reactor)) {
            Some(source) => source,
            None => panic!("{NO_RUNTIME}"),
        }
    }
}

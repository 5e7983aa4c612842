//! The door of the reactor: file descriptors of any kind, made to wait without blocking.

use std::io;
use std::os::fd::AsFd;

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
    #[track_caller]
    pub fn new(io: T) -> io::Result<Source<T>> {
        match context::with_current(|handle| Source::register(io, &handle.0.reactor)) {
            Some(source) => source,
            None => panic!("{NO_RUNTIME}"),
        }
    }
}

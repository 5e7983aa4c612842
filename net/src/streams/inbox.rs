//! What has come for a reader and was not read yet.

use std::io;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use parking_lot::Mutex;

use super::buffer::Buffer;
use super::connection::Connection;
use super::errors::again;

/// The most that one receive takes, at first and once the kernel fills that each time. Unit: bytes. Less: more system calls
/// for those who send much; more: memory for each connection that says little.
const CHUNK: std::ops::RangeInclusive<usize> = 4 * 1024..=256 * 1024;

/// What has come for a reader.
pub(super) struct Inbox {
    pub(super) limit: usize,
    pub(super) state: Mutex<State>,
}

pub(super) struct State {
    pub(super) buffer: Buffer,
    pub(super) is_eof: bool,
    pub(super) exception: Option<Arc<io::Error>>,
    /// Somebody is in `wait_for_data`.
    pub(super) is_awaited: bool,
    pub(super) waker: Option<Waker>,
    chunk: usize,
}

impl Inbox {
    /// # Panics
    /// If the limit is 0.
    #[track_caller]
    pub(super) fn new(limit: usize) -> Inbox {
        assert!(limit > 0, "Limit cannot be <= 0");
        Inbox {
            limit,
            state: Mutex::new(State {
                buffer: Buffer::default(),
                is_eof: false,
                exception: None,
                is_awaited: false,
                waker: None,
                chunk: *CHUNK.start(),
            }),
        }
    }

    pub(super) fn feed_eof(&self) {
        self.change(|state| state.is_eof = true);
    }

    pub(super) fn set_exception(&self, error: Arc<io::Error>) {
        self.change(|state| state.exception = Some(error));
    }

    pub(super) fn exception(&self) -> Option<Arc<io::Error>> {
        self.state.lock().exception.clone()
    }

    pub(super) fn change(&self, change: impl FnOnce(&mut State)) {
        let mut state = self.state.lock();
        change(&mut state);
        let waker = state.waker.take();
        drop(state);
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}

impl State {
    pub(super) fn check(&self) -> io::Result<()> {
        self.exception
            .as_ref()
            .map_or(Ok(()), |error| Err(again(error)))
    }

    pub(super) fn poll_receive(
        &mut self,
        from: &Connection,
        context: &mut Context<'_>,
    ) -> Poll<io::Result<()>> {
        let room = self.buffer.room(self.chunk);
        from.stream.poll_receive(context, room).map_ok(|came| {
            self.is_eof = came == 0;
            if came >= self.chunk {
                self.chunk = (self.chunk * 4).min(*CHUNK.end());
            }
        })
    }
}

/// The one who waits for data.
pub(super) struct Awaiting<'a> {
    pub(super) inbox: &'a Inbox,
    /// How many bytes had come when it began to; another may take them meanwhile.
    pub(super) had: u64,
}

impl Drop for Awaiting<'_> {
    fn drop(&mut self) {
        self.inbox.state.lock().is_awaited = false;
    }
}

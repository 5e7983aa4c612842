//! The reading side: the ways to read what has come.

use std::cmp::Reverse;
use std::fmt;
use std::future::poll_fn;
use std::io;
use std::sync::Arc;
use std::task::{Context, Poll};

use parking_lot::MutexGuard;

use super::DEFAULT_LIMIT;
use super::connection::Connection;
use super::errors::{IncompleteReadError, LimitOverrunError, ReadError, again};
use super::inbox::{Awaiting, Inbox, State};

/// The reading side of a connection, as asyncio has it: reads by size, by line, up to a separator.
///
/// What came and was not read stays in a buffer, so that a read that is cancelled loses nothing. Bytes are taken from the kernel
/// when somebody reads and the buffer has too few, not before: a sender who is too fast is held back by the kernel. One task
/// reads at a time.
///
/// Made by [`open_connection`](super::open_connection) and [`start_server`](super::start_server); one of
/// [`new`](Self::new) is fed by hand.
///
/// # Source
/// `asyncio.StreamReader`. There the loop receives up to twice the limit before anybody reads, so
/// [`at_eof`](Self::at_eof) may become true by itself; here a read finds the end.
///
/// # Examples
/// ```
/// use filch::asyncio::StreamReader;
///
/// # filch::block_on(async {
/// let reader = StreamReader::new();
/// reader.feed_data(b"one\ntwo\nrest");
/// assert_eq!(reader.readline().await?, b"one\n");
/// assert_eq!(reader.readuntil(b"o").await?, b"two");
/// assert_eq!(reader.readexactly(3).await?, b"\nre");
/// assert_eq!(reader.read(100).await?, b"st");
/// # std::io::Result::Ok(()) }).unwrap();
/// ```
pub struct StreamReader {
    source: Source,
}

/// A reader that goes reads no more; what its connection's writers write is sent all the same.
impl Drop for StreamReader {
    fn drop(&mut self) {
        if let Source::Connection(connection) = &self.source {
            connection.reader_leaves();
        }
    }
}

/// Where the bytes come from.
enum Source {
    /// Whoever feeds it.
    Fed(Inbox),
    Connection(Arc<Connection>),
}

impl StreamReader {
    /// One that is [fed](Self::feed_data) by hand, with a limit of 64 KiB.
    #[expect(
        clippy::new_without_default,
        reason = "no empty value, a source of bytes"
    )]
    pub fn new() -> StreamReader {
        StreamReader::with_limit(DEFAULT_LIMIT)
    }

    /// As [`new`](Self::new), with a limit of so many bytes for lines and what stands before a separator.
    ///
    /// # Panics
    /// If the limit is 0.
    #[track_caller]
    pub fn with_limit(limit: usize) -> StreamReader {
        StreamReader {
            source: Source::Fed(Inbox::new(limit)),
        }
    }

    pub(super) fn of(connection: Arc<Connection>) -> StreamReader {
        StreamReader {
            source: Source::Connection(connection),
        }
    }

    fn inbox(&self) -> &Inbox {
        match &self.source {
            Source::Fed(inbox) => inbox,
            Source::Connection(connection) => &connection.inbox,
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.inbox().state.lock()
    }

    /// Adds bytes, as if they had come over the connection.
    ///
    /// # Panics
    /// After [`feed_eof`](Self::feed_eof).
    #[track_caller]
    pub fn feed_data(&self, data: &[u8]) {
        let is_eof = self.lock().is_eof;
        assert!(!is_eof, "feed_data after feed_eof");
        if !data.is_empty() {
            self.inbox().change(|state| state.buffer.push(data));
        }
    }

    /// Says that no more bytes come.
    pub fn feed_eof(&self) {
        self.inbox().feed_eof();
    }

    /// True if the end was seen and all before it was read.
    pub fn at_eof(&self) -> bool {
        let state = self.lock();
        state.is_eof && state.buffer.is_empty()
    }

    /// What the connection failed with, or was [said](Self::set_exception) to.
    pub fn exception(&self) -> Option<Arc<io::Error>> {
        self.inbox().exception()
    }

    /// Has each read from now on fail with this error, the one under way, too.
    pub fn set_exception(&self, error: io::Error) {
        self.inbox().set_exception(Arc::new(error));
    }

    /// Reads up to `n` bytes: those that are there, or the next that come. None at the end.
    ///
    /// # Errors
    /// If the connection has failed; `ResourceBusy` if another task waits for this reader.
    ///
    /// # Cancel safety
    /// Safe: no byte is lost.
    pub async fn read(&self, n: usize) -> io::Result<Vec<u8>> {
        {
            let state = self.lock();
            state.check()?;
            if n == 0 {
                return Ok(Vec::new());
            }
        }
        loop {
            {
                let mut state = self.lock();
                if !state.buffer.is_empty() || state.is_eof {
                    let n = n.min(state.buffer.len());
                    return Ok(state.buffer.take(n));
                }
            }
            self.wait_for_data("read").await?;
        }
    }

    /// Reads until the end.
    ///
    /// # Errors
    /// As [`read`](Self::read).
    ///
    /// # Cancel safety
    /// Safe: no byte is lost.
    ///
    /// # Source
    /// `read(-1)`.
    ///
    /// # Examples
    /// ```
    /// # filch::block_on(async {
    /// let reader = filch::asyncio::StreamReader::new();
    /// reader.feed_data(b"all of it");
    /// reader.feed_eof();
    /// assert_eq!(reader.read_to_end().await?, b"all of it");
    /// assert!(reader.at_eof());
    /// # std::io::Result::Ok(()) }).unwrap();
    /// ```
    pub async fn read_to_end(&self) -> io::Result<Vec<u8>> {
        loop {
            {
                let mut state = self.lock();
                state.check()?;
                if state.is_eof {
                    return Ok(state.buffer.take_all());
                }
            }
            self.wait_for_data("read").await?;
        }
    }

    /// Reads a line with its `\n`. At the end it is what is left, without one.
    ///
    /// # Errors
    /// [`ReadError::LimitOverrun`] if the line is longer than the limit: what was read of it is dropped (all of it, if its end
    /// was found). [`ReadError::Io`] as in [`read`](Self::read).
    ///
    /// # Cancel safety
    /// Safe: no byte is lost.
    pub async fn readline(&self) -> Result<Vec<u8>, ReadError> {
        match self.readuntil(b"\n").await {
            Err(ReadError::Incomplete(error)) => Ok(error.partial),
            Err(ReadError::LimitOverrun(error)) => {
                let mut state = self.lock();
                let rest = state.buffer.as_slice().get(error.consumed..);
                if rest.is_some_and(|rest| rest.starts_with(b"\n")) {
                    state.buffer.forget(error.consumed + 1);
                } else {
                    state.buffer.clear();
                }
                Err(ReadError::LimitOverrun(error))
            }
            outcome => outcome,
        }
    }

    /// The lines from here on, one after the other.
    ///
    /// # Source
    /// `async for line in reader`.
    ///
    /// # Examples
    /// ```
    /// # filch::block_on(async {
    /// let reader = filch::asyncio::StreamReader::new();
    /// reader.feed_data(b"one\ntwo");
    /// reader.feed_eof();
    /// let mut lines = reader.lines();
    /// let mut count = 0;
    /// while let Some(line) = lines.next().await {
    ///     assert!([b"one\n".as_slice(), b"two"].contains(&&*line?));
    ///     count += 1;
    /// }
    /// assert_eq!(count, 2);
    /// # std::io::Result::Ok(()) }).unwrap();
    /// ```
    pub fn lines(&self) -> Lines<'_> {
        Lines(self)
    }

    /// Reads exactly `n` bytes. The limit does not count.
    ///
    /// # Errors
    /// [`ReadError::Incomplete`] if the stream ends before, with what came, which is read then; [`ReadError::Io`] as in
    /// [`read`](Self::read).
    ///
    /// # Cancel safety
    /// Safe: no byte is lost.
    pub async fn readexactly(&self, n: usize) -> Result<Vec<u8>, ReadError> {
        loop {
            {
                let mut state = self.lock();
                state.check()?;
                if state.buffer.len() >= n {
                    return Ok(state.buffer.take(n));
                }
                if state.is_eof {
                    return Err(ReadError::Incomplete(IncompleteReadError {
                        partial: state.buffer.take_all(),
                        expected: Some(n),
                    }));
                }
            }
            self.wait_for_data("readexactly").await?;
        }
    }

    /// Reads up to the separator, with it.
    ///
    /// # Errors
    /// [`ReadError::Incomplete`] if the stream ends before it comes, with what came, which is read then;
    /// [`ReadError::LimitOverrun`] if more than the limit stands before it, all of which stays in the buffer;
    /// [`ReadError::Io`] as in [`read`](Self::read).
    ///
    /// # Panics
    /// If the separator is empty.
    ///
    /// # Cancel safety
    /// Safe: no byte is lost.
    pub async fn readuntil(&self, separator: &[u8]) -> Result<Vec<u8>, ReadError> {
        self.readuntil_any(&[separator]).await
    }

    /// As [`readuntil`](Self::readuntil), up to that one of the separators that ends first, the shorter of two.
    ///
    /// # Errors
    /// As [`readuntil`](Self::readuntil).
    ///
    /// # Panics
    /// If there is none, or one that is empty.
    ///
    /// # Cancel safety
    /// Safe: no byte is lost.
    ///
    /// # Source
    /// `readuntil` with a tuple.
    ///
    /// # Examples
    /// ```
    /// # filch::block_on(async {
    /// let reader = filch::asyncio::StreamReader::new();
    /// reader.feed_data(b"dos\r\nunix\n");
    /// let ends = [b"\n".as_slice(), b"\r\n"];
    /// assert_eq!(reader.readuntil_any(&ends).await?, b"dos\r\n");
    /// assert_eq!(reader.readuntil_any(&ends).await?, b"unix\n");
    /// # std::io::Result::Ok(()) }).unwrap();
    /// ```
    pub async fn readuntil_any(&self, separators: &[&[u8]]) -> Result<Vec<u8>, ReadError> {
        let lengths = || separators.iter().map(|separator| separator.len());
        let (Some(shortest), Some(longest)) = (lengths().min(), lengths().max()) else {
            panic!("Separator should contain at least one element");
        };
        assert!(shortest > 0, "Separator should be at least one-byte string");
        let limit = self.inbox().limit;
        // Before it no separator begins, unless somebody takes what is there.
        let (mut offset, mut taken) = (0, None);
        loop {
            {
                let mut state = self.lock();
                state.check()?;
                let now = Some(state.buffer.taken());
                if std::mem::replace(&mut taken, now) != now {
                    offset = 0;
                }
                let len = state.buffer.len();
                if len >= offset + shortest {
                    let found = separators.iter().filter_map(|separator| {
                        let at = state.buffer.find(separator, offset)?;
                        Some((at + separator.len(), at))
                    });
                    // Of two that end together, the shorter.
                    let found = found.min_by_key(|&(end, at)| (end, Reverse(at)));
                    if let Some((end, at)) = found {
                        if at > limit {
                            return Err(overrun(true, at));
                        }
                        return Ok(state.buffer.take(end));
                    }
                    offset = (len + 1).saturating_sub(longest);
                    if offset > limit {
                        return Err(overrun(false, offset));
                    }
                }
                if state.is_eof {
                    return Err(ReadError::Incomplete(IncompleteReadError {
                        partial: state.buffer.take_all(),
                        expected: None,
                    }));
                }
            }
            self.wait_for_data("readuntil").await?;
        }
    }

    /// Waits until more has come than now, or the end.
    async fn wait_for_data(&self, by: &str) -> io::Result<()> {
        let mut awaiting = None;
        poll_fn(|context| {
            let awaiting = match &awaiting {
                Some(awaiting) => awaiting,
                None => awaiting.insert(self.begin_to_wait(by)?),
            };
            self.poll_data(awaiting.had, context)
        })
        .await
    }

    fn begin_to_wait(&self, by: &str) -> io::Result<Awaiting<'_>> {
        let inbox = self.inbox();
        let mut state = inbox.state.lock();
        if state.is_awaited {
            let message = format!(
                "{by}() called while another coroutine is already waiting for incoming data"
            );
            return Err(io::Error::new(io::ErrorKind::ResourceBusy, message));
        }
        state.is_awaited = true;
        let had = state.buffer.came();
        Ok(Awaiting { inbox, had })
    }

    fn poll_data(&self, had: u64, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut state = self.lock();
        state.check()?;
        if state.buffer.came() > had || state.is_eof {
            return Poll::Ready(Ok(()));
        }
        if let Source::Connection(connection) = &self.source {
            match state.poll_receive(connection, context) {
                Poll::Ready(Ok(())) => return Poll::Ready(Ok(())),
                Poll::Ready(Err(error)) => {
                    drop(state);
                    return Poll::Ready(Err(again(&connection.fail(error))));
                }
                Poll::Pending => {}
            }
        }
        if !state
            .waker
            .as_ref()
            .is_some_and(|w| w.will_wake(context.waker()))
        {
            let old = state.waker.replace(context.waker().clone());
            drop(state);
            drop(old);
        }
        Poll::Pending
    }
}

fn overrun(is_found: bool, consumed: usize) -> ReadError {
    ReadError::LimitOverrun(LimitOverrunError { is_found, consumed })
}

/// The lines of a reader: [`StreamReader::lines`].
#[derive(Debug)]
#[must_use = "nothing is read before `next`"]
pub struct Lines<'a>(&'a StreamReader);

impl Lines<'_> {
    /// The next line with its `\n`, or none at the end.
    ///
    /// # Errors
    /// As [`StreamReader::readline`].
    ///
    /// # Cancel safety
    /// Safe: no byte is lost.
    pub async fn next(&mut self) -> Option<Result<Vec<u8>, ReadError>> {
        match self.0.readline().await {
            Ok(line) if line.is_empty() => None,
            outcome => Some(outcome),
        }
    }
}

impl fmt::Debug for StreamReader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = self.lock();
        f.debug_struct("StreamReader")
            .field("bytes", &state.buffer.len())
            .field("eof", &state.is_eof)
            .field("limit", &self.inbox().limit)
            .field("exception", &state.exception)
            .finish_non_exhaustive()
    }
}

//! Why a read gave less than it was asked for.

use std::error::Error;
use std::fmt;
use std::io;
use std::sync::Arc;

/// The stream ended before all that was wanted had come.
///
/// # Source
/// `asyncio.IncompleteReadError`.
///
/// # Examples
/// ```
/// use filch::asyncio::{ReadError, StreamReader};
///
/// # filch::block_on(async {
/// let reader = StreamReader::new();
/// reader.feed_data(b"tea");
/// reader.feed_eof();
/// let Err(ReadError::Incomplete(error)) = reader.readexactly(10).await else { panic!() };
/// assert_eq!((error.partial(), error.expected()), (b"tea".as_slice(), Some(10)));
/// # });
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IncompleteReadError {
    pub(super) partial: Vec<u8>,
    pub(super) expected: Option<usize>,
}

impl IncompleteReadError {
    /// The bytes that came before the end.
    pub fn partial(&self) -> &[u8] {
        &self.partial
    }

    /// As [`partial`](Self::partial), to keep.
    pub fn into_partial(self) -> Vec<u8> {
        self.partial
    }

    /// How many bytes were wanted; `None` if it was all up to a separator.
    pub fn expected(&self) -> Option<usize> {
        self.expected
    }
}

impl fmt::Display for IncompleteReadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let got = self.partial.len();
        match self.expected {
            Some(expected) => write!(
                f,
                "{got} bytes read on a total of {expected} expected bytes"
            ),
            None => write!(f, "{got} bytes read on a total of undefined expected bytes"),
        }
    }
}

impl Error for IncompleteReadError {}

/// The limit of the reader was reached before the separator, or is less than what stands before it.
///
/// # Source
/// `asyncio.LimitOverrunError`.
///
/// # Examples
/// ```
/// use filch::asyncio::{ReadError, StreamReader};
///
/// # filch::block_on(async {
/// let reader = StreamReader::with_limit(3);
/// reader.feed_data(b"a long line");
/// let Err(ReadError::LimitOverrun(error)) = reader.readuntil(b"\n").await else { panic!() };
/// assert_eq!(error.consumed(), 11);
/// assert_eq!(reader.readexactly(error.consumed()).await.unwrap(), b"a long line");
/// # });
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LimitOverrunError {
    pub(super) is_found: bool,
    pub(super) consumed: usize,
}

impl LimitOverrunError {
    /// How many bytes stand in the buffer that surely are before the separator.
    pub fn consumed(&self) -> usize {
        self.consumed
    }
}

impl fmt::Display for LimitOverrunError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.is_found {
            "Separator is found, but chunk is longer than limit"
        } else {
            "Separator is not found, and chunk exceed the limit"
        })
    }
}

impl Error for LimitOverrunError {}

/// Why a read of a [`StreamReader`](super::StreamReader) did not give what was asked for.
///
/// `?` makes an [`io::Error`] of it: `UnexpectedEof`, `InvalidData`, or what the connection says.
///
/// # Examples
/// ```
/// use filch::asyncio::StreamReader;
///
/// async fn first(reader: &StreamReader) -> std::io::Result<u8> {
///     Ok(reader.readexactly(1).await?[0])
/// }
/// # filch::block_on(async {
/// let reader = StreamReader::new();
/// reader.feed_eof();
/// assert_eq!(first(&reader).await.unwrap_err().kind(), std::io::ErrorKind::UnexpectedEof);
/// # });
/// ```
#[derive(Debug)]
pub enum ReadError {
    /// The stream ended too early.
    Incomplete(IncompleteReadError),
    /// There is no separator within the limit.
    LimitOverrun(LimitOverrunError),
    /// The connection failed; or another task waits for the same reader (`ResourceBusy`).
    Io(io::Error),
}

impl fmt::Display for ReadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ReadError::Incomplete(error) => error.fmt(f),
            ReadError::LimitOverrun(error) => error.fmt(f),
            ReadError::Io(error) => error.fmt(f),
        }
    }
}

impl Error for ReadError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            ReadError::Incomplete(error) => Some(error),
            ReadError::LimitOverrun(error) => Some(error),
            ReadError::Io(error) => Some(error),
        }
    }
}

impl From<io::Error> for ReadError {
    fn from(error: io::Error) -> ReadError {
        ReadError::Io(error)
    }
}

impl From<ReadError> for io::Error {
    fn from(error: ReadError) -> io::Error {
        match error {
            ReadError::Incomplete(error) => io::Error::new(io::ErrorKind::UnexpectedEof, error),
            ReadError::LimitOverrun(error) => io::Error::new(io::ErrorKind::InvalidData, error),
            ReadError::Io(error) => error,
        }
    }
}

/// The error that a connection ended with, for one more who asks.
pub(super) fn again(error: &Arc<io::Error>) -> io::Error {
    match error.raw_os_error() {
        Some(code) => io::Error::from_raw_os_error(code),
        None => io::Error::new(error.kind(), error.clone()),
    }
}

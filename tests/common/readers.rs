//! Stream readers that a test feeds itself, and the errors they give.

use std::sync::Arc;

use filch::EventLoop;
use filch::asyncio::{IncompleteReadError, LimitOverrunError, ReadError, StreamReader};

/// A reader that has got this, and more to come.
pub(crate) fn fed(data: &[u8]) -> StreamReader {
    let reader = StreamReader::new();
    reader.feed_data(data);
    reader
}

/// A reader that has got this, and no more.
pub(crate) fn all(data: &[u8]) -> StreamReader {
    let reader = fed(data);
    reader.feed_eof();
    reader
}

/// Has the loop call this in its next iteration, with the reader.
pub(crate) fn soon(reader: &Arc<StreamReader>, call: impl FnOnce(&StreamReader) + Send + 'static) {
    let reader = reader.clone();
    EventLoop::current()
        .unwrap()
        .call_soon(move || call(&reader));
}

#[track_caller]
pub(crate) fn incomplete<T: std::fmt::Debug>(outcome: Result<T, ReadError>) -> IncompleteReadError {
    match outcome {
        Err(ReadError::Incomplete(error)) => error,
        other => panic!("{other:?}"),
    }
}

#[track_caller]
pub(crate) fn overrun<T: std::fmt::Debug>(outcome: Result<T, ReadError>) -> LimitOverrunError {
    match outcome {
        Err(ReadError::LimitOverrun(error)) => error,
        other => panic!("{other:?}"),
    }
}

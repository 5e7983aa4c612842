//! A reader gives what it is asked for, within its limits. Tests are named after those of CPython's test_streams.py,
//! `StreamTests`, about `StreamReader`; those about connections are in `asyncio_streams_net.rs`.

#[path = "common/asyncio.rs"]
mod asyncio_common;
mod common;
#[path = "common/readers.rs"]
mod readers;

use std::io::{self, ErrorKind};
use std::sync::Arc;

use filch::EventLoop;
use filch::asyncio::{ReadError, StreamReader};
use filch::asyncio::{create_task, sleep};

use asyncio_common::{in_task, ms, panic_of};
use common::Probe;
use readers::{all, fed, incomplete, overrun, soon};

const DATA: &[u8] = b"line1\nline2\nline3\n";

#[test]
fn feed_empty_data() {
    in_task(|| async {
        let reader = fed(b"");
        reader.feed_eof();
        assert_eq!(reader.read_to_end().await.unwrap(), b"");
    });
}

#[test]
fn feed_nonempty_data() {
    in_task(|| async {
        assert_eq!(all(DATA).read_to_end().await.unwrap(), DATA);
        let reader = all(DATA);
        let text = panic_of(|| reader.feed_data(b"more"));
        assert_eq!(text, "feed_data after feed_eof");
    });
}

#[test]
fn read_zero() {
    in_task(|| async {
        let reader = fed(DATA);
        assert_eq!(reader.read(0).await.unwrap(), b"");
        reader.feed_eof();
        assert_eq!(reader.read_to_end().await.unwrap(), DATA);
    });
}

#[test]
fn read() {
    in_task(|| async {
        let reader = Arc::new(StreamReader::new());
        soon(&reader, |reader| reader.feed_data(DATA));
        assert_eq!(reader.read(30).await.unwrap(), DATA);
        reader.feed_eof();
        assert_eq!(reader.read_to_end().await.unwrap(), b"");
    });
}

#[test]
fn read_line_breaks() {
    in_task(|| async {
        let reader = fed(b"line1");
        reader.feed_data(b"line2");
        assert_eq!(reader.read(5).await.unwrap(), b"line1");
        assert_eq!(reader.read(100).await.unwrap(), b"line2");
    });
}

#[test]
fn read_eof() {
    in_task(|| async {
        let reader = Arc::new(StreamReader::new());
        soon(&reader, StreamReader::feed_eof);
        assert_eq!(reader.read(1024).await.unwrap(), b"");
        assert_eq!(reader.read(1024).await.unwrap(), b"");
    });
}

#[test]
fn read_until_eof() {
    in_task(|| async {
        let reader = Arc::new(StreamReader::new());
        soon(&reader, |reader| {
            reader.feed_data(b"chunk1\n");
            reader.feed_data(b"chunk2");
        });
        let feeding = reader.clone();
        EventLoop::current().unwrap().call_later(ms(1), move || {
            feeding.feed_data(b"!");
            feeding.feed_eof();
        });
        assert_eq!(reader.read_to_end().await.unwrap(), b"chunk1\nchunk2!");
    });
}

#[test]
fn read_exception() {
    in_task(|| async {
        let reader = fed(b"line\n");
        assert_eq!(reader.read(2).await.unwrap(), b"li");
        reader.set_exception(io::Error::new(ErrorKind::InvalidInput, "spam"));
        let error = reader.read(2).await.unwrap_err();
        assert_eq!(
            (error.kind(), error.to_string()),
            (ErrorKind::InvalidInput, "spam".into())
        );
        // As often as one asks, and from the system with its number.
        assert!(reader.read(0).await.is_err());
        let reader = fed(b"line\n");
        reader.set_exception(io::Error::from_raw_os_error(104));
        assert_eq!(reader.read(2).await.unwrap_err().raw_os_error(), Some(104));
    });
}

#[test]
fn invalid_limit() {
    let text = panic_of(|| StreamReader::with_limit(0));
    assert_eq!(text, "Limit cannot be <= 0");
    let text = panic_of(|| filch::asyncio::StreamOptions::new().limit(0));
    assert_eq!(text, "Limit cannot be <= 0");
}

#[test]
fn read_limit() {
    in_task(|| async {
        let reader = StreamReader::with_limit(3);
        reader.feed_data(b"chunk");
        assert_eq!(
            reader.read(5).await.unwrap(),
            b"chunk",
            "the limit is for lines"
        );
    });
}

#[test]
fn readline() {
    in_task(|| async {
        let reader = Arc::new(fed(b"chunk1 "));
        soon(&reader, |reader| {
            reader.feed_data(b"chunk2 ");
            reader.feed_data(b"chunk3 ");
            reader.feed_data(b"\n chunk4");
        });
        assert_eq!(reader.readline().await.unwrap(), b"chunk1 chunk2 chunk3 \n");
        reader.feed_eof();
        assert_eq!(reader.read_to_end().await.unwrap(), b" chunk4");
    });
}

#[test]
fn readline_limit_with_existing_data() {
    in_task(|| async {
        let reader = StreamReader::with_limit(3);
        reader.feed_data(b"li");
        reader.feed_data(b"ne1\nline2\n");
        overrun(reader.readline().await);
        // What is before the end of the line is dropped, with it.
        reader.feed_eof();
        assert_eq!(reader.read_to_end().await.unwrap(), b"line2\n");

        let reader = StreamReader::with_limit(3);
        reader.feed_data(b"li");
        reader.feed_data(b"ne1");
        reader.feed_data(b"li");
        overrun(reader.readline().await);
        // No end was seen: all is dropped.
        reader.feed_eof();
        assert_eq!(reader.read_to_end().await.unwrap(), b"");
    });
}

#[test]
fn at_eof() {
    in_task(|| async {
        let reader = StreamReader::new();
        assert!(!reader.at_eof());
        reader.feed_data(b"some data\n");
        assert!(!reader.at_eof());
        reader.readline().await.unwrap();
        assert!(!reader.at_eof());
        reader.feed_data(b"some data\n");
        reader.feed_eof();
        assert!(!reader.at_eof());
        reader.readline().await.unwrap();
        assert!(reader.at_eof());
    });
}

#[test]
fn readline_limit() {
    in_task(|| async {
        let reader = Arc::new(StreamReader::with_limit(7));
        soon(&reader, |reader| {
            for chunk in [b"chunk1" as &[u8], b"chunk2", b"chunk3\n"] {
                reader.feed_data(chunk);
            }
            reader.feed_eof();
        });
        overrun(reader.readline().await);
        assert_eq!(reader.read_to_end().await.unwrap(), b"");

        let reader = Arc::new(StreamReader::with_limit(7));
        soon(&reader, |reader| {
            reader.feed_data(b"chunk1");
            reader.feed_data(b"chunk2\n");
            reader.feed_data(b"chunk3\n");
            reader.feed_eof();
        });
        overrun(reader.readline().await);
        assert_eq!(reader.readline().await.unwrap(), b"chunk3\n");
    });
}

#[test]
fn readline_nolimit_nowait() {
    in_task(|| async {
        let reader = fed(DATA);
        let mut line = Box::pin(reader.readline());
        let ready = Probe::new().poll(&mut line);
        assert!(matches!(ready, std::task::Poll::Ready(Ok(line)) if line == b"line1\n"));
        reader.feed_eof();
        assert_eq!(reader.read_to_end().await.unwrap(), b"line2\nline3\n");
    });
}

#[test]
fn readline_eof() {
    in_task(|| async {
        assert_eq!(all(b"some data").readline().await.unwrap(), b"some data");
    });
}

#[test]
fn readline_empty_eof() {
    in_task(|| async {
        assert_eq!(all(b"").readline().await.unwrap(), b"");
    });
}

#[test]
fn readline_read_byte_count() {
    in_task(|| async {
        let reader = fed(DATA);
        reader.readline().await.unwrap();
        assert_eq!(reader.read(7).await.unwrap(), b"line2\nl");
        reader.feed_eof();
        assert_eq!(reader.read_to_end().await.unwrap(), b"ine3\n");
    });
}

#[test]
fn readline_exception() {
    in_task(|| async {
        let reader = fed(b"line\n");
        assert_eq!(reader.readline().await.unwrap(), b"line\n");
        reader.set_exception(io::Error::other("spam"));
        assert!(
            matches!(reader.readline().await, Err(ReadError::Io(error)) if error.to_string() == "spam")
        );
    });
}

#[test]
fn readexactly_zero_or_less() {
    in_task(|| async {
        let reader = fed(DATA);
        assert_eq!(reader.readexactly(0).await.unwrap(), b"");
        reader.feed_eof();
        assert_eq!(reader.read_to_end().await.unwrap(), DATA);
    });
}

#[test]
fn readexactly() {
    in_task(|| async {
        let reader = Arc::new(StreamReader::new());
        let feeding = reader.clone();
        create_task(async move {
            for _ in 0..3 {
                sleep(ms(0)).await;
                feeding.feed_data(DATA);
            }
        });
        let n = 2 * DATA.len();
        assert_eq!(reader.readexactly(n).await.unwrap(), [DATA, DATA].concat());
        assert_eq!(reader.readexactly(DATA.len()).await.unwrap(), DATA);
    });
}

#[test]
fn readexactly_limit() {
    in_task(|| async {
        let reader = StreamReader::with_limit(3);
        reader.feed_data(b"chunk");
        assert_eq!(reader.readexactly(5).await.unwrap(), b"chunk");
    });
}

#[test]
fn readexactly_eof() {
    in_task(|| async {
        let reader = Arc::new(StreamReader::new());
        soon(&reader, |reader| {
            reader.feed_data(DATA);
            reader.feed_eof();
        });
        let error = incomplete(reader.readexactly(DATA.len() + 1).await);
        assert_eq!(error.partial(), DATA);
        assert_eq!(error.expected(), Some(DATA.len() + 1));
        assert_eq!(
            error.to_string(),
            "18 bytes read on a total of 19 expected bytes"
        );
        assert_eq!(reader.read(1).await.unwrap(), b"");
    });
}

#[test]
fn readexactly_exception() {
    in_task(|| async {
        let reader = fed(b"line\n");
        assert_eq!(reader.readexactly(2).await.unwrap(), b"li");
        reader.set_exception(io::Error::other("spam"));
        assert!(matches!(reader.readexactly(2).await, Err(ReadError::Io(_))));
    });
}

#[test]
fn exception() {
    let reader = StreamReader::new();
    assert!(reader.exception().is_none());
    reader.set_exception(io::Error::other("spam"));
    assert_eq!(reader.exception().unwrap().to_string(), "spam");
}

#[test]
fn exception_waiter() {
    in_task(|| async {
        let reader = Arc::new(StreamReader::new());
        soon(&reader, |reader| {
            reader.set_exception(io::Error::other("spam"))
        });
        assert!(
            matches!(reader.readline().await, Err(ReadError::Io(error)) if error.to_string() == "spam")
        );
    });
}

#[test]
fn exception_cancel() {
    in_task(|| async {
        let reader = Arc::new(StreamReader::new());
        let reading = reader.clone();
        let task = create_task(async move { reading.readline().await.unwrap() });
        sleep(ms(0)).await;
        task.cancel("enough");
        assert!(task.await.is_err());
        // Nobody waits any more: nothing happens.
        reader.set_exception(io::Error::other("spam"));
    });
}

/// What one task takes while another waits is not there for that any more; what comes then is.
#[test]
fn readline_goes_on_when_another_has_read_what_was_there() {
    in_task(|| async {
        let reader = Arc::new(fed(b"0123456789"));
        let reading = reader.clone();
        let task = create_task(async move { reading.readline().await.unwrap() });
        sleep(ms(0)).await;
        assert_eq!(reader.read(100).await.unwrap(), b"0123456789");
        reader.feed_data(b"x\n");
        assert_eq!(task.await.unwrap(), b"x\n");
    });
}

//! A reader finds separators, within its limit. Tests are named after those of CPython's test_streams.py, `StreamTests`.

#[path = "common/asyncio.rs"]
mod asyncio_common;
mod common;
#[path = "common/readers.rs"]
mod readers;

use std::sync::Arc;

use filch::asyncio::StreamReader;
use filch::asyncio::{create_task, sleep};

use asyncio_common::{in_task, ms};
use readers::{all, fed, incomplete, overrun, soon};

#[test]
fn readuntil_separator() {
    in_task(|| async {
        for separators in [&[b"" as &[u8]] as &[&[u8]], &[], &[b"a", b""]] {
            let outcome = create_task(async move {
                let _ = StreamReader::new().readuntil_any(separators).await;
            });
            let panic = outcome.await.unwrap_err();
            let filch::PromiseError::Failed(panic) = panic else {
                panic!("{panic:?}")
            };
            assert!(panic.to_string().contains("Separator should"), "{panic}");
        }
    });
}

#[test]
fn readuntil_multi_chunks() {
    in_task(|| async {
        let reader = fed(b"lineAAA");
        assert_eq!(reader.readuntil(b"AAA").await.unwrap(), b"lineAAA");
        reader.feed_data(b"lineAAA");
        assert_eq!(reader.readuntil(b"AAA").await.unwrap(), b"lineAAA");
        reader.feed_data(b"lineAAAxxx");
        assert_eq!(reader.readuntil(b"AAA").await.unwrap(), b"lineAAA");
        assert_eq!(reader.read(10).await.unwrap(), b"xxx");
    });
}

#[test]
fn readuntil_multi_chunks_1() {
    in_task(|| async {
        let reader = Arc::new(StreamReader::new());
        // Each piece comes after somebody has looked at what was there.
        let pieces: [&[&[u8]]; 4] = [
            &[b"QWEaa", b"XYaa", b"a"],
            &[b"QWEaa", b"XYa", b"aa"],
            &[b"aaa"],
            &[b"Xaaa"],
        ];
        for pieces in pieces {
            let feeding = reader.clone();
            create_task(async move {
                for piece in pieces {
                    sleep(ms(0)).await;
                    feeding.feed_data(piece);
                }
            });
            let expected = pieces.concat();
            assert_eq!(reader.readuntil(b"aaa").await.unwrap(), expected);
        }
    });
}

#[test]
fn readuntil_eof() {
    in_task(|| async {
        let reader = all(b"some dataAA");
        let error = incomplete(reader.readuntil(b"AAA").await);
        assert_eq!(
            (error.partial(), error.expected()),
            (b"some dataAA" as &[u8], None)
        );
        assert_eq!(reader.read(100).await.unwrap(), b"");
    });
}

#[test]
fn readuntil_limit_found_sep() {
    in_task(|| async {
        let reader = StreamReader::with_limit(3);
        reader.feed_data(b"some dataAA");
        let error = overrun(reader.readuntil(b"AAA").await);
        assert!(error.to_string().contains("not found"), "{error}");
        // All stays, and can be read.
        assert_eq!(reader.readexactly(5).await.unwrap(), b"some ");
        reader.feed_data(b"A");
        let error = overrun(reader.readuntil(b"AAA").await);
        assert!(error.to_string().contains("is found"), "{error}");
        assert_eq!(error.consumed(), 4);
        assert_eq!(reader.readexactly(7).await.unwrap(), b"dataAAA");
    });
}

#[test]
fn readuntil_multi_separator() {
    in_task(|| async {
        // The one that ends first, whatever their order.
        let reader = fed(b"Simple message\nand more");
        assert_eq!(
            reader.readuntil_any(&[b"\n", b"\r\n", b"."]).await.unwrap(),
            b"Simple message\n"
        );
        assert_eq!(
            reader
                .readuntil_any(&[b"nd", b"and m", b"d"])
                .await
                .unwrap(),
            b"and"
        );
        // A long one that waits for its end, beside a short one that comes first.
        let reader = Arc::new(fed(b"xAA"));
        soon(&reader, |reader| reader.feed_data(b"bAAA"));
        assert_eq!(
            reader.readuntil_any(&[b"AAA", b"b"]).await.unwrap(),
            b"xAAb"
        );
        assert_eq!(reader.readuntil_any(&[b"b", b"AAA"]).await.unwrap(), b"AAA");
    });
}

#[test]
fn readuntil_multi_separator_limit() {
    in_task(|| async {
        for separators in [[b"A" as &[u8], b"ome dataA"], [b"ome dataA", b"A"]] {
            let reader = StreamReader::with_limit(3);
            reader.feed_data(b"some dataA");
            let error = overrun(reader.readuntil_any(&separators).await);
            assert!(error.to_string().contains("is found"), "{error}");
            // Both end there; the shorter counts.
            assert_eq!(error.consumed(), 9);
            assert_eq!(reader.read(100).await.unwrap(), b"some dataA");
        }
    });
}

#[test]
fn readuntil_multi_separator_negative_offset() {
    in_task(|| async {
        // The buffer is shorter than the longest separator.
        let reader = Arc::new(fed(b"data"));
        soon(&reader, |reader| reader.feed_data(b"B"));
        let separators = [b"A" as &[u8], b"long sep", b"B"];
        assert_eq!(reader.readuntil_any(&separators).await.unwrap(), b"dataB");
    });
}

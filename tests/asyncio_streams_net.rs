//! Streams over connections, in tasks of a loop and in tasks of the workers. Tests without a comment are named after those of
//! CPython's test_streams.py, `StreamTests`; servers are in `asyncio_servers.rs`.

#[path = "common/asyncio.rs"]
mod asyncio_common;
mod common;

use std::future::poll_fn;
use std::io::ErrorKind;
use std::pin::pin;
use std::task::Poll;

use filch::asyncio::{
    ReadError, Server, StreamOptions, StreamReader, StreamWriter, open_connection, start_server,
};
use filch::net::{TcpListener, TcpStream};
use filch::task::yield_now;
use filch::time::timeout;

use asyncio_common::{in_task, ms, panic_of};
use common::{Probe, a_while, bounded, multi};

/// In tasks of loops, and in a task of the workers.
#[track_caller]
fn everywhere<F>(test: fn() -> F)
where
    F: Future<Output = ()> + Send + 'static,
{
    in_task(test);
    bounded(move || {
        let rt = multi(4);
        rt.block_on(async { filch::spawn(test()).await.unwrap() });
    });
}

/// Two ends of a connection.
async fn pair() -> ((StreamReader, StreamWriter), (StreamReader, StreamWriter)) {
    let (client, server) = sockets().await;
    let options = StreamOptions::new();
    (
        options.streams(client).unwrap(),
        options.streams(server).unwrap(),
    )
}

async fn sockets() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let client = TcpStream::connect(listener.local_addr().unwrap())
        .await
        .unwrap();
    (client, listener.accept().await.unwrap().0)
}

/// A server that answers each line in capitals.
async fn shouting() -> Server {
    let serve = |reader: StreamReader, writer: StreamWriter| async move {
        let mut lines = reader.lines();
        while let Some(Ok(line)) = lines.next().await {
            writer.write(line.to_ascii_uppercase());
            if writer.drain().await.is_err() {
                break;
            }
        }
    };
    start_server(serve, "127.0.0.1:0").await.unwrap()
}

async fn in_time<F: Future>(what: F) -> F::Output {
    timeout(a_while(), what).await.expect("it never ends")
}

/// Bytes of which each says where it belongs.
fn long(n: usize) -> Vec<u8> {
    (0..n).map(|at| (at / 251 + at) as u8).collect()
}

#[test]
fn open_connection_() {
    everywhere(|| async {
        let server = shouting().await;
        let addr = server.local_addrs()[0];
        for _ in 0..2 {
            let (reader, writer) = open_connection(addr).await.unwrap();
            assert_eq!(writer.peer_addr(), Some(addr));
            assert_eq!(writer.local_addr().unwrap().ip(), addr.ip());
            writer.write("hello\n");
            assert_eq!(reader.readline().await.unwrap(), b"HELLO\n");
            writer.write_eof();
            assert_eq!(in_time(reader.read_to_end()).await.unwrap(), b"");
            assert!(reader.at_eof());
            writer.close();
            in_time(writer.wait_closed()).await.unwrap();
        }
    });
}

#[test]
fn open_connection_error() {
    everywhere(|| async {
        let addr = {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            listener.local_addr().unwrap()
        };
        let error = in_time(open_connection(addr)).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ConnectionRefused);
    });
}

#[test]
fn wait_closed_on_close() {
    everywhere(|| async {
        let ((reader, writer), (_, other)) = pair().await;
        other.write(b"HTTP/1.0 200 OK\r\n\r\nTest message");
        assert_eq!(reader.readline().await.unwrap(), b"HTTP/1.0 200 OK\r\n");
        other.close();
        let rest = in_time(reader.read_to_end()).await.unwrap();
        assert!(rest.ends_with(b"\r\n\r\nTest message") || rest.ends_with(b"Test message"));
        assert!(!writer.is_closing());
        writer.close();
        assert!(writer.is_closing());
        in_time(writer.wait_closed()).await.unwrap();
    });
}

#[test]
fn wait_closed_on_close_with_unread_data() {
    everywhere(|| async {
        let ((reader, writer), (_, other)) = pair().await;
        other.write(b"one\ntwo\n");
        assert_eq!(reader.readline().await.unwrap(), b"one\n");
        writer.close();
        in_time(writer.wait_closed()).await.unwrap();
    });
}

#[test]
fn async_writer_api() {
    everywhere(|| async {
        let ((_, writer), (other, _other_writer)) = pair().await;
        writer.write(b"data");
        writer.writelines([b"one" as &[u8], b"", b"two"]);
        in_time(writer.drain()).await.unwrap();
        writer.close();
        in_time(writer.wait_closed()).await.unwrap();
        assert_eq!(other.read_to_end().await.unwrap(), b"dataonetwo");
    });
}

#[test]
fn async_writer_api_exception_after_close() {
    everywhere(|| async {
        let ((_, writer), _other) = pair().await;
        writer.close();
        writer.write(b"data");
        let error = in_time(writer.drain()).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ConnectionReset);
        assert_eq!(error.to_string(), "Connection lost");
    });
}

#[test]
fn eof_feed_when_closing_writer() {
    everywhere(|| async {
        let ((reader, writer), _other) = pair().await;
        writer.close();
        in_time(writer.wait_closed()).await.unwrap();
        assert!(reader.at_eof());
        assert_eq!(in_time(reader.read_to_end()).await.unwrap(), b"");
    });
}

/// Ours: one who reads already hears of it, too.
#[test]
fn closing_ends_a_read_under_way() {
    everywhere(|| async {
        let ((reader, writer), _other) = pair().await;
        let reading = filch::spawn(async move { reader.read(10).await });
        yield_now().await;
        writer.close();
        assert_eq!(in_time(reading).await.unwrap().unwrap(), b"");
    });
}

/// CPython warns of it.
#[test]
fn unclosed_resource_warnings() {
    everywhere(|| async {
        let ((reader, writer), (other, other_writer)) = pair().await;
        // More than the kernel takes at once.
        let data = long(8 << 20);
        writer.write(&data);
        let clone = writer.clone();
        drop(writer);
        assert!(!clone.is_closing(), "there is another handle");
        assert!(clone.write_buffer_size() > 0);
        drop((clone, reader));
        drop(other_writer.clone());
        // All arrives, and then the end.
        let came = in_time(other.read_to_end()).await.unwrap();
        assert!(came == data, "{} bytes", came.len());
    });
}

/// test_transports.py, `test_set_write_buffer_limits`-like: the numbers, and what they do.
#[test]
fn write_buffer_limits() {
    everywhere(|| async {
        let ((_, writer), _other) = pair().await;
        assert_eq!(writer.write_buffer_limits(), (16 << 10, 64 << 10));
        writer.set_write_buffer_limits(Some(400), None);
        assert_eq!(writer.write_buffer_limits(), (100, 400));
        writer.set_write_buffer_limits(None, Some(400));
        assert_eq!(writer.write_buffer_limits(), (400, 1600));
        writer.set_write_buffer_limits(None, None);
        assert_eq!(writer.write_buffer_limits(), (16 << 10, 64 << 10));
        writer.set_write_buffer_limits(Some(0), None);
        assert_eq!(writer.write_buffer_limits(), (0, 0));
        let text = panic_of(|| writer.set_write_buffer_limits(Some(1), Some(2)));
        assert_eq!(text, "high (1) must be >= low (2) must be >= 0");
    });
}

/// test_streams.py and test_transports.py: `pause_writing` and `resume_writing`.
#[test]
fn drain_waits_while_too_much_waits() {
    everywhere(|| async {
        let ((_, writer), (other, _other_writer)) = pair().await;
        let data = long(8 << 20);
        writer.write(&data);
        let waits = writer.write_buffer_size();
        assert!(waits > 64 << 10, "{waits}");
        assert!(timeout(ms(20), writer.drain()).await.is_err());
        let draining = writer.clone();
        let drained = filch::spawn(async move {
            draining.drain().await.unwrap();
            draining.write_buffer_size()
        });
        // Until the low mark there is nothing to go on for.
        let mut came = Vec::new();
        while came.len() < data.len() {
            came.extend(in_time(other.read(1 << 20)).await.unwrap());
        }
        let left = in_time(drained).await.unwrap();
        assert!(left <= 16 << 10, "{left}");
        assert!(came == data);
        assert_eq!(writer.write_buffer_size(), 0);
    });
}

#[test]
fn multiple_drain() {
    everywhere(|| async {
        let ((_, writer), (other, _other_writer)) = pair().await;
        writer.write(long(8 << 20));
        let drain = || {
            let writer = writer.clone();
            filch::spawn(async move { writer.drain().await })
        };
        let draining: Vec<_> = (0..10).map(|_| drain()).collect();
        yield_now().await;
        in_time(other.readexactly(8 << 20)).await.unwrap();
        for drained in draining {
            in_time(drained).await.unwrap().unwrap();
        }
    });
}

#[test]
fn drain_raises() {
    everywhere(|| async {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let addr = listener.local_addr().unwrap();
        let server = std::thread::spawn(move || drop(listener.accept().unwrap()));
        let (_reader, writer) = open_connection(addr).await.unwrap();
        let error = in_time(async {
            loop {
                writer.write(b"foo\n");
                if let Err(error) = writer.drain().await {
                    break error;
                }
            }
        });
        let kinds = [ErrorKind::ConnectionReset, ErrorKind::BrokenPipe];
        let error = error.await;
        assert!(kinds.contains(&error.kind()), "{error:?}");
        server.join().unwrap();
    });
}

/// Ours: with room for ever, others run all the same.
#[test]
fn who_writes_on_and_on_lets_others_run() {
    bounded(|| {
        common::single().block_on(async {
            let ((_, writer), _other) = pair().await;
            let other = filch::spawn(async {});
            while !other.is_finished() {
                writer.write(b"");
                writer.drain().await.unwrap();
            }
        });
    });
}

/// With no room at all `drain` waits until everything is sent.
#[test]
fn drain_with_limits_of_zero_waits_for_all() {
    everywhere(|| async {
        let ((_, writer), (other, _other_writer)) = pair().await;
        writer.set_write_buffer_limits(Some(0), None);
        writer.write(long(4 << 20));
        let reading = filch::spawn(async move { other.readexactly(4 << 20).await.unwrap().len() });
        in_time(writer.drain()).await.unwrap();
        assert_eq!(writer.write_buffer_size(), 0);
        assert_eq!(in_time(reading).await.unwrap(), 4 << 20);
    });
}

#[test]
fn write_eof() {
    everywhere(|| async {
        let ((reader, writer), (other, answer)) = pair().await;
        assert!(writer.can_write_eof());
        let data = long(4 << 20);
        writer.write(&data);
        writer.write_eof();
        writer.write_eof();
        let text = panic_of(|| writer.write(b"more"));
        assert_eq!(text, "Cannot call write() after write_eof()");
        assert!(in_time(other.read_to_end()).await.unwrap() == data);
        // The other direction is open.
        answer.write(b"thanks\n");
        assert_eq!(in_time(reader.readline()).await.unwrap(), b"thanks\n");
        assert!(!writer.is_closing());
    });
}

/// test_transports.py, `abort`.
#[test]
fn abort_drops_what_waits() {
    everywhere(|| async {
        let ((reader, writer), (other, _other_writer)) = pair().await;
        writer.write(long(8 << 20));
        let draining = writer.clone();
        let drained = filch::spawn(async move { draining.drain().await });
        yield_now().await;
        writer.abort();
        assert_eq!(writer.write_buffer_size(), 0);
        assert!(in_time(drained).await.unwrap().is_err());
        in_time(writer.wait_closed()).await.unwrap();
        assert!(in_time(other.read_to_end()).await.unwrap().len() < 8 << 20);
        assert_eq!(reader.read(1).await.unwrap(), b"");
    });
}

/// test_streams.py, `wait_closed` after `connection_lost(exc)`.
#[test]
fn a_reset_is_the_error_of_all() {
    everywhere(|| async {
        let (client, server) = sockets().await;
        let (reader, writer) = StreamOptions::new().streams(client).unwrap();
        server.set_zero_linger().unwrap();
        drop(server);
        let error = in_time(reader.read(10)).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ConnectionReset);
        assert_eq!(
            reader.exception().unwrap().kind(),
            ErrorKind::ConnectionReset
        );
        assert!(writer.is_closing());
        assert_eq!(
            writer.drain().await.unwrap_err().kind(),
            ErrorKind::ConnectionReset
        );
        let error = in_time(writer.wait_closed()).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ConnectionReset);
        writer.write(b"nobody hears it");
    });
}

/// Found by who writes.
#[test]
fn a_reset_while_writing_is_the_error_of_all() {
    everywhere(|| async {
        let (client, server) = sockets().await;
        let (reader, writer) = StreamOptions::new().streams(client).unwrap();
        writer.write(long(8 << 20));
        server.set_zero_linger().unwrap();
        drop(server);
        let kinds = [ErrorKind::ConnectionReset, ErrorKind::BrokenPipe];
        let error = in_time(writer.wait_closed()).await.unwrap_err();
        assert!(kinds.contains(&error.kind()), "{error:?}");
        assert!(in_time(writer.drain()).await.is_err());
        assert!(in_time(reader.read(10)).await.is_err());
    });
}

/// test_streams.py, "called while another coroutine is already waiting for incoming data".
#[test]
fn a_second_reader_is_an_error() {
    everywhere(|| async {
        let ((reader, _writer), (_, other)) = pair().await;
        let mut first = pin!(reader.readline());
        let polled = poll_fn(|context| Poll::Ready(first.as_mut().poll(context))).await;
        assert!(polled.is_pending());
        match in_time(reader.readexactly(1)).await {
            Err(ReadError::Io(error)) => assert_eq!(
                error.to_string(),
                "readexactly() called while another coroutine is already waiting for incoming data"
            ),
            other => panic!("{other:?}"),
        }
        other.write(b"line\n");
        assert_eq!(in_time(first).await.unwrap(), b"line\n");
    });
}

/// Ours: what came for a read that was given up is there for the next.
#[test]
fn a_read_that_is_cancelled_loses_nothing() {
    everywhere(|| async {
        let ((reader, _writer), (_, other)) = pair().await;
        other.write(b"hal");
        assert!(timeout(ms(10), reader.readexactly(4)).await.is_err());
        assert!(timeout(ms(10), reader.readline()).await.is_err());
        assert!(timeout(ms(10), reader.read_to_end()).await.is_err());
        other.write(b"f a line\n");
        assert_eq!(in_time(reader.readline()).await.unwrap(), b"half a line\n");
    });
}

/// Ours: a piece is never torn, whoever writes beside.
#[test]
fn writers_that_share_a_connection_keep_their_pieces() {
    everywhere(|| async {
        let ((_, writer), (other, _other_writer)) = pair().await;
        let mut writing = Vec::new();
        for who in 0..4u8 {
            let writer = writer.clone();
            writing.push(filch::spawn(async move {
                let line = [&[b'a' + who; 3000] as &[u8], b"\n"].concat();
                for _ in 0..200 {
                    writer.write(&line);
                    writer.drain().await.unwrap();
                }
            }));
        }
        drop(writer);
        let mut count = 0;
        let mut lines = other.lines();
        while let Some(line) = in_time(lines.next()).await {
            let line = line.unwrap();
            assert_eq!(line.len(), 3001);
            assert!(line[..3000].iter().all(|&byte| byte == line[0]));
            count += 1;
        }
        assert_eq!(count, 800);
    });
}

/// Who waits for room or for the end, and gives up, leaves nothing behind.
#[test]
fn waits_that_are_dropped_leave_no_waker() {
    everywhere(|| async {
        let ((_, writer), _other) = pair().await;
        writer.write(long(8 << 20));
        let server = start_server(|_, _| async {}, "127.0.0.1:0").await.unwrap();
        let probe = Probe::new();
        assert!(probe.poll(&mut pin!(writer.drain())).is_pending());
        assert!(probe.poll(&mut pin!(writer.wait_closed())).is_pending());
        assert!(probe.poll(&mut pin!(server.wait_closed())).is_pending());
        assert!(probe.poll(&mut pin!(server.serve_forever())).is_pending());
        assert_eq!(probe.held(), 0);
    });
}

/// Ours: each half may go for itself.
#[test]
fn a_reader_whose_writer_is_dropped_reads_on() {
    everywhere(|| async {
        let ((here, writer), (there, answers)) = pair().await;
        writer.write(b"last words");
        drop(writer);
        assert_eq!(there.read(100).await.unwrap(), b"last words");
        assert!(there.read(100).await.unwrap().is_empty(), "its end");
        answers.write(b"heard");
        answers.drain().await.unwrap();
        assert_eq!(here.read(100).await.unwrap(), b"heard");
        drop(here);
        // Both halves have gone: now the connection is closed, and nobody takes more.
        while answers.drain().await.is_ok() {
            answers.write(b"hello?");
            yield_now().await;
        }
    });
}

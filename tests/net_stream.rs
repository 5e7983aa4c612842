//! What a stream does with bytes, ends, errors and readiness.

use std::future::{Future, poll_fn};
use std::io::{self, ErrorKind, IoSlice, IoSliceMut};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use filch::io::{AsyncReadExt, AsyncWrite, AsyncWriteExt, Interest, ReadBuf};
use filch::net::TcpStream;

#[path = "common/tcp.rs"]
mod tcp;
use tcp::{pair, run};

fn poll_once<T>(future: Pin<&mut impl Future<Output = T>>) -> Poll<T> {
    future.poll(&mut Context::from_waker(Waker::noop()))
}

/// Bytes that show where they are out of place.
fn pattern(len: usize) -> Vec<u8> {
    (0..len).map(|i| (i % 251) as u8).collect()
}

/// Writes until the kernel takes no more. Returns how many bytes it took.
async fn fill(stream: &TcpStream) -> io::Result<usize> {
    let chunk = vec![7; 64 * 1024];
    let mut written = 0;
    stream.writable().await?;
    loop {
        match stream.try_write(&chunk) {
            Ok(n) => written += n,
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(written),
            Err(error) => return Err(error),
        }
    }
}

#[test]
fn large_transfers_wait_for_a_slow_reader_and_lose_nothing() {
    run(async {
        const LEN: usize = 16 << 20;
        let (mut client, mut server) = pair().await?;
        let writer = filch::spawn(async move {
            client.write_all(&pattern(LEN)).await?;
            client.shutdown().await
        });
        let expected = pattern(LEN);
        let mut buf = vec![0; 60_000];
        let mut at = 0;
        loop {
            let n = server.read(&mut buf).await?;
            if n == 0 {
                break;
            }
            assert!(buf[..n] == expected[at..at + n], "wrong bytes at {at}");
            at += n;
            filch::task::yield_now().await;
        }
        assert_eq!(at, LEN);
        writer.await.unwrap()
    });
}

#[test]
fn a_writer_waits_until_the_reader_has_made_room() {
    run(async {
        let (mut client, mut server) = pair().await?;
        let filled = fill(&client).await?;
        let mut more = Box::pin(client.write_all(&[9; 1 << 20]));
        assert!(poll_once(more.as_mut()).is_pending());
        let reader = filch::spawn(async move {
            let mut all = vec![0; filled + (1 << 20)];
            server.read_exact(&mut all).await?;
            io::Result::Ok(all)
        });
        more.await?;
        let all = reader.await.unwrap()?;
        assert!(all[..filled].iter().all(|byte| *byte == 7));
        assert!(all[filled..].iter().all(|byte| *byte == 9));
        Ok(())
    });
}

#[test]
fn both_directions_at_full_tilt_do_not_disturb_each_other() {
    run(async {
        const LEN: usize = 4 << 20;
        let (client, server) = pair().await?;
        let mut tasks = Vec::new();
        for stream in [client, server] {
            let (mut read, mut write) = stream.into_split();
            tasks.push(filch::spawn(async move {
                write.write_all(&pattern(LEN)).await?;
                write.shutdown().await
            }));
            tasks.push(filch::spawn(async move {
                let mut all = Vec::new();
                read.read_to_end(&mut all).await?;
                assert!(all == pattern(LEN));
                Ok(())
            }));
        }
        for task in tasks {
            task.await.unwrap()?;
        }
        Ok(())
    });
}

#[test]
fn vectored_writes_arrive_in_order() {
    run(async {
        let (mut client, mut server) = pair().await?;
        assert!(client.is_write_vectored());
        let n = client
            .write_vectored(&[
                IoSlice::new(b"one "),
                IoSlice::new(b""),
                IoSlice::new(b"two"),
            ])
            .await?;
        assert_eq!(n, 7);
        let mut all = [0; 7];
        server.read_exact(&mut all).await?;
        assert_eq!(&all, b"one two");
        Ok(())
    });
}

/// A cut list of slices is no short transfer: the rest is written without waiting for news that nobody sends.
#[test]
fn more_slices_than_the_kernel_takes_at_once_go_out_all_the_same() {
    run(async {
        let (mut client, mut server) = pair().await?;
        let bytes = pattern(5000);
        let slices: Vec<_> = bytes.chunks(1).map(IoSlice::new).collect();
        let mut rest = &slices[..];
        while !rest.is_empty() {
            let n = poll_fn(|cx| Pin::new(&mut client).poll_write_vectored(cx, rest)).await?;
            rest = &rest[n..];
        }
        let mut all = vec![0; bytes.len()];
        server.read_exact(&mut all).await?;
        assert_eq!(all, bytes);
        Ok(())
    });
}

#[test]
fn peek_leaves_the_bytes_where_they_are() {
    run(async {
        let (mut client, mut server) = pair().await?;
        client.write_all(b"hello").await?;
        let mut buf = [0; 16];
        let mut seen = 0;
        while seen < 5 {
            seen = server.peek(&mut buf).await?;
        }
        assert_eq!(&buf[..5], b"hello");
        assert_eq!(server.peek(&mut buf[..2]).await?, 2);

        let mut space = [0; 16];
        let mut polled = ReadBuf::new(&mut space);
        assert_eq!(poll_fn(|cx| server.poll_peek(cx, &mut polled)).await?, 5);
        assert_eq!(polled.filled(), b"hello");

        assert_eq!(server.read(&mut buf).await?, 5);
        client.shutdown().await?;
        assert_eq!(server.peek(&mut buf).await?, 0);
        Ok(())
    });
}

#[test]
fn reading_into_nothing_reads_nothing() {
    run(async {
        let (mut client, mut server) = pair().await?;
        client.write_all(b"x").await?;
        server.readable().await?;
        assert_eq!(server.read(&mut []).await?, 0);
        assert_eq!(server.read_u8().await?, b'x');
        Ok(())
    });
}

#[test]
fn try_read_and_try_write_never_wait() {
    run(async {
        let (client, server) = pair().await?;
        let mut buf = vec![0; 64 * 1024];
        let nothing = server.try_read(&mut buf).unwrap_err();
        assert_eq!(nothing.kind(), ErrorKind::WouldBlock);

        client.writable().await?;
        assert_eq!(
            client.try_write_vectored(&[IoSlice::new(b"he"), IoSlice::new(b"llo")])?,
            5
        );
        server.readable().await?;
        let (mut one, mut rest) = ([0; 1], [0; 8]);
        let n = server
            .try_read_vectored(&mut [IoSliceMut::new(&mut one), IoSliceMut::new(&mut rest)])?;
        assert_eq!((n, &one, &rest[..4]), (5, b"h", &b"ello"[..]));
        let nothing = server.try_read(&mut buf).unwrap_err();
        assert_eq!(nothing.kind(), ErrorKind::WouldBlock);

        let mut left = fill(&client).await?;
        while left > 0 {
            server.readable().await?;
            match server.try_read(&mut buf) {
                Ok(n) => left -= n,
                Err(error) => assert_eq!(error.kind(), ErrorKind::WouldBlock),
            }
        }
        client.writable().await?;
        Ok(())
    });
}

#[test]
fn try_read_buf_appends() {
    run(async {
        let (client, server) = pair().await?;
        client.writable().await?;
        client.try_write(b"world")?;
        server.readable().await?;
        let mut all = b"hello ".to_vec();
        assert_eq!(server.try_read_buf(&mut all)?, 5);
        assert_eq!(all, b"hello world");
        Ok(())
    });
}

#[test]
fn an_operation_of_ones_own_waits_as_ours_do() {
    run(async {
        let (client, server) = pair().await?;
        let read = |stream: &TcpStream| {
            let mut buf = [0; 8];
            let n = rustix::io::read(stream, &mut buf)?;
            io::Result::Ok(buf[..n].to_vec())
        };
        let nothing = server.try_io(Interest::READABLE, || read(&server));
        assert_eq!(nothing.unwrap_err().kind(), ErrorKind::WouldBlock);
        let mut wait = pin!(server.async_io(Interest::READABLE, || read(&server)));
        assert!(poll_once(wait.as_mut()).is_pending());
        client.writable().await?;
        client.try_write(b"x")?;
        assert_eq!(wait.await?, b"x");
        Ok(())
    });
}

#[test]
fn one_byte_wakes_everyone_who_waits_for_readiness() {
    run(async {
        let (mut client, server) = pair().await?;
        let server = Arc::new(server);
        let (started, waiting) = async_channel::unbounded();
        let waiters: Vec<_> = (0..32)
            .map(|_| {
                let (server, started) = (server.clone(), started.clone());
                filch::spawn(async move {
                    let mut ready = pin!(server.readable());
                    assert!(poll_once(ready.as_mut()).is_pending());
                    started.send(()).await.unwrap();
                    ready.await
                })
            })
            .collect();
        for _ in &waiters {
            waiting.recv().await.unwrap();
        }
        client.write_all(b"x").await?;
        for waiter in waiters {
            waiter.await.unwrap()?;
        }
        Ok(())
    });
}

#[test]
fn ready_tells_the_directions_apart() {
    run(async {
        let (mut client, server) = pair().await?;
        let both = Interest::READABLE | Interest::WRITABLE;
        let ready = server.ready(both).await?;
        assert!(ready.is_writable() && !ready.is_readable());
        client.write_all(b"x").await?;
        poll_fn(|cx| server.poll_read_ready(cx)).await?;
        poll_fn(|cx| server.poll_write_ready(cx)).await?;
        let ready = server.ready(both).await?;
        assert!(ready.is_writable() && ready.is_readable());
        client.shutdown().await?;
        let mut buf = [0; 8];
        let mut server = server;
        assert_eq!(server.read(&mut buf).await?, 1);
        assert_eq!(server.read(&mut buf).await?, 0);
        assert!(server.ready(Interest::READABLE).await?.is_read_closed());
        Ok(())
    });
}

/// The poll slot of a direction belongs to the last task that polled.
#[test]
fn a_stream_that_moves_to_another_task_wakes_that_task() {
    run(async {
        let (mut client, mut server) = pair().await?;
        assert!(poll_once(pin!(server.read_u8())).is_pending());
        let reader = filch::spawn(async move { server.read_u8().await });
        client.write_all(b"x").await?;
        assert_eq!(reader.await.unwrap()?, b'x');
        Ok(())
    });
}

#[test]
fn the_end_is_seen_even_if_it_came_with_the_last_bytes() {
    run(async {
        for _ in 0..200 {
            let (mut client, mut server) = pair().await?;
            client.write_all(b"last").await?;
            drop(client);
            let mut buf = [0; 64];
            assert_eq!(server.read(&mut buf).await?, 4); // short: the stream counts as dry
            assert_eq!(server.read(&mut buf).await?, 0);
        }
        Ok(())
    });
}

#[test]
fn a_half_closed_stream_still_carries_the_other_way() {
    run(async {
        let (mut client, mut server) = pair().await?;
        client.write_all(b"question").await?;
        client.shutdown().await?;
        client.shutdown().await?; // once more is no error
        let mut question = String::new();
        server.read_to_string(&mut question).await?;
        assert_eq!(question, "question");
        server.write_all(b"answer").await?;
        drop(server);
        let mut answer = String::new();
        client.read_to_string(&mut answer).await?;
        assert_eq!(answer, "answer");
        let error = client.write_all(b"more").await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::BrokenPipe);
        Ok(())
    });
}

#[test]
fn a_reset_reaches_a_reader_that_waits() {
    run(async {
        let (client, mut server) = pair().await?;
        let reader = filch::spawn(async move {
            let error = server.read(&mut [0; 8]).await.unwrap_err();
            (error.kind(), server)
        });
        client.set_zero_linger()?;
        drop(client);
        let (kind, mut server) = reader.await.unwrap();
        assert_eq!(kind, ErrorKind::ConnectionReset);
        let error = server.write_all(b"x").await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::BrokenPipe); // and no SIGPIPE
        server.shutdown().await // nothing left to end is no error
    });
}

#[test]
fn a_reset_reaches_a_writer_that_waits() {
    run(async {
        let (client, mut server) = pair().await?;
        fill(&server).await?;
        let writer = filch::spawn(async move { server.write_all(&[0; 1 << 20]).await });
        client.set_zero_linger()?;
        drop(client);
        let kind = writer.await.unwrap().unwrap_err().kind();
        assert!(matches!(
            kind,
            ErrorKind::ConnectionReset | ErrorKind::BrokenPipe
        ));
        Ok(())
    });
}

/// A read stops at the mark of urgent data; that it was short does not mean that nothing is left.
#[test]
#[cfg(target_os = "linux")]
fn urgent_data_does_not_stop_the_reader() {
    run(async {
        let (mut client, mut server) = pair().await?;
        client.write_all(b"ab").await?;
        rustix::net::send(&client, b"!", rustix::net::SendFlags::OOB)?;
        client.write_all(b"cd").await?;
        let mut all = [0; 4];
        let mut at = 0;
        while at < all.len() {
            let mut buf = [0; 64];
            let n = server.read(&mut buf).await?;
            all[at..at + n].copy_from_slice(&buf[..n]);
            at += n;
        }
        assert_eq!(&all, b"abcd");
        Ok(())
    });
}

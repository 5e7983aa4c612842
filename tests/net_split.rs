//! The halves of a stream: borrowed for one task, owned for two.

use std::io::{self, ErrorKind, IoSlice, IoSliceMut};

use filch::io::{AsyncReadExt, AsyncWrite, AsyncWriteExt, Interest};

#[path = "common/tcp.rs"]
mod tcp;
use tcp::{pair, run};

#[test]
fn borrowed_halves_read_and_write_at_once() {
    run(async {
        let (mut client, mut server) = pair().await?;
        let echo = filch::spawn(async move {
            let (mut read, mut write) = server.split();
            filch::io::copy(&mut read, &mut write).await
        });
        let bytes = vec![5; 1 << 20];
        {
            let (mut read, mut write) = client.split();
            assert_eq!(read.peer_addr()?, write.peer_addr()?);
            assert_eq!(read.local_addr()?, write.local_addr()?);
            let mut answer = vec![0; bytes.len()];
            let (wrote, got) =
                futures::future::join(write.write_all(&bytes), read.read_exact(&mut answer)).await;
            wrote?;
            got?;
            assert!(answer == bytes);
        }
        client.shutdown().await?; // the stream is whole again
        assert_eq!(client.read(&mut [0; 8]).await?, 0);
        assert_eq!(echo.await.unwrap()?, 1 << 20);
        Ok(())
    });
}

#[test]
fn dropping_borrowed_halves_ends_nothing_and_shutting_one_down_does() {
    run(async {
        let (mut client, mut server) = pair().await?;
        {
            let (_read, _write) = client.split();
        }
        client.write_all(b"x").await?;
        client.split().1.shutdown().await?;
        let mut all = Vec::new();
        server.read_to_end(&mut all).await?;
        assert_eq!(all, b"x");
        Ok(())
    });
}

#[test]
fn halves_can_wait_and_try_as_their_stream_can() {
    run(async {
        let (mut client, mut server) = pair().await?;
        {
            let (_, write) = client.split();
            assert!(write.is_write_vectored());
            write.ready(Interest::WRITABLE).await?;
            write.writable().await?;
            assert_eq!(write.try_write(b"he")?, 2);
            assert_eq!(
                write.try_write_vectored(&[IoSlice::new(b"l"), IoSlice::new(b"lo")])?,
                3
            );
            write.as_ref().set_nodelay(true)?;
        }
        {
            let (mut read, _) = server.split();
            read.ready(Interest::READABLE).await?;
            read.readable().await?;
            let mut buf = [0; 1];
            assert_eq!(read.peek(&mut buf).await?, 1);
            assert_eq!(read.try_read(&mut buf)?, 1);
            let mut all = buf.to_vec();
            while all.len() < 5 {
                let mut buf = [0; 8];
                read.readable().await?;
                match read.try_read_vectored(&mut [IoSliceMut::new(&mut buf)]) {
                    Ok(n) => all.extend(&buf[..n]),
                    Err(error) => assert_eq!(error.kind(), ErrorKind::WouldBlock),
                }
            }
            assert_eq!(all, b"hello");
        }
        let (mut read, _write) = server.into_split();
        let (_read, write) = client.into_split();
        write.writable().await?;
        assert_eq!(write.try_write(b"again")?, 5);
        read.readable().await?;
        assert_eq!(read.peek(&mut [0; 2]).await?, 2);
        let mut all = Vec::new();
        assert_eq!(read.try_read_buf(&mut all)?, 5);
        assert_eq!(all, b"again");
        Ok(())
    });
}

#[test]
fn owned_halves_live_in_two_tasks_and_reunite() {
    run(async {
        let (client, mut server) = pair().await?;
        let (mut read, mut write) = client.into_split();
        let writer = filch::spawn(async move {
            write.write_all(b"question").await?;
            io::Result::Ok(write)
        });
        let reader = filch::spawn(async move {
            let mut word = [0; 6];
            read.read_exact(&mut word).await?;
            io::Result::Ok((read, word))
        });
        let mut question = [0; 8];
        server.read_exact(&mut question).await?;
        server.write_all(b"answer").await?;
        let write = writer.await.unwrap()?;
        let (read, word) = reader.await.unwrap()?;
        assert_eq!((&question, &word), (b"question", b"answer"));

        let mut client = read.reunite(write).unwrap();
        client.write_all(b"!").await?;
        assert_eq!(server.read_u8().await?, b'!');
        Ok(())
    });
}

#[test]
fn halves_of_different_streams_come_back_from_a_reunion() {
    run(async {
        let (client, server) = pair().await?;
        let (client_read, client_write) = client.into_split();
        let (server_read, server_write) = server.into_split();
        let error = client_read.reunite(server_write).unwrap_err();
        assert!(error.to_string().contains("different"));
        let error = client_write.reunite(server_read).unwrap_err().0; // the other way around
        drop(error);
        Ok(())
    });
    run(async {
        let (client, server) = pair().await?;
        let (client_read, client_write) = client.into_split();
        let (server_read, server_write) = server.into_split();
        let filch::net::tcp::ReuniteError(client_read, server_write) =
            client_read.reunite(server_write).unwrap_err();
        let mut client = client_write.reunite(client_read).unwrap();
        let mut server = server_write.reunite(server_read).unwrap();
        client.write_all(b"still open").await?;
        let mut word = [0; 10];
        server.read_exact(&mut word).await?;
        Ok(())
    });
}

#[test]
fn dropping_the_writing_half_ends_the_writing() {
    run(async {
        let (client, mut server) = pair().await?;
        let (mut read, write) = client.into_split();
        drop(write);
        assert_eq!(server.read(&mut [0; 8]).await?, 0);
        server.write_all(b"x").await?;
        assert_eq!(read.read_u8().await?, b'x');
        Ok(())
    });
}

#[test]
fn dropping_the_reading_half_or_forgetting_the_writing_one_ends_nothing() {
    run(async {
        let (client, mut server) = pair().await?;
        let (read, mut write) = client.into_split();
        drop(read);
        write.write_all(b"x").await?;
        assert_eq!(server.read_u8().await?, b'x');

        let (mut server_read, server_write) = server.into_split();
        server_write.forget();
        write.write_all(b"y").await?;
        assert_eq!(server_read.read_u8().await?, b'y');
        let nothing = write.as_ref().try_read(&mut [0; 8]).unwrap_err();
        assert_eq!(
            nothing.kind(),
            ErrorKind::WouldBlock,
            "an end, though none was written"
        );
        drop(server_read); // the last holder: now the socket closes
        write.as_ref().readable().await?;
        Ok(())
    });
}

#[test]
fn a_writing_half_that_was_shut_down_is_not_shut_down_twice() {
    run(async {
        let (client, mut server) = pair().await?;
        let (mut read, mut write) = client.into_split();
        write.shutdown().await?;
        assert_eq!(server.read(&mut [0; 8]).await?, 0);
        drop(write);
        server.write_all(b"x").await?;
        assert_eq!(read.read_u8().await?, b'x');
        Ok(())
    });
}

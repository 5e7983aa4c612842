//! A stream, and each half that can, passes for both families of I/O traits, and behaves alike in both.

use std::io::{self, IoSlice, IoSliceMut};

use filch::net::tcp::{OwnedReadHalf, OwnedWriteHalf, ReadHalf, WriteHalf};
use filch::net::{TcpListener, TcpSocket, TcpStream};

#[path = "common/tcp.rs"]
mod tcp;
use tcp::{pair, run};

#[test]
fn every_type_has_the_traits_it_should() {
    fn reads<T: filch::io::AsyncRead + futures::io::AsyncRead + Unpin + Send + Sync>() {}
    fn writes<T: filch::io::AsyncWrite + futures::io::AsyncWrite + Unpin + Send + Sync>() {}
    fn shared<T: Send + Sync + Unpin + std::fmt::Debug + std::os::fd::AsFd>() {}
    reads::<TcpStream>();
    reads::<ReadHalf<'_>>();
    reads::<OwnedReadHalf>();
    writes::<TcpStream>();
    writes::<WriteHalf<'_>>();
    writes::<OwnedWriteHalf>();
    shared::<TcpStream>();
    shared::<TcpListener>();
    shared::<TcpSocket>();
}

mod as_tokio {
    use super::*;
    use filch::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

    async fn ask(mut stream: impl AsyncRead + AsyncWrite + Unpin) -> io::Result<String> {
        stream.write_all(b"question").await?;
        stream.flush().await?;
        stream.shutdown().await?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await?;
        Ok(answer)
    }

    async fn echo(
        mut read: impl AsyncRead + Unpin,
        mut write: impl AsyncWrite + Unpin,
    ) -> io::Result<()> {
        filch::io::copy(&mut read, &mut write).await?;
        write.shutdown().await
    }

    #[test]
    fn a_stream_asks_and_halves_answer() {
        run(async {
            let (client, server) = pair().await?;
            let (read, write) = server.into_split();
            let server = filch::spawn(echo(read, write));
            assert_eq!(ask(client).await?, "question");
            server.await.unwrap()?;

            let (client, mut server) = pair().await?;
            let server = filch::spawn(async move {
                let (read, write) = server.split();
                echo(read, write).await
            });
            let client: Box<dyn AsyncReadWrite> = Box::new(client);
            assert_eq!(ask(client).await?, "question");
            server.await.unwrap()
        });
    }

    trait AsyncReadWrite: AsyncRead + AsyncWrite + Unpin + Send {}
    impl AsyncReadWrite for TcpStream {}

    #[test]
    fn lines_come_out_of_a_buffered_stream() {
        run(async {
            let (mut client, server) = pair().await?;
            client.write_all(b"one\ntwo\nthr").await?;
            let mut lines = filch::io::BufReader::new(server).lines();
            assert_eq!(lines.next_line().await?.as_deref(), Some("one"));
            assert_eq!(lines.next_line().await?.as_deref(), Some("two"));
            client.write_all(b"ee").await?;
            drop(client);
            assert_eq!(lines.next_line().await?.as_deref(), Some("three"));
            assert_eq!(lines.next_line().await?, None);
            Ok(())
        });
    }

    #[test]
    fn a_proxy_copies_both_ways() {
        run(async {
            let (client, mut near) = pair().await?;
            let (mut far, server) = pair().await?;
            let (read, write) = server.into_split();
            let server = filch::spawn(echo(read, write));
            let proxy =
                filch::spawn(
                    async move { filch::io::copy_bidirectional(&mut near, &mut far).await },
                );
            assert_eq!(ask(client).await?, "question");
            assert_eq!(proxy.await.unwrap()?, (8, 8));
            server.await.unwrap()
        });
    }

    /// Memory that nobody has written yet, and an empty reserve, are filled as they should be.
    #[test]
    fn reading_into_a_growing_buffer_grows_it() {
        run(async {
            let (mut client, mut server) = pair().await?;
            let sent: Vec<u8> = (0..100_000).map(|i| (i % 251) as u8).collect();
            let writer = filch::spawn({
                let sent = sent.clone();
                async move { client.write_all(&sent).await }
            });
            let mut got = Vec::new();
            while server.read_buf(&mut got).await? > 0 {}
            assert!(got == sent);
            writer.await.unwrap()
        });
    }
}

mod as_futures {
    use super::*;
    use futures::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
    use futures::stream::StreamExt;

    async fn ask(mut stream: impl AsyncRead + AsyncWrite + Unpin) -> io::Result<String> {
        stream.write_all(b"question").await?;
        stream.flush().await?;
        stream.close().await?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await?;
        Ok(answer)
    }

    async fn echo(
        read: impl AsyncRead + Unpin,
        mut write: impl AsyncWrite + Unpin,
    ) -> io::Result<()> {
        futures::io::copy(read, &mut write).await?;
        write.close().await
    }

    #[test]
    fn a_stream_asks_and_halves_answer() {
        run(async {
            let (client, server) = pair().await?;
            let (read, write) = server.into_split();
            let server = filch::spawn(echo(read, write));
            assert_eq!(ask(client).await?, "question");
            server.await.unwrap()?;

            let (client, mut server) = pair().await?;
            let server = filch::spawn(async move {
                // Not `server.split()`: that would be the one of futures' trait.
                let (read, write) = TcpStream::split(&mut server);
                echo(read, write).await
            });
            assert_eq!(ask(client).await?, "question");
            server.await.unwrap()?;

            let (client, server) = pair().await?;
            let (read, write) = AsyncReadExt::split(server); // futures' own way to split
            let server = filch::spawn(echo(read, write));
            assert_eq!(ask(client).await?, "question");
            server.await.unwrap()
        });
    }

    #[test]
    fn lines_come_out_of_a_buffered_stream() {
        run(async {
            let (mut client, server) = pair().await?;
            client.write_all(b"one\ntwo\n").await?;
            client.close().await?;
            let lines: Vec<_> = futures::io::BufReader::new(server).lines().collect().await;
            let lines: io::Result<Vec<_>> = lines.into_iter().collect();
            assert_eq!(lines?, ["one", "two"]);
            Ok(())
        });
    }

    #[test]
    fn vectored_transfers_use_all_the_slices() {
        run(async {
            let (mut client, mut server) = pair().await?;
            let slices = [IoSlice::new(b"one "), IoSlice::new(b"two")];
            assert_eq!(client.write_vectored(&slices).await?, 7);
            let (mut head, mut tail) = ([0; 4], [0; 8]);
            let mut slices = [IoSliceMut::new(&mut head), IoSliceMut::new(&mut tail)];
            assert_eq!(server.read_vectored(&mut slices).await?, 7);
            assert_eq!((&head, &tail[..3]), (b"one ", &b"two"[..]));
            Ok(())
        });
    }
}

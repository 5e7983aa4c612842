//! The server of the example ends as it says: who is connected is told why, newcomers are refused, and nobody holds it up
//! for longer than the grace.

use std::time::Duration;

use filch::io::{self, AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use filch::net::{TcpListener, TcpStream};

#[path = "../examples/07_shutdown.rs"]
#[allow(dead_code)]
mod example;
use example::{Stop, serve};

#[path = "common/tcp.rs"]
mod tcp;
use tcp::run;

const GRACE: Duration = Duration::from_secs(600);

#[test]
fn connections_are_told_why_and_newcomers_are_refused() {
    run(async {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let addr = listener.local_addr()?;
        let stop = Stop::new();
        let server = filch::spawn(serve(listener, stop.clone(), GRACE));
        let mut clients = Vec::new();
        for n in 0..3 {
            let mut client = BufReader::new(TcpStream::connect(addr).await?);
            client.write_all(format!("line {n}\n").as_bytes()).await?;
            let mut line = String::new();
            client.read_line(&mut line).await?;
            assert_eq!(line, format!("line {n}\n"));
            clients.push(client);
        }

        stop.set_result("enough for today").unwrap();
        for mut client in clients {
            let mut rest = String::new();
            client.read_to_string(&mut rest).await?;
            assert_eq!(rest, "goodbye: enough for today\n");
        }
        assert_eq!(server.await.unwrap(), 3);
        let refused = TcpStream::connect(addr).await.unwrap_err();
        assert_eq!(refused.kind(), io::ErrorKind::ConnectionRefused);
        Ok(())
    });
}

#[test]
fn a_server_without_connections_ends_at_once() {
    run(async {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let stop = Stop::new();
        stop.set_result("nothing to do").unwrap();
        assert_eq!(serve(listener, stop, GRACE).await, 0);
        Ok(())
    });
}

#[test]
fn a_peer_that_does_not_read_is_dropped_after_the_grace() {
    run(async {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let addr = listener.local_addr()?;
        let stop = Stop::new();
        let server = filch::spawn(serve(listener, stop.clone(), Duration::from_millis(50)));
        let mut client = TcpStream::connect(addr).await?;
        // It is served: one answer is read.
        let line = [&[b'x'; 8191][..], b"\n"].concat();
        client.write_all(&line).await?;
        client.read_exact(&mut vec![0; line.len()]).await?;
        // Writes until the server, whose answers nobody reads any more, reads no more.
        let stuck = Duration::from_millis(300);
        while filch::time::timeout(stuck, client.write_all(&line))
            .await
            .is_ok()
        {}

        stop.set_result("enough for today").unwrap();
        assert_eq!(server.await.unwrap(), 1);
        Ok(())
    });
}

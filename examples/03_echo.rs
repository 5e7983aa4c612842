//! An echo server: one task for each connection, on whichever core is free.
//!
//! `cargo run --release --example 03_echo [port]`, and elsewhere `nc 127.0.0.1 7777`. Ctrl-C ends it.

use std::io;
use std::time::Duration;

use filch::io::{AsyncReadExt, AsyncWriteExt};
use filch::net::{TcpListener, TcpStream};

#[filch::main]
async fn main() -> io::Result<()> {
    let port = match std::env::args().nth(1) {
        Some(port) => port.parse().map_err(io::Error::other)?,
        None => 7777,
    };
    let listener = TcpListener::bind(("127.0.0.1", port)).await?;
    println!("echoing on {}", listener.local_addr()?);
    serve(listener).await;
    Ok(())
}

/// Accepts for ever. An error is about one connection, or about having too many; it ends neither the server nor the others.
pub(crate) async fn serve(listener: TcpListener) {
    loop {
        match listener.accept().await {
            Ok((stream, peer)) => {
                filch::spawn(async move {
                    println!("{peer} opened");
                    match echo(stream).await {
                        Ok(bytes) => println!("{peer} closed, {bytes} bytes echoed"),
                        Err(error) => println!("{peer} lost: {error}"),
                    }
                });
            }
            Err(error) => {
                // Out of file descriptors, say: trying again at once would spin until one is free.
                eprintln!("accept: {error}");
                filch::time::sleep(Duration::from_millis(50)).await;
            }
        }
    }
}

/// Sends back what comes, until the other side ends. Returns how many bytes that was.
async fn echo(mut stream: TcpStream) -> io::Result<u64> {
    let mut buffer = vec![0; 16 * 1024];
    let mut echoed = 0;
    loop {
        let n = stream.read(&mut buffer).await?;
        if n == 0 {
            return Ok(echoed);
        }
        stream.write_all(&buffer[..n]).await?;
        echoed += n as u64;
    }
}

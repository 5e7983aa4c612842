//! A server that ends well: newcomers are refused, whoever is connected is told why and has some time to leave.
//!
//! ```text
//! cargo run --release --example 07_shutdown [port]
//! ```
//!
//! Elsewhere `nc 127.0.0.1 7777`; the end of the server's input (Ctrl-D) stops it. Three parts make it:
//! - whatever asks for the end sets a promise: here the end of the input, elsewhere a signal or a command;
//! - the block of the group, which accepts, awaits the promise and cancels the group with a reason;
//! - each connection is a child with grace: it hears of the request at its next await, and says goodbye. (One that was
//!   accepted this very moment, and whose task has not begun, is closed without a word.)

use std::convert::Infallible;
use std::time::Duration;

use filch::Promise;
use filch::io::{self, AsyncBufReadExt, AsyncWriteExt, BufReader};
use filch::net::{TcpListener, TcpStream};
use filch::task::{TaskGroup, cancel_reason, cancelled, with_grace};

/// Why the server is to end, once it is.
pub(crate) type Stop = Promise<&'static str, Infallible>;

#[filch::main]
async fn main() -> io::Result<()> {
    let port = match std::env::args().nth(1) {
        Some(port) => port.parse().map_err(io::Error::other)?,
        None => 7777,
    };
    let listener = TcpListener::bind(("127.0.0.1", port)).await?;
    println!("echoing lines on {}", listener.local_addr()?);

    let stop = Stop::new();
    let asked = stop.clone();
    filch::task::spawn_blocking(move || {
        // An input that cannot be read has ended, too.
        let _ = std::io::copy(&mut std::io::stdin(), &mut std::io::sink());
        let _ = asked.set_result("the input has ended");
    });

    let served = serve(listener, stop, Duration::from_secs(5)).await;
    println!("connections served: {served}");
    Ok(())
}

/// Echoes lines until `stop` is set; then connections have so much `grace` to end. Returns how many there were.
pub(crate) async fn serve(listener: TcpListener, stop: Stop, grace: Duration) -> usize {
    let served = TaskGroup::<Infallible>::scope(async move |group| {
        let mut served = 0;
        let mut stop = std::pin::pin!(stop.wait());
        let reason = loop {
            filch::select! {
                why = stop.as_mut() => break why.unwrap_or("the stop was cancelled"),
                accepted = listener.accept() => match accepted {
                    Ok((stream, peer)) => {
                        served += 1;
                        group.spawn(with_grace(grace, async move {
                            if let Err(error) = talk(stream).await {
                                println!("{peer} lost: {error}");
                            }
                            Ok(())
                        }));
                    }
                    Err(error) => {
                        // Out of file descriptors, say: trying again at once would spin until one is free.
                        eprintln!("accept: {error}");
                        filch::time::sleep(Duration::from_millis(50)).await;
                    }
                },
            }
        };
        // Closed first, so that nobody connects who would not be served.
        drop(listener);
        group.cancel(reason);
        Ok(served)
    });
    // The block came to its end without another await, so its value counts; no child fails.
    served.await.expect("no child fails")
}

/// One connection: its lines come back, until either side ends.
async fn talk(stream: TcpStream) -> io::Result<()> {
    let (reader, mut writer) = stream.into_split();
    let mut lines = BufReader::new(reader).lines();
    loop {
        filch::select! {
            line = lines.next_line() => match line? {
                Some(line) => writer.write_all(format!("{line}\n").as_bytes()).await?,
                None => return Ok(()),
            },
            () = cancelled() => break,
        }
    }
    let why = cancel_reason().expect("it was asked to stop");
    let goodbye = format!("goodbye: {}\n", why.reason());
    writer.write_all(goodbye.as_bytes()).await?;
    writer.shutdown().await
}

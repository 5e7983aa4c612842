//! Whatever is dropped half-way, the stream, the listener and the other waiters go on as if nothing had been.

use std::future::Future;
use std::io::{self, ErrorKind};
use std::net::{Ipv4Addr, SocketAddr};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use filch::io::{AsyncReadExt, AsyncWriteExt, Interest};
use filch::net::{TcpListener, TcpSocket, TcpStream};
use filch::runtime::{Builder, Runtime};

#[path = "common/tcp.rs"]
mod tcp;
use tcp::pair;

fn runtime() -> Runtime {
    let mut builder = Builder::new_multi_thread();
    builder.worker_threads(8).enable_all().build().unwrap()
}

/// Runs the test as a task among 8 workers, for no longer than it can possibly need.
fn run(test: impl Future<Output = io::Result<()>> + Send + 'static) {
    run_on(&runtime(), test);
}

fn run_on<T: Send + 'static>(
    rt: &Runtime,
    test: impl Future<Output = io::Result<T>> + Send + 'static,
) -> T {
    rt.block_on(async {
        let task = filch::spawn(test);
        let done = filch::time::timeout(Duration::from_secs(20), task).await;
        done.expect("the test hangs").unwrap().unwrap()
    })
}

fn poll_once<T>(future: Pin<&mut impl Future<Output = T>>) -> Poll<T> {
    future.poll(&mut Context::from_waker(Waker::noop()))
}

#[test]
fn an_accept_polled_once_and_dropped_loses_no_connection() {
    run(async {
        const ALL: usize = 200;
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let addr = listener.local_addr()?;
        let clients = filch::spawn(async move {
            let mut clients = Vec::new();
            for _ in 0..ALL {
                clients.push(TcpStream::connect(addr).await?);
            }
            io::Result::Ok(clients)
        });
        let mut accepted = Vec::new();
        while accepted.len() < ALL {
            match poll_once(pin!(listener.accept())) {
                Poll::Ready(connection) => accepted.push(connection?),
                Poll::Pending => filch::task::yield_now().await,
            }
        }
        assert_eq!(clients.await.unwrap()?.len(), ALL);
        Ok(())
    });
}

#[test]
fn a_read_polled_once_and_dropped_loses_no_byte() {
    run(async {
        let (mut client, mut server) = pair().await?;
        let sent: Vec<u8> = (0..=255).collect();
        let writer = filch::spawn(async move {
            for byte in 0..=255 {
                client.write_all(&[byte]).await?;
                filch::task::yield_now().await;
            }
            io::Result::Ok(client)
        });
        let mut got = Vec::new();
        while got.len() < sent.len() {
            match poll_once(pin!(server.read_u8())) {
                Poll::Ready(byte) => got.push(byte?),
                Poll::Pending => filch::task::yield_now().await,
            }
        }
        assert_eq!(got, sent);
        writer.await.unwrap().map(drop)
    });
}

#[test]
fn a_read_that_timed_out_can_be_tried_again() {
    run(async {
        let (mut client, mut server) = pair().await?;
        let mut buf = [0; 8];
        let late = filch::time::timeout(Duration::from_millis(5), server.read(&mut buf)).await;
        assert!(late.is_err());
        client.write_all(b"x").await?;
        assert_eq!(server.read(&mut buf).await?, 1);
        Ok(())
    });
}

#[test]
fn a_write_dropped_while_it_waits_leaves_what_it_wrote_and_no_more() {
    run(async {
        let (mut client, mut server) = pair().await?;
        let chunk = vec![7; 1 << 20];
        let mut sent = 0;
        // `write`, unlike `write_all`, is cancel safe: pending, it wrote nothing.
        while let Poll::Ready(n) = poll_once(pin!(client.write(&chunk))) {
            sent += n?;
        }
        let reader = filch::spawn(async move {
            let mut all = Vec::new();
            server.read_to_end(&mut all).await.map(|_| all.len())
        });
        sent += client.write(&chunk).await?;
        client.shutdown().await?;
        assert_eq!(reader.await.unwrap()?, sent);
        Ok(())
    });
}

/// A full queue makes a connect hang (Linux drops the SYN), which a limit of time then drops.
#[test]
#[cfg(target_os = "linux")]
fn a_dropped_connect_is_given_up_and_the_listener_goes_on() {
    run(async {
        let socket = TcpSocket::new_v4()?;
        socket.bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)))?;
        let listener = socket.listen(1)?;
        let addr = listener.local_addr()?;
        let mut clients = Vec::new();
        loop {
            let connect = TcpStream::connect(addr);
            match filch::time::timeout(Duration::from_millis(100), connect).await {
                Ok(client) => clients.push(client?),
                Err(_late) => break,
            }
        }
        for _ in &clients {
            listener.accept().await?;
        }
        let mut client = TcpStream::connect(addr).await?;
        let from = client.local_addr()?;
        let mut server = loop {
            // What Linux had taken of the dropped attempt may come first.
            let (server, peer) = listener.accept().await?;
            if peer == from {
                break server;
            }
        };
        client.write_all(b"x").await?;
        assert_eq!(server.read_u8().await?, b'x');
        Ok(())
    });
}

#[test]
fn a_waiter_that_goes_takes_nobody_elses_wake_up() {
    run(async {
        for _ in 0..100 {
            let (mut client, server) = pair().await?;
            let mut gone = Box::pin(server.readable());
            let mut stays = Box::pin(server.readable());
            let mut goes_later = Box::pin(server.ready(Interest::READABLE));
            assert!(poll_once(gone.as_mut()).is_pending());
            assert!(poll_once(stays.as_mut()).is_pending());
            assert!(poll_once(goes_later.as_mut()).is_pending());
            drop(gone);
            client.write_all(b"x").await?;
            drop(goes_later);
            stays.await?;
        }
        Ok(())
    });
}

#[test]
fn readers_that_come_and_go_share_every_byte() {
    run(async {
        const BYTES: usize = 2000;
        let (client, server) = pair().await?;
        let (server, got) = (Arc::new(server), Arc::new(AtomicUsize::new(0)));
        let readers: Vec<_> = (0..8)
            .map(|reader| {
                let (server, got) = (server.clone(), got.clone());
                filch::spawn(async move {
                    for round in reader.. {
                        if round % 3 == 0 && poll_once(pin!(server.readable())).is_pending() {
                            filch::task::yield_now().await; // gives up, and comes back
                            continue;
                        }
                        server.readable().await?;
                        match server.try_read(&mut [0; 3]) {
                            Ok(0) => break,
                            Ok(n) => drop(got.fetch_add(n, Ordering::Relaxed)),
                            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                            Err(error) => return Err(error),
                        }
                    }
                    Ok(())
                })
            })
            .collect();
        let mut client = client;
        for _ in 0..BYTES {
            client.write_all(b"x").await?;
        }
        client.shutdown().await?;
        for reader in readers {
            reader.await.unwrap()?;
        }
        assert_eq!(got.load(Ordering::Relaxed), BYTES);
        Ok(())
    });
}

#[test]
fn an_aborted_task_leaves_the_stream_it_shared() {
    run(async {
        let (mut client, server) = pair().await?;
        let server = Arc::new(server);
        let (started, waits) = async_channel::bounded(1);
        let task = filch::spawn({
            let server = server.clone();
            async move {
                let mut readable = pin!(server.readable());
                assert!(poll_once(readable.as_mut()).is_pending());
                started.send(()).await.unwrap();
                readable.await
            }
        });
        waits.recv().await.unwrap();
        task.abort();
        assert!(task.await.is_err());
        client.write_all(b"x").await?;
        server.readable().await?;
        assert_eq!(server.try_read(&mut [0; 8])?, 1);
        Ok(())
    });
}

#[test]
fn streams_dropped_while_their_events_fly_hurt_nobody() {
    run(async {
        let tasks: Vec<_> = (0..8)
            .map(|_| {
                filch::spawn(async {
                    for round in 0..100 {
                        let (client, server) = pair().await?;
                        client.try_write(b"x")?;
                        if round % 2 == 0 {
                            drop(server); // its "readable" may be on its way
                            drop(client);
                        } else {
                            drop(client);
                            drop(server);
                        }
                    }
                    io::Result::Ok(())
                })
            })
            .collect();
        for task in tasks {
            task.await.unwrap()?;
        }
        Ok(())
    });
}

#[test]
fn a_stream_made_on_one_runtime_works_on_another() {
    let (first, second) = (runtime(), runtime());
    let (mut client, mut server) = run_on(&first, pair());
    run_on(&second, async move {
        let reader = filch::spawn(async move { server.read_u8().await });
        client.write_all(b"x").await?;
        assert_eq!(reader.await.unwrap()?, b'x');
        Ok(())
    });
}

#[test]
fn a_stream_that_outlives_its_runtime_fails_and_does_not_hang() {
    let first = runtime();
    let (mut client, server) = run_on(&first, pair());
    drop(first);
    run(async move {
        assert!(server.readable().await.is_err());
        assert!(client.read(&mut [0; 8]).await.is_err());
        server.into_std()?; // and can be saved still
        Ok(())
    });
}

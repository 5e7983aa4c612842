//! A server of streams: it begins, it serves, and it ends when it is told to, with its clients or without. Tests without a
//! comment are named after those of CPython's test_server.py, and of test_streams.py where that says so.

#[path = "common/asyncio.rs"]
mod asyncio_common;
mod common;

use std::future::pending;
use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use filch::EventLoop;
use filch::asyncio::{
    Server, StreamOptions, StreamReader, StreamWriter, create_task, current_task, open_connection,
    start_server,
};
use filch::net::{TcpListener, TcpStream};
use filch::time::timeout;

use asyncio_common::{Log, in_task, ms, told};
use common::{Random, a_while, bounded, many, multi, single};

/// In tasks of loops, and in tasks of the workers and of the calling thread.
#[track_caller]
fn everywhere<F>(test: fn() -> F)
where
    F: Future<Output = ()> + Send + 'static,
{
    in_task(test);
    bounded(move || {
        for rt in [multi(4), single()] {
            rt.block_on(async { filch::spawn(test()).await.unwrap() });
        }
    });
}

async fn in_time<F: Future>(what: F) -> F::Output {
    timeout(a_while(), what).await.expect("it never ends")
}

/// Sends back what comes.
async fn echo(reader: StreamReader, writer: StreamWriter) {
    while let Ok(some) = reader.read(64 * 1024).await {
        writer.write(&some);
        if some.is_empty() || writer.drain().await.is_err() {
            break;
        }
    }
}

async fn echoing() -> (Server, SocketAddr) {
    let server = start_server(echo, "127.0.0.1:0").await.unwrap();
    let addr = server.local_addrs()[0];
    (server, addr)
}

async fn says(reader: &StreamReader, writer: &StreamWriter, line: &str) {
    writer.write(line);
    assert_eq!(in_time(reader.readline()).await.unwrap(), line.as_bytes());
}

/// True if the future waits still, after it had time to end.
async fn still_waits(future: impl Future) -> bool {
    timeout(ms(10), future).await.is_err()
}

/// test_streams.py
#[test]
fn start_server_() {
    everywhere(|| async {
        let served = Arc::new(AtomicUsize::new(0));
        let count = served.clone();
        let serve = move |reader: StreamReader, writer: StreamWriter| {
            let count = count.clone();
            async move {
                let line = reader.readline().await.unwrap();
                writer.write(line);
                writer.drain().await.unwrap();
                writer.close();
                writer.wait_closed().await.unwrap();
                count.fetch_add(1, Ordering::Relaxed);
            }
        };
        let server = start_server(serve, "127.0.0.1:0").await.unwrap();
        assert!(server.is_serving());
        let addr = server.local_addrs()[0];
        for _ in 0..3 {
            let (reader, writer) = open_connection(addr).await.unwrap();
            says(&reader, &writer, "hello world!\n").await;
            assert_eq!(in_time(reader.read_to_end()).await.unwrap(), b"");
        }
        server.close();
        assert!(!server.is_serving());
        assert!(server.local_addrs().is_empty());
        in_time(server.wait_closed()).await;
        let refused = open_connection(addr).await.unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::ConnectionRefused);
    });
}

#[test]
fn start_server_1() {
    everywhere(|| async {
        let options = StreamOptions::new().start_serving(false);
        let server = options.start_server(echo, "127.0.0.1:0").await.unwrap();
        assert!(!server.is_serving());
        let addr = server.local_addrs()[0];
        let refused = open_connection(addr).await.unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::ConnectionRefused);

        let forever = server.clone();
        let forever = filch::spawn(async move { forever.serve_forever().await });
        let (reader, writer) = loop {
            match open_connection(addr).await {
                Ok(streams) => break streams,
                Err(error) => assert_eq!(error.kind(), ErrorKind::ConnectionRefused),
            }
        };
        says(&reader, &writer, "hello\n").await;
        assert!(server.is_serving());
        assert!(
            server.serve_forever().await.is_err(),
            "it is awaited already"
        );
        server.close();
        in_time(forever).await.unwrap().unwrap();
        let error = server.serve_forever().await.unwrap_err();
        assert_eq!(error.to_string(), "server is closed");
        assert!(server.start_serving().await.is_err());
    });
}

/// Ours: a second call of `start_serving` does nothing, and cancelling `serve_forever` closes.
#[test]
fn who_cancels_serve_forever_closes_the_server() {
    everywhere(|| async {
        let (server, addr) = echoing().await;
        server.start_serving().await.unwrap();
        assert!(timeout(ms(5), server.serve_forever()).await.is_err());
        assert!(!server.is_serving());
        assert!(open_connection(addr).await.is_err());
        in_time(server.wait_closed()).await;
    });
}

#[test]
fn wait_closed_basic() {
    everywhere(|| async {
        let (server, addr) = echoing().await;
        // Not closed, no clients.
        assert!(still_waits(server.wait_closed()).await);
        let (reader, writer) = open_connection(addr).await.unwrap();
        says(&reader, &writer, "here\n").await;
        let waiting = server.clone();
        let waiting = filch::spawn(async move { waiting.wait_closed().await });
        server.close();
        server.close();
        // Closed, one client.
        assert!(still_waits(server.wait_closed()).await);
        assert!(!waiting.is_finished());
        says(&reader, &writer, "still here\n").await;
        writer.close();
        in_time(waiting).await.unwrap();
        in_time(server.wait_closed()).await;
    });
}

#[test]
fn wait_closed_race() {
    everywhere(|| async {
        for _ in 0..many(50) {
            let (server, addr) = echoing().await;
            let (reader, writer) = open_connection(addr).await.unwrap();
            says(&reader, &writer, "here\n").await;
            let closing = server.clone();
            let closed = filch::spawn(async move {
                closing.close();
                closing.wait_closed().await;
            });
            writer.close();
            in_time(closed).await.unwrap();
        }
    });
}

#[test]
fn close_clients() {
    everywhere(|| async {
        let (server, addr) = echoing().await;
        let (reader, writer) = open_connection(addr).await.unwrap();
        says(&reader, &writer, "here\n").await;
        server.close();
        server.close_clients();
        in_time(server.wait_closed()).await;
        assert_eq!(in_time(reader.read_to_end()).await.unwrap(), b"");
    });
}

#[test]
fn abort_clients() {
    everywhere(|| async {
        let serve = |_reader, writer: StreamWriter| async move {
            writer.write(vec![0; 8 << 20]);
            pending().await
        };
        let server = start_server(serve, "127.0.0.1:0").await.unwrap();
        let (reader, _writer) = open_connection(server.local_addrs()[0]).await.unwrap();
        assert_eq!(in_time(reader.readexactly(1000)).await.unwrap(), [0; 1000]);
        server.close();
        // More waits than the kernel takes: who closes waits for that.
        server.close_clients();
        assert!(still_waits(server.wait_closed()).await);
        server.abort_clients();
        in_time(server.wait_closed()).await;
        let rest = in_time(reader.read_to_end()).await;
        assert!(rest.map_or(0, |rest| rest.len()) < 8 << 20);
    });
}

/// Ours.
#[test]
fn the_last_handle_closes_the_server_and_no_connection() {
    everywhere(|| async {
        let (server, addr) = echoing().await;
        let (reader, writer) = open_connection(addr).await.unwrap();
        says(&reader, &writer, "here\n").await;
        drop(server.clone());
        assert!(open_connection(addr).await.is_ok());
        drop(server);
        let refused = open_connection(addr).await.unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::ConnectionRefused);
        says(&reader, &writer, "still here\n").await;
    });
}

/// Ours: the port is free at once.
#[test]
fn a_port_can_be_used_again() {
    everywhere(|| async {
        let (server, addr) = echoing().await;
        let (reader, writer) = open_connection(addr).await.unwrap();
        says(&reader, &writer, "here\n").await;
        server.close();
        let again = start_server(echo, addr).await.unwrap();
        assert_eq!(again.local_addrs(), [addr]);
        let (reader, writer) = open_connection(addr).await.unwrap();
        says(&reader, &writer, "there\n").await;
    });
}

/// test_streams.py, `sock=`.
#[test]
fn streams_of_a_socket() {
    everywhere(|| async {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = listener.local_addr().unwrap();
        let client = TcpStream::connect(addr).await.unwrap();
        let (server, _) = listener.accept().await.unwrap();
        filch::spawn(async move {
            let (reader, writer) = StreamOptions::new().streams(server).unwrap();
            echo(reader, writer).await;
        });
        let (reader, writer) = StreamOptions::new().limit(4).streams(client).unwrap();
        assert!(writer.stream().nodelay().unwrap());
        says(&reader, &writer, "1234\n").await;
        writer.write("12345\n");
        assert!(in_time(reader.readline()).await.is_err(), "the limit");
    });
}

/// Ours: several addresses, one server.
#[test]
fn a_server_may_listen_on_several_addresses() {
    everywhere(|| async {
        let addrs = [
            SocketAddr::from(([127, 0, 0, 1], 0)),
            SocketAddr::from(([127, 0, 0, 2], 0)),
        ];
        let server = start_server(echo, &addrs[..]).await.unwrap();
        let addrs = server.local_addrs();
        assert_eq!(addrs.len(), 2);
        for addr in addrs {
            let (reader, writer) = open_connection(addr).await.unwrap();
            says(&reader, &writer, "here\n").await;
        }
    });
}

#[test]
fn clients_are_served_by_tasks_of_the_loop_that_made_the_server() {
    in_task(|| async {
        let here = EventLoop::current().unwrap();
        let serve = |_reader, writer: StreamWriter| async move {
            let is_task = current_task().is_some();
            writer.write(format!("{is_task} {}", EventLoop::current().is_some()));
        };
        let server = start_server(serve, "127.0.0.1:0").await.unwrap();
        assert!(server.get_loop().is_some());
        let (reader, _writer) = open_connection(server.local_addrs()[0]).await.unwrap();
        assert_eq!(in_time(reader.read_to_end()).await.unwrap(), b"true true");
        drop(here);
    });
}

/// Ours: a server whose loop is closed closes itself at the next client.
#[test]
fn a_closed_loop_closes_its_server() {
    bounded(|| {
        let rt = multi(2);
        let _entered = rt.enter();
        let event_loop = EventLoop::new();
        let server = event_loop
            .run_until_complete(async { Arc::new(echoing().await.0) })
            .unwrap();
        let addr = server.local_addrs()[0];
        event_loop.close();
        rt.block_on(async {
            // Whether it is still let in does not matter; it gets nothing.
            if let Ok((reader, _writer)) = open_connection(addr).await {
                let _reset_or_end = in_time(reader.read(1)).await;
            }
            in_time(server.wait_closed()).await;
        });
    });
}

/// test_streams.py
#[test]
fn unhandled_exceptions() {
    in_task(|| async {
        let complaints = told(&EventLoop::current().unwrap());
        let serve = |_, writer: StreamWriter| async move {
            writer.write(b"before\n");
            panic!("spam");
        };
        let server = start_server(serve, "127.0.0.1:0").await.unwrap();
        let (reader, _writer) = open_connection(server.local_addrs()[0]).await.unwrap();
        // The connection ends.
        assert_eq!(in_time(reader.read_to_end()).await.unwrap(), b"before\n");
        filch::asyncio::sleep(ms(1)).await;
        let all = complaints.take();
        assert_eq!(all.len(), 1, "{all:?}");
        assert_eq!(
            all[0].message(),
            "Unhandled exception in client_connected_cb"
        );
        assert!(all[0].exception().unwrap().contains("spam"));
    });
}

/// test_streams.py
#[test]
fn unhandled_cancel() {
    in_task(|| async {
        let complaints = told(&EventLoop::current().unwrap());
        let serve = |_, _| async {
            filch::asyncio::current_task().unwrap().cancel("enough");
            std::future::pending().await
        };
        let server = start_server(serve, "127.0.0.1:0").await.unwrap();
        let (reader, _writer) = open_connection(server.local_addrs()[0]).await.unwrap();
        assert_eq!(in_time(reader.read_to_end()).await.unwrap(), b"");
        filch::asyncio::sleep(ms(1)).await;
        assert_eq!(complaints.len(), 0);
    });
}

/// A panic of a task of the workers ends its connection, and no other.
#[test]
fn a_panic_hurts_no_other_client() {
    bounded(|| {
        multi(2).block_on(async {
            let log = Log::new();
            let said = log.clone();
            let serve = move |reader: StreamReader, writer: StreamWriter| {
                let said = said.clone();
                async move {
                    let line = reader.readline().await.unwrap();
                    assert_ne!(line, b"panic\n", "as it was told to");
                    said.say(line.clone());
                    writer.write(line);
                }
            };
            let server = start_server(serve, "127.0.0.1:0").await?;
            let addr = server.local_addrs()[0];
            let (calm, writer) = open_connection(addr).await?;
            let (doomed, other) = open_connection(addr).await?;
            other.write(b"panic\n");
            assert_eq!(in_time(doomed.read_to_end()).await?, b"");
            writer.write(b"calm\n");
            assert_eq!(in_time(calm.read_to_end()).await?, b"calm\n");
            assert_eq!(log.take(), [b"calm\n"]);
            io::Result::Ok(())
        })
    })
    .unwrap();
}

/// Ours: the task that accepts ends with the server.
#[test]
fn a_closed_server_lets_go_of_its_function() {
    everywhere(|| async {
        let held = Arc::new(());
        let captured = held.clone();
        let serve = move |_reader, _writer| {
            let captured = captured.clone();
            async move { drop(captured) }
        };
        let server = start_server(serve, "127.0.0.1:0").await.unwrap();
        // The accepting task waits by now.
        let (reader, _writer) = open_connection(server.local_addrs()[0]).await.unwrap();
        assert_eq!(in_time(reader.read_to_end()).await.unwrap(), b"");
        drop(server);
        in_time(async {
            while Arc::strong_count(&held) > 1 {
                filch::time::sleep(ms(1)).await;
            }
        })
        .await;
    });
}

/// Ours: many clients at once; each gets its own bytes back, in order.
fn many_clients(random: &mut Random) -> impl Future<Output = ()> + Send + 'static + use<> {
    let mut randoms: Vec<_> = (0..40).map(|_| random.fork()).collect();
    async move {
        let (server, addr) = echoing().await;
        let clients = randoms.drain(..).map(|mut random| async move {
            let (reader, writer) = open_connection(addr).await.unwrap();
            for round in 0..many(40) {
                let size = random.below(if round % 10 == 0 { 300_000 } else { 300 }) + 1;
                let seed = random.below(256);
                let data: Vec<u8> = (0..size).map(|at| (at / 255 + at + seed) as u8).collect();
                writer.write(&data);
                let came = in_time(reader.readexactly(size)).await.unwrap();
                assert!(came == data, "{size} bytes");
            }
        });
        if EventLoop::current().is_some() {
            let tasks: Vec<_> = clients.map(create_task).collect();
            for task in tasks {
                task.await.unwrap();
            }
        } else {
            let tasks: Vec<_> = clients.map(filch::spawn).collect();
            for task in tasks {
                task.await.unwrap();
            }
        }
        server.close();
        in_time(server.wait_closed()).await;
    }
}

#[test]
fn many_clients_in_tasks_of_the_workers() {
    bounded(|| multi(8).block_on(many_clients(&mut Random::from_env())));
}

#[test]
fn many_clients_in_tasks_of_a_loop() {
    bounded(|| {
        let rt = multi(8);
        let _entered = rt.enter();
        let main = many_clients(&mut Random::from_env());
        EventLoop::new().run_until_complete(main).unwrap();
    });
}

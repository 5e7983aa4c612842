//! `echo_N`: round trips a second over N TCP connections, clients and servers as tasks of the same runtime.
//!
//! 64-byte messages, nodelay, a closed loop: each client sends, waits for the same bytes, sends the next. All N connect
//! at once before the clock starts, and at the end the servers must have echoed what the clients counted.
//! Not: the throughput that an external load generator would see, since the clients' work counts too; and not latency
//! under a given load, which a closed loop hides (`echo_blocked_p99` is for that). The kernel is most of each figure.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use std::{net::SocketAddr, thread};

use crate::engine::Engine;
use crate::problem::{Contestant, Problem, Wrong, enter, expect};

pub(crate) const MESSAGE: usize = 64;

/// Listen backlog. Unit: connections. Over the most that a row opens at once, so that no SYN is dropped and retried.
pub(crate) const BACKLOG: u32 = 1_024;

struct Echo {
    connections: usize,
}

/// Who takes part: where there is epoll, a loop by hand stands beside as the yardstick.
#[cfg(target_os = "linux")]
pub(crate) const ECHO_PEERS: &[&str] = &["filch", "tokio", "smol", crate::echo_bare::PEER];
#[cfg(not(target_os = "linux"))]
pub(crate) const ECHO_PEERS: &[&str] = &["filch", "tokio", "smol"];

pub(crate) fn enter_echo(
    connections: usize,
    peer: &str,
    workers: usize,
) -> io::Result<Box<dyn Contestant>> {
    #[cfg(target_os = "linux")]
    if peer == crate::echo_bare::PEER {
        return Ok(Box::new(crate::echo_bare::Bare {
            connections,
            workers,
        }));
    }
    enter(Echo { connections }, peer, workers)
}

impl Problem for Echo {
    fn round<E: Engine>(&self, engine: E, window: Duration) -> Result<f64, Wrong> {
        self.measure(engine, window).map_err(|e| e.to_string())?
    }
}

impl Echo {
    fn measure<E: Engine>(&self, engine: E, window: Duration) -> io::Result<Result<f64, Wrong>> {
        let (clients, servers) = engine.run(open(engine, self.connections))?;
        let stop = Arc::new(AtomicBool::new(false));

        let begin = Instant::now();
        let clients: Vec<_> = clients
            .into_iter()
            .map(|stream| engine.spawn_outside(ask::<E>(stream, stop.clone())))
            .collect();
        thread::sleep(window);
        stop.store(true, Ordering::Relaxed);
        let trips = engine.block_on(async {
            let mut trips = 0;
            for client in clients {
                trips += client.await?;
            }
            io::Result::Ok(trips)
        })?;
        let elapsed = begin.elapsed();

        let echoed = engine.block_on(async {
            let mut bytes = 0;
            for server in servers {
                bytes += server.await?;
            }
            io::Result::Ok(bytes)
        })?;
        Ok(expect("bytes echoed", trips * MESSAGE as u64, echoed)
            .map(|()| trips as f64 / elapsed.as_secs_f64()))
    }
}

type Opened<E> = (
    Vec<<E as Engine>::Stream>,
    Vec<<E as Engine>::Join<io::Result<u64>>>,
);

/// Connects `connections` clients at once, and gives each its server task.
async fn open<E: Engine>(engine: E, connections: usize) -> io::Result<Opened<E>> {
    let listener = E::listen(BACKLOG)?;
    let address = E::address(&listener)?;
    let servers = engine.spawn(serve_many(engine, listener, connections));
    let connecting: Vec<_> = (0..connections)
        .map(|_| engine.spawn(dial::<E>(address)))
        .collect();
    let mut clients = Vec::with_capacity(connections);
    for client in connecting {
        clients.push(client.await?);
    }
    Ok((clients, servers.await?))
}

async fn dial<E: Engine>(address: SocketAddr) -> io::Result<E::Stream> {
    let stream = E::connect(address).await?;
    E::socket(&stream).set_tcp_nodelay(true)?;
    // Closed by a reset: no run leaves TIME_WAIT behind for the next one.
    E::socket(&stream).set_linger(Some(Duration::ZERO))?;
    Ok(stream)
}

/// Accepts `connections` and answers the task that serves each; a task answers the bytes it has echoed.
pub(crate) async fn serve_many<E: Engine>(
    engine: E,
    listener: E::Listener,
    connections: usize,
) -> io::Result<Vec<E::Join<io::Result<u64>>>> {
    let mut servers = Vec::with_capacity(connections);
    for _ in 0..connections {
        let stream = E::accept(&listener).await?;
        E::socket(&stream).set_tcp_nodelay(true)?;
        servers.push(engine.spawn(serve::<E>(stream)));
    }
    Ok(servers)
}

async fn serve<E: Engine>(mut stream: E::Stream) -> io::Result<u64> {
    let mut buffer = [0; 1_024];
    let mut bytes = 0;
    loop {
        let count = match E::read(&mut stream, &mut buffer).await {
            Ok(0) => return Ok(bytes),
            Ok(count) => count,
            // How a client says goodbye here, see `dial`.
            Err(e) if e.kind() == io::ErrorKind::ConnectionReset => return Ok(bytes),
            Err(e) => return Err(e),
        };
        E::write_all(&mut stream, &buffer[..count]).await?;
        bytes += count as u64;
    }
}

async fn ask<E: Engine>(mut stream: E::Stream, stop: Arc<AtomicBool>) -> io::Result<u64> {
    let mut trips = 0u64;
    let mut question = [0xa5; MESSAGE];
    let mut answer = [0; MESSAGE];
    while !stop.load(Ordering::Relaxed) {
        question[..8].copy_from_slice(&trips.to_le_bytes());
        E::write_all(&mut stream, &question).await?;
        E::read_exact(&mut stream, &mut answer).await?;
        if question != answer {
            return Err(io::Error::other(format!(
                "answer {trips} is not what was sent"
            )));
        }
        trips += 1;
    }
    Ok(trips)
}

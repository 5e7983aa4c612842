//! `asyncio_echo_64`: round trips a second over 64 connections on asyncio's streams, filch against CPython.
//!
//! Clients and servers are in one program on both sides: 64 clients send 64 bytes, wait for the same bytes, and send the next.
//! filch runs them as tasks of its workers, all of them, which is what its streams are for; CPython has its one loop, asyncio's
//! or uvloop's, in a child process that measures itself ([`python`]). Connecting is not in the figure, and at the end the servers must have echoed what the
//! clients counted. Not: one core against one core (`asyncio_echo_64_loop` is that), nor what the streams cost over plain
//! sockets (`echo_64`). The kernel is a good part of filch's figure.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use filch::EventLoop;
use filch::asyncio::{
    ReadError, Server, StreamOptions, StreamReader, StreamWriter, create_task, open_connection,
};
use filch::runtime::{Builder, Runtime};

use crate::echo::{BACKLOG, MESSAGE};
use crate::problem::{Contestant, Wrong, expect};
use crate::python;

const CLIENTS: usize = 64;

/// Where filch runs them.
#[derive(Clone, Copy)]
pub(crate) enum Place {
    Workers,
    Loop,
}

pub(crate) fn enter(place: Place, peer: &str, workers: usize) -> io::Result<Box<dyn Contestant>> {
    if peer != "filch" {
        return Ok(python::script(peer, ECHO));
    }
    let mut builder = Builder::new_multi_thread();
    let runtime = builder.worker_threads(workers).enable_all().build()?;
    Ok(Box::new(Filch { place, runtime }))
}

struct Filch {
    place: Place,
    runtime: Runtime,
}

impl Contestant for Filch {
    fn round(&mut self, window: Duration) -> Result<f64, Wrong> {
        match self.place {
            Place::Workers => {
                let main = self.runtime.spawn(measure(window));
                let main = self.runtime.block_on(main);
                main.map_err(|e| e.to_string())?
            }
            Place::Loop => {
                let _entered = self.runtime.enter();
                let main = EventLoop::new().run_until_complete(measure(window));
                main.map_err(|e| e.to_string())?
            }
        }
    }
}

async fn measure(window: Duration) -> Result<f64, Wrong> {
    let echoed = Arc::new(AtomicU64::new(0));
    let (server, clients) = open(echoed.clone()).await.map_err(|e| e.to_string())?;
    let stop = Arc::new(AtomicBool::new(false));
    let begin = Instant::now();
    let asking = clients
        .into_iter()
        .map(|(reader, writer)| ask(reader, writer, stop.clone()));
    let mut trips = 0;
    // In a loop tasks of that loop, as asyncio has them.
    if EventLoop::current().is_some() {
        let asking: Vec<_> = asking.map(create_task).collect();
        filch::asyncio::sleep(window).await;
        stop.store(true, Ordering::Relaxed);
        for client in asking {
            trips += client.await.map_err(|e| e.to_string())??;
        }
    } else {
        let asking: Vec<_> = asking.map(filch::spawn).collect();
        filch::time::sleep(window).await;
        stop.store(true, Ordering::Relaxed);
        for client in asking {
            trips += client.await.map_err(|e| e.to_string())??;
        }
    }
    let elapsed = begin.elapsed();
    server.close();
    server.wait_closed().await;
    let echoed = echoed.load(Ordering::Relaxed);
    expect("bytes echoed", trips * MESSAGE as u64, echoed)?;
    Ok(trips as f64 / elapsed.as_secs_f64())
}

type Streams = (StreamReader, StreamWriter);

async fn open(echoed: Arc<AtomicU64>) -> io::Result<(Server, Vec<Streams>)> {
    let serve = move |reader: StreamReader, writer: StreamWriter| {
        let echoed = echoed.clone();
        async move {
            // A client says goodbye with a reset, so that no run leaves TIME_WAIT behind for the next.
            while let Ok(some) = reader.read(1024).await {
                if some.is_empty() {
                    break;
                }
                writer.write(&some);
                echoed.fetch_add(some.len() as u64, Ordering::Relaxed);
                if writer.drain().await.is_err() {
                    break;
                }
            }
        }
    };
    let options = StreamOptions::new().backlog(BACKLOG);
    let server = options.start_server(serve, "127.0.0.1:0").await?;
    let mut clients = Vec::with_capacity(CLIENTS);
    for _ in 0..CLIENTS {
        let (reader, writer) = open_connection(server.local_addrs()[0]).await?;
        writer.stream().set_zero_linger()?;
        clients.push((reader, writer));
    }
    Ok((server, clients))
}

async fn ask(
    reader: StreamReader,
    writer: StreamWriter,
    stop: Arc<AtomicBool>,
) -> Result<u64, Wrong> {
    let mut trips = 0u64;
    let mut question = [0xa5; MESSAGE];
    while !stop.load(Ordering::Relaxed) {
        question[..8].copy_from_slice(&trips.to_le_bytes());
        writer.write(question);
        writer.drain().await.map_err(|e| e.to_string())?;
        let answer = reader.readexactly(MESSAGE).await;
        let answer = answer.map_err(|e: ReadError| e.to_string())?;
        if answer != question {
            return Err(format!("answer {trips} is not what was sent"));
        }
        trips += 1;
    }
    Ok(trips)
}

/// Prints round trips a second.
const ECHO: &str = r"
CLIENTS, MESSAGE = 64, 64
echoed = 0
stop = False

async def serve(reader, writer):
    global echoed
    while some := await reader.read(1024):
        writer.write(some)
        echoed += len(some)
        await writer.drain()
    writer.close()

async def ask(reader, writer):
    trips = 0
    while not stop:
        question = trips.to_bytes(8, 'little') + b'\xa5' * (MESSAGE - 8)
        writer.write(question)
        await writer.drain()
        assert await reader.readexactly(MESSAGE) == question
        trips += 1
    writer.close()
    return trips

async def main():
    global stop
    server = await asyncio.start_server(serve, '127.0.0.1', 0, backlog=1024)
    address = server.sockets[0].getsockname()
    clients = [await asyncio.open_connection(*address) for _ in range(CLIENTS)]
    begin = time.perf_counter()
    asking = [asyncio.create_task(ask(*client)) for client in clients]
    await asyncio.sleep(WINDOW)
    stop = True
    trips = sum(await asyncio.gather(*asking))
    elapsed = time.perf_counter() - begin
    assert echoed == trips * MESSAGE, (echoed, trips)
    server.close()
    print(trips / elapsed)

loop.run_until_complete(main())
";

//! `echo_blocked_p99`: how late an answer comes while all workers but one are stuck in slow handlers.
//!
//! The server has, beside its echo connections, N − 1 connections whose handler blocks its worker for 200 ms
//! (`std::thread::sleep`), answers, and waits for the next request, which comes 5 ms later. So it is the worker
//! that has just been waiting for I/O that gets caught, as in any server with one handler that blocks; at most
//! N − 1 of N workers are caught at once. Meanwhile a thread outside every runtime plays 8 peers on plain sockets, in an
//! open loop: each sends 64 bytes every 1 ms whether or not the last answer has come, and an answer's latency counts from
//! the time at which its question was *due*, so a stall is seen by all that it delays. The figure is the 99th percentile
//! over all questions of a run; every answer must come, in order.
//! Not: the latency of a healthy program (blocking in a task is a mistake; the row shows what the mistake costs), and not
//! finer than some 50 µs: the outside thread's own wake-ups are in it, for everyone alike.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};

use crate::echo::{BACKLOG, MESSAGE, serve_many};
use crate::engine::Engine;
use crate::problem::{Problem, Wrong, expect};

const PEERS: u32 = 8;
const PERIOD: Duration = Duration::from_millis(1);
const BLOCK: Duration = Duration::from_millis(200);

/// Between a slow answer and the next slow request: long enough for the workers to come to rest as they do in a server
/// that has less than enough to do. Shorter than 1 ms, the late answers of the last stall would hide the next one.
const PAUSE: Duration = Duration::from_millis(5);

/// How long an answer may take. Many blocks: past that it is lost, not late.
const PATIENCE: Duration = Duration::from_secs(3);

pub(crate) struct EchoBlocked {
    pub(crate) workers: usize,
}

impl Problem for EchoBlocked {
    fn round<E: Engine>(&self, engine: E, window: Duration) -> Result<f64, Wrong> {
        self.measure(engine, window).map_err(|e| e.to_string())?
    }
}

impl EchoBlocked {
    fn measure<E: Engine>(&self, engine: E, window: Duration) -> io::Result<Result<f64, Wrong>> {
        let slow_handlers = self.workers - 1;
        let (quick, slow) = engine.run(async move {
            let (quick, slow) = (E::listen(BACKLOG)?, E::listen(BACKLOG)?);
            let addresses = (E::address(&quick)?, E::address(&slow)?);
            let quick = engine.spawn(serve_many(engine, quick, PEERS as usize));
            let slow = engine.spawn(serve_slowly(engine, slow, slow_handlers));
            io::Result::Ok(((addresses.0, quick), (addresses.1, slow)))
        })?;
        let mut load = Load::connect(quick.0, window)?;
        let requests = connect_all(slow.0, slow_handlers)?;
        // All connections have their server before anything blocks: this row is not about accepting.
        let (servers, handlers) = (engine.block_on(quick.1)?, engine.block_on(slow.1)?);

        let stop = AtomicBool::new(false);
        let (outcome, requested) = thread::scope(|scope| {
            let requests: Vec<_> = requests
                .into_iter()
                .map(|socket| scope.spawn(|| request(socket, &stop)))
                .collect();
            let outcome = load.run();
            stop.store(true, Ordering::Relaxed);
            let requested = requests
                .into_iter()
                .map(|thread| {
                    thread
                        .join()
                        .expect("no panic here: the hook ends the process")
                })
                .sum::<io::Result<u64>>();
            (outcome, requested)
        });
        let questions = load.questions();
        drop(load);
        let (echoed, handled) = engine.block_on(async {
            let (mut echoed, mut handled) = (0, 0);
            for server in servers {
                echoed += server.await?;
            }
            for handler in handlers {
                handled += handler.await?;
            }
            io::Result::Ok((echoed, handled))
        })?;
        let mut latencies = match outcome? {
            Ok(latencies) => latencies,
            Err(wrong) => return Ok(Err(wrong)),
        };
        latencies.sort_unstable();
        let requested = requested?;
        let p99 = latencies[(latencies.len() * 99).div_ceil(100) - 1];
        Ok(expect("bytes echoed", questions * MESSAGE as u64, echoed)
            .and_then(|()| expect("slow requests handled", requested, handled))
            .map(|()| p99.as_nanos() as f64 / 1e3))
    }
}

/// Accepts `connections` and answers the task of each, which counts the requests it has handled.
async fn serve_slowly<E: Engine>(
    engine: E,
    listener: E::Listener,
    connections: usize,
) -> io::Result<Vec<E::Join<io::Result<u64>>>> {
    let mut handlers = Vec::with_capacity(connections);
    for _ in 0..connections {
        let mut stream = E::accept(&listener).await?;
        E::socket(&stream).set_tcp_nodelay(true)?;
        handlers.push(engine.spawn(async move {
            let mut request = [0; 1];
            let mut handled = 0;
            while E::read(&mut stream, &mut request).await? == 1 {
                thread::sleep(BLOCK);
                E::write_all(&mut stream, &request).await?;
                handled += 1;
            }
            Ok(handled)
        }));
    }
    Ok(handlers)
}

fn connect_all(to: SocketAddr, connections: usize) -> io::Result<Vec<TcpStream>> {
    let connect = |_| {
        let socket = TcpStream::connect(to)?;
        socket.set_nodelay(true)?;
        socket.set_read_timeout(Some(PATIENCE))?;
        Ok(socket)
    };
    (0..connections).map(connect).collect()
}

/// Keeps one slow handler busy; answers how many requests it took.
fn request(mut socket: TcpStream, stop: &AtomicBool) -> io::Result<u64> {
    let mut requested = 0;
    while !stop.load(Ordering::Relaxed) {
        thread::sleep(PAUSE);
        socket.write_all(b"?")?;
        socket.read_exact(&mut [0; 1])?;
        requested += 1;
    }
    Ok(requested)
}

/// The outside world: all peers on one thread that never blocks for longer than until the next question is due.
struct Load {
    peers: Vec<Peer>,
    each: u32,
}

struct Peer {
    socket: TcpStream,
    /// After the start of the run; peers are spread over the period.
    offset: Duration,
    asked: u32,
    answered: u32,
    unsent: Vec<u8>,
    unread: Vec<u8>,
}

impl Load {
    fn connect(to: SocketAddr, window: Duration) -> io::Result<Load> {
        let mut peers = Vec::new();
        for number in 0..PEERS {
            let socket = TcpStream::connect(to)?;
            socket.set_nodelay(true)?;
            socket.set_nonblocking(true)?;
            peers.push(Peer {
                socket,
                offset: PERIOD * number / PEERS,
                asked: 0,
                answered: 0,
                unsent: Vec::new(),
                unread: Vec::new(),
            });
        }
        let each = (window.as_nanos() / PERIOD.as_nanos()).max(1) as u32;
        Ok(Load { peers, each })
    }

    fn questions(&self) -> u64 {
        u64::from(self.each) * self.peers.len() as u64
    }

    /// Asks on schedule and answers the latency of each question.
    fn run(&mut self) -> io::Result<Result<Vec<Duration>, Wrong>> {
        let each = self.each;
        let mut latencies = Vec::with_capacity(self.questions() as usize);
        let begin = Instant::now();
        let end = begin + PERIOD * each + PATIENCE;
        while (latencies.len() as u64) < self.questions() {
            let now = Instant::now();
            if now > end {
                let (got, all) = (latencies.len(), self.questions());
                return Ok(Err(format!(
                    "{got} of {all} answers {PATIENCE:?} after the last question"
                )));
            }
            let mut next_due = end;
            for peer in &mut self.peers {
                next_due = next_due.min(peer.ask(begin, now, each)?.unwrap_or(end));
            }
            let readable = self.wait(next_due.saturating_duration_since(now))?;
            for (peer, _) in self.peers.iter_mut().zip(readable).filter(|(_, yes)| *yes) {
                if let Err(wrong) = peer.listen(begin, &mut latencies)? {
                    return Ok(Err(wrong));
                }
            }
        }
        Ok(Ok(latencies))
    }

    /// Waits for an answer, but no longer than `limit`; says which peers have something to read.
    fn wait(&self, limit: Duration) -> io::Result<[bool; PEERS as usize]> {
        let mut watched: Vec<_> = self
            .peers
            .iter()
            .map(|peer| {
                let mut flags = PollFlags::IN;
                flags.set(PollFlags::OUT, !peer.unsent.is_empty());
                PollFd::new(&peer.socket, flags)
            })
            .collect();
        let limit = Timespec::try_from(limit).map_err(io::Error::other)?;
        match poll(&mut watched, Some(&limit)) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(e) => return Err(e.into()),
        }
        let mut readable = [false; PEERS as usize];
        for (yes, fd) in readable.iter_mut().zip(&watched) {
            // A hang-up counts: reading is what finds out.
            *yes = !fd.revents().is_empty();
        }
        Ok(readable)
    }
}

impl Peer {
    fn due(&self, begin: Instant, question: u32) -> Instant {
        begin + self.offset + PERIOD * question
    }

    /// Sends all questions that are due by `now`; answers when the next one is, `None` after the last.
    fn ask(&mut self, begin: Instant, now: Instant, each: u32) -> io::Result<Option<Instant>> {
        while self.asked < each && self.due(begin, self.asked) <= now {
            let mut question = [0x5a; MESSAGE];
            question[..4].copy_from_slice(&self.asked.to_le_bytes());
            self.unsent.extend_from_slice(&question);
            self.asked += 1;
        }
        while !self.unsent.is_empty() {
            match self.socket.write(&self.unsent) {
                Ok(count) => drop(self.unsent.drain(..count)),
                // The peer's buffer is full because nobody reads: the clock of these questions runs all the same.
                Err(e) if e.kind() == ErrorKind::WouldBlock => break,
                Err(e) => return Err(e),
            }
        }
        Ok((self.asked < each).then(|| self.due(begin, self.asked)))
    }

    /// Takes in what has arrived.
    fn listen(
        &mut self,
        begin: Instant,
        latencies: &mut Vec<Duration>,
    ) -> io::Result<Result<(), Wrong>> {
        let mut buffer = [0; 16 * 1_024];
        let count = match self.socket.read(&mut buffer) {
            Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
            Ok(count) => count,
            Err(e) if e.kind() == ErrorKind::WouldBlock => return Ok(Ok(())),
            Err(e) => return Err(e),
        };
        let now = Instant::now();
        self.unread.extend_from_slice(&buffer[..count]);
        let whole = self.unread.len() / MESSAGE * MESSAGE;
        for answer in self.unread.drain(..whole).as_slice().chunks(MESSAGE) {
            let number = u32::from_le_bytes([answer[0], answer[1], answer[2], answer[3]]);
            if let Err(wrong) = expect("answer", self.answered.into(), number.into()) {
                return Ok(Err(wrong));
            }
            latencies.push(now - (begin + self.offset + PERIOD * number));
            self.answered += 1;
        }
        Ok(Ok(()))
    }
}

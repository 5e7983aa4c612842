//! `idle_cpu`: what 1,000 open connections cost while nothing happens on them.
//!
//! A process of its own for each run: 1,000 plain sockets connect to the runtime, a task waits in `read` on each, and
//! after half a second of quiet the CPU time of the whole process is taken over 3 s. Every connection must still echo a
//! byte afterwards. Less than 1 ms counts as 1 ms, so that nobody wins by a ratio of two zeros.
//! Not: memory, nor what the first byte after a long silence costs. One or two runs only, since each takes 3 s.

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::thread;
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

use crate::echo::{BACKLOG, serve_many};
use crate::engine::Engine;
use crate::problem::{Problem, Wrong};

const CONNECTIONS: usize = 1_000;
const SETTLE: Duration = Duration::from_millis(500);

/// The least that counts. Unit: milliseconds of CPU in 3 s, so 0.03 % of one CPU; the kernel's own ticks are near it.
pub(crate) const RESOLUTION_MS: f64 = 1.0;

pub(crate) struct IdleCpu;

impl Problem for IdleCpu {
    fn round<E: Engine>(&self, engine: E, window: Duration) -> Result<f64, Wrong> {
        measure(engine, window).map_err(|e| e.to_string())
    }
}

fn measure<E: Engine>(engine: E, window: Duration) -> io::Result<f64> {
    let (address, servers) = engine.run(async move {
        let listener = E::listen(BACKLOG)?;
        let address = E::address(&listener)?;
        let servers = engine.spawn(serve_many(engine, listener, CONNECTIONS));
        io::Result::Ok((address, servers))
    })?;
    let mut clients = Vec::with_capacity(CONNECTIONS);
    for _ in 0..CONNECTIONS {
        clients.push(TcpStream::connect(address)?);
    }
    let servers = engine.block_on(servers)?;
    thread::sleep(SETTLE);

    let before = cpu_time();
    thread::sleep(window);
    let used = cpu_time() - before;

    for client in &mut clients {
        client.set_read_timeout(Some(Duration::from_secs(2)))?;
        client.write_all(b"?")?;
        client.read_exact(&mut [0; 1])?;
    }
    drop(clients);
    engine.block_on(async {
        for server in servers {
            server.await?;
        }
        io::Result::Ok(())
    })?;
    Ok((used.as_nanos() as f64 / 1e6).max(RESOLUTION_MS))
}

/// CPU time of all threads of this process, user and system.
fn cpu_time() -> Duration {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    Duration::try_from(time).expect("a process has used no negative time")
}

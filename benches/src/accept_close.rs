//! `accept_close`: connections a second: connect, accept, close on both sides.
//!
//! One task accepts and closes at once; 16 client tasks connect, wait for the end of the stream, close. Clients
//! close with linger 0, so that neither side leaves a TIME_WAIT behind and no run is short of ports.
//! Not: a server's rate under real load: no byte is sent, both ends pay in the same process, and connecting and
//! closing in the kernel are most of the figure.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use crate::echo::BACKLOG;
use crate::engine::Engine;
use crate::problem::{Problem, Wrong, expect, per_second};

const CLIENTS: u64 = 16;
const EACH: u64 = 50;

pub(crate) struct AcceptClose;

impl Problem for AcceptClose {
    fn round<E: Engine>(&self, engine: E, window: Duration) -> Result<f64, Wrong> {
        per_second(window, || {
            let closed = engine.run(batch(engine)).map_err(|e| e.to_string())?;
            expect("connections closed", CLIENTS * EACH, closed)?;
            Ok(closed)
        })
    }
}

async fn batch<E: Engine>(engine: E) -> io::Result<u64> {
    let listener = E::listen(BACKLOG)?;
    let address = E::address(&listener)?;
    let acceptor = engine.spawn(accept::<E>(listener));
    let clients: Vec<_> = (0..CLIENTS)
        .map(|_| engine.spawn(connect::<E>(address)))
        .collect();
    let mut closed = 0;
    for client in clients {
        closed += client.await?;
    }
    acceptor.await?;
    Ok(closed)
}

async fn accept<E: Engine>(listener: E::Listener) -> io::Result<()> {
    for _ in 0..CLIENTS * EACH {
        drop(E::accept(&listener).await?);
    }
    Ok(())
}

async fn connect<E: Engine>(address: SocketAddr) -> io::Result<u64> {
    let mut closed = 0;
    for _ in 0..EACH {
        let mut stream = E::connect(address).await?;
        E::socket(&stream).set_linger(Some(Duration::ZERO))?;
        if E::read(&mut stream, &mut [0; 1]).await? != 0 {
            return Err(io::Error::other("a byte that nobody sent"));
        }
        closed += 1;
    }
    Ok(closed)
}

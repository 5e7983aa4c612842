//! `chained_spawn`: each task spawns the next one and ends.
//!
//! The shape of `chained_spawn` in tokio's own benches, a chain of 1,000 links, chains one after the other: there is
//! never more than one task to run, so this shows the fast slot, and whether idle workers keep out of its way.
//! Not: parallel speed; a second worker can only harm here.

use std::time::Duration;

use tokio::sync::oneshot;

use crate::engine::Engine;
use crate::problem::{Problem, Wrong, expect, ns_each};

const LINKS: u64 = 1_000;

pub(crate) struct ChainedSpawn;

impl Problem for ChainedSpawn {
    fn round<E: Engine>(&self, engine: E, window: Duration) -> Result<f64, Wrong> {
        ns_each(window, || {
            let links = engine.run(async move {
                let (done, end) = oneshot::channel();
                link(engine, 1, done);
                end.await.map_err(|_| "the chain broke")
            })?;
            expect("links", LINKS, links)?;
            Ok(links)
        })
    }
}

fn link<E: Engine>(engine: E, number: u64, done: oneshot::Sender<u64>) {
    E::detach(engine.spawn(async move {
        if number < LINKS {
            link(engine, number + 1, done);
        } else {
            done.send(number).expect("the run waits for its chain");
        }
    }));
}

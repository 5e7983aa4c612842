//! `ping_pong`: one task wakes another and is woken by it, over two oneshots.
//!
//! The shape of `ping_pong` in tokio's own benches: 1,000 pairs at a time, each spawned, each with two fresh oneshots,
//! so a round trip contains two spawns, two allocations for the channels and two wakes. The oneshot is tokio's for
//! every engine: it works on any executor, it is the one that tokio is tuned for, and outside a tokio runtime its
//! cooperative budget is simply unlimited.
//! Not: the latency between two sleeping threads, nor the bare cost of a wake.

use std::time::Duration;

use tokio::sync::oneshot;

use crate::engine::Engine;
use crate::problem::{Problem, Wrong, ns_each};
use crate::tally::Tally;

const PAIRS: u64 = 1_000;

pub(crate) struct PingPong;

impl Problem for PingPong {
    fn round<E: Engine>(&self, engine: E, window: Duration) -> Result<f64, Wrong> {
        ns_each(window, || {
            engine.run(async move {
                let (tally, all_done) = Tally::of(PAIRS);
                for number in 1..=PAIRS {
                    let tally = tally.clone();
                    E::detach(engine.spawn(async move {
                        let (ping, pinged) = oneshot::channel();
                        let (pong, ponged) = oneshot::channel();
                        E::detach(engine.spawn(async move {
                            let number = pinged.await.expect("pinged once");
                            pong.send(number).expect("the pinger waits");
                        }));
                        ping.send(number).expect("the ponger waits");
                        tally.report(ponged.await.expect("ponged once"));
                    }));
                }
                all_done.await.map_err(|_| "pairs were lost")
            })?;
            Ok(PAIRS)
        })
    }
}

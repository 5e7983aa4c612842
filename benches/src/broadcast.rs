//! `broadcast_1to8`: one task sends to eight, each of which gets each message.
//!
//! Messages go in bursts that fit into the channel, and the sender waits until all have the burst, so that nobody lags: the
//! last of the eight tells it through tokio's `Notify`, the same for both. Each receiver's sum is checked. filch and tokio
//! use their own channel.
//! Not: what lagging costs.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::Notify;

use crate::channels::{on_filch, on_tokio};
use crate::engine::{Engine, Filch, Tokio};
use crate::problem::{Contestant, Wrong, expect, ns_each};

const RECEIVERS: u64 = 8;
const BURST: u64 = 32;
const BURSTS: u64 = 100;
const CAPACITY: usize = 64;

pub(crate) struct Broadcast;

macro_rules! round {
    ($name:ident, $engine:ty, $($module:ident)::*) => {
        fn $name(_: &Broadcast, engine: $engine, window: Duration) -> Result<f64, Wrong> {
            ns_each(window, || {
                let sum = engine.run(async move {
                    let (tx, _) = $($module)::*::channel(CAPACITY);
                    let seen = Arc::new((AtomicU64::new(0), Notify::new()));
                    let receivers: Vec<_> = (0..RECEIVERS)
                        .map(|_| {
                            let (mut rx, seen) = (tx.subscribe(), seen.clone());
                            engine.spawn(async move {
                                let mut sum = 0;
                                for _ in 0..BURSTS {
                                    for _ in 0..BURST {
                                        sum += rx.recv().await.expect("nobody lags");
                                    }
                                    if (seen.0.fetch_add(1, Ordering::AcqRel) + 1) % RECEIVERS == 0 {
                                        seen.1.notify_one();
                                    }
                                }
                                sum
                            })
                        })
                        .collect();
                    let sender = engine.spawn(async move {
                        for burst in 0..BURSTS {
                            for n in 0..BURST {
                                tx.send(burst * BURST + n).expect("eight receive");
                            }
                            seen.1.notified().await;
                        }
                    });
                    sender.await;
                    let mut sum = 0;
                    for receiver in receivers {
                        sum += receiver.await;
                    }
                    sum
                });
                let messages = BURSTS * BURST;
                expect("the sum of all messages", RECEIVERS * (messages * (messages - 1) / 2), sum)?;
                Ok(RECEIVERS * messages)
            })
        }
    };
}

round!(filch_round, Filch, filch::sync::broadcast);
round!(tokio_round, Tokio, tokio::sync::broadcast);

pub(crate) fn enter_broadcast(peer: &str, workers: usize) -> io::Result<Box<dyn Contestant>> {
    match peer {
        "filch" => on_filch(Broadcast, workers, filch_round),
        "tokio" => on_tokio(Broadcast, workers, tokio_round),
        _ => Err(io::Error::other(format!("{peer} does not take part"))),
    }
}

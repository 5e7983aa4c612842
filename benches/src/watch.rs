//! `watch_1to64`: one task changes a value, and 64 see each change.
//!
//! The sender waits until all have seen a change before it makes the next, so that none is skipped: the last of the 64
//! tells it through tokio's `Notify`, the same for both. Each receiver's sum is checked. filch and tokio use their own
//! channel.
//! Not: a receiver that may skip.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::Notify;

use crate::channels::{on_filch, on_tokio};
use crate::engine::{Engine, Filch, Tokio};
use crate::problem::{Contestant, Wrong, expect, ns_each};

const RECEIVERS: u64 = 64;
const CHANGES: u64 = 200;

pub(crate) struct Watch;

macro_rules! round {
    ($name:ident, $engine:ty, $($module:ident)::*) => {
        fn $name(_: &Watch, engine: $engine, window: Duration) -> Result<f64, Wrong> {
            ns_each(window, || {
                let sum = engine.run(async move {
                    let (tx, rx) = $($module)::*::channel(0);
                    let seen = Arc::new((AtomicU64::new(0), Notify::new()));
                    let receivers: Vec<_> = (0..RECEIVERS)
                        .map(|_| {
                            let (mut rx, seen) = (rx.clone(), seen.clone());
                            engine.spawn(async move {
                                let mut sum = 0;
                                while rx.changed().await.is_ok() {
                                    sum += *rx.borrow_and_update();
                                    if (seen.0.fetch_add(1, Ordering::AcqRel) + 1) % RECEIVERS == 0 {
                                        seen.1.notify_one();
                                    }
                                }
                                sum
                            })
                        })
                        .collect();
                    drop(rx);
                    let sender = engine.spawn(async move {
                        for n in 1..=CHANGES {
                            tx.send(n).expect("64 look");
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
                expect("the sum of all values", RECEIVERS * (CHANGES * (CHANGES + 1) / 2), sum)?;
                Ok(RECEIVERS * CHANGES)
            })
        }
    };
}

round!(filch_round, Filch, filch::sync::watch);
round!(tokio_round, Tokio, tokio::sync::watch);

pub(crate) fn enter_watch(peer: &str, workers: usize) -> io::Result<Box<dyn Contestant>> {
    match peer {
        "filch" => on_filch(Watch, workers, filch_round),
        "tokio" => on_tokio(Watch, workers, tokio_round),
        _ => Err(io::Error::other(format!("{peer} does not take part"))),
    }
}

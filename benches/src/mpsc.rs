//! `mpsc_*`: producers send numbers over one channel to a task that adds them up.
//!
//! All are tasks, each producer sends the same count, and the sum is checked. Capacities 1, 64 and 1,024, and none;
//! `mpsc_spsc` has one producer and room for 64.
//! Not: the latency of a message, nor threads outside the runtime.

use std::io;
use std::time::Duration;

use crate::channels::{AsyncChannel, FilchMpsc, Flume, Kanal, Mpsc, TokioMpsc, on_filch, on_tokio};
use crate::engine::Engine;
use crate::problem::{Contestant, Wrong, expect, ns_each};

pub(crate) const MPSC_PEERS: &[&str] = &["filch", "tokio", "kanal", "flume", "async-channel"];

/// In all.
const MESSAGES: u64 = 20_000;

#[derive(Clone, Copy)]
pub(crate) struct MpscRow {
    pub(crate) producers: u64,
    pub(crate) capacity: Option<usize>,
}

impl MpscRow {
    fn round<C: Mpsc, E: Engine>(&self, engine: E, window: Duration) -> Result<f64, Wrong> {
        let Self {
            producers,
            capacity,
        } = *self;
        let each = MESSAGES / producers;
        ns_each(window, || {
            let sum = engine.run(async move {
                let (tx, mut rx) = C::channel(capacity);
                for _ in 0..producers {
                    let tx = tx.clone();
                    E::detach(engine.spawn(async move {
                        for message in 1..=each {
                            C::send(&tx, message).await;
                        }
                    }));
                }
                drop(tx);
                let consumer = engine.spawn(async move {
                    let mut sum = 0;
                    while let Some(message) = C::recv(&mut rx).await {
                        sum += message;
                    }
                    sum
                });
                consumer.await
            });
            expect(
                "the sum of all messages",
                producers * (each * (each + 1) / 2),
                sum,
            )?;
            Ok(producers * each)
        })
    }
}

pub(crate) fn enter_mpsc(
    row: MpscRow,
    peer: &str,
    workers: usize,
) -> io::Result<Box<dyn Contestant>> {
    match peer {
        "filch" => on_filch(row, workers, MpscRow::round::<FilchMpsc, _>),
        "tokio" => on_tokio(row, workers, MpscRow::round::<TokioMpsc, _>),
        "kanal" => on_filch(row, workers, MpscRow::round::<Kanal, _>),
        "flume" => on_filch(row, workers, MpscRow::round::<Flume, _>),
        "async-channel" => on_filch(row, workers, MpscRow::round::<AsyncChannel, _>),
        _ => Err(io::Error::other(format!("{peer} does not take part"))),
    }
}

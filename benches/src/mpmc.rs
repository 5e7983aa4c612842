//! `mpmc_4p4c`: four producers, four consumers, one channel with room for 64; each message goes to one consumer.
//!
//! The sum over all consumers is checked. tokio has no such channel: its figure is `async-channel` on its runtime. The
//! other crates run on filch's.
//! Not: fairness among the consumers.

use std::io;
use std::time::Duration;

use crate::channels::{AsyncChannel, Flume, Kanal, Mpsc, on_filch, on_tokio};
use crate::engine::Engine;
use crate::problem::{Contestant, Wrong, expect, ns_each};

pub(crate) const MPMC_PEERS: &[&str] = &["filch", "tokio", "kanal", "flume", "async-channel"];

const SIDE: u64 = 4;
const EACH: u64 = 5_000;
const CAPACITY: usize = 64;

pub(crate) struct Mpmc;

/// filch's own.
struct FilchMpmc;

impl Mpsc for FilchMpmc {
    type Sender = filch::sync::mpmc::Sender<u64>;
    type Receiver = filch::sync::mpmc::Receiver<u64>;

    fn channel(capacity: Option<usize>) -> (Self::Sender, Self::Receiver) {
        match capacity {
            Some(capacity) => filch::sync::mpmc::channel(capacity),
            None => filch::sync::mpmc::unbounded_channel(),
        }
    }

    async fn send(sender: &Self::Sender, message: u64) {
        sender.send(message).await.expect("somebody receives");
    }

    async fn recv(receiver: &mut Self::Receiver) -> Option<u64> {
        receiver.recv().await
    }
}

impl Mpmc {
    fn round<C: Mpsc<Receiver: Clone>, E: Engine>(
        &self,
        engine: E,
        window: Duration,
    ) -> Result<f64, Wrong> {
        ns_each(window, || {
            let sum = engine.run(async move {
                let (tx, rx) = C::channel(Some(CAPACITY));
                let consumers: Vec<_> = (0..SIDE)
                    .map(|_| {
                        let mut rx = rx.clone();
                        engine.spawn(async move {
                            let mut sum = 0;
                            while let Some(message) = C::recv(&mut rx).await {
                                sum += message;
                            }
                            sum
                        })
                    })
                    .collect();
                for _ in 0..SIDE {
                    let tx = tx.clone();
                    E::detach(engine.spawn(async move {
                        for message in 1..=EACH {
                            C::send(&tx, message).await;
                        }
                    }));
                }
                drop((tx, rx));
                let mut sum = 0;
                for consumer in consumers {
                    sum += consumer.await;
                }
                sum
            });
            expect(
                "the sum of all messages",
                SIDE * (EACH * (EACH + 1) / 2),
                sum,
            )?;
            Ok(SIDE * EACH)
        })
    }
}

pub(crate) fn enter_mpmc(peer: &str, workers: usize) -> io::Result<Box<dyn Contestant>> {
    match peer {
        "filch" => on_filch(Mpmc, workers, Mpmc::round::<FilchMpmc, _>),
        "tokio" => on_tokio(Mpmc, workers, Mpmc::round::<AsyncChannel, _>),
        "kanal" => on_filch(Mpmc, workers, Mpmc::round::<Kanal, _>),
        "flume" => on_filch(Mpmc, workers, Mpmc::round::<Flume, _>),
        "async-channel" => on_filch(Mpmc, workers, Mpmc::round::<AsyncChannel, _>),
        _ => Err(io::Error::other(format!("{peer} does not take part"))),
    }
}

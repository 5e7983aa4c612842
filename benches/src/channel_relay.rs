//! `channel_relay`: messages go from a producer over one channel to relays, and over a second one to a consumer.
//!
//! Both channels are `async_channel`s (the same for every engine) of capacity 1, so that nearly every message suspends
//! and wakes a task on each; the sum of all messages is checked.
//! Not: the speed of any engine's own channel; and a good part of each figure is the channel itself, the same for all.

use std::time::Duration;

use async_channel::{Receiver, Sender};

use crate::engine::Engine;
use crate::problem::{Problem, Wrong, expect, ns_each};

const MESSAGES: u64 = 10_000;
const RELAYS: usize = 4;
const CAPACITY: usize = 1;

pub(crate) struct ChannelRelay;

impl Problem for ChannelRelay {
    fn round<E: Engine>(&self, engine: E, window: Duration) -> Result<f64, Wrong> {
        ns_each(window, || {
            let sum = engine.run(async move {
                let (into, inlet) = async_channel::bounded(CAPACITY);
                let (outlet, out) = async_channel::bounded(CAPACITY);
                for _ in 0..RELAYS {
                    E::detach(engine.spawn(relay(inlet.clone(), outlet.clone())));
                }
                drop((inlet, outlet));
                E::detach(engine.spawn(async move {
                    for message in 1..=MESSAGES {
                        into.send(message).await.expect("the relays listen");
                    }
                }));
                engine.spawn(consume(out)).await
            });
            expect(
                "the sum of all messages",
                MESSAGES * (MESSAGES + 1) / 2,
                sum,
            )?;
            Ok(MESSAGES)
        })
    }
}

async fn relay(inlet: Receiver<u64>, outlet: Sender<u64>) {
    while let Ok(message) = inlet.recv().await {
        outlet.send(message).await.expect("the consumer listens");
    }
}

async fn consume(out: Receiver<u64>) -> u64 {
    let mut sum = 0;
    while let Ok(message) = out.recv().await {
        sum += message;
    }
    sum
}

//! `oneshot_round_trip`: two tasks that hand a number back and forth, over a fresh oneshot each time.
//!
//! Each message carries the sender for its answer, so a round trip makes, uses and frees two channels and wakes two
//! tasks. filch and tokio use their own.
//! Not: the bare cost of a channel that nobody waits for.

use std::io;
use std::time::Duration;

use crate::channels::{on_filch, on_tokio};
use crate::engine::{Engine, Filch, Tokio};
use crate::problem::{Contestant, Wrong, expect, ns_each};

const TRIPS: u64 = 10_000;

#[derive(Clone, Copy)]
pub(crate) struct OneshotRoundTrip;

macro_rules! round {
    ($name:ident, $engine:ty, $($module:ident)::*) => {
        fn $name(_: &OneshotRoundTrip, engine: $engine, window: Duration) -> Result<f64, Wrong> {
            use $($module)::*::{Receiver, Sender, channel};

            struct Ping(u64, Sender<Pong>);
            struct Pong(u64, Sender<Ping>);

            async fn answer(mut pinged: Receiver<Ping>) {
                while let Ok(Ping(number, back)) = pinged.await {
                    let (tx, rx) = channel();
                    pinged = rx;
                    if back.send(Pong(number + 1, tx)).is_err() {
                        return;
                    }
                }
            }

            ns_each(window, || {
                let last = engine.run(async move {
                    let (mut there, pinged) = channel();
                    <$engine>::detach(engine.spawn(answer(pinged)));
                    let mut number = 0;
                    for _ in 0..TRIPS {
                        let (tx, rx) = channel();
                        there.send(Ping(number, tx)).ok().expect("the other task waits");
                        Pong(number, there) = rx.await.expect("the other task answers");
                    }
                    number
                });
                expect("round trips", TRIPS, last)?;
                Ok(TRIPS)
            })
        }
    };
}

round!(filch_round, Filch, filch::sync::oneshot);
round!(tokio_round, Tokio, tokio::sync::oneshot);

pub(crate) fn enter_oneshot(peer: &str, workers: usize) -> io::Result<Box<dyn Contestant>> {
    match peer {
        "filch" => on_filch(OneshotRoundTrip, workers, filch_round),
        "tokio" => on_tokio(OneshotRoundTrip, workers, tokio_round),
        _ => Err(io::Error::other(format!("{peer} does not take part"))),
    }
}

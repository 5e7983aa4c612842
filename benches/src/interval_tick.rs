//! `interval_tick`: what a tick of an interval costs that is due already.
//!
//! One task takes 10,000 ticks of an interval that started a second ago with a period of 10 µs, so all of them are to be
//! made up for (tokio's `MissedTickBehavior::Burst`, the default everywhere). So it is the price of asking, without a
//! wait. Each tick is checked to be a period after the last.
//! Not: a timer that fires, nor a wake-up.

use std::time::{Duration, Instant};

use crate::engine::Engine;
use crate::problem::{Problem, Wrong, expect, ns_each};

const TICKS: u64 = 10_000;
const PERIOD: Duration = Duration::from_micros(10);

pub(crate) struct IntervalTick;

impl Problem for IntervalTick {
    fn round<E: Engine>(&self, engine: E, window: Duration) -> Result<f64, Wrong> {
        ns_each(window, || {
            let right = engine.run(async {
                let begin = Instant::now()
                    .checked_sub(Duration::from_secs(1))
                    .expect("the machine has been up for a second");
                let mut interval = E::interval(begin, PERIOD);
                let mut right = 0;
                for n in 0..TICKS as u32 {
                    let at = E::tick(&mut interval).await;
                    right += u64::from(at == begin + PERIOD * n);
                }
                right
            });
            expect("ticks in time", TICKS, right)?;
            Ok(TICKS)
        })
    }
}

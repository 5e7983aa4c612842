//! `timer_cancel_cross`: what it costs to set a timer on one worker and cancel it on another.
//!
//! One task makes sleeps of 30 s, polls each once, and hands them on by the thousand; another one drops them. Both block
//! their workers while they wait for each other (a channel of std's), so they are on two workers for sure, which is
//! checked, and no scheduler has a part in it. Nanoseconds for each timer, set and cancelled side by side.
//! Not: the common case, where a timer is cancelled where it was set (`timeout_unfired`).

use std::future::{Future, poll_fn};
use std::sync::mpsc::sync_channel;
use std::task::Poll;
use std::thread;
use std::time::Duration;

use crate::engine::Engine;
use crate::problem::{Problem, Wrong, expect, ns_each};

const HANDFULS: u64 = 20;
const HANDFUL: u64 = 1_000;

pub(crate) struct TimerCancelCross;

impl Problem for TimerCancelCross {
    fn round<E: Engine>(&self, engine: E, window: Duration) -> Result<f64, Wrong> {
        ns_each(window, || {
            let (give, take) = sync_channel(2);
            let sets = engine.spawn_outside(async move {
                for _ in 0..HANDFULS {
                    let mut sleeps = Vec::with_capacity(HANDFUL as usize);
                    for _ in 0..HANDFUL {
                        let mut sleep = Box::pin(E::sleep(Duration::from_secs(30)));
                        let pending = poll_fn(|context| {
                            Poll::Ready(sleep.as_mut().poll(context).is_pending())
                        });
                        if pending.await {
                            sleeps.push(sleep);
                        }
                    }
                    give.send(sleeps).expect("the other task takes all");
                }
                thread::current().id()
            });
            let cancels = engine.spawn_outside(async move {
                let mut cancelled = 0;
                for sleeps in take.iter() {
                    cancelled += sleeps.len() as u64;
                }
                (thread::current().id(), cancelled)
            });
            let (here, (there, cancelled)) = engine.block_on(async { (sets.await, cancels.await) });
            if here == there {
                return Err("both tasks ran on one worker".to_owned());
            }
            expect("timers cancelled", HANDFULS * HANDFUL, cancelled)?;
            Ok(cancelled)
        })
    }
}

//! The clock is paused, resumed and moved at random while many tasks wait for it.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};

use filch::runtime::Builder;
use filch::task::{JoinSet, yield_now};
use filch::time::{self, Duration, Instant, interval, sleep, timeout};

mod common;
use common::{Random, bounded, many};

fn micros(random: &mut Random, below: usize) -> Duration {
    Duration::from_micros(random.below(below) as u64)
}

/// Waits in many ways; none may be early by the runtime's clock.
async fn wait_and_look(mut random: Random) {
    for _ in 0..20 {
        let (start, limit) = (Instant::now(), micros(&mut random, 3000));
        match random.below(5) {
            0 | 1 => {
                sleep(limit).await;
                assert!(
                    start.elapsed() >= limit,
                    "{:?} of {limit:?}",
                    start.elapsed()
                );
            }
            2 => {
                let mut limit_moved = pin!(sleep(limit));
                let _ = timeout(micros(&mut random, 1000), limit_moved.as_mut()).await;
                let to = Instant::now() + micros(&mut random, 1000);
                limit_moved.as_mut().reset(to);
                limit_moved.await;
                assert!(Instant::now() >= to);
            }
            3 => {
                let mut ticks = interval(limit + Duration::from_micros(1));
                for _ in 0..3 {
                    let tick = ticks.tick().await;
                    assert!(Instant::now() >= tick);
                }
            }
            _ => {
                let never = timeout(limit, std::future::pending::<()>()).await;
                assert!(never.is_err() && start.elapsed() >= limit);
            }
        }
    }
}

/// Panics of those who move the clock wrongly are not printed: there are thousands, and to print one takes longer than all
/// the rest.
fn hush() {
    let before = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |info| {
        let text = info.payload().downcast_ref::<String>();
        if !text.is_some_and(|text| text.ends_with(" frozen")) {
            before(info);
        }
    }));
}

#[test]
fn a_clock_that_is_paused_resumed_and_moved_at_random_loses_no_timer_and_is_never_early() {
    hush();
    let mut random = Random::from_env();
    for round in 0..many(30) {
        let mut random = random.fork();
        bounded(move || {
            let rt = match round % 3 {
                0 => Builder::new_current_thread().enable_all().build().unwrap(),
                _ => Builder::new_multi_thread()
                    .worker_threads(8)
                    .start_paused(round % 2 == 0)
                    .enable_all()
                    .build()
                    .unwrap(),
            };
            let over = Arc::new(AtomicBool::new(false));
            let mut hands = Vec::new();
            for _ in 0..2 {
                let (mut random, over) = (random.fork(), over.clone());
                hands.push(rt.spawn(async move {
                    while !over.load(SeqCst) {
                        // Wrong in half of the cases: the other hand moves it, too.
                        let _ = match random.below(4) {
                            0 => catch_unwind(time::pause),
                            1 => catch_unwind(time::resume),
                            _ => {
                                let by = micros(&mut random, 500);
                                let moves = AssertUnwindSafe(time::advance(by));
                                drop(futures::FutureExt::catch_unwind(moves).await);
                                Ok(())
                            }
                        };
                        yield_now().await;
                    }
                }));
            }
            let mut all = JoinSet::new();
            for _ in 0..100 {
                all.spawn_on(wait_and_look(random.fork()), rt.handle());
            }
            rt.block_on(async {
                all.join_all().await;
                over.store(true, SeqCst);
                for hand in hands {
                    hand.await.unwrap();
                }
            });
        });
    }
}

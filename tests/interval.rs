//! An interval ticks at its moments, and says what it does about those that it missed.

use std::panic::catch_unwind;

use filch::time::{
    Duration, Instant, Interval, MissedTickBehavior, advance, interval, interval_at, pause, sleep,
};

mod common;
use common::{Probe, bounded, multi, on_each_kind, single};

const fn ms(n: u64) -> Duration {
    Duration::from_millis(n)
}

/// The ticks that are due, by milliseconds from `start`.
fn due(interval: &mut Interval, start: Instant) -> Vec<u128> {
    let probe = Probe::new();
    let mut ticks = Vec::new();
    loop {
        let mut tick = Box::pin(interval.tick());
        match probe.poll(&mut tick) {
            std::task::Poll::Ready(at) => ticks.push((at - start).as_millis()),
            std::task::Poll::Pending => return ticks,
        }
    }
}

#[filch::test(start_paused = true)]
async fn the_first_tick_is_at_once_and_the_others_a_period_apart() {
    let start = Instant::now();
    let mut interval = interval(ms(300));
    assert_eq!(interval.period(), ms(300));
    assert_eq!(due(&mut interval, start), [0]);
    for n in 1..5 {
        assert_eq!(interval.tick().await, start + ms(300) * n);
        assert_eq!(start.elapsed(), ms(300) * n);
    }
}

#[filch::test(start_paused = true)]
async fn a_start_to_come_and_one_that_has_passed() {
    let now = Instant::now();
    let mut late = interval_at(now + ms(500), ms(300));
    assert_eq!(due(&mut late, now), []);
    assert_eq!(late.tick().await, now + ms(500));
    assert_eq!(late.tick().await, now + ms(800));
    let mut early = interval_at(now, ms(300));
    assert_eq!(due(&mut early, now), [0, 300, 600]);
}

#[filch::test(start_paused = true)]
async fn missed_ticks_are_made_up_for_put_off_or_left_out() {
    let cases: [(MissedTickBehavior, [&[u128]; 3]); 3] = [
        (MissedTickBehavior::Burst, [&[0], &[300, 600, 900], &[1200]]),
        (MissedTickBehavior::Delay, [&[0], &[300], &[1300]]),
        (MissedTickBehavior::Skip, [&[0], &[300], &[1200]]),
    ];
    for (behavior, ticks) in cases {
        println!("{behavior:?}");
        let start = Instant::now();
        let mut interval = interval(ms(300));
        assert_eq!(interval.missed_tick_behavior(), MissedTickBehavior::Burst);
        interval.set_missed_tick_behavior(behavior);
        assert_eq!(interval.missed_tick_behavior(), behavior);
        assert_eq!(due(&mut interval, start), ticks[0]);
        advance(ms(1000)).await;
        assert_eq!(due(&mut interval, start), ticks[1]);
        advance(ms(300)).await;
        assert_eq!(due(&mut interval, start), ticks[2]);
    }
}

#[filch::test(start_paused = true)]
async fn a_tick_up_to_five_milliseconds_late_is_not_missed() {
    for behavior in [MissedTickBehavior::Delay, MissedTickBehavior::Skip] {
        let start = Instant::now();
        let mut interval = interval(ms(20));
        interval.set_missed_tick_behavior(behavior);
        assert_eq!(due(&mut interval, start), [0]);
        advance(ms(25)).await;
        assert_eq!(due(&mut interval, start), [20]);
        assert_eq!(interval.tick().await, start + ms(40));
    }
}

#[filch::test(start_paused = true)]
async fn reset_counts_from_now_or_from_a_given_moment() {
    let start = Instant::now();
    let mut interval = interval(ms(300));
    assert_eq!(due(&mut interval, start), [0]);
    advance(ms(100)).await;
    interval.reset();
    assert_eq!(interval.tick().await, start + ms(400));
    interval.reset_immediately();
    assert_eq!(due(&mut interval, start), [400]);
    interval.reset_after(ms(50));
    assert_eq!(interval.tick().await, start + ms(450));
    assert_eq!(interval.tick().await, start + ms(750));
    interval.reset_at(start + ms(800));
    assert_eq!(interval.tick().await, start + ms(800));
    interval.reset_at(start);
    assert_eq!(due(&mut interval, start), [0, 300, 600]);
    interval.reset_after(Duration::MAX);
    assert_eq!(due(&mut interval, start), []);
}

/// As tokio's: whoever waits for a tick is woken at the new moment.
#[filch::test(start_paused = true)]
async fn a_reset_tick_wakes_whoever_polled_it() {
    let mut interval = interval_at(Instant::now() + ms(1000), ms(1000));
    let probe = Probe::new();
    assert!(probe.poll(&mut Box::pin(interval.tick())).is_pending());
    interval.reset_after(ms(10));
    advance(ms(10)).await;
    assert_eq!(probe.wakes(), 1);
    assert!(probe.poll(&mut Box::pin(interval.tick())).is_ready());
}

#[filch::test(start_paused = true)]
async fn a_tick_that_is_given_up_is_still_to_come() {
    let start = Instant::now();
    let mut interval = interval(ms(10));
    interval.tick().await;
    for _ in 0..3 {
        filch::select! {
            biased;
            () = sleep(ms(3)) => {}
            _ = interval.tick() => panic!("too early"),
        }
    }
    assert_eq!(interval.tick().await, start + ms(10));
}

#[test]
fn the_longest_period_has_one_tick() {
    on_each_kind(|rt| {
        rt.block_on(async {
            pause();
            let start = Instant::now();
            let mut interval = interval(Duration::MAX);
            assert_eq!(due(&mut interval, start), [0]);
        });
    });
}

#[test]
fn an_interval_needs_a_period_and_a_runtime() {
    bounded(|| {
        for rt in [multi(1), single()] {
            let _entered = rt.enter();
            for zero in [
                catch_unwind(|| drop(interval(Duration::ZERO))),
                catch_unwind(|| drop(interval_at(Instant::now(), Duration::ZERO))),
            ] {
                let panic = zero.unwrap_err();
                let text = panic.downcast_ref::<&str>().unwrap();
                assert_eq!(*text, "`period` must be non-zero.");
            }
        }
        let panic = catch_unwind(|| drop(interval(ms(1)))).unwrap_err();
        let text = panic.downcast_ref::<String>().unwrap();
        assert!(text.contains("no filch runtime"), "{text}");
    });
}

#[test]
fn ticks_of_the_real_clock_are_never_early() {
    on_each_kind(|rt| {
        rt.block_on(rt.spawn(async {
            let start = Instant::now();
            let mut interval = interval(Duration::from_micros(700));
            for n in 0..30 {
                let at = interval.tick().await;
                assert!(Instant::now() >= at && at >= start + Duration::from_micros(700) * n);
            }
        }))
        .unwrap();
    });
}

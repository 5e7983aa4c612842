//! Rows about timers.

use super::{RUNS, Row, size};
use crate::interval_tick::IntervalTick;
use crate::problem::enter;
use crate::sleep_many::SleepMany;
use crate::timeout_unfired::TimeoutUnfired;
use crate::timer_cancel_cross::TimerCancelCross;
use crate::timer_lateness::TimerLateness;

pub(super) const ROWS: &[Row] = &[
    Row {
        name: "timeout_unfired",
        unit: "ns/timeout",
        floor: Some(3.0),
        about: "two tasks yield under a limit of 30 s, over and over",
        enter: |peer, workers| enter(TimeoutUnfired, peer, workers),
        ..RUNS
    },
    Row {
        name: "sleep_many",
        unit: "ms wall",
        floor: Some(1.5),
        about: "1,000,000 sleeps of 1 to 100 ms from 1,000 tasks",
        full: size(5, 500),
        quick: size(2, 500),
        enter: |peer, workers| enter(SleepMany, peer, workers),
        ..RUNS
    },
    Row {
        name: "timer_lateness_p99",
        unit: "µs p99",
        floor: Some(1.2),
        about: "1,000 sleeps of 1 to 20 ms while all workers compute",
        enter: |peer, workers| enter(TimerLateness { workers }, peer, workers),
        ..RUNS
    },
    Row {
        name: "interval_tick",
        unit: "ns/tick",
        floor: Some(1.2),
        about: "ticks of an interval that are due already",
        enter: |peer, workers| enter(IntervalTick, peer, workers),
        ..RUNS
    },
    Row {
        name: "timer_cancel_cross",
        unit: "ns/timer",
        floor: Some(2.0),
        about: "timers that one worker sets and another cancels",
        least_workers: 2,
        enter: |peer, workers| enter(TimerCancelCross, peer, workers),
        ..RUNS
    },
];

//! Rows about I/O.

use super::{Better, Layout, RUNS, Row, size};
use crate::accept_close::AcceptClose;
use crate::echo::{ECHO_PEERS, enter_echo};
use crate::echo_blocked::EchoBlocked;
use crate::idle_cpu::IdleCpu;
use crate::problem::enter;

macro_rules! echo {
    ($name:literal, $connections:literal, $floor:literal) => {
        Row {
            name: $name,
            unit: "round trips/s",
            better: Better::Higher,
            floor: Some($floor),
            about: concat!("64-byte TCP echo, connections: ", $connections),
            peers: ECHO_PEERS,
            enter: |peer, workers| enter_echo($connections, peer, workers),
            ..RUNS
        }
    };
}

pub(super) const ROWS: &[Row] = &[
    echo!("echo_1", 1, 1.1),
    echo!("echo_2", 2, 1.1),
    echo!("echo_8", 8, 1.2),
    echo!("echo_64", 64, 1.1),
    echo!("echo_512", 512, 1.0),
    Row {
        name: "accept_close",
        unit: "connections/s",
        better: Better::Higher,
        floor: Some(1.0),
        about: "16 clients connect, one task accepts, both sides close",
        enter: |peer, workers| enter(AcceptClose, peer, workers),
        ..RUNS
    },
    Row {
        name: "echo_blocked_p99",
        unit: "µs p99",
        floor: Some(30.0),
        about: "echo on a 1 ms schedule while handlers block all workers but one, 200 ms at a time",
        full: size(9, 1_500),
        quick: size(5, 800),
        least_workers: 2,
        enter: |peer, workers| enter(EchoBlocked { workers }, peer, workers),
        ..RUNS
    },
    Row {
        name: "idle_cpu",
        unit: "ms CPU in 3 s",
        floor: Some(1.0),
        about: "1,000 open connections, nothing happens; at most 2 runs; under 1 ms counts as 1 ms",
        layout: Layout::Apart,
        full: size(2, 3_000),
        quick: size(1, 3_000),
        enter: |peer, workers| enter(IdleCpu, peer, workers),
        ..RUNS
    },
];

//! Rows about locks and channels.

use super::{RUNS, Row};
use crate::broadcast::enter_broadcast;
use crate::locks::{self, LOCK_PEERS, enter_lock, enter_signal};
use crate::mpmc::{MPMC_PEERS, enter_mpmc};
use crate::mpsc::{MPSC_PEERS, MpscRow, enter_mpsc};
use crate::oneshot::enter_oneshot;
use crate::watch::enter_watch;

macro_rules! lock {
    ($name:literal, $floor:literal, $about:literal, $alone:literal, $F:ident, $T:ident, $O:ident) => {
        Row {
            name: $name,
            unit: "ns/turn",
            floor: Some($floor),
            about: $about,
            peers: LOCK_PEERS,
            enter: |peer, workers| {
                enter_lock::<locks::$F, locks::$T, locks::$O>($alone, peer, workers)
            },
            ..RUNS
        }
    };
}

macro_rules! mpsc {
    ($name:literal, $producers:literal, $capacity:expr, $floor:literal, $about:literal) => {
        Row {
            name: $name,
            unit: "ns/message",
            floor: Some($floor),
            about: $about,
            peers: MPSC_PEERS,
            enter: |peer, workers| {
                let row = MpscRow {
                    producers: $producers,
                    capacity: $capacity,
                };
                enter_mpsc(row, peer, workers)
            },
            ..RUNS
        }
    };
}

pub(super) const ROWS: &[Row] = &[
    lock!(
        "mutex_8",
        1.5,
        "8 tasks want a fair mutex all the time",
        false,
        FilchMutex,
        TokioMutex,
        OtherMutex
    ),
    lock!(
        "mutex_8_barging",
        3.0,
        "8 tasks want a mutex all the time, and whoever comes first has it",
        false,
        FilchBarging,
        TokioMutex,
        OtherMutex
    ),
    lock!(
        "mutex_uncontended",
        1.5,
        "one task has a mutex for itself",
        true,
        FilchMutex,
        TokioMutex,
        OtherMutex
    ),
    lock!(
        "rwlock_read_8",
        1.5,
        "8 tasks read the same lock all the time",
        false,
        FilchRead,
        TokioRead,
        OtherRead
    ),
    lock!(
        "semaphore_8",
        1.5,
        "8 tasks want one of 4 permits all the time",
        false,
        FilchPermits,
        TokioPermits,
        OtherPermits
    ),
    Row {
        name: "notify_ping_pong",
        unit: "ns/round trip",
        floor: Some(1.3),
        about: "100 pairs of tasks tell each other in turns",
        peers: &["filch", "tokio"],
        enter: enter_signal,
        ..RUNS
    },
    Row {
        name: "oneshot_round_trip",
        unit: "ns/round trip",
        floor: Some(1.3),
        about: "two tasks answer each other, over a fresh oneshot each time",
        peers: &["filch", "tokio"],
        enter: enter_oneshot,
        ..RUNS
    },
    mpsc!(
        "mpsc_4p_1",
        4,
        Some(1),
        2.0,
        "4 producers, one consumer, room for 1"
    ),
    mpsc!(
        "mpsc_4p_64",
        4,
        Some(64),
        2.0,
        "4 producers, one consumer, room for 64"
    ),
    mpsc!(
        "mpsc_4p_1024",
        4,
        Some(1_024),
        2.0,
        "4 producers, one consumer, room for 1,024"
    ),
    mpsc!(
        "mpsc_unbounded_4p",
        4,
        None,
        1.5,
        "4 producers, one consumer, no bound"
    ),
    mpsc!(
        "mpsc_spsc",
        1,
        Some(64),
        1.5,
        "one producer, one consumer, room for 64"
    ),
    Row {
        name: "broadcast_1to8",
        unit: "ns/receipt",
        floor: Some(1.3),
        about: "one sender, 8 receivers of each message, bursts of 32",
        peers: &["filch", "tokio"],
        enter: enter_broadcast,
        ..RUNS
    },
    Row {
        name: "watch_1to64",
        unit: "ns/look",
        floor: Some(1.3),
        about: "one task changes a value, 64 see each change",
        peers: &["filch", "tokio"],
        enter: enter_watch,
        ..RUNS
    },
    Row {
        name: "mpmc_4p4c",
        unit: "ns/message",
        floor: Some(1.0),
        about: "4 producers, 4 consumers, room for 64; tokio's is async-channel",
        peers: MPMC_PEERS,
        enter: enter_mpmc,
        ..RUNS
    },
];

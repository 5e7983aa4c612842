//! Rows about the event loop, against CPython's asyncio, and uvloop where it is installed.

use super::{Better, Layout, RUNS, Row, size};
use crate::asyncio::{self, Doing};
use crate::asyncio_echo::{self, Place};
use crate::python;
use crate::strands;
use crate::thread_bytes;

macro_rules! asyncio {
    ($name:literal, $doing:ident, $about:literal) => {
        Row {
            name: $name,
            floor: Some(10.0),
            about: $about,
            peers: python::PEERS,
            enter: |peer, workers| asyncio::enter(Doing::$doing, peer, workers),
            ..RUNS
        }
    };
}

pub(super) const ROWS: &[Row] = &[
    asyncio!(
        "asyncio_call_soon",
        CallSoon,
        "an event loop calls 10,000 callbacks"
    ),
    asyncio!(
        "asyncio_create_task",
        CreateTask,
        "a task of a loop creates and awaits 1,000 others"
    ),
    asyncio!(
        "asyncio_future_chain",
        FutureChain,
        "1,000 tasks of a loop, each waits for a future and sets the next"
    ),
    asyncio!(
        "asyncio_gather_10k",
        Gather,
        "gather of 10,000 coroutines on a loop"
    ),
    asyncio!(
        "asyncio_sleep0",
        Sleep0,
        "a task of a loop sleeps 10,000 times for no time"
    ),
    Row {
        name: "asyncio_task_bytes",
        unit: "bytes/task",
        floor: None,
        about: "resident memory for each of 100,000 tasks of a loop that wait for ever",
        peers: python::WITHOUT_LOOP,
        layout: Layout::Apart,
        full: size(3, 1_000),
        quick: size(1, 1_000),
        enter: |peer, workers| asyncio::enter(Doing::TaskBytes, peer, workers),
        ..RUNS
    },
    Row {
        name: "asyncio_echo_64",
        unit: "round trips/s",
        better: Better::Higher,
        floor: Some(5.0),
        about: "64-byte echo over 64 connections on asyncio's streams; filch's on all workers",
        peers: python::PEERS,
        enter: |peer, workers| asyncio_echo::enter(Place::Workers, peer, workers),
        ..RUNS
    },
    Row {
        name: "asyncio_echo_64_loop",
        unit: "round trips/s",
        better: Better::Higher,
        about: "the same with filch's streams in tasks of one loop: one core against one core",
        peers: python::PEERS,
        enter: |peer, workers| asyncio_echo::enter(Place::Loop, peer, workers),
        ..RUNS
    },
    Row {
        name: "thread_bytes",
        unit: "bytes",
        about: "resident memory of an idle task, against an idle OS thread",
        peers: thread_bytes::PEERS,
        layout: Layout::Apart,
        full: size(3, 1_000),
        quick: size(1, 1_000),
        enter: thread_bytes::enter,
        ..RUNS
    },
    Row {
        name: "strands_64",
        unit: "callbacks/s",
        better: Better::Higher,
        about: "64 chains of callbacks on 64 loops, against one loop: how many cores they use",
        peers: strands::PEERS,
        least_workers: 2,
        enter: strands::enter,
        ..RUNS
    },
];

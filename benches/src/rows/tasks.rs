//! Rows about tasks: spawn, wake, join.

use super::{Better, Layout, RUNS, Row, size};
use crate::budget_fairness::BudgetFairness;
use crate::chained_spawn::ChainedSpawn;
use crate::channel_relay::ChannelRelay;
use crate::fanout_cpu::enter_with_rayon;
use crate::generator_next;
use crate::join_handles::JoinHandles;
use crate::join_set::enter_with_set;
use crate::one_thread::{enter_local_spawn, enter_ping_pong};
use crate::ping_pong::PingPong;
use crate::problem::enter;
use crate::spawn::{SpawnLocal, SpawnRemote};
use crate::task_bytes::TaskBytes;
use crate::task_group::TaskGroup;
use crate::yield_many::YieldMany;

pub(super) const ROWS: &[Row] = &[
    Row {
        name: "spawn_local",
        floor: Some(1.5),
        about: "spawn and run 100,000 tasks from a worker",
        enter: |peer, workers| enter(SpawnLocal, peer, workers),
        ..RUNS
    },
    Row {
        name: "spawn_remote",
        floor: Some(1.8),
        about: "spawn and run 100,000 tasks from outside the runtime",
        enter: |peer, workers| enter(SpawnRemote, peer, workers),
        ..RUNS
    },
    Row {
        name: "yield_many",
        unit: "ns/yield",
        floor: Some(1.3),
        about: "200 tasks yield 1,000 times each",
        enter: |peer, workers| enter(YieldMany, peer, workers),
        ..RUNS
    },
    Row {
        name: "ping_pong",
        unit: "ns/round trip",
        floor: Some(1.8),
        about: "two tasks wake each other over two oneshots, 1,000 pairs at a time",
        enter: |peer, workers| enter(PingPong, peer, workers),
        ..RUNS
    },
    Row {
        name: "chained_spawn",
        unit: "ns/link",
        floor: Some(3.0),
        about: "each task spawns the next",
        enter: |peer, workers| enter(ChainedSpawn, peer, workers),
        ..RUNS
    },
    Row {
        name: "join_handles",
        floor: Some(1.3),
        about: "spawn 10,000 tasks, await every handle",
        enter: |peer, workers| enter(JoinHandles, peer, workers),
        ..RUNS
    },
    Row {
        name: "join_set",
        floor: Some(1.3),
        about: "spawn 10,000 tasks into a JoinSet, join them all",
        peers: &["filch", "tokio"],
        enter: enter_with_set,
        ..RUNS
    },
    Row {
        name: "budget_fairness_p99",
        unit: "µs p99",
        floor: Some(1.0),
        about: "100 tasks yield beside a task on each worker whose reads and writes are always ready",
        peers: &["filch", "tokio"],
        enter: |peer, workers| enter(BudgetFairness { workers }, peer, workers),
        ..RUNS
    },
    Row {
        name: "task_group",
        floor: Some(1.0),
        about: "a group of 10,000 children, against tokio's JoinSet",
        peers: &["filch", "tokio"],
        enter: |peer, workers| enter(TaskGroup, peer, workers),
        ..RUNS
    },
    Row {
        name: "channel_relay",
        unit: "ns/message",
        floor: Some(1.2),
        about: "producer, 4 relays, consumer over two channels of capacity 1",
        enter: |peer, workers| enter(ChannelRelay, peer, workers),
        ..RUNS
    },
    Row {
        name: "current_thread_ping_pong",
        unit: "ns/round trip",
        floor: Some(1.3),
        about: "ping_pong on current-thread runtimes",
        peers: &["filch", "tokio"],
        enter: |peer, _| enter_ping_pong(peer),
        ..RUNS
    },
    Row {
        name: "local_set_spawn",
        floor: Some(1.3),
        about: "spawn 10,000 tasks on a LocalSet, await every handle",
        peers: &["filch", "tokio"],
        enter: |peer, _| enter_local_spawn(peer),
        ..RUNS
    },
    Row {
        name: "task_bytes",
        unit: "bytes/task",
        floor: Some(1.6),
        about: "resident memory for each of 1,000,000 idle tasks",
        layout: Layout::Apart,
        full: size(3, 1_000),
        quick: size(1, 1_000),
        enter: |peer, workers| enter(TaskBytes, peer, workers),
        ..RUNS
    },
    Row {
        name: "fanout_cpu",
        unit: "items/s",
        better: Better::Higher,
        about: "4,096 pieces of computation, a task each, over all workers",
        peers: &["filch", "tokio", "smol", "rayon"],
        enter: enter_with_rayon,
        ..RUNS
    },
    Row {
        name: "generator_next",
        unit: "ns/value",
        about: "count to 100,000, by a generator and by a plain iterator",
        peers: generator_next::PEERS,
        enter: generator_next::enter,
        ..RUNS
    },
];

//! All rows: what each is called, counted in, demanded to reach, and how long its runs are.

use std::io;
use std::time::Duration;

use crate::accept_close::AcceptClose;
use crate::asyncio::{self, Doing};
use crate::asyncio_echo::{self, Place};
use crate::budget_fairness::BudgetFairness;
use crate::chained_spawn::ChainedSpawn;
use crate::channel_relay::ChannelRelay;
use crate::echo::{ECHO_PEERS, enter_echo};
use crate::echo_blocked::EchoBlocked;
use crate::fanout_cpu::enter_with_rayon;
use crate::generator_next;
use crate::idle_cpu::IdleCpu;
use crate::interval_tick::IntervalTick;
use crate::join_handles::JoinHandles;
use crate::join_set::enter_with_set;
use crate::one_thread::{enter_local_spawn, enter_ping_pong};
use crate::ping_pong::PingPong;
use crate::problem::{Contestant, enter};
use crate::sleep_many::SleepMany;
use crate::spawn::{SpawnLocal, SpawnRemote};
use crate::strands;
use crate::task_bytes::TaskBytes;
use crate::task_group::TaskGroup;
use crate::thread_bytes;
use crate::timeout_unfired::TimeoutUnfired;
use crate::timer_cancel_cross::TimerCancelCross;
use crate::timer_lateness::TimerLateness;
use crate::yield_many::YieldMany;

/// Which way a figure is good.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Better {
    Higher,
    Lower,
}

impl Better {
    pub(crate) fn word(self) -> &'static str {
        match self {
            Better::Higher => "higher",
            Better::Lower => "lower",
        }
    }

    /// How many times better `ours` is than `theirs`: more than 1 always means that ours is better.
    pub(crate) fn ratio(self, ours: f64, theirs: f64) -> f64 {
        match self {
            Better::Higher => ours / theirs,
            Better::Lower => theirs / ours,
        }
    }
}

/// How a row's runs are laid out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Layout {
    /// One process, every peer's runtime built once in it, runs interleaved after a warm-up.
    Together,
    /// A process for each run, because what another run leaves behind (threads, memory) would be in the figure.
    Apart,
}

/// The size of a row in one of the two modes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Size {
    pub(crate) rounds: u32,
    /// The length a run aims at.
    pub(crate) window: Duration,
}

pub(crate) struct Row {
    pub(crate) name: &'static str,
    pub(crate) unit: &'static str,
    pub(crate) better: Better,
    /// The least ratio filch : rival that the project demands of itself.
    pub(crate) floor: Option<f64>,
    pub(crate) about: &'static str,
    pub(crate) peers: &'static [&'static str],
    pub(crate) layout: Layout,
    pub(crate) full: Size,
    pub(crate) quick: Size,
    /// With fewer workers the row means nothing and is left out.
    pub(crate) least_workers: usize,
    pub(crate) enter: fn(peer: &str, workers: usize) -> io::Result<Box<dyn Contestant>>,
}

impl Row {
    /// Whom filch is compared with: tokio, where it takes part.
    pub(crate) fn rival(&self) -> &'static str {
        self.peers[1]
    }

    pub(crate) fn size(&self, quick: bool) -> Size {
        if quick { self.quick } else { self.full }
    }
}

/// Runs are long enough for thousands of operations, and the whole program stays below four minutes (`--quick`: 90 s).
const RUNS: Row = Row {
    name: "",
    unit: "ns/op",
    better: Better::Lower,
    floor: None,
    about: "",
    peers: &["filch", "tokio", "smol"],
    layout: Layout::Together,
    full: size(9, 100),
    quick: size(5, 40),
    least_workers: 1,
    enter: |peer, _| Err(io::Error::other(peer)),
};

const fn size(rounds: u32, window_ms: u64) -> Size {
    Size {
        rounds,
        window: Duration::from_millis(window_ms),
    }
}

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

macro_rules! asyncio {
    ($name:literal, $doing:ident, $about:literal) => {
        Row {
            name: $name,
            floor: Some(10.0),
            about: $about,
            peers: asyncio::PEERS,
            enter: |peer, workers| asyncio::enter(Doing::$doing, peer, workers),
            ..RUNS
        }
    };
}

pub(crate) const ROWS: &[Row] = &[
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
        name: "asyncio_echo_64",
        unit: "round trips/s",
        better: Better::Higher,
        floor: Some(5.0),
        about: "64-byte echo over 64 connections on asyncio's streams; filch's on all workers",
        peers: asyncio::PEERS,
        enter: |peer, workers| asyncio_echo::enter(Place::Workers, peer, workers),
        ..RUNS
    },
    Row {
        name: "asyncio_echo_64_loop",
        unit: "round trips/s",
        better: Better::Higher,
        about: "the same with filch's streams in tasks of one loop: one core against one core",
        peers: asyncio::PEERS,
        enter: |peer, workers| asyncio_echo::enter(Place::Loop, peer, workers),
        ..RUNS
    },
    Row {
        name: "asyncio_task_bytes",
        unit: "bytes/task",
        floor: None,
        about: "resident memory for each of 100,000 tasks of a loop that wait for ever",
        peers: asyncio::PEERS,
        layout: Layout::Apart,
        full: size(3, 1_000),
        quick: size(1, 1_000),
        enter: |peer, workers| asyncio::enter(Doing::TaskBytes, peer, workers),
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

pub(crate) fn find(name: &str) -> Option<&'static Row> {
    ROWS.iter().find(|row| row.name == name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn more_than_one_always_means_that_ours_is_better() {
        assert_eq!(Better::Lower.ratio(50.0, 100.0), 2.0);
        assert_eq!(Better::Higher.ratio(100.0, 50.0), 2.0);
    }

    #[test]
    fn each_name_stands_for_one_row() {
        for row in ROWS {
            assert_eq!(
                ROWS.iter().filter(|other| other.name == row.name).count(),
                1
            );
            assert_eq!(row.peers[0], "filch", "{}", row.name);
            let has_tokio = row.peers.contains(&"tokio");
            assert_eq!(row.rival() == "tokio", has_tokio, "{}", row.name);
        }
    }
}

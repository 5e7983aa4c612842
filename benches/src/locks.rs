//! The rows about locks: 8 tasks that want the same one all the time, one task that has it for itself, and two tasks that
//! signal to each other.
//!
//! filch and tokio run their own locks on their own runtime; async-lock, which is locks only, runs on filch's, so that what
//! differs from filch's figure is the lock. Each task does the same number of turns, with nothing but an addition in each,
//! and the sum is checked. In `mutex_8` filch's mutex is fair as tokio's is: a turn that is fought for is a switch of
//! tasks. In `mutex_8_barging` it is not, as async-lock's is not, and tokio stands beside with the only one it has.
//! Not: the time in a lock that is held for long, nor the latency of a thread that sleeps.

use std::future::Future;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use crate::engine::{Engine, Filch, Tokio};
use crate::problem::{Contestant, Wrong, expect, ns_each};

const TASKS: u64 = 8;
const TURNS: u64 = 10_000;
/// As many as may be in at a time, in `semaphore_8`.
const PERMITS: usize = 4;
const PAIRS: u64 = 100;
const TRIPS: u64 = 1_000;

pub(crate) const LOCK_PEERS: &[&str] = &["filch", "tokio", "async-lock"];

/// Something that a task gets a turn of.
pub(crate) trait Lock: Send + Sync + 'static {
    fn new() -> Self;
    /// One turn; answers 1, out of the lock if there is a value in it.
    fn turn(&self) -> impl Future<Output = u64> + Send;
    /// All turns, of which the tasks counted so many.
    fn sum(&self, counted: u64) -> u64 {
        counted
    }
}

macro_rules! mutex {
    ($name:ident, $Mutex:ty, $new:expr) => {
        pub(crate) struct $name($Mutex);

        impl Lock for $name {
            fn new() -> Self {
                $name($new(0))
            }
            async fn turn(&self) -> u64 {
                *self.0.lock().await += 1;
                1
            }
            fn sum(&self, _counted: u64) -> u64 {
                let mut lock = self.0.try_lock().into_iter();
                lock.next().map_or(0, |sum| *sum)
            }
        }
    };
}

type FilchLock = filch::sync::Mutex<u64>;
type TokioLock = tokio::sync::Mutex<u64>;
type OtherLock = async_lock::Mutex<u64>;

mutex!(FilchMutex, FilchLock, FilchLock::new);
mutex!(FilchBarging, FilchLock, FilchLock::barging);
mutex!(TokioMutex, TokioLock, TokioLock::new);
mutex!(OtherMutex, OtherLock, OtherLock::new);

macro_rules! rwlock {
    ($name:ident, $RwLock:ty) => {
        pub(crate) struct $name($RwLock);

        impl Lock for $name {
            fn new() -> Self {
                $name(<$RwLock>::new(1))
            }
            async fn turn(&self) -> u64 {
                *self.0.read().await
            }
        }
    };
}

rwlock!(FilchRead, filch::sync::RwLock<u64>);
rwlock!(TokioRead, tokio::sync::RwLock<u64>);
rwlock!(OtherRead, async_lock::RwLock<u64>);

macro_rules! semaphore {
    ($name:ident, $Semaphore:ty) => {
        pub(crate) struct $name($Semaphore);

        impl Lock for $name {
            fn new() -> Self {
                $name(<$Semaphore>::new(PERMITS))
            }
            async fn turn(&self) -> u64 {
                let _permit = self.0.acquire().await;
                1
            }
        }
    };
}

semaphore!(FilchPermits, filch::sync::Semaphore);
semaphore!(TokioPermits, tokio::sync::Semaphore);
semaphore!(OtherPermits, async_lock::Semaphore);

/// One batch: so many tasks, all their turns.
fn turns<E: Engine, L: Lock>(engine: E, tasks: u64, window: Duration) -> Result<f64, Wrong> {
    ns_each(window, || {
        let sum = engine.run(async move {
            let lock = Arc::new(L::new());
            let tasks: Vec<_> = (0..tasks)
                .map(|_| {
                    let lock = lock.clone();
                    engine.spawn(async move {
                        let mut counted = 0;
                        for _ in 0..TURNS {
                            counted += lock.turn().await;
                        }
                        counted
                    })
                })
                .collect();
            let mut counted = 0;
            for task in tasks {
                counted += task.await;
            }
            lock.sum(counted)
        });
        expect("the sum of all turns", tasks * TURNS, sum)?;
        Ok(tasks * TURNS)
    })
}

/// A runtime, and what it does in a round.
struct Round<E> {
    engine: E,
    round: fn(E, Duration) -> Result<f64, Wrong>,
}

impl<E: Engine> Contestant for Round<E> {
    fn round(&mut self, window: Duration) -> Result<f64, Wrong> {
        (self.round)(self.engine, window)
    }
}

fn on<E: Engine>(
    workers: usize,
    round: fn(E, Duration) -> Result<f64, Wrong>,
) -> io::Result<Box<dyn Contestant>> {
    let engine = E::start(workers)?;
    Ok(Box::new(Round { engine, round }))
}

/// filch's, tokio's and the other crate's lock among `TASKS` tasks, or for one alone.
pub(crate) fn enter_lock<F: Lock, T: Lock, O: Lock>(
    is_alone: bool,
    peer: &str,
    workers: usize,
) -> io::Result<Box<dyn Contestant>> {
    fn round<E: Engine, L: Lock>(is_alone: bool) -> fn(E, Duration) -> Result<f64, Wrong> {
        if is_alone {
            |engine, window| turns::<E, L>(engine, 1, window)
        } else {
            |engine, window| turns::<E, L>(engine, TASKS, window)
        }
    }
    match peer {
        "filch" => on(workers, round::<Filch, F>(is_alone)),
        "tokio" => on(workers, round::<Tokio, T>(is_alone)),
        "async-lock" => on(workers, round::<Filch, O>(is_alone)),
        _ => Err(io::Error::other(format!("{peer} has no such lock"))),
    }
}

/// A signal to one.
trait Signal: Send + Sync + 'static {
    fn new() -> Self;
    fn tell(&self);
    fn hear(&self) -> impl Future<Output = ()> + Send;
}

macro_rules! signal {
    ($Notify:ty) => {
        impl Signal for $Notify {
            fn new() -> Self {
                <$Notify>::new()
            }
            fn tell(&self) {
                self.notify_one();
            }
            async fn hear(&self) {
                self.notified().await;
            }
        }
    };
}

signal!(filch::sync::Notify);
signal!(tokio::sync::Notify);

/// Pairs of tasks that tell each other in turns.
fn pairs<E: Engine, S: Signal>(engine: E, window: Duration) -> Result<f64, Wrong> {
    ns_each(window, || {
        let sum = engine.run(async move {
            let tasks: Vec<_> = (0..PAIRS)
                .map(|_| {
                    engine.spawn(async move {
                        let both = Arc::new((S::new(), S::new()));
                        let there = both.clone();
                        E::detach(engine.spawn(async move {
                            for _ in 0..TRIPS {
                                there.0.hear().await;
                                there.1.tell();
                            }
                        }));
                        let mut trips = 0;
                        for _ in 0..TRIPS {
                            both.0.tell();
                            both.1.hear().await;
                            trips += 1;
                        }
                        trips
                    })
                })
                .collect();
            let mut trips = 0;
            for task in tasks {
                trips += task.await;
            }
            trips
        });
        expect("the trips", PAIRS * TRIPS, sum)?;
        Ok(PAIRS * TRIPS)
    })
}

pub(crate) fn enter_signal(peer: &str, workers: usize) -> io::Result<Box<dyn Contestant>> {
    match peer {
        "filch" => on(workers, pairs::<Filch, filch::sync::Notify>),
        "tokio" => on(workers, pairs::<Tokio, tokio::sync::Notify>),
        _ => Err(io::Error::other(format!("{peer} has no such signal"))),
    }
}

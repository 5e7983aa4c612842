//! `current_thread_ping_pong`, `local_set_spawn`: runtimes that run on the thread that waits for them.
//!
//! The ping pong is that of `ping_pong`: 1,000 pairs at a time, two spawns, two fresh oneshots of tokio's and two wakes
//! each. The other row spawns 10,000 tasks on a `LocalSet` from inside it, each holding an `Rc`, and awaits every handle.
//! Both on a current-thread runtime with its defaults and everything enabled.
//! Not: I/O, nor wakes from other threads; smol's executors have no driver of their own to compare with.

use std::cell::Cell;
use std::future::Future;
use std::io;
use std::rc::Rc;
use std::time::Duration;

use tokio::sync::oneshot;

use crate::problem::{Contestant, Wrong, expect, ns_each};
use crate::tally::Tally;

const PAIRS: u64 = 1_000;
const LOCAL_TASKS: u64 = 10_000;

/// A runtime on the thread in `block_on`, and a set of local tasks on it.
trait OneThread: Sized + 'static {
    fn start() -> io::Result<Self>;
    fn block_on<F: Future>(&self, future: F) -> F::Output;
    /// Runs the future inside the set.
    fn block_on_set<F: Future>(&self, future: F) -> F::Output;
    /// Spawns on the runtime, from inside it.
    fn spawn(future: impl Future<Output = ()> + Send + 'static);
    /// Spawns on the set, from inside it.
    fn spawn_local<T: 'static>(
        future: impl Future<Output = T> + 'static,
    ) -> impl Future<Output = T> + 'static;
}

macro_rules! one_thread {
    ($name:ident, $runtime:ident) => {
        struct $name {
            runtime: $runtime::runtime::Runtime,
            set: $runtime::task::LocalSet,
        }

        impl OneThread for $name {
            fn start() -> io::Result<Self> {
                Ok($name {
                    runtime: $runtime::runtime::Builder::new_current_thread()
                        .enable_all()
                        .build()?,
                    set: $runtime::task::LocalSet::new(),
                })
            }

            fn block_on<F: Future>(&self, future: F) -> F::Output {
                self.runtime.block_on(future)
            }

            fn block_on_set<F: Future>(&self, future: F) -> F::Output {
                self.set.block_on(&self.runtime, future)
            }

            fn spawn(future: impl Future<Output = ()> + Send + 'static) {
                drop($runtime::spawn(future));
            }

            fn spawn_local<T: 'static>(
                future: impl Future<Output = T> + 'static,
            ) -> impl Future<Output = T> + 'static {
                let join = $runtime::task::spawn_local(future);
                async { join.await.expect("a task of the problem panicked") }
            }
        }
    };
}

one_thread!(Filch, filch);
one_thread!(Tokio, tokio);

struct PingPong<R>(R);
struct LocalSpawn<R>(R);

impl<R: OneThread> Contestant for PingPong<R> {
    fn round(&mut self, window: Duration) -> Result<f64, Wrong> {
        ns_each(window, || {
            self.0.block_on(async {
                let (tally, all_done) = Tally::of(PAIRS);
                for number in 1..=PAIRS {
                    let tally = tally.clone();
                    R::spawn(async move {
                        let (ping, pinged) = oneshot::channel();
                        let (pong, ponged) = oneshot::channel();
                        R::spawn(async move {
                            let number = pinged.await.expect("pinged once");
                            pong.send(number).expect("the pinger waits");
                        });
                        ping.send(number).expect("the ponger waits");
                        tally.report(ponged.await.expect("ponged once"));
                    });
                }
                all_done.await.map_err(|_| "pairs were lost")
            })?;
            Ok(PAIRS)
        })
    }
}

impl<R: OneThread> Contestant for LocalSpawn<R> {
    fn round(&mut self, window: Duration) -> Result<f64, Wrong> {
        ns_each(window, || {
            let sum = Rc::new(Cell::new(0));
            self.0.block_on_set(async {
                let spawn = |number| {
                    let sum = sum.clone();
                    R::spawn_local(async move { sum.set(sum.get() + number) })
                };
                let tasks: Vec<_> = (1..=LOCAL_TASKS).map(spawn).collect();
                for task in tasks {
                    task.await;
                }
            });
            expect(
                "the sum of all tasks",
                LOCAL_TASKS * (LOCAL_TASKS + 1) / 2,
                sum.get(),
            )?;
            Ok(LOCAL_TASKS)
        })
    }
}

fn no_such(peer: &str) -> io::Error {
    io::Error::other(format!("{peer} does not take part in this row"))
}

pub(crate) fn enter_ping_pong(peer: &str) -> io::Result<Box<dyn Contestant>> {
    Ok(match peer {
        "filch" => Box::new(PingPong(Filch::start()?)),
        "tokio" => Box::new(PingPong(Tokio::start()?)),
        _ => return Err(no_such(peer)),
    })
}

pub(crate) fn enter_local_spawn(peer: &str) -> io::Result<Box<dyn Contestant>> {
    Ok(match peer {
        "filch" => Box::new(LocalSpawn(Filch::start()?)),
        "tokio" => Box::new(LocalSpawn(Tokio::start()?)),
        _ => return Err(no_such(peer)),
    })
}

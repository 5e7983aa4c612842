//! What a problem is: one function, generic over the engine, that answers one checked number.

use std::io;
use std::time::{Duration, Instant};

use crate::engine::{Engine, Filch, Smol, Tokio};

/// Why a run does not count. Shown to the user; the whole program then exits with 1.
pub(crate) type Wrong = String;

/// One problem for every engine.
pub(crate) trait Problem: 'static {
    /// One run of about `window`, bounded in count and time; `Err` when the result is wrong.
    fn round<E: Engine>(&self, engine: E, window: Duration) -> Result<f64, Wrong>;
}

/// A peer that has started its runtime for a row and can now be asked for one run after the other.
pub(crate) trait Contestant {
    fn round(&mut self, window: Duration) -> Result<f64, Wrong>;
}

struct On<E, P> {
    engine: E,
    problem: P,
}

impl<E: Engine, P: Problem> Contestant for On<E, P> {
    fn round(&mut self, window: Duration) -> Result<f64, Wrong> {
        self.problem.round(self.engine, window)
    }
}

/// Starts the runtime called `peer` for `problem`.
pub(crate) fn enter<P: Problem>(
    problem: P,
    peer: &str,
    workers: usize,
) -> io::Result<Box<dyn Contestant>> {
    Ok(match peer {
        "filch" => Box::new(On {
            engine: Filch::start(workers)?,
            problem,
        }),
        "tokio" => Box::new(On {
            engine: Tokio::start(workers)?,
            problem,
        }),
        "smol" => Box::new(On {
            engine: Smol::start(workers)?,
            problem,
        }),
        _ => {
            return Err(io::Error::other(format!(
                "{peer} does not take part in this row"
            )));
        }
    })
}

/// Repeats a checked batch until `window` is used up (once at least); answers the operations done and the time taken.
pub(crate) fn repeat(
    window: Duration,
    mut batch: impl FnMut() -> Result<u64, Wrong>,
) -> Result<(f64, Duration), Wrong> {
    let begin = Instant::now();
    let mut operations = 0;
    loop {
        operations += batch()?;
        let elapsed = begin.elapsed();
        if elapsed >= window {
            return Ok((operations as f64, elapsed));
        }
    }
}

/// Nanoseconds for each operation of the repeated batch.
pub(crate) fn ns_each(
    window: Duration,
    batch: impl FnMut() -> Result<u64, Wrong>,
) -> Result<f64, Wrong> {
    let (operations, elapsed) = repeat(window, batch)?;
    Ok(elapsed.as_nanos() as f64 / operations)
}

/// Operations of the repeated batch in a second.
pub(crate) fn per_second(
    window: Duration,
    batch: impl FnMut() -> Result<u64, Wrong>,
) -> Result<f64, Wrong> {
    let (operations, elapsed) = repeat(window, batch)?;
    Ok(operations / elapsed.as_secs_f64())
}

/// `Ok` when both numbers agree, else a sentence that says which did not.
pub(crate) fn expect(what: &str, wanted: u64, got: u64) -> Result<(), Wrong> {
    if wanted == got {
        Ok(())
    } else {
        Err(format!("{what}: expected {wanted}, got {got}"))
    }
}

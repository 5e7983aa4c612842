//! All or none.

use std::fmt;
use std::sync::Arc;

use parking_lot::Mutex;

use super::{Row, Wait, suspend, wake};

/// Tasks wait until so many have come; then all go on, and it can be used again. A handle: clones are the same barrier.
///
/// # Source
/// `asyncio.Barrier`; `reset` and `abort` need no `await` here.
///
/// # Examples
/// ```
/// use filch::asyncio::{Barrier, gather};
///
/// filch::asyncio::run(async {
///     let barrier = Barrier::new(3);
///     let waits = (0..3).map(|_| {
///         let barrier = barrier.clone();
///         async move { barrier.wait().await.unwrap() }
///     });
///     let mut ranks = gather(waits.collect::<Vec<_>>()).await.unwrap();
///     ranks.sort();
///     assert_eq!(ranks, [0, 1, 2]);
/// })
/// .unwrap();
/// ```
#[derive(Clone)]
pub struct Barrier(Arc<Mutex<State>>);

struct State {
    parties: usize,
    /// Those that are inside.
    count: usize,
    phase: Phase,
    row: Row,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Phase {
    Filling,
    Draining,
    Resetting,
    Broken,
}

/// The barrier was aborted, or reset while a task waited.
///
/// # Source
/// `asyncio.BrokenBarrierError`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BrokenBarrierError {
    aborted: bool,
}

impl fmt::Display for BrokenBarrierError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.aborted {
            true => "Barrier aborted",
            false => "Abort or reset of barrier",
        })
    }
}

impl std::error::Error for BrokenBarrierError {}

impl Barrier {
    /// For so many.
    ///
    /// # Panics
    /// If it is 0.
    #[track_caller]
    pub fn new(parties: usize) -> Barrier {
        assert!(parties >= 1, "parties must be >= 1");
        Barrier(Arc::new(Mutex::new(State {
            parties,
            count: 0,
            phase: Phase::Filling,
            row: Row::default(),
        })))
    }

    /// Waits until all have come. The answer is how many had come before; no two have the same.
    ///
    /// # Errors
    /// [`BrokenBarrierError`]: it is or was broken, or was reset.
    ///
    /// # Panics
    /// If it must wait and there is no current runtime.
    ///
    /// # Cancel safety
    /// Safe: dropped, it counts no longer.
    pub async fn wait(&self) -> Result<usize, BrokenBarrierError> {
        // While the last ones leave, or are sent away.
        let full = |phase| matches!(phase, Phase::Draining | Phase::Resetting);
        self.wait_while(full).await;
        let (inside, is_last) = {
            let mut state = self.0.lock();
            if state.phase == Phase::Broken {
                return Err(BrokenBarrierError { aborted: true });
            }
            let index = state.count;
            state.count += 1;
            let is_last = state.count == state.parties;
            if is_last {
                state.phase = Phase::Draining;
            }
            let of = self;
            (Inside { of, index }, is_last)
        };
        if is_last {
            self.wake_all();
            return Ok(inside.index);
        }
        self.wait_while(|phase| phase == Phase::Filling).await;
        match self.0.lock().phase {
            Phase::Broken | Phase::Resetting => Err(BrokenBarrierError { aborted: false }),
            Phase::Filling | Phase::Draining => Ok(inside.index),
        }
    }

    async fn wait_while(&self, pending: impl Fn(Phase) -> bool) {
        loop {
            let wait = {
                let mut state = self.0.lock();
                if !pending(state.phase) {
                    return;
                }
                state.row.join()
            };
            let waiting = Waiting { of: self, wait };
            suspend(&waiting.wait).await;
        }
    }

    fn wake_all(&self) {
        let waits: Vec<_> = self.0.lock().row.0.iter().cloned().collect();
        for wait in waits {
            wake(&wait);
        }
    }

    /// Makes it as new; tasks that wait have [`BrokenBarrierError`].
    pub fn reset(&self) {
        {
            let mut state = self.0.lock();
            state.phase = match state.count {
                0 => Phase::Filling,
                _ => Phase::Resetting,
            };
        }
        self.wake_all();
    }

    /// Breaks it: all who wait, or will, have [`BrokenBarrierError`], until it is reset.
    pub fn abort(&self) {
        self.0.lock().phase = Phase::Broken;
        self.wake_all();
    }

    /// How many it is for.
    pub fn parties(&self) -> usize {
        self.0.lock().parties
    }

    /// How many wait for the others.
    pub fn n_waiting(&self) -> usize {
        let state = self.0.lock();
        match state.phase {
            Phase::Filling => state.count,
            _ => 0,
        }
    }

    /// True while it is broken.
    pub fn broken(&self) -> bool {
        self.0.lock().phase == Phase::Broken
    }
}

struct Waiting<'a> {
    of: &'a Barrier,
    wait: Wait,
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.of.0.lock().row.leave(&self.wait);
    }
}

/// One that counts.
struct Inside<'a> {
    of: &'a Barrier,
    index: usize,
}

impl Drop for Inside<'_> {
    fn drop(&mut self) {
        {
            let mut state = self.of.0.lock();
            state.count -= 1;
            if state.count > 0 {
                return;
            }
            if matches!(state.phase, Phase::Draining | Phase::Resetting) {
                state.phase = Phase::Filling;
            }
        }
        self.of.wake_all();
    }
}

impl fmt::Debug for Barrier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = self.0.lock();
        f.debug_struct("Barrier")
            .field("phase", &state.phase)
            .field("parties", &state.parties)
            .field("count", &state.count)
            .finish()
    }
}

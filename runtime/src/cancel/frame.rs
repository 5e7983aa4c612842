//! Where code is: in which run of which scope, and behind which shields.
//!
//! The steps are those of `cancel/scope`.

use std::cell::Cell;
use std::sync::OnceLock;
use std::sync::atomic::AtomicU64;

use super::scope::Stopped;
use crate::promise::callbacks::{Callbacks, Key};
use crate::sync_prim::{AtomicUsize, Ordering, keep, ordering};
use std::sync::Arc;

/// One run, as those inside it see it.
pub(super) struct Frame {
    pub(super) above: Option<Arc<Frame>>,
    /// At work below.
    shields: Shields,
    /// Why it has to stop, once it knows.
    pub(super) stop: OnceLock<Stopped>,
    /// Its own run, and those of the frames just below.
    pub(super) waiters: Callbacks,
    last_key: AtomicU64,
}

/// A shield, in the word of [`Shields`]; the bit below says that the frame stops.
const SHIELD: usize = 2;
const STOPS: usize = 1;

/// How many hold a frame off, and whether it has to stop once there are none.
#[derive(Default)]
struct Shields(AtomicUsize);

impl Shields {
    fn begin(&self) {
        // Ordering: Relaxed: it is in the frame, which looks at the word when it is polled.
        self.0.fetch_add(SHIELD, Ordering::Relaxed);
    }

    /// U1 (cancel/scope). True for the last one, where the frame stops.
    #[must_use = "the frame waits for it"]
    fn end(&self) -> bool {
        // Ordering: Release -> the Acquire in `are_over`: the run that stops sees what the shielded part did.
        let before = self
            .0
            .fetch_sub(SHIELD, ordering("shield_end", Ordering::Release));
        before == SHIELD | STOPS
    }

    fn stop(&self) {
        // Ordering: Relaxed: what U1 finds here is one word's business.
        self.0.fetch_or(STOPS, Ordering::Relaxed);
    }

    fn are_over(&self) -> bool {
        // Ordering: Acquire <- the Release in `end`.
        self.0.load(ordering("shields_over", Ordering::Acquire)) < SHIELD
    }
}

/// What is around the code that a thread polls.
#[derive(Clone, Default)]
pub(crate) struct Around {
    /// The innermost scope, up to the next shield.
    pub(super) frame: Option<Arc<Frame>>,
    /// There is a shield between this code and its task.
    pub(crate) shielded: bool,
}

thread_local! {
    static CURRENT: Cell<Around> = const { Cell::new(Around { frame: None, shielded: false }) };
}

/// While it lives, something else is around. It moves there and back, so that nothing is counted.
pub(super) struct Inside<'a> {
    place: &'a mut Around,
    outer: Around,
}

impl Inside<'_> {
    pub(super) fn begin(place: &mut Around) -> Inside<'_> {
        let outer = CURRENT.replace(std::mem::take(place));
        Inside { place, outer }
    }
}

impl Drop for Inside<'_> {
    fn drop(&mut self) {
        *self.place = CURRENT.replace(std::mem::take(&mut self.outer));
    }
}

/// Calls `f` as if no scope and no shield were around: it polls what is no part of the block that this thread is in.
pub(crate) fn outside<R>(f: impl FnOnce() -> R) -> R {
    let mut nothing = Around::default();
    let _inside = Inside::begin(&mut nothing);
    f()
}

impl Around {
    /// What is around the code that calls this.
    pub(crate) fn current() -> Around {
        let current = CURRENT.take();
        CURRENT.set(current.clone());
        current
    }
}

impl Frame {
    /// Below that one, where there is one.
    pub(super) fn new(above: Option<Arc<Frame>>) -> Frame {
        Frame {
            above,
            shields: Shields::default(),
            stop: OnceLock::new(),
            waiters: Callbacks::new(),
            last_key: AtomicU64::new(0),
        }
    }

    pub(super) fn key(&self) -> Key {
        self.last_key.fetch_add(1, Ordering::Relaxed) + 1
    }

    /// This frame and all above.
    fn upwards(&self) -> impl Iterator<Item = &Frame> {
        std::iter::successors(Some(self), |frame| frame.above.as_deref())
    }

    /// A shield begins below.
    pub(super) fn shield(&self) {
        for frame in self.upwards() {
            frame.shields.begin();
        }
    }

    /// A shield below is over. A frame that waited for it to stop is polled again.
    pub(super) fn unshield(&self) {
        for frame in self.upwards() {
            if frame.shields.end() && keep("U2") {
                frame.waiters.take().complete(drop); // U2 (cancel/scope)
            }
        }
    }

    pub(super) fn is_shielded(&self) -> bool {
        !self.shields.are_over()
    }

    /// Notes why it has to stop, and tells those below.
    pub(super) fn stops(&self, why: Stopped) {
        if self.stop.set(why).is_ok() {
            if keep("R3") {
                self.shields.stop(); // R3 (cancel/scope)
            }
            self.waiters.take().complete(drop);
        }
    }
}

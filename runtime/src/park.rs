//! A thread's sleep token: an unpark that comes before the park is not lost.
//!
//! A worker sleeps in one of two places, so its token also says where whoever gives it must knock:
//!
//! | state  | the owner                    | giver's duty                    |
//! |--------|------------------------------|---------------------------------|
//! | AWAKE  | runs                         | none: it will look at its token |
//! | PARKED | sleeps on its parker         | unpark the parker               |
//! | POLLS  | waits, or will, in the poller| notify the poller               |
//! | GIVEN  | has a token to take          | none: another giver came first  |
//!
//! Edges: owner `announce`: AWAKE -> PARKED or POLLS, GIVEN -> AWAKE (and it does not sleep); giver `give`: any ->
//! GIVEN; owner `retract`: any -> AWAKE. A notification of the poller is sticky, so it does not matter whether the
//! owner has announced only or waits already. Model: `reactor::lease::model::token_reaches_a_thread_in_the_poller`.

use crate::sync_prim::{AtomicUsize, Ordering, ordering};

const AWAKE: usize = 0;
const PARKED: usize = 1;
const POLLS: usize = 2;
const GIVEN: usize = 3;

/// Whom the giver of a token must now knock up.
#[must_use = "whoever sleeps there is not woken otherwise"]
#[derive(Debug, PartialEq)]
pub(crate) enum Knock {
    Nobody,
    Parker,
    Poller,
}

/// Where a worker is about to sleep.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Bed {
    Parker = PARKED as isize,
    Poller = POLLS as isize,
}

/// The token of one worker.
pub(crate) struct Token(AtomicUsize);

impl Token {
    pub(crate) fn new() -> Token {
        Token(AtomicUsize::new(AWAKE))
    }

    /// The owner says where it goes to sleep. False if a token was there: it is taken, and the owner stays awake.
    pub(crate) fn announce(&self, bed: Bed) -> bool {
        // Ordering: Acquire on failure <- the Release in `give`: the owner sees what it was woken for. `give` needs
        // no more than the word's own order: it comes before (then we fail) or after (then it knows the bed).
        // Release on success -> the Acquire in `bed`: who sees that it sleeps sees whom it woke before.
        let slept = self
            .0
            .compare_exchange(
                AWAKE,
                bed as usize,
                ordering("token_sleeps", Ordering::Release),
                ordering("token_announce", Ordering::Acquire),
            )
            .is_ok();
        if !slept {
            self.0.store(AWAKE, Ordering::Relaxed);
        }
        slept
    }

    /// Where the owner sleeps; none if it is awake or has a token.
    pub(crate) fn bed(&self) -> Option<Bed> {
        // Ordering: Acquire <- the Release in `announce`.
        match self.0.load(ordering("token_bed", Ordering::Acquire)) {
            PARKED => Some(Bed::Parker),
            POLLS => Some(Bed::Poller),
            _ => None,
        }
    }

    /// The owner is awake again. True if a token came meanwhile: it is taken.
    pub(crate) fn retract(&self) -> bool {
        // Ordering: Acquire <- the Release in `give`.
        self.0
            .swap(AWAKE, ordering("token_retract", Ordering::Acquire))
            == GIVEN
    }

    /// Gives the token.
    pub(crate) fn give(&self) -> Knock {
        // Ordering: Release -> the Acquire in `announce` and `retract`.
        match self
            .0
            .swap(GIVEN, ordering("token_give", Ordering::Release))
        {
            PARKED => Knock::Parker,
            POLLS => Knock::Poller,
            _ => Knock::Nobody,
        }
    }
}

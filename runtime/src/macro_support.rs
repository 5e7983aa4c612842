//! What the macros' expansions need at run time; no part of the public interface.

use std::cell::Cell;

thread_local! {
    static STATE: Cell<u64> = Cell::new(seed());
}

fn seed() -> u64 {
    use std::hash::{BuildHasher, RandomState};
    RandomState::new().hash_one(0) | 1
}

/// A number below `n`, good enough to start a `select!` fairly.
pub fn thread_rng_n(n: u32) -> u32 {
    let next = STATE.with(|state| {
        let mut x = state.get();
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
        state.set(x);
        x
    });
    (((next >> 32) * u64::from(n)) >> 32) as u32
}

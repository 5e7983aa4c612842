//! Which source an event is for: an index with a generation, so that an event in flight when its source goes finds
//! nobody, not the next source in the same place.

use std::sync::atomic::{AtomicUsize, Ordering};

use slab::Slab;

use super::readiness::Readiness;
use crate::sync_prim::Mutex;
use std::sync::Arc;

/// Bits of the index in a key. The poller's keys are of a word: a small one has room for a million sources.
const INDEX_BITS: u32 = if usize::BITS < 64 { 20 } else { 32 };
/// The generation has the others but one, so that no key is the poller's own (`usize::MAX`).
const GENERATION_MASK: u64 = (1 << (usize::BITS - INDEX_BITS - 1)) - 1;

/// A registered source, as the poller names it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct SourceKey(pub(super) u64);

#[derive(Default)]
struct Table {
    sources: Slab<(u64, Arc<Readiness>)>,
    next_generation: u64,
    closed: bool,
}

/// All sources of a reactor.
#[derive(Default)]
pub(super) struct Keys {
    table: Mutex<Table>,
    /// How many there are, for a look without the lock.
    count: AtomicUsize,
}

impl Keys {
    /// A key for a new source; none once the reactor has shut down.
    pub(super) fn add(&self, source: Arc<Readiness>) -> Option<SourceKey> {
        let mut table = self.table.lock();
        if table.closed {
            return None;
        }
        let generation = table.next_generation & GENERATION_MASK;
        table.next_generation += 1;
        let index = table.sources.vacant_key() as u64;
        assert!(index < 1 << INDEX_BITS, "too many sources");
        table.sources.insert((generation, source));
        self.count.store(table.sources.len(), Ordering::Relaxed);
        Some(SourceKey(generation << INDEX_BITS | index))
    }

    pub(super) fn remove(&self, key: SourceKey) {
        let mut table = self.table.lock();
        table.sources.remove(key.index());
        self.count.store(table.sources.len(), Ordering::Relaxed);
    }

    /// True if there are none, or were none a moment ago.
    pub(super) fn is_empty(&self) -> bool {
        // Ordering: Relaxed: whoever waits for a source that is added now is told by the next look.
        self.count.load(Ordering::Relaxed) == 0
    }

    /// Calls `f` for each event whose source is there still.
    pub(super) fn for_each<E: Copy>(
        &self,
        events: &[(SourceKey, E)],
        mut f: impl FnMut(&Readiness, E),
    ) {
        if events.is_empty() {
            return;
        }
        let table = self.table.lock();
        for &(key, event) in events {
            if let Some((generation, source)) = table.sources.get(key.index()) {
                if *generation == key.generation() {
                    f(source, event);
                }
            }
        }
    }

    /// No source can be added any more; the answer is those there are.
    pub(super) fn close(&self) -> Vec<Arc<Readiness>> {
        let mut table = self.table.lock();
        table.closed = true;
        table.sources.iter().map(|(_, (_, s))| s.clone()).collect()
    }
}

impl SourceKey {
    fn index(self) -> usize {
        (self.0 & ((1 << INDEX_BITS) - 1)) as usize
    }

    fn generation(self) -> u64 {
        self.0 >> INDEX_BITS
    }
}

#[cfg(all(test, not(filch_loom)))]
mod tests {
    use super::*;

    #[test]
    fn an_event_for_a_source_that_went_finds_nobody() {
        let keys = Keys::default();
        let old = keys.add(Arc::new(Readiness::new())).unwrap();
        keys.remove(old);
        let new = keys.add(Arc::new(Readiness::new())).unwrap();
        assert_eq!(old.index(), new.index());
        let mut seen = Vec::new();
        keys.for_each(&[(old, "old"), (new, "new")], |_, e| seen.push(e));
        assert_eq!(seen, ["new"]);
    }

    #[test]
    fn a_key_goes_through_the_word_of_the_poller_and_is_not_its_own() {
        let keys = Keys::default();
        for generation in [0, 1, GENERATION_MASK, GENERATION_MASK + 1, u64::MAX] {
            keys.table.lock().next_generation = generation & (u64::MAX >> 1);
            let key = keys.add(Arc::new(Readiness::new())).unwrap();
            let through = SourceKey(key.0 as usize as u64);
            assert!(through == key && key.0 as usize != usize::MAX, "{key:?}");
            let mut seen = 0;
            keys.for_each(&[(through, ())], |_, ()| seen += 1);
            assert_eq!(seen, 1);
        }
    }

    #[test]
    fn a_closed_table_takes_no_source() {
        let keys = Keys::default();
        keys.add(Arc::new(Readiness::new())).unwrap();
        assert_eq!(keys.close().len(), 1);
        assert!(keys.add(Arc::new(Readiness::new())).is_none());
    }
}

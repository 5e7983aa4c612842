//! Where the memory of task cells comes from: the blocks that ended tasks have left, the thread's own first.
//!
//! A task often ends on another thread than the one that spawned it, and there a general allocator waits for a lock at
//! each free. So blocks go round in *magazines* of [`ROUNDS`]: a thread keeps up to two for each size, and exchanges whole
//! ones with the depot that all share, under a lock once in so many tasks. What the depot has no room for goes back to
//! the allocator, as does what a thread has when it ends.
//!
//! Source: Bonwick and Adams, "Magazines and Vmem" (USENIX 2001); Go keeps the memory of ended goroutines likewise
//! (`gfput` in src/runtime/proc.go). A build with debug assertions asks the allocator each time, so that valgrind and the
//! sanitizers see a use after the end.

use std::alloc::{Layout, alloc, dealloc, handle_alloc_error};
use std::cell::RefCell;
use std::ptr::NonNull;

use parking_lot::Mutex;

/// Blocks in a full magazine. Unit: blocks. Fewer: more visits to the depot; more: memory that a thread sits on.
const ROUNDS: usize = 32;

/// Sizes of blocks go in steps of it, and it is their alignment. Unit: bytes; as malloc's own.
const GRAIN: usize = 16;

/// What malloc puts beside each block, so that a block and it fill whole grains. Unit: bytes.
const BESIDE: usize = 8;

/// What is left free behind each cell, so that the next one, wherever in a cache line it begins, has that line for itself.
/// Unit: bytes; a line but a grain. Two workers whose tasks share a line take turns at it: `yield_many` and
/// `timer_cancel_cross` were half as quick where the cores are far apart. Aligned blocks would do the same, but the allocator
/// is slow with them, and leaves gaps.
const APART: usize = 64 - GRAIN;

/// The same for a cell that fills some lines: no neighbour in the other line of its pair either, since a processor that
/// fetches the one fetches the other, too. `notify_ping_pong` on two workers whose cores are far apart: 54 ns, and 63 before this and
/// the short way through `Reactor::look`. Small cells go without: an idle task is to cost little memory.
const FAR_APART: usize = 128 - GRAIN;

/// Cells that fill some lines. Unit: bytes.
const SOME_LINES: usize = 192;

/// Larger cells go to the allocator each time. Unit: bytes.
const LARGEST: usize = 1024;

/// What the depot keeps of one size at most. Unit: bytes. Less: a burst of tasks goes to the allocator; more: what a burst
/// has left is lost to the rest of the program.
const DEPOT: usize = 1 << 20;

const SIZES: usize = LARGEST / GRAIN + 1;

/// Blocks of one size, linked through their first word.
struct Magazine {
    top: *mut Block,
    rounds: usize,
}

struct Block {
    below: *mut Block,
}

// SAFETY: its blocks are nobody's but the magazine's, and memory belongs to no thread.
unsafe impl Send for Magazine {}

/// What a thread has of one size.
struct Pair {
    loaded: Magazine,
    /// Full or empty.
    spare: Magazine,
}

/// What a thread has.
struct Rack([Pair; SIZES]);

static DEPOTS: [Mutex<Vec<Magazine>>; SIZES] = [const { Mutex::new(Vec::new()) }; SIZES];

thread_local! {
    static RACK: RefCell<Rack> = const { RefCell::new(Rack([const { Pair::EMPTY }; SIZES])) };
}

/// What is asked for, for a `T`.
const fn layout<T>() -> Layout {
    let size = size_of::<T>();
    let apart = if size < SOME_LINES { APART } else { FAR_APART };
    match Layout::from_size_align(size + apart, align_of::<T>()) {
        Ok(layout) => layout,
        Err(_) => panic!("larger than any memory"),
    }
}

/// Moves `value` to memory of its own.
#[inline]
pub(crate) fn place<T>(value: T) -> NonNull<T> {
    let memory = room::<T>();
    // SAFETY: `room` gives unused memory for a `T`.
    unsafe { memory.write(value) };
    memory
}

/// Unused memory for a `T`. To be filled field by field: a large value is made on the stack first, and copied, which has
/// to wait for what was just written.
#[inline]
pub(crate) fn room<T>() -> NonNull<T> {
    take(const { layout::<T>() }).cast()
}

/// Drops the value and takes its memory back.
///
/// # Safety
/// The value came from [`place`], or was made in a [`room`], and this is the last use of it.
#[inline]
pub(crate) unsafe fn clear<T>(value: NonNull<T>) {
    /// Takes the memory back even if the value's drop panics.
    struct Memory(NonNull<u8>, Layout);

    impl Drop for Memory {
        #[inline]
        fn drop(&mut self) {
            // SAFETY: `clear` made this from what `place` took with this layout, and the value in it is gone.
            unsafe { give(self.0, self.1) }
        }
    }

    let _memory = Memory(value.cast(), const { layout::<T>() });
    // SAFETY: whole and unused from here on, by the caller's promise.
    unsafe { value.drop_in_place() };
}

/// The number of a size that goes round, if this layout's does.
#[inline]
const fn class_of(layout: Layout) -> Option<usize> {
    let goes_round = !cfg!(debug_assertions);
    if goes_round && layout.align() <= GRAIN && 0 < layout.size() && layout.size() <= LARGEST {
        Some((layout.size() + BESIDE - 1) / GRAIN)
    } else {
        None
    }
}

/// The layout of a block of this size.
const fn block(size: usize) -> Layout {
    match Layout::from_size_align((size + 1) * GRAIN - BESIDE, GRAIN) {
        Ok(layout) => layout,
        Err(_) => unreachable!(),
    }
}

#[inline]
fn take(layout: Layout) -> NonNull<u8> {
    let Some(size) = class_of(layout) else {
        return ask(layout);
    };
    match RACK.try_with(|rack| rack.borrow_mut().0[size].take(size)) {
        Ok(Some(block)) => block,
        // None left, or the thread is ending.
        Ok(None) | Err(_) => ask(block(size)),
    }
}

/// # Safety
/// The memory came from [`take`] with this layout, and nobody uses it any more.
#[inline]
unsafe fn give(memory: NonNull<u8>, layout: Layout) {
    let Some(size) = class_of(layout) else {
        // SAFETY: `take` asked the allocator for just this layout.
        return unsafe { dealloc(memory.as_ptr(), layout) };
    };
    // SAFETY: a block of this size, for `take` chose it by the same layout; unused, by the caller's promise.
    let kept = RACK.try_with(|rack| unsafe { rack.borrow_mut().0[size].give(memory, size) });
    if kept.is_err() {
        // SAFETY: as above; the thread is ending.
        unsafe { dealloc(memory.as_ptr(), block(size)) }
    }
}

#[cold]
#[inline(never)]
fn ask(layout: Layout) -> NonNull<u8> {
    // SAFETY: a cell is never of size zero: it has a header.
    let memory = unsafe { alloc(layout) };
    NonNull::new(memory).unwrap_or_else(|| handle_alloc_error(layout))
}

impl Pair {
    const EMPTY: Pair = Pair {
        loaded: Magazine::EMPTY,
        spare: Magazine::EMPTY,
    };

    #[inline]
    fn take(&mut self, size: usize) -> Option<NonNull<u8>> {
        if self.loaded.top.is_null() && !self.reload(size) {
            return None;
        }
        self.loaded.pop()
    }

    #[cold]
    fn reload(&mut self, size: usize) -> bool {
        std::mem::swap(&mut self.loaded, &mut self.spare);
        if self.loaded.top.is_null() {
            if let Some(full) = DEPOTS[size].lock().pop() {
                self.loaded = full;
            }
        }
        !self.loaded.top.is_null()
    }

    /// # Safety
    /// An unused block of this size.
    #[inline]
    unsafe fn give(&mut self, memory: NonNull<u8>, size: usize) {
        if self.loaded.rounds == ROUNDS {
            self.unload(size);
        }
        // SAFETY: the caller's promise.
        unsafe { self.loaded.push(memory) }
    }

    #[cold]
    fn unload(&mut self, size: usize) {
        std::mem::swap(&mut self.loaded, &mut self.spare);
        if self.loaded.rounds == 0 {
            return;
        }
        let full = std::mem::replace(&mut self.loaded, Magazine::EMPTY);
        let room = DEPOT / (ROUNDS * block(size).size());
        let mut depot = DEPOTS[size].lock();
        if depot.len() < room {
            depot.push(full);
        } else {
            drop(depot);
            full.empty(size);
        }
    }
}

impl Magazine {
    const EMPTY: Magazine = Magazine {
        top: std::ptr::null_mut(),
        rounds: 0,
    };

    #[inline]
    fn pop(&mut self) -> Option<NonNull<u8>> {
        let top = NonNull::new(self.top)?;
        // SAFETY: what is linked here is a block, ours, whose first word `push` wrote.
        self.top = unsafe { top.as_ref() }.below;
        self.rounds -= 1;
        Some(top.cast())
    }

    /// # Safety
    /// An unused block of this magazine's size.
    #[inline]
    unsafe fn push(&mut self, memory: NonNull<u8>) {
        let block = memory.cast::<Block>();
        // SAFETY: at least a word, aligned to `GRAIN`, and nobody else's.
        unsafe { block.write(Block { below: self.top }) };
        self.top = block.as_ptr();
        self.rounds += 1;
    }

    /// Gives all blocks back to the allocator.
    fn empty(mut self, size: usize) {
        while let Some(memory) = self.pop() {
            // SAFETY: blocks come from `ask` with this layout, and this one is ours alone.
            unsafe { dealloc(memory.as_ptr(), block(size)) }
        }
    }
}

impl Drop for Rack {
    fn drop(&mut self) {
        for (size, pair) in self.0.iter_mut().enumerate() {
            for magazine in [&mut pair.loaded, &mut pair.spare] {
                std::mem::replace(magazine, Magazine::EMPTY).empty(size);
            }
        }
    }
}

#[cfg(all(test, not(filch_loom)))]
mod tests {
    use super::*;

    const SIZE: usize = 3;

    #[test]
    fn a_block_that_was_given_is_taken_again_the_last_one_first() {
        let mut pair = Pair::EMPTY;
        let (one, two) = (ask(block(SIZE)), ask(block(SIZE)));
        for memory in [one, two] {
            // SAFETY: new blocks of this size.
            unsafe { pair.give(memory, SIZE) }
        }
        assert_eq!(pair.take(SIZE), Some(two));
        assert_eq!(pair.take(SIZE), Some(one));
        for memory in [one, two] {
            // SAFETY: as above, and taken out.
            unsafe { pair.give(memory, SIZE) }
        }
        pair.loaded.empty(SIZE);
    }

    #[test]
    fn one_threads_third_magazine_is_anothers_first() {
        const SIZE: usize = SIZES - 1;
        let mut pair = Pair::EMPTY;
        for _ in 0..3 * ROUNDS {
            // SAFETY: a new block of this size.
            unsafe { pair.give(ask(block(SIZE)), SIZE) }
        }
        assert_eq!(DEPOTS[SIZE].lock().len(), 1);
        let mut other = Pair::EMPTY;
        let mut taken = Vec::new();
        while let Some(memory) = other.take(SIZE) {
            taken.push(memory);
        }
        assert_eq!(taken.len(), ROUNDS);
        for memory in taken {
            // SAFETY: taken, and given back once.
            unsafe { other.give(memory, SIZE) }
        }
        for pair in [pair, other] {
            pair.loaded.empty(SIZE);
            pair.spare.empty(SIZE);
        }
    }

    #[test]
    fn the_depot_keeps_no_more_than_it_may() {
        const SIZE: usize = SIZES - 2;
        let room = DEPOT / (ROUNDS * block(SIZE).size());
        let mut pair = Pair::EMPTY;
        for _ in 0..(room + 5) * ROUNDS {
            // SAFETY: a new block of this size.
            unsafe { pair.give(ask(block(SIZE)), SIZE) }
        }
        assert_eq!(DEPOTS[SIZE].lock().len(), room);
        for magazine in std::mem::take(&mut *DEPOTS[SIZE].lock()) {
            magazine.empty(SIZE);
        }
        pair.loaded.empty(SIZE);
        pair.spare.empty(SIZE);
    }
}

//! A slot: the moments of its entries in one row of memory, so that a crowd is gone through without a jump for each.

use std::collections::VecDeque;

/// Memory that an empty slot keeps. Unit: entries of 16 bytes.
const KEPT: usize = 64;

#[derive(Clone, Copy)]
pub(super) struct Place {
    pub(super) at: u64,
    /// Of its entry.
    pub(super) index: u32,
}

/// In the order of insertion, but for the last one, which fills the gap where one was removed.
#[derive(Default)]
pub(super) struct Slot {
    row: VecDeque<Place>,
    /// How many were taken from the front: positions are counted from the first that ever was.
    taken: u32,
}

impl Slot {
    pub(super) fn len(&self) -> usize {
        self.row.len()
    }

    pub(super) fn places(&self) -> impl Iterator<Item = Place> {
        self.row.iter().copied()
    }

    /// The answer is its position.
    #[inline]
    pub(super) fn push(&mut self, place: Place) -> u32 {
        let position = self.taken.wrapping_add(self.row.len() as u32);
        self.row.push_back(place);
        position
    }

    #[inline]
    pub(super) fn pop(&mut self) -> Option<Place> {
        let first = self.row.pop_front()?;
        self.taken = self.taken.wrapping_add(1);
        self.tidy();
        Some(first)
    }

    /// Removes the one at `position`; the answer is whose position this is now.
    #[inline]
    pub(super) fn remove(&mut self, position: u32) -> Option<u32> {
        let at = position.wrapping_sub(self.taken) as usize;
        self.row.swap_remove_back(at);
        let moved = self.row.get(at).map(|place| place.index);
        self.tidy();
        moved
    }

    #[inline]
    fn tidy(&mut self) {
        if self.row.is_empty() && self.row.capacity() > KEPT {
            self.row = VecDeque::new();
        }
    }
}

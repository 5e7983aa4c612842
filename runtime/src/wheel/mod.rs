//! Moments and what waits for them: pure data, without a clock, a lock or a thread.
//!
//! A moment is a number of nanoseconds. Time is cut into ticks, and the wheel has a slot for each of the next 64 ticks;
//! behind it, wheels of ever coarser slots, 64 each, up to the end of the numbers (584 years). An entry lies where its tick
//! differs first from the wheel's own, so insertion and removal touch one slot, and time passing moves an entry to a finer
//! wheel at most seven times.
//!
//! Within a tick moments are exact: an entry is taken out at its nanosecond or later, never before, and in the order of
//! moments, those of one moment in the order of their insertion. Only of a *crowded* tick, one with more than 64 entries,
//! the order is roughly that of insertion, and the moment told to look again may be after the earliest, but in its tick.
//! Where that matters more than the time it takes, there is [`Wheel::be_exact`].
//!
//! Every step is bounded: [`Wheel::expire`] touches so many entries and no more, also where a slot of a coarse wheel has a
//! million (it is emptied piece by piece; meanwhile it is `unfinished`, and the earliest moment is told as "now").
//!
//! Entries lie in a slab of pages, which are not moved when it grows, and each has a stamp, so that a key that has had its
//! time finds nothing.

mod slot;

use self::slot::{Place, Slot};

/// Unit: bits of nanoseconds in a tick. Fewer: more entries change wheels; more: entries of a crowded tick come later.
const TICK_BITS: u32 = 20;
/// Unit: bits of a slot's number; as many slots as a word has bits.
const SLOT_BITS: u32 = 6;
const SLOTS: usize = 1 << SLOT_BITS;
/// With them every tick has its place.
const LEVELS: usize = (u64::BITS - TICK_BITS).div_ceil(SLOT_BITS) as usize;
/// Entries of one slot that are looked at to find the earliest, unless it shall be exact; a tick with more is crowded.
const LOOKED_AT: usize = 64;

const PAGE_BITS: u32 = 6;
const PAGE: usize = 1 << PAGE_BITS;
/// Pages that stay when nothing waits. Unit: pages of 3 kB.
const KEPT: usize = 16;

/// No entry.
const NONE: u32 = u32::MAX;

/// Which entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Key {
    index: u32,
    stamp: u64,
}

struct Entry<T> {
    /// The key's, while `item` is there.
    stamp: u64,
    /// Its position in its slot; of a free entry, the next free one.
    position: u32,
    /// Where its slot is.
    level: u8,
    slot: u8,
    item: Option<T>,
}

struct Level {
    /// A bit for each slot that has an entry.
    occupied: u64,
    slots: [Slot; SLOTS],
}

pub(crate) struct Wheel<T> {
    /// The tick it has come to: nothing lies before it.
    tick: u64,
    levels: Box<[Level; LEVELS]>,
    /// The level whose slot at `tick` is being emptied.
    unfinished: Option<usize>,
    pages: Vec<Box<[Entry<T>; PAGE]>>,
    free: u32,
    len: usize,
    next_stamp: u64,
    /// A tick that was found crowded: what is left of it comes at once, too.
    crowded: Option<u64>,
    /// How many entries of a slot are looked at.
    looked_at: usize,
    /// What was taken out of a tick, to be put in order.
    came: Vec<((u64, u64), T)>,
}

impl<T> Entry<T> {
    fn free(next: u32) -> Entry<T> {
        Entry {
            stamp: 0,
            position: next,
            level: 0,
            slot: 0,
            item: None,
        }
    }
}

impl<T> Wheel<T> {
    pub(crate) fn new() -> Wheel<T> {
        let level = |_| Level {
            occupied: 0,
            slots: std::array::from_fn(|_| Slot::default()),
        };
        // Not on the stack first: it is some 20 kB.
        let levels: Box<[Level]> = (0..LEVELS).map(level).collect();
        Wheel {
            tick: 0,
            levels: levels.try_into().ok().expect("there are so many"),
            unfinished: None,
            pages: Vec::new(),
            free: NONE,
            len: 0,
            next_stamp: 1,
            crowded: None,
            looked_at: LOOKED_AT,
            came: Vec::new(),
        }
    }

    /// From now on no tick is crowded: all entries of a slot are looked at, however many.
    pub(crate) fn be_exact(&mut self) {
        self.looked_at = usize::MAX;
        self.crowded = None;
    }

    #[cfg(all(test, not(filch_loom)))]
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    #[inline]
    fn entry(&mut self, index: u32) -> &mut Entry<T> {
        &mut self.pages[(index >> PAGE_BITS) as usize][index as usize % PAGE]
    }

    /// Adds what waits for the moment `at`.
    #[inline]
    pub(crate) fn insert(&mut self, at: u64, item: T) -> Key {
        if self.free == NONE {
            self.grow();
        }
        let index = self.free;
        let stamp = self.next_stamp;
        self.next_stamp += 1;
        let entry = self.entry(index);
        let next_free = entry.position;
        entry.stamp = stamp;
        entry.item = Some(item);
        self.free = next_free;
        self.len += 1;
        self.link(index, at);
        Key { index, stamp }
    }

    #[cold]
    fn grow(&mut self) {
        let first = (self.pages.len() * PAGE) as u32;
        assert!(first < NONE - PAGE as u32, "too many timers");
        let page = std::array::from_fn(|n| {
            let is_last = n + 1 == PAGE;
            Entry::free(if is_last { NONE } else { first + n as u32 + 1 })
        });
        self.pages.push(Box::new(page));
        self.free = first;
    }

    /// What waits under this key; none if it was taken out.
    #[inline]
    pub(crate) fn get(&mut self, key: Key) -> Option<&mut T> {
        let page = self.pages.get_mut((key.index >> PAGE_BITS) as usize)?;
        let entry = &mut page[key.index as usize % PAGE];
        if entry.stamp != key.stamp {
            return None;
        }
        entry.item.as_mut()
    }

    /// Takes an entry out; none if it was taken out before.
    #[inline]
    pub(crate) fn remove(&mut self, key: Key) -> Option<T> {
        self.get(key)?;
        self.unlink(key.index);
        self.release(key.index)
    }

    /// Puts an entry that is there to another moment.
    pub(crate) fn move_to(&mut self, key: Key, at: u64) -> bool {
        if self.get(key).is_none() {
            return false;
        }
        self.unlink(key.index);
        self.link(key.index, at);
        true
    }

    /// The level and slot of a tick that is not before the wheel's.
    #[inline]
    fn place(&self, tick: u64) -> (usize, usize) {
        // The highest bit in which they differ tells the level.
        let level = (63 - ((tick ^ self.tick) | 1).leading_zeros()) / SLOT_BITS;
        let slot = (tick >> (level * SLOT_BITS)) as usize % SLOTS;
        (level as usize, slot)
    }

    /// Puts an entry at the end of its slot.
    #[inline]
    fn link(&mut self, index: u32, at: u64) {
        let (level, slot) = self.place((at >> TICK_BITS).max(self.tick));
        let wheel = &mut self.levels[level];
        wheel.occupied |= 1 << slot;
        let position = wheel.slots[slot].push(Place { at, index });
        let entry = self.entry(index);
        entry.position = position;
        entry.level = level as u8;
        entry.slot = slot as u8;
    }

    #[inline]
    fn unlink(&mut self, index: u32) {
        let entry = self.entry(index);
        let position = entry.position;
        let (level, slot) = (usize::from(entry.level), usize::from(entry.slot));
        let moved = self.levels[level].slots[slot].remove(position);
        match moved {
            Some(moved) => self.entry(moved).position = position,
            None => self.tidy(level, slot),
        }
    }

    /// Takes the first one out of a slot.
    #[inline]
    fn pop(&mut self, level: usize, slot: usize) -> Option<Place> {
        let first = self.levels[level].slots[slot].pop()?;
        self.tidy(level, slot);
        Some(first)
    }

    /// One has left the slot, and may have been the last.
    #[inline]
    fn tidy(&mut self, level: usize, slot: usize) {
        let wheel = &mut self.levels[level];
        if wheel.slots[slot].len() > 0 {
            return;
        }
        wheel.occupied &= !(1 << slot);
        if self.unfinished == Some(level) && self.current_slot(level) == slot {
            self.unfinished = None;
        }
    }

    /// Gives an unlinked entry back.
    #[inline]
    fn release(&mut self, index: u32) -> Option<T> {
        let free = self.free;
        let entry = self.entry(index);
        let item = entry.item.take();
        entry.position = free;
        self.free = index;
        self.len -= 1;
        if self.len == 0 && self.pages.len() > KEPT {
            self.shrink();
        }
        item
    }

    /// Nothing waits: the memory of the many that did goes.
    #[cold]
    fn shrink(&mut self) {
        self.pages = Vec::new();
        self.free = NONE;
    }

    fn current_slot(&self, level: usize) -> usize {
        (self.tick >> (level as u32 * SLOT_BITS)) as usize % SLOTS
    }

    /// The next slot with an entry, and its first tick.
    #[inline]
    fn next_slot(&self) -> Option<(usize, usize, u64)> {
        let level = match self.unfinished {
            Some(level) => level,
            None => self.levels.iter().position(|level| level.occupied != 0)?,
        };
        // None lies before the current one: a coarse slot that has come is emptied before time goes on.
        let slot = match self.unfinished {
            Some(level) => self.current_slot(level),
            None => self.levels[level].occupied.trailing_zeros() as usize,
        };
        let shift = level as u32 * SLOT_BITS;
        let above = self.tick.checked_shr(shift + SLOT_BITS).unwrap_or(0);
        let first_tick = ((above << SLOT_BITS) | slot as u64) << shift;
        Some((level, slot, first_tick))
    }

    /// Takes out what waits for a moment up to `now`, the earliest tick first, and hands it to `due`. Takes or moves
    /// `budget` entries at most; false if that was not enough.
    pub(crate) fn expire(&mut self, now: u64, budget: &mut usize, mut due: impl FnMut(T)) -> bool {
        let now_tick = now >> TICK_BITS;
        loop {
            let Some((level, slot, first_tick)) = self.next_slot() else {
                self.tick = self.tick.max(now_tick);
                return true;
            };
            if first_tick > now_tick {
                self.tick = self.tick.max(now_tick);
                return true;
            }
            self.tick = self.tick.max(first_tick);
            let all = if level > 0 {
                self.empty(level, slot, budget)
            } else {
                let all = self.take_tick(slot, now, budget);
                if self.came.len() <= self.looked_at {
                    self.came.sort_unstable_by_key(|(order, _)| *order);
                }
                self.came.drain(..).for_each(|(_, item)| due(item));
                all
            };
            if !all {
                return false;
            }
            if level == 0 && first_tick == now_tick {
                // What is left in it is still to come.
                return true;
            }
        }
    }

    /// Moves the entries of a coarse slot that has come to finer wheels; false if the budget was not enough.
    fn empty(&mut self, level: usize, slot: usize, budget: &mut usize) -> bool {
        self.unfinished = Some(level);
        loop {
            if self.levels[level].slots[slot].len() == 0 {
                return true;
            }
            if *budget == 0 {
                return false;
            }
            *budget -= 1;
            if let Some(Place { at, index }) = self.pop(level, slot) {
                self.link(index, at);
            }
        }
    }

    /// Takes out what has come of a tick; false if the budget was not enough.
    fn take_tick(&mut self, slot: usize, now: u64, budget: &mut usize) -> bool {
        let mut to_come = 0;
        loop {
            // `next` tells when to look for the rest of a crowded tick.
            let place = match self.levels[0].slots[slot].places().nth(to_come) {
                Some(place) if to_come < self.looked_at => place,
                _ => return true,
            };
            if place.at > now {
                to_come += 1;
                continue;
            }
            if *budget == 0 {
                return false;
            }
            *budget -= 1;
            match to_come {
                0 => {
                    self.pop(0, slot);
                }
                _ => self.unlink(place.index),
            }
            let stamp = self.entry(place.index).stamp;
            let item = self.release(place.index).expect("it was in a slot");
            self.came.push(((place.at, stamp), item));
        }
    }

    /// When to look again: at the earliest moment, if its tick is not crowded.
    pub(crate) fn next(&mut self) -> Option<u64> {
        if self.unfinished.is_some() {
            return Some(self.tick << TICK_BITS);
        }
        let (level, slot, first_tick) = self.next_slot()?;
        let row = &self.levels[level].slots[slot];
        let looked_at = row.places().take(self.looked_at).map(|place| place.at);
        let (earliest, latest) = looked_at.fold((u64::MAX, 0), |(earliest, latest), at| {
            (at.min(earliest), at.max(latest))
        });
        if row.len() <= self.looked_at {
            let is_crowded = level == 0 && self.crowded == Some(first_tick);
            return Some(if is_crowded { latest } else { earliest });
        }
        // Too many to look at. Of a tick, the first ones all at once; of a coarse slot, when it is to be emptied.
        Some(if level == 0 {
            self.crowded = Some(first_tick);
            latest
        } else {
            first_tick << TICK_BITS
        })
    }

    /// Takes everything out.
    pub(crate) fn drain(&mut self) -> Vec<T> {
        let entries = self.pages.iter_mut().flat_map(|page| page.iter_mut());
        let all = entries.filter_map(|entry| entry.item.take()).collect();
        let (tick, next_stamp, looked_at) = (self.tick, self.next_stamp, self.looked_at);
        *self = Wheel {
            tick,
            next_stamp,
            looked_at,
            ..Wheel::new()
        };
        all
    }
}

#[cfg(all(test, not(filch_loom)))]
mod tests;

//! The memory that both ends of a oneshot share: one word, a value, and a waker for each end.
//!
//! | bit       | set by                       | means                                                            |
//! |-----------|------------------------------|------------------------------------------------------------------|
//! | COMPLETE  | the sender, unless CLOSED is | the sender has spoken: it sent, or it is gone                    |
//! | VALUE     | with COMPLETE                | there is a value, the receiver's                                 |
//! | CLOSED    | the receiver, unless COMPLETE is | the receiver wants no value any more                         |
//! | RX_WAKER  | the receiver                 | its waker is there, to be woken at COMPLETE                      |
//! | TX_WAKER  | the sender                   | its waker is there, to be woken at CLOSED                        |
//! | TX_GONE, RX_GONE | each its own, last    | that end uses the memory no more: the second frees it            |
//! | above     | an end that changes its waker | a count of such changes                                          |
//!
//! COMPLETE and CLOSED exclude each other: one step of one word decides who comes first, and that step takes both
//! wakers, clearing their bits. So a waker belongs to its end while its bit is 0, and from the deciding step on to who
//! made it. An end changes its waker only after it has cleared the bit, and sets the bit only while nothing is decided.
//!
//! COMPLETE and TX_GONE are one step unless the sender has a waker of its own there, so that the receiver frees the memory
//! without another. The receiver's waker is copied before that step, and is the sender's if it succeeds: had the waker
//! been changed meanwhile, so had the count.
//! Models: `oneshot::cell::model::a_value_arrives`, `oneshot::cell::model::a_value_that_is_not_wanted_comes_back`,
//! `oneshot::cell::model::the_sender_is_told_of_the_end`, `oneshot::cell::model::a_waker_is_changed_while_the_value_comes`.

use std::mem::{ManuallyDrop, MaybeUninit};
use std::ptr::NonNull;
use std::task::{Context, Poll, RawWakerVTable, Waker};

use crate::job::quietly;
use crate::sync_prim::{AtomicPtr, AtomicUsize, Ordering, UnsafeCell, keep, ordering};
use crate::task::memory::{clear, place};

const COMPLETE: usize = 1;
const VALUE: usize = 1 << 1;
const CLOSED: usize = 1 << 2;
const RX_WAKER: usize = 1 << 3;
const TX_WAKER: usize = 1 << 4;
const TX_GONE: usize = 1 << 5;
const RX_GONE: usize = 1 << 6;
/// The unit of the count of changes. 25 bits and more are left for it: the other end would have to stand still between two of
/// its steps while the waker is changed so often.
const CHANGED: usize = 1 << 7;
const DECIDED: usize = COMPLETE | CLOSED;
const WAKERS: usize = RX_WAKER | TX_WAKER;

struct Cell<T> {
    word: AtomicUsize,
    value: UnsafeCell<MaybeUninit<T>>,
    rx_waker: Slot,
    tx_waker: Slot,
}

/// A waker in two words, which may be looked at while they change.
struct Slot {
    data: AtomicPtr<()>,
    vtable: AtomicPtr<RawWakerVTable>,
}

/// A copy of a slot's words: a waker once it is known to be the caller's.
struct Copied(*const (), *const RawWakerVTable);

/// The sender's end. Dropped, it completes without a value.
pub(super) struct Tx<T>(NonNull<Cell<T>>);

/// The receiver's end. Dropped, it closes, and drops the value if there is one.
pub(super) struct Rx<T>(NonNull<Cell<T>>);

// SAFETY: an end moves to another thread with the right to the value, which is Send, and to wakers, which are. All that
// is shared goes by the word.
unsafe impl<T: Send> Send for Tx<T> {}
// SAFETY: as above.
unsafe impl<T: Send> Send for Rx<T> {}
// SAFETY: `&Tx` and `&Rx` look at the word only; the rest wants `&mut`.
unsafe impl<T: Send> Sync for Tx<T> {}
// SAFETY: as above.
unsafe impl<T: Send> Sync for Rx<T> {}

#[inline]
pub(super) fn pair<T>() -> (Tx<T>, Rx<T>) {
    let cell = place(Cell {
        word: AtomicUsize::new(0),
        value: UnsafeCell::new(MaybeUninit::uninit()),
        rx_waker: Slot::empty(),
        tx_waker: Slot::empty(),
    });
    (Tx(cell), Rx(cell))
}

// The words' orderings are Relaxed: what orders them is the bit.
impl Slot {
    #[inline]
    fn empty() -> Slot {
        Slot {
            data: AtomicPtr::new(std::ptr::null_mut()),
            vtable: AtomicPtr::new(std::ptr::null_mut()),
        }
    }

    /// Only while the bit is 0, by the slot's end.
    #[inline]
    fn put(&self, waker: Waker) {
        let waker = ManuallyDrop::new(waker);
        self.data.store(waker.data().cast_mut(), Ordering::Relaxed);
        let vtable: *const RawWakerVTable = waker.vtable();
        self.vtable.store(vtable.cast_mut(), Ordering::Relaxed);
    }

    #[inline]
    fn copy(&self) -> Copied {
        Copied(
            self.data.load(Ordering::Relaxed),
            self.vtable.load(Ordering::Relaxed),
        )
    }

    /// # Safety
    /// There is a waker, and the caller's step cleared its bit, or kept it from being set: nobody else takes it.
    #[inline]
    unsafe fn take(&self) -> Waker {
        // SAFETY: whole, since nobody puts another; and the caller's.
        unsafe { self.copy().into_waker() }
    }

    /// True if it is the same as the waker in the slot, whose end asks.
    #[inline]
    fn wakes(&self, waker: &Waker) -> bool {
        let Copied(data, vtable) = self.copy();
        data == waker.data() && std::ptr::eq(vtable, waker.vtable())
    }
}

impl Copied {
    /// # Safety
    /// Both words are of one waker, which is the caller's.
    #[inline]
    unsafe fn into_waker(self) -> Waker {
        // SAFETY: `put` took the words from a waker and forgot it; a vtable is a `'static` reference.
        unsafe { Waker::new(self.0, &*self.1) }
    }
}

impl<T> Cell<T> {
    #[inline]
    fn now(&self, acquire: Ordering) -> usize {
        // Ordering: Acquire <- the Release of the deciding step.
        self.word.load(acquire)
    }

    /// Sets the waker of one end, unless it is decided. True if it waits now.
    ///
    /// # Safety
    /// `slot` and `bit` are the caller's end's.
    #[inline]
    unsafe fn wait(&self, slot: &Slot, bit: usize, mut now: usize, waker: &Waker) -> bool {
        if now & bit != 0 {
            if slot.wakes(waker) {
                return true;
            }
            // Ordering: nothing is read or published by this step; on failure as in `now`.
            let (relaxed, failure) = (
                Ordering::Relaxed,
                ordering("oneshot_changed", Ordering::Acquire),
            );
            while now & DECIDED == 0 {
                let changes = if keep("oneshot_counts") { CHANGED } else { 0 };
                let cleared = (now & !bit).wrapping_add(changes);
                match self.word.compare_exchange(now, cleared, relaxed, failure) {
                    Ok(_) => {
                        // SAFETY: it was there, and this step cleared its bit.
                        let old = unsafe { slot.take() };
                        quietly(|| drop(old));
                        now = cleared;
                        break;
                    }
                    Err(other) => now = other,
                }
            }
        }
        if now & DECIDED != 0 {
            return false;
        }
        slot.put(waker.clone());
        loop {
            // Ordering: Release -> the deciding step, which takes the waker. Acquire on failure, as in `now`.
            match self.word.compare_exchange(
                now,
                now | bit,
                ordering("oneshot_waits", Ordering::Release),
                ordering("oneshot_raced", Ordering::Acquire),
            ) {
                Ok(_) => return true,
                Err(other) if other & DECIDED != 0 => {
                    // SAFETY: written just now, and the bit stays 0.
                    let unused = unsafe { slot.take() };
                    quietly(|| drop(unused));
                    return false;
                }
                Err(other) => now = other,
            }
        }
    }

    /// The wakers that the deciding step has cleared in `before`: the receiver's and the sender's.
    ///
    /// # Safety
    /// The caller made that step.
    #[inline]
    unsafe fn take_wakers(&self, before: usize) -> (Option<Waker>, Option<Waker>) {
        // SAFETY: where the bit was set there was a waker, and the caller's step cleared the bit.
        let take = |bit, slot: &Slot| (before & bit != 0).then(|| unsafe { slot.take() });
        (
            take(RX_WAKER, &self.rx_waker),
            take(TX_WAKER, &self.tx_waker),
        )
    }
}

/// The last step of one end.
///
/// # Safety
/// The end that `gone` stands for never uses the memory again; the value and the wakers are moved out, or the other end
/// will see to it.
#[inline]
unsafe fn leave<T>(cell: NonNull<Cell<T>>, gone: usize) {
    // SAFETY: the memory is there until both ends are gone.
    let word = unsafe { &cell.as_ref().word };
    // Ordering: Release -> the other end's step, so that it frees what nobody uses. Acquire <- the same.
    let before = word.fetch_or(gone, ordering("oneshot_gone", Ordering::AcqRel));
    if before & (TX_GONE | RX_GONE) != 0 {
        // SAFETY: the other end made its last step before, and this is ours.
        unsafe { clear(cell) };
    }
}

impl<T> Tx<T> {
    #[inline]
    fn cell(&self) -> &Cell<T> {
        // SAFETY: TX_GONE is not set while `self` lives.
        unsafe { self.0.as_ref() }
    }

    /// Gives the value back if the receiver does not want it.
    #[inline]
    pub(super) fn send(self, value: T) -> Result<(), T> {
        ManuallyDrop::new(self)
            .finish(Some(value))
            .map_or(Ok(()), Err)
    }

    /// Speaks, and leaves. To be called once, as the last thing: the answer is the value if it was not wanted.
    #[inline]
    fn finish(&self, value: Option<T>) -> Option<T> {
        let cell = self.cell();
        let mut now = cell.now(ordering("oneshot_look", Ordering::Acquire));
        if now & CLOSED != 0 {
            // SAFETY: it is decided, so nothing here is the sender's.
            unsafe { leave(self.0, TX_GONE) };
            return value;
        }
        let mut spoken = COMPLETE;
        if let Some(value) = value {
            spoken |= VALUE;
            cell.value.with_mut(|slot| {
                // SAFETY: the value is the sender's until COMPLETE, and is not there yet.
                unsafe { slot.cast::<T>().write(value) };
            });
        }
        loop {
            let receiver = cell.rx_waker.copy();
            // The sender's last step, too, unless its own waker is there to be dropped.
            let gone = if now & TX_WAKER == 0 { TX_GONE } else { 0 };
            // Ordering: Release -> the Acquire in `now` and `wait`: the value, and that we are done with the memory. On
            // failure as in `now`.
            match cell.word.compare_exchange(
                now,
                (now & !WAKERS) | spoken | gone,
                ordering("oneshot_complete", Ordering::Release),
                ordering("oneshot_look", Ordering::Acquire),
            ) {
                Ok(_) => {
                    if gone == 0 {
                        // SAFETY: this step cleared the bit, which the sender itself had set.
                        let own = unsafe { cell.tx_waker.take() };
                        // SAFETY: the value and its waker are the receiver's or moved out.
                        unsafe { leave(self.0, TX_GONE) };
                        quietly(|| drop(own));
                    }
                    if now & RX_WAKER != 0 {
                        // SAFETY: the step cleared the bit, and as it had not been changed since the load that saw it set, and
                        // with it the waker, neither had the waker.
                        let receiver = unsafe { receiver.into_waker() };
                        quietly(|| receiver.wake());
                    }
                    return None;
                }
                Err(other) if other & CLOSED != 0 => {
                    let value = (spoken & VALUE != 0).then(|| {
                        let slot = |slot: *mut MaybeUninit<T>| {
                            // SAFETY: written above, and never shared: COMPLETE was not set.
                            unsafe { (*slot).assume_init_read() }
                        };
                        cell.value.with_mut(slot)
                    });
                    // SAFETY: as above, and the value was moved out.
                    unsafe { leave(self.0, TX_GONE) };
                    return value;
                }
                Err(other) => now = other,
            }
        }
    }

    #[inline]
    pub(super) fn is_closed(&self) -> bool {
        self.cell().now(ordering("oneshot_end", Ordering::Acquire)) & CLOSED != 0
    }

    #[inline]
    pub(super) fn poll_closed(&mut self, context: &mut Context<'_>) -> Poll<()> {
        let cell = self.cell();
        let now = cell.now(ordering("oneshot_end", Ordering::Acquire));
        if now & CLOSED != 0 {
            return Poll::Ready(());
        }
        // SAFETY: the sender's own.
        match unsafe { cell.wait(&cell.tx_waker, TX_WAKER, now, context.waker()) } {
            true => Poll::Pending,
            false => Poll::Ready(()),
        }
    }
}

impl<T> Drop for Tx<T> {
    #[inline]
    fn drop(&mut self) {
        self.finish(None);
    }
}

impl<T> Rx<T> {
    #[inline]
    fn cell(&self) -> &Cell<T> {
        // SAFETY: RX_GONE is not set while `self` lives.
        unsafe { self.0.as_ref() }
    }

    /// Ready once it is decided: then [`take`](Self::take) says how.
    #[inline]
    pub(super) fn poll(&mut self, context: &mut Context<'_>) -> Poll<()> {
        let cell = self.cell();
        let now = cell.now(ordering("oneshot_seen", Ordering::Acquire));
        if now & DECIDED != 0 {
            return Poll::Ready(());
        }
        // SAFETY: the receiver's own.
        match unsafe { cell.wait(&cell.rx_waker, RX_WAKER, now, context.waker()) } {
            true => Poll::Pending,
            false => Poll::Ready(()),
        }
    }

    /// True if it is decided.
    #[inline]
    pub(super) fn is_decided(&self) -> bool {
        self.cell().now(ordering("oneshot_seen", Ordering::Acquire)) & DECIDED != 0
    }

    #[inline]
    pub(super) fn has_value(&self) -> bool {
        self.cell().now(ordering("oneshot_seen", Ordering::Acquire)) & VALUE != 0
    }

    /// The value, if one was sent. Closes.
    #[inline]
    pub(super) fn take(self) -> Option<T> {
        ManuallyDrop::new(self).end()
    }

    /// Wants no value any more.
    pub(super) fn close(&mut self) {
        let cell = self.cell();
        let mut now = cell.word.load(Ordering::Relaxed);
        while now & DECIDED == 0 {
            // Ordering: Acquire <- the Release in `wait`: the wakers. Release -> the Acquire in `now`: what the receiver
            // did before it closed.
            match cell.word.compare_exchange(
                now,
                (now & !WAKERS) | CLOSED,
                ordering("oneshot_closed", Ordering::AcqRel),
                Ordering::Relaxed,
            ) {
                Ok(_) => {
                    // SAFETY: this step was the deciding one.
                    let (receiver, sender) = unsafe { cell.take_wakers(now) };
                    quietly(|| {
                        if let Some(sender) = sender {
                            sender.wake();
                        }
                    });
                    if receiver.is_some() {
                        quietly(|| drop(receiver));
                    }
                    return;
                }
                Err(other) => now = other,
            }
        }
    }

    /// Closes, and leaves. To be called once, as the last thing.
    #[inline]
    fn end(&mut self) -> Option<T> {
        let mut now = self.cell().now(ordering("oneshot_seen", Ordering::Acquire));
        if now & DECIDED == 0 {
            self.close();
            now = self.cell().now(ordering("oneshot_seen", Ordering::Acquire));
        }
        let value = (now & VALUE != 0).then(|| {
            let slot = |slot: *mut MaybeUninit<T>| {
                // SAFETY: VALUE says that it was written, and that it is the receiver's; nobody reads it again.
                unsafe { (*slot).assume_init_read() }
            };
            self.cell().value.with_mut(slot)
        });
        if now & TX_GONE != 0 {
            // SAFETY: the sender made its last step, and this is ours.
            unsafe { clear(self.0) };
        } else {
            // SAFETY: the value is moved out; a waker belongs to who made the deciding step.
            unsafe { leave(self.0, RX_GONE) };
        }
        value
    }
}

impl<T> Drop for Rx<T> {
    #[inline]
    fn drop(&mut self) {
        drop(self.end());
    }
}

#[cfg(all(test, filch_loom))]
mod model;

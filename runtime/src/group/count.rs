//! Who keeps a group open: its body, and each child. It ends when the last one leaves.
//!
//! leave L1 one less · L2 was that the last one? take the waiters, and wake them
//! wait  K1 register · K2 look at the count
//!
//! Who waits misses nothing: L2 and K1 go through one lock. Either L2 finds the waiter, or K2 comes after it and finds
//! none left. Nobody enters a group that has ended, since only a member lets others in. Models: `model`.

use std::task::Waker;

use crate::promise::Lead;
use crate::promise::callbacks::{Callbacks, Key};
use crate::sync_prim::{AtomicUsize, Ordering, keep, ordering};

pub(super) struct Count {
    members: AtomicUsize,
    waiters: Callbacks,
}

impl Count {
    /// With the body as the one member.
    pub(super) fn new() -> Count {
        Count {
            members: AtomicUsize::new(1),
            waiters: Callbacks::new(),
        }
    }

    /// One more; its [`leave`](Self::leave) must follow. False if the group has ended.
    #[inline]
    #[must_use = "who entered must leave"]
    pub(super) fn enter(&self) -> bool {
        // Ordering: Relaxed: whoever lets another in is a member meanwhile; what they share they share by other means.
        let mut now = self.members.load(Ordering::Relaxed);
        while now != 0 {
            let entered = self.members.compare_exchange_weak(
                now,
                now + 1,
                Ordering::Relaxed,
                Ordering::Relaxed,
            );
            match entered {
                Ok(_) => return true,
                Err(other) => now = other,
            }
        }
        false
    }

    /// L1 and L2. True for the last one.
    #[inline]
    pub(super) fn leave(&self) -> bool {
        // Ordering: Release -> the Acquire in `is_over`: who sees that all have left sees what they did. Those in between
        // add to the same chain of writes. L1
        let before = self
            .members
            .fetch_sub(1, ordering("group_leave", Ordering::Release));
        if before != 1 {
            return false;
        }
        self.knock(); // L2
        true
    }

    /// Wakes whoever waits, to look again.
    pub(super) fn knock(&self) {
        self.waiters.take().complete(drop);
    }

    /// K1 and K2: has the waker woken when the last one leaves. False if it has left.
    pub(super) fn wait(&self, key: Key, waker: &Waker) -> bool {
        self.waiters.wait(key, waker); // K1
        !(keep("K2") && self.is_over()) // K2
    }

    /// Adds where those lead that wait.
    pub(super) fn leads(&self, into: &mut Vec<Lead>) {
        self.waiters.leads(into);
    }

    pub(super) fn forget(&self, key: Key) {
        self.waiters.remove(key);
    }

    /// True once all have left.
    pub(super) fn is_over(&self) -> bool {
        // Ordering: Acquire <- the Release in `leave`.
        self.members
            .load(ordering("group_is_over", Ordering::Acquire))
            == 0
    }

    /// How many there are, the body included.
    pub(super) fn len(&self) -> usize {
        self.members.load(Ordering::Relaxed)
    }
}

#[cfg(all(test, filch_loom))]
mod model {
    use super::*;
    use crate::sync_prim::UnsafeCell;
    use loom::thread;
    use std::sync::Arc;
    use std::task::Poll;

    struct Group(Count, UnsafeCell<[usize; 2]>);

    // SAFETY: loom itself checks each access.
    unsafe impl Sync for Group {}
    // SAFETY: as above.
    unsafe impl Send for Group {}

    impl Group {
        fn touch(&self, child: usize) -> usize {
            self.1.with_mut(|all| {
                // SAFETY: loom itself checks that nobody else is here.
                let all = unsafe { &mut *all };
                all[child] += 1;
                all[child]
            })
        }
    }

    #[test]
    fn the_scope_ends_after_its_children_and_sees_what_they_did() {
        loom::model(|| {
            let group = Arc::new(Group(Count::new(), UnsafeCell::new([0; 2])));
            assert!(group.0.enter());
            let child = {
                let group = group.clone();
                thread::spawn(move || {
                    // A child lets another in while the group closes.
                    assert!(group.0.enter(), "a member is here");
                    group.touch(0);
                    assert!(!group.0.leave(), "there is still one");
                    group.touch(1);
                    group.0.leave()
                })
            };
            let body_was_last = group.0.leave();
            loom::future::block_on(std::future::poll_fn(|context| {
                if group.0.wait(0, context.waker()) {
                    return Poll::Pending;
                }
                Poll::Ready(())
            }));
            assert_eq!((group.touch(0), group.touch(1)), (2, 2));
            assert!(!group.0.enter(), "it has ended");
            assert!(child.join().unwrap() != body_was_last, "one is the last");
        });
    }
}

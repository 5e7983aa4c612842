//! Who has the poller: one thread at a time, for a moment (a look) or for as long as nothing happens (a wait).
//!
//! Edges: FREE -> LOOKS or WAITS by `take`, back to FREE by the drop of the [`Held`] that it gave.
//! Model: `model::one_thread_has_the_poller`.

use crate::sync_prim::{AtomicUsize, Ordering, ordering};

const FREE: usize = 0;

/// What for.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(super) enum For {
    Look = 1,
    Wait = 2,
}

pub(super) struct Lease(AtomicUsize);

/// Proof that this thread has the poller.
#[must_use = "gives the poller back when dropped"]
pub(super) struct Held<'a>(&'a Lease);

impl Lease {
    pub(super) fn new() -> Lease {
        Lease(AtomicUsize::new(FREE))
    }

    /// Takes the poller. Else the answer says what another thread has it for.
    pub(super) fn take(&self, what: For) -> Result<Held<'_>, For> {
        // Ordering: Acquire <- the Release in `give_back`: turns come one after the other, each seeing what the last one did.
        match self.0.compare_exchange(
            FREE,
            what as usize,
            ordering("lease_take", Ordering::Acquire),
            Ordering::Relaxed,
        ) {
            Ok(_) => Ok(Held(self)),
            Err(now) if now == For::Wait as usize => Err(For::Wait),
            Err(_) => Err(For::Look),
        }
    }

    /// True while a thread waits, or is about to.
    pub(super) fn is_attended(&self) -> bool {
        self.0.load(Ordering::Relaxed) == For::Wait as usize
    }

    /// For a holder that could not keep its [`Held`]: it forgot it.
    pub(super) fn give_back(&self) {
        // Ordering: Release -> the Acquire in `take`.
        self.0
            .store(FREE, ordering("lease_give_back", Ordering::Release));
    }
}

impl Held<'_> {
    /// Keeps the poller beyond this value; [`Lease::give_back`] must follow.
    pub(super) fn keep(self) {
        std::mem::forget(self);
    }
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        self.0.give_back();
    }
}

#[cfg(all(test, filch_loom))]
mod model {
    use super::*;
    use crate::park::{Bed, Knock, Token};
    use crate::sync_prim::UnsafeCell;
    use loom::thread;
    use std::sync::Arc;

    #[test]
    fn one_thread_has_the_poller() {
        loom::model(|| {
            let all = Arc::new((Lease::new(), UnsafeCell::new(0)));
            let turn = |all: &(Lease, UnsafeCell<usize>), what| match all.0.take(what) {
                // SAFETY: the lease is ours; loom checks that nobody else is here.
                Ok(_held) => all.1.with_mut(|buffer| unsafe { *buffer += 1 }),
                Err(_) => {}
            };
            let other = {
                let all = all.clone();
                thread::spawn(move || turn(&all, For::Wait))
            };
            turn(&all, For::Look);
            other.join().unwrap();
            turn(&all, For::Wait);
            // SAFETY: the other thread has ended.
            all.1.with_mut(|buffer| assert!(unsafe { *buffer } >= 2));
        });
    }

    /// `Poller::notify` and a wait that ends by it: sticky, as polling promises, and ordering nothing.
    #[derive(Default)]
    struct Poller(AtomicUsize);

    impl Poller {
        fn notify(&self) {
            self.0.store(1, Ordering::Relaxed);
        }
        fn wait(&self) {
            while self.0.load(Ordering::Relaxed) == 0 {
                thread::yield_now();
            }
        }
    }

    /// Whoever gives a token to a thread that went to the poller ends its wait, and the thread sees what it was woken
    /// for. A lost knock is a deadlock, which loom reports.
    #[test]
    fn token_reaches_a_thread_in_the_poller() {
        loom::model(|| {
            let all = Arc::new((
                Token::new(),
                Lease::new(),
                Poller::default(),
                UnsafeCell::new(0),
            ));
            let sleeper = {
                let all = all.clone();
                thread::spawn(move || {
                    let (token, lease, poller, news) = &*all;
                    let held = lease.take(For::Wait).expect("nobody else wants it");
                    if token.announce(Bed::Poller) {
                        poller.wait();
                        assert!(token.retract(), "the wait ended without a token");
                    }
                    drop(held);
                    // SAFETY: the giver wrote before it gave; loom checks.
                    news.with_mut(|news| assert_eq!(unsafe { *news }, 7));
                })
            };
            let (token, _, poller, news) = &*all;
            // SAFETY: the sleeper reads after the token only; loom checks.
            news.with_mut(|news| unsafe { *news = 7 });
            if token.give() == Knock::Poller {
                poller.notify();
            }
            sleeper.join().unwrap();
        });
    }

    /// The guard sleeps until its bell rings, or sees that a worker is awake; a worker that wakes sees the guard's flag.
    #[test]
    fn guard_or_worker_sees_the_other() {
        use crate::reactor::guard::Bell;
        loom::model(|| {
            let all = Arc::new((Bell::new(), AtomicUsize::new(0)));
            let worker = {
                let all = all.clone();
                thread::spawn(move || {
                    all.1.store(1, Ordering::Relaxed);
                    all.0.must_ring()
                })
            };
            let sleeps = all.0.may_sleep(|| all.1.load(Ordering::Relaxed) == 0);
            let rung = worker.join().unwrap();
            assert!(
                !sleeps || rung,
                "a worker is awake, and nobody will ring for the guard"
            );
        });
    }
}

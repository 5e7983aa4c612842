#![doc = include_str!("README.md")]

use crate::sync_prim::{AtomicUsize, Mutex, Ordering, keep, store_load_fence};

const SEARCHING: usize = 1;
const ASLEEP: usize = 1 << 16;
const MASK: usize = ASLEEP - 1;

/// Who sleeps and who searches.
pub(crate) struct Idle {
    /// Searching in the low half, asleep in the high half. Changes under the lock of `sleepers`, but for F1 and for
    /// the start of a search.
    word: AtomicUsize,
    /// Seats asleep. Woken from the end; who sleeps in the poller lies at the start, since waking it costs most.
    sleepers: Mutex<Vec<usize>>,
}

/// Proof that this worker is counted as searching; spent by [`Idle::found`] or [`Idle::prepare_sleep`].
#[must_use = "a searcher that nobody uncounts keeps all others asleep"]
pub(crate) struct Searching(());

/// How a sleeper woke.
pub(crate) enum Woken {
    /// It did not sleep: it searches on.
    Stays(Searching),
    /// A waker has counted it as searching.
    ByWaker(Searching),
    /// On its own account: it is running. `first`: nobody else is awake.
    Alone { first: bool },
}

/// What waking took off the stack.
#[must_use = "the sleeper is counted as searching, yet it sleeps until its token is given"]
#[derive(Debug, PartialEq)]
pub(crate) struct Claimed {
    pub(crate) seat: usize,
    /// Nobody was awake.
    pub(crate) first: bool,
}

impl Idle {
    pub(crate) fn new() -> Idle {
        Idle {
            word: AtomicUsize::new(0),
            sleepers: Mutex::new(Vec::new()),
        }
    }

    /// S2, S3 and W1, after S1. `workers`: how many seats are taken.
    #[inline]
    pub(crate) fn submitted(&self, workers: usize) -> Option<Claimed> {
        store_load_fence("S2"); // partner P2 in `prepare_sleep`, F2 in `found`
        // Ordering: Relaxed: S3 is ordered by the fence, not by the load.
        if self.wants_waker(self.word.load(Ordering::Relaxed)) {
            self.claim(workers)
        } else {
            None
        }
    }

    #[inline]
    fn wants_waker(&self, word: usize) -> bool {
        word & MASK == 0 && word >= ASLEEP
    }

    /// W1, if still nobody searches.
    #[cold]
    fn claim(&self, workers: usize) -> Option<Claimed> {
        let sleepers = self.sleepers.lock();
        if !self.wants_waker(self.word.load(Ordering::Relaxed)) {
            return None;
        }
        self.pop(sleepers, workers)
    }

    /// W1 whoever searches: for a batch with work for several, and for the guard.
    pub(crate) fn claim_one_more(&self, workers: usize) -> Option<Claimed> {
        self.pop(self.sleepers.lock(), workers)
    }

    fn pop(
        &self,
        mut sleepers: impl std::ops::DerefMut<Target = Vec<usize>>,
        workers: usize,
    ) -> Option<Claimed> {
        let seat = sleepers.pop()?;
        // Ordering: Relaxed: the lock orders the stack; the sleeper learns the rest from its token.
        let before = self.word.fetch_sub(ASLEEP - SEARCHING, Ordering::Relaxed);
        Some(Claimed {
            seat,
            first: before / ASLEEP == workers,
        })
    }

    /// A worker has run dry and looks for a job, unless half of them search already.
    #[inline]
    pub(crate) fn start_searching(&self, workers: usize) -> Option<Searching> {
        // Ordering: Relaxed: only a bound on how many search; the promise needs nothing of it.
        if 2 * (self.word.load(Ordering::Relaxed) & MASK) >= workers {
            return None;
        }
        self.word.fetch_add(SEARCHING, Ordering::Relaxed);
        Some(Searching(()))
    }

    /// F1 and F2: a searcher has found a job. `any_job` looks into every queue.
    pub(crate) fn found(
        &self,
        searching: Searching,
        workers: usize,
        any_job: impl FnOnce() -> bool,
    ) -> Option<Claimed> {
        let Searching(()) = searching;
        // Ordering: Relaxed: F1 is ordered by F2's fence.
        let last = self.word.fetch_sub(SEARCHING, Ordering::Relaxed) & MASK == 1;
        if !last {
            return None;
        }
        store_load_fence("F2"); // partner S2
        if any_job() { self.claim(workers) } else { None }
    }

    /// P1, P2 and P3. The worker may go on to P4, or it searches on: others may rely on that, since it may have been
    /// counted as searching when their jobs came, more of them than it will run.
    pub(crate) fn prepare_sleep(
        &self,
        seat: usize,
        searching: Option<Searching>,
        in_poller: bool,
        any_job: impl FnOnce() -> bool,
    ) -> Result<(), Searching> {
        let mut sleepers = self.sleepers.lock();
        let at = if in_poller { 0 } else { sleepers.len() };
        sleepers.insert(at, seat);
        let searched = searching.map_or(0, |Searching(())| SEARCHING);
        // Ordering: Relaxed: P1 is ordered by P2's fence.
        self.word.fetch_add(ASLEEP - searched, Ordering::Relaxed);
        drop(sleepers);
        store_load_fence("P2"); // partner S2
        if keep("P3") && any_job() {
            let mut sleepers = self.sleepers.lock();
            // Unless a waker did W1 first, and so this very step.
            if let Some(at) = sleepers.iter().rposition(|s| *s == seat) {
                sleepers.remove(at);
                self.word.fetch_sub(ASLEEP - SEARCHING, Ordering::Relaxed);
            }
            return Err(Searching(()));
        }
        Ok(())
    }

    /// E1: awake again, with a token or without.
    pub(crate) fn end_sleep(&self, seat: usize, workers: usize) -> Woken {
        let mut sleepers = self.sleepers.lock();
        match sleepers.iter().rposition(|s| *s == seat) {
            Some(at) => {
                sleepers.remove(at);
                let before = self.word.fetch_sub(ASLEEP, Ordering::Relaxed);
                Woken::Alone {
                    first: before / ASLEEP == workers,
                }
            }
            None => Woken::ByWaker(Searching(())),
        }
    }

    /// How many sleep.
    pub(crate) fn asleep(&self) -> usize {
        self.word.load(Ordering::Relaxed) / ASLEEP
    }
}

#[cfg(all(test, filch_loom))]
mod model {
    use super::*;
    use loom::thread;
    use std::sync::Arc;

    /// A queue of at most one job, as weak as the promise allows: all order comes from the fences.
    struct Queue(AtomicUsize);

    impl Queue {
        fn push(&self) {
            self.0.store(1, Ordering::Relaxed);
        }
        fn any(&self) -> bool {
            self.0.load(Ordering::Relaxed) == 1
        }
    }

    #[test]
    fn last_look_sees_the_job() {
        loom::model(|| {
            let all = Arc::new((Idle::new(), Queue(AtomicUsize::new(0))));
            let worker = {
                let all = all.clone();
                thread::spawn(move || {
                    let searching = all.0.start_searching(2);
                    all.0
                        .prepare_sleep(0, searching, false, || all.1.any())
                        .is_err() // P1 P2 P3
                })
            };
            all.1.push(); // S1
            let woken = all.0.submitted(2).is_some(); // S2 S3 W1
            let awake = worker.join().unwrap();
            assert!(
                awake || woken,
                "a job waits, the worker sleeps, nobody searches"
            );
        });
    }

    #[test]
    fn last_searcher_passes_the_search_on() {
        loom::model(|| {
            let all = Arc::new((Idle::new(), Queue(AtomicUsize::new(0))));
            assert!(all.0.prepare_sleep(1, None, false, || false).is_ok());
            let Some(searching) = all.0.start_searching(2) else {
                panic!("nobody searches yet")
            };
            let submitter = {
                let all = all.clone();
                thread::spawn(move || {
                    all.1.push();
                    all.0.submitted(2).is_some()
                })
            };
            let passed_on = all.0.found(searching, 2, || all.1.any()).is_some(); // F1 F2
            let woken = submitter.join().unwrap();
            assert!(
                passed_on || woken,
                "a job waits, a worker sleeps, nobody searches"
            );
            assert!(!(passed_on && woken), "one sleeper was woken twice");
        });
    }

    /// Two jobs come while a worker goes to sleep and another sleeps: the one that stays for the first job passes the
    /// search on for the second.
    #[test]
    fn who_stays_for_one_job_wakes_another_for_the_next() {
        loom::model(|| {
            let all = Arc::new((Idle::new(), AtomicUsize::new(0)));
            assert!(all.0.prepare_sleep(1, None, false, || false).is_ok());
            let worker = {
                let all = all.clone();
                thread::spawn(move || {
                    let any = || all.1.load(Ordering::Relaxed) > 0;
                    let searching = all.0.start_searching(2);
                    match all.0.prepare_sleep(0, searching, false, any) {
                        Ok(()) => false,
                        Err(searching) => {
                            all.1.fetch_sub(1, Ordering::Relaxed);
                            all.0.found(searching, 2, any).is_some()
                        }
                    }
                })
            };
            let mut woken = 0;
            for _ in 0..2 {
                all.1.fetch_add(1, Ordering::Relaxed); // S1
                woken += usize::from(all.0.submitted(2).is_some()); // S2 S3 W1
            }
            let passed_on = worker.join().unwrap();
            let left = all.1.load(Ordering::Relaxed);
            assert!(
                left == 0 || passed_on || woken > 0,
                "{left} jobs wait, a worker sleeps, nobody searches"
            );
        });
    }

    #[test]
    fn a_sleeper_is_counted_once_however_it_wakes() {
        loom::model(|| {
            let idle = Arc::new(Idle::new());
            assert!(idle.prepare_sleep(0, None, true, || false).is_ok());
            let waker = {
                let idle = idle.clone();
                thread::spawn(move || idle.submitted(1).is_some())
            };
            let by_waker = matches!(idle.end_sleep(0, 1), Woken::ByWaker(_));
            assert_eq!(waker.join().unwrap(), by_waker);
            let word = idle.word.load(Ordering::Relaxed);
            assert_eq!(word, if by_waker { SEARCHING } else { 0 });
        });
    }
}

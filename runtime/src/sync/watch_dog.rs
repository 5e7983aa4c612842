//! Debug builds tell of locks that look like deadlocks: the lock that a task waits for and holds itself, and the lock or
//! permit that was given to a future which nobody polls ("futurelock", Oxide's RFD 609).
//!
//! Both are looked for when somebody begins to wait or is polled again, so a deadlock that nobody comes to is not told. A
//! lock's first wait for itself is told, and no other: branches of one task that lock in turn do so all the time, and rightly.
//! Nothing is decided by it, and in release builds none of it is there.

use std::fmt;
#[cfg(debug_assertions)]
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;
#[cfg(debug_assertions)]
use std::time::Instant;

use crate::job::quietly;
#[cfg(debug_assertions)]
use crate::origin::Id;
#[cfg(debug_assertions)]
use crate::root;
use crate::sync_prim::MODEL;

/// Whether anything is looked for. Not in models: what this writes would order what they check.
pub(super) const WATCHES: bool = cfg!(debug_assertions) && !MODEL;

/// For how long a lock may be with a future that was woken for it and has not been polled. A task that is queued comes to it
/// in far less.
#[cfg(debug_assertions)]
const OVERDUE: Duration = Duration::from_secs(1);

/// The number of the task that runs here, or of the future of a `block_on`; 0 outside any.
#[cfg(debug_assertions)]
fn me() -> u64 {
    Id::current().map_or_else(root::polled, Id::number)
}

/// What [`me`] is the number of.
struct Name(u64);

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            0 => f.write_str("a future outside any task"),
            #[cfg(debug_assertions)]
            root if root & root::IS_ROOT != 0 => f.write_str("the future of a `block_on`"),
            task => write!(f, "task {task}"),
        }
    }
}

/// Who holds a lock, a task or the future of a `block_on`; 0 if it is neither. Debug builds only.
pub(super) struct Holder {
    #[cfg(debug_assertions)]
    task: AtomicU64,
    #[cfg(debug_assertions)]
    was_told: AtomicBool,
}

impl Holder {
    pub(super) const fn new() -> Holder {
        Holder {
            #[cfg(debug_assertions)]
            task: AtomicU64::new(0),
            #[cfg(debug_assertions)]
            was_told: AtomicBool::new(false),
        }
    }

    /// The task that runs here has the lock, for itself.
    #[inline]
    pub(super) fn set(&self) {
        // Ordering: Relaxed, here and below: a task is asked about itself, and others are not in doubt that they are others.
        #[cfg(debug_assertions)]
        if WATCHES {
            self.task.store(me(), Ordering::Relaxed);
        }
    }

    #[inline]
    pub(super) fn clear(&self) {
        #[cfg(debug_assertions)]
        if WATCHES {
            self.task.store(0, Ordering::Relaxed);
        }
    }

    /// The caller begins to wait for the lock, a `what`.
    #[inline]
    pub(super) fn tell_if_me(&self, what: &str) {
        #[cfg(debug_assertions)]
        if WATCHES {
            let task = self.task.load(Ordering::Relaxed);
            if task != 0 && task == me() && !self.was_told.swap(true, Ordering::Relaxed) {
                let task = Name(task);
                tell(format_args!(
                    "{task} waits for a `{what}` that it locked itself: it waits for ever, unless another branch of it, or \
                     whoever it gave the guard to, unlocks it"
                ));
            }
        }
        #[cfg(not(debug_assertions))]
        let _ = what;
    }
}

/// Whose future a waiter is in. Debug builds only.
#[derive(Clone, Copy)]
pub(super) struct Whose {
    #[cfg(debug_assertions)]
    task: u64,
}

impl Whose {
    #[inline]
    pub(super) fn mine() -> Whose {
        Whose {
            #[cfg(debug_assertions)]
            task: if WATCHES { me() } else { 0 },
        }
    }
}

/// What was given to waiters that have not come for it. Debug builds only.
pub(super) struct Dog {
    /// How many they are.
    #[cfg(debug_assertions)]
    away: usize,
    /// Since when: the last change of their number. None if it was told.
    #[cfg(debug_assertions)]
    since: Option<Instant>,
    /// The task of the last of them.
    #[cfg(debug_assertions)]
    task: u64,
}

/// For how long a waiter has not come, and in which task it is.
pub(super) type Overdue = (Duration, u64);

impl Dog {
    pub(super) const fn new() -> Dog {
        Dog {
            #[cfg(debug_assertions)]
            away: 0,
            #[cfg(debug_assertions)]
            since: None,
            #[cfg(debug_assertions)]
            task: 0,
        }
    }

    /// All that it wants was given to a waiter.
    #[inline]
    pub(super) fn given(&mut self, whose: Whose) {
        #[cfg(debug_assertions)]
        if WATCHES {
            self.away += 1;
            self.since = Some(Instant::now());
            self.task = whose.task;
        }
        #[cfg(not(debug_assertions))]
        let _ = whose;
    }

    /// A waiter came for it, or went. As long as some do, nothing is overdue.
    #[inline]
    pub(super) fn arrived(&mut self) {
        #[cfg(debug_assertions)]
        if WATCHES {
            self.away = self.away.saturating_sub(1);
            self.since = (self.away > 0).then(Instant::now);
        }
    }

    /// Whether no waiter has come for what it was given for too long. Answers once.
    pub(super) fn overdue(&mut self) -> Option<Overdue> {
        #[cfg(debug_assertions)]
        {
            let since = self.since?.elapsed();
            if since >= OVERDUE {
                self.since = None;
                return Some((since, self.task));
            }
        }
        None
    }
}

/// Not under a lock: it is anybody's code that listens.
pub(super) fn tell_overdue(what: &str, overdue: Option<Overdue>) {
    if let Some((since, task)) = overdue {
        tell(format_args!(
            "{what} was given {} ms ago to {}, and nobody has polled what waits for it there since, while others wait: is \
             something else awaited there without it (see \"futurelock\")?",
            since.as_millis(),
            Name(task)
        ));
    }
}

#[cold]
fn tell(text: fmt::Arguments<'_>) {
    #[cfg(all(test, not(filch_loom)))]
    #[cfg(debug_assertions)]
    tests::TOLD.with_borrow_mut(|told| told.push(text.to_string()));
    quietly(|| {
        #[cfg(feature = "tracing")]
        tracing::warn!("{text}");
        #[cfg(not(feature = "tracing"))]
        eprintln!("filch: {text}");
    });
}

#[cfg(all(test, not(filch_loom)))]
#[cfg(debug_assertions)]
mod tests {
    use super::*;
    use crate::sync::{Mutex, RwLock, Semaphore};
    use std::cell::RefCell;
    use std::future::Future;
    use std::pin::{Pin, pin};
    use std::task::{Context, Waker};

    thread_local! {
        pub(super) static TOLD: RefCell<Vec<String>> = const { RefCell::new(Vec::new()) };
    }

    /// What was told on this thread since the last time.
    fn told() -> usize {
        TOLD.take().len()
    }

    /// True if it must wait.
    fn waits(future: Pin<&mut impl Future>) -> bool {
        let mut context = Context::from_waker(Waker::noop());
        future.poll(&mut context).is_pending()
    }

    impl Dog {
        /// Makes what was given now given long ago.
        pub(in crate::sync) fn grow_old(&mut self) {
            self.since = self.since.and_then(|since| since.checked_sub(OVERDUE));
        }
    }

    #[test]
    fn it_tells_once_of_what_nobody_comes_for() {
        let mut dog = Dog::new();
        assert_eq!(dog.overdue(), None);
        dog.given(Whose::mine());
        assert_eq!(dog.overdue(), None);
        dog.grow_old();
        assert!(dog.overdue().is_some());
        dog.grow_old();
        assert_eq!(dog.overdue(), None);
        dog.given(Whose::mine());
        dog.given(Whose::mine());
        dog.grow_old();
        // One of the two came, so things move.
        dog.arrived();
        assert_eq!(dog.overdue(), None);
        dog.grow_old();
        assert!(dog.overdue().is_some());
        dog.arrived();
        dog.arrived();
        dog.grow_old();
        assert_eq!(dog.overdue(), None);
    }

    #[test]
    fn a_lock_given_to_a_future_that_nobody_polls_is_told_to_the_next() {
        for mutex in [Mutex::new(()), Mutex::barging(())] {
            let held = mutex.try_lock().unwrap();
            let mut forgotten = Box::pin(mutex.lock());
            let mut next = Box::pin(mutex.lock());
            assert!(waits(forgotten.as_mut()));
            drop(held);
            // Barging, it is free until the forgotten one takes it: somebody else does.
            let barges = mutex.try_lock();
            assert!(waits(next.as_mut()));
            assert_eq!(told(), 0);
            mutex.raw.dog(Dog::grow_old);
            assert!(waits(next.as_mut()));
            assert!(waits(next.as_mut()));
            assert_eq!(told(), 1);
            drop(forgotten);
            mutex.raw.dog(Dog::grow_old);
            let mut last = pin!(mutex.lock());
            assert!(waits(last.as_mut()));
            // What the forgotten one had was passed on to the next, which is forgotten in its turn.
            assert_eq!(told(), 1);
            drop(barges);
        }
    }

    #[test]
    fn permits_given_to_a_future_that_nobody_polls_are_told_to_the_next() {
        let semaphore = Semaphore::new(0);
        let mut forgotten = Box::pin(semaphore.acquire());
        assert!(waits(forgotten.as_mut()));
        semaphore.add_permits(1);
        semaphore.permits.dog(Dog::grow_old);
        let mut next = pin!(semaphore.acquire());
        assert!(waits(next.as_mut()));
        assert_eq!(told(), 1);
        drop(forgotten);
        semaphore.permits.dog(Dog::grow_old);
        let mut context = Context::from_waker(Waker::noop());
        let came = next.as_mut().poll(&mut context);
        assert!(came.is_ready());
        let mut last = pin!(semaphore.acquire());
        assert!(waits(last.as_mut()));
        assert_eq!(told(), 0);
    }

    #[test]
    fn the_future_of_a_block_on_that_waits_for_its_own_lock_is_told_once() {
        let rt = crate::builder::Builder::new_current_thread()
            .build()
            .unwrap();
        let mutex = Mutex::new(());
        rt.block_on(async {
            let _held = mutex.lock().await;
            for _ in 0..2 {
                assert!(waits(pin!(mutex.lock())));
            }
        });
        let told = TOLD.take();
        assert_eq!(told.len(), 1, "{told:?}");
        assert!(told[0].starts_with("the future of a `block_on` waits for a `Mutex`"));
        // The future of another `block_on` is another.
        let mutex = Mutex::new(());
        let held = rt.block_on(mutex.lock());
        let other = async { assert!(waits(pin!(mutex.lock()))) };
        let told = std::thread::scope(|scope| {
            let other = scope.spawn(|| {
                rt.block_on(other);
                TOLD.take()
            });
            other.join().unwrap()
        });
        assert!(told.is_empty(), "{told:?}");
        drop(held);
    }

    #[test]
    fn who_has_what_nobody_came_for_is_named() {
        let name = |number| Name(number).to_string();
        assert_eq!(name(0), "a future outside any task");
        assert_eq!(name(7), "task 7");
        assert_eq!(name(root::IS_ROOT | 8), "the future of a `block_on`");
    }

    #[test]
    fn a_task_that_waits_for_its_own_lock_is_told_once() {
        let origin = crate::origin::Origin::at(std::panic::Location::caller());
        let _in_a_task = origin.id.enter(std::ptr::null());
        let mutex = Mutex::new(());
        let rwlock = RwLock::new(());
        for _ in 0..2 {
            let held = mutex.try_lock().unwrap();
            let mut again = pin!(mutex.lock());
            assert!(waits(again.as_mut()));
            assert!(waits(again.as_mut()));
            drop(held);
            assert!(!waits(again));
        }
        assert_eq!(told(), 1);
        let reads = rwlock.try_write().unwrap().downgrade();
        assert!(waits(pin!(rwlock.write())));
        drop(reads);
        assert_eq!(told(), 0);
        let writes = rwlock.try_write().unwrap();
        assert!(waits(pin!(rwlock.read())));
        drop(writes);
        assert_eq!(told(), 1);
        let other = crate::origin::Origin::at(std::panic::Location::caller());
        let rwlock = RwLock::new(());
        let writes = rwlock.try_write().unwrap();
        let _in_another = other.id.enter(std::ptr::null());
        assert!(waits(pin!(rwlock.write())));
        drop(writes);
        assert_eq!(told(), 0);
    }
}

//! Every order of steps of those who lock, wait, signal and go.

mod goes;

use super::permits::Permits;
use super::raw_mutex::RawMutex;
use super::{Barrier, Notify, OnceCell, RwLock, SetOnce};
use crate::sync_prim::{AtomicUsize, Ordering, UnsafeCell};
use loom::future::block_on;
use loom::thread;
use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};

/// What a primitive says that only one may touch at a time.
struct Kept<P> {
    by: P,
    value: UnsafeCell<u32>,
    /// Tells nothing for sure: loom looks at more orders if the threads have this in common.
    rumour: AtomicUsize,
}

// SAFETY: what the models check: loom complains of two that touch the value at once.
unsafe impl<P: Sync> Sync for Kept<P> {}

fn kept<P>(by: P) -> Arc<Kept<P>> {
    Arc::new(Kept {
        by,
        value: UnsafeCell::new(0),
        rumour: AtomicUsize::new(0),
    })
}

impl<P> Kept<P> {
    fn touch(&self) {
        // SAFETY: as above.
        self.value.with_mut(|value| unsafe { *value += 1 });
    }

    fn spread_rumour(&self) {
        self.rumour.store(1, Ordering::Relaxed);
    }

    fn has_rumour(&self) -> bool {
        self.rumour.load(Ordering::Relaxed) == 1
    }
}

impl Kept<Permits> {
    fn once(&self, count: usize) {
        block_on(self.by.acquire(count)).unwrap();
        self.touch();
        self.by.release(count);
    }
}

impl Kept<RawMutex> {
    fn once(&self) {
        block_on(self.by.lock());
        self.touch();
        self.by.unlock();
    }
}

/// Runs the model in every order; there must be several.
fn explore(model: impl Fn() + Send + Sync + 'static) {
    explore_bounded(None, model);
}

/// The same, with so many switches at most that no thread asked for: where all orders would take minutes.
fn explore_bounded(switches: Option<usize>, model: impl Fn() + Send + Sync + 'static) {
    let orders = Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let count = orders.clone();
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = switches.or(builder.preemption_bound);
    builder.check(move || {
        count.fetch_add(1, Ordering::Relaxed);
        model();
    });
    let orders = orders.load(Ordering::Relaxed);
    assert!(orders > 1, "the model has one order only");
}

/// Polls once, as if by a task that is not run again.
fn poll<F: Future>(future: Pin<&mut F>) -> Poll<F::Output> {
    future.poll(&mut Context::from_waker(Waker::noop()))
}

#[test]
fn permits_carry_what_was_written() {
    explore(|| {
        let kept = kept(Permits::new(1));
        let them = kept.clone();
        let other = thread::spawn(move || them.once(1));
        kept.once(1);
        other.join().unwrap();
        assert_eq!(kept.by.available(), 1);
    });
}

#[test]
fn a_part_is_seen_whole() {
    explore(|| {
        let kept = kept(Permits::new(0));
        let them = kept.clone();
        let giver = thread::spawn(move || {
            them.touch();
            them.by.release(1);
        });
        let mut waiter = Box::pin(kept.by.acquire(2));
        assert!(poll(waiter.as_mut()).is_pending());
        kept.by.release(1);
        if poll(waiter.as_mut()).is_ready() {
            kept.touch();
        }
        giver.join().unwrap();
    });
}

#[test]
fn what_is_left_carries_what_was_written() {
    explore(|| {
        let kept = kept(Permits::new(0));
        let mut waiter = Box::pin(kept.by.acquire(1));
        assert!(poll(waiter.as_mut()).is_pending());
        let them = kept.clone();
        let giver = thread::spawn(move || {
            them.touch();
            them.by.release(2);
            them.spread_rumour();
        });
        if kept.has_rumour() && kept.by.try_acquire(1).is_ok() {
            kept.touch();
        }
        giver.join().unwrap();
        assert!(poll(waiter.as_mut()).is_ready());
    });
}

#[test]
fn a_waiter_that_goes_passes_its_permits_on() {
    explore(|| {
        let kept = kept(Permits::new(1));
        let mut first = Box::pin(kept.by.acquire(2));
        assert!(poll(first.as_mut()).is_pending());
        let them = kept.clone();
        let other = thread::spawn(move || them.once(1));
        drop(first);
        other.join().unwrap();
        assert_eq!(kept.by.available(), 1);
    });
}

#[test]
fn a_closed_end_wakes_all() {
    explore(|| {
        let kept = kept(Permits::new(0));
        let them = kept.clone();
        let other = thread::spawn(move || block_on(them.by.acquire(1)).is_err());
        kept.by.close();
        assert!(other.join().unwrap());
        assert!(kept.by.try_acquire(0).is_err());
        assert_eq!(kept.by.statistics().waiters, 0);
    });
}

#[test]
fn one_holder_at_a_time() {
    explore(|| {
        let kept = kept(RawMutex::new(false));
        let them = kept.clone();
        let other = thread::spawn(move || them.once());
        kept.once();
        other.join().unwrap();
        assert!(kept.by.try_lock());
    });
}

/// One who lost to another is given the lock at last.
#[test]
fn one_holder_at_a_time_barging() {
    explore_bounded(Some(3), || {
        let kept = kept(RawMutex::new(true));
        assert!(kept.by.try_lock());
        let them = kept.clone();
        let mut waits = Box::pin(async move {
            them.by.lock().await;
            them.touch();
            them.by.unlock();
        });
        assert!(poll(waits.as_mut()).is_pending());
        let other = thread::spawn(move || block_on(waits));
        kept.touch();
        kept.by.unlock();
        if kept.by.try_lock() {
            kept.touch();
            kept.by.unlock();
        }
        other.join().unwrap();
        assert!(kept.by.try_lock());
    });
}

/// A waiter that is in line before another goes while it is its turn.
fn goes(is_barging: bool) {
    explore(move || {
        let kept = kept(RawMutex::new(is_barging));
        assert!(kept.by.try_lock());
        let mut first = Box::pin(kept.by.lock());
        assert!(poll(first.as_mut()).is_pending());
        let them = kept.clone();
        let other = thread::spawn(move || them.once());
        kept.by.unlock();
        drop(first);
        other.join().unwrap();
        assert!(kept.by.try_lock());
    });
}

#[test]
fn a_lock_given_to_one_who_goes_passes_on() {
    goes(false);
}

#[test]
fn a_wake_given_to_one_who_goes_passes_on() {
    goes(true);
}

#[test]
fn what_is_freed_while_one_waits_carries_what_was_written() {
    explore(|| {
        let kept = kept(RawMutex::new(true));
        assert!(kept.by.try_lock());
        let mut waiter = Box::pin(kept.by.lock());
        assert!(poll(waiter.as_mut()).is_pending());
        let them = kept.clone();
        let holder = thread::spawn(move || {
            them.touch();
            them.by.unlock();
            them.spread_rumour();
        });
        if kept.has_rumour() && kept.by.try_lock() {
            kept.touch();
            kept.by.unlock();
        }
        holder.join().unwrap();
        assert!(poll(waiter.as_mut()).is_ready());
    });
}

#[test]
fn a_writer_is_alone() {
    explore(|| {
        let lock = Arc::new((RwLock::new(()), loom::cell::UnsafeCell::new(0)));
        let read = |both: &(RwLock<()>, loom::cell::UnsafeCell<u32>)| {
            // SAFETY: as for `Kept`.
            both.1.with(|n| unsafe { *n })
        };
        let them = lock.clone();
        let writer = thread::spawn(move || {
            let guard = block_on(them.0.write());
            // SAFETY: as above.
            them.1.with_mut(|n| unsafe { *n += 1 });
            let guard = guard.downgrade();
            assert_eq!(read(&them), 1);
            drop(guard);
        });
        let guard = block_on(lock.0.read());
        let seen = read(&lock);
        assert_eq!(read(&lock), seen);
        drop(guard);
        writer.join().unwrap();
    });
}

#[test]
fn a_notification_is_not_lost() {
    explore(|| {
        let kept = kept(Notify::new());
        let them = kept.clone();
        let teller = thread::spawn(move || {
            them.touch();
            them.by.notify_one();
        });
        block_on(kept.by.notified());
        kept.touch();
        teller.join().unwrap();
        assert!(poll(pin!(kept.by.notified())).is_pending());
    });
}

/// After a waiter was told, the next notification is kept by another way.
#[test]
fn a_notification_after_a_waiter_carries_what_was_written() {
    explore(|| {
        let kept = kept(Notify::new());
        let mut first = Box::pin(kept.by.notified());
        assert!(poll(first.as_mut()).is_pending());
        kept.by.notify_one();
        assert!(poll(first.as_mut()).is_ready());
        let them = kept.clone();
        let teller = thread::spawn(move || {
            them.touch();
            them.by.notify_one();
            them.spread_rumour();
        });
        if kept.has_rumour() && poll(pin!(kept.by.notified())).is_ready() {
            kept.touch();
        }
        teller.join().unwrap();
    });
}

#[test]
fn a_notification_passes_on() {
    explore(|| {
        let kept = kept(Notify::new());
        let mut first = Box::pin(kept.by.notified());
        assert!(poll(first.as_mut()).is_pending());
        let them = kept.clone();
        let second = thread::spawn(move || block_on(them.by.notified()));
        kept.by.notify_one();
        drop(first);
        second.join().unwrap();
    });
}

#[test]
fn all_who_exist_are_told() {
    explore(|| {
        let kept = kept(Notify::new());
        let notified = kept.by.notified();
        let mut waits = Box::pin(kept.by.notified());
        assert!(poll(waits.as_mut()).is_pending());
        let them = kept.clone();
        let teller = thread::spawn(move || {
            them.touch();
            them.by.notify_waiters();
        });
        let was_told = poll(waits.as_mut()).is_ready();
        let is_told = poll(pin!(notified)).is_ready();
        if is_told {
            kept.touch();
        }
        assert!(is_told || !was_told);
        teller.join().unwrap();
        assert!(poll(waits.as_mut()).is_ready());
        assert!(poll(pin!(kept.by.notified())).is_pending());
    });
}

/// Says that it was woken.
struct Bell(AtomicUsize);

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.0.store(1, Ordering::Release);
    }
}

/// Batches are of one waker here, so the call of `notify_waiters` is at work for a while.
#[test]
fn who_hears_of_a_call_finds_no_waiter_from_before_it() {
    explore(|| {
        let notify = Arc::new(Notify::new());
        let bell = Arc::new(Bell(AtomicUsize::new(0)));
        let mut first = Box::pin(notify.notified());
        let waker = Waker::from(bell.clone());
        let polled = first.as_mut().poll(&mut Context::from_waker(&waker));
        assert!(polled.is_pending());
        let mut second = Box::pin(notify.notified());
        assert!(poll(second.as_mut()).is_pending());
        let them = notify.clone();
        let teller = thread::spawn(move || them.notify_waiters());
        if bell.0.load(Ordering::Acquire) == 1 {
            notify.notify_one();
            let mut third = Box::pin(notify.notified());
            assert!(poll(third.as_mut()).is_ready());
        }
        teller.join().unwrap();
        assert!(poll(second.as_mut()).is_ready());
    });
}

#[test]
fn nobody_goes_on_before_all_are_there() {
    explore(|| {
        let kept = kept(Barrier::new(2));
        let them = kept.clone();
        let other = thread::spawn(move || {
            them.touch();
            block_on(them.by.wait()).is_leader()
        });
        let leads = block_on(kept.by.wait()).is_leader();
        kept.touch();
        assert!(other.join().unwrap() != leads);
    });
}

async fn once_value(kept: &Kept<OnceCell<u32>>, mine: u32) -> u32 {
    let make = || async {
        kept.touch();
        mine
    };
    *kept.by.get_or_init(make).await
}

#[test]
fn one_makes_the_value() {
    explore(|| {
        let kept = kept(OnceCell::new());
        let them = kept.clone();
        let other = thread::spawn(move || block_on(once_value(&them, 1)));
        let mine = block_on(once_value(&kept, 2));
        assert_eq!(other.join().unwrap(), mine);
    });
}

#[test]
fn a_maker_that_goes_leaves_it_to_the_next() {
    explore(|| {
        let kept = kept(OnceCell::new());
        let mut goes = Box::pin(kept.by.get_or_init(std::future::pending));
        assert!(poll(goes.as_mut()).is_pending());
        let them = kept.clone();
        let other = thread::spawn(move || block_on(once_value(&them, 1)));
        drop(goes);
        assert_eq!(other.join().unwrap(), 1);
    });
}

#[test]
fn who_waits_for_a_value_gets_it() {
    explore(|| {
        let kept = kept(SetOnce::new());
        let them = kept.clone();
        let setter = thread::spawn(move || {
            them.touch();
            them.by.set(7).unwrap();
        });
        assert_eq!(*block_on(kept.by.wait()), 7);
        kept.touch();
        setter.join().unwrap();
    });
}

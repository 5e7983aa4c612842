//! Every order of steps in which a waiter goes at the same time as it is given what it waits for.

use super::*;

/// A waiter goes at the same time as it is given its turn: by whichever way, the turn is not lost.
fn goes_when_given(is_barging: bool) {
    explore(move || {
        let kept = kept(RawMutex::new(is_barging));
        assert!(kept.by.try_lock());
        let mut first = Box::pin(kept.by.lock());
        assert!(poll(first.as_mut()).is_pending());
        let mut second = Box::pin(kept.by.lock());
        assert!(poll(second.as_mut()).is_pending());
        let them = kept.clone();
        let holder = thread::spawn(move || {
            them.touch();
            them.by.unlock();
        });
        drop(first);
        holder.join().unwrap();
        assert!(poll(second.as_mut()).is_ready());
        kept.touch();
        kept.by.unlock();
        assert!(kept.by.try_lock());
    });
}

#[test]
fn a_lock_given_while_its_waiter_goes_passes_on() {
    goes_when_given(false);
}

#[test]
fn a_wake_given_while_its_waiter_goes_passes_on() {
    goes_when_given(true);
}

#[test]
fn permits_given_while_their_waiter_goes_pass_on() {
    explore(|| {
        let kept = kept(Permits::new(0));
        let mut first = Box::pin(kept.by.acquire(2));
        assert!(poll(first.as_mut()).is_pending());
        let mut second = Box::pin(kept.by.acquire(1));
        assert!(poll(second.as_mut()).is_pending());
        let them = kept.clone();
        let giver = thread::spawn(move || {
            them.touch();
            them.by.release(2);
        });
        drop(first);
        giver.join().unwrap();
        assert!(poll(second.as_mut()).is_ready());
        kept.touch();
        assert_eq!(kept.by.available(), 1);
    });
}

#[test]
fn a_close_while_a_waiter_goes_loses_no_permit() {
    explore(|| {
        let kept = kept(Permits::new(1));
        let mut first = Box::pin(kept.by.acquire(2));
        assert!(poll(first.as_mut()).is_pending());
        let them = kept.clone();
        let closer = thread::spawn(move || them.by.close());
        drop(first);
        closer.join().unwrap();
        assert_eq!(kept.by.available(), 1);
        assert!(kept.by.is_closed());
    });
}

#[test]
fn a_writer_that_goes_lets_the_readers_behind_it_in() {
    explore(|| {
        let lock = Arc::new(RwLock::new(()));
        let reads = lock.try_read().unwrap();
        let mut writer = Box::pin(lock.write());
        assert!(poll(writer.as_mut()).is_pending());
        let them = lock.clone();
        let behind = thread::spawn(move || drop(block_on(them.read())));
        drop(writer);
        behind.join().unwrap();
        drop(reads);
        assert!(lock.try_write().is_ok());
    });
}

#[test]
fn a_notification_given_while_its_waiter_goes_passes_on() {
    explore(|| {
        let kept = kept(Notify::new());
        let mut first = Box::pin(kept.by.notified());
        assert!(poll(first.as_mut()).is_pending());
        let them = kept.clone();
        let teller = thread::spawn(move || {
            them.touch();
            them.by.notify_one();
        });
        drop(first);
        teller.join().unwrap();
        assert!(poll(pin!(kept.by.notified())).is_ready());
        kept.touch();
    });
}

#[test]
fn who_goes_while_the_last_arrives_stays_counted() {
    explore(|| {
        let barrier = Arc::new(Barrier::new(2));
        let mut goes = Box::pin(barrier.wait());
        assert!(poll(goes.as_mut()).is_pending());
        let them = barrier.clone();
        let last = thread::spawn(move || block_on(them.wait()).is_leader());
        drop(goes);
        assert!(last.join().unwrap());
        assert_eq!(barrier.statistics().waiters, 0);
    });
}

#[test]
fn who_goes_while_the_value_comes_keeps_no_other_from_it() {
    explore(|| {
        let once = Arc::new(SetOnce::new());
        let mut goes = Box::pin(once.wait());
        assert!(poll(goes.as_mut()).is_pending());
        let mut stays = Box::pin(once.wait());
        assert!(poll(stays.as_mut()).is_pending());
        let them = once.clone();
        let setter = thread::spawn(move || them.set(7).unwrap());
        drop(goes);
        setter.join().unwrap();
        assert!(poll(stays.as_mut()).is_ready());
    });
}

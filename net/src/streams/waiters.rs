//! Who waits for something under a lock: all are woken at once, and who goes before that leaves no waker behind.

use std::future::poll_fn;
use std::task::{Poll, Waker};

use parking_lot::Mutex;

/// The wakers of those who wait, in order.
#[derive(Default)]
pub(super) struct Waiters {
    list: Vec<(u64, Waker)>,
    keys: u64,
}

impl Waiters {
    /// All of them; to be woken without the lock.
    pub(super) fn take(&mut self) -> Vec<Waker> {
        self.list.drain(..).map(|(_, waker)| waker).collect()
    }

    /// The waker that was there before comes back.
    fn wait(&mut self, key: &mut Option<u64>, waker: &Waker) -> Option<Waker> {
        let listed = self.list.iter_mut().find(|(k, _)| Some(*k) == *key);
        if let Some((_, old)) = listed {
            let is_new = !old.will_wake(waker);
            return is_new.then(|| std::mem::replace(old, waker.clone()));
        }
        self.keys += 1;
        *key = Some(self.keys);
        self.list.push((self.keys, waker.clone()));
        None
    }

    fn leave(&mut self, key: u64) -> Option<Waker> {
        let at = self.list.iter().position(|(k, _)| *k == key)?;
        Some(self.list.remove(at).1)
    }
}

/// What has waiters.
pub(super) trait Awaited {
    fn waiters(&mut self) -> &mut Waiters;
}

/// Waits until `look` finds something.
pub(super) async fn wait_until<T: Awaited, R>(of: &Mutex<T>, look: impl Fn(&T) -> Option<R>) -> R {
    let mut place = Place { of, key: None };
    poll_fn(|context| {
        let mut state = of.lock();
        if let Some(found) = look(&state) {
            return Poll::Ready(found);
        }
        let old = state.waiters().wait(&mut place.key, context.waker());
        drop(state);
        drop(old);
        Poll::Pending
    })
    .await
}

struct Place<'a, T: Awaited> {
    of: &'a Mutex<T>,
    key: Option<u64>,
}

impl<T: Awaited> Drop for Place<'_, T> {
    fn drop(&mut self) {
        if let Some(key) = self.key {
            let own = self.of.lock().waiters().leave(key);
            drop(own);
        }
    }
}

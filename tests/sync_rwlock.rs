//! `RwLock`: many read or one writes, in the order of arrival.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicIsize, Ordering};
use std::task::Poll;

use filch::sync::{
    OwnedRwLockMappedWriteGuard, OwnedRwLockReadGuard, OwnedRwLockWriteGuard, RwLock,
    RwLockMappedWriteGuard, RwLockReadGuard, RwLockWriteGuard,
};
use filch::task::yield_now;

mod common;
#[path = "common/polled.rs"]
mod polled;
use common::{Random, bounded, eventually, many, multi, single};
use polled::{Polled, for_a_while, now, panic_of};

#[test]
fn many_read_and_one_writes() {
    let mut lock = RwLock::new(1);
    {
        let (one, two) = (now(lock.read()), lock.try_read().unwrap());
        assert_eq!(*one + *two, 2);
        assert!(lock.try_write().is_err());
        let mut writes = Polled::waiting(lock.write());
        drop(one);
        assert!(!writes.is_woken());
        drop(two);
        let mut writes = writes.ready();
        *writes = 5;
        assert!(lock.try_read().is_err() && lock.try_write().is_err());
        let mut waits = Polled::waiting(lock.read());
        drop(writes);
        assert_eq!(*waits.ready(), 5);
    }
    *lock.get_mut() += 1;
    assert_eq!(lock.into_inner(), 6);
    assert_eq!(*now(RwLock::from(3).read()), 3);
    assert_eq!(RwLock::<u8>::default().into_inner(), 0);
}

#[test]
fn who_comes_after_a_writer_waits_behind_it() {
    let lock = RwLock::new(0);
    let reads = now(lock.read());
    let mut writes = Polled::waiting(lock.write());
    let mut behind = [Polled::waiting(lock.read()), Polled::waiting(lock.read())];
    assert!(lock.try_read().is_err());
    drop(reads);
    assert!(writes.is_woken() && !behind[0].is_woken());
    *writes.ready() = 1;
    // Readers go on together.
    let both = [behind[0].ready(), behind[1].ready()];
    assert_eq!((*both[0], *both[1]), (1, 1));
}

#[test]
fn a_writer_that_goes_lets_the_readers_behind_it_go_on() {
    let lock = RwLock::new(0);
    let reads = now(lock.read());
    let writes = Polled::waiting(lock.write());
    let mut behind = Polled::waiting(lock.read());
    drop(writes);
    assert!(behind.is_woken());
    drop(behind.ready());
    drop(reads);
    // It had its turn, and never saw it.
    let reads = now(lock.read());
    let writes = Polled::waiting(lock.write());
    drop(reads);
    assert!(writes.is_woken());
    drop(writes);
    assert!(lock.try_write().is_ok());
}

#[test]
fn the_number_of_readers_has_a_limit() {
    let lock = RwLock::with_max_readers(0, 2);
    let (one, _two) = (now(lock.read()), now(lock.read()));
    let mut third = Polled::waiting(lock.read());
    drop(one);
    drop(third.ready());
    let refused = |max| panic_of(move || drop(RwLock::with_max_readers(0, max)));
    assert_eq!(refused(0).0, file!());
    assert!(refused(0).1.contains("0 readers"));
    assert!(refused(u32::MAX).1.contains("more than"));
    assert!(
        RwLock::with_max_readers(0, u32::MAX >> 3)
            .try_write()
            .is_ok()
    );
}

#[test]
fn a_writer_becomes_a_reader_and_no_writer_comes_between() {
    let lock = Arc::new(RwLock::new((1, 2)));
    let writes = now(lock.write());
    let mut reads = Polled::waiting(lock.read());
    let mut other = Polled::waiting(lock.write());
    let down = writes.downgrade();
    let second = reads.ready();
    assert!(!other.is_woken());
    drop((down, second));
    drop(other.ready());

    let part = RwLockWriteGuard::downgrade_map(now(lock.write()), |all| &all.0);
    assert_eq!(*part, 1);
    assert!(lock.try_read().is_ok() && lock.try_write().is_err());
    drop(part);
    let none = RwLockWriteGuard::try_downgrade_map(now(lock.write()), |_| None::<&u8>);
    let still = none.unwrap_err();
    assert!(lock.try_read().is_err());
    drop(RwLockWriteGuard::try_downgrade_map(still, |all| Some(&all.1)).unwrap());

    let owned = now(lock.clone().write_owned()).downgrade();
    assert!(lock.try_read().is_ok());
    drop(owned);
    let owned = now(lock.clone().write_owned());
    let owned = OwnedRwLockWriteGuard::try_downgrade_map(owned, |_| None::<&u8>).unwrap_err();
    let part = OwnedRwLockWriteGuard::downgrade_map(owned, |all| &all.1);
    assert_eq!(*part, 2);
    drop(part);
    let owned = now(lock.clone().write_owned());
    drop(OwnedRwLockWriteGuard::try_downgrade_map(owned, |all| Some(&all.1)).unwrap());
    assert!(lock.try_write().is_ok());
    assert_eq!(Arc::strong_count(&lock), 1);
}

#[test]
fn guards_can_be_narrowed() {
    let lock = Arc::new(RwLock::new((1, vec![2, 3])));
    let list = RwLockReadGuard::map(now(lock.read()), |all| &all.1);
    let list = RwLockReadGuard::try_map(list, |list| list.get(9)).unwrap_err();
    assert_eq!(
        *RwLockReadGuard::try_map(list, |list| list.first()).unwrap(),
        2
    );

    let list = RwLockWriteGuard::map(now(lock.write()), |all| &mut all.1);
    let list = RwLockMappedWriteGuard::try_map(list, |list| list.get_mut(9)).unwrap_err();
    let mut last = RwLockMappedWriteGuard::map(list, |list| &mut list[1]);
    *last += 1;
    assert_eq!(format!("{last} {last:?}"), "4 4");
    drop(last);
    let all = RwLockWriteGuard::try_map(now(lock.write()), |_| None::<&mut u8>).unwrap_err();
    let all = RwLockWriteGuard::into_mapped(all);
    drop(RwLockMappedWriteGuard::try_map(all, |all| Some(&mut all.0)).unwrap());

    let list = OwnedRwLockReadGuard::map(now(lock.clone().read_owned()), |all| &all.1);
    assert!(Arc::ptr_eq(OwnedRwLockReadGuard::rwlock(&list), &lock));
    let list = OwnedRwLockReadGuard::try_map(list, |list| list.get(9)).unwrap_err();
    assert_eq!(
        *OwnedRwLockReadGuard::try_map(list, |list| list.last()).unwrap(),
        4
    );

    let all = now(lock.clone().write_owned());
    assert!(Arc::ptr_eq(OwnedRwLockWriteGuard::rwlock(&all), &lock));
    let all = OwnedRwLockWriteGuard::try_map(all, |_| None::<&mut u8>).unwrap_err();
    let list = OwnedRwLockWriteGuard::map(all, |all| &mut all.1);
    assert!(Arc::ptr_eq(
        OwnedRwLockMappedWriteGuard::rwlock(&list),
        &lock
    ));
    let list = OwnedRwLockMappedWriteGuard::try_map(list, |list| list.get_mut(9)).unwrap_err();
    drop(OwnedRwLockMappedWriteGuard::map(list, |list| &mut list[0]));
    let all = OwnedRwLockWriteGuard::into_mapped(now(lock.clone().write_owned()));
    drop(OwnedRwLockMappedWriteGuard::try_map(all, |all| Some(&mut all.0)).unwrap());
    let all = now(lock.clone().write_owned());
    drop(OwnedRwLockWriteGuard::try_map(all, |all| Some(&mut all.0)).unwrap());

    panic_of(|| {
        let guard = lock.try_write().unwrap();
        drop(RwLockWriteGuard::map(guard, |_| -> &mut u8 {
            panic!("in map")
        }));
    });
    assert!(lock.try_write().is_ok());
    assert_eq!(Arc::strong_count(&lock), 1);
}

#[test]
fn guards_go_where_their_values_may() {
    fn goes<T: Send + Sync>(_: &T) {}
    let lock = Arc::new(RwLock::new(1));
    goes(&lock);
    goes(&lock.read());
    goes(&lock.write());
    goes(&lock.clone().read_owned());
    goes(&lock.clone().write_owned());
    goes(&lock.try_read().unwrap());
    goes(&lock.clone().try_read_owned().unwrap());
    goes(&lock.try_write().unwrap());
    goes(&lock.clone().try_write_owned().unwrap());
    goes(&RwLockWriteGuard::into_mapped(lock.try_write().unwrap()));
    assert_eq!(format!("{lock:?}"), "RwLock { data: 1 }");
    let held = lock.try_write().unwrap();
    assert_eq!(format!("{lock:?}"), "RwLock { data: <locked> }");
    drop(held);
}

#[test]
fn threads_wait_and_workers_refuse_to() {
    bounded(|| {
        let lock = Arc::new(RwLock::new(0));
        let held = lock.try_write().unwrap();
        let waits = {
            let lock = lock.clone();
            std::thread::spawn(move || {
                let seen = *lock.blocking_read();
                *lock.blocking_write() = seen + 1;
            })
        };
        eventually("it waits", || lock.statistics().waiters == 1);
        drop(held);
        waits.join().unwrap();
        assert_eq!(*lock.try_read().unwrap(), 1);
        let refused = |f: &dyn Fn(&RwLock<i32>)| {
            let (file, text) = panic_of(|| single().block_on(async { f(&lock) }));
            assert_eq!(file, file!());
            assert!(text.contains("from within a runtime"), "{text}");
        };
        refused(&|lock| drop(lock.blocking_read()));
        refused(&|lock| drop(lock.blocking_write()));
    });
}

enum Guard<'a> {
    Read(#[expect(dead_code, reason = "held")] RwLockReadGuard<'a, ()>),
    Write(RwLockWriteGuard<'a, ()>),
}

/// Those who have it, and the line: who, and whether it writes.
#[derive(Default)]
struct Reference {
    readers: usize,
    writes: bool,
    line: VecDeque<(usize, bool)>,
    told: Vec<usize>,
}

impl Reference {
    fn can(&self, writes: bool) -> bool {
        !self.writes && (self.readers == 0 || !writes)
    }

    fn take(&mut self, writes: bool) {
        self.writes |= writes;
        self.readers += usize::from(!writes);
    }

    fn give(&mut self, writes: bool) {
        self.writes &= !writes;
        self.readers -= usize::from(!writes);
        self.advance();
    }

    fn advance(&mut self) {
        while let Some((id, writes)) = self.line.front().copied() {
            if !self.can(writes) {
                return;
            }
            self.line.pop_front();
            self.take(writes);
            self.told.push(id);
        }
    }
}

#[test]
fn it_does_what_the_reference_does() {
    let mut random = Random::from_env();
    for _ in 0..many(300) {
        let lock = RwLock::new(());
        let mut reference = Reference::default();
        let mut held = Vec::new();
        let mut waiting = Vec::new();
        for id in 0..200 {
            match random.below(8) {
                0..4 => {
                    let writes = random.below(3) == 0;
                    let lock = &lock;
                    let mut polled = Polled::new(async move {
                        if writes {
                            Guard::Write(lock.write().await)
                        } else {
                            Guard::Read(lock.read().await)
                        }
                    });
                    match polled.poll() {
                        Poll::Ready(guard) => {
                            assert!(reference.can(writes) && reference.line.is_empty());
                            reference.take(writes);
                            held.push((writes, guard));
                        }
                        Poll::Pending => {
                            assert!(!reference.can(writes) || !reference.line.is_empty());
                            reference.line.push_back((id, writes));
                            waiting.push((id, writes, polled));
                        }
                    }
                }
                4..6 if !held.is_empty() => {
                    let (writes, guard) = held.swap_remove(random.below(held.len()));
                    match guard {
                        Guard::Write(guard) if random.below(3) == 0 => {
                            held.push((false, Guard::Read(guard.downgrade())));
                            reference.writes = false;
                            reference.take(false);
                            reference.advance();
                        }
                        guard => {
                            drop(guard);
                            reference.give(writes);
                        }
                    }
                }
                6 if !waiting.is_empty() => {
                    let at = random.below(waiting.len());
                    let (id, writes, polled) = waiting.swap_remove(at);
                    drop(polled);
                    reference.line.retain(|waiter| waiter.0 != id);
                    match reference.told.iter().position(|told| *told == id) {
                        Some(at) => {
                            reference.told.swap_remove(at);
                            reference.give(writes);
                        }
                        None => reference.advance(),
                    }
                }
                _ if !waiting.is_empty() => {
                    let at = random.below(waiting.len());
                    let (id, writes, polled) = &mut waiting[at];
                    let told = reference.told.iter().position(|told| told == id);
                    match (polled.poll(), told) {
                        (Poll::Pending, None) => {}
                        (Poll::Ready(guard), Some(told)) => {
                            held.push((*writes, guard));
                            reference.told.swap_remove(told);
                            waiting.swap_remove(at);
                        }
                        (_, told) => panic!("{id} should be told: {}", told.is_some()),
                    }
                }
                _ => {}
            }
            assert_eq!(lock.statistics().waiters, reference.line.len());
            for (id, _, polled) in &waiting {
                assert_eq!(polled.is_woken(), reference.told.contains(id));
            }
        }
    }
}

/// Under 8 workers, with waiters that give up and tasks that are aborted: never a writer beside another.
#[test]
fn nothing_is_lost_among_many_who_come_and_go() {
    bounded(|| {
        let mut random = Random::from_env();
        let rt = multi(8);
        let lock = Arc::new(RwLock::with_max_readers(0u64, 4));
        // Readers, or -1 for a writer.
        let inside = Arc::new(AtomicIsize::new(0));
        struct Leaves<'a>(&'a AtomicIsize, isize);
        impl Drop for Leaves<'_> {
            fn drop(&mut self) {
                self.0.fetch_sub(self.1, Ordering::SeqCst);
            }
        }
        let tasks: Vec<_> = (0..32)
            .map(|_| {
                let mut random = random.fork();
                let (lock, inside) = (lock.clone(), inside.clone());
                rt.spawn(async move {
                    for _ in 0..many(500) {
                        if random.below(3) == 0 {
                            let got = for_a_while(&mut random, lock.write()).await;
                            let Some(mut value) = got else { continue };
                            assert_eq!(inside.fetch_sub(1, Ordering::SeqCst), 0);
                            let leaves = Leaves(&inside, -1);
                            *value += 1;
                            if random.below(3) == 0 {
                                yield_now().await;
                            }
                            drop(leaves);
                            if random.below(2) == 0 {
                                let seen = *value;
                                assert_eq!(*value.downgrade(), seen);
                            }
                        } else {
                            let got = for_a_while(&mut random, lock.read()).await;
                            let Some(value) = got else { continue };
                            assert!((0..4).contains(&inside.fetch_add(1, Ordering::SeqCst)));
                            let _leaves = Leaves(&inside, 1);
                            let seen = *value;
                            if random.below(3) == 0 {
                                yield_now().await;
                            }
                            assert_eq!(*value, seen);
                        }
                    }
                })
            })
            .collect();
        for task in tasks {
            if random.below(8) == 0 {
                task.abort();
            }
            if let Err(error) = rt.block_on(task) {
                assert!(error.is_cancelled(), "{error}");
            }
        }
        assert!(*lock.try_write().unwrap() > 0);
        assert_eq!(inside.load(Ordering::SeqCst), 0);
        assert_eq!(lock.statistics().waiters, 0);
        assert!(lock.statistics().most_waiters > 0, "nobody ever waited");
    });
}

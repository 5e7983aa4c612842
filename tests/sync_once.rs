//! `OnceCell` and `SetOnce`: one value, made or set once, seen by all, dropped once.

use std::future::pending;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use filch::sync::{OnceCell, SetError, SetOnce, SetOnceError};

mod common;
#[path = "common/polled.rs"]
mod polled;
use common::{Counted, Drops, Random, bounded, many, multi};
use polled::{Polled, for_a_while, now, panic_of};

#[test]
fn a_cell_is_made_once() {
    let cell = OnceCell::new();
    assert!(!cell.initialized() && cell.get().is_none());
    assert_eq!(*now(cell.get_or_init(|| async { 1 })), 1);
    assert_eq!(*now(cell.get_or_init(|| async { panic!("made twice") })), 1);
    assert_eq!(cell.set(2), Err(SetError::AlreadyInitializedError(2)));
    assert!(cell.set(2).unwrap_err().is_already_init_err());
    assert_eq!(
        cell.set(2).unwrap_err().to_string(),
        "AlreadyInitializedError"
    );
    assert_eq!(cell.get(), Some(&1));
}

#[test]
fn a_cell_can_be_set_changed_and_emptied() {
    let mut cell = OnceCell::new();
    cell.set(1).unwrap();
    *cell.get_mut().unwrap() = 2;
    assert_eq!(cell.clone().into_inner(), Some(2));
    assert_eq!(cell, OnceCell::new_with(Some(2)));
    assert_eq!(format!("{cell:?}"), "OnceCell { value: Some(2) }");
    assert_eq!(cell.take(), Some(2));
    assert_eq!(cell.take(), None);
    assert_eq!(cell.get_mut(), None);
    cell.set(3).unwrap();
    assert_eq!(OnceCell::from(4).into_inner(), Some(4));
    assert_eq!(OnceCell::<u8>::default().into_inner(), None);
    assert_eq!(OnceCell::<u8>::new_with(None).into_inner(), None);
    static GIVEN: OnceCell<u8> = OnceCell::const_new_with(5);
    assert_eq!(GIVEN.get(), Some(&5));
    assert!(GIVEN.set(6).is_err());
}

#[test]
fn while_one_makes_it_the_others_wait() {
    let cell = OnceCell::new();
    let mut makes = Polled::waiting(cell.get_or_init(|| async {
        filch::task::yield_now().await;
        1
    }));
    let mut waits = Polled::waiting(cell.get_or_init(|| async { 2 }));
    assert_eq!(cell.set(3), Err(SetError::InitializingError(3)));
    assert!(cell.set(3).unwrap_err().is_initializing_err());
    assert_eq!(cell.statistics().waiters, 1);
    assert_eq!(*makes.ready(), 1);
    assert!(waits.is_woken());
    assert_eq!(*waits.ready(), 1);
}

#[test]
fn a_maker_that_fails_panics_or_goes_leaves_it_to_the_next() {
    let cell = OnceCell::new();
    let failed = now(cell.get_or_try_init(|| async { Err::<u8, _>("no") }));
    assert_eq!(failed, Err("no"));
    let (_, text) = panic_of(|| {
        now(cell.get_or_init(|| async { panic!("a maker") }));
    });
    assert_eq!(text, "a maker");
    let goes = Polled::waiting(cell.get_or_init(pending));
    let mut next = Polled::waiting(cell.get_or_try_init(|| async { Ok::<_, ()>(7) }));
    drop(goes);
    assert!(next.is_woken());
    assert_eq!(next.ready(), Ok(&7));
    assert_eq!(now(cell.get_or_try_init(|| async { Err(()) })), Ok(&7));
}

#[test]
fn values_are_dropped_once() {
    let drops = Drops::default();
    let check = |count: usize, f: &dyn Fn()| {
        let before = drops.count();
        f();
        assert_eq!(drops.count() - before, count);
    };
    check(1, &|| drop(OnceCell::from(drops.counted())));
    check(1, &|| drop(OnceCell::from(drops.counted()).into_inner()));
    check(1, &|| drop(SetOnce::from(drops.counted()).into_inner()));
    check(1, &|| drop(SetOnce::new_with(Some(drops.counted()))));
    check(0, &|| drop(OnceCell::<Counted>::new()));
    check(0, &|| drop(SetOnce::<Counted>::new()));
    check(2, &|| {
        let cell = OnceCell::new();
        assert!(cell.set(drops.counted()).is_ok());
        assert!(cell.set(drops.counted()).is_err());
    });
    check(2, &|| {
        let once = SetOnce::new();
        assert!(once.set(drops.counted()).is_ok());
        assert!(once.set(drops.counted()).is_err());
    });
    check(1, &|| {
        let mut cell = OnceCell::from(drops.counted());
        drop(cell.take());
        drop(cell);
    });
}

/// A value whose drop panics: the panic is the owner's.
#[test]
fn a_panic_in_the_drop_of_a_value_goes_to_who_drops_it() {
    struct Bomb;
    impl Drop for Bomb {
        fn drop(&mut self) {
            panic!("a bomb");
        }
    }
    for f in [
        || drop(OnceCell::from(Bomb)),
        || drop(SetOnce::from(Bomb)),
        || drop(filch::sync::Mutex::new(Bomb)),
        || drop(filch::sync::RwLock::new(Bomb)),
    ] {
        assert_eq!(panic_of(f).1, "a bomb");
    }
}

#[test]
fn a_value_is_set_once_and_all_who_wait_get_it() {
    let once = SetOnce::new();
    assert!(!once.initialized() && once.get().is_none());
    let mut all: Vec<_> = (0..50).map(|_| Polled::waiting(once.wait())).collect();
    drop(all.pop());
    assert_eq!(once.statistics().waiters, 49);
    once.set(1).unwrap();
    assert_eq!(once.set(2), Err(SetOnceError(2)));
    assert_eq!(once.set(2).unwrap_err().to_string(), "SetOnceError");
    for waiter in &mut all {
        assert!(waiter.is_woken());
        assert_eq!(*waiter.ready(), 1);
    }
    assert_eq!(*now(once.wait()), 1);
    drop(all);
    assert_eq!(once, once.clone());
    assert_eq!(format!("{once:?}"), "SetOnce { value: Some(1) }");
    assert_eq!(once.into_inner(), Some(1));
    static GIVEN: SetOnce<u8> = SetOnce::const_new_with(5);
    assert_eq!(*now(GIVEN.wait()), 5);
    assert_eq!(SetOnce::<u8>::default().into_inner(), None);
}

/// What may be shared or moved follows the value.
#[test]
fn they_go_where_their_values_may() {
    fn goes<T: Send + Sync>(_: &T) {}
    goes(&OnceCell::from(1));
    goes(&SetOnce::from(1));
    fn moves<T: Send>(_: &T) {}
    moves(&OnceCell::from(std::cell::Cell::new(1)));
    moves(&SetOnce::from(std::cell::Cell::new(1)));
}

/// Random makers, some of which fail, panic or are dropped, against what must hold: made once, by one at a time.
#[test]
fn of_many_makers_one_makes_it() {
    bounded(|| {
        let mut random = Random::from_env();
        let rt = multi(8);
        for _ in 0..many(100) {
            let cell = Arc::new(OnceCell::new());
            let once = Arc::new(SetOnce::new());
            let (made, makers) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
            let tasks: Vec<_> = (0..16)
                .map(|me| {
                    let (mut random, cell, once) = (random.fork(), cell.clone(), once.clone());
                    let (made, makers) = (made.clone(), makers.clone());
                    rt.spawn(async move {
                        struct Leaves(Arc<AtomicUsize>);
                        impl Drop for Leaves {
                            fn drop(&mut self) {
                                self.0.fetch_sub(1, Ordering::SeqCst);
                            }
                        }
                        loop {
                            let way = random.below(3);
                            let make = || async {
                                assert_eq!(makers.fetch_add(1, Ordering::SeqCst), 0);
                                let leaves = Leaves(makers.clone());
                                filch::task::yield_now().await;
                                if way > 0 {
                                    return Err(());
                                }
                                made.fetch_add(1, Ordering::SeqCst);
                                drop(leaves);
                                Ok(me)
                            };
                            let got = for_a_while(&mut random, cell.get_or_try_init(make)).await;
                            if let Some(Ok(value)) = got {
                                let is_first = once.set(*value).is_ok();
                                assert!(!is_first || made.load(Ordering::SeqCst) == 1);
                                return (*value, *once.wait().await);
                            }
                        }
                    })
                })
                .collect();
            for task in tasks {
                let (value, set) = rt.block_on(task).unwrap();
                assert_eq!((Some(&value), value), (cell.get(), set));
            }
            assert_eq!(made.load(Ordering::SeqCst), 1);
            assert_eq!(cell.statistics().waiters, 0);
            assert_eq!(once.statistics().waiters, 0);
        }
    });
}

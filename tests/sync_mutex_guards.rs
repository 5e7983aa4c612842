//! The guards of `Mutex`: what they lead to, where they may go, and what debug builds tell of them.

use std::future::Future;
use std::sync::Arc;
use std::task::Poll;

use filch::sync::{MappedMutexGuard, Mutex, MutexGuard, OwnedMappedMutexGuard, OwnedMutexGuard};

mod common;
#[path = "common/polled.rs"]
mod polled;
use common::{child, child_role, run_child};
use polled::{now, panic_of};

#[test]
fn guards_can_be_narrowed() {
    let mutex = Arc::new(Mutex::new((1, vec![2, 3])));
    let one = MutexGuard::map(now(mutex.lock()), |all| &mut all.0);
    assert_eq!(format!("{one} {one:?}"), "1 1");
    drop(one);
    let guard = now(mutex.lock());
    assert!(std::ptr::eq(MutexGuard::mutex(&guard), &*mutex));
    let guard = MutexGuard::try_map(guard, |all| all.1.get_mut(9)).unwrap_err();
    let mut list = MutexGuard::try_map(guard, |all| Some(&mut all.1)).unwrap();
    list.push(4);
    let list = MappedMutexGuard::try_map(list, |list| list.get_mut(9)).unwrap_err();
    let last = MappedMutexGuard::try_map(list, |list| list.last_mut()).unwrap();
    let last = MappedMutexGuard::map(last, |last| last);
    assert_eq!(*last, 4);
    assert!(mutex.try_lock().is_err());
    drop(last);

    let guard = now(mutex.clone().lock_owned());
    assert!(Arc::ptr_eq(OwnedMutexGuard::mutex(&guard), &mutex));
    let guard = OwnedMutexGuard::try_map(guard, |all| all.1.get_mut(9)).unwrap_err();
    let list = OwnedMutexGuard::try_map(guard, |all| Some(&mut all.1)).unwrap();
    let list = OwnedMappedMutexGuard::try_map(list, |list| list.get_mut(9)).unwrap_err();
    let mut first = OwnedMappedMutexGuard::map(list, |list| &mut list[0]);
    *first = 7;
    assert!(mutex.try_lock().is_err());
    drop(first);
    drop(OwnedMutexGuard::map(
        now(mutex.clone().lock_owned()),
        |all| &mut all.0,
    ));
    assert_eq!(*mutex.try_lock().unwrap(), (1, vec![7, 3, 4]));

    let (_, text) = panic_of(|| {
        drop(MutexGuard::map(mutex.try_lock().unwrap(), |_| -> &mut u8 {
            panic!("in map")
        }));
    });
    assert_eq!(text, "in map");
    assert!(mutex.try_lock().is_ok());
}

#[test]
fn guards_go_where_their_values_may() {
    fn goes<T: Send + Sync>(_: &T) {}
    let mutex = Arc::new(Mutex::new(1));
    goes(&mutex);
    goes(&mutex.lock());
    goes(&mutex.clone().lock_owned());
    goes(&mutex.try_lock().unwrap());
    goes(&mutex.clone().try_lock_owned().unwrap());
    goes(&MutexGuard::map(mutex.try_lock().unwrap(), |n| n));
    let owned = mutex.clone().try_lock_owned().unwrap();
    goes(&OwnedMutexGuard::map(owned, |n| n));
    goes(&Mutex::new(std::cell::Cell::new(1)));
}

#[test]
fn debug_builds_tell_of_a_lock_that_a_task_waits_for_and_has() {
    if child_role().is_some() {
        filch::block_on(async {
            let task = filch::spawn(async {
                let mutex = Mutex::new(1);
                let _held = mutex.lock().await;
                let mut again = Box::pin(mutex.lock());
                let once = std::future::poll_fn(|context| {
                    Poll::Ready(again.as_mut().poll(context).is_pending())
                });
                assert!(once.await);
            });
            task.await.unwrap();
        });
        return;
    }
    let name = "debug_builds_tell_of_a_lock_that_a_task_waits_for_and_has";
    let output = run_child(child(name, "child"));
    let told = String::from_utf8_lossy(&output.stderr);
    let expected = "waits for a `Mutex` that it locked itself";
    assert_eq!(told.contains(expected), cfg!(debug_assertions), "{told}");
}

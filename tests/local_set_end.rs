//! A `LocalSet` drops the futures of its tasks, each once and at home, whatever holds on to them elsewhere.

use std::cell::RefCell;
use std::future::{pending, poll_fn};
use std::rc::Rc;
use std::task::{Poll, Waker};
use std::thread::ThreadId;

use filch::runtime::Runtime;
use filch::task::{LocalSet, spawn_local, yield_now};
use futures::channel::oneshot;

mod common;
use common::{Counted, Drops, Random, bounded, eventually, many, multi, on_each_kind, single};

fn here() -> ThreadId {
    std::thread::current().id()
}

#[test]
fn dropping_a_set_drops_each_future_once_in_the_order_of_spawns() {
    struct Tells(
        usize,
        Rc<RefCell<Vec<usize>>>,
        #[expect(dead_code, reason = "dropped")] Counted,
        ThreadId,
    );
    impl Drop for Tells {
        fn drop(&mut self) {
            assert_eq!(here(), self.3);
            self.1.borrow_mut().push(self.0);
        }
    }
    on_each_kind(|rt| {
        let (order, drops) = (Rc::default(), Drops::default());
        let set = LocalSet::new();
        let spawn = |n: usize| {
            let tells = Tells(n, Rc::clone(&order), drops.counted(), here());
            set.spawn_local(async move {
                let _tells = tells;
                // Some wait, some are in the queue, some are done.
                match n % 3 {
                    0 => pending().await,
                    1 => loop {
                        yield_now().await;
                    },
                    _ => {}
                }
            })
        };
        let mut tasks: Vec<_> = (0..30).map(spawn).collect();
        set.block_on(&rt, yield_now());
        assert_eq!(drops.count(), 10);
        order.borrow_mut().clear();
        // Into the places of those that are gone.
        tasks.extend((30..36).map(spawn));
        drop(set);
        let expected: Vec<_> = (0..30).filter(|n| n % 3 < 2).chain(30..36).collect();
        assert_eq!(*order.borrow(), expected);
        assert_eq!(drops.count(), 36);
        for (n, task) in tasks.into_iter().enumerate() {
            let outcome = rt.block_on(task);
            assert_eq!(outcome.is_ok(), n < 30 && n % 3 == 2);
            assert!(outcome.is_ok() || outcome.unwrap_err().is_cancelled());
        }
    });
}

#[test]
fn what_futures_do_when_a_set_drops_them_is_harmless() {
    struct OnDrop<F: FnMut()>(F);
    impl<F: FnMut()> Drop for OnDrop<F> {
        fn drop(&mut self) {
            (self.0)();
        }
    }
    bounded(|| {
        let set = LocalSet::new();
        let late = Rc::new(RefCell::new(None));
        let (send, receive) = oneshot::channel::<()>();
        let waits = set.spawn_local(receive);
        let (lates, wakes) = (late.clone(), waits.abort_handle());
        let spawns = OnDrop(move || {
            // Into the set that goes: its future is dropped at once.
            let drops = Drops::default();
            let counted = drops.counted();
            *lates.borrow_mut() = Some(spawn_local(async move { drop(counted) }));
            assert_eq!(drops.count(), 1);
            wakes.abort();
        });
        let panics = set.spawn_local(async move {
            let _panics = OnDrop(|| panic!("in a drop"));
            let (_spawns, _send) = (spawns, send);
            pending::<()>().await;
        });
        let rt = single();
        set.block_on(&rt, yield_now());
        drop(set);
        assert!(rt.block_on(panics).unwrap_err().is_panic());
        assert!(rt.block_on(waits).unwrap_err().is_cancelled());
        let late = late.borrow_mut().take().unwrap();
        assert!(rt.block_on(late).unwrap_err().is_cancelled());
    });
}

#[test]
fn an_abort_from_another_thread_drops_the_future_at_home() {
    struct Home(ThreadId, Drops);
    impl Drop for Home {
        fn drop(&mut self) {
            assert_eq!(here(), self.0);
            drop(self.1.counted());
        }
    }
    on_each_kind(|rt| {
        let (drops, set) = (Drops::default(), LocalSet::new());
        let at_home = Home(here(), drops.clone());
        let task = set.spawn_local(async move {
            let _at_home = at_home;
            pending::<()>().await;
        });
        set.block_on(&rt, yield_now());
        let abort = task.abort_handle();
        std::thread::spawn(move || abort.abort()).join().unwrap();
        // Not before the set is polled.
        assert_eq!(drops.count(), 0);
        let error = set.block_on(&rt, task).unwrap_err();
        assert!(error.is_cancelled());
        assert_eq!(drops.count(), 1);
    });
}

#[test]
fn wakers_and_handles_outlive_their_set() {
    bounded(|| {
        let (rt, drops) = (multi(2), Drops::default());
        let place = Rc::new(RefCell::new(None));
        let set = LocalSet::new();
        let (leaves, counted) = (place.clone(), drops.counted());
        let task = set.spawn_local(poll_fn(move |context| {
            let _counted = &counted;
            *leaves.borrow_mut() = Some(context.waker().clone());
            Poll::<()>::Pending
        }));
        set.block_on(&rt, yield_now());
        drop(set);
        assert_eq!(drops.count(), 1);
        let waker = place.borrow_mut().take().unwrap();
        let abort = task.abort_handle();
        std::thread::spawn(move || {
            waker.wake_by_ref();
            let last = waker.clone();
            drop(waker);
            last.wake();
            abort.abort();
            assert!(abort.is_finished());
        })
        .join()
        .unwrap();
        assert!(rt.block_on(task).unwrap_err().is_cancelled());
    });
}

#[test]
fn a_set_lives_in_a_variable_of_its_thread() {
    thread_local! {
        static SET: (Runtime, LocalSet) = (single(), LocalSet::new());
    }
    bounded(|| {
        let drops = Drops::default();
        let counted = drops.counted();
        let thread = std::thread::spawn(move || {
            SET.with(|(rt, set)| {
                set.block_on(rt, async {
                    spawn_local(async move {
                        let _counted = counted;
                        pending::<()>().await;
                    });
                    yield_now().await;
                });
            });
        });
        thread.join().unwrap();
        eventually("its variables are dropped", || drops.count() == 1);
    });
}

#[test]
fn a_set_that_is_dropped_while_eight_threads_wake_its_tasks_drops_each_once() {
    bounded(|| {
        let rt = multi(2);
        for _ in 0..many(100) {
            let (drops, set) = (Drops::default(), LocalSet::new());
            let wakers: Rc<RefCell<Vec<Waker>>> = Rc::default();
            for _ in 0..8 {
                let (wakers, counted) = (wakers.clone(), drops.counted());
                set.spawn_local(poll_fn(move |context| {
                    let _counted = &counted;
                    wakers.borrow_mut().push(context.waker().clone());
                    Poll::<()>::Pending
                }));
            }
            set.block_on(&rt, yield_now());
            let threads: Vec<_> = (wakers.take().into_iter().take(8))
                .map(|waker| std::thread::spawn(move || (0..50).for_each(|_| waker.wake_by_ref())))
                .collect();
            set.block_on(&rt, yield_now());
            drop(set);
            assert_eq!(drops.count(), 8);
            threads
                .into_iter()
                .for_each(|thread| thread.join().unwrap());
        }
    });
}

/// Panics when it is dropped, if it is told to, and is counted all the same.
struct Bad(#[expect(dead_code, reason = "dropped")] Counted, bool);

impl Drop for Bad {
    fn drop(&mut self) {
        // Two panics at once would end the process.
        assert!(!self.1 || std::thread::panicking(), "in a drop");
    }
}

#[test]
fn whatever_tasks_and_eight_threads_do_each_future_is_dropped_once_at_home() {
    on_each_kind(|rt| {
        let mut random = Random::from_env();
        for _ in 0..many(100) {
            let (drops, set) = (Drops::default(), LocalSet::new());
            let mut handles = Vec::new();
            let mut tasks = Vec::new();
            for _ in 0..64 {
                let (send, receive) = async_channel::bounded(4);
                let mut own = random.fork();
                let bad = Bad(drops.counted(), own.below(8) == 0);
                let home = here();
                let task = set.spawn_local(async move {
                    let bad = bad;
                    while receive.recv().await.is_ok() {
                        assert_eq!(here(), home);
                        match own.below(8) {
                            0 => panic!("in a poll"),
                            1 => yield_now().await,
                            2 => drop(spawn_local(yield_now())),
                            3 => return bad.1,
                            _ => {}
                        }
                    }
                    pending().await
                });
                handles.push((send, task.abort_handle()));
                tasks.push(task);
            }
            // Eight tasks for each thread; some handles are awaited elsewhere, some dropped.
            let threads: Vec<_> = (0..8)
                .map(|_| {
                    let (mine, mut own) = (handles.split_off(handles.len() - 8), random.fork());
                    let tasks = tasks.split_off(tasks.len() - 4);
                    std::thread::spawn(move || {
                        for _ in 0..200 {
                            let (send, abort) = &mine[own.below(8)];
                            match own.below(64) {
                                0 => abort.abort(),
                                1 => drop(send.close()),
                                _ => drop(send.try_send(())),
                            }
                        }
                        tasks
                    })
                })
                .collect();
            for _ in 0..random.below(100) {
                set.block_on(&rt, yield_now());
            }
            if random.below(2) == 0 {
                let both = threads
                    .into_iter()
                    .flat_map(|thread| thread.join().unwrap());
                tasks.extend(both);
                drop(set);
            } else {
                drop(set);
                let both = threads
                    .into_iter()
                    .flat_map(|thread| thread.join().unwrap());
                tasks.extend(both);
            }
            assert_eq!(drops.count(), 64);
            assert!(tasks.iter().all(|task| task.is_finished()));
            tasks.into_iter().for_each(|task| drop(rt.block_on(task)));
        }
    });
}

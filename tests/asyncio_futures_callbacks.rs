//! Done-callbacks and wrapped futures behave as asyncio's: each test stands for the one of the same name in CPython's
//! Lib/test/test_asyncio/test_futures.py, in the module with the name of its class.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use filch::runtime::Runtime;
use filch::{DoneCallback, Promise, PromiseError};

mod common;
use common::{Drops, bounded, eventually, multi, single};

type Text = Promise<&'static str, &'static str>;

fn promise(rt: &Runtime) -> Text {
    let _entered = rt.enter();
    Promise::new()
}

/// On a multi-thread runtime, and on a current-thread one.
fn on_both(test: impl Fn(&Runtime) + Send + 'static) {
    bounded(move || [multi(2), single()].iter().for_each(test));
}

mod base_future_done_callback_tests {
    use super::*;

    /// What callbacks say.
    #[derive(Clone, Default)]
    struct Bag(Arc<Mutex<Vec<u32>>>);

    impl Bag {
        /// A callback that adds `thing`.
        fn callback(&self, thing: u32) -> DoneCallback<&'static str, &'static str> {
            let bag = self.clone();
            DoneCallback::new(move |_| bag.0.lock().unwrap().push(thing))
        }

        #[track_caller]
        fn assert(&self, all: &[u32]) {
            assert_eq!(*self.0.lock().unwrap(), all);
        }
    }

    /// Lets the callbacks of a promise that is done run.
    fn run_briefly<T, E>(rt: &Runtime, f: &Promise<T, E>)
    where
        T: Send + Sync + 'static,
        E: Send + Sync + 'static,
    {
        let (tell, told) = async_channel::bounded(1);
        f.add_done_callback(move |_| tell.try_send(()).unwrap());
        rt.block_on(async { told.recv().await.unwrap() });
    }

    /// Adds three, removes those with these indices one after another, and sees who runs.
    fn remove(removed: &'static [usize], counts: &'static [usize], left: &'static [u32]) {
        on_both(move |rt| {
            let (f, bag) = (promise(rt), Bag::default());
            let callbacks = [42, 17, 100].map(|thing| bag.callback(thing));
            callbacks.iter().for_each(|callback| {
                f.add_repeated_callback(callback);
            });
            for (n, count) in removed.iter().zip(counts) {
                assert_eq!(f.remove_repeated_callback(&callbacks[*n]), *count);
            }
            bag.assert(&[]);
            f.set_result("foo").unwrap();
            run_briefly(rt, &f);
            bag.assert(left);
            assert_eq!(f.result(), Ok(Ok("foo")));
        });
    }

    #[test]
    fn callbacks_remove_first_callback() {
        remove(&[0, 0], &[1, 0], &[17, 100]);
    }

    #[test]
    fn callbacks_remove_first_and_second_callback() {
        remove(&[0, 1, 0], &[1, 1, 0], &[100]);
    }

    #[test]
    fn callbacks_remove_third_callback() {
        remove(&[2, 2], &[1, 0], &[42, 17]);
    }

    #[test]
    fn callbacks_invoked_on_set_result() {
        remove(&[], &[], &[42, 17, 100]);
    }

    #[test]
    fn callbacks_invoked_on_set_exception() {
        on_both(|rt| {
            let (f, bag) = (promise(rt), Bag::default());
            f.add_repeated_callback(&bag.callback(100));
            f.set_error("e").unwrap();
            run_briefly(rt, &f);
            bag.assert(&[100]);
            assert_eq!(f.error(), Ok(Some(PromiseError::Failed("e"))));
        });
    }

    #[test]
    fn callbacks_invoked_on_cancel() {
        on_both(|rt| {
            let (f, bag) = (promise(rt), Bag::default());
            f.add_repeated_callback(&bag.callback(100));
            assert!(f.cancel(""));
            run_briefly(rt, &f);
            bag.assert(&[100]);
        });
    }

    #[test]
    fn remove_done_callback() {
        on_both(|rt| {
            let (f, bag) = (promise(rt), Bag::default());
            let [cb1, cb2, cb3] = [1, 2, 3].map(|thing| bag.callback(thing));
            f.add_repeated_callback(&cb1);
            f.add_repeated_callback(&cb2);
            assert_eq!(f.remove_repeated_callback(&cb2.clone()), 1);
            assert_eq!(f.remove_repeated_callback(&cb3), 0);
            f.add_repeated_callback(&cb2);
            for _ in 0..5 {
                f.add_repeated_callback(&cb1);
            }
            assert_eq!(f.remove_repeated_callback(&cb1), 6);
            bag.assert(&[]);
            f.set_result("foo").unwrap();
            run_briefly(rt, &f);
            bag.assert(&[2]);
            assert_eq!(f.remove_repeated_callback(&cb2), 0, "it has left");
        });
    }

    #[test]
    fn one_of_many_is_removed_by_its_id() {
        on_both(|rt| {
            let (f, bag) = (promise(rt), Bag::default());
            let callback = bag.callback(1);
            let ids: Vec<_> = (0..3).map(|_| f.add_repeated_callback(&callback)).collect();
            assert!(f.remove_done_callback(ids[1]));
            assert!(!f.remove_done_callback(ids[1]));
            assert_eq!(f.remove_repeated_callback(&callback), 2);
        });
    }

    /// Calls back when it is dropped: what CPython's tests do in `__eq__`, our own code does nowhere but in drops.
    struct Evil<F: Fn()>(F);

    impl<F: Fn()> Drop for Evil<F> {
        fn drop(&mut self) {
            (self.0)();
        }
    }

    #[test]
    fn remove_done_callbacks_list_mutation() {
        on_both(|rt| {
            let (f, bag) = (promise(rt), Bag::default());
            let id = bag.callback(1);
            for _ in 0..63 {
                f.add_repeated_callback(&id);
            }
            let (list, other) = (f.clone(), id.clone());
            let evil = Evil(move || assert_eq!(list.remove_repeated_callback(&other), 63));
            let evil = f.add_done_callback(move |_| drop(evil));
            assert!(f.remove_done_callback(evil));
            assert_eq!(f.remove_repeated_callback(&id), 0);
        });
    }

    #[test]
    fn remove_done_callbacks_list_clear() {
        on_both(|rt| {
            let f = promise(rt);
            let ids = Arc::new(Mutex::new(Vec::new()));
            for _ in 0..64 {
                let (list, all) = (f.clone(), ids.clone());
                let evil = Evil(move || {
                    let next = all.lock().unwrap().pop();
                    assert!(next.is_none_or(|id| list.remove_done_callback(id)));
                });
                let id = f.add_done_callback(move |_| drop(evil));
                ids.lock().unwrap().push(id);
            }
            let first = ids.lock().unwrap().pop().unwrap();
            assert!(f.remove_done_callback(first));
            assert!(ids.lock().unwrap().is_empty(), "each removed the next");
        });
    }

    #[test]
    fn schedule_callbacks_list_mutation_1() {
        // What has left runs, whoever removes it then.
        on_both(|rt| {
            let (f, bag) = (promise(rt), Bag::default());
            let says = bag.callback(1);
            let other = says.clone();
            let mutates = move |f: &Text| assert_eq!(f.remove_repeated_callback(&other), 0);
            f.add_done_callback(mutates);
            f.add_repeated_callback(&says);
            f.add_repeated_callback(&says);
            f.set_result("").unwrap();
            run_briefly(rt, &f);
            bag.assert(&[1, 1]);
        });
    }

    #[test]
    fn schedule_callbacks_list_mutation_2() {
        // A callback that is dropped adds others, without end but for the count.
        on_both(|rt| {
            let (f, added) = (promise(rt), Arc::new(AtomicUsize::new(0)));
            fn add(f: &Text, added: &Arc<AtomicUsize>) -> filch::CallbackId {
                let (list, count) = (f.clone(), added.clone());
                let evil = Evil(move || {
                    if count.fetch_add(1, Ordering::SeqCst) < 100 {
                        list.remove_done_callback(add(&list, &count));
                    }
                });
                f.add_done_callback(move |_| drop(evil))
            }
            assert!(f.remove_done_callback(add(&f, &added)));
            assert_eq!(added.load(Ordering::SeqCst), 101);
        });
    }

    #[test]
    fn a_repeated_callback_is_dropped_once_for_each() {
        on_both(|rt| {
            let (f, drops) = (promise(rt), Drops::default());
            let counted = drops.counted();
            let callback = DoneCallback::new(move |_: &Text| {
                let _ = &counted;
            });
            f.add_repeated_callback(&callback);
            f.add_repeated_callback(&callback);
            drop(callback);
            assert_eq!(drops.count(), 0);
            f.set_result("").unwrap();
            run_briefly(rt, &f);
            eventually("both have gone", || drops.count() == 1);
        });
    }

    #[test]
    fn a_callback_may_be_added_to_many_promises() {
        on_both(|rt| {
            let bag = Bag::default();
            let callback = bag.callback(1);
            let [f, g] = [promise(rt), promise(rt)];
            f.add_repeated_callback(&callback);
            g.add_repeated_callback(&callback);
            assert_eq!(f.remove_repeated_callback(&callback), 1);
            g.set_result("").unwrap();
            run_briefly(rt, &g);
            bag.assert(&[1]);
        });
    }

    #[test]
    fn callback_with_exception() {
        // test_events.HandleTests: a callback that panics does not stop the others.
        on_both(|rt| {
            let (f, bag) = (promise(rt), Bag::default());
            f.add_repeated_callback(&bag.callback(1));
            f.add_done_callback(|_| panic!("a callback"));
            f.add_repeated_callback(&bag.callback(2));
            f.set_result("").unwrap();
            run_briefly(rt, &f);
            bag.assert(&[1, 2]);
        });
    }

    #[test]
    fn the_same_callback_added_when_done_runs_each_time() {
        on_both(|rt| {
            let (f, bag) = (promise(rt), Bag::default());
            f.set_result("").unwrap();
            let callback = bag.callback(1);
            for _ in 0..3 {
                f.add_repeated_callback(&callback);
            }
            run_briefly(rt, &f);
            bag.assert(&[1, 1, 1]);
            assert_eq!(f.remove_repeated_callback(&callback), 0);
        });
    }
}

mod base_future_tests {
    use super::*;

    #[test]
    fn wrap_future() {
        on_both(|rt| {
            let _entered = rt.enter();
            let run = |arg| (arg, std::thread::current().id());
            let f1 = rt.spawn_blocking(move || run("oi"));
            let f2 = Promise::wrap(async { f1.await.map_err(|error| error.to_string()) });
            let (res, ident) = rt.block_on(f2.wait()).unwrap();
            assert_eq!(res, "oi");
            assert_ne!(ident, std::thread::current().id());
        });
    }

    #[test]
    #[should_panic(expected = "there is no filch runtime")]
    fn wrap_future_without_loop() {
        let _promise = Text::wrap(async { Ok("") });
    }

    #[test]
    fn wrap_future_use_running_loop() {
        on_both(|rt| {
            let f = rt.block_on(async { Text::wrap(async { Ok("oi") }) });
            assert_eq!(rt.block_on(f.wait()), Ok("oi"));
        });
    }

    #[test]
    fn wrap_future_cancel() {
        on_both(|rt| {
            let (f1, f2) = (promise(rt), promise(rt));
            Promise::chain(&f1, &f2);
            f2.cancel("no need");
            let reason = "no need".into();
            let cancelled = Err(PromiseError::Cancelled { reason });
            assert_eq!(rt.block_on(f1.wait()), cancelled);
            assert!(f2.is_cancelled());
        });
    }

    #[test]
    fn wrap_future_cancel2() {
        on_both(|rt| {
            let (f1, f2) = (promise(rt), promise(rt));
            Promise::chain(&f1, &f2);
            // Whatever comes first: the callback that brings the result, or the cancellation.
            f1.set_result("42").unwrap();
            let won = f2.cancel("");
            assert_eq!(f1.result(), Ok(Ok("42")));
            assert_eq!(rt.block_on(f2.clone().wait()).is_err(), won);
            assert!(!f1.is_cancelled());
        });
    }

    #[test]
    fn wrap_future_cancel3() {
        // The other way round: a cancelled source cancels the destination.
        on_both(|rt| {
            let (f1, f2) = (promise(rt), promise(rt));
            Promise::chain(&f1, &f2);
            f1.cancel("gone");
            let error = rt.block_on(f2.wait()).unwrap_err();
            assert_eq!(error.to_string(), "the promise was cancelled: gone");
        });
    }

    #[test]
    fn a_chain_leaks_nothing() {
        on_both(|rt| {
            let drops = Drops::default();
            let (f1, f2) = (promise(rt), promise(rt));
            Promise::chain(&f1, &f2);
            for f in [&f1, &f2] {
                let counted = drops.counted();
                f.add_done_callback(move |_| drop(counted));
            }
            drop(f2);
            assert_eq!(drops.count(), 0, "the source may give it a value still");
            drop(f1);
            assert_eq!(drops.count(), 2);
        });
    }

    #[test]
    fn a_wrapped_future_that_panics_cancels_its_promise() {
        on_both(|rt| {
            let _entered = rt.enter();
            let f = Text::wrap(async { panic!("out of tea") });
            let error = rt.block_on(f.wait()).unwrap_err();
            assert!(matches!(error, PromiseError::Cancelled { .. }), "{error}");
        });
    }

    #[test]
    fn a_wrapped_future_whose_runtime_ends_cancels_its_promise() {
        bounded(|| {
            for rt in [multi(2), single()] {
                let _entered = rt.enter();
                let f = Text::wrap(std::future::pending());
                drop(_entered);
                drop(rt);
                eventually("it is cancelled", || f.is_cancelled());
            }
        });
    }
}

/// Lib/test/test_asyncio/test_tasks.py: a coroutine is given to a loop by another thread.
mod run_coroutine_threadsafe_tests {
    use super::*;

    /// Wraps `future` on a thread that is none of the runtime's.
    fn target(
        rt: &Runtime,
        future: impl Future<Output = Result<&'static str, &'static str>> + Send + 'static,
    ) -> Text {
        let handle = rt.handle().clone();
        let thread = std::thread::spawn(move || {
            let _entered = handle.enter();
            Text::wrap(future)
        });
        thread.join().unwrap()
    }

    async fn add(fail: bool) -> Result<&'static str, &'static str> {
        filch::task::yield_now().await;
        if fail { Err("Fail!") } else { Ok("3") }
    }

    #[test]
    fn run_coroutine_threadsafe() {
        on_both(|rt| assert_eq!(rt.block_on(target(rt, add(false)).wait()), Ok("3")));
    }

    #[test]
    fn run_coroutine_threadsafe_with_exception() {
        on_both(|rt| {
            let error = rt.block_on(target(rt, add(true)).wait()).unwrap_err();
            assert_eq!(error.to_string(), "Fail!");
        });
    }

    #[test]
    fn run_coroutine_threadsafe_with_timeout() {
        on_both(|rt| {
            let f = target(rt, std::future::pending());
            rt.block_on(async {
                let wait = filch::time::timeout(Duration::from_millis(1), f.clone().wait());
                assert!(wait.await.is_err());
            });
            assert!(!f.is_done() && f.cancel("timeout"));
        });
    }

    #[test]
    fn run_coroutine_threadsafe_task_cancelled() {
        on_both(|rt| {
            let drops = Drops::default();
            let counted = drops.counted();
            let f = target(rt, async {
                let _counted = counted;
                std::future::pending().await
            });
            assert!(f.cancel(""));
            rt.block_on(async {
                while drops.count() == 0 {
                    filch::task::yield_now().await;
                }
            });
            assert!(f.is_cancelled());
        });
    }
}

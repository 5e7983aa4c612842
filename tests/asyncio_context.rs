//! Callbacks and tasks of a loop have copies of the task-local values that were in scope where they were made.

#[path = "common/asyncio.rs"]
mod asyncio_common;
mod common;

use filch::asyncio::{Context, copy_context, create_task, sleep, to_thread};
use filch::{EventLoop, Promise};

use asyncio_common::{Log, in_task, ms, on_loops, panic_of, told};

filch::task_local! {
    #[inherit]
    static CVAR: Word;

    #[inherit]
    static OTHER: Vec<u32>;

    static BOUND: u32;
}

/// A value of the variable. A type of its own: the compiler cannot yet see that a future with a `&'static str` in it is `Send`.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Word(&'static str);

impl PartialEq<&str> for Word {
    fn eq(&self, other: &&str) -> bool {
        self.0 == *other
    }
}

fn cvar() -> Word {
    CVAR.try_get().unwrap_or(Word("nope"))
}

/// A context in which the variable is this.
fn with(value: &'static str) -> Context {
    CVAR.sync_scope(Word(value), copy_context)
}

/// Lib/test/test_asyncio/test_tasks.py, `BaseTaskTests`.
mod base_task_tests {
    use super::*;

    #[test]
    fn context_1() {
        in_task(|| async {
            let sub = create_task(CVAR.scope(Word("something"), async {
                sleep(ms(1)).await;
                cvar()
            }));
            assert_eq!(sub.await.unwrap(), "something");
            // What the other has set is not here.
            assert_eq!(cvar(), "nope");
        });
    }

    #[test]
    fn context_2() {
        in_task(|| {
            CVAR.scope(Word("yes"), async {
                let promise = EventLoop::current().unwrap().create_future::<(), ()>();
                let log = Log::new();
                let into = log.clone();
                promise.add_done_callback(move |_| into.say(cvar()));
                let sub = create_task(async {
                    sleep(ms(0)).await;
                    let inner = CVAR.scope(Word("other"), async {
                        sleep(ms(0)).await;
                        cvar()
                    });
                    (inner.await, cvar())
                });
                assert_eq!(sub.await.unwrap(), (Word("other"), Word("yes")));
                promise.set_result(()).unwrap();
                sleep(ms(0)).await;
                sleep(ms(0)).await;
                assert_eq!(log.take(), ["yes"]);
            })
        });
    }

    #[test]
    fn context_3() {
        // A hundred tasks, each with its own value, over many steps.
        in_task(|| async {
            let tasks: Vec<_> = (0..100)
                .map(|n: u32| {
                    create_task(OTHER.scope(vec![n], async move {
                        for _ in 0..10 {
                            sleep(ms(0)).await;
                            assert_eq!(OTHER.get(), [n]);
                        }
                        OTHER.get()[0]
                    }))
                })
                .collect();
            for (n, task) in tasks.into_iter().enumerate() {
                assert_eq!(task.await.unwrap(), n as u32);
            }
        });
    }

    #[test]
    fn context_4() {
        // The value where the task is made counts, not where it is awaited.
        in_task(|| async {
            let task = CVAR.sync_scope(Word("made"), || create_task(async { cvar() }));
            let seen = CVAR
                .scope(Word("awaited"), async { task.await.unwrap() })
                .await;
            assert_eq!(seen, "made");
        });
    }

    #[test]
    fn context_5() {
        // The context of an explicit argument, not that of the caller.
        in_task(|| async {
            let context = with("given");
            let event_loop = EventLoop::current().unwrap();
            let task = CVAR.sync_scope(Word("here"), || {
                let build = event_loop.build_task().context(&context);
                build.create(async {
                    let before = cvar();
                    sleep(ms(0)).await;
                    (before, cvar())
                })
            });
            assert_eq!(task.await.unwrap(), (Word("given"), Word("given")));
        });
    }

    #[test]
    fn context_6() {
        // Two tasks share one context, a step at a time.
        in_task(|| async {
            let context = with("shared");
            let event_loop = EventLoop::current().unwrap();
            let run = || async {
                for _ in 0..5 {
                    sleep(ms(0)).await;
                    assert_eq!(cvar(), "shared");
                }
            };
            let one = event_loop.build_task().context(&context).create(run());
            let other = event_loop.build_task().context(&context).create(run());
            one.await.unwrap();
            other.await.unwrap();
        });
    }

    #[test]
    fn get_context() {
        // What a task of a task inherits is its maker's.
        in_task(|| {
            CVAR.scope(Word("grandparent"), async {
                let child = create_task(async { create_task(async { cvar() }).await.unwrap() });
                assert_eq!(child.await.unwrap(), "grandparent");
            })
        });
    }

    #[test]
    fn an_eager_task_has_its_context_in_the_first_step() {
        in_task(|| async {
            let event_loop = EventLoop::current().unwrap();
            let context = with("eager");
            let build = event_loop.build_task().context(&context).eager_start(true);
            let task = build.create(async { cvar() });
            assert!(task.is_done());
            assert_eq!(task.result().unwrap().unwrap(), "eager");
            assert_eq!(cvar(), "nope");
        });
    }

    #[test]
    fn what_does_not_inherit_stays_where_it_is() {
        in_task(|| {
            BOUND.scope(1, async {
                assert!(
                    create_task(async { BOUND.try_get().is_err() })
                        .await
                        .unwrap()
                );
            })
        });
    }

    #[test]
    fn a_task_that_panics_leaves_no_value_behind() {
        on_loops(|event_loop| {
            let _told = told(&event_loop);
            let task = CVAR.sync_scope(Word("lost"), || {
                event_loop.create_task(async { panic!("{}", cvar().0) })
            });
            let outcome: Result<(), _> = event_loop.run_until_complete(task);
            assert!(outcome.unwrap_err().to_string().contains("lost"));
            assert_eq!(
                event_loop.run_until_complete(async { cvar() }).unwrap(),
                "nope"
            );
        });
    }

    #[test]
    fn the_destructors_of_a_cancelled_task_have_its_values() {
        struct Says(Log<Word>);
        impl Drop for Says {
            fn drop(&mut self) {
                self.0.say(cvar());
            }
        }
        in_task(|| async {
            let log = Log::new();
            let says = Says(log.clone());
            let task = CVAR.sync_scope(Word("inside"), || {
                create_task(async move {
                    let _says = says;
                    std::future::pending::<()>().await;
                })
            });
            sleep(ms(0)).await;
            task.cancel("");
            assert!(task.await.is_err());
            assert_eq!(log.take(), ["inside"]);
        });
    }
}

/// Lib/test/test_context.py, `ContextTest`, and the `context` arguments of the loop's methods.
mod context_test {
    use super::*;

    #[test]
    fn context_run_1() {
        // A context may be run again and again, and what it gives comes out.
        let context = with("in");
        assert_eq!(
            (context.run(cvar), context.run(cvar)),
            (Word("in"), Word("in"))
        );
        assert_eq!(cvar(), "nope");
    }

    #[test]
    fn context_run_2() {
        let context = with("outer");
        let inner = with("inner");
        let seen = context.run(|| (cvar(), inner.run(cvar), cvar()));
        assert_eq!(seen, (Word("outer"), Word("inner"), Word("outer")));
    }

    #[test]
    fn context_run_3() {
        // A panic comes out, and the context can be entered after it.
        let context = with("in");
        assert_eq!(panic_of(|| context.run(|| panic!("{}", cvar().0))), "in");
        assert_eq!(cvar(), "nope");
        assert_eq!(context.run(cvar), "in");
    }

    #[test]
    fn context_run_4() {
        // Within a context another one can be copied: it has the values of the first.
        let copy = with("first").run(copy_context);
        assert_eq!(copy.run(cvar), "first");
    }

    #[test]
    fn context_run_7() {
        let context = with("in");
        let again = context.clone();
        let said = panic_of(|| context.run(|| again.run(|| ())));
        assert_eq!(said, "cannot enter context: it is entered already");
        assert_eq!(context.run(cvar), "in");
    }

    #[test]
    fn context_copy_1() {
        // A copy is its own: entered inside the first.
        let context = with("in");
        let copy = context.run(copy_context);
        assert_eq!(context.run(|| copy.run(cvar)), "in");
    }

    #[test]
    fn context_new_1() {
        assert_eq!(Context::default().run(cvar), "nope");
        assert_eq!(copy_context().run(cvar), "nope");
    }

    #[test]
    fn context_threads_1() {
        let context = with("other thread");
        let seen = std::thread::spawn(move || (cvar(), context.run(cvar)));
        assert_eq!(seen.join().unwrap(), (Word("nope"), Word("other thread")));
    }
}

/// Lib/test/test_asyncio/test_events.py and test_futures2.py: callbacks with their `context`.
mod handle_tests {
    use super::*;

    #[test]
    fn call_soon_captures_at_registration() {
        on_loops(|event_loop| {
            let log = Log::new();
            let say = || {
                let log = log.clone();
                move || log.say(cvar())
            };
            CVAR.sync_scope(Word("soon"), || event_loop.call_soon(say()));
            CVAR.sync_scope(Word("threadsafe"), || {
                event_loop.call_soon_threadsafe(say()).unwrap()
            });
            event_loop.call_soon(say());
            event_loop.run_until_complete(async {}).unwrap();
            assert_eq!(log.take(), ["soon", "threadsafe", "nope"]);
        });
    }

    #[test]
    fn call_later_captures_at_registration() {
        in_task(|| async {
            let event_loop = EventLoop::current().unwrap();
            let done: Promise<Word, ()> = event_loop.create_future();
            let set = done.clone();
            CVAR.sync_scope(Word("later"), || {
                event_loop.call_later(ms(1), move || set.set_result(cvar()).unwrap())
            });
            assert_eq!(done.await.unwrap(), "later");
        });
    }

    #[test]
    fn a_callback_of_a_callback_has_its_context() {
        in_task(|| async {
            let event_loop = EventLoop::current().unwrap();
            let done: Promise<Word, ()> = event_loop.create_future();
            let (on, set) = (event_loop.clone(), done.clone());
            CVAR.sync_scope(Word("inherited"), || {
                event_loop.call_soon(move || {
                    on.call_soon(move || set.set_result(cvar()).unwrap());
                })
            });
            assert_eq!(done.await.unwrap(), "inherited");
        });
    }

    #[test]
    fn add_done_callback_captures_at_registration() {
        in_task(|| async {
            let promise = EventLoop::current().unwrap().create_future::<(), ()>();
            let log = Log::new();
            for value in [Word("one"), Word("two")] {
                let log = log.clone();
                CVAR.sync_scope(value, || {
                    promise.add_done_callback(move |_| log.say(cvar()));
                });
            }
            let into = log.clone();
            promise.add_done_callback(move |_| into.say(cvar()));
            CVAR.sync_scope(Word("setter"), || promise.set_result(()).unwrap());
            sleep(ms(1)).await;
            assert_eq!(log.take(), ["one", "two", "nope"]);
        });
    }

    #[test]
    fn a_callback_of_a_promise_of_the_workers_has_its_context() {
        common::bounded(|| {
            common::multi(2).block_on(async {
                let promise = Promise::<(), ()>::new();
                let (tell, told) = std::sync::mpsc::channel();
                CVAR.sync_scope(Word("kept"), || {
                    promise.add_done_callback(move |_| tell.send(cvar()).unwrap())
                });
                promise.set_result(()).unwrap();
                assert_eq!(told.recv().unwrap(), "kept");
            });
        });
    }

    #[test]
    fn a_context_that_is_in_use_is_told_of() {
        on_loops(|event_loop| {
            let told = told(&event_loop);
            let context = with("in");
            let inner = context.clone();
            event_loop.call_soon(move || context.run(|| inner.run(|| ())));
            event_loop.run_until_complete(async {}).unwrap();
            let all = told.take();
            let said: Vec<_> = all.iter().filter_map(|about| about.exception()).collect();
            assert_eq!(said, ["cannot enter context: it is entered already"]);
        });
    }
}

/// Lib/test/test_asyncio/test_threads.py, `ToThreadTests`.
mod to_thread_tests {
    use super::*;

    #[test]
    fn to_thread_contextvars() {
        in_task(|| {
            CVAR.scope(Word("parrot"), async {
                assert_eq!(to_thread(cvar).await.unwrap(), "parrot");
            })
        });
    }
}

//! What a builder promises: so many threads, under such names, with such hooks; or an error, and nothing left running.

use std::cell::Cell;
use std::collections::HashSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::time::Duration;

use filch::runtime::{Builder, Handle, Runtime, RuntimeFlavor};

mod common;
use common::{
    a_while, assert_ended, assert_healthy, block_workers, bounded, child, child_role, eventually,
    multi, run_child, single, threads_called,
};

/// A child that builds with the environment's number of workers; `role` is how many it expects, or "error".
fn child_with_workers(role: &str) -> Command {
    child("the_environment_says_how_many_workers", role)
}

#[test]
fn the_environment_says_how_many_workers() {
    const NAME: &str = "FILCH_WORKER_THREADS";
    let Some(role) = child_role() else {
        let default = std::thread::available_parallelism().unwrap().get();
        let mut unset = child_with_workers(&default.to_string());
        unset.env_remove(NAME);
        run_child(unset);
        for n in ["1", "3", "17"] {
            let mut set = child_with_workers(n);
            set.env(NAME, n);
            run_child(set);
        }
        for wrong in ["0", "32769", "many", "", "-1", "2.5"] {
            let mut set = child_with_workers("error");
            set.env(NAME, wrong);
            run_child(set);
        }
        return;
    };
    let build = |builder: &mut Builder| builder.enable_all().build();
    let workers = match build(&mut Builder::new_multi_thread()) {
        Ok(rt) => {
            let workers: usize = role.parse().unwrap();
            assert_healthy(&rt, workers);
            assert_eq!(threads_called("filch-w"), workers);
            drop(rt);
            workers
        }
        Err(error) => {
            assert_eq!(role, "error", "{error}");
            assert_eq!(error.kind(), std::io::ErrorKind::InvalidInput);
            assert!(error.to_string().contains(NAME), "{error}");
            0
        }
    };
    // What the program says goes before what the environment says; a current-thread runtime has no workers.
    let rt = build(Builder::new_multi_thread().worker_threads(workers + 1)).unwrap();
    assert_healthy(&rt, workers + 1);
    eventually("those of the first runtime are gone", || {
        threads_called("filch-w") == workers + 1
    });
    assert_eq!(
        build(&mut Builder::new_current_thread())
            .unwrap()
            .block_on(async { 1 }),
        1
    );
}

#[test]
fn a_number_of_workers_that_is_no_text_is_an_error() {
    use std::os::unix::ffi::OsStrExt;
    let Some(_) = child_role() else {
        let mut set = child("a_number_of_workers_that_is_no_text_is_an_error", "");
        set.env(
            "FILCH_WORKER_THREADS",
            std::ffi::OsStr::from_bytes(b"\xff4"),
        );
        run_child(set);
        return;
    };
    assert!(Runtime::new().is_err());
}

#[test]
fn numbers_that_make_no_sense_panic() {
    type Call = fn(&mut Builder) -> &mut Builder;
    let calls: [Call; 6] = [
        |b| b.worker_threads(0),
        |b| b.worker_threads(32769),
        |b| b.max_blocking_threads(0),
        |b| b.guard_tick(Duration::ZERO),
        |b| b.event_interval(0),
        |b| b.global_queue_interval(0),
    ];
    for (n, call) in calls.into_iter().enumerate() {
        let mut builder = Builder::new_multi_thread();
        assert!(
            catch_unwind(AssertUnwindSafe(|| drop(format!(
                "{:?}",
                call(&mut builder)
            ))))
            .is_err(),
            "call {n}"
        );
    }
}

#[test]
fn every_runtime_has_as_many_workers_as_asked_for() {
    bounded(|| {
        for workers in [1, 2, 8, 64] {
            assert_healthy(&multi(workers), workers);
        }
    });
}

#[test]
fn thread_names_fit_the_fifteen_characters_of_the_system() {
    bounded(|| {
        let mut builder = Builder::new_multi_thread();
        let names = Arc::new(Mutex::new(HashSet::new()));
        let of_threads = names.clone();
        let note = move || {
            let name = std::thread::current().name().unwrap().to_owned();
            of_threads.lock().unwrap().insert(name);
        };
        let rt = builder
            .worker_threads(12)
            .on_thread_start(note)
            .build()
            .unwrap();
        assert_healthy(&rt, 12);
        rt.block_on(rt.spawn_blocking(|| ())).unwrap();
        eventually("the reactor has a thread", || {
            threads_called("filch-reactor") > 0
        });
        let mut expected: HashSet<_> = (0..12).map(|n| format!("filch-w{n:02}")).collect();
        expected.insert("filch-b001".to_owned());
        assert_eq!(*names.lock().unwrap(), expected);
        assert!(expected.iter().all(|name| name.len() <= 15));
    });
}

#[test]
fn each_thread_is_named_by_the_function_once() {
    bounded(|| {
        let asked = Arc::new(AtomicUsize::new(0));
        let count = asked.clone();
        let mut builder = Builder::new_multi_thread();
        builder
            .worker_threads(3)
            .thread_name_fn(move || format!("mine-{}", count.fetch_add(1, Ordering::SeqCst)));
        let rt = builder.build().unwrap();
        rt.block_on(rt.spawn_blocking(|| ())).unwrap();
        assert_eq!(
            asked.load(Ordering::SeqCst),
            5,
            "workers, reactor, a blocking thread"
        );
        eventually("the names are set", || threads_called("mine-") == 5);
        drop(rt);
        assert_ended("mine-");
        let rt = builder.thread_name("ours").build().unwrap();
        eventually("the names are set", || threads_called("ours") == 4);
        drop(rt);
    });
}

#[test]
fn hooks_are_called_on_each_thread_in_pairs() {
    thread_local! {
        static SLEEPS: Cell<bool> = const { Cell::new(false) };
    }
    bounded(|| {
        // Starts, stops, parks, unparks, and calls that come at the wrong moment.
        let counts = Arc::new([const { AtomicUsize::new(0) }; 5]);
        let count = |n: usize| {
            let counts = counts.clone();
            move |right: bool| {
                counts[if right { n } else { 4 }].fetch_add(1, Ordering::SeqCst);
            }
        };
        let get = |n: usize| counts[n].load(Ordering::SeqCst);
        let (start, stop, park, unpark) = (count(0), count(1), count(2), count(3));
        let mut builder = Builder::new_multi_thread();
        builder
            .worker_threads(4)
            .on_thread_start(move || start(true))
            .on_thread_stop(move || stop(!SLEEPS.get()))
            .on_thread_park(move || park(!SLEEPS.replace(true)))
            .on_thread_unpark(move || unpark(SLEEPS.replace(false)));
        let rt = builder.build().unwrap();
        eventually("each worker sleeps", || get(2) >= 4);
        assert_healthy(&rt, 4);
        assert!(get(3) > 0, "some were woken");
        rt.block_on(rt.spawn_blocking(|| ())).unwrap();
        assert_eq!(get(0), 5, "four workers and a blocking thread");
        assert_eq!(get(1), 0);
        drop(rt);
        assert_eq!((get(0), get(1)), (5, 5));
        assert_eq!(get(2), get(3));
        assert_eq!(get(4), 0, "so many calls came at the wrong moment");
    });
}

/// Builds with one worker and a hook that spawns a task at its first call, and waits for that task.
fn spawn_by_hook(set: fn(&mut Builder, Box<dyn Fn() + Send + Sync>) -> &mut Builder) {
    bounded(move || {
        let (tell, told) = mpsc::channel();
        let mut builder = Builder::new_multi_thread();
        let calls = AtomicUsize::new(0);
        let hook = move || {
            if calls.fetch_add(1, Ordering::SeqCst) == 0 {
                let tell = tell.clone();
                filch::spawn(async move { tell.send(()).unwrap() });
            }
        };
        set(builder.worker_threads(1), Box::new(hook));
        let rt = builder.build().unwrap();
        // The worker sleeps now and then, and is woken.
        eventually("the task of the hook has run", || {
            rt.block_on(rt.spawn(async {})).unwrap();
            told.try_recv().is_ok()
        });
    });
}

#[test]
fn a_task_spawned_by_the_start_hook_runs() {
    spawn_by_hook(|builder, hook| builder.on_thread_start(hook));
}

#[test]
fn a_task_spawned_by_the_unpark_hook_runs() {
    spawn_by_hook(|builder, hook| builder.on_thread_unpark(hook));
}

#[test]
fn a_builder_builds_the_same_runtime_again() {
    bounded(|| {
        let (tell, told) = mpsc::channel();
        let (starts, stalls) = (tell.clone(), tell);
        let mut builder = Builder::new_multi_thread();
        builder
            .worker_threads(2)
            .stall_threshold(Duration::from_millis(2))
            .on_thread_start(move || starts.send("start").unwrap())
            .on_stall(move |_| stalls.send("stall").unwrap());
        for nth in 1..=2 {
            println!("runtime {nth}");
            let rt = builder.build().unwrap();
            // One long poll, until it is reported.
            let gate = block_workers(&rt, 1);
            let mut said = Vec::new();
            while !said.contains(&"stall") {
                said.push(told.recv_timeout(a_while()).unwrap());
            }
            gate.open();
            drop(rt);
            said.extend(told.try_iter());
            assert_eq!(said.iter().filter(|s| **s == "start").count(), 2);
            assert_eq!(said.iter().filter(|s| **s == "stall").count(), 1);
        }
    });
}

#[test]
fn a_stack_as_large_as_asked_for() {
    fn deep(left: usize) -> usize {
        let page = std::hint::black_box([left as u8; 4096]);
        if left == 0 {
            0
        } else {
            usize::from(page[9] == left as u8) + deep(left - 1)
        }
    }
    // A stack that overflows ends the process: let it be a child's.
    if child_role().is_none() {
        return drop(run_child(child("a_stack_as_large_as_asked_for", "")));
    }
    let mut builder = Builder::new_multi_thread();
    let rt = builder
        .worker_threads(1)
        .thread_stack_size(64 << 20)
        .build()
        .unwrap();
    assert_eq!(rt.block_on(rt.spawn(async { deep(4000) })).unwrap(), 4000);
    assert_eq!(rt.block_on(rt.spawn_blocking(|| deep(4000))).unwrap(), 4000);
    assert_eq!(single().block_on(async { 1 }), 1);
}

#[test]
fn a_thread_that_cannot_be_started_is_an_error_and_leaves_nothing_running() {
    bounded(|| {
        let mut builder = Builder::new_multi_thread();
        builder.worker_threads(8).thread_name("doomed");
        assert!(builder.thread_stack_size(1 << 50).build().is_err());
        assert_ended("doomed");
    });
}

#[test]
fn a_build_that_fails_halfway_ends_what_it_started() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    if child_role().is_none() {
        return drop(run_child(child(
            "a_build_that_fails_halfway_ends_what_it_started",
            "",
        )));
    }
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let used = status
        .lines()
        .find(|line| line.starts_with("VmSize"))
        .unwrap();
    let used: u64 = used.split_whitespace().nth(1).unwrap().parse().unwrap();
    let stack = 8 << 30;
    let few = Rlimit {
        current: Some(used * 1024 + 3 * stack + stack / 2),
        ..getrlimit(Resource::As)
    };
    setrlimit(Resource::As, few).unwrap();
    let starts = Arc::new(AtomicUsize::new(0));
    let count = starts.clone();
    let mut builder = Builder::new_multi_thread();
    builder
        .worker_threads(8)
        .thread_name("doomed")
        .thread_stack_size(stack as usize)
        .on_thread_start(move || {
            count.fetch_add(1, Ordering::SeqCst);
        });
    assert!(builder.build().is_err());
    assert_eq!(starts.load(Ordering::SeqCst), 3, "it fails at the fourth");
    assert_ended("doomed");
    // Room for one worker and the reactor is room enough.
    let rt = builder.worker_threads(1).build().unwrap();
    assert_healthy(&rt, 1);
}

#[test]
fn a_handle_says_which_runtime_it_is_of() {
    bounded(|| {
        let mut builder = Builder::new_multi_thread();
        let named = builder.worker_threads(1).name("first").build().unwrap();
        let (other, one_thread) = (multi(1), single());
        assert_eq!(named.handle().name(), Some("first"));
        assert_eq!(other.handle().name(), None);
        assert_eq!(named.handle().runtime_flavor(), RuntimeFlavor::MultiThread);
        assert_eq!(
            one_thread.handle().runtime_flavor(),
            RuntimeFlavor::CurrentThread
        );
        let here = || async { Handle::current().id() };
        let ids: HashSet<_> = [&named, &other, &one_thread]
            .map(|rt| {
                let id = rt.handle().id();
                assert_eq!(rt.block_on(rt.spawn(here())).unwrap(), id);
                assert_eq!(rt.block_on(here()), id);
                id.to_string()
            })
            .into();
        assert_eq!(ids.len(), 3);
    });
}

#[test]
#[should_panic(expected = "the name of a runtime may not be empty")]
fn a_runtime_has_no_empty_name() {
    Builder::new_current_thread().name("");
}

//! Ctrl-C ends a run of a `Runner` in order, and then at once. Tests are named after those of CPython's test_runners.py.
//!
//! SIGINT is raised in a child process only, by the child itself.

mod common;

use std::future::pending;
use std::os::unix::process::ExitStatusExt;
use std::process::Output;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use filch::EventLoop;
use filch::asyncio::{self, RunError, Runner, catch_cancel, create_task, current_task, sleep};
use rustix::process::{Signal, getpid, kill_process};

use common::{a_while, bounded, child, child_role, eventually, run_child, threads_called};

const SIGINT: i32 = 2;

/// Runs the body in a child, which must pass. Here where SIGINT is ignored, which children inherit, it says so.
#[track_caller]
fn in_child(test: &str, body: impl FnOnce() + Send + 'static) {
    if child_role().is_some() {
        bounded(body);
    } else if can_be_interrupted() {
        run_child(child(test, "to be interrupted"));
    }
}

/// As [`in_child`], for one that does not survive.
#[track_caller]
fn in_child_that_dies(test: &str, body: impl FnOnce() + Send + 'static) {
    if child_role().is_some() {
        bounded(body);
        unreachable!("SIGINT has not ended the process");
    } else if can_be_interrupted() {
        let mut command = child(test, "to be interrupted");
        let Output { status, stdout, .. } = bounded(move || command.output().unwrap());
        let text = String::from_utf8_lossy(&stdout).into_owned();
        assert_eq!(status.signal(), Some(SIGINT), "{status}: {text}");
    }
}

fn can_be_interrupted() -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let ignored = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let ignored = ignored.map_or(0, |mask| u64::from_str_radix(mask.trim(), 16).unwrap());
    let ignores = ignored & (1 << (SIGINT - 1)) != 0;
    if ignores {
        println!("skipped: this process was started with SIGINT ignored");
    }
    !ignores
}

fn interrupt_self() {
    kill_process(getpid(), Signal::INT).unwrap();
}

/// Waits until a request to stop the task was heard so often.
async fn requests(count: usize) {
    while current_task().unwrap().cancelling() < count {
        sleep(Duration::from_millis(1)).await;
    }
}

#[test]
fn test_interrupt_call_soon() {
    in_child("test_interrupt_call_soon", || {
        let runner = Runner::new();
        let outcome: Result<(), _> = runner.run(async {
            EventLoop::current().unwrap().call_soon(interrupt_self);
            loop {
                sleep(Duration::ZERO).await;
            }
        });
        assert_eq!(outcome, Err(RunError::KeyboardInterrupt));
        assert_eq!(outcome.unwrap_err().to_string(), "interrupted by Ctrl-C");
        // The loop is whole.
        assert_eq!(runner.run(async { 7 }).unwrap(), 7);
    });
}

#[test]
fn test_interrupt_wait() {
    in_child("test_interrupt_wait", || {
        let runner = Runner::new();
        let tidied = Arc::new(AtomicBool::new(false));
        let tidies = tidied.clone();
        let future = runner.get_loop().create_future::<(), ()>();
        let awaited = future.clone();
        let outcome = runner.run(async move {
            EventLoop::current()
                .unwrap()
                .call_later(Duration::from_millis(1), interrupt_self);
            let heard = catch_cancel(awaited.wait()).await;
            assert_eq!(heard.unwrap_err().reason(), "KeyboardInterrupt");
            tidies.store(true, Ordering::Relaxed);
            // As `raise` does; the request that was heard counts.
            let this = current_task().unwrap();
            this.uncancel();
            this.cancel("KeyboardInterrupt");
            pending::<()>().await;
        });
        assert_eq!(outcome, Err(RunError::KeyboardInterrupt));
        assert!(tidied.load(Ordering::Relaxed));
    });
}

#[test]
fn test_interrupt_cancelled_task() {
    in_child("test_interrupt_cancelled_task", || {
        let outcome: Result<(), _> = asyncio::run(async {
            let this = current_task().unwrap();
            create_task(async move {
                sleep(Duration::ZERO).await;
                this.cancel("by a task");
            });
            catch_cancel(pending::<()>()).await.unwrap_err();
            interrupt_self();
            pending().await
        });
        // Somebody else asked, too: it is no mere interrupt.
        assert!(
            matches!(outcome, Err(RunError::Cancelled { .. })),
            "{outcome:?}"
        );
    });
}

#[test]
fn a_main_task_that_goes_on_gives_its_value() {
    in_child("a_main_task_that_goes_on_gives_its_value", || {
        let outcome = asyncio::run(async {
            interrupt_self();
            catch_cancel(pending::<()>()).await.unwrap_err();
            requests(1).await;
            "tidied up"
        });
        assert_eq!(outcome, Ok("tidied up"));
    });
}

#[test]
fn the_second_interrupt_ends_the_run_at_once() {
    in_child("the_second_interrupt_ends_the_run_at_once", || {
        let dropped = Arc::new(());
        let held = dropped.clone();
        let runner = Runner::new();
        let outcome: Result<(), _> = runner.run(async move {
            let _held = held;
            interrupt_self();
            // It pays no heed.
            catch_cancel(pending::<()>()).await.unwrap_err();
            interrupt_self();
            pending().await
        });
        assert_eq!(outcome, Err(RunError::KeyboardInterrupt));
        assert_eq!(
            Arc::strong_count(&dropped),
            2,
            "closing the runner ends the task, not the run"
        );
        runner.close();
        assert_eq!(Arc::strong_count(&dropped), 1);
    });
}

#[test]
fn the_third_interrupt_ends_a_process_that_is_stuck() {
    in_child_that_dies("the_third_interrupt_ends_a_process_that_is_stuck", || {
        let _never = asyncio::run(async {
            // Each is heard by itself: SIGINT is not counted while it is pending.
            loop {
                interrupt_self();
                std::thread::yield_now();
            }
        });
    });
}

#[test]
fn after_a_run_ctrl_c_ends_the_process_again() {
    in_child_that_dies("after_a_run_ctrl_c_ends_the_process_again", || {
        asyncio::run(async {}).unwrap();
        interrupt_self();
        std::thread::park_timeout(a_while());
    });
}

#[test]
fn a_runner_that_does_not_catch_it_installs_nothing() {
    in_child_that_dies("a_runner_that_does_not_catch_it_installs_nothing", || {
        let _never = Runner::new().catch_ctrl_c(false).run(async {
            assert_eq!(threads_called("filch-ctrl-c"), 0);
            interrupt_self();
            pending::<()>().await;
        });
    });
}

/// CPython's is about threads that cannot have a handler; ours about signals that have one.
#[test]
fn test_signal_install_not_supported_ok() {
    in_child("test_signal_install_not_supported_ok", || {
        let theirs = Arc::new(AtomicBool::new(false));
        signal_hook::flag::register(SIGINT, theirs.clone()).unwrap();
        let heard = theirs.clone();
        let outcome = asyncio::run(async move {
            interrupt_self();
            while !heard.load(Ordering::Relaxed) {
                sleep(Duration::from_millis(1)).await;
            }
            sleep(Duration::from_millis(20)).await;
            assert_eq!(current_task().unwrap().cancelling(), 0);
        });
        assert_eq!(outcome, Ok(()), "who was there first has the signal");
        assert!(theirs.load(Ordering::Relaxed));
    });
}

#[test]
fn one_run_at_a_time_hears_it() {
    in_child("one_run_at_a_time_hears_it", || {
        let first: Result<(), _> = asyncio::run(async {
            let second = std::thread::spawn(|| {
                asyncio::run(async {
                    interrupt_self();
                    sleep(Duration::from_millis(20)).await;
                    current_task().unwrap().cancelling()
                })
            });
            let heard = catch_cancel(pending::<()>()).await;
            assert_eq!(heard.unwrap_err().reason(), "KeyboardInterrupt");
            assert_eq!(second.join().unwrap(), Ok(0));
            interrupt_self();
            pending().await
        });
        assert_eq!(first, Err(RunError::KeyboardInterrupt));
    });
}

#[test]
fn a_main_promise_is_cancelled() {
    in_child("a_main_promise_is_cancelled", || {
        let runner = Runner::new();
        let main = runner.get_loop().create_future::<(), ()>();
        runner.get_loop().call_soon(interrupt_self);
        assert_eq!(runner.run(main.clone()), Err(RunError::KeyboardInterrupt));
        assert!(main.is_cancelled());
    });
}

#[test]
fn the_listening_thread_ends_with_the_run() {
    in_child("the_listening_thread_ends_with_the_run", || {
        for _ in 0..10 {
            let one = || threads_called("filch-ctrl-c") == 1;
            asyncio::run(async move { eventually("start of the listener", one) }).unwrap();
        }
        eventually("end of the listeners", || {
            threads_called("filch-ctrl-c") == 0
        });
    });
}

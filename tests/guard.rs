//! No worker is ever in the way: while some are stuck, I/O, timers and the jobs behind them go on, and somebody tells.

use std::collections::HashSet;
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};

use filch::io::{Interest, Source};
use filch::runtime::{Builder, ReactorMode, Runtime, StallReport};
use filch::task::yield_now;
use filch::time::sleep;

mod common;
use common::{
    Gate, a_turn, a_while, block_workers, bounded, child, child_role, in_time, many, multi, pair,
    read_byte, run_child, single,
};

const MODES: [ReactorMode; 2] = [ReactorMode::Shared, ReactorMode::Dedicated];

fn with_mode(workers: usize, mode: ReactorMode) -> Runtime {
    let mut builder = Builder::new_multi_thread();
    builder.worker_threads(workers).reactor_mode(mode);
    builder.build().unwrap()
}

/// Sends back each byte that comes.
async fn echo(source: Source<UnixStream>) {
    while let Ok(byte) = read_byte(&source).await {
        (&mut source.get_ref()).write_all(&[byte]).unwrap();
    }
}

/// Sends a byte each millisecond, whatever comes back, and tells how long after its moment the answer to each was there.
/// A client that waited for one answer before it sends the next would hide, or pile up, what comes late.
fn round_trips(stream: UnixStream, count: u32) -> Vec<Duration> {
    let start = Instant::now();
    let moment = move |n: u32| start + Duration::from_millis(1) * n;
    let mut sends = stream.try_clone().unwrap();
    let sending = std::thread::spawn(move || {
        for n in 1..=count {
            std::thread::sleep(moment(n).saturating_duration_since(Instant::now()));
            sends.write_all(&[n as u8]).unwrap();
        }
    });
    let mut answers = stream;
    let late = (1..=count).map(|n| {
        let mut byte = [0];
        answers.read_exact(&mut byte).unwrap();
        assert_eq!(byte, [n as u8]);
        moment(n).elapsed()
    });
    let late = late.collect();
    sending.join().unwrap();
    late
}

/// The 99th percentile of what is late in a window of 400 ms: the median of all windows, so that a moment in which the
/// machine runs somebody else does not count. A worker in the way for 200 ms is in the way in each window.
fn p99(late: &[Duration]) -> Duration {
    let p99 = |window: &[Duration]| {
        let mut window = window.to_vec();
        window.sort_unstable();
        window[window.len() * 99 / 100]
    };
    let mut windows: Vec<_> = late.chunks(400).map(p99).collect();
    windows.sort_unstable();
    windows[windows.len() / 2]
}

fn echo_while_all_but_one_are_blocked(workers: usize, mode: ReactorMode) {
    let rt = with_mode(workers, mode);
    let stop = Arc::new(AtomicBool::new(false));
    let blockers: Vec<_> = (1..workers)
        .map(|_| {
            let stop = stop.clone();
            rt.spawn(async move {
                while !stop.load(Ordering::Relaxed) {
                    std::thread::sleep(Duration::from_millis(200));
                    // Whoever waits in the poller runs it next, and blocks.
                    sleep(Duration::from_millis(2)).await;
                }
            })
        })
        .collect();
    let count = many(2800) as u32;
    let peers: Vec<_> = (0..2)
        .map(|_| {
            let (here, there) = rt.block_on(async { pair() });
            rt.spawn(echo(here));
            std::thread::spawn(move || round_trips(there, count))
        })
        .collect();
    // The same against a thread: what this machine makes of it, however busy it is.
    let (mut here, there) = UnixStream::pair().unwrap();
    let control = std::thread::spawn(move || p99(&round_trips(there, count)));
    std::thread::spawn(move || {
        let mut byte = [0];
        while here.read_exact(&mut byte).is_ok() {
            here.write_all(&byte).unwrap();
        }
    });
    let all = peers.into_iter().map(|peer| p99(&peer.join().unwrap()));
    let (p99, control) = (all.max().unwrap(), control.join().unwrap());
    stop.store(true, Ordering::Relaxed);
    blockers
        .into_iter()
        .for_each(|task| rt.block_on(task).unwrap());
    println!("{workers} workers, {mode:?}: p99 {p99:?}, against a thread {control:?}");
    // An answer of ours takes a hop or two more than the thread's.
    let limit = Duration::from_millis(5) + 2 * control;
    assert!(p99 < limit, "p99 {p99:?}, against a thread {control:?}");
}

#[test]
fn echoes_are_quick_while_all_workers_but_one_are_blocked() {
    bounded(|| {
        // Where that is allowed, the threads made from here on go before whatever else runs on this machine.
        let _ = rustix::process::nice(-20);
        for workers in [2, 4] {
            MODES
                .into_iter()
                .for_each(|mode| echo_while_all_but_one_are_blocked(workers, mode));
        }
    });
}

#[test]
fn io_in_block_on_flows_while_all_workers_are_blocked() {
    bounded(|| {
        for mode in MODES {
            let rt = with_mode(8, mode);
            for round in 0..2 {
                if round == 1 {
                    // After a quiet spell the guard sleeps for good, until a worker wakes.
                    std::thread::sleep(Duration::from_millis(100));
                }
                let gate = block_workers(&rt, 8);
                rt.block_on(async {
                    for _ in 0..50 {
                        a_turn().await;
                        sleep(Duration::from_micros(200)).await;
                    }
                });
                gate.open();
            }
        }
    });
}

#[test]
fn what_comes_while_all_workers_are_blocked_is_not_lost() {
    bounded(|| {
        for mode in MODES {
            let rt = with_mode(2, mode);
            let (here, mut there) = rt.block_on(async { pair() });
            rt.spawn(echo(here));
            for n in 0..many(50) {
                let gate = block_workers(&rt, 2);
                there.write_all(&[n as u8]).unwrap();
                rt.block_on(a_turn());
                gate.open();
                let mut byte = [0];
                there.read_exact(&mut byte).unwrap();
                assert_eq!(byte, [n as u8]);
            }
        }
    });
}

#[test]
fn jobs_behind_a_blocked_poll_are_run_by_other_workers() {
    bounded(|| {
        for workers in [2, 8] {
            let rt = multi(workers);
            for count in [1, 2, 10, 100] {
                let task = rt.spawn(async move {
                    // The last one lands in the next slot, the others in the deque.
                    let (tell, told) = mpsc::channel();
                    for n in 0..count {
                        let tell = tell.clone();
                        filch::spawn(async move { tell.send(n).unwrap() });
                    }
                    drop(tell);
                    // This poll ends after they have run.
                    told.iter().count()
                });
                assert_eq!(rt.block_on(task).unwrap(), count);
            }
        }
    });
}

#[test]
fn jobs_behind_a_blocked_poll_are_run_though_all_other_workers_are_busy() {
    bounded(|| {
        let rt = multi(2);
        let spin = |_| {
            rt.spawn(async {
                loop {
                    yield_now().await;
                }
            })
        };
        let spins: Vec<_> = (0..20).map(spin).collect();
        let task = rt.spawn(async {
            let (tell, told) = mpsc::channel();
            for n in 0..3 {
                let tell = tell.clone();
                filch::spawn(async move { tell.send(n).unwrap() });
            }
            drop(tell);
            // The other worker always has something to do.
            told.iter().count()
        });
        let done = rt.block_on(async { filch::time::timeout(a_while(), task).await });
        spins.iter().for_each(|spin| spin.abort());
        assert_eq!(done.expect("the jobs were not run in time").unwrap(), 3);
    });
}

#[test]
fn a_task_woken_by_a_poll_that_then_blocks_is_run_by_another_worker() {
    bounded(|| {
        let rt = multi(2);
        let (send, receive) = async_channel::bounded::<Gate>(1);
        let other = rt.spawn(async move {
            while let Ok(gate) = receive.recv().await {
                gate.open();
            }
        });
        for _ in 0..many(100) {
            let send = send.clone();
            rt.block_on(rt.spawn(async move {
                let gate = Gate::closed();
                send.send(gate.clone()).await.unwrap();
                gate.pass();
            }))
            .unwrap();
        }
        drop(send);
        rt.block_on(other).unwrap();
    });
}

#[test]
fn one_free_worker_runs_the_jobs_behind_all_the_others() {
    bounded(|| {
        let rt = multi(8);
        for _ in 0..many(50) {
            let stuck = |_| {
                rt.spawn(async {
                    let (gate, own) = (Gate::closed(), Gate::closed());
                    let open = own.clone();
                    filch::spawn(async move { open.open() });
                    own.pass();
                    gate.open();
                })
            };
            let tasks: Vec<_> = (0..7).map(stuck).collect();
            tasks
                .into_iter()
                .for_each(|task| rt.block_on(task).unwrap());
        }
    });
}

#[test]
fn a_timer_set_on_a_worker_that_is_stuck_fires() {
    bounded(|| {
        for mode in MODES {
            let rt = with_mode(2, mode);
            for _ in 0..10 {
                rt.block_on(rt.spawn(async {
                    let gate = Gate::closed();
                    let open = gate.clone();
                    filch::spawn(async move {
                        sleep(Duration::from_millis(3)).await;
                        open.open();
                    });
                    // The other task sets its timer on this worker or another.
                    yield_now().await;
                    gate.pass();
                }))
                .unwrap();
            }
        }
    });
}

/// A runtime whose stall reports come out of the channel.
fn with_reports(workers: usize, threshold: Duration) -> (Runtime, mpsc::Receiver<StallReport>) {
    let (tell, told) = mpsc::channel();
    let mut builder = Builder::new_multi_thread();
    builder.worker_threads(workers).stall_threshold(threshold);
    builder.on_stall(move |report| tell.send(report.clone()).unwrap());
    (builder.build().unwrap(), told)
}

#[test]
fn each_long_poll_is_reported_once_with_name_place_and_duration() {
    bounded(|| {
        // Longer than the system keeps a thread from running: a poll that is interrupted is a long poll, too.
        let threshold = Duration::from_millis(50);
        let (rt, told) = with_reports(4, threshold);
        let (go, gates) = async_channel::bounded::<Gate>(1);
        let builder = filch::task::Builder::new().name("crunch");
        let line = line!() + 1;
        let stuck = builder.spawn_on(
            async move {
                while let Ok(gate) = gates.recv().await {
                    gate.pass();
                    // Else the next gate might find the same poll.
                    yield_now().await;
                }
            },
            rt.handle(),
        );
        for _ in 0..5 {
            let gate = Gate::closed();
            go.send_blocking(gate.clone()).unwrap();
            let report = told.recv().unwrap();
            let task = report.task().unwrap();
            assert!(task.starts_with("task \"crunch\""), "{task}");
            assert!(
                task.contains(file!()) && task.contains(&line.to_string()),
                "{task}"
            );
            assert!(
                report.duration() >= threshold && report.worker() < 4,
                "{report:?}"
            );
            assert!(report.to_string().starts_with(task), "{report}");
            // It goes on to be long: no more reports of it.
            std::thread::sleep(2 * threshold);
            gate.open();
        }
        drop(go);
        rt.block_on(stuck.unwrap()).unwrap();
        // A task without a name is told by its id.
        let gate = block_workers(&rt, 1);
        assert!(told.recv().unwrap().task().unwrap().starts_with("task "));
        gate.open();
        drop(rt);
        assert_eq!(told.iter().count(), 0, "more reports than long polls");
    });
}

#[test]
fn workers_that_are_stuck_at_the_same_time_are_all_reported() {
    bounded(|| {
        let (rt, told) = with_reports(8, Duration::from_millis(50));
        let gate = block_workers(&rt, 8);
        let reports: Vec<_> = told.iter().take(8).collect();
        gate.open();
        let workers: HashSet<_> = reports.iter().map(StallReport::worker).collect();
        assert_eq!(workers, (0..8).collect());
        let tasks: HashSet<_> = reports.iter().map(|report| report.task()).collect();
        assert_eq!(tasks.len(), 8);
    });
}

/// What is reported of a runtime in which no poll is long. The machine may make one so.
fn reports_of_short_polls(threshold: Duration) -> Vec<String> {
    let (rt, told) = with_reports(2, threshold);
    let long = threshold * 3 / 2;
    // Threads for blocking, and the thread in `block_on`, keep no task waiting.
    rt.block_on(async {
        std::thread::sleep(long);
        filch::task::spawn_blocking(move || std::thread::sleep(long))
            .await
            .unwrap();
    });
    // Nor do many short polls in a row, nor a task that waits long.
    let start = Instant::now();
    rt.block_on(rt.spawn(async move {
        while start.elapsed() < long {
            yield_now().await;
        }
        sleep(long).await;
    }))
    .unwrap();
    drop(rt);
    told.iter().map(|report| report.to_string()).collect()
}

#[test]
fn what_is_not_a_long_poll_is_not_reported() {
    bounded(|| in_time(|threshold| reports_of_short_polls(threshold).is_empty().then_some(())));
}

/// Voluntary context switches of all threads of this process.
fn switches() -> usize {
    let threads = std::fs::read_dir("/proc/self/task").unwrap();
    let of_thread = |thread: std::io::Result<std::fs::DirEntry>| {
        let text = std::fs::read_to_string(thread.ok()?.path().join("status")).ok()?;
        let line = text.lines().find(|line| line.starts_with("voluntary"))?;
        line.split_whitespace().nth(1)?.parse::<usize>().ok()
    };
    threads.filter_map(of_thread).sum()
}

#[test]
fn an_idle_runtime_does_nothing_at_all() {
    if child_role().is_none() {
        return drop(run_child(child("an_idle_runtime_does_nothing_at_all", "")));
    }
    let idles = |what: &str| {
        // It may take a moment to come to rest.
        let counts = (0..10).map(|_| {
            let before = switches();
            std::thread::sleep(Duration::from_secs(1));
            switches() - before
        });
        let mut seen = Vec::new();
        // The sleep above is one or two of them.
        let at_rest = counts
            .inspect(|count| seen.push(*count))
            .any(|count| count < 10);
        assert!(
            at_rest,
            "{what}: so many context switches in each second: {seen:?}"
        );
    };
    for mode in MODES {
        let rt = with_mode(8, mode);
        idles("after its start");
        let (here, there) = rt.block_on(async {
            filch::spawn(async { sleep(Duration::from_secs(3600)).await });
            a_turn().await;
            pair()
        });
        let waits = rt.spawn(async move { here.ready(Interest::READABLE).await.is_ok() });
        common::assert_healthy(&rt, 8);
        idles("while tasks wait for timers and I/O");
        block_workers(&rt, 8).open();
        (&there).write_all(b"x").unwrap();
        assert!(rt.block_on(waits).unwrap());
        idles("after all were blocked");
    }
    let rt = single();
    let (stop, stopped) = async_channel::bounded::<()>(1);
    let driving = std::thread::spawn(move || {
        rt.block_on(async {
            filch::spawn(async { sleep(Duration::from_secs(3600)).await });
            stopped.recv().await.unwrap();
        });
    });
    idles("in block_on");
    stop.send_blocking(()).unwrap();
    driving.join().unwrap();
}

//! No worker is ever in the way: while some are stuck, I/O, timers and the jobs behind them go on, and somebody tells.

use std::collections::HashSet;
use std::future::poll_fn;
use std::io::{Read, Write};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, mpsc};
use std::task::Poll;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use filch::io::{Interest, Source};
use filch::runtime::{Builder, ReactorMode, Runtime, StallReport};
use filch::task::yield_now;
use filch::time::sleep;

mod common;
use common::{
    Gate, Meeting, a_turn, a_while, block_workers, bounded, child, child_role, in_time, many,
    multi, pair, read_byte, run_child, single,
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

/// What became of the bytes that a peer sends, one after a pause of a millisecond, whatever comes back. A peer that waited
/// for one answer before it sends the next would hide what comes late.
#[derive(Clone, Default)]
struct Echoes(Arc<(Mutex<Count>, Condvar)>);

#[derive(Default)]
struct Count {
    sent: usize,
    answered: usize,
}

impl Echoes {
    fn count(&self) -> MutexGuard<'_, Count> {
        self.0.0.lock().unwrap()
    }

    /// Sends until it is told to stop. Not more than the kernel has room for: `echo` does not wait.
    fn peer(&self, stream: UnixStream, stop: &Arc<AtomicBool>) -> [JoinHandle<()>; 2] {
        let (mut sends, mut answers) = (stream.try_clone().unwrap(), stream);
        let (sent, came, stop) = (self.clone(), self.clone(), stop.clone());
        let sending = std::thread::spawn(move || {
            while !stop.load(Ordering::Relaxed) {
                std::thread::sleep(Duration::from_millis(1));
                let mut count = sent.count();
                if count.sent - count.answered < 100 {
                    count.sent += 1;
                    drop(count);
                    sends.write_all(b"x").unwrap();
                }
            }
            sends.shutdown(Shutdown::Write).unwrap();
        });
        let reading = std::thread::spawn(move || {
            while answers.read_exact(&mut [0]).is_ok() {
                came.count().answered += 1;
                came.0.1.notify_all();
            }
        });
        [sending, reading]
    }

    /// Blocks the thread until so many bytes that are sent from now on are answered.
    fn pass(&self, bytes: usize) {
        let count = self.count();
        let goal = count.sent + bytes;
        let waits = |count: &mut Count| count.answered < goal;
        let waited = self.0.1.wait_timeout_while(count, a_while(), waits);
        let is_late = waited.unwrap().1.timed_out();
        assert!(!is_late, "no echoes while others are blocked");
    }
}

fn echo_while_all_but_one_are_blocked(workers: usize, mode: ReactorMode) {
    let rt = with_mode(workers, mode);
    let stop = Arc::new(AtomicBool::new(false));
    let echoes = [Echoes::default(), Echoes::default()];
    let mut threads = Vec::new();
    for echoes in &echoes {
        let (here, there) = rt.block_on(async { pair() });
        rt.spawn(echo(here));
        threads.extend(echoes.peer(there, &stop));
    }
    let rounds: Vec<_> = (0..many(20)).map(|_| Meeting::of(workers - 1)).collect();
    let blockers: Vec<_> = (1..workers)
        .map(|_| {
            let (rounds, echoes) = (rounds.clone(), echoes.clone());
            rt.spawn(async move {
                for all in rounds {
                    assert_eq!(all.meet(), 0, "so many were never blocked");
                    // In the way until the others have done the work.
                    echoes.iter().for_each(|echoes| echoes.pass(10));
                    // Whoever waits in the poller runs it next, and blocks.
                    sleep(Duration::from_millis(2)).await;
                }
            })
        })
        .collect();
    for blocker in blockers {
        rt.block_on(blocker).unwrap();
    }
    stop.store(true, Ordering::Relaxed);
    threads
        .into_iter()
        .for_each(|thread| thread.join().unwrap());
}

/// A blocked worker goes on only when the others have answered: by order, not by the clock, so that it does not matter what
/// else the machine does. How quick they are is in the benchmark, `echo_blocked_p99`.
#[test]
fn echoes_go_on_while_all_workers_but_one_are_blocked() {
    for workers in [2, 4] {
        for mode in MODES {
            bounded(move || echo_while_all_but_one_are_blocked(workers, mode));
        }
    }
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
        let threshold = Duration::from_millis(10);
        let (rt, told) = with_reports(4, threshold);
        let gates: Vec<_> = (0..5).map(|_| Gate::closed()).collect();
        let mut closed = gates.clone().into_iter();
        // Each of its polls is a long one. A short one might be long, too, where a thread has to wait for its turn.
        let crunch = poll_fn(move |context| {
            closed.next().unwrap().pass();
            if closed.len() == 0 {
                return Poll::Ready(());
            }
            context.waker().wake_by_ref();
            Poll::Pending
        });
        let builder = filch::task::Builder::new().name("crunch");
        let line = line!() + 1;
        let stuck = builder.spawn_on(crunch, rt.handle());
        for gate in gates {
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

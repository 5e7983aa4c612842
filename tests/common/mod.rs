//! What the contract tests share: bounds for waits, seeded randomness, and things to block, count and wake with.

#![allow(dead_code, reason = "each test binary uses a part of it")]

use std::future::{Future, IntoFuture};
use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::process::{Command, Output};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, mpsc};
use std::task::{Context, Poll, Wake, Waker};
use std::time::{Duration, Instant};

use filch::io::{Interest, Source};
use filch::runtime::{Builder, ReactorMode, Runtime};
use filch::task::JoinHandle;

/// True under valgrind (`make memcheck`): everything is slow, so there is less of it.
fn is_small() -> bool {
    std::env::var_os("FILCH_SMALL").is_some()
}

/// So many; a tenth under valgrind.
pub(crate) fn many(n: usize) -> usize {
    if is_small() { (n / 10).max(2) } else { n }
}

/// How long a test may take before it counts as hanging. Far beyond what any needs on a busy machine.
pub(crate) fn patience() -> Duration {
    Duration::from_secs(if is_small() { 600 } else { 60 })
}

/// How long a test may wait for one thing: less than [`patience`], so that it can say what it waits for.
pub(crate) fn a_while() -> Duration {
    patience() / 2
}

/// Runs the test on a thread of its own, and panics if it is not done within [`patience`].
#[track_caller]
pub(crate) fn bounded<R: Send + 'static>(test: impl FnOnce() -> R + Send + 'static) -> R {
    bounded_by(patience(), test)
}

/// As [`bounded`], with another bound.
#[track_caller]
pub(crate) fn bounded_by<R: Send + 'static>(
    limit: Duration,
    test: impl FnOnce() -> R + Send + 'static,
) -> R {
    let (tell, told) = mpsc::channel();
    let body = move || {
        // The test may have been given up.
        let _ = tell.send(catch_unwind(AssertUnwindSafe(test)));
    };
    let thread = std::thread::Builder::new().name("test".to_owned());
    drop(thread.spawn(body).unwrap());
    match told.recv_timeout(limit) {
        Ok(Ok(value)) => value,
        Ok(Err(panic)) => resume_unwind(panic),
        Err(_) => panic!("it hangs: not done after {limit:?}"),
    }
}

/// Looks at `condition` again and again: for what nobody tells, like the end of a thread.
#[track_caller]
pub(crate) fn eventually(what: &str, mut condition: impl FnMut() -> bool) {
    let limit = Instant::now() + a_while();
    while !condition() {
        assert!(Instant::now() < limit, "never true: {what}");
        std::thread::yield_now();
    }
}

/// Tries with ever more time ahead, until the machine is quick enough for it: an attempt gives nothing if the time was
/// too short to say anything.
#[track_caller]
pub(crate) fn in_time<R>(attempt: impl FnMut(Duration) -> Option<R>) -> R {
    let ahead = [30, 300, 3000].map(Duration::from_millis);
    ahead
        .into_iter()
        .find_map(attempt)
        .expect("the machine is too slow")
}

/// A runtime with so many workers.
pub(crate) fn multi(workers: usize) -> Runtime {
    let mut builder = Builder::new_multi_thread();
    builder.worker_threads(workers).enable_all();
    builder.build().unwrap()
}

/// A runtime that runs on the thread in `block_on`.
pub(crate) fn single() -> Runtime {
    Builder::new_current_thread().enable_all().build().unwrap()
}

/// Runs the test on each kind of runtime; says on which before it does.
#[track_caller]
pub(crate) fn on_each_kind(test: impl Fn(Runtime) + Send + 'static) {
    bounded(move || {
        for mode in [ReactorMode::Shared, ReactorMode::Dedicated] {
            println!("on 8 workers, {mode:?}");
            let mut builder = Builder::new_multi_thread();
            builder.worker_threads(8).reactor_mode(mode).enable_all();
            test(builder.build().unwrap());
        }
        println!("on the current thread");
        test(single());
    });
}

/// Runs the test on each kind of runtime, with somebody who drives it meanwhile: what is polled here is no task.
pub(crate) fn driven(test: impl Fn(&Runtime) + Send + 'static) {
    on_each_kind(move |rt| {
        let (end, ended) = async_channel::bounded::<()>(1);
        std::thread::scope(|scope| {
            scope.spawn(|| rt.block_on(ended.recv()));
            let _entered = rt.enter();
            // The other thread ends also if this panics.
            let end = end;
            test(&rt);
            drop(end);
        });
    });
}

/// Panics unless all `workers` run tasks at the same time, and a thousand more tasks run after that.
#[track_caller]
pub(crate) fn assert_healthy(rt: &Runtime, workers: usize) {
    let all = Meeting::of(workers);
    let tasks: Vec<_> = (0..workers)
        .map(|_| {
            let all = all.clone();
            rt.spawn(async move { all.meet() })
        })
        .collect();
    for task in tasks {
        let missing = rt.block_on(task).unwrap();
        assert_eq!(missing, 0, "so many of {workers} workers run no task");
    }
    let tasks: Vec<_> = (0..many(1000))
        .map(|n| rt.spawn(async move { n }))
        .collect();
    for (n, task) in tasks.into_iter().enumerate() {
        assert_eq!(rt.block_on(task).unwrap(), n);
    }
}

/// Runs the test on 8 workers, and then sees that all of them work, and end.
pub(crate) fn hurts_no_other(test: impl FnOnce(&Runtime) + Send + 'static) {
    bounded(|| {
        let rt = multi(8);
        test(&rt);
        assert_healthy(&rt, 8);
        drop(rt);
    });
}

/// Builds with hooks that all panic so, and sees that every worker works and that a blocked one is noticed.
pub(crate) fn hooks_that_panic(panic: fn()) {
    bounded(move || {
        let mut builder = Builder::new_multi_thread();
        let (tell, told) = mpsc::channel();
        builder
            .worker_threads(4)
            .stall_threshold(Duration::from_millis(2));
        builder.on_thread_start(panic).on_thread_stop(panic);
        builder.on_thread_park(panic).on_thread_unpark(panic);
        builder.on_stall(move |_| {
            tell.send(()).unwrap();
            panic();
        });
        let rt = builder.build().unwrap();
        for _ in 0..2 {
            let gate = block_workers(&rt, 1);
            told.recv().unwrap();
            gate.open();
        }
        rt.block_on(rt.spawn_blocking(|| ())).unwrap();
        assert_healthy(&rt, 4);
    });
}

/// A stream that the current runtime watches, and its blocking peer.
pub(crate) fn pair() -> (Source<UnixStream>, UnixStream) {
    let (here, there) = UnixStream::pair().unwrap();
    here.set_nonblocking(true).unwrap();
    (Source::new(here).unwrap(), there)
}

/// Reads one byte; any number of tasks may.
pub(crate) async fn read_byte(source: &Source<UnixStream>) -> io::Result<u8> {
    let mut byte = [0];
    source
        .async_io(Interest::READABLE, |mut stream| {
            stream.read_exact(&mut byte)
        })
        .await?;
    Ok(byte[0])
}

/// Returns when the reactor has made a turn that began after the call.
pub(crate) async fn a_turn() {
    let (here, mut there) = pair();
    there.write_all(b"x").unwrap();
    here.ready(Interest::READABLE).await.unwrap();
}

/// How many threads of this process have a name that begins so.
pub(crate) fn threads_called(name: &str) -> usize {
    let threads = std::fs::read_dir("/proc/self/task").unwrap();
    let names = threads.filter_map(|t| std::fs::read_to_string(t.ok()?.path().join("comm")).ok());
    names.filter(|n| n.starts_with(name)).count()
}

/// Panics unless all threads with such a name are gone. A thread that was joined stays in sight for another moment.
#[track_caller]
pub(crate) fn assert_ended(name: &str) {
    eventually("the threads have ended", || threads_called(name) == 0);
}

/// A place where threads wait for each other, with a bound.
#[derive(Clone)]
pub(crate) struct Meeting(Arc<(Mutex<usize>, Condvar)>);

impl Meeting {
    pub(crate) fn of(threads: usize) -> Meeting {
        Meeting(Arc::new((Mutex::new(threads), Condvar::new())))
    }

    /// Blocks until all have come. The answer is how many never came: 0.
    pub(crate) fn meet(&self) -> usize {
        let (missing, came) = &*self.0;
        let mut now = missing.lock().unwrap();
        *now -= 1;
        came.notify_all();
        let waited = came.wait_timeout_while(now, a_while(), |missing| *missing > 0);
        *waited.unwrap().0
    }
}

/// Blocks threads until it is opened.
#[derive(Clone)]
pub(crate) struct Gate(Arc<(Mutex<bool>, Condvar)>);

impl Gate {
    pub(crate) fn closed() -> Gate {
        Gate(Arc::new((Mutex::new(false), Condvar::new())))
    }

    pub(crate) fn open(&self) {
        *self.0.0.lock().unwrap() = true;
        self.0.1.notify_all();
    }

    /// Blocks the thread.
    pub(crate) fn pass(&self) {
        let (open, opened) = &*self.0;
        let open = open.lock().unwrap();
        let waited = opened.wait_timeout_while(open, a_while(), |open| !*open);
        assert!(*waited.unwrap().0, "the gate was never opened");
    }
}

/// Blocks so many workers, and returns when they are blocked. Open the gate to let them go on.
pub(crate) fn block_workers(rt: &Runtime, workers: usize) -> Gate {
    let (gate, (tell, told)) = (Gate::closed(), mpsc::channel());
    for _ in 0..workers {
        let (gate, tell) = (gate.clone(), tell.clone());
        rt.spawn(async move {
            tell.send(()).unwrap();
            gate.pass();
        });
    }
    (0..workers).for_each(|_| told.recv_timeout(a_while()).unwrap());
    gate
}

/// Counts drops.
#[derive(Clone, Debug, Default)]
pub(crate) struct Drops(Arc<AtomicUsize>);

/// Is counted when it is dropped.
#[derive(Debug)]
pub(crate) struct Counted(Drops);

impl Drops {
    pub(crate) fn counted(&self) -> Counted {
        Counted(self.clone())
    }

    pub(crate) fn count(&self) -> usize {
        self.0.load(Ordering::SeqCst)
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.0.fetch_add(1, Ordering::SeqCst);
    }
}

/// A waker that counts, wakes the thread that made it, and tells whether anybody still holds it.
pub(crate) struct Probe(Arc<Knocks>);

struct Knocks {
    count: AtomicUsize,
    thread: std::thread::Thread,
}

impl Wake for Knocks {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.count.fetch_add(1, Ordering::SeqCst);
        self.thread.unpark();
    }
}

impl Probe {
    pub(crate) fn new() -> Probe {
        Probe(Arc::new(Knocks {
            count: AtomicUsize::new(0),
            thread: std::thread::current(),
        }))
    }

    pub(crate) fn waker(&self) -> Waker {
        Waker::from(self.0.clone())
    }

    /// How often it was woken.
    pub(crate) fn wakes(&self) -> usize {
        self.0.count.load(Ordering::SeqCst)
    }

    /// How many wakers there are.
    pub(crate) fn held(&self) -> usize {
        Arc::strong_count(&self.0) - 1
    }

    /// Polls once with this waker.
    pub(crate) fn poll<F: Future + Unpin>(&self, future: &mut F) -> Poll<F::Output> {
        std::pin::Pin::new(future).poll(&mut Context::from_waker(&self.waker()))
    }

    /// Waits, on the thread that made the probe, until it was woken so often.
    #[track_caller]
    pub(crate) fn wait(&self, wakes: usize) {
        let limit = Instant::now() + a_while();
        while self.wakes() < wakes {
            let left = limit.saturating_duration_since(Instant::now());
            assert!(!left.is_zero(), "woken {} times, not {wakes}", self.wakes());
            std::thread::park_timeout(left);
        }
    }
}

/// Makes a future, polls it 0 times, then another once, and so on, and drops each where it then is: at each of its awaits.
/// Before each poll but the first it waits for the wake-up that must come. Ends with the future that is ready; the answer is at how
/// many awaits it was dropped. Each time no waker may be left.
#[track_caller]
pub(crate) fn drop_at_each_await<F: Future>(what: &str, mut make: impl FnMut() -> F) -> usize {
    for polls in 0.. {
        let probe = Probe::new();
        let mut future = Box::pin(make());
        let mut ready = false;
        for n in 0..polls {
            probe.wait(n);
            ready = probe.poll(&mut future).is_ready();
            if ready {
                break;
            }
        }
        drop(future);
        // Whoever wakes it may hold a waker for the moment that it takes.
        eventually(what, || probe.held() == 0);
        if ready {
            return polls;
        }
        assert!(polls < 10_000, "never ready: {what}");
    }
    unreachable!("it counts without end")
}

/// Numbers that look random, the same for the same seed (splitmix64).
pub(crate) struct Random(u64);

impl Random {
    /// Seeded by the variable `FILCH_SEED` or else by the clock; prints the seed, which is shown if the test fails.
    pub(crate) fn from_env() -> Random {
        let now = || std::time::UNIX_EPOCH.elapsed().unwrap().as_nanos() as u64;
        let seed = std::env::var("FILCH_SEED").map_or_else(|_| now(), |seed| seed.parse().unwrap());
        println!("FILCH_SEED={seed}");
        Random(seed)
    }

    pub(crate) fn from_seed(seed: u64) -> Random {
        Random(seed)
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut x = self.0;
        x = (x ^ (x >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        x = (x ^ (x >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        x ^ (x >> 31)
    }

    /// Below `n`.
    pub(crate) fn below(&mut self, n: usize) -> usize {
        (self.next() % n as u64) as usize
    }

    /// Another stream of numbers, for another thread.
    pub(crate) fn fork(&mut self) -> Random {
        Random(self.next())
    }
}

/// The name of the child's role, if this process is a child made by [`run_child`].
pub(crate) fn child_role() -> Option<String> {
    std::env::var("FILCH_CHILD").ok()
}

/// Runs one test of this binary in a process of its own, where [`child_role`] is `role`.
pub(crate) fn child(test: &str, role: &str) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    let flags = ["--exact", test, "--nocapture", "--test-threads=1"];
    command.args(flags).env("FILCH_CHILD", role);
    command
}

/// Runs the child; panics with its output unless it passes.
#[track_caller]
pub(crate) fn run_child(mut command: Command) -> Output {
    let output = bounded(move || command.output().unwrap());
    let text = String::from_utf8_lossy(&output.stdout);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success(),
        "the child failed\n{text}\n{errors}"
    );
    assert!(text.contains("1 passed"), "the child ran no test\n{text}");
    output
}

/// Runs it to an end that must come.
#[track_caller]
pub(crate) fn end<F: IntoFuture>(rt: &Runtime, future: F) -> F::Output {
    let bound = async { filch::time::timeout(a_while(), future).await };
    rt.block_on(bound).expect("it never ends")
}

/// A task that has begun: it says so by the call that it is given.
pub(crate) fn begun<F: Future + Send + 'static>(
    rt: &Runtime,
    make: impl FnOnce(Box<dyn FnOnce() + Send>) -> F,
) -> JoinHandle<F::Output>
where
    F::Output: Send + 'static,
{
    let (tell, told) = async_channel::bounded(1);
    let task = rt.spawn(make(Box::new(move || tell.send_blocking(()).unwrap())));
    rt.block_on(told.recv()).unwrap();
    task
}

//! What a runtime is made of: the builder.

mod settings;

use std::env::VarError;
use std::fmt;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use crossbeam_utils::sync::Parker;

use crate::blocking::Pool;
use crate::clock::Clock;
use crate::context::{self, Driving, Serving};
use crate::handle::{Handle, Inner, OnUnretrieved, RUNTIMES, RuntimeId, SharedChair};
use crate::home::ThreadMark;
use crate::promise::Unretrieved;
use crate::reactor::guard::Guard;
use crate::reactor::{Reactor, ReactorMode};
use crate::runtime::{Runtime, watch};
use crate::scheduler::{Hooks, OnStall, Scheduler, StallReport};

/// The most worker threads a runtime may have.
const MAX_WORKERS: usize = 32768;

/// Builds a runtime.
///
/// # Source
/// `tokio::runtime::Builder`. Not in tokio's: [`reactor_mode`](Self::reactor_mode), [`guard_tick`](Self::guard_tick),
/// [`stall_threshold`](Self::stall_threshold), [`on_stall`](Self::on_stall), [`on_unretrieved`](Self::on_unretrieved).
///
/// # Examples
/// ```
/// let rt = filch::runtime::Builder::new_multi_thread()
///     .worker_threads(4)
///     .thread_name("crunch")
///     .enable_all()
///     .build()
///     .unwrap();
/// let sum = rt.block_on(async { filch::spawn(async { 1 + 2 }).await.unwrap() });
/// assert_eq!(sum, 3);
/// ```
pub struct Builder {
    pub(crate) current_thread: bool,
    worker_threads: Option<usize>,
    runtime_name: Option<Box<str>>,
    max_blocking_threads: usize,
    thread_keep_alive: Duration,
    thread_name: Option<ThreadName>,
    thread_stack_size: Option<usize>,
    hooks: Hooks,
    reactor_mode: ReactorMode,
    guard_tick: Duration,
    stall_threshold: Duration,
    on_stall: Option<OnStall>,
    on_unretrieved: Option<OnUnretrieved>,
    event_interval: u32,
    global_queue_interval: u32,
    start_paused: bool,
}

type ThreadName = Arc<dyn Fn() -> String + Send + Sync>;

impl Builder {
    fn new(current_thread: bool) -> Builder {
        Builder {
            current_thread,
            worker_threads: None,
            runtime_name: None,
            max_blocking_threads: 512,
            thread_keep_alive: Duration::from_secs(10),
            thread_name: None,
            thread_stack_size: None,
            hooks: Hooks::default(),
            reactor_mode: ReactorMode::default(),
            guard_tick: Duration::from_millis(1),
            stall_threshold: Duration::from_millis(10),
            on_stall: None,
            on_unretrieved: None,
            event_interval: 61,
            global_queue_interval: 61,
            start_paused: false,
        }
    }

    /// For a runtime of worker threads that steal tasks from each other.
    pub fn new_multi_thread() -> Builder {
        Builder::new(false)
    }

    /// For a runtime without threads of its own (but for blocking ones): tasks, I/O and timers run on the thread that is
    /// in [`Runtime::block_on`], while it is there.
    ///
    /// # Examples
    /// ```
    /// let rt = filch::runtime::Builder::new_current_thread().build().unwrap();
    /// let here = std::thread::current().id();
    /// let there = rt.block_on(async { filch::spawn(async { std::thread::current().id() }).await });
    /// assert_eq!(there.unwrap(), here);
    /// ```
    pub fn new_current_thread() -> Builder {
        Builder::new(true)
    }

    /// I/O and timers are always there; this is for programs that come from tokio.
    pub fn enable_all(&mut self) -> &mut Self {
        self
    }

    /// As [`enable_all`](Self::enable_all).
    pub fn enable_io(&mut self) -> &mut Self {
        self
    }

    /// As [`enable_all`](Self::enable_all).
    pub fn enable_time(&mut self) -> &mut Self {
        self
    }

    /// How many worker threads. The default is the environment variable `FILCH_WORKER_THREADS` or, without it,
    /// [`std::thread::available_parallelism`].
    ///
    /// # Panics
    /// If `n` is 0 or more than 32768. A current-thread runtime has no worker threads: there it says nothing.
    #[track_caller]
    pub fn worker_threads(&mut self, n: usize) -> &mut Self {
        assert!(n > 0, "worker threads cannot be set to 0");
        assert!(
            n <= MAX_WORKERS,
            "worker threads cannot be set to more than {MAX_WORKERS}"
        );
        self.worker_threads = Some(n);
        self
    }

    /// How many threads [`spawn_blocking`](crate::spawn_blocking) may use at once; further closures wait. The default is
    /// 512.
    ///
    /// # Panics
    /// If `n` is 0.
    #[track_caller]
    pub fn max_blocking_threads(&mut self, n: usize) -> &mut Self {
        assert!(n > 0, "max blocking threads cannot be set to 0");
        self.max_blocking_threads = n;
        self
    }

    /// How long a blocking thread waits for the next closure before it ends. The default is 10 s.
    pub fn thread_keep_alive(&mut self, duration: Duration) -> &mut Self {
        self.thread_keep_alive = duration;
        self
    }

    /// What all threads of this runtime are called. By default workers are `filch-w03`, blocking threads `filch-b012`,
    /// and the reactor thread is `filch-reactor`.
    ///
    /// # Examples
    /// ```
    /// let rt = filch::runtime::Builder::new_multi_thread().thread_name("crunch").build().unwrap();
    /// let task = rt.spawn(async { std::thread::current().name().map(str::to_owned) });
    /// assert_eq!(rt.block_on(task).unwrap().as_deref(), Some("crunch"));
    /// ```
    pub fn thread_name(&mut self, name: impl Into<String>) -> &mut Self {
        let name = name.into();
        self.thread_name_fn(move || name.clone())
    }

    /// As [`thread_name`](Self::thread_name), asked for each thread.
    pub fn thread_name_fn<F>(&mut self, name: F) -> &mut Self
    where
        F: Fn() -> String + Send + Sync + 'static,
    {
        self.thread_name = Some(Arc::new(name));
        self
    }

    /// The stack size of worker and blocking threads, in bytes. The default is that of [`std::thread::Builder`].
    pub fn thread_stack_size(&mut self, bytes: usize) -> &mut Self {
        self.thread_stack_size = Some(bytes);
        self
    }

    /// Called on each worker and blocking thread when it starts.
    ///
    /// # Examples
    /// ```
    /// let (tell, told) = std::sync::mpsc::channel();
    /// let rt = filch::runtime::Builder::new_multi_thread()
    ///     .worker_threads(2)
    ///     .on_thread_start(move || tell.send("a worker starts").unwrap())
    ///     .build()
    ///     .unwrap();
    /// assert_eq!(told.iter().take(2).count(), 2);
    /// ```
    pub fn on_thread_start<F>(&mut self, hook: F) -> &mut Self
    where
        F: Fn() + Send + Sync + 'static,
    {
        self.hooks.start = Some(Arc::new(hook));
        self
    }

    /// Called on each worker and blocking thread before it ends.
    pub fn on_thread_stop<F>(&mut self, hook: F) -> &mut Self
    where
        F: Fn() + Send + Sync + 'static,
    {
        self.hooks.stop = Some(Arc::new(hook));
        self
    }

    /// Called on a worker before it sleeps, in the poller or elsewhere.
    pub fn on_thread_park<F>(&mut self, hook: F) -> &mut Self
    where
        F: Fn() + Send + Sync + 'static,
    {
        self.hooks.park = Some(Arc::new(hook));
        self
    }

    /// Called on a worker after it has slept.
    pub fn on_thread_unpark<F>(&mut self, hook: F) -> &mut Self
    where
        F: Fn() + Send + Sync + 'static,
    {
        self.hooks.unpark = Some(Arc::new(hook));
        self
    }

    /// Who waits on the poller. The default is [`ReactorMode::Shared`]. A current-thread runtime has no reactor thread:
    /// there it says nothing.
    pub fn reactor_mode(&mut self, mode: ReactorMode) -> &mut Self {
        self.reactor_mode = mode;
        self
    }

    /// The longest time that the poller goes unattended while a worker is awake, and the period at which workers are
    /// looked at for polls that last. The default is 1 ms; while nothing is stuck it slows down to four times that.
    ///
    /// # Panics
    /// If it is zero.
    #[track_caller]
    pub fn guard_tick(&mut self, tick: Duration) -> &mut Self {
        assert!(!tick.is_zero(), "the guard tick cannot be zero");
        self.guard_tick = tick;
        self
    }

    /// How long a poll may last before [`on_stall`](Self::on_stall) is told. The default is 10 ms.
    pub fn stall_threshold(&mut self, threshold: Duration) -> &mut Self {
        self.stall_threshold = threshold;
        self
    }

    /// Called by the reactor thread once for each poll that passes the stall threshold, while it still lasts. Without
    /// it, such a poll is a `tracing` event if that feature is on, and a line on stderr if not and this is a debug
    /// build. Printing the backtrace of a panic counts, too.
    ///
    /// A current-thread runtime has no reactor thread: there nobody looks. The future of `block_on` is not watched.
    ///
    /// # Examples
    /// ```
    /// use std::time::Duration;
    ///
    /// let (tell, told) = std::sync::mpsc::channel();
    /// let rt = filch::runtime::Builder::new_multi_thread()
    ///     .on_stall(move |report| tell.send(report.to_string()).unwrap())
    ///     .build()
    ///     .unwrap();
    /// rt.block_on(rt.spawn(async { std::thread::sleep(Duration::from_millis(200)) })).unwrap();
    /// assert!(told.recv().unwrap().contains("task"));
    /// ```
    pub fn on_stall<F>(&mut self, hook: F) -> &mut Self
    where
        F: Fn(&StallReport) + Send + Sync + 'static,
    {
        self.on_stall = Some(Arc::new(hook));
        self
    }

    /// Called with the error of a [`Promise`](crate::Promise) that nobody asked for, when its last handle goes, on the
    /// thread where that happens. Without it, such an error is a `tracing` event if that feature is on, and a line on
    /// stderr if not.
    ///
    /// # Source
    /// asyncio's `loop.set_exception_handler`, for `Future exception was never retrieved`.
    ///
    /// # Examples
    /// ```
    /// let (tell, told) = std::sync::mpsc::channel();
    /// let rt = filch::runtime::Builder::new_multi_thread()
    ///     .on_unretrieved(move |report| tell.send(report.to_string()).unwrap())
    ///     .build()
    ///     .unwrap();
    /// rt.block_on(async { filch::Promise::<u32, &str>::new().set_error("no tea").unwrap() });
    /// assert!(told.recv().unwrap().starts_with("Promise error was never retrieved: no tea"));
    /// ```
    pub fn on_unretrieved<F>(&mut self, handler: F) -> &mut Self
    where
        F: Fn(&Unretrieved<'_>) + Send + Sync + 'static,
    {
        self.on_unretrieved = Some(Arc::new(handler));
        self
    }

    /// Tasks that a worker polls between two looks for I/O events and timers, and on a current-thread runtime for the future
    /// of `block_on`. The default is 61.
    ///
    /// # Panics
    /// If it is 0.
    #[track_caller]
    pub fn event_interval(&mut self, tasks: u32) -> &mut Self {
        assert!(tasks > 0, "the event interval cannot be 0");
        self.event_interval = tasks;
        self
    }

    /// Tasks that a worker polls before it looks first for tasks that were spawned or woken from outside the workers.
    /// The default is 61.
    ///
    /// # Panics
    /// If it is 0.
    #[track_caller]
    pub fn global_queue_interval(&mut self, tasks: u32) -> &mut Self {
        assert!(tasks > 0, "the global queue interval cannot be 0");
        self.global_queue_interval = tasks;
        self
    }

    /// Names the runtime: see [`Handle::name`].
    ///
    /// # Panics
    /// If the name is empty.
    ///
    /// # Examples
    /// ```
    /// let rt = filch::runtime::Builder::new_current_thread().name("tests").build().unwrap();
    /// assert_eq!(rt.handle().name(), Some("tests"));
    /// ```
    #[track_caller]
    pub fn name(&mut self, name: impl Into<String>) -> &mut Self {
        let name = name.into();
        assert!(!name.is_empty(), "the name of a runtime may not be empty");
        self.runtime_name = Some(name.into());
        self
    }

    /// Whether the runtime's clock stands still from the start, as after [`time::pause`](crate::time::pause): for tests.
    /// By default it goes.
    ///
    /// # Source
    /// `tokio::runtime::Builder::start_paused`, which is for current-thread runtimes only.
    ///
    /// # Examples
    /// ```
    /// use filch::time::{Duration, Instant, sleep};
    ///
    /// let rt = filch::runtime::Builder::new_multi_thread().start_paused(true).build().unwrap();
    /// rt.block_on(async {
    ///     let start = Instant::now();
    ///     sleep(Duration::from_secs(3600)).await; // takes no time: nothing else can run
    ///     assert_eq!(start.elapsed(), Duration::from_secs(3600));
    /// });
    /// ```
    pub fn start_paused(&mut self, start_paused: bool) -> &mut Self {
        self.start_paused = start_paused;
        self
    }

    /// Builds the runtime, and starts its threads.
    ///
    /// # Errors
    /// If the poller could not be made or a thread could not be started (what had been started is stopped again), or if
    /// `FILCH_WORKER_THREADS` is no number from 1 to 32768.
    pub fn build(&mut self) -> io::Result<Runtime> {
        self.build_at(None)
    }

    /// Builds a runtime whose jobs only the thread `home`, if any, may run.
    pub(crate) fn build_at(&self, home: Option<ThreadMark>) -> io::Result<Runtime> {
        let workers = if self.current_thread {
            1
        } else {
            self.count_workers()?
        };
        let lends = self.current_thread || self.reactor_mode == ReactorMode::Shared;
        let clock = Arc::new(Clock::new(self.start_paused));
        let reactor = Arc::new(Reactor::new(lends, workers, clock.clone())?);
        let settings = self.scheduler_settings(clock.clone(), home);
        let (scheduler, mut chairs) = Scheduler::new(workers, settings, reactor.clone());
        let blocking = Pool::new(self.blocking_settings(clock.clone()));
        clock.set_watch(watch(&scheduler, &blocking, &reactor));
        let handle = Handle(Arc::new(Inner {
            scheduler: scheduler.clone(),
            reactor: reactor.clone(),
            blocking,
            clock,
            chair: self.current_thread.then(SharedChair::default),
            pid: std::process::id(),
            id: RuntimeId::next(),
            name: self.runtime_name.clone(),
            on_unretrieved: self.on_unretrieved.clone(),
            _counted: RUNTIMES.enter(&scheduler),
        }));
        if let Some(shared) = &handle.0.chair {
            *shared.free.lock() = chairs.pop();
            return Ok(Runtime::new_stopped(handle, 0));
        }
        // Where a thread cannot be started, dropping `runtime` ends those that were.
        let mut runtime = Runtime::new_stopped(handle, workers);
        for chair in chairs {
            let handle = runtime.handle().clone();
            let scheduler = scheduler.clone();
            let name = self.name_thread(|| format!("filch-w{:02}", chair.seat()));
            let thread = self.thread(name).spawn(move || {
                let _driving = Driving::begin();
                let _entered = handle.enter();
                context::sit(chair.seat());
                scheduler.work(chair);
            })?;
            runtime.add_worker(thread);
        }
        let parker = Parker::new();
        reactor.set_guard(parker.unparker().clone());
        let tick = self.guard_tick;
        let handle = runtime.handle().clone();
        let name = self.name_thread(|| "filch-reactor".to_owned());
        let thread = self.thread(name).spawn(move || {
            let _serving = Serving::begin(&handle);
            Guard {
                reactor: &reactor,
                crew: &*scheduler,
                parker,
                tick,
            }
            .run();
        })?;
        runtime.add_guard(thread);
        Ok(runtime)
    }

    fn count_workers(&self) -> io::Result<usize> {
        if let Some(n) = self.worker_threads {
            return Ok(n);
        }
        match std::env::var("FILCH_WORKER_THREADS") {
            Ok(text) => match text.parse() {
                Ok(n) if (1..=MAX_WORKERS).contains(&n) => Ok(n),
                _ => Err(not_a_number(text)),
            },
            Err(VarError::NotPresent) => {
                Ok(std::thread::available_parallelism().map_or(1, |n| n.get()))
            }
            Err(VarError::NotUnicode(text)) => Err(not_a_number(text.to_string_lossy())),
        }
    }

    fn name_thread(&self, default: impl FnOnce() -> String) -> String {
        self.thread_name
            .as_ref()
            .map_or_else(default, |name| name())
    }

    fn thread(&self, name: String) -> std::thread::Builder {
        let mut thread = std::thread::Builder::new().name(name);
        if let Some(bytes) = self.thread_stack_size {
            thread = thread.stack_size(bytes);
        }
        thread
    }
}

fn not_a_number(text: impl fmt::Display) -> io::Error {
    io::Error::new(
        io::ErrorKind::InvalidInput,
        format!("FILCH_WORKER_THREADS is \"{text}\", and must be a number from 1 to {MAX_WORKERS}"),
    )
}

//! What is told of a poll that lasts too long.

use std::time::Duration;

use std::sync::Arc;

/// Is told of a long poll.
pub(crate) type OnStall = Arc<dyn Fn(&StallReport) + Send + Sync>;

/// A poll that has lasted longer than the runtime's stall threshold: blocking code in a task.
///
/// # Examples
/// ```
/// use std::sync::mpsc;
/// use std::time::{Duration, Instant};
///
/// let (tell, told) = mpsc::channel();
/// let rt = filch::runtime::Builder::new_multi_thread()
///     .worker_threads(2)
///     .enable_all()
///     .stall_threshold(Duration::from_millis(5))
///     .on_stall(move |report| tell.send(report.to_string()).unwrap())
///     .build()
///     .unwrap();
/// let blocking = rt.spawn(async { std::thread::sleep(Duration::from_millis(60)) });
/// rt.block_on(blocking).unwrap();
/// assert!(told.recv().unwrap().contains(file!()));
/// ```
#[derive(Clone, Debug)]
pub struct StallReport {
    pub(super) task: Option<String>,
    pub(super) worker: usize,
    pub(super) duration: Duration,
}

impl StallReport {
    /// The task's name or id, and where it was spawned; none if it has ended meanwhile.
    pub fn task(&self) -> Option<&str> {
        self.task.as_deref()
    }

    /// The number of the worker thread that is stuck.
    pub fn worker(&self) -> usize {
        self.worker
    }

    /// How long the poll has lasted at least, when it was noticed.
    pub fn duration(&self) -> Duration {
        self.duration
    }

    /// What happens with a report that nobody asked for.
    pub(crate) fn tell(&self) {
        #[cfg(feature = "tracing")]
        tracing::warn!(
            task = self.task(),
            worker = self.worker(),
            duration = ?self.duration(),
            "{self}"
        );
        #[cfg(not(feature = "tracing"))]
        if cfg!(debug_assertions) {
            eprintln!("filch: {self}");
        }
    }
}

impl std::fmt::Display for StallReport {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let task = self
            .task
            .as_deref()
            .unwrap_or("a job that has ended meanwhile");
        write!(
            f,
            "{task} has kept worker {:02} from other tasks for {:?} or more: blocking code belongs in `spawn_blocking`",
            self.worker, self.duration
        )
    }
}

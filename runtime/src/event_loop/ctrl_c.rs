//! Ctrl-C while a [`Runner`](super::Runner) runs: who hears it, and what is installed when.
//!
//! - Nothing is installed before the first run that wants to hear it; and then only if nobody has asked for SIGINT before
//!   (`has_default_action`), and for one run at a time in the process.
//! - The first time, the process gets a handler for SIGINT that stays (that of `signal-hook`, shared with whoever else
//!   uses that crate or its registry), with an action for the time between runs: it does what an unhandled SIGINT does.
//! - For each run a pipe is registered that the handler writes to, and a thread, `filch-ctrl-c`, reads from it; both go with the
//!   run. A thread, so that a loop that is stuck is heard about, too.
//!
//! `IS_DEFAULT` says which of the two it is; a run that was interrupted twice sets it, so that the third ends the process.

use std::io::{self, Read};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;

use parking_lot::Mutex;
use signal_hook::consts::SIGINT;
use signal_hook::{SigId, flag, low_level};

/// SIGINT ends the process, as if nobody heard it.
static IS_DEFAULT: AtomicBool = AtomicBool::new(true);

/// A run hears SIGINT.
static IS_TAKEN: AtomicBool = AtomicBool::new(false);

/// The process has the handler.
static IS_INSTALLED: Mutex<bool> = Mutex::new(false);

/// How often a run was interrupted, and how.
#[derive(Default)]
pub(super) struct Heard {
    count: AtomicUsize,
    at_once: AtomicBool,
}

impl Heard {
    pub(super) fn is_interrupted(&self) -> bool {
        self.count.load(Ordering::Acquire) > 0
    }

    /// The run was to end whatever its main task does.
    pub(super) fn at_once(&self) -> bool {
        self.at_once.load(Ordering::Acquire)
    }
}

/// A run that hears Ctrl-C, until it is dropped.
pub(super) struct CtrlC {
    signal: SigId,
    listener: Option<thread::JoinHandle<()>>,
    heard: Arc<Heard>,
}

impl CtrlC {
    /// Calls `cancel` at the first SIGINT, and `stop` if that says false, or at the second. None if it cannot be heard: somebody
    /// else hears it, or the system has no thread or descriptor for it.
    pub(super) fn listen(
        cancel: impl Fn() -> bool + Send + 'static,
        stop: impl Fn() + Send + 'static,
    ) -> Option<CtrlC> {
        if IS_TAKEN.swap(true, Ordering::AcqRel) {
            return None;
        }
        let heard = Arc::<Heard>::default();
        let told = heard.clone();
        let hear = move || {
            let before = told.count.fetch_add(1, Ordering::AcqRel);
            if before > 0 || !cancel() {
                told.at_once.store(true, Ordering::Release);
                IS_DEFAULT.store(true, Ordering::Release);
                stop();
            }
        };
        match install().and_then(|()| register(hear)) {
            Ok((signal, listener)) => Some(CtrlC {
                signal,
                listener: Some(listener),
                heard,
            }),
            Err(_nobody_to_tell) => {
                IS_TAKEN.store(false, Ordering::Release);
                None
            }
        }
    }

    /// Ends it, and says what was heard until then.
    pub(super) fn end(self) -> Arc<Heard> {
        let heard = self.heard.clone();
        drop(self);
        heard
    }
}

impl Drop for CtrlC {
    fn drop(&mut self) {
        // First, so that no signal is lost between.
        IS_DEFAULT.store(true, Ordering::Release);
        // Drops the writing end: the listener reads what is there, and ends.
        low_level::unregister(self.signal);
        if let Some(listener) = self.listener.take() {
            let _it_panicked = listener.join();
        }
        IS_TAKEN.store(false, Ordering::Release);
    }
}

/// The handler that stays, with what it does between the runs.
fn install() -> io::Result<()> {
    let mut is_installed = IS_INSTALLED.lock();
    if !*is_installed {
        if !has_default_action() {
            return Err(io::ErrorKind::ResourceBusy.into());
        }
        flag::register_conditional_default(SIGINT, &IS_DEFAULT)?;
        *is_installed = true;
    }
    Ok(())
}

fn register(hear: impl Fn() + Send + 'static) -> io::Result<(SigId, thread::JoinHandle<()>)> {
    let (mut pipe, to_pipe) = UnixStream::pair()?;
    let listen = move || {
        let mut signals = [0; 16];
        loop {
            match pipe.read(&mut signals) {
                Ok(0) => return,
                Ok(some) => (0..some).for_each(|_| hear()),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => return,
            }
        }
    };
    let builder = thread::Builder::new().name("filch-ctrl-c".to_owned());
    // If anything fails, the writing end is dropped, and the thread ends.
    let listener = builder.spawn(listen)?;
    let signal = low_level::pipe::register(SIGINT, to_pipe)?;
    IS_DEFAULT.store(false, Ordering::Release);
    Ok((signal, listener))
}

/// True if SIGINT is neither caught nor ignored, as far as that can be asked without `unsafe`: by what Linux tells of the
/// process. Elsewhere it is taken to be so.
fn has_default_action() -> bool {
    let Ok(status) = std::fs::read_to_string("/proc/self/status") else {
        return true;
    };
    let has_sigint = |line: &str| {
        let mask = line.split_once(':').map_or("", |(_, mask)| mask.trim());
        u64::from_str_radix(mask, 16).is_ok_and(|mask| mask & (1 << (SIGINT - 1)) != 0)
    };
    let mut handled = status
        .lines()
        .filter(|line| line.starts_with("SigIgn:") || line.starts_with("SigCgt:"));
    !handled.any(has_sigint)
}

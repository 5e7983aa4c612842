//! Descriptors whose callbacks a loop calls, again and again while they are ready.
//!
//! A watch is an entry of the loop's queue: its turn asks the system whether the descriptor is ready; if so it calls the
//! callback and queues itself for the next iteration, else it leaves its waker with the reactor, which queues it.
//! `scheduled` keeps it in the queue once at a time, as in [`task`](super::task).

use std::collections::HashMap;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};
use std::task::{Context, Poll, Wake, Waker};

use parking_lot::Mutex;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::retry_on_intr;

use super::report::ExceptionContext;
use super::{CLOSED, Entry, EventLoop, Inner};
use crate::job::quietly;
use crate::reactor::readiness::Direction;
use crate::reactor::source::Source;

type Callback = Box<dyn FnMut(BorrowedFd<'_>) + Send>;

/// The readers (false) and writers (true) of a loop, by descriptor.
#[derive(Default)]
pub(super) struct Watches(Mutex<HashMap<(RawFd, bool), Arc<Watch>>>);

impl Watches {
    pub(super) fn clear(&self) {
        let all = std::mem::take(&mut *self.0.lock());
        all.into_values().for_each(|watch| watch.end());
    }
}

/// One direction of one descriptor.
pub(super) struct Watch {
    /// A duplicate of the caller's, so that the caller may close its own at any time.
    source: Source<OwnedFd>,
    direction: Direction,
    fd: RawFd,
    /// None while it is called, and once the watch has ended.
    callback: Mutex<Option<Callback>>,
    ended: AtomicBool,
    scheduled: AtomicBool,
    of: Weak<Inner>,
}

impl Watch {
    pub(super) fn fd(&self) -> RawFd {
        self.fd
    }

    /// Calls back no more.
    fn end(&self) {
        self.ended.store(true, Ordering::Release);
        let callback = self.callback.lock().take();
        quietly(|| drop(callback));
    }

    fn queue(self: Arc<Self>) {
        // Ordering: AcqRel, both ways with the swap in `turn`: who sets it is followed by a turn that sees what came before.
        if self.scheduled.swap(true, Ordering::AcqRel) {
            return;
        }
        if let Some(inner) = self.of.upgrade() {
            // A closed loop has ended its watches.
            drop(inner.strand.push(Entry::Watch(self)));
        }
    }

    /// The entry's turn in the loop.
    pub(super) fn turn(self: Arc<Self>, on: &Inner) {
        self.scheduled.swap(false, Ordering::AcqRel);
        if self.ended.load(Ordering::Acquire) {
            return;
        }
        let waker = Waker::from(self.clone());
        let mut context = Context::from_waker(&waker);
        let is_ready = |fd: &OwnedFd| self.is_ready(fd);
        match self.source.poll_io(&mut context, self.direction, is_ready) {
            Poll::Pending => {}
            Poll::Ready(Ok(())) => self.call(on),
            // The runtime has shut down: nothing will come.
            Poll::Ready(Err(_)) => self.end(),
        }
    }

    /// # Errors
    /// `WouldBlock` if it is not.
    fn is_ready(&self, fd: &OwnedFd) -> io::Result<()> {
        let wanted = match self.direction {
            Direction::Read => PollFlags::IN,
            Direction::Write => PollFlags::OUT,
        };
        let mut all = [PollFd::new(fd, wanted)];
        // A signal may interrupt it, though it does not wait; that must not end the watch.
        match retry_on_intr(|| poll(&mut all, Some(&Timespec::default())))? {
            0 => Err(io::ErrorKind::WouldBlock.into()),
            // Also hang-ups and errors: the operation tells.
            _ => Ok(()),
        }
    }

    fn call(self: Arc<Self>, on: &Inner) {
        let Some(mut callback) = self.callback.lock().take() else {
            return;
        };
        let fd = self.source.get_ref().as_fd();
        if let Err(payload) = catch_unwind(AssertUnwindSafe(|| callback(fd))) {
            let message = format!("Exception in callback of descriptor {}", self.fd);
            on.report(ExceptionContext::new(message).panicked(payload));
        }
        if self.ended.load(Ordering::Acquire) {
            quietly(|| drop(callback));
            return;
        }
        *self.callback.lock() = Some(callback);
        // Ended by another thread, before it could see the callback?
        if self.ended.load(Ordering::Acquire) {
            return self.end();
        }
        self.queue();
    }
}

impl Wake for Watch {
    fn wake(self: Arc<Self>) {
        self.queue();
    }
}

/// A watch that ends when this is dropped.
pub(super) struct Watching(Arc<Watch>);

impl Drop for Watching {
    fn drop(&mut self) {
        self.0.end();
    }
}

impl EventLoop {
    /// Watches a descriptor until the answer is dropped.
    pub(super) fn watch(
        &self,
        fd: BorrowedFd<'_>,
        direction: Direction,
        callback: Callback,
    ) -> io::Result<Watching> {
        let watch = self.new_watch(fd, direction, callback)?;
        watch.clone().queue();
        Ok(Watching(watch))
    }

    fn new_watch(
        &self,
        fd: BorrowedFd<'_>,
        direction: Direction,
        callback: Callback,
    ) -> io::Result<Arc<Watch>> {
        let own = fd.try_clone_to_owned()?;
        Ok(Arc::new(Watch {
            source: Source::register(own, false, &self.inner().runtime.0.reactor)?,
            direction,
            fd: fd.as_raw_fd(),
            callback: Mutex::new(Some(callback)),
            ended: AtomicBool::new(false),
            scheduled: AtomicBool::new(false),
            of: Arc::downgrade(self.inner()),
        }))
    }

    #[track_caller]
    fn add(
        &self,
        fd: BorrowedFd<'_>,
        direction: Direction,
        mut callback: impl FnMut() + Send + 'static,
    ) -> io::Result<()> {
        assert!(!self.is_closed(), "{CLOSED}");
        self.check_thread();
        let watch = self.new_watch(fd, direction, Box::new(move |_| callback()))?;
        let key = (fd.as_raw_fd(), direction == Direction::Write);
        let old = self.inner().watches.0.lock().insert(key, watch.clone());
        if let Some(old) = old {
            old.end();
        }
        watch.queue();
        // Closed meanwhile: that has not seen this one.
        if self.is_closed() {
            self.inner().watches.clear();
        }
        Ok(())
    }

    fn remove(&self, fd: BorrowedFd<'_>, is_writer: bool) -> bool {
        let key = (fd.as_raw_fd(), is_writer);
        let old = self.inner().watches.0.lock().remove(&key);
        let was_there = old.is_some();
        if let Some(old) = old {
            old.end();
        }
        was_there
    }

    /// Has `callback` called in each iteration while `fd` can be read, in place of the reader it had. The descriptor stays the
    /// caller's; remove the reader before you close it.
    ///
    /// # Errors
    /// What the system says: the descriptor cannot be watched (a regular file), or there are too many.
    ///
    /// # Panics
    /// As [`call_soon`](Self::call_soon).
    ///
    /// # Source
    /// `loop.add_reader`.
    ///
    /// # Examples
    /// ```
    /// use std::io::{Read, Write};
    /// use std::os::unix::net::UnixStream;
    ///
    /// let event_loop = filch::EventLoop::new();
    /// let (mut here, mut there) = UnixStream::pair().unwrap();
    /// let (on, fd) = (event_loop.clone(), here.try_clone().unwrap());
    /// event_loop.add_reader(&fd, move || {
    ///     let mut word = [0; 3];
    ///     here.read_exact(&mut word).unwrap();
    ///     assert_eq!(&word, b"tea");
    ///     on.stop();
    /// }).unwrap();
    /// there.write_all(b"tea").unwrap();
    /// event_loop.run_forever();
    /// assert!(event_loop.remove_reader(&fd));
    /// ```
    #[track_caller]
    pub fn add_reader(
        &self,
        fd: impl AsFd,
        callback: impl FnMut() + Send + 'static,
    ) -> io::Result<()> {
        self.add(fd.as_fd(), Direction::Read, callback)
    }

    /// As [`add_reader`](Self::add_reader), while `fd` can be written.
    ///
    /// # Errors
    /// As [`add_reader`](Self::add_reader).
    ///
    /// # Panics
    /// As [`call_soon`](Self::call_soon).
    #[track_caller]
    pub fn add_writer(
        &self,
        fd: impl AsFd,
        callback: impl FnMut() + Send + 'static,
    ) -> io::Result<()> {
        self.add(fd.as_fd(), Direction::Write, callback)
    }

    /// Calls the reader of `fd` no more. False if it has none.
    pub fn remove_reader(&self, fd: impl AsFd) -> bool {
        self.remove(fd.as_fd(), false)
    }

    /// Calls the writer of `fd` no more. False if it has none.
    pub fn remove_writer(&self, fd: impl AsFd) -> bool {
        self.remove(fd.as_fd(), true)
    }
}

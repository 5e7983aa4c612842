//! One wait on the poller: the only place, beside registration, that knows what it is made of.
//!
//! On Linux it waits straight on the poller's epoll descriptor: one system call, where `Poller::wait` makes three
//! (five with a timeout). `epoll_wait` knows milliseconds only, and `epoll_pwait2` needs Linux 5.11: the last few of them
//! before a deadline are waited for by `ppoll` on the same descriptor. `Poller::wait` is called only when a notification came, to clear it. Registration goes the
//! same way, because `polling` has no name for EPOLLRDHUP, without which a short read could not say that nothing is
//! left to read. Elsewhere (kqueue) both go through `polling`.

use std::io;
use std::os::fd::BorrowedFd;
use std::time::Duration;

use polling::{Events, Poller};

use super::keys::SourceKey;
use super::readiness::Ready;

/// Events taken in one turn at most. Unit: events. Fewer: more system calls when many sources are ready; more: the
/// first ones wait longer for the last ones.
#[cfg(target_os = "linux")]
const EVENTS: usize = 512;

/// The poller.
pub(super) struct Port {
    poller: Poller,
}

/// What a wait fills; in the hands of whoever has the poller.
pub(super) struct Buffer {
    /// Who became ready for what.
    pub(super) ready: Vec<(SourceKey, Ready)>,
    /// What `Poller::wait` fills.
    events: Events,
}

impl Port {
    pub(super) fn new() -> io::Result<Port> {
        Ok(Port {
            poller: Poller::new()?,
        })
    }

    /// Ends the wait under way, or the next one.
    pub(super) fn notify(&self) {
        // It fails only if the descriptor is not one: then no wait could ever have worked.
        let _ = self.poller.notify();
    }
}

impl Buffer {
    pub(super) fn new() -> Buffer {
        Buffer {
            ready: Vec::new(),
            events: Events::new(),
        }
    }
}

#[cfg(target_os = "linux")]
mod imp {
    use super::*;
    use rustix::event::{PollFd, PollFlags, Timespec, epoll, poll};
    use std::mem::MaybeUninit;
    use std::os::fd::AsFd;
    use std::time::Instant;

    /// What a wait took.
    enum Taken {
        Events,
        Nothing,
        Interrupted,
    }

    /// A short transfer proves that the direction is exhausted: what comes later makes a new event.
    pub(in crate::reactor) const SHORT_MEANS_EMPTY: bool = true;

    /// Closing the last descriptor of a file ends its registration. Where another one is left, its events find a key
    /// that nobody has, and are ignored.
    pub(in crate::reactor) const CLOSING_DELETES: bool = true;

    /// The longest wait that `epoll_wait` takes; a longer one would need a call that kernels before 5.11 lack.
    const LONGEST: Duration = Duration::from_millis(i32::MAX as u64);

    /// The key of `polling`'s own notifier.
    const NOTIFIER: u64 = usize::MAX as u64;

    /// Below this, an exact wait makes another call, which knows nanoseconds (but takes no events: they cost a second
    /// one); above, `epoll_wait` wakes it a millisecond early, for the rest. More: more events cost a second call; less:
    /// a late wake-up of the first call takes too much of the rest.
    const EXACT: Duration = Duration::from_millis(4);

    impl Port {
        /// Waits; an interrupted wait has no events. A wait that is not `exact` may last a millisecond longer.
        pub(in crate::reactor) fn wait(
            &self,
            buffer: &mut Buffer,
            limit: Option<Duration>,
            exact: bool,
        ) {
            buffer.ready.clear();
            let limit = limit.map(|limit| limit.min(LONGEST));
            let (Some(limit), true) = (limit.filter(|limit| !limit.is_zero()), exact) else {
                let _ = self.poll(buffer, limit);
                return;
            };
            let until = Instant::now() + limit;
            if limit >= EXACT {
                let early = limit - Duration::from_millis(1);
                match self.poll(buffer, Some(early)) {
                    Taken::Nothing => {}
                    Taken::Events | Taken::Interrupted => return,
                }
            }
            if self.sleep(until.saturating_duration_since(Instant::now())) {
                let _ = self.poll(buffer, Some(Duration::ZERO));
            }
        }

        /// Waits to the nanosecond. True if there may be an event to take.
        fn sleep(&self, limit: Duration) -> bool {
            let Ok(limit) = Timespec::try_from(limit) else {
                return true;
            };
            let mut fds = [PollFd::new(&self.poller, PollFlags::IN)];
            // Interrupted: no event, as in `wait`.
            poll(&mut fds, Some(&limit)).is_ok_and(|ready| ready > 0)
        }

        /// Waits for whole milliseconds, rounded up, and takes the events.
        fn poll(&self, buffer: &mut Buffer, limit: Option<Duration>) -> Taken {
            let limit = limit.and_then(|limit| Timespec::try_from(limit).ok());
            let mut raw = [const { MaybeUninit::uninit() }; EVENTS];
            let events = match epoll::wait(self.poller.as_fd(), &mut raw, limit.as_ref()) {
                Ok((events, _)) => events,
                Err(_) => return Taken::Interrupted,
            };
            if events.is_empty() {
                return Taken::Nothing;
            }
            let mut notified = false;
            for event in events {
                let (key, flags) = ({ event.data }.u64(), event.flags);
                if key == NOTIFIER {
                    notified = true;
                } else {
                    buffer.ready.push((SourceKey(key), ready(flags)));
                }
            }
            if notified {
                // It may bring events of sources, too: each event comes once.
                buffer.events.clear();
                let _ = self.poller.wait(&mut buffer.events, Some(Duration::ZERO));
                buffer.ready.extend(buffer.events.iter().map(polled));
            }
            Taken::Events
        }

        pub(in crate::reactor) fn add(&self, fd: BorrowedFd<'_>, key: SourceKey) -> io::Result<()> {
            use epoll::EventFlags as Flags;
            let flags = Flags::ET | Flags::IN | Flags::OUT | Flags::RDHUP | Flags::PRI;
            let data = epoll::EventData::new_u64(key.0);
            Ok(epoll::add(self.poller.as_fd(), fd, data, flags)?)
        }

        pub(in crate::reactor) fn delete(&self, fd: BorrowedFd<'_>) -> io::Result<()> {
            Ok(epoll::delete(self.poller.as_fd(), fd)?)
        }
    }

    fn ready(flags: epoll::EventFlags) -> Ready {
        use epoll::EventFlags as Flags;
        let mut ready = Ready::EMPTY;
        if flags.intersects(Flags::IN) {
            ready |= Ready::READABLE;
        }
        if flags.intersects(Flags::OUT) {
            ready |= Ready::WRITABLE;
        }
        if flags.intersects(Flags::PRI) {
            ready |= Ready::PRIORITY;
        }
        if flags.intersects(Flags::RDHUP | Flags::HUP) {
            ready |= Ready::READ_CLOSED;
        }
        if flags.intersects(Flags::HUP) {
            ready |= Ready::WRITE_CLOSED;
        }
        if flags.intersects(Flags::ERR) {
            ready |= Ready::ERROR;
            if flags.intersects(Flags::OUT) || flags == Flags::ERR {
                ready |= Ready::WRITE_CLOSED;
            }
        }
        ready
    }

    /// An event that `Poller::wait` took: it does not tell whether the peer writes no more, so a short read proves
    /// nothing about it.
    fn polled(event: polling::Event) -> (SourceKey, Ready) {
        let mut ready = Ready::EMPTY;
        if event.readable {
            ready |= Ready::READABLE | Ready::UNSURE;
        }
        if event.writable {
            ready |= Ready::WRITABLE;
        }
        (SourceKey(event.key as u64), ready)
    }
}

#[cfg(not(target_os = "linux"))]
mod imp {
    use super::*;
    use polling::{Event, PollMode};

    /// kqueue tells the end of a stream in no way that `polling` passes on: only a try that would block proves it.
    pub(in crate::reactor) const SHORT_MEANS_EMPTY: bool = false;

    /// `polling` keeps a list of its own of what is registered.
    pub(in crate::reactor) const CLOSING_DELETES: bool = false;

    impl Port {
        /// Waits; a failed wait has no events. `polling` knows nanoseconds already.
        pub(in crate::reactor) fn wait(
            &self,
            buffer: &mut Buffer,
            limit: Option<Duration>,
            _exact: bool,
        ) {
            buffer.ready.clear();
            buffer.events.clear();
            let _ = self.poller.wait(&mut buffer.events, limit);
            buffer.ready.extend(buffer.events.iter().map(polled));
        }

        pub(in crate::reactor) fn add(&self, fd: BorrowedFd<'_>, key: SourceKey) -> io::Result<()> {
            use std::os::fd::AsRawFd;
            let event = Event::all(key.0 as usize);
            // SAFETY: `Source` deletes the descriptor before it is closed.
            unsafe {
                self.poller
                    .add_with_mode(fd.as_raw_fd(), event, PollMode::Edge)
            }
        }

        pub(in crate::reactor) fn delete(&self, fd: BorrowedFd<'_>) -> io::Result<()> {
            self.poller.delete(fd)
        }
    }

    fn polled(event: polling::Event) -> (SourceKey, Ready) {
        let mut ready = Ready::EMPTY;
        if event.readable {
            ready |= Ready::READABLE;
        }
        if event.writable {
            ready |= Ready::WRITABLE;
        }
        (SourceKey(event.key as u64), ready)
    }
}

pub(super) use imp::{CLOSING_DELETES, SHORT_MEANS_EMPTY};

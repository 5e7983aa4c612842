//! A connection: its socket, what waits to be sent, and how it ends.
//!
//! What is written is sent at once as far as the kernel has room. The rest waits in `outbox`, and a task of the runtime, the
//! *flusher*, sends it; there is one while `is_flushing`. A connection is *lost* once: when it fails, is aborted, or is closed
//! and all is sent. Then the socket is shut down, and whoever waits for the connection hears of it.
//!
//! The two locks, `inbox` and `outbox`, are never held together, and no waker is woken under one.

use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use filch_runtime::{Handle, consume_budget};
use parking_lot::Mutex;

use super::buffer::Buffer;
use super::errors::again;
use super::inbox::Inbox;
use super::server::Client;
use super::waiters::{Awaited, Waiters, wait_until};
use crate::TcpStream;

/// Where a writer is told to wait, and where it may go on again: `asyncio`'s own. Unit: bytes.
const HIGH_WATER: usize = 64 * 1024;

pub(super) struct Connection {
    pub(super) stream: TcpStream,
    pub(super) peer: Option<SocketAddr>,
    pub(super) inbox: Inbox,
    outbox: Mutex<Outbox>,
    /// Where the flusher runs.
    runtime: Handle,
    /// Its place among the clients of its server.
    client: Option<Client>,
}

struct Outbox {
    bytes: Buffer,
    high: usize,
    low: usize,
    /// More than `high` waited, and not yet `low` or less again.
    is_paused: bool,
    is_flushing: bool,
    /// No more is written; once all is sent, the other side is told.
    is_eof: bool,
    is_closing: bool,
    /// The reader has gone, or the last writer; the second of them closes.
    is_half_left: bool,
    lost: Option<Lost>,
    /// Who waits for room, or for the end.
    waiters: Waiters,
}

/// How it ended: with an error, or because it was closed.
#[derive(Clone)]
struct Lost(Option<Arc<io::Error>>);

impl Outbox {
    fn pause_or_resume(&mut self) -> Vec<Waker> {
        let len = self.bytes.len();
        if !self.is_paused && len > self.high {
            self.is_paused = true;
        } else if self.is_paused && len <= self.low {
            self.is_paused = false;
            return self.waiters.take();
        }
        Vec::new()
    }
}

impl Awaited for Outbox {
    fn waiters(&mut self) -> &mut Waiters {
        &mut self.waiters
    }
}

fn wake(wakers: Vec<Waker>) {
    wakers.into_iter().for_each(Waker::wake);
}

impl Connection {
    pub(super) fn new(
        stream: TcpStream,
        peer: Option<SocketAddr>,
        limit: usize,
        runtime: Handle,
        client: Option<Client>,
    ) -> Arc<Connection> {
        Arc::new(Connection {
            stream,
            peer,
            inbox: Inbox::new(limit),
            outbox: Mutex::new(Outbox {
                bytes: Buffer::default(),
                high: HIGH_WATER,
                low: HIGH_WATER / 4,
                is_paused: false,
                is_flushing: false,
                is_eof: false,
                is_closing: false,
                is_half_left: false,
                lost: None,
                waiters: Waiters::default(),
            }),
            runtime,
            client,
        })
    }

    /// # Panics
    /// After `write_eof`.
    #[track_caller]
    pub(super) fn write(self: &Arc<Self>, data: &[u8]) {
        let mut outbox = self.outbox.lock();
        assert!(!outbox.is_eof, "Cannot call write() after write_eof()");
        if outbox.is_closing {
            return;
        }
        let mut rest = data;
        while !rest.is_empty() && outbox.bytes.is_empty() {
            match self.stream.try_send(rest) {
                Ok(sent) => rest = &rest[sent..],
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) => {
                    drop(outbox);
                    self.fail(error);
                    return;
                }
            }
        }
        if rest.is_empty() {
            return;
        }
        outbox.bytes.push(rest);
        let _nobody_waits = outbox.pause_or_resume();
        if !std::mem::replace(&mut outbox.is_flushing, true) {
            let itself = self.clone();
            let flusher = async move { poll_fn(|context| itself.poll_flush(context)).await };
            drop(outbox);
            drop(self.runtime.spawn(flusher));
        }
    }

    fn poll_flush(&self, context: &mut Context<'_>) -> Poll<()> {
        let (ends, wakers) = {
            let mut outbox = self.outbox.lock();
            let mut sent_some = Ok(false);
            while !outbox.bytes.is_empty() {
                match self
                    .stream
                    .poll_write_slice(context, outbox.bytes.as_slice())
                {
                    Poll::Ready(Ok(sent)) => {
                        outbox.bytes.forget(sent);
                        sent_some = Ok(true);
                    }
                    Poll::Ready(Err(error)) => {
                        sent_some = Err(error);
                        break;
                    }
                    Poll::Pending => break,
                }
            }
            if let Err(error) = sent_some {
                drop(outbox);
                self.fail(error);
                return Poll::Ready(());
            }
            let wakers = outbox.pause_or_resume();
            if !outbox.bytes.is_empty() {
                drop(outbox);
                wake(wakers);
                return Poll::Pending;
            }
            outbox.is_flushing = false;
            if outbox.is_eof && outbox.lost.is_none() {
                let _gone_already = self.stream.shutdown_write();
            }
            (outbox.is_closing, wakers)
        };
        wake(wakers);
        if ends {
            self.lose(None);
        }
        Poll::Ready(())
    }

    pub(super) fn write_eof(&self) {
        let mut outbox = self.outbox.lock();
        if outbox.is_closing || std::mem::replace(&mut outbox.is_eof, true) {
            return;
        }
        if outbox.bytes.is_empty() {
            let _gone_already = self.stream.shutdown_write();
        }
    }

    /// The last writer has gone: no more will be written, and if nobody reads either it is closed.
    pub(super) fn writers_leave(&self) {
        match self.is_second_to_leave() {
            true => self.close(),
            false => self.write_eof(),
        }
    }

    /// The reader has gone: if nobody can write either it is closed.
    pub(super) fn reader_leaves(&self) {
        if self.is_second_to_leave() {
            self.close();
        }
    }

    fn is_second_to_leave(&self) -> bool {
        std::mem::replace(&mut self.outbox.lock().is_half_left, true)
    }

    /// Ends it once all is sent.
    pub(super) fn close(&self) {
        let mut outbox = self.outbox.lock();
        if std::mem::replace(&mut outbox.is_closing, true) || !outbox.bytes.is_empty() {
            return;
        }
        drop(outbox);
        self.lose(None);
    }

    /// Ends it now; what waits to be sent is dropped.
    pub(super) fn abort(&self) {
        self.lose(None);
    }

    /// Ends it with this error, unless it has ended already. The error that it ended with.
    pub(super) fn fail(&self, error: io::Error) -> Arc<io::Error> {
        let error = Arc::new(error);
        self.lose(Some(error.clone()));
        error
    }

    fn lose(&self, error: Option<Arc<io::Error>>) {
        let wakers = {
            let mut outbox = self.outbox.lock();
            if outbox.lost.is_some() {
                return;
            }
            outbox.lost = Some(Lost(error.clone()));
            outbox.is_closing = true;
            outbox.bytes.clear();
            outbox.waiters.take()
        };
        // Wakes the flusher, too, if there is one: to it, all is sent.
        self.stream.shutdown_both();
        match error {
            Some(error) => self.inbox.set_exception(error),
            None => self.inbox.feed_eof(),
        }
        if let Some(client) = &self.client {
            client.leave();
        }
        wake(wakers);
    }

    pub(super) fn is_closing(&self) -> bool {
        self.outbox.lock().is_closing
    }

    /// Waits until there is room to write. Counts as an operation, so that who writes on and on lets others run.
    pub(super) async fn wait_room(&self) -> io::Result<()> {
        consume_budget().await;
        wait_until(&self.outbox, |outbox| match &outbox.lost {
            Some(Lost(Some(error))) => Some(Err(again(error))),
            Some(Lost(None)) => {
                let kind = io::ErrorKind::ConnectionReset;
                Some(Err(io::Error::new(kind, "Connection lost")))
            }
            None => (!outbox.is_paused).then_some(Ok(())),
        })
        .await
    }

    /// Waits until the connection has ended.
    pub(super) async fn wait_lost(&self) -> io::Result<()> {
        wait_until(&self.outbox, |outbox| match &outbox.lost {
            Some(Lost(Some(error))) => Some(Err(again(error))),
            Some(Lost(None)) => Some(Ok(())),
            None => None,
        })
        .await
    }

    pub(super) fn waiting(&self) -> usize {
        self.outbox.lock().bytes.len()
    }

    pub(super) fn limits(&self) -> (usize, usize) {
        let outbox = self.outbox.lock();
        (outbox.low, outbox.high)
    }

    pub(super) fn set_limits(&self, high: usize, low: usize) {
        let mut outbox = self.outbox.lock();
        outbox.high = high;
        outbox.low = low;
        let wakers = outbox.pause_or_resume();
        drop(outbox);
        wake(wakers);
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        // The runtime may have ended before all was sent.
        if let Some(client) = &self.client {
            client.leave();
        }
    }
}

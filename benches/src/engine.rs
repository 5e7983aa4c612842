//! What a problem may ask of a runtime, so that each problem is written once and run by every engine.
//!
//! Everything is static: no box, no `dyn`, nothing between a problem and the call that a user of that runtime would
//! write. An engine is a `Copy` handle of a runtime that lives until its process ends (each row has a process of its
//! own, so nothing is left behind). Every engine gets the same number of workers, its own sockets and its own
//! `yield_now`; the harness thread waits in `block_on` and is never a worker.

mod filch;
mod smol;
mod timers;
mod tokio;

use std::future::Future;
use std::io;
use std::net::SocketAddr;

use socket2::SockRef;

pub(crate) use self::filch::Filch;
pub(crate) use self::smol::Smol;
pub(crate) use self::timers::Timers;
pub(crate) use self::tokio::Tokio;

/// One runtime, running.
pub(crate) trait Engine: Timers + Copy + Send + Sync + 'static {
    /// A task to wait for; what a task returns comes out plain, and a panic in it ends the process.
    type Join<T: Send + 'static>: Future<Output = T> + Send + 'static;
    type Listener: Send + Sync + 'static;
    type Stream: Send + Sync + 'static;

    fn start(workers: usize) -> io::Result<Self>;

    /// Drives `future` on the calling thread, which is no worker.
    fn block_on<F: Future>(self, future: F) -> F::Output;

    /// Spawns from a thread that is no worker.
    fn spawn_outside<F>(self, future: F) -> Self::Join<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static;

    /// Spawns from inside a task, the way a user of this runtime does.
    fn spawn<F>(self, future: F) -> Self::Join<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static;

    /// Lets the task run on with nobody waiting for it.
    fn detach<T: Send + 'static>(join: Self::Join<T>);

    /// Runs the children as a group, from inside a task, with what this runtime has for it.
    fn group<F>(self, children: impl Iterator<Item = F> + Send) -> impl Future<Output = ()> + Send
    where
        F: Future<Output = ()> + Send + 'static;

    fn yield_now() -> impl Future<Output = ()> + Send;

    /// Listens on a free port of 127.0.0.1. To be called inside a task: some runtimes need their context for it.
    fn listen(backlog: u32) -> io::Result<Self::Listener>;
    fn address(listener: &Self::Listener) -> io::Result<SocketAddr>;
    fn accept(listener: &Self::Listener) -> impl Future<Output = io::Result<Self::Stream>> + Send;
    fn connect(to: SocketAddr) -> impl Future<Output = io::Result<Self::Stream>> + Send;

    fn read(
        stream: &mut Self::Stream,
        into: &mut [u8],
    ) -> impl Future<Output = io::Result<usize>> + Send;
    fn read_exact(
        stream: &mut Self::Stream,
        into: &mut [u8],
    ) -> impl Future<Output = io::Result<()>> + Send;
    fn write_all(
        stream: &mut Self::Stream,
        from: &[u8],
    ) -> impl Future<Output = io::Result<()>> + Send;

    /// The socket under the stream, for options that must be set alike for everyone.
    fn socket(stream: &Self::Stream) -> SockRef<'_>;

    /// Runs `future` as a task on a worker and waits for it on the calling thread.
    fn run<F>(self, future: F) -> F::Output
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        self.block_on(self.spawn_outside(future))
    }
}

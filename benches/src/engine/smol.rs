//! smol as its users run it on many threads: one `Executor`, N threads of ours in it, sockets from async-net.
//!
//! The workers sit in `smol::block_on`, as those of smol's own global executor do, so that an idle worker drives
//! the I/O itself; the harness thread waits in `smol::future::block_on`, which only parks: else it would be an
//! extra thread for I/O that the other engines do not have.

use std::future::Future;
use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener as StdListener};
use std::thread;

use smol::io::{AsyncReadExt, AsyncWriteExt};
use smol::net::{TcpListener, TcpStream};
use smol::{Async, Executor, Task};
use socket2::{Domain, SockRef, Socket, Type};

use super::Engine;

#[derive(Clone, Copy)]
pub(crate) struct Smol(&'static Executor<'static>);

impl Engine for Smol {
    type Join<T: Send + 'static> = Task<T>;
    type Listener = TcpListener;
    type Stream = TcpStream;

    fn start(workers: usize) -> io::Result<Self> {
        let executor: &'static Executor<'static> = Box::leak(Box::new(Executor::new()));
        for number in 0..workers {
            thread::Builder::new()
                .name(format!("smol-{number}"))
                .spawn(move || smol::block_on(executor.run(std::future::pending::<()>())))?;
        }
        Ok(Smol(executor))
    }

    fn block_on<F: Future>(self, future: F) -> F::Output {
        smol::future::block_on(future)
    }

    fn spawn_outside<F>(self, future: F) -> Task<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        self.0.spawn(future)
    }

    fn spawn<F>(self, future: F) -> Task<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        self.0.spawn(future)
    }

    fn detach<T: Send + 'static>(join: Task<T>) {
        join.detach();
    }

    async fn group<F>(self, children: impl Iterator<Item = F> + Send)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let all: Vec<_> = children.map(|child| self.spawn(child)).collect();
        for child in all {
            child.await;
        }
    }

    fn yield_now() -> impl Future<Output = ()> + Send {
        smol::future::yield_now()
    }

    fn listen(backlog: u32) -> io::Result<TcpListener> {
        // By hand, because `TcpListener::bind` of async-net fixes the backlog at 128.
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None)?;
        socket.set_reuse_address(true)?;
        socket.bind(&SocketAddr::from((Ipv4Addr::LOCALHOST, 0)).into())?;
        socket.listen(i32::try_from(backlog).unwrap_or(i32::MAX))?;
        Ok(Async::new(StdListener::from(socket))?.into())
    }

    fn address(listener: &TcpListener) -> io::Result<SocketAddr> {
        listener.local_addr()
    }

    async fn accept(listener: &TcpListener) -> io::Result<TcpStream> {
        Ok(listener.accept().await?.0)
    }

    fn connect(to: SocketAddr) -> impl Future<Output = io::Result<TcpStream>> + Send {
        TcpStream::connect(to)
    }

    async fn read(stream: &mut TcpStream, into: &mut [u8]) -> io::Result<usize> {
        stream.read(into).await
    }

    async fn read_exact(stream: &mut TcpStream, into: &mut [u8]) -> io::Result<()> {
        stream.read_exact(into).await
    }

    async fn write_all(stream: &mut TcpStream, from: &[u8]) -> io::Result<()> {
        stream.write_all(from).await
    }

    fn socket(stream: &TcpStream) -> SockRef<'_> {
        SockRef::from(stream)
    }
}

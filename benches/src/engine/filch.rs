//! filch as its users run it: multi-thread scheduler, every setting at its default. The same calls as in `tokio.rs`.

use std::convert::Infallible;
use std::future::Future;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::pin::Pin;
use std::task::{Context, Poll};

use filch::io::{AsyncReadExt, AsyncWriteExt};
use filch::net::{TcpListener, TcpSocket, TcpStream};
use filch::runtime::{Builder, Runtime};
use filch::task::{JoinHandle, TaskGroup};
use socket2::SockRef;

use super::Engine;

#[derive(Clone, Copy)]
pub(crate) struct Filch(&'static Runtime);

/// `JoinHandle` with its `Result` opened.
pub(crate) struct Join<T>(JoinHandle<T>);

impl<T> Future for Join<T> {
    type Output = T;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<T> {
        Pin::new(&mut self.0)
            .poll(cx)
            .map(|outcome| outcome.expect("a task of the problem panicked"))
    }
}

impl Engine for Filch {
    type Join<T: Send + 'static> = Join<T>;
    type Listener = TcpListener;
    type Stream = TcpStream;

    fn start(workers: usize) -> io::Result<Self> {
        let runtime = Builder::new_multi_thread()
            .worker_threads(workers)
            .enable_all()
            .build()?;
        Ok(Filch(Box::leak(Box::new(runtime))))
    }

    fn block_on<F: Future>(self, future: F) -> F::Output {
        self.0.block_on(future)
    }

    fn spawn_outside<F>(self, future: F) -> Join<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        Join(self.0.spawn(future))
    }

    fn spawn<F>(self, future: F) -> Join<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        Join(filch::spawn(future))
    }

    fn detach<T: Send + 'static>(join: Join<T>) {
        drop(join);
    }

    async fn group<F>(self, children: impl Iterator<Item = F> + Send)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let group = TaskGroup::scope(async |group| {
            for child in children {
                group.spawn(async move {
                    child.await;
                    Ok::<_, Infallible>(())
                });
            }
            Ok(())
        });
        group.await.expect("a child panicked");
    }

    fn yield_now() -> impl Future<Output = ()> + Send {
        filch::task::yield_now()
    }

    fn listen(backlog: u32) -> io::Result<TcpListener> {
        let socket = TcpSocket::new_v4()?;
        socket.set_reuseaddr(true)?;
        socket.bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)))?;
        socket.listen(backlog)
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
        stream.read_exact(into).await.map(drop)
    }

    async fn write_all(stream: &mut TcpStream, from: &[u8]) -> io::Result<()> {
        stream.write_all(from).await
    }

    fn socket(stream: &TcpStream) -> SockRef<'_> {
        SockRef::from(stream)
    }
}

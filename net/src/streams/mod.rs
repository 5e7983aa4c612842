//! Streams in asyncio's shape: a reader with a buffer and limits, a writer that never waits, a server that calls a function.
//!
//! They are thin over [`TcpStream`](crate::TcpStream), and run wherever a runtime is current: in tasks of the workers, and in
//! tasks of an [`EventLoop`](filch_runtime::EventLoop). `buffer` holds bytes, `errors` says why a read gave less, `reader`
//! (with its `inbox`) and `writer` are the two sides of a `connection`, and `server` makes connections of those who call, whom `accepting` lets in.

mod accepting;
mod buffer;
mod connection;
mod errors;
mod inbox;
mod reader;
mod server;
mod waiters;
mod writer;

use std::future::Future;
use std::io;
use std::panic::Location;

use filch_runtime::{EventLoop, Handle};

pub use self::errors::{IncompleteReadError, LimitOverrunError, ReadError};
pub use self::reader::{Lines, StreamReader};
pub use self::server::Server;
pub use self::writer::StreamWriter;

use self::connection::Connection;
use self::server::Settings;
use crate::addr::{self, ToSocketAddrs};
use crate::{TcpSocket, TcpStream};

/// The longest line, and the most that may stand before a separator, unless another limit is set. Unit: bytes.
const DEFAULT_LIMIT: usize = 64 * 1024;

/// How many connections may wait to be accepted, unless another number is set: `asyncio`'s own.
const DEFAULT_BACKLOG: u32 = 100;

/// Connects to `addr`, and gives the two sides of the connection.
///
/// # Errors
/// As [`TcpStream::connect`].
///
/// # Panics
/// If awaited outside a runtime.
///
/// # Cancel safety
/// Safe. Dropping the future gives the attempt up.
///
/// # Source
/// `asyncio.open_connection`. A host and a port are `("localhost", 80)`, or `"localhost:80"`. Another limit than 64 KiB, or
/// a socket of your own: [`StreamOptions`].
///
/// # Examples
/// ```
/// use filch::asyncio::{open_connection, start_server};
///
/// # filch::block_on(async {
/// # let server = start_server(|r, w| async move {
/// #     w.write(r.readline().await.unwrap_or_default());
/// # }, "127.0.0.1:0").await?;
/// # let port = server.local_addrs()[0].port();
/// let (reader, writer) = open_connection(("127.0.0.1", port)).await?; // an echo server
/// writer.write(b"tea\n");
/// assert_eq!(reader.readline().await?, b"tea\n");
/// # std::io::Result::Ok(()) }).unwrap();
/// ```
pub async fn open_connection<A: ToSocketAddrs>(
    addr: A,
) -> io::Result<(StreamReader, StreamWriter)> {
    StreamOptions::new().open_connection(addr).await
}

/// Listens on all addresses that `addr` stands for, and has `client_connected` called with the two sides of each connection.
///
/// Made in a task or callback of an [`EventLoop`], the server has its clients served in tasks of that loop, one step at a time;
/// elsewhere in tasks of the runtime's workers, on all cores. A panic ends one client's task; in a loop the exception handler is
/// told.
///
/// # Errors
/// As [`TcpListener::bind`](crate::TcpListener::bind).
///
/// # Panics
/// If awaited outside a runtime.
///
/// # Cancel safety
/// Safe. Dropping the future closes what was bound.
///
/// # Source
/// `asyncio.start_server`. More is set by [`StreamOptions`].
///
/// # Examples
/// ```
/// use filch::EventLoop;
/// use filch::asyncio::{open_connection, start_server};
///
/// let event_loop = EventLoop::new();
/// let outcome = event_loop.run_until_complete(async {
///     let server = start_server(
///         |reader, writer| async move {
///             if let Ok(name) = reader.readline().await {
///                 writer.writelines([b"hello, ", &*name]);
///             }
///         },
///         "127.0.0.1:0",
///     )
///     .await
///     .unwrap();
///     let (reader, writer) = open_connection(server.local_addrs()[0]).await.unwrap();
///     writer.write(b"ann\n");
///     reader.readline().await.unwrap()
/// });
/// assert_eq!(outcome.unwrap(), b"hello, ann\n");
/// ```
#[track_caller]
pub fn start_server<A, C, F>(
    client_connected: C,
    addr: A,
) -> impl Future<Output = io::Result<Server>>
where
    A: ToSocketAddrs,
    C: Fn(StreamReader, StreamWriter) -> F + Send + Sync + 'static,
    F: Future<Output = ()> + Send + 'static,
{
    let place = Location::caller();
    async move {
        let options = StreamOptions::new();
        options.start_server_at(client_connected, addr, place).await
    }
}

/// What can be set of streams and servers: the keyword arguments of [`open_connection`] and [`start_server`].
///
/// # Examples
/// ```
/// use filch::asyncio::StreamOptions;
///
/// # filch::block_on(async {
/// let options = StreamOptions::new().limit(1024);
/// let server = options.start_server(|_reader, _writer| async {}, "127.0.0.1:0").await?;
/// let stream = filch::net::TcpStream::connect(server.local_addrs()[0]).await?;
/// let (reader, _writer) = options.streams(stream)?;
/// assert_eq!(reader.read(10).await?, b"");
/// # std::io::Result::Ok(()) }).unwrap();
/// ```
#[derive(Clone, Debug)]
pub struct StreamOptions {
    limit: usize,
    backlog: u32,
    start_serving: bool,
    reuse_address: bool,
}

impl Default for StreamOptions {
    fn default() -> StreamOptions {
        StreamOptions::new()
    }
}

impl StreamOptions {
    /// A limit of 64 KiB, a backlog of 100, serving from the start, and addresses used again.
    pub fn new() -> StreamOptions {
        StreamOptions {
            limit: DEFAULT_LIMIT,
            backlog: DEFAULT_BACKLOG,
            start_serving: true,
            reuse_address: true,
        }
    }

    /// The longest line, and the most that may stand before a separator. Unit: bytes.
    ///
    /// # Panics
    /// If it is 0.
    #[must_use]
    #[track_caller]
    pub fn limit(mut self, limit: usize) -> StreamOptions {
        assert!(limit > 0, "Limit cannot be <= 0");
        self.limit = limit;
        self
    }

    /// How many connections may wait to be accepted.
    #[must_use]
    pub fn backlog(mut self, connections: u32) -> StreamOptions {
        self.backlog = connections;
        self
    }

    /// Whether the server accepts from the start, or from [`Server::start_serving`] on.
    #[must_use]
    pub fn start_serving(mut self, at_once: bool) -> StreamOptions {
        self.start_serving = at_once;
        self
    }

    /// Whether an address may be listened on whose last connections the kernel still remembers (`SO_REUSEADDR`).
    #[must_use]
    pub fn reuse_address(mut self, reuse: bool) -> StreamOptions {
        self.reuse_address = reuse;
        self
    }

    /// See [`open_connection`].
    ///
    /// # Errors
    /// As [`open_connection`].
    ///
    /// # Panics
    /// As [`open_connection`].
    ///
    /// # Cancel safety
    /// As [`open_connection`].
    pub async fn open_connection<A: ToSocketAddrs>(
        &self,
        addr: A,
    ) -> io::Result<(StreamReader, StreamWriter)> {
        self.streams(TcpStream::connect(addr).await?)
    }

    /// The two sides of a connection that stands already. It is set to send at once (`TCP_NODELAY`), as asyncio's are.
    ///
    /// # Errors
    /// What the system says; none is expected.
    ///
    /// # Panics
    /// Outside a runtime.
    ///
    /// # Source
    /// `asyncio.open_connection(sock=...)`.
    #[track_caller]
    pub fn streams(&self, stream: TcpStream) -> io::Result<(StreamReader, StreamWriter)> {
        let runtime = Handle::current();
        stream.set_nodelay(true)?;
        let peer = stream.peer_addr().ok();
        let connection = Connection::new(stream, peer, self.limit, runtime, None);
        let reader = StreamReader::of(connection.clone());
        Ok((reader, StreamWriter::of(connection)))
    }

    /// See [`start_server`].
    ///
    /// # Errors
    /// As [`start_server`].
    ///
    /// # Panics
    /// As [`start_server`].
    ///
    /// # Cancel safety
    /// As [`start_server`].
    #[track_caller]
    pub fn start_server<A, C, F>(
        &self,
        client_connected: C,
        addr: A,
    ) -> impl Future<Output = io::Result<Server>>
    where
        A: ToSocketAddrs,
        C: Fn(StreamReader, StreamWriter) -> F + Send + Sync + 'static,
        F: Future<Output = ()> + Send + 'static,
    {
        self.start_server_at(client_connected, addr, Location::caller())
    }

    /// The tasks that serve are said to be made at `place`.
    async fn start_server_at<A, C, F>(
        &self,
        client_connected: C,
        addr: A,
        place: &'static Location<'static>,
    ) -> io::Result<Server>
    where
        A: ToSocketAddrs,
        C: Fn(StreamReader, StreamWriter) -> F + Send + Sync + 'static,
        F: Future<Output = ()> + Send + 'static,
    {
        let mut bound = Vec::new();
        for addr in addr::resolve(addr).await? {
            let socket = if addr.is_ipv4() {
                TcpSocket::new_v4()?
            } else {
                TcpSocket::new_v6()?
            };
            socket.set_reuseaddr(self.reuse_address)?;
            socket.bind(addr)?;
            bound.push(socket);
        }
        if bound.is_empty() {
            return Err(addr::no_address());
        }
        let event_loop = EventLoop::current().map(|on| on.downgrade());
        let runtime = Handle::current();
        let serve = server::serving(client_connected, event_loop.clone(), runtime.clone(), place);
        let settings = Settings {
            limit: self.limit,
            backlog: self.backlog,
            place,
        };
        let server = Server::new(bound, serve, event_loop, runtime, settings)?;
        if self.start_serving {
            server.start_serving().await?;
        }
        Ok(server)
    }
}

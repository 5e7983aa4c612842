//! A server: it accepts connections, and has a function called with the streams of each.
//!
//! One task of the runtime accepts from all listeners of a server ([`accept_all`]). Where the function runs is settled when the server is made:
//! in tasks of the loop that made it, or in tasks of the runtime's workers.

use std::collections::HashMap;
use std::fmt;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::panic::Location;
use std::sync::{Arc, Weak};
use std::task::Waker;

use filch_runtime::event_loop::{ExceptionContext, WeakEventLoop};
use filch_runtime::{EventLoop, Handle, PromiseError};
use parking_lot::Mutex;

use super::accepting::accept_all;
use super::connection::Connection;
use super::reader::StreamReader;
use super::waiters::{Awaited, Waiters, wait_until};
use super::writer::StreamWriter;
use crate::{TcpListener, TcpSocket, TcpStream};

/// A server of [`start_server`](super::start_server).
///
/// A handle: when the last one goes, the server is [closed](Self::close). Connections that it accepted live on.
///
/// # Source
/// `asyncio.Server`. There a server whose handle is lost goes on as long as its loop.
///
/// # Examples
/// ```
/// use filch::asyncio::{open_connection, start_server};
///
/// # filch::block_on(async {
/// let server = start_server(
///     |_reader, writer| async move { writer.write(b"hello\n") },
///     "127.0.0.1:0",
/// )
/// .await?;
/// let (reader, _writer) = open_connection(server.local_addrs()[0]).await?;
/// assert_eq!(reader.read_to_end().await?, b"hello\n");
///
/// server.close();
/// server.wait_closed().await;
/// assert!(!server.is_serving());
/// # std::io::Result::Ok(()) }).unwrap();
/// ```
#[derive(Clone)]
pub struct Server(Arc<Owner>);

struct Owner(Arc<Shared>);

impl Drop for Owner {
    fn drop(&mut self) {
        self.0.close();
    }
}

/// Calls what serves a client, in the place that is settled for that.
type Serve = dyn Fn(StreamReader, StreamWriter) -> bool + Send + Sync;

pub(super) struct Shared {
    pub(super) state: Mutex<State>,
    pub(super) serve: Box<Serve>,
    runtime: Handle,
    /// Weak: a task of the loop may have the server.
    pub(super) event_loop: Option<WeakEventLoop>,
    settings: Settings,
}

pub(super) struct Settings {
    pub(super) limit: usize,
    pub(super) backlog: u32,
    /// Where the server was made.
    pub(super) place: &'static Location<'static>,
}

pub(super) struct State {
    /// Bound, and not listening before `start_serving`.
    bound: Vec<TcpSocket>,
    pub(super) listeners: Vec<TcpListener>,
    /// Whose turn it is.
    pub(super) next_listener: usize,
    addrs: Vec<SocketAddr>,
    pub(super) is_closed: bool,
    /// Somebody is in `serve_forever`.
    pub(super) serves_forever: bool,
    /// Why it was closed, if it could not go on.
    pub(super) failed: Option<io::Error>,
    clients: HashMap<u64, Weak<Connection>>,
    next_client: u64,
    /// The task that accepts, or rests.
    pub(super) accepting: Option<Waker>,
    /// Who waits for the end, of the serving or of all.
    waiters: Waiters,
}

/// A connection's place among the clients of a server.
pub(super) struct Client {
    server: Weak<Shared>,
    key: u64,
}

impl Client {
    /// The connection has ended. A second call does nothing.
    pub(super) fn leave(&self) {
        let Some(server) = self.server.upgrade() else {
            return;
        };
        let mut state = server.state.lock();
        let left = state.clients.remove(&self.key);
        let wakers = state.wakers_at_end();
        drop(state);
        drop(left);
        wakers.into_iter().for_each(Waker::wake);
    }
}

impl State {
    fn has_ended(&self) -> bool {
        self.is_closed && self.clients.is_empty()
    }

    fn wakers_at_end(&mut self) -> Vec<Waker> {
        if self.has_ended() {
            self.waiters.take()
        } else {
            Vec::new()
        }
    }
}

impl Awaited for State {
    fn waiters(&mut self) -> &mut Waiters {
        &mut self.waiters
    }
}

/// Has `callback` called for each client: in a task of the current loop, or else of the workers.
pub(super) fn serving<C, F>(
    callback: C,
    event_loop: Option<WeakEventLoop>,
    runtime: Handle,
    place: &'static Location<'static>,
) -> Box<Serve>
where
    C: Fn(StreamReader, StreamWriter) -> F + Send + Sync + 'static,
    F: Future<Output = ()> + Send + 'static,
{
    let callback = Arc::new(callback);
    match event_loop {
        None => Box::new(move |reader, writer| {
            let callback = callback.clone();
            drop(runtime.spawn_at(async move { callback(reader, writer).await }, place));
            true
        }),
        Some(event_loop) => Box::new(move |reader, writer| {
            let Some(event_loop) = event_loop.upgrade() else {
                return false;
            };
            let callback = callback.clone();
            let queued = event_loop.call_soon_threadsafe(move || {
                let Some(on) = EventLoop::current() else {
                    return;
                };
                let task = on.create_task_at(async move { callback(reader, writer).await }, place);
                // The loop lets go of a task that is done; its outcome is told all the same.
                let held = task.clone();
                task.add_done_callback(move |_| {
                    let Ok(Err(PromiseError::Failed(panic))) = held.result() else {
                        return;
                    };
                    let message = "Unhandled exception in client_connected_cb";
                    let told = ExceptionContext::new(message).with_exception(panic);
                    if let Some(on) = EventLoop::current() {
                        on.call_exception_handler(told);
                    }
                });
            });
            queued.is_ok()
        }),
    }
}

impl Server {
    pub(super) fn new(
        bound: Vec<TcpSocket>,
        serve: Box<Serve>,
        event_loop: Option<WeakEventLoop>,
        runtime: Handle,
        settings: Settings,
    ) -> io::Result<Server> {
        let addrs = bound.iter().map(TcpSocket::local_addr);
        Ok(Server(Arc::new(Owner(Arc::new(Shared {
            state: Mutex::new(State {
                addrs: addrs.collect::<io::Result<_>>()?,
                bound,
                listeners: Vec::new(),
                next_listener: 0,
                is_closed: false,
                serves_forever: false,
                failed: None,
                clients: HashMap::new(),
                next_client: 0,
                accepting: None,
                waiters: Waiters::default(),
            }),
            serve,
            runtime,
            event_loop,
            settings,
        })))))
    }

    pub(super) fn shared(&self) -> &Arc<Shared> {
        &self.0.0
    }

    /// Begins to accept, if it has not; needed only after
    /// [`start_serving(false)`](super::StreamOptions::start_serving).
    ///
    /// # Errors
    /// If one of the addresses cannot be listened on, which closes the server; or if it is closed already.
    ///
    /// # Cancel safety
    /// Safe: it is done at its first poll.
    ///
    /// # Source
    /// `Server.start_serving`. There a server is said to serve that could not listen on all its addresses.
    pub async fn start_serving(&self) -> io::Result<()> {
        let shared = self.shared();
        let mut state = shared.state.lock();
        if state.is_closed {
            return Err(io::Error::other("server is closed"));
        }
        let bound = std::mem::take(&mut state.bound);
        if bound.is_empty() {
            return Ok(());
        }
        let _entered = shared.runtime.enter();
        let backlog = shared.settings.backlog;
        let listeners = bound.into_iter().map(|socket| socket.listen(backlog));
        match listeners.collect() {
            Ok(listeners) => state.listeners = listeners,
            Err(error) => {
                // Nobody would accept from those that do listen.
                drop(state);
                shared.close();
                return Err(error);
            }
        }
        drop(state);
        let accepting = shared.clone();
        let place = shared.settings.place;
        drop(shared.runtime.spawn_at(accept_all(accepting), place));
        Ok(())
    }

    /// True while it accepts.
    pub fn is_serving(&self) -> bool {
        let state = self.shared().state.lock();
        !state.is_closed && !state.listeners.is_empty()
    }

    /// Serves until it is [closed](Self::close), and closes it if this is cancelled or dropped.
    ///
    /// # Errors
    /// If the server is closed already, or awaited here already; if it cannot accept any more; and as
    /// [`start_serving`](Self::start_serving).
    ///
    /// # Cancel safety
    /// Not for the server: dropping the future closes it.
    ///
    /// # Source
    /// `Server.serve_forever`, which raises `CancelledError` when the server is closed; here that is a return.
    ///
    /// # Examples
    /// ```
    /// use filch::asyncio::start_server;
    ///
    /// # filch::block_on(async {
    /// let server = start_server(|_reader, _writer| async {}, "127.0.0.1:0").await?;
    /// let (served, ()) = filch::join!(server.serve_forever(), async { server.close() });
    /// served?;
    /// # std::io::Result::Ok(()) }).unwrap();
    /// ```
    pub async fn serve_forever(&self) -> io::Result<()> {
        struct Serving<'a>(&'a Server);
        impl Drop for Serving<'_> {
            fn drop(&mut self) {
                self.0.shared().state.lock().serves_forever = false;
                self.0.close();
            }
        }

        let shared = self.shared();
        {
            let mut state = shared.state.lock();
            if state.serves_forever {
                let message = "server is already being awaited on serve_forever()";
                return Err(io::Error::other(message));
            }
            if state.is_closed {
                return Err(io::Error::other("server is closed"));
            }
            state.serves_forever = true;
        }
        let _serving = Serving(self);
        self.start_serving().await?;
        wait_until(&shared.state, |state| state.is_closed.then_some(())).await;
        let failed = shared.state.lock().failed.take();
        failed.map_or(Ok(()), Err)
    }

    /// Stops accepting: the sockets that listen are closed. Connections go on. A second call does nothing.
    pub fn close(&self) {
        self.shared().close();
    }

    /// Closes all its connections, as [`StreamWriter::close`] does.
    pub fn close_clients(&self) {
        for client in self.shared().clients() {
            client.close();
        }
    }

    /// Ends all its connections at once, as [`StreamWriter::abort`] does.
    pub fn abort_clients(&self) {
        for client in self.shared().clients() {
            client.abort();
        }
    }

    /// Waits until the server is closed and all its connections have ended.
    ///
    /// # Cancel safety
    /// Safe.
    pub async fn wait_closed(&self) {
        let state = &self.shared().state;
        wait_until(state, |state| state.has_ended().then_some(())).await;
    }

    /// The addresses it listens on; none once it is closed.
    ///
    /// # Source
    /// `Server.sockets`.
    pub fn local_addrs(&self) -> Vec<SocketAddr> {
        self.shared().state.lock().addrs.clone()
    }

    /// The loop in whose tasks clients are served, if it is one, and somebody has it still.
    pub fn get_loop(&self) -> Option<EventLoop> {
        self.shared().event_loop.as_ref()?.upgrade()
    }
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = self.shared().state.lock();
        f.debug_struct("Server")
            .field("addrs", &state.addrs)
            .field("is_closed", &state.is_closed)
            .field("clients", &state.clients.len())
            .finish_non_exhaustive()
    }
}

impl Shared {
    pub(super) fn close(&self) {
        let mut state = self.state.lock();
        if std::mem::replace(&mut state.is_closed, true) {
            return;
        }
        state.addrs.clear();
        let sockets = (
            std::mem::take(&mut state.bound),
            std::mem::take(&mut state.listeners),
        );
        let accepting = state.accepting.take();
        // Those of `serve_forever` go on; others find that there are still clients, and wait again.
        let wakers = state.waiters.take();
        drop(state);
        drop(sockets);
        accepting.into_iter().chain(wakers).for_each(Waker::wake);
    }

    fn clients(&self) -> Vec<Arc<Connection>> {
        let state = self.state.lock();
        state.clients.values().filter_map(Weak::upgrade).collect()
    }

    pub(super) fn connect(
        self: &Arc<Self>,
        stream: TcpStream,
        peer: SocketAddr,
    ) -> Option<Arc<Connection>> {
        let mut state = self.state.lock();
        if state.is_closed {
            return None;
        }
        let key = state.next_client;
        state.next_client += 1;
        let server = Arc::downgrade(self);
        let client = Some(Client { server, key });
        let runtime = self.runtime.clone();
        let connection = Connection::new(stream, Some(peer), self.settings.limit, runtime, client);
        state.clients.insert(key, Arc::downgrade(&connection));
        Some(connection)
    }
}

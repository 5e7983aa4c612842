//! The task of a server that accepts: what it does about errors, of which some come again at once and some never end.

use std::future::{Future, poll_fn};
use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use filch_runtime::event_loop::ExceptionContext;
use filch_runtime::time::sleep;
use rustix::io::Errno;

use super::reader::StreamReader;
use super::server::Shared;
use super::writer::StreamWriter;
use crate::TcpStream;

/// How long a server rests that cannot accept because the system is out of descriptors or memory: `asyncio`'s own.
const ACCEPT_RETRY_DELAY: Duration = Duration::from_secs(1);

/// What an error of `accept` is about.
#[derive(Debug, PartialEq)]
enum About {
    /// The caller's connection, or the way to him: the next one may be well.
    Caller,
    /// The system, which may have more in a while.
    Resources,
    /// The socket that listens, which will not get better.
    Listener,
}

impl About {
    fn of(error: &io::Error) -> About {
        let Some(errno) = Errno::from_io_error(error) else {
            return About::Listener;
        };
        match errno {
            Errno::MFILE | Errno::NFILE | Errno::NOBUFS | Errno::NOMEM => About::Resources,
            // Linux tells of what befell the connection before it was accepted, and of a firewall's no (EPERM).
            Errno::CONNABORTED
            | Errno::CONNRESET
            | Errno::TIMEDOUT
            | Errno::PROTO
            | Errno::NOPROTOOPT
            | Errno::NETDOWN
            | Errno::NETUNREACH
            | Errno::HOSTDOWN
            | Errno::HOSTUNREACH
            | Errno::PERM
            | Errno::INTR
            | Errno::AGAIN => About::Caller,
            #[cfg(target_os = "linux")]
            Errno::NONET | Errno::OPNOTSUPP => About::Caller,
            _ => About::Listener,
        }
    }
}

/// Accepts until the server is closed.
pub(super) async fn accept_all(server: Arc<Shared>) {
    while let Some(accepted) = poll_fn(|context| server.poll_accept(context)).await {
        let error = match accepted {
            Ok((stream, peer)) => {
                // As asyncio does for each socket. One that is gone already says so when it is read.
                let _gone_already = stream.set_nodelay(true);
                let Some(connection) = server.connect(stream, peer) else {
                    return;
                };
                let reader = StreamReader::of(connection.clone());
                if !(server.serve)(reader, StreamWriter::of(connection)) {
                    // The loop is closed.
                    server.close();
                }
                continue;
            }
            Err(error) => error,
        };
        match About::of(&error) {
            About::Caller => {}
            About::Resources => {
                server.tell("socket.accept() out of system resource", &error);
                server.rest(ACCEPT_RETRY_DELAY).await;
            }
            About::Listener => {
                let is_told = server.tell("socket.accept() failed: the server is closed", &error);
                let mut state = server.state.lock();
                if !is_told && !state.serves_forever {
                    eprintln!("filch: socket.accept() failed, and the server is closed: {error}");
                }
                state.failed = Some(error);
                drop(state);
                server.close();
            }
        }
    }
}

impl Shared {
    /// The next connection; none once the server is closed. The listeners take turns, so that a busy one keeps no other waiting.
    fn poll_accept(
        &self,
        context: &mut Context<'_>,
    ) -> Poll<Option<io::Result<(TcpStream, SocketAddr)>>> {
        let mut state = self.state.lock();
        if state.is_closed {
            return Poll::Ready(None);
        }
        let count = state.listeners.len();
        for step in 0..count {
            let at = (state.next_listener + step) % count;
            if let Poll::Ready(accepted) = state.listeners[at].poll_accept(context) {
                state.next_listener = at + 1;
                return Poll::Ready(Some(accepted));
            }
        }
        let old = state.accepting.replace(context.waker().clone());
        drop(state);
        drop(old);
        Poll::Pending
    }

    /// Waits for so long, or until the server is closed.
    async fn rest(&self, delay: Duration) {
        let mut sleep = pin!(sleep(delay));
        poll_fn(|context| {
            let mut state = self.state.lock();
            if state.is_closed {
                return Poll::Ready(());
            }
            let old = state.accepting.replace(context.waker().clone());
            drop(state);
            drop(old);
            sleep.as_mut().poll(context)
        })
        .await;
    }

    /// Tells the exception handler of the loop. False if there is none.
    fn tell(&self, message: &str, error: &io::Error) -> bool {
        let on = self.event_loop.as_ref().and_then(|on| on.upgrade());
        let is_there = on.is_some();
        if let Some(on) = on {
            on.call_exception_handler(ExceptionContext::new(message).with_exception(error));
        }
        is_there
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::streams::start_server;
    use filch_runtime::EventLoop;
    use parking_lot::Mutex;
    use rustix::net::Shutdown;

    #[test]
    fn an_error_is_about_the_caller_the_system_or_the_listener() {
        let about = |errno: Errno| About::of(&errno.into());
        assert_eq!(about(Errno::CONNABORTED), About::Caller);
        assert_eq!(about(Errno::MFILE), About::Resources);
        assert_eq!(about(Errno::NOMEM), About::Resources);
        assert_eq!(about(Errno::INVAL), About::Listener);
        assert_eq!(about(Errno::BADF), About::Listener);
        assert_eq!(About::of(&io::Error::other("no tea")), About::Listener);
    }
    /// A socket that cannot be accepted from any more: the handler of the loop is told once, and the server ends.
    #[test]
    #[cfg(target_os = "linux")]
    fn a_server_whose_socket_fails_ends() {
        let event_loop = EventLoop::new();
        let told = Arc::new(Mutex::new(Vec::new()));
        let into = told.clone();
        event_loop.set_exception_handler(move |context| into.lock().push(context.to_string()));
        let outcome = event_loop.run_until_complete(async {
            let server = start_server(|_, _| async {}, "127.0.0.1:0").await.unwrap();
            {
                let state = server.shared().state.lock();
                rustix::net::shutdown(&state.listeners[0], Shutdown::Both).unwrap();
            }
            // It may have ended before this begins.
            let outcome = server.serve_forever().await;
            server.wait_closed().await;
            assert!(!server.is_serving());
            Arc::new(outcome)
        });
        let error = outcome.unwrap().as_ref().as_ref().unwrap_err().to_string();
        let told = told.lock();
        assert_eq!(told.len(), 1, "{told:?}");
        assert!(told[0].starts_with("socket.accept() failed"), "{told:?}");
        assert!(error == "server is closed" || told[0].contains(&error));
    }
}

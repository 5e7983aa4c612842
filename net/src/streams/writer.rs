//! The writing side: what is written goes out by itself, and `drain` waits for room.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use filch_runtime::yield_now;

use super::connection::Connection;
use super::errors::again;
use crate::TcpStream;

/// The writing side of a connection, as asyncio has it: `write` never waits, `drain` does.
///
/// What the kernel has no room for waits in a buffer, and a task of the runtime sends it. Write, then [`drain`](Self::drain):
/// it waits while more than 64 KiB wait, until they are 16 KiB or less, so that a slow reader holds a fast writer back.
///
/// A handle: clones write to the same connection, each call in one piece. When the last one goes, what waits is sent and the
/// other side is told the end, as by [`write_eof`](Self::write_eof); when the reader has gone, too, the connection is
/// [closed](Self::close). A writer that a closure names and does not use goes at once: keep it, if the other side is to hear
/// more.
///
/// # Source
/// `asyncio.StreamWriter`, with what is useful of its transport. A writer that is dropped without `close` is a `ResourceWarning`
/// there; here each half may go, as those of a [`TcpStream`] do.
///
/// # Examples
/// ```
/// use filch::asyncio::{open_connection, start_server};
///
/// # filch::block_on(async {
/// let server = start_server(
///     |reader, writer| async move {
///         while let Ok(line) = reader.readline().await {
///             if line.is_empty() {
///                 break;
///             }
///             writer.write(&line.to_ascii_uppercase());
///             if writer.drain().await.is_err() {
///                 break;
///             }
///         }
///     },
///     "127.0.0.1:0",
/// )
/// .await?;
/// let (reader, writer) = open_connection(server.local_addrs()[0]).await?;
/// writer.write(b"tea\n");
/// writer.drain().await?;
/// assert_eq!(reader.readline().await?, b"TEA\n");
/// writer.close();
/// writer.wait_closed().await?;
/// # std::io::Result::Ok(()) }).unwrap();
/// ```
#[derive(Clone)]
pub struct StreamWriter(Arc<Owner>);

struct Owner(Arc<Connection>);

impl Drop for Owner {
    fn drop(&mut self) {
        self.0.writers_leave();
    }
}

impl StreamWriter {
    pub(super) fn of(connection: Arc<Connection>) -> StreamWriter {
        StreamWriter(Arc::new(Owner(connection)))
    }

    fn connection(&self) -> &Arc<Connection> {
        &self.0.0
    }

    /// Sends the bytes, now or, if there is no room, as soon as there is. After [`close`](Self::close), or once the connection
    /// has failed, they are dropped: [`drain`](Self::drain) tells.
    ///
    /// # Panics
    /// After [`write_eof`](Self::write_eof).
    #[track_caller]
    pub fn write(&self, data: impl AsRef<[u8]>) {
        self.connection().write(data.as_ref());
    }

    /// As [`write`](Self::write), for several pieces that follow each other.
    ///
    /// # Panics
    /// As [`write`](Self::write).
    ///
    /// # Examples
    /// ```
    /// # use filch::asyncio::{open_connection, start_server};
    /// # filch::block_on(async {
    /// # let server = start_server(|r, w| async move {
    /// #     w.write(r.read_to_end().await.unwrap_or_default());
    /// # }, "127.0.0.1:0").await?;
    /// # let (reader, writer) = open_connection(server.local_addrs()[0]).await?;
    /// writer.writelines(["one\n", "two\n"]);
    /// # writer.write_eof();
    /// # assert_eq!(reader.read_to_end().await?, b"one\ntwo\n");
    /// # std::io::Result::Ok(()) }).unwrap();
    /// ```
    #[track_caller]
    pub fn writelines<L>(&self, lines: L)
    where
        L: IntoIterator,
        L::Item: AsRef<[u8]>,
    {
        let mut all = Vec::new();
        for line in lines {
            all.extend_from_slice(line.as_ref());
        }
        self.connection().write(&all);
    }

    /// Waits until there is room to write.
    ///
    /// # Errors
    /// What the connection failed with; `ConnectionReset`, "Connection lost", once it is closed and all was sent.
    ///
    /// # Cancel safety
    /// Safe: what was written goes out all the same.
    pub async fn drain(&self) -> io::Result<()> {
        let connection = self.connection();
        if let Some(error) = connection.inbox.exception() {
            return Err(again(&error));
        }
        if connection.is_closing() {
            yield_now().await;
        }
        connection.wait_room().await
    }

    /// Says "no more from me", after what was written; reading stays open.
    ///
    /// # Examples
    /// ```
    /// # use filch::asyncio::{open_connection, start_server};
    /// # filch::block_on(async {
    /// # let server = start_server(|r, w| async move {
    /// #     w.write(r.read_to_end().await.unwrap_or_default());
    /// # }, "127.0.0.1:0").await?;
    /// let (reader, writer) = open_connection(server.local_addrs()[0]).await?;
    /// writer.write(b"that is all");
    /// assert!(writer.can_write_eof());
    /// writer.write_eof();
    /// assert_eq!(reader.read_to_end().await?, b"that is all"); // the server sends it back
    /// # std::io::Result::Ok(()) }).unwrap();
    /// ```
    pub fn write_eof(&self) {
        self.connection().write_eof();
    }

    /// True: TCP can end one direction.
    pub fn can_write_eof(&self) -> bool {
        true
    }

    /// Ends the connection, both directions, once all that was written is sent. The socket itself goes with the last of reader
    /// and writers.
    pub fn close(&self) {
        self.connection().close();
    }

    /// Ends the connection now; what waits to be sent is dropped.
    ///
    /// # Source
    /// `writer.transport.abort()`.
    pub fn abort(&self) {
        self.connection().abort();
    }

    /// True once it is closed, or has failed.
    pub fn is_closing(&self) -> bool {
        self.connection().is_closing()
    }

    /// Waits until the connection has ended: [`close`](Self::close) it first.
    ///
    /// # Errors
    /// What it failed with.
    ///
    /// # Cancel safety
    /// Safe.
    pub async fn wait_closed(&self) -> io::Result<()> {
        self.connection().wait_lost().await
    }

    /// Whom this side speaks to; `None` if the connection was gone before that could be asked.
    ///
    /// # Source
    /// `get_extra_info("peername")`.
    pub fn peer_addr(&self) -> Option<SocketAddr> {
        self.connection().peer
    }

    /// The address of this side.
    ///
    /// # Errors
    /// What the system says; none is expected.
    ///
    /// # Source
    /// `get_extra_info("sockname")`.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.connection().stream.local_addr()
    }

    /// The socket, for its options. Bytes that are read or written past the streams are lost to them.
    ///
    /// # Source
    /// `get_extra_info("socket")`.
    pub fn stream(&self) -> &TcpStream {
        &self.connection().stream
    }

    /// How many bytes wait to be sent.
    ///
    /// # Source
    /// `writer.transport.get_write_buffer_size()`.
    pub fn write_buffer_size(&self) -> usize {
        self.connection().waiting()
    }

    /// From how many waiting bytes on [`drain`](Self::drain) waits (more than `high`), and until how few (`low` or less):
    /// `(low, high)`.
    ///
    /// # Source
    /// `writer.transport.get_write_buffer_limits()`.
    pub fn write_buffer_limits(&self) -> (usize, usize) {
        self.connection().limits()
    }

    /// Sets the [limits](Self::write_buffer_limits). Left out, `low` is a quarter of `high`, and `high` four times `low`, or 64
    /// KiB. With both at 0 `drain` waits until all is sent.
    ///
    /// # Panics
    /// If `high` is less than `low`.
    ///
    /// # Source
    /// `writer.transport.set_write_buffer_limits()`.
    ///
    /// # Examples
    /// ```
    /// # use filch::asyncio::{open_connection, start_server};
    /// # filch::block_on(async {
    /// # let server = start_server(|_, _| async {}, "127.0.0.1:0").await?;
    /// # let (reader, writer) = open_connection(server.local_addrs()[0]).await?;
    /// assert_eq!(writer.write_buffer_limits(), (16 * 1024, 64 * 1024));
    /// writer.set_write_buffer_limits(Some(1024), None);
    /// assert_eq!(writer.write_buffer_limits(), (256, 1024));
    /// # std::io::Result::Ok(()) }).unwrap();
    /// ```
    #[track_caller]
    pub fn set_write_buffer_limits(&self, high: Option<usize>, low: Option<usize>) {
        let high = high.unwrap_or_else(|| low.map_or(64 * 1024, |low| low.saturating_mul(4)));
        let low = low.unwrap_or(high / 4);
        assert!(
            high >= low,
            "high ({high}) must be >= low ({low}) must be >= 0"
        );
        self.connection().set_limits(high, low);
    }
}

impl fmt::Debug for StreamWriter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StreamWriter")
            .field("stream", self.stream())
            .field("waiting", &self.write_buffer_size())
            .field("is_closing", &self.is_closing())
            .finish()
    }
}

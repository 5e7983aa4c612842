//! A stream's readiness: wait for it, and try the operation that it promises.
//!
//! Readiness is a belief. It may be out of date, so every `try_*` may say [`WouldBlock`](io::ErrorKind::WouldBlock);
//! that clears the belief, and the next wait waits for news. An operation that bypasses these methods (on the file
//! descriptor, say) and would block must go through [`TcpStream::try_io`], or the wait that follows returns at once, for ever.

use std::io::{self, IoSlice, IoSliceMut, Read, Write};
use std::task::{Context, Poll};

use filch_runtime::io::{Direction, Interest, Ready};

use super::stream::TcpStream;

/// Readiness, and what can be tried. Usable from many tasks at once.
impl TcpStream {
    /// Waits until one of the directions of `interest` is ready, and says which.
    ///
    /// # Errors
    /// If the runtime shuts down.
    /// # Cancel safety
    /// Safe. Readiness stays until a `try_*` finds that it is gone.
    /// # Source
    /// `tokio::net::TcpStream::ready`; asyncio's `loop.add_reader` and `add_writer` in one.
    /// # Examples
    /// ```
    /// use filch::io::Interest;
    ///
    /// # filch::block_on(async {
    /// # let listener = filch::net::TcpListener::bind("127.0.0.1:0").await?;
    /// let stream = filch::net::TcpStream::connect(listener.local_addr()?).await?;
    /// let ready = stream.ready(Interest::READABLE | Interest::WRITABLE).await?;
    /// assert!(ready.is_writable());
    /// # std::io::Result::Ok(()) }).unwrap();
    /// ```
    pub async fn ready(&self, interest: Interest) -> io::Result<Ready> {
        self.source.ready(interest).await
    }

    /// Waits until there is something to read: bytes, the end, or an error.
    ///
    /// # Errors
    /// If the runtime shuts down.
    /// # Cancel safety
    /// Safe, as [`ready`](Self::ready).
    /// # Source
    /// `tokio::net::TcpStream::readable`.
    /// # Examples
    /// ```
    /// # filch::block_on(async {
    /// # let listener = filch::net::TcpListener::bind("127.0.0.1:0").await?;
    /// # let client = filch::net::TcpStream::connect(listener.local_addr()?).await?;
    /// # let (server, _) = listener.accept().await?;
    /// # client.try_write(b"hello")?;
    /// let mut buf = [0; 64];
    /// let n = loop {
    ///     server.readable().await?;
    ///     match server.try_read(&mut buf) {
    ///         Err(e) if e.kind() == std::io::ErrorKind::WouldBlock => continue,   // it was not, after all
    ///         result => break result?,
    ///     }
    /// };
    /// assert_eq!(&buf[..n], b"hello");
    /// # std::io::Result::Ok(()) }).unwrap();
    /// ```
    pub async fn readable(&self) -> io::Result<()> {
        self.ready(Interest::READABLE).await.map(drop)
    }

    /// Waits until there is room to write, or an error to meet.
    ///
    /// # Errors
    /// If the runtime shuts down.
    /// # Cancel safety
    /// Safe, as [`ready`](Self::ready).
    /// # Source
    /// `tokio::net::TcpStream::writable`.
    /// # Examples
    /// ```
    /// # filch::block_on(async {
    /// # let listener = filch::net::TcpListener::bind("127.0.0.1:0").await?;
    /// let stream = filch::net::TcpStream::connect(listener.local_addr()?).await?;
    /// stream.writable().await?;
    /// assert_eq!(stream.try_write(b"hello")?, 5);
    /// # std::io::Result::Ok(()) }).unwrap();
    /// ```
    pub async fn writable(&self) -> io::Result<()> {
        self.ready(Interest::WRITABLE).await.map(drop)
    }

    /// As [`readable`](Self::readable), waiting in the read slot: only the last task to poll is woken.
    ///
    /// # Errors
    /// If the runtime shuts down.
    /// # Source
    /// `tokio::net::TcpStream::poll_read_ready`.
    /// # Examples
    /// ```
    /// # filch::block_on(async {
    /// # let listener = filch::net::TcpListener::bind("127.0.0.1:0").await?;
    /// # let client = filch::net::TcpStream::connect(listener.local_addr()?).await?;
    /// # let (server, _) = listener.accept().await?;
    /// # client.try_write(b"hello")?;
    /// std::future::poll_fn(|cx| server.poll_read_ready(cx)).await?;
    /// # std::io::Result::Ok(()) }).unwrap();
    /// ```
    pub fn poll_read_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.source.poll_ready(cx, Direction::Read)
    }

    /// As [`writable`](Self::writable), waiting in the write slot: only the last task to poll is woken.
    ///
    /// # Errors
    /// If the runtime shuts down.
    /// # Source
    /// `tokio::net::TcpStream::poll_write_ready`.
    /// # Examples
    /// ```
    /// # filch::block_on(async {
    /// # let listener = filch::net::TcpListener::bind("127.0.0.1:0").await?;
    /// let stream = filch::net::TcpStream::connect(listener.local_addr()?).await?;
    /// std::future::poll_fn(|cx| stream.poll_write_ready(cx)).await?;
    /// # std::io::Result::Ok(()) }).unwrap();
    /// ```
    pub fn poll_write_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.source.poll_ready(cx, Direction::Write)
    }

    /// Reads what is there, without waiting. 0 says the other side has ended its writing (or `buf` is empty).
    ///
    /// # Errors
    /// [`WouldBlock`](io::ErrorKind::WouldBlock): nothing there yet; wait with [`readable`](Self::readable) and
    /// try again. Else those of the connection.
    /// # Source
    /// `tokio::net::TcpStream::try_read`.
    /// # Examples
    /// See [`readable`](Self::readable).
    pub fn try_read(&self, buf: &mut [u8]) -> io::Result<usize> {
        self.source
            .try_io(Interest::READABLE, |mut io| io.read(buf))
    }

    /// As [`try_read`](Self::try_read), into several buffers, one after the other (at most 1,024 of them).
    ///
    /// # Errors
    /// As [`try_read`](Self::try_read).
    /// # Source
    /// `tokio::net::TcpStream::try_read_vectored`.
    /// # Examples
    /// ```
    /// use std::io::IoSliceMut;
    ///
    /// # filch::block_on(async {
    /// # let listener = filch::net::TcpListener::bind("127.0.0.1:0").await?;
    /// # let client = filch::net::TcpStream::connect(listener.local_addr()?).await?;
    /// # let (server, _) = listener.accept().await?;
    /// # client.try_write(b"hello")?;
    /// # server.readable().await?;
    /// let (mut head, mut body) = ([0; 1], [0; 8]);
    /// let n = server.try_read_vectored(&mut [IoSliceMut::new(&mut head), IoSliceMut::new(&mut body)])?;
    /// assert_eq!((n, &head, &body[..4]), (5, b"h", b"ello".as_slice()));
    /// # std::io::Result::Ok(()) }).unwrap();
    /// ```
    pub fn try_read_vectored(&self, bufs: &mut [IoSliceMut<'_>]) -> io::Result<usize> {
        self.source
            .try_io(Interest::READABLE, |mut io| io.read_vectored(bufs))
    }

    /// As [`try_read`](Self::try_read), to the end of a growing buffer: a `Vec<u8>`, a `BytesMut`. At most 16 KiB at once.
    ///
    /// # Errors
    /// As [`try_read`](Self::try_read).
    /// # Source
    /// `tokio::net::TcpStream::try_read_buf`, which reads in place; here the bytes are copied once more, so that no `unsafe` is
    /// needed. Where that counts, read through the traits.
    /// # Examples
    /// ```
    /// # filch::block_on(async {
    /// # let listener = filch::net::TcpListener::bind("127.0.0.1:0").await?;
    /// # let client = filch::net::TcpStream::connect(listener.local_addr()?).await?;
    /// # let (server, _) = listener.accept().await?;
    /// # client.try_write(b"hello")?;
    /// # server.readable().await?;
    /// let mut all = Vec::with_capacity(64);
    /// assert_eq!(server.try_read_buf(&mut all)?, 5);
    /// assert_eq!(all, b"hello");
    /// # std::io::Result::Ok(()) }).unwrap();
    /// ```
    #[cfg(feature = "tokio-io")]
    pub fn try_read_buf<B: bytes::BufMut>(&self, buf: &mut B) -> io::Result<usize> {
        use rustix::net::{RecvFlags, recv};
        use std::mem::MaybeUninit;

        self.source.try_io(Interest::READABLE, |io| {
            let mut space = [MaybeUninit::<u8>::uninit(); 16 * 1024];
            let most = buf.chunk_mut().len().min(space.len());
            let ((got, _), _) = recv(io, &mut space[..most], RecvFlags::empty())?;
            buf.put_slice(got);
            Ok(got.len())
        })
    }

    /// Writes what there is room for, without waiting. Returns how many bytes that was.
    ///
    /// # Errors
    /// [`WouldBlock`](io::ErrorKind::WouldBlock): no room; wait with [`writable`](Self::writable) and try again.
    /// Else those of the connection.
    /// # Source
    /// `tokio::net::TcpStream::try_write`.
    /// # Examples
    /// See [`writable`](Self::writable).
    pub fn try_write(&self, buf: &[u8]) -> io::Result<usize> {
        self.source
            .try_io(Interest::WRITABLE, |mut io| io.write(buf))
    }

    /// As [`try_write`](Self::try_write), out of several buffers, one after the other (at most 1,024 of them).
    ///
    /// # Errors
    /// As [`try_write`](Self::try_write).
    /// # Source
    /// `tokio::net::TcpStream::try_write_vectored`.
    /// # Examples
    /// ```
    /// use std::io::IoSlice;
    ///
    /// # filch::block_on(async {
    /// # let listener = filch::net::TcpListener::bind("127.0.0.1:0").await?;
    /// let stream = filch::net::TcpStream::connect(listener.local_addr()?).await?;
    /// stream.writable().await?;
    /// assert_eq!(stream.try_write_vectored(&[IoSlice::new(b"he"), IoSlice::new(b"llo")])?, 5);
    /// # std::io::Result::Ok(()) }).unwrap();
    /// ```
    pub fn try_write_vectored(&self, bufs: &[IoSlice<'_>]) -> io::Result<usize> {
        self.source
            .try_io(Interest::WRITABLE, |mut io| io.write_vectored(bufs))
    }

    /// Tries an operation of your own on the socket, such as a system call that is missing here.
    ///
    /// `f` must say [`WouldBlock`](io::ErrorKind::WouldBlock) only if the socket did, in a direction of `interest`; and must
    /// not touch this stream's own methods.
    ///
    /// # Errors
    /// [`WouldBlock`](io::ErrorKind::WouldBlock): not ready, and then `f` may not have run at all. Else what `f` says.
    /// # Source
    /// `tokio::net::TcpStream::try_io`.
    /// # Examples
    /// ```
    /// use filch::io::Interest;
    ///
    /// # filch::block_on(async {
    /// # let listener = filch::net::TcpListener::bind("127.0.0.1:0").await?;
    /// # let client = filch::net::TcpStream::connect(listener.local_addr()?).await?;
    /// # let (server, _) = listener.accept().await?;
    /// # client.try_write(b"hello")?;
    /// # server.readable().await?;
    /// let mut buf = [0; 64];
    /// let n = server.try_io(Interest::READABLE, || Ok(rustix::io::read(&server, &mut buf)?))?;
    /// assert_eq!(&buf[..n], b"hello");
    /// # std::io::Result::Ok(()) }).unwrap();
    /// ```
    pub fn try_io<R>(
        &self,
        interest: Interest,
        f: impl FnOnce() -> io::Result<R>,
    ) -> io::Result<R> {
        self.source.try_io(interest, |_| f())
    }

    /// As [`try_io`](Self::try_io), again and again, waiting for readiness between, until `f` says something else than
    /// [`WouldBlock`](io::ErrorKind::WouldBlock).
    ///
    /// # Errors
    /// What `f` says; and if the runtime shuts down.
    /// # Cancel safety
    /// Safe: `f` runs to its end or not at all, and once it succeeds nothing is awaited any more.
    /// # Source
    /// `tokio::net::TcpStream::async_io`.
    /// # Examples
    /// ```
    /// use filch::io::Interest;
    ///
    /// # filch::block_on(async {
    /// # let listener = filch::net::TcpListener::bind("127.0.0.1:0").await?;
    /// # let client = filch::net::TcpStream::connect(listener.local_addr()?).await?;
    /// # let (server, _) = listener.accept().await?;
    /// # client.try_write(b"hello")?;
    /// let mut buf = [0; 64];
    /// let n = server.async_io(Interest::READABLE, || Ok(rustix::io::read(&server, &mut buf)?)).await?;
    /// assert_eq!(&buf[..n], b"hello");
    /// # std::io::Result::Ok(()) }).unwrap();
    /// ```
    pub async fn async_io<R>(
        &self,
        interest: Interest,
        mut f: impl FnMut() -> io::Result<R>,
    ) -> io::Result<R> {
        self.source.async_io(interest, |_| f()).await
    }
}

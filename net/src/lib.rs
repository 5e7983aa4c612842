//! TCP for filch: names to addresses, listeners, sockets, streams.
//!
//! Names, signatures and defaults are those of `tokio::net`; moving a program over is a rename of the crate.
//! Streams implement both families of I/O traits, `futures_io`'s and (feature `tokio-io`, on by default) `tokio::io`'s.
//! ```
//! use filch::io::{AsyncReadExt, AsyncWriteExt};
//! use filch::net::{TcpListener, TcpStream};
//!
//! # filch::block_on(async {
//! let listener = TcpListener::bind("127.0.0.1:0").await?;
//! let mut client = TcpStream::connect(listener.local_addr()?).await?;
//! let (mut server, _) = listener.accept().await?;
//!
//! client.write_all(b"hello").await?;
//! let mut word = [0; 5];
//! server.read_exact(&mut word).await?;
//! assert_eq!(&word, b"hello");
//! # std::io::Result::Ok(()) }).unwrap();
//! ```

// The reactor is reached through one door only, `filch_runtime::io::Source`.
//
// Contents, lowest storey first; a module uses only what stands above it here:
//
// - `addr`: what can be an address (`ToSocketAddrs`), and how a name becomes one (`lookup_host`);
// - `read_buf`: receiving into memory nobody has written yet; the one `unsafe` of the crate;
// - `tcp/syscalls`: a new socket and accept, the calls whose shape differs between platforms;
// - `tcp/stream`: `TcpStream`, with its readiness (`tcp/ready`), its options (`tcp/options`)
//   and its halves (`tcp/split`, `tcp/split_owned`);
// - `tcp/traits`: the I/O traits of streams and halves, both families, in one place;
// - `tcp/listener`: `TcpListener`;
// - `tcp/socket`: `TcpSocket`, a socket to set up before it becomes one of the two;
// - `streams`: connections and servers in asyncio's shape, which `filch::asyncio` re-exports.

mod addr;
#[cfg(feature = "tokio-io")]
mod read_buf;
#[doc(hidden)]
pub mod streams;
pub mod tcp;

pub use addr::{ToSocketAddrs, lookup_host};
pub use tcp::listener::TcpListener;
pub use tcp::socket::TcpSocket;
pub use tcp::stream::TcpStream;

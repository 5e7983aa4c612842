//! From a name to socket addresses, without ever blocking a worker.
//!
//! What is an address already (a [`SocketAddr`], a literal such as `"127.0.0.1:80"`) resolves at once, on the spot and
//! outside any runtime; every other name is a question to the system's resolver, which blocks, so it is asked on the
//! blocking pool.

use std::future::Future;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::vec;

use filch_runtime::{JoinHandle, spawn_blocking};

use sealed::{Addrs, Internal, Resolve, Resolving};

/// What [`TcpListener::bind`](crate::TcpListener::bind), [`TcpStream::connect`](crate::TcpStream::connect) and
/// [`lookup_host`] take as an address.
///
/// Sealed: it is implemented for [`SocketAddr`], [`SocketAddrV4`], [`SocketAddrV6`], `&[SocketAddr]`,
/// `(`[`IpAddr`]` | `[`Ipv4Addr`]` | `[`Ipv6Addr`]`, u16)`, `(&str | String, u16)`, `str`, `String` and references to them.
/// A string is `"host:port"`. All but names of hosts resolve at once, with no thread and no runtime.
///
/// # Source
/// `tokio::net::ToSocketAddrs`, with the same implementors.
///
/// # Examples
/// ```
/// # filch::block_on(async {
/// async fn first(addr: impl filch::net::ToSocketAddrs) -> std::net::SocketAddr {
///     filch::net::lookup_host(addr).await.unwrap().next().unwrap()
/// }
///
/// assert_eq!(first("127.0.0.1:80").await, first(("127.0.0.1", 80)).await);
/// assert_eq!(first("[::1]:80").await, first((std::net::Ipv6Addr::LOCALHOST, 80)).await);
/// # });
/// ```
pub trait ToSocketAddrs: Resolve {}

/// Resolves a name to the addresses it stands for; there may be none.
///
/// The system's resolver does it (`getaddrinfo`, so `/etc/hosts` counts), on the blocking pool. A literal is no question
/// and takes no thread.
///
/// # Errors
/// [`InvalidInput`](io::ErrorKind::InvalidInput): a string without a port, or with one that is no number.
/// Else what the resolver says, such as an unknown host.
/// # Panics
/// If a name of a host is asked for outside a runtime (there is no pool to ask on).
/// # Cancel safety
/// Safe. A question under way ends in its thread; nobody hears the answer.
/// # Source
/// `tokio::net::lookup_host`; `loop.getaddrinfo` of asyncio, which has its executor do it too.
/// # Examples
/// ```
/// # filch::block_on(async {
/// let mut addrs = filch::net::lookup_host("localhost:80").await?;
/// assert!(addrs.all(|addr| addr.ip().is_loopback()));
/// # std::io::Result::Ok(()) }).unwrap();
/// ```
pub async fn lookup_host<T: ToSocketAddrs>(
    host: T,
) -> io::Result<impl Iterator<Item = SocketAddr>> {
    resolve(host).await
}

/// The addresses `addr` stands for.
pub(crate) fn resolve<A: ToSocketAddrs>(addr: A) -> Resolving {
    addr.resolve(Internal)
}

/// The error of a name that resolved well, to nothing.
pub(crate) fn no_address() -> io::Error {
    io::Error::new(
        io::ErrorKind::InvalidInput,
        "the name resolves to no address",
    )
}

mod sealed {
    use super::*;

    pub trait Resolve {
        fn resolve(&self, _: Internal) -> Resolving;
    }

    /// Only this crate can make one, so that `resolve` is no method of the users' generic code.
    #[derive(Debug)]
    pub struct Internal;

    #[derive(Debug)]
    pub enum Addrs {
        One(Option<SocketAddr>),
        Many(vec::IntoIter<SocketAddr>),
    }

    #[derive(Debug)]
    pub enum Resolving {
        /// Nothing to ask; empty once the answer is taken.
        Known(Option<Addrs>),
        /// A thread of the blocking pool asks.
        Asked(JoinHandle<io::Result<vec::IntoIter<SocketAddr>>>),
    }
}

impl Resolving {
    fn one(addr: impl Into<SocketAddr>) -> Resolving {
        Resolving::Known(Some(Addrs::One(Some(addr.into()))))
    }

    fn ask<Q>(question: Q) -> Resolving
    where
        Q: std::net::ToSocketAddrs<Iter = vec::IntoIter<SocketAddr>> + Send + 'static,
    {
        Resolving::Asked(spawn_blocking(move || question.to_socket_addrs()))
    }
}

impl Future for Resolving {
    type Output = io::Result<Addrs>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<Addrs>> {
        Poll::Ready(match self.get_mut() {
            Resolving::Known(addrs) => Ok(addrs.take().expect("polled after it was ready")),
            // The outer error: the runtime shut down before the question was put.
            Resolving::Asked(answer) => ready!(Pin::new(answer).poll(cx))
                .map_err(io::Error::other)?
                .map(Addrs::Many),
        })
    }
}

impl Iterator for Addrs {
    type Item = SocketAddr;

    fn next(&mut self) -> Option<SocketAddr> {
        match self {
            Addrs::One(addr) => addr.take(),
            Addrs::Many(addrs) => addrs.next(),
        }
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let left = match self {
            Addrs::One(addr) => addr.iter().len(),
            Addrs::Many(addrs) => addrs.len(),
        };
        (left, Some(left))
    }
}

impl<T: ToSocketAddrs + ?Sized> ToSocketAddrs for &T {}
impl<T: Resolve + ?Sized> Resolve for &T {
    fn resolve(&self, _: Internal) -> Resolving {
        (**self).resolve(Internal)
    }
}

/// What `SocketAddr: From` knows how to take is an address already.
macro_rules! known {
    ($($addr:ty),*) => {$(
        impl ToSocketAddrs for $addr {}
        impl Resolve for $addr {
            fn resolve(&self, _: Internal) -> Resolving {
                Resolving::one(*self)
            }
        }
    )*};
}

known!(SocketAddr, SocketAddrV4, SocketAddrV6);
known!((IpAddr, u16), (Ipv4Addr, u16), (Ipv6Addr, u16));

impl ToSocketAddrs for &[SocketAddr] {}
impl Resolve for &[SocketAddr] {
    fn resolve(&self, _: Internal) -> Resolving {
        Resolving::Known(Some(Addrs::Many(Vec::from(*self).into_iter())))
    }
}

impl ToSocketAddrs for str {}
impl Resolve for str {
    fn resolve(&self, _: Internal) -> Resolving {
        match self.parse::<SocketAddr>() {
            Ok(addr) => Resolving::one(addr),
            Err(_) => Resolving::ask(self.to_owned()),
        }
    }
}

impl ToSocketAddrs for String {}
impl Resolve for String {
    fn resolve(&self, _: Internal) -> Resolving {
        self.as_str().resolve(Internal)
    }
}

impl ToSocketAddrs for (&str, u16) {}
impl Resolve for (&str, u16) {
    fn resolve(&self, _: Internal) -> Resolving {
        let (host, port) = *self;
        match host.parse::<IpAddr>() {
            Ok(ip) => Resolving::one((ip, port)),
            Err(_) => Resolving::ask((host.to_owned(), port)),
        }
    }
}

impl ToSocketAddrs for (String, u16) {}
impl Resolve for (String, u16) {
    fn resolve(&self, _: Internal) -> Resolving {
        (self.0.as_str(), self.1).resolve(Internal)
    }
}

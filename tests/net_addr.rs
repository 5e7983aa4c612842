//! Names become addresses: literals at once, the others off the workers.

use std::future::Future;
use std::io::{self, ErrorKind};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6};
use std::pin::{Pin, pin};
use std::sync::mpsc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use filch::net::{TcpListener, TcpStream, ToSocketAddrs, lookup_host};
use filch::runtime::{Builder, Runtime};

fn run(rt: &Runtime, test: impl Future<Output = io::Result<()>> + Send + 'static) {
    rt.block_on(async {
        let task = filch::spawn(test);
        let done = filch::time::timeout(Duration::from_secs(60), task).await;
        done.expect("the test hangs").unwrap().unwrap();
    });
}

fn runtime() -> Runtime {
    let mut builder = Builder::new_multi_thread();
    builder.worker_threads(8).enable_all().build().unwrap()
}

fn poll_once<T>(future: Pin<&mut impl Future<Output = T>>) -> Poll<T> {
    future.poll(&mut Context::from_waker(Waker::noop()))
}

/// Resolves on the spot, or the test fails.
fn at_once(addr: impl ToSocketAddrs) -> Vec<SocketAddr> {
    match poll_once(pin!(lookup_host(addr))) {
        Poll::Ready(addrs) => addrs.unwrap().collect(),
        Poll::Pending => panic!("it went to ask somebody"),
    }
}

/// No runtime is about here, so there is nobody to ask.
#[test]
fn what_is_an_address_already_resolves_at_once() {
    let v4 = SocketAddr::from((Ipv4Addr::LOCALHOST, 80));
    let v6 = SocketAddr::from((Ipv6Addr::LOCALHOST, 80));
    assert_eq!(at_once(v4), [v4]);
    assert_eq!(at_once(v6), [v6]);
    assert_eq!(at_once(SocketAddrV4::new(Ipv4Addr::LOCALHOST, 80)), [v4]);
    assert_eq!(
        at_once(SocketAddrV6::new(Ipv6Addr::LOCALHOST, 80, 0, 0)),
        [v6]
    );
    assert_eq!(at_once((IpAddr::from(Ipv4Addr::LOCALHOST), 80)), [v4]);
    assert_eq!(at_once((Ipv4Addr::LOCALHOST, 80)), [v4]);
    assert_eq!(at_once((Ipv6Addr::LOCALHOST, 80)), [v6]);
    assert_eq!(at_once(&[v4, v6][..]), [v4, v6]);
    assert_eq!(at_once(&[][..]), []);
    assert_eq!(at_once("127.0.0.1:80"), [v4]);
    assert_eq!(at_once("[::1]:80"), [v6]);
    assert_eq!(at_once(("127.0.0.1", 80)), [v4]);
    assert_eq!(at_once(("::1", 80)), [v6]);
    assert_eq!(at_once("127.0.0.1:80".to_string()), [v4]);
    assert_eq!(at_once(("127.0.0.1".to_string(), 80)), [v4]);
    let (addr, text) = (&&v4, &"127.0.0.1:80".to_string());
    assert_eq!(at_once(addr), [v4]);
    assert_eq!(at_once(text), [v4]);
}

#[test]
fn the_answer_tells_how_many_addresses_are_left() {
    let addr = SocketAddr::from((Ipv4Addr::LOCALHOST, 80));
    filch::block_on(async {
        let mut one = lookup_host(addr).await.unwrap();
        assert_eq!(one.size_hint(), (1, Some(1)));
        one.next();
        assert_eq!(one.size_hint(), (0, Some(0)));
        let both = [addr, addr];
        let two = lookup_host(&both[..]).await.unwrap();
        assert_eq!(two.size_hint(), (2, Some(2)));
    });
}

#[test]
fn localhost_is_this_machine() {
    run(&runtime(), async {
        for question in ["localhost:80".to_string(), "LOCALHOST:80".to_string()] {
            let addrs: Vec<_> = lookup_host(question).await?.collect();
            assert!(!addrs.is_empty());
            assert!(addrs.iter().all(|a| a.ip().is_loopback() && a.port() == 80));
        }
        let listener = TcpListener::bind(("localhost", 0)).await?;
        let port = listener.local_addr()?.port();
        let client = TcpStream::connect(format!("localhost:{port}")).await?;
        assert_eq!(listener.accept().await?.1, client.local_addr()?);
        Ok(())
    });
}

/// With the only thread for blocking work taken, a name has to wait; the workers are free and do not answer it.
#[test]
fn names_are_asked_for_on_the_blocking_pool() {
    let mut builder = Builder::new_multi_thread();
    let builder = builder.worker_threads(8).max_blocking_threads(1);
    let rt = builder.enable_all().build().unwrap();
    run(&rt, async {
        let (release, held) = mpsc::channel::<()>();
        let taken = filch::task::spawn_blocking(move || held.recv());
        let mut question = pin!(lookup_host("localhost:80"));
        for _ in 0..100 {
            assert!(poll_once(question.as_mut()).is_pending());
            filch::task::yield_now().await;
        }
        assert_eq!(at_once("127.0.0.1:80").len(), 1);
        drop(release);
        assert!(taken.await.unwrap().is_err());
        assert!(question.await?.next().is_some());
        Ok(())
    });
}

#[test]
fn a_string_that_is_no_host_and_port_is_an_error() {
    run(&runtime(), async {
        for bad in [
            "",
            "no-port",
            "localhost:port",
            "localhost:65536",
            "127.0.0.1",
        ] {
            let error = lookup_host(bad).await.map(|_| ()).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidInput, "{bad:?}: {error}");
        }
        Ok(())
    });
}

#[test]
fn a_host_that_nobody_knows_is_an_error() {
    run(&runtime(), async {
        for bad in ["no such host", "nul\0in-the-middle", "no-such-host.invalid"] {
            assert!(lookup_host((bad, 80)).await.is_err(), "{bad:?}");
        }
        assert!(TcpStream::connect(("no such host", 80)).await.is_err());
        assert!(TcpListener::bind(("no such host", 0)).await.is_err());
        Ok(())
    });
}

#[test]
fn a_question_can_be_dropped() {
    run(&runtime(), async {
        for _ in 0..20 {
            drop(poll_once(pin!(lookup_host("localhost:80"))));
        }
        assert!(lookup_host("localhost:80").await?.next().is_some());
        Ok(())
    });
}

//! A server on several addresses: they take turns, and it serves on all or on none.

mod common;

use std::net::{SocketAddr, TcpStream};
use std::sync::mpsc;

use filch::asyncio::{StreamOptions, start_server};
use filch::time::timeout;

use common::{a_while, bounded, single};

fn two_addrs() -> [SocketAddr; 2] {
    [
        SocketAddr::from(([127, 0, 0, 1], 0)),
        SocketAddr::from(([127, 0, 0, 2], 0)),
    ]
}

/// The clients of both have connected before the server accepts any.
#[test]
fn a_busy_address_keeps_no_other_waiting() {
    const CLIENTS: usize = 20;
    bounded(|| {
        single().block_on(async {
            let (tell, told) = mpsc::channel();
            let serve = move |_, writer: filch::asyncio::StreamWriter| {
                tell.send(writer.stream().local_addr().unwrap()).unwrap();
                async {}
            };
            let server = start_server(serve, &two_addrs()[..]).await.unwrap();
            let addrs = server.local_addrs();
            let connect =
                |addr: &SocketAddr| (0..CLIENTS).map(|_| TcpStream::connect(addr)).collect();
            let clients: Vec<Vec<_>> = addrs.iter().map(connect).collect();
            assert!(clients.iter().flatten().all(Result::is_ok));

            let mut served = Vec::new();
            let all = async {
                while served.len() < 2 * CLIENTS {
                    filch::task::yield_now().await;
                    served.extend(told.try_iter());
                }
            };
            timeout(a_while(), all).await.expect("all are served");
            for addr in &addrs {
                assert_eq!(served.iter().filter(|it| *it == addr).count(), CLIENTS);
            }
            let first_half = &served[..CLIENTS];
            for addr in &addrs {
                let turns = first_half.iter().filter(|it| *it == addr).count();
                assert_eq!(turns, CLIENTS / 2, "{served:?}");
            }
        });
    });
}

/// Another server may be bound to an address that is bound, and finds out when it would listen.
#[test]
#[cfg(target_os = "linux")]
fn a_server_that_cannot_listen_on_all_its_addresses_is_closed() {
    bounded(|| {
        single().block_on(async {
            let late = StreamOptions::new().start_serving(false);
            let serve = |_, _| async {};
            let first = late.start_server(serve, &two_addrs()[..]).await.unwrap();
            let mut addrs = first.local_addrs();
            addrs[0].set_port(0);
            let second = late.start_server(serve, &addrs[..]).await.unwrap();
            let free = second.local_addrs()[0];
            assert_eq!(second.local_addrs()[1], addrs[1]);
            assert!(!first.is_serving() && !second.is_serving());

            first.start_serving().await.unwrap();
            let error = second.start_serving().await.unwrap_err();
            assert_eq!(error.kind(), std::io::ErrorKind::AddrInUse);
            assert!(first.is_serving());
            assert!(!second.is_serving());
            assert!(second.local_addrs().is_empty());
            timeout(a_while(), second.wait_closed()).await.unwrap();
            // The address that it did get is free again, and says so.
            TcpStream::connect(free).unwrap_err();
            TcpStream::connect(addrs[1]).unwrap();
            let error = second.start_serving().await.unwrap_err();
            assert_eq!(error.to_string(), "server is closed");
        });
    });
}

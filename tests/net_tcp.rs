//! Connections come to be: bind, accept, connect, sockets, and std's types there and back.

use std::future::poll_fn;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use filch::io::{AsyncReadExt, AsyncWriteExt};
use filch::net::{TcpListener, TcpSocket, TcpStream};

#[path = "common/tcp.rs"]
mod tcp;
use tcp::run;

async fn listener() -> io::Result<(TcpListener, SocketAddr)> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let addr = listener.local_addr()?;
    Ok((listener, addr))
}

/// An address that nobody listens on, nor can while the socket lives, which is bound to it and no more.
fn dead() -> io::Result<(TcpSocket, SocketAddr)> {
    let socket = TcpSocket::new_v4()?;
    socket.bind((Ipv4Addr::LOCALHOST, 0).into())?;
    let addr = socket.local_addr()?;
    Ok((socket, addr))
}

#[test]
fn a_connection_carries_bytes_both_ways() {
    run(async {
        let (listener, addr) = listener().await?;
        let server = filch::spawn(async move {
            let (mut stream, _) = listener.accept().await?;
            let mut word = [0; 5];
            stream.read_exact(&mut word).await?;
            word.reverse();
            stream.write_all(&word).await
        });
        let mut client = TcpStream::connect(addr).await?;
        client.write_all(b"hello").await?;
        let mut answer = String::new();
        client.read_to_string(&mut answer).await?;
        assert_eq!(answer, "olleh");
        server.await.unwrap()
    });
}

#[test]
fn both_sides_agree_on_their_addresses() {
    run(async {
        let (listener, addr) = listener().await?;
        let client = TcpStream::connect(addr).await?;
        let (server, from) = listener.accept().await?;
        assert_eq!(from, client.local_addr()?);
        assert_eq!(server.peer_addr()?, client.local_addr()?);
        assert_eq!(server.local_addr()?, addr);
        assert_eq!(client.peer_addr()?, addr);
        Ok(())
    });
}

#[test]
fn poll_accept_accepts() {
    run(async {
        let (listener, addr) = listener().await?;
        let client = filch::spawn(TcpStream::connect(addr));
        let (_server, from) = poll_fn(|cx| listener.poll_accept(cx)).await?;
        assert_eq!(from, client.await.unwrap()?.local_addr()?);
        Ok(())
    });
}

#[test]
fn each_connection_goes_to_one_of_many_acceptors() {
    run(async {
        const ACCEPTORS: usize = 16;
        const EACH: usize = 8;
        let (listener, addr) = listener().await?;
        let listener = Arc::new(listener);
        let acceptors: Vec<_> = (0..ACCEPTORS)
            .map(|_| {
                let listener = listener.clone();
                filch::spawn(async move {
                    let mut got = Vec::new();
                    for _ in 0..EACH {
                        got.push(listener.accept().await?.1);
                    }
                    io::Result::Ok(got)
                })
            })
            .collect();
        let mut clients = Vec::new();
        for _ in 0..ACCEPTORS * EACH {
            clients.push(TcpStream::connect(addr).await?);
        }
        let mut accepted = Vec::new();
        for acceptor in acceptors {
            accepted.extend(acceptor.await.unwrap()?);
        }
        let mut expected: Vec<_> = clients.iter().map(|c| c.local_addr().unwrap()).collect();
        accepted.sort();
        expected.sort();
        assert_eq!(accepted, expected);
        Ok(())
    });
}

#[test]
fn connections_that_came_before_the_first_accept_are_all_there() {
    run(async {
        let (listener, addr) = listener().await?;
        let mut clients = Vec::new();
        for _ in 0..50 {
            clients.push(TcpStream::connect(addr).await?);
        }
        for _ in &clients {
            listener.accept().await?;
        }
        Ok(())
    });
}

#[test]
fn a_refused_connection_is_an_error() {
    run(async {
        let (_nobody, dead) = dead()?;
        let error = TcpStream::connect(dead).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ConnectionRefused);
        let error = TcpSocket::new_v4()?.connect(dead).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ConnectionRefused);
        Ok(())
    });
}

#[test]
fn connect_tries_each_address_until_one_answers() {
    run(async {
        let (_listener, addr) = listener().await?;
        let (_nobody, dead) = dead()?;
        let addrs = [dead, addr, dead];
        assert_eq!(TcpStream::connect(&addrs[..]).await?.peer_addr()?, addr);
        let error = TcpStream::connect(&[dead, dead][..]).await;
        assert_eq!(error.unwrap_err().kind(), ErrorKind::ConnectionRefused);
        Ok(())
    });
}

#[test]
fn no_address_at_all_is_an_error() {
    run(async {
        let nothing: &[SocketAddr] = &[];
        let error = TcpStream::connect(nothing).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
        let error = TcpListener::bind(nothing).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
        Ok(())
    });
}

#[test]
fn an_address_in_use_is_an_error_and_the_next_is_tried() {
    run(async {
        let (_taken, addr) = listener().await?;
        let error = TcpListener::bind(addr).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::AddrInUse);
        let any = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let second = TcpListener::bind(&[addr, any][..]).await?;
        assert_ne!(second.local_addr()?, addr);
        Ok(())
    });
}

#[test]
fn an_address_can_be_bound_again_while_old_connections_time_out() {
    run(async {
        let (first, addr) = listener().await?;
        let mut client = TcpStream::connect(addr).await?;
        let (server, _) = first.accept().await?;
        drop((server, first)); // the server's side closes first, and waits in TIME_WAIT
        assert_eq!(client.read(&mut [0]).await?, 0);
        drop(client);
        assert_eq!(TcpListener::bind(addr).await?.local_addr()?, addr);
        Ok(())
    });
}

#[test]
fn sockets_are_non_blocking_and_closed_on_exec() {
    run(async {
        let (listener, addr) = listener().await?;
        let client = TcpStream::connect(addr).await?;
        let (server, _) = listener.accept().await?;
        let fresh = TcpSocket::new_v4()?;
        fn check(fd: impl std::os::fd::AsFd) {
            let flags = rustix::fs::fcntl_getfl(&fd).unwrap();
            assert!(flags.contains(rustix::fs::OFlags::NONBLOCK));
            let flags = rustix::io::fcntl_getfd(&fd).unwrap();
            assert!(flags.contains(rustix::io::FdFlags::CLOEXEC));
        }
        check(&listener);
        check(&client);
        check(&server);
        check(&fresh);
        Ok(())
    });
}

#[test]
fn std_streams_become_ours_and_std_again() {
    run(async {
        let (listener, addr) = listener().await?;
        let theirs = std::net::TcpStream::connect(addr)?;
        theirs.set_nonblocking(true)?;
        let mut ours = TcpStream::try_from(theirs)?;
        let (mut server, from) = listener.accept().await?;
        assert_eq!(ours.local_addr()?, from);

        ours.write_all(b"as ours").await?;
        let mut word = [0; 7];
        server.read_exact(&mut word).await?;
        assert_eq!(&word, b"as ours");

        let mut theirs = ours.into_std()?;
        theirs.set_nonblocking(false)?;
        theirs.write_all(b"as std's")?;
        drop(theirs);
        let mut rest = String::new();
        server.read_to_string(&mut rest).await?;
        assert_eq!(rest, "as std's");
        Ok(())
    });
}

#[test]
fn a_stream_that_went_to_std_with_bytes_waiting_keeps_them_and_can_come_back() {
    run(async {
        let (listener, addr) = listener().await?;
        let mut client = TcpStream::connect(addr).await?;
        let (server, _) = listener.accept().await?;
        client.write_all(b"before").await?;
        server.readable().await?;
        let mut server = TcpStream::from_std(server.into_std()?)?;
        let mut word = [0; 6];
        server.read_exact(&mut word).await?;
        assert_eq!(&word, b"before");
        Ok(())
    });
}

#[test]
fn std_listeners_become_ours_and_std_again() {
    run(async {
        let theirs = std::net::TcpListener::bind("127.0.0.1:0")?;
        theirs.set_nonblocking(true)?;
        let addr = theirs.local_addr()?;
        let ours = TcpListener::from_std(theirs)?;
        let client = TcpStream::connect(addr).await?;
        assert_eq!(ours.accept().await?.1, client.local_addr()?);

        let theirs = ours.into_std()?;
        theirs.set_nonblocking(false)?;
        let mut client = TcpStream::connect(addr).await?;
        let (mut server, _) = theirs.accept()?;
        client.write_all(b"x").await?;
        server.read_exact(&mut [0])?;
        Ok(())
    });
}

#[test]
#[cfg(debug_assertions)]
#[should_panic(expected = "set_nonblocking")]
fn a_blocking_stream_is_refused() {
    let (listener, addr) = filch::block_on(listener()).unwrap();
    let stream = std::net::TcpStream::connect(addr).unwrap();
    let _keep = listener;
    filch::block_on(async { drop(TcpStream::from_std(stream)) });
}

#[test]
fn outside_a_runtime_a_stream_cannot_be_registered() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let panic = std::panic::catch_unwind(|| drop(TcpListener::from_std(listener)));
    assert!(panic.is_err());
}

#[test]
fn options_of_a_stream_stick() {
    run(async {
        let (listener, addr) = listener().await?;
        let stream = TcpStream::connect(addr).await?;
        for on in [true, false] {
            stream.set_nodelay(on)?;
            assert_eq!(stream.nodelay()?, on);
        }
        stream.set_ttl(99)?;
        assert_eq!(stream.ttl()?, 99);
        listener.set_ttl(98)?;
        assert_eq!(listener.ttl()?, 98);
        assert_eq!(stream.linger()?, None);
        stream.set_zero_linger()?;
        assert_eq!(stream.linger()?, Some(Duration::ZERO));
        assert!(stream.take_error()?.is_none());
        assert!(listener.take_error()?.is_none());
        assert!(stream.set_ttl(1 << 20).is_err());
        Ok(())
    });
}

#[test]
fn options_of_a_socket_stick_to_what_it_becomes() {
    run(async {
        let socket = TcpSocket::new_v4()?;
        socket.set_reuseaddr(true)?;
        assert!(socket.reuseaddr()?);
        socket.set_recv_buffer_size(100_000)?;
        let size = socket.recv_buffer_size()?;
        assert!(size >= 100_000);
        socket.bind((Ipv4Addr::LOCALHOST, 0).into())?;
        let addr = socket.local_addr()?;
        let listener = socket.listen(16)?;
        assert_eq!(listener.local_addr()?, addr);

        let socket = TcpSocket::new_v4()?;
        socket.set_nodelay(true)?;
        socket.set_keepalive(true)?;
        socket.bind((Ipv4Addr::LOCALHOST, 0).into())?;
        let from = socket.local_addr()?;
        let client = socket.connect(addr).await?;
        assert!(client.nodelay()?);
        assert_eq!(client.local_addr()?, from);
        assert_eq!(listener.accept().await?.1, from);
        Ok(())
    });
}

#[test]
fn two_listeners_share_a_port_if_both_ask_for_it() {
    run(async {
        let bind = |addr| {
            let socket = TcpSocket::new_v4()?;
            socket.set_reuseport(true)?;
            assert!(socket.reuseport()?);
            socket.bind(addr)?;
            socket.listen(16)
        };
        let first = bind((Ipv4Addr::LOCALHOST, 0).into())?;
        let second = bind(first.local_addr()?)?;
        assert_eq!(first.local_addr()?, second.local_addr()?);
        Ok(())
    });
}

#[test]
fn a_thousand_connections_come_and_go() {
    run(async {
        let (listener, addr) = listener().await?;
        let server = filch::spawn(async move {
            for _ in 0..1000 {
                let (mut stream, _) = listener.accept().await?;
                filch::spawn(async move {
                    let mut word = [0; 4];
                    stream.read_exact(&mut word).await?;
                    stream.write_all(&word).await
                });
            }
            io::Result::Ok(())
        });
        let clients: Vec<_> = (0..20)
            .map(|client: u32| {
                filch::spawn(async move {
                    for round in 0..50 {
                        let word = (client << 16 | round).to_be_bytes();
                        let mut stream = TcpStream::connect(addr).await?;
                        stream.write_all(&word).await?;
                        let mut answer = Vec::new();
                        stream.read_to_end(&mut answer).await?;
                        assert_eq!(answer, word);
                    }
                    io::Result::Ok(())
                })
            })
            .collect();
        for client in clients {
            client.await.unwrap()?;
        }
        server.await.unwrap()
    });
}

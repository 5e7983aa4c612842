//! Descriptors and sockets in a loop keep asyncio's promises. Modules and tests are named after those of CPython.

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::os::fd::AsRawFd;
use std::os::unix::net::{UnixListener, UnixStream};
use std::sync::{Arc, Mutex};
use std::thread;

use filch::asyncio::{self, create_task, current_task, gather, sleep};

#[path = "common/asyncio.rs"]
mod asyncio_common;
mod common;
use asyncio_common::{Log, ms, on_loops, panic_of, run_briefly, told};
use common::many;

/// Two ends that do not block.
fn pair() -> (UnixStream, UnixStream) {
    let (here, there) = UnixStream::pair().unwrap();
    here.set_nonblocking(true).unwrap();
    there.set_nonblocking(true).unwrap();
    (here, there)
}

fn listener() -> TcpListener {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    listener.set_nonblocking(true).unwrap();
    listener
}

/// A socket that is not connected and does not block.
fn socket() -> std::os::fd::OwnedFd {
    use rustix::net::{AddressFamily, SocketFlags, SocketType, socket_with};
    let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
    socket_with(AddressFamily::INET, SocketType::STREAM, flags, None).unwrap()
}

/// `test_events.py`: `EventLoopTestsMixin`
mod event_loop_tests_mixin {
    use super::*;

    #[test]
    fn test_reader_callback() {
        on_loops(|event_loop| {
            let (here, mut there) = pair();
            let here = Arc::new(here);
            let (log, on) = (Log::new(), event_loop.clone());
            let (said, fd) = (log.clone(), here.clone());
            let read = move || {
                let mut byte = [0];
                match (&*fd).read(&mut byte) {
                    Ok(0) => {
                        assert!(on.remove_reader(&*fd));
                        // It is called no more, for as long as one looks.
                        let stop = on.clone();
                        on.call_later(ms(5), move || stop.stop());
                    }
                    Ok(_) => said.say(byte[0]),
                    Err(error) => assert_eq!(error.kind(), io::ErrorKind::WouldBlock),
                }
            };
            event_loop.add_reader(&*here, read).unwrap();
            let on = event_loop.clone();
            event_loop.call_later(ms(1), move || {
                there.write_all(b"abc").unwrap();
                on.call_later(ms(5), move || drop(there));
            });
            event_loop.run_forever();
            assert_eq!(
                log.take(),
                b"abc",
                "one byte a call, so it is called again while there is more"
            );
            assert!(!event_loop.remove_reader(&*here), "it has removed itself");
        });
    }

    #[test]
    fn test_writer_callback() {
        on_loops(|event_loop| {
            let (here, mut there) = pair();
            let here = Arc::new(here);
            let (log, on) = (Log::new(), event_loop.clone());
            let (said, fd) = (log.clone(), here.clone());
            let write = move || {
                (&*fd).write_all(b"x").unwrap();
                said.say(());
                if said.len() == 3 {
                    assert!(on.remove_writer(&*fd));
                    on.stop();
                }
            };
            event_loop.add_writer(&*here, write).unwrap();
            event_loop.run_forever();
            assert!(!event_loop.remove_writer(&*here));
            run_briefly(&event_loop);
            assert_eq!(log.len(), 3);
            let mut all = [0; 8];
            assert_eq!(there.read(&mut all).unwrap(), 3);
        });
    }

    /// A second reader takes the place of the first.
    #[test]
    fn test_add_reader_existing() {
        on_loops(|event_loop| {
            let (here, mut there) = pair();
            event_loop.add_reader(&here, || panic!("replaced")).unwrap();
            let on = event_loop.clone();
            event_loop.add_reader(&here, move || on.stop()).unwrap();
            there.write_all(b"x").unwrap();
            let complaints = told(&event_loop);
            event_loop.run_forever();
            assert_eq!(complaints.len(), 0);
            assert!(event_loop.remove_reader(&here));
            assert!(!event_loop.remove_reader(&here));
        });
    }

    #[test]
    fn test_reader_and_writer_of_one_descriptor() {
        on_loops(|event_loop| {
            let (here, mut there) = pair();
            let log = Log::new();
            for kind in ["reader", "writer"] {
                let (said, on, fd) = (log.clone(), event_loop.clone(), here.try_clone().unwrap());
                let id = here.as_raw_fd();
                let of = here.try_clone().unwrap();
                assert_ne!(id, fd.as_raw_fd());
                let callback = move || {
                    said.say(kind);
                    let removed = match kind {
                        "reader" => on.remove_reader(&of) || on.remove_reader(&fd),
                        _ => on.remove_writer(&of) || on.remove_writer(&fd),
                    };
                    assert!(!removed, "other descriptors of the same socket");
                    if said.len() >= 6 {
                        on.stop();
                    }
                };
                match kind {
                    "reader" => event_loop.add_reader(&here, callback).unwrap(),
                    _ => event_loop.add_writer(&here, callback).unwrap(),
                }
            }
            there.write_all(b"x").unwrap();
            event_loop.run_forever();
            assert!(event_loop.remove_reader(&here));
            assert!(event_loop.remove_writer(&here));
            let said = log.take();
            assert!(
                said.contains(&"reader") && said.contains(&"writer"),
                "{said:?}"
            );
        });
    }

    #[test]
    fn test_remove_fds_after_closing() {
        on_loops(|event_loop| {
            let (here, _there) = pair();
            event_loop.add_reader(&here, || ()).unwrap();
            event_loop.add_writer(&here, || ()).unwrap();
            event_loop.close();
            assert!(!event_loop.remove_reader(&here));
            assert!(!event_loop.remove_writer(&here));
        });
    }

    #[test]
    fn test_add_fds_after_closing() {
        on_loops(|event_loop| {
            let (here, _there) = pair();
            event_loop.close();
            for text in [
                panic_of(|| event_loop.add_reader(&here, || ())),
                panic_of(|| event_loop.add_writer(&here, || ())),
            ] {
                assert_eq!(text, "Event loop is closed");
            }
        });
    }

    #[test]
    fn test_a_reader_that_panics_is_told_of_and_called_again() {
        on_loops(|event_loop| {
            let (mut here, mut there) = pair();
            let complaints = told(&event_loop);
            let (on, fd) = (event_loop.clone(), here.try_clone().unwrap());
            let mut calls = 0;
            let callback = move || {
                calls += 1;
                assert!(calls > 1, "the first call");
                here.read_exact(&mut [0]).unwrap();
                on.stop();
            };
            event_loop.add_reader(&fd, callback).unwrap();
            there.write_all(b"x").unwrap();
            event_loop.run_forever();
            // It holds a handle of its loop.
            assert!(event_loop.remove_reader(&fd));
            assert_eq!(complaints.take()[0].exception(), Some("the first call"));
        });
    }

    #[test]
    fn test_a_regular_file_cannot_be_watched() {
        on_loops(|event_loop| {
            let file = std::fs::File::open(file!()).unwrap();
            event_loop.add_reader(&file, || ()).unwrap_err();
        });
    }
}

/// `test_sock_lowlevel.py`: `BaseSockTestsMixin`
mod base_sock_tests_mixin {
    use super::*;

    #[test]
    fn test_sock_client_ops() {
        on_loops(|event_loop| {
            let listener = listener();
            let address = listener.local_addr().unwrap();
            let server = thread::spawn(move || {
                listener.set_nonblocking(false).unwrap();
                let (mut stream, _) = listener.accept().unwrap();
                let mut request = [0; 4];
                stream.read_exact(&mut request).unwrap();
                stream.write_all(b"HTTP/1.0 200 OK").unwrap();
                request
            });
            let on = event_loop.clone();
            let reply = event_loop.run_until_complete(async move {
                let socket = socket();
                on.sock_connect(&socket, address).await.unwrap();
                on.sock_sendall(&socket, b"GET ").await.unwrap();
                let mut reply = Vec::new();
                loop {
                    let part = on.sock_recv(&socket, 4).await.unwrap();
                    if part.is_empty() {
                        return reply;
                    }
                    reply.extend(part);
                }
            });
            assert_eq!(reply.unwrap(), b"HTTP/1.0 200 OK");
            assert_eq!(&server.join().unwrap(), b"GET ");
        });
    }

    #[test]
    fn test_unix_sock_client_ops() {
        on_loops(|event_loop| {
            let (here, there) = pair();
            let on = event_loop.clone();
            let outcome = event_loop.run_until_complete(async move {
                let sender = create_task({
                    let on = on.clone();
                    async move {
                        sleep(ms(5)).await;
                        on.sock_sendall(&there, b"later").await.unwrap();
                    }
                });
                let mut buffer = [0; 16];
                let n = on.sock_recv_into(&here, &mut buffer).await.unwrap();
                sender.await.unwrap();
                buffer[..n].to_vec()
            });
            assert_eq!(outcome.unwrap(), b"later");
        });
    }

    #[test]
    fn test_sock_client_fail() {
        on_loops(|event_loop| {
            let address = listener().local_addr().unwrap();
            let on = event_loop.clone();
            let outcome = event_loop.run_until_complete(async move {
                on.sock_connect(&socket(), address)
                    .await
                    .unwrap_err()
                    .kind()
            });
            assert_eq!(outcome.unwrap(), io::ErrorKind::ConnectionRefused);
        });
    }

    #[test]
    fn test_sock_accept() {
        on_loops(|event_loop| {
            let listener = listener();
            let address = listener.local_addr().unwrap();
            let on = event_loop.clone();
            let outcome = event_loop.run_until_complete(async move {
                let mut accepted = Box::pin(on.sock_accept(&listener));
                assert!(futures::poll!(&mut accepted).is_pending());
                let connect = move || Arc::new(TcpStream::connect(address).unwrap());
                let client = create_task(asyncio::to_thread(connect));
                let (socket, peer) = accepted.await.unwrap();
                let client = client.await.unwrap().unwrap();
                assert_eq!(peer.unwrap(), client.local_addr().unwrap());
                // Non-blocking already.
                let stream = TcpStream::from(socket);
                let error = (&stream).read(&mut [0]).unwrap_err();
                error.kind()
            });
            assert_eq!(outcome.unwrap(), io::ErrorKind::WouldBlock);
        });
    }

    #[test]
    fn test_cancel_sock_accept() {
        on_loops(|event_loop| {
            let listener = Arc::new(listener());
            let address = listener.local_addr().unwrap();
            let (on, of) = (event_loop.clone(), listener.clone());
            event_loop
                .run_until_complete(async move {
                    let task = create_task({
                        let on = on.clone();
                        async move { drop(on.sock_accept(&*of).await.unwrap()) }
                    });
                    sleep(ms(2)).await;
                    assert!(task.cancel(""));
                    assert!(task.await.is_err());
                })
                .unwrap();
            // The connection is not lost to the one that was cancelled.
            let _client = TcpStream::connect(address).unwrap();
            let on = event_loop.clone();
            event_loop
                .run_until_complete(async move { on.sock_accept(&*listener).await.unwrap().1 })
                .unwrap()
                .unwrap();
        });
    }

    #[test]
    fn test_huge_content() {
        huge(|on, socket, all| {
            Box::pin(async move {
                while *all.lock().unwrap() < SIZE {
                    let part = on.sock_recv(&*socket, 100_000).await.unwrap();
                    assert!(!part.is_empty() && part.iter().all(|byte| *byte == 7));
                    *all.lock().unwrap() += part.len();
                }
            })
        });
    }

    #[test]
    fn test_huge_content_recvinto() {
        huge(|on, socket, all| {
            Box::pin(async move {
                let mut buffer = vec![0; 100_000];
                while *all.lock().unwrap() < SIZE {
                    let n = on.sock_recv_into(&*socket, &mut buffer).await.unwrap();
                    assert!(n > 0 && buffer[..n].iter().all(|byte| *byte == 7));
                    *all.lock().unwrap() += n;
                }
            })
        });
    }

    const SIZE: usize = 4 << 20;
    type Receive = fn(
        filch::EventLoop,
        Arc<UnixStream>,
        Arc<Mutex<usize>>,
    ) -> std::pin::Pin<Box<dyn Future<Output = ()> + Send>>;

    fn huge(receive: Receive) {
        on_loops(move |event_loop| {
            let (here, there) = pair();
            let on = event_loop.clone();
            let all = Arc::new(Mutex::new(0));
            let count = all.clone();
            event_loop
                .run_until_complete(async move {
                    let send = create_task({
                        let on = on.clone();
                        async move { on.sock_sendall(&there, &vec![7; SIZE]).await.unwrap() }
                    });
                    receive(on, Arc::new(here), count).await;
                    send.await.unwrap();
                })
                .unwrap();
            assert_eq!(*all.lock().unwrap(), SIZE);
        });
    }

    /// One waits for a socket, is cancelled as data comes, and the next one gets it.
    #[test]
    fn test_sock_recv_racing() {
        on_loops(|event_loop| {
            let on = event_loop.clone();
            event_loop
                .run_until_complete(async move {
                    for _ in 0..many(50) {
                        let (here, mut there) = pair();
                        let here = Arc::new(here);
                        let recv = || {
                            let (on, of) = (on.clone(), here.clone());
                            create_task(async move { on.sock_recv(&*of, 1024).await.unwrap() })
                        };
                        let first = recv();
                        sleep(ms(0)).await;
                        first.cancel("");
                        there.write_all(b"1").unwrap();
                        let second = recv();
                        assert_eq!(second.await.unwrap(), b"1");
                        assert!(first.is_cancelled());
                    }
                })
                .unwrap();
        });
    }

    /// Many that wait at once for sockets of their own.
    #[test]
    fn test_many_sockets() {
        on_loops(|event_loop| {
            let on = event_loop.clone();
            let sums = event_loop.run_until_complete(async move {
                let echo = |n: u8| {
                    let on = on.clone();
                    async move {
                        let (here, there) = pair();
                        let server = on.create_task({
                            let on = on.clone();
                            async move {
                                for _ in 0..20 {
                                    let data = on.sock_recv(&there, 10).await.unwrap();
                                    on.sock_sendall(&there, &data).await.unwrap();
                                }
                            }
                        });
                        for _ in 0..20 {
                            on.sock_sendall(&here, &[n]).await.unwrap();
                            assert_eq!(on.sock_recv(&here, 10).await.unwrap(), [n]);
                        }
                        server.await.unwrap();
                        u32::from(n)
                    }
                };
                gather((0..32).map(echo)).await.unwrap()
            });
            assert_eq!(sums.unwrap().into_iter().sum::<u32>(), (0..32).sum());
        });
    }

    #[test]
    fn test_blocking_sockets_are_refused_in_debug_mode() {
        on_loops(|event_loop| {
            event_loop.set_debug(true);
            let (here, _there) = UnixStream::pair().unwrap();
            let on = event_loop.clone();
            let text = event_loop.run_until_complete(async move {
                on.sock_recv(&here, 1).await.unwrap_err().to_string()
            });
            assert_eq!(text.unwrap(), "the socket must be non-blocking");
        });
    }

    #[test]
    fn test_sock_accept_of_a_unix_socket_has_no_address() {
        on_loops(|event_loop| {
            let path = std::env::temp_dir().join(format!(
                "filch-{}-{:?}",
                std::process::id(),
                thread::current().id()
            ));
            let listener = UnixListener::bind(&path).unwrap();
            listener.set_nonblocking(true).unwrap();
            let _client = UnixStream::connect(&path).unwrap();
            std::fs::remove_file(&path).unwrap();
            let on = event_loop.clone();
            let peer = event_loop
                .run_until_complete(async move { on.sock_accept(&listener).await.unwrap().1 });
            assert_eq!(peer.unwrap(), None);
        });
    }

    #[test]
    fn test_a_task_that_cancels_itself_leaves_its_wait() {
        on_loops(|event_loop| {
            let (here, _there) = pair();
            let on = event_loop.clone();
            let task = event_loop.create_task(async move {
                current_task().unwrap().cancel("myself");
                on.sock_recv(&here, 1).await.unwrap();
            });
            let outcome = event_loop.run_until_complete(task);
            assert!(outcome.unwrap_err().to_string().contains("myself"));
        });
    }
}

//! A source tells of every change of readiness and of none that did not happen, in each mode, and until its end.

use std::future::poll_fn;
use std::io::{self, ErrorKind, Read, Write};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::sync::Arc;

use filch::io::{Direction, Interest, Source};

mod common;
use common::{Probe, Random, a_turn, many, on_each_kind, pair, read_byte};

type Stream = Source<UnixStream>;

/// One transfer into a buffer, which may be larger than what there is.
async fn read(source: &Stream, buffer: &mut [u8]) -> io::Result<usize> {
    let wanted = buffer.len();
    let mut read = |mut stream: &UnixStream| stream.read(buffer);
    poll_fn(|context| source.poll_transfer(context, Direction::Read, wanted, &mut read)).await
}

async fn write_all(source: &Stream, mut bytes: &[u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        let write = |mut stream: &UnixStream| stream.write(bytes);
        let n =
            poll_fn(|context| source.poll_transfer(context, Direction::Write, bytes.len(), write));
        bytes = &bytes[n.await?..];
    }
    Ok(())
}

/// Reads until the end, so many bytes at once.
async fn read_to_end(source: &Stream, at_once: usize) -> io::Result<Vec<u8>> {
    let (mut all, mut buffer) = (Vec::new(), vec![0; at_once]);
    loop {
        match read(source, &mut buffer).await? {
            0 => return Ok(all),
            n => all.extend_from_slice(&buffer[..n]),
        }
    }
}

#[test]
fn a_reader_that_waits_is_told_of_each_message() {
    on_each_kind(|rt| {
        rt.block_on(async {
            let (here, mut there) = pair();
            let (tell, told) = async_channel::bounded(1);
            filch::spawn(async move {
                let mut buffer = [0; 8];
                loop {
                    let n = read(&here, &mut buffer).await.unwrap();
                    tell.send(buffer[..n].to_vec()).await.unwrap();
                }
            });
            for round in 0..many(200) {
                let message = &b"milk"[..1 + round % 4];
                there.write_all(message).unwrap();
                assert_eq!(told.recv().await.unwrap(), message);
            }
            // As full as the buffer, and fuller.
            there.write_all(b"tea with milk and").unwrap();
            let mut all = Vec::new();
            while all.len() < 17 {
                all.extend(told.recv().await.unwrap());
            }
            assert_eq!(all, b"tea with milk and");
        });
    });
}

#[test]
fn the_end_right_behind_the_data_is_seen_whenever_it_comes() {
    let mut random = Random::from_env();
    let seeds: Vec<_> = (0..many(300)).map(|_| random.next()).collect();
    on_each_kind(move |rt| {
        let finish = |mut there: UnixStream| {
            there.write_all(b"tea").unwrap();
            there.shutdown(Shutdown::Write).unwrap();
            there
        };
        for at_once in [1, 3, 64] {
            rt.block_on(async {
                // Before anybody watches; before anybody looks; while somebody waits.
                let (here, there) = UnixStream::pair().unwrap();
                here.set_nonblocking(true).unwrap();
                let _there = finish(there);
                let here = Source::new(here).unwrap();
                assert_eq!(read_to_end(&here, at_once).await.unwrap(), b"tea");

                let (here, there) = pair();
                let _there = finish(there);
                a_turn().await;
                assert_eq!(read_to_end(&here, at_once).await.unwrap(), b"tea");

                let (here, there) = pair();
                let task = filch::spawn(async move { read_to_end(&here, at_once).await });
                a_turn().await;
                let _there = finish(there);
                assert_eq!(task.await.unwrap().unwrap(), b"tea");

                // The data is known of, the end is not yet.
                let (here, mut there) = pair();
                there.write_all(b"tea").unwrap();
                assert!(here.ready(Interest::READABLE).await.unwrap().is_readable());
                there.shutdown(Shutdown::Write).unwrap();
                assert_eq!(read_to_end(&here, at_once).await.unwrap(), b"tea");
                a_turn().await;
                let ready = here.ready(Interest::READABLE).await.unwrap();
                assert!(ready.is_read_closed(), "{ready:?}");
            });
        }
        for seed in &seeds {
            let (spins, at_once) = (*seed as usize % 20_000, 1 + (*seed >> 20) as usize % 8);
            let (here, there) = rt.block_on(async { pair() });
            let peer = std::thread::spawn(move || {
                for _ in 0..spins {
                    std::hint::spin_loop();
                }
                finish(there)
            });
            let read = rt.block_on(read_to_end(&here, at_once));
            assert_eq!(read.unwrap(), b"tea");
            drop(peer.join());
        }
    });
}

#[test]
fn a_belief_that_a_try_finds_wrong_is_taken_back() {
    on_each_kind(|rt| {
        rt.block_on(async {
            let (here, mut there) = pair();
            let read = |mut stream: &UnixStream| stream.read(&mut [0; 8]);
            // Nothing is known of it yet, so it is tried, once.
            a_turn().await;
            let mut tries = 0;
            for _ in 0..3 {
                let error = here.try_io(Interest::READABLE, |stream| {
                    tries += 1;
                    read(stream)
                });
                assert_eq!(error.unwrap_err().kind(), ErrorKind::WouldBlock);
            }
            assert!(tries == 1, "{tries} tries");
            for _ in 0..10 {
                there.write_all(b"tea").unwrap();
                a_turn().await;
                here.ready(Interest::READABLE).await.unwrap();
                assert_eq!(
                    read(here.get_ref()).unwrap(),
                    3,
                    "behind the reactor's back"
                );
                let probe = Probe::new();
                assert!(
                    probe
                        .poll(&mut Box::pin(here.ready(Interest::READABLE)))
                        .is_ready()
                );
                let error = here.try_io(Interest::READABLE, read).unwrap_err();
                assert_eq!(error.kind(), ErrorKind::WouldBlock);
                let mut ready = Box::pin(here.ready(Interest::READABLE));
                assert!(probe.poll(&mut ready).is_pending());
                a_turn().await;
                assert!(probe.poll(&mut ready).is_pending());
                there.write_all(b"tea").unwrap();
                ready.await.unwrap();
                assert_eq!(here.try_io(Interest::READABLE, read).unwrap(), 3);
            }
        });
    });
}

#[test]
fn of_many_waiters_each_is_told() {
    on_each_kind(|rt| {
        rt.block_on(async {
            let (here, mut there) = pair();
            let here = Arc::new(here);
            let readers: Vec<_> = (0..100)
                .map(|_| {
                    let here = here.clone();
                    filch::spawn(async move { read_byte(&here).await })
                })
                .collect();
            let watchers: Vec<_> = (0..100)
                .map(|_| {
                    let here = here.clone();
                    filch::spawn(async move { here.ready(Interest::READABLE).await })
                })
                .collect();
            // One event may serve them all, or many.
            for n in 0..100 {
                there.write_all(&[n]).unwrap();
                if n % 7 == 0 {
                    a_turn().await;
                }
            }
            let mut bytes = Vec::new();
            for reader in readers {
                bytes.push(reader.await.unwrap().unwrap());
            }
            bytes.sort_unstable();
            assert!(bytes.into_iter().eq(0..100));
            there.write_all(b"x").unwrap();
            for watcher in watchers {
                assert!(watcher.await.unwrap().unwrap().is_readable());
            }
        });
    });
}

#[test]
fn a_writer_waits_until_there_is_room() {
    on_each_kind(|rt| {
        rt.block_on(async {
            let (here, mut there) = pair();
            let here = Arc::new(here);
            let bytes: Vec<u8> = (0..1_000_000u32).map(|n| n as u8).collect();
            let (writer, expected) = (here.clone(), bytes.clone());
            let peer = std::thread::spawn(move || {
                let mut all = vec![0; 1_000_000];
                there.write_all(b"go on").unwrap();
                there.read_exact(&mut all).unwrap();
                (there, all)
            });
            let task = filch::spawn(async move { write_all(&writer, &bytes).await });
            // Both directions at once, by two tasks.
            assert_eq!(read(&here, &mut [0; 5]).await.unwrap(), 5);
            task.await.unwrap().unwrap();
            let (there, all) = peer.join().unwrap();
            assert!(all == expected);
            let both = Interest::READABLE | Interest::WRITABLE;
            assert!(!here.ready(both).await.unwrap().is_empty());
            assert!(here.ready(Interest::WRITABLE).await.unwrap().is_writable());
            drop(there);
            a_turn().await;
            let ready = here.ready(Interest::READABLE).await.unwrap();
            assert!(ready.is_read_closed(), "{ready:?}");
            let error = write_all(&here, &[0; 10]).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::BrokenPipe);
        });
    });
}

#[test]
fn streams_of_all_sizes_arrive_as_they_were_sent() {
    let mut random = Random::from_env();
    let mut sizes = move || (0..many(50)).map(|_| 1 + random.below(30_000)).collect();
    let streams: Vec<Vec<usize>> = (0..16).map(|_| sizes()).collect();
    on_each_kind(move |rt| {
        let echo = |sizes: &Vec<usize>| {
            let sizes = sizes.clone();
            rt.spawn(async move {
                let (here, there) = pair();
                there.set_nonblocking(true).unwrap();
                let (here, there) = (Arc::new(here), Source::new(there).unwrap());
                filch::spawn(async move {
                    let mut buffer = vec![0; 4096];
                    while let Ok(n @ 1..) = read(&there, &mut buffer).await {
                        write_all(&there, &buffer[..n]).await.unwrap();
                    }
                });
                let (writer, to_write) = (here.clone(), sizes.clone());
                let writing = filch::spawn(async move {
                    for size in to_write {
                        write_all(&writer, &vec![size as u8; size]).await.unwrap();
                    }
                    writer.get_ref().shutdown(Shutdown::Write).unwrap();
                });
                let all = read_to_end(&here, 10_000).await.unwrap();
                writing.await.unwrap();
                let expected = sizes.iter().flat_map(|size| vec![*size as u8; *size]);
                assert!(all.into_iter().eq(expected));
            })
        };
        let tasks: Vec<_> = streams.iter().map(echo).collect();
        tasks
            .into_iter()
            .for_each(|task| rt.block_on(task).unwrap());
    });
}

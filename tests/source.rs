//! A source from its registration to its end: what can be one, on which runtime, and what becomes of it after that.

use std::future::poll_fn;
use std::io::{ErrorKind, Write};
use std::os::unix::net::UnixStream;
use std::panic::catch_unwind;
use std::process::{Command, Stdio};
use std::sync::Arc;

use filch::io::{Direction, Interest, Source};

mod common;
use common::{
    Probe, Random, a_turn, bounded, child, child_role, many, multi, on_each_kind, pair, read_byte,
    run_child, single,
};

#[test]
fn a_source_can_be_taken_out_and_registered_again() {
    on_each_kind(|rt| {
        let other = multi(2);
        rt.block_on(async {
            let (mut here, mut there) = pair();
            for n in 0..many(100) {
                there.write_all(&[n as u8]).unwrap();
                assert_eq!(read_byte(&here).await.unwrap(), n as u8);
                let io = here.into_inner();
                let of = if n % 2 == 0 {
                    other.handle()
                } else {
                    rt.handle()
                };
                let _entered = of.enter();
                here = Source::new(io).unwrap();
            }
            // Twice at the same time in one reactor it cannot.
            let twice = Source::new(here.get_ref().try_clone().unwrap());
            assert!(twice.is_ok(), "a duplicate is another descriptor");
            let error = Source::new(std::os::fd::AsFd::as_fd(here.get_ref())).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::AlreadyExists);
            there.write_all(b"x").unwrap();
            assert_eq!(
                read_byte(&here).await.unwrap(),
                b'x',
                "the failure left the first alone"
            );
        });
    });
}

#[test]
fn an_event_in_flight_is_not_taken_for_the_next_source_in_its_place() {
    let mut random = Random::from_env();
    bounded(move || {
        let rt = Arc::new(multi(8));
        // Several threads at once, so that the reactor has to wait for its table of sources now and then.
        let threads: Vec<_> = (0..4)
            .map(|_| {
                let (rt, mut random) = (rt.clone(), random.fork());
                std::thread::spawn(move || {
                    let _entered = rt.enter();
                    let mut kept = Vec::new();
                    for n in 0..many(2000) {
                        let (old, mut there) = pair();
                        there.write_all(b"late").unwrap();
                        (0..random.below(500)).for_each(|_| std::hint::spin_loop());
                        drop(old);
                        // The lowest free descriptor and place in the table are those of the old one, or of another
                        // thread's.
                        kept.push(pair());
                        if n % 32 == 31 {
                            rt.block_on(a_turn());
                            for (new, mut there) in kept.drain(..) {
                                let mut ready = Box::pin(new.ready(Interest::READABLE));
                                let is_ready = Probe::new().poll(&mut ready).is_ready();
                                assert!(!is_ready, "ready with nothing to read");
                                there.write_all(b"x").unwrap();
                                rt.block_on(ready).unwrap();
                                assert_eq!(rt.block_on(read_byte(&new)).unwrap(), b'x');
                            }
                        }
                    }
                })
            })
            .collect();
        threads
            .into_iter()
            .for_each(|thread| thread.join().unwrap());
    });
}

#[test]
fn a_source_works_on_any_runtime_until_its_own_ends() {
    on_each_kind(|rt| {
        let other = multi(2);
        let (here, mut there) = rt.block_on(async { pair() });
        let here = Arc::new(here);
        let reader = here.clone();
        let driver = rt.handle().clone();
        // A current-thread runtime has to be driven by somebody.
        let driving = rt.spawn(std::future::pending::<()>());
        let driven = std::thread::spawn(move || driver.block_on(driving).is_err());
        let task = other.spawn(async move {
            assert_eq!(read_byte(&reader).await.unwrap(), b'x');
            read_byte(&reader).await.unwrap_err().to_string()
        });
        there.write_all(b"x").unwrap();
        common::eventually("x was read", || {
            let mut byte = [0];
            rustix::net::recv(here.get_ref(), &mut byte, rustix::net::RecvFlags::PEEK).is_err()
        });
        drop(rt);
        let text = other.block_on(task).unwrap();
        assert!(text.contains("has shut down"), "{text}");
        assert!(driven.join().unwrap());
    });
}

#[test]
fn after_the_end_every_wait_and_every_try_is_an_error() {
    bounded(|| {
        for rt in [multi(8), single()] {
            let (here, _there) = rt.block_on(async { pair() });
            let probe = Probe::new();
            let (handle, other) = (rt.handle().clone(), single());
            let mut waits = Box::pin(here.ready(Interest::READABLE));
            let mut reads = Box::pin(read_byte(&here));
            assert!(probe.poll(&mut waits).is_pending());
            assert!(probe.poll(&mut reads).is_pending());
            drop(rt);
            probe.wait(2);
            assert!(other.block_on(waits).is_err());
            assert!(other.block_on(reads).is_err());
            other.block_on(async {
                assert!(here.ready(Interest::WRITABLE).await.is_err());
                assert!(here.async_io(Interest::READABLE, |_| Ok(())).await.is_err());
                assert!(here.async_io(Interest::WRITABLE, |_| Ok(())).await.is_err());
                let ready = poll_fn(|context| here.poll_ready(context, Direction::Write));
                assert!(ready.await.is_err());
            });
            let mut tried = false;
            let error = here.try_io(Interest::WRITABLE, |_| {
                tried = true;
                Ok(())
            });
            assert!(error.unwrap_err().to_string().contains("has shut down"));
            assert!(!tried);
            let _entered = handle.enter();
            let error = Source::new(here.into_inner()).unwrap_err();
            assert!(error.to_string().contains("has shut down"), "{error}");
        }
    });
}

#[test]
fn what_cannot_be_watched_is_an_error_and_outside_a_runtime_a_panic() {
    let panic = catch_unwind(|| Source::new(UnixStream::pair().unwrap().0)).unwrap_err();
    assert!(
        panic
            .downcast_ref::<String>()
            .unwrap()
            .contains("no filch runtime")
    );
    on_each_kind(|rt| {
        let _entered = rt.enter();
        let file = std::fs::File::open("/proc/self/exe").unwrap();
        let error = Source::new(file).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::PermissionDenied, "{error}");
        rt.block_on(a_turn());
    });
}

#[test]
fn a_pipe_is_a_source_too() {
    on_each_kind(|rt| {
        let mut cat = Command::new("cat");
        let mut cat = cat
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let (mut stdin, stdout) = (cat.stdin.take().unwrap(), cat.stdout.take().unwrap());
        rustix::io::ioctl_fionbio(&stdout, true).unwrap();
        rt.block_on(async {
            let stdout = Source::new(stdout).unwrap();
            for n in 0..20u8 {
                stdin.write_all(&[n]).unwrap();
                let mut byte = [9];
                let read = |out: &_| Ok(rustix::io::read(out, &mut byte)?);
                assert_eq!(stdout.async_io(Interest::READABLE, read).await.unwrap(), 1);
                assert_eq!(byte, [n]);
            }
            drop(stdin);
            let read = |out: &_| Ok(rustix::io::read(out, &mut [0])?);
            assert_eq!(stdout.async_io(Interest::READABLE, read).await.unwrap(), 0);
        });
        cat.wait().unwrap();
    });
}

#[test]
fn a_process_that_is_stopped_and_continued_goes_on() {
    // On Linux that ends a wait with EINTR, without any signal handler.
    if child_role().is_some() {
        return on_each_kind(|rt| {
            rt.block_on(async {
                let (here, mut there) = pair();
                for n in 0..400u32 {
                    let peer = std::thread::spawn(move || {
                        std::thread::sleep(std::time::Duration::from_micros(500));
                        there.write_all(&[n as u8]).unwrap();
                        there
                    });
                    assert_eq!(read_byte(&here).await.unwrap(), n as u8);
                    filch::time::sleep(std::time::Duration::from_micros(100)).await;
                    there = peer.join().unwrap();
                }
            });
        });
    }
    use rustix::process::{Pid, Signal, kill_process};
    let test = "a_process_that_is_stopped_and_continued_goes_on";
    let mut command = child(test, "");
    let process = command
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let pid = Pid::from_child(&process);
    let process = std::sync::Mutex::new(process);
    let status = bounded(move || {
        loop {
            let _ = kill_process(pid, Signal::STOP);
            let _ = kill_process(pid, Signal::CONT);
            if let Some(status) = process.lock().unwrap().try_wait().unwrap() {
                return status;
            }
            std::thread::sleep(std::time::Duration::from_millis(2));
        }
    });
    if !status.success() {
        // Once more, undisturbed, to tell a fault of the test from one of the reactor.
        run_child(child(test, ""));
        panic!("it fails when it is stopped and continued: {status}");
    }
}

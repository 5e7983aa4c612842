//! A server that has run out of file descriptors says so, does not spin, and goes on when some are free.
//!
//! One test in a process of its own: it takes all the descriptors there are.
#![cfg(target_os = "linux")]

use std::fs::File;
use std::io::{self, Read, Write};
use std::net::TcpStream as StdStream;
use std::time::Duration;

use filch::net::TcpListener;
use rustix::io::Errno;
use rustix::process::{Resource, getrlimit, setrlimit};

#[path = "../examples/03_echo.rs"]
#[allow(dead_code)]
mod echo_server;

/// Takes every descriptor below the limit.
fn take_all() -> Vec<File> {
    let mut taken = Vec::new();
    while let Ok(file) = File::open("/dev/null") {
        taken.push(file);
    }
    taken
}

/// CPU time that this process has used so far.
fn cpu_time() -> Duration {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    let fields: Vec<_> = stat[stat.rfind(')').unwrap()..].split(' ').collect();
    let ticks: u64 = fields[12].parse::<u64>().unwrap() + fields[13].parse::<u64>().unwrap();
    Duration::from_millis(ticks * 10) // the kernel's tick in /proc is 1/100 s
}

#[test]
fn running_out_of_file_descriptors_ends_no_server() {
    let before = getrlimit(Resource::Nofile);
    let low = rustix::process::Rlimit {
        current: Some(128),
        ..before
    };
    setrlimit(Resource::Nofile, low).unwrap();
    let mut builder = filch::runtime::Builder::new_multi_thread();
    let rt = builder.worker_threads(8).enable_all().build().unwrap();
    let done = rt.block_on(async {
        filch::time::timeout(Duration::from_secs(30), filch::spawn(test())).await
    });
    done.expect("the test hangs").unwrap().unwrap();
}

async fn test() -> io::Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let addr = listener.local_addr()?;
    let mut clients: Vec<_> = (0..3).map(|_| StdStream::connect(addr).unwrap()).collect();
    let mut taken = take_all();

    // Each accept says so, at once: the wake-up is not lost, however often it fails.
    for _ in 0..100 {
        let error = listener.accept().await.unwrap_err();
        assert_eq!(error.raw_os_error(), Some(Errno::MFILE.raw_os_error()));
    }

    // The connections wait, nobody accepts, and nothing spins: not the reactor either. What is slept here is measured.
    taken.pop(); // for /proc/self/stat
    let start = cpu_time();
    filch::time::sleep(Duration::from_millis(500)).await;
    let used = cpu_time() - start;
    assert!(
        used < Duration::from_millis(250),
        "{used:?} of CPU in half a second of waiting"
    );

    // One is free: one connection comes, then it is over again. No event tells, none is needed.
    let (first, _) = listener.accept().await?;
    let error = listener.accept().await.unwrap_err();
    assert_eq!(error.raw_os_error(), Some(Errno::MFILE.raw_os_error()));
    drop(first);
    let (second, _) = listener.accept().await?;
    drop(second);

    // The echo server of the examples, started with none free: it goes on trying, seldom, until it can.
    taken.extend(take_all());
    let server = filch::spawn(echo_server::serve(listener));
    filch::time::sleep(Duration::from_millis(150)).await; // a few tries in vain
    taken.truncate(taken.len() - 5);
    let mut last = clients.pop().unwrap();
    let echoed = filch::task::spawn_blocking(move || {
        last.set_read_timeout(Some(Duration::from_secs(10)))?;
        last.write_all(b"still here")?;
        let mut answer = [0; 10];
        last.read_exact(&mut answer)?;
        io::Result::Ok(answer)
    });
    assert_eq!(&echoed.await.unwrap()?, b"still here");
    server.abort();
    Ok(())
}

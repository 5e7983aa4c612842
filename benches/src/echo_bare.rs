//! The yardstick of `echo_N`: the same round trips by hand, with no runtime at all.
//!
//! A thread for each worker, each with an epoll set of its own, edge-triggered, and both ends of its share of the
//! connections: read, write, wait for the next event. No task, no waker, no queue, no second look at a socket that has
//! been emptied, nothing shared between threads, and nobody could steal from a thread that is busy. What a runtime
//! reaches of this figure is what it leaves of the machine.

use std::io::{self, Read, Write};
use std::mem::MaybeUninit;
use std::net::{TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::thread;
use std::time::{Duration, Instant};

use rustix::event::epoll::{self, CreateFlags, EventData, EventFlags};
use socket2::SockRef;

use crate::echo::MESSAGE;
use crate::problem::{Contestant, Wrong, expect};

pub(crate) const PEER: &str = "bare";

pub(crate) struct Bare {
    pub(crate) connections: usize,
    pub(crate) workers: usize,
}

impl Contestant for Bare {
    fn round(&mut self, window: Duration) -> Result<f64, Wrong> {
        let threads = self.workers.min(self.connections);
        let shares: io::Result<Vec<Share>> = (0..threads)
            .map(|n| Share::open((self.connections + threads - 1 - n) / threads))
            .collect();
        let shares = shares.map_err(|e| e.to_string())?;
        let begin = Instant::now();
        let running: Vec<_> = shares
            .into_iter()
            .map(|share| thread::spawn(move || share.run(begin + window)))
            .collect();
        let (mut trips, mut echoed) = (0, 0);
        for thread in running {
            let counted = thread.join().map_err(|_| "a thread panicked")?;
            let (of_clients, of_servers) = counted.map_err(|e| e.to_string())?;
            trips += of_clients;
            echoed += of_servers;
        }
        let rate = trips as f64 / begin.elapsed().as_secs_f64();
        expect("bytes echoed", trips * MESSAGE as u64, echoed).map(|()| rate)
    }
}

/// What one thread serves: clients have even numbers, their servers the next odd ones.
struct Share {
    epoll: OwnedFd,
    ends: Vec<TcpStream>,
}

impl Share {
    fn open(connections: usize) -> io::Result<Share> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let epoll = epoll::create(CreateFlags::CLOEXEC)?;
        let mut ends = Vec::with_capacity(2 * connections);
        for _ in 0..connections {
            let client = TcpStream::connect(listener.local_addr()?)?;
            // As `dial` in `echo`: no TIME_WAIT.
            SockRef::from(&client).set_linger(Some(Duration::ZERO))?;
            ends.push(client);
            ends.push(listener.accept()?.0);
        }
        for (number, end) in ends.iter().enumerate() {
            end.set_nodelay(true)?;
            end.set_nonblocking(true)?;
            let data = EventData::new_u64(number as u64);
            epoll::add(&epoll, end, data, EventFlags::IN | EventFlags::ET)?;
        }
        Ok(Share { epoll, ends })
    }

    /// Round trips counted by the clients, and bytes echoed by the servers.
    fn run(self, until: Instant) -> io::Result<(u64, u64)> {
        let question = [0xa5; MESSAGE];
        let mut buffer = [0; 1_024];
        let (mut trips, mut echoed, mut asking) = (0u64, 0u64, self.ends.len() / 2);
        for mut client in self.ends.iter().step_by(2) {
            client.write_all(&question)?;
        }
        let mut raw = [const { MaybeUninit::uninit() }; 512];
        while asking > 0 {
            let (events, _) = epoll::wait(&self.epoll, &mut raw, None)?;
            let stop = Instant::now() >= until;
            for event in events {
                let number = { event.data }.u64() as usize;
                let mut end = &self.ends[number];
                let count = match end.read(&mut buffer) {
                    Ok(count) => count,
                    Err(e) if e.kind() == io::ErrorKind::WouldBlock => continue,
                    Err(e) => return Err(e),
                };
                if number % 2 == 1 {
                    echoed += count as u64;
                    end.write_all(&buffer[..count])?;
                    continue;
                }
                if buffer[..count] != question {
                    return Err(io::Error::other("an answer is not what was sent"));
                }
                trips += 1;
                if stop {
                    asking -= 1;
                } else {
                    end.write_all(&question)?;
                }
            }
        }
        Ok((trips, echoed))
    }
}

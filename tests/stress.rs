//! Everything at once, at random, for a while: nothing is lost, nothing happens twice, nothing hangs.
//!
//! Each test prints its seed; `FILCH_SEED` repeats it as far as threads allow. `FILCH_STRESS=60` makes each take 60 s.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use filch::io::{AsyncReadExt, AsyncWriteExt};
use filch::net::{TcpListener, TcpStream};
use filch::runtime::Handle;
use filch::task::{AbortHandle, JoinHandle, yield_now};
use filch::time::{sleep, timeout};

mod common;
use common::{
    Drops, Random, a_while, assert_healthy, bounded_by, eventually, multi, pair, patience,
};

/// How long each test goes on, how long it may take, and whether it goes on when it has done enough.
fn for_how_long() -> (Duration, Duration, bool) {
    let seconds: Option<u64> = std::env::var("FILCH_STRESS")
        .ok()
        .map(|text| text.parse().unwrap());
    let limit = Duration::from_secs(seconds.unwrap_or(6));
    (limit, limit + patience(), seconds.is_some())
}

/// Tasks of many threads and tasks, which spawn, abort, join and drop each other.
struct Crowd {
    on: Handle,
    until: Instant,
    left: AtomicUsize,
    spawned: AtomicUsize,
    ended: AtomicUsize,
    drops: Drops,
    handles: Mutex<Vec<JoinHandle<usize>>>,
    aborts: Mutex<Vec<AbortHandle>>,
}

/// Tasks in all, unless time ends first.
const A_MILLION: usize = 1_000_000;

/// Handles that are kept at once.
const KEPT: usize = 10_000;

impl Crowd {
    fn goes_on(&self) -> bool {
        self.left.load(Ordering::Relaxed) > 0 && Instant::now() < self.until
    }

    /// A task that does one thing, and gives its number.
    fn spawn(self: &Arc<Self>, random: &mut Random) {
        if self
            .left
            .fetch_update(Ordering::SeqCst, Ordering::SeqCst, |n| n.checked_sub(1))
            .is_err()
        {
            return;
        }
        let number = self.spawned.fetch_add(1, Ordering::SeqCst);
        let (crowd, counted, mut own) = (self.clone(), self.drops.counted(), random.fork());
        let task = self.on.spawn(async move {
            let _counted = counted;
            match own.below(16) {
                0 => sleep(Duration::from_micros(own.below(500) as u64)).await,
                1 => std::future::pending::<()>().await,
                2 => crowd.join_one(&mut own).await,
                3..6 => crowd.spawn(&mut own),
                6 => crowd.abort_one(&mut own),
                7..10 => yield_now().await,
                _ => {}
            }
            number
        });
        // A task that waits for ever needs somebody who aborts it.
        let full = Self::keep(&self.aborts, task.abort_handle(), random);
        full.iter().for_each(AbortHandle::abort);
        if random.below(4) > 0 {
            drop(Self::keep(&self.handles, task, random));
        }
    }

    /// Adds one; gives another one back if there are too many.
    fn keep<T>(all: &Mutex<Vec<T>>, one: T, random: &mut Random) -> Option<T> {
        let mut all = all.lock().unwrap();
        if all.len() < KEPT {
            all.push(one);
            return None;
        }
        let at = random.below(KEPT);
        Some(std::mem::replace(&mut all[at], one))
    }

    fn take<T>(from: &Mutex<Vec<T>>, random: &mut Random) -> Option<T> {
        let mut all = from.lock().unwrap();
        match all.len() {
            0 => None,
            n => Some(all.swap_remove(random.below(n))),
        }
    }

    fn abort_one(&self, random: &mut Random) {
        Self::take(&self.aborts, random)
            .iter()
            .for_each(AbortHandle::abort);
    }

    async fn join_one(&self, random: &mut Random) {
        let Some(mut task) = Self::take(&self.handles, random) else {
            return;
        };
        // It may wait for ever, or for a task that waits for this one.
        match timeout(Duration::from_micros(200), &mut task).await {
            Ok(outcome) => self.check(outcome),
            Err(_) => task.abort(),
        }
    }

    fn check(&self, outcome: Result<usize, filch::task::JoinError>) {
        self.ended.fetch_add(1, Ordering::SeqCst);
        match outcome {
            Ok(number) => assert!(number < self.spawned.load(Ordering::SeqCst)),
            Err(error) => assert!(error.is_cancelled(), "{error}"),
        }
    }
}

#[test]
fn a_million_tasks_are_spawned_aborted_and_joined_from_everywhere() {
    let (time, limit, goes_on) = for_how_long();
    let mut random = Random::from_env();
    bounded_by(limit, move || {
        let rt = multi(8);
        let crowd = Arc::new(Crowd {
            on: rt.handle().clone(),
            until: Instant::now() + time,
            left: AtomicUsize::new(if goes_on { usize::MAX } else { A_MILLION }),
            spawned: AtomicUsize::new(0),
            ended: AtomicUsize::new(0),
            drops: Drops::default(),
            handles: Mutex::default(),
            aborts: Mutex::default(),
        });
        let member = |_| {
            let (crowd, mut random) = (crowd.clone(), random.fork());
            move || async move {
                while crowd.goes_on() {
                    match random.below(8) {
                        0 => crowd.join_one(&mut random).await,
                        1 | 2 => crowd.abort_one(&mut random),
                        _ => crowd.spawn(&mut random),
                    }
                    if random.below(64) == 0 {
                        yield_now().await;
                    }
                }
            }
        };
        let members: Vec<_> = (0..8).map(member).collect();
        let mut threads = Vec::new();
        let mut tasks = Vec::new();
        for (n, member) in members.into_iter().enumerate() {
            if n % 2 == 0 {
                let on = rt.handle().clone();
                threads.push(std::thread::spawn(move || on.block_on(member())));
            } else {
                tasks.push(rt.spawn(async move { member().await }));
            }
        }
        threads
            .into_iter()
            .for_each(|thread| thread.join().unwrap());
        tasks
            .into_iter()
            .for_each(|task| rt.block_on(task).unwrap());
        crowd.left.store(0, Ordering::SeqCst);
        let mut random = random.fork();
        eventually("all tasks end", || {
            // Tasks that run now may still add theirs.
            while let Some(handle) = Crowd::take(&crowd.aborts, &mut random) {
                handle.abort();
            }
            crowd.drops.count() == crowd.spawned.load(Ordering::SeqCst)
        });
        while let Some(task) = Crowd::take(&crowd.handles, &mut random) {
            crowd.check(rt.block_on(task));
        }
        let (spawned, ended) = (&crowd.spawned, &crowd.ended);
        println!("{spawned:?} spawned, {ended:?} of them joined");
        assert_healthy(&rt, 8);
        drop(rt);
        assert_eq!(crowd.drops.count(), crowd.spawned.load(Ordering::SeqCst));
    });
}

/// Sends back what comes, until the end or an error.
async fn serve(mut stream: TcpStream) {
    let mut buffer = [0; 512];
    while let Ok(n @ 1..) = stream.read(&mut buffer).await {
        if stream.write_all(&buffer[..n]).await.is_err() {
            return;
        }
    }
}

/// One connection from its opening to its drop, which may come at any moment. True if it came to a good end.
async fn connection(server: std::net::SocketAddr, mut random: Random) -> bool {
    let mut stream = TcpStream::connect(server).await.unwrap();
    for _ in 0..random.below(6) {
        let bytes: Vec<u8> = (0..1 + random.below(2000)).map(|n| n as u8).collect();
        if random.below(20) == 0 {
            let _half_done = timeout(Duration::from_micros(50), stream.write_all(&bytes)).await;
            return false;
        }
        stream.write_all(&bytes).await.unwrap();
        let mut echo = vec![0; bytes.len()];
        stream.read_exact(&mut echo).await.unwrap();
        assert!(echo == bytes, "an echo of something else");
    }
    true
}

#[test]
fn ten_thousand_connections_come_and_go_while_workers_are_blocked() {
    let (time, limit, goes_on) = for_how_long();
    let connections = if goes_on { usize::MAX } else { 10_000 };
    let mut random = Random::from_env();
    bounded_by(limit, move || {
        let rt = multi(8);
        let listener = rt.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
        let server = listener.local_addr().unwrap();
        let accepts = rt.spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                filch::spawn(serve(stream));
            }
        });
        let until = Instant::now() + time;
        let opened = Arc::new(AtomicUsize::new(0));
        let client = |_| {
            let (opened, mut random) = (opened.clone(), random.fork());
            rt.spawn(async move {
                let mut good = 0;
                while Instant::now() < until && opened.fetch_add(1, Ordering::SeqCst) < connections
                {
                    let task = timeout(a_while(), connection(server, random.fork()));
                    good += usize::from(task.await.expect("a connection hangs"));
                    // Beside it one that only the reactor knows.
                    let (here, there) = pair();
                    let wait = here.ready(filch::io::Interest::READABLE);
                    drop((timeout(Duration::from_micros(20), wait).await, there));
                }
                good
            })
        };
        let clients: Vec<_> = (0..100).map(client).collect();
        let blocker = |_| {
            let mut random = random.fork();
            rt.spawn(async move {
                while Instant::now() < until {
                    std::thread::sleep(Duration::from_millis(random.below(4) as u64));
                    sleep(Duration::from_millis(random.below(8) as u64)).await;
                }
            })
        };
        let blockers: Vec<_> = (0..7).map(blocker).collect();
        let good: usize = clients
            .into_iter()
            .map(|client| rt.block_on(client).unwrap())
            .sum();
        println!("{opened:?} connections, {good} of them to their end");
        assert!(good > 100);
        blockers.iter().for_each(|task| task.abort());
        accepts.abort();
        assert_healthy(&rt, 8);
    });
}

#[test]
fn runtimes_end_at_random_moments_under_load() {
    let (time, limit, _) = for_how_long();
    let mut random = Random::from_env();
    bounded_by(limit, move || {
        let until = Instant::now() + time;
        let mut rounds = 0;
        while Instant::now() < until {
            let rt = multi(8);
            let (drops, spawned) = (Drops::default(), Arc::new(AtomicUsize::new(0)));
            for _ in 0..4 {
                let on = rt.handle().clone();
                let (drops, spawned, mut random) = (drops.clone(), spawned.clone(), random.fork());
                std::thread::spawn(move || {
                    for _ in 0..500 {
                        let (counted, stay) = (drops.counted(), random.below(4) == 0);
                        spawned.fetch_add(1, Ordering::SeqCst);
                        let again = on.clone();
                        drop(on.spawn(async move {
                            let _counted = counted;
                            drop(again.spawn(yield_now()));
                            if stay {
                                let (here, there) = pair();
                                drop(common::read_byte(&here).await);
                                drop(there);
                            }
                            yield_now().await;
                        }));
                    }
                });
            }
            let moment = Instant::now() + Duration::from_micros(random.below(5000) as u64);
            while Instant::now() < moment {
                std::thread::yield_now();
            }
            drop(rt);
            // The threads go on to spawn, in vain.
            eventually("all have spawned, and all is dropped", || {
                spawned.load(Ordering::SeqCst) == 2000 && drops.count() == 2000
            });
            rounds += 1;
        }
        println!("{rounds} runtimes");
    });
}

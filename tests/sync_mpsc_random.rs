//! Channels driven at random: against a simple model of what they should do, and by 8 workers that give up as they like.

use std::collections::VecDeque;
use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::Poll;

use filch::sync::mpmc;
use filch::sync::mpsc::error::{TryRecvError, TrySendError};
use filch::sync::mpsc::{self, Sender};
use filch::task::yield_now;

mod common;
use common::{Counted, Drops, Probe, Random, bounded, many, multi};

/// What a bounded channel is: the rule book, slow and obvious.
#[derive(Default)]
struct Model {
    queue: VecDeque<usize>,
    /// Who waits, in order: number of the send, message, served.
    waiting: VecDeque<(usize, usize, bool)>,
    capacity: usize,
    closed: bool,
}

impl Model {
    fn used(&self) -> usize {
        self.queue.len() + self.waiting.iter().filter(|wait| wait.2).count()
    }

    fn serve(&mut self) {
        while !self.closed && self.used() < self.capacity {
            let Some(next) = self.waiting.iter_mut().find(|wait| !wait.2) else {
                return;
            };
            next.2 = true;
        }
    }
}

type Send<'a> = Pin<Box<dyn Future<Output = Result<(), usize>> + 'a>>;

fn send(tx: &Sender<usize>, message: usize) -> Send<'_> {
    Box::pin(async move { tx.send(message).await.map_err(|error| error.0) })
}

#[test]
fn a_channel_does_what_the_model_does() {
    let mut random = Random::from_env();
    for _ in 0..many(2_000) {
        let capacity = 1 + random.below(5);
        let (tx, mut rx) = mpsc::channel(capacity);
        let mut model = Model {
            capacity,
            ..Model::default()
        };
        let probe = Probe::new();
        let mut sends: Vec<(usize, Send<'_>)> = Vec::new();
        for step in 0..60 {
            match random.below(10) {
                // Send, waiting if need be.
                0..3 => {
                    let mut sending = send(&tx, step);
                    let waits = probe.poll(&mut sending);
                    if model.closed {
                        assert_eq!(waits, Poll::Ready(Err(step)));
                    } else if model.used() < capacity && model.waiting.iter().all(|w| w.2) {
                        assert_eq!(waits, Poll::Ready(Ok(())));
                        model.queue.push_back(step);
                    } else {
                        assert!(waits.is_pending());
                        model.waiting.push_back((step, step, false));
                        sends.push((step, sending));
                    }
                }
                3 => {
                    let sent = tx.try_send(step);
                    if model.closed {
                        assert_eq!(sent, Err(TrySendError::Closed(step)));
                    } else if model.used() < capacity {
                        assert_eq!(sent, Ok(()));
                        model.queue.push_back(step);
                    } else {
                        assert_eq!(sent, Err(TrySendError::Full(step)));
                    }
                }
                4..7 => match model.queue.pop_front() {
                    Some(message) => {
                        assert_eq!(rx.try_recv(), Ok(message));
                        model.serve();
                    }
                    None => {
                        let ended = model.closed && model.used() == 0;
                        let error = match ended {
                            true => TryRecvError::Disconnected,
                            false => TryRecvError::Empty,
                        };
                        // Those that were served before the close have a permit until they come by.
                        let got = rx.try_recv();
                        assert!(
                            got == Err(error) || (model.closed && got == Err(TryRecvError::Empty))
                        );
                    }
                },
                // Poll one that waits.
                7 if !sends.is_empty() => {
                    let chosen = random.below(sends.len());
                    let (number, sending) = &mut sends[chosen];
                    let place = model.waiting.iter().position(|w| w.0 == *number).unwrap();
                    let (_, message, served) = model.waiting[place];
                    let done = probe.poll(sending);
                    if model.closed {
                        assert_eq!(done, Poll::Ready(Err(message)));
                    } else if served {
                        assert_eq!(done, Poll::Ready(Ok(())));
                        model.queue.push_back(message);
                    } else if done.is_ready() {
                        panic!("{message} was sent out of turn");
                    }
                    if done.is_ready() {
                        model.waiting.remove(place);
                        drop(sends.remove(chosen));
                    }
                }
                // Give one up.
                8 if !sends.is_empty() => {
                    let (number, sending) = sends.swap_remove(random.below(sends.len()));
                    drop(sending);
                    model.waiting.retain(|wait| wait.0 != number);
                    model.serve();
                }
                9 if random.below(20) == 0 => {
                    rx.close();
                    model.closed = true;
                }
                _ => {
                    let free = if model.closed {
                        None
                    } else {
                        Some(capacity - model.used())
                    };
                    assert!(free.is_none_or(|free| tx.capacity() == free));
                    assert_eq!(rx.len(), model.queue.len());
                }
            }
        }
        drop(sends);
        assert_eq!(probe.held(), 0);
    }
}

/// Sends and receives that are given up at random: each message ends once, nobody hangs, and the count comes out.
#[test]
fn nothing_is_lost_or_leaked_when_waits_are_given_up() {
    bounded(|| {
        let mut random = Random::from_env();
        let rt = multi(8);
        for round in 0..many(20) {
            let (drops, arrived) = (Drops::default(), Arc::new(AtomicUsize::new(0)));
            let (tx, mut rx) = mpsc::channel::<Counted>(1 + round % 7);
            let (sent, made) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
            let senders: Vec<_> = (0..16)
                .map(|_| {
                    let (tx, drops, mut random) = (tx.clone(), drops.clone(), random.fork());
                    let (sent, made) = (sent.clone(), made.clone());
                    rt.spawn(async move {
                        for _ in 0..200 {
                            made.fetch_add(1, Ordering::SeqCst);
                            let sending = tx.send(drops.counted());
                            if let Some(Ok(())) = perhaps(&mut random, sending).await {
                                sent.fetch_add(1, Ordering::SeqCst);
                            }
                        }
                    })
                })
                .collect();
            drop(tx);
            let (counts, mut own) = (arrived.clone(), random.fork());
            let receiver = rt.spawn(async move {
                loop {
                    match perhaps(&mut own, rx.recv()).await {
                        Some(None) => return,
                        Some(Some(message)) => {
                            drop(message);
                            counts.fetch_add(1, Ordering::SeqCst);
                        }
                        None => {}
                    }
                }
            });
            for sender in senders {
                rt.block_on(sender).unwrap();
            }
            rt.block_on(receiver).unwrap();
            assert_eq!(arrived.load(Ordering::SeqCst), sent.load(Ordering::SeqCst));
            assert_eq!(drops.count(), made.load(Ordering::SeqCst));
        }
    });
}

/// Waits for it, or one time in three polls it twice at most, with a yield in between, and gives it up.
async fn perhaps<F: Future>(random: &mut Random, future: F) -> Option<F::Output> {
    let mut future = pin!(future);
    if random.below(3) > 0 {
        return Some(future.await);
    }
    for _ in 0..2 {
        let once = poll_fn(|context| Poll::Ready(future.as_mut().poll(context)));
        if let Poll::Ready(output) = once.await {
            return Some(output);
        }
        yield_now().await;
    }
    None
}

#[test]
fn many_receivers_lose_and_leak_nothing_either() {
    bounded(|| {
        let mut random = Random::from_env();
        let rt = multi(8);
        for round in 0..many(20) {
            let (drops, sent) = (Drops::default(), Arc::new(AtomicUsize::new(0)));
            let (tx, rx) = match round % 5 {
                0 => mpmc::unbounded_channel::<Counted>(),
                capacity => mpmc::channel(capacity),
            };
            let (arrived, made) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
            let mut tasks = Vec::new();
            for _ in 0..8 {
                let (tx, drops, mut own) = (tx.clone(), drops.clone(), random.fork());
                let (sent, made) = (sent.clone(), made.clone());
                tasks.push(rt.spawn(async move {
                    for _ in 0..200 {
                        made.fetch_add(1, Ordering::SeqCst);
                        let sending = tx.send(drops.counted());
                        if let Some(Ok(())) = perhaps(&mut own, sending).await {
                            sent.fetch_add(1, Ordering::SeqCst);
                        }
                    }
                }));
                let (rx, mut own, arrived) = (rx.clone(), random.fork(), arrived.clone());
                tasks.push(rt.spawn(async move {
                    loop {
                        match perhaps(&mut own, rx.recv()).await {
                            Some(None) => return,
                            Some(Some(message)) => {
                                drop(message);
                                arrived.fetch_add(1, Ordering::SeqCst);
                            }
                            None => {}
                        }
                    }
                }));
            }
            drop((tx, rx));
            for task in tasks {
                rt.block_on(task).unwrap();
            }
            assert_eq!(arrived.load(Ordering::SeqCst), sent.load(Ordering::SeqCst));
            assert_eq!(drops.count(), made.load(Ordering::SeqCst));
        }
    });
}

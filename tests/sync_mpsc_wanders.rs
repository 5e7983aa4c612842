//! A receiver that wanders: from task to task, to threads and to other runtimes, polled with wakers of all kinds, while its
//! senders wait, give up, and give permits back. What a task that has ended left in the channel misleads nobody.

use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Wake, Waker};

use filch::sync::mpsc::{self, Receiver, Sender};
use filch::task::{spawn_blocking, yield_now};

mod common;
#[path = "common/polled.rs"]
mod polled;
use common::{Random, bounded, many, multi, single};
use polled::for_a_while;

const SENDERS: usize = 6;
const EACH: usize = 120;

/// Who sent it, and its number.
type Message = (usize, usize);

/// A waker of another executor inside a task: it passes the wake on.
struct PassesOn(Waker);

impl Wake for PassesOn {
    fn wake(self: Arc<Self>) {
        self.0.wake_by_ref();
    }
}

/// Polls the future with a new waker each time, and sometimes with none that wakes anybody first.
async fn by_others<F: Future>(future: F, random: &mut Random) -> F::Output {
    let mut future = pin!(future);
    poll_fn(|context| {
        if random.below(4) == 0 {
            let noop = &mut Context::from_waker(Waker::noop());
            if let Poll::Ready(value) = future.as_mut().poll(noop) {
                return Poll::Ready(value);
            }
        }
        let waker = Waker::from(Arc::new(PassesOn(context.waker().clone())));
        future.as_mut().poll(&mut Context::from_waker(&waker))
    })
    .await
}

struct Wanderer {
    rx: Receiver<Message>,
    random: Random,
    next: [usize; SENDERS],
    got: usize,
    ended: bool,
}

impl Wanderer {
    fn takes(&mut self, message: Option<Message>) {
        match message {
            Some((from, number)) => {
                assert!(number >= self.next[from], "out of order: {number}");
                self.next[from] = number + 1;
                self.got += 1;
            }
            None => self.ended = true,
        }
    }

    /// Receives a few messages as a task does.
    async fn stays(mut self) -> Wanderer {
        for _ in 0..1 + self.random.below(6) {
            match self.random.below(7) {
                0..3 => {
                    let message = self.rx.recv().await;
                    self.takes(message);
                }
                3 => {
                    let mut buffer = Vec::new();
                    let limit = 1 + self.random.below(5);
                    if self.rx.recv_many(&mut buffer, limit).await == 0 {
                        self.takes(None);
                    }
                    buffer.into_iter().for_each(|m| self.takes(Some(m)));
                }
                4 => {
                    let message = by_others(self.rx.recv(), &mut self.random).await;
                    self.takes(message);
                }
                5 => {
                    if let Ok(message) = self.rx.try_recv() {
                        self.takes(Some(message));
                    }
                    yield_now().await;
                }
                _ => {
                    let given = for_a_while(&mut self.random, self.rx.recv()).await;
                    if let Some(message) = given {
                        self.takes(message);
                    }
                }
            }
            if self.ended {
                break;
            }
        }
        self
    }

    fn blocks(mut self) -> Wanderer {
        if self.random.below(2) == 0 {
            let message = self.rx.blocking_recv();
            self.takes(message);
            return self;
        }
        let rt = single();
        let task = rt.spawn(self.stays());
        rt.block_on(task).unwrap()
    }
}

async fn sends(tx: Sender<Message>, me: usize, mut random: Random, sent: Arc<AtomicUsize>) {
    let mut number = 0;
    while number < EACH {
        let message = (me, number);
        number += 1;
        let done: Result<usize, ()> = match random.below(6) {
            0..2 => tx.send(message).await.map(|()| 1).map_err(drop),
            2 => match for_a_while(&mut random, tx.send(message)).await {
                Some(result) => result.map(|()| 1).map_err(drop),
                None => Ok(0),
            },
            3 => {
                let wanted = random.below(tx.max_capacity() + 1);
                match for_a_while(&mut random, tx.reserve_many(wanted)).await {
                    Some(Ok(permits)) => {
                        let used = random.below(wanted + 1);
                        for (n, permit) in permits.take(used).enumerate() {
                            permit.send((me, number + n));
                        }
                        number += used;
                        Ok(used)
                    }
                    Some(Err(_)) => Err(()),
                    None => Ok(0),
                }
            }
            4 => match tx.clone().reserve_owned().await {
                Ok(permit) if random.below(3) > 0 => {
                    drop(permit.send(message));
                    Ok(1)
                }
                Ok(permit) => {
                    drop(permit);
                    Ok(0)
                }
                Err(_) => Err(()),
            },
            _ => match tx.try_send(message) {
                Ok(()) => Ok(1),
                Err(mpsc::error::TrySendError::Full(_)) => {
                    yield_now().await;
                    Ok(0)
                }
                Err(mpsc::error::TrySendError::Closed(_)) => Err(()),
            },
        };
        match done {
            Ok(some) => sent.fetch_add(some, Ordering::SeqCst),
            Err(()) => break,
        };
    }
}

#[test]
fn it_hears_of_each_message_wherever_it_is() {
    bounded(|| {
        let mut random = Random::from_env();
        let rt = multi(8);
        for _ in 0..many(60) {
            let (tx, rx) = mpsc::channel(1 + random.below(3));
            let sent = Arc::new(AtomicUsize::new(0));
            let senders: Vec<_> = (0..SENDERS)
                .map(|me| rt.spawn(sends(tx.clone(), me, random.fork(), sent.clone())))
                .collect();
            drop(tx);
            let mut wanderer = Wanderer {
                rx,
                random: random.fork(),
                next: [0; SENDERS],
                got: 0,
                ended: false,
            };
            let closes_after = (random.below(3) == 0).then(|| random.below(SENDERS * EACH));
            let received = rt.spawn(async move {
                while !wanderer.ended {
                    if closes_after.is_some_and(|n| wanderer.got >= n) {
                        wanderer.rx.close();
                    }
                    wanderer = match wanderer.random.below(12) {
                        0 => spawn_blocking(|| wanderer.blocks()).await.unwrap(),
                        1..8 => {
                            let task: Pin<Box<dyn Future<Output = Wanderer> + Send>> =
                                Box::pin(wanderer.stays());
                            filch::spawn(task).await.unwrap()
                        }
                        _ => wanderer.stays().await,
                    };
                }
                wanderer.got
            });
            for sender in senders {
                rt.block_on(sender).unwrap();
            }
            assert_eq!(rt.block_on(received).unwrap(), sent.load(Ordering::SeqCst));
        }
    });
}

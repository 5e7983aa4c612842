//! Code of others that a channel runs, and that uses the channel: wakers that poll at once, messages that send or receive
//! while they are dropped. And ends that go in between.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Wake, Waker};
use std::time::Duration;

use filch::runtime::Builder;
use filch::sync::mpsc::error::{TryRecvError, TrySendError};
use filch::sync::mpsc::{self, Sender};
use filch::time::{Instant, timeout};

/// As many wakers as a channel wakes in one batch; it lets go of its lock in between.
const BATCH: usize = 32;

type Sending = Pin<Box<dyn Future<Output = Result<(), usize>> + Send>>;

/// A send that is polled by its own waker, as an executor does that runs a task at once where it is woken.
struct AtOnce {
    sending: Mutex<Option<Sending>>,
    then: Box<dyn Fn() + Send + Sync>,
}

impl AtOnce {
    fn waiting(
        tx: &Sender<usize>,
        message: usize,
        then: impl Fn() + Send + Sync + 'static,
    ) -> Arc<AtOnce> {
        let tx = tx.clone();
        let sending = async move { tx.send(message).await.map_err(|error| error.0) };
        let at_once = Arc::new(AtOnce {
            sending: Mutex::new(Some(Box::pin(sending))),
            then: Box::new(then),
        });
        at_once.poll();
        assert!(!at_once.is_done(), "it should wait");
        at_once
    }

    fn poll(self: &Arc<Self>) {
        let waker = Waker::from(self.clone());
        let mut sending = self.sending.lock().unwrap();
        if let Some(future) = &mut *sending {
            if future
                .as_mut()
                .poll(&mut Context::from_waker(&waker))
                .is_ready()
            {
                *sending = None;
            }
        }
    }

    fn is_done(&self) -> bool {
        self.sending.lock().unwrap().is_none()
    }
}

impl Wake for AtOnce {
    fn wake(self: Arc<Self>) {
        self.poll();
        (self.then)();
    }
}

/// More than are woken in two batches.
const CROWD: usize = 2 * BATCH + 1;

/// The first of a crowd: what its wake does, it does before anybody else of the crowd is woken.
struct First(Box<dyn Fn() + Send + Sync>);

impl Wake for First {
    fn wake(self: Arc<Self>) {
        (self.0)();
    }
}

#[test]
fn a_receiver_that_wakes_senders_sees_what_they_send_meanwhile() {
    let (tx, rx) = mpsc::channel(CROWD);
    let permits = tx.try_reserve_many(CROWD).unwrap();
    let got = Arc::new(Mutex::new((Some(rx), None)));
    let receives = got.clone();
    let first = Waker::from(Arc::new(First(Box::new(move || {
        let mut rx = receives.lock().unwrap().0.take().unwrap();
        let mut builder = Builder::new_current_thread();
        let rt = builder.start_paused(true).enable_all().build().unwrap();
        let limit = Duration::from_secs(1);
        let receiver = rt.spawn(async move {
            let begun = Instant::now();
            (timeout(limit, rx.recv()).await, begun.elapsed())
        });
        receives.lock().unwrap().1 = Some(rt.block_on(receiver).unwrap());
    }))));
    let other = tx.clone();
    let mut served: Sending = Box::pin(async move { other.send(99).await.map_err(|e| e.0) });
    let poll = served.as_mut().poll(&mut Context::from_waker(&first));
    assert!(poll.is_pending());
    let senders: Vec<_> = (1..CROWD)
        .map(|n| AtOnce::waiting(&tx, 100 + n, || ()))
        .collect();
    // The first batch is served, and its first is woken: the receiver finds nothing, and serves the next batch; when it is
    // done with that, they have sent.
    drop(permits);
    assert_eq!(
        got.lock().unwrap().1,
        Some((Ok(Some(100 + BATCH)), Duration::ZERO)),
        "it waits beside {BATCH} messages"
    );
    assert!(senders.iter().all(|sender| sender.is_done()));
    drop(served);
}

#[test]
fn a_message_is_not_sent_once_the_receiver_has_seen_the_end() {
    let (tx, rx) = mpsc::channel(CROWD);
    let permits = tx.try_reserve_many(CROWD).unwrap();
    let rx = Arc::new(Mutex::new(rx));
    let crowd = Arc::new(Mutex::new(Vec::new()));
    let tried = Arc::new(Mutex::new(None));
    for n in 0..CROWD {
        let (rx, all, tried, tx2) = (rx.clone(), crowd.clone(), tried.clone(), tx.clone());
        let sender = AtOnce::waiting(&tx, 100 + n, move || match n {
            // It serves those who wait first, and one of them closes the channel.
            0 => *tried.lock().unwrap() = Some(tx2.try_send(7)),
            BATCH => {
                let mut rx = rx.lock().unwrap();
                rx.close();
                let others: Vec<Arc<AtOnce>> = std::mem::take(&mut all.lock().unwrap());
                for other in others {
                    drop(other.sending.lock().unwrap().take());
                }
                assert_eq!(rx.try_recv(), Ok(100));
                assert_eq!(rx.try_recv(), Ok(100 + BATCH));
                assert_eq!(rx.try_recv(), Err(TryRecvError::Disconnected));
            }
            _ => {}
        });
        crowd.lock().unwrap().push(sender);
    }
    drop(permits);
    assert_eq!(
        *tried.lock().unwrap(),
        Some(Err(TrySendError::Closed(7))),
        "the receiver had seen the end"
    );
    let now = rx.lock().unwrap().try_recv();
    assert_eq!(now, Err(TryRecvError::Disconnected));
}

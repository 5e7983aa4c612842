//! Code of others that a channel runs, and that uses the channel: wakers that poll at once, messages that send or receive
//! while they are dropped. And ends that go in between.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Wake, Waker};
use std::time::Duration;

use filch::runtime::Builder;
use filch::sync::mpsc::error::{TryRecvError, TrySendError};
use filch::sync::mpsc::{self, Receiver, Sender};
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

/// A channel with a sender that was served and does not come by, so many free permits that nobody has collected, and an
/// empty queue.
fn uncollected(permits: usize) -> (Sender<usize>, Receiver<usize>, Sending) {
    let (tx, mut rx) = mpsc::channel(permits + 1);
    for n in 0..=permits {
        tx.try_send(n).unwrap();
    }
    assert_eq!(rx.try_recv(), Ok(0));
    let permit = tx.try_reserve().unwrap();
    let other = tx.clone();
    let mut served: Sending =
        Box::pin(async move { other.send(99).await.map_err(|error| error.0) });
    let poll = served
        .as_mut()
        .poll(&mut Context::from_waker(Waker::noop()));
    assert!(poll.is_pending());
    drop(permit);
    (tx, rx, served)
}

#[test]
fn a_receiver_that_wakes_senders_sees_what_they_send_meanwhile() {
    let (tx, mut rx, served) = uncollected(BATCH);
    let senders: Vec<_> = (0..BATCH)
        .map(|n| AtOnce::waiting(&tx, 100 + n, || ()))
        .collect();
    for n in 1..=BATCH {
        assert_eq!(rx.try_recv(), Ok(n));
    }
    assert!(
        senders.iter().all(|sender| !sender.is_done()),
        "nobody has come by"
    );
    // It finds nothing, and serves them all; when it is done with that, they have sent.
    let mut builder = Builder::new_current_thread();
    let rt = builder.start_paused(true).enable_all().build().unwrap();
    let limit = Duration::from_secs(1);
    let receiver = rt.spawn(async move {
        let begun = Instant::now();
        (timeout(limit, rx.recv()).await, begun.elapsed())
    });
    let got = rt.block_on(receiver).unwrap();
    assert_eq!(
        got,
        (Ok(Some(100)), Duration::ZERO),
        "it waits beside {BATCH} messages"
    );
    drop(served);
}

#[test]
fn a_message_is_not_sent_once_the_receiver_has_seen_the_end() {
    let (tx, rx, served) = uncollected(BATCH + 1);
    let end = Arc::new(Mutex::new((rx, Some(served))));
    for n in 0..BATCH {
        let end = end.clone();
        AtOnce::waiting(&tx, 100 + n, move || {
            let (rx, served) = &mut *end.lock().unwrap();
            match n {
                0 => rx.close(),
                31 => {
                    drop(served.take());
                    assert_eq!(rx.try_recv(), Ok(100));
                    assert_eq!(rx.try_recv(), Err(TryRecvError::Disconnected));
                }
                _ => {}
            }
        });
    }
    for n in 1..=BATCH + 1 {
        assert_eq!(end.lock().unwrap().0.try_recv(), Ok(n));
    }
    // It serves those who wait first, and one of them closes the channel.
    assert_eq!(tx.try_send(7), Err(TrySendError::Closed(7)));
    assert_eq!(
        end.lock().unwrap().0.try_recv(),
        Err(TryRecvError::Disconnected)
    );
}

//! Models of a oneshot: both ends, every order of their steps.

use super::*;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize as Count;

use loom::future::block_on;
use loom::thread;

fn wait<T>(mut rx: Rx<T>) -> Option<T> {
    block_on(std::future::poll_fn(|cx| rx.poll(cx)));
    rx.take()
}

#[test]
fn a_value_arrives() {
    for sends in [true, false] {
        loom::model(move || {
            let (tx, rx) = pair();
            let sender = thread::spawn(move || {
                if sends {
                    assert!(tx.send(Box::new(7)).is_ok());
                }
            });
            assert_eq!(wait(rx), sends.then(|| Box::new(7)));
            sender.join().unwrap();
        });
    }
}

#[test]
fn a_value_that_is_not_wanted_comes_back() {
    loom::model(|| {
        let counted = Arc::new(());
        let (tx, mut rx) = pair();
        let value = counted.clone();
        let sender = thread::spawn(move || tx.send(value).err());
        rx.close();
        let here = rx.take();
        let back = sender.join().unwrap();
        assert!(here.is_some() != back.is_some());
        drop((here, back));
        assert_eq!(Arc::strong_count(&counted), 1);
    });
    loom::model(|| {
        let (tx, rx) = pair();
        let sender = thread::spawn(move || tx.send(Box::new(7)));
        drop(rx);
        drop(sender.join().unwrap());
    });
}

#[test]
fn the_sender_is_told_of_the_end() {
    loom::model(|| {
        let (mut tx, mut rx) = pair::<Box<u32>>();
        let heard = Arc::new(AtomicUsize::new(0));
        let says = heard.clone();
        let sender = thread::spawn(move || {
            block_on(std::future::poll_fn(|cx| tx.poll_closed(cx)));
            // Relaxed: that it is seen is the channel's doing.
            assert_eq!(heard.load(Ordering::Relaxed), 5);
            assert!(tx.is_closed());
            assert!(tx.send(Box::new(1)).is_err());
        });
        says.store(5, Ordering::Relaxed);
        rx.close();
        assert!(wait(rx).is_none());
        sender.join().unwrap();
    });
}

struct Bell(Count);

impl std::task::Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

#[test]
fn a_waker_is_changed_while_the_value_comes() {
    loom::model(|| {
        let bells = [(); 2].map(|()| Arc::new(Bell(Count::new(0))));
        let (tx, mut rx) = pair();
        let mut poll = |bell: &Arc<Bell>| {
            let waker = Waker::from(bell.clone());
            rx.poll(&mut Context::from_waker(&waker)).is_ready()
        };
        assert!(!poll(&bells[0]));
        let sender = thread::spawn(move || tx.send(Box::new(7)).unwrap());
        let ready = poll(&bells[1]) || poll(&bells[1]);
        sender.join().unwrap();
        assert!(ready || bells[1].0.load(Ordering::SeqCst) == 1);
        assert_eq!(rx.take(), Some(Box::new(7)));
        for bell in bells {
            assert_eq!(Arc::strong_count(&bell), 1);
        }
    });
}

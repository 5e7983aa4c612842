//! Every order of steps in which a waiter is handed something, or goes.

use super::*;
use loom::thread;
use std::sync::Arc;

type List = WaitList<(), u32>;

fn waker() -> Waker {
    Waker::noop().clone()
}

#[test]
fn a_hand_over_is_seen_whole() {
    loom::model(|| {
        let list = Arc::new(List::new(()));
        let mut node = Box::pin(Node::new(0));
        list.lock().push_back(node.as_mut(), waker());
        let them = list.clone();
        let giver = thread::spawn(move || {
            let taken = them.lock().take_first(|data| *data = 7);
            wake(taken);
        });
        if node.phase() == Phase::Taken {
            assert_eq!(node.as_mut().data(|data| *data), 7);
        }
        giver.join().unwrap();
        assert_eq!(node.as_mut().data(|data| *data), 7);
    });
}

#[test]
fn a_waiter_leaves_once() {
    loom::model(|| {
        let list = Arc::new(List::new(()));
        let mut first = Box::pin(Node::new(0));
        let mut second = Box::pin(Node::new(0));
        list.lock().push_back(first.as_mut(), waker());
        list.lock().push_back(second.as_mut(), waker());
        let them = list.clone();
        let giver = thread::spawn(move || them.lock().take_first(|data| *data += 1).is_some());
        let removed = list.lock().remove(first.as_mut()).is_some();
        if !removed {
            // The look that answered so has seen the taker's write.
            assert_eq!(first.as_mut().data(|data| *data), 1);
        }
        drop(first);
        assert!(giver.join().unwrap());
        assert_eq!(second.phase() == Phase::Taken, removed);
        list.lock().remove(second.as_mut());
    });
}

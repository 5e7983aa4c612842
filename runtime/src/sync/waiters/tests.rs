//! The wait list, step by step.

use super::*;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::AtomicUsize as Count;
use std::task::Wake;

type List = WaitList<(), u32>;

#[derive(Default)]
struct Bell {
    rung: Count,
    panics: bool,
}

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.rung.fetch_add(1, Ordering::Relaxed);
        assert!(!self.panics, "a bell that breaks");
    }
}

fn nodes(count: u32) -> Vec<Pin<Box<Node<u32>>>> {
    (0..count).map(|n| Box::pin(Node::new(n))).collect()
}

fn push(list: &List, node: &mut Pin<Box<Node<u32>>>) {
    list.lock().push_back(node.as_mut(), Waker::noop().clone());
}

/// The data of those who wait, taken out in order.
fn take_all(list: &List) -> Vec<u32> {
    let mut locked = list.lock();
    let mut all = Vec::new();
    while locked.take_first(|data| all.push(*data)).is_some() {}
    all
}

#[test]
fn waiters_leave_in_the_order_in_which_they_came() {
    let list = List::new(());
    let mut all = nodes(4);
    all.iter_mut().for_each(|node| push(&list, node));
    assert_eq!(list.lock().first(|data| *data), Some(0));
    assert_eq!(take_all(&list), [0, 1, 2, 3]);
    assert!(list.lock().is_empty());
    assert!(all.iter().all(|node| node.phase() == Phase::Taken));
}

#[test]
fn the_last_can_be_taken_and_one_can_come_before_the_first() {
    let list = List::new(());
    let mut all = nodes(3);
    push(&list, &mut all[0]);
    push(&list, &mut all[1]);
    list.lock()
        .push_front(all[2].as_mut(), Waker::noop().clone());
    assert!(list.lock().take_last(|data| assert_eq!(*data, 1)).is_some());
    assert_eq!(take_all(&list), [2, 0]);
}

#[test]
fn any_waiter_can_be_removed_once() {
    for gone in 0..3 {
        let list = List::new(());
        let mut all = nodes(3);
        all.iter_mut().for_each(|node| push(&list, node));
        assert!(list.lock().remove(all[gone].as_mut()).is_some());
        assert!(list.lock().remove(all[gone].as_mut()).is_none());
        assert_eq!(all[gone].phase(), Phase::Idle);
        let rest: Vec<_> = (0..3).filter(|n| *n as usize != gone).collect();
        assert_eq!(take_all(&list), rest);
        assert!(list.lock().remove(all[(gone + 1) % 3].as_mut()).is_none());
    }
}

#[test]
fn a_node_can_wait_again_with_a_later_ticket() {
    let list = List::new(());
    let mut all = nodes(2);
    all.iter_mut().for_each(|node| push(&list, node));
    let before = list.lock().next_ticket();
    assert_eq!(list.lock().first_ticket(), Some(before - 2));
    drop(list.lock().take_first(|_| ()));
    all[0].as_mut().reset();
    push(&list, &mut all[0]);
    assert_eq!(list.lock().first_ticket(), Some(before - 1));
    assert_eq!(take_all(&list), [1, 0]);
}

#[test]
fn the_statistics_count() {
    let list = List::new(());
    let mut all = nodes(3);
    all.iter_mut().for_each(|node| push(&list, node));
    drop(list.lock().remove(all[1].as_mut()));
    drop(list.lock().take_first(|_| ()));
    let now = list.statistics();
    assert_eq!((now.waiters, now.most_waiters), (1, 3));
    take_all(&list);
}

#[test]
fn a_list_lets_the_nodes_go_when_it_is_dropped() {
    let list = List::new(());
    let mut all = nodes(2);
    all.iter_mut().for_each(|node| push(&list, node));
    drop(list);
    assert!(all.iter().all(|node| node.phase() == Phase::Idle));
}

#[test]
fn misuse_panics() {
    let list = List::new(());
    let other = List::new(());
    let mut node = nodes(1).remove(0);
    push(&list, &mut node);
    let refused = |f: &mut dyn FnMut()| catch_unwind(AssertUnwindSafe(f)).is_err();
    assert!(refused(&mut || push(&list, &mut node)));
    assert!(refused(&mut || push(&other, &mut node)));
    assert!(refused(&mut || drop(other.lock().remove(node.as_mut()))));
    assert!(refused(&mut || node.as_mut().reset()));
    assert!(refused(&mut || {
        node.as_mut().data(|_| ());
    }));
    assert_eq!(take_all(&list), [0]);
}

#[test]
fn a_refreshed_waiter_wakes_its_new_task_only() {
    let list = List::new(());
    let mut node = nodes(1).remove(0);
    let bells = [Arc::new(Bell::default()), Arc::new(Bell::default())];
    list.lock()
        .push_back(node.as_mut(), Waker::from(bells[0].clone()));
    let waker = Waker::from(bells[1].clone());
    for _ in 0..2 {
        let phase = list.refresh(node.as_mut(), &Context::from_waker(&waker));
        assert_eq!(phase, Phase::Linked);
    }
    let taken = list.lock().take_first(|_| ());
    wake(taken);
    let rung = bells.each_ref().map(|b| b.rung.load(Ordering::Relaxed));
    assert_eq!(rung, [0, 1]);
    let phase = list.refresh(node.as_mut(), &Context::from_waker(&waker));
    assert_eq!(phase, Phase::Taken);
}

#[test]
fn a_waker_that_panics_keeps_no_other_from_its_wake() {
    let mut wakes = Wakes::new();
    let bells: Vec<_> = (0..BATCH)
        .map(|n| {
            Arc::new(Bell {
                panics: n % 3 == 0,
                ..Bell::default()
            })
        })
        .collect();
    for bell in &bells {
        assert!(!wakes.is_full());
        wakes.push(Waker::from(bell.clone()));
    }
    assert!(wakes.is_full());
    drop(wakes);
    for bell in bells {
        assert_eq!(bell.rung.load(Ordering::Relaxed), 1);
        assert_eq!(Arc::strong_count(&bell), 1);
    }
}

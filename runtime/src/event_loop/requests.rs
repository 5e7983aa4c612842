//! The requests to stop one task: from who asks to who hears them, one at a time.
//!
//! R1 accepted: unheard · R2 in an asker's hand, who asks what the task awaits · R3 that says yes, and it is theirs; or no, and
//! it is unheard again · E1 the body ends, and hears what nobody else has
//!
//! What the task awaits may get ready between R2 and R3, and the body end with that: so E1 counts what is in a hand as unheard.
//! That may be too much: what the task awaits said yes, heard it, went on all the same, and the task has ended before R3. Then
//! both hear it, which is better than none. Who takes care of it in between (the await is dropped, or ends cancelled and throws
//! it on; the requests are taken back) takes it out of the hand, and R3 puts nothing back. Each step is under the lock.
//! Model: `model`.

use std::ops::{Deref, DerefMut};
use std::sync::Arc;
use std::task::Waker;

use super::asking::Asking;
use super::due::Due;
use crate::sync_prim::{Mutex, MutexGuard, keep};

/// What a task awaits and can hand a request to stop to.
pub(super) trait Target: Send + Sync {
    /// False if it is done already.
    fn cancel(&self, reason: Arc<str>, asking: &mut Asking) -> bool;
}

/// The requests to stop one task.
///
/// Most steps find none, and shall not pay for a lock. A request comes before the end of the body, and the task ends
/// cancelled, or it comes after, and is refused. Whoever asks from another thread queues a step after it.
#[derive(Default)]
pub(super) struct Requests {
    due: Due,
    /// Made for the first who registers something or asks: most tasks have no need of it.
    state: Mutex<Option<Box<Cancelling>>>,
}

/// The state, locked.
pub(super) struct Locked<'a>(MutexGuard<'a, Option<Box<Cancelling>>>);

impl Deref for Locked<'_> {
    type Target = Cancelling;

    fn deref(&self) -> &Cancelling {
        self.0.as_ref().expect("it was made when it was locked")
    }
}

impl DerefMut for Locked<'_> {
    fn deref_mut(&mut self) -> &mut Cancelling {
        self.0.as_mut().expect("it was made when it was locked")
    }
}

/// Who is to hear the requests.
#[derive(Default)]
pub(super) struct Cancelling {
    /// Those that are not taken back.
    requests: usize,
    /// Asked, and not heard yet.
    unheard: Option<Arc<str>>,
    /// With askers, who have no answer yet.
    in_hand: Vec<Handed>,
    /// On its way up, from an await inside the poll under way.
    thrown: Option<Arc<str>>,
    /// What the task awaits.
    pub(super) leaf: Option<(u64, Arc<dyn Target>)>,
    /// The await whose leaf was asked in the task's place, and for which reason.
    asked: Option<(u64, Arc<str>)>,
    /// Innermost last.
    pub(super) scopes: Vec<Scope>,
    keys: u64,
}

/// A request in an asker's hand: one of its own, for others may ask on behalf of the same task meanwhile.
struct Handed {
    /// Which hand.
    hand: u64,
    /// The await that is asked.
    key: u64,
    reason: Arc<str>,
}

/// A part of the task that hears requests in its place.
pub(super) struct Scope {
    pub(super) key: u64,
    pub(super) heard: Option<Arc<str>>,
    pub(super) waker: Waker,
}

/// What became of a request that is due.
pub(super) enum Delivery {
    None,
    /// A scope hears it at its next poll; wake it, if it has another waker than the task.
    Caught(Option<Waker>),
    Uncaught(Arc<str>),
}

/// A request that was unheard.
pub(super) enum InHand {
    /// There is none.
    Nothing,
    /// The task awaits nothing that can be asked: it hears it itself.
    ForTheTask,
    /// To be handed to what an await waits for; [`Requests::answered`] must follow, with this hand.
    For(u64, Arc<dyn Target>, Arc<str>),
}

impl Requests {
    pub(super) fn lock(&self) -> Locked<'_> {
        let mut state = self.state.lock();
        state.get_or_insert_default();
        Locked(state)
    }

    /// True if there may be a request that nobody has heard.
    #[inline]
    pub(super) fn is_due(&self) -> bool {
        self.due.is_due()
    }

    /// A request that the task, or what it awaits, is to hear. False if the body has ended.
    fn ask(
        &self,
        mut state: Locked<'_>,
        reason: Arc<str>,
        kind: impl FnOnce(&mut Cancelling) -> &mut Option<Arc<str>>,
    ) -> bool {
        if !self.due.ask() {
            return false;
        }
        *kind(&mut state) = Some(reason);
        true
    }

    /// R1. One more request. False if the body has ended.
    pub(super) fn request(&self, reason: Arc<str>) -> bool {
        self.ask(self.lock(), reason, |cancelling| {
            cancelling.requests += 1;
            &mut cancelling.unheard
        })
    }

    /// One more request, which is under way already.
    pub(super) fn count(&self) {
        self.lock().requests += 1;
    }

    /// A request that was heard is to be heard again. It is counted already.
    pub(super) fn ask_again(&self, reason: Arc<str>) {
        self.ask(self.lock(), reason, |cancelling| &mut cancelling.unheard);
    }

    /// A request is thrown on, from an await inside the poll under way.
    pub(super) fn throw(&self, reason: Arc<str>) {
        self.ask(self.lock(), reason, |cancelling| &mut cancelling.thrown);
    }

    /// The request has come back by what the task awaits: it hears it itself.
    pub(super) fn came_round(&self, reason: Arc<str>) {
        self.ask(self.lock(), reason, |cancelling| {
            cancelling.asked = None;
            &mut cancelling.thrown
        });
    }

    /// R2. Takes an unheard request, to ask what the task awaits.
    pub(super) fn take_in_hand(&self) -> InHand {
        if !self.is_due() {
            return InHand::Nothing;
        }
        let mut state = self.lock();
        if state.unheard.is_none() {
            return InHand::Nothing;
        }
        let Some((key, target)) = state.leaf.clone() else {
            return InHand::ForTheTask;
        };
        let Some(reason) = state.unheard.take() else {
            return InHand::Nothing;
        };
        let hand = state.new_key();
        state.in_hand.push(Handed {
            hand,
            key,
            reason: reason.clone(),
        });
        // Before it is asked: it may be done at once, and the task polled on another thread.
        state.asked = Some((key, reason.clone()));
        InHand::For(hand, target, reason)
    }

    /// R3. Whether what was awaited has taken the request that was in this hand.
    pub(super) fn answered(&self, hand: u64, is_taken: bool) {
        let mut state = self.lock();
        let Some(at) = state.in_hand.iter().position(|of| of.hand == hand) else {
            return;
        };
        let Handed { key, reason, .. } = state.in_hand.swap_remove(at);
        if !is_taken && keep("hand_back") {
            state.take_asked(key);
            self.ask(state, reason, |cancelling| &mut cancelling.unheard);
        }
    }

    /// What this await waited for is done; if it was cancelled in the task's place, the request has come back, and is thrown on:
    /// it is in nobody's hand any more. True then.
    pub(super) fn ended(&self, key: u64, cancelled: Option<&Arc<str>>) -> bool {
        let mut state = self.lock();
        let asked = state.take_asked(key);
        let Some(reason) = cancelled.filter(|_| asked.is_some()) else {
            return false;
        };
        if keep("hand_ended") {
            state.in_hand.retain(|handed| handed.key != key);
        }
        self.ask(state, reason.clone(), |cancelling| &mut cancelling.thrown)
    }

    /// Calls `f`, in which a part that has heard a request drops what is inside it: an await in there that was asked has its answer
    /// by that, and asks no more.
    pub(super) fn with_answer(&self, f: impl FnOnce()) {
        let asked = self.lock().asked.take();
        f();
        let Some((key, reason)) = asked else { return };
        let mut state = self.lock();
        if state.leaf.as_ref().is_some_and(|(of, _)| *of == key) {
            // It is elsewhere in the task.
            state.asked.get_or_insert((key, reason));
        } else {
            state.in_hand.retain(|handed| handed.key != key);
        }
    }

    /// The task awaits this no longer. True if it must now hear a request itself that was handed on.
    pub(super) fn forget(&self, key: u64) -> bool {
        let mut state = self.lock();
        let old = state.leaf.take_if(|(of, _)| *of == key);
        let unanswered = state.take_asked(key);
        let is_unanswered = unanswered.is_some();
        match unanswered {
            Some(reason) => {
                if keep("hand_forget") {
                    state.in_hand.retain(|handed| handed.key != key);
                }
                self.ask(state, reason, |cancelling| &mut cancelling.unheard);
            }
            None => drop(state),
        }
        drop(old);
        is_unanswered
    }

    /// Gives what is due to whoever must hear it.
    pub(super) fn deliver(&self, of_task: &Waker) -> Delivery {
        let mut state = self.lock();
        let delivery = state.deliver(of_task);
        let is_in_hand = !state.in_hand.is_empty() && keep("hand_is_due");
        let is_told = state.scopes.iter().all(|scope| scope.heard.is_none());
        (self.due)
            .settle(state.unheard.is_some() || state.thrown.is_some() || is_in_hand || !is_told);
        delivery
    }

    /// E1. The body has ended, and hears no more: what it never heard.
    pub(super) fn close(&self) -> Option<Arc<str>> {
        if self.due.end_idle() {
            return None;
        }
        let mut state = self.lock();
        self.due.end();
        let unheard = state.unheard.take();
        let in_hand = state
            .in_hand
            .drain(..)
            .next_back()
            .map(|handed| handed.reason);
        let in_hand = in_hand.filter(|_| keep("hand_end"));
        // One whose part was not polled any more.
        let untold = state.scopes.iter_mut().find_map(|s| s.heard.take());
        // One is on its way up if another branch of a `select!` was ready in the same poll.
        (state.thrown.take().or(unheard)).or(in_hand).or(untold)
    }
}

impl Cancelling {
    pub(super) fn requests(&self) -> usize {
        self.requests
    }

    pub(super) fn uncancel(&mut self) -> usize {
        self.requests = self.requests.saturating_sub(1);
        if self.requests == 0 {
            self.unheard = None;
            self.in_hand.clear();
        }
        self.requests
    }

    pub(super) fn is_thrown(&self) -> bool {
        self.thrown.is_some()
    }

    fn deliver(&mut self, of_task: &Waker) -> Delivery {
        let Some(reason) = self.thrown.take().or_else(|| self.unheard.take()) else {
            return Delivery::None;
        };
        let deaf = |scope: &&mut Scope| scope.heard.is_none();
        match self.scopes.iter_mut().rev().find(deaf) {
            Some(scope) => {
                scope.heard = Some(reason);
                let other = !scope.waker.will_wake(of_task);
                // Taken, not cloned, which may be anybody's code: it is woken once, and leaves another when it looks.
                let take = || std::mem::replace(&mut scope.waker, Waker::noop().clone());
                Delivery::Caught(other.then(take))
            }
            None => Delivery::Uncaught(reason),
        }
    }

    /// The reason for which the leaf of this await was asked, if it was; that is settled then.
    fn take_asked(&mut self, key: u64) -> Option<Arc<str>> {
        self.asked
            .take_if(|(asked, _)| *asked == key)
            .map(|(_, reason)| reason)
    }

    pub(super) fn new_key(&mut self) -> u64 {
        self.keys += 1;
        self.keys
    }
}

#[cfg(all(test, not(filch_loom)))]
mod tests {
    use super::*;

    #[test]
    fn a_request_comes_before_the_end_of_the_body_or_is_refused() {
        let late = Requests::default();
        assert_eq!(late.close(), None);
        assert!(!late.request("late".into()));
        assert_eq!(late.lock().requests(), 0, "it does not count");

        let in_time = Requests::default();
        assert!(in_time.request("in time".into()));
        assert_eq!(in_time.close().as_deref(), Some("in time"));
        assert!(!in_time.request("late".into()));

        let taken_back = Requests::default();
        assert!(taken_back.request("in time".into()));
        assert_eq!(taken_back.lock().uncancel(), 0);
        assert_eq!(taken_back.close(), None);
    }

    struct Leaf;

    impl Target for Leaf {
        fn cancel(&self, _: Arc<str>, _: &mut Asking) -> bool {
            true
        }
    }

    #[test]
    fn what_an_await_was_asked_goes_with_the_part_that_hears_the_next_request() {
        let task = Requests::default();
        task.lock().leaf = Some((1, Arc::new(Leaf)));
        assert!(task.request("heard by the leaf".into()));
        match task.take_in_hand() {
            InHand::For(hand, ..) => task.answered(hand, true),
            _ => unreachable!("it awaits the leaf"),
        }
        assert!(task.request("heard by the task".into()));
        assert!(matches!(task.deliver(Waker::noop()), Delivery::Uncaught(_)));
        task.with_answer(|| assert!(!task.forget(1)));
        assert_eq!(task.close(), None);
    }
}

#[cfg(all(test, filch_loom))]
mod model {
    use super::*;
    use crate::sync_prim::{AtomicUsize, Ordering};
    use loom::thread;

    struct Leaf;

    impl Target for Leaf {
        fn cancel(&self, _: Arc<str>, _: &mut Asking) -> bool {
            false
        }
    }

    /// Asks a task that awaits `leaf`, which answers as it is told, while the task goes through `steps` and ends. These are told
    /// whether the leaf is cancelled.
    fn check(leaf_takes_it: bool, steps: fn(&Requests, bool)) {
        loom::model(move || {
            let task = Arc::new(Requests::default());
            let cancelled = Arc::new(AtomicUsize::new(0));
            task.lock().leaf = Some((1, Arc::new(Leaf)));
            let asker = {
                let (task, cancelled) = (task.clone(), cancelled.clone());
                thread::spawn(move || {
                    let is_accepted = task.request("late".into());
                    if let InHand::For(hand, ..) = task.take_in_hand() {
                        cancelled.store(usize::from(leaf_takes_it), Ordering::Release);
                        task.answered(hand, leaf_takes_it);
                    }
                    is_accepted
                })
            };
            steps(&task, cancelled.load(Ordering::Acquire) == 1);
            let mut heard = 0;
            if task.is_due() {
                if let Delivery::Uncaught(_) = task.deliver(Waker::noop()) {
                    heard += 1;
                }
            }
            heard += usize::from(task.close().is_some());
            let is_accepted = asker.join().unwrap();
            assert_eq!(heard, usize::from(is_accepted), "it is heard, and once");
        });
    }

    #[test]
    fn a_request_that_the_leaf_refuses_is_heard() {
        check(false, |_, _| ());
    }

    /// The task has gone on to another await, and asks that itself, while the asker has no answer yet.
    #[test]
    fn a_request_that_goes_to_the_next_await_is_heard_once() {
        loom::model(|| {
            let task = Arc::new(Requests::default());
            task.lock().leaf = Some((1, Arc::new(Leaf)));
            let asker = {
                let task = task.clone();
                thread::spawn(move || {
                    assert!(task.request("in time".into()));
                    if let InHand::For(hand, ..) = task.take_in_hand() {
                        task.answered(hand, false);
                    }
                })
            };
            task.forget(1);
            task.lock().leaf = Some((2, Arc::new(Leaf)));
            let mut heard = 0;
            if let InHand::For(hand, ..) = task.take_in_hand() {
                heard += 1;
                task.answered(hand, true);
            }
            asker.join().unwrap();
            heard += usize::from(task.close().is_some());
            assert!(heard == 1, "it is heard, and once");
        });
    }

    #[test]
    fn a_request_that_comes_back_is_heard_once() {
        check(true, |task, is_cancelled| {
            let reason: Arc<str> = "late".into();
            if is_cancelled {
                task.ended(1, Some(&reason));
            } else {
                task.forget(1);
            }
        });
    }

    #[test]
    fn a_request_whose_await_goes_is_heard_once() {
        check(true, |task, _| {
            task.forget(1);
        });
        check(false, |task, _| {
            task.forget(1);
        });
    }
}

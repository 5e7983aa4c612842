//! Which token hangs on which.
//!
//! All tokens of one root are one tree under one lock. A token that is cancelled leaves the tree with all below it, which
//! are cancelled in the same step; a token that is dropped hangs its children on its parent. So the tree has living
//! tokens only, and no chain of dropped ones grows. Wakers run after the lock is given back.
//! Refused: a lock for each token, taken from parent to child (tokio-util's). Hanging on takes two of them, and dropping
//! three, in an order that has to be argued.
//! Models: `tree::model::a_child_is_cancelled_whenever_it_was_made`, `tree::model::a_grandchild_hears_while_its_parent_goes`.

use std::sync::{Arc, OnceLock};

use slab::Slab;

use crate::sync::signal::Signal;
use crate::sync_prim::{Mutex, keep};

/// Cancelled or not. Raised under the lock of the tree only, in the step that takes its token out of it.
pub(super) struct Flag {
    pub(super) signal: Signal,
    /// Set before the signal is raised.
    pub(super) reason: OnceLock<Arc<str>>,
}

type Key = usize;

struct Hung {
    flag: Arc<Flag>,
    parent: Option<Key>,
    first_child: Option<Key>,
    /// Among the children of the same parent.
    before: Option<Key>,
    after: Option<Key>,
}

#[derive(Default)]
struct Tree(Slab<Hung>);

/// One token, whatever the number of its clones.
pub(super) struct Place {
    tree: Arc<Mutex<Tree>>,
    /// Where it is in the tree, unless it is cancelled.
    key: Key,
    pub(super) flag: Arc<Flag>,
}

impl Flag {
    fn new() -> Arc<Flag> {
        Arc::new(Flag {
            signal: Signal::new(false),
            reason: OnceLock::new(),
        })
    }
}

impl Tree {
    fn hang(&mut self, flag: Arc<Flag>, parent: Option<Key>) -> Key {
        let key = self.0.insert(Hung {
            flag,
            parent: None,
            first_child: None,
            before: None,
            after: None,
        });
        self.link(key, parent);
        key
    }

    /// Puts a token that hangs nowhere below `parent`.
    fn link(&mut self, key: Key, parent: Option<Key>) {
        let after = parent.and_then(|parent| self.0[parent].first_child.replace(key));
        if let Some(after) = after {
            self.0[after].before = Some(key);
        }
        let hung = &mut self.0[key];
        (hung.parent, hung.before, hung.after) = (parent, None, after);
    }

    /// Takes a token from its parent and its siblings.
    fn unlink(&mut self, key: Key) {
        let hung = &mut self.0[key];
        let (parent, before, after) = (hung.parent.take(), hung.before.take(), hung.after.take());
        match (before, parent) {
            (Some(before), _) => self.0[before].after = after,
            (None, Some(parent)) => self.0[parent].first_child = after,
            (None, None) => {}
        }
        if let Some(after) = after {
            self.0[after].before = before;
        }
    }

    /// Takes a token out, and hangs its children on its parent.
    fn remove(&mut self, key: Key) -> Arc<Flag> {
        let parent = self.0[key].parent;
        self.unlink(key);
        while let Some(child) = self.0[key].first_child {
            self.unlink(child);
            if keep("token_hang_on") {
                self.link(child, parent);
            }
        }
        self.0.remove(key).flag
    }

    /// Takes a token out with all below it.
    fn cut(&mut self, key: Key) -> Vec<Arc<Flag>> {
        self.unlink(key);
        let (mut cut, mut left) = (Vec::new(), vec![key]);
        while let Some(key) = left.pop() {
            let hung = self.0.remove(key);
            let mut next = hung.first_child;
            while let Some(child) = next {
                left.push(child);
                next = self.0[child].after;
            }
            cut.push(hung.flag);
        }
        cut
    }
}

impl Place {
    pub(super) fn root() -> Arc<Place> {
        let (tree, flag) = (Arc::<Mutex<Tree>>::default(), Flag::new());
        let key = tree.lock().hang(flag.clone(), None);
        Arc::new(Place { tree, key, flag })
    }

    /// One that hangs on this one, or is cancelled as this one is.
    pub(super) fn child(&self) -> Arc<Place> {
        let (tree, flag) = (self.tree.clone(), Flag::new());
        let mut now = tree.lock();
        let key = if keep("token_look") && self.flag.signal.is_raised() {
            if let Some(reason) = self.flag.reason.get() {
                // A flag that is new has none.
                let _ = flag.reason.set(reason.clone());
            }
            flag.signal.set(true);
            usize::MAX
        } else {
            now.hang(flag.clone(), Some(self.key))
        };
        drop(now);
        Arc::new(Place { tree, key, flag })
    }

    /// Cancels this token and all below it.
    pub(super) fn cancel(&self, reason: Option<Arc<str>>) {
        let mut tree = self.tree.lock();
        if self.flag.signal.is_raised() {
            return;
        }
        let cut = tree.cut(self.key);
        for flag in &cut {
            if let Some(reason) = &reason {
                // It is set here only, once, as a flag is cut off once.
                let _ = flag.reason.set(reason.clone());
            }
            flag.signal.set(true);
        }
        drop(tree);
        for flag in cut {
            flag.signal.wake_all();
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut tree = self.tree.lock();
        if !self.flag.signal.is_raised() {
            let flag = tree.remove(self.key);
            drop(tree);
            drop(flag);
        }
    }
}

#[cfg(all(test, filch_loom))]
mod model {
    use crate::sync::CancellationToken;
    use loom::future::block_on;
    use loom::thread;

    #[test]
    fn a_child_is_cancelled_whenever_it_was_made() {
        loom::model(|| {
            let token = CancellationToken::new();
            let parent = token.clone();
            let waiter = thread::spawn(move || {
                let child = parent.child_token();
                block_on(child.cancelled());
            });
            token.cancel();
            waiter.join().unwrap();
        });
    }

    #[test]
    fn a_grandchild_hears_while_its_parent_goes() {
        loom::model(|| {
            let token = CancellationToken::new();
            let child = token.child_token();
            let grandchild = child.child_token();
            let goes = thread::spawn(move || drop(child));
            token.cancel();
            block_on(grandchild.cancelled());
            goes.join().unwrap();
        });
    }

    #[test]
    fn a_wait_that_is_given_up_leaves_nothing() {
        loom::model(|| {
            let token = CancellationToken::new();
            let other = token.clone();
            let mut wait = Box::pin(token.cancelled());
            let mut context = std::task::Context::from_waker(std::task::Waker::noop());
            let _ = wait.as_mut().poll(&mut context);
            let cancels = thread::spawn(move || other.cancel());
            drop(wait);
            cancels.join().unwrap();
            assert!(token.is_cancelled());
        });
    }
}

//! Task-local values that follow `spawn`: a task gets copies of those that are in scope where it is spawned.
//!
//! A thread counts the scopes of inheriting keys that it is in; while there is none, a spawn costs one look at that count.
//! Else the values are copied, and travel with the task's [`Origin`](crate::origin::Origin). Whoever runs the task puts
//! them on: each is exchanged with what its key has on that thread, and back when the run ends.

use std::cell::{Cell, RefCell};

use crate::job::quietly;
use crate::sync_prim::Mutex;

/// The copy of a key's value that a task has.
pub trait Heirloom: Send {
    /// Exchanges it with what the key has on this thread. False if that cannot be had: somebody is looking at it, or the
    /// thread is ending.
    fn exchange(&mut self) -> bool;
}

/// Copies the value that a key has on this thread, if it has one.
pub type CopyValue = fn() -> Option<Box<dyn Heirloom>>;

#[derive(Clone, Copy)]
struct Key {
    /// What tells it from others.
    address: usize,
    copy: CopyValue,
}

thread_local! {
    /// How many scopes of inheriting keys this thread is in: the length of `KEYS`.
    static SCOPES: Cell<usize> = const { Cell::new(0) };
    /// Those keys, the outermost scope first.
    static KEYS: RefCell<Vec<Key>> = const { RefCell::new(Vec::new()) };
}

/// A key is in scope on this thread until this is dropped. Scopes end in the reverse order of their beginnings.
#[must_use = "ends when dropped"]
pub(crate) struct Scope(());

/// The key at this address has a value here.
pub(crate) fn enter(address: usize, copy: CopyValue) -> Scope {
    push(Key { address, copy });
    Scope(())
}

impl Drop for Scope {
    fn drop(&mut self) {
        pop();
    }
}

fn push(key: Key) {
    // A thread that is ending spawns nothing that could inherit.
    let _ = KEYS.try_with(|keys| {
        keys.borrow_mut().push(key);
        SCOPES.set(SCOPES.get() + 1);
    });
}

fn pop() {
    let _ = KEYS.try_with(|keys| {
        if keys.borrow_mut().pop().is_some() {
            SCOPES.set(SCOPES.get() - 1);
        }
    });
}

/// What a task inherits; its runner takes it out and puts it back.
pub(crate) struct Inheritance(Mutex<Option<Values>>);

type Values = Vec<(Key, Box<dyn Heirloom>)>;

impl std::fmt::Debug for Inheritance {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Inheritance")
    }
}

/// Copies of all that is in scope on this thread, for a task that is spawned here.
#[inline]
pub(crate) fn bequeath() -> Option<Inheritance> {
    if SCOPES.get() == 0 {
        return None;
    }
    copy_all()
}

#[cold]
fn copy_all() -> Option<Inheritance> {
    // A copy is anybody's code, and may come back here.
    let keys = KEYS.try_with(|keys| keys.borrow().clone()).ok()?;
    let mut all = Values::new();
    for key in keys {
        if all.iter().all(|(known, _)| known.address != key.address) {
            all.extend((key.copy)().map(|copy| (key, copy)));
        }
    }
    (!all.is_empty()).then(|| Inheritance(Mutex::new(Some(all))))
}

/// What a run of a task wears of its inheritance: taken off when this is dropped. Most tasks have none.
#[must_use = "taken off when dropped"]
pub(crate) struct Worn(Option<Box<Clothes>>);

/// Copies that are put on, with whether they could be; none if somebody else wears them.
struct Clothes(Option<Vec<Cloth>>);

type Cloth = (Key, Box<dyn Heirloom>, bool);

/// Calls `f` with an inheritance on, if there is any.
///
/// # Panics
/// If some of it could not be put on; with `f`.
#[inline]
pub(crate) fn wearing<R>(inheritance: Option<&Inheritance>, f: impl FnOnce() -> R) -> R {
    match inheritance {
        Some(inheritance) => wearing_some(inheritance, f),
        None => f(),
    }
}

#[cold]
fn wearing_some<R>(inheritance: &Inheritance, f: impl FnOnce() -> R) -> R {
    /// Gives it back, also if `f` panics.
    struct Kept<'a>(Box<Clothes>, &'a Inheritance);

    impl Drop for Kept<'_> {
        fn drop(&mut self) {
            self.0.keep(Some(self.1));
        }
    }

    let kept = Kept(Clothes::put_on(inheritance), inheritance);
    kept.0.check();
    f()
}

impl Worn {
    /// Puts it on, if there is any.
    #[inline]
    pub(crate) fn of(inheritance: Option<&Inheritance>) -> Worn {
        Worn(inheritance.map(Clothes::put_on))
    }

    /// # Panics
    /// If some of it could not be put on.
    #[inline]
    pub(crate) fn check(&self) {
        if let Some(clothes) = &self.0 {
            clothes.check();
        }
    }

    /// Takes it off, and gives it back for the task's next run.
    #[inline]
    pub(crate) fn keep<'a>(self, inheritance: impl FnOnce() -> Option<&'a Inheritance>) {
        if let Some(mut clothes) = self.0 {
            clothes.keep(inheritance());
        }
    }
}

impl Clothes {
    #[cold]
    fn put_on(inheritance: &Inheritance) -> Box<Clothes> {
        let all = inheritance.0.lock().take();
        let put_on = |(key, mut copy): (Key, Box<dyn Heirloom>)| {
            let fits = copy.exchange();
            push(key);
            (key, copy, fits)
        };
        let all = all.map(|all| all.into_iter().map(put_on).collect());
        Box::new(Clothes(all))
    }

    #[cold]
    fn check(&self) {
        let Some(all) = &self.0 else {
            panic!("cannot enter context: it is entered already");
        };
        assert!(
            all.iter().all(|(_, _, fits)| *fits),
            "cannot run a task that inherits a task-local value while that value's storage is borrowed"
        );
    }

    #[cold]
    fn keep(&mut self, inheritance: Option<&Inheritance>) {
        if let (Some(inheritance), Some(all)) = (inheritance, self.take_off()) {
            *inheritance.0.lock() = Some(all);
        }
    }

    fn take_off(&mut self) -> Option<Values> {
        let take_off = |(key, mut copy, fits): Cloth| {
            pop();
            if fits {
                copy.exchange();
            }
            (key, copy)
        };
        Some(self.0.take()?.into_iter().map(take_off).collect())
    }
}

impl Drop for Clothes {
    /// The task is done.
    #[cold]
    fn drop(&mut self) {
        for (_, copy) in self.take_off().into_iter().flatten() {
            quietly(|| drop(copy));
        }
    }
}

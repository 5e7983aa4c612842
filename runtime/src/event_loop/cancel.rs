//! How a task of a loop is asked to stop, and who hears it.
//!
//! A request goes to what the task awaits, if that can be asked ([`Leaf`](super::awaitable::Leaf) registers it), and on from
//! there ([`Asking`]); what that makes of it decides. Else it is thrown into the task: the innermost [`catch_cancel`] hears it,
//! or the task ends. A request that comes while the task runs waits until the task waits; so does one whose answer the task does
//! not await any more. A thing that was asked and is cancelled throws on into the task that awaits it. All of this is under one
//! lock for each task ([`Requests`](super::requests::Requests)), and nobody's code runs under it.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use pin_project_lite::pin_project;

use super::asking::Asking;
use super::requests::{InHand, Scope, Target};
use super::task::{self, AnyTask};

/// Asks a task to stop. False if it is done.
pub(super) fn request(task: &Arc<dyn AnyTask>, reason: Arc<str>) -> bool {
    let mut asking = Asking::default();
    let is_asked = asking.ask(task, reason);
    asking.go_on();
    is_asked
}

/// Hands an unheard request to what the task awaits. True if the task must hear it itself.
pub(super) fn hand_on(task: &dyn AnyTask) -> bool {
    if !task.cancelling().is_due() {
        return false;
    }
    let mut asking = Asking::default();
    let hears = asking.hand_on(task);
    asking.go_on();
    hears
}

/// As [`hand_on`], but the tasks among what is asked have yet to hand on themselves.
pub(super) fn hand_to_target(task: &dyn AnyTask, asking: &mut Asking) -> bool {
    let requests = task.cancelling();
    match requests.take_in_hand() {
        InHand::Nothing => false,
        InHand::ForTheTask => true,
        InHand::For(hand, target, reason) => {
            let is_asked = target.cancel(reason, asking);
            requests.answered(hand, is_asked);
            !is_asked
        }
    }
}

/// The place of one await in its task.
pub(super) struct Registered {
    task: Arc<dyn AnyTask>,
    key: u64,
}

impl Registered {
    /// The current task awaits `target`. `before` is the answer of the last call, if there was one.
    pub(super) fn renew(
        before: Option<Registered>,
        target: impl FnOnce() -> Arc<dyn Target>,
    ) -> Option<Registered> {
        let task = task::current()?;
        let before = before.filter(|before| Arc::ptr_eq(&before.task, &task));
        if let Some(place) = &before {
            let is_there = |(key, _): &(u64, _)| *key == place.key;
            if task.cancelling().lock().leaf.as_ref().is_some_and(is_there) {
                return before;
            }
        }
        let target = target();
        let mut cancelling = task.cancelling().lock();
        // One that another await of the task has pushed aside stays the same: it may be the one that was asked.
        let place = before.unwrap_or_else(|| {
            let (task, key) = (task.clone(), cancelling.new_key());
            Registered { task, key }
        });
        let old = cancelling.leaf.replace((place.key, target));
        drop(cancelling);
        drop(old);
        Some(place)
    }

    /// What was awaited is done; if it was cancelled in the task's place, this throws on. True then.
    pub(super) fn ends(self, cancelled: Option<&Arc<str>>) -> bool {
        // Else it is another task that goes on with this await: the one that was asked hears it when this is dropped.
        task::is_current(&*self.task) && self.task.cancelling().ended(self.key, cancelled)
    }
}

impl Drop for Registered {
    fn drop(&mut self) {
        // The task goes on without an answer, by another branch of a `select!` for one: then it must hear it itself.
        if self.task.cancelling().forget(self.key) && !task::is_current(&*self.task) {
            self.task.clone().queue_step();
        }
    }
}

/// A request to stop that has reached [`catch_cancel`]: `asyncio.CancelledError`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cancelled {
    reason: Arc<str>,
}

impl Cancelled {
    /// What [`TaskRef::cancel`](super::TaskRef::cancel) was given.
    pub fn reason(&self) -> &str {
        &self.reason
    }

    /// Passes it on to the next [`catch_cancel`] around, or ends the task: `raise` in an `except` clause. It never returns.
    ///
    /// # Examples
    /// ```
    /// # use filch::asyncio::{catch_cancel, sleep};
    /// async fn nap() -> &'static str {
    ///     match catch_cancel(sleep(std::time::Duration::from_secs(60))).await {
    ///         Ok(()) => "slept",
    ///         Err(cancelled) => cancelled.raise().await, // no `;`
    ///     }
    /// }
    /// ```
    ///
    /// # Panics
    /// When it is polled outside a task of a loop.
    ///
    /// # Cancel safety
    /// Dropping it before its first poll swallows the request.
    pub async fn raise<T>(self) -> T {
        let mut itself = Some(self);
        std::future::poll_fn(move |_| {
            if let Some(cancelled) = itself.take() {
                cancelled.throw_on();
            }
            Poll::Pending
        })
        .await
    }

    /// As [`raise`](Self::raise), inside the poll under way, which pends then.
    pub(super) fn throw_on(self) {
        let task = task::current().expect("a cancellation is raised inside a task of a loop");
        task.cancelling().throw(self.reason);
    }
}

pin_project! {
    /// Hears requests to stop in place of its task: [`catch_cancel`].
    #[must_use = "futures do nothing unless you `.await` or poll them"]
    pub struct CatchCancel<F> {
        #[pin]
        inner: Option<F>,
        scope: Option<ScopeGuard>,
    }
}

/// Runs a future, and gives the task the word if it is asked to stop meanwhile: the future is dropped then.
///
/// The task goes on after it; whoever has only tidied up [`raise`](Cancelled::raise)s the request again. Outside a task of a
/// loop nobody can ask, and it is as if it was not there.
///
/// # Errors
/// [`Cancelled`]: the task was asked to stop before the future was ready.
///
/// # Source
/// `try: ... except asyncio.CancelledError: ...`, which is how a Python task hears of it.
///
/// # Examples
/// ```
/// use filch::asyncio::catch_cancel;
///
/// let event_loop = filch::EventLoop::new();
/// let task = event_loop.create_task(async {
///     let heard = catch_cancel(std::future::pending::<()>()).await.unwrap_err();
///     heard.reason().to_owned()
/// });
/// let other = task.clone();
/// event_loop.call_soon(move || { other.cancel("tea is ready"); });
/// assert_eq!(event_loop.run_until_complete(task).unwrap(), "tea is ready");
/// ```
pub fn catch_cancel<F: IntoFuture>(future: F) -> CatchCancel<F::IntoFuture> {
    CatchCancel {
        inner: Some(future.into_future()),
        scope: None,
    }
}

/// Hears requests to stop the current task of a loop, as [`catch_cancel`] does, for what must end before the task does.
pub(crate) struct Listener(ScopeGuard);

impl Listener {
    /// None outside a task of a loop.
    pub(crate) fn new(waker: &Waker) -> Option<Listener> {
        ScopeGuard::new(waker).map(Listener)
    }

    /// The request, if one has come; else the waker is woken when one comes.
    pub(crate) fn hear(&self, waker: &Waker) -> Option<Arc<str>> {
        self.0.hear(waker)
    }

    /// Throws a request that was heard on: whoever does pends, and is not polled again.
    pub(crate) fn raise(self, reason: Arc<str>) {
        let task = self.0.task.clone();
        drop(self);
        task.cancelling().throw(reason);
    }

    /// Has a request that was heard come again, when the task waits next. It is counted already.
    pub(crate) fn ask_again(self, reason: Arc<str>) {
        let task = self.0.task.clone();
        drop(self);
        task.cancelling().ask_again(reason);
    }
}

struct ScopeGuard {
    task: Arc<dyn AnyTask>,
    key: u64,
}

impl ScopeGuard {
    fn new(waker: &Waker) -> Option<ScopeGuard> {
        let task = task::current()?;
        let waker = waker.clone();
        let key = {
            let mut cancelling = task.cancelling().lock();
            let key = cancelling.new_key();
            cancelling.scopes.push(Scope {
                key,
                heard: None,
                waker,
            });
            key
        };
        Some(ScopeGuard { task, key })
    }

    /// The request, if one has come; else `waker` is woken when one comes.
    fn hear(&self, waker: &Waker) -> Option<Arc<str>> {
        let mut own = None;
        loop {
            let mut cancelling = self.task.cancelling().lock();
            let scope = cancelling.scopes.iter_mut().find(|s| s.key == self.key)?;
            if let Some(reason) = scope.heard.take() {
                return Some(reason);
            }
            if scope.waker.will_wake(waker) {
                return None;
            }
            if let Some(own) = own.take() {
                let old = std::mem::replace(&mut scope.waker, own);
                drop(cancelling);
                drop(old);
                return None;
            }
            drop(cancelling);
            // Not under the lock: a clone may be anybody's code, as a drop is. Then look again.
            own = Some(waker.clone());
        }
    }
}

impl Drop for ScopeGuard {
    fn drop(&mut self) {
        let mut cancelling = self.task.cancelling().lock();
        if let Some(at) = cancelling.scopes.iter().position(|s| s.key == self.key) {
            let mut old = cancelling.scopes.remove(at);
            drop(cancelling);
            // Heard by nobody: it is passed on outwards.
            if let Some(reason) = old.heard.take() {
                self.task.cancelling().throw(reason);
            }
            drop(old);
        }
    }
}

impl<F> CatchCancel<F> {
    /// The request that it has heard, and told nobody yet: for who drops it. The task does not hear of it then.
    pub(super) fn untold(self: Pin<&mut Self>) -> Option<Untold> {
        let scope = self.project().scope.take()?;
        let mut cancelling = scope.task.cancelling().lock();
        let own = cancelling.scopes.iter_mut().find(|s| s.key == scope.key);
        let reason = own.and_then(|own| own.heard.take());
        drop(cancelling);
        let task = scope.task.clone();
        reason.map(|reason| Untold { task, reason })
    }
}

/// A request that the part which heard it will not tell.
pub(super) struct Untold {
    task: Arc<dyn AnyTask>,
    reason: Arc<str>,
}

impl Untold {
    /// Passes it on outwards.
    pub(super) fn throw_on(self) {
        self.task.cancelling().throw(self.reason);
    }
}

impl<F: Future> Future for CatchCancel<F> {
    type Output = Result<F::Output, Cancelled>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        match &this.scope {
            None => *this.scope = ScopeGuard::new(context.waker()),
            Some(scope) => {
                if let Some(reason) = scope.hear(context.waker()) {
                    let task = scope.task.clone();
                    *this.scope = None;
                    task.cancelling().with_answer(|| this.inner.set(None));
                    return Poll::Ready(Err(Cancelled { reason }));
                }
            }
        }
        let inner = this.inner.as_mut().as_pin_mut();
        let polled = inner.expect("polled after it was ready").poll(context);
        if polled.is_ready() {
            *this.scope = None;
        }
        polled.map(Ok)
    }
}

//! How a task of a loop is asked to stop, and who hears it.
//!
//! A request goes to what the task awaits, if that can be asked ([`Leaf`](super::awaitable::Leaf) registers it), and on from
//! there ([`Asking`]); what that makes of it decides. Else it is thrown into the task: the innermost [`catch_cancel`] hears it, or the task ends.
//! A request that comes while the task runs waits until the task waits; so does one whose answer the task does not await any more. A thing that was asked and is cancelled throws
//! on into the task that awaits it. All of this is under one lock for each task, and nobody's code runs under it.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use parking_lot::{MappedMutexGuard, Mutex, MutexGuard};
use pin_project_lite::pin_project;

use super::asking::Asking;
use super::due::Due;
use super::task::{self, AnyTask};

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

impl Requests {
    pub(super) fn lock(&self) -> MappedMutexGuard<'_, Cancelling> {
        MutexGuard::map(self.state.lock(), |state| {
            &mut **state.get_or_insert_default()
        })
    }

    /// True if there may be a request that nobody has heard.
    #[inline]
    pub(super) fn is_due(&self) -> bool {
        self.due.is_due()
    }

    /// A request that the task, or what it awaits, is to hear. False if the body has ended.
    fn ask(
        &self,
        reason: Arc<str>,
        kind: impl FnOnce(&mut Cancelling) -> &mut Option<Arc<str>>,
    ) -> bool {
        let mut state = self.lock();
        if !self.due.ask() {
            return false;
        }
        let old = kind(&mut state).replace(reason);
        drop(state);
        drop(old);
        true
    }

    /// One more request. False if the body has ended.
    pub(super) fn request(&self, reason: Arc<str>) -> bool {
        self.ask(reason, |cancelling| {
            cancelling.requests += 1;
            &mut cancelling.unheard
        })
    }

    /// One more request, which is under way already.
    pub(super) fn count(&self) {
        self.lock().requests += 1;
    }

    /// The request has come back by what the task awaits: it hears it itself.
    pub(super) fn came_round(&self, reason: Arc<str>) {
        self.ask(reason, |cancelling| {
            cancelling.asked = None;
            &mut cancelling.thrown
        });
    }

    /// Gives what is due to whoever must hear it.
    pub(super) fn deliver(&self, of_task: &Waker) -> Delivery {
        let mut state = self.lock();
        let delivery = state.deliver(of_task);
        self.settle(&state);
        delivery
    }

    fn settle(&self, state: &Cancelling) {
        self.due
            .settle(state.unheard.is_some() || state.thrown.is_some());
    }

    /// The body has ended, and hears no more: what it never heard.
    pub(super) fn close(&self) -> Option<Arc<str>> {
        if self.due.end_idle() {
            return None;
        }
        let mut state = self.lock();
        self.due.end();
        let unheard = state.unheard.take();
        // One is on its way up if another branch of a `select!` was ready in the same poll.
        state.thrown.take().or(unheard)
    }
}

/// Who is to hear the requests.
#[derive(Default)]
pub(super) struct Cancelling {
    /// Those that are not taken back.
    requests: usize,
    /// Asked, and not heard yet.
    unheard: Option<Arc<str>>,
    /// On its way up, from an await inside the poll under way.
    thrown: Option<Arc<str>>,
    /// What the task awaits.
    leaf: Option<(u64, Arc<dyn Target>)>,
    /// The await whose leaf was asked in the task's place, and for which reason.
    asked: Option<(u64, Arc<str>)>,
    /// Innermost last.
    scopes: Vec<Scope>,
    keys: u64,
}

struct Scope {
    key: u64,
    heard: Option<Arc<str>>,
    waker: Waker,
}

/// What became of a request that is due.
pub(super) enum Delivery {
    None,
    /// A scope hears it at its next poll; wake it, if it has another waker than the task.
    Caught(Option<Waker>),
    Uncaught(Arc<str>),
}

impl Cancelling {
    pub(super) fn requests(&self) -> usize {
        self.requests
    }

    pub(super) fn uncancel(&mut self) -> usize {
        self.requests = self.requests.saturating_sub(1);
        if self.requests == 0 {
            self.unheard = None;
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
                Delivery::Caught(other.then(|| scope.waker.clone()))
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

    fn new_key(&mut self) -> u64 {
        self.keys += 1;
        self.keys
    }
}

/// Throws a request on, from an await inside the poll under way.
fn throw(task: &dyn AnyTask, reason: Arc<str>) {
    task.cancelling()
        .ask(reason, |cancelling| &mut cancelling.thrown);
}

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
    if !task.cancelling().is_due() {
        return false;
    }
    let mut cancelling = task.cancelling().lock();
    if cancelling.unheard.is_none() {
        return false;
    }
    let Some((key, target)) = cancelling.leaf.clone() else {
        return true;
    };
    let Some(reason) = cancelling.unheard.take() else {
        return false;
    };
    // Before it is asked: it may be done at once, and the task polled on another thread.
    cancelling.asked = Some((key, reason.clone()));
    drop(cancelling);
    if target.cancel(reason.clone(), asking) {
        return false;
    }
    task.cancelling().ask(reason, |cancelling| {
        cancelling.take_asked(key);
        &mut cancelling.unheard
    });
    true
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
        let asked = self.task.cancelling().lock().take_asked(self.key);
        let Some(reason) = cancelled.filter(|_| asked.is_some()) else {
            return false;
        };
        throw(&*self.task, reason.clone());
        true
    }
}

impl Drop for Registered {
    fn drop(&mut self) {
        let mut cancelling = self.task.cancelling().lock();
        let unanswered = cancelling.take_asked(self.key);
        let old = cancelling.leaf.take_if(|(key, _)| *key == self.key);
        drop(cancelling);
        drop(old);
        // The task goes on without an answer, by another branch of a `select!` for one: then it must hear it itself.
        if let Some(reason) = unanswered {
            self.task
                .cancelling()
                .ask(reason, |cancelling| &mut cancelling.unheard);
            if !task::is_current(&*self.task) {
                self.task.clone().queue_step();
            }
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
        throw(&*task, self.reason);
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
        throw(&*task, reason);
    }

    /// Has a request that was heard come again, when the task waits next. It is counted already.
    pub(crate) fn ask_again(self, reason: Arc<str>) {
        let task = self.0.task.clone();
        drop(self);
        task.cancelling()
            .ask(reason, |cancelling| &mut cancelling.unheard);
    }
}

struct ScopeGuard {
    task: Arc<dyn AnyTask>,
    key: u64,
}

impl ScopeGuard {
    fn new(waker: &Waker) -> Option<ScopeGuard> {
        let task = task::current()?;
        let key = {
            let mut cancelling = task.cancelling().lock();
            let key = cancelling.new_key();
            cancelling.scopes.push(Scope {
                key,
                heard: None,
                waker: waker.clone(),
            });
            key
        };
        Some(ScopeGuard { task, key })
    }

    /// The request, if one has come; else `waker` is woken when one comes.
    fn hear(&self, waker: &Waker) -> Option<Arc<str>> {
        let mut cancelling = self.task.cancelling().lock();
        let scope = cancelling.scopes.iter_mut().find(|s| s.key == self.key)?;
        if scope.heard.is_none() && !scope.waker.will_wake(waker) {
            let old = std::mem::replace(&mut scope.waker, waker.clone());
            drop(cancelling);
            drop(old);
            return None;
        }
        scope.heard.take()
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
                throw(&*self.task, reason);
            }
            drop(old);
        }
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
                    *this.scope = None;
                    this.inner.set(None);
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

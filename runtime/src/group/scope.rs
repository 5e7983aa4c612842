//! The life of a group: its block, then its children, then what became of them.

use std::cell::Cell;
use std::fmt;
use std::future::Future;
use std::panic::{AssertUnwindSafe, Location, catch_unwind};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use pin_project_lite::pin_project;

use super::outcome::{Failure, GroupError, Kind};
use super::shared::{By, Inside, Shared};
use super::{Ended, TaskGroup};
use crate::cancel::{Around, Cancelled, Guard, Run, Stopped, cancel_reason, cancelled};
use crate::cancellation::Cancellation;
use crate::event_loop::Listener;
use crate::job::quietly;
use crate::origin::Id;
use crate::task::current;
use std::sync::Arc;

/// While it lives the group is open. Dropped early, it aborts the children, and has the group around wait for them.
struct Open {
    group: Arc<Shared>,
    around: Option<Arc<Shared>>,
    opened_at: &'static Location<'static>,
    /// The body is a member until it is done.
    body_is_in: Cell<bool>,
    is_over: Cell<bool>,
}

impl Open {
    fn body_leaves(&self) {
        if self.body_is_in.replace(false) {
            self.group.leave(None);
        }
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        if self.is_over.get() {
            return;
        }
        // Back in, so that the group cannot end before it has its heir.
        let is_in = self.body_is_in.get() || self.group.count.enter();
        if is_in {
            self.body_is_in.set(true);
            let reason = "the future of the group's scope was dropped";
            let why = current::asks(reason.into(), self.opened_at);
            self.group.give_up(why, self.around.as_ref());
            self.body_leaves();
        }
    }
}

pin_project! {
    /// The block of a group. A panic in it comes out as a value; one of its drop, when the group stops, is kept as a
    /// failure.
    struct Body<F, B, E>
    where
        E: Send,
        E: 'static,
    {
        start: Option<(F, TaskGroup<E>)>,
        #[pin]
        block: Option<B>,
        // None while the block is polled.
        group: Option<Arc<Shared>>,
        opened_at: &'static Location<'static>,
    }

    impl<F, B, E> PinnedDrop for Body<F, B, E>
    where
        E: Send,
        E: 'static,
    {
        fn drop(this: Pin<&mut Self>) {
            let mut this = this.project();
            let dropped = catch_unwind(AssertUnwindSafe(|| {
                this.block.set(None);
                *this.start = None;
            }));
            if let (Err(panic), Some(group)) = (dropped, this.group) {
                fail_body(group, this.opened_at, Kind::<E>::panic(panic));
            }
        }
    }
}

impl<F, B, T, E> Future for Body<F, B, E>
where
    F: FnOnce(TaskGroup<E>) -> B,
    B: Future<Output = Result<T, E>>,
    E: Send + 'static,
{
    type Output = Result<T, Kind<E>>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        let inside = Inside::begin(this.group);
        let polled = catch_unwind(AssertUnwindSafe(|| {
            if let Some((start, group)) = this.start.take() {
                this.block.set(Some(start(group)));
            }
            let block = this.block.as_mut().as_pin_mut();
            block.expect("not polled after it is ready").poll(context)
        }));
        let outcome = match polled {
            Ok(Poll::Pending) => return Poll::Pending,
            Ok(Poll::Ready(outcome)) => outcome.map_err(Kind::Error),
            Err(panic) => Err(Kind::panic(panic)),
        };
        let dropped = catch_unwind(AssertUnwindSafe(|| this.block.set(None)));
        drop(inside);
        Poll::Ready(match dropped {
            Ok(()) => outcome,
            Err(panic) => {
                match (outcome, this.group) {
                    (Err(kind), Some(group)) => fail_body(group, this.opened_at, kind),
                    (outcome, _) => drop(quietly(|| drop(outcome))),
                }
                Err(Kind::panic(panic))
            }
        })
    }
}

pin_project! {
    /// A group, from its opening to the end of its last child: [`TaskGroup::scope`].
    #[must_use = "futures do nothing unless you `.await` or poll them"]
    pub struct GroupScope<F, B, T, E>
    where
        E: Send,
        E: 'static,
    {
        // None from the first poll on.
        start: Option<(F, TaskGroup<E>)>,
        opened_at: &'static Location<'static>,
        // One of the three at a time: the block runs; it is done, and the children may still be stopped; they are stopped.
        #[pin]
        body: Option<Run<Body<F, B, E>>>,
        #[pin]
        closing: Option<Run<Ended>>,
        stopping: Option<Ended>,
        value: Option<T>,
        told: Told,
        listening: Listening,
        // What is above goes first.
        open: Option<Open>,
        guard: Option<Guard>,
    }
}

/// A group with this block.
pub(super) fn scope<F, B, T, E: Send + 'static>(
    group: TaskGroup<E>,
    block: F,
    opened_at: &'static Location<'static>,
) -> GroupScope<F, B, T, E> {
    GroupScope {
        start: Some((block, group)),
        opened_at,
        body: None,
        closing: None,
        stopping: None,
        value: None,
        told: Told(None),
        listening: Listening::default(),
        open: None,
        guard: None,
    }
}

impl<F, B, T, E> Future for GroupScope<F, B, T, E>
where
    F: FnOnce(TaskGroup<E>) -> B,
    B: Future<Output = Result<T, E>>,
    E: Send + 'static,
{
    type Output = Result<T, GroupError<E>>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        let opened_at = *this.opened_at;
        if this.listening.has_raised {
            return Poll::Pending;
        }
        if let Some((block, group)) = this.start.take() {
            let shared = group.shared.clone();
            // A shield in between keeps the group from what happens to its task.
            if !Around::current().shielded {
                this.told.0 = Some(cancelled());
                this.listening.listener = Listener::new(context.waker());
            }
            // What is around shall not be dropped under the children: it waits until the group has stopped.
            *this.guard = Some(Guard::begin());
            *this.open = Some(Open {
                group: shared.clone(),
                around: Shared::current(),
                opened_at,
                body_is_in: Cell::new(true),
                is_over: Cell::new(false),
            });
            this.body.set(Some(shared.scope.run(Body {
                start: Some((block, group)),
                block: None,
                group: Some(shared.clone()),
                opened_at,
            })));
        }
        let open = this
            .open
            .as_ref()
            .expect("`GroupScope` polled after it was ready");
        let group = &*open.group;
        this.told.stop_if_told(group, context);
        this.listening.stop_if_asked(group, opened_at, context);
        if let Some(body) = this.body.as_mut().as_pin_mut() {
            match ready!(body.poll(context)) {
                Ok(Ok(value)) => *this.value = Some(value),
                Ok(Err(kind)) => fail_body(group, opened_at, kind),
                Err(stopped) => stop(group, &stopped, opened_at),
            }
            this.body.set(None);
            open.body_leaves();
            let ended = Ended::new(open.group.clone());
            this.closing.set(Some(group.scope.run(ended)));
        }
        if let Some(closing) = this.closing.as_mut().as_pin_mut() {
            if let Err(stopped) = ready!(closing.poll(context)) {
                stop(group, &stopped, opened_at);
                *this.stopping = Some(Ended::new(open.group.clone()));
            }
            this.closing.set(None);
        }
        if let Some(stopping) = this.stopping {
            ready!(Pin::new(stopping).poll(context));
        }
        *this.stopping = None;
        let outcome = outcome(group, this.value.take());
        open.is_over.set(true);
        *this.open = None;
        this.told.0 = None;
        *this.guard = None;
        this.listening.end(outcome)
    }
}

impl<F, B, T, E: Send + 'static> fmt::Debug for GroupScope<F, B, T, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GroupScope")
            .field("opened_at", &self.opened_at)
            .finish()
    }
}

/// The block failed.
fn fail_body<E: Send + 'static>(
    group: &Shared,
    opened_at: &'static Location<'static>,
    kind: Kind<E>,
) {
    let task = current::task();
    let how = if matches!(kind, Kind::Error(_)) {
        "failed"
    } else {
        "panicked"
    };
    let why = Cancellation::new(
        format!("the block of the group {how}").into(),
        task.as_ref().map(|task| task.origin()),
        opened_at,
    );
    let failure = Failure::of_body(Id::current(), opened_at, kind);
    group.fail(Box::new(failure), why);
}

/// The group's scope has stopped the block: then the children stop, too.
fn stop(group: &Shared, stopped: &Stopped, opened_at: &'static Location<'static>) {
    let by = match stopped.is_elapsed() {
        true => By::Deadline,
        false => By::Outside,
    };
    let why = match stopped.cancellation() {
        Some(why) => why.clone(),
        None => current::asks("the deadline has elapsed".into(), opened_at),
    };
    group.stop(why, by);
}

/// Watches for the task to be cancelled. None: there is a shield in between.
struct Told(Option<Cancelled>);

impl Told {
    fn stop_if_told(&mut self, group: &Shared, context: &mut Context<'_>) {
        let Some(told) = &mut self.0 else { return };
        if Pin::new(told).poll(context).is_ready() {
            self.0 = None;
            let nobody = || current::asks("its task is aborted".into(), Location::caller());
            group.stop(cancel_reason().unwrap_or_else(nobody), By::Outside);
        }
    }
}

/// Listens for a task of a loop to be asked to stop, which is asyncio's way.
#[derive(Default)]
struct Listening {
    /// None elsewhere.
    listener: Option<Listener>,
    heard: Option<Arc<str>>,
    has_raised: bool,
}

impl Listening {
    fn stop_if_asked(
        &mut self,
        group: &Shared,
        at: &'static Location<'static>,
        context: &Context<'_>,
    ) {
        let Some(listener) = &self.listener else {
            return;
        };
        if let Some(reason) = listener.hear(context.waker()) {
            let why = Cancellation::new(reason.clone().into(), None, at);
            group.stop(why, By::Outside);
            self.heard = Some(reason);
        }
    }

    /// A request that was heard goes on now: thrown, unless there are failures to tell, and when the task waits next if so.
    fn end<T, E>(&mut self, outcome: Result<T, GroupError<E>>) -> Poll<Result<T, GroupError<E>>> {
        let listener = self.listener.take();
        let (Some(listener), Some(reason)) = (listener, self.heard.take()) else {
            return Poll::Ready(outcome);
        };
        if matches!(&outcome, Err(error) if !error.failures.is_empty()) {
            listener.ask_again(reason);
            return Poll::Ready(outcome);
        }
        self.has_raised = true;
        listener.raise(reason);
        Poll::Pending
    }
}

/// What became of the group, now that all have left.
fn outcome<T, E: Send + 'static>(group: &Shared, value: Option<T>) -> Result<T, GroupError<E>> {
    let failures: Vec<Failure<E>> = group
        .take_failures()
        .into_iter()
        .map(|failure| *failure.downcast().expect("a failure of this group's kind"))
        .collect();
    let stop = group.why();
    let by = stop.as_ref().map(|stop| stop.by);
    match value {
        Some(value) if failures.is_empty() && matches!(by, None | Some(By::Handle)) => Ok(value),
        _ => Err(GroupError {
            failures,
            is_elapsed: by == Some(By::Deadline),
            cancellation: stop
                .filter(|_| matches!(by, Some(By::Handle | By::Outside)))
                .map(|stop| stop.why),
        }),
    }
}

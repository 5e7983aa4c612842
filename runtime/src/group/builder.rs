//! What a group is told before it opens: its limit, its deadline, its children's grace.

use std::fmt;
use std::future::Future;
use std::marker::PhantomData;
use std::panic::Location;
use std::sync::Arc;
use std::time::Duration;

use super::shared::Shared;
use super::{GroupScope, TaskGroup, scope};
use crate::cancel::CancelScope;
use crate::time::Instant;

/// Options of a [`TaskGroup`] that is still to be opened: [`TaskGroup::builder`].
///
/// # Examples
/// ```
/// use std::time::Duration;
/// use filch::task::TaskGroup;
///
/// # filch::block_on(async {
/// let group = TaskGroup::<()>::builder().limit(4).timeout(Duration::from_secs(60));
/// let done = group.scope(async |group| {
///     for n in 0..100 {
///         // Waits while 4 are at work.
///         group.wait_spawn(async move { Ok(n) }).await;
///     }
///     Ok("all")
/// });
/// assert_eq!(done.await.unwrap(), "all");
/// # });
/// ```
#[must_use = "nothing is opened before `scope`"]
pub struct GroupBuilder<E> {
    limit: Option<usize>,
    deadline: Option<Instant>,
    grace: Option<Duration>,
    error: PhantomData<fn(E)>,
}

impl<E: Send + 'static> GroupBuilder<E> {
    pub(super) fn new() -> GroupBuilder<E> {
        GroupBuilder {
            limit: None,
            deadline: None,
            grace: None,
            error: PhantomData,
        }
    }

    /// Lets only so many children run at once: the others wait until one is done, in the order in which they were spawned.
    ///
    /// Children of [`start`](TaskGroup::start) do not count: they are services, which would hold their places for good.
    ///
    /// # Panics
    /// If it is 0.
    #[track_caller]
    pub fn limit(self, children: usize) -> GroupBuilder<E> {
        assert!(children > 0, "a group that lets no child run never ends");
        GroupBuilder {
            limit: Some(children),
            ..self
        }
    }

    /// Stops the block and the children at `deadline`.
    pub fn deadline(self, deadline: Instant) -> GroupBuilder<E> {
        GroupBuilder {
            deadline: Some(deadline),
            ..self
        }
    }

    /// Stops the block and the children in `limit` from now. A time too far to be told has no end.
    pub fn timeout(self, limit: Duration) -> GroupBuilder<E> {
        GroupBuilder {
            deadline: Instant::now().checked_add(limit),
            ..self
        }
    }

    /// Gives the children time to tidy up when they are told to stop, whatever for: as if each were wrapped in
    /// [`with_grace`](crate::with_grace). The shorter time counts for one that asks for time itself. The block, and a child
    /// that has not begun, get none; a child of [`spawn_on`](TaskGroup::spawn_on), a task of a loop, takes the time that it needs.
    /// If the future of the scope is dropped, nobody gets any.
    ///
    /// # Examples
    /// ```
    /// use std::time::Duration;
    /// use filch::task::{TaskGroup, cancelled};
    ///
    /// # filch::block_on(async {
    /// let group = TaskGroup::<()>::builder().grace(Duration::from_secs(5));
    /// let done = group.scope(async |group| {
    ///     let server = group.start(|ready| async move {
    ///         let _ = ready.send(());
    ///         cancelled().await;
    ///         // There are 5 s for what is to be done here.
    ///         Ok(())
    ///     });
    ///     server.await.unwrap();
    ///     group.cancel("a new version comes");
    ///     Ok("stopped")
    /// });
    /// assert_eq!(done.await.unwrap(), "stopped");
    /// # });
    /// ```
    pub fn grace(self, period: Duration) -> GroupBuilder<E> {
        GroupBuilder {
            grace: Some(period),
            ..self
        }
    }

    /// Opens the group: as [`TaskGroup::scope`].
    ///
    /// # Errors
    /// As there.
    ///
    /// # Cancel safety
    /// As there.
    #[track_caller]
    pub fn scope<F, B, T>(self, block: F) -> GroupScope<F, B, T, E>
    where
        F: FnOnce(TaskGroup<E>) -> B,
        B: Future<Output = Result<T, E>>,
    {
        let scope = CancelScope::new();
        scope.set_deadline(self.deadline);
        let group = TaskGroup {
            shared: Arc::new(Shared::new(self.limit, self.grace, scope)),
            error: PhantomData,
        };
        scope::scope(group, block, Location::caller())
    }
}

impl<E> fmt::Debug for GroupBuilder<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GroupBuilder")
            .field("limit", &self.limit)
            .field("deadline", &self.deadline)
            .field("grace", &self.grace)
            .finish()
    }
}

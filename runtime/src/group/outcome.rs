//! What became of a group whose children did not all end well.

use std::any::Any;
use std::fmt;
use std::io;
use std::panic::Location;
use std::sync::Mutex;

use crate::cancellation::Cancellation;
use crate::error::payload_text;
use crate::origin::{Id, Whose};

/// How one child, or the body of the group, failed: with an error or a panic; and which one it was, spawned where.
pub struct Failure<E> {
    /// None: the body, in a `block_on`.
    id: Option<Id>,
    name: Option<Box<str>>,
    place: &'static Location<'static>,
    is_body: bool,
    kind: Kind<E>,
}

pub(super) enum Kind<E> {
    Error(E),
    /// The mutex makes it `Sync`.
    Panic(Mutex<Box<dyn Any + Send>>),
}

impl<E> Kind<E> {
    pub(super) fn panic(payload: Box<dyn Any + Send>) -> Kind<E> {
        Kind::Panic(Mutex::new(payload))
    }
}

impl<E> Failure<E> {
    pub(super) fn of_child(child: Whose<'_>, kind: Kind<E>) -> Failure<E> {
        Failure {
            id: Some(child.id),
            name: child.name.map(Into::into),
            place: child.spawned_at,
            is_body: false,
            kind,
        }
    }

    pub(super) fn of_body(
        task: Option<Id>,
        opened_at: &'static Location<'static>,
        kind: Kind<E>,
    ) -> Failure<E> {
        Failure {
            id: task,
            name: None,
            place: opened_at,
            is_body: true,
            kind,
        }
    }

    /// The id of the child's task; for the body that of the task it is in, if any.
    pub fn id(&self) -> Option<Id> {
        self.id
    }

    /// The name of the child's task, if it has one.
    pub fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    /// Where the child was spawned; for the body, where the group was opened.
    pub fn spawned_at(&self) -> &'static Location<'static> {
        self.place
    }

    /// True if it was the body of the group, and no child.
    pub fn is_body(&self) -> bool {
        self.is_body
    }

    /// True if it panicked.
    pub fn is_panic(&self) -> bool {
        matches!(self.kind, Kind::Panic(_))
    }

    /// The error; none if it panicked.
    pub fn error(&self) -> Option<&E> {
        match &self.kind {
            Kind::Error(error) => Some(error),
            Kind::Panic(_) => None,
        }
    }

    /// The error.
    ///
    /// # Errors
    /// The failure itself, if it is a panic.
    pub fn into_error(self) -> Result<E, Failure<E>> {
        match self.kind {
            Kind::Error(error) => Ok(error),
            Kind::Panic(_) => Err(self),
        }
    }

    /// The panic's payload, to pass to [`std::panic::resume_unwind`].
    ///
    /// # Errors
    /// The failure itself, if it is an error.
    pub fn into_panic(self) -> Result<Box<dyn Any + Send>, Failure<E>> {
        match self.kind {
            Kind::Panic(payload) => Ok(payload.into_inner().unwrap_or_else(|e| e.into_inner())),
            Kind::Error(_) => Err(self),
        }
    }

    fn fmt_with(
        &self,
        f: &mut fmt::Formatter<'_>,
        error: impl FnOnce(&E, &mut fmt::Formatter<'_>) -> fmt::Result,
    ) -> fmt::Result {
        match (&self.name, self.id) {
            _ if self.is_body => f.write_str("the body")?,
            (Some(name), _) => write!(f, "task {name:?}")?,
            (None, Some(id)) => write!(f, "task {id}")?,
            (None, None) => f.write_str("a task")?,
        }
        write!(f, " ({}:{}) ", self.place.file(), self.place.line())?;
        match &self.kind {
            Kind::Error(e) => {
                f.write_str("failed: ")?;
                error(e, f)
            }
            Kind::Panic(payload) => {
                let payload = payload.lock().unwrap_or_else(|e| e.into_inner());
                match payload_text(&**payload) {
                    Some(text) => write!(f, "panicked with message {text:?}"),
                    None => write!(f, "panicked"),
                }
            }
        }
    }
}

impl<E: fmt::Display> fmt::Display for Failure<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.fmt_with(f, |error, f| error.fmt(f))
    }
}

impl<E: fmt::Debug> fmt::Debug for Failure<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.fmt_with(f, |error, f| error.fmt(f))
    }
}

impl<E: fmt::Debug + fmt::Display> std::error::Error for Failure<E> {}

/// Why a group gave no value: all errors and panics of its children and of its body, in the order in which they came;
/// or that it was cancelled, or its deadline passed.
///
/// # Source
/// `ExceptionGroup`, as `asyncio.TaskGroup` raises it; the panics are in it, too.
///
/// # Examples
/// ```
/// use filch::task::TaskGroup;
///
/// # filch::block_on(async {
/// let failed = TaskGroup::scope(async |group| {
///     group.spawn(async { Err::<(), _>("no such host") });
///     std::future::pending::<Result<(), _>>().await
/// });
/// let error = failed.await.unwrap_err();
/// assert_eq!(error.errors().collect::<Vec<_>>(), [&"no such host"]);
/// assert!(error.to_string().ends_with("failed: no such host"));
/// # });
/// ```
pub struct GroupError<E> {
    pub(super) failures: Vec<Failure<E>>,
    pub(super) cancellation: Option<Cancellation>,
    pub(super) is_elapsed: bool,
}

impl<E> GroupError<E> {
    /// The failure that came first, which stopped the others. None if nothing failed: the group was cancelled, or
    /// its deadline passed.
    pub fn first(&self) -> Option<&Failure<E>> {
        self.failures.first()
    }

    /// All failures, in the order in which they came.
    pub fn iter(&self) -> std::slice::Iter<'_, Failure<E>> {
        self.failures.iter()
    }

    /// The errors, in the order in which they came.
    pub fn errors(&self) -> impl Iterator<Item = &E> {
        self.failures.iter().filter_map(Failure::error)
    }

    /// The panics, in the order in which they came.
    pub fn panics(&self) -> impl Iterator<Item = &Failure<E>> {
        self.failures.iter().filter(|failure| failure.is_panic())
    }

    /// How many failed.
    pub fn len(&self) -> usize {
        self.failures.len()
    }

    /// True if nothing failed.
    pub fn is_empty(&self) -> bool {
        self.failures.is_empty()
    }

    /// Why, by whom and from where the group was cancelled, if it was, and not by a failure.
    pub fn cancellation(&self) -> Option<&Cancellation> {
        self.cancellation.as_ref()
    }

    /// True if the group's deadline passed, or that of a scope around it.
    pub fn is_elapsed(&self) -> bool {
        self.is_elapsed
    }
}

impl<E> IntoIterator for GroupError<E> {
    type Item = Failure<E>;
    type IntoIter = std::vec::IntoIter<Failure<E>>;

    fn into_iter(self) -> Self::IntoIter {
        self.failures.into_iter()
    }
}

impl<'a, E> IntoIterator for &'a GroupError<E> {
    type Item = &'a Failure<E>;
    type IntoIter = std::slice::Iter<'a, Failure<E>>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl<E: fmt::Display> fmt::Display for GroupError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.failures[..], &self.cancellation) {
            ([], Some(why)) => return write!(f, "the group was cancelled {why}"),
            ([], None) => return f.write_str("the deadline of the group has elapsed"),
            ([_], _) => {}
            (all, _) => write!(f, "{} failures: ", all.len())?,
        }
        for (n, failure) in self.failures.iter().enumerate() {
            let comma = if n > 0 { "; " } else { "" };
            write!(f, "{comma}{failure}")?;
        }
        Ok(())
    }
}

impl<E: fmt::Debug> fmt::Debug for GroupError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GroupError")
            .field("failures", &self.failures)
            .field("cancellation", &self.cancellation)
            .field("is_elapsed", &self.is_elapsed)
            .finish()
    }
}

/// The source is the failure that came [`first`](GroupError::first), a [`Failure`], be it an error or a panic: it is what
/// stopped the others. None if nothing failed. There the chain ends, since an `E` need not be an
/// [`Error`](std::error::Error), so that text, boxes and the like will do; where it is one, [`Failure::error`] has its source.
impl<E: fmt::Debug + fmt::Display + 'static> std::error::Error for GroupError<E> {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.first().map(|failure| failure as _)
    }
}

/// For `?` where I/O is done: the group's error inside one of the kind of its first [error](GroupError::errors); of the kind
/// `TimedOut` if its deadline passed, and `Other` else.
///
/// # Examples
/// ```
/// use std::io;
/// use filch::task::TaskGroup;
///
/// async fn read_all() -> io::Result<()> {
///     TaskGroup::scope(async |group| {
///         group.spawn(async { Err::<(), _>(io::Error::from(io::ErrorKind::NotFound)) });
///         Ok(())
///     })
///     .await?;
///     Ok(())
/// }
///
/// # filch::block_on(async {
/// assert_eq!(read_all().await.unwrap_err().kind(), io::ErrorKind::NotFound);
/// # });
/// ```
impl From<GroupError<io::Error>> for io::Error {
    fn from(error: GroupError<io::Error>) -> io::Error {
        let kind = match error.errors().next() {
            Some(first) => first.kind(),
            None if error.is_elapsed => io::ErrorKind::TimedOut,
            None => io::ErrorKind::Other,
        };
        io::Error::new(kind, error)
    }
}

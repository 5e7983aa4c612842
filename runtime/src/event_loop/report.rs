//! What goes wrong where nobody asks: it comes to the loop's exception handler.

use std::any::Any;
use std::fmt;
use std::panic::{AssertUnwindSafe, Location, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use super::{EventLoop, Inner};
use crate::error::payload_text;
use crate::job::drop_payload;

/// Is told of errors that reach nobody.
pub(super) type Handler = Arc<dyn Fn(&ExceptionContext) + Send + Sync>;

/// An error that reaches nobody else, or a warning of debug mode.
///
/// # Source
/// The `context` of `asyncio`'s `call_exception_handler`.
///
/// # Examples
/// ```
/// use filch::asyncio::ExceptionContext;
/// use std::sync::mpsc;
///
/// let event_loop = filch::EventLoop::new();
/// let (tell, told) = mpsc::channel();
/// event_loop.set_exception_handler(move |context: &ExceptionContext| {
///     tell.send(context.exception().unwrap().to_owned()).unwrap();
/// });
/// event_loop.call_soon(|| panic!("out of tea"));
/// event_loop.run_until_complete(async {}).unwrap();
/// assert_eq!(told.recv().unwrap(), "out of tea");
/// ```
#[derive(Clone, Debug)]
pub struct ExceptionContext {
    message: String,
    exception: Option<String>,
    task: Option<String>,
    made_at: Option<&'static Location<'static>>,
}

impl ExceptionContext {
    /// A context with this message only.
    pub fn new(message: impl Into<String>) -> ExceptionContext {
        ExceptionContext {
            message: message.into(),
            exception: None,
            task: None,
            made_at: None,
        }
    }

    /// With the text of an error.
    #[must_use]
    pub fn with_exception(mut self, exception: impl fmt::Display) -> ExceptionContext {
        self.exception = Some(exception.to_string());
        self
    }

    pub(super) fn made_at(mut self, place: &'static Location<'static>) -> ExceptionContext {
        self.made_at = Some(place);
        self
    }

    pub(super) fn of_task(mut self, task: impl fmt::Display) -> ExceptionContext {
        self.task = Some(task.to_string());
        self
    }

    pub(super) fn panicked(mut self, payload: Box<dyn Any + Send>) -> ExceptionContext {
        let text = payload_text(&*payload).unwrap_or("a panic without a message");
        self.exception = Some(text.to_owned());
        drop_payload(payload);
        self
    }

    /// What happened.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// The error's text, or the panic's message.
    pub fn exception(&self) -> Option<&str> {
        self.exception.as_deref()
    }

    /// The task it happened to: its name or id, and where it was made.
    pub fn task(&self) -> Option<&str> {
        self.task.as_deref()
    }

    /// Where the callback or the task was made.
    pub fn place(&self) -> Option<&'static Location<'static>> {
        self.made_at
    }
}

impl fmt::Display for ExceptionContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)?;
        if let Some(task) = &self.task {
            write!(f, "\ntask: {task}")?;
        }
        if let Some(exception) = &self.exception {
            write!(f, "\nexception: {exception}")?;
        }
        if let (Some(place), None) = (self.made_at, &self.task) {
            write!(f, "\nmade at: {}:{}", place.file(), place.line())?;
        }
        Ok(())
    }
}

/// What is done with an error where no handler is set: a few lines on stderr.
pub(super) fn tell(context: &ExceptionContext) {
    eprintln!("filch: {context}");
}

impl Inner {
    /// Tells the exception handler. One that panics is told of by the default one.
    #[cold]
    pub(super) fn report(&self, context: ExceptionContext) {
        let handler = self.handler.lock().clone();
        let Some(handler) = handler else {
            return tell(&context);
        };
        if let Err(payload) = catch_unwind(AssertUnwindSafe(|| handler(&context))) {
            tell(&ExceptionContext::new("Unhandled error in exception handler").panicked(payload));
            tell(&context);
        }
    }
}

impl EventLoop {
    /// Has `handler` told of errors that reach nobody else, in place of a few lines on stderr. One that panics is told of
    /// there.
    ///
    /// The loop keeps the handler until it ends, closed or not, since errors may be told after it is closed: a handler that has
    /// the loop itself would keep it for ever, and is given a [`WeakEventLoop`](super::WeakEventLoop).
    pub fn set_exception_handler(
        &self,
        handler: impl Fn(&ExceptionContext) + Send + Sync + 'static,
    ) {
        let old = self.inner().handler.lock().replace(Arc::new(handler));
        drop(old);
    }

    /// Back to the lines on stderr.
    pub fn reset_exception_handler(&self) {
        let old = self.inner().handler.lock().take();
        drop(old);
    }

    /// Tells the exception handler.
    pub fn call_exception_handler(&self, context: ExceptionContext) {
        self.inner().report(context);
    }

    /// What is done where no handler is set: a few lines on stderr.
    pub fn default_exception_handler(&self, context: &ExceptionContext) {
        tell(context);
    }

    /// Debug mode: slow callbacks and tasks that never began are told to the exception handler, calls from a wrong thread
    /// and blocking sockets are refused. Costs two clock readings a callback.
    pub fn set_debug(&self, enabled: bool) {
        self.inner().debug.store(enabled, Ordering::Relaxed);
    }

    /// True in debug mode.
    pub fn get_debug(&self) -> bool {
        self.inner().is_debug()
    }

    /// From how long on a callback is slow in debug mode; 100 ms unless it is set.
    pub fn set_slow_callback_duration(&self, duration: Duration) {
        let nanos = duration.as_nanos().try_into().unwrap_or(u64::MAX);
        self.inner()
            .slow_callback_nanos
            .store(nanos, Ordering::Relaxed);
    }

    /// From how long on a callback is slow in debug mode.
    pub fn slow_callback_duration(&self) -> Duration {
        self.inner().slow_callback_duration()
    }
}

//! An error that nobody asked for is told once, when the promise goes.

use std::any::Any;
use std::error::Error;
use std::fmt;
use std::io;
use std::panic::Location;
use std::sync::atomic::Ordering;

use super::PromiseError;
use super::shared::Own;
use crate::generator::Thrown;
use crate::job::quietly;
use crate::sync_prim::keep;

/// A promise's error that nobody asked for: what [`Builder::on_unretrieved`](crate::Builder::on_unretrieved) is told.
///
/// # Source
/// The `context` of asyncio's exception handlers: `message`, `exception`, `source_traceback`.
pub struct Unretrieved<'a> {
    error: &'a (dyn Any + Send + Sync),
    type_name: &'static str,
    made_at: &'static Location<'static>,
}

/// Reports the error of a promise that goes, unless somebody has asked for it. A panic in the handler goes to the panic
/// hook.
impl<T, E: Send + Sync + 'static> Own<T, E> {
    #[cold]
    pub(super) fn report_unretrieved(&self) {
        // Ordering: Relaxed: the last handle went after all that the others did, by the count of handles.
        let Some(Err(PromiseError::Failed(error))) = self.shared.outcome.get() else {
            return;
        };
        if !(self.shared.retrieved.load(Ordering::Relaxed) && keep("promise_retrieved")) {
            let report = Unretrieved {
                error,
                type_name: std::any::type_name::<E>(),
                made_at: self.made_at,
            };
            quietly(|| self.carry.unretrieved(&report));
        }
    }
}

impl Unretrieved<'_> {
    /// What happened, in asyncio's words.
    pub fn message(&self) -> &'static str {
        "Promise error was never retrieved"
    }

    /// The error.
    pub fn error(&self) -> &(dyn Any + Send + Sync) {
        self.error
    }

    /// The name of its type.
    pub fn type_name(&self) -> &'static str {
        self.type_name
    }

    /// Where the promise was made.
    pub fn made_at(&self) -> &'static Location<'static> {
        self.made_at
    }

    /// The error's text, where it is of a type that is known to have one. Any other may have none: a promise does not ask
    /// it of its error.
    fn text(&self) -> Option<String> {
        fn text<E: fmt::Display + 'static>(error: &(dyn Any + Send + Sync)) -> Option<String> {
            error.downcast_ref::<E>().map(E::to_string)
        }
        let known = [
            text::<String>,
            text::<&'static str>,
            text::<io::Error>,
            text::<Thrown>,
            text::<Box<dyn Error + Send + Sync>>,
            text::<std::sync::Arc<dyn Error + Send + Sync>>,
            text::<crate::error::JoinError>,
        ];
        known.iter().find_map(|text| text(self.error))
    }

    /// The error's text, or its type.
    pub(crate) fn what(&self) -> String {
        self.text()
            .unwrap_or_else(|| format!("a {}", self.type_name))
    }

    /// What happens with a report that nobody asked for.
    pub(crate) fn tell(&self) {
        #[cfg(feature = "tracing")]
        tracing::error!(error = self.type_name, made_at = %self.made_at, "{self}");
        #[cfg(not(feature = "tracing"))]
        eprintln!("filch: {self}");
    }
}

impl fmt::Display for Unretrieved<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (message, what, place) = (self.message(), self.what(), self.made_at);
        let (file, line) = (place.file(), place.line());
        write!(f, "{message}: {what} (promise made at {file}:{line})")
    }
}

impl fmt::Debug for Unretrieved<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Unretrieved({self})")
    }
}

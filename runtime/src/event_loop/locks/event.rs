//! A flag that tasks wait for.

use std::fmt;
use std::sync::Arc;

use parking_lot::Mutex;

use super::{Row, Wait, suspend, wake};

/// A flag that tasks wait for. A handle: clones are the same event.
///
/// # Source
/// `asyncio.Event`.
///
/// # Examples
/// ```
/// use filch::asyncio::{Event, create_task};
///
/// filch::asyncio::run(async {
///     let event = Event::new();
///     let waits = create_task({
///         let event = event.clone();
///         async move { event.wait().await }
///     });
///     event.set();
///     waits.await.unwrap();
///     assert!(event.is_set());
/// })
/// .unwrap();
/// ```
#[derive(Clone, Default)]
pub struct Event(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    set: bool,
    row: Row,
}

impl Event {
    /// One that is not set.
    pub fn new() -> Event {
        Event::default()
    }

    /// True once it is set.
    pub fn is_set(&self) -> bool {
        self.0.lock().set
    }

    /// Sets it, and wakes all who wait, in order.
    pub fn set(&self) {
        let waits: Vec<_> = {
            let mut state = self.0.lock();
            if std::mem::replace(&mut state.set, true) {
                return;
            }
            state.row.0.iter().cloned().collect()
        };
        for wait in waits {
            wake(&wait);
        }
    }

    /// Takes it back: who waits from now on waits for the next time.
    pub fn clear(&self) {
        self.0.lock().set = false;
    }

    /// Waits until it is set. Who was woken goes on, also if it was taken back since.
    ///
    /// # Panics
    /// If it must wait and there is no current runtime.
    ///
    /// # Cancel safety
    /// Safe.
    pub async fn wait(&self) {
        let wait = {
            let mut state = self.0.lock();
            if state.set {
                return;
            }
            state.row.join()
        };
        let waiting = Waiting { event: self, wait };
        suspend(&waiting.wait).await;
    }
}

struct Waiting<'a> {
    event: &'a Event,
    wait: Wait,
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.event.0.lock().row.leave(&self.wait);
    }
}

impl fmt::Debug for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = self.0.lock();
        f.debug_struct("Event")
            .field("set", &state.set)
            .field("waiters", &state.row.len())
            .finish()
    }
}

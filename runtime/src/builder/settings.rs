//! What the builder tells each engine.

use std::fmt;
use std::sync::Arc;

use super::Builder;
use crate::blocking;
use crate::clock::Clock;
use crate::home::ThreadMark;
use crate::scheduler::{self, StallReport};

impl Builder {
    pub(super) fn scheduler_settings(
        &self,
        clock: Arc<Clock>,
        home: Option<ThreadMark>,
    ) -> scheduler::Settings {
        scheduler::Settings {
            global_queue_interval: self.global_queue_interval,
            event_interval: self.event_interval,
            hooks: self.hooks.clone(),
            stall_threshold: self.stall_threshold,
            on_stall: self
                .on_stall
                .clone()
                .unwrap_or_else(|| Arc::new(StallReport::tell)),
            home,
            clock,
        }
    }

    pub(super) fn blocking_settings(&self, clock: Arc<Clock>) -> blocking::Settings {
        let names = Builder {
            thread_name: self.thread_name.clone(),
            thread_stack_size: self.thread_stack_size,
            ..Builder::new(false)
        };
        let hooks = self.hooks.clone();
        blocking::Settings {
            max_threads: self.max_blocking_threads,
            keep_alive: self.thread_keep_alive,
            start_thread: Box::new(move |number, serve| {
                let hooks = hooks.clone();
                let name = names.name_thread(|| format!("filch-b{number:03}"));
                names.thread(name).spawn(move || hooks.around(serve))
            }),
            clock,
        }
    }
}

impl fmt::Debug for Builder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Builder")
            .field("current_thread", &self.current_thread)
            .field("worker_threads", &self.worker_threads)
            .field("max_blocking_threads", &self.max_blocking_threads)
            .field("thread_keep_alive", &self.thread_keep_alive)
            .field("thread_stack_size", &self.thread_stack_size)
            .field("reactor_mode", &self.reactor_mode)
            .field("guard_tick", &self.guard_tick)
            .field("stall_threshold", &self.stall_threshold)
            .field("event_interval", &self.event_interval)
            .field("global_queue_interval", &self.global_queue_interval)
            .field("start_paused", &self.start_paused)
            .finish_non_exhaustive()
    }
}

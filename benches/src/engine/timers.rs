//! What a problem may ask of a runtime's timers: the calls that a user of it would write.

use std::future::Future;
use std::time::{Duration, Instant};

use smol::stream::StreamExt;

use super::{Filch, Smol, Tokio};

/// Everything here is to be called inside a task.
pub(crate) trait Timers {
    /// Registered at its first poll, as far as it is to come.
    type Sleep: Future<Output: Send> + Send + 'static;
    type Interval: Send + 'static;

    fn sleep(duration: Duration) -> Self::Sleep;

    /// None if the limit came first.
    fn timeout<F: Future<Output: Send> + Send>(
        limit: Duration,
        future: F,
    ) -> impl Future<Output = Option<F::Output>> + Send;

    /// An interval that makes up for all ticks that it missed.
    fn interval(start: Instant, period: Duration) -> Self::Interval;

    /// The answer is when the tick was to be, where the runtime tells.
    fn tick(interval: &mut Self::Interval) -> impl Future<Output = Instant> + Send;
}

impl Timers for Filch {
    type Sleep = filch::time::Sleep;
    type Interval = filch::time::Interval;

    fn sleep(duration: Duration) -> Self::Sleep {
        filch::time::sleep(duration)
    }

    async fn timeout<F: Future<Output: Send> + Send>(
        limit: Duration,
        future: F,
    ) -> Option<F::Output> {
        filch::time::timeout(limit, future).await.ok()
    }

    fn interval(start: Instant, period: Duration) -> Self::Interval {
        filch::time::interval_at(start.into(), period)
    }

    async fn tick(interval: &mut Self::Interval) -> Instant {
        interval.tick().await.into_std()
    }
}

impl Timers for Tokio {
    type Sleep = tokio::time::Sleep;
    type Interval = tokio::time::Interval;

    fn sleep(duration: Duration) -> Self::Sleep {
        tokio::time::sleep(duration)
    }

    async fn timeout<F: Future<Output: Send> + Send>(
        limit: Duration,
        future: F,
    ) -> Option<F::Output> {
        tokio::time::timeout(limit, future).await.ok()
    }

    fn interval(start: Instant, period: Duration) -> Self::Interval {
        tokio::time::interval_at(start.into(), period)
    }

    async fn tick(interval: &mut Self::Interval) -> Instant {
        interval.tick().await.into_std()
    }
}

impl Timers for Smol {
    type Sleep = smol::Timer;
    type Interval = smol::Timer;

    fn sleep(duration: Duration) -> Self::Sleep {
        smol::Timer::after(duration)
    }

    async fn timeout<F: Future<Output: Send> + Send>(
        limit: Duration,
        future: F,
    ) -> Option<F::Output> {
        let late = async {
            smol::Timer::after(limit).await;
            None
        };
        smol::future::or(async { Some(future.await) }, late).await
    }

    fn interval(start: Instant, period: Duration) -> Self::Interval {
        smol::Timer::interval_at(start, period)
    }

    async fn tick(interval: &mut Self::Interval) -> Instant {
        interval.next().await.expect("an interval has no end")
    }
}

//! What the tests of groups share.

use std::future::{Future, pending};

use filch::group::GroupError;
use filch::task::{TaskGroup, yield_now};

use crate::common::Drops;

pub(crate) type Error = &'static str;
pub(crate) type Group = TaskGroup<Error>;

/// The errors, in order.
pub(crate) fn errors(error: &GroupError<Error>) -> Vec<Error> {
    error.errors().copied().collect()
}

/// Fails in a while.
pub(crate) async fn fail(error: Error) -> Result<(), Error> {
    yield_now().await;
    Err(error)
}

/// Never ends, and counts its drop.
pub(crate) fn forever(
    drops: &Drops,
) -> impl Future<Output = Result<(), Error>> + Send + use<> + 'static {
    let counted = drops.counted();
    async move {
        let _counted = counted;
        pending().await
    }
}

//! Which groups somebody waits for: edges of the call graph, from each child to the body. Debug builds only, since it would
//! cost others what is looked at by few: a child knows its group, but nobody can ask a task what it knows.

use std::sync::Arc;

use super::shared::Shared;
#[cfg(debug_assertions)]
use crate::census::{Census, Counted};
use crate::promise::Lead;
use crate::task::Task;

#[cfg(debug_assertions)]
static WAITED: Census<Shared> = Census::new();

/// Somebody who waits for a group; he leaves when this is dropped.
#[derive(Default)]
pub(super) struct Waited {
    #[cfg(debug_assertions)]
    counted: Option<Counted<Shared>>,
}

impl Waited {
    #[inline]
    pub(super) fn enter(&mut self, group: &Arc<Shared>) {
        #[cfg(debug_assertions)]
        self.counted.get_or_insert_with(|| WAITED.enter(group));
        #[cfg(not(debug_assertions))]
        let _ = group;
    }
}

/// For each group that is waited for its children, as far as they wait for something themselves, and where those lead that
/// wait for them. None in release builds.
pub(crate) fn waited() -> Vec<(Vec<Task>, Vec<Lead>)> {
    #[cfg(debug_assertions)]
    let groups = WAITED.all();
    #[cfg(not(debug_assertions))]
    let groups: Vec<Arc<Shared>> = Vec::new();
    let of_group = |group: &Arc<Shared>| {
        let mut leads = Vec::new();
        group.count.leads(&mut leads);
        (group.children(), leads)
    };
    groups.iter().map(of_group).collect()
}

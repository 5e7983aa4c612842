//! Groups in which somebody waits: edges of the call graph, from each child to the body.
//!
//! A child knows its group, but nobody can ask a task what it knows: its future is its runner's. So a group is counted
//! here, once, with its first child that has to wait: that child leaves a reference to its task anyway. A group
//! whose children are all done at their first poll does nothing for it. That somebody waits for the group is seen by its
//! waiters. Cost: some 120 instructions for a group of which a child waits (callgrind, 2026-11-25: 5,840 with one such child).

use std::sync::Arc;

use crossbeam_utils::CachePadded;

use super::shared::Shared;
use crate::census::{Census, Counted};
use crate::promise::Lead;
use crate::task::Task;

/// Parts of the census, so that groups on different workers seldom meet. Unit: parts. Fewer: workers wait for each other's
/// locks; more: memory, two cache lines for each.
const PARTS: usize = 16;

/// A group is in the part that its address tells.
static GROUPS: [CachePadded<Census<Shared>>; PARTS] =
    [const { CachePadded::new(Census::new()) }; PARTS];

/// Counts a group until the answer is dropped.
#[cold]
#[inline(never)]
pub(super) fn count(group: &Arc<Shared>) -> Counted<Shared> {
    let part = Arc::as_ptr(group).addr() / size_of::<Shared>() % PARTS;
    GROUPS[part].enter(group)
}

/// For each group in which somebody waits, its children, as far as they wait for something themselves, and where those lead
/// that wait for the group.
pub(crate) fn waited() -> Vec<(Vec<Task>, Vec<Lead>)> {
    let groups = GROUPS.iter().flat_map(|part| part.all());
    let of_group = |group: Arc<Shared>| {
        let mut leads = Vec::new();
        group.count.leads(&mut leads);
        (group.children(), leads)
    };
    let waited = groups.map(of_group);
    waited.filter(|(_, leads)| !leads.is_empty()).collect()
}

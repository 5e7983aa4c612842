//! A picture of all living tasks, and who is behind a waker.

use std::collections::{HashMap, HashSet, VecDeque};
use std::panic::Location;
use std::sync::Arc;

use super::super::inner::LOOPS;
use super::super::task::{AnyTask, Outcome};
use super::super::task_handles::TaskRef;
use super::{Kind, What};
use crate::group::waited;
use crate::handle::RUNTIMES;
use crate::promise::{Lead, Promise};
use crate::task::Task;

/// Adds where those lead that wait.
type Leads = Box<dyn Fn(&mut Vec<Lead>) + Send + Sync>;

/// What can be awaited, for those outside.
pub struct Asked(pub(super) Subject);

/// What can be awaited.
pub(super) enum Subject {
    Loop(Arc<dyn AnyTask>),
    Pool(Task),
    Promise(&'static Location<'static>, Leads),
}

/// Who awaits something.
#[derive(Default)]
pub(super) struct Waits {
    /// Numbers of living tasks, each once, in the order in which they came.
    pub(super) tasks: Vec<usize>,
    /// Wakers of nobody who is known.
    pub(super) others: usize,
}

/// The tasks that were not done a moment ago, by their ids. They stay while this does.
pub(super) struct Living {
    pub(super) tasks: Vec<Subject>,
    /// A waker's data pointer is its task's own address, so no two living tasks have the same.
    by_waker: HashMap<usize, usize>,
    /// Where those lead that wait for the groups whose children these are.
    groups: Vec<Vec<Lead>>,
    /// In `groups`, by the children's numbers.
    by_child: HashMap<usize, usize>,
}

impl Subject {
    pub(super) fn promise<T: Outcome, E: Outcome>(promise: Promise<T, E>) -> Subject {
        let place = promise.made_at();
        Subject::Promise(place, Box::new(move |into| promise.leads(into)))
    }

    fn leads(&self, into: &mut Vec<Lead>) {
        match self {
            Subject::Loop(task) => task.leads(into),
            Subject::Pool(task) => task.leads(into),
            Subject::Promise(_, leads) => leads(into),
        }
    }

    fn waker_address(&self) -> Option<usize> {
        match self {
            Subject::Loop(task) => Some(task.clone().waker_address()),
            Subject::Pool(task) => Some(task.waker_address()),
            Subject::Promise(..) => None,
        }
    }

    pub(super) fn what(&self) -> What {
        match self {
            Subject::Loop(task) => {
                let task = TaskRef(task.clone());
                What {
                    kind: Kind::Loop,
                    name: Some(task.name()),
                    id: Some(task.id()),
                    made_at: task.made_at(),
                }
            }
            Subject::Pool(task) => {
                let whose = task.origin();
                let named = whose.name.map(str::to_owned);
                What {
                    kind: Kind::Pool,
                    name: Some(named.unwrap_or_else(|| format!("Task-{}", whose.id))),
                    id: Some(whose.id),
                    made_at: whose.spawned_at,
                }
            }
            Subject::Promise(place, _) => What {
                kind: Kind::Promise,
                name: None,
                id: None,
                made_at: place,
            },
        }
    }
}

impl Living {
    pub(super) fn all() -> Living {
        let mut tasks = Vec::new();
        for event_loop in LOOPS.all() {
            let of_loop = event_loop.tasks.lock();
            let of_loop: Vec<_> = of_loop.iter().map(|(_, task)| task.clone()).collect();
            let living = of_loop.into_iter().filter(|task| !task.is_done());
            tasks.extend(living.map(|task| (task.origin().id, Subject::Loop(task))));
        }
        for scheduler in RUNTIMES.all() {
            let living = scheduler.tasks().into_iter().filter(|task| !task.is_done());
            tasks.extend(living.map(|task| (task.id(), Subject::Pool(task))));
        }
        tasks.sort_unstable_by_key(|(id, _)| *id);
        let tasks: Vec<_> = tasks.into_iter().map(|(_, task)| task).collect();
        let addresses = tasks.iter().map(Subject::waker_address).enumerate();
        let by_waker = addresses.filter_map(|(number, address)| Some((address?, number)));
        let by_waker: HashMap<_, _> = by_waker.collect();
        let (mut groups, mut by_child) = (Vec::new(), HashMap::new());
        for (children, leads) in waited() {
            for child in children {
                if let Some(number) = by_waker.get(&child.waker_address()) {
                    by_child.insert(*number, groups.len());
                }
            }
            groups.push(leads);
        }
        Living {
            tasks,
            by_waker,
            groups,
            by_child,
        }
    }

    /// Its number, if it is a living task.
    pub(super) fn find(&self, subject: &Subject) -> Option<usize> {
        self.by_waker.get(&subject.waker_address()?).copied()
    }

    /// Who awaits it, directly or by what the library leads on.
    pub(super) fn who_awaits(&self, subject: &Subject) -> Waits {
        let mut waits = Waits::default();
        let mut known = HashSet::new();
        // Promises may be chained in a circle. What was followed is kept, so that no other comes at its address.
        let (mut followed, mut kept) = (HashSet::new(), Vec::new());
        let mut leads = Vec::new();
        subject.leads(&mut leads);
        let group = self
            .find(subject)
            .and_then(|child| self.by_child.get(&child));
        let of_group = group.into_iter().flat_map(|group| &self.groups[*group]);
        leads.extend(of_group.cloned());
        let mut left = VecDeque::from(leads);
        while let Some(lead) = left.pop_front() {
            match lead {
                Lead::Waker(address) => match self.by_waker.get(&address) {
                    Some(number) if known.insert(*number) => waits.tasks.push(*number),
                    Some(_) => {}
                    None => waits.others += 1,
                },
                Lead::Follow(follow) => {
                    if followed.insert(Arc::as_ptr(&follow).addr()) {
                        let mut further = Vec::new();
                        follow.leads(&mut further);
                        left.extend(further);
                        kept.push(follow);
                    }
                }
            }
        }
        waits
    }
}

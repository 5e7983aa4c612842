//! Models of a task's life: each fails when the ordering it names is weakened (`make model` shows it).

use std::collections::VecDeque;
use std::future::Future;
use std::panic::Location;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use loom::thread;

use super::current::{self, Hold, Watch};
use super::late::Late;
use super::{Joiner, Task, begin_wake, new};
use crate::cancellation::Cancellation;
use crate::done_list::DoneList;
use crate::job::{Job, JobSlot, Release, Schedule};
use crate::origin::Origin;
use crate::sync_prim::{AtomicUsize, Mutex, Ordering, UnsafeCell};
use std::sync::Arc;

/// One queue of one place, and one owner.
struct Model {
    queue: JobSlot,
    owner: Mutex<Option<Task>>,
}

// SAFETY: `owner` keeps the reference until `release`, and each model keeps its `Arc` until the task is done.
unsafe impl Schedule for Model {
    fn submit_here(&self, job: Job) -> Result<(), Job> {
        assert!(self.queue.exchange(job).is_none(), "two jobs of one task");
        Ok(())
    }
    fn submit(self: &Arc<Self>, job: Job) {
        let _ = self.submit_here(job);
    }
    fn release(&self, _: u64) -> Release {
        let owner = self.owner.lock().take();
        owner.expect("released once").let_go();
        Release::Caller
    }
}

impl Model {
    /// Runs one job, if there is one. True if the task woke itself.
    fn run_one(&self) {
        if let Some(again) = self.queue.take().and_then(Job::run) {
            let _ = self.submit_here(again);
        }
    }

    fn run_all(&self) {
        while !self.queue.is_empty() {
            self.run_one();
        }
    }

    fn is_done(&self) -> bool {
        self.owner.lock().is_none()
    }
}

fn spawn<F>(future: F) -> (Arc<Model>, Joiner<F::Output>)
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    let model = Arc::new(Model {
        queue: JobSlot::new(),
        owner: Mutex::new(None),
    });
    let spawned = new(future, Origin::at(Location::caller()), &model);
    *model.owner.lock() = Some(spawned.owner);
    let _ = model.submit_here(spawned.job);
    (model, spawned.joiner)
}

/// Data that a waker writes before it wakes, and a future reads after: loom fails on an access that races.
#[derive(Default)]
struct Cell(UnsafeCellOf);

struct UnsafeCellOf(UnsafeCell<usize>);

impl Default for UnsafeCellOf {
    fn default() -> Self {
        UnsafeCellOf(UnsafeCell::new(0))
    }
}

// SAFETY: loom itself checks each access.
unsafe impl Sync for UnsafeCellOf {}
// SAFETY: as above.
unsafe impl Send for UnsafeCellOf {}

impl Cell {
    fn add(&self) -> usize {
        // SAFETY: loom itself checks that nobody else is here.
        self.0.0.with_mut(|value| unsafe {
            *value += 1;
            *value
        })
    }
}

/// Ready once `flag` is up; leaves its waker in `wakers` when it is not.
struct WaitFor {
    flag: Arc<AtomicUsize>,
    until: usize,
}

impl Future for WaitFor {
    type Output = ();
    fn poll(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<()> {
        if self.flag.load(Ordering::Relaxed) >= self.until {
            Poll::Ready(())
        } else {
            Poll::Pending
        }
    }
}

fn waker_of<F: Future + Send + 'static>(
    make: impl FnOnce(Arc<Mutex<Option<Waker>>>) -> F,
) -> (Arc<Model>, Joiner<F::Output>, Waker)
where
    F::Output: Send + 'static,
{
    let place = Arc::new(Mutex::new(None));
    let (model, joiner) = spawn(make(place.clone()));
    model.run_one();
    let waker = place.lock().take().expect("the first poll leaves it");
    (model, joiner, waker)
}

/// Leaves its waker at the first poll, then behaves as `inner`.
struct LeaveWaker<F> {
    place: Option<Arc<Mutex<Option<Waker>>>>,
    inner: F,
}

impl<F: Future + Unpin> Future for LeaveWaker<F> {
    type Output = F::Output;
    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<F::Output> {
        if let Some(place) = self.place.take() {
            *place.lock() = Some(context.waker().clone());
        }
        Pin::new(&mut self.inner).poll(context)
    }
}

#[test]
fn a_wake_on_a_queued_task_is_seen_by_the_coming_poll() {
    wakes_are_seen(Waker::wake);
    wakes_are_seen(|waker| waker.wake_by_ref());
    wakes_are_seen(|waker| {
        let woken = begin_wake(&waker);
        drop(waker); // by whoever goes between the halves
        if let Some(woken) = woken {
            woken.queue();
        }
    });
}

fn wakes_are_seen(wake: fn(Waker)) {
    loom::model(move || {
        let flag = Arc::new(AtomicUsize::new(0));
        let theirs = flag.clone();
        let (model, joiner, waker) = waker_of(move |place| LeaveWaker {
            place: Some(place),
            inner: WaitFor {
                flag: theirs,
                until: 1,
            },
        });
        drop(joiner);
        waker.wake_by_ref(); // queued
        let runner = {
            let model = model.clone();
            thread::spawn(move || model.run_one())
        };
        flag.store(1, Ordering::Relaxed);
        wake(waker); // on queued, on running, or on idle
        runner.join().unwrap();
        model.run_all();
        assert!(
            model.is_done(),
            "the flag is up, and nobody will poll again"
        );
    });
}

#[test]
fn the_next_runner_sees_the_future_as_the_last_one_left_it() {
    struct Touch(Arc<Cell>, usize);
    impl Future for Touch {
        type Output = ();
        fn poll(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<()> {
            self.0.add();
            self.1 += 1;
            Poll::Pending
        }
    }
    loom::model(|| {
        let cell = Arc::new(Cell::default());
        let (model, joiner, waker) = waker_of(move |place| LeaveWaker {
            place: Some(place),
            inner: Touch(cell, 0),
        });
        waker.wake_by_ref();
        let runner = {
            let model = model.clone();
            thread::spawn(move || model.run_one())
        };
        waker.wake(); // by a thread that saw nothing of the other runner
        model.run_one();
        runner.join().unwrap();
        joiner.task().abort();
        model.run_all();
        assert!(model.is_done());
    });
}

#[test]
fn joiner_sees_the_outcome() {
    loom::model(|| {
        let cell = Arc::new(Cell::default());
        let theirs = cell.clone();
        let (model, mut joiner) = spawn(async move { theirs.add() });
        let runner = thread::spawn(move || model.run_one());
        let outcome = loom::future::block_on(std::future::poll_fn(|context| {
            if joiner.wait(context.waker()) {
                return Poll::Pending;
            }
            Poll::Ready(joiner.take_outcome())
        }));
        assert_eq!(outcome.unwrap().unwrap(), 1);
        assert_eq!(cell.add(), 2);
        runner.join().unwrap();
    });
}

#[test]
fn the_outcome_is_dropped_once_whoever_comes_last() {
    struct Counted(Arc<Cell>, Arc<AtomicUsize>);
    impl Drop for Counted {
        fn drop(&mut self) {
            self.0.add();
            self.1.fetch_add(1, Ordering::Relaxed);
        }
    }
    loom::model(|| {
        let drops = Arc::new(AtomicUsize::new(0));
        let counted = Counted(Arc::new(Cell::default()), drops.clone());
        let (model, joiner) = spawn(async move {
            counted.0.add();
            counted
        });
        let runner = {
            let model = model.clone();
            thread::spawn(move || model.run_one())
        };
        drop(joiner);
        runner.join().unwrap();
        assert_eq!(drops.load(Ordering::Relaxed), 1);
    });
}

#[test]
fn memory_goes_when_the_last_reference_has_done_its_work() {
    loom::model(|| {
        let (model, joiner) = spawn(std::future::pending::<()>());
        let aborter = joiner.task().clone();
        let other = thread::spawn(move || {
            aborter.abort();
            drop(aborter);
        });
        drop(joiner);
        other.join().unwrap();
        model.run_all();
        assert!(model.is_done());
    });
}

#[test]
fn a_job_in_the_next_slot_belongs_to_one_taker() {
    loom::model(|| {
        let ran = Arc::new(Cell::default());
        let theirs = ran.clone();
        let slot = Arc::new(JobSlot::new());
        let thief = {
            let slot = slot.clone();
            thread::spawn(move || slot.take().map(Job::run).is_some())
        };
        ran.add(); // what the taker must see
        assert!(
            slot.put(Job::once(move || {
                theirs.add();
            }))
            .is_none()
        );
        let owner = slot.take().map(Job::run).is_some();
        let stolen = thief.join().unwrap();
        assert!(owner != stolen, "it ran twice, or never");
        assert_eq!(ran.add(), 3);
    });
}

fn why() -> Cancellation {
    current::asks("on purpose".into(), Location::caller())
}

#[test]
fn late_is_seen_whole() {
    /// Whoever did not make it touches it once.
    fn whole(maker: usize) -> (Cell, usize) {
        let cell = Cell::default();
        cell.add();
        (cell, maker)
    }
    loom::model(|| {
        let late = Arc::new(Late::<(Cell, usize)>::new(None));
        let other = {
            let late = late.clone();
            thread::spawn(move || late.get().map(|(cell, _)| cell.add()))
        };
        late.get_or_make(|| whole(0));
        assert!(matches!(other.join().unwrap(), None | Some(2)));
    });
    loom::model(|| {
        let late = Arc::new(Late::<(Cell, usize)>::new(None));
        let touch = |late: &Late<(Cell, usize)>, me| {
            let (cell, maker) = late.get_or_make(|| whole(me));
            (*maker != me).then(|| cell.add())
        };
        let other = {
            let late = late.clone();
            thread::spawn(move || touch(&late, 1))
        };
        let here = touch(&late, 0);
        assert_ne!(here.is_some(), other.join().unwrap().is_some());
    });
}

#[test]
fn who_sees_that_it_was_asked_finds_the_reason() {
    loom::model(|| {
        let (model, joiner) = spawn(std::future::pending::<()>());
        let task = joiner.task().clone();
        // Not `cancel`, whose own looks at the state would hide ours from loom.
        let canceller = thread::spawn(move || task.ask(Some(why())));
        let task = joiner.task();
        if task.header().state.is_asked() {
            assert_eq!(task.why_cancelled().unwrap().reason(), "on purpose");
        }
        canceller.join().unwrap();
        model.run_all();
        assert!(model.is_done());
    });
}

#[test]
fn a_watcher_is_told_or_sees() {
    loom::model(|| {
        let (model, joiner) = spawn(std::future::pending::<()>());
        let task = joiner.task().clone();
        let canceller = thread::spawn(move || task.cancel(why()));
        let watch = Watch::new(joiner.task().clone());
        loom::future::block_on(std::future::poll_fn(|context| {
            if watch.wait(context.waker()) {
                return Poll::Pending;
            }
            Poll::Ready(())
        }));
        canceller.join().unwrap();
        drop(watch);
        model.run_all();
        assert!(model.is_done());
    });
}

#[test]
fn a_hold_that_ends_lets_the_stop_through() {
    loom::model(|| {
        let (model, joiner) = spawn(std::future::pending::<()>());
        model.run_one();
        let hold = Hold::new(joiner.task().clone());
        let task = joiner.task().clone();
        let canceller = thread::spawn(move || task.cancel(why()));
        model.run_one();
        assert!(!model.is_done(), "it is held");
        drop(hold);
        canceller.join().unwrap();
        model.run_all();
        assert!(model.is_done(), "nobody will poll again");
    });
}

#[test]
fn whoever_waits_for_many_tasks_hears_of_each_once() {
    loom::model(|| {
        let list = Arc::new(DoneList::default());
        let (model, mut joiner) = spawn(async { 7 });
        // One ends while it gets into the list; another, which ends next, has been in it for long.
        let theirs = list.clone();
        let runner = thread::spawn(move || {
            model.run_all();
            theirs.tell(1);
        });
        let (mut told, mut batch) = (Vec::new(), VecDeque::new());
        if !joiner.tell(&list, 0) {
            told.push(0);
        }
        while told.len() < 2 {
            loom::future::block_on(std::future::poll_fn(|context| {
                list.take_or_wait(&mut batch, context.waker());
                match batch.is_empty() {
                    true => Poll::Pending,
                    false => Poll::Ready(()),
                }
            }));
            told.extend(batch.drain(..));
        }
        told.sort_unstable();
        assert_eq!(told, [0, 1]);
        assert!(matches!(joiner.take_outcome(), Some(Ok(7))));
        runner.join().unwrap();
    });
}

//! Groups with limits, deadlines, grace and services, whose children come, go, fail, panic and are stopped at random.

use std::future::{Future, pending};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

use filch::runtime::Runtime;
use filch::task::{CancelScope, TaskGroup, cancelled, with_grace, yield_now};
use filch::time::{Duration, Instant, sleep, timeout};

mod common;
use common::{Counted, Drops, Random, bounded, end, many, multi};

type Error = &'static str;
type Group = TaskGroup<Error>;

/// What all children of one group know.
struct Known {
    drops: Drops,
    made: AtomicUsize,
    /// At work, of those that need a place.
    busy: AtomicUsize,
    limit: usize,
    over: AtomicUsize,
    /// Too many at work, or after the end.
    wrong: AtomicUsize,
}

/// Counted as busy until it is dropped.
struct Busy(Arc<Known>);

impl Busy {
    fn begin(known: &Arc<Known>) -> Busy {
        let busy = known.busy.fetch_add(1, SeqCst) + 1;
        if busy > known.limit {
            known.wrong.fetch_add(1, SeqCst);
        }
        Busy(known.clone())
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        self.0.busy.fetch_sub(1, SeqCst);
    }
}

fn micros(random: &mut Random, below: usize) -> Duration {
    Duration::from_micros(random.below(below) as u64)
}

type Lives = Pin<Box<dyn Future<Output = Result<(), Error>> + Send>>;

fn made(known: &Arc<Known>) -> Counted {
    known.made.fetch_add(1, SeqCst);
    known.drops.counted()
}

/// A child that needs a place.
fn child(group: Group, known: Arc<Known>, mut random: Random, depth: usize) -> Lives {
    let counted = made(&known);
    Box::pin(async move {
        let _counted = counted;
        let _busy = Busy::begin(&known);
        known.wrong.fetch_add(known.over.load(SeqCst), SeqCst);
        for _ in 0..random.below(3) {
            match random.below(9) {
                0 => yield_now().await,
                1 => sleep(micros(&mut random, 300)).await,
                2 | 3 if depth > 0 => {
                    let next = child(group.clone(), known.clone(), random.fork(), depth - 1);
                    let handle = group.spawn(next);
                    match random.below(6) {
                        0 => handle.abort(),
                        1 => drop(handle.cancel("at random")),
                        _ => {}
                    }
                }
                4 if depth > 0 => {
                    let next = child(group.clone(), known.clone(), random.fork(), depth - 1);
                    // It may never get a place while this one has it.
                    drop(timeout(micros(&mut random, 200), group.wait_spawn(next)).await);
                }
                5 => {
                    let starting = group.start(service(&known, random.fork()));
                    drop(timeout(micros(&mut random, 300), starting).await);
                }
                6 => {
                    let part = sleep(micros(&mut random, 300));
                    let scope = CancelScope::with_timeout(micros(&mut random, 300));
                    match random.below(2) {
                        0 => drop(scope.run(CancelScope::shield(part)).await),
                        _ => drop(scope.run(part).await),
                    }
                }
                7 => {
                    with_grace(micros(&mut random, 300), async {
                        let _ = timeout(Duration::from_micros(200), cancelled()).await;
                    })
                    .await;
                }
                _ => {}
            }
        }
        match random.below(60) {
            0 => Err("at random"),
            1 => std::panic::resume_unwind(Box::new("at random")),
            2 => pending().await,
            _ => Ok(()),
        }
    })
}

/// A child that says when it is ready, or does not.
fn service(
    known: &Arc<Known>,
    mut random: Random,
) -> impl FnOnce(filch::group::Ready<u32, Error>) -> Lives + use<> {
    let counted = made(known);
    move |ready| {
        Box::pin(async move {
            let _counted = counted;
            match random.below(8) {
                0 => return Err("before it was ready"),
                1 => std::panic::resume_unwind(Box::new("before it was ready")),
                2 => return Ok(()),
                _ => {}
            }
            if random.below(2) == 0 {
                sleep(micros(&mut random, 300)).await;
            }
            let _ = ready.send(1);
            match random.below(4) {
                0 => cancelled().await,
                1 => sleep(micros(&mut random, 300)).await,
                _ => {}
            }
            Ok(())
        })
    }
}

fn run_group(rt: &Runtime, random: &mut Random) {
    let limit = if random.below(3) == 0 {
        usize::MAX
    } else {
        1 + random.below(4)
    };
    let known = Arc::new(Known {
        drops: Drops::default(),
        made: AtomicUsize::new(0),
        busy: AtomicUsize::new(0),
        limit,
        over: AtomicUsize::new(0),
        wrong: AtomicUsize::new(0),
    });
    let mut builder = Group::builder();
    if limit < usize::MAX {
        builder = builder.limit(limit);
    }
    if random.below(3) == 0 {
        builder = builder.grace(micros(random, 1000));
    }
    // Some children never end.
    builder = builder.deadline(Instant::now() + micros(random, 20_000));
    let (theirs, mut own) = (known.clone(), random.fork());
    let (tell, told) = async_channel::bounded(1);
    let scope = builder.scope(async move |group: Group| {
        tell.try_send(group.clone()).unwrap();
        for _ in 0..own.below(20) {
            let next = child(group.clone(), theirs.clone(), own.fork(), 3);
            match own.below(3) {
                0 => drop(group.wait_spawn(next).await),
                _ => drop(group.spawn(next)),
            }
            if own.below(5) == 0 {
                yield_now().await;
            }
        }
        Ok(())
    });
    let way = random.below(5);
    let wait = micros(random, 3000);
    let waits = wait;
    let group = match way {
        // The task is cancelled or aborted, the handle cancels, the future is dropped, or nothing happens.
        0 | 1 => {
            let task = rt.spawn(async move { drop(scope.await) });
            rt.block_on(async { sleep(wait).await });
            match way {
                0 => task.abort(),
                _ => drop(task.cancel("at random")),
            }
            let group = told.try_recv().ok();
            let _ = end(rt, task);
            group
        }
        2 => {
            let _ = rt.block_on(async { timeout(waits, scope).await });
            told.try_recv().ok()
        }
        _ => {
            let stops = rt.spawn(async move {
                let group: Group = told.recv().await.unwrap();
                sleep(waits).await;
                if way == 3 {
                    group.cancel("at random");
                }
                group
            });
            let _ = end(rt, scope);
            Some(end(rt, stops).unwrap())
        }
    };
    if let Some(group) = group {
        end(rt, group.ended());
        assert!(group.is_empty());
    }
    known.over.store(1, SeqCst);
    assert_eq!(
        known.wrong.load(SeqCst),
        0,
        "way {way}: too many run, or after the end"
    );
    assert_eq!(known.busy.load(SeqCst), 0, "way {way}");
    assert_eq!(
        known.drops.count(),
        known.made.load(SeqCst),
        "way {way}: a future is left"
    );
}

#[test]
fn whatever_becomes_of_a_group_its_limit_holds_and_nothing_is_left() {
    bounded(|| {
        let mut random = Random::from_env();
        let rt = multi(8);
        for _ in 0..many(400) {
            run_group(&rt, &mut random);
        }
    });
}

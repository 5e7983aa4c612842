//! Timers that are dropped where they were not set: whose code runs when their wakers go, and when.

use std::future::Future;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::task::{Context, Wake, Waker};

use filch::time::{Duration, Instant, Sleep, sleep};

mod common;
use common::{Probe, a_while, bounded, in_time, many, multi};

const HOUR: Duration = Duration::from_secs(3600);

/// The worker of another runtime does not come by to look: the timer is taken out at once.
#[test]
fn a_timer_that_the_worker_of_another_runtime_drops_is_taken_out_at_once() {
    bounded(|| {
        let (ours, theirs) = (multi(2), multi(2));
        let probe = Probe::new();
        let set = |duration| {
            // On the seat of threads that are no worker: another number than any worker's.
            let _entered = theirs.enter();
            let mut timer = Box::pin(sleep(duration));
            assert!(probe.poll(&mut timer).is_pending());
            timer
        };
        // With an earlier one set, none of the others wakes anybody.
        let _earlier = set(HOUR);
        for _ in 0..many(1_000) {
            let (timer, handle) = (set(2 * HOUR), theirs.handle().clone());
            let drops = ours.spawn(async move {
                let _entered = handle.enter();
                drop(timer);
            });
            ours.block_on(drops).unwrap();
            assert_eq!(probe.held(), 1);
        }
    });
}

/// A waker whose end waits for something, on whatever thread.
struct Slow {
    until: Mutex<mpsc::Receiver<()>>,
    /// It waited in vain.
    in_vain: Arc<AtomicBool>,
}

impl Wake for Slow {
    fn wake(self: Arc<Self>) {}
}

impl Drop for Slow {
    fn drop(&mut self) {
        let told = self.until.get_mut().unwrap().recv_timeout(a_while());
        self.in_vain.store(told.is_err(), Ordering::SeqCst);
    }
}

/// The waker of a timer that was cancelled is anybody's code, too: while it goes, another thread may have the poller.
#[test]
fn timers_come_while_the_waker_of_a_cancelled_one_goes() {
    bounded(|| {
        in_time(|ahead| {
            let rt = multi(2);
            let in_vain = Arc::new(AtomicBool::new(false));
            let (release, until) = mpsc::channel();
            let slow = Slow {
                until: Mutex::new(until),
                in_vain: in_vain.clone(),
            };
            let waker = Waker::from(Arc::new(slow));
            let (give, take) = mpsc::channel::<std::pin::Pin<Box<Sleep>>>();
            let (tells_drop, told_drop) = mpsc::channel();
            let (tells_end, told_end) = mpsc::channel::<()>();
            // One worker will drop the timer, and does not come by to look after that.
            let drops = rt.spawn(async move {
                let timer = take.recv().unwrap();
                told_drop.recv().unwrap();
                drop(timer);
                let dropped = Instant::now();
                told_end.recv().unwrap();
                dropped
            });
            let due = Instant::now() + 2 * ahead;
            // The other one sets it, and then waits in the poller until it is due.
            let sets = rt.spawn(async move {
                let mut timer = Box::pin(filch::time::sleep_until(due));
                let mut context = Context::from_waker(&waker);
                assert!(timer.as_mut().poll(&mut context).is_pending());
                give.send(timer).unwrap();
            });
            rt.block_on(sets).unwrap();
            std::thread::sleep(ahead);
            tells_drop.send(()).unwrap();
            rt.block_on(async { sleep(3 * ahead).await });
            release.send(()).unwrap();
            tells_end.send(()).unwrap();
            let dropped = rt.block_on(drops).unwrap();
            drop(rt);
            assert!(
                !in_vain.load(Ordering::SeqCst),
                "no timer came while it went"
            );
            (dropped < due).then_some(())
        });
    });
}

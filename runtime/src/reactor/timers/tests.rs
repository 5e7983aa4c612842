use super::super::elsewhere::MANY;
use super::*;

fn timers(seats: usize) -> Timers {
    Timers::new(seats, Arc::new(Clock::new(false)), Box::new(|| ()))
}

fn noop() -> Waker {
    Waker::noop().clone()
}

#[test]
fn a_wait_lasts_until_the_earliest_of_all_seats() {
    let all = timers(2);
    let now = Instant::now();
    let hour = Duration::from_secs(3600);
    let late = all.seat(0).set(now + hour, noop()).unwrap();
    all.seat(7).set(now + 2 * hour, noop()).unwrap();
    assert!(all.begin_wait().unwrap() <= hour);
    let past = all.seat(1).set(now, noop()).unwrap();
    assert!(all.any_due());
    assert_eq!(all.begin_wait(), Some(Duration::ZERO));
    let mut due = Vec::new();
    all.take_due(&mut due, &mut Vec::new());
    assert_eq!((due.len(), all.any_due()), (1, false));
    assert_eq!(all.seat(1).poll(past, Waker::noop()), Standing::Came);
    assert_eq!(all.seat(0).poll(late, Waker::noop()), Standing::Waits);
    all.end_wait();
    assert_eq!(all.close().len(), 2);
    assert!(all.begin_wait().is_none());
    assert_eq!(all.seat(1).set(now, noop()), Err(Closed));
    assert_eq!(all.seat(0).poll(late, Waker::noop()), Standing::Closed);
}

#[test]
fn a_turn_completes_a_bounded_number_and_begins_with_another_seat_each_time() {
    let all = timers(1);
    let now = Instant::now();
    for seat in 0..2 {
        for _ in 0..3 * PER_TURN {
            all.seat(seat).set(now, noop()).unwrap();
        }
    }
    for turn in 1..=6 {
        let mut due = Vec::new();
        all.take_due(&mut due, &mut Vec::new());
        assert!(due.len() <= PER_TURN, "{}", due.len());
        if turn == 2 {
            for seat in 0..2 {
                let left = all.seat(seat).table.lock().wheel.len();
                assert_eq!(left, 2 * PER_TURN, "seat {seat}");
            }
        }
    }
    assert!(!all.any_due() && all.begin_wait().is_none());
}

#[test]
fn a_stopped_clock_moves_to_timers_that_wait_and_to_no_other() {
    let all = Timers::new(1, Arc::new(Clock::new(true)), Box::new(|| ()));
    let start = all.clock().now();
    let hours = |n: u64| Duration::from_secs(3600 * n);
    let passed = |all: &Timers| {
        all.advance_to_earliest(&mut Vec::new());
        all.clock().now() - start
    };
    let gone = all.seat(0).set(start + hours(1), noop()).unwrap();
    all.seat(0).cancel(gone);
    assert_eq!(passed(&all), hours(0), "to a timer that was cancelled");
    let moved = all.seat(0).set(start + hours(2), noop()).unwrap();
    assert!(all.seat(0).move_to(moved, start + hours(4)));
    let gone = all.seat(1).set(start + hours(3), noop()).unwrap();
    all.seat(1).cancel(gone);
    assert_eq!(passed(&all), hours(4), "to where a timer was, or was not");
    all.close();
    all.clock().advance_to(NEVER);
    assert!(!all.any_due(), "nothing waits, whatever the time");
}

#[test]
fn only_a_new_earliest_deadline_is_told() {
    use std::sync::atomic::AtomicUsize;
    let told = Arc::new(AtomicUsize::new(0));
    let tell = told.clone();
    let notify = move || {
        tell.fetch_add(1, Ordering::Relaxed);
    };
    let all = Timers::new(1, Arc::new(Clock::new(false)), Box::new(notify));
    let told = || told.load(Ordering::Relaxed);
    let from_now = |secs| Instant::now() + Duration::from_secs(secs);
    all.seat(0).set(from_now(90), noop()).unwrap();
    assert_eq!(told(), 0, "nobody waits");
    assert!(all.begin_wait().is_some());
    let key = all.seat(0).set(from_now(100), noop()).unwrap();
    assert_eq!(told(), 0, "it is later");
    all.seat(0).cancel(key);
    let key = all.seat(0).set(from_now(80), noop()).unwrap();
    assert_eq!(told(), 1);
    assert!(all.seat(0).move_to(key, from_now(70)));
    assert_eq!(told(), 2);
    all.seat(1).set(from_now(60), noop()).unwrap();
    assert_eq!(told(), 3, "on another seat");
}

#[test]
fn what_another_worker_cancels_is_taken_out_by_the_dozen_or_by_a_look() {
    let all = timers(2);
    let hour = Instant::now() + Duration::from_secs(3600);
    let seat = all.seat(0);
    let waits = || seat.table.lock().wheel.len();
    let set = || seat.set(hour, noop()).unwrap();
    let leave = |count: usize| {
        for _ in 0..count {
            all.leave(seat.clone(), set());
        }
    };
    let _first = set();
    leave(MANY - 1);
    assert_eq!(waits(), MANY, "few are left where they are");
    leave(1);
    assert_eq!(waits(), MANY + 1);
    leave(1);
    assert_eq!(waits(), 2, "who sets a timer has gone through many");
    all.tidy_up();
    assert_eq!(waits(), 1, "a look goes through few");
    let keys: Vec<_> = (0..16 * MANY).map(|_| set()).collect();
    for key in keys {
        all.leave(seat.clone(), key);
    }
    assert_eq!(waits(), 1, "too many are gone through by who cancels");
    assert_eq!(Arc::strong_count(seat), 1);
}

#[test]
fn a_waker_that_panics_when_it_is_dropped_hurts_nobody_who_tidies_up() {
    struct Bomb;
    impl std::task::Wake for Bomb {
        fn wake(self: Arc<Self>) {}
    }
    impl Drop for Bomb {
        fn drop(&mut self) {
            panic!("a waker's drop panics: part of the test");
        }
    }
    let all = timers(1);
    let hour = Instant::now() + Duration::from_secs(3600);
    for _ in 0..2 {
        let key = all.seat(0).set(hour, Waker::from(Arc::new(Bomb))).unwrap();
        all.leave(all.seat(0).clone(), key);
    }
    all.tidy_up();
    assert_eq!(all.seat(0).table.lock().wheel.len(), 0);
}

#[test]
fn a_stopped_clock_does_not_move_to_what_another_worker_cancelled() {
    let all = Timers::new(1, Arc::new(Clock::new(true)), Box::new(|| ()));
    let start = all.clock().now();
    let key = all
        .seat(0)
        .set(start + Duration::from_secs(1), noop())
        .unwrap();
    all.leave(all.seat(0).clone(), key);
    all.advance_to_earliest(&mut Vec::new());
    assert_eq!(all.clock().now(), start);
}

#[test]
fn a_new_earliest_deadline_is_told_before_the_wakers_of_others_go() {
    use std::sync::atomic::AtomicUsize;
    /// Notes, when it goes, how often somebody was told.
    struct Looks {
        told: Arc<AtomicUsize>,
        saw: Arc<AtomicUsize>,
    }
    impl std::task::Wake for Looks {
        fn wake(self: Arc<Self>) {}
    }
    impl Drop for Looks {
        fn drop(&mut self) {
            let told = self.told.load(Ordering::Relaxed);
            self.saw.fetch_add(told, Ordering::Relaxed);
        }
    }
    let (told, saw) = (Arc::<AtomicUsize>::default(), Arc::<AtomicUsize>::default());
    let tell = told.clone();
    let notify = move || {
        tell.fetch_add(1, Ordering::Relaxed);
    };
    let all = Timers::new(1, Arc::new(Clock::new(false)), Box::new(notify));
    let now = Instant::now();
    let hours = |n: u64| now + Duration::from_secs(3600 * n);
    let looks = || {
        let (told, saw) = (told.clone(), saw.clone());
        Waker::from(Arc::new(Looks { told, saw }))
    };
    for _ in 0..MANY {
        let key = all.seat(0).set(hours(2), looks()).unwrap();
        all.leave(all.seat(0).clone(), key);
    }
    assert!(all.begin_wait().is_some());
    all.seat(0).set(hours(1), noop()).unwrap();
    assert_eq!(told.load(Ordering::Relaxed), 1);
    assert_eq!(saw.load(Ordering::Relaxed), MANY, "their drops may last");
}

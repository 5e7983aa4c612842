use super::*;
use loom::thread;

/// One thread sets a timer that is due and polls it, one turns the poller, one cancels a timer of this seat: what was
/// set comes out once, and what was cancelled not after that.
#[test]
fn a_timer_comes_or_is_cancelled_once() {
    loom::model(|| {
        let seat = Arc::new(Mutex::new(Wheel::new()));
        let key = seat.lock().insert(5, 1);
        let turn = {
            let seat = seat.clone();
            thread::spawn(move || {
                let mut due = Vec::new();
                let mut budget = PER_TURN;
                seat.lock().expire(5, &mut budget, |item| due.push(item));
                due
            })
        };
        let cancel = {
            let seat = seat.clone();
            thread::spawn(move || seat.lock().remove(key))
        };
        let second = seat.lock().insert(5, 2);
        let came_already = seat.lock().get(second).is_none();
        let (due, cancelled) = (turn.join().unwrap(), cancel.join().unwrap());
        let times = |item| due.iter().filter(|other| **other == item).count();
        assert_eq!(times(1), usize::from(cancelled.is_none()));
        let left = seat.lock().remove(second);
        assert_eq!(times(2), usize::from(left.is_none()));
        assert!(!came_already || left.is_none());
    });
}

/// Two seats, and a timer on the first that is due at the first moment.
fn timers() -> (Arc<Timers>, TimerKey) {
    let clock = Arc::new(Clock::new(false));
    let all = Timers::new(1, clock, Box::new(|| ()));
    let key = all
        .seat(0)
        .table
        .lock()
        .wheel
        .insert(0, Waker::noop().clone());
    (Arc::new(all), key)
}

/// One worker cancels a timer of another one's seat while a turn takes out what is due: it comes, or it does not, but not
/// after the turn could know. And nobody's hold on the seat is left behind.
#[test]
fn what_was_cancelled_elsewhere_does_not_come() {
    loom::model(|| {
        let (all, key) = timers();
        let done = Arc::new(AtomicUsize::new(0));
        let cancels = {
            let (all, done) = (all.clone(), done.clone());
            thread::spawn(move || {
                all.leave(all.seat(0).clone(), key);
                done.store(1, Ordering::Release);
            })
        };
        let was_cancelled = done.load(Ordering::Acquire) == 1;
        let (mut due, mut gone) = (Vec::new(), Vec::new());
        let seat = all.seat(0);
        seat.expire(1, &mut PER_TURN.clone(), &mut due, &mut gone);
        assert!(due.is_empty() || !was_cancelled, "it comes after all");
        cancels.join().unwrap();
        seat.expire(1, &mut PER_TURN.clone(), &mut due, &mut gone);
        drop(gone);
        assert!(due.len() <= 1);
        assert_eq!(Arc::strong_count(seat), 1);
    });
}

/// One worker cancels a timer of another one's seat while the reactor ends: what holds the seat goes.
#[test]
fn what_is_cancelled_elsewhere_at_the_end_is_not_kept() {
    loom::model(|| {
        let (all, key) = timers();
        let cancels = {
            let all = all.clone();
            thread::spawn(move || all.leave(all.seat(0).clone(), key))
        };
        let told = all.close().len();
        cancels.join().unwrap();
        assert!(told <= 1);
        assert_eq!(Arc::strong_count(all.seat(0)), 1);
    });
}

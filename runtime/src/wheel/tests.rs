//! The wheel alone, and against a sorted list.

use super::*;

/// As the tests of the crate `filch` have it (splitmix64).
struct Random(u64);

impl Random {
    fn from_env() -> Random {
        let now = || std::time::UNIX_EPOCH.elapsed().unwrap().as_nanos() as u64;
        let seed = std::env::var("FILCH_SEED").map_or_else(|_| now(), |s| s.parse().unwrap());
        println!("FILCH_SEED={seed}");
        Random(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut x = self.0;
        x = (x ^ (x >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        x = (x ^ (x >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        x ^ (x >> 31)
    }

    /// Of any size alike, from nanoseconds to centuries.
    fn span(&mut self) -> u64 {
        self.next() >> (self.next() % 64)
    }
}

fn expire_all(wheel: &mut Wheel<u64>, now: u64) -> Vec<u64> {
    let mut due = Vec::new();
    while !wheel.expire(now, &mut 3, |item| due.push(item)) {}
    due
}

#[test]
fn what_is_due_comes_at_its_nanosecond_in_order_and_the_rest_stays() {
    let mut wheel = Wheel::new();
    let later = wheel.insert(5_000_000_000, 3);
    wheel.insert(70_001, 2);
    wheel.insert(70_000, 1);
    assert_eq!(wheel.next(), Some(70_000));
    assert_eq!(expire_all(&mut wheel, 69_999), []);
    assert_eq!(expire_all(&mut wheel, 70_000), [1]);
    assert_eq!(wheel.next(), Some(70_001));
    assert_eq!(expire_all(&mut wheel, 1_000_000), [2]);
    assert_eq!(wheel.next(), Some(5_000_000_000));
    assert!(wheel.move_to(later, 2_000_000));
    assert_eq!(wheel.next(), Some(2_000_000));
    wheel.insert(0, 4);
    assert_eq!(expire_all(&mut wheel, 1_000_000), [4], "one that is past");
    assert_eq!(wheel.remove(later), Some(3));
    assert_eq!((wheel.remove(later), wheel.get(later)), (None, None));
    assert_eq!((wheel.next(), wheel.len()), (None, 0));
}

#[test]
fn the_end_of_the_numbers_is_a_moment_as_any_other() {
    let mut wheel = Wheel::new();
    wheel.insert(u64::MAX, 1);
    assert_eq!(expire_all(&mut wheel, u64::MAX - 1), []);
    assert_eq!(wheel.next(), Some(u64::MAX));
    assert_eq!(expire_all(&mut wheel, u64::MAX), [1]);
    wheel.insert(7, 2);
    assert_eq!(expire_all(&mut wheel, u64::MAX), [2]);
}

#[test]
fn a_step_is_bounded_however_many_are_due() {
    for at in [1, 5_000_000, 3_000_000_000] {
        let mut wheel = Wheel::new();
        let keys: Vec<_> = (0..10_000).map(|n| wheel.insert(at, n)).collect();
        let (mut due, mut steps) = (Vec::new(), 0);
        while !wheel.expire(at, &mut 100, |item| due.push(item)) {
            steps += 1;
            assert!(due.len() <= 100 * steps);
            assert!(wheel.next().unwrap() <= at, "there is more to do");
        }
        assert_eq!(due, (0..10_000).collect::<Vec<_>>(), "in order");
        assert!(steps >= 99);
        assert!(keys.iter().all(|key| wheel.get(*key).is_none()));
        assert!(wheel.pages.is_empty(), "the memory is given back");
    }
}

#[test]
fn a_crowded_tick_is_looked_at_before_it_ends() {
    let mut wheel = Wheel::new();
    for n in 0..1000 {
        wheel.insert(1000 + n, n);
    }
    let next = wheel.next().unwrap();
    assert!(next < 1 << TICK_BITS);
    let due = expire_all(&mut wheel, next);
    assert!(due.len() >= LOOKED_AT, "{}", due.len());
    // Where they all wait for one moment, it is that.
    let mut wheel = Wheel::new();
    for n in 0..1000 {
        wheel.insert(77_777, n);
    }
    assert_eq!(wheel.next(), Some(77_777));
    assert_eq!(expire_all(&mut wheel, 77_776), []);
    assert_eq!(expire_all(&mut wheel, 77_777).len(), 1000);
}

#[test]
fn an_exact_one_has_no_crowds() {
    for first in [0, 5_000_000_000] {
        let mut wheel = Wheel::new();
        wheel.be_exact();
        for n in (0..1000).rev() {
            wheel.insert(first + n, first + n);
        }
        for n in 0..1000 {
            assert_eq!(wheel.next(), Some(first + n));
            assert_eq!(expire_all(&mut wheel, first + n), [first + n]);
        }
    }
}

#[test]
fn what_came_at_once_comes_in_the_order_of_its_moments() {
    let mut wheel = Wheel::new();
    for at in [900, 100, 2_000_000, 500, 100, 70_000_000, 1_100_000] {
        wheel.insert(at, at);
    }
    let mut due = Vec::new();
    assert!(wheel.expire(100_000_000, &mut 100, |item| due.push(item)));
    assert_eq!(due, [100, 100, 500, 900, 1_100_000, 2_000_000, 70_000_000]);
}

/// The wheel against a list: random insertions, removals, moves and jumps of time, up to centuries.
#[test]
fn it_does_as_a_sorted_list_does() {
    let mut random = Random::from_env();
    for round in 0..200 {
        let mut wheel = Wheel::new();
        let is_exact = random.next() % 2 == 0;
        if is_exact {
            wheel.be_exact();
        }
        // Number, moment, key of what waits.
        let mut list: Vec<(u64, u64, Key)> = Vec::new();
        let mut gone: Vec<Key> = Vec::new();
        let mut now = random.span();
        // Long ones are where many spans differ, short ones where they are alike.
        let widest = 1 + random.next() % 63;
        let some = |random: &mut Random| random.span() & ((1 << widest) - 1);
        let mut number = 0;
        for _ in 0..500 {
            match random.next() % 8 {
                0..=3 => {
                    let at = match random.next() % 8 {
                        0 => now.saturating_sub(some(&mut random)),
                        1 => u64::MAX - some(&mut random),
                        _ => now.saturating_add(some(&mut random)),
                    };
                    list.push((number, at, wheel.insert(at, number)));
                    number += 1;
                }
                4 if !list.is_empty() => {
                    let n = random.next() as usize % list.len();
                    let (number, _, key) = list.swap_remove(n);
                    assert_eq!(wheel.remove(key), Some(number));
                    gone.push(key);
                }
                5 if !list.is_empty() => {
                    let n = random.next() as usize % list.len();
                    list[n].1 = now.saturating_add(some(&mut random));
                    assert!(wheel.move_to(list[n].2, list[n].1));
                }
                _ => {
                    now = match random.next() % 4 {
                        0 => wheel.next().unwrap_or(now).max(now),
                        _ => now.saturating_add(some(&mut random)),
                    };
                    let mut budget = random.next() as usize % 40;
                    let mut due = Vec::new();
                    let all = wheel.expire(now, &mut budget, |item| due.push(item));
                    for item in &due {
                        let n = list.iter().position(|(number, ..)| number == item);
                        let (_, at, key) = list.swap_remove(n.expect("it waited"));
                        assert!(at <= now, "round {round}: early by {}", at - now);
                        gone.push(key);
                    }
                    let late = list.iter().filter(|(_, at, _)| *at <= now).count();
                    // Of a crowded tick that is not over, some have to wait for another look.
                    let this_tick = list
                        .iter()
                        .filter(|(_, at, _)| at >> TICK_BITS <= now >> TICK_BITS);
                    assert!(
                        !all || late == 0 || !is_exact && this_tick.count() > LOOKED_AT,
                        "round {round}: {late} are late"
                    );
                }
            }
            assert_eq!(wheel.len(), list.len());
            if let Some(earliest) = list.iter().map(|(_, at, _)| *at).min() {
                // No crowded ticks here but by chance.
                let next = wheel.next().expect("something waits");
                let tick_end = (earliest | ((1 << TICK_BITS) - 1)).saturating_add(1);
                assert!(
                    next <= earliest.max(now)
                        || !is_exact && list.len() > LOOKED_AT && next <= tick_end,
                    "round {round}: {next} is after {earliest}"
                );
            } else {
                assert_eq!(wheel.next(), None);
            }
            assert!(gone.iter().all(|key| wheel.get(*key).is_none()));
        }
        let mut left = wheel.drain();
        left.sort_unstable();
        let mut listed: Vec<_> = list.iter().map(|(number, ..)| *number).collect();
        listed.sort_unstable();
        assert_eq!(left, listed);
        assert!(wheel.next().is_none() && wheel.len() == 0);
    }
}

/// Those that wait for one tick come in the order of their insertion, whatever wheels they came through.
#[test]
fn one_moment_is_first_in_first_out() {
    let mut random = Random::from_env();
    let at = random.span() | (1 << 20);
    let mut wheel = Wheel::new();
    let mut now = 0;
    for n in 0..300 {
        wheel.insert(at, n);
        now += (at - now) / 16;
        assert_eq!(expire_all(&mut wheel, now), []);
    }
    assert_eq!(expire_all(&mut wheel, at), (0..300).collect::<Vec<_>>());
}

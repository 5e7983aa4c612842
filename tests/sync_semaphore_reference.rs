//! `Semaphore` against a few lines that say what it does, by random steps.

use std::collections::VecDeque;
use std::task::Poll;

use filch::sync::{Semaphore, SemaphorePermit};

mod common;
#[path = "common/polled.rs"]
mod polled;
use common::{Random, many};
use polled::Polled;

/// A semaphore in a few lines: those who wait, with what they want and what they have.
#[derive(Default)]
struct Reference {
    free: usize,
    closed: bool,
    line: VecDeque<(usize, usize, usize)>,
    /// Who was woken, what they have, and whether that is all.
    told: Vec<(usize, usize, bool)>,
}

impl Reference {
    fn give(&mut self, mut count: usize) {
        while let Some((id, wants, has)) = self.line.front_mut() {
            let given = count.min(*wants - *has);
            *has += given;
            count -= given;
            if has < wants {
                return;
            }
            self.told.push((*id, *has, true));
            self.line.pop_front();
        }
        self.free += count;
    }

    /// True, false or waiting.
    fn acquire(&mut self, id: usize, wants: usize) -> Option<bool> {
        if self.closed {
            return Some(false);
        }
        if self.free >= wants {
            self.free -= wants;
            return Some(true);
        }
        self.line.push_back((id, wants, self.free));
        self.free = 0;
        None
    }

    /// It goes.
    fn forget(&mut self, id: usize) {
        if let Some(at) = self.line.iter().position(|waiter| waiter.0 == id) {
            let (_, _, has) = self.line.remove(at).unwrap();
            self.give(has);
        } else {
            let at = self.told.iter().position(|told| told.0 == id).unwrap();
            let (_, has, _) = self.told.remove(at);
            self.give(has);
        }
    }

    fn close(&mut self) {
        self.closed = true;
        for (id, _, has) in std::mem::take(&mut self.line) {
            self.told.push((id, has, false));
        }
    }
}

#[test]
fn it_does_what_the_reference_does() {
    let mut random = Random::from_env();
    for _ in 0..many(300) {
        let semaphore = Semaphore::new(4);
        let mut reference = Reference {
            free: 4,
            ..Reference::default()
        };
        let mut waiting = Vec::new();
        let mut held: Vec<SemaphorePermit<'_>> = Vec::new();
        for id in 0..200 {
            match random.below(12) {
                0..4 => {
                    let wants = random.below(6);
                    let mut polled = Polled::new(semaphore.acquire_many(wants as u32));
                    let expected = reference.acquire(id, wants);
                    match polled.poll() {
                        Poll::Ready(Ok(permit)) => {
                            assert_eq!(expected, Some(true));
                            held.push(permit);
                        }
                        Poll::Ready(Err(_)) => assert_eq!(expected, Some(false)),
                        Poll::Pending => {
                            assert_eq!(expected, None);
                            waiting.push((id, polled));
                        }
                    }
                }
                4..7 if !held.is_empty() => {
                    let permit = held.swap_remove(random.below(held.len()));
                    reference.give(permit.num_permits());
                    drop(permit);
                }
                7 => {
                    let count = random.below(3);
                    reference.give(count);
                    semaphore.add_permits(count);
                }
                8 => {
                    let count = random.below(2);
                    let gone = count.min(reference.free);
                    reference.free -= gone;
                    assert_eq!(semaphore.forget_permits(count), gone);
                }
                9 if !waiting.is_empty() => {
                    let (id, polled) = waiting.swap_remove(random.below(waiting.len()));
                    drop(polled);
                    reference.forget(id);
                }
                10 if !waiting.is_empty() => {
                    // Polled for nothing, or for what it has.
                    let at = random.below(waiting.len());
                    let (id, polled) = &mut waiting[at];
                    let (id, got) = (*id, polled.poll());
                    let told = reference.told.iter().position(|told| told.0 == id);
                    match (got, told) {
                        (Poll::Pending, None) => {}
                        (Poll::Ready(got), Some(told)) => {
                            let (_, has, has_all) = reference.told.remove(told);
                            assert_eq!(got.is_ok(), has_all && !reference.closed);
                            if got.is_err() {
                                reference.give(has);
                            }
                            held.extend(got);
                            waiting.swap_remove(at);
                        }
                        (_, told) => panic!("{id} should be told: {}", told.is_some()),
                    }
                }
                11 if random.below(40) == 0 => {
                    reference.close();
                    semaphore.close();
                }
                _ => {
                    let count = random.below(3);
                    let expected = !reference.closed && reference.free >= count;
                    let got = semaphore.try_acquire_many(count as u32);
                    assert_eq!(got.is_ok(), expected);
                    if let Ok(permit) = got {
                        reference.free -= count;
                        held.push(permit);
                    }
                }
            }
            assert_eq!(semaphore.available_permits(), reference.free);
            assert_eq!(semaphore.statistics().waiters, reference.line.len());
            for (id, polled) in &waiting {
                let told = reference.told.iter().any(|told| told.0 == *id);
                assert_eq!(polled.is_woken(), told, "{id}");
            }
        }
    }
}

//! `generator_next`: the next value of a generator, beside that of a plain iterator.
//!
//! Both count to 100,000 behind a `dyn Iterator`, so that neither is folded into the loop that asks. No runtime has a
//! part in it; the yardstick is the iterator, and a generator may take three times as long.
//! Not: `Generator`, which can also be sent to and thrown into (twice as long), or `SendGenerator` (six times).

use std::hint::black_box;
use std::io;
use std::time::Duration;

use filch::generator::{Yields, iter};

use crate::problem::{Contestant, Wrong, expect, ns_each};

pub(crate) const PEERS: &[&str] = &["filch", "iterator"];

const VALUES: u64 = 100_000;

/// Makes what is to be counted with.
struct Count(fn() -> Box<dyn Iterator<Item = u64>>);

impl Contestant for Count {
    fn round(&mut self, window: Duration) -> Result<f64, Wrong> {
        ns_each(window, || {
            let mut values = black_box((self.0)());
            let mut sum = 0;
            for value in &mut *values {
                sum += value;
            }
            expect("the sum of all values", VALUES * (VALUES - 1) / 2, sum)?;
            Ok(VALUES)
        })
    }
}

fn generator() -> Box<dyn Iterator<Item = u64>> {
    Box::new(iter(async |out: Yields<u64>| {
        for value in 0..black_box(VALUES) {
            out.yield_(value).await;
        }
    }))
}

pub(crate) fn enter(peer: &str, _workers: usize) -> io::Result<Box<dyn Contestant>> {
    Ok(Box::new(Count(match peer {
        "filch" => generator,
        "iterator" => || Box::new(0..black_box(VALUES)),
        _ => return Err(io::Error::other(format!("{peer} does not take part"))),
    })))
}

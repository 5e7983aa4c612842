//! All rows: what each is called, counted in, demanded to reach, and how long its runs are.

mod asyncio;
mod net;
mod sync;
mod tasks;
mod time;

use std::io;
use std::time::Duration;

use crate::problem::Contestant;

/// Which way a figure is good.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Better {
    Higher,
    Lower,
}

impl Better {
    pub(crate) fn word(self) -> &'static str {
        match self {
            Better::Higher => "higher",
            Better::Lower => "lower",
        }
    }

    /// How many times better `ours` is than `theirs`: more than 1 always means that ours is better.
    pub(crate) fn ratio(self, ours: f64, theirs: f64) -> f64 {
        match self {
            Better::Higher => ours / theirs,
            Better::Lower => theirs / ours,
        }
    }
}

/// How a row's runs are laid out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Layout {
    /// One process, every peer's runtime built once in it, runs interleaved after a warm-up.
    Together,
    /// A process for each run, because what another run leaves behind (threads, memory) would be in the figure.
    Apart,
}

/// The size of a row in one of the two modes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Size {
    pub(crate) rounds: u32,
    /// The length a run aims at.
    pub(crate) window: Duration,
}

pub(crate) struct Row {
    pub(crate) name: &'static str,
    pub(crate) unit: &'static str,
    pub(crate) better: Better,
    /// The least ratio filch : rival that the project demands of itself.
    pub(crate) floor: Option<f64>,
    pub(crate) about: &'static str,
    pub(crate) peers: &'static [&'static str],
    pub(crate) layout: Layout,
    pub(crate) full: Size,
    pub(crate) quick: Size,
    /// With fewer workers the row means nothing and is left out.
    pub(crate) least_workers: usize,
    pub(crate) enter: fn(peer: &str, workers: usize) -> io::Result<Box<dyn Contestant>>,
}

impl Row {
    /// Whom filch is compared with: tokio, where it takes part.
    pub(crate) fn rival(&self) -> &'static str {
        self.peers[1]
    }

    pub(crate) fn size(&self, quick: bool) -> Size {
        if quick { self.quick } else { self.full }
    }
}

/// Runs are long enough for thousands of operations, and the whole program stays below four minutes (`--quick`: 90 s).
const RUNS: Row = Row {
    name: "",
    unit: "ns/op",
    better: Better::Lower,
    floor: None,
    about: "",
    peers: &["filch", "tokio", "smol"],
    layout: Layout::Together,
    full: size(9, 100),
    quick: size(5, 40),
    least_workers: 1,
    enter: |peer, _| Err(io::Error::other(peer)),
};

const fn size(rounds: u32, window_ms: u64) -> Size {
    Size {
        rounds,
        window: Duration::from_millis(window_ms),
    }
}

const ROWS: [&[Row]; 5] = [
    tasks::ROWS,
    net::ROWS,
    time::ROWS,
    sync::ROWS,
    asyncio::ROWS,
];

/// All rows, in the order of the table.
pub(crate) fn all() -> impl Iterator<Item = &'static Row> {
    ROWS.into_iter().flatten()
}

pub(crate) fn find(name: &str) -> Option<&'static Row> {
    all().find(|row| row.name == name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn more_than_one_always_means_that_ours_is_better() {
        assert_eq!(Better::Lower.ratio(50.0, 100.0), 2.0);
        assert_eq!(Better::Higher.ratio(100.0, 50.0), 2.0);
    }

    #[test]
    fn each_name_stands_for_one_row() {
        for row in all() {
            assert_eq!(all().filter(|other| other.name == row.name).count(), 1);
            assert_eq!(row.peers[0], "filch", "{}", row.name);
            let has_tokio = row.peers.contains(&"tokio");
            assert_eq!(row.rival() == "tokio", has_tokio, "{}", row.name);
        }
    }
}

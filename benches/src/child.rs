//! The process that runs one row, and the words it speaks to its parent.
//!
//! A row has a process of its own, so that an engine that hangs or dies takes its row with it and nothing else, and so
//! that every row starts with fresh runtimes. The child interleaves the peers: round 0 warms up, then each round asks
//! every peer once, in an order that changes each time. One line on stdout for each step, see [`Word`].

use std::fmt;
use std::io::{self, Write};
use std::process::exit;
use std::thread;
use std::time::Duration;

use crate::problem::Wrong;
use crate::rows::find;

/// Between two runs, so that the threads of the last engine are asleep again. Unit: time.
const SETTLE: Duration = Duration::from_millis(10);

/// A warm-up run is this much shorter than one that counts.
const WARM_UP_SHARE: u32 = 4;

/// What the child is asked to do; travels as the arguments after `--child`.
pub(crate) struct Errand {
    pub(crate) row: String,
    pub(crate) peers: Vec<String>,
    pub(crate) warm_up: bool,
    pub(crate) rounds: u32,
    pub(crate) window: Duration,
    pub(crate) workers: usize,
}

impl Errand {
    pub(crate) fn to_args(&self) -> [String; 7] {
        [
            "--child".to_owned(),
            self.row.clone(),
            self.peers.join(","),
            self.warm_up.to_string(),
            self.rounds.to_string(),
            self.window.as_millis().to_string(),
            self.workers.to_string(),
        ]
    }

    /// Reads what stands after `--child`.
    pub(crate) fn from_args(args: &[String]) -> Option<Errand> {
        let [row, peers, warm_up, rounds, window, workers] = args else {
            return None;
        };
        Some(Errand {
            row: row.clone(),
            peers: peers.split(',').map(str::to_owned).collect(),
            warm_up: warm_up.parse().ok()?,
            rounds: rounds.parse().ok()?,
            window: Duration::from_millis(window.parse().ok()?),
            workers: workers.parse().ok()?,
        })
    }
}

/// One line from the child.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Word {
    /// The peer's run begins: from here on the parent's patience counts against it.
    Begin(String),
    /// The warm-up run has ended well.
    Warm(String),
    /// A run that counts, and its figure.
    Got(String, f64),
    /// The run's result was wrong, or the runtime did not start; the child's last word.
    Wrong(String, Wrong),
}

impl fmt::Display for Word {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Word::Begin(peer) => write!(f, "begin {peer}"),
            Word::Warm(peer) => write!(f, "warm {peer}"),
            Word::Got(peer, figure) => write!(f, "got {peer} {figure}"),
            Word::Wrong(peer, why) => write!(f, "wrong {peer} {}", why.replace('\n', " ")),
        }
    }
}

impl Word {
    pub(crate) fn read(line: &str) -> Option<Word> {
        let (verb, rest) = line.split_once(' ')?;
        let (peer, rest) = rest.split_once(' ').unwrap_or((rest, ""));
        let peer = peer.to_owned();
        Some(match verb {
            "begin" => Word::Begin(peer),
            "warm" => Word::Warm(peer),
            "got" => Word::Got(peer, rest.parse().ok()?),
            "wrong" => Word::Wrong(peer, rest.to_owned()),
            _ => return None,
        })
    }
}

/// Runs the errand and ends the process.
pub(crate) fn run(errand: &Errand) -> ! {
    // Whoever kills the parent must not be left with a hung child.
    #[cfg(target_os = "linux")]
    let _ = rustix::process::set_parent_process_death_signal(Some(rustix::process::Signal::KILL));
    // A panic anywhere, on a worker too, is the end of the row: the parent shows the message.
    let report = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        report(panic);
        exit(101);
    }));
    raise_file_limit();

    let Some(row) = find(&errand.row) else {
        eprintln!("--child: there is no row {:?}", errand.row);
        exit(2);
    };
    let mut contestants = Vec::new();
    for peer in &errand.peers {
        say(&Word::Begin(peer.clone()));
        match (row.enter)(peer, errand.workers) {
            Ok(contestant) => contestants.push((peer, contestant)),
            Err(e) => give_up(peer, format!("the runtime did not start: {e}")),
        }
    }
    let first = u32::from(!errand.warm_up);
    for round in first..=errand.rounds {
        for place in order(round as usize, contestants.len()) {
            let (peer, contestant) = &mut contestants[place];
            thread::sleep(SETTLE);
            say(&Word::Begin(peer.to_string()));
            let warm_up = round == 0;
            let window = if warm_up {
                errand.window / WARM_UP_SHARE
            } else {
                errand.window
            };
            match contestant.round(window) {
                Ok(_) if warm_up => say(&Word::Warm(peer.to_string())),
                Ok(figure) => say(&Word::Got(peer.to_string(), figure)),
                Err(why) => give_up(peer, why),
            }
        }
    }
    // At once: what the runtimes still hold (a million tasks) is nobody's concern any more.
    exit(0)
}

/// Who comes when in a round: everyone once, another first each time, and each second round the other way about, so
/// that nobody always follows the same peer.
fn order(round: usize, peers: usize) -> Vec<usize> {
    let mut order: Vec<_> = (0..peers).map(|place| (place + round) % peers).collect();
    if round % 2 == 1 {
        order.reverse();
    }
    order
}

fn give_up(peer: &str, why: Wrong) -> ! {
    say(&Word::Wrong(peer.to_owned(), why));
    exit(1)
}

fn say(word: &Word) {
    let mut out = io::stdout().lock();
    // Nobody listens any more: the parent has ended.
    if writeln!(out, "{word}").and_then(|()| out.flush()).is_err() {
        exit(1);
    }
}

/// 1,000 connections have 2,000 ends in this process, and many systems allow 1,024 files unless asked.
fn raise_file_limit() {
    use rustix::process::{Resource, getrlimit, setrlimit};
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    // Where this is refused, the rows that need more files will say so themselves.
    let _ = setrlimit(Resource::Nofile, limit);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_child_says_the_parent_reads() {
        for word in [
            Word::Begin("filch".into()),
            Word::Warm("tokio".into()),
            Word::Got("smol".into(), 12.5e-3),
            Word::Wrong("rayon".into(), "the sum: expected 1, got 2".into()),
        ] {
            assert_eq!(Word::read(&word.to_string()), Some(word));
        }
        assert_eq!(Word::read("some runtime's own chatter"), None);
    }

    #[test]
    fn an_errand_survives_the_command_line() {
        let errand = Errand {
            row: "echo_1".into(),
            peers: vec!["filch".into(), "smol".into()],
            warm_up: true,
            rounds: 9,
            window: Duration::from_millis(200),
            workers: 4,
        };
        let args = errand.to_args();
        assert_eq!(Errand::from_args(&args[1..]).unwrap().to_args(), args);
    }

    #[test]
    fn everyone_runs_once_a_round_and_nobody_is_always_first() {
        let mut firsts = [0; 3];
        for round in 1..=9 {
            let mut order = order(round, 3);
            firsts[order[0]] += 1;
            order.sort_unstable();
            assert_eq!(order, [0, 1, 2]);
        }
        assert!(firsts.iter().all(|&times| times >= 2), "{firsts:?}");
    }
}

//! Runs one row in child processes and collects what each peer achieved, or who failed and how.
//!
//! Promise: a peer that hangs, panics or answers something wrong ends its row, is named, and cannot hold up the rest.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

use crate::child::{Errand, Word};
use crate::rows::{Layout, Row, Size};

/// How long one run may be silent beyond its window. Generous: other work may share the machine.
const PATIENCE: Duration = Duration::from_secs(20);

/// Lines of a failed child's stderr that are shown.
const LAST_WORDS: usize = 12;

/// What a row's processes have left.
pub(crate) struct Outcome {
    /// In the order of the rounds; as far as the row came when `failure` is set.
    pub(crate) runs: BTreeMap<String, Vec<f64>>,
    pub(crate) failure: Option<Failure>,
}

/// Who failed, and how.
pub(crate) struct Failure {
    pub(crate) peer: String,
    pub(crate) why: String,
}

/// How many runs the row will report to `on_run`.
pub(crate) fn count_runs(row: &Row, peers: &[&str], size: Size) -> u64 {
    let warm_ups = u64::from(row.layout == Layout::Together);
    (u64::from(size.rounds) + warm_ups) * peers.len() as u64
}

/// Runs the row with those of its peers that are there; `on_run` hears of each run that has ended, warm-ups too.
pub(crate) fn run(
    row: &Row,
    peers: &[&str],
    size: Size,
    workers: usize,
    mut on_run: impl FnMut(),
) -> Outcome {
    let mut outcome = Outcome {
        runs: BTreeMap::new(),
        failure: None,
    };
    let errand = |peers: &[&str], warm_up, rounds| Errand {
        row: row.name.to_owned(),
        peers: peers.iter().map(|&peer| peer.to_owned()).collect(),
        warm_up,
        rounds,
        window: size.window,
        workers,
    };
    let errands = match row.layout {
        Layout::Together => vec![errand(peers, true, size.rounds)],
        Layout::Apart => (0..size.rounds as usize)
            .flat_map(|round| {
                (0..peers.len()).map(move |place| peers[(place + round) % peers.len()])
            })
            .map(|peer| errand(&[peer], false, 1))
            .collect(),
    };
    for errand in errands {
        if let Err(failure) = send(&errand, &mut outcome.runs, &mut on_run) {
            outcome.failure = Some(failure);
            break;
        }
    }
    outcome
}

/// Sends one child and listens to it until it ends.
fn send(
    errand: &Errand,
    runs: &mut BTreeMap<String, Vec<f64>>,
    on_run: &mut impl FnMut(),
) -> Result<(), Failure> {
    let mut peer = errand.peers[0].clone();
    let failed = |peer: &str, why: String| Failure {
        peer: peer.to_owned(),
        why,
    };
    let mut child = start(errand).map_err(|e| failed(&peer, format!("no child process: {e}")))?;
    let (words, complaints) = listen(&mut child);
    let patience = errand.window + PATIENCE;
    let mut begun = Instant::now();
    let problem = loop {
        let word = match words.recv_timeout(patience.saturating_sub(begun.elapsed())) {
            Ok(word) => word,
            Err(RecvTimeoutError::Disconnected) => break None,
            Err(RecvTimeoutError::Timeout) => {
                break Some(format!("hung: no result within {patience:?}"));
            }
        };
        match word {
            Word::Begin(who) => {
                peer = who;
                begun = Instant::now();
            }
            Word::Warm(_) => on_run(),
            Word::Got(who, figure) => {
                runs.entry(who).or_default().push(figure);
                on_run();
            }
            Word::Wrong(_, why) => break Some(why),
        }
    };
    // After a last word the child ends by itself; a hung one never would.
    let _ = child.kill();
    let status = child.wait();
    let problem = problem.or_else(|| match status {
        Ok(status) if status.success() => None,
        Ok(status) => Some(format!("the process ended with {status}")),
        Err(e) => Some(format!("the process is lost: {e}")),
    });
    let Some(mut why) = problem else {
        return Ok(());
    };
    let complaints = complaints.join().unwrap_or_default();
    let lines: Vec<_> = complaints.lines().collect();
    for line in &lines[lines.len().saturating_sub(LAST_WORDS)..] {
        why.push_str("\n    ");
        why.push_str(line);
    }
    Err(failed(&peer, why))
}

fn start(errand: &Errand) -> std::io::Result<Child> {
    Command::new(std::env::current_exe()?)
        .args(errand.to_args())
        // A failed row shows the last lines of stderr: they should be the message.
        .env("RUST_BACKTRACE", "0")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
}

/// Hears the child's words, and gathers what it prints on stderr for the case that it fails.
fn listen(child: &mut Child) -> (mpsc::Receiver<Word>, thread::JoinHandle<String>) {
    let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
    let (heard, words) = mpsc::channel();
    thread::spawn(move || {
        let lines = BufReader::new(stdout.expect("stdout is piped")).lines();
        for line in lines.map_while(Result::ok) {
            // What is no word is some runtime's own chatter.
            if Word::read(&line).is_some_and(|word| heard.send(word).is_err()) {
                return;
            }
        }
    });
    let complaints = thread::spawn(move || {
        let mut text = Vec::new();
        let _ = stderr.expect("stderr is piped").read_to_end(&mut text);
        String::from_utf8_lossy(&text).into_owned()
    });
    (words, complaints)
}

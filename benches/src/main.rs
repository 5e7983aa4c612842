//! filch against tokio, smol and rayon: one problem, every runtime, interleaved in one run.
//!
//! This file is the harness: it reads the plan, sends each row into a process of its own ([`contest`], [`child`]), and
//! reports. A problem is written once, generic over the [`engine`], and opens with what its figure is and is not.
//! Rules for fairness: same worker count, same allocator, same harness thread, one build with LTO; each runtime built
//! once for each row with its defaults and everything enabled; peers take turns run by run in a changing order, after
//! a warm-up; medians with their spread; every result checked.

mod args;
mod child;
mod contest;
mod engine;
mod facts;
mod problem;
mod python;
mod report;
mod rows;
mod stats;
mod tally;

mod accept_close;
mod asyncio;
mod asyncio_echo;
mod broadcast;
mod budget_fairness;
mod chained_spawn;
mod channel_relay;
mod channels;
mod echo;
#[cfg(target_os = "linux")]
mod echo_bare;
mod echo_blocked;
mod fanout_cpu;
mod generator_next;
mod idle_cpu;
mod interval_tick;
mod join_handles;
mod join_set;
mod locks;
mod mpmc;
mod mpsc;
mod one_thread;
mod oneshot;
mod ping_pong;
mod sleep_many;
mod spawn;
mod strands;
mod task_bytes;
mod task_group;
mod thread_bytes;
mod timeout_unfired;
mod timer_cancel_cross;
mod timer_lateness;
mod watch;
mod yield_many;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use indicatif::{ProgressBar, ProgressStyle};

use crate::args::{Plan, Wish};
use crate::child::Errand;
use crate::facts::Facts;
use crate::python::Installed;
use crate::report::{Line, Report};

fn main() -> ExitCode {
    let mut args: Vec<_> = std::env::args().skip(1).collect();
    if args.first().is_some_and(|arg| arg == "--child") {
        let Some(errand) = Errand::from_args(&args.split_off(1)) else {
            eprintln!("--child is how the program calls itself, not for you");
            return ExitCode::from(2);
        };
        child::run(&errand);
    }
    match args::read(args) {
        Ok(Wish::Help) => print!("{}", args::HELP),
        Ok(Wish::List) => list(),
        Ok(Wish::Run(plan)) => return run(plan),
        Err(mistake) => {
            eprintln!("filch-benches: {mistake}");
            return ExitCode::from(2);
        }
    }
    ExitCode::SUCCESS
}

fn list() {
    for row in rows::all() {
        let target = row.floor.map_or("–".to_owned(), |floor| floor.to_string());
        println!(
            "{:<24} {:<14} {:>6} is better, target {target:>4}   {}",
            row.name,
            row.unit,
            row.better.word(),
            row.about
        );
    }
}

fn run(plan: Plan) -> ExitCode {
    if cfg!(debug_assertions) {
        eprintln!("filch-benches: a debug build: these figures mean nothing, use --release");
    }
    // First the facts: afterwards, the load of the machine is our own.
    let installed = Installed::ask_for(&plan.rows);
    let facts = Facts::gather(&plan, &installed);
    let report = Report {
        facts,
        lines: contests(&plan, &installed),
        remark: installed.remark(&plan.rows),
    };
    print!("{}", report.table());
    match report.write(&folder(), plan.json) {
        Ok(files) => {
            for file in files {
                println!("wrote {}", file.display());
            }
        }
        Err(e) => {
            eprintln!("filch-benches: the report could not be written: {e}");
            return ExitCode::FAILURE;
        }
    }
    if report.failed() {
        eprintln!("filch-benches: an engine failed, see above");
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}

/// Row after row, with a progress bar on stderr; quiet when that is no terminal.
fn contests(plan: &Plan, installed: &Installed) -> Vec<Line> {
    let size = |row: &rows::Row| row.size(plan.quick);
    let runs = |row: &rows::Row| contest::count_runs(row, &installed.peers(row), size(row));
    let all_runs = plan.rows.iter().map(|row| runs(row)).sum();
    let style = ProgressStyle::with_template("{bar:32} {pos}/{len} runs, {elapsed} {msg}")
        .expect("the template is right");
    let bar = ProgressBar::new(all_runs).with_style(style);
    let mut lines = Vec::new();
    let mut before = 0;
    for row in &plan.rows {
        bar.set_message(row.name);
        let peers = installed.peers(row);
        let line = if plan.workers < row.least_workers {
            Line::left_out(row, format!("it needs {} workers", row.least_workers))
        } else if peers.is_empty() {
            Line::left_out(row, "there is no python3 to measure against".to_owned())
        } else {
            let outcome = contest::run(row, &peers, size(row), plan.workers, || bar.inc(1));
            Line::of(row, outcome)
        };
        // Also when the row ended early.
        before += runs(row);
        bar.set_position(before);
        bar.println(format!("{:<24} {}", row.name, line.verdict()));
        lines.push(line);
    }
    bar.finish_and_clear();
    lines
}

/// `target/bench`, wherever cargo's target folder is.
fn folder() -> PathBuf {
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(
        || workspace.canonicalize().unwrap_or(workspace).join("target"),
        PathBuf::from,
    );
    target.join("bench")
}

//! Where, when and with what the figures were taken: a figure without these is worth nothing.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::{SystemTime, UNIX_EPOCH};

use crate::args::Plan;
use crate::python::Installed;

/// The lock file of the workspace: it says which versions were built, and cannot be out of date.
const LOCK: &str = include_str!("../../Cargo.lock");

/// Packages whose version matters to a figure.
const PACKAGES: [&str; 9] = [
    "filch",
    "tokio",
    "smol",
    "async-executor",
    "async-io",
    "rayon",
    "async-channel",
    "crossbeam-deque",
    "polling",
];

pub(crate) struct Facts {
    pub(crate) machine: String,
    pub(crate) cpus: usize,
    /// The system's load average when the run began: how much other work the figures shared the machine with.
    pub(crate) load: Option<f64>,
    /// UTC, ISO 8601.
    pub(crate) date: String,
    pub(crate) versions: Vec<(String, String)>,
    pub(crate) workers: usize,
    pub(crate) quick: bool,
}

impl Facts {
    pub(crate) fn gather(plan: &Plan, installed: &Installed) -> Facts {
        let mut versions: Vec<_> = PACKAGES
            .iter()
            .filter_map(|name| Some((name.to_string(), locked(name)?)))
            .collect();
        let rustc = said_by("rustc", &["--version"]);
        versions.extend(rustc.map(|said| ("rustc".into(), said.replace("rustc ", ""))));
        let Installed { python, uvloop } = installed;
        let pythons = [("python", python), ("uvloop", uvloop)].into_iter();
        versions.extend(pythons.filter_map(|(name, it)| Some((name.into(), it.clone()?))));
        versions.extend(commit().map(|commit| ("commit".into(), commit)));
        Facts {
            machine: machine(cpus()),
            cpus: cpus(),
            load: load(),
            date: date(SystemTime::now()),
            versions,
            workers: plan.workers,
            quick: plan.quick,
        }
    }

    /// One line for people.
    pub(crate) fn line(&self) -> String {
        let size = if self.quick { ", quick run" } else { "" };
        let load = self
            .load
            .map_or(String::new(), |load| format!(", load {load} at the start"));
        format!(
            "{}{load}; {}; workers of every runtime: {}{size}",
            self.machine, self.date, self.workers
        )
    }

    /// Whether more wanted to run when the run began than there are CPUs to run it.
    pub(crate) fn is_busy(&self) -> bool {
        self.load.is_some_and(|load| load > self.cpus as f64)
    }

    /// What to say of a machine that was busy.
    pub(crate) fn load_warning(&self) -> Option<String> {
        let load = self.load.filter(|_| self.is_busy())?;
        Some(format!(
            "The machine was busy: load {load} at the start, on {} CPUs. Take no figure of this run for more than a hint.",
            self.cpus
        ))
    }

    pub(crate) fn versions_line(&self) -> String {
        let each: Vec<_> = self
            .versions
            .iter()
            .map(|(name, version)| format!("{name} {version}"))
            .collect();
        each.join(", ")
    }
}

fn locked(name: &str) -> Option<String> {
    let entry = LOCK.split_once(&format!("name = \"{name}\"\nversion = \""))?;
    Some(entry.1.split_once('"')?.0.to_owned())
}

fn cpus() -> usize {
    std::thread::available_parallelism().map_or(1, |n| n.get())
}

fn machine(cpus: usize) -> String {
    let read = |path| fs::read_to_string(path).unwrap_or_default();
    let after_colon = |text: &str, key: &str| {
        let line = text.lines().find(|line| line.starts_with(key))?;
        Some(line.split_once(':')?.1.trim().to_owned())
    };
    let cpuinfo = read("/proc/cpuinfo");
    let cpu = after_colon(&cpuinfo, "model name").unwrap_or_else(|| std::env::consts::ARCH.into());
    let mut parts = vec![cpu, format!("{cpus} CPUs")];
    let memory = after_colon(&read("/proc/meminfo"), "MemTotal")
        .and_then(|text| text.strip_suffix(" kB")?.parse::<u64>().ok());
    parts.extend(memory.map(|kib| format!("{:.0} GiB", kib as f64 / 1_048_576.0)));
    let release = read("/proc/sys/kernel/osrelease");
    parts.push(
        format!("{} {}", std::env::consts::OS, release.trim())
            .trim()
            .to_owned(),
    );
    parts.join(", ")
}

fn load() -> Option<f64> {
    let text = fs::read_to_string("/proc/loadavg").ok()?;
    text.split_whitespace().next()?.parse().ok()
}

/// The commit that was measured; `+` when the work tree had changes that it does not contain.
fn commit() -> Option<String> {
    let hash = said_by("git", &["rev-parse", "--short", "HEAD"])?;
    let changed = said_by("git", &["status", "--porcelain"]).is_some_and(|text| !text.is_empty());
    Some(if changed { hash + "+" } else { hash })
}

/// What a tool prints; `None` where it is missing or fails, since a report without it is still a report.
fn said_by(tool: &str, args: &[&str]) -> Option<String> {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut command = Command::new(tool);
    if here.is_dir() {
        command.current_dir(here);
    }
    let output = command.args(args).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    output.status.success().then(|| text.trim().to_owned())
}

/// As 2026-01-31T12:34:56Z.
fn date(now: SystemTime) -> String {
    let seconds = now
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_secs());
    let (days, second) = (seconds / 86_400, seconds % 86_400);
    // Counted in years that begin on 1 March, so that the leap day is the last of its year (Howard Hinnant's
    // `civil_from_days`); day 0 is 0000-03-01, and an era is 400 years.
    let days = days + 719_468;
    let (era, day_of_era) = (days / 146_097, days % 146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = (month_from_march + 2) % 12 + 1;
    let year = era * 400 + year_of_era + u64::from(month <= 2);
    let (hour, minute, second) = (second / 3_600, second / 60 % 60, second % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn dates_are_right_around_leap_days_and_years() {
        let at = |seconds| date(UNIX_EPOCH + Duration::from_secs(seconds));
        assert_eq!(at(0), "1970-01-01T00:00:00Z");
        assert_eq!(at(951_782_399), "2000-02-28T23:59:59Z");
        assert_eq!(at(951_782_400), "2000-02-29T00:00:00Z");
        assert_eq!(at(1_735_689_599), "2024-12-31T23:59:59Z");
        assert_eq!(at(1_735_689_600), "2025-01-01T00:00:00Z");
    }

    #[test]
    fn the_lock_file_knows_who_was_measured() {
        for name in PACKAGES {
            assert!(locked(name).is_some(), "{name} is not in Cargo.lock");
        }
    }
}

//! The Python that rows are measured against: whether there is one, with which loops, and how a script is run in it.
//!
//! CPython runs as a child, `python3 -c`, once for each run; the child measures itself, so that its start is not in the
//! figure. uvloop takes part where `python3` can import it: the same scripts on the loop that it makes.

use std::process::Command;
use std::time::Duration;

use crate::problem::{Contestant, Wrong};
use crate::rows::Row;

pub(crate) const ASYNCIO: &str = "asyncio";
pub(crate) const UVLOOP: &str = "uvloop";

/// Whom a row about the loop has: uvloop replaces the loop.
pub(crate) const PEERS: &[&str] = &["filch", ASYNCIO, UVLOOP];

/// Whom a row has in which no loop matters: uvloop's tasks and futures are asyncio's own.
pub(crate) const WITHOUT_LOOP: &[&str] = &["filch", ASYNCIO];

/// The versions that are installed.
#[derive(Default)]
pub(crate) struct Installed {
    pub(crate) python: Option<String>,
    pub(crate) uvloop: Option<String>,
}

impl Installed {
    /// Asks `python3`, if one of the rows needs it.
    pub(crate) fn ask_for(rows: &[&Row]) -> Installed {
        if !rows.iter().any(|row| needs_python(row)) {
            return Installed::default();
        }
        let python = said("import asyncio, platform; print(platform.python_version())");
        let uvloop = python.as_ref().and_then(|_| {
            // That it can be imported and gives a loop is what counts.
            said("import uvloop; uvloop.new_event_loop().close(); print(uvloop.__version__)")
        });
        Installed { python, uvloop }
    }

    /// Those who take part in the row. None of them if it cannot be run.
    pub(crate) fn peers(&self, row: &Row) -> Vec<&'static str> {
        if needs_python(row) && self.python.is_none() {
            return Vec::new();
        }
        let is_there = |peer: &&str| *peer != UVLOOP || self.uvloop.is_some();
        row.peers.iter().copied().filter(is_there).collect()
    }

    /// What to say of a run that would have had uvloop: one sentence for all its rows.
    pub(crate) fn remark(&self, rows: &[&Row]) -> Option<String> {
        let wanted = rows.iter().any(|row| row.peers.contains(&UVLOOP));
        let is_missing = wanted && self.python.is_some() && self.uvloop.is_none();
        is_missing.then(|| {
            "there is no uvloop for python3: the rows about the event loop were measured against asyncio's own loop alone"
                .to_owned()
        })
    }
}

fn needs_python(row: &Row) -> bool {
    row.peers.contains(&ASYNCIO)
}

/// What a script prints; none if it fails, or there is no python3.
fn said(script: &str) -> Option<String> {
    let output = Command::new("python3").args(["-c", script]).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    (output.status.success() && !text.trim().is_empty()).then(|| text.trim().to_owned())
}

/// Prints one figure. It has `WINDOW`, in seconds, and a loop of the peer's as `loop`.
struct Script {
    peer: &'static str,
    text: String,
}

/// A script for `peer`.
pub(crate) fn script(peer: &str, text: impl Into<String>) -> Box<dyn Contestant> {
    let peer = if peer == UVLOOP { UVLOOP } else { ASYNCIO };
    let text = text.into();
    Box::new(Script { peer, text })
}

impl Contestant for Script {
    fn round(&mut self, window: Duration) -> Result<f64, Wrong> {
        let Script { peer, text } = self;
        let window = window.as_secs_f64();
        let script = format!(
            "WINDOW = {window}\nimport asyncio, time, {peer}\nloop = {peer}.new_event_loop()\n{text}"
        );
        let python = Command::new("python3").args(["-c", &script]).output();
        let output = python.map_err(|e| format!("python3: {e}"))?;
        let said = String::from_utf8_lossy(&output.stdout);
        said.trim().parse().map_err(|_| {
            let errors = String::from_utf8_lossy(&output.stderr);
            format!("python3 says {said:?}, {errors}")
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rows::find;

    fn installed(python: Option<&str>, uvloop: Option<&str>) -> Installed {
        let [python, uvloop] = [python, uvloop].map(|version| version.map(str::to_owned));
        Installed { python, uvloop }
    }

    #[test]
    fn those_take_part_who_are_installed() {
        let [sleep, bytes, echo] = ["asyncio_sleep0", "asyncio_task_bytes", "echo_1"]
            .map(|name| find(name).expect("there is such a row"));
        let all = installed(Some("3.13.0"), Some("0.23.0"));
        assert_eq!(all.peers(sleep), ["filch", "asyncio", "uvloop"]);
        assert_eq!(all.peers(bytes), ["filch", "asyncio"]);
        assert_eq!(all.remark(&[sleep]), None);

        let without_uvloop = installed(Some("3.13.0"), None);
        assert_eq!(without_uvloop.peers(sleep), ["filch", "asyncio"]);
        assert!(without_uvloop.remark(&[bytes, sleep]).is_some());
        assert_eq!(without_uvloop.remark(&[bytes, echo]), None);

        let none = installed(None, None);
        assert!(none.peers(sleep).is_empty());
        assert_eq!(none.remark(&[sleep]), None);
        assert_eq!(none.peers(echo), echo.peers);
    }
}

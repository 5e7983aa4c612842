//! What a run has shown, and the four forms it leaves in: table, JSON, chart, page.
//!
//! Promise: a loss, a missed target, a failure is shown as plainly as a win, in every form.

mod chart;
mod page;
mod table;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::{fs, io};

use serde_json::{Map, Value, json};

use crate::contest::{Failure, Outcome};
use crate::facts::Facts;
use crate::rows::Row;
use crate::stats::{Summary, quartiles};

pub(crate) struct Report {
    pub(crate) facts: Facts,
    pub(crate) lines: Vec<Line>,
    /// What is to be said of all rows of a kind.
    pub(crate) remark: Option<String>,
}

/// One row with its figures.
pub(crate) struct Line {
    row: &'static Row,
    peers: BTreeMap<String, Summary>,
    /// filch : its rival, which is tokio where it takes part, by medians. `None` when either is missing or the row failed.
    ratio: Option<f64>,
    /// Quartiles of the same ratio taken round by round.
    ratio_quartiles: Option<[f64; 2]>,
    trouble: Option<Trouble>,
}

/// A row whose runs spread further says little: something else took the machine's time, or the problem has two speeds.
/// Unit: percent of the median, between the quartiles. Half of the targets are leads of no more than that.
const WIDE: f64 = 30.0;

/// Why a row has no ratio.
enum Trouble {
    Failed(Failure),
    LeftOut(String),
}

impl Line {
    pub(crate) fn of(row: &'static Row, outcome: Outcome) -> Line {
        let runs = |peer: &str| outcome.runs.get(peer).map_or(&[][..], Vec::as_slice);
        let peers: BTreeMap<_, _> = outcome
            .runs
            .iter()
            .filter_map(|(peer, runs)| Some((peer.clone(), Summary::of(runs)?)))
            .collect();
        let (mut ratio, mut ratio_quartiles) = (None, None);
        if outcome.failure.is_none() {
            if let (Some(filch), Some(rival)) = (peers.get("filch"), peers.get(row.rival())) {
                ratio = Some(row.better.ratio(filch.median, rival.median));
            }
            let pairs = runs("filch").iter().zip(runs(row.rival()));
            let by_round: Vec<_> = pairs.map(|(&f, &t)| row.better.ratio(f, t)).collect();
            ratio_quartiles = quartiles(&by_round);
        }
        Line {
            row,
            peers,
            ratio,
            ratio_quartiles,
            trouble: outcome.failure.map(Trouble::Failed),
        }
    }

    pub(crate) fn left_out(row: &'static Row, why: String) -> Line {
        Line {
            row,
            peers: BTreeMap::new(),
            ratio: None,
            ratio_quartiles: None,
            trouble: Some(Trouble::LeftOut(why)),
        }
    }

    /// Whether the ratio is below what the project demands of itself.
    fn misses_target(&self) -> bool {
        matches!((self.ratio, self.row.floor), (Some(ratio), Some(floor)) if ratio < floor)
    }

    /// Whether the runs of filch, or of the rival it is compared with, spread so far that the ratio says little.
    fn is_shaky(&self) -> bool {
        let compared = ["filch", self.row.rival()];
        let mut peers = compared.iter().filter_map(|&peer| self.peers.get(peer));
        peers.any(|summary| summary.spread > WIDE)
    }

    /// In a few words: the ratio, or why there is none.
    pub(crate) fn verdict(&self) -> String {
        match (&self.trouble, self.ratio) {
            (Some(Trouble::Failed(failure)), _) => format!("FAILED ({})", failure.peer),
            (Some(Trouble::LeftOut(_)), _) => "left out".to_owned(),
            (None, Some(ratio)) => {
                let mark = if self.is_shaky() { "~ " } else { "" };
                format!("{mark}{}", figure(ratio))
            }
            (None, None) => "no ratio".to_owned(),
        }
    }

    /// A sentence for the notes below the table.
    fn note(&self) -> Option<String> {
        let name = self.row.name;
        Some(match self.trouble.as_ref()? {
            Trouble::Failed(failure) => format!("{name}: {}: {}", failure.peer, failure.why),
            Trouble::LeftOut(why) => format!("{name} was left out: {why}"),
        })
    }

    fn to_json(&self) -> Value {
        let row = self.row;
        let mut line = Map::new();
        let mut put = |key: &str, value: Value| line.insert(key.to_owned(), value);
        put("name", row.name.into());
        put("about", row.about.into());
        put("unit", row.unit.into());
        put("better", row.better.word().into());
        put("rival", row.rival().into());
        put("filch", Value::Null);
        put("tokio", Value::Null);
        put("smol", Value::Null);
        for (peer, summary) in &self.peers {
            put(peer, summary.median.into());
        }
        put("ratio", json!(self.ratio));
        put("ratio_quartiles", json!(self.ratio_quartiles));
        put("floor", json!(row.floor));
        put("missed", self.misses_target().into());
        put("shaky", self.is_shaky().into());
        let each = |what: fn(&Summary) -> Value| {
            let values = self.peers.iter().map(|(peer, s)| (peer.clone(), what(s)));
            Value::Object(values.collect())
        };
        put("spread", each(|s| s.spread.into()));
        put("range", each(|s| json!([s.low, s.high])));
        put("runs", each(|s| json!(s.runs)));
        put("trouble", json!(self.note()));
        Value::Object(line)
    }
}

impl Report {
    /// Whether an engine failed somewhere: wrong result, panic or hang.
    pub(crate) fn failed(&self) -> bool {
        let failed = |line: &Line| matches!(line.trouble, Some(Trouble::Failed(_)));
        self.lines.iter().any(failed)
    }

    pub(crate) fn table(&self) -> String {
        table::draw(self)
    }

    fn notes(&self) -> impl Iterator<Item = String> {
        let notes = self.lines.iter().filter_map(Line::note);
        notes.chain(self.remark.clone())
    }

    /// What makes the figures doubtful: rows that spread, and a machine that had other work. The load comes last, since it
    /// concerns them all.
    fn warnings(&self) -> impl Iterator<Item = String> {
        let shaky: Vec<_> = self.lines.iter().filter(|line| line.is_shaky()).collect();
        let shaky = shaky.iter().map(|line| line.row.name).collect::<Vec<_>>();
        let spread = (!shaky.is_empty()).then(|| {
            let names = shaky.join(", ");
            format!(
                "~ the runs spread over more than {WIDE:.0} %, so the ratio says little: {names}"
            )
        });
        spread.into_iter().chain(self.facts.load_warning())
    }

    fn to_json(&self) -> Value {
        let facts = &self.facts;
        let versions = facts.versions.iter();
        let versions = versions.map(|(name, version)| (name.clone(), version.as_str().into()));
        json!({
            "machine": facts.machine,
            "load": facts.load,
            "cpus": facts.cpus,
            "busy": facts.is_busy(),
            "warnings": self.warnings().collect::<Vec<_>>(),
            "date": facts.date,
            "versions": Value::Object(versions.collect()),
            "workers": facts.workers,
            "quick": facts.quick,
            "remark": self.remark,
            "ratio": "filch : tokio, more than 1 means that filch is better",
            "spread": "distance between the quartiles in percent of the median",
            "rows": self.lines.iter().map(Line::to_json).collect::<Vec<_>>(),
        })
    }

    /// Writes all files and answers their names.
    pub(crate) fn write(&self, folder: &Path, json: Option<PathBuf>) -> io::Result<Vec<PathBuf>> {
        let chart = chart::draw(self);
        let files = [
            (
                json.unwrap_or_else(|| folder.join("results.json")),
                format!("{:#}\n", self.to_json()),
            ),
            (folder.join("index.html"), page::draw(self, &chart)),
            (folder.join("chart.svg"), chart),
        ];
        let mut names = Vec::new();
        for (name, text) in files {
            let folder = name.parent().unwrap_or(folder);
            fs::create_dir_all(folder)
                .and_then(|()| fs::write(&name, text))
                .map_err(|e| io::Error::new(e.kind(), format!("{}: {e}", name.display())))?;
            names.push(name);
        }
        Ok(names)
    }
}

/// A figure in three or four digits that count, thousands grouped.
fn figure(value: f64) -> String {
    let decimals = match value.abs() {
        v if v >= 99.95 => 0,
        v if v >= 9.995 => 1,
        _ => 2,
    };
    let text = format!("{value:.decimals$}");
    let whole = text.find('.').unwrap_or(text.len());
    let mut grouped = String::new();
    for (place, digit) in text.char_indices() {
        if place > 0 && place < whole && (whole - place) % 3 == 0 {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

/// Text for XML and HTML.
fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rows::find;

    fn line(filch: &[f64], tokio: &[f64], failure: Option<Failure>) -> Line {
        let runs = [("filch", filch), ("tokio", tokio)];
        let runs = runs
            .map(|(peer, runs)| (peer.to_owned(), runs.to_vec()))
            .into();
        Line::of(find("spawn_local").unwrap(), Outcome { runs, failure })
    }

    #[test]
    fn figures_are_short_and_grouped() {
        let figures = [0.004, 1.0, 12.34, 123.4, 1_234.5, 1_234_567.0].map(figure);
        assert_eq!(
            figures,
            ["0.00", "1.00", "12.3", "123", "1,234", "1,234,567"]
        );
    }

    #[test]
    fn a_ratio_below_the_target_is_a_miss() {
        assert!(line(&[100.0], &[149.0], None).misses_target());
        assert!(!line(&[100.0], &[150.0], None).misses_target());
    }

    #[test]
    fn a_row_whose_runs_spread_is_marked() {
        let calm = line(&[100.0, 101.0, 102.0], &[200.0, 201.0, 202.0], None);
        let loud = line(&[100.0, 101.0, 102.0], &[150.0, 200.0, 350.0], None);
        assert_eq!((calm.is_shaky(), &calm.verdict()[..]), (false, "1.99"));
        assert_eq!((loud.is_shaky(), &loud.verdict()[..]), (true, "~ 1.98"));
        assert_eq!(loud.to_json()["shaky"], true);
    }

    /// A report of one row, on a machine with two CPUs.
    fn report(load: f64, line: Line) -> Report {
        let facts = Facts {
            machine: "a machine".into(),
            cpus: 2,
            load: Some(load),
            date: "2026-01-31T12:34:56Z".into(),
            versions: Vec::new(),
            workers: 2,
            quick: true,
        };
        Report {
            facts,
            lines: vec![line],
            remark: None,
        }
    }

    #[test]
    fn every_form_ends_with_a_warning_if_the_machine_was_busy() {
        let calm = || line(&[100.0], &[200.0], None);
        let busy = report(11.23, calm());
        let warning = busy.facts.load_warning().unwrap();
        assert!(warning.contains("11.23"), "{warning}");
        let last = |text: &str| text.trim_end().lines().last().map(str::to_owned);
        assert_eq!(last(&busy.table()), Some(warning.clone()));
        assert!(page::draw(&busy, "").contains(&escape(&warning)));
        assert_eq!(busy.to_json()["busy"], true);
        assert_eq!(busy.to_json()["warnings"], json!([warning]));

        let idle = report(2.0, calm());
        assert_eq!(idle.facts.load_warning(), None);
        assert_eq!(idle.to_json()["warnings"], json!([]));
        assert!(!page::draw(&idle, "").contains(&warning));
    }

    #[test]
    fn every_form_names_the_rows_that_spread() {
        let loud = line(&[100.0, 101.0, 102.0], &[150.0, 200.0, 350.0], None);
        let report = report(0.5, loud);
        let warning = report.warnings().next().unwrap();
        assert!(warning.ends_with(": spawn_local"), "{warning}");
        assert!(report.table().contains(&warning));
        assert!(page::draw(&report, "").contains(&escape(&warning)));
        assert_eq!(report.to_json()["warnings"], json!([warning]));
    }

    #[test]
    fn every_form_has_what_is_to_be_said_of_all_rows_of_a_kind() {
        let mut report = report(0.5, line(&[100.0], &[200.0], None));
        report.remark = Some("tea is <out>".to_owned());
        assert!(report.table().contains("\n! tea is <out>\n"));
        assert!(page::draw(&report, "").contains("tea is &lt;out&gt;"));
        assert_eq!(report.to_json()["remark"], "tea is <out>");
    }

    #[test]
    fn a_failed_row_has_no_ratio_even_if_figures_exist() {
        let failure = Failure {
            peer: "filch".into(),
            why: "hung".into(),
        };
        let line = line(&[100.0], &[200.0], Some(failure));
        assert_eq!(line.ratio, None);
        assert_eq!(line.to_json()["trouble"], "spawn_local: filch: hung");
        assert_eq!(line.to_json()["tokio"], 200.0);
        assert_eq!(line.to_json()["smol"], Value::Null);
    }
}

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

    /// In a few words: the ratio, or why there is none.
    pub(crate) fn verdict(&self) -> String {
        match (&self.trouble, self.ratio) {
            (Some(Trouble::Failed(failure)), _) => format!("FAILED ({})", failure.peer),
            (Some(Trouble::LeftOut(_)), _) => "left out".to_owned(),
            (None, Some(ratio)) => figure(ratio),
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
        self.lines.iter().filter_map(Line::note)
    }

    fn to_json(&self) -> Value {
        let facts = &self.facts;
        let versions = facts.versions.iter();
        let versions = versions.map(|(name, version)| (name.clone(), version.as_str().into()));
        json!({
            "machine": facts.machine,
            "load": facts.load,
            "date": facts.date,
            "versions": Value::Object(versions.collect()),
            "workers": facts.workers,
            "quick": facts.quick,
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

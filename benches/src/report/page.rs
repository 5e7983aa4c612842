//! The page: chart and table with all that is needed to judge them, in one file that needs no other.

use std::fmt::Write;

use super::{Line, Report, escape, figure};

const STYLE: &str = "
body { font: 15px/1.5 system-ui, sans-serif; max-width: 70rem; margin: 2rem auto; padding: 0 1rem; color: #222; background: #fff; }
svg { max-width: 100%; height: auto; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
th, td { padding: .3rem .7rem; text-align: right; border-bottom: 1px solid #ddd; vertical-align: top; white-space: nowrap; }
th:first-child, td:first-child { text-align: left; white-space: normal; }
td small { color: #666; display: block; }
.win { color: #2f6fab; font-weight: 600; }
.loss { color: #d2601a; font-weight: 600; }
pre { white-space: pre-wrap; color: #d2601a; }
";

pub(super) fn draw(report: &Report, chart: &str) -> String {
    let mut html = String::new();
    let mut put = |text: String| writeln!(html, "{text}").expect("a String takes all");
    put(format!(
        "<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <title>filch against tokio</title>\n<style>{STYLE}</style>\n<h1>filch against tokio</h1>"
    ));
    put(format!("<p>{}<br>", escape(&report.facts.line())));
    put(format!("{}</p>", escape(&report.facts.versions_line())));
    put(chart.to_owned());
    put("<p>Medians of interleaved runs; small, the distance between the quartiles in percent of the median. \
         The ratio is filch : tokio, or the one under others where tokio takes no part: more than 1 always means that filch is better. ✗: below the project's own target. ~: the runs spread.</p>\n\
         <div class=\"wide\"><table>\n<tr><th>problem<th>unit<th>better<th>filch<th>tokio<th>smol<th>others<th>ratio<th>target</tr>"
        .to_owned());
    for line in &report.lines {
        put(row(line));
    }
    put("</table></div>".to_owned());
    for note in report.notes() {
        put(format!("<pre>{}</pre>", escape(&note)));
    }
    for warning in report.warnings() {
        put(format!("<p class=\"loss\">{}</p>", escape(&warning)));
    }
    html += "</html>\n";
    html
}

fn row(line: &Line) -> String {
    let peer = |name: &str| {
        line.peers.get(name).map_or("–".to_owned(), |summary| {
            format!(
                "{}<small>{:.0} %</small>",
                figure(summary.median),
                summary.spread
            )
        })
    };
    let others: Vec<_> = line
        .peers
        .keys()
        .filter(|name| !["filch", "tokio", "smol"].contains(&name.as_str()))
        .map(|name| format!("{name} {}", peer(name)))
        .collect();
    let class = match line.ratio {
        Some(ratio) if ratio >= 1.0 => "win",
        _ => "loss",
    };
    let mark = if line.misses_target() { "✗ " } else { "" };
    let target = line.row.floor.map_or("–".to_owned(), figure);
    format!(
        "<tr><td>{}<small>{}</small><td>{}<td>{}<td>{}<td>{}<td>{}<td>{}<td class=\"{class}\">{}<td>{mark}{target}</tr>",
        line.row.name,
        escape(line.row.about),
        line.row.unit,
        line.row.better.word(),
        peer("filch"),
        peer("tokio"),
        peer("smol"),
        others.join("<br>"),
        escape(&line.verdict()),
    )
}

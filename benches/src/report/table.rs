//! The table for the terminal.

use super::{Line, Report, figure};

const HEAD: [&str; 8] = [
    "problem", "unit", "filch", "tokio", "smol", "others", "ratio", "target",
];

pub(super) fn draw(report: &Report) -> String {
    let mut cells: Vec<[String; 8]> = vec![HEAD.map(str::to_owned)];
    cells.extend(report.lines.iter().map(row));
    let widths: [usize; 8] = std::array::from_fn(|column| {
        let width = cells.iter().map(|row| row[column].chars().count()).max();
        width.unwrap_or(0)
    });

    let mut text = format!("{}\n\n", report.facts.line());
    for (number, row) in cells.iter().enumerate() {
        let mut line = String::new();
        for (column, (cell, width)) in row.iter().zip(widths).enumerate() {
            // Names to the left, figures to the right.
            line += &match column {
                0 | 1 => format!("{cell:<width$}  "),
                _ => format!("{cell:>width$}  "),
            };
        }
        text += line.trim_end();
        text.push('\n');
        if number == 0 {
            let line: Vec<_> = widths.iter().map(|&width| "─".repeat(width)).collect();
            text += &line.join("  ");
            text.push('\n');
        }
    }
    text += "\nMedians; in brackets the distance between the quartiles in percent of the median. \
             Ratio filch : tokio (where it takes no part, the one under others): more than 1 always means that filch is \
             better.\n";
    let missed: Vec<_> = report
        .lines
        .iter()
        .filter(|line| line.misses_target())
        .collect();
    if !missed.is_empty() {
        let names: Vec<_> = missed.iter().map(|line| line.row.name).collect();
        text += &format!("✗ below the target: {}\n", names.join(", "));
    }
    for note in report.notes() {
        text += &format!("! {note}\n");
    }
    for warning in report.warnings() {
        text += &format!("{warning}\n");
    }
    text
}

fn row(line: &Line) -> [String; 8] {
    let peer = |name: &str| {
        line.peers.get(name).map_or("–".to_owned(), |summary| {
            format!("{} ({:.0}%)", figure(summary.median), summary.spread)
        })
    };
    let others: Vec<_> = line
        .peers
        .keys()
        .filter(|name| !["filch", "tokio", "smol"].contains(&name.as_str()))
        .map(|name| format!("{name} {}", peer(name)))
        .collect();
    let target = line.row.floor.map_or("–".to_owned(), |floor| {
        let mark = if line.misses_target() { "✗ " } else { "" };
        format!("{mark}{}", figure(floor))
    });
    [
        line.row.name.to_owned(),
        line.row.unit.to_owned(),
        peer("filch"),
        peer("tokio"),
        peer("smol"),
        others.join(", "),
        line.verdict(),
        target,
    ]
}

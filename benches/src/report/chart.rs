//! The chart: a bar for each row from 1 to its ratio, on a log scale, so that twice as fast and half as fast are
//! equally long; wins to the right in blue, losses to the left in orange.

use std::fmt::Write;

use super::{Line, Report, escape, figure};

const WIDTH: f64 = 920.0;
const LEFT: f64 = 160.0;
const RIGHT: f64 = 150.0;
const TOP: f64 = 74.0;
const BAND: f64 = 26.0;
const BAR: f64 = 16.0;

const WIN: &str = "#2f6fab";
const LOSS: &str = "#d2601a";
const INK: &str = "#222";
const FAINT: &str = "#666";

/// The axis ends here in both directions, or one row that is a hundred times better would flatten all others; a bar that
/// goes on is cut with an arrow, and its figure stands beside it as everywhere.
const END: f64 = 10.0;

/// Where a ratio stands, in logarithms.
struct Scale {
    low: f64,
    high: f64,
}

impl Scale {
    fn over(lines: &[Line]) -> Scale {
        let shown = |line: &Line| {
            let quartiles = line.ratio_quartiles.into_iter().flatten();
            line.ratio
                .into_iter()
                .chain(line.row.floor)
                .chain(quartiles)
                .collect::<Vec<_>>()
        };
        let values = lines.iter().flat_map(shown).filter(|ratio| *ratio > 0.0);
        let (low, high) = values.fold((0.8_f64, 2.0_f64), |(low, high), ratio| {
            (low.min(ratio), high.max(ratio))
        });
        // A chart with a loss in it shows what half as fast would be.
        let low = if low < 0.8 { low.min(0.5) } else { low };
        Scale {
            low: (low.max(1.0 / END) * 0.95).ln(),
            high: (high.min(END) * 1.05).ln(),
        }
    }

    fn shows(&self, ratio: f64) -> bool {
        (self.low..=self.high).contains(&ratio.ln())
    }

    fn x(&self, ratio: f64) -> f64 {
        let share = (ratio.ln().clamp(self.low, self.high) - self.low) / (self.high - self.low);
        LEFT + share * (WIDTH - LEFT - RIGHT)
    }

    /// 1, 2, 5 in every decade that is in view.
    fn ticks(&self) -> impl Iterator<Item = f64> {
        let decades = (-6..9).map(|power| 10_f64.powi(power));
        decades
            .flat_map(|decade| [decade, 2.0 * decade, 5.0 * decade])
            .filter(|tick| self.shows(*tick))
    }
}

pub(super) fn draw(report: &Report) -> String {
    let scale = Scale::over(&report.lines);
    let bottom = TOP + BAND * report.lines.len() as f64;
    let height = bottom + 60.0;
    let mut svg = String::new();
    let mut put = |element: String| writeln!(svg, "{element}").expect("a String takes all");

    put(format!(
        r#"<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height}" viewBox="0 0 {WIDTH} {height}" font-family="system-ui, 'DejaVu Sans', Arial, sans-serif" font-size="13" role="img" aria-label="filch compared with its rivals, ratio for each problem">"#
    ));
    put(format!(
        r##"<rect width="{WIDTH}" height="{height}" fill="#fff"/>"##
    ));
    put(format!(
        r#"<text x="16" y="26" font-size="17" font-weight="600" fill="{INK}">filch : tokio or the named rival, how many times better (log scale)</text>"#
    ));
    put(format!(
        r#"<text x="16" y="46" font-size="11" fill="{FAINT}">{}</text>"#,
        escape(&report.facts.line())
    ));

    for tick in scale.ticks() {
        let x = scale.x(tick);
        let (stroke, width) = if tick == 1.0 {
            (INK, 1.5)
        } else {
            ("#ddd", 1.0)
        };
        put(format!(
            r#"<line x1="{x:.1}" y1="{TOP}" x2="{x:.1}" y2="{bottom}" stroke="{stroke}" stroke-width="{width}"/>"#
        ));
        put(format!(
            r#"<text x="{x:.1}" y="{:.1}" text-anchor="middle" font-size="11" fill="{FAINT}">{tick}</text>"#,
            bottom + 15.0
        ));
    }
    for (number, line) in report.lines.iter().enumerate() {
        let middle = TOP + BAND * (number as f64 + 0.5);
        put(row(line, &scale, middle));
    }
    put(legend(bottom + 42.0));
    svg += "</svg>\n";
    svg
}

fn row(line: &Line, scale: &Scale, middle: f64) -> String {
    let base = middle + 4.5;
    let mut svg = format!(
        r#"<text x="{:.1}" y="{base:.1}" text-anchor="end" fill="{INK}">{}</text>"#,
        LEFT - 10.0,
        line.row.name
    );
    let mut put = |element: String| svg += &element;
    let one = scale.x(1.0);
    let Some(ratio) = line.ratio else {
        put(format!(
            r#"<text x="{:.1}" y="{base:.1}" font-weight="600" fill="{LOSS}">{}</text>"#,
            one + 8.0,
            escape(&line.verdict())
        ));
        return svg;
    };
    let colour = if ratio < 1.0 { LOSS } else { WIN };
    let x = scale.x(ratio);
    put(format!(
        r#"<rect x="{:.1}" y="{:.1}" width="{:.1}" height="{BAR}" fill="{colour}"/>"#,
        one.min(x),
        middle - BAR / 2.0,
        (x - one).abs().max(1.0)
    ));
    if !scale.shows(ratio) {
        let tip = if ratio > 1.0 { 7.0 } else { -7.0 };
        put(format!(
            r#"<path d="M{x:.1} {:.1}l{tip} {:.1}l{} {:.1}z" fill="{colour}"/>"#,
            middle - BAR / 2.0,
            BAR / 2.0,
            -tip,
            BAR / 2.0
        ));
    }
    let mut right = x.max(one);
    if let Some([low, high]) = line.ratio_quartiles {
        let (low, high) = (scale.x(low), scale.x(high));
        right = right.max(high);
        put(format!(
            r##"<path d="M{low:.1} {middle:.1}H{high:.1}M{low:.1} {:.1}v6M{high:.1} {:.1}v6" stroke="#000" stroke-opacity="0.55" fill="none"/>"##,
            middle - 3.0,
            middle - 3.0
        ));
    }
    let mut note = figure(ratio);
    if line.row.rival() != "tokio" {
        note += &format!(" : {}", line.row.rival());
    }
    if let Some(floor) = line.row.floor {
        let x = scale.x(floor);
        if scale.shows(floor) {
            right = right.max(x);
            put(format!(
                r#"<path d="M{x:.1} {:.1}v{:.1}" stroke="{INK}" stroke-width="2.5"/>"#,
                middle - BAND / 2.0 + 2.0,
                BAND - 4.0
            ));
        }
        if line.misses_target() {
            note += &format!(" ✗ target {}", figure(floor));
        }
    }
    put(format!(
        r#"<text x="{:.1}" y="{base:.1}" font-weight="600" fill="{colour}">{note}</text>"#,
        right + if scale.shows(ratio) { 7.0 } else { 12.0 }
    ));
    svg
}

fn legend(y: f64) -> String {
    let box_y = y - 10.0;
    format!(
        r##"<g font-size="11" fill="{FAINT}"><rect x="16" y="{box_y}" width="12" height="12" fill="{WIN}"/><text x="33" y="{y}">filch better</text><rect x="118" y="{box_y}" width="12" height="12" fill="{LOSS}"/><text x="135" y="{y}">rival better</text><path d="M226 {box_y}v12" stroke="{INK}" stroke-width="2.5"/><text x="234" y="{y}">target</text><path d="M286 {mid}h24m-24 -3v6m24 -6v6" stroke="#000" stroke-opacity="0.55" fill="none"/><text x="316" y="{y}">middle half of the rounds</text><path d="M480 {box_y}l7 6l-7 6z" fill="{FAINT}"/><text x="493" y="{y}">goes on beyond the scale</text></g>"##,
        mid = y - 4.0
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ratio_and_its_inverse_are_equally_far_from_one() {
        let scale = Scale::over(&[]);
        let (less, one, more) = (scale.x(0.8), scale.x(1.0), scale.x(1.25));
        assert!(((one - less) - (more - one)).abs() < 1e-9);
    }

    #[test]
    fn one_is_always_among_the_ticks() {
        assert!(Scale::over(&[]).ticks().any(|tick| tick == 1.0));
    }

    #[test]
    fn a_ratio_beyond_the_scale_stays_on_the_paper() {
        let scale = Scale::over(&[]);
        assert!(!scale.shows(1e6) && scale.x(1e6) <= WIDTH - RIGHT);
        assert!(!scale.shows(1e-6) && scale.x(1e-6) >= LEFT);
    }
}

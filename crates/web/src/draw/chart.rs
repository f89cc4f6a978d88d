//! Figures as bars, lines and bands, each with the same figures as a table.
//!
//! A chart is as wide as its place: what lies along time is placed in per cent, so that letters keep their size on a phone and on a wall. Series
//! differ by shape as well as by colour: the second is hatched.

use std::fmt::Write;

use super::scale::{Scale, Unit, label};
use super::svg::escape;

/// The height of a chart's plot, in pixels.
const HEIGHT: f64 = 160.0;
/// Room above the highest tick, for its letters.
const TOP: f64 = 10.0;
/// Room below, for the names of what lies along the chart.
const FOOT: f64 = 22.0;
/// How many ticks an axis has, about.
const TICKS: u32 = 4;
/// How many names stand below a chart: as many as a phone has room for.
const NAMES: usize = 6;
/// How much of its place a bar takes.
const BAR: f64 = 0.72;

/// Some figures along something.
#[derive(Debug, Clone, PartialEq)]
pub struct Chart {
    /// A name that no other chart of the page has: letters, digits and hyphens.
    pub id: String,
    /// What is shown.
    pub title: String,
    /// What the figures lie along, such as `Day`.
    pub along: String,
    /// Its names, one per figure.
    pub names: Vec<String>,
    /// What the figures count in.
    pub unit: Unit,
    /// The figures.
    pub series: Vec<Series>,
}

/// Figures of one kind.
#[derive(Debug, Clone, PartialEq)]
pub struct Series {
    /// What they are.
    pub name: String,
    /// One per name; none where there is nothing to say.
    pub values: Vec<Option<f64>>,
}

impl Chart {
    fn value(&self, series: usize, index: usize) -> Option<f64> {
        self.series[series].values.get(index).copied().flatten().filter(|value| value.is_finite() && *value >= 0.0)
    }

    fn sum(&self, index: usize) -> f64 {
        (0..self.series.len()).filter_map(|series| self.value(series, index)).sum()
    }

    /// What is said of one name: `12 Nov: 3 deploys, 1 failure`.
    fn told(&self, index: usize) -> String {
        let said = self.series.iter().enumerate().map(|(series, of)| {
            let value = self.value(series, index).map_or_else(|| "none".to_owned(), |value| label(value, self.unit));
            format!("{}: {value}", of.name)
        });
        format!("{} · {}", self.names[index], said.collect::<Vec<_>>().join(" · "))
    }

    /// The whole in one sentence, for those who do not see it.
    fn summary(&self, value: impl Fn(usize) -> Option<f64>) -> String {
        let most = (0..self.names.len()).filter_map(|index| Some((index, value(index)?))).max_by(|a, b| a.1.total_cmp(&b.1));
        match most {
            Some((index, most)) if most > 0.0 => {
                format!("{}; the most is {}, {}. The table below has the figures", self.title, label(most, self.unit), self.names[index])
            }
            _ => format!("{}; there is nothing to show", self.title),
        }
    }
}

/// Bars beside each other; where there are several series, their figures stand on each other.
#[must_use]
pub fn bars(chart: &Chart) -> String {
    let most = (0..chart.names.len()).map(|index| chart.sum(index)).fold(0.0, f64::max);
    let scale = Scale::new(most, chart.unit, TICKS);
    let place = 100.0 / f(chart.names.len().max(1));
    let mut plot = String::new();
    let _ = write!(
        plot,
        r#"<defs><pattern id="{}-hatch" width="6" height="6" patternUnits="userSpaceOnUse" patternTransform="rotate(45)"><rect class="chart-2" width="6" height="6"/><path class="chart-hatch" d="M0 0V6" stroke-width="5"/></pattern></defs>"#,
        chart.id
    );
    for index in 0..chart.names.len() {
        let left = place * f(index);
        let _ = write!(
            plot,
            r#"<g class="chart-spot"><title>{}</title><rect class="chart-hover" x="{}%" y="0" width="{}%" height="{}"/>"#,
            escape(&chart.told(index)),
            short(left),
            short(place),
            TOP + HEIGHT
        );
        let mut base = 0.0;
        for series in 0..chart.series.len() {
            let Some(value) = chart.value(series, index).filter(|value| *value > 0.0) else { continue };
            let (low, high) = (y(&scale, base), y(&scale, base + value));
            let fill =
                if series == 1 { format!(r#" fill="url(#{}-hatch)""#, chart.id) } else { format!(r#" class="chart-{}""#, series + 1) };
            let _ = write!(
                plot,
                r#"<rect{fill} x="{}%" y="{}" width="{}%" height="{}"/>"#,
                short(left + place * (1.0 - BAR) / 2.0),
                short(high),
                short(place * BAR),
                short(low - high)
            );
            base += value;
        }
        plot.push_str("</g>");
    }
    figure(chart, &scale, &plot, &chart.summary(|index| Some(chart.sum(index))), true)
}

/// A line for each series, with a dot for each figure. Where figures are missing, the line is broken into dashes.
#[must_use]
pub fn lines(chart: &Chart) -> String {
    let all = (0..chart.series.len()).flat_map(|series| (0..chart.names.len()).filter_map(move |index| chart.value(series, index)));
    let scale = Scale::new(all.fold(0.0, f64::max), chart.unit, TICKS);
    let place = 100.0 / f(chart.names.len().max(1));
    let mut plot = String::new();
    for series in 0..chart.series.len() {
        let spots: Vec<(usize, f64)> =
            (0..chart.names.len()).filter_map(|index| Some((index, y(&scale, chart.value(series, index)?)))).collect();
        let x = |index: usize| short(place * (f(index) + 0.5));
        for pair in spots.windows(2) {
            let [(from, high), (to, low)] = pair else { continue };
            let gap = if to - from > 1 { " chart-gap" } else { "" };
            let (from, to) = (x(*from), x(*to));
            let (high, low) = (short(*high), short(*low));
            let _ = write!(plot, r#"<line class="chart-line-{}{gap}" x1="{from}%" y1="{high}" x2="{to}%" y2="{low}"/>"#, series + 1);
        }
        for (index, at) in &spots {
            let (x, at, told) = (x(*index), short(*at), escape(&chart.told(*index)));
            let _ = write!(plot, r#"<circle class="chart-dot-{}" cx="{x}%" cy="{at}" r="3"><title>{told}</title></circle>"#, series + 1);
        }
    }
    let most = |index| (0..chart.series.len()).filter_map(|series| chart.value(series, index)).reduce(f64::max);
    figure(chart, &scale, &plot, &chart.summary(most), false)
}

/// A small line without axes, to stand beside a number. It says nothing that the page does not say in words, so it is hidden from those who listen.
#[must_use]
pub fn sparkline(values: &[Option<f64>]) -> String {
    let (width, height) = (96.0, 24.0);
    let most = values.iter().flatten().copied().filter(|value| value.is_finite()).fold(0.0, f64::max);
    let step = (width - 4.0) / f(values.len().saturating_sub(1).max(1));
    let mut points = String::new();
    for (index, value) in values.iter().enumerate() {
        let Some(value) = value.filter(|value| value.is_finite() && *value >= 0.0) else { continue };
        let part = if most > 0.0 { value / most } else { 0.0 };
        let _ = write!(
            points,
            "{}{},{}",
            if points.is_empty() { "" } else { " " },
            short(2.0 + step * f(index)),
            short(height - 3.0 - part * (height - 6.0))
        );
    }
    format!(
        r#"<svg class="spark" width="{width}" height="{height}" viewBox="0 0 {width} {height}" aria-hidden="true" focusable="false"><polyline points="{points}"/></svg>"#
    )
}

/// One band of a table's row: parts that follow each other, as shares of `most`. The row's cells say the figures.
#[must_use]
pub fn band(id: &str, parts: &[f64], most: f64) -> String {
    let mut band = format!(
        r#"<svg class="band" width="100%" height="14" aria-hidden="true" focusable="false"><defs><pattern id="{id}-hatch" width="6" height="6" patternUnits="userSpaceOnUse" patternTransform="rotate(45)"><rect class="chart-2" width="6" height="6"/><path class="chart-hatch" d="M0 0V6" stroke-width="5"/></pattern></defs>"#
    );
    let mut left = 0.0;
    for (index, part) in parts.iter().enumerate() {
        let share = if most > 0.0 { (part / most * 100.0).clamp(0.0, 100.0 - left) } else { 0.0 };
        if share <= 0.0 {
            continue;
        }
        let fill = if index == 1 { format!(r#" fill="url(#{id}-hatch)""#) } else { format!(r#" class="chart-{}""#, index + 1) };
        let _ = write!(band, r#"<rect{fill} x="{}%" width="{}%" height="14"/>"#, short(left), short(share));
        left += share;
    }
    band.push_str("</svg>");
    band
}

/// The frame of a chart: its title and key, its axis, what is plotted, and its table.
fn figure(chart: &Chart, scale: &Scale, plot: &str, summary: &str, filled: bool) -> String {
    let (low, whole) = (TOP + HEIGHT, TOP + HEIGHT + FOOT);
    let mut figure = format!(r#"<figure class="chart" id="{}"><figcaption>{}"#, chart.id, escape(&chart.title));
    if chart.series.len() > 1 {
        figure.push_str(r#"<span class="chart-keys" aria-hidden="true">"#);
        for (index, series) in chart.series.iter().enumerate() {
            let key = if filled && index == 1 {
                format!(r#" fill="url(#{}-hatch)""#, chart.id)
            } else {
                format!(r#" class="chart-{}""#, index + 1)
            };
            let _ = write!(
                figure,
                r#"<span><svg width="10" height="10"><rect{key} width="10" height="10"/></svg>{}</span>"#,
                escape(&series.name)
            );
        }
        figure.push_str("</span>");
    }
    let _ =
        write!(figure, r#"</figcaption><div class="chart-plot"><svg class="chart-axis" width="58" height="{whole}" aria-hidden="true">"#);
    for tick in &scale.ticks {
        let _ =
            write!(figure, r#"<text x="52" y="{}" text-anchor="end">{}</text>"#, short(y(scale, *tick) + 4.0), label(*tick, chart.unit));
    }
    let _ = write!(
        figure,
        r#"</svg><svg class="chart-area" width="100%" height="{whole}" role="img" aria-label="{}"><g class="chart-grid">"#,
        escape(summary)
    );
    for tick in &scale.ticks {
        let at = short(y(scale, *tick).round() + 0.5);
        let _ = write!(figure, r#"<line x1="0" x2="100%" y1="{at}" y2="{at}"/>"#);
    }
    let _ = write!(figure, r#"</g>{plot}<g class="chart-names">"#);
    let count = chart.names.len();
    let every = count.div_ceil(NAMES).max(1);
    for (index, name) in chart.names.iter().enumerate().filter(|(index, _)| index % every == 0) {
        let anchor = if index == 0 && count > NAMES { ("start", 0.0) } else { ("middle", 100.0 / f(count) * (f(index) + 0.5)) };
        let _ = write!(figure, r#"<text x="{}%" y="{}" text-anchor="{}">{}</text>"#, short(anchor.1), low + 17.0, anchor.0, escape(name));
    }
    figure.push_str("</g></svg></div>");
    table(&mut figure, chart);
    figure.push_str("</figure>");
    figure
}

fn table(figure: &mut String, chart: &Chart) {
    let _ = write!(
        figure,
        r#"<details class="chart-figures"><summary>The figures as a table</summary><div class="scroll" tabindex="0" role="region" aria-label="{}"><table><thead><tr><th scope="col">{}</th>"#,
        escape(&chart.title),
        escape(&chart.along)
    );
    for series in &chart.series {
        let _ = write!(figure, r#"<th scope="col" class="num">{}</th>"#, escape(&series.name));
    }
    figure.push_str("</tr></thead><tbody>");
    for (index, name) in chart.names.iter().enumerate() {
        let _ = write!(figure, r#"<tr><th scope="row">{}</th>"#, escape(name));
        for series in 0..chart.series.len() {
            let said = chart.value(series, index).map_or_else(|| "–".to_owned(), |value| label(value, chart.unit));
            let _ = write!(figure, r#"<td class="num">{said}</td>"#);
        }
        figure.push_str("</tr>");
    }
    figure.push_str("</tbody></table></div></details>");
}

/// How far from the plot's top a value is, in pixels.
fn y(scale: &Scale, value: f64) -> f64 {
    TOP + HEIGHT * (1.0 - scale.percent(value) / 100.0)
}

/// A number with at most two digits behind the point.
fn short(value: f64) -> f64 {
    // Adding 0 turns -0 into 0.
    (value * 100.0).round() / 100.0 + 0.0
}

#[allow(clippy::cast_precision_loss)]
fn f(count: usize) -> f64 {
    count as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn days() -> Chart {
        Chart {
            id: "day-chart".into(),
            title: "Deploys <per> day".into(),
            along: "Day".into(),
            names: vec!["1 Nov".into(), "2 Nov".into(), "3 Nov".into()],
            unit: Unit::Count,
            series: vec![
                Series { name: "Went well".into(), values: vec![Some(3.0), Some(0.0), None] },
                Series { name: "Failed".into(), values: vec![Some(1.0), Some(2.0), Some(f64::NAN)] },
            ],
        }
    }

    #[test]
    fn bars_stand_on_each_other_and_none_leaves_the_plot() {
        let drawn = bars(&days());
        assert_eq!(drawn.matches("<rect class=\"chart-1\" x=").count(), 1, "nothing is drawn for none and for nothing: {drawn}");
        // 3 of 4 takes three quarters of 160 px; the failure stands on it.
        assert!(drawn.contains(r#"x="4.67%" y="50" width="24%" height="120"/>"#), "{drawn}");
        assert!(drawn.contains(r#"<rect fill="url(#day-chart-hatch)" x="4.67%" y="10" width="24%" height="40"/>"#), "{drawn}");
        assert!(drawn.contains("Deploys &lt;per&gt; day") && !drawn.contains("<per>"));
        assert!(drawn.contains("the most is 4, 1 Nov"), "{drawn}");
    }

    #[test]
    fn what_is_drawn_stands_in_the_table_too() {
        for drawn in [bars(&days()), lines(&days())] {
            let (_, table) = drawn.split_once("<table>").unwrap();
            let cells: Vec<&str> = table.split("<td class=\"num\">").skip(1).map(|cell| cell.split('<').next().unwrap()).collect();
            assert_eq!(cells, ["3", "1", "0", "2", "–", "–"]);
        }
    }

    #[test]
    fn a_line_over_missing_days_is_dashed() {
        let mut chart = days();
        chart.series.truncate(1);
        chart.series[0].values = vec![Some(1.0), None, Some(2.0)];
        let drawn = lines(&chart);
        assert!(drawn.contains("chart-line-1 chart-gap") && drawn.matches("<circle").count() == 2, "{drawn}");
    }

    #[test]
    fn nothing_at_all_is_drawn_and_said() {
        let empty = Chart { names: Vec::new(), series: Vec::new(), ..days() };
        for drawn in [bars(&empty), lines(&empty)] {
            assert!(drawn.contains("there is nothing to show") && !drawn.contains("NaN"), "{drawn}");
        }
        assert!(sparkline(&[]).contains(r#"points="""#));
        assert!(!sparkline(&[Some(0.0), None, Some(f64::INFINITY)]).contains("NaN"));
    }

    #[test]
    fn bands_share_their_row_and_never_leave_it() {
        let drawn = band("b", &[30.0, 90.0], 100.0);
        assert!(drawn.contains(r#"class="chart-1" x="0%" width="30%""#) && drawn.contains(r#"x="30%" width="70%""#), "{drawn}");
        assert!(!band("b", &[0.0, 0.0], 0.0).contains("x="), "nothing takes no room");
    }

    #[test]
    fn charts_look_as_they_did() {
        insta::assert_snapshot!("bars", bars(&days()).replace('>', ">\n"));
        insta::assert_snapshot!("lines", lines(&Chart { unit: Unit::Millis, ..days() }).replace('>', ">\n"));
    }
}

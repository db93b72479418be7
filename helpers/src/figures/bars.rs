//! Timings as horizontal bars with every run as a dot.

use super::Figure;
use super::canvas::{
    Align, Canvas, Dash, LABEL, MARGIN, PALE, PALETTE, RIGHT, RULE, SMALL, card, tint,
};
use super::scale::{Axis, BELOW, time_unit, usable};
use super::table::{listed, table};
use super::text::{clean, count, shorten, time, times, width};
use crate::measure::{Comparison, Timing, median};

/// Horizontal bars: one row per timing, every run a dot, the median the bar.
///
/// At the right of each row stand its median and how it compares with the first row. The axis is
/// linear and starts at 0; where the medians lie more than 100× apart it is logarithmic, says so,
/// and ticks take the place of bars, whose lengths would mean nothing.
///
/// Timings without a usable run keep their row, which says that there is no time. Of more than 32
/// timings the first 32 are drawn; the table has up to 200.
///
/// ```
/// use helpers::{figures::bars, measure::Timing};
///
/// let timing = |name: &str, wall: &[f64]| Timing {
///     name: name.into(),
///     wall: wall.to_vec(),
///     cpu: vec![],
///     calls: 1,
/// };
/// let figure = bars("Sum", &[timing("loop", &[0.020, 0.021]), timing("rayon", &[0.010, 0.011])]);
/// assert!(figure.alt().contains("1.95× faster"));
/// ```
pub fn bars<T: AsRef<Timing>>(title: &str, timings: &[T]) -> Figure {
    let timings: Vec<&Timing> = timings.iter().map(AsRef::as_ref).collect();
    draw(title, &timings)
}

impl<T> Comparison<T> {
    /// The comparison so far as a figure; see [`bars`](fn@bars).
    pub fn bars(&self) -> Figure {
        bars(self.title(), self.timings())
    }
}

/// What the row painter needs of a row; values in time, or whatever the axis shows.
pub(super) struct Row {
    pub(super) name: String,
    pub(super) values: Vec<f64>,
    /// Where the bar ends; none where there is nothing to draw.
    pub(super) middle: Option<f64>,
    /// At the right: the value, and how it compares.
    pub(super) value: String,
    pub(super) compared: String,
}

/// So many rows still are a figure and not a list.
pub(super) const MOST_ROWS: usize = 32;

fn draw(title: &str, timings: &[&Timing]) -> Figure {
    let mut skipped = 0;
    let mut rows: Vec<Row> = Vec::new();
    for timing in timings {
        let runs = timing.wall.iter().copied();
        let values: Vec<f64> = runs.filter_map(usable).filter(|&t| t >= 0.0).collect();
        skipped += timing.wall.len() - values.len();
        let middle = (!values.is_empty()).then(|| median(&values));
        rows.push(Row {
            name: clean(&timing.name),
            value: middle.map_or("no time".to_owned(), time),
            compared: String::new(),
            values,
            middle,
        });
    }
    let first = rows.first().and_then(|row| row.middle);
    if rows.len() > 1 {
        for (place, row) in rows.iter_mut().enumerate() {
            row.compared = match place {
                0 => "reference".to_owned(),
                _ => compare(first, row.middle),
            };
        }
    }

    let mut notes = vec!["dot: one run, the first on top · bar: median".to_owned()];
    if spread_of_middles(&rows) > 100.0 {
        notes[0] = "dot: one run, the first on top · tick: median".to_owned();
    }
    if skipped > 0 {
        notes.push(format!(
            "{} without a usable time left out",
            count(skipped, "run")
        ));
    }

    let cells: Vec<Vec<String>> = rows.iter().map(cells).collect();
    let table = table(
        title,
        &["name", "median", "fastest", "slowest", "runs", "compared"],
        &cells,
        &notes[1..],
    );
    let found: Vec<String> = rows.iter().map(in_words).collect();
    let alt = match rows.is_empty() {
        true => format!("Bar chart “{}”: nothing was timed.", clean(title)),
        false => format!("Bar chart “{}”: {}.", clean(title), listed(&found, 8)),
    };
    let largest = rows
        .iter()
        .flat_map(|row| &row.values)
        .fold(0.0, |a: f64, &b| a.max(b));
    let (unit, unit_name) = time_unit(largest);
    for row in &mut rows {
        row.middle = row.middle.map(|m| m / unit);
        row.values.iter_mut().for_each(|v| *v /= unit);
    }
    let svg = paint(
        title,
        notes,
        &format!("wall time ({unit_name}"),
        &rows,
        true,
    );
    Figure { svg, alt, table }
}

/// `2.1× faster`, `1.8× slower`, or that there is no difference worth a word.
fn compare(first: Option<f64>, this: Option<f64>) -> String {
    match (first, this) {
        (Some(first), Some(this)) if first > 0.0 && this > 0.0 => {
            let ratio = first / this;
            if (0.995..1.005).contains(&ratio) {
                "the same".to_owned()
            } else if ratio > 1.0 {
                format!("{} faster", times(ratio))
            } else {
                format!("{} slower", times(1.0 / ratio))
            }
        }
        _ => String::new(),
    }
}

fn cells(row: &Row) -> Vec<String> {
    let low = row.values.iter().copied().fold(f64::INFINITY, f64::min);
    let high = row.values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let finite = |t: f64| {
        if t.is_finite() {
            time(t)
        } else {
            String::new()
        }
    };
    vec![
        row.name.clone(),
        row.value.clone(),
        finite(low),
        finite(high),
        row.values.len().to_string(),
        row.compared.clone(),
    ]
}

fn in_words(row: &Row) -> String {
    match row.compared.as_str() {
        "" | "reference" => format!("{} {}", row.name, row.value),
        compared => format!("{} {} ({compared})", row.name, row.value),
    }
}

/// How many times larger the largest middle above 0 is than the smallest.
fn spread_of_middles(rows: &[Row]) -> f64 {
    let middles = rows
        .iter()
        .filter_map(|row| row.middle)
        .filter(|&m| m > 0.0);
    let (low, high) = middles.fold((f64::INFINITY, 0.0), |(l, h): (f64, f64), m| {
        (l.min(m), h.max(m))
    });
    if low.is_finite() { high / low } else { 1.0 }
}

/// Where the middles would differ too much for bars, the axis is logarithmic.
pub(super) fn is_log(rows: &[Row]) -> bool {
    spread_of_middles(rows) > 100.0 && !rows.iter().any(|r| r.values.iter().any(|&v| v < 0.0))
}

/// Draws rows with names at the left and values at the right. `label` is the axis' label without
/// its closing bracket, because "log scale" may have to go in.
pub(super) fn paint(
    title: &str,
    mut notes: Vec<String>,
    label: &str,
    rows: &[Row],
    compared: bool,
) -> String {
    let all = rows.len();
    let rows = &rows[..all.min(MOST_ROWS)];
    if all > rows.len() {
        notes.push(format!(
            "the first {} of {all} rows; the rest is in the table",
            rows.len()
        ));
    }
    if rows.is_empty() {
        notes = vec!["nothing to show: there are no rows yet".to_owned()];
    }
    let log = is_log(rows);
    if rows.iter().any(|row| row.values.len() > most_dots(rows)) {
        notes
            .push("of many runs some are drawn, the fastest and the slowest among them".to_owned());
    }
    let at_zero = |row: &&Row| row.middle.is_some_and(|m| m <= 0.0);
    if log && rows.iter().any(|row| at_zero(&row)) {
        notes.push("a log scale has no 0: rows at 0 are not drawn".to_owned());
    }
    let pitch = if rows.len() > 16 { 24.0 } else { 32.0 };
    let plot = pitch * rows.len() as f64 + 6.0;
    let body = if rows.is_empty() { 20.0 } else { plot + BELOW };
    let widest = |of: &dyn Fn(&Row) -> f64| rows.iter().map(of).fold(0.0, f64::max);

    let names = widest(&|row| width(&row.name, LABEL, false)).min(230.0);
    let values = widest(&|row| width(&row.value, LABEL, true));
    let ratios = widest(&|row| width(&row.compared, SMALL, false));
    let ratios = if ratios > 0.0 { ratios + 12.0 } else { 0.0 };
    let span = (MARGIN + names + 12.0, RIGHT - ratios - values - 14.0);
    let axis = axis(rows, log, span);
    let label = format!("{label}{})", if log { ", log scale" } else { "" });

    card(title, &notes, true, body, |canvas, top| {
        if rows.is_empty() {
            return;
        }
        axis.draw_below(canvas, top, top + plot, &label);
        for (place, row) in rows.iter().enumerate() {
            let y = top + 3.0 + pitch * (place as f64 + 0.5);
            let name = shorten(&row.name, LABEL, false, names);
            canvas.label(span.0 - 10.0, y, &name, Align::Right);
            canvas.strong(RIGHT - ratios, y, &row.value, Align::Right);
            if !row.compared.is_empty() {
                canvas.small(RIGHT, y, &row.compared, Align::Right);
            }
            let colour = if place == 0 && compared && rows.len() > 1 {
                6
            } else {
                0
            };
            let dots = most_dots(rows);
            bar(canvas, row, &axis, log, (y, pitch), PALETTE[colour], dots);
        }
        let zero = axis.at(0.0);
        if !log {
            canvas.line(zero, top, zero, top + plot, RULE);
        }
        if let Some(first) = rows[0]
            .middle
            .filter(|&m| compared && rows.len() > 1 && !(log && m <= 0.0))
        {
            let x = axis.at(first);
            canvas.path(&[(x, top), (x, top + plot)], RULE, 1.0, Dash::Dashed);
        }
    })
}

/// Dots per row, so that many rows of many runs stay a small file.
fn most_dots(rows: &[Row]) -> usize {
    (240 / rows.len().max(1)).clamp(7, 60)
}

fn axis(rows: &[Row], log: bool, span: (f64, f64)) -> Axis {
    let values = rows
        .iter()
        .flat_map(|row| row.values.iter().copied().chain(row.middle));
    let drawn = values.filter(|&v| !log || v > 0.0);
    let (low, high) = drawn.fold((f64::INFINITY, f64::NEG_INFINITY), |(l, h), v| {
        (l.min(v), h.max(v))
    });
    if log {
        return Axis::log((low, high), span, false, false, 54.0);
    }
    let (low, high) = (low.min(0.0), high.max(0.0));
    // A little air behind the longest bar.
    let air = (high - low) * 0.02;
    let low = if low < 0.0 { low - air } else { low };
    Axis::linear(
        (low, high + air),
        span,
        ((span.1 - span.0) / 62.0) as usize,
        false,
        false,
    )
}

fn bar(
    canvas: &Canvas,
    row: &Row,
    axis: &Axis,
    log: bool,
    (y, pitch): (f64, f64),
    colour: plotters::prelude::RGBColor,
    dots: usize,
) {
    let thick = pitch * 0.29;
    let Some(middle) = row.middle.filter(|&m| !log || m > 0.0) else {
        return;
    };
    let x = axis.at(middle);
    if log {
        canvas.rect(
            axis.at(axis.low),
            y - 0.5,
            axis.at(axis.high),
            y + 0.5,
            PALE,
        );
    } else {
        let zero = axis.at(0.0);
        canvas.rect(
            zero.min(x),
            y - thick,
            zero.max(x),
            y + thick,
            tint(colour, 0.38),
        );
    }
    canvas.rect(x - 1.2, y - thick - 2.0, x + 1.2, y + thick + 2.0, colour);
    if row.values.len() < 2 {
        canvas.dot(x, y, 3.2, colour, true);
        return;
    }
    let kept = thin(&row.values, dots);
    for (place, value) in kept.iter().enumerate().filter(|(_, v)| !log || **v > 0.0) {
        let turn = (place as f64 + 0.5) / kept.len() as f64 - 0.5;
        canvas.dot(axis.at(*value), y + turn * thick * 1.7, 2.8, colour, false);
    }
}

/// At most `most` of the values, in their order, the smallest and the largest among them.
pub(super) fn thin(values: &[f64], most: usize) -> Vec<f64> {
    if values.len() <= most {
        return values.to_vec();
    }
    let smallest = (0..values.len()).min_by(|&a, &b| values[a].total_cmp(&values[b]));
    let largest = (0..values.len()).max_by(|&a, &b| values[a].total_cmp(&values[b]));
    let mut places: Vec<usize> = (0..most).map(|i| i * values.len() / most).collect();
    places.extend(smallest.into_iter().chain(largest));
    places.sort_unstable();
    places.dedup();
    places.into_iter().map(|place| values[place]).collect()
}

#[cfg(test)]
mod tests {
    use super::super::layout::{NAMES, check, check_units};
    use super::*;

    fn timing(name: &str, wall: Vec<f64>) -> Timing {
        Timing {
            name: name.into(),
            wall,
            cpu: vec![],
            calls: 1,
        }
    }

    #[test]
    fn any_number_of_rows_is_legible() {
        for n in [0, 1, 2, 5, 16, 40, 3000] {
            for names in NAMES {
                let timings: Vec<Timing> = (0..n)
                    .map(|i| {
                        let t = 0.01 + 0.003 * i as f64;
                        timing(
                            &format!("{} {i}", names[i % names.len()]),
                            vec![t, t * 1.02, t * 1.1],
                        )
                    })
                    .collect();
                let figure = bars("Resize 240 X-rays to 64 × 64", &timings);
                check(&figure, 32_000);
                for timing in timings.iter().take(200) {
                    assert!(
                        figure.table().contains(timing.name.trim()),
                        "{}",
                        figure.table()
                    );
                }
                if n > 0 {
                    check_units(&figure, &["(ms)", "(s)"]);
                }
                assert_eq!(figure, bars("Resize 240 X-rays to 64 × 64", &timings));
            }
        }
    }

    #[test]
    fn ratios_are_to_the_first_row() {
        let figure = bars(
            "t",
            &[
                timing("a", vec![1.21, 1.2, 1.3]),
                timing("b", vec![0.62]),
                timing("c", vec![2.42]),
                timing("d", vec![1.21]),
            ],
        );
        assert_eq!(
            figure.alt(),
            "Bar chart “t”: a 1.21 s, b 620 ms (1.95× faster), c 2.42 s (2.0× slower), d 1.21 s (the same)."
        );
        assert!(figure.svg().contains(">wall time (s)<"));
    }

    #[test]
    fn far_apart_medians_get_a_log_axis() {
        let figure = bars(
            "t",
            &[timing("a", vec![1e-6, 2e-6]), timing("b", vec![1.0, 1.5])],
        );
        assert!(figure.svg().contains("log scale"));
        assert!(figure.svg().contains("tick: median"));
        check(&figure, 25_000);
        let figure = bars(
            "t",
            &[
                timing("a", vec![0.0]),
                timing("b", vec![1.0]),
                timing("c", vec![1e-9]),
            ],
        );
        assert!(figure.svg().contains("rows at 0 are not drawn"));
        check(&figure, 25_000);
    }

    #[test]
    fn unusable_runs_are_left_out_and_counted() {
        let figure = bars(
            "t",
            &[
                timing("a", vec![f64::NAN, 1.0, f64::INFINITY]),
                timing("b", vec![]),
                timing("c", vec![-1.0]),
                timing("d", vec![0.0, 0.0]),
                timing("e", vec![1e300, 1.0]),
            ],
        );
        assert!(figure.svg().contains("4 runs without a usable time"));
        assert!(figure.svg().contains("no time"));
        check(&figure, 25_000);
    }

    #[test]
    fn many_runs_are_thinned_but_keep_their_extremes() {
        let runs: Vec<f64> = (0..5000).map(|i| f64::from((i * 7919) % 5000)).collect();
        let kept = thin(&runs, 60);
        assert!(kept.len() <= 62 && kept.contains(&0.0) && kept.contains(&4999.0));
        check(
            &bars("t", &[timing("a", runs.clone()), timing("b", runs)]),
            25_000,
        );
    }

    #[test]
    fn a_comparison_draws_itself() {
        let mut comparison = Comparison::new("Sum", 2);
        comparison.measure("one", || 1);
        assert!(comparison.bars().alt().starts_with("Bar chart “Sum”: one "));
    }
}

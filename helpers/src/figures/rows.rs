//! The painter of rows with bars: names at the left, values at the right.

use super::canvas::{Align, Canvas, Dash, LABEL, MARGIN, PALETTE, RIGHT, RULE, SMALL, card, tint};
use super::scale::{Axis, BELOW};
use super::text::{shorten, width};

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

/// How many times larger the largest middle above 0 is than the smallest.
pub(super) fn spread_of_middles(rows: &[Row]) -> f64 {
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
        axis.draw_track(canvas, y);
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

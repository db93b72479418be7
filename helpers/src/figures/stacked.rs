//! Where the time goes: stacked horizontal bars.

use super::Figure;
use super::canvas::{Align, Canvas, Hatch, LABEL, MARGIN, PALETTE, RIGHT, RULE, SMALL, card, on};
use super::rows::MOST_ROWS;
use super::scale::{Axis, BELOW, time_unit, usable};
use super::table::{listed, table};
use super::text::{clean, count, shorten, time, width};
use plotters::prelude::RGBColor;

/// Where the time goes: one stacked horizontal bar per row.
///
/// `parts` names the segments, and each row has a name and one value in seconds per part. At the
/// right of a row stands its sum. Values that are missing, negative or not finite count as 0 and
/// are counted in a note. Of more than 7 parts the 7th and later are drawn as one, "other"; of
/// more than 32 rows the first 32 are drawn.
pub fn stacked<S: AsRef<str>>(title: &str, parts: &[&str], rows: &[(S, Vec<f64>)]) -> Figure {
    let rows: Vec<(&str, &[f64])> = rows
        .iter()
        .map(|(name, values)| (name.as_ref(), values.as_slice()))
        .collect();
    draw(title, parts, &rows)
}

const MOST_PARTS: usize = 7;

fn draw(title: &str, parts: &[&str], rows: &[(&str, &[f64])]) -> Figure {
    let mut left_out = 0;
    let mut clean_rows: Vec<(String, Vec<f64>)> = Vec::new();
    for (name, values) in rows {
        let value = |part: usize| {
            values
                .get(part)
                .copied()
                .and_then(usable)
                .filter(|&v| v >= 0.0)
        };
        let bad = (0..parts.len()).filter(|&p| value(p).is_none()).count();
        left_out += bad + values.len().saturating_sub(parts.len());
        let values = (0..parts.len()).map(|p| value(p).unwrap_or(0.0)).collect();
        clean_rows.push((clean(name), values));
    }
    let mut names: Vec<String> = parts.iter().map(|part| clean(part)).collect();
    let mut notes = Vec::new();
    if left_out > 0 {
        notes.push(format!(
            "{} left out: missing, negative or without a part",
            count(left_out, "value")
        ));
    }

    let mut heads = vec!["name"];
    heads.extend(names.iter().map(String::as_str));
    heads.push("sum");
    let line = |(name, values): &(String, Vec<f64>)| {
        let mut cells = vec![name.clone()];
        cells.extend(values.iter().map(|&v| time(v)));
        cells.push(time(values.iter().sum()));
        cells
    };
    let cells: Vec<Vec<String>> = clean_rows.iter().map(line).collect();
    let table = table(title, &heads, &cells, &notes);
    let found: Vec<String> = clean_rows.iter().map(|row| in_words(row, &names)).collect();
    let alt = match rows.is_empty() {
        true => format!("Stacked bars “{}”: no rows.", clean(title)),
        false => format!("Stacked bars “{}”: {}.", clean(title), listed(&found, 5)),
    };

    if names.len() > MOST_PARTS {
        notes.push(format!("“other”: {} parts", names.len() - MOST_PARTS + 1));
        names.truncate(MOST_PARTS - 1);
        names.push("other".to_owned());
        for (_, values) in &mut clean_rows {
            let rest = values.drain(MOST_PARTS - 1..).sum();
            values.push(rest);
        }
    }
    if clean_rows.len() > MOST_ROWS {
        notes.push(format!(
            "the first {MOST_ROWS} of {} rows",
            clean_rows.len()
        ));
        clean_rows.truncate(MOST_ROWS);
    }
    let svg = paint(title, notes, &names, &clean_rows);
    Figure { svg, alt, table }
}

/// `rayon 1.2 s, most of it decode (0.9 s)`
fn in_words((name, values): &(String, Vec<f64>), parts: &[String]) -> String {
    let most = (0..values.len()).max_by(|&a, &b| values[a].total_cmp(&values[b]));
    let sum = time(values.iter().sum());
    match most {
        Some(part) => format!(
            "{name} {sum}, the largest part {} {}",
            parts[part],
            time(values[part])
        ),
        None => format!("{name} {sum}"),
    }
}

fn paint(
    title: &str,
    mut notes: Vec<String>,
    parts: &[String],
    rows: &[(String, Vec<f64>)],
) -> String {
    if rows.is_empty() || parts.is_empty() {
        notes.push("nothing to show: there are no rows or no parts yet".to_owned());
        return card(title, &notes, true, 10.0, |_, _| {});
    }
    let sums: Vec<f64> = rows.iter().map(|(_, values)| values.iter().sum()).collect();
    let largest = sums.iter().copied().fold(0.0, f64::max);
    let (unit, unit_name) = time_unit(largest);
    let legend = legend(parts);
    let legend_high = legend.last().map_or(0.0, |entry| entry.2 + 26.0);
    let pitch = if rows.len() > 16 { 26.0 } else { 36.0 };
    let plot = pitch * rows.len() as f64 + 6.0;
    let widest = |of: &dyn Fn(usize) -> f64| (0..rows.len()).map(of).fold(0.0, f64::max);
    let names = widest(&|row| width(&rows[row].0, LABEL, false)).min(230.0);
    let totals = widest(&|row| width(&time(sums[row]), LABEL, true));
    let (left, right) = (MARGIN + names + 12.0, RIGHT - totals - 12.0);
    let most = ((right - left) / 70.0) as usize;
    let axis = Axis::linear(
        (0.0, largest / unit * 1.01),
        (left, right),
        most,
        false,
        false,
    );

    card(
        title,
        &notes,
        true,
        legend_high + plot + BELOW,
        |canvas, top| {
            for (part, (x, name, y)) in legend.iter().enumerate() {
                swatch(
                    canvas,
                    part,
                    (*x, top + y + 2.0),
                    (x + 16.0, top + y + 16.0),
                );
                canvas.small(x + 22.0, top + y + 9.0, name, Align::Left);
            }
            let top = top + legend_high;
            axis.draw_below(canvas, top, top + plot, &format!("wall time ({unit_name})"));
            for (place, (name, values)) in rows.iter().enumerate() {
                let y = top + 3.0 + pitch * (place as f64 + 0.5);
                canvas.label(
                    left - 10.0,
                    y,
                    &shorten(name, LABEL, false, names),
                    Align::Right,
                );
                canvas.strong(RIGHT, y, &time(sums[place]), Align::Right);
                let mut start = 0.0;
                for (part, &value) in values.iter().enumerate() {
                    let (x0, x1) = (axis.at(start / unit), axis.at((start + value) / unit));
                    start += value;
                    segment(canvas, part, (x0, x1), (y, pitch * 0.33), &time(value));
                }
            }
            canvas.line(axis.at(0.0), top, axis.at(0.0), top + plot, RULE);
        },
    )
}

/// Where the legend's entries go: (x, name, y), wrapped to lines.
fn legend(parts: &[String]) -> Vec<(f64, String, f64)> {
    let (mut x, mut y) = (MARGIN, 0.0);
    let mut entries = Vec::new();
    for part in parts {
        let name = shorten(part, SMALL, false, 300.0);
        let wide = 22.0 + width(&name, SMALL, false) + 18.0;
        if x + wide > RIGHT && x > MARGIN {
            (x, y) = (MARGIN, y + 20.0);
        }
        entries.push((x, name, y));
        x += wide;
    }
    entries
}

fn colour(part: usize) -> RGBColor {
    PALETTE[part % PALETTE.len()]
}

/// The part's colour with the part's hatch, so that neighbours differ without their colours.
fn swatch(canvas: &Canvas, part: usize, (x0, y0): (f64, f64), (x1, y1): (f64, f64)) {
    canvas.rect(x0, y0, x1, y1, colour(part));
    let hatch = [
        None,
        Some(Hatch::Rising),
        Some(Hatch::Dots),
        Some(Hatch::Falling),
    ][part % 4];
    if let Some(hatch) = hatch {
        canvas.hatch(x0, y0, x1, y1, hatch);
    }
}

fn segment(
    canvas: &Canvas,
    part: usize,
    (x0, x1): (f64, f64),
    (y, thick): (f64, f64),
    value: &str,
) {
    if x1 - x0 < 0.3 {
        return;
    }
    // A hair's breadth of card between neighbours.
    let end = if x1 - x0 > 3.0 { x1 - 1.0 } else { x1 };
    swatch(canvas, part, (x0, y - thick), (end, y + thick));
    if width(value, SMALL, false) + 14.0 < end - x0 {
        let ground = colour(part);
        canvas.patch((x0 + end) / 2.0, y, value, on(ground), ground);
    }
}

#[cfg(test)]
mod tests {
    use super::super::layout::{NAMES, check, check_units};
    use super::*;

    #[test]
    fn any_number_of_rows_and_parts_is_legible() {
        for n in [0, 1, 2, 5, 16, 1000] {
            for names in NAMES {
                for parts in [&["read", "decode", "resize"][..], &[names[0]; 12][..], &[]] {
                    let rows: Vec<(String, Vec<f64>)> = (0..n)
                        .map(|i| {
                            let values = (0..parts.len()).map(|p| 0.01 * (1 + (i + p) % 7) as f64);
                            (format!("{}{i}", names[i % names.len()]), values.collect())
                        })
                        .collect();
                    let figure = stacked("Where the time goes", parts, &rows);
                    check(&figure, 80_000);
                    for (name, _) in rows.iter().take(40) {
                        assert!(figure.table().contains(name.as_str()));
                    }
                    if n > 0 && !parts.is_empty() {
                        check_units(&figure, &["(ms)", "(s)"]);
                    }
                }
            }
        }
    }

    #[test]
    fn unusable_values_are_counted() {
        let rows = [
            ("a", vec![f64::NAN, -1.0]),
            ("b", vec![1.0, 2.0, 3.0, 9.0]),
            ("c", vec![0.0; 3]),
        ];
        let figure = stacked("t", &["x", "y", "z"], &rows);
        assert!(
            figure.svg().contains("4 values left out"),
            "{}",
            figure.svg()
        );
        check(&figure, 25_000);
        assert!(figure.alt().contains("b 6.00 s, the largest part z 3.00 s"));
    }
}

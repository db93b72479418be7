//! Rows × columns of values as colours.

use crate::Figure;
use crate::axis::{Axis, bounds};
use crate::card::*;
use crate::text::*;
use plotters::coord::ranged1d::Ranged;
use plotters::prelude::*;
use plotters::style::text_anchor::HPos;

/// Rows × columns of values as colours, with a colour scale in `unit`.
///
/// `values[row][column]`; missing and non-finite values are hatched. The colours (viridis) are
/// evenly spaced for the eye, also for colour-blind ones and in grey print. Where the unit has a ×,
/// such as `"times faster (×)"`, values are ratios: colours are logarithmic, pale at 1, orange
/// down to the smallest and blue up to the largest. Where cells are wide enough their numbers stand
/// in them.
///
/// ```
/// use figures::heat_map;
///
/// let names = |names: [&str; 2]| names.map(String::from);
/// let figure = heat_map("Gains", "×", &names(["loops", "pages"]), &names(["threads", "async"]),
///     &[vec![2.0, 0.5], vec![8.0, 9.0]]);
/// assert!(figure.alt().contains("from 0.5 × (loops, async) to 9 × (pages, async)"));
/// ```
pub fn heat_map(
    title: &str,
    unit: &str,
    row_labels: &[String],
    column_labels: &[String],
    values: &[Vec<f64>],
) -> Figure {
    let mut card = Card::new(title);
    let unit = clean(unit);
    let across = values.iter().map(Vec::len).max().unwrap_or(0);
    let named = |labels: &[String], all: usize| -> Vec<String> {
        let label = |place: usize| labels.get(place).map_or(String::new(), |text| clean(text));
        (0..all.max(labels.len())).map(label).collect()
    };
    let rows = named(row_labels, values.len());
    let columns = named(column_labels, across);
    let ratio = unit.contains('×');
    let value = |row: usize, column: usize| {
        let value = usable(*values.get(row)?.get(column)?);
        value.filter(|&v| !ratio || v > 0.0)
    };
    let all = (0..rows.len()).flat_map(|row| (0..columns.len()).map(move |column| (row, column)));
    let mut found: Vec<(f64, usize, usize)> = Vec::new();
    found.extend(all.filter_map(|(row, column)| Some((value(row, column)?, row, column))));
    let missing = rows.len() * columns.len() - found.len();
    card.note(missing > 0, format!("hatched: {} that are missing", count(missing, "value")));

    found.sort_by(|a, b| a.0.total_cmp(&b.0));
    let words = |&(value, row, column): &(f64, usize, usize)| {
        format!("{} {unit} ({}, {})", number(value), rows[row], columns[column])
    };
    let ends = found.first().zip(found.last());
    let ends = ends.map(|(low, high)| format!("from {} to {}", words(low), words(high)));
    let line = |row: usize| {
        let cells = (0..columns.len()).map(|column| value(row, column));
        let cells = cells.map(|v| v.map_or("–".to_owned(), number));
        [rows[row].clone()].into_iter().chain(cells).collect()
    };
    let lines: Vec<Vec<String>> = (0..rows.len()).map(line).collect();
    let heads: Vec<&str> = [&unit].into_iter().chain(&columns).map(String::as_str).collect();

    let rows = card.few(&rows, MOST, "row");
    let columns = card.few(&columns, MOST, "column");
    let svg = bounds(found.iter().map(|found| found.0));
    let svg = svg.map(|ends| paint(&card, (&unit, ends), (rows, columns), value));
    card.figure("Heat map", &ends.unwrap_or_default(), (&heads, &lines), svg)
}

const MOST: usize = 40;

fn paint(
    card: &Card,
    (unit, (low, high)): (&str, (f64, f64)),
    (rows, columns): (&[String], &[String]),
    value: impl Fn(usize, usize) -> Option<f64>,
) -> String {
    let ratio = unit.contains('×');
    let axis = match ratio {
        true => Axis::log(low.min(1.0), high.max(1.0), 10.0),
        false => Axis::linear(low, high),
    };
    let ends = axis.range();
    let pale = RGBColor(0xF4, 0xF1, 0xEA);
    let diverging = DerivedColorMap::new(&[PALETTE[1], pale, PALETTE[0]]);
    // Less than twice as fast or slow stays pale, also where nothing differs more.
    let most = |v: f64| if v < 1.0 { -ends.start.min(0.5).ln() } else { ends.end.max(2.0).ln() };
    let shade = |v: f64| match ratio {
        true => diverging.get_color((0.5 + 0.5 * v.ln() / most(v)) as f32),
        false => ViridisRGB.get_color(((v - ends.start) / (ends.end - ends.start)) as f32),
    };
    let left = LEFT + widest(rows.iter().map(|name| shorten(name, 26)), SMALL) + 10.0;
    // What the colour scale takes at the right, with its unit above it.
    let scale = (room(unit, SMALL) + 20.0).clamp(110.0, 240.0);
    let wide = ((RIGHT - scale - left) / columns.len() as f64).min(130.0);
    let row_high = wide.clamp(20.0, 36.0);
    // Columns that are too narrow for their names have every second, third … one named.
    let every = ((widest(columns, SMALL) + 6.0) / wide).ceil().max(1.0) as usize;
    // Numbers in some of the cells only would look as if those were special.
    let cells = || (0..rows.len()).flat_map(|r| (0..columns.len()).map(move |c| (r, c)));
    let mut shown = cells().filter_map(|(row, column)| value(row, column));
    let numbers = shown.all(|v| room(&number(v), SMALL) + 4.0 < wide);
    let plot = row_high * rows.len() as f64;

    card.svg(24.0 + plot.max(120.0) + 12.0, |pen, top| {
        let top = top + 24.0;
        for (row, name) in rows.iter().enumerate() {
            let y = top + row_high * (row as f64 + 0.5);
            pen.small(left - 8.0, y, &shorten(name, 26), HPos::Right)?;
        }
        for (column, name) in columns.iter().enumerate().step_by(every) {
            let x = left + wide * (column as f64 + 0.5);
            let most = fitting(wide * every as f64 - 4.0, SMALL);
            pen.small(x, top - 12.0, &shorten(name, most), HPos::Center)?;
        }
        for (row, column) in cells() {
            let (x, y) = (left + wide * column as f64, top + row_high * row as f64);
            let at = [(x, y), (x + wide - 1.0, y + row_high - 1.0)];
            if let Some(value) = value(row, column) {
                let ground = shade(value);
                pen.rect(at, ground.filled())?;
                if numbers {
                    let middle = (x + wide / 2.0, y + row_high / 2.0);
                    pen.patch(middle, &number(value), ground)?;
                }
            } else {
                pen.rect(at, PALE.filled())?;
                pen.hatch(at, RULE, false)?;
            }
        }
        // The colour scale, the largest value on top.
        let (x, high) = (left + wide * columns.len() as f64 + 18.0, plot.max(120.0) - 24.0);
        let place = |v: f64| top + 24.0 + high - f64::from(axis.map(&v, (0, 1000))) * high / 1000.0;
        for step in 0..40 {
            let share = (f64::from(step) + 0.5) / 40.0;
            let y = top + 24.0 + high * (1.0 - share);
            let at = [(x, y - high / 80.0), (x + 14.0, y + high / 80.0 + 0.5)];
            let value = match ratio {
                true => ends.start * (ends.end / ends.start).powf(share),
                false => ends.start + (ends.end - ends.start) * share,
            };
            pen.rect(at, shade(value).filled())?;
        }
        let columns = fitting(RIGHT - x, SMALL);
        pen.small(x, top + 8.0, &shorten(unit, columns), HPos::Left)?;
        for (tick, label) in axis.ticks((high / 20.0).min(6.0) as usize) {
            pen.line([(x + 14.0, place(tick)), (x + 18.0, place(tick))], stroke(RULE, 1.0), false)?;
            pen.small(x + 22.0, place(tick), &label, HPos::Left)?;
        }
        Ok(())
    })
}

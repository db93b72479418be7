//! Rows × columns of values as colours.

use super::Figure;
use super::canvas::{Align, Canvas, Hatch, INK, MARGIN, PALE, RIGHT, SMALL, SOFT, card, on};
use super::scale::{Axis, usable};
use super::table::table;
use super::text::{clean, number, shorten, width};
use plotters::prelude::RGBColor;

/// Rows × columns of values as colours, with a colour scale in `unit`.
///
/// `values[row][column]`; missing and non-finite values are hatched grey. The colours (viridis)
/// are evenly spaced for the eye, also for colour-blind ones and in grey print; where cells are
/// large enough the number stands in them. Beyond 24 rows or columns neighbours are averaged, and
/// a note says so.
pub fn heat_map(
    title: &str,
    unit: &str,
    row_labels: &[String],
    column_labels: &[String],
    values: &[Vec<f64>],
) -> Figure {
    let unit = clean(unit);
    let label = |labels: &[String], place: usize| {
        labels
            .get(place)
            .map_or_else(String::new, |label| clean(label))
    };
    let columns = values
        .iter()
        .map(Vec::len)
        .max()
        .unwrap_or(0)
        .max(column_labels.len());
    let rows = values.len().max(row_labels.len());
    let full = Grid {
        rows: (0..rows).map(|r| label(row_labels, r)).collect(),
        columns: (0..columns).map(|c| label(column_labels, c)).collect(),
        cells: (0..rows)
            .map(|r| {
                let value = |c: usize| values.get(r)?.get(c).copied().and_then(usable);
                (0..columns).map(value).collect()
            })
            .collect(),
    };
    let mut notes = Vec::new();
    let missing = full.cells.iter().flatten().filter(|v| v.is_none()).count();
    if missing > 0 {
        notes.push(format!(
            "hatched: no value ({missing} of {})",
            rows * columns
        ));
    }
    let alt = full.sentence(title, &unit);
    let text = full.table(title, &unit, &notes);
    let (down, across) = (rows.div_ceil(MOST).max(1), columns.div_ceil(MOST).max(1));
    let grid = if down * across > 1 {
        notes.push(format!("each cell is the mean of {down} × {across} values"));
        full.averaged(down, across)
    } else {
        full
    };
    Figure {
        svg: grid.paint(title, &unit, notes),
        alt,
        table: text,
    }
}

const MOST: usize = 24;

struct Grid {
    rows: Vec<String>,
    columns: Vec<String>,
    cells: Vec<Vec<Option<f64>>>,
}

impl Grid {
    fn range(&self) -> Option<(f64, f64)> {
        let mut values = self.cells.iter().flatten().flatten().copied();
        let first = values.next()?;
        Some(values.fold((first, first), |(low, high), v| (low.min(v), high.max(v))))
    }

    fn sentence(&self, title: &str, unit: &str) -> String {
        let name =
            |row: usize, column: usize| format!("{}, {}", self.rows[row], self.columns[column]);
        let mut all: Vec<(f64, String)> = Vec::new();
        for (row, line) in self.cells.iter().enumerate() {
            for (column, value) in line.iter().enumerate() {
                all.extend(value.map(|v| (v, name(row, column))));
            }
        }
        let low = all.iter().min_by(|a, b| a.0.total_cmp(&b.0));
        let high = all.iter().max_by(|a, b| a.0.total_cmp(&b.0));
        let found = low.zip(high).map_or("no values".to_owned(), |(low, high)| {
            let words = |end: &(f64, String)| format!("{} {unit} ({})", number(end.0), end.1);
            format!("from {} to {}", words(low), words(high))
        });
        format!("Heat map “{}”: {found}.", clean(title))
    }

    fn table(&self, title: &str, unit: &str, notes: &[String]) -> String {
        let mut heads = vec![unit];
        heads.extend(self.columns.iter().map(String::as_str));
        let line = |(name, cells): (&String, &Vec<Option<f64>>)| {
            let mut row = vec![name.clone()];
            row.extend(cells.iter().map(|v| v.map_or("–".to_owned(), number)));
            row
        };
        let rows: Vec<Vec<String>> = self.rows.iter().zip(&self.cells).map(line).collect();
        table(title, &heads, &rows, notes)
    }

    /// Means of blocks; a block is named after its first row and column.
    fn averaged(&self, down: usize, across: usize) -> Grid {
        let mean = |row: usize, column: usize| {
            let rows = self.cells.iter().skip(row * down).take(down);
            let block = rows.flat_map(|line| line.iter().skip(column * across).take(across));
            let values: Vec<f64> = block.flatten().copied().collect();
            (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64)
        };
        let rows: Vec<String> = self.rows.iter().step_by(down).cloned().collect();
        let columns: Vec<String> = self.columns.iter().step_by(across).cloned().collect();
        let cells = (0..rows.len())
            .map(|r| (0..columns.len()).map(|c| mean(r, c)).collect())
            .collect();
        Grid {
            rows,
            columns,
            cells,
        }
    }

    fn paint(&self, title: &str, unit: &str, mut notes: Vec<String>) -> String {
        let Some((low, high)) = self.range() else {
            notes.push("nothing to show: there are no values yet".to_owned());
            return card(title, &notes, true, 10.0, |_, _| {});
        };
        let names = self.rows.iter().map(|name| width(name, SMALL, false));
        let left = MARGIN + names.fold(0.0, f64::max).min(180.0) + 10.0;
        let wide = ((RIGHT - 104.0 - left) / self.columns.len() as f64).min(130.0);
        let scale = left + wide * self.columns.len() as f64 + 20.0;
        let scale = (scale, scale + 16.0);
        let high_cell = wide.clamp(22.0, 40.0);
        let plot = high_cell * self.rows.len() as f64;
        let widest = self
            .columns
            .iter()
            .map(|name| width(name, SMALL, false))
            .fold(0.0, f64::max);
        let upright = widest > wide - 6.0;
        let heads = if upright {
            widest.min(120.0) + 12.0
        } else {
            24.0
        };
        let scale_high = plot.max(110.0);
        let body = (heads + scale_high.max(plot)).max(26.0 + scale_high) + 12.0;

        // Numbers in some of the cells only would look as if those were special.
        let fits = |v: &f64| width(&number(*v), SMALL, false) + 8.0 < wide;
        let numbers = self.cells.iter().flatten().flatten().all(fits);

        card(title, &notes, true, body, |canvas, top| {
            let top = top + heads.max(26.0);
            for (row, name) in self.rows.iter().enumerate() {
                let y = top + high_cell * (row as f64 + 0.5);
                canvas.small(
                    left - 8.0,
                    y,
                    &shorten(name, SMALL, false, 180.0),
                    Align::Right,
                );
            }
            // Upright labels need 15 px each; where columns are narrower some are left out.
            let every = if upright {
                (15.0 / wide).ceil().max(1.0) as usize
            } else {
                1
            };
            for (column, name) in self.columns.iter().enumerate().step_by(every) {
                let x = left + wide * (column as f64 + 0.5);
                if upright {
                    let name = shorten(name, SMALL, false, 120.0);
                    canvas.text(x, top - 6.0, &name, SMALL, SOFT, Align::Left, false, true);
                } else {
                    canvas.small(x, top - 13.0, name, Align::Middle);
                }
            }
            for (row, line) in self.cells.iter().enumerate() {
                for (column, value) in line.iter().enumerate() {
                    let (x, y) = (left + wide * column as f64, top + high_cell * row as f64);
                    cell(
                        canvas,
                        *value,
                        (low, high),
                        (x, y),
                        (wide, high_cell),
                        numbers,
                    );
                }
            }
            colour_scale(canvas, unit, (low, high), scale, (top, top + scale_high));
        })
    }
}

fn cell(
    canvas: &Canvas,
    value: Option<f64>,
    range: (f64, f64),
    (x, y): (f64, f64),
    (wide, high): (f64, f64),
    numbers: bool,
) {
    let (x1, y1) = (x + wide - 1.0, y + high - 1.0);
    let Some(value) = value else {
        canvas.rect(x, y, x1, y1, PALE);
        canvas.hatch(x, y, x1, y1, Hatch::Wait);
        return;
    };
    let colour = viridis(share(value, range));
    canvas.rect(x, y, x1, y1, colour);
    if numbers {
        let text = number(value);
        let (x, y) = ((x + x1) / 2.0, (y + y1) / 2.0);
        canvas.text(x, y, &text, SMALL, on(colour), Align::Middle, false, false);
    }
}

fn share(value: f64, (low, high): (f64, f64)) -> f64 {
    if high > low {
        (value - low) / (high - low)
    } else {
        0.5
    }
}

/// The scale at the right, its unit on top.
fn colour_scale(
    canvas: &Canvas,
    unit: &str,
    range: (f64, f64),
    (x0, x1): (f64, f64),
    (top, bottom): (f64, f64),
) {
    let unit = shorten(unit, SMALL, false, RIGHT - x0);
    canvas.small(x0, top - 13.0, &unit, Align::Left);
    if range.0 == range.1 {
        canvas.rect(x0, top, x1, bottom, viridis(0.5));
        canvas.small(
            x1 + 8.0,
            (top + bottom) / 2.0,
            &number(range.0),
            Align::Left,
        );
        return;
    }
    let steps = 48;
    let high = (bottom - top) / f64::from(steps);
    for step in 0..steps {
        let y = bottom - high * f64::from(step + 1);
        let end = if step == 0 { y + high } else { y + high + 0.5 };
        canvas.rect(
            x0,
            y,
            x1,
            end,
            viridis((f64::from(step) + 0.5) / f64::from(steps)),
        );
    }
    let most = ((bottom - top) / 34.0).min(6.0) as usize;
    let axis = Axis::linear(range, (bottom, top), most, false, false);
    for (value, label) in &axis.ticks {
        let y = axis.at(*value);
        canvas.line(x1, y, x1 + 4.0, y, INK);
        let label = shorten(label, SMALL, false, RIGHT - x1);
        canvas.small(x1 + 8.0, y, &label, Align::Left);
    }
}

/// Viridis by Nathaniel Smith and Stéfan van der Walt, from ten of its colours.
fn viridis(share: f64) -> RGBColor {
    const STOPS: [(u8, u8, u8); 10] = [
        (0x44, 0x01, 0x54),
        (0x48, 0x28, 0x78),
        (0x3E, 0x49, 0x89),
        (0x31, 0x68, 0x8E),
        (0x26, 0x82, 0x8E),
        (0x1F, 0x9E, 0x89),
        (0x35, 0xB7, 0x79),
        (0x6E, 0xCE, 0x58),
        (0xB5, 0xDE, 0x2B),
        (0xFD, 0xE7, 0x25),
    ];
    let place = share.clamp(0.0, 1.0) * (STOPS.len() - 1) as f64;
    let (below, rest) = (
        (place as usize).min(STOPS.len() - 2),
        place.min(8.999_999).fract(),
    );
    let rest = if share >= 1.0 { 1.0 } else { rest };
    let (a, b) = (STOPS[below], STOPS[below + 1]);
    let mix = |a: u8, b: u8| (f64::from(a) + (f64::from(b) - f64::from(a)) * rest).round() as u8;
    RGBColor(mix(a.0, b.0), mix(a.1, b.1), mix(a.2, b.2))
}

#[cfg(test)]
mod tests {
    use super::super::layout::{NAMES, check, check_units};
    use super::*;

    #[test]
    fn any_size_is_legible() {
        for (rows, columns) in [(0, 0), (1, 1), (2, 5), (16, 16), (5, 24), (100, 300)] {
            for names in NAMES {
                let labels = |n: usize| -> Vec<String> {
                    (0..n)
                        .map(|i| format!("{}{i}", names[i % names.len()]))
                        .collect()
                };
                let values: Vec<Vec<f64>> = (0..rows)
                    .map(|r| (0..columns).map(|c| (r * c) as f64).collect())
                    .collect();
                let figure = heat_map(
                    "Time by size",
                    "ms",
                    &labels(rows),
                    &labels(columns),
                    &values,
                );
                check(&figure, 90_000);
                if rows > 1 {
                    check_units(&figure, &[">ms<"]);
                    assert!(figure.table().contains(&labels(1)[0]));
                }
            }
        }
    }

    #[test]
    fn missing_values_are_hatched() {
        let values = [
            vec![1.0, f64::NAN],
            vec![f64::INFINITY],
            vec![-1e100, 1e100],
        ];
        let figure = heat_map("t", "MB", &["a".into()], &["b".into()], &values);
        assert!(figure.svg().contains("hatched: no value (3 of 6)"));
        check(&figure, 25_000);
        check(&heat_map("t", "MB", &[], &[], &[vec![7.0, 7.0]]), 25_000);
        check(&heat_map("t", "MB", &["a".into()], &[], &[]), 25_000);
    }

    #[test]
    fn the_scale_ends_in_its_first_and_last_colour() {
        assert_eq!(viridis(0.0), RGBColor(0x44, 0x01, 0x54));
        assert_eq!(viridis(1.0), RGBColor(0xFD, 0xE7, 0x25));
    }
}

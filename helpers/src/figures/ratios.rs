//! Ratios of times on one logarithmic axis, each beside a number to compare it with.

use super::Figure;
use super::canvas::{Align, Canvas, Dash, LABEL, MARGIN, PALETTE, RIGHT, RULE, SMALL, card, tint};
use super::rows::MOST_ROWS;
use super::scale::{Axis, BELOW, usable};
use super::table::{listed, table};
use super::text::{clean, shorten, times, width};

/// A row of [`ratios`]: a speedup and, where there is one, a mark to compare it with.
#[derive(Debug, Clone)]
pub struct Ratio {
    /// What became faster, and how.
    pub name: String,
    /// The measured speedup; none where it has not been measured.
    pub measured: Option<f64>,
    /// The least and the most speedup that the runs allow.
    pub range: (f64, f64),
    /// The speedup that somebody else reports.
    pub mark: Option<f64>,
}

/// Speedups on a logarithmic axis, with a line at 1 where nothing is gained.
///
/// Each row has a dot for what was measured, a bar for what its runs allow, and a diamond for its
/// mark. `whose` says whose marks they are; without any mark it is not shown. Numbers that are not above 0 count as missing; a row
/// without any keeps its place. Of more than 32 rows the first 32 are drawn.
///
/// ```
/// use helpers::figures::{Ratio, ratios};
///
/// let threads = Ratio { name: "40 threads".into(), measured: Some(30.0), range: (29.0, 31.0), mark: Some(20.9) };
/// let figure = ratios("Speedups", "the talk", &[threads]);
/// assert!(figure.alt().contains("40 threads 30.0× (the talk 20.9×)"));
/// ```
pub fn ratios(title: &str, whose: &str, rows: &[Ratio]) -> Figure {
    let whose = clean(whose);
    let rows: Vec<Row> = rows.iter().map(Row::of).collect();
    let marked = rows.iter().any(|row| row.mark.is_some());
    let columns = if marked { 5 } else { 4 };
    let cells: Vec<Vec<String>> = rows
        .iter()
        .map(|row| row.cells()[..columns].to_vec())
        .collect();
    let found: Vec<String> = rows.iter().map(|row| row.in_words(&whose)).collect();
    let alt = match rows.is_empty() {
        true => format!("Speedups “{}”: no rows.", clean(title)),
        false => format!("Speedups “{}”: {}.", clean(title), listed(&found, 8)),
    };
    let heads = ["name", "speedup", "at least", "at most", &whose];
    Figure {
        table: table(title, &heads[..columns], &cells, &[]),
        alt,
        svg: paint(title, &whose, &rows),
    }
}

/// A row with nothing in it that cannot be drawn.
struct Row {
    name: String,
    measured: Option<f64>,
    range: (f64, f64),
    mark: Option<f64>,
}

impl Row {
    fn of(ratio: &Ratio) -> Row {
        let above_0 = |value: f64| usable(value).filter(|&v| v > 0.0);
        let measured = ratio.measured.and_then(above_0);
        let middle = measured.unwrap_or(1.0);
        let (low, high) = ratio.range;
        Row {
            name: clean(&ratio.name),
            measured,
            range: (
                above_0(low).unwrap_or(middle).min(middle),
                above_0(high).unwrap_or(middle).max(middle),
            ),
            mark: ratio.mark.and_then(above_0),
        }
    }

    /// Everything of the row that has a place on the axis.
    fn values(&self) -> impl Iterator<Item = f64> {
        let measured = self.measured.map(|m| [m, self.range.0, self.range.1]);
        measured.into_iter().flatten().chain(self.mark)
    }

    fn value(&self) -> String {
        self.measured.map_or("not measured".to_owned(), times)
    }

    fn cells(&self) -> [String; 5] {
        let measured = |value: f64| self.measured.map_or(String::new(), |_| times(value));
        [
            self.name.clone(),
            self.value(),
            measured(self.range.0),
            measured(self.range.1),
            self.mark.map_or(String::new(), times),
        ]
    }

    fn in_words(&self, whose: &str) -> String {
        match self.mark {
            Some(mark) => format!("{} {} ({whose} {})", self.name, self.value(), times(mark)),
            None => format!("{} {}", self.name, self.value()),
        }
    }
}

fn paint(title: &str, whose: &str, rows: &[Row]) -> String {
    let all = rows.len();
    let rows = &rows[..all.min(MOST_ROWS)];
    if rows.is_empty() {
        let note = ["nothing to show: there are no rows yet".to_owned()];
        return card(title, &note, true, 20.0, |_, _| {});
    }
    let diamond = match rows.iter().any(|row| row.mark.is_some()) {
        true => format!("diamond: {} · ", shorten(whose, SMALL, false, 160.0)),
        false => String::new(),
    };
    let mut notes = vec![format!(
        "dot: median · bar: what the runs allow · {diamond}dashed line: nothing gained"
    )];
    if all > rows.len() {
        notes.push(format!(
            "the first {} of {all} rows; the rest is in the table",
            rows.len()
        ));
    }
    let pitch = if rows.len() > 16 { 24.0 } else { 32.0 };
    let plot = pitch * rows.len() as f64 + 6.0;
    let widest = |of: &dyn Fn(&Row) -> f64| rows.iter().map(of).fold(0.0, f64::max);
    let names = widest(&|row| width(&row.name, LABEL, false)).min(330.0);
    let marks = widest(&|row| {
        row.mark
            .map_or(0.0, |m| width(&times(m), SMALL, false) + 26.0)
    });
    let values = widest(&|row| width(&row.value(), LABEL, true));
    let span = (MARGIN + names + 14.0, RIGHT - marks - values - 16.0);
    let axis = axis(rows, span);

    card(title, &notes, true, plot + BELOW, |canvas, top| {
        axis.draw_below(
            canvas,
            top,
            top + plot,
            "speedup (×, log scale); below 1: slower",
        );
        let one = axis.at(1.0);
        canvas.path(&[(one, top), (one, top + plot)], RULE, 1.0, Dash::Dashed);
        for (place, row) in rows.iter().enumerate() {
            let y = top + 3.0 + pitch * (place as f64 + 0.5);
            let name = shorten(&row.name, LABEL, false, names);
            canvas.label(span.0 - 12.0, y, &name, Align::Right);
            canvas.strong(RIGHT - marks, y, &row.value(), Align::Right);
            if let Some(mark) = row.mark {
                canvas.small(RIGHT, y, &times(mark), Align::Right);
                canvas.marker(
                    RIGHT - width(&times(mark), SMALL, false) - 11.0,
                    y,
                    DIAMOND,
                    MARK,
                );
            }
            draw(canvas, row, &axis, y);
        }
    })
}

const DIAMOND: usize = 3;
const MARK: plotters::prelude::RGBColor = PALETTE[1];

fn draw(canvas: &Canvas, row: &Row, axis: &Axis, y: f64) {
    axis.draw_track(canvas, y);
    if row.measured.is_some() {
        let (low, high) = (axis.at(row.range.0), axis.at(row.range.1));
        canvas.rect(low, y - 3.5, high, y + 3.5, tint(PALETTE[0], 0.38));
    }
    if let Some(mark) = row.mark {
        canvas.marker(axis.at(mark), y, DIAMOND, MARK);
    }
    if let Some(measured) = row.measured {
        canvas.dot(axis.at(measured), y, 3.6, PALETTE[0], true);
    }
}

/// An axis that has 1 on it, and all values.
fn axis(rows: &[Row], span: (f64, f64)) -> Axis {
    let values = rows.iter().flat_map(Row::values);
    let (low, high) = values.fold((1.0, 1.0), |(l, h): (f64, f64), v| (l.min(v), h.max(v)));
    Axis::log((low, high), span, false, false, 44.0)
}

#[cfg(test)]
mod tests {
    use super::super::layout::{NAMES, check, check_units};
    use super::*;

    fn row(name: &str, measured: Option<f64>, mark: Option<f64>) -> Ratio {
        let middle = measured.unwrap_or(f64::NAN);
        Ratio {
            name: name.to_owned(),
            measured,
            range: (middle * 0.8, middle * 1.1),
            mark,
        }
    }

    #[test]
    fn any_number_of_rows_is_legible() {
        let values = [
            Some(20.9),
            Some(0.01),
            None,
            Some(f64::NAN),
            Some(-1.0),
            Some(1e300),
            Some(1e140),
            Some(1.0),
            Some(0.0),
            Some(96_345.6),
        ];
        for n in [0, 1, 2, 5, 16, 40, 2000] {
            for names in NAMES {
                for values in [&values[..], &values[..1], &values[2..4]] {
                    let of = |i: usize| values[i % values.len()];
                    let rows: Vec<Ratio> = (0..n)
                        .map(|i| row(names[i % names.len()], of(i), of(i / 2)))
                        .collect();
                    let figure = ratios("What it gained", "the talk", &rows);
                    check(&figure, 40_000);
                    if n > 0 {
                        check_units(&figure, &["(×, log scale)"]);
                        assert!(figure.table().contains(rows[0].name.trim()));
                    }
                }
            }
        }
    }

    #[test]
    fn what_is_missing_is_said() {
        let rows = [
            row("threads", Some(30.0), Some(20.9)),
            row("processes", None, Some(4.3)),
            row("tasks", Some(80.0), None),
        ];
        let figure = ratios("t", "the talk", &rows);
        assert_eq!(
            figure.alt(),
            "Speedups “t”: threads 30.0× (the talk 20.9×), processes not measured (the talk 4.3×), \
             tasks 80.0×."
        );
        assert!(figure.svg().contains("not measured") && figure.svg().contains("nothing gained"));
        assert!(figure.table().contains("33.0×"), "{}", figure.table());
    }

    #[test]
    fn without_marks_nobody_is_named() {
        let figure = ratios("t", "the talk", &[row("tasks", Some(80.0), None)]);
        assert!(!figure.svg().contains("diamond") && !figure.table().contains("the talk"));
    }

    #[test]
    fn a_range_without_sense_shrinks_to_the_dot() {
        let odd = Ratio {
            range: (f64::NAN, f64::INFINITY),
            ..row("odd", Some(2.0), None)
        };
        assert_eq!(Row::of(&odd).range, (2.0, 2.0));
    }
}

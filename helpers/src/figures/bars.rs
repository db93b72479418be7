//! Timings as horizontal bars with every run as a dot.

use super::Figure;
use super::rows::{Row, paint, spread_of_middles};
use super::scale::{time_unit, usable};
use super::table::{listed, table};
use super::text::{clean, count, time, times};
use crate::measure::{Comparison, Timing, median};

/// Horizontal bars: one row per timing, every run a dot, the median the bar.
///
/// At the right of each row stand its median and how it compares with the first row. The axis is
/// linear and starts at 0; where the medians lie more than 100× apart it is logarithmic, says so,
/// and ticks take the place of bars, whose lengths would mean nothing.
///
/// Timings without a usable run keep their row, which says that there is no time. Of more than 32
/// timings the first 32 are drawn; the table has up to 40.
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

#[cfg(test)]
mod tests {
    use super::super::layout::{NAMES, check, check_units};
    use super::super::rows::thin;
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
                for timing in timings.iter().take(40) {
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

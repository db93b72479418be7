//! xy lines.

use super::Figure;
use super::canvas::Dash;
use super::scale::usable;
use super::table::{listed, table};
use super::text::{clean, count, number};
use super::xy::{Plot, Series};

/// Lines through points, one per series, named at their ends.
///
/// `x_label` and `y_label` carry their units, such as `"image width (px)"`. The result is shown
/// as it is; [`log_x`](Lines::log_x) and [`log_y`](Lines::log_y) change its axes.
///
/// Points are joined in the order given. Up to 30 points of a series get marks; of more than 160
/// points a selection is drawn that keeps peaks. Points that are not finite, or not above 0 on a
/// logarithmic axis, are left out and counted; series after the 14th as well.
///
/// ```
/// use helpers::figures::lines;
///
/// let amdahl = |p: f64| (1..=64).map(move |n| (n as f64, 1.0 / (1.0 - p + p / n as f64)));
/// let figure = lines(
///     "Amdahl's law",
///     "workers (number)",
///     "speedup (×)",
///     &[("p = 0.9", amdahl(0.9).collect()), ("p = 0.5", amdahl(0.5).collect())],
/// )
/// .log_x()
/// .figure();
/// assert!(figure.table().contains("p = 0.9"));
/// ```
pub fn lines(
    title: &str,
    x_label: &str,
    y_label: &str,
    series: &[(&str, Vec<(f64, f64)>)],
) -> Lines {
    Lines {
        title: title.to_owned(),
        x_label: clean(x_label),
        y_label: clean(y_label),
        series: series
            .iter()
            .map(|(name, points)| (clean(name), points.clone()))
            .collect(),
        joined: series.len(),
        log_x: false,
        log_y: false,
        measured: true,
    }
}

/// A figure of lines whose axes can still be changed; made by [`lines`](fn@lines).
#[derive(Debug, Clone)]
pub struct Lines {
    title: String,
    x_label: String,
    y_label: String,
    series: Vec<(String, Vec<(f64, f64)>)>,
    /// So many of the series are lines; those after them are dots.
    joined: usize,
    log_x: bool,
    log_y: bool,
    measured: bool,
}

/// More lines than this cannot be told apart, nor their names be put beside them.
const MOST_SERIES: usize = 14;
/// Points per series: marks up to the first, all points up to the second.
const MARKED: usize = 30;
const MOST_POINTS: usize = 160;

impl Lines {
    /// Makes the x axis logarithmic: powers of two where all x are, else of ten.
    pub fn log_x(mut self) -> Self {
        self.log_x = true;
        self
    }

    /// Makes the y axis logarithmic.
    pub fn log_y(mut self) -> Self {
        self.log_y = true;
        self
    }

    /// Adds points that no line joins, such as the single runs behind a curve of medians.
    pub fn dots(mut self, name: &str, points: &[(f64, f64)]) -> Self {
        self.series.push((clean(name), points.to_vec()));
        self
    }

    /// Leaves the machine out of the figure's foot, for numbers that nobody measured.
    pub fn theory(mut self) -> Self {
        self.measured = false;
        self
    }

    /// Draws it.
    pub fn figure(&self) -> Figure {
        let mut left_out = 0;
        let mut drawn: Vec<Series> = Vec::new();
        for (place, (name, points)) in self.series.iter().take(MOST_SERIES).enumerate() {
            let fits = |v: f64, log: bool| usable(v).filter(|&v| !log || v > 0.0);
            let usable: Vec<(f64, f64)> = points
                .iter()
                .filter_map(|&(x, y)| Some((fits(x, self.log_x)?, fits(y, self.log_y)?)))
                .collect();
            left_out += points.len() - usable.len();
            let marks = usable.len() <= MARKED;
            let dots = place >= self.joined;
            let dashes = [Dash::Solid, Dash::Dashed, Dash::Mixed, Dash::Dotted];
            // Unmarked lines need dashes to be told apart; marked ones only when marks repeat.
            let dash = if marks { place / 7 } else { place };
            drawn.push(Series {
                name: name.clone(),
                points: thin(usable, self.log_x),
                look: place,
                dash: (!dots).then_some(dashes[dash % 4]),
                marks: marks && !dots,
                dots,
            });
        }
        let mut notes = Vec::new();
        if left_out > 0 {
            notes.push(format!(
                "{} that cannot be drawn left out",
                count(left_out, "point")
            ));
        }
        if self.series.len() > MOST_SERIES {
            let all = self.series.len();
            notes.push(format!(
                "the first {MOST_SERIES} of {all} lines; the rest is in the table"
            ));
        }
        let scale = |label: &str, log: bool| match log {
            true => format!("{label}, log scale"),
            false => label.to_owned(),
        };
        Figure {
            alt: self.sentence(),
            table: self.table(&notes),
            svg: Plot {
                title: &self.title,
                notes,
                x_label: scale(&self.x_label, self.log_x),
                y_label: scale(&self.y_label, self.log_y),
                log_x: self.log_x,
                log_y: self.log_y,
                measured: self.measured,
            }
            .svg(&drawn),
        }
    }

    /// Draws and shows it; the kernel calls this.
    pub fn evcxr_display(&self) {
        self.figure().evcxr_display();
    }

    /// Draws and shows it from the middle of a cell.
    pub fn show(&self) {
        self.evcxr_display();
    }

    fn sentence(&self) -> String {
        let ends = |(name, points): &(String, Vec<(f64, f64)>)| {
            let from_to = points.first().zip(points.last());
            let text = from_to.map_or("no points".to_owned(), |(a, b)| {
                let (ax, ay, bx, by) = (number(a.0), number(a.1), number(b.0), number(b.1));
                format!("from {ay} at {ax} to {by} at {bx}")
            });
            format!("{name} {text}").trim().to_owned()
        };
        let found: Vec<String> = self.series.iter().map(ends).collect();
        format!(
            "Line chart “{}”, {} against {}: {}.",
            clean(&self.title),
            self.y_label,
            self.x_label,
            if found.is_empty() {
                "no lines".to_owned()
            } else {
                listed(&found, 6)
            }
        )
    }

    /// One row per point; of long series a selection, so that every series has its place.
    fn table(&self, notes: &[String]) -> String {
        let each = (160 / self.series.len().max(1)).max(2);
        let mut rows = Vec::new();
        for (name, points) in &self.series {
            let every = points.len().div_ceil(each).max(1);
            let last = points.len().saturating_sub(1);
            let shown = (0..points.len()).filter(|i| i % every == 0 || *i == last);
            rows.extend(shown.map(|i| {
                let (x, y) = points[i];
                vec![name.clone(), number(x), number(y)]
            }));
            if points.is_empty() {
                rows.push(vec![name.clone(), "no points".to_owned(), String::new()]);
            }
        }
        table(
            &self.title,
            &["line", &self.x_label, &self.y_label],
            &rows,
            notes,
        )
    }
}

/// Of many points the first, the last, and the lowest and highest of each stretch of the axis.
fn thin(points: Vec<(f64, f64)>, log_x: bool) -> Vec<(f64, f64)> {
    if points.len() <= MOST_POINTS {
        return points;
    }
    let place = |x: f64| if log_x { x.ln() } else { x };
    let ends = points.iter().map(|p| place(p.0));
    let (low, high) = ends.fold((f64::INFINITY, f64::NEG_INFINITY), |(l, h), x| {
        (l.min(x), h.max(x))
    });
    let stretches = (MOST_POINTS / 2) as f64;
    let stretch = |x: f64| ((place(x) - low) / (high - low) * stretches).floor();
    let mut kept: Vec<(f64, f64)> = Vec::new();
    let last = points.last().copied();
    for part in points.chunk_by(|a, b| stretch(a.0) == stretch(b.0)) {
        let lowest = (0..part.len()).min_by(|&a, &b| part[a].1.total_cmp(&part[b].1));
        let highest = (0..part.len()).max_by(|&a, &b| part[a].1.total_cmp(&part[b].1));
        let (a, b) = (lowest.unwrap_or(0), highest.unwrap_or(0));
        kept.push(part[a.min(b)]);
        if a != b {
            kept.push(part[a.max(b)]);
        }
    }
    // Points that run to and fro fall into ever new stretches.
    let every = kept.len().div_ceil(2 * MOST_POINTS).max(1);
    let mut kept: Vec<(f64, f64)> = kept.into_iter().step_by(every).collect();
    kept.extend(last.filter(|l| kept.last() != Some(l)));
    kept
}

#[cfg(test)]
mod tests {
    use super::super::layout::{NAMES, check, check_units};
    use super::*;

    #[test]
    fn any_number_of_lines_is_legible() {
        for n in [0, 1, 2, 5, 16, 300] {
            for names in NAMES {
                let series: Vec<(&str, Vec<(f64, f64)>)> = (0..n)
                    .map(|i| {
                        let points =
                            (1..=9).map(|x| (f64::from(x), f64::from(x) + i as f64 * 0.01));
                        (names[i % names.len()], points.collect())
                    })
                    .collect();
                let chart = lines("Title", "workers (number)", "speedup (×)", &series);
                for figure in [
                    chart.figure(),
                    chart.clone().log_x().figure(),
                    chart.clone().log_x().log_y().theory().figure(),
                ] {
                    check(&figure, 25_000);
                    if n > 0 {
                        check_units(&figure, &["speedup (×)"]);
                        check_units(&figure, &["workers (number)"]);
                        assert!(figure.table().contains(series[0].0));
                    }
                }
            }
        }
    }

    #[test]
    fn dots_are_drawn_and_named_but_not_joined() {
        let line: Vec<(f64, f64)> = (0..30).map(|x| (f64::from(x), 1.0)).collect();
        let chart = lines("t", "x (s)", "y (s)", &[("law", line)]);
        let paths = |figure: &Figure| figure.svg().matches("<polyline").count();
        let before = paths(&chart.figure());
        let dotted = chart.dots("runs", &[(1.0, 2.0), (1.0, 2.1), (9.0, 2.2)]);
        let figure = dotted.figure();
        assert!(figure.svg().contains(">runs<") && figure.table().contains("runs"));
        assert!(figure.svg().matches("<circle").count() >= 3);
        assert!(paths(&figure) <= before + 1, "at most a leader to the name");
        check(&figure, 25_000);
        check(&dotted.dots("none", &[]).log_x().log_y().figure(), 25_000);
    }

    #[test]
    fn extreme_points_are_drawn_or_counted() {
        let points = vec![
            (1.0, 1e-6),
            (2.0, 1e6),
            (f64::NAN, 1.0),
            (3.0, f64::INFINITY),
            (-1.0, 0.0),
            (4.0, 1e300),
        ];
        let chart = lines(
            "t",
            "x (s)",
            "y (s)",
            &[("a", points), ("b", vec![]), ("c", vec![(5.0, 5.0)])],
        );
        let figure = chart.figure();
        assert!(figure.svg().contains("3 points that cannot be drawn"));
        check(&figure, 25_000);
        let figure = chart.log_x().log_y().figure();
        assert!(figure.svg().contains("4 points that cannot be drawn"));
        check(&figure, 25_000);
        check(
            &lines("t", "x (s)", "y (s)", &[("a", vec![(0.0, 0.0)])]).figure(),
            25_000,
        );
        check(
            &lines("t", "x", "y", &[("a", vec![(3.0, 3.0), (3.0, 3.0)])])
                .log_x()
                .figure(),
            25_000,
        );
    }

    #[test]
    fn many_points_stay_small_and_keep_their_peak() {
        let mut points: Vec<(f64, f64)> = (0..50_000).map(|i| (f64::from(i), 1.0)).collect();
        points[23_456].1 = 9.0;
        let thinned = thin(points.clone(), false);
        assert!(thinned.len() <= MOST_POINTS + 3);
        assert!(thinned.contains(&(23_456.0, 9.0)));
        let to_and_fro = (0..9999).map(|i| (f64::from(i * 7919 % 1000), f64::from(i)));
        assert!(thin(to_and_fro.collect(), true).len() < 400);
        let series: Vec<(&str, Vec<(f64, f64)>)> = vec![("a", points); 10];
        check(&lines("t", "x (s)", "y (s)", &series).figure(), 40_000);
    }
}

//! Numbers that follow another: lines, steps, dots and models, on linear and logarithmic axes.

use crate::Figure;
use crate::axis::{Axis, bounds};
use crate::card::*;
use crate::text::*;
use measure::{Timing, median};
use plotters::coord::ranged1d::Ranged;
use plotters::prelude::*;
use plotters::style::text_anchor::HPos;

/// (x, y) of each point.
type Points = Vec<(f64, f64)>;

/// Lines through points, one per series.
///
/// `x_label` and `y_label` carry their units, such as `"image width (px)"`. The result is shown as
/// it is; its methods change the axes and add dots and models. Points are joined in the order
/// given. Points that are not finite, or not above 0 on a logarithmic axis, are left out and
/// counted; series after the 14th as well.
///
/// ```
/// use figures::lines;
///
/// let measured = [("measured", vec![(1.0, 1.0), (2.0, 1.9)])];
/// let chart = lines("Resize", "workers (number)", "speedup (×)", &measured).log_x();
/// let figure = chart.model("Amdahl, p = 0.9", &[(1.0, 1.0), (2.0, 1.8), (4.0, 3.1)]).figure();
/// assert!(figure.table().contains("Amdahl, p = 0.9 (model)"));
/// ```
pub fn lines(title: &str, x_label: &str, y_label: &str, series: &[(&str, Points)]) -> Lines {
    let (title, x_label, y_label) = (title.to_owned(), clean(x_label), clean(y_label));
    let mut lines = Lines { title, x_label, y_label, ..Lines::default() };
    for (name, points) in series {
        lines = lines.with(name, points, Kind::Line);
    }
    lines
}

/// How much more workers help: for each (workers, timing) all runs as dots, relative to the median
/// of the first point, a line through the medians, and a dashed line for ideal speedup.
///
/// The first point is the reference, usually one worker. Runs without a usable time are left out
/// and counted. A curve that a theory predicts can be added with [`Lines::model`].
///
/// ```
/// use figures::speedup;
/// use measure::Timing;
///
/// let runs = [(1, vec![2.0, 2.1, 1.9]), (2, vec![1.1, 1.0])];
/// let points = runs.map(|(workers, wall)| (workers, Timing::of_wall("resize", wall)));
/// let figure = speedup("Resize", &points).model("Amdahl, p = 0.9", &[(1.0, 1.0), (2.0, 1.82)]).figure();
/// assert!(figure.alt().contains("median from 1 at 1 to 1.9 at 2"));
/// ```
pub fn speedup(title: &str, points: &[(usize, Timing)]) -> Lines {
    let middle =
        |timing: &Timing| Some(median(&timing.wall)).filter(|&m| m > 0.0).unwrap_or(f64::NAN);
    let first = points.first().map_or(f64::NAN, |(_, timing)| middle(timing));
    let mut lines = lines(title, "workers (number)", "speedup (×)", &[]);
    let (mut runs, mut medians) = (Vec::new(), Vec::new());
    for (workers, timing) in points {
        let (at, ratio) = (*workers as f64, first / middle(timing));
        runs.extend(timing.wall.iter().map(|t| (at, first / t)));
        medians.push((at, ratio));
    }
    medians.sort_by(|a, b| a.0.total_cmp(&b.0));
    let one = medians.first().map_or(1.0, |first| first.0.max(1.0));
    let most = medians.last().map_or(one, |last| last.0.max(one));
    lines = lines.dots("single runs", &runs);
    lines = lines.with("median", &medians, Kind::Line);
    lines = lines.model("ideal", &[(one, 1.0), (most, most / one)]);
    // One colour for runs and medians: runs are rings on the medians; grey for the ideal.
    for (series, look) in lines.series.iter_mut().zip([RING, 0, PALETTE.len() - 1]) {
        series.look = look;
    }
    lines
}

/// The first colour, and a ring.
const RING: usize = 7;

/// A figure of lines that can still be changed; made by [`lines`] and [`speedup`].
#[derive(Debug, Clone, Default)]
pub struct Lines {
    title: String,
    x_label: String,
    y_label: String,
    series: Vec<Series>,
    log_x: bool,
    log_y: bool,
    steps: bool,
    theory: bool,
}

#[derive(Debug, Clone)]
struct Series {
    name: String,
    points: Vec<(f64, f64)>,
    kind: Kind,
    /// Decides colour and mark.
    look: usize,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Kind {
    Line,
    Dots,
    Model,
}

/// More series than this cannot be told apart.
const MOST_SERIES: usize = 14;
/// A series of more points has no marks; of more points in all series together some are drawn.
const MARKED: usize = 30;
const MOST_POINTS: usize = 2000;
const HIGH: f64 = 300.0;
const Y_TICKS: usize = 7;
/// What the name of a line takes of the height.
const NAME: f64 = 18.0;

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

    /// Draws the lines as steps: each value holds until the next one, as counts do.
    pub fn steps(mut self) -> Self {
        self.steps = true;
        self
    }

    /// Adds points that no line joins, such as the single runs behind a curve of medians.
    pub fn dots(self, name: &str, points: &[(f64, f64)]) -> Self {
        self.with(name, points, Kind::Dots)
    }

    /// Adds a curve that was computed and not measured: dashed, and called a model.
    pub fn model(self, name: &str, points: &[(f64, f64)]) -> Self {
        self.with(&format!("{name} (model)"), points, Kind::Model)
    }

    /// Says that nobody measured any of this, and leaves the machine out of the figure's foot.
    pub fn theory(mut self) -> Self {
        self.theory = true;
        self
    }

    fn with(mut self, name: &str, points: &[(f64, f64)], kind: Kind) -> Self {
        let look = self.series.len();
        let (name, points) = (clean(name), points.to_vec());
        self.series.push(Series { name, points, kind, look });
        self
    }

    /// Draws and shows it; the kernel calls this.
    pub fn evcxr_display(&self) {
        self.figure().evcxr_display();
    }

    /// Draws it.
    pub fn figure(&self) -> Figure {
        let mut card = Card::new(&self.title);
        card.measured = !self.theory;
        card.note(self.theory, "computed, nothing was measured");
        let all = card.few(&self.series, MOST_SERIES, "series line");
        let most = MOST_POINTS / all.len().max(1);
        let (mut left_out, mut every) = (0, 1);
        let mut drawn: Vec<Series> = Vec::new();
        for series in all {
            let fits = |v: f64, log: bool| usable(v).filter(|&v| !log || v > 0.0);
            let fits = |&(x, y): &(f64, f64)| Some((fits(x, self.log_x)?, fits(y, self.log_y)?));
            let mut points: Vec<(f64, f64)> = series.points.iter().filter_map(fits).collect();
            left_out += series.points.len() - points.len();
            let step = points.len().div_ceil(most).max(1);
            every = every.max(step);
            points = points.into_iter().step_by(step).collect();
            drawn.push(Series { points, ..series.clone() });
        }
        let points = count(left_out, "point");
        card.note(left_out > 0, format!("{points} that cannot be drawn left out"));
        card.note(every > 1, format!("of many points every {every}th is drawn"));
        let svg = self.axes(&drawn).map(|axes| self.paint(&card, &drawn, axes));
        let mut rows = Vec::new();
        let each = (60 / self.series.len().max(1)).max(2);
        for one in &self.series {
            let every = one.points.len().div_ceil(each).max(1);
            let shown = one.points.iter().step_by(every);
            rows.extend(shown.map(|&(x, y)| vec![one.name.clone(), number(x), number(y)]));
        }
        let heads = ["line", &self.x_label, &self.y_label];
        let found: Vec<String> = self.series.iter().map(in_words).collect();
        let found = format!("{} against {}: {}", heads[2], heads[1], listed(&found, 6));
        card.figure("Line chart", &found, (&heads, &rows), svg)
    }

    fn axes(&self, series: &[Series]) -> Option<(Axis, Axis)> {
        let points = || series.iter().flat_map(|one| &one.points);
        let (x_low, x_high) = bounds(points().map(|p| p.0))?;
        let (y_low, y_high) = bounds(points().map(|p| p.1))?;
        let whole = points().all(|p| p.0.fract() == 0.0);
        let twos = x_high > x_low && points().all(|p| p.0.log2().fract() == 0.0);
        // Axes begin at 0, unless all values lie in a narrow band far from it.
        let linear = |low: f64, high: f64, narrow: f64| {
            let low = if low > 0.0 && low < narrow * high { 0.0 } else { low };
            let air = (high - low) * 0.03;
            Axis::linear(if low == 0.0 { 0.0 } else { low - air }, high + air)
        };
        let narrow = if whole && x_low == 1.0 { 0.0 } else { 0.3 };
        let x = match self.log_x {
            true => Axis::log(x_low, x_high, if twos { 2.0 } else { 10.0 }),
            false => linear(x_low, x_high, narrow),
        };
        let y =
            if self.log_y { Axis::log(y_low, y_high, 10.0) } else { linear(y_low, y_high, 0.7) };
        Some((x, y))
    }

    fn paint(&self, card: &Card, series: &[Series], axes: (Axis, Axis)) -> String {
        let scale = |log: bool| if log { " – log scale" } else { "" };
        let named = if series.len() > 1 { series } else { &[] };
        let wide = widest(named.iter().map(|one| shorten(&one.name, 28)), SMALL);
        let right = RIGHT - if named.is_empty() { 8.0 } else { wide + 50.0 };
        let high = HIGH.max(NAME * named.len() as f64);

        card.svg(28.0 + high + BELOW, |pen, top| {
            let label = format!("{}{}", shorten(&self.y_label, 76), scale(self.log_y));
            let ink = (SMALL, FontStyle::Normal, INK);
            pen.text((LEFT, top + 6.0), &label, ink, HPos::Left)?;
            let labels = axes.1.ticks(Y_TICKS).into_iter().map(|tick| tick.1);
            let left = LEFT + widest(labels, SMALL).max(42.0) + 12.0;
            let frame = [left, right, top + 28.0, top + 28.0 + high];
            // Among whole numbers no ticks between them.
            let fractions = series.iter().flat_map(|one| &one.points).any(|p| p.0.fract() != 0.0);
            let wide = axes.0.range().end - axes.0.range().start;
            let most = if fractions || self.log_x { f64::MAX } else { wide };
            let ticks = (((right - LEFT) / 56.0).min(most).max(2.0) as usize, Y_TICKS);
            let label = format!("{}{}", shorten(&self.x_label, 70), scale(self.log_x));
            let axes = (counted(series, axes.0, right - left), axes.1);
            pen.chart(frame, axes, ticks, &label, |chart| {
                // Models lie below what was measured, single runs on their medians.
                for kind in [Kind::Model, Kind::Line, Kind::Dots] {
                    for one in series.iter().filter(|one| one.kind == kind) {
                        self.series(chart, one)?;
                    }
                }
                self.names(pen, chart, named, frame)
            })
        })
    }

    /// The names at the right, each as near to the end of its line as the others let it be; a thin
    /// line leads there from an end at the plot's edge.
    fn names(&self, pen: &Pen, chart: &Chart, series: &[Series], frame: [f64; 4]) -> Drawn {
        let [_, right, top, bottom] = frame;
        let last = |one: &Series| one.points.iter().copied().max_by(|a, b| a.0.total_cmp(&b.0));
        let end = |one: &Series| last(one).map_or((0.0, bottom), |last| place_of(chart, last));
        // Dots give way to the line that goes through them.
        let place =
            |one: &Series| end(one).1 + if one.kind == Kind::Dots { NAME / 2.0 } else { 0.0 };
        let mut names: Vec<(f64, &Series)> = series.iter().map(|one| (place(one), one)).collect();
        names.sort_by(|a, b| a.0.total_cmp(&b.0));
        let (mut highest, mut lowest) = (top, bottom);
        for (y, _) in &mut names {
            *y = y.max(highest);
            highest = *y + NAME;
        }
        for (y, _) in names.iter_mut().rev() {
            *y = y.min(lowest);
            lowest = *y - NAME;
        }
        for (y, one) in names {
            let end = end(one);
            let (x, hue) = (right + 20.0, colour(one.look));
            if one.kind != Kind::Dots {
                if right - end.0 < 24.0 {
                    pen.line([(end.0 + 7.0, end.1), (x - 6.0, y)], stroke(RULE, 1.0), false)?;
                }
                pen.line([(x, y), (x + 22.0, y)], stroke(hue, 2.0), one.kind == Kind::Model)?;
            }
            if self.has_marks(one) {
                let at = [(fine(x + 11.0), fine(y))];
                marks(&pen.0, &at, one.look, hue.mix(1.0), 1.0)?;
            }
            let ink = (SMALL, FontStyle::Normal, ink(hue));
            pen.text((x + 28.0, y), &shorten(&one.name, 28), ink, HPos::Left)?;
        }
        Ok(())
    }

    fn has_marks(&self, one: &Series) -> bool {
        let few = one.points.len() <= MARKED && !self.steps;
        one.kind == Kind::Dots || (one.kind == Kind::Line && few)
    }

    fn series(&self, chart: &mut Chart, one: &Series) -> Drawn {
        let (points, colour) = (one.points.clone(), colour(one.look));
        let points = if self.steps { steps(&points) } else { points };
        let style = stroke(colour, 2.0);
        if one.kind == Kind::Model {
            chart.draw_series(DashedLineSeries::new(points, fine(6.0), fine(4.0), style))?;
        } else if one.kind == Kind::Line {
            chart.draw_series(LineSeries::new(points, style))?;
        }
        if self.has_marks(one) {
            // Marks of lines are larger where single runs are to be seen on them.
            let runs = self.series.iter().any(|one| one.kind == Kind::Dots);
            let large = if runs { 1.25 } else { 1.0 };
            let (alpha, size) = if one.kind == Kind::Dots { (0.8, 0.75) } else { (1.0, large) };
            let colour = colour.mix(alpha);
            marks(chart.plotting_area(), &one.points, one.look, colour, size)?;
        }
        Ok(())
    }
}

/// `measured from 1 at 1 to 3.4 at 4`
fn in_words(one: &Series) -> String {
    let ends = one.points.first().zip(one.points.last());
    let ends = ends.map(|(a, b)| [a.1, a.0, b.1, b.0].map(number));
    let words =
        |[a, at, b, to]: [String; 4]| format!("{} from {a} at {at} to {b} at {to}", one.name);
    ends.map_or(format!("{} no points", one.name), words)
}

/// The x axis, so many pixels wide. Where all x are a few whole numbers, such as counts of workers,
/// its ticks are at them, the first included, as far as there is room for their labels.
fn counted(series: &[Series], axis: Axis, wide: f64) -> Axis {
    let mut xs: Vec<f64> = series.iter().flat_map(|one| &one.points).map(|p| p.0).collect();
    xs.sort_by(f64::total_cmp);
    xs.dedup();
    let whole = xs.iter().all(|x| x.fract() == 0.0 && (0.0..1e5).contains(x));
    if !whole || !(2..=12).contains(&xs.len()) {
        return axis;
    }
    let place = |x: f64| f64::from(axis.map(&x, (0, wide as i32)));
    let half = |x: f64| room(&number(x), SMALL) / 2.0 + 4.0;
    xs.dedup_by(|x, before| place(*before) + half(*before) > place(*x) - half(*x));
    Axis::At(Box::new(axis), xs)
}

/// Each value holds until the next one.
fn steps(points: &[(f64, f64)]) -> Vec<(f64, f64)> {
    let corners = points.windows(2).flat_map(|pair| [pair[0], (pair[1].0, pair[0].1)]);
    corners.chain(points.last().copied()).collect()
}

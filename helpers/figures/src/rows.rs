//! Rows with a label each: timings with every run as a dot, amounts, ratios, and stacked parts.

use crate::Figure;
use crate::axis::{Axis, bounds};
use crate::card::*;
use crate::text::*;
use measure::{Comparison, Timing, median};
use plotters::prelude::*;
use plotters::style::text_anchor::HPos;

/// A figure of rows whose order and groups can still be changed; made by [`bars`], [`quantities`],
/// [`ratios`] and [`stacked`].
#[derive(Debug, Clone)]
pub struct Rows {
    title: String,
    pub(crate) rows: Vec<Row>,
    unit: Unit,
    /// Of the table, after the name.
    heads: Vec<String>,
    pub(crate) notes: Vec<String>,
    /// Names of the parts of stacked bars, or of the work of a timeline.
    pub(crate) parts: Vec<String>,
    /// None: groups are sorted, the rows of a single group stay as they are.
    sorted: Option<bool>,
    /// When a timeline ends, and how that is said.
    pub(crate) end: Option<(f64, String)>,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Unit {
    Seconds,
    Times,
    Of(String),
    /// Time since the start: the unit and its seconds.
    Clock(String, f64),
}

/// A box of a timeline: from when to when, what it says, and its colour; none for waiting.
#[derive(Debug, Clone)]
pub(crate) struct Block(pub f64, pub f64, pub String, pub Option<usize>);

#[derive(Debug, Clone, Default)]
pub(crate) struct Row {
    pub(crate) name: String,
    pub(crate) value: String,
    pub(crate) blocks: Vec<Block>,
    group: String,
    model: bool,
    limit: bool,
    runs: Vec<f64>,
    parts: Vec<f64>,
    /// What the runs allow.
    range: Option<(f64, f64)>,
    /// What somebody else reports.
    mark: Option<f64>,
    /// Ends the bar; none where there is nothing to draw.
    middle: Option<f64>,
    /// What stands beside the value in the figure and in the sentence.
    beside: String,
    said: String,
    cells: Vec<String>,
}

impl Row {
    fn new(name: &str, middle: Option<f64>, none: &str, write: impl Fn(f64) -> String) -> Row {
        let mut row = Row::default();
        (row.name, row.middle) = (clean(name), middle);
        row.value = middle.map_or(none.to_owned(), write);
        row
    }
}

pub(crate) fn new(title: &str, unit: Unit, heads: &[&str], rows: Vec<Row>) -> Rows {
    let heads = heads.iter().map(|head| clean(head)).collect();
    let (title, notes, parts) = (title.to_owned(), vec![], vec![]);
    Rows { title, rows, unit, heads, notes, parts, sorted: None, end: None }
}

/// Horizontal bars: one row per timing, every run a dot, the median the bar.
///
/// At the right of each row stand its median and how it compares with the first row, whose median
/// is a dashed line across all of them. The axis is linear and starts at 0; where the medians lie
/// more than 50× apart it is logarithmic, says so, and ticks take the place of bars, whose lengths
/// would mean nothing. Single runs far beyond all others become arrowheads at the axis' end, and a
/// note says up to where they go.
///
/// Rust and Python are told apart where both are there: rows named after a Python library, and
/// others that were measured in this process. Groups are sorted by their medians.
///
/// ```
/// use figures::bars;
/// use measure::Timing;
///
/// let timings = [("loop", 0.02), ("rayon", 0.01)].map(|(name, t)| Timing::of_wall(name, vec![t, t * 1.1]));
/// let figure = bars("Sum", &timings).figure();
/// assert!(figure.alt().contains("2.0× faster"));
/// ```
pub fn bars<T: AsRef<Timing>>(title: &str, timings: &[T]) -> Rows {
    let (mut rows, mut first, mut left_out) = (Vec::new(), None, 0);
    for timing in timings {
        let timing = timing.as_ref();
        let runs = timing.wall.iter().filter_map(|&t| usable(t));
        let runs: Vec<f64> = runs.filter(|&t| t >= 0.0).collect();
        left_out += timing.wall.len() - runs.len();
        let middle = (!runs.is_empty()).then(|| median(&runs));
        let mut row = Row::new(&timing.name, middle, "no time", time);
        row.group = language(timing).to_owned();
        if rows.is_empty() {
            first = middle;
            row.beside = if timings.len() > 1 { "reference" } else { "" }.to_owned();
        } else {
            row.beside = compare(first, middle);
            row.said = format!(" ({})", row.beside);
        }
        let ends = bounds(runs.iter().copied()).map(|(low, high)| [time(low), time(high)]);
        let more = [runs.len().to_string(), row.beside.clone()];
        row.cells = ends.unwrap_or_default().into_iter().chain(more).collect();
        row.runs = runs;
        rows.push(row);
    }
    if !rows.iter().any(|row| row.group == "Python") {
        rows.iter_mut().for_each(|row| row.group.clear());
    }
    let heads = ["median", "fastest", "slowest", "runs", "compared"];
    let mut rows = new(title, Unit::Seconds, &heads, rows);
    let median = if rows.is_log() { "tick" } else { "bar" };
    let reference = !rows.uprights().is_empty();
    let line = if reference { " · dashed line: the reference's median" } else { "" };
    rows.notes.push(format!("dot: one run, the first on top · {median}: median{line}"));
    let software = distinct(timings.iter().flat_map(|timing| &timing.as_ref().software));
    if !software.is_empty() {
        rows.notes.push(format!("with {}", software.join(", ")));
    }
    rows.left_out(left_out, "run")
}

/// A comparison so far as a figure.
pub trait Bars {
    /// See [`bars`].
    fn bars(&self) -> Rows;
}

impl<T> Bars for Comparison<T> {
    fn bars(&self) -> Rows {
        bars(self.title(), self.timings())
    }
}

/// Which language a timing measures, as far as its name and its CPU time (known in this process
/// only) tell.
fn language(timing: &Timing) -> &'static str {
    const PYTHON: [&str; 16] = [
        "Python", "CPython", "NumPy", "SciPy", "pandas", "Polars", "DuckDB", "Pillow", "OpenCV",
        "pyvips", "joblib", "Dask", "PySpark", "Celery", "requests", "aiohttp",
    ];
    match PYTHON.iter().any(|word| timing.name.starts_with(word)) {
        true => "Python",
        false if !timing.cpu.is_empty() || timing.name.starts_with("Rust") => "Rust",
        false => "",
    }
}

/// `2.1× faster`, `1.8× slower`, or that there is no difference worth a word.
fn compare(first: Option<f64>, this: Option<f64>) -> String {
    match first.zip(this).map(|(first, this)| first / this) {
        Some(ratio) if (0.995..1.005).contains(&ratio) => "the same".to_owned(),
        Some(ratio) if ratio > 1.0 && ratio.is_finite() => format!("{} faster", times(ratio)),
        Some(ratio) if ratio > 0.0 && ratio < 1.0 => format!("{} slower", times(1.0 / ratio)),
        _ => "not comparable".to_owned(),
    }
}

/// Horizontal bars of any numbers, all in the same `unit`, such as `"MB"`.
///
/// The axis starts at 0; where the numbers lie more than 50× apart it is logarithmic and says so.
/// Numbers that are not finite keep their row, which says that there is no value.
pub fn quantities(title: &str, unit: &str, rows: &[(&str, f64)]) -> Rows {
    let write = |amount: f64| clean(&format!("{} {unit}", number(amount)));
    let row = |&(name, amount): &(&str, f64)| Row::new(name, usable(amount), "no value", write);
    let rows: Vec<Row> = rows.iter().map(row).collect();
    let left_out = rows.iter().filter(|row| row.middle.is_none()).count();
    new(title, Unit::Of(clean(unit)), &["value"], rows).left_out(left_out, "value")
}

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

/// Speedups on a logarithmic axis with 1, where nothing is gained, in its middle.
///
/// Each row has a dot for what was measured, a bar for what its runs allow, and a triangle for its
/// mark. `whose` says whose marks they are; without any mark it is not shown. Numbers that are not
/// above 0 count as missing; a row without any keeps its place.
///
/// ```
/// use figures::{Ratio, ratios};
///
/// let threads = Ratio { name: "40 threads".into(), measured: Some(30.0), range: (29.0, 31.0), mark: Some(20.9) };
/// let figure = ratios("Speedups", "the talk", &[threads]).figure();
/// assert!(figure.alt().contains("40 threads 30.0× (the talk 20.9×)"));
/// ```
pub fn ratios(title: &str, whose: &str, rows: &[Ratio]) -> Rows {
    let above_0 = |value: f64| usable(value).filter(|&v| v > 0.0);
    let row = |ratio: &Ratio| {
        let middle = ratio.measured.and_then(above_0);
        let mut row = Row::new(&ratio.name, middle, "not measured", times);
        let ends = [middle, above_0(ratio.range.0), above_0(ratio.range.1)];
        row.range = middle.and_then(|_| bounds(ends.into_iter().flatten()));
        row.mark = ratio.mark.and_then(above_0);
        let theirs = row.mark.map_or(String::new(), times);
        if row.mark.is_some() {
            (row.beside, row.said) = (format!("▲ {theirs}"), format!(" ({whose} {theirs})"));
        }
        let range = row.range.map(|(low, high)| [times(low), times(high)]);
        row.cells = range.unwrap_or_default().into_iter().chain([theirs]).collect();
        row
    };
    let rows: Vec<Row> = rows.iter().map(row).collect();
    let marked = rows.iter().any(|row| row.mark.is_some());
    let (head, note) =
        if marked { (whose, format!(" · ▲ {whose}")) } else { ("", String::new()) };
    let mut rows = new(title, Unit::Times, &["speedup", "at least", "at most", head], rows);
    let note =
        format!("dot: median · bar: what the runs allow{note} · dashed line: nothing gained");
    rows.notes.push(note);
    rows
}

/// Where the time goes: one stacked horizontal bar per row.
///
/// `parts` names the segments, and each row has a name and one value in seconds per part. At the
/// right of a row stands its sum. Parts above 0 are at least 2 pixels wide. Values that are
/// missing, negative or not finite count as 0 and are counted in a note.
///
/// ```
/// use figures::stacked;
///
/// let figure = stacked("Resize", &["read", "decode"], &[("obvious", vec![0.01, 2.0])]).figure();
/// assert!(figure.alt().contains("obvious 2.01 s (mostly decode)"));
/// ```
pub fn stacked<S: AsRef<str>>(title: &str, parts: &[&str], rows: &[(S, Vec<f64>)]) -> Rows {
    let mut left_out = 0;
    let mut row = |(name, values): &(S, Vec<f64>)| {
        let value = |part| usable(*values.get(part)?).filter(|&v| v >= 0.0);
        let values: Vec<Option<f64>> = (0..parts.len()).map(value).collect();
        left_out += values.iter().filter(|value| value.is_none()).count();
        let values: Vec<f64> = values.into_iter().map(Option::unwrap_or_default).collect();
        let mut row = Row::new(name.as_ref(), Some(values.iter().sum()), "", time);
        let most = (0..parts.len()).max_by(|&a, &b| values[a].total_cmp(&values[b]));
        row.said = most.map_or(String::new(), |most| format!(" (mostly {})", clean(parts[most])));
        row.cells = values.iter().map(|&value| time(value)).collect();
        row.parts = values;
        row
    };
    let all = rows.iter().map(&mut row).collect();
    let mut rows = new(title, Unit::Seconds, &[&["sum"], parts].concat(), all);
    rows.parts = parts.iter().map(|part| clean(part)).collect();
    rows.left_out(left_out, "value")
}

/// So many runs still are a small file.
const MOST_RUNS: usize = 100;

impl Rows {
    pub(crate) fn left_out(mut self, n: usize, what: &str) -> Self {
        let left_out = format!("{} that cannot be drawn left out", count(n, what));
        self.notes.extend((n > 0).then_some(left_out));
        self
    }

    /// Sorts the rows, the smallest first; groups stay together.
    pub fn sorted(mut self) -> Self {
        self.sorted = Some(true);
        self
    }

    /// Leaves the rows in the order in which they were given, groups mixed as they may be.
    pub fn as_given(mut self) -> Self {
        self.sorted = Some(false);
        self
    }

    /// Puts the rows whose names begin with one of these into a group with a heading, a colour and
    /// a mark of its own.
    ///
    /// ```
    /// # use figures::quantities;
    /// let rows = quantities("Peak memory", "MB", &[("whole file", 90.0), ("pandas", 210.0)]);
    /// let figure = rows.group("Rust", &["whole"]).group("Python", &["pandas"]).figure();
    /// assert!(figure.svg().contains("Python"));
    /// ```
    pub fn group(mut self, name: &str, begins_with: &[&str]) -> Self {
        for row in &mut self.rows {
            if begins_with.iter().any(|start| row.name.starts_with(start)) {
                row.group = clean(name);
            }
        }
        self
    }

    /// Marks rows of these names as computed and not measured: they are hatched.
    pub fn model(mut self, names: &[&str]) -> Self {
        for row in &mut self.rows {
            row.model |= names.iter().any(|name| clean(name) == row.name);
        }
        self
    }

    /// Makes the row of this name an upright line across all others, with its name at the top.
    ///
    /// ```
    /// # use figures::quantities;
    /// let figure = quantities("Peak memory", "MB", &[("whole file", 90.0), ("the cap", 64.0)]).limit("the cap").figure();
    /// assert!(figure.svg().contains("the cap 64 MB"));
    /// ```
    pub fn limit(mut self, name: &str) -> Self {
        for row in &mut self.rows {
            row.limit |= clean(name) == row.name;
        }
        self
    }

    /// Draws and shows it; the kernel calls this.
    pub fn evcxr_display(&self) {
        self.figure().evcxr_display();
    }

    /// Draws it.
    pub fn figure(&self) -> Figure {
        let (groups, rows) = self.in_order();
        let mut card = Card::new(&self.title);
        let any = |of: &dyn Fn(&Row) -> bool| self.rows.iter().any(of);
        card.notes = self.notes.clone();
        card.keys = (self.parts.clone(), self.unit == Unit::Seconds);
        card.measured = any(&|row| !row.model && !row.limit);
        card.note(any(&|row| row.model), "hatched: a model, not measured");
        if let Some(cut) = self.cut() {
            let far = self.rows.iter().flat_map(|row| row.runs.iter().copied());
            let far: Vec<f64> = far.filter(|&run| run > cut).collect();
            let most = time(far.iter().copied().fold(0.0, f64::max));
            card.note(true, format!("▸ {} beyond the axis, up to {most}", count(far.len(), "run")));
        }
        let zero = self.is_log() && any(&|row| row.middle == Some(0.0));
        card.note(zero, "a log scale has no 0: rows at 0 have no mark");
        let many = any(&|row| row.runs.len() > MOST_RUNS);
        card.note(many, format!("the first {} runs of a row are drawn", MOST_RUNS));
        let drawn: Vec<(usize, &Row)> = rows.iter().copied().filter(|row| !row.1.limit).collect();
        let shown = card.few(&drawn, MOST_ROWS, "row");
        let svg = (!shown.is_empty()).then(|| self.paint(&card, &groups, shown));
        let cells = |(group, row): &(usize, &Row)| {
            let own = [row.name.clone(), row.value.clone()];
            own.into_iter().chain(row.cells.clone()).chain([groups[*group].clone()]).collect()
        };
        let cells: Vec<Vec<String>> = rows.iter().map(cells).collect();
        let mut heads: Vec<&str> = self.heads.iter().map(String::as_str).collect();
        heads.insert(0, "name");
        heads.extend((groups.len() > 1).then_some("group"));
        let words = |row: &Row| format!("{} {}{}", row.name, row.value, row.said);
        let words: Vec<String> = self.rows.iter().map(words).collect();
        card.figure("Bar chart", &listed(&words, 8), (&heads, &cells), svg)
    }

    /// The groups' names, and the rows with the numbers of their groups, in the order of drawing.
    fn in_order(&self) -> (Vec<String>, Vec<(usize, &Row)>) {
        let mut groups = distinct(self.rows.iter().map(|row| &row.group));
        // A colour belongs to a language, whichever was measured first.
        groups.sort_by_key(|group| group == "Python");
        let number = |row: &Row| groups.iter().position(|group| *group == row.group);
        let mut rows: Vec<(usize, &Row)> =
            self.rows.iter().map(|row| (number(row).unwrap_or(0), row)).collect();
        if self.sorted.unwrap_or(groups.len() > 1) {
            let key = |row: &Row| row.middle.or(row.mark).unwrap_or(f64::INFINITY);
            rows.sort_by(|a, b| a.0.cmp(&b.0).then(key(a.1).total_cmp(&key(b.1))));
        }
        (groups, rows)
    }

    /// The median that all timings are compared with.
    fn reference(&self) -> Option<f64> {
        let first = self.rows.first().filter(|first| !first.runs.is_empty())?;
        first.middle.filter(|_| self.rows.len() > 1)
    }

    /// Upright lines across all rows, with what stands above them, if anything.
    fn uprights(&self) -> Vec<(f64, String)> {
        let label = |row: &Row| Some((row.middle?, format!("{} {}", row.name, row.value)));
        let limits = self.rows.iter().filter(|row| row.limit).filter_map(label);
        let reference = self.reference().map(|median| (median, String::new()));
        let all = limits.chain(self.end.clone()).chain(reference);
        all.filter(|line| !self.is_log() || line.0 > 0.0).collect()
    }

    /// Where the middles would differ too much for bars, the axis is logarithmic.
    fn is_log(&self) -> bool {
        let middles = || self.rows.iter().filter_map(|row| row.middle);
        let (low, high) = bounds(middles().filter(|&m| m > 0.0)).unwrap_or((1.0, 1.0));
        let far = high / low > 50.0 && self.parts.is_empty() && middles().all(|m| m >= 0.0);
        self.unit == Unit::Times || far
    }

    /// Where a linear axis of times ends, if some runs lie far beyond the others.
    fn cut(&self) -> Option<f64> {
        // A quarter of a row's runs may lie beyond, and of a few runs the slowest.
        let usual = |row: &Row| {
            let mut runs = row.runs.clone();
            runs.sort_by(f64::total_cmp);
            Some(runs.get(runs.len().checked_sub(1)? * 3 / 4)?.max(row.middle?))
        };
        let usual = self.rows.iter().filter_map(usual).fold(0.0, f64::max);
        let runs = self.rows.iter().flat_map(|row| row.runs.iter().copied());
        let far = usual > 0.0 && runs.fold(0.0, f64::max) > 2.0 * usual;
        (far && !self.is_log()).then_some(1.2 * usual)
    }

    /// The axis, how much is one of its units, and its label.
    fn axis(&self, rows: &[(usize, &Row)]) -> (Axis, f64, String) {
        let log = self.is_log();
        let ends = |row: &Row| row.range.map_or([None; 2], |(low, high)| [Some(low), Some(high)]);
        let ends = |row: &Row| ends(row).into_iter().chain([row.middle, row.mark]).flatten();
        let all = rows.iter().flat_map(|(_, row)| ends(row).chain(row.runs.iter().copied()));
        let clock = rows.iter().flat_map(|(_, row)| row.blocks.iter().flat_map(|b| [b.0, b.1]));
        let lines = self.uprights().into_iter().map(|line| line.0);
        let all = all.chain(clock).chain(lines).filter(|&v| !log || v > 0.0);
        let (low, high) = bounds(all).unwrap_or((1.0, 1.0));
        let high = self.cut().unwrap_or(high);
        let scale = if log { ", log scale" } else { "" };
        let (unit, label) = match &self.unit {
            Unit::Times => {
                let most = high.max(1.0 / low).max(1.1);
                let label = "← slower · times as fast (×, log scale) · faster →";
                return (Axis::log(1.0 / most, most, 10.0), 1.0, label.to_owned());
            }
            Unit::Clock(unit, factor) => (*factor, format!("time since the start ({unit})")),
            Unit::Of(unit) if unit == "×" => (1.0, format!("times (×{scale})")),
            Unit::Of(unit) => (1.0, format!("amount ({unit}{scale})")),
            Unit::Seconds => {
                let (unit, name) = time_unit(high);
                (unit, format!("wall time ({name}{scale})"))
            }
        };
        // A little air behind the longest bar.
        let air = (high.max(0.0) - low.min(0.0)) * 0.02;
        let axis = match log {
            true => Axis::log(low / unit, high / unit, 10.0),
            false if low < 0.0 => Axis::linear((low - air) / unit, (high.max(0.0) + air) / unit),
            false => Axis::linear(0.0, (high + air) / unit),
        };
        (axis, unit, label)
    }

    fn paint(&self, card: &Card, groups: &[String], rows: &[(usize, &Row)]) -> String {
        let names: Vec<Vec<String>> = rows.iter().map(|(_, row)| wrap(&row.name, 34, 2)).collect();
        let groups: Vec<String> = groups.iter().map(|group| shorten(group, 30)).collect();
        let heads = widest(&groups, LABEL * 1.1);
        let left = LEFT + widest(names.iter().flatten(), LABEL).max(heads) + 12.0;
        let beside = widest(rows.iter().map(|(_, row)| &row.beside), SMALL);
        let value_end = RIGHT - if beside > 0.0 { beside + 12.0 } else { 0.0 };
        let values = widest(rows.iter().map(|(_, row)| &row.value), LABEL * 1.1);

        // One unit of the y axis is one row; a group's heading takes 0.8, and so do the margins.
        let headed = groups.len() > 1 && self.sorted != Some(false);
        let (mut places, mut heads, mut end) = (Vec::new(), Vec::new(), 0.1);
        for &(group, _) in rows {
            if headed && heads.last().is_none_or(|head: &(f64, usize)| head.1 != group) {
                heads.push((end + 0.4, group));
                end += 0.8;
            }
            places.push(end + 0.5);
            end += 1.0;
        }
        end += 0.1;
        let low = rows.len() > 16 && names.iter().all(|name| name.len() < 2);
        let pitch = if low { 24.0 } else { 34.0 };
        let (axis, unit, label) = self.axis(rows);

        let uprights = self.uprights();
        let above = 20.0 * uprights.iter().filter(|line| !line.1.is_empty()).count() as f64;

        card.svg(above + end * pitch + BELOW, |pen, top| {
            let (mut y, top) = (top + 6.0, top + above);
            let frame = [left, value_end - values - 16.0, top, top + end * pitch];
            let axes = (axis, Axis::linear(end, 0.0));
            let ticks = ((frame[1] - left) as usize / 48, 0);
            pen.chart(frame, axes, ticks, &label, |chart| {
                let x = if self.unit == Unit::Times { 1.0 } else { 0.0 };
                let (line, style) = ([(x, 0.0), (x, end)], stroke(RULE, 1.0));
                if self.unit == Unit::Times {
                    let line = DashedLineSeries::new(line, fine(5.0), fine(4.0), style);
                    chart.draw_series(line)?;
                } else if !self.is_log() {
                    chart.draw_series(LineSeries::new(line, style))?;
                }
                for (&place, &row) in places.iter().zip(rows) {
                    self.row(pen, chart, row, [place, top + place * pitch, pitch, unit])?;
                }
                for (value, label) in uprights {
                    let (x, label, mut from) =
                        (x_of(chart, value / unit), shorten(&label, 60), top);
                    if !label.is_empty() {
                        let half = room(&label, LABEL * 1.1) / 2.0;
                        let middle = x.clamp(LEFT + half, RIGHT - half);
                        pen.strong(middle, y, &label, INK, HPos::Center)?;
                        (from, y) = (y + 9.0, y + 20.0);
                    }
                    let dashed = self.end.is_none();
                    pen.line([(x, from), (x, frame[3])], stroke(SOFT, 1.0), dashed)?;
                }
                Ok(())
            })?;
            for (place, group) in heads {
                let (y, ink) = (top + place * pitch, ink(colour(group)));
                pen.strong(left - 12.0, y, &groups[group], ink, HPos::Right)?;
            }
            for ((place, (_, row)), name) in places.iter().zip(rows).zip(&names) {
                let y = top + place * pitch;
                for (line, text) in name.iter().enumerate() {
                    let shift = 15.0 * (line as f64 - (name.len() as f64 - 1.0) / 2.0);
                    pen.label(left - 12.0, y + shift, text, HPos::Right)?;
                }
                pen.strong(value_end, y, &row.value, INK, HPos::Right)?;
                pen.small(RIGHT, y, &row.beside, HPos::Right)?;
            }
            Ok(())
        })
    }

    /// Draws a row: its bar, its parts or the range of its ratio; then its single runs, each where
    /// its time says and below the one before; and what somebody else reports.
    fn row(&self, pen: &Pen, chart: &mut Chart, of: (usize, &Row), at: [f64; 4]) -> Drawn {
        let ((group, row), [place, y, pitch, unit]) = (of, at);
        let (log, hue, half) = (self.is_log(), colour(group), 0.3 * pitch);
        let [left, right] = [chart.x_range().start, chart.x_range().end];
        let (left, right) = (x_of(chart, if log { left } else { 0.0 }), x_of(chart, right));
        let (mut sum, mut start) = (0.0, left);
        for (part, &value) in row.parts.iter().enumerate().filter(|(_, value)| **value > 0.0) {
            sum += value;
            let end = x_of(chart, sum / unit).max(start + 2.0);
            pen.part(part, colour(part), [(start, y - half), (end, y + half)])?;
            if room(&time(value), SMALL) + 10.0 < end - start {
                pen.patch(((start + end) / 2.0, y), &time(value), colour(part))?;
            }
            start = end;
        }
        let middle = row.middle.filter(|&m| row.parts.is_empty() && (!log || m > 0.0));
        let x = middle.map_or(left, |middle| x_of(chart, middle / unit));
        if let (Some(middle), Some(range)) = (middle, row.range) {
            let [low, high] = [range.0, range.1].map(|end| x_of(chart, end));
            pen.rect([(low, y - half / 2.0), (high, y + half / 2.0)], hue.mix(0.4).filled())?;
            // A dot in every group: other marks are whose the figure says.
            marks(chart.plotting_area(), &[(middle, place)], 0, hue.mix(1.0), 1.0)?;
        } else if middle.is_some() {
            let bar = [(left.min(x), y - half), (left.max(x), y + half)];
            let share = if row.runs.is_empty() { 0.75 } else { 0.35 };
            match (log, row.model) {
                (true, _) => pen.line([(left, y), (x, y)], stroke(GRID, 1.0), false)?,
                (_, true) => pen.hatch(bar, RULE, false)?,
                _ => pen.rect(bar, hue.mix(share).filled())?,
            }
            // The median stays visible however short its bar is.
            pen.rect([(x - 1.0, y - half - 1.0), (x + 1.0, y + half + 1.0)], hue.filled())?;
        }
        let (n, cut) = (row.runs.len().min(MOST_RUNS), self.cut().unwrap_or(f64::MAX));
        for Block(from, to, label, look) in &row.blocks {
            let (x0, x1) = (x_of(chart, from / unit), x_of(chart, to / unit));
            let x1 = if x1 - x0 > 4.0 { x1 - 1.0 } else { x1.max(x0 + 2.0) };
            let (at, ground) = ([(x0, y - half), (x1, y + half)], look.map_or(PALE, colour));
            pen.rect(at, ground.filled())?;
            if look.is_none() {
                pen.hatch(at, RULE.mix(0.6), false)?;
                pen.rect(at, stroke(RULE, 1.0))?;
            }
            if !label.is_empty() && room(label, SMALL) + 8.0 < x1 - x0 {
                pen.patch(((x0 + x1) / 2.0, y), label, ground)?;
            }
        }
        let mut inside = Vec::new();
        for (run, &value) in row.runs[..n].iter().enumerate() {
            let below = 0.44 * ((run as f64 + 0.5) / n as f64 - 0.5);
            if value > cut {
                let y = y + below * pitch;
                let head = [(right - 6.0, y - 4.0), (right + 2.0, y), (right - 6.0, y + 4.0)];
                pen.polygon(&head, hue)?;
            } else if !log || value > 0.0 {
                inside.push((value / unit, place + below));
            }
        }
        marks(chart.plotting_area(), &inside, group, hue.mix(0.65), 0.75)?;
        let theirs: Vec<(f64, f64)> = row.mark.map(|mark| (mark, place)).into_iter().collect();
        marks(chart.plotting_area(), &theirs, 1, PALETTE[1].mix(1.0), 1.0)
    }
}

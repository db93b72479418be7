//! The painter of xy figures: lines, marks, and names at the lines' ends.

use super::canvas::{Align, Canvas, Dash, GRID, MARGIN, PALETTE, RIGHT, RULE, SMALL, card};
use super::scale::{Axis, BELOW};
use super::text::{shorten, width};
use plotters::prelude::RGBColor;

/// One series; its points are finite, and above 0 where the axis is logarithmic.
pub(super) struct Series {
    /// At the line's end; empty for none.
    pub(super) name: String,
    pub(super) points: Vec<(f64, f64)>,
    /// Its place among the series decides colour, mark and dashes.
    pub(super) look: usize,
    pub(super) dash: Option<Dash>,
    pub(super) marks: bool,
    /// Small dots that may lie on each other, for runs.
    pub(super) dots: bool,
}

impl Series {
    pub(super) fn colour(&self) -> RGBColor {
        PALETTE[self.look % PALETTE.len()]
    }
}

/// The frame around the series.
pub(super) struct Plot<'a> {
    pub(super) title: &'a str,
    pub(super) notes: Vec<String>,
    pub(super) x_label: String,
    pub(super) y_label: String,
    pub(super) log_x: bool,
    pub(super) log_y: bool,
    pub(super) measured: bool,
}

const HIGH: f64 = 290.0;

impl Plot<'_> {
    pub(super) fn svg(self, series: &[Series]) -> String {
        let points = || series.iter().flat_map(|s| s.points.iter().copied());
        if points().next().is_none() {
            let mut notes = self.notes;
            notes.push("nothing to show: there are no points yet".to_owned());
            return card(self.title, &notes, self.measured, 10.0, |_, _| {});
        }
        let names = series.iter().map(|s| width(&s.name, SMALL, false));
        let names = names.fold(0.0, f64::max).min(190.0);
        let right = RIGHT - if names > 0.0 { names + 34.0 } else { 10.0 };
        let y_label = shorten(&self.y_label, SMALL, false, RIGHT - MARGIN);
        let x_label = shorten(&self.x_label, SMALL, false, RIGHT - MARGIN);

        card(
            self.title,
            &self.notes,
            self.measured,
            30.0 + HIGH + BELOW,
            |canvas, top| {
                canvas.small(MARGIN, top + 6.0, &y_label, Align::Left);
                let (top, bottom) = (top + 30.0, top + 30.0 + HIGH);
                let y = y_axis(points().map(|p| p.1), self.log_y, (bottom, top));
                let ticks = y.ticks.iter().map(|(_, label)| width(label, SMALL, false));
                let left = MARGIN + ticks.fold(20.0, f64::max) + 8.0;
                let x = x_axis(points().map(|p| p.0), self.log_x, (left, right));

                for (value, label) in &y.ticks {
                    let y = y.at(*value);
                    canvas.line(left, y, right, y, GRID);
                    canvas.small(left - 8.0, y, label, Align::Right);
                }
                x.draw_below(canvas, top, bottom, "");
                let half = width(&x_label, SMALL, false) / 2.0;
                let middle = ((left + right) / 2.0).clamp(MARGIN + half, RIGHT - half);
                canvas.small(middle, bottom + 35.0, &x_label, Align::Middle);
                for one in series {
                    line(canvas, one, &x, &y);
                }
                end_labels(canvas, series, &x, &y, (right, names), (top, bottom));
            },
        )
    }
}

fn bounds(values: impl Iterator<Item = f64>) -> (f64, f64) {
    values.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), v| {
        (low.min(v), high.max(v))
    })
}

/// Rises from 0, unless all values lie in a narrow band far from it.
fn y_axis(values: impl Iterator<Item = f64>, log: bool, span: (f64, f64)) -> Axis {
    let (low, high) = bounds(values);
    if log {
        return Axis::log((low, high), span, true, false, 22.0);
    }
    let low = if low > 0.0 && low < 0.7 * high {
        0.0
    } else {
        low
    };
    Axis::linear((low, high), span, 6, true, false)
}

fn x_axis(values: impl Iterator<Item = f64> + Clone, log: bool, span: (f64, f64)) -> Axis {
    let (low, high) = bounds(values.clone());
    if log {
        let twos = values.clone().all(|v| v.log2().fract() == 0.0) && high > low;
        return Axis::log((low, high), span, false, twos, 44.0);
    }
    let whole = values.clone().all(|v| v.fract() == 0.0);
    let low = if low > 0.0 && low < 0.3 * high && !(whole && low == 1.0) {
        0.0
    } else {
        low
    };
    let air = (high - low) * 0.03;
    let low = if low == 0.0 { 0.0 } else { low - air };
    Axis::linear(
        (low, high + air),
        span,
        ((span.1 - span.0) / 56.0) as usize,
        false,
        whole,
    )
}

fn line(canvas: &Canvas, series: &Series, x: &Axis, y: &Axis) {
    let at: Vec<(f64, f64)> = series
        .points
        .iter()
        .map(|p| (x.at(p.0), y.at(p.1)))
        .collect();
    if let Some(dash) = series.dash.filter(|_| at.len() > 1) {
        canvas.path(&at, series.colour(), 2.0, dash);
    }
    for (place, &(x, y)) in at.iter().enumerate() {
        if series.dots {
            // Runs at the same x lie side by side rather than on each other.
            let aside = ((place * 3) % 7) as f64 - 3.0;
            canvas.dot(x + aside * 3.2, y, 2.8, series.colour(), false);
        } else if series.marks {
            canvas.marker(x, y, series.look, series.colour());
        }
    }
}

/// Names at the ends of their lines, pushed apart where the ends are close.
fn end_labels(
    canvas: &Canvas,
    series: &[Series],
    x: &Axis,
    y: &Axis,
    (right, room): (f64, f64),
    (top, bottom): (f64, f64),
) {
    let mut ends: Vec<(f64, f64, &Series)> = series
        .iter()
        .filter(|s| !s.name.is_empty())
        .filter_map(|s| s.points.last().map(|p| (x.at(p.0), y.at(p.1), s)))
        .collect();
    ends.sort_by(|a, b| a.1.total_cmp(&b.1));
    let places = spread(
        &ends.iter().map(|e| e.1).collect::<Vec<_>>(),
        17.0,
        top,
        bottom,
    );
    for ((from_x, from_y, series), y) in ends.into_iter().zip(places) {
        // From an end far from the names a leader would look like one more line.
        if right - from_x < 60.0 {
            let leader = [(from_x + 7.0, from_y), (right + 8.0, y)];
            canvas.path(&leader, RULE, 1.0, Dash::Solid);
        }
        if series.dots {
            canvas.dot(right + 18.0, y, 2.8, series.colour(), false);
        } else if series.marks {
            canvas.marker(right + 18.0, y, series.look, series.colour());
        } else if let Some(dash) = series.dash {
            canvas.path(
                &[(right + 10.0, y), (right + 26.0, y)],
                series.colour(),
                2.0,
                dash,
            );
        }
        let name = shorten(&series.name, SMALL, false, room);
        canvas.small(right + 32.0, y, &name, Align::Left);
    }
}

/// The sorted `wanted` places, moved as little as needed to be `gap` apart between the limits.
fn spread(wanted: &[f64], gap: f64, top: f64, bottom: f64) -> Vec<f64> {
    let mut places = wanted.to_vec();
    for _ in 0..60 {
        for i in 1..places.len() {
            let overlap = places[i - 1] + gap - places[i];
            if overlap > 0.0 {
                places[i - 1] -= overlap / 2.0;
                places[i] += overlap / 2.0;
            }
        }
    }
    // What the halving left, and the limits, in one sweep each way.
    let mut least = top;
    for place in &mut places {
        *place = place.max(least);
        least = *place + gap;
    }
    let mut most = bottom;
    for place in places.iter_mut().rev() {
        *place = place.min(most);
        most = *place - gap;
    }
    places
}

#[cfg(test)]
mod tests {
    use super::spread;

    #[test]
    fn close_labels_are_pushed_apart_within_the_limits() {
        let places = spread(&[10.0, 10.0, 10.0, 99.0], 17.0, 0.0, 100.0);
        assert!(
            places.windows(2).all(|p| p[1] - p[0] >= 16.99),
            "{places:?}"
        );
        assert!(places[0] >= 0.0 && places[3] <= 100.0);
    }
}

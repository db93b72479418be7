//! From numbers to pixels: round ticks, linear and logarithmic axes, one time unit per axis.

use super::canvas::{Align, Canvas, GRID, PALE, RULE, SMALL};
use super::text::{fixed, power_of_ten, width};

/// A number that can be drawn. Magnitudes beyond 10^±150 would overflow in the arithmetic.
pub(super) fn usable(value: f64) -> Option<f64> {
    match value.abs() {
        v if v < 1e-150 => Some(0.0),
        v if v < 1e150 => Some(value),
        _ => None,
    }
}

/// Seconds in the unit that suits the axis: (seconds in one unit, its name).
pub(super) fn time_unit(largest: f64) -> (f64, &'static str) {
    match largest {
        v if v >= 1.0 || v <= 0.0 => (1.0, "s"),
        v if v >= 1e-3 => (1e-3, "ms"),
        v if v >= 1e-6 => (1e-6, "µs"),
        _ => (1e-9, "ns"),
    }
}

/// Maps values to pixels, with ticks at round values. `from` may be larger than `to`, as it is
/// for an axis that rises.
pub(super) struct Axis {
    pub(super) low: f64,
    pub(super) high: f64,
    log: bool,
    from: f64,
    to: f64,
    pub(super) ticks: Vec<(f64, String)>,
}

impl Axis {
    /// A linear axis with at most about `most` ticks. `round` widens it to the next ticks,
    /// `whole` keeps ticks at whole numbers.
    pub(super) fn linear(
        (low, high): (f64, f64),
        (from, to): (f64, f64),
        most: usize,
        round: bool,
        whole: bool,
    ) -> Axis {
        let (mut low, mut high) = (low.min(high), low.max(high));
        if high - low <= f64::EPSILON * high.abs().max(low.abs()) {
            // One value, or all the same: give it room on both sides.
            let room = if high == 0.0 { 1.0 } else { high.abs() * 0.5 };
            (low, high) = (if low == 0.0 { 0.0 } else { low - room }, high + room);
        }
        let mut step = round_step((high - low) / most.max(1) as f64);
        if whole {
            step = step.max(1.0);
        }
        if round {
            low = (low / step + 1e-9).floor() * step;
            high = (high / step - 1e-9).ceil() * step;
        }
        let first = (low / step - 1e-9).ceil();
        let places = ((high - first * step) / step + 1e-9)
            .floor()
            .clamp(0.0, 50.0) as usize;
        let ticks = (0..=places)
            .map(|place| (first + place as f64) * step)
            .map(|value| (value, tick_label(value, step, high.abs().max(low.abs()))))
            .collect();
        Axis {
            low,
            high,
            log: false,
            from,
            to,
            ticks,
        }
    }

    /// A logarithmic axis of values above 0. `round` widens it to the next ticks, else there is a
    /// little air at both ends. `twos` puts ticks at powers of two. `gap` is the least distance of two labels'
    /// middles in pixels.
    pub(super) fn log(
        (low, high): (f64, f64),
        (from, to): (f64, f64),
        round: bool,
        twos: bool,
        gap: f64,
    ) -> Axis {
        let base: f64 = if twos { 2.0 } else { 10.0 };
        let high = high.max(low);
        let steps: &[f64] = if twos { &[1.0] } else { &[1.0, 2.0, 5.0] };
        let lowest = (low.log(base) + 1e-9).floor() as i32;
        let highest = (high.log(base) - 1e-9).ceil() as i32;
        let all: Vec<f64> = (lowest..=highest)
            .flat_map(|exponent| steps.iter().map(move |s| s * base.powi(exponent)))
            .collect();
        let (low, high) = if round {
            let below = all.iter().rev().find(|&&v| v <= low * (1.0 + 1e-9));
            let above = all.iter().find(|&&v| v >= high * (1.0 - 1e-9));
            (*below.unwrap_or(&low), *above.unwrap_or(&high))
        } else {
            let air = (high / low).powf(0.03);
            (low / air, high * air)
        };
        let (low, high) = match high > low * 1.5 {
            true => (low, high),
            // One value, or all about the same.
            false => (low / 2.0, high * 2.0),
        };
        let mut axis = Axis {
            low,
            high,
            log: true,
            from,
            to,
            ticks: Vec::new(),
        };
        let inside = |v: &f64| (low * 0.999..=high * 1.001).contains(v);
        // 1, 2, 5 of every decade if there is room, else every decade, every second decade, ….
        let fine = (highest - lowest <= 3 || twos).then_some(all);
        let coarse = (1..=60).map(|every| {
            let exponents = (lowest..=highest).filter(move |e| e.rem_euclid(every) == 0);
            exponents.map(|e| base.powi(e)).collect::<Vec<f64>>()
        });
        for values in fine.into_iter().chain(coarse) {
            let values: Vec<f64> = values.into_iter().filter(inside).collect();
            let roomy = |pair: &[f64]| (axis.at(pair[1]) - axis.at(pair[0])).abs() >= gap;
            if values.windows(2).all(roomy) {
                axis.ticks = values.iter().map(|&v| (v, log_label(v))).collect();
                break;
            }
        }
        axis
    }

    /// Where `value` is, in pixels.
    pub(super) fn at(&self, value: f64) -> f64 {
        let share = if self.log {
            (value.ln() - self.low.ln()) / (self.high.ln() - self.low.ln())
        } else {
            (value - self.low) / (self.high - self.low)
        };
        self.from + share * (self.to - self.from)
    }

    /// A thin line from end to end at height `y`.
    pub(super) fn draw_track(&self, canvas: &Canvas, y: f64) {
        canvas.rect(
            self.at(self.low),
            y - 0.5,
            self.at(self.high),
            y + 0.5,
            PALE,
        );
    }

    /// Draws grid lines between `top` and `bottom`, tick labels below, and the axis' label.
    pub(super) fn draw_below(&self, canvas: &Canvas, top: f64, bottom: f64, label: &str) {
        let mut free = f64::NEG_INFINITY;
        for (value, text) in &self.ticks {
            let x = self.at(*value);
            canvas.line(x, top, x, bottom + 4.0, GRID);
            let half = width(text, SMALL, false) / 2.0;
            if x - half > free {
                canvas.small(x, bottom + 15.0, text, Align::Middle);
                free = x + half + 6.0;
            }
        }
        canvas.line(self.from, bottom, self.to, bottom, RULE);
        canvas.small(
            (self.from + self.to) / 2.0,
            bottom + 35.0,
            label,
            Align::Middle,
        );
    }
}

/// Height of what [`Axis::draw_below`] draws below the plot.
pub(super) const BELOW: f64 = 44.0;

/// The smallest of 1, 2 and 5 times a power of ten that is not below `raw`.
fn round_step(raw: f64) -> f64 {
    let magnitude = 10f64.powf(raw.log10().floor());
    let steps = [1.0, 2.0, 5.0, 10.0].map(|s| s * magnitude);
    let fitting = steps.iter().find(|&&s| s >= raw * (1.0 - 1e-9));
    fitting.copied().unwrap_or(10.0 * magnitude)
}

fn tick_label(value: f64, step: f64, largest: f64) -> String {
    if value.abs() < step / 2.0 {
        return "0".to_owned();
    }
    if largest >= 1e7 || step < 1e-4 {
        return power_of_ten(value);
    }
    fixed(value, (-(step * 1.001).log10().floor()).max(0.0) as usize)
}

fn log_label(value: f64) -> String {
    match value {
        v if !(0.9e-3..1.1e6).contains(&v) => power_of_ten(v),
        v if v < 0.9 => fixed(v, (-(v * 1.001).log10().floor()) as usize),
        v => fixed(v, 0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(axis: &Axis) -> Vec<&str> {
        axis.ticks.iter().map(|(_, label)| label.as_str()).collect()
    }

    #[test]
    fn linear_ticks_are_round() {
        let axis = Axis::linear((0.0, 1.21), (0.0, 600.0), 6, false, false);
        assert_eq!(labels(&axis), ["0", "0.5", "1.0"]);
        let axis = Axis::linear((0.0, 37.0), (0.0, 600.0), 8, true, false);
        assert_eq!(
            labels(&axis),
            ["0", "5", "10", "15", "20", "25", "30", "35", "40"]
        );
        let axis = Axis::linear((1.0, 2.0), (0.0, 600.0), 8, false, true);
        assert_eq!(labels(&axis), ["1", "2"]);
    }

    #[test]
    fn log_ticks_thin_out_with_the_range() {
        let axis = Axis::log((1.0, 90.0), (0.0, 600.0), true, false, 40.0);
        assert_eq!(labels(&axis), ["1", "2", "5", "10", "20", "50", "100"]);
        let axis = Axis::log((1e-3, 1e3), (0.0, 600.0), false, false, 40.0);
        assert_eq!(
            labels(&axis),
            ["0.001", "0.01", "0.1", "1", "10", "100", "1000"]
        );
        let axis = Axis::log((1.0, 256.0), (0.0, 600.0), false, true, 40.0);
        assert_eq!(axis.ticks.len(), 9);
    }

    #[test]
    fn extremes_map_to_finite_pixels() {
        for (low, high) in [(0.0, 0.0), (5.0, 5.0), (1e-149, 1e149), (-1e149, 1e149)] {
            let axis = Axis::linear((low, high), (0.0, 100.0), 6, true, false);
            assert!(axis.at(low).is_finite() && axis.at(high).is_finite());
            assert!(axis.ticks.len() < 60 && !axis.ticks.is_empty());
        }
        let axis = Axis::log((1e-149, 1e149), (0.0, 600.0), false, false, 40.0);
        assert!(axis.at(1.0).is_finite() && axis.ticks.len() > 2);
        assert_eq!(usable(f64::NAN), None);
        assert_eq!(usable(1e-320), Some(0.0));
    }
}

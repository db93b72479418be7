//! One axis, linear or logarithmic: plotters' own coordinates, chosen while the program runs.

use crate::text::{fixed, number, power_of_ten, trimmed};
use plotters::coord::combinators::LogCoord;
use plotters::coord::ranged1d::{BoldPoints, DefaultFormatting, KeyPointHint, Ranged};
use plotters::coord::types::RangedCoordf64;
use plotters::prelude::IntoLogRange;
use std::ops::Range;

pub(crate) enum Axis {
    Linear(RangedCoordf64),
    /// The second is the base of its ticks, 2 or 10.
    Log(LogCoord<f64>, f64),
    /// One of these, with ticks at places of our own.
    At(Box<Axis>, Vec<f64>),
}

impl Axis {
    /// From `low` to `high`, which may be the smaller one. An axis of one value gets room on both sides.
    pub(crate) fn linear(low: f64, high: f64) -> Axis {
        let room = if low == high { (low.abs() * 0.1).max(0.5) } else { 0.0 };
        Axis::Linear((low - room..high + room).into())
    }

    /// Over all values, which are above 0, with a little room on both sides.
    pub(crate) fn log(low: f64, high: f64, base: f64) -> Axis {
        let room = ((high / low).ln() * 0.04).exp().max(1.02);
        Axis::Log((low / room..high * room).log_scale().into(), base)
    }

    /// What writes a tick's label: as many digits as tell it from its neighbours.
    pub(crate) fn labels(&self) -> impl Fn(&f64) -> String + use<> {
        let Range { start, end } = self.range();
        let (wide, size) = ((end - start).abs(), start.abs().max(end.abs()));
        let log = match self {
            Axis::Linear(_) => false,
            Axis::Log(..) => end / start > 5.0,
            Axis::At(..) => true,
        };
        let decimals = move |size: f64| (2.0 + (size / wide).log10()).floor().max(0.0) as usize;
        move |&value| match value {
            v if log => number(v),
            v if v.abs() < wide * 1e-9 => "0".to_owned(),
            v if !(1e-4..1e9).contains(&size) => power_of_ten(v, decimals(size)),
            v if wide > 50.0 => fixed(v, 0),
            v => trimmed(v, decimals(1.0)),
        }
    }

    /// At most so many ticks, with their labels.
    pub(crate) fn ticks(&self, most: usize) -> Vec<(f64, String)> {
        let label = self.labels();
        let ticks = self.key_points(BoldPoints(most)).into_iter();
        ticks.map(|tick| (tick, label(&tick))).collect()
    }
}

impl Ranged for Axis {
    type FormatOption = DefaultFormatting;
    type ValueType = f64;

    fn map(&self, value: &f64, limit: (i32, i32)) -> i32 {
        match self {
            Axis::Linear(axis) => axis.map(value, limit),
            Axis::Log(axis, _) => axis.map(value, limit),
            Axis::At(axis, _) => axis.map(value, limit),
        }
    }

    /// plotters' own for linear axes. Its logarithmic ones have no ticks at all within a decade,
    /// and some twice, so these are ours: 1, 2, 5, 10 … or every so many powers of the base.
    fn key_points<Hint: KeyPointHint>(&self, hint: Hint) -> Vec<f64> {
        let (axis, base) = match self {
            Axis::Log(axis, base) => (axis, base),
            Axis::Linear(axis) => return axis.key_points(hint),
            Axis::At(_, ticks) => return ticks.clone(),
        };
        let Range { start, end } = axis.range();
        if end / start < 5.0 && *base == 10.0 {
            return RangedCoordf64::from(start..end).key_points(hint);
        }
        let most = hint.max_num_points().max(2);
        let powers = (start.log(*base).floor() as i32)..=(end.log(*base).ceil() as i32);
        let decades = (end / start).log(*base);
        let every = (decades / most as f64).ceil().max(1.0) as i32;
        let parts: &[f64] = match *base == 10.0 && decades * 3.0 <= most as f64 {
            true => &[1.0, 2.0, 5.0],
            false => &[1.0],
        };
        let ticks = powers.filter(|p| p.rem_euclid(every) == 0);
        let ticks = ticks.flat_map(|p| parts.iter().map(move |part| part * base.powi(p)));
        ticks.filter(|tick| (start..=end).contains(tick)).collect()
    }

    fn range(&self) -> Range<f64> {
        match self {
            Axis::Linear(axis) => axis.range(),
            Axis::Log(axis, _) => axis.range(),
            Axis::At(axis, _) => axis.range(),
        }
    }
}

/// The lowest and the highest of some values; nothing where there are none.
pub(crate) fn bounds(values: impl Iterator<Item = f64>) -> Option<(f64, f64)> {
    values.fold(None, |found, v| {
        let (low, high) = found.unwrap_or((v, v));
        Some((v.min(low), v.max(high)))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_there_and_their_labels_differ() {
        let linear = [(0.0, 1.0), (0.0, 7e-9), (100.02, 100.08), (1e3, 9e12), (3.0, 3.0)];
        let wide = [(0.8, 1.3), (1e-9, 1.0), (1.0, 9.0), (1.0, 64.0), (1e12, 1e12 + 5.0)];
        for (low, high) in linear.into_iter().chain(wide) {
            let mut axes = vec![Axis::linear(low, high)];
            if low > 0.0 {
                axes.extend([Axis::log(low, high, 10.0), Axis::log(low, high, 2.0)]);
            }
            for axis in axes.iter().take(2 + usize::from(high / low > 2.0)) {
                let ticks = axis.ticks(8);
                let mut labels: Vec<&String> = ticks.iter().map(|tick| &tick.1).collect();
                assert!((2..=16).contains(&labels.len()), "{low}..{high}: {labels:?}");
                labels.sort();
                labels.dedup();
                assert_eq!(labels.len(), ticks.len(), "{low}..{high}: {labels:?}");
            }
        }
    }
}

//! Speedup against workers.

use super::Figure;
use super::canvas::Dash;
use super::scale::usable;
use super::table::{listed, table};
use super::text::{clean, count, times};
use super::xy::{Plot, Series};
use crate::measure::{Timing, median, seconds};

/// How much more workers help: for each (workers, timing) all runs as dots, relative to the median
/// of the first point, a line through the medians, and a dashed line for ideal speedup.
///
/// The first point is the reference, usually one worker. Runs without a usable time are left out
/// and counted; many runs are thinned to about 300 dots, and of more than 64 points only the
/// medians are drawn.
pub fn speedup(title: &str, points: &[(usize, Timing)]) -> Figure {
    let usable_runs = |timing: &Timing| -> Vec<f64> {
        let runs = timing.wall.iter().copied();
        runs.filter_map(usable).filter(|&t| t > 0.0).collect()
    };
    let runs: Vec<(f64, Vec<f64>)> = points
        .iter()
        .map(|(workers, timing)| (*workers as f64, usable_runs(timing)))
        .collect();
    let all: usize = points.iter().map(|(_, timing)| timing.wall.len()).sum();
    let left_out = all - runs.iter().map(|(_, runs)| runs.len()).sum::<usize>();
    let first = runs.first().map(|(workers, runs)| (*workers, median(runs)));
    let reference = first.filter(|(_, m)| m.is_finite());

    let mut notes =
        vec!["dot: one run · line: median · dashed: every worker helps in full".to_owned()];
    if left_out > 0 {
        notes.push(format!(
            "{} without a usable time left out",
            count(left_out, "run")
        ));
    }
    if !points.is_empty() && reference.is_none() {
        notes.push("the first point has no time, so there is nothing to compare with".to_owned());
    }

    let mut rows = Vec::new();
    let mut found = Vec::new();
    let mut medians = Vec::new();
    let mut dots = Vec::new();
    let few = runs.len() <= MOST_POINTS_WITH_RUNS;
    if !few {
        notes[0] = "line: median · dashed: every worker helps in full".to_owned();
    }
    let each = if few {
        (300 / runs.len().max(1)).max(3)
    } else {
        0
    };
    for ((workers, timing), (at, runs)) in points.iter().zip(&runs) {
        let middle = median(runs);
        let ratio = reference.map_or(f64::NAN, |(_, first)| first / middle);
        rows.push(vec![
            workers.to_string(),
            clean(&timing.name),
            seconds(middle),
            runs.len().to_string(),
            times(ratio),
        ]);
        if let (Some(ratio), Some((_, first))) = (usable(ratio), reference) {
            found.push(format!("{} with {workers}", times(ratio)));
            medians.push((*at, ratio));
            let kept = if few {
                super::rows::thin(runs, each)
            } else {
                Vec::new()
            };
            dots.extend(
                kept.into_iter()
                    .filter_map(|t| Some((*at, usable(first / t)?))),
            );
        }
    }
    medians.sort_by(|a, b| a.0.total_cmp(&b.0));

    let mut series = Vec::new();
    if let Some((one, _)) = reference {
        let most = medians.iter().map(|m| m.0).fold(one, f64::max);
        // With no workers at all there is no ideal; a reference of several workers scales it.
        let ideal = [one.max(1.0), most].map(|w| (w, w / one.max(1.0)));
        let line = |name: &str, points, look, dash, marks, dots| Series {
            name: name.to_owned(),
            points,
            look,
            dash,
            marks,
            dots,
        };
        series.push(line(
            "ideal",
            ideal.to_vec(),
            6,
            Some(Dash::Dashed),
            false,
            false,
        ));
        series.push(line("", dots, 0, None, false, true));
        let last = medians.last().map_or(f64::NAN, |m| m.1);
        let name = format!("measured {}", times(last));
        series.push(line(&name, medians, RING, Some(Dash::Solid), few, false));
    }
    let heads = ["workers", "name", "median", "runs", "speedup"];
    Figure {
        table: table(title, &heads, &rows, &notes[1..]),
        alt: format!(
            "Speedup “{}”, times as fast as the first point: {} workers.",
            clean(title),
            if found.is_empty() {
                "no points, no".to_owned()
            } else {
                listed(&found, 10)
            }
        ),
        svg: Plot {
            title,
            notes,
            x_label: "workers (number)".to_owned(),
            y_label: "speedup (×)".to_owned(),
            log_x: false,
            log_y: false,
            measured: true,
        }
        .svg(&series),
    }
}

const MOST_POINTS_WITH_RUNS: usize = 64;
/// The look of the first colour with a ring as its mark, so that runs show through.
const RING: usize = 14;

#[cfg(test)]
mod tests {
    use super::super::layout::{check, check_units};
    use super::*;

    fn timing(wall: Vec<f64>) -> Timing {
        Timing {
            name: "t".into(),
            wall,
            cpu: vec![],
            calls: 1,
        }
    }

    #[test]
    fn any_number_of_points_is_legible() {
        for n in [0, 1, 2, 5, 16, 256] {
            let points: Vec<(usize, Timing)> = (1..=n)
                .map(|w| {
                    let t = 0.1 + 0.9 / w as f64;
                    (
                        w,
                        timing((0..20).map(|i| t * (1.0 + 0.01 * f64::from(i))).collect()),
                    )
                })
                .collect();
            let figure = speedup("Resize", &points);
            check(&figure, 60_000);
            if n > 0 {
                check_units(&figure, &["speedup (×)"]);
                check_units(&figure, &["workers (number)"]);
            }
        }
    }

    #[test]
    fn the_first_point_is_the_reference() {
        let points = [(1, timing(vec![2.0, 2.1, 1.9])), (4, timing(vec![0.8]))];
        let figure = speedup("s", &points);
        assert!(
            figure.alt().contains("1.00× with 1, 2.5× with 4"),
            "{}",
            figure.alt()
        );
        assert!(figure.svg().contains("measured 2.5×"));
    }

    #[test]
    fn unusable_times_never_panic() {
        for wall in [vec![], vec![f64::NAN], vec![0.0], vec![1e-149], vec![1e149]] {
            check(
                &speedup("s", &[(1, timing(wall.clone())), (0, timing(vec![1.0]))]),
                25_000,
            );
            check(
                &speedup("s", &[(1, timing(vec![1.0])), (8, timing(wall))]),
                25_000,
            );
        }
    }
}

//! What more workers can gain, in three formulas.
//!
//! In all of them `p` is the share of the work that can be shared out, from 0 to 1, `workers` is
//! how many there are, and a speedup is a ratio of wall times: 2 means half the time.

use measure::Timing;

/// Amdahl's law: the speedup of a job of fixed size, `1 / ((1 − p) + p / workers)`.
///
/// At `p` = 0 it is 1 (as fast as before, and not 0), at `p` = 1 it is the number of workers, and
/// it never exceeds `1 / (1 − p)`. No workers count as one.
///
/// Gene Amdahl, *Validity of the single processor approach to achieving large scale computing
/// capabilities*, AFIPS 1967.
///
/// ```
/// use helpers::amdahl::amdahl;
///
/// assert_eq!(amdahl(0.0, 256), 1.0);
/// assert_eq!(amdahl(1.0, 256), 256.0);
/// assert!(amdahl(0.95, 1_000_000) < 20.0);
/// ```
pub fn amdahl(p: f64, workers: usize) -> f64 {
    1.0 / ((1.0 - p) + p / workers.max(1) as f64)
}

/// Gustafson's law: the speedup of a job that grows with the machine, `(1 − p) + p · workers`.
///
/// Here `p` is the shared-out part of the time **on the parallel machine**, which then does that
/// part for `workers` times as much data. No workers count as one.
///
/// John Gustafson, *Reevaluating Amdahl's law*, Communications of the ACM 31(5), 1988.
///
/// ```
/// use helpers::amdahl::gustafson;
///
/// assert_eq!(gustafson(0.0, 256), 1.0);
/// assert_eq!(gustafson(0.5, 3), 2.0);
/// ```
pub fn gustafson(p: f64, workers: usize) -> f64 {
    (1.0 - p) + p * workers.max(1) as f64
}

/// The serial share that a measured speedup betrays, `(1/S − 1/n) / (1 − 1/n)` for a speedup `S`
/// on `n` workers: Amdahl's law, turned around.
///
/// Where the law holds it is the same for every `n`, namely `1 − p`. Where it grows with `n`, the
/// workers cost something themselves (starting, waiting, talking). `None` for fewer than two
/// workers, which say nothing about it, and for a speedup that is not a positive number. Slightly
/// below 0 is noise, or a cache that grew with the workers.
///
/// Alan Karp and Horace Flatt, *Measuring parallel processor performance*, Communications of the
/// ACM 33(5), 1990.
///
/// ```
/// use helpers::amdahl::{amdahl, karp_flatt};
///
/// let share = karp_flatt(amdahl(0.9, 8), 8).unwrap();
/// assert!((share - 0.1).abs() < 1e-12);
/// assert_eq!(karp_flatt(1.0, 1), None);
/// ```
pub fn karp_flatt(speedup: f64, workers: usize) -> Option<f64> {
    let sound = speedup.is_finite() && speedup > 0.0 && workers >= 2;
    let n = workers as f64;
    sound.then(|| (1.0 / speedup - 1.0 / n) / (1.0 - 1.0 / n))
}

/// Measured speedups as (workers, speedup) points to draw: one per count of workers, the ratio of
/// the medians. The first timing is the reference, usually that of one worker.
///
/// ```
/// # let timing = |wall: &[f64]| measure::Timing::of_wall("t", wall.to_vec());
/// use helpers::amdahl::{run_speedups, speedups};
///
/// let points = [(1, timing(&[8.0, 8.0, 9.0])), (4, timing(&[2.0, 4.0, 4.0]))];
/// assert_eq!(speedups(&points), [(1.0, 1.0), (4.0, 2.0)]);
/// assert_eq!(run_speedups(&points)[3], (4.0, 4.0));
/// ```
pub fn speedups(points: &[(usize, Timing)]) -> Vec<(f64, f64)> {
    let reference = points.first().map_or(f64::NAN, |(_, t)| t.median());
    let of = |(workers, t): &(usize, Timing)| (*workers as f64, reference / t.median());
    points.iter().map(of).collect()
}

/// Like [`speedups`], with one point for every single run; the reference is the first median.
pub fn run_speedups(points: &[(usize, Timing)]) -> Vec<(f64, f64)> {
    let reference = points.first().map_or(f64::NAN, |(_, t)| t.median());
    let mut all = Vec::new();
    for (workers, timing) in points {
        all.extend(timing.wall.iter().map(|t| (*workers as f64, reference / t)));
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_points_have_no_speedups() {
        assert!(speedups(&[]).is_empty() && run_speedups(&[]).is_empty());
    }

    #[test]
    fn the_talks_two_ends() {
        for workers in [1, 2, 256] {
            assert_eq!(amdahl(0.0, workers), 1.0);
            assert_eq!(amdahl(1.0, workers), workers as f64);
        }
        assert_eq!(amdahl(0.9, 0), 1.0);
        assert_eq!(gustafson(0.9, 0), 1.0);
    }

    #[test]
    fn more_workers_never_pass_the_limit() {
        for p in [0.5, 0.75, 0.9, 0.95, 0.99] {
            let curve: Vec<f64> = (0..20).map(|power| amdahl(p, 1 << power)).collect();
            assert!(curve.windows(2).all(|pair| pair[0] < pair[1]));
            assert!(curve.iter().all(|&speedup| speedup < 1.0 / (1.0 - p)));
        }
    }

    #[test]
    fn both_laws_agree_on_the_same_job() {
        // 90 % of the time on 10 workers is 9.0 of 9.1 parts on one.
        let alone = 9.0 / 9.1;
        assert!((gustafson(0.9, 10) - amdahl(alone, 10)).abs() < 1e-9);
    }

    #[test]
    fn karp_and_flatt_find_the_share_again() {
        for p in [0.0, 0.5, 0.99, 1.0] {
            for workers in [2, 3, 64] {
                let share = karp_flatt(amdahl(p, workers), workers).unwrap();
                assert!((share - (1.0 - p)).abs() < 1e-9);
            }
        }
        for useless in [0.0, -1.0, f64::NAN, f64::INFINITY] {
            assert_eq!(karp_flatt(useless, 4), None);
        }
    }
}

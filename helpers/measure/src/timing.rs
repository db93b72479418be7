//! The runs of one variant, and what they allow to say.

use crate::load::{Load, crowded_since};
use crate::seconds;
use std::fmt;
use std::hint::black_box;
use std::time::{Duration, Instant};

/// The runs of one variant. All times are seconds for one call of the work.
#[derive(Debug, Clone, Default)]
pub struct Timing {
    /// What was timed, as it appears in figures.
    pub name: String,
    /// Wall-clock seconds of one call, one entry per run.
    pub wall: Vec<f64>,
    /// CPU seconds of one call, all threads of this process together, one entry per run.
    /// Empty where it is not known (Python's side of a comparison).
    pub cpu: Vec<f64>,
    /// Calls per run; more than 1 where a single call is too short for the clock.
    pub calls: u32,
    /// Other software than Rust that it ran on, with versions, such as `Python 3.13.5`.
    pub software: Vec<String>,
    /// Whether other programs took processors meanwhile that this work could have used.
    pub crowded: bool,
    /// The variant that took turns with this one: a run of each came right after the other's.
    pub in_turn_with: Option<String>,
}

impl Timing {
    /// Runs that were timed elsewhere: wall-clock seconds of one call each, CPU time not known.
    pub fn of_wall(name: &str, wall: Vec<f64>) -> Timing {
        Timing { name: name.to_owned(), wall, calls: 1, ..Timing::default() }
    }

    /// The middle wall time in seconds; NaN when there are no runs.
    pub fn median(&self) -> f64 {
        median(&self.wall)
    }

    /// How far the runs lie apart: (slowest − fastest) / median, wall time. 0.1 means 10 %.
    pub fn spread(&self) -> f64 {
        let (low, high) = self.range();
        (high - low) / self.median()
    }

    /// Fastest and slowest wall time in seconds.
    pub fn range(&self) -> (f64, f64) {
        self.wall
            .iter()
            .fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), &t| (low.min(t), high.max(t)))
    }

    /// How many processors were busy on average: CPU time over wall time, medians.
    pub fn busy_cores(&self) -> f64 {
        median(&self.cpu) / self.median()
    }

    /// Whether this is at least `factor` times faster than `other`; `None` where the runs of the
    /// two leave both answers open.
    ///
    /// A noisy machine makes single runs slow. So the slowest and the fastest quarter of each
    /// side's runs count for nothing, and the worst and the best case of the others must agree;
    /// so must the fastest run of each side, which is the one that was disturbed least.
    ///
    /// ```
    /// # let timing = |wall: &[f64]| measure::Timing::of_wall("t", wall.to_vec());
    /// let (quick, slow) = (timing(&[1.0, 1.1, 1.2]), timing(&[2.9, 3.0, 3.1]));
    /// assert_eq!(quick.is_faster_than(&slow, 2.0), Some(true));
    /// assert_eq!(quick.is_faster_than(&slow, 5.0), Some(false));
    /// assert_eq!(quick.is_faster_than(&slow, 2.7), None);     // between 2.4 and 3.1 times
    /// ```
    pub fn is_faster_than(&self, other: &Timing, factor: f64) -> Option<bool> {
        let (least, most) = self.times_faster(other)?;
        match factor {
            f if f <= least => Some(true),
            f if f > most => Some(false),
            _ => None,
        }
    }

    /// Whether `workers` processors were really at work: busy for at least 85 % of the time. Where
    /// another program holds a processor, or there are fewer of them, a missing gain proves nothing.
    pub fn had_cores(&self, workers: usize) -> bool {
        self.busy_cores() >= 0.85 * workers as f64
    }

    /// Whether this and `other` differ by at most `share` (0.25: by a quarter); `None` where the
    /// runs leave both answers open. See [`Timing::is_faster_than`].
    pub fn is_like(&self, other: &Timing, share: f64) -> Option<bool> {
        let (least, most) = self.times_faster(other)?;
        let (low, high) = (1.0 / (1.0 + share), 1.0 + share);
        match (least >= low && most <= high, most < low || least > high) {
            (true, _) => Some(true),
            (_, true) => Some(false),
            _ => None,
        }
    }

    /// How many times faster than `other` this is, at least and at most. Of two that took turns each
    /// run is compared with its neighbour, which the machine's slow moments met as well.
    pub(crate) fn times_faster(&self, other: &Timing) -> Option<(f64, f64)> {
        if self.in_turn_with.as_ref() == Some(&other.name)
            && other.in_turn_with.as_ref() == Some(&self.name)
        {
            let runs = self.wall.iter().zip(&other.wall);
            return middle_half(&runs.map(|(own, other)| other / own).collect::<Vec<_>>());
        }
        let (own_low, own_high) = middle_half(&self.wall)?;
        let (other_low, other_high) = middle_half(&other.wall)?;
        let fastest = other.range().0 / self.range().0;
        Some((fastest.min(other_low / own_high), fastest.max(other_high / own_low)))
    }

    /// Advice for the reader where the runs cannot be trusted.
    pub fn warnings(&self) -> Vec<Warning> {
        let mut warnings = Vec::new();
        if self.crowded {
            warnings.push(Warning::Crowded);
        } else if self.wall.len() >= 3 && self.spread() > 0.5 {
            warnings.push(Warning::Noisy { spread: self.spread() });
        }
        if self.calls == 1 && self.median() < 50e-6 {
            warnings.push(Warning::TooShort { median: self.median() });
        }
        warnings
    }
}

impl AsRef<Timing> for Timing {
    fn as_ref(&self) -> &Timing {
        self
    }
}

impl fmt::Display for Timing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (low, high) = self.range();
        if self.wall.len() == 1 {
            return write!(f, "{}: {} (a single run)", self.name, seconds(low));
        }
        write!(
            f,
            "{}: median {} of {} runs ({} to {})",
            self.name,
            seconds(self.median()),
            self.wall.len(),
            seconds(low),
            seconds(high)
        )
    }
}

/// Why a timing should not be trusted, in words that say what to do.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Warning {
    /// Other programs used processors that the work could have used.
    Crowded,
    /// The runs differ by more than half of their median.
    Noisy {
        /// See [`Timing::spread`].
        spread: f64,
    },
    /// The work is shorter than the clock and the call around it can resolve.
    TooShort {
        /// Median seconds.
        median: f64,
    },
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Warning::Crowded => f.write_str(
                "other programs kept this machine's processors busy meanwhile; close them and run the cell again",
            ),
            Warning::Noisy { spread } => write!(
                f,
                "the runs differ by {:.0} %: new memory or a cold cache made some slow, or something else did; run the cell again to see which",
                spread * 100.0
            ),
            Warning::TooShort { median } => write!(
                f,
                "{} is too short to time alone; give the work more items",
                seconds(*median)
            ),
        }
    }
}

/// The middle of `values`, the mean of the two middle ones for an even count, NaN for none.
pub fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    match sorted.len() {
        0 => f64::NAN,
        n if n % 2 == 1 => sorted[n / 2],
        n => (sorted[n / 2 - 1] + sorted[n / 2]) / 2.0,
    }
}

/// The range of `values` without the lowest and the highest quarter (rounded down, so that nothing
/// is left out of three); `None` for fewer than three, or where one is not a positive number.
fn middle_half(values: &[f64]) -> Option<(f64, f64)> {
    let sound = values.iter().all(|v| v.is_finite() && *v > 0.0);
    if values.len() < 3 || !sound {
        return None;
    }
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let out = sorted.len() / 4;
    Some((sorted[out], sorted[sorted.len() - 1 - out]))
}

/// A run shorter than this is repeated inside the run, so that the clock's own cost vanishes.
const SHORTEST_RUN: Duration = Duration::from_millis(2);

/// A variant's name and the work that is timed.
pub(crate) type Variant<'a, T> = (&'a str, &'a mut (dyn FnMut() -> T + Send));

/// Times variants on the calling thread: a warm-up of each, then `runs` runs of each, in turn.
pub(crate) fn time<T>(runs: usize, variants: &mut [Variant<T>]) -> Vec<(Timing, T)> {
    let mut timed: Vec<(Timing, T)> = variants
        .iter_mut()
        .map(|(name, work)| {
            let (calls, result) = warm_up(work);
            (Timing { name: (*name).to_owned(), calls, ..Timing::default() }, result)
        })
        .collect();
    let before = Load::now();
    for _ in 0..runs {
        for ((_, work), (timing, _)) in variants.iter_mut().zip(&mut timed) {
            let (start, cpu_start) = (Instant::now(), cpu_time());
            for _ in 0..timing.calls {
                black_box(work());
            }
            let (took, cpu_took) = (start.elapsed(), cpu_time() - cpu_start);
            timing.wall.push(took.as_secs_f64() / f64::from(timing.calls));
            timing.cpu.push(cpu_took.as_secs_f64() / f64::from(timing.calls));
        }
    }
    let crowded = crowded_since(before);
    timed.iter_mut().for_each(|(timing, _)| timing.crowded = crowded);
    if let [(one, _), (other, _)] = &mut timed[..] {
        one.in_turn_with = Some(other.name.clone());
        other.in_turn_with = Some(one.name.clone());
    }
    timed
}

/// Calls the work once; says how many calls make a run, and gives the result.
fn warm_up<T>(work: &mut dyn FnMut() -> T) -> (u32, T) {
    let start = Instant::now();
    let result = black_box(work());
    let once = start.elapsed();

    // The warm-up call is the slowest (cold caches); find the number of calls from warm ones.
    let mut calls: u32 = 1;
    if once < SHORTEST_RUN {
        loop {
            let start = Instant::now();
            for _ in 0..calls {
                black_box(work());
            }
            let took = start.elapsed();
            if took >= SHORTEST_RUN || calls >= 1 << 24 {
                break;
            }
            calls *= 2;
        }
    }
    (calls, result)
}

/// CPU time that all threads of this process have used so far.
pub fn cpu_time() -> Duration {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: `time` is a valid, writable timespec, and the call only writes to it.
    let status = unsafe { libc::clock_gettime(libc::CLOCK_PROCESS_CPUTIME_ID, &mut time) };
    if status != 0 {
        return Duration::ZERO;
    }
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

//! Times pieces of work honestly, compares them, and says what can be claimed about them. It draws
//! nothing and keeps nothing.
//!
//! One run is not a measurement. [`Comparison::measure`] warms up, repeats, keeps every run, and
//! checks that every variant computed the same result, because a fast wrong answer is no answer.

mod claim;
pub mod memory;

pub use claim::claim;
pub use platform::units::seconds;

use platform::threads::on_fresh_thread;
use std::fmt;
use std::hint::black_box;
use std::time::{Duration, Instant};

/// The runs of one variant. All times are seconds for one call of the work.
#[derive(Debug, Clone)]
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
}

impl Timing {
    /// Runs that were timed elsewhere: wall-clock seconds of one call each, CPU time not known.
    pub fn of_wall(name: &str, wall: Vec<f64>) -> Timing {
        Timing {
            name: name.to_owned(),
            wall,
            cpu: Vec::new(),
            calls: 1,
        }
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
            .fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), &t| {
                (low.min(t), high.max(t))
            })
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
    /// # let timing = |wall: &[f64]| measure::Timing {
    /// #     name: "t".into(), wall: wall.to_vec(), cpu: vec![], calls: 1 };
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

    /// How many times faster than `other` this is, at least and at most.
    fn times_faster(&self, other: &Timing) -> Option<(f64, f64)> {
        let (own_low, own_high) = middle_half(&self.wall)?;
        let (other_low, other_high) = middle_half(&other.wall)?;
        let fastest = other.range().0 / self.range().0;
        Some((
            fastest.min(other_low / own_high),
            fastest.max(other_high / own_low),
        ))
    }

    /// Advice for the reader where the runs cannot be trusted.
    pub fn warnings(&self) -> Vec<Warning> {
        let mut warnings = Vec::new();
        if self.wall.len() >= 3 && self.spread() > 0.5 {
            warnings.push(Warning::Noisy {
                spread: self.spread(),
            });
        }
        if self.calls == 1 && self.median() < 50e-6 {
            warnings.push(Warning::TooShort {
                median: self.median(),
            });
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
            Warning::Noisy { spread } => write!(
                f,
                "the runs differ by {:.0} %: something else is using this machine; close it and run the cell again",
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

/// Several ways to do the same work, timed under the same rules.
///
/// `T` is the work's result. The first variant's result is kept, and every later one must equal it.
///
/// ```
/// use measure::Comparison;
///
/// let numbers: Vec<u64> = (0..10_000).collect();
/// let mut sum = Comparison::new("Sum of 10,000 numbers", 5);
/// sum.measure("for loop", || {
///     let mut total = 0;
///     for n in &numbers {
///         total += n;
///     }
///     total
/// });
/// sum.measure("iterator", || numbers.iter().sum());
/// assert_eq!(sum.timings().len(), 2);
/// ```
#[derive(Debug)]
pub struct Comparison<T> {
    title: String,
    runs: usize,
    expected: Option<(String, T)>,
    timings: Vec<Timing>,
}

impl<T: Send + PartialEq> Comparison<T> {
    /// A comparison with `runs` timed runs per variant (at least 1), after one warm-up each.
    pub fn new(title: &str, runs: usize) -> Self {
        Comparison {
            title: title.to_owned(),
            runs: runs.max(1),
            expected: None,
            timings: Vec::new(),
        }
    }

    /// Times one variant and prints its median and spread.
    ///
    /// Measuring a name again replaces its old timing, so a cell can be run again. The work runs
    /// on a fresh thread: a cell that follows a top-level `.await` sits inside a runtime, where
    /// blocking work would panic.
    ///
    /// # Panics
    ///
    /// If the work panics, or if its result differs from the first variant's.
    pub fn measure(&mut self, name: &str, mut work: impl FnMut() -> T + Send) -> &Timing {
        let runs = self.runs;
        let (timing, result) = on_fresh_thread(|| time(name, runs, &mut work));
        match &self.expected {
            Some((first, value)) if *first != name => assert!(
                *value == result,
                "“{name}” computed a different result than “{first}”: times of different work say nothing"
            ),
            // The first variant again, perhaps after an edit: its result is the new reference.
            _ => self.expected = Some((name.to_owned(), result)),
        }
        println!("{timing}");
        self.add(timing)
    }

    /// Adds runs that were timed elsewhere, such as Python's.
    pub fn add(&mut self, timing: Timing) -> &Timing {
        for warning in timing.warnings() {
            println!("  note: {warning}");
        }
        let place = match self.timings.iter().position(|t| t.name == timing.name) {
            Some(old) => {
                self.timings[old] = timing;
                old
            }
            None => {
                self.timings.push(timing);
                self.timings.len() - 1
            }
        };
        &self.timings[place]
    }
}

impl<T> Comparison<T> {
    /// What is compared.
    pub fn title(&self) -> &str {
        &self.title
    }

    /// Timed runs per variant.
    pub fn runs(&self) -> usize {
        self.runs
    }

    /// All timings so far, in the order in which they were first measured.
    pub fn timings(&self) -> &[Timing] {
        &self.timings
    }

    /// The timing of one variant.
    ///
    /// # Panics
    ///
    /// If no variant has that name; the message lists the names there are.
    pub fn timing(&self, name: &str) -> &Timing {
        self.find(name).unwrap_or_else(|| {
            let names: Vec<&str> = self.timings.iter().map(|t| t.name.as_str()).collect();
            panic!("no variant “{name}” was measured; there are: {names:?}")
        })
    }

    /// How many times faster `fast` is than `slow` (ratio of medians).
    pub fn speedup(&self, slow: &str, fast: &str) -> f64 {
        self.timing(slow).median() / self.timing(fast).median()
    }

    /// Whether `fast` is at least `factor` times faster than `slow`, by
    /// [`Timing::is_faster_than`]; `None` also where one of them was not measured, such as
    /// Python's side where there is no Python.
    pub fn is_faster(&self, fast: &str, slow: &str, factor: f64) -> Option<bool> {
        self.find(fast)?.is_faster_than(self.find(slow)?, factor)
    }

    /// [`is_faster`](Self::is_faster) where `fast` needs `workers` processors at the same time.
    ///
    /// A `false` counts only where `fast` had them ([`Timing::had_cores`]), or would not have been
    /// fast enough with them either (its CPU time shared out evenly). Otherwise the machine is too
    /// busy or too small to tell, and the answer is `None`.
    pub fn is_faster_on(
        &self,
        workers: usize,
        fast: &str,
        slow: &str,
        factor: f64,
    ) -> Option<bool> {
        let (timing, slow) = (self.find(fast)?, self.find(slow)?);
        let mut at_best = timing.clone();
        at_best.wall = timing.cpu.iter().map(|t| t / workers as f64).collect();
        let false_at_best = || at_best.is_faster_than(slow, factor) == Some(false);
        timing
            .is_faster_than(slow, factor)
            .filter(|&faster| faster || timing.had_cores(workers) || false_at_best())
    }

    /// Whether two variants differ by at most `share`, by [`Timing::is_like`]; `None` also where
    /// one of them was not measured.
    pub fn are_alike(&self, a: &str, b: &str, share: f64) -> Option<bool> {
        self.find(a)?.is_like(self.find(b)?, share)
    }

    /// The median times of two variants, side by side, for the `why` of a
    /// [`claim`](crate::claim).
    pub fn medians(&self, a: &str, b: &str) -> String {
        let time = |name| match self.find(name) {
            Some(timing) => seconds(timing.median()),
            None => "not measured".to_owned(),
        };
        format!("{a}: {}, {b}: {}", time(a), time(b))
    }

    /// The timing of one variant, if it was measured.
    pub fn find(&self, name: &str) -> Option<&Timing> {
        self.timings.iter().find(|t| t.name == name)
    }

    /// The first variant's result.
    pub fn result(&self) -> Option<&T> {
        self.expected.as_ref().map(|(_, value)| value)
    }
}

/// A run shorter than this is repeated inside the run, so that the clock's own cost vanishes.
const SHORTEST_RUN: Duration = Duration::from_millis(2);

/// Times `work` on the calling thread: one warm-up, then `runs` runs.
fn time<T>(name: &str, runs: usize, work: &mut impl FnMut() -> T) -> (Timing, T) {
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

    let (mut wall, mut cpu) = (Vec::with_capacity(runs), Vec::with_capacity(runs));
    for _ in 0..runs {
        let (start, cpu_start) = (Instant::now(), cpu_time());
        for _ in 0..calls {
            black_box(work());
        }
        let (took, cpu_took) = (start.elapsed(), cpu_time() - cpu_start);
        wall.push(took.as_secs_f64() / f64::from(calls));
        cpu.push(cpu_took.as_secs_f64() / f64::from(calls));
    }
    let timing = Timing {
        name: name.to_owned(),
        wall,
        cpu,
        calls,
    };
    (timing, result)
}

/// CPU time that all threads of this process have used so far.
pub fn cpu_time() -> Duration {
    let mut time = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // SAFETY: `time` is a valid, writable timespec, and the call only writes to it.
    let status = unsafe { libc::clock_gettime(libc::CLOCK_PROCESS_CPUTIME_ID, &mut time) };
    if status != 0 {
        return Duration::ZERO;
    }
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
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

#[cfg(test)]
mod tests {
    use super::*;

    fn timing(wall: &[f64]) -> Timing {
        Timing {
            name: "t".into(),
            wall: wall.to_vec(),
            cpu: vec![],
            calls: 1,
        }
    }

    #[test]
    fn the_median_ignores_one_slow_run() {
        assert_eq!(median(&[1.0, 100.0, 2.0]), 2.0);
        assert_eq!(median(&[1.0, 3.0]), 2.0);
        assert!(median(&[]).is_nan());
    }

    #[test]
    fn short_work_is_repeated_within_a_run() {
        let mut comparison = Comparison::new("tiny", 3);
        let timing = comparison.measure("add", || black_box(1) + black_box(2));
        assert!(timing.calls > 1);
        assert!(timing.median() > 0.0);
        assert_eq!(timing.wall.len(), 3);
    }

    #[test]
    #[should_panic(expected = "computed a different result")]
    fn variants_must_agree() {
        let mut comparison = Comparison::new("disagree", 1);
        comparison.measure("one", || 1);
        comparison.measure("two", || 2);
    }

    #[test]
    fn a_variant_can_be_measured_again() {
        let mut comparison = Comparison::new("again", 1);
        comparison.measure("one", || 1);
        comparison.measure("one", || 2);
        assert_eq!(comparison.timings().len(), 1);
        assert_eq!(comparison.result(), Some(&2));
    }

    #[test]
    #[should_panic(expected = "there are: [\"one\"]")]
    fn an_unknown_variant_names_the_known_ones() {
        let mut comparison = Comparison::new("names", 1);
        comparison.measure("one", || 1);
        comparison.timing("uno");
    }

    #[test]
    fn warnings_say_what_to_do() {
        let noisy = timing(&[1.0, 1.1, 2.0]);
        assert!(matches!(noisy.warnings()[..], [Warning::Noisy { .. }]));
        assert!(
            noisy.warnings()[0]
                .to_string()
                .contains("run the cell again")
        );
        assert!(timing(&[1.0, 1.01, 1.02]).warnings().is_empty());
        assert!(matches!(
            timing(&[1e-6]).warnings()[..],
            [Warning::TooShort { .. }]
        ));
    }

    #[test]
    fn what_the_runs_leave_open_is_not_decided() {
        let (a, b) = (timing(&[1.0, 1.0, 1.1]), timing(&[1.1, 1.2, 1.2]));
        assert_eq!(a.is_like(&b, 0.25), Some(true));
        assert_eq!(a.is_like(&b, 0.05), None);
        assert_eq!(a.is_like(&timing(&[2.0, 2.0, 2.0]), 0.25), Some(false));
        assert_eq!(timing(&[2.0, 2.0, 2.0]).is_like(&a, 0.25), Some(false));
        assert_eq!(a.is_faster_than(&b, 1.15), None);
        assert_eq!(b.is_faster_than(&a, 1.01), Some(false));
    }

    #[test]
    fn one_run_that_was_disturbed_decides_nothing() {
        let calm = timing(&[1.0, 1.0, 1.0, 1.0, 1.0]);
        let disturbed = timing(&[1.0, 1.0, 9.0, 1.0, 1.0]);
        assert_eq!(calm.is_like(&disturbed, 0.25), Some(true));
    }

    #[test]
    fn where_most_runs_were_disturbed_the_fastest_one_objects() {
        let calm = timing(&[1.0, 1.0, 1.0, 1.0, 1.0]);
        let busy = timing(&[1.0, 3.0, 3.1, 3.2, 3.0]);
        assert_eq!(calm.is_faster_than(&busy, 2.0), None);
        assert_eq!(calm.is_like(&busy, 0.25), None);
    }

    #[test]
    fn a_missing_gain_counts_only_where_the_processors_were_there() {
        let with = |name: &str, wall: f64, cpu: f64| Timing {
            name: name.into(),
            wall: vec![wall; 3],
            cpu: vec![cpu; 3],
            calls: 1,
        };
        let mut pair: Comparison<()> = Comparison::new("pair", 3);
        pair.add(with("one", 1.0, 1.0));
        pair.add(with("two, disturbed", 1.0, 1.2));
        pair.add(with("two, in vain", 1.0, 2.0));
        pair.add(with("two", 0.5, 1.0));
        assert_eq!(pair.is_faster_on(2, "two", "one", 1.5), Some(true));
        assert_eq!(
            pair.is_faster_on(2, "two, in vain", "one", 1.5),
            Some(false)
        );
        assert_eq!(pair.is_faster_on(2, "two, disturbed", "one", 1.5), None);
        let at_best = pair.is_faster_on(2, "two, disturbed", "one", 2.0);
        assert_eq!(at_best, Some(false), "0.6 s is not 2 times faster either");
        assert_eq!(pair.is_faster_on(2, "three", "one", 1.5), None);
    }

    #[test]
    fn too_few_or_useless_runs_decide_nothing() {
        let sound = timing(&[1.0, 1.0, 1.0]);
        for useless in [
            &[][..],
            &[1.0, 1.0],
            &[1.0, f64::NAN, 1.0],
            &[0.0, 0.0, 0.0],
        ] {
            assert_eq!(sound.is_faster_than(&timing(useless), 2.0), None);
            assert_eq!(timing(useless).is_like(&sound, 0.25), None);
        }
    }

    #[test]
    fn a_variant_that_was_not_measured_is_no_answer() {
        let mut comparison = Comparison::new("absent", 3);
        comparison.measure("Rust", || 1);
        assert_eq!(comparison.is_faster("Rust", "Python", 2.0), None);
        assert_eq!(comparison.are_alike("Rust", "Python", 0.25), None);
        assert!(
            comparison
                .medians("Rust", "Python")
                .ends_with("Python: not measured")
        );
    }

    #[test]
    fn cpu_time_counts_work_and_not_sleep() {
        let mut comparison = Comparison::new("sleep", 1);
        let slept = comparison.measure("sleep", || {
            std::thread::sleep(Duration::from_millis(60));
        });
        // Other tests of this process may be busy at the same time, so only the wall time
        // has a bound that always holds.
        assert!(slept.median() >= 0.06);
        assert_eq!(slept.cpu.len(), 1);
    }
}

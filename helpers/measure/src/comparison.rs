//! Several ways to do the same work.

use crate::timing::{Variant, time};
use crate::{Timing, Warning};
use platform::threads::on_fresh_thread;

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

    /// Times one variant; meanwhile a line says so, and the numbers are in the figure.
    ///
    /// Measuring a name again replaces its old timing, so a cell can be run again. The work runs
    /// on a fresh thread: a cell that follows a top-level `.await` sits inside a runtime, where
    /// blocking work would panic.
    ///
    /// # Panics
    ///
    /// If the work panics, or if its result differs from the first variant's.
    pub fn measure(&mut self, name: &str, mut work: impl FnMut() -> T + Send) -> &Timing {
        self.time(&mut [(name, &mut work)]);
        self.find(name).expect("it was timed just now")
    }

    /// Times two variants in turn, a run of the one and a run of the other: what slows the machine for
    /// some seconds slows both. For two that are to take the same time.
    ///
    /// ```
    /// use measure::Comparison;
    ///
    /// let numbers = [3, 1, 2];
    /// let mut sum = Comparison::new("Sum of three numbers", 5);
    /// sum.in_turn(
    ///     ("iterator", || numbers.iter().sum()),
    ///     ("fold", || numbers.iter().fold(0, |sum, n| sum + n)),
    /// );
    /// assert_eq!(sum.timings().len(), 2);
    /// ```
    ///
    /// # Panics
    ///
    /// As [`measure`](Self::measure).
    pub fn in_turn(
        &mut self,
        (one, mut work): (&str, impl FnMut() -> T + Send),
        (other, mut other_work): (&str, impl FnMut() -> T + Send),
    ) {
        self.time(&mut [(one, &mut work), (other, &mut other_work)]);
    }

    fn time(&mut self, variants: &mut [Variant<T>]) {
        let names: Vec<&str> = variants.iter().map(|(name, _)| *name).collect();
        println!("timing {} …", names.join(" and "));
        let runs = self.runs;
        for (timing, result) in on_fresh_thread(|| time(runs, variants)) {
            let name = &timing.name;
            match &self.expected {
                Some((first, value)) if first != name => assert!(
                    *value == result,
                    "“{name}” computed a different result than “{first}”: times of different work say nothing"
                ),
                // The first variant again, perhaps after an edit: its result is the new reference.
                _ => self.expected = Some((name.clone(), result)),
            }
            self.add(timing);
        }
    }

    /// Times the same work with each of these numbers of workers, as the variants `1 worker`,
    /// `2 workers` and so on; returns them as a figure of speedups takes them.
    ///
    /// ```
    /// use measure::{Comparison, up_to};
    ///
    /// let mut waiting = Comparison::new("Wait for 4 answers", 3);
    /// let points = waiting.scaling(up_to(2), |workers| {
    ///     std::thread::sleep(std::time::Duration::from_millis(8 / workers as u64));
    /// });
    /// assert_eq!(points.len(), 2);
    /// assert!(waiting.times_faster("2 workers", "1 worker") > 1.0);
    /// ```
    ///
    /// # Panics
    ///
    /// As [`measure`](Self::measure).
    pub fn scaling(
        &mut self,
        workers: impl IntoIterator<Item = usize>,
        work: impl Fn(usize) -> T + Sync,
    ) -> Vec<(usize, Timing)> {
        let mut points = Vec::new();
        for count in workers {
            let plural = if count == 1 { "" } else { "s" };
            let timing = self.measure(&format!("{count} worker{plural}"), || work(count));
            points.push((count, timing.clone()));
        }
        points
    }

    /// Adds runs that were timed elsewhere, such as Python's.
    pub fn add(&mut self, timing: Timing) -> &Timing {
        // Of a busy machine once is enough.
        let told = self.timings.iter().any(|t| t.crowded);
        for warning in timing.warnings() {
            if !(told && warning == Warning::Crowded) {
                println!("  note: {warning}");
            }
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

    /// How many times faster `fast` is than `slow` (ratio of medians), named in the order of
    /// [`at_least`](crate::at_least).
    pub fn times_faster(&self, fast: &str, slow: &str) -> f64 {
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

    /// The timing of one variant, if it was measured.
    pub fn find(&self, name: &str) -> Option<&Timing> {
        self.timings.iter().find(|t| t.name == name)
    }

    /// The first variant's result.
    pub fn result(&self) -> Option<&T> {
        self.expected.as_ref().map(|(_, value)| value)
    }
}

/// 1, 2, 4 and so on, doubled as long as that is at most `most`, and `most` itself.
///
/// ```
/// assert_eq!(measure::up_to(6), [1, 2, 4, 6]);
/// ```
pub fn up_to(most: usize) -> Vec<usize> {
    let doubled = std::iter::successors(Some(1), |n| Some(2 * n));
    let mut counts: Vec<usize> = doubled.take_while(|&n| n < most).collect();
    counts.push(most.max(1));
    counts
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::alike;
    use std::sync::Mutex;
    use std::time::Duration;

    #[test]
    fn a_slow_moment_meets_both_who_take_turns() {
        let order = Mutex::new(String::new());
        let work = |name| {
            order.lock().unwrap().push(name);
            std::thread::sleep(Duration::from_millis(3));
        };
        let mut pair = Comparison::new("pair", 3);
        pair.in_turn(("one", || work('1')), ("other", || work('2')));
        assert_eq!(*order.lock().unwrap(), "12121212", "the warm-up, and three runs");

        // As on a machine that slows down.
        let claim = alike(0.25, "one", "other");
        pair.timings[0].wall = vec![1.0, 2.0, 4.0];
        pair.timings[1].wall = vec![1.1, 2.2, 4.4];
        assert_eq!(pair.judge(&claim).0, Some(true));
        pair.timings[1].in_turn_with = None;
        assert_eq!(pair.judge(&claim).0, None);
    }
}

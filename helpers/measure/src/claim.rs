//! ✓, ✗ and – for what a chapter says about this machine.

use crate::{Comparison, Timing, seconds};
use platform::machine::cores;

/// What a chapter expects of two variants of a comparison; made by [`at_least`], [`at_most`] and
/// [`alike`], and judged by [`Comparison::judge`].
#[derive(Debug, Clone, PartialEq)]
pub struct Expectation {
    kind: Kind,
    /// The one that is said to be fast, and the other one.
    names: [String; 2],
    cores: usize,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Kind {
    AtLeast(f64),
    AtMost(f64),
    Alike(f64),
}

fn expectation(kind: Kind, fast: &str, slow: &str) -> Expectation {
    let names = [fast.to_owned(), slow.to_owned()];
    Expectation { kind, names, cores: 1 }
}

/// `fast` is at least `factor` times faster than `slow`.
pub fn at_least(factor: f64, fast: &str, slow: &str) -> Expectation {
    expectation(Kind::AtLeast(factor), fast, slow)
}

/// `fast` is at most `factor` times faster than `slow`: 1.15 says that it gains nothing worth a word.
pub fn at_most(factor: f64, fast: &str, slow: &str) -> Expectation {
    expectation(Kind::AtMost(factor), fast, slow)
}

/// Two variants differ by at most `share`: 0.25 means by a quarter.
pub fn alike(share: f64, a: &str, b: &str) -> Expectation {
    expectation(Kind::Alike(share), a, b)
}

impl Expectation {
    /// It needs so many processors: on a smaller machine it cannot be told. On this one a gain that
    /// is missing counts only where the fast variant really had them.
    pub fn on_cores(mut self, number: usize) -> Self {
        self.cores = number.max(1);
        self
    }

    /// The names of the fast variant and of the slow one.
    pub fn names(&self) -> [&str; 2] {
        self.names.each_ref().map(String::as_str)
    }
}

impl<T> Comparison<T> {
    /// Whether an expectation holds, and why. It cannot be told (`None`) where one side was not
    /// measured, where there are fewer than three runs or fewer processors than it needs, where
    /// other programs took processors meanwhile, and where the runs leave both answers open.
    ///
    /// ```
    /// use measure::{Comparison, Timing, at_least};
    ///
    /// let mut toast = Comparison::<()>::new("100 slices", 3);
    /// toast.add(Timing::of_wall("1 toaster", vec![2.0, 2.1, 2.0]));
    /// toast.add(Timing::of_wall("4 toasters", vec![0.5, 0.6, 0.5]));
    /// let (holds, why) = toast.judge(&at_least(3.0, "4 toasters", "1 toaster"));
    /// assert_eq!(holds, Some(true));
    /// assert_eq!(
    ///     why,
    ///     "4 toasters 500 ms, 1 toaster 2.00 s: 4.0 times faster, asked: at least 3 times faster"
    /// );
    /// ```
    pub fn judge(&self, expected: &Expectation) -> (Option<bool>, String) {
        let [fast, slow] = expected.names();
        let (Some(fast), Some(slow)) = (self.find(fast), self.find(slow)) else {
            let missing = expected.names().into_iter().filter(|name| self.find(name).is_none());
            let missing: Vec<&str> = missing.collect();
            return (None, format!("not measured: {}", missing.join(", ")));
        };
        let (here, needed) = (cores(), expected.cores);
        if here < needed {
            let plural = if here == 1 { "" } else { "s" };
            return (None, format!("it takes {needed} cores, and here is {here} core{plural}"));
        }
        let numbers = expected.kind.numbers(fast, slow);
        let holds = match expected.kind {
            Kind::AtLeast(factor) if needed > 1 => {
                self.is_faster_on(needed, &fast.name, &slow.name, factor)
            }
            Kind::AtLeast(factor) => fast.is_faster_than(slow, factor),
            Kind::AtMost(factor) => fast.is_faster_than(slow, factor).map(|faster| !faster),
            Kind::Alike(share) => fast.is_like(slow, share),
        };
        let crowded = fast.crowded || slow.crowded;
        match holds {
            Some(false) if crowded => {
                (None, format!("other programs kept this machine busy; {numbers}"))
            }
            Some(holds) => (Some(holds), numbers),
            None if fast.wall.len().min(slow.wall.len()) < 3 => {
                (None, format!("fewer than 3 runs; {numbers}"))
            }
            None => (None, format!("the runs lie too far apart; {numbers}")),
        }
    }
}

impl Kind {
    /// Both medians in the order asked, how the first compares with the second, and what was asked.
    fn numbers(self, fast: &Timing, slow: &Timing) -> String {
        let (a, b) = (fast.median(), slow.median());
        let compared = match self {
            Kind::AtLeast(factor) => format!("{}, asked: {}", times(b / a), wanted(factor)),
            Kind::AtMost(factor) => {
                format!("{}, asked: at most {} times faster", times(b / a), short(factor))
            }
            Kind::Alike(share) => format!(
                "{:.0} % apart, asked: at most {:.0} %",
                100.0 * (a.max(b) / a.min(b) - 1.0),
                100.0 * share
            ),
        };
        format!("{} {}, {} {}: {compared}", fast.name, seconds(a), slow.name, seconds(b))
    }
}

/// What `at_least` asks for, in words that go with "faster" and "slower" before it.
fn wanted(factor: f64) -> String {
    match factor {
        1.0 => "not slower".to_owned(),
        _ if factor > 1.0 => format!("at least {} times faster", short(factor)),
        _ => format!("at most {} times slower", short(1.0 / factor)),
    }
}

/// A factor that was asked for, with two decimals at most: it may come from a sum.
fn short(factor: f64) -> f64 {
    (factor * 100.0).round() / 100.0
}

/// `4.0 times faster`, from a ratio of times.
fn times(ratio: f64) -> String {
    let (times, word) = match ratio >= 1.0 {
        true => (ratio, "faster"),
        false => (1.0 / ratio, "slower"),
    };
    match times {
        // Less than the runs of one and the same work differ.
        _ if times < 1.05 => "equally fast".to_owned(),
        _ if times < 1.995 => format!("{times:.2} times {word}"),
        _ if times < 20.0 => format!("{times:.1} times {word}"),
        _ => format!("{times:.0} times {word}"),
    }
}

/// Prints whether what a chapter says holds on this machine: `✓`, `✗`, or `–` where it cannot be
/// told. `holds` is a condition, or an `Option` of one; `why` names the numbers behind it, on a line of
/// their own where they are long. For what was timed, a comparison's own `claim` finds both by itself.
///
/// A `✗` is no failure: machines differ, and the line says how yours does.
///
/// ```
/// use measure::claim;
///
/// claim("a square is never negative", true, "tried 0 to 99");
/// claim("two cores are better than one", None, "12 ms and 13 ms");
/// ```
pub fn claim(what: &str, holds: impl Into<Option<bool>>, why: &str) {
    println!("{}", claim_line(what, holds.into(), why));
}

fn claim_line(what: &str, holds: Option<bool>, why: &str) -> String {
    let (mark, verdict) = match holds {
        Some(true) => ("✓", ""),
        Some(false) => ("✗", "not on this machine: "),
        None => ("–", "cannot be told here: "),
    };
    let line = match (verdict, why) {
        ("", "") => format!("{mark} {what}"),
        (_, "") => format!("{mark} {what} ({})", verdict.trim_end_matches(": ")),
        _ => format!("{mark} {what} ({verdict}{why})"),
    };
    match line.chars().count() > LONGEST_LINE && !why.is_empty() {
        // The notebook would break it at its edge, in the middle of a word.
        true => format!("{mark} {what}\n  {verdict}{}", why.replace("; ", ";\n  ")),
        false => line,
    }
}

/// What fits beside the prompt of a notebook, in characters; a cell's lines are no longer either.
const LONGEST_LINE: usize = 92;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_claim_has_three_answers() {
        assert_eq!(claim_line("a < b", Some(true), "1 and 2"), "✓ a < b (1 and 2)");
        assert_eq!(
            claim_line("a < b", Some(false), "2 and 1"),
            "✗ a < b (not on this machine: 2 and 1)"
        );
        assert_eq!(claim_line("a < b", None, ""), "– a < b (cannot be told here)");
        let (what, why) = ("w".repeat(50), format!("too far apart; {}", "n".repeat(50)));
        assert_eq!(
            claim_line(&what, None, &why),
            format!("– {what}\n  cannot be told here: too far apart;\n  {}", "n".repeat(50))
        );
    }

    fn pair() -> Comparison<()> {
        let mut pair = Comparison::new("pair", 3);
        pair.add(Timing::of_wall("slow", vec![2.0, 2.0, 2.1]));
        pair.add(Timing::of_wall("fast", vec![1.0, 1.0, 1.1]));
        pair
    }

    #[test]
    fn an_expectation_is_judged_by_the_runs() {
        let holds = |expected| pair().judge(&expected).0;
        assert_eq!(holds(at_least(1.5, "fast", "slow")), Some(true));
        assert_eq!(holds(at_least(3.0, "fast", "slow")), Some(false));
        assert_eq!(holds(at_most(3.0, "fast", "slow")), Some(true));
        assert_eq!(holds(at_most(1.1, "fast", "slow")), Some(false));
        assert_eq!(holds(alike(0.25, "fast", "slow")), Some(false));
        assert_eq!(holds(alike(1.2, "fast", "slow")), Some(true));
        let why = pair().judge(&at_least(1.0, "slow", "fast")).1;
        assert_eq!(why, "slow 2.00 s, fast 1.00 s: 2.0 times slower, asked: not slower");
        let why = pair().judge(&alike(0.25, "slow", "fast")).1;
        assert_eq!(why, "slow 2.00 s, fast 1.00 s: 100 % apart, asked: at most 25 %");
        let why = pair().judge(&at_least(16.0 / 3.0, "fast", "slow")).1;
        assert!(why.ends_with("asked: at least 5.33 times faster"), "{why}");
        let why = pair().judge(&at_least(0.4, "slow", "fast")).1;
        assert!(why.ends_with("2.0 times slower, asked: at most 2.5 times slower"), "{why}");
        let why = pair().judge(&at_most(1.15, "fast", "fast")).1;
        assert!(why.ends_with("equally fast, asked: at most 1.15 times faster"), "{why}");
    }

    #[test]
    fn what_cannot_be_told_says_why() {
        let mut pair = pair();
        let told = |pair: &Comparison<()>, expected| match pair.judge(&expected) {
            (None, why) => why,
            told => panic!("{told:?}"),
        };
        let why = told(&pair, at_least(1.5, "fast", "Python"));
        assert_eq!(why, "not measured: Python");
        let many = cores() + 1;
        let why = told(&pair, at_least(1.5, "fast", "slow").on_cores(many));
        assert!(why.starts_with(&format!("it takes {many} cores")), "{why}");
        pair.add(Timing::of_wall("twice", vec![1.0, 1.0]));
        let why = told(&pair, at_least(1.5, "twice", "slow"));
        assert!(why.starts_with("fewer than 3 runs"), "{why}");
        pair.add(Timing::of_wall("anything", vec![1.0, 2.0, 4.0]));
        let why = told(&pair, at_least(1.5, "anything", "slow"));
        assert!(why.starts_with("the runs lie too far apart"), "{why}");
        let mut crowded = Timing::of_wall("crowded", vec![2.0; 3]);
        crowded.crowded = true;
        pair.add(crowded);
        let why = told(&pair, at_least(1.5, "crowded", "slow"));
        assert!(why.starts_with("other programs"), "{why}");
        let holds = pair.judge(&at_most(1.5, "crowded", "slow")).0;
        assert_eq!(holds, Some(true), "what holds in spite of them holds");
    }
}

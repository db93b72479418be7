//! Times pieces of work honestly, compares them, and says what can be claimed about them. It draws
//! nothing and keeps nothing.
//!
//! One run is not a measurement. [`Comparison::measure`] warms up, repeats, keeps every run, and
//! checks that every variant computed the same result, because a fast wrong answer is no answer.

mod claim;
mod comparison;
mod load;
pub mod memory;
mod timing;

pub use claim::{Expectation, alike, at_least, at_most, claim};
pub use comparison::{Comparison, up_to};
pub use load::{Load, cpu_of_all_processes, crowded_since};
pub use platform::units::seconds;
pub use timing::{Timing, Warning, cpu_time, median};

#[cfg(test)]
mod tests {
    use super::*;
    use std::hint::black_box;
    use std::time::Duration;

    fn timing(wall: &[f64]) -> Timing {
        Timing::of_wall("t", wall.to_vec())
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
        assert!(noisy.warnings()[0].to_string().contains("run the cell again"));
        assert!(timing(&[1.0, 1.01, 1.02]).warnings().is_empty());
        assert!(matches!(timing(&[1e-6]).warnings()[..], [Warning::TooShort { .. }]));
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
            ..Timing::default()
        };
        let mut pair: Comparison<()> = Comparison::new("pair", 3);
        pair.add(with("one", 1.0, 1.0));
        pair.add(with("two, disturbed", 1.0, 1.2));
        pair.add(with("two, in vain", 1.0, 2.0));
        pair.add(with("two", 0.5, 1.0));
        assert_eq!(pair.is_faster_on(2, "two", "one", 1.5), Some(true));
        assert_eq!(pair.is_faster_on(2, "two, in vain", "one", 1.5), Some(false));
        assert_eq!(pair.is_faster_on(2, "two, disturbed", "one", 1.5), None);
        let at_best = pair.is_faster_on(2, "two, disturbed", "one", 2.0);
        assert_eq!(at_best, Some(false), "0.6 s is not 2 times faster either");
        assert_eq!(pair.is_faster_on(2, "three", "one", 1.5), None);
    }

    #[test]
    fn too_few_or_useless_runs_decide_nothing() {
        let sound = timing(&[1.0, 1.0, 1.0]);
        for useless in [&[][..], &[1.0, 1.0], &[1.0, f64::NAN, 1.0], &[0.0, 0.0, 0.0]] {
            assert_eq!(sound.is_faster_than(&timing(useless), 2.0), None);
            assert_eq!(timing(useless).is_like(&sound, 0.25), None);
        }
    }

    #[test]
    fn a_variant_that_was_not_measured_is_no_answer() {
        let mut comparison = Comparison::new("absent", 3);
        comparison.measure("Rust", || 1);
        assert_eq!(comparison.is_faster("Rust", "Python", 2.0), None);
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

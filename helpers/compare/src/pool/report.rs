//! What the rounds come to, and whether the marks are met.

use super::{ONE_BY_ONE, START, TASKS, Task};
use crate::peer::POOLS;
use crate::session::{Mark, Report, Session, TIMES, or_dash, times, times_faster};
use helpers::measure::{median, seconds};
use serde_json::json;

pub const OURS: &str = "Rust, ProcessPool";
const PYTHON: &str = POOLS[0].1;

/// The most that an item may take when it is sent alone, in seconds.
const ITEM: f64 = 15e-6;
/// The most that workers may take until the first results are there.
const STARTING: f64 = 15e-3;
/// How many times faster than Python's an item has to be.
const TIMES_PYTHON: f64 = 10.0;

/// One pool.
pub struct Variant {
    pub name: String,
    /// Name and version of the library; empty for this workbook's own.
    pub version: String,
    /// For each task the seconds of each round.
    pub seconds: [Vec<f64>; TASKS.len()],
}

impl Variant {
    pub fn new(name: &str, version: &str) -> Self {
        Variant { name: name.to_owned(), version: version.to_owned(), seconds: Default::default() }
    }

    fn seconds(&self, task: &Task) -> &[f64] {
        let place = TASKS.iter().position(|one| one.title == task.title);
        place.map_or(&[], |place| &self.seconds[place])
    }
}

/// Everything that one comparison found out.
pub struct Results {
    pub session: Session,
    pub workers: usize,
    pub variants: Vec<Variant>,
}

impl Results {
    fn variant(&self, name: &str) -> Option<&Variant> {
        self.variants.iter().find(|variant| variant.name == name)
    }

    /// How many times faster than Python's pool.
    fn times_python(&self, variant: &Variant, task: &Task) -> Option<f64> {
        let python = self.variant(PYTHON)?.seconds(task);
        Some(times_faster(python, variant.seconds(task)))
    }

    fn marks(&self) -> Vec<Mark> {
        let ours = self.variant(OURS);
        let at_most = |task: &Task, most: f64| {
            let mark = format!("{OURS}: at most {} {}", seconds(most), task.title);
            let found = ours.map(|ours| median(ours.seconds(task)));
            let found = found.map(|median| (median <= most, seconds(median)));
            self.session.mark_on_all_cores(mark, found)
        };
        let mark = format!(
            "{OURS}: at least {TIMES_PYTHON} times faster than {PYTHON}, {}",
            ONE_BY_ONE.title
        );
        let times = ours.and_then(|ours| self.times_python(ours, &ONE_BY_ONE));
        let found = times.map(|times| (times >= TIMES_PYTHON, format!("{times:.1} times")));
        vec![
            at_most(&START, STARTING),
            at_most(&ONE_BY_ONE, ITEM),
            self.session.mark_on_all_cores(mark, found),
        ]
    }

    pub fn report(self) -> Report {
        let plural = if self.workers == 1 { "" } else { "s" };
        let (mut rows, mut variants) = (Vec::new(), Vec::new());
        for task in &TASKS {
            rows.push(vec![task.title.to_owned()]);
            for variant in &self.variants {
                let seconds = variant.seconds(task);
                let times_python = self.times_python(variant, task);
                let mut row = vec![format!("  {}", variant.name)];
                row.extend(times(seconds));
                row.push(or_dash(times_python));
                rows.push(row);
                variants.push(json!({
                    "task": task.title,
                    "name": variant.name,
                    "version": variant.version,
                    "seconds": seconds,
                    "median_seconds": median(seconds),
                    "times_python": times_python,
                }));
            }
        }
        Report {
            about: format!("pools    {} worker{plural} each", self.workers),
            once: "each pool",
            heads: [&[""][..], &TIMES, &["× Python"]].concat(),
            rows,
            notes: String::new(),
            marks: self.marks(),
            variants,
            more: json!({ "workers": self.workers }),
            session: self.session,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::session::State::{self, CannotTell, Met, NotMet};
    use crate::session::tests::session;

    fn variant(name: &str, start: f64, item: f64) -> Variant {
        let mut variant = Variant::new(name, "");
        variant.seconds.fill(vec![item; 3]);
        variant.seconds[0] = vec![start; 3];
        variant
    }

    fn report(variants: Vec<Variant>) -> Results {
        Results { session: session(None), workers: 2, variants }
    }

    fn states(report: &Results) -> Vec<State> {
        report.marks().into_iter().map(|mark| mark.state).collect()
    }

    #[test]
    fn marks_are_about_start_and_single_items() {
        let with = |start, item| {
            let python = variant(PYTHON, 9e-3, 150e-6);
            states(&report(vec![python, variant(OURS, start, item)]))
        };
        assert_eq!(with(3e-3, 5e-6), [Met, Met, Met]);
        assert_eq!(with(16e-3, 15.1e-6), [NotMet, NotMet, NotMet]);
        let alone = report(vec![variant(OURS, 3e-3, 5e-6)]);
        assert_eq!(states(&alone), [Met, Met, CannotTell]);
    }

    #[test]
    fn the_table_has_every_task_and_every_pool() {
        let report =
            report(vec![variant(PYTHON, 9e-3, 150e-6), variant(OURS, 3e-3, 5e-6)]).report();
        let text = report.to_string();
        for task in &TASKS {
            assert_eq!(text.matches(&format!("\n{}\n", task.title)).count(), 1);
        }
        assert_eq!(text.matches(&format!("\n  {OURS} ")).count(), TASKS.len());
        assert!(text.contains("30.00"), "{text}");
        let json: serde_json::Value = serde_json::from_str(&report.json()).unwrap();
        assert_eq!(json["variants"].as_array().unwrap().len(), 2 * TASKS.len());
        assert_eq!(json["marks"][0]["state"], "met");
    }
}

//! What the rounds come to, and whether the marks are met.

use super::{LARGE, SMALL, Task};
use crate::session::{Mark, Report, Session, TIMES, or_dash, times, times_faster};
use helpers::measure::{median, seconds};
use serde_json::json;

pub const ONE_BY_ONE: &str = "Rust, one at a time (one round only)";
pub const THREADS: &str = "Rust, 40 threads";
pub const TOKIO: &str = "Rust, tokio";
pub const REQUESTS: &str = "Python, requests in 40 threads";
pub const HTTPX: &str = "Python, httpx";
pub const AIOHTTP: &str = "Python, aiohttp";

/// How many threads have requests at a time.
pub const FEW: usize = 40;

/// Shares of what would be possible if nothing but the server took time: with 100 days 30 of
/// 33.3 times, and 80 of 100 times, as fast as one at a time.
const BY_THREADS: f64 = 0.9;
const BY_TOKIO: f64 = 0.8;
const SMALL_BY_TOKIO: f64 = 0.85;

/// One client at one task.
pub struct Variant {
    pub name: String,
    /// The place of its task.
    pub task: usize,
    pub in_flight: usize,
    /// Name and version of the library; empty for this workbook's own.
    pub version: String,
    /// Of each round.
    pub seconds: Vec<f64>,
}

impl Variant {
    pub fn new(name: &str, task: usize, in_flight: usize, version: &str) -> Self {
        Variant {
            name: name.to_owned(),
            task,
            in_flight,
            version: version.to_owned(),
            seconds: Vec::new(),
        }
    }

    /// Whether it is measured in one round only.
    pub fn is_once(&self) -> bool {
        self.in_flight == 1
    }
}

/// Everything that one comparison found out.
pub struct Results {
    pub session: Session,
    pub tasks: [Task; 2],
    pub variants: Vec<Variant>,
}

impl Results {
    fn variant(&self, name: &str, task: usize) -> Option<&Variant> {
        let mut variants = self.variants.iter();
        variants.find(|variant| variant.name == name && variant.task == task)
    }

    /// How many times faster than one at a time, which has one round only.
    fn times_one(&self, variant: &Variant) -> Option<f64> {
        let one = self.variant(ONE_BY_ONE, variant.task)?;
        Some(median(&one.seconds) / median(&variant.seconds))
    }

    fn marks(&self) -> Vec<Mark> {
        let mark = |mark, found| self.session.mark_on_all_cores(mark, found);
        let faster_than_one = |name, in_flight, share: f64| {
            let task = &self.tasks[LARGE];
            let least = (share * task.ideal(1) / task.ideal(in_flight)).round();
            let times = self.variant(name, LARGE).and_then(|v| self.times_one(v));
            mark(
                format!(
                    "{name}: at least {least} times faster than one at a time, {} days",
                    task.days
                ),
                times.map(|times| (times >= least, format!("{times:.1} times"))),
            )
        };
        let small = &self.tasks[SMALL];
        let most = small.ideal(small.in_flight) / SMALL_BY_TOKIO;
        let ours = self.variant(TOKIO, SMALL);
        let took = ours.map(|ours| median(&ours.seconds));
        let aiohttp = self.variant(AIOHTTP, SMALL).zip(ours);
        let times = aiohttp.map(|(theirs, ours)| times_faster(&theirs.seconds, &ours.seconds));
        vec![
            faster_than_one(THREADS, FEW, BY_THREADS),
            faster_than_one(TOKIO, self.tasks[LARGE].in_flight, BY_TOKIO),
            mark(
                format!(
                    "{TOKIO}: at most {} for {} days, {SMALL_BY_TOKIO} of the ideal",
                    seconds(most),
                    small.days
                ),
                took.map(|took| (took <= most, seconds(took))),
            ),
            mark(
                format!("{TOKIO}: faster than {AIOHTTP}, {} days", small.days),
                times.map(|times| (times > 1.0, format!("{times:.2} times"))),
            ),
        ]
    }

    pub fn report(self) -> Report {
        let heads = [&["", "in flight"][..], &TIMES, &["of ideal", "× one"]].concat();
        let (mut rows, mut variants) = (Vec::new(), Vec::new());
        for (place, task) in self.tasks.iter().enumerate() {
            rows.push(vec![task.title.clone()]);
            for variant in self.variants.iter().filter(|v| v.task == place) {
                let ideal = task.ideal(variant.in_flight);
                let (median, times_one) = (median(&variant.seconds), self.times_one(variant));
                let name = format!("  {}", variant.name);
                let mut row = vec![name, variant.in_flight.to_string()];
                row.extend(times(&variant.seconds));
                row.extend([Some(ideal / median), times_one].map(or_dash));
                rows.push(row);
                variants.push(json!({
                    "task": task.title,
                    "name": variant.name,
                    "version": variant.version,
                    "in_flight": variant.in_flight,
                    "seconds": variant.seconds,
                    "median_seconds": median,
                    "ideal_seconds": ideal,
                    "times_one_at_a_time": times_one,
                }));
            }
        }
        Report {
            about: "server   on this machine, in a process of its own".to_owned(),
            once: "each client",
            heads,
            rows,
            notes: String::new(),
            marks: self.marks(),
            variants,
            more: json!({}),
            session: self.session,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::session::State::{self, CannotTell, Met, NotMet};
    use crate::session::tests::session;

    fn variant(name: &str, task: usize, in_flight: usize, seconds: &[f64]) -> Variant {
        Variant { seconds: seconds.to_vec(), ..Variant::new(name, task, in_flight, "") }
    }

    fn report(threads: f64, tokio: f64, small: f64, aiohttp: Option<f64>) -> Results {
        let task = |title: &str, days, latency_ms, in_flight| Task {
            title: title.to_owned(),
            days,
            latency_ms,
            in_flight,
            interval_minutes: 60,
        };
        let mut variants = vec![
            variant(ONE_BY_ONE, LARGE, 1, &[20.0]),
            variant(THREADS, LARGE, FEW, &[threads; 3]),
            variant(TOKIO, LARGE, 100, &[tokio; 3]),
            variant(TOKIO, SMALL, 500, &[small; 3]),
        ];
        variants.extend(aiohttp.map(|took| variant(AIOHTTP, SMALL, 500, &[took; 3])));
        Results {
            session: session(None),
            tasks: [task("large", 100, 200, 100), task("small", 5_000, 50, 500)],
            variants,
        }
    }

    fn states(report: &Results) -> Vec<State> {
        report.marks().into_iter().map(|mark| mark.state).collect()
    }

    #[test]
    fn marks_are_those_that_were_promised() {
        let good = report(0.66, 0.249, 0.588, Some(0.59));
        assert_eq!(states(&good), [Met, Met, Met, Met]);
        let bad = report(0.67, 0.251, 0.589, Some(0.58));
        assert_eq!(states(&bad), [NotMet, NotMet, NotMet, NotMet]);
        let alone = report(0.61, 0.22, 0.55, None);
        assert_eq!(states(&alone), [Met, Met, Met, CannotTell]);
        let marks = good.marks();
        assert!(marks[0].mark.contains("at least 30 times"));
        assert!(marks[1].mark.contains("at least 80 times"));
    }

    #[test]
    fn the_table_says_how_near_the_ideal_is() {
        let report = report(0.8, 0.25, 0.625, Some(1.0)).report();
        let text = report.to_string();
        let line = |start: &str| {
            let mut lines = text.lines().filter(|line| line.starts_with(start));
            lines.next().unwrap().to_owned()
        };
        assert!(line("  Rust, 40 threads").ends_with("0.75  25.00"), "{text}");
        assert!(line("  Python, aiohttp").ends_with("0.50      –"), "{text}");
        let json: serde_json::Value = serde_json::from_str(&report.json()).unwrap();
        assert_eq!(json["variants"].as_array().unwrap().len(), 5);
        assert_eq!(json["variants"][2]["times_one_at_a_time"], 80.0);
        assert_eq!(json["marks"][2]["state"], "not met");
    }
}

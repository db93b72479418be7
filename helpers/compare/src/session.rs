//! What all comparisons share: the rounds, the marks, and what every report says.

use helpers::machine::{machine, today};
use helpers::measure::{Load, Timing, median, seconds};
use serde_json::{Value, json};
use std::fmt;
use std::io::IsTerminal;
use std::time::Instant;

/// Cores that other programs may use before the figures are doubtful.
const QUIET: f64 = 0.1;

/// One run of a comparison: its rounds, and what disturbed them.
pub struct Session {
    pub machine: String,
    pub runs: usize,
    /// Cores that other programs kept busy meanwhile, where the system tells it.
    pub others: Option<f64>,
    /// Seconds in all.
    pub took: f64,
    /// What was not compared, and why.
    pub missing: Vec<String>,
}

impl Session {
    /// One round to warm up, then `runs` rounds that count. A round is told whether it counts,
    /// and adds to `missing` what failed.
    pub fn run(
        runs: usize,
        mut missing: Vec<String>,
        mut round: impl FnMut(bool, &mut Vec<String>),
    ) -> Session {
        let started = Instant::now();
        show_progress(0, runs);
        round(false, &mut missing);
        let load = Load::now();
        for number in 1..=runs {
            show_progress(number, runs);
            round(true, &mut missing);
        }
        Session {
            machine: machine().stamp(),
            runs,
            others: load.zip(Load::now()).map(|(before, now)| now.since(&before).others),
            took: started.elapsed().as_secs_f64(),
            missing,
        }
    }

    /// A mark; `found` is whether it is met and the figures behind that, where there are any.
    pub fn mark(&self, mark: String, found: Option<(bool, String)>) -> Mark {
        let (state, why) = match found {
            Some((true, why)) => (State::Met, why),
            Some((false, why)) => (State::NotMet, why),
            None => {
                let why = "there is nothing to compare with";
                (State::CannotTell, why.to_owned())
            }
        };
        Mark { state, mark, why }
    }

    /// The same for what uses all cores, and must wait where others have one of them.
    pub fn mark_on_all_cores(&self, mark: String, found: Option<(bool, String)>) -> Mark {
        let mut mark = self.mark(mark, found);
        if let Some(others) = self.busy()
            && mark.state == State::NotMet
        {
            mark.state = State::CannotTell;
            mark.why += &format!(", while other programs used {others:.1} of the cores");
        }
        mark
    }

    /// How many cores other programs used, where that disturbed.
    fn busy(&self) -> Option<f64> {
        self.others.filter(|&others| others > QUIET)
    }
}

/// What one comparison found out.
pub struct Report {
    pub session: Session,
    /// What was compared, in one or more lines.
    pub about: String,
    /// What is done once in each round.
    pub once: &'static str,
    /// The table's heads, and its rows (see [`aligned`]).
    pub heads: Vec<&'static str>,
    pub rows: Vec<Vec<String>>,
    /// Lines below the table.
    pub notes: String,
    pub marks: Vec<Mark>,
    /// For JSON: each variant, with the version of its library.
    pub variants: Vec<Value>,
    /// For JSON: what only this comparison has.
    pub more: Value,
}

impl Report {
    /// One line of JSON: what every report has, then what only this one has.
    pub fn json(&self) -> String {
        let to_json = |mark: &Mark| {
            let (_, state) = mark.state.in_words();
            json!({ "mark": mark.mark, "state": state, "why": mark.why })
        };
        let mut document = json!({
            "machine": self.session.machine,
            "date": today(),
            "runs": self.session.runs,
            "cores_used_by_others": self.session.others,
            "variants": self.variants,
            "missing": self.session.missing,
            "marks": self.marks.iter().map(to_json).collect::<Vec<_>>(),
        });
        if let (Some(document), Some(more)) = (document.as_object_mut(), self.more.as_object()) {
            document.extend(more.clone());
        }
        document.to_string()
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (session, once) = (&self.session, self.once);
        let (runs, took) = (session.runs, session.took);
        writeln!(f, "{}\n{}", session.machine, self.about)?;
        writeln!(f, "rounds   {runs} after a warm-up, {once} once in every round, {took:.0} s\n")?;
        let mut table = vec![self.heads.iter().map(|head| head.to_string()).collect()];
        table.extend_from_slice(&self.rows);
        writeln!(f, "{}{}", aligned(&table), self.notes)?;
        for missing in &session.missing {
            writeln!(f, "– not compared: {missing}")?;
        }
        for mark in &self.marks {
            let (sign, words) = mark.state.in_words();
            let sign = format!("{sign} {words}");
            writeln!(f, "{sign:<13}  {} ({})", mark.mark, mark.why)?;
        }
        if let Some(others) = session.busy() {
            writeln!(
                f,
                "Other programs kept {others:.1} of {} cores busy meanwhile; a quiet machine gives \
                 better figures.",
                machine().cores
            )?;
        }
        let mut different: Vec<&str> = Vec::new();
        for version in self.variants.iter().filter_map(|v| v["version"].as_str()) {
            if !version.is_empty() && !different.contains(&version) {
                different.push(version);
            }
        }
        match different.is_empty() {
            true => Ok(()),
            false => writeln!(f, "Compared with {}.", different.join(", ")),
        }
    }
}

/// Whether something promised holds in this run.
#[derive(Debug, PartialEq)]
pub enum State {
    Met,
    NotMet,
    CannotTell,
}

impl State {
    fn in_words(&self) -> (char, &'static str) {
        match self {
            State::Met => ('✓', "met"),
            State::NotMet => ('✗', "not met"),
            State::CannotTell => ('–', "cannot tell"),
        }
    }
}

/// Something promised.
pub struct Mark {
    pub state: State,
    pub mark: String,
    pub why: String,
}

/// What came of one side of a comparison; what failed is `missing` from then on.
pub fn or_missing<T>(
    outcome: Result<T, String>,
    name: &str,
    missing: &mut Vec<String>,
) -> Option<T> {
    let note = |why| missing.push(format!("{name}: {why}"));
    outcome.map_err(note).ok()
}

/// What an error says.
pub fn in_words(error: impl fmt::Display) -> String {
    error.to_string()
}

/// The median of the rounds' ratios: both sides of a ratio were measured one after the other.
pub fn times_faster(slow: &[f64], fast: &[f64]) -> f64 {
    let pairs = slow.iter().zip(fast);
    median(&pairs.map(|(slow, fast)| slow / fast).collect::<Vec<_>>())
}

/// The heads of the cells that tell how long the rounds took, see [`times`].
pub const TIMES: [&str; 3] = ["median", "fastest", "slowest"];

/// The cells under [`TIMES`].
pub fn times(all: &[f64]) -> [String; 3] {
    let (fastest, slowest) = Timing::of_wall("", all.to_vec()).range();
    [median(all), fastest, slowest].map(seconds)
}

/// A number with two decimals, or a dash.
pub fn or_dash(value: Option<f64>) -> String {
    value.map_or("–".to_owned(), |value| format!("{value:.2}"))
}

/// Columns: the first one to the left, numbers to the right. A row may have fewer cells.
pub fn aligned(rows: &[Vec<String>]) -> String {
    let length = |row: &Vec<String>, column: usize| row.get(column)?.chars().count().into();
    let width = |column: usize| rows.iter().filter_map(|row| length(row, column)).max();
    let mut text = String::new();
    for row in rows {
        for (column, cell) in row.iter().enumerate() {
            let width: usize = width(column).unwrap_or(0);
            text += &match column {
                0 if row.len() == 1 => cell.clone(),
                0 => format!("{cell:<width$}"),
                _ => format!("  {cell:>width$}"),
            };
        }
        text += "\n";
    }
    text
}

/// On standard error, and only where somebody looks.
fn show_progress(round: usize, runs: usize) {
    if std::io::stderr().is_terminal() {
        match round {
            0 => eprint!("\r  warming up"),
            last if last == runs => eprint!("\r  round {last} of {runs}, the last\x1b[K\r"),
            _ => eprint!("\r  round {round} of {runs}\x1b[K"),
        }
    }
}

#[cfg(test)]
pub mod tests {
    use super::*;

    /// What a session of three rounds comes to.
    pub fn session(others: Option<f64>) -> Session {
        Session {
            machine: "2 cores".to_owned(),
            runs: 3,
            others,
            took: 1.0,
            missing: vec!["libvips: absent".to_owned()],
        }
    }

    #[test]
    fn the_first_round_does_not_count() {
        let mut counted = Vec::new();
        let session = Session::run(2, Vec::new(), |counts, missing| {
            counted.push(counts);
            missing.push(format!("{}", counted.len()));
        });
        assert_eq!(counted, [false, true, true]);
        assert_eq!(session.missing, ["1", "2", "3"]);
    }

    #[test]
    fn ratios_are_taken_round_by_round() {
        // The machine was half as fast in the second round.
        assert_eq!(times_faster(&[2.0, 4.0, 2.0], &[1.0, 2.0, 1.0]), 2.0);
        assert!(times_faster(&[], &[]).is_nan());
    }

    #[test]
    fn on_a_busy_machine_a_miss_tells_nothing() {
        let states = |others, met| {
            let session = session(others);
            let found = || Some((met, "1.5 times".to_owned()));
            (
                session.mark(String::new(), found()).state,
                session.mark_on_all_cores(String::new(), found()).state,
            )
        };
        use State::{CannotTell, Met, NotMet};
        assert_eq!(states(Some(1.0), true), (Met, Met));
        assert_eq!(states(Some(1.0), false), (NotMet, CannotTell));
        assert_eq!(states(Some(0.01), false), (NotMet, NotMet));
        assert_eq!(states(None, false), (NotMet, NotMet));
        assert_eq!(session(None).mark(String::new(), None).state, CannotTell);
    }

    #[test]
    fn a_heading_makes_no_column_wider() {
        let row = |cells: &[&str]| cells.iter().map(|cell| (*cell).to_owned()).collect();
        let rows = [row(&["", "µs"]), row(&["heading"]), row(&[" a", "12345"])];
        assert_eq!(aligned(&rows), "            µs\nheading\n a       12345\n");
    }
}

//! Progress on the terminal: a live line for each step that runs, and one for what is left.
//!
//! Where there is no terminal (a log file, CI) nothing is live, and only the beginning and the end
//! of each step are printed. All of it goes to standard error: the output is for what was asked.

use indicatif::{HumanDuration, MultiProgress, ProgressBar, ProgressState, ProgressStyle};
use std::fmt::Write;
use std::sync::{LazyLock, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// All live lines of this program.
static SCREEN: LazyLock<MultiProgress> = LazyLock::new(MultiProgress::new);

/// What is planned and not done yet. Empty where a step is on its own.
static PLAN: Mutex<Vec<Planned>> = Mutex::new(Vec::new());

/// A step to come, or one that runs.
#[derive(Clone)]
struct Planned {
    name: &'static str,
    /// How long it takes on two cores, beside those that run at the same time.
    expected: Duration,
    /// Since when it runs, and how far it is, of how much.
    running: Option<(Instant, u64, u64)>,
}

impl Planned {
    /// On a slow machine what was expected is over long before the step: then by what is done.
    fn left(&self) -> Duration {
        let Some((since, done, total)) = self.running else {
            return self.expected;
        };
        let elapsed = since.elapsed();
        let by_count = match done {
            0 => Duration::ZERO,
            done => elapsed.mul_f64(total.saturating_sub(done) as f64 / done as f64),
        };
        self.expected.saturating_sub(elapsed).max(by_count)
    }
}

/// Several steps that are one piece of work; dropped when it is over.
pub struct Plan(ProgressBar);

impl Plan {
    /// Says what is to do, and about how long it takes: steps that go on at the same time, each with
    /// its seconds on two cores, and those that come `then`.
    pub fn announce(at_once: &[(&'static str, u64)], then: &[(&'static str, u64)]) -> Self {
        let now = Some((Instant::now(), 0, 0));
        let planned = |running| {
            move |&(name, seconds): &(&'static str, u64)| Planned {
                name,
                expected: Duration::from_secs(seconds),
                running,
            }
        };
        *plan() = at_once.iter().map(planned(now)).chain(then.iter().map(planned(None))).collect();
        if plan().is_empty() {
            return Plan(ProgressBar::hidden());
        }
        let names: Vec<&str> = at_once.iter().map(|(name, _)| *name).collect();
        let all = what_is_left(&plan());
        say(&format!("→ at the same time: {}; {all}", names.join("; ")));
        let left = |_: &ProgressState, line: &mut dyn Write| {
            let _ = line.write_str(&what_is_left(&plan()));
        };
        let bar = spinner();
        set_style(&bar, "  {left}", |style| style.with_key("left", left));
        Plan(bar)
    }
}

impl Drop for Plan {
    fn drop(&mut self) {
        plan().clear();
        self.0.finish_and_clear();
    }
}

fn plan() -> MutexGuard<'static, Vec<Planned>> {
    PLAN.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Steps that run do so at the same time, and the others come after them.
fn what_is_left(plan: &[Planned]) -> String {
    let (running, waiting): (Vec<_>, Vec<_>) = plan.iter().partition(|step| step.running.is_some());
    let longest = running.iter().map(|step| step.left()).max().unwrap_or_default();
    let later: Duration = waiting.iter().map(|step| step.left()).sum();
    let names: Vec<&str> = waiting.iter().map(|step| step.name).collect();
    let last = match &names[..] {
        [] => String::new(),
        names => format!(" (last: {})", names.join(", ")),
    };
    format!("about {} left{last}", HumanDuration(longest + later))
}

/// Prints a line above the live ones.
pub fn say(line: &str) {
    SCREEN.suspend(|| eprintln!("{line}"));
}

/// One long step with a live line: a spinner or, once the total is known, a bar.
pub struct Step {
    name: String,
    start: Instant,
    bar: ProgressBar,
}

impl Step {
    /// Announces a step. `expectation` says how long it may take.
    pub fn begin(name: &str, expectation: &str) -> Self {
        say(&format!("→ {name} ({expectation})"));
        let step = Step { name: name.to_owned(), start: Instant::now(), bar: spinner() };
        step.bar.set_prefix(format!("{name}: "));
        step.note(0, 0);
        step
    }

    /// What is happening now.
    pub fn say(&self, message: &str) {
        self.bar.set_message(message.to_owned());
    }

    /// How far it is, as a bar.
    pub fn progress(&self, done: u64, total: u64) {
        if self.bar.length() != Some(total) {
            let template = "  {bar:16} {pos:>3}/{len} {elapsed:>4}  {prefix}{wide_msg}";
            set_style(&self.bar, template, |style| style);
            self.bar.set_length(total);
        }
        self.bar.set_position(done.min(total));
        self.note(done, total);
    }

    /// Keeps in the plan, if this is part of one, how far it is.
    fn note(&self, done: u64, total: u64) {
        if let Some(planned) = plan().iter_mut().find(|planned| planned.name == self.name) {
            planned.running = Some((self.start, done, total));
        }
    }

    /// The step succeeded.
    pub fn end(self) {
        self.bar.finish_and_clear();
        say(&format!("✓ {} ({:.0} s)", self.name, self.start.elapsed().as_secs_f64()));
    }
}

impl Drop for Step {
    fn drop(&mut self) {
        plan().retain(|planned| planned.name != self.name);
        self.bar.finish_and_clear();
    }
}

/// A live line that says what is happening now.
pub fn spinner() -> ProgressBar {
    let bar = SCREEN.add(ProgressBar::new_spinner());
    set_style(&bar, "  {spinner} {elapsed:>4}  {prefix}{wide_msg}", |style| style);
    bar.enable_steady_tick(Duration::from_millis(120));
    bar
}

fn set_style(bar: &ProgressBar, template: &str, also: impl FnOnce(ProgressStyle) -> ProgressStyle) {
    if let Ok(style) = ProgressStyle::with_template(template) {
        bar.set_style(also(style));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_is_the_longest_of_those_that_run_and_then_the_others() {
        let step = |name, seconds, running: Option<(u64, u64, u64)>| Planned {
            name,
            expected: Duration::from_secs(seconds),
            running: running
                .map(|(ago, done, total)| (Instant::now() - Duration::from_secs(ago), done, total)),
        };
        let mut plan = vec![step("kernel", 400, Some((100, 50, 300))), step("cells", 60, None)];
        // 100 s for 50 of 300: this machine is slower than expected.
        assert_eq!(what_is_left(&plan), "about 9 minutes left (last: cells)");
        plan.push(step("pip", 40, Some((100, 0, 0))));
        assert_eq!(what_is_left(&plan), "about 9 minutes left (last: cells)");
        plan.remove(0);
        assert_eq!(what_is_left(&plan), "about 60 seconds left (last: cells)");
        plan.remove(0);
        assert_eq!(what_is_left(&plan), "about 0 seconds left");
    }
}

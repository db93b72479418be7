//! Progress on the terminal.

use indicatif::{ProgressBar, ProgressStyle};
use std::time::{Duration, Instant};

/// One long step with a live line: a spinner or, once the total is known, a bar.
///
/// Where there is no terminal (a log file, CI) the live line is silent, and only the beginning
/// and the end of the step are printed. All of it goes to standard error: the output is for what
/// was asked.
pub struct Step {
    name: String,
    start: Instant,
    bar: ProgressBar,
}

impl Step {
    /// Announces a step. `expectation` says how long it may take.
    pub fn begin(name: &str, expectation: &str) -> Self {
        eprintln!("→ {name} ({expectation})");
        Step { name: name.to_owned(), start: Instant::now(), bar: spinner() }
    }

    /// What is happening now.
    pub fn say(&self, message: &str) {
        self.bar.set_message(message.to_owned());
    }

    /// How far it is, as a bar.
    pub fn progress(&self, done: u64, total: u64) {
        if self.bar.length() != Some(total)
            && let Ok(style) =
                ProgressStyle::with_template("  {bar:24} {pos:>3}/{len}  {elapsed:>4}  {wide_msg}")
        {
            self.bar.set_style(style);
            self.bar.set_length(total);
        }
        self.bar.set_position(done.min(total));
    }

    /// The step succeeded.
    pub fn end(self) {
        self.bar.finish_and_clear();
        eprintln!("✓ {} ({:.0} s)", self.name, self.start.elapsed().as_secs_f64());
    }
}

impl Drop for Step {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}

/// A live line that says what is happening now.
pub fn spinner() -> ProgressBar {
    let bar = ProgressBar::new_spinner();
    if let Ok(style) = ProgressStyle::with_template("  {spinner} {elapsed:>4}  {wide_msg}") {
        bar.set_style(style);
    }
    bar.enable_steady_tick(Duration::from_millis(120));
    bar
}

//! Progress and tables on the terminal.

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
        Step {
            name: name.to_owned(),
            start: Instant::now(),
            bar: spinner(),
        }
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
        eprintln!(
            "✓ {} ({:.0} s)",
            self.name,
            self.start.elapsed().as_secs_f64()
        );
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

/// Rows as aligned columns; numbers (all but the first and last column) to the right.
pub fn table(header: &[&str], rows: &[Vec<String>]) -> String {
    let last = header.len() - 1;
    let header: Vec<String> = header.iter().map(|title| title.to_string()).collect();
    let lines = || std::iter::once(&header).chain(rows);
    let width = |c: usize| lines().map(|line| line[c].chars().count()).max();
    let widths: Vec<usize> = (0..=last).map(|c| width(c).unwrap_or(0)).collect();
    let mut text = String::new();
    for line in lines() {
        let cells = line.iter().zip(&widths).enumerate();
        let cells = cells.map(|(c, (cell, width))| match c {
            0 => format!("{cell:width$}"),
            _ if c == last => cell.clone(),
            _ => format!("{cell:>width$}"),
        });
        let cells: Vec<String> = cells.collect();
        text += cells.join("  ").trim_end();
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_line_up() {
        let rows = vec![
            vec!["7".into(), "1.25".into(), "ok".into()],
            vec!["12".into(), "10.00".into(), "✗ panicked".into()],
        ];
        assert_eq!(
            table(&["cell", "s", "state"], &rows),
            "cell      s  state\n7      1.25  ok\n12    10.00  ✗ panicked\n"
        );
    }
}

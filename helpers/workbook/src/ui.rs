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
        let bar = ProgressBar::new_spinner();
        if let Ok(style) = ProgressStyle::with_template("  {spinner} {elapsed:>4}  {wide_msg}") {
            bar.set_style(style);
        }
        eprintln!("→ {name} ({expectation})");
        bar.enable_steady_tick(Duration::from_millis(120));
        Step {
            name: name.to_owned(),
            start: Instant::now(),
            bar,
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

/// Bytes as a person writes them.
pub fn bytes(count: u64) -> String {
    match count {
        0..1_000_000 => format!("{:.0} kB", count as f64 / 1e3),
        1_000_000..1_000_000_000 => format!("{:.0} MB", count as f64 / 1e6),
        _ => format!("{:.1} GB", count as f64 / 1e9),
    }
}

/// Rows as aligned columns; numbers (all but the first and last column) to the right.
pub fn table(header: &[&str], rows: &[Vec<String>]) -> String {
    let columns = header.len();
    let width = |c: usize| {
        rows.iter()
            .map(|row| row[c].chars().count())
            .chain([header[c].chars().count()])
            .max()
            .unwrap_or(0)
    };
    let widths: Vec<usize> = (0..columns).map(width).collect();
    let line = |cells: Vec<&str>| {
        let mut text = String::new();
        for (c, cell) in cells.iter().enumerate() {
            let padding = " ".repeat(widths[c] - cell.chars().count());
            if c == 0 {
                text += &format!("{cell}{padding}");
            } else if c + 1 == columns {
                text += &format!("  {cell}");
            } else {
                text += &format!("  {padding}{cell}");
            }
        }
        text.trim_end().to_owned() + "\n"
    };
    let mut text = line(header.to_vec());
    for row in rows {
        text += &line(row.iter().map(String::as_str).collect());
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

    #[test]
    fn sizes_are_rounded() {
        assert_eq!(bytes(12_300_000), "12 MB");
        assert_eq!(bytes(2_560_000_000), "2.6 GB");
    }
}

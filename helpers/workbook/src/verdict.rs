//! Which executed cells failed, and why.
//!
//! To Jupyter, a cell that panics or ends early by `?` is fine: all there is to see is text on
//! standard error. So the rule is: whatever a cell writes there is a failure, unless the cell is
//! tagged `allow-stderr`. What helpers tells the reader goes to standard output.
//!
//! A cell whose programs are not on this machine says so in a line that begins with "Not run
//! here:". It is neither a success nor a failure: it owes no output, but whatever else goes wrong
//! in it counts.

use anstream::adapter::strip_str;
use serde::Deserialize;

/// How Jupyter saw the end of a cell.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// The kernel answered that all is well.
    Ok,
    /// The cell did not compile, or its process ended.
    Error,
    /// It was still running when its time was up.
    Timeout,
    /// The kernel itself was gone.
    Dead,
}

/// What happened in one cell.
#[derive(Debug, Clone, Deserialize)]
pub struct Execution {
    /// Counts code cells from 1.
    pub number: usize,
    /// How Jupyter saw its end.
    pub status: Status,
    /// The error's name, value and report.
    pub detail: String,
    /// All it wrote to standard error.
    pub stderr: String,
    /// The cell's tags.
    pub tags: Vec<String>,
    /// What the notebook file came with here and the run did not give: `figure`, or any `output`.
    pub missing: Option<String>,
    /// What it says after "Not run here:": why something was left out, and what mends it.
    pub left_out: Vec<String>,
    /// From the request to the end, compilation included.
    pub seconds: f64,
    /// The part of it until the cell was compiled; `None` where nothing was.
    pub compiled: Option<f64>,
}

/// Why a cell counts as failed.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum Cause {
    /// The compiler refused it.
    #[error("does not compile: {0}")]
    DoesNotCompile(String),
    /// The process that runs the cells ended (abort, exit, a segmentation fault).
    #[error("the process ended: {0}")]
    ProcessEnded(String),
    /// The code, or a thread of it, panicked.
    #[error("panicked: {0}")]
    Panicked(String),
    /// It ended early by `?`, or wrote to standard error itself.
    #[error("ended early or wrote to stderr: {0}")]
    StandardError(String),
    /// It ran out of time.
    #[error("was still running when its time was up")]
    TimeUp,
    /// The kernel was gone.
    #[error("the kernel died")]
    KernelGone,
    /// It carries the tag `raises-exception` and did nothing of the kind.
    #[error("is tagged raises-exception and did not fail")]
    DidNotFail,
    /// It shows less than it did when it was published.
    #[error("gave no {0}, and the saved notebook has one here")]
    OutputMissing(String),
}

/// Judges one cell; `None` is a success.
pub fn judge(cell: &Execution) -> Option<Cause> {
    match cell.status {
        Status::Timeout => return Some(Cause::TimeUp),
        Status::Dead => return Some(Cause::KernelGone),
        Status::Ok | Status::Error => {}
    }
    let has = |tag: &str| cell.tags.iter().any(|t| t == tag);
    let stderr = cell.stderr.trim();
    if has("raises-exception") {
        let failed = cell.status == Status::Error || !stderr.is_empty();
        return (!failed).then_some(Cause::DidNotFail);
    }
    if cell.status == Status::Error {
        return Some(error_of(cell));
    }
    if !stderr.is_empty() && !has("allow-stderr") {
        return Some(match panic_in(stderr) {
            Some(message) => Cause::Panicked(message),
            None => Cause::StandardError(first_line(stderr)),
        });
    }
    missing_output(cell)
}

/// The kernel reports a compile error and the end of the process in the same way; the end of the
/// process it calls "Child process terminated" or "Subprocess terminated".
fn error_of(cell: &Execution) -> Cause {
    let detail = strip_str(&cell.detail).to_string();
    // Every error of this kernel is named just that.
    let detail = detail.strip_prefix("Error: ").unwrap_or(&detail);
    if detail.contains("process terminated") {
        let stderr = cell.stderr.trim();
        let why = match panic_in(stderr) {
            Some(message) => message,
            None if stderr.is_empty() => first_line(detail),
            None => first_line(stderr),
        };
        return Cause::ProcessEnded(why);
    }
    // Where cargo itself fails, all that it says stands below this word.
    let said = detail.split_once("no parsable errors were found. STDERR:").map(|(_, said)| said);
    let said_error = said.and_then(|said| said.find("error:").map(|at| &said[at..]));
    Cause::DoesNotCompile(first_line(said_error.or(said).unwrap_or(detail)))
}

/// The message of the first panic in a report: the line after "thread '…' panicked at place:".
fn panic_in(stderr: &str) -> Option<String> {
    let mut lines = stderr.lines();
    let place = lines.find(|line| line.contains("panicked at"))?;
    Some(lines.next().unwrap_or(place).trim().to_owned())
}

fn missing_output(cell: &Execution) -> Option<Cause> {
    if !cell.left_out.is_empty() {
        return None;
    }
    cell.missing.clone().map(Cause::OutputMissing)
}

fn first_line(text: &str) -> String {
    let line = text.lines().map(str::trim).find(|line| !line.is_empty());
    line.unwrap_or("no message").chars().take(200).collect()
}

#[cfg(test)]
pub mod tests {
    use super::*;

    /// One in which nothing happened.
    pub fn cell() -> Execution {
        Execution {
            number: 1,
            status: Status::Ok,
            detail: String::new(),
            stderr: String::new(),
            tags: vec![],
            missing: None,
            left_out: vec![],
            seconds: 1.0,
            compiled: None,
        }
    }

    #[test]
    fn a_quiet_cell_is_fine() {
        assert_eq!(judge(&cell()), None);
    }

    #[test]
    fn a_panic_is_a_failure_although_the_status_is_ok() {
        let mut cell = cell();
        cell.stderr = "\nthread '<unnamed>' (7) panicked at src/lib.rs:3:5:\nindex out of bounds\nstack backtrace:\n".into();
        assert_eq!(judge(&cell), Some(Cause::Panicked("index out of bounds".into())));
    }

    #[test]
    fn words_on_stderr_need_the_tag() {
        let mut cell = cell();
        cell.stderr = "Error: no such file\n".into();
        assert_eq!(judge(&cell), Some(Cause::StandardError("Error: no such file".into())));
        cell.tags = vec!["allow-stderr".into()];
        assert_eq!(judge(&cell), None);
    }

    #[test]
    fn a_cell_meant_to_fail_must_fail() {
        let mut cell = cell();
        cell.tags = vec!["raises-exception".into()];
        assert_eq!(judge(&cell), Some(Cause::DidNotFail));
        cell.status = Status::Error;
        assert_eq!(judge(&cell), None);
    }

    #[test]
    fn compile_errors_and_ended_processes_are_told_apart() {
        let mut cell = cell();
        cell.status = Status::Error;
        cell.detail = "Error: \u{1b}[31mmismatched types\u{1b}[0m".into();
        assert_eq!(judge(&cell), Some(Cause::DoesNotCompile("mismatched types".into())));
        let none = "Compilation failed, but no parsable errors were found. STDERR:\n";
        cell.detail = format!("Error: {none}    Blocking waiting for file lock\nerror: no space\n");
        assert_eq!(judge(&cell), Some(Cause::DoesNotCompile("error: no space".into())));
        cell.detail = format!("Error: {none}Killed\n");
        assert_eq!(judge(&cell), Some(Cause::DoesNotCompile("Killed".into())));
        cell.detail = "Error: Child process terminated with status: signal: 6".into();
        assert!(matches!(judge(&cell), Some(Cause::ProcessEnded(_))));
    }

    #[test]
    fn a_figure_that_was_published_must_come_again() {
        let mut cell = cell();
        cell.missing = Some("figure".into());
        assert_eq!(judge(&cell), Some(Cause::OutputMissing("figure".into())));
        cell.missing = None;
        assert_eq!(judge(&cell), None);
        cell.missing = Some("output".into());
        assert_eq!(judge(&cell), Some(Cause::OutputMissing("output".into())));
    }

    #[test]
    fn a_cell_that_was_left_out_owes_no_output_but_may_not_fail_otherwise() {
        let mut cell = cell();
        cell.missing = Some("figure".into());
        cell.left_out = vec!["parallel is not installed".into()];
        assert_eq!(judge(&cell), None);
        cell.stderr = "thread 'main' panicked at src/lib.rs:3:5:\nno rows\n".into();
        assert_eq!(judge(&cell), Some(Cause::Panicked("no rows".into())));
        cell.status = Status::Error;
        cell.detail = "Error: mismatched types".into();
        assert!(matches!(judge(&cell), Some(Cause::DoesNotCompile(_))));
    }

    #[test]
    fn time_up_and_a_dead_kernel_fail_whatever_the_tags() {
        let mut cell = cell();
        cell.tags = vec!["raises-exception".into()];
        cell.status = Status::Timeout;
        assert_eq!(judge(&cell), Some(Cause::TimeUp));
        cell.status = Status::Dead;
        assert_eq!(judge(&cell), Some(Cause::KernelGone));
    }
}

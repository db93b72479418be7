//! What a run of the tests leaves out, and why.
//!
//! Some tests need a program that the README does not ask for. Where it is absent they note that
//! here and return; the last test target, `helpers/xrays/tests/zz_left_out.rs`, lists the notes of all targets. Where
//! `WORKBOOK_TEST` is `all`, a test that would be left out fails instead.

// Each test target uses a part of it.
#![allow(dead_code)]

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// One note.
#[derive(Debug, Clone, PartialEq)]
pub struct Note {
    /// The test that was left out, wholly or in part, as the test harness names it.
    pub test: String,
    /// What was not tested.
    pub what: String,
    /// What is lacking, and what mends it.
    pub why: String,
}

/// Notes that something is not tested, and says so at once.
///
/// # Panics
///
/// Where nothing may be left out.
#[track_caller]
pub fn leave_out(what: &str, why: &str) {
    let all = std::env::var("WORKBOOK_TEST").is_ok_and(|value| value == "all");
    assert!(!all, "NOT TESTED: {what}: {why}");
    say(&format!("NOT TESTED: {what}: {why}"));
    let thread = std::thread::current();
    let line = serde_json::json!([thread.name().unwrap_or_default(), what, why]);
    let file = notes_of_this_run();
    let written = OpenOptions::new()
        .create(true)
        .append(true)
        .open(&file)
        .and_then(|mut notes| notes.write_all(format!("{line}\n").as_bytes()));
    written.unwrap_or_else(|error| panic!("{} was not written: {error}", file.display()));
}

/// The notes of this run so far, each once.
pub fn notes() -> Vec<Note> {
    let text = fs::read_to_string(notes_of_this_run()).unwrap_or_default();
    let mut notes = Vec::new();
    for line in text.lines() {
        let [test, what, why]: [String; 3] = serde_json::from_str(line).expect("a note");
        let note = Note { test, what, why };
        if !notes.contains(&note) {
            notes.push(note);
        }
    }
    notes
}

/// Forgets the notes of this run, and those of runs that ended long ago before their end.
pub fn forget_notes() {
    let own = notes_of_this_run();
    for entry in fs::read_dir(folder()).into_iter().flatten().flatten() {
        let named = entry.file_name().to_string_lossy().starts_with(PREFIX);
        let changed = entry.metadata().and_then(|facts| facts.modified());
        let is_old = changed.is_ok_and(|at| at.elapsed().unwrap_or_default() > A_DAY);
        if named && (is_old || entry.path() == own) {
            // Another run that ends at this moment may have been faster.
            let _ = fs::remove_file(entry.path());
        }
    }
}

const PREFIX: &str = "not-tested-by-";
const A_DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// Where Cargo lets tests write.
pub fn folder() -> &'static Path {
    Path::new(env!("CARGO_TARGET_TMPDIR"))
}

/// All targets of one `cargo test` have the same parent. Numbers of processes are used again, so
/// the time of its start (ticks since the system's, in Linux) is a part of the name.
fn notes_of_this_run() -> PathBuf {
    let parent = std::os::unix::process::parent_id();
    let facts = fs::read_to_string(format!("/proc/{parent}/stat")).unwrap_or_default();
    // The second field is the program's name in brackets, in which anything may stand.
    let after_name = facts.rsplit(')').next().unwrap_or_default();
    let started = after_name.split_whitespace().nth(19).unwrap_or_default();
    folder().join(format!("{PREFIX}{parent}-{started}"))
}

/// The notes as a reader sees them: what is lacking, and under it what was left out.
pub fn told(notes: &[Note]) -> String {
    if notes.is_empty() {
        return "\nNothing was left out by the tests that ran.".to_owned();
    }
    let mut reasons: Vec<&str> = Vec::new();
    for note in notes {
        if !reasons.contains(&note.why.as_str()) {
            reasons.push(&note.why);
        }
    }
    let mut text =
        "\nNOT TESTED on this machine, for lack of what the README does not ask for:".to_owned();
    for reason in reasons {
        text += &format!("\n  {reason}");
        for note in notes.iter().filter(|note| note.why == reason) {
            text += &format!("\n    – {}", note.what);
        }
    }
    text + "\nWith WORKBOOK_TEST=all a test fails where it would be left out."
}

/// Tells whoever runs the tests something, also when the test passes.
pub fn say(text: &str) {
    // The print macros would keep it until the test fails.
    let _ = writeln!(std::io::stderr(), "{text}");
}

//! The environment variables that the programs of this workbook speak with.

use std::collections::BTreeSet;
use std::env;
use std::sync::{Mutex, PoisonError};

/// How much data the chapters work on; see [`size`](crate::size).
pub const SIZE: &str = "WORKBOOK_SIZE";
/// A folder or zip of X-rays to work on.
pub const XRAYS: &str = "WORKBOOK_XRAYS";
/// Which weather service: this machine's or the real one.
pub const WEATHER: &str = "WORKBOOK_WEATHER";
/// From the kernel: the program of `cargo workbook`, of which pools' workers and the weather server
/// are parts.
pub const PROGRAM: &str = "WORKBOOK_PROGRAM";
/// From the kernel: the workbook's own Python.
pub const PYTHON: &str = "WORKBOOK_PYTHON";
/// From the kernel: a folder for the files of cells, gone with the kernel.
pub const SCRATCH: &str = "WORKBOOK_SCRATCH";
/// From Jupyter: the notebook that a kernel runs, as a path.
pub const NOTEBOOK: &str = "JPY_SESSION_NAME";

/// Which of two words a variable holds, in any case of letters: what stands beside the word. Without
/// the variable it is the first. Any other word is reported once, and the first is taken for it.
pub fn choice<T: Copy>(variable: &'static str, choices: [(&str, T); 2]) -> T {
    let value = env::var_os(variable).unwrap_or_default();
    let value = value.to_string_lossy();
    let [(first, usual), (second, _)] = choices;
    chosen(&value, choices).unwrap_or_else(|| {
        static REPORTED: Mutex<BTreeSet<&str>> = Mutex::new(BTreeSet::new());
        let mut reported = REPORTED.lock().unwrap_or_else(PoisonError::into_inner);
        if reported.insert(variable) {
            println!(
                "{variable} is “{value}”; it can be “{first}” or “{second}”. Going on with {first}."
            );
        }
        usual
    })
}

fn chosen<T: Copy>(value: &str, choices: [(&str, T); 2]) -> Option<T> {
    let value = value.trim();
    if value.is_empty() {
        return Some(choices[0].1);
    }
    let found = choices.iter().find(|(word, _)| word.eq_ignore_ascii_case(value));
    found.map(|&(_, choice)| choice)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_is_the_usual_one_and_other_words_are_refused() {
        let choices = [("full", 1), ("small", 2)];
        assert_eq!(chosen("", choices), Some(1));
        assert_eq!(chosen(" Small ", choices), Some(2));
        assert_eq!(chosen("FULL", choices), Some(1));
        assert_eq!(chosen("tiny", choices), None);
        assert_eq!(choice("WORKBOOK_THAT_NOBODY_SETS", choices), 1);
    }
}

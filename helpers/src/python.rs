//! Python's side of a comparison.
//!
//! The snippet stands in the notebook for everyone to read and edit, and runs in the workbook's
//! own Python, in a process of its own, under the same rules as Rust's side: warm-up, repeats,
//! every run kept, the result compared.

use crate::measure::{Comparison, Timing};
use crate::program::command;
use serde::Deserialize;
use serde_json::{Value, json};
use std::fmt;
use std::io::{Read, Write};
use std::path::PathBuf;
use std::process::Stdio;
use std::time::{Duration, Instant};

const HARNESS: &str = include_str!("python_harness.py");

/// A snippet that takes longer than this is ended.
const PATIENCE: Duration = Duration::from_secs(300);

/// What a timed snippet came to.
#[derive(Debug, Clone)]
pub struct PythonRun {
    /// The runs of its function `work`.
    pub timing: Timing,
    /// What its function `check` returned for the result of `work`; null without one.
    pub check: Value,
    /// Peak memory of the Python process in bytes, libraries included.
    pub peak_memory: u64,
    /// What it printed.
    pub printed: String,
}

/// Why a snippet gave no timing.
#[derive(Debug, Clone, PartialEq)]
pub enum PythonError {
    /// There is no Python to run it.
    Absent(String),
    /// A package that it imports is not installed; holds the package's name.
    Package(String),
    /// It raised an exception; holds Python's own report.
    Raised(String),
    /// It was still running when its time was up.
    TimeUp,
}

impl fmt::Display for PythonError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            PythonError::Absent(tried) => write!(
                f,
                "Python was not found ({tried}); `cargo workbook setup` installs one for the workbook"
            ),
            PythonError::Package(name) => write!(
                f,
                "the Python package {name} is not installed; `cargo workbook setup` installs it"
            ),
            PythonError::Raised(report) => write!(f, "Python raised an exception:\n{report}"),
            PythonError::TimeUp => write!(
                f,
                "Python was still running after {} s; give it less to do",
                PATIENCE.as_secs()
            ),
        }
    }
}

impl std::error::Error for PythonError {}

/// Times the function `work()` that the snippet defines, `runs` times after a warm-up.
///
/// What stands outside of `work` runs once and is not timed. A function `check(result)`, if the
/// snippet has one, is called with the last result; what it returns (numbers, text, lists) comes
/// back, to be compared with Rust's.
///
/// # Errors
///
/// See [`PythonError`]; each says what to do.
pub fn time_python(name: &str, runs: usize, snippet: &str) -> Result<PythonRun, PythonError> {
    let answer = call(&json!({ "code": snippet, "runs": runs.max(1) }))?;
    #[derive(Deserialize)]
    struct Answer {
        wall: Vec<f64>,
        cpu: Vec<f64>,
        calls: u32,
        check: Value,
        peak_memory: u64,
        printed: String,
    }
    let answer: Answer =
        serde_json::from_value(answer).map_err(|e| PythonError::Raised(e.to_string()))?;
    Ok(PythonRun {
        timing: Timing {
            name: name.to_owned(),
            wall: answer.wall,
            cpu: answer.cpu,
            calls: answer.calls,
        },
        check: answer.check,
        peak_memory: answer.peak_memory,
        printed: answer.printed,
    })
}

/// Runs a snippet once and returns what it printed.
///
/// # Errors
///
/// See [`PythonError`].
pub fn python(snippet: &str) -> Result<String, PythonError> {
    let answer = call(&json!({ "code": snippet, "runs": 0 }))?;
    Ok(answer["printed"].as_str().unwrap_or_default().to_owned())
}

impl<T: Send + PartialEq> Comparison<T> {
    /// Times a Python variant (see [`time_python`]) and adds it to the comparison.
    ///
    /// `expected` turns the first variant's result into what the snippet's `check(result)` must
    /// return. Where Python or a package is absent, a line says so and the notebook goes on.
    ///
    /// # Panics
    ///
    /// If the snippet computed something else than the first variant did.
    pub fn measure_python(
        &mut self,
        name: &str,
        snippet: &str,
        expected: impl FnOnce(&T) -> Value,
    ) -> Option<PythonRun> {
        let expected = self.result().map(expected);
        let run = time_python(name, self.runs(), snippet);
        let run = report(name, run)?;
        if let Some(expected) = expected {
            assert!(
                same(&expected, &run.check),
                "“{name}” computed {}, but Rust computed {expected}",
                run.check
            );
        }
        println!("{}", run.timing);
        self.add(run.timing.clone());
        Some(run)
    }
}

/// Numbers compare as numbers: Python's `4950.0` is Rust's `4950`.
fn same(a: &Value, b: &Value) -> bool {
    match (a.as_f64(), b.as_f64()) {
        (Some(a), Some(b)) => (a - b).abs() <= 1e-9 * a.abs().max(b.abs()),
        _ => a == b,
    }
}

fn report(name: &str, run: Result<PythonRun, PythonError>) -> Option<PythonRun> {
    match run {
        Ok(run) => {
            print!("{}", run.printed);
            Some(run)
        }
        Err(error) => {
            println!("– {name}: {error}");
            None
        }
    }
}

/// The workbook's Python: the kernel names it; else the one in `.venv`; else the system's.
fn interpreter() -> PathBuf {
    let named = std::env::var_os("WORKBOOK_PYTHON").map(PathBuf::from);
    let own = crate::paths::root().join(".venv/bin/python");
    named
        .into_iter()
        .chain([own])
        .find(|python| python.exists())
        .unwrap_or_else(|| PathBuf::from("python3"))
}

fn call(request: &Value) -> Result<Value, PythonError> {
    let python = interpreter();
    let absent =
        |error: std::io::Error| PythonError::Absent(format!("{}: {error}", python.display()));
    let mut child = command(&python)
        .args(["-c", HARNESS])
        .env_remove("PYTHONPATH")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(absent)?;
    let mut stdin = child.stdin.take();
    let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
    // All three pipes at once: whoever waits on one while another is full waits for ever.
    std::thread::scope(|scope| {
        scope.spawn(move || {
            if let Some(stdin) = &mut stdin {
                // A Python that has died already says why on its standard error.
                let _ = stdin.write_all(request.to_string().as_bytes());
            }
        });
        let output = scope.spawn(move || read_all(stdout));
        let errors = scope.spawn(move || read_all(stderr));
        let start = Instant::now();
        let in_time = loop {
            match child.try_wait() {
                Ok(Some(_)) => break true,
                Ok(None) if start.elapsed() > PATIENCE => {
                    let _ = child.kill();
                    let _ = child.wait();
                    break false;
                }
                Ok(None) => std::thread::sleep(Duration::from_millis(5)),
                Err(_) => break false,
            }
        };
        let output = output.join().unwrap_or_default();
        let errors = errors.join().unwrap_or_default();
        if !in_time {
            return Err(PythonError::TimeUp);
        }
        let answer: Value =
            serde_json::from_str(&output).map_err(|_| PythonError::Raised(errors.clone()))?;
        match (answer["missing"].as_str(), answer["error"].as_str()) {
            (Some(package), _) => Err(PythonError::Package(package.to_owned())),
            (None, Some(report)) => Err(PythonError::Raised(report.to_owned())),
            (None, None) => Ok(answer),
        }
    })
}

fn read_all(source: Option<impl Read>) -> String {
    let mut bytes = Vec::new();
    if let Some(mut source) = source {
        // What was read before an error is still worth showing.
        let _ = source.read_to_end(&mut bytes);
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_snippet_is_timed_and_its_result_compared() {
        let mut squares = Comparison::new("squares", 2);
        squares.measure("Rust", || (0..100u64).map(|i| i * i).collect::<Vec<_>>());
        let run = squares
            .measure_python(
                "Python",
                "def work():\n    return [i * i for i in range(100)]\ndef check(r):\n    print('hello')\n    return sum(r)\n",
                |rust| json!(rust.iter().sum::<u64>()),
            )
            .expect("these tests need a python3");
        assert_eq!(run.timing.wall.len(), 2);
        assert_eq!(run.printed, "hello\n");
        assert!(run.peak_memory > 1_000_000);
        assert_eq!(squares.timings().len(), 2);
    }

    #[test]
    #[should_panic(expected = "but Rust computed 3")]
    fn another_result_is_not_a_timing() {
        let mut sum = Comparison::new("sum", 1);
        sum.measure("Rust", || 3);
        sum.measure_python(
            "Python",
            "def work(): return 4\ndef check(r): return r",
            |r| json!(r),
        );
    }

    #[test]
    fn pythons_errors_are_its_own_words() {
        let error = time_python("bad", 1, "def work():\n    return 1 / 0\n").unwrap_err();
        assert!(error.to_string().contains("ZeroDivisionError"));
        assert!(error.to_string().contains("line 2"));
        let error = time_python("bad", 1, "import no_such_package_here").unwrap_err();
        assert_eq!(error, PythonError::Package("no_such_package_here".into()));
        let error = python("x = (").unwrap_err();
        assert!(error.to_string().contains("SyntaxError"));
        let error = time_python("bad", 1, "x = 1").unwrap_err();
        assert!(error.to_string().contains("work()"));
    }

    #[test]
    fn a_snippet_that_ends_python_is_an_error() {
        let error = python("import os; os._exit(3)").unwrap_err();
        assert!(matches!(error, PythonError::Raised(_)));
    }

    #[test]
    fn a_snippets_functions_run_in_pythons_own_process_pool() {
        let snippet = "import multiprocessing\ndef double(n):\n    return 2 * n\n\
            with multiprocessing.get_context('fork').Pool(2) as pool:\n    \
            print(pool.map(double, range(3)))";
        assert_eq!(python(snippet).unwrap(), "[0, 2, 4]\n");
    }

    #[test]
    fn printed_words_come_back() {
        assert_eq!(python("print('kopi', 1 + 1)").unwrap(), "kopi 2\n");
    }
}

//! Python's side of a comparison.
//!
//! The program stands whole in a cell of the notebook, for everyone to read and edit, and runs in
//! the workbook's own Python, in a process of its own, under the same rules as Rust's side:
//! warm-up, repeats, every run kept, the result compared.

use measure::{Comparison, Load, Timing, crowded_since};
use platform::child;
use platform::program::command;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use std::fmt;
use std::path::PathBuf;
use std::sync::Mutex;
use std::time::Duration;

const HARNESS: &str = include_str!("python_harness.py");

/// A program that takes longer than this is ended, with all that it started.
const PATIENCE: Duration = Duration::from_secs(300);

/// So much of what a program wrote is shown beside an error, in characters: the end of it.
const LAST_WORDS: usize = 2000;

/// What a timed function came to.
#[derive(Debug, Clone)]
pub struct PythonRun {
    /// The runs of the function. Its `software` has Python's version and those of the packages that
    /// the program imports, such as `pandas 2.3.3`.
    pub timing: Timing,
    /// What the function returned, or what the program's `check` made of it; null without one.
    pub result: Value,
    /// Peak memory of the Python process in bytes, libraries included.
    pub peak_memory: u64,
    /// What it printed, and what the programs that it started printed.
    pub printed: String,
}

/// Why a program gave no timing.
#[derive(Debug, Clone, PartialEq)]
pub enum PythonError {
    /// There is no Python to run it.
    Absent(String),
    /// A package that it imports is not installed; holds the package's name.
    Package(String),
    /// It raised an exception; holds Python's own report, after the end of what it had printed.
    Raised(String),
    /// Python itself ended before the program did; holds its exit code or signal, and its last
    /// words.
    Died(String),
    /// It was still running when its time was up; holds how many seconds it had, and the end of
    /// what it had printed.
    TimeUp(String),
}

impl fmt::Display for PythonError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            PythonError::Absent(tried) => write!(
                f,
                "Python did not start ({tried}); if it is not installed, `cargo workbook setup` does it"
            ),
            PythonError::Package(name) => write!(
                f,
                "the Python package {name} is not installed; `cargo workbook setup` installs those of environment.yml, and pip any other"
            ),
            PythonError::Raised(report) => write!(f, "Python raised an exception:\n{report}"),
            PythonError::Died(how) => write!(f, "Python ended before the program did, by {how}"),
            PythonError::TimeUp(after) => write!(f, "Python was still running after {after}"),
        }
    }
}

impl std::error::Error for PythonError {}

/// A Python program, as it would stand in a `.py` file, and its inputs; made by [`python`].
#[derive(Debug, Clone)]
pub struct Program {
    code: String,
    inputs: Map<String, Value>,
}

/// A Python program, whole. It runs when it is told to: [`run`](Program::run) as a script,
/// [`time`](Program::time) and [`MeasurePython::python`] one of its functions.
///
/// What stands outside of its functions runs once each time, and is not timed. Processes that it
/// leaves running end with it.
///
/// ```
/// use helpers::python::python;
///
/// let squares = python(r#"
/// def comprehension():
///     return [n * n for n in range(N)]
///
/// print(comprehension())
/// "#)
/// .with("N", &4);
/// assert_eq!(squares.run()?, "[0, 1, 4, 9]\n");
/// # Ok::<(), helpers::python::PythonError>(())
/// ```
pub fn python(code: &str) -> Program {
    // The line after the quotes is the first that the reader counts.
    let code = code.strip_prefix('\n').unwrap_or(code).to_owned();
    let inputs = Map::new();
    Program { code, inputs }
}

/// What of a function's result comes back to be compared.
#[derive(Clone, Copy, Serialize)]
#[serde(rename_all = "snake_case")]
enum Compared {
    /// All of it.
    Result,
    /// What the program's function `check` makes of it.
    Check,
    /// The same, if there is such a function.
    CheckIfThere,
}

impl Program {
    /// The same program with an input, or with another value for one: the global variable `name`,
    /// which is there before its first line runs. Numbers, text, lists, structs (as a `dict`):
    /// whatever serde can put into JSON. The program itself stays as it was.
    ///
    /// # Panics
    ///
    /// If the value cannot be put into JSON, such as a map whose keys are lists.
    pub fn with(&self, name: &str, value: &(impl Serialize + ?Sized)) -> Program {
        let value = serde_json::to_value(value);
        let value = value
            .unwrap_or_else(|why| panic!("the input {name} cannot be handed to Python: {why}"));
        let mut program = self.clone();
        program.inputs.insert(name.to_owned(), value);
        program
    }

    /// Runs the program once and returns what it printed, and what the programs that it started
    /// printed, in that order. What they write to standard error is shown only where Python itself
    /// fails.
    ///
    /// # Errors
    ///
    /// See [`PythonError`]; each says what to do.
    pub fn run(&self) -> Result<String, PythonError> {
        Ok(call(&self.request("", 0, Compared::CheckIfThere), PATIENCE)?.1)
    }

    /// Times one of its functions, `runs` times after a warm-up. If the program defines
    /// `check(result)`, that is called with the last result, and what it returns comes back.
    ///
    /// # Errors
    ///
    /// See [`PythonError`]; each says what to do.
    pub fn time(&self, function: &str, runs: usize) -> Result<PythonRun, PythonError> {
        self.time_as(function, function, runs, Compared::CheckIfThere)
    }

    fn request(&self, function: &str, runs: usize, compared: Compared) -> Value {
        json!({
            "code": self.code, "inputs": self.inputs, "function": function, "runs": runs,
            "compared": compared,
        })
    }

    fn time_as(
        &self,
        name: &str,
        function: &str,
        runs: usize,
        compared: Compared,
    ) -> Result<PythonRun, PythonError> {
        #[derive(Deserialize)]
        struct Answer {
            wall: Vec<f64>,
            cpu: Vec<f64>,
            calls: u32,
            result: Value,
            peak_memory: u64,
            versions: Vec<String>,
        }
        let before = Load::now();
        let (answer, printed) = call(&self.request(function, runs.max(1), compared), PATIENCE)?;
        let answer: Answer = serde_json::from_value(answer)
            .map_err(|error| PythonError::Raised(format!("its answer cannot be read: {error}")))?;
        Ok(PythonRun {
            timing: Timing {
                name: name.to_owned(),
                wall: answer.wall,
                cpu: answer.cpu,
                calls: answer.calls,
                software: answer.versions,
                crowded: crowded_since(before),
                in_turn_with: None,
            },
            result: answer.result,
            peak_memory: answer.peak_memory,
            printed,
        })
    }
}

/// A comparison that times Python beside Rust.
pub trait MeasurePython<T> {
    /// Times a function of a Python program and adds it to the comparison. What it returns must
    /// equal the first variant's result, number by number.
    ///
    /// Where Python or a package is absent, a line says so and the notebook goes on. The versions
    /// of Python and of the packages are printed when they are first seen.
    ///
    /// # Panics
    ///
    /// If the function computed something else than the first variant did.
    fn python(&mut self, name: &str, program: &Program, function: &str) -> Option<PythonRun>
    where
        T: Serialize;

    /// Like [`python`](Self::python) for results too large to carry over: the program's
    /// `check(result)` must return what `expected` makes of the first variant's result.
    ///
    /// # Panics
    ///
    /// As [`python`](Self::python).
    fn python_checked(
        &mut self,
        name: &str,
        program: &Program,
        function: &str,
        expected: impl FnOnce(&T) -> Value,
    ) -> Option<PythonRun>;
}

impl<T: Send + PartialEq> MeasurePython<T> for Comparison<T> {
    fn python(&mut self, name: &str, program: &Program, function: &str) -> Option<PythonRun>
    where
        T: Serialize,
    {
        let whole = |rust: &T| serde_json::to_value(rust).expect("a result becomes JSON");
        measure(self, name, program, function, Compared::Result, whole)
    }

    fn python_checked(
        &mut self,
        name: &str,
        program: &Program,
        function: &str,
        expected: impl FnOnce(&T) -> Value,
    ) -> Option<PythonRun> {
        measure(self, name, program, function, Compared::Check, expected)
    }
}

/// Times a function beside Rust, and takes its run into the comparison if its result is what
/// `expected` makes of the first variant's.
fn measure<T: Send + PartialEq>(
    comparison: &mut Comparison<T>,
    name: &str,
    program: &Program,
    function: &str,
    compared: Compared,
    expected: impl FnOnce(&T) -> Value,
) -> Option<PythonRun> {
    println!("timing {name} …");
    let run = match program.time_as(name, function, comparison.runs(), compared) {
        Ok(run) => run,
        Err(error) => {
            println!("– {name}: {error}");
            return None;
        }
    };
    print!("{}", run.printed);
    name_new(&run.timing.software);
    if let Some(expected) = comparison.result().map(expected) {
        assert!(
            same(&expected, &run.result),
            "“{name}” computed {}, but Rust computed {}",
            shortened(&run.result),
            shortened(&expected)
        );
    }
    comparison.add(run.timing.clone());
    Some(run)
}

/// Says which versions these are, where this notebook has not said so yet.
fn name_new(versions: &[String]) {
    static NAMED: Mutex<Vec<String>> = Mutex::new(Vec::new());
    let mut named = NAMED.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let new: Vec<String> =
        versions.iter().filter(|version| !named.contains(version)).cloned().collect();
    if !new.is_empty() {
        println!("  with {}", new.join(", "));
        named.extend(new);
    }
}

/// A value as an error shows it.
fn shortened(value: &Value) -> String {
    let text = value.to_string();
    match text.char_indices().nth(300) {
        Some((end, _)) => format!("{} …", &text[..end]),
        None => text,
    }
}

/// Numbers compare as numbers, also within lists: Python's `4950.0` is Rust's `4950`.
fn same(a: &Value, b: &Value) -> bool {
    if let (Value::Array(a), Value::Array(b)) = (a, b) {
        return a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same(a, b));
    }
    if let (Value::Object(a), Value::Object(b)) = (a, b) {
        let equals = |(key, a): (&String, &Value)| b.get(key).is_some_and(|b| same(a, b));
        return a.len() == b.len() && a.iter().all(equals);
    }
    match (a.as_f64(), b.as_f64()) {
        // Whole numbers have no rounding to forgive.
        (Some(_), Some(_)) if !a.is_f64() && !b.is_f64() => a == b,
        (Some(a), Some(b)) => (a - b).abs() <= 1e-9 * a.abs().max(b.abs()),
        _ => a == b,
    }
}

/// The workbook's Python: the kernel names it; else the one in `.venv`; else the system's.
fn interpreter() -> PathBuf {
    let named = std::env::var_os(platform::names::PYTHON).map(PathBuf::from);
    let own = platform::paths::root().join(".venv/bin/python");
    named
        .into_iter()
        .chain([own])
        .find(|python| python.exists())
        .unwrap_or_else(|| PathBuf::from("python3"))
}

/// Python's answer to a request, and what was printed meanwhile.
fn call(request: &Value, limit: Duration) -> Result<(Value, String), PythonError> {
    let python = interpreter();
    let mut command = command(&python);
    // Without a buffer, so that Python's own words and its children's stand in order; with its own
    // report of a crash.
    command.args(["-u", "-X", "faulthandler", "-c", HARNESS]);
    for (name, _) in std::env::vars_os() {
        // The reader's settings, such as a path with other packages, are for another Python.
        let text = name.to_string_lossy();
        if text.starts_with("PYTHON") || text == "__PYVENV_LAUNCHER__" {
            command.env_remove(&name);
        }
    }
    let done = child::run(command, request.to_string().as_bytes(), limit)
        .map_err(|error| PythonError::Absent(format!("{}: {error}", python.display())))?;
    let printed = String::from_utf8_lossy(&done.output).into_owned();
    if !done.in_time {
        let seconds = limit.as_secs();
        let advice = match done.reply.is_empty() {
            true => "give it less to do",
            false => "it was done, but a thread or a process that it started was not",
        };
        let before = before(&printed);
        return Err(PythonError::TimeUp(format!("{seconds} s; {advice}{before}")));
    }
    if done.reply.is_empty() {
        let how = child::in_words(done.status);
        let words = String::from_utf8_lossy(&done.errors);
        let said = match tail(&words) {
            "" => String::new(),
            words => format!(", and said:\n{words}"),
        };
        let before = before(&printed);
        return Err(PythonError::Died(format!("{how}{said}{before}")));
    }
    let answer: Value = serde_json::from_slice(&done.reply)
        .map_err(|error| PythonError::Raised(format!("its answer cannot be read: {error}")))?;
    match (answer["missing"].as_str(), answer["error"].as_str()) {
        (Some(package), _) => Err(PythonError::Package(package.to_owned())),
        (None, Some(report)) => Err(PythonError::Raised(match tail(&printed) {
            "" => report.to_owned(),
            // The report comes last, as in a terminal.
            printed => format!("{printed}\n{report}"),
        })),
        (None, None) => Ok((answer, printed)),
    }
}

/// The end of a text, without blanks around it.
fn tail(text: &str) -> &str {
    let text = text.trim();
    let start = text.char_indices().rev().nth(LAST_WORDS - 1);
    text[start.map_or(0, |(start, _)| start)..].trim_start()
}

/// What stands in an error about what was printed before.
fn before(printed: &str) -> String {
    match tail(printed) {
        "" => String::new(),
        printed => format!("\nBefore that it printed:\n{printed}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use platform::child::runs;

    #[test]
    fn a_snippet_is_timed_and_its_result_compared() {
        let mut squares = Comparison::new("squares", 2);
        squares.measure("Rust", || (0..100u64).map(|i| i * i).collect::<Vec<_>>());
        let program = python(
            "def work():\n    return [i * i for i in range(100)]\ndef check(r):\n    print('hello')\n    return sum(r)\n",
        );
        let run = squares
            .python_checked("Python", &program, "work", |rust| json!(rust.iter().sum::<u64>()))
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
        sum.python("Python", &python("def work(): return 4"), "work");
    }

    #[test]
    fn pythons_errors_are_its_own_words() {
        let error = python("def work():\n    return 1 / 0\n").time("work", 1).unwrap_err();
        assert!(error.to_string().contains("ZeroDivisionError"));
        assert!(error.to_string().contains("line 2"));
        let error = python("import no_such_package_here").time("work", 1).unwrap_err();
        assert_eq!(error, PythonError::Package("no_such_package_here".into()));
        let error = python("x = (").run().unwrap_err();
        assert!(error.to_string().contains("SyntaxError"));
        let error = python("x = 1").time("work", 1).unwrap_err();
        assert!(error.to_string().contains("no function work()"));
    }

    #[test]
    fn a_snippet_that_ends_python_is_told_with_its_code_or_signal() {
        let died = |snippet: &str| match python(snippet).run() {
            Err(error @ PythonError::Died(_)) => error.to_string(),
            other => panic!("{other:?}"),
        };
        let error = died("import os\nprint('so far')\nos._exit(3)");
        assert!(error.contains("exit code 3") && error.contains("so far"), "{error}");
        let error = died("import os, signal\nos.kill(os.getpid(), signal.SIGKILL)");
        assert!(error.contains("signal 9 (SIGKILL"), "{error}");
        let error = died("import faulthandler\nfaulthandler._sigsegv()");
        assert!(error.contains("signal 11 (SIGSEGV"), "{error}");
        // Python's last words name the place.
        assert!(error.contains("this cell's Python"), "{error}");
        let error = died("import os\nos.closerange(0, 200)");
        assert!(error.contains("exit code"), "{error}");
    }

    #[test]
    fn no_error_is_empty() {
        let raised = |snippet: &str| match python(snippet).run() {
            Err(PythonError::Raised(report)) => report,
            other => panic!("{other:?}"),
        };
        assert!(raised("raise ValueError").contains("ValueError"));
        assert!(raised("raise KeyboardInterrupt").contains("KeyboardInterrupt"));
        assert!(raised("raise ModuleNotFoundError").contains("ModuleNotFoundError"));
        assert!(raised("import sys; sys.exit(3)").contains("sys.exit(3)"));
        assert!(raised("import sys; sys.exit('why')").contains("sys.exit('why')"));
        assert!(raised("raise ValueError('\\udc80')").contains("ValueError: \\udc80"));
        assert!(raised("import sys; sys.stdout.close(); print(1)").contains("closed file"));
        assert!(raised("input()").contains("EOFError"));
        let report = raised("print('kopi'); import os; os.system('echo teh'); 1 / 0");
        assert!(report.starts_with("kopi\nteh\n"), "{report}");
        assert!(report.ends_with("ZeroDivisionError: division by zero\n"), "{report}");
        let early = python("import sys; sys.exit()").time("work", 1).unwrap_err();
        assert!(early.to_string().contains("sys.exit()"), "{early}");
    }

    #[test]
    fn a_script_may_end_itself_and_may_close_what_it_has() {
        assert_eq!(python("print(1); import sys; sys.exit()").run().unwrap(), "1\n");
        assert_eq!(python("print(1); import os; os.close(1)").run().unwrap(), "1\n");
        let late = "import atexit, threading, time\n\
            atexit.register(lambda: print('at the end'))\n\
            threading.Thread(target=lambda: (time.sleep(0.2), print('late'))).start()\n\
            print('early')";
        assert_eq!(python(late).run().unwrap(), "early\nlate\nat the end\n");
        let forked = "import os\nprint(1)\nif os.fork(): os.wait()";
        assert_eq!(python(forked).run().unwrap(), "1\n");
    }

    #[test]
    fn what_children_print_is_shown_in_order() {
        let snippet = "import os, subprocess, sys\nprint('one', end=' ')\nos.system('echo two')\n\
            print('three')\nsubprocess.run([sys.executable, '-c', 'print(4)'])\nprint('\\udc80 five')\n\
            subprocess.run(['sh', '-c', 'exec >/dev/stdout; echo six'])";
        assert_eq!(python(snippet).run().unwrap(), "one two\nthree\n4\n\\udc80 five\nsix\n");
        let check = "import os\ndef work(): os.system('echo hi')\ndef check(r): return 1";
        let run = python(check).time("work", 1).unwrap();
        assert!(run.printed.starts_with("hi\nhi\n"), "{}", run.printed);
    }

    #[test]
    fn what_check_returns_arrives_as_it_is_or_is_refused_in_words() {
        let check = |value: &str| {
            let snippet = format!(
                "import collections, math\nclass Array:\n    def tolist(self): return [1.5, [2]]\n\
                class Number:\n    def item(self): return 7\n\
                Pair = collections.namedtuple('Pair', 'a b')\n\
                def work(): return {value}\ndef check(r): return r\n"
            );
            python(&snippet).time("work", 1).map(|run| run.result)
        };
        for (value, right) in [
            ("None", json!(null)),
            ("[True, -1, 2 ** 64 - 1, -2 ** 63, 0.1]", json!([true, -1, u64::MAX, i64::MIN, 0.1])),
            ("(1, ('ü', {'a': [Array()]}))", json!([1, ["ü", {"a": [[1.5, [2]]]}]])),
            ("[Number(), Pair(1, 2)]", json!([7, [1, 2]])),
        ] {
            assert_eq!(check(value).unwrap(), right, "{value}");
        }
        for (value, said) in [
            ("math.nan", "the number nan"),
            ("[1, -math.inf]", "the number -inf"),
            ("{1, 2}", "sorted(s)"),
            ("b'ab'", "b.hex()"),
            ("2 ** 64", "more than 64 bits"),
            ("[0, -2 ** 63 - 1]", "more than 64 bits"),
            ("'\\udc80'", "surrogate"),
            ("{1: 2}", "the key 1"),
            ("1j", "complex"),
            ("object()", "of type object"),
        ] {
            let error = check(value).unwrap_err().to_string();
            assert!(error.contains("check(result) returned"), "{value}: {error}");
            assert!(error.contains(said), "{value}: {error}");
        }
    }

    #[test]
    fn a_program_has_inputs_and_functions() {
        let program = python(
            "\nimport sys\nimport types\nkopi = sys.modules['kopi'] = types.ModuleType('kopi')\n\
            kopi.__version__ = '1.2'\nimport kopi\n\ndef squares():\n    return [n * n for n in range(N)]\n\n\ndef wrong():\n    return 1\n\n\n\
            def check(result):\n    return len(result)\n",
        );
        let program = program.with("N", &3).with("paths", &[std::path::Path::new("a b")]);
        let mut squares: Comparison<Vec<u64>> = Comparison::new("squares", 2);
        squares.measure("Rust", || vec![0, 1, 4]);
        let run = squares.python("Python", &program, "squares").unwrap();
        assert_eq!(run.result, json!([0, 1, 4]));
        assert!(run.timing.software[0].starts_with("Python 3."));
        assert_eq!(run.timing.software[1], "kopi 1.2");
        let timing = squares.timing("Python");
        assert_eq!(timing.software, run.timing.software);
        let run = squares.python_checked("checked", &program, "squares", |rust| json!(rust.len()));
        assert_eq!(run.unwrap().result, json!(3));
        let printed = python("print(paths, N)").with("N", &1).with("paths", "x").run();
        assert_eq!(printed.unwrap(), "x 1\n");
        let absent = program.time("cubes", 1).unwrap_err().to_string();
        assert!(
            absent.contains("no function cubes(); it has ['squares', 'wrong', 'check']"),
            "{absent}"
        );
        let other = std::panic::catch_unwind(move || {
            squares.python("Python, wrong", &program, "wrong");
        });
        let said = other.unwrap_err().downcast::<String>().unwrap();
        assert!(said.contains("computed 1, but Rust computed [0,1,4]"), "{said}");
    }

    #[test]
    fn an_error_shows_the_programs_own_line() {
        let error =
            python("\ndef work():\n    half = 1 / 0\n\n\nwork()\n").run().unwrap_err().to_string();
        assert!(error.contains("line 2, in work\n    half = 1 / 0"), "{error}");
    }

    #[test]
    fn numbers_compare_as_numbers() {
        assert!(same(&json!([4950, [0.1 + 0.2]]), &json!([4950.0, [0.3]])));
        assert!(!same(&json!([1]), &json!([1, 2])));
        assert!(!same(&json!(10_000_000_001_u64), &json!(10_000_000_000_u64)));
        assert!(!same(&json!("1"), &json!(1)));
    }

    #[test]
    fn at_the_time_limit_all_that_it_started_ends_and_the_cell_goes_on() {
        let snippet = "import subprocess, time\n\
            print(subprocess.Popen(['sleep', '600']).pid)\n\
            print(subprocess.Popen(['sleep', '600'], process_group=0).pid)\ntime.sleep(600)";
        let request = python(snippet).request("", 0, Compared::Result);
        let error = call(&request, Duration::from_secs(2)).unwrap_err().to_string();
        assert!(error.contains("still running after 2 s; give it less"), "{error}");
        let pids: Vec<&str> = error.lines().skip(2).collect();
        assert_eq!(pids.len(), 2, "{error}");
        assert!(!pids.iter().any(|pid| runs(pid)), "{error}");

        let thread =
            "import threading, time\nthreading.Thread(target=time.sleep, args=[600]).start()";
        let request = python(thread).request("", 0, Compared::Result);
        let error = call(&request, Duration::from_secs(2)).unwrap_err().to_string();
        assert!(error.contains("a thread or a process that it started"), "{error}");
    }

    #[test]
    fn a_process_that_it_leaves_behind_does_not_keep_the_cell_waiting() {
        let start = std::time::Instant::now();
        let child =
            python("import subprocess\nprint(subprocess.Popen(['sleep', '600']).pid)").run();
        assert!(!runs(child.unwrap().trim()));
        // A daemon with the pipe in its hands, which is none of ours.
        let daemon = "import subprocess\n\
            print(subprocess.Popen(['sleep', '600'], start_new_session=True).pid)";
        let daemon = python(daemon).run().unwrap();
        assert!(start.elapsed() < Duration::from_secs(300));
        let pid = daemon.trim();
        assert!(runs(pid));
        let killed = platform::program::command("kill").arg(pid).status();
        assert!(killed.unwrap().success());
    }

    const NOTEBOOK: &str = "PYTHON_TEST_NOTEBOOK";

    /// Stands for a notebook: started by the test below, it runs a snippet until it is killed.
    #[test]
    fn run_as_a_notebook() {
        if std::env::var_os(NOTEBOOK).is_some() {
            let snippet = "import os, subprocess, time\n\
                child = subprocess.Popen(['sleep', '600'], process_group=0)\n\
                open(os.environ['SNIPPET_PIDS'], 'w').write(f'{os.getpid()} {child.pid}\\n')\n\
                time.sleep(600)";
            let _ = python(snippet).run();
        }
    }

    #[test]
    fn a_killed_notebook_leaves_no_snippet_behind() {
        let folder = tempfile::tempdir().unwrap();
        let pids = folder.path().join("pids");
        let mut notebook = std::process::Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "python::tests::run_as_a_notebook"])
            .env(NOTEBOOK, "1")
            .env("SNIPPET_PIDS", &pids)
            .spawn()
            .unwrap();
        let wait_for = |is_so: &dyn Fn() -> bool| {
            let start = std::time::Instant::now();
            while !is_so() {
                assert!(start.elapsed() < Duration::from_secs(60));
                std::thread::sleep(Duration::from_millis(10));
            }
        };
        let written = || std::fs::read_to_string(&pids).unwrap_or_default();
        wait_for(&|| written().ends_with('\n'));
        assert!(written().split_whitespace().all(runs));
        notebook.kill().unwrap();
        notebook.wait().unwrap();
        wait_for(&|| !written().split_whitespace().any(runs));
    }

    #[test]
    fn the_readers_settings_for_another_python_do_not_reach_it() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("json.py"), "1 / 0").unwrap();
        let output = std::process::Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "python::tests::printed_words_come_back"])
            .env("PYTHONPATH", folder.path())
            .env("PYTHONHOME", "/no/such/folder")
            .env("PYTHONSTARTUP", folder.path().join("json.py"))
            .env("PYTHONWARNINGS", "error")
            .env("PYTHONIOENCODING", "utf-16")
            .output()
            .unwrap();
        assert!(output.status.success(), "{output:?}");
        assert!(String::from_utf8_lossy(&output.stdout).contains("1 passed"), "{output:?}");
    }

    #[test]
    fn a_snippets_functions_run_in_pythons_own_process_pool() {
        let snippet = "import multiprocessing\ndef double(n):\n    return 2 * n\n\
            with multiprocessing.get_context('fork').Pool(2) as pool:\n    \
            print(pool.map(double, range(3)))";
        assert_eq!(python(snippet).run().unwrap(), "[0, 2, 4]\n");
    }

    #[test]
    fn printed_words_come_back() {
        assert_eq!(python("print('kopi', 1 + 1)").run().unwrap(), "kopi 2\n");
    }
}

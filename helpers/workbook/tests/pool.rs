//! Does a process pool do what it says, also when its workers do not?
//!
//! A pool runs functions of shared objects, so its scenarios are in one: the example
//! `pool-functions`. Each runs in a process of its own.

mod left_out;
mod object;

use std::ffi::{CString, c_char, c_int};
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

const SCENARIO: &str = "POOL_SCENARIO";
const OBJECT: &str = "POOL_OBJECT";

fn object() -> &'static Path {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    BUILT.get_or_init(|| object::of_example("workbook", "pool-functions"))
}

/// What the tests below start: with a scenario in the environment it runs it, as a notebook would.
#[test]
fn run_the_scenario() {
    let (Ok(scenario), Ok(object)) = (std::env::var(SCENARIO), std::env::var(OBJECT)) else {
        return;
    };
    let file = CString::new(object).unwrap();
    let scenario = CString::new(scenario).unwrap();
    // SAFETY: the object is the example, which runs no code when it is opened and has this
    // function, of this type.
    let code = unsafe {
        let object = libc::dlopen(file.as_ptr(), libc::RTLD_NOW);
        assert!(!object.is_null(), "{file:?} cannot be opened");
        let run = libc::dlsym(object, c"run_scenario".as_ptr());
        assert!(!run.is_null());
        let run: unsafe extern "C" fn(*const c_char) -> c_int = std::mem::transmute(run);
        run(scenario.as_ptr())
    };
    // Past the test harness, whose own output is of no interest.
    std::process::exit(code);
}

fn command(program: impl AsRef<std::ffi::OsStr>, scenario: &str) -> Command {
    let mut command = Command::new(program);
    command
        .env(OBJECT, object())
        .env(SCENARIO, scenario)
        .env("WORKBOOK_PROGRAM", env!("CARGO_BIN_EXE_workbook"))
        .env_remove("RUST_BACKTRACE");
    command
}

fn this(scenario: &str) -> Command {
    let mut command = command(std::env::current_exe().unwrap(), scenario);
    command.args(["--exact", "run_the_scenario", "--nocapture"]);
    command
}

#[track_caller]
fn expect(scenario: &str) -> Output {
    let output = this(scenario).output().unwrap();
    assert_eq!(
        output.status.code(),
        Some(0),
        "{scenario}:\n{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    output
}

macro_rules! scenarios {
    ($($name:ident)*) => {
        $(#[test]
        fn $name() {
            expect(stringify!($name));
        })*
    };
}

scenarios! {
    order
    same_results_as_rayon
    sizes
    many_items
    panic_in_an_item
    death_in_a_chunk
    death_in_passing
    exit_of_a_worker
    idle_workers_killed
    time_limit
    cancelled
    dropped_while_busy
    too_large
    not_carried
    large_results
    functions_by_turns
    nothing_left
    replaced_after_so_many
    standard_input_is_empty
}

#[test]
fn a_scenario_that_fails_is_found_out() {
    let output = this("no such scenario").output().unwrap();
    assert_eq!(output.status.code(), Some(2));
}

#[test]
fn death_of_a_worker() {
    let output = expect("death_of_a_worker");
    let text = String::from_utf8_lossy(&output.stdout);
    let tried_again = text
        .lines()
        .filter(|line| line.ends_with("it is tried once more"))
        .count();
    assert_eq!(tried_again, 3, "{text}");
    assert!(text.contains("signal 6 (SIGABRT"), "{text}");
    assert!(text.contains("at item 3;"), "{text}");
}

#[test]
fn printing() {
    let output = expect("printing");
    let text = String::from_utf8(output.stdout).unwrap();
    let pids = text.lines().find(|line| line.starts_with("pids")).unwrap();
    for n in 0..3 {
        for kind in ["out", "err", "half"] {
            let line = text.lines().find(|l| l.ends_with(&format!("] {kind} {n}")));
            // What has no newline may have the next words of the worker behind it.
            let line = line.or_else(|| text.lines().find(|l| l.contains(&format!("{kind} {n}"))));
            let line = line.unwrap_or_else(|| panic!("{kind} {n} is missing in:\n{text}"));
            let pid = line.split(['[', ']']).nth(1).unwrap();
            assert!(pids.contains(pid), "{line} is not of {pids}");
        }
    }
    let last = text.find("half").unwrap();
    assert!(
        last < text.find("pids").unwrap(),
        "printed before the call ended"
    );
    let flood = text
        .lines()
        .filter(|line| line.contains("] flood "))
        .count();
    assert_eq!(flood, 20_000);
    // Once for each try.
    assert_eq!(
        text.matches("] last words").count(),
        2,
        "{}",
        &text[text.len() - 500..]
    );
    assert!(
        output.stderr.is_empty(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
}

/// Workers must end when their notebook does, even when nothing of it can run any more.
#[test]
fn ended_by_its_death() {
    let mut notebook = this("ended_by_its_death")
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(notebook.stdout.take().unwrap()).lines();
    let line = lines
        .map_while(Result::ok)
        .find(|line| line.contains("workers ["))
        .unwrap();
    let pids: Vec<u32> = line
        .split(|c: char| !c.is_ascii_digit())
        .filter_map(|digits| digits.parse().ok())
        .collect();
    assert_eq!(pids.len(), 2, "{line}");
    // SAFETY: signal 0 only asks whether there is such a process.
    let alive = |pid: &u32| unsafe { libc::kill(*pid as i32, 0) } == 0;
    std::thread::sleep(Duration::from_millis(200));
    assert!(pids.iter().all(alive), "both are busy");
    notebook.kill().unwrap();
    notebook.wait().unwrap();
    let start = Instant::now();
    while pids.iter().any(alive) {
        assert!(
            start.elapsed() < Duration::from_secs(20),
            "{pids:?} live on"
        );
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// The unsafe parts on both sides, watched by valgrind where there is one.
#[test]
fn valgrind_finds_nothing() {
    let there = Command::new("valgrind").arg("--version").output();
    if !there.is_ok_and(|output| output.status.success()) {
        let why = "valgrind is not installed (Debian and Ubuntu: `sudo apt install valgrind`)";
        left_out::leave_out("the memory of the pool's unsafe parts", why);
        return;
    }
    let logs = tempfile::tempdir().unwrap();
    let log = logs.path().join("%p.log");
    let status = command("valgrind", "smoke")
        .args(["--trace-children=yes", "--error-exitcode=9"])
        .arg(format!("--log-file={}", log.display()))
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", "run_the_scenario", "--nocapture"])
        .stdout(Stdio::null())
        .status()
        .unwrap();
    let texts: Vec<String> = std::fs::read_dir(logs.path())
        .unwrap()
        .map(|entry| std::fs::read_to_string(entry.unwrap().path()).unwrap())
        .collect();
    let workers = texts.iter().filter(|text| text.contains("workbook worker"));
    assert_eq!(workers.count(), 2, "the workers were watched too");
    for text in &texts {
        // A worker that is killed at the end of the pool has no summary.
        let errors = [
            "Invalid read",
            "Invalid write",
            "Invalid free",
            "uninitialised",
            "overlap",
        ];
        assert!(!errors.iter().any(|error| text.contains(error)), "{text}");
    }
    assert_eq!(status.code(), Some(0), "{texts:?}");
}

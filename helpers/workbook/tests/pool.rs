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
    BUILT.get_or_init(|| object::of("workbook", Some("pool-functions")))
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
    expect_of(this(scenario), scenario)
}

#[track_caller]
fn expect_of(mut command: Command, scenario: &str) -> Output {
    let output = command.output().unwrap();
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
    forks_in_an_item
    death_with_a_child
    closed_socket
    too_many_files
}

#[test]
fn a_scenario_that_fails_is_found_out() {
    let output = this("no such scenario").output().unwrap();
    assert_eq!(output.status.code(), Some(2));
}

const OTHER: &str = "POOL_OTHER";
const REPLACEMENT: &str = "POOL_REPLACEMENT";

/// Builds a shared object with one small function. Its first bytes are the same for any `number`.
fn build(folder: &Path, name: &str, number: u64, options: &[&str]) -> PathBuf {
    let source = folder.join(format!("{name}.rs"));
    let code = format!(
        "#[unsafe(no_mangle)]\n\
         pub fn act(n: u64) -> u64 {{\n\
             (n ^ 0x1234_5678_9abc_def1).rotate_left(7).wrapping_mul(0x9e37_79b9_7f4a_7c15)\n\
                 ^ {number}\n\
         }}\n"
    );
    std::fs::write(&source, code).unwrap();
    let object = folder.join(format!("{name}{}", std::env::consts::DLL_SUFFIX));
    let built = Command::new(Path::new(env!("CARGO")).with_file_name("rustc"))
        .args(["--edition=2024", "--crate-type=cdylib", "-Copt-level=2"])
        .args(options)
        .args([Path::new("-o"), &object, &source])
        .output()
        .unwrap();
    assert!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));
    object
}

#[test]
fn pointers() {
    let folder = tempfile::tempdir().unwrap();
    let mut command = this("pointers");
    command.env(OTHER, build(folder.path(), "other", 1, &[]));
    expect_of(command, "pointers");
}

/// The path and the first bytes of a function do not tell which function it is.
#[test]
fn a_rebuilt_object_is_not_taken_for_the_old_one() {
    let without: &[&str] = match cfg!(target_os = "linux") {
        true => &["-Clink-arg=-Wl,--build-id=none"],
        false => &[],
    };
    let with: &[&str] = match cfg!(target_os = "linux") {
        true => &["-Clink-arg=-Wl,--build-id"],
        false => &[],
    };
    for options in [with, without] {
        let folder = tempfile::tempdir().unwrap();
        let scenario = "another_object_is_replaced";
        let mut command = this(scenario);
        command
            .env(OTHER, build(folder.path(), "other", 0x5eed_0001, options))
            .env(REPLACEMENT, build(folder.path(), "new", 0x5eed_0002, options));
        expect_of(command, scenario);
    }
}

/// A scenario with an object that the scenario may spoil, in a folder with such a name as readers'
/// folders have.
#[track_caller]
fn with_a_copy(scenario: &str) {
    let folder = tempfile::tempdir().unwrap();
    let odd = folder.path().join("Übung 1 – ça va (日本)");
    std::fs::create_dir(&odd).unwrap();
    let own = odd.join("own object.so");
    std::fs::copy(object(), &own).unwrap();
    let mut command = this(scenario);
    command.env(OBJECT, own).env(REPLACEMENT, build(&odd, "another", 1, &[]));
    expect_of(command, scenario);
}

#[test]
fn an_object_in_an_odd_folder() {
    with_a_copy("order");
}

#[test]
fn own_object_is_replaced() {
    with_a_copy("own_object_is_replaced");
}

#[test]
fn own_object_is_deleted() {
    with_a_copy("own_object_is_deleted");
}

#[test]
fn closes_low_numbers() {
    let folder = tempfile::tempdir().unwrap();
    let mut command = this("closes_low_numbers");
    command.env(REPLACEMENT, folder.path().join("file"));
    expect_of(command, "closes_low_numbers");
}

/// A program that does `what` in place of the workbook's.
fn script(folder: &Path, what: &str) -> PathBuf {
    use std::os::unix::fs::PermissionsExt;
    let script = folder.join("script");
    std::fs::write(&script, format!("#!/bin/sh\n{what}\n")).unwrap();
    std::fs::set_permissions(&script, std::fs::Permissions::from_mode(0o755)).unwrap();
    script
}

#[test]
fn nobody_waits_for_a_worker_that_is_not_wanted_any_more() {
    let folder = tempfile::tempdir().unwrap();
    let program = script(folder.path(), "exec sleep 600");
    for scenario in ["dropped_while_starting", "cancelled_while_starting"] {
        let mut command = this(scenario);
        command.env("WORKBOOK_PROGRAM", &program);
        expect_of(command, scenario);
    }
}

#[test]
fn program_is_replaced() {
    let folder = tempfile::tempdir().unwrap();
    let program = folder.path().join("program");
    std::fs::copy(env!("CARGO_BIN_EXE_workbook"), &program).unwrap();
    // Its input is the socket.
    let says = r"printf '\007\000\000\000ready 0' >&0; exec sleep 600";
    let mut command = this("program_is_replaced");
    command.env("WORKBOOK_PROGRAM", program).env(REPLACEMENT, script(folder.path(), says));
    expect_of(command, "program_is_replaced");
}

#[test]
fn megabytes_without_a_newline() {
    let output = expect("megabytes_without_a_newline");
    let printed = output.stdout.iter().filter(|&&byte| byte == b'~').count();
    assert_eq!(printed, 4_000_000);
}

#[test]
fn death_of_a_worker() {
    let output = expect("death_of_a_worker");
    let text = String::from_utf8_lossy(&output.stdout);
    let tried_again = text.lines().filter(|line| line.ends_with("it is tried once more")).count();
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
    assert!(last < text.find("pids").unwrap(), "printed before the call ended");
    let flood = text.lines().filter(|line| line.contains("] flood ")).count();
    assert_eq!(flood, 20_000);
    // Once for each try.
    assert_eq!(text.matches("] last words").count(), 2, "{}", &text[text.len() - 500..]);
    assert!(output.stderr.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
}

/// Workers must end when their notebook does, even when nothing of it can run any more.
#[test]
fn ended_by_its_death() {
    let mut notebook = this("ended_by_its_death").stdout(Stdio::piped()).spawn().unwrap();
    let lines = BufReader::new(notebook.stdout.take().unwrap()).lines();
    let line = lines.map_while(Result::ok).find(|line| line.contains("workers [")).unwrap();
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
        assert!(start.elapsed() < Duration::from_secs(20), "{pids:?} live on");
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
        let errors = ["Invalid read", "Invalid write", "Invalid free", "uninitialised", "overlap"];
        assert!(!errors.iter().any(|error| text.contains(error)), "{text}");
    }
    assert_eq!(status.code(), Some(0), "{texts:?}");
}

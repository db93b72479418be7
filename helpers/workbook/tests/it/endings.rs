//! Cells that end a line, a thread or a process in every way that comes to a reader's mind: the
//! text is under its own cell, the reason is told, and the next cell works.

use crate::common::{Notebook, SETUP, code, run, stdout_of, text, wait_for, workbook};
use serde_json::Value;
use std::io::Write;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::process::Stdio;
use std::time::Duration;

/// What becomes of the variables.
#[derive(Clone, Copy, PartialEq)]
enum After {
    /// All that were there before are there.
    Kept,
    /// The process has ended, and all are gone.
    Gone,
}
use After::{Gone, Kept};

/// A cell, what its own output must say, and what becomes of the variables.
type Ending = (&'static str, &'static [&'static str], After);

const ENDED_EARLY: &str = "This cell ended early";
const PROCESS_ENDED: &str = "The process of the cells has ended";

const ENDINGS: &[Ending] = &[
    // Lines.
    ("print!(\"open line\");", &["open line"], Kept),
    ("print!(\"before a value \");\n6", &["before a value ", "6"], Kept),
    (
        "print!(\"before a display \");\nhelpers::figures::display::show(\"<b>bold</b>\", \"bold\");",
        &["before a display ", "<b>bold</b>", "bold"],
        Kept,
    ),
    (
        "use helpers::figures::display::show;\nshow(\"<i>one</i>\", \"one\");\nshow(\"<i>two</i>\", \"two\");\n3",
        &["<i>one</i>", "<i>two</i>", "<pre>3</pre>"],
        Kept,
    ),
    ("println!(\"EVCXR_BEGIN_CONTENT text/plain\\nno end\");", &["no end"], Kept),
    (
        "use std::io::Write;\nstd::io::stdout().write_all(b\"not UTF-8: \\xff.\\n\").unwrap();",
        &["not UTF-8: \u{fffd}."],
        Kept,
    ),
    ("eprint!(\"open error\");", &["open error"], Kept),
    (
        "std::process::Command::new(\"printf\").arg(\"of a program\").status().unwrap();",
        &["of a program"],
        Kept,
    ),
    ("println!();\nprintln!(\"after an empty line\");", &["\nafter an empty line\n"], Kept),
    // Early ends.
    (
        "print!(\"progress\");\nlet early: u32 = \"q\".parse()?;",
        &["progress", "invalid digit", ENDED_EARLY],
        Kept,
    ),
    (
        "print!(\"working\");\nlet early = Vec::<u8>::new()[1];",
        &["working", "index out of bounds", ENDED_EARLY],
        Kept,
    ),
    (
        "print!(\"halfway\");\ntokio::spawn(async { panic!(\"in a task\"); }).await?;",
        &["halfway", "in a task", ENDED_EARLY],
        Kept,
    ),
    // Threads.
    (
        "let ended = std::thread::spawn(|| panic!(\"in a thread\")).join().is_err();\nprintln!(\"{ended}\");",
        &["in a thread", "true"],
        Kept,
    ),
    (
        "std::thread::spawn(|| print!(\"no newline in a thread\")).join().unwrap();",
        &["no newline in a thread"],
        Kept,
    ),
    (
        "let left = std::process::Command::new(\"sleep\").arg(\"300\").spawn()?.id();\nprintln!(\"{}\", left > 0);",
        &["true"],
        Kept,
    ),
    // Processes.
    ("print!(\"before an abort\");\nstd::process::abort();", &[PROCESS_ENDED], Gone),
    ("println!(\"leaving\");\nstd::process::exit(3);", &["leaving", PROCESS_ENDED], Gone),
    ("std::process::exit(0);", &[PROCESS_ENDED], Gone),
    (
        "fn deeper(n: u64) -> u64 { if n == 0 { 0 } else { std::hint::black_box(deeper(std::hint::black_box(n + 1))) + 1 } }\ndeeper(1)",
        &[PROCESS_ENDED, "calls itself without end"],
        Gone,
    ),
    ("unsafe { std::ptr::null_mut::<u8>().write_volatile(1) };", &[PROCESS_ENDED], Gone),
    ("std::thread::spawn(|| std::process::abort()).join().unwrap();", &[PROCESS_ENDED], Gone),
    (
        "struct Twice;\nimpl Drop for Twice { fn drop(&mut self) { panic!(\"again\") } }\nlet twice = Twice;\npanic!(\"once\");",
        &["once", PROCESS_ENDED],
        Gone,
    ),
    ("let much: Vec<u8> = Vec::with_capacity(isize::MAX as usize);", &[PROCESS_ENDED], Gone),
    (
        "std::process::Command::new(\"sh\").args([\"-c\", \"sleep 300 & kill -9 $PPID\"]).status()?;",
        &[PROCESS_ENDED],
        Gone,
    ),
    (
        "use std::os::fd::FromRawFd;\ndrop(unsafe { std::fs::File::from_raw_fd(1) });",
        &[PROCESS_ENDED],
        Gone,
    ),
];

/// Each cell with the words that it must show, for the test in the browser.
pub fn as_json() -> Value {
    ENDINGS.iter().map(|(source, words, _)| serde_json::json!([source, words])).collect()
}

#[test]
fn however_a_cell_ends_its_words_are_its_own_and_the_next_one_works() {
    assert!(ENDINGS.len() >= 20);
    let mut cells = vec![code(SETUP), code("let mut kept = vec![0_usize];")];
    let mut expected_kept = 1;
    for (number, (source, _, after)) in ENDINGS.iter().enumerate() {
        let tag = match after {
            Kept => "allow-stderr",
            Gone => "raises-exception",
        };
        cells.push(code(source).tag(tag));
        if *after == Kept {
            expected_kept += 1;
            cells.push(code(&format!(
                "kept.push({number});\nprintln!(\"kept {{}} of {expected_kept}\", kept.len());"
            )));
        } else {
            expected_kept = 1;
            cells.push(code(&format!(
                "let mut kept = vec![{number}_usize];\nprintln!(\"kept {{}} of 1\", kept.len());"
            )));
        }
    }
    let notebook = Notebook::new("endings", cells);
    let ran = run(&notebook, &["--save", "--timeout", "120"]);
    ran.expect_success();
    let saved = notebook.read();
    let cells = saved["cells"].as_array().unwrap();
    let mut faults = Vec::new();
    for (number, (source, words, _)) in ENDINGS.iter().enumerate() {
        let (own, next) = (&cells[2 + 2 * number], &cells[3 + 2 * number]);
        let said = all_text(own);
        for word in *words {
            if !said.contains(word) {
                faults.push(format!("{source}\n  does not say {word:?} but:\n{said}"));
            }
        }
        let said = all_text(next);
        let expected: Vec<&str> = said.split_whitespace().collect();
        match expected[..] {
            ["kept", count, "of", all] if count == all => {}
            _ => faults.push(format!("{source}\n  and the next cell said:\n{said}")),
        }
        if stdout_of(own).contains("EVCXR_") {
            faults.push(format!("{source}\n  shows the kernel's words:\n{said}"));
        }
    }
    assert!(faults.is_empty(), "{}\n\n{}", faults.join("\n\n"), ran.stdout);
}

/// All that a reader sees below a cell.
fn all_text(cell: &Value) -> String {
    let mut all = String::new();
    for output in cell["outputs"].as_array().into_iter().flatten() {
        all += &text(&output["text"]);
        all += &text(&output["evalue"]);
        for (_, content) in output["data"].as_object().into_iter().flatten() {
            all += &text(content);
        }
        for line in output["traceback"].as_array().into_iter().flatten() {
            all += &text(line);
        }
    }
    all
}

/// Between cells the kernel reads nothing. What a thread prints then fills the pipe to it, and when
/// the process ends, whatever passes its output on must not wait for ever to be rid of it: the
/// kernel waits for that.
#[test]
fn a_full_pipe_keeps_nobody_waiting() {
    let (output, mut printed) = std::io::pipe().unwrap();
    let (errors, error_lines) = std::io::pipe().unwrap();
    let (control, its_control) = UnixStream::pair().unwrap();
    let inherited = |descriptor: BorrowedFd| {
        // SAFETY: the call makes a new descriptor, which is nobody else's.
        unsafe { OwnedFd::from_raw_fd(libc::fcntl(descriptor.as_raw_fd(), libc::F_DUPFD, 10)) }
    };
    let (errors, its_control) = (inherited(errors.as_fd()), inherited(its_control.as_fd()));
    let mut outlet = workbook()
        .args(["outlet", "--mark", "<mark>"])
        .args(["--errors", &errors.as_raw_fd().to_string()])
        .args(["--control", &its_control.as_raw_fd().to_string()])
        .stdin(output)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop((errors, its_control));
    // Nobody reads what it passes on. It may end in the middle of this.
    let printer = std::thread::spawn(move || {
        for _ in 0..10_000 {
            if printed.write_all(&[b'x'; 99]).is_err() || printed.write_all(b"\n").is_err() {
                break;
            }
        }
    });
    std::thread::sleep(Duration::from_millis(500));
    assert!(outlet.try_wait().unwrap().is_none());
    drop((control, error_lines));
    let ended = wait_for(60, || outlet.try_wait().unwrap().is_some());
    let _ = outlet.kill();
    let _ = outlet.wait();
    assert!(ended, "it waits for a reader that does not come");
    printer.join().unwrap();
}

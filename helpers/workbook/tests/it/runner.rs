//! Does each kind of failure in a notebook come out, with its cause?

use crate::common::{Notebook, SETUP, code, figure, markdown, printed, run, workbook};
use serde_json::json;
use std::fs;

/// All failures after which a kernel can go on, in one notebook.
#[test]
fn each_broken_cell_is_found_with_its_cause() {
    const FINE: &str = "✓";
    let cells = [
        (code(SETUP), FINE),
        (code("panic!(\"boom one\");"), "✗ panicked: boom one"),
        (
            code("let missing = std::fs::read_to_string(\"no-such-file\")?;"),
            "No such file or directory",
        ),
        (code("let number: u32 = \"text\";"), "✗ does not compile: mismatched types"),
        (
            code("let _ = std::thread::spawn(|| panic!(\"in a thread\")).join();"),
            "✗ panicked: in a thread",
        ),
        (code("eprintln!(\"a complaint\");"), "✗ ended early or wrote to stderr: a complaint"),
        (code("eprintln!(\"allowed\");").tag("allow-stderr"), FINE),
        (
            code("let fine = 1;").tag("raises-exception"),
            "✗ is tagged raises-exception and did not fail",
        ),
        (code("panic!(\"meant\");").tag("raises-exception"), FINE),
        (code("let number: u32 = \"text\";").tag("raises-exception"), FINE),
        (
            code("println!(\"no figure today\");").published(figure()),
            "✗ gave no figure, and the saved notebook has one here",
        ),
        (
            code("let silent = 1;").published(printed("it used to say something")),
            "✗ gave no output, and the saved notebook has one here",
        ),
        (code("println!(\"other words\");").published(printed("some words")), FINE),
        // What came once, and what a noisy machine adds, need not come again.
        (code("let drawn = 1;").published(printed("drawing 9 X-rays, once, in target")), FINE),
        (code("let calm = 1;").published(printed("  note: the runs differ")), FINE),
        (code("std::process::abort();"), "✗ the process ended:"),
        // From here on each cell meets a fresh process.
        (code("std::process::exit(0);"), "✗ the process ended:"),
        (code("std::process::exit(3);"), "✗ the process ended:"),
        (code("unsafe { (8 as *mut u8).write_volatile(1) };"), "✗ the process ended:"),
        (code("let alive = 6 * 7;"), FINE),
        (
            code(
                "std::thread::spawn(|| {\n    \
                     std::thread::sleep(std::time::Duration::from_millis(150));\n    \
                     panic!(\"after the end\");\n});",
            ),
            "✗ panicked: after the end",
        ),
    ];
    let (cells, states): (Vec<_>, Vec<_>) = cells.into_iter().unzip();
    let notebook = Notebook::new("broken", cells);
    let before = fs::read(&notebook.path).unwrap();

    let ran = run(&notebook, &["--save"]);

    assert_eq!(ran.code, Some(1), "{}", ran.stdout);
    for (index, state) in states.iter().enumerate() {
        let line = ran.state(index + 1);
        let right = match *state {
            FINE => line.ends_with(FINE),
            cause => line.contains(cause),
        };
        assert!(right, "cell {}: expected “{state}”, got “{line}” in\n{}", index + 1, ran.stdout);
    }
    // The list at the end names each of them again, and nothing else.
    let broken = states.iter().filter(|&&state| state != FINE).count();
    let listed = ran.stdout.matches("✗ broken.ipynb, cell ").count();
    assert_eq!(listed, broken, "{}", ran.stdout);
    assert!(ran.stdout.contains("not saved"), "{}", ran.stdout);
    assert_eq!(fs::read(&notebook.path).unwrap(), before);
    let folder = notebook.path.parent().unwrap();
    assert_eq!(fs::read_dir(folder).unwrap().count(), 1, "files left over");
}

/// A cell whose programs are not on this machine says so, in print or as its result. The run passes,
/// marks it, and lists what it left out; a figure that is lost without these words is still a fault.
#[test]
fn what_was_left_out_is_listed_and_is_no_failure() {
    const LEFT_OUT: &str = "– left out";
    let cells = [
        (code(SETUP), "✓"),
        (
            code("println!(\"$ mill\\nNot run here: no mill; `brew it`\");").published(figure()),
            LEFT_OUT,
        ),
        (
            code("helpers::figures::display::show(\"<p>Not run here: no mill; `brew it`</p>\", \"Not run here: no mill; `brew it`\");")
                .published(figure()),
            LEFT_OUT,
        ),
        (
            code("println!(\"It was not run. Not run here: is no beginning.\");")
                .published(printed("some words")),
            "✓",
        ),
    ];
    let (cells, states): (Vec<_>, Vec<_>) = cells.into_iter().unzip();
    let ran = run(&Notebook::new("left-out", cells), &[]);
    ran.expect_success();
    for (index, state) in states.iter().enumerate() {
        let line = ran.state(index + 1);
        assert!(line.ends_with(state), "{line}\n{}", ran.stdout);
    }
    let listed = "\n– left out: left-out.ipynb, cells 2, 3: no mill; `brew it`\n";
    assert!(ran.stdout.contains(listed), "{}", ran.stdout);

    let lost = code("println!(\"not here: no mill\");").published(figure());
    let ran = run(&Notebook::new("lost", [lost]), &[]);
    assert_eq!(ran.code, Some(1), "{}", ran.stdout);
    assert!(ran.state(1).contains("✗ gave no figure"), "{}", ran.stdout);
}

#[test]
fn a_cell_that_hangs_ends_the_run_at_its_time_limit() {
    let notebook = Notebook::new(
        "hanging",
        [
            code("loop { std::thread::sleep(std::time::Duration::from_secs(1)); }"),
            code("let next = 1;"),
            code("let last = 1;"),
        ],
    );
    let ran = run(&notebook, &["--timeout", "10"]);
    assert_eq!(ran.code, Some(1), "{}", ran.stdout);
    assert!(ran.state(1).contains("✗ was still running when its time was up"));
    assert!(ran.state(2).contains("not run"), "{}", ran.stdout);
    assert!(ran.state(3).contains("not run"), "{}", ran.stdout);
}

#[test]
fn a_kernel_that_is_killed_ends_the_run() {
    let notebook = Notebook::new(
        "killed",
        [
            code(
                "let kernel = std::os::unix::process::parent_id().to_string();\n\
                 std::process::Command::new(\"sh\").args([\"-c\", \"kill -9 $0\", &kernel]).status().unwrap();\n\
                 std::thread::sleep(std::time::Duration::from_secs(600));",
            ),
            code("let next = 1;"),
        ],
    );
    let ran = run(&notebook, &[]);
    assert_eq!(ran.code, Some(1), "{}", ran.stdout);
    assert!(ran.state(1).contains("✗ the kernel died"), "{}", ran.stdout);
    assert!(ran.state(2).contains("not run"), "{}", ran.stdout);
}

#[test]
fn a_good_notebook_is_saved_with_its_outputs_and_runs_again() {
    let notebook = Notebook::new(
        "good",
        [
            markdown("# A title"),
            code(SETUP),
            code(
                "let mut sum = Comparison::new(\"Sum\", 3);\n\
                 sum.measure(\"for\", || { let mut t = 0u64; for n in 0..1000u64 { t += n } t });\n\
                 sum.bars()",
            ),
            code("println!(\"it took 3 ms\");"),
            code("println!(\"no number here\");"),
            code("let x: u8 = \"text\";").tag("raises-exception"),
        ],
    );
    let ran = run(&notebook, &["--save"]);
    ran.expect_success();
    assert!(ran.stdout.contains("\nsaved\n"), "{}", ran.stdout);

    let saved = notebook.read();
    assert_eq!(saved["nbformat"], json!(4));
    assert_eq!(saved["nbformat_minor"], json!(5));
    // Without these JupyterLab would count the notebook as changed when it is opened.
    assert_eq!(saved["metadata"]["language_info"]["mimetype"], "text/rust");
    assert_eq!(saved["metadata"]["kernelspec"]["display_name"], "Rust");
    let stamp = saved["metadata"]["workbook"]["saved_on"].as_str().unwrap();
    assert!(stamp.contains(" core"), "{stamp}");
    let cells = saved["cells"].as_array().unwrap();
    let ids: Vec<&str> = cells.iter().map(|c| c["id"].as_str().unwrap()).collect();
    let written: Vec<String> = (0..cells.len()).map(|n| format!("cell-{n}")).collect();
    assert_eq!(ids, written);
    let figure = cells[2]["outputs"].to_string();
    assert!(figure.contains("data:image/svg+xml;base64"), "{figure}");
    // Whose numbers they are is said once, by the first cell.
    let note = "The outputs in this notebook were saved on";
    let said = |at: usize| cells[at]["outputs"].to_string().contains(note);
    let saying: Vec<usize> = (0..cells.len()).filter(|&at| said(at)).collect();
    assert_eq!(saying, [1]);
    assert!(cells[4]["outputs"].to_string().contains("no number here"));
    assert!(cells[5]["outputs"].to_string().contains("mismatched types"));
    validate(&notebook);

    // What it has saved is what the second run must give again.
    let again = run(&notebook, &["--save"]);
    again.expect_success();
    let cells = notebook.read()["cells"].clone();
    let stamps = cells.to_string().matches(note).count();
    // HTML and plain text of one stamp.
    assert_eq!(stamps, 2, "{cells}");
    validate(&notebook);
}

/// Asks nbformat whether a notebook file is as its version demands.
fn validate(notebook: &Notebook) {
    let python = crate::common::root().join(".venv/bin/python");
    if !python.exists() {
        // A conda environment is in use; the notebook was written by its nbformat.
        return;
    }
    let check = "import sys, nbformat; nbformat.validate(nbformat.read(sys.argv[1], 4))";
    let output = std::process::Command::new(python)
        .args(["-c", check])
        .arg(&notebook.path)
        .output()
        .unwrap();
    assert!(
        output.status.success() && output.stderr.is_empty(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
}

#[test]
fn an_unknown_chapter_says_which_there_are() {
    let output = workbook().args(["run", "77"]).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("there is no notebook “77”"), "{said}");
    for chapter in crate::common::chapters() {
        let name = crate::common::name_of(&chapter);
        assert!(said.contains(&name), "{said}");
    }
}

//! What the tests share: the command, small notebooks, and what is left in the system.

pub use crate::chapter::{is_chapter, name_of};
pub use crate::left_out::{leave_out, say};
use serde_json::{Value, json};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::{Condvar, Mutex, OnceLock};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// Every chapter's setup cell.
pub const SETUP: &str = ":dep helpers = { path = \"../helpers\" }\nuse helpers::prelude::*;";

/// The workbook's folder.
pub fn root() -> PathBuf {
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR"));
    manifest.ancestors().nth(2).unwrap().to_owned()
}

/// Where the command keeps what it makes. It chooses another place for a part of it where the
/// workbook's own would not do, so it is asked.
pub struct Places {
    /// The compiled dependencies that every kernel starts from.
    pub seed: PathBuf,
    /// One folder for each running kernel.
    pub kernels: PathBuf,
}

/// Asks the command where things are, once.
pub fn places() -> &'static Places {
    static PLACES: OnceLock<Places> = OnceLock::new();
    PLACES.get_or_init(|| {
        let output = workbook().arg("where").output().unwrap();
        assert!(output.status.success(), "{}", text_of(&output));
        let answer: Value = serde_json::from_slice(&output.stdout).unwrap();
        let place = |name: &str| match answer[name].as_str() {
            Some(path) => PathBuf::from(path),
            None => panic!("`workbook where` names no {name}: {answer}"),
        };
        Places { seed: place("seed"), kernels: place("kernels") }
    })
}

/// The command `cargo workbook`, on little data.
pub fn workbook() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_workbook"));
    command.env("WORKBOOK_SIZE", "small").env_remove("WORKBOOK_KERNEL_FOLDER").stdin(Stdio::null());
    command
}

/// Makes what is missing, once for all tests.
pub fn set_up() {
    static READY: OnceLock<Result<(), String>> = OnceLock::new();
    let ready = READY.get_or_init(|| {
        let output = workbook().arg("setup").output().unwrap();
        match output.status.success() {
            true => Ok(()),
            false => Err(text_of(&output)),
        }
    });
    if let Err(said) = ready {
        panic!("`cargo workbook setup` failed:\n{said}");
    }
}

/// What a command printed, both streams.
pub fn text_of(output: &Output) -> String {
    let mut text = String::from_utf8_lossy(&output.stdout).into_owned();
    text += &String::from_utf8_lossy(&output.stderr);
    text
}

/// A permission to run a kernel: tests run in parallel, and each kernel compiles.
pub struct Turn(());

static FREE: Mutex<usize> = Mutex::new(2);
static FREED: Condvar = Condvar::new();

/// Waits until fewer than two kernels of these tests are running. Whoever holds a turn must not
/// ask for another one.
pub fn turn() -> Turn {
    let mut free = FREE.lock().unwrap();
    while *free == 0 {
        free = FREED.wait(free).unwrap();
    }
    *free -= 1;
    Turn(())
}

/// Waits until no kernel of these tests runs, and keeps others from starting.
pub fn all_turns() -> [Turn; 2] {
    let mut free = FREE.lock().unwrap();
    while *free < 2 {
        free = FREED.wait(free).unwrap();
    }
    *free = 0;
    [Turn(()), Turn(())]
}

impl Drop for Turn {
    fn drop(&mut self) {
        *FREE.lock().unwrap() += 1;
        FREED.notify_all();
    }
}

/// One cell of a notebook that is being written.
pub struct Cell(Value);

/// A code cell.
pub fn code(source: &str) -> Cell {
    Cell(json!({
        "cell_type": "code",
        "execution_count": null,
        "metadata": {},
        "outputs": [],
        "source": source,
    }))
}

/// A text cell.
pub fn markdown(source: &str) -> Cell {
    Cell(json!({ "cell_type": "markdown", "metadata": {}, "source": source }))
}

impl Cell {
    pub fn tag(mut self, tag: &str) -> Self {
        let tags = &mut self.0["metadata"]["tags"];
        if tags.is_null() {
            *tags = json!([]);
        }
        tags.as_array_mut().unwrap().push(json!(tag));
        self
    }

    pub fn exercise(mut self, id: &str) -> Self {
        self.0["metadata"]["workbook"] = json!({ "exercise": id });
        self
    }

    /// The cell as it stands in a notebook file.
    pub fn into_value(self) -> Value {
        self.0
    }

    /// The outputs that the cell was published with.
    pub fn published(mut self, outputs: Value) -> Self {
        self.0["outputs"] = outputs;
        self
    }
}

/// The published output of a cell that prints.
pub fn printed(text: &str) -> Value {
    json!([{ "output_type": "stream", "name": "stdout", "text": text }])
}

/// The published output of a cell that ends in a figure.
pub fn figure() -> Value {
    json!([{
        "output_type": "execute_result",
        "execution_count": 1,
        "metadata": {},
        "data": { "text/html": "<img src=\"data:image/svg+xml;base64,\">", "text/plain": "x" },
    }])
}

/// A notebook file in a folder of its own, which goes with it.
pub struct Notebook {
    pub path: PathBuf,
    _folder: TempDir,
}

impl Notebook {
    pub fn new(name: &str, cells: impl IntoIterator<Item = Cell>) -> Self {
        let cells = cells.into_iter().map(|cell| cell.0).collect();
        Self::of_values(name, cells)
    }

    /// From cells as they stand in a notebook file.
    pub fn of_values(name: &str, mut cells: Vec<Value>) -> Self {
        for (number, cell) in cells.iter_mut().enumerate() {
            cell["id"] = json!(format!("cell-{number}"));
        }
        let notebook = json!({
            "nbformat": 4,
            "nbformat_minor": 5,
            "metadata": {
                "kernelspec": { "name": "rust", "display_name": "Rust", "language": "rust" },
                "language_info": { "name": "rust" },
            },
            "cells": cells,
        });
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(format!("{name}.ipynb"));
        fs::write(&path, notebook.to_string()).unwrap();
        Notebook { path, _folder: folder }
    }

    pub fn read(&self) -> Value {
        read_json(&self.path)
    }
}

pub fn read_json(path: &Path) -> Value {
    let text = fs::read_to_string(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    serde_json::from_str(&text).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

/// A cell's source, or any other text that notebook files keep as one string or as lines.
pub fn text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Array(lines) => lines.iter().map(text).collect(),
        _ => String::new(),
    }
}

/// Whether a cell carries a tag.
pub fn tagged(cell: &Value, tag: &str) -> bool {
    let tags = cell["metadata"]["tags"].as_array();
    tags.is_some_and(|tags| tags.iter().any(|t| t == tag))
}

/// The exercise that a cell belongs to, or nothing.
pub fn exercise_of(cell: &Value) -> String {
    text(&cell["metadata"]["workbook"]["exercise"])
}

/// What one cell printed to stdout.
pub fn stdout_of(cell: &Value) -> String {
    let outputs = cell["outputs"].as_array().cloned().unwrap_or_default();
    outputs
        .iter()
        .filter(|output| output["name"] == "stdout")
        .map(|output| text(&output["text"]))
        .collect()
}

/// How a `workbook run` ended.
#[derive(Debug)]
pub struct Ran {
    pub code: Option<i32>,
    pub stdout: String,
}

impl Ran {
    /// The state column of one cell in the table of the only notebook.
    pub fn state(&self, cell: usize) -> &str {
        let number = cell.to_string();
        let mut lines = self.stdout.lines();
        lines
            .find(|line| line.split_whitespace().next() == Some(&number))
            .unwrap_or_else(|| panic!("no line for cell {cell} in:\n{}", self.stdout))
    }

    #[track_caller]
    pub fn expect_success(&self) {
        assert_eq!(self.code, Some(0), "{}", self.stdout);
    }
}

/// Executes one notebook with `cargo workbook run`.
pub fn run(notebook: &Notebook, arguments: &[&str]) -> Ran {
    run_with(workbook(), notebook, arguments)
}

/// The same with a command whose environment is of the test's choice.
pub fn run_with(command: Command, notebook: &Notebook, arguments: &[&str]) -> Ran {
    set_up();
    let _turn = turn();
    run_in_turn(command, notebook, arguments)
}

/// The same for a test that has a turn.
pub fn run_in_turn(mut command: Command, notebook: &Notebook, arguments: &[&str]) -> Ran {
    let output = command.arg("run").arg(&notebook.path).args(arguments).output().unwrap();
    Ran { code: output.status.code(), stdout: text_of(&output) }
}

/// All notebooks that are published as chapters.
pub fn chapters() -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(root().join("notebooks")) else {
        return Vec::new();
    };
    let mut chapters: Vec<PathBuf> =
        entries.flatten().map(|entry| entry.path()).filter(|path| is_chapter(path)).collect();
    chapters.sort();
    chapters
}

/// Waits until something holds, for at most `seconds`. Returns whether it does.
pub fn wait_for(seconds: u64, mut holds: impl FnMut() -> bool) -> bool {
    let start = Instant::now();
    while !holds() {
        if start.elapsed() > Duration::from_secs(seconds) {
            return false;
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    true
}

/// Sends a signal to a process, or with a negative number to a group. Returns whether there is one.
/// The program `kill` is not on every machine.
pub fn send(signal: i32, whom: i32) -> bool {
    // SAFETY: only sends a signal; whom is a process that the test has started.
    unsafe { libc::kill(whom, signal) == 0 }
}

/// The living processes that have `setting` (`NAME=value`) in the environment they were started
/// with. Children inherit it, so this finds whatever a command has left behind.
#[cfg(target_os = "linux")]
pub fn processes_with(setting: &str) -> Vec<String> {
    let mut found = Vec::new();
    for entry in fs::read_dir("/proc").unwrap().flatten() {
        // Zombies have an empty environment here, so they are not found.
        let environment = fs::read(entry.path().join("environ")).unwrap_or_default();
        if environment.split(|&b| b == 0).any(|line| line == setting.as_bytes()) {
            let command = fs::read(entry.path().join("cmdline")).unwrap_or_default();
            let command = String::from_utf8_lossy(&command).replace('\0', " ");
            found.push(format!("{}: {command}", name_of(&entry.path())));
        }
    }
    found
}

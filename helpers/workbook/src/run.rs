//! `cargo workbook run`: executes notebooks without a browser, on the kernel that readers use.

use crate::chapter::{is_chapter, name_of};
use crate::child;
use crate::environment::Environment;
use crate::kernel;
use crate::layout::Layout;
use crate::locks;
use crate::setup;
use crate::ui;
use crate::verdict::{Cause, Execution, judge, strip_colours};
use anyhow::{Context, Result, bail};
use indicatif::{ProgressBar, ProgressStyle};
use platform::machine::machine;
use serde::Deserialize;
use serde_json::json;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{ExitCode, Stdio};
use std::time::Duration;

const SCRIPT: &str = include_str!("run.py");

#[derive(clap::Args)]
pub struct Arguments {
    /// Notebooks: files, or chapters such as `06`; all chapters if none
    notebooks: Vec<String>,
    /// Write the outputs into the notebooks, stamped with machine and date, if no cell failed
    #[arg(long)]
    save: bool,
    /// How many seconds one cell may take
    #[arg(long, default_value_t = 300)]
    timeout: u64,
}

/// What `run.py` reports, a line each.
#[derive(Deserialize)]
#[serde(tag = "event", rename_all = "lowercase")]
enum Event {
    /// The kernel answers.
    Ready {
        seconds: f64,
    },
    Start {
        number: usize,
        count: usize,
        first_line: String,
    },
    Cell(Execution),
    /// There is no kernel to run anything on.
    NoKernel {
        reason: String,
    },
    /// The last cell again, with what its threads printed after it had ended.
    Late(Execution),
    End,
}

/// One executed notebook.
struct Report {
    /// Seconds from the kernel's start to its first answer.
    ready: f64,
    cells: Vec<(Execution, Option<Cause>)>,
    /// How many code cells the notebook has; more than `cells` when it ended early.
    count: usize,
}

impl Report {
    fn failures(&self) -> impl Iterator<Item = (&Execution, &Cause)> {
        self.cells
            .iter()
            .filter_map(|(cell, cause)| cause.as_ref().map(|cause| (cell, cause)))
    }

    /// What was left out and what mends it, a line for each reason, with the cells in question.
    fn left_out(&self, name: &str) -> Vec<String> {
        let mut cells_by_reason: Vec<(&str, Vec<String>)> = Vec::new();
        for (cell, _) in &self.cells {
            for reason in &cell.left_out {
                let number = cell.number.to_string();
                match cells_by_reason
                    .iter_mut()
                    .find(|(known, _)| known == reason)
                {
                    Some((_, cells)) => cells.push(number),
                    None => cells_by_reason.push((reason, vec![number])),
                }
            }
        }
        let line = |(reason, cells): (&str, Vec<String>)| {
            let cells_word = if cells.len() == 1 { "cell" } else { "cells" };
            format!("{name}, {cells_word} {}: {reason}", cells.join(", "))
        };
        cells_by_reason.into_iter().map(line).collect()
    }

    fn complete(&self) -> bool {
        self.cells.len() == self.count && self.failures().next().is_none()
    }
}

/// Runs the named notebooks, or all chapters.
pub fn run(layout: &Layout, arguments: Arguments) -> Result<ExitCode> {
    let notebooks = find_notebooks(layout, &arguments.notebooks)?;
    let _open = locks::share(layout, locks::OPEN)?;
    let environment = setup::ensure(layout)?;
    let mut failed = Vec::new();
    let mut left_out = Vec::new();
    for notebook in &notebooks {
        let name = name_of(notebook);
        println!("\n{name}");
        // A name that is no file of the reader's.
        let aside = notebook.with_file_name(format!(".{name}.{}.part", std::process::id()));
        let request = json!({
            "notebook": notebook,
            "folder": layout.notebooks(),
            "kernels": layout.kernels(),
            "timeout": arguments.timeout,
            "output": arguments.save.then_some(&aside),
            "stamp": machine().stamp(),
        });
        let report = execute(&environment, without_nulls(request), None)?;
        print_report(&report);
        for (cell, cause) in report.failures() {
            failed.push(format!("{name}, cell {}: {cause}", cell.number));
        }
        left_out.extend(report.left_out(&name));
        if !report.complete() && report.failures().next().is_none() {
            failed.push(format!("{name}: the run ended before all cells were done"));
        }
        if arguments.save {
            if report.complete() {
                fs::rename(&aside, notebook)?;
                println!("saved");
                if !report.left_out(&name).is_empty() {
                    println!("its cells that were left out have no results in the file now");
                }
            } else {
                let _ = fs::remove_file(&aside);
                println!("not saved");
            }
        }
    }
    kernel::sweep(layout)?;
    println!();
    for line in &left_out {
        println!("– left out: {line}");
    }
    if failed.is_empty() {
        println!("✓ {} notebook(s), no failed cell", notebooks.len());
        return Ok(ExitCode::SUCCESS);
    }
    for line in &failed {
        println!("✗ {line}");
    }
    Ok(ExitCode::FAILURE)
}

/// Executes cells without a notebook file and returns the failures as text. The kernel compiles in
/// `folder`; the cell at `failing`, if any, must fail.
pub fn execute_cells(
    layout: &Layout,
    environment: &Environment,
    cells: &[&str],
    failing: Option<usize>,
    folder: &Path,
) -> Result<Vec<String>> {
    let tags = |at: usize| match failing == Some(at) {
        true => vec!["raises-exception"],
        false => vec![],
    };
    let cells: Vec<_> = cells
        .iter()
        .enumerate()
        .map(|(at, source)| json!({ "source": source, "tags": tags(at) }))
        .collect();
    let request = json!({
        "cells": cells,
        "folder": layout.notebooks(),
        "kernels": layout.kernels(),
        "timeout": 3600,
        "stamp": "",
    });
    let report = execute(environment, request, Some(folder))?;
    let mut failures: Vec<String> = report
        .failures()
        .map(|(cell, cause)| format!("{cause}\n{}", strip_colours(&cell.detail)))
        .collect();
    if failures.is_empty() && !report.complete() {
        failures.push("the run ended before all cells were done".to_owned());
    }
    Ok(failures)
}

fn execute(
    environment: &Environment,
    mut request: serde_json::Value,
    folder: Option<&Path>,
) -> Result<Report> {
    request["last_words"] = kernel::LAST_WORDS.into();
    let mut command = environment.command();
    command
        .args(["-c", SCRIPT])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped());
    if let Some(folder) = folder {
        command.env(kernel::FOLDER_VARIABLE, folder);
    }
    child::tie(&mut command, libc::SIGTERM, true);
    let mut child = command.spawn().context("Python did not start")?;
    // On Ctrl-C Python shuts the kernel down; wait for that.
    child::pass_signals(&child, libc::SIGINT, libc::SIGTERM);
    if let Some(mut stdin) = child.stdin.take() {
        stdin.write_all(request.to_string().as_bytes())?;
    }
    let live = live_line();
    let mut report = Report {
        ready: 0.0,
        cells: Vec::new(),
        count: 0,
    };
    let mut ended = false;
    let mut no_kernel = None;
    let stdout = child.stdout.take().context("Python has no output")?;
    for line in BufReader::new(stdout).lines() {
        let line = line?;
        let event: Event = serde_json::from_str(&line)
            .with_context(|| format!("not understood from the notebook's run: {line}"))?;
        match event {
            Event::Ready { seconds } => report.ready = seconds,
            Event::NoKernel { reason } => no_kernel = Some(reason),
            Event::Start {
                number,
                count,
                first_line,
            } => {
                report.count = count;
                live.set_message(format!("cell {number} of {count}: {first_line}"));
            }
            Event::Cell(cell) => {
                let cause = judge(&cell);
                report.cells.push((cell, cause));
            }
            Event::Late(cell) => {
                if let Some((last, cause)) = report.cells.last_mut()
                    && cause.is_none()
                {
                    last.stderr = cell.stderr;
                    last.left_out = cell.left_out;
                    *cause = judge(last);
                }
            }
            Event::End => ended = true,
        }
    }
    live.finish_and_clear();
    let status = child::wait(&mut child)?;
    if status.code() == Some(130) {
        bail!("interrupted");
    }
    if let Some(reason) = no_kernel {
        bail!(
            "the Rust kernel did not start: {reason}\n`cargo workbook doctor` says what is missing; \
             if it finds nothing, `cargo workbook clean` and then `cargo workbook setup` make \
             everything anew"
        );
    }
    if !ended && report.failures().next().is_none() {
        bail!("the notebook's run ended unexpectedly ({status})");
    }
    Ok(report)
}

fn live_line() -> ProgressBar {
    let live = ProgressBar::new_spinner();
    if let Ok(style) = ProgressStyle::with_template("  {spinner} {elapsed:>4}  {wide_msg}") {
        live.set_style(style);
    }
    live.enable_steady_tick(Duration::from_millis(120));
    live
}

fn print_report(report: &Report) {
    let rows: Vec<Vec<String>> = report
        .cells
        .iter()
        .map(|(cell, cause)| {
            vec![
                cell.number.to_string(),
                cell.compiled.map_or(String::new(), |s| format!("{s:.1}")),
                format!("{:.1}", cell.seconds),
                match cause {
                    None if !cell.left_out.is_empty() => "– left out".to_owned(),
                    None => "✓".to_owned(),
                    Some(cause) => format!("✗ {cause}"),
                },
            ]
        })
        .collect();
    print!(
        "{}",
        ui::table(&["cell", "compile s", "total s", "state"], &rows)
    );
    for number in report.cells.len() + 1..=report.count {
        println!("{number:<4}  not run");
    }
    println!("{}", start_and_compile_times(report));
}

/// The two figures a reader feels: the wait for the first cell, and for each edited one.
fn start_and_compile_times(report: &Report) -> String {
    let Some((first, _)) = report.cells.first() else {
        return "no code cells".to_owned();
    };
    let mut later: Vec<f64> = report
        .cells
        .iter()
        .skip(1)
        .filter_map(|(cell, _)| cell.compiled)
        .collect();
    later.sort_by(f64::total_cmp);
    let mut text = format!(
        "kernel start to the end of the first cell: {:.1} s",
        report.ready + first.seconds
    );
    if let (Some(median), Some(slowest)) = (later.get(later.len() / 2), later.last()) {
        text += &format!("; later cells compile in {median:.1} s (median), {slowest:.1} s at most");
    }
    text
}

/// Files as they are named, chapters by their number or name, all chapters if nothing is named.
pub fn find_notebooks(layout: &Layout, named: &[String]) -> Result<Vec<PathBuf>> {
    let chapters = chapters(layout)?;
    if named.is_empty() {
        return Ok(chapters);
    }
    let mut found = Vec::new();
    for name in named {
        let file = Path::new(name);
        if file.is_file() {
            found.push(fs::canonicalize(file)?);
            continue;
        }
        let like = named_like(chapters.iter().map(|c| name_of(c)), name, "notebook")?;
        found.extend(like.iter().map(|name| layout.notebooks().join(name)));
    }
    Ok(found)
}

/// The names that begin as the reader wrote: a chapter in two parts has two, so `07` means 07a and
/// 07b. An error lists what there is.
pub fn named_like(
    known: impl Iterator<Item = String>,
    wanted: &str,
    what: &str,
) -> Result<Vec<String>> {
    let known: Vec<String> = known.collect();
    let like = known.iter().filter(|name| name.starts_with(wanted));
    let found: Vec<String> = like.cloned().collect();
    if found.is_empty() {
        let names = known.join(", ");
        bail!("there is no {what} “{wanted}”; the chapters are {names}");
    }
    Ok(found)
}

/// The chapters in their order; a reader's own notebooks and copies are not among them.
pub fn chapters(layout: &Layout) -> Result<Vec<PathBuf>> {
    let mut chapters = Vec::new();
    for entry in fs::read_dir(layout.notebooks())? {
        let path = entry?.path();
        if is_chapter(&path) {
            chapters.push(path);
        }
    }
    chapters.sort();
    Ok(chapters)
}

fn without_nulls(mut request: serde_json::Value) -> serde_json::Value {
    if let Some(fields) = request.as_object_mut() {
        fields.retain(|_, value| !value.is_null());
    }
    request
}

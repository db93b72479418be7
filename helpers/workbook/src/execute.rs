//! Executes notebooks: `run.py` does it, with Jupyter's own client, and what it reports is judged here.

use crate::child;
use crate::environment::Environment;
use crate::kernel;
use crate::layout::Layout;
use crate::ui;
use crate::verdict::{Cause, Execution, judge};
use anstream::adapter::strip_str;
use anyhow::{Context, Result, bail};
use serde::Deserialize;
use serde_json::json;
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::Stdio;

const SCRIPT: &str = include_str!("run.py");

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
pub struct Report {
    /// Seconds from the kernel's start to its first answer.
    pub ready: f64,
    /// The cells that were executed, and why each has failed, if it has.
    pub cells: Vec<(Execution, Option<Cause>)>,
    /// How many code cells the notebook has; more than `cells` when it ended early.
    pub count: usize,
}

impl Report {
    /// The cells that have failed.
    pub fn failures(&self) -> impl Iterator<Item = (&Execution, &Cause)> {
        self.cells.iter().filter_map(|(cell, cause)| cause.as_ref().map(|cause| (cell, cause)))
    }

    /// What was left out and what mends it, a line for each reason, with the cells in question.
    pub fn left_out(&self, name: &str) -> Vec<String> {
        let mut cells_by_reason: BTreeMap<&str, Vec<String>> = BTreeMap::new();
        for (cell, _) in &self.cells {
            for reason in &cell.left_out {
                let cells = cells_by_reason.entry(reason).or_default();
                cells.push(cell.number.to_string());
            }
        }
        let line = |(reason, cells): (&str, Vec<String>)| {
            let cells_word = if cells.len() == 1 { "cell" } else { "cells" };
            format!("{name}, {cells_word} {}: {reason}", cells.join(", "))
        };
        cells_by_reason.into_iter().map(line).collect()
    }

    /// Whether all cells were executed, and none has failed.
    pub fn complete(&self) -> bool {
        self.cells.len() == self.count && self.failures().next().is_none()
    }
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
        .map(|(cell, cause)| format!("{cause}\n{}", strip_str(&cell.detail)))
        .collect();
    if failures.is_empty() && !report.complete() {
        failures.push("the run ended before all cells were done".to_owned());
    }
    Ok(failures)
}

/// Has `run.py` execute what `request` says. The kernel compiles in `folder`, or in a copy of the seed.
pub fn execute(
    environment: &Environment,
    mut request: serde_json::Value,
    folder: Option<&Path>,
) -> Result<Report> {
    request["last_words"] = kernel::LAST_WORDS.into();
    let mut command = environment.command();
    command
        .args(["-c", SCRIPT])
        .arg(request.to_string())
        .stdin(Stdio::null())
        .stdout(Stdio::piped());
    if let Some(folder) = folder {
        command.env(kernel::FOLDER_VARIABLE, folder);
    }
    child::set_apart(&mut command);
    let mut child = command.spawn().context("Python did not start")?;
    // On Ctrl-C Python shuts the kernel down; wait for that.
    child::pass_signals(&child, libc::SIGINT, libc::SIGTERM);
    let live = ui::spinner();
    let mut report = Report { ready: 0.0, cells: Vec::new(), count: 0 };
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
            Event::Start { number, count, first_line } => {
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

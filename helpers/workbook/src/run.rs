//! `cargo workbook run`: executes notebooks without a browser, on the kernel that readers use.

use crate::chapter::name_of;
use crate::execute::{Report, execute};
use crate::kernel;
use crate::layout::Layout;
use crate::locks;
use crate::notebooks::find_notebooks;
use crate::setup;
use anyhow::Result;
use platform::machine::machine;
use serde_json::json;
use std::fs;
use std::process::ExitCode;

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
        let report = execute(&environment, request, None)?;
        print_report(&report);
        failed.extend(told(&name, &report));
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

/// The first failures of a notebook, a line each. A cell that does not compile takes many others with
/// it, and what they say buries the cause.
fn told(name: &str, report: &Report) -> Vec<String> {
    const MOST: usize = 20;
    let lines =
        report.failures().map(|(cell, cause)| format!("{name}, cell {}: {cause}", cell.number));
    let mut lines: Vec<String> = lines.collect();
    if lines.len() > MOST + 1 {
        let more = lines.split_off(MOST).len();
        lines.push(format!(
            "{name}: {more} more cells, see above; what failed first may be the cause of all"
        ));
    }
    lines
}

fn print_report(report: &Report) {
    println!("cell  compile s  total s  state");
    for (cell, cause) in &report.cells {
        let compiled = cell.compiled.map_or(String::new(), |s| format!("{s:.1}"));
        let state = match cause {
            None if !cell.left_out.is_empty() => "– left out".to_owned(),
            None => "✓".to_owned(),
            Some(cause) => format!("✗ {cause}"),
        };
        let (number, seconds) = (cell.number, cell.seconds);
        println!("{number:<4}  {compiled:>9}  {seconds:>7.1}  {state}");
    }
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
    let mut later: Vec<f64> =
        report.cells.iter().skip(1).filter_map(|(cell, _)| cell.compiled).collect();
    later.sort_by(f64::total_cmp);
    let mut text =
        format!("kernel start to the end of the first cell: {:.1} s", report.ready + first.seconds);
    if let (Some(median), Some(slowest)) = (later.get(later.len() / 2), later.last()) {
        text += &format!("; later cells compile in {median:.1} s (median), {slowest:.1} s at most");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::verdict::tests::cell;
    use crate::verdict::{Cause, Execution};

    /// What is said of a chapter in which the first `failed` of thirty cells failed.
    fn lines(failed: usize) -> Vec<String> {
        let cells = (1..=30).map(|number| {
            let cell = Execution { number, ..cell() };
            (cell, (number <= failed).then_some(Cause::TimeUp))
        });
        told("06", &Report { ready: 1.0, cells: cells.collect(), count: 30 })
    }

    #[test]
    fn the_first_failures_are_told_and_the_others_counted() {
        assert!(lines(0).is_empty());
        assert_eq!(lines(1), [format!("06, cell 1: {}", Cause::TimeUp)]);
        assert_eq!(lines(21).len(), 21);
        assert!(lines(21)[20].starts_with("06, cell 21: "));
        assert_eq!(lines(22).len(), 21);
        assert!(lines(22)[20].starts_with("06: 2 more cells"));
    }
}

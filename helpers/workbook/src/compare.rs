//! `cargo workbook compare`: measures the workbook's ways beside those of other libraries.
//!
//! The measuring programs are examples of `helpers`, so that this program need not be built with
//! it. They have a Python environment of their own: the readers' one stays small.

use crate::environment::{self, Environment};
use crate::layout::Layout;
use crate::setup;
use anyhow::{Context, Result, bail};
use std::ffi::OsString;
use std::io::{BufRead, BufReader};
use std::process::{Command, ExitCode, Stdio};

/// The libraries to compare with.
const PACKAGES: [&str; 4] = [
    "pillow>=12,<14",
    "opencv-python-headless>=4.10,<6",
    "pyvips[binary]>=3,<4",
    "numpy>=2,<3",
];

#[derive(clap::Subcommand)]
pub enum What {
    /// X-rays to thumbnails: Pillow, OpenCV, libvips and the ways of chapter 06
    ///
    /// Works on the X-rays that WORKBOOK_XRAYS names, otherwise on the synthetic ones. Every
    /// variant runs once in every round, on one core; then ours on all cores. A mark that is not
    /// met is said plainly but is no error: a busy machine must not fail anything.
    Images {
        /// How many rounds
        #[arg(long, default_value_t = 7, value_parser = clap::value_parser!(u32).range(1..))]
        runs: u32,
        /// Print one line of JSON, with every round's seconds, instead of a table
        #[arg(long)]
        json: bool,
    },
}

/// Runs one comparison.
pub fn compare(layout: &Layout, what: What) -> Result<ExitCode> {
    let What::Images { runs, json } = what;
    let environment = python_of_the_peers(layout)?;
    // The cargo that started this program, and the same profile: nothing is built twice.
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| OsString::from("cargo"));
    let mut command = Command::new(cargo);
    command
        .args(["run", "--quiet", "--manifest-path"])
        .arg(layout.root.join("Cargo.toml"))
        .args(["--package", "helpers", "--example", "compare-images"])
        .args(["--", "--runs"])
        .arg(runs.to_string())
        .env("WORKBOOK_PYTHON", environment.python())
        .env_remove("PYTHONHOME")
        .stdin(Stdio::null());
    if json {
        command.arg("--json").stdout(Stdio::piped());
    }
    let mut child = command.spawn().context("cargo did not start")?;
    if let Some(output) = child.stdout.take() {
        for line in BufReader::new(output).lines() {
            let line = line?;
            // That X-rays are being drawn, say, is no part of the document.
            match line.starts_with('{') {
                true => println!("{line}"),
                false => eprintln!("{line}"),
            }
        }
    }
    let status = child.wait()?;
    if !status.success() {
        bail!("the comparison ended with {status}");
    }
    Ok(ExitCode::SUCCESS)
}

/// The environment with the other libraries; made at the first comparison.
fn python_of_the_peers(layout: &Layout) -> Result<Environment> {
    let _lock = setup::lock(layout)?;
    let environment = Environment {
        prefix: layout.compare_venv(),
        conda: false,
    };
    let key = format!("{}\n{}", environment.prefix.display(), PACKAGES.join("\n"));
    if environment.python().exists() && setup::is_done(layout, "compare", &key) {
        return Ok(environment);
    }
    environment::install(
        &environment,
        "Python's image libraries, to compare with",
        &PACKAGES.map(str::to_owned),
    )?;
    setup::done(layout, "compare", &key)?;
    Ok(environment)
}

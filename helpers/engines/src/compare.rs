//! All engines on the same work in one run. What measures is Python, as most of them are; here is what
//! it is given.

use crate::cluster::{ClusterError, ask, cluster_folder, cluster_program, runs_folder};
use platform::machine::machine;
use platform::paths::root;
use platform::program::command;
use platform::tied;
use serde_json::{Value, json};
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Command;

/// What a reader without the engines from Python is told.
const NOT_COMPARED: &str = "Not run here: Celery, Dask and PySpark are not installed, and the program that \
                            compares all engines with them. `cargo workbook setup --cluster` in a \
                            terminal installs them, once.";

/// What `cargo workbook compare engines` measures, with two workers each, which takes minutes: its
/// table as `table`, and in `engines` what it found of each. The engines that are not installed are
/// `missing`, and without those from Python there is nothing.
pub fn compare_engines(photos: &[PathBuf], readings: &Path) -> Result<Value, ClusterError> {
    let python = cluster_folder().with_file_name("python-engines").join("bin/python");
    if !python.exists() {
        return Ok(json!({ "table": NOT_COMPARED, "engines": [] }));
    }
    let (mut comparison, request) = comparison(python.as_os_str(), photos, readings);
    comparison.arg("--json");
    ask(comparison, request.as_bytes())
}

/// The program that compares, and what it is to read.
pub fn comparison(python: &OsStr, photos: &[PathBuf], readings: &Path) -> (Command, String) {
    let mut program = command(python);
    // It takes minutes: nobody reads what it finds when its notebook or terminal is gone.
    tied::tie(&mut program, libc::SIGTERM);
    program.arg("-IB").arg(root().join("helpers/engines/python/compare.py"));
    let request = json!({
        "xrays": photos,
        "readings": readings,
        "machine": machine().stamp(),
        "runs": runs_folder(),
        "cluster": cluster_program("cluster").unwrap_or_default(),
        "resize": cluster_program("resize-files").unwrap_or_default(),
    });
    (program, request.to_string() + "\n")
}

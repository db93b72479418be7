//! Systems that hand work to processes. What measures is Python, as most of them are; here is what they
//! are given: this workbook's X-rays and readings.

use crate::session::in_words;
use helpers::engines::cluster_program;
use helpers::machine::machine;
use helpers::paths::root;
use helpers::prelude::*;
use helpers::readings::readings;
use helpers::xrays::{Readable, xrays};
use serde_json::json;
use std::io::Write;
use std::process::{Command, Stdio};

/// Runs the comparison, which prints what it found.
pub fn compare(json: bool) -> Result<(), String> {
    let photos = xrays().map_err(in_words)?.readable().map_err(in_words)?.spread(sized(48, 240));
    let data = readings(sized(60_000, 600_000)).map_err(in_words)?;
    let request = json!({
        "xrays": photos.paths(),
        "readings": data.folder(),
        "machine": machine().stamp(),
        "runs": root().join("target/workbook/cluster/runs"),
        "cluster": cluster_program("cluster").unwrap_or_default(),
        "resize": cluster_program("resize-files").unwrap_or_default(),
    });
    let python = std::env::var_os("WORKBOOK_PYTHON").ok_or("no Python was named")?;
    let mut process = Command::new(python)
        .arg("-IB")
        .arg(root().join("helpers/engines/python/compare.py"))
        .args(json.then_some("--json"))
        .stdin(Stdio::piped())
        .spawn()
        .map_err(in_words)?;
    let input = process.stdin.take().ok_or("it reads nothing")?;
    writeln!(&input, "{request}").map_err(in_words)?;
    drop(input);
    match process.wait().map_err(in_words)? {
        status if status.success() => Ok(()),
        status => Err(format!("the comparison ended with {status}")),
    }
}

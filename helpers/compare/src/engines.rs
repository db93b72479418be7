//! Systems that hand work to processes, on this workbook's X-rays and readings.

use crate::session::in_words;
use helpers::engines::comparison;
use helpers::prelude::*;
use helpers::readings::readings;
use helpers::xrays::{Readable, xrays};
use std::io::Write;
use std::process::Stdio;

/// Runs the comparison, which prints what it found.
pub fn compare(json: bool) -> Result<(), String> {
    let photos = xrays().map_err(in_words)?.readable().map_err(in_words)?.spread(sized(48, 240));
    let data = readings(sized(60_000, 600_000)).map_err(in_words)?;
    let python = std::env::var_os("WORKBOOK_PYTHON").ok_or("no Python was named")?;
    let (mut program, request) = comparison(&python, &photos.paths(), data.folder());
    let mut process =
        program.args(json.then_some("--json")).stdin(Stdio::piped()).spawn().map_err(in_words)?;
    let input = process.stdin.take().ok_or("it reads nothing")?;
    (&input).write_all(request.as_bytes()).map_err(in_words)?;
    drop(input);
    match process.wait().map_err(in_words)? {
        status if status.success() => Ok(()),
        status => Err(format!("the comparison ended with {status}")),
    }
}

//! Finds the program that workers run: it is a part of the command `cargo workbook`.

use super::error::PoolError;
use crate::paths::{root, shown};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::{Mutex, PoisonError};

/// Where the workbook's kernel says it is.
const VARIABLE: &str = "WORKBOOK_PROGRAM";

/// The program; built first where the kernel does not name one, as on a kernel that the workbook
/// did not start.
pub fn program() -> Result<PathBuf, PoolError> {
    static FOUND: Mutex<Option<PathBuf>> = Mutex::new(None);
    let mut found = FOUND.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(program) = found.as_ref().filter(|program| program.exists()) {
        return Ok(program.clone());
    }
    let named = std::env::var_os(VARIABLE).map(PathBuf::from);
    let program = match named.filter(|program| program.exists()) {
        Some(program) => program,
        None => build()?,
    };
    Ok(found.insert(program).clone())
}

fn build() -> Result<PathBuf, PoolError> {
    let program = root().join("target/debug/workbook");
    if !program.exists() {
        println!("Building the program that workers run; this takes about a minute, once.");
    }
    let mut cargo = Command::new("cargo");
    cargo
        .args(["build", "--quiet", "--package", "workbook"])
        .current_dir(root())
        .stdin(Stdio::null());
    for (name, _) in std::env::vars_os() {
        // The kernel's own settings are not this build's.
        let name_text = name.to_string_lossy();
        if name_text.starts_with("CARGO_") && name_text != "CARGO_HOME" || name_text == "RUSTFLAGS"
        {
            cargo.env_remove(&name);
        }
    }
    let output = cargo
        .output()
        .map_err(|error| PoolError::NoProgram(format!("cargo did not start: {error}")))?;
    match output.status.success() && program.exists() {
        true => Ok(program),
        false => Err(PoolError::NoProgram(format!(
            "{}; cargo build said: {}",
            shown(&program),
            String::from_utf8_lossy(&output.stderr).trim()
        ))),
    }
}

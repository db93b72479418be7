//! Finds the program of the command `cargo workbook`: the workers of a pool and the weather server
//! are parts of it.

use crate::names;
use crate::no_proxy::without_proxy;
use crate::paths::{root, shown};
use std::ffi::OsStr;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::{Mutex, PoisonError};

/// The program; built first where the kernel does not name one, as on a kernel that the workbook
/// did not start. An error says what was tried.
pub fn program() -> Result<PathBuf, String> {
    static FOUND: Mutex<Option<PathBuf>> = Mutex::new(None);
    let mut found = FOUND.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(program) = found.as_ref().filter(|program| program.exists()) {
        return Ok(program.clone());
    }
    let named = std::env::var_os(names::PROGRAM).map(PathBuf::from);
    let program = match named.filter(|program| program.exists()) {
        Some(program) => program,
        None => build()?,
    };
    Ok(found.insert(program).clone())
}

/// A command to start a process of the notebook's with. Without the variable that this takes away,
/// a program would believe to be the kernel's own child. And where the reader has a proxy, what is
/// on this machine, such as the weather server, is not asked for through it.
pub fn command(program: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new(program);
    command.env_remove("EVCXR_IS_RUNTIME");
    for (name, value) in without_proxy(|name| std::env::var(name).ok()) {
        command.env(name, value);
    }
    command
}

fn build() -> Result<PathBuf, String> {
    let program = root().join("target/debug/workbook");
    if !program.exists() {
        println!("Building the program `workbook`; this takes about a minute, once.");
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
    let output = cargo.output().map_err(|error| format!("cargo did not start: {error}"))?;
    match output.status.success() && program.exists() {
        true => Ok(program),
        false => Err(format!(
            "{}; cargo build said: {}",
            shown(&program),
            String::from_utf8_lossy(&output.stderr).trim()
        )),
    }
}

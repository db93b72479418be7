//! Any Python: starting one so that nothing of the reader's shell changes what it does, and finding one.

use crate::child::output_of;
use anyhow::{Result, bail};
use std::cmp::Reverse;
use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The oldest Python that the packages run on.
pub const OLDEST_PYTHON: (u32, u32) = (3, 11);

/// A command for any Python, in which nothing of the reader's shell decides what it imports
/// (`PYTHONPATH`, `PYTHONHOME`, `PYTHONSTARTUP`, …), nor packages in the reader's home. Everything
/// that starts a Python starts it by this.
pub fn python(program: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new(program);
    for (name, _) in std::env::vars_os() {
        if name.to_str().is_some_and(disturbs_python) {
            command.env_remove(&name);
        }
    }
    command.env("PYTHONNOUSERSITE", "1");
    command
}

/// Whether a variable changes what a Python does. Where it puts compiled files may be a need of the
/// machine, and changes nothing.
pub fn disturbs_python(name: &str) -> bool {
    const HARMLESS: [&str; 3] =
        ["PYTHONDONTWRITEBYTECODE", "PYTHONPYCACHEPREFIX", "PYTHONUNBUFFERED"];
    name.starts_with("PYTHON") && !HARMLESS.contains(&name) || name == "__PYVENV_LAUNCHER__"
}

/// Whether a Python runs a statement without an error.
pub fn works(program: &Path, statement: &str) -> bool {
    let mut python = python(program);
    // Without -P, files of the reader's in the current folder would be imported.
    python.arg("-P");
    ask(python, statement, [""; 0]).is_ok()
}

/// Has a Python run a script, and returns what that prints.
///
/// # Errors
///
/// If Python does not start, or if it ends with an error: then with what it said. One that takes ten
/// minutes hangs, and the system ends it by the signal SIGALRM.
pub fn ask(
    mut python: Command,
    script: &str,
    arguments: impl IntoIterator<Item = impl AsRef<OsStr>>,
) -> Result<String> {
    let script = format!("import signal; signal.alarm(600)\n{script}");
    output_of(python.args(["-c", &script]).args(arguments))
}

/// A Python that can make the environment: 3.11 or newer.
pub fn find_python() -> Result<PathBuf> {
    find_python_in(&std::env::var_os("PATH").unwrap_or_default())
}

fn find_python_in(path: &OsStr) -> Result<PathBuf> {
    // Its base where it is the Python of an environment: one of those may be about to be renewed.
    const QUESTION: &str = "import sys; print(getattr(sys, '_base_executable', None) or sys.executable, *sys.version_info[:2], sep='\\n')";
    let mut seen = Vec::new();
    for candidate in python_candidates(path) {
        let Ok(text) = ask(python(&candidate), QUESTION, [""; 0]) else {
            continue;
        };
        let lines: Vec<&str> = text.lines().collect();
        let [executable, major, minor] = lines[..] else {
            continue;
        };
        let version: (u32, u32) = (major.parse().unwrap_or(0), minor.parse().unwrap_or(0));
        if version >= OLDEST_PYTHON {
            return Ok(PathBuf::from(executable));
        }
        seen.push(format!("{} is {major}.{minor}", candidate.display()));
    }
    if seen.is_empty() {
        bail!(
            "Python was not found; install Python 3.11 or newer (Debian and Ubuntu: `sudo apt install python3 python3-venv`; macOS: `brew install python`)"
        );
    }
    bail!(
        "the workbook needs Python 3.11 or newer, and {}; install a newer one and run this again",
        seen.join(", ")
    );
}

/// The programs in `PATH` that may be a Python: the plain names first, which the reader means, then
/// every `python3.N`, the newest first.
fn python_candidates(path: &OsStr) -> Vec<PathBuf> {
    let folders: Vec<PathBuf> =
        std::env::split_paths(path).filter(|folder| !folder.as_os_str().is_empty()).collect();
    let mut candidates = Vec::new();
    for name in ["python3", "python"] {
        let programs = folders.iter().map(|folder| folder.join(name));
        candidates.extend(programs.filter(|program| program.is_file()));
    }
    let mut versions = Vec::new();
    for entry in folders.iter().flat_map(fs::read_dir).flatten().flatten() {
        let name = entry.file_name();
        let minor = name.to_str().and_then(|name| name.strip_prefix("python3."));
        if let Some(minor) = minor.and_then(|minor| minor.parse::<u32>().ok()) {
            versions.push((Reverse(minor), entry.path()));
        }
    }
    // By version only: of two alike the one that comes first in PATH is meant.
    versions.sort_by_key(|(minor, _)| *minor);
    candidates.extend(versions.into_iter().map(|(_, program)| program));
    candidates
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An executable file that answers as a Python of that version would.
    fn fake_python(folder: &Path, name: &str, version: &str) {
        let program = folder.join(name);
        let answer = format!("#!/bin/sh\necho \"$0\"; echo {version} | tr . '\\n'\n");
        fs::write(&program, answer).unwrap();
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        fs::set_permissions(&program, mode).unwrap();
    }

    #[test]
    fn any_python_that_is_new_enough_is_found() {
        let folder = tempfile::tempdir().unwrap();
        let found = || find_python_in(folder.path().as_os_str());
        assert!(found().unwrap_err().to_string().contains("was not found"));
        fake_python(folder.path(), "python3", "3.9");
        let error = found().unwrap_err().to_string();
        assert!(error.contains("3.11 or newer") && error.contains("is 3.9"), "{error}");
        for name in ["python3.14", "python3.14-config", "python3.14t", "python3.9"] {
            fake_python(folder.path(), name, "3.14");
        }
        assert_eq!(found().unwrap(), folder.path().join("python3.14"));
        fake_python(folder.path(), "python3.127", "3.127");
        assert_eq!(found().unwrap(), folder.path().join("python3.127"));
        fake_python(folder.path(), "python3", "3.12");
        assert_eq!(found().unwrap(), folder.path().join("python3"));
    }

    #[test]
    fn the_readers_python_settings_are_dropped_and_harmless_ones_stay() {
        for name in
            ["PYTHONPATH", "PYTHONHOME", "PYTHONSTARTUP", "PYTHONUSERBASE", "PYTHONWARNINGS"]
        {
            assert!(disturbs_python(name), "{name}");
        }
        for name in ["PYTHONDONTWRITEBYTECODE", "PATH", "PYENV_VERSION"] {
            assert!(!disturbs_python(name), "{name}");
        }
    }
}

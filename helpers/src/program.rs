//! Finds the program of the command `cargo workbook`: the workers of a pool and the weather server
//! are parts of it.

use crate::paths::{root, shown};
use std::ffi::OsStr;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::{Mutex, PoisonError};

/// Where the workbook's kernel says it is.
pub(crate) const VARIABLE: &str = "WORKBOOK_PROGRAM";

/// The program; built first where the kernel does not name one, as on a kernel that the workbook
/// did not start. An error says what was tried.
pub fn program() -> Result<PathBuf, String> {
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

/// This machine's names for itself.
const LOOPBACK: [&str; 3] = ["127.0.0.1", "localhost", "::1"];

/// What `no_proxy` must be for a process that asks this machine itself, in both spellings: some
/// programs know only one. Nothing where there is no proxy.
fn without_proxy(variable: impl Fn(&str) -> Option<String>) -> Vec<(&'static str, String)> {
    let filled = |name: &str| variable(name).filter(|value| !value.trim().is_empty());
    let proxies = [
        "http_proxy",
        "HTTP_PROXY",
        "https_proxy",
        "HTTPS_PROXY",
        "all_proxy",
        "ALL_PROXY",
    ];
    if !proxies.iter().any(|name| filled(name).is_some()) {
        return Vec::new();
    }
    [("no_proxy", "NO_PROXY"), ("NO_PROXY", "no_proxy")]
        .into_iter()
        .map(|(name, other)| {
            let listed = filled(name).or_else(|| filled(other)).unwrap_or_default();
            let entries: Vec<&str> = listed.split(',').map(str::trim).collect();
            // A star stands for every host, but only where nothing stands beside it.
            if entries == ["*"] {
                return (name, listed);
            }
            let missing = LOOPBACK.iter().filter(|host| !entries.contains(host));
            let all = entries.iter().filter(|entry| !entry.is_empty());
            let all: Vec<&str> = all.chain(missing).copied().collect();
            (name, all.join(","))
        })
        .collect()
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
    let output = cargo
        .output()
        .map_err(|error| format!("cargo did not start: {error}"))?;
    match output.status.success() && program.exists() {
        true => Ok(program),
        false => Err(format!(
            "{}; cargo build said: {}",
            shown(&program),
            String::from_utf8_lossy(&output.stderr).trim()
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_machine_is_not_asked_for_through_a_proxy() {
        let with = |variables: &[(&str, &str)]| {
            without_proxy(|name| {
                let found = variables.iter().find(|(known, _)| *known == name);
                found.map(|(_, value)| value.to_string())
            })
        };
        assert_eq!(with(&[]), []);
        assert_eq!(with(&[("no_proxy", "a.example")]), []);
        let own = "127.0.0.1,localhost,::1";
        let both = |lower: &str, upper: &str| {
            [
                ("no_proxy", lower.to_owned()),
                ("NO_PROXY", upper.to_owned()),
            ]
        };
        assert_eq!(with(&[("ALL_PROXY", "http://p")]), both(own, own));
        // What the reader listed stays, also for programs that know the other spelling.
        let listed = [
            ("https_proxy", "http://p"),
            ("NO_PROXY", "a.example, localhost"),
        ];
        let all = "a.example,localhost,127.0.0.1,::1";
        assert_eq!(with(&listed), both(all, all));
        let apart = [
            ("http_proxy", "http://p"),
            ("NO_PROXY", "a"),
            ("no_proxy", "b"),
        ];
        assert_eq!(with(&apart), both(&format!("b,{own}"), &format!("a,{own}")));
        assert_eq!(
            with(&[("http_proxy", "http://p"), ("no_proxy", "*")]),
            both("*", "*")
        );
    }
}

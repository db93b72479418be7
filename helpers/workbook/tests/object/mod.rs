//! What tests need built: shared objects that they open, and programs that they run.

// Each test target uses a part of it.
#![allow(dead_code)]

use std::path::{Path, PathBuf};
use std::process::Command;

/// Cargo, for the workbook's own packages. `cargo test` has built them; `cargo test --test …` has not.
pub fn cargo() -> Command {
    let mut cargo = Command::new(env!("CARGO"));
    cargo.current_dir(env!("CARGO_MANIFEST_DIR"));
    for (name, _) in std::env::vars_os() {
        // What cargo tells this test about its package. Build scripts of dependencies look at it,
        // and would be run again, with all that depends on them: here, and at the next build.
        let text = name.to_string_lossy();
        if text.starts_with("CARGO_PKG_") || text.starts_with("CARGO_MANIFEST_") {
            cargo.env_remove(&name);
        }
    }
    cargo
}

/// The shared object that a package is, or one of its examples.
pub fn of(package: &str, example: Option<&str>) -> PathBuf {
    let mut cargo = cargo();
    cargo
        .args(["build", "--quiet", "--package", package])
        .args(example.iter().flat_map(|name| ["--example", name]));
    let built = cargo.status().unwrap();
    assert!(built.success());
    let programs = Path::new(env!("CARGO_BIN_EXE_workbook")).parent().unwrap();
    let ending = std::env::consts::DLL_SUFFIX;
    match example {
        Some(name) => programs.join(format!("examples/lib{}{ending}", name.replace('-', "_"))),
        None => programs.join(format!("lib{package}{ending}")),
    }
}

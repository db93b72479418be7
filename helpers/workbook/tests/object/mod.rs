//! Shared objects, for tests that open one.

use std::path::{Path, PathBuf};
use std::process::Command;

/// The shared object of an example. `cargo test` has built it; `cargo test --test …` has not.
pub fn of_example(package: &str, example: &str) -> PathBuf {
    let built = Command::new(env!("CARGO"))
        .args(["build", "--quiet", "--package", package])
        .args(["--example", example])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .status()
        .unwrap();
    assert!(built.success());
    let programs = Path::new(env!("CARGO_BIN_EXE_workbook")).parent().unwrap();
    let name = example.replace('-', "_");
    let ending = std::env::consts::DLL_SUFFIX;
    programs.join(format!("examples/lib{name}{ending}"))
}

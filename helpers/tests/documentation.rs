//! Do the examples in the documentation of the crates run?
//!
//! `cargo test` itself would run them after all other tests, and with that after the list of what
//! was not tested, with which it is to end.

use std::process::Command;

#[test]
fn every_example_runs() {
    let output = Command::new(env!("CARGO"))
        .args(["test", "--workspace", "--doc"])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}{errors}");
    let examples =
        said.lines().filter(|line| line.starts_with("test ") && line.ends_with(" ... ok")).count();
    assert!(examples > 40, "only {examples} examples ran:\n{said}{errors}");
}

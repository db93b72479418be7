//! Do the examples in the documentation of `helpers` run?
//!
//! `cargo test` itself would run them after all other tests, and with that after the list of what
//! was not tested, with which it is to end.

use std::process::Command;

#[test]
fn every_example_runs() {
    let output = Command::new(env!("CARGO"))
        .args(["test", "--package", "helpers", "--doc"])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}{errors}");
    let examples = said
        .lines()
        .filter(|line| line.starts_with("test ") && line.ends_with(" ... ok"))
        .count();
    assert!(
        examples > 20,
        "only {examples} examples ran:\n{said}{errors}"
    );
}

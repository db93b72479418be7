//! Do the other commands do what they say? `reset` is tested beside its code, on a scratch clone.

use crate::common::{places, root, set_up, text_of, workbook};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// What setup makes, each file with the time of its last change.
fn made() -> Vec<(PathBuf, SystemTime)> {
    let mut found = Vec::new();
    for folder in ["target/workbook/stamps", ".venv/share/jupyter", ".venv/bin"] {
        collect(&root().join(folder), &mut found);
    }
    let seed = places().seed.clone();
    found.push((
        seed.clone(),
        fs::metadata(&seed).unwrap().modified().unwrap(),
    ));
    found.sort();
    found
}

fn collect(folder: &Path, found: &mut Vec<(PathBuf, SystemTime)>) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        if entry.path().is_dir() {
            collect(&entry.path(), found);
        } else if let Ok(facts) = entry.metadata() {
            found.push((entry.path(), facts.modified().unwrap()));
        }
    }
}

#[test]
fn a_second_setup_does_nothing() {
    set_up();
    let before = made();
    let output = workbook().arg("setup").output().unwrap();
    assert!(output.status.success(), "{}", text_of(&output));
    let said = text_of(&output);
    assert!(!said.contains('→'), "it did something again:\n{said}");
    assert_eq!(made(), before);
}

#[test]
fn the_doctor_finds_nothing_missing_and_lists_the_settings() {
    set_up();
    let output = workbook().arg("doctor").output().unwrap();
    let said = text_of(&output);
    assert!(output.status.success(), "{said}");
    assert!(!said.contains('✗'), "{said}");
    for thing in ["Rust", "jupyterlab", "kernelspec", "warm start", "ready ("] {
        assert!(said.contains(thing), "{thing} in\n{said}");
    }
    assert!(said.contains("WORKBOOK_XRAYS"), "{said}");
    let size = said.lines().find(|line| line.contains("WORKBOOK_SIZE"));
    assert!(size.is_some_and(|line| line.ends_with("small")), "{said}");
}

#[test]
fn each_command_has_its_help() {
    let output = workbook().arg("--help").output().unwrap();
    let said = text_of(&output);
    for command in ["setup", "lab", "run", "reset", "compare", "doctor", "clean"] {
        assert!(said.contains(&format!("\n  {command}")), "{said}");
        let help = workbook().args([command, "--help"]).output().unwrap();
        assert!(help.status.success(), "{}", text_of(&help));
        assert!(text_of(&help).contains("Usage: cargo workbook"));
    }
    assert!(!said.contains("\n  kernel"), "{said}");
}

//! Do the comparisons measure our side whatever is installed? Python's side is tested by whoever
//! runs a comparison: its packages are large.

mod object;

use serde_json::Value;
use std::process::{Command, Stdio};

/// One round of a comparison for which there is no Python.
fn measure(what: &str) -> Value {
    let object = object::of("compare", None);
    let output = Command::new(env!("CARGO_BIN_EXE_workbook"))
        .arg("measure")
        .arg(object)
        .args([what, "--runs", "1", "--json"])
        .env("WORKBOOK_PROGRAM", env!("CARGO_BIN_EXE_workbook"))
        .env("WORKBOOK_PYTHON", "/nonexistent/python")
        .env("WORKBOOK_SIZE", "small")
        .env_remove("WORKBOOK_XRAYS")
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{text}{}", String::from_utf8_lossy(&output.stderr));
    let line = text.lines().find(|line| line.starts_with('{')).unwrap();
    serde_json::from_str(line).unwrap()
}

fn texts<'a>(list: &'a Value, key: &str) -> Vec<&'a str> {
    let list = list.as_array().unwrap().iter();
    list.filter_map(|entry| entry[key].as_str()).collect()
}

/// Nothing but Python is missing.
fn expect_no_python(document: &Value, peers: usize) {
    let missing = document["missing"].as_array().unwrap();
    assert_eq!(missing.len(), peers, "{missing:?}");
    for line in missing {
        assert!(line.as_str().unwrap().contains("did not start"), "{line}");
    }
}

#[test]
fn the_pool_is_measured_without_python() {
    let document = measure("pool");
    expect_no_python(&document, 2);
    let variants = document["variants"].as_array().unwrap();
    assert_eq!(variants.len(), 6, "one of each task");
    for variant in variants {
        assert!(variant["median_seconds"].as_f64() > Some(0.0), "{variant}");
    }
    let states = texts(&document["marks"], "state");
    assert_eq!(states.len(), 3);
    assert_eq!(states[2], "cannot tell", "there is no Python to beat");
}

#[test]
fn the_network_is_measured_without_python() {
    let document = measure("network");
    expect_no_python(&document, 4);
    let variants = document["variants"].as_array().unwrap();
    assert_eq!(variants.len(), 4);
    for variant in variants {
        // No answer comes before its latency is over.
        let ideal = variant["ideal_seconds"].as_f64();
        assert!(variant["median_seconds"].as_f64() >= ideal, "{variant}");
    }
    let states = texts(&document["marks"], "state");
    assert_eq!(states.len(), 4);
    assert_eq!(states[3], "cannot tell", "there is no aiohttp to beat");
}

#[test]
fn all_ways_to_resize_make_the_same_pixels_without_python() {
    let document = measure("images");
    let on_all_cores = std::thread::available_parallelism().unwrap().get() > 1;
    expect_no_python(&document, if on_all_cores { 8 } else { 6 });
    let variants = document["variants"].as_array().unwrap();
    assert_eq!(variants.len(), if on_all_cores { 8 } else { 3 });
    for variant in variants {
        assert_eq!(variant["failed_files"], 0, "{variant}");
        assert_eq!(variant["files_unlike_one_core"], 0, "{variant}");
        assert!(variant["median_seconds"].as_f64() > Some(0.0), "{variant}");
    }
    let names = texts(&document["variants"], "name");
    assert_eq!(names.contains(&"Rust, resize, ProcessPool"), on_all_cores);
}

#[test]
fn what_cannot_be_opened_is_named() {
    let output = Command::new(env!("CARGO_BIN_EXE_workbook"))
        .args(["measure", "/nonexistent/object", "pool"])
        .output()
        .unwrap();
    assert!(!output.status.success());
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("/nonexistent/object cannot be opened"), "{said}");
}

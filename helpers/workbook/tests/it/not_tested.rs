//! Does whoever runs the tests learn what was not tested?

use crate::left_out::{Note, forget_notes, leave_out, notes, told};
use std::process::Command;

#[test]
fn the_list_names_each_reason_once() {
    let note = |what: &str, why: &str| Note {
        test: "a_test".to_owned(),
        what: what.to_owned(),
        why: why.to_owned(),
    };
    let said = told(&[note("one", "no mill"), note("two", "no oven"), note("three", "no mill")]);
    let expected = "\n  no mill\n    – one\n    – three\n  no oven\n    – two\nWith ";
    assert!(said.contains(expected), "{said}");
    assert!(said.starts_with("\nNOT TESTED"), "{said}");
    assert!(told(&[]).contains("Nothing was left out"));
}

/// What the next test starts.
#[test]
fn leave_something_out() {
    if std::env::var_os("LEAVE_SOMETHING_OUT").is_none() {
        return;
    }
    leave_out("the mill", "there is no mill");
    leave_out("the mill", "there is no mill");
    let left_out = notes();
    forget_notes();
    assert_eq!(left_out.len(), 1, "{left_out:?}");
    assert_eq!(left_out[0].test, "not_tested::leave_something_out");
    assert_eq!(left_out[0].why, "there is no mill");
    assert!(notes().is_empty());
}

#[test]
fn nothing_may_be_left_out_where_all_is_asked_for() {
    for (asked, passes) in [("all", false), ("", true), ("fast", true)] {
        let output = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "not_tested::leave_something_out"])
            .env("LEAVE_SOMETHING_OUT", "1")
            .env("WORKBOOK_TEST", asked)
            .output()
            .unwrap();
        let said = [output.stdout, output.stderr].concat();
        let said = String::from_utf8_lossy(&said);
        assert_eq!(output.status.success(), passes, "WORKBOOK_TEST={asked}: {said}");
        // Also from a test that passes.
        assert!(said.contains("NOT TESTED: the mill: there is no mill"), "{said}");
    }
}

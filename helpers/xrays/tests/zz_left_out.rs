//! What did this run of the tests leave out? It has nothing to do with X-rays: Cargo runs the tests of
//! packages in the order of their names, and of a package's targets too. So here it is the last one,
//! and its list is what a reader sees at the end.

#[path = "../../workbook/tests/left_out/mod.rs"]
mod left_out;

use left_out::{folder, forget_notes, notes, say, told};

/// The list for programs, such as a CI that runs later what was left out: one note a line, the
/// test, what, and why, apart by tabs.
const LIST: &str = "not-tested.tsv";

#[test]
fn the_list_of_what_was_not_tested() {
    let notes = notes();
    let lines: String =
        notes.iter().map(|note| format!("{}\t{}\t{}\n", note.test, note.what, note.why)).collect();
    std::fs::write(folder().join(LIST), lines).unwrap();
    forget_notes();
    say(&told(&notes));
}

//! Do the labels of figures keep apart, in a browser's own measure of them?
//!
//! The crate `figures` lays texts out by a guess of their width: it does not know the reader's
//! fonts. Here Chromium opens what its gallery draws, usual figures and extreme ones.

use crate::browser::{chromium, python_with_playwright};
use crate::common::{leave_out, text_of, turn};
use crate::left_out::folder;
use crate::object::cargo;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

/// What the browser has to find: two labels at one place, and one outside.
const WRONG: &str = r#"<svg width="1520" height="200" viewBox="0 0 1520 200" xmlns="http://www.w3.org/2000/svg">
<text x="100" y="100" font-size="26">one label</text><text x="130" y="110" font-size="26">another</text>
<text x="1500" y="100" font-size="26">half outside</text></svg>"#;

#[test]
fn labels_of_figures_neither_overlap_nor_leave_the_picture() {
    const WHAT: &str = "the labels of figures in a browser";
    let chromium = match chromium() {
        Ok(chromium) => chromium,
        Err(why) => return leave_out(WHAT, why),
    };
    let _turn = turn();
    let python = match python_with_playwright() {
        Ok(python) => python,
        Err(why) => return leave_out(WHAT, &why),
    };
    let gallery = folder().join("gallery");
    // Of an older gallery, some figures may have had other names.
    let _ = fs::remove_dir_all(&gallery);
    draw(&gallery);
    let drawn = fs::read_dir(&gallery).unwrap().count() / 2;
    assert!(drawn > 200, "only {drawn} figures in {}", gallery.display());
    fs::write(gallery.join("wrong.svg"), WRONG).unwrap();

    let output = Command::new(python)
        .args(["-c", include_str!("figures.py")])
        .arg(chromium)
        .arg(&gallery)
        .env("PYTHONUTF8", "1")
        .stdin(Stdio::null())
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", text_of(&output));
    let said = String::from_utf8_lossy(&output.stdout);
    let is_meant = |line: &&str| line.starts_with("wrong\t");
    let (meant, faults): (Vec<&str>, Vec<&str>) = said.lines().partition(is_meant);
    let expected =
        ["wrong\toverlap\tone label\tanother", "wrong\tleaves the picture\thalf outside"];
    assert_eq!(meant, expected, "the browser does not see what is wrong");
    let all = faults.join("\n");
    let place = gallery.display();
    assert!(faults.is_empty(), "in {place}, to look at:\n{all}");
}

/// Runs the gallery of the crate `figures`.
fn draw(folder: &Path) {
    let ran = cargo()
        .args(["run", "--quiet", "--package", "figures", "--example", "gallery", "--"])
        .arg(folder)
        .stdin(Stdio::null())
        .output()
        .unwrap();
    assert!(ran.status.success(), "{}", text_of(&ran));
}

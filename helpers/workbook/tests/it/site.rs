//! Can the chapters be read without installing anything? The site is built and opened in headless
//! Chromium.

use crate::browser::{chromium, python_with_playwright};
use crate::common::{leave_out, root, text_of, workbook};
use std::fs;
use std::process::Command;

const WHAT: &str = "the site in a browser";

#[test]
fn the_site_can_be_read_searched_and_followed() {
    let chromium = match chromium() {
        Ok(chromium) => chromium,
        Err(why) => return leave_out(WHAT, why),
    };
    let python = match python_with_playwright() {
        Ok(python) => python,
        Err(why) => return leave_out(WHAT, &why),
    };
    let screenshots = root().join("target/workbook/screenshots");
    fs::create_dir_all(&screenshots).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let site = folder.path().join("a new folder");
    let build = || workbook().args(["site", "--to"]).arg(&site).output().unwrap();
    let built = build();
    assert!(built.status.success(), "{}", text_of(&built));
    let output = Command::new(python)
        .args(["-c", include_str!("site.py")])
        .args([&site, &root().join("notebooks"), &chromium, &screenshots])
        .env("PYTHONUTF8", "1")
        .output()
        .unwrap();
    let said = text_of(&output);
    println!("{said}");
    assert!(output.status.success(), "{said}");

    // Again, into the same folder; and not where something else is.
    fs::write(site.join("CNAME"), "example.org").unwrap();
    assert!(build().status.success() && site.join("CNAME").exists());
    fs::remove_file(site.join("made-by-the-workbook")).unwrap();
    let refused = text_of(&build());
    assert!(refused.contains("name a folder that is empty"), "{refused}");
    assert!(site.join("index.html").exists() && site.join("CNAME").exists());
}

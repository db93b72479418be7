//! Notebooks of a reader's own.

use crate::common::{chapters, read_json, root, set_up, text_of, turn, workbook};
use std::fs;
use std::path::PathBuf;
use std::process::Command;

/// A notebook that goes with the test, however that ends.
pub struct Own(pub PathBuf);

impl Own {
    pub fn new(name: &str) -> Self {
        let own = Own(root().join(format!("notebooks/{name}.ipynb")));
        assert!(!own.0.exists(), "{} is in the way of this test", own.0.display());
        let output = workbook().args(["new", name]).output().unwrap();
        assert!(output.status.success(), "{}", text_of(&output));
        own
    }
}

impl Drop for Own {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

/// `reset` leaves it alone; that is tested beside its code.
#[test]
fn a_notebook_of_ones_own() {
    let name = format!("é test {}", std::process::id());
    let own = Own::new(&name);
    let expect_refused = |name: &str, why: &str| {
        let output = workbook().args(["new", name]).output().unwrap();
        let said = text_of(&output);
        assert!(!output.status.success() && said.contains(why), "{name:?}: {said}");
    };
    let whole = format!("{name}.ipynb");
    fs::write(&own.0, fs::read_to_string(&own.0).unwrap().replace("first", "mine")).unwrap();
    expect_refused(&name, "is there already");
    expect_refused(&whole, "is there already");
    assert!(fs::read_to_string(&own.0).unwrap().contains("mine"));
    for (bad, why) in [
        ("", "no name"),
        (" ", "no name"),
        (".hidden", "no name"),
        ("../there", "no name"),
        ("a/b", "no slash"),
        ("a\\b", "no slash"),
        ("a\nb", "line break"),
        ("06-mine", "a chapter's name"),
        ("07c-mine.ipynb", "a chapter's name"),
    ] {
        expect_refused(bad, why);
    }
    // JupyterLab adds to a notebook what it lacks; to a chapter it adds nothing.
    let (made, chapter) = (read_json(&own.0), read_json(&chapters()[0]));
    for field in ["kernelspec", "language_info"] {
        assert_eq!(made["metadata"][field], chapter["metadata"][field]);
    }
    assert_eq!(made["nbformat_minor"], chapter["nbformat_minor"]);
    let ignored = |path: &str| {
        let mut git = Command::new("git");
        git.args(["check-ignore", "--quiet", "--no-index", path]).current_dir(root());
        git.status().unwrap().code()
    };
    assert_eq!(ignored(&format!("notebooks/{whole}")), Some(0));
    assert_eq!(ignored("notebooks/06-image-processing.ipynb"), Some(1));
    assert_eq!(ignored("notebooks/07a-one-machine.ipynb"), Some(1));
    assert_eq!(ignored("notebooks/06-image-processing.edited-1.ipynb"), Some(0));

    set_up();
    let _turn = turn();
    let output = workbook().arg("run").arg(&own.0).output().unwrap();
    assert!(output.status.success(), "{}", text_of(&output));
}

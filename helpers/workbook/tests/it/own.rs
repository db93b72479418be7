//! Notebooks and crates of a reader's own.

use crate::common::{
    Notebook, SETUP, all_turns, chapters, code, places, read_json, root, run_in_turn, set_up,
    text_of, turn, wait_for, workbook,
};
use crate::kernels::expect_nothing_compiled;
use std::fs;
use std::os::unix::fs::MetadataExt;
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

/// A crate that wants more features of crates in helpers' tree, so that helpers is compiled once more
/// with it: for all notebooks, not in each.
#[test]
fn an_added_crate() {
    /// Takes it away again, however the test ends.
    struct Added(&'static str);
    impl Drop for Added {
        fn drop(&mut self) {
            let _ = workbook().args(["remove", self.0]).output();
        }
    }
    set_up();
    let _turns = all_turns();
    let say = |words: &[&str]| {
        let output = workbook().args(words).output().unwrap();
        (output.status.success(), text_of(&output))
    };
    let list = root().join("target/workbook/added.toml");
    let state = || {
        let seed = fs::metadata(&places().seed).unwrap();
        (fs::read_to_string(&list).unwrap_or_default(), seed.ino())
    };
    let before = state();
    assert!(!before.0.contains("rand"), "rand was added here already, which this test does");
    let expect_refused = |words: &[&str], why: &str| {
        let (done, said) = say(words);
        assert!(!done && said.contains(why), "{words:?}: {said}");
        assert!(state() == before, "{words:?} has changed something: {said}");
        assert!(!places().seed.with_file_name("seed-building").exists(), "{words:?}");
    };
    let nowhere = format!("no-such-crate-{}", std::process::id());
    expect_refused(&["add", &nowhere], "could not be found");
    expect_refused(&["add", "rand@999"], "999");
    expect_refused(&["add", "rand", "--features", "no_such"], "no_such");
    expect_refused(&["add", "../rand"], "no name of a crate");
    expect_refused(&["add", "helpers"], "in every notebook already");
    expect_refused(&["remove", "rand"], "added");
    // For another system: it cannot be compiled on this one. The first error is told.
    #[cfg(target_os = "linux")]
    expect_refused(&["add", "kqueue-sys@1"], "error[E");
    // Nobody answers there.
    let elsewhere = tempfile::tempdir().unwrap();
    let mut add = workbook();
    add.args(["add", "rand"]).env("CARGO_HOME", elsewhere.path()).env("CARGO_NET_RETRY", "0");
    for proxy in ["CARGO_HTTP_PROXY", "HTTPS_PROXY", "https_proxy"] {
        add.env(proxy, "http://127.0.0.1:9");
    }
    let output = add.output().unwrap();
    assert!(!output.status.success() && state() == before, "{}", text_of(&output));

    // A notebook that is open goes on with what it has.
    let folder = tempfile::tempdir().unwrap();
    let (begun, go_on) = (folder.path().join("begun"), folder.path().join("go on"));
    let wait = format!(
        "std::fs::write({begun:?}, \"\").unwrap();\nwhile !std::path::Path::new({go_on:?}).exists() {{ \
         std::thread::sleep(Duration::from_millis(50)); }}"
    );
    let after = "fn new(n: u64) -> u64 { n + 1 }\nassert_eq!(new(kept), 8);";
    let open = [SETUP, "let kept = 7_u64;", &wait, after, "let m = machine().cores;"];
    let open = Notebook::new("open", open.map(code));
    let running = std::thread::spawn(move || run_in_turn(workbook(), &open, &[]));
    assert!(wait_for(300, || begun.exists() || running.is_finished()));
    let rand = Added("rand");
    let (done, said) = say(&["add", "rand@0.10"]);
    fs::write(&go_on, "").unwrap();
    running.join().unwrap().expect_success();
    assert!(done && said.contains("Kernels that run (1) go on"), "{said}");
    let line = said.lines().find_map(|line| line.trim().strip_prefix(":dep "));
    let line = format!(":dep {}\n", line.unwrap_or_else(|| panic!("no line to copy: {said}")));
    assert!(line.starts_with(":dep rand = \"0.10"), "{line}");
    let (done, doctor) = say(&["doctor"]);
    assert!(done && doctor.contains(line.trim()) && doctor.contains("ready ("), "{doctor}");
    let (done, again) = say(&["add", "rand@0.10"]);
    assert!(done && again.contains("is there already"), "{again}");
    let using = "assert!(rand::random::<f64>() < 1.0);";
    expect_nothing_compiled(workbook(), "", using);
    expect_nothing_compiled(workbook(), &line, using);
    drop(rand);
    let (_, doctor) = say(&["doctor"]);
    assert!(!doctor.contains("rand ") && doctor.contains("ready ("), "{doctor}");
}

/// What cannot be written is told with its likely reason, and nothing half made is left. A file's size
/// is limited here, which fails as a full disk does.
#[test]
fn a_full_disk() {
    set_up();
    let _turn = turn();
    let program = env!("CARGO_BIN_EXE_workbook");
    let name = format!("no-room-{}", std::process::id());
    let folder = tempfile::tempdir().unwrap();
    let site = folder.path().join("site");
    for words in
        [vec!["new", &name], vec!["add", "rand"], vec!["site", "--to", site.to_str().unwrap()]]
    {
        let mut shell = Command::new("sh");
        shell.args(["-c", "trap '' XFSZ; ulimit -f 0; exec \"$0\" \"$@\"", program]).args(&words);
        let output = shell.output().unwrap();
        let said = text_of(&output);
        assert!(!output.status.success() && said.contains("full"), "{words:?}: {said}");
    }
    assert!(!root().join(format!("notebooks/{name}.ipynb")).exists());
    assert!(!site.join("index.html").exists());
    assert!(!root().join("target/workbook/adding").exists());
}

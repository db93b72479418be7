//! Do the other commands do what they say? `reset` is tested beside its code, on a scratch clone.

use crate::browser::ONE_LAB;
use crate::common::{
    Notebook, SETUP, code, places, root, run_with, set_up, text_of, turn, wait_for, workbook,
};
use serde_json::json;
use std::fs::{self, File, TryLockError};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::PoisonError;
use std::time::{Duration, Instant, SystemTime};

/// What setup makes, each file with the time of its last change.
fn made() -> Vec<(PathBuf, SystemTime)> {
    let mut found = Vec::new();
    for folder in ["target/workbook/stamps", ".venv/share/jupyter", ".venv/bin"] {
        collect(&root().join(folder), &mut found);
    }
    let seed = places().seed.clone();
    found.push((seed.clone(), fs::metadata(&seed).unwrap().modified().unwrap()));
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
    let _turn = turn();
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
    let _turn = turn();
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

/// Set-up copies a kernel program that is there already only if it says the right version: one that is
/// silent or not whole is known, and not waited for.
#[test]
fn a_kernel_program_is_asked_for_its_version_and_not_waited_for() {
    set_up();
    let folder = tempfile::tempdir().unwrap();
    let right = root().join(".venv/bin/evcxr_jupyter");
    if !right.exists() {
        // An active conda environment brings its own.
        return;
    }
    let whole = fs::read(&right).unwrap();
    let put = |name: &str, content: &[u8]| {
        let program = folder.path().join(name);
        fs::write(&program, content).unwrap();
        fs::set_permissions(&program, fs::metadata(&right).unwrap().permissions()).unwrap();
        program
    };
    let version = |program: &Path, seconds: &str| {
        let asked = Command::new(root().join(".venv/bin/python"))
            .args(["-P", "-c", include_str!("../../src/kernel_version.py")])
            .arg(program)
            .arg(seconds)
            .output()
            .unwrap();
        String::from_utf8_lossy(&asked.stdout).trim().to_owned()
    };
    assert_eq!(version(&right, "120"), "0.22.0");
    assert_eq!(version(&put("half", &whole[..whole.len() / 2]), "120"), "");
    let mark = folder.path().join("number");
    let silent = format!("#!/bin/sh\necho $$ > '{}'\nexec sleep 600\n", mark.display());
    let begun = Instant::now();
    assert_eq!(version(&put("silent", silent.as_bytes()), "3"), "");
    assert!(begun.elapsed() < Duration::from_secs(60), "{:?}", begun.elapsed());
    let number: i32 = fs::read_to_string(mark).unwrap().trim().parse().unwrap();
    // SAFETY: signal 0 only asks whether there is such a process.
    assert!(wait_for(10, || unsafe { libc::kill(number, 0) } != 0), "it is still there");
}

#[test]
fn each_command_has_its_help() {
    let output = workbook().arg("--help").output().unwrap();
    let said = text_of(&output);
    for command in
        ["setup", "lab", "run", "new", "add", "remove", "reset", "compare", "doctor", "clean"]
    {
        assert!(said.contains(&format!("\n  {command}")), "{said}");
        let help = workbook().args([command, "--help"]).output().unwrap();
        assert!(help.status.success(), "{}", text_of(&help));
        assert!(text_of(&help).contains("Usage: cargo workbook"));
    }
    assert!(!said.contains("\n  kernel"), "{said}");
}

/// As in `cargo workbook doctor | head -1`: what nobody reads any more is no fault.
#[test]
fn a_reader_who_has_seen_enough_ends_a_command_quietly() {
    for name in ["where", "doctor"] {
        let (reader, writer) = std::io::pipe().unwrap();
        let mut command = workbook();
        command.arg(name).stdout(writer);
        let child = command.stderr(Stdio::piped()).spawn().unwrap();
        // Nobody else holds an end of the pipe then.
        drop((command, reader));
        let output = child.wait_with_output().unwrap();
        assert_eq!(output.stderr, b"", "{name}: {}", text_of(&output));
        assert_eq!(output.status.signal(), Some(libc::SIGPIPE), "{name}");
    }
}

/// The programs beside a notebook see it as an error, not as their end, when nobody reads.
#[test]
fn a_program_beside_a_notebook_is_not_ended_by_what_nobody_reads() {
    let (reader, writer) = std::io::pipe().unwrap();
    let mut command = workbook();
    command.arg("weather-server").stdin(Stdio::piped());
    let mut child = command.stdout(writer).stderr(Stdio::null()).spawn().unwrap();
    drop((command, reader));
    // Each line is answered, which nobody reads; then its input ends.
    let _ = child.stdin.take().unwrap().write_all(b"{}\n");
    let status = child.wait().unwrap();
    assert_eq!(status.signal(), None, "{status}");
}

/// A folder for `JUPYTER_PATH` with a kernel `rust` that is not the workbook's and cannot start.
fn another_kernel() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let kernel = folder.path().join("kernels/rust");
    fs::create_dir_all(&kernel).unwrap();
    let spec = json!({
        "argv": ["/no/such/kernel", "{connection_file}"],
        "display_name": "Another",
        "language": "rust",
    });
    fs::write(kernel.join("kernel.json"), spec.to_string()).unwrap();
    folder
}

#[test]
fn another_kernel_of_that_name_does_not_start() {
    let other = another_kernel();
    let mut command = workbook();
    command.env("JUPYTER_PATH", other.path());
    let notebook = Notebook::new("one", [code(SETUP), code("assert_eq!(6 * 7, 42);")]);
    run_with(command, &notebook, &[]).expect_success();
    // Nor does evcxr write over it.
    let spec = fs::read_to_string(other.path().join("kernels/rust/kernel.json")).unwrap();
    assert!(spec.contains("/no/such/kernel"), "{spec}");
}

/// What a server answers to a GET, headers and all.
fn get(url: &str) -> String {
    let (host, path) = url.strip_prefix("http://").and_then(|rest| rest.split_once('/')).unwrap();
    let mut stream = TcpStream::connect(host).unwrap();
    write!(stream, "GET /{path} HTTP/1.0\r\nHost: {host}\r\n\r\n").unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    String::from_utf8_lossy(&answer).into_owned()
}

#[test]
fn jupyterlab_opens_chapter_00_whatever_the_readers_configuration_says() {
    set_up();
    let _only = ONE_LAB.lock().unwrap_or_else(PoisonError::into_inner);
    let own = tempfile::tempdir().unwrap();
    let hostile = "c.ServerApp.root_dir = '/usr'\nc.ServerApp.base_url = '/x/'\n\
                   c.ServerApp.ip = '0.0.0.0'\nc.ServerApp.token = ''\nc.IdentityProvider.token = ''\n\
                   c.ServerApp.kernel_spec_manager_class = 'no.such.Class'\n\
                   c.LabApp.default_url = '/tree'\n";
    for name in ["jupyter_server_config.py", "jupyter_lab_config.py"] {
        fs::write(own.path().join(name), hostile).unwrap();
    }
    let other = another_kernel();
    let mut lab = workbook()
        .args(["lab", "--", "--no-browser"])
        .env("JUPYTER_CONFIG_DIR", own.path())
        .env("JUPYTER_PATH", other.path())
        .env("JUPYTER_GATEWAY_URL", "http://127.0.0.1:9")
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(lab.stdout.take().unwrap()).lines();
    let address = lines.map_while(Result::ok).find(|line| line.trim_start().starts_with("http://"));
    let open = File::open(root().join("target/workbook/open.lock")).unwrap();
    let noticed = matches!(open.try_lock(), Err(TryLockError::WouldBlock));
    let tried = std::panic::catch_unwind(|| {
        let address = address.expect("no address was printed");
        let address = address.trim();
        assert!(address.starts_with("http://127.0.0.1:"), "{address}");
        let (page, token) = address.split_once("?token=").unwrap();
        assert!(token.len() > 30, "{address}");
        assert!(page.ends_with("/lab/tree/00-start-here.ipynb"), "{address}");
        assert!(get(address).contains(" 200 "), "{}", get(address));
        let server = page.split("/lab/").next().unwrap();
        let file = format!("{server}/api/contents/00-start-here.ipynb?content=0");
        assert!(get(&file).contains(" 403 "), "without the token: {}", get(&file));
        let with_token = format!("{file}&token={token}");
        assert!(get(&with_token).contains(" 200 "), "{}", get(&with_token));
        let kernels = get(&format!("{server}/api/kernelspecs?token={token}"));
        assert!(!kernels.contains("Another"), "{kernels}");
    });
    // As Ctrl-C does.
    // SAFETY: the number is that of a child that nobody has waited for.
    unsafe { libc::kill(lab.id() as i32, libc::SIGINT) };
    lab.wait().unwrap();
    if let Err(failure) = tried {
        std::panic::resume_unwind(failure);
    }
    assert!(noticed, "`clean` would not notice that JupyterLab is open");
}

#[test]
fn a_second_command_does_not_wait_for_the_clusters_build() {
    set_up();
    // What `setup --cluster` holds while it builds.
    let lock = File::create(root().join("target/workbook/cluster.lock")).unwrap();
    lock.lock_shared().unwrap();
    let output = workbook().arg("setup").output().unwrap();
    assert!(output.status.success(), "{}", text_of(&output));
    assert!(!text_of(&output).contains("waiting"), "{}", text_of(&output));
}

#[test]
fn the_readers_python_settings_do_not_reach_the_workbooks_python() {
    set_up();
    let folder = tempfile::tempdir().unwrap();
    for module in ["json", "importlib", "sitecustomize"] {
        let file = folder.path().join(format!("{module}.py"));
        fs::write(file, "raise RuntimeError('the wrong module')").unwrap();
    }
    let output = workbook()
        .arg("doctor")
        .current_dir(folder.path())
        .env("PYTHONPATH", folder.path())
        .env("PYTHONHOME", folder.path())
        .env("PYTHONSTARTUP", "/no/such/file")
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", text_of(&output));
}

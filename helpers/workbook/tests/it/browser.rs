//! Does all of it work in JupyterLab? A new user opens chapter 00 in headless Chromium.
//!
//! The browser is the system's own, driven by Playwright for Python, which this test installs
//! into `target/workbook/test-venv`. Screenshots go to `target/workbook/screenshots`.

use crate::common::{
    chapters, leave_out, name_of, root, say, send, set_up, text_of, turn, wait_for, workbook,
};
use crate::own::Own;
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, PoisonError, mpsc};
use std::time::Duration;

/// One JupyterLab at a time: its log is a file of the workbook, and it looks for a free port some time
/// before it takes it, so that two that start together may want the same.
pub static ONE_LAB: Mutex<()> = Mutex::new(());

/// A running `cargo workbook lab`, of a user who has never used JupyterLab before.
struct Lab {
    process: Child,
    home: tempfile::TempDir,
    address: String,
}

impl Lab {
    fn start(arguments: &[&str]) -> Self {
        let home = tempfile::tempdir().unwrap();
        let old_home = PathBuf::from(std::env::var_os("HOME").unwrap());
        let kept = |name: &str, folder: &str| {
            std::env::var_os(name).map_or_else(|| old_home.join(folder), PathBuf::from)
        };
        let mut command = workbook();
        command
            .args(["lab", "--"])
            .args(arguments)
            .env("HOME", home.path())
            .env("CARGO_HOME", kept("CARGO_HOME", ".cargo"))
            .env("RUSTUP_HOME", kept("RUSTUP_HOME", ".rustup"))
            // Where the seed lies when the workbook's path has a space: it would be made anew.
            .env("XDG_CACHE_HOME", kept("XDG_CACHE_HOME", ".cache"))
            .stdout(Stdio::piped())
            .stderr(fs::File::create(home.path().join("errors")).unwrap())
            // A terminal's Ctrl-C goes to the whole group.
            .process_group(0);
        for name in [
            "DISPLAY",
            "WAYLAND_DISPLAY",
            "WSL_DISTRO_NAME",
            "BROWSER",
            "JUPYTER_CONFIG_DIR",
            "JUPYTER_DATA_DIR",
            "JUPYTERLAB_SETTINGS_DIR",
            "XDG_CONFIG_HOME",
            "XDG_DATA_HOME",
        ] {
            command.env_remove(name);
        }
        let mut process = command.spawn().unwrap();
        let stdout = process.stdout.take().unwrap();
        let (send, receive) = mpsc::channel();
        // Reads to the end, so that the program never waits for a reader.
        std::thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                if line.trim().starts_with("http") {
                    let _ = send.send(line.trim().to_owned());
                }
            }
        });
        let mut lab = Lab { process, home, address: String::new() };
        lab.address = receive
            .recv_timeout(Duration::from_secs(300))
            .unwrap_or_else(|_| panic!("no address was printed; {}", lab.errors()));
        lab
    }

    /// What the command and JupyterLab complained about.
    fn errors(&self) -> String {
        let command = self.home.path().join("errors");
        let jupyter = root().join("target/workbook/jupyter.log");
        let read = |path: &Path| fs::read_to_string(path).unwrap_or_default();
        read(&command) + &read(&jupyter)
    }

    fn port(&self) -> u16 {
        let port = self.address.split([':', '/']).nth(4);
        port.and_then(|port| port.parse().ok())
            .unwrap_or_else(|| panic!("no port in {}", self.address))
    }

    /// As a terminal does: to the whole group.
    fn signal(&self, signal: i32) {
        send(signal, -(self.process.id() as i32));
    }

    /// Everything of this JupyterLab that is alive: nothing else has its home folder.
    fn alive(&self) -> Vec<String> {
        #[cfg(target_os = "linux")]
        return crate::common::processes_with(&format!("HOME={}", self.home.path().display()));
        #[cfg(not(target_os = "linux"))]
        return Vec::new();
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        // A failed test must not leave behind what it has found to be left behind.
        if matches!(self.process.try_wait(), Ok(None)) || !self.alive().is_empty() {
            self.signal(libc::SIGINT);
            wait_for(30, || !matches!(self.process.try_wait(), Ok(None)));
            self.signal(libc::SIGKILL);
            let _ = self.process.wait();
        }
    }
}

#[test]
fn a_new_user_reads_runs_and_edits_chapter_00() {
    let Some(chapter) = chapters().into_iter().next() else {
        say("the browser test was skipped: there are no chapters yet");
        return;
    };
    let chromium = match chromium() {
        Ok(chromium) => chromium,
        Err(why) => return leave_out("JupyterLab in a browser", why),
    };
    set_up();
    let python = match python_with_playwright() {
        Ok(python) => python,
        Err(why) => return leave_out("JupyterLab in a browser", &why),
    };
    let _only = ONE_LAB.lock().unwrap_or_else(PoisonError::into_inner);
    let _turn = turn();
    let screenshots = root().join("target/workbook/screenshots");
    fs::create_dir_all(&screenshots).unwrap();
    let before = fs::read(&chapter).unwrap();
    let own = Own::new(&format!("my own né {}", std::process::id()));

    // Where the usual port is taken, JupyterLab has to come up on another one.
    let _taken = TcpListener::bind("127.0.0.1:8888");
    let mut lab = Lab::start(&["--LabApp.expose_app_in_browser=True"]);
    assert_ne!(lab.port(), 8888);
    expect_token(lab.port());
    #[cfg(target_os = "linux")]
    expect_loopback_only(lab.port());

    let mut driver = Command::new(python)
        .args(["-c", include_str!("browser.py")])
        .arg(&lab.address)
        .arg(chromium)
        .arg(&screenshots)
        .arg(name_of(&own.0))
        .env("PYTHONUTF8", "1")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = driver.stdin.take().unwrap();
    // If the driver has died, its output says why.
    let _ = stdin.write_all(crate::endings::as_json().to_string().as_bytes());
    drop(stdin);
    let output = driver.wait_with_output().unwrap();
    let unchanged = fs::read(&chapter).unwrap() == before;
    if !unchanged {
        fs::write(&chapter, &before).unwrap();
    }
    let said = text_of(&output);
    println!("{said}");
    assert!(output.status.success(), "{said}\nJupyterLab said: {}", lab.errors());
    assert!(unchanged, "the test changed the chapter's file");

    // Its kernel is running; Ctrl-C ends that too.
    assert!(cfg!(not(target_os = "linux")) || lab.alive().len() > 2);
    lab.signal(libc::SIGINT);
    assert!(
        wait_for(120, || lab.process.try_wait().unwrap().is_some()),
        "Ctrl-C did not end it: {:?}",
        lab.alive()
    );
    assert!(wait_for(60, || lab.alive().is_empty()), "left behind: {:?}", lab.alive());
    assert!(!lab.errors().contains("Traceback"), "{}", lab.errors());
}

/// A killed `cargo workbook` takes JupyterLab and its kernels with it.
#[cfg(target_os = "linux")]
#[test]
fn jupyterlab_does_not_outlive_the_command() {
    set_up();
    let _only = ONE_LAB.lock().unwrap_or_else(PoisonError::into_inner);
    let _turn = turn();
    for (signal, name) in [(libc::SIGTERM, "SIGTERM"), (libc::SIGKILL, "SIGKILL")] {
        let mut lab = Lab::start(&[]);
        assert!(lab.alive().len() > 1);
        assert!(send(signal, lab.process.id() as i32));
        let ended = wait_for(60, || lab.process.try_wait().unwrap().is_some());
        assert!(ended, "{name} did not end it");
        assert!(wait_for(60, || lab.alive().is_empty()), "{name} left behind: {:?}", lab.alive());
    }
}

/// The system's Chromium or Chrome; an error says what mends that there is none.
pub fn chromium() -> Result<PathBuf, &'static str> {
    if let Some(chosen) = std::env::var_os("WORKBOOK_CHROMIUM") {
        return Ok(chosen.into());
    }
    let folders: Vec<PathBuf> =
        std::env::split_paths(&std::env::var_os("PATH").unwrap_or_default()).collect();
    ["chromium", "chromium-browser", "google-chrome"]
        .iter()
        .flat_map(|name| folders.iter().map(move |folder| folder.join(name)))
        .find(|program| program.is_file())
        .ok_or(
            "Chromium was not found; install it (Debian and Ubuntu: `sudo apt install chromium`) \
             or set WORKBOOK_CHROMIUM to the program",
        )
}

/// A Python environment of the tests' own, made on first use. That needs a network, which the
/// workbook does not need any more at this point; an error says why there is none.
pub fn python_with_playwright() -> Result<PathBuf, String> {
    static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
    let _only = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    let folder = root().join("target/workbook/test-venv");
    let python = folder.join("bin/python");
    let ready = |python: &Path| {
        let check = Command::new(python)
            .args(["-c", "import playwright.sync_api"])
            .stderr(Stdio::null())
            .status();
        check.is_ok_and(|status| status.success())
    };
    if ready(&python) {
        return Ok(python);
    }
    let own = root().join(".venv/bin/python");
    let maker = if own.exists() { own } else { "python3".into() };
    let mut make = Command::new(maker);
    make.args(["-m", "venv", "--clear"]).arg(&folder);
    let mut install = Command::new(&python);
    install.args(["-m", "pip", "install", "--quiet", "playwright>=1.50"]);
    for mut command in [make, install] {
        let output = command.stdin(Stdio::null()).output().unwrap();
        if !output.status.success() {
            let said = text_of(&output);
            let last = said.lines().rfind(|line| !line.trim().is_empty());
            let last = last.unwrap_or("no message");
            return Err(format!("Playwright could not be installed: {last}"));
        }
    }
    assert!(ready(&python));
    Ok(python)
}

/// Without its token the server gives nothing away.
fn expect_token(port: u16) {
    let ask = |path: &str| {
        let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
        write!(stream, "GET {path} HTTP/1.0\r\nHost: 127.0.0.1:{port}\r\n\r\n").unwrap();
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer);
        String::from_utf8_lossy(&answer).into_owned()
    };
    let contents = ask("/api/contents");
    let status = contents.lines().next().unwrap_or_default();
    assert!(status.contains("403"), "{contents}");
    let page = ask("/lab");
    let status = page.lines().next().unwrap_or_default();
    assert!(status.contains("302") && page.contains("/login"), "{page}");
}

/// Nobody else in the network can reach the server.
#[cfg(target_os = "linux")]
fn expect_loopback_only(port: u16) {
    const LISTENING: &str = "0A";
    let mut found = 0;
    for table in ["/proc/net/tcp", "/proc/net/tcp6"] {
        for line in fs::read_to_string(table).unwrap_or_default().lines() {
            let columns: Vec<&str> = line.split_whitespace().collect();
            let Some((address, its_port)) = columns.get(1).and_then(|c| c.split_once(':')) else {
                continue;
            };
            if u16::from_str_radix(its_port, 16) == Ok(port) && columns[3] == LISTENING {
                assert_eq!(address, "0100007F", "{table}: {line}");
                found += 1;
            }
        }
    }
    assert_eq!(found, 1);
}

//! `cargo workbook`: opens JupyterLab on the workbook.

use crate::child;
use crate::kernel;
use crate::layout::Layout;
use crate::run;
use crate::setup;
use anyhow::{Context, Result, bail};
use serde_json::Value;
use std::fs::{self, File};
use std::path::Path;
use std::process::{Child, ExitCode, Stdio};
use std::time::{Duration, Instant};

/// Sets up what is missing and runs JupyterLab until it is stopped.
pub fn open(layout: &Layout, jupyter_arguments: &[String]) -> Result<ExitCode> {
    let environment = setup::ensure(layout)?;
    let runtime = layout.made().join("jupyter-runtime");
    fs::create_dir_all(&runtime)?;
    let first = run::chapters(layout)?
        .first()
        .map(|chapter| format!("/lab/tree/{}", run::name_of(chapter)))
        .unwrap_or_else(|| "/lab".to_owned());
    let log_file = layout.made().join("jupyter.log");
    let log = File::create(&log_file)?;
    let mut command = environment.command("jupyter-lab");
    command
        .current_dir(layout.notebooks())
        // Where JupyterLab tells its address, which is read below.
        .env("JUPYTER_RUNTIME_DIR", &runtime)
        .arg("--ServerApp.ip=127.0.0.1")
        .arg(format!("--LabApp.default_url={first}"))
        // Ctrl-C stops at once instead of asking.
        .arg("--ServerApp.answer_yes=True")
        .stdin(Stdio::null())
        .stdout(Stdio::from(log.try_clone()?))
        .stderr(Stdio::from(log));
    if is_root() {
        command.arg("--allow-root");
    }
    let browser = has_browser();
    if !browser {
        command.arg("--no-browser");
    }
    command.args(jupyter_arguments);
    child::tie(&mut command, libc::SIGTERM, true);
    let mut jupyter = command.spawn().context("JupyterLab did not start")?;
    child::pass_signals(&jupyter, libc::SIGTERM, libc::SIGTERM);
    println!("Starting JupyterLab …");
    let address = wait_for_address(&runtime, &mut jupyter, &first)?;
    if let Some(address) = &address {
        println!("JupyterLab is running at\n\n    {address}\n");
        if browser {
            println!("It opens in your browser. Ctrl-C here stops it.");
        } else {
            println!("Open that address in a browser. Ctrl-C here stops JupyterLab.");
        }
    }
    let status = child::wait(&mut jupyter)?;
    kernel::sweep(layout)?;
    if address.is_none() {
        bail!(
            "JupyterLab ended ({status}) before it could be reached. It said:\n{}",
            last_lines(&log_file)
        );
    }
    println!("JupyterLab has stopped. Your notebooks are saved in notebooks/.");
    Ok(ExitCode::SUCCESS)
}

/// The end of a log, for an error message.
fn last_lines(log: &Path) -> String {
    let text = fs::read_to_string(log).unwrap_or_default();
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(15)..].join("\n")
}

/// The address with its token, from the file that the server writes when it listens. `None` when
/// it ended before that.
fn wait_for_address(runtime: &Path, child: &mut Child, first: &str) -> Result<Option<String>> {
    let file = runtime.join(format!("jpserver-{}.json", child.id()));
    let start = Instant::now();
    while start.elapsed() < Duration::from_secs(120) {
        if child.try_wait()?.is_some() {
            return Ok(None);
        }
        let info = fs::read_to_string(&file)
            .ok()
            .and_then(|text| serde_json::from_str::<Value>(&text).ok());
        if let Some(info) = info {
            let url = info["url"].as_str().unwrap_or_default();
            let token = info["token"].as_str().unwrap_or_default();
            let url = url.trim_end_matches('/');
            return Ok(Some(format!("{url}{first}?token={token}")));
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    Ok(None)
}

fn is_root() -> bool {
    // SAFETY: geteuid has no preconditions and cannot fail.
    unsafe { libc::geteuid() == 0 }
}

/// Whether a browser can open here: on Linux that takes a display (or WSL's bridge to Windows).
fn has_browser() -> bool {
    if cfg!(target_os = "macos") {
        return std::env::var_os("SSH_CONNECTION").is_none();
    }
    ["DISPLAY", "WAYLAND_DISPLAY", "WSL_DISTRO_NAME", "BROWSER"]
        .iter()
        .any(|name| std::env::var_os(name).is_some())
}

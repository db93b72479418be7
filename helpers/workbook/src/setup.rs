//! The steps that make the workbook ready, each skipped when it is done.
//!
//! A step is done when its product is there and its stamp holds the key of what it would be made
//! from today.

use crate::child::follow;
use crate::disk::{install, remove, write_if_new};
use crate::environment::{self, Environment};
use crate::layout::Layout;
use crate::locks;
use crate::python::ask;
use crate::seed;
use crate::stamps::{self, done, is_done};
use crate::toolchain::{Toolchain, clean_environment, settle_build};
use crate::ui::Step;
use anyhow::{Context, Result};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The kernel's version that the workbook is tested with.
pub const EVCXR_VERSION: &str = "0.22.0";

/// Makes whatever is missing and returns the environment that has it all.
pub fn ensure(layout: &Layout) -> Result<Environment> {
    let who = "another `cargo workbook` is setting up";
    let _lock = locks::wait(layout, locks::SETUP, who)?;
    let toolchain = Toolchain::find()?;
    let environment = Environment::choose(layout);
    if !environment.conda {
        let packages = environment::requirements(layout)?;
        let what = "Python packages, JupyterLab among them";
        environment::install(layout, &environment, "python", "jupyter-lab", what, &packages)?;
        kernel_program(layout, &environment, &toolchain)?;
    }
    kernelspec(layout, &environment)?;
    settings(layout, &environment)?;
    let key = seed::key(layout, &toolchain, &environment)?;
    if !layout.seed().exists() || !is_done(layout, "seed", &key.text()) {
        let old = stamps::last(layout, "seed");
        seed::build(layout, &toolchain, &environment, &key, &old)?;
        done(layout, "seed", &key.text())?;
    }
    Ok(environment)
}

fn kernel_program(layout: &Layout, environment: &Environment, toolchain: &Toolchain) -> Result<()> {
    let key = format!("{}\n{EVCXR_VERSION}", environment.prefix.display());
    if environment.evcxr().exists() && is_done(layout, "kernel", &key) {
        return Ok(());
    }
    for program in environment::kernel_programs() {
        if program == environment.evcxr() {
            continue;
        }
        let step = Step::begin(
            &format!("the Rust kernel, {}", program.display()),
            "some seconds, to ask for its version",
        );
        let version = version_of_kernel(environment, toolchain, &program);
        if version.as_deref() == Some(EVCXR_VERSION) {
            install(&program, &environment.evcxr())?;
            step.end();
            return done(layout, "kernel", &key);
        }
        drop(step);
        let version = version.unwrap_or("one that does not answer".to_owned());
        eprintln!("– it is {version}, and the workbook needs {EVCXR_VERSION}, so that is built");
    }
    let step = Step::begin(
        &format!("the Rust kernel, evcxr_jupyter {EVCXR_VERSION}"),
        "about ten minutes of processor time, once",
    );
    // A fixed folder, so that an interrupted build goes on where it stopped.
    let build = layout.made().join("kernel-build");
    let mut cargo = Command::new(toolchain.bin.join("cargo"));
    cargo
        .args(["install", "--locked", "--force", "evcxr_jupyter"])
        .args(["--version", EVCXR_VERSION])
        .arg("--root")
        .arg(&environment.prefix);
    build_with(cargo, layout, toolchain, &build, &step, "the kernel")?;
    remove(&build)?;
    step.end();
    done(layout, "kernel", &key)
}

/// The version that a kernel program says it has, if it runs on this machine. It has no option for
/// that, so this asks as Jupyter does: it starts it as a kernel, in a folder of its own.
fn version_of_kernel(
    environment: &Environment,
    toolchain: &Toolchain,
    program: &Path,
) -> Option<String> {
    let mut command = environment.command();
    clean_environment(&mut command);
    command.env("PATH", toolchain.path());
    ask(command, include_str!("kernel_version.py"), [program]).ok()
}

/// Runs cargo with its output in `target`, whatever the reader's settings for cargo are, and shows
/// how far it is. Returns the folder that holds `debug` and `release`.
pub fn build_with(
    mut cargo: Command,
    layout: &Layout,
    toolchain: &Toolchain,
    target: &Path,
    step: &Step,
    what: &str,
) -> Result<PathBuf> {
    let profiles = settle_build(&mut cargo, toolchain, &layout.root, target);
    cargo.env("CARGO_TERM_PROGRESS_WHEN", "always").env("CARGO_TERM_PROGRESS_WIDTH", "100");
    follow(cargo, |line| match cargo_progress(line) {
        Some((done, total)) => step.progress(done, total),
        None => step.say(line.trim()),
    })
    .with_context(|| {
        format!(
            "{what} could not be built; if the network is the cause, run this again: it goes on \
             where it stopped"
        )
    })?;
    Ok(profiles)
}

/// `(done, total)` of cargo's progress bar: `Building [====>   ] 120/330: rayon, …`.
fn cargo_progress(line: &str) -> Option<(u64, u64)> {
    let counts = line.rsplit_once("] ")?.1.split(':').next()?;
    let (done, total) = counts.split_once('/')?;
    Some((done.parse().ok()?, total.parse().ok()?))
}

/// Writes the kernelspec `rust` and puts this program where it points to.
fn kernelspec(layout: &Layout, environment: &Environment) -> Result<()> {
    let installed = environment.program("workbook");
    let this = std::env::current_exe()?;
    if this != installed && fs::read(&this)? != fs::read(&installed).unwrap_or_default() {
        install(&this, &installed)?;
    }
    let spec = serde_json::json!({
        "argv": [
            installed,
            "kernel",
            "--evcxr",
            environment.evcxr(),
            "{connection_file}",
        ],
        "display_name": "Rust",
        "language": "rust",
        "interrupt_mode": "message",
        "metadata": { "workbook": layout.root },
    });
    let folder = environment.kernelspec();
    write_if_new(&folder.join("kernel.json"), &serde_json::to_string_pretty(&spec)?)
}

/// JupyterLab's and the kernel's settings: no question about news, no check for updates; what the
/// processors do at the top, every two seconds, and each cell's time below it.
fn settings(layout: &Layout, environment: &Environment) -> Result<()> {
    let overrides = serde_json::json!({
        "@jupyterlab/apputils-extension:notification": {
            "fetchNews": "false",
            "checkForUpdates": false,
            "doNotDisturbMode": false,
        },
        "@jupyter-server/resource-usage:topbar-item": { "enable": true, "refreshRate": 2000 },
        "@jupyterlab/notebook-extension:tracker": { "recordTiming": true },
        "jupyterlab-execute-time:settings": { "highlight": false, "showDate": false },
    });
    // The same figures once more, and a panel for which only Python's kernel has an answer.
    let without = serde_json::json!({ "disabledExtensions": {
        "@jupyter-server/resource-usage:status-item": true,
        "@jupyter-server/resource-usage:kernel-panel-item": true,
    }});
    let folder = environment.prefix.join("share/jupyter/lab/settings");
    for (name, content) in [("overrides.json", overrides), ("page_config.json", without)] {
        write_if_new(&folder.join(name), &serde_json::to_string_pretty(&content)?)?;
    }
    // Empty: the reader's own settings for evcxr may add dependencies, and then nothing is warm.
    fs::create_dir_all(layout.evcxr_config())?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cargos_bar_is_read() {
        let line = "    Building [=======>          ] 120/330: ra_ap_ide, syn";
        assert_eq!(cargo_progress(line), Some((120, 330)));
        assert_eq!(cargo_progress("   Compiling syn v2.0.1"), None);
    }
}

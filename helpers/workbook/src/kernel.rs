//! Starts one kernel on its own copy of the seed, and tidies up after it.
//!
//! Two kernels must not share a project folder (each writes its cells there), so each gets one
//! under [`Layout::kernels`]. This program stays as the kernel's parent: when the kernel
//! ends, or whoever started it is gone, the folder and every process of the kernel go too.

use crate::analysis;
use crate::child;
use crate::disk::remove;
use crate::layout::Layout;
use crate::locks;
use crate::outlines;
use crate::project::{CELLS, SETTINGS, link_copy};
use crate::toolchain::{Toolchain, clean_environment};
use anstream::adapter::strip_str;
use anyhow::{Context, Result};
use platform::locked::{self, Locked};
use platform::names;
use platform::no_proxy::without_proxy;
use platform::tied;
use std::fs::{self, File};
use std::os::unix::fs::MetadataExt;
use std::os::unix::process::parent_id;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, ExitStatus, Stdio};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// The copy of the seed, within a kernel's folder.
const COPY: &str = "project";

/// A folder to compile in, in place of a copy of the seed: how the seed itself is built.
pub const FOLDER_VARIABLE: &str = "WORKBOOK_KERNEL_FOLDER";

/// Where the system's loader looks for libraries first; on macOS, last.
const LIBRARY_PATH: &str =
    if cfg!(target_os = "macos") { "DYLD_FALLBACK_LIBRARY_PATH" } else { "LD_LIBRARY_PATH" };

/// Begins the line in which a kernel that failed says why, for whoever started it.
pub const LAST_WORDS: &str = "workbook kernel: ";

#[derive(clap::Args)]
pub struct Arguments {
    /// The kernel program
    #[arg(long)]
    evcxr: PathBuf,
    /// The file in which Jupyter says where to listen
    connection_file: PathBuf,
}

/// Runs a kernel until it ends.
pub fn serve(layout: &Layout, arguments: Arguments) -> Result<ExitCode> {
    let parent = parent_id();
    // While it is held, `clean` takes nothing away.
    let _open = locks::share(layout, locks::OPEN)?;
    layout.make_compiled()?;
    sweep(layout)?;
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let name = format!("{}-{}", std::process::id(), now.as_nanos());
    let home = Locked::make(&layout.kernels(), &name)?;
    let folder = match std::env::var_os(FOLDER_VARIABLE) {
        Some(chosen) => PathBuf::from(chosen),
        None => {
            let copy = home.folder.join(COPY);
            copy_seed(layout, &copy)?;
            copy
        }
    };
    let settings = folder.join(SETTINGS);
    fs::create_dir_all(&settings)
        .with_context(|| format!("{} cannot be made", settings.display()))?;
    let log_file = home.folder.join("kernel.log");
    let mut command = Command::new(&arguments.evcxr);
    command
        .arg("--control_file")
        .arg(&arguments.connection_file)
        // Its own words, and cargo's at every cell, are of use only when it fails.
        .stdout(Stdio::null())
        .stderr(File::create(&log_file)?);
    clean_environment(&mut command);
    let toolchain = Toolchain::find()?;
    let own_toolchain = home.folder.join("toolchain");
    analysis::make_toolchain(&toolchain.bin, &own_toolchain)?;
    command
        .env("PATH", toolchain.path())
        .env("CARGO", own_toolchain.join("bin/cargo"))
        .env("RUSTUP_TOOLCHAIN", own_toolchain)
        // A cell lies one folder higher than where rustc put it, so the way to the standard library
        // that rustc wrote into it leads astray, unless it goes up to `/`. Nothing else is there.
        .env(LIBRARY_PATH, toolchain.libraries())
        .env("RUSTC_WORKSPACE_WRAPPER", std::env::current_exe()?)
        .env("EVCXR_TMPDIR", folder.join(CELLS))
        .env("EVCXR_CONFIG_DIR", settings)
        .env(names::PYTHON, arguments.evcxr.with_file_name("python"))
        .env(names::PROGRAM, std::env::current_exe()?)
        .env(names::SCRATCH, home.folder.join("scratch"));
    match outlines::of_library(layout, &toolchain, &home.folder) {
        Ok(Some(sources)) => {
            command.env("RUST_SRC_PATH", sources);
        }
        // They are not installed: the kernel asks rustup for them.
        Ok(None) => {}
        // Then it reads the whole library, and takes longer to start.
        Err(error) => eprintln!("{error:#}"),
    }
    // The servers of the chapters are on this machine, which no proxy can reach.
    command.envs(without_proxy(|name| std::env::var(name).ok()));
    // The kernel program writes a specification of its own into the folder that is named here, or
    // else into the reader's.
    command.env("JUPYTER_PATH", home.folder.join("no-jupyter"));
    tied::tie(&mut command, libc::SIGKILL);

    let mut kernel = command.spawn().with_context(|| {
        format!(
            "the kernel program {} did not start; `cargo workbook setup` installs it",
            arguments.evcxr.display()
        )
    })?;
    // An interrupt is the kernel's business: Jupyter sends it as a message.
    child::pass_signals(&kernel, 0, libc::SIGKILL);
    std::thread::spawn(move || end_with(parent));
    let status = child::wait(&mut kernel)?;
    if status.code().is_some_and(|code| code != 0) {
        let log = fs::read_to_string(&log_file).unwrap_or_default();
        eprint!("{log}");
        eprintln!("{LAST_WORDS}{}", last_words(&log, status));
    }
    drop(home);
    end_process_group();
    Ok(ExitCode::from(u8::from(!status.success())))
}

/// Copies the seed, if there is one. A setup may replace it at this very moment, so a copy that
/// went wrong is made again.
fn copy_seed(layout: &Layout, copy: &Path) -> Result<()> {
    let which = || fs::metadata(layout.seed()).map(|seed| seed.ino()).ok();
    for attempt in 1.. {
        let Some(before) = which() else {
            break;
        };
        let copied = link_copy(&layout.seed(), copy);
        if copied.is_ok() && which() == Some(before) {
            break;
        }
        // No reader of the seed is disturbed for so long: then there is another reason.
        if attempt > 20 {
            return copied;
        }
        // What is there already are links to the old seed's files, never to be written to.
        remove(copy)?;
        std::thread::sleep(Duration::from_millis(250));
    }
    Ok(())
}

/// Why a kernel ended, in one line, from what it wrote.
fn last_words(log: &str, status: ExitStatus) -> String {
    let log = strip_str(log).to_string();
    let lines = || {
        let lines = log.lines().rev().map(str::trim);
        lines.filter(|line| !line.is_empty())
    };
    // A backtrace is no reason.
    let reason = lines()
        .find(|line| line.contains("rror") || line.contains("ailed") || line.contains("annot"));
    match reason.or_else(|| lines().next()) {
        Some(line) => line.to_owned(),
        None => format!("it ended without a word ({status})"),
    }
}

/// Removes the folders of kernels that were killed. Returns how many kernels are alive.
pub fn sweep(layout: &Layout) -> Result<usize> {
    Ok(locked::sweep(&layout.kernels(), |_, _| true)?.len())
}

/// Ends the kernel when the process that started it is gone: a killed JupyterLab must not leave
/// kernels behind.
fn end_with(parent: u32) {
    while parent_id() == parent {
        std::thread::sleep(Duration::from_millis(500));
    }
    child::terminate();
}

/// Kills what the kernel left running, such as a cell in an endless loop. Jupyter starts each
/// kernel as the leader of a process group of its own; in any other group this does nothing.
fn end_process_group() {
    // SAFETY: these calls only read and use process numbers. The group is this program's own.
    unsafe {
        let own = libc::getpid();
        if libc::getpgrp() == own {
            // This program is in the group too, and has nothing left to do.
            libc::kill(-own, libc::SIGKILL);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::process::ExitStatusExt;

    #[test]
    fn a_dead_kernels_last_words_are_its_reason() {
        let status = ExitStatus::from_raw(1 << 8);
        let log = "   Compiling ctx\n\u{1b}[31mError: \u{1b}[0mdlopen failed: no libstd\n\n";
        assert_eq!(last_words(log, status), "Error: dlopen failed: no libstd");
        assert!(last_words("\n", status).contains("exit status: 1"));
    }
}

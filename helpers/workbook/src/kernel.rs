//! Starts one kernel on its own copy of the seed, and tidies up after it.
//!
//! Two kernels must not share a project folder (each writes its cells there), so each gets one
//! under `target/workbook/kernels`. This program stays as the kernel's parent: when the kernel
//! ends, or whoever started it is gone, the folder and every process of the kernel go too.

use crate::child;
use crate::layout::Layout;
use crate::seed;
use crate::toolchain::{Toolchain, clean_environment};
use anyhow::{Context, Result};
use std::fs::{self, File, TryLockError};
use std::os::unix::process::parent_id;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// The copy of the seed, within a kernel's folder.
const COPY: &str = "project";

/// A folder to compile in, in place of a copy of the seed: how the seed itself is built.
pub const FOLDER_VARIABLE: &str = "WORKBOOK_KERNEL_FOLDER";

/// The workbook's own Python, for helpers, which runs Python's side of comparisons in it.
pub const PYTHON_VARIABLE: &str = "WORKBOOK_PYTHON";

/// This program, for helpers: the workers of process pools and the weather server are parts of it.
pub const PROGRAM_VARIABLE: &str = "WORKBOOK_PROGRAM";

/// For helpers: a folder for the files of cells, gone with the kernel.
const SCRATCH_VARIABLE: &str = "WORKBOOK_SCRATCH";

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
    sweep(layout)?;
    let home = Home::make(layout)?;
    let folder = match std::env::var_os(FOLDER_VARIABLE) {
        Some(chosen) => PathBuf::from(chosen),
        None => {
            let copy = home.folder.join(COPY);
            copy_seed(layout, &copy)?;
            copy
        }
    };
    let log_file = home.folder.join("kernel.log");
    let mut command = Command::new(&arguments.evcxr);
    command
        .arg("--control_file")
        .arg(&arguments.connection_file)
        // Its own words, and cargo's at every cell, are of use only when it fails.
        .stdout(Stdio::null())
        .stderr(File::create(&log_file)?);
    clean_environment(&mut command);
    command
        .env("PATH", Toolchain::find()?.path())
        .env("EVCXR_TMPDIR", folder.join(seed::CELLS))
        .env("EVCXR_CONFIG_DIR", layout.evcxr_config())
        .env(PYTHON_VARIABLE, arguments.evcxr.with_file_name("python"))
        .env(PROGRAM_VARIABLE, crate::this_program()?)
        .env(SCRATCH_VARIABLE, home.folder.join("scratch"));
    child::tie(&mut command, libc::SIGKILL, false);

    let parent = parent_id();
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
        eprint!("{}", fs::read_to_string(&log_file).unwrap_or_default());
    }
    drop(home);
    end_process_group();
    Ok(if status.success() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// Copies the seed, if there is one. A setup may replace it at this very moment, so a copy that
/// went wrong is made again.
fn copy_seed(layout: &Layout, copy: &Path) -> Result<()> {
    for _ in 0..20 {
        if !layout.seed().exists() {
            break;
        }
        match seed::link_copy(&layout.seed(), copy) {
            Ok(()) => return Ok(()),
            // What is there already are links to the old seed's files, never to be written to.
            Err(_) => seed::remove(copy)?,
        }
        std::thread::sleep(Duration::from_millis(250));
    }
    if layout.seed().exists() {
        // Once more, for the reason: no reader of the seed is disturbed for so long.
        return seed::link_copy(&layout.seed(), copy);
    }
    Ok(())
}

/// A kernel's folder. The lock tells everyone that the kernel lives; the system lets go of it
/// however this program ends.
struct Home {
    folder: PathBuf,
    _lock: File,
}

impl Home {
    fn make(layout: &Layout) -> Result<Self> {
        let now = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        let name = format!("{}-{}", std::process::id(), now.as_nanos());
        let folder = layout.kernels().join(name);
        fs::create_dir_all(&folder)
            .with_context(|| format!("{} cannot be made (is the disk full?)", folder.display()))?;
        let lock = File::create(folder.join("lock"))?;
        lock.lock()?;
        Ok(Home {
            folder,
            _lock: lock,
        })
    }
}

impl Drop for Home {
    fn drop(&mut self) {
        // What cannot be removed now is swept up by the next kernel.
        let _ = fs::remove_dir_all(&self.folder);
    }
}

/// Removes the folders of kernels that were killed. Returns how many kernels are alive.
pub fn sweep(layout: &Layout) -> Result<usize> {
    let mut alive = 0;
    let Ok(entries) = fs::read_dir(layout.kernels()) else {
        return Ok(0);
    };
    for entry in entries.flatten() {
        let folder = entry.path();
        if is_alive(&folder) {
            alive += 1;
        } else {
            let _ = fs::remove_dir_all(&folder);
        }
    }
    Ok(alive)
}

fn is_alive(folder: &Path) -> bool {
    match File::open(folder.join("lock")) {
        Ok(lock) => matches!(lock.try_lock(), Err(TryLockError::WouldBlock)),
        // A folder without a lock is one that is just being made, or the rest of a removal.
        Err(_) => fs::metadata(folder)
            .and_then(|m| m.modified())
            .is_ok_and(|made| made.elapsed().unwrap_or_default() < Duration::from_secs(60)),
    }
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

//! `cargo workbook clean`: removes everything that the workbook made on this machine.

use crate::kernel;
use crate::layout::Layout;
use crate::seed::remove;
use crate::ui::bytes;
use anyhow::{Result, bail};
use std::collections::HashSet;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::process::ExitCode;

/// Removes `target/workbook` and, unless it is to be kept, `.venv`. Notebooks are not touched.
pub fn clean(layout: &Layout, keep_environment: bool) -> Result<ExitCode> {
    let alive = kernel::sweep(layout)?;
    if alive > 0 {
        bail!("{alive} kernel(s) are running; stop JupyterLab first, then run this again");
    }
    let mut folders = Vec::new();
    if keep_environment {
        folders.extend([
            layout.seed(),
            layout.kernels(),
            layout.data(),
            layout.compare_venv(),
        ]);
    } else {
        folders.extend([layout.venv(), layout.made()]);
    }
    let mut freed = 0;
    for folder in folders.iter().filter(|folder| folder.exists()) {
        let size = disk_use(folder);
        remove(folder)?;
        println!("removed {} ({})", folder.display(), bytes(size));
        freed += size;
    }
    println!(
        "✓ {} freed; your notebooks are untouched; `cargo clean` removes what is left",
        bytes(freed)
    );
    Ok(ExitCode::SUCCESS)
}

/// Bytes that a folder takes on disk; a file with several links counts once.
pub fn disk_use(folder: &Path) -> u64 {
    fn add(folder: &Path, seen: &mut HashSet<(u64, u64)>) -> u64 {
        let Ok(entries) = fs::read_dir(folder) else {
            return 0;
        };
        let mut total = 0;
        for entry in entries.flatten() {
            let Ok(metadata) = entry.metadata() else {
                continue;
            };
            if metadata.is_dir() {
                total += add(&entry.path(), seen);
            } else if seen.insert((metadata.dev(), metadata.ino())) {
                total += metadata.blocks() * 512;
            }
        }
        total
    }
    add(folder, &mut HashSet::new())
}

//! `cargo workbook clean`: removes everything that the workbook made on this machine.

use crate::cluster;
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
    if cluster::is_running(layout) {
        bail!("a cluster is running; end it with Ctrl-C in its terminal, then run this again");
    }
    let mut folders = Vec::new();
    if keep_environment {
        folders.extend([
            layout.seed(),
            layout.kernels(),
            layout.data(),
            layout.results(),
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

#[cfg(test)]
mod tests {
    use super::*;

    fn scratch() -> (tempfile::TempDir, Layout) {
        let folder = tempfile::tempdir().unwrap();
        let layout = Layout {
            root: folder.path().to_owned(),
        };
        for made in [
            layout.venv(),
            layout.seed(),
            layout.kernels().join("dead"),
            layout.stamps(),
            layout.results(),
            layout.notebooks(),
        ] {
            fs::create_dir_all(&made).unwrap();
            fs::write(made.join("file"), "content").unwrap();
        }
        // A lock that nobody holds: the kernel was killed.
        fs::write(layout.kernels().join("dead/lock"), "").unwrap();
        (folder, layout)
    }

    #[test]
    fn everything_goes_but_the_notebooks() {
        let (_folder, layout) = scratch();
        clean(&layout, false).unwrap();
        assert!(!layout.venv().exists() && !layout.made().exists());
        assert!(layout.notebooks().join("file").exists());
        // There is nothing left to remove, which is fine.
        clean(&layout, false).unwrap();
    }

    #[test]
    fn the_environment_can_stay() {
        let (_folder, layout) = scratch();
        clean(&layout, true).unwrap();
        assert!(layout.venv().join("file").exists() && layout.stamps().join("file").exists());
        assert!(!layout.seed().exists() && !layout.kernels().exists());
        assert!(!layout.results().exists());
    }

    #[test]
    fn nothing_is_taken_from_under_a_running_kernel() {
        let (_folder, layout) = scratch();
        let folder = layout.kernels().join("1-2");
        fs::create_dir_all(&folder).unwrap();
        let lock = fs::File::create(folder.join("lock")).unwrap();
        lock.lock().unwrap();
        let error = clean(&layout, false).unwrap_err().to_string();
        assert!(error.contains("stop JupyterLab first"), "{error}");
        assert!(layout.seed().exists() && layout.venv().exists());
    }
}

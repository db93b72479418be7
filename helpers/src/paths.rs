//! Where things are: every file the workbook makes stays inside its own folder.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// The workbook's folder, the one with `notebooks/` and `helpers/` in it.
pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("the helpers crate lies in the workbook's folder")
}

/// The folder for data that is made or unpacked once and kept; `cargo workbook clean` removes it.
pub fn data_dir() -> PathBuf {
    root().join("target").join("workbook").join("data")
}

/// An empty folder for the files of a cell. A cell that runs again finds it empty again, and it goes
/// when the kernel ends (on a kernel that the workbook did not start: when the system tidies up).
pub fn scratch(name: &str) -> io::Result<PathBuf> {
    let own = || std::env::temp_dir().join(format!("workbook-{}", std::process::id()));
    let kernels = std::env::var_os("WORKBOOK_SCRATCH").map(PathBuf::from);
    let folder = kernels.unwrap_or_else(own).join(name);
    remove(&folder)?;
    fs::create_dir_all(&folder)?;
    Ok(folder)
}

/// Removes a folder, if it is there.
pub(crate) fn remove(folder: &Path) -> io::Result<()> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// The folder for what chapters measured; see [`results`](crate::results).
pub fn results_dir() -> PathBuf {
    root().join("target").join("workbook").join("results")
}

/// Writes a file so that under its own name it is there whole or not at all. Until then it lies
/// beside it under a hidden name of this process and thread alone, which ends in `.part`.
pub fn write_whole(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let (process, thread) = (std::process::id(), std::thread::current().id());
    let aside = path.with_file_name(format!(".{name}.{process}-{thread:?}.part"));
    let written = File::create(&aside)
        .and_then(|mut file| file.write_all(bytes))
        .and_then(|()| fs::rename(&aside, path));
    if written.is_err() {
        // The first error is the one to tell.
        let _ = fs::remove_file(&aside);
    }
    written
}

/// A path as a reader knows it: from the workbook's folder on where it lies inside.
pub fn shown(path: &Path) -> String {
    path.strip_prefix(root())
        .unwrap_or(path)
        .display()
        .to_string()
}

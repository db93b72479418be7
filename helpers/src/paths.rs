//! Where things are: every file the workbook makes stays inside its own folder.

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
pub fn scratch(name: &str) -> std::io::Result<PathBuf> {
    let own = || std::env::temp_dir().join(format!("workbook-{}", std::process::id()));
    let kernels = std::env::var_os("WORKBOOK_SCRATCH").map(PathBuf::from);
    let folder = kernels.unwrap_or_else(own).join(name);
    match std::fs::remove_dir_all(&folder) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error),
        _ => std::fs::create_dir_all(&folder)?,
    }
    Ok(folder)
}

/// A path as a reader knows it: from the workbook's folder on where it lies inside.
pub fn shown(path: &Path) -> String {
    path.strip_prefix(root())
        .unwrap_or(path)
        .display()
        .to_string()
}

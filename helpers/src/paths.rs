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

/// A path as a reader knows it: from the workbook's folder on where it lies inside.
pub fn shown(path: &Path) -> String {
    path.strip_prefix(root())
        .unwrap_or(path)
        .display()
        .to_string()
}

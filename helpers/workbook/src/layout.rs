//! Where everything is; all of it inside the workbook's folder.

use std::path::{Path, PathBuf};

/// The workbook's folders. Deleting `.venv` and `target` removes everything that it ever made.
#[derive(Debug, Clone)]
pub struct Layout {
    /// The folder with `notebooks/` and `helpers/` in it.
    pub root: PathBuf,
}

impl Layout {
    /// The workbook that this program was built in.
    pub fn of_this_workbook() -> Self {
        let manifest = Path::new(env!("CARGO_MANIFEST_DIR"));
        let root = manifest.ancestors().nth(2).unwrap_or(manifest);
        Layout {
            root: root.to_owned(),
        }
    }

    /// The chapters.
    pub fn notebooks(&self) -> PathBuf {
        self.root.join("notebooks")
    }

    /// The crate that notebooks import.
    pub fn helpers(&self) -> PathBuf {
        self.root.join("helpers")
    }

    /// The Python environment where no conda environment is used.
    pub fn venv(&self) -> PathBuf {
        self.root.join(".venv")
    }

    /// What is made once and kept. Beside cargo's own output, so that it needs no further
    /// ignoring, and on one file system, so that kernels can link to the seed's files.
    pub fn made(&self) -> PathBuf {
        self.root.join("target").join("workbook")
    }

    /// The compiled dependencies that every kernel starts from.
    pub fn seed(&self) -> PathBuf {
        self.made().join("seed")
    }

    /// One folder for each running kernel.
    pub fn kernels(&self) -> PathBuf {
        self.made().join("kernels")
    }

    /// The kernel program's settings, in place of the reader's own, which may change the seed.
    pub fn evcxr_config(&self) -> PathBuf {
        self.made().join("evcxr")
    }

    /// Generated and unpacked X-rays and other data.
    pub fn data(&self) -> PathBuf {
        self.made().join("data")
    }

    /// The programs of chapter 07, and a folder for each cluster that runs.
    pub fn cluster(&self) -> PathBuf {
        self.made().join("cluster")
    }

    /// What chapters measured, kept for the last one.
    pub fn results(&self) -> PathBuf {
        self.made().join("results")
    }

    /// The Python environment with the libraries that `cargo workbook compare` compares with.
    pub fn compare_venv(&self) -> PathBuf {
        self.made().join("compare-venv")
    }

    /// What each setup step was done for; see [`crate::setup`].
    pub fn stamps(&self) -> PathBuf {
        self.made().join("stamps")
    }
}

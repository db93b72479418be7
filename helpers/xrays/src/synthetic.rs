//! The synthetic set: drawn once, from fixed seeds.

use super::{Xray, XrayError, XraySet, draw, store};
use platform::paths::{data_dir, write_whole};
use platform::progress::Progress;
use rayon::prelude::*;
use std::fs;
use std::path::{Path, PathBuf};

/// The classes' folders, as in Kaggle's set.
const CLASSES: [&str; 2] = ["NORMAL", "PNEUMONIA"];

/// `count` synthetic chest X-rays, half NORMAL, half PNEUMONIA; those not yet there are drawn, in
/// parallel.
///
/// A larger set has all images of a smaller one. The talk's number is 1431.
pub fn synthetic(count: usize) -> Result<XraySet, XrayError> {
    // A new way to draw needs a new folder name.
    synthetic_in(&data_dir().join("xrays-v1"), count)
}

pub(super) fn synthetic_in(folder: &Path, count: usize) -> Result<XraySet, XrayError> {
    let all: Vec<(usize, PathBuf)> = (0..count).map(|i| (i, folder.join(name(i)))).collect();
    let missing = |(_, path): &(usize, PathBuf)| {
        // A file is there whole or not at all, but for a disk that lost it in a crash.
        path.metadata().map_or(0, |about| about.len()) == 0
    };
    if all.iter().any(missing) {
        make_missing(folder, &all, missing)?;
    }
    let mut files: Vec<Xray> = all
        .into_iter()
        .map(|(index, path)| Xray { path, class: Some(class(index).to_owned()) })
        .collect();
    files.sort();
    Ok(XraySet {
        source: format!("synthetic, kept in {}", platform::paths::shown(folder)),
        files,
        skipped: Vec::new(),
    })
}

fn make_missing(
    folder: &Path,
    all: &[(usize, PathBuf)],
    missing: impl Fn(&(usize, PathBuf)) -> bool,
) -> Result<(), XrayError> {
    for class in CLASSES {
        let class = folder.join(class);
        fs::create_dir_all(&class).map_err(XrayError::storage(&class))?;
    }
    let storage = XrayError::storage(folder);
    let _lock = store::lock(folder, "making").map_err(storage)?;
    for class in CLASSES {
        store::sweep(&folder.join(class)).map_err(storage)?;
    }
    // Another notebook may have drawn them in the meantime.
    let todo: Vec<_> = all.iter().filter(|file| missing(file)).collect();
    if todo.is_empty() {
        return Ok(());
    }
    println!(
        "drawing {} synthetic X-rays, once, in {}",
        todo.len(),
        platform::paths::shown(folder)
    );
    let progress = Progress::new("X-rays", todo.len());
    todo.par_iter().try_for_each(|(index, path)| {
        let jpeg = draw::jpeg(*index, class(*index) == CLASSES[1]);
        write_whole(path, &jpeg).map_err(XrayError::storage(path))?;
        progress.tick();
        Ok(())
    })
}

fn class(index: usize) -> &'static str {
    CLASSES[index % CLASSES.len()]
}

fn name(index: usize) -> PathBuf {
    Path::new(class(index)).join(format!("xray-{index:04}.jpg"))
}

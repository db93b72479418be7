//! Files and folders on the disk: removing, copying, counting.

use anyhow::{Context, Result};
use std::collections::HashSet;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use walkdir::{DirEntry, WalkDir};

/// All files in a folder and in its folders; a link is one, wherever it leads to.
pub fn files_in(folder: &Path) -> impl Iterator<Item = walkdir::Result<DirEntry>> + use<> {
    let entries = WalkDir::new(folder).into_iter();
    entries.filter(|entry| !entry.as_ref().is_ok_and(|entry| entry.file_type().is_dir()))
}

/// Bytes that a folder takes on disk; a file with several links counts once.
pub fn disk_use(folder: &Path) -> u64 {
    let mut seen = HashSet::new();
    let facts = files_in(folder).flatten().flat_map(|file| file.metadata());
    let once = facts.filter(|facts| seen.insert((facts.dev(), facts.ino())));
    once.map(|facts| facts.blocks() * 512).sum()
}

/// Removes a folder if it is there.
pub fn remove(folder: &Path) -> Result<()> {
    platform::paths::remove(folder)
        .with_context(|| format!("{} cannot be removed", folder.display()))
}

/// Copies a program in one step: whoever starts it at this moment finds the old or the new one, also
/// where several do this at the same time.
pub fn install(program: &Path, to: &Path) -> Result<()> {
    let aside = to.with_added_extension(format!("new-{}", std::process::id()));
    fs::copy(program, &aside)
        .and_then(|_| fs::rename(&aside, to))
        .with_context(|| format!("{} cannot be written (is the disk full?)", to.display()))
}

/// Writes a file unless it holds the text already.
pub fn write_if_new(path: &Path, text: &str) -> Result<()> {
    if fs::read_to_string(path).is_ok_and(|old| old == text) {
        return Ok(());
    }
    fs::create_dir_all(path.parent().context("a file lies in a folder")?)?;
    fs::write(path, text)
        .with_context(|| format!("{} cannot be written (is the disk full?)", path.display()))
}

//! Which notebooks a reader means.

use crate::chapter::{is_chapter, name_of};
use crate::layout::Layout;
use anyhow::{Result, bail};
use std::fs;
use std::path::{Path, PathBuf};

/// Files as they are named, chapters by their number or name, all chapters if nothing is named.
pub fn find_notebooks(layout: &Layout, named: &[String]) -> Result<Vec<PathBuf>> {
    let chapters = chapters(layout)?;
    if named.is_empty() {
        return Ok(chapters);
    }
    let mut found = Vec::new();
    for name in named {
        let file = Path::new(name);
        if file.is_file() {
            found.push(fs::canonicalize(file)?);
            continue;
        }
        let like = named_like(chapters.iter().map(|c| name_of(c)), name, "notebook")?;
        found.extend(like.iter().map(|name| layout.notebooks().join(name)));
    }
    Ok(found)
}

/// The names that begin as the reader wrote: a chapter in two parts has two, so `07` means 07a and
/// 07b. An error lists what there is.
pub fn named_like(
    known: impl Iterator<Item = String>,
    wanted: &str,
    what: &str,
) -> Result<Vec<String>> {
    let known: Vec<String> = known.collect();
    let like = known.iter().filter(|name| name.starts_with(wanted));
    let found: Vec<String> = like.cloned().collect();
    if found.is_empty() {
        let names = known.join(", ");
        bail!("there is no {what} “{wanted}”; the chapters are {names}");
    }
    Ok(found)
}

/// The chapters in their order; a reader's own notebooks and copies are not among them.
pub fn chapters(layout: &Layout) -> Result<Vec<PathBuf>> {
    let mut chapters = Vec::new();
    for entry in fs::read_dir(layout.notebooks())? {
        let path = entry?.path();
        if is_chapter(&path) {
            chapters.push(path);
        }
    }
    chapters.sort();
    Ok(chapters)
}

//! Seeds of other workbooks of this user: what they have compiled of crates.io serves here too.
//!
//! Each workbook notes in the user's cache folder where its seed is, and for which versions and settings.
//! A workbook without one begins with a copy of such a seed, mostly by hard links, and cargo compiles only
//! what differs: the crates of this workbook, whose paths are others.

use crate::layout::{Layout, is_own, kept, make_own, user};
use anyhow::{Context, Result};
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// Where workbooks note their seeds, a file each.
fn notes() -> Option<PathBuf> {
    kept("seeds")
}

/// Notes that this workbook has a seed for that key.
pub fn note(layout: &Layout, key: &str) -> Result<()> {
    notes().map_or(Ok(()), |notes| note_in(&notes, layout, key))
}

fn note_in(notes: &Path, layout: &Layout, key: &str) -> Result<()> {
    make_own(notes)?;
    let seed = layout.seed();
    let seed = seed.to_str().context("its path is not valid Unicode")?;
    fs::write(notes.join(layout.fingerprint()), format!("{key}\n{seed}"))
        .with_context(|| format!("{} cannot be written (is the disk full?)", notes.display()))
}

/// Takes this workbook's note away, if there is one. One that stays leads nowhere, and is passed over.
pub fn forget(layout: &Layout) {
    if let Some(notes) = notes() {
        let _ = fs::remove_file(notes.join(layout.fingerprint()));
    }
}

/// A seed for that key of another workbook of this user.
pub fn find(layout: &Layout, key: &str) -> Option<PathBuf> {
    find_in(&notes()?, layout, key)
}

fn find_in(notes: &Path, layout: &Layout, key: &str) -> Option<PathBuf> {
    if !is_own(notes) {
        return None;
    }
    let others = fs::read_dir(notes).ok()?.flatten().map(|entry| entry.path());
    others.filter(|note| !note.ends_with(layout.fingerprint())).find_map(|note| {
        let text = fs::read_to_string(note).ok()?;
        let (of, seed) = text.split_once('\n')?;
        let is_mine =
            fs::symlink_metadata(seed).is_ok_and(|seed| seed.is_dir() && seed.uid() == user());
        (of == key && is_mine).then(|| PathBuf::from(seed))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_of_another_workbook_is_found_while_it_is_there_and_right() {
        let folder = tempfile::tempdir().unwrap();
        let notes = folder.path().join("cache/seeds");
        let [one, two] = ["one", "two"].map(|name| Layout { root: folder.path().join(name) });
        assert_eq!(find_in(&notes, &two, "key"), None);
        note_in(&notes, &one, "key").unwrap();
        assert_eq!(find_in(&notes, &two, "key"), None, "it is gone");
        fs::create_dir_all(one.seed()).unwrap();
        assert_eq!(find_in(&notes, &two, "key"), Some(one.seed()));
        assert_eq!(find_in(&notes, &two, "another key"), None);
        assert_eq!(find_in(&notes, &one, "key"), None, "it is its own");
        // A link may lead to what is somebody else's.
        fs::rename(one.seed(), folder.path().join("elsewhere")).unwrap();
        std::os::unix::fs::symlink(folder.path().join("elsewhere"), one.seed()).unwrap();
        assert_eq!(find_in(&notes, &two, "key"), None);
    }
}

//! The X-rays in a folder.

use super::{Xray, XrayError, XraySet};
use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};

/// Folders inside folders inside … : a loop of links ends here at the latest.
const DEEPEST: usize = 16;

pub(super) fn xrays(folder: &Path) -> Result<XraySet, XrayError> {
    let mut walk = Walk::default();
    // Only the first folder must be readable; others are skipped with the reason.
    fs::read_dir(folder).map_err(XrayError::unreadable(folder))?;
    walk.enter(folder, 0);
    let Walk { mut found, skipped, .. } = walk;

    let all: BTreeSet<PathBuf> = found.iter().cloned().collect();
    // The folder's own name counts: it may be the outer one of two.
    let outside = folder.parent().unwrap_or(Path::new(""));
    found.retain(|path| {
        let inside = path.strip_prefix(outside).unwrap_or(path);
        !repeats_a_folder(inside, |other| all.contains(&outside.join(other)))
    });
    if found.is_empty() {
        let place = folder.to_owned();
        return Err(match skipped.is_empty() {
            true => XrayError::NoImages { place },
            false => XrayError::NoneReadable { place, bad: skipped },
        });
    }
    found.sort();

    let parents: BTreeSet<&OsStr> = found.iter().filter_map(|path| parent_name(path)).collect();
    let several = parents.len() > 1;
    let files = found
        .iter()
        .map(|path| Xray {
            path: path.clone(),
            class: parent_name(path)
                .filter(|_| several)
                .map(|name| name.to_string_lossy().into_owned()),
        })
        .collect();
    Ok(XraySet { source: folder.display().to_string(), files, skipped })
}

fn parent_name(path: &Path) -> Option<&OsStr> {
    path.parent()?.file_name()
}

#[derive(Default)]
struct Walk {
    found: Vec<PathBuf>,
    skipped: Vec<(PathBuf, String)>,
    /// Folders that were entered, links resolved.
    seen: BTreeSet<PathBuf>,
}

impl Walk {
    fn enter(&mut self, folder: &Path, depth: usize) {
        if depth > DEEPEST {
            let why = format!("more than {DEEPEST} folders deep");
            return self.skip(folder, why);
        }
        let entries = folder.canonicalize().and_then(|real| {
            let new = self.seen.insert(real);
            let entries: Result<Vec<_>, _> = fs::read_dir(folder)?.collect();
            Ok((new, entries?))
        });
        let mut paths: Vec<PathBuf> = match entries {
            Err(error) => return self.skip(folder, error.to_string()),
            Ok((false, _)) => return self.skip(folder, "a link to a folder already read".into()),
            Ok((true, entries)) => entries.iter().map(|entry| entry.path()).collect(),
        };
        paths.sort();
        for path in paths {
            if is_debris(&path) {
                continue;
            }
            // Follows links, so a link to nowhere is an error here.
            match path.metadata() {
                Err(error) => self.skip(&path, error.to_string()),
                Ok(about) if about.is_dir() => {
                    let before = self.found.len() + self.skipped.len();
                    self.enter(&path, depth + 1);
                    let nothing = before == self.found.len() + self.skipped.len();
                    if nothing && is_image(&path) {
                        self.skip(&path, "a folder without images; leave it out".into());
                    }
                }
                Ok(_) if !is_image(&path) => {}
                Ok(about) if !about.is_file() => {
                    self.skip(&path, "not a file; leave it out".into())
                }
                Ok(about) if about.len() == 0 => {
                    self.skip(&path, "an empty file; copy or download it again".into())
                }
                Ok(_) => self.found.push(path),
            }
        }
    }

    fn skip(&mut self, path: &Path, why: String) {
        self.skipped.push((path.to_owned(), why));
    }
}

/// Whether a name ends like an image's.
pub(super) fn is_image(path: &Path) -> bool {
    let extension = path.extension().and_then(OsStr::to_str).unwrap_or("");
    ["jpg", "jpeg", "png"].iter().any(|known| extension.eq_ignore_ascii_case(known))
}

/// What macOS leaves in folders and archives: `__MACOSX`, and `._name` beside `name`. Other hidden
/// files are nobody's X-rays either.
pub(super) fn is_debris(path: &Path) -> bool {
    path.file_name()
        .is_some_and(|name| name == "__MACOSX" || name.to_string_lossy().starts_with('.'))
}

/// Whether `path` is a second copy: Kaggle's archive has all of `chest_xray/…` once more as
/// `chest_xray/chest_xray/…`. It is one only if the shorter path `exists`.
pub(super) fn repeats_a_folder(path: &Path, exists: impl Fn(&Path) -> bool) -> bool {
    let mut parts: Vec<_> = path.components().collect();
    let before = parts.len();
    parts.dedup();
    parts.len() < before && exists(&parts.iter().collect::<PathBuf>())
}

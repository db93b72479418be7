//! Which files are chapters, by their names. The tests include this module, so it needs only std.

use std::path::Path;

/// Whether a path is named like a chapter: `06-….ipynb`, or `07a-…` where a chapter has two parts.
/// A reader's own notebooks and kept copies are not.
pub fn is_chapter(path: &Path) -> bool {
    let name = name_of(path);
    let digits = name.bytes().take_while(u8::is_ascii_digit).count();
    let rest = &name[digits..];
    let part = |c: char| c.is_ascii_lowercase();
    let numbered = digits == 2 && rest.strip_prefix(part).unwrap_or(rest).starts_with('-');
    numbered && name.ends_with(".ipynb") && !name.contains(".edited-")
}

/// A path's file name as text.
pub fn name_of(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

//! One X-ray file in, one small PNG file out.

use anyhow::{Context, Result, ensure};
use image::ImageFormat;
use platform::paths::write_whole;
use std::fs;
use std::io::Cursor;
use std::path::{Path, PathBuf};
use xrays::resize;

/// Where the small image of `source` goes: into `folder`, under the file's name with `.png`.
pub fn target_of(source: &Path, folder: &Path) -> Result<PathBuf> {
    let stem = source
        .file_stem()
        .with_context(|| format!("{} is not the name of a file", source.display()))?;
    let target = folder.join(stem).with_added_extension("png");
    let is_source = |target: PathBuf| fs::canonicalize(source).is_ok_and(|place| place == target);
    ensure!(
        !fs::canonicalize(&target).is_ok_and(is_source),
        "{} would be replaced by its small image; choose another folder",
        source.display()
    );
    Ok(target)
}

/// Writes the image aside and renames it: whoever looks sees all of it or nothing, and doing it
/// twice does no harm.
pub fn resize_to(source: &Path, target: &Path) -> Result<()> {
    let mut png = Cursor::new(Vec::new());
    resize(source)?
        .image()
        .write_to(&mut png, ImageFormat::Png)?;
    let written = write_whole(target, png.get_ref());
    written.with_context(|| format!("{} cannot be written (is the disk full?)", target.display()))
}

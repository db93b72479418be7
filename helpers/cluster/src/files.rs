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
    resize(source)?.image().write_to(&mut png, ImageFormat::Png)?;
    let written = write_whole(target, png.get_ref());
    written.with_context(|| format!("{} cannot be written (is the disk full?)", target.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A grey picture of two colours.
    fn write_xray(path: &Path) {
        let shade = |x: u32, _: u32| image::Luma([if x < 100 { 40_u8 } else { 200 }]);
        image::GrayImage::from_fn(200, 160, shade).save(path).unwrap();
    }

    #[test]
    fn a_small_image_goes_into_the_folder_under_the_files_name() {
        for (source, target) in [
            ("/x/a.jpeg", "/t/a.png"),
            ("/x/a.b.jpg", "/t/a.b.png"),
            ("/x/no-ending", "/t/no-ending.png"),
            ("a b/ü.png", "/t/ü.png"),
        ] {
            let found = target_of(Path::new(source), Path::new("/t")).unwrap();
            assert_eq!(found, Path::new(target));
        }
        let error = target_of(Path::new("/"), Path::new("/t")).unwrap_err();
        assert!(error.to_string().contains("not the name of a file"));
    }

    #[test]
    fn an_xray_is_never_replaced_by_its_small_image() {
        let folder = tempfile::tempdir().unwrap();
        let source = folder.path().join("a.png");
        write_xray(&source);
        let error = target_of(&source, folder.path()).unwrap_err().to_string();
        assert!(error.contains("choose another folder"), "{error}");
        // Nor on a way round.
        let round = folder.path().join("b/..");
        fs::create_dir(folder.path().join("b")).unwrap();
        assert!(target_of(&source, &round).is_err());
        assert!(target_of(&source, &folder.path().join("b")).is_ok());
    }

    #[test]
    fn the_small_image_is_there_whole_and_again_the_second_time() {
        let folder = tempfile::tempdir().unwrap();
        let (source, small) = (folder.path().join("a.png"), folder.path().join("small"));
        fs::create_dir(&small).unwrap();
        write_xray(&source);
        let target = target_of(&source, &small).unwrap();
        for _ in 0..2 {
            resize_to(&source, &target).unwrap();
            let made = image::open(&target).unwrap();
            assert_eq!((made.width(), made.height()), (64, 64));
            assert_eq!(fs::read_dir(&small).unwrap().count(), 1);
        }
    }

    #[test]
    fn what_cannot_be_read_or_written_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let (source, broken) = (folder.path().join("a.png"), folder.path().join("b.png"));
        write_xray(&source);
        fs::write(&broken, "no picture").unwrap();
        let target = folder.path().join("c.png");
        let error = resize_to(&broken, &target).unwrap_err();
        assert!(format!("{error:#}").contains("b.png"), "{error:#}");
        assert!(!target.exists());
        let nowhere = folder.path().join("no/such/folder.png");
        let error = resize_to(&source, &nowhere).unwrap_err().to_string();
        assert!(error.contains("cannot be written"), "{error}");
    }
}

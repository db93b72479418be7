//! The sources of X-rays, and what they refuse.

use super::archive::{Limits, safe_path, unpack_into};
use super::synthetic::synthetic_in;
use super::*;
use std::fs::{self, File};
use std::io::Write;
use zip::ZipWriter;
use zip::write::SimpleFileOptions;

const SMALL: Limits = Limits { entry: 1 << 20, total: 3 << 20, entries: 100 };

fn make(folder: &Path, names: &[&str]) {
    for name in names {
        let path = folder.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, "pixels").unwrap();
    }
}

fn zip_of(folder: &Path, names: &[&str]) -> PathBuf {
    let path = folder.join("set.zip");
    let mut zip = ZipWriter::new(File::create(&path).unwrap());
    for name in names {
        zip.start_file(*name, SimpleFileOptions::default()).unwrap();
        zip.write_all(b"pixels").unwrap();
    }
    zip.finish().unwrap();
    path
}

fn names(set: &XraySet, folder: &Path) -> Vec<String> {
    let inside = |xray: &Xray| xray.path.strip_prefix(folder).unwrap().to_owned();
    set.files().iter().map(|xray| inside(xray).display().to_string()).collect()
}

/// Everything that is in a folder, hidden files too.
fn everything_in(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(everything_in(&path));
        }
        found.push(path);
    }
    found
}

/// Nobody else is asked.
fn no_others(paths: &[&Path]) -> Vec<Option<String>> {
    vec![None; paths.len()]
}

#[test]
fn a_folder_is_read_in_order_with_its_classes() {
    let folder = tempfile::tempdir().unwrap();
    make(
        folder.path(),
        &[
            "train/PNEUMONIA/b.jpeg",
            "train/NORMAL/c.JPG",
            "train/NORMAL/a.png",
            "train/NORMAL/._a.png",
            "__MACOSX/train/NORMAL/a.png",
            "notes.txt",
        ],
    );
    fs::write(folder.path().join("train/NORMAL/hollow.jpg"), "").unwrap();
    let set = xrays_from(folder.path()).unwrap();
    assert_eq!(
        names(&set, folder.path()),
        ["train/NORMAL/a.png", "train/NORMAL/c.JPG", "train/PNEUMONIA/b.jpeg"]
    );
    assert_eq!(set.classes(), [("NORMAL".to_owned(), 2), ("PNEUMONIA".to_owned(), 1)]);
    assert_eq!(set.skipped().len(), 1);
    let text = set.to_string();
    assert!(text.contains("hollow.jpg: an empty file"), "{text}");
    assert_eq!(set.clone().class("PNEUMONIA").len(), 1);
    assert_eq!(set.take(2).len(), 2);
}

#[test]
fn a_flat_folder_has_no_classes() {
    let folder = tempfile::tempdir().unwrap();
    make(folder.path(), &["a.jpg", "b.jpg"]);
    let set = xrays_from(folder.path()).unwrap();
    assert!(set.classes().is_empty());
    assert_eq!(set.files()[0].class, None);
}

#[test]
fn the_copy_inside_the_kaggle_set_is_left_out() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("chest_xray");
    make(
        &root,
        &[
            "train/NORMAL/a.jpeg",
            "chest_xray/train/NORMAL/a.jpeg",
            "chest_xray/train/NORMAL/only-here.jpeg",
        ],
    );
    let expected = ["chest_xray/train/NORMAL/only-here.jpeg", "train/NORMAL/a.jpeg"];
    assert_eq!(names(&xrays_from(&root).unwrap(), &root), expected);
    let from_above = xrays_from(folder.path()).unwrap();
    assert_eq!(names(&from_above, &root), expected);
}

#[cfg(unix)]
#[test]
fn links_in_a_circle_end() {
    let folder = tempfile::tempdir().unwrap();
    make(folder.path(), &["in/a.jpg"]);
    std::os::unix::fs::symlink(folder.path(), folder.path().join("in/again")).unwrap();
    std::os::unix::fs::symlink("nowhere", folder.path().join("lost.jpg")).unwrap();
    let set = xrays_from(folder.path()).unwrap();
    assert_eq!(set.len(), 1);
    assert_eq!(set.skipped().len(), 2);
}

/// A folder of good images and of bad ones of many kinds; gives the names of the bad ones.
fn mixture(folder: &Path) -> Vec<&'static str> {
    let images = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/images");
    let copy = |from: &str, to: &str| fs::copy(images.join(from), folder.join(to)).unwrap();
    for good in ["gray.jpg", "colour.jpg", "cmyk.jpg", "palette.png", "rgb16.png"] {
        copy(good, good);
    }
    let cut = |from: &str, missing: usize| {
        let bytes = fs::read(images.join(from)).unwrap();
        bytes[..bytes.len() - missing].to_vec()
    };
    fs::write(folder.join("a-truncated.jpg"), cut("gray.jpg", 300)).unwrap();
    fs::write(folder.join("b-truncated.png"), cut("gray.png", 300)).unwrap();
    fs::write(folder.join("c-no-end.png"), cut("gray.png", 12)).unwrap();
    fs::write(folder.join("really-a-gif.jpeg"), "GIF89a").unwrap();
    fs::write(folder.join("hollow.jpg"), "").unwrap();
    fs::create_dir(folder.join("a-folder.jpeg")).unwrap();
    copy("rare-3x1.jpg", "rare-3x1.jpg");
    copy("rare-scans-420.jpg", "rare-scans-420.jpg");
    copy("gray.png", "really-a-png.jpg");
    vec![
        "a-folder.jpeg",
        "a-truncated.jpg",
        "b-truncated.png",
        "c-no-end.png",
        "hollow.jpg",
        "rare-3x1.jpg",
        "rare-scans-420.jpg",
        "really-a-gif.jpeg",
        "really-a-png.jpg",
    ]
}

#[test]
fn only_what_every_side_can_read_is_readable() {
    let folder = tempfile::tempdir().unwrap();
    let bad = mixture(folder.path());
    let set = xrays_from(folder.path()).unwrap().readable_by(no_others).unwrap();
    let good = ["cmyk.jpg", "colour.jpg", "gray.jpg", "palette.png", "rgb16.png"];
    assert_eq!(names(&set, folder.path()), good);
    let text = set.describe();
    assert!(text.contains("left out or unreadable: 9"), "{text}");
    for name in bad {
        assert!(text.contains(&format!("{name}: ")), "{name} in {text}");
    }
    assert!(
        text.contains("really-a-png.jpg: is a PNG with the name of a JPEG; rename it"),
        "{text}"
    );
    for path in set.paths() {
        assert!(crate::resize::resize_scaled(&path).is_ok());
        assert!(image::open(&path).is_ok());
    }
}

#[test]
fn the_listing_and_the_ways_to_a_thumbnail_agree() {
    let images = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/images");
    let set = xrays_from(&images).unwrap();
    let text = set.describe();
    let mut refused = 0;
    for path in set.paths() {
        if let Err(error) = crate::resize::resize(&path) {
            refused += 1;
            assert!(text.contains(&format!("  {error}")), "{error} in {text}");
        }
    }
    assert!(refused > 5 && text.contains(&format!("unreadable: {refused}\n")), "{text}");
}

#[test]
fn a_folder_of_bad_images_says_so_in_one_sentence() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("hollow.jpg"), "").unwrap();
    let hollow = xrays_from(folder.path()).unwrap_err();
    fs::write(folder.path().join("text.jpg"), "kaya toast").unwrap();
    let text = xrays_from(folder.path()).unwrap().readable_by(no_others).unwrap_err();
    for (error, name) in [(hollow, "hollow.jpg (an empty file"), (text, "hollow.jpg (an")] {
        assert!(matches!(&error, XrayError::NoneReadable { .. }));
        let text = error.to_string();
        assert!(text.contains("has no image that can be read: "), "{text}");
        assert!(text.contains(name) && text.contains("WORKBOOK_XRAYS"), "{text}");
        assert_eq!(text.lines().count(), 1);
    }
}

#[cfg(target_os = "linux")]
#[test]
fn a_name_that_python_cannot_be_told_is_left_out() {
    use std::os::unix::ffi::OsStrExt;
    let folder = tempfile::tempdir().unwrap();
    let images = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/images");
    let odd = folder.path().join(std::ffi::OsStr::from_bytes(b"\xff.jpg"));
    fs::copy(images.join("gray.jpg"), odd).unwrap();
    fs::copy(images.join("gray.jpg"), folder.path().join("plain.jpg")).unwrap();
    let set = xrays_from(folder.path()).unwrap().readable_by(no_others).unwrap();
    assert_eq!(names(&set, folder.path()), ["plain.jpg"]);
    assert!(set.skipped()[0].1.contains("not UTF-8"));
}

#[test]
fn a_zip_of_windows_powershell_says_what_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let zip = zip_of(folder.path(), &["chest\\NORMAL\\a.jpeg", "chest\\NORMAL\\b.jpeg"]);
    let store = folder.path().join("store");
    let text = unpack_into(&zip, &store, SMALL).unwrap_err().to_string();
    assert!(text.contains("“chest\\NORMAL\\a.jpeg” has backslashes"), "{text}");
    assert!(text.contains("PowerShell") && text.contains("zip it again"), "{text}");
    for bad in ["..\\a.jpg", "chest\\..\\..\\a.jpg", "\\a.jpg", "c:\\a.jpg"] {
        let why = safe_path(bad).unwrap_err();
        assert!(why.contains("outside of its folder"), "{why}");
    }
}

#[test]
fn a_place_without_images_says_what_is_wanted() {
    let folder = tempfile::tempdir().unwrap();
    let empty = xrays_from(folder.path()).unwrap_err();
    assert!(matches!(empty, XrayError::NoImages { .. }));
    let gone = xrays_from(&folder.path().join("gone")).unwrap_err();
    for error in [empty, gone] {
        let text = error.to_string();
        assert!(text.contains("WORKBOOK_XRAYS"), "{text}");
        assert!(text.contains("Chest X-Ray Images (Pneumonia)"), "{text}");
    }
}

#[test]
fn a_zip_is_unpacked_once() {
    let folder = tempfile::tempdir().unwrap();
    let zip = zip_of(
        folder.path(),
        &[
            "chest_xray/train/NORMAL/a.jpeg",
            "chest_xray/train/PNEUMONIA/b.jpeg",
            "chest_xray/chest_xray/train/NORMAL/a.jpeg",
            "chest_xray/__MACOSX/train/NORMAL/._a.jpeg",
            "chest_xray/train/.DS_Store",
        ],
    );
    let store = folder.path().join("store");
    let first = unpack_into(&zip, &store, SMALL).unwrap();
    let set = xrays_from(&first).unwrap();
    assert_eq!(set.len(), 2);
    assert_eq!(set.classes().len(), 2);

    let marked = first.join("still here");
    fs::write(&marked, "").unwrap();
    assert_eq!(unpack_into(&zip, &store, SMALL).unwrap(), first);
    assert!(marked.exists());
}

#[test]
fn names_that_leave_the_folder_are_refused() {
    for bad in [
        "../a.jpg",
        "a/../../b.jpg",
        "/a.jpg",
        "c:/a.jpg",
        "c:a.jpg",
        "..\\a.jpg",
        "a\\b.jpg",
        "\\\\host\\a.jpg",
        "a//b.jpg",
        "./a.jpg",
        "a/./b.jpg",
        "",
        "/",
        "..",
        "a\0b.jpg",
        "a.jpg:x",
        "a\nb.jpg",
    ] {
        assert!(safe_path(bad).is_err(), "{bad:?}");
    }
    assert_eq!(safe_path("a/b c/ü..jpg").unwrap(), Path::new("a/b c/ü..jpg"));
    assert_eq!(safe_path("a/b/").unwrap(), Path::new("a/b"));
}

#[test]
fn an_archive_with_one_such_name_writes_nothing() {
    for bad in ["../../out.jpg", "/out.jpg", "train/..\\out.jpg", "../out.txt"] {
        let folder = tempfile::tempdir().unwrap();
        let zip = zip_of(folder.path(), &["train/good.jpg", bad]);
        let store = folder.path().join("a/b/store");
        let error = unpack_into(&zip, &store, SMALL).unwrap_err();
        assert!(
            matches!(&error, XrayError::Archive { why, .. } if why.contains("out.")),
            "{error}"
        );
        let left = everything_in(folder.path());
        assert!(
            !left.iter().any(|path| path.extension().is_some_and(|e| e == "jpg" || e == "part")),
            "{left:?}"
        );
    }
}

#[test]
fn links_in_an_archive_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("set.zip");
    let mut zip = ZipWriter::new(File::create(&path).unwrap());
    let options = SimpleFileOptions::default();
    zip.start_file("a.jpg", options).unwrap();
    zip.add_symlink("out.jpg", "/etc/passwd", options).unwrap();
    zip.finish().unwrap();
    let error = unpack_into(&path, &folder.path().join("store"), SMALL).unwrap_err();
    assert!(error.to_string().contains("“out.jpg” is a link"), "{error}");
}

#[test]
fn bombs_are_refused() {
    let refused = |sizes: &[usize], lie: bool| {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("bomb.zip");
        let mut zip = ZipWriter::new(File::create(&path).unwrap());
        for (number, size) in sizes.iter().enumerate() {
            let name = format!("{number}.jpg");
            zip.start_file(name, SimpleFileOptions::default()).unwrap();
            zip.write_all(&vec![0; *size]).unwrap();
        }
        zip.finish().unwrap();
        if lie {
            // The directory at the end claims ten bytes for each file.
            let mut bytes = fs::read(&path).unwrap();
            let starts: Vec<usize> =
                (0..bytes.len() - 4).filter(|&at| bytes[at..at + 4] == *b"PK\x01\x02").collect();
            for start in starts {
                bytes[start + 24..start + 28].copy_from_slice(&10_u32.to_le_bytes());
            }
            fs::write(&path, bytes).unwrap();
        }
        let store = folder.path().join("store");
        let error = unpack_into(&path, &store, SMALL).unwrap_err();
        let left = everything_in(&store);
        assert!(left.iter().all(|path| path.extension().is_some_and(|e| e == "lock")), "{left:?}");
        error.to_string()
    };
    let text = refused(&[2 << 20], false);
    assert!(text.contains("“0.jpg” is too large"), "{text}");
    let text = refused(&[1 << 20; 4], false);
    assert!(text.contains("“3.jpg” is too large"), "{text}");
    let text = refused(&[2 << 20], true);
    assert!(text.contains("was not unpacked"), "{text}");
}

#[test]
fn a_damaged_zip_says_download_it_again() {
    let folder = tempfile::tempdir().unwrap();
    let zip = zip_of(folder.path(), &["a.jpg", "b.jpg"]);
    let whole = fs::read(&zip).unwrap();
    let store = folder.path().join("store");
    for end in [0, 10, whole.len() / 2, whole.len() - 5] {
        fs::write(&zip, &whole[..end]).unwrap();
        let text = unpack_into(&zip, &store, SMALL).unwrap_err().to_string();
        assert!(text.contains("download it again"), "{text}");
    }
    // One wrong byte in the compressed data: the checksum tells.
    let mut wrong = whole.clone();
    wrong[30 + "a.jpg".len() + 2] ^= 0x10;
    fs::write(&zip, &wrong).unwrap();
    let text = unpack_into(&zip, &store, SMALL).unwrap_err().to_string();
    assert!(text.contains("a.jpg in it is damaged"), "{text}");
}

#[test]
fn an_encrypted_zip_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let zip = zip_of(folder.path(), &["a.jpg"]);
    let mut bytes = fs::read(&zip).unwrap();
    // The flag stands in the file's own header and in the directory.
    let directory = bytes.windows(4).position(|w| w == b"PK\x01\x02").unwrap();
    bytes[6] |= 1;
    bytes[directory + 8] |= 1;
    fs::write(&zip, bytes).unwrap();
    let error = unpack_into(&zip, &folder.path().join("store"), SMALL).unwrap_err();
    assert!(error.to_string().contains("“a.jpg” is encrypted"), "{error}");
}

#[test]
fn a_synthetic_set_grows_and_is_kept() {
    let folder = tempfile::tempdir().unwrap();
    let four = synthetic_in(folder.path(), 4).unwrap();
    let time = |set: &XraySet| set.files()[0].path.metadata().unwrap().modified().unwrap();
    let first_time = time(&four);
    let six = synthetic_in(folder.path(), 6).unwrap();
    assert_eq!(time(&six), first_time);
    assert!(four.files().iter().all(|xray| six.files().contains(xray)));
    assert_eq!(six.classes(), [("NORMAL".to_owned(), 3), ("PNEUMONIA".to_owned(), 3)]);
    assert!(six.describe().contains("X-rays   6 (3 NORMAL, 3 PNEUMONIA)"));
    for xray in six.files() {
        crate::resize::resize(&xray.path).unwrap();
    }
}

#[test]
fn two_first_runs_at_once_make_one_set() {
    let folder = tempfile::tempdir().unwrap();
    let make = || synthetic_in(folder.path(), 6).unwrap();
    let sets: Vec<XraySet> = std::thread::scope(|scope| {
        let runs: Vec<_> = (0..3).map(|_| scope.spawn(make)).collect();
        runs.into_iter().map(|run| run.join().unwrap()).collect()
    });
    assert!(sets.iter().all(|set| set.files() == sets[0].files()));
    let left = everything_in(folder.path());
    assert!(!left.iter().any(|path| path.extension().is_some_and(|e| e == "part")));
    for xray in sets[0].files() {
        crate::resize::resize(&xray.path).unwrap();
    }
}

#[test]
fn what_a_stopped_run_left_is_swept_away() {
    let folder = tempfile::tempdir().unwrap();
    make(folder.path(), &["NORMAL/.xray-0000.jpg.1-x.part", "NORMAL/xray-0000.jpg"]);
    fs::write(folder.path().join("NORMAL/xray-0000.jpg"), "").unwrap();
    let set = synthetic_in(folder.path(), 1).unwrap();
    assert!(set.files()[0].path.metadata().unwrap().len() > 1000);
    assert!(!folder.path().join("NORMAL/.xray-0000.jpg.1-x.part").exists());
}

#[test]
fn a_place_that_cannot_be_written_is_named() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("NORMAL"), "a file in the way").unwrap();
    let error = synthetic_in(folder.path(), 1).unwrap_err();
    assert!(matches!(error, XrayError::Storage { .. }));
    assert!(error.to_string().contains("cargo workbook clean"), "{error}");
}

//! The X-rays in a zip, unpacked once.
//!
//! An archive comes from elsewhere and may be made to harm. Every name in it is checked before
//! the first file is written, sizes are counted while unpacking, and all of it goes into a folder
//! aside that gets its name only when it is complete.

use super::XrayError;
use super::folder::{is_debris, is_image, repeats_a_folder};
use super::store;
use platform::paths::{data_dir, remove};
use platform::progress::Progress;
use std::collections::BTreeSet;
use std::fs::{self, File, OpenOptions};
use std::io::{self, BufReader, Read};
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;
use zip::ZipArchive;
use zip::result::ZipError;

/// What an archive may hold.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limits {
    /// Bytes of one unpacked file.
    pub entry: u64,
    /// Bytes of all unpacked files.
    pub total: u64,
    /// Files, unpacked or not.
    pub entries: usize,
}

/// Kaggle's archive: 11,700 images with the copies, 2.4 GB, 3 MB at most each.
const LIMITS: Limits = Limits { entry: 64 << 20, total: 8 << 30, entries: 200_000 };

/// The folder with the images of the zip at `place`; unpacks it if that was not done before.
pub(super) fn unpack(place: &Path) -> Result<PathBuf, XrayError> {
    unpack_into(place, &data_dir().join("unpacked"), LIMITS)
}

pub(super) fn unpack_into(
    place: &Path,
    folder: &Path,
    limits: Limits,
) -> Result<PathBuf, XrayError> {
    let storage = XrayError::storage(folder);
    let key = key(place).map_err(XrayError::unreadable(place))?;
    let done = folder.join(&key);
    if done.is_dir() {
        return Ok(done);
    }
    fs::create_dir_all(folder).map_err(storage)?;
    // Another notebook may be unpacking the same archive; then it is there after the wait.
    let _lock = store::lock(folder, &key).map_err(storage)?;
    if done.is_dir() {
        return Ok(done);
    }
    // Left by a run that was stopped: under the lock nobody is writing there.
    let aside = folder.join(format!("{key}.part"));
    remove(&aside).map_err(storage)?;
    let unpacked = write_images(place, &aside, limits)
        .and_then(|()| fs::rename(&aside, &done).map_err(storage));
    if unpacked.is_err() {
        // The first error is the one to tell.
        let _ = remove(&aside);
    }
    unpacked.map(|()| done)
}

/// The archive's name, length and time: a new download of the same name is unpacked anew.
fn key(place: &Path) -> io::Result<String> {
    let about = place.metadata()?;
    let name: String = place
        .file_stem()
        .unwrap_or_default()
        .to_string_lossy()
        .chars()
        .map(|c| if c.is_alphanumeric() { c } else { '-' })
        .take(40)
        .collect();
    let modified = about.modified()?.duration_since(UNIX_EPOCH);
    let modified = modified.unwrap_or_default().as_millis();
    Ok(format!("{name}-{}-{modified}", about.len()))
}

fn write_images(place: &Path, folder: &Path, limits: Limits) -> Result<(), XrayError> {
    let refuse = |why: String| XrayError::Archive { place: place.to_owned(), why };
    let file = File::open(place).map_err(XrayError::unreadable(place))?;
    let mut archive = ZipArchive::new(BufReader::new(file))
        .map_err(|error| refuse(format!("it is no complete zip ({error}); download it again")))?;
    let images = check_entries(&mut archive, limits).map_err(refuse)?;

    println!("unpacking {} images of {}", images.len(), place.display());
    let progress = Progress::new("images", images.len());
    let mut total = 0;
    for (index, name) in images {
        let target = folder.join(&name);
        let parent = target.parent().unwrap_or(folder);
        fs::create_dir_all(parent).map_err(XrayError::storage(parent))?;
        let mut entry = archive.by_index(index).map_err(|error| refuse(damaged(&name, &error)))?;
        // The declared size was checked; what really comes out may be more.
        let room = limits.entry.min(limits.total - total) + 1;
        let mut bytes = Vec::new();
        entry
            .by_ref()
            .take(room)
            .read_to_end(&mut bytes)
            .map_err(|error| refuse(damaged(&name, &error.into())))?;
        if bytes.len() as u64 == room {
            return Err(refuse(format!(
                "{} unpacks to more than its directory says",
                name.display()
            )));
        }
        total += bytes.len() as u64;
        // Never over an existing file: two names may mean the same one.
        OpenOptions::new()
            .write(true)
            .create_new(true)
            .open(&target)
            .and_then(|mut file| io::Write::write_all(&mut file, &bytes))
            .map_err(|error| match error.kind() {
                io::ErrorKind::AlreadyExists => {
                    refuse(format!("{} is in it twice", name.display()))
                }
                _ => XrayError::storage(&target)(error),
            })?;
        progress.tick();
    }
    Ok(())
}

fn damaged(name: &Path, error: &ZipError) -> String {
    let name = name.display();
    format!("{name} in it is damaged ({error}); download it again")
}

/// Checks every entry, also those that are not unpacked, and gives the images: index and path.
fn check_entries(
    archive: &mut ZipArchive<BufReader<File>>,
    limits: Limits,
) -> Result<Vec<(usize, PathBuf)>, String> {
    if archive.len() > limits.entries {
        return Err(format!("it has {} entries", archive.len()));
    }
    let (mut images, mut total) = (Vec::new(), 0_u64);
    for index in 0..archive.len() {
        let entry = archive
            .by_index_raw(index)
            .map_err(|error| format!("entry {index} in it is damaged ({error})"))?;
        let name = entry
            .name()
            .map_err(|error| format!("the name of entry {index} is damaged ({error})"))?;
        let path = safe_path(&name)?;
        if entry.is_symlink() {
            return Err(format!("the entry “{name}” is a link"));
        }
        if entry.encrypted() {
            return Err(format!("the entry “{name}” is encrypted"));
        }
        let debris = path.ancestors().any(|part| part != Path::new("") && is_debris(part));
        if entry.is_dir() || debris || !is_image(&path) {
            continue;
        }
        let size = entry.size();
        total = total.saturating_add(size);
        if size > limits.entry || total > limits.total {
            return Err(format!(
                "“{name}” is too large: at most {} MiB each and {} MiB together are unpacked",
                limits.entry >> 20,
                limits.total >> 20
            ));
        }
        images.push((index, path));
    }
    let all: BTreeSet<PathBuf> = images.iter().map(|(_, path)| path.clone()).collect();
    images.retain(|(_, path)| !repeats_a_folder(path, |other| all.contains(other)));
    match images.is_empty() {
        true => Err("it has no images in it".to_owned()),
        false => Ok(images),
    }
}

/// The relative path that an entry's name means, or why the archive is refused.
///
/// Only plain names separated by `/` pass. What is harmless on one system, such as `..\` or `c:`,
/// may climb out of the folder on another.
pub(super) fn safe_path(name: &str) -> Result<PathBuf, String> {
    if let Some(path) = plain_path(name) {
        return Ok(path);
    }
    // With the usual separators it may be harmless: then an old tool of Windows made the zip.
    Err(match plain_path(&name.replace('\\', "/")) {
        Some(_) => format!(
            "the entry “{name}” has backslashes between its folders, as in zips made by Windows \
             PowerShell, and elsewhere these are a part of the name; unpack it on Windows and give \
             the folder, or zip it again with Explorer or 7-Zip"
        ),
        None => format!(
            "the entry “{}” might be written outside of its folder; make the zip again, from \
             inside the folder of the images",
            name.escape_debug()
        ),
    })
}

fn plain_path(name: &str) -> Option<PathBuf> {
    let strange = |c: char| c == '\\' || c == ':' || c.is_control();
    let parts = || name.strip_suffix('/').unwrap_or(name).split('/');
    let plain = |part: &str| !matches!(part, "" | "." | "..");
    (!name.contains(strange) && parts().all(plain)).then(|| parts().collect())
}

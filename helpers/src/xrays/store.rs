//! Data that is made once and kept, also when two notebooks start at the same time or one is
//! stopped half way.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Write};
use std::path::Path;

/// Waits until nobody else has the lock `name` in `folder`. Dropping the result releases it, and
/// so does the end of the process.
///
/// `None` where the file system knows no locks. Then work may be done twice, and nothing worse.
pub(super) fn lock(folder: &Path, name: &str) -> io::Result<Option<File>> {
    let file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(false)
        .open(folder.join(format!(".{name}.lock")))?;
    match file.try_lock() {
        Ok(()) => return Ok(Some(file)),
        Err(TryLockError::Error(_)) => return Ok(None),
        Err(TryLockError::WouldBlock) => println!("another notebook is making the X-rays; waiting"),
    }
    Ok(file.lock().is_ok().then_some(file))
}

/// Writes a file so that under its own name it is there whole or not at all.
pub(super) fn write(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let aside = aside(path);
    let written = File::create(&aside)
        .and_then(|mut file| file.write_all(bytes))
        .and_then(|()| fs::rename(&aside, path));
    if written.is_err() {
        // The first error is the one to tell.
        let _ = fs::remove_file(&aside);
    }
    written
}

/// A name of this process and thread alone, in the same folder, hidden.
fn aside(path: &Path) -> std::path::PathBuf {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let (process, thread) = (std::process::id(), std::thread::current().id());
    path.with_file_name(format!(".{name}.{process}-{thread:?}.part"))
}

/// Removes what stopped runs left aside in `folder`. Call it under the lock.
pub(super) fn sweep(folder: &Path) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name();
        let name = name.to_string_lossy();
        if name.starts_with('.') && name.ends_with(".part") {
            // Gone already is as good.
            let _ = fs::remove_file(entry.path());
        }
    }
    Ok(())
}

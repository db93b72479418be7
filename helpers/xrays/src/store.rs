//! Data that is made once and kept, also when two notebooks start at the same time or one is
//! stopped half way.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io;
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

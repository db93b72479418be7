//! Who does what at the moment: locks that commands hold so that none of them takes anything from
//! under another.
//!
//! | lock | held by |
//! |---|---|
//! | [`SETUP`] | whoever makes the environment, the kernel program and the seed; alone |
//! | [`CLUSTER`] | whoever builds the programs of chapter 07; alone |
//! | [`COMPARE`] | whoever installs the libraries to compare with; alone |
//! | [`SITE`] | whoever makes the site; alone |
//! | [`OPEN`] | JupyterLab, `run` and `compare` while they run; any number of them |
//!
//! `clean` needs all five. The system lets go of a lock however its holder ends. What is returned
//! holds the lock until it is dropped; an error means that the file cannot be made, or that the file
//! system has no locks.

use crate::layout::Layout;
use anyhow::{Context, Result};
use platform::locked::{is_at, no_lock};
use std::fs::{self, File, TryLockError};
use std::io;

pub const SETUP: &str = "setup.lock";
pub const CLUSTER: &str = "cluster.lock";
pub const COMPARE: &str = "compare.lock";
pub const SITE: &str = "site.lock";
pub const OPEN: &str = "open.lock";

/// Takes a lock alone; while another process holds it, says that `who` does and waits.
pub fn wait(layout: &Layout, name: &str, who: &str) -> Result<File> {
    if let Some(lock) = take(layout, name)? {
        return Ok(lock);
    }
    println!("{who}; waiting for it");
    wait_by(layout, name, File::lock)
}

/// Takes a lock alone, unless another process holds it: then `None`.
pub fn take(layout: &Layout, name: &str) -> Result<Option<File>> {
    attempt(layout, name, File::try_lock)
}

/// Takes a lock together with others who do the same. Waits for one who has it alone, which is
/// `clean` and soon over.
pub fn share(layout: &Layout, name: &str) -> Result<File> {
    wait_by(layout, name, File::lock_shared)
}

fn wait_by(layout: &Layout, name: &str, lock: fn(&File) -> io::Result<()>) -> Result<File> {
    let waiting = |file: &File| lock(file).map_err(TryLockError::Error);
    attempt(layout, name, waiting)?.context("a lock that was waited for is held by another")
}

/// `None` if another process has the lock. Where the file was removed while this one waited, what is
/// locked is not what the next one would open, so it begins anew.
fn attempt(
    layout: &Layout,
    name: &str,
    lock: impl Fn(&File) -> std::result::Result<(), TryLockError>,
) -> Result<Option<File>> {
    let path = layout.made().join(name);
    let open = || {
        fs::create_dir_all(layout.made())?;
        // Never truncated: on some network file systems a lock needs a file that can be written.
        File::options().read(true).write(true).create(true).truncate(false).open(&path)
    };
    // `clean` may take the folder away between the two steps.
    let file =
        open().or_else(|_| open()).with_context(|| format!("{} cannot be made", path.display()))?;
    match lock(&file) {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => return Ok(None),
        Err(TryLockError::Error(error)) => return Err(no_lock(&path, error).into()),
    }
    match is_at(&file, &path) {
        true => Ok(Some(file)),
        false => attempt(layout, name, lock),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc;
    use std::time::Duration;

    fn scratch() -> (tempfile::TempDir, Layout) {
        let folder = tempfile::tempdir().unwrap();
        let layout = Layout { root: folder.path().to_owned() };
        (folder, layout)
    }

    #[test]
    fn one_alone_or_many_together() {
        let (_folder, layout) = scratch();
        let first = share(&layout, OPEN).unwrap();
        let second = share(&layout, OPEN).unwrap();
        assert!(take(&layout, OPEN).unwrap().is_none());
        drop((first, second));
        let alone = take(&layout, OPEN).unwrap().unwrap();
        assert!(take(&layout, OPEN).unwrap().is_none());
        // Another lock is another matter: who builds the cluster keeps nobody from setting up.
        assert!(take(&layout, CLUSTER).unwrap().is_some());
        drop(alone);
        assert!(take(&layout, OPEN).unwrap().is_some());
    }

    #[test]
    fn who_waited_while_the_file_was_removed_locks_the_new_one() {
        let (_folder, layout) = scratch();
        let alone = take(&layout, SETUP).unwrap().unwrap();
        let (sender, receiver) = mpsc::channel();
        let waiting = layout.clone();
        let waiter = std::thread::spawn(move || {
            let lock = wait(&waiting, SETUP, "a test is setting up").unwrap();
            sender.send(()).unwrap();
            lock
        });
        assert!(receiver.recv_timeout(Duration::from_millis(200)).is_err());
        fs::remove_dir_all(layout.made()).unwrap();
        drop(alone);
        receiver.recv_timeout(Duration::from_secs(60)).unwrap();
        let lock = waiter.join().unwrap();
        assert!(take(&layout, SETUP).unwrap().is_none());
        drop(lock);
    }
}

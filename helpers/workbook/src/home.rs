//! Folders that somebody lives in: each holds a lock, which the system lets go of however its holder
//! ends, so that what the dead leave behind can be told from what is in use.

use crate::locks::no_lock;
use anyhow::{Context, Result};
use std::fs::{self, File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// The lock's file within a folder that somebody lives in.
const LOCK: &str = "lock";

/// Begins the name of a folder whose lock is not held yet.
const UNBORN: &str = ".new-";

/// How long it may take to lock a folder that has just been made.
const BIRTH: Duration = Duration::from_secs(60);

/// A folder that is in use for as long as this value lives, and then removed.
#[derive(Debug)]
pub struct Home {
    /// The folder.
    pub folder: PathBuf,
    _lock: File,
}

impl Home {
    /// Makes the folder `name` in `parent`. Nobody ever sees it under its name without its lock
    /// being held: until then it has another name, which [`sweep`] passes over.
    ///
    /// # Errors
    ///
    /// If it cannot be made or locked; says what to do.
    pub fn make(parent: &Path, name: &str) -> Result<Self> {
        let unborn = parent.join(format!("{UNBORN}{name}"));
        fs::create_dir_all(&unborn)
            .with_context(|| format!("{} cannot be made (is the disk full?)", unborn.display()))?;
        let path = unborn.join(LOCK);
        let lock =
            File::create(&path).with_context(|| format!("{} cannot be made", path.display()))?;
        // Nobody else locks what is not born yet.
        lock.lock().map_err(|error| no_lock(&path, error))?;
        let folder = parent.join(name);
        fs::rename(&unborn, &folder)
            .with_context(|| format!("{} cannot be made", folder.display()))?;
        Ok(Home {
            folder,
            _lock: lock,
        })
    }
}

impl Drop for Home {
    fn drop(&mut self) {
        // What cannot be removed now is swept up by the next one.
        let _ = remove_home(&self.folder);
    }
}

/// Removes a folder with its lock last: if this is cut short, the rest has still a lock that
/// nobody holds, and is seen to be dead.
fn remove_home(folder: &Path) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_name() == LOCK {
            continue;
        }
        if entry.file_type()?.is_dir() {
            fs::remove_dir_all(entry.path())?;
        } else {
            fs::remove_file(entry.path())?;
        }
    }
    fs::remove_dir_all(folder)
}

/// Removes the folders in `parent` whose holders were killed. Returns how many are in use.
///
/// # Errors
///
/// If a lock cannot be looked at; a folder that cannot be removed is left for the next time.
pub fn sweep(parent: &Path) -> Result<usize> {
    let mut alive = 0;
    let Ok(entries) = fs::read_dir(parent) else {
        return Ok(0);
    };
    for entry in entries.flatten() {
        let folder = entry.path();
        // A link is none of ours, wherever it leads to.
        if !entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            continue;
        }
        let unborn = entry.file_name().to_string_lossy().starts_with(UNBORN);
        if is_locked(&folder)? || unborn && is_young(&folder) {
            alive += 1;
        } else {
            let _ = remove_home(&folder);
        }
    }
    Ok(alive)
}

fn is_locked(folder: &Path) -> Result<bool> {
    let path = folder.join(LOCK);
    // Without a lock it is what a removal left at its very end.
    let Ok(file) = File::open(&path) else {
        return Ok(false);
    };
    match file.try_lock() {
        Ok(()) => Ok(false),
        Err(TryLockError::WouldBlock) => Ok(true),
        Err(TryLockError::Error(error)) => Err(no_lock(&path, error)),
    }
}

fn is_young(folder: &Path) -> bool {
    let made = fs::metadata(folder).and_then(|facts| facts.modified());
    made.is_ok_and(|made| made.elapsed().unwrap_or_default() < BIRTH)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicBool, Ordering};

    #[test]
    fn a_home_is_alive_until_it_is_dropped() {
        let parent = tempfile::tempdir().unwrap();
        let home = Home::make(parent.path(), "1").unwrap();
        fs::create_dir(home.folder.join("project")).unwrap();
        assert_eq!(sweep(parent.path()).unwrap(), 1);
        let folder = home.folder.clone();
        assert!(folder.join("project").exists());
        drop(home);
        assert!(!folder.exists());
        assert_eq!(sweep(parent.path()).unwrap(), 0);
    }

    #[test]
    fn the_dead_are_swept_however_much_of_them_is_left() {
        let parent = tempfile::tempdir().unwrap();
        // Killed while it ran; killed while it tidied up; killed at the very end of that.
        for (name, files) in [
            ("1", &["lock", "project"][..]),
            ("2", &["lock"]),
            ("3", &[]),
        ] {
            let folder = parent.path().join(name);
            fs::create_dir(&folder).unwrap();
            for file in files {
                fs::write(folder.join(file), "").unwrap();
            }
        }
        fs::write(parent.path().join("not-ours"), "").unwrap();
        let elsewhere = tempfile::tempdir().unwrap();
        fs::write(elsewhere.path().join("kept"), "").unwrap();
        std::os::unix::fs::symlink(elsewhere.path(), parent.path().join("4")).unwrap();
        assert_eq!(sweep(parent.path()).unwrap(), 0);
        let left: Vec<_> = fs::read_dir(parent.path()).unwrap().flatten().collect();
        assert_eq!(left.len(), 2, "{left:?}");
        assert!(elsewhere.path().join("kept").exists());
    }

    #[test]
    fn a_removal_takes_the_lock_last() {
        let parent = tempfile::tempdir().unwrap();
        let folder = parent.path().join("1");
        fs::create_dir_all(folder.join("a")).unwrap();
        fs::write(folder.join(LOCK), "").unwrap();
        // What cannot be removed stops the removal; as root nothing does.
        let stuck = folder.join("a/stuck");
        fs::create_dir(&stuck).unwrap();
        fs::write(stuck.join("file"), "").unwrap();
        set_mode(&stuck, 0o500);
        let removed = remove_home(&folder).is_ok();
        assert!(removed || folder.join(LOCK).exists());
        if !removed {
            set_mode(&stuck, 0o700);
        }
    }

    fn set_mode(path: &Path, mode: u32) {
        use std::os::unix::fs::PermissionsExt;
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    }

    /// One makes and drops homes while another sweeps all the time: no living one is ever taken.
    #[test]
    fn nobody_is_swept_while_being_born() {
        let parent = tempfile::tempdir().unwrap();
        let done = AtomicBool::new(false);
        std::thread::scope(|scope| {
            let sweeper = scope.spawn(|| {
                while !done.load(Ordering::Relaxed) {
                    sweep(parent.path()).unwrap();
                }
            });
            for n in 0..500 {
                let home = Home::make(parent.path(), &n.to_string());
                let home = home.unwrap_or_else(|error| panic!("{n}: {error:#}"));
                assert!(home.folder.join(LOCK).exists(), "{n}");
            }
            done.store(true, Ordering::Relaxed);
            sweeper.join().unwrap();
        });
    }
}

//! Folders that somebody lives in: each holds a lock, which the system lets go of however its holder
//! ends, so that what the dead leave behind can be told from what is in use.
//!
//! Nobody ever sees such a folder under its name without its lock being held: until then it has
//! another name. And whoever removes one holds its lock, which goes last: what is cut short is seen to
//! be dead by the next one, and two that tidy up do not meet.

use std::fs::{self, DirBuilder, File, Metadata, TryLockError};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// The lock's file within a folder.
const LOCK: &str = "lock";

/// Begins the name of a folder whose lock is not held yet.
const UNBORN: &str = ".new-";

/// How long it may take to lock a folder that has just been made.
const BIRTH: Duration = Duration::from_secs(60);

/// A folder that is in use for as long as this value lives, and then removed; of a process that was
/// killed it is left to [`sweep`].
#[derive(Debug)]
pub struct Locked {
    /// The folder.
    pub folder: PathBuf,
    _lock: File,
    /// A fork has its parent's memory, but the folder is not its own.
    process: u32,
}

impl Locked {
    /// Makes the folder `name` in `parent`, for this user alone, and locks it.
    ///
    /// # Errors
    ///
    /// If it cannot be made, or not be locked, with what to do; if there is something of that name.
    pub fn make(parent: &Path, name: &str) -> io::Result<Self> {
        let lock = |path: &Path, file: &File| file.lock().map_err(|error| no_lock(path, error));
        Self::make_with(parent, name, lock)
    }

    /// The same where it may lie on a file system without locks: no [`sweep`] removes it then.
    ///
    /// # Errors
    ///
    /// If it cannot be made, or if there is something of that name.
    pub fn make_even_without_locks(parent: &Path, name: &str) -> io::Result<Self> {
        Self::make_with(parent, name, |_, file| {
            let _ = file.try_lock();
            Ok(())
        })
    }

    fn make_with(
        parent: &Path,
        name: &str,
        lock: impl Fn(&Path, &File) -> io::Result<()>,
    ) -> io::Result<Self> {
        let (unborn, folder) = (parent.join(format!("{UNBORN}{name}")), parent.join(name));
        let told = |error: io::Error| {
            let why = format!("{} cannot be made (is the disk full?): {error}", folder.display());
            io::Error::new(error.kind(), why)
        };
        fs::create_dir_all(parent).map_err(told)?;
        // An error where there is anything of that name, also a link.
        DirBuilder::new().mode(0o700).create(&unborn).map_err(told)?;
        let path = unborn.join(LOCK);
        let made = File::create(&path)
            .map_err(told)
            .and_then(|file| lock(&path, &file).map(|()| file))
            .and_then(|file| fs::rename(&unborn, &folder).map_err(told).map(|()| file));
        if made.is_err() {
            // The first error is the one to tell.
            let _ = fs::remove_dir_all(&unborn);
        }
        Ok(Locked { folder, _lock: made?, process: std::process::id() })
    }

    /// Whether the folder is this process's, not that of one which has forked it, and still there.
    pub fn is_own(&self) -> bool {
        self.process == std::process::id() && self.folder.is_dir()
    }

    /// Lets go of the folder when this process ends, without removing it: the next [`sweep`] does.
    pub fn leave(self) {
        std::mem::forget(self);
    }
}

impl Drop for Locked {
    fn drop(&mut self) {
        if self.is_own() {
            // What cannot be removed now is swept up by the next one.
            let _ = remove(&self.folder);
        }
    }
}

/// Removes the folders in `parent` whose holders were killed, if they are `ours` by name and facts.
/// Returns those that are in use.
///
/// # Errors
///
/// If the file system has no locks, so that nobody can say which are in use. A folder that cannot be
/// removed is left for the next time.
pub fn sweep(parent: &Path, ours: impl Fn(&str, &Metadata) -> bool) -> io::Result<Vec<PathBuf>> {
    let mut in_use = Vec::new();
    for entry in fs::read_dir(parent).into_iter().flatten().flatten() {
        let (folder, name) = (entry.path(), entry.file_name());
        let name = name.to_string_lossy();
        let (unborn, name) = match name.strip_prefix(UNBORN) {
            Some(name) => (true, name),
            None => (false, &*name),
        };
        // A link is none of ours, wherever it leads to: these facts are its own.
        let facts = entry.metadata().ok().filter(Metadata::is_dir);
        let Some(facts) = facts.filter(|facts| ours(name, facts)) else {
            continue;
        };
        if unborn && is_young(&facts) {
            in_use.push(folder);
            continue;
        }
        let path = folder.join(LOCK);
        let Ok(lock) = File::open(&path) else {
            // Without a lock it is what a removal left at its very end: this removes nothing else.
            let _ = fs::remove_dir(&folder);
            continue;
        };
        match lock.try_lock() {
            Ok(()) if is_at(&lock, &path) => drop(remove(&folder)),
            // Another one has just removed it.
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => in_use.push(folder),
            Err(TryLockError::Error(error)) => return Err(no_lock(&path, error)),
        }
    }
    Ok(in_use)
}

fn is_young(facts: &Metadata) -> bool {
    let made = facts.modified();
    made.is_ok_and(|made| made.elapsed().unwrap_or_default() < BIRTH)
}

/// Removes a folder with its lock last.
fn remove(folder: &Path) -> io::Result<()> {
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

/// Whether an open file is what lies at a path. It may have been removed while a lock on it was waited
/// for; then what is locked is not what the next one would open.
pub fn is_at(file: &File, path: &Path) -> bool {
    let place = |facts: Metadata| (facts.dev(), facts.ino());
    let held = file.metadata().map(place).ok();
    held.is_some() && held == fs::metadata(path).map(place).ok()
}

/// Why a file cannot be locked, and what to do.
pub fn no_lock(path: &Path, error: io::Error) -> io::Error {
    // What systems answer on file systems without locks, such as some network drives.
    let without = [libc::ENOSYS, libc::ENOTSUP, libc::EOPNOTSUPP, libc::ENOLCK];
    let advice = match error.raw_os_error() {
        Some(code) if without.contains(&code) => {
            "this file system has no locks, which keep two commands from disturbing each other; move the workbook to a disk of this machine"
        }
        _ => "if the workbook lies on a network drive, move it to a disk of this machine",
    };
    let why = format!("{} cannot be locked ({error}): {advice}", path.display());
    io::Error::new(error.kind(), why)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::{PermissionsExt, symlink};
    use std::sync::atomic::{AtomicBool, Ordering};

    /// How many folders are in use, all of them being ours.
    fn in_use(parent: &Path) -> usize {
        sweep(parent, |_, _| true).unwrap().len()
    }

    #[test]
    fn a_folder_is_in_use_until_it_is_dropped() {
        let parent = tempfile::tempdir().unwrap();
        let locked = Locked::make(parent.path(), "1").unwrap();
        let folder = locked.folder.clone();
        let mode = fs::metadata(&folder).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o700);
        fs::create_dir(folder.join("project")).unwrap();
        assert_eq!(in_use(parent.path()), 1);
        assert!(folder.join("project").exists());
        drop(locked);
        assert!(!folder.exists());
        assert_eq!(in_use(parent.path()), 0);
    }

    #[test]
    fn what_is_left_stays_until_its_process_has_ended() {
        let parent = tempfile::tempdir().unwrap();
        let locked = Locked::make(parent.path(), "1").unwrap();
        let folder = locked.folder.clone();
        locked.leave();
        assert_eq!(in_use(parent.path()), 1);
        assert!(folder.exists());
    }

    #[test]
    fn nothing_that_is_there_is_taken_over() {
        let parent = tempfile::tempdir().unwrap();
        let kept = parent.path().join("1/kept");
        fs::create_dir_all(&kept).unwrap();
        assert!(Locked::make(parent.path(), "1").is_err());
        let elsewhere = tempfile::tempdir().unwrap();
        symlink(elsewhere.path(), parent.path().join(".new-2")).unwrap();
        assert!(Locked::make_even_without_locks(parent.path(), "2").is_err());
        assert!(kept.exists() && elsewhere.path().exists());
        // What a failed attempt made goes with it.
        assert!(!parent.path().join(".new-1").exists());
    }

    #[test]
    fn the_dead_are_swept_however_much_of_them_is_left() {
        let parent = tempfile::tempdir().unwrap();
        let old = std::time::SystemTime::now() - 2 * BIRTH;
        // Killed while it ran; killed while it tidied up; killed at the very end of that; killed
        // before it had its name.
        for (name, files) in
            [("1", &["lock", "project"][..]), ("2", &["lock"]), ("3", &[]), (".new-4", &["lock"])]
        {
            let folder = parent.path().join(name);
            fs::create_dir(&folder).unwrap();
            for file in files {
                fs::write(folder.join(file), "").unwrap();
            }
            File::open(&folder).unwrap().set_modified(old).unwrap();
        }
        // A file, a link, what has no lock and is not empty, and what is ours by no name.
        fs::write(parent.path().join("file"), "").unwrap();
        let elsewhere = tempfile::tempdir().unwrap();
        fs::write(elsewhere.path().join(LOCK), "").unwrap();
        symlink(elsewhere.path(), parent.path().join("5")).unwrap();
        fs::create_dir_all(parent.path().join("6/kept")).unwrap();
        fs::create_dir(parent.path().join("thesis")).unwrap();
        fs::write(parent.path().join("thesis/lock"), "").unwrap();
        let numbered = |name: &str, _: &Metadata| name.parse::<u32>().is_ok();
        assert_eq!(sweep(parent.path(), numbered).unwrap(), [""; 0].map(PathBuf::from));
        let mut left: Vec<_> =
            fs::read_dir(parent.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        left.sort();
        assert_eq!(left, ["5", "6", "file", "thesis"]);
        assert!(elsewhere.path().join(LOCK).exists());
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
        let set_mode = |mode| fs::set_permissions(&stuck, fs::Permissions::from_mode(mode));
        set_mode(0o500).unwrap();
        let removed = remove(&folder).is_ok();
        assert!(removed || folder.join(LOCK).exists());
        if !removed {
            set_mode(0o700).unwrap();
        }
    }

    /// Some make and drop folders, under names that come again and again, while others sweep all the
    /// time: no living one is ever taken.
    #[test]
    fn nobody_is_swept_while_being_born() {
        let parent = tempfile::tempdir().unwrap();
        let done = AtomicBool::new(false);
        std::thread::scope(|scope| {
            for _ in 0..2 {
                scope.spawn(|| {
                    while !done.load(Ordering::Relaxed) {
                        in_use(parent.path());
                    }
                });
            }
            for n in 0..500 {
                let locked = Locked::make(parent.path(), &(n % 2).to_string());
                let locked = locked.unwrap_or_else(|error| panic!("{n}: {error}"));
                assert!(locked.folder.join(LOCK).exists(), "{n}");
                if n % 3 == 0 {
                    // As a killed one leaves it.
                    let aside = parent.path().join(format!("dead-{n}"));
                    fs::rename(&locked.folder, &aside).unwrap();
                }
            }
            done.store(true, Ordering::Relaxed);
        });
        assert_eq!(in_use(parent.path()), 0);
    }

    #[test]
    fn a_file_system_without_locks_is_named_with_the_remedy() {
        for code in [libc::ENOSYS, libc::ENOLCK, libc::EOPNOTSUPP] {
            let error = io::Error::from_raw_os_error(code);
            let said = no_lock(Path::new("/net/w/setup.lock"), error).to_string();
            assert!(said.contains("/net/w/setup.lock"), "{said}");
            assert!(said.contains("move the workbook to a disk"), "{said}");
        }
    }
}

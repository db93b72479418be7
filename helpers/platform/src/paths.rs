//! Where things are: every file the workbook makes stays inside its own folder.

use crate::locked::{self, Locked};
use std::fs::{self, File};
use std::hash::{BuildHasher, Hasher, RandomState};
use std::io::{self, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Component, Path, PathBuf};
use std::sync::{Mutex, PoisonError};

/// The workbook's folder, the one with `notebooks/` and `helpers/` in it.
pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .and_then(Path::parent)
        .expect("this crate lies in `helpers`, in the workbook's folder")
}

/// The folder for data that is made or unpacked once and kept; `cargo workbook clean` removes it.
pub fn data_dir() -> PathBuf {
    root().join("target").join("workbook").join("data")
}

/// An empty folder for the files of a cell, within a folder of the notebook's own. A cell that runs
/// again finds it empty again, and it goes when the kernel ends (on a kernel that the workbook did
/// not start: at the latest when the next one asks for such a folder).
///
/// ```
/// use platform::paths::scratch;
///
/// let folder = scratch("toast")?;
/// std::fs::write(folder.join("slices"), "4")?;
/// assert_eq!(scratch("toast")?.read_dir()?.count(), 0);
/// assert!(scratch("../toast").is_err());
/// # Ok::<(), std::io::Error>(())
/// ```
///
/// # Errors
///
/// Where `name` is not a plain name such as `toast` or `toast/burnt`: an absolute path, `..` or a
/// symbolic link would lead to files that are not the notebook's, and nothing is removed there. And
/// the system's, as on a full disk.
pub fn scratch(name: &str) -> io::Result<PathBuf> {
    let kernels = std::env::var_os(crate::names::SCRATCH).map(PathBuf::from);
    // One that is empty or relative would be wherever the cell is.
    match kernels.filter(|folder| folder.is_absolute()) {
        Some(base) => scratch_in(&base, name),
        None => scratch_in(&own_scratch()?, name),
    }
}

fn scratch_in(base: &Path, name: &str) -> io::Result<PathBuf> {
    let refuse = |why: String| io::Error::new(io::ErrorKind::InvalidInput, why);
    let parts: Vec<Component<'_>> = Path::new(name).components().collect();
    let plain = |part: &Component<'_>| matches!(part, Component::Normal(_));
    if parts.is_empty() || !parts.iter().all(plain) || name.contains('\0') {
        return Err(refuse(format!(
            "scratch(“{}”): the folder is emptied, so it must be one of the notebook's own; give a \
             plain name, such as scratch(\"toast\")",
            name.escape_debug()
        )));
    }
    // A link on the way would lead out, and the folder behind it would be emptied.
    let mut folder = base.to_owned();
    for part in parts {
        folder.push(part);
        match fs::symlink_metadata(&folder) {
            Ok(about) if about.is_dir() => {}
            Ok(about) => {
                let what = if about.is_symlink() { "a link" } else { "a file" };
                return Err(refuse(format!(
                    "scratch(“{name}”): {} is {what}, not a folder; remove it, or give another name",
                    folder.display()
                )));
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
    }
    remove(&folder)?;
    fs::create_dir_all(&folder)?;
    Ok(folder)
}

/// What the scratch folders of processes are called that run on another kernel; a number from
/// chance follows, so that nobody else can have made the folder beforehand.
const OWN_SCRATCH: &str = "workbook-scratch-";

/// The folder for scratch folders where the kernel names none: one in the system's folder for
/// temporary files, for this user alone. It goes when this process ends in order, and when the next
/// one makes such a folder.
fn own_scratch() -> io::Result<PathBuf> {
    static OWN: Mutex<Option<Locked>> = Mutex::new(None);
    let mut own = OWN.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(own) = own.as_ref().filter(|own| own.is_own()) {
        return Ok(own.folder.clone());
    }
    extern "C" fn at_exit() {
        // What cannot be removed now is swept up by the next process.
        if let Ok(mut own) = OWN.try_lock() {
            drop(own.take());
        }
    }
    let place = std::env::temp_dir();
    sweep_scratch(&place);
    let made = make_own_scratch(&place)?;
    let folder = made.folder.clone();
    if own.replace(made).is_none() {
        // SAFETY: `at_exit` takes no arguments and unwinds into nobody.
        unsafe { libc::atexit(at_exit) };
    }
    Ok(folder)
}

fn make_own_scratch(place: &Path) -> io::Result<Locked> {
    let number = RandomState::new().build_hasher().finish();
    Locked::make_even_without_locks(place, &format!("{OWN_SCRATCH}{number:016x}"))
}

/// Removes the scratch folders of processes that have ended: this user's own, with the name that
/// [`make_own_scratch`] gives them, and for nobody else.
fn sweep_scratch(place: &Path) {
    // SAFETY: the call has no arguments and cannot fail.
    let user = unsafe { libc::geteuid() };
    let is_number = |text: &str| text.len() == 16 && u64::from_str_radix(text, 16).is_ok();
    // Where there are no locks, nothing is swept.
    let _ = locked::sweep(place, |name, facts| {
        name.strip_prefix(OWN_SCRATCH).is_some_and(is_number)
            && facts.uid() == user
            && facts.mode() & 0o077 == 0
    });
}

/// Removes a folder, if it is there.
pub fn remove(folder: &Path) -> io::Result<()> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// The folder for what chapters measured; see the module `results` of helpers.
pub fn results_dir() -> PathBuf {
    root().join("target").join("workbook").join("results")
}

/// Writes a file so that under its own name it is there whole or not at all. Until then it lies
/// beside it under a hidden name of this process and thread alone, which ends in `.part`.
pub fn write_whole(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let (process, thread) = (std::process::id(), std::thread::current().id());
    let aside = path.with_file_name(format!(".{name}.{process}-{thread:?}.part"));
    let written = File::create(&aside)
        .and_then(|mut file| file.write_all(bytes))
        .and_then(|()| fs::rename(&aside, path));
    if written.is_err() {
        // The first error is the one to tell.
        let _ = fs::remove_file(&aside);
    }
    written
}

/// A path as a reader knows it: from the workbook's folder on where it lies inside.
pub fn shown(path: &Path) -> String {
    path.strip_prefix(root()).unwrap_or(path).display().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::DirBuilder;
    use std::os::unix::fs::{DirBuilderExt, PermissionsExt, symlink};

    /// A folder for scratch folders, and beside it a reader's folder with a file.
    fn places() -> (tempfile::TempDir, PathBuf, PathBuf) {
        let place = tempfile::tempdir().unwrap();
        let (base, data) = (place.path().join("base"), place.path().join("data"));
        fs::create_dir_all(base.join("kept")).unwrap();
        fs::create_dir(&data).unwrap();
        fs::write(data.join("thesis"), "years of work").unwrap();
        (place, base, data)
    }

    #[test]
    fn a_scratch_folder_is_empty_each_time() {
        let (_place, base, _) = places();
        for name in ["toast", "toast/burnt", "ü b", "..toast", "a/./b/"] {
            let folder = scratch_in(&base, name).unwrap();
            assert_eq!(folder, base.join(name).components().collect::<PathBuf>());
            fs::create_dir(folder.join("inner")).unwrap();
            assert_eq!(scratch_in(&base, name).unwrap(), folder);
            assert_eq!(fs::read_dir(&folder).unwrap().count(), 0);
        }
        assert!(base.join("kept").is_dir());
    }

    #[test]
    fn scratch_removes_nothing_but_its_own() {
        let (_place, base, data) = places();
        let absolute = data.display().to_string();
        for name in ["", ".", "..", "/", "../data", "kept/../../data", "./kept", "a\0b", &absolute]
        {
            let error = scratch_in(&base, name).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::InvalidInput, "{name}");
            assert!(error.to_string().contains("plain name"), "{name}: {error}");
        }
        symlink(&data, base.join("link")).unwrap();
        fs::create_dir(data.join("inner")).unwrap();
        for name in ["link", "link/inner"] {
            let error = scratch_in(&base, name).unwrap_err();
            assert!(error.to_string().contains("is a link"), "{name}: {error}");
        }
        fs::write(base.join("file"), "").unwrap();
        let error = scratch_in(&base, "file/inner").unwrap_err();
        assert!(error.to_string().contains("is a file"), "{error}");
        assert!(base.join("kept").is_dir() && base.join("file").is_file());
        assert!(data.join("thesis").is_file() && data.join("inner").is_dir());
        // A link within the folder goes, what it leads to stays.
        let folder = scratch_in(&base, "toast").unwrap();
        symlink(&data, folder.join("link")).unwrap();
        scratch_in(&base, "toast").unwrap();
        assert!(data.join("thesis").is_file() && !folder.join("link").exists());
    }

    #[test]
    fn a_folder_of_a_process_is_private_and_swept_when_that_has_ended() {
        let place = tempfile::tempdir().unwrap();
        let own = make_own_scratch(place.path()).unwrap();
        let other = make_own_scratch(place.path()).unwrap();
        assert_ne!(own.folder, other.folder);
        let mode = fs::metadata(&own.folder).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o700);
        // What only looks like one: another's name, no lock, open to others, a link.
        let spared =
            ["scratch-0123456789abcdef", "workbook-scratch-0", "workbook-scratch-0123456789abcdef"];
        for name in spared {
            fs::create_dir(place.path().join(name)).unwrap();
        }
        let open = place.path().join("workbook-scratch-00000000000000aa");
        fs::create_dir(&open).unwrap();
        fs::write(open.join("lock"), "").unwrap();
        fs::set_permissions(&open, fs::Permissions::from_mode(0o755)).unwrap();
        let target = place.path().join("target");
        DirBuilder::new().mode(0o700).create(&target).unwrap();
        fs::write(target.join("lock"), "").unwrap();
        let link = place.path().join("workbook-scratch-00000000000000bb");
        symlink(&target, &link).unwrap();

        let folder = other.folder.clone();
        fs::create_dir(folder.join("toast")).unwrap();
        drop(other);
        sweep_scratch(place.path());
        assert!(!folder.exists() && own.folder.exists());
        assert!(open.exists() && link.exists() && target.join("lock").exists());
        assert!(spared.iter().all(|name| place.path().join(name).exists()));
    }

    /// Started by the test below on a kernel of its own, so to speak.
    #[test]
    fn make_a_scratch_folder() {
        if std::env::var_os("SCRATCH_TEST").is_some() {
            println!("folder {}", scratch("toast").unwrap().display());
        }
    }

    #[test]
    fn without_the_workbooks_kernel_nothing_is_left_in_the_systems_folder() {
        let place = tempfile::tempdir().unwrap();
        let output = crate::program::command(std::env::current_exe().unwrap())
            .args(["--exact", "paths::tests::make_a_scratch_folder", "--nocapture"])
            .env_remove(crate::names::SCRATCH)
            .env("SCRATCH_TEST", "1")
            .env("TMPDIR", place.path())
            .output()
            .unwrap();
        let printed = String::from_utf8_lossy(&output.stdout).into_owned();
        let made = printed.split("folder ").nth(1).and_then(|rest| rest.lines().next());
        assert!(
            made.is_some_and(|made| made.starts_with(&place.path().display().to_string())),
            "{printed}"
        );
        assert_eq!(fs::read_dir(place.path()).unwrap().count(), 0);
    }
}

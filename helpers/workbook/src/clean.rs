//! `cargo workbook clean`: removes everything that the workbook made on this machine.

use crate::cluster;
use crate::disk::{self, disk_use};
use crate::environment::Environment;
use crate::kernel;
use crate::layout::{Layout, kept_kernels};
use crate::locks;
use crate::shared;
use anyhow::{Context, Result, bail};
use indicatif::DecimalBytes;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// What stays in `target/workbook` with the environment: its stamps and the locks, one of which is held
/// here.
const OF_THE_ENVIRONMENT: [&str; 6] =
    ["stamps", locks::SETUP, locks::CLUSTER, locks::COMPARE, locks::SITE, locks::OPEN];

/// Removes what the workbook made: everything, or all but the Python environment and the kernel
/// program. Notebooks are not touched, nor an environment that the workbook did not make.
///
/// # Errors
///
/// If a set-up, JupyterLab, a kernel or a cluster runs, or a folder cannot be removed.
pub fn clean(layout: &Layout, keep_environment: bool) -> Result<ExitCode> {
    let _locks = hold(layout)?;
    let alive = kernel::sweep(layout)?;
    if alive > 0 {
        bail!("{alive} kernel(s) are running; stop JupyterLab first, then run this again");
    }
    if cluster::is_running(layout)? {
        bail!("a cluster is running; end it with Ctrl-C in its terminal, then run this again");
    }
    let mut freed = 0;
    if let Some(folder) = layout.compiled_apart() {
        freed += remove(&folder, &folder)?;
    }
    freed += match keep_environment {
        true => all_but_the_environment(layout)?,
        false => everything(layout)?,
    };
    shared::forget(layout);
    if let Some(kept) = kept_kernels().filter(|kept| kept.exists()) {
        println!(
            "– {} stays: other clones of the workbook copy the kernel program from there; remove it yourself if none is to come",
            kept.display()
        );
    }
    println!(
        "✓ {} freed; your notebooks are untouched; `cargo clean` removes what is left",
        DecimalBytes(freed)
    );
    Ok(ExitCode::SUCCESS)
}

/// All locks, so that nothing starts while folders go; or who is at work.
fn hold(layout: &Layout) -> Result<Vec<File>> {
    let holders = [
        (locks::SETUP, "`cargo workbook` is setting up; wait for it or end it"),
        (locks::CLUSTER, "`cargo workbook setup --cluster` is building; wait for it or end it"),
        (locks::COMPARE, "`cargo workbook compare` is installing; wait for it or end it"),
        (locks::SITE, "`cargo workbook site` is at work; wait for it or end it"),
        (
            locks::OPEN,
            "JupyterLab or another `cargo workbook` is open; stop it with Ctrl-C in its terminal",
        ),
    ];
    let hold = |(lock, who)| {
        let held = locks::take(layout, lock)?;
        held.with_context(|| format!("{who}, then run this again"))
    };
    holders.into_iter().map(hold).collect()
}

fn everything(layout: &Layout) -> Result<u64> {
    let environment = Environment::of_the_workbook(layout.venv());
    let (venv, made) = (layout.venv(), layout.made());
    let mut freed = 0;
    if environment.is_ours(layout) {
        // Out of the way in one step, as below.
        let aside = made.join("removed-venv");
        remove(&aside, &aside)?;
        let now = match fs::rename(&venv, &aside) {
            Ok(()) => aside,
            // It lies on another disk.
            Err(_) => venv.clone(),
        };
        freed += remove(&now, &venv)?;
    } else if venv.exists() {
        println!(
            "– {} stays: it was not made by the workbook; remove it yourself if nothing else needs it",
            venv.display()
        );
    }
    // The locks are in there: a set-up that starts while the files go finds no folder and makes a
    // new one.
    let aside = made.with_file_name("workbook-removed");
    remove(&aside, &aside)?;
    fs::rename(&made, &aside).with_context(|| format!("{} cannot be removed", made.display()))?;
    Ok(freed + remove(&aside, &made)?)
}

fn all_but_the_environment(layout: &Layout) -> Result<u64> {
    let mut freed = 0;
    for path in all_but(&layout.made(), &OF_THE_ENVIRONMENT)? {
        freed += remove(&path, &path)?;
    }
    for stamp in all_but(&layout.stamps(), &["python", "kernel", "making"])? {
        fs::remove_file(stamp)?;
    }
    println!("kept {} and the kernel program in it", layout.venv().display());
    Ok(freed)
}

/// What lies in a folder, if it is there, under other names than these.
fn all_but(folder: &Path, kept: &[&str]) -> io::Result<Vec<PathBuf>> {
    let entries = match fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        read => read?.collect::<io::Result<Vec<_>>>()?,
    };
    let others =
        entries.into_iter().filter(|entry| !kept.iter().any(|name| entry.file_name() == *name));
    Ok(others.map(|entry| entry.path()).collect())
}

/// Removes a file or folder that is the workbook's, if it is there, and says so by the name that
/// the reader knows. A link goes with what it leads to: that was made through it. Returns the bytes.
fn remove(path: &Path, known_as: &Path) -> Result<u64> {
    let Ok(facts) = fs::symlink_metadata(path) else {
        return Ok(0);
    };
    let size = disk_use(path);
    let error = || format!("{} cannot be removed", path.display());
    if facts.is_symlink()
        && let Some(folder) = fs::canonicalize(path).ok().filter(|folder| folder.is_dir())
    {
        disk::remove(&folder)?;
    }
    match facts.is_dir() {
        true => disk::remove(path)?,
        false => fs::remove_file(path).with_context(error)?,
    }
    println!("removed {} ({})", known_as.display(), DecimalBytes(size));
    Ok(size)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scratch() -> (tempfile::TempDir, Layout) {
        let folder = tempfile::tempdir().unwrap();
        let layout = Layout { root: folder.path().to_owned() };
        for made in [
            layout.venv(),
            layout.seed(),
            layout.kernels().join("dead"),
            layout.stamps(),
            layout.results(),
            layout.cluster().join("bin"),
            layout.notebooks(),
        ] {
            fs::create_dir_all(&made).unwrap();
            fs::write(made.join("file"), "content").unwrap();
        }
        fs::write(layout.venv().join("made-by-the-workbook"), "").unwrap();
        fs::write(layout.stamps().join("python"), "key").unwrap();
        // A lock that nobody holds: the kernel was killed.
        fs::write(layout.kernels().join("dead/lock"), "").unwrap();
        (folder, layout)
    }

    #[test]
    fn everything_goes_but_the_notebooks() {
        let (_folder, layout) = scratch();
        clean(&layout, false).unwrap();
        assert!(!layout.venv().exists() && !layout.made().exists());
        assert!(layout.notebooks().join("file").exists());
        // There is nothing left to remove, which is fine.
        clean(&layout, false).unwrap();
    }

    #[test]
    fn the_environment_can_stay() {
        let (_folder, layout) = scratch();
        clean(&layout, true).unwrap();
        assert!(layout.venv().join("file").exists() && layout.stamps().join("python").exists());
        assert!(!layout.seed().exists() && !layout.kernels().exists());
        assert!(!layout.results().exists() && !layout.cluster().exists());
        // The stamp of what is gone.
        assert!(!layout.stamps().join("file").exists());
    }

    #[test]
    fn an_environment_of_the_readers_own_stays() {
        let (_folder, layout) = scratch();
        fs::remove_file(layout.venv().join("made-by-the-workbook")).unwrap();
        clean(&layout, false).unwrap();
        assert!(layout.venv().join("file").exists() && !layout.made().exists());
    }

    #[test]
    fn a_link_to_another_disk_goes_with_what_the_workbook_put_there() {
        let (folder, layout) = scratch();
        let (disk, own) = (folder.path().join("disk"), folder.path().join("own"));
        fs::rename(layout.venv(), &disk).unwrap();
        std::os::unix::fs::symlink(&disk, layout.venv()).unwrap();
        // What a link inside leads to is somebody else's.
        fs::create_dir(&own).unwrap();
        std::os::unix::fs::symlink(&own, layout.results().join("link")).unwrap();
        clean(&layout, false).unwrap();
        assert!(!disk.exists() && fs::symlink_metadata(layout.venv()).is_err());
        assert!(own.exists());
    }

    #[test]
    fn nothing_is_taken_from_under_another_command() {
        for (lock, who) in [
            (locks::SETUP, "setting up"),
            (locks::CLUSTER, "setup --cluster"),
            (locks::COMPARE, "compare"),
            (locks::SITE, "workbook site"),
            (locks::OPEN, "JupyterLab"),
        ] {
            let (_folder, layout) = scratch();
            let held = locks::share(&layout, lock).unwrap();
            for keep in [true, false] {
                let error = clean(&layout, keep).unwrap_err().to_string();
                assert!(error.contains(who) && error.contains("run this again"), "{error}");
            }
            assert!(layout.seed().exists() && layout.venv().exists());
            drop(held);
            clean(&layout, false).unwrap();
        }
    }

    #[test]
    fn nothing_is_taken_from_under_a_running_kernel() {
        let (_folder, layout) = scratch();
        let folder = layout.kernels().join("1-2");
        fs::create_dir_all(&folder).unwrap();
        let lock = fs::File::create(folder.join("lock")).unwrap();
        lock.lock().unwrap();
        let error = clean(&layout, false).unwrap_err().to_string();
        assert!(error.contains("stop JupyterLab first"), "{error}");
        assert!(layout.seed().exists() && layout.venv().exists());
    }
}

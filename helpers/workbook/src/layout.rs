//! Where everything is; all of it inside the workbook's folder, but for three things in the user's cache
//! folder: the kernel program, kept for all workbooks of this user, a note of where this one's seed is, and
//! what kernels compile, where the workbook's own path has a space in it.

use anyhow::{Context, Result, bail};
use std::ffi::OsString;
use std::fs;
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};

/// The workbook's folders. `cargo workbook clean` removes everything that it ever made.
#[derive(Debug, Clone)]
pub struct Layout {
    /// The folder with `notebooks/` and `helpers/` in it.
    pub root: PathBuf,
}

/// In a folder outside of the workbook's: the file that says whose it is.
const OWNER: &str = "belongs-to";

impl Layout {
    /// The workbook that this program was built in.
    pub fn of_this_workbook() -> Self {
        let manifest = Path::new(env!("CARGO_MANIFEST_DIR"));
        let root = manifest.ancestors().nth(2).unwrap_or(manifest);
        Layout { root: root.to_owned() }
    }

    /// The chapters.
    pub fn notebooks(&self) -> PathBuf {
        self.root.join("notebooks")
    }

    /// The crate that notebooks import.
    pub fn helpers(&self) -> PathBuf {
        self.root.join("helpers")
    }

    /// The Python environment where no conda environment is used.
    pub fn venv(&self) -> PathBuf {
        self.root.join(".venv")
    }

    /// What is made once and kept. Beside cargo's own output, so that it needs no further
    /// ignoring, and on one file system, so that kernels can link to the seed's files.
    pub fn made(&self) -> PathBuf {
        self.root.join("target").join("workbook")
    }

    /// Where kernels compile: the seed and the kernels' copies of it, on one file system, so that
    /// a copy can be made of links.
    ///
    /// The kernel program names a compiled cell to its child in one line, apart by spaces, and
    /// follows symbolic links before. So where the workbook's own path has a space in it, this is a
    /// folder in the user's cache, or, where that has one too, in the folder for temporary files
    /// that outlive a restart.
    pub fn compiled(&self) -> PathBuf {
        self.compiled_in(|name| std::env::var_os(name))
    }

    fn compiled_in(&self, variable: impl Fn(&str) -> Option<OsString>) -> PathBuf {
        let own = self.made();
        if is_one_word(&resolved(&own)) {
            return own;
        }
        caches(variable)
            .find(|folder| is_one_word(&resolved(folder)))
            .unwrap_or_else(|| PathBuf::from(format!("/var/tmp/rust-workbook-{}", user())))
            .join(self.fingerprint())
    }

    /// Makes the folder [`compiled`](Self::compiled). Outside of the workbook's folder it is for
    /// this user alone, as others may write beside it.
    ///
    /// # Errors
    ///
    /// If it cannot be made, or if what is there already belongs to somebody else.
    pub fn make_compiled(&self) -> Result<()> {
        let folder = self.compiled();
        if folder == self.made() {
            return fs::create_dir_all(&folder)
                .with_context(|| format!("{} cannot be made", folder.display()));
        }
        make_own(&folder)?;
        let owner = folder.join(OWNER);
        let root = self.root.as_os_str().as_encoded_bytes();
        if fs::read(&owner).is_ok_and(|old| old == root) {
            return Ok(());
        }
        fs::write(&owner, root).with_context(|| format!("{} cannot be written", owner.display()))
    }

    /// The folder [`compiled`](Self::compiled) where it lies outside of the workbook's and was made
    /// for this workbook.
    pub fn compiled_apart(&self) -> Option<PathBuf> {
        let folder = self.compiled();
        let owner = fs::read(folder.join(OWNER)).ok()?;
        let apart = folder != self.made() && not_ours(&folder).is_none();
        (apart && owner == self.root.as_os_str().as_encoded_bytes()).then_some(folder)
    }

    /// The compiled dependencies that every kernel starts from.
    pub fn seed(&self) -> PathBuf {
        self.compiled().join("seed")
    }

    /// What kernels read of other people's sources.
    pub fn outlines(&self) -> PathBuf {
        self.compiled().join("outlines")
    }

    /// One folder for each running kernel.
    pub fn kernels(&self) -> PathBuf {
        self.compiled().join("kernels")
    }

    /// Generated and unpacked X-rays and other data.
    pub fn data(&self) -> PathBuf {
        self.made().join("data")
    }

    /// The programs of chapter 07, and a folder for each cluster that runs.
    pub fn cluster(&self) -> PathBuf {
        self.made().join("cluster")
    }

    /// The environment of Celery, Dask and PySpark.
    pub fn python_engines(&self) -> PathBuf {
        self.cluster().join("python-engines")
    }

    /// What chapters measured, kept for the last one.
    pub fn results(&self) -> PathBuf {
        self.made().join("results")
    }

    /// The Python environment with the libraries that `cargo workbook compare` compares with.
    pub fn compare_venv(&self) -> PathBuf {
        self.made().join("compare-venv")
    }

    /// The places that tests and tools ask for.
    pub fn to_json(&self) -> serde_json::Value {
        serde_json::json!({
            "root": self.root,
            "made": self.made(),
            "compiled": self.compiled(),
            "seed": self.seed(),
            "kernels": self.kernels(),
        })
    }

    /// A name for this workbook among those of this user.
    pub fn fingerprint(&self) -> String {
        fingerprint(self.root.as_os_str().as_encoded_bytes())
    }

    /// What each setup step was done for; see [`crate::stamps`].
    pub fn stamps(&self) -> PathBuf {
        self.made().join("stamps")
    }
}

/// The workbook's folder in the user's cache: the places for it, the best one first.
fn caches(variable: impl Fn(&str) -> Option<OsString>) -> impl Iterator<Item = PathBuf> {
    let set = |name: &str| {
        let path = variable(name).map(PathBuf::from);
        path.filter(|path| path.is_absolute())
    };
    let caches = if cfg!(target_os = "macos") { "Library/Caches" } else { ".cache" };
    let home = set("HOME").map(|home| home.join(caches));
    set("XDG_CACHE_HOME").into_iter().chain(home).map(|cache| cache.join("rust-workbook"))
}

/// Where kernel programs are kept for all workbooks of this user, each under a name of its own.
pub fn kept_kernels() -> Option<PathBuf> {
    kept("kernel")
}

/// A folder for all workbooks of this user.
pub fn kept(name: &str) -> Option<PathBuf> {
    caches(|name| std::env::var_os(name)).next().map(|folder| folder.join(name))
}

/// Makes a folder outside of the workbook's, for this user alone, as others may write beside it.
///
/// # Errors
///
/// If it cannot be made, or if what is there already belongs to somebody else.
pub fn make_own(folder: &Path) -> Result<()> {
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(folder)
        .with_context(|| format!("{} cannot be made", folder.display()))?;
    if let Some(place) = not_ours(folder) {
        bail!(
            "{} is a link or belongs to somebody else; remove or rename it, or set XDG_CACHE_HOME \
             to a folder of yours whose path has no space",
            place.display()
        );
    }
    Ok(())
}

/// Whether a folder, and the one that it lies in, is there and this user's.
pub fn is_own(folder: &Path) -> bool {
    not_ours(folder).is_none()
}

/// Which of a folder and the one that it lies in is not a folder of this user's, if one is not;
/// a link that somebody may have put there is none.
fn not_ours(folder: &Path) -> Option<&Path> {
    let ours = |place: &&Path| {
        fs::symlink_metadata(place).is_ok_and(|found| found.is_dir() && found.uid() == user())
    };
    folder.ancestors().take(2).find(|place| !ours(place))
}

/// The path with all links followed, as far as it exists.
fn resolved(path: &Path) -> PathBuf {
    for place in path.ancestors() {
        if let (Ok(found), Ok(rest)) = (fs::canonicalize(place), path.strip_prefix(place)) {
            return found.join(rest);
        }
    }
    path.to_owned()
}

/// Whether a path can stand in a line whose words are apart by spaces.
fn is_one_word(path: &Path) -> bool {
    path.to_str().is_some_and(|path| !path.contains(|c: char| c.is_whitespace() || c.is_control()))
}

/// This user's number.
pub fn user() -> u32 {
    // SAFETY: geteuid has no preconditions and cannot fail.
    unsafe { libc::geteuid() }
}

/// A name for a path or a text that stays the same from one Rust to the next, unlike those of std's
/// hashes: the Fowler-Noll-Vo hash FNV-1a with 64 bits.
pub fn fingerprint(bytes: &[u8]) -> String {
    let hash = bytes.iter().fold(0xcbf2_9ce4_8422_2325_u64, |hash, &byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    });
    format!("{hash:016x}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn compiled(root: &str, variables: &[(&str, &str)]) -> PathBuf {
        let layout = Layout { root: PathBuf::from(root) };
        layout.compiled_in(|name| {
            let found = variables.iter().find(|(known, _)| *known == name);
            found.map(|(_, value)| OsString::from(value))
        })
    }

    #[test]
    fn kernels_compile_inside_the_workbook_unless_its_path_has_a_space() {
        let home = [("HOME", "/home/ann")];
        for own in ["/home/ann/wb", "/home/ann/Füße", "/home/ann/e\u{301}t(1)"] {
            let expected = Path::new(own).join("target/workbook");
            assert_eq!(compiled(own, &home), expected);
        }
        for apart in ["/home/ann/my wb", "/home/ann/a\tb", "/home/ann/a\u{a0}b"] {
            let found = compiled(apart, &home);
            assert!(is_one_word(&found), "{}", found.display());
            assert!(!found.starts_with(apart));
        }
    }

    #[test]
    fn a_link_to_a_path_with_a_space_is_one_too() {
        let folder = tempfile::tempdir().unwrap();
        let disk = folder.path().join("My Disk");
        fs::create_dir(&disk).unwrap();
        let root = folder.path().join("wb");
        std::os::unix::fs::symlink(&disk, &root).unwrap();
        let found = compiled(root.to_str().unwrap(), &[("HOME", "/home/ann")]);
        assert!(found.starts_with("/home/ann"), "{}", found.display());
    }

    #[test]
    fn each_workbook_has_a_folder_of_its_own() {
        let home = [("HOME", "/home/ann")];
        assert_ne!(compiled("/a b", &home), compiled("/a  b", &home));
        assert_eq!(fingerprint(b""), "cbf29ce484222325");
        assert_eq!(fingerprint(b"foobar"), "85944171f73967e8");
    }

    #[test]
    fn a_cache_with_a_space_or_a_relative_one_is_passed_over() {
        let cache = "rust-workbook";
        let home = ("HOME", "/home/ann");
        for (variables, expected) in [
            (&[home, ("XDG_CACHE_HOME", "/big/cache")][..], "/big/cache"),
            (&[home, ("XDG_CACHE_HOME", "/big cache")], "/home/ann/.cache"),
            (&[home, ("XDG_CACHE_HOME", "cache")], "/home/ann/.cache"),
        ] {
            let found = compiled("/a b", variables);
            if cfg!(target_os = "macos") && expected.contains("/.cache") {
                continue;
            }
            assert_eq!(found.parent().unwrap(), Path::new(expected).join(cache));
        }
        for nowhere in [&[][..], &[("HOME", "/home/ann lee")]] {
            let found = compiled("/a b", nowhere);
            assert!(found.starts_with(format!("/var/tmp/rust-workbook-{}", user())));
        }
    }
}

//! The compiled dependencies that every kernel starts from.
//!
//! The kernel program compiles each cell as the crate `ctx` in a Cargo project of its own, and on
//! its own it would compile every dependency again for each notebook. The seed is such a project
//! in which a first notebook has already run. A kernel gets a copy that costs almost nothing:
//! files that nobody writes to are hard links.
//!
//! The kernel program also rewrites that project's list of dependencies several times (it starts
//! with an empty one, and tries each `:dep` alone), and cargo then forgets the versions it had
//! locked. So the project is a member of a workspace, beside a second package that always
//! depends on helpers: the lock file is the workspace's, and the versions stay. Without that a
//! kernel would ask the registry at each start, and compile everything again whenever a
//! dependency has a new release.

use crate::environment::Environment;
use crate::layout::Layout;
use crate::run;
use crate::toolchain::Toolchain;
use crate::ui::Step;
use anyhow::{Context, Result, bail};
use std::collections::HashSet;
use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, UNIX_EPOCH};

/// The cells that a seed has run. The first two lines are every chapter's setup cell; the
/// third cell makes the kernel add its own tokio to the project, which would otherwise cost the
/// reader some seconds at the first `.await`. For the last see [`SLIP`].
const FIRST_CELLS: [&str; 4] = [
    ":dep helpers = { path = \"../helpers\" }\nuse helpers::prelude::*;",
    "let warm = machine().cores;",
    "tokio::time::sleep(Duration::from_millis(1)).await;",
    "let slip = no_such_name_here();",
];

/// The one of them that must not compile. A `let` of unknown type makes the kernel ask `cargo check`
/// for the reason, which has compiled nothing yet: 20 seconds at a reader's first slip of the pen.
const SLIP: usize = 3;

/// The crates of this workbook that cells are compiled with; the first lies in `helpers` itself, the
/// others in folders of their names.
const OWN_CRATES: [&str; 8] = [
    "helpers", "engines", "figures", "measure", "platform", "pool", "weather", "xrays",
];

/// Where the kernel compiles, within a copy of the seed.
pub const CELLS: &str = "cells";

/// The package that keeps helpers' dependencies locked.
const VERSIONS: &str = "versions";

/// The members of the workspace.
const WORKSPACE: &str = r#"[workspace]
resolver = "3"
members = ["cells", "versions"]
"#;

/// Compiled like a release build. `incremental` makes an edited cell compile faster.
///
/// This is cargo's nearest configuration, not the manifest: a reader's own, in `$CARGO_HOME` or in a
/// folder above, goes before a manifest, and nearer ones go before it.
const CONFIGURATION: &str = r#"[build]
incremental = true

[profile.dev]
opt-level = 3
debug = false
strip = "debuginfo"
rpath = true
debug-assertions = false
overflow-checks = false
codegen-units = 16
incremental = true
lto = false
panic = "unwind"

[profile.dev.package."*"]
opt-level = 3
debug = false
strip = "debuginfo"
debug-assertions = false
overflow-checks = false
codegen-units = 16

[profile.dev.build-override]
opt-level = 0
debug = false
codegen-units = 256
debug-assertions = false
overflow-checks = false
"#;

fn versions_manifest(layout: &Layout) -> Result<String> {
    let helpers = layout.helpers();
    let helpers = helpers.to_str().with_context(|| {
        format!(
            "{} is not valid Unicode; rename the folder",
            helpers.display()
        )
    })?;
    // A string of JSON is one of TOML too, where it holds no DEL; Rust's `{:?}` is not.
    let helpers = serde_json::to_string(helpers)?.replace('\u{7f}', "\\u007f");
    Ok(format!(
        "[package]\nname = \"versions\"\nversion = \"0.0.0\"\nedition = \"2024\"\n\n\
         [dependencies]\nhelpers = {{ path = {helpers} }}\n"
    ))
}

/// A workspace in which nothing is compiled yet.
fn make_workspace(layout: &Layout, folder: &Path) -> Result<()> {
    let library = folder.join(VERSIONS).join("src");
    fs::create_dir_all(&library)?;
    fs::write(library.join("lib.rs"), "")?;
    fs::write(
        folder.join(VERSIONS).join("Cargo.toml"),
        versions_manifest(layout)?,
    )?;
    fs::write(folder.join("Cargo.toml"), WORKSPACE)?;
    fs::create_dir_all(folder.join(".cargo"))?;
    fs::write(folder.join(".cargo/config.toml"), CONFIGURATION)?;
    fs::create_dir_all(folder.join(CELLS))?;
    Ok(())
}

/// What the seed was made from. A kernel compiles anything that differs again, so a seed with
/// another key still works, slowly.
#[derive(Debug, Clone, PartialEq)]
pub struct Key {
    /// Compiler, kernel program and versions of the dependencies: all else follows from these.
    base: String,
    /// The sources of helpers and its crates.
    helpers: String,
}

impl Key {
    /// The key as a line of text.
    pub fn text(&self) -> String {
        format!("{} {}", self.base, self.helpers)
    }

    /// Whether a seed with that key only needs helpers compiled anew.
    fn renews(&self, old: &str) -> bool {
        old.split(' ').next() == Some(&self.base)
    }
}

/// The key of the seed that would be built now.
pub fn key(layout: &Layout, toolchain: &Toolchain, environment: &Environment) -> Result<Key> {
    let mut base = DefaultHasher::new();
    toolchain.verbose_version.hash(&mut base);
    FIRST_CELLS.hash(&mut base);
    WORKSPACE.hash(&mut base);
    CONFIGURATION.hash(&mut base);
    layout.root.hash(&mut base);
    fs::read(layout.root.join("Cargo.lock"))?.hash(&mut base);
    // The kernel program by size and time: reading 40 MB at each start would be a waste.
    stat(&environment.evcxr())?.hash(&mut base);
    let mut helpers = DefaultHasher::new();
    let mut sources = Vec::new();
    for folder in own_crates(layout) {
        let manifest = folder.join("Cargo.toml");
        fs::read(&manifest)?.hash(&mut base);
        sources.push(manifest);
        collect_files(&folder.join("src"), &mut sources)?;
    }
    sources.sort();
    for source in sources {
        source.hash(&mut helpers);
        // Cargo looks at times rather than at contents, so a touched file counts as changed.
        stat(&source)?.hash(&mut helpers);
    }
    Ok(Key {
        base: format!("{:016x}", base.finish()),
        helpers: format!("{:016x}", helpers.finish()),
    })
}

/// The folders of the crates of this workbook that cells are compiled with.
fn own_crates(layout: &Layout) -> impl Iterator<Item = PathBuf> {
    let helpers = layout.helpers();
    OWN_CRATES.iter().map(move |name| match *name {
        "helpers" => helpers.clone(),
        inner => helpers.join(inner),
    })
}

/// Length and time of last change.
fn stat(path: &Path) -> Result<(u64, u128)> {
    let metadata =
        fs::metadata(path).with_context(|| format!("{} cannot be read", path.display()))?;
    let changed = metadata
        .modified()?
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    Ok((metadata.len(), changed.as_nanos()))
}

/// Adds all files in a folder, and in its folders, to `files`.
pub fn collect_files(folder: &Path, files: &mut Vec<PathBuf>) -> Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            collect_files(&entry.path(), files)?;
        } else {
            files.push(entry.path());
        }
    }
    Ok(())
}

/// Builds the seed, or renews it when `helpers` has changed. Harmless to interrupt: the work is
/// done in a folder beside it, which a later attempt continues.
///
/// `old` is the key of the seed that is there. One of another compiler or other versions is no
/// help: what it holds would only stay in every later seed.
pub fn build(
    layout: &Layout,
    toolchain: &Toolchain,
    environment: &Environment,
    key: &Key,
    old: &str,
) -> Result<()> {
    let renewal = layout.seed().exists() && key.renews(old);
    let expectation = if renewal {
        "only what changed"
    } else {
        "one to three minutes, once"
    };
    let step = Step::begin(
        "the notebooks' dependencies, compiled for the kernel",
        expectation,
    );
    let building = layout.compiled().join("seed-building");
    layout.make_compiled()?;
    // A seed that was being built for something else is of no use either.
    let purpose = building.join("purpose");
    if fs::read_to_string(&purpose).is_ok_and(|base| base != key.base) {
        remove(&building)?;
    }
    if !building.exists() {
        if renewal {
            link_copy(&layout.seed(), &building)?;
        } else {
            make_workspace(layout, &building)?;
        }
        fs::write(&purpose, &key.base)?;
    }
    // The project's own versions; cargo drops what only `cargo workbook` needs.
    fs::copy(layout.root.join("Cargo.lock"), building.join("Cargo.lock"))?;
    let total = dependency_count(layout, toolchain);
    let outcome = std::thread::scope(|scope| {
        let worker = scope
            .spawn(|| run::execute_cells(layout, environment, &FIRST_CELLS, Some(SLIP), &building));
        while !worker.is_finished() {
            if let Some(total) = total {
                step.progress(compiled_crates(&building.join(CELLS)), total);
            }
            std::thread::sleep(Duration::from_millis(200));
        }
        worker.join()
    });
    let failures = match outcome {
        Ok(result) => result?,
        Err(_) => bail!("executing the first cells panicked"),
    };
    if let Some(failure) = failures.first() {
        bail!("the notebooks' dependencies do not compile:\n{failure}");
    }
    // What evcxr left of its cells would only be copied with every kernel.
    remove_cells(&building.join(CELLS))?;
    let replaced = layout.compiled().join("seed-old");
    remove(&replaced)?;
    if layout.seed().exists() {
        fs::rename(layout.seed(), &replaced)?;
    }
    fs::rename(&building, layout.seed())?;
    remove(&replaced)?;
    step.end();
    Ok(())
}

/// How many crates helpers is made of, for the progress bar.
fn dependency_count(layout: &Layout, toolchain: &Toolchain) -> Option<u64> {
    let output = Command::new(toolchain.bin.join("cargo"))
        .args(["tree", "--package", "helpers", "--prefix", "none"])
        .args(["--edges", "normal,build", "--offline"])
        .current_dir(&layout.root)
        .output()
        .ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    let crates: HashSet<&str> = text
        .lines()
        .filter_map(|line| line.split(" (").next())
        .filter(|line| !line.is_empty())
        .collect();
    (!crates.is_empty()).then_some(crates.len() as u64)
}

/// How many crates have been compiled so far in a kernel's project.
fn compiled_crates(project: &Path) -> u64 {
    let mut crates = HashSet::new();
    let mut folders = vec![project.join("target/debug/deps")];
    if let Ok(entries) = fs::read_dir(project.join("target")) {
        folders.extend(entries.flatten().map(|e| e.path().join("debug/deps")));
    }
    for folder in folders {
        let Ok(entries) = fs::read_dir(folder) else {
            continue;
        };
        for entry in entries.flatten() {
            let name = entry.file_name();
            let name = name.to_string_lossy();
            if let Some(stem) = name.strip_suffix(".d") {
                crates.insert(stem.split('-').next().unwrap_or(stem).to_owned());
            }
        }
    }
    crates.len() as u64
}

/// Removes the compiled cells of the seed's own notebook; its dependencies stay.
fn remove_cells(project: &Path) -> Result<()> {
    let mut files = Vec::new();
    collect_files(&project.join("target"), &mut files)?;
    for file in files {
        let name = file.file_name().unwrap_or_default().to_string_lossy();
        if name.starts_with("libcode_") {
            fs::remove_file(&file)?;
        }
    }
    Ok(())
}

/// Removes a folder if it is there.
pub fn remove(folder: &Path) -> Result<()> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(error).with_context(|| format!("{} cannot be removed", folder.display()))
        }
        _ => Ok(()),
    }
}

/// Copies a kernel's project: hard links for what is never written in place, copies for the rest.
/// Where links are not possible, everything is copied.
pub fn link_copy(from: &Path, to: &Path) -> Result<()> {
    fs::create_dir_all(to).with_context(|| format!("{} cannot be made", to.display()))?;
    for entry in fs::read_dir(from).with_context(|| format!("{} cannot be read", from.display()))? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        let kind = entry.file_type()?;
        if kind.is_dir() {
            link_copy(&entry.path(), &target)?;
        } else if kind.is_file() {
            let shared =
                !written_in_place(&entry.path()) && fs::hard_link(entry.path(), &target).is_ok();
            if !shared {
                copy_with_time(&entry.path(), &target)?;
            }
        }
    }
    Ok(())
}

/// Cargo decides by file times what is up to date, so a copy keeps its time.
fn copy_with_time(from: &Path, to: &Path) -> Result<()> {
    fs::copy(from, to)
        .with_context(|| format!("{} cannot be copied (is the disk full?)", from.display()))?;
    let modified = fs::metadata(from)?.modified()?;
    let copy = fs::OpenOptions::new().write(true).open(to)?;
    copy.set_modified(modified)?;
    Ok(())
}

/// Whether cargo, rustc or the kernel may write into this file rather than replace it.
///
/// The project's own files and dependency lists are rewritten with each cell; what belongs to the
/// cells' crate or to helpers' is rewritten when a reader edits either.
fn written_in_place(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let own = [
        // The lock of a whole build: as one file for all, kernels would wait for each other.
        ".cargo-lock",
        "Cargo.toml",
        "Cargo.lock",
        "config.toml",
        ".rustc_info.json",
        "lib.rs",
    ];
    own.contains(&name.as_ref())
        || name.ends_with(".d")
        || path.components().any(|part| {
            let part = part.as_os_str().to_string_lossy();
            let stem = part.strip_prefix("lib").unwrap_or(&part);
            ["ctx"].iter().chain(&OWN_CRATES).any(|own| {
                stem.strip_prefix(own)
                    .is_some_and(|rest| rest.is_empty() || rest.starts_with(['-', '.']))
            })
        })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::MetadataExt;

    /// Cargo itself reads the manifest, whatever the folder is called.
    #[test]
    fn a_workspace_can_be_read_wherever_the_workbook_lies() {
        let folder = tempfile::tempdir().unwrap();
        for name in [
            "plain",
            "with a space",
            "Fu\u{308}ße",
            "it's \"quoted\"",
            "[b]{c}#d",
            "back\\slash",
            "\u{7f}",
        ] {
            let layout = Layout {
                root: folder.path().join(name),
            };
            fs::create_dir_all(layout.helpers().join("src")).unwrap();
            fs::write(layout.helpers().join("src/lib.rs"), "").unwrap();
            fs::write(
                layout.helpers().join("Cargo.toml"),
                "[package]\nname = \"helpers\"\nversion = \"0.0.0\"\n",
            )
            .unwrap();
            let project = layout.root.join("project");
            make_workspace(&layout, &project).unwrap();
            let cells = project.join(CELLS);
            fs::create_dir_all(cells.join("src")).unwrap();
            fs::write(cells.join("src/lib.rs"), "").unwrap();
            fs::write(
                cells.join("Cargo.toml"),
                "[package]\nname = \"ctx\"\nversion = \"1.0.0\"\n",
            )
            .unwrap();
            let output = Command::new("cargo")
                .args(["metadata", "--offline", "--format-version", "1"])
                .current_dir(&cells)
                .output()
                .unwrap();
            let said = String::from_utf8_lossy(&output.stderr);
            assert!(output.status.success(), "{name:?}: {said}");
        }
    }

    #[test]
    fn own_files_are_copied_and_dependencies_linked() {
        let folder = tempfile::tempdir().unwrap();
        let (from, to) = (folder.path().join("seed"), folder.path().join("kernel"));
        let deps = from.join("target/x/debug/deps");
        fs::create_dir_all(&deps).unwrap();
        fs::create_dir_all(from.join("src")).unwrap();
        fs::write(from.join("src/lib.rs"), "cell").unwrap();
        for name in ["libhelpers.so", "libctx.so", "librayon-1.rlib", "rayon-1.d"] {
            fs::write(deps.join(name), name).unwrap();
        }
        link_copy(&from, &to).unwrap();
        let links = |path: &str| fs::metadata(from.join(path)).unwrap().nlink();
        assert_eq!(links("target/x/debug/deps/librayon-1.rlib"), 2);
        for own in [
            "src/lib.rs",
            "target/x/debug/deps/libhelpers.so",
            "target/x/debug/deps/rayon-1.d",
        ] {
            assert_eq!(links(own), 1, "{own}");
            assert_eq!(
                fs::metadata(from.join(own)).unwrap().modified().unwrap(),
                fs::metadata(to.join(own)).unwrap().modified().unwrap(),
            );
        }
        // What one kernel writes, no other sees.
        fs::write(to.join("src/lib.rs"), "edited").unwrap();
        assert_eq!(fs::read_to_string(from.join("src/lib.rs")).unwrap(), "cell");
    }

    #[test]
    fn what_belongs_to_the_cells_or_helpers_is_written_in_place() {
        for own in [
            "target/x/debug/.fingerprint/ctx-12ab/lib-ctx",
            "target/x/debug/.fingerprint/helpers-77/invoked.timestamp",
            "target/x/debug/deps/libhelpers.rlib",
            "target/x/debug/.cargo-lock",
            "Cargo.lock",
        ] {
            assert!(written_in_place(Path::new(own)), "{own}");
        }
        for other in [
            "target/x/debug/deps/libimage-1.rlib",
            "target/x/debug/deps/libctxt-1.rlib",
        ] {
            assert!(!written_in_place(Path::new(other)), "{other}");
        }
    }

    /// Each of the workbook's crates that helpers is compiled from counts as one of its sources.
    #[test]
    fn the_key_covers_the_crates_that_cells_are_compiled_with() {
        let layout = Layout::of_this_workbook();
        let mut found = vec!["helpers".to_owned()];
        for folder in own_crates(&layout) {
            let manifest = fs::read_to_string(folder.join("Cargo.toml")).unwrap();
            let dependencies = manifest.split("[dev-dependencies]").next().unwrap();
            let own = dependencies
                .lines()
                .filter(|line| line.contains("{ path = "));
            found.extend(own.filter_map(|line| line.split(' ').next().map(str::to_owned)));
        }
        found[1..].sort();
        found.dedup();
        assert_eq!(found, OWN_CRATES);
    }
}

//! The Cargo project in which a kernel compiles its cells.
//!
//! The kernel program rewrites that project's list of dependencies several times (it starts with an
//! empty one, and tries each `:dep` alone), and cargo then forgets the versions it had locked. So the
//! project is a member of a workspace, beside a second package that always depends on helpers: the
//! lock file is the workspace's, and the versions stay. Without that a kernel would ask the registry
//! at each start, and compile everything again whenever a dependency has a new release.

use crate::layout::Layout;
use anyhow::{Context, Result};
use std::fs;
use std::path::{Path, PathBuf};

/// The crates of this workbook that cells are compiled with; the first lies in `helpers` itself, the
/// others in folders of their names.
const OWN_CRATES: [&str; 8] =
    ["helpers", "engines", "figures", "measure", "platform", "pool", "weather", "xrays"];

/// Where the kernel compiles, within a copy of the seed.
pub const CELLS: &str = "cells";

/// The kernel program's settings, within a copy of the seed, in place of the reader's own, which may
/// change what is compiled.
pub const SETTINGS: &str = "evcxr";

/// The package that keeps helpers' dependencies locked.
pub const VERSIONS: &str = "versions";

/// One of these settings: what is done before the first cell.
const FIRST: &str = "init.evcxr";

/// What a seed is being built for.
pub const PURPOSE: &str = "purpose";

/// The members of the workspace.
pub const WORKSPACE: &str = r#"[workspace]
resolver = "3"
members = ["cells", "versions"]
"#;

/// Compiled like a release build. `incremental` makes an edited cell compile faster.
///
/// This is cargo's nearest configuration, not the manifest: a reader's own, in `$CARGO_HOME` or in a
/// folder above, goes before a manifest, and nearer ones go before it.
pub const CONFIGURATION: &str = include_str!("project.toml");

/// Helpers as a dependency, and the crates that the reader has added.
fn dependencies(layout: &Layout, added: &[String]) -> Result<Vec<String>> {
    let helpers = layout.helpers();
    let helpers = helpers.to_str().with_context(|| {
        format!("{} is not valid Unicode; rename the folder", helpers.display())
    })?;
    // A string of JSON is one of TOML too, where it holds no DEL; Rust's `{:?}` is not.
    let helpers = serde_json::to_string(helpers)?.replace('\u{7f}', "\\u007f");
    let helpers = format!("helpers = {{ path = {helpers} }}");
    Ok([helpers].into_iter().chain(added.iter().cloned()).collect())
}

/// Writes what makes a workspace of a folder; what is compiled there stays.
///
/// Every cell of every notebook is compiled with all added crates, whatever its notebook names: cargo
/// chooses the features of a crate for all that ask for it together, so that each other choice of crates
/// would be another helpers.
pub fn make_workspace(layout: &Layout, folder: &Path, added: &[String]) -> Result<()> {
    let lines = dependencies(layout, added)?;
    let library = folder.join(VERSIONS).join("src");
    fs::create_dir_all(&library)?;
    fs::write(library.join("lib.rs"), "")?;
    let manifest =
        "[package]\nname = \"versions\"\nversion = \"0.0.0\"\nedition = \"2024\"\n\n[dependencies]";
    let manifest = format!("{manifest}\n{}\n", lines.join("\n"));
    fs::write(folder.join(VERSIONS).join("Cargo.toml"), manifest)?;
    fs::write(folder.join("Cargo.toml"), WORKSPACE)?;
    fs::create_dir_all(folder.join(".cargo"))?;
    fs::write(folder.join(".cargo/config.toml"), CONFIGURATION)?;
    let settings = folder.join(SETTINGS);
    fs::create_dir_all(&settings)?;
    // What the kernel program does before all cells.
    let mut first: String = lines.iter().map(|line| format!(":dep {line}\n")).collect();
    // A cell that is compiled with helpers has to be linked with it.
    first += "use helpers as _;\n";
    fs::write(settings.join(FIRST), if added.is_empty() { "" } else { &first })?;
    make_empty_cell(folder)
}

/// Puts a cell that needs nothing where the kernel writes its own: cargo reads all members of a
/// workspace, and what a kernel was interrupted in may be none.
pub fn make_empty_cell(folder: &Path) -> Result<()> {
    let cells = folder.join(CELLS);
    fs::create_dir_all(cells.join("src"))?;
    fs::write(cells.join("src/lib.rs"), "")?;
    let manifest = "[package]\nname = \"ctx\"\nversion = \"1.0.0\"\nedition = \"2024\"\n";
    Ok(fs::write(cells.join("Cargo.toml"), manifest)?)
}

/// The folders of the crates of this workbook that cells are compiled with.
pub fn own_crates(layout: &Layout) -> impl Iterator<Item = PathBuf> {
    let helpers = layout.helpers();
    OWN_CRATES.iter().map(move |name| match *name {
        "helpers" => helpers.clone(),
        inner => helpers.join(inner),
    })
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
        FIRST,
        PURPOSE,
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
    use std::process::Command;

    /// Cargo warns of a package that is not there, in each cell.
    #[test]
    fn packages_with_settings_of_their_own_are_dependencies() {
        let lock = include_str!("../../../Cargo.lock");
        let named: Vec<&str> =
            CONFIGURATION.lines().filter_map(|l| l.strip_suffix(" = { opt-level = 0 }")).collect();
        assert!(named.len() > 20);
        for name in named {
            assert!(lock.contains(&format!("\nname = \"{name}\"\n")), "{name}");
        }
    }

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
            let layout = Layout { root: folder.path().join(name) };
            fs::create_dir_all(layout.helpers().join("src")).unwrap();
            fs::write(layout.helpers().join("src/lib.rs"), "").unwrap();
            fs::write(
                layout.helpers().join("Cargo.toml"),
                "[package]\nname = \"helpers\"\nversion = \"0.0.0\"\n",
            )
            .unwrap();
            let project = layout.root.join("project");
            make_workspace(&layout, &project, &[]).unwrap();
            let output = Command::new("cargo")
                .args(["metadata", "--offline", "--format-version", "1"])
                .current_dir(project.join(CELLS))
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
        for own in
            ["src/lib.rs", "target/x/debug/deps/libhelpers.so", "target/x/debug/deps/rayon-1.d"]
        {
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
        for other in ["target/x/debug/deps/libimage-1.rlib", "target/x/debug/deps/libctxt-1.rlib"] {
            assert!(!written_in_place(Path::new(other)), "{other}");
        }
    }

    /// Each of the workbook's crates that helpers is compiled from counts as one of its sources.
    #[test]
    fn the_list_has_the_crates_that_cells_are_compiled_with() {
        let layout = Layout::of_this_workbook();
        let mut found = vec!["helpers".to_owned()];
        for folder in own_crates(&layout) {
            let manifest = fs::read_to_string(folder.join("Cargo.toml")).unwrap();
            let dependencies = manifest.split("[dev-dependencies]").next().unwrap();
            let own = dependencies.lines().filter(|line| line.contains("{ path = "));
            found.extend(own.filter_map(|line| line.split(' ').next().map(str::to_owned)));
        }
        found[1..].sort();
        found.dedup();
        assert_eq!(found, OWN_CRATES);
    }
}

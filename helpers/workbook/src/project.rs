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

/// Copies a kernel's project: hard links for what is only ever replaced as a whole, copies for the rest.
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
                replaced_whole(&entry.path()) && fs::hard_link(entry.path(), &target).is_ok();
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

/// Whether this is large and only ever replaced: what rustc and the linker make of a crate, and what
/// rustc remembers of it. They write these beside the old ones, or remove the old ones first; before
/// a linker that does neither, cargo has removed them. All else, such as cargo's notes, locks and lists,
/// and what build scripts make, may be written in place.
fn replaced_whole(path: &Path) -> bool {
    let level = |number| {
        let place = path.ancestors().nth(number).and_then(Path::file_name);
        place.and_then(|name| name.to_str()).unwrap_or_default()
    };
    let is = |kinds: &[&str]| {
        path.extension().is_some_and(|kind| kinds.iter().any(|known| kind == *known))
    };
    match (level(1), level(2), level(3)) {
        ("deps" | "debug", ..) => is(&["dylib", "rlib", "rmeta", "so"]),
        // A folder for each crate, and in it one for each session.
        (_, _, "incremental") => {
            is(&["o", "rmeta"]) || ["dep-graph.bin", "query-cache.bin"].contains(&level(0))
        }
        (_, "build", _) => {
            path.extension().is_none() && level(0).replace('-', "_").starts_with("build_script_")
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::MetadataExt;
    use std::process::Command;
    use std::time::SystemTime;

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

    /// All files of a folder, with contents and times.
    fn state(folder: &Path) -> Vec<(PathBuf, Vec<u8>, SystemTime)> {
        let mut state: Vec<_> = crate::disk::files_in(folder)
            .map(|file| {
                let path = file.unwrap().into_path();
                let about = fs::metadata(&path).unwrap();
                (path.clone(), fs::read(&path).unwrap(), about.modified().unwrap())
            })
            .collect();
        state.sort();
        state
    }

    /// Cargo, rustc and the linker themselves work in a copy: a crate that cells use, the cells and
    /// cargo's settings change there, and the seed stays what it was, for the next kernel.
    #[test]
    fn what_a_kernel_compiles_changes_its_own_copy_only() {
        let folder = tempfile::tempdir().unwrap();
        let (sources, seed) = (folder.path().join("image"), folder.path().join("seed"));
        let edit = |project: &Path, number: u32| {
            let library = format!("#[inline(never)]\npub fn size() -> u32 {{ {number} }}\n");
            fs::write(sources.join("src/lib.rs"), library).unwrap();
            let cell = format!(
                "#[unsafe(no_mangle)]\npub fn cell() -> u32 {{ image::size() + {number} }}"
            );
            fs::write(project.join("cells/src/lib.rs"), cell).unwrap();
        };
        let build = |project: &Path, level: &str| {
            let mut cargo = Command::new("cargo");
            cargo.args(["build", "--offline"]).current_dir(project);
            crate::toolchain::clean_environment(&mut cargo);
            let output = cargo.env("CARGO_PROFILE_DEV_OPT_LEVEL", level).output().unwrap();
            assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        };
        let package = |folder: &Path, name: &str, rest: &str| {
            fs::create_dir_all(folder.join("src")).unwrap();
            let manifest = format!(
                "[package]\nname = \"{name}\"\nversion = \"1.0.0\"\nedition = \"2024\"\n{rest}"
            );
            fs::write(folder.join("Cargo.toml"), manifest).unwrap();
            fs::write(folder.join("src/lib.rs"), "").unwrap();
        };
        package(&sources, "image", "[lib]\ncrate-type = [\"dylib\"]");
        let build_script = |number: u32| {
            // As C's compiler may, which build scripts call.
            let script = format!(
                "fn main() {{ let out = std::env::var(\"OUT_DIR\").unwrap(); std::fs::write(out + \"/made.o\", \"{number}\").unwrap(); }}"
            );
            fs::write(sources.join("build.rs"), script).unwrap();
        };
        build_script(1);
        fs::create_dir_all(&seed).unwrap();
        fs::write(seed.join("Cargo.toml"), WORKSPACE).unwrap();
        for name in [CELLS, VERSIONS] {
            let library = "[lib]\ncrate-type = [\"cdylib\"]\n[dependencies]\nimage = { path = \"../../image\" }";
            package(&seed.join(name), name, library);
        }
        edit(&seed, 1);
        build(&seed, "2");

        let kernel = folder.path().join("kernel");
        link_copy(&seed, &kernel).unwrap();
        let before = state(&seed);
        for end in
            [std::env::consts::DLL_SUFFIX, ".rmeta", ".o", "query-cache.bin", "build-script-build"]
        {
            let is_linked = |file: &PathBuf| {
                let copy = kernel.join(file.strip_prefix(&seed).unwrap());
                let [old, new] = [file, &copy].map(|file| fs::metadata(file).unwrap().ino());
                file.to_string_lossy().ends_with(end) && old == new
            };
            assert!(before.iter().any(|file| is_linked(&file.0)), "{end}");
        }
        for (number, level) in [(2, "2"), (3, "2"), (3, "1")] {
            edit(&kernel, number);
            build_script(number);
            build(&kernel, level);
        }
        let after = state(&seed);
        for (old, new) in before.iter().zip(&after) {
            assert_eq!((&old.0, old.2), (&new.0, new.2));
            assert!(old.1 == new.1, "{} was written to", old.0.display());
        }
        assert_eq!(before.len(), after.len());
        let library = format!("target/debug/libimage{}", std::env::consts::DLL_SUFFIX);
        let [old, new] = [&seed, &kernel].map(|project| fs::read(project.join(&library)).unwrap());
        assert!(old != new, "nothing was compiled in the copy");
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

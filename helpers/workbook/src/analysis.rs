//! What the kernel's own analysis of the code reads: a kernel starts in two thirds of the time, with
//! little more than half of the memory, if it does not read what no cell meets.
//!
//! The kernel program has a rust-analyzer in it, for the types of variables and for completion. That asks
//! `cargo metadata` which crates there are, and reads all of them before the first cell, also what only
//! runs while others are compiled, such as syn. So a kernel has a toolchain of its own, in which `cargo`
//! is this program: it passes every call on to cargo, and shortens that one answer. What is compiled
//! stays as it is.

use crate::layout::Layout;
use crate::outlines;
use crate::project::{CELLS, VERSIONS};
use anyhow::{Context, Result};
use platform::names;
use serde_json::{Value, json};
use std::collections::{HashMap, HashSet};
use std::ffi::{OsStr, OsString};
use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::symlink;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};

/// What helpers and the crates below it use in private: nothing that a cell can name has a type of
/// theirs. One that a notebook names after `:dep` is read, with all that it needs.
const UNREAD: [&str; 18] = [
    "flate2",
    "hyper",
    "hyper-rustls",
    "hyper-util",
    "jiff",
    "libc",
    "mio",
    "moxcms",
    "png",
    "py_literal",
    "rustls",
    "rustls-platform-verifier",
    "socket2",
    "tokio-rustls",
    "tower-http",
    "tracing",
    "zip",
    "zune-jpeg",
];

/// Makes a toolchain in `folder` that is the one in `bin` but for its cargo, which is this program. The
/// kernel finds it by `RUSTUP_TOOLCHAIN`, or where there is no rustup by `CARGO`.
pub fn make_toolchain(bin: &Path, folder: &Path) -> Result<()> {
    let own = folder.join("bin");
    fs::create_dir_all(&own)?;
    for program in fs::read_dir(bin).with_context(|| format!("{} cannot be read", bin.display()))? {
        let program = program?;
        if program.file_name() != "cargo" {
            symlink(program.path(), own.join(program.file_name()))?;
        }
    }
    symlink(std::env::current_exe()?, own.join("cargo"))?;
    Ok(symlink(bin.with_file_name("lib"), folder.join("lib"))?)
}

/// The cargo in whose place this program was started, if it was.
pub fn cargo_meant(name: &OsStr) -> Option<PathBuf> {
    let name = Path::new(name);
    if name.file_name() != Some(OsStr::new("cargo")) {
        return None;
    }
    // Beside it is the toolchain's rustc, by a link.
    let rustc = fs::read_link(name.with_file_name("rustc")).ok()?;
    Some(rustc.with_file_name("cargo"))
}

/// Does what cargo would do.
pub fn cargo(real: &Path, arguments: &[OsString]) -> Result<ExitCode> {
    let mut command = Command::new(real);
    command.args(arguments);
    if !asks_for_crates(arguments) {
        return Err(command.exec()).context("cargo did not start");
    }
    let output = command.stderr(Stdio::inherit()).output().context("cargo did not start")?;
    let answer = match serde_json::from_slice(&output.stdout) {
        Ok(mut metadata) if output.status.success() => {
            shorten(&mut metadata);
            if let Some(scratch) = std::env::var_os(names::SCRATCH).map(PathBuf::from)
                && let Some(folder) = scratch.parent()
            {
                lead_to_outlines(&mut metadata, &Layout::of_this_workbook(), folder);
            }
            serde_json::to_vec(&metadata)?
        }
        _ => output.stdout,
    };
    io::stdout().write_all(&answer)?;
    Ok(ExitCode::from(output.status.code().and_then(|code| code.try_into().ok()).unwrap_or(1)))
}

/// Whether this is the analysis' question for the crates of the kernel's project, rather than one of the
/// kernel's own or of a program that a cell starts.
fn asks_for_crates(arguments: &[OsString]) -> bool {
    let cells = std::env::var_os("EVCXR_TMPDIR").map(PathBuf::from);
    let project = cells
        .filter(|cells| cells.ends_with(CELLS))
        .map(|cells| cells.with_file_name("Cargo.toml"));
    let named = arguments.iter().skip_while(|word| *word != "--manifest-path").nth(1);
    arguments.first().is_some_and(|command| command == "metadata")
        && !arguments.iter().any(|word| word == "--no-deps")
        && project.is_some_and(|project| named.map(Path::new) == Some(&project))
}

/// Takes out of cargo's answer what the analysis need not read.
fn shorten(metadata: &mut Value) {
    let keep = crates_to_read(metadata);
    let is_kept = |id: &Value| id.as_str().is_some_and(|id| keep.contains(id));
    for package in retain(&mut metadata["packages"], |package| is_kept(&package["id"])) {
        // The tests and programs of our own crates are none of the cells' business.
        retain(&mut package["targets"], is_library);
    }
    for node in retain(&mut metadata["resolve"]["nodes"], |node| is_kept(&node["id"])) {
        let deps = retain(&mut node["deps"], |dep| is_kept(&dep["pkg"]) && is_for_the_library(dep));
        node["dependencies"] = deps.iter().map(|dep| dep["pkg"].clone()).collect();
    }
}

/// A source of this one never changes, and its version says which it is.
const CRATES_IO: &str = "registry+https://github.com/rust-lang/crates.io-index";

/// Puts outlines in the place of the sources that came from [`CRATES_IO`]. What is begun is in `scratch`.
fn lead_to_outlines(metadata: &mut Value, layout: &Layout, scratch: &Path) {
    for package in metadata["packages"].as_array_mut().into_iter().flatten() {
        let text = |name: &str| package[name].as_str().unwrap_or_default();
        if text("source") != CRATES_IO {
            continue;
        }
        let manifest = PathBuf::from(text("manifest_path"));
        let name = format!("{}-{}", text("name"), text("version"));
        let Some(folder) = manifest.parent() else { continue };
        match outlines::of_package(layout, &name, folder, scratch) {
            Ok(outline) => {
                let lead = |path: &mut Value| {
                    let old = Path::new(path.as_str().unwrap_or_default());
                    if let Ok(within) = old.strip_prefix(folder) {
                        *path = json!(outline.join(within));
                    }
                };
                lead(&mut package["manifest_path"]);
                for target in package["targets"].as_array_mut().into_iter().flatten() {
                    lead(&mut target["src_path"]);
                }
            }
            // The sources serve as well, and take longer.
            Err(error) => eprintln!("{error:#}"),
        }
    }
}

fn retain(list: &mut Value, keep: impl Fn(&Value) -> bool) -> &mut [Value] {
    match list.as_array_mut() {
        Some(list) => {
            list.retain(|item| keep(item));
            list
        }
        None => &mut [],
    }
}

/// Ids of the crates that have to be read: what helpers needs but for [`UNREAD`], and all that other
/// crates need which a notebook names.
fn crates_to_read(metadata: &Value) -> HashSet<String> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let mut names = HashMap::new();
    let mut macros = HashSet::new();
    for package in items(&metadata["packages"]) {
        let id = text(&package["id"]);
        if items(&package["targets"]).any(|target| has_kind(target, "proc-macro")) {
            macros.insert(id.clone());
        }
        names.insert(id, text(&package["name"]));
    }
    let mut needs: HashMap<String, Vec<String>> = HashMap::new();
    for node in items(&metadata["resolve"]["nodes"]) {
        let id = text(&node["id"]);
        // What a macro is made of runs in the compiler only.
        let deps =
            items(&node["deps"]).filter(|dep| !macros.contains(&id) && is_for_the_library(dep));
        let deps = deps.map(|dep| text(&dep["pkg"])).collect();
        needs.insert(id, deps);
    }
    let reach = |from: Vec<String>, but: &[&str]| {
        let (mut found, mut next) = (HashSet::new(), from);
        while let Some(id) = next.pop() {
            let is_left = names.get(&id).is_some_and(|name| but.contains(&name.as_str()));
            if !is_left && found.insert(id.clone()) {
                next.extend(needs.get(&id).into_iter().flatten().cloned());
            }
        }
        found
    };
    let members: Vec<String> = items(&metadata["workspace_members"]).map(text).collect();
    let is_versions = |id: &&String| names.get(*id).is_some_and(|name| name == VERSIONS);
    let of_helpers = reach(members.iter().filter(is_versions).cloned().collect(), &[]);
    let named = members.iter().filter_map(|member| needs.get(member)).flatten();
    let usual = reach(members.clone(), &UNREAD);
    let own =
        named.filter(|id| !usual.contains(*id) || !of_helpers.contains(*id)).cloned().collect();
    usual.union(&reach(own, &[])).cloned().collect()
}

fn items(list: &Value) -> impl Iterator<Item = &Value> {
    list.as_array().into_iter().flatten()
}

fn has_kind(target: &Value, kind: &str) -> bool {
    items(&target["kind"]).any(|other| other == kind)
}

fn is_library(target: &Value) -> bool {
    const OTHERS: [&str; 5] = ["bin", "example", "test", "bench", "custom-build"];
    !OTHERS.iter().any(|kind| has_kind(target, kind))
}

/// Whether a dependency is one of the library itself, not of its tests or of what builds it.
fn is_for_the_library(dep: &Value) -> bool {
    items(&dep["dep_kinds"]).any(|kind| kind["kind"].is_null())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_unread_is_a_dependency() {
        let lock = include_str!("../../../Cargo.lock");
        for name in UNREAD {
            assert!(lock.contains(&format!("\nname = \"{name}\"\n")), "{name}");
        }
    }

    /// A cell can name what is passed on, so the kernel has to know its types.
    #[test]
    fn what_is_unread_is_passed_on_by_none_of_our_crates() {
        let layout = crate::layout::Layout::of_this_workbook();
        for folder in crate::project::own_crates(&layout) {
            for file in crate::disk::files_in(&folder.join("src")) {
                let file = file.unwrap().into_path();
                let text = fs::read_to_string(&file).unwrap_or_default();
                for line in text.lines().filter(|line| line.trim_start().starts_with("pub use ")) {
                    let named = UNREAD.iter().find(|name| line.contains(&name.replace('-', "_")));
                    assert_eq!(named, None, "{}: {line}", file.display());
                }
            }
        }
    }

    /// As cargo answers, with a crate `name` for each line `name: what it needs`. Of a macro the name
    /// ends in `!`, and what only builds or tests a crate stands behind `(build)`, `(dev)`.
    fn answer(lines: &str) -> Value {
        let (mut packages, mut nodes) = (Vec::new(), Vec::new());
        for (name, needs) in lines.lines().filter_map(|line| line.trim().split_once(':')) {
            let kind = match name {
                "ctx" => "cdylib",
                _ if name.ends_with('!') => "proc-macro",
                _ => "lib",
            };
            let targets = json!([{ "kind": [kind] }, { "kind": ["test"] }]);
            packages.push(json!({ "id": name, "name": name, "targets": targets }));
            let deps =
                needs.split(',').map(str::trim).filter(|need| !need.is_empty()).map(|need| {
                    let (id, kind) = need.split_once(" (").unwrap_or((need, ""));
                    let kind = kind.strip_suffix(')').map_or(Value::Null, Value::from);
                    json!({ "pkg": id, "dep_kinds": [{ "kind": kind }] })
                });
            nodes.push(json!({ "id": name, "deps": deps.collect::<Vec<_>>(), "dependencies": [] }));
        }
        let members = ["ctx", VERSIONS];
        json!({ "packages": packages, "workspace_members": members, "resolve": { "nodes": nodes } })
    }

    /// Sources of this workbook may change.
    #[test]
    fn outlines_take_the_place_of_what_came_from_crates_io() {
        let folder = tempfile::tempdir().unwrap();
        let layout = Layout { root: folder.path().join("workbook") };
        let packages = [CRATES_IO, "", "git+https://x", "registry+https://x"];
        let packages = packages.map(|source| {
            let place = folder.path().join("rand");
            json!({
                "name": "rand", "version": "1.0.0", "source": source,
                "manifest_path": place.join("Cargo.toml"),
                "targets": [{ "src_path": place.join("src/lib.rs") }],
            })
        });
        fs::create_dir_all(folder.path().join("rand/src")).unwrap();
        fs::write(folder.path().join("rand/src/lib.rs"), "fn f() { 1 }").unwrap();
        let mut metadata = json!({ "packages": packages });
        lead_to_outlines(&mut metadata, &layout, &folder.path().join("kernel"));
        let read = |number: usize| {
            let package = &metadata["packages"][number];
            assert!(package["manifest_path"].as_str().unwrap().ends_with("/Cargo.toml"));
            fs::read_to_string(package["targets"][0]["src_path"].as_str().unwrap()).unwrap()
        };
        assert_eq!(
            [read(0), read(1), read(2), read(3)],
            ["fn f() { loop {} }", "fn f() { 1 }", "fn f() { 1 }", "fn f() { 1 }"]
        );
    }

    fn read(lines: &str) -> String {
        let mut metadata = answer(lines);
        shorten(&mut metadata);
        let names = items(&metadata["packages"]).map(|package| {
            assert_eq!(package["targets"].as_array().unwrap().len(), 1);
            package["name"].as_str().unwrap()
        });
        let names = names.collect::<Vec<_>>();
        for node in items(&metadata["resolve"]["nodes"]) {
            assert!(names.contains(&node["id"].as_str().unwrap()));
            for need in items(&node["dependencies"]) {
                assert!(names.contains(&need.as_str().unwrap()), "{node}");
            }
        }
        names.join(" ")
    }

    const HELPERS: &str = "versions: helpers
        helpers: serde_derive!, reqwest, cc (build), tempfile (dev)
        serde_derive!: syn
        syn:
        cc:
        tempfile:
        reqwest: http, hyper
        http:
        hyper: tracing
        tracing:";

    #[test]
    fn what_no_cell_meets_is_not_read() {
        let usual = "versions helpers serde_derive! reqwest http";
        assert_eq!(read(&format!("ctx:\n{HELPERS}")), format!("ctx {usual}"));
        assert_eq!(read(&format!("ctx: helpers\n{HELPERS}")), format!("ctx {usual}"));
        assert_eq!(read(&format!("ctx: helpers, http\n{HELPERS}")), format!("ctx {usual}"));
    }

    #[test]
    fn what_a_notebook_names_is_read_with_all_that_it_needs() {
        let usual = "versions helpers serde_derive! reqwest http hyper tracing";
        assert_eq!(read(&format!("ctx: helpers, hyper\n{HELPERS}")), format!("ctx {usual}"));
        let axum = format!("ctx: helpers, axum\naxum: hyper\n{HELPERS}");
        assert_eq!(read(&axum), format!("ctx axum {usual}"));
    }

    #[test]
    fn every_other_call_is_cargos_own() {
        let asks = |words: &str| {
            asks_for_crates(&words.split(' ').map(OsString::from).collect::<Vec<_>>())
        };
        // Set for kernels only.
        assert!(!asks("metadata --manifest-path /x/Cargo.toml"));
        assert!(!asks("build"));
        assert_eq!(cargo_meant(OsStr::new("/usr/bin/workbook")), None);
        assert_eq!(cargo_meant(OsStr::new("workbook")), None);
    }

    #[test]
    fn a_kernels_toolchain_is_the_one_in_use_but_for_cargo() {
        let folder = tempfile::tempdir().unwrap();
        let bin = crate::toolchain::Toolchain::find().unwrap().bin;
        make_toolchain(&bin, folder.path()).unwrap();
        let cargo = folder.path().join("bin/cargo");
        assert_eq!(fs::read_link(&cargo).unwrap(), std::env::current_exe().unwrap());
        assert_eq!(cargo_meant(cargo.as_os_str()), Some(bin.join("cargo")));
        let version = |rustc: PathBuf| Command::new(rustc).arg("-vV").output().unwrap().stdout;
        assert_eq!(version(folder.path().join("bin/rustc")), version(bin.join("rustc")));
        assert!(folder.path().join("lib/rustlib").exists());
    }
}

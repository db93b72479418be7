//! The compiled dependencies that every kernel starts from.
//!
//! The kernel program compiles each cell as the crate `ctx` in a Cargo project of its own, and on
//! its own it would compile every dependency again for each notebook. The seed is such a project
//! in which a first notebook has already run. A kernel gets a copy that costs almost nothing:
//! files that nobody writes to are hard links.

use crate::child::output_of;
use crate::disk::{files_in, remove};
use crate::environment::Environment;
use crate::execute::execute_cells;
use crate::layout::Layout;
use crate::project::{CELLS, CONFIGURATION, WORKSPACE, link_copy, make_workspace, own_crates};
use crate::toolchain::Toolchain;
use crate::ui::Step;
use anyhow::{Context, Result, bail};
use std::collections::HashSet;
use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::Path;
use std::process::Command;
use std::time::{Duration, UNIX_EPOCH};

/// Every chapter's setup cell.
pub const SETUP: &str = ":dep helpers = { path = \"../helpers\" }\nuse helpers::prelude::*;";

/// The cells that a seed has run. The third makes the kernel add its own tokio to the project, which
/// would otherwise cost the reader some seconds at the first `.await`. For the last see [`SLIP`].
const FIRST_CELLS: [&str; 4] = [
    SETUP,
    "let warm = machine().cores;",
    "tokio::time::sleep(Duration::from_millis(1)).await;",
    "let slip = no_such_name_here();",
];

/// The one of them that must not compile. A `let` of unknown type makes the kernel ask `cargo check`
/// for the reason, which has compiled nothing yet: 20 seconds at a reader's first slip of the pen.
const SLIP: usize = 3;

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
        for file in files_in(&folder.join("src")) {
            sources.push(file?.into_path());
        }
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

/// Length and time of last change.
fn stat(path: &Path) -> Result<(u64, u128)> {
    let metadata =
        fs::metadata(path).with_context(|| format!("{} cannot be read", path.display()))?;
    let changed = metadata.modified()?.duration_since(UNIX_EPOCH).unwrap_or_default();
    Ok((metadata.len(), changed.as_nanos()))
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
    let expectation = if renewal { "only what changed" } else { "one to three minutes, once" };
    let step = Step::begin("the notebooks' dependencies, compiled for the kernel", expectation);
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
        let worker =
            scope.spawn(|| execute_cells(layout, environment, &FIRST_CELLS, Some(SLIP), &building));
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
    let mut cargo = Command::new(toolchain.bin.join("cargo"));
    cargo
        .args(["tree", "--package", "helpers", "--prefix", "none"])
        .args(["--edges", "normal,build", "--offline"])
        .current_dir(&layout.root);
    let text = output_of(&mut cargo).ok()?;
    let crates: HashSet<&str> = text
        .lines()
        .filter_map(|line| line.split(" (").next())
        .filter(|line| !line.is_empty())
        .collect();
    (!crates.is_empty()).then_some(crates.len() as u64)
}

/// How many crates have been compiled so far in a kernel's project: cargo has a list of what each was
/// made from.
fn compiled_crates(project: &Path) -> u64 {
    // Only where these lie: this is asked over and over while the compiler works.
    let target = project.join("target");
    let of_triples = fs::read_dir(&target).into_iter().flatten().flatten();
    let folders = of_triples.map(|entry| entry.path()).chain([target]);
    let lists = folders.flat_map(|folder| fs::read_dir(folder.join("debug/deps")));
    let names = lists.flatten().flatten().filter_map(|list| {
        let name = list.file_name();
        let stem = name.to_str()?.strip_suffix(".d")?;
        Some(stem.split('-').next().unwrap_or(stem).to_owned())
    });
    names.collect::<HashSet<String>>().len() as u64
}

/// Removes the compiled cells of the seed's own notebook; its dependencies stay.
fn remove_cells(project: &Path) -> Result<()> {
    for file in files_in(&project.join("target")) {
        let file = file?;
        if file.file_name().to_string_lossy().starts_with("libcode_") {
            fs::remove_file(file.path())?;
        }
    }
    Ok(())
}

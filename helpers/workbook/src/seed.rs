//! The compiled dependencies that every kernel starts from.
//!
//! The kernel program compiles each cell as the crate `ctx` in a Cargo project of its own, and on
//! its own it would compile every dependency again for each notebook. The seed is such a project
//! in which a first notebook has already run. A kernel gets a copy in a moment: what compilers
//! only ever replace are hard links.

use crate::disk::{files_in, remove};
use crate::environment::Environment;
use crate::execute::execute_cells;
use crate::layout::Layout;
use crate::project::{
    CELLS, CONFIGURATION, PURPOSE, VERSIONS, WORKSPACE, link_copy, make_workspace, own_crates,
};
use crate::setup::{EVCXR_VERSION, follow_cargo};
use crate::shared;
use crate::stamps;
use crate::toolchain::{Toolchain, clean_environment};
use crate::ui::{self, Step};
use anyhow::{Context, Result, bail};
use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::UNIX_EPOCH;

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

/// The one of them that must not compile, as [`Seed::compile`] says.
const SLIP: usize = 3;

/// What the seed was made from. A kernel compiles anything that differs again, so a seed with
/// another key still works, slowly.
#[derive(Debug, Clone, PartialEq)]
pub struct Key {
    /// Compiler, kernel program, settings and versions of the dependencies.
    shared: String,
    /// The same in this workbook: all else follows from these.
    base: String,
    /// The sources of helpers and its crates.
    helpers: String,
    /// The crates that the reader has added, each as a line of a manifest.
    added: Vec<String>,
}

impl Key {
    /// The key as a line of text.
    pub fn text(&self) -> String {
        [&[format!("{} {}", self.base, self.helpers)], &self.added[..]].concat().join("\n")
    }

    /// Whether a seed with that key only needs helpers and added crates compiled anew. One that was
    /// removed stays in it until all is compiled anew: some megabytes, and no minutes.
    fn renews(&self, old: &str) -> bool {
        old.split(' ').next() == Some(&self.base)
    }
}

/// The key of the seed that would be built now.
pub fn key(
    layout: &Layout,
    toolchain: &Toolchain,
    environment: &Environment,
    added: Vec<String>,
) -> Result<Key> {
    let mut shared = DefaultHasher::new();
    toolchain.verbose_version.hash(&mut shared);
    FIRST_CELLS.hash(&mut shared);
    WORKSPACE.hash(&mut shared);
    CONFIGURATION.hash(&mut shared);
    fs::read(layout.root.join("Cargo.lock"))?.hash(&mut shared);
    // Conda's kernel program, whose version is conda's affair, by size and time: reading 40 MB at each
    // start would be a waste.
    match environment.conda {
        true => stat(&environment.evcxr())?.hash(&mut shared),
        false => EVCXR_VERSION.hash(&mut shared),
    }
    let mut helpers = DefaultHasher::new();
    let mut sources = Vec::new();
    for folder in own_crates(layout) {
        let manifest = folder.join("Cargo.toml");
        fs::read(&manifest)?.hash(&mut shared);
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
    let mut base = shared.clone();
    layout.root.hash(&mut base);
    Ok(Key {
        shared: format!("{:016x}", shared.finish()),
        base: format!("{:016x}", base.finish()),
        helpers: format!("{:016x}", helpers.finish()),
        added,
    })
}

/// Length and time of last change.
fn stat(path: &Path) -> Result<(u64, u128)> {
    let metadata =
        fs::metadata(path).with_context(|| format!("{} cannot be read", path.display()))?;
    let changed = metadata.modified()?.duration_since(UNIX_EPOCH).unwrap_or_default();
    Ok((metadata.len(), changed.as_nanos()))
}

/// Where a seed is built.
fn building(layout: &Layout) -> PathBuf {
    layout.compiled().join("seed-building")
}

/// A seed that is to be built, or renewed when `helpers` or added crates have changed. Harmless to
/// interrupt: the work is done in a folder beside it, which a later attempt continues.
pub struct Seed<'a> {
    layout: &'a Layout,
    toolchain: &'a Toolchain,
    key: Key,
    begins_with: Beginning,
}

/// What is compiled already, and serves.
enum Beginning {
    Nothing,
    /// Another workbook's seed there: all but our own crates.
    Other(PathBuf),
    /// The seed to be renewed: all but what has changed of our own crates and of added ones.
    Old,
}

impl<'a> Seed<'a> {
    /// What is to build; `None` if the seed that is there is right. One of another compiler or other
    /// versions is no help: what it holds would only stay in every later seed.
    pub fn to_build(
        layout: &'a Layout,
        toolchain: &'a Toolchain,
        environment: &Environment,
        added: Vec<String>,
    ) -> Result<Option<Self>> {
        let key = key(layout, toolchain, environment, added)?;
        let there = layout.seed().exists();
        let is_right = there && stamps::is_done(layout, "seed", &key.text());
        let begins_with = match there {
            true if key.renews(&stamps::last(layout, "seed")) => Beginning::Old,
            false if !building(layout).exists() => {
                shared::find(layout, &key.shared).map_or(Beginning::Nothing, Beginning::Other)
            }
            _ => Beginning::Nothing,
        };
        Ok((!is_right).then_some(Seed { layout, toolchain, key, begins_with }))
    }

    /// About how many seconds [`compile`](Self::compile) takes on two cores.
    pub fn seconds(&self) -> u64 {
        match self.begins_with {
            Beginning::Nothing => 240,
            Beginning::Other(_) => 70,
            Beginning::Old => 20,
        }
    }

    /// Compiles what cells depend on as the kernel program would, which need not be there: see
    /// `Config::cargo_command` in evcxr. Anything that differs would be compiled again by the cells.
    ///
    /// And checks it, which cargo does apart: a `let` of unknown type makes the kernel ask `cargo check`
    /// for the reason, and at a reader's first slip of the pen that would take 20 seconds. Where
    /// something that takes longer is compiled at the same time, this makes way for it.
    pub fn compile(&self, name: &str, makes_way: bool) -> Result<()> {
        let expectation = match self.begins_with {
            Beginning::Nothing => "two to six minutes, once",
            Beginning::Other(_) => "most of it is there, in another workbook of yours",
            Beginning::Old => "only what changed",
        };
        let step = Step::begin(name, expectation);
        let building = building(self.layout);
        self.layout.make_compiled()?;
        // A seed that was being built for something else is of no use either.
        let purpose = building.join(PURPOSE);
        let meant = [std::slice::from_ref(&self.key.base), &self.key.added].concat().join("\n");
        if fs::read_to_string(&purpose).is_ok_and(|other| other != meant) {
            remove(&building)?;
        }
        if !matches!(self.begins_with, Beginning::Old) {
            // Those of other versions would only stay; what is missing, the next kernel makes.
            remove(&self.layout.outlines())?;
        }
        if !building.exists() {
            if let Beginning::Other(other) = &self.begins_with
                && let Err(error) = link_copy(other, &building)
            {
                // It may just be changing; without it all is compiled here.
                ui::say(&format!("– {} was not copied: {error:#}", other.display()));
                remove(&building)?;
            }
            match self.begins_with {
                // It has the versions of added crates too.
                Beginning::Old => link_copy(&self.layout.seed(), &building)?,
                // The project's own versions; cargo drops what only `cargo workbook` needs.
                _ => {
                    fs::create_dir_all(&building)?;
                    fs::copy(self.layout.root.join("Cargo.lock"), building.join("Cargo.lock"))?;
                }
            }
            fs::write(&purpose, meant)?;
        }
        make_workspace(self.layout, &building, &self.key.added)?;
        let cargo = self.toolchain.bin.join("cargo");
        for command in ["build", "check"] {
            let mut cargo = match makes_way {
                true => {
                    let mut nice = Command::new("nice");
                    nice.args(["-n", "10"]).arg(&cargo);
                    nice
                }
                false => Command::new(&cargo),
            };
            clean_environment(&mut cargo);
            cargo
                .args([command, "--package", VERSIONS, "--target"])
                .arg(self.toolchain.host().context("rustc does not say for which machine it is")?)
                .current_dir(building.join(CELLS))
                .env("PATH", self.toolchain.path())
                .env("CARGO_TARGET_DIR", "target")
                .env("CARGO_BUILD_BUILD_DIR", "target")
                .env("RUSTC", self.toolchain.bin.join("rustc"))
                .env("RUSTFLAGS", flags(self.toolchain));
            follow_cargo(cargo, &step, "what notebooks depend on")?;
        }
        step.end();
        Ok(())
    }

    /// Removes what an attempt has left, if it is not to be taken up again.
    pub fn forget(&self) -> Result<()> {
        remove(&building(self.layout))
    }

    /// Runs the first cells, in what is compiled then, and puts the seed in its place, if `before` that
    /// something else succeeds.
    pub fn run_cells(
        &self,
        environment: &Environment,
        name: &str,
        before: impl FnOnce() -> Result<()>,
    ) -> Result<()> {
        let layout = self.layout;
        let building = building(self.layout);
        let step = Step::begin(name, "about 20 seconds");
        let failures = execute_cells(layout, environment, &FIRST_CELLS, Some(SLIP), &building)?;
        if let Some(failure) = failures.first() {
            bail!("the notebooks' first cells do not compile:\n{failure}");
        }
        // What evcxr left of its cells would only be copied with every kernel.
        remove_cells(&building.join(CELLS))?;
        before()?;
        let replaced = layout.compiled().join("seed-old");
        remove(&replaced)?;
        if layout.seed().exists() {
            fs::rename(layout.seed(), &replaced)?;
        }
        fs::rename(&building, layout.seed())?;
        remove(&replaced)?;
        stamps::done(layout, "seed", &self.key.text())?;
        if let Err(error) = shared::note(layout, &self.key.shared) {
            ui::say(&format!("– other workbooks will not find these dependencies: {error:#}"));
        }
        step.end();
        Ok(())
    }
}

/// The kernel program's flags for rustc. It prefers LLVM's linker where that is a program of its own,
/// unless mold is there, which needs no flag.
fn flags(toolchain: &Toolchain) -> &'static str {
    let path = toolchain.path();
    let has = |name| std::env::split_paths(&path).any(|folder| folder.join(name).is_file());
    match cfg!(not(target_os = "macos")) && has("lld") && !has("mold") {
        true => "-Cprefer-dynamic -Clink-arg=-fuse-ld=lld",
        false => "-Cprefer-dynamic",
    }
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

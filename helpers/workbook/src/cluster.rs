//! The programs of chapter 07: builds them, and passes commands on to them.
//!
//! They are a Cargo workspace of their own in `helpers/cluster`, because their hundreds of crates
//! would otherwise weigh on everyone's first start.

use crate::doctor::version;
use crate::layout::Layout;
use crate::locks;
use crate::seed;
use crate::setup;
use crate::toolchain::Toolchain;
use crate::ui::Step;
use anyhow::{Context, Result, bail};
use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs::{self, File, TryLockError};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

/// What the build makes: the cluster itself, and the small program for GNU parallel.
const PROGRAMS: [&str; 2] = ["cluster", "resize-files"];

/// What the chapter uses beside them, and whose packages have the same names in Debian and conda.
pub const TOOLS: [&str; 2] = ["redis-server", "parallel"];

#[derive(clap::Subcommand)]
pub enum What {
    /// Start a cluster and keep it until Ctrl-C
    Up {
        /// How many Ballista executors, beside a scheduler; 0 for neither
        #[arg(long, default_value_t = 2)]
        executors: usize,
        /// How many tasks each executor runs at a time
        #[arg(long, default_value_t = 1)]
        cores: usize,
        /// How many apalis workers, beside a Redis; 0 for neither
        #[arg(long, default_value_t = 0)]
        workers: usize,
    },
    /// Say which processes run, with their numbers and logs
    Status(Which),
    /// Kill a process, as a failing machine would
    Kill {
        /// Such as `executor-1`, `worker-2`, `redis`
        name: String,
        #[command(flatten)]
        which: Which,
    },
    /// Start again what was killed
    Heal(Which),
}

#[derive(clap::Args)]
pub struct Which {
    /// The folder of the cluster that is meant, if more than one runs
    #[arg(long)]
    folder: Option<std::path::PathBuf>,
}

/// Passes the command on to the cluster's program; returns only if that is not possible.
pub fn run(layout: &Layout, what: What) -> Result<ExitCode> {
    let program = layout.cluster().join("bin/cluster");
    if !program.exists() {
        bail!("the cluster's programs are not built; `cargo workbook setup --cluster` builds them");
    }
    let mut command = Command::new(program);
    let which = match what {
        What::Up {
            executors,
            cores,
            workers,
        } => {
            command.args(["up", "--executors", &executors.to_string()]);
            command.args([
                "--cores",
                &cores.to_string(),
                "--workers",
                &workers.to_string(),
            ]);
            None
        }
        What::Status(which) => {
            command.arg("status");
            which.folder
        }
        What::Kill { name, which } => {
            command.args(["kill", &name]);
            which.folder
        }
        What::Heal(which) => {
            command.arg("heal");
            which.folder
        }
    };
    command.arg("--runs").arg(layout.cluster().join("runs"));
    if let Some(folder) = which {
        command.arg("--folder").arg(folder);
    }
    Err(command.exec()).context("the cluster's program did not start")
}

/// Builds the programs, unless they are there and up to date.
pub fn ensure(layout: &Layout) -> Result<()> {
    // A lock of its own: this takes long, and everything else can go on meanwhile.
    let who = "another `cargo workbook setup --cluster` is building the cluster's programs";
    let _lock = locks::wait(layout, locks::CLUSTER, who)?;
    fs::create_dir_all(layout.stamps())?;
    let toolchain = Toolchain::find()?;
    let key = key(layout, &toolchain)?;
    if !are_built(layout) || !setup::is_done(layout, "cluster", &key) {
        build(layout, &toolchain)?;
        setup::done(layout, "cluster", &key)?;
    }
    for tool in TOOLS {
        if let Err(mend) = tool_version(tool) {
            println!("chapter 07 also uses {tool}: {mend}");
        }
    }
    Ok(())
}

/// The version of one of the [`TOOLS`], or how to install it.
pub fn tool_version(tool: &str) -> std::result::Result<String, String> {
    version(tool, &["--version"]).ok_or(format!(
        "not installed; `sudo apt install {tool}`, or `conda install -c conda-forge {tool}`"
    ))
}

/// Whether the programs are there and built from what lies here now; `None` if they are not there.
pub fn state(layout: &Layout) -> Option<bool> {
    are_built(layout).then(|| {
        Toolchain::find()
            .and_then(|toolchain| key(layout, &toolchain))
            .is_ok_and(|key| setup::is_done(layout, "cluster", &key))
    })
}

/// Whether a cluster runs: its supervisor holds the lock in its folder.
pub fn is_running(layout: &Layout) -> bool {
    let folders = fs::read_dir(layout.cluster().join("runs"))
        .into_iter()
        .flatten()
        .flatten();
    let mut locks = folders.filter_map(|folder| File::open(folder.path().join("lock")).ok());
    locks.any(|lock| matches!(lock.try_lock(), Err(TryLockError::WouldBlock)))
}

fn are_built(layout: &Layout) -> bool {
    let bin = layout.cluster().join("bin");
    PROGRAMS.iter().all(|program| bin.join(program).exists())
}

/// What the programs are made from: compiler, versions, their own sources, and those modules of
/// helpers that they use. By contents: to build them takes long, and a file that was only touched is
/// no reason; nor is a module that no program calls.
fn key(layout: &Layout, toolchain: &Toolchain) -> Result<String> {
    let mut key = DefaultHasher::new();
    toolchain.verbose_version.hash(&mut key);
    for file in sources(layout)? {
        fs::read(&file)
            .with_context(|| format!("{} cannot be read", file.display()))?
            .hash(&mut key);
    }
    Ok(format!("{:016x}", key.finish()))
}

/// The files that decide what the programs do, in order.
fn sources(layout: &Layout) -> Result<Vec<PathBuf>> {
    let (cluster, helpers) = (layout.helpers().join("cluster"), layout.helpers());
    let mut files = Vec::new();
    seed::collect_files(&cluster.join("src"), &mut files)?;
    let mut wanted = BTreeSet::new();
    for file in &files {
        wanted.extend(named_after("helpers::", &text(file)?));
    }
    let mut modules = BTreeSet::new();
    while let Some(name) = wanted.pop_first() {
        let (file, folder) = (
            helpers.join("src").join(&name).with_extension("rs"),
            helpers.join("src").join(&name),
        );
        // What is no module is a crate that helpers passes on; its version is in the lock file.
        if !file.exists() || !modules.insert(name) {
            continue;
        }
        let mut own = vec![file];
        if folder.exists() {
            seed::collect_files(&folder, &mut own)?;
        }
        own.retain(|file| file.file_name() != Some(OsStr::new("tests.rs")));
        for file in &own {
            let names = named_after("crate::", &text(file)?);
            wanted.extend(names.into_iter().filter(|name| !modules.contains(name)));
        }
        files.extend(own);
    }
    files.extend([
        cluster.join("Cargo.lock"),
        cluster.join("Cargo.toml"),
        helpers.join("Cargo.toml"),
    ]);
    files.sort();
    Ok(files)
}

fn text(file: &Path) -> Result<String> {
    fs::read_to_string(file).with_context(|| format!("{} cannot be read", file.display()))
}

/// The names that come right after `prefix`, also in a list: `crate::{a, b::{c, d}}` names `a` and
/// `b`.
fn named_after(prefix: &str, text: &str) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for (at, _) in text.match_indices(prefix) {
        let mut depth = 0;
        let mut name = String::new();
        let mut wanted = true;
        for c in text[at + prefix.len()..].chars() {
            if wanted && (c.is_alphanumeric() || c == '_') {
                name.push(c);
                continue;
            }
            wanted &= name.is_empty();
            names.extend((!name.is_empty()).then(|| std::mem::take(&mut name)));
            match c {
                '{' => depth += 1,
                '}' => depth -= 1,
                ',' if depth == 1 => wanted = true,
                _ => {}
            }
            if depth <= 0 {
                break;
            }
        }
    }
    names
}

fn build(layout: &Layout, toolchain: &Toolchain) -> Result<()> {
    let step = Step::begin(
        "the cluster's programs: Ballista and apalis",
        "about 40 minutes of processor time and 2 GB on the disk while it is built, once",
    );
    // A fixed folder, so that an interrupted build goes on where it stopped.
    let target = layout.cluster().join("build");
    let mut cargo = Command::new(toolchain.bin.join("cargo"));
    cargo
        .args(["build", "--locked", "--bins", "--manifest-path"])
        .arg(layout.helpers().join("cluster/Cargo.toml"));
    let profiles = setup::build_with(
        cargo,
        layout,
        toolchain,
        &target,
        &step,
        "the cluster's programs",
    )?;
    let bin = layout.cluster().join("bin");
    fs::create_dir_all(&bin)?;
    for program in PROGRAMS {
        setup::install(&profiles.join("debug").join(program), &bin.join(program))?;
    }
    seed::remove(&target)?;
    step.end();
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_module_of_helpers_that_the_programs_use_is_part_of_their_key() {
        let layout = Layout::of_this_workbook();
        let files = sources(&layout).unwrap();
        let helpers = layout.helpers().join("src");
        for used in ["resize.rs", "resize/gray.rs", "paths.rs", "check.rs"] {
            assert!(files.contains(&helpers.join(used)), "{used}");
        }
        for other in ["cafe.rs", "resize/tests.rs", "lib.rs"] {
            assert!(!files.contains(&helpers.join(other)), "{other}");
        }
    }

    #[test]
    fn a_change_in_a_used_module_is_noticed_and_one_elsewhere_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let layout = Layout {
            root: folder.path().to_owned(),
        };
        let write = |file: &str, text: &str| {
            let file = layout.helpers().join(file);
            fs::create_dir_all(file.parent().unwrap()).unwrap();
            fs::write(file, text).unwrap();
        };
        for file in ["Cargo.toml", "cluster/Cargo.toml", "cluster/Cargo.lock"] {
            write(file, "");
        }
        write(
            "cluster/src/main.rs",
            "use helpers::{paths::{root, shown}, resize};",
        );
        write("src/paths.rs", "one");
        write("src/resize.rs", "mod gray;");
        write("src/resize/gray.rs", "crate::check::quietly()");
        write("src/check.rs", "one");
        write("src/figures.rs", "one");
        let toolchain = Toolchain {
            bin: PathBuf::new(),
            verbose_version: String::new(),
        };
        let key = || key(&layout, &toolchain).unwrap();
        let mut last = key();
        for file in ["src/paths.rs", "src/check.rs", "src/resize/gray.rs"] {
            write(file, "two");
            assert_ne!(key(), last, "{file}");
            last = key();
        }
        write("src/figures.rs", "two");
        assert_eq!(key(), last);
    }
}

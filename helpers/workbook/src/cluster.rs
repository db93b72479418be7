//! The programs of chapter 07: builds them, and passes commands on to them.
//!
//! They are a Cargo workspace of their own in `helpers/cluster`, because their hundreds of crates
//! would otherwise weigh on everyone's first start.

use crate::doctor::version;
use crate::layout::Layout;
use crate::seed;
use crate::setup;
use crate::toolchain::Toolchain;
use crate::ui::Step;
use anyhow::{Context, Result, bail};
use std::fs::{self, File, TryLockError};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::os::unix::process::CommandExt;
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
    let _lock = setup::lock(layout)?;
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

/// What the programs are made from: compiler, versions, their own sources, and of helpers the
/// resizing. By contents: to build them takes long, and a file that was only touched is no reason.
fn key(layout: &Layout, toolchain: &Toolchain) -> Result<String> {
    let mut key = DefaultHasher::new();
    toolchain.verbose_version.hash(&mut key);
    let (sources, helpers) = (layout.helpers().join("cluster"), layout.helpers());
    let mut files = vec![
        sources.join("Cargo.lock"),
        sources.join("Cargo.toml"),
        helpers.join("Cargo.toml"),
        helpers.join("src/resize.rs"),
    ];
    seed::collect_files(&sources.join("src"), &mut files)?;
    seed::collect_files(&helpers.join("src/resize"), &mut files)?;
    files.sort();
    for file in files {
        fs::read(&file)
            .with_context(|| format!("{} cannot be read", file.display()))?
            .hash(&mut key);
    }
    Ok(format!("{:016x}", key.finish()))
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
    setup::build_with(
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
        setup::install(&target.join("debug").join(program), &bin.join(program))?;
    }
    seed::remove(&target)?;
    step.end();
    Ok(())
}

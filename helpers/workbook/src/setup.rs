//! The steps that make the workbook ready, each skipped when it is done.
//!
//! A step is done when its product is there and its stamp holds the key of what it would be made
//! from today.

use crate::added;
use crate::child::{self, follow};
use crate::disk::{install, remove, write_if_new};
use crate::environment::{self, Environment};
use crate::layout::{Layout, is_own, kept_kernels, make_own};
use crate::locks;
use crate::python::ask;
use crate::seed::Seed;
use crate::stamps::{done, is_done};
use crate::toolchain::{Toolchain, clean_environment, settle_build};
use crate::ui::{self, Plan, Step};
use anyhow::{Context, Result};
use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::mpsc::{self, Receiver};

/// The kernel's version that the workbook is tested with.
pub const EVCXR_VERSION: &str = "0.22.0";

/// The steps by their names, and about how many seconds each takes on two cores.
const PACKAGES: (&str, u64) = ("Python packages with JupyterLab", 50);
const KERNEL: (&str, u64) = ("the Rust kernel", 430);
/// How long it takes, the seed says.
const DEPENDENCIES: &str = "the notebooks' dependencies";
pub const CELLS: (&str, u64) = ("the first cells", 20);

/// What of the kernel program mostly completes names and shows documentation. To optimise it would take
/// a fifth of the time that all of the program takes to build. Without, a kernel's start, the types of
/// variables and completion take no longer, as measured.
const COLD: [&str; 6] = [
    "ra_ap_ide",
    "ra_ap_ide_assists",
    "ra_ap_ide_completion",
    "ra_ap_ide_db",
    "ra_ap_ide_diagnostics",
    "ra_ap_ide_ssr",
];

/// How many seconds a kernel program may take to say its version: ten times what it takes on two cores
/// that are busy.
const ANSWER: &str = "60";

/// Makes whatever is missing and returns the environment that has it all.
///
/// The packages come over the network, and what is compiled needs the processor: all of that goes on
/// at the same time. Then come the first cells, which need all of it.
pub fn ensure(layout: &Layout) -> Result<Environment> {
    let who = "another `cargo workbook` is setting up";
    let _lock = locks::wait(layout, locks::SETUP, who)?;
    let toolchain = Toolchain::find()?;
    let environment = Environment::choose(layout);
    let packages = environment::requirements(layout)?;
    let python = ("python", "jupyter-lab");
    let installed = environment.conda
        || environment::is_installed(layout, &environment, python.0, python.1, &packages);
    let (own, kept) = (&environment, kept_kernels());
    let kernel = Kernel { layout, environment: own, toolchain: &toolchain, kept };
    let programs = kernel.programs();
    let builds_kernel = !environment.conda && !kernel.is_there() && programs.is_empty();
    let seed = Seed::to_build(layout, &toolchain, &environment, added::list(layout))?;

    let dependencies = seed.as_ref().map(|seed| (DEPENDENCIES, seed.seconds()));
    let at_once: Vec<_> =
        [(!installed).then_some(PACKAGES), builds_kernel.then_some(KERNEL), dependencies]
            .into_iter()
            .flatten()
            .collect();
    let then = if seed.is_some() { &[CELLS][..] } else { &[] };
    let _plan = Plan::announce(&at_once, then);
    let (ready, packages_ready) = mpsc::channel();
    let mut steps: Vec<Box<dyn FnOnce() -> Result<()> + Send + '_>> = Vec::new();
    if !environment.conda {
        let (environment, packages) = (&environment, &packages);
        steps.push(Box::new(move || {
            environment::install(layout, environment, python.0, python.1, PACKAGES.0, packages)?;
            Ok(ready.send(())?)
        }));
        steps.push(Box::new(|| kernel.make(programs, packages_ready)));
    }
    if let Some(seed) = &seed {
        steps.push(Box::new(|| {
            let compiled = seed.compile(DEPENDENCIES, builds_kernel);
            compiled.map_err(|error| added::explain(layout, error))
        }));
    }
    child::at_once(steps)?;
    kernelspec(layout, &environment)?;
    settings(&environment)?;
    if let Some(seed) = &seed {
        seed.run_cells(&environment, CELLS.0, || Ok(()))?;
    }
    Ok(environment)
}

/// The kernel program of an environment of the workbook's own.
struct Kernel<'a> {
    layout: &'a Layout,
    environment: &'a Environment,
    toolchain: &'a Toolchain,
    /// The folder in which programs are kept for all workbooks of this user.
    kept: Option<PathBuf>,
}

impl Kernel<'_> {
    fn key(&self) -> String {
        format!("{}\n{EVCXR_VERSION}", self.environment.prefix.display())
    }

    fn is_there(&self) -> bool {
        self.environment.evcxr().exists() && is_done(self.layout, "kernel", &self.key())
    }

    /// Where it is built: always here, so that an interrupted build goes on where it stopped.
    fn folder(&self) -> PathBuf {
        self.layout.made().join("kernel-build")
    }

    fn built(&self) -> PathBuf {
        self.folder().join("bin/evcxr_jupyter")
    }

    /// Where it is kept.
    fn kept(&self) -> Option<PathBuf> {
        let host = self.toolchain.host().unwrap_or("unknown");
        Some(self.kept.as_ref()?.join(format!("evcxr_jupyter-{EVCXR_VERSION}-{host}")))
    }

    /// Keeps what was built.
    fn keep(&self) -> Result<()> {
        let Some(kept) = self.kept() else {
            return Ok(());
        };
        make_own(kept.parent().context("it has no folder")?)?;
        install(&self.built(), &kept)
    }

    /// Programs that may be the right one: built before an interruption, kept by this or another
    /// workbook of this user, and those that the reader has already.
    fn programs(&self) -> Vec<PathBuf> {
        let kept = self.kept().filter(|kept| kept.parent().is_some_and(is_own));
        let own = [Some(self.built()), kept].into_iter().flatten().filter(|own| own.is_file());
        let others = environment::kernel_programs();
        own.chain(others).filter(|program| *program != self.environment.evcxr()).collect()
    }

    /// Puts the program into the environment: one of these, if it is right, or else a new one.
    fn make(&self, programs: Vec<PathBuf>, packages_ready: Receiver<()>) -> Result<()> {
        let mut program = None;
        if !self.is_there() && programs.is_empty() {
            program = Some(self.build()?);
        }
        // The packages are needed to ask a program for its version. And where their environment is
        // made anew, what was in it is gone. Without them it is for their own step to say why.
        if packages_ready.recv().is_err() || self.is_there() {
            return Ok(());
        }
        let program = match program.or_else(|| programs.into_iter().find(|p| self.is_right(p))) {
            Some(program) => program,
            None => self.build()?,
        };
        install(&program, &self.environment.evcxr())?;
        remove(&self.folder())?;
        done(self.layout, "kernel", &self.key())
    }

    fn build(&self) -> Result<PathBuf> {
        let step = Step::begin(KERNEL.0, "about ten minutes of processor time, once");
        let mut cargo = Command::new(self.toolchain.bin.join("cargo"));
        cargo
            .args(["install", "--locked", "--force", "evcxr_jupyter"])
            .args(["--version", EVCXR_VERSION])
            .arg("--root")
            .arg(self.folder());
        for name in COLD {
            cargo.arg("--config").arg(format!("profile.release.package.{name}.opt-level=0"));
        }
        build_with(cargo, self.layout, self.toolchain, &self.folder(), &step, "the kernel")?;
        if let Err(error) = self.keep() {
            ui::say(&format!("– it is not kept for other clones of the workbook: {error:#}"));
        }
        step.end();
        Ok(self.built())
    }

    /// Whether a program has the right version and runs on this machine. It has no option for that, so
    /// this asks as Jupyter does: it starts it as a kernel, in a folder of its own.
    fn is_right(&self, program: &Path) -> bool {
        let name = format!("a kernel program is there, {}", program.display());
        let step = Step::begin(&name, "some seconds, to ask for its version");
        let mut command = self.environment.command();
        clean_environment(&mut command);
        command.env("PATH", self.toolchain.path());
        let arguments = [program.as_os_str(), OsStr::new(ANSWER)];
        let version = ask(command, include_str!("kernel_version.py"), arguments);
        let version = version.ok().filter(|version| !version.is_empty());
        if version.as_deref() == Some(EVCXR_VERSION) {
            step.end();
            return true;
        }
        drop(step);
        let version = version.unwrap_or("one that does not answer".to_owned());
        ui::say(&format!("– it is {version}, and the workbook needs {EVCXR_VERSION}"));
        false
    }
}

/// Runs cargo with its output in `target`, whatever the reader's settings for cargo are, and shows
/// how far it is. Returns the folder that holds `debug` and `release`.
pub fn build_with(
    mut cargo: Command,
    layout: &Layout,
    toolchain: &Toolchain,
    target: &Path,
    step: &Step,
    what: &str,
) -> Result<PathBuf> {
    let profiles = settle_build(&mut cargo, toolchain, &layout.root, target);
    follow_cargo(cargo, step, what)?;
    Ok(profiles)
}

/// Runs cargo and shows how far it is.
pub fn follow_cargo(mut cargo: Command, step: &Step, what: &str) -> Result<()> {
    cargo.env("CARGO_TERM_PROGRESS_WHEN", "always").env("CARGO_TERM_PROGRESS_WIDTH", "100");
    follow(cargo, |line| match cargo_progress(line) {
        Some((done, total)) => step.progress(done, total),
        None => step.say(line.trim()),
    })
    .with_context(|| {
        format!(
            "{what} could not be built; if the network is the cause, run this again: it goes on \
             where it stopped"
        )
    })
}

/// `(done, total)` of cargo's progress bar: `Building [====>   ] 120/330: rayon, …`.
fn cargo_progress(line: &str) -> Option<(u64, u64)> {
    let counts = line.rsplit_once("] ")?.1.split(':').next()?;
    let (done, total) = counts.split_once('/')?;
    Some((done.parse().ok()?, total.parse().ok()?))
}

/// Writes the kernelspec `rust` and puts this program where it points to.
fn kernelspec(layout: &Layout, environment: &Environment) -> Result<()> {
    let installed = environment.program("workbook");
    let this = std::env::current_exe()?;
    if this != installed && fs::read(&this)? != fs::read(&installed).unwrap_or_default() {
        install(&this, &installed)?;
    }
    let spec = serde_json::json!({
        "argv": [
            installed,
            "kernel",
            "--evcxr",
            environment.evcxr(),
            "{connection_file}",
        ],
        "display_name": "Rust",
        "language": "rust",
        "interrupt_mode": "message",
        "metadata": { "workbook": layout.root },
    });
    let folder = environment.kernelspec();
    write_if_new(&folder.join("kernel.json"), &serde_json::to_string_pretty(&spec)?)
}

/// JupyterLab's and the kernel's settings: no question about news, no check for updates; what the
/// processors do at the top, every two seconds, and each cell's time below it.
fn settings(environment: &Environment) -> Result<()> {
    let overrides = serde_json::json!({
        "@jupyterlab/apputils-extension:notification": {
            "fetchNews": "false",
            "checkForUpdates": false,
            "doNotDisturbMode": false,
        },
        "@jupyter-server/resource-usage:topbar-item": { "enable": true, "refreshRate": 2000 },
        "@jupyterlab/notebook-extension:tracker": { "recordTiming": true },
        "jupyterlab-execute-time:settings": { "highlight": false, "showDate": false },
    });
    // The same figures once more, and a panel for which only Python's kernel has an answer.
    let without = serde_json::json!({ "disabledExtensions": {
        "@jupyter-server/resource-usage:status-item": true,
        "@jupyter-server/resource-usage:kernel-panel-item": true,
    }});
    let folder = environment.prefix.join("share/jupyter/lab/settings");
    for (name, content) in [("overrides.json", overrides), ("page_config.json", without)] {
        write_if_new(&folder.join(name), &serde_json::to_string_pretty(&content)?)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_is_kept_whole_and_found_by_its_version_and_machine() {
        let folder = tempfile::tempdir().unwrap();
        let layout = Layout { root: folder.path().join("one") };
        let environment = Environment::of_the_workbook(layout.venv());
        let verbose_version = "host: this-machine".to_owned();
        let toolchain = Toolchain { bin: PathBuf::new(), verbose_version };
        let kept = folder.path().join("cache/kernel");
        let of = |layout, kept: &Path| {
            let kept = Some(kept.to_owned());
            Kernel { layout, environment: &environment, toolchain: &toolchain, kept }
        };
        let kernel = of(&layout, &kept);
        let others = kernel.programs();
        fs::create_dir_all(kernel.built().parent().unwrap()).unwrap();
        fs::write(kernel.built(), "a program").unwrap();
        kernel.keep().unwrap();
        let name = format!("evcxr_jupyter-{EVCXR_VERSION}-this-machine");
        let listed: Vec<_> = fs::read_dir(&kept).unwrap().map(|e| e.unwrap().file_name()).collect();
        assert_eq!(listed, [OsStr::new(&name)]);
        assert_eq!(fs::read_to_string(kept.join(&name)).unwrap(), "a program");
        // What was built here comes first, then what is kept; another clone finds the second.
        let found = |kernel: &Kernel| {
            let found = kernel.programs();
            found[..found.len() - others.len()].to_vec()
        };
        assert_eq!(found(&kernel), [kernel.built(), kept.join(&name)]);
        let another = Layout { root: folder.path().join("another") };
        assert_eq!(found(&of(&another, &kept)), [kept.join(&name)]);
        // Neither a copy that was interrupted nor another version or machine.
        fs::rename(kept.join(&name), kept.join(format!("{name}.new-1"))).unwrap();
        fs::write(kept.join("evcxr_jupyter-0.0.1-this-machine"), "").unwrap();
        fs::write(kept.join(format!("evcxr_jupyter-{EVCXR_VERSION}-that-machine")), "").unwrap();
        assert!(found(&of(&another, &kept)).is_empty());
        // Through a link one might come to what is somebody else's.
        kernel.keep().unwrap();
        let link = folder.path().join("cache/link");
        std::os::unix::fs::symlink(&kept, &link).unwrap();
        assert!(found(&of(&another, &link)).is_empty());
        assert!(of(&layout, &link).keep().is_err());
    }

    #[test]
    fn cargos_bar_is_read() {
        let line = "    Building [=======>          ] 120/330: ra_ap_ide, syn";
        assert_eq!(cargo_progress(line), Some((120, 330)));
        assert_eq!(cargo_progress("   Compiling syn v2.0.1"), None);
    }
}

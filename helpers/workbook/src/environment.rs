//! JupyterLab and the Python packages, in `.venv` or in an active conda environment.

use crate::child::follow;
use crate::layout::Layout;
use crate::python::{OLDEST_PYTHON, ask, find_python, python, works};
use crate::stamps;
use crate::ui::Step;
use anyhow::{Context, Result, bail};
use std::collections::HashMap;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use yaml_rust2::YamlLoader;

/// What `environment.yml` lists for conda and what pip cannot give.
const FROM_CONDA_ONLY: [&str; 7] =
    ["python", "rust", "rust-src", "c-compiler", "evcxr", "parallel", "redis-server"];

/// In an environment that the workbook has made, so that `clean` takes no other away.
const MARK: &str = "made-by-the-workbook";

/// What of Jupyter's settings stays: where the reader's own files are (kernels among them, which
/// come after the workbook's), and what a network or a file system asks for.
const JUPYTER_KEPT: [&str; 4] = [
    "JUPYTER_DATA_DIR",
    "JUPYTER_PORT",
    "JUPYTER_ALLOW_INSECURE_WRITES",
    "JUPYTERLAB_SETTINGS_DIR",
];

/// What of pip's settings stays: how it reaches packages. Where it installs them, and which, is
/// the workbook's affair.
const PIP_KEPT: [&str; 16] = [
    "index-url",
    "extra-index-url",
    "no-index",
    "find-links",
    "proxy",
    "cert",
    "client-cert",
    "trusted-host",
    "timeout",
    "default-timeout",
    "retries",
    "cache-dir",
    "no-cache-dir",
    "keyring-provider",
    "use-feature",
    "disable-pip-version-check",
];

/// A Python environment that can hold JupyterLab and the kernel.
#[derive(Debug, Clone)]
pub struct Environment {
    /// The folder that holds `bin/` and `share/jupyter/`.
    pub prefix: PathBuf,
    /// Whether conda manages it; then nothing but the kernelspec and settings is written there.
    pub conda: bool,
}

impl Environment {
    /// One that the workbook makes, or has made.
    pub fn of_the_workbook(prefix: PathBuf) -> Self {
        Environment { prefix, conda: false }
    }

    /// The active conda environment when it has JupyterLab and the kernel, otherwise `.venv`.
    ///
    /// An active conda environment without them (such as `base`) is left alone.
    pub fn choose(layout: &Layout) -> Self {
        let conda = std::env::var_os("CONDA_PREFIX")
            .map(|prefix| Environment { prefix: prefix.into(), conda: true })
            .filter(|conda| conda.program("jupyter-lab").exists() && conda.evcxr().exists());
        conda.unwrap_or_else(|| Self::of_the_workbook(layout.venv()))
    }

    /// A program of this environment.
    pub fn program(&self, name: &str) -> PathBuf {
        self.prefix.join("bin").join(name)
    }

    /// Its Python.
    pub fn python(&self) -> PathBuf {
        self.program("python")
    }

    /// The kernel program.
    pub fn evcxr(&self) -> PathBuf {
        self.program("evcxr_jupyter")
    }

    /// Where Jupyter finds the kernel `rust`.
    pub fn kernelspec(&self) -> PathBuf {
        self.prefix.join("share/jupyter/kernels/rust")
    }

    /// A command for this environment's Python. The environment's own kernels come before all
    /// others, also before those of the reader's `JUPYTER_PATH`, and what else Jupyter takes from
    /// variables (another configuration, a gateway to kernels elsewhere) does not reach it.
    pub fn command(&self) -> Command {
        let mut command = python(self.python());
        for (name, _) in std::env::vars_os() {
            let text = name.to_string_lossy();
            if text.starts_with("JUPYTER") && !JUPYTER_KEPT.contains(&&*text) {
                command.env_remove(&name);
            }
        }
        // Without -P, files of the reader's in the current folder would be imported.
        command
            .arg("-P")
            .env("JUPYTER_PREFER_ENV_PATH", "1")
            .env("JUPYTER_PATH", self.jupyter_path(std::env::var_os("JUPYTER_PATH")));
        command
    }

    /// This environment's folder before the reader's. Always at least two: evcxr takes the variable
    /// for a single folder, and writes over the kernel `rust` that it finds there. Without the
    /// variable it would do that to a kernel of the reader's own.
    fn jupyter_path(&self, readers: Option<OsString>) -> OsString {
        let own = self.prefix.join("share/jupyter");
        let mut path = own.clone().into_os_string();
        path.push(":");
        match readers.filter(|readers| !readers.is_empty()) {
            Some(readers) => path.push(readers),
            None => path.push(own.join("no-others")),
        }
        path
    }

    /// Whether the workbook has made it, or was making it when it was interrupted.
    pub fn is_ours(&self, layout: &Layout) -> bool {
        !self.conda
            && (self.prefix.join(MARK).exists()
                || fs::read(layout.stamps().join("making"))
                    .is_ok_and(|made| made == self.prefix.as_os_str().as_encoded_bytes()))
    }
}

/// The Python packages with their versions, as pip writes them, from `environment.yml`.
pub fn requirements(layout: &Layout) -> Result<Vec<String>> {
    let path = layout.root.join("environment.yml");
    let text = std::fs::read_to_string(&path)
        .with_context(|| format!("{} cannot be read", path.display()))?;
    requirements_of(&text).with_context(|| format!("{} is not as expected", path.display()))
}

fn requirements_of(text: &str) -> Result<Vec<String>> {
    let documents = YamlLoader::load_from_str(text)?;
    let list = documents
        .first()
        .and_then(|document| document["dependencies"].as_vec())
        .context("it has no list named `dependencies`")?;
    let mut packages = Vec::new();
    for entry in list {
        let entry = entry.as_str().context("every dependency is one line such as `numpy>=2`")?;
        if !FROM_CONDA_ONLY.contains(&name_of(entry)) {
            packages.push(entry.replace(' ', ""));
        }
    }
    Ok(packages)
}

/// Kernel programs that the reader has already: in `PATH`, and where `cargo install` puts programs.
pub fn kernel_programs() -> Vec<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut folders: Vec<PathBuf> = std::env::split_paths(&path).collect();
    folders.extend(std::env::var_os("CARGO_HOME").map(|home| PathBuf::from(home).join("bin")));
    folders.extend(std::env::home_dir().map(|home| home.join(".cargo/bin")));
    let mut found: Vec<PathBuf> = Vec::new();
    for folder in folders {
        let program = folder.join("evcxr_jupyter");
        if folder.is_absolute() && program.is_file() && !found.contains(&program) {
            found.push(program);
        }
    }
    found
}

/// Makes a Python environment where there is none and installs the packages; `what` says which.
/// Harmless to interrupt and to repeat: nothing is done where `program` is there and the stamp of
/// `step` names these packages.
///
/// # Errors
///
/// If the folder holds something that is not the workbook's and no usable environment, if there is
/// no Python, or if a package cannot be installed, or does not work from there.
pub fn install(
    layout: &Layout,
    environment: &Environment,
    step: &str,
    program: &str,
    what: &str,
    packages: &[String],
) -> Result<()> {
    if is_installed(layout, environment, step, program, packages) {
        return Ok(());
    }
    let shown = Step::begin(what, "about a minute, with a network");
    let (major, minor) = OLDEST_PYTHON;
    let usable = format!("import pip, sys; assert sys.version_info >= ({major}, {minor})");
    if !works(&environment.python(), &usable) {
        shown.say("making the environment");
        make(layout, environment)?;
    }
    let mut pip = without_pips_variables(environment);
    // No configuration file of pip's: what stays of it is in variables.
    pip.envs(pip_settings(environment)?)
        .env("PIP_CONFIG_FILE", "/dev/null")
        .args(["-m", "pip", "install", "--progress-bar", "off", "--no-input"])
        .args(packages);
    follow(pip, |line| {
        shown.say(line.trim_start_matches("Collecting "));
    })
    .context("pip could not install the packages; if the network is the cause, run this again: it goes on where it stopped")?;
    shown.say("trying each package");
    try_packages(environment, packages)?;
    shown.end();
    stamps::done(layout, step, &key(environment, packages))
}

/// Whether there is nothing to do for [`install`].
pub fn is_installed(
    layout: &Layout,
    environment: &Environment,
    step: &str,
    program: &str,
    packages: &[String],
) -> bool {
    // Its Python too: that is a link, which ends nowhere when the system's Python was replaced.
    environment.program(program).exists()
        && environment.python().exists()
        && stamps::is_done(layout, step, &key(environment, packages))
}

/// A Python environment knows its own place, so a moved one must be made again.
fn key(environment: &Environment, packages: &[String]) -> String {
    format!("{}\n{}", environment.prefix.display(), packages.join("\n"))
}

/// Makes the environment anew. What is there goes only if the workbook has made it.
fn make(layout: &Layout, environment: &Environment) -> Result<()> {
    let prefix = &environment.prefix;
    let holds_something = fs::read_dir(prefix).is_ok_and(|mut entries| entries.next().is_some());
    let there = holds_something || prefix.exists() && !prefix.is_dir();
    if there && !environment.is_ours(layout) {
        bail!(
            "{} was not made by the workbook, and is no Python environment (3.11 or newer, with pip) that it can use; move it elsewhere, then run this again",
            prefix.display()
        );
    }
    let python_program = find_python()?;
    // Written first: what an interrupted attempt leaves is the workbook's too.
    fs::create_dir_all(layout.stamps())?;
    let making = layout.stamps().join("making");
    fs::write(&making, prefix.as_os_str().as_encoded_bytes()).context("the disk may be full")?;
    let made = python(&python_program)
        .args(["-m", "venv", "--clear"])
        .arg(prefix)
        .current_dir(&layout.root)
        .stdin(Stdio::null())
        .output()
        .with_context(|| format!("{} did not start", python_program.display()))?;
    if !made.status.success() {
        bail!("{}", venv_advice(&python_program, &made));
    }
    fs::write(
        prefix.join(MARK),
        "`cargo workbook` made this folder, and `cargo workbook clean` removes it.\n",
    )
    .context("the disk may be full")?;
    fs::remove_file(making)?;
    Ok(())
}

/// The environment's Python without those of pip's variables that would change where it installs,
/// or what.
fn without_pips_variables(environment: &Environment) -> Command {
    let mut command = environment.command();
    for (variable, _) in std::env::vars_os() {
        let name = variable.to_string_lossy().to_lowercase().replace('_', "-");
        let Some(setting) = name.strip_prefix("pip-") else {
            continue;
        };
        if !PIP_KEPT.contains(&setting) && setting != "config-file" {
            command.env_remove(&variable);
        }
    }
    command
}

/// What stays of the reader's configuration files for pip, as variables.
fn pip_settings(environment: &Environment) -> Result<HashMap<String, String>> {
    let script = include_str!("pip_settings.py");
    let settings = ask(without_pips_variables(environment), script, PIP_KEPT)
        .context("pip cannot read its configuration")?;
    serde_json::from_str(&settings).context("pip's configuration is not as expected")
}

/// Imports each package and looks where it came from: an installation that went elsewhere, or that
/// does not work on this machine, must not count as done.
fn try_packages(environment: &Environment, packages: &[String]) -> Result<()> {
    let names = packages.iter().map(|package| name_of(package));
    let wrong = ask(environment.command(), include_str!("try_packages.py"), names);
    let wrong = wrong.unwrap_or_else(|error| format!("{error:#}"));
    if !wrong.is_empty() {
        bail!(
            "pip is done, but not all packages can be used from {}:\n{wrong}",
            environment.prefix.display()
        );
    }
    Ok(())
}

/// The name in a requirement such as `pyvips[binary]>=3`.
pub fn name_of(package: &str) -> &str {
    let end = package.find(|c: char| !c.is_alphanumeric() && !"-_.".contains(c));
    &package[..end.unwrap_or(package.len())]
}

/// Why `python -m venv` failed and what to do.
fn venv_advice(python: &Path, failed: &std::process::Output) -> String {
    let said = [&failed.stdout[..], &failed.stderr[..]].concat();
    let said = String::from_utf8_lossy(&said);
    if said.contains("ensurepip") || said.contains("No module named venv") {
        return "this Python comes without its `venv` module; install it (Debian and Ubuntu: `sudo apt install python3-venv`) and run this again".to_owned();
    }
    format!("{} -m venv failed:\n{}", python.display(), said.trim())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pip_gets_what_is_not_from_conda_only() {
        let text = "name: x\ndependencies:\n  - python>=3.11\n  - jupyterlab==4.6.*\n  - rust-src\n  - numpy >=2\n";
        assert_eq!(requirements_of(text).unwrap(), ["jupyterlab==4.6.*", "numpy>=2"]);
    }

    #[test]
    fn the_workbooks_own_list_can_be_read() {
        let packages = requirements(&Layout::of_this_workbook()).unwrap();
        assert!(packages.iter().any(|p| p.starts_with("jupyterlab")));
        assert!(!packages.iter().any(|p| p.starts_with("rust")));
    }

    #[test]
    fn a_broken_list_says_what_is_wrong() {
        let error = requirements_of("name: x\n").unwrap_err();
        assert!(error.to_string().contains("dependencies"));
        assert!(requirements_of("dependencies:\n  - pip:\n    - numpy\n").is_err());
    }

    #[test]
    fn the_workbooks_kernel_comes_before_that_of_jupyter_path() {
        let environment = Environment { prefix: "/w/.venv".into(), conda: false };
        let path = |readers: Option<&str>| {
            let path = environment.jupyter_path(readers.map(OsString::from));
            std::env::split_paths(&path).collect::<Vec<_>>()
        };
        let own = PathBuf::from("/w/.venv/share/jupyter");
        assert_eq!(path(Some("/other")), [own.clone(), "/other".into()]);
        // evcxr writes into a variable's only folder.
        for none in [None, Some("")] {
            assert_eq!(path(none)[0], own);
            assert_eq!(path(none).len(), 2);
        }
    }

    #[test]
    fn a_folder_that_the_workbook_did_not_make_is_not_emptied() {
        let folder = tempfile::tempdir().unwrap();
        let layout = Layout { root: folder.path().to_owned() };
        let environment = Environment::of_the_workbook(layout.venv());
        fs::create_dir(layout.venv()).unwrap();
        fs::write(layout.venv().join("mine"), "").unwrap();
        let error = make(&layout, &environment).unwrap_err().to_string();
        assert!(error.contains("move it elsewhere"), "{error}");
        assert!(layout.venv().join("mine").exists() && !environment.is_ours(&layout));
        // What an interrupted attempt has left is made anew.
        fs::create_dir_all(layout.stamps()).unwrap();
        let prefix = environment.prefix.to_str().unwrap();
        fs::write(layout.stamps().join("making"), prefix).unwrap();
        make(&layout, &environment).unwrap();
        assert!(environment.is_ours(&layout) && !layout.venv().join("mine").exists());
        assert!(works(&environment.python(), "import pip"));
    }

    #[test]
    fn a_package_that_is_elsewhere_or_does_not_work_is_no_success() {
        let folder = tempfile::tempdir().unwrap();
        let layout = Layout { root: folder.path().to_owned() };
        let environment = Environment::of_the_workbook(layout.venv());
        make(&layout, &environment).unwrap();
        try_packages(&environment, &["pip>=1".to_owned()]).unwrap();
        let absent = try_packages(&environment, &["numpy>=2".to_owned()]);
        let error = absent.unwrap_err().to_string();
        assert!(error.contains("numpy: PackageNotFoundError"), "{error}");
        // One that is there and broken.
        let packages =
            walk(&layout.venv()).into_iter().find(|path| path.ends_with("site-packages"));
        let packages = packages.unwrap();
        let facts = packages.join("broken-1.dist-info");
        fs::create_dir(&facts).unwrap();
        fs::write(facts.join("METADATA"), "Metadata-Version: 2.1\nName: broken\nVersion: 1\n")
            .unwrap();
        fs::write(facts.join("top_level.txt"), "broken\n").unwrap();
        fs::write(packages.join("broken.py"), "raise OSError('no libfoo')\n").unwrap();
        let error = try_packages(&environment, &["broken".to_owned()]);
        let error = error.unwrap_err().to_string();
        assert!(error.contains("broken: OSError: no libfoo"), "{error}");
    }

    /// A package in a folder of its own, which only a setting of pip's leads to.
    fn write_package(folder: &Path) {
        const MAKE: &str = "
import sys, zipfile
with zipfile.ZipFile(sys.argv[1] + '/tiny-1-py3-none-any.whl', 'w') as wheel:
    wheel.writestr('tiny.py', '')
    facts = 'tiny-1.dist-info/'
    wheel.writestr(facts + 'METADATA', 'Metadata-Version: 2.1\\nName: tiny\\nVersion: 1\\n')
    wheel.writestr(facts + 'WHEEL', 'Wheel-Version: 1.0\\nGenerator: x\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n')
    wheel.writestr(facts + 'RECORD', 'tiny.py,,\\n' + ''.join(facts + n + ',,\\n' for n in ('METADATA', 'WHEEL', 'RECORD')))
";
        let status = python(find_python().unwrap()).args(["-c", MAKE]).arg(folder).status();
        assert!(status.unwrap().success());
    }

    /// Runs itself again with a reader's settings around it.
    #[test]
    fn packages_go_into_the_environment_whatever_the_readers_settings_are() {
        const INNER: &str = "WORKBOOK_TEST_FOLDER";
        if let Some(folder) = std::env::var_os(INNER) {
            let layout = Layout { root: folder.into() };
            let environment = Environment::of_the_workbook(layout.venv());
            let packages = ["tiny>=1".to_owned()];
            install(&layout, &environment, "test", "python", "a test", &packages).unwrap();
            assert!(works(&environment.python(), "import tiny"));
            return;
        }
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        for name in ["workbook", "packages", "modules"] {
            fs::create_dir(at(name)).unwrap();
        }
        write_package(&at("packages"));
        fs::write(at("modules/json.py"), "raise RuntimeError('the wrong module')").unwrap();
        let configuration = format!(
            "[global]\nfind-links = {}\nno-index = true\n[install]\nuser = true\ntarget = {}\n",
            at("packages").display(),
            at("elsewhere").display()
        );
        fs::write(at("pip.conf"), configuration).unwrap();
        let output = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "--nocapture"])
            .arg("environment::tests::packages_go_into_the_environment_whatever_the_readers_settings_are")
            .env(INNER, at("workbook"))
            .env_remove("PIP_FIND_LINKS")
            .env("PIP_CONFIG_FILE", at("pip.conf"))
            .env("PIP_USER", "1")
            .env("PIP_TARGET", at("elsewhere"))
            .env("PIP_PREFIX", at("elsewhere"))
            .env("PIP_ROOT", at("elsewhere"))
            .env("PIP_DRY_RUN", "1")
            .env("PIP_REQUIRE_VIRTUALENV", "1")
            .env("PYTHONPATH", at("modules"))
            .env("PYTHONHOME", at("modules"))
            .env("PYTHONUSERBASE", at("elsewhere"))
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stdout);
        let said = format!("{said}{}", String::from_utf8_lossy(&output.stderr));
        assert!(output.status.success() && said.contains("1 passed"), "{said}");
        assert!(!at("elsewhere").exists());
    }

    /// All folders below one.
    fn walk(folder: &Path) -> Vec<PathBuf> {
        let mut found = vec![folder.to_owned()];
        let mut next = 0;
        while let Some(folder) = found.get(next).cloned() {
            next += 1;
            for entry in fs::read_dir(folder).unwrap().flatten() {
                if entry.file_type().unwrap().is_dir() {
                    found.push(entry.path());
                }
            }
        }
        found
    }

    #[test]
    fn a_missing_venv_module_names_the_package() {
        let output = Command::new("sh")
            .args(["-c", "echo 'No module named venv' >&2; exit 1"])
            .output()
            .unwrap();
        assert!(venv_advice(Path::new("python3"), &output).contains("python3-venv"));
    }
}

//! JupyterLab and the Python packages, in `.venv` or in an active conda environment.

use crate::layout::Layout;
use crate::ui::Step;
use anyhow::{Context, Result, bail};
use std::cmp::Reverse;
use std::collections::{HashMap, VecDeque};
use std::ffi::{OsStr, OsString};
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use yaml_rust2::YamlLoader;

/// What `environment.yml` lists for conda and what pip cannot give.
const FROM_CONDA_ONLY: [&str; 7] = [
    "python",
    "rust",
    "rust-src",
    "c-compiler",
    "evcxr",
    "parallel",
    "redis-server",
];

/// The oldest Python that the packages run on.
const OLDEST_PYTHON: (u32, u32) = (3, 11);

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
    /// The active conda environment when it has JupyterLab and the kernel, otherwise `.venv`.
    ///
    /// An active conda environment without them (such as `base`) is left alone.
    pub fn choose(layout: &Layout) -> Self {
        let conda = std::env::var_os("CONDA_PREFIX")
            .map(|prefix| Environment {
                prefix: prefix.into(),
                conda: true,
            })
            .filter(|conda| conda.program("jupyter-lab").exists() && conda.evcxr().exists());
        conda.unwrap_or_else(|| Environment {
            prefix: layout.venv(),
            conda: false,
        })
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
        command.arg("-P").env("JUPYTER_PREFER_ENV_PATH", "1").env(
            "JUPYTER_PATH",
            self.jupyter_path(std::env::var_os("JUPYTER_PATH")),
        );
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

/// A command for any Python, in which nothing of the reader's shell decides what it imports
/// (`PYTHONPATH`, `PYTHONHOME`, `PYTHONSTARTUP`, …), nor packages in the reader's home. Everything
/// that starts a Python starts it by this.
pub fn python(program: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new(program);
    for (name, _) in std::env::vars_os() {
        if name.to_str().is_some_and(disturbs_python) {
            command.env_remove(&name);
        }
    }
    command.env("PYTHONNOUSERSITE", "1");
    command
}

/// Whether a variable changes what a Python does. Where it puts compiled files may be a need of the
/// machine, and changes nothing.
pub fn disturbs_python(name: &str) -> bool {
    const HARMLESS: [&str; 3] = [
        "PYTHONDONTWRITEBYTECODE",
        "PYTHONPYCACHEPREFIX",
        "PYTHONUNBUFFERED",
    ];
    name.starts_with("PYTHON") && !HARMLESS.contains(&name) || name == "__PYVENV_LAUNCHER__"
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
        let entry = entry
            .as_str()
            .context("every dependency is one line such as `numpy>=2`")?;
        if !FROM_CONDA_ONLY.contains(&name_of(entry)) {
            packages.push(entry.replace(' ', ""));
        }
    }
    Ok(packages)
}

/// A Python that can make the environment: 3.11 or newer.
pub fn find_python() -> Result<PathBuf> {
    find_python_in(&std::env::var_os("PATH").unwrap_or_default())
}

fn find_python_in(path: &OsStr) -> Result<PathBuf> {
    // Its base where it is the Python of an environment: one of those may be about to be renewed.
    const QUESTION: &str = "import sys; print(getattr(sys, '_base_executable', None) or sys.executable, *sys.version_info[:2], sep='\\n')";
    let mut seen = Vec::new();
    for candidate in python_candidates(path) {
        let Ok(output) = python(&candidate)
            .args(["-c", QUESTION])
            .stdin(Stdio::null())
            .output()
        else {
            continue;
        };
        let text = String::from_utf8_lossy(&output.stdout);
        let lines: Vec<&str> = text.lines().collect();
        let [executable, major, minor] = lines[..] else {
            continue;
        };
        let version: (u32, u32) = (major.parse().unwrap_or(0), minor.parse().unwrap_or(0));
        if version >= OLDEST_PYTHON {
            return Ok(PathBuf::from(executable));
        }
        seen.push(format!("{} is {major}.{minor}", candidate.display()));
    }
    if seen.is_empty() {
        bail!(
            "Python was not found; install Python 3.11 or newer (Debian and Ubuntu: `sudo apt install python3 python3-venv`; macOS: `brew install python`)"
        );
    }
    bail!(
        "the workbook needs Python 3.11 or newer, and {}; install a newer one and run this again",
        seen.join(", ")
    );
}

/// The programs in `PATH` that may be a Python: the plain names first, which the reader means, then
/// every `python3.N`, the newest first.
fn python_candidates(path: &OsStr) -> Vec<PathBuf> {
    let folders: Vec<PathBuf> = std::env::split_paths(path)
        .filter(|folder| !folder.as_os_str().is_empty())
        .collect();
    let mut candidates = Vec::new();
    for name in ["python3", "python"] {
        let programs = folders.iter().map(|folder| folder.join(name));
        candidates.extend(programs.filter(|program| program.is_file()));
    }
    let mut versions = Vec::new();
    for entry in folders.iter().flat_map(fs::read_dir).flatten().flatten() {
        let name = entry.file_name();
        let minor = name.to_str().and_then(|name| name.strip_prefix("python3."));
        if let Some(minor) = minor.and_then(|minor| minor.parse::<u32>().ok()) {
            versions.push((Reverse(minor), entry.path()));
        }
    }
    // By version only: of two alike the one that comes first in PATH is meant.
    versions.sort_by_key(|(minor, _)| *minor);
    candidates.extend(versions.into_iter().map(|(_, program)| program));
    candidates
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
/// Harmless to interrupt and to repeat.
///
/// # Errors
///
/// If the folder holds something that is not the workbook's and no usable environment, if there is
/// no Python, or if a package cannot be installed, or does not work from there.
pub fn install(
    layout: &Layout,
    environment: &Environment,
    what: &str,
    packages: &[String],
) -> Result<()> {
    let step = Step::begin(what, "about a minute, with a network");
    let (major, minor) = OLDEST_PYTHON;
    let usable = format!("import pip, sys; assert sys.version_info >= ({major}, {minor})");
    if !works(&environment.python(), &usable) {
        step.say("making the environment");
        make(layout, environment)?;
    }
    let mut pip = without_pips_variables(environment);
    // No configuration file of pip's: what stays of it is in variables.
    pip.envs(pip_settings(environment)?)
        .env("PIP_CONFIG_FILE", "/dev/null")
        .args([
            "-m",
            "pip",
            "install",
            "--progress-bar",
            "off",
            "--no-input",
        ])
        .args(packages);
    follow(pip, |line| {
        step.say(line.trim_start_matches("Collecting "));
    })
    .context("pip could not install the packages; if the network is the cause, run this again: it goes on where it stopped")?;
    step.say("trying each package");
    try_packages(environment, packages)?;
    step.end();
    Ok(())
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

/// What stays of the reader's configuration files for pip, as variables: pip itself is asked, as it
/// knows where they are and which of them wins. What the shell sets comes before them.
fn pip_settings(environment: &Environment) -> Result<HashMap<String, String>> {
    // Each line is `install.index-url='…'`, the value as Python writes it.
    const QUESTION: &str = "
import ast, json, subprocess, sys
run = subprocess.run([sys.executable, '-m', 'pip', 'config', 'list'], capture_output=True, text=True)
if run.returncode:
    sys.exit(run.stderr)
found = {}
for line in run.stdout.splitlines():
    name, _, value = line.partition('=')
    section, _, key = name.rpartition('.')
    if section in ('global', 'install'):
        found.setdefault(section, {})[key.replace('_', '-')] = str(ast.literal_eval(value))
print(json.dumps(found.get('global', {}) | found.get('install', {})))
";
    let output = without_pips_variables(environment)
        .args(["-c", QUESTION])
        .stdin(Stdio::null())
        .output()
        .context("Python did not start")?;
    if !output.status.success() {
        bail!(
            "pip cannot read its configuration:\n{}",
            String::from_utf8_lossy(&output.stderr).trim()
        );
    }
    let all: HashMap<String, String> =
        serde_json::from_slice(&output.stdout).context("pip's configuration is not as expected")?;
    Ok(all
        .into_iter()
        .filter(|(name, _)| PIP_KEPT.contains(&name.as_str()))
        .map(|(name, value)| {
            (
                format!("PIP_{}", name.to_uppercase().replace('-', "_")),
                value,
            )
        })
        .filter(|(name, _)| std::env::var_os(name).is_none())
        .collect())
}

/// Imports each package and looks where it came from: an installation that went elsewhere, or that
/// does not work on this machine, must not count as done.
fn try_packages(environment: &Environment, packages: &[String]) -> Result<()> {
    const QUESTION: &str = "
import importlib, importlib.metadata as metadata, os, sys
inside = os.path.realpath(sys.prefix) + os.sep
modules = {}
for module, names in metadata.packages_distributions().items():
    for name in names:
        modules.setdefault(name.lower().replace('_', '-'), []).append(module)
for name in sys.argv[1:]:
    try:
        place = os.path.realpath(metadata.distribution(name).locate_file(''))
        if not (place + os.sep).startswith(inside):
            raise ImportError('it is in ' + place)
        for module in modules.get(name.lower().replace('_', '-'), []):
            if module.isidentifier() and not module.startswith('_'):
                importlib.import_module(module)
    except Exception as error:
        print(f'{name}: {type(error).__name__}: {error}')
";
    let output = environment
        .command()
        .args(["-c", QUESTION])
        .args(packages.iter().map(|package| name_of(package)))
        .stdin(Stdio::null())
        .output()
        .context("Python did not start")?;
    let said = String::from_utf8_lossy(&output.stdout);
    if !output.status.success() || !said.trim().is_empty() {
        bail!(
            "pip is done, but not all packages can be used from {} ({}):\n{}{}",
            environment.prefix.display(),
            output.status,
            said,
            String::from_utf8_lossy(&output.stderr)
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

/// Whether a Python runs a statement without an error.
pub fn works(program: &Path, statement: &str) -> bool {
    python(program)
        .args(["-P", "-c", statement])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}

/// Runs a command, gives each line that it prints to `listen`, and on failure ends with an error
/// that carries the last lines.
pub fn follow(mut command: Command, mut listen: impl FnMut(&str)) -> Result<()> {
    let (reader, writer) = std::io::pipe()?;
    let mut child = command
        .stdin(Stdio::null())
        .stdout(writer.try_clone()?)
        .stderr(writer)
        .spawn()
        .with_context(|| format!("{} did not start", command.get_program().display()))?;
    // The command keeps the pipe's writing end; without it gone, reading would never end.
    drop(command);
    let mut last = VecDeque::new();
    let mut reader = BufReader::new(reader);
    let mut line = Vec::new();
    // Cargo moves its progress bar with carriage returns.
    while read_until_break(&mut reader, &mut line)? {
        let text = String::from_utf8_lossy(&line);
        let text = text.trim_end();
        if !text.is_empty() {
            listen(text);
            if last.len() == 25 {
                last.pop_front();
            }
            last.push_back(text.to_owned());
        }
        line.clear();
    }
    let status = child.wait()?;
    if !status.success() {
        let lines: Vec<String> = last.into();
        bail!("it ended with {status}:\n{}", lines.join("\n"));
    }
    Ok(())
}

fn read_until_break(reader: &mut impl BufRead, line: &mut Vec<u8>) -> Result<bool> {
    loop {
        let available = reader.fill_buf()?;
        if available.is_empty() {
            return Ok(!line.is_empty());
        }
        if let Some(end) = available.iter().position(|b| matches!(b, b'\n' | b'\r')) {
            line.extend_from_slice(&available[..end]);
            reader.consume(end + 1);
            return Ok(true);
        }
        let count = available.len();
        line.extend_from_slice(available);
        reader.consume(count);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pip_gets_what_is_not_from_conda_only() {
        let text = "name: x\ndependencies:\n  - python>=3.11\n  - jupyterlab==4.6.*\n  - rust-src\n  - numpy >=2\n";
        assert_eq!(
            requirements_of(text).unwrap(),
            ["jupyterlab==4.6.*", "numpy>=2"]
        );
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

    /// An executable file that answers as a Python of that version would.
    fn fake_python(folder: &Path, name: &str, version: &str) {
        let program = folder.join(name);
        let answer = format!("#!/bin/sh\necho \"$0\"; echo {version} | tr . '\\n'\n");
        fs::write(&program, answer).unwrap();
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        fs::set_permissions(&program, mode).unwrap();
    }

    #[test]
    fn any_python_that_is_new_enough_is_found() {
        let folder = tempfile::tempdir().unwrap();
        let found = || find_python_in(folder.path().as_os_str());
        assert!(found().unwrap_err().to_string().contains("was not found"));
        fake_python(folder.path(), "python3", "3.9");
        let error = found().unwrap_err().to_string();
        assert!(
            error.contains("3.11 or newer") && error.contains("is 3.9"),
            "{error}"
        );
        for name in [
            "python3.14",
            "python3.14-config",
            "python3.14t",
            "python3.9",
        ] {
            fake_python(folder.path(), name, "3.14");
        }
        assert_eq!(found().unwrap(), folder.path().join("python3.14"));
        fake_python(folder.path(), "python3.127", "3.127");
        assert_eq!(found().unwrap(), folder.path().join("python3.127"));
        fake_python(folder.path(), "python3", "3.12");
        assert_eq!(found().unwrap(), folder.path().join("python3"));
    }

    #[test]
    fn the_readers_python_settings_are_dropped_and_harmless_ones_stay() {
        for name in [
            "PYTHONPATH",
            "PYTHONHOME",
            "PYTHONSTARTUP",
            "PYTHONUSERBASE",
            "PYTHONWARNINGS",
        ] {
            assert!(disturbs_python(name), "{name}");
        }
        for name in ["PYTHONDONTWRITEBYTECODE", "PATH", "PYENV_VERSION"] {
            assert!(!disturbs_python(name), "{name}");
        }
    }

    #[test]
    fn the_workbooks_kernel_comes_before_that_of_jupyter_path() {
        let environment = Environment {
            prefix: "/w/.venv".into(),
            conda: false,
        };
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
        let layout = Layout {
            root: folder.path().to_owned(),
        };
        let environment = Environment {
            prefix: layout.venv(),
            conda: false,
        };
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
        let layout = Layout {
            root: folder.path().to_owned(),
        };
        let environment = Environment {
            prefix: layout.venv(),
            conda: false,
        };
        make(&layout, &environment).unwrap();
        try_packages(&environment, &["pip>=1".to_owned()]).unwrap();
        let absent = try_packages(&environment, &["numpy>=2".to_owned()]);
        let error = absent.unwrap_err().to_string();
        assert!(error.contains("numpy: PackageNotFoundError"), "{error}");
        // One that is there and broken.
        let packages = walk(&layout.venv())
            .into_iter()
            .find(|path| path.ends_with("site-packages"));
        let packages = packages.unwrap();
        let facts = packages.join("broken-1.dist-info");
        fs::create_dir(&facts).unwrap();
        fs::write(
            facts.join("METADATA"),
            "Metadata-Version: 2.1\nName: broken\nVersion: 1\n",
        )
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
        let status = python(find_python().unwrap())
            .args(["-c", MAKE])
            .arg(folder)
            .status();
        assert!(status.unwrap().success());
    }

    /// Runs itself again with a reader's settings around it.
    #[test]
    fn packages_go_into_the_environment_whatever_the_readers_settings_are() {
        const INNER: &str = "WORKBOOK_TEST_FOLDER";
        if let Some(folder) = std::env::var_os(INNER) {
            let layout = Layout {
                root: folder.into(),
            };
            let environment = Environment {
                prefix: layout.venv(),
                conda: false,
            };
            install(&layout, &environment, "a test", &["tiny>=1".to_owned()]).unwrap();
            assert!(works(&environment.python(), "import tiny"));
            return;
        }
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        for name in ["workbook", "packages", "modules"] {
            fs::create_dir(at(name)).unwrap();
        }
        write_package(&at("packages"));
        fs::write(
            at("modules/json.py"),
            "raise RuntimeError('the wrong module')",
        )
        .unwrap();
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
        assert!(
            output.status.success() && said.contains("1 passed"),
            "{said}"
        );
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
    fn a_failed_command_shows_its_last_words() {
        let mut shell = Command::new("sh");
        shell.args(["-c", "echo one; printf 'two\\rthree\\n' >&2; exit 3"]);
        let mut heard = Vec::new();
        let error = follow(shell, |line| heard.push(line.to_owned())).unwrap_err();
        assert_eq!(heard, ["one", "two", "three"]);
        assert!(error.to_string().contains("three"));
        assert!(error.to_string().contains('3'));
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

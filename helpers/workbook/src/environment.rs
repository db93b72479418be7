//! JupyterLab and the Python packages, in `.venv` or in an active conda environment.

use crate::layout::Layout;
use crate::ui::Step;
use anyhow::{Context, Result, bail};
use std::collections::VecDeque;
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

    /// A command for one of this environment's programs. The environment's own kernels come
    /// before those that the reader has installed elsewhere, and nothing of an outer Python
    /// (`PYTHONPATH`, `PYTHONHOME`) leaks in.
    pub fn command(&self, program: &str) -> Command {
        let mut command = Command::new(self.program(program));
        command
            .env("JUPYTER_PREFER_ENV_PATH", "1")
            .env_remove("PYTHONPATH")
            .env_remove("PYTHONHOME");
        command
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
        let entry = entry
            .as_str()
            .context("every dependency is one line such as `numpy>=2`")?;
        let name: String = entry
            .chars()
            .take_while(|c| c.is_alphanumeric() || "-_.".contains(*c))
            .collect();
        if !FROM_CONDA_ONLY.contains(&name.as_str()) {
            packages.push(entry.replace(' ', ""));
        }
    }
    Ok(packages)
}

/// A Python that can make the environment: 3.11 or newer.
pub fn find_python() -> Result<PathBuf> {
    const CANDIDATES: [&str; 5] = [
        "python3",
        "python",
        "python3.13",
        "python3.12",
        "python3.11",
    ];
    let mut seen = Vec::new();
    for candidate in CANDIDATES {
        let Ok(output) = Command::new(candidate)
            .args([
                "-c",
                "import sys; print(sys.executable, *sys.version_info[:2], sep='\\n')",
            ])
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
        if version >= (3, 11) {
            return Ok(PathBuf::from(executable));
        }
        seen.push(format!("{candidate} is {major}.{minor}"));
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

/// Makes a Python environment where there is none and installs the packages; `what` says which.
/// Harmless to interrupt and to repeat.
pub fn install(environment: &Environment, what: &str, packages: &[String]) -> Result<()> {
    let step = Step::begin(what, "about a minute, with a network");
    if !works(&environment.python(), "import pip") {
        step.say("making the environment");
        let python = find_python()?;
        let made = Command::new(&python)
            .args(["-m", "venv", "--clear"])
            .arg(&environment.prefix)
            .stdin(Stdio::null())
            .output()
            .with_context(|| format!("{} did not start", python.display()))?;
        if !made.status.success() {
            bail!("{}", venv_advice(&python, &made));
        }
    }
    let mut pip = environment.command("python");
    pip.args([
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
    step.end();
    Ok(())
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
pub fn works(python: &Path, statement: &str) -> bool {
    Command::new(python)
        .args(["-c", statement])
        .env_remove("PYTHONPATH")
        .env_remove("PYTHONHOME")
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

//! `cargo workbook doctor`: what is installed, what is missing, and the command that mends it.

use crate::clean::disk_use;
use crate::cluster;
use crate::environment::{self, Environment};
use crate::layout::Layout;
use crate::seed;
use crate::setup::{self, EVCXR_VERSION};
use crate::toolchain::Toolchain;
use crate::ui::bytes;
use anyhow::Result;
use platform::machine::machine;
use std::process::{Command, ExitCode, Stdio};

/// Settings that readers can change, with what each is when it is not set.
const SETTINGS: [(&str, &str); 4] = [
    ("WORKBOOK_XRAYS", "not set: synthetic X-rays, made once"),
    ("WORKBOOK_SIZE", "not set: full"),
    (
        "WORKBOOK_WEATHER",
        "not set: local, a server on this machine",
    ),
    (KEY, "not set: no key"),
];

/// The only setting whose value is nobody else's business.
const KEY: &str = "DATA_GOV_SG_KEY";

/// Prints one line per thing; exit code 1 if something that chapters need is missing.
pub fn doctor(layout: &Layout) -> Result<ExitCode> {
    println!("{}\n", machine().stamp());
    let mut missing = 0;
    examine(layout, |name, found| match found {
        Ok(what) => println!("✓ {name:<18} {what}"),
        Err(mend) => {
            missing += 1;
            println!("✗ {name:<18} {mend}");
        }
    })?;
    print_cluster(layout);
    print_settings();
    print_disk(layout);
    Ok(if missing == 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// Looks at each thing and gives `line` its name and either what it is or what mends it.
fn examine(layout: &Layout, mut line: impl FnMut(&str, Result<String, String>)) -> Result<()> {
    let toolchain = Toolchain::find();
    line(
        "Rust",
        match &toolchain {
            Ok(found) => Ok(format!("{} in {}", found.release(), found.bin.display())),
            Err(error) => Err(error.to_string()),
        },
    );
    line(
        "C linker",
        version("cc", &["--version"]).ok_or(
            "missing; Debian and Ubuntu: `sudo apt install gcc`; macOS: `xcode-select --install`"
                .into(),
        ),
    );
    let environment = Environment::choose(layout);
    let setup = "missing; `cargo workbook setup` installs it";
    if !environment.program("python").exists() {
        line(
            "Python",
            environment::find_python()
                .map(|python| format!("{} (.venv is not made yet)", python.display()))
                .map_err(|error| error.to_string()),
        );
    }
    for package in environment::requirements(layout)? {
        let name = environment::name_of(&package);
        line(name, version_of(&environment, name).ok_or(setup.to_owned()));
    }
    line(
        "Rust kernel",
        if environment.evcxr().exists() {
            let which = if environment.conda {
                "from conda".to_owned()
            } else {
                EVCXR_VERSION.to_owned()
            };
            Ok(format!("evcxr_jupyter {which}"))
        } else {
            Err(setup.to_owned())
        },
    );
    line(
        "kernelspec",
        if environment.kernelspec().join("kernel.json").exists() {
            Ok(environment.kernelspec().display().to_string())
        } else {
            Err(setup.to_owned())
        },
    );
    line(
        "warm start",
        match toolchain.and_then(|t| seed::key(layout, &t, &environment)) {
            Ok(key) if layout.seed().exists() && setup::is_done(layout, "seed", &key.text()) => {
                Ok(format!("ready ({})", bytes(disk_use(&layout.seed()))))
            }
            _ if layout.seed().exists() => {
                Err("out of date, so cells compile slowly; `cargo workbook setup` renews it".into())
            }
            _ => {
                Err("missing, so first cells take minutes; `cargo workbook setup` makes it".into())
            }
        },
    );
    Ok(())
}

/// What only chapter 07 uses; without it most of the chapter runs all the same.
fn print_cluster(layout: &Layout) {
    let line = |name: &str, found: Result<String, String>| match found {
        Ok(what) => println!("✓ {name:<18} {what}"),
        Err(mend) => println!("– {name:<18} {mend}"),
    };
    println!("\nfor chapter 07");
    let build = "`cargo workbook setup --cluster` builds them";
    line(
        "cluster programs",
        match cluster::state(layout) {
            Some(true) => Ok(layout.cluster().join("bin").display().to_string()),
            Some(false) => Err(format!("out of date; {build}")),
            None => Err(format!("not built; {build}")),
        },
    );
    for tool in cluster::TOOLS {
        line(tool, cluster::tool_version(tool));
    }
}

fn print_settings() {
    println!("\nsettings (environment variables)");
    for (name, default) in SETTINGS {
        let value = match std::env::var(name) {
            Ok(value) if name == KEY && !value.is_empty() => "set; used when live".to_owned(),
            Ok(value) => value,
            Err(_) => default.to_owned(),
        };
        println!("  {name:<16} {value}");
    }
}

fn print_disk(layout: &Layout) {
    println!("\ndisk");
    for folder in [
        layout.venv(),
        layout.seed(),
        layout.kernels(),
        layout.data(),
        layout.cluster(),
        layout.results(),
        layout.compare_venv(),
    ] {
        if folder.exists() {
            println!("  {:<8} {}", bytes(disk_use(&folder)), folder.display());
        }
    }
    println!("  `cargo workbook clean` removes all of this, `cargo clean` the rest of target/");
}

fn version_of(environment: &Environment, package: &str) -> Option<String> {
    let question = "import importlib.metadata as m, sys; print(m.version(sys.argv[1]))";
    let output = environment
        .command()
        .args(["-c", question, package])
        .stdin(Stdio::null())
        .output()
        .ok()?;
    let version = String::from_utf8(output.stdout).ok()?;
    output.status.success().then(|| version.trim().to_owned())
}

/// The first line that a program prints about its version; `None` if it does not run.
pub fn version(program: &str, arguments: &[&str]) -> Option<String> {
    let output = Command::new(program)
        .args(arguments)
        .stdin(Stdio::null())
        .output()
        .ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    output
        .status
        .success()
        .then(|| text.lines().next().unwrap_or_default().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn on_a_fresh_clone_it_names_the_command_that_mends_each_thing() {
        let folder = tempfile::tempdir().unwrap();
        let list = Layout::of_this_workbook().root.join("environment.yml");
        std::fs::copy(list, folder.path().join("environment.yml")).unwrap();
        let layout = Layout {
            root: folder.path().to_owned(),
        };
        if Environment::choose(&layout).conda {
            // The conda environment has it all already.
            return;
        }
        let mut missing = Vec::new();
        examine(&layout, |name, found| {
            if let Err(mend) = found {
                missing.push((name.to_owned(), mend));
            }
        })
        .unwrap();
        for thing in ["jupyterlab", "Rust kernel", "kernelspec", "warm start"] {
            let found = missing.iter().find(|(name, _)| name == thing);
            let (_, mend) = found.unwrap_or_else(|| panic!("{thing} in {missing:?}"));
            assert!(mend.contains("`cargo workbook setup`"), "{mend}");
        }
        assert!(
            !missing.iter().any(|(name, _)| name == "Rust"),
            "{missing:?}"
        );
    }
}

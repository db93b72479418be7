//! `cargo workbook doctor`: what is installed, what is missing, and the command that mends it.

use crate::added;
use crate::child::version;
use crate::cluster;
use crate::disk::disk_use;
use crate::environment::{self, Environment};
use crate::layout::{Layout, kept_kernels};
use crate::python::{ask, find_python};
use crate::seed;
use crate::setup::EVCXR_VERSION;
use crate::stamps;
use crate::toolchain::Toolchain;
use anyhow::Result;
use indicatif::DecimalBytes;
use platform::machine::machine;
use std::path::PathBuf;
use std::process::ExitCode;

/// Settings that readers can change, with what each is when it is not set.
const SETTINGS: [(&str, &str); 3] = [
    ("WORKBOOK_XRAYS", "not set: synthetic X-rays, made once"),
    ("WORKBOOK_SIZE", "not set: full"),
    ("WORKBOOK_WEATHER", "not set: local, a server on this machine"),
];

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
    Ok(ExitCode::from(u8::from(missing > 0)))
}

/// Looks at each thing and gives `line` its name and either what it is or what mends it.
fn examine(layout: &Layout, mut line: impl FnMut(&str, Result<String, String>)) -> Result<()> {
    let toolchain = Toolchain::find();
    let rust = toolchain.as_ref().map_err(|error| format!("{error:#}"));
    line("Rust", rust.map(|found| format!("{} in {}", found.release(), found.bin.display())));
    if let Ok(toolchain) = &toolchain {
        let sources = toolchain.library_sources();
        // Without them the kernel cannot tell the types of most variables.
        line(
            "Rust's sources",
            match sources.exists() {
                true => Ok(sources.display().to_string()),
                false => {
                    Err("missing, and cells need them; `rustup component add rust-src`".into())
                }
            },
        );
    }
    line(
        "C linker",
        version("cc").ok_or(
            "missing; Debian and Ubuntu: `sudo apt install gcc`; macOS: `xcode-select --install`"
                .into(),
        ),
    );
    let environment = Environment::choose(layout);
    // What is there, or that set-up brings it.
    let made = |found: Option<String>| {
        found.ok_or_else(|| "missing; `cargo workbook setup` installs it".to_owned())
    };
    if !environment.python().exists() {
        line(
            "Python",
            find_python()
                .map(|python| format!("{} (.venv is not made yet)", python.display()))
                .map_err(|error| error.to_string()),
        );
    }
    for package in environment::requirements(layout)? {
        let name = environment::name_of(&package);
        line(name, made(version_of(&environment, name)));
    }
    let which = match environment.conda {
        true => "from conda",
        false => EVCXR_VERSION,
    };
    let kernel = environment.evcxr().exists();
    line("Rust kernel", made(kernel.then(|| format!("evcxr_jupyter {which}"))));
    let spec = environment.kernelspec();
    let installed = spec.join("kernel.json").exists();
    line("kernelspec", made(installed.then(|| spec.display().to_string())));
    let added = added::list(layout);
    let is_current = || {
        let key =
            toolchain.and_then(|found| seed::key(layout, &found, &environment, added.clone()));
        key.is_ok_and(|key| stamps::is_done(layout, "seed", &key.text()))
    };
    line(
        "warm start",
        match layout.seed().exists() {
            true if is_current() => {
                Ok(format!("ready ({})", DecimalBytes(disk_use(&layout.seed()))))
            }
            true => {
                Err("out of date, so cells compile slowly; `cargo workbook setup` renews it".into())
            }
            false => {
                Err("missing, so first cells take minutes; `cargo workbook setup` makes it".into())
            }
        },
    );
    for crate_line in &added {
        line("added crate", Ok(format!(":dep {crate_line}")));
    }
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
    let engines = Environment::of_the_workbook(layout.python_engines());
    for (name, _) in cluster::PYTHON {
        let beside = cluster::in_place_of_the_systems(name).map(environment::name_of);
        let lacks = beside.filter(|package| version_of(&engines, package).is_none());
        let mend = "`cargo workbook setup --cluster` installs";
        line(
            name,
            match (version_of(&engines, name), lacks) {
                (Some(version), None) => Ok(version),
                (Some(version), Some(package)) => {
                    Err(format!("{version}, but not what it needs; {mend} {package}"))
                }
                (None, _) => Err(format!("not installed; {mend} it")),
            },
        );
    }
    for tool in cluster::TOOLS {
        line(tool, cluster::tool_version(tool));
    }
}

fn print_settings() {
    println!("\nsettings (environment variables)");
    for (name, default) in SETTINGS {
        let value = std::env::var(name).unwrap_or_else(|_| default.to_owned());
        println!("  {name:<16} {value}");
    }
}

fn print_disk(layout: &Layout) {
    println!("\ndisk");
    let line = |folder: PathBuf, note: &str| {
        if folder.exists() {
            let size = DecimalBytes(disk_use(&folder)).to_string();
            println!("  {size:<9} {}{note}", folder.display());
        }
    };
    for folder in [
        layout.venv(),
        layout.seed(),
        layout.kernels(),
        layout.data(),
        layout.cluster(),
        layout.results(),
        layout.compare_venv(),
    ] {
        line(folder, "");
    }
    println!("  `cargo workbook clean` removes all of this, `cargo clean` the rest of target/");
    if let Some(kept) = kept_kernels() {
        line(kept, "; it stays: the kernel program, for other clones of the workbook");
    }
}

fn version_of(environment: &Environment, package: &str) -> Option<String> {
    let question = "import importlib.metadata as m, sys; print(m.version(sys.argv[1]))";
    ask(environment.command(), question, [package]).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn on_a_fresh_clone_it_names_the_command_that_mends_each_thing() {
        let folder = tempfile::tempdir().unwrap();
        let list = Layout::of_this_workbook().root.join("environment.yml");
        std::fs::copy(list, folder.path().join("environment.yml")).unwrap();
        let layout = Layout { root: folder.path().to_owned() };
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
        assert!(!missing.iter().any(|(name, _)| name == "Rust"), "{missing:?}");
    }
}

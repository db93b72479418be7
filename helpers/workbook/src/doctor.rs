//! `cargo workbook doctor`: what is installed, what is missing, and the command that mends it.

use crate::clean::disk_use;
use crate::environment::{self, Environment};
use crate::layout::Layout;
use crate::machine::machine;
use crate::seed;
use crate::setup::{self, EVCXR_VERSION};
use crate::toolchain::Toolchain;
use crate::ui::bytes;
use anyhow::Result;
use std::process::{Command, ExitCode, Stdio};

/// Settings that readers can change, with what each is when it is not set.
const SETTINGS: [(&str, &str); 2] = [
    ("WORKBOOK_XRAYS", "not set: synthetic X-rays, made once"),
    ("WORKBOOK_SIZE", "not set: full"),
];

/// Prints one line per thing; exit code 1 if something that chapters need is missing.
pub fn doctor(layout: &Layout) -> Result<ExitCode> {
    let mut missing = 0;
    let mut line = |name: &str, found: Result<String, String>| match found {
        Ok(what) => println!("✓ {name:<18} {what}"),
        Err(mend) => {
            missing += 1;
            println!("✗ {name:<18} {mend}");
        }
    };

    println!("{}\n", machine().stamp());
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
        let name: String = package
            .chars()
            .take_while(|c| c.is_alphanumeric() || "-_".contains(*c))
            .collect();
        line(
            &name,
            version_of(&environment, &name).ok_or(setup.to_owned()),
        );
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

    println!("\nsettings (environment variables)");
    for (name, default) in SETTINGS {
        let value = std::env::var(name).unwrap_or_else(|_| default.to_owned());
        println!("  {name:<16} {value}");
    }
    println!("\ndisk");
    for folder in [
        layout.venv(),
        layout.seed(),
        layout.kernels(),
        layout.data(),
    ] {
        if folder.exists() {
            println!("  {:<8} {}", bytes(disk_use(&folder)), folder.display());
        }
    }
    println!("  `cargo workbook clean` removes all of this, `cargo clean` the rest of target/");
    Ok(if missing == 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

fn version_of(environment: &Environment, package: &str) -> Option<String> {
    let question = format!("import importlib.metadata as m; print(m.version('{package}'))");
    let output = environment
        .command("python")
        .args(["-c", &question])
        .stdin(Stdio::null())
        .output()
        .ok()?;
    let version = String::from_utf8(output.stdout).ok()?;
    output.status.success().then(|| version.trim().to_owned())
}

fn version(program: &str, arguments: &[&str]) -> Option<String> {
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

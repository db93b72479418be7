//! `cargo workbook add` and `remove`: crates for all notebooks, compiled once into the seed.
//!
//! Which they are stands in the manifest of a small package that is never built itself: `cargo add`
//! writes it, and so finds the version, refuses wrong names and features, and says why.

use crate::child::output_of;
use crate::disk::remove as remove_folder;
use crate::kernel;
use crate::layout::Layout;
use crate::locks;
use crate::seed::Seed;
use crate::setup;
use crate::toolchain::{Toolchain, clean_environment};
use anyhow::{Context, Error, Result, bail};
use platform::paths::write_whole;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

#[derive(clap::Args)]
pub struct Arguments {
    /// A crate of crates.io, such as `rand` or `rand@0.9`
    #[arg(value_name = "CRATE[@VERSION]")]
    spec: String,
    /// Its features, such as `serde,log`
    #[arg(long, value_delimiter = ',')]
    features: Vec<String>,
    /// Without the features that it has if nobody asks
    #[arg(long)]
    no_default_features: bool,
}

/// What is above the dependencies in the list.
const HEAD: &str = "[package]\nname = \"added\"\nversion = \"0.0.0\"\nedition = \"2024\"\n\n\
                    [workspace]\n\n[dependencies]\n";

fn list_file(layout: &Layout) -> PathBuf {
    layout.made().join("added.toml")
}

/// The added crates, each as a line of a manifest and of a notebook behind `:dep`, in the order of
/// their names.
pub fn list(layout: &Layout) -> Vec<String> {
    lines_of(&fs::read_to_string(list_file(layout)).unwrap_or_default())
}

fn lines_of(manifest: &str) -> Vec<String> {
    let (_, dependencies) = manifest.split_once("[dependencies]").unwrap_or_default();
    let lines = dependencies.lines().map(str::trim).filter(|line| !line.is_empty());
    let mut lines: Vec<String> = lines.map(str::to_owned).collect();
    lines.sort();
    lines
}

/// The crate's name in such a line.
pub fn name_of(line: &str) -> &str {
    line.split([' ', '=']).next().unwrap_or(line)
}

/// Adds to the reason why a seed could not be made how to go on without the added crates.
pub fn explain(layout: &Layout, error: Error) -> Error {
    let lines = list(layout);
    let names: Vec<_> = lines.iter().map(|line| name_of(line)).collect();
    match names.is_empty() {
        true => error,
        false => error.context(format!(
            "added are {}; if one of them is the reason, `cargo workbook remove NAME` goes on without it",
            names.join(", ")
        )),
    }
}

fn write(layout: &Layout, lines: &[String]) -> Result<()> {
    let text = format!("{HEAD}{}\n", lines.join("\n"));
    write_whole(&list_file(layout), text.as_bytes())
        .context("the list of added crates cannot be written (is the disk full?)")
}

/// Compiles a crate for all notebooks. Where that fails, everything stays as it was.
///
/// # Errors
///
/// If there is no such crate, version or feature, or no network, or if it does not compile.
pub fn add(layout: &Layout, arguments: &Arguments) -> Result<ExitCode> {
    let name = arguments.spec.split('@').next().unwrap_or_default();
    let in_names = |c: char| c.is_ascii_alphanumeric() || "-_".contains(c);
    if !name.starts_with(|c: char| c.is_ascii_alphabetic()) || !name.chars().all(in_names) {
        bail!(
            "“{name}” is no name of a crate; write it as on crates.io, such as `rand` or `rand@0.9`"
        );
    }
    if name == "helpers" {
        bail!("helpers is in every notebook already: the workbook's own");
    }
    let environment = setup::ensure(layout)?;
    let _lock = locks::wait(layout, locks::SETUP, "another `cargo workbook` is setting up")?;
    let toolchain = Toolchain::find()?;
    let lines = with(layout, &toolchain, &list(layout), arguments)?;
    let line = lines.iter().find(|line| same(name_of(line), name)).cloned();
    let line =
        line.with_context(|| format!("cargo did not say which version of {name} it took"))?;
    match Seed::to_build(layout, &toolchain, &environment, lines.clone())? {
        None => println!("✓ {name} is there already"),
        Some(seed) => {
            let built = seed.compile(&format!("{name}, and what it needs"), false).and_then(|()| {
                seed.run_cells(&environment, setup::CELLS.0, || write(layout, &lines))
            });
            if let Err(error) = built {
                seed.forget()?;
                return Err(
                    error.context(format!("{name} is not added, and all else is as it was"))
                );
            }
            println!("✓ {name} is compiled, for all notebooks");
        }
    }
    println!(
        "A notebook needs no line for it; one that is to run elsewhere too has this in its first cell:\n\n    :dep {line}\n"
    );
    tell_running(layout)?;
    Ok(ExitCode::SUCCESS)
}

/// Takes a crate out of the seed.
///
/// # Errors
///
/// If it was not added.
pub fn remove(layout: &Layout, name: &str) -> Result<ExitCode> {
    let lock = locks::wait(layout, locks::SETUP, "another `cargo workbook` is setting up")?;
    let (gone, left): (Vec<_>, Vec<_>) =
        list(layout).into_iter().partition(|line| same(name_of(line), name));
    if gone.is_empty() {
        let names: Vec<_> = left.iter().map(|line| name_of(line)).collect();
        match names.is_empty() {
            true => bail!("no crate was added, so none can be removed"),
            false => bail!("{name} was not added; these were: {}", names.join(", ")),
        }
    }
    // Before anything is compiled: this is also the way out when an added crate compiles no more.
    write(layout, &left)?;
    drop(lock);
    setup::ensure(layout)?;
    println!("✓ {name} is removed; a notebook with its `:dep` line compiles it for itself");
    tell_running(layout)?;
    Ok(ExitCode::SUCCESS)
}

fn tell_running(layout: &Layout) -> Result<()> {
    let running = kernel::sweep(layout)?;
    if running > 0 {
        println!(
            "Kernels that run ({running}) go on as they are; restart one (↻), and it has the change."
        );
    }
    Ok(())
}

/// The list as `cargo add` would have it.
fn with(
    layout: &Layout,
    toolchain: &Toolchain,
    old: &[String],
    arguments: &Arguments,
) -> Result<Vec<String>> {
    let folder = layout.made().join("adding");
    remove_folder(&folder)?;
    let manifest = ask_cargo(&folder, toolchain, old, arguments);
    remove_folder(&folder)?;
    let manifest = manifest.with_context(|| format!("{} is not added", arguments.spec))?;
    Ok(lines_of(&manifest))
}

/// The manifest that `cargo add` writes, in a package made for it.
fn ask_cargo(
    folder: &Path,
    toolchain: &Toolchain,
    old: &[String],
    arguments: &Arguments,
) -> Result<String> {
    let manifest = folder.join("Cargo.toml");
    fs::create_dir_all(folder.join("src"))
        .and_then(|()| fs::write(folder.join("src/lib.rs"), ""))
        .and_then(|()| fs::write(&manifest, format!("{HEAD}{}\n", old.join("\n"))))
        .with_context(|| format!("{} cannot be written (is the disk full?)", folder.display()))?;
    let mut cargo = Command::new(toolchain.bin.join("cargo"));
    clean_environment(&mut cargo);
    cargo.args(["add", "--quiet", &arguments.spec]).current_dir(folder);
    cargo.env("PATH", toolchain.path());
    if !arguments.features.is_empty() {
        cargo.args(["--features", &arguments.features.join(",")]);
    }
    if arguments.no_default_features {
        cargo.arg("--no-default-features");
    }
    output_of(&mut cargo)?;
    Ok(fs::read_to_string(&manifest)?)
}

/// Whether two names are those of one crate.
fn same(one: &str, other: &str) -> bool {
    one.replace('_', "-") == other.replace('_', "-")
}

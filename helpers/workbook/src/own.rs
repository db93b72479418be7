//! `cargo workbook new`: a notebook of one's own beside the chapters.

use crate::chapter::is_chapter;
use crate::layout::Layout;
use crate::seed::SETUP;
use anyhow::{Context, Result, bail};
use serde_json::{Value, json};
use std::fs::{self, File};
use std::io::{ErrorKind, Write};
use std::path::Path;
use std::process::ExitCode;

/// Makes a notebook of that name, which nothing else of the workbook touches ever after.
///
/// # Errors
///
/// If the name is none for such a notebook, or is taken.
pub fn new(layout: &Layout, name: &str) -> Result<ExitCode> {
    let file = file_name(name)?;
    let path = layout.notebooks().join(&file);
    let mut opened = match File::create_new(&path) {
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {
            bail!("notebooks/{file} is there already, and stays as it is; choose another name")
        }
        made => made.with_context(|| format!("notebooks/{file} cannot be made"))?,
    };
    let title = file.trim_end_matches(".ipynb");
    let content = format!("{:#}\n", notebook(title));
    if let Err(error) = opened.write_all(content.as_bytes()) {
        // Half a notebook would only be in the way of the next attempt.
        let _ = fs::remove_file(&path);
        return Err(error)
            .with_context(|| format!("notebooks/{file} cannot be written (is the disk full?)"));
    }
    println!(
        "✓ notebooks/{file}\n\
         Open it from JupyterLab's list of files, on the left; `cargo workbook` starts JupyterLab.\n\
         `reset` never touches it, and git ignores it; `git add -f \"notebooks/{file}\"` keeps it."
    );
    Ok(ExitCode::SUCCESS)
}

/// The file's name, with or without `.ipynb` in what the reader wrote.
fn file_name(name: &str) -> Result<String> {
    let stem = name.strip_suffix(".ipynb").unwrap_or(name).trim();
    if stem.is_empty() || stem.starts_with('.') {
        bail!("“{name}” is no name for a notebook: JupyterLab would not show it");
    }
    if stem.contains(|c: char| "/\\:".contains(c) || c.is_control()) {
        bail!(
            "“{name}” is no name for a notebook: it lies in notebooks/, and its name has no slash, backslash, colon or line break"
        );
    }
    let file = format!("{stem}.ipynb");
    if is_chapter(Path::new(&file)) {
        bail!(
            "“{name}” is a chapter's name (two digits and a dash), which `run` and `reset` take for one; begin with a word"
        );
    }
    Ok(file)
}

/// A notebook as JupyterLab itself would save it, so that opening it changes nothing.
fn notebook(title: &str) -> Value {
    let code = |id: &str, source: &str| {
        json!({
            "cell_type": "code", "execution_count": null, "id": id,
            "metadata": {}, "outputs": [], "source": source,
        })
    };
    let text = format!(
        "# {title}\n\nThe first cell brings in all that the chapters use. Below its first line there is \
         room for other crates, such as `:dep rand = \"0.9\"`; \
         `cargo workbook add rand` in a terminal compiles one once, for all notebooks."
    );
    json!({
        "cells": [
            { "cell_type": "markdown", "id": "title", "metadata": {}, "source": text },
            code("setup", SETUP),
            code("first", ""),
        ],
        "metadata": {
            "kernelspec": { "display_name": "Rust", "language": "rust", "name": "rust" },
            "language_info": {
                "codemirror_mode": "rust", "file_extension": ".rs", "mimetype": "text/rust",
                "name": "Rust", "pygment_lexer": "rust", "version": "",
            },
        },
        "nbformat": 4,
        "nbformat_minor": 5,
    })
}

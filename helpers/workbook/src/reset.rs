//! `cargo workbook reset`: a chapter as it was published, the edited one kept beside it.

use crate::layout::Layout;
use crate::run::{find_notebooks, name_of};
use anyhow::{Context, Result, bail};
use std::fs;
use std::path::Path;
use std::process::{Command, ExitCode, Stdio};
use std::time::{SystemTime, UNIX_EPOCH};

/// Resets the named chapters, or all that differ from what was published.
pub fn reset(layout: &Layout, named: &[String]) -> Result<ExitCode> {
    let source = published_commit(layout)?;
    let mut count = 0;
    for chapter in find_notebooks(layout, named)? {
        let name = name_of(&chapter);
        let Some(published) = published(layout, &source, &name)? else {
            println!("– {name} is your own; it was never published, so it stays as it is");
            continue;
        };
        let edited = fs::read(&chapter)?;
        if edited == published {
            if !named.is_empty() {
                println!("✓ {name} is as it was published");
            }
            continue;
        }
        let kept = free_name(&chapter)?;
        fs::write(&kept, &edited)?;
        // Written aside and renamed: a full disk must not leave half a notebook.
        let aside = chapter.with_extension("ipynb.new");
        fs::write(&aside, &published)?;
        fs::rename(&aside, &chapter)?;
        println!(
            "✓ {name} is as it was published; yours is {}",
            name_of(&kept)
        );
        count += 1;
    }
    if count > 0 {
        println!("In JupyterLab, choose File, Reload Notebook from Disk, to see it.");
    } else if named.is_empty() {
        println!("✓ all chapters are as they were published");
    }
    Ok(ExitCode::SUCCESS)
}

/// The commit that holds the published chapters: the one that was fetched, or else the newest.
fn published_commit(layout: &Layout) -> Result<String> {
    for candidate in ["@{upstream}", "HEAD"] {
        let commit = git(layout, &["rev-parse", "--verify", "--quiet", candidate])?;
        if let Some(commit) = commit {
            return Ok(String::from_utf8_lossy(&commit).trim().to_owned());
        }
    }
    bail!(
        "this folder is not a git clone, so there is no published version here; get the chapter again from where you got the workbook"
    )
}

/// A chapter's published bytes; `None` if it is not one of them.
fn published(layout: &Layout, commit: &str, name: &str) -> Result<Option<Vec<u8>>> {
    git(layout, &["show", &format!("{commit}:notebooks/{name}")])
}

fn git(layout: &Layout, arguments: &[&str]) -> Result<Option<Vec<u8>>> {
    let output = Command::new("git")
        .args(arguments)
        .current_dir(&layout.root)
        .stdin(Stdio::null())
        .output()
        .context("git was not found; install it, or get the chapter again from where you got the workbook")?;
    Ok(output.status.success().then_some(output.stdout))
}

/// A name beside the chapter that is not taken.
fn free_name(chapter: &Path) -> Result<std::path::PathBuf> {
    let seconds = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs();
    (0..)
        .map(|n| chapter.with_extension(format!("edited-{}.ipynb", seconds + n)))
        .find(|path| !path.exists())
        .context("no free name beside the chapter")
}

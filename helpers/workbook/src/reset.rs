//! `cargo workbook reset`: a chapter as it was published, the edited one kept beside it.

use crate::chapter::{is_chapter, name_of};
use crate::layout::Layout;
use crate::run::{chapters, named_like};
use anyhow::{Context, Result, bail};
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::{Command, ExitCode, Stdio};
use std::time::{SystemTime, UNIX_EPOCH};

/// Resets the named chapters, or all that differ from what was published.
pub fn reset(layout: &Layout, named: &[String]) -> Result<ExitCode> {
    let source = published_commit(layout)?;
    let mut count = 0;
    for name in choose(layout, &source, named)? {
        let chapter = layout.notebooks().join(&name);
        let Some(published) = published(layout, &source, &name)? else {
            println!("– {name} is your own; it was never published, so it stays as it is");
            continue;
        };
        if !chapter.exists() {
            put(&chapter, &published)?;
            println!("✓ {name} was gone and is back");
            continue;
        }
        let edited = fs::read(&chapter)?;
        if edited == published {
            if !named.is_empty() {
                println!("✓ {name} is as it was published");
            }
            continue;
        }
        let kept = free_name(&chapter)?;
        fs::write(&kept, &edited)?;
        put(&chapter, &published)?;
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

/// The file names of the named chapters, or of all; also of those that are published and were
/// deleted here.
fn choose(layout: &Layout, commit: &str, named: &[String]) -> Result<Vec<String>> {
    let mut known: BTreeSet<String> = chapters(layout)?.iter().map(|c| name_of(c)).collect();
    let listed = git(
        layout,
        &["ls-tree", "-z", "--name-only", commit, "notebooks/"],
    )?;
    for path in String::from_utf8_lossy(&listed.unwrap_or_default()).split('\0') {
        if is_chapter(Path::new(path)) {
            known.insert(name_of(Path::new(path)));
        }
    }
    if named.is_empty() {
        return Ok(known.into_iter().collect());
    }
    let mut found = Vec::new();
    for wanted in named {
        // `notebooks/06-x.ipynb`, as a shell completes it, means the chapter too.
        let wanted = name_of(Path::new(wanted));
        found.extend(named_like(known.iter().cloned(), &wanted, "chapter")?);
    }
    Ok(found)
}

/// Writes a chapter aside and renames it: a full disk must not leave half a notebook.
fn put(chapter: &Path, content: &[u8]) -> Result<()> {
    let aside = chapter.with_extension("ipynb.new");
    fs::write(&aside, content)?;
    fs::rename(&aside, chapter)?;
    Ok(())
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

#[cfg(test)]
mod tests {
    use super::*;
    use tempfile::TempDir;

    /// A scratch workbook with two published chapters, as a git repository.
    fn scratch() -> (TempDir, Layout) {
        let folder = tempfile::tempdir().unwrap();
        let layout = Layout {
            root: folder.path().to_owned(),
        };
        fs::create_dir(layout.notebooks()).unwrap();
        for chapter in ["00-first.ipynb", "01-second.ipynb"] {
            fs::write(
                layout.notebooks().join(chapter),
                format!("published {chapter}"),
            )
            .unwrap();
        }
        for arguments in [
            &["init", "--quiet"][..],
            &["add", "."],
            &[
                "-c",
                "user.name=t",
                "-c",
                "user.email=t@example.org",
                "-c",
                "commit.gpgsign=false",
                "commit",
                "--quiet",
                "--message=all",
            ],
        ] {
            assert!(git(&layout, arguments).unwrap().is_some());
        }
        (folder, layout)
    }

    fn edit(layout: &Layout, chapter: &str) {
        fs::write(layout.notebooks().join(chapter), "edited").unwrap();
    }

    fn read(layout: &Layout, chapter: &str) -> String {
        fs::read_to_string(layout.notebooks().join(chapter)).unwrap()
    }

    /// Every file in the notebooks' folder that is no chapter.
    fn beside(layout: &Layout) -> Vec<String> {
        let mut names: Vec<String> = fs::read_dir(layout.notebooks())
            .unwrap()
            .map(|entry| name_of(&entry.unwrap().path()))
            .filter(|name| !["00-first.ipynb", "01-second.ipynb"].contains(&name.as_str()))
            .collect();
        names.sort();
        names
    }

    #[test]
    fn an_edited_chapter_comes_back_and_the_edit_is_kept() {
        let (_folder, layout) = scratch();
        edit(&layout, "01-second.ipynb");
        reset(&layout, &["01".to_owned()]).unwrap();
        assert_eq!(
            read(&layout, "01-second.ipynb"),
            "published 01-second.ipynb"
        );
        let kept = beside(&layout);
        assert_eq!(kept.len(), 1, "{kept:?}");
        assert!(kept[0].starts_with("01-second.edited-"), "{kept:?}");
        assert_eq!(read(&layout, &kept[0]), "edited");
        // A second edit within the same second does not overwrite the first.
        edit(&layout, "01-second.ipynb");
        reset(&layout, &["01".to_owned()]).unwrap();
        assert_eq!(beside(&layout).len(), 2);
    }

    #[test]
    fn without_names_only_what_was_changed_is_touched() {
        let (_folder, layout) = scratch();
        let untouched = || {
            let file = layout.notebooks().join("01-second.ipynb");
            fs::metadata(file).unwrap().modified().unwrap()
        };
        let before = untouched();
        edit(&layout, "00-first.ipynb");
        reset(&layout, &[]).unwrap();
        assert_eq!(read(&layout, "00-first.ipynb"), "published 00-first.ipynb");
        assert_eq!(untouched(), before);
        assert_eq!(beside(&layout).len(), 1);
        reset(&layout, &[]).unwrap();
        assert_eq!(beside(&layout).len(), 1);
    }

    #[test]
    fn a_chapter_that_was_deleted_comes_back() {
        let (_folder, layout) = scratch();
        fs::remove_file(layout.notebooks().join("00-first.ipynb")).unwrap();
        reset(&layout, &["00".to_owned()]).unwrap();
        assert_eq!(read(&layout, "00-first.ipynb"), "published 00-first.ipynb");
        fs::remove_file(layout.notebooks().join("01-second.ipynb")).unwrap();
        reset(&layout, &[]).unwrap();
        assert_eq!(
            read(&layout, "01-second.ipynb"),
            "published 01-second.ipynb"
        );
        assert!(beside(&layout).is_empty());
    }

    #[test]
    fn a_notebook_of_the_readers_own_stays() {
        let (_folder, layout) = scratch();
        edit(&layout, "99-mine.ipynb");
        reset(&layout, &[]).unwrap();
        reset(&layout, &["99".to_owned()]).unwrap();
        assert_eq!(read(&layout, "99-mine.ipynb"), "edited");
        assert_eq!(beside(&layout), ["99-mine.ipynb"]);
    }

    #[test]
    fn without_git_the_error_says_what_to_do() {
        let (_folder, layout) = scratch();
        fs::remove_dir_all(layout.root.join(".git")).unwrap();
        edit(&layout, "00-first.ipynb");
        let error = reset(&layout, &[]).unwrap_err().to_string();
        assert!(error.contains("not a git clone"), "{error}");
        assert_eq!(read(&layout, "00-first.ipynb"), "edited");
    }

    #[test]
    fn an_unknown_chapter_is_named() {
        let (_folder, layout) = scratch();
        let error = reset(&layout, &["42".to_owned()]).unwrap_err().to_string();
        assert!(
            error.contains("“42”") && error.contains("00-first.ipynb"),
            "{error}"
        );
    }
}

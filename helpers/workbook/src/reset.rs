//! `cargo workbook reset`: a chapter as it was published, the edited one kept beside it.

use crate::chapter::{is_chapter, name_of};
use crate::layout::Layout;
use crate::notebooks::{chapters, named_like};
use anyhow::{Context, Result, bail};
use platform::paths::write_whole;
use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::time::{SystemTime, UNIX_EPOCH};

/// Resets the named chapters, or all that differ from what was published.
///
/// Published is the newest commit that both this clone and its upstream have: what was fetched since
/// then belongs to newer helpers, and what was committed here since then is nobody else's. A chapter
/// with such commits is reset only if it is named.
pub fn reset(layout: &Layout, named: &[String]) -> Result<ExitCode> {
    let source = published_commit(layout)?;
    let mut count = 0;
    let mut left = 0;
    for name in choose(layout, &source, named)? {
        let chapter = layout.notebooks().join(&name);
        let Some(published) = published(layout, &source, &name)? else {
            println!("– {name} is your own; it was never published, so it stays as it is");
            continue;
        };
        let existing = match fs::read(&chapter) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            read => Some(read.with_context(|| format!("{} cannot be read", chapter.display()))?),
        };
        if existing.as_ref() == Some(&published) {
            if !named.is_empty() {
                println!("✓ {name} is as it was published");
            }
            continue;
        }
        if named.is_empty() && self::published(layout, "HEAD", &name)?.as_ref() != Some(&published)
        {
            println!(
                "– {name} has commits of yours and stays as it is; `cargo workbook reset {name}` brings the published one"
            );
            left += 1;
            continue;
        }
        let Some(edited) = existing else {
            put(&chapter, &published)?;
            println!("✓ {name} was gone and is back");
            count += 1;
            continue;
        };
        let kept = keep_beside(&chapter, &edited)?;
        put(&chapter, &published)?;
        println!("✓ {name} is as it was published; yours is {}", name_of(&kept));
        count += 1;
    }
    if count > 0 {
        println!("In JupyterLab, choose File, Reload Notebook from Disk, to see it.");
    } else if named.is_empty() && left == 0 {
        println!("✓ all chapters are as they were published");
    }
    Ok(ExitCode::SUCCESS)
}

/// The file names of the named chapters, or of all; also of those that are published and were
/// deleted here.
fn choose(layout: &Layout, commit: &str, named: &[String]) -> Result<Vec<String>> {
    let mut known: BTreeSet<String> = chapters(layout)?.iter().map(|c| name_of(c)).collect();
    let listed = git(layout, &["ls-tree", "-z", "--name-only", commit, "notebooks/"])?;
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

/// Writes a chapter as a whole: a full disk must not leave half a notebook.
fn put(chapter: &Path, content: &[u8]) -> Result<()> {
    let folder = chapter.parent().context("a chapter lies in a folder")?;
    fs::create_dir_all(folder)
        .and_then(|()| write_whole(chapter, content))
        .with_context(|| format!("{} cannot be written (is the disk full?)", chapter.display()))
}

/// The newest commit that is in this clone and was published; without an upstream, the newest.
fn published_commit(layout: &Layout) -> Result<String> {
    let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).trim().to_owned();
    let head = git(layout, &["rev-parse", "--verify", "HEAD"])?;
    let head = match head {
        Ok(head) => text(head),
        Err(said) if said.contains("not a git repository") || said.trim().is_empty() => {
            bail!("this folder is not a git clone, {FROM_WHERE}")
        }
        Err(said) => bail!("git cannot read this clone: {}", said.trim()),
    };
    // The folder may lie in a repository of something else.
    let chapters = git(layout, &["ls-tree", "--name-only", "HEAD", "notebooks/"])?;
    if chapters.is_ok_and(|listed| listed.is_empty()) {
        bail!("this folder is not a git clone of the workbook, {FROM_WHERE}");
    }
    // The second for a branch of the reader's own.
    for upstream in ["@{upstream}", "refs/remotes/origin/HEAD"] {
        if let Ok(base) = git(layout, &["merge-base", "HEAD", upstream])? {
            return Ok(text(base));
        }
    }
    Ok(head)
}

const FROM_WHERE: &str =
    "so there is no published version here; get the chapter again from where you got the workbook";

/// A chapter's published bytes; `None` if it is not one of them.
fn published(layout: &Layout, commit: &str, name: &str) -> Result<Option<Vec<u8>>> {
    // `./`: from this folder, also within a larger repository.
    Ok(git(layout, &["show", &format!("{commit}:./notebooks/{name}")])?.ok())
}

/// What git prints; or what it says is wrong.
fn git(layout: &Layout, arguments: &[&str]) -> Result<std::result::Result<Vec<u8>, String>> {
    let mut command = Command::new("git");
    // Set where git itself started this, say in a hook: they name another repository.
    for variable in ["GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_OBJECT_DIRECTORY"] {
        command.env_remove(variable);
    }
    let output = command
        .args(arguments)
        .current_dir(&layout.root)
        .env("LC_ALL", "C")
        .stdin(Stdio::null())
        .output()
        .context("git was not found; install it, or get the chapter again from where you got the workbook")?;
    Ok(match output.status.success() {
        true => Ok(output.stdout),
        false => Err(String::from_utf8_lossy(&output.stderr).into_owned()),
    })
}

/// Writes the edited chapter to a new file beside the chapter.
fn keep_beside(chapter: &Path, edited: &[u8]) -> Result<PathBuf> {
    let seconds = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs();
    let names = (0..).map(|n| chapter.with_extension(format!("edited-{}.ipynb", seconds + n)));
    for path in names {
        let mut file = match File::create_new(&path) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => continue,
            made => made.with_context(|| format!("{} cannot be made", path.display()))?,
        };
        file.write_all(edited)
            .with_context(|| format!("{} cannot be written (is the disk full?)", path.display()))?;
        return Ok(path);
    }
    bail!("no free name beside the chapter")
}

#[cfg(test)]
mod tests {
    use super::*;
    use tempfile::TempDir;

    /// A scratch workbook with two published chapters, as a git repository.
    fn scratch() -> (TempDir, Layout) {
        let folder = tempfile::tempdir().unwrap();
        let layout = Layout { root: folder.path().to_owned() };
        fs::create_dir(layout.notebooks()).unwrap();
        for chapter in ["00-first.ipynb", "01-second.ipynb"] {
            fs::write(layout.notebooks().join(chapter), format!("published {chapter}")).unwrap();
        }
        git(&layout, &["init", "--quiet"]).unwrap().unwrap();
        commit(&layout);
        (folder, layout)
    }

    /// Commits everything.
    fn commit(layout: &Layout) {
        git(layout, &["add", "."]).unwrap().unwrap();
        let who =
            ["-c", "user.name=t", "-c", "user.email=t@example.org", "-c", "commit.gpgsign=false"];
        let all: Vec<&str> =
            who.into_iter().chain(["commit", "--quiet", "--message=more"]).collect();
        git(layout, &all).unwrap().unwrap();
    }

    /// A clone of a scratch workbook, and its origin.
    fn clone() -> (TempDir, Layout, Layout) {
        let (_origin, origin) = scratch();
        let folder = tempfile::tempdir().unwrap();
        let layout = Layout { root: folder.path().join("clone") };
        let from = Layout { root: folder.path().join("origin") };
        fs::rename(&origin.root, &from.root).unwrap();
        let (source, target) = (from.root.to_str().unwrap(), layout.root.to_str().unwrap());
        git(&from, &["clone", "--quiet", source, target]).unwrap().unwrap();
        (folder, layout, from)
    }

    #[test]
    fn what_was_fetched_since_is_not_for_these_helpers() {
        for own_branch in [false, true] {
            let (_folder, layout, origin) = clone();
            if own_branch {
                git(&layout, &["switch", "--quiet", "--create", "mine", "--no-track"])
                    .unwrap()
                    .unwrap();
            }
            fs::write(origin.notebooks().join("00-first.ipynb"), "newer").unwrap();
            commit(&origin);
            git(&layout, &["fetch", "--quiet"]).unwrap().unwrap();
            edit(&layout, "00-first.ipynb");
            reset(&layout, &[]).unwrap();
            assert_eq!(read(&layout, "00-first.ipynb"), "published 00-first.ipynb");
        }
    }

    #[test]
    fn commits_that_are_not_published_are_undone_only_by_name() {
        let (_folder, layout, _origin) = clone();
        edit(&layout, "00-first.ipynb");
        commit(&layout);
        edit(&layout, "01-second.ipynb");
        reset(&layout, &[]).unwrap();
        assert_eq!(read(&layout, "00-first.ipynb"), "edited");
        assert_eq!(read(&layout, "01-second.ipynb"), "published 01-second.ipynb");
        reset(&layout, &["00".to_owned()]).unwrap();
        assert_eq!(read(&layout, "00-first.ipynb"), "published 00-first.ipynb");
        assert_eq!(beside(&layout).len(), 2);
    }

    #[test]
    fn a_copy_within_another_repository_is_not_its_clone() {
        let (_folder, layout) = scratch();
        let inner = Layout { root: layout.root.join("unpacked") };
        fs::create_dir_all(inner.notebooks()).unwrap();
        edit(&inner, "00-first.ipynb");
        let error = reset(&inner, &[]).unwrap_err().to_string();
        assert!(error.contains("not a git clone of the workbook"), "{error}");
        assert_eq!(read(&inner, "00-first.ipynb"), "edited");
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
        assert_eq!(read(&layout, "01-second.ipynb"), "published 01-second.ipynb");
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
        assert_eq!(read(&layout, "01-second.ipynb"), "published 01-second.ipynb");
        assert!(beside(&layout).is_empty());
    }

    #[test]
    fn a_notebook_of_the_readers_own_stays() {
        let (_folder, layout) = scratch();
        edit(&layout, "99-mine.ipynb");
        crate::own::new(&layout, "mine").unwrap();
        let mine = read(&layout, "mine.ipynb");
        reset(&layout, &[]).unwrap();
        reset(&layout, &["99".to_owned()]).unwrap();
        reset(&layout, &["mine".to_owned()]).unwrap_err();
        assert_eq!(read(&layout, "99-mine.ipynb"), "edited");
        assert_eq!(read(&layout, "mine.ipynb"), mine);
        assert_eq!(beside(&layout), ["99-mine.ipynb", "mine.ipynb"]);
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
        assert!(error.contains("“42”") && error.contains("00-first.ipynb"), "{error}");
    }
}

//! `cargo workbook site`: the chapters as they were saved, as pages for any browser.
//!
//! Sphinx makes them, from copies, by the settings in `site/conf.py`; it has a Python environment of
//! its own. Nothing of a chapter is executed.

use crate::child::follow;
use crate::disk::{self, files_in, write_if_new};
use crate::environment::{self, Environment};
use crate::layout::Layout;
use crate::locks;
use crate::notebooks::chapters;
use crate::ui::Step;
use anyhow::{Context, Result, bail};
use std::collections::BTreeSet;
use std::fs;
use std::path::{Component, Path, PathBuf};
use std::process::ExitCode;

const PACKAGES: [&str; 3] = ["furo>=2025.7", "myst-nb>=1.3,<2", "sphinx>=8.1,<10"];

/// The pages beside the chapters.
const PAGES: [&str; 2] = ["glossary.md", "teaching.md"];

/// In a finished site: its files, a line each, so that only these are ever replaced or removed.
const LIST: &str = "made-by-the-workbook";

/// Builds the site and puts it into `to`, or into a folder of the workbook's own.
pub fn site(layout: &Layout, to: Option<PathBuf>) -> Result<ExitCode> {
    let folder = layout.made().join("site");
    let to = to.unwrap_or_else(|| folder.join("pages"));
    // Before anything that takes time.
    old_files(&to)?;
    fs::create_dir_all(&to).with_context(|| format!("{} cannot be made", to.display()))?;
    let _lock = locks::wait(layout, locks::SITE, "another `cargo workbook site` is at work")?;
    let environment = Environment::of_the_workbook(folder.join("venv"));
    let packages = PACKAGES.map(str::to_owned);
    environment::install(layout, &environment, "site", "python", "Sphinx", &packages)?;
    let step = Step::begin("the pages", "less than a minute");
    let work = folder.join("work");
    disk::remove(&work)?;
    copy_sources(layout, &work.join("source"))?;
    let pages = work.join("pages");
    let mut sphinx = environment.command();
    sphinx.env("PYTHONUTF8", "1").args(["-m", "sphinx", "-q", "-W", "--keep-going"]);
    sphinx.arg("-d").arg(work.join("doctrees")).arg(work.join("source")).arg(&pages);
    follow(sphinx, |line| step.say(line)).context("Sphinx could not make the pages")?;
    publish(&pages, &to)?;
    disk::remove(&work)?;
    step.end();
    println!("open {} in a browser", to.join("index.html").display());
    Ok(ExitCode::SUCCESS)
}

/// What Sphinx reads. Readers' own notebooks are not published.
fn copy_sources(layout: &Layout, source: &Path) -> Result<()> {
    write_if_new(&source.join("conf.py"), include_str!("site/conf.py"))?;
    write_if_new(&source.join("static/site.css"), include_str!("site/site.css"))?;
    let notebooks = layout.notebooks();
    let pages = PAGES.map(|name| notebooks.join(name));
    for file in chapters(layout)?.into_iter().chain(pages).chain([layout.root.join("README.md")]) {
        let to = match file.strip_prefix(&notebooks) {
            Ok(name) => source.join("notebooks").join(name),
            Err(_) => source.join("index.md"),
        };
        let text = fs::read_to_string(&file);
        let text = text.with_context(|| format!("{} cannot be read", file.display()))?;
        write_if_new(&to, &text)?;
    }
    Ok(())
}

/// The files of the site that is in a folder.
///
/// # Errors
///
/// If there is something else.
fn old_files(folder: &Path) -> Result<BTreeSet<PathBuf>> {
    if let Ok(list) = fs::read_to_string(folder.join(LIST)) {
        return Ok(list.lines().map(PathBuf::from).collect());
    }
    match fs::read_dir(folder).map(|mut entries| entries.next().is_some()) {
        Ok(false) => Ok(BTreeSet::new()),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(BTreeSet::new()),
        Ok(true) => bail!(
            "{} holds something that `cargo workbook site` has not made; name a folder that is empty, or not there yet",
            folder.display()
        ),
        Err(error) => {
            Err(error).with_context(|| format!("{} is no folder to write to", folder.display()))
        }
    }
}

/// Copies a site into a folder, and removes what an earlier one had and this one has not.
fn publish(pages: &Path, to: &Path) -> Result<()> {
    let old = old_files(to)?;
    let mut new = BTreeSet::new();
    for file in files_in(pages) {
        new.insert(file?.path().strip_prefix(pages)?.to_owned());
    }
    if let Some(file) = new.difference(&old).find(|file| to.join(file).exists()) {
        let file = to.join(file);
        bail!("{} is not of an earlier site; move it elsewhere", file.display());
    }
    let list = |files: &BTreeSet<PathBuf>| {
        files.iter().map(|file| format!("{}\n", file.display())).collect::<String>()
    };
    // First the files of both, so that one that is interrupted here can go on.
    write_if_new(&to.join(LIST), &list(&old.union(&new).cloned().collect()))?;
    for file in &new {
        let target = to.join(file);
        fs::create_dir_all(target.parent().context("a file lies in a folder")?)
            .and_then(|()| fs::copy(pages.join(file), &target))
            .with_context(|| {
                format!("{} cannot be written (is the disk full?)", target.display())
            })?;
    }
    for file in old.difference(&new) {
        // A list that somebody has changed leads nowhere else.
        if file.components().all(|part| matches!(part, Component::Normal(_))) {
            let _ = fs::remove_file(to.join(file));
        }
    }
    write_if_new(&to.join(LIST), &list(&new))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A site with these files in it.
    fn pages(files: &[(&str, &str)]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in files {
            write_if_new(&folder.path().join(name), text).unwrap();
        }
        folder
    }

    #[test]
    fn only_what_a_site_had_is_replaced_or_removed() {
        let folder = tempfile::tempdir().unwrap();
        let (to, own) = (folder.path().join("site/pages"), folder.path().join("own"));
        publish(pages(&[("index.html", "1"), ("a/old.html", "1")]).path(), &to).unwrap();
        for file in [to.join("CNAME"), own.clone()] {
            fs::write(file, "mine").unwrap();
        }
        let list = fs::read_to_string(to.join(LIST)).unwrap();
        fs::write(to.join(LIST), format!("{list}../../own\n{}\n", own.display())).unwrap();
        publish(pages(&[("index.html", "2"), ("a/new.html", "2")]).path(), &to).unwrap();
        assert_eq!(fs::read_to_string(to.join("index.html")).unwrap(), "2");
        assert!(to.join("a/new.html").exists() && !to.join("a/old.html").exists());
        assert!(to.join("CNAME").exists() && own.exists());
        // A page of the reader's own by the name of a new one.
        let error = publish(pages(&[("CNAME", "3")]).path(), &to).unwrap_err().to_string();
        assert!(error.contains("CNAME is not of an earlier site"), "{error}");
        assert!(to.join("index.html").exists());
        assert_eq!(fs::read_to_string(to.join("CNAME")).unwrap(), "mine");
    }

    #[test]
    fn a_folder_of_the_readers_own_is_refused_at_once() {
        let folder = pages(&[("thesis.md", "")]);
        let layout = Layout { root: folder.path().to_owned() };
        for (to, said) in [(".", "has not made"), ("thesis.md", "is no folder")] {
            let error = site(&layout, Some(folder.path().join(to))).unwrap_err().to_string();
            assert!(error.contains(said), "{error}");
        }
        assert!(folder.path().join("thesis.md").exists() && !layout.made().exists());
    }
}

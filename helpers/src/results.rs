//! What a chapter measured, kept for the last chapter, which puts all of it into one figure.
//!
//! A chapter writes its main results to one small file, with [`keep_results`]. The last chapter
//! reads the files of those chapters that have been run on this machine, with [`kept_results`].
//! Both tell the reader what they could not do and go on: no chapter fails because of these files.

use crate::amdahl::karp_flatt;
use measure::{Comparison, Timing};
use platform::dates::today;
use platform::machine::machine;
use platform::paths;
use platform::size::{Size, size};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::fs::File;
use std::io::{ErrorKind, Read};
use std::path::{Path, PathBuf};

/// One result: how much faster one variant of some work is than another.
#[derive(Debug, Clone)]
pub struct Kept {
    /// What the result is found by, within its chapter.
    pub key: String,
    /// What it is compared with, usually the slower one.
    pub baseline: Timing,
    /// What was tried.
    pub variant: Timing,
    /// How many workers the variant had, where that is known.
    pub workers: Option<usize>,
}

impl Kept {
    /// A result from two timings; [`Keep::kept`] does this by name.
    ///
    /// ```
    /// # let timing = |name: &str, wall: &[f64]| measure::Timing {
    /// #     name: name.into(), wall: wall.to_vec(), cpu: vec![], calls: 1 };
    /// use helpers::results::Kept;
    ///
    /// let (one, four) = (timing("1 toaster", &[8.0]), timing("4 toasters", &[2.0]));
    /// let result = Kept::new("toasters", &one, &four).workers(4);
    /// assert_eq!(result.label(), "1 toaster → 4 toasters");
    /// assert_eq!(result.speedup(), 4.0);
    /// assert_eq!(result.serial_share(), Some(0.0));
    /// ```
    pub fn new(key: &str, baseline: &Timing, variant: &Timing) -> Kept {
        Kept {
            key: key.to_owned(),
            baseline: baseline.clone(),
            variant: variant.clone(),
            workers: None,
        }
    }

    /// The same result, with the number of workers that the variant had.
    pub fn workers(mut self, number: usize) -> Kept {
        self.workers = Some(number);
        self
    }

    /// `one at a time → 40 threads`
    pub fn label(&self) -> String {
        format!("{} → {}", self.baseline.name, self.variant.name)
    }

    /// How many times faster the variant is: the ratio of the medians. Below 1 it is slower.
    pub fn speedup(&self) -> f64 {
        self.baseline.median() / self.variant.median()
    }

    /// The least and the most that single runs would give as speedup.
    pub fn range(&self) -> (f64, f64) {
        let (baseline, variant) = (self.baseline.range(), self.variant.range());
        (baseline.0 / variant.1, baseline.1 / variant.0)
    }

    /// The serial share that the speedup betrays, see [`karp_flatt`]; `None` where the number of
    /// workers is not known, or 1.
    pub fn serial_share(&self) -> Option<f64> {
        karp_flatt(self.speedup(), self.workers?)
    }

    /// Whether both sides have runs, and each took some time.
    fn is_sound(&self) -> bool {
        let timed = |t: &Timing| !t.wall.is_empty() && t.wall.iter().all(|&t| t > 0.0);
        timed(&self.baseline) && timed(&self.variant) && self.speedup().is_finite()
    }
}

/// A comparison that gives results to keep.
pub trait Keep {
    /// A result to keep: how much faster `variant` is than `baseline`.
    ///
    /// A variant that was not measured, such as Python's where there is no Python, gives a result
    /// without runs, which [`keep_results`] leaves out.
    fn kept(&self, key: &str, baseline: &str, variant: &str) -> Kept;
}

impl<T: Send + PartialEq> Keep for Comparison<T> {
    fn kept(&self, key: &str, baseline: &str, variant: &str) -> Kept {
        let timing = |name: &str| match self.find(name) {
            Some(timing) => timing.clone(),
            None => Timing::of_wall(name, Vec::new()),
        };
        Kept::new(key, &timing(baseline), &timing(variant))
    }
}

/// Keeps a chapter's main results for the last chapter, and says so in one line.
///
/// `chapter` is the notebook's name without its ending. The file holds the results of one run of
/// the chapter: what was kept before is replaced, but results of a full run are not replaced by
/// those of a small one.
///
/// ```no_run
/// use helpers::prelude::*;
///
/// let mut job: Comparison<u64> = Comparison::new("100 days", 3);
/// // … job.measure("one at a time", …); job.measure("40 threads", …);
/// keep_results("05-network-io", &[job.kept("threads", "one at a time", "40 threads").workers(40)]);
/// ```
pub fn keep_results(chapter: &str, results: &[Kept]) {
    println!(
        "{}",
        keep(&paths::results_dir(), chapter, size(), &here(), results)
    );
}

/// The results of these chapters, as far as they have been run on this machine.
///
/// A file that cannot be used is left out, with a [note](KeptResults::notes): it is damaged, of
/// another version of the workbook, or from another machine.
pub fn kept_results(chapters: &[&str]) -> KeptResults {
    read(&paths::results_dir(), chapters, &here())
}

/// What [`kept_results`] found. Printed, it says how things stand, a line for each chapter.
#[derive(Debug, Clone, Default)]
pub struct KeptResults {
    /// The chapters that have results, in the order in which they were asked for.
    pub chapters: Vec<ChapterResults>,
    /// The chapters that have none: not run yet, or with a file that cannot be used.
    pub missing: Vec<String>,
    /// What is wrong with files that cannot be used, in words for the reader.
    pub notes: Vec<String>,
}

/// The results of one chapter's run.
#[derive(Debug, Clone)]
pub struct ChapterResults {
    /// The notebook's name without its ending.
    pub chapter: String,
    /// Of a small run one can see that everything runs, and little else.
    pub size: Size,
    /// When it ran, such as `20 Nov 2026`.
    pub date: String,
    /// What it kept.
    pub results: Vec<Kept>,
}

impl KeptResults {
    /// A result by its chapter and key; `None` where that chapter has not been run.
    pub fn get(&self, chapter: &str, key: &str) -> Option<&Kept> {
        let found = self.chapters.iter().find(|c| c.chapter == chapter)?;
        found.results.iter().find(|kept| kept.key == key)
    }

    /// Every result, with the chapter that it comes from.
    pub fn all(&self) -> impl Iterator<Item = (&ChapterResults, &Kept)> {
        let of = |chapter| move |kept| (chapter, kept);
        self.chapters
            .iter()
            .flat_map(move |c| c.results.iter().map(of(c)))
    }
}

impl fmt::Display for KeptResults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for found in &self.chapters {
            let count = found.results.len();
            let plural = if count == 1 { "" } else { "s" };
            write!(
                f,
                "✓ {}: {count} result{plural}, {}",
                found.chapter, found.date
            )?;
            match found.size {
                Size::Small => writeln!(f, ", a small run: only a quick look")?,
                Size::Full => writeln!(f)?,
            }
        }
        for chapter in &self.missing {
            writeln!(f, "– {chapter}: no results on this machine yet")?;
        }
        for note in &self.notes {
            writeln!(f, "  note: {note}")?;
        }
        Ok(())
    }
}

/// The file of one chapter.
#[derive(Serialize, Deserialize)]
struct Written {
    format: u32,
    chapter: String,
    size: Size,
    machine: String,
    date: String,
    results: Vec<WrittenResult>,
}

#[derive(Serialize, Deserialize)]
struct WrittenResult {
    key: String,
    workers: Option<usize>,
    baseline: Runs,
    variant: Runs,
}

#[derive(Serialize, Deserialize)]
struct Runs {
    name: String,
    seconds: Vec<f64>,
}

/// Raised when the file's form changes, so that an old one is told from a damaged one.
const FORMAT: u32 = 1;
/// More than this is not one of our files.
const LARGEST_FILE: u64 = 1 << 20;

/// Whose numbers they are.
fn here() -> String {
    machine().name()
}

/// A name that stays in the folder.
fn file(folder: &Path, chapter: &str) -> Option<PathBuf> {
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '-';
    let sound = !chapter.is_empty() && chapter.chars().all(plain);
    sound.then(|| folder.join(format!("{chapter}.json")))
}

/// Writes the file, and answers with the line for the reader.
fn keep(folder: &Path, chapter: &str, size: Size, machine: &str, results: &[Kept]) -> String {
    let Some(path) = file(folder, chapter) else {
        return format!("– results not kept: “{chapter}” is not a chapter's name");
    };
    let (sound, unsound): (Vec<&Kept>, Vec<&Kept>) = results.iter().partition(|k| k.is_sound());
    if sound.is_empty() {
        return "– no results to keep: nothing was measured".to_owned();
    }
    if size == Size::Small
        && let Ok(Some(before)) = load(&path, chapter, machine)
        && before.size == Size::Full
    {
        return format!(
            "the results of the full run of {} stay; a small run does not replace them",
            before.date
        );
    }
    let side = |t: &Timing| Runs {
        name: t.name.clone(),
        seconds: t.wall.clone(),
    };
    let written = Written {
        format: FORMAT,
        chapter: chapter.to_owned(),
        size,
        machine: machine.to_owned(),
        date: today(),
        results: sound
            .iter()
            .map(|kept| WrittenResult {
                key: kept.key.clone(),
                workers: kept.workers,
                baseline: side(&kept.baseline),
                variant: side(&kept.variant),
            })
            .collect(),
    };
    let bytes = serde_json::to_vec_pretty(&written).expect("names and numbers become JSON");
    let saved = std::fs::create_dir_all(folder).and_then(|()| paths::write_whole(&path, &bytes));
    if let Err(why) = saved {
        return format!("– results not kept: {why}");
    }
    let keys: Vec<&str> = sound.iter().map(|kept| kept.key.as_str()).collect();
    let mut line = format!("kept for chapter 08: {}", keys.join(", "));
    if size == Size::Small {
        line += " (of a small run)";
    }
    for kept in unsound {
        line += &format!(
            "\n– not kept, because it was not measured: {}",
            kept.label()
        );
    }
    line
}

fn read(folder: &Path, chapters: &[&str], machine: &str) -> KeptResults {
    let mut found = KeptResults::default();
    for &chapter in chapters {
        let loaded = match file(folder, chapter) {
            Some(path) => load(&path, chapter, machine),
            None => Err(format!("“{chapter}” is not a chapter's name")),
        };
        match loaded {
            Ok(Some(results)) => {
                found.chapters.push(results);
                continue;
            }
            Ok(None) => {}
            Err(why) => found.notes.push(why),
        }
        found.missing.push(chapter.to_owned());
    }
    found
}

/// One chapter's results; `None` where there is no file, an error in words where it is no use.
fn load(path: &Path, chapter: &str, machine: &str) -> Result<Option<ChapterResults>, String> {
    let again = format!("run chapter {chapter} and it is written anew");
    let unusable = |why: &str| format!("{}: {why}; {again}", paths::shown(path));
    let text = match text_of(path) {
        Ok(text) => text,
        Err(why) if why.kind() == ErrorKind::NotFound => return Ok(None),
        Err(why) => return Err(unusable(&format!("cannot be read ({why})"))),
    };
    let value: serde_json::Value =
        serde_json::from_str(&text).map_err(|_| unusable("is damaged"))?;
    match value["format"].as_u64() {
        Some(format) if format == u64::from(FORMAT) => {}
        Some(_) => return Err(unusable("is from another version of this workbook")),
        None => return Err(unusable("is not a file of results")),
    }
    let written: Written = serde_json::from_value(value).map_err(|_| unusable("is damaged"))?;
    if written.chapter != chapter {
        return Err(unusable("belongs to another chapter"));
    }
    if written.machine != machine {
        let other = format!("was measured on another machine ({})", written.machine);
        return Err(unusable(&other));
    }
    let results: Vec<Kept> = written
        .results
        .into_iter()
        .map(|result| Kept {
            key: result.key,
            baseline: Timing::of_wall(&result.baseline.name, result.baseline.seconds),
            variant: Timing::of_wall(&result.variant.name, result.variant.seconds),
            workers: result.workers,
        })
        .collect();
    if results.is_empty() || !results.iter().all(Kept::is_sound) {
        return Err(unusable("is damaged"));
    }
    Ok(Some(ChapterResults {
        chapter: written.chapter,
        size: written.size,
        date: written.date,
        results,
    }))
}

fn text_of(path: &Path) -> std::io::Result<String> {
    // Anything else under that name, such as a pipe, might never end.
    if !std::fs::metadata(path)?.is_file() {
        return Err(std::io::Error::other("it is not a file"));
    }
    let mut text = String::new();
    let read = File::open(path)?
        .take(LARGEST_FILE)
        .read_to_string(&mut text)?;
    if read as u64 == LARGEST_FILE {
        return Err(std::io::Error::other("it is too large"));
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    const HERE: &str = "2 cores · a processor";

    fn kept(key: &str, slow: &[f64], fast: &[f64]) -> Kept {
        let timing = |name: &str, wall: &[f64]| Timing::of_wall(name, wall.to_vec());
        Kept::new(key, &timing("slow", slow), &timing("fast", fast))
    }

    fn scratch() -> tempfile::TempDir {
        tempfile::tempdir().unwrap()
    }

    #[test]
    fn results_come_back_as_they_were_kept() {
        let folder = scratch();
        let folder = folder.path().join("not made yet");
        let results = [
            kept("threads", &[8.0, 8.2, 9.0], &[2.0, 2.0, 2.1]).workers(4),
            kept("worse", &[1.0], &[4.0]),
        ];
        let line = keep(&folder, "05-network-io", Size::Full, HERE, &results);
        assert_eq!(line, "kept for chapter 08: threads, worse");

        let found = read(&folder, &["01-loops", "05-network-io"], HERE);
        assert_eq!(found.missing, ["01-loops"]);
        assert!(found.notes.is_empty(), "{:?}", found.notes);
        let threads = found.get("05-network-io", "threads").unwrap();
        assert_eq!(threads.label(), "slow → fast");
        assert!((threads.speedup() - 4.1).abs() < 1e-12);
        assert_eq!(threads.range(), (8.0 / 2.1, 9.0 / 2.0));
        assert!(threads.serial_share().unwrap() < 0.0);
        assert_eq!(found.get("05-network-io", "worse").unwrap().speedup(), 0.25);
        assert!(found.get("05-network-io", "other").is_none());
        assert!(found.get("01-loops", "threads").is_none());
        assert_eq!(found.all().count(), 2);
        let said = found.to_string();
        assert!(said.contains("05-network-io: 2 results, "), "{said}");
        assert!(
            said.contains("01-loops: no results on this machine yet"),
            "{said}"
        );
        assert!(!said.contains("small"), "{said}");
    }

    #[test]
    fn a_small_run_is_named_and_never_takes_the_place_of_a_full_one() {
        let folder = scratch();
        let keep = |size, seconds: f64| {
            keep(
                folder.path(),
                "06",
                size,
                HERE,
                &[kept("a", &[seconds], &[1.0])],
            )
        };
        let read = || read(folder.path(), &["06"], HERE);
        assert!(keep(Size::Small, 2.0).contains("small run"));
        assert!(
            read()
                .to_string()
                .contains("a small run: only a quick look")
        );
        keep(Size::Full, 3.0);
        assert!(keep(Size::Small, 4.0).contains("does not replace"));
        assert_eq!(read().chapters[0].size, Size::Full);
        assert_eq!(read().get("06", "a").unwrap().speedup(), 3.0);
        keep(Size::Full, 5.0);
        assert_eq!(read().get("06", "a").unwrap().speedup(), 5.0);
    }

    #[test]
    fn what_was_not_measured_is_left_out_and_named() {
        let folder = scratch();
        let mut pair = Comparison::new("pair", 1);
        pair.measure("Rust", || 1);
        let sound = kept("sound", &[1.0], &[1.0]);
        let results = [pair.kept("python", "Python", "Rust"), sound];
        let line = keep(folder.path(), "04", Size::Full, HERE, &results);
        assert!(line.contains("not measured: Python → Rust"), "{line}");
        let found = read(folder.path(), &["04"], HERE);
        assert!(found.get("04", "python").is_none() && found.get("04", "sound").is_some());

        let nothing = keep(folder.path(), "01", Size::Full, HERE, &results[..1]);
        assert!(nothing.contains("no results to keep"), "{nothing}");
        let endless = kept("endless", &[f64::INFINITY], &[1.0]);
        let nothing = keep(folder.path(), "01", Size::Full, HERE, &[endless]);
        assert!(nothing.contains("no results to keep"), "{nothing}");
    }

    #[test]
    fn a_file_that_is_no_use_is_explained_and_skipped() {
        let folder = scratch();
        let path = folder.path().join("05.json");
        let write = || {
            let results = [kept("a", &[2.0], &[1.0])];
            keep(folder.path(), "05", Size::Full, HERE, &results)
        };
        let good = || {
            let line = write();
            assert!(line.starts_with("kept"), "{line}");
            fs::read_to_string(&path).unwrap()
        };
        let whole = good();
        let cases = [
            (String::new(), "is damaged"),
            (whole[..whole.len() / 2].to_owned(), "is damaged"),
            ("[1, 2]".to_owned(), "not a file of results"),
            (
                whole.replace("\"format\": 1", "\"format\": 0"),
                "another version",
            ),
            (
                whole.replace("2 cores", "64 cores"),
                "another machine (64 cores",
            ),
            (
                whole.replace("\"05\"", "\"06\""),
                "belongs to another chapter",
            ),
            (whole.replace("2.0", "-2.0"), "is damaged"),
            (whole.replace("2.0", "0.0"), "is damaged"),
            (whole.replace("2.0", "1e999"), "is damaged"),
            (whole.replace("seconds", "hours"), "is damaged"),
            (" ".repeat(LARGEST_FILE as usize + 1), "too large"),
        ];
        for (text, why) in cases {
            fs::write(&path, text).unwrap();
            let found = read(folder.path(), &["05"], HERE);
            assert_eq!(found.missing, ["05"], "{why}");
            assert!(found.notes[0].contains(why), "{why}: {}", found.notes[0]);
            assert!(
                found.notes[0].contains("run chapter 05"),
                "{}",
                found.notes[0]
            );
        }
        fs::write(&path, b"\xff\xfe").unwrap();
        assert_eq!(read(folder.path(), &["05"], HERE).notes.len(), 1);
        // A file that is no use is in nobody's way.
        assert_eq!(good(), whole);
        fs::remove_file(&path).unwrap();
        fs::create_dir(&path).unwrap();
        assert!(read(folder.path(), &["05"], HERE).notes[0].contains("not a file"));
        let line = write();
        assert!(line.contains("results not kept"), "{line}");
    }

    #[test]
    fn nothing_is_written_outside_of_the_folder() {
        let folder = scratch();
        let inner = folder.path().join("results");
        for name in ["../outside", "", "a/b", "."] {
            let line = keep(&inner, name, Size::Full, HERE, &[kept("a", &[2.0], &[1.0])]);
            assert!(line.contains("not a chapter's name"), "{line}");
            assert_eq!(read(&inner, &[name], HERE).notes.len(), 1);
        }
        assert!(fs::read_dir(folder.path()).unwrap().next().is_none());
    }

    #[test]
    fn of_many_writers_one_whole_file_remains() {
        let folder = scratch();
        std::thread::scope(|scope| {
            for writer in 1..=8 {
                let folder = folder.path();
                let slow = vec![f64::from(writer); 1000 * writer as usize];
                scope.spawn(move || {
                    keep(folder, "05", Size::Full, HERE, &[kept("a", &slow, &[1.0])])
                });
            }
        });
        let found = read(folder.path(), &["05"], HERE);
        let runs = &found.get("05", "a").expect("a whole file").baseline.wall;
        assert_eq!(runs.len(), 1000 * runs[0] as usize);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }
}

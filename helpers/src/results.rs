//! What a chapter measured, kept for the last chapter, which puts all of it into one figure.
//!
//! Results keep themselves: a comparison's [`claim`](Claim::claim) keeps its pair, under the chapter
//! that runs and with a label of its own. The last chapter reads them with [`kept_results`]. What
//! cannot be kept or read is told in a line, and the notebook goes on.

use measure::{Comparison, Expectation, Timing};
use platform::dates::today;
use platform::machine::machine;
use platform::names;
use platform::paths;
use platform::size::{Size, size};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::io::ErrorKind;
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
    /// Of which size of run; numbers of a small one mean little.
    pub size: Size,
    /// When it was measured, such as `20 Nov 2026`.
    pub date: String,
}

impl Kept {
    /// A result from two timings of this run.
    ///
    /// ```
    /// # let timing = |name: &str, wall: &[f64]| measure::Timing::of_wall(name, wall.to_vec());
    /// use helpers::results::Kept;
    ///
    /// let (one, four) = (timing("1 toaster", &[8.0]), timing("4 toasters", &[2.0]));
    /// let result = Kept::new("toasters", &one, &four);
    /// assert_eq!(result.label(), "1 toaster → 4 toasters");
    /// assert_eq!(result.speedup(), 4.0);
    /// ```
    pub fn new(key: &str, baseline: &Timing, variant: &Timing) -> Kept {
        Kept {
            key: key.to_owned(),
            baseline: baseline.clone(),
            variant: variant.clone(),
            size: size(),
            date: today(),
        }
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

    /// Whether both sides have runs, and each took some time.
    fn is_sound(&self) -> bool {
        let timed = |t: &Timing| !t.wall.is_empty() && t.wall.iter().all(|&t| t > 0.0);
        timed(&self.baseline) && timed(&self.variant) && self.speedup().is_finite()
    }
}

/// A comparison about which something is claimed, which keeps the result.
pub trait Claim {
    /// Prints whether an expectation holds on this machine: `✓`, `✗`, or `–` where it cannot be
    /// told, with the numbers; see [`Comparison::judge`]. The pair is kept for the last chapter, as
    /// `title: slow → fast`, if this notebook is a chapter and both were measured.
    fn claim(&self, what: &str, expected: Expectation);
}

impl<T> Claim for Comparison<T> {
    fn claim(&self, what: &str, expected: Expectation) {
        let (holds, why) = self.judge(&expected);
        measure::claim(what, holds, &why);
        let [fast, slow] = expected.names();
        if let (Some(chapter), Some(fast), Some(slow)) =
            (chapter(), self.find(fast), self.find(slow))
        {
            let mut result = Kept::new("", slow, fast);
            result.key = format!("{}: {}", self.title(), result.label());
            if let Err(why) = keep(&paths::results_dir(), &chapter, &here(), result) {
                println!("– not kept for the last chapter: {why}");
            }
        }
    }
}

/// The name of the notebook that runs, without its ending, if it has one that begins like a
/// chapter's: two digits. Jupyter tells its kernels.
fn chapter() -> Option<String> {
    let notebook = PathBuf::from(std::env::var_os(names::NOTEBOOK)?);
    let name = notebook.file_stem()?.to_str()?.to_owned();
    let digits = name.bytes().take_while(u8::is_ascii_digit).count();
    (digits == 2).then_some(name)
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

/// The results of one chapter.
#[derive(Debug, Clone)]
pub struct ChapterResults {
    /// The notebook's name without its ending.
    pub chapter: String,
    /// When the last of them was measured.
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
        self.chapters.iter().flat_map(move |c| c.results.iter().map(of(c)))
    }
}

impl fmt::Display for KeptResults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for found in &self.chapters {
            let count = found.results.len();
            let plural = if count == 1 { "" } else { "s" };
            let small = found.results.iter().filter(|kept| kept.size == Size::Small).count();
            let small = match small {
                0 => String::new(),
                _ => format!(", {small} of a small run: only a quick look"),
            };
            let (chapter, date) = (&found.chapter, &found.date);
            writeln!(f, "✓ {chapter}: {count} result{plural}, {date}{small}")?;
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
    machine: String,
    results: Vec<WrittenResult>,
}

#[derive(Serialize, Deserialize)]
struct WrittenResult {
    key: String,
    size: Size,
    date: String,
    baseline: Runs,
    variant: Runs,
}

#[derive(Serialize, Deserialize)]
struct Runs {
    name: String,
    seconds: Vec<f64>,
}

impl From<&Timing> for Runs {
    fn from(timing: &Timing) -> Runs {
        let (name, seconds) = (timing.name.clone(), timing.wall.clone());
        Runs { name, seconds }
    }
}

impl From<Runs> for Timing {
    fn from(runs: Runs) -> Timing {
        Timing::of_wall(&runs.name, runs.seconds)
    }
}

/// Raised when the file's form changes, so that an old one is told from a damaged one.
const FORMAT: u32 = 2;

/// Whose numbers they are.
fn here() -> String {
    machine().name()
}

/// A name that stays in the folder.
fn file(folder: &Path, chapter: &str) -> Result<PathBuf, String> {
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '-';
    match !chapter.is_empty() && chapter.chars().all(plain) {
        true => Ok(folder.join(format!("{chapter}.json"))),
        false => Err(format!("“{chapter}” is not a chapter's name")),
    }
}

/// Writes a result beside those that are there, if it was measured. What is there under its key is
/// replaced, but not that of a full run by one of a small.
fn keep(folder: &Path, chapter: &str, machine: &str, new: Kept) -> Result<(), String> {
    let path = file(folder, chapter)?;
    if !new.is_sound() {
        return Ok(());
    }
    // What is of no use to a reader is of no use here either.
    let mut all = load(&path, chapter, machine).ok().flatten().unwrap_or_default();
    match all.iter_mut().find(|old| old.key == new.key) {
        Some(old) if new.size == Size::Full || old.size == Size::Small => *old = new,
        Some(_) => {}
        None => all.push(new),
    }
    let written = |kept: Kept| WrittenResult {
        baseline: Runs::from(&kept.baseline),
        variant: Runs::from(&kept.variant),
        key: kept.key,
        size: kept.size,
        date: kept.date,
    };
    let written = Written {
        format: FORMAT,
        machine: machine.to_owned(),
        results: all.into_iter().map(written).collect(),
    };
    let bytes = serde_json::to_vec_pretty(&written).expect("names and numbers become JSON");
    std::fs::create_dir_all(folder)
        .and_then(|()| paths::write_whole(&path, &bytes))
        .map_err(|why| why.to_string())
}

fn read(folder: &Path, chapters: &[&str], machine: &str) -> KeptResults {
    let mut found = KeptResults::default();
    for &chapter in chapters {
        let loaded = file(folder, chapter).and_then(|path| load(&path, chapter, machine));
        match loaded {
            Ok(Some(results)) => {
                found.chapters.push(ChapterResults {
                    chapter: chapter.to_owned(),
                    date: results.last().map_or(String::new(), |kept| kept.date.clone()),
                    results,
                });
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
fn load(path: &Path, chapter: &str, machine: &str) -> Result<Option<Vec<Kept>>, String> {
    let again = format!("run chapter {chapter} and it is written anew");
    let unusable = |why: &str| format!("{}: {why}; {again}", paths::shown(path));
    let text = match std::fs::read_to_string(path) {
        Ok(text) => text,
        Err(why) if why.kind() == ErrorKind::NotFound => return Ok(None),
        Err(why) => return Err(unusable(&format!("cannot be read ({why})"))),
    };
    let value: serde_json::Value =
        serde_json::from_str(&text).map_err(|_| unusable("is damaged"))?;
    if value["format"].as_u64() != Some(u64::from(FORMAT)) {
        return Err(unusable("is not a file of results, or of another version of this workbook"));
    }
    let written: Written = serde_json::from_value(value).map_err(|_| unusable("is damaged"))?;
    if written.machine != machine {
        let other = format!("was measured on another machine ({})", written.machine);
        return Err(unusable(&other));
    }
    let kept = |result: WrittenResult| Kept {
        key: result.key,
        baseline: result.baseline.into(),
        variant: result.variant.into(),
        size: result.size,
        date: result.date,
    };
    let results: Vec<Kept> = written.results.into_iter().map(kept).collect();
    match !results.is_empty() && results.iter().all(Kept::is_sound) {
        true => Ok(Some(results)),
        false => Err(unusable("is damaged")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    const HERE: &str = "2 cores · a processor";

    fn kept(key: &str, slow: &[f64], fast: &[f64]) -> Kept {
        let timing = |name: &str, wall: &[f64]| Timing::of_wall(name, wall.to_vec());
        let mut kept = Kept::new(key, &timing("slow", slow), &timing("fast", fast));
        kept.size = Size::Full;
        kept
    }

    fn scratch() -> tempfile::TempDir {
        tempfile::tempdir().unwrap()
    }

    #[test]
    fn results_come_back_as_they_were_kept() {
        let folder = scratch();
        let folder = folder.path().join("not made yet");
        let threads = kept("threads", &[8.0, 8.2, 9.0], &[2.0, 2.0, 2.1]);
        for result in [threads, kept("worse", &[1.0], &[4.0])] {
            keep(&folder, "05-network-io", HERE, result).unwrap();
        }

        let found = read(&folder, &["01-loops", "05-network-io"], HERE);
        assert_eq!(found.missing, ["01-loops"]);
        assert!(found.notes.is_empty(), "{:?}", found.notes);
        let threads = found.get("05-network-io", "threads").unwrap();
        assert_eq!(threads.label(), "slow → fast");
        assert!((threads.speedup() - 4.1).abs() < 1e-12);
        assert_eq!(threads.range(), (8.0 / 2.1, 9.0 / 2.0));
        assert_eq!(found.get("05-network-io", "worse").unwrap().speedup(), 0.25);
        assert!(found.get("05-network-io", "other").is_none());
        assert!(found.get("01-loops", "threads").is_none());
        assert_eq!(found.all().count(), 2);
        let said = found.to_string();
        assert!(said.contains("05-network-io: 2 results, "), "{said}");
        assert!(said.contains("01-loops: no results on this machine yet"), "{said}");
        assert!(!said.contains("small"), "{said}");
    }

    #[test]
    fn a_small_result_is_named_and_never_takes_the_place_of_a_full_one() {
        let folder = scratch();
        let keep = |size, seconds: f64| {
            let mut result = kept("a", &[seconds], &[1.0]);
            result.size = size;
            keep(folder.path(), "06", HERE, result).unwrap()
        };
        let speedup = || read(folder.path(), &["06"], HERE).get("06", "a").unwrap().speedup();
        keep(Size::Small, 2.0);
        let said = read(folder.path(), &["06"], HERE).to_string();
        assert!(said.contains("1 result, ") && said.contains(", 1 of a small run: only"), "{said}");
        keep(Size::Full, 3.0);
        keep(Size::Small, 4.0);
        assert!(!read(folder.path(), &["06"], HERE).to_string().contains("small"));
        assert_eq!(speedup(), 3.0);
        keep(Size::Full, 5.0);
        assert_eq!(speedup(), 5.0);
    }

    #[test]
    fn a_result_joins_those_that_are_there() {
        let folder = scratch();
        for (key, slow) in [("a", 2.0), ("b", 3.0), ("a", 4.0)] {
            keep(folder.path(), "01", HERE, kept(key, &[slow], &[1.0])).unwrap();
        }
        let found = read(folder.path(), &["01"], HERE);
        let speedups: Vec<f64> = found.all().map(|(_, kept)| kept.speedup()).collect();
        assert_eq!(speedups, [4.0, 3.0]);
    }

    #[test]
    fn what_was_not_measured_is_left_out() {
        let folder = scratch();
        let results = [
            kept("no runs", &[], &[1.0]),
            kept("endless", &[f64::INFINITY], &[1.0]),
            kept("sound", &[1.0], &[1.0]),
        ];
        for result in results {
            keep(folder.path(), "04", HERE, result).unwrap();
        }
        let found = read(folder.path(), &["04"], HERE);
        assert_eq!(found.all().count(), 1);
        assert!(found.get("04", "sound").is_some());
    }

    #[test]
    fn a_file_that_is_no_use_is_explained_and_replaced() {
        let folder = scratch();
        let path = folder.path().join("05.json");
        let write = || keep(folder.path(), "05", HERE, kept("a", &[2.0], &[1.0]));
        let good = || {
            write().unwrap();
            fs::read_to_string(&path).unwrap()
        };
        let whole = good();
        let cases = [
            (String::new(), "is damaged"),
            (whole[..whole.len() / 2].to_owned(), "is damaged"),
            ("[1, 2]".to_owned(), "not a file of results"),
            (whole.replace("\"format\": 2", "\"format\": 1"), "another version"),
            (whole.replace("2 cores", "64 cores"), "another machine (64 cores"),
            (whole.replace("2.0", "-2.0"), "is damaged"),
            (whole.replace("2.0", "0.0"), "is damaged"),
            (whole.replace("2.0", "1e999"), "is damaged"),
            (whole.replace("seconds", "hours"), "is damaged"),
        ];
        for (text, why) in cases {
            fs::write(&path, text).unwrap();
            let found = read(folder.path(), &["05"], HERE);
            assert_eq!(found.missing, ["05"], "{why}");
            assert!(found.notes[0].contains(why), "{why}: {}", found.notes[0]);
            assert!(found.notes[0].contains("run chapter 05"), "{}", found.notes[0]);
        }
        fs::write(&path, b"\xff\xfe").unwrap();
        assert_eq!(read(folder.path(), &["05"], HERE).notes.len(), 1);
        // A file that is no use is in nobody's way.
        assert_eq!(good(), whole);
        fs::remove_file(&path).unwrap();
        fs::create_dir(&path).unwrap();
        assert_eq!(read(folder.path(), &["05"], HERE).notes.len(), 1);
        assert!(write().is_err());
    }

    #[test]
    fn nothing_is_written_outside_of_the_folder() {
        let folder = scratch();
        let inner = folder.path().join("results");
        for name in ["../outside", "", "a/b", "."] {
            let why = keep(&inner, name, HERE, kept("a", &[2.0], &[1.0])).unwrap_err();
            assert!(why.contains("not a chapter's name"), "{why}");
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
                scope.spawn(move || keep(folder, "05", HERE, kept("a", &slow, &[1.0])).unwrap());
            }
        });
        let found = read(folder.path(), &["05"], HERE);
        let runs = &found.get("05", "a").expect("a whole file").baseline.wall;
        assert_eq!(runs.len(), 1000 * runs[0] as usize);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }
}

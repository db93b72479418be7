//! Weather readings as JSON lines: a set that is written once, in parallel, and kept.
//!
//! The talk's "small big data" needs a file that is larger than one likes to load. This one is
//! invented, and the same on every machine: no generator state goes from one reading to the next,
//! so its files can be written at the same time.

use platform::chance::mix;
use platform::dates::dates;
use platform::paths::{data_dir, remove, shown};
use platform::progress::Progress;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use std::f64::consts::PI;
use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::ops::Range;
use std::path::{Path, PathBuf};
use thiserror::Error;

/// Enough parts for the engines that take one file as one task.
const FILES: u64 = 16;

const STATIONS: [&str; 17] = [
    "S109", "S106", "S107", "S43", "S24", "S117", "S06", "S44", "S50", "S60", "S100", "S102",
    "S104", "S111", "S115", "S116", "S121",
];

const PLACES: u64 = STATIONS.len() as u64;
const MINUTES_APART: u64 = 5;
const TIMES_A_DAY: u64 = 24 * 60 / MINUTES_APART;
const FIRST_DAY: &str = "2020-07-01";
const SEED: u64 = 2020;

/// What to count on for one line; only for messages.
const BYTES_A_ROW: u64 = 84;

/// A folder of weather readings: 16 files of JSON lines, in the order of time.
///
/// A line is one reading of one station, in degrees Celsius with one decimal and percent of
/// relative humidity:
///
/// ```text
/// {"station":"S109","time":"2020-07-01T00:05:00+08:00","celsius":27.4,"humidity":81}
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReadingSet {
    folder: PathBuf,
    files: Vec<PathBuf>,
    days: u64,
    rows: u64,
    bytes: u64,
}

/// About `rows` weather readings; they are written the first time they are asked for, and kept.
///
/// 17 stations are read every 5 minutes, so 5,000 rows are about a day. In about one hour of 60 a
/// station is silent, so there are a few less than asked for; [`ReadingSet::rows`] tells. A row
/// takes about 84 bytes: 3 million are 250 MB. Each number of rows has a folder of its own.
///
/// # Errors
///
/// [`ReadingsError`] where they cannot be written, as on a full disk. Nothing is left then.
pub fn readings(rows: u64) -> Result<ReadingSet, ReadingsError> {
    // Other lines need a new folder name.
    readings_in(&data_dir().join("readings-v1"), rows)
}

impl ReadingSet {
    /// The files, from the earliest readings to the latest. A day may end in the middle of one.
    pub fn files(&self) -> &[PathBuf] {
        &self.files
    }

    /// The folder with the files and nothing else in it.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// How many readings there are.
    pub fn rows(&self) -> u64 {
        self.rows
    }

    /// How many bytes the files have, all together.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// What there is: readings, days, bytes, and where they are kept.
    pub fn describe(&self) -> String {
        let days = dates(FIRST_DAY, self.days as usize);
        let (first, last) = match (days.first(), days.last()) {
            (Some(first), Some(last)) => (first.as_str(), last.as_str()),
            _ => ("no day", "no day"),
        };
        format!(
            "readings {} of {} stations, {MINUTES_APART} minutes apart, some missing\n\
             days     {} from {first} to {last}\n\
             bytes    {:.1} MB in {} files\n\
             source   synthetic, kept in {}",
            self.rows,
            STATIONS.len(),
            self.days,
            self.bytes as f64 / 1e6,
            self.files.len(),
            shown(&self.folder),
        )
    }
}

/// Why the readings could not be written.
#[derive(Debug, Error)]
#[error(
    "{place} cannot be written: {source}. The readings need about {} MB there. Free some on that \
     disk, or let `cargo workbook clean` remove what the workbook has made, or ask for fewer rows, \
     and run the cell again.",
    (.needed / 1_000_000).max(1)
)]
pub struct ReadingsError {
    /// Where they were to be written.
    pub place: PathBuf,
    /// The system's reason.
    pub source: io::Error,
    /// About how many bytes they take.
    pub needed: u64,
}

/// What each file was when it was written. It lies beside the folder, and is written last: a
/// folder without one is not complete.
#[derive(Serialize, Deserialize, PartialEq)]
struct Stamp {
    rows: Vec<u64>,
    bytes: Vec<u64>,
}

fn readings_in(place: &Path, rows: u64) -> Result<ReadingSet, ReadingsError> {
    let stamp = match kept(place, rows) {
        Some(stamp) => stamp,
        None => make(place, rows).map_err(|source| ReadingsError {
            place: place.to_owned(),
            source,
            needed: rows * BYTES_A_ROW,
        })?,
    };
    let folder = place.join(rows.to_string());
    Ok(ReadingSet {
        files: (0..FILES).map(|part| file(&folder, part)).collect(),
        folder,
        days: rows.div_ceil(TIMES_A_DAY * PLACES),
        rows: stamp.rows.iter().sum(),
        bytes: stamp.bytes.iter().sum(),
    })
}

fn file(folder: &Path, part: u64) -> PathBuf {
    folder.join(format!("part-{part:02}.jsonl"))
}

fn stamp_of(place: &Path, rows: u64) -> PathBuf {
    place.join(format!("{rows}.json"))
}

/// The stamp, if all files are there and have the lengths that it says.
fn kept(place: &Path, rows: u64) -> Option<Stamp> {
    let stamp: Stamp = serde_json::from_slice(&fs::read(stamp_of(place, rows)).ok()?).ok()?;
    let folder = place.join(rows.to_string());
    let length = |part| file(&folder, part).metadata().map_or(0, |about| about.len());
    let lengths: Vec<u64> = (0..FILES).map(length).collect();
    (stamp.bytes == lengths).then_some(stamp)
}

/// Writes all files into a folder aside, which gets its name when they are complete.
fn make(place: &Path, rows: u64) -> io::Result<Stamp> {
    fs::create_dir_all(place)?;
    // Two notebooks may start at the same time. Where the file system knows no locks, both write,
    // and nothing worse: the lines are the same.
    let lock = File::create(place.join(".lock"))?;
    let _ = lock.lock();
    if let Some(stamp) = kept(place, rows) {
        return Ok(stamp);
    }
    let (folder, aside) = (place.join(rows.to_string()), place.join(format!("{rows}.part")));
    println!("writing {rows} weather readings, once, in {}", shown(&folder));
    let made = write_files(&aside, rows).and_then(|stamp| {
        remove(&folder)?;
        fs::rename(&aside, &folder)?;
        fs::write(stamp_of(place, rows), serde_json::to_vec(&stamp)?)?;
        Ok(stamp)
    });
    if made.is_err() {
        // The first error is the one to tell.
        let _ = (remove(&aside), remove(&folder));
        let _ = fs::remove_file(stamp_of(place, rows));
    }
    made
}

fn write_files(folder: &Path, rows: u64) -> io::Result<Stamp> {
    // Left by a run that was stopped.
    remove(folder)?;
    fs::create_dir(folder)?;
    let weather = Weather::new(rows);
    let progress = Progress::new("files", FILES as usize);
    let parts: Vec<u64> = (0..FILES).collect();
    let written: Vec<(u64, u64)> = parts
        .into_par_iter()
        .with_max_len(1)
        .map(|part| {
            let path = file(folder, part);
            let slots = part * rows / FILES..(part + 1) * rows / FILES;
            let mut out = BufWriter::with_capacity(1 << 20, File::create(&path)?);
            let count = weather.write(slots, &mut out)?;
            out.flush()?;
            progress.tick();
            Ok((count, path.metadata()?.len()))
        })
        .collect::<io::Result<_>>()?;
    let (rows, bytes) = written.into_iter().unzip();
    Ok(Stamp { rows, bytes })
}

/// The readings of all stations at all times, one after the other: slot 0 is the first station's
/// first, slot 17 its second. Temperatures are in tenths of a degree.
struct Weather {
    days: Vec<Day>,
    /// How much warmer than the day's mean it is, at each of a day's times.
    curve: Vec<i64>,
}

struct Day {
    date: String,
    warmer: i64,
    /// When an afternoon's shower begins, as one of the day's times, and what it takes at first.
    shower: Option<(u64, i64)>,
}

/// How long after a shower it is cooler, in times: three hours.
const COOLER: u64 = 36;

impl Weather {
    fn new(rows: u64) -> Weather {
        let count = rows.div_ceil(TIMES_A_DAY * PLACES);
        let day = |(day, date): (u64, String)| Day {
            date,
            warmer: draw([day, 0, 1], -8..9),
            shower: (draw([day, 0, 2], 0..10) < 4)
                .then(|| (draw([day, 0, 3], 150..205) as u64, draw([day, 0, 4], 20..46))),
        };
        let curve = |time: u64| {
            // Coolest at half past six, warmest at two in the afternoon.
            let hour = (time * MINUTES_APART) as f64 / 60.0;
            let part = match hour {
                6.5..14.0 => -((hour - 6.5) / 7.5 * PI).cos(),
                _ => (((hour + 10.0) % 24.0) / 16.5 * PI).cos(),
            };
            (30.0 * part).round() as i64
        };
        Weather {
            days: (0..count).zip(dates(FIRST_DAY, count as usize)).map(day).collect(),
            curve: (0..TIMES_A_DAY).map(curve).collect(),
        }
    }

    /// Writes the lines of some slots, and returns how many there were.
    fn write(&self, slots: Range<u64>, out: &mut impl Write) -> io::Result<u64> {
        let mut count = 0;
        for slot in slots {
            let (station, step) = (slot % PLACES, slot / PLACES);
            let (day, time) = (step / TIMES_A_DAY, step % TIMES_A_DAY);
            let (hour, minute) = (time * MINUTES_APART / 60, time * MINUTES_APART % 60);
            let is_silent = draw([day, station, 100 + hour], 0..60) == 0;
            if is_silent {
                continue;
            }
            let tenths = self.tenths(day, station, time);
            let humidity = (81 - (tenths - 274) * 9 / 20 + draw([slot, 0, 6], -3..4)).min(100);
            writeln!(
                out,
                "{{\"station\":\"{}\",\"time\":\"{}T{hour:02}:{minute:02}:00+08:00\",\
                 \"celsius\":{}.{},\"humidity\":{humidity}}}",
                STATIONS[station as usize],
                self.days[day as usize].date,
                tenths / 10,
                tenths % 10,
            )?;
            count += 1;
        }
        Ok(count)
    }

    fn tenths(&self, day: u64, station: u64, time: u64) -> i64 {
        let slot = (day * TIMES_A_DAY + time) * PLACES + station;
        let about = &self.days[day as usize];
        let cooler = match about.shower {
            Some((start, most)) if (start..start + COOLER).contains(&time) => {
                most * (start + COOLER - time) as i64 / COOLER as i64
            }
            _ => 0,
        };
        let (place, noise) = (draw([0, station, 5], -7..8), draw([slot, 0, 7], -4..5));
        274 + about.warmer + self.curve[time as usize] - cooler + place + noise
    }
}

/// A number of `range` that depends on nothing but the three words: splitmix64 over them.
fn draw(words: [u64; 3], range: Range<i64>) -> i64 {
    let mixed = words.into_iter().fold(SEED, |sum, word| mix(sum ^ word));
    range.start + (mixed % (range.end - range.start) as u64) as i64
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[derive(Deserialize)]
    struct Line {
        station: String,
        time: String,
        celsius: f64,
        humidity: u8,
    }

    fn text(set: &ReadingSet) -> String {
        let files = set.files().iter();
        files.map(|f| fs::read_to_string(f).unwrap()).collect()
    }

    fn everything_in(folder: &Path) -> BTreeSet<String> {
        let entries = fs::read_dir(folder).unwrap();
        let name = |entry: io::Result<fs::DirEntry>| entry.unwrap().file_name();
        entries.map(|entry| name(entry).into_string().unwrap()).collect()
    }

    #[test]
    fn every_line_is_a_reading_that_could_be_true() {
        let folder = tempfile::tempdir().unwrap();
        let set = readings_in(folder.path(), 20_000).unwrap();
        let text = text(&set);
        let lines: Vec<Line> =
            text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(lines.len() as u64, set.rows());
        assert_eq!(text.len() as u64, set.bytes());
        assert!((19_000..20_000).contains(&lines.len()), "{}", lines.len());
        assert!(text.starts_with("{\"station\":\"S109\",\"time\":\"2020-07-01T00:00:00+08:00\","));
        assert!(lines.windows(2).all(|pair| pair[0].time <= pair[1].time));
        assert!(lines.iter().all(|l| (20.0..35.0).contains(&l.celsius)));
        assert!(lines.iter().all(|l| (40..=100).contains(&l.humidity)));
        let stations: BTreeSet<&str> = lines.iter().map(|l| l.station.as_str()).collect();
        assert_eq!(stations.len(), STATIONS.len());
        let days: BTreeSet<&str> = lines.iter().map(|l| &l.time[..10]).collect();
        assert!(set.describe().contains(days.last().unwrap()), "{set:?}");
    }

    #[test]
    fn the_files_are_of_like_size_and_alone_in_their_folder() {
        let folder = tempfile::tempdir().unwrap();
        let set = readings_in(folder.path(), 16_000).unwrap();
        let names = everything_in(set.folder());
        assert_eq!(names.len(), 16);
        assert!(names.first().unwrap() == "part-00.jsonl" && names.contains("part-15.jsonl"));
        for file in set.files() {
            let share = file.metadata().unwrap().len() as f64 / set.bytes() as f64;
            assert!((0.05..0.075).contains(&share), "{}: {share}", file.display());
        }
    }

    #[test]
    fn they_are_the_same_each_time_and_a_larger_set_begins_like_a_smaller_one() {
        let (one, two) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let first = text(&readings_in(one.path(), 3_000).unwrap());
        assert_eq!(first, text(&readings_in(two.path(), 3_000).unwrap()));
        let larger = text(&readings_in(one.path(), 4_000).unwrap());
        assert!(larger.len() > first.len() && larger.starts_with(&first));
    }

    #[test]
    fn they_are_kept_and_what_was_damaged_is_written_again() {
        let folder = tempfile::tempdir().unwrap();
        let make = || readings_in(folder.path(), 2_000).unwrap();
        let set = make();
        let time = || set.files()[3].metadata().unwrap().modified().unwrap();
        let (first, whole) = (time(), text(&set));
        assert_eq!(make(), set);
        assert_eq!(time(), first);

        fs::write(&set.files()[7], "half a li").unwrap();
        assert_eq!(text(&make()), whole);
        fs::remove_file(&set.files()[0]).unwrap();
        assert_eq!(text(&make()), whole);
        fs::write(stamp_of(folder.path(), 2_000), "no stamp").unwrap();
        fs::create_dir(folder.path().join("2000.part")).unwrap();
        assert_eq!(text(&make()), whole);
        let left = everything_in(folder.path());
        assert_eq!(left.iter().collect::<Vec<_>>(), [".lock", "2000", "2000.json"]);
    }

    #[test]
    fn two_first_runs_at_once_make_one_set() {
        let folder = tempfile::tempdir().unwrap();
        let make = || readings_in(folder.path(), 2_000).unwrap();
        let sets: Vec<ReadingSet> = std::thread::scope(|scope| {
            let runs: Vec<_> = (0..3).map(|_| scope.spawn(make)).collect();
            runs.into_iter().map(|run| run.join().unwrap()).collect()
        });
        assert!(sets.iter().all(|set| *set == sets[0]));
        assert_eq!(text(&sets[0]).lines().count() as u64, sets[0].rows());
    }

    #[test]
    fn no_rows_are_a_set_too() {
        let folder = tempfile::tempdir().unwrap();
        let set = readings_in(folder.path(), 0).unwrap();
        assert_eq!((set.rows(), set.bytes(), set.files().len()), (0, 0, 16));
        assert!(set.describe().contains("0 of 17 stations"), "{set:?}");
    }

    #[test]
    fn a_place_that_cannot_be_written_is_named_and_nothing_is_left() {
        let folder = tempfile::tempdir().unwrap();
        // Readings aside cannot get their name: a file is in the way of the folder.
        fs::write(folder.path().join("2000"), "a file in the way").unwrap();
        let error = readings_in(folder.path(), 2_000).unwrap_err();
        assert_eq!(error.place, folder.path());
        assert!(error.to_string().contains("about 1 MB"), "{error}");
        assert!(error.to_string().contains("cargo workbook clean"), "{error}");
        let left = everything_in(folder.path());
        assert_eq!(left.iter().collect::<Vec<_>>(), [".lock", "2000"]);
    }
}

//! Days that were fetched, in a folder.

use super::day::Day;
use platform::dates::{days_since_1970, today_in_singapore as today};
use platform::paths;
use std::fs;
use std::io;
use std::path::PathBuf;

/// A folder with a file for each day.
#[derive(Debug)]
pub struct Keep {
    folder: PathBuf,
}

impl Keep {
    pub fn new(folder: PathBuf) -> Keep {
        Keep { folder }
    }

    /// A day's file; none for what is no date, which might lie outside of the folder.
    fn file(&self, date: &str) -> Option<PathBuf> {
        days_since_1970(date)?;
        Some(self.folder.join(format!("{date}.json")))
    }

    /// A day that is kept. A file that is damaged counts as missing.
    pub fn day(&self, date: &str) -> Option<Day> {
        let bytes = fs::read(self.file(date)?).ok()?;
        let day: Day = serde_json::from_slice(&bytes).ok()?;
        let places = day.stations.len();
        let sound = day.readings.iter().all(|r| usize::from(r.station) < places);
        (day.date == date && sound).then_some(day)
    }

    /// Keeps a day, unless it is not over yet: the service will know more of it later.
    pub fn put(&self, day: &Day) -> io::Result<()> {
        let file = self.file(&day.date).filter(|_| day.date < today());
        let Some(file) = file else {
            return Ok(());
        };
        fs::create_dir_all(&self.folder)?;
        paths::write_whole(&file, &serde_json::to_vec(day)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Reading;

    #[test]
    fn days_come_back_and_damaged_ones_do_not() {
        let folder = tempfile::tempdir().unwrap();
        let keep = Keep::new(folder.path().join("days"));
        let mut day = Day { date: "2020-09-06".into(), stations: Vec::new(), readings: Vec::new() };
        assert_eq!(keep.day("2020-09-06"), None);
        keep.put(&day).unwrap();
        assert_eq!(keep.day("2020-09-06").as_ref(), Some(&day));
        day.readings.push(Reading { minute: 0, station: 0, celsius: 1.0 });
        keep.put(&day).unwrap();
        assert_eq!(keep.day("2020-09-06"), None, "a reading without a station");
        fs::write(keep.file("2020-09-06").unwrap(), "{").unwrap();
        assert_eq!(keep.day("2020-09-06"), None);
        day.date = today();
        keep.put(&day).unwrap();
        assert_eq!(keep.day(&day.date), None, "today is not over");
        assert_eq!(keep.day("../days/2020-09-06"), None);
        day.date = "../outside".into();
        keep.put(&day).unwrap();
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }
}

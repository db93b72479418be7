//! Temperatures that could have been measured, in the formats of data.gov.sg.

use platform::chance::{chance, number_of};
use std::f64::consts::PI;
use std::fmt::Write;

/// A version of the format of data.gov.sg.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Version {
    /// A day in one piece.
    V1,
    /// A day in pages.
    V2,
}

/// Id, name, latitude and longitude. Ids, names and places are those of the real service as far
/// as they were known; a station that is some hundred metres off does not matter here.
pub const STATIONS: [(&str, &str, f64, f64); 17] = [
    ("S109", "Ang Mo Kio Avenue 5", 1.3764, 103.8492),
    ("S106", "Pulau Ubin", 1.4168, 103.9673),
    ("S107", "East Coast Parkway", 1.3133, 103.962),
    ("S43", "Kim Chuan Road", 1.3406, 103.8882),
    ("S24", "Upper Changi Road North", 1.3678, 103.9823),
    ("S117", "Banyan Road", 1.256, 103.679),
    ("S06", "Paya Lebar", 1.357, 103.904),
    ("S44", "Nanyang Avenue", 1.3458, 103.6817),
    ("S50", "Clementi Road", 1.3337, 103.7768),
    ("S60", "Sentosa", 1.25, 103.8279),
    ("S100", "Woodlands Road", 1.4172, 103.7486),
    ("S102", "Semakau Landing Site", 1.189, 103.768),
    ("S104", "Woodlands Avenue 9", 1.4439, 103.7854),
    ("S111", "Scotts Road", 1.3106, 103.8365),
    ("S115", "Tuas South Avenue 3", 1.2938, 103.6184),
    ("S116", "West Coast Highway", 1.281, 103.754),
    ("S121", "Old Choa Chu Kang Road", 1.3729, 103.7224),
];

const MINUTES: u32 = 24 * 60;

/// What makes the temperatures of one date: the same for the same seed and date.
struct Weather {
    seed: u64,
    date: u64,
    /// Degrees by which the whole day is warmer.
    warmer: f64,
    /// Degrees between the mean of a day and its warmest hour.
    swing: f64,
    /// The minute in which an afternoon's shower begins, and how many degrees it takes.
    shower: Option<(f64, f64)>,
}

impl Weather {
    fn of(seed: u64, date: &str) -> Weather {
        let date = number_of(date);
        let draw = |what: u64| chance(seed, &[date, what]);
        Weather {
            seed,
            date,
            warmer: 1.6 * draw(1) - 0.8,
            swing: 2.4 + 1.2 * draw(2),
            shower: (draw(3) < 0.4).then(|| (60.0 * (12.5 + 4.5 * draw(4)), 2.0 + 2.5 * draw(5))),
        }
    }

    /// Degrees Celsius at a station, in tenths.
    fn tenths(&self, station: usize, minute: u32) -> i64 {
        let hour = f64::from(minute) / 60.0;
        // Coolest at half past six, warmest at two in the afternoon.
        let curve = match hour {
            6.5..14.0 => -((hour - 6.5) / 7.5 * PI).cos(),
            _ => (((hour + 24.0 - 14.0) % 24.0) / 16.5 * PI).cos(),
        };
        let place = 1.4 * chance(self.seed, &[station as u64, 6]) - 0.7;
        // Halfway between two draws of neighbouring hours: slow, without steps.
        let drift = |hour: u32| chance(self.seed, &[self.date, station as u64, hour.into(), 7]);
        let (whole, part) = (minute / 60, hour.fract());
        let noise = drift(whole) * (1.0 - part) + drift(whole + 1) * part - 0.5;
        let cooler = self.shower.map_or(0.0, |(start, degrees)| {
            // It reaches the east a little later than the west.
            let start = start + (STATIONS[station].3 - 103.6) * 120.0;
            let since = f64::from(minute) - start;
            match since {
                0.0.. => degrees * (since / 15.0).min(1.0) * (-since / 150.0).exp(),
                _ => 0.0,
            }
        });
        let celsius = 27.4 + self.warmer + self.swing * curve + place + noise - cooler;
        (10.0 * celsius).round() as i64
    }
}

/// The minutes of a day that have readings.
fn minutes(interval: u32) -> impl Iterator<Item = u32> {
    (0..MINUTES).step_by(interval.clamp(1, MINUTES) as usize)
}

/// How many times of day have readings.
pub fn items(interval: u32) -> usize {
    minutes(interval).count()
}

/// The stations as JSON; the versions name a station's device differently.
fn stations(device: &str) -> String {
    let stations = STATIONS.map(|(id, name, latitude, longitude)| {
        format!(
            r#"{{"id":"{id}","{device}":"{id}","name":"{name}","location":{{"latitude":{latitude},"longitude":{longitude}}}}}"#
        )
    });
    stations.join(",")
}

/// Adds the readings of these minutes as JSON; the versions name the list and a reading's station
/// differently.
fn add_readings(
    json: &mut String,
    [list, station]: [&str; 2],
    seed: u64,
    date: &str,
    minutes: impl Iterator<Item = u32>,
) {
    let weather = Weather::of(seed, date);
    json.reserve(700 * minutes.size_hint().0 + 200);
    for (index, minute) in minutes.enumerate() {
        let comma = if index > 0 { "," } else { "" };
        let (hour, past) = (minute / 60, minute % 60);
        // Writing to a String cannot fail.
        let _ = write!(
            json,
            r#"{comma}{{"timestamp":"{date}T{hour:02}:{past:02}:00+08:00","{list}":["#
        );
        for (index, (id, ..)) in STATIONS.iter().enumerate() {
            let comma = if index > 0 { "," } else { "" };
            let tenths = weather.tenths(index, minute);
            let (whole, tenth) = (tenths / 10, tenths % 10);
            let _ = write!(json, r#"{comma}{{"{station}":"{id}","value":{whole}.{tenth}}}"#);
        }
        json.push_str("]}");
    }
}

/// A day as version 1 tells it.
pub fn version_1(seed: u64, interval: u32, date: &str) -> String {
    let mut json = format!(
        r#"{{"metadata":{{"stations":[{}],"reading_type":"DBT 1M F","reading_unit":"deg C"}},"items":["#,
        stations("device_id")
    );
    let names = ["readings", "station_id"];
    add_readings(&mut json, names, seed, date, minutes(interval));
    json.push_str(r#"],"api_info":{"status":"healthy"}}"#);
    json
}

/// A page of a day as version 2 tells it; `next` is the token of the page that follows.
pub fn version_2(
    seed: u64,
    interval: u32,
    date: &str,
    page: std::ops::Range<usize>,
    next: Option<&str>,
) -> String {
    let stations = stations("deviceId");
    let mut json = format!(r#"{{"code":0,"data":{{"stations":[{stations}],"readings":["#);
    let on_page = minutes(interval).skip(page.start).take(page.len());
    add_readings(&mut json, ["data", "stationId"], seed, date, on_page);
    json.push_str(r#"],"readingType":"DBT 1M F","readingUnit":"deg C""#);
    if let Some(token) = next {
        let _ = write!(json, r#","paginationToken":"{token}""#);
    }
    json.push_str(r#"},"errorMsg":null}"#);
    json
}

/// What the real service sometimes answers for days of which it has nothing.
pub fn empty(version: Version, one_blank_item: bool) -> &'static str {
    match (version, one_blank_item) {
        (Version::V1, false) => {
            r#"{"metadata":{"stations":[]},"items":[],"api_info":{"status":"healthy"}}"#
        }
        (Version::V1, true) => {
            r#"{"metadata":{"stations":[]},"items":[{"timestamp":"","readings":[]}],"api_info":{"status":"healthy"}}"#
        }
        (Version::V2, _) => {
            r#"{"code":0,"data":{"stations":[],"readings":[],"readingType":"DBT 1M F","readingUnit":"deg C"},"errorMsg":null}"#
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_are_cool_before_dawn_and_warm_at_two() {
        let mean = |hour: u32| {
            let all = (1..=28).flat_map(|day| {
                let weather = Weather::of(1, &format!("2020-09-{day:02}"));
                (0..STATIONS.len()).map(move |station| weather.tenths(station, 60 * hour))
            });
            let (count, sum) = all.fold((0, 0), |(count, sum), tenths| (count + 1, sum + tenths));
            sum as f64 / count as f64 / 10.0
        };
        assert!((23.5..26.0).contains(&mean(6)), "{}", mean(6));
        assert!((28.0..32.0).contains(&mean(14)), "{}", mean(14));
        assert!(mean(20) < mean(14) && mean(20) > mean(6));
    }

    #[test]
    fn no_minute_jumps() {
        let weather = Weather::of(9, "2020-09-06");
        for minute in 1..MINUTES {
            let jump = weather.tenths(3, minute) - weather.tenths(3, minute - 1);
            assert!(jump.abs() <= 5, "{jump} tenths at {minute}");
        }
    }

    #[test]
    fn sizes_are_those_of_the_real_days() {
        let size = |interval| version_1(1, interval, "2020-09-06").len();
        assert!((900_000..1_100_000).contains(&size(1)), "{}", size(1));
        assert!((15_000..22_000).contains(&size(60)), "{}", size(60));
    }

    #[test]
    fn the_same_seed_and_date_give_the_same_bytes() {
        assert_eq!(version_1(1, 60, "2020-09-06"), version_1(1, 60, "2020-09-06"));
        assert_ne!(version_1(1, 60, "2020-09-06"), version_1(2, 60, "2020-09-06"));
    }
}

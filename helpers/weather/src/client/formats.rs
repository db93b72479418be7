//! Versions 1 and 2 of the format of data.gov.sg, made into one [`Day`].
//!
//! Texts are borrowed from the answer, and each reading is put into its place as it is read: a
//! day of 1 MB is parsed without a million little allocations.

use super::day::{Day, Reading, Station};
use super::error::FetchError;
use serde::Deserialize;
use std::borrow::Cow;

/// Both versions; each has its own fields.
#[derive(Deserialize)]
struct Body<'a> {
    // Version 1.
    #[serde(borrow)]
    metadata: Option<Metadata<'a>>,
    #[serde(borrow)]
    items: Option<Vec<Item<'a>>>,
    // Version 2.
    code: Option<i64>,
    #[serde(borrow)]
    data: Option<Data<'a>>,
    #[serde(borrow, rename = "errorMsg")]
    error: Option<Cow<'a, str>>,
}

#[derive(Deserialize)]
struct Metadata<'a> {
    #[serde(borrow, default)]
    stations: Vec<StationIn<'a>>,
}

#[derive(Deserialize)]
struct Data<'a> {
    #[serde(borrow, default)]
    stations: Vec<StationIn<'a>>,
    #[serde(borrow, default)]
    readings: Vec<Item<'a>>,
    #[serde(rename = "paginationToken")]
    next: Option<String>,
}

#[derive(Deserialize)]
struct StationIn<'a> {
    #[serde(borrow)]
    id: Cow<'a, str>,
    #[serde(borrow, default)]
    name: Cow<'a, str>,
    #[serde(default)]
    location: Location,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Location {
    latitude: f64,
    longitude: f64,
}

#[derive(Deserialize)]
struct Item<'a> {
    #[serde(borrow, default)]
    timestamp: Cow<'a, str>,
    #[serde(borrow, default, alias = "data")]
    readings: Vec<ReadingIn<'a>>,
}

#[derive(Deserialize)]
struct ReadingIn<'a> {
    #[serde(borrow, alias = "stationId")]
    station_id: Cow<'a, str>,
    value: Option<f64>,
}

/// A day from a whole answer of version 1, or from one of version 2 that has but one page.
///
/// # Errors
///
/// [`FetchError::Content`] where it is not such an answer, or has further pages;
/// [`FetchError::EmptyDay`] where it is one without readings.
pub fn parse_day(body: &[u8]) -> Result<Day, FetchError> {
    match parse_page(body)? {
        (_, Some(_)) => Err(content("further pages follow")),
        (day, None) if day.readings.is_empty() => Err(FetchError::EmptyDay),
        (day, None) => Ok(day),
    }
}

/// A day, or a page of one, and the token that asks for the next page. It may be empty.
///
/// # Errors
///
/// [`FetchError::Content`] where it is not such an answer; [`FetchError::Unreadable`] where it is
/// not even plain text.
pub fn parse_page(body: &[u8]) -> Result<(Day, Option<String>), FetchError> {
    if body.starts_with(b"\x1f\x8b") {
        let why = "it is compressed (gzip), which was not asked for".to_owned();
        return Err(FetchError::Unreadable(why));
    }
    if body.starts_with(b"\xff\xfe") || body.starts_with(b"\xfe\xff") {
        let why = "it is text in UTF-16, and JSON is UTF-8".to_owned();
        return Err(FetchError::Unreadable(why));
    }
    // Some servers put a byte order mark before what they send. It means nothing in UTF-8.
    let body = body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body);
    let body: Body<'_> =
        serde_json::from_slice(body).map_err(|error| match body.trim_ascii_start().first() {
            Some(b'{') => content(format!("not the JSON of a day: {error}")),
            Some(b'<') => content("a page of HTML"),
            Some(_) => content("no JSON"),
            None => content("nothing"),
        })?;
    if let Some(code) = body.code.filter(|&code| code != 0) {
        let why = body.error.unwrap_or_default();
        return Err(content(format!("the service says error {code}: {why}")));
    }
    let (stations, items, next) = match (body.metadata, body.items, body.data) {
        (_, _, Some(data)) => (data.stations, data.readings, data.next),
        (Some(metadata), Some(items), None) => (metadata.stations, items, None),
        _ => return Err(content("JSON, but not of a day")),
    };
    Ok((join(stations, items)?, next.filter(|next| !next.is_empty())))
}

fn content(why: impl Into<String>) -> FetchError {
    FetchError::Content(why.into())
}

fn join(stations: Vec<StationIn<'_>>, items: Vec<Item<'_>>) -> Result<Day, FetchError> {
    let mut day = Day {
        date: String::new(),
        stations: stations
            .into_iter()
            .map(|station| Station {
                id: station.id.into_owned(),
                name: station.name.into_owned(),
                latitude: station.location.latitude,
                longitude: station.location.longitude,
            })
            .collect(),
        readings: Vec::with_capacity(items.iter().map(|item| item.readings.len()).sum()),
    };
    for item in items {
        // The real service has been seen to send one item with an empty timestamp for a day of
        // which it has nothing.
        if item.timestamp.is_empty() && item.readings.is_empty() {
            continue;
        }
        let (date, minute) = split(&item.timestamp)
            .ok_or_else(|| content(format!("“{}” is no timestamp", item.timestamp)))?;
        if day.date.is_empty() {
            day.date = date.to_owned();
        } else if day.date != date {
            return Err(content(format!("readings of {} and of {date}", day.date)));
        }
        for (guess, reading) in item.readings.into_iter().enumerate() {
            let Some(celsius) = reading.value else {
                continue;
            };
            // Mostly in the stations' own order, so the first guess is right.
            let is_it = |index: usize| {
                let station = day.stations.get(index);
                station.is_some_and(|station| station.id == reading.station_id)
            };
            let found = if is_it(guess) {
                Some(guess)
            } else {
                (0..day.stations.len()).find(|&index| is_it(index))
            };
            let station = found.ok_or_else(|| {
                content(format!("a reading of “{}”, no station", reading.station_id))
            })?;
            day.readings.push(Reading { minute, station: station as u16, celsius });
        }
    }
    day.readings.sort_by_key(|reading| reading.minute);
    Ok(day)
}

/// The date and the minute of the day of a timestamp such as `2020-09-06T00:01:00+08:00`.
fn split(timestamp: &str) -> Option<(&str, u16)> {
    let (date, time) = timestamp.split_once('T')?;
    let hour: u16 = time.get(..2)?.parse().ok()?;
    let minute: u16 = time.get(3..5)?.parse().ok()?;
    let proper = date.len() == 10 && hour < 24 && minute < 60 && time.ends_with("+08:00");
    proper.then_some((date, 60 * hour + minute))
}

#[cfg(test)]
mod tests {
    use super::*;

    const V1: &str = r#"{"metadata":{"stations":[
        {"id":"S109","device_id":"S109","name":"Ang Mo Kio Avenue 5","location":{"latitude":1.3764,"longitude":103.8492}},
        {"id":"S106","device_id":"S106","name":"Pulau Ubin","location":{"latitude":1.4168,"longitude":103.9673}}],
        "reading_type":"DBT 1M F","reading_unit":"deg C"},
        "items":[
        {"timestamp":"2020-09-06T00:01:00+08:00","readings":[{"station_id":"S109","value":27.2},{"station_id":"S106","value":27}]},
        {"timestamp":"2020-09-06T13:59:00+08:00","readings":[{"station_id":"S106","value":31.5}]}],
        "api_info":{"status":"healthy"}}"#;

    fn v2(items: &str, token: &str) -> String {
        format!(
            r#"{{"code":0,"data":{{"stations":[{{"id":"S109","deviceId":"S109","name":"Ang Mo Kio Avenue 5","location":{{"latitude":1.3764,"longitude":103.8492}}}}],
            "readings":[{items}],"readingType":"DBT 1M F","readingUnit":"deg C"{token}}},"errorMsg":null}}"#
        )
    }

    #[test]
    fn version_1() {
        let mut day = parse_day(V1.as_bytes()).unwrap();
        assert_eq!(day.date, "2020-09-06");
        assert_eq!(day.stations[1].name, "Pulau Ubin");
        assert_eq!(day.stations[0].latitude, 1.3764);
        let readings: Vec<_> =
            day.readings.iter().map(|r| (r.minute, r.station, r.celsius)).collect();
        assert_eq!(readings, [(1, 0, 27.2), (1, 1, 27.0), (839, 1, 31.5)]);
        assert_eq!(day.line("S106").unwrap()[1], (839.0 / 60.0, 31.5));
        assert!(day.line("S1").is_none());
        let means = day.hourly_means();
        assert!((means[0] - 27.1).abs() < 1e-9);
        assert_eq!(means[13], 31.5);
        assert!(means[5].is_nan());
        // As in a kept file that was edited.
        day.readings[0].minute = 1440;
        assert_eq!(day.hourly_means()[0], 27.0);
    }

    #[test]
    fn pages_of_version_2_are_joined() {
        let one = r#"{"timestamp":"2024-07-16T23:59:00+08:00","data":[{"stationId":"S109","value":26.8}]}"#;
        let two = r#"{"timestamp":"2024-07-16T00:00:00+08:00","data":[{"stationId":"S109","value":25.1},{"stationId":"S109","value":null}]}"#;
        let first = v2(one, r#","paginationToken":"b2Zmc2V0=100""#);
        let (mut day, token) = parse_page(first.as_bytes()).unwrap();
        assert_eq!(token.unwrap(), "b2Zmc2V0=100");
        let (page, token) = parse_page(v2(two, "").as_bytes()).unwrap();
        assert_eq!(token, None);
        day.add(page);
        assert_eq!(day.stations.len(), 1);
        let minutes: Vec<u16> = day.readings.iter().map(|r| r.minute).collect();
        assert_eq!(minutes, [0, 1439]);
        assert!(matches!(parse_day(first.as_bytes()), Err(FetchError::Content(_))));
    }

    #[test]
    fn a_page_may_bring_a_new_station() {
        let mut day = parse_day(V1.as_bytes()).unwrap();
        let mut other = day.clone();
        other.stations.remove(0);
        other.stations[0].id = "S43".into();
        other.readings = vec![Reading { minute: 5, station: 0, celsius: 30.0 }];
        day.add(other);
        assert_eq!(day.stations.len(), 3);
        assert_eq!(day.line("S43").unwrap(), [(5.0 / 60.0, 30.0)]);
    }

    #[test]
    fn healthy_and_empty() {
        for body in [
            r#"{"metadata":{"stations":[]},"items":[],"api_info":{"status":"healthy"}}"#,
            r#"{"metadata":{"stations":[]},"items":[{"timestamp":"","readings":[]}],"api_info":{"status":"healthy"}}"#,
            r#"{"code":0,"data":{"stations":[],"readings":[]},"errorMsg":null}"#,
        ] {
            assert_eq!(parse_day(body.as_bytes()), Err(FetchError::EmptyDay), "{body}");
        }
    }

    #[test]
    fn what_is_wrong_is_said() {
        let half = &V1[..V1.len() / 2];
        for (body, said) in [
            (half, "EOF"),
            ("<!doctype html><h1>503</h1>", "HTML"),
            ("", "nothing"),
            ("{}", "not of a day"),
            ("[1]", "no JSON"),
            (r#"{"code":17,"data":null,"errorMsg":"no such date"}"#, "no such date"),
            (&V1.replace("T13:59", "T25:59"), "timestamp"),
            (&V1.replace("09-06T13", "09-07T13"), "2020-09-07"),
            (&V1.replacen("\"id\":\"S106\"", "\"id\":\"S1\"", 1), "S106"),
        ] {
            let error = parse_day(body.as_bytes()).unwrap_err();
            assert!(matches!(&error, FetchError::Content(why) if why.contains(said)), "{error}");
        }
    }
}

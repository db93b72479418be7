//! One day's readings, whichever version of the format they came in.

use serde::{Deserialize, Serialize};

/// Where temperatures are measured.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Station {
    /// Such as `S109`.
    pub id: String,
    /// Such as `Ang Mo Kio Avenue 5`.
    pub name: String,
    /// Degrees north.
    pub latitude: f64,
    /// Degrees east.
    pub longitude: f64,
}

/// One temperature.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Reading {
    /// The minute of the day, from 0 to 1439, Singapore's time.
    pub minute: u16,
    /// The station's place in [`Day::stations`].
    pub station: u16,
    /// Degrees Celsius.
    pub celsius: f64,
}

/// All readings of one date, in the order of time.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Day {
    /// As `YYYY-MM-DD`.
    pub date: String,
    /// In the service's order.
    pub stations: Vec<Station>,
    /// In the order of time.
    pub readings: Vec<Reading>,
}

impl Day {
    /// The mean of each hour over all stations, in degrees Celsius, for a row of a heat map; NaN for
    /// hours without readings.
    pub fn hourly_means(&self) -> Vec<f64> {
        let mut hours = [(0.0, 0.0); 24];
        for reading in &self.readings {
            // A kept file or a reader's own day may name a minute that no day has.
            if let Some((sum, count)) = hours.get_mut(usize::from(reading.minute / 60)) {
                *sum += reading.celsius;
                *count += 1.0;
            }
        }
        hours.map(|(sum, count)| sum / count).to_vec()
    }

    /// A station's readings as (hour of the day, degrees Celsius), for a line; `None` where the
    /// day has no station with this id or name.
    pub fn line(&self, station: &str) -> Option<Vec<(f64, f64)>> {
        let is_it = |s: &Station| s.id == station || s.name == station;
        let index = self.stations.iter().position(is_it)?;
        let of_it = self.readings.iter().filter(|reading| usize::from(reading.station) == index);
        let point = |r: &Reading| (f64::from(r.minute) / 60.0, r.celsius);
        Some(of_it.map(point).collect())
    }

    /// Adds the readings of a further page of the same day. Stations that are new are added.
    pub fn add(&mut self, page: Day) {
        let places: Vec<u16> = page
            .stations
            .into_iter()
            .map(|station| {
                let known = self.stations.iter().position(|s| s.id == station.id);
                known.unwrap_or_else(|| {
                    self.stations.push(station);
                    self.stations.len() - 1
                }) as u16
            })
            .collect();
        let readings = page
            .readings
            .into_iter()
            .map(|reading| Reading { station: places[usize::from(reading.station)], ..reading });
        self.readings.extend(readings);
        // Pages come in the order of time as a rule, and then this costs nothing.
        self.readings.sort_by_key(|reading| reading.minute);
    }
}

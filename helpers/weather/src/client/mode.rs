//! Which service the chapter asks: the one on this machine, or the real one.

use super::{ClientSettings, Key};
use crate::settings::{CallLimit, Version};
use platform::names;
use platform::paths::data_dir;
use std::time::Duration;

/// Which service to ask.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WeatherMode {
    /// A [`WeatherServer`](super::WeatherServer) on this machine.
    Local,
    /// data.gov.sg.
    Live,
}

/// The service that the environment variable `WORKBOOK_WEATHER` asks for, `local` or `live`;
/// [`WeatherMode::Local`] without it.
///
/// Any other value is reported once, and [`WeatherMode::Local`] is used.
pub fn weather_mode() -> WeatherMode {
    let modes = [("local", WeatherMode::Local), ("live", WeatherMode::Live)];
    names::choice(names::WEATHER, modes)
}

impl ClientSettings {
    /// For data.gov.sg: version 2, in pages; 6 calls in 10 seconds, or 12 with the key that the
    /// environment variable `DATA_GOV_SG_KEY` holds (set `rate_limit` to 30 for a production key).
    /// Days are kept in the workbook's data folder, and a day that is there is not asked for.
    pub fn live() -> ClientSettings {
        live(std::env::var("DATA_GOV_SG_KEY").ok())
    }
}

fn live(key: Option<String>) -> ClientSettings {
    let key = key.map(|key| Key(key.trim().to_owned())).filter(|key| !key.0.is_empty());
    ClientSettings {
        version: Version::V2,
        in_flight: 4,
        connect_timeout: Duration::from_secs(10),
        timeout: Duration::from_secs(60),
        rate_limit: Some(CallLimit {
            calls: if key.is_some() { 12 } else { 6 },
            window_ms: 10_000,
        }),
        key,
        keep_in: Some(data_dir().join("weather")),
        progress: true,
        ..ClientSettings::at("https://api-open.data.gov.sg")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn live_keeps_to_the_limits_of_its_key() {
        assert_eq!(live(None).rate_limit.unwrap().calls, 6);
        assert_eq!(live(Some(" ".into())).rate_limit.unwrap().calls, 6);
        let with_key = live(Some("secret".into()));
        assert_eq!(with_key.rate_limit.unwrap().calls, 12);
        assert!(!format!("{with_key:?}").contains("secret"));
    }
}

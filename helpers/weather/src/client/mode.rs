//! Which service the chapter asks: the one on this machine, or the real one.

use platform::names;

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

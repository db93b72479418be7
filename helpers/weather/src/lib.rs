//! A weather service on this machine, and clients for it and for the real one. It fetches and serves
//! days of readings; what is done with them is the notebooks' business.
//!
//! The talk fetches 100 days of Singapore's air temperature from data.gov.sg. [`WeatherServer`]
//! speaks the same formats from a process of its own on 127.0.0.1, as slow and as faulty as one
//! asks for, and the same way each time.
//!
//! | submodule | idea |
//! |---|---|
//! | [`settings`] | what a server is told, and what it tells |
//! | [`server`] | starts and stops one |
//! | [`day`] | one day's readings, and what can be asked of them |
//! | [`formats`] | versions 1 and 2 of the format |
//! | [`error`] | why a day could not be fetched, and whether to try again |
//! | [`fetch`] | one day, by one request |
//! | [`backoff`] | how long to wait before trying again |
//! | [`limit`] | so many calls in a window of time |
//! | [`client`] | all of it in one client |
//! | [`keep`] | days that were fetched, in a folder |
//! | [`mode`] | this machine's service or the real one |
//! | [`readings`] | readings as files of JSON lines, made once and kept |
//! | [`tls`] | which cryptography the clients use |
//! | `serve` | the server itself (feature `server`) |

#[cfg(feature = "client")]
mod backoff;
#[cfg(feature = "client")]
mod client;
#[cfg(feature = "client")]
mod day;
#[cfg(feature = "client")]
mod error;
#[cfg(feature = "client")]
mod fetch;
#[cfg(feature = "client")]
mod formats;
#[cfg(feature = "client")]
mod keep;
#[cfg(feature = "client")]
mod limit;
#[cfg(feature = "client")]
mod mode;
#[cfg(feature = "client")]
pub mod readings;
#[cfg(feature = "server")]
pub mod serve;
#[cfg(feature = "client")]
mod server;
mod settings;
#[cfg(feature = "client")]
pub mod tls;

pub use settings::{CallLimit, Faults, Latency, LogEntry, ServerLog, ServerSettings};
#[cfg(feature = "client")]
pub use {
    backoff::Backoff,
    client::{ClientSettings, Fetched, Results, WeatherClient},
    day::{Day, Hour, Reading, Station},
    error::FetchError,
    fetch::{day_url, fetch_day, fetch_day_blocking, fetch_day_v2, retry_after},
    formats::{parse_day, parse_page},
    limit::RateLimit,
    mode::{WeatherMode, weather_mode},
    platform::dates::dates,
    server::{WeatherError, WeatherServer},
};

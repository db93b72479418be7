//! A weather service on this machine, and clients for it and for the real one.
//!
//! The talk fetches 100 days of Singapore's air temperature from data.gov.sg. [`WeatherServer`]
//! speaks the same formats from a process of its own on 127.0.0.1, as slow and as faulty as one
//! asks for, and the same way each time.
//!
//! | submodule | idea |
//! |---|---|
//! | [`settings`] | what a server is told, and what it tells |
//! | [`server`] | starts and stops one |
//! | [`chance`] | chance that can be repeated |
//! | [`dates`] | days of the calendar |
//! | [`day`] | one day's readings, and what can be asked of them |
//! | [`files`] | how many connections a process can have |
//! | [`formats`] | versions 1 and 2 of the format |
//! | [`error`] | why a day could not be fetched, and whether to try again |
//! | [`fetch`] | one day, by one request |
//! | [`backoff`] | how long to wait before trying again |
//! | [`limit`] | so many calls in a window of time |
//! | [`client`] | all of it in one client |
//! | [`keep`] | days that were fetched, in a folder |
//! | [`mode`] | this machine's service or the real one |

mod backoff;
pub(crate) mod chance;
mod client;
mod dates;
mod day;
mod error;
mod fetch;
mod files;
mod formats;
mod keep;
mod limit;
mod mode;
mod server;
mod settings;

pub use backoff::Backoff;
pub use client::{ClientSettings, Fetched, Results, WeatherClient};
pub use dates::dates;
pub use day::{Day, Hour, Reading, Station};
pub use error::FetchError;
pub use fetch::{day_url, fetch_day, fetch_day_blocking, fetch_day_v2, retry_after};
pub use formats::{parse_day, parse_page};
pub use limit::RateLimit;
pub use mode::{WeatherMode, weather_mode};
pub use server::{WeatherError, WeatherServer};
pub use settings::{CallLimit, Faults, Latency, LogEntry, ServerLog, ServerSettings};

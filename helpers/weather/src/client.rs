//! What chapter 05 fetches with, rung by rung: the client that comes through all that a service does
//! to it is built there.
//!
//! | submodule | idea |
//! |---|---|
//! | `server` | starts and stops a server |
//! | `day` | one day's readings, and what can be asked of them |
//! | `formats` | versions 1 and 2 of the format |
//! | `error` | why a day could not be fetched |
//! | `fetch` | the address of a day, and when to come back |
//! | `mode` | this machine's service or the real one |
//! | [`readings`] | readings as files of JSON lines, made once and kept |
//! | [`tls`] | which cryptography the clients use |

mod day;
mod error;
mod fetch;
mod formats;
mod mode;
pub mod readings;
mod server;
pub mod tls;

pub use day::{Day, Reading, Station};
pub use error::FetchError;
pub use fetch::{day_url, retry_after};
pub use formats::{parse_day, parse_page};
pub use mode::{WeatherMode, weather_mode};
pub use platform::dates::dates;
pub use server::{WeatherError, WeatherServer};

//! A weather service on this machine, and clients for it and for the real one. It fetches and serves
//! days of readings; what is done with them is the notebooks' business.
//!
//! The talk fetches 100 days of Singapore's air temperature from data.gov.sg. `WeatherServer` speaks
//! the same formats from a process of its own on 127.0.0.1, as slow and as faulty as one asks for,
//! and the same way each time.
//!
//! | file | idea |
//! |---|---|
//! | `settings.rs` | what a server is told, and what it tells: all that the two sides share |
//! | `client.rs`, `client/` | starts a server, and fetches from it or from the real service (feature `client`) |
//! | `serve.rs`, `serve/` | the server itself (feature `server`) |

#[cfg(feature = "client")]
mod client;
#[cfg(feature = "server")]
pub mod serve;
mod settings;

#[cfg(feature = "client")]
pub use client::*;
pub use settings::{CallLimit, Fault, Faults, Latency, LogEntry, ServerLog, ServerSettings};

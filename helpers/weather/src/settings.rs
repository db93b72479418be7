//! What a weather server is told, and what it tells: the messages between helpers and the
//! server's program. Shared by both, so it needs only std and serde.
//!
//! Every message is one line of JSON. The server's first line of input is a [`Request::Change`];
//! it answers each line of input by one line of output, and ends when its input does.

use serde::{Deserialize, Serialize};

/// How a weather server behaves. The same settings and requests give the same answers.
///
/// ```
/// use weather::{Faults, Latency, ServerSettings};
///
/// let settings = ServerSettings {
///     latency: Latency::Fixed { ms: 200 },
///     faults: Faults { error: 0.1, ..Faults::default() },
///     ..ServerSettings::default()
/// };
/// assert_eq!(settings.interval_minutes, 60);
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ServerSettings {
    /// Temperatures, latencies and faults follow from it.
    pub seed: u64,
    /// Minutes from one reading of a station to the next: 1 makes days of about 1 MB, as the
    /// real ones are, 60 of about 20 kB.
    pub interval_minutes: u32,
    /// How long an answer takes.
    pub latency: Latency,
    /// More calls are answered with status 429 and `Retry-After`.
    pub rate_limit: Option<CallLimit>,
    /// While so many requests are being answered, others get status 503.
    pub capacity: Option<usize>,
    /// What goes wrong how often.
    pub faults: Faults,
    /// Of each date, only the first so many requests can have a fault (a day that is empty or
    /// stale stays so). With 1, and a rate of 1.0, each date fails exactly once.
    pub faulty_attempts: u32,
    /// How many times of day one page of version 2 holds.
    pub items_per_page: usize,
}

impl Default for ServerSettings {
    fn default() -> Self {
        ServerSettings {
            seed: 2020,
            interval_minutes: 60,
            latency: Latency::Fixed { ms: 50 },
            rate_limit: None,
            capacity: None,
            faults: Faults::default(),
            faulty_attempts: u32::MAX,
            items_per_page: 500,
        }
    }
}

/// How long an answer takes, in milliseconds. The time to send its bytes comes on top.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub enum Latency {
    /// Always the same.
    Fixed {
        /// Milliseconds.
        ms: u64,
    },
    /// Anything between, equally often.
    Uniform {
        /// The least milliseconds.
        from_ms: u64,
        /// The most milliseconds.
        to_ms: u64,
    },
    /// Mostly short, now and then very long (a log-normal distribution).
    HeavyTail {
        /// Half of the answers take at most so many milliseconds.
        median_ms: u64,
        /// One answer in a hundred takes longer.
        p99_ms: u64,
    },
}

/// A number of calls in a window of time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct CallLimit {
    /// So many calls …
    pub calls: usize,
    /// … in any so many milliseconds.
    pub window_ms: u64,
}

/// The share of requests, from 0.0 to 1.0, that each fault strikes. At most one strikes a request.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Faults {
    /// Status 500 or 502.
    pub error: f64,
    /// No answer, for ever.
    pub hang: f64,
    /// The connection is cut in the middle of the body.
    pub cut: f64,
    /// The JSON ends in the middle, and the answer says that it is complete.
    pub truncated: f64,
    /// An HTML page that speaks of an error, with status 200.
    pub html: f64,
    /// A few bytes a second, for ever.
    pub drip: f64,
    /// A "healthy" day without readings. It strikes a date, whatever the attempt.
    pub empty: f64,
    /// The readings of the day before. It strikes a date, whatever the attempt.
    pub stale: f64,
}

impl Faults {
    /// The faults that can strike any request, and their rates.
    pub fn passing(&self) -> [(Fault, f64); 6] {
        [
            (Fault::Error, self.error),
            (Fault::Hang, self.hang),
            (Fault::Cut, self.cut),
            (Fault::Truncated, self.truncated),
            (Fault::Html, self.html),
            (Fault::Drip, self.drip),
        ]
    }

    /// The faults of a date, and their rates.
    pub fn lasting(&self) -> [(Fault, f64); 2] {
        [(Fault::Empty, self.empty), (Fault::Stale, self.stale)]
    }
}

/// What can be wrong with an answer: each of [`Faults`], and the server's limits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[expect(missing_docs, reason = "they are explained with `Faults`")]
pub enum Fault {
    Error,
    Hang,
    Cut,
    Truncated,
    Html,
    Drip,
    Empty,
    Stale,
    /// Too many requests at one time.
    Capacity,
    /// Too many calls in the window.
    #[serde(rename = "rate limit")]
    RateLimit,
}

/// A line of the server's input.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub enum Request {
    /// Behave like this from now on, with an empty log as after a reset.
    Change(ServerSettings),
    /// Tell the log.
    Log,
    /// Forget the log and count attempts anew; its clock starts again.
    Reset,
}

/// A line of the server's output, the answer to a line of input: how it stands once it has done as
/// told, or what is wrong with the line.
pub type Reply = Result<Standing, String>;

/// How a server stands.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Standing {
    /// It listens at this port of 127.0.0.1.
    pub port: u16,
    /// Empty after a change and a reset.
    pub log: ServerLog,
}

/// What a server has done since its start, or since its log was reset.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct ServerLog {
    /// How many requests came.
    pub requests: usize,
    /// How many were answered with a day, or a page of it, that is right.
    pub served: usize,
    /// The most requests that were being answered at one time.
    pub peak_in_flight: usize,
    /// How many are being answered now.
    pub in_flight: usize,
    /// The requests in the order in which they came.
    pub entries: Vec<LogEntry>,
}

/// One request, as the server saw it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LogEntry {
    /// When it came, in seconds since the start of the log.
    pub at: f64,
    /// The date that it asked for.
    pub date: String,
    /// The page of that date, from 0; always 0 in version 1.
    pub page: usize,
    /// The how-manieth request for this date and page it was, from 1.
    pub attempt: u32,
    /// The status of the answer; 0 where none was given.
    pub status: u16,
    /// What was wrong with the answer.
    pub fault: Option<Fault>,
    /// Seconds until the answer was on its way, or the client had gone; `None` while it waits.
    pub took: Option<f64>,
}

impl LogEntry {
    /// Whether the answer was a day, or a page of it, that is right.
    pub fn is_served(&self) -> bool {
        self.status == 200 && self.fault.is_none() && self.took.is_some()
    }
}

//! Why a day could not be fetched, in words and for counting.

use std::time::Duration;
use thiserror::Error;

/// Why a day could not be fetched. It can be kept, copied and compared with another, so it holds the
/// words of the errors that it comes from, and not these.
#[derive(Debug, Clone, PartialEq, Error)]
pub enum FetchError {
    /// No connection, or one that ended before it brought an answer; holds the reason.
    #[error("no connection: {0}")]
    Connect(String),
    /// No answer, or not all of it, within the time that the client allows.
    #[error("no complete answer in the time allowed")]
    Timeout,
    /// Another status than 200.
    #[error("status {status}{}", .retry_after.map(again).unwrap_or_default())]
    Status {
        /// Such as 429.
        status: u16,
        /// How long the server asks to wait.
        retry_after: Option<Duration>,
    },
    /// The answer broke off; holds the reason.
    #[error("the answer broke off: {0}")]
    Body(String),
    /// The answer is not what it should be; holds what is wrong.
    #[error("not a day's readings: {0}")]
    Content(String),
    /// The answer is in a form that nobody asked for, and would be so a second time, such as
    /// compressed; holds what is wrong.
    #[error("the answer cannot be read: {0}")]
    Unreadable(String),
    /// A proper answer without a single reading.
    #[error("the day has no readings")]
    EmptyDay,
    /// The readings are of another date than was asked for; holds that date.
    #[error("the readings are of {0}")]
    OtherDay(String),
    /// The client itself could not ask, as with an address that is none; holds the reason.
    #[error("the request could not be made: {0}")]
    Request(String),
}

impl FetchError {
    /// How long the server asks to wait before the next try. It may ask for any time: whoever
    /// waits sets a longest one.
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            FetchError::Status { retry_after, .. } => *retry_after,
            _ => None,
        }
    }

    /// One word for counting: what failed.
    pub fn kind(&self) -> String {
        match self {
            FetchError::Connect(_) => "connect".to_owned(),
            FetchError::Timeout => "timeout".to_owned(),
            FetchError::Status { status, .. } => format!("status {status}"),
            FetchError::Body(_) => "body".to_owned(),
            FetchError::Content(_) => "content".to_owned(),
            FetchError::Unreadable(_) => "unreadable".to_owned(),
            FetchError::EmptyDay => "empty day".to_owned(),
            FetchError::OtherDay(_) => "other day".to_owned(),
            FetchError::Request(_) => "request".to_owned(),
        }
    }
}

impl From<reqwest::Error> for FetchError {
    fn from(error: reqwest::Error) -> Self {
        // The last of its causes says most.
        let mut cause: &dyn std::error::Error = &error;
        let mut unreadable = false;
        while let Some(deeper) = cause.source() {
            cause = deeper;
            let http = cause.downcast_ref::<hyper::Error>();
            unreadable |= http.is_some_and(hyper::Error::is_parse);
        }
        let reason = cause.to_string();
        if unreadable {
            FetchError::Unreadable(format!("it is not proper HTTP ({reason})"))
        } else if error.is_timeout() {
            FetchError::Timeout
        } else if error.is_body() || error.is_decode() {
            FetchError::Body(reason)
        } else if error.is_connect() || error.is_request() {
            FetchError::Connect(reason)
        } else {
            FetchError::Request(reason)
        }
    }
}

/// Such as `, try again after 3 s`, or `1.5 s`.
fn again(wait: Duration) -> String {
    match wait.subsec_millis() {
        0 => format!(", try again after {} s", wait.as_secs()),
        _ => format!(", try again after {:.1} s", wait.as_secs_f64()),
    }
}

//! One day, by one request.

use super::day::Day;
use super::error::FetchError;
use super::formats::{parse_day, parse_page};
use reqwest::header::{HeaderMap, RETRY_AFTER};
use std::time::Duration;

/// The address of a date in version 1; `base_url` is such as `https://api.data.gov.sg`, or
/// [`WeatherServer::url`](super::WeatherServer::url).
pub fn day_url(base_url: &str, date: &str) -> String {
    format!("{base_url}/v1/environment/air-temperature?date={date}")
}

/// The address of a date, or of a further page of it, in version 2.
pub(super) fn page_url(base_url: &str, date: &str, token: Option<&str>) -> String {
    let url = format!("{base_url}/v2/real-time/api/air-temperature?date={date}");
    match token {
        // What a token may hold is not said, so all but letters and digits is escaped.
        Some(token) => {
            let escape = |byte: u8| match byte.is_ascii_alphanumeric() || b"-_.".contains(&byte) {
                true => char::from(byte).to_string(),
                false => format!("%{byte:02X}"),
            };
            let token: String = token.bytes().map(escape).collect();
            format!("{url}&paginationToken={token}")
        }
        None => url,
    }
}

/// One day, by one request to version 1. Status, content and date are checked; nothing is tried
/// twice. How long it may take is the client's setting.
///
/// # Errors
///
/// What failed.
pub async fn fetch_day(
    client: &reqwest::Client,
    base_url: &str,
    date: &str,
) -> Result<Day, FetchError> {
    let response = client.get(day_url(base_url, date)).send().await?;
    check_status(response.status(), response.headers())?;
    let body = response.bytes().await?;
    check_date(parse_day(&body)?, date)
}

/// The same for a client that blocks its thread. In a cell that follows a top-level `.await` it
/// belongs on a thread of its own, see [`on_fresh_thread`](crate::runtime::on_fresh_thread).
///
/// # Errors
///
/// What failed.
pub fn fetch_day_blocking(
    client: &reqwest::blocking::Client,
    base_url: &str,
    date: &str,
) -> Result<Day, FetchError> {
    let response = client.get(day_url(base_url, date)).send()?;
    check_status(response.status(), response.headers())?;
    let body = response.bytes()?;
    check_date(parse_day(&body)?, date)
}

/// One day from version 2, page by page.
///
/// # Errors
///
/// What failed.
pub async fn fetch_day_v2(
    client: &reqwest::Client,
    base_url: &str,
    date: &str,
) -> Result<Day, FetchError> {
    let mut pages: Option<Day> = None;
    let mut token = None;
    loop {
        let url = page_url(base_url, date, token.as_deref());
        let response = client.get(url).send().await?;
        check_status(response.status(), response.headers())?;
        let (page, next) = parse_page(&response.bytes().await?)?;
        match &mut pages {
            Some(day) => day.add(page),
            None => pages = Some(page),
        }
        token = next;
        if token.is_none() {
            return check_date(pages.unwrap_or_default(), date);
        }
    }
}

/// Status 200, or else an error.
pub(super) fn check_status(
    status: reqwest::StatusCode,
    headers: &HeaderMap,
) -> Result<(), FetchError> {
    match status.as_u16() {
        200 => Ok(()),
        status => Err(FetchError::Status {
            status,
            retry_after: retry_after(headers),
        }),
    }
}

/// A day with readings, of the date that was asked for: the real service has been seen to answer
/// with those of an earlier one.
pub(super) fn check_date(day: Day, date: &str) -> Result<Day, FetchError> {
    if day.readings.is_empty() {
        return Err(FetchError::EmptyDay);
    }
    match day.date == date {
        true => Ok(day),
        false => Err(FetchError::OtherDay(day.date)),
    }
}

/// How long a server asks to wait: `Retry-After` in seconds. (It may also be a date, which the
/// service does not use.)
pub fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let seconds = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    seconds.parse().ok().map(Duration::from_secs)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_escaped() {
        let url = page_url("http://x", "2024-07-16", Some("a+/=&b"));
        assert!(url.ends_with("&paginationToken=a%2B%2F%3D%26b"), "{url}");
    }

    #[test]
    fn retry_after_is_a_number_of_seconds() {
        let mut headers = HeaderMap::new();
        assert_eq!(retry_after(&headers), None);
        headers.insert(RETRY_AFTER, "7".parse().unwrap());
        assert_eq!(retry_after(&headers), Some(Duration::from_secs(7)));
        headers.insert(
            RETRY_AFTER,
            "Fri, 31 Dec 1999 23:59:59 GMT".parse().unwrap(),
        );
        assert_eq!(retry_after(&headers), None);
    }
}

//! One day, by one request.

use super::day::Day;
use super::error::FetchError;
use super::formats::parse_day;
use reqwest::Url;
use reqwest::header::{CONTENT_ENCODING, HeaderMap, HeaderValue, RETRY_AFTER};
use std::collections::HashSet;
use std::time::{Duration, SystemTime};

/// The address of a date in version 1; `base_url` is such as `https://api.data.gov.sg`, or
/// [`WeatherServer::url`](super::WeatherServer::url).
pub fn day_url(base_url: &str, date: &str) -> String {
    format!("{base_url}/v1/environment/air-temperature?date={date}")
}

/// The address of a date, or of a further page of it, in version 2. What a token may hold is not
/// said, so it is escaped.
pub(super) fn page_url(
    base_url: &str,
    date: &str,
    token: Option<&str>,
) -> Result<String, FetchError> {
    let token = token.map(|token| ("paginationToken", token));
    let fields = [("date", date)].into_iter().chain(token);
    let path = format!("{base_url}/v2/real-time/api/air-temperature");
    match Url::parse_with_params(&path, fields) {
        Ok(url) => Ok(url.into()),
        Err(error) => Err(FetchError::Request(error.to_string())),
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
    check_head(response.status(), response.headers())?;
    let body = response.bytes().await?;
    check_date(parse_day(&body)?, date)
}

/// The same for a client that blocks its thread. In a cell that follows a top-level `.await` it
/// belongs on a thread of its own, see [`on_fresh_thread`](platform::runtime::on_fresh_thread).
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
    check_head(response.status(), response.headers())?;
    let body = response.bytes()?;
    check_date(parse_day(&body)?, date)
}

/// A day has fewer pages; a service that always has one more must not keep us for ever.
const MOST_PAGES: usize = 1440;

/// The pages of a day so far.
#[derive(Default)]
pub(super) struct Pages {
    /// The tokens that asked for them; the first page has none.
    tokens: HashSet<String>,
}

impl Pages {
    /// The token of the next page, as a page named it; an error where it leads in a circle, or
    /// never to an end.
    pub(super) fn next(&mut self, token: Option<String>) -> Result<Option<String>, FetchError> {
        let Some(token) = token else {
            return Ok(None);
        };
        if self.tokens.len() + 1 >= MOST_PAGES {
            let why = format!("pages without end: after {MOST_PAGES} of one day there are more");
            return Err(FetchError::Unreadable(why));
        }
        if !self.tokens.insert(token.clone()) {
            let why = format!("pages without end: the token “{token}” leads to itself");
            return Err(FetchError::Unreadable(why));
        }
        Ok(Some(token))
    }
}

/// Status 200 and nothing that cannot be read, or else an error.
pub(super) fn check_head(
    status: reqwest::StatusCode,
    headers: &HeaderMap,
) -> Result<(), FetchError> {
    if status.as_u16() != 200 {
        return Err(FetchError::Status {
            status: status.as_u16(),
            retry_after: retry_after(headers),
        });
    }
    let encoding = headers.get(CONTENT_ENCODING).map(HeaderValue::as_bytes);
    let encoding = String::from_utf8_lossy(encoding.unwrap_or_default());
    match encoding.trim() {
        "" | "identity" => Ok(()),
        other => Err(compressed(other)),
    }
}

pub(super) fn compressed(how: &str) -> FetchError {
    FetchError::Unreadable(format!("it is compressed ({how}), which was not asked for"))
}

/// A day with readings, of the date that was asked for: the real service has been seen to answer
/// with those of an earlier one.
pub(super) fn check_date(day: Day, date: &str) -> Result<Day, FetchError> {
    if day.readings.is_empty() {
        return Err(FetchError::EmptyDay);
    }
    if day.date != date {
        return Err(FetchError::OtherDay(day.date));
    }
    Ok(day)
}

/// How long a server asks to wait: `Retry-After`, in seconds or as a date. `None` without one, and
/// for what is neither. It may be very long: whoever waits sets a longest time.
pub fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    wait_of(headers.get(RETRY_AFTER)?.to_str().ok()?, SystemTime::now())
}

fn wait_of(text: &str, now: SystemTime) -> Option<Duration> {
    let text = text.trim();
    // Neither a sign nor "inf", which are numbers too.
    if text.bytes().all(|b| b.is_ascii_digit() || b == b'.') {
        let seconds: f64 = text.parse().ok()?;
        return Some(Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX));
    }
    let date = httpdate::parse_http_date(text).ok()?;
    // One that is over is no reason to wait.
    Some(date.duration_since(now).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Backoff, ClientSettings, Version, WeatherClient};
    use platform::runtime::on_one_thread;
    use std::io::{BufRead, BufReader, Write};
    use std::net::TcpListener;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    #[test]
    fn a_token_is_escaped() {
        let url = page_url("http://x", "2024-07-16", Some("a+/=&b")).unwrap();
        assert!(url.ends_with("&paginationToken=a%2B%2F%3D%26b"), "{url}");
    }

    #[test]
    fn retry_after_is_a_number_of_seconds_or_a_date() {
        let mut headers = HeaderMap::new();
        assert_eq!(retry_after(&headers), None);
        headers.insert(RETRY_AFTER, "7".parse().unwrap());
        assert_eq!(retry_after(&headers), Some(Duration::from_secs(7)));
        headers.insert(RETRY_AFTER, HeaderValue::from_bytes(b"\xff").unwrap());
        assert_eq!(retry_after(&headers), None);

        let now = httpdate::parse_http_date("Wed, 21 Oct 2015 07:28:00 GMT").unwrap();
        let millis = |text| wait_of(text, now).map(|wait| wait.as_millis());
        for (text, right) in [
            ("  3 ", Some(3_000)),
            ("1.5", Some(1_500)),
            ("0", Some(0)),
            ("Wed, 21 Oct 2015 07:28:30 GMT", Some(30_000)),
            ("Wednesday, 21-Oct-15 07:29:00 GMT", Some(60_000)),
            ("Wed Oct 21 08:28:00 2015", Some(3_600_000)),
            ("Fri, 31 Dec 1999 23:59:59 GMT", Some(0)),
            ("99999999999999999999999", Some(Duration::MAX.as_millis())),
            ("", None),
            (".", None),
            ("1.5.1", None),
            ("-3", None),
            ("+3", None),
            ("inf", None),
            ("1e3", None),
            ("soon", None),
        ] {
            assert_eq!(millis(text), right, "{text}");
        }
    }

    /// A server that answers every request with the same bytes; its address, and how many requests
    /// have come.
    fn always(answer: impl Into<Vec<u8>>) -> (String, Arc<AtomicUsize>) {
        let answer = answer.into();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let count = Arc::new(AtomicUsize::new(0));
        let counted = count.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let mut lines = BufReader::new(&stream).lines().map_while(Result::ok);
                if lines.any(|line| line.is_empty()) {
                    counted.fetch_add(1, Ordering::Relaxed);
                    let _ = (&stream).write_all(&answer);
                }
            }
        });
        (url, count)
    }

    fn answer(headers: &str, body: &[u8]) -> Vec<u8> {
        let head = format!(
            "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: {}\r\n{headers}\r\n",
            body.len()
        );
        [head.as_bytes(), body].concat()
    }

    const DATE: &str = "2020-09-06";

    const DAY: &str = r#"{"metadata":{"stations":[{"id":"S109"}]},"items":[
        {"timestamp":"2020-09-06T00:01:00+08:00","readings":[{"station_id":"S109","value":27.2}]}]}"#;

    /// What the client makes of such a server, with two retries; and after how many requests.
    fn outcome(version: Version, answer: Vec<u8>) -> (Result<Day, FetchError>, usize) {
        let (url, count) = always(answer);
        let client = WeatherClient::new(ClientSettings {
            version,
            retries: 2,
            longest_wait: Duration::from_secs(5),
            backoff: Backoff { first: Duration::from_millis(1), ..Backoff::default() },
            ..ClientSettings::at(&url)
        });
        let result = on_one_thread(client.unwrap().fetch_day(DATE));
        (result, count.load(Ordering::Relaxed))
    }

    #[test]
    fn what_can_be_read_is_read() {
        let plain = outcome(Version::V1, answer("", DAY.as_bytes())).0.unwrap();
        let mark = [b"\xef\xbb\xbf", DAY.as_bytes()].concat();
        assert_eq!(outcome(Version::V1, answer("", &mark)), (Ok(plain.clone()), 1));
        let many: String = (0..150).map(|n| format!("x-{n}: y\r\n")).collect();
        let (day, count) = outcome(Version::V1, answer(&many, DAY.as_bytes()));
        assert_eq!((day.as_ref(), count), (Ok(&plain), 1));
    }

    #[test]
    fn what_cannot_be_read_is_asked_for_once_and_the_true_cause_is_told() {
        let gzip = b"\x1f\x8b\x08\x00\x00\x00\x00\x00";
        let endless: String = (0..2000).map(|n| format!("x-{n}: y\r\n")).collect();
        for (answer, said) in [
            (answer("content-encoding: gzip\r\n", gzip), "compressed (gzip)"),
            (answer("", gzip), "compressed (gzip)"),
            (answer("content-encoding: br\r\n", b"x"), "compressed (br)"),
            (answer("", b"\xff\xfe{\x00}\x00"), "UTF-16"),
            (answer(&endless, DAY.as_bytes()), "not proper HTTP"),
            (b"SSH-2.0-OpenSSH_9.6\r\n".to_vec(), "not proper HTTP"),
        ] {
            let (result, count) = outcome(Version::V1, answer);
            let error = result.unwrap_err();
            assert!(matches!(error, FetchError::Unreadable(_)), "{error:?}");
            assert!(error.to_string().contains(said), "{said}: {error}");
            assert_eq!(count, 1, "{error}");
        }
    }

    #[test]
    fn who_asks_for_a_long_wait_is_not_waited_for() {
        for wait in ["3600", "99999999999999999999999", "Fri, 31 Dec 9999 23:59:59 GMT"] {
            let head = format!(
                "HTTP/1.1 503 Busy\r\nretry-after: {wait}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
            );
            let (result, count) = outcome(Version::V1, head.into_bytes());
            let error = result.unwrap_err();
            assert_eq!((error.kind().as_str(), count), ("status 503", 1));
            assert!(error.to_string().contains("waits for 5 s at most"), "{error}");
        }
        let head = b"HTTP/1.1 503 Busy\r\nretry-after: 0.01\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
        let (result, count) = outcome(Version::V1, head.to_vec());
        assert_eq!((result.unwrap_err().kind().as_str(), count), ("status 503", 3));
    }

    #[test]
    fn pages_without_end_end() {
        let page = r#"{"code":0,"data":{"stations":[],"readings":[],"paginationToken":"again"}}"#;
        let (result, count) = outcome(Version::V2, answer("", page.as_bytes()));
        let told = "the token “again” leads to itself";
        assert!(result.unwrap_err().to_string().contains(told));
        assert_eq!(count, 2);
        let mut pages = Pages::default();
        let mut tokens = (1..).map(|n| pages.next(Some(format!("page-{n}"))));
        let ends = tokens.position(|next| next.is_err()).unwrap();
        assert_eq!(ends, MOST_PAGES - 1);
        assert_eq!(pages.next(None), Ok(None));
    }
}

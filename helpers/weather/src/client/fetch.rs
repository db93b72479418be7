//! What a request needs to know: the address of a day, and when to come back.

use reqwest::header::{HeaderMap, RETRY_AFTER};
use std::time::{Duration, SystemTime};

/// The address of a date in version 1; `base_url` is such as `https://api.data.gov.sg`, or
/// [`WeatherServer::url`](super::WeatherServer::url).
pub fn day_url(base_url: &str, date: &str) -> String {
    format!("{base_url}/v1/environment/air-temperature?date={date}")
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
    use crate::{Day, FetchError, parse_day};
    use reqwest::header::HeaderValue;
    use std::io::{BufRead, BufReader, Write};
    use std::net::TcpListener;

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

    /// The address of a server that answers every request with the same bytes.
    fn always(answer: Vec<u8>) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let mut lines = BufReader::new(&stream).lines().map_while(Result::ok);
                if lines.any(|line| line.is_empty()) {
                    let _ = (&stream).write_all(&answer);
                }
            }
        });
        url
    }

    fn answer(headers: &str, body: &[u8]) -> Vec<u8> {
        let head = format!(
            "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: {}\r\n{headers}\r\n",
            body.len()
        );
        [head.as_bytes(), body].concat()
    }

    const DAY: &str = r#"{"metadata":{"stations":[{"id":"S109"}]},"items":[
        {"timestamp":"2020-09-06T00:01:00+08:00","readings":[{"station_id":"S109","value":27.2}]}]}"#;

    /// What one request makes of such a server.
    fn outcome(answer: Vec<u8>) -> Result<Day, FetchError> {
        crate::tls::choose();
        let url = always(answer);
        let client = reqwest::blocking::Client::builder().no_proxy().build();
        let answer = client.unwrap().get(url).send()?;
        parse_day(&answer.bytes()?)
    }

    #[test]
    fn what_can_be_read_is_read() {
        let plain = outcome(answer("", DAY.as_bytes())).unwrap();
        let mark = [b"\xef\xbb\xbf", DAY.as_bytes()].concat();
        assert_eq!(outcome(answer("", &mark)), Ok(plain));
    }

    #[test]
    fn of_what_cannot_be_read_the_true_cause_is_told() {
        let gzip = b"\x1f\x8b\x08\x00\x00\x00\x00\x00";
        let endless: String = (0..2000).map(|n| format!("x-{n}: y\r\n")).collect();
        for (answer, said) in [
            (answer("", gzip), "compressed (gzip)"),
            (answer("", b"\xff\xfe{\x00}\x00"), "UTF-16"),
            (answer(&endless, DAY.as_bytes()), "not proper HTTP"),
            (b"SSH-2.0-OpenSSH_9.6\r\n".to_vec(), "not proper HTTP"),
        ] {
            let error = outcome(answer).unwrap_err();
            assert!(matches!(error, FetchError::Unreadable(_)), "{error:?}");
            assert!(error.to_string().contains(said), "{said}: {error}");
        }
    }
}

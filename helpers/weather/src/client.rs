//! A client that comes through all that a service does to it: what chapter 05 builds step by
//! step, in one piece.
//!
//! | submodule | idea |
//! |---|---|
//! | `server` | starts and stops a server |
//! | `day` | one day's readings, and what can be asked of them |
//! | `formats` | versions 1 and 2 of the format |
//! | `error` | why a day could not be fetched, and whether to try again |
//! | `fetch` | one day, by one request |
//! | `backoff` | how long to wait before trying again |
//! | `limit` | so many calls in a window of time |
//! | `keep` | days that were fetched, in a folder |
//! | `mode` | this machine's service or the real one |
//! | [`readings`] | readings as files of JSON lines, made once and kept |
//! | [`tls`] | which cryptography the clients use |

mod backoff;
mod day;
mod error;
mod fetch;
mod formats;
mod keep;
mod limit;
mod mode;
pub mod readings;
mod server;
pub mod tls;

pub use backoff::Backoff;
pub use day::{Day, Reading, Station};
pub use error::FetchError;
pub use fetch::{day_url, fetch_day, fetch_day_blocking, retry_after};
pub use formats::{parse_day, parse_page};
pub use limit::RateLimit;
pub use mode::{WeatherMode, weather_mode};
pub use platform::dates::dates;
pub use server::{WeatherError, WeatherServer};

use crate::settings::{CallLimit, Version};
use fetch::{Pages, check_date, check_head, page_url};
use futures_util::StreamExt;
use futures_util::future::BoxFuture;
use futures_util::stream;
use keep::Keep;
use platform::chance::number_of;
use platform::progress::Progress;
use platform::runtime::on_one_thread;
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use std::collections::{BTreeMap, HashSet};
use std::fmt;
use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

/// How a [`WeatherClient`] behaves.
///
/// ```
/// use weather::ClientSettings;
///
/// let settings = ClientSettings {
///     in_flight: 40,
///     ..ClientSettings::at("http://127.0.0.1:40123")
/// };
/// assert_eq!(settings.retries, 5);
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct ClientSettings {
    /// Such as [`WeatherServer::url`]. One on this machine is never asked through a proxy, and not left
    /// for another one by a redirect.
    pub base_url: String,
    /// The version of the format to ask for.
    pub version: Version,
    /// Sent with each request, as `x-api-key`.
    pub key: Option<Key>,
    /// At most so many requests at one time.
    pub in_flight: usize,
    /// For a connection.
    pub connect_timeout: Duration,
    /// For a whole request, from its beginning to the answer's last byte.
    pub timeout: Duration,
    /// Answers with more bytes are refused, before they fill the memory.
    pub largest_body: usize,
    /// How often a request that failed is made again, if that is worth it.
    pub retries: u32,
    /// The waits before that.
    pub backoff: Backoff,
    /// A server that asks to wait for longer is not waited for.
    pub longest_wait: Duration,
    /// The service's limit. The client keeps a little below it: what leaves here evenly may
    /// arrive in a heap.
    pub rate_limit: Option<CallLimit>,
    /// Days that were fetched are kept in this folder, and not asked for again.
    pub keep_in: Option<PathBuf>,
    /// Print milestones of long work.
    pub progress: bool,
}

impl ClientSettings {
    /// Version 1; 40 requests at one time, 5 retries, 2 s to connect and 10 s for an answer of at
    /// most 16 MB; no rate limit, nothing kept.
    pub fn at(base_url: &str) -> ClientSettings {
        ClientSettings {
            base_url: base_url.trim_end_matches('/').to_owned(),
            version: Version::V1,
            key: None,
            in_flight: 40,
            connect_timeout: Duration::from_secs(2),
            timeout: Duration::from_secs(10),
            largest_body: 16 << 20,
            retries: 5,
            backoff: Backoff::default(),
            longest_wait: Duration::from_secs(60),
            rate_limit: None,
            keep_in: None,
            progress: false,
        }
    }
}

/// What a service asks its users for. It is not shown: a notebook's outputs are seen by others.
#[derive(Clone, PartialEq, Eq)]
pub struct Key(pub String);

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("…")
    }
}

/// Fetches days: many at one time but not too many, again where that makes sense, never faster
/// than allowed. A clone shares connections and the rate limit.
#[derive(Debug, Clone)]
pub struct WeatherClient {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    settings: ClientSettings,
    http: reqwest::Client,
    limit: Option<RateLimit>,
    keep: Option<Keep>,
    requests: AtomicUsize,
}

/// What has been fetched so far, by date.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Fetched {
    /// The days, in the order of their dates.
    pub days: BTreeMap<String, Day>,
    /// What failed, after all retries.
    pub failed: BTreeMap<String, FetchError>,
}

impl Fetched {
    /// Those of the dates that are not here, also such as failed, each of them once.
    pub fn missing(&self, dates: &[String]) -> Vec<String> {
        let mut seen = HashSet::new();
        let new = dates.iter().filter(|date| seen.insert(*date));
        let missing = new.filter(|date| !self.days.contains_key(*date));
        missing.cloned().collect()
    }

    /// How often each kind of failure occurs among the dates that failed.
    pub fn failures(&self) -> BTreeMap<String, usize> {
        let mut counts = BTreeMap::new();
        for error in self.failed.values() {
            *counts.entry(error.kind()).or_default() += 1;
        }
        counts
    }

    fn put(&mut self, date: String, result: Result<Day, FetchError>) {
        match result {
            Ok(day) => {
                self.failed.remove(&date);
                self.days.insert(date, day);
            }
            Err(error) => {
                self.failed.insert(date, error);
            }
        }
    }
}

impl WeatherClient {
    /// A client with these settings. It makes no connection yet.
    ///
    /// # Errors
    ///
    /// [`FetchError::Request`], where the settings make no client.
    pub fn new(settings: ClientSettings) -> Result<WeatherClient, FetchError> {
        let wrong = |why: String| FetchError::Request(why);
        let url = reqwest::Url::parse(&settings.base_url).map_err(|e| wrong(e.to_string()))?;
        let mut headers = HeaderMap::new();
        if let Some(key) = &settings.key {
            let mut key = HeaderValue::from_str(&key.0).map_err(|e| wrong(e.to_string()))?;
            key.set_sensitive(true);
            headers.insert(HeaderName::from_static("x-api-key"), key);
        }
        tls::choose();
        let mut builder = reqwest::Client::builder()
            .user_agent(concat!("data-processing-workbook/", env!("CARGO_PKG_VERSION")))
            .default_headers(headers)
            // hyper takes 100, and some services' proxies add more.
            .http1_max_headers(1000)
            .connect_timeout(settings.connect_timeout)
            .timeout(settings.timeout);
        if is_this_machine(&url) {
            builder = builder
                .no_proxy()
                .redirect(reqwest::redirect::Policy::none())
                // No certificates: a machine may have none, and they take time to read.
                .tls_certs_only([]);
        }
        let http = builder.build().map_err(|error| wrong(error.to_string()))?;
        let limit = settings.rate_limit.map(|limit| {
            let window = Duration::from_millis(limit.window_ms);
            RateLimit::new(limit.calls, window + margin(window))
        });
        let keep = settings.keep_in.clone().map(Keep::new);
        let inner = Inner { settings, http, limit, keep, requests: AtomicUsize::new(0) };
        Ok(WeatherClient { inner: Arc::new(inner) })
    }

    /// How many requests it has made so far, retries and further pages included.
    pub fn requests(&self) -> usize {
        self.inner.requests.load(Ordering::Relaxed)
    }

    /// One day, with retries. This future and the others are boxed, so that a cell that awaits one
    /// has little to compile.
    ///
    /// # Errors
    ///
    /// What failed at the last try.
    pub fn fetch_day<'a>(&'a self, date: &'a str) -> BoxFuture<'a, Result<Day, FetchError>> {
        Box::pin(self.inner.fetch(date))
    }

    /// All days, and what failed: one date's failure does not touch the others.
    pub fn fetch<'a>(&'a self, dates: &'a [String]) -> BoxFuture<'a, Fetched> {
        Box::pin(async {
            let mut fetched = Fetched::default();
            self.fetch_into(&mut fetched, dates).await;
            fetched
        })
    }

    /// Fetches those of the dates that are not in `fetched` yet, a date that is given twice only
    /// once, and puts each there as it arrives. So whoever cancels this, by a timeout for example, keeps what has come, and a
    /// second call goes on from there.
    pub fn fetch_into<'a>(
        &'a self,
        fetched: &'a mut Fetched,
        dates: &'a [String],
    ) -> BoxFuture<'a, ()> {
        Box::pin(async {
            let missing = fetched.missing(dates);
            let progress = Progress::new("days", missing.len());
            let fetches = stream::iter(missing).map(|date| {
                let inner = self.inner.clone();
                async move {
                    let result = inner.fetch(&date).await;
                    (date, result)
                }
            });
            let at_once = self.inner.settings.in_flight.max(1);
            let mut results = fetches.buffer_unordered(at_once);
            while let Some((date, result)) = results.next().await {
                fetched.put(date, result);
                if self.inner.settings.progress {
                    progress.tick();
                }
            }
        })
    }

    /// The same as [`fetch`](Self::fetch) without `async`; it works in any cell.
    pub fn fetch_blocking(&self, dates: &[String]) -> Fetched {
        on_one_thread(self.fetch(dates))
    }
}

/// Whether an address is one of this machine itself, such as `127.0.0.1` or `localhost`.
fn is_this_machine(url: &reqwest::Url) -> bool {
    let host = url.host_str().unwrap_or_default();
    // The form of version 6 stands in brackets.
    let number = host.trim_start_matches('[').trim_end_matches(']');
    let is_loopback = |address: IpAddr| address.is_loopback();
    host.trim_end_matches('.') == "localhost" || number.parse().is_ok_and(is_loopback)
}

/// How much longer a window of the client is than the service's.
fn margin(window: Duration) -> Duration {
    (window / 50).max(Duration::from_millis(50))
}

impl Inner {
    /// A day from the folder or else from the service.
    async fn fetch(&self, date: &str) -> Result<Day, FetchError> {
        if let Some(day) = self.keep.as_ref().and_then(|keep| keep.day(date)) {
            return Ok(day);
        }
        let (mut day, mut next) = self.page_with_retries(date, None).await?;
        let mut pages = Pages::default();
        while let Some(token) = pages.next(next)? {
            let (page, after) = self.page_with_retries(date, Some(&token)).await?;
            day.add(page);
            next = after;
        }
        let day = check_date(day, date)?;
        if let Some(keep) = &self.keep {
            // A day that cannot be kept is there all the same.
            let _ = keep.put(&day);
        }
        Ok(day)
    }

    async fn page_with_retries(
        &self,
        date: &str,
        token: Option<&str>,
    ) -> Result<(Day, Option<String>), FetchError> {
        let mut retry = 0;
        loop {
            let error = match self.page(date, token).await {
                Ok(page) => return Ok(page),
                Err(error) => error,
            };
            retry += 1;
            if retry > self.settings.retries || !error.is_worth_retrying() {
                return Err(error);
            }
            let mut wait = self.settings.backoff.wait(retry, number_of(date));
            if let Some(asked) = error.retry_after() {
                let longest = self.settings.longest_wait;
                if let FetchError::Status { status, .. } = error
                    && asked > longest
                {
                    return Err(FetchError::WaitTooLong { status, asked, longest });
                }
                // Others need not find out for themselves. And those who were all told the same
                // time do not come back at the same time.
                if let Some(limit) = &self.limit {
                    limit.close_for(asked);
                }
                wait = wait.saturating_add(asked);
            }
            tokio::time::sleep(wait).await;
        }
    }

    /// One request.
    async fn page(
        &self,
        date: &str,
        token: Option<&str>,
    ) -> Result<(Day, Option<String>), FetchError> {
        let url = match self.settings.version {
            Version::V1 => day_url(&self.settings.base_url, date),
            Version::V2 => page_url(&self.settings.base_url, date, token)?,
        };
        if let Some(limit) = &self.limit {
            limit.acquire().await;
        }
        self.requests.fetch_add(1, Ordering::Relaxed);
        let response = self.http.get(url).send().await?;
        check_head(response.status(), response.headers())?;
        let body = self.body(response).await?;
        // A day of 1 MB takes milliseconds, in which this thread could serve other requests.
        let page = match body.len() {
            0..LARGE => parse_page(&body)?,
            _ => tokio::task::spawn_blocking(move || parse_page(&body))
                .await
                .map_err(|error| FetchError::Content(error.to_string()))??,
        };
        if page.0.readings.is_empty() || page.0.date == date {
            Ok(page)
        } else {
            Err(FetchError::OtherDay(page.0.date))
        }
    }

    /// The whole body, if it is not too large.
    async fn body(&self, mut response: reqwest::Response) -> Result<Vec<u8>, FetchError> {
        let largest = self.settings.largest_body;
        let said = response.content_length().unwrap_or(0) as usize;
        if said > largest {
            return Err(FetchError::TooLarge(largest));
        }
        let mut body = Vec::with_capacity(said);
        while let Some(chunk) = response.chunk().await? {
            if body.len() + chunk.len() > largest {
                return Err(FetchError::TooLarge(largest));
            }
            body.extend_from_slice(&chunk);
        }
        Ok(body)
    }
}

/// Answers from so many bytes on are parsed on another thread.
const LARGE: usize = 64 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_machine_has_several_names() {
        for (url, right) in [
            ("http://127.0.0.1:40123", true),
            ("http://127.1.2.3", true),
            ("http://LOCALHOST:8", true),
            ("http://localhost./", true),
            ("http://[::1]:8", true),
            ("http://127.0.0.1.example", false),
            ("http://192.168.0.1", false),
            ("https://api-open.data.gov.sg", false),
        ] {
            let url = reqwest::Url::parse(url).unwrap();
            assert_eq!(is_this_machine(&url), right, "{url}");
        }
    }
}

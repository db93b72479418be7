//! Fetches an address for each line of its input, and keeps each answer, JSON, as a file.
//!
//!     cargo run --release -- 'https://example.org/weather?date={}' days < dates.txt

use anyhow::{Context, Result, ensure};
use backon::{ExponentialBuilder, Retryable};
use clap::Parser;
use futures_util::{StreamExt, stream};
use governor::{DefaultDirectRateLimiter as Limiter, Quota, RateLimiter};
use reqwest::{Client, header::RETRY_AFTER};
use std::{fs, io, path::PathBuf, time::Duration};

/// Fetches an address for each line of its input, and keeps each answer as a file.
#[derive(Parser)]
struct Options {
    /// The address, with {} in place of the line
    address: String,
    /// The folder for the answers; what is there already is not fetched again
    folder: PathBuf,
    /// At most so many requests at the same time
    #[arg(long, default_value_t = 8)]
    in_flight: usize,
    /// At most so many requests a second, retries included; 0.5 is one in two seconds
    #[arg(long, default_value_t = 5.0)]
    per_second: f64,
}

/// Why there is no answer, whether to try again, and how long the server asks to wait.
struct Failed(String, bool, Duration);
async fn once(http: &Client, limit: &Limiter, url: &str) -> Result<Vec<u8>, Failed> {
    // No connection, too slow, broken off: these pass. An address that is none does not.
    let broken = |why: reqwest::Error| Failed(why.to_string(), !why.is_builder(), Duration::ZERO);
    limit.until_ready().await; // before each try
    let answer = http.get(url).send().await.map_err(broken)?;
    let status = answer.status();
    if !status.is_success() {
        let again = status.is_server_error() || matches!(status.as_u16(), 408 | 429);
        let after = answer.headers().get(RETRY_AFTER).and_then(|v| v.to_str().ok()?.parse().ok());
        return Err(Failed(status.to_string(), again, Duration::from_secs(after.unwrap_or(0))));
    }
    let body = answer.bytes().await.map_err(broken)?.to_vec();
    let json = serde_json::from_slice::<serde_json::Value>(&body);
    json.map_err(|why| Failed(format!("no JSON: {why}"), true, Duration::ZERO))?;
    Ok(body)
}

#[tokio::main]
async fn main() -> Result<()> {
    let Options { address, folder, in_flight, per_second } = Options::parse();
    let pause = Duration::try_from_secs_f64(1.0 / per_second).ok().and_then(Quota::with_period);
    let limit = &RateLimiter::direct(pause.context("--per-second must be a number above 0")?);
    let waits = ExponentialBuilder::default().with_jitter().with_max_times(5); // 1, 2, 4 … s
    let http = &Client::builder().timeout(Duration::from_secs(30)).build()?;
    let lines = io::stdin().lines().collect::<io::Result<Vec<String>>>()?;
    ensure!(!lines.iter().any(|line| line.contains(['/', '\\'])), "lines become names of files");
    fs::create_dir_all(&folder)?;
    let (url, file) = (&address, &|name: &str, end: &str| folder.join(format!("{name}.{end}")));
    let missing: Vec<String> = lines.into_iter().filter(|l| !file(l, "json").exists()).collect();
    let bar = indicatif::ProgressBar::new(missing.len() as u64);
    let answers = stream::iter(missing).map(|line| async move {
        let url = url.replace("{}", &line);
        let fetch = (|| once(http, limit, &url)).retry(waits).when(|failed: &Failed| failed.1);
        let fetch = fetch.adjust(|failed: &Failed, wait: Option<Duration>| {
            Some(wait? + failed.2).filter(|_| failed.2.as_secs() <= 120)
        });
        let body = fetch.await.map_err(|failed| anyhow::anyhow!("{line}: {}", failed.0))?;
        fs::write(file(&line, "part"), body)?;
        Ok::<(), anyhow::Error>(fs::rename(file(&line, "part"), file(&line, "json"))?) // whole
    });
    let (mut answers, mut failures) = (answers.buffer_unordered(in_flight.max(1)), 0);
    while let Some(answer) = answers.next().await {
        failures += usize::from(answer.is_err());
        answer.unwrap_or_else(|why| bar.suspend(|| eprintln!("{why}")));
        bar.inc(1);
    }
    ensure!(failures == 0, "{failures} failed; run it again for these");
    Ok(())
}

//! Many requests at a time: threads and tokio beside Python's clients, at the same servers.

mod report;

use crate::peer::Peer;
use crate::session::{Report, Session, in_words, or_missing};
use helpers::prelude::*;
use helpers::{runtime::*, weather::*};
use report::{Results, Variant};
use serde_json::json;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::task::JoinSet;

/// Days to fetch, each by one request. Every task has a server of its own.
pub struct Task {
    /// Its name in the table.
    pub title: String,
    /// How many days.
    pub days: usize,
    /// How long the server takes for an answer.
    pub latency_ms: u64,
    /// How many requests at a time, for those who can have as many as they like.
    pub in_flight: usize,
    /// See [`ServerSettings`]: what makes the days large or small.
    interval_minutes: u32,
}

/// The places of the two tasks.
pub const LARGE: usize = 0;
pub const SMALL: usize = 1;

/// So few where `WORKBOOK_SIZE` is `small` that a test can do it.
fn tasks() -> [Task; 2] {
    let task = |(days, latency_ms, in_flight), size: &str, interval_minutes| Task {
        title: format!("{days} days of {size}, each answered after {latency_ms} ms"),
        days,
        latency_ms,
        in_flight,
        interval_minutes,
    };
    [
        task(sized((20, 20, 20), (100, 200, 100)), "17 kB", 60),
        task(sized((200, 10, 20), (5_000, 50, 500)), "3 kB", 1440),
    ]
}

impl Task {
    /// Seconds, if nothing but the server took time.
    pub fn ideal(&self, in_flight: usize) -> f64 {
        (self.days.div_ceil(in_flight) as u64 * self.latency_ms) as f64 / 1000.0
    }

    fn serve(&self) -> Result<Server, String> {
        let settings = ServerSettings {
            latency: Latency::Fixed { ms: self.latency_ms },
            interval_minutes: self.interval_minutes,
            ..ServerSettings::default()
        };
        let process = WeatherServer::start(settings).map_err(in_words)?;
        Ok(Server {
            url: process.url(),
            dates: dates("2005-01-01", self.days).into(),
            readings: None,
            _process: process,
        })
    }
}

struct Server {
    url: String,
    dates: Arc<[String]>,
    /// What the first one to fetch all days found in them.
    readings: Option<usize>,
    _process: WeatherServer,
}

/// Runs everything.
///
/// # Errors
///
/// Where there is no server.
pub fn compare(runs: usize) -> Result<Report, String> {
    let tasks = tasks();
    let servers: Result<Vec<Server>, String> = tasks.iter().map(Task::serve).collect();
    let mut servers = servers?;
    let mut missing = Vec::new();
    let mut ways = ways(&tasks, &mut missing);
    let session = Session::run(runs, missing, |counts, missing| {
        // A client that fails is left out from then on; the others go on.
        ways.retain_mut(|(variant, way)| {
            // It takes so long that one round has to do.
            if variant.is_once() && !(counts && variant.seconds.is_empty()) {
                return true;
            }
            let outcome = way.run(&mut servers[variant.task], variant.in_flight);
            let seconds = or_missing(outcome, &variant.name, missing);
            variant.seconds.extend(seconds.filter(|_| counts));
            seconds.is_some()
        });
    });
    let results = Results {
        session,
        tasks,
        variants: ways.into_iter().map(|(variant, _)| variant).collect(),
    };
    Ok(results.report())
}

/// In the order of a round.
fn ways(tasks: &[Task; 2], missing: &mut Vec<String>) -> Vec<(Variant, Way)> {
    let ours = |name, task, in_flight, way| (Variant::new(name, task, in_flight, ""), way);
    let mut ways = vec![
        ours(report::ONE_BY_ONE, LARGE, 1, Way::Threads),
        ours(report::THREADS, LARGE, report::FEW, Way::Threads),
        ours(report::TOKIO, LARGE, tasks[LARGE].in_flight, Way::Tokio),
        ours(report::TOKIO, SMALL, tasks[SMALL].in_flight, Way::Tokio),
    ];
    for (client, name, task, in_flight) in [
        ("requests", report::REQUESTS, LARGE, report::FEW),
        ("httpx", report::HTTPX, LARGE, tasks[LARGE].in_flight),
        ("aiohttp", report::AIOHTTP, LARGE, tasks[LARGE].in_flight),
        ("aiohttp", report::AIOHTTP, SMALL, tasks[SMALL].in_flight),
    ] {
        let peer = Peer::start(&json!({ "client": client }));
        let what = format!("{name}, {}", tasks[task].title);
        if let Some(peer) = or_missing(peer, &what, missing) {
            let variant = Variant::new(name, task, in_flight, &peer.version);
            ways.push((variant, Way::Peer(peer)));
        }
    }
    // Those that are compared with each other follow each other.
    ways.sort_by_key(|(variant, _)| variant.task);
    ways
}

enum Way {
    /// So many threads as requests at a time.
    Threads,
    Tokio,
    Peer(Peer),
}

impl Way {
    /// Fetches all days; seconds, from making the client to the last parsed day.
    fn run(&mut self, server: &mut Server, in_flight: usize) -> Result<f64, String> {
        let (url, dates) = (&server.url, &server.dates);
        let start = Instant::now();
        let (took, readings) = match self {
            Way::Threads => {
                let readings = with_threads(url, dates, in_flight);
                (start.elapsed().as_secs_f64(), readings.map_err(in_words)?)
            }
            Way::Tokio => {
                let readings = with_tokio(url, dates, in_flight);
                (start.elapsed().as_secs_f64(), readings.map_err(in_words)?)
            }
            Way::Peer(peer) => {
                let url = day_url(url, "");
                peer.ask(&json!({ "url": url, "dates": dates[..], "in_flight": in_flight }))?
            }
        };
        match *server.readings.get_or_insert(readings) {
            expected if expected == readings => Ok(took),
            expected => Err(format!("{readings} readings came instead of {expected}")),
        }
    }
}

/// How many readings came.
fn with_threads(url: &str, dates: &[String], threads: usize) -> Result<usize, FetchError> {
    let client = reqwest::blocking::Client::builder().no_proxy().tls_certs_only([]).build()?;
    let next = AtomicUsize::new(0);
    let work = || {
        let mut readings = 0;
        while let Some(date) = dates.get(next.fetch_add(1, Ordering::Relaxed)) {
            let answer = client.get(day_url(url, date)).send()?;
            readings += parse_day(&answer.bytes()?)?.readings.len();
        }
        Ok(readings)
    };
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        let joined = threads.into_iter().map(|thread| thread.join());
        joined.map(|outcome| outcome.unwrap_or_else(|panic| std::panic::resume_unwind(panic))).sum()
    })
}

fn with_tokio(url: &str, dates: &Arc<[String]>, in_flight: usize) -> Result<usize, FetchError> {
    let all = fetch_all(url.into(), dates.clone(), in_flight);
    // Spawned, because only tasks run on those threads.
    let done = on_threads(cores().min(2), async { tokio::spawn(all).await });
    done.unwrap_or_else(|failed| std::panic::resume_unwind(failed.into_panic()))
}

async fn fetch_all(
    url: Arc<str>,
    dates: Arc<[String]>,
    in_flight: usize,
) -> Result<usize, FetchError> {
    let client = reqwest::Client::builder()
        .no_proxy()
        .tls_certs_only([])
        .timeout(Duration::from_secs(30))
        .build()?;
    let next = Arc::new(AtomicUsize::new(0));
    let mut workers = JoinSet::new();
    for _ in 0..in_flight {
        let (client, url, dates) = (client.clone(), url.clone(), dates.clone());
        let next = next.clone();
        workers.spawn(async move {
            let mut readings = 0;
            while let Some(date) = dates.get(next.fetch_add(1, Ordering::Relaxed)) {
                let answer = client.get(day_url(&url, date)).send().await?;
                readings += parse_day(&answer.bytes().await?)?.readings.len();
            }
            Ok(readings)
        });
    }
    workers.join_all().await.into_iter().sum()
}

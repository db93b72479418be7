//! What becomes of a request, and the log.
//!
//! Latency and faults depend on the seed, the date and the attempt, not on who came before: a run
//! can be repeated although its requests arrive in another order. Only the limits look at others.

use super::readings::{self, Version};
use crate::settings::{CallLimit, Fault, Latency, LogEntry, ServerLog, ServerSettings};
use hyper::StatusCode;
use hyper::body::Bytes;
use platform::chance::{chance, number_of};
use platform::dates::{days_since_1970, text};
use std::collections::{HashMap, VecDeque};
use std::f64::consts::TAU;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// What one request asks for.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Asked {
    version: Version,
    date: String,
    page: usize,
}

impl Asked {
    /// `None` where the query has no date, or one that does not exist.
    pub fn from_query(version: Version, query: &str) -> Option<Asked> {
        let field = |name: &str| {
            query.split('&').find_map(|pair| {
                let (key, value) = pair.split_once('=')?;
                (key == name).then_some(value)
            })
        };
        let date = field("date").filter(|date| days_since_1970(date).is_some())?;
        let page = match field("paginationToken").filter(|_| version == Version::V2) {
            Some(token) => token.strip_prefix("page-")?.parse().ok()?,
            None => 0,
        };
        Some(Asked { version, date: date.to_owned(), page })
    }
}

/// What is to be answered, and when.
#[derive(Debug, PartialEq)]
pub struct Plan {
    pub delay: Duration,
    pub status: StatusCode,
    pub fault: Option<Fault>,
    /// What to say in place of what was asked for.
    pub fixed: Option<&'static str>,
    /// Seconds.
    pub retry_after: Option<u32>,
}

/// The server but for the network.
pub struct Server {
    state: Mutex<State>,
}

struct State {
    settings: ServerSettings,
    start: Instant,
    log: ServerLog,
    /// Counts how often the log has been reset: a visit of an earlier log leaves this one alone.
    era: u64,
    /// Of each thing that was asked for: how many requests came, and how many were let in.
    attempts: HashMap<Asked, (u32, u32)>,
    /// When the calls came that count for the rate limit.
    calls: VecDeque<Instant>,
    /// In flight, whatever the era.
    busy: usize,
    bodies: HashMap<Asked, Bytes>,
    cached: usize,
}

/// More bytes of bodies are not kept: 100 days of 1 MB fit.
const CACHE: usize = 128 << 20;

impl Server {
    pub fn new(settings: ServerSettings) -> Server {
        let state = State {
            settings,
            start: Instant::now(),
            log: ServerLog::default(),
            era: 0,
            attempts: HashMap::new(),
            calls: VecDeque::new(),
            busy: 0,
            bodies: HashMap::new(),
            cached: 0,
        };
        Server { state: Mutex::new(state) }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn change(&self, settings: ServerSettings) {
        let mut state = self.state();
        state.settings = settings;
        state.bodies.clear();
        state.cached = 0;
        state.reset();
    }

    pub fn reset(&self) {
        self.state().reset();
    }

    pub fn log(&self) -> ServerLog {
        let state = self.state();
        let mut log = state.log.clone();
        log.requests = log.entries.len();
        log.served = log.entries.iter().filter(|e| e.is_served()).count();
        log.in_flight = state.busy;
        log
    }

    /// The body of what was asked for, made once.
    pub fn bytes(&self, asked: &Asked) -> Bytes {
        let mut state = self.state();
        if let Some(bytes) = state.bodies.get(asked) {
            return bytes.clone();
        }
        let bytes = Bytes::from(state.make(asked));
        if state.cached + bytes.len() <= CACHE {
            state.cached += bytes.len();
            state.bodies.insert(asked.clone(), bytes.clone());
        }
        bytes
    }
}

impl State {
    fn reset(&mut self) {
        self.start = Instant::now();
        self.era += 1;
        self.log = ServerLog::default();
        self.attempts.clear();
        self.calls.clear();
    }

    fn make(&self, asked: &Asked) -> String {
        let (seed, interval) = (self.settings.seed, self.settings.interval_minutes);
        let is_stale = self.lasting_fault(asked) == Some(Fault::Stale);
        let today = days_since_1970(&asked.date).filter(|_| is_stale);
        let date = today.map_or_else(|| asked.date.clone(), |days| text(days - 1));
        if asked.version == Version::V1 {
            return readings::version_1(seed, interval, &date);
        }
        let length = self.settings.items_per_page.max(1);
        let start = asked.page.saturating_mul(length);
        let end = start.saturating_add(length);
        let next = (end < readings::items(interval)).then(|| format!("page-{}", asked.page + 1));
        readings::version_2(seed, interval, &date, start..end, next.as_deref())
    }

    fn lasting_fault(&self, asked: &Asked) -> Option<Fault> {
        let draw = chance(self.settings.seed, &[number_of(&asked.date), 11]);
        struck(draw, &self.settings.faults.lasting())
    }

    /// What becomes of a request that comes now.
    fn plan(&mut self, asked: &Asked, now: Instant) -> Plan {
        let refusal = |status, fault, retry_after| Plan {
            delay: Duration::ZERO,
            status,
            fault: Some(fault),
            fixed: Some(r#"{"code":1,"errorMsg":"too many requests"}"#),
            retry_after,
        };
        if self.settings.capacity.is_some_and(|most| self.busy > most) {
            return refusal(StatusCode::SERVICE_UNAVAILABLE, Fault::Capacity, None);
        }
        if let Some(wait) = self.settings.rate_limit.and_then(|l| self.over(l, now)) {
            let seconds = wait.as_secs_f64().ceil().max(1.0);
            let seconds = Some(seconds as u32);
            return refusal(StatusCode::TOO_MANY_REQUESTS, Fault::RateLimit, seconds);
        }
        let attempts = self.attempts.entry(asked.clone()).or_default();
        attempts.1 += 1;
        let attempt = attempts.1;
        let seed = self.settings.seed;
        let words = [number_of(&asked.date), asked.page as u64, attempt.into()];
        let draw = |what: u64| chance(seed, &[words[0], words[1], words[2], what]);
        let mut plan = Plan {
            delay: self.settings.latency.draw(draw(21), draw(22)),
            status: StatusCode::OK,
            fault: None,
            fixed: None,
            retry_after: None,
        };
        if attempt <= self.settings.faulty_attempts {
            plan.fault = struck(draw(23), &self.settings.faults.passing());
        }
        plan.fault = plan.fault.or_else(|| self.lasting_fault(asked));
        match plan.fault {
            Some(Fault::Error) if draw(24) < 0.5 => {
                plan.status = StatusCode::INTERNAL_SERVER_ERROR;
                plan.fixed = Some(r#"{"message":"Internal server error"}"#);
            }
            Some(Fault::Error) => {
                plan.status = StatusCode::BAD_GATEWAY;
                plan.fixed = Some(BAD_GATEWAY);
            }
            Some(Fault::Html) => plan.fixed = Some(MAINTENANCE),
            // The client gives up long before.
            Some(Fault::Hang) => plan.delay = Duration::from_secs(24 * 60 * 60),
            Some(Fault::Empty) => {
                let blank = chance(seed, &[words[0], 12]) < 0.5;
                plan.fixed = Some(readings::empty(asked.version, blank));
            }
            _ => {}
        }
        plan
    }

    /// How long a call has to wait for its turn; `None`, and the call counts, where it need not.
    fn over(&mut self, limit: CallLimit, now: Instant) -> Option<Duration> {
        let window = Duration::from_millis(limit.window_ms);
        let age = |call: &Instant| now.duration_since(*call);
        while self.calls.front().is_some_and(|call| age(call) >= window) {
            self.calls.pop_front();
        }
        if let Some(first) = self.calls.front()
            && self.calls.len() >= limit.calls
        {
            return Some(window - age(first));
        }
        self.calls.push_back(now);
        None
    }
}

const BAD_GATEWAY: &str = "<html><head><title>502 Bad Gateway</title></head>\
    <body><center><h1>502 Bad Gateway</h1></center></body></html>";

const MAINTENANCE: &str = "<!doctype html><html><head><title>Service unavailable</title></head>\
    <body><h1>We will be back soon</h1></body></html>";

/// Which fault strikes for a draw from 0 to 1: each takes its share of that line.
fn struck(draw: f64, rates: &[(Fault, f64)]) -> Option<Fault> {
    let mut end = 0.0;
    let mut strikes = rates.iter().filter(|(_, rate)| {
        end += rate;
        draw < end
    });
    strikes.next().map(|&(fault, _)| fault)
}

impl Latency {
    /// The latency for two draws from 0 to 1.
    fn draw(self, first: f64, second: f64) -> Duration {
        let ms = match self {
            Latency::Fixed { ms } => ms as f64,
            Latency::Uniform { from_ms, to_ms } => {
                from_ms as f64 + first * (to_ms.saturating_sub(from_ms)) as f64
            }
            Latency::HeavyTail { median_ms, p99_ms } => {
                /// Of a normal distribution, 99 % lie below so many standard deviations.
                const P99: f64 = 2.326;
                let median = median_ms.max(1) as f64;
                let deviation = (p99_ms as f64 / median).max(1.0).ln() / P99;
                let normal = (-2.0 * (1.0 - first).ln()).sqrt() * (TAU * second).cos();
                // Rarer than one in 20,000 is not worth waiting for.
                median * (deviation * normal.min(4.0)).exp()
            }
        };
        Duration::from_secs_f64(ms / 1000.0)
    }
}

/// One request, from its arrival until its answer has been handed over or its client has gone.
pub struct Visit {
    server: Arc<Server>,
    asked: Asked,
    era: u64,
    index: usize,
    arrived: Instant,
}

impl Visit {
    /// Writes the request down and decides what becomes of it.
    pub fn begin(server: &Arc<Server>, asked: Asked) -> (Visit, Plan) {
        let now = Instant::now();
        let mut guard = server.state();
        let state = &mut *guard;
        state.busy += 1;
        state.log.peak_in_flight = state.log.peak_in_flight.max(state.busy);
        let plan = state.plan(&asked, now);
        let attempts = state.attempts.entry(asked.clone()).or_default();
        attempts.0 += 1;
        let visit = Visit {
            server: server.clone(),
            asked,
            era: state.era,
            index: state.log.entries.len(),
            arrived: now,
        };
        state.log.entries.push(LogEntry {
            at: now.duration_since(state.start).as_secs_f64(),
            date: visit.asked.date.clone(),
            page: visit.asked.page,
            attempt: attempts.0,
            status: 0,
            fault: plan.fault,
            took: None,
        });
        (visit, plan)
    }

    pub fn asked(&self) -> &Asked {
        &self.asked
    }

    /// An answer with this status is about to be sent.
    pub fn answered(&mut self, status: u16) {
        self.note(|entry| entry.status = status);
    }

    fn note(&self, change: impl FnOnce(&mut LogEntry)) {
        let mut state = self.server.state();
        if state.era == self.era
            && let Some(entry) = state.log.entries.get_mut(self.index)
        {
            change(entry);
        }
    }
}

impl Drop for Visit {
    fn drop(&mut self) {
        let took = self.arrived.elapsed().as_secs_f64();
        self.note(|entry| entry.took = Some(took));
        self.server.state().busy -= 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::Faults;

    fn asked(date: &str) -> Asked {
        Asked::from_query(Version::V1, &format!("date={date}")).unwrap()
    }

    #[test]
    fn what_happens_does_not_depend_on_the_order() {
        let settings = ServerSettings {
            latency: Latency::HeavyTail { median_ms: 50, p99_ms: 1000 },
            faults: Faults { error: 0.3, cut: 0.2, ..Faults::default() },
            ..ServerSettings::default()
        };
        let days: Vec<Asked> = (1..=28).map(|d| asked(&format!("2020-02-{d:02}"))).collect();
        let run = |order: Vec<&Asked>| {
            let server = Server::new(settings.clone());
            let mut plans: Vec<_> = order
                .iter()
                .flat_map(|day| [(*day).clone(), (*day).clone()])
                .map(|day| (day.date.clone(), server.state().plan(&day, Instant::now())))
                .collect();
            plans.sort_by(|a, b| a.0.cmp(&b.0));
            plans
        };
        let forth = run(days.iter().collect());
        assert_eq!(forth, run(days.iter().rev().collect()));
        let faults = forth.iter().filter(|plan| plan.1.fault.is_some()).count();
        assert!((15..=40).contains(&faults), "{faults} of 56");
    }

    #[test]
    fn a_window_holds_so_many_calls() {
        let limit = CallLimit { calls: 2, window_ms: 1000 };
        let server = Server::new(ServerSettings::default());
        let mut state = server.state();
        let start = Instant::now();
        let mut call = |ms| state.over(limit, start + Duration::from_millis(ms));
        assert_eq!(call(0), None);
        assert_eq!(call(400), None);
        assert_eq!(call(500), Some(Duration::from_millis(500)));
        assert_eq!(call(1000), None);
        assert_eq!(call(1399), Some(Duration::from_millis(1)));
        assert_eq!(call(1400), None);
    }

    #[test]
    fn latencies_have_the_median_and_tail_that_were_asked_for() {
        let latency = Latency::HeavyTail { median_ms: 100, p99_ms: 1000 };
        let mut all: Vec<Duration> =
            (0..10_000).map(|n| latency.draw(chance(1, &[n, 1]), chance(1, &[n, 2]))).collect();
        all.sort();
        assert!((90..110).contains(&all[5000].as_millis()), "{:?}", all[5000]);
        assert!((800..1250).contains(&all[9900].as_millis()), "{:?}", all[9900]);
    }

    #[test]
    fn queries() {
        assert_eq!(asked("2020-09-06").date, "2020-09-06");
        let page =
            Asked::from_query(Version::V2, "date=2020-09-06&paginationToken=page-2").unwrap();
        assert_eq!(page.page, 2);
        assert!(Asked::from_query(Version::V1, "").is_none());
        assert!(Asked::from_query(Version::V1, "date=tomorrow").is_none());
        assert!(Asked::from_query(Version::V2, "date=2020-09-06&paginationToken=x").is_none());
    }
}

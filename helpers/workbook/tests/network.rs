//! Does the weather server do what its settings say, and can a client come through all of it?

mod left_out;

use helpers::runtime::{on_fresh_thread, on_one_thread};
use helpers::weather::*;
use helpers::{futures_util, reqwest};
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

fn start(settings: ServerSettings) -> WeatherServer {
    static PROGRAM: std::sync::Once = std::sync::Once::new();
    // SAFETY: every test comes through here before it starts anything that reads variables.
    PROGRAM.call_once(|| unsafe {
        std::env::set_var("WORKBOOK_PROGRAM", env!("CARGO_BIN_EXE_workbook"));
    });
    WeatherServer::start(settings).unwrap()
}

/// A server that answers almost at once, but for its faults.
fn faulty(faults: Faults) -> ServerSettings {
    ServerSettings { latency: Latency::Fixed { ms: 5 }, faults, ..ServerSettings::default() }
}

/// A client that asks again where that may help, and is in a hurry.
#[derive(Clone, Copy)]
struct Patience {
    in_flight: usize,
    retries: u32,
    timeout: Duration,
}

const HASTY: Patience = Patience { in_flight: 20, retries: 5, timeout: Duration::from_secs(1) };

/// What came, and what failed after all retries.
#[derive(Debug, PartialEq, Default)]
struct Fetched {
    days: BTreeMap<String, Day>,
    failed: BTreeMap<String, FetchError>,
}

impl Fetched {
    /// How often each kind of failure occurs.
    fn failures(&self) -> BTreeMap<String, usize> {
        let mut counts = BTreeMap::new();
        for error in self.failed.values() {
            *counts.entry(error.kind()).or_default() += 1;
        }
        counts
    }
}

fn is_worth_retrying(error: &FetchError) -> bool {
    use FetchError::{Body, Connect, Content, Status, Timeout};
    let soon = error.retry_after() <= Some(Duration::from_secs(60));
    match error {
        Connect(_) | Timeout | Body(_) | Content(_) => true,
        Status { status, .. } => soon && matches!(status, 408 | 429 | 500..=599),
        _ => false,
    }
}

fn fetch(server: &WeatherServer, patience: Patience, dates: &[String]) -> Fetched {
    use futures_util::StreamExt;
    let url = &server.url();
    let http = reqwest::Client::builder().no_proxy();
    let http = &http.timeout(patience.timeout).build().unwrap();
    let persistent = async |date: &String| {
        let mut wait = Duration::from_millis(5);
        for retry in 0.. {
            match fetch_day(http, url, date).await {
                Err(error) if retry < patience.retries && is_worth_retrying(&error) => {
                    let asked = error.retry_after().unwrap_or_default();
                    helpers::tokio::time::sleep(wait + asked).await;
                    wait *= 2;
                }
                done => return (date.clone(), done),
            }
        }
        unreachable!("the last try is returned")
    };
    let all = futures_util::stream::iter(dates).map(persistent);
    let all = all.buffer_unordered(patience.in_flight).collect();
    let all: Vec<(String, Result<Day, FetchError>)> = on_one_thread(all);
    let mut fetched = Fetched::default();
    for (date, result) in all {
        match result {
            Ok(day) => drop(fetched.days.insert(date, day)),
            Err(error) => drop(fetched.failed.insert(date, error)),
        }
    }
    fetched
}

/// How often each date was answered properly.
fn served(log: &ServerLog) -> BTreeMap<&str, usize> {
    let mut counts = BTreeMap::new();
    for entry in log.entries.iter().filter(|entry| entry.is_served()) {
        *counts.entry(entry.date.as_str()).or_default() += 1;
    }
    counts
}

#[track_caller]
fn all_served_once(log: &ServerLog, dates: &[String]) {
    let counts = served(log);
    assert_eq!(counts.len(), dates.len());
    assert!(counts.values().all(|&count| count == 1), "{counts:?}");
}

fn client() -> reqwest::Client {
    reqwest::Client::builder().no_proxy().timeout(Duration::from_secs(10)).build().unwrap()
}

/// A day of version 1.
async fn fetch_day(http: &reqwest::Client, url: &str, date: &str) -> Result<Day, FetchError> {
    let answer = http.get(day_url(url, date)).send().await?;
    let status = answer.status().as_u16();
    let retry_after = retry_after(answer.headers());
    if status != 200 {
        return Err(FetchError::Status { status, retry_after });
    }
    let day = parse_day(&answer.bytes().await?)?;
    match day.date == date {
        true => Ok(day),
        false => Err(FetchError::OtherDay(day.date)),
    }
}

/// A day of version 2, page by page.
async fn fetch_pages(client: &reqwest::Client, url: &str, date: &str) -> Day {
    let first = format!("{url}/v2/real-time/api/air-temperature?date={date}");
    let (mut day, mut next) = (None::<Day>, Some(first.clone()));
    while let Some(url) = next {
        let body = client.get(url).send().await.unwrap().bytes().await.unwrap();
        let (page, token) = parse_page(&body).unwrap();
        match &mut day {
            Some(day) => day.add(page),
            None => day = Some(page),
        }
        next = token.map(|token| format!("{first}&paginationToken={token}"));
    }
    day.unwrap()
}

#[test]
fn both_versions_and_both_clients_bring_the_same_day() {
    let server = start(ServerSettings {
        interval_minutes: 1,
        latency: Latency::Fixed { ms: 5 },
        ..ServerSettings::default()
    });
    let url = server.url();
    let day = on_one_thread(async {
        let client = client();
        let day = fetch_day(&client, &url, "2020-09-06").await.unwrap();
        assert_eq!(fetch_pages(&client, &url, "2020-09-06").await, day);
        day
    });
    let blocking = on_fresh_thread(|| {
        let client = reqwest::blocking::Client::builder().no_proxy().build();
        let answer = client.unwrap().get(day_url(&url, "2020-09-06")).send();
        parse_day(&answer.unwrap().bytes().unwrap()).unwrap()
    });
    assert_eq!(day, blocking);
    assert_eq!(day.readings.len(), 1440 * 17);
    let log = server.log().unwrap();
    assert_eq!((log.requests, log.served, log.peak_in_flight), (5, 5, 1));
    assert_eq!(log.in_flight, 0);
    assert!(log.entries.iter().all(|entry| entry.took >= Some(0.005)));
    server.reset_log().unwrap();
    assert_eq!(server.log().unwrap(), ServerLog::default());
}

#[test]
fn other_paths() {
    let server = start(faulty(Faults::default()));
    let answer = |path: &str| {
        on_one_thread(async {
            let url = format!("{}{path}", server.url());
            let response = client().get(url).send().await.unwrap();
            (response.status().as_u16(), response.text().await.unwrap())
        })
    };
    let temperatures = "/v1/environment/air-temperature";
    assert_eq!(answer(&format!("{temperatures}?date=2020-09-06")).0, 200);
    assert_eq!(answer(&format!("{temperatures}?date=2020-02-30")).0, 400);
    assert_eq!(answer(temperatures).0, 400);
    assert_eq!(answer("/v1/environment/rainfall?date=2020-09-06").0, 404);
    // For programs that did not start the server, such as Python's.
    let log: ServerLog = helpers::serde_json::from_str(&answer("/log").1).unwrap();
    assert_eq!(log, server.log().unwrap());
    assert_eq!(log.requests, 1);

    let failed = fetch(&server, HASTY, &["yesterday".to_owned()]).failed;
    assert_eq!(failed["yesterday"].kind(), "status 400");
    let requests = server.log().unwrap().requests;
    assert_eq!(requests, 1, "what asks for no date is not logged");
}

#[test]
fn thousands_of_requests_are_no_burden() {
    use futures_util::StreamExt;
    let server = start(ServerSettings::default());
    let url = server.url();
    let dates = dates("2005-01-01", 5000);
    let (wall, bytes) = on_one_thread(async {
        let client = client();
        let begin = Instant::now();
        let requests = futures_util::stream::iter(dates).map(|date| {
            let request = client.get(day_url(&url, &date)).send();
            async move { request.await.unwrap().bytes().await.unwrap().len() }
        });
        let bytes: usize =
            requests.buffer_unordered(500).fold(0, |a, b| async move { a + b }).await;
        (begin.elapsed(), bytes)
    });
    let log = server.log().unwrap();
    println!("{wall:?}, {} bytes each, {} at once", bytes / 5000, log.peak_in_flight);
    assert_eq!((log.served, log.peak_in_flight), (5000, 500));
    // It takes 0.6 s on two cores that are idle; other tests may run at the same time.
    assert!(wall < Duration::from_secs(8), "{wall:?}");
}

#[test]
fn nothing_is_lost_and_nothing_fetched_twice() {
    let server = start(faulty(Faults {
        error: 0.15,
        hang: 0.03,
        cut: 0.1,
        truncated: 0.1,
        html: 0.1,
        drip: 0.03,
        ..Faults::default()
    }));
    let dates = dates("2020-05-30", 100);
    let patience = Patience { retries: 12, ..HASTY };
    let fetched = fetch(&server, patience, &dates);
    assert_eq!(fetched.failures(), BTreeMap::new());
    assert_eq!(fetched.days.len(), 100);
    let log = server.log().unwrap();
    all_served_once(&log, &dates);
    assert!(log.peak_in_flight <= 20, "{}", log.peak_in_flight);
    let mut kinds: Vec<_> = log.entries.iter().flat_map(|e| e.fault).collect();
    kinds.sort();
    kinds.dedup();
    use Fault::{Cut, Drip, Error, Hang, Html, Truncated};
    assert_eq!(kinds, [Error, Hang, Cut, Truncated, Html, Drip]);

    // The same faults again, whatever the order of arrival, ...
    server.reset_log().unwrap();
    let in_turn = Patience { in_flight: 7, ..patience };
    assert_eq!(fetch(&server, in_turn, &dates), fetched);
    let what = |log: &ServerLog| {
        let entries = log.entries.iter();
        let mut all: Vec<_> = entries.map(|e| (e.date.clone(), e.attempt, e.fault)).collect();
        all.sort();
        all
    };
    assert_eq!(what(&server.log().unwrap()), what(&log));
    // ... and without faults the same days.
    server.change(faulty(Faults::default())).unwrap();
    assert_eq!(fetch(&server, in_turn, &dates), fetched);
}

#[test]
fn each_fault_has_its_name_and_a_retry_cures_it() {
    let one = |fault: &str| {
        let rate = |name| if name == fault { 1.0 } else { 0.0 };
        Faults {
            error: rate("error"),
            hang: rate("hang"),
            cut: rate("cut"),
            truncated: rate("truncated"),
            html: rate("html"),
            drip: rate("drip"),
            ..Faults::default()
        }
    };
    let dates = dates("2020-05-30", 10);
    let server = start(ServerSettings::default());
    for (fault, kinds) in [
        ("error", &["status 500", "status 502"][..]),
        ("hang", &["timeout"]),
        ("cut", &["body"]),
        ("truncated", &["content"]),
        ("html", &["content"]),
        ("drip", &["timeout"]),
    ] {
        let settings = ServerSettings { faulty_attempts: 1, ..faulty(one(fault)) };
        server.change(settings.clone()).unwrap();
        let once = Patience { retries: 0, timeout: Duration::from_millis(300), ..HASTY };
        let fetched = fetch(&server, once, &dates);
        let found: Vec<String> = fetched.failures().into_keys().collect();
        assert_eq!(found, kinds, "{fault}");
        assert_eq!(fetched.failed.len(), 10);
        server.reset_log().unwrap();
        let fetched = fetch(&server, Patience { retries: 1, ..once }, &dates);
        assert_eq!(fetched.days.len(), 10, "{fault}: {fetched:?}");
        let log = server.log().unwrap();
        assert_eq!(log.requests, 20, "{fault}");
        all_served_once(&log, &dates);
    }
}

#[test]
fn what_lasts_is_not_tried_again() {
    let dates = dates("2020-05-30", 60);
    let server = start(faulty(Faults { empty: 0.2, stale: 0.2, ..Faults::default() }));
    let fetched = fetch(&server, HASTY, &dates);
    let failures = fetched.failures();
    let kinds: Vec<&str> = failures.keys().map(String::as_str).collect();
    assert_eq!(kinds, ["empty day", "other day"]);
    assert!(failures.values().all(|count| (4..25).contains(count)));
    assert_eq!(fetched.days.len() + fetched.failed.len(), 60);
    assert_eq!(server.log().unwrap().requests, 60);
}

#[test]
fn more_in_a_window_than_allowed_are_refused() {
    let server = start(ServerSettings {
        rate_limit: Some(CallLimit { calls: 10, window_ms: 300 }),
        ..faulty(Faults::default())
    });
    let dates = dates("2020-05-30", 25);
    let fetched = fetch(&server, HASTY, &dates);
    assert_eq!(fetched.days.len(), 25, "{:?}", fetched.failures());
    let log = server.log().unwrap();
    all_served_once(&log, &dates);
    let mut refused = BTreeMap::new();
    for entry in &log.entries {
        if let Some(before) = refused.remove(&entry.date) {
            // Retry-After counts in seconds, so it says 1.
            assert!(entry.at - before >= 1.0, "{log:?}");
        }
        if entry.status == 429 {
            refused.insert(entry.date.clone(), entry.at);
        }
    }
    assert!(log.requests > 25);

    // For an hour nobody waits.
    server
        .change(ServerSettings {
            rate_limit: Some(CallLimit { calls: 1, window_ms: 3_600_000 }),
            ..ServerSettings::default()
        })
        .unwrap();
    let begin = Instant::now();
    let fetched = fetch(&server, HASTY, &dates);
    assert!(begin.elapsed() < Duration::from_secs(5));
    assert_eq!(fetched.failures(), [("status 429".to_owned(), 24)].into());
    assert_eq!(fetched.days.len(), 1);
}

#[test]
fn a_server_with_little_capacity_is_not_worn_out() {
    let server = start(ServerSettings {
        capacity: Some(10),
        latency: Latency::Fixed { ms: 20 },
        ..ServerSettings::default()
    });
    let dates = dates("2020-05-30", 60);
    let patience = Patience { in_flight: 60, retries: 12, ..HASTY };
    assert_eq!(fetch(&server, patience, &dates).days.len(), 60);
    let log = server.log().unwrap();
    all_served_once(&log, &dates);
    assert!(log.entries.iter().any(|entry| entry.status == 503));
}

#[test]
fn a_day_comes_in_pages() {
    let server = start(ServerSettings { items_per_page: 5, ..faulty(Faults::default()) });
    let (url, date) = (server.url(), "2024-07-16");
    on_one_thread(async {
        let client = client();
        let day = fetch_pages(&client, &url, date).await;
        // 24 items in pages of 5.
        assert_eq!(server.log().unwrap().served, 5);
        assert_eq!(fetch_day(&client, &url, date).await, Ok(day));
    });
}

#[test]
fn nobody_there() {
    let server = start(ServerSettings::default());
    let (pid, url) = (server.pid(), server.url());
    drop(server);
    assert!(!is_alive(pid));
    let fetched = on_one_thread(async { fetch_day(&client(), &url, "2020-05-30").await });
    assert_eq!(fetched.unwrap_err().kind(), "connect");
}

const SCENARIO: &str = "NETWORK_SCENARIO";

/// What tests below start: with a scenario in the environment it runs it, as a notebook would.
#[test]
fn run_the_scenario() {
    let Ok(scenario) = std::env::var(SCENARIO) else {
        return;
    };
    let server =
        start(ServerSettings { latency: Latency::Fixed { ms: 40 }, ..ServerSettings::default() });
    println!("server {}", server.pid());
    let dates = dates("2020-05-30", if scenario == "killed" { 1000 } else { 20 });
    let patience = Patience { in_flight: 5, ..HASTY };
    let fetched = fetch(&server, patience, &dates);
    assert_eq!(fetched.days.len(), dates.len());
}

fn scenario(program: &mut Command, name: &str) {
    program.env(SCENARIO, name).stdout(Stdio::piped()).args([
        "--exact",
        "run_the_scenario",
        "--nocapture",
    ]);
}

fn is_alive(pid: u32) -> bool {
    // SAFETY: signal 0 only asks whether there is such a process.
    unsafe { libc::kill(pid as i32, 0) == 0 }
}

#[test]
fn a_killed_notebook_leaves_no_server() {
    let mut program = Command::new(std::env::current_exe().unwrap());
    scenario(&mut program, "killed");
    let mut notebook = program.spawn().unwrap();
    let lines = BufReader::new(notebook.stdout.take().unwrap()).lines();
    let pid = lines
        .map_while(Result::ok)
        .find_map(|line| line.split("server ").nth(1)?.trim().parse::<u32>().ok())
        .unwrap();
    assert!(is_alive(pid));
    notebook.kill().unwrap();
    notebook.wait().unwrap();
    let begin = Instant::now();
    while is_alive(pid) {
        assert!(begin.elapsed() < Duration::from_secs(10), "{pid} lives on");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// Every address that a client and its server ask the system for, seen by strace where there is
/// one.
#[test]
fn nothing_but_loopback_is_contacted() {
    let there = Command::new("strace").arg("--version").output();
    if !there.is_ok_and(|output| output.status.success()) {
        let why = "strace is not installed (Debian and Ubuntu: `sudo apt install strace`)";
        left_out::leave_out("that the weather's client contacts this machine only", why);
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("strace.log");
    let mut program = Command::new("strace");
    program
        .args(["-f", "-e", "trace=connect,sendto,sendmsg,sendmmsg,bind", "-o"])
        .arg(&log)
        .arg(std::env::current_exe().unwrap());
    scenario(&mut program, "short");
    for proxy in ["http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY", "https_proxy"] {
        program.env(proxy, "http://192.0.2.1:3128");
    }
    let output = program.output().unwrap();
    assert!(output.status.success(), "{output:?}");
    let log = std::fs::read_to_string(log).unwrap();
    let addresses: Vec<&str> = log.lines().filter(|line| line.contains("AF_INET")).collect();
    assert!(addresses.iter().any(|line| line.contains("connect(")), "{log}");
    for line in addresses {
        assert!(line.contains("\"127.0.0.1\""), "{line}");
    }
}

//! Does the weather server do what its settings say, and does the client come through all of it?

mod left_out;

use helpers::runtime::{on_fresh_thread, on_one_thread};
use helpers::weather::*;
use helpers::{futures_util, reqwest, tokio};
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::path::Path;
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

/// A client that is in a hurry.
fn hasty(server: &WeatherServer) -> ClientSettings {
    ClientSettings {
        in_flight: 20,
        timeout: Duration::from_secs(1),
        backoff: Backoff { first: Duration::from_millis(5), ..Backoff::default() },
        ..ClientSettings::at(&server.url())
    }
}

fn fetch(settings: ClientSettings, dates: &[String]) -> Fetched {
    WeatherClient::new(settings).unwrap().fetch_blocking(dates)
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
        let in_pages = ClientSettings { version: Version::V2, ..ClientSettings::at(&url) };
        let again = WeatherClient::new(in_pages).unwrap();
        assert_eq!(again.fetch_day("2020-09-06").await.as_ref(), Ok(&day));
        day
    });
    let blocking = on_fresh_thread(|| {
        let client = reqwest::blocking::Client::builder().no_proxy().build();
        fetch_day_blocking(&client.unwrap(), &url, "2020-09-06").unwrap()
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

    let once = ClientSettings { retries: 3, ..hasty(&server) };
    let client = WeatherClient::new(once).unwrap();
    let failed = client.fetch_blocking(&["yesterday".to_owned()]).failed;
    assert_eq!(failed["yesterday"].kind(), "status 400");
    assert_eq!(client.requests(), 1, "it is no better a second time");
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
    let settings = ClientSettings { retries: 12, ..hasty(&server) };
    let fetched = fetch(settings.clone(), &dates);
    assert_eq!(fetched.failures(), BTreeMap::new());
    assert!(fetched.missing(&dates).is_empty());
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
    let in_turn = ClientSettings { in_flight: 7, ..settings };
    assert_eq!(fetch(in_turn.clone(), &dates), fetched);
    let what = |log: &ServerLog| {
        let entries = log.entries.iter();
        let mut all: Vec<_> = entries.map(|e| (e.date.clone(), e.attempt, e.fault)).collect();
        all.sort();
        all
    };
    assert_eq!(what(&server.log().unwrap()), what(&log));
    // ... and without faults the same days.
    server.change(faulty(Faults::default())).unwrap();
    assert_eq!(fetch(in_turn, &dates), fetched);
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
            huge: rate("huge"),
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
        ("huge", &["too large"]),
    ] {
        let settings = ServerSettings { faulty_attempts: 1, ..faulty(one(fault)) };
        server.change(settings.clone()).unwrap();
        let once = ClientSettings {
            retries: 0,
            // Ten large bodies take their time on a slow machine, and are not to fail by that.
            timeout: match fault {
                "huge" => Duration::from_secs(60),
                _ => Duration::from_millis(300),
            },
            ..hasty(&server)
        };
        let fetched = fetch(once.clone(), &dates);
        let found: Vec<String> = fetched.failures().into_keys().collect();
        assert_eq!(found, kinds, "{fault}");
        assert_eq!(fetched.failed.len(), 10);
        if fault == "huge" {
            let log = server.log().unwrap();
            assert!(log.entries.iter().all(|e| e.took.is_some()), "{log:?}");
            continue;
        }
        server.reset_log().unwrap();
        let fetched = fetch(ClientSettings { retries: 1, ..once }, &dates);
        assert!(fetched.missing(&dates).is_empty(), "{fault}: {fetched:?}");
        let log = server.log().unwrap();
        assert_eq!(log.requests, 20, "{fault}");
        all_served_once(&log, &dates);
    }
}

#[test]
fn what_lasts_is_not_tried_again() {
    let dates = dates("2020-05-30", 60);
    let server = start(faulty(Faults { empty: 0.2, stale: 0.2, ..Faults::default() }));
    for version in [Version::V1, Version::V2] {
        server.reset_log().unwrap();
        let settings = ClientSettings { version, ..hasty(&server) };
        let fetched = fetch(settings, &dates);
        let failures = fetched.failures();
        let kinds: Vec<&str> = failures.keys().map(String::as_str).collect();
        assert_eq!(kinds, ["empty day", "other day"]);
        assert!(failures.values().all(|count| (4..25).contains(count)));
        assert_eq!(fetched.days.len() + fetched.failed.len(), 60);
        assert_eq!(server.log().unwrap().requests, 60);
    }
}

#[test]
fn never_more_in_a_window_than_allowed() {
    let limit = CallLimit { calls: 6, window_ms: 400 };
    let server = start(ServerSettings { rate_limit: Some(limit), ..faulty(Faults::default()) });
    let dates = dates("2020-05-30", 27);
    let polite = ClientSettings { rate_limit: Some(limit), ..hasty(&server) };
    // What the client sends in time, a busy machine may still deliver in a heap. Not three times.
    let none_refused = (0..3).any(|_| {
        server.reset_log().unwrap();
        let begin = Instant::now();
        let fetched = fetch(polite.clone(), &dates);
        assert!(begin.elapsed() >= Duration::from_millis(4 * 400));
        assert!(fetched.missing(&dates).is_empty());
        let log = server.log().unwrap();
        all_served_once(&log, &dates);
        let times: Vec<f64> = log.entries.iter().map(|entry| entry.at).collect();
        log.requests == 27 && times.windows(7).all(|some| some[6] - some[0] >= 0.4)
    });
    assert!(none_refused);
}

#[test]
fn who_is_told_to_wait_waits() {
    let server = start(ServerSettings {
        rate_limit: Some(CallLimit { calls: 10, window_ms: 300 }),
        ..faulty(Faults::default())
    });
    let dates = dates("2020-05-30", 25);
    let fetched = fetch(hasty(&server), &dates);
    assert!(fetched.missing(&dates).is_empty(), "{:?}", fetched.failures());
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

    // For an hour it does not.
    server
        .change(ServerSettings {
            rate_limit: Some(CallLimit { calls: 1, window_ms: 3_600_000 }),
            ..ServerSettings::default()
        })
        .unwrap();
    let begin = Instant::now();
    let fetched = fetch(hasty(&server), &dates);
    assert!(begin.elapsed() < Duration::from_secs(5));
    assert_eq!(fetched.failures(), [("status 429".to_owned(), 24)].into());
    assert_eq!(fetched.days.len(), 1);
}

#[test]
fn jitter_breaks_up_the_herd() {
    let peak_of_the_retries = |jitter| {
        let server = start(ServerSettings {
            faulty_attempts: 2,
            ..faulty(Faults { error: 1.0, ..Faults::default() })
        });
        let settings = ClientSettings {
            in_flight: 100,
            backoff: Backoff { first: Duration::from_millis(400), jitter, ..Backoff::default() },
            ..hasty(&server)
        };
        let dates = dates("2020-05-30", 100);
        assert!(fetch(settings, &dates).missing(&dates).is_empty());
        let log = server.log().unwrap();
        let seconds = |entry: &&LogEntry| entry.attempt == 3;
        let times: Vec<f64> = log.entries.iter().filter(seconds).map(|e| e.at).collect();
        let within = |from: f64| times.iter().filter(|&&t| (from..from + 0.1).contains(&t)).count();
        times.iter().map(|&from| within(from)).max().unwrap()
    };
    let (together, spread) = (peak_of_the_retries(false), peak_of_the_retries(true));
    assert!(together >= 40 && spread <= together * 2 / 3, "{together} and {spread}");
}

#[test]
fn a_server_with_little_capacity_is_not_worn_out() {
    let server = start(ServerSettings {
        capacity: Some(10),
        latency: Latency::Fixed { ms: 20 },
        ..ServerSettings::default()
    });
    let dates = dates("2020-05-30", 60);
    let settings = ClientSettings { in_flight: 60, retries: 12, ..hasty(&server) };
    assert!(fetch(settings, &dates).missing(&dates).is_empty());
    let log = server.log().unwrap();
    all_served_once(&log, &dates);
    assert!(log.entries.iter().any(|entry| entry.status == 503));
}

#[test]
fn pages_are_fetched_one_by_one_and_again_where_they_fail() {
    let server = start(ServerSettings {
        items_per_page: 5,
        ..faulty(Faults { error: 0.2, cut: 0.1, ..Faults::default() })
    });
    let dates = dates("2024-07-16", 12);
    let settings = ClientSettings { version: Version::V2, ..hasty(&server) };
    let fetched = fetch(settings, &dates);
    assert!(fetched.missing(&dates).is_empty());
    let log = server.log().unwrap();
    // 24 items in pages of 5, of 12 days.
    assert_eq!(log.served, 5 * 12);
    assert!(log.requests > log.served);
    server.change(faulty(Faults::default())).unwrap();
    assert_eq!(fetch(hasty(&server), &dates), fetched, "version 1 says the same");
}

#[test]
fn nobody_there() {
    let server = start(ServerSettings::default());
    let settings = ClientSettings { retries: 2, ..hasty(&server) };
    let pid = server.pid();
    drop(server);
    assert!(!is_alive(pid));
    let dates = dates("2020-05-30", 3);
    let begin = Instant::now();
    let client = WeatherClient::new(settings).unwrap();
    let fetched = client.fetch_blocking(&dates);
    assert_eq!(fetched.failures(), [("connect".to_owned(), 3)].into());
    assert_eq!(client.requests(), 9);
    assert!(begin.elapsed() < Duration::from_secs(5));
    assert!(WeatherClient::new(ClientSettings::at("no address")).is_err());
}

#[test]
fn who_cancels_keeps_what_has_come_and_goes_on_from_there() {
    let server =
        start(ServerSettings { latency: Latency::Fixed { ms: 30 }, ..ServerSettings::default() });
    let dates = dates("2020-05-30", 60);
    let client = WeatherClient::new(ClientSettings { in_flight: 5, ..hasty(&server) }).unwrap();
    let mut fetched = Fetched::default();
    let in_time = on_one_thread(async {
        let all = client.fetch_into(&mut fetched, &dates);
        tokio::time::timeout(Duration::from_millis(150), all).await
    });
    assert!(in_time.is_err());
    let first = fetched.days.len();
    assert!((1..60).contains(&first), "{first}");
    server.reset_log().unwrap();
    on_one_thread(client.fetch_into(&mut fetched, &dates));
    assert!(fetched.missing(&dates).is_empty());
    assert_eq!(server.log().unwrap().requests, 60 - first);
}

const SCENARIO: &str = "NETWORK_SCENARIO";
const FOLDER: &str = "NETWORK_FOLDER";

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
    let client = WeatherClient::new(ClientSettings {
        in_flight: 5,
        keep_in: std::env::var_os(FOLDER).map(Into::into),
        ..hasty(&server)
    });
    let fetched = client.unwrap().fetch_blocking(&dates);
    assert!(fetched.missing(&dates).is_empty());
}

fn scenario(program: &mut Command, name: &str, folder: &Path) {
    program.env(SCENARIO, name).env(FOLDER, folder).stdout(Stdio::piped()).args([
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
fn a_killed_notebook_leaves_no_server_and_loses_no_day() {
    let folder = tempfile::tempdir().unwrap();
    let mut program = Command::new(std::env::current_exe().unwrap());
    scenario(&mut program, "killed", folder.path());
    let mut notebook = program.spawn().unwrap();
    let lines = BufReader::new(notebook.stdout.take().unwrap()).lines();
    let pid = lines
        .map_while(Result::ok)
        .find_map(|line| line.split("server ").nth(1)?.trim().parse::<u32>().ok())
        .unwrap();
    let kept = || {
        let files = std::fs::read_dir(folder.path()).unwrap();
        let names = files.map(|file| file.unwrap().file_name().into_string().unwrap());
        names.filter(|name| !name.starts_with('.')).collect::<Vec<_>>()
    };
    let begin = Instant::now();
    while kept().len() < 20 {
        assert!(begin.elapsed() < Duration::from_secs(10));
        std::thread::sleep(Duration::from_millis(10));
    }
    assert!(is_alive(pid));
    notebook.kill().unwrap();
    notebook.wait().unwrap();
    let begin = Instant::now();
    while is_alive(pid) {
        assert!(begin.elapsed() < Duration::from_secs(10), "{pid} lives on");
        std::thread::sleep(Duration::from_millis(10));
    }

    // What is on disk is whole, and not asked for again.
    let dates: Vec<String> = kept().iter().map(|name| name.replace(".json", "")).collect();
    assert!(dates.len() < 1000);
    let server = start(faulty(Faults::default()));
    let again = ClientSettings { keep_in: Some(folder.path().to_owned()), ..hasty(&server) };
    let from_disk = fetch(again, &dates);
    assert!(from_disk.missing(&dates).is_empty());
    assert_eq!(server.log().unwrap().requests, 0);
    assert_eq!(fetch(hasty(&server), &dates), from_disk);
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
    scenario(&mut program, "short", &folder.path().join("days"));
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

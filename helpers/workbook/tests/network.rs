//! Does the weather server do what its settings say, and does the client come through all of it?

use helpers::runtime::{on_fresh_thread, on_one_thread};
use helpers::weather::*;
use helpers::{futures_util, reqwest};
use std::time::{Duration, Instant};

fn start(settings: ServerSettings) -> WeatherServer {
    static PROGRAM: std::sync::Once = std::sync::Once::new();
    // SAFETY: every test comes through here before it starts anything that reads variables.
    PROGRAM.call_once(|| unsafe {
        std::env::set_var("WORKBOOK_PROGRAM", env!("CARGO_BIN_EXE_workbook"));
    });
    WeatherServer::start(settings).unwrap()
}

fn client() -> reqwest::Client {
    reqwest::Client::builder()
        .no_proxy()
        .timeout(Duration::from_secs(10))
        .build()
        .unwrap()
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
        let again = fetch_day_v2(&client, &url, "2020-09-06").await.unwrap();
        assert_eq!(day, again);
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
        let bytes: usize = requests
            .buffer_unordered(500)
            .fold(0, |a, b| async move { a + b })
            .await;
        (begin.elapsed(), bytes)
    });
    let log = server.log().unwrap();
    println!(
        "{wall:?}, {} bytes each, {} at once",
        bytes / 5000,
        log.peak_in_flight
    );
    assert_eq!((log.served, log.peak_in_flight), (5000, 500));
    assert!(wall < Duration::from_secs(3), "{wall:?}");
}

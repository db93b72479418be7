//! Do the programs do what they say, and come to the same as the chapters? And are they whole, each in
//! a folder of its own?

use image::{GrayImage, Luma, RgbImage};
use ndarray::{Array3, Axis};
use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use tempfile::{TempDir, tempdir};
use weather::{CallLimit, Faults, Latency, ServerLog, ServerSettings, WeatherServer};
use weather::{dates, day_url, parse_day};

const PROGRAMS: [(&str, &str); 3] = [
    ("fetch", env!("CARGO_BIN_EXE_fetch")),
    ("processes", env!("CARGO_BIN_EXE_processes")),
    ("thumbnails", env!("CARGO_BIN_EXE_thumbnails")),
];

/// Runs one of them in a folder.
fn run(name: &str, folder: &Path, args: &[&str], input: &str) -> Output {
    let (_, program) = PROGRAMS.iter().find(|(known, _)| *known == name).unwrap();
    let mut command = Command::new(program);
    command.args(args).current_dir(folder).env("NO_PROXY", "127.0.0.1");
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    // Who reads nothing, as for --help, may be gone already.
    let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
    child.wait_with_output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[test]
fn each_says_what_it_does() {
    for (name, _) in PROGRAMS {
        let output = run(name, Path::new("."), &["--help"], "");
        let said = text(&output.stdout);
        assert!(output.status.success() && said.contains("Usage:"), "{name}: {said}");
    }
}

fn serve(settings: ServerSettings) -> WeatherServer {
    WeatherServer::start(settings).unwrap()
}

fn quick() -> ServerSettings {
    ServerSettings { latency: Latency::Fixed { ms: 5 }, ..ServerSettings::default() }
}

/// Fetches dates from a server into `days` of a folder.
fn fetch(server: &WeatherServer, folder: &Path, dates: &[String], args: &[&str]) -> Output {
    let address = day_url(&server.url(), "{}");
    let all = [&[address.as_str(), "days"], args].concat();
    run("fetch", folder, &all, &dates.join("\n"))
}

/// The body of one answer.
fn ask(url: &str) -> Vec<u8> {
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let body = async { client.get(url).send().await?.error_for_status()?.bytes().await };
    runtime.block_on(body).unwrap().to_vec()
}

/// How often each date was answered properly.
fn served(log: &ServerLog) -> BTreeMap<&str, usize> {
    let mut counts = BTreeMap::new();
    for entry in log.entries.iter().filter(|entry| entry.is_served()) {
        *counts.entry(entry.date.as_str()).or_default() += 1;
    }
    counts
}

#[test]
fn fetch_comes_through_faults_and_goes_on_where_it_was_stopped() {
    let folder = tempdir().unwrap();
    let faults = Faults { error: 0.2, cut: 0.1, truncated: 0.1, html: 0.1, ..Faults::default() };
    let server = serve(ServerSettings { faults, faulty_attempts: 2, ..quick() });
    let days = dates("2020-09-01", 24);
    let hurry = ["--per-second", "500", "--in-flight", "6"];

    let first = fetch(&server, folder.path(), &days[..10], &hurry);
    assert!(first.status.success(), "{}", text(&first.stderr));
    let second = fetch(&server, folder.path(), &days, &hurry);
    assert!(second.status.success(), "{}", text(&second.stderr));
    let log = server.log().unwrap();
    assert!(log.requests > days.len(), "nothing failed, so nothing was tried");
    assert!(log.peak_in_flight <= 6, "{} in flight", log.peak_in_flight);
    let counts = served(&log);
    assert!(counts.len() == 24 && counts.values().all(|&times| times == 1), "{counts:?}");

    // What it keeps is what a server without faults says, to who asks for one day at a time.
    server.change(quick()).unwrap();
    for date in &days {
        let kept = fs::read(folder.path().join(format!("days/{date}.json"))).unwrap();
        let answer = ask(&day_url(&server.url(), date));
        assert_eq!(parse_day(&kept).unwrap(), parse_day(&answer).unwrap());
    }
    server.reset_log().unwrap();
    assert!(fetch(&server, folder.path(), &days, &[]).status.success());
    assert_eq!(server.log().unwrap().requests, 0, "it has all of them");
}

#[test]
fn fetch_names_what_failed_and_does_not_ask_in_vain() {
    let folder = tempdir().unwrap();
    let server = serve(quick());
    let days = ["2020-09-06".to_owned(), "2020-02-30".to_owned()];
    let output = fetch(&server, folder.path(), &days, &[]);
    let said = text(&output.stderr);
    assert!(!output.status.success() && said.contains("2020-02-30: 400"), "{said}");
    assert!(folder.path().join("days/2020-09-06.json").exists());
    let log = server.log().unwrap();
    // The server's log has only what asks for a day that there is.
    assert_eq!(log.requests, 1, "{log:?}");
    assert_eq!(fs::read_dir(folder.path().join("days")).unwrap().count(), 1);

    let climbs = fetch(&server, folder.path(), &["../up".to_owned()], &[]);
    assert!(text(&climbs.stderr).contains("lines become names of files"));
}

#[test]
fn fetch_keeps_to_its_rate_and_to_the_servers() {
    let (slowly, refused) = (tempdir().unwrap(), tempdir().unwrap());
    let server = serve(quick());
    let days = dates("2020-09-01", 12);
    assert!(fetch(&server, slowly.path(), &days, &["--per-second", "20"]).status.success());
    let log = server.log().unwrap();
    let took = log.entries.last().unwrap().at - log.entries[0].at;
    assert!(took > 11.0 / 20.0 - 0.06, "12 requests in {took} s");

    let rate_limit = Some(CallLimit { calls: 4, window_ms: 1000 });
    server.change(ServerSettings { rate_limit, ..quick() }).unwrap();
    let output = fetch(&server, refused.path(), &days[..7], &["--per-second", "100"]);
    assert!(output.status.success(), "{}", text(&output.stderr));
    let log = server.log().unwrap();
    assert!(log.entries.iter().any(|entry| entry.status == 429));
    assert_eq!(log.served, 7);
}

/// Grey pictures and a coloured one, of different sizes and kinds; a damaged file, and others.
fn pictures() -> TempDir {
    let folder = tempdir().unwrap();
    let place = |name: &str| folder.path().join(name);
    for (name, width, height) in [("a.jpg", 700, 530), ("b.png", 90, 120), ("c.JPEG", 64, 64)] {
        let wave = |x: u32, y: u32| {
            128.0 + 90.0 * (f64::from(x) / 9.0).sin() * (f64::from(y) / 14.0).cos()
        };
        let grey = GrayImage::from_fn(width, height, |x, y| Luma([wave(x, y) as u8]));
        grey.save(place(name)).unwrap();
    }
    RgbImage::from_fn(200, 100, |x, y| image::Rgb([x as u8, y as u8, 90]))
        .save(place("d.png"))
        .unwrap();
    let whole = fs::read(place("a.jpg")).unwrap();
    fs::write(place("cut-off.jpg"), &whole[..whole.len() / 3]).unwrap();
    fs::write(place("text.png"), "kaya toast").unwrap();
    fs::write(place("notes.txt"), "not an image").unwrap();
    fs::create_dir(place("folder.jpg")).unwrap();
    folder
}

#[test]
fn thumbnails_are_those_of_the_chapter_and_bad_files_are_named() {
    let folder = pictures();
    let output = run("thumbnails", folder.path(), &[".", "small.npy"], "");
    let (said, errors) = (text(&output.stdout), text(&output.stderr));
    assert!(output.status.success(), "{errors}");
    assert!(said.contains("4 of 7 images are in small.npy"), "{said}");
    for bad in ["cut-off.jpg", "text.png", "folder.jpg"] {
        let line = errors.lines().find(|line| line.contains(bad));
        assert!(line.is_some_and(|line| line.contains("left out: ")), "{bad}: {errors}");
    }

    let array: Array3<u8> = ndarray_npy::read_npy(folder.path().join("small.npy")).unwrap();
    let names = fs::read_to_string(folder.path().join("small.txt")).unwrap();
    assert_eq!(array.dim(), (4, 64, 64));
    for (name, pixels) in names.lines().zip(array.axis_iter(Axis(0))) {
        let levels: Vec<u8> = pixels.iter().copied().collect();
        let own = xrays::Thumbnail::from_pixels(levels).unwrap();
        let path = folder.path().join(name);
        let chapters = match name.ends_with("d.png") {
            false => xrays::resize(&path).unwrap(),
            // Of the coloured one the chapter makes grey by Pillow's standard.
            true => xrays::shrink(&image::open(&path).unwrap().into_luma8()),
        };
        assert_eq!(own.largest_difference(&chapters), 0, "{name}");
    }
}

#[test]
fn thumbnails_have_the_size_that_is_asked_for() {
    let folder = pictures();
    let output = run("thumbnails", folder.path(), &[".", "--side", "16"], "");
    assert!(output.status.success());
    let array: Array3<u8> = ndarray_npy::read_npy(folder.path().join("thumbnails.npy")).unwrap();
    assert_eq!(array.dim(), (4, 16, 16));
    assert!(!run("thumbnails", folder.path(), &[".", "--side", "0"], "").status.success());
    let empty = tempdir().unwrap();
    let output = run("thumbnails", empty.path(), &["."], "");
    assert!(text(&output.stderr).contains("no image that can be read"));
}

/// The mean level of grey that it prints for each file.
fn means(output: &Output) -> BTreeMap<String, String> {
    let said = text(&output.stdout);
    let lines = said.lines().filter_map(|line| line.split_once(": "));
    lines.map(|(file, answer)| (file.to_owned(), answer.to_owned())).collect()
}

#[test]
fn processes_give_the_same_answers_as_this_one() {
    let folder = pictures();
    let files = ["a.jpg", "text.png", "b.png", "absent.png", "c.JPEG", "d.png"];
    for workers in ["1", "3", "20"] {
        let output =
            run("processes", folder.path(), &[&["--workers", workers], &files[..]].concat(), "");
        let means = means(&output);
        assert_eq!(means.len(), files.len(), "{means:?}");
        for (file, answer) in means {
            match image::open(folder.path().join(&file)) {
                Ok(picture) => {
                    let grey = picture.into_luma8();
                    let sum: f64 = grey.pixels().map(|pixel| f64::from(pixel.0[0])).sum();
                    assert_eq!(answer.parse(), Ok(sum / grey.len() as f64), "{file}");
                }
                Err(_) => assert!(answer.starts_with("error: "), "{file}: {answer}"),
            }
        }
    }
}

/// A pipe with nobody at its other end: whoever opens it hangs, and can be ended.
#[cfg(target_os = "linux")]
#[test]
fn a_worker_that_dies_costs_one_file() {
    use std::time::Duration;
    let folder = pictures();
    assert!(Command::new("mkfifo").arg(folder.path().join("z.png")).status().unwrap().success());
    let mut command = Command::new(env!("CARGO_BIN_EXE_processes"));
    command.args(["--workers", "1", "z.png", "a.jpg", "b.png"]).current_dir(folder.path());
    let program = command.stdout(Stdio::piped()).spawn().unwrap();
    let worker = (0..200).find_map(|_| {
        std::thread::sleep(Duration::from_millis(50));
        child_of(program.id())
    });
    let worker = worker.expect("a worker");
    std::thread::sleep(Duration::from_millis(200));
    assert!(Command::new("kill").args(["-9", &worker.to_string()]).status().unwrap().success());
    let output = program.wait_with_output().unwrap();
    let means = means(&output);
    assert!(output.status.success() && means.len() == 3, "{means:?}");
    assert!(means["z.png"].starts_with("the worker died (signal: 9"), "{means:?}");
    assert!(means["b.png"].parse::<f64>().is_ok(), "{means:?}");
}

/// A process that this one has started.
#[cfg(target_os = "linux")]
fn child_of(parent: u32) -> Option<u32> {
    fs::read_dir("/proc").ok()?.flatten().find_map(|entry| {
        let number = entry.file_name().to_str()?.parse().ok()?;
        let about = fs::read_to_string(entry.path().join("stat")).ok()?;
        // The name, in brackets, may hold anything; state and parent follow.
        let (_, after) = about.rsplit_once(')')?;
        let is = after.split_whitespace().nth(1)?.parse() == Ok(parent);
        is.then_some(number)
    })
}

fn own_folder() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The lines of a manifest's dependencies.
fn dependencies(manifest: &Path) -> Vec<String> {
    let text = fs::read_to_string(manifest).unwrap();
    let lines = text.lines().skip_while(|line| *line != "[dependencies]").skip(1);
    lines.take_while(|line| !line.is_empty()).map(str::to_owned).collect()
}

#[test]
fn each_has_the_dependencies_that_are_tested_and_fits_on_a_page() {
    let tested = dependencies(&own_folder().join("Cargo.toml"));
    for (name, _) in PROGRAMS {
        let folder = own_folder().join(name);
        for line in dependencies(&folder.join("Cargo.toml")) {
            // It may do with fewer features.
            let (package, _) = line.split_once(" = ").unwrap();
            let without = |line: &String| {
                line.split(", features").next().unwrap().replace("{ version = ", "")
            };
            let same = tested.iter().find(|own| own.starts_with(&format!("{package} = ")));
            assert_eq!(same.map(without), Some(without(&line)), "{name}");
        }
        let code = fs::read_to_string(folder.join("src/main.rs")).unwrap();
        let lines = code.lines().count();
        assert!((40..=80).contains(&lines), "{name} has {lines} lines");
    }
}

/// As a reader does who copies one. With the workbook's versions, so that nothing need be fetched.
#[test]
fn each_can_be_built_where_it_is_copied_to() {
    for (name, _) in PROGRAMS {
        let (from, to) = (own_folder().join(name), tempdir().unwrap());
        fs::create_dir(to.path().join("src")).unwrap();
        for file in ["Cargo.toml", "src/main.rs"] {
            fs::copy(from.join(file), to.path().join(file)).unwrap();
        }
        let lock = own_folder().join("../../Cargo.lock");
        fs::copy(lock, to.path().join("Cargo.lock")).unwrap();
        let mut cargo = Command::new(env!("CARGO"));
        cargo.args(["check", "--offline", "--quiet"]).current_dir(to.path());
        for (variable, _) in std::env::vars().filter(|(name, _)| name.starts_with("CARGO_")) {
            if variable != "CARGO_HOME" {
                cargo.env_remove(variable);
            }
        }
        // One folder for all of them, and for the next time.
        let target: PathBuf = Path::new(env!("CARGO_TARGET_TMPDIR")).join("copied");
        let output = cargo.env("CARGO_TARGET_DIR", target).output().unwrap();
        let errors = text(&output.stderr);
        assert!(output.status.success() && !errors.contains("warning"), "{name}: {errors}");
    }
}

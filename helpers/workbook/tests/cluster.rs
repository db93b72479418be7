//! Does a cluster lose nothing when a part of it is killed, and leave nothing behind?
//!
//! These tests need the programs that `cargo workbook setup --cluster` builds, Redis and GNU
//! parallel. Without them each is left out and proves nothing (see `left_out`).

mod left_out;

use helpers::engines::{Cluster, Piece, cluster_program};
use helpers::engines::{shell, tool};
use helpers::xrays::{Thumbnail, resize};
use std::collections::{BTreeMap, HashSet};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Mutex, MutexGuard, OnceLock};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// How often each part is killed.
const KILLS: usize = 5;
const IMAGES: usize = 160;

/// One test at a time: a machine of two cores that runs several clusters proves nothing about any.
fn alone() -> MutexGuard<'static, ()> {
    static ONE: Mutex<()> = Mutex::new(());
    ONE.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
}

/// Whether everything is there that the test of `what` needs: the cluster's programs and `tools`.
fn ready(what: &str, tools: &[&str]) -> bool {
    let mut ready = true;
    if cluster_program("cluster").is_none() {
        let why = "the cluster's programs are not built: `cargo workbook setup --cluster`";
        left_out::leave_out(what, why);
        ready = false;
    }
    for name in tools.iter().filter(|name| tool(name).is_none()) {
        let why = format!("{name} is not installed (Debian and Ubuntu: `sudo apt install {name}`)");
        left_out::leave_out(what, &why);
        ready = false;
    }
    ready
}

/// Some X-rays, made once, with what one process alone makes of them.
fn images() -> &'static BTreeMap<PathBuf, Thumbnail> {
    static MADE: OnceLock<(tempfile::TempDir, BTreeMap<PathBuf, Thumbnail>)> = OnceLock::new();
    let (_, images) = MADE.get_or_init(|| {
        let folder = tempfile::tempdir().unwrap();
        let mut images = BTreeMap::new();
        for n in 0..IMAGES {
            let path = folder.path().join(format!("image-{n:03}.png"));
            // As large as X-rays, so that a job takes long enough to be disturbed.
            let side = 800 + 8 * n as u32;
            let picture = helpers::image::GrayImage::from_fn(side, side, |x, y| {
                helpers::image::Luma([((x * y + n as u32 * 7) % 251) as u8])
            });
            picture.save(&path).unwrap();
            let small = resize(&path).unwrap();
            images.insert(path, small);
        }
        (folder, images)
    });
    images
}

fn paths() -> Vec<PathBuf> {
    images().keys().cloned().collect()
}

/// A number from 0 to 1, another one at each call.
fn random_share() -> f64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    f64::from(now.subsec_micros() % 1000) / 1000.0
}

/// Whether the folder holds each image once, and no other, and each is right. A process that was
/// killed while it wrote leaves a hidden file, which is not an image.
fn assert_complete(folder: &Path) {
    let mut found = BTreeMap::new();
    let entries = std::fs::read_dir(folder).unwrap().flatten();
    for entry in entries.filter(|entry| !entry.file_name().to_string_lossy().starts_with('.')) {
        let picture = helpers::image::open(entry.path()).unwrap().into_luma8();
        found.insert(entry.file_name(), Thumbnail::from_pixels(picture.into_raw()).unwrap());
    }
    let expected: BTreeMap<_, _> = images()
        .iter()
        .map(|(path, small)| (path.file_name().unwrap().to_owned(), small.clone()))
        .collect();
    assert_eq!(found.len(), expected.len());
    assert!(found == expected, "an image differs");
}

/// Items that were begun more than once: handed out again.
fn handed_out_again(journal: &[Piece]) -> usize {
    let items: HashSet<&str> = journal.iter().map(|piece| piece.item.as_str()).collect();
    journal.len() - items.len()
}

fn is_alive(pid: u32) -> bool {
    // SAFETY: signal 0 only asks.
    unsafe { libc::kill(pid as i32, 0) == 0 }
}

fn assert_gone(pids: &[u32]) {
    let deadline = Instant::now() + Duration::from_secs(10);
    while let Some(pid) = pids.iter().find(|pid| is_alive(**pid)) {
        assert!(Instant::now() < deadline, "process {pid} is still there");
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn pids(cluster: &Cluster) -> Vec<u32> {
    let report = cluster.status().unwrap();
    report.names().iter().filter_map(|name| report.pid(name)).collect()
}

const SHRINK_ALL: &str = "SELECT path, shrink(path) AS image FROM xrays ORDER BY path";

fn assert_answer(answer: &helpers::engines::Answer) {
    let paths: Vec<(String, String)> = answer.rows();
    let found: BTreeMap<PathBuf, Thumbnail> = paths
        .into_iter()
        .zip(answer.bytes("image"))
        .map(|((path, _), image)| (PathBuf::from(path), Thumbnail::from_pixels(image).unwrap()))
        .collect();
    assert!(found == *images(), "{} of {} images", found.len(), images().len());
}

#[test]
fn a_killed_executor_costs_no_result() {
    let _alone = alone();
    if !ready("that a killed executor costs no result", &[]) {
        return;
    }
    let mut cluster = Cluster::of_executors(3).unwrap();
    cluster.list("xrays", &paths()).unwrap();
    assert_answer(&cluster.sql(SHRINK_ALL).unwrap());
    let mut repeated = 0;
    for _ in 0..KILLS {
        let before = cluster.journal().len();
        let job = cluster.begin(SHRINK_ALL).unwrap();
        let some = (IMAGES as f64 * random_share()) as usize;
        cluster.wait_for_beginnings(before, some);
        // The first one, so that it can be killed each time.
        cluster.kill("executor-1").unwrap();
        assert_answer(&job.wait().unwrap());
        repeated += handed_out_again(&cluster.journal()[before..]);
        cluster.heal().unwrap();
    }
    println!("{repeated} images were handed out again in {KILLS} jobs");
    assert!(repeated > 0, "no kill came in the middle of a job");
    let all = pids(&cluster);
    drop(cluster);
    assert_gone(&all);
}

/// Puts a task for each image into Redis and returns at a random moment, when some are done.
fn hand_in_and_wait(cluster: &Cluster, out: &Path) {
    let before = cluster.journal().len();
    let submitted = cluster.resize_later(&paths(), out, 0.01).unwrap();
    assert_eq!(submitted, IMAGES);
    // Idle workers look for tasks once a second.
    cluster.wait_for_beginnings(before, 10);
    std::thread::sleep(Duration::from_millis(500).mul_f64(random_share()));
}

#[test]
fn a_killed_worker_costs_no_image() {
    let _alone = alone();
    if !ready("that a killed worker of the queue costs no image", &["redis-server"]) {
        return;
    }
    let cluster = Cluster::of_workers(2).unwrap();
    let mut repeated = 0;
    for _ in 0..KILLS {
        let before = cluster.journal().len();
        let out = tempfile::tempdir().unwrap();
        hand_in_and_wait(&cluster, out.path());
        cluster.kill("worker-1").unwrap();
        let tasks = cluster.wait_for_tasks(Duration::from_secs(60)).unwrap();
        assert_eq!(tasks.failed, 0);
        assert_complete(out.path());
        repeated += handed_out_again(&cluster.journal()[before..]);
        cluster.heal().unwrap();
    }
    println!("{repeated} tasks were handed out again in {KILLS} rounds");
    let all = pids(&cluster);
    drop(cluster);
    assert_gone(&all);
}

#[test]
fn a_killed_redis_forgets_nothing() {
    let _alone = alone();
    if !ready("that a killed Redis forgets nothing", &["redis-server"]) {
        return;
    }
    let cluster = Cluster::of_workers(2).unwrap();
    for round in 1..=KILLS {
        let out = tempfile::tempdir().unwrap();
        hand_in_and_wait(&cluster, out.path());
        cluster.kill("redis").unwrap();
        assert!(cluster.tasks().is_err());
        std::thread::sleep(Duration::from_millis(200));
        cluster.heal().unwrap();
        let tasks = cluster.wait_for_tasks(Duration::from_secs(60)).unwrap();
        assert_eq!((tasks.done, tasks.failed), (round * IMAGES, 0));
        assert_complete(out.path());
    }
    let all = pids(&cluster);
    drop(cluster);
    assert_gone(&all);
}

#[test]
fn gnu_parallel_goes_on_where_it_was_killed() {
    let _alone = alone();
    if !ready("that GNU parallel goes on where it was killed", &["parallel"]) {
        return;
    }
    // By its name, as in the chapter: its path may hold a space.
    let program = cluster_program("resize-files").unwrap();
    let old = std::env::var_os("PATH").unwrap();
    let folders = [program.parent().unwrap().to_owned()];
    let path = std::env::join_paths(folders.into_iter().chain(std::env::split_paths(&old)));
    let path = path.unwrap();
    let mut interrupted = 0;
    for _ in 0..KILLS {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path();
        std::fs::create_dir(folder.join("out")).unwrap();
        let lines: String = images().keys().map(|path| format!("{}\n", path.display())).collect();
        std::fs::write(folder.join("list"), lines).unwrap();
        let log = folder.join("log");
        let line = "parallel --resume-failed --joblog log --jobs 2 resize-files out {} :::: list";
        let mut first = Command::new("sh")
            .args(["-c", &format!("exec {line}")])
            .current_dir(folder)
            .env("PATH", &path)
            .stdin(Stdio::null())
            .spawn()
            .unwrap();
        while std::fs::read_to_string(&log).map_or(0, |log| log.lines().count()) < 5 {
            std::thread::sleep(Duration::from_millis(1));
        }
        std::thread::sleep(Duration::from_millis(500).mul_f64(random_share()));
        first.kill().unwrap();
        first.wait().unwrap();
        let done_before = std::fs::read_to_string(&log).unwrap().lines().count() - 1;
        interrupted += usize::from(done_before < IMAGES);
        let second = shell(folder, "parallel", line);
        assert_eq!(second.code, Some(0), "{second:?}");
        assert_complete(&folder.join("out"));
        let log = std::fs::read_to_string(&log).unwrap();
        let jobs: Vec<&str> = log.lines().skip(1).collect();
        assert!(jobs.len() >= IMAGES && jobs.len() <= IMAGES + 2, "{} jobs", jobs.len());
    }
    assert!(interrupted > 0, "no kill came in the middle of a run");
}

/// What this test starts: a cluster, whose processes it prints, and then nothing.
#[test]
fn hold_a_cluster() {
    if std::env::var_os("HOLD_A_CLUSTER").is_none() {
        return;
    }
    let sql = Cluster::of_executors(1).unwrap();
    let tasks = Cluster::of_workers(1).unwrap();
    println!("PIDS {:?}", [pids(&sql), pids(&tasks)].concat());
    std::thread::sleep(Duration::from_secs(600));
}

#[test]
fn an_owner_that_is_killed_leaves_no_process() {
    use std::io::{BufRead, BufReader};
    let _alone = alone();
    if !ready("that a killed notebook leaves no process of a cluster", &["redis-server"]) {
        return;
    }
    let mut owner = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "hold_a_cluster", "--nocapture"])
        .env("HOLD_A_CLUSTER", "1")
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(owner.stdout.take().unwrap()).lines();
    let line =
        lines.map_while(Result::ok).find_map(|line| Some(line.split_once("PIDS ")?.1.to_owned()));
    let pids: Vec<u32> = serde_json::from_str(&line.unwrap()).unwrap();
    assert!(pids.len() == 4 && pids.iter().all(|pid| is_alive(*pid)), "{pids:?}");
    owner.kill().unwrap();
    owner.wait().unwrap();
    assert_gone(&pids);
}

#[test]
fn one_engine_gives_the_same_table_on_one_process_and_on_a_cluster() {
    let _alone = alone();
    if !ready("that a cluster gives the same tables as one process", &[]) {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    for part in 0..4 {
        let lines: String = (0..100)
            .map(|n| {
                format!("{{\"station\":\"S{}\",\"celsius\":{}.5}}\n", n % 7, 20 + (n + part) % 13)
            })
            .collect();
        std::fs::write(folder.path().join(format!("{part}.jsonl")), lines).unwrap();
    }
    let query =
        "SELECT station, count(*), avg(celsius) FROM readings GROUP BY station ORDER BY station";
    let mut local = Cluster::in_one_process(2);
    local.table("readings", folder.path());
    let mut cluster = Cluster::of_executors(2).unwrap();
    cluster.table("readings", folder.path());
    let one: Vec<(String, u64, f64)> = local.sql(query).unwrap().rows();
    assert_eq!(one.len(), 7);
    assert_eq!(one, cluster.sql(query).unwrap().rows());

    // Parquet, written by the engine itself, gives it too.
    let parquet = folder.path().join("parquet");
    local.sql(&format!("COPY readings TO '{}/' STORED AS PARQUET", parquet.display())).unwrap();
    cluster.table("readings", &parquet);
    assert_eq!(one, cluster.sql(query).unwrap().rows());

    // A mistake is an error with the engine's own words, and no reason to end.
    let error = cluster.sql("SELECT no_such_column FROM readings").unwrap_err().to_string();
    assert!(error.contains("no_such_column"), "{error}");
    let error = cluster.kill("executor-9").unwrap_err().to_string();
    assert!(error.contains("executor-1"), "{error}");
    let error = cluster.tasks().unwrap_err().to_string();
    assert!(error.contains("no workers"), "{error}");
    assert_eq!(one, cluster.sql(query).unwrap().rows());
}

//! Does a cluster lose nothing when a part of it is killed, and leave nothing behind?
//!
//! These tests need what `cargo workbook setup --cluster` builds and installs, Redis and GNU
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

const FROM_PYTHON: [&str; 3] = ["celery", "dask", "pyspark"];

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

/// Whether these engines from Python are installed, which the test of `what` needs.
fn python_ready(what: &str, engines: &[&str]) -> bool {
    let bin = helpers::paths::root().join("target/workbook/cluster/python-engines/bin");
    let program = |engine| if engine == "pyspark" { "spark-class" } else { engine };
    let missing = engines.iter().find(|engine| !bin.join(program(engine)).exists());
    if let Some(engine) = missing {
        let why = format!("{engine} is not installed: `cargo workbook setup --cluster`");
        left_out::leave_out(what, &why);
    }
    missing.is_none()
}

/// What an engine's disturbed jobs came to.
#[derive(Debug, Default)]
struct Disturbed {
    lost: usize,
    lost_when_begun: usize,
    again: usize,
}

/// Disturbs an engine in the middle of a job, each time at another moment, and heals it. Of each job
/// so many results may be `lost`; all others are as they are without that, and so is everything in the
/// end.
fn disturb_one_from_python(
    engine: &str,
    disturb: impl Fn(&Cluster, usize),
    lost: std::ops::RangeInclusive<usize>,
) -> Disturbed {
    let cluster = Cluster::of_python(engine, 2, None).unwrap();
    let make = |to: &Path, at_least: f64| cluster.images(&paths(), to, at_least).unwrap();
    let calm = tempfile::tempdir().unwrap();
    let expected = make(calm.path(), 0.0).done().unwrap();
    assert_eq!((expected.items, expected.lost.len()), (IMAGES, 0));
    let mut sum = Disturbed::default();
    for _ in 0..KILLS {
        let disturbed = tempfile::tempdir().unwrap();
        let before = cluster.journal().len();
        let job = make(disturbed.path(), 0.01);
        disturb(&cluster, before);
        let done = job.done().unwrap();
        let journal = &cluster.journal()[before..];
        let is_begun =
            |path: &&PathBuf| journal.iter().any(|piece| Path::new(&piece.item) == *path);
        sum.lost += done.lost.len();
        sum.lost_when_begun += done.lost.iter().filter(is_begun).count();
        sum.again += handed_out_again(journal);
        println!("{engine}: {done:?}; so far {sum:?}");
        assert!(lost.contains(&done.lost.len()), "{done:?}");
        assert_eq!(done.items + done.lost.len(), IMAGES);
        for path in paths().iter().filter(|path| !done.lost.contains(path)) {
            let read =
                |folder: &Path| std::fs::read(folder.join(path.file_name().unwrap())).unwrap();
            assert_eq!(read(calm.path()), read(disturbed.path()), "{}", path.display());
        }
        let report = cluster.heal().unwrap();
        assert!(report.names().iter().all(|name| report.pid(name).is_some()), "{report}");
    }
    assert_eq!(make(calm.path(), 0.0).done().unwrap().digest, expected.digest);
    let all = pids(&cluster);
    drop(cluster);
    assert_gone(&all);
    sum
}

/// Waits for a random moment in this part of a job, as far as `journal[before..]` tells of it.
fn wait_for_some(cluster: &Cluster, before: usize, from: f64, to: f64) {
    let share = from + (to - from) * random_share();
    cluster.wait_for_beginnings(before, (IMAGES as f64 * share) as usize);
}

/// Kills a worker in the middle of a task, if it is given one: after a heal it may still be starting.
fn kill_a_worker(cluster: &Cluster, before: usize) {
    wait_for_some(cluster, before, 0.0, 0.8);
    let deadline = Instant::now() + Duration::from_secs(60);
    let is_at_work = |piece: &Piece| piece.name == "worker-1" && piece.done.is_none();
    let is_over = |journal: &[Piece]| journal.len() >= IMAGES || journal.iter().any(is_at_work);
    while Instant::now() < deadline && !is_over(&cluster.journal()[before..]) {
        std::thread::sleep(Duration::from_millis(2));
    }
    cluster.kill("worker-1").unwrap();
}

/// The task that ran, which was crossed off already, and the four that a worker holds by default.
#[test]
fn a_killed_celery_worker_costs_what_its_default_allows() {
    let _alone = alone();
    if python_ready("that a killed Celery worker costs what its default allows", &["celery"]) {
        let came = disturb_one_from_python("celery", kill_a_worker, 0..=6);
        assert!(came.lost > 0, "no kill came in the middle of a job");
    }
}

/// A message that a worker has just taken from Redis, but not yet noted as taken, is lost: these are two
/// steps in Celery's transport. That is rare, and one message of each worker at most. No task is lost
/// that was begun.
#[test]
fn a_killed_celery_worker_that_acknowledges_late_costs_next_to_nothing() {
    let _alone = alone();
    if python_ready("that Celery, acknowledging late, loses next to nothing", &["celery"]) {
        let came = disturb_one_from_python("celery-late", kill_a_worker, 0..=1);
        assert!(came.again > 0, "no kill came in the middle of a job");
        assert_eq!(came.lost_when_begun, 0);
    }
}

/// As above, and both workers are cut off.
#[test]
fn a_killed_redis_costs_celery_next_to_nothing() {
    let _alone = alone();
    if python_ready("that a killed Redis costs Celery next to nothing", &["celery"]) {
        let kill_and_heal = |cluster: &Cluster, before| {
            // While tasks are handed in, an error would tell the client that there is no Redis.
            wait_for_some(cluster, before, 0.5, 0.8);
            cluster.kill("redis").unwrap();
            std::thread::sleep(Duration::from_millis(200));
            cluster.heal().unwrap();
        };
        let came = disturb_one_from_python("celery-late", kill_and_heal, 0..=2);
        assert_eq!(came.lost_when_begun, 0);
    }
}

fn a_killed_worker_from_python_costs_no_image(name: &str, engine: &str) {
    let _alone = alone();
    if python_ready(&format!("that a killed {name} worker costs no image"), &[engine]) {
        let came = disturb_one_from_python(engine, kill_a_worker, 0..=0);
        assert!(came.again > 0, "no kill came in the middle of a job");
    }
}

#[test]
fn a_killed_dask_worker_costs_no_image() {
    a_killed_worker_from_python_costs_no_image("Dask", "dask");
}

#[test]
fn a_killed_spark_worker_with_its_executor_costs_no_image() {
    a_killed_worker_from_python_costs_no_image("Spark", "pyspark");
}

#[test]
fn engines_from_python_give_one_table_and_two_kinds_of_queue_share_a_redis() {
    let _alone = alone();
    if !python_ready("that engines from Python give one table", &FROM_PYTHON) {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    for part in 0..3 {
        let line = |n: i32| {
            format!(
                "{{\"station\":\"S{}\",\"celsius\":{}.{}}}\n",
                n % 7,
                n % 13 - 5,
                (n + part) % 10
            )
        };
        let lines: String = (0..500).map(line).collect();
        std::fs::write(folder.path().join(format!("{part}.jsonl")), lines).unwrap();
    }
    let mut digests = HashSet::new();
    for engine in FROM_PYTHON {
        let cluster = Cluster::of_python(engine, 1, None).unwrap();
        let done = cluster.stations(folder.path()).unwrap();
        assert_eq!(done.items, 7, "{engine}");
        digests.insert(done.digest);
        assert_eq!(cluster.empty_tasks(50).unwrap().items, 50);
        let error = cluster.stations(Path::new("/no/such")).unwrap_err().to_string();
        assert!(error.contains("no readings"), "{error}");
    }
    assert_eq!(digests.len(), 1, "{digests:?}");
    if !ready("that apalis and Celery share a Redis", &["redis-server"]) {
        return;
    }
    let queue = Cluster::of_workers(1).unwrap();
    let celery = Cluster::of_python("celery", 1, Some(&queue)).unwrap();
    assert!(!celery.status().unwrap().names().contains(&"redis".to_owned()));
    let out = tempfile::tempdir().unwrap();
    queue.resize_later(&paths()[..9], out.path(), 0.0).unwrap();
    assert_eq!(celery.empty_tasks(50).unwrap().items, 50);
    assert_eq!(queue.wait_for_tasks(Duration::from_secs(60)).unwrap().done, 9);
}

/// All processes that one has started, and those that these have.
fn below(root: u32) -> Vec<u32> {
    let listed = Command::new("ps").args(["-A", "-o", "pid=,ppid="]).output().unwrap();
    let text = String::from_utf8(listed.stdout).unwrap();
    let number = |word: Option<&str>| word?.parse::<u32>().ok();
    let pair = |line: &str| {
        let mut words = line.split_whitespace();
        Some((number(words.next())?, number(words.next())?))
    };
    let pairs: Vec<(u32, u32)> = text.lines().filter_map(pair).collect();
    let mut family = vec![root];
    let mut seen = 0;
    while let Some(&parent) = family.get(seen) {
        family.extend(pairs.iter().filter(|pair| pair.1 == parent).map(|pair| pair.0));
        seen += 1;
    }
    family.split_off(1)
}

/// The addresses at which these processes listen, as Linux writes them; nothing on other systems.
fn listening(pids: &[u32]) -> Vec<String> {
    let files = |pid: &u32| std::fs::read_dir(format!("/proc/{pid}/fd")).into_iter().flatten();
    let links =
        pids.iter().flat_map(files).flatten().flat_map(|file| std::fs::read_link(file.path()));
    let sockets: HashSet<String> = links
        .filter_map(|link| {
            Some(link.to_str()?.strip_prefix("socket:[")?.strip_suffix(']')?.to_owned())
        })
        .collect();
    let tables = ["tcp", "tcp6"].map(|name| std::fs::read_to_string(format!("/proc/net/{name}")));
    let text = tables.into_iter().flatten().collect::<String>();
    let words = text.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
    words
        .filter(|words| words.len() > 9 && words[3] == "0A" && sockets.contains(words[9]))
        .map(|words| words[1].to_owned())
        .collect()
}

/// What this test starts: an engine from Python, and then nothing.
#[test]
fn hold_an_engine_from_python() {
    if let Ok(engine) = std::env::var("HOLD_AN_ENGINE") {
        let cluster = Cluster::of_python(&engine, 1, None).unwrap();
        // With work behind it Spark has started processes of Python too.
        cluster.empty_tasks(4).unwrap();
        println!("HELD");
        std::thread::sleep(Duration::from_secs(600));
    }
}

#[test]
fn an_owner_that_is_killed_leaves_no_process_of_an_engine_from_python() {
    use std::io::{BufRead, BufReader};
    let _alone = alone();
    if !python_ready("that a killed notebook leaves no engine from Python", &FROM_PYTHON) {
        return;
    }
    for engine in FROM_PYTHON {
        // The notebook is killed, or the supervisor, which can then end nothing itself.
        for whom in ["notebook", "supervisor"] {
            let mut owner = Command::new(std::env::current_exe().unwrap())
                .args(["--exact", "hold_an_engine_from_python", "--nocapture"])
                .env("HOLD_AN_ENGINE", engine)
                .stdout(Stdio::piped())
                .spawn()
                .unwrap();
            let mut lines = BufReader::new(owner.stdout.take().unwrap()).lines();
            assert!(lines.any(|line| line.unwrap().contains("HELD")), "{engine}");
            let pids = below(owner.id());
            assert!(pids.len() >= 4 && pids.iter().all(|pid| is_alive(*pid)), "{pids:?}");
            let addresses = listening(&pids);
            assert!(!cfg!(target_os = "linux") || !addresses.is_empty(), "{engine}");
            // 127.0.0.1, also as an address of version 6.
            let elsewhere = addresses.iter().find(|address| !address.contains("0100007F:"));
            assert_eq!(elsewhere, None, "{engine}: {addresses:?}");
            if whom == "supervisor" {
                // SAFETY: only sends a signal, to a process of this test's.
                unsafe { libc::kill(pids[0] as i32, libc::SIGKILL) };
                // It is the owner's child, which does not wait for it.
                assert_gone(&pids[1..]);
            }
            owner.kill().unwrap();
            owner.wait().unwrap();
            assert_gone(&pids);
        }
    }
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
